//! A node's front: links of gateways, frames to hosts, answers to whoever asked, events to subscribers. It stands for
//! production's network thread, whose sockets and rings a simulation has no use for, and speaks the same frames.

use std::collections::{BTreeMap, VecDeque};

use node::{Announcements, HostInput, HostOutput};
use replicator::Members;
use replicator::net::check_life;
use wire::link::{self, Frame, Hello, PROTOCOL, Refusal, Welcome};
use wire::{ClusterEpoch, LogPosition, NodeId, PartitionId, SessionId, Term};

use super::clients::ClientId;
use super::clock::MS;
use super::queue::Event;
use super::world::World;

/// A connection between a client and a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// How long what is under way on a way that was cut waits before it is tried again.
const RETRANSMIT: u64 = 120 * MS;
/// How long a node's word about a leader is on its way to another.
const WORD: u64 = MS / 5;
/// A connection attempt that nobody answers fails after this.
const DIAL_TIMEOUT: u64 = 1_000 * MS;

/// See [`LinkId`].
pub struct Link {
    pub client: ClientId,
    pub address: NodeId,
    pub node: NodeId,
    life: u32,
    is_up: bool,
    is_greeted: bool,
    tried: u64,
    to_node: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    /// When the last bytes arrive, each way: none overtakes another.
    arrived: [u64; 2],
    inbox: Vec<u8>,
}

/// What a node's front remembers.
#[derive(Debug, Default)]
pub struct Front {
    leaders: BTreeMap<PartitionId, Announcements>,
    sessions: BTreeMap<(PartitionId, SessionId), LinkId>,
    opening: BTreeMap<(PartitionId, u128), LinkId>,
    reads: BTreeMap<u64, (LinkId, u64)>,
    next_token: u64,
    /// The next position to send.
    streams: BTreeMap<(PartitionId, LinkId), LogPosition>,
}

impl World {
    /// A client wants a connection.
    pub(super) fn dial(&mut self, client: ClientId, address: NodeId, node: NodeId) -> LinkId {
        self.links_made += 1;
        let id = LinkId(self.links_made);
        let life = if self.strangers.contains_key(&node) { 0 } else { self.node(node).life };
        let link = Link {
            client,
            address,
            node,
            life,
            is_up: false,
            is_greeted: false,
            tried: 0,
            to_node: VecDeque::new(),
            to_client: VecDeque::new(),
            arrived: [0; 2],
            inbox: Vec::new(),
        };
        self.links.insert(id, link);
        let at = self.now + 2 * self.plan.link_delay.delay(&mut self.random);
        self.queue.plan(at, Event::Connect { link: id });
        id
    }

    pub(super) fn connect_link(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let (address, node_id, tried) = (link.address, link.node, link.tried);
        let is_cut = self.cuts.is_cut(address, node_id) || self.cuts.is_cut(node_id, address);
        if let Some(is_alive) = self.strangers.get(&node_id).copied() {
            return self.connect_stranger(id, is_alive);
        }
        let node = self.node(node_id);
        let (life, is_up) = (node.life, node.is_up);
        if is_cut && tried < DIAL_TIMEOUT {
            let link = self.links.get_mut(&id).expect("it was found");
            link.tried += RETRANSMIT;
            self.queue.plan(self.now + RETRANSMIT, Event::Connect { link: id });
            return;
        }
        if is_cut || !is_up {
            self.close_at_client(id);
            return;
        }
        let link = self.links.get_mut(&id).expect("it was found");
        (link.is_up, link.life) = (true, life);
        self.connected(id);
    }

    /// A node of another life: nobody is there, or somebody who hears a greeting and nothing else.
    fn connect_stranger(&mut self, id: LinkId, is_alive: bool) {
        if !is_alive {
            return self.close_at_client(id);
        }
        self.links.get_mut(&id).expect("it is being connected").is_up = true;
        self.connected(id);
    }

