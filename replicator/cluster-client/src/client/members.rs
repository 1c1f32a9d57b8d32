//! Who the nodes of the cluster are: those of the configuration, and those that the partitions' logs name.
//!
//! A node of the configuration is never given up, whatever a node says that may itself have been removed. One that only a
//! log named is, when none does any more.
//!
//! A learner that stays one is another region's: who is named by logs alone and stays a learner is not connected, and events
//! are not streamed from one that the configuration names as well. A client that keeps to its nodes is that region's reader,
//! and reads from whomever it was given.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use wire::link::{ChangeMembers, Frame, MemberPlace, MembersOf, decode_places};
use wire::{NodeId, PartitionId};

use super::connection::Connection;
use super::{Client, Output};

/// What is known of members.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whether it keeps to those of the configuration, whomever the logs name.
    keeps_to_configured: bool,
    configured: BTreeSet<NodeId>,
    /// By the log index of the newest news.
    partitions: BTreeMap<PartitionId, (u64, Vec<MemberPlace>)>,
}

impl Known {
    pub(super) fn new(configured: &[NodeId]) -> Known {
        let configured = configured.iter().copied().collect();
        Known { keeps_to_configured: false, configured, partitions: BTreeMap::new() }
    }

    /// Everybody, and where logs say that they are.
    fn nodes(&self) -> BTreeMap<NodeId, Option<SocketAddr>> {
        let configured = self.configured.iter().map(|node| (*node, None));
        let partitions = self.partitions.values().filter(|_| !self.keeps_to_configured);
        let members = partitions.flat_map(|(_, members)| members);
        // Without an address it cannot be reached, unless the configuration has one.
        let named = members.map(|member| (member.node, member.place.address())).filter(|(_, at)| at.is_some());
        let is_meant = |node: &NodeId| self.configured.contains(node) || !self.stays_learner(*node);
        configured.chain(named.filter(|(node, _)| is_meant(node))).collect()
    }

    /// Those of them from which events are streamed.
    fn sources(&self) -> Vec<NodeId> {
        let nodes = self.nodes().into_keys();
        nodes.filter(|node| self.keeps_to_configured || !self.stays_learner(*node)).collect()
    }

    /// Whether a log says of a node that it gets the log and never votes.
    fn stays_learner(&self, node: NodeId) -> bool {
        let mut members = self.partitions.values().flat_map(|(_, members)| members);
        members.any(|member| member.node == node && member.stays_learner)
    }
}

impl Client {
    /// Connects to the nodes that it was made with and to no others, from now on.
    pub fn keep_to_nodes(&mut self) {
        self.known.keeps_to_configured = true;
    }

    /// Whether any node has been greeted and has not been lost since.
    pub fn is_connected(&self) -> bool {
        self.connections.values().any(Connection::is_usable)
    }

    /// Who has a replica of the partition, as far as is known.
    pub fn members(&self, partition: PartitionId) -> Option<&[MemberPlace]> {
        self.known.partitions.get(&partition).map(|(_, members)| members.as_slice())
    }

    /// Asks the partition's leader for other members; `None` when none can be asked now. The answer is an output with this
    /// token, and may never come.
    pub fn change_members(&mut self, wish: ChangeMembers, now: Instant) -> Option<u64> {
        let token = self.next_key();
        self.lead(wish.partition, now);
        let (connection, is_confirmed) = self.leader_connection(wish.partition, now)?;
        is_confirmed.then(|| {
            connection.send(&Frame::ChangeMembers(ChangeMembers { token, ..wish }));
            token
        })
    }

    /// A log says who has a replica of its partition.
    pub(super) fn on_members(&mut self, of: MembersOf, places: &[u8], now: Instant) {
        let Ok(members) = decode_places(places) else { return };
        if self.known.partitions.get(&of.partition).is_some_and(|(index, _)| *index > of.index) {
            return;
        }
        let before = (self.known.nodes(), self.known.sources());
        self.known.partitions.insert(of.partition, (of.index, members));
        let (nodes, sources) = (self.known.nodes(), self.known.sources());
        if (&nodes, &sources) == (&before.0, &before.1) {
            return;
        }
        let before = before.0;
        for node in before.keys().filter(|node| !nodes.contains_key(node)) {
            tracing::info!(%node, "the node has left the cluster");
            self.give_up(*node, now);
            self.connections.remove(node);
        }
        for (node, address) in nodes.iter().filter(|(node, _)| !before.contains_key(node)) {
            tracing::info!(%node, ?address, "the node has joined the cluster");
            self.connections.insert(*node, Connection::new(now));
            self.wake(now);
        }
        self.outputs.push_back(Output::Nodes { nodes, sources });
    }
}
