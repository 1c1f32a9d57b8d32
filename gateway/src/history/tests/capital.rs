//! Deposits and withdrawals, from both stores.

use wire::{DepositStage, WithdrawalCause, WithdrawalStage};

use super::*;
use crate::testing::capital::{ADDRESS, bound, deposit, listed, withdrawal, withdrawal_told};

const DEPOSITS: &str = "/sapi/v1/capital/deposit/hisrec";
const WITHDRAWALS: &str = "/sapi/v1/capital/withdraw/history";

fn ready(world: &World) {
    let events: Vec<Event> = listed().into_iter().chain([bound()]).collect();
    world.ledger.feed(&events);
}

/// Deposits and withdrawals that change within a command and later.
pub(super) fn some_capital(world: &World) {
    ready(world);
    let at = |minute: u64| START_NS + minute * MINUTE_NS;
    let asked = |id, stage| withdrawal_told(withdrawal(id, &format!("w{id}"), stage, START_NS / 1_000));
    world.ledger.feed_at(at(1), &[deposit(1, DepositStage::Included, 1), asked(1, WithdrawalStage::Held)]);
    world.ledger.feed_at(at(2), &[deposit(2, DepositStage::Included, 1), deposit(2, DepositStage::Confirmed, 3)]);
    world.ledger.feed_at(at(3), &[deposit(1, DepositStage::Credited, 3), asked(2, WithdrawalStage::Review)]);
    world.ledger.feed_at(at(4), &[asked(1, WithdrawalStage::Settled), deposit(2, DepositStage::Orphaned, 0)]);
}

/// What `tx` of [`deposit`] is printed as.
fn tx_id(tx: u16) -> String {
    format!("{}{:04x}", "00".repeat(30), tx)
}

#[tokio::test]
async fn deposits_come_newest_first_by_time_status_transaction_and_page() {
    on_both(|world| async move {
        ready(&world);
        assert_eq!(world.ask(DEPOSITS, json!({})).await, json!([]));
        let at = |minute: u64| START_NS + minute * MINUTE_NS;
        world.ledger.feed_at(at(1), &[deposit(1, DepositStage::Included, 1), deposit(2, DepositStage::Included, 2)]);
        world.ledger.feed_at(at(2), &[deposit(3, DepositStage::Rejected, 1)]);
        // What was told first counts, not what was told last.
        world.ledger.feed_at(at(3), &[deposit(1, DepositStage::Confirmed, 3), deposit(1, DepositStage::Credited, 3)]);
        let ids = async |mut params: Value| {
            if params.get("endTime").is_none() && params.get("startTime").is_none() {
                params["startTime"] = START_MS.into();
            }
            world.each(DEPOSITS, params, "txId").await
        };
        assert_eq!(ids(json!({})).await, [tx_id(3), tx_id(2), tx_id(1)]);
        assert_eq!(ids(json!({ "offset": 1, "limit": 1 })).await, [tx_id(2)]);
        assert_eq!(ids(json!({ "offset": 3 })).await, Vec::<Value>::new());
        for (status, tx) in [(0, 2), (1, 1), (2, 3)] {
            assert_eq!(ids(json!({ "status": status })).await, [tx_id(tx)]);
        }
        assert_eq!(ids(json!({ "status": 7 })).await, Vec::<Value>::new());
        let minute = |n: u64| START_MS + n * 60_000;
        assert_eq!(ids(json!({ "startTime": minute(2) })).await, [tx_id(3)]);
        assert_eq!(ids(json!({ "endTime": minute(2) - 1 })).await, [tx_id(2), tx_id(1)]);
        assert_eq!(ids(json!({ "txId": tx_id(2) })).await, [tx_id(2)]);
        for other in [tx_id(9), format!("0x{}", tx_id(2)), "nonsense".into()] {
            assert_eq!(ids(json!({ "txId": other })).await, Vec::<Value>::new());
        }
        assert_eq!(ids(json!({ "coin": "BTC" })).await.len(), 3);
        assert_eq!(ids(json!({ "coin": "USDT" })).await, Vec::<Value>::new());
        let first = &world.ask(DEPOSITS, json!({ "txId": tx_id(1), "startTime": START_MS })).await[0];
        assert_eq!((&first["insertTime"], &first["amount"]), (&json!(minute(1)), &json!("1.5")));
        assert_eq!((&first["confirmTimes"], &first["address"]), (&json!("3/3"), &json!(ADDRESS)));
    })
    .await;
}

