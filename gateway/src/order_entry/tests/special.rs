//! Orders on terms, lists, amends and replaces: what enters the log, and what clients are told.

use wire::command::{NewOrderList, NewOrderOnTerms};
use wire::event::{
    ListEnded, ListStarted, MatchPrevented, OrderAmended, OrderArmed, OrderRejected, OrderTerms, OrderTriggered,
};
use wire::{BasisPoints, ListKind, OrderKind, PreventedMatchId, SelfTradePrevention, Terms, TimeInForce, Timestamp};

use super::*;
use crate::accounts::{ListStatus, UserEvents};

fn terms(order: u64, list: u64, terms: Terms) -> Event {
    let (order, list) = (OrderId::new(order), ListId::new(list));
    Event::OrderTerms(Box::new(OrderTerms { order, account: ALICE, market: BTCUSDT, list, terms }))
}

fn armed(order: u64) -> Event {
    Event::OrderArmed(OrderArmed { order: OrderId::new(order), account: ALICE, market: BTCUSDT })
}

pub(super) async fn drain(events: &mut UserEvents) -> Vec<Value> {
    let mut all = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(20), events.recv()).await {
        all.push(serde_json::from_str(&event.text).unwrap());
    }
    all
}

#[tokio::test]
async fn a_stop_order_waits_without_being_on_the_book_and_is_told_again_when_it_works() {
    let (gateway, ledger) = gateway();
    let mut user = listen(&gateway);
    ledger.script(Box::new(|_, command| {
        let Command::NewOrderOnTerms(new) = command else { panic!("{command:?}") };
        assert_eq!(
            (new.order.kind, new.order.time_in_force, new.terms.stop_price),
            (OrderKind::StopLossLimit, TimeInForce::Gtc, Some(price(5_500_000)))
        );
        assert_eq!((new.terms.trailing_delta, new.terms.visible_qty), (BasisPoints::new(100).unwrap(), qty(50_000)));
        let events = vec![pending(1, &new.order), terms(1, 0, new.terms), accepted(1), armed(1)];
        Ok((Reply::Accepted { id: 1 }, events))
    }));
    let stop = "symbol=BTCUSDT&side=BUY&type=STOP_LOSS_LIMIT&timeInForce=GTC&quantity=1&price=56000&stopPrice=55000\
                &trailingDelta=100&icebergQty=0.5&newOrderRespType=RESULT";
    let placed = json(place(&gateway, alice(), params(stop)).await);
    assert_eq!((&placed["status"], &placed["type"]), (&json!("NEW"), &json!("STOP_LOSS_LIMIT")));
    assert_eq!(
        (&placed["stopPrice"], &placed["trailingDelta"], &placed["trailingTime"], &placed["workingTime"]),
        (&json!("55000.00000000"), &json!(100), &json!(-1), &json!(-1))
    );
    assert_eq!(placed["icebergQty"], "0.50000000");
    let told = drain(&mut user).await;
    assert_eq!((&told[0]["x"], &told[0]["w"], &told[0]["P"]), (&json!("NEW"), &json!(false), &json!("55000.00000000")));
    assert_eq!((&told[0]["d"], &told[0]["D"], &told[0]["F"]), (&json!(100), &json!(-1), &json!("0.50000000")));
    assert!(told[0].get("W").is_none());
    let at = Timestamp::from_nanos(START_NS + 5_000_000);
    let triggered = OrderTriggered { order: OrderId::new(1), account: ALICE, market: BTCUSDT, at };
    ledger.feed(&[Event::OrderTriggered(triggered), resting(1, 100_000)]);
    let told = drain(&mut user).await;
    assert_eq!((&told[0]["x"], &told[0]["w"], &told[0]["W"]), (&json!("NEW"), &json!(true), &json!(at.millis())));
}

