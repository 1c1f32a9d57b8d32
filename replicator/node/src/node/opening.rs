//! What a node makes of its configuration: the ways into its partitions, their archives and their log, the replicas on it,
//! and the groups that drive them.
//!
//! A replica restores a snapshot when it is opened, which takes most of a start. Replicas know nothing of each other, so
//! they are opened side by side, one on each core.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread::{available_parallelism, scope};
use std::time::Duration;

use engine::{Limits, PartitionConfig};
use replicator::log::disk::{BootId, Disk, DiskConfig, DiskLog, LogGroup};
use replicator::net::{BypassMaker, NetConfig, NetLimits, TlsIdentity};
use replicator::{ReplicaConfig, SnapshotTaker};
use wire::{ClusterEpoch, Incarnation, NodeId, PartitionId, Text};

use super::{NodeHandle, StartError};
use crate::archive::Archive;
use crate::archivist::ArchiveSink;
use crate::clock::Clock;
use crate::config::{HAS_AERON, NodeConfig, PartitionPlacement, Threads, Tuning};
use crate::data_dir::DataDir;
use crate::driver::PartitionDriver;
use crate::group::PartitionGroup;
use crate::host::{HostConfig, PartitionHost};
use crate::machine::Machine;
use crate::mail::MailTiming;
use crate::metrics::{ArchiveMetrics, Metrics};
use crate::rings::{Doorbell, DoorbellWait, PartitionPort, PartitionRings, partition_rings};
use crate::stalls::StallWatch;

type Host = PartitionHost<DiskLog>;

/// The ways into partitions, whose groups (*teams*) share a thread and its doorbell.
pub(super) struct Wires {
    /// What each team's thread waits on, in the order of the teams.
    pub(super) doorbells: Vec<DoorbellWait>,
    /// For whoever has something for a partition.
    pub(super) ports: BTreeMap<PartitionId, PartitionPort>,
    /// For the partitions themselves.
    pub(super) rings: BTreeMap<PartitionId, PartitionRings>,
}

impl Wires {
    pub(super) fn of(teams: &[Vec<PartitionId>], requests_max: usize) -> Wires {
        let mut wires = Wires { doorbells: Vec::new(), ports: BTreeMap::new(), rings: BTreeMap::new() };
        for team in teams {
            let (doorbell, wait) = Doorbell::new();
            for partition in team {
                let (port, ends) = partition_rings(requests_max, doorbell.clone());
                wires.ports.insert(*partition, port);
                wires.rings.insert(*partition, ends);
            }
            wires.doorbells.push(wait);
        }
        wires
    }
}

/// The event archive of each partition, and what is counted of it.
pub(super) fn open_archives(
    partitions: &[PartitionId],
    data_dir: &DataDir,
    metrics: &Metrics,
) -> Result<Vec<(PartitionId, Archive, ArchiveMetrics)>, StartError> {
    let open = |partition: &PartitionId| {
        let archive = Archive::open(&data_dir.events(*partition), *partition)?;
        Ok((*partition, archive, metrics.archive(*partition)))
    };
    partitions.iter().map(open).collect()
}

/// The logs of all partitions.
pub(super) fn open_log(config: &NodeConfig, data_dir: &DataDir) -> Result<Disk, StartError> {
    let opened = Disk::open(DiskConfig {
        directory: data_dir.log(),
        epoch: config.epoch,
        node: config.node,
        boot: BootId::of_this_host(),
        has_peers: !config.peers.is_empty(),
        durability: config.partitions.iter().map(|placed| (placed.partition, placed.durability)).collect(),
        // With less others should lead: a snapshot is not worth that.
        reserve: config.tuning.disk_reserve.saturating_mul(2),
    });
    opened.map_err(|source| StartError::Log { node: config.node, source })
}

/// Opens the partitions of a node whose log is open.
pub(super) struct Opening<'a> {
    node: &'a NodeHandle,
    config: &'a NodeConfig,
    clock: Clock,
}

