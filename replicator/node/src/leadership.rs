//! Spreads leaders over the nodes: a leader that is not the preferred one hands over when things have
//! been quiet and the preferred replica has everything.

use std::collections::BTreeSet;

use replicator::{Status, node_of};
use wire::{NodeId, PartitionId, Timestamp};

/// The preferred replica may miss this many entries; the transfer brings them over.
const BEHIND_MAX: u64 = 64;

/// When a partition's leadership should move, as its present leader sees it.
#[derive(Debug)]
pub struct Handover {
    node: NodeId,
    partition: PartitionId,
    /// Who should lead by the configuration, and who should among those who can.
    configured: NodeId,
    preferred: NodeId,
    /// A node that is to go: it is given nothing.
    leaving: Option<NodeId>,
    leads: bool,
    stable_ns: u64,
    /// When to look again; only while this node leads.
    due: Option<Timestamp>,
    /// Peers known to be dead and not heard of since.
    dead: BTreeSet<NodeId>,
}

impl Handover {
    /// On `node`, of a partition that `preferred` should lead.
    pub fn new(node: NodeId, partition: PartitionId, preferred: NodeId, stable_ns: u64) -> Handover {
        let (leaving, due, dead) = Default::default();
        Handover { node, partition, configured: preferred, preferred, leaving, leads: false, stable_ns, due, dead }
    }

    /// Others have a replica now. Where the configured leader is none of them, partitions are led in turn by those who are.
    pub fn members(&mut self, status: &Status) {
        let nodes: BTreeSet<NodeId> = status.members.voters.iter().map(|voter| node_of(*voter)).collect();
        let able: Vec<NodeId> = nodes.into_iter().filter(|node| Some(*node) != self.leaving).collect();
        if able.is_empty() {
            return;
        }
        let turn = usize::from(self.partition.get()).wrapping_sub(1) % able.len();
        self.preferred = if able.contains(&self.configured) { self.configured } else { able[turn] };
        if self.leads && self.due.is_none() && self.preferred != self.node {
            self.due = Some(Timestamp::ZERO);
        }
    }

    /// A node is to go.
    pub fn leaves(&mut self, node: NodeId) {
        self.leaving = Some(node);
    }

    /// This node began or ceased to lead.
    pub fn leads(&mut self, leads: bool, now: Timestamp) {
        self.leads = leads;
        self.due = (leads && self.preferred != self.node).then(|| now.plus_nanos(self.stable_ns));
    }

    /// A peer's process is dead.
    pub fn refused(&mut self, node: NodeId) {
        self.dead.insert(node);
    }

    /// A peer lives.
    pub fn heard(&mut self, node: NodeId) {
        self.dead.remove(&node);
    }

    /// Whether it is time to look.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| now >= due)
    }

    /// Whom to hand over to now, if anybody. Looks again after as long as it took to become due.
    pub fn poll(&mut self, now: Timestamp, status: &Status) -> Option<NodeId> {
        self.due = Some(now.plus_nanos(self.stable_ns));
        let has_everything = status
            .standbys
            .iter()
            .any(|(node, matched)| *node == self.preferred && matched + BEHIND_MAX >= status.last_index);
        let is_able = !self.dead.contains(&self.preferred) && self.leaving != Some(self.preferred);
        (status.settled && has_everything && is_able && self.preferred != self.node).then_some(self.preferred)
    }
}
