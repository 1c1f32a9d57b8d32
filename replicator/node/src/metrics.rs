//! What a node measures, as Prometheus reads it. Threads write to their own numbers; nothing here is
//! read back by the node.

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
#[cfg(feature = "aeron")]
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::registry::{Registry, Unit};
#[cfg(feature = "aeron")]
use replicator::net::aeron::AeronCounters;
use replicator::net::{CloseReason, NetCounters};
use wire::link::Refusal;
use wire::{LogPosition, PartitionId};

use crate::host::HostCounters;
use crate::space::SpaceSeen;
use crate::status::TableStatus;

/// Whose number it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabel {
    partition: u16,
}

/// Which refusal it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabel {
    partition: u16,
    refusal: RefusalName,
}

/// Which table of the ledger cell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabel {
    table: &'static str,
}

/// Which kind of connection's end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct RefusalName(Refusal);

impl prometheus_client::encoding::EncodeLabelValue for RefusalName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        format!("{:?}", self.0).encode(encoder)
    }
}

type PerPartition<M> = Family<PartitionLabel, M>;
type Seconds = Gauge<f64, AtomicU64>;

/// Every metric of a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
    links: Gauge,
    net: Family<ReasonLabel, Counter>,
    frames_in: Counter,
    frames_out: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
    stalls: Counter,
    disk_stalls: Counter,
    disk_free: Gauge,
    disk_space: Gauge,
    #[cfg(feature = "aeron")]
    aeron: AeronMetrics,
}

#[derive(Debug, Clone, Default)]
struct Families {
    leads: PerPartition<Gauge>,
    leader: PerPartition<Gauge>,
    term: PerPartition<Gauge>,
    commit_index: PerPartition<Gauge>,
    applied_index: PerPartition<Gauge>,
    position: PerPartition<Gauge>,
    snapshot_position: PerPartition<Gauge>,
    queued: PerPartition<Gauge>,
    waiting: PerPartition<Gauge>,
    sessions: PerPartition<Gauge>,
    dropped_messages: PerPartition<Gauge>,
    broken: PerPartition<Gauge>,
    quarantined: PerPartition<Gauge>,
    learner_lag_entries: PerPartition<Gauge>,
    learner_lag: PerPartition<Seconds>,
    version: PerPartition<Gauge>,
    archive_bytes: PerPartition<Gauge>,
    archive_position: PerPartition<Gauge>,
    applied: PerPartition<Counter>,
    snapshots_taken: PerPartition<Counter>,
    snapshots_installed: PerPartition<Counter>,
    leader_changes: PerPartition<Counter>,
    mail_sent: PerPartition<Counter>,
    mail_picked: PerPartition<Counter>,
    mail_resent: PerPartition<Counter>,
    mail_acks: PerPartition<Counter>,
    mail_duplicates: PerPartition<Counter>,
    mail_dropped: PerPartition<Counter>,
    requests: PerPartition<Counter>,
    refusals: Family<RefusalLabel, Counter>,
    table_rows: Family<TableLabel, Gauge>,
    table_rows_max: Family<TableLabel, Gauge>,
    cycle: Latencies,
    commit: Latencies,
}

/// What is counted of the way beside the links.
#[cfg(feature = "aeron")]
#[derive(Debug)]
struct AeronMetrics {
    counters: Arc<AeronCounters>,
    shown: [Counter; 9],
}

#[cfg(feature = "aeron")]
impl AeronMetrics {
    const NAMES: [(&str, &str); 9] = [
        ("aeron_frames_out", "Raft messages sent by Aeron"),
        ("aeron_frames_in", "Raft messages received by Aeron"),
        (
            "aeron_over_link",
            "Raft messages that went over the link: the open way by Aeron had no room, or they were too long",
        ),
        ("aeron_refused", "Messages that came by Aeron and that no key opens, or that came again"),
        ("aeron_opened", "Ways to peers by Aeron that were found to work"),
        ("aeron_fallen", "Ways to peers by Aeron that were given up: nothing was seen at their end"),
        ("aeron_driver_lost", "Times that there was no media driver"),
        ("aeron_cast_out", "Messages with events sent by Aeron, each to all gateways that joined"),
        ("aeron_cast_dropped", "Messages with events that Aeron did not take: gateways ask for them over their links"),
    ];

    fn register(registry: &mut Registry) -> AeronMetrics {
        let shown = AeronMetrics::NAMES.map(|(name, help)| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        });
        AeronMetrics { counters: Arc::default(), shown }
    }

    fn observe(&self) {
        let of = &self.counters;
        let ways = [&of.frames_out, &of.frames_in, &of.over_link, &of.refused, &of.opened, &of.fallen, &of.driver_lost];
        let counted = ways.into_iter().chain([&of.cast_out, &of.cast_dropped]);
        for (shown, counted) in self.shown.iter().zip(counted) {
            raise(shown, counted.get());
        }
    }
}

