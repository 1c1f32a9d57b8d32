//! A client that does not read what it asked for. It falls behind and catches up: depth must have been merged for it
//! without a gap. It falls behind again and stays there: it must be told, and closed.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long it does not read at first: long enough to be behind, not long enough to be given up.
const ABSENT: Duration = Duration::from_secs(18);
/// How long it catches up.
const PRESENT: Duration = Duration::from_secs(3);
/// It must be given up by then.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(90);
/// Behind so many messages a gateway merges what it can: twice as many as it promises, for some that it counts are answers.
const BEHIND_MIN: u64 = 512;
/// What is on its way or with the kernels when it reads again, and does not wait in the gateway, is no more.
const ON_THE_WAY_BYTES: u64 = 192 * 1024;
/// What the kernels hold for it is little: by small segments and a small buffer.
const SEGMENT_BYTES: u32 = 536;
const BUFFER_BYTES: usize = 4_096;

/// What became of it.
#[derive(Debug, Default)]
pub struct Fate {
    /// Depth events.
    depths: u64,
    /// Depth events that had more than one window in them.
    merged: u64,
    /// Depth events whose `U` did not follow the `u` before.
    gaps: u64,
    /// What it found when it read again for the first time, in the order it came.
    found: Found,
    /// The same, when it had been absent until it was given up, or too long.
    left: Found,
    was_told: bool,
    has_ended: bool,
    code: Option<u16>,
    after: Duration,
    last: Option<u64>,
}

/// What a client finds that has not read.
#[derive(Debug, Default, Clone, Copy)]
struct Found {
    bytes: u64,
    /// Beyond what was on its way.
    waiting: u64,
}

impl Found {
    fn count(&mut self, bytes: usize) {
        self.waiting += u64::from(self.bytes > ON_THE_WAY_BYTES);
        self.bytes += bytes as u64;
    }

    /// Whether it was so far behind that the gateway had to do something about it.
    fn was_far_behind(self) -> bool {
        self.waiting >= BEHIND_MIN
    }
}

impl Fate {
    /// Whether that is what the gateway promises to a client that is as far behind as this one was.
    pub fn is_as_it_should_be(&self) -> bool {
        let is_merged = self.merged > 0 || !self.found.was_far_behind();
        let is_given_up = self.was_told && self.code == Some(1008);
        // Nothing is promised to one that was never far behind; one that was told must be closed, and the other way round.
        let is_kept = !self.was_told && !self.has_ended && !self.left.was_far_behind();
        self.gaps == 0 && is_merged && (is_given_up || is_kept)
    }

    /// What it could not show, because it was told too little to fall behind.
    fn not_provoked(&self) -> Vec<&'static str> {
        let mut not = Vec::new();
        if self.merged == 0 && !self.found.was_far_behind() {
            not.push("that depth is merged");
        }
        if !self.was_told && !self.has_ended && !self.left.was_far_behind() {
            not.push("that who stays behind is given up");
        }
        not
    }

    fn hear(&mut self, event: &Value) {
        match event["e"].as_str() {
            Some("slowConsumer") => self.was_told = true,
            Some("depthUpdate") => {
                let number = |name: &str| event[name].as_u64().unwrap_or(0);
                self.depths += 1;
                self.gaps += u64::from(self.last.is_some_and(|last| last + 1 != number("U")));
                // While it reads, a window has one or two changes.
                self.merged += u64::from(number("u") - number("U") >= 20);
                self.last = Some(number("u"));
            }
            _ => {}
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = if self.was_told { "told" } else { "NOT told" };
        let code = self.code.map_or("no code".to_owned(), |code| code.to_string());
        write!(
            f,
            "one that does not read: {} depth events, {} of them merged, {} gaps; {told} and closed ({code}) after {:.0} s",
            self.depths,
            self.merged,
            self.gaps,
            self.after.as_secs_f64()
        )?;
        match self.not_provoked()[..] {
            [] => Ok(()),
            ref not => {
                let (found, left) = (self.found.waiting, self.left.waiting);
                write!(
                    f,
                    "; it was told too little to fall behind ({found} and then {left} messages waited for it) and does not show {}",
                    not.join(" or ")
                )
            }
        }
    }
}

