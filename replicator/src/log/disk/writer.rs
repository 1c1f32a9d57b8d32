//! Groups of appends become one write and one fsync of the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use raft_engine::{Command, Config, Engine, LogBatch, MessageExt, ReadableSize, RecoveryMode};
use wire::PartitionId;

use super::super::{Append, Entry, HardState, Identity, StoreError, Stored, connect};
use super::ahead::{FILE_SIZE, FilledAhead};
use super::aside;
use super::boot::BootId;
use super::marker::{Markers, Promise};
use crate::standing::Standing;
use crate::{Durability, snapshot};

const HARD_STATE: &[u8] = b"hard state";
const STANDING: &[u8] = b"standing";
/// The boot of the host whose memory holds what was not synced; not there while everything is.
const UNSYNCED: &[u8] = b"unsynced";
/// This group had another log, which was forgotten.
const FORGOTTEN: &[u8] = b"forgotten";
/// What a log keeps when a snapshot replaces its entries, beside the hard state.
const KEPT: [&[u8]; 3] = [STANDING, UNSYNCED, FORGOTTEN];

/// The engine, the markers, and the partitions that were loaded.
pub struct Writer {
    engine: Engine<FilledAhead>,
    files: Arc<FilledAhead>,
    directory: PathBuf,
    boot: Option<BootId>,
    markers: Markers,
    partitions: BTreeMap<PartitionId, Acknowledged>,
    /// Once something failed nothing is written any more.
    failed: Option<StoreError>,
    pace: Pace,
}

/// How long writes have taken lately, as a mean that forgets.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    mean: Arc<AtomicU64>,
    slow: Arc<AtomicU64>,
}

impl Pace {
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.mean.load(Ordering::Relaxed))
    }

    /// Writes that took so long that peers may have elected another leader meanwhile.
    pub fn slow(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }

    fn note(&self, took: Duration) {
        if took >= SLOW {
            self.slow.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(took_ms = took.as_millis(), "STALL: a write of the log took long");
        }
        let (mean, took) = (self.mean.load(Ordering::Relaxed), u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        self.mean.store(mean - mean / PACE_WRITES + took / PACE_WRITES, Ordering::Relaxed);
    }
}

/// The shortest election timeout.
const SLOW: Duration = Duration::from_millis(100);

/// So many writes count, roughly.
const PACE_WRITES: u64 = 16;

struct Acknowledged {
    promise: Promise,
    durability: Durability,
    /// The log says whose memory holds what was not synced.
    is_unsynced: bool,
}

/// Where the engine of the logs in `directory` is.
pub fn entries(directory: &Path) -> PathBuf {
    directory.join("entries")
}

struct Format;

impl MessageExt for Format {
    type Entry = Entry;

    fn index(entry: &Entry) -> u64 {
        entry.index
    }
}

impl Writer {
    pub fn open(directory: &Path, boot: Option<BootId>, files: Arc<FilledAhead>) -> Result<Writer, StoreError> {
        let path = entries(directory);
        let config = Config {
            dir: path.to_string_lossy().into_owned(),
            // A torn end is what a crash in the middle of a write leaves; the markers tell whether it was
            // more than that. Anything else that is damaged refuses to open.
            recovery_mode: RecoveryMode::TolerateTailCorruption,
            batch_compression_threshold: ReadableSize(0),
            target_file_size: ReadableSize(FILE_SIZE),
            purge_threshold: ReadableSize::mb(512),
            ..Config::default()
        };
        let damaged = |error: String| StoreError::Damaged { directory: path.display().to_string(), error };
        let opened = AssertUnwindSafe(|| Engine::open_with_file_system(config, files.clone()));
        let engine = catch_unwind(opened)
            .map_err(|_| damaged("raft-engine stopped while it read the log".to_owned()))?
            .map_err(|error| match is_damage(&error) {
                true => damaged(error.to_string()),
                false => StoreError::Io { attempted: format!("opening {}", path.display()), error: error.to_string() },
            })?;
        Ok(Writer {
            engine,
            files,
            markers: Markers::open(directory)?,
            directory: directory.to_owned(),
            boot,
            partitions: BTreeMap::new(),
            failed: None,
            pace: Pace::default(),
        })
    }

