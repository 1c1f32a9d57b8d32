//! The network thread's half of a node: from links to partition threads and back.
//!
//! It checks who may ask for what, hands requests, Raft messages and mail to the partition threads by
//! bounded rings, and sends replies to the link that owns the session's last request. It never waits: a
//! full ring is a refusal or, where the sender sends again, a loss.

mod gaps;
mod leaders;
mod outputs;
mod requests;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crossbeam::channel::{Receiver, Sender};
use replicator::Past;
use replicator::net::cast::CastWay;
use replicator::net::{Handler, LinkId, Links, PeerIdentity};
use wire::link::{ChangeMembers, Frame, Refusal, Role, Subscribe, SubscribeRefused};
use wire::{LogPosition, NodeId, PartitionId, SessionId, Timestamp};

use crate::announcements::Announcements;
use crate::fan_out::FanOut;
use crate::freshness::LeaderProbe;
use crate::gap_filler::GapFiller;
use crate::host::HostInput;
use crate::membership::Membership;
use crate::metrics::RouterMetrics;
use crate::recent::Recent;
use crate::rings::{FromArchive, FromPartition, PartitionPort, ToArchive};
use crate::space::SpaceSeen;
use crate::stalls::StallWatch;
use crate::subscriptions::Subscriptions;

/// What the router needs of its node.
pub struct RouterConfig {
    /// This node.
    pub node: NodeId,
    /// Where the configuration says that nodes are, this one among them.
    pub addresses: BTreeMap<NodeId, SocketAddr>,
    /// The way into each partition thread.
    pub ports: BTreeMap<PartitionId, PartitionPort>,
    /// Memory for recent events of one partition.
    pub recent_bytes_max: usize,
    /// Where partition threads put their outputs.
    pub outputs: Receiver<FromPartition>,
    /// The way to the archive thread.
    pub archive: Sender<ToArchive>,
    /// Its answers.
    pub answers: Receiver<FromArchive>,
    /// The largest out-buffer of a client's link.
    pub client_buffer_max: usize,
    /// The largest out-buffer of a node's link.
    pub node_buffer_max: usize,
    /// What there is left on the disk.
    pub space: SpaceSeen,
    /// What carries casts, if anything does.
    pub casts: Option<Box<dyn CastWay>>,
    /// What it counts.
    pub metrics: RouterMetrics,
    /// Sees that its thread is run, where nobody else in it does.
    pub stalls: Option<StallWatch>,
}

/// The network thread's handler.
pub struct Router {
    node: NodeId,
    membership: Membership,
    hosted: BTreeMap<PartitionId, Hosted>,
    /// Who is at their other ends: a node's id means something where the role is a node's.
    links: BTreeMap<LinkId, (Role, NodeId)>,
    subscriptions: Subscriptions,
    fan_out: FanOut<LinkId>,
    outputs: Receiver<FromPartition>,
    archive: Sender<ToArchive>,
    answers: Receiver<FromArchive>,
    space: SpaceSeen,
    metrics: RouterMetrics,
    stalls: Option<StallWatch>,
    now: Timestamp,
    next_token: u64,
    pasts_at: Timestamp,
}

/// What is remembered of one partition that this node hosts.
struct Hosted {
    port: PartitionPort,
    announcements: Announcements,
    /// Other partitions whose leader changed and whose news did not fit this partition's ring yet.
    news: Vec<PartitionId>,
    /// A peer that is known to be dead and whose news did not fit.
    dead: Vec<NodeId>,
    sessions: BTreeMap<SessionId, LinkId>,
    opening: BTreeMap<u128, LinkId>,
    reads: BTreeMap<u64, (LinkId, u64)>,
    wishes: BTreeMap<u64, (LinkId, ChangeMembers)>,
    recent: Recent,
    filler: GapFiller,
    /// What the partition was told last of what its archive lacks.
    past: Option<Past>,
    probe: LeaderProbe,
}

