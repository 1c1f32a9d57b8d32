//! In the split layout: orders that are answered by their market's word, what reads say of them, and what clients do next.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinHandle;
use wire::Side;
use wire::command::NewOrder;
use wire::event::OrderAmended;

use super::*;
use crate::operations;

const ONE: i64 = 100_000;

fn patient(outcome_wait_ms: u64) -> Limits {
    Limits { outcome_wait: Duration::from_millis(outcome_wait_ms), ..Limits::default() }
}

/// A ledger that sends every order off and says nothing of it; Alice's order 1 is decided, and answered.
async fn acknowledged(limits: Limits) -> (Arc<Gateway>, Arc<FakeLedger>) {
    let (gateway, ledger) = split_gateway_with(limits);
    let mut last = 0;
    ledger.script(Box::new(move |_, command| {
        let Command::NewOrder(new) = command else { return Ok((Reply::Accepted { id: 1 }, Vec::new())) };
        last += 1;
        Ok((Reply::Accepted { id: last }, vec![pending(last, new)]))
    }));
    let placing = ask(&gateway, "POST", "/api/v3/order", &format!("{BUY}&newClientOrderId=mine"));
    soon().await;
    assert!(!placing.is_finished(), "the market has not spoken");
    tell_apart(&gateway, &[shown(1, Side::Buy, 5_000_000, ONE)]);
    let answer = json(placing.await.unwrap());
    assert_eq!((&answer["status"], &answer["orderId"]), (&json!("NEW"), &json!(1)));
    (gateway, ledger)
}

pub(super) fn ask(gateway: &Arc<Gateway>, verb: &'static str, path: &'static str, text: &str) -> JoinHandle<Answer> {
    let operation = operations::find(path).iter().find(|operation| operation.rest.0.as_str() == verb);
    let (operation, gateway, params) = (*operation.unwrap(), Arc::clone(gateway), params(text));
    tokio::spawn(async move { operations::execute(&gateway, operation, PEER, Some(alice()), params).await.answer })
}

pub(super) async fn soon() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// Every read that shows orders.
const READS: [(&str, &str); 5] = [
    ("/api/v3/order", "symbol=BTCUSDT&orderId=1"),
    ("/api/v3/order", "symbol=BTCUSDT&origClientOrderId=mine"),
    ("/api/v3/openOrders", ""),
    ("/api/v3/openOrders", "symbol=BTCUSDT"),
    ("/api/v3/allOrders", "symbol=BTCUSDT"),
];

#[tokio::test]
async fn a_read_of_an_order_that_its_market_has_decided_waits_for_the_ledger() {
    for (path, text) in READS {
        let (gateway, ledger) = acknowledged(patient(5_000)).await;
        let reading = ask(&gateway, "GET", path, text);
        soon().await;
        assert!(!reading.is_finished(), "{path} {text} tells what was told otherwise");
        // What else the ledger tells ends no wait.
        ledger.feed(&[balance(ALICE, BTC, 1, 0)]);
        soon().await;
        assert!(!reading.is_finished(), "{path} {text}");
        ledger.feed(&[accepted(1), resting(1, ONE)]);
        let told = json(reading.await.unwrap());
        let order = if told.is_array() { &told[0] } else { &told };
        assert_eq!((&order["status"], &order["workingTime"]), (&json!("NEW"), &order["time"]), "{path} {text}");
    }
}

#[tokio::test]
async fn a_read_waits_no_longer_than_it_is_told_to() {
    for (path, text) in READS {
        let (gateway, _) = acknowledged(patient(50)).await;
        let began = std::time::Instant::now();
        let told = json(ask(&gateway, "GET", path, text).await.unwrap());
        let order = if told.is_array() { &told[0] } else { &told };
        assert_eq!(order["status"], "PENDING_NEW", "{path} {text}");
        assert!(began.elapsed() >= Duration::from_millis(50), "{path} {text}");
    }
}

