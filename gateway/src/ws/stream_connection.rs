//! A connection of market streams.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::client::{Client, Io};
use super::control::{self, Ask, Misunderstood, Source};
use super::listeners::Listeners;
use super::rate::Allowance;
use super::socket::{Heard, NOT_READING, Over, Patience};
use super::stream_socket::StreamSocket;
use crate::accounts::{Right, UserEvent};
use crate::errors::{self, ApiError};
use crate::gateway::{self, Gateway, Peer};
use crate::operations::{DEPTH_MAX, ORDERS_MAX, WHOLE_DEPTH_WEIGHT};
use crate::params::INTEGER_RANGE;
use crate::streams::{
    Bounds, Frame, Kind, Outbox, Property, STREAMS_MAX, StreamName, Subscriber, Taken, events, market_events,
};
use crate::time_unit::TimeUnit;

/// So many messages a client may send at once, and then so many a second: requests, pings and pongs.
/// Binance's limit is 5 a second; ours forgives a burst.
const MESSAGES_BURST: u32 = 60;
const MESSAGES_PER_SECOND: u32 = 10;
/// Listen keys of one connection.
const USERS_MAX: usize = 64;
/// Messages moved from the outbox to the socket at a time.
const BATCH: usize = 64;

/// What the request line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    sources: Vec<Source>,
    is_combined: bool,
    properties: Vec<Property>,
    unit: TimeUnit,
    /// The user events of its listen key are told from the one after this on.
    after: Option<u64>,
    /// In which life of the exchange the client was told that number.
    life: Option<u64>,
}

impl Wanted {
    /// `None` for the WebSocket API. Names that are no streams are accepted and tell nothing: clients open
    /// `/ws/0` and subscribe later.
    pub fn parse(path: &str, query: &str) -> Result<Option<Wanted>, ApiError> {
        let (texts, is_combined) = match path {
            "/ws-api/v3" => return Ok(None),
            "/stream" | "/stream/" => {
                let streams = query.split('&').find_map(|pair| pair.strip_prefix("streams="));
                (streams.unwrap_or_default(), true)
            }
            path => (path.strip_prefix("/ws").unwrap_or_default(), false),
        };
        let texts = percent_decode_str(texts).decode_utf8_lossy();
        let sources: Vec<_> = texts.split('/').filter_map(Source::parse).collect();
        if sources.len() > STREAMS_MAX {
            return Err(errors::TOO_MANY_PARAMETERS);
        }
        let is_wanted = |property: &Property| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(property.name())?.strip_prefix('='));
            pair == Some("true")
        };
        let own = [Property::Snapshot, Property::Checksum, Property::Sequence];
        let mut properties: Vec<_> = own.into_iter().filter(is_wanted).collect();
        let number = |name: &str| -> Result<Option<u64>, ApiError> {
            let sent = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            let Some(text) = sent else { return Ok(None) };
            let number = text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
            number.map(Some).ok_or_else(|| ApiError::illegal_characters(name, INTEGER_RANGE))
        };
        let (after, life) = (number("afterSequence")?, number("life")?);
        if life.is_some() && after.is_none() {
            return Err(errors::BAD_COMBINATION);
        }
        if after.is_some() {
            // Numbers are an account's own.
            if sources.iter().filter(|source| matches!(source, Source::User(_))).count() != 1 {
                return Err(errors::BAD_COMBINATION);
            }
            properties.push(Property::Sequence);
        }
        Ok(Some(Wanted { sources, is_combined, properties, unit: TimeUnit::from_query(query)?, after, life }))
    }

    /// Refuses what cannot be told: user events that are no longer kept, or were never told in this life of the exchange.
    pub async fn check(&self, gateway: &Gateway, peer: Peer) -> Result<(), ApiError> {
        if gateway.is_read_only && self.sources.iter().any(|source| matches!(source, Source::User(_))) {
            return Err(errors::READ_ONLY);
        }
        let Some(after) = self.after else { return Ok(()) };
        for source in &self.sources {
            let Source::User(listen_key) = source else { continue };
            let caller = gateway.exchange.accounts().listen_key(listen_key, peer.ip);
            let caller = caller.ok_or(errors::NO_SUCH_LISTEN_KEY)?;
            if self.life.is_some_and(|life| life != gateway.life.get()) {
                return Err(errors::EVENTS_OF_ANOTHER_LIFE);
            }
            gateway.catch_up_with(caller.account, after).await?;
            if !gateway.exchange.accounts().keeps_user_events(caller.account, after) {
                return Err(errors::EVENTS_NOT_KEPT);
            }
        }
        Ok(())
    }

    /// Weighs the whole books that it begins with.
    pub fn weigh(&self, gateway: &Gateway, peer: Peer) -> Result<(), ApiError> {
        if !self.properties.contains(&Property::Snapshot) {
            return Ok(());
        }
        weigh_books(gateway, peer, self.sources.iter().filter_map(Source::market))
    }
}

