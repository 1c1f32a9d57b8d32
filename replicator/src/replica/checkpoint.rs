//! When to take a snapshot, and what of the log may go once it is on disk.

use wire::LogPosition;

use super::Replica;
use super::apply::Cursor;
use crate::snapshot::{self, Header};
use crate::{LogStore, Output, StateMachine};

/// The last snapshot, and what has been applied since.
#[derive(Debug)]
pub(super) struct Checkpoint {
    newest: Cursor,
    saving: Option<Cursor>,
    /// Since the last snapshot was begun.
    entries: u64,
    bytes: u64,
}

impl Checkpoint {
    /// The cursor is at the snapshot that was restored, or at the beginning.
    pub fn new(cursor: &Cursor) -> Checkpoint {
        Checkpoint { newest: cursor.clone(), saving: None, entries: 0, bytes: 0 }
    }

    /// The last position in the newest snapshot on disk.
    pub fn position(&self) -> LogPosition {
        self.newest.position
    }

    /// An entry has been applied.
    pub fn applied(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes += bytes as u64;
    }

    /// The state jumped to a snapshot of the leader.
    pub fn installed(&mut self, cursor: &Cursor) {
        (self.newest, self.entries, self.bytes) = (cursor.clone(), 0, 0);
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Takes a snapshot when enough has been applied since the last.
    pub(super) fn poll_checkpoint(&mut self) -> usize {
        let limits = &self.config.snapshots;
        let due = self.checkpoint.entries >= limits.every_entries || self.checkpoint.bytes >= limits.every_bytes;
        if !due || self.checkpoint.saving.is_some() || self.persistence.is_installing() || self.failed.is_some() {
            return 0;
        }
        let header = Header {
            partition: self.config.partition,
            epoch: self.config.epoch,
            index: self.cursor.index,
            term: self.cursor.term,
            batch_term: self.cursor.batch_term,
            position: self.cursor.position,
            timestamp: self.cursor.timestamp,
            digest: self.machine.digest(),
            voters: self.config.voters.iter().map(|node| node.get()).collect(),
        };
        let bytes = snapshot::write(&header, |to| self.sessions.snapshot(to), |to| self.machine.snapshot(to));
        self.store.save_snapshot(self.cursor.index, bytes);
        self.checkpoint.saving = Some(self.cursor.clone());
        (self.checkpoint.entries, self.checkpoint.bytes) = (0, 0);
        1
    }

    /// A snapshot of this replica's own is on disk: the log behind it may go, but for a tail that lets a standby
    /// which was away for a moment catch up without it.
    pub(super) fn checkpoint_durable(&mut self, index: u64) {
        let Some(saved) = self.checkpoint.saving.take_if(|saving| saving.index == index) else { return };
        let position = saved.position;
        if saved.index > self.checkpoint.newest.index && !self.persistence.is_installing() {
            let limits = &self.config.snapshots;
            let tail = self.raft.mut_store();
            tail.set_snapshot(saved.index, saved.term);
            let first = tail.keep_from(limits.tail_entries, limits.tail_bytes);
            tail.compact(first);
            self.store.compact(first);
            self.checkpoint.newest = saved;
        }
        self.outputs.push_back(Output::SnapshotTaken { position });
    }
}