#[tokio::test]
async fn a_read_waits_for_none_that_it_does_not_show_or_that_came_later() {
    let (gateway, ledger) = acknowledged(patient(5_000)).await;
    let new = |name: &str| NewOrder { client_order_id: client_id(name), ..buy(name) };
    ledger.feed(&[accepted(1), resting(1, ONE), pending(2, &new("other"))]);
    let mine = json(ask(&gateway, "GET", "/api/v3/order", "symbol=BTCUSDT&orderId=1").await.unwrap());
    assert_eq!(mine["status"], "NEW");
    let from = json(ask(&gateway, "GET", "/api/v3/allOrders", "symbol=BTCUSDT&orderId=3").await.unwrap());
    assert_eq!(from, json!([]));
    // No stop is ever answered by its market.
    let stop = NewOrder { kind: wire::OrderKind::StopLossLimit, ..new("stop") };
    ledger.feed(&[accepted(2), resting(2, ONE), pending(3, &stop)]);
    let open = json(ask(&gateway, "GET", "/api/v3/openOrders", "").await.unwrap());
    assert_eq!([&open[1]["status"], &open[2]["status"]], ["NEW", "PENDING_NEW"]);
    ledger.feed(&[pending(4, &new("asked-for"))]);
    let reading = ask(&gateway, "GET", "/api/v3/openOrders", "");
    soon().await;
    ledger.feed(&[pending(5, &new("later"))]);
    ledger.feed(&[accepted(4), resting(4, ONE)]);
    assert_eq!(json(reading.await.unwrap()).as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn an_acknowledged_order_can_be_canceled_before_the_ledger_has_told_of_it() {
    for text in ["symbol=BTCUSDT&orderId=1", "symbol=BTCUSDT&origClientOrderId=mine"] {
        let (gateway, ledger) = acknowledged(patient(5_000)).await;
        let canceling = ask(&gateway, "DELETE", "/api/v3/order", text);
        soon().await;
        let request = gateway.exchange.seen(LEDGER).get();
        ledger.feed(&[accepted(1), resting(1, ONE), canceled(1, ONE, CancelCause::Requested, request)]);
        let told = json(canceling.await.unwrap());
        assert_eq!((&told["status"], &told["origClientOrderId"]), (&json!("CANCELED"), &json!("mine")), "{text}");
    }
}

#[tokio::test]
async fn an_acknowledged_order_can_be_amended_before_the_ledger_has_told_of_it() {
    let (gateway, ledger) = acknowledged(patient(5_000)).await;
    let by_name = "symbol=BTCUSDT&origClientOrderId=mine&newQty=0.4";
    let path = "/api/v3/order/amend/keepPriority";
    let more = ask(&gateway, "PUT", path, &by_name.replace("0.4", "1.4")).await.unwrap();
    assert_eq!(more, Err(errors::AMEND_UPWARDS), "its quantity is known");
    let amending = ask(&gateway, "PUT", path, by_name);
    soon().await;
    let amended = OrderAmended {
        order: OrderId::new(1),
        account: ALICE,
        market: BTCUSDT,
        qty_before: qty(ONE),
        qty: qty(40_000),
        leaves: qty(40_000),
        client_order_id: client_id("mine"),
        request: gateway.exchange.seen(LEDGER),
    };
    ledger.feed(&[accepted(1), resting(1, ONE), Event::OrderAmended(amended)]);
    let told = json(amending.await.unwrap());
    assert_eq!((&told["amendedOrder"]["status"], &told["amendedOrder"]["qty"]), (&json!("NEW"), &json!("0.40000000")));
}

#[tokio::test]
async fn an_acknowledged_order_can_be_replaced_before_the_ledger_has_told_of_it() {
    let (gateway, ledger) = acknowledged(patient(5_000)).await;
    ledger.script(Box::new(|_, command| {
        let Command::ReplaceOrder(replace) = command else { unreachable!("a replace was asked for") };
        Ok((Reply::Accepted { id: 2 }, vec![pending(2, &replace.order)]))
    }));
    let text = format!("{BUY}&cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId=1");
    let replacing = ask(&gateway, "POST", "/api/v3/order/cancelReplace", &text);
    soon().await;
    // The new one rests, but what became of the old one is the ledger's to tell.
    tell_apart(&gateway, &[shown(1, Side::Buy, 5_000_000, 0), shown(2, Side::Buy, 5_000_000, ONE)]);
    soon().await;
    assert!(!replacing.is_finished());
    let request = gateway.exchange.seen(LEDGER).get();
    ledger.feed(&[accepted(1), resting(1, ONE)]);
    ledger.feed(&[canceled(1, ONE, CancelCause::Requested, request)]);
    let told = json(replacing.await.unwrap());
    let statuses = (&told["cancelResponse"]["status"], &told["newOrderResponse"]["status"]);
    assert_eq!(statuses, (&json!("CANCELED"), &json!("NEW")), "{told}");
}

#[tokio::test]
async fn who_repeats_a_decided_order_is_told_of_it_at_once() {
    let (gateway, ledger) = acknowledged(patient(5_000)).await;
    ledger.script(Box::new(|_, _| {
        Ok((Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id: 1 }, Vec::new()))
    }));
    let again = format!("{BUY}&newClientOrderId=mine&identicalRetry=true");
    let told = json(ask(&gateway, "POST", "/api/v3/order", &again).await.unwrap());
    assert_eq!((&told["orderId"], &told["status"]), (&json!(1), &json!("NEW")));
}

/// As [`acknowledged`], of an order that has asked for no more than to be taken, and has traded.
async fn taken(limits: Limits, kind: &str) -> (Arc<Gateway>, Arc<FakeLedger>) {
    let (gateway, ledger) = split_gateway_with(limits);
    ledger.script(Box::new(move |_, command| {
        let Command::NewOrder(new) = command else { unreachable!("an order was asked for") };
        Ok((Reply::Accepted { id: 1 }, vec![pending(1, new)]))
    }));
    let text = format!("symbol=BTCUSDT&side=BUY&quantity=1&{kind}&newOrderRespType=ACK");
    let placing = ask(&gateway, "POST", "/api/v3/order", &text);
    soon().await;
    assert!(!placing.is_finished(), "the market has not spoken");
    tell_apart(&gateway, &[traded(1, ONE)]);
    let answer = json(placing.await.unwrap());
    assert_eq!((&answer["orderId"], answer.get("status")), (&json!(1), None));
    (gateway, ledger)
}

fn traded(taker: u64, lots: i64) -> Event {
    Event::Traded(wire::event::Traded {
        market: BTCUSDT,
        trade: wire::TradeId::new(1),
        price: price(5_000_000),
        qty: qty(lots),
        taker_side: Side::Buy,
        taker: OrderId::new(taker),
        maker: OrderId::new(900),
        sequence: wire::BookSequence::ZERO,
        is_auction: false,
    })
}

const LIMIT: &str = "type=LIMIT&timeInForce=IOC&price=50000";

#[tokio::test]
async fn who_asks_for_no_more_is_answered_when_the_market_has_taken_the_order() {
    for kind in ["type=LIMIT&timeInForce=GTC&price=50000", LIMIT, "type=LIMIT&timeInForce=FOK&price=50000"] {
        taken(patient(5_000), kind).await;
    }
}

#[tokio::test]
async fn what_an_order_that_was_taken_has_brought_is_in_every_read() {
    let reads = [
        ("GET", "/api/v3/account", ""),
        ("GET", "/api/v3/myTrades", "symbol=BTCUSDT"),
        ("GET", "/api/v3/order", "symbol=BTCUSDT&orderId=1"),
        ("GET", "/sapi/v1/capital/config/getall", ""),
        ("POST", "/sapi/v3/asset/getUserAsset", ""),
    ];
    for (verb, path, text) in reads {
        let (gateway, ledger) = taken(patient(5_000), LIMIT).await;
        let reading = ask(&gateway, verb, path, text);
        soon().await;
        assert!(!reading.is_finished(), "{path} tells what was before the trade");
        ledger.feed(&[accepted(1), executed(1, 2, 40_000, ONE - 40_000)]);
        soon().await;
        assert!(!reading.is_finished(), "{path} tells a part of what was traded");
        ledger.feed(&[executed(1, 3, ONE - 40_000, 0), balance(ALICE, BTC, 9_999_990_000, 0)]);
        let told = reading.await.unwrap().unwrap();
        assert!(["0.999999", "FILLED", "\"id\":3"].iter().any(|news| told.contains(news)), "{path}: {told}");
    }
}

/// A ledger that has no funds for the first order that it is asked for, and counts them.
fn poor(asked: &Arc<AtomicUsize>) -> Script {
    let asked = Arc::clone(asked);
    Box::new(move |_, command| {
        let Command::NewOrder(new) = command else { unreachable!("an order was asked for") };
        let reply = Reply::Rejected { reason: RejectReason::InsufficientBalance, id: 0 };
        Ok(match asked.fetch_add(1, Ordering::SeqCst) {
            0 => (reply, Vec::new()),
            _ => (Reply::Accepted { id: 2 }, vec![pending(2, new), accepted(2), resting(2, ONE)]),
        })
    })
}

const SELL: &str = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=60000";

#[tokio::test]
async fn what_an_order_that_was_taken_brings_may_be_spent_with_the_next_message() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (gateway, ledger) = taken(patient(5_000), LIMIT).await;
    ledger.script(poor(&asked));
    let spending = ask(&gateway, "POST", "/api/v3/order", SELL);
    soon().await;
    assert_eq!(asked.load(Ordering::SeqCst), 0, "the trade is on its way");
    // One of many trades may come alone.
    ledger.feed(&[accepted(1), executed(1, 1, 40_000, ONE - 40_000)]);
    soon().await;
    assert_eq!(asked.load(Ordering::SeqCst), 0, "and what it has brought is not all there");
    ledger.feed(&[executed(1, 2, ONE - 40_000, 0), balance(ALICE, BTC, 9_999_990_000, 0)]);
    spending.await.unwrap().unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_gateway_that_has_not_heard_of_the_market_learns_by_the_refusal() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (gateway, ledger) = split_gateway_with(patient(5_000));
    ledger.feed(&[pending(1, &buy("elsewhere"))]);
    ledger.script(poor(&asked));
    let spending = ask(&gateway, "POST", "/api/v3/order", SELL);
    soon().await;
    assert!(!spending.is_finished() && asked.load(Ordering::SeqCst) == 1, "what was bought is on its way");
    ledger.feed(&[accepted(1), executed(1, 1, ONE, 0), balance(ALICE, BTC, 9_999_990_000, 0)]);
    assert_eq!(json(spending.await.unwrap())["status"], "NEW");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn who_has_no_funds_is_told_so_when_nothing_on_its_way_has_arrived() {
    let refused = |answer: Answer| answer.unwrap_err().code;
    let asked = Arc::new(AtomicUsize::new(0));
    // Nothing is on its way: what arrived before it was refused changes nothing.
    let (gateway, ledger) = taken(patient(5_000), LIMIT).await;
    ledger.feed(&[accepted(1), executed(1, 1, ONE, 0)]);
    ledger.script(poor(&asked));
    assert_eq!(refused(ask(&gateway, "POST", "/api/v3/order", SELL).await.unwrap()), -2010);
    assert_eq!(asked.swap(0, Ordering::SeqCst), 1);
    // What is on its way does not arrive in time.
    let (gateway, ledger) = taken(patient(50), LIMIT).await;
    ledger.script(poor(&asked));
    assert_eq!(refused(ask(&gateway, "POST", "/api/v3/order", SELL).await.unwrap()), -2010);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
