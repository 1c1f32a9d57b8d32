//! The subscriptions of every client, by market, and publishing to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use wire::{Symbol, Timestamp};

use super::beat::Told;
use super::couriers::Couriers;
use super::events;
use super::frame::Frame;
use super::market_events;
use super::name::{Kind, Pace, StreamName};
use super::outbox::{Content, Merged, Outbox, Property};
use crate::market_data::book::{Depth, DepthDiff};
use crate::market_data::{Listing, Publish, Update};
use crate::time_unit::TimeUnit;

/// The most streams of one connection.
pub const STREAMS_MAX: usize = 1_024;

/// Who listens to what.
#[derive(Default)]
pub struct Hub {
    groups: RwLock<HashMap<Symbol, Arc<Group>>>,
    /// The markets that have a group, with the subscribers of them order by order. Nothing else is taken while this is
    /// held.
    wanted: RwLock<HashMap<Symbol, usize>>,
    /// Streams of every market.
    all: Group,
    counts: Arc<[Count; Kind::LABELS.len()]>,
    couriers: OnceLock<Arc<Couriers>>,
}

/// What was told of one kind of stream.
#[derive(Default)]
struct Count {
    subscribers: AtomicU64,
    events: AtomicU64,
    deliveries: AtomicU64,
}

/// What was told of one kind of stream, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// The kind's name.
    pub stream: &'static str,
    /// Subscriptions now.
    pub subscribers: u64,
    /// Events written so far.
    pub events: u64,
    /// Events queued for a subscriber so far.
    pub deliveries: u64,
}

/// The streams of one market that somebody listens to.
#[derive(Default)]
pub(super) struct Group {
    topics: Mutex<Vec<Topic>>,
    /// As many as there are topics, to be read without the lock.
    count: AtomicUsize,
}

/// One stream and its subscribers: at least one.
pub(super) struct Topic {
    pub(super) name: StreamName,
    text: String,
    subscribers: Vec<Arc<Outbox>>,
    /// How often anything was told: who is told first, takes turns.
    turn: u32,
    counts: Arc<[Count; Kind::LABELS.len()]>,
    /// Depth of the running second of log time, of streams that speak once a second.
    second: Option<Second>,
    /// What was told last, of streams that follow a beat.
    pub(super) told: Told,
}

struct Second {
    number: u64,
    what: Gathered,
}

enum Gathered {
    Changes(Merged),
    Top(Arc<Listing>, Arc<Depth>),
}

/// The frames of one event, each made when the first subscriber wants it.
struct Formats {
    event: String,
    /// By [`Shape::index`].
    frames: [Option<Frame>; Shape::COUNT],
}

/// How a subscriber is told an event.
#[derive(Clone, Copy)]
struct Shape {
    is_combined: bool,
    unit: TimeUnit,
    /// With this checksum.
    checksum: Option<u32>,
}

impl Shape {
    const COUNT: usize = 8;

    fn index(self) -> usize {
        usize::from(self.is_combined)
            + 2 * usize::from(self.unit == TimeUnit::Microsecond)
            + 4 * usize::from(self.checksum.is_some())
    }

    fn write(self, stream: &str, event: &str) -> Frame {
        let mut text = self.unit.event(event);
        if let Some(checksum) = self.checksum {
            text = events::with_checksum(&text, checksum).into();
        }
        if self.is_combined { events::combined(stream, &text).into() } else { Frame::text(&text) }
    }
}

impl Formats {
    fn new(event: String) -> Formats {
        Formats { event, frames: Default::default() }
    }

    fn frame(&mut self, stream: &str, shape: Shape) -> &Frame {
        self.frames[shape.index()].get_or_insert_with(|| shape.write(stream, &self.event))
    }
}

impl Topic {
    fn new(name: StreamName, counts: Arc<[Count; Kind::LABELS.len()]>) -> Topic {
        let (text, subscribers) = (name.to_string(), Vec::new());
        Topic { name, text, subscribers, turn: 0, counts, second: None, told: Told::default() }
    }