#[tokio::test]
async fn terms_that_do_not_fit_are_refused_before_the_log() {
    let (gateway, _) = gateway();
    let base = "symbol=BTCUSDT&side=BUY&quantity=1";
    for (text, code) in [
        ("&type=STOP_LOSS", -1102),
        ("&type=STOP_LOSS&stopPrice=x", -1100),
        ("&type=STOP_LOSS&stopPrice=0", -1013),
        ("&type=STOP_LOSS&stopPrice=1&price=1", -1106),
        ("&type=STOP_LOSS&stopPrice=1&timeInForce=GTC", -1106),
        ("&type=STOP_LOSS&stopPrice=1&icebergQty=1", -1106),
        ("&type=STOP_LOSS&trailingDelta=0", -1013),
        ("&type=STOP_LOSS&trailingDelta=10000", -1013),
        ("&type=STOP_LOSS&trailingDelta=1.5", -1100),
        ("&type=STOP_LOSS&stopPrice=0.001", -1013),
        ("&type=STOP_LOSS&stopPrice=1000000.01", -1013),
        ("&type=STOP_LOSS_LIMIT&stopPrice=1&price=1", -1102),
        ("&type=STOP_LOSS_LIMIT&stopPrice=1&timeInForce=GTC", -1102),
        ("&type=TAKE_PROFIT&stopPrice=1&quoteOrderQty=5", -1106),
        ("&type=LIMIT&timeInForce=GTC&price=50000&icebergQty=2", -1013),
        ("&type=LIMIT&timeInForce=GTC&price=50000&icebergQty=x", -1100),
        ("&type=LIMIT&timeInForce=GTC&price=50000&stopPrice=1", -1106),
        ("&type=LIMIT&timeInForce=GTD&price=50000", -1102),
        ("&type=LIMIT&timeInForce=GTC&price=50000&goodTillDate=5", -1106),
        ("&type=MARKET&icebergQty=1", -1106),
    ] {
        let refused = place(&gateway, alice(), params(&format!("{base}{text}"))).await.expect_err(text);
        assert_eq!(refused.code, code, "{text}: {}", refused.message);
    }
}

#[tokio::test]
async fn an_amended_order_keeps_its_id_and_is_told_as_replaced() {
    let (gateway, ledger) = gateway();
    ledger.feed(&[pending(7, &buy("before")), accepted(7), resting(7, 100_000)]);
    let mut user = listen(&gateway);
    let change = |text: &str| params(&format!("symbol=BTCUSDT&origClientOrderId=before&newQty={text}"));
    assert_eq!(amend::amend(&gateway, alice(), change("2")).await.unwrap_err(), errors::AMEND_UPWARDS);
    assert_eq!(amend::amend(&gateway, alice(), change("1")).await.unwrap_err(), errors::AMEND_OF_NOTHING);
    ledger.script(Box::new(|position, command| {
        let Command::AmendOrder(amend) = command else { panic!("{command:?}") };
        assert_eq!((amend.client_order_id, amend.qty), (client_id("before"), qty(40_000)));
        let amended = Event::OrderAmended(OrderAmended {
            order: OrderId::new(7),
            account: ALICE,
            market: BTCUSDT,
            qty_before: qty(100_000),
            qty: qty(40_000),
            leaves: qty(40_000),
            client_order_id: amend.new_client_order_id,
            request: position,
        });
        Ok((Reply::Accepted { id: 7 }, vec![amended]))
    }));
    let text = "symbol=BTCUSDT&origClientOrderId=before&newQty=0.4&newClientOrderId=after";
    let answer = json(amend::amend(&gateway, alice(), params(text)).await);
    let order = &answer["amendedOrder"];
    assert_eq!(
        (&order["orderId"], &order["qty"], &order["origClientOrderId"], &order["clientOrderId"], &order["status"]),
        (&json!(7), &json!("0.40000000"), &json!("before"), &json!("after"), &json!("NEW"))
    );
    let told = drain(&mut user).await;
    assert_eq!(
        (&told[0]["x"], &told[0]["c"], &told[0]["C"], &told[0]["q"]),
        (&json!("REPLACED"), &json!("after"), &json!("before"), &json!("0.40000000"))
    );
    let accounts = gateway.exchange.accounts();
    let orders = &accounts.get(ALICE).unwrap().orders;
    assert!(orders.named(BTCUSDT, &client_id("before")).is_none());
    assert_eq!(orders.named(BTCUSDT, &client_id("after")).unwrap().amendments().len(), 1);
}

