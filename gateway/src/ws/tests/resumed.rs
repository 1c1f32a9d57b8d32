//! User streams that go on after a number: of this life of the exchange, of another one, or told by a faster gateway.

use super::*;

fn subscribe(params: Value) -> Value {
    json!({"id": 1, "method": "userDataStream.subscribe.signature", "params": api::signed(params)})
}

fn listen_key(server: &Server) -> String {
    let accounts = server.gateway.exchange.accounts();
    accounts.listen_key_of(&ApiKeyText::new(key().as_bytes()).unwrap()).unwrap().to_owned()
}

/// The code by which a path is refused.
async fn refusal(server: &Server, path: &str) -> i64 {
    use tokio_tungstenite::tungstenite::Error;
    match connect_async(format!("ws://{}{path}", server.address)).await.unwrap_err() {
        Error::Http(answer) => {
            assert_eq!(answer.status(), 400, "{path}");
            let body: Value = serde_json::from_slice(answer.body().as_ref().unwrap()).unwrap();
            body["code"].as_i64().unwrap()
        }
        error => panic!("{path}: {error}"),
    }
}

#[tokio::test]
async fn a_number_that_was_never_told_is_refused() {
    let server = Server::start().await;
    server.ledger.apply(&[balance(9_999)]);
    let mut client = server.api().await;
    let answer = ask(&mut client, subscribe(json!({"afterSequence": 99_999_999}))).await;
    assert_eq!((&answer["status"], &answer["error"]["code"]), (&json!(400), &json!(-2037)), "{answer}");
    let listed = ask(&mut client, json!({"id": 2, "method": "session.subscriptions"})).await;
    assert_eq!(listed["result"], json!([]), "and nothing is subscribed");
    let listen_key = listen_key(&server);
    assert_eq!(refusal(&server, &format!("/ws/{listen_key}?afterSequence=99999999")).await, -2037);
    assert_eq!(refusal(&server, &format!("/stream?streams={listen_key}&afterSequence=99999999")).await, -2037);

    let last = server.gateway.exchange.accounts().last_user_event(AccountId::new(1));
    assert_eq!(ask(&mut client, subscribe(json!({"afterSequence": last}))).await["result"]["sequence"], last);
    let mut other = server.connect(&format!("/ws/{listen_key}?afterSequence={last}")).await;
    assert_eq!(hear(&mut other).await, json!({"sequence": last, "life": 1}));
    server.ledger.apply(&[balance(9_998)]);
    assert_eq!(hear(&mut client).await["sequence"], last + 1);
    assert_eq!(hear(&mut other).await["sequence"], last + 1);
}

#[tokio::test]
async fn a_number_of_another_life_is_refused_to_who_says_so() {
    let server = Server::start().await;
    server.ledger.apply(&[balance(9_999)]);
    let last = server.gateway.exchange.accounts().last_user_event(AccountId::new(1));
    let mut client = server.api().await;
    for (params, code) in [
        (json!({"afterSequence": last, "life": 2}), -2037),
        (json!({"afterSequence": last, "life": "x"}), -1100),
        (json!({"life": 1}), -1128),
    ] {
        assert_eq!(ask(&mut client, subscribe(params)).await["error"]["code"], code);
    }
    let listen_key = listen_key(&server);
    let path = format!("/ws/{listen_key}?afterSequence={last}");
    assert_eq!(refusal(&server, &format!("{path}&life=2")).await, -2037);
    let answer = ask(&mut client, subscribe(json!({"afterSequence": last, "life": 1}))).await;
    assert_eq!(answer["result"], json!({"subscriptionId": 0, "sequence": last, "life": 1}));
    let mut other = server.connect(&format!("{path}&life=1")).await;
    assert_eq!(hear(&mut other).await, json!({"sequence": last, "life": 1}));
}

#[tokio::test]
async fn a_number_that_another_gateway_has_told_first_is_waited_for() {
    let server = Server::start().await;
    let account = AccountId::new(1);
    let next = server.gateway.exchange.accounts().last_user_event(account) + 1;
    // The log is further than this gateway has read.
    let position = LogPosition::new(server.ledger.position.fetch_add(1, Ordering::SeqCst) + 1);
    let late = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = Timestamp::from_nanos((START_MS + position.get()) * 1_000_000);
        server.gateway.exchange.apply(LEDGER, position, now, &[balance(9_999)]);
    };
    let mut client = server.api().await;
    let path = format!("/ws/{}?afterSequence={next}", listen_key(&server));
    let (answer, mut other, ()) =
        tokio::join!(ask(&mut client, subscribe(json!({"afterSequence": next}))), server.connect(&path), late);
    assert_eq!((&answer["status"], &answer["result"]["sequence"]), (&json!(200), &json!(next)), "{answer}");
    assert_eq!(hear(&mut other).await["sequence"], next);
    server.ledger.apply(&[balance(9_998)]);
    assert_eq!(hear(&mut client).await["sequence"], next + 1);
    assert_eq!(hear(&mut other).await["sequence"], next + 1);
}

