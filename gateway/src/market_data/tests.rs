use std::sync::Mutex;

use super::klines::KlinesWanted;
use super::render::TickerType;
use super::*;
use wire::event::{DepthWindowClosed, LevelChanged, MarketListed, Traded};
use wire::{Amount, AssetId, MarketRules, MarketScale, OrderId, Price, Qty, Side, TradeId, UpdateId};

/// Remembers what was told, as text.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Publish for Told {
    fn is_wanted(&self, _: &Symbol) -> bool {
        true
    }

    fn publish(&self, symbol: &Symbol, _: &Arc<Listing>, _: Timestamp, updates: &[Update]) {
        let mut told = self.0.lock().unwrap();
        for update in updates {
            told.push(match update {
                Update::Trade(trade) => format!("{symbol} trade {}", trade.id),
                Update::AggTrade(trade) => format!("{symbol} agg {}..{}", trade.first_trade, trade.last_trade),
                Update::Window { diff, .. } => format!("{symbol} window {}..{}", diff.first, diff.last),
                Update::Best { best, .. } => format!("{symbol} best {} {}", shown(best.bid), shown(best.ask)),
                Update::Phase(_) | Update::Indicated(_) | Update::Completed(_) | Update::Orders(_) => continue,
            });
        }
    }
}

fn shown(level: Option<book::Level>) -> String {
    level.map_or("none".into(), |(price, qty)| format!("{}@{}", qty.units(), price.units()))
}

pub(crate) fn listed(market: u16, symbol: &str) -> Event {
    let price = |units| Price::new(units).unwrap();
    let qty = |units| Qty::new(units).unwrap();
    Event::MarketListed(Box::new(MarketListed {
        market: MarketId::new(market),
        symbol: Symbol::new(symbol.as_bytes()).unwrap(),
        base: AssetId::new(1),
        quote: AssetId::new(2),
        partition: PartitionId::new(2),
        scale: MarketScale::new(2, 5, 10, 8).unwrap(),
        rules: MarketRules {
            tick: price(1),
            price_min: price(1),
            price_max: price(1_000_000_000),
            lot: qty(1),
            qty_min: qty(1),
            qty_max: qty(900_000_000),
            market_qty_max: qty(900_000_000),
            notional_min: Amount::ZERO,
            notional_max: Amount::MAX,
            protection_ppm: 50_000,
            open_orders_max: 200,
            special: wire::SpecialRules::default(),
        },
    }))
}

pub(crate) fn level(side: Side, price: i64, qty: i64, update: u64) -> Event {
    Event::LevelChanged(LevelChanged {
        market: MarketId::new(1),
        side,
        price: Price::new(price).unwrap(),
        qty: Qty::new(qty).unwrap(),
        update: UpdateId::new(update),
    })
}

pub(crate) fn traded(trade: u64, price: i64, qty: i64, taker_side: Side) -> Event {
    Event::Traded(Traded {
        market: MarketId::new(1),
        trade: TradeId::new(trade),
        price: Price::new(price).unwrap(),
        qty: Qty::new(qty).unwrap(),
        taker_side,
        taker: OrderId::new(900),
        maker: OrderId::new(100 + trade),
        sequence: Default::default(),
        is_auction: false,
    })
}

pub(crate) fn window(first: u64, last: u64) -> Event {
    let (first, last) = (UpdateId::new(first), UpdateId::new(last));
    Event::DepthWindowClosed(DepthWindowClosed { market: MarketId::new(1), first, last })
}

pub(crate) const START_MS: u64 = 1_793_491_200_000;

struct Play {
    data: MarketData,
    told: Arc<Told>,
    position: u64,
}

impl Play {
    fn new() -> Play {
        let told = Arc::new(Told::default());
        Play { data: MarketData::new(told.clone()), told, position: 0 }
    }

