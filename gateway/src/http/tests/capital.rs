//! Deposits, as `/sapi/v1/capital` shows them.

use wire::command::Reply;
use wire::event::{ChainAdvanced, ChainFrozen};
use wire::{ChainFreeze, Command, DepositStage, Event};

use super::*;
use crate::testing::capital::{ADDRESS, CHAIN, bound, deposit, deposited, listed};

#[tokio::test]
async fn an_address_is_made_at_the_first_call_and_stays_the_same() {
    let server = server().await;
    let path = "/sapi/v1/capital/deposit/address";
    server.ledger.feed(&listed());
    server.ledger.script(Box::new(|_, command| {
        assert!(matches!(command, Command::RequestAddress(request) if request.account == ALICE));
        Ok((Reply::Accepted { id: 1 }, vec![bound()]))
    }));
    let wanted = json!({ "address": ADDRESS, "coin": "BTC", "tag": "", "url": "" });
    assert_eq!(server.signed("GET", path, "coin=BTC").await.body, wanted);
    server.ledger.script(Box::new(|_, _| panic!("it is known")));
    assert_eq!(server.signed("GET", path, "coin=BTC&network=BTC").await.body, wanted);
}

#[tokio::test]
async fn what_has_no_network_has_no_address() {
    let server = server().await;
    let path = "/sapi/v1/capital/deposit/address";
    server.ledger.feed(&listed());
    let no_network = "The current asset is not open for deposit on this network.";
    server.signed("GET", path, "coin=USDT").await.refused(400, -4019, no_network);
    server.signed("GET", path, "coin=BTC&network=TRX").await.refused(400, -4019, no_network);
    server.signed("GET", path, "coin=XYZ").await.refused(400, -4018, "We don't have this asset.");
    server.signed("GET", path, "").await.refused(
        400,
        -1102,
        "Mandatory parameter 'coin' was not sent, was empty/null, or malformed.",
    );
}

#[tokio::test]
async fn deposits_are_told_with_where_they_stand_the_newest_first() {
    let server = server().await;
    let path = "/sapi/v1/capital/deposit/hisrec";
    lately(&server, &deposited());
    lately(&server, &[deposit(2, DepositStage::Credited, 3), deposit(1, DepositStage::Orphaned, 0)]);
    let all = server.signed("GET", path, "").await.body;
    let told = |row: &Value| (row["status"].clone(), row["confirmTimes"].clone(), row["amount"].clone());
    assert_eq!(told(&all[0]), (json!(1), json!("3/3"), json!("1.5")));
    assert_eq!(told(&all[1]), (json!(0), json!("0/3"), json!("1.5")));
    // Bitcoin-like chains print hashes backwards.
    assert_eq!(all[0]["txId"], format!("{}02", "00".repeat(31)));
    assert_eq!(
        (&all[0]["coin"], &all[0]["network"], &all[0]["address"]),
        (&json!("BTC"), &json!("BTC"), &json!(ADDRESS))
    );
    assert_eq!(server.signed("GET", path, "status=1").await.body.as_array().unwrap().len(), 1);
    assert_eq!(server.signed("GET", path, "coin=USDT").await.body, json!([]));
    assert_eq!(server.signed("GET", path, "offset=1&limit=1").await.body[0], all[1]);
    assert_eq!(server.signed("GET", path, "startTime=99999999999999").await.body, json!([]));
}

/// Tells of it now: what is told of otherwise is older than a history goes back.
fn lately(server: &Server, events: &[Event]) {
    server.ledger.feed_at(server.gateway.now_us() * 1_000, events);
}