/// Weighs the whole books of the depth streams among `names`: each what it weighs over REST.
fn weigh_books<'a>(gateway: &Gateway, peer: Peer, names: impl Iterator<Item = &'a StreamName>) -> Result<(), ApiError> {
    let data = gateway.exchange.market_data();
    let books = names.filter(|name| name.is_of_book() && data.market(name.symbol.as_str()).is_some()).count();
    let Some(books) = u32::try_from(books).ok().filter(|books| *books > 0) else { return Ok(()) };
    gateway.throttle.weigh(peer.ip, books.saturating_mul(WHOLE_DEPTH_WEIGHT), gateway.now_us()).map(|_| ())
}

/// Serves the connection until it is over.
pub async fn serve(gateway: Arc<Gateway>, client: Client, peer: Peer, wanted: Wanted) {
    let outbox = Outbox::new(Bounds::default(), wanted.is_combined).in_unit(wanted.unit);
    let (client, wire) = client.shared();
    let outbox = Arc::new(match wire {
        Some(wire) => outbox.carried(wire, Arc::clone(gateway.hub.couriers())),
        None => outbox,
    });
    wanted.properties.iter().for_each(|property| outbox.set(*property, true));
    let subscriber = Subscriber::new(Arc::clone(&gateway.hub), Arc::clone(&outbox));
    let mut connection = Connection {
        allowance: Allowance::new(MESSAGES_BURST, MESSAGES_PER_SECOND, std::time::Instant::now()),
        gateway: &gateway,
        peer,
        outbox,
        subscriber,
        listeners: Listeners::default(),
        rights: HashMap::new(),
    };
    for source in wanted.sources {
        connection.listen(source, wanted.after);
    }
    let mut socket = client.stream_socket(&connection.outbox, Patience::default()).await;
    connection.outbox.rest();
    let over = connection.run(&mut socket).await;
    if [TOO_SLOW, NOT_READING].contains(&over) {
        gateway.metrics.slow_clients.inc();
    }
    let last_words = last_words(over);
    // Nothing is queued for a client that is leaving.
    drop(connection);
    socket.close(over, last_words).await;
}

struct Connection<'a> {
    gateway: &'a Gateway,
    peer: Peer,
    outbox: Arc<Outbox>,
    subscriber: Subscriber,
    /// By listen key.
    listeners: Listeners<String>,
    /// By listen key: those by which events wait that are not written yet.
    rights: HashMap<String, Right>,
    allowance: Allowance,
}

const TOO_SLOW: Over = Over::Close(CloseCode::Policy, "client too slow");
const SHUTDOWN: Over = Over::Close(CloseCode::Away, "server shutdown");

