//! A standby knows what is committed as soon as its leader may.
//!
//! Where a leader and one standby are a quorum, an entry of the leader's own term that is on both disks is committed. In
//! plain Raft the standby hears of it last: it answers, the leader counts, the leader's next message tells. Who leads
//! another partition goes on from what this one commits, and waits for that way there and back, and for whatever the leader
//! does meanwhile. So a leader also says how far its own log is on its disk, to each standby whose copy makes that a quorum;
//! the standby knows how far its own is, and commits what both have.
//!
//! It is the leader's count that is made elsewhere, from the same two facts, so whatever holds of an entry that the leader
//! has committed holds of this one: a later leader needs the vote of one of the two, and both refuse whoever lacks it. A
//! leader says so only while no change of members is under way: the pair is a quorum of the members by which each of these
//! entries is committed, and no change of members is among them that the leader has not applied. A change is committed by a
//! leader's own count alone: who is removed, one of two, does not learn it here before its leader can do without it.
//!
//! A standby that goes on from what it is told says so, now and then, and nothing is left to one that does not: it may be of a build
//! that knows nothing of this, or stand still. One that is told no more goes on no more.
//!
//! What a standby has applied this way its leader may not have counted yet. So who reads by the leader's index waits for
//! everything that the leader has said to be on its disk ([`Replica::promised`]).

use std::collections::BTreeMap;

use raft::{ProgressState, StateRole};
use wire::{NodeId, Timestamp};

use super::Replica;
use super::envelope::Envelope;
use crate::members::node_of;
use crate::{LogStore, Output, StateMachine};

/// Nothing is left to a standby that misses more entries than this, and it passes nothing on.
const BEHIND_MAX: u64 = 1_024;
/// A standby that is told says this often that it goes on from there.
const ATTENDS_NS: u64 = 200_000_000;
/// One that has been told for so long since it said so is not believed to.
const SILENT_NS: u64 = 1_000_000_000;
/// One that has heard nothing for so long, while more was committed, is told no more.
const TOLD_NS: u64 = 100_000_000;

/// How far a leader's log is on its disk; with the receiver's, that is a quorum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// The leader's term.
    pub term: u64,
    /// The member that it is said to.
    pub to: u64,
    /// The last log index on the leader's disk, of an entry of its term.
    pub index: u64,
}

/// A standby goes on from what its leader tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attends {
    /// The leader's term.
    pub term: u64,
    /// The member that says so.
    pub member: u64,
}

/// Who listens, what was said and heard.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// Nodes that go on from what is committed here.
    listeners: Vec<NodeId>,
    /// By this replica as the leader of a term: the term and the log index.
    told: (u64, u64),
    /// Who of those told last is near.
    attended: Vec<NodeId>,
    /// By the leader of a term: the term and the log index,
    pub heard: (u64, u64),
    /// and when it was heard last.
    heard_at: Timestamp,
    /// The term in which this standby has said that it attends, and when it says so again.
    pub said: (u64, Timestamp),
    /// Of this leader's term: who has said so, and when.
    attending: BTreeMap<u64, Attending>,
    /// The term of that.
    attending_in: u64,
}

/// What a leader has heard of a standby.
#[derive(Debug, Clone, Copy)]
struct Attending {
    said_at: Timestamp,
    /// When it was told what it should have answered, and has not.
    unanswered: Option<Timestamp>,
}