    fn apply(&mut self, after_ms: u64, events: &[Event]) {
        self.position += 1;
        let now = Timestamp::from_nanos((START_MS + after_ms) * 1_000_000);
        self.data.apply(PartitionId::new(2), LogPosition::new(self.position), now, events);
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.0.lock().unwrap())
    }

    fn market(&self) -> Arc<Market> {
        self.data.market("BTCUSDT").unwrap()
    }
}

#[test]
fn the_past_is_read_without_telling_anybody_and_the_present_is_told_in_order() {
    let mut play = Play::new();
    play.apply(0, &[listed(1, "BTCUSDT")]);
    play.apply(1, &[level(Side::Sell, 10_100, 5, 1), level(Side::Buy, 10_000, 5, 2)]);
    play.apply(101, &[window(1, 2)]);
    assert_eq!(play.told(), Vec::<String>::new());
    play.data.go_live();
    play.apply(150, &[traded(1, 10_100, 2, Side::Buy), level(Side::Sell, 10_100, 3, 3)]);
    play.apply(151, &[level(Side::Sell, 10_200, 3, 4)]);
    play.apply(250, &[window(3, 4)]);
    assert_eq!(
        play.told(),
        ["BTCUSDT trade 1", "BTCUSDT agg 1..1", "BTCUSDT best 5@10000 3@10100", "BTCUSDT window 3..4"]
    );
    assert_eq!(play.data.gaps(), 0);
}

#[test]
fn events_that_overtake_the_listing_are_kept_and_not_told() {
    let mut play = Play::new();
    play.data.go_live();
    play.apply(0, &[level(Side::Sell, 10_100, 5, 1)]);
    assert!(play.data.market("BTCUSDT").is_none());
    play.apply(0, &[listed(1, "BTCUSDT")]);
    assert_eq!(shown(play.market().best().ask), "5@10100");
    assert_eq!(play.told(), Vec::<String>::new());
    assert_eq!(play.data.markets().len(), 1);
}

