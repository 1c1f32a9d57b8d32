//! What a learner's node lacks of what was told before the learner had the log: it becomes a voter when it has that as well.
//!
//! Who comes with an empty disk has the leader's snapshot and the log behind it within seconds. What the log has told before
//! that snapshot is in no log any more; the node fetches it from others, which may take minutes. A voter before that would let
//! the next disk be lost, and then the next: each time a quorum has the log, and with the last of those who were there
//! nobody has the past.
//!
//! So a learner says five times a second how much it lacks, and its leader waits: as long as something comes, but not for
//! what nobody has, and not for ever, for while it waits one voter less is alive.

use std::collections::{BTreeMap, BTreeSet};

use wire::{LogPosition, NodeId, Timestamp};

use super::Replica;
use super::envelope::Envelope;
use crate::members::node_of;
use crate::{LogStore, Output, StateMachine};

/// A learner says so this often.
const TELL_NS: u64 = 200_000_000;
/// A leader waits for so long while nothing comes,
const PATIENCE_NS: u64 = 30_000_000_000;
/// and for so long in all.
const PATIENCE_WHOLE_NS: u64 = 3_600_000_000_000;

/// What a node lacks of what its replica's log has told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Past {
    /// Known up to here: what came later is not missing, or was not looked at.
    pub upto: LogPosition,
    /// Positions that are missing.
    pub missing: u64,
    /// Every other node has been asked for them, and has none of them any more.
    pub is_lost: bool,
}

/// What a learner says of its past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub term: u64,
    /// Who says so.
    pub member: u64,
    /// It has applied the log up to here.
    pub applied: u64,
    pub missing: u64,
    pub is_lost: bool,
}

/// Of a learner its own past; of a leader its learners'.
#[derive(Debug, Default)]
pub(super) struct Pasts {
    own: Option<Past>,
    /// Where the state here began that was installed last: what is known of the past has to go as far.
    begun: LogPosition,
    tell_at: Timestamp,
    /// The term in which the rest was heard.
    term: u64,
    awaited: BTreeMap<u64, Awaited>,
}

#[derive(Debug, Default)]
struct Awaited {
    /// The log index of the snapshot that it was sent last: what it said before does not count.
    snapshot: u64,
    told: Option<Told>,
    /// The least that it has said to lack, and since when.
    least: Option<(u64, Timestamp)>,
    /// Since when it lacks nothing else.
    since: Option<Timestamp>,
    /// Whether the log says that it is not waited for any more.
    is_warned: bool,
}

impl Pasts {
    /// Another state was installed, at this position.
    pub fn begins(&mut self, position: LogPosition) {
        self.begun = position;
    }

    fn of(&mut self, learner: u64, term: u64) -> &mut Awaited {
        if self.term != term {
            (self.term, self.awaited) = (term, BTreeMap::new());
        }
        self.awaited.entry(learner).or_default()
    }

    /// A learner is sent a snapshot.
    pub fn sends(&mut self, learner: u64, index: u64, term: u64) {
        *self.of(learner, term) = Awaited { snapshot: index, ..Awaited::default() };
    }

    /// How much each of these learners has said in this term that it lacks, and whether nobody has it.
    pub fn lacking(&self, learners: &BTreeSet<u64>, term: u64) -> Vec<(NodeId, u64, bool)> {
        let said = self.awaited.iter().filter(|(learner, _)| self.term == term && learners.contains(learner));
        let lacks = said.filter_map(|(_, awaited)| awaited.told.filter(|told| told.missing > 0));
        lacks.map(|told| (node_of(told.member), told.missing, told.is_lost)).collect()
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// What this node lacks; to be told whenever that changes, where the configuration says that it keeps the past.
    pub fn set_past(&mut self, past: Past) {
        self.pasts.own = Some(past);
    }

    /// A learner tells its leader.
    pub(super) fn tell_past(&mut self) {
        let raft = &self.raft.raft;
        let is_learner = self.is_member() && self.state.members.learners.contains(&raft.id);
        if !is_learner || raft.leader_id == 0 || self.persistence.is_installing() || self.now < self.pasts.tell_at {
            return;
        }
        let begun = self.pasts.begun;
        let own = match self.config.keeps_past {
            true => self.pasts.own.filter(|own| own.upto >= begun),
            false => Some(Past::default()),
        };
        let Some(Past { missing, is_lost, .. }) = own else { return };
        self.pasts.tell_at = self.now.plus_nanos(TELL_NS);
        let (term, member, applied) = (raft.term, raft.id, self.state.cursor.index);
        let payload = Envelope::Past(Told { term, member, applied, missing, is_lost }).encode();
        self.outputs.push_back(Output::Send { to: node_of(raft.leader_id), payload });
    }

    /// A learner says what it lacks.
    pub(super) fn on_past(&mut self, from: NodeId, told: Told) -> bool {
        if !self.is_leader() || told.term != self.raft.raft.term || node_of(told.member) != from {
            return false;
        }
        if !self.state.members.learners.contains(&told.member) {
            return true;
        }
        let now = self.now;
        let awaited = self.pasts.of(told.member, told.term);
        if told.applied < awaited.snapshot {
            return true;
        }
        awaited.told = Some(told);
        if awaited.least.is_none_or(|(least, _)| told.missing < least) {
            awaited.least = Some((told.missing, now));
        }
        true
    }

    /// Whether a learner that has the log need not be waited for any more.
    pub(super) fn has_its_past(&mut self, learner: u64) -> bool {
        let (now, term, partition) = (self.now, self.raft.raft.term, self.config.partition);
        let awaited = self.pasts.of(learner, term);
        let since = *awaited.since.get_or_insert(now);
        let node = node_of(learner);
        let missing = match awaited.told {
            #[cfg(feature = "planted")]
            _ if wire::planted::is(wire::planted::Bug::VotesWithoutPast) => return true,
            Some(told) if told.missing == 0 => return true,
            Some(told) if told.is_lost => {
                if !std::mem::replace(&mut awaited.is_warned, true) {
                    tracing::warn!(%partition, %node, missing = told.missing,
                    "events are missing there that no node has any more: it becomes a voter without them");
                }
                return true;
            }
            told => told.map(|told| told.missing),
        };
        let moved = awaited.least.map_or(since, |(_, at)| at.max(since));
        let is_over = now > moved.plus_nanos(PATIENCE_NS) || now > since.plus_nanos(PATIENCE_WHOLE_NS);
        if is_over && !std::mem::replace(&mut awaited.is_warned, true) {
            tracing::warn!(%partition, %node, ?missing,
                "events are missing there, and do not come: it becomes a voter before it has them");
        }
        is_over
    }
}
