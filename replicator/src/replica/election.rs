//! Elections: timeouts that a simulation can repeat, and a short way to a new leader when the old one's process is
//! known to be dead.

use raft::eraftpb::{Entry, EntryType, Message, MessageType};
use raft::{GetEntriesContext, INVALID_ID, RawNode, StateRole};
use wire::{NodeId, Timestamp};

use super::Replica;
use crate::log::Tail;
use crate::members::node_of;
use crate::random::Random;
use crate::{LogStore, ReplicaConfig, StateMachine};

/// Draws election timeouts and remembers a planned campaign.
#[derive(Debug)]
pub(super) struct Election {
    random: Random,
    ticks: usize,
    /// Term and role at the last draw: Raft resets its timer when they change.
    drawn_for: (u64, StateRole),
    timeout: usize,
    plan: Option<Plan>,
    /// The term of the last plan. One campaign per term, or a flapping connection would never let anybody lead.
    planned_term: u64,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    due: Timestamp,
    leader: u64,
}

impl Election {
    pub fn new(config: &ReplicaConfig) -> Election {
        let mut election = Election {
            random: Random::new(config.seed ^ config.node.get().wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            ticks: config.timing.election_ticks,
            drawn_for: (0, StateRole::Follower),
            timeout: 0,
            plan: None,
            planned_term: 0,
        };
        election.draw();
        election
    }

    /// Raft draws its timeout from the thread's own random numbers. To be repeatable, ours is put in its place after
    /// every tick and step.
    pub fn settle(&mut self, raft: &mut RawNode<Tail>) {
        let now = (raft.raft.term, raft.raft.state);
        if now != self.drawn_for {
            self.drawn_for = now;
            self.draw();
        }
        raft.raft.set_randomized_election_timeout(self.timeout);
    }

    /// When the planned campaign is due.
    pub fn due(&self) -> Option<Timestamp> {
        self.plan.map(|plan| plan.due)
    }

    fn draw(&mut self) {
        self.timeout = self.ticks + self.random.below(self.ticks as u64) as usize;
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// The connection to a node was closed and a new one is refused: its process is dead. If it led, a campaign
    /// is planned at once, the standbys one after the other, so that they do not split the vote.
    pub fn peer_refused(&mut self, node: NodeId) {
        if self.failed.is_some() || node == self.config.node || !self.is_member() || self.scarcity.is_full() {
            return;
        }
        for member in self.state.members.all().into_iter().filter(|member| node_of(*member) == node) {
            self.raft.report_unreachable(member);
        }
        let raft = &self.raft.raft;
        let follows = raft.state == StateRole::Follower && node_of(raft.leader_id) == node;
        if !follows || self.election.planned_term == raft.term || self.scarcity.is_low() {
            return;
        }
        let standbys = self.state.members.voters.iter().filter(|voter| node_of(**voter) != node);
        let Some(rank) = standbys.into_iter().position(|voter| *voter == raft.id) else { return };
        let wait = rank as u64 * self.config.timing.failover_stagger_ns;
        let leader = raft.leader_id;
        self.election.planned_term = raft.term;
        self.election.plan = Some(Plan { due: self.now.plus_nanos(wait), leader });
    }

    /// Whose own vote is enough leads as soon as it stands for election, and Raft stops the process when not all of its log is on
    /// its disk by then. Whoever needs others' votes asks for them when it is.
    pub(super) fn must_write_first(&self) -> bool {
        let raft = &self.raft.raft;
        let is_written = raft.raft_log.persisted == raft.raft_log.last_index();
        raft.state != StateRole::Leader && !is_written && raft.prs().has_quorum(&[raft.id].into_iter().collect())
    }

    /// Who refuses a vote says what it knows to be committed, and that is so in any term. Raft goes by it when the refusal is of the
    /// candidate's own term; but whoever is asked before a campaign answers in the term that it has itself, and a member that knows
    /// that it is none any more may stay in an earlier one. It does not stand for election, and refuses whoever has less log: a
    /// candidate that counts its vote must learn from it that it counts no more.
    pub(super) fn learn_from_refusal(&mut self, message: &Message) {
        let raft = &mut self.raft.raft;
        let is_refusal = message.get_msg_type() == MessageType::MsgRequestPreVoteResponse && message.reject;
        let is_dropped = is_refusal && message.term < raft.term && message.commit_term > 0;
        let has_asked = raft.state == StateRole::PreCandidate && raft.prs().get(message.from).is_some();
        let known = raft.raft_log.committed;
        // Who has an entry of this index and term has the same log up to there.
        if is_dropped && has_asked && raft.raft_log.maybe_commit(message.commit, message.commit_term) {
            let context = GetEntriesContext::empty(false);
            let learned = raft.raft_log.slice(known + 1, message.commit + 1, None, context);
            let is_change = |entry: &Entry| entry.get_entry_type() == EntryType::EntryConfChangeV2;
            // The members are others once it is applied. Otherwise the campaign goes on: others may grant what this one refuses.
            if learned.map_or(true, |learned| learned.iter().any(is_change)) {
                let term = raft.term;
                raft.become_follower(term, INVALID_ID);
            }
        }
    }

    /// Campaigns as planned, unless somebody leads by then or has this replica's vote.
    pub(super) fn poll_failover(&mut self) -> usize {
        let Some(plan) = self.election.plan.filter(|plan| plan.due <= self.now) else { return 0 };
        self.election.plan = None;
        // Who has a change of members to apply does not stand for election.
        self.apply_backlog();
        let raft = &self.raft.raft;
        let leaderless = raft.leader_id == plan.leader || (raft.leader_id == 0 && raft.vote == 0);
        let is_able = !self.persistence.is_installing() && !self.must_write_first();
        if raft.state != StateRole::Follower || !leaderless || !is_able {
            return 1;
        }
        // A plain campaign is ignored by peers that heard from the leader a moment ago; one that looks like a
        // transfer of leadership is not. Safe because nothing reads by lease.
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgTimeoutNow);
        (message.from, message.to) = (plan.leader, raft.id);
        let _ = self.raft.raft.step(message);
        self.election.settle(&mut self.raft);
        1
    }
}
