//! The archive thread: writes the events of every partition to this node's disk, and reads them back for
//! subscribers whom memory cannot serve. So no partition and no link waits for this disk, but for the moment of
//! a snapshot.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use wire::link::Subscribe;
use wire::{LogPosition, PartitionId};

use crate::archive::{Archive, ArchiveError, Gap};
use crate::block::EventBlock;
use crate::machine::EventSink;
use crate::metrics::ArchiveMetrics;
use crate::rings::{Doorbell, DoorbellWait, FromArchive, ToArchive};

/// Bytes of events read for a subscription at a time.
const READ_BYTES: usize = 256 * 1024;
/// Work done before what was written is handed to the operating system.
const WORK_PER_CYCLE: usize = 256;
/// How long work gathers: nobody waits for an event to be in the file, so waking for each would be waste.
const PAUSE: Duration = Duration::from_millis(20);
/// The same while subscribers read: whoever has got a chunk asks for the next.
const PAUSE_READING: Duration = Duration::from_millis(2);
/// How often whoever waits for the archive thread looks whether it is still there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The state of the archive thread.
pub struct Archivist {
    archives: BTreeMap<PartitionId, Shelf>,
    work: Receiver<ToArchive>,
    answers: Sender<FromArchive>,
    /// Reads that wait until the network thread has taken answers.
    reads: VecDeque<(u64, Subscribe)>,
    network: Doorbell,
    life: Arc<Life>,
    pause: DoorbellWait,
    has_read: bool,
}

/// What partitions know of the archive thread: whether it lives, and how to end its pause.
pub struct Life {
    doorbell: Doorbell,
}

struct Shelf {
    archive: Archive,
    /// The gaps that the network thread was told of last.
    told: Vec<Gap>,
    /// It is to be told again: its ring was full.
    owes_gap: bool,
    metrics: ArchiveMetrics,
}

impl Archivist {
    /// Takes care of these archives.
    pub fn new(
        archives: Vec<(PartitionId, Archive, ArchiveMetrics)>,
        work: Receiver<ToArchive>,
        answers: Sender<FromArchive>,
        network: Doorbell,
    ) -> Archivist {
        let shelves = archives.into_iter().map(|(partition, archive, metrics)| {
            (partition, Shelf { archive, told: Vec::new(), owes_gap: false, metrics })
        });
        let (doorbell, pause) = Doorbell::new();
        Archivist {
            archives: shelves.collect(),
            work,
            answers,
            reads: VecDeque::new(),
            network,
            life: Arc::new(Life { doorbell }),
            pause,
            has_read: false,
        }
    }

    /// Gone when the thread has ended, however that was.
    pub fn life(&self) -> Weak<Life> {
        Arc::downgrade(&self.life)
    }

