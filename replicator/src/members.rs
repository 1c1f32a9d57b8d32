//! Who has a replica of a partition: a function of its log.
//!
//! A member is a node *and* the life of its disk: a node whose disk was lost comes back under another number, so that what
//! the lost one promised binds nobody and its votes count nowhere. A member's id is its number times 2³² plus its
//! node; the nodes that founded the cluster have number 0.
//!
//! Changes are entries of the log, by joint consensus: an entry enters a configuration in which both the old voters and
//! the new ones must agree, and the next, which Raft adds by itself, leaves it.

mod places;

use std::collections::BTreeSet;

use protobuf::Message as _;
use raft::eraftpb::{ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState, Entry};
use wire::NodeId;
use wire::codec::{CodecError, Reader, Writer};

pub use places::{Joining, Places};

/// No group has more members; more are not believed.
pub const MEMBERS_MAX: usize = 64;
/// Nodes are numbered below this.
pub const NODES_BELOW: u64 = 1 << 32;

/// The id that Raft knows a node by.
pub fn member(node: NodeId, number: u32) -> u64 {
    u64::from(number) << 32 | node.get()
}

/// The node that a member lives on.
pub fn node_of(member: u64) -> NodeId {
    NodeId::new(member & (NODES_BELOW - 1))
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// Their votes count.
    pub voters: BTreeSet<u64>,
    /// While a change is under way: the voters before it, whose votes count as well.
    pub outgoing: BTreeSet<u64>,
    /// They get the log and do not vote.
    pub learners: BTreeSet<u64>,
    /// Where they are, and what is to become of them.
    pub places: Places,
}

/// A change, as an entry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// Its steps; none leaves the joint configuration.
    pub changes: Vec<Change>,
    /// How the node joins that learns by it.
    pub joining: Joining,
}

/// One step of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A stranger gets the log.
    Learn(u64),
    /// A learner votes.
    Promote(u64),
    /// A member is one no more.
    Remove(u64),
}

impl Members {
    /// Those who found a cluster.
    pub fn founders(nodes: &[NodeId]) -> Members {
        let voters = nodes.iter().map(|node| member(*node, 0)).collect();
        Members { voters, ..Members::default() }
    }

    /// Everybody, each once, in ascending order.
    pub fn all(&self) -> BTreeSet<u64> {
        self.voters.iter().chain(&self.outgoing).chain(&self.learners).copied().collect()
    }

    /// Whether a member is one.
    pub fn has(&self, member: u64) -> bool {
        [&self.voters, &self.outgoing, &self.learners].iter().any(|set| set.contains(&member))
    }

    /// Whether a node has a member.
    pub fn has_node(&self, node: NodeId) -> bool {
        self.all().iter().any(|member| node_of(*member) == node)
    }

    /// The member that a node votes by.
    pub fn voter_of(&self, node: NodeId) -> Option<u64> {
        self.voters.iter().copied().find(|member| node_of(*member) == node)
    }

    /// Whether a change is under way.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// What Raft calls it.
    pub fn conf_state(&self) -> ConfState {
        let mut conf = ConfState::default();
        conf.set_voters(self.voters.iter().copied().collect());
        conf.set_voters_outgoing(self.outgoing.iter().copied().collect());
        conf.set_learners(self.learners.iter().copied().collect());
        conf.auto_leave = self.is_joint();
        conf
    }

    /// Whether a learner is to become a voter some day.
    pub fn is_to_vote(&self, learner: u64) -> bool {
        !self.places.learning.contains(&node_of(learner))
    }

    /// Whether somebody joins, leaves or comes back. Who stays a learner does not.
    pub fn is_changing(&self) -> bool {
        self.is_joint() || self.learners.iter().any(|learner| self.is_to_vote(*learner))
    }

    /// What they are after a change; `None` when it is none that can be made.
    pub fn after(&self, entry: &Entry) -> Option<Members> {
        self.changed_by(read(&entry.data)?)
    }

    /// The same of a change that is not an entry yet: Raft would make one that is `None` here.
    pub fn changed_by(&self, proposed: Proposed) -> Option<Members> {
        let Proposed { changes, joining } = proposed;
        if changes.is_empty() {
            let mut members = Members { outgoing: BTreeSet::new(), ..self.clone() };
            let nodes: BTreeSet<NodeId> = members.all().into_iter().map(node_of).collect();
            members.places.retain(|node| nodes.contains(&node));
            return self.is_joint().then_some(members);
        }
        if self.is_joint() {
            return None;
        }
        let mut next = Members { outgoing: self.voters.clone(), ..self.clone() };
        for change in changes {
            match change {
                Change::Learn(member) if !self.has(member) => {
                    next.learners.insert(member);
                    next.places.joins(node_of(member), joining);
                }
                Change::Promote(member) if next.learners.remove(&member) => {
                    next.voters.insert(member);
                    next.places.replaced.remove(&node_of(member));
                    next.places.learning.remove(&node_of(member));
                }
                Change::Remove(member) if next.voters.remove(&member) || next.learners.remove(&member) => {}
                _ => return None,
            }
        }
        let is_possible = !next.voters.is_empty() && next.all().len() <= MEMBERS_MAX;
        is_possible.then_some(next)
    }

