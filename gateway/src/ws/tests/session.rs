//! Which subscriptions end with a session, and what a connection may ask of it.

use super::api::{signed, signed_by};
use super::*;

async fn log_on(client: &mut Client, key: &str) {
    let params = signed_by(key, json!({}));
    let answer = ask(client, json!({"id": 1, "method": "session.logon", "params": params})).await;
    assert_eq!(answer["result"]["apiKey"], key, "{answer}");
}

async fn subscribe(client: &mut Client) -> Value {
    let answer = ask(client, json!({"id": 2, "method": "userDataStream.subscribe"})).await;
    answer["result"]["subscriptionId"].clone()
}

async fn listed(client: &mut Client) -> Value {
    ask(client, json!({"id": 3, "method": "session.subscriptions"})).await["result"].clone()
}

async fn log_out(client: &mut Client) -> Value {
    ask(client, json!({"id": 4, "method": "session.logout"})).await["result"]["userDataStream"].clone()
}

#[tokio::test]
async fn a_subscription_with_a_signature_of_its_own_outlasts_the_session_of_its_account() {
    let server = Server::start().await;
    let mut client = server.api().await;
    log_on(&mut client, &key()).await;
    let signed = json!({"id": 2, "method": "userDataStream.subscribe.signature", "params": signed(json!({}))});
    assert_eq!(ask(&mut client, signed).await["result"], json!({"subscriptionId": 0}));
    assert_eq!(log_out(&mut client).await, true);
    assert_eq!(listed(&mut client).await, json!([{"subscriptionId": 0}]), "and nothing was told between");
}

#[tokio::test]
async fn a_log_out_ends_every_subscription_of_the_session_whoever_had_logged_on() {
    let server = Server::start().await;
    let mut client = server.api().await;
    log_on(&mut client, &key()).await;
    assert_eq!(subscribe(&mut client).await, 0);
    log_on(&mut client, &other_key()).await;
    assert_eq!(subscribe(&mut client).await, 1);
    assert_eq!(listed(&mut client).await, json!([{"subscriptionId": 0}, {"subscriptionId": 1}]));
    assert_eq!(log_out(&mut client).await, false);
    for id in [0, 1] {
        let told = hear(&mut client).await;
        assert_eq!((&told["subscriptionId"], &told["event"]["e"]), (&json!(id), &json!("eventStreamTerminated")));
    }
    assert_eq!(listed(&mut client).await, json!([]));
}

#[tokio::test]
async fn who_asks_too_much_of_the_session_is_told_so_and_not_of_orders() {
    let server = Server::start().await;
    let mut client = server.api().await;
    let mut refused = None;
    for _ in 0..200 {
        let answer = ask(&mut client, json!({"id": 1, "method": "session.status"})).await;
        if answer["status"] != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a bound");
    assert_eq!((&refused["status"], &refused["error"]["code"]), (&json!(429), &json!(-1003)));
    let text = "Too many requests; current limit is 10 requests of the session per 1 SECOND.";
    assert_eq!(refused["error"]["msg"], text);
}

#[tokio::test]
async fn a_client_that_pings_without_end_is_closed_and_one_that_pings_often_is_not() {
    let server = Server::start().await;
    let mut client = server.api().await;
    for _ in 0..200 {
        client.feed(Message::Ping("x".into())).await.unwrap();
    }
    client.flush().await.unwrap();
    assert_eq!(ask(&mut client, json!({"id": 1, "method": "ping"})).await["status"], 200);
    for _ in 0..400 {
        client.feed(Message::Ping("x".into())).await.unwrap();
    }
    client.flush().await.unwrap();
    let close = loop {
        match client.next().await.expect("a close frame before the end").unwrap() {
            Message::Close(frame) => break frame.expect("with a reason"),
            Message::Pong(_) | Message::Ping(_) => {}
            other => panic!("nothing was asked: {other:?}"),
        }
    };
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Policy, "too many pings or pongs"));
}

/// What the server says at the end of a connection that began a message and goes on with `frame`.
async fn end_of_fragments(path: &str, frame: Frame, count: usize) -> (CloseCode, String) {
    let server = Server::start().await;
    let mut client = server.connect(path).await;
    client.feed(Message::Frame(Frame::message("x", OpCode::Data(Data::Text), false))).await.unwrap();
    for _ in 0..count {
        // The server closes before the last one.
        if client.feed(Message::Frame(frame.clone())).await.is_err() {
            break;
        }
    }
    let _ = client.flush().await;
    loop {
        match within(client.next()).await.expect("a close frame before the end").unwrap() {
            Message::Close(frame) => {
                let frame = frame.expect("with a reason");
                return (frame.code, frame.reason.as_str().to_owned());
            }
            Message::Pong(_) | Message::Ping(_) => {}
            other => panic!("nothing was asked: {other:?}"),
        }
    }
}

#[tokio::test]
async fn pings_within_a_message_in_fragments_count_as_others_do() {
    for (path, text) in [("/ws-api/v3", "too many pings or pongs"), ("/ws", "too many requests")] {
        let end = end_of_fragments(path, Frame::ping("x"), 400).await;
        assert_eq!(end, (CloseCode::Policy, text.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_message_in_fragments_without_end_is_cut_off() {
    for path in ["/ws-api/v3", "/ws"] {
        for rest in ["", "x"] {
            let end = end_of_fragments(path, Frame::message(rest, OpCode::Data(Data::Continue), false), 2_000).await;
            assert_eq!(end, (CloseCode::Policy, "too many fragments".to_owned()), "{path}");
        }
    }
}

#[tokio::test]
async fn a_message_in_some_fragments_is_one_message() {
    let server = Server::start().await;
    let mut client = server.api().await;
    for _ in 0..3 {
        let request = json!({"id": 1, "method": "ping"}).to_string();
        let (last, pieces) = request.as_bytes().split_last().unwrap();
        for (at, piece) in pieces.iter().enumerate() {
            let opcode = OpCode::Data(if at == 0 { Data::Text } else { Data::Continue });
            client.feed(Message::Frame(Frame::message(vec![*piece], opcode, false))).await.unwrap();
        }
        let last = Frame::message(vec![*last], OpCode::Data(Data::Continue), true);
        client.send(Message::Frame(last)).await.unwrap();
        assert_eq!(hear(&mut client).await["status"], 200);
    }
}