impl Router {
    /// Knows nobody yet.
    pub fn new(config: RouterConfig) -> Router {
        let (node, recent_bytes_max) = (config.node, config.recent_bytes_max);
        let remembered = |(partition, port)| {
            let hosted = Hosted {
                port,
                announcements: Announcements::new(node),
                news: Vec::new(),
                dead: Vec::new(),
                sessions: BTreeMap::new(),
                opening: BTreeMap::new(),
                reads: BTreeMap::new(),
                wishes: BTreeMap::new(),
                recent: Recent::new(recent_bytes_max),
                filler: GapFiller::<LinkId>::new(partition),
                past: None,
                probe: LeaderProbe::new(partition),
            };
            (partition, hosted)
        };
        Router {
            node: config.node,
            membership: Membership::new(config.node, config.addresses),
            hosted: config.ports.into_iter().map(remembered).collect(),
            links: BTreeMap::new(),
            subscriptions: Subscriptions::new(config.archive.clone(), config.client_buffer_max, config.node_buffer_max),
            fan_out: FanOut::new(config.casts),
            outputs: config.outputs,
            archive: config.archive,
            answers: config.answers,
            space: config.space,
            metrics: config.metrics,
            stalls: config.stalls,
            now: Timestamp::ZERO,
            next_token: 0,
            pasts_at: Timestamp::ZERO,
        }
    }

    fn on_subscribe(&mut self, link: LinkId, role: Role, wanted: Subscribe, out: &mut Links) {
        if self.hosted.contains_key(&wanted.partition) {
            self.subscriptions.subscribe(link, role, wanted);
            return;
        }
        let refusal = Refusal::UnknownPartition;
        self.metrics.count_refusal(wanted.partition, refusal);
        let refused = SubscribeRefused { partition: wanted.partition, refusal, detail: 0 };
        send(out, link, &Frame::SubscribeRefused(refused));
    }

    /// Raft messages and mail: what does not fit the ring is lost, and sent again by its sender.
    fn pass_on(&mut self, partition: PartitionId, input: HostInput) {
        if let Some(hosted) = self.hosted.get(&partition)
            && hosted.port.peer(input).is_err()
        {
            tracing::debug!(%partition, "a message was dropped: the partition thread is behind");
        }
    }

    fn poll_probes(&mut self, out: &mut Links) {
        for hosted in self.hosted.values_mut() {
            if let Some(leader) = hosted.announcements.believed().0.filter(|leader| *leader != self.node) {
                hosted.probe.poll(self.now, leader, self.next_token, out);
                self.next_token += 1;
            }
        }
    }
}

impl Handler for Router {
    fn on_open(&mut self, link: LinkId, peer: &PeerIdentity, out: &mut Links) {
        tracing::info!(node = %self.node, name = %peer.name, address = %peer.address, "connected");
        self.links.insert(link, (peer.role, peer.node));
        self.metrics.links.set(self.links.len() as i64);
        let partitions: Vec<PartitionId> = self.hosted.keys().copied().collect();
        for partition in partitions {
            if let Some(frame) = self.leader_frame(partition, peer.role) {
                send(out, link, &frame);
            }
            match self.membership.news(partition) {
                Some((head, places)) if peer.role != Role::Node => send(out, link, &Frame::Members(head, &places)),
                _ => {}
            }
            if peer.role == Role::Node {
                // Full: it is heard of without this where a configuration names it.
                self.pass_on(partition, HostInput::Met(peer.node));
            }
        }
    }