#[tokio::test]
async fn withdrawals_come_newest_first_by_time_status_name_and_id() {
    on_both(|world| async move {
        ready(&world);
        let now_us = world.gateway.now_us();
        let hour_us = 3_600_000_000;
        let asked = |hours: u64| now_us - hours * hour_us;
        let end = |cause, row: WithdrawalChanged| WithdrawalChanged { stage: WithdrawalStage::Canceled, cause, ..row };
        world.ledger.feed(&[
            withdrawal_told(withdrawal(1, "rent", WithdrawalStage::Held, asked(9))),
            withdrawal_told(withdrawal(2, "auto:x", WithdrawalStage::Review, asked(5))),
        ]);
        let last = withdrawal(3, "food", WithdrawalStage::Held, asked(1));
        let sweep = WithdrawalChanged {
            withdrawal: wire::WithdrawalId::new(4),
            purpose: wire::WithdrawalPurpose::Sweep,
            ..last
        };
        world.ledger.feed(&[withdrawal_told(last), withdrawal_told(sweep)]);
        world.ledger.feed(&[
            withdrawal_told(withdrawal(1, "rent", WithdrawalStage::Settled, asked(9))),
            withdrawal_told(end(WithdrawalCause::Client, last)),
        ]);
        let ids = async |params| world.each(WITHDRAWALS, params, "id").await;
        assert_eq!(ids(json!({})).await, ["3", "2", "1"], "what the exchange moves for itself is nobody's");
        assert_eq!(ids(json!({ "offset": 1, "limit": 1 })).await, ["2"]);
        for (status, id) in [(1, "3"), (2, "2"), (6, "1")] {
            assert_eq!(ids(json!({ "status": status })).await, [id]);
        }
        assert_eq!(ids(json!({ "status": 3 })).await, Vec::<Value>::new(), "it was no operator");
        assert_eq!(ids(json!({ "withdrawOrderId": "rent" })).await, ["1"]);
        assert_eq!(ids(json!({ "withdrawOrderId": "x".repeat(60) })).await, Vec::<Value>::new());
        assert_eq!(ids(json!({ "idList": "1,3,99,03,x" })).await, ["3", "1"]);
        assert_eq!(ids(json!({ "idList": "x" })).await, Vec::<Value>::new());
        let (from, to) = (asked(5) / 1_000, asked(1) / 1_000 - 1);
        assert_eq!(ids(json!({ "startTime": from, "endTime": to })).await, ["2"]);
        let shown = &world.ask(WITHDRAWALS, json!({ "idList": "1" })).await[0];
        assert_eq!((&shown["status"], &shown["withdrawOrderId"]), (&json!(6), &json!("rent")));
        assert_eq!((&shown["amount"], &shown["transactionFee"]), (&json!("1"), &json!("0.001")));
    })
    .await;
}

#[tokio::test]
async fn what_goes_by_one_transaction_shows_one_by_one_with_the_same_transaction() {
    on_both(|world| async move {
        ready(&world);
        let asked = world.gateway.now_us();
        let (tx, batch) = (wire::ChainHash([7; 32]), wire::WithdrawalId::new(3));
        let at = |id, name, stage| WithdrawalChanged { tx, batch, ..withdrawal(id, name, stage, asked) };
        for stage in [WithdrawalStage::Signed, WithdrawalStage::Settled] {
            let of_house = WithdrawalChanged {
                purpose: wire::WithdrawalPurpose::Batch,
                batch: wire::WithdrawalId::default(),
                ..at(3, "", stage)
            };
            let told = [of_house, at(1, "rent", stage), at(2, "food", stage)];
            world.ledger.feed(&told.map(withdrawal_told));
            let shown = world.ask(WITHDRAWALS, json!({})).await;
            let status = if stage == WithdrawalStage::Settled { 6 } else { 4 };
            let each: Vec<_> =
                shown.as_array().unwrap().iter().map(|row| (row["id"].clone(), row["status"].clone())).collect();
            assert_eq!(each, [(json!("2"), json!(status)), (json!("1"), json!(status))], "the batch is nobody's");
            assert_eq!(shown[0]["txId"], shown[1]["txId"]);
            assert_eq!(shown[0]["txId"].as_str().unwrap().len(), 64);
        }
    })
    .await;
}