/// A ledger that starts every list: its working orders rest or are armed, its pending ones wait.
pub(super) fn listing(refused: Option<RejectReason>) -> Script {
    Box::new(move |_, command| {
        let Command::NewOrderList(NewOrderList { kind, list_client_order_id, legs }) = command else {
            panic!("{command:?}")
        };
        let mut events = Vec::new();
        for (id, NewOrderOnTerms { order, terms: asked }) in (1..).zip(legs) {
            events.extend([pending(id, order), terms(id, 9, *asked)]);
        }
        events.push(Event::ListStarted(ListStarted {
            list: ListId::new(9),
            account: ALICE,
            market: BTCUSDT,
            kind: *kind,
            list_client_order_id: *list_client_order_id,
            first: OrderId::new(1),
            second: OrderId::new(2),
            third: OrderId::new(if legs.len() > 2 { 3 } else { 0 }),
        }));
        let working = if *kind == ListKind::Oco { 2 } else { 1 };
        for (id, leg) in (1..=working).zip(legs) {
            match refused {
                Some(reason) => events.push(Event::OrderRejected(OrderRejected {
                    order: OrderId::new(id),
                    account: ALICE,
                    market: BTCUSDT,
                    reason,
                })),
                None => events.extend([
                    accepted(id),
                    if leg.order.kind.is_stop() { armed(id) } else { resting(id, leg.order.qty.units()) },
                ]),
            }
        }
        Ok((Reply::Accepted { id: 9 }, events))
    })
}

pub(super) const OCO: &str = "symbol=BTCUSDT&side=SELL&quantity=1&aboveType=LIMIT_MAKER&abovePrice=60000&belowType=STOP_LOSS_LIMIT\
                   &belowStopPrice=40000&belowPrice=39000&belowTimeInForce=GTC&listClientOrderId=pair&belowClientOrderId=low";

#[tokio::test]
async fn a_pair_is_answered_with_both_orders_and_told_as_a_list() {
    let (gateway, ledger) = gateway();
    ledger.script(listing(None));
    let mut user = listen(&gateway);
    let answer = json(lists::oco(&gateway, alice(), params(&format!("{OCO}&newOrderRespType=RESULT"))).await);
    assert_eq!(
        (&answer["orderListId"], &answer["contingencyType"], &answer["listStatusType"], &answer["listOrderStatus"]),
        (&json!(9), &json!("OCO"), &json!("EXEC_STARTED"), &json!("EXECUTING"))
    );
    assert_eq!((&answer["listClientOrderId"], &answer["orders"][1]["clientOrderId"]), (&json!("pair"), &json!("low")));
    let reports = answer["orderReports"].as_array().unwrap();
    assert_eq!(reports.len(), 2);
    assert_eq!(
        (&reports[1]["orderListId"], &reports[1]["stopPrice"], &reports[1]["workingTime"]),
        (&json!(9), &json!("40000.00000000"), &json!(-1))
    );
    let told = drain(&mut user).await;
    let list = told.iter().find(|event| event["e"] == "listStatus").expect("the list is told");
    assert_eq!((&list["c"], &list["L"], &list["C"]), (&json!("OCO"), &json!("EXECUTING"), &json!("pair")));
    assert!(told.iter().filter(|event| event["e"] == "executionReport").all(|event| event["g"] == 9));

    let ended = ListEnded { list: ListId::new(9), account: ALICE, market: BTCUSDT };
    ledger.script(Box::new(move |position, command| {
        let Command::CancelOrderList(_) = command else { panic!("{command:?}") };
        let gone = |id| canceled(id, 100_000, CancelCause::Requested, position.get());
        Ok((Reply::Accepted { id: 9 }, vec![gone(1), gone(2), Event::ListEnded(ended)]))
    }));
    let answer = json(lists::cancel(&gateway, alice(), params("symbol=BTCUSDT&listClientOrderId=pair")).await);
    assert_eq!(
        (&answer["listStatusType"], &answer["orderReports"][0]["status"]),
        (&json!("ALL_DONE"), &json!("CANCELED"))
    );
    let accounts = gateway.exchange.accounts();
    assert_eq!(accounts.get(ALICE).unwrap().lists.get(ListId::new(9)).unwrap().status, ListStatus::AllDone);
}

