//! Who leads: news of it, from partition threads and from other nodes, for everybody who has a link and for this node's
//! partitions.

use std::collections::BTreeMap;

use replicator::net::Links;
use wire::link::{Frame, Leader};
use wire::{NodeId, PartitionId, Term};

use super::{Router, send};
use crate::host::HostInput;

impl Router {
    /// Takes news of a leader when they are newer, and passes them on to everybody.
    pub(super) fn on_leader(&mut self, leader: Leader, out: &mut Links) {
        let Leader { partition, leader: node, term } = leader;
        let known = (node.get() != 0).then_some(node);
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        let is_newer = term > lane.term || (term == lane.term && known.is_some() && lane.leader.is_none());
        if !is_newer {
            return;
        }
        (lane.leader, lane.term) = (known, term);
        self.announce(partition, out);
    }

    pub(super) fn announce(&mut self, partition: PartitionId, out: &mut Links) {
        if let Some(lane) = self.lanes.get_mut(&partition) {
            lane.probe.leader_changed();
        }
        let Some(frame) = self.leader_frame(partition) else { return };
        for link in self.links.keys() {
            send(out, *link, &frame);
        }
        for (other, lane) in &mut self.lanes {
            if *other != partition && !lane.news.contains(&partition) {
                lane.news.push(partition);
            }
        }
        self.spread_news();
    }

    pub(super) fn leader_frame(&self, partition: PartitionId) -> Option<Frame<'static>> {
        let lane = self.lanes.get(&partition)?;
        let leader = lane.leader.unwrap_or(NodeId::new(0));
        Some(Frame::Leader(Leader { partition, leader, term: lane.term }))
    }

    /// News for partition threads must not be lost, so what does not fit a ring is kept here.
    pub(super) fn spread_news(&mut self) {
        if self.lanes.values().all(|lane| lane.news.is_empty() && lane.dead.is_empty()) {
            return;
        }
        let leaders: BTreeMap<PartitionId, (Option<NodeId>, Term)> =
            self.lanes.iter().map(|(partition, lane)| (*partition, (lane.leader, lane.term))).collect();
        for lane in self.lanes.values_mut() {
            let port = &lane.port;
            lane.news.retain(|partition| {
                let (leader, term) = leaders[partition];
                port.peer(HostInput::LeaderIs { partition: *partition, leader, term }).is_err()
            });
            lane.dead.retain(|node| port.peer(HostInput::PeerRefused(*node)).is_err());
        }
    }
}
