//! Starts and stops the threads of a node, and answers for them.

mod opening;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use replicator::log::StoreError;
use replicator::log::disk::{Disk, set_aside};
use replicator::net::cast::CastWay;
use replicator::net::{self, BypassMaker, NetHandle, NetLimits};
use replicator::{Committed, OpenError, Space};
use wire::{LogPosition, NodeId, PartitionId};

use crate::archive::ArchiveError;
use crate::archivist::{Archivist, Life};
use crate::block::EventBlock;
use crate::clock::Clock;
use crate::config::{NodeConfig, Threads};
use crate::data_dir::{DataDir, DataDirError};
use crate::group::panic_text;
use crate::memory;
use crate::metrics::Metrics;
use crate::rings::{ARCHIVE_ANSWER_RING, ARCHIVE_RING, Doorbell, NETWORK_RING, PartitionPort, ToArchive};
use crate::router::{Router, RouterConfig};
use crate::shared::SharedThread;
use crate::space::{SpaceSeen, SpaceWatch};
use crate::stalls::StallWatch;
use crate::status::{AuditAt, DigestAt, NodeStatus, PartitionStatus, Question};

use opening::{Opening, Wires, addresses, check, net_config, open_archives, open_log};
pub(crate) use opening::{capacities, incarnation};

/// How long an operator's question waits for a partition thread.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A node of the cluster.
pub struct Node;

/// A running node. Dropping it stops it.
pub struct NodeHandle {
    node: NodeId,
    epoch: u64,
    ledger: PartitionId,
    ports: BTreeMap<PartitionId, PartitionPort>,
    metrics: Arc<Metrics>,
    failures: Receiver<String>,
    net: Option<NetHandle>,
    archive: Sender<ToArchive>,
    archive_life: Weak<Life>,
    threads: Vec<JoinHandle<()>>,
    log: Option<Disk>,
    space: SpaceSeen,
    /// The thread that watches the disk ends with it.
    end_watch: Option<Sender<()>>,
    data_dir: DataDir,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is impossible.
    #[error("the configuration is impossible: {0}")]
    Config(String),
    /// The data directory is not usable.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The event archive is not usable.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The log is not usable.
    #[error("cannot open the log of node {node}: {source}")]
    Log {
        /// Which node.
        node: NodeId,
        /// What the log says.
        source: replicator::log::StoreError,
    },
    /// A replica does not open.
    #[error("cannot open the replica of partition {partition}: {source}")]
    Replica {
        /// Which partition.
        partition: PartitionId,
        /// What the replica says.
        source: Box<OpenError>,
    },
    /// A thread or the network does not start.
    #[error("cannot start {what}: {source}")]
    Thread {
        /// Which.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
}

impl StartError {
    /// Whether a log is there and not whole.
    fn is_damage(&self) -> bool {
        match self {
            StartError::Log { source, .. } => source.is_damage(),
            StartError::Replica { source, .. } => matches!(&**source, OpenError::Store(source) if source.is_damage()),
            _ => false,
        }
    }
}

impl Node {
    /// Starts a node: takes its data directory, opens its log, archives and replicas, and starts its threads.
    ///
    /// A log that is damaged is set aside where the node has peers: it returns to them with an empty one.
    pub fn start(config: NodeConfig) -> Result<NodeHandle, StartError> {
        let error = match Node::try_start(&config) {
            Err(error) if error.is_damage() && !config.peers.is_empty() => error,
            started => return started,
        };
        let data_dir = DataDir::open(&config.data_dir, config.node, config.epoch)?;
        let aside = set_aside(&data_dir.log()).map_err(|source| StartError::Log { node: config.node, source })?;
        drop(data_dir);
        let (node, aside) = (config.node, aside.display());
        tracing::error!(%node, %error, "the log is set aside as {aside}; the node returns to its peers without it");
        Node::try_start(&config)
    }

