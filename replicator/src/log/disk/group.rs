//! The logs of partitions that share a thread: what all of them want written in a cycle is one batch, with one fsync.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use wire::PartitionId;

use super::super::{Append, Durable, StoreError};
use super::thread::Job;
use super::writer::{Pace, Writer};
use super::{Disk, DiskLog, Done, Jobs};

/// Which thread waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncBy {
    /// The log thread; the thread of the partitions goes on meanwhile.
    LogThread,
    /// The thread of the partitions, while a write has lately taken no longer than this; else the log thread. What
    /// arrives during a write waits, and is the next batch: a short wait costs less than two changes of threads.
    CallerIfWithin(Duration),
}

/// See the module. Lives in the thread of its partitions.
pub struct LogGroup {
    sync_by: SyncBy,
    gathered: Gathered,
    writer: Arc<Mutex<Writer>>,
    jobs: Jobs,
    done: Vec<(PartitionId, Done)>,
    /// Batches that the log thread has.
    under_way: Arc<AtomicUsize>,
    pace: Pace,
}

/// The appends of the present cycle. The lock is never contended: all who use it are in one thread.
#[derive(Clone, Default)]
pub(super) struct Gathered(Arc<Mutex<Vec<(PartitionId, Append)>>>);

impl Gathered {
    pub(super) fn push(&self, partition: PartitionId, append: Append) {
        self.0.lock().expect("nothing panics under it").push((partition, append));
    }

    fn take(&self) -> Vec<(PartitionId, Append)> {
        std::mem::take(&mut *self.0.lock().expect("nothing panics under it"))
    }
}

impl LogGroup {
    pub(super) fn new(sync_by: SyncBy, writer: Arc<Mutex<Writer>>, jobs: Jobs) -> LogGroup {
        let pace = writer.lock().map_or_else(|poisoned| poisoned.into_inner().pace(), |writer| writer.pace());
        let (gathered, done, under_way) = Default::default();
        LogGroup { sync_by, gathered, writer, jobs, done, under_way, pace }
    }

    /// The log of one more partition of the group; once per partition. `wake` is called, on the log thread, when
    /// that thread has made something of it durable.
    pub fn log(&mut self, disk: &Disk, partition: PartitionId, wake: impl Fn() + Send + 'static) -> DiskLog {
        let (mut log, done) = disk.open_log(partition, wake);
        log.gathered = Some(self.gathered.clone());
        self.done.push((partition, done));
        log
    }

    /// Writes what the partitions have appended since the last time, or hands it to the log thread. Called after every
    /// cycle of theirs. Returns how many appends are durable now: their logs say so in the next poll, and whether it
    /// failed.
    pub fn flush(&mut self) -> usize {
        let batch = self.gathered.take();
        if batch.is_empty() {
            return 0;
        }
        match self.sync_by {
            SyncBy::CallerIfWithin(patience) if self.is_idle() && self.pace.mean() <= patience => self.write(batch),
            _ => self.hand_over(batch),
        }
    }

    /// Whether a cycle wants something written.
    pub fn is_due(&self) -> bool {
        !self.gathered.0.lock().expect("nothing panics under it").is_empty()
    }

    /// Whether the log thread has nothing of this group: what follows must not overtake it.
    fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
    }

    fn hand_over(&mut self, appends: Vec<(PartitionId, Append)>) -> usize {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.jobs.send(Job::Batch { appends, under_way: Arc::clone(&self.under_way) });
        0
    }

    /// While the log thread has the writer, to purge for instance, the batch is left to it.
    fn write(&mut self, batch: Vec<(PartitionId, Append)>) -> usize {
        let written = match self.writer.try_lock() {
            Ok(mut writer) => Some(writer.append(&batch)),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Poisoned(_)) => Some(Err(StoreError::Io {
                attempted: "writing to the log".to_owned(),
                error: "a thread stopped in the middle of a write".to_owned(),
            })),
        };
        let Some(written) = written else { return self.hand_over(batch) };
        if let Err(error) = written {
            tracing::error!(%error, "the log has failed; nothing is written any more");
            self.done.iter().for_each(|(_, done)| drop(done.try_send(Err(error.clone()))));
            return batch.len();
        }
        for (partition, append) in &batch {
            let (_, done) = self.done.iter().find(|(known, _)| known == partition).expect("its log is of this group");
            // A partition has fewer writes under way than fit; one that has gone does not want to know.
            drop(done.try_send(Ok(Durable::Appended { ticket: append.ticket })));
        }
        batch.len()
    }
}
