//! A log on a simulated disk, which can be slow, crash and fail.
//!
//! The simulator decides when writes become durable and what a crash takes away; with
//! [`MemoryDisk::immediate`] every write is durable at once, for tests that are not about disks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use wire::NodeId;

use super::{Append, Durable, Entry, HardState, LogStore, Snapshots, StoreError, Stored, connect};
use crate::standing::Standing;

/// A disk. Clones are the same disk; it outlives the replicas that use it.
#[derive(Debug, Clone)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    durable: Image,
    waiting: VecDeque<Write>,
    done: VecDeque<Durable>,
    immediate: bool,
    failed: Option<String>,
    /// Something of it is damaged, where no crash leaves traces.
    is_rotten: bool,
    /// Whose host keeps what is written and not synced; writes count as soon as they are there.
    in_memory: bool,
    /// Something counts that is not synced.
    is_unsynced: bool,
    /// No snapshot fits on it.
    has_no_room: bool,
    /// So many of the waiting writes were said to be durable, since they count in memory.
    counted: usize,
    /// A snapshot is written beside the log, in so many steps more than one: what was to be written after it is durable before.
    more_steps: u64,
    /// Such snapshots, oldest first: one is written at a time.
    saving: VecDeque<Saving>,
    /// So many of the waiting writes were said to be durable.
    #[cfg(feature = "planted")]
    told: usize,
}

#[derive(Debug, Clone, Default)]
struct Image {
    hard_state: HardState,
    entries: Vec<Entry>,
    snapshots: BTreeMap<u64, Vec<u8>>,
    standing: Option<Standing>,
}

#[derive(Debug)]
enum Write {
    Append(Append),
    Snapshot { index: u64, bytes: Vec<u8> },
    Compact { first_index: u64 },
}

/// A snapshot that is being written beside the log.
#[derive(Debug)]
struct Saving {
    write: Write,
    steps_left: u64,
    /// It was said to be durable.
    is_told: bool,
}

impl MemoryDisk {
    /// An empty disk whose writes wait for [`MemoryDisk::sync`].
    pub fn new() -> MemoryDisk {
        MemoryDisk(Arc::default())
    }

    /// An empty disk whose writes are durable at once.
    pub fn immediate() -> MemoryDisk {
        let disk = MemoryDisk::new();
        disk.lock().immediate = true;
        disk
    }

    /// Writes count when they are in the memory of the host, as under [`crate::Durability::QuorumMemory`].
    pub fn count_in_memory(&self) {
        self.lock().in_memory = true;
    }

    /// A snapshot takes so many more syncs than other writes, which do not wait for it, as on a real disk: there it is written
    /// in steps, and the log's own writes come between.
    pub fn save_in_steps(&self, more_steps: u64) {
        self.lock().more_steps = more_steps;
    }

    /// The log on this disk.
    pub fn log(&self) -> MemoryLog {
        MemoryLog { disk: self.clone() }
    }

    /// Writes that are not durable.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether a snapshot is being written beside the log.
    pub fn is_saving(&self) -> bool {
        !self.lock().saving.is_empty()
    }

    /// The durable snapshots, oldest first.
    pub fn snapshots(&self) -> Vec<(u64, Vec<u8>)> {
        self.lock().durable.snapshots.iter().map(|(index, bytes)| (*index, bytes.clone())).collect()
    }

    /// Where the newest durable snapshot was taken; 0 when there is none.
    pub fn newest_snapshot(&self) -> u64 {
        self.lock().durable.snapshots.keys().next_back().copied().unwrap_or(0)
    }

    /// Another disk with what would survive a crash of this one.
    pub fn copy(&self) -> MemoryDisk {
        let disk = MemoryDisk::new();
        disk.lock().durable = self.lock().durable.clone();
        disk
    }

    /// Makes an empty disk that of a founder of a life that begins with this snapshot, as [`super::disk::lay`] does.
    ///
    /// # Panics
    ///
    /// If these bytes are no snapshot.
    pub fn lay(&self, founders: &[NodeId], snapshot: Vec<u8>) {
        let header = crate::snapshot::open(&snapshot).expect("a snapshot to begin with").header;
        let image = &mut self.lock().durable;
        image.hard_state = HardState { term: header.term, commit: header.index, ..HardState::default() };
        image.snapshots.insert(header.index, snapshot);
        image.standing = Some(Standing::Founder { numbers: founders.iter().map(|node| (*node, 0)).collect() });
    }

    /// Makes the first `count` waiting writes durable, but for snapshots that are written beside the log: one of those is a step
    /// further.
    pub fn sync(&self, count: usize) {
        let mut disk = self.lock();
        disk.save_some();
        disk.sync(count);
    }

