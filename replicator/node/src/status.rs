//! What operators ask a node, and its answers.

use std::collections::BTreeSet;

use crossbeam::channel::Sender;
use engine::AssetAudit;
use serde::Serialize;

/// A node at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// Its id.
    pub node: u64,
    /// The cluster's epoch.
    pub epoch: u64,
    /// Whether every partition has a leader and this node's replicas have caught up.
    pub ready: bool,
    /// The partition that hosts the ledger cell.
    pub ledger: u16,
    /// What its disk has left: `enough`, `low` (others lead), `full` (it writes nothing, and neither leads nor follows).
    pub disk: &'static str,
    /// Bytes that are free on it.
    pub disk_free: u64,
    /// Bytes of memory that its process may still take, as its host and its control group say; `null` where they do not.
    pub memory_available: Option<u64>,
    /// Its replicas.
    pub partitions: Vec<PartitionStatus>,
}

/// One replica at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionStatus {
    /// Which partition.
    pub partition: u16,
    /// `leader`, `candidate`, `standby`, `learner` (gets the log and has no vote, or is no member); `unresponsive` when its
    /// thread did not answer in time.
    pub role: &'static str,
    /// The nodes that vote; while members are being changed those before and after.
    pub voters: Vec<u64>,
    /// The nodes that get the log and do not vote, or not yet.
    pub learners: Vec<u64>,
    /// Those of them that never will.
    pub staying_learners: Vec<u64>,
    /// Whether members are being changed.
    pub changing: bool,
    /// The nodes that are to lead nothing.
    pub draining: Vec<u64>,
    /// Of a leader: each learner and how many log entries it is behind.
    pub catching_up: Vec<StandbyStatus>,
    /// Of a leader: each learner whose archive lacks events of the past, and waits for them before it votes.
    pub lacking: Vec<LackingStatus>,
    /// The leader's node id; `null` while there is none.
    pub leader: Option<u64>,
    /// Raft's term.
    pub term: u64,
    /// The last committed log index.
    pub commit_index: u64,
    /// The last applied log index.
    pub applied_index: u64,
    /// The last index in the log here.
    pub last_index: u64,
    /// The last applied position.
    pub position: u64,
    /// Log time of that position, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Position of the newest snapshot.
    pub snapshot_position: u64,
    /// Entries known to be committed and not yet applied here.
    pub lag: u64,
    /// Of a learner: log entries that its leader had committed, when it said so last, and that are not applied here. The
    /// leader says so five times a second.
    pub behind_entries: Option<u64>,
    /// Of a learner: by how many milliseconds what it has applied is older than what its leader has. The leader's present is
    /// its log time when it was heard of last, and what has passed since by this node's clock; the learner has everything up
    /// to the last such time whose entries it has applied, or up to the log time of its last entry.
    pub behind_ms: Option<u64>,
    /// Whether it knows a leader and has, within the last seconds, applied all that the leader had committed.
    pub caught_up: bool,
    /// The version that the cells behave by.
    pub version: u16,
    /// The first and the last version that this node knows.
    pub versions: [u16; 2],
    /// The last position at which the log says a version that would be read again if the node were started now; 0 for none.
    pub version_at: u64,
    /// Of a leader that was asked for a version: those that others have said since that they know.
    pub others_know: Vec<KnownVersions>,
    /// How full the tables of the ledger cell are; empty elsewhere.
    pub tables: Vec<TableStatus>,
    /// Open sessions.
    pub sessions: usize,
    /// Of a leader: each standby and how many log entries it is behind.
    pub standbys: Vec<StandbyStatus>,
    /// The position of a command that has panicked this replica's cells, while it waits for its quarantine.
    pub broken: Option<u64>,
    /// Positions of commands that were put aside since the node was started, because they panicked a quorum.
    pub quarantined: Vec<u64>,
    /// Why it has stopped, if it has.
    pub failed: Option<String>,
}

/// A table of the ledger cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TableStatus {
    /// See [`wire::Capacity::TABLES`].
    pub table: &'static str,
    /// Rows that are used; 0 of resting orders, of which each market has a table.
    pub rows: u64,
    /// Rows that there are.
    pub rows_max: u32,
}

impl TableStatus {
    /// Each table of the ledger cell; nothing where there is none.
    pub fn of(cells: &engine::Partition) -> Vec<TableStatus> {
        let rows = cells.rows().into_iter().flatten();
        let table = |(table, (rows, rows_max))| TableStatus { table, rows: rows as u64, rows_max };
        wire::Capacity::TABLES.into_iter().zip(rows).map(table).collect()
    }
}

/// A standby, as the leader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StandbyStatus {
    /// Its node.
    pub node: u64,
    /// Log entries that it is not known to have.
    pub behind: u64,
}

/// What a learner's archive lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LackingStatus {
    /// Its node.
    pub node: u64,
    /// Positions whose events are missing.
    pub missing: u64,
    /// Whether every other node has been asked for the first of them and has it no more.
    pub lost: bool,
}

impl LackingStatus {
    fn of((node, missing, lost): &(wire::NodeId, u64, bool)) -> LackingStatus {
        LackingStatus { node: node.get(), missing: *missing, lost: *lost }
    }
}

/// What a node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KnownVersions {
    /// Which node.
    pub node: u64,
    /// The first and the last version.
    pub versions: [u16; 2],
}

/// A replica's digest at a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DigestAt {
    /// Which partition.
    pub partition: u16,
    /// The last applied position.
    pub position: u64,
    /// Digest of the whole state after it, 32 hexadecimal digits.
    pub digest: String,
}

