//! What a replica is told when it is opened.

use std::ops::RangeInclusive;

use wire::{ClusterEpoch, NodeId, PartitionId};

/// The configuration of one replica.
#[derive(Debug, Clone)]
pub struct ReplicaConfig {
    /// The partition whose log it keeps.
    pub partition: PartitionId,
    /// The node it runs on.
    pub node: NodeId,
    /// Every node with a replica of the partition, this one included. The same list on all of them.
    pub voters: Vec<NodeId>,
    /// Whether it wants to get the log and never to vote: the log says so from its joining on.
    pub stays_learner: bool,
    /// Whether its node keeps what the log has told: as a learner it says what of that it lacks ([`crate::Replica::set_past`]),
    /// and becomes a voter only when it has that.
    pub keeps_past: bool,
    /// Whether others on its node go on from what it commits: then a standby applies that before it writes, as long as it
    /// is little.
    pub tells_stored: bool,
    /// The cluster's epoch; stored with the log, and a log of another epoch is refused.
    pub epoch: ClusterEpoch,
    /// The versions that the machine can behave by here. Where the log says another, the replica stops before it.
    pub versions: RangeInclusive<u16>,
    /// Of election timeouts. A node draws it; a simulation gives it.
    pub seed: u64,
    /// Ticks and timeouts.
    pub timing: Timing,
    /// Bounds of Raft messages.
    pub raft: RaftLimits,
    /// Bounds of the leader's queue.
    pub sequencer: SequencerLimits,
    /// Bounds of the session table. Part of the replicated rules: the same on every replica.
    pub sessions: SessionLimits,
    /// When to take a snapshot and how much log to keep behind it.
    pub snapshots: SnapshotLimits,
}

impl ReplicaConfig {
    /// The defaults.
    pub fn new(partition: PartitionId, node: NodeId, voters: Vec<NodeId>, epoch: ClusterEpoch, seed: u64) -> Self {
        ReplicaConfig {
            partition,
            node,
            voters,
            stays_learner: false,
            keeps_past: false,
            tells_stored: false,
            epoch,
            versions: 1..=1,
            seed,
            timing: Timing::default(),
            raft: RaftLimits::default(),
            sequencer: SequencerLimits::default(),
            sessions: SessionLimits::default(),
            snapshots: SnapshotLimits::default(),
        }
    }
}

/// What is acknowledged is on a quorum; this says where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// On their disks, synced.
    #[default]
    QuorumFsync,
    /// In the memory of their hosts: written, and not synced. It survives every process and one host after the other; what
    /// a quorum of hosts holds that stop at once is lost. Term and vote are synced all the same.
    QuorumMemory,
}

/// Ticks and timeouts.
#[derive(Debug, Clone)]
pub struct Timing {
    /// One Raft tick.
    pub tick_ns: u64,
    /// Ticks between two heartbeats of a leader.
    pub heartbeat_ticks: usize,
    /// A standby that has not heard from its leader for a time between this many ticks and twice as many
    /// campaigns; a leader that has not heard from a quorum for as long steps down.
    pub election_ticks: usize,
    /// When the leader's process is known to be dead, the standbys campaign this far apart.
    pub failover_stagger_ns: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Timing { tick_ns: 10_000_000, heartbeat_ticks: 3, election_ticks: 10, failover_stagger_ns: 25_000_000 }
    }
}

/// Bounds of Raft messages.
#[derive(Debug, Clone)]
pub struct RaftLimits {
    /// The entries of one message have at most this many bytes, or there is one.
    pub message_bytes_max: usize,
    /// The bytes of one chunk of a snapshot, above zero: it leaves room for other messages.
    pub chunk_bytes: usize,
    /// Messages with entries under way to one standby.
    pub messages_in_flight_max: usize,
    /// Entries that are not yet committed; the sequencer waits beyond, and what it queues meanwhile becomes one
    /// entry. So batches grow with the load by themselves, and the disks are asked no more than helps.
    pub entries_in_flight_max: u64,
    /// Entries that are not yet committed have at most this many bytes; the sequencer waits beyond.
    pub uncommitted_bytes_max: usize,
    /// Entries that are applied in one go have at most this many bytes.
    pub apply_bytes_max: usize,
}