    /// Whoever greets a node of another life is refused, whichever life that is.
    fn greet_stranger(&mut self, id: LinkId, bytes: &[u8]) {
        let greeting = link::split(bytes, link::CLIENT_BODY_MAX).ok().flatten();
        let Some(Ok(Frame::Hello(hello))) = greeting.map(|(body, _)| Frame::decode(body)) else {
            return self.check(Err("a client did not greet before it said something else".to_owned()));
        };
        for life in 1..self.epoch.get() {
            if check_life(hello.protocol, hello.epoch, ClusterEpoch::new(life)).is_ok() {
                return self.check(Err(format!("a client of life {} is heard in life {life}", self.epoch)));
            }
        }
        self.close_at_client(id);
    }

    /// The client sends bytes.
    pub(super) fn send_to_node(&mut self, id: LinkId, bytes: Vec<u8>) {
        self.trace.mix_bytes(&bytes);
        self.send(id, bytes, true);
    }

    fn send(&mut self, id: LinkId, bytes: Vec<u8>, to_node: bool) {
        let delay = self.plan.link_delay.delay(&mut self.random);
        let Some(link) = self.links.get_mut(&id) else { return };
        let way = usize::from(to_node);
        let at = (self.now + delay).max(link.arrived[way]);
        link.arrived[way] = at;
        if to_node {
            link.to_node.push_back(bytes)
        } else {
            link.to_client.push_back(bytes)
        }
        self.queue.plan(at, Event::Deliver { link: id, to_node });
    }

    fn send_frame(&mut self, id: LinkId, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.send(id, bytes, false);
    }

    pub(super) fn deliver_link(&mut self, id: LinkId, to_node: bool) {
        let Some(link) = self.links.get(&id) else { return };
        let (from, to) = if to_node { (link.address, link.node) } else { (link.node, link.address) };
        if self.strangers.contains_key(&link.node) {
            let bytes = self.links.get_mut(&id).and_then(|link| link.to_node.pop_front());
            return bytes.into_iter().for_each(|bytes| self.greet_stranger(id, &bytes));
        }
        let node = self.node(link.node);
        if self.cuts.is_cut(from, to) || (to_node && (node.is_paused || !node.is_up)) {
            self.queue.plan(self.now + RETRANSMIT, Event::Deliver { link: id, to_node });
            return;
        }
        if to_node && node.life != link.life {
            self.close_at_client(id);
            return;
        }
        let link = self.links.get_mut(&id).expect("it was found");
        let bytes = if to_node { link.to_node.pop_front() } else { link.to_client.pop_front() };
        let Some(bytes) = bytes else { return };
        if to_node { self.on_node_bytes(id, &bytes) } else { self.on_client_bytes(id, &bytes) }
    }

    fn on_node_bytes(&mut self, id: LinkId, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.inbox.extend_from_slice(bytes);
        let inbox = std::mem::take(&mut link.inbox);
        let mut consumed = 0;
        loop {
            match link::split(&inbox[consumed..], link::CLIENT_BODY_MAX) {
                Ok(Some((body, len))) => {
                    consumed += len;
                    match Frame::decode(body) {
                        Ok(frame) => self.on_frame(id, frame),
                        Err(error) => return self.check(Err(format!("a client sent no frame: {error:?}"))),
                    }
                }
                Ok(None) => break,
                Err(error) => return self.check(Err(format!("a client sent no frame: {error:?}"))),
            }
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.inbox = inbox[consumed..].to_vec();
        }
    }

