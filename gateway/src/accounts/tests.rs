use serde_json::{Value, json};
use wire::{CancelCause, OrderKind, Qty, RejectReason};

use super::*;
use crate::testing::*;

fn order_of(gateway: &crate::Gateway, id: u64) -> Order {
    gateway.exchange.accounts().get(ALICE).unwrap().orders.get(BTCUSDT, OrderId::new(id)).unwrap().clone()
}

fn drain(events: &mut UserEvents) -> Vec<Value> {
    let mut seen = Vec::new();
    while let Some(Some(event)) = futures_util::FutureExt::now_or_never(events.recv()) {
        seen.push(serde_json::from_str(&event.text).unwrap());
    }
    seen
}

#[test]
fn an_order_is_pending_until_its_market_has_spoken() {
    let (gateway, ledger) = gateway();
    ledger.feed(&[pending(1, &buy("a"))]);
    assert_eq!(order_of(&gateway, 1).status, OrderStatus::PendingNew);
    assert!(!order_of(&gateway, 1).is_settled);
    ledger.feed(&[accepted(1), resting(1, 100_000)]);
    assert_eq!(order_of(&gateway, 1).status, OrderStatus::New);
    ledger.feed(&[executed(1, 1, 40_000, 60_000)]);
    assert_eq!(order_of(&gateway, 1).status, OrderStatus::PartiallyFilled);
    ledger.feed(&[executed(1, 2, 60_000, 0)]);
    let order = order_of(&gateway, 1);
    assert_eq!(
        (order.status, order.executed, order.quote_executed),
        (OrderStatus::Filled, qty(100_000), amount(5_000_000_000_000))
    );
    let accounts = gateway.exchange.accounts();
    let alice = accounts.get(ALICE).unwrap();
    assert_eq!(alice.orders.open_len(), 0);
    assert_eq!(alice.fills_of(&order).len(), 2);
}

#[test]
fn the_user_stream_tells_an_orders_life_in_log_order() {
    let (gateway, ledger) = gateway();
    let mut events = listen(&gateway);
    let held = balance(ALICE, USDT, 5_000_000_000_000, 5_000_000_000_000);
    ledger.feed(&[pending(1, &buy("a")), held]);
    ledger.feed(&[
        accepted(1),
        executed(1, 7, 40_000, 60_000),
        balance(ALICE, BTC, 3_996_000_000, 0),
        resting(1, 60_000),
    ]);
    ledger.feed(&[canceled(1, 60_000, CancelCause::Requested, 9)]);
    let seen = drain(&mut events);
    let told: Vec<_> =
        seen.iter().map(|event| (event["e"].as_str().unwrap(), event["x"].as_str(), event["X"].as_str())).collect();
    assert_eq!(
        told,
        [
            ("executionReport", Some("NEW"), Some("NEW")),
            ("executionReport", Some("TRADE"), Some("PARTIALLY_FILLED")),
            ("outboundAccountPosition", None, None),
            ("executionReport", Some("CANCELED"), Some("CANCELED")),
        ]
    );
    let ms = START_NS / 1_000_000;
    assert_eq!(
        seen[2],
        json!({
            "e": "outboundAccountPosition", "E": ms, "u": ms,
            "B": [
                { "a": "USDT", "f": "50000.00000000", "l": "50000.00000000" },
                { "a": "BTC", "f": "0.39960000", "l": "0.00000000" },
            ],
        })
    );
    assert_eq!(
        seen[1],
        json!({
            "e": "executionReport", "E": ms, "s": "BTCUSDT", "c": "a", "S": "BUY", "o": "LIMIT", "f": "GTC",
            "q": "1.00000000", "p": "50000.00000000", "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "",
            "x": "TRADE", "X": "PARTIALLY_FILLED", "r": "NONE", "i": 1, "l": "0.40000000", "z": "0.40000000",
            "L": "50000.00000000", "n": "0.00040000", "N": "BTC", "T": ms, "t": 7, "I": execution_id(LogPosition::new(3), 2), "w": true,
            "m": false, "M": false, "O": ms, "Z": "20000.00000000", "Y": "20000.00000000", "Q": "0.00000000",
            "W": ms, "V": "NONE",
        })
    );
    assert_eq!((&seen[3]["C"], &seen[3]["c"], &seen[3]["t"]), (&json!("a"), &json!("cancel-9"), &json!(-1)));
}