/// Latency histograms by partition.
#[derive(Debug, Clone)]
struct Latencies(Family<PartitionLabel, Histogram, fn() -> Histogram>);

impl Default for Latencies {
    fn default() -> Self {
        Latencies(Family::new_with_constructor(latency_histogram))
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("mainstay_node");
        let families = Families::default();
        families.register(&mut registry);
        let (links, net) = (Gauge::default(), Family::default());
        let [frames_in, frames_out, bytes_in, bytes_out] = <[Counter; 4]>::default();
        registry.register("links", "Open connections", links.clone());
        registry.register("connections_closed", "Connections closed, by reason", net.clone());
        registry.register("frames_in", "Frames received", frames_in.clone());
        registry.register("frames_out", "Frames sent", frames_out.clone());
        registry.register_with_unit("network_in", "Bytes received", Unit::Bytes, bytes_in.clone());
        registry.register_with_unit("network_out", "Bytes sent", Unit::Bytes, bytes_out.clone());
        let [stalls, disk_stalls] = <[Counter; 2]>::default();
        registry.register("stalls", "Times that a thread stood still for 100 ms or longer", stalls.clone());
        registry.register("disk_stalls", "Writes of the log that took 100 ms or longer", disk_stalls.clone());
        let (disk_free, disk_space) = <(Gauge, Gauge)>::default();
        registry.register_with_unit("disk_free", "What is left on the disk", Unit::Bytes, disk_free.clone());
        registry.register("disk_space", "0 enough, 1 low: others lead, 2 full: nothing is written", disk_space.clone());
        Metrics {
            #[cfg(feature = "aeron")]
            aeron: AeronMetrics::register(&mut registry),
            registry,
            families,
            links,
            net,
            frames_in,
            frames_out,
            bytes_in,
            bytes_out,
            stalls,
            disk_stalls,
            disk_free,
            disk_space,
        }
    }

    /// Where threads count that they stood still.
    pub fn stalls(&self) -> Counter {
        self.stalls.clone()
    }

    /// Where the way beside the links counts.
    #[cfg(feature = "aeron")]
    pub fn aeron(&self) -> Arc<AeronCounters> {
        Arc::clone(&self.aeron.counters)
    }

    /// Copies what is known of the disk.
    pub fn observe_disk(&self, seen: &SpaceSeen, slow_writes: u64) {
        raise(&self.disk_stalls, slow_writes);
        self.disk_free.set(i64::try_from(seen.free()).unwrap_or(i64::MAX));
        self.disk_space.set(seen.space() as i64);
    }

    /// The text that Prometheus scrapes.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes any text");
        text
    }

    /// Copies the network thread's counts.
    pub fn observe_net(&self, counters: &NetCounters) {
        raise(&self.frames_in, counters.frames_in.get());
        raise(&self.frames_out, counters.frames_out.get());
        raise(&self.bytes_in, counters.bytes_in.get());
        raise(&self.bytes_out, counters.bytes_out.get());
        #[cfg(feature = "aeron")]
        self.aeron.observe();
        for reason in CloseReason::ALL {
            let closed = counters.closed(*reason);
            if closed > 0 {
                raise(&self.net.get_or_create_owned(&ReasonLabel { reason: reason.name() }), closed);
            }
        }
    }

    /// The partition thread's numbers.
    pub fn partition(&self, partition: PartitionId) -> PartitionMetrics {
        let label = PartitionLabel { partition: partition.get() };
        let of = &self.families;
        PartitionMetrics {
            leads: of.leads.get_or_create_owned(&label),
            leader: of.leader.get_or_create_owned(&label),
            term: of.term.get_or_create_owned(&label),
            commit_index: of.commit_index.get_or_create_owned(&label),
            applied_index: of.applied_index.get_or_create_owned(&label),
            position: of.position.get_or_create_owned(&label),
            snapshot_position: of.snapshot_position.get_or_create_owned(&label),
            queued: of.queued.get_or_create_owned(&label),
            waiting: of.waiting.get_or_create_owned(&label),
            sessions: of.sessions.get_or_create_owned(&label),
            dropped_messages: of.dropped_messages.get_or_create_owned(&label),
            applied: of.applied.get_or_create_owned(&label),
            broken: of.broken.get_or_create_owned(&label),
            quarantined: of.quarantined.get_or_create_owned(&label),
            learner_lag_entries: of.learner_lag_entries.get_or_create_owned(&label),
            learner_lag: of.learner_lag.get_or_create_owned(&label),
            version: of.version.get_or_create_owned(&label),
            table_rows: of.table_rows.clone(),
            table_rows_max: of.table_rows_max.clone(),
            snapshots_taken: of.snapshots_taken.get_or_create_owned(&label),
            snapshots_installed: of.snapshots_installed.get_or_create_owned(&label),
            leader_changes: of.leader_changes.get_or_create_owned(&label),
            mail_sent: of.mail_sent.get_or_create_owned(&label),
            mail_picked: of.mail_picked.get_or_create_owned(&label),
            mail_resent: of.mail_resent.get_or_create_owned(&label),
            mail_acks: of.mail_acks.get_or_create_owned(&label),
            mail_duplicates: of.mail_duplicates.get_or_create_owned(&label),
            mail_dropped: of.mail_dropped.get_or_create_owned(&label),
            cycle: of.cycle.0.get_or_create_owned(&label),
            commit: of.commit.0.get_or_create_owned(&label),
        }
    }

    /// The archive thread's numbers of a partition.
    pub fn archive(&self, partition: PartitionId) -> ArchiveMetrics {
        let label = PartitionLabel { partition: partition.get() };
        ArchiveMetrics {
            bytes: self.families.archive_bytes.get_or_create_owned(&label),
            position: self.families.archive_position.get_or_create_owned(&label),
        }
    }

    /// The network thread's numbers.
    pub fn router(&self) -> RouterMetrics {
        RouterMetrics {
            links: self.links.clone(),
            requests: self.families.requests.clone(),
            refusals: self.families.refusals.clone(),
        }
    }
}

