//! What an order costs when everything is switched on but idle, and whether that depends on how many markets a thread
//! hosts or how many accounts there are.
//!
//! `book` is a market cell alone, `joint` the whole way with price bands, account and order limits and trade groups, none of
//! which ever refuses. Before criterion's own figures each comparison is made turn by turn in one process, so that a busy
//! machine disturbs both alike, and told as a ratio. `cargo bench -p engine --bench scale`.

// A measurement beside the core, not of it: it may read a clock.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::Instant;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine::{Limits, MarketAlone, Output, Partition, PartitionConfig, Sink};
use wire::command::{
    AssignAccount, CancelOrder, Credit, ListAsset, ListMarket, NewOrder, OpenAccount, Reply, SetAccountLimits,
    SetMarketProtection, SetOrderLimits,
};
use wire::mail::{CreateMarket, PlaceOrder, PullOrder};
use wire::{
    AccountId, AccountName, Amount, AssetId, CancelCause, CancelRestriction, ClientOrderId, Command, Event, FeeRate,
    FirmId, Incarnation, LogPosition, Mail, MarketId, MarketProtection, MarketRules, MarketScale, MarketStatus,
    OrderId, OrderKind, PartitionId, Price, Qty, SelfTradePrevention, Side, Symbol, TimeInForce, Timestamp,
    TradeGroupId,
};

const RESTING: usize = 10_000;
const BATCH: usize = 500;
const ROUNDS: usize = 300;
const START: Timestamp = Timestamp::from_nanos(1_000_000_000);

fn rules() -> MarketRules {
    MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: Price::new(1_000_000_000).unwrap(),
        lot: Qty::new(1).unwrap(),
        qty_min: Qty::new(1).unwrap(),
        qty_max: Qty::new(1_000_000).unwrap(),
        market_qty_max: Qty::new(1_000_000).unwrap(),
        notional_min: Amount::new(1).unwrap(),
        notional_max: Amount::MAX,
        protection_ppm: 50_000,
        open_orders_max: 1_000_000,
        special: wire::SpecialRules::default(),
    }
}

/// What to do next: half passive orders, two fifths cancels, a tenth aggressive orders.
enum Draw {
    Order { account: AccountId, market: MarketId, side: Side, price: Price, qty: Qty, takes: bool },
    Cancel { order: OrderId, account: AccountId, market: MarketId },
}

struct Flow {
    state: u64,
    placed: u64,
    accounts: u64,
    markets: u64,
    live: Vec<(OrderId, AccountId, MarketId)>,
}

impl Flow {
    fn new(accounts: u32, markets: u16) -> Flow {
        Flow { state: 7, placed: 0, accounts: accounts.into(), markets: markets.into(), live: Vec::new() }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }

    fn draw(&mut self) -> Draw {
        let dice = self.below(100);
        if self.live.len() > RESTING && dice < 40 || self.live.len() > RESTING + 1_000 {
            let at = self.below(self.live.len() as u64) as usize;
            let (order, account, market) = self.live.swap_remove(at);
            return Draw::Cancel { order, account, market };
        }
        self.placed += 1;
        let takes = self.live.len() > RESTING && dice >= 90;
        let side = if self.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = if takes { -20 } else { self.below(400) as i64 + 1 };
        let price = Price::new(if side == Side::Buy { 6_000_000 - away } else { 6_000_000 + away }).unwrap();
        let account = AccountId::new(self.below(self.accounts) as u32 + 1);
        let market = MarketId::new(self.below(self.markets) as u16 + 1);
        if !takes {
            self.live.push((OrderId::new(self.placed), account, market));
        }
        Draw::Order { account, market, side, price, qty: Qty::new(self.below(100) as i64 + 1).unwrap(), takes }
    }

    fn command(&mut self) -> Command {
        match self.draw() {
            Draw::Order { account, market, side, price, qty, takes } => {
                let mut name = *b"o000000000000000";
                for (at, digit) in name.iter_mut().enumerate().skip(1) {
                    *digit = b"0123456789abcdef"[(self.placed >> (4 * (at - 1)) & 15) as usize];
                }
                Command::NewOrder(NewOrder {
                    account,
                    market,
                    side,
                    kind: OrderKind::Limit,
                    time_in_force: if takes { TimeInForce::Ioc } else { TimeInForce::Gtc },
                    self_trade: SelfTradePrevention::ExpireMaker,
                    price,
                    qty,
                    quote_qty: Amount::ZERO,
                    client_order_id: ClientOrderId::new(&name).unwrap(),
                    key: Default::default(),
                    session: Default::default(),
                    asked_us: 0,
                })
            }
            Draw::Cancel { order, account, market } => Command::CancelOrder(CancelOrder {
                account,
                market,
                order,
                client_order_id: ClientOrderId::EMPTY,
                restriction: CancelRestriction::None,
                new_client_order_id: ClientOrderId::EMPTY,
                asked_us: 0,
            }),
        }
    }
}

