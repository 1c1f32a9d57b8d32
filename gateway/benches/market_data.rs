//! What market data costs: reading the past, and telling the present to many subscribers.
//!
//! One step is what one taker order does to a market: a trade, a level change, and every tenth time the end of
//! a depth window.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gateway::market_data::{MarketData, render};
use gateway::streams::{Bounds, Hub, Outbox, StreamName, Subscriber};
use wire::event::{DepthWindowClosed, LevelChanged, MarketListed, Traded};
use wire::{
    Amount, AssetId, Event, LogPosition, MarketId, MarketRules, MarketScale, OrderId, PartitionId, Price, Qty, Side,
    Symbol, Timestamp, TradeId, UpdateId,
};

const MARKET: MarketId = MarketId::new(1);
const LEVELS: u64 = 500;

struct Market {
    data: Arc<MarketData>,
    hub: Arc<Hub>,
    step: u64,
}

impl Market {
    fn new() -> Market {
        let hub = Arc::new(Hub::default());
        let data = Arc::new(MarketData::new(hub.clone()));
        let (price, qty) = (Price::MIN, Qty::new(1).expect("one is a quantity"));
        let listed = Event::MarketListed(Box::new(MarketListed {
            market: MARKET,
            symbol: Symbol::new(b"BTCUSDT").expect("a legal symbol"),
            base: AssetId::new(1),
            quote: AssetId::new(2),
            partition: PartitionId::new(1),
            scale: MarketScale::new(2, 5, 10, 8).expect("a legal scale"),
            rules: MarketRules {
                tick: price,
                price_min: price,
                price_max: Price::MAX,
                lot: qty,
                qty_min: qty,
                qty_max: Qty::MAX,
                market_qty_max: Qty::MAX,
                notional_min: Amount::ZERO,
                notional_max: Amount::MAX,
                protection_ppm: 50_000,
                open_orders_max: 200,
                special: wire::SpecialRules::default(),
            },
        }));
        data.apply(PartitionId::new(1), LogPosition::new(1), Timestamp::from_nanos(0), &[listed]);
        data.go_live();
        Market { data, hub, step: 0 }
    }

    fn step(&mut self) {
        self.step += 1;
        let step = self.step;
        let price = Price::new(6_000_000 + (step * 7_919 % LEVELS) as i64).expect("a legal price");
        let traded = Event::Traded(Traded {
            market: MARKET,
            trade: TradeId::new(step),
            price,
            qty: Qty::new(1_000).expect("a legal quantity"),
            taker_side: Side::Buy,
            taker: OrderId::new(step),
            maker: OrderId::new(1),
            sequence: Default::default(),
            is_auction: false,
        });
        let changed = Event::LevelChanged(LevelChanged {
            market: MARKET,
            side: Side::Sell,
            price,
            qty: Qty::new((step % 97 * 1_000) as i64).expect("a legal quantity"),
            update: UpdateId::new(step),
        });
        let closed = Event::DepthWindowClosed(DepthWindowClosed {
            market: MARKET,
            first: UpdateId::new(step.saturating_sub(9)),
            last: UpdateId::new(step),
        });
        let events = [traded, changed, closed];
        let events = if step.is_multiple_of(10) { &events[..] } else { &events[..2] };
        let now = Timestamp::from_nanos(step * 10_000_000);
        self.data.apply(PartitionId::new(1), LogPosition::new(step + 1), now, black_box(events));
    }
}

fn apply(c: &mut Criterion) {
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(1));
    let mut market = Market::new();
    group.bench_function("nobody listens", |b| b.iter(|| market.step()));
    for clients in [1, 100, 1_000] {
        let mut market = Market::new();
        let outboxes: Vec<_> = (0..clients)
            .map(|_| {
                let outbox = Arc::new(Outbox::new(Bounds::default(), false));
                let mut subscriber = Subscriber::new(market.hub.clone(), outbox.clone());
                for name in ["btcusdt@depth@100ms", "btcusdt@trade", "btcusdt@bookTicker"] {
                    subscriber.subscribe(StreamName::parse(name).expect("a legal name")).expect("there is room");
                }
                (outbox, subscriber)
            })
            .collect();
        let mut batch = Vec::new();
        group.bench_function(format!("{clients} clients of three streams"), |b| {
            b.iter(|| {
                market.step();
                for (outbox, _) in &outboxes {
                    outbox.take(&mut batch, 64);
                    batch.clear();
                }
            });
        });
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    let mut market = Market::new();
    for _ in 0..100_000 {
        market.step();
    }
    let read = market.data.market("BTCUSDT").expect("it is listed");
    let listing = read.listing().expect("it is listed");
    let now_ms = 100_000 * 10;
    c.bench_function("read/depth of 1000", |b| b.iter(|| render::depth(&read, listing, 1_000)));
    c.bench_function("read/ticker of 24 hours", |b| {
        b.iter_batched(
            || now_ms,
            |now_ms| render::ticker_24hr(&read, listing, now_ms, render::TickerType::Full),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, apply, read);
criterion_main!(benches);
