//! Who leads: news of it, from partition threads and from other nodes. Clients and this node's partitions are told what is
//! believed here, other nodes what the replica here says ([`crate::announcements`]).

use std::collections::BTreeMap;

use replicator::net::Links;
use wire::link::{Frame, Leader, Role};
use wire::{NodeId, PartitionId, Term, Timestamp};

use super::{Router, send};
use crate::announcements::Announcements;
use crate::host::HostInput;

impl Router {
    /// The replica here says who leads.
    pub(super) fn on_leader_changed(
        &mut self,
        partition: PartitionId,
        leader: Option<NodeId>,
        term: Term,
        out: &mut Links,
    ) {
        let Some(hosted) = self.hosted.get_mut(&partition) else { return };
        let is_news = hosted.announcements.replica_says(leader, term, self.now);
        self.announce(partition, |role| role == Role::Node, out);
        if is_news {
            self.tell_believed(partition, out);
        }
    }

    /// Another node says who leads.
    pub(super) fn on_leader(&mut self, from: NodeId, said: Leader, out: &mut Links) {
        let Leader { partition, leader, term } = said;
        let Some(hosted) = self.hosted.get_mut(&partition) else { return };
        if hosted.announcements.node_says(from, (leader.get() != 0).then_some(leader), term, self.now) {
            self.tell_believed(partition, out);
        }
    }

    /// A link with a node is closed: what the node has said goes with the last of them.
    pub(super) fn forget_words(&mut self, node: NodeId, out: &mut Links) {
        if !self.links.values().any(|peer| *peer == (Role::Node, node)) {
            self.reconsider(|announcements, now| announcements.forget(node, now), out);
        }
    }

    /// What nobody confirms is not believed for long.
    pub(super) fn poll_leaders(&mut self, out: &mut Links) {
        self.reconsider(Announcements::poll, out);
    }

    fn reconsider(&mut self, has_changed: impl Fn(&mut Announcements, Timestamp) -> bool, out: &mut Links) {
        let now = self.now;
        let changed = self
            .hosted
            .iter_mut()
            .filter_map(|(partition, hosted)| has_changed(&mut hosted.announcements, now).then_some(*partition));
        for partition in changed.collect::<Vec<PartitionId>>() {
            self.tell_believed(partition, out);
        }
    }

    fn tell_believed(&mut self, partition: PartitionId, out: &mut Links) {
        if let Some(hosted) = self.hosted.get_mut(&partition) {
            hosted.probe.leader_changed();
        }
        self.announce(partition, |role| role != Role::Node, out);
        for (other, hosted) in &mut self.hosted {
            if *other != partition && !hosted.news.contains(&partition) {
                hosted.news.push(partition);
            }
        }
        self.spread_news();
    }

    fn announce(&self, partition: PartitionId, is_told: fn(Role) -> bool, out: &mut Links) {
        for (link, (role, _)) in self.links.iter().filter(|(_, (role, _))| is_told(*role)) {
            if let Some(frame) = self.leader_frame(partition, *role) {
                send(out, *link, &frame);
            }
        }
    }

    /// What somebody of this role is told.
    pub(super) fn leader_frame(&self, partition: PartitionId, role: Role) -> Option<Frame<'static>> {
        let announcements = &self.hosted.get(&partition)?.announcements;
        let (leader, term) = if role == Role::Node { announcements.own() } else { announcements.believed() };
        Some(Frame::Leader(Leader { partition, leader: leader.unwrap_or_default(), term }))
    }

    /// News for partition threads must not be lost, so what does not fit a ring is kept here.
    pub(super) fn spread_news(&mut self) {
        if self.hosted.values().all(|hosted| hosted.news.is_empty() && hosted.dead.is_empty()) {
            return;
        }
        let leaders: BTreeMap<PartitionId, Option<NodeId>> =
            self.hosted.iter().map(|(partition, hosted)| (*partition, hosted.announcements.believed().0)).collect();
        for hosted in self.hosted.values_mut() {
            let port = &hosted.port;
            hosted.news.retain(|partition| {
                port.peer(HostInput::LeaderIs { partition: *partition, leader: leaders[partition] }).is_err()
            });
            hosted.dead.retain(|node| port.peer(HostInput::PeerRefused(*node)).is_err());
        }
    }
}
