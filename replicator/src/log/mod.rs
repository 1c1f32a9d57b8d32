//! The durable log of one partition.
//!
//! A replica hands over writes and is told, in order, when each is on disk; it never waits. [`disk`] keeps all
//! partitions of a node in one raft-engine with one thread; [`memory`] is a disk that a simulator can crash.

pub mod disk;
pub mod memory;
mod tail;

pub(crate) use tail::Tail;

pub use raft::eraftpb::{Entry, EntryType, HardState};

use wire::{ClusterEpoch, NodeId, PartitionId};

use crate::standing::Standing;

/// A partition's durable log.
pub trait LogStore {
    /// What is on disk. Called once, before anything is written. Refuses when entries that were acknowledged may
    /// be missing.
    fn load(&mut self) -> Result<Stored, StoreError>;

    /// Starts a write. Writes are made durable in order; [`LogStore::poll`] tells when.
    fn append(&mut self, write: Append);

    /// Starts to save a snapshot, taken at log index `index`, beside the log. Older ones are removed once it is durable.
    /// Where there is no room for it the store says so ([`Durable::SnapshotRefused`]) and is as it was.
    fn save_snapshot(&mut self, index: u64, bytes: Vec<u8>);

    /// Forgets entries before `first_index`. Only after a snapshot at or after it is saved.
    fn compact(&mut self, first_index: u64);

    /// The next write that is durable. An error is final: nothing may be assumed of any write that was not
    /// reported, and it is never tried again.
    fn poll(&mut self) -> Result<Option<Durable>, StoreError>;

    /// Appends up to `len` bytes, from `offset` on, of the snapshot saved at `index`, and says how long it is;
    /// `None` when it is gone.
    fn read_snapshot(
        &mut self,
        index: u64,
        offset: u64,
        len: usize,
        into: &mut Vec<u8>,
    ) -> Result<Option<u64>, StoreError>;
}

/// One write: what Raft wants on disk before it goes on.
#[derive(Debug, Clone, Default)]
pub struct Append {
    /// Comes back in [`Durable::Appended`]. Grows.
    pub ticket: u64,
    /// Term, vote and commit, when they changed.
    pub hard_state: Option<HardState>,
    /// Entries without gaps. The first may be at or before the last one written: then it and all after are replaced.
    pub entries: Vec<Entry>,
    /// What the store is to its group from now on.
    pub standing: Option<Standing>,
    /// Drop the whole log first, because a snapshot at this index and term, already saved, replaces it.
    pub reset: Option<(u64, u64)>,
}

/// A write that is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// Every append up to this ticket.
    Appended {
        /// See [`Append::ticket`].
        ticket: u64,
    },
    /// A snapshot.
    Snapshot {
        /// The log index it was taken at.
        index: u64,
    },
    /// Not a write: there was no room for a snapshot, and nothing is left of it.
    SnapshotRefused {
        /// The log index it was taken at.
        index: u64,
    },
}

/// What a log holds.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Term, vote and commit.
    pub hard_state: HardState,
    /// The entries, without gaps. They may begin before the snapshot's index; if they do not connect to it, the
    /// store has already dropped them.
    pub entries: Vec<Entry>,
    /// The newest valid snapshot.
    pub snapshot: Option<Vec<u8>>,
    /// Its node had another store, which was set aside with all that it may have promised by.
    pub is_lost: bool,
    /// What the store is to its group; `None` when nobody has said so.
    pub standing: Option<Standing>,
}

/// What stores agree on about snapshots.
pub struct Snapshots;

impl Snapshots {
    /// So many are kept: the newest, and the one that may be on its way to a standby.
    pub const KEPT: usize = 2;
}

/// The entries that go on from the snapshot, which is whole: all when they connect to it, none when the snapshot has replaced them.
/// An error names what is missing.
pub(crate) fn connect(
    hard_state: &HardState,
    snapshot: Option<&[u8]>,
    entries: Vec<Entry>,
) -> Result<Vec<Entry>, String> {
    let (index, term) = match snapshot {
        Some(bytes) => {
            let header = crate::snapshot::header(bytes).map_err(|e| format!("the snapshot does not open: {e}"))?;
            (header.index, header.term)
        }
        None => (0, 0),
    };
    let first = entries.first().map_or(index + 1, |entry| entry.index);
    let last = entries.last().map_or(index, |entry| entry.index).max(index);
    if first > index + 1 {
        return Err(format!("entries {} to {} are missing from the log", index + 1, first - 1));
    }
    if hard_state.commit > last {
        return Err(format!("the log ends at entry {last}, but {} entries were committed", hard_state.commit));
    }
    let connected = first == index + 1 || entries.iter().any(|entry| entry.index == index && entry.term == term);
    Ok(if connected { entries } else { Vec::new() })
}

/// Whose log it is. Stored, and compared at opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub epoch: ClusterEpoch,
    /// The node.
    pub node: NodeId,
    /// The partition.
    pub partition: PartitionId,
}

impl StoreError {
    /// Whether the log is there and not whole: then it may be set aside, and its node returns without it.
    pub fn is_damage(&self) -> bool {
        matches!(self, StoreError::Lost { .. } | StoreError::Damaged { .. })
    }
}

/// Why a log cannot be used. Each says what was attempted, and what to do where the operator must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk refused. Never retried: after a failed fsync nobody knows what is on disk.
    #[error("{attempted}: {error}")]
    Io {
        /// What was attempted.
        attempted: String,
        /// What the system says.
        error: String,
    },
    /// There was no room for it. What was written before is as it was.
    #[error("{attempted}: no space is left on the disk")]
    Full {
        /// What was attempted.
        attempted: String,
    },
    /// What is on disk is damaged, or less than what this replica has acknowledged.
    #[error(
        "partition {partition}: {found}. This replica may have lost entries that it acknowledged, so it must not vote \
         again. Stop the node, keep {directory} for examination, and start the node with an empty directory only if \
         the other replicas of the partition are healthy: it then fetches everything from them"
    )]
    Lost {
        /// Which partition's log.
        partition: PartitionId,
        /// What is wrong.
        found: String,
        /// The node's directory.
        directory: String,
    },
    /// The log of all partitions is damaged in its middle, where no crash leaves traces.
    #[error(
        "{directory} is damaged: {error}. The node may have lost entries that it acknowledged, so it must not vote \
         again. Keep the directory for examination, and start the node with an empty one only if the other replicas \
         of its partitions are healthy: it then fetches everything from them"
    )]
    Damaged {
        /// The directory.
        directory: String,
        /// What was found.
        error: String,
    },
    /// Something is whole, and of a version that this build does not know.
    #[error("{what} was written by another version: start the node with that version, or a later one")]
    OtherVersion {
        /// What.
        what: String,
    },
    /// The directory belongs to another replica.
    #[error("{directory} belongs to node {} partition {} of cluster epoch {}, not to node {} partition {} of epoch {}",
        found.node, found.partition, found.epoch, wanted.node, wanted.partition, wanted.epoch)]
    Foreign {
        /// The directory.
        directory: String,
        /// Whose it is.
        found: Identity,
        /// Who opened it.
        wanted: Identity,
    },
}
