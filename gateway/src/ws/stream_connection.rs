//! A connection of market streams.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::control::{self, Ask, Misunderstood};
use super::rate::Allowance;
use super::socket::{Heard, Over, Patience, Socket};
use crate::errors::{self, ApiError};
use crate::gateway::Gateway;
use crate::streams::{Bounds, Outbox, STREAMS_MAX, StreamName, Subscriber, Taken};

/// So many messages a client may send at once, and then so many a second: requests, pings and pongs.
/// Binance's limit is 5 a second; ours forgives a burst.
const MESSAGES_BURST: u32 = 60;
const MESSAGES_PER_SECOND: u32 = 10;
/// Messages moved from the outbox to the socket at a time.
const BATCH: usize = 64;

/// What the request line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    names: Vec<StreamName>,
    is_combined: bool,
}

impl Wanted {
    /// `None` for the WebSocket API. Names that are no streams are accepted and tell nothing: clients open
    /// `/ws/0` and subscribe later.
    pub fn parse(path: &str, query: &str) -> Result<Option<Wanted>, ApiError> {
        let (texts, is_combined) = match path {
            "/ws-api/v3" => return Ok(None),
            "/stream" => {
                let streams = query.split('&').find_map(|pair| pair.strip_prefix("streams="));
                (streams.unwrap_or_default(), true)
            }
            path => (path.strip_prefix("/ws").unwrap_or_default(), false),
        };
        let texts = percent_decode_str(texts).decode_utf8_lossy();
        let names: Vec<_> = texts.split('/').filter_map(StreamName::parse).collect();
        if names.len() > STREAMS_MAX {
            return Err(errors::TOO_MANY_PARAMETERS);
        }
        Ok(Some(Wanted { names, is_combined }))
    }
}

/// Serves the connection until it is over.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(gateway: Arc<Gateway>, io: S, wanted: Wanted) {
    let outbox = Arc::new(Outbox::new(Bounds::default(), wanted.is_combined));
    let mut subscriber = Subscriber::new(Arc::clone(&gateway.hub), Arc::clone(&outbox));
    for name in wanted.names {
        // As many as may be were let in.
        let _ = subscriber.subscribe(name);
    }
    let mut connection = Connection {
        allowance: Allowance::new(MESSAGES_BURST, MESSAGES_PER_SECOND, std::time::Instant::now()),
        gateway: &gateway,
        outbox,
        subscriber,
    };
    let mut socket = Socket::new(io, Patience::default()).await;
    let over = connection.run(&mut socket).await;
    if over == TOO_SLOW {
        gateway.metrics.slow_clients.inc();
    }
    let last_words = last_words(over);
    // Nothing is queued for a client that is leaving.
    drop(connection);
    socket.close(over, last_words).await;
}

struct Connection<'a> {
    gateway: &'a Gateway,
    outbox: Arc<Outbox>,
    subscriber: Subscriber,
    allowance: Allowance,
}

const TOO_SLOW: Over = Over::Close(CloseCode::Policy, "client too slow");
const SHUTDOWN: Over = Over::Close(CloseCode::Away, "server shutdown");

