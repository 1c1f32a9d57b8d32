use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::api::ws_api::tests::{gateway, ok};

fn order(status: &str) -> Value {
    json!({"symbol": "BTCUSDT", "orderId": 7, "clientOrderId": "mine", "status": status})
}

fn refused(request: &Value, code: i32, message: &str) -> Value {
    json!({"id": request["id"], "status": 400, "error": {"code": code, "msg": message}})
}

/// A method, and what to say to it; `None` closes the connection.
type Line = (&'static str, fn(&Value) -> Option<Value>);

/// Answers each request by the next line of `script`.
async fn scripted(script: Vec<Line>) -> WsApi {
    let script = Mutex::new(script.into_iter());
    let url = gateway(move |_, request| {
        let (method, answer) = script.lock().unwrap().next().expect("a request beyond the script");
        assert_eq!(request["method"], method);
        answer(&request).map(|answer| vec![answer])
    })
    .await;
    WsApi::connect(vec![url], None)
}

fn entry(api: &WsApi) -> Entry<'_> {
    Entry { api, symbol: "BTCUSDT", name: "mine", timeout: Duration::from_secs(5) }
}

async fn place(api: &WsApi) -> Placed {
    entry(api).place(|_| "{}".to_owned(), || false).await
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_looked_up_and_not_sent_again() {
    let api = scripted(vec![
        ("order.place", |_| None),
        ("order.status", |request| Some(ok(request, order("PENDING_NEW")))),
        ("order.status", |request| Some(ok(request, order("NEW")))),
    ])
    .await;
    let placed = place(&api).await;
    assert_eq!(placed.answer.unwrap().unwrap().order_id, 7);
    assert!(placed.retried);
}

#[tokio::test]
async fn an_order_that_never_arrived_is_sent_again_and_a_duplicate_is_the_first_one() {
    let api = scripted(vec![
        ("order.place", |request| Some(refused(request, -1007, "Timeout"))),
        ("order.status", |request| Some(refused(request, NO_SUCH_ORDER, "Order does not exist."))),
        ("order.place", |request| Some(refused(request, -2010, "Duplicate order sent."))),
        ("order.status", |request| Some(ok(request, order("FILLED")))),
    ])
    .await;
    let placed = place(&api).await;
    assert_eq!(placed.answer.unwrap().unwrap().status, "FILLED");
}

#[tokio::test]
async fn a_refusal_is_final() {
    let api =
        scripted(vec![("order.place", |request| Some(refused(request, -1013, "Filter failure: LOT_SIZE")))]).await;
    let placed = place(&api).await;
    assert_eq!(placed.answer.unwrap().unwrap_err().code(), Some(-1013));
    assert!(!placed.retried);
}

#[tokio::test]
async fn a_cancel_whose_answer_is_lost_is_settled_by_the_orders_status() {
    let api = scripted(vec![
        ("order.cancel", |_| None),
        ("order.status", |request| Some(ok(request, order("NEW")))),
        ("order.cancel", |request| Some(refused(request, -1007, "Timeout"))),
        ("order.status", |request| Some(ok(request, order("CANCELED")))),
    ])
    .await;
    assert_eq!(entry(&api).cancel().await.unwrap().status, "CANCELED");
}