    /// Queues events that must all be seen for every subscriber, in one walk: what one order did comes to each in one piece.
    fn tell_every(&mut self, events: impl Iterator<Item = String>) {
        let mut formats: Vec<_> = events.map(Formats::new).collect();
        if formats.is_empty() {
            return;
        }
        self.count(formats.len());
        for subscriber in self.in_turn() {
            let shape = Shape { is_combined: subscriber.is_combined(), unit: subscriber.unit(), checksum: None };
            subscriber.push_every(&self.name, formats.iter_mut().map(|formats| formats.frame(&self.text, shape)));
        }
    }

    /// Every subscriber, from another one on each time: thousands are told one after the other, and nobody is to be among
    /// the last for ever.
    fn in_turn(&self) -> impl Iterator<Item = &Arc<Outbox>> {
        // Multiples of the golden ratio fall between those before: a few turns are fair already. The product's upper half
        // is below the number of subscribers.
        let fraction = u64::from(self.turn.wrapping_mul(0x9e37_79b9));
        let first = (fraction * self.subscribers.len() as u64) >> u32::BITS;
        let (before, after) = self.subscribers.split_at(first as usize);
        after.iter().chain(before)
    }

    fn count(&mut self, events: usize) {
        self.turn = self.turn.wrapping_add(1);
        let count = &self.counts[self.name.kind.label()];
        count.events.fetch_add(events as u64, Ordering::Relaxed);
        count.deliveries.fetch_add((events * self.subscribers.len()) as u64, Ordering::Relaxed);
    }

    /// Queues an event for every subscriber, wrapped once if anybody wants it so.
    pub(super) fn tell(&mut self, event: String, content: Content<'_>) {
        self.count(1);
        let mut formats = Formats::new(event);
        for subscriber in self.in_turn() {
            let checksum = match content {
                Content::Changes { checksum, .. } if subscriber.is(Property::Checksum) => Some(checksum),
                _ => None,
            };
            let shape = Shape { is_combined: subscriber.is_combined(), unit: subscriber.unit(), checksum };
            subscriber.push(&self.name, formats.frame(&self.text, shape), content);
        }
    }

    fn window(&mut self, listing: &Arc<Listing>, at_ms: u64, diff: &DepthDiff, depth: &Arc<Depth>) {
        match self.name.kind {
            Kind::Depth(Pace::Window) => {
                let checksum = events::checksum(listing, depth);
                let content = Content::Changes { listing, at_ms, diff, checksum };
                self.tell(events::depth_update(listing, at_ms, diff), content);
            }
            Kind::PartialDepth(count, Pace::Window) => {
                self.tell(events::partial_depth(listing, depth, usize::from(count)), Content::Latest);
            }
            Kind::Depth(Pace::Second) => {
                self.end_second(at_ms / 1_000);
                let checksum = events::checksum(listing, depth);
                match &mut self.second {
                    Some(Second { what: Gathered::Changes(merged), .. }) => merged.add(at_ms, diff, checksum),
                    second => {
                        let what = Gathered::Changes(Merged::new(listing, at_ms, diff, checksum));
                        *second = Some(Second { number: at_ms / 1_000, what });
                    }
                }
            }
            Kind::PartialDepth(_, Pace::Second) => {
                self.end_second(at_ms / 1_000);
                let what = Gathered::Top(listing.clone(), depth.clone());
                self.second = Some(Second { number: at_ms / 1_000, what });
            }
            _ => {}
        }
    }

    /// Tells what was gathered in a second before `number`.
    pub(super) fn end_second(&mut self, number: u64) {
        let Some(second) = self.second.take_if(|second| second.number < number) else { return };
        match (second.what, self.name.kind) {
            (Gathered::Changes(merged), _) => {
                let (listing, at_ms, checksum) = (merged.listing().clone(), merged.at_ms(), merged.checksum());
                let diff = merged.into_diff();
                let content = Content::Changes { listing: &listing, at_ms, diff: &diff, checksum };
                self.tell(events::depth_update(&listing, at_ms, &diff), content);
            }
            (Gathered::Top(listing, depth), Kind::PartialDepth(count, _)) => {
                self.tell(events::partial_depth(&listing, &depth, usize::from(count)), Content::Latest);
            }
            _ => {}
        }
    }
}

