//! What a command costs with about ten thousand resting orders: half new orders, two fifths cancels, a tenth
//! aggressive ones, on one thread.
//!
//! `joint` is the whole way: hold, match, settle, events. `market` is a market cell alone, fed by mail in batches of
//! 64. `cargo bench -p engine`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::{Limits, Output, Partition, PartitionConfig};
use wire::command::{AckMail, CancelOrder, Credit, DeliverMail, ListAsset, ListMarket, NewOrder, OpenAccount, Reply};
use wire::mail::{CreateMarket, PlaceOrder, PullOrder};
use wire::{
    AccountId, AccountName, Amount, AssetId, CancelCause, ClientOrderId, Command, FeeRate, Incarnation, LogPosition,
    Mail, MailSequence, MarketId, MarketRules, MarketScale, OrderId, OrderKind, PartitionId, Price, Qty,
    SelfTradePrevention, Side, Symbol, TimeInForce, Timestamp,
};

const ACCOUNTS: u64 = 100;
const RESTING: u64 = 10_000;
const MARKET: MarketId = MarketId::new(1);
const ELEMENTS: u64 = 1_000;

fn rules() -> MarketRules {
    let (price, qty, amount) = (Price::new, Qty::new, Amount::new);
    MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: price(100_000_000).unwrap(),
        lot: qty(1).unwrap(),
        qty_min: qty(1).unwrap(),
        qty_max: qty(900_000_000).unwrap(),
        market_qty_max: qty(900_000_000).unwrap(),
        notional_min: amount(1).unwrap(),
        notional_max: Amount::MAX,
        protection_ppm: 50_000,
        open_orders_max: 1_000_000,
        special: wire::SpecialRules::default(),
    }
}

/// What to do next: a passive order, an aggressive one, or a cancel of a former one.
enum Draw {
    Order { account: AccountId, side: Side, price: Price, qty: Qty, time_in_force: TimeInForce },
    Cancel { order: OrderId, account: AccountId },
}

/// xorshift64* with a slow walk of the middle price.
struct Flow {
    state: u64,
    middle: i64,
    placed: u64,
    /// What was placed to rest and not canceled; some of it has been filled.
    live: Vec<(OrderId, AccountId)>,
}

impl Flow {
    fn new() -> Flow {
        Flow { state: 0x9e37_79b9_7f4a_7c15, middle: 6_000_000, placed: 0, live: Vec::new() }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn draw(&mut self) -> Draw {
        let dice = self.next() % 100;
        let is_full = self.live.len() as u64 >= RESTING;
        if is_full && (dice < 40 || self.live.len() as u64 > RESTING + 1_000) {
            let at = self.next() as usize % self.live.len();
            let (order, account) = self.live.swap_remove(at);
            return Draw::Cancel { order, account };
        }
        if self.next().is_multiple_of(16) {
            self.middle += (self.next() % 3) as i64 - 1;
        }
        self.placed += 1;
        let is_aggressive = is_full && dice >= 90;
        let side = if self.next().is_multiple_of(2) { Side::Buy } else { Side::Sell };
        let away = if is_aggressive { -20 } else { (self.next() % 1_000) as i64 + 1 };
        let price = match side {
            Side::Buy => self.middle - away,
            Side::Sell => self.middle + away,
        };
        let account = AccountId::new((self.next() % ACCOUNTS) as u32 + 1);
        if !is_aggressive {
            // Nothing is refused, so the ledger counts as this does.
            self.live.push((OrderId::new(self.placed), account));
        }
        Draw::Order {
            account,
            side,
            price: Price::new(price).unwrap(),
            qty: Qty::new((self.next() % 100) as i64 + 1).unwrap(),
            time_in_force: if is_aggressive { TimeInForce::Ioc } else { TimeInForce::Gtc },
        }
    }
}

struct Exchange {
    partition: Partition,
    position: LogPosition,
    now: Timestamp,
    out: Output,
    flow: Flow,
}

fn config(partition: u16) -> PartitionConfig {
    PartitionConfig {
        partition: PartitionId::new(partition),
        ledger: PartitionId::new(1),
        incarnation: Incarnation::new(1),
        limits: Limits::default(),
    }
}

impl Exchange {
    fn new(partition: u16) -> Exchange {
        Exchange {
            partition: Partition::new(config(partition)),
            position: LogPosition::ZERO,
            now: Timestamp::from_nanos(1_000_000_000),
            out: Output::default(),
            flow: Flow::new(),
        }
    }

    fn apply(&mut self, command: &Command) -> Reply {
        self.position = self.position.next();
        self.now = self.now.plus_nanos(200_000);
        self.partition.apply(self.position, self.now, command, &mut self.out);
        black_box(&self.out.events);
        self.out.reply
    }

