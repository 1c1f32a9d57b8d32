//! Finding out what this replica is to its group, see [`crate::standing`]; and, as the leader, taking in who returns.

use std::collections::{BTreeMap, BTreeSet};

use raft::eraftpb::HardState;
use raft::{ProgressState, RawNode};
use wire::{NodeId, Timestamp};

use super::envelope::{Envelope, Introduction};
use super::twin::Twin;
use super::{Replica, raft_config};
use crate::log::{Append, Stored, Tail};
use crate::members::{Change, Joining, Members, member, node_of};
use crate::random::Random;
use crate::standing::Standing;
use crate::{LogStore, Output, ReplicaConfig, StateMachine};

/// Who does not belong says so this often, and a leader looks this often who does not.
const REPEAT_NS: u64 = 50_000_000;
/// What somebody has said of itself is true for so long.
const HEARD_LASTS_NS: u64 = 1_000_000_000;
/// A learner that misses no more entries than this becomes a voter.
const BEHIND_MAX: u64 = 64;

/// What is known of who belongs.
#[derive(Debug)]
pub(super) struct Belonging {
    pub standing: Standing,
    /// The write that makes the standing durable; nobody is told before.
    ticket: u64,
    /// What others have said of themselves, and when.
    heard: BTreeMap<NodeId, (Introduction, Timestamp)>,
    repeat_at: Timestamp,
    /// The index of the last change of members.
    pub changed_at: u64,
    /// Of each learner: the index of the change that made it one, or of a snapshot that names it.
    named_at: BTreeMap<u64, u64>,
    /// Of a leader: when each member last answered it.
    pub answered: BTreeMap<u64, Timestamp>,
    /// Nodes that are no founders and that this one has met.
    met: BTreeSet<NodeId>,
    /// When a message of the group came for this member last.
    pub addressed_at: Timestamp,
}

impl Belonging {
    /// Of what a store holds.
    pub fn of(stored: &Stored, config: &ReplicaConfig) -> Belonging {
        let is_blank =
            stored.snapshot.is_none() && stored.entries.is_empty() && stored.hard_state == HardState::default();
        let standing = match &stored.standing {
            Some(standing) => standing.clone(),
            // Written before stores had a standing.
            None if !is_blank => Standing::Founder { numbers: BTreeMap::new() },
            None if config.voters.len() == 1 && !config.stays_learner => {
                Standing::Founder { numbers: [(config.node, 0)].into() }
            }
            None => {
                let number = Random::new(config.seed ^ config.node.get() << 40).below(u64::from(u32::MAX)) as u32 + 1;
                if stored.is_lost { Standing::Returning { number } } else { Standing::New { number } }
            }
        };
        #[cfg(feature = "planted")]
        let standing = match standing {
            Standing::New { .. } | Standing::Returning { .. }
                if wire::planted::is(wire::planted::Bug::WipedNodeVotes) =>
            {
                Standing::Founder { numbers: BTreeMap::new() }
            }
            standing => standing,
        };
        Belonging {
            ticket: u64::from(stored.standing.as_ref() != Some(&standing)),
            standing,
            heard: BTreeMap::new(),
            repeat_at: Timestamp::ZERO,
            changed_at: 0,
            named_at: BTreeMap::new(),
            answered: BTreeMap::new(),
            met: BTreeSet::new(),
            addressed_at: Timestamp::ZERO,
        }
    }

    /// Who founded the cluster, whatever the configuration says by now; `None` when only that knows.
    pub fn founders(&self) -> Option<Vec<NodeId>> {
        match &self.standing {
            Standing::Founder { numbers } if !numbers.is_empty() => Some(numbers.keys().copied().collect()),
            _ => None,
        }
    }

    /// The members are these as of an index.
    pub fn members_are(&mut self, members: &Members, index: u64) {
        self.changed_at = index;
        self.named_at.retain(|learner, _| members.learners.contains(learner));
        for learner in &members.learners {
            self.named_at.entry(*learner).or_insert(index);
        }
    }

