use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

/// A fake gateway: hands each connection's messages to `answer`, which says what to send back, or closes
/// the connection on `None`.
pub(crate) async fn gateway(answer: impl Fn(usize, Value) -> Option<Vec<Value>> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws-api/v3", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for connection in 0.. {
            let (socket, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(socket).await.unwrap();
            'connection: while let Some(Ok(message)) = socket.next().await {
                let Message::Text(text) = message else { continue };
                match answer(connection, serde_json::from_str(&text).unwrap()) {
                    Some(answers) => {
                        for answer in answers {
                            socket.send(Message::text(answer.to_string())).await.unwrap();
                        }
                    }
                    None => break 'connection,
                }
            }
        }
    });
    url
}

pub(crate) fn ok(request: &Value, result: Value) -> Value {
    json!({"id": request["id"], "status": 200, "result": result})
}

#[tokio::test]
async fn answers_find_their_requests_in_any_order() {
    let held = std::sync::Mutex::new(Vec::new());
    let url = gateway(move |_, request| {
        let mut held = held.lock().unwrap();
        held.push(ok(&request, request["params"]["n"].clone()));
        Some(if held.len() < 3 { vec![] } else { held.drain(..).rev().collect() })
    })
    .await;
    let api = WsApi::connect(vec![url], None);
    let call = |n: u64| {
        let api = api.clone();
        async move { api.call::<u64>("echo", &format!(r#"{{"n":{n}}}"#)).await }
    };
    assert_eq!(tokio::join!(call(7), call(8), call(9)), (Ok(7), Ok(8), Ok(9)));
}

#[tokio::test]
async fn a_request_written_before_a_break_is_unanswered_and_the_next_finds_a_new_connection() {
    let url = gateway(|connection, request| (connection > 0).then(|| vec![ok(&request, json!(1))])).await;
    let api = WsApi::connect(vec!["ws://127.0.0.1:1/ws-api/v3".into(), url], None);
    let error = api.call::<u64>("order.place", "{}").await.unwrap_err();
    assert!(error.outcome_is_unknown(), "{error}");
    assert_eq!(api.call::<u64>("order.status", "{}").await, Ok(1));
}

#[tokio::test]
async fn every_connection_logs_on_before_anything_else() {
    let url = gateway(|connection, request| match request["method"].as_str() {
        Some("session.logon") => Some(vec![ok(&request, json!({"apiKey": request["params"]["apiKey"]}))]),
        _ if connection == 0 => None,
        _ => Some(vec![ok(&request, json!(connection))]),
    })
    .await;
    let api = WsApi::connect(vec![url], Some(Credentials::hmac("public", "hidden")));
    assert!(api.call::<u64>("x", "{}").await.is_err());
    assert_eq!(api.call::<u64>("x", "{}").await, Ok(1));
}

#[tokio::test]
async fn a_refused_logon_reaches_whoever_waits() {
    let url = gateway(|_, request| {
        Some(vec![json!({"id": request["id"], "status": 401, "error": {"code": -1022, "msg": "Signature"}})])
    })
    .await;
    let api = WsApi::connect(vec![url], Some(Credentials::hmac("public", "wrong")));
    let error = tokio::time::timeout(Duration::from_secs(5), api.call::<u64>("x", "{}")).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(-1022));
    assert!(!error.outcome_is_unknown());
}

#[tokio::test]
async fn a_banned_address_is_told_at_once_while_the_ban_lasts() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws-api/v3", listener.local_addr().unwrap());
    let handshakes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&handshakes);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = socket.read(&mut vec![0; 4096]).await;
            let body = r#"{"code":-1003,"msg":"IP banned."}"#;
            let head =
                format!("HTTP/1.1 418 I'm a teapot\r\nretry-after: 90\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let api = WsApi::connect(vec![url], None);
    for _ in 0..3 {
        let error =
            tokio::time::timeout(Duration::from_secs(5), api.call::<u64>("x", "{}")).await.unwrap().unwrap_err();
        assert!(error.is_limit() && error.code() == Some(-1003), "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
    }
    assert_eq!(handshakes.load(Ordering::Relaxed), 1, "a banned address that goes on is banned for longer");
}

#[tokio::test]
async fn a_refusal_for_a_limit_says_when_to_come_back() {
    let url = gateway(|_, request| {
        let data = json!({"serverTime": 5_000, "retryAfter": 8_000});
        let error = json!({"code": -1015, "msg": "Too many new orders", "data": data});
        Some(vec![json!({"id": request["id"], "status": 429, "error": error})])
    })
    .await;
    let error = WsApi::connect(vec![url], None).call::<u64>("x", "{}").await.unwrap_err();
    assert!(error.is_limit());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}