    fn joint() -> Exchange {
        let mut exchange = Exchange::new(1);
        for name in ["BTC", "USDT"] {
            let symbol = Symbol::new(name.as_bytes()).unwrap();
            exchange
                .apply(&Command::ListAsset(ListAsset { symbol, ledger_decimals: if name == "BTC" { 10 } else { 8 } }));
        }
        exchange.apply(&Command::ListMarket(Box::new(ListMarket {
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            base: AssetId::new(1),
            quote: AssetId::new(2),
            partition: PartitionId::new(1),
            price_decimals: 2,
            qty_decimals: 5,
            rules: rules(),
            status: wire::MarketStatus::Trading,
        })));
        for id in 1..=ACCOUNTS {
            let fee = FeeRate::new(1_000).unwrap();
            let name = AccountName::new(format!("account-{id}").as_bytes()).unwrap();
            exchange.apply(&Command::OpenAccount(OpenAccount { name, maker_fee: fee, taker_fee: fee }));
            for asset in [1, 2] {
                let (account, asset) = (AccountId::new(id as u32), AssetId::new(asset));
                let amount = Amount::new(10_000_000_000_000_000).unwrap();
                exchange.apply(&Command::Credit(Credit { account, asset, amount }));
            }
        }
        for _ in 0..3 * RESTING {
            exchange.joint_step();
        }
        exchange
    }

    fn joint_step(&mut self) {
        match self.flow.draw() {
            Draw::Order { account, side, price, qty, time_in_force } => {
                let name = self.flow.next();
                let mut text = *b"0000000000000000";
                for (at, digit) in text.iter_mut().enumerate() {
                    *digit = b"0123456789abcdef"[(name >> (at * 4) & 15) as usize];
                }
                let reply = self.apply(&Command::NewOrder(NewOrder {
                    account,
                    market: MARKET,
                    side,
                    kind: OrderKind::Limit,
                    time_in_force,
                    self_trade: SelfTradePrevention::ExpireMaker,
                    price,
                    qty,
                    quote_qty: Amount::ZERO,
                    client_order_id: ClientOrderId::new(&text).unwrap(),
                    key: Default::default(),
                    session: Default::default(),
                    asked_us: 0,
                }));
                assert_eq!(reply, Reply::Accepted { id: self.flow.placed });
            }
            Draw::Cancel { order, account } => {
                let client_order_id = ClientOrderId::EMPTY;
                self.apply(&Command::CancelOrder(CancelOrder {
                    account,
                    market: MARKET,
                    order,
                    client_order_id,
                    restriction: wire::CancelRestriction::None,
                    new_client_order_id: ClientOrderId::EMPTY,
                    asked_us: 0,
                }));
            }
        }
    }

    fn market() -> Exchange {
        let mut exchange = Exchange::new(2);
        let scale = MarketScale::new(2, 5, 10, 8).unwrap();
        let (market, rules, ledger, limits) = (MARKET, rules(), PartitionId::new(1), Limits::default());
        exchange.deliver(vec![Mail::CreateMarket(Box::new(CreateMarket {
            market,
            scale,
            rules,
            ledger,
            accounts_max: limits.accounts_max,
            resting_orders_max: limits.resting_orders_max,
        }))]);
        for _ in 0..3 * RESTING / 64 {
            exchange.market_batch();
        }
        exchange
    }

    fn deliver(&mut self, mail: Vec<Mail>) {
        let from = PartitionId::new(1);
        let first = self.partition.received(from).map_or(MailSequence::ZERO, |(_, seen)| seen).next();
        let acknowledged = self.partition.outboxes().next().map_or(MailSequence::ZERO, |outbox| outbox.last());
        let incarnation = Incarnation::new(1);
        self.apply(&Command::AckMail(AckMail { from, incarnation, acknowledged }));
        let reply = self.apply(&Command::DeliverMail(DeliverMail { from, incarnation, first, acknowledged, mail }));
        assert_eq!(reply, Reply::Accepted { id: 0 });
    }

    fn market_batch(&mut self) {
        let mut mail = Vec::with_capacity(64);
        for _ in 0..64 {
            mail.push(match self.flow.draw() {
                Draw::Order { account, side, price, qty, time_in_force } => Mail::PlaceOrder(PlaceOrder {
                    market: MARKET,
                    order: OrderId::new(self.flow.placed),
                    account,
                    side,
                    kind: OrderKind::Limit,
                    time_in_force,
                    self_trade: SelfTradePrevention::ExpireMaker,
                    price,
                    qty,
                    budget: Amount::MAX,
                    group: Default::default(),
                }),
                Draw::Cancel { order, .. } => Mail::PullOrder(PullOrder {
                    market: MARKET,
                    order,
                    request: self.position,
                    cause: CancelCause::Requested,
                }),
            });
        }
        self.deliver(mail);
    }
}

fn commands(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ten_thousand_resting");
    let mut joint = Exchange::joint();
    group.throughput(Throughput::Elements(ELEMENTS));
    group.bench_function("joint", |bencher| {
        bencher.iter(|| {
            for _ in 0..ELEMENTS {
                joint.joint_step();
            }
        });
    });
    let mut market = Exchange::market();
    group.throughput(Throughput::Elements(16 * 64));
    group.bench_function("market", |bencher| {
        bencher.iter(|| {
            for _ in 0..16 {
                market.market_batch();
            }
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("state");
    let mut bytes = Vec::new();
    group.bench_function("snapshot", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            joint.partition.snapshot(&mut bytes);
            bytes.len()
        });
    });
    group.bench_function("restore", |bencher| bencher.iter(|| Partition::restore(config(1), &bytes).is_ok()));
    group.finish();
}

criterion_group!(benches, commands);
criterion_main!(benches);