    /// Reads a partition's log, and refuses it if less is there than was promised.
    pub fn load(
        &mut self,
        identity: Identity,
        durability: Durability,
        snapshot: Option<Vec<u8>>,
    ) -> Result<Stored, StoreError> {
        let group = u64::from(identity.partition.get());
        let lost = |found: String| StoreError::Lost {
            partition: identity.partition,
            found,
            directory: self.directory.display().to_string(),
        };
        let unreadable = |error: raft_engine::Error| match is_damage(&error) {
            true => lost(format!("the log cannot be read: {error}")),
            false => StoreError::Io { attempted: "reading the log".to_owned(), error: error.to_string() },
        };
        let unsynced = self.engine.get(group, UNSYNCED);
        if unsynced.as_ref().is_some_and(|boot| self.boot.is_none_or(|this| boot != this.as_bytes())) {
            return Err(lost("its host was started anew since it was written, and it was not synced".to_owned()));
        }
        if durability == Durability::QuorumMemory && self.boot.is_none() {
            let what = "quorum-memory, on a host that does not say when it was started";
            return Err(StoreError::Io { attempted: "opening the log".to_owned(), error: what.to_owned() });
        }
        let hard_state = self.engine.get_message::<HardState>(group, HARD_STATE).map_err(unreadable)?;
        let mut entries = Vec::new();
        if let (Some(first), Some(last)) = (self.engine.first_index(group), self.engine.last_index(group)) {
            self.engine.fetch_entries_to::<Format>(group, first, last + 1, None, &mut entries).map_err(unreadable)?;
        }
        let replaced = contradicted(snapshot.as_deref(), &entries);
        let promise = match self.markers.promised(identity)? {
            // Entries that a snapshot contradicts were never committed: nobody counts on them any more.
            Some(promise) => match replaced {
                Some((index, index_term)) => Promise { index, index_term, ..promise },
                None => promise,
            },
            None if hard_state.is_none() && entries.is_empty() && snapshot.is_none() => {
                self.markers.begin(identity, Promise::default())?;
                Promise::default()
            }
            None => return Err(lost("there is a log, but its marker is missing".to_owned())),
        };
        let hard_state = hard_state.unwrap_or_default();
        let read = entries.len();
        let entries = connect(&hard_state, snapshot.as_deref(), entries).map_err(lost)?;
        keeps(promise, &hard_state, snapshot.as_deref(), &entries).map_err(lost)?;
        let standing = self.engine.get(group, STANDING).map(|bytes| Standing::decode(&bytes));
        // The engine has checked its bytes.
        let what = || format!("the standing of partition {}", identity.partition);
        let standing = standing.transpose().map_err(|_| StoreError::OtherVersion { what: what() })?;
        let is_unsynced = unsynced.is_some();
        self.partitions.insert(identity.partition, Acknowledged { promise, durability, is_unsynced });
        if entries.len() < read {
            // The crash came between a snapshot of the leader and the replacement of the log by it.
            self.markers.take_back(identity.partition, promise)?;
            self.replace_log(identity.partition, &hard_state)?;
        }
        if durability == Durability::QuorumFsync {
            self.settle(identity.partition)?;
        }
        let is_lost = aside::is_not_the_first(&self.directory) || self.engine.get(group, FORGOTTEN).is_some();
        Ok(Stored { hard_state, entries, snapshot, standing, is_lost })
    }

    /// Every partition that has a log.
    pub fn partitions(&self) -> Vec<PartitionId> {
        let groups = self.engine.raft_groups().into_iter().filter_map(|group| u16::try_from(group).ok());
        let mut partitions: Vec<PartitionId> = groups.map(PartitionId::new).collect();
        partitions.sort_unstable();
        partitions
    }

