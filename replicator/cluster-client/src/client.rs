//! The protocol of sessions and reads as a value: connections, bytes and time go in; bytes to send and
//! outcomes come out. It has no socket, no clock and no thread.
//!
//! One connection to every node is kept open. A partition's requests and reads go to its leader
//! ([`leadership`]), a session's requests in order ([`pipeline`]).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wire::link::{Hello, MemberOutcome};
use wire::{ClusterEpoch, LogPosition, NodeId, PartitionId, SessionId};

mod clock;
pub(crate) mod connection;
mod frames;
mod leadership;
mod members;
mod pipeline;
mod reads;

pub use crate::config::Patience;
use crate::{ClusterError, Replied};
use connection::{Connection, Phase};
use leadership::{Change, Leadership};
use members::Known;
use pipeline::{Pipeline, Waiter};
use reads::Reads;

/// A logical session of one [`Client`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(u64);

/// A request of one [`Client`]; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey(u64);

/// A read of one [`Client`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadKey(u64);

/// What the driver must do, or hand on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Connect to this node, then call `on_connected` or `on_closed`.
    Connect(NodeId),
    /// Send these bytes on the node's connection.
    Send {
        /// To which node.
        node: NodeId,
        /// Whole frames.
        bytes: Vec<u8>,
    },
    /// Close the node's connection; `on_closed` need not be called.
    Close(NodeId),
    /// The session is open for the first time, or again after it had expired.
    SessionOpened(SessionKey),
    /// What became of a request.
    Replied {
        /// Which request.
        request: RequestKey,
        /// Its reply.
        result: Result<Replied, ClusterError>,
    },
    /// What became of a read.
    Read {
        /// Which read.
        read: ReadKey,
        /// Where it may read.
        result: Result<LogPosition, ClusterError>,
    },
    /// These are the nodes from now on.
    Nodes {
        /// Every one, and where logs say that it is.
        nodes: BTreeMap<NodeId, Option<SocketAddr>>,
        /// Those from which events are streamed.
        sources: Vec<NodeId>,
    },
    /// What came of [`Client::change_members`].
    MembersAnswer {
        /// Of the question.
        token: u64,
        /// What.
        outcome: MemberOutcome,
    },
    /// Another node leads the partition, or none is known to.
    LeaderChanged {
        /// Which partition.
        partition: PartitionId,
        /// Who leads it.
        leader: Option<NodeId>,
    },
}

/// Who the client is.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// The first frame on every connection.
    pub hello: Hello,
    /// Random: the nonces of sessions count on from here.
    pub nonce: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Waiting {
    Request(SessionKey, RequestKey),
    Read(ReadKey),
}

/// Sessions and reads with every partition of one cluster.
#[derive(Debug)]
pub struct Client {
    identity: Identity,
    patience: Patience,
    connections: BTreeMap<NodeId, Connection>,
    known: Known,
    leaderships: BTreeMap<PartitionId, Leadership>,
    sessions: BTreeMap<SessionKey, Pipeline>,
    open_sessions: BTreeMap<(PartitionId, SessionId), SessionKey>,
    opening_sessions: BTreeMap<u128, SessionKey>,
    reads: Reads,
    /// Nobody has waited for too long before.
    overdue_from: Option<Instant>,
    keys: u64,
    outputs: VecDeque<Output>,
    /// Sessions with replies among the bytes that are being read: one look at each is enough for all of them.
    replied: Vec<SessionKey>,
    /// No timeout is due before.
    wake_at: Option<Instant>,
}

impl Client {
    /// A client of these nodes that is connected to none of them yet.
    pub fn new(identity: Identity, nodes: &[NodeId], patience: Patience, now: Instant) -> Client {
        Client {
            identity,
            patience,
            connections: nodes.iter().map(|node| (*node, Connection::new(now))).collect(),
            known: Known::new(nodes),
            leaderships: BTreeMap::new(),
            sessions: BTreeMap::new(),
            open_sessions: BTreeMap::new(),
            opening_sessions: BTreeMap::new(),
            reads: Reads::default(),
            overdue_from: None,
            keys: 0,
            outputs: VecDeque::new(),
            replied: Vec::new(),
            wake_at: Some(now),
        }
    }

