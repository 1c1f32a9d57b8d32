use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wire::{Event, LogPosition, PartitionId, Side, Timestamp};

use super::*;
use crate::accounts::Right;
use crate::market_data::MarketData;
use crate::market_data::tests::{START_MS, level, listed, traded, window};

/// A market that is written to, and clients that read when they are told to.
struct Play {
    hub: Arc<Hub>,
    data: Arc<MarketData>,
    position: u64,
    update: u64,
}

impl Play {
    fn new() -> Play {
        let hub = Arc::new(Hub::default());
        let data = Arc::new(MarketData::new(hub.clone()));
        let mut play = Play { hub, data, position: 0, update: 0 };
        play.apply(0, &[listed(1, "BTCUSDT")]);
        play.data.go_live();
        play
    }

    fn apply(&mut self, after_ms: u64, events: &[Event]) {
        self.position += 1;
        let now = Timestamp::from_nanos((START_MS + after_ms) * 1_000_000);
        self.data.apply(PartitionId::new(2), LogPosition::new(self.position), now, events);
    }

    /// Sets a level and closes the window.
    fn window(&mut self, after_ms: u64, price: i64, qty: i64) {
        self.update += 1;
        let update = self.update;
        self.apply(after_ms, &[level(Side::Sell, price, qty, update), window(update, update)]);
    }

    fn client(&self, bounds: Bounds, names: &[&str], is_combined: bool) -> (Arc<Outbox>, Subscriber) {
        let outbox = Arc::new(Outbox::new(bounds, is_combined));
        let mut subscriber = Subscriber::new(self.hub.clone(), outbox.clone());
        for name in names {
            subscriber.subscribe(StreamName::parse(name).unwrap()).unwrap();
        }
        (outbox, subscriber)
    }
}

fn read(outbox: &Outbox) -> Vec<Frame> {
    let mut batch = Vec::new();
    assert_eq!(outbox.take(&mut batch, usize::MAX), Taken::Messages);
    batch
}

fn read_json(outbox: &Outbox) -> Vec<Value> {
    read(outbox).iter().map(|text| serde_json::from_str(text.as_str()).unwrap()).collect()
}

fn tight() -> Bounds {
    Bounds { conflate_messages: 3, messages_max: 10, ..Bounds::default() }
}