impl Group {
    pub(super) fn topics(&self) -> MutexGuard<'_, Vec<Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_wanted(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    fn add(&self, name: StreamName, outbox: &Arc<Outbox>, counts: &Arc<[Count; Kind::LABELS.len()]>) {
        let mut topics = self.topics();
        let index = topics.iter().position(|topic| topic.name == name).unwrap_or_else(|| {
            topics.push(Topic::new(name, Arc::clone(counts)));
            topics.len() - 1
        });
        if name.is_of_book() && outbox.is(Property::Snapshot) {
            // Its place before the stream's events; the book is read and written when its turn comes, with no lock of ours.
            outbox.push_snapshot(name);
        }
        topics[index].subscribers.push(outbox.clone());
        topics[index].told.repeat();
        self.count.store(topics.len(), Ordering::Release);
    }

    /// Whether nobody listens any more.
    fn remove(&self, name: &StreamName, outbox: &Arc<Outbox>) -> bool {
        let mut topics = self.topics();
        if let Some(index) = topics.iter().position(|topic| topic.name == *name) {
            let subscribers = &mut topics[index].subscribers;
            if let Some(place) = subscribers.iter().position(|subscriber| Arc::ptr_eq(subscriber, outbox)) {
                subscribers.swap_remove(place);
            }
            if subscribers.is_empty() {
                topics.swap_remove(index);
            }
        }
        self.count.store(topics.len(), Ordering::Release);
        topics.is_empty()
    }
}

impl Hub {
    /// The streams of a market that somebody listens to.
    pub(super) fn group(&self, symbol: &Symbol) -> Option<Arc<Group>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).get(symbol).cloned()
    }

    /// Streams of every market that somebody listens to.
    pub(super) fn all(&self) -> &Group {
        &self.all
    }

    /// Who writes to its subscribers, in the runtime that asked first.
    pub fn couriers(&self) -> &Arc<Couriers> {
        self.couriers.get_or_init(Couriers::of_this_runtime)
    }

    /// Clients that couriers have been called to, and who have not been visited yet.
    pub fn calls(&self) -> usize {
        self.couriers.get().map_or(0, |couriers| couriers.calls())
    }

    /// What was told so far, by kind of stream.
    pub fn census(&self) -> impl Iterator<Item = Census> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Kind::LABELS.into_iter().zip(self.counts.iter()).map(move |(stream, count)| Census {
            stream,
            subscribers: read(&count.subscribers),
            events: read(&count.events),
            deliveries: read(&count.deliveries),
        })
    }

    fn add(&self, name: StreamName, outbox: &Arc<Outbox>) {
        self.counts[name.kind.label()].subscribers.fetch_add(1, Ordering::Relaxed);
        if name.is_of_all() {
            return self.all.add(name, outbox, &self.counts);
        }
        // Adding under the table's lock: a group is never dropped between being found and being used.
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        groups.entry(name.symbol).or_default().add(name, outbox, &self.counts);
        let mut wanted = self.wanted.write().unwrap_or_else(PoisonError::into_inner);
        *wanted.entry(name.symbol).or_default() += usize::from(name.kind == Kind::Orders);
    }

    fn remove(&self, name: &StreamName, outbox: &Arc<Outbox>) {
        self.counts[name.kind.label()].subscribers.fetch_sub(1, Ordering::Relaxed);
        if name.is_of_all() {
            self.all.remove(name, outbox);
            return;
        }
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let is_over = groups.get(&name.symbol).is_some_and(|group| group.remove(name, outbox));
        let mut wanted = self.wanted.write().unwrap_or_else(PoisonError::into_inner);
        if is_over {
            groups.remove(&name.symbol);
            wanted.remove(&name.symbol);
        } else if name.kind == Kind::Orders
            && let Some(subscribers) = wanted.get_mut(&name.symbol)
        {
            *subscribers = subscribers.saturating_sub(1);
        }
    }
}

impl Publish for Hub {
    fn is_wanted(&self, symbol: &Symbol) -> bool {
        self.all.is_wanted() || self.wanted.read().unwrap_or_else(PoisonError::into_inner).contains_key(symbol)
    }

    fn wants_orders(&self, symbol: &Symbol) -> bool {
        let wanted = self.wanted.read().unwrap_or_else(PoisonError::into_inner);
        wanted.get(symbol).is_some_and(|subscribers| *subscribers > 0)
    }

