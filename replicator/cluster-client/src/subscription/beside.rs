//! A cast beside the link of a stream: the partition's events, sent once for all gateways.
//!
//! ```text
//!          a message reaches as far as the stream has come
//!   link  ───────────────────────────────────────────────►  cast
//!         ◄───────────────────────────────────────────────
//!          one is missing, or what the link says was sent is not seen for `PATIENCE`
//! ```
//!
//! While the cast has it, the link is asked for nothing; when the cast fails, it is asked from the next position on. Each
//! message says where it begins, so whatever comes by either way, late, twice or not at all, a position is yielded once and in
//! order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wire::codec::v1;
use wire::link::cast::CastMessage;
use wire::link::{CastOpen, CastSent, Frame, JoinCast, Place, Subscribe, Unsubscribe};
use wire::{LogPosition, NodeId};

use super::{AVOID_GONE, Output, Subscription};
use crate::StreamItem;

/// What the link says was sent and is not seen after this is lost.
const PATIENCE: Duration = Duration::from_millis(50);
/// After a cast has failed, the link has the stream for so long at least.
const REST: Duration = Duration::from_millis(500);

/// A message that reaches further beyond what a stream has is no node's: at a million commands a second, over an hour at once.
const AHEAD_MAX: u64 = 1 << 32;
/// A node that closed the link when it was asked for a cast is of a build that knows none; it is not asked again for so long.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What is counted of casts. Read from any thread.
#[derive(Debug, Default)]
pub struct CastCounters {
    /// Messages that came by Aeron and were opened.
    pub messages: AtomicU64,
    /// Messages that no key opens, or that came again.
    pub refused: AtomicU64,
    /// Messages for a stream whose consumer had no room: it takes them from its link.
    pub dropped: AtomicU64,
    /// Streams that have their events by a cast now.
    pub following: AtomicU64,
    /// Times that a cast took a stream over from its link.
    pub begun: AtomicU64,
    /// Times that a message was missing.
    pub gaps: AtomicU64,
    /// Times that nothing was seen of what was sent.
    pub fallen: AtomicU64,
    /// Times that there was no media driver.
    pub driver_lost: AtomicU64,
}

impl CastCounters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a stream knows of its cast.
#[derive(Debug)]
pub(super) struct Beside {
    place: Place,
    state: State,
    /// The link says that so far was sent.
    sent: LogPosition,
    rest_until: Instant,
    /// It was asked for over this link, which has brought nothing since.
    is_asked: bool,
    /// Nodes that are not asked, and until when.
    unasked: BTreeMap<NodeId, Instant>,
    counters: Arc<CastCounters>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The node has offered none.
    Unknown,
    /// It is listened to; the link has the stream.
    Link,
    /// It has the stream. Since when something up to this position is missed, if it is.
    Cast(Option<(LogPosition, Instant)>),
}

impl Subscription {
    /// Takes casts there as well, from the next connection on.
    pub fn take_casts(&mut self, place: Place, counters: Arc<CastCounters>, now: Instant) {
        let (state, sent) = (State::Unknown, LogPosition::ZERO);
        let (rest_until, is_asked, unasked) = (now, false, BTreeMap::new());
        self.beside = Some(Beside { place, state, sent, rest_until, is_asked, unasked, counters });
    }

    /// Whether casts that were offered are still to be listened to.
    pub fn is_listening(&self) -> bool {
        self.beside.as_ref().is_some_and(|beside| beside.state != State::Unknown)
    }

    /// A message of a cast that was offered.
    pub fn on_cast(&mut self, message: &[u8], now: Instant) {
        if !self.is_listening() {
            return;
        }
        let read = CastMessage::read(message).ok().filter(|message| message.partition == self.partition);
        let furthest = self.next.get().saturating_add(AHEAD_MAX);
        let Some(message) = read.filter(|message| message.upto.get() < furthest) else { return self.refuse_cast(now) };
        if message.after >= self.next {
            return self.on_missing(now);
        }
        let mut items = Vec::new();
        for (head, payload) in message.events.iter().filter(|(head, _)| head.position >= self.next) {
            let Ok(events) = v1::decode_events(payload) else { return self.refuse_cast(now) };
            let (position, timestamp, origin) = (head.position, head.timestamp, head.origin);
            items.push(StreamItem::Events { position, timestamp, origin, events });
        }
        let upto = message.upto;
        if upto >= self.next {
            self.items.extend(items);
            self.items.push_back(StreamItem::Progress { position: upto });
            self.next = upto.next();
        }
        self.on_reached(upto, now);
    }

    /// What is authentic and not understood is no better over the link.
    fn refuse_cast(&mut self, now: Instant) {
        tracing::error!(node = %self.node, partition = %self.partition, "a cast has what is no message of this version");
        self.abandon(AVOID_GONE, now);
    }