impl<'a> Opening<'a> {
    pub(super) fn of(node: &'a NodeHandle, config: &'a NodeConfig, clock: Clock) -> Opening<'a> {
        Opening { node, config, clock }
    }

    /// The groups of partitions that share a thread.
    pub(super) fn groups(
        &self,
        teams: &[Vec<PartitionId>],
        rings: &mut BTreeMap<PartitionId, PartitionRings>,
    ) -> Result<Vec<PartitionGroup>, StartError> {
        let disk = self.node.log.as_ref().expect("the log is open while the node runs");
        let sync_by = self.config.tuning.threads.sync_by();
        let mut logs: Vec<LogGroup> = teams.iter().map(|_| disk.group(sync_by)).collect();
        let mut stores = Vec::new();
        for placed in &self.config.partitions {
            let team = teams.iter().position(|team| team.contains(&placed.partition)).expect("it is in a team");
            let doorbell = self.node.ports[&placed.partition].doorbell.clone();
            let store = logs[team].log(disk, placed.partition, move || doorbell.ring());
            stores.push((placed, store));
        }
        let mut hosts = self.hosts(stores)?;
        let groups = teams.iter().zip(logs);
        Ok(groups.map(|(team, log)| self.group(team, log, &mut hosts, rings)).collect())
    }

    /// Where several fail, the first partition's error.
    fn hosts(&self, stores: Vec<(&PartitionPlacement, DiskLog)>) -> Result<BTreeMap<PartitionId, Host>, StartError> {
        let cores = available_parallelism().map_or(1, usize::from).min(stores.len());
        let (waiting, opened) = (Mutex::new(stores.into_iter()), Mutex::new(BTreeMap::new()));
        scope(|threads| {
            for _ in 0..cores {
                threads.spawn(|| {
                    while let Some((placed, store)) = next_of(&waiting) {
                        let host = self.host(placed, store);
                        opened.lock().expect("nobody panics with it").insert(placed.partition, host);
                    }
                });
            }
        });
        let opened = opened.into_inner().expect("nobody panics with it");
        opened.into_iter().map(|(partition, host)| Ok((partition, host?))).collect()
    }

    fn host(&self, placed: &PartitionPlacement, store: DiskLog) -> Result<Host, StartError> {
        let (config, partition) = (self.config, placed.partition);
        let limits = capacities(config.partitions.iter().map(|placed| placed.partition));
        let incarnation = incarnation(config.epoch);
        let cells = PartitionConfig { partition, ledger: config.ledger, incarnation, limits };
        let sink = ArchiveSink::new(partition, self.node.archive.clone(), self.node.archive_life.clone());
        let machine = Machine::new(cells, Box::new(sink));
        let replica = replica_config(config, partition, self.clock);
        PartitionHost::open(replica, host_config(config, placed), machine, store, self.clock.now())
            .map_err(|source| StartError::Replica { partition, source: Box::new(source) })
    }

    fn group(
        &self,
        team: &[PartitionId],
        log: LogGroup,
        hosts: &mut BTreeMap<PartitionId, Host>,
        rings: &mut BTreeMap<PartitionId, PartitionRings>,
    ) -> PartitionGroup {
        let (node, config, clock) = (self.node, self.config, self.clock);
        let mut drivers = Vec::new();
        for placed in config.partitions.iter().filter(|placed| team.contains(&placed.partition)) {
            let host = hosts.remove(&placed.partition).expect("every partition was opened");
            let rings = rings.remove(&placed.partition).expect("made for every partition");
            let metrics = node.metrics.partition(placed.partition);
            let (ports, space) = (node.ports.clone(), node.space.clone());
            drivers.push(PartitionDriver::new(host, config.node, rings, ports, clock, metrics, space));
        }
        let thread = match config.tuning.threads {
            Threads::Shared => format!("net-{}", config.node),
            Threads::Partitions(_) => format!("partition-{}-{}", team[0], config.node),
        };
        let stalls = StallWatch::new(thread, node.metrics.stalls());
        PartitionGroup::new(drivers, log, clock, config.tuning.tick, stalls)
    }
}

fn next_of<T>(waiting: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    waiting.lock().expect("nobody panics with it").next()
}

/// Of the cells of a cluster of these partitions.
pub(crate) fn capacities(partitions: impl Iterator<Item = PartitionId>) -> Limits {
    // A market is listed where every node has a partition.
    let partitions = partitions.map(PartitionId::get).max().unwrap_or(0);
    Limits { partitions, ..Limits::default() }
}

