//! When to take a snapshot, and what of the log may go once it is on disk.
//!
//! A replica with a twin hands it the log in pieces and has it write the snapshot; nothing of that takes longer than a
//! piece does. Without one the machine stops and writes.

use raft::{GetEntriesContext, Storage};
use wire::{LogPosition, Timestamp};

use super::Replica;
use super::state::Cursor;
use crate::{LogStore, Output, StateMachine};

/// The log goes to the twin in pieces of about so many bytes, when so many entries or bytes wait, or a snapshot does;
/// in larger ones when much waits, so that it never falls behind for good.
const PIECE_BYTES: u64 = 64 * 1024;
const PIECE_ENTRIES: u64 = 256;
/// Entries that are dropped from memory in one duty cycle, or an eighth of what there is to drop.
const DROPPED_MAX: u64 = 128;

/// The last snapshot, and what has been applied since.
#[derive(Debug)]
pub(super) struct Checkpoint {
    newest: Cursor,
    saving: Option<Cursor>,
    /// One is wanted whatever has been applied since.
    is_hurried: bool,
    /// None is begun before this: there was no room for the last.
    not_before: Timestamp,
    /// The log index from which on the replica is back where it was when its process ended: the twin waits for that.
    back_at: u64,
    /// Since the last snapshot was begun.
    entries: u64,
    bytes: u64,
    /// Bytes of the last snapshot that was taken here.
    size: u64,
    /// The log index at which the twin is to take a snapshot, and whether it knows.
    wanted: Option<u64>,
    is_asked: bool,
    /// What the twin wrote, until everything the machine told before it is safe.
    written: Option<(Cursor, Vec<u8>)>,
    /// Bytes applied that the twin has not got.
    unfed: u64,
    /// Entries before this are dropped from memory, some in each cycle.
    drop_before: u64,
}

impl Checkpoint {
    /// The cursor is at the snapshot that was restored, or at the beginning.
    pub fn new(cursor: &Cursor) -> Checkpoint {
        Checkpoint {
            newest: cursor.clone(),
            saving: None,
            is_hurried: false,
            not_before: Timestamp::ZERO,
            back_at: 0,
            entries: 0,
            bytes: 0,
            size: 0,
            wanted: None,
            is_asked: false,
            written: None,
            unfed: 0,
            drop_before: 0,
        }
    }

    /// Of a replica that knows its log to be committed so far.
    pub fn back_at(self, index: u64) -> Checkpoint {
        Checkpoint { back_at: index, ..self }
    }

    /// The last position in the newest snapshot on disk.
    pub fn position(&self) -> LogPosition {
        self.newest.position
    }

    /// The last log index in the newest snapshot on disk; 0 when there is none.
    pub fn newest_index(&self) -> u64 {
        self.newest.index
    }

    /// Index and term of the newest snapshot on disk.
    pub fn newest(&self) -> (u64, u64) {
        (self.newest.index, self.newest.term)
    }

    /// Whoever returns waits for a snapshot.
    pub fn hurry(&mut self) {
        self.is_hurried = true;
    }

    /// An entry has been applied.
    pub fn applied(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes += bytes as u64;
        self.unfed += bytes as u64;
    }

