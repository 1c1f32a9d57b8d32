//! What it costs a gateway to follow the ledger's events, when its accounts have long had as many past orders as are kept.
//!
//! The flow is that of `loadgen cluster` in one partition: two accounts sell and buy in turn at one price, so every second order rests
//! and the next one takes it. An element is an order; items are taken in by 64, as the feed does.

use std::hint::black_box;
use std::sync::Arc;

use cluster_client::StreamItem;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gateway::Limits;
use gateway::exchange::Exchange;
use gateway::market_data::MarketData;
use wire::event::*;
use wire::{
    AccountId, Amount, AssetId, BookSequence, ClientOrderId, Event, FeeRate, LogPosition, MarketId, MarketRules,
    MarketScale, OrderId, OrderKind, Origin, PartitionId, Price, Qty, SelfTradePrevention, Side, Symbol, Text,
    TimeInForce, Timestamp, TradeId, UpdateId,
};

const PARTITION: PartitionId = PartitionId::new(1);
const MARKET: MarketId = MarketId::new(1);
const BASE: AssetId = AssetId::new(1);
const QUOTE: AssetId = AssetId::new(2);
const SELLER: AccountId = AccountId::new(1);
const BUYER: AccountId = AccountId::new(2);
const ITEMS: u64 = 64;
/// Fewer than by default, so that it begins soon; more than a cache holds.
const KEPT: usize = 50_000;

struct Flow {
    exchange: Exchange,
    position: LogPosition,
    orders: u64,
    changes: u64,
}

fn price() -> Price {
    Price::new(6_000_000).expect("a legal price")
}

fn qty(units: i64) -> Qty {
    Qty::new(units).expect("a legal quantity")
}

fn amount(units: u64) -> Amount {
    Amount::new(units as i64).expect("a legal amount")
}

/// Names as clients that count nothing give them.
fn name(order: u64) -> ClientOrderId {
    let drawn = order.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ClientOrderId::new(format!("load-{drawn:016x}").as_bytes()).expect("a legal name")
}

fn listing() -> Vec<Event> {
    let symbol = |text: &str| Symbol::new(text.as_bytes()).expect("a legal symbol");
    let asset =
        |asset, name, ledger_decimals| Event::AssetListed(AssetListed { asset, symbol: symbol(name), ledger_decimals });
    let account = |account, name: &str| {
        let (name, fee) =
            (Text::new(name.as_bytes()).expect("a legal name"), FeeRate::new(1_000).expect("a legal fee"));
        Event::AccountOpened(AccountOpened { account, name, maker_fee: fee, taker_fee: fee })
    };
    let rules = MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: Price::MAX,
        lot: qty(1),
        qty_min: qty(1),
        qty_max: Qty::MAX,
        market_qty_max: Qty::MAX,
        notional_min: Amount::ZERO,
        notional_max: Amount::MAX,
        protection_ppm: 50_000,
        open_orders_max: 200,
        special: wire::SpecialRules::default(),
    };
    let market = MarketListed {
        market: MARKET,
        symbol: symbol("BTCUSDT"),
        base: BASE,
        quote: QUOTE,
        partition: PARTITION,
        scale: MarketScale::new(2, 5, 10, 8).expect("a legal scale"),
        rules,
    };
    vec![
        asset(BASE, "BTC", 10),
        asset(QUOTE, "USDT", 8),
        Event::MarketListed(Box::new(market)),
        account(SELLER, "seller"),
        account(BUYER, "buyer"),
    ]
}

impl Flow {
    /// Whose accounts have as many orders as are kept.
    fn new() -> Flow {
        let limits = Limits { closed_orders_per_account: KEPT, fills_per_account: KEPT, ..Limits::default() };
        let exchange = Exchange::new(PARTITION, &[PARTITION], &limits, [7; 32], Arc::new(MarketData::default()));
        let mut flow = Flow { exchange, position: LogPosition::ZERO, orders: 0, changes: 0 };
        let listing = flow.item(listing());
        flow.exchange.take_in(PARTITION, &[listing]);
        while flow.orders < 5 * KEPT as u64 {
            let items = flow.items();
            flow.exchange.take_in(PARTITION, &items);
        }
        flow
    }

    fn items(&mut self) -> Vec<StreamItem> {
        (0..ITEMS).map(|_| self.order()).collect()
    }