/// All logs of a cluster begin a new life together, when its epoch is raised.
pub(crate) fn incarnation(epoch: ClusterEpoch) -> Incarnation {
    Incarnation::new(epoch.get())
}

pub(super) fn check(config: &NodeConfig) -> Result<(), StartError> {
    let refuse = |why: String| Err(StartError::Config(why));
    let voters = voters(config);
    if voters.windows(2).any(|pair| pair[0] == pair[1]) || voters.iter().any(|node| node.get() == 0) {
        return refuse(format!("node ids must be unique and above 0, they are {voters:?}"));
    }
    let mut partitions: Vec<PartitionId> = config.partitions.iter().map(|placed| placed.partition).collect();
    partitions.sort();
    if partitions.windows(2).any(|pair| pair[0] == pair[1]) || partitions.iter().any(|it| it.get() == 0) {
        return refuse(format!("partition ids must be unique and above 0, they are {partitions:?}"));
    }
    if config.aeron.is_some() && !HAS_AERON {
        return refuse("this build has no Aeron; it is compiled with the feature `aeron`".to_owned());
    }
    if !partitions.contains(&config.ledger) {
        return refuse(format!("the ledger's partition {} is none of {partitions:?}", config.ledger));
    }
    Ok(())
}

/// Where the configuration says that nodes are, this one among them.
pub(super) fn addresses(config: &NodeConfig) -> BTreeMap<NodeId, SocketAddr> {
    let own = config.listen.local_addr().ok().filter(|address| !address.ip().is_unspecified());
    let own = own.map(|address| (config.node, address));
    config.peers.iter().map(|peer| (peer.node, peer.addr)).chain(own).collect()
}

fn voters(config: &NodeConfig) -> Vec<NodeId> {
    let mut voters: Vec<NodeId> = config.peers.iter().map(|peer| peer.node).chain([config.node]).collect();
    voters.sort();
    voters
}

pub(super) fn net_config(
    config: &NodeConfig,
    limits: NetLimits,
    bypass: Option<BypassMaker>,
) -> Result<NetConfig, StartError> {
    let name = format!("node-{}", config.node);
    let listen =
        config.listen.try_clone().map_err(|source| StartError::Thread { what: "the listener".to_owned(), source })?;
    Ok(NetConfig {
        name: Text::new(name.as_bytes()).map_err(|_| StartError::Config(format!("{name} is too long a name")))?,
        node: config.node,
        epoch: config.epoch,
        listen,
        peers: config.peers.iter().map(|peer| (peer.node, peer.addr)).collect(),
        tls: TlsIdentity { ca: config.tls.ca.clone(), cert: config.tls.cert.clone(), key: config.tls.key.clone() },
        limits,
        bypass,
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn replica_config(config: &NodeConfig, partition: PartitionId, clock: Clock) -> ReplicaConfig {
    let seed = clock.now().nanos() ^ u64::from(partition.get()) << 48 ^ config.node.get() << 32;
    let Tuning { tick, election_timeout, snapshot_every, log_tail, .. } = config.tuning;
    let mut replica = ReplicaConfig::new(partition, config.node, voters(config), config.epoch, seed);
    replica.stays_learner = config.stays_learner;
    replica.keeps_past = true;
    replica.tells_stored = config.partitions.len() > 1;
    replica.versions = *engine::VERSIONS.start()..=config.tuning.max_version;
    replica.timing.tick_ns = nanos(tick);
    replica.timing.election_ticks = (nanos(election_timeout) / nanos(tick).max(1)).max(2) as usize;
    replica.snapshots.taken_by = SnapshotTaker::TwinThread;
    replica.snapshots.every_entries = snapshot_every;
    replica.snapshots.tail_entries = log_tail;
    replica
}

fn host_config(config: &NodeConfig, placed: &PartitionPlacement) -> HostConfig {
    let tuning = &config.tuning;
    HostConfig {
        partitions: config.partitions.iter().map(|placed| placed.partition).collect(),
        ledger: config.ledger,
        mail: MailTiming {
            resend_ns: nanos(tuning.mail_resend),
            ack_delay_ns: nanos(tuning.mail_ack_delay),
            ack_count: tuning.mail_ack_count,
        },
        preferred_leader: placed.preferred_leader,
        leader_stable_ns: nanos(tuning.leader_stable),
    }
}