    fn publish(&self, symbol: &Symbol, listing: &Arc<Listing>, at: Timestamp, updates: &[Update]) {
        if let Some(group) = self.group(symbol) {
            for topic in group.topics().iter_mut() {
                publish_to(topic, listing, at.millis(), updates);
            }
        }
        if self.all.is_wanted() {
            for topic in self.all.topics().iter_mut().filter(|topic| topic.name.kind == Kind::AllBookTickers) {
                updates.iter().for_each(|update| publish_one(topic, listing, at.millis(), update));
            }
        }
    }
}

fn publish_to(topic: &mut Topic, listing: &Arc<Listing>, at_ms: u64, updates: &[Update]) {
    match topic.name.kind {
        Kind::Trade => topic.tell_every(updates.iter().filter_map(|update| match update {
            Update::Trade(trade) => Some(events::trade(listing, trade)),
            _ => None,
        })),
        Kind::AggTrade => topic.tell_every(updates.iter().filter_map(|update| match update {
            Update::AggTrade(trade) => Some(events::agg_trade(listing, trade)),
            _ => None,
        })),
        _ => updates.iter().for_each(|update| publish_one(topic, listing, at_ms, update)),
    }
}

fn publish_one(topic: &mut Topic, listing: &Arc<Listing>, at_ms: u64, update: &Update) {
    match (topic.name.kind, update) {
        (Kind::BookTicker, Update::Best { best, last }) => {
            topic.tell(events::book_ticker(listing, *best, *last), Content::Latest);
        }
        // Held back by market: the latest of one must not supersede another's.
        (Kind::AllBookTickers, Update::Best { best, last }) => {
            topic.tell(events::book_ticker(listing, *best, *last), Content::Every);
        }
        (Kind::Orders, Update::Orders(changes)) => {
            topic.tell(market_events::orders(listing, at_ms, changes), Content::Every);
        }
        (Kind::Status, Update::Phase(changed)) => {
            topic.tell(market_events::status(listing, at_ms, changed), Content::Every);
        }
        (Kind::Auction, Update::Indicated(indicated)) => {
            topic.tell(market_events::indicated(listing, at_ms, indicated), Content::Latest);
        }
        (Kind::Auction, Update::Completed(completed)) => {
            topic.tell(market_events::completed(listing, at_ms, completed), Content::Every);
        }
        (Kind::Depth(_) | Kind::PartialDepth(..), Update::Window { diff, depth }) => {
            topic.window(listing, at_ms, diff, depth);
        }
        _ => {}
    }
}

/// Why a stream was not subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribeError {
    /// The connection listens to [`STREAMS_MAX`] streams.
    TooMany,
}

/// One client's subscriptions; they end when it is dropped.
pub struct Subscriber {
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
    names: Vec<StreamName>,
}

impl Subscriber {
    /// Listens to nothing yet; events will come to `outbox`.
    pub fn new(hub: Arc<Hub>, outbox: Arc<Outbox>) -> Subscriber {
        Subscriber { hub, outbox, names: Vec::new() }
    }

    /// Its streams, in the order they were subscribed.
    pub fn names(&self) -> &[StreamName] {
        &self.names
    }

    /// Whether so many of `names` as are new still fit.
    pub fn check(&self, names: &[StreamName]) -> Result<(), SubscribeError> {
        let new = names.iter().filter(|name| !self.names.contains(name)).count();
        if self.names.len() + new > STREAMS_MAX { Err(SubscribeError::TooMany) } else { Ok(()) }
    }

    /// Listens to a stream, of depth from the whole book on if the client wishes so; one it listens to already stays
    /// as it is.
    pub fn subscribe(&mut self, name: StreamName) -> Result<(), SubscribeError> {
        if self.names.contains(&name) {
            return Ok(());
        }
        if self.names.len() == STREAMS_MAX {
            return Err(SubscribeError::TooMany);
        }
        self.names.push(name);
        self.hub.add(name, &self.outbox);
        Ok(())
    }

    /// Listens to a stream no more, if it did.
    pub fn unsubscribe(&mut self, name: &StreamName) {
        if let Some(index) = self.names.iter().position(|known| known == name) {
            self.names.remove(index);
            self.hub.remove(name, &self.outbox);
            self.outbox.forget(name);
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        for name in &self.names {
            self.hub.remove(name, &self.outbox);
            // Nobody makes its whole book any more, which the answers behind it would wait for.
            self.outbox.forget(name);
        }
    }
}

#[cfg(test)]
mod tests;
