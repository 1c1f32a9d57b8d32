use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;

#[tokio::test]
async fn a_client_reads_frames_of_every_length_as_their_texts() {
    use futures_util::StreamExt;
    use tokio::io::AsyncWriteExt;

    let (mut server, client) = tokio::io::duplex(1 << 20);
    let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
        let frame = Frame::text(&text);
        assert_eq!((frame.as_str(), text.len()), (text.as_str(), length));
        server.write_all(&frame.into_bytes()).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text(text));
    }
}