    /// How long groups of appends take.
    pub fn pace(&self) -> Pace {
        self.pace.clone()
    }

    /// Makes a group of appends durable. An error is final.
    pub fn append(&mut self, group: &[(PartitionId, Append)]) -> Result<(), StoreError> {
        let began = Instant::now();
        let written = self.append_all(group);
        self.pace.note(began.elapsed());
        written
    }

    /// Takes out of a group what is acknowledged without a sync: of partitions that need none for any of theirs.
    pub fn take_unsynced(&self, group: &mut Vec<(PartitionId, Append)>) -> Vec<(PartitionId, Append)> {
        let in_memory = |partition: &PartitionId| {
            self.partitions.get(partition).is_some_and(|known| known.durability == Durability::QuorumMemory)
        };
        if !group.iter().any(|(partition, _)| in_memory(partition)) {
            return Vec::new();
        }
        let waits: BTreeSet<PartitionId> =
            group.iter().filter(|(partition, append)| self.must_sync(*partition, append)).map(|it| it.0).collect();
        let (unsynced, rest) = group.drain(..).partition(|(partition, _)| !waits.contains(partition));
        *group = rest;
        unsynced
    }

    /// Term, vote and what makes a log another one are synced always, and what comes first after a sync: it says that the
    /// next is not.
    fn must_sync(&self, partition: PartitionId, append: &Append) -> bool {
        let Some(known) = self.partitions.get(&partition) else { return true };
        let is_vote =
            |hard_state: &HardState| (hard_state.term, hard_state.vote) != (known.promise.term, known.promise.vote);
        known.durability == Durability::QuorumFsync
            || !known.is_unsynced
            || append.standing.is_some()
            || append.reset.is_some()
            || append.hard_state.as_ref().is_some_and(is_vote)
    }

    /// Everything of a partition is synced from here on, and says so.
    fn settle(&mut self, partition: PartitionId) -> Result<(), StoreError> {
        if !self.partitions.get(&partition).is_some_and(|known| known.is_unsynced) {
            return Ok(());
        }
        self.guarded(|writer| {
            let mut batch = LogBatch::default();
            batch.delete(u64::from(partition.get()), UNSYNCED.to_vec());
            // What was written before is synced with it.
            writer.engine.write(&mut batch, true).map(drop).map_err(writing)
        })?;
        self.partitions.get_mut(&partition).expect("it is there").is_unsynced = false;
        Ok(())
    }

    /// The end, when nothing is under way: what was not synced is.
    pub fn rest(&mut self) -> Result<(), StoreError> {
        let partitions: Vec<PartitionId> = self.partitions.keys().copied().collect();
        for partition in partitions {
            if self.failed.is_none() && self.partitions[&partition].is_unsynced {
                self.markers.sync()?;
                self.settle(partition)?;
            }
        }
        Ok(())
    }

    /// Forgets a partition's log: another begins in its place, which says that it is not the first.
    ///
    /// The marker goes last: a crash before leaves one that promises more than is there, and the log is forgotten again.
    pub fn forget(&mut self, identity: Identity) -> Result<(), StoreError> {
        let group = u64::from(identity.partition.get());
        self.partitions.remove(&identity.partition);
        self.guarded(|writer| {
            let mut batch = LogBatch::default();
            batch.add_command(group, Command::Clean);
            batch.put(group, FORGOTTEN.to_vec(), vec![1]).map_err(writing)?;
            writer.engine.write(&mut batch, true).map(drop).map_err(writing)
        })?;
        self.markers.end(identity)
    }

    fn append_all(&mut self, group: &[(PartitionId, Append)]) -> Result<(), StoreError> {
        self.guarded(|writer| {
            for (partition, append) in group {
                writer.take_back(*partition, append)?;
            }
            let mut batch = LogBatch::with_capacity(group.len() * 2);
            let mut is_synced = false;
            for (partition, append) in group {
                is_synced |= writer.must_sync(*partition, append);
                writer.add(&mut batch, *partition, append).map_err(writing)?;
            }
            writer.files.used(writer.engine.write(&mut batch, is_synced).map_err(writing)?);
            writer.promise(group)
        })
    }

