//! One replica on a real disk, driven as its thread drives it, with very many orders resting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Limits, PartitionConfig};
use nix::time::ClockId;
use node::{EventBlock, EventSink, HostConfig, HostInput, HostOutput, Machine, MailTiming, PartitionHost};
use replicator::log::disk::{DiskLog, LogGroup};
use replicator::{ReplicaConfig, SnapshotTaker};
use wire::codec::v1;
use wire::command::{CancelOrder, Credit, ListAsset, ListMarket, NewOrder, OpenAccount};
use wire::link::{OpenSession, Request};
use wire::{
    AccountId, AccountName, Amount, ApiKeyId, AssetId, CancelRestriction, ClientOrderId, ClientSessionId, ClusterEpoch,
    Command, FeeRate, Incarnation, LogPosition, MarketId, MarketRules, MarketStatus, NodeId, OrderId, OrderKind,
    PartitionId, Price, Qty, SelfTradePrevention, Sequence, SessionId, Side, SpecialRules, Symbol, TimeInForce,
    Timestamp,
};

/// The only one.
pub const PARTITION: PartitionId = PartitionId::new(1);
/// The only one.
pub const NODE: NodeId = NodeId::new(1);
const MARKET: MarketId = MarketId::new(1);
const ACCOUNTS: u32 = 1_000;

/// Events are nobody's business here.
pub struct Nowhere;

impl EventSink for Nowhere {
    fn append(&mut self, _: Arc<EventBlock>) {}

    fn sync(&mut self) {}

    fn jump(&mut self, _: LogPosition) {}
}

/// What this thread has run.
fn ran() -> Duration {
    nix::time::clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has that clock").into()
}

/// See the module.
pub struct Bench {
    /// The replica with its cells.
    pub host: PartitionHost<DiskLog>,
    /// The log's group, if it has one: what a cycle wants on disk is written after it.
    pub group: Option<LogGroup>,
    started: Instant,
    session: SessionId,
    /// Of the last request.
    pub sequence: Sequence,
    /// Requests that were answered.
    pub answered: u64,
    /// Orders that were placed.
    pub orders: u64,
    oldest: u64,
}

impl Bench {
    /// Opens the replica on a log of [`PARTITION`]; it takes a snapshot after so many entries or bytes.
    pub fn new(log: DiskLog, orders: u32, snapshot: SnapshotTaker, every: (u64, u64)) -> Bench {
        let mut replica = ReplicaConfig::new(PARTITION, NODE, vec![NODE], ClusterEpoch::new(1), 7);
        replica.snapshots.taken_by = snapshot;
        (replica.snapshots.every_entries, replica.snapshots.every_bytes) = every;
        replica.snapshots.tail_entries = 1_000;
        let room = orders + orders / 4;
        let limits = Limits {
            open_orders_max: room,
            resting_orders_max: room,
            remembered_orders_max: 4 * orders,
            client_order_id_retention_ns: 1_000_000_000,
            ..Limits::default()
        };
        let cells =
            PartitionConfig { partition: PARTITION, ledger: PARTITION, incarnation: Incarnation::new(1), limits };
        let config = HostConfig {
            partitions: vec![PARTITION],
            ledger: PARTITION,
            mail: MailTiming { resend_ns: 50_000_000, ack_delay_ns: 20_000_000, ack_count: 64 },
            preferred_leader: Some(NODE),
            leader_stable_ns: 2_000_000_000,
        };
        let machine = Machine::new(cells, Box::new(Nowhere));
        let host = PartitionHost::open(replica, config, machine, log, Timestamp::from_nanos(1)).expect("a sound disk");
        let (session, sequence) = (SessionId::new(0), Sequence::ZERO);
        Bench { host, group: None, started: Instant::now(), session, sequence, answered: 0, orders: 0, oldest: 1 }
    }

    /// One duty cycle: how long it took, and how long it ran.
    pub fn cycle(&mut self) -> (Duration, Duration) {
        let (begun, before) = (Instant::now(), ran());
        let now = Timestamp::from_nanos(1 + (begun - self.started).as_nanos() as u64);
        self.host.duty_cycle(now);
        if let Some(group) = &mut self.group {
            group.flush();
        }
        while let Some(output) = self.host.poll_output() {
            match output {
                HostOutput::SessionOpened(opened) => self.session = opened.session,
                HostOutput::Reply(..) => self.answered += 1,
                HostOutput::Failed(error) => panic!("{error}"),
                HostOutput::Refused(refused) => panic!("{refused:?}"),
                _ => {}
            }
        }
        (begun.elapsed(), ran() - before)
    }

