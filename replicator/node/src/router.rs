//! The network thread's half of a node: from links to partition threads and back.
//!
//! It checks who may ask for what, hands requests, Raft messages and mail to the partition threads by
//! bounded rings, and sends replies to the link that owns the session's last request. It never waits: a
//! full ring is a refusal or, where the sender sends again, a loss.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crossbeam::channel::{Receiver, Sender};
use replicator::Members;
use replicator::net::cast::CastWay;
use replicator::net::{Handler, LinkId, Links, PeerIdentity};
use wire::codec::v1;
use wire::link::{
    ChangeMembers, Events, Frame, Leader, MemberOutcome, MembersAnswer, OpenSession, PartitionMessage, Progress,
    ReadIndex, ReadReady, ReadRefused, Refusal, Refused, Request, Role, Subscribe, SubscribeRefused,
};
use wire::{NodeId, PartitionId, Sequence, SessionId, Term, Text, Timestamp};

use crate::archive::block_of;
use crate::block::{EventBatch, EventBlock};
use crate::fan_out::FanOut;
use crate::freshness::LeaderProbe;
use crate::gap_filler::GapFiller;
use crate::host::{HostInput, HostOutput};
use crate::membership::Membership;
use crate::metrics::RouterMetrics;
use crate::permissions::{
    is_audited, is_wish_audited, may_have_sessions, may_request, speaks_for_itself, wish_written_down, written_down,
};
use crate::recent::Recent;
use crate::rings::{FromArchive, FromPartition, PartitionPort, ToArchive};
use crate::stalls::StallWatch;
use crate::subscriptions::Subscriptions;

/// Outputs of partition threads taken in one cycle.
const OUTPUTS_PER_CYCLE: usize = 2_048;
/// Sessions, nonces or reads of one partition whose link is remembered; more are refused as busy.
const REMEMBERED_MAX: usize = 65_536;

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
    lanes: BTreeMap<PartitionId, Lane>,
    links: BTreeMap<LinkId, Role>,
    subscriptions: Subscriptions,
    fan_out: FanOut<LinkId>,
    outputs: Receiver<FromPartition>,
    archive: Sender<ToArchive>,
    answers: Receiver<FromArchive>,
    metrics: RouterMetrics,
    stalls: Option<StallWatch>,
    now: Timestamp,
    next_token: u64,
}

/// What is remembered of one partition.
struct Lane {
    port: PartitionPort,
    leader: Option<NodeId>,
    term: Term,
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
    probe: LeaderProbe,
}

impl Router {
    /// Knows nobody yet.
    pub fn new(config: RouterConfig) -> Router {
        let recent_bytes_max = config.recent_bytes_max;
        let lane = |(partition, port)| {
            let lane = Lane {
                port,
                leader: None,
                term: Term::new(0),
                news: Vec::new(),
                dead: Vec::new(),
                sessions: BTreeMap::new(),
                opening: BTreeMap::new(),
                reads: BTreeMap::new(),
                wishes: BTreeMap::new(),
                recent: Recent::new(recent_bytes_max),
                filler: GapFiller::new(partition),
                probe: LeaderProbe::new(partition),
            };
            (partition, lane)
        };
        Router {
            node: config.node,
            membership: Membership::new(config.node, config.addresses),
            lanes: config.ports.into_iter().map(lane).collect(),
            links: BTreeMap::new(),
            subscriptions: Subscriptions::new(config.archive.clone(), config.client_buffer_max, config.node_buffer_max),
            fan_out: FanOut::new(config.casts),
            outputs: config.outputs,
            archive: config.archive,
            answers: config.answers,
            metrics: config.metrics,
            stalls: config.stalls,
            now: Timestamp::ZERO,
            next_token: 0,
        }
    }