    fn try_start(config: &NodeConfig) -> Result<NodeHandle, StartError> {
        check(config)?;
        let data_dir = DataDir::open(&config.data_dir, config.node, config.epoch)?;
        let clock = Clock::start();
        let metrics = Arc::new(Metrics::new());
        let partitions: Vec<PartitionId> = config.partitions.iter().map(|placed| placed.partition).collect();

        let teams = config.tuning.threads.teams(&partitions);
        let Wires { mut doorbells, ports, mut rings } = Wires::of(&teams, config.tuning.requests_waiting_max);
        let archives = open_archives(&partitions, &data_dir, &metrics)?;
        let space = SpaceWatch::new(config.data_dir.clone(), config.tuning.disk_reserve);
        let log = open_log(config, &data_dir)?;

        let (to_network, outputs) = bounded(NETWORK_RING);
        let (to_archive, archive_work) = bounded(ARCHIVE_RING);
        let (archive_answers, answers) = bounded(ARCHIVE_ANSWER_RING);
        let (failed, failures) = bounded(partitions.len() + 1);
        let (end_watch, watch_ended) = bounded(0);
        let limits = NetLimits {
            connections_max: config.tuning.connections_max,
            client_out_bytes_max: config.tuning.client_buffer_max,
            node_out_bytes_max: config.tuning.node_buffer_max,
            ..NetLimits::default()
        };
        let (bypass, casts) = beside_links(config, &metrics)?;
        let router = Router::new(RouterConfig {
            node: config.node,
            addresses: addresses(config),
            ports: ports.clone(),
            recent_bytes_max: config.tuning.recent_bytes_max,
            outputs,
            archive: to_archive.clone(),
            answers,
            client_buffer_max: limits.client_out_bytes_max,
            node_buffer_max: limits.node_out_bytes_max,
            space: space.seen(),
            casts,
            metrics: metrics.router(),
            // Where it has the partitions, they see it.
            stalls: (config.tuning.threads != Threads::Shared)
                .then(|| StallWatch::new(format!("net-{}", config.node), metrics.stalls())),
        });
        let (network_doorbell, network_wait) = Doorbell::new();
        let archivist = Archivist::new(archives, archive_work, archive_answers, network_doorbell);
        let mut handle = NodeHandle {
            node: config.node,
            epoch: config.epoch.get(),
            ledger: config.ledger,
            ports,
            metrics,
            failures,
            archive: to_archive,
            archive_life: archivist.life(),
            threads: Vec::new(),
            log: Some(log),
            space: space.seen(),
            end_watch: Some(end_watch),
            data_dir,
            net: None,
        };
        handle.spawn("archive".to_owned(), &failed, move || archivist.run().map_err(|error| error.to_string()))?;
        handle.spawn("space".to_owned(), &failed, move || {
            space.run(&watch_ended);
            Ok(())
        })?;
        let mut groups = Opening::of(&handle, config, clock).groups(&teams, &mut rings)?;
        let net_config = net_config(config, limits, bypass)?;
        let net = if config.tuning.threads == Threads::Shared {
            let group = groups.pop().expect("all partitions are one group");
            net::spawn(net_config, SharedThread::new(config.node, router, group, failed.clone()))
        } else {
            net::spawn(net_config, router)
        };
        let net = net.map_err(|source| StartError::Thread { what: "the network thread".to_owned(), source })?;
        let waker = net.waker();
        handle.net = Some(net);
        network_wait.give_to(waker.clone());
        if config.tuning.threads == Threads::Shared {
            doorbells.drain(..).for_each(|wait| wait.give_to(waker.clone()));
        }
        for ((group, wait), team) in groups.into_iter().zip(doorbells).zip(&teams) {
            let (network, waker) = (to_network.clone(), waker.clone());
            let name = format!("partition-{}", team[0]);
            handle.spawn(name, &failed, move || group.run(&wait, &network, &waker))?;
        }
        tracing::info!(node = %config.node, partitions = partitions.len(), threads = ?config.tuning.threads, "started");
        Ok(handle)
    }
}

impl NodeHandle {
    /// The node and its replicas at a glance.
    pub fn status(&self) -> NodeStatus {
        let answers: BTreeMap<PartitionId, PartitionStatus> = self.ask(Question::Status);
        let partitions: Vec<PartitionStatus> = self
            .ports
            .keys()
            .map(|partition| {
                answers.get(partition).cloned().unwrap_or_else(|| PartitionStatus::unresponsive(*partition))
            })
            .collect();
        NodeStatus {
            node: self.node.get(),
            epoch: self.epoch,
            ready: self.space.space() == Space::Enough && partitions.iter().all(|partition| partition.caught_up),
            ledger: self.ledger.get(),
            disk: match self.space.space() {
                Space::Enough => "enough",
                Space::Low => "low",
                Space::Full => "full",
            },
            disk_free: self.space.free(),
            memory_available: memory::available(),
            partitions,
        }
    }

