//! One WebSocket, as both kinds of connections use it: bounded messages, pings, time-outs, and writes that
//! are flushed when there is nothing more to write.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

use super::fragments::Fragments;
use crate::http::pace::TAKEN_MIN;

/// How long a client is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// It is pinged this often.
    pub ping: Duration,
    /// One that has sent nothing for this long, not even a pong, is gone. Counted in pings, so that a gateway which stood
    /// still itself does not take its clients for silent.
    pub silence: Duration,
    /// One that keeps a message waiting and takes less than [`TAKEN_MIN`] of it in this time is gone.
    pub write: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { ping: Duration::from_secs(20), silence: Duration::from_secs(60), write: Duration::from_secs(20) }
    }
}

/// The last words to a client that is being closed take no longer.
pub(super) const CLOSE_MAX: Duration = Duration::from_secs(5);
/// So many bytes of messages of a client that is being closed are looked at for its farewell.
const FAREWELL_WITHIN: usize = 1024 * 1024;
/// What a message counts at least.
const FAREWELL_EACH: usize = 64;
/// So many bytes more are thrown away as they are: what it had sent before, which both systems hold. One that floods on is
/// read no further.
const LEFT_OVER_MAX: usize = 32 * 1024 * 1024;
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

impl Over {
    /// Whether the client has sent what it may not: it is there, and may be waiting for what it asked before.
    pub(super) fn is_of_what_was_sent(self) -> bool {
        matches!(self, Over::Close(..)) && self != NOT_READING && self != SILENT
    }
}

/// The client has not answered pings for [`Patience::silence`].
const SILENT: Over = Over::Close(CloseCode::Policy, "no pong");

/// The client has taken less than [`TAKEN_MIN`] of what waits for it in [`Patience::write`].
pub const NOT_READING: Over = Over::Close(CloseCode::Policy, "client does not read");

/// The client has sent more than it may. What it sent before is answered first.
pub const TOO_MANY: Over = Over::Close(CloseCode::Policy, "too many requests");