#[test]
fn deposits_and_withdrawals_are_told_before_the_balance() {
    let (gateway, ledger) = gateway();
    let mut events = listen(&gateway);
    let credited = Event::Credited(Credited { account: ALICE, asset: BTC, amount: amount(15_000_000_000) });
    let debited = Event::Debited(Debited { account: ALICE, asset: BTC, amount: amount(1) });
    ledger.feed(&[credited, debited, balance(ALICE, BTC, 14_999_999_999, 0)]);
    let seen = drain(&mut events);
    assert_eq!((&seen[0]["e"], &seen[0]["d"]), (&json!("balanceUpdate"), &json!("1.50000000")));
    assert_eq!(seen[1]["d"], json!("-0.0000000001"));
    assert_eq!(seen[2]["B"], json!([{ "a": "BTC", "f": "1.4999999999", "l": "0.00000000" }]));
}

#[test]
fn the_fee_of_a_withdrawal_is_told_once_however_often_its_end_is() {
    use crate::testing::capital::{withdrawal, withdrawal_told};
    let (gateway, ledger) = gateway();
    let mut events = listen(&gateway);
    let at = |stage| withdrawal_told(withdrawal(1, "rent", stage, START_NS / 1_000));
    ledger.feed(&[at(wire::WithdrawalStage::Held)]);
    ledger.feed(&[at(wire::WithdrawalStage::Confirmed)]);
    for _ in 0..3 {
        // Its chain may lose its block and have it again.
        ledger.feed(&[at(wire::WithdrawalStage::Settled)]);
    }
    let told: Vec<_> = drain(&mut events).into_iter().filter(|event| event["e"] == "balanceUpdate").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["a"], &told[0]["d"]), (&json!("BTC"), &json!("-0.00100000")));
}

#[test]
fn a_leg_that_its_list_places_later_works_since_then() {
    let (gateway, ledger) = gateway();
    let mut events = listen(&gateway);
    let started = wire::event::ListStarted {
        list: wire::ListId::new(5),
        account: ALICE,
        market: BTCUSDT,
        kind: wire::ListKind::Oto,
        list_client_order_id: client_id("pair"),
        first: OrderId::new(1),
        second: OrderId::new(2),
        third: OrderId::ZERO,
    };
    ledger.feed(&[pending(1, &buy("first")), pending(2, &buy("second")), Event::ListStarted(started)]);
    ledger.feed(&[accepted(1), resting(1, 100_000)]);
    ledger.feed_at(START_NS + 60_000_000_000, &[accepted(2), resting(2, 100_000)]);
    let told = drain(&mut events);
    let news: Vec<_> = told.iter().filter(|event| event["x"] == "NEW").collect();
    let ms = START_NS / 1_000_000;
    let times = |report: &serde_json::Value| (report["O"].as_u64(), report["W"].as_u64(), report["T"].as_u64());
    assert_eq!(times(news[0]), (Some(ms), Some(ms), Some(ms)));
    assert_eq!(times(news[1]), (Some(ms), Some(ms + 60_000), Some(ms + 60_000)), "it waited for a minute");
}

#[test]
fn a_market_order_by_cost_is_filled_when_its_cost_is_spent() {
    let (gateway, ledger) = gateway();
    let mut events = listen(&gateway);
    let order = wire::command::NewOrder {
        kind: OrderKind::Market,
        time_in_force: wire::TimeInForce::Ioc,
        qty: Qty::ZERO,
        quote_qty: amount(2_000_000_000_000),
        ..buy("cost")
    };
    ledger.feed(&[pending(1, &order)]);
    let leaves = Qty::MAX.units() - 40_000;
    ledger.feed(&[accepted(1), executed(1, 1, 40_000, leaves), canceled(1, leaves, CancelCause::BudgetSpent, 0)]);
    let order = order_of(&gateway, 1);
    assert_eq!((order.status, order.shown_qty()), (OrderStatus::Filled, qty(40_000)));
    let told: Vec<_> = drain(&mut events).iter().map(|event| event["X"].clone()).collect();
    assert_eq!(told, ["NEW", "FILLED"]);
}

#[test]
fn an_order_that_found_nobody_has_expired_and_one_refused_is_rejected() {
    let (gateway, ledger) = gateway();
    let mut events = listen(&gateway);
    ledger.feed(&[pending(1, &buy("a")), pending(2, &buy("b"))]);
    ledger.feed(&[rejected(1, RejectReason::NoLiquidity), rejected(2, RejectReason::WouldTake)]);
    assert_eq!(order_of(&gateway, 1).status, OrderStatus::Expired);
    assert_eq!(order_of(&gateway, 2).status, OrderStatus::Rejected);
    let seen = drain(&mut events);
    assert_eq!((&seen[0]["x"], &seen[0]["r"]), (&json!("EXPIRED"), &json!("NONE")));
    assert_eq!((&seen[1]["x"], &seen[1]["r"]), (&json!("REJECTED"), &json!("WOULD_MATCH_IMMEDIATELY")));
}