    /// Whether every partition has a leader and this node's replicas have caught up.
    pub fn ready(&self) -> bool {
        self.status().ready
    }

    /// Every replica's digest at its last applied position, taken in its thread. Partitions that do not answer in
    /// time are left out.
    pub fn digests(&self) -> Vec<DigestAt> {
        self.ask(Question::Digest).into_values().collect()
    }

    /// What the cells say of their money, as of their last applied positions. Partitions that do not answer in
    /// time are left out.
    pub fn audits(&self) -> Vec<AuditAt> {
        self.ask(Question::Audit).into_values().collect()
    }

    /// Asks this node, if it leads the partition, to hand it over.
    pub fn transfer_leadership(&self, partition: PartitionId, to: NodeId) {
        if let Some(port) = self.ports.get(&partition) {
            // Too many questions wait: whoever asks sees that nothing changed.
            let _ = port.ask(Question::Transfer(to));
        }
    }

    /// What this node's replica of a partition applied after log index `after`, of about `bytes_max` bytes; `None` when
    /// it does not answer in time.
    pub fn committed(&self, partition: PartitionId, after: u64, bytes_max: u64) -> Option<Committed> {
        let (to, answer) = bounded(1);
        self.ports.get(&partition)?.ask(Question::Committed { after, bytes_max, to }).ok()?;
        answer.recv_timeout(ANSWER_WITHIN).ok()
    }

    /// Some of a partition's events from position `from` on, as this node's archive has them: an empty block when there
    /// are none yet, `None` when they are missing here or nobody answers in time.
    pub fn events(&self, partition: PartitionId, from: LogPosition) -> Option<EventBlock> {
        let (to, answer) = bounded(1);
        let asked = self.archive.send_timeout(ToArchive::Copy { partition, from, to }, ANSWER_WITHIN);
        asked.ok()?;
        answer.recv_timeout(ANSWER_WITHIN).ok()?.ok()
    }

    /// The snapshots of a partition on this node's disk, with the log indices that they were taken at, oldest first.
    pub fn snapshots(&self, partition: PartitionId) -> Result<Vec<(u64, PathBuf)>, StoreError> {
        replicator::log::disk::snapshots(&self.data_dir.log(), partition)
    }

    /// Its number.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Hands every partition that this node leads to the standby that is least behind; where nobody is near, it stays.
    pub fn hand_over(&self) {
        for partition in self.status().partitions {
            let nearest = partition.standbys.iter().min_by_key(|standby| standby.behind);
            if let Some(standby) = nearest.filter(|_| partition.role == "leader") {
                self.transfer_leadership(PartitionId::new(partition.partition), NodeId::new(standby.node));
            }
        }
    }

    /// Every metric as Prometheus reads it.
    pub fn metrics(&self) -> String {
        if let Some(net) = &self.net {
            self.metrics.observe_net(&net.counters());
        }
        if let Some(log) = &self.log {
            self.metrics.observe_disk(&self.space, log.slow_writes());
        }
        self.metrics.text()
    }