#[tokio::test]
async fn deposits_are_asked_for_within_ninety_days() {
    let server = server().await;
    let path = "/sapi/v1/capital/deposit/hisrec";
    server.ledger.feed(&listed());
    server.ledger.feed(&[bound()]);
    let (now_ms, day_ms) = (server.gateway.now_us() / 1_000, 24 * 3_600 * 1_000);
    for (tx, days) in [(1, 91), (2, 89), (3, 0)] {
        server.ledger.feed_at((now_ms - days * day_ms) * 1_000_000, &[deposit(tx, DepositStage::Credited, 3)]);
    }
    let ids = async |params: &str| -> Vec<String> {
        let rows = server.signed("GET", path, params).await.body;
        let last = |row: &Value| row["txId"].as_str().unwrap()[62..].to_string();
        rows.as_array().expect("rows").iter().map(last).collect()
    };
    assert_eq!(ids("").await, ["03", "02"]);
    let (start, end) = (now_ms - 92 * day_ms, now_ms - 2 * day_ms);
    assert_eq!(ids(&format!("startTime={start}&endTime={end}")).await, ["02", "01"], "ninety days, no more");
    assert_eq!(ids(&format!("startTime={start}")).await, ["02", "01"]);
    assert_eq!(ids(&format!("endTime={end}")).await, ["02", "01"]);
    assert_eq!(ids(&format!("startTime={start}000&endTime={end}000")).await, ["02", "01"], "in microseconds");
    let interval = "Time interval must be within 0-90 days";
    for (start, end) in [(start - 1, end), (end, start)] {
        server.signed("GET", path, &format!("startTime={start}&endTime={end}")).await.refused(400, -4047, interval);
    }
}

#[tokio::test]
async fn a_deposit_is_shown_before_a_block_has_it_and_its_confirmations_are_counted() {
    let server = server().await;
    server.ledger.feed(&listed());
    server.ledger.feed(&[bound()]);
    let advanced = |height| Event::ChainAdvanced(ChainAdvanced { chain: CHAIN, height });
    for (told, status, confirmed) in [
        (deposit(1, DepositStage::Seen, 0), 0, "0/3"),
        (deposit(1, DepositStage::Replaced, 0), 2, "0/3"),
        (deposit(1, DepositStage::Seen, 0), 0, "0/3"),
        // Its block is the seventh.
        (deposit(1, DepositStage::Included, 1), 0, "1/3"),
        (advanced(7), 0, "1/3"),
        (advanced(8), 0, "2/3"),
        // The third is the ledger's to say.
        (advanced(9), 0, "2/3"),
        (advanced(7), 0, "1/3"),
        (deposit(1, DepositStage::Confirmed, 3), 0, "3/3"),
        (deposit(1, DepositStage::Orphaned, 0), 0, "0/3"),
        (deposit(1, DepositStage::Included, 1), 0, "1/3"),
        (deposit(1, DepositStage::Credited, 3), 1, "3/3"),
    ] {
        lately(&server, std::slice::from_ref(&told));
        let rows = server.signed("GET", "/sapi/v1/capital/deposit/hisrec", "").await.body;
        assert_eq!(rows.as_array().unwrap().len(), 1);
        let row = (&rows[0]["status"], &rows[0]["confirmTimes"]);
        assert_eq!(row, (&json!(status), &json!(confirmed)), "{told:?}");
    }
}

#[tokio::test]
async fn what_was_never_in_a_block_takes_no_room_from_what_was() {
    let server = server().await;
    server.ledger.feed(&listed());
    lately(&server, &[bound(), deposit(1, DepositStage::Credited, 3)]);
    let replaced = (2..1_200).map(|tx| deposit(tx, DepositStage::Replaced, 0)).collect::<Vec<_>>();
    lately(&server, &replaced);
    let path = "/sapi/v1/capital/deposit/hisrec";
    let credited = server.signed("GET", path, "status=1").await.body;
    assert_eq!(credited.as_array().unwrap().len(), 1);
    // And of those the newest are kept.
    let newest = &server.signed("GET", path, "status=2&limit=1").await.body[0];
    assert_eq!(newest["txId"], format!("{}{:04x}", "00".repeat(30), 1_199));
}

#[tokio::test]
async fn a_coin_can_be_deposited_while_its_chain_is_not_frozen() {
    let server = server().await;
    let path = "/sapi/v1/capital/config/getall";
    server.ledger.feed(&listed());
    let coins = server.signed("GET", path, "").await.body;
    assert_eq!((&coins[0]["depositAllEnable"], &coins[1]["depositAllEnable"]), (&json!(true), &json!(false)));
    let network = &coins[0]["networkList"][0];
    assert_eq!(
        (&network["network"], &network["minConfirm"], &network["depositDust"]),
        (&json!("BTC"), &json!(3), &json!("0.0001"))
    );
    server.ledger.feed(&[Event::ChainFrozen(ChainFrozen { chain: CHAIN, reason: ChainFreeze::Stalled })]);
    let coins = server.signed("GET", path, "").await.body;
    assert_eq!(coins[0]["networkList"][0]["depositEnable"], json!(false));
}