#[test]
fn an_order_that_would_have_traded_with_its_own_account_has_expired_in_match() {
    let (gateway, ledger) = gateway();
    let mut events = listen(&gateway);
    ledger.feed(&[pending(1, &buy("a")), accepted(1), canceled(1, 100_000, CancelCause::SelfTrade, 0)]);
    assert_eq!(order_of(&gateway, 1).status, OrderStatus::ExpiredInMatch);
    let seen = drain(&mut events);
    assert_eq!((&seen[1]["x"], &seen[1]["X"]), (&json!("TRADE_PREVENTION"), &json!("EXPIRED_IN_MATCH")));
}

#[test]
fn the_latest_order_of_a_name_is_found_by_it() {
    let (gateway, ledger) = gateway();
    ledger.feed(&[pending(1, &buy("same")), rejected(1, RejectReason::WouldTake)]);
    ledger.feed(&[pending(2, &buy("same"))]);
    let accounts = gateway.exchange.accounts();
    let named = accounts.get(ALICE).unwrap().orders.named(BTCUSDT, &client_id("same")).unwrap();
    assert_eq!(named.id, OrderId::new(2));
}

#[test]
fn only_the_latest_closed_orders_and_fills_are_kept_but_every_open_order() {
    let limits = Limits { closed_orders_per_account: 3, fills_per_account: 3, ..Limits::default() };
    let (gateway, ledger) = gateway_with(limits);
    ledger.feed(&[pending(1, &buy("open")), accepted(1), resting(1, 100_000)]);
    for id in 2..10 {
        let name = format!("o{id}");
        ledger.feed(&[pending(id, &buy(&name)), accepted(id), executed(id, id, 100_000, 0)]);
    }
    let accounts = gateway.exchange.accounts();
    let alice = accounts.get(ALICE).unwrap();
    let ids: Vec<_> = alice.orders.in_market(BTCUSDT, OrderId::ZERO).map(|order| order.id.get()).collect();
    assert_eq!(ids, [1, 7, 8, 9]);
    assert_eq!(alice.orders.named(BTCUSDT, &client_id("o2")), None);
    let trades: Vec<_> = alice.fills.in_market(BTCUSDT, wire::TradeId::ZERO).map(|fill| fill.trade.get()).collect();
    assert_eq!(trades, [7, 8, 9]);
}

#[test]
fn a_subscriber_that_falls_behind_is_cut_off_and_delays_nobody() {
    let (gateway, ledger) = gateway_with(Limits { user_events_queued: 2, ..Limits::default() });
    let mut slow = listen(&gateway);
    let mut quick = listen(&gateway);
    for units in 0..4 {
        ledger.feed(&[balance(ALICE, BTC, units, 0)]);
        assert_eq!(drain(&mut quick).len(), 1);
    }
    assert_eq!(drain(&mut slow).len(), 2);
    let ended = futures_util::FutureExt::now_or_never(slow.recv());
    assert!(matches!(ended, Some(None)));
}

#[test]
fn a_secret_sealed_for_another_gateway_is_no_key_here() {
    let (gateway, ledger) = gateway();
    let text = "Sealed";
    let key = ApiKeyText::new(text.as_bytes()).unwrap();
    let secret = cluster_client::envelope::seal(&[8; 32], text, b"secret").unwrap();
    ledger.feed(&[Event::ApiKeyAdded(Box::new(ApiKeyAdded {
        account: ALICE,
        key,
        kind: wire::command::ApiKeyKind::Hmac,
        permissions: wire::command::Permissions::READ,
        secret,
        id: Default::default(),
    }))]);
    assert!(gateway.exchange.accounts().key(&key, PEER.ip).is_none());
}

