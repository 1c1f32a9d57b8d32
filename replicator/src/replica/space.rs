//! A replica whose disk is nearly full gives up what needs the disk, before a write fails.
//!
//! While space is *low* it hands over what it leads, to a standby that does not say the same of itself, stands for election
//! later than others, takes no snapshots and installs none; it follows, for that is what a quorum may need. When it is
//! *full* it writes nothing more: it leads and follows nobody, as if it were dead, but for saying so. Once there is space
//! again it goes on by itself.

use raft::{INVALID_ID, StateRole};
use wire::{NodeId, Timestamp};

use super::Replica;
use super::envelope::Envelope;
use crate::{LogStore, StateMachine};

/// A leader waits so long for others to say that they have no space either, and between its attempts to hand over.
const HAND_OVER_NS: u64 = 300_000_000;
/// How often a standby that has little says so.
const REPEAT_NS: u64 = 100_000_000;
/// Who has not said it for so long has space.
const SAID_LASTS_NS: u64 = 1_000_000_000;
/// Its clock towards an election ticks once for so many ticks.
const TICKS_SKIPPED: u32 = 4;

/// What there is left on the disk of a replica.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Space {
    /// Enough.
    #[default]
    Enough,
    /// So little that others should lead.
    Low,
    /// So little that nothing is written any more.
    Full,
}

/// What is known of space.
#[derive(Debug, Default)]
pub(super) struct Scarcity {
    space: Space,
    due: Timestamp,
    ticks: u32,
    /// When others said that theirs is low.
    said: std::collections::BTreeMap<NodeId, Timestamp>,
}

impl Scarcity {
    pub fn space(&self) -> Space {
        self.space
    }

    /// Whether others should lead.
    pub fn is_low(&self) -> bool {
        self.space != Space::Enough
    }

    /// Whether nothing may be written.
    pub fn is_full(&self) -> bool {
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::FullDiskWritten) {
            return false;
        }
        self.space == Space::Full
    }

    /// Whether a node has lately said that its disk is nearly full.
    pub fn says(&self, node: NodeId, now: Timestamp) -> bool {
        self.said.get(&node).is_some_and(|at| now <= at.plus_nanos(SAID_LASTS_NS))
    }

    /// Whether this tick of the clock counts towards an election.
    pub fn lets_tick(&mut self) -> bool {
        self.ticks += 1;
        self.space == Space::Enough || self.ticks.is_multiple_of(TICKS_SKIPPED)
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// How much space the disk has; to be told whenever that changes.
    pub fn set_space(&mut self, space: Space) {
        let before = std::mem::replace(&mut self.scarcity.space, space);
        if before == space || self.failed.is_some() {
            return;
        }
        let partition = self.config.partition;
        match space {
            Space::Enough => tracing::info!(%partition, "the disk has space again"),
            Space::Low => tracing::warn!(%partition, "the disk is nearly full: others should lead"),
            Space::Full => {
                tracing::error!(%partition, "the disk is full: nothing is written until there is space again");
                // What waits for a write would wait for that.
                self.apply_backlog();
            }
        }
        if before == Space::Full {
            // What it did not write of what it applied when there was none.
            self.write_commit();
        }
        if before == Space::Enough {
            self.scarcity.due = self.now.plus_nanos(if self.is_leader() { HAND_OVER_NS } else { 0 });
        }
        if space == Space::Full && self.raft.raft.state != StateRole::Follower {
            self.call_for_another();
            let term = self.raft.raft.term;
            self.raft.raft.become_follower(term, INVALID_ID);
            self.observe_leader();
        }
    }

    /// A peer's disk is nearly full.
    pub(super) fn on_scarce_peer(&mut self, from: NodeId) -> bool {
        self.scarcity.said.insert(from, self.now);
        true
    }

    /// Tells the leader, or, as the leader, looks for another.
    pub(super) fn poll_scarcity(&mut self) -> usize {
        if !self.scarcity.is_low() || self.now < self.scarcity.due {
            return 0;
        }
        if self.is_leader() {
            self.scarcity.due = self.now.plus_nanos(HAND_OVER_NS);
            self.hand_over_whole();
            return 1;
        }
        self.scarcity.due = self.now.plus_nanos(REPEAT_NS);
        for member in self.state.members.all() {
            self.tell_scarcity(crate::members::node_of(member));
        }
        1
    }

    fn tell_scarcity(&mut self, to: NodeId) {
        if to != self.config.node {
            let payload = Envelope::Scarce.encode();
            self.outputs.push_back(crate::Output::Send { to, payload });
        }
    }
}