/// What a partition's cells say of their money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditAt {
    /// Which partition.
    pub partition: u16,
    /// The last applied position.
    pub position: u64,
    /// Each asset of the ledger cell; empty in partitions without one.
    pub assets: Vec<AssetBooks>,
}

/// One asset in a ledger cell, in its ledger units: free + held + fees + clearing = deposits − withdrawals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AssetBooks {
    /// Which asset.
    pub asset: u16,
    /// Free over all accounts.
    pub free: i128,
    /// Held over all accounts.
    pub held: i128,
    /// Fees earned.
    pub fees: i128,
    /// In flight between the two sides of trades.
    pub clearing: i128,
    /// Ever credited.
    pub deposits: i128,
    /// Ever debited.
    pub withdrawals: i128,
    /// Whether the equation holds.
    pub conserved: bool,
}

impl AssetBooks {
    /// What the engine says of an asset.
    pub fn of(audit: &AssetAudit) -> AssetBooks {
        AssetBooks {
            asset: audit.asset.get(),
            free: audit.free,
            held: audit.held,
            fees: audit.fees,
            clearing: audit.clearing,
            deposits: audit.deposits,
            withdrawals: audit.withdrawals,
            conserved: audit.is_conserved(),
        }
    }
}

/// A question for a partition thread, with the way back.
#[derive(Debug)]
pub enum Question {
    /// See [`PartitionStatus`].
    Status(Sender<PartitionStatus>),
    /// See [`DigestAt`].
    Digest(Sender<DigestAt>),
    /// See [`AuditAt`].
    Audit(Sender<AuditAt>),
    /// What was applied after a log index, of about so many bytes.
    Committed {
        /// The index.
        after: u64,
        /// The bytes.
        bytes_max: u64,
        /// The way back.
        to: Sender<replicator::Committed>,
    },
    /// Hand leadership to a node.
    Transfer(wire::NodeId),
    /// End the thread.
    Stop,
}

/// The nodes of members, each once.
fn nodes<'a>(members: impl Iterator<Item = &'a u64>) -> Vec<u64> {
    members.map(|member| replicator::node_of(*member).get()).collect::<BTreeSet<u64>>().into_iter().collect()
}

impl PartitionStatus {
    /// Of a replica.
    pub fn of(
        partition: wire::PartitionId,
        status: &replicator::Status,
        is_fresh: bool,
        tables: Vec<TableStatus>,
    ) -> PartitionStatus {
        let role = match status.role {
            replicator::Role::Leader => "leader",
            replicator::Role::Candidate => "candidate",
            replicator::Role::Standby => "standby",
            replicator::Role::Learner => "learner",
        };
        let lag = status.commit_index.saturating_sub(status.applied_index);
        let behind = |(node, matched): &(wire::NodeId, u64)| StandbyStatus {
            node: node.get(),
            behind: status.last_index.saturating_sub(*matched),
        };
        let known = |(node, versions): &(wire::NodeId, std::ops::RangeInclusive<u16>)| KnownVersions {
            node: node.get(),
            versions: [*versions.start(), *versions.end()],
        };
        PartitionStatus {
            partition: partition.get(),
            role,
            leader: status.leader.map(wire::NodeId::get),
            voters: nodes(status.members.voters.union(&status.members.outgoing)),
            learners: nodes(status.members.learners.iter()),
            staying_learners: status.members.places.learning.iter().map(|node| node.get()).collect(),
            changing: status.members.is_changing(),
            draining: status.members.places.draining.iter().map(|node| node.get()).collect(),
            catching_up: status.learners.iter().map(behind).collect(),
            lacking: status.lacking.iter().map(LackingStatus::of).collect(),
            term: status.term.get(),
            commit_index: status.commit_index,
            applied_index: status.applied_index,
            last_index: status.last_index,
            position: status.applied_position.get(),
            time_ms: status.applied_timestamp.millis(),
            snapshot_position: status.snapshot_position.get(),
            lag,
            behind_entries: status.lag.map(|lag| lag.entries),
            // Who has nothing yet is behind since nobody knows when.
            behind_ms: status
                .lag
                .filter(|_| status.applied_timestamp > wire::Timestamp::ZERO)
                .map(|lag| lag.nanos / 1_000_000),
            caught_up: status.leader.is_some() && is_fresh && status.broken.is_none() && status.failed.is_none(),
            version: status.version,
            versions: [*status.versions.start(), *status.versions.end()],
            version_at: status.version_at.get(),
            others_know: status.said_versions.iter().map(known).collect(),
            tables,
            sessions: status.sessions,
            standbys: status.standbys.iter().map(behind).collect(),
            broken: status.broken.map(|spot| spot.position.get()),
            quarantined: status.quarantined.iter().map(|spot| spot.position.get()).collect(),
            failed: status.failed.clone(),
        }
    }

    /// Of a thread that does not answer.
    pub fn unresponsive(partition: wire::PartitionId) -> PartitionStatus {
        PartitionStatus {
            partition: partition.get(),
            role: "unresponsive",
            leader: None,
            voters: Vec::new(),
            learners: Vec::new(),
            staying_learners: Vec::new(),
            changing: false,
            draining: Vec::new(),
            catching_up: Vec::new(),
            lacking: Vec::new(),
            term: 0,
            commit_index: 0,
            applied_index: 0,
            last_index: 0,
            position: 0,
            time_ms: 0,
            snapshot_position: 0,
            lag: 0,
            behind_entries: None,
            behind_ms: None,
            caught_up: false,
            version: 0,
            versions: [0, 0],
            version_at: 0,
            others_know: Vec::new(),
            tables: Vec::new(),
            sessions: 0,
            standbys: Vec::new(),
            broken: None,
            quarantined: Vec::new(),
            failed: None,
        }
    }
}
