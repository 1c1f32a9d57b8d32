//! Fetches events that a partition's archive lacks here from other nodes, one gap of one partition at a
//! time per node.
//!
//! It goes over the gaps from the first to the last, again and again until nothing is missing. Whom it asks for a position has
//! that, or says which one it has next. When nobody in reach has a position, it goes on with the next that somebody has: what no
//! archive has any more does not keep away what lies behind it. And as a node may have by now what it lacked when it was asked,
//! every pass asks everybody anew. Who has not come as far as a position yet says so: it is not lost, and others are asked.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;

use replicator::Past;
use replicator::net::{Full, LinkId, Links};
use wire::link::{Frame, Refusal, Subscribe, Unsubscribe};
use wire::{LogPosition, NodeId, PartitionId, Timestamp};

use crate::archive::{Gap, Missing, before};

/// Another node is tried when one is silent for so long.
const SILENCE_NS_MAX: u64 = 2_000_000_000;
/// The pause after a failed attempt,
const RETRY_NS: u64 = 200_000_000;
/// after a pass that left something missing,
const PASS_PAUSE_NS: u64 = 1_000_000_000;
/// and when that is known to be lost.
const LOST_PAUSE_NS: u64 = 10_000_000_000;
/// Nobody has what nobody had in so many passes, one after the other. One is not enough: who was asked first may have got it from
/// whoever was asked last and has lost it since.
const PASSES_TO_BE_LOST: u32 = 2;

/// Whom other nodes are asked by: production's links, or a simulation's.
pub trait NodeLinks {
    /// Names a link as long as it is open, and no other ever.
    type Link: Copy + PartialEq + Debug;

    /// The link to a node, if one is open.
    fn link_to(&self, node: NodeId) -> Option<Self::Link>;

    /// Sends a frame; `Full` when the link does not take it, or is not open.
    fn send(&mut self, link: Self::Link, frame: &Frame<'_>) -> Result<(), Full>;
}

impl NodeLinks for Links {
    type Link = LinkId;

    fn link_to(&self, node: NodeId) -> Option<LinkId> {
        Links::link_to(self, node)
    }

    fn send(&mut self, link: LinkId, frame: &Frame<'_>) -> Result<(), Full> {
        Links::send(self, link, frame)
    }
}

/// The gaps of one partition, and the attempt to fill the first of them.
#[derive(Debug)]
pub struct GapFiller<L = LinkId> {
    partition: PartitionId,
    /// As the archive said last; none before it has.
    known: Option<Missing>,
    /// Positions that have come since it said so.
    come: u64,
    /// What this pass has still to ask for.
    left: VecDeque<Gap>,
    /// What was answered to who asked for its first position: the next that a node has, or nothing.
    answers: BTreeMap<NodeId, Option<LogPosition>>,
    pass: Pass,
    /// Passes in a row in which every other node was asked and nobody had anything.
    barren: u32,
    attempt: Option<Attempt<L>>,
    not_before: Timestamp,
    turn: usize,
}

/// What has become of a pass so far.
#[derive(Debug, Default)]
struct Pass {
    has_come: bool,
    has_skipped: bool,
    /// Something was skipped that not every other node has refused.
    is_unsure: bool,
}

#[derive(Debug)]
struct Attempt<L> {
    node: NodeId,
    link: L,
    next: LogPosition,
    heard: Timestamp,
    /// The stream has begun: what comes is not the rest of an abandoned one.
    is_begun: bool,
}

impl<L: Copy + PartialEq> GapFiller<L> {
    /// No gap known.
    pub fn new(partition: PartitionId) -> GapFiller<L> {
        GapFiller {
            partition,
            known: None,
            come: 0,
            left: VecDeque::new(),
            answers: BTreeMap::new(),
            pass: Pass::default(),
            barren: 0,
            attempt: None,
            not_before: Timestamp::ZERO,
            turn: 0,
        }
    }

    /// The archive says what is missing now. An attempt for anything else than the first of it ends.
    pub fn missing_is(&mut self, missing: Missing, out: &mut impl NodeLinks<Link = L>) {
        self.learn(missing);
        let first = self.left.front().map(|gap| gap.from);
        if self.attempt.as_ref().is_some_and(|attempt| Some(attempt.next) != first) {
            self.abandon(out);
        }
    }