/// A WebSocket over `S`.
pub struct Socket<S> {
    ws: WebSocketStream<Fragments<S>>,
    /// Bytes that the client has taken.
    taken: Arc<AtomicU64>,
    patience: Patience,
    pings: Interval,
    /// Pings since the client was last heard.
    unanswered: u32,
    unflushed: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// After the handshake, behind which `early` has been read already.
    pub async fn new(io: S, early: Bytes, patience: Patience) -> Socket<S> {
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(32 * 1024)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let io = Fragments::new(io, &early);
        let taken = io.taken();
        let ws = WebSocketStream::from_partially_read(io, early.to_vec(), Role::Server, Some(config)).await;
        let mut pings = interval_at(Instant::now() + patience.ping, patience.ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Socket { ws, taken, patience, pings, unanswered: 0, unflushed: 0 }
    }

    /// Pings the client at least this often.
    pub fn ping_every(&mut self, period: Duration) {
        if period < self.patience.ping {
            self.patience.ping = period;
            self.pings = interval_at(Instant::now() + period, period);
            self.pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
    }

    /// The next thing the client sends; it is pinged meanwhile. Nothing is lost when the future is dropped.
    pub async fn hear(&mut self) -> Result<Heard, Over> {
        let heard = loop {
            tokio::select! {
                biased;
                _ = self.pings.tick() => {
                    self.ping().await?;
                    self.flush().await?;
                }
                heard = self.ws.next() => break heard,
            }
        };
        let message = match heard {
            Some(Ok(message)) => message,
            Some(Err(Error::Capacity(_))) => return Err(Over::Close(CloseCode::Size, "message too long")),
            Some(Err(Error::Utf8(_))) => return Err(Over::Close(CloseCode::Invalid, "text is not UTF-8")),
            Some(Err(Error::Protocol(_))) => return Err(Over::Close(CloseCode::Protocol, "protocol error")),
            Some(Err(_)) if self.ws.get_ref().are_too_many() => {
                return Err(Over::Close(CloseCode::Policy, "too many fragments"));
            }
            Some(Err(_)) | None => return Err(Over::Closed),
        };
        self.unanswered = 0;
        match message {
            Message::Text(text) => Ok(Heard::Text(text)),
            Message::Binary(_) => Ok(Heard::Binary),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                // The answer to a ping may be written in part.
                self.unflushed += 1;
                Ok(Heard::Control)
            }
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
        within(self.patience.write, &self.taken, self.ws.feed(Message::Text(text))).await?;
        if self.unflushed >= UNFLUSHED_MAX { self.flush().await } else { Ok(()) }
    }

    /// What it runs over.
    pub fn io(&mut self) -> &mut S {
        self.ws.get_mut().inner()
    }

    /// How long the client is waited for.
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// Whether something is written and not flushed.
    pub fn is_unflushed(&self) -> bool {
        self.unflushed > 0
    }

    /// Sends what is written.
    pub async fn flush(&mut self) -> Result<(), Over> {
        within(self.patience.write, &self.taken, self.ws.flush()).await?;
        // Only now: whoever waited may have been dropped, with a message written in part.
        self.unflushed = 0;
        Ok(())
    }

    /// Pings the client, unless it has been silent for too long.
    pub(super) async fn ping(&mut self) -> Result<(), Over> {
        if self.patience.ping.saturating_mul(self.unanswered) >= self.patience.silence {
            return Err(SILENT);
        }
        self.unanswered += 1;
        let payload = Bytes::from(super::clock_ms().to_string());
        self.unflushed += 1;
        within(self.patience.write, &self.taken, self.ws.feed(Message::Ping(payload))).await
    }

    /// Tells the client why and ends. What was written before may be lost if the client does not read.
    pub async fn close(mut self, over: Over, last_words: Option<Utf8Bytes>) {
        let Over::Close(code, reason) = over else { return };
        let goodbye = async {
            if let Some(text) = last_words {
                self.ws.feed(Message::Text(text)).await?;
            }
            // The library would write the answer to the last ping behind the farewell, after which nothing may follow.
            self.ws.flush().await?;
            self.ws.close(Some(CloseFrame { code, reason: reason.into() })).await?;
            // Until the client has closed as well: closing with unread input would reset the connection and
            // take the last words with it.
            let mut left = FAREWELL_WITHIN;
            while left > 0 {
                match self.ws.next().await {
                    Some(Ok(Message::Close(_))) => return Ok(()),
                    Some(Ok(heard)) => left = left.saturating_sub(heard.len().max(FAREWELL_EACH)),
                    // It is not understood, or nothing after it has been since; or it is gone.
                    Some(Err(_)) | None => break,
                }
            }
            outlast(self.ws.get_mut().inner()).await
        };
        // A client that does not listen cannot be told.
        let _ = patiently(CLOSE_MAX, goodbye).await;
    }
}

/// Waits for so long, while the gateway runs: one that stood still itself takes a tenth of the time for it, and does not take
/// its clients for silent.
pub(super) async fn patiently<F: Future>(most: Duration, future: F) -> Option<F::Output> {
    const PIECES: u32 = 10;
    let mut future = pin!(future);
    for _ in 0..PIECES {
        if let Ok(done) = timeout(most / PIECES, &mut future).await {
            return Some(done);
        }
    }
    None
}

/// Waits until a client that was told everything has closed. One that goes on sending for more than was under way may still
/// read what it was told, for as long as the caller waits.
async fn outlast<S: AsyncRead + AsyncWrite + Unpin>(io: &mut S) -> Result<(), Error> {
    io.shutdown().await?;
    let (mut left, mut thrown_away) = (LEFT_OVER_MAX, [0; 8 * 1024]);
    while left > 0 {
        match io.read(&mut thrown_away).await? {
            0 => return Ok(()),
            read => left = left.saturating_sub(read),
        }
    }
    std::future::pending().await
}

pub(super) async fn within(
    most: Duration,
    taken: &AtomicU64,
    write: impl Future<Output = Result<(), Error>>,
) -> Result<(), Over> {
    let mut write = pin!(write);
    loop {
        let before = taken.load(Ordering::Relaxed);
        match timeout(most, &mut write).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(_)) => return Err(Over::Closed),
            Err(_) if taken.load(Ordering::Relaxed) - before >= TAKEN_MIN as u64 => {}
            Err(_) => return Err(NOT_READING),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    async fn pair(
        patience: Patience,
        buffer: usize,
    ) -> (Socket<tokio::io::DuplexStream>, WebSocketStream<tokio::io::DuplexStream>) {
        let (server, client) = tokio::io::duplex(buffer);
        let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        (Socket::new(server, Bytes::new(), patience).await, client)
    }

    /// What it takes steadily may take long.
    #[tokio::test]
    async fn who_takes_a_long_message_slowly_gets_all_of_it() {
        let patience = Patience { write: 1_000 * MS, ..Patience::default() };
        let (mut socket, mut client) = pair(patience, 4_096).await;
        let said = Utf8Bytes::from("x".repeat(1 << 20));
        let saying = tokio::spawn({
            let said = said.clone();
            async move {
                socket.say(said).await?;
                socket.flush().await
            }
        });
        let io = client.get_mut();
        let (mut part, mut had) = (vec![0; 32 * 1024], 0);
        while had < said.len() {
            tokio::time::sleep(80 * MS).await;
            let mut now = 0;
            while now < part.len() && had + now < said.len() {
                now += io.read(&mut part[now..]).await.unwrap();
            }
            had += now;
        }
        assert_eq!(saying.await.unwrap(), Ok(()));
    }

    /// Silence is counted in pings: time has no part in it.
    #[tokio::test]
    async fn a_client_that_answers_pings_stays_and_a_silent_one_goes() {
        let hour = Duration::from_secs(3_600);
        let patience = Patience { ping: hour, silence: 20 * hour, ..Patience::default() };
        let (mut socket, mut client) = pair(patience, 4_096).await;
        // More of them than a silent client is sent.
        for _ in 0..30 {
            socket.ping().await.unwrap();
            socket.flush().await.unwrap();
            assert!(matches!(client.next().await, Some(Ok(Message::Ping(_)))));
            client.flush().await.unwrap();
            assert!(matches!(socket.hear().await, Ok(Heard::Control)));
        }
        for _ in 0..20 {
            socket.ping().await.unwrap();
        }
        socket.flush().await.unwrap();
        assert_eq!(socket.ping().await, Err(Over::Close(CloseCode::Policy, "no pong")));
        let mut pings = 0;
        while let Some(Some(Ok(Message::Ping(_)))) = client.next().now_or_never() {
            pings += 1;
        }
        assert_eq!(pings, 20, "which nobody answered");
    }

    #[tokio::test]
    async fn who_listens_pings_meanwhile() {
        let (mut socket, mut client) = pair(Patience { ping: MS, ..Patience::default() }, 4_096).await;
        tokio::select! {
            over = socket.hear() => panic!("nothing was sent: {over:?}"),
            ping = client.next() => assert!(matches!(ping, Some(Ok(Message::Ping(_))))),
        }
    }

    /// The machine stood still for ten pings; both have something to say after it. What is due is one ping, not ten.
    #[tokio::test]
    async fn a_client_is_not_silent_while_the_gateway_stands_still() {
        let patience = Patience { ping: 20 * MS, silence: 200 * MS, ..Patience::default() };
        let (mut socket, mut client) = pair(patience, 4_096).await;
        for said in ["here", "still"] {
            client.send(Message::Text(said.into())).await.unwrap();
            std::thread::sleep(200 * MS);
            assert!(matches!(socket.hear().await, Ok(Heard::Text(text)) if text == said));
        }
    }

    #[tokio::test]
    async fn a_client_that_floods_on_while_it_is_closed_is_read_no_further_and_then_cut_off() {
        let (socket, mut client) = pair(Patience::default(), 4_096).await;
        let message = Message::Text("x".repeat(60_000).into());
        let flood = async {
            let mut sent = 0;
            while client.feed(message.clone()).await.is_ok() && client.flush().await.is_ok() {
                sent += 1;
            }
            sent
        };
        let closing = socket.close(Over::Close(CloseCode::Policy, "enough"), None);
        let both = futures_util::future::join(closing, flood);
        let ((), sent) = timeout(CLOSE_MAX * 2, both).await.expect("no later than a client that says nothing");
        assert!((500..600).contains(&sent), "{sent} messages, about 33 MiB");
    }

    /// What it had sent is on its way, in its own system and in ours: closing on it would take the last words back.
    #[tokio::test]
    async fn a_client_that_has_sent_much_and_then_listens_hears_why_it_is_closed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut client = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        let (server, _) = listener.accept().await.unwrap();
        let socket = Socket::new(server, Bytes::new(), Patience::default()).await;
        let closing = tokio::spawn(socket.close(Over::Close(CloseCode::Away, "server shutdown"), None));
        for _ in 0..400 {
            client.send(Message::Text("x".repeat(60_000).into())).await.expect("it is not cut off");
        }
        tokio::time::sleep(200 * MS).await;
        match client.next().await {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Away),
            other => panic!("no close frame: {other:?}"),
        }
        drop(client);
        closing.await.unwrap();
    }