/// Something that runs batches of a flow.
trait Subject {
    type Work;
    fn draw(&mut self) -> Vec<Self::Work>;
    fn run(&mut self, work: &[Self::Work]);
}

/// Ledger and market cells of one partition.
struct Joint {
    partition: Partition,
    position: LogPosition,
    now: Timestamp,
    out: Output,
    flow: Flow,
}

impl Joint {
    fn new(accounts: u32, markets: u16) -> Joint {
        let limits = Limits {
            accounts_max: accounts,
            markets_max: markets,
            order_limits_max: accounts,
            resting_orders_max: 16_384,
            client_order_id_retention_ns: 1_000_000_000,
            ..Limits::default()
        };
        let one = PartitionId::new(1);
        let config = PartitionConfig { partition: one, ledger: one, incarnation: Incarnation::new(1), limits };
        let (position, out, flow) = (LogPosition::ZERO, Output::default(), Flow::new(accounts, markets));
        let mut joint = Joint { partition: Partition::new(config), position, now: START, out, flow };
        let symbol = |text: &str| Symbol::new(text.as_bytes()).unwrap();
        for name in ["BTC", "USD"] {
            joint.done(&Command::ListAsset(ListAsset { symbol: symbol(name), ledger_decimals: 0 }));
        }
        for market in 1..=markets {
            joint.list(MarketId::new(market), symbol(&format!("M{market}")));
        }
        for account in 1..=accounts {
            joint.open(AccountId::new(account));
        }
        for _ in 0..3 * RESTING / BATCH {
            let work = joint.draw();
            joint.run(&work);
        }
        joint
    }

    fn list(&mut self, market: MarketId, symbol: Symbol) {
        self.done(&Command::ListMarket(Box::new(ListMarket {
            symbol,
            base: AssetId::new(1),
            quote: AssetId::new(2),
            partition: PartitionId::new(1),
            price_decimals: 0,
            qty_decimals: 0,
            rules: rules(),
            status: MarketStatus::Trading,
        })));
        let protection = MarketProtection {
            static_band_ppm: 500_000,
            dynamic_band_ppm: 500_000,
            volatility_auction_ns: 1_000_000_000,
            bid_up_ppm: 5_000_000,
            bid_down_ppm: 200_000,
            ask_up_ppm: 5_000_000,
            ask_down_ppm: 200_000,
            ..MarketProtection::NONE
        };
        self.done(&Command::SetMarketProtection(SetMarketProtection { market, protection }));
    }

    fn open(&mut self, account: AccountId) {
        let fee = FeeRate::new(1_000).unwrap();
        let name = AccountName::new(format!("account-{account}").as_bytes()).unwrap();
        self.done(&Command::OpenAccount(OpenAccount { name, maker_fee: fee, taker_fee: fee }));
        for asset in [1, 2] {
            let amount = Amount::new(1_000_000_000_000).unwrap();
            self.done(&Command::Credit(Credit { account, asset: AssetId::new(asset), amount }));
        }
        let (group, firm) = (TradeGroupId::new(account.get() as u16), FirmId::new(1));
        self.done(&Command::AssignAccount(AssignAccount { account, group, firm }));
        let limits = SetAccountLimits {
            account,
            open_orders_max: 1_000_000,
            stop_orders_max: 0,
            iceberg_orders_max: 0,
            order_lists_max: 0,
            order_rate_max: 1_000_000,
            order_rate_window_ms: 1_000,
        };
        self.done(&Command::SetAccountLimits(limits));
        let (qty_max, notional_max) = (Qty::new(1_000_000).unwrap(), Amount::MAX);
        let (market, position_max) = (MarketId::new(1), Amount::ZERO);
        let limits = SetOrderLimits { account, market, qty_max, notional_max, position_max };
        self.done(&Command::SetOrderLimits(limits));
    }

    fn apply(&mut self, command: &Command) {
        self.position = self.position.next();
        self.now = self.now.plus_nanos(20_000);
        self.partition.apply(self.position, self.now, command, &mut self.out);
        black_box(&self.out.events);
    }

    fn done(&mut self, command: &Command) {
        self.apply(command);
        assert!(matches!(self.out.reply, Reply::Accepted { .. }), "{command:?}: {:?}", self.out.reply);
    }
}

impl Subject for Joint {
    type Work = Command;

    fn draw(&mut self) -> Vec<Command> {
        (0..BATCH).map(|_| self.flow.command()).collect()
    }

