//! Connections whose orders end with them, armed more than once.

use super::api::{limit_order, signed, signed_by};
use super::*;

fn arm(params: Value) -> Value {
    json!({"id": "arm", "method": "session.cancelOnDisconnect", "params": signed(params)})
}

fn place(name: &str) -> Value {
    json!({"id": name, "method": "order.place", "params": signed(limit_order(name))})
}

#[tokio::test]
async fn a_connection_that_is_armed_again_keeps_its_session() {
    let server = Server::start().await;
    let mut client = server.api().await;
    let armed = ask(&mut client, arm(json!({"timeoutMs": 5_000}))).await;
    let session = armed["result"]["clientSession"].as_u64().unwrap();
    ask(&mut client, place("one")).await;
    let again = ask(&mut client, arm(json!({"timeoutMs": 1_000}))).await;
    assert_eq!(again["result"], json!({"clientSession": session, "timeoutMs": 1_000}));
    let named = ask(&mut client, arm(json!({"timeoutMs": 2_000, "clientSession": session}))).await;
    assert_eq!(named["result"], json!({"clientSession": session, "timeoutMs": 2_000}));
    ask(&mut client, place("two")).await;
    assert_eq!(*server.ledger.sessions.lock().unwrap(), [session, session]);
    let leases = server.ledger.leases.lock().unwrap().clone();
    assert!(leases.iter().all(|renew| renew.session.get() == session && renew.holder == leases[0].holder));
}

#[tokio::test]
async fn a_connection_has_one_session_and_one_account_that_is_armed() {
    let server = Server::start().await;
    let mut client = server.api().await;
    let armed = ask(&mut client, arm(json!({"timeoutMs": 1_000}))).await;
    let session = armed["result"]["clientSession"].as_u64().unwrap();
    let others = signed_by(&other_key(), json!({"timeoutMs": 1_000}));
    let others = json!({"id": "arm", "method": "session.cancelOnDisconnect", "params": others});
    for refused in [others, arm(json!({"timeoutMs": 1_000, "clientSession": session % 1_000 + 1}))] {
        let answer = ask(&mut client, refused).await;
        assert_eq!(answer["error"]["code"], -1020, "{answer}");
    }
    ask(&mut client, place("one")).await;
    assert_eq!(*server.ledger.sessions.lock().unwrap(), [session]);
    // Taken by another connection, it binds this one no longer.
    server.ledger.takes_leases.store(true, Ordering::Relaxed);
    assert_eq!(hear(&mut client).await["event"]["e"], "clientSessionTaken");
    server.ledger.takes_leases.store(false, Ordering::Relaxed);
    let armed = ask(&mut client, arm(json!({"timeoutMs": 1_000}))).await;
    let fresh = armed["result"]["clientSession"].as_u64().unwrap();
    assert_ne!(fresh, session, "the one that took it keeps it");
}

#[tokio::test]
async fn a_lease_that_could_not_be_opened_leaves_what_was_before() {
    let server = Server::start().await;
    let mut client = server.api().await;
    server.ledger.is_full.store(true, Ordering::Relaxed);
    assert_eq!(ask(&mut client, arm(json!({"timeoutMs": 1_000}))).await["error"]["code"], -1008);
    ask(&mut client, place("free")).await;
    server.ledger.is_full.store(false, Ordering::Relaxed);
    let armed = ask(&mut client, arm(json!({"timeoutMs": 1_000}))).await;
    let session = armed["result"]["clientSession"].as_u64().unwrap();
    server.ledger.is_full.store(true, Ordering::Relaxed);
    assert_eq!(ask(&mut client, arm(json!({"timeoutMs": 60_000}))).await["error"]["code"], -1008);
    ask(&mut client, place("armed")).await;
    assert_eq!(*server.ledger.sessions.lock().unwrap(), [0, session]);
    let before = server.ledger.leases.lock().unwrap().len();
    let reading = tokio::time::timeout(Duration::from_millis(700), hear(&mut client)).await;
    assert!(reading.is_err(), "nothing is said meanwhile");
    let leases = server.ledger.leases.lock().unwrap().clone();
    assert!(leases.len() > before && leases[before..].iter().all(|renew| renew.session.get() == session));
    assert_eq!(leases.last().unwrap().lease_ms, 1_000);
}

#[tokio::test]
async fn an_order_behind_a_lease_that_is_opening_names_its_session() {
    let server = Server::start_with(Duration::from_millis(200)).await;
    let mut client = server.api().await;
    for request in [arm(json!({"timeoutMs": 5_000})), place("one"), arm(json!({"timeoutMs": 6_000}))] {
        say(&mut client, request.to_string()).await;
    }
    let early = hear(&mut client).await;
    assert_eq!((&early["id"], &early["error"]["code"]), (&json!("arm"), &json!(-1008)), "one at a time");
    let (armed, placed) = (hear(&mut client).await, hear(&mut client).await);
    let session = armed["result"]["clientSession"].as_u64().unwrap();
    assert_eq!((&placed["status"], server.ledger.sessions.lock().unwrap().clone()), (&json!(200), vec![session]));
}
