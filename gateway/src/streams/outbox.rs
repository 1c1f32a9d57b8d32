//! What waits to be written to one client: a bounded queue whose bytes are shared with every other client.
//!
//! A client that reads in time gets every event as it was published. One that does not:
//!
//! 1. From [`Bounds::conflate_messages`] or [`Bounds::conflate_bytes`] waiting on, depth changes are merged
//!    into one event per stream (still gapless: its `U` follows the `u` before), and of what supersedes
//!    itself (partial depth, best prices, tickers, klines) only the latest is kept. Trades still queue.
//! 2. At [`Bounds::messages_max`] or [`Bounds::bytes_max`] waiting, or when it has not caught up within
//!    [`Bounds::conflated_max`], its queue is given up: it is sent a notice, and closed.
//!
//! Publishing never waits: whatever a client does, it costs the others one short lock. Who writes what waits is the
//! matter of [`floor`].

mod conflated;
mod floor;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;
use wire::{Price, Qty, UpdateId};

use self::conflated::Conflated;
pub use self::floor::Wire;
use self::floor::{Carriage, Floor};
use super::events;
use super::frame::Frame;
use super::name::StreamName;
use crate::accounts::Right;
use crate::market_data::Listing;
use crate::market_data::book::DepthDiff;
use crate::time_unit::TimeUnit;

/// How far behind a client may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// So many messages waiting: conflate.
    pub conflate_messages: usize,
    /// So many bytes waiting: conflate.
    pub conflate_bytes: usize,
    /// So many messages waiting: close.
    pub messages_max: usize,
    /// So many bytes waiting: close.
    pub bytes_max: usize,
    /// Conflated for so long without having caught up once: close.
    pub conflated_max: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            conflate_messages: 256,
            conflate_bytes: 512 * 1024,
            messages_max: 8_192,
            bytes_max: 4 * 1024 * 1024,
            conflated_max: Duration::from_secs(20),
        }
    }
}

/// What a client may wish of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// Events are wrapped as `{"stream":..,"data":..}`.
    Combined,
    /// A depth stream begins with the whole book.
    Snapshot,
    /// Depth updates carry a checksum of the book.
    Checksum,
    /// User events carry their numbers.
    Sequence,
}

impl Property {
    /// Every property.
    pub const ALL: [Property; 4] = [Property::Combined, Property::Snapshot, Property::Checksum, Property::Sequence];

    /// As clients call it.
    pub const fn name(self) -> &'static str {
        match self {
            Property::Combined => "combined",
            Property::Snapshot => "snapshot",
            Property::Checksum => "checksum",
            Property::Sequence => "sequence",
        }
    }
}

/// What a message is to a client that is behind.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// Must be seen: trades, answers.
    Every,
    /// Superseded by the next one of its stream.
    Latest,
    /// Changes that can be merged with the next ones of its stream.
    Changes {
        /// Of which market.
        listing: &'a Arc<Listing>,
        /// Log time of the last one.
        at_ms: u64,
        /// The changes.
        diff: &'a DepthDiff,
        /// Of the book after them.
        checksum: u32,
    },
}

/// The queue of one client.
pub struct Outbox {
    bounds: Bounds,
    state: Mutex<State>,
    /// Something waits, or the queue was given up.
    stirred: Notify,
    /// The queue was given up: interrupts a write that does not progress.
    overrun: Notify,
    properties: [AtomicBool; Property::ALL.len()],
    unit: TimeUnit,
    /// How couriers reach the client; without, its task writes everything.
    carriage: Option<Carriage>,
}

#[derive(Default)]
struct State {
    floor: Floor,
    /// The rest of what a courier began to write.
    begun: Vec<Bytes>,
    queue: VecDeque<Waiting>,
    bytes: usize,
    /// What is held back while the client is behind, in the order of its first event.
    held: Vec<Held>,
    conflated: Option<Conflated>,
    is_overrun: bool,
}

enum Waiting {
    Frame(Frame),
    /// A user event, told as long as its key may be used.
    User(Frame, Right),
    /// A whole book, to be written when it is this one's turn.
    Snapshot(StreamName),
}

struct Held {
    stream: StreamName,
    what: HeldContent,
}

enum HeldContent {
    Latest(Frame),
    Changes(Merged),
}

/// Depth changes of consecutive windows as one.
pub(super) struct Merged {
    listing: Arc<Listing>,
    at_ms: u64,
    first: UpdateId,
    last: UpdateId,
    checksum: u32,
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
}

impl Merged {
    pub(super) fn new(listing: &Arc<Listing>, at_ms: u64, diff: &DepthDiff, checksum: u32) -> Merged {
        Merged {
            listing: listing.clone(),
            at_ms,
            first: diff.first,
            last: diff.last,
            checksum,
            bids: diff.bids.iter().copied().collect(),
            asks: diff.asks.iter().copied().collect(),
        }
    }

