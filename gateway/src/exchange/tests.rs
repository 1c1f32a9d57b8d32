use std::time::Duration;

use cluster_client::StreamItem;
use wire::LogPosition;

use crate::accounts::Wanted;
use crate::testing::*;

fn level() -> wire::Event {
    wire::Event::LevelChanged(wire::event::LevelChanged {
        market: BTCUSDT,
        side: wire::Side::Buy,
        price: price(5_000_000),
        qty: qty(100_000),
        update: wire::UpdateId::new(1),
    })
}

#[tokio::test]
async fn readers_wait_for_a_position_until_it_has_been_read() {
    let (gateway, ledger) = gateway();
    let seen = gateway.exchange.seen(LEDGER);
    let soon = Duration::from_millis(20);
    assert!(gateway.wait_for(LEDGER, seen, soon).await);
    assert!(!gateway.wait_for(LEDGER, seen.next(), soon).await);
    let waiting = gateway.wait_for(LEDGER, seen.next().next(), Duration::from_secs(5));
    let feeding = async {
        ledger.feed(&[balance(ALICE, BTC, 1, 0)]);
        gateway.exchange.progress(LEDGER, seen.next().next());
    };
    assert!(tokio::join!(waiting, feeding).0);
    gateway.exchange.progress(LEDGER, LogPosition::new(1));
    assert_eq!(gateway.exchange.seen(LEDGER), seen.next().next(), "progress never runs backwards");
}

#[tokio::test]
async fn whoever_is_told_that_an_order_rests_finds_its_level() {
    let (gateway, ledger) = gateway();
    // Held here, the book keeps the feed from it: the order must not be told before.
    let waiting = gateway.exchange.accounts().await_order(ALICE, BTCUSDT, wire::OrderId::new(1), Wanted::Outcome);
    let mut outcome = waiting.unwrap().receiver;
    let market = gateway.exchange.market_data().market_by_id(BTCUSDT).unwrap();
    market
        .while_busy(|| {
            let feed = std::thread::spawn(move || {
                ledger.feed(&[pending(1, &buy("a")), accepted(1), level(), resting(1, 100_000)]);
            });
            std::thread::sleep(Duration::from_millis(50));
            assert!(outcome.try_recv().is_err(), "the level is not there yet");
            feed
        })
        .join()
        .unwrap();
    assert!(outcome.await.is_ok());
}

#[test]
fn a_command_counts_as_seen_before_the_next_of_its_batch_is_taken_in() {
    let (gateway, _) = gateway();
    let first = gateway.exchange.seen(LEDGER).next();
    let item = |position, event| StreamItem::Events {
        position,
        timestamp: wire::Timestamp::from_nanos(START_NS),
        origin: wire::Origin::default(),
        events: vec![event],
    };
    let items = [item(first, balance(ALICE, BTC, 1, 0)), item(first.next(), level())];
    let market = gateway.exchange.market_data().market_by_id(BTCUSDT).unwrap();
    let exchange = std::sync::Arc::clone(&gateway.exchange);
    // Held here, the book keeps the second command from being taken in.
    let feed = market.while_busy(|| {
        let feed = std::thread::spawn(move || exchange.take_in(LEDGER, &items));
        let began = std::time::Instant::now();
        while gateway.exchange.seen(LEDGER) < first && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(gateway.exchange.seen(LEDGER), first);
        feed
    });
    feed.join().unwrap();
    assert_eq!(gateway.exchange.seen(LEDGER), first.next());
}

#[test]
fn a_market_is_known_with_its_assets_and_its_present_status() {
    let (gateway, ledger) = gateway();
    let market = |status| {
        ledger.feed(&[wire::Event::MarketStatusChanged(wire::event::MarketStatusChanged { market: BTCUSDT, status })]);
        gateway.exchange.reference().market_named("BTCUSDT").cloned().unwrap()
    };
    let halted = market(wire::MarketStatus::Halted);
    assert_eq!((halted.base.id, halted.quote.id, halted.status), (BTC, USDT, wire::MarketStatus::Halted));
    assert_eq!(market(wire::MarketStatus::Trading).status, wire::MarketStatus::Trading);
    assert!(gateway.exchange.reference().market_named("NOPE").is_none());
}