    fn on_request(&mut self, link: LinkId, role: Role, request: Request, payload: &[u8], out: &mut Links) {
        let Request { partition, session, sequence, .. } = request;
        let name = out.peer(link).map_or(Text::EMPTY, |peer| peer.name);
        if let Err((refusal, detail)) = self.admit_request(link, role, name, request, payload) {
            self.metrics.count_refusal(partition, refusal);
            send(out, link, &Frame::Refused(Refused { partition, session, sequence, refusal, detail }));
        }
    }

    /// A ladder of refusals; who gets to its end is handed to the partition thread.
    fn admit_request(
        &mut self,
        link: LinkId,
        role: Role,
        name: Text<32>,
        request: Request,
        payload: &[u8],
    ) -> Result<(), (Refusal, u64)> {
        if !may_have_sessions(role) {
            return Err((Refusal::NotPermitted, 0));
        }
        if !payload.is_empty() {
            let command = v1::decode_command(payload).map_err(|_| (Refusal::Malformed, 0))?;
            if !may_request(role, &command) || !speaks_for_itself(&name, &command) {
                return Err((Refusal::NotPermitted, 0));
            }
            if role == Role::Operator && is_audited(&command) {
                let Request { partition, session, sequence, .. } = request;
                let command = written_down(&command);
                tracing::info!(target: "audit", operator = %name, %partition, %session, %sequence, %command);
            }
        }
        let lane = self.lanes.get_mut(&request.partition).ok_or((Refusal::UnknownPartition, 0))?;
        if lane.sessions.len() >= REMEMBERED_MAX && !lane.sessions.contains_key(&request.session) {
            return Err((Refusal::Busy, 0));
        }
        let input = HostInput::Request(request, payload.to_vec());
        lane.port.request(input).map_err(|_| (Refusal::Busy, 0))?;
        lane.sessions.insert(request.session, link);
        self.metrics.count_request(request.partition);
        Ok(())
    }

    fn on_open_session(&mut self, link: LinkId, role: Role, open: OpenSession, out: &mut Links) {
        let admitted = match self.lanes.get_mut(&open.partition) {
            _ if !may_have_sessions(role) => Err(Refusal::NotPermitted),
            None => Err(Refusal::UnknownPartition),
            Some(lane) if lane.opening.len() >= REMEMBERED_MAX => Err(Refusal::Busy),
            Some(lane) => match lane.port.request(HostInput::OpenSession(open)) {
                Ok(()) => {
                    lane.opening.insert(open.nonce, link);
                    Ok(())
                }
                Err(_) => Err(Refusal::Busy),
            },
        };
        if let Err(refusal) = admitted {
            self.metrics.count_refusal(open.partition, refusal);
            let (session, sequence) = (SessionId::new(0), Sequence::ZERO);
            let refused = Refused { partition: open.partition, session, sequence, refusal, detail: 0 };
            send(out, link, &Frame::Refused(refused));
        }
    }

    fn on_read_index(&mut self, link: LinkId, read: ReadIndex, out: &mut Links) {
        let token = self.next_token;
        self.next_token += 1;
        let admitted = match self.lanes.get_mut(&read.partition) {
            None => Err(Refusal::UnknownPartition),
            Some(lane) if lane.reads.len() >= REMEMBERED_MAX => Err(Refusal::Busy),
            Some(lane) => match lane.port.request(HostInput::ReadIndex { token }) {
                Ok(()) => {
                    lane.reads.insert(token, (link, read.token));
                    Ok(())
                }
                Err(_) => Err(Refusal::Busy),
            },
        };
        if let Err(refusal) = admitted {
            self.metrics.count_refusal(read.partition, refusal);
            let refused = ReadRefused { partition: read.partition, token: read.token, refusal, detail: 0 };
            send(out, link, &Frame::ReadRefused(refused));
        }
    }