    pub(super) fn add(&mut self, at_ms: u64, diff: &DepthDiff, checksum: u32) {
        self.at_ms = at_ms;
        self.last = diff.last;
        self.checksum = checksum;
        self.bids.extend(diff.bids.iter().copied());
        self.asks.extend(diff.asks.iter().copied());
    }

    pub(super) fn checksum(&self) -> u32 {
        self.checksum
    }

    pub(super) fn at_ms(&self) -> u64 {
        self.at_ms
    }

    pub(super) fn listing(&self) -> &Arc<Listing> {
        &self.listing
    }

    pub(super) fn into_diff(self) -> DepthDiff {
        DepthDiff {
            first: self.first,
            last: self.last,
            bids: self.bids.into_iter().rev().collect(),
            asks: self.asks.into_iter().collect(),
        }
    }
}

/// What [`Outbox::take`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Something to write, or nothing.
    Messages,
    /// The whole book of this depth stream is to be read now, and written before anything else is taken.
    Snapshot(StreamName),
    /// The client was too far behind: tell it and close.
    Overrun,
}

impl Outbox {
    /// Empty; `is_combined` says how events are wrapped.
    pub fn new(bounds: Bounds, is_combined: bool) -> Outbox {
        Outbox {
            bounds,
            state: Mutex::default(),
            stirred: Notify::new(),
            overrun: Notify::new(),
            properties: Property::ALL.map(|property| AtomicBool::new(is_combined && property == Property::Combined)),
            unit: TimeUnit::default(),
            carriage: None,
        }
    }

    /// Whose events tell their times in `unit`.
    pub fn in_unit(self, unit: TimeUnit) -> Outbox {
        Outbox { unit, ..self }
    }

    /// In what times are told.
    pub fn unit(&self) -> TimeUnit {
        self.unit
    }

    /// Whether the client wishes so.
    pub fn is(&self, property: Property) -> bool {
        self.properties[property as usize].load(Ordering::Relaxed)
    }

    /// Holds for events that are published from now on.
    pub fn set(&self, property: Property, value: bool) {
        self.properties[property as usize].store(value, Ordering::Relaxed);
    }

    /// Whether events are wrapped as `{"stream":..,"data":..}`.
    pub fn is_combined(&self) -> bool {
        self.is(Property::Combined)
    }

    /// Queues an answer.
    pub fn push_answer(self: &Arc<Self>, frame: Frame) {
        let mut state = self.lock();
        self.enqueue(&mut state, Waiting::Frame(frame));
        self.stir(state);
    }

    /// Queues a user event. When its turn comes and its key may no longer be used, it is not told.
    pub fn push_user(self: &Arc<Self>, frame: Frame, right: Right) {
        let mut state = self.lock();
        self.enqueue(&mut state, Waiting::User(frame, right));
        self.stir(state);
    }

    /// Queues the whole book of a depth stream. What it tells is what it is when its turn comes: events of the stream
    /// that wait behind it may be in it already.
    pub(super) fn push_snapshot(self: &Arc<Self>, stream: StreamName) {
        let mut state = self.lock();
        self.enqueue(&mut state, Waiting::Snapshot(stream));
        self.stir(state);
    }

    /// Queues an event of a stream, or merges it with what is held back.
    pub fn push(self: &Arc<Self>, stream: &StreamName, frame: &Frame, content: Content<'_>) {
        let mut state = self.lock();
        if self.admit(&mut state, stream, frame, content) {
            self.stir(state);
        }
    }