    /// The state jumped to a snapshot of the leader.
    pub fn installed(&mut self, cursor: &Cursor) {
        *self = Checkpoint { saving: self.saving.take(), size: self.size, ..Checkpoint::new(cursor) };
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Takes a snapshot when enough has been applied since the last.
    pub(super) fn poll_checkpoint(&mut self) -> usize {
        if self.persistence.is_installing() || self.failed.is_some() || self.is_broken() {
            return 0;
        }
        self.drop_some() + self.feed_twin() + self.save_written() + self.begin_checkpoint()
    }

    fn begin_checkpoint(&mut self) -> usize {
        let (limits, checkpoint) = (&self.config.snapshots, &mut self.checkpoint);
        let is_due = checkpoint.is_hurried
            || checkpoint.entries >= limits.every_entries
            || checkpoint.bytes >= limits.bytes_after(checkpoint.size);
        let is_under_way = checkpoint.saving.is_some() || checkpoint.wanted.is_some() || checkpoint.written.is_some();
        if !is_due || is_under_way || self.scarcity.is_low() || self.now < checkpoint.not_before {
            return 0;
        }
        (checkpoint.entries, checkpoint.bytes, checkpoint.is_hurried) = (0, 0, false);
        if self.twin.is_some() {
            (checkpoint.wanted, checkpoint.is_asked) = (Some(self.state.cursor.index), false);
        } else {
            checkpoint.written = Some((self.state.cursor.clone(), self.state.snapshot(&self.config)));
        }
        1
    }

    /// Hands the twin a piece of the log, or takes what it wrote.
    fn feed_twin(&mut self) -> usize {
        let Some(twin) = &mut self.twin else { return 0 };
        let checkpoint = &mut self.checkpoint;
        if self.state.cursor.index < checkpoint.back_at {
            return 0;
        }
        twin.begin();
        match twin.poll() {
            Ok(None) => {}
            Ok(Some(written)) => {
                // Another one is from before the state jumped.
                if checkpoint.is_asked && checkpoint.wanted == Some(written.0.index) {
                    (checkpoint.wanted, checkpoint.written) = (None, Some(written));
                }
                return 1;
            }
            Err(error) => {
                let partition = self.config.partition;
                tracing::error!(%partition, %error, "the twin has failed: the machine stops for its snapshots now");
                self.twin = None;
                checkpoint.wanted = None;
                return 1;
            }
        }
        if !twin.has_room() {
            return 0;
        }
        let (fed, applied) = (twin.fed(), self.state.cursor.index);
        let wanted = checkpoint.wanted.filter(|_| !checkpoint.is_asked);
        if wanted == Some(fed) {
            twin.write();
            checkpoint.is_asked = true;
            return 1;
        }
        let upto = wanted.unwrap_or(applied);
        let is_enough = wanted.is_some() || upto - fed >= PIECE_ENTRIES || checkpoint.unfed >= PIECE_BYTES;
        if fed == upto || !is_enough {
            return 0;
        }
        let context = GetEntriesContext::empty(false);
        let (bytes, entries) = (PIECE_BYTES.max(checkpoint.unfed / 8), PIECE_ENTRIES.max((upto - fed) / 8));
        let piece = self.raft.store().entries(fed + 1, upto.min(fed + entries) + 1, bytes, context);
        let piece = piece.expect("the log reaches back to the last snapshot");
        let taken: u64 = piece.iter().map(|entry| entry.data.len() as u64).sum();
        checkpoint.unfed = checkpoint.unfed.saturating_sub(taken);
        twin.follow(piece);
        1
    }

    /// Saves a snapshot once everything that was told before it is safe: the log that would tell it again may go then.
    fn save_written(&mut self) -> usize {
        if self.checkpoint.saving.is_some() || self.checkpoint.written.is_none() || !self.state.machine.poll_safe() {
            return 0;
        }
        let Some((cursor, bytes)) = self.checkpoint.written.take() else { return 0 };
        self.checkpoint.size = bytes.len() as u64;
        let index = cursor.index;
        self.store.save_snapshot(index, bytes);
        self.checkpoint.saving = Some(cursor);
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::LogGoneTooSoon) {
            self.checkpoint_durable(index);
        }
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
            self.checkpoint.drop_before = first;
            self.store.compact(first);
            self.checkpoint.newest = saved;
        }
        self.outputs.push_back(Output::SnapshotTaken { position });
    }

    /// There is no room for a snapshot of this replica's own. The one before stays, and so does the log behind that; the
    /// next is tried later.
    pub(super) fn checkpoint_refused(&mut self, index: u64, again_at: Timestamp) {
        let checkpoint = &mut self.checkpoint;
        if checkpoint.saving.take_if(|saving| saving.index == index).is_some() {
            (checkpoint.is_hurried, checkpoint.not_before) = (true, again_at);
        }
    }

    /// Freeing a hundred thousand entries takes milliseconds, so they go a few at a time.
    fn drop_some(&mut self) -> usize {
        let tail = self.raft.mut_store();
        let waiting = self.checkpoint.drop_before.saturating_sub(tail.first());
        let first = tail.first() + waiting.min(DROPPED_MAX.max(waiting / 8));
        if waiting == 0 {
            return 0;
        }
        tail.compact(first);
        1
    }
}