#[test]
fn results_are_binance_json_with_eight_decimals() {
    let mut play = Play::new();
    play.apply(0, &[listed(1, "BTCUSDT")]);
    let market = play.market();
    let listing = market.listing().unwrap();
    assert_eq!(render::depth(&market, listing, 5), r#"{"lastUpdateId":0,"bids":[],"asks":[]}"#);
    assert_eq!(render::recent_trades(&market, listing, 5), "[]");
    assert_eq!(render::ticker_price(&market, listing), r#"{"symbol":"BTCUSDT","price":"0.00000000"}"#);
    assert!(render::ticker_24hr(&market, listing, START_MS, TickerType::Full).contains(r#""firstId":-1"#));

    play.apply(1, &[level(Side::Sell, 10_100, 500_000, 1), level(Side::Buy, 10_000, 5, 2)]);
    play.apply(2, &[traded(1, 10_100, 150_000, Side::Buy), level(Side::Sell, 10_100, 350_000, 3)]);
    play.apply(3, &[traded(2, 10_000, 5, Side::Sell), level(Side::Buy, 10_000, 0, 4)]);
    assert_eq!(
        render::depth(&market, listing, 5),
        r#"{"lastUpdateId":4,"bids":[],"asks":[["101.00000000","3.50000000"]]}"#
    );
    assert_eq!(
        render::recent_trades(&market, listing, 1),
        r#"[{"id":2,"price":"100.00000000","qty":"0.00005000","quoteQty":"0.00500000","time":1793491200003,"isBuyerMaker":true,"isBestMatch":true}]"#
    );
    assert_eq!(
        render::book_ticker(&market, listing),
        r#"{"symbol":"BTCUSDT","bidPrice":"0.00000000","bidQty":"0.00000000","askPrice":"101.00000000","askQty":"3.50000000"}"#
    );
    let wanted =
        KlinesWanted { span: Interval::Hour.into(), start_ms: None, end_ms: None, limit: 10, now_ms: START_MS + 10 };
    assert_eq!(
        render::klines(listing, wanted.span, &market.klines(wanted)),
        r#"[[1793491200000,"101.00000000","101.00000000","100.00000000","100.00000000","1.50005000",1793494799999,"151.50500000",2,"1.50000000","151.50000000","0"]]"#
    );
    assert_eq!(
        render::ticker_24hr(&market, listing, START_MS + 10, TickerType::Full),
        r#"{"symbol":"BTCUSDT","priceChange":"-1.00000000","priceChangePercent":"-0.990","weightedAvgPrice":"100.99996667","prevClosePrice":"101.00000000","lastQty":"0.00005000","bidPrice":"0.00000000","bidQty":"0.00000000","askPrice":"101.00000000","askQty":"3.50000000","openPrice":"101.00000000","highPrice":"101.00000000","lowPrice":"100.00000000","lastPrice":"100.00000000","volume":"1.50005000","quoteVolume":"151.50500000","openTime":1793404800010,"closeTime":1793491200010,"firstId":1,"lastId":2,"count":2}"#
    );
    assert_eq!(
        render::average_price(&market, listing, START_MS + 10),
        r#"{"mins":5,"price":"100.99996667","closeTime":1793491200003}"#
    );
    for text in [
        render::trading_day(&market, listing, START_MS + 10, Zone::default(), TickerType::Full),
        render::ticker_24hr(&market, listing, START_MS + 10, TickerType::Mini),
        render::aggregated_trades(listing, &market.aggregated_trades(trades::AggWanted::FromId(0), 10)),
        render::array([render::ticker_price(&market, listing), render::ticker_price(&market, listing)]),
    ] {
        serde_json::from_str::<serde_json::Value>(&text).expect("what is rendered is JSON");
    }
}

#[test]
fn a_hole_in_the_level_changes_is_counted() {
    let mut play = Play::new();
    play.apply(0, &[listed(1, "BTCUSDT"), level(Side::Sell, 10_100, 5, 1)]);
    play.apply(1, &[level(Side::Sell, 10_100, 6, 3)]);
    assert_eq!(play.data.gaps(), 1);
}

/// Somebody who begins to listen, with the whole book, while it is asked whether anybody does.
#[derive(Default)]
struct Late {
    data: std::sync::OnceLock<Arc<MarketData>>,
    is_there: AtomicBool,
    begins: Mutex<Option<std::thread::JoinHandle<u64>>>,
    told: Mutex<Vec<u64>>,
}

impl Publish for Late {
    fn is_wanted(&self, _: &Symbol) -> bool {
        let was_there = self.is_there.swap(true, Ordering::SeqCst);
        if !was_there {
            let data = self.data.get().unwrap().clone();
            let begins = std::thread::spawn(move || data.market("BTCUSDT").unwrap().depth(5_000).last.get());
            *self.begins.lock().unwrap() = Some(begins);
            // Time enough for it to read what it can.
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        was_there
    }

    fn publish(&self, _: &Symbol, _: &Arc<Listing>, _: Timestamp, updates: &[Update]) {
        for update in updates {
            if let Update::Window { diff, .. } = update {
                self.told.lock().unwrap().push(diff.first.get());
            }
        }
    }
}

#[test]
fn who_begins_with_the_whole_book_while_a_window_closes_misses_nothing() {
    let late = Arc::new(Late::default());
    let data = Arc::new(MarketData::new(late.clone()));
    late.data.set(data.clone()).ok().unwrap();
    let apply = |position, events: &[Event]| {
        let now = Timestamp::from_nanos((START_MS + position) * 1_000_000);
        data.apply(PartitionId::new(2), LogPosition::new(position), now, events);
    };
    apply(1, &[listed(1, "BTCUSDT")]);
    data.go_live();
    apply(2, &[level(Side::Sell, 10_100, 5, 1), window(1, 1)]);
    apply(3, &[level(Side::Sell, 10_100, 6, 2), window(2, 2)]);
    let begun = late.begins.lock().unwrap().take().unwrap().join().unwrap();
    let first = late.told.lock().unwrap()[0];
    assert!(first <= begun + 1, "the book at {begun}, then changes from {first} on");
}