    /// The process is gone. Of the waiting writes the first `kept` reached the disk all the same, and what counts in the
    /// memory of the host is there.
    pub fn crash(&self, kept: usize) {
        let mut disk = self.lock();
        let kept = if disk.in_memory { disk.waiting.len() } else { kept };
        disk.sync(kept);
        disk.forget_waiting();
    }

    /// The host is gone, and with it what was not synced. What counted without is not believed by the next process; says
    /// whether there was such.
    pub fn lose_power(&self) -> bool {
        let mut disk = self.lock();
        disk.forget_waiting();
        let has_counted = disk.is_unsynced;
        let is_believed = !disk.is_unsynced;
        #[cfg(feature = "planted")]
        let is_believed = is_believed || wire::planted::is(wire::planted::Bug::BootIgnored);
        disk.is_rotten |= !is_believed;
        disk.is_unsynced = false;
        has_counted
    }

    /// Every write from now on fails.
    pub fn fail(&self, error: &str) {
        self.lock().failed = Some(error.to_owned());
    }

    /// Writes succeed again.
    pub fn repair(&self) {
        self.lock().failed = None;
    }

    /// Whether there is no room for snapshots from now on; the log's own writes fit.
    pub fn refuse_snapshots(&self, has_no_room: bool) {
        self.lock().has_no_room = has_no_room;
    }

    /// Bits have changed in the middle of what was written long ago: whoever reads it next finds out.
    pub fn rot(&self) {
        self.lock().is_rotten = true;
    }

    /// The member that this disk makes of its node, if it has been written.
    pub fn member(&self, node: NodeId) -> Option<u64> {
        let disk = self.lock();
        disk.durable.standing.as_ref().filter(|_| !disk.is_rotten).map(|standing| standing.member(node))
    }

    /// Whether an entry of this index and term, or a snapshot that covers it, is what this disk promises to keep: over a
    /// crash of its host, or of the process alone.
    pub fn keeps(&self, index: u64, term: u64) -> bool {
        let disk = self.lock();
        let is_it = |entry: &Entry| (entry.index, entry.term) == (index, term);
        let held = |write: &Write| matches!(write, Write::Append(append) if append.entries.iter().any(is_it));
        if disk.in_memory && disk.waiting.iter().any(held) {
            return true;
        }
        let image = &disk.durable;
        if image.snapshots.keys().next_back().is_some_and(|snapshot| *snapshot >= index) {
            return true;
        }
        let first = image.entries.first().map_or(0, |entry| entry.index);
        let place = index.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| image.entries.get(place)).is_some_and(|entry| entry.term == term)
    }

    /// The entries that would survive a crash.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().durable.entries.clone()
    }

    /// The index of the last durable entry, and how many snapshots there are.
    pub fn holds(&self) -> (u64, usize) {
        let disk = self.lock();
        (disk.durable.entries.last().map_or(0, |entry| entry.index), disk.durable.snapshots.len())
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("no holder of a simulated disk panics")
    }
}

impl Default for MemoryDisk {
    fn default() -> Self {
        MemoryDisk::new()
    }
}

impl Disk {
    fn forget_waiting(&mut self) {
        self.waiting.clear();
        self.saving.clear();
        self.done.clear();
        self.counted = 0;
        #[cfg(feature = "planted")]
        {
            self.told = 0;
        }
    }

    /// Tells of the waiting writes that count without a sync, up to the first that does not.
    fn count(&mut self) {
        while let Some(Write::Append(append)) = self.waiting.get(self.counted) {
            if self.must_sync(append) {
                break;
            }
            self.done.push_back(Durable::Appended { ticket: append.ticket });
            (self.counted, self.is_unsynced) = (self.counted + 1, true);
        }
    }

    /// Term, vote and what makes a log another one are synced always.
    fn must_sync(&self, append: &Append) -> bool {
        let before = self.waiting.iter().take(self.counted).filter_map(|write| match write {
            Write::Append(append) => append.hard_state.as_ref(),
            _ => None,
        });
        let known = before.last().unwrap_or(&self.durable.hard_state);
        let is_vote = |state: &HardState| (state.term, state.vote) != (known.term, known.vote);
        append.standing.is_some() || append.reset.is_some() || append.hard_state.as_ref().is_some_and(is_vote)
    }

    fn sync(&mut self, count: usize) {
        for _ in 0..count {
            let Some(write) = self.waiting.pop_front() else { break };
            let is_beside = matches!(write, Write::Snapshot { .. }) && self.more_steps > 0;
            let is_told = self.was_told();
            if is_beside {
                self.saving.push_back(Saving { write, steps_left: self.more_steps, is_told });
                continue;
            }
            self.write(write, is_told);
        }
    }

