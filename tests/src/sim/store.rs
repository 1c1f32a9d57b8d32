//! What a node's disk holds of one partition: the replicator's simulated log, watched, and the archive of events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use node::{EventBlock, EventSink};
use replicator::LogStore;
use replicator::log::memory::MemoryLog;
use replicator::log::{Append, Durable, Entry, EntryType, StoreError, Stored};
use wire::{LogPosition, Origin, Timestamp};

use super::trace::hash;

/// What stands before the data of an entry that changes members; no batch begins so.
pub const CHANGES_MEMBERS: u8 = 0xff;

/// An entry as the book has it.
fn noted(entry: &Entry) -> (u64, (u64, Vec<u8>)) {
    let is_change = entry.entry_type != EntryType::EntryNormal;
    let data = if is_change { [&[CHANGES_MEMBERS], &entry.data[..]].concat() } else { entry.data.to_vec() };
    (entry.index, (entry.term, data))
}

/// What went through a log: how the world knows what a replica has applied.
#[derive(Debug, Default)]
pub struct Book {
    /// Term and data of every entry the replica has, or had before it compacted them away.
    entries: BTreeMap<u64, (u64, Vec<u8>)>,
    /// Of snapshots that this replica saved since the world looked: the index, and a number for the bytes.
    snapshots: Vec<(u64, u64)>,
    /// Whom it voted for since the world looked.
    votes: Vec<u64>,
    /// Entries were written since the world looked.
    has_written: bool,
}

impl Book {
    /// Term and data of an entry.
    pub fn entry(&self, index: u64) -> Option<(u64, &[u8])> {
        self.entries.get(&index).map(|(term, data)| (*term, data.as_slice()))
    }

    /// Whom it voted for since the last time.
    pub fn take_votes(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.votes)
    }

    /// Whether entries were written since the last time.
    pub fn take_written(&mut self) -> bool {
        std::mem::take(&mut self.has_written)
    }

    /// Snapshots saved since the last time.
    pub fn take_snapshots(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.snapshots)
    }
}

/// A book that log and world share.
#[derive(Debug, Clone, Default)]
pub struct SharedBook(Arc<Mutex<Book>>);

impl SharedBook {
    /// To read or to write.
    pub fn open(&self) -> MutexGuard<'_, Book> {
        self.0.lock().expect("nobody panics with an open book")
    }
}

/// The simulated log, with every write noted.
pub struct WatchedLog {
    log: MemoryLog,
    book: SharedBook,
}

impl WatchedLog {
    /// Notes what `log` is given in `book`, which belongs to one life of the replica.
    pub fn new(log: MemoryLog, book: SharedBook) -> WatchedLog {
        WatchedLog { log, book }
    }
}

impl LogStore for WatchedLog {
    fn load(&mut self) -> Result<Stored, StoreError> {
        let stored = self.log.load()?;
        let known = stored.hard_state.term;
        if let Some(last) = stored.entries.last().filter(|last| last.term > known) {
            panic!("a disk has entry {} of term {}, and knows of no term after {known}", last.index, last.term);
        }
        let mut book = self.book.open();
        book.entries = stored.entries.iter().map(noted).collect();
        Ok(stored)
    }

    fn append(&mut self, write: Append) {
        let mut book = self.book.open();
        book.votes.extend(write.hard_state.as_ref().map(|state| state.vote).filter(|vote| *vote != 0));
        if write.reset.is_some() {
            book.entries.clear();
        }
        book.has_written |= !write.entries.is_empty();
        if let Some(first) = write.entries.first() {
            book.entries.split_off(&first.index);
        }
        book.entries.extend(write.entries.iter().map(noted));
        drop(book);
        self.log.append(write);
    }

    fn save_snapshot(&mut self, index: u64, bytes: Vec<u8>) {
        self.book.open().snapshots.push((index, hash(&bytes)));
        self.log.save_snapshot(index, bytes);
    }

    fn compact(&mut self, first_index: u64) {
        self.log.compact(first_index);
    }

    fn poll(&mut self) -> Result<Option<Durable>, StoreError> {
        self.log.poll()
    }

    fn read_snapshot(
        &mut self,
        index: u64,
        from: u64,
        len: usize,
        to: &mut Vec<u8>,
    ) -> Result<Option<u64>, StoreError> {
        self.log.read_snapshot(index, from, len, to)
    }
}

/// One command's events.
pub type Batch = (Timestamp, Origin, Vec<u8>);

/// The events of one replica: production's archive, without files.
#[derive(Debug, Default)]
pub struct Archive {
    batches: BTreeMap<LogPosition, Batch>,
    /// What is covered without gaps: after which position, up to which.
    covered: Vec<(LogPosition, LogPosition)>,
    /// Up to here a crash takes nothing.
    synced: LogPosition,
    /// The state has jumped since somebody asked.
    has_jumped: bool,
    /// The first thing that was appended twice with different contents.
    contradiction: Option<LogPosition>,
}

