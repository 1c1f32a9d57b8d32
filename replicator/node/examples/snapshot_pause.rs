//! How long a snapshot keeps a partition from trading, with very many orders resting.
//!
//! One replica on a real disk, driven as its thread drives it; orders come and go all the time, and a snapshot is taken
//! every so many bytes of log. Prints the longest duty cycle in the span of each snapshot: how long it took, and how
//! long it ran, which leaves out what other processes took from it.
//!
//! ```text
//! cargo run --release -p node --example snapshot_pause -- [ORDERS] [machine|twin]
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Limits, PartitionConfig};
use nix::time::ClockId;
use node::{EventBlock, EventSink, HostConfig, HostInput, HostOutput, Machine, MailTiming, PartitionHost};
use replicator::log::disk::{Disk, DiskConfig, DiskLog};
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

const PARTITION: PartitionId = PartitionId::new(1);
const NODE: NodeId = NodeId::new(1);
const MARKET: MarketId = MarketId::new(1);
const ACCOUNTS: u32 = 1_000;
const SNAPSHOTS: usize = 5;
/// Requests offered in one duty cycle.
const OFFERED: u64 = 16;
/// Requests that wait for the disk at most, as they are all applied in one duty cycle.
const IN_FLIGHT: u64 = 128;

/// Events are nobody's business here.
struct Nowhere;

impl EventSink for Nowhere {
    fn append(&mut self, _: Arc<EventBlock>) {}

    fn sync(&mut self) {}

    fn jump(&mut self, _: LogPosition) {}
}

/// What this thread has run.
fn ran() -> Duration {
    nix::time::clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has that clock").into()
}

struct Bench {
    host: PartitionHost<DiskLog>,
    started: Instant,
    session: SessionId,
    sequence: Sequence,
    answered: u64,
    orders: u64,
    oldest: u64,
}

impl Bench {
    fn new(disk: &Disk, orders: u32, taken_by: SnapshotTaker) -> Bench {
        let mut replica = ReplicaConfig::new(PARTITION, NODE, vec![NODE], ClusterEpoch::new(1), 7);
        replica.snapshots.taken_by = taken_by;
        replica.snapshots.every_entries = u64::MAX;
        replica.snapshots.every_bytes = u64::from(orders) * 64;
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
            mail: MailTiming { resend_ns: 50_000_000, ack_delay_ns: 20_000_000, ack_count: 64 },
            preferred_leader: NODE,
            leader_stable_ns: 2_000_000_000,
        };
        let machine = Machine::new(cells, Box::new(Nowhere));
        let log = disk.log(PARTITION, || {});
        let host = PartitionHost::open(replica, config, machine, log, Timestamp::from_nanos(1)).expect("an empty disk");
        let (session, sequence) = (SessionId::new(0), Sequence::ZERO);
        Bench { host, started: Instant::now(), session, sequence, answered: 0, orders: 0, oldest: 1 }
    }

    /// One duty cycle: how long it took, and how long it ran.
    fn cycle(&mut self) -> (Duration, Duration) {
        let (begun, before) = (Instant::now(), ran());
        let now = Timestamp::from_nanos(1 + (begun - self.started).as_nanos() as u64);
        self.host.duty_cycle(now);
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

    fn set_up(&mut self) {
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
    fn place(&mut self) {
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

    fn cancel_oldest(&mut self) {
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

fn main() {
    let mut arguments = std::env::args().skip(1);
    let orders: u32 = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let taken_by = match arguments.next().as_deref() {
        Some("machine") => SnapshotTaker::Machine,
        _ => SnapshotTaker::TwinThread,
    };
    let directory = tempfile::tempdir().expect("a directory");
    let config = DiskConfig { directory: directory.path().to_owned(), epoch: ClusterEpoch::new(1), node: NODE };
    let disk = Disk::open(config).expect("a disk");
    let mut bench = Bench::new(&disk, orders, taken_by);
    bench.set_up();
    let is_full = |bench: &Bench, max: u64| bench.sequence.get() - bench.answered > max;
    while bench.orders < u64::from(orders) {
        if !is_full(&bench, 4_096) {
            (0..256).for_each(|_| bench.place());
        }
        bench.cycle();
    }
    println!("{orders} orders rest; snapshots by {taken_by:?}");
    let mut spans = Vec::new();
    let (mut longest, mut longest_run) = (Duration::ZERO, Duration::ZERO);
    let mut taken = bench.host.counters().snapshots_taken;
    while spans.len() < SNAPSHOTS {
        if !is_full(&bench, IN_FLIGHT) {
            for _ in 0..OFFERED / 2 {
                bench.place();
                bench.cancel_oldest();
            }
        }
        let (took, ran) = bench.cycle();
        (longest, longest_run) = (longest.max(took), longest_run.max(ran));
        let now = bench.host.counters().snapshots_taken;
        if now > taken {
            taken = now;
            println!("  snapshot: longest duty cycle took {longest:?}, ran {longest_run:?}");
            spans.push(longest_run);
            (longest, longest_run) = (Duration::ZERO, Duration::ZERO);
        }
    }
    spans.sort_unstable();
    println!("median of the longest runs: {:?}", spans[spans.len() / 2]);
}
