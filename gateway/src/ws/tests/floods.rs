//! Clients that ask more than they may: what they are told still, and how it ends.

use super::api::{limit_order, signed};
use super::*;

#[tokio::test]
async fn a_flood_of_requests_is_cut_off() {
    let server = Server::start().await;
    let mut client = server.connect("/ws").await;
    for id in 0..200 {
        // The server closes before the last one.
        let _ = client.send(Message::text(format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#))).await;
    }
    assert_eq!(until_closed(&mut client).await.1, Some(CloseCode::Policy));
}

#[tokio::test]
async fn what_was_asked_within_the_limit_is_answered_before_a_flood_is_cut_off() {
    let server = Server::start().await;
    let mut client = server.connect("/ws").await;
    for id in 0..80 {
        let asked = format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#);
        client.feed(Message::text(asked)).await.unwrap();
    }
    client.flush().await.unwrap();
    for id in 0..60 {
        assert_eq!(hear(&mut client).await, json!({"result": [], "id": id}));
    }
    assert_eq!(until_closed(&mut client).await.1, Some(CloseCode::Policy));
}

/// Orders that are under way are executed all the same: who is not told of them does not know what it has.
#[tokio::test]
async fn what_is_under_way_is_answered_before_a_client_that_sends_what_it_may_not_is_closed() {
    let not_utf8 = || Message::Frame(Frame::message(&b"\xff"[..], OpCode::Data(Data::Text), true));
    let faults: [(Vec<Message>, CloseCode); 3] = [
        (vec![Message::Ping("x".into()); 400], CloseCode::Policy),
        (vec![Message::text("x".repeat(70_000))], CloseCode::Size),
        (vec![not_utf8()], CloseCode::Invalid),
    ];
    for (fault, code) in faults {
        let server = Server::start_with(Duration::from_millis(300)).await;
        let mut client = server.api().await;
        say(&mut client, json!({"id": 1, "method": "order.place", "params": signed(limit_order("mine"))}).to_string())
            .await;
        for message in fault {
            client.feed(message).await.unwrap();
        }
        client.flush().await.unwrap();
        let (answer, ended) = until_closed(&mut client).await;
        let answer = answer.expect("an answer");
        assert_eq!((&answer["id"], &answer["status"], ended), (&json!(1), &json!(200), Some(code)), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_does_not_wait_for_another_one_of_a_connection_that_is_over() {
    let server = Server::start_with(Duration::from_secs(3)).await;
    let mut client = server.api().await;
    say(&mut client, json!({"id": 1, "method": "order.place", "params": signed(limit_order("slow"))}).to_string())
        .await;
    let begun = std::time::Instant::now();
    // Answered at once, before the connection is over; flushed with it.
    client.feed(Message::text(json!({"id": 2, "method": "ping"}).to_string())).await.unwrap();
    for _ in 0..400 {
        client.feed(Message::Ping("x".into())).await.unwrap();
    }
    client.flush().await.unwrap();
    assert_eq!(hear(&mut client).await["id"], 2);
    assert!(begun.elapsed() < Duration::from_secs(2), "it waited for the order");
    assert_eq!(hear(&mut client).await["id"], 1);
    assert_eq!(until_closed(&mut client).await.1, Some(CloseCode::Policy));
}

/// A client that goes by the specification takes what comes behind a close frame for an error.
#[tokio::test]
async fn nothing_follows_the_close_frame_of_a_client_that_floods_pings() {
    for (path, pings) in [("/ws", 70), ("/ws-api/v3", 310)] {
        let server = Server::start().await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let ping = [0x89, 0x82, 0, 0, 0, 0, b'h', b'i'];
        let close = [0x88, 0x80, 0, 0, 0, 0];
        let mut sent = head.into_bytes();
        (0..pings).for_each(|_| sent.extend(ping));
        sent.extend(close);
        stream.write_all(&sent).await.unwrap();
        let mut heard = Vec::new();
        let _ = within(stream.read_to_end(&mut heard)).await;
        let body = heard.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
        let mut frames = &heard[body..];
        let mut kinds = Vec::new();
        while let [kind, length, rest @ ..] = frames {
            kinds.push(*kind);
            frames = &rest[usize::from(*length)..];
        }
        assert_eq!(kinds.pop(), Some(0x88), "{path}: {kinds:x?}");
        assert!(kinds.iter().all(|kind| *kind == 0x8a) && !kinds.is_empty(), "{path}: {kinds:x?}");
    }
}
