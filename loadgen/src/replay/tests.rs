use super::*;
use crate::api::sign::Credentials;
use crate::fake::{Fake, Fault, SYMBOL};

#[test]
fn each_shown_trade_accounts_for_one_recorded_trade() {
    let trade = |price| Trade { price, qty: 1, taker_buys: true };
    assert_eq!(in_common(&mut vec![trade(1), trade(2)], &[trade(1), trade(1), trade(2)]), 2);
    assert_eq!(in_common(&mut vec![], &[trade(1)]), 0);
}

/// Three updates with trades between them that sweep, jump and turn.
pub(crate) const RECORDING: &str = r#"1 {"data":{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":4,"b":[["99.90","2"],["99.80","3"],["50","1"]],"a":[["100.00","1.5"],["100.10","4"]]}}
2 {"data":{"e":"trade","s":"BTCUSDT","p":"100.00","q":"1.5","m":false}}
3 {"data":{"e":"trade","s":"BTCUSDT","p":"100.10","q":"0.25","m":false}}
4 {"data":{"e":"trade","s":"BTCUSDT","p":"99.80","q":"7","m":true}}
5 {"data":{"e":"depthUpdate","s":"BTCUSDT","U":5,"u":9,"b":[["99.90","0"],["99.80","1"],["98","0"]],"a":[["100.00","0"],["100.10","3.75"]]}}
6 {"data":{"e":"depthUpdate","s":"BTCUSDT","U":10,"u":10,"b":[],"a":[]}}
7 {"data":{"e":"trade","s":"BTCUSDT","p":"101","q":"0.01","m":false}}
8 {"data":{"e":"depthUpdate","s":"BTCUSDT","U":11,"u":12,"b":[["100.05","1"]],"a":[["100.10","0"],["101","9"]]}}
"#;

async fn replayed(fault: Fault) -> Stage {
    let fake = Fake::start(fault, &["m1", "m2", "taker"]).await;
    let target = fake.target.resolve().unwrap();
    let gateway = &target.gateways[0];
    let recording = Recording::read(RECORDING.as_bytes(), None).unwrap();
    let connect = |name| WsApi::connect(vec![gateway.ws_api.clone()], Some(Credentials::hmac(name, "secret")));
    let player = Player {
        makers: vec![connect("m1"), connect("m2")],
        taker: connect("taker"),
        symbol: SYMBOL.to_owned(),
        price_decimals: recording.price_decimals,
        qty_decimals: recording.qty_decimals,
        prefix: "rp-".to_owned(),
        named: 0,
        standing: BTreeMap::new(),
    };
    let rest = Rest::new(vec![gateway.rest.clone()]);
    let mirror = Mirror::new(recording.price_decimals, recording.qty_decimals, None);
    let mirror = Shared::follow(mirror, rest.clone(), vec![gateway.ws.clone()], SYMBOL);
    let mut stage = Stage::new(player, mirror, rest);
    stage.wait_until_live().await.unwrap();
    for update in &recording.updates {
        stage.replay(&recording, update).await.unwrap();
    }
    stage
}

#[tokio::test]
async fn a_recording_is_reproduced_state_by_state_and_trade_by_trade() {
    let stage = replayed(Fault::None).await;
    let Outcome { compared, differing, trades_recorded, trades_exact, .. } = stage.outcome;
    assert_eq!((compared, differing, trades_recorded, trades_exact), (4, 0, 4, 4));
    assert!(stage.is_sound());
}

#[tokio::test]
async fn answers_that_are_lost_change_nothing() {
    let stage = replayed(Fault::HangUpEvery(3)).await;
    assert!(stage.is_sound(), "{:?}", stage.outcome);
    assert_eq!(stage.outcome.trades_exact, 4);
}

#[tokio::test]
async fn a_book_that_differs_is_counted_and_told() {
    let stage = replayed(Fault::HideChange(3)).await;
    assert_eq!(stage.outcome.compared, 4);
    assert!(stage.outcome.differing > 0, "{:?}", stage.outcome);
    assert!(!stage.is_sound());
    assert!(stage.outcome.differences[0].starts_with("line 1:"), "{:?}", stage.outcome.differences);
}