    /// What a node has lately said of itself.
    pub fn is_heard(&self, node: NodeId, now: Timestamp) -> Option<&Introduction> {
        self.heard.get(&node).filter(|(_, at)| now <= at.plus_nanos(HEARD_LASTS_NS)).map(|(said, _)| said)
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Whether it knows what it is, and the disk does.
    pub(super) fn is_admitted(&self) -> bool {
        !self.belonging.standing.is_new() && self.belonging.ticket <= self.persistence.durable()
    }

    /// Whether it has nothing of a group that it returns to: it must not take the log from its beginning, which does not
    /// say who the members were then, and it has nothing to vote by.
    pub(super) fn is_blank(&self) -> bool {
        !self.belonging.standing.is_founder() && self.state.cursor.index == 0
    }

    pub(super) fn is_member(&self) -> bool {
        self.is_admitted() && !self.is_blank() && self.state.members.has(self.raft.raft.id)
    }

    /// Writes the standing that was decided at opening.
    pub(super) fn begin_belonging(&mut self) {
        if self.belonging.ticket > 0 {
            let standing = self.belonging.standing.clone();
            self.settle_for(standing);
        } else {
            self.campaign_alone();
        }
    }

    fn settle_for(&mut self, standing: Standing) {
        let append = Append { standing: Some(standing.clone()), ..self.next_append(&[]) };
        self.belonging.ticket = append.ticket;
        self.belonging.standing = standing;
        self.store.append(append);
    }

    /// The standing is durable.
    pub(super) fn standing_durable(&mut self) {
        let ticket = self.belonging.ticket;
        if ticket == 0 || ticket > self.persistence.durable() {
            return;
        }
        self.belonging.ticket = 0;
        self.belonging.repeat_at = self.now;
        self.campaign_alone();
    }

    /// Where nobody else could lead.
    pub(super) fn campaign_alone(&mut self) {
        let id = self.raft.raft.id;
        // Who may not write does not lead; it will, by the clock, once there is space.
        if self.scarcity.is_full() {
            return;
        }
        if self.is_member() && self.state.members.voters == [id].into() && !self.state.members.is_joint() {
            let _ = self.raft.campaign();
            self.election.settle(&mut self.raft);
        }
    }

    /// Introduces itself while it does not belong; a leader looks after those who do not.
    pub(super) fn poll_belonging(&mut self) -> usize {
        if self.now < self.belonging.repeat_at {
            return 0;
        }
        self.belonging.repeat_at = self.now.plus_nanos(REPEAT_NS);
        if self.is_leader() {
            return self.look_after_members();
        }
        if self.belonging.ticket == 0 && !self.is_member() {
            self.complain();
            self.introduce_to_all();
            return 1;
        }
        if self.is_forgotten() {
            self.introduce_to_all();
        }
        self.has_come();
        self.tell_past();
        0
    }

    /// Another node is connected: whoever looks for its group asks it as well, though no configuration names it.
    pub fn meet(&mut self, node: NodeId) {
        self.belonging.met.insert(node);
    }

    /// Whether it is a learner, as far as it knows, and nobody speaks to it: a leader that took it for nobody has let it go. It
    /// introduces itself as if it had never belonged.
    fn is_forgotten(&self) -> bool {
        let is_learner = self.is_member() && self.state.members.learners.contains(&self.raft.raft.id);
        is_learner && self.now > self.belonging.addressed_at.plus_nanos(HEARD_LASTS_NS)
    }

    fn introduce_to_all(&mut self) {
        let others: BTreeSet<NodeId> = self.belonging.met.iter().chain(&self.config.voters).copied().collect();
        for to in others {
            if to != self.config.node {
                self.introduce(to);
            }
        }
    }

    fn introduce(&mut self, to: NodeId) {
        let (standing, is_member) = (self.belonging.standing.clone(), self.is_member());
        let (stays_learner, numbers) = (self.config.stays_learner, self.numbers());
        let said = Introduction { standing, is_member, stays_learner, numbers };
        let payload = Envelope::Introduction(said).encode();
        self.outputs.push_back(Output::Send { to, payload });
    }

    /// Somebody says what it is.
    pub(super) fn on_introduction(&mut self, from: NodeId, said: Introduction) -> bool {
        if self.belonging.ticket != 0 {
            return true;
        }
        if !said.is_member && self.is_member() {
            self.introduce(from);
        }
        let before = self.numbers();
        self.belonging.heard.insert(from, (said.clone(), self.now));
        let Standing::New { number } = self.belonging.standing else { return true };
        match said.standing {
            Standing::Founder { numbers } if numbers.get(&self.config.node) == Some(&number) => self.found(numbers),
            Standing::Founder { .. } => self.settle_for(Standing::Returning { number }),
            Standing::Returning { .. } if said.is_member => self.settle_for(Standing::Returning { number }),
            Standing::Returning { .. } => {}
            Standing::New { .. } => match self.agreed() {
                Some(numbers) => self.found(numbers),
                // Everybody waits for this to be said.
                None if before != self.numbers() => self.belonging.repeat_at = self.now,
                None => {}
            },
        }
        true
    }

    /// The numbers of all that are new, this one among them; none of one that is not.
    pub(super) fn numbers(&self) -> BTreeMap<NodeId, u32> {
        let Standing::New { number } = self.belonging.standing else { return BTreeMap::new() };
        let number_of = |voter: &NodeId| match self.belonging.is_heard(*voter, self.now)?.standing {
            Standing::New { number } => Some((*voter, number)),
            _ => None,
        };
        let own = (self.config.node, number);
        self.others_to_found().iter().filter_map(number_of).chain([own]).collect()
    }

    /// The others that a new cluster waits for: whom the configuration names, but for those who say that they stay learners,
    /// whom the founders take in later. Who has not spoken yet is waited for, so all founders leave out the same ones.
    pub(super) fn others_to_found(&self) -> Vec<NodeId> {
        let stays_learner = |node: NodeId| self.belonging.heard.get(&node).is_some_and(|(said, _)| said.stays_learner);
        let others = self.config.voters.iter().copied().filter(|voter| *voter != self.config.node);
        others.filter(|other| !stays_learner(*other)).collect()
    }

    /// The others that do not say that everybody is new with just these numbers.
    pub(super) fn missing(&self, numbers: &BTreeMap<NodeId, u32>) -> Vec<NodeId> {
        let agrees = |other: NodeId| {
            let said = self.belonging.is_heard(other, self.now);
            said.is_some_and(|said| said.standing.is_new() && said.numbers == *numbers)
        };
        self.others_to_found().into_iter().filter(|other| !agrees(*other)).collect()
    }

    /// Everybody's numbers, once everybody says the same ones. Who says so was new when the youngest of those disks had
    /// been written to: nobody can have counted on what a disk before them had promised.
    fn agreed(&self) -> Option<BTreeMap<NodeId, u32>> {
        // Who stays a learner is taken in by those who found.
        if self.config.stays_learner {
            return None;
        }
        let numbers = self.numbers();
        (numbers.len() == self.others_to_found().len() + 1 && self.missing(&numbers).is_empty()).then_some(numbers)
    }

    /// Everybody is new: this is the beginning.
    fn found(&mut self, numbers: BTreeMap<NodeId, u32>) {
        let founders: Vec<NodeId> = numbers.keys().copied().collect();
        self.settle_for(Standing::Founder { numbers });
        let members = Members::founders(&founders);
        if self.config.voters != founders {
            self.config.voters = founders;
            self.state.members = members.clone();
            self.twin = Twin::of(&self.state.machine, &self.config, None);
        }
        let tail = Tail::new(members.conf_state(), HardState::default(), (0, 0), Vec::new(), (0, 0));
        let config = raft_config(&self.config, member(self.config.node, 0), 0);
        match RawNode::new(&config, tail, &slog::Logger::root(slog::Discard, slog::o!())) {
            Ok(raft) => self.raft = raft,
            Err(error) => self.fail(error.to_string()),
        }
        self.election.settle(&mut self.raft);
        self.tell_members();
    }

    /// Makes voters of learners that have caught up, and learners of nodes that return.
    fn look_after_members(&mut self) -> usize {
        let now = self.now;
        if self.is_leaving() && self.raft.raft.lead_transferee.is_none() {
            self.hand_over_whole();
        }
        let raft = &self.raft.raft;
        let is_busy = !raft.commit_to_current_term() || raft.has_pending_conf() || self.state.members.is_joint();
        self.send_to_blank();
        self.tell_learners();
        if is_busy || self.is_broken() {
            return 1;
        }
        let raft = &self.raft.raft;
        let members = &self.state.members;
        let last = raft.raft_log.last_index();
        let has_caught_up = |learner: &&u64| {
            raft.prs().get(**learner).is_some_and(|progress| {
                let has_begun = progress.matched > 0 && progress.state != ProgressState::Snapshot;
                has_begun && progress.matched + BEHIND_MAX >= last
            })
        };
        let able = members.learners.iter().filter(|learner| members.is_to_vote(**learner)).filter(has_caught_up);
        let able: Vec<u64> = able.copied().collect();
        if let Some(learner) = able.into_iter().find(|learner| self.has_its_past(*learner)) {
            let members = &self.state.members;
            let node = node_of(learner);
            let former = members.removal(node).filter(|change| *change != Change::Remove(learner));
            let replaced = members.places.replaced.get(&node).into_iter().flat_map(|leaving| members.removal(*leaving));
            let changes: Vec<Change> = [Change::Promote(learner)].into_iter().chain(former).chain(replaced).collect();
            // Whatever is in the way: it is tried again.
            let _ = self.change_members(&changes, Joining::default());
            return 1;
        }
        if let Some(learner) = self.left_behind() {
            let _ = self.change_members(&[Change::Remove(learner)], Joining::default());
            return 1;
        }
        let (belonging, members) = (&self.belonging, &self.state.members);
        let returning = belonging.heard.keys().filter_map(|node| {
            let said = belonging.is_heard(*node, now)?;
            let id = said.standing.member(*node);
            let is_member = members.has_node(*node) && !members.has(id);
            (matches!(said.standing, Standing::Returning { .. }) && is_member).then_some(id)
        });
        let Some(id) = returning.min() else { return 1 };
        let former = members.learners.iter().filter(|learner| node_of(**learner) == node_of(id));
        let changes: Vec<Change> = [Change::Learn(id)].into_iter().chain(former.copied().map(Change::Remove)).collect();
        let _ = self.change_members(&changes, Joining::default());
        1
    }

    /// A learner that nobody is any more. A node that lost two disks in a moment has had two numbers: a leader that heard of the former
    /// later than the latter was taken in has taken it in as well. The node does not introduce itself any more, but answers as the
    /// other one. Who answers as the learner is somebody, though an answer of the voter that its node was has been long on its way.
    fn left_behind(&self) -> Option<u64> {
        let members = &self.state.members;
        let is_another = |learner: u64| {
            let node = node_of(learner);
            let said = self.belonging.is_heard(node, self.now);
            let says_so = said.is_some_and(|said| said.standing.member(node) == learner);
            let is_silent = !says_so && !self.is_alive(learner);
            is_silent && members.voters.iter().any(|voter| node_of(*voter) == node && self.is_alive(*voter))
        };
        members.learners.iter().copied().find(|learner| is_another(*learner))
    }

    /// A learner that has nothing needs a snapshot that says that it is one. So does one that was a member before, was let go and is
    /// taken in again by the same disk: it refuses what does not name it.
    fn send_to_blank(&mut self) {
        let snapshot = self.checkpoint.newest();
        let learners: Vec<u64> = self.state.members.learners.iter().copied().collect();
        for learner in learners {
            let said = self.belonging.is_heard(node_of(learner), self.now);
            let is_blank =
                said.is_some_and(|said| !said.is_member && said.standing.member(node_of(learner)) == learner);
            let named_at = self.belonging.named_at.get(&learner).copied().unwrap_or(0);
            let Some(progress) = self.raft.raft.mut_prs().get_mut(learner) else { continue };
            let is_sent = progress.state == ProgressState::Snapshot;
            let is_refused = is_sent && progress.pending_snapshot < named_at;
            let begun_at = if is_blank { self.belonging.changed_at } else { named_at };
            if !is_blank && !is_refused {
                continue;
            }
            if snapshot.0 < begun_at {
                self.checkpoint.hurry();
            } else if is_refused || !is_sent && progress.matched == 0 {
                progress.become_snapshot(snapshot.0);
                self.begin_transfer(learner, snapshot);
            }
        }
    }
}