impl Families {
    fn register(&self, registry: &mut Registry) {
        let mut gauge = |name, help, family: &PerPartition<Gauge>| registry.register(name, help, family.clone());
        gauge("leads", "1 while this node leads the partition", &self.leads);
        gauge("leader", "Node id of the leader, 0 while there is none", &self.leader);
        gauge("term", "Raft term", &self.term);
        gauge("commit_index", "Last committed log index", &self.commit_index);
        gauge("applied_index", "Last applied log index", &self.applied_index);
        gauge("position", "Last applied log position", &self.position);
        gauge("snapshot_position", "Position of the newest snapshot", &self.snapshot_position);
        gauge("proposals_queued", "Commands waiting to be proposed", &self.queued);
        gauge("requests_waiting", "Requests waiting for the partition thread", &self.waiting);
        gauge("sessions", "Open sessions", &self.sessions);
        gauge("messages_dropped", "Raft messages that were malformed or foreign", &self.dropped_messages);
        gauge("broken", "1 while a command that panicked the cells waits for its quarantine", &self.broken);
        gauge("quarantined", "Commands put aside since the start, because they panicked a quorum", &self.quarantined);
        let entries = "Entries that the leader had committed and this learner has not applied; 0 elsewhere";
        gauge("learner_lag_entries", entries, &self.learner_lag_entries);
        gauge("behaviour_version", "The version that the cells behave by", &self.version);
        gauge("archive_bytes", "Bytes of the event archive", &self.archive_bytes);
        gauge("archive_position", "Last position in the event archive", &self.archive_position);
        let seconds = "By how much this learner's state is older than the leader's; 0 elsewhere";
        registry.register_with_unit("learner_lag", seconds, Unit::Seconds, self.learner_lag.clone());
        let mut counter = |name, help, family: &PerPartition<Counter>| registry.register(name, help, family.clone());
        counter("commands_applied", "Commands applied", &self.applied);
        counter("snapshots_taken", "Snapshots taken", &self.snapshots_taken);
        counter("snapshots_installed", "Snapshots of a leader installed", &self.snapshots_installed);
        counter("leader_changes", "Changes of leader seen", &self.leader_changes);
        counter("mail_sent", "Mails sent, or left for a standby to pass on", &self.mail_sent);
        counter("mail_picked", "Mails that a standby passed on to the leader beside it", &self.mail_picked);
        counter("mail_resent", "Mails sent again", &self.mail_resent);
        counter("mail_acknowledgements", "Acknowledgements sent without mail", &self.mail_acks);
        counter("mail_duplicates", "Mails received again", &self.mail_duplicates);
        counter("mail_dropped", "Mail commands not sequenced", &self.mail_dropped);
        counter("requests", "Requests of clients", &self.requests);
        registry.register("table_rows", "Rows of the ledger's tables that are used", self.table_rows.clone());
        let most = "Rows of the ledger's tables; `mainstay ctl capacity raise` gives more";
        registry.register("table_rows_max", most, self.table_rows_max.clone());
        registry.register("refusals", "Requests and reads refused, by kind", self.refusals.clone());
        registry.register_with_unit("duty_cycle", "Length of a busy cycle", Unit::Seconds, self.cycle.0.clone());
        registry.register_with_unit(
            "request_to_reply",
            "From the network thread to the reply, on the leader",
            Unit::Seconds,
            self.commit.0.clone(),
        );
    }
}