/// A thousand are kept in memory, and of those beyond the open ones; a database keeps all.
#[tokio::test]
async fn however_many_there_are_nothing_open_is_dropped() {
    on_both(|world| async move {
        ready(&world);
        let now_us = world.gateway.now_us();
        let open = [1, 2, 500];
        let all = 1..=1_005_u16;
        let deposits: Vec<Event> = all
            .clone()
            .map(|tx| {
                let stage = if open.contains(&tx) { DepositStage::Included } else { DepositStage::Credited };
                deposit(tx, stage, 1)
            })
            .collect();
        let withdrawals: Vec<Event> = all
            .map(|id| {
                let stage = if open.contains(&id) { WithdrawalStage::Held } else { WithdrawalStage::Settled };
                withdrawal_told(withdrawal(u64::from(id), &format!("w{id}"), stage, now_us))
            })
            .collect();
        world.ledger.feed(&deposits);
        world.ledger.feed(&withdrawals);
        let open_ids = open.map(tx_id);
        let found = world.each(DEPOSITS, json!({ "status": 0, "startTime": START_MS }), "txId").await;
        assert_eq!(found, [&*open_ids[2], &*open_ids[1], &*open_ids[0]]);
        assert_eq!(world.each(WITHDRAWALS, json!({ "status": 4 }), "id").await, ["500", "2", "1"]);
        let last = |all: Vec<Value>| all.last().cloned();
        let (deposits, withdrawals) = (
            world.each(DEPOSITS, json!({ "offset": 995, "startTime": START_MS }), "txId").await,
            world.each(WITHDRAWALS, json!({ "offset": 995 }), "id").await,
        );
        let kept = if matches!(world.gateway.history, History::Embedded) { 5 } else { 10 };
        assert_eq!((deposits.len(), withdrawals.len()), (kept, kept));
        assert_eq!((last(deposits), last(withdrawals)), (Some(json!(tx_id(1))), Some(json!("1"))));
        // One that was open and is over now makes room for the next.
        world.ledger.feed(&[deposit(1, DepositStage::Credited, 3), deposit(1_006, DepositStage::Included, 1)]);
        let found = world.each(DEPOSITS, json!({ "status": 0, "startTime": START_MS }), "txId").await;
        assert_eq!(found, [tx_id(1_006), tx_id(500), tx_id(2)]);
    })
    .await;
}

/// A gateway that starts again knows chains and addresses, but has read no deposit and no withdrawal.
#[tokio::test]
async fn a_database_tells_them_without_their_log() {
    let Some(server) = server() else { return };
    let name = fresh(&server).await;
    let world = postgres(&server, &name, Limits::default());
    ready(&world);
    let now_us = world.gateway.now_us();
    world.ledger.feed_at(START_NS + MINUTE_NS, &[deposit(1, DepositStage::Included, 1)]);
    world.ledger.feed(&[withdrawal_told(withdrawal(1, "rent", WithdrawalStage::Held, now_us))]);
    let told = [world.ask(DEPOSITS, json!({ "startTime": START_MS })).await, world.ask(WITHDRAWALS, json!({})).await];
    assert_eq!([told[0].as_array().unwrap().len(), told[1].as_array().unwrap().len()], [1, 1]);
    drop(world);
    let world = postgres(&server, &name, Limits::default());
    ready(&world);
    world.ledger.feed(&[]);
    world.ledger.feed(&[]);
    assert_eq!(
        [world.ask(DEPOSITS, json!({ "startTime": START_MS })).await, world.ask(WITHDRAWALS, json!({})).await],
        told
    );
    // The next writer has never seen them either, and leaves what was told first.
    world.ledger.feed_at(START_NS + 9 * MINUTE_NS, &[deposit(1, DepositStage::Credited, 3)]);
    world.ledger.feed(&[withdrawal_told(withdrawal(1, "rent", WithdrawalStage::Settled, now_us))]);
    let deposit = &world.ask(DEPOSITS, json!({ "startTime": START_MS })).await[0];
    assert_eq!((&deposit["status"], &deposit["insertTime"]), (&json!(1), &json!(START_MS + 60_000)));
    assert_eq!(world.each(WITHDRAWALS, json!({}), "status").await, [6]);
}

/// Its name is taken for thirty days after its end, and memory may have forgotten it by then.
#[tokio::test]
async fn a_withdrawal_that_memory_has_forgotten_is_found_by_its_name() {
    let Some(server) = server() else { return };
    let name = fresh(&server).await;
    let world = postgres(&server, &name, Limits::default());
    ready(&world);
    let rows: Vec<Event> = (1..=1_001)
        .map(|id| withdrawal_told(withdrawal(id, &format!("w{id}"), WithdrawalStage::Settled, 1_000_000 * id)))
        .collect();
    world.ledger.feed(&rows);
    assert!(world.gateway.exchange.accounts().withdrawals().named(ALICE, client_id("w1")).is_none());
    let wanted = super::super::WithdrawalsWanted {
        asset: None,
        status: None,
        name: Some(client_id("w1")),
        ids: None,
        page: super::super::Page { from: None, start_ms: None, end_ms: None, limit: 1 },
        offset: 0,
    };
    let found = world.gateway.past_withdrawals(ALICE, &wanted).await.unwrap();
    assert_eq!(found, [withdrawal(1, "w1", WithdrawalStage::Settled, 1_000_000)]);
    assert_eq!(world.gateway.past_withdrawals(BOB, &wanted).await.unwrap(), [], "its account's alone");
}
