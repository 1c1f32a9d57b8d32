//! Drives the protocol over tokio: one task per node's connection, one for timeouts, one per stream.
//!
//! Callers and tasks share the [`Client`] under a lock that is never held while waiting. After every input
//! whoever gave it hands the outputs on ([`Core::settle`]).

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wire::link::{ChangeMembers, Hello, MemberOutcome, MemberPlace, PROTOCOL};
use wire::{LogPosition, NodeId, PartitionId, Text};

use crate::by_id::MapById;
use crate::client::{Client, Identity, Output, Patience, ReadKey, RequestKey, SessionKey};
use crate::subscription::Subscription;
use crate::{ClusterConfig, ClusterError, ConfigError, Replied, StreamItem};
use dial::Dialer;
use line::{LineKey, Replies};

pub use dial::is_answering;
pub use ear::{CastBytes, Ear};
pub use line::{Line, LineReply};

mod connection;
mod dial;
mod ear;
mod line;
mod stream;

/// How many items of a stream may wait for their consumer.
const STREAM_ITEMS_MAX: usize = 1_024;
/// A wish that no leader could be asked for is told again after this.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A connection to a cluster: cheap to clone, reconnects by itself for ever, ends when the last clone,
/// session and stream is dropped.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

/// A logical session with one partition: its requests are sequenced in the order they were made. Kept
/// alive, and reopened when it expired. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    inner: Arc<SessionInner>,
}

/// The events of one partition. Dropping it unsubscribes.
pub struct EventStream {
    items: mpsc::Receiver<StreamItem>,
    _cluster: Cluster,
}

struct Inner {
    shared: Arc<Shared>,
    dialer: Arc<Dialer>,
    hello: Hello,
    patience: Patience,
    /// What takes casts, if anything does.
    ear: OnceLock<Arc<dyn Ear>>,
    timing: JoinHandle<()>,
}

struct SessionInner {
    cluster: Cluster,
    key: SessionKey,
}

/// What callers and tasks share.
struct Shared {
    core: Mutex<Core>,
    /// The timeout has become earlier.
    timer: Notify,
    /// Nodes whose connections' tasks are to be started or ended.
    crew: Crew,
}

/// The tasks of the nodes' connections.
struct Crew {
    dialer: Arc<Dialer>,
    tasks: Mutex<BTreeMap<NodeId, JoinHandle<()>>>,
    /// The nodes from which events are streamed.
    sources: watch::Sender<Vec<NodeId>>,
}

struct Core {
    client: Client,
    connections: BTreeMap<NodeId, ConnectionState>,
    requests: MapById<RequestKey, Asker>,
    lines: BTreeMap<LineKey, Replies>,
    lines_made: u64,
    reads: HashMap<ReadKey, oneshot::Sender<Result<LogPosition, ClusterError>>>,
    opening: HashMap<SessionKey, oneshot::Sender<()>>,
    wishes: HashMap<u64, oneshot::Sender<MemberOutcome>>,
    /// Others are the cluster's nodes now, which the timer's task has still to see to.
    new_nodes: Option<NewNodes>,
    leaders: BTreeMap<PartitionId, watch::Sender<Option<NodeId>>>,
    /// When the timer task wakes.
    armed: Option<Instant>,
}

/// Every node and where logs say that it is, and those from which events are streamed.
type NewNodes = (BTreeMap<NodeId, Option<SocketAddr>>, Vec<NodeId>);

/// Who is told what became of a request.
enum Asker {
    /// Of this one alone.
    One(oneshot::Sender<Result<Replied, ClusterError>>),
    /// Of this and others, under this mark.
    Line(LineKey, u64),
}

/// What a connection's task is to do.
#[derive(Default)]
struct ConnectionState {
    /// It knows that there are bytes to send, which it takes from the client.
    knows_of_bytes: bool,
    must_connect: bool,
    must_close: bool,
    changed: Arc<Notify>,
}

impl Cluster {
    /// Starts to connect; needs a tokio runtime. An error only says that the configuration is unusable: nodes
    /// that cannot be reached are tried again for ever.
    pub fn connect(config: ClusterConfig) -> Result<Cluster, ConfigError> {
        Cluster::connect_with(config, Patience::default())
    }