impl Connection<'_> {
    async fn run(&mut self, socket: &mut StreamSocket<Io>) -> Over {
        let (mut draining, mut stopping) = (self.gateway.phase(), self.gateway.phase());
        // They are woken once in a connection's life, and not made anew for every event.
        let mut drained = pin!(gateway::drained(&mut draining));
        let mut stopped = pin!(gateway::stopped(&mut stopping));
        let mut has_told = false;
        let mut batch = Vec::new();
        let outbox = Arc::clone(&self.outbox);
        loop {
            let done = tokio::select! {
                biased;
                () = &mut drained, if !has_told => {
                    has_told = true;
                    self.outbox.push_answer(self.shutdown_event());
                    Ok(())
                }
                () = &mut stopped => {
                    // What was queued before; a client that does not take it is not waited for.
                    outbox.reclaim().await;
                    let written = write(self.gateway, socket, &outbox, &mut batch).await;
                    written.and(Err(SHUTDOWN))
                }
                (listen_key, event) = self.listeners.next() => {
                    self.user_event(&listen_key, event.as_ref());
                    Ok(())
                }
                heard = socket.hear() => heard.and_then(|heard| self.heard(heard)),
                () = outbox.stirred() => {
                    // A client that is given up while it takes nothing is not waited for.
                    tokio::select! {
                        written = write(self.gateway, socket, &outbox, &mut batch) => written,
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
            Ask::Subscribe(sources) => {
                self.check(&sources)?;
                self.weigh(&sources)?;
                answer(Value::Null);
                sources.into_iter().for_each(|source| self.listen(source, None));
            }
            Ask::Unsubscribe(sources) => {
                answer(Value::Null);
                for source in &sources {
                    match source {
                        Source::Market(name) => self.subscriber.unsubscribe(name),
                        Source::User(listen_key) => {
                            self.listeners.silence(listen_key);
                        }
                    }
                }
            }
            Ask::List => {
                let markets = self.subscriber.names().iter().map(StreamName::to_string);
                answer(markets.chain(self.listeners.names().cloned()).collect());
            }
            Ask::Set(property, value) => {
                answer(Value::Null);
                self.outbox.set(property, value);
            }
            Ask::Get(property) => answer(self.outbox.is(property).into()),
        }
        Ok(())
    }

    /// Listens to what was checked, or what a path names; a path may name anything. Of user events it is told those after
    /// the one of the number `after`.
    fn listen(&mut self, source: Source, after: Option<u64>) {
        match source {
            Source::Market(name) => {
                // As many as may be were let in.
                let _ = self.subscriber.subscribe(name);
            }
            // A key that means nothing here is passed over as one that nobody gave out.
            Source::User(_) if self.gateway.is_read_only => {}
            Source::User(listen_key) => {
                if let Some(after) = after {
                    let caller = self.gateway.exchange.accounts().listen_key(&listen_key, self.peer.ip);
                    caller.iter().for_each(|caller| self.gateway.exchange.write_user_events(caller.account, after));
                }
                let accounts = self.gateway.exchange.accounts();
                if self.listeners.names().any(|known| *known == listen_key)
                    || self.listeners.names().count() == USERS_MAX
                {
                    return;
                }
                if let Some(caller) = accounts.listen_key(&listen_key, self.peer.ip) {
                    // Nothing is told while the projection is held: the number is of the last event before these.
                    let events = accounts.subscribe_by_listen_key(&caller, self.peer.ip, after);
                    if self.outbox.is(Property::Sequence) {
                        let last = accounts.last_user_event(caller.account);
                        self.outbox.push_user(self.numbered(&listen_key, last, None), events.right().clone());
                    }
                    self.rights.insert(listen_key.clone(), events.right().clone());
                    self.listeners.listen(listen_key, events);
                }
            }
        }
    }

    /// Queues a user event, or that the listen key is of no more use: then nothing that waits is told either, if that is
    /// because its API key may no longer be used.
    fn user_event(&mut self, listen_key: &str, event: Option<&UserEvent>) {
        match event {
            Some(event) => {
                let right = self.rights.get(listen_key).cloned().unwrap_or_default();
                let text = self.outbox.unit().event(&event.text);
                let text = match self.outbox.is(Property::Sequence) {
                    true => self.numbered(listen_key, event.sequence, Some(&text)),
                    false => self.wrapped(listen_key, &text),
                };
                self.outbox.push_user(text, right);
            }
            None => {
                self.rights.remove(listen_key);
                let now_ms = super::clock_ms();
                let expired = format!(r#"{{"e":"listenKeyExpired","E":{now_ms},"listenKey":"{listen_key}"}}"#);
                self.outbox.push_answer(self.wrapped(listen_key, &self.outbox.unit().event(&expired)));
            }
        }
    }

    fn wrapped(&self, stream: &str, event: &str) -> Frame {
        if self.outbox.is_combined() { events::combined(stream, event).into() } else { event.into() }
    }

    /// A user event with its number; without an event the number of the last one, and in which life of the exchange.
    fn numbered(&self, listen_key: &str, sequence: u64, event: Option<&str>) -> Frame {
        let (stream, name) = match self.outbox.is_combined() {
            true => (format!(r#""stream":"{listen_key}","#), "data"),
            false => (String::new(), "event"),
        };
        let life = || format!(r#","life":{}"#, self.gateway.life.get());
        let event = event.map_or_else(life, |event| format!(r#","{name}":{event}"#));
        format!(r#"{{{stream}"sequence":{sequence}{event}}}"#).into()
    }

    /// That the gateway will end.
    fn shutdown_event(&self) -> Frame {
        let event = format!(r#"{{"e":"serverShutdown","E":{}}}"#, super::clock_ms());
        self.wrapped("!serverShutdown", &self.outbox.unit().event(&event))
    }

    fn check(&self, sources: &[Source]) -> Result<(), Misunderstood> {
        let mut names = Vec::with_capacity(sources.len());
        for source in sources {
            match source {
                Source::Market(name) => names.push(*name),
                Source::User(listen_key) => {
                    let known = self.gateway.exchange.accounts().listen_key(listen_key, self.peer.ip);
                    if known.is_none() {
                        return Err(Misunderstood { code: 2, message: "Invalid request: invalid listen key".into() });
                    }
                }
            }
        }
        self.check_names(&names)
    }

    /// Weighs the whole books that are to be told first.
    fn weigh(&self, sources: &[Source]) -> Result<(), Misunderstood> {
        if !self.outbox.is(Property::Snapshot) {
            return Ok(());
        }
        let new = sources.iter().filter_map(Source::market).filter(|name| !self.subscriber.names().contains(name));
        weigh_books(self.gateway, self.peer, new)
            .map_err(|error| Misunderstood { code: 2, message: format!("Invalid request: {}", error.message) })
    }

    fn check_names(&self, names: &[StreamName]) -> Result<(), Misunderstood> {
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
        TOO_SLOW | NOT_READING => Some(
            format!(
                r#"{{"e":"slowConsumer","E":{now_ms},"code":-1008,"msg":"This connection did not read its events in time; events were dropped. Reconnect and start from a new snapshot."}}"#
            )
            .into(),
        ),
        _ => None,
    }
}

/// The whole book for a depth stream; `None` of a market that is not listed.
fn snapshot(gateway: &Gateway, name: &StreamName, outbox: &Outbox) -> Option<Frame> {
    let market = gateway.exchange.market_data().market(name.symbol.as_str())?;
    let (listing, now_ms) = (market.listing()?, super::clock_ms());
    let event = match name.kind {
        Kind::Orders => market_events::orders_snapshot(listing, now_ms, &market.orders(ORDERS_MAX)),
        _ => events::depth_snapshot(listing, now_ms, &market.depth(DEPTH_MAX)),
    };
    let event = outbox.unit().event(&event);
    Some(match outbox.is_combined() {
        true => events::combined(&name.to_string(), &event).into(),
        false => Frame::text(&event),
    })
}

/// Moves messages from the outbox to the socket; of whole books one at a time.
async fn write(
    gateway: &Gateway,
    socket: &mut StreamSocket<Io>,
    outbox: &Outbox,
    batch: &mut Vec<Frame>,
) -> Result<(), Over> {
    // First of all, and kept whatever comes: others have begun it.
    socket.take_up(outbox.begun());
    match outbox.take(batch, BATCH) {
        Taken::Overrun => return Err(TOO_SLOW),
        Taken::Snapshot(name) => batch.extend(snapshot(gateway, &name, outbox)),
        Taken::Messages => {}
    }
    socket.take_up(batch.drain(..).map(Frame::into_bytes));
    socket.send().await?;
    outbox.rest();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_opens_and_known_streams_are_listened_to() {
        let names = |path, query| -> Option<(Vec<String>, bool)> {
            let wanted = Wanted::parse(path, query).unwrap()?;
            let name = |source: &Source| match source {
                Source::Market(name) => name.to_string(),
                Source::User(listen_key) => listen_key.clone(),
            };
            Some((wanted.sources.iter().map(name).collect(), wanted.is_combined))
        };
        assert_eq!(names("/ws-api/v3", ""), None);
        assert_eq!(names("/ws", ""), Some((vec![], false)));
        assert_eq!(names("/ws/0", ""), Some((vec![], false)));
        assert_eq!(names("/ws/btcusdt@trade", ""), Some((vec!["btcusdt@trade".into()], false)));
        assert_eq!(names("/ws/btcusdt%40trade", ""), Some((vec!["btcusdt@trade".into()], false)));
        assert_eq!(names("/stream", ""), Some((vec![], true)));
        assert_eq!(names("/stream/", "streams=btcusdt@trade"), names("/stream", "streams=btcusdt@trade"));
        let listen_key = "0f".repeat(32);
        let path = format!("/ws/{listen_key}");
        assert_eq!(names(&path, ""), Some((vec![listen_key.clone()], false)));
        assert_eq!(
            names("/stream", "timeUnit=MICROSECOND&streams=btcusdt@trade/nonsense/ethusdt@depth@100ms"),
            Some((vec!["btcusdt@trade".into(), "ethusdt@depth@100ms".into()], true))
        );
        assert_eq!(Wanted::parse(&path, "afterSequence=7").unwrap().unwrap().after, Some(7));
        for (path, query, code) in [
            ("/ws/btcusdt@trade", "timeUnit=x", -1194),
            (&path, "afterSequence=-1", -1100),
            (&path, "afterSequence=", -1100),
            (&path, "afterSequence=7&life=x", -1100),
            (&path, "life=1", -1128),
            ("/ws/btcusdt@trade", "afterSequence=7", -1128),
        ] {
            assert_eq!(Wanted::parse(path, query).unwrap_err().code, code, "{path} {query}");
        }
        let many = vec!["a@trade"; STREAMS_MAX + 1].join("/");
        assert!(Wanted::parse("/stream", &format!("streams={many}")).is_err());
    }
}