    /// Who leads the partition, as far as is known.
    pub fn leader(&self, partition: PartitionId) -> Option<NodeId> {
        let leadership = self.leaderships.get(&partition)?;
        leadership.target().filter(|_| leadership.is_confirmed())
    }

    /// Opens a session. Requests may be made at once; they wait for it.
    pub fn open_session(&mut self, partition: PartitionId, now: Instant) -> SessionKey {
        let key = SessionKey(self.next_key());
        let nonce = self.next_nonce();
        self.sessions.insert(key, Pipeline::new(partition, nonce, now, &self.patience));
        self.opening_sessions.insert(nonce, key);
        self.lead(partition, now);
        self.flush_session(key, now);
        key
    }

    /// Nobody makes requests in this session any more. What was made is still resent until it is replied to.
    pub fn close_session(&mut self, session: SessionKey) {
        if let Some(pipeline) = self.sessions.get_mut(&session) {
            pipeline.is_closing = true;
        }
        self.forget_if_over(session);
    }

    /// Has `payload` sequenced. `Busy` when the session's window is full.
    pub fn request(
        &mut self,
        session: SessionKey,
        payload: Vec<u8>,
        now: Instant,
        timeout: Duration,
    ) -> Result<RequestKey, ClusterError> {
        let key = self.offer(session, payload, now, timeout)?;
        self.flush(session, now);
        Ok(key)
    }

    /// As [`Client::request`] of one of many: none of them is sent before [`Client::flush`].
    pub fn offer(
        &mut self,
        session: SessionKey,
        payload: Vec<u8>,
        now: Instant,
        timeout: Duration,
    ) -> Result<RequestKey, ClusterError> {
        let key = RequestKey(self.next_key());
        let deadline = now + timeout;
        let pipeline = self.sessions.get_mut(&session).ok_or(ClusterError::Closed)?;
        pipeline.offer(key, payload, deadline, &self.patience)?;
        self.expect_by(deadline);
        Ok(key)
    }

    /// Sends what was offered.
    pub fn flush(&mut self, session: SessionKey, now: Instant) {
        self.flush_session(session, now);
    }

    /// Asks up to which position events must have been seen to read what is committed now. `Busy` when as
    /// many reads wait as may.
    pub fn read_index(
        &mut self,
        partition: PartitionId,
        now: Instant,
        timeout: Duration,
    ) -> Result<ReadKey, ClusterError> {
        if self.reads.len() >= self.patience.window {
            return Err(ClusterError::Busy);
        }
        let key = ReadKey(self.next_key());
        let deadline = now + timeout;
        self.reads.insert(key, partition, now, deadline, &self.patience);
        self.expect_by(deadline);
        self.lead(partition, now);
        self.flush_reads(partition, now);
        Ok(key)
    }

    /// The node's connection stands.
    pub fn on_connected(&mut self, node: NodeId, now: Instant) {
        if let Some(connection) = self.connections.get_mut(&node) {
            connection.on_connected(now, self.identity.hello, &self.patience);
            self.wake(now + self.patience.ping);
        }
    }

    /// Bytes have come from the node.
    pub fn on_bytes(&mut self, node: NodeId, bytes: &[u8], now: Instant) {
        let Some(connection) = self.connections.get_mut(&node) else {
            return;
        };
        if matches!(connection.phase, Phase::Idle(_) | Phase::Connecting) {
            return;
        }
        if connection.on_sign_of_life() {
            tracing::info!(%node, "the node answers again");
        }
        let mut inbox = connection.take_inbox();
        let cut = inbox.cut(bytes, |frame| self.on_frame(node, frame, now));
        self.flush_replied(now);
        match (cut, self.connections.get_mut(&node)) {
            (Some(()), Some(connection)) if !matches!(connection.phase, Phase::Idle(_)) => connection.put_back(inbox),
            (None, _) => {
                tracing::warn!(%node, "the node sent what is no frame of this protocol");
                self.give_up(node, now);
            }
            _ => {}
        }
    }