    /// A message without a gap reaches up to there.
    fn on_reached(&mut self, upto: LogPosition, now: Instant) {
        let Some(beside) = &mut self.beside else { return };
        match beside.state {
            State::Link if upto.next() >= self.next && now >= beside.rest_until => {
                CastCounters::add(&beside.counters.begun);
                CastCounters::add(&beside.counters.following);
                beside.state = State::Cast(beside.owed(self.next, now));
                self.connection.send(&Frame::Unsubscribe(Unsubscribe { partition: self.partition }));
                tracing::debug!(node = %self.node, partition = %self.partition, %upto, "events come by Aeron");
            }
            State::Cast(Some((owed, _))) if owed < self.next => beside.state = State::Cast(beside.owed(self.next, now)),
            _ => {}
        }
    }

    fn on_missing(&mut self, now: Instant) {
        if let Some(beside) = self.beside.as_ref().filter(|beside| matches!(beside.state, State::Cast(_))) {
            CastCounters::add(&beside.counters.gaps);
            self.fall_back(now);
        }
    }

    /// The link has the stream again.
    fn fall_back(&mut self, now: Instant) {
        let Some(beside) = &mut self.beside else { return };
        beside.leave(State::Link);
        beside.rest_until = now + REST;
        let subscribe = Subscribe { partition: self.partition, from: self.next };
        self.connection.send(&Frame::Subscribe(subscribe));
        tracing::debug!(node = %self.node, partition = %self.partition, next = %self.next, "events come over the link");
    }

    /// The node was greeted.
    pub(super) fn join_cast(&mut self, now: Instant) {
        let node = self.node;
        let beside = self.beside.as_mut().filter(|beside| beside.unasked.get(&node).is_none_or(|until| *until <= now));
        if let Some(beside) = beside {
            beside.is_asked = true;
            self.connection.send(&Frame::JoinCast(JoinCast { partition: self.partition, place: beside.place }));
        }
    }

    /// The node has answered what it was asked: it knows of casts, or streams although it does not.
    pub(super) fn on_heard(&mut self) {
        self.beside.iter_mut().for_each(|beside| beside.is_asked = false);
    }

    /// The node has closed the link, or the network has. One that knows of no casts does so at the question, so it is not asked
    /// on the next link; for another that ended just then its link alone is no loss.
    pub(super) fn on_cut(&mut self, now: Instant) {
        let node = self.node;
        if let Some(beside) = self.beside.as_mut().filter(|beside| beside.is_asked) {
            tracing::info!(%node, "the link has closed when the node was asked for a cast: not asked again for a while");
            beside.unasked.retain(|_, until| *until > now);
            beside.unasked.insert(node, now + ASK_AGAIN_AFTER);
        }
        self.forget_cast();
    }

    /// The node says where a cast is and what opens it.
    pub(super) fn on_cast_open(&mut self, open: CastOpen) {
        self.on_heard();
        let Some(beside) = self.beside.as_mut().filter(|_| open.partition == self.partition) else { return };
        if beside.state == State::Unknown {
            beside.state = State::Link;
        }
        self.outputs.push_back(Output::Listen { node: self.node, open });
    }

    /// The node says how far the cast has come.
    pub(super) fn on_cast_sent(&mut self, sent: CastSent, now: Instant) {
        let Some(beside) = self.beside.as_mut().filter(|_| sent.partition == self.partition) else { return };
        beside.sent = beside.sent.max(sent.position);
        if beside.state == State::Cast(None) {
            beside.state = State::Cast(beside.owed(self.next, now));
        }
    }

    /// Whether what was sent should have been seen by now.
    pub(super) fn look_at_cast(&mut self, now: Instant) {
        if self.cast_timeout().is_some_and(|due| due <= now) {
            self.beside.iter().for_each(|beside| CastCounters::add(&beside.counters.fallen));
            tracing::warn!(node = %self.node, partition = %self.partition, "nothing is seen of what goes by Aeron");
            self.fall_back(now);
        }
    }

    /// When that is to be looked at.
    pub(super) fn cast_timeout(&self) -> Option<Instant> {
        match self.beside.as_ref()?.state {
            State::Cast(Some((_, since))) => Some(since + PATIENCE),
            _ => None,
        }
    }

    /// The link is gone, and what was agreed over it.
    pub(super) fn forget_cast(&mut self) {
        if let Some(beside) = &mut self.beside {
            beside.leave(State::Unknown);
            (beside.sent, beside.is_asked) = (LogPosition::ZERO, false);
        }
    }
}

impl Beside {
    /// What was sent and is missed from now on.
    fn owed(&self, next: LogPosition, now: Instant) -> Option<(LogPosition, Instant)> {
        (self.sent >= next).then_some((self.sent, now))
    }

    fn leave(&mut self, for_state: State) {
        if matches!(self.state, State::Cast(_)) {
            self.counters.following.fetch_sub(1, Ordering::Relaxed);
        }
        self.state = for_state;
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.leave(State::Unknown);
    }
}

#[cfg(test)]
mod tests;
