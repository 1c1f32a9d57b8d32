//! The events of one partition as a value: one connection at a time, to the leader where possible, resumed
//! at the next position on another replica whenever it fails. Each position is yielded once. Beside the connection there may
//! be a cast ([`beside`]).
//!
//! A stream has a connection of its own, so that back-pressure is TCP's: whoever does not take items stops
//! reading, the node stops sending, and nobody else's replies wait behind.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use wire::codec::v1;
use wire::link::{CastOpen, Events, Frame, Hello, PROTOCOL, Pong, Progress, Refusal, Subscribe, SubscribeRefused};
use wire::{LogPosition, NodeId, PartitionId};

use crate::StreamItem;
use crate::client::connection::{Connection, Phase, Vital};
use crate::config::Patience;
use beside::Beside;

mod beside;

pub use beside::CastCounters;

/// A node that failed is not tried again for this long, while there are others.
const AVOID: Duration = Duration::from_millis(300);
/// A node that kept silent.
const AVOID_SILENT: Duration = Duration::from_secs(1);
/// A node whose events do not reach back far enough.
const AVOID_GONE: Duration = Duration::from_secs(5);

/// What the driver must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Connect to this node, then call `on_connected` or `on_closed`. A connection to another node is closed
    /// first, and one that is being made beside it given up: it is to another node.
    Connect(NodeId),
    /// Connect to this node as well, then call `on_beside` or `on_not_beside`. One that was being made so before is given up.
    ConnectBeside(NodeId),
    /// Send these bytes.
    Send(Vec<u8>),
    /// Close the connection; `on_closed` need not be called.
    Close,
    /// Hand what comes by this cast of the node's to `on_cast`, beside those before, for as long as `is_listening`.
    Listen {
        /// Who sends it.
        node: NodeId,
        /// Where it is, and what opens it.
        open: CastOpen,
    },
}

/// One stream of events.
#[derive(Debug)]
pub struct Subscription {
    hello: Hello,
    patience: Patience,
    partition: PartitionId,
    nodes: Vec<NodeId>,
    /// The first position not yielded.
    next: LogPosition,
    leader: Option<NodeId>,
    /// The node connected, or being connected, to.
    node: NodeId,
    connection: Connection,
    /// The leader that it moves to as soon as a connection to it stands. Where that is the node it is connecting to, the present
    /// connection has ended meanwhile, and nothing else is tried.
    moving: Option<NodeId>,
    avoid: BTreeMap<NodeId, Instant>,
    beside: Option<Beside>,
    items: VecDeque<StreamItem>,
    outputs: VecDeque<Output>,
}

