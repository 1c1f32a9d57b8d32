use super::*;
use crate::Verdict;
use crate::fake::{Fake, Fault, SYMBOL};
use crate::replay::{Args, replay};

/// Two updates; bids and asks, and trades between them.
const RECORDING: &str = r#"1 {"data":{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":4,"b":[["99.90","2"],["99.80","3"]],"a":[["100.00","1.5"],["100.10","4"]]}}
2 {"data":{"e":"trade","s":"BTCUSDT","p":"100.00","q":"1.5","m":false}}
3 {"data":{"e":"trade","s":"BTCUSDT","p":"99.80","q":"2.5","m":true}}
4 {"data":{"e":"depthUpdate","s":"BTCUSDT","U":5,"u":9,"b":[["99.90","0"],["99.80","0.5"]],"a":[["100.00","0"]]}}
"#;

/// Replays `text` on the fake exchange's own market, with no operator and accounts of its own.
async fn replayed(fake: &Fake, symbol: &str, text: &str) -> Result<Verdict, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording");
    std::fs::write(&file, text).unwrap();
    let (target, symbol) = (fake.target.clone(), Some(symbol.to_owned()));
    let args = Args { file, target, operator: Default::default(), symbol, speed: None, limit: None, makers: 4 };
    replay(args).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_recording_is_replayed_on_an_empty_market_twice_by_accounts_alone() {
    let fake = Fake::start(Fault::None, &["m1", "m2", "taker"]).await;
    assert_eq!(replayed(&fake, SYMBOL, RECORDING).await, Ok(Verdict::Sound));
    // The book of the first one is still there.
    assert!(replayed(&fake, SYMBOL, RECORDING).await.unwrap_err().contains("is not empty"));
    fake.cancel_all();
    assert_eq!(replayed(&fake, SYMBOL, RECORDING).await, Ok(Verdict::Sound));
}

#[tokio::test]
async fn what_a_market_cannot_hold_is_refused_before_the_first_order() {
    let fake = Fake::start(Fault::None, &["m1", "m2", "taker"]).await;
    let refused = [
        ("NOSUCH", RECORDING.to_owned(), "lists no market NOSUCH"),
        (SYMBOL, RECORDING.replace("99.80", "99.805"), "line 1: 3 at 99.805 is no order in BTCUSDT: prices"),
        (SYMBOL, RECORDING.replace("0.5\"]", "0.500001\"]"), "line 4: 0.500001 at 99.8 is no order"),
        (SYMBOL, RECORDING.replace("\"1.5\"", "\"0.01\""), "orders are worth at least 5 USDT"),
        (SYMBOL, RECORDING.replace("\"4\"", "\"4000000\""), "account m2 has 1000000 BTC and needs"),
    ];
    for (symbol, text, why) in refused {
        let error = replayed(&fake, symbol, &text).await.unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(fake.orders(), 0);
}

#[tokio::test]
async fn without_an_operator_and_a_market_it_is_said_what_to_pass() {
    let fake = Fake::start(Fault::None, &["taker"]).await;
    let error = replayed(&fake, SYMBOL, RECORDING).await.unwrap_err();
    assert!(error.contains("two accounts at least"), "{error}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording");
    std::fs::write(&file, RECORDING).unwrap();
    let target = fake.target.clone();
    let args = Args { file, target, operator: Default::default(), symbol: None, speed: None, limit: None, makers: 4 };
    let error = replay(args).await.unwrap_err().to_string();
    assert!(error.contains("--node ID=HOST:PORT") && error.contains("--symbol"), "{error}");
}

#[test]
fn a_maker_needs_an_order_for_each_of_its_levels() {
    let recording = Recording::read(RECORDING.as_bytes(), None).unwrap();
    let market = Market {
        symbol: "X".into(),
        base: "B".into(),
        quote: "Q".into(),
        tick: Decimal::new(1, 1),
        step: Decimal::new(1, 1),
        qty_min: Decimal::new(1, 1),
        notional_min: Decimal::ZERO,
        open_orders_max: 3,
    };
    assert!(check(&recording, &market, 2).is_ok());
    let error = check(&recording, &market, 1).unwrap_err().to_string();
    assert!(error.starts_with("line 1: 4 levels of one maker"), "{error}");
}
