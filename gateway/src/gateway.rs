//! What every connection of the gateway shares.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use cluster_client::{CastCounters, ClusterError, Replied};
use tokio::sync::{Semaphore, watch};
use wire::codec::v1;
use wire::command::Reply;
use wire::{
    AccountId, ClientOrderId, ClusterEpoch, Command, LogPosition, MarketId, OrderId, PartitionId, RejectReason,
};

use crate::accounts::Order;
use crate::cluster::Ledger;
use crate::config::Limits;
use crate::errors::{self, ApiError};
use crate::exchange::Exchange;
use crate::history::History;
use crate::http::places::Places;
use crate::metrics::Metrics;
use crate::order_entry::turns::Turns;
use crate::reads::Reads;
use crate::streams::Hub;
use crate::surroundings::{Runtime, Surroundings};
use crate::throttle::Throttle;
use crate::trace;

/// A command is given at least so long, as whoever waits for its outcome is.
const SEQUENCE_WITHIN_MIN: Duration = Duration::from_millis(1);

/// One gateway: the projections, the way into the cluster, and the limits.
pub struct Gateway {
    /// What has happened on the exchange.
    pub exchange: Arc<Exchange>,
    /// Who listens to market streams.
    pub hub: Arc<Hub>,
    /// The way into the ledger's log.
    pub ledger: Arc<dyn Ledger>,
    /// Where it runs.
    pub surroundings: Arc<dyn Surroundings>,
    /// Where past orders, fills, trades and klines are read.
    pub history: History,
    /// What clients have used of their limits.
    pub throttle: Throttle,
    /// Bounds.
    pub limits: Limits,
    /// Whether the exchange's past has been read: before, everything is answered `-1008`.
    pub is_ready: AtomicBool,
    /// Whether every partition has lately had a leader that a majority follows.
    pub is_reachable: AtomicBool,
    /// Which life of the exchange this is: the cluster's epoch, raised by every restore and promotion.
    pub life: ClusterEpoch,
    /// What is counted of events that come by Aeron.
    pub casts: Option<Arc<CastCounters>>,
    /// Whether it serves public market data alone.
    pub is_read_only: bool,
    /// What is counted.
    pub metrics: Metrics,
    /// Places for requests in flight.
    pub(crate) requests: Semaphore,
    /// Places for connections.
    pub(crate) connections: Arc<Places>,
    /// Amends by the order.
    pub(crate) amends: Turns<(AccountId, MarketId, OrderId)>,
    /// Amends by the name that they give.
    pub(crate) renames: Turns<(AccountId, ClientOrderId)>,
    reads: Arc<Reads>,
    phase: watch::Sender<Phase>,
}

/// Where a request came from, for its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client's address.
    pub ip: IpAddr,
}

impl Gateway {
    /// Over projections that are fed by somebody else, whose market data publish to `hub`. History is in them too.
    pub fn new(exchange: Arc<Exchange>, hub: Arc<Hub>, ledger: Arc<dyn Ledger>, limits: Limits) -> Gateway {
        let unfilled = Arc::clone(exchange.accounts().unfilled());
        Gateway {
            exchange,
            hub,
            ledger,
            surroundings: Arc::new(Runtime),
            history: History::Embedded,
            throttle: Throttle::new(&limits, unfilled),
            is_ready: AtomicBool::new(false),
            is_reachable: AtomicBool::new(true),
            life: ClusterEpoch::new(1),
            is_read_only: false,
            casts: None,
            metrics: Metrics::default(),
            requests: Semaphore::new(limits.requests_max),
            amends: Turns::default(),
            renames: Turns::default(),
            connections: Arc::new(Places::new(limits.connections_max, limits.connections_per_address)),
            limits,
            reads: Arc::default(),
            phase: watch::Sender::new(Phase::Serving),
        }
    }

    /// As [`Surroundings::wall_us`].
    pub fn now_us(&self) -> u64 {
        self.surroundings.wall_us()
    }

    /// Has a command sequenced in the ledger's log, exactly once. Who follows the present request learns where it is.
    pub(crate) async fn sequence(&self, command: &Command, timeout: Duration) -> Result<Replied, ClusterError> {
        let mut bytes = Vec::with_capacity(160);
        v1::encode_command(command, &mut bytes);
        let replied = self.ledger.request(bytes, timeout).await?;
        trace::passed(self.exchange.ledger(), replied.position);
        Ok(replied)
    }

    /// As [`Gateway::sequence`], until `deadline`, and for a moment at least.
    pub(crate) async fn sequence_by(&self, command: &Command, deadline: Instant) -> Result<Replied, ClusterError> {
        let left = deadline.saturating_duration_since(self.surroundings.now());
        self.sequence(command, left.max(SEQUENCE_WITHIN_MIN)).await
    }

