//! Order lists, amends of their orders, and orders that meet their own: what is told of each, however fast the rest is.

use wire::command::NewOrder;
use wire::event::{ListEnded, MatchPrevented, OrderAmended};
use wire::{PreventedMatchId, SelfTradePrevention, Timestamp};

use super::special::{OCO, drain, listing};
use super::*;

#[tokio::test]
async fn an_amend_of_one_of_a_pair_is_answered_with_the_one_that_was_named() {
    let (gateway, ledger) = gateway();
    ledger.script(listing(None));
    json(lists::oco(&gateway, alice(), params(OCO)).await);
    ledger.script(Box::new(move |request, command| {
        let Command::AmendOrder(amend) = command else { panic!("{command:?}") };
        // The one that was named, and with it the other, all before anybody can wait for it.
        let told = [(2, amend.new_client_order_id), (1, client_id("high"))].map(|(order, client_order_id)| {
            let (order, account, market) = (OrderId::new(order), ALICE, BTCUSDT);
            let (qty_before, qty, leaves) = (qty(100_000), qty(80_000), qty(80_000));
            Event::OrderAmended(OrderAmended {
                order,
                account,
                market,
                qty_before,
                qty,
                leaves,
                client_order_id,
                request,
            })
        });
        Ok((Reply::Accepted { id: 2 }, told.to_vec()))
    }));
    let text = "symbol=BTCUSDT&origClientOrderId=low&newQty=0.8&newClientOrderId=lower";
    let answer = json(amend::amend(&gateway, alice(), params(text)).await);
    let order = &answer["amendedOrder"];
    assert_eq!(
        (&order["orderId"], &order["origClientOrderId"], &order["clientOrderId"], &order["qty"]),
        (&json!(2), &json!("low"), &json!("lower"), &json!("0.80000000"))
    );
}

const OTO: &str = "symbol=BTCUSDT&workingType=LIMIT&workingSide=BUY&workingPrice=50000&workingQuantity=1\
                   &workingTimeInForce=IOC&pendingType=LIMIT&pendingSide=SELL&pendingQuantity=1&pendingPrice=60000\
                   &pendingTimeInForce=GTC";

/// A ledger whose market answers the working order of every list with these events.
fn working_meets(then: fn() -> Vec<Event>) -> Script {
    let mut begun = listing(None);
    Box::new(move |position, command| {
        let (reply, mut events) = begun(position, command)?;
        events.retain(|event| !matches!(event, Event::OrderResting(_)));
        events.extend(then());
        Ok((reply, events))
    })
}

#[tokio::test]
async fn a_list_whose_working_order_fills_at_once_is_answered_the_same_however_fast_the_rest_is() {
    let ended = || Event::ListEnded(ListEnded { list: ListId::new(9), account: ALICE, market: BTCUSDT });
    let answers = [
        working_meets(|| vec![executed(1, 1, 100_000, 0)]),
        working_meets(|| vec![executed(1, 1, 100_000, 0), accepted(2), resting(2, 100_000)]),
        Box::new({
            let mut filled = working_meets(|| vec![executed(1, 1, 100_000, 0)]);
            move |position: LogPosition, command: &Command| {
                let (reply, mut events) = filled(position, command)?;
                events.extend([canceled(2, 100_000, CancelCause::NotPlaced, 0), ended()]);
                Ok((reply, events))
            }
        }) as Script,
    ];
    for script in answers {
        let (gateway, ledger) = gateway();
        ledger.script(script);
        let answer = json(lists::oto(&gateway, alice(), params(OTO)).await);
        let of = |name: &str| [0, 1].map(|at| answer["orderReports"][at][name].clone());
        assert_eq!(of("status"), ["FILLED", "PENDING_NEW"], "{answer}");
        assert_eq!(of("workingTime")[1], -1);
        assert_eq!(
            (&answer["listStatusType"], &answer["listOrderStatus"]),
            (&json!("EXEC_STARTED"), &json!("EXECUTING"))
        );
    }
}

#[tokio::test]
async fn a_pending_order_that_never_worked_has_no_working_time() {
    let (gateway, ledger) = gateway();
    ledger.script(working_meets(|| {
        vec![
            canceled(1, 100_000, CancelCause::TimeInForce, 0),
            canceled(2, 100_000, CancelCause::WorkingEnded, 0),
            Event::ListEnded(ListEnded { list: ListId::new(9), account: ALICE, market: BTCUSDT }),
        ]
    }));
    let answer = json(lists::oto(&gateway, alice(), params(OTO)).await);
    let reports = &answer["orderReports"];
    assert_eq!((&reports[0]["status"], &reports[1]["status"]), (&json!("EXPIRED"), &json!("EXPIRED")));
    assert!(reports[0]["workingTime"].as_i64().unwrap() > 0);
    assert_eq!(reports[1]["workingTime"], -1);
    assert_eq!(answer["listOrderStatus"], "ALL_DONE");
}

