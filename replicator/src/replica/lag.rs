//! How far a learner is behind its leader, as the learner itself knows it: for whoever reads from it.
//!
//! Five times a second a leader tells its learners what it has committed and what log time is by its clock. A learner that
//! has applied that much holds everything up to that time; otherwise it holds everything up to the log time of the last
//! entry that it has applied. It lags by as much as that is before the leader's present, which goes on by the learner's own
//! clock from the last announcement on: where no announcement comes, the lag grows. Before the first it takes its own clock
//! for the leader's.

use wire::{NodeId, Timestamp};

use super::Replica;
use super::envelope::{Envelope, Reached};
use crate::members::node_of;
use crate::{LogStore, Output, StateMachine};

/// A leader tells learners this often how far it is.
const TELL_NS: u64 = 200_000_000;

/// How far a learner is behind its leader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// Entries that the leader had committed and this replica has not applied.
    pub entries: u64,
    /// By how much what it has is older than what the leader has, in nanoseconds. Too small by what an announcement takes
    /// on its way.
    pub nanos: u64,
}

/// What a learner knows of its leader; and of a leader when learners are told next.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// What the leader said last, and when by this clock.
    newest: Option<(Reached, Timestamp)>,
    /// Something that it said and that is to be reached. It stands until then, so that a leader that runs away is reached
    /// as well.
    target: Option<Reached>,
    /// Everything up to this log time is known to be here.
    upto: Timestamp,
    tell_at: Timestamp,
}

impl Following {
    fn applied(&mut self, index: u64) {
        let newest = self.newest.map(|(reached, _)| reached);
        for reached in self.target.into_iter().chain(newest).filter(|reached| index >= reached.committed) {
            self.upto = self.upto.max(reached.time);
            self.target = None;
        }
    }

    fn lag(&self, index: u64, applied: Timestamp, now: Timestamp) -> Lag {
        let present = match self.newest {
            Some((reached, heard)) => reached.time.plus_nanos(now.nanos().saturating_sub(heard.nanos())),
            None => now,
        };
        let entries = self.newest.map_or(0, |(reached, _)| reached.committed.saturating_sub(index));
        Lag { entries, nanos: present.nanos().saturating_sub(self.upto.max(applied).nanos()) }
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// The leader tells its learners how far it is.
    pub(super) fn tell_learners(&mut self) {
        let learners = &self.state.members.learners;
        if learners.is_empty() || self.now < self.following.tell_at {
            return;
        }
        self.following.tell_at = self.now.plus_nanos(TELL_NS);
        let raft = &self.raft.raft;
        let time = self.sequencer.time(self.now).max(self.state.cursor.timestamp);
        let reached = Reached { term: raft.term, committed: raft.raft_log.committed, time };
        for learner in learners {
            let payload = Envelope::Reached(reached).encode();
            self.outputs.push_back(Output::Send { to: node_of(*learner), payload });
        }
    }

    /// The leader says how far it is.
    pub(super) fn on_reached(&mut self, from: NodeId, reached: Reached) -> bool {
        let raft = &self.raft.raft;
        if reached.term != raft.term || node_of(raft.leader_id) != from {
            return false;
        }
        self.following.newest = Some((reached, self.now));
        self.following.target.get_or_insert(reached);
        true
    }

    /// Notes what is here.
    pub(super) fn observe_lag(&mut self) {
        self.following.applied(self.state.cursor.index);
    }

    pub(super) fn lag(&self) -> Lag {
        let cursor = &self.state.cursor;
        let known = self.following.lag(cursor.index, cursor.timestamp, self.now);
        Lag { entries: known.entries.max(self.raft.raft.raft_log.committed.saturating_sub(cursor.index)), ..known }
    }
}

#[cfg(test)]
mod tests;
