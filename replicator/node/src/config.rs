//! What a node is told at start.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use replicator::Durability;
use replicator::log::disk::SyncBy;

use wire::{ClusterEpoch, NodeId, PartitionId};

/// Everything a node needs to start.
#[derive(Debug)]
pub struct NodeConfig {
    /// Who this node is.
    pub node: NodeId,
    /// Which cluster it belongs to.
    pub epoch: ClusterEpoch,
    /// Where it keeps its log and its events. Made when missing.
    pub data_dir: PathBuf,
    /// Where peers, gateways and operators connect; already bound.
    pub listen: TcpListener,
    /// The other nodes of the cluster.
    pub peers: Vec<PeerConfig>,
    /// Who it can prove to be, and whom it believes.
    pub tls: TlsPem,
    /// The partitions of the cluster, each with a replica on every node.
    pub partitions: Vec<PartitionPlacement>,
    /// The partition that hosts the ledger cell.
    pub ledger: PartitionId,
    /// Whether it wants to stay a learner: to get every log and never to vote.
    pub stays_learner: bool,
    /// How Raft messages and events go beside the links; needs a build with the feature `aeron`.
    pub aeron: Option<AeronPlan>,
    /// Times and bounds.
    pub tuning: Tuning,
}

/// Whether this build has Aeron.
pub const HAS_AERON: bool = cfg!(feature = "aeron");

/// How a node uses Aeron.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AeronPlan {
    /// Where Raft messages arrive by UDP, reached by peers; without it in the memory of the host, which needs `driver`.
    pub udp: Option<SocketAddr>,
    /// The directory of the media driver that another process is; without it the node has its own.
    pub driver: Option<PathBuf>,
    /// What the Aeron thread does while nothing comes.
    pub idle: AeronIdle,
    /// The longest datagram; the same on all nodes.
    pub mtu: Option<u16>,
    /// The UDP multicast group to which events go; without one each gateway that takes them is sent its own datagrams.
    pub group: Option<SocketAddr>,
}

/// What the Aeron thread does while nothing comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AeronIdle {
    /// Polls again at once: for a core of its own.
    Spin,
    /// Lets other threads run first.
    Yield,
    /// Polls some more, then waits for up to a tenth of a millisecond.
    #[default]
    BackOff,
}

/// Another node of the cluster.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// Its id.
    pub node: NodeId,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// Certificates and key as the bytes of PEM files.
#[derive(Clone)]
pub struct TlsPem {
    /// The authority that signed every certificate of the cluster.
    pub ca: Vec<u8>,
    /// This node's certificate, for the name `node-ID`.
    pub cert: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for TlsPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsPem")
    }
}

/// A partition, and which node should lead it.
#[derive(Debug, Clone, Copy)]
pub struct PartitionPlacement {
    /// Which partition.
    pub partition: PartitionId,
    /// The node that leads it when it can. Without one the nodes that can lead take turns, partition by partition, as
    /// nodes join and leave.
    pub preferred_leader: Option<NodeId>,
    /// Where a quorum has what is acknowledged. The same on all nodes.
    pub durability: Durability,
}

impl PartitionPlacement {
    /// The same, acknowledged elsewhere.
    pub fn with_durability(self, durability: Durability) -> PartitionPlacement {
        PartitionPlacement { durability, ..self }
    }

    /// `count` partitions from 1 on, led in turn.
    pub fn spread(count: u16) -> Vec<PartitionPlacement> {
        let (preferred_leader, durability) = (None, Durability::default());
        let partitions = (1..=count).map(PartitionId::new);
        partitions.map(|partition| PartitionPlacement { partition, preferred_leader, durability }).collect()
    }
}

/// How the partitions of a node share threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// All partitions live in the network thread, and write the log there while the disk is quick: the least work for
    /// an order, for machines with few cores.
    Shared,
    /// This many threads have the partitions, in turn, beside the network thread and the log thread. With as many as
    /// partitions, or more, each has its own.
    Partitions(usize),
}