    /// Appends them, but for who stays a learner.
    pub fn write(&self, to: &mut Writer<'_>) {
        for set in [&self.voters, &self.outgoing, &self.learners] {
            to.put(&(set.len() as u16));
            set.iter().for_each(|member| to.put(member));
        }
        self.places.write(to);
    }

    /// Appends who stays a learner.
    pub(crate) fn write_learning(&self, to: &mut Writer<'_>) {
        self.places.write_learning(to);
    }

    /// Reads who stays a learner.
    pub(crate) fn read_learning(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.places.read_learning(from)
    }

    /// Whether the same vote, voted and learn.
    pub fn are_those(&self, other: &Members) -> bool {
        let sets = |members: &Members| [&members.voters, &members.outgoing, &members.learners].map(BTreeSet::clone);
        sets(self) == sets(other)
    }

    /// What takes a node's members out.
    pub fn removal(&self, node: NodeId) -> impl Iterator<Item = Change> {
        self.all().into_iter().filter(move |member| node_of(*member) == node).map(Change::Remove)
    }

    /// Whether Raft can start from them; it stops the process where it cannot.
    fn are_sound(&self) -> bool {
        let learns_and_votes = |id: &u64| self.voters.contains(id) || self.outgoing.contains(id);
        let all = self.all();
        let is_named = all.iter().all(|id| node_of(*id).get() != 0);
        !self.voters.is_empty() && !self.learners.iter().any(learns_and_votes) && is_named && all.len() <= MEMBERS_MAX
    }

    /// Reads them, but for who stays a learner.
    pub fn read(from: &mut Reader<'_>) -> Result<Members, CodecError> {
        let mut members = Members::read_without_places(from)?;
        members.places = Places::read(from)?;
        Ok(members)
    }

    /// Reads those of snapshots that knew no places.
    pub fn read_without_places(from: &mut Reader<'_>) -> Result<Members, CodecError> {
        let mut sets = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
        for set in &mut sets {
            for _ in 0..from.get::<u16>()? {
                set.insert(from.get()?);
            }
        }
        let [voters, outgoing, learners] = sets;
        let members = Members { voters, outgoing, learners, places: Places::default() };
        if members.are_sound() { Ok(members) } else { Err(CodecError::OutOfRange) }
    }
}

/// What Raft is to propose.
pub fn proposal(changes: &[Change], joining: Joining) -> ConfChangeV2 {
    let mut proposal = ConfChangeV2 { context: joining.encode().into(), ..ConfChangeV2::default() };
    proposal.set_transition(ConfChangeTransition::Implicit);
    for change in changes {
        let mut single = ConfChangeSingle::default();
        let (kind, member) = match *change {
            Change::Learn(member) => (ConfChangeType::AddLearnerNode, member),
            Change::Promote(member) => (ConfChangeType::AddNode, member),
            Change::Remove(member) => (ConfChangeType::RemoveNode, member),
        };
        single.set_change_type(kind);
        single.node_id = member;
        proposal.mut_changes().push(single);
    }
    proposal
}

/// The change in an entry's data: nothing is to leave the joint configuration. `None` when it is not one of ours.
pub fn read(data: &[u8]) -> Option<Proposed> {
    let mut change = ConfChangeV2::default();
    change.merge_from_bytes(data).ok()?;
    let is_leave = change.changes.is_empty() && change.get_transition() == ConfChangeTransition::Auto;
    if !is_leave && change.get_transition() != ConfChangeTransition::Implicit || change.changes.len() > MEMBERS_MAX {
        return None;
    }
    let singles = change.changes.iter().map(|single| {
        let member = Some(single.node_id).filter(|member| node_of(*member).get() != 0)?;
        Some(match single.get_change_type() {
            ConfChangeType::AddLearnerNode => Change::Learn(member),
            ConfChangeType::AddNode => Change::Promote(member),
            ConfChangeType::RemoveNode => Change::Remove(member),
        })
    });
    let changes: Vec<Change> = singles.collect::<Option<_>>()?;
    let joining = Joining::decode(&change.context).ok()?;
    (is_leave || !changes.is_empty()).then_some(Proposed { changes, joining })
}

#[cfg(test)]
mod tests;