    /// Works until it is told to stop or nobody can send work. An error is fatal for the node: what cannot be
    /// archived would be missing.
    pub fn run(mut self) -> Result<(), ArchiveError> {
        let partitions: Vec<PartitionId> = self.archives.keys().copied().collect();
        for partition in partitions {
            self.tell_gap(partition, true);
        }
        let work = self.work.clone();
        loop {
            let first = match work.recv_timeout(self.patience()) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            };
            for next in first.into_iter().chain(work.try_iter().take(WORK_PER_CYCLE)) {
                if self.work(next)?.is_break() {
                    return self.flush();
                }
            }
            self.answer_late()?;
            self.flush()?;
            if self.work.len() < WORK_PER_CYCLE {
                let is_reading = std::mem::take(&mut self.has_read);
                self.pause.wait(if is_reading { PAUSE_READING } else { PAUSE });
            }
        }
    }

    /// How long to wait for work: an answer that did not fit the ring is tried again.
    fn patience(&self) -> Duration {
        let owes = !self.reads.is_empty() || self.archives.values().any(|shelf| shelf.owes_gap);
        if owes { PAUSE_READING } else { LOOK_EVERY }
    }

    fn work(&mut self, work: ToArchive) -> Result<ControlFlow<()>, ArchiveError> {
        match work {
            ToArchive::Append(partition, block) => {
                let shelf = self.shelf(partition);
                let leaves_gap = block.after() > shelf.archive.end();
                shelf.archive.append(&block)?;
                if leaves_gap {
                    self.tell_gap(partition, false);
                }
            }
            ToArchive::Jump(partition, position) => {
                self.shelf(partition).archive.jump(position)?;
                // A replica whose state has jumped waits for the word, also where nothing is missing.
                self.tell_gap(partition, true);
            }
            ToArchive::Sync(partition, done) => {
                self.shelf(partition).archive.sync()?;
                // A partition thread that is gone does not wait.
                let _ = done.send(());
            }
            ToArchive::Read { key, wanted } if self.answers.is_full() => self.reads.push_back((key, wanted)),
            ToArchive::Read { key, wanted } => self.read(key, wanted)?,
            ToArchive::Copy { partition, from, to } => {
                // Whoever asked may have gone.
                drop(to.try_send(self.shelf(partition).archive.read(from, READ_BYTES)?));
            }
            ToArchive::Fill(partition, block) => {
                self.shelf(partition).archive.fill(&block)?;
                self.tell_gap(partition, false);
            }
            ToArchive::ReportGap(partition) => self.tell_gap(partition, true),
            ToArchive::Stop => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn read(&mut self, key: u64, wanted: Subscribe) -> Result<(), ArchiveError> {
        self.has_read = true;
        let result = self.shelf(wanted.partition).archive.read(wanted.from, READ_BYTES)?.map(Arc::new);
        self.answer(FromArchive::Read { key, result });
        self.tell_gap(wanted.partition, false);
        Ok(())
    }

    /// Does what an answer ring that was full put off. The network thread may wait for this one, so this one never
    /// waits for it.
    fn answer_late(&mut self) -> Result<(), ArchiveError> {
        while !self.answers.is_full()
            && let Some((key, wanted)) = self.reads.pop_front()
        {
            self.read(key, wanted)?;
        }
        let owed: Vec<PartitionId> =
            self.archives.iter().filter(|(_, shelf)| shelf.owes_gap).map(|(partition, _)| *partition).collect();
        for partition in owed {
            self.tell_gap(partition, true);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ArchiveError> {
        for shelf in self.archives.values_mut() {
            shelf.archive.flush()?;
            shelf.metrics.observe(shelf.archive.byte_len(), shelf.archive.end());
        }
        Ok(())
    }

    /// Tells the network thread of gaps that it does not know to end where they end, or in any case.
    fn tell_gap(&mut self, partition: PartitionId, in_any_case: bool) {
        let shelf = self.shelf(partition);
        let is_known = shelf.archive.gaps().map(|gap| gap.upto).eq(shelf.told.iter().map(|gap| gap.upto));
        if !is_known || in_any_case {
            let missing = shelf.archive.missing();
            shelf.told.clone_from(&missing.gaps);
            let is_told = self.answer(FromArchive::Gap(partition, missing));
            self.shelf(partition).owes_gap = !is_told;
        }
    }

    /// Whether the ring took it.
    fn answer(&self, answer: FromArchive) -> bool {
        let is_taken = self.answers.try_send(answer).is_ok();
        self.network.ring();
        is_taken
    }

    fn shelf(&mut self, partition: PartitionId) -> &mut Shelf {
        self.archives.get_mut(&partition).expect("every hosted partition has an archive")
    }
}

/// A partition thread's way to the archive thread.
pub struct ArchiveSink {
    partition: PartitionId,
    work: Sender<ToArchive>,
    /// Of the archive thread.
    life: Weak<Life>,
    /// The answer to a sync that was begun and not waited for.
    syncing: Option<Receiver<()>>,
}

impl ArchiveSink {
    /// For one partition's events; `life` is the archive thread's.
    pub fn new(partition: PartitionId, work: Sender<ToArchive>, life: Weak<Life>) -> ArchiveSink {
        ArchiveSink { partition, work, life, syncing: None }
    }

    /// Waits when the ring is full. Without the archive thread the node must not go on.
    fn put(&self, work: ToArchive) {
        self.work.send(work).expect("the archive thread has ended: its error says why");
    }
}

impl EventSink for ArchiveSink {
    fn append(&mut self, block: Arc<EventBlock>) {
        self.put(ToArchive::Append(self.partition, block));
    }

    fn sync(&mut self) {
        let (done, wait) = bounded(1);
        self.put(ToArchive::Sync(self.partition, done));
        if let Some(life) = self.life.upgrade() {
            life.doorbell.ring();
        }
        loop {
            match wait.recv_timeout(LOOK_EVERY) {
                Ok(()) => return,
                // What is on the ring when the thread ends is neither answered nor dropped: others can still send.
                Err(RecvTimeoutError::Timeout) if self.life.strong_count() > 0 => {}
                Err(_) => panic!("the archive thread has ended: its error says why"),
            }
        }
    }

    fn poll_sync(&mut self) -> bool {
        let Some(syncing) = &self.syncing else {
            let (done, wait) = bounded(1);
            self.put(ToArchive::Sync(self.partition, done));
            self.syncing = Some(wait);
            return false;
        };
        if syncing.try_recv().is_err() {
            assert!(self.life.strong_count() > 0, "the archive thread has ended: its error says why");
            return false;
        }
        self.syncing = None;
        true
    }

    fn jump(&mut self, position: LogPosition) {
        // A sync begun before does not say that the jump is on disk.
        self.syncing = None;
        self.put(ToArchive::Jump(self.partition, position));
    }
}

#[cfg(test)]
mod tests;