    /// As [`Gateway::sequence_by`], of a command that takes from the account's funds, until `deadline`. Whoever was told that a market
    /// has taken an order may spend what it brings with the next message: that waits for the ledger's word, for as long as a
    /// read does. A gateway that has not heard of the order's market yet finds out by a refusal for want of funds: that counts
    /// once the ledger has told of the orders that were on their way then.
    pub(crate) async fn spend(
        &self,
        account: AccountId,
        command: &Command,
        deadline: Instant,
    ) -> Result<Replied, ClusterError> {
        let taken = self.exchange.accounts().taken(account);
        self.arrived(account, taken).await;
        let replied = self.sequence_by(command, deadline).await?;
        let wants_funds = matches!(replied.reply, Reply::Rejected { reason: RejectReason::InsufficientBalance, .. });
        let left = deadline.saturating_duration_since(self.surroundings.now()).max(SEQUENCE_WITHIN_MIN);
        let read_within = left.min(self.limits.read_timeout);
        if !wants_funds || !self.wait_for(self.exchange.ledger(), replied.position, read_within).await {
            return Ok(replied);
        }
        let on_their_way = self.exchange.accounts().on_their_way(account, |_| true);
        self.arrived(account, on_their_way).await;
        let has_arrived = self.exchange.accounts().arrived_at(account) > replied.position;
        let is_in_time = self.surroundings.now() + SEQUENCE_WITHIN_MIN < deadline;
        if has_arrived && is_in_time { self.sequence_by(command, deadline).await } else { Ok(replied) }
    }

    /// Waits until the projections hold everything of a partition up to `position`; `false` after `timeout`.
    pub async fn wait_for(&self, partition: PartitionId, position: LogPosition, timeout: Duration) -> bool {
        if self.exchange.seen(partition) >= position {
            return true;
        }
        self.surroundings.within(timeout, self.exchange.reached(partition, position)).await == Some(true)
    }

    /// Waits until the projections hold everything that the ledger had committed when this was called.
    pub async fn up_to_date(&self) -> Result<(), ApiError> {
        let timeout = self.limits.read_timeout;
        let position = self.committed_position().await?;
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::ReadNotAwaited) {
            return Ok(());
        }
        if self.wait_for(self.exchange.ledger(), position, timeout).await { Ok(()) } else { Err(errors::DISCONNECTED) }
    }

    /// As [`Gateway::up_to_date`], for a read of those of the account's orders that are `wanted`: an order that some gateway
    /// has answered by its market's word is told no older. Up to which position of the ledger the projections are then, at
    /// least.
    pub(crate) async fn orders_up_to_date(
        &self,
        account: AccountId,
        is_wanted: impl Fn(&Order) -> bool,
    ) -> Result<LogPosition, ApiError> {
        self.up_to_date().await?;
        // Those that come later nobody was told of when this was asked. Past its time they are told as they are known.
        let on_their_way = self.exchange.accounts().on_their_way(account, is_wanted);
        self.arrived(account, on_their_way).await;
        Ok(self.exchange.seen(self.exchange.ledger()).max(self.exchange.accounts().as_of()))
    }

    /// As [`Gateway::up_to_date`], for a read of all that the account has: what its orders have brought, of which some gateway
    /// has said that their markets have taken them, is in it.
    pub(crate) async fn account_up_to_date(&self, account: AccountId) -> Result<(), ApiError> {
        self.orders_up_to_date(account, |_| true).await.map(drop)
    }

    /// Waits, for as long as a read may ([`Limits::outcome_wait`]), until the ledger has told what became of these orders of the
    /// account.
    async fn arrived(&self, account: AccountId, mut orders: Vec<(MarketId, OrderId)>) {
        if orders.is_empty() {
            return;
        }
        let told = self.exchange.until(self.exchange.ledger(), || {
            let accounts = self.exchange.accounts();
            orders.retain(|order| accounts.is_on_its_way(account, *order));
            orders.is_empty()
        });
        self.surroundings.within(self.limits.outcome_wait, told).await;
    }

    /// Waits until this gateway has seen the account's user event of this number, which another one may have told, or
    /// knows that there is none.
    pub(crate) async fn catch_up_with(&self, account: AccountId, sequence: u64) -> Result<(), ApiError> {
        if sequence > self.exchange.accounts().last_user_event(account) {
            self.up_to_date().await?;
        }
        match sequence <= self.exchange.accounts().last_user_event(account) {
            true => Ok(()),
            false => Err(errors::EVENTS_OF_ANOTHER_LIFE),
        }
    }

    /// Up to where the ledger's log was committed when this was called.
    pub(crate) async fn committed_position(&self) -> Result<LogPosition, ApiError> {
        let timeout = self.limits.read_timeout;
        self.reads.position(&self.ledger, self.exchange.ledger(), timeout, &*self.surroundings).await
    }

    /// Where the gateway is in its life.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Whether it is about to shut down: what is under way goes on, `/readyz` sends new clients elsewhere.
    pub fn is_draining(&self) -> bool {
        *self.phase.borrow() != Phase::Serving
    }

    pub(crate) fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    pub(crate) fn stop(&self) {
        self.phase.send_replace(Phase::Stopping);
    }
}

/// Where a gateway is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    Serving,
    /// It serves, and has told its clients that it will end.
    Draining,
    /// What is under way is finished; nothing else is begun.
    Stopping,
}

/// Waits until the gateway stops.
pub(crate) async fn stopped(phase: &mut watch::Receiver<Phase>) {
    // An error says that the gateway is gone.
    let _ = phase.wait_for(|phase| *phase == Phase::Stopping).await;
}

/// Waits until the gateway drains or stops.
pub(crate) async fn drained(phase: &mut watch::Receiver<Phase>) {
    // An error says that the gateway is gone.
    let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
}

/// The JSON text of an answer, or an error.
pub type Answer = Result<String, ApiError>;