impl Default for RaftLimits {
    fn default() -> Self {
        RaftLimits {
            message_bytes_max: 512 * 1024,
            chunk_bytes: 256 * 1024,
            messages_in_flight_max: 256,
            entries_in_flight_max: 2,
            uncommitted_bytes_max: 64 * 1024 * 1024,
            apply_bytes_max: 1024 * 1024,
        }
    }
}

/// Bounds of the leader's queue.
#[derive(Debug, Clone)]
pub struct SequencerLimits {
    /// Commands that wait to be proposed.
    pub commands_max: usize,
    /// Their bytes.
    pub bytes_max: usize,
    /// One log entry is closed when it has this many bytes. With `command_bytes_max` more it must fit a message
    /// of 1 MiB between nodes.
    pub batch_bytes: usize,
    /// The longest command.
    pub command_bytes_max: usize,
    /// Linearizable reads that wait.
    pub reads_max: usize,
}

impl Default for SequencerLimits {
    fn default() -> Self {
        SequencerLimits {
            commands_max: 65_536,
            bytes_max: 32 * 1024 * 1024,
            batch_bytes: 256 * 1024,
            command_bytes_max: 256 * 1024,
            reads_max: 65_536,
        }
    }
}

/// Bounds of the session table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLimits {
    /// Open sessions.
    pub sessions_max: usize,
    /// Replies kept per session for resends. A client must not have more requests outstanding.
    pub replies_max: usize,
    /// A session without a request for this long, in log time, expires.
    pub expiry_ns: u64,
}

impl Default for SessionLimits {
    fn default() -> Self {
        SessionLimits { sessions_max: 1024, replies_max: 65_536, expiry_ns: 600_000_000_000 }
    }
}

/// Who takes the snapshots of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotTaker {
    /// The machine stops for as long as it takes.
    Machine,
    /// A second copy of machine and sessions, in the same thread: for simulations.
    Twin,
    /// A second copy on a thread of its own; the machine goes on. Takes the memory of the state and the work of
    /// applying the log twice.
    TwinThread,
}

/// When to take a snapshot and how much log to keep behind it.
#[derive(Debug, Clone)]
pub struct SnapshotLimits {
    /// Who takes it. A machine that has no twin takes its own.
    pub taken_by: SnapshotTaker,
    /// After this many log entries since the last.
    pub every_entries: u64,
    /// Or after entries of this many bytes; where the last snapshot was larger, after as many as that, but not after more than
    /// twice this: a large state is not written more often than the log that leads to it.
    pub every_bytes: u64,
    /// Entries kept behind a snapshot, so that a standby that was away for a while catches up from the log.
    pub tail_entries: u64,
    /// Their bytes at most.
    pub tail_bytes: u64,
}

impl SnapshotLimits {
    /// Bytes of the log after which the next snapshot is due.
    pub(crate) fn bytes_after(&self, last: u64) -> u64 {
        last.clamp(self.every_bytes, self.every_bytes.saturating_mul(2))
    }
}

impl Default for SnapshotLimits {
    fn default() -> Self {
        SnapshotLimits {
            taken_by: SnapshotTaker::Machine,
            every_entries: 100_000,
            every_bytes: 64 * 1024 * 1024,
            tail_entries: 20_000,
            tail_bytes: 16 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_state_is_written_less_often_but_never_after_more_than_twice_the_bytes() {
        let limits = SnapshotLimits { every_bytes: 100, ..SnapshotLimits::default() };
        for (last, after) in [(0, 100), (100, 100), (101, 101), (200, 200), (201, 200), (u64::MAX, 200)] {
            assert_eq!(limits.bytes_after(last), after, "after a snapshot of {last}");
        }
        let limits = SnapshotLimits { every_bytes: u64::MAX, ..limits };
        assert_eq!(limits.bytes_after(5), u64::MAX);
    }
}