    /// A pass that is under way goes on where it is: what is missing before that is for the next.
    fn learn(&mut self, missing: Missing) {
        let at = self.left.front().map(|gap| gap.from);
        if missing.positions() > self.positions() {
            (self.barren, self.not_before) = (0, Timestamp::ZERO);
        }
        if at.is_none() {
            self.pass = Pass::default();
        }
        let from = at.unwrap_or(LogPosition::ZERO);
        let rest = missing.gaps.iter().filter(|gap| gap.upto >= from);
        self.left = rest.map(|gap| Gap { from: gap.from.max(from), ..*gap }).collect();
        if self.left.front().map(|gap| gap.from) != at {
            self.answers.clear();
        }
        (self.known, self.come) = (Some(missing), 0);
    }

    /// Positions that are missing still.
    fn positions(&self) -> u64 {
        let positions = self.known.as_ref().map_or(0, Missing::positions);
        // When everything has come the archive says so itself, once it is on disk.
        positions - self.come.min(positions.saturating_sub(1))
    }

    /// What is missing still; `None` before the archive has said so.
    pub fn past(&self) -> Option<Past> {
        let missing = self.positions();
        let is_lost = missing > 0 && self.barren >= PASSES_TO_BE_LOST;
        self.known.as_ref().map(|known| Past { upto: known.upto, missing, is_lost })
    }

    /// The node that is asked has not got it any more; what it has next begins at `next`.
    pub fn refused(&mut self, by: NodeId, next: LogPosition, now: Timestamp, out: &mut impl NodeLinks<Link = L>) {
        self.answer(by, next);
        self.failed(now, out);
    }

    fn answer(&mut self, by: NodeId, next: LogPosition) {
        // Whoever has nothing behind it either says what cannot be.
        let is_later = self.left.front().is_some_and(|gap| next > gap.from);
        let next = if is_later { next } else { LogPosition::new(u64::MAX) };
        self.answers.insert(by, Some(next));
    }

