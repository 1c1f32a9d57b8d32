use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::*;
use crate::streams::Bounds;

const MS: Duration = Duration::from_millis(1);

struct Pair {
    socket: StreamSocket<tokio::io::DuplexStream>,
    outbox: Arc<Outbox>,
    client: WebSocketStream<tokio::io::DuplexStream>,
}

async fn pair(buffer: usize) -> Pair {
    let (server, client) = tokio::io::duplex(buffer);
    let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let outbox = Arc::new(Outbox::new(Bounds::default(), false));
    Pair { socket: StreamSocket::new(server, Bytes::new(), &outbox, Patience::default()).await, outbox, client }
}

impl Pair {
    /// Writes what waits in the outbox.
    async fn write(&mut self) -> Result<(), Over> {
        let mut batch = Vec::new();
        self.outbox.take(&mut batch, usize::MAX);
        self.socket.take_up(batch.into_iter().map(Frame::into_bytes));
        self.socket.send().await
    }
}

#[tokio::test]
async fn frames_arrive_whole_and_in_order_through_a_narrow_pipe() {
    let Pair { mut socket, mut client, .. } = pair(7).await;
    let reader = tokio::spawn(async move {
        let mut heard = Vec::new();
        while let Some(Ok(message)) = client.next().await {
            match message {
                Message::Text(text) => heard.push(text.to_string()),
                Message::Close(_) => heard.push("closed".into()),
                other => panic!("{other:?}"),
            }
        }
        heard
    });
    let bytes = |text: &str| Frame::text(text).into_bytes();
    socket.take_up([bytes("one"), bytes(&"2".repeat(300)), bytes("three")]);
    socket.send().await.unwrap();
    // Given up in the middle of a frame: it is finished before anything else is said.
    let long = "4".repeat(70_000);
    socket.take_up([bytes(&long)]);
    let _ = tokio::time::timeout(MS, socket.send()).await;
    socket.close(Over::Close(CloseCode::Away, "bye"), Some("last words".into())).await;
    assert_eq!(reader.await.unwrap(), ["one", &"2".repeat(300), "three", &long, "last words", "closed"]);
}

#[tokio::test]
async fn the_answer_to_a_ping_takes_its_turn_in_the_outbox() {
    let mut pair = pair(4_096).await;
    pair.outbox.push_answer("before".into());
    pair.client.send(Message::Ping("are you there?".into())).await.unwrap();
    assert!(matches!(pair.socket.hear().await, Ok(Heard::Control)));
    pair.socket.flush().await.unwrap();
    pair.outbox.push_answer("after".into());
    pair.write().await.unwrap();
    let mut next = async || pair.client.next().await.unwrap().unwrap();
    assert_eq!(next().await, Message::text("before"));
    assert_eq!(next().await, Message::Pong("are you there?".into()));
    assert_eq!(next().await, Message::text("after"));
}

#[tokio::test]
async fn a_client_that_closes_gets_what_waited_for_it_and_a_farewell() {
    let mut pair = pair(4_096).await;
    pair.outbox.push_answer("one".into());
    pair.client.send(Message::Close(None)).await.unwrap();
    assert_eq!(pair.socket.hear().await.unwrap_err(), Over::Closed);
    pair.socket.close(Over::Closed, None).await;
    assert_eq!(pair.client.next().await.unwrap().unwrap(), Message::text("one"));
    assert!(matches!(pair.client.next().await, Some(Ok(Message::Close(_)))));
}