    /// The node's connection was closed, or could not be made.
    pub fn on_closed(&mut self, node: NodeId, now: Instant) {
        let Some(connection) = self.connections.get_mut(&node) else {
            return;
        };
        if matches!(connection.phase, Phase::Idle(_)) {
            return;
        }
        connection.on_closed(now, &self.patience);
        let at = connection.next_timeout(&self.patience);
        self.wake_some(at);
        self.lose_leader(node, now);
    }

    /// When something is due next.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.wake_at
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.poll_news() {
            return Some(output);
        }
        let (node, connection) = self.connections.iter_mut().find(|(_, connection)| !connection.out.is_empty())?;
        Some(Output::Send { node: *node, bytes: std::mem::take(&mut connection.out) })
    }

    /// As [`Client::poll_output`], without what is to be sent: for whoever takes that once a connection can take it, by
    /// [`Client::take_bytes`].
    pub fn poll_news(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether there is something to send to the node.
    pub fn has_bytes(&self, node: NodeId) -> bool {
        self.connections.get(&node).is_some_and(|connection| !connection.out.is_empty())
    }

    /// Whole frames to send to the node, in place of what is in `bytes`; none for none.
    pub fn take_bytes(&mut self, node: NodeId, bytes: &mut Vec<u8>) {
        bytes.clear();
        if let Some(connection) = self.connections.get_mut(&node) {
            std::mem::swap(&mut connection.out, bytes);
        }
    }

    fn next_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }

    fn next_nonce(&mut self) -> u128 {
        self.identity.nonce = self.identity.nonce.wrapping_add(1);
        self.identity.nonce
    }

    fn wake(&mut self, at: Instant) {
        wake_by(&mut self.wake_at, at);
    }

    /// Somebody waits for an answer until then.
    fn expect_by(&mut self, deadline: Instant) {
        wake_by(&mut self.overdue_from, deadline);
        self.wake(deadline);
    }

    fn wake_some(&mut self, at: Option<Instant>) {
        if let Some(at) = at {
            self.wake(at);
        }
    }

    /// Starts to look for the partition's leader, unless that was done before.
    fn lead(&mut self, partition: PartitionId, now: Instant) {
        self.leaderships.entry(partition).or_insert_with(|| Leadership::new(now));
        self.wake(now);
    }

    fn answer(&mut self, waiter: Waiter, result: Result<Replied, ClusterError>) {
        self.outputs.push_back(Output::Replied { request: waiter.key, result });
    }

    fn forget_if_over(&mut self, key: SessionKey) {
        if self.sessions.get(&key).is_some_and(|pipeline| pipeline.is_closing && pipeline.is_empty()) {
            self.sessions.remove(&key);
            self.open_sessions.retain(|_, open| *open != key);
            self.opening_sessions.retain(|_, opening| *opening != key);
        }
    }

    fn confirm(&mut self, node: NodeId, partition: PartitionId, now: Instant) {
        if let Some(leadership) = self.leaderships.get_mut(&partition) {
            let change = leadership.confirm(node);
            self.on_change(partition, change, now);
        }
    }

    /// `node` does not lead; `hint` is who it believes does, 0 when it does not know.
    fn deny(&mut self, node: NodeId, partition: PartitionId, hint: u64, now: Instant) {
        let hint = Some(NodeId::new(hint)).filter(|hint| self.connections.get(hint).is_some_and(Connection::is_usable));
        let nodes_len = self.connections.len();
        if let Some(leadership) = self.leaderships.get_mut(&partition) {
            let change = leadership.deny(node, hint, nodes_len);
            self.wake(now + self.patience.back_off.0);
            self.on_change(partition, change, now);
        }
    }

    fn lose_leader(&mut self, node: NodeId, now: Instant) {
        let partitions: Vec<PartitionId> = self.leaderships.keys().copied().collect();
        for partition in partitions {
            if let Some(leadership) = self.leaderships.get_mut(&partition) {
                let change = leadership.lose(node, now);
                self.on_change(partition, change, now);
            }
        }
    }

    fn on_change(&mut self, partition: PartitionId, change: Change, now: Instant) {
        if change == Change::None {
            return;
        }
        self.outputs.push_back(Output::LeaderChanged { partition, leader: self.leader(partition) });
        self.wake(now);
        if change == Change::Moved {
            self.reads.rewind(partition, now);
        }
        for key in self.sessions_of(partition) {
            if change == Change::Moved
                && let Some(pipeline) = self.sessions.get_mut(&key)
            {
                pipeline.rewind();
            }
            self.flush_session(key, now);
        }
        self.flush_reads(partition, now);
    }

    fn sessions_of(&self, partition: PartitionId) -> Vec<SessionKey> {
        let of_it = self.sessions.iter().filter(|(_, pipeline)| pipeline.partition == partition);
        of_it.map(|(key, _)| *key).collect()
    }

    /// As [`leader_connection`], which is pinged soon.
    fn leader_connection(&mut self, partition: PartitionId, now: Instant) -> Option<(&mut Connection, bool)> {
        let (connection, is_confirmed) = leader_connection(&self.leaderships, &mut self.connections, partition)?;
        wake_by(&mut self.wake_at, connection.hasten_ping(now, &self.patience));
        Some((connection, is_confirmed))
    }

    fn flush_session(&mut self, key: SessionKey, now: Instant) {
        // A process that stood still, or was busy, hears of leaders before it looks at its clock.
        self.poll_deadlines(now);
        let Client { sessions, leaderships, connections, patience, wake_at, .. } = self;
        let Some(pipeline) = sessions.get_mut(&key) else {
            return;
        };
        let leader = leader_connection(leaderships, connections, pipeline.partition);
        if let Some((connection, is_confirmed)) = leader {
            wake_by(wake_at, connection.hasten_ping(now, patience));
            pipeline.send(now, is_confirmed, &mut connection.out);
        }
        if let Some(at) = pipeline.next_timeout(patience) {
            wake_by(wake_at, at);
        }
    }

    /// Goes on with the sessions that were replied to.
    fn flush_replied(&mut self, now: Instant) {
        while let Some(key) = self.replied.pop() {
            self.flush_session(key, now);
            self.forget_if_over(key);
        }
    }

    fn flush_reads(&mut self, partition: PartitionId, now: Instant) {
        if !self.reads.waits_for(partition) {
            return;
        }
        let mut reads = std::mem::take(&mut self.reads);
        let patience = self.patience;
        if let Some((connection, _)) = self.leader_connection(partition, now) {
            reads.send(partition, now, &mut connection.out, &patience);
        }
        self.reads = reads;
    }

    /// Sends what waits for a node that leads and could not be reached before.
    fn flush_waiting_for(&mut self, node: NodeId, now: Instant) {
        let led = self.leaderships.iter().filter(|(_, leadership)| leadership.target() == Some(node));
        let led: Vec<PartitionId> = led.map(|(partition, _)| *partition).collect();
        for partition in led {
            for key in self.sessions_of(partition) {
                self.flush_session(key, now);
            }
            self.flush_reads(partition, now);
        }
    }

    fn give_up(&mut self, node: NodeId, now: Instant) {
        self.on_closed(node, now);
        self.outputs.push_back(Output::Close(node));
    }

    /// The cluster this client belongs to.
    pub fn epoch(&self) -> ClusterEpoch {
        self.identity.hello.epoch
    }
}

fn wake_by(wake_at: &mut Option<Instant>, at: Instant) {
    *wake_at = Some(wake_at.map_or(at, |wake_at| wake_at.min(at)));
}

/// The connection that requests of the partition go to, and whether the node is known to lead.
fn leader_connection<'a>(
    leaderships: &BTreeMap<PartitionId, Leadership>,
    connections: &'a mut BTreeMap<NodeId, Connection>,
    partition: PartitionId,
) -> Option<(&'a mut Connection, bool)> {
    let leadership = leaderships.get(&partition)?;
    let connection = connections.get_mut(&leadership.target()?)?;
    connection.is_usable().then(|| (connection, leadership.is_confirmed()))
}

#[cfg(test)]
mod tests;