    /// Whether the first of the waiting writes, which is taken now, was said to be durable.
    fn was_told(&mut self) -> bool {
        if self.counted > 0 {
            self.counted -= 1;
            return true;
        }
        #[cfg(feature = "planted")]
        if self.told > 0 {
            self.told -= 1;
            return true;
        }
        false
    }

    fn write(&mut self, write: Write, is_told: bool) {
        let done = match write {
            Write::Snapshot { index, .. } if self.has_no_room => Some(Durable::SnapshotRefused { index }),
            write => self.durable.write(write),
        };
        self.done.extend(done.filter(|_| !is_told));
    }

    /// The snapshot that is being written beside the log is a step further.
    fn save_some(&mut self) {
        let Some(first) = self.saving.front_mut() else { return };
        first.steps_left = first.steps_left.saturating_sub(1);
        if first.steps_left == 0 {
            let Saving { write, is_told, .. } = self.saving.pop_front().expect("there is a first");
            self.write(write, is_told);
        }
    }

    /// Tells of every waiting write that it is durable.
    #[cfg(feature = "planted")]
    fn lie(&mut self) {
        let news = self.waiting.iter().skip(self.told).filter_map(|write| match write {
            Write::Append(append) => Some(Durable::Appended { ticket: append.ticket }),
            Write::Snapshot { index, .. } => Some(Durable::Snapshot { index: *index }),
            Write::Compact { .. } => None,
        });
        self.done.extend(news);
        self.told = self.waiting.len();
    }
}

impl Image {
    fn write(&mut self, write: Write) -> Option<Durable> {
        match write {
            Write::Append(append) => {
                if append.reset.is_some() {
                    self.entries.clear();
                }
                if append.standing.is_some() {
                    self.standing = append.standing;
                }
                if let Some(hard_state) = append.hard_state {
                    self.hard_state = hard_state;
                }
                if let Some(first) = append.entries.first() {
                    self.entries.retain(|entry| entry.index < first.index);
                    self.entries.extend(append.entries);
                }
                Some(Durable::Appended { ticket: append.ticket })
            }
            Write::Snapshot { index, bytes } => {
                self.snapshots.insert(index, bytes);
                while self.snapshots.len() > Snapshots::KEPT {
                    self.snapshots.pop_first();
                }
                Some(Durable::Snapshot { index })
            }
            Write::Compact { first_index } => {
                self.entries.retain(|entry| entry.index >= first_index);
                None
            }
        }
    }
}

/// The log on a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryLog {
    disk: MemoryDisk,
}

impl MemoryLog {
    fn queue(&mut self, write: Write) {
        self.disk.lock().waiting.push_back(write);
    }
}

impl LogStore for MemoryLog {
    fn load(&mut self) -> Result<Stored, StoreError> {
        let mut disk = self.disk.lock();
        let image = &mut disk.durable;
        let snapshot = image.snapshots.values().next_back().cloned();
        image.entries = connect(&image.hard_state, snapshot.as_deref(), std::mem::take(&mut image.entries))
            .expect("a simulated disk does not lose the middle of a log");
        let is_lost = std::mem::take(&mut disk.is_rotten);
        if is_lost {
            // What a real store does when it finds damage: it is set aside, and another begun.
            disk.durable = Image::default();
        }
        let image = &mut disk.durable;
        let (hard_state, entries) = (image.hard_state.clone(), image.entries.clone());
        let snapshot = snapshot.filter(|_| !is_lost);
        Ok(Stored { hard_state, entries, snapshot, is_lost, standing: image.standing.clone() })
    }

    fn append(&mut self, write: Append) {
        self.queue(Write::Append(write));
    }

    fn save_snapshot(&mut self, index: u64, bytes: Vec<u8>) {
        self.queue(Write::Snapshot { index, bytes });
    }

    fn compact(&mut self, first_index: u64) {
        self.queue(Write::Compact { first_index });
    }

    fn poll(&mut self) -> Result<Option<Durable>, StoreError> {
        let mut disk = self.disk.lock();
        if let Some(error) = &disk.failed {
            return Err(StoreError::Io { attempted: "appending to the log".to_owned(), error: error.clone() });
        }
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::LyingSync) {
            disk.lie();
        }
        if disk.in_memory {
            disk.count();
        }
        if disk.immediate {
            disk.sync(usize::MAX);
        }
        Ok(disk.done.pop_front())
    }

    fn read_snapshot(
        &mut self,
        index: u64,
        offset: u64,
        len: usize,
        into: &mut Vec<u8>,
    ) -> Result<Option<u64>, StoreError> {
        let disk = self.disk.lock();
        Ok(disk.durable.snapshots.get(&index).map(|bytes| {
            let from = bytes.len().min(offset as usize);
            into.extend_from_slice(&bytes[from..bytes.len().min(from + len)]);
            bytes.len() as u64
        }))
    }
}

#[cfg(test)]
mod tests;