impl Threads {
    /// Each partition has its own thread.
    pub const DEDICATED: Threads = Threads::Partitions(usize::MAX);

    /// What suits a node on this machine, or on the cores that it is bound to: where they are few, handing work from
    /// thread to thread costs more than doing it.
    pub fn for_this_machine() -> Threads {
        Threads::for_cores(available_parallelism().map_or(1, usize::from))
    }

    /// What suits a node that may count on so many cores.
    pub fn for_cores(cores: usize) -> Threads {
        match cores {
            0..=SHARED_CORES_MAX => Threads::Shared,
            _ => Threads::DEDICATED,
        }
    }

    /// Which partitions share a thread.
    pub(crate) fn teams(self, partitions: &[PartitionId]) -> Vec<Vec<PartitionId>> {
        let count = match self {
            Threads::Shared => 1,
            Threads::Partitions(count) => count.clamp(1, partitions.len().max(1)),
        };
        let mut teams = vec![Vec::new(); count];
        for (at, partition) in partitions.iter().enumerate() {
            teams[at % count].push(*partition);
        }
        teams
    }

    /// Whose thread waits for the disk.
    pub(crate) fn sync_by(self) -> SyncBy {
        match self {
            Threads::Shared => SyncBy::CallerIfWithin(SHARED_SYNC_MAX),
            Threads::Partitions(_) => SyncBy::LogThread,
        }
    }
}

/// With at most so many cores a node does everything in one thread.
const SHARED_CORES_MAX: usize = 3;
/// A thread that has everything else as well waits for a disk that takes no longer than this.
const SHARED_SYNC_MAX: Duration = Duration::from_millis(1);

/// Times and bounds; the defaults suit a laptop and a small server.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// How the partitions share threads.
    pub threads: Threads,
    /// The replica's clock step; also the longest a partition thread sleeps.
    pub tick: Duration,
    /// A follower campaigns when it has heard nothing for one to two of these.
    pub election_timeout: Duration,
    /// A snapshot is taken after this many log entries.
    pub snapshot_every: u64,
    /// Log entries kept behind a snapshot, for standbys that were away for a moment.
    pub log_tail: u64,
    /// Mail is sent again when it was not acknowledged for this long; doubled each time, up to a second.
    pub mail_resend: Duration,
    /// Received mail is acknowledged on its own when nothing carried the acknowledgement for this long.
    pub mail_ack_delay: Duration,
    /// Or when this many are unacknowledged.
    pub mail_ack_count: u64,
    /// A leader hands over to the preferred one when it has led for this long.
    pub leader_stable: Duration,
    /// Requests waiting for one partition's thread; more are refused as busy.
    pub requests_waiting_max: usize,
    /// Memory for the recent events of one partition, in bytes.
    pub recent_bytes_max: usize,
    /// Bytes waiting for one client's connection before it is closed.
    pub client_buffer_max: usize,
    /// Bytes waiting for one node's connection before messages are dropped.
    pub node_buffer_max: usize,
    /// Connections the node takes.
    pub connections_max: usize,
    /// The greatest behaviour version that the node says it knows, at most the last of [`engine::VERSIONS`].
    pub max_version: u16,
    /// Bytes of the disk that stay free: with less the node writes nothing more, with less than twice as much others lead.
    pub disk_reserve: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            threads: Threads::for_this_machine(),
            tick: Duration::from_millis(10),
            election_timeout: Duration::from_millis(100),
            snapshot_every: 100_000,
            log_tail: 20_000,
            mail_resend: Duration::from_millis(50),
            mail_ack_delay: Duration::from_millis(20),
            mail_ack_count: 64,
            leader_stable: Duration::from_secs(5),
            requests_waiting_max: 4_096,
            recent_bytes_max: 32 * 1024 * 1024,
            client_buffer_max: 8 * 1024 * 1024,
            node_buffer_max: 32 * 1024 * 1024,
            connections_max: 256,
            max_version: *engine::VERSIONS.end(),
            disk_reserve: 64 * 1024 * 1024,
        }
    }
}