    fn run(&mut self, work: &[Command]) {
        work.iter().for_each(|command| self.apply(command));
    }
}

/// A market cell without a ledger; what it says is looked at and forgotten.
struct Book {
    market: MarketAlone,
    now: Timestamp,
    flow: Flow,
}

struct Heard;

impl Sink for Heard {
    fn tell(&mut self, event: Event) {
        black_box(&event);
    }

    fn send(&mut self, _: PartitionId, mail: Mail) {
        black_box(&mail);
    }

    fn waiting(&self) -> usize {
        0
    }
}

impl Book {
    fn new(accounts: u32) -> Book {
        let limits = Limits { accounts_max: accounts, resting_orders_max: 16_384, ..Limits::default() };
        let (market, scale, ledger) = (MarketId::new(1), MarketScale::new(0, 0, 0, 0).unwrap(), PartitionId::new(1));
        let (accounts_max, resting_orders_max) = (limits.accounts_max, limits.resting_orders_max);
        let create = CreateMarket { market, scale, rules: rules(), ledger, accounts_max, resting_orders_max };
        let market = MarketAlone::new(&create, &limits);
        let mut book = Book { market, now: START, flow: Flow::new(accounts, 1) };
        for _ in 0..3 * RESTING / BATCH {
            let work = book.draw();
            book.run(&work);
        }
        book
    }
}

impl Subject for Book {
    type Work = Mail;

    fn draw(&mut self) -> Vec<Mail> {
        let mail = |flow: &mut Flow| match flow.draw() {
            Draw::Order { account, market, side, price, qty, takes } => Mail::PlaceOrder(PlaceOrder {
                market,
                order: OrderId::new(flow.placed),
                account,
                side,
                kind: OrderKind::Limit,
                time_in_force: if takes { TimeInForce::Ioc } else { TimeInForce::Gtc },
                self_trade: SelfTradePrevention::ExpireMaker,
                price,
                qty,
                budget: Amount::MAX,
                group: TradeGroupId::new(account.get() as u16),
            }),
            Draw::Cancel { order, market, .. } => {
                let (request, cause) = (LogPosition::ZERO, CancelCause::Requested);
                Mail::PullOrder(PullOrder { market, order, request, cause })
            }
        };
        (0..BATCH).map(|_| mail(&mut self.flow)).collect()
    }

    fn run(&mut self, work: &[Mail]) {
        for mail in work {
            self.now = self.now.plus_nanos(20_000);
            match mail {
                Mail::PlaceOrder(place) => self.market.place(self.now, place, &mut Heard),
                Mail::PullOrder(pull) => self.market.pull(self.now, pull, &mut Heard),
                _ => {}
            }
        }
    }
}

fn nanoseconds(subject: &mut impl Subject) -> f64 {
    let work = subject.draw();
    let started = Instant::now();
    subject.run(&work);
    started.elapsed().as_nanos() as f64 / work.len() as f64
}

/// Turn by turn; tells the best turn of both, which a busy machine disturbs least, and their ratio.
fn compare(what: &str, mut few: impl Subject, mut many: impl Subject) {
    let turns: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (nanoseconds(&mut few), nanoseconds(&mut many))).collect();
    let few = turns.iter().map(|(few, _)| *few).fold(f64::MAX, f64::min);
    let many = turns.iter().map(|(_, many)| *many).fold(f64::MAX, f64::min);
    println!("{what}: {few:.0} and {many:.0} ns, ratio {:.2}", many / few);
}

fn scale(criterion: &mut Criterion) {
    compare("book alone, then joint with everything on, 1,000 accounts", Book::new(1_000), Joint::new(1_000, 1));
    compare("joint: 1 market, then 1,000", Joint::new(1_000, 1), Joint::new(1_000, 1_000));
    compare("joint: 10 accounts, then 1,000,000", Joint::new(10, 1), Joint::new(1_000_000, 1));
    compare("book: 10 accounts, then 1,000,000", Book::new(10), Book::new(1_000_000));

    let mut group = criterion.benchmark_group("everything_on");
    group.throughput(Throughput::Elements(BATCH as u64));
    let (mut book, mut joint) = (Book::new(1_000), Joint::new(1_000, 1));
    group.bench_function("book", |bencher| {
        let book = std::cell::RefCell::new(&mut book);
        bencher.iter_batched(|| book.borrow_mut().draw(), |work| book.borrow_mut().run(&work), BatchSize::PerIteration);
    });
    group.bench_function("joint", |bencher| {
        let joint = std::cell::RefCell::new(&mut joint);
        bencher.iter_batched(
            || joint.borrow_mut().draw(),
            |work| joint.borrow_mut().run(&work),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, scale);
criterion_main!(benches);