    fn on_frame(&mut self, link: LinkId, frame: Frame<'_>, out: &mut Links) {
        let Some(PeerIdentity { role, node, .. }) = out.peer(link).copied() else { return };
        let is_node = role == Role::Node;
        match frame {
            Frame::Request(request, payload) => self.on_request(link, role, request, payload, out),
            Frame::OpenSession(open) => self.on_open_session(link, role, open, out),
            Frame::ReadIndex(read) => self.on_read_index(link, read, out),
            Frame::ChangeMembers(wish) => self.on_change_members(link, role, wish, out),
            Frame::Subscribe(wanted) => self.on_subscribe(link, role, wanted, out),
            Frame::Unsubscribe(end) => self.subscriptions.unsubscribe(link, end.partition),
            Frame::JoinCast(wish) => {
                if let Some(hosted) = self.hosted.get(&wish.partition) {
                    self.fan_out.join(link, wish, hosted.recent.upto());
                }
            }
            Frame::Raft(to, payload) if is_node => {
                self.pass_on(to.partition, HostInput::Raft { from: node, payload: payload.to_vec() });
            }
            Frame::Mail(to, payload) if is_node => self.pass_on(to.partition, HostInput::Mail(payload.to_vec())),
            Frame::Leader(leader) if is_node => self.on_leader(node, leader, out),
            Frame::Events(head, events) if is_node => self.on_events(link, head, events, out),
            Frame::Progress(progress) if is_node => self.on_progress(link, progress, out),
            Frame::ReadReady(ready) if is_node => {
                if let Some(hosted) = self.hosted.get_mut(&ready.partition)
                    && hosted.probe.is_answer(link, ready.token, self.now)
                {
                    // Full: asked again in a second.
                    let _ = hosted.port.peer(HostInput::LeaderHad(ready.position));
                }
            }
            // Asked again in a moment.
            Frame::ReadRefused(_) if is_node => {}
            Frame::SubscribeRefused(refused) if is_node => {
                if let Some(hosted) = self.hosted.get_mut(&refused.partition)
                    && hosted.filler.is_refusal(link, refused.refusal)
                {
                    hosted.filler.refused(node, LogPosition::new(refused.detail), self.now, out);
                }
            }
            // Nothing that a client or a peer has to say to a node.
            _ => out.close(link),
        }
    }

    fn on_close(&mut self, link: LinkId, out: &mut Links) {
        let peer = self.links.remove(&link);
        self.metrics.links.set(self.links.len() as i64);
        self.subscriptions.close(link);
        self.fan_out.leave(link);
        for hosted in self.hosted.values_mut() {
            hosted.sessions.retain(|_, owner| *owner != link);
            hosted.opening.retain(|_, owner| *owner != link);
            hosted.reads.retain(|_, (owner, _)| *owner != link);
            hosted.wishes.retain(|_, (owner, _)| *owner != link);
            if hosted.filler.is_asking(link) {
                hosted.filler.failed(self.now, out);
            }
        }
        if let Some((Role::Node, node)) = peer {
            self.forget_words(node, out);
        }
    }

    fn on_peer_refused(&mut self, node: NodeId, _out: &mut Links) {
        tracing::warn!(node = %self.node, peer = %node, "a peer's process is dead: it refuses connections");
        for hosted in self.hosted.values_mut() {
            if !hosted.dead.contains(&node) {
                hosted.dead.push(node);
            }
        }
        self.spread_news();
    }

    fn poll(&mut self, now: Timestamp, out: &mut Links) -> usize {
        self.now = now;
        self.stalls.iter_mut().for_each(|stalls| stalls.cycle(now));
        let polled = self.poll_outputs(out) + self.poll_answers(out);
        self.spread_news();
        self.poll_gaps(out);
        self.poll_probes(out);
        self.poll_leaders(out);
        for (link, word) in self.fan_out.poll(now) {
            send(out, link, &word);
        }
        let hosted = &self.hosted;
        polled + self.subscriptions.feed(|partition| hosted.get(&partition).map(|hosted| &hosted.recent), out)
    }
}

/// To a link whose buffer is full nothing more is sent: it is closed, and its owner asks again.
fn send(out: &mut Links, link: LinkId, frame: &Frame<'_>) {
    if out.send(link, frame).is_err() {
        out.close(link);
    }
}