    /// Whether this link's node is being asked.
    pub fn is_asking(&self, link: L) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.link == link)
    }

    /// Whether a refusal on `link` is of what is asked for now. Until an attempt has begun it is of one that was abandoned: that one
    /// was refused before the node heard of this one, which begins behind it on the link. Which partitions a node has does not
    /// depend on what is asked for, and it says so of one that it has not got without a beginning.
    pub fn is_refusal(&self, link: L, refusal: Refusal) -> bool {
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.link == link);
        attempt.is_some_and(|attempt| attempt.is_begun || refusal == Refusal::UnknownPartition)
    }

    /// A stream to a node begins with the progress before its first position. Without that, the rest of an
    /// abandoned stream on the same link could pass for the new one and hide what lies between.
    pub fn begun(&mut self, link: L, position: LogPosition) {
        if let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.link == link) {
            attempt.is_begun |= position == before(attempt.next);
        }
    }

    /// The node that is asked says where its events end now. Before what it is asked for: it has not got that yet, and may have it
    /// when it is asked again.
    pub fn ends(&mut self, link: L, position: LogPosition, now: Timestamp, out: &mut impl NodeLinks<Link = L>) {
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.link == link && attempt.is_begun);
        if let Some(node) = attempt.filter(|attempt| position < before(attempt.next)).map(|attempt| attempt.node) {
            self.answers.insert(node, None);
            self.failed(now, out);
        }
    }

    /// The position after which a message of `link` continues what was fetched; `None` when it belongs to no
    /// stream that was asked for.
    pub fn expects(&self, link: L) -> Option<LogPosition> {
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.link == link && attempt.is_begun)?;
        Some(before(attempt.next))
    }

    /// The archive has been handed everything up to `position`.
    pub fn filled(&mut self, position: LogPosition, now: Timestamp, out: &mut impl NodeLinks<Link = L>) {
        if self.is_filled(position, now) {
            self.abandon(out);
            self.end_pass(now);
        }
    }

    /// Notes how far a peer has come, and says whether that is the whole gap. Nothing is made of what it says beyond that:
    /// it was not asked for, and a position may be the last that there can be.
    fn is_filled(&mut self, position: LogPosition, now: Timestamp) -> bool {
        let Some(gap) = self.left.front_mut() else { return true };
        let upto = position.min(gap.upto);
        if upto >= gap.from {
            self.come += Gap { upto, ..*gap }.positions();
            self.answers.clear();
            (self.pass.has_come, self.barren) = (true, 0);
        }
        if upto == gap.upto {
            self.left.pop_front();
            return true;
        }
        gap.from = gap.from.max(upto.next());
        if let Some(attempt) = &mut self.attempt {
            (attempt.next, attempt.heard) = (attempt.next.max(upto.next()), now);
        }
        false
    }

    /// There is no space for what is missing: what is under way ends, and what still comes of it is not taken. To be said instead
    /// of [`GapFiller::poll`] until there is.
    pub fn hold(&mut self, now: Timestamp, out: &mut impl NodeLinks<Link = L>) {
        if self.attempt.is_some() {
            self.failed(now, out);
        }
    }

    /// The attempt came to nothing, or its link closed.
    pub fn failed(&mut self, now: Timestamp, out: &mut impl NodeLinks<Link = L>) {
        self.abandon(out);
        self.not_before = now.plus_nanos(RETRY_NS);
    }

    /// Starts an attempt when there is a gap, or another when the one running is silent. Returns `true` when the
    /// archive should say again what is missing.
    pub fn poll(&mut self, now: Timestamp, peers: &[NodeId], out: &mut impl NodeLinks<Link = L>) -> bool {
        let Some(gap) = self.left.front().copied() else {
            // A pass begins with what is missing by then.
            let is_due = self.positions() > 0 && now >= self.not_before;
            if is_due {
                self.not_before = now.plus_nanos(RETRY_NS);
            }
            return is_due;
        };
        match &self.attempt {
            Some(attempt) if now < attempt.heard.plus_nanos(SILENCE_NS_MAX) => return false,
            Some(attempt) => {
                self.answers.insert(attempt.node, None);
                self.failed(now, out);
                return true;
            }
            None if now < self.not_before => return false,
            None => {}
        }
        self.not_before = now.plus_nanos(RETRY_NS);
        for _ in 0..peers.len() {
            self.turn = (self.turn + 1) % peers.len();
            let node = peers[self.turn];
            let Some(link) = out.link_to(node).filter(|_| !self.answers.contains_key(&node)) else { continue };
            let subscribe = Subscribe { partition: self.partition, from: gap.from };
            if out.send(link, &Frame::Subscribe(subscribe)).is_ok() {
                self.attempt = Some(Attempt { node, link, next: gap.from, heard: now, is_begun: false });
                return false;
            }
        }
        self.skip(now, peers);
        false
    }

    /// Everybody in reach was asked for the first position, and nobody has it: the next is what somebody has.
    fn skip(&mut self, now: Timestamp, peers: &[NodeId]) {
        let answers = std::mem::take(&mut self.answers);
        let Some(next) = answers.values().flatten().min().copied() else { return };
        let Some(gap) = self.left.front_mut() else { return };
        let is_refused = |peer: &NodeId| answers.get(peer).is_some_and(Option::is_some);
        self.pass.has_skipped = true;
        self.pass.is_unsure |= !peers.iter().all(is_refused);
        if next <= gap.upto {
            gap.from = next;
        } else {
            self.left.pop_front();
            self.end_pass(now);
        }
    }

    /// Ends the pass when it has asked for everything.
    fn end_pass(&mut self, now: Timestamp) {
        if !self.left.is_empty() {
            return;
        }
        let Pass { has_come, has_skipped, is_unsure } = std::mem::take(&mut self.pass);
        if has_skipped && !has_come && !is_unsure {
            self.barren = self.barren.saturating_add(1);
        }
        let pause = if self.barren >= PASSES_TO_BE_LOST { LOST_PAUSE_NS } else { PASS_PAUSE_NS };
        self.not_before = now.plus_nanos(pause);
    }

    fn abandon(&mut self, out: &mut impl NodeLinks<Link = L>) {
        if let Some(attempt) = self.attempt.take() {
            // A link that is full or closed needs no farewell: what it still sends is ignored.
            let _ = out.send(attempt.link, &Frame::Unsubscribe(Unsubscribe { partition: self.partition }));
        }
    }
}

#[cfg(test)]
mod tests;