    /// As [`Cluster::connect`], with other patience than the default.
    pub fn connect_with(config: ClusterConfig, patience: Patience) -> Result<Cluster, ConfigError> {
        let dialer = Arc::new(Dialer::new(&config)?);
        let name = Text::new(config.name.as_bytes()).map_err(|_| ConfigError::Name(config.name.clone()))?;
        let hello = Hello { protocol: PROTOCOL, epoch: config.epoch, role: config.role, name, node: NodeId::default() };
        let nodes: Vec<NodeId> = config.nodes.iter().map(|(node, _)| *node).collect();
        let identity = Identity { hello, nonce: rand::random() };
        let core = Core {
            client: Client::new(identity, &nodes, patience, Instant::now()),
            connections: nodes.iter().map(|node| (*node, ConnectionState::default())).collect(),
            requests: MapById::default(),
            lines: BTreeMap::new(),
            lines_made: 0,
            reads: HashMap::new(),
            opening: HashMap::new(),
            wishes: HashMap::new(),
            new_nodes: None,
            leaders: BTreeMap::new(),
            armed: None,
        };
        let crew = Crew { dialer: dialer.clone(), tasks: Mutex::default(), sources: watch::Sender::new(nodes.clone()) };
        let shared = Arc::new(Shared { core: Mutex::new(core), timer: Notify::new(), crew });
        shared.employ(nodes);
        let timing = tokio::spawn(keep_time(shared.clone()));
        Ok(Cluster { inner: Arc::new(Inner { shared, dialer, hello, patience, ear: OnceLock::new(), timing }) })
    }

    /// As [`Cluster::connect_with`], to the nodes of the configuration and to no others, whomever the logs name: for readers of
    /// a learner in another region.
    pub fn connect_only(config: ClusterConfig, patience: Patience) -> Result<Cluster, ConfigError> {
        let cluster = Cluster::connect_with(config, patience)?;
        cluster.inner.shared.lock().client.keep_to_nodes();
        Ok(cluster)
    }

    /// Streams that begin from now on take casts by this as well. Once; a second one is not used.
    pub fn take_casts_by(&self, ear: Arc<dyn Ear>) {
        let _ = self.inner.ear.set(ear);
    }

    /// Whether any node is connected.
    pub fn is_connected(&self) -> bool {
        self.inner.shared.lock().client.is_connected()
    }

    /// Opens a session; waits, if need be for ever, until the partition has a leader that has opened it.
    pub async fn session(&self, partition: PartitionId) -> Session {
        let (opened, wait) = oneshot::channel();
        let session = {
            let mut core = self.inner.shared.lock();
            let key = core.client.open_session(partition, Instant::now());
            core.opening.insert(key, opened);
            core.settle(&self.inner.shared.timer);
            Session { inner: Arc::new(SessionInner { cluster: self.clone(), key }) }
        };
        // The sender is kept until the session is open.
        let _ = wait.await;
        session
    }

    /// Follows the events of a partition from `from` on; 1 for everything.
    pub fn subscribe(&self, partition: PartitionId, from: LogPosition) -> EventStream {
        let (taken, items) = mpsc::channel(STREAM_ITEMS_MAX);
        let leader = self.inner.shared.lock().watch_leader(partition);
        let sources = self.inner.shared.crew.sources.subscribe();
        let Inner { hello, patience, dialer, ear, .. } = &*self.inner;
        let (known, now) = (sources.borrow().clone(), Instant::now());
        let mut subscription = Subscription::new(*hello, &known, partition, from, *patience, now);
        if let Some(ear) = ear.get() {
            subscription.take_casts(ear.place(), ear.counters(), now);
        }
        let listening = ear::Listening::new(ear.get().cloned());
        let news = stream::News { leader, sources };
        tokio::spawn(stream::run(subscription, listening, dialer.clone(), news, taken));
        EventStream { items, _cluster: self.clone() }
    }

    /// The position up to which events must have been seen to read what is committed now.
    pub async fn read_index(&self, partition: PartitionId, timeout: Duration) -> Result<LogPosition, ClusterError> {
        let wait = {
            let mut core = self.inner.shared.lock();
            let key = core.client.read_index(partition, Instant::now(), timeout)?;
            let (answered, wait) = oneshot::channel();
            core.reads.insert(key, answered);
            core.settle(&self.inner.shared.timer);
            wait
        };
        wait.await.unwrap_or(Err(ClusterError::Closed))
    }