    fn on_frame(&mut self, id: LinkId, frame: Frame<'_>) {
        let node = self.links[&id].node;
        match frame {
            Frame::Hello(hello) => self.greet(id, node, hello),
            Frame::Ping(ping) => self.send_frame(id, &Frame::Pong(link::Pong { nonce: ping.nonce })),
            Frame::Request(request, payload) => {
                let verdict = self.checkers.kept.on_sent(&request);
                self.check(verdict);
                self.node_mut(node).front.sessions.insert((request.partition, request.session), id);
                self.input(node, request.partition, HostInput::Request(request, payload.to_vec()));
            }
            Frame::OpenSession(open) => {
                self.node_mut(node).front.opening.insert((open.partition, open.nonce), id);
                self.input(node, open.partition, HostInput::OpenSession(open));
            }
            Frame::ReadIndex(read) => {
                let front = &mut self.node_mut(node).front;
                front.next_token += 1;
                let token = front.next_token;
                front.reads.insert(token, (id, read.token));
                self.input(node, read.partition, HostInput::ReadIndex { token });
            }
            Frame::Subscribe(wanted) => {
                let next = wanted.from.max(LogPosition::ZERO.next());
                self.node_mut(node).front.streams.insert((wanted.partition, id), next);
                self.feed_stream(node, wanted.partition, id);
            }
            _ => {}
        }
    }

    fn greet(&mut self, id: LinkId, node: NodeId, hello: Hello) {
        if let Err(why) = check_life(hello.protocol, hello.epoch, self.epoch) {
            return self.check(Err(format!("node {node} refuses a client of its own life: {why:?}")));
        }
        self.links.get_mut(&id).expect("a frame came over it").is_greeted = true;
        self.send_frame(id, &Frame::Welcome(Welcome { protocol: PROTOCOL, epoch: self.epoch, node }));
        let leaders = &self.node(node).front.leaders;
        let believed: Vec<_> = leaders.iter().map(|(partition, words)| (*partition, words.believed())).collect();
        for (partition, (leader, term)) in believed {
            let leader = leader.unwrap_or_default();
            self.send_frame(id, &Frame::Leader(link::Leader { partition, leader, term }));
        }
    }

    /// A host says who leads: all other nodes are told, and whatever is believed now everybody else.
    pub(super) fn leader_changed(&mut self, id: NodeId, partition: PartitionId, leader: Option<NodeId>, term: Term) {
        let now = self.node(id).clock.at(self.now);
        let is_news = self.announcements(id, partition).replica_says(leader, term, now);
        for to in self.plan.everybody().into_iter().filter(|to| *to != id) {
            self.queue.plan(self.now + WORD, Event::LeaderSaid { from: id, to, partition });
        }
        if is_news {
            self.tell_believed(id, partition);
        }
    }

    /// Another node says who leads: whoever leads one partition and is no member of another learns from such words alone
    /// where its mail has to go. What is under way on a way that is cut comes later; the newest word is the one that counts.
    pub(super) fn leader_said(&mut self, from: NodeId, to: NodeId, partition: PartitionId) {
        if !self.node(to).is_up || !self.node(from).is_up {
            return;
        }
        if self.cuts.is_cut(from, to) || self.node(to).is_paused {
            self.queue.plan(self.now + RETRANSMIT, Event::LeaderSaid { from, to, partition });
            return;
        }
        let (leader, term) = self.announcements(from, partition).own();
        let now = self.node(to).clock.at(self.now);
        if self.announcements(to, partition).node_says(from, leader, term, now) {
            self.tell_believed(to, partition);
        }
    }

    /// Links and the node's other partitions hear who is believed to lead.
    fn tell_believed(&mut self, id: NodeId, partition: PartitionId) {
        let (leader, term) = self.announcements(id, partition).believed();
        let others: Vec<PartitionId> =
            self.node(id).slots.keys().copied().filter(|other| *other != partition).collect();
        for other in others {
            self.input(id, other, HostInput::LeaderIs { partition, leader });
        }
        for link in self.links_of(id) {
            let leader = leader.unwrap_or_default();
            self.send_frame(link, &Frame::Leader(link::Leader { partition, leader, term }));
        }
    }

    /// What nobody confirms is not believed for long.
    pub(super) fn poll_leaders(&mut self, id: NodeId, partition: PartitionId) {
        let now = self.node(id).clock.at(self.now);
        if self.announcements(id, partition).poll(now) {
            self.tell_believed(id, partition);
        }
    }