/// Written by a partition thread.
#[derive(Debug)]
pub struct PartitionMetrics {
    leads: Gauge,
    leader: Gauge,
    term: Gauge,
    commit_index: Gauge,
    applied_index: Gauge,
    position: Gauge,
    snapshot_position: Gauge,
    queued: Gauge,
    waiting: Gauge,
    sessions: Gauge,
    dropped_messages: Gauge,
    applied: Counter,
    broken: Gauge,
    quarantined: Gauge,
    learner_lag_entries: Gauge,
    learner_lag: Seconds,
    version: Gauge,
    table_rows: Family<TableLabel, Gauge>,
    table_rows_max: Family<TableLabel, Gauge>,
    snapshots_taken: Counter,
    snapshots_installed: Counter,
    leader_changes: Counter,
    mail_sent: Counter,
    mail_picked: Counter,
    mail_resent: Counter,
    mail_acks: Counter,
    mail_duplicates: Counter,
    mail_dropped: Counter,
    /// Seconds of a cycle that had work.
    pub cycle: Histogram,
    /// Seconds from a request's arrival to its reply.
    pub commit: Histogram,
}

impl PartitionMetrics {
    /// Shows a replica.
    pub fn observe(&self, status: &replicator::Status, waiting: usize) {
        self.leads.set(i64::from(status.role == replicator::Role::Leader));
        self.leader.set(status.leader.map_or(0, |node| node.get() as i64));
        self.term.set(status.term.get() as i64);
        self.commit_index.set(status.commit_index as i64);
        self.applied_index.set(status.applied_index as i64);
        self.position.set(status.applied_position.get() as i64);
        self.snapshot_position.set(status.snapshot_position.get() as i64);
        self.queued.set(status.queued as i64);
        self.waiting.set(waiting as i64);
        self.sessions.set(status.sessions as i64);
        self.dropped_messages.set(status.dropped_messages as i64);
        self.broken.set(i64::from(status.broken.is_some()));
        self.quarantined.set(status.quarantined.len() as i64);
        let lag = status.lag.unwrap_or_default();
        self.learner_lag_entries.set(lag.entries as i64);
        let is_known = status.lag.is_none() || status.applied_timestamp > wire::Timestamp::ZERO;
        self.learner_lag.set(if is_known { lag.nanos as f64 / 1e9 } else { f64::NAN });
        self.version.set(i64::from(status.version));
    }

    /// Shows how full tables are.
    pub fn fill(&self, tables: &[TableStatus]) {
        for TableStatus { table, rows, rows_max } in tables {
            let label = TableLabel { table };
            self.table_rows.get_or_create(&label).set(*rows as i64);
            self.table_rows_max.get_or_create(&label).set(i64::from(*rows_max));
        }
    }

    /// Shows a host's counts.
    pub fn count(&self, counters: HostCounters) {
        raise(&self.applied, counters.applied);
        raise(&self.snapshots_taken, counters.snapshots_taken);
        raise(&self.snapshots_installed, counters.snapshots_installed);
        raise(&self.leader_changes, counters.leader_changes);
        raise(&self.mail_sent, counters.mail.sent);
        raise(&self.mail_picked, counters.mail.picked);
        raise(&self.mail_resent, counters.mail.resent);
        raise(&self.mail_acks, counters.mail.acks);
        raise(&self.mail_duplicates, counters.mail.duplicates);
        raise(&self.mail_dropped, counters.mail_dropped);
    }
}

/// Written by the archive thread.
#[derive(Debug)]
pub struct ArchiveMetrics {
    bytes: Gauge,
    position: Gauge,
}

impl ArchiveMetrics {
    /// Shows an archive.
    pub fn observe(&self, bytes: u64, position: LogPosition) {
        self.bytes.set(bytes as i64);
        self.position.set(position.get() as i64);
    }
}

/// Written by the network thread.
#[derive(Debug)]
pub struct RouterMetrics {
    /// Open connections.
    pub links: Gauge,
    requests: PerPartition<Counter>,
    refusals: Family<RefusalLabel, Counter>,
}

impl RouterMetrics {
    /// A request arrived.
    pub fn count_request(&self, partition: PartitionId) {
        self.requests.get_or_create(&PartitionLabel { partition: partition.get() }).inc();
    }

    /// A request, read or subscription was refused.
    pub fn count_refusal(&self, partition: PartitionId, refusal: Refusal) {
        let label = RefusalLabel { partition: partition.get(), refusal: RefusalName(refusal) };
        self.refusals.get_or_create(&label).inc();
    }
}

/// A counter that follows one kept elsewhere.
fn raise(counter: &Counter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

/// 20 µs to 10 s, each bucket about 1.6 times the one before.
fn latency_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_02, 1.6, 28))
}
