//! Fetches events that a partition's archive lacks here from other nodes, one gap of one partition at a
//! time per node.

use std::collections::BTreeSet;

use replicator::Past;
use replicator::net::{LinkId, Links};
use wire::link::{Frame, Subscribe, Unsubscribe};
use wire::{LogPosition, NodeId, PartitionId, Timestamp};

use crate::archive::{Gap, Missing, before};

/// Another node is tried when one is silent for so long.
const SILENCE_NS_MAX: u64 = 2_000_000_000;
/// The pause after a failed attempt.
const RETRY_NS: u64 = 200_000_000;

/// The gap of one partition, and the attempt to fill it.
#[derive(Debug)]
pub struct GapFiller {
    partition: PartitionId,
    /// As the archive said last; none before it has.
    known: Option<Missing>,
    /// What is left of the first gap.
    gap: Option<Gap>,
    /// Who has not got its first position any more.
    refused: BTreeSet<NodeId>,
    attempt: Option<Attempt>,
    not_before: Timestamp,
    turn: usize,
}

#[derive(Debug)]
struct Attempt {
    link: LinkId,
    next: LogPosition,
    heard: Timestamp,
    /// The stream has begun: what comes is not the rest of an abandoned one.
    is_begun: bool,
}

impl GapFiller {
    /// No gap known.
    pub fn new(partition: PartitionId) -> GapFiller {
        let (known, gap, attempt, refused) = Default::default();
        GapFiller { partition, known, gap, refused, attempt, not_before: Timestamp::ZERO, turn: 0 }
    }

    /// The archive says what is missing now. A running attempt starts over.
    pub fn missing_is(&mut self, missing: Missing, out: &mut Links) {
        self.abandon(out);
        self.learn(missing);
    }

    fn learn(&mut self, missing: Missing) {
        if self.gap.map(|gap| gap.from) != missing.gap.map(|gap| gap.from) {
            self.refused.clear();
        }
        (self.gap, self.known) = (missing.gap, Some(missing));
    }

    /// What is missing still, when `others` are all the other nodes; `None` before the archive has said so.
    pub fn past(&self, others: &[NodeId]) -> Option<Past> {
        let Missing { gap, positions, upto } = self.known?;
        let len = |gap: Option<Gap>| gap.map_or(0, |gap| (gap.upto.get() + 1).saturating_sub(gap.from.get()));
        // Of a gap that has come whole the archive says so itself, once it is on disk.
        let missing = positions - len(gap).saturating_sub(len(self.gap)).min(positions.saturating_sub(1));
        let is_lost = missing > 0 && !others.is_empty() && others.iter().all(|other| self.refused.contains(other));
        Some(Past { upto, missing, is_lost })
    }

    /// The node that is asked has not got it any more.
    pub fn refused(&mut self, by: NodeId, now: Timestamp, out: &mut Links) {
        self.refused.insert(by);
        self.failed(now, out);
    }

    /// Whether this link's node is being asked.
    pub fn is_asking(&self, link: LinkId) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.link == link)
    }

    /// A stream to a node begins with the progress before its first position. Without that, the rest of an
    /// abandoned stream on the same link could pass for the new one and hide what lies between.
    pub fn begun(&mut self, link: LinkId, position: LogPosition) {
        if let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.link == link) {
            attempt.is_begun |= position == before(attempt.next);
        }
    }

    /// The position after which a message of `link` continues what was fetched; `None` when it belongs to no
    /// stream that was asked for.
    pub fn expects(&self, link: LinkId) -> Option<LogPosition> {
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.link == link && attempt.is_begun)?;
        Some(before(attempt.next))
    }

    /// The archive has been handed everything up to `position`.
    pub fn filled(&mut self, position: LogPosition, now: Timestamp, out: &mut Links) {
        if self.is_filled(position, now) {
            self.abandon(out);
            self.gap = None;
        }
    }

    /// Notes how far a peer has come, and says whether that is the whole gap. Nothing is made of what it says beyond that:
    /// it was not asked for, and a position may be the last that there can be.
    fn is_filled(&mut self, position: LogPosition, now: Timestamp) -> bool {
        let Some(gap) = self.gap.as_mut().filter(|gap| position < gap.upto) else { return true };
        let next = position.next();
        if next > gap.from {
            gap.from = next;
            self.refused.clear();
        }
        if let Some(attempt) = &mut self.attempt {
            (attempt.next, attempt.heard) = (attempt.next.max(next), now);
        }
        false
    }

    /// The attempt came to nothing, or its link closed.
    pub fn failed(&mut self, now: Timestamp, out: &mut Links) {
        self.abandon(out);
        self.not_before = now.plus_nanos(RETRY_NS);
    }

    /// Starts an attempt when there is a gap, or another when the one running is silent. Returns `true` when the
    /// archive should say again what is missing.
    pub fn poll(&mut self, now: Timestamp, peers: &[NodeId], out: &mut Links) -> bool {
        let Some(gap) = self.gap else {
            return false;
        };
        match &self.attempt {
            Some(attempt) if now < attempt.heard.plus_nanos(SILENCE_NS_MAX) => return false,
            Some(_) => {
                self.failed(now, out);
                return true;
            }
            None if now < self.not_before => return false,
            None => {}
        }
        self.not_before = now.plus_nanos(RETRY_NS);
        for _ in 0..peers.len() {
            self.turn = (self.turn + 1) % peers.len();
            let Some(link) = out.link_to(peers[self.turn]) else { continue };
            let subscribe = Subscribe { partition: self.partition, from: gap.from };
            if out.send(link, &Frame::Subscribe(subscribe)).is_ok() {
                self.attempt = Some(Attempt { link, next: gap.from, heard: now, is_begun: false });
                return false;
            }
        }
        false
    }

    fn abandon(&mut self, out: &mut Links) {
        if let Some(attempt) = self.attempt.take() {
            // A link that is full or closed needs no farewell: what it still sends is ignored.
            let _ = out.send(attempt.link, &Frame::Unsubscribe(Unsubscribe { partition: self.partition }));
        }
    }
}

#[cfg(test)]
mod tests;
