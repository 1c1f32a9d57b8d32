//! Spreads leaders over the nodes: each partition has a node that should lead it, by the configuration or in turn over
//! those who can. An order is committed twice by the ledger and once by its market, so who leads the ledger has no turn
//! among the markets while others can lead them. A leader that is another hands over when things have been quiet and the
//! preferred replica has everything. One that is to lead nothing hands over at once, to whoever is nearest.

use std::collections::BTreeSet;

use replicator::{Status, node_of};
use wire::{NodeId, PartitionId, Timestamp};

/// The preferred replica may miss this many entries; the transfer brings them over.
const BEHIND_MAX: u64 = 64;
/// Who is to lead nothing looks this often for somebody who can.
const DRAIN_RETRY_NS: u64 = 20_000_000;
/// An operator who removes a node says so again within this time, until it is gone.
const LEAVING_NS: u64 = 10_000_000_000;

/// When a partition's leadership should move, as its present leader sees it.
#[derive(Debug)]
pub struct Handover {
    node: NodeId,
    turn: Turn,
    /// Who should lead by the configuration.
    configured: Option<NodeId>,
    /// Those who may lead: they vote, and are neither draining nor to go. Empty before that is known.
    able: Vec<NodeId>,
    /// A node that an operator is removing: it is given nothing.
    leaving: Option<Leaving>,
    leads: bool,
    stable_ns: u64,
    /// When to look again; only while this node leads.
    due: Option<Timestamp>,
    /// Peers known to be dead and not heard of since.
    dead: BTreeSet<NodeId>,
}

/// A partition's place when nodes take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is the ledger's.
    Ledger,
    /// So many partitions of markets come before it.
    Market(usize),
}

impl Turn {
    /// Of `partition`, where `ledger` is the ledger's and `partitions` are all.
    pub fn of(partition: PartitionId, ledger: PartitionId, partitions: &[PartitionId]) -> Turn {
        if partition == ledger {
            return Turn::Ledger;
        }
        Turn::Market(partitions.iter().filter(|other| **other < partition && **other != ledger).count())
    }

    /// Whose turn it is.
    fn among(self, able: &[NodeId]) -> Option<NodeId> {
        let (first, others) = able.split_first()?;
        Some(match self {
            Turn::Ledger => *first,
            Turn::Market(place) => *place.checked_rem(others.len()).map_or(first, |at| &others[at]),
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Leaving {
    node: NodeId,
    /// The removal has been given up when nothing more was heard of it until then. Counted from the next look at the clock.
    until: Option<Timestamp>,
}

impl Handover {
    /// On `node`, of a partition that `configured` should lead; whoever's turn it is when that is nobody.
    pub fn new(node: NodeId, turn: Turn, configured: Option<NodeId>, stable_ns: u64) -> Handover {
        let (able, leaving, due, dead) = Default::default();
        Handover { node, turn, configured, able, leaving, leads: false, stable_ns, due, dead }
    }

    /// Others have a replica now, or may lead.
    pub fn members(&mut self, status: &Status) {
        let members = &status.members;
        let nodes: BTreeSet<NodeId> = members.voters.iter().map(|voter| node_of(*voter)).collect();
        self.leaving = self.leaving.filter(|leaving| members.has_node(leaving.node));
        let goes = |node: &NodeId| {
            let places = &members.places;
            places.draining.contains(node)
                || places.replaced.values().any(|replaced| replaced == node)
                || self.leaving.is_some_and(|leaving| leaving.node == *node)
        };
        self.able = nodes.into_iter().filter(|node| !goes(node)).collect();
        if self.leads && self.preferred() != Some(self.node) {
            self.due = Some(Timestamp::ZERO);
        }
    }

    /// Who should lead, among those who can.
    fn preferred(&self) -> Option<NodeId> {
        let configured = self.configured.filter(|node| self.able.is_empty() || self.able.contains(node));
        configured.or_else(|| self.turn.among(&self.able))
    }

    /// Whether this node should not lead at all, though others could.
    fn is_to_go(&self) -> bool {
        !self.able.is_empty() && !self.able.contains(&self.node)
    }

    /// A node is to go; said again as long as that is wanted.
    pub fn leaves(&mut self, node: NodeId) {
        self.leaving = Some(Leaving { node, until: None });
        self.able.retain(|able| *able != node);
    }

    /// This node began or ceased to lead.
    pub fn leads(&mut self, leads: bool, now: Timestamp) {
        self.leads = leads;
        let wait = if self.is_to_go() { 0 } else { self.stable_ns };
        self.due = (leads && self.preferred() != Some(self.node)).then(|| now.plus_nanos(wait));
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
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        if let Some(leaving) = &mut self.leaving {
            leaving.until.get_or_insert(now.plus_nanos(LEAVING_NS));
        }
        self.is_given_up(now) || self.due.is_some_and(|due| now >= due)
    }

    fn is_given_up(&self, now: Timestamp) -> bool {
        self.leaving.and_then(|leaving| leaving.until).is_some_and(|until| now >= until)
    }

    /// Whom to hand over to now, if anybody. Looks again after as long as it took to become due.
    pub fn poll(&mut self, now: Timestamp, status: &Status) -> Option<NodeId> {
        if self.is_given_up(now) {
            self.leaving = None;
            self.members(status);
        }
        if !self.leads {
            return None;
        }
        let is_to_go = self.is_to_go();
        self.due = Some(now.plus_nanos(if is_to_go { DRAIN_RETRY_NS } else { self.stable_ns }));
        let preferred = self.preferred();
        let is_near = |node: NodeId, matched: u64| {
            let is_able = preferred == Some(node) || (is_to_go && self.able.contains(&node));
            is_able && matched + BEHIND_MAX >= status.last_index && !self.dead.contains(&node) && node != self.node
        };
        let near = status.standbys.iter().filter(|(node, matched)| is_near(*node, *matched));
        let best = near.max_by_key(|(node, matched)| (preferred == Some(*node), *matched));
        best.map(|(node, _)| *node).filter(|_| status.settled)
    }
}

#[cfg(test)]
mod tests;