    fn announcements(&mut self, id: NodeId, partition: PartitionId) -> &mut Announcements {
        self.node_mut(id).front.leaders.entry(partition).or_insert_with(|| Announcements::new(id))
    }

    fn links_of(&self, id: NodeId) -> Vec<LinkId> {
        let life = self.node(id).life;
        let is_its = |link: &Link| link.node == id && link.life == life && link.is_greeted;
        self.links.iter().filter(|(_, link)| is_its(link)).map(|(id, _)| *id).collect()
    }

    /// A node that has just started has links with its peers, and both ends say who leads what.
    pub(super) fn tell_new_node(&mut self, id: NodeId) {
        let partitions: Vec<PartitionId> = self.node(id).slots.keys().copied().collect();
        for other in self.plan.everybody().into_iter().filter(|other| *other != id) {
            for partition in &partitions {
                for (from, to) in [(other, id), (id, other)] {
                    self.queue.plan(self.now + WORD, Event::LeaderSaid { from, to, partition: *partition });
                }
            }
        }
    }

    /// The links of a node that has died are closed, as far as the others notice.
    fn forget_words_of(&mut self, id: NodeId) {
        let partitions: Vec<PartitionId> = self.node(id).slots.keys().copied().collect();
        for other in self.plan.everybody().into_iter().filter(|other| *other != id) {
            if !self.node(other).is_up || self.cuts.is_cut(id, other) || self.cuts.is_cut(other, id) {
                continue;
            }
            let now = self.node(other).clock.at(self.now);
            for partition in &partitions {
                if self.announcements(other, *partition).forget(id, now) {
                    self.tell_believed(other, *partition);
                }
            }
        }
    }

    pub(super) fn answer(&mut self, id: NodeId, reply: link::Reply, payload: &[u8]) {
        let partition = reply.partition;
        let index = self.histories[&partition].record(reply.position).map_or(0, |record| record.index);
        let host = self.node(id).slots[&partition].host.as_ref().expect("it runs");
        let present = host.replica().members();
        let missing = |(keepers, quorum): &(usize, usize)| *quorum as i64 - *keepers as i64;
        let of = |members: &Members| {
            // While members are being changed, a quorum of those before and of those after.
            let voters = [&members.voters, &members.outgoing].into_iter().filter(|voters| !voters.is_empty());
            let kept = voters.map(|voters| (self.keepers(partition, reply.position, voters), voters.len() / 2 + 1));
            kept.max_by_key(missing).expect("somebody votes")
        };
        let commits = self.commits.get(&partition);
        let relied_on = commits.map_or_else(|| vec![present], |commits| commits.answer_for(index, present));
        let keepers = relied_on.into_iter().map(of).min_by_key(missing).expect("there are members");
        let history = &self.histories[&partition];
        let verdict = self.checkers.acknowledged.on_answer(id, &reply, payload, history, keepers);
        self.check(verdict);
        self.answered += 1;
        let link = self.node(id).front.sessions.get(&(partition, reply.session)).copied();
        if let Some(link) = link {
            self.send_frame(link, &Frame::Reply(reply, payload));
        }
    }

    pub(super) fn on_client_output(&mut self, id: NodeId, partition: PartitionId, output: HostOutput) {
        let front = &mut self.node_mut(id).front;
        match output {
            HostOutput::SessionOpened(opened) => {
                if let Some(link) = front.opening.remove(&(partition, opened.nonce)) {
                    self.send_frame(link, &Frame::SessionOpened(opened));
                }
            }
            HostOutput::OpenRefused { nonce, refused } => {
                if let Some(link) = front.opening.remove(&(partition, nonce)) {
                    self.send_frame(link, &Frame::Refused(refused));
                }
            }
            HostOutput::Refused(refused) => {
                let key = (partition, refused.session);
                let link = front.sessions.get(&key).copied();
                if refused.refusal == Refusal::SessionUnknown {
                    front.sessions.remove(&key);
                }
                if let Some(link) = link {
                    self.send_frame(link, &Frame::Refused(refused));
                }
                let verdict = self.checkers.kept.on_refused(id, &refused);
                self.check(verdict);
            }
            HostOutput::ReadReady(ready) => {
                if let Some((link, token)) = front.reads.remove(&ready.token) {
                    self.send_frame(link, &Frame::ReadReady(link::ReadReady { token, ..ready }));
                }
            }
            HostOutput::ReadRefused(refused) => {
                if let Some((link, token)) = front.reads.remove(&refused.token) {
                    self.send_frame(link, &Frame::ReadRefused(link::ReadRefused { token, ..refused }));
                }
            }
            _ => {}
        }
    }