    /// Forgets entries. Not synced: after a crash they are there again, which does no harm.
    pub fn compact(&mut self, partition: PartitionId, first_index: u64) -> Result<(), StoreError> {
        self.guarded(|writer| {
            let mut batch = LogBatch::default();
            batch.add_command(u64::from(partition.get()), Command::Compact { index: first_index });
            writer.engine.write(&mut batch, false).map(drop).map_err(writing)
        })
    }

    /// Removes files without live entries.
    pub fn purge(&mut self) -> Result<(), StoreError> {
        self.guarded(|writer| writer.engine.purge_expired_files().map(drop).map_err(writing))
    }

    /// The engine stops the thread when an fsync fails; here that becomes an error as any other, and the last.
    pub(super) fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<(), StoreError>) -> Result<(), StoreError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let done = catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| {
            Err(StoreError::Io { attempted: "syncing the log".to_owned(), error: "raft-engine gave up".to_owned() })
        });
        if let Err(error) = &done {
            self.failed = Some(error.clone());
            // What there was no room for took nothing with it, and disks of the same load are full at the same time.
            if !matches!(error, StoreError::Full { .. }) {
                self.believe_no_more();
            }
        }
        done
    }

    /// What was not synced may be gone although its host goes on: the system does not say which pages a failed disk took
    /// with it. A promise that nothing keeps makes the next process forget the log.
    fn believe_no_more(&mut self) {
        for (partition, known) in self.partitions.iter().filter(|(_, known)| known.is_unsynced) {
            self.markers.promise(*partition, Promise { index: u64::MAX, ..known.promise });
        }
        if self.partitions.values().any(|known| known.is_unsynced) {
            // If that fails as well there is nothing left to say it with.
            let _ = self.markers.write();
        }
    }

    /// Before entries are replaced, what was promised of them is taken back, durably.
    fn take_back(&mut self, partition: PartitionId, append: &Append) -> Result<(), StoreError> {
        let Acknowledged { promise, .. } = self.partitions.get_mut(&partition).expect("the log was loaded");
        let (index, index_term) = match (append.reset, append.entries.first()) {
            (Some(snapshot), _) => snapshot,
            (None, Some(first)) if first.index <= promise.index => (first.index - 1, 0),
            _ => return Ok(()),
        };
        *promise = Promise { index, index_term, ..*promise };
        self.markers.take_back(partition, *promise)
    }

    fn add(&self, batch: &mut LogBatch, partition: PartitionId, append: &Append) -> raft_engine::Result<()> {
        let group = u64::from(partition.get());
        let mut hard_state = append.hard_state.clone();
        if append.reset.is_some() {
            // Cleaning a group forgets its hard state as well.
            hard_state = hard_state.or(self.engine.get_message(group, HARD_STATE)?);
            self.clean(batch, group)?;
        }
        if let Some(hard_state) = &hard_state {
            batch.put_message(group, HARD_STATE.to_vec(), hard_state)?;
        }
        if let Some(standing) = &append.standing {
            batch.put(group, STANDING.to_vec(), standing.encode())?;
        }
        let known = &self.partitions[&partition];
        if let Some(boot) = self.boot.filter(|_| known.durability == Durability::QuorumMemory && !known.is_unsynced) {
            batch.put(group, UNSYNCED.to_vec(), boot.as_bytes().to_vec())?;
        }
        batch.add_entries::<Format>(group, &append.entries)
    }

    /// Forgets what a group has, but for what a log keeps when a snapshot replaces its entries.
    fn clean(&self, batch: &mut LogBatch, group: u64) -> raft_engine::Result<()> {
        let kept = KEPT.map(|key| (key, self.engine.get(group, key)));
        batch.add_command(group, Command::Clean);
        for (key, value) in kept {
            if let Some(value) = value {
                batch.put(group, key.to_vec(), value)?;
            }
        }
        Ok(())
    }

    /// One write, however many appended.
    fn promise(&mut self, group: &[(PartitionId, Append)]) -> Result<(), StoreError> {
        for (partition, append) in group {
            let known = self.partitions.get_mut(partition).expect("the log was loaded");
            known.is_unsynced |= known.durability == Durability::QuorumMemory;
            let promise = &mut known.promise;
            if let Some(last) = append.entries.last() {
                (promise.index, promise.index_term) = (last.index, last.term);
            }
            if let Some(hard_state) = &append.hard_state {
                (promise.term, promise.vote) = (hard_state.term, hard_state.vote);
            }
            self.markers.promise(*partition, *promise);
        }
        self.markers.write()
    }

    fn replace_log(&mut self, partition: PartitionId, hard_state: &HardState) -> Result<(), StoreError> {
        let group = u64::from(partition.get());
        self.guarded(|writer| {
            let mut batch = LogBatch::default();
            writer.clean(&mut batch, group).map_err(writing)?;
            batch.put_message(group, HARD_STATE.to_vec(), hard_state).map_err(writing)?;
            writer.engine.write(&mut batch, true).map(drop).map_err(writing)
        })
    }
}

