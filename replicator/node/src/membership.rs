//! Who has replicas of this node's partitions and where they are, as the logs say: for clients, and for whom to dial.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use replicator::{Members, node_of};
use wire::link::{MemberPlace, MembersOf, Place, encode_places};
use wire::{NodeId, PartitionId};

/// See the module.
#[derive(Debug)]
pub struct Membership {
    node: NodeId,
    /// Where the configuration says that nodes are.
    configured: BTreeMap<NodeId, SocketAddr>,
    partitions: BTreeMap<PartitionId, (u64, Members)>,
    /// The other nodes, by all that is known.
    others: Vec<NodeId>,
}

impl Membership {
    /// On `node`, which knows so far what its configuration says.
    pub fn new(node: NodeId, configured: BTreeMap<NodeId, SocketAddr>) -> Membership {
        let others = configured.keys().copied().filter(|other| *other != node).collect();
        Membership { node, configured, partitions: BTreeMap::new(), others }
    }

    /// A log says who has a replica of its partition; whether that is news.
    pub fn learn(&mut self, partition: PartitionId, members: Members, index: u64) -> bool {
        let is_news = self.partitions.get(&partition).is_none_or(|(known, _)| index >= *known);
        if is_news {
            self.partitions.insert(partition, (index, members));
        }
        is_news
    }

    /// The other nodes.
    pub fn others(&self) -> &[NodeId] {
        &self.others
    }

    /// Where a node is: where the log says, or else the configuration.
    fn address(&self, node: NodeId) -> Option<SocketAddr> {
        let in_logs = self.partitions.values().find_map(|(_, members)| members.places.at.get(&node));
        in_logs.or_else(|| self.configured.get(&node)).copied()
    }

    /// What clients are told of a partition.
    pub fn news(&self, partition: PartitionId) -> Option<(MembersOf, Vec<u8>)> {
        let (index, members) = self.partitions.get(&partition)?;
        let nodes: BTreeSet<NodeId> = members.all().into_iter().map(node_of).collect();
        let place = |node: NodeId| MemberPlace {
            node,
            place: Place::of(self.address(node)),
            votes: members.voter_of(node).is_some(),
            stays_learner: members.places.learning.contains(&node),
            is_draining: members.places.draining.contains(&node),
        };
        let places: Vec<MemberPlace> = nodes.into_iter().map(place).collect();
        Some((MembersOf { partition, index: *index }, encode_places(&places)))
    }

    /// Whom to dial: everybody who has a replica of any partition, and, while it is not known of each of `partitions`
    /// who has, everybody whom the configuration names.
    pub fn peers<'a>(
        &mut self,
        mut partitions: impl Iterator<Item = &'a PartitionId>,
    ) -> Vec<(NodeId, Option<SocketAddr>)> {
        let is_known = partitions.all(|partition| self.partitions.contains_key(partition));
        let members = self.partitions.values().flat_map(|(_, members)| members.all()).map(node_of);
        let configured = self.configured.keys().copied().filter(|_| !is_known);
        let nodes: BTreeSet<NodeId> = members.chain(configured).filter(|node| *node != self.node).collect();
        self.others = nodes.iter().copied().collect();
        nodes.into_iter().map(|node| (node, self.address(node))).collect()
    }
}

#[cfg(test)]
mod tests;