#[tokio::test]
async fn a_list_is_told_anew_when_an_order_of_it_gets_another_name() {
    let (gateway, ledger) = gateway();
    ledger.script(listing(None));
    json(lists::oco(&gateway, alice(), params(OCO)).await);
    let mut user = listen(&gateway);
    for (units, name, told_as) in [(90_000, "low", None), (80_000, "lower", Some("UPDATED"))] {
        ledger.script(Box::new(move |request, command| {
            let Command::AmendOrder(amend) = command else { panic!("{command:?}") };
            let (order, qty_before) = (OrderId::new(2), qty(units + 10_000));
            let (qty, leaves, client_order_id) = (qty(units), qty(units), amend.new_client_order_id);
            let (account, market) = (ALICE, BTCUSDT);
            let told = OrderAmended { order, account, market, qty_before, qty, leaves, client_order_id, request };
            Ok((Reply::Accepted { id: 2 }, vec![Event::OrderAmended(told)]))
        }));
        let text = format!("symbol=BTCUSDT&orderId=2&newQty=0.{}&newClientOrderId={name}", units / 10_000);
        let answer = json(amend::amend(&gateway, alice(), params(&text)).await);
        assert_eq!(answer["listStatus"]["orders"][1]["clientOrderId"], name);
        let told = drain(&mut user).await;
        let list = told.iter().find(|event| event["e"] == "listStatus");
        assert_eq!(list.and_then(|list| list["l"].as_str()), told_as);
        if let Some(list) = list {
            assert_eq!((&list["L"], &list["O"][1]["c"]), (&json!("EXECUTING"), &json!(name)));
        }
    }
}

#[tokio::test]
async fn an_amend_to_a_name_that_is_taken_is_refused_as_an_amend() {
    let (gateway, ledger) = gateway();
    ledger.feed(&[pending(7, &buy("before")), accepted(7), resting(7, 100_000)]);
    ledger.script(Box::new(|_, _| {
        Ok((Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id: 1 }, Vec::new()))
    }));
    let text = "symbol=BTCUSDT&origClientOrderId=before&newQty=0.8&newClientOrderId=taken";
    let refused = amend::amend(&gateway, alice(), params(text)).await.unwrap_err();
    assert_eq!((refused.code, &*refused.message), (-2038, "Duplicate order sent."));
}

#[tokio::test]
async fn a_list_that_triggers_a_pair_is_answered_when_its_working_order_rests() {
    let (gateway, ledger) = gateway();
    ledger.script(listing(None));
    let text = "symbol=BTCUSDT&workingType=LIMIT&workingSide=BUY&workingPrice=50000&workingQuantity=1&workingTimeInForce=GTC\
                &pendingSide=SELL&pendingQuantity=1&pendingAboveType=TAKE_PROFIT&pendingAboveStopPrice=60000\
                &pendingBelowType=STOP_LOSS&pendingBelowStopPrice=40000";
    let answer = json(lists::otoco(&gateway, alice(), params(text)).await);
    assert_eq!(answer["contingencyType"], "OTO");
    let states: Vec<_> = answer["orderReports"].as_array().unwrap().iter().map(|order| &order["status"]).collect();
    assert_eq!(states, ["NEW", "PENDING_NEW", "PENDING_NEW"]);
}