#[test]
fn a_client_goes_on_after_what_it_has_seen_on_any_gateway() {
    let play = |ledger: &FakeLedger| {
        ledger.feed(&[pending(1, &buy("a")), balance(ALICE, USDT, 5, 5)]);
        ledger.feed(&[accepted(1), resting(1, 100_000)]);
        ledger.feed(&[executed(1, 1, 40_000, 60_000), balance(ALICE, BTC, 4, 0)]);
        ledger.feed(&[canceled(1, 60_000, CancelCause::Requested, 9)]);
    };
    let (here, ledger) = gateway();
    let mut live = listen(&here);
    play(&ledger);
    let mut told = Vec::new();
    while let Some(Some(event)) = futures_util::FutureExt::now_or_never(live.recv()) {
        told.push(event);
    }
    // Credits of the opening came before.
    let first = told[0].sequence;
    assert_eq!(told.iter().map(|event| event.sequence).collect::<Vec<_>>(), (first..first + 5).collect::<Vec<_>>());
    // Nobody listened there while it happened.
    let (elsewhere, ledger) = gateway();
    play(&ledger);
    let key = ApiKeyText::new(ALICE_KEY.as_bytes()).unwrap();
    let accounts = elsewhere.exchange.accounts();
    let (alice, _) = accounts.key(&key, PEER.ip).unwrap();
    for seen in 0..=told.len() {
        let after = first + seen as u64 - 1;
        let mut resumed = accounts.resume(&alice, PEER.ip, after).unwrap();
        for event in &told[seen..] {
            assert_eq!(futures_util::FutureExt::now_or_never(resumed.recv()), Some(Some(event.clone())));
        }
        assert!(futures_util::FutureExt::now_or_never(resumed.recv()).is_none());
    }
    // What has not been told is nothing to go on after: it must be read first, or was told in another life.
    for ahead in [first + 5, u64::MAX] {
        assert!(accounts.resume(&alice, PEER.ip, ahead).is_none());
    }
    drop(accounts);
    ledger.feed(&[balance(ALICE, BTC, 5, 0)]);
    let mut resumed = elsewhere.exchange.accounts().resume(&alice, PEER.ip, first + 5).unwrap();
    ledger.feed(&[balance(ALICE, BTC, 6, 0)]);
    let next = futures_util::FutureExt::now_or_never(resumed.recv()).unwrap().unwrap();
    assert_eq!(next.sequence, first + 6);
}

#[test]
fn only_the_latest_events_are_kept_of_each_account_and_of_all() {
    let limits = Limits { user_events_kept_per_account: 3, user_events_kept: 4, ..Limits::default() };
    let (gateway, ledger) = gateway_with(limits);
    let alice = gateway.exchange.accounts().key(&ApiKeyText::new(ALICE_KEY.as_bytes()).unwrap(), PEER.ip).unwrap().0;
    let start = gateway.exchange.accounts().last_user_event(ALICE);
    let kept = |after: u64| gateway.exchange.accounts().resume(&alice, PEER.ip, after).is_some();
    for units in 1..=5 {
        ledger.feed(&[balance(ALICE, BTC, units, 0)]);
    }
    assert!(kept(start + 2) && !kept(start + 1), "three are kept");
    for units in 1..=3 {
        ledger.feed(&[balance(BOB, BTC, units, 0)]);
    }
    assert!(kept(start + 4) && !kept(start + 3), "four of all, and Bob has three of them");
}

#[test]
fn a_key_that_is_revoked_is_told_nothing_that_still_waits() {
    let (gateway, ledger) = gateway();
    let key = ApiKeyText::new(ALICE_KEY.as_bytes()).unwrap();
    let mut live = listen(&gateway);
    ledger.feed(&[balance(ALICE, BTC, 1, 0), balance(ALICE, BTC, 2, 0)]);
    let mut resumed = {
        let accounts = gateway.exchange.accounts();
        let (alice, _) = accounts.key(&key, PEER.ip).unwrap();
        accounts.resume(&alice, PEER.ip, 0).unwrap()
    };
    ledger.feed(&[Event::ApiKeyRevoked(wire::event::ApiKeyRevoked { account: ALICE, key })]);
    for events in [&mut live, &mut resumed] {
        assert!(matches!(futures_util::FutureExt::now_or_never(events.recv()), Some(None)));
    }
}

#[test]
fn what_one_who_comes_back_is_told_is_written_in_parts_that_others_go_between() {
    let (gateway, ledger) = gateway();
    let first = gateway.exchange.accounts().last_user_event(ALICE);
    for units in 1..=200 {
        ledger.feed(&[balance(ALICE, BTC, units, 0)]);
    }
    let (mut parts, mut written) = (Vec::new(), Some(first));
    while let Some(upto) = written {
        written = gateway.exchange.accounts().write_user_events(ALICE, upto);
        parts.extend(written);
    }
    assert_eq!(parts, [first + 64, first + 128, first + 192]);
    for nothing in [first + 200, u64::MAX] {
        assert_eq!(gateway.exchange.accounts().write_user_events(ALICE, nothing), None);
    }
    let key = ApiKeyText::new(ALICE_KEY.as_bytes()).unwrap();
    let accounts = gateway.exchange.accounts();
    let (alice, _) = accounts.key(&key, PEER.ip).unwrap();
    let mut resumed = accounts.resume(&alice, PEER.ip, first).unwrap();
    let told = std::iter::from_fn(|| futures_util::FutureExt::now_or_never(resumed.recv()).flatten());
    assert!(told.map(|event| event.sequence).eq(first + 1..=first + 200));
}