impl Attending {
    /// It is told something now; whether it still counts as one that says so.
    fn is_told(&mut self, now: Timestamp) -> bool {
        // Sooner it says nothing again.
        let is_recent = now < self.said_at.plus_nanos(ATTENDS_NS);
        is_recent || now <= self.unanswered.get_or_insert(now).plus_nanos(SILENT_NS)
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// The nodes that go on from what is committed here, to be told whenever they are others.
    pub fn set_listeners(&mut self, listeners: Vec<NodeId>) {
        self.pairs.attended.retain(|node| listeners.contains(node));
        self.pairs.listeners = listeners;
    }

    /// A leader says how far its own log is on disk.
    pub(super) fn tell_stored(&mut self) {
        if self.pairs.listeners.is_empty() || !self.is_leader() {
            return;
        }
        let raft = &self.raft.raft;
        if raft.has_pending_conf() || self.state.members.is_joint() {
            self.pairs.attended.clear();
            return;
        }
        let (own, term) = (raft.id, raft.term);
        let index = raft.raft_log.persisted;
        if self.pairs.told == (term, index) || raft.raft_log.term(index).ok() != Some(term) {
            return;
        }
        self.pairs.attended.clear();
        for (standby, progress) in raft.prs().iter() {
            let listens = *standby != own && self.pairs.listeners.contains(&node_of(*standby));
            let has_the_log = progress.state == ProgressState::Replicate;
            if !listens || !has_the_log || !raft.prs().has_quorum(&[own, *standby].into_iter().collect()) {
                continue;
            }
            let payload = Envelope::Stored(Stored { term, to: *standby, index }).encode();
            self.outputs.push_back(Output::Send { to: node_of(*standby), payload });
            self.pairs.told = (term, index);
            let attending = self.pairs.attending.get_mut(standby).filter(|_| self.pairs.attending_in == term);
            let has_said = attending.is_some_and(|attending| attending.is_told(self.now));
            if has_said && index.saturating_sub(progress.matched) <= BEHIND_MAX {
                self.pairs.attended.push(node_of(*standby));
            }
        }
    }

    /// The listeners that are told and near: they have what is committed here as soon as this leader has.
    pub fn attended(&self) -> &[NodeId] {
        if self.pairs.told.0 == self.raft.raft.term { &self.pairs.attended } else { &[] }
    }

    /// The leader says how far its log is on its disk.
    pub(super) fn on_stored(&mut self, from: NodeId, stored: Stored) -> bool {
        let raft = &self.raft.raft;
        let is_leaders = raft.term == stored.term && node_of(raft.leader_id) == from && raft.leader_id != 0;
        if !is_leaders || raft.state != StateRole::Follower || raft.id != stored.to {
            return false;
        }
        // What was said before may come later.
        self.pairs.heard = self.pairs.heard.max((stored.term, stored.index));
        self.pairs.heard_at = self.now;
        self.commit_stored();
        self.say_attending(from, stored.term);
        true
    }

    fn say_attending(&mut self, leader: NodeId, term: u64) {
        let (said_in, again_at) = self.pairs.said;
        if !self.is_attending() || self.is_broken() || (said_in == term && self.now < again_at) {
            return;
        }
        self.pairs.said = (term, self.now.plus_nanos(ATTENDS_NS));
        let payload = Envelope::Attends(Attends { term, member: self.raft.raft.id }).encode();
        self.outputs.push_back(Output::Send { to: leader, payload });
    }

    /// A standby goes on from what it is told.
    pub(super) fn on_attends(&mut self, from: NodeId, said: Attends) -> bool {
        let raft = &self.raft.raft;
        let is_sound = node_of(said.member) == from && raft.prs().get(said.member).is_some();
        if !self.is_leader() || said.term != raft.term || !is_sound {
            return false;
        }
        if self.pairs.attending_in != said.term {
            (self.pairs.attending_in, self.pairs.attending) = (said.term, BTreeMap::new());
        }
        self.pairs.attending.insert(said.member, Attending { said_at: self.now, unanswered: None });
        true
    }

    /// Whether its leader leaves to this standby whatever goes on from here: it tells it how far it is, and that is near. What one
    /// that is far behind has to pass on has long arrived.
    pub fn is_attending(&self) -> bool {
        let raft = &self.raft.raft;
        let (term, index) = self.pairs.heard;
        let applied = self.state.cursor.index;
        let is_told = index >= applied || self.now <= self.pairs.heard_at.plus_nanos(TOLD_NS);
        let is_leaders = raft.state == StateRole::Follower && term == raft.term;
        is_leaders && is_told && index.saturating_sub(applied) <= BEHIND_MAX
    }

    /// A standby commits what is on its leader's disk and its own.
    pub(super) fn commit_stored(&mut self) {
        let (term, index) = self.pairs.heard;
        let raft = &mut self.raft.raft;
        if raft.state != StateRole::Follower || raft.term != term || self.persistence.is_installing() {
            return;
        }
        let index = index.min(raft.raft_log.persisted);
        // An entry of an earlier term is committed by those behind it alone; and one of the leader's term is the leader's.
        if index > raft.raft_log.committed && raft.raft_log.term(index).ok() == Some(term) {
            raft.raft_log.commit_to(index);
        }
    }

    /// What standbys may have committed by this leader's word, whether it has counted that or not: a log index.
    pub(super) fn promised(&self) -> u64 {
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::ReadForgetsPromise) {
            return 0;
        }
        let (term, index) = self.pairs.told;
        if term == self.raft.raft.term { index } else { 0 }
    }
}
