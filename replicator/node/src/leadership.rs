//! Spreads leaders over the nodes: a leader that is not the preferred one hands over when things have
//! been quiet and the preferred replica has everything.

use std::collections::BTreeSet;

use replicator::Status;
use wire::{NodeId, Timestamp};

/// The preferred replica may miss this many entries; the transfer brings them over.
const BEHIND_MAX: u64 = 64;

/// When a partition's leadership should move, as its present leader sees it.
#[derive(Debug)]
pub struct Handover {
    node: NodeId,
    preferred: NodeId,
    stable_ns: u64,
    /// When to look again; only while this node leads.
    due: Option<Timestamp>,
    /// Peers known to be dead and not heard of since.
    dead: BTreeSet<NodeId>,
}

impl Handover {
    /// On `node`, of a partition that `preferred` should lead.
    pub fn new(node: NodeId, preferred: NodeId, stable_ns: u64) -> Handover {
        Handover { node, preferred, stable_ns, due: None, dead: BTreeSet::new() }
    }

    /// This node began or ceased to lead.
    pub fn leads(&mut self, leads: bool, now: Timestamp) {
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
        (status.settled && has_everything && !self.dead.contains(&self.preferred)).then_some(self.preferred)
    }
}
