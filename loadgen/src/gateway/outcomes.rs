//! What the ledger tells of orders that are sent straight at the nodes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cluster_client::{Cluster, ClusterError, EventStream, StreamItem};
use wire::{AccountId, Event, LogPosition, MarketId, OrderId, PartitionId, RejectReason};

use super::{GatewayError, PATIENCE, SYMBOL};

/// What the ledger knows that is traded with.
#[derive(Default)]
pub struct Known {
    pub accounts: HashMap<String, AccountId>,
    pub market: Option<MarketId>,
}

impl Known {
    pub async fn read(cluster: &Cluster, ledger: PartitionId) -> Result<Known, GatewayError> {
        let failed = |source| GatewayError::Cluster { doing: "read the ledger's accounts and markets", source };
        let until = cluster.read_index(ledger, PATIENCE).await.map_err(failed)?;
        let (mut known, mut events) = (Known::default(), cluster.subscribe(ledger, LogPosition::new(1)));
        loop {
            let next =
                tokio::time::timeout(PATIENCE, events.next()).await.map_err(|_| failed(ClusterError::Timeout))?;
            let reached = match next.ok_or_else(|| failed(ClusterError::Closed))? {
                StreamItem::Events { position, events, .. } => {
                    for event in &events {
                        match event {
                            Event::AccountOpened(opened) => {
                                known.accounts.insert(opened.name.to_string(), opened.account);
                            }
                            Event::MarketListed(listed) if listed.symbol.as_str() == SYMBOL => {
                                known.market = Some(listed.market)
                            }
                            _ => {}
                        }
                    }
                    position
                }
                StreamItem::Progress { position } => position,
            };
            if reached >= until {
                return Ok(known);
            }
        }
    }
}

/// When the first outcomes of orders came, whether they are waited for already or not yet.
#[derive(Default)]
pub struct Outcomes {
    state: Mutex<HashMap<OrderId, Outcome>>,
}

/// When it was told, and why the market refused the order, if it did.
pub type Told = (Instant, Option<RejectReason>);

enum Outcome {
    Came(Told),
    Waits(tokio::sync::oneshot::Sender<Told>),
}

impl Outcomes {
    pub async fn of(&self, order: OrderId) -> Told {
        let receiver = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Outcome::Came(told)) = state.remove(&order) {
                return told;
            }
            let (sender, receiver) = tokio::sync::oneshot::channel();
            state.insert(order, Outcome::Waits(sender));
            receiver
        };
        receiver.await.unwrap_or_else(|_| (Instant::now(), None))
    }

    fn came(&self, order: OrderId, refused: Option<RejectReason>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let told = (Instant::now(), refused);
        match state.remove(&order) {
            Some(Outcome::Waits(sender)) => drop(sender.send(told)),
            Some(came @ Outcome::Came(_)) => drop(state.insert(order, came)),
            None => drop(state.insert(order, Outcome::Came(told))),
        }
    }
}

/// Notes the first outcome of every order of the market.
pub async fn follow(mut events: EventStream, market: MarketId, outcomes: Arc<Outcomes>) {
    // Orders have more than one outcome: the first of each is told by its place in the order of ids only for new ones.
    let mut known = std::collections::HashSet::new();
    while let Some(item) = events.next().await {
        let StreamItem::Events { events, .. } = item else { continue };
        for event in &events {
            let (at, order, refused) = match event {
                Event::OrderPending(event) => {
                    if event.market == market {
                        known.insert(event.order);
                    }
                    continue;
                }
                Event::OrderResting(event) => (event.market, event.order, None),
                Event::OrderExecuted(event) => (event.market, event.order, None),
                Event::OrderCanceled(event) => (event.market, event.order, None),
                Event::OrderRejected(event) => (event.market, event.order, Some(event.reason)),
                _ => continue,
            };
            if at == market && known.remove(&order) {
                outcomes.came(order, refused);
            }
        }
    }
}