impl Subscription {
    /// The events of `partition` from `from` on. `hello` is the first frame on every connection.
    pub fn new(
        hello: Hello,
        nodes: &[NodeId],
        partition: PartitionId,
        from: LogPosition,
        patience: Patience,
        now: Instant,
    ) -> Subscription {
        Subscription {
            hello,
            patience,
            partition,
            nodes: nodes.to_vec(),
            next: from.max(LogPosition::ZERO.next()),
            leader: None,
            node: NodeId::default(),
            connection: Connection::new(now),
            moving: None,
            avoid: BTreeMap::new(),
            beside: None,
            items: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The first position not yielded.
    pub fn next_position(&self) -> LogPosition {
        self.next
    }

    /// Whether the driver is still to connect to this node.
    pub fn is_connecting_to(&self, node: NodeId) -> bool {
        self.node == node && self.connection.phase == Phase::Connecting
    }

    /// Who leads the partition, as others have learned it.
    pub fn on_leader(&mut self, leader: Option<NodeId>, now: Instant) {
        self.leader = leader;
        self.follow_leader(now);
    }

    /// These are the nodes to stream from, from now on. One that is none of them is left.
    pub fn on_nodes(&mut self, nodes: Vec<NodeId>, now: Instant) {
        self.nodes = nodes;
        if !matches!(self.connection.phase, Phase::Idle(_)) && !self.nodes.contains(&self.node) {
            self.abandon(AVOID, now);
        }
        self.follow_leader(now);
    }

    /// The connection stands.
    pub fn on_connected(&mut self, now: Instant) {
        self.connection.on_connected(now, self.hello, &self.patience);
    }

    /// The connection beside the present one stands, and takes its place: from now on it is the connection. `false` when it is not
    /// wanted any more: it is to be closed.
    pub fn on_beside(&mut self, node: NodeId, now: Instant) -> bool {
        if self.moving != Some(node) {
            return false;
        }
        self.moving = None;
        let is_led_by = self.leader == Some(node) && self.nodes.contains(&node);
        if !is_led_by && !self.is_connecting_to(node) {
            return false;
        }
        self.leave(now);
        self.node = node;
        self.connection.on_connected(now, self.hello, &self.patience);
        true
    }

    /// The connection beside the present one could not be made.
    pub fn on_not_beside(&mut self, node: NodeId, now: Instant) {
        if self.moving == Some(node) {
            self.moving = None;
            self.avoid.insert(node, now + AVOID);
            if self.is_connecting_to(node) {
                self.on_closed(now);
            }
        }
    }

    /// Bytes have come.
    pub fn on_bytes(&mut self, bytes: &[u8], now: Instant) {
        if matches!(self.connection.phase, Phase::Idle(_) | Phase::Connecting) {
            return;
        }
        self.connection.on_sign_of_life();
        let mut inbox = self.connection.take_inbox();
        match inbox.cut(bytes, |frame| self.on_frame(frame, now)) {
            Some(()) if !matches!(self.connection.phase, Phase::Idle(_)) => self.connection.put_back(inbox),
            Some(()) => {}
            None => {
                tracing::error!(node = %self.node, "the node sent what is no frame of this protocol");
                self.abandon(AVOID_GONE, now);
            }
        }
    }

    /// The connection was closed, or could not be made.
    pub fn on_closed(&mut self, now: Instant) {
        if !matches!(self.connection.phase, Phase::Idle(_)) {
            self.on_cut(now);
            self.avoid.insert(self.node, now + AVOID);
            self.connection.on_closed(now, &self.patience);
            self.connection.phase = Phase::Idle(now);
        }
    }

    /// The consumer did not take items for a while, so nothing was read: silence proves nothing.
    pub fn on_resumed(&mut self) {
        self.connection.on_sign_of_life();
    }

    /// Does what is due.
    pub fn on_timeout(&mut self, now: Instant) {
        if let Phase::Idle(at) = self.connection.phase
            && at <= now
        {
            self.connect(now);
            return;
        }
        if self.connection.on_timeout(now, true, &self.patience) != Vital::Well {
            tracing::warn!(node = %self.node, partition = %self.partition, "the stream's node keeps silent");
            self.abandon(AVOID_SILENT, now);
            return;
        }
        self.look_at_cast(now);
        self.follow_leader(now);
    }

    /// When something is due next.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.connection.next_timeout(&self.patience).into_iter().chain(self.cast_timeout()).min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        let bytes = std::mem::take(&mut self.connection.out);
        (!bytes.is_empty()).then_some(Output::Send(bytes))
    }

    /// The next item.
    pub fn poll_item(&mut self) -> Option<StreamItem> {
        self.items.pop_front()
    }

    fn is_avoided(&self, node: NodeId, now: Instant) -> bool {
        self.avoid.get(&node).is_some_and(|until| *until > now)
    }

    /// Connects to the leader, or to the next node that did not fail lately, or waits until one may be tried.
    fn connect(&mut self, now: Instant) {
        let leader = self.leader.filter(|leader| self.nodes.contains(leader));
        let in_turn = self.nodes.iter().copied().filter(|node| *node > self.node);
        let from_start = self.nodes.iter().copied().filter(|node| *node <= self.node);
        let mut candidates = leader.into_iter().chain(in_turn).chain(from_start);
        match candidates.find(|node| !self.is_avoided(*node, now)) {
            Some(node) => {
                self.node = node;
                self.connection.phase = Phase::Connecting;
                // What is under way beside the connection that has ended may be nearly done.
                if self.moving != Some(node) {
                    self.moving = None;
                    self.outputs.push_back(Output::Connect(node));
                }
            }
            None => {
                // Of one that has left, or a time that has passed, nothing is waited for.
                let until = self.nodes.iter().filter_map(|node| self.avoid.get(node)).copied();
                let soonest = until.filter(|until| *until > now).min().unwrap_or(now + AVOID);
                self.connection.phase = Phase::Idle(soonest);
            }
        }
    }

    /// Moves to the leader: it sees events first. Where events come, they go on coming until the leader's can: to greet a node
    /// takes longer than an election does.
    fn follow_leader(&mut self, now: Instant) {
        let leader = self.leader.filter(|leader| *leader != self.node && self.nodes.contains(leader));
        let Some(leader) = leader.filter(|leader| !self.is_avoided(*leader, now)) else { return };
        match self.connection.phase {
            Phase::Idle(_) => {}
            Phase::Ready if self.moving == Some(leader) => {}
            Phase::Ready => {
                self.moving = Some(leader);
                self.outputs.push_back(Output::ConnectBeside(leader));
            }
            Phase::Connecting | Phase::Greeting => {
                self.leave(now);
                self.outputs.push_back(Output::Close);
                self.connect(now);
            }
        }
    }

    /// What was under way with the present node is over.
    fn leave(&mut self, now: Instant) {
        self.forget_cast();
        self.connection.on_closed(now, &self.patience);
        self.outputs.clear();
        self.moving = None;
    }

    /// Leaves this node for another.
    fn abandon(&mut self, avoid: Duration, now: Instant) {
        self.forget_cast();
        self.avoid.insert(self.node, now + avoid);
        self.connection.on_closed(now, &self.patience);
        self.connection.phase = Phase::Idle(now);
        self.outputs.push_back(Output::Close);
    }

    /// Handles one frame; whether to go on with the connection's next.
    fn on_frame(&mut self, frame: Frame<'_>, now: Instant) -> bool {
        match frame {
            Frame::Welcome(welcome) => {
                if welcome.protocol != PROTOCOL || welcome.epoch != self.hello.epoch || welcome.node != self.node {
                    tracing::error!(node = %self.node, ?welcome, "the node is not the one that was looked for");
                    self.abandon(AVOID_GONE, now);
                    return false;
                }
                self.connection.on_welcome();
                let subscribe = Subscribe { partition: self.partition, from: self.next };
                self.connection.send(&Frame::Subscribe(subscribe));
                self.join_cast(now);
            }
            Frame::Ping(ping) => self.connection.send(&Frame::Pong(Pong { nonce: ping.nonce })),
            Frame::Events(Events { position, .. }, _) | Frame::Progress(Progress { position, .. })
                if position.get() == u64::MAX =>
            {
                tracing::error!(node = %self.node, partition = %self.partition, "the node says that its log is at its end");
                self.abandon(AVOID_GONE, now);
                return false;
            }
            Frame::Events(head, payload) if head.partition == self.partition => {
                self.on_heard();
                if head.position < self.next {
                    return true;
                }
                let Ok(events) = v1::decode_events(payload) else {
                    let position = head.position;
                    tracing::error!(partition = %self.partition, %position, "events of an unknown version");
                    self.abandon(AVOID_GONE, now);
                    return false;
                };
                self.next = head.position.next();
                let (position, timestamp, origin) = (head.position, head.timestamp, head.origin);
                self.items.push_back(StreamItem::Events { position, timestamp, origin, events });
            }
            // Repeated progress is yielded as well, never a lesser one.
            Frame::Progress(progress)
                if progress.partition == self.partition && progress.position.next() >= self.next =>
            {
                self.on_heard();
                self.next = progress.position.next();
                self.items.push_back(StreamItem::Progress { position: progress.position });
            }
            Frame::CastOpen(open) => self.on_cast_open(open),
            Frame::CastSent(sent) => self.on_cast_sent(sent, now),
            Frame::SubscribeRefused(refused) if refused.partition == self.partition => {
                self.on_refused(&refused, now);
                return false;
            }
            _ => {}
        }
        true
    }

    fn on_refused(&mut self, refused: &SubscribeRefused, now: Instant) {
        let (node, partition, next) = (self.node, self.partition, self.next);
        match refused.refusal {
            Refusal::PositionGone => {
                let first = refused.detail;
                tracing::warn!(%node, %partition, %next, first, "the node's events do not reach back far enough");
                self.abandon(AVOID_GONE, now);
            }
            refusal => {
                tracing::debug!(%node, %partition, ?refusal, "the node does not stream these events");
                self.abandon(AVOID, now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