    /// Asks a partition's leader for other members, whatever token the wish has. Asks again while there is none to be asked
    /// and when another one leads; after `Timeout` the wish may have been granted.
    pub async fn change_members(&self, wish: ChangeMembers, timeout: Duration) -> Result<MemberOutcome, ClusterError> {
        let deadline = Instant::now() + timeout;
        while Instant::now() < deadline {
            let asked = {
                let mut core = self.inner.shared.lock();
                let token = core.client.change_members(wish, Instant::now());
                let asked = token.map(|token| {
                    let (answered, wait) = oneshot::channel();
                    core.wishes.insert(token, answered);
                    (token, wait)
                });
                core.settle(&self.inner.shared.timer);
                asked
            };
            if let Some((token, wait)) = asked {
                let answered = tokio::time::timeout_at(deadline.into(), wait).await;
                self.inner.shared.lock().wishes.remove(&token);
                match answered {
                    Ok(Ok(MemberOutcome::NotLeader)) => {}
                    Ok(Ok(outcome)) => return Ok(outcome),
                    _ => return Err(ClusterError::Timeout),
                }
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Err(ClusterError::Unavailable)
    }

    /// Who has a replica of the partition, as far as is known.
    pub fn members(&self, partition: PartitionId) -> Option<Vec<MemberPlace>> {
        self.inner.shared.lock().client.members(partition).map(<[MemberPlace]>::to_vec)
    }

    /// Who leads the partition, as far as is known.
    pub fn leader(&self, partition: PartitionId) -> Option<NodeId> {
        self.inner.shared.lock().client.leader(partition)
    }
}

impl Session {
    /// Has an encoded [`wire::Command`] sequenced and waits for its reply. Requests are sent in the order of the
    /// calls, without waiting for each other; one whose future is dropped still executes. See
    /// [`ClusterError`] for what is known after an error.
    pub async fn request(&self, payload: Vec<u8>, timeout: Duration) -> Result<Replied, ClusterError> {
        let shared = &self.inner.cluster.inner.shared;
        let wait = {
            let mut core = shared.lock();
            let key = core.client.request(self.inner.key, payload, Instant::now(), timeout)?;
            let (answered, wait) = oneshot::channel();
            core.requests.insert(key, Asker::One(answered));
            core.settle(&shared.timer);
            wait
        };
        // Nobody is left to hear the answer to what was perhaps sent.
        wait.await.unwrap_or(Err(ClusterError::OutcomeUnknown))
    }

    /// For whoever has many requests under way at a time.
    pub fn line(&self) -> Line {
        Line::new(self.clone())
    }
}

impl EventStream {
    /// The next item; waits for ever if nothing happens. `None` only when the runtime shuts down.
    pub async fn next(&mut self) -> Option<StreamItem> {
        self.items.recv().await
    }

    /// The next items, appended: all that have come, but at most `max`. Waits for the first, for ever if nothing happens; returns
    /// how many they are, none only when the runtime shuts down.
    pub async fn next_many(&mut self, into: &mut Vec<StreamItem>, max: usize) -> usize {
        self.items.recv_many(into, max).await
    }

    /// How many items have come and were not taken. Beyond a bound they stay with the nodes.
    pub fn queued(&self) -> usize {
        self.items.len()
    }
}

impl Drop for SessionInner {
    fn drop(&mut self) {
        let shared = &self.cluster.inner.shared;
        let mut core = shared.lock();
        core.opening.remove(&self.key);
        core.client.close_session(self.key);
        core.settle(&shared.timer);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.timing.abort();
        self.shared.crew.tasks().values().for_each(JoinHandle::abort);
    }
}

impl Crew {
    fn tasks(&self) -> MutexGuard<'_, BTreeMap<NodeId, JoinHandle<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Has a task for the connection to each of these nodes, and for no other.
    fn employ(self: &Arc<Self>, nodes: Vec<NodeId>) {
        let mut tasks = self.crew.tasks();
        tasks.retain(|node, task| {
            let stays = nodes.contains(node);
            if !stays {
                task.abort();
            }
            stays
        });
        for node in nodes {
            let run = || tokio::spawn(connection::run(self.clone(), self.crew.dialer.clone(), node));
            tasks.entry(node).or_insert_with(run);
        }
    }

    /// Others are the cluster's nodes now, perhaps: tasks and what they listen to are theirs.
    fn see_to_nodes(self: &Arc<Self>) {
        let mut core = self.lock();
        let Some((nodes, sources)) = core.new_nodes.take() else { return };
        self.crew.dialer.learn(&nodes);
        core.connections.retain(|node, _| nodes.contains_key(node));
        self.employ(nodes.into_keys().collect());
        drop(core);
        self.crew.sources.send_replace(sources);
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic under the lock is a bug of ours; the state is still worth more than another panic.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Hands the client's outputs on.
    fn settle(&mut self, timer: &Notify) {
        while let Some(output) = self.client.poll_news() {
            match output {
                Output::Connect(node) => self.tell(node, |connection| connection.must_connect = true),
                // Taken by the connections' tasks.
                Output::Send { .. } => {}
                Output::Close(node) => self.tell(node, |connection| connection.must_close = true),
                Output::SessionOpened(session) => {
                    if let Some(opened) = self.opening.remove(&session) {
                        let _ = opened.send(());
                    }
                }
                Output::Replied { request, result } => match self.requests.remove(&request) {
                    Some(Asker::One(answered)) => _ = answered.send(result),
                    Some(Asker::Line(line, mark)) => {
                        if let Some(line) = self.lines.get_mut(&line) {
                            line.add((mark, result));
                        }
                    }
                    None => {}
                },
                Output::Read { read, result } => {
                    if let Some(answered) = self.reads.remove(&read) {
                        let _ = answered.send(result);
                    }
                }
                Output::MembersAnswer { token, outcome } => {
                    if let Some(answered) = self.wishes.remove(&token) {
                        let _ = answered.send(outcome);
                    }
                }
                Output::Nodes { nodes, sources } => {
                    // One that has left goes with its task. Were it gone before, and joined again, the task would listen to nobody.
                    for node in nodes.keys() {
                        self.connections.entry(*node).or_default();
                    }
                    self.new_nodes = Some((nodes, sources));
                    timer.notify_one();
                }
                Output::LeaderChanged { partition, leader } => {
                    if let Some(watched) = self.leaders.get(&partition) {
                        watched.send_replace(leader);
                    }
                }
            }
        }
        for (node, connection) in &mut self.connections {
            if !connection.knows_of_bytes && self.client.has_bytes(*node) {
                connection.knows_of_bytes = true;
                connection.changed.notify_one();
            }
        }
        let next = self.client.next_timeout();
        if let Some(next) = next
            && self.armed.is_none_or(|armed| next < armed)
        {
            self.armed = Some(next);
            timer.notify_one();
        }
    }

    fn tell(&mut self, node: NodeId, what: impl FnOnce(&mut ConnectionState)) {
        if let Some(connection) = self.connections.get_mut(&node) {
            what(connection);
            connection.changed.notify_one();
        }
    }

    fn watch_leader(&mut self, partition: PartitionId) -> watch::Receiver<Option<NodeId>> {
        let leader = self.client.leader(partition);
        self.leaders.entry(partition).or_insert_with(|| watch::Sender::new(leader)).subscribe()
    }
}

/// Tells the client the time when something is due.
async fn keep_time(shared: Arc<Shared>) {
    loop {
        shared.see_to_nodes();
        let next = {
            let mut core = shared.lock();
            let now = Instant::now();
            if core.client.next_timeout().is_some_and(|next| next <= now) {
                core.client.on_timeout(now);
            }
            core.armed = core.client.next_timeout();
            core.settle(&shared.timer);
            core.armed
        };
        match next {
            Some(next) => {
                // Timers have a granularity of a millisecond: never spin for less.
                let next = next.max(Instant::now() + Duration::from_millis(1));
                tokio::select! {
                    () = tokio::time::sleep_until(next.into()) => {}
                    () = shared.timer.notified() => {}
                }
            }
            None => shared.timer.notified().await,
        }
    }
}

#[cfg(test)]
mod tests;