impl Connection<'_> {
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, socket: &mut Socket<S>) -> Over {
        let mut stopping = self.gateway.stopping();
        let mut batch = Vec::new();
        let outbox = Arc::clone(&self.outbox);
        loop {
            let done = tokio::select! {
                biased;
                () = super::stopped(&mut stopping) => Err(SHUTDOWN),
                heard = socket.hear() => heard.and_then(|heard| self.heard(heard)),
                () = outbox.stirred() => {
                    // A client that is given up while it takes nothing is not waited for.
                    tokio::select! {
                        written = write(socket, &outbox, &mut batch) => written,
                        () = outbox.overrun() => Err(TOO_SLOW),
                    }
                }
                () = std::future::ready(()), if socket.is_unflushed() => {
                    tokio::select! {
                        flushed = socket.flush() => flushed,
                        () = outbox.overrun() => Err(TOO_SLOW),
                    }
                }
            };
            if let Err(over) = done {
                return over;
            }
        }
    }

    fn heard(&mut self, heard: Heard) -> Result<(), Over> {
        if !self.allowance.take(std::time::Instant::now()) {
            return Err(Over::Close(CloseCode::Policy, "too many requests"));
        }
        match heard {
            Heard::Control => {}
            Heard::Binary => {
                let error = Misunderstood { code: 3, message: "Invalid JSON: expected a text message".into() };
                self.outbox.push_answer(control::refusal(Value::Null, &error).into());
            }
            Heard::Text(text) => {
                let (id, ask) = control::parse(&text);
                if let Err(error) = ask.and_then(|ask| self.does(&id, ask)) {
                    self.outbox.push_answer(control::refusal(id, &error).into());
                }
            }
        }
        Ok(())
    }

    /// Answers come before the first event of what they announce.
    fn does(&mut self, id: &Value, ask: Ask) -> Result<(), Misunderstood> {
        let answer = |result: Value| self.outbox.push_answer(control::answer(id.clone(), result).into());
        match ask {
            Ask::Subscribe(names) => {
                self.check(&names)?;
                answer(Value::Null);
                for name in names {
                    // Checked to fit.
                    let _ = self.subscriber.subscribe(name);
                }
            }
            Ask::Unsubscribe(names) => {
                answer(Value::Null);
                names.iter().for_each(|name| self.subscriber.unsubscribe(name));
            }
            Ask::List => {
                answer(self.subscriber.names().iter().map(StreamName::to_string).collect());
            }
            Ask::SetCombined(is_combined) => {
                answer(Value::Null);
                self.outbox.set_combined(is_combined);
            }
            Ask::GetCombined => answer(self.outbox.is_combined().into()),
        }
        Ok(())
    }

    fn check(&self, names: &[StreamName]) -> Result<(), Misunderstood> {
        let invalid = |message: String| Misunderstood { code: 2, message: format!("Invalid request: {message}") };
        let data = self.gateway.exchange.market_data();
        if let Some(name) = names.iter().find(|name| !name.is_of_all() && data.market(name.symbol.as_str()).is_none()) {
            return Err(invalid(format!("unknown symbol in stream {name}")));
        }
        let fits = self.subscriber.check(names);
        fits.map_err(|_| invalid(format!("a connection may listen to at most {STREAMS_MAX} streams")))
    }
}

/// What a client is told before it is closed.
fn last_words(over: Over) -> Option<Utf8Bytes> {
    let now_ms = super::clock_ms();
    match over {
        TOO_SLOW => Some(
            format!(
                r#"{{"e":"slowConsumer","E":{now_ms},"code":-1008,"msg":"This connection did not read its events in time; events were dropped. Reconnect and start from a new snapshot."}}"#
            )
            .into(),
        ),
        SHUTDOWN => Some(format!(r#"{{"e":"serverShutdown","E":{now_ms}}}"#).into()),
        _ => None,
    }
}

/// Moves messages from the outbox to the socket.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<S>,
    outbox: &Outbox,
    batch: &mut Vec<Utf8Bytes>,
) -> Result<(), Over> {
    if outbox.take(batch, BATCH) == Taken::Overrun {
        return Err(TOO_SLOW);
    }
    for text in batch.drain(..) {
        socket.say(text).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_opens_and_known_streams_are_listened_to() {
        let names = |path, query| -> Option<(Vec<String>, bool)> {
            let wanted = Wanted::parse(path, query).unwrap()?;
            Some((wanted.names.iter().map(StreamName::to_string).collect(), wanted.is_combined))
        };
        assert_eq!(names("/ws-api/v3", ""), None);
        assert_eq!(names("/ws", ""), Some((vec![], false)));
        assert_eq!(names("/ws/0", ""), Some((vec![], false)));
        assert_eq!(names("/ws/btcusdt@trade", ""), Some((vec!["btcusdt@trade".into()], false)));
        assert_eq!(names("/ws/btcusdt%40trade", ""), Some((vec!["btcusdt@trade".into()], false)));
        assert_eq!(names("/stream", ""), Some((vec![], true)));
        assert_eq!(
            names("/stream", "timeUnit=x&streams=btcusdt@trade/nonsense/ethusdt@depth@100ms"),
            Some((vec!["btcusdt@trade".into(), "ethusdt@depth@100ms".into()], true))
        );
        let many = vec!["a@trade"; STREAMS_MAX + 1].join("/");
        assert!(Wanted::parse("/stream", &format!("streams={many}")).is_err());
    }
}
