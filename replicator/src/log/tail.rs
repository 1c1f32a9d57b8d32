//! The end of the log in memory, as Raft reads it.
//!
//! Everything since the last compaction is here, so the duty cycle never reads the disk. Snapshots bound it.

use std::collections::VecDeque;

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError};

/// See the module.
#[derive(Debug)]
pub struct Tail {
    hard_state: HardState,
    voters: ConfState,
    /// Index and term of the entry before the first.
    before: (u64, u64),
    entries: VecDeque<Entry>,
    /// Index and term of the newest snapshot on disk; 0 while there is none.
    snapshot: (u64, u64),
}

impl Tail {
    /// `before` is index and term of the entry before the first of `entries`.
    pub fn new(
        voters: ConfState,
        hard_state: HardState,
        before: (u64, u64),
        entries: Vec<Entry>,
        snapshot: (u64, u64),
    ) -> Tail {
        Tail { hard_state, voters, before, entries: entries.into(), snapshot }
    }

    /// Notes term, vote and commit.
    pub fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    /// The index of the first entry, or where it would be.
    pub fn first(&self) -> u64 {
        self.before.0 + 1
    }

    /// The index of the last entry, or of the one before the first.
    pub fn last(&self) -> u64 {
        self.before.0 + self.entries.len() as u64
    }

    /// Appends entries, replacing whatever is at and after the first of them.
    pub fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        assert!(first.index >= self.first() && first.index <= self.last() + 1, "the log has no gap");
        self.entries.truncate((first.index - self.first()) as usize);
        self.entries.extend(entries.iter().cloned());
    }

    /// The log is replaced by a snapshot at this index and term.
    pub fn reset(&mut self, index: u64, term: u64) {
        self.entries.clear();
        self.before = (index, term);
        self.snapshot = (index, term);
    }

    /// A snapshot is on disk.
    pub fn set_snapshot(&mut self, index: u64, term: u64) {
        self.snapshot = (index, term);
    }

    /// The first entry to keep when everything up to the snapshot may go, but the last `entries_max` of it, of
    /// `bytes_max`, are worth keeping.
    pub fn keep_from(&self, entries_max: u64, bytes_max: u64) -> u64 {
        let behind = self.snapshot.0.saturating_sub(self.before.0).min(self.entries.len() as u64);
        let mut bytes = 0;
        let kept = (self.entries.iter().take(behind as usize).rev())
            .take(usize::try_from(entries_max).unwrap_or(usize::MAX))
            .take_while(|entry| {
                bytes += entry.data.len() as u64;
                bytes <= bytes_max
            })
            .count() as u64;
        self.first() + behind - kept
    }

    /// Forgets entries before `first`.
    pub fn compact(&mut self, first: u64) {
        let drop = first.saturating_sub(self.first()).min(self.entries.len() as u64) as usize;
        if let Some(last) = self.entries.drain(..drop).next_back() {
            self.before = (last.index, last.term);
        }
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.before.0 {
            return Some(self.before.1);
        }
        let place = index.checked_sub(self.first())?;
        self.entries.get(usize::try_from(place).ok()?).map(|entry| entry.term)
    }
}

impl Storage for Tail {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.hard_state.clone(), self.voters.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low < self.first() {
            return Err(StorageError::Compacted.into());
        }
        if high > self.last() + 1 {
            return Err(StorageError::Unavailable.into());
        }
        let max_size = max_size.into().unwrap_or(u64::MAX);
        let from = (low - self.first()) as usize;
        let mut size = 0_u64;
        let taken = self.entries.range(from..from + (high - low) as usize).take_while(|entry| {
            let first = size == 0;
            size = size.saturating_add(entry.data.len() as u64 + 16);
            first || size <= max_size
        });
        Ok(taken.cloned().collect())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        self.term_at(index).ok_or_else(|| {
            if index < self.before.0 { StorageError::Compacted.into() } else { StorageError::Unavailable.into() }
        })
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.first())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// Only says where the snapshot is; its bytes go to the standby in chunks (`catch_up`).
    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        let (index, term) = self.snapshot;
        if index == 0 || index < request_index {
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        }
        let mut snapshot = Snapshot::default();
        let metadata = snapshot.mut_metadata();
        (metadata.index, metadata.term) = (index, term);
        metadata.set_conf_state(self.voters.clone());
        Ok(snapshot)
    }
}
