//! One WebSocket, as both kinds of connections use it: bounded messages, pings, time-outs, and writes that
//! are flushed when there is nothing more to write.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

/// A client is pinged this often.
pub const PING_INTERVAL: Duration = Duration::from_secs(20);
/// A client that has sent nothing for this long is gone.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
/// A client that takes nothing for this long is gone.
pub const WRITE_MAX: Duration = Duration::from_secs(20);
/// The last words to a client that is being closed take no longer.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// The longest message a client may send, whole or in fragments.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Messages are flushed at the latest after so many.
const UNFLUSHED_MAX: usize = 64;

/// What a client sent.
#[derive(Debug)]
pub enum Heard {
    /// A message.
    Text(Utf8Bytes),
    /// A message that is no text.
    Binary,
    /// A ping or a pong; pings have been answered.
    Control,
}

/// The connection is over, or must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The client has closed it, or it broke.
    Closed,
    /// The client must be told why.
    Close(CloseCode, &'static str),
}

/// A WebSocket over `S`.
pub struct Socket<S> {
    ws: WebSocketStream<S>,
    heard_at: Instant,
    unflushed: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// After the handshake.
    pub async fn new(io: S) -> Socket<S> {
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(32 * 1024)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let ws = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        Socket { ws, heard_at: Instant::now(), unflushed: 0 }
    }

    /// The next thing the client sends. Nothing is lost when the future is dropped.
    pub async fn hear(&mut self) -> Result<Heard, Over> {
        let message = match self.ws.next().await {
            Some(Ok(message)) => message,
            Some(Err(Error::Capacity(_))) => return Err(Over::Close(CloseCode::Size, "message too long")),
            Some(Err(Error::Utf8(_))) => return Err(Over::Close(CloseCode::Invalid, "text is not UTF-8")),
            Some(Err(Error::Protocol(_))) => return Err(Over::Close(CloseCode::Protocol, "protocol error")),
            Some(Err(_)) | None => return Err(Over::Closed),
        };
        self.heard_at = Instant::now();
        match message {
            Message::Text(text) => Ok(Heard::Text(text)),
            Message::Binary(_) => Ok(Heard::Binary),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(Heard::Control),
            // The answer is written by the next flush.
            Message::Close(_) => {
                let _ = timeout(CLOSE_MAX, self.ws.flush()).await;
                Err(Over::Closed)
            }
        }
    }

    /// Writes a message, without flushing while few are waiting.
    pub async fn say(&mut self, text: Utf8Bytes) -> Result<(), Over> {
        self.unflushed += 1;
        within(self.ws.feed(Message::Text(text))).await?;
        if self.unflushed >= UNFLUSHED_MAX { self.flush().await } else { Ok(()) }
    }

    /// Whether something is written and not flushed.
    pub fn is_unflushed(&self) -> bool {
        self.unflushed > 0
    }

    /// Sends what is written.
    pub async fn flush(&mut self) -> Result<(), Over> {
        self.unflushed = 0;
        within(self.ws.flush()).await
    }

    /// Pings the client, unless it has been silent for too long.
    pub async fn ping(&mut self) -> Result<(), Over> {
        if self.heard_at.elapsed() > SILENCE_MAX {
            return Err(Over::Close(CloseCode::Policy, "no pong"));
        }
        let payload = Bytes::from(super::clock_ms().to_string());
        within(self.ws.send(Message::Ping(payload))).await
    }

    /// Tells the client why and ends. What was written before may be lost if the client does not read.
    pub async fn close(mut self, over: Over, last_words: Option<Utf8Bytes>) {
        let Over::Close(code, reason) = over else { return };
        let goodbye = async {
            if let Some(text) = last_words {
                self.ws.feed(Message::Text(text)).await?;
            }
            self.ws.close(Some(CloseFrame { code, reason: reason.into() })).await?;
            // Until the client has closed as well: closing with unread input would reset the connection and
            // take the last words with it.
            while self.ws.next().await.is_some_and(|heard| heard.is_ok()) {}
            Ok::<(), Error>(())
        };
        // A client that does not listen cannot be told.
        let _ = timeout(CLOSE_MAX, goodbye).await;
    }
}

async fn within(write: impl Future<Output = Result<(), Error>>) -> Result<(), Over> {
    match timeout(WRITE_MAX, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Over::Closed),
        Err(_) => Err(Over::Close(CloseCode::Policy, "client does not read")),
    }
}