    fn on_change_members(&mut self, link: LinkId, role: Role, wish: ChangeMembers, out: &mut Links) {
        let token = self.next_token;
        self.next_token += 1;
        let admitted = match self.lanes.get_mut(&wish.partition) {
            _ if role != Role::Operator => Err(MemberOutcome::NotPermitted),
            None => Err(MemberOutcome::UnknownPartition),
            Some(lane) if lane.wishes.len() >= REMEMBERED_MAX => Err(MemberOutcome::Busy),
            Some(lane) => match lane.port.request(HostInput::ChangeMembers(ChangeMembers { token, ..wish })) {
                Ok(()) => {
                    lane.wishes.insert(token, (link, wish));
                    Ok(())
                }
                Err(_) => Err(MemberOutcome::Busy),
            },
        };
        if let Err(outcome) = admitted {
            let answer = MembersAnswer { partition: wish.partition, token: wish.token, outcome };
            send(out, link, &Frame::MembersAnswer(answer));
        }
    }

    /// Clients learn where members are, and the network whom to dial.
    fn on_members(&mut self, partition: PartitionId, members: Members, index: u64, out: &mut Links) {
        if !self.membership.learn(partition, members, index) {
            return;
        }
        if let Some((head, places)) = self.membership.news(partition) {
            for (link, _) in self.links.iter().filter(|(_, role)| **role != Role::Node) {
                send(out, *link, &Frame::Members(head, &places));
            }
        }
        out.set_peers(self.membership.peers(self.lanes.keys()));
    }