#[tokio::test]
async fn legs_that_make_no_pair_are_refused_with_what_is_wrong_with_them() {
    let (gateway, _) = gateway();
    let pair = |above: &str, below: &str, side: &str| {
        params(&format!("symbol=BTCUSDT&side={side}&quantity=1&{above}&{below}"))
    };
    let (maker_above, maker_below) =
        ("aboveType=LIMIT_MAKER&abovePrice=60000", "belowType=LIMIT_MAKER&belowPrice=40000");
    let (loss_above, loss_below) =
        ("aboveType=STOP_LOSS&aboveStopPrice=60000", "belowType=STOP_LOSS&belowStopPrice=40000");
    let (gain_above, gain_below) =
        ("aboveType=TAKE_PROFIT&aboveStopPrice=60000", "belowType=TAKE_PROFIT&belowStopPrice=40000");
    for (above, below, side, code) in [
        (maker_above, maker_below, "SELL", -1168),
        (maker_above, loss_below, "BUY", -1165),
        (loss_above, maker_below, "SELL", -1166),
        (gain_above, loss_below, "BUY", -1196),
        (loss_above, gain_below, "SELL", -1197),
        (gain_above, maker_below, "BUY", -1198),
        (maker_above, gain_below, "SELL", -1199),
        ("aboveType=MARKET", loss_below, "SELL", -1158),
        ("aboveType=LIMIT&abovePrice=60000", loss_below, "SELL", -1158),
        (maker_above, "belowType=LIMIT", "SELL", -1158),
        ("aboveType=LIMIT_MAKER", loss_below, "SELL", -1102),
        ("aboveType=LIMIT_MAKER&abovePrice=", loss_below, "SELL", -1105),
        ("aboveType=LIMIT_MAKER&abovePrice=1e5", loss_below, "SELL", -1100),
    ] {
        let refused = lists::oco(&gateway, alice(), pair(above, below, side)).await.expect_err(above);
        assert_eq!(refused.code, code, "{above} {below} {side}: {}", refused.message);
        if code == -1100 {
            assert!(refused.message.contains("'abovePrice'"), "{}", refused.message);
        }
    }
}

#[tokio::test]
async fn a_decremented_order_is_told_what_it_lost() {
    let (gateway, ledger) = gateway();
    ledger.feed(&[pending(1, &buy("maker")), accepted(1), resting(1, 100_000)]);
    let mut user = listen(&gateway);
    let prevented = MatchPrevented {
        market: BTCUSDT,
        prevented: PreventedMatchId::new(3),
        taker: OrderId::new(2),
        taker_account: ALICE,
        maker: OrderId::new(1),
        maker_account: ALICE,
        group: Default::default(),
        mode: SelfTradePrevention::Decrement,
        price: price(5_000_000),
        taker_qty: qty(40_000),
        maker_qty: qty(40_000),
        prevented_at: Timestamp::from_nanos(START_NS),
    };
    ledger.feed(&[Event::MatchPrevented(prevented)]);
    let told = drain(&mut user).await;
    assert_eq!(
        (&told[0]["x"], &told[0]["v"], &told[0]["A"], &told[0]["U"], &told[0]["pL"], &told[0]["pY"]),
        (
            &json!("TRADE_PREVENTION"),
            &json!(3),
            &json!("0.40000000"),
            &json!(2),
            &json!("50000.00000000"),
            &json!("20000.00000000")
        )
    );
}