#[test]
fn an_event_is_written_once_and_its_bytes_are_shared() {
    let mut play = Play::new();
    let (one, _keep_one) = play.client(Bounds::default(), &["btcusdt@trade"], false);
    let (other, _keep_other) = play.client(Bounds::default(), &["btcusdt@trade"], false);
    let (combined, _keep_combined) = play.client(Bounds::default(), &["btcusdt@trade"], true);
    let (another, _keep_another) = play.client(Bounds::default(), &["btcusdt@trade"], true);
    play.apply(7, &[traded(1, 10_100, 150_000, Side::Buy)]);
    let (one, other, combined, another) = (read(&one), read(&other), read(&combined), read(&another));
    let expected = r#"{"e":"trade","E":1793491200007,"s":"BTCUSDT","t":1,"p":"101.00000000","q":"1.50000000","T":1793491200007,"m":false,"M":true}"#;
    assert_eq!(one[0].as_str(), expected);
    assert_eq!(combined[0].as_str(), format!(r#"{{"stream":"btcusdt@trade","data":{expected}}}"#));
    assert_eq!(one[0].as_str().as_ptr(), other[0].as_str().as_ptr());
    assert_eq!(combined[0].as_str().as_ptr(), another[0].as_str().as_ptr());
}

#[test]
fn every_depth_event_continues_the_one_before() {
    let mut play = Play::new();
    let (outbox, _keep) = play.client(Bounds::default(), &["btcusdt@depth@100ms"], false);
    for step in 0..20 {
        play.window(step * 100, 10_000 + step as i64 % 3, step as i64);
    }
    let mut last = 0;
    for event in read_json(&outbox) {
        assert_eq!(event["U"].as_u64().unwrap(), last + 1);
        last = event["u"].as_u64().unwrap();
    }
    assert_eq!(last, 20);
}

#[test]
fn seconds_of_depth_are_seconds_of_log_time() {
    let mut play = Play::new();
    let (outbox, _keep) = play.client(Bounds::default(), &["btcusdt@depth", "btcusdt@depth5@1000ms"], false);
    for (after_ms, price) in [(100, 10_100), (300, 10_200), (999, 10_100)] {
        play.window(after_ms, price, 1);
    }
    play.hub.beat(&play.data, START_MS + 1_199);
    assert!(read(&outbox).is_empty());
    play.window(1_000, 10_300, 1);
    let events = read_json(&outbox);
    assert_eq!(events.len(), 2);
    assert_eq!((events[0]["U"].as_u64(), events[0]["u"].as_u64()), (Some(1), Some(3)));
    assert_eq!(events[0]["a"].as_array().unwrap().len(), 2);
    assert_eq!(events[1]["lastUpdateId"], 3);
    // An idle market's last second is told by the beat.
    play.hub.beat(&play.data, START_MS + 2_200);
    let events = read_json(&outbox);
    assert_eq!((events[0]["U"].as_u64(), events[0]["u"].as_u64()), (Some(4), Some(4)));
    assert_eq!(events[1]["asks"].as_array().unwrap().len(), 3);
}

#[test]
fn a_slow_client_gets_merged_depth_without_a_gap_and_delays_nobody() {
    let mut play = Play::new();
    let names = ["btcusdt@depth@100ms", "btcusdt@bookTicker"];
    let (slow, _keep_slow) = play.client(tight(), &names, false);
    let (fast, _keep_fast) = play.client(tight(), &names, false);
    let mut seen_by_fast = Vec::new();
    for step in 0..50 {
        play.window(step * 100, 10_000 + step as i64 % 5, 1 + step as i64);
        seen_by_fast.extend(read_json(&fast));
    }
    assert_eq!(seen_by_fast.iter().filter(|event| event["e"] == "depthUpdate").count(), 50);

    let seen_by_slow = read_json(&slow);
    let depth: Vec<_> = seen_by_slow.iter().filter(|event| event["e"] == "depthUpdate").collect();
    assert!(depth.len() < 5, "{} depth events", depth.len());
    let mut last = 0;
    for event in &depth {
        assert_eq!(event["U"].as_u64().unwrap(), last + 1);
        last = event["u"].as_u64().unwrap();
    }
    assert_eq!(last, 50);
    let book = |events: &[&Value]| {
        let mut asks = std::collections::BTreeMap::new();
        for event in events {
            for level in event["a"].as_array().unwrap() {
                asks.insert(level[0].as_str().unwrap().to_owned(), level[1].as_str().unwrap().to_owned());
            }
        }
        asks
    };
    let fast: Vec<_> = seen_by_fast.iter().filter(|event| event["e"] == "depthUpdate").collect();
    assert_eq!(book(&depth), book(&fast));
    let bests = seen_by_slow.iter().filter(|event| event["e"].is_null()).count();
    assert!(bests <= 4, "only the latest best price is kept, got {bests}");
    // Caught up: single events again.
    play.window(9_000, 10_000, 77);
    assert_eq!(read_json(&slow).iter().filter(|event| event["e"] == "depthUpdate").count(), 1);
}

#[test]
fn a_client_too_far_behind_is_given_up() {
    let mut play = Play::new();
    let (slow, _keep_slow) = play.client(tight(), &["btcusdt@trade"], false);
    let (fast, _keep_fast) = play.client(tight(), &["btcusdt@trade"], false);
    for id in 1..=11 {
        assert_eq!(read(&fast).len(), usize::from(id > 1));
        play.apply(id, &[traded(id, 10_100, 1, Side::Buy)]);
    }
    assert_eq!(slow.take(&mut Vec::new(), 100), Taken::Overrun);
    assert_eq!(read(&fast).len(), 1);

    let patient = Bounds { conflated_max: Duration::ZERO, ..tight() };
    let (never, _keep_never) = play.client(patient, &["btcusdt@depth@100ms"], false);
    for step in 0..5 {
        play.window(step * 100, 10_000, 1 + step as i64);
    }
    assert_eq!(never.take(&mut Vec::new(), 100), Taken::Overrun);
}

#[test]
fn subscriptions_end_with_the_client_and_are_bounded() {
    let mut play = Play::new();
    let (outbox, mut subscriber) = play.client(Bounds::default(), &["btcusdt@trade", "btcusdt@trade"], false);
    assert_eq!(subscriber.names().len(), 1);
    play.apply(1, &[traded(1, 10_100, 1, Side::Buy)]);
    assert_eq!(read(&outbox).len(), 1);
    subscriber.unsubscribe(&StreamName::parse("btcusdt@trade").unwrap());
    play.apply(2, &[traded(2, 10_100, 1, Side::Buy)]);
    assert_eq!(read(&outbox).len(), 0);
    for index in 0..STREAMS_MAX {
        subscriber.subscribe(StreamName::parse(&format!("m{index}@trade")).unwrap()).unwrap();
    }
    let further = StreamName::parse("btcusdt@trade").unwrap();
    assert_eq!(subscriber.check(&[further]), Err(SubscribeError::TooMany));
    assert_eq!(subscriber.subscribe(further), Err(SubscribeError::TooMany));
    drop(subscriber);
    assert!(!crate::market_data::Publish::is_wanted(&*play.hub, &further.symbol));
}

#[test]
fn klines_are_told_when_they_change_and_once_more_when_they_close() {
    let mut play = Play::new();
    let (outbox, _keep) = play.client(Bounds::default(), &["btcusdt@kline_1m"], false);
    play.hub.beat(&play.data, START_MS + 500);
    assert!(read(&outbox).is_empty(), "nothing was ever traded");
    play.apply(600, &[traded(1, 10_100, 150_000, Side::Buy)]);
    play.hub.beat(&play.data, START_MS + 1_000);
    play.hub.beat(&play.data, START_MS + 1_250);
    play.hub.beat(&play.data, START_MS + 3_000);
    let events = read_json(&outbox);
    assert_eq!(events.len(), 1, "unchanged klines are not repeated");
    assert_eq!((&events[0]["k"]["x"], &events[0]["k"]["v"]), (&Value::Bool(false), &Value::from("1.50000000")));
    play.hub.beat(&play.data, START_MS + 60_100);
    assert!(read(&outbox).is_empty());
    play.hub.beat(&play.data, START_MS + 60_250);
    let events = read_json(&outbox);
    assert_eq!((&events[0]["k"]["x"], &events[0]["k"]["t"]), (&Value::Bool(true), &Value::from(START_MS)));
    assert_eq!((&events[1]["k"]["x"], &events[1]["k"]["n"]), (&Value::Bool(false), &Value::from(0)));
    // A trade of the closed minute that was late.
    play.apply(59_999, &[traded(2, 10_300, 1, Side::Buy)]);
    play.hub.beat(&play.data, START_MS + 60_500);
    let events = read_json(&outbox);
    assert_eq!((&events[0]["k"]["x"], &events[0]["k"]["h"]), (&Value::Bool(true), &Value::from("103.00000000")));
}

#[test]
fn a_kline_that_has_closed_does_not_run_again_for_a_client_that_is_behind() {
    let mut play = Play::new();
    let (slow, _keep) = play.client(tight(), &["btcusdt@trade", "btcusdt@kline_1m"], false);
    for id in 1..=3 {
        play.apply(600, &[traded(id, 10_100, 1, Side::Buy)]);
    }
    play.hub.beat(&play.data, START_MS + 1_000);
    play.hub.beat(&play.data, START_MS + 60_250);
    let klines = read_json(&slow).into_iter().filter(|event| event["e"] == "kline");
    let told: Vec<_> =
        klines.map(|event| (event["k"]["t"].as_u64().unwrap() - START_MS, event["k"]["x"] == true)).collect();
    assert_eq!(told, [(0, false), (0, true), (60_000, false)]);
}

#[test]
fn tickers_of_all_markets_name_those_that_changed() {
    let mut play = Play::new();
    let (outbox, _keep) = play.client(
        Bounds::default(),
        &["!ticker@arr", "!miniTicker@arr", "btcusdt@ticker", "btcusdt@avgPrice"],
        false,
    );
    play.apply(5, &[listed(2, "ETHUSDT"), traded(1, 10_100, 150_000, Side::Buy)]);
    play.hub.beat(&play.data, START_MS + 1_000);
    play.hub.beat(&play.data, START_MS + 2_000);
    let events = read_json(&outbox);
    assert_eq!(events.len(), 4);
    assert_eq!(events.iter().filter(|event| event.as_array().is_some_and(|all| all.len() == 1)).count(), 2);
    assert!(events.iter().any(|event| event["e"] == "24hrTicker" && event["c"] == "101.00000000"));
}

/// What a client makes of a depth stream.
fn checked(book: &mut [std::collections::BTreeMap<u64, String>; 2], event: &Value) -> (u32, u32) {
    for (levels, name) in book.iter_mut().zip(["b", "a"]) {
        for level in event[name].as_array().unwrap() {
            let (price, qty) = (level[0].as_str().unwrap(), level[1].as_str().unwrap());
            let key = price.replace('.', "").parse().unwrap();
            match qty.parse::<f64>().unwrap() {
                0.0 => levels.remove(&key),
                _ => levels.insert(key, format!("{price}:{qty}")),
            };
        }
    }
    let (bids, asks) = (book[0].values().rev().take(10), book[1].values().take(10));
    let (bids, asks): (Vec<_>, Vec<_>) = (bids.collect(), asks.collect());
    let parts = (0..10).flat_map(|at| [bids.get(at), asks.get(at)]).flatten().map(|part| part.as_str());
    let text = parts.collect::<Vec<_>>().join(":");
    (crc32fast::hash(text.as_bytes()), event["c"].as_u64().expect("a checksum") as u32)
}

#[test]
fn a_checksum_is_that_of_the_book_that_a_client_keeps_also_when_it_was_behind() {
    let mut play = Play::new();
    let bounds = Bounds { conflate_messages: 3, ..Bounds::default() };
    let (plain, _keep_plain) = play.client(bounds, &["btcusdt@depth@100ms"], false);
    let (outbox, _keep) = play.client(bounds, &["btcusdt@depth@100ms"], false);
    let (second, _keep_second) = play.client(bounds, &["btcusdt@depth"], true);
    outbox.set(Property::Checksum, true);
    second.set(Property::Checksum, true);
    let mut book = Default::default();
    let books = [&mut book, &mut Default::default()];
    for at in 0..40_u64 {
        let price = 10_000 + (at as i64 * 7) % 23;
        play.window(at * 300, price, if at % 5 == 4 { 0 } else { 1_000 + at as i64 });
        // Twice it is far behind.
        if !(10..20).contains(&at) && !(25..33).contains(&at) {
            for event in read_json(&outbox) {
                let (own, told) = checked(books[0], &event);
                assert_eq!(own, told, "{event}");
            }
        }
        for event in read_json(&second) {
            let (own, told) = checked(books[1], &event["data"]);
            assert_eq!(own, told, "{event}");
        }
        assert!(read_json(&plain).iter().all(|event| event.get("c").is_none()), "nobody else has asked for it");
    }
}

#[test]
fn whole_books_wait_unwritten_and_come_one_at_a_time_before_their_events() {
    let mut play = Play::new();
    let outbox = Arc::new(Outbox::new(tight(), false));
    outbox.set(Property::Snapshot, true);
    let mut subscriber = Subscriber::new(play.hub.clone(), outbox.clone());
    let name = |text| StreamName::parse(text).unwrap();
    for text in ["btcusdt@depth@100ms", "btcusdt@trade", "btcusdt@depth"] {
        subscriber.subscribe(name(text)).unwrap();
    }
    play.window(0, 10_100, 1);
    let mut batch = Vec::new();
    assert_eq!(outbox.take(&mut batch, 100), Taken::Snapshot(name("btcusdt@depth@100ms")));
    assert!(batch.is_empty());
    // Who listens no more is told no book.
    subscriber.unsubscribe(&name("btcusdt@depth"));
    assert_eq!((outbox.take(&mut batch, 100), batch.len()), (Taken::Messages, 1));
    subscriber.subscribe(name("btcusdt@depth")).unwrap();
    assert_eq!(outbox.take(&mut batch, 100), Taken::Snapshot(name("btcusdt@depth")));
}

#[test]
fn user_events_that_wait_are_not_told_when_the_right_to_them_is_lost() {
    let outbox = Arc::new(Outbox::new(tight(), false));
    let (kept, lost) = (Right::default(), Right::default());
    outbox.push_user("kept".into(), kept);
    outbox.push_user("lost".into(), lost.clone());
    outbox.push_answer("answer".into());
    lost.end();
    assert_eq!(read(&outbox), ["kept", "answer"]);
}

#[test]
fn what_is_told_is_counted_by_kind_of_stream() {
    let mut play = Play::new();
    let (_one, keep_one) = play.client(Bounds::default(), &["btcusdt@trade", "btcusdt@kline_1m"], false);
    let (_other, _keep_other) = play.client(Bounds::default(), &["btcusdt@trade"], true);
    play.apply(1, &[traded(1, 10_100, 1, Side::Buy)]);
    drop(keep_one);
    play.apply(2, &[traded(2, 10_100, 1, Side::Buy)]);
    let of = |name: &str| play.hub.census().find(|census| census.stream == name).unwrap();
    let trade = of("trade");
    assert_eq!((trade.subscribers, trade.events, trade.deliveries), (1, 2, 3));
    assert_eq!(of("kline").subscribers, 0);
}

/// The socket of python-binance for all markets names a pace.
#[test]
fn streams_of_every_market_speak_at_the_pace_that_their_name_says_and_under_that_name() {
    let mut play = Play::new();
    let names = ["!miniTicker@arr@1000ms", "!miniTicker@arr@3000ms", "!ticker@arr@1000ms", "!ticker@arr@3000ms"];
    let clients = names.map(|name| play.client(Bounds::default(), &[name], true));
    let mut told = names.map(|_| 0);
    // Something is traded all the time.
    for (step_ms, trade) in (0..=6_000).step_by(250).zip(1..) {
        play.apply(step_ms, &[traded(trade, 10_100, 1, Side::Buy)]);
        play.hub.beat(&play.data, START_MS + step_ms);
        for (at, (outbox, _keep)) in clients.iter().enumerate() {
            for event in read_json(outbox) {
                assert_eq!((&event["stream"], &event["data"][0]["s"]), (&names[at].into(), &"BTCUSDT".into()));
                told[at] += 1;
            }
        }
    }
    assert_eq!(told, [7, 3, 7, 3]);
}