    fn on_subscribe(&mut self, link: LinkId, role: Role, wanted: Subscribe, out: &mut Links) {
        if self.lanes.contains_key(&wanted.partition) {
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
        if let Some(lane) = self.lanes.get(&partition)
            && lane.port.peer(input).is_err()
        {
            tracing::debug!(%partition, "a message was dropped: the partition thread is behind");
        }
    }

    /// Takes news of a leader when they are newer, and passes them on to everybody.
    fn on_leader(&mut self, leader: Leader, out: &mut Links) {
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

    fn announce(&mut self, partition: PartitionId, out: &mut Links) {
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

    fn leader_frame(&self, partition: PartitionId) -> Option<Frame<'static>> {
        let lane = self.lanes.get(&partition)?;
        let leader = lane.leader.unwrap_or(NodeId::new(0));
        Some(Frame::Leader(Leader { partition, leader, term: lane.term }))
    }

    /// News for partition threads must not be lost, so what does not fit a ring is kept here.
    fn spread_news(&mut self) {
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

    fn poll_outputs(&mut self, out: &mut Links) -> usize {
        let mut taken = 0;
        while taken < OUTPUTS_PER_CYCLE
            && let Ok(output) = self.outputs.try_recv()
        {
            self.on_output(output, out);
            taken += 1;
        }
        taken
    }

    /// Passes on what came out of a partition.
    pub fn on_output(&mut self, from: FromPartition, out: &mut Links) {
        let FromPartition { partition, output } = from;
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        match output {
            HostOutput::Raft { to, payload } => {
                // No link or no room: Raft sends again.
                let _ = out.send_to_node(to, &Frame::Raft(PartitionMessage { partition }, &payload));
            }
            HostOutput::Mail(mail) => {
                let head = PartitionMessage { partition: mail.partition };
                // No link or no room: the outbox sends again.
                let _ = out.send_to_node(mail.node, &Frame::Mail(head, &mail.payload));
            }
            HostOutput::Reply(reply, payload) => {
                if let Some(link) = lane.sessions.get(&reply.session) {
                    send(out, *link, &Frame::Reply(reply, &payload));
                }
            }
            HostOutput::SessionOpened(opened) => {
                if let Some(link) = lane.opening.remove(&opened.nonce) {
                    send(out, link, &Frame::SessionOpened(opened));
                }
            }
            HostOutput::OpenRefused { nonce, refused } => {
                self.metrics.count_refusal(partition, refused.refusal);
                if let Some(link) = lane.opening.remove(&nonce) {
                    send(out, link, &Frame::Refused(refused));
                }
            }
            HostOutput::Refused(refused) => {
                self.metrics.count_refusal(partition, refused.refusal);
                let link = lane.sessions.get(&refused.session).copied();
                if refused.refusal == Refusal::SessionUnknown {
                    lane.sessions.remove(&refused.session);
                }
                if let Some(link) = link {
                    send(out, link, &Frame::Refused(refused));
                }
            }
            HostOutput::ReadReady(ready) => {
                if let Some((link, token)) = lane.reads.remove(&ready.token) {
                    send(out, link, &Frame::ReadReady(ReadReady { token, ..ready }));
                }
            }
            HostOutput::ReadRefused(refused) => {
                self.metrics.count_refusal(partition, refused.refusal);
                if let Some((link, token)) = lane.reads.remove(&refused.token) {
                    send(out, link, &Frame::ReadRefused(ReadRefused { token, ..refused }));
                }
            }
            HostOutput::MembersAnswer(answer) => {
                if let Some((link, wish)) = lane.wishes.remove(&answer.token) {
                    if is_wish_audited(answer.outcome) {
                        let operator = out.peer(link).map_or(Text::EMPTY, |peer| peer.name);
                        let (wish, outcome) = (wish_written_down(&wish), answer.outcome);
                        tracing::info!(target: "audit", %operator, %partition, %wish, ?outcome);
                    }
                    let token = wish.token;
                    send(out, link, &Frame::MembersAnswer(MembersAnswer { token, ..answer }));
                }
            }
            HostOutput::Members { members, index } => self.on_members(partition, *members, index, out),
            HostOutput::LeaderChanged { leader, term } => {
                if term >= lane.term && (lane.leader, lane.term) != (leader, term) {
                    (lane.leader, lane.term) = (leader, term);
                    self.announce(partition, out);
                }
            }
            HostOutput::Events(block) => {
                self.fan_out.send(partition, &block);
                lane.recent.push(block);
            }
            // The partition's thread has already said so and ends the node.
            HostOutput::Failed(_) => {}
        }
    }

    fn poll_answers(&mut self, out: &mut Links) -> usize {
        let mut taken = 0;
        while let Ok(answer) = self.answers.try_recv() {
            taken += 1;
            match answer {
                FromArchive::Read { key, result } => self.subscriptions.on_read(key, result, out),
                FromArchive::Gap(partition, gap) => {
                    if let Some(lane) = self.lanes.get_mut(&partition) {
                        lane.filler.gap_is(gap, out);
                    }
                }
            }
        }
        taken
    }

    fn poll_probes(&mut self, out: &mut Links) {
        for lane in self.lanes.values_mut() {
            if let Some(leader) = lane.leader.filter(|leader| *leader != self.node) {
                lane.probe.poll(self.now, leader, self.next_token, out);
                self.next_token += 1;
            }
        }
    }

    fn poll_gaps(&mut self, out: &mut Links) {
        for (partition, lane) in &mut self.lanes {
            if lane.filler.poll(self.now, self.membership.others(), out) {
                // Full: the next silence asks again.
                let _ = self.archive.try_send(ToArchive::ReportGap(*partition));
            }
        }
    }

    /// Events of another node's archive: they are for a gap here, or late.
    fn on_events(&mut self, link: LinkId, head: Events, events: &[u8], out: &mut Links) {
        let Events { partition, position, timestamp, origin } = head;
        let Some(lane) = self.lanes.get(&partition) else { return };
        if let Some(after) = lane.filler.expects(link).filter(|after| position > *after) {
            self.fill(partition, block_of(after, EventBatch { position, timestamp, origin, events }), out);
        }
    }

    fn on_progress(&mut self, link: LinkId, progress: Progress, out: &mut Links) {
        let Progress { partition, position } = progress;
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        lane.filler.begun(link, position);
        if let Some(after) = lane.filler.expects(link).filter(|after| position > *after) {
            let mut block = EventBlock::new(after);
            block.cover(position);
            self.fill(partition, block, out);
        }
    }

    fn fill(&mut self, partition: PartitionId, block: EventBlock, out: &mut Links) {
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        let upto = block.upto();
        match self.archive.try_send(ToArchive::Fill(partition, block)) {
            Ok(()) => lane.filler.filled(upto, self.now, out),
            Err(_) => {
                lane.filler.failed(self.now, out);
                // Full: what the archive has is asked for again when the next attempt fails.
                let _ = self.archive.try_send(ToArchive::ReportGap(partition));
            }
        }
    }
}

impl Handler for Router {
    fn on_open(&mut self, link: LinkId, peer: &PeerIdentity, out: &mut Links) {
        tracing::info!(node = %self.node, name = %peer.name, address = %peer.address, "connected");
        self.links.insert(link, peer.role);
        self.metrics.links.set(self.links.len() as i64);
        let partitions: Vec<PartitionId> = self.lanes.keys().copied().collect();
        for partition in partitions {
            if let Some(frame) = self.leader_frame(partition) {
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
                if let Some(lane) = self.lanes.get(&wish.partition) {
                    self.fan_out.join(link, wish, lane.recent.upto());
                }
            }
            Frame::Raft(to, payload) if is_node => {
                self.pass_on(to.partition, HostInput::Raft { from: node, payload: payload.to_vec() });
            }
            Frame::Mail(to, payload) if is_node => self.pass_on(to.partition, HostInput::Mail(payload.to_vec())),
            Frame::Leader(leader) if is_node => self.on_leader(leader, out),
            Frame::Events(head, events) if is_node => self.on_events(link, head, events, out),
            Frame::Progress(progress) if is_node => self.on_progress(link, progress, out),
            Frame::ReadReady(ready) if is_node => {
                if let Some(lane) = self.lanes.get_mut(&ready.partition)
                    && lane.probe.is_answer(link, ready.token, self.now)
                {
                    // Full: asked again in a second.
                    let _ = lane.port.peer(HostInput::LeaderHad(ready.position));
                }
            }
            // Asked again in a moment.
            Frame::ReadRefused(_) if is_node => {}
            Frame::SubscribeRefused(refused) if is_node => {
                if let Some(lane) = self.lanes.get_mut(&refused.partition)
                    && lane.filler.is_asking(link)
                {
                    lane.filler.failed(self.now, out);
                }
            }
            // Nothing that a client or a peer has to say to a node.
            _ => out.close(link),
        }
    }

    fn on_close(&mut self, link: LinkId, out: &mut Links) {
        self.links.remove(&link);
        self.metrics.links.set(self.links.len() as i64);
        self.subscriptions.close(link);
        self.fan_out.leave(link);
        for lane in self.lanes.values_mut() {
            lane.sessions.retain(|_, owner| *owner != link);
            lane.opening.retain(|_, owner| *owner != link);
            lane.reads.retain(|_, (owner, _)| *owner != link);
            lane.wishes.retain(|_, (owner, _)| *owner != link);
            if lane.filler.is_asking(link) {
                lane.filler.failed(self.now, out);
            }
        }
    }

    fn on_peer_refused(&mut self, node: NodeId, _out: &mut Links) {
        tracing::warn!(node = %self.node, peer = %node, "a peer's process is dead: it refuses connections");
        for lane in self.lanes.values_mut() {
            if !lane.dead.contains(&node) {
                lane.dead.push(node);
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
        for (link, word) in self.fan_out.poll(now) {
            send(out, link, &word);
        }
        let lanes = &self.lanes;
        polled + self.subscriptions.feed(|partition| lanes.get(&partition).map(|lane| &lane.recent), out)
    }
}

/// To a link whose buffer is full nothing more is sent: it is closed, and its owner asks again.
fn send(out: &mut Links, link: LinkId, frame: &Frame<'_>) {
    if out.send(link, frame).is_err() {
        out.close(link);
    }
}