    /// Sends every subscriber of a partition what is news.
    pub(super) fn feed_streams(&mut self, id: NodeId, partition: PartitionId) {
        let (first, last) = ((partition, LinkId(0)), (partition, LinkId(u64::MAX)));
        let links: Vec<LinkId> = self.node(id).front.streams.range(first..=last).map(|((_, link), _)| *link).collect();
        for link in links {
            self.feed_stream(id, partition, link);
        }
    }

    fn feed_stream(&mut self, id: NodeId, partition: PartitionId, link: LinkId) {
        let Some(next) = self.node(id).front.streams.get(&(partition, link)).copied() else { return };
        let Some(slot) = self.node(id).slots.get(&partition) else { return };
        let archive = slot.archive.clone();
        let archive = archive.lock().expect("nobody panics with an open archive");
        let mut bytes = Vec::new();
        match archive.read(next) {
            Some((batches, upto)) => {
                for (position, (timestamp, origin, events)) in batches {
                    let head = link::Events { partition, position, timestamp: *timestamp, origin: *origin };
                    Frame::Events(head, events).encode(&mut bytes);
                }
                Frame::Progress(link::Progress { partition, position: upto }).encode(&mut bytes);
                self.node_mut(id).front.streams.insert((partition, link), upto.next());
            }
            None if next <= archive.end() => {
                let refusal = Refusal::PositionGone;
                let detail = archive.next(next).map_or(0, LogPosition::get);
                Frame::SubscribeRefused(link::SubscribeRefused { partition, refusal, detail }).encode(&mut bytes);
                self.node_mut(id).front.streams.remove(&(partition, link));
            }
            None => return,
        }
        drop(archive);
        self.send(link, bytes, false);
    }

    /// A node's process has gone, and its connections with it. Clients notice soon, or when they next say something.
    pub(super) fn drop_links_of(&mut self, id: NodeId, is_noticed: bool) {
        self.node_mut(id).front = Front::default();
        if is_noticed {
            self.forget_words_of(id);
        }
        let links: Vec<LinkId> = self.links.iter().filter(|(_, link)| link.node == id).map(|(id, _)| *id).collect();
        for link in links {
            self.links.get_mut(&link).expect("it was listed").to_client.clear();
            if is_noticed {
                let at = self.now + 300_000 + self.random.below(2 * MS);
                self.queue.plan(at, Event::Closed { link });
            }
        }
    }

    pub(super) fn wake_front(&mut self, id: NodeId) {
        let partitions: Vec<PartitionId> = self.node(id).slots.keys().copied().collect();
        for partition in partitions {
            self.feed_streams(id, partition);
        }
    }

    /// A client hangs up.
    pub(super) fn hang_up(&mut self, id: LinkId) {
        if let Some(link) = self.links.remove(&id).filter(|link| !self.strangers.contains_key(&link.node)) {
            let front = &mut self.node_mut(link.node).front;
            front.streams.retain(|(_, stream), _| *stream != id);
            front.sessions.retain(|_, owner| *owner != id);
            front.opening.retain(|_, owner| *owner != id);
        }
    }

    pub(super) fn is_up(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.is_up)
    }
}

#[cfg(test)]
mod tests;