#[tokio::test]
async fn an_order_that_ends_by_decrementing_is_told_each_trade_that_was_prevented() {
    let (gateway, ledger) = gateway();
    for maker in [1, 2] {
        ledger.feed(&[pending(maker, &buy(&format!("maker{maker}"))), accepted(maker), resting(maker, 100_000)]);
    }
    let mut user = listen(&gateway);
    let met = |number, maker, lots| {
        Event::MatchPrevented(MatchPrevented {
            market: BTCUSDT,
            prevented: PreventedMatchId::new(number),
            taker: OrderId::new(3),
            taker_account: ALICE,
            maker: OrderId::new(maker),
            maker_account: ALICE,
            group: Default::default(),
            mode: SelfTradePrevention::Decrement,
            price: price(5_000_000),
            taker_qty: qty(lots),
            maker_qty: qty(lots),
            prevented_at: Timestamp::from_nanos(START_NS),
        })
    };
    let gone = |order| canceled(order, 0, CancelCause::SelfTrade, 0);
    let taker = NewOrder { qty: qty(140_000), ..buy("taker") };
    ledger.feed(&[pending(3, &taker), accepted(3), met(1, 1, 100_000), gone(1), met(2, 2, 40_000), gone(3)]);
    let told = drain(&mut user).await;
    let of = |order: u64| -> Vec<[Value; 4]> {
        let reports = told.iter().filter(|told| told["i"] == order && told["x"] == "TRADE_PREVENTION");
        reports.map(|told| ["v", "B", "A", "X"].map(|name| told[name].clone())).collect()
    };
    assert_eq!(
        of(3),
        [
            [json!(1), json!("1.00000000"), json!("1.00000000"), json!("NEW")],
            [json!(2), json!("0.40000000"), json!("1.40000000"), json!("EXPIRED_IN_MATCH")],
        ]
    );
    assert_eq!(of(1), [[json!(1), json!("1.00000000"), json!("1.00000000"), json!("EXPIRED_IN_MATCH")]]);
    assert_eq!(of(2), [[json!(2), json!("0.40000000"), json!("0.40000000"), json!("NEW")]]);
}

#[tokio::test]
async fn a_market_order_is_told_as_new_where_it_is_matched() {
    let (gateway, ledger) = gateway();
    let mut user = listen(&gateway);
    let kind = wire::OrderKind::Market;
    let market = NewOrder { kind, time_in_force: wire::TimeInForce::Ioc, ..buy("market") };
    ledger.feed(&[pending(1, &market), accepted(1), executed(1, 5, 100_000, 0)]);
    let told = drain(&mut user).await;
    let seen: Vec<_> = told.iter().filter(|told| told["i"] == 1).map(|told| (&told["X"], &told["w"])).collect();
    assert_eq!(seen, [(&json!("NEW"), &json!(true)), (&json!("FILLED"), &json!(false))]);
}

/// A list that a trade has ended while the cancel was on its way.
#[tokio::test]
async fn a_cancel_of_a_list_that_has_just_ended_is_refused() {
    for was_canceled in [true, false] {
        let (gateway, ledger) = gateway();
        ledger.script(listing(None));
        let placed = json(lists::oto(&gateway, alice(), params(OTO)).await);
        let list = placed["orderListId"].as_u64().unwrap();
        ledger.script(Box::new(move |request, command| {
            assert!(matches!(command, Command::CancelOrderList(_)));
            let (account, market, ended) =
                (ALICE, BTCUSDT, ListEnded { list: ListId::new(list), account: ALICE, market: BTCUSDT });
            let mut events = match was_canceled {
                true => vec![
                    canceled(1, 100_000, CancelCause::Requested, request.get()),
                    canceled(2, 100_000, CancelCause::Requested, request.get()),
                ],
                false => vec![executed(1, 1, 100_000, 0), accepted(2), executed(2, 2, 100_000, 0)],
            };
            events.push(Event::ListEnded(ended));
            if !was_canceled {
                let (order, reason) = (OrderId::new(1), RejectReason::TooLateToCancel);
                events.push(Event::CancelRejected(CancelRejected { order, account, market, reason, request }));
            }
            Ok((Reply::Accepted { id: list }, events))
        }));
        let answer = lists::cancel(&gateway, alice(), params(&format!("symbol=BTCUSDT&orderListId={list}"))).await;
        match was_canceled {
            true => assert_eq!(json(answer)["listOrderStatus"], "ALL_DONE"),
            false => assert_eq!(answer.unwrap_err().code, -2011),
        }
    }
}

/// The leader of its market is lost: who waited for another amend of the order does not wait for as long again.
#[tokio::test]
async fn an_amend_that_has_waited_for_its_turn_has_what_is_left_of_its_time() {
    let (gateway, ledger) = gateway_with(Limits { order_timeout: Duration::from_millis(600), ..Limits::default() });
    json(place(&gateway, alice(), params(BUY)).await);
    ledger.script(Box::new(|_, _| Ok((Reply::Accepted { id: 1 }, Vec::new()))));
    let amend_to = |qty: &str| {
        let (gateway, text) = (Arc::clone(&gateway), format!("symbol=BTCUSDT&orderId=1&newQty={qty}"));
        tokio::spawn(async move { amend::amend(&gateway, alice(), params(&text)).await })
    };
    let first = amend_to("0.4");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = amend_to("0.3");
    for unknown in [first, second] {
        assert_eq!(unknown.await.unwrap(), Err(errors::TIMEOUT));
    }
    let given = ledger.given();
    assert!(given.len() == 3 && given[2] <= Duration::from_millis(400), "{given:?}");
}