#[tokio::test]
async fn an_answer_lists_the_trades_with_its_own_account_that_were_prevented() {
    use SelfTradePrevention::{Decrement, ExpireBoth, ExpireMaker, ExpireTaker};
    for (mode, taker, maker, group, ends) in [
        (ExpireTaker, 100_000, 0, 0, Some(CancelCause::SelfTrade)),
        (ExpireMaker, 0, 40_000, 0, None),
        (ExpireBoth, 100_000, 40_000, 7, Some(CancelCause::SelfTrade)),
        (Decrement, 40_000, 40_000, 0, None),
        (Decrement, 40_000, 40_000, 0, Some(CancelCause::TimeInForce)),
    ] {
        let (gateway, ledger) = gateway();
        ledger.feed(&[pending(1, &buy("maker")), accepted(1), resting(1, 40_000)]);
        let mut user = listen(&gateway);
        ledger.script(Box::new(move |_, command| {
            let Command::NewOrder(order) = command else { panic!("{command:?}") };
            let met = MatchPrevented {
                market: BTCUSDT,
                prevented: PreventedMatchId::new(3),
                taker: OrderId::new(2),
                taker_account: ALICE,
                maker: OrderId::new(1),
                maker_account: ALICE,
                group: wire::TradeGroupId::new(group),
                mode,
                price: price(5_000_000),
                taker_qty: qty(taker),
                maker_qty: qty(maker),
                prevented_at: Timestamp::from_nanos(START_NS),
            };
            let end = ends.map_or(resting(2, 100_000 - taker), |cause| canceled(2, 60_000, cause, 0));
            Ok((Reply::Accepted { id: 2 }, vec![pending(2, order), accepted(2), Event::MatchPrevented(met), end]))
        }));
        let mode_name = crate::names::self_trade(mode);
        let sent = format!("{BUY}&selfTradePreventionMode={mode_name}");
        let answer = json(place(&gateway, alice(), params(&sent)).await);
        let shown = &answer["preventedMatches"][0];
        assert_eq!(
            (&shown["preventedMatchId"], &shown["makerOrderId"], &shown["makerSymbol"], &shown["price"]),
            (&json!(3), &json!(1), &json!("BTCUSDT"), &json!("50000.00000000")),
            "{mode_name}: {answer}"
        );
        let lost = |qty: i64| (qty > 0).then(|| json!(format!("{}.{:08}", qty / 100_000, qty % 100_000 * 1_000)));
        assert_eq!(shown.get("takerPreventedQuantity").cloned(), lost(taker), "{mode_name}");
        assert_eq!(shown.get("makerPreventedQuantity").cloned(), lost(maker), "{mode_name}");
        assert_eq!(answer.get("preventedQuantity").cloned(), lost(taker), "{mode_name}, {ends:?}: {answer}");
        assert_eq!(answer.get("tradeGroupId"), (group > 0).then_some(&json!(group)), "{mode_name}");
        let reports = drain(&mut user).await;
        let mut numbers: Vec<_> = reports.iter().filter_map(|told| told["I"].as_u64()).collect();
        let told = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), told, "each report has a number of its own: {reports:?}");
    }
}

#[tokio::test]
async fn what_came_after_the_time_of_an_answer_has_the_order_and_its_reports() {
    let (gateway, ledger) = gateway();
    let mut user = listen(&gateway);
    let answer = json(place(&gateway, alice(), params(BUY)).await);
    // Its market takes it later than the ledger, and tells later still.
    ledger.feed(&[]);
    let told = &drain(&mut user).await[0];
    let time = &answer["transactTime"];
    assert_eq!((&told["x"], &told["T"], &told["O"], &told["W"]), (&json!("NEW"), time, time, time));
    assert_eq!(&answer["workingTime"], time);
}

#[tokio::test]
async fn errors_of_a_leg_name_what_the_client_sent() {
    let (gateway, _) = gateway();
    let formerly = "symbol=BTCUSDT&side=SELL&quantity=1&price=60000&stopPrice=40000";
    for (change, code, named) in [
        ("&stopLimitPrice=39000", -1102, "'stopLimitTimeInForce'"),
        ("&stopLimitPrice=x&stopLimitTimeInForce=GTC", -1100, "'stopLimitPrice'"),
        ("&stopIcebergQty=0.1&stopLimitPrice=39000&stopLimitTimeInForce=IOC", -1160, "'stopIcebergQty'"),
    ] {
        let refused = lists::limit_and_stop(&gateway, alice(), params(&format!("{formerly}{change}"))).await;
        let refused = refused.expect_err(change);
        assert!(refused.code == code && refused.message.contains(named), "{change}: {refused:?}");
    }
    let working =
        "symbol=BTCUSDT&workingType=LIMIT&workingSide=BUY&workingPrice=1&workingQuantity=1&workingTimeInForce=GTC";
    let market = format!("{working}&pendingType=MARKET&pendingSide=SELL");
    let refused = lists::oto(&gateway, alice(), params(&market)).await.expect_err("no quantity");
    assert!(refused.code == -1102 && refused.message.contains("'pendingQuantity'"), "{refused:?}");
    let iceberg =
        "aboveType=TAKE_PROFIT_LIMIT&aboveStopPrice=60000&abovePrice=59000&aboveTimeInForce=FOK&aboveIcebergQty=0.1";
    let pair = format!("symbol=BTCUSDT&side=SELL&quantity=1&{iceberg}&belowType=STOP_LOSS&belowStopPrice=40000");
    let refused = lists::oco(&gateway, alice(), params(&pair)).await.expect_err("an iceberg rests");
    assert_eq!(
        (refused.code, &*refused.message),
        (-1160, "Parameter 'aboveIcebergQty' is not supported if `aboveTimeInForce`/`belowTimeInForce` is not GTC.")
    );
}

