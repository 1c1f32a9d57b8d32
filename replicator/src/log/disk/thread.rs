//! The log thread: one duty cycle over the jobs of all partitions.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, TryRecvError};
use wire::PartitionId;

use super::super::{Append, Durable, StoreError};
use super::snapshots::{SnapshotFiles, SnapshotWriter};
use super::writer::Writer;

/// One write takes at most so many jobs.
const GROUP_MAX: usize = 1_024;
const PURGE_EVERY: Duration = Duration::from_secs(10);

/// What a partition asks for.
pub enum Job {
    Register {
        partition: PartitionId,
        done: Sender<Result<Durable, StoreError>>,
        wake: Box<dyn Fn() + Send>,
    },
    Append {
        partition: PartitionId,
        append: Append,
    },
    /// Appends of several partitions, each in order. Counted down once they are durable and everybody was told.
    Batch {
        appends: Vec<(PartitionId, Append)>,
        under_way: Arc<AtomicUsize>,
    },
    Compact {
        partition: PartitionId,
        first_index: u64,
    },
    Snapshot {
        partition: PartitionId,
        files: SnapshotFiles,
        index: u64,
        bytes: Vec<u8>,
    },
}

/// See the module.
pub struct LogThread {
    jobs: Receiver<Job>,
    writer: Arc<Mutex<Writer>>,
    partitions: BTreeMap<PartitionId, Partition>,
    group: Vec<(PartitionId, Append)>,
    batches: Vec<Arc<AtomicUsize>>,
    compactions: Vec<(PartitionId, u64)>,
    snapshots: VecDeque<(PartitionId, SnapshotWriter)>,
    purge_at: Instant,
    compacted: bool,
}

struct Partition {
    done: Sender<Result<Durable, StoreError>>,
    wake: Box<dyn Fn() + Send>,
}

impl LogThread {
    pub fn new(jobs: Receiver<Job>, writer: Arc<Mutex<Writer>>) -> LogThread {
        LogThread {
            jobs,
            writer,
            partitions: BTreeMap::new(),
            group: Vec::new(),
            batches: Vec::new(),
            compactions: Vec::new(),
            snapshots: VecDeque::new(),
            purge_at: Instant::now() + PURGE_EVERY,
            compacted: false,
        }
    }

    /// Until nobody can send a job any more, or something fails.
    pub fn run(mut self) {
        while self.wait() {
            // After a panic nothing of this thread is used any more but the ways to those who are told.
            let done = catch_unwind(AssertUnwindSafe(|| self.cycle())).unwrap_or_else(|_| {
                Err(StoreError::Io {
                    attempted: "writing to the log".to_owned(),
                    error: "the log thread panicked".to_owned(),
                })
            });
            if let Err(error) = done {
                tracing::error!(%error, "the log has failed; nothing is written any more");
                for partition in self.partitions.values() {
                    let _ = partition.done.send(Err(error.clone()));
                    (partition.wake)();
                }
                return;
            }
        }
    }

    fn cycle(&mut self) -> Result<(), StoreError> {
        self.write_group()?;
        self.write_compactions()?;
        self.write_snapshot()?;
        self.purge()
    }

    /// Takes what has been asked for; waits only if there is nothing else to do. False once everybody is gone.
    fn wait(&mut self) -> bool {
        let first = match self.jobs.try_recv() {
            Err(TryRecvError::Empty) if self.snapshots.is_empty() => {
                // Whoever sends unparks this thread. A channel that waits would spin first, and take the core from
                // the one it waits for.
                std::thread::park_timeout(PURGE_EVERY);
                self.jobs.try_recv()
            }
            first => first,
        };
        match first {
            Ok(job) => self.take(job),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return !self.snapshots.is_empty(),
        }
        while self.group.len() < GROUP_MAX
            && let Ok(job) = self.jobs.try_recv()
        {
            self.take(job);
        }
        true
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Register { partition, done, wake } => {
                self.partitions.insert(partition, Partition { done, wake });
            }
            Job::Append { partition, append } => self.group.push((partition, append)),
            Job::Batch { appends, under_way } => {
                self.group.extend(appends);
                self.batches.push(under_way);
            }
            Job::Compact { partition, first_index } => self.compactions.push((partition, first_index)),
            Job::Snapshot { partition, files, index, bytes } => {
                self.snapshots.push_back((partition, SnapshotWriter::new(files, index, bytes)));
            }
        }
    }

    fn write_group(&mut self) -> Result<(), StoreError> {
        if self.group.is_empty() {
            return Ok(());
        }
        let mut group = std::mem::take(&mut self.group);
        let mut unsynced = Vec::new();
        self.with_writer(|_, writer| {
            unsynced = writer.take_unsynced(&mut group);
            if unsynced.is_empty() { Ok(()) } else { writer.append(&unsynced) }
        })?;
        self.tell(&unsynced);
        if !group.is_empty() {
            self.with_writer(|_, writer| writer.append(&group))?;
            self.tell(&group);
        }
        for under_way in self.batches.drain(..) {
            under_way.fetch_sub(1, Ordering::Release);
        }
        Ok(())
    }

    fn write_compactions(&mut self) -> Result<(), StoreError> {
        for (partition, first_index) in std::mem::take(&mut self.compactions) {
            self.with_writer(|_, writer| writer.compact(partition, first_index))?;
            self.compacted = true;
        }
        Ok(())
    }

    fn write_snapshot(&mut self) -> Result<(), StoreError> {
        let Some((partition, snapshot)) = self.snapshots.front_mut() else { return Ok(()) };
        let (partition, index) = (*partition, snapshot.index());
        let durable = match snapshot.step() {
            Ok(false) => return Ok(()),
            Ok(true) => Durable::Snapshot { index },
            Err(error @ StoreError::Full { .. }) => {
                tracing::error!(%partition, index, %error, "a snapshot is given up; the log keeps what it would have told");
                Durable::SnapshotRefused { index }
            }
            Err(error) => return Err(error),
        };
        self.snapshots.pop_front();
        self.answer(partition, durable);
        Ok(())
    }

    fn purge(&mut self) -> Result<(), StoreError> {
        if !self.compacted || Instant::now() < self.purge_at {
            return Ok(());
        }
        self.with_writer(|_, writer| writer.purge())?;
        self.purge_at = Instant::now() + PURGE_EVERY;
        self.compacted = false;
        Ok(())
    }

    fn with_writer(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Writer) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let writer = self.writer.clone();
        let mut writer = writer.lock().map_err(|_| StoreError::Io {
            attempted: "writing to the log".to_owned(),
            error: "a partition's thread stopped in the middle of a write".to_owned(),
        })?;
        work(self, &mut writer)
    }

    fn tell(&self, group: &[(PartitionId, Append)]) {
        for (partition, append) in group {
            self.answer(*partition, Durable::Appended { ticket: append.ticket });
        }
    }

    fn answer(&self, partition: PartitionId, durable: Durable) {
        let partition = self.partitions.get(&partition).expect("a partition registers before it asks");
        // Whoever has gone does not want to know.
        let _ = partition.done.send(Ok(durable));
        (partition.wake)();
    }
}