/// Nothing is waited for, and the log is not asked how far it is, before the signature is looked at.
#[tokio::test]
async fn a_signature_is_looked_at_before_anything_is_waited_for() {
    let server = Server::start().await;
    let next = server.gateway.exchange.accounts().last_user_event(AccountId::new(1)) + 1;
    // The log is further than this gateway has read, and it reads no more.
    server.ledger.position.fetch_add(1, Ordering::SeqCst);
    let mut client = server.api().await;
    let mut forged = subscribe(json!({"afterSequence": next}));
    forged["params"]["signature"] = json!("0".repeat(64));
    let answer = tokio::time::timeout(Duration::from_secs(2), ask(&mut client, forged)).await.expect("at once");
    assert_eq!((&answer["status"], &answer["error"]["code"]), (&json!(400), &json!(-1022)), "{answer}");
}

/// Who goes on after an event is who asked for it, whoever logs on while the gateway reads up to there.
#[tokio::test]
async fn a_log_on_of_somebody_else_changes_nothing_of_a_request_that_waits() {
    let server = Server::start().await;
    let account = AccountId::new(1);
    let next = server.gateway.exchange.accounts().last_user_event(account) + 1;
    let mut client = server.api().await;
    let log_on = |id: u64, key: &str| {
        json!({"id": id, "method": "session.logon", "params": api::signed_by(key, json!({}))}).to_string()
    };
    say(&mut client, log_on(1, &key())).await;
    assert_eq!(hear(&mut client).await["result"]["apiKey"], key());
    // The log is further than this gateway has read.
    let position = LogPosition::new(server.ledger.position.fetch_add(1, Ordering::SeqCst) + 1);
    let subscribe = json!({"id": 2, "method": "userDataStream.subscribe", "params": {"afterSequence": next}});
    say(&mut client, subscribe.to_string()).await;
    say(&mut client, log_on(3, &other_key())).await;
    assert_eq!(hear(&mut client).await["result"]["apiKey"], other_key(), "the subscription waits");
    let now = Timestamp::from_nanos((START_MS + position.get()) * 1_000_000);
    server.gateway.exchange.apply(LEDGER, position, now, &[balance(9_999)]);
    let answer = hear(&mut client).await;
    assert_eq!((&answer["id"], &answer["result"]["sequence"]), (&json!(2), &json!(next)), "{answer}");
    server.ledger.apply(&[balance(9_998)]);
    assert_eq!(hear(&mut client).await["sequence"], next + 1, "of the account that asked");
}

/// A log-out ends what the session has subscribed to, and what it is about to.
#[tokio::test]
async fn a_log_out_ends_a_subscription_that_waits() {
    let server = Server::start().await;
    let next = server.gateway.exchange.accounts().last_user_event(AccountId::new(1)) + 1;
    let mut client = server.api().await;
    let log_on = json!({"id": 1, "method": "session.logon", "params": api::signed(json!({}))});
    assert_eq!(ask(&mut client, log_on.clone()).await["status"], 200);
    let position = LogPosition::new(server.ledger.position.fetch_add(1, Ordering::SeqCst) + 1);
    let subscribe = json!({"id": 2, "method": "userDataStream.subscribe", "params": {"afterSequence": next}});
    say(&mut client, subscribe.to_string()).await;
    assert_eq!(ask(&mut client, json!({"id": 3, "method": "session.logout"})).await["id"], 3);
    assert_eq!(ask(&mut client, log_on).await["id"], 1);
    let now = Timestamp::from_nanos((START_MS + position.get()) * 1_000_000);
    server.gateway.exchange.apply(LEDGER, position, now, &[balance(9_999)]);
    let answer = hear(&mut client).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(2), &json!(-2015)), "{answer}");
    let listed = ask(&mut client, json!({"id": 4, "method": "session.subscriptions"})).await;
    assert_eq!(listed["result"], json!([]));
}