    /// Queues events of a stream that must all be seen, as one: nobody comes for the first before the last is there.
    pub fn push_every<'a>(self: &Arc<Self>, stream: &StreamName, frames: impl Iterator<Item = &'a Frame>) {
        let mut state = self.lock();
        let admitted = frames.filter(|frame| self.admit(&mut state, stream, frame, Content::Every)).count();
        if admitted > 0 {
            self.stir(state);
        }
    }

    /// `false` for a client that is given up.
    fn admit(&self, state: &mut State, stream: &StreamName, frame: &Frame, content: Content<'_>) -> bool {
        if state.is_overrun {
            return false;
        }
        let is_far = state.queue.len() >= self.bounds.conflate_messages || state.bytes >= self.bounds.conflate_bytes;
        if let Some(conflated) = &mut state.conflated {
            if conflated.lasts(Instant::now()) >= self.bounds.conflated_max {
                self.give_up(state);
                return false;
            }
        } else if is_far {
            state.conflated = Some(Conflated::since(Instant::now()));
        }
        if state.conflated.is_none() || matches!(content, Content::Every) {
            // What the stream said before is not told after this: a kline that has closed does not run again.
            if let Some(said) = let_go(&mut state.held, stream) {
                self.enqueue(state, Waiting::Frame(said));
            }
            self.enqueue(state, Waiting::Frame(frame.clone()));
        } else {
            hold(&mut state.held, stream, frame, content);
        }
        true
    }

    /// Nothing of this stream is wanted any more.
    pub fn forget(&self, stream: &StreamName) {
        let mut state = self.lock();
        state.held.retain(|held| held.stream != *stream);
        state.queue.retain(|waiting| !matches!(waiting, Waiting::Snapshot(of) if of == stream));
    }

    /// Moves up to `max` messages into `batch`. When the queue runs empty, what was held back follows.
    pub fn take(&self, batch: &mut Vec<Frame>, max: usize) -> Taken {
        let mut state = self.lock();
        if state.is_overrun {
            return Taken::Overrun;
        }
        if state.floor != Floor::Task {
            return Taken::Messages;
        }
        if !state.begun.is_empty() {
            // A courier has just left it: it comes first.
            self.stirred.notify_one();
            return Taken::Messages;
        }
        if let Some(Waiting::Snapshot(stream)) = state.queue.front() {
            let stream = *stream;
            state.queue.pop_front();
            self.stirred.notify_one();
            return Taken::Snapshot(stream);
        }
        for _ in 0..max {
            let next = state.queue.pop_front_if(|waiting| !matches!(waiting, Waiting::Snapshot(_)));
            let Some(waiting) = next else { break };
            batch.extend(state.told(waiting));
        }
        if !state.queue.is_empty() {
            self.stirred.notify_one();
            return Taken::Messages;
        }
        state.conflated = None;
        let held = std::mem::take(&mut state.held);
        drop(state);
        let (is_combined, has_checksum) = (self.is_combined(), self.is(Property::Checksum));
        batch.extend(held.into_iter().map(|held| held.into_frame(is_combined, self.unit, has_checksum)));
        Taken::Messages
    }

    /// Waits until [`Outbox::take`] has something to say.
    pub async fn stirred(&self) {
        self.stirred.notified().await;
    }

    /// Waits until the client is given up.
    pub async fn overrun(&self) {
        if !self.lock().is_overrun {
            self.overrun.notified().await;
        }
    }

    fn enqueue(&self, state: &mut State, waiting: Waiting) {
        if state.is_overrun {
            return;
        }
        if state.queue.len() >= self.bounds.messages_max || state.bytes >= self.bounds.bytes_max {
            return self.give_up(state);
        }
        if let Waiting::Frame(frame) | Waiting::User(frame, _) = &waiting {
            state.bytes += frame.size();
        }
        state.queue.push_back(waiting);
    }

    fn give_up(&self, state: &mut State) {
        // Who writes, and what was begun, must be finished.
        let (floor, begun) = (state.floor, std::mem::take(&mut state.begun));
        *state = State { is_overrun: true, floor, begun, ..State::default() };
        self.stirred.notify_one();
        self.overrun.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What of a message that was taken out is told.
    fn told(&mut self, waiting: Waiting) -> Option<Frame> {
        let (frame, is_told) = match waiting {
            Waiting::Frame(frame) => (frame, true),
            Waiting::User(frame, right) => {
                let holds = right.holds();
                (frame, holds)
            }
            Waiting::Snapshot(_) => return None,
        };
        self.bytes -= frame.size();
        is_told.then_some(frame)
    }
}

fn hold(held: &mut Vec<Held>, stream: &StreamName, frame: &Frame, content: Content<'_>) {
    let known = held.iter_mut().find(|held| held.stream == *stream);
    match (known, content) {
        (Some(known), Content::Changes { at_ms, diff, checksum, .. })
            if matches!(known.what, HeldContent::Changes(_)) =>
        {
            if let HeldContent::Changes(merged) = &mut known.what {
                merged.add(at_ms, diff, checksum);
            }
        }
        (Some(known), _) => known.what = HeldContent::Latest(frame.clone()),
        (None, Content::Changes { listing, at_ms, diff, checksum }) => {
            let merged = Merged::new(listing, at_ms, diff, checksum);
            held.push(Held { stream: *stream, what: HeldContent::Changes(merged) });
        }
        (None, _) => held.push(Held { stream: *stream, what: HeldContent::Latest(frame.clone()) }),
    }
}

/// Takes out what the stream said last.
fn let_go(held: &mut Vec<Held>, stream: &StreamName) -> Option<Frame> {
    let is_said = |held: &mut Held| held.stream == *stream && matches!(held.what, HeldContent::Latest(_));
    held.extract_if(.., is_said).find_map(|held| match held.what {
        HeldContent::Latest(frame) => Some(frame),
        HeldContent::Changes(_) => None,
    })
}

impl Held {
    /// What was held of changes is written for this client alone.
    fn into_frame(self, is_combined: bool, unit: TimeUnit, has_checksum: bool) -> Frame {
        match self.what {
            HeldContent::Latest(frame) => frame,
            HeldContent::Changes(merged) => {
                let (listing, at_ms, checksum) = (merged.listing.clone(), merged.at_ms, merged.checksum);
                let event = events::depth_update(&listing, at_ms, &merged.into_diff());
                let mut event = unit.event(&event).into_owned();
                if has_checksum {
                    event = events::with_checksum(&event, checksum);
                }
                if is_combined { events::combined(&self.stream.to_string(), &event).into() } else { event.into() }
            }
        }
    }
}