impl Archive {
    /// The batches from `from` on, as long as nothing is missing, and how far that is. `None` when `from` itself is
    /// missing.
    pub fn read(&self, from: LogPosition) -> Option<(impl Iterator<Item = (LogPosition, &Batch)>, LogPosition)> {
        let (_, upto) = self.covered.iter().find(|(after, upto)| *after < from && from <= *upto)?;
        let batches = self.batches.range(from..=*upto).map(|(position, batch)| (*position, batch));
        Some((batches, *upto))
    }

    /// The last position covered.
    pub fn end(&self) -> LogPosition {
        self.covered.last().map_or(LogPosition::ZERO, |(_, upto)| *upto)
    }

    /// Whether the state has jumped since this was asked last: what is missing is told then, also where that is nothing.
    pub fn take_jumped(&mut self) -> bool {
        std::mem::take(&mut self.has_jumped)
    }

    /// What is not covered up to the end: after which positions, up to which.
    pub fn gaps(&self) -> Vec<(LogPosition, LogPosition)> {
        let mut upto = LogPosition::ZERO;
        let before = |(after, end): &(LogPosition, LogPosition)| (std::mem::replace(&mut upto, *end), *after);
        self.covered.iter().map(before).filter(|(after, upto)| after < upto).collect()
    }

    /// The first position from `from` on that is covered, or will be, where the state has jumped.
    pub fn next(&self, from: LogPosition) -> Option<LogPosition> {
        let covered = self.covered.iter().find(|(after, upto)| from <= *upto || from <= *after);
        covered.map(|(after, _)| from.max(after.next()))
    }

    /// The first position from `from` on that is covered.
    pub fn covered(&self, from: LogPosition) -> Option<LogPosition> {
        let covered = self.covered.iter().find(|(after, upto)| from <= *upto && after < upto);
        covered.map(|(after, _)| from.max(after.next()))
    }

    /// Takes what another archive has up to `upto` behind `after`, where that begins in a gap, and as far as that goes.
    pub fn fill_gap(&mut self, after: LogPosition, upto: LogPosition, batch: Option<(LogPosition, Batch)>) {
        let Some((start, end)) = self.gaps().into_iter().find(|(_, end)| after < *end) else { return };
        let (after, upto) = (after.max(start), upto.min(end));
        if after < upto {
            let batch = batch.filter(|(position, _)| after < *position && *position <= upto);
            self.fill(after, upto, batch.into_iter());
        }
    }

    /// Everything behind `after` is covered up to `upto`: these are its batches, those that were missing among them. What is
    /// known of others stays as it was.
    pub fn fill(&mut self, after: LogPosition, upto: LogPosition, batches: impl Iterator<Item = (LogPosition, Batch)>) {
        for (position, batch) in batches {
            self.batches.entry(position).or_insert(batch);
        }
        if after >= upto {
            return;
        }
        let is_apart = |(start, end): &(LogPosition, LogPosition)| *end < after || upto < *start;
        let (apart, joined): (Vec<_>, Vec<_>) = self.covered.iter().copied().partition(is_apart);
        let whole = joined.into_iter().fold((after, upto), |(a, b), (start, end)| (a.min(start), b.max(end)));
        self.covered = apart;
        self.covered.push(whole);
        self.covered.sort_unstable();
    }

    /// The process is gone; of what was not synced something may be lost.
    pub fn crash(&mut self, draw: impl FnOnce(u64) -> u64) {
        let end = self.end();
        let lost = draw((end.get() - self.synced.get().min(end.get())) + 1);
        let kept = LogPosition::new(end.get() - lost);
        self.batches.split_off(&kept.next());
        self.covered.retain_mut(|(after, upto)| {
            *upto = (*upto).min(kept);
            after < upto
        });
    }

    /// The first position at which this replica told two stories.
    pub fn contradiction(&self) -> Option<LogPosition> {
        self.contradiction
    }

    fn cover(&mut self, after: LogPosition, upto: LogPosition) {
        match self.covered.last_mut() {
            Some((_, end)) if *end >= after => *end = (*end).max(upto),
            _ if after < upto => self.covered.push((after, upto)),
            _ => {}
        }
    }
}

/// The machine's way to an archive.
pub struct Shelf(pub Arc<Mutex<Archive>>);

impl Shelf {
    fn open(&self) -> MutexGuard<'_, Archive> {
        self.0.lock().expect("nobody panics with an open archive")
    }
}

impl EventSink for Shelf {
    fn append(&mut self, block: Arc<EventBlock>) {
        let mut archive = self.open();
        for batch in block.batches() {
            let story = (batch.timestamp, batch.origin, batch.events.to_vec());
            let before = archive.batches.insert(batch.position, story.clone());
            if before.is_some_and(|before| before != story) {
                archive.contradiction.get_or_insert(batch.position);
            }
        }
        archive.cover(block.after(), block.upto());
    }

    fn sync(&mut self) {
        let mut archive = self.open();
        archive.synced = archive.end();
    }

    fn jump(&mut self, position: LogPosition) {
        let mut archive = self.open();
        archive.has_jumped = true;
        if position > archive.end() {
            archive.covered.push((position, position));
        }
    }
}
