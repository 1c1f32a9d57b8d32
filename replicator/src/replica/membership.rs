//! Changes of members, as an operator asks a leader for them and as the log makes them.

use raft::eraftpb::{Message, MessageType};
use raft::{INVALID_ID, StateRole};
use wire::NodeId;

use super::Replica;
use super::envelope::Envelope;
use crate::entry::{BatchWriter, Kind};
use crate::members::{Change, Joining, Members, Places, Proposed, node_of, proposal};
use crate::standing::Standing;
use crate::{LogStore, OpenError, Output, StateMachine};

/// Why members were not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotChanged {
    /// Another replica leads.
    #[error("this replica does not lead")]
    NotLeader,
    /// It is leading, and hands over: ask the next leader.
    #[error("a leader cannot be removed: it hands over, ask the next one")]
    Leads,
    /// One change at a time.
    #[error("another change is under way")]
    UnderWay,
    /// It has not said lately that it wants to be taken in.
    #[error("the node has not been heard of: start it, and see that it reaches the others")]
    Unheard,
    /// Nothing to do.
    #[error("that is so already")]
    IsSo,
    /// The node is no member.
    #[error("the node is no member")]
    Unknown,
    /// Somebody must remain.
    #[error("nobody would be left, or too few that are alive")]
    TooFew,
    /// Who stays a learner takes no voter's place.
    #[error("the node stays a learner: it cannot replace one that votes")]
    NeverVotes,
    /// No group has more members.
    #[error("the group has as many members as one can have")]
    TooMany,
    /// Not every member has said lately that it can behave so.
    #[error("a member has not said lately that it can behave by this version")]
    CannotRun,
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Makes a node a member that has introduced itself: a learner at first, and a voter by itself when it has caught up,
    /// in one change with the end of whom it replaces.
    pub fn add_node(&mut self, node: NodeId, how: Joining) -> Result<(), NotChanged> {
        self.can_change()?;
        let members = &self.state.members;
        if members.has_node(node) {
            return Err(NotChanged::IsSo);
        }
        if how.instead_of.is_some_and(|leaving| !members.has_node(leaving)) {
            return Err(NotChanged::Unknown);
        }
        let said = self.belonging.is_heard(node, self.now).ok_or(NotChanged::Unheard)?;
        // One that is still new finds out in a moment; one that founded the cluster comes back with an empty disk alone.
        let Standing::Returning { .. } = said.standing else { return Err(NotChanged::Unheard) };
        let learner = said.standing.member(node);
        let how = Joining { stays_learner: how.stays_learner || said.stays_learner, ..how };
        if how.stays_learner && how.instead_of.is_some() {
            return Err(NotChanged::NeverVotes);
        }
        self.change_members(&[Change::Learn(learner)], how)
    }

    /// Makes a node a member no more. One that leads hands over instead.
    pub fn remove_node(&mut self, node: NodeId) -> Result<(), NotChanged> {
        self.can_change()?;
        let members = &self.state.members;
        let leaving: Vec<Change> = members.removal(node).collect();
        if leaving.is_empty() {
            return Err(NotChanged::IsSo);
        }
        let staying: Vec<u64> = members.voters.iter().copied().filter(|member| node_of(*member) != node).collect();
        let alive = staying.iter().filter(|member| self.is_alive(**member)).count();
        if staying.is_empty() || 2 * alive <= staying.len() {
            return Err(NotChanged::TooFew);
        }
        if node == self.config.node {
            self.hand_over_whole();
            return Err(NotChanged::Leads);
        }
        self.change_members(&leaving, Joining::default())
    }

    /// Has the log say that a node is to lead nothing, or may lead again.
    pub fn drain_node(&mut self, node: NodeId, begins: bool) -> Result<(), NotChanged> {
        let members = &self.state.members;
        match () {
            () if !self.is_leader() => return Err(NotChanged::NotLeader),
            () if !members.has_node(node) => return Err(NotChanged::Unknown),
            () if members.places.draining.contains(&node) == begins => return Err(NotChanged::IsSo),
            () if begins && !members.voters.iter().any(|voter| self.may_lead(*voter, node)) => {
                return Err(NotChanged::TooFew);
            }
            () => {}
        }
        let mut batch = BatchWriter::new(0);
        batch.push(Kind::Drain { node, begins }, &[]);
        let entry = batch.finish(self.sequencer.time(self.now));
        self.raft.propose(Vec::new(), entry).map_err(|_| NotChanged::UnderWay)
    }

    /// Whether a voter could lead when `draining` does not any more.
    fn may_lead(&self, voter: u64, draining: NodeId) -> bool {
        let node = node_of(voter);
        node != draining && !self.state.members.places.draining.contains(&node) && self.is_alive(voter)
    }

    /// Whether a member has answered lately. Raft's own word for it is forgotten whenever it checks its quorum.
    pub(super) fn is_alive(&self, member: u64) -> bool {
        let timing = &self.config.timing;
        let patience = 2 * timing.tick_ns * timing.election_ticks as u64;
        let answered = self.belonging.answered.get(&member);
        member == self.raft.raft.id || answered.is_some_and(|at| self.now <= at.plus_nanos(patience))
    }

    #[cfg(test)]
    pub(super) fn pretend_answered(&mut self, member: u64) {
        self.belonging.answered.insert(member, self.now);
    }

    pub(super) fn can_change(&self) -> Result<(), NotChanged> {
        let raft = &self.raft.raft;
        match () {
            () if !self.is_leader() => Err(NotChanged::NotLeader),
            () if !raft.commit_to_current_term() || raft.has_pending_conf() || self.state.members.is_joint() => {
                Err(NotChanged::UnderWay)
            }
            () => Ok(()),
        }
    }

    pub(super) fn change_members(&mut self, changes: &[Change], how: Joining) -> Result<(), NotChanged> {
        let partition = self.config.partition;
        // What the log would take for no change Raft would make: from then on they would disagree.
        let proposed = Proposed { changes: changes.to_vec(), joining: how };
        if self.state.members.changed_by(proposed).is_none() {
            return Err(NotChanged::TooMany);
        }
        match self.raft.propose_conf_change(Vec::new(), proposal(changes, how)) {
            Ok(()) => {
                tracing::info!(%partition, ?changes, ?how, "a change of members is proposed");
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%partition, ?changes, %error, "Raft dropped a change of members");
                Err(NotChanged::UnderWay)
            }
        }
    }

    /// The members have changed by an entry: Raft must know, and agree.
    pub(super) fn follow_members(&mut self, index: u64, data: &[u8]) -> Result<(), OpenError> {
        let refuse = |error: String| OpenError::Config(format!("the change of members at log entry {index}: {error}"));
        let mut change = raft::eraftpb::ConfChangeV2::default();
        protobuf::Message::merge_from_bytes(&mut change, data).map_err(|error| refuse(error.to_string()))?;
        let conf = self.raft.apply_conf_change(&change).map_err(|error| refuse(error.to_string()))?;
        let set = |ids: &[u64]| ids.iter().copied().collect();
        let (voters, outgoing, learners) = (set(&conf.voters), set(&conf.voters_outgoing), set(&conf.learners));
        let members = Members { voters, outgoing, learners, places: Places::default() };
        if !members.are_those(&self.state.members) {
            return Err(refuse(format!("Raft has {members:?}, the log {:?}", self.state.members)));
        }
        self.belonging.members_are(&members, index);
        if self.is_leaving() {
            self.hand_over_whole();
        } else if self.is_leader() && !members.has(self.raft.raft.id) {
            self.step_down();
        }
        self.election.settle(&mut self.raft);
        self.outputs.push_back(Output::MembersChanged { members: Box::new(self.state.members.clone()), index });
        Ok(())
    }

    /// Who has a replica, as of what is applied.
    pub(super) fn tell_members(&mut self) {
        let (members, index) = (Box::new(self.state.members.clone()), self.state.cursor.index);
        self.outputs.push_back(Output::MembersChanged { members, index });
    }

    /// Whether it leads a change of members that it does not survive.
    pub(super) fn is_leaving(&self) -> bool {
        let members = &self.state.members;
        self.is_leader() && members.is_joint() && !members.voters.contains(&self.raft.raft.id)
    }

    /// It led until the end of its membership: Raft would go on with a leader that it has no progress of.
    fn step_down(&mut self) {
        self.call_for_another();
        tracing::warn!(partition = %self.config.partition, "it led until it was a member no more");
        let term = self.raft.raft.term;
        self.raft.raft.become_follower(term, INVALID_ID);
    }

    /// A leader that leads no more from now on: the others need not find out by its silence.
    pub(super) fn call_for_another(&mut self) {
        let raft = &self.raft.raft;
        if raft.state != StateRole::Leader {
            return;
        }
        let (from, term) = (raft.id, raft.term);
        let able = self.state.members.voters.iter().filter(|to| **to != from && self.is_fit(node_of(**to)));
        let next = able.max_by_key(|to| raft.prs().get(**to).map_or(0, |progress| progress.matched)).copied();
        if let Some(to) = next {
            let mut message = Message::default();
            message.set_msg_type(MessageType::MsgTimeoutNow);
            (message.from, message.to, message.term) = (from, to, term);
            let payload = Envelope::Raft(Box::new(message)).encode();
            self.outputs.push_back(Output::Send { to: node_of(to), payload });
        }
    }

    /// Whether a node has not lately said what speaks against its leading.
    pub(super) fn is_fit(&self, node: NodeId) -> bool {
        !self.quarantine.reports(node, self.now) && !self.scarcity.says(node, self.now)
    }

    /// Raft learns how far the log has been applied. It ends a change of members by itself then, which a leader must not
    /// that has to hand over before: the next one does.
    pub(super) fn tell_applied(&mut self) {
        if self.is_leaving() {
            self.raft.raft.pending_conf_index = u64::MAX;
        }
        self.raft.advance_apply_to(self.state.cursor.index);
    }
}