    /// What is too long is not understood to its end: the rest of it is under way when the client is told.
    #[tokio::test]
    async fn a_client_that_sends_too_long_a_message_hears_that() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut client = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        let (server, _) = listener.accept().await.unwrap();
        let mut socket = Socket::new(server, Bytes::new(), Patience::default()).await;
        let serving = tokio::spawn(async move {
            let over = socket.hear().await.unwrap_err();
            socket.close(over, None).await;
        });
        client.send(Message::Text("x".repeat(20_000_000).into())).await.expect("it is not cut off");
        match client.next().await {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Size),
            other => panic!("no close frame: {other:?}"),
        }
        drop(client);
        serving.await.unwrap();
    }

    /// What is waited for comes soon after the standstill: plain time would be over by then.
    #[tokio::test]
    async fn who_waits_patiently_waits_while_it_runs() {
        let after_standstill = async {
            std::thread::sleep(300 * MS);
            tokio::time::sleep(20 * MS).await;
        };
        assert_eq!(patiently(200 * MS, after_standstill).await, Some(()));
        assert_eq!(patiently(20 * MS, std::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_not_waited_for() {
        let (mut socket, _client) = pair(Patience { write: 20 * MS, ..Patience::default() }, 64).await;
        socket.say("x".repeat(1_000).into()).await.unwrap();
        assert_eq!(socket.flush().await, Err(Over::Close(CloseCode::Policy, "client does not read")));
    }
}