#[tokio::test]
async fn an_identical_retry_is_answered_with_what_became_of_the_first_order() {
    let (gateway, ledger) = gateway();
    let text = format!("{BUY}&newClientOrderId=once");
    assert_eq!(json(place(&gateway, alice(), params(&text)).await)["orderId"], 1);
    ledger.script(Box::new(|_, _| {
        Ok((Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id: 1 }, Vec::new()))
    }));
    let refused = place(&gateway, alice(), params(&text)).await.unwrap_err();
    assert_eq!((refused.code, &*refused.message), (-2010, "Duplicate order sent."));
    let again = format!("{text}&identicalRetry=true");
    let answer = json(place(&gateway, alice(), params(&again)).await);
    assert_eq!((&answer["orderId"], &answer["status"]), (&json!(1), &json!("NEW")));
    let other = again.replace("quantity=1", "quantity=2");
    assert_eq!(place(&gateway, alice(), params(&other)).await.unwrap_err().code, -2010, "not the same order");
}

/// It was worth enough when it came, and has traded; the price has fallen since. Whether it did not pass is what its client
/// asks for, and "refused" would be read as that.
#[tokio::test]
async fn an_identical_retry_is_told_of_the_first_order_also_when_it_would_pass_no_filter_any_more() {
    let (gateway, ledger) = gateway();
    ledger.feed(&[traded(1, 5_000_000, 1_000, Side::Sell)]);
    ledger.script(Box::new(|_, command| {
        let Command::NewOrder(new) = command else { unreachable!("an order was asked for") };
        Ok((Reply::Accepted { id: 1 }, vec![pending(1, new), accepted(1), executed(1, 1, 11, 0)]))
    }));
    let text = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.00011&newClientOrderId=once";
    assert_eq!(json(place(&gateway, alice(), params(text)).await)["status"], "FILLED");
    ledger.feed(&[traded(2, 4_000_000, 1_000, Side::Sell)]);
    ledger.script(Box::new(|_, _| {
        Ok((Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id: 1 }, Vec::new()))
    }));
    assert_eq!(place(&gateway, alice(), params(text)).await.unwrap_err().code, -1013, "at 40,000 it is worth 4.4");
    let again = format!("{text}&identicalRetry=true");
    let answer = json(place(&gateway, alice(), params(&again)).await);
    assert_eq!((&answer["orderId"], &answer["status"]), (&json!(1), &json!("FILLED")));
    let closed = wire::event::MarketStatusChanged { market: BTCUSDT, status: wire::MarketStatus::Halted };
    ledger.feed(&[Event::MarketStatusChanged(closed)]);
    assert_eq!(
        json(place(&gateway, alice(), params(&again)).await)["status"],
        "FILLED",
        "nor does its market take any"
    );
    // One that never came is measured by the ledger.
    ledger.script(Box::new(|_, _| Ok((Reply::Rejected { reason: RejectReason::NotionalTooSmall, id: 0 }, Vec::new()))));
    let refused = place(&gateway, alice(), params(&again)).await.unwrap_err();
    assert_eq!((refused.code, &*refused.message), (-1013, "Filter failure: NOTIONAL"));
}