    fn request(&mut self, command: &Command) {
        self.sequence = self.sequence.next();
        let mut payload = Vec::new();
        v1::encode_command(command, &mut payload);
        let (session, sequence) = (self.session, self.sequence);
        let request = Request { partition: PARTITION, session, sequence, acknowledged_below: sequence };
        self.host.on_input(HostInput::Request(request, payload));
    }

    /// A market and accounts with money.
    pub fn set_up(&mut self) {
        while self.session == SessionId::new(0) {
            self.host.on_input(HostInput::OpenSession(OpenSession { partition: PARTITION, nonce: 1 }));
            self.cycle();
        }
        for symbol in ["BTC", "USDT"] {
            let symbol = Symbol::new(symbol.as_bytes()).expect("a symbol");
            self.request(&Command::ListAsset(ListAsset { symbol, ledger_decimals: 8 }));
        }
        let (price, qty, amount) = (Price::new, Qty::new, Amount::new);
        let rules = MarketRules {
            tick: Price::MIN,
            price_min: Price::MIN,
            price_max: price(100_000_000).expect("a price"),
            lot: qty(1).expect("a quantity"),
            qty_min: qty(1).expect("a quantity"),
            qty_max: qty(900_000_000).expect("a quantity"),
            market_qty_max: qty(900_000_000).expect("a quantity"),
            notional_min: amount(1).expect("an amount"),
            notional_max: Amount::MAX,
            protection_ppm: 50_000,
            open_orders_max: u32::MAX,
            special: SpecialRules::default(),
        };
        self.request(&Command::ListMarket(Box::new(ListMarket {
            symbol: Symbol::new(b"BTCUSDT").expect("a symbol"),
            base: AssetId::new(1),
            quote: AssetId::new(2),
            partition: PARTITION,
            price_decimals: 2,
            qty_decimals: 5,
            rules,
            status: MarketStatus::Trading,
        })));
        for account in 1..=ACCOUNTS {
            let name = AccountName::new(format!("a{account}").as_bytes()).expect("a name");
            let rate = FeeRate::new(1_000).expect("a rate");
            self.request(&Command::OpenAccount(OpenAccount { name, maker_fee: rate, taker_fee: rate }));
            for asset in [1, 2] {
                let (account, asset) = (AccountId::new(account), AssetId::new(asset));
                let amount = Amount::new(1_000_000_000_000_000).expect("an amount");
                self.request(&Command::Credit(Credit { account, asset, amount }));
            }
            self.cycle();
        }
    }

    /// A passive order, a little different from the one before.
    pub fn place(&mut self) {
        self.orders += 1;
        let (n, account) = (self.orders, AccountId::new((self.orders % u64::from(ACCOUNTS)) as u32 + 1));
        let side = if n.is_multiple_of(2) { Side::Buy } else { Side::Sell };
        let away = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as i64 % 20_000 + 1;
        let price = if side == Side::Buy { 3_000_000 - away } else { 3_000_000 + away };
        self.request(&Command::NewOrder(NewOrder {
            account,
            market: MARKET,
            side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTradePrevention::None,
            price: Price::new(price).expect("a price"),
            qty: Qty::new(10).expect("a quantity"),
            quote_qty: Amount::ZERO,
            client_order_id: ClientOrderId::new(format!("o{n}").as_bytes()).expect("an id"),
            key: ApiKeyId::new(0),
            session: ClientSessionId::new(0),
            asked_us: 0,
        }));
    }

    /// One order fewer.
    pub fn cancel_oldest(&mut self) {
        let (n, account) = (self.oldest, AccountId::new((self.oldest % u64::from(ACCOUNTS)) as u32 + 1));
        self.oldest += 1;
        let order = OrderId::new(n);
        self.request(&Command::CancelOrder(CancelOrder {
            account,
            market: MARKET,
            order,
            client_order_id: ClientOrderId::EMPTY,
            restriction: CancelRestriction::None,
            new_client_order_id: ClientOrderId::EMPTY,
            asked_us: 0,
        }));
    }
}