    fn item(&mut self, events: Vec<Event>) -> StreamItem {
        self.position = self.position.next();
        let timestamp = Timestamp::from_nanos(1_767_225_600_000_000_000 + self.position.get() * 20_000);
        StreamItem::Events { position: self.position, timestamp, origin: Origin::default(), events }
    }

    /// The next order: every second one trades with the one before.
    fn order(&mut self) -> StreamItem {
        self.orders += 1;
        let (id, is_taker) = (self.orders, self.orders.is_multiple_of(2));
        let (account, side, given) = if is_taker { (BUYER, Side::Buy, QUOTE) } else { (SELLER, Side::Sell, BASE) };
        let order = OrderId::new(id);
        let all = qty(100);
        let mut events = vec![
            Event::OrderPending(OrderPending {
                order,
                account,
                market: MARKET,
                side,
                kind: OrderKind::Limit,
                time_in_force: TimeInForce::Gtc,
                self_trade: SelfTradePrevention::ExpireMaker,
                price: price(),
                qty: all,
                quote_qty: Amount::ZERO,
                client_order_id: name(id),
            }),
            self.balance(account, given),
        ];
        if is_taker {
            let sequence = self.sequence();
            let maker = OrderId::new(id - 1);
            events.push(Event::Traded(Traded {
                market: MARKET,
                trade: TradeId::new(id / 2),
                price: price(),
                qty: all,
                taker_side: side,
                taker: order,
                maker,
                sequence,
                is_auction: false,
            }));
            events.push(self.level(Qty::ZERO));
            events.push(Event::OrderAccepted(OrderAccepted { order, account, market: MARKET }));
            events.push(self.executed(order, BUYER, Side::Buy));
            events.push(self.executed(maker, SELLER, Side::Sell));
            for (account, asset) in [(BUYER, BASE), (BUYER, QUOTE), (SELLER, BASE), (SELLER, QUOTE)] {
                events.push(self.balance(account, asset));
            }
        } else {
            let sequence = self.sequence();
            events.push(Event::OrderShown(OrderShown {
                market: MARKET,
                order,
                side,
                price: price(),
                qty: all,
                is_last: true,
                sequence,
            }));
            events.push(self.level(all));
            events.push(Event::OrderAccepted(OrderAccepted { order, account, market: MARKET }));
            events.push(Event::OrderResting(OrderResting { order, account, market: MARKET, leaves: all }));
        }
        self.item(events)
    }

    fn sequence(&self) -> BookSequence {
        // One change of the book order by order for each order.
        BookSequence::new(self.orders)
    }

    fn level(&mut self, qty: Qty) -> Event {
        self.changes += 1;
        let update = UpdateId::new(self.changes);
        Event::LevelChanged(LevelChanged { market: MARKET, side: Side::Sell, price: price(), qty, update })
    }

    fn balance(&self, account: AccountId, asset: AssetId) -> Event {
        Event::BalanceChanged(BalanceChanged { account, asset, free: amount(self.orders), held: Amount::ZERO })
    }

    fn executed(&self, order: OrderId, account: AccountId, side: Side) -> Event {
        let is_maker = side == Side::Sell;
        Event::OrderExecuted(OrderExecuted {
            order,
            account,
            market: MARKET,
            trade: TradeId::new(self.orders / 2),
            side,
            price: price(),
            qty: qty(100),
            quote_amount: amount(6_000_000_000),
            fee: amount(100),
            fee_asset: if is_maker { QUOTE } else { BASE },
            rebate: Amount::ZERO,
            is_maker,
            leaves: Qty::ZERO,
            traded_at: Timestamp::from_nanos(1_767_225_600_000_000_000 + self.orders),
        })
    }
}

/// What is measured, apart so that a profiler finds it.
#[inline(never)]
fn follow(exchange: &Exchange, items: &[StreamItem]) {
    exchange.take_in(PARTITION, black_box(items));
}

fn orders(c: &mut Criterion) {
    let mut group = c.benchmark_group("follow");
    group.throughput(Throughput::Elements(ITEMS));
    let flow = std::cell::RefCell::new(Flow::new());
    group.bench_function("orders of two accounts", |b| {
        let items = || flow.borrow_mut().items();
        b.iter_batched_ref(items, |items| follow(&flow.borrow().exchange, items), BatchSize::PerIteration);
    });
    group.finish();
    assert_eq!(flow.borrow().exchange.market_data().order_gaps(), 0, "the flow is a market's");
}

criterion_group!(benches, orders);
criterion_main!(benches);