/// Suffers its fate.
pub async fn suffer(origin: String, rest: String, stream: String) -> Result<Fate, String> {
    let mut socket = connect(&origin).await?;
    let began = Instant::now();
    let symbol = stream.split('@').next().unwrap_or_default();
    let mut names = vec![stream.clone(), format!("{symbol}@depth@100ms")];
    // Enough to fall behind soon.
    names.extend(
        ["depth20@100ms", "depth10@100ms", "aggTrade", "bookTicker", "ticker"].map(|name| format!("{symbol}@{name}")),
    );
    names.extend(
        ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]
            .map(|interval| format!("{symbol}@kline_{interval}")),
    );
    names.dedup();
    let subscribe = json!({ "method": "SUBSCRIBE", "params": names, "id": 1 }).to_string();
    socket.send(Message::text(subscribe)).await.map_err(|error| error.to_string())?;
    let mut fate = Fate::default();
    tokio::time::sleep(ABSENT).await;
    fate.found = read(&mut socket, &mut fate, PRESENT).await;
    let given_up = slow_clients(&rest).await;
    while slow_clients(&rest).await == given_up && began.elapsed() < GIVEN_UP_WITHIN {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    fate.after = began.elapsed();
    fate.left = read(&mut socket, &mut fate, Duration::from_secs(10)).await;
    Ok(fate)
}

async fn connect(origin: &str) -> Result<WebSocketStream<TcpStream>, String> {
    let text = |error: &dyn fmt::Display| error.to_string();
    let host = origin.trim_start_matches("ws://");
    let address: SocketAddr = host.parse().map_err(|error| format!("{host} is no address: {error}"))?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).map_err(|error| text(&error))?;
    socket.set_tcp_mss(SEGMENT_BYTES).map_err(|error| text(&error))?;
    socket.set_recv_buffer_size(BUFFER_BYTES).map_err(|error| text(&error))?;
    socket.connect(&address.into()).map_err(|error| text(&error))?;
    socket.set_nonblocking(true).map_err(|error| text(&error))?;
    let stream = TcpStream::from_std(socket.into()).map_err(|error| text(&error))?;
    let config = WebSocketConfig::default().read_buffer_size(1_024);
    let made = client_async_with_config(format!("{origin}/ws"), stream, Some(config)).await;
    made.map(|(socket, _)| socket).map_err(|error| text(&error))
}

/// Reads for so long, or until it is closed, and says what there was.
async fn read(socket: &mut WebSocketStream<TcpStream>, fate: &mut Fate, within: Duration) -> Found {
    let mut found = Found::default();
    let until = tokio::time::Instant::now() + within;
    while let Ok(heard) = tokio::time::timeout_at(until, socket.next()).await {
        let Some(Ok(message)) = heard else {
            fate.has_ended = true;
            break;
        };
        match message {
            Message::Text(text) => {
                found.count(text.len());
                fate.hear(&serde_json::from_str(&text).unwrap_or_default());
            }
            Message::Close(frame) => fate.code = frame.map(|frame| frame.code.into()),
            _ => {}
        }
    }
    found
}

/// How many clients the gateway has given up.
async fn slow_clients(rest: &str) -> u64 {
    let page = metrics(rest).await.unwrap_or_default();
    let line = page.lines().find_map(|line| line.strip_prefix("mainstay_gateway_slow_clients_total "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

async fn metrics(rest: &str) -> std::io::Result<String> {
    let host = rest.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut page = String::new();
    stream.read_to_string(&mut page).await?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many messages of 400 bytes.
    fn found(messages: u64) -> Found {
        let mut found = Found::default();
        (0..messages).for_each(|_| found.count(400));
        found
    }

    fn given_up(found: Found, merged: u64) -> Fate {
        Fate { depths: 300, merged, found, was_told: true, has_ended: true, code: Some(1008), ..Fate::default() }
    }

    #[test]
    fn who_was_far_behind_must_have_had_depth_merged_and_who_was_not_need_not() {
        let (few, many) = (found(800), found(1_200));
        assert!(!few.was_far_behind() && many.was_far_behind());
        assert!(given_up(many, 3).is_as_it_should_be() && given_up(many, 3).not_provoked().is_empty());
        assert!(!given_up(many, 0).is_as_it_should_be());
        assert!(given_up(few, 0).is_as_it_should_be());
        let told = given_up(few, 0).to_string();
        assert!(told.ends_with("does not show that depth is merged"), "{told}");
        assert!(!Fate { gaps: 1, ..given_up(few, 0) }.is_as_it_should_be());
    }

    #[test]
    fn who_stayed_far_behind_must_be_told_and_closed() {
        let kept = |left| Fate { depths: 300, merged: 3, found: found(1_200), left, ..Fate::default() };
        assert!(!kept(found(1_200)).is_as_it_should_be());
        assert!(kept(found(100)).is_as_it_should_be());
        let told = kept(found(100)).to_string();
        assert!(
            told.contains("NOT told") && told.ends_with("does not show that who stays behind is given up"),
            "{told}"
        );
        assert!(!Fate { was_told: true, ..kept(found(100)) }.is_as_it_should_be(), "told, and left alone");
        assert!(!Fate { has_ended: true, ..kept(found(100)) }.is_as_it_should_be(), "cut off, and not told");
    }
}