    /// Why the node cannot go on, if it cannot: a disk that failed, a state that is wrong, a thread that panicked. The
    /// process must then end with a non-zero code; nothing may be repaired in place.
    pub fn failure(&self) -> Option<String> {
        let net_has_ended = self.net.as_ref().is_some_and(NetHandle::is_finished);
        self.failures.try_recv().ok().or_else(|| net_has_ended.then(|| "the network thread has ended".to_owned()))
    }

    /// Waits up to `timeout` for a failure.
    pub fn wait_failure(&self, timeout: Duration) -> Option<String> {
        self.failures.recv_timeout(timeout).ok().or_else(|| self.failure())
    }

    /// Stops every thread and waits for them.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.end_watch = None;
        for port in self.ports.values() {
            // A full ring empties itself; a thread that is gone needs no telling.
            let _ = port.questions.send_timeout(Question::Stop, ANSWER_WITHIN);
            port.doorbell.ring();
        }
        let archive = (!self.threads.is_empty()).then(|| self.threads.remove(0));
        for thread in self.threads.drain(..) {
            join(thread);
        }
        // After the partition threads, which send to it; it may have the partitions itself.
        if let Some(net) = self.net.take() {
            net.stop();
            if net.join().is_err() {
                tracing::error!(node = %self.node, "the network thread had panicked");
            }
        }
        // After the partitions, which send to it.
        let _ = self.archive.send_timeout(ToArchive::Stop, ANSWER_WITHIN);
        archive.into_iter().for_each(join);
        // After the partitions, which write to it: its thread ends with it.
        self.log = None;
    }

    /// Asks every partition thread at once and waits for the answers together.
    fn ask<A>(&self, question: impl Fn(Sender<A>) -> Question) -> BTreeMap<PartitionId, A> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let asked: Vec<(PartitionId, Receiver<A>)> = self
            .ports
            .iter()
            .filter_map(|(partition, port)| {
                let (answer, wait) = bounded(1);
                port.ask(question(answer)).ok().map(|()| (*partition, wait))
            })
            .collect();
        asked
            .into_iter()
            .filter_map(|(partition, wait)| wait.recv_deadline(deadline).ok().map(|answer| (partition, answer)))
            .collect()
    }

    /// Starts a thread whose error or panic is a failure of the node.
    fn spawn(
        &mut self,
        name: String,
        failed: &Sender<String>,
        run: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> Result<(), StartError> {
        let (failed, node, what) = (failed.clone(), self.node, name.clone());
        let work = move || {
            let error = match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(panic) => panic_text(panic.as_ref()),
            };
            tracing::error!(%node, thread = %what, %error, "the node cannot go on");
            // Full: an earlier failure is enough.
            let _ = failed.try_send(format!("{what} of node {node}: {error}"));
        };
        let thread = Builder::new().name(format!("{name}-{}", self.node)).spawn(work);
        let thread = thread.map_err(|source| StartError::Thread { what: format!("the thread {name}"), source })?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for NodeHandle {
    fn drop(&mut self) {
        self.end();
    }
}

/// Other ways for Raft messages, and for events, if they are wanted.
fn beside_links(config: &NodeConfig, metrics: &Metrics) -> Result<BesideLinks, StartError> {
    #[cfg(feature = "aeron")]
    if let Some(plan) = &config.aeron {
        let (bypass, casts) = crate::aeron::beside_links(plan, config, metrics.aeron())?;
        return Ok((Some(bypass), Some(Box::new(casts))));
    }
    // Who wants them of another build is refused before.
    assert!(config.aeron.is_none());
    let _ = metrics;
    Ok((None, None))
}

type BesideLinks = (Option<BypassMaker>, Option<Box<dyn CastWay>>);

fn join(thread: JoinHandle<()>) {
    thread.join().expect("threads of a node catch their panics");
}