/// Whether an error speaks of what is on disk, and not of the disk, the system or the process: those lost nothing.
fn is_damage(error: &raft_engine::Error) -> bool {
    use raft_engine::Error;
    let is_content = matches!(error, Error::Corruption(_) | Error::Codec(_) | Error::Protobuf(_));
    is_content || matches!(error, Error::EntryCompacted | Error::EntryNotFound)
}

/// Index and term of the snapshot, if the log has another entry there.
fn contradicted(snapshot: Option<&[u8]>, entries: &[Entry]) -> Option<(u64, u64)> {
    let header = snapshot::header(snapshot?).ok()?;
    let is_other = entries.iter().any(|entry| entry.index == header.index && entry.term != header.term);
    is_other.then_some((header.index, header.term))
}

/// Whether everything that was promised is there.
fn keeps(promise: Promise, hard_state: &HardState, snapshot: Option<&[u8]>, entries: &[Entry]) -> Result<(), String> {
    let another_vote = promise.vote != 0 && hard_state.vote != promise.vote;
    if hard_state.term < promise.term || (hard_state.term == promise.term && another_vote) {
        return Err(format!(
            "it voted for {} in term {}, but the log says {} in term {}",
            promise.vote, promise.term, hard_state.vote, hard_state.term
        ));
    }
    let covered = snapshot.and_then(|bytes| snapshot::header(bytes).ok()).map_or(0, |header| header.index);
    if promise.index <= covered {
        return Ok(());
    }
    match entries.iter().find(|entry| entry.index == promise.index) {
        Some(entry) if promise.index_term == 0 || entry.term == promise.index_term => Ok(()),
        Some(entry) => Err(format!(
            "entry {} was acknowledged in term {}, but the log has it in term {}",
            promise.index, promise.index_term, entry.term
        )),
        None => {
            let last = entries.last().map_or(covered, |entry| entry.index);
            Err(format!("entries up to {} were acknowledged, but the log ends at {last}", promise.index))
        }
    }
}

/// What it means that a write failed. A sync that fails is no error of the engine, it stops.
pub(super) fn writing(error: raft_engine::Error) -> StoreError {
    use raft_engine::Error;
    let attempted = "writing to the log".to_owned();
    match error {
        Error::Io(error) if error.kind() == ErrorKind::StorageFull => StoreError::Full { attempted },
        // Neither in its file nor in the next.
        Error::TryAgain(_) => StoreError::Full { attempted },
        error => StoreError::Io { attempted, error: error.to_string() },
    }
}
