//! The logs of all partitions of a node, on one disk.
//!
//! | path | content |
//! |---|---|
//! | `entries/` | a raft-engine: entries and hard states, one group per partition |
//! | `entries/next` | zeros that become its next file |
//! | `snapshots/P/INDEX.snapshot` | snapshots of partition P |
//! | `snapshots/P.aside-TIME/` | those of a log of P that was forgotten |
//! | `markers` | how far the log of each partition has been acknowledged |
//! | `P.marker` | the same of partition P alone, from before there was one file for all; it promises nothing any more |
//!
//! The log thread writes for all partitions: whatever has been handed over while it was writing becomes its next
//! batch, with one fsync. Partitions that share a thread form a [`LogGroup`], which hands over what all of them want
//! written once in a cycle, or writes it at once in their own thread, which saves two changes of threads.
//!
//! A failed write or fsync is final. Everybody is told, and nothing is written again. A snapshot for which there is no room
//! is none: nothing depends on it, so it is given up, and the logs go on.

mod ahead;
mod aside;
mod boot;
mod copy;
mod group;
mod lay;
mod marker;
mod reader;
mod snapshots;
mod thread;
mod writer;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{JoinHandle, Thread};

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use nix::sys::statvfs::statvfs;
use wire::{ClusterEpoch, NodeId, PartitionId};

use self::ahead::{FilledAhead, Filler};
use self::snapshots::SnapshotFiles;
use self::thread::{Job, LogThread};
use self::writer::{Pace, Writer};
use super::{Append, Durable, Identity, LogStore, StoreError, Stored};
use crate::Durability;

pub use self::aside::set_aside;
pub use self::boot::BootId;
pub use self::copy::{CopyError, copy};
pub use self::group::{LogGroup, SyncBy};
pub use self::lay::{Beginning, lay};
pub use self::reader::{LogReader, snapshots};

/// Jobs that wait for the thread, over all partitions; a partition has some hundreds at most.
const JOBS_MAX: usize = 16_384;
/// Answers that wait for a partition: more than it ever has writes under way.
const DONE_MAX: usize = 1_024;

/// Where the logs are, and whose they are.
#[derive(Debug, Clone)]
pub struct DiskConfig {
    /// Created if it does not exist. Used by one process at a time.
    pub directory: PathBuf,
    /// The cluster.
    pub epoch: ClusterEpoch,
    /// The node.
    pub node: NodeId,
    /// The run of its host that it is in, if that is known.
    pub boot: Option<BootId>,
    /// Others have what this node has: a log of a partition that is not whole is forgotten, and its replica returns to
    /// them without it. Otherwise it is refused.
    pub has_peers: bool,
    /// Of each partition that has another than the default.
    pub durability: BTreeMap<PartitionId, Durability>,
    /// Bytes of the disk that a snapshot leaves free: one that would need them is not written. Nor is a file of the log filled
    /// with zeros before it is used.
    pub reserve: u64,
}

impl DiskConfig {
    /// Of a node that is alone on this host, and syncs everything.
    pub fn new(directory: PathBuf, epoch: ClusterEpoch, node: NodeId) -> DiskConfig {
        let (boot, durability) = (BootId::of_this_host(), BTreeMap::new());
        DiskConfig { directory, epoch, node, boot, has_peers: false, durability, reserve: 0 }
    }
}

/// The disk and its thread. Dropping it stops the thread, once the logs made from it are dropped.
pub struct Disk {
    config: DiskConfig,
    pace: Pace,
    writer: Arc<Mutex<Writer>>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    _filler: Filler,
}

impl Disk {
    /// Opens the logs, and starts the threads `log` and `log-ahead`.
    pub fn open(config: DiskConfig) -> Result<Disk, StoreError> {
        aside::finish(&config.directory)?;
        create_directory(&config.directory)?;
        let files = Arc::new(FilledAhead::new(writer::entries(&config.directory), config.reserve));
        let writer = Writer::open(&config.directory, config.boot, files.clone())?;
        let filler = Filler::start(files)?;
        let (pace, writer) = (writer.pace(), Arc::new(Mutex::new(writer)));
        let (jobs, queue) = bounded(JOBS_MAX);
        let log = LogThread::new(queue, writer.clone());
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || log.run())
            .map_err(|error| io("starting the log thread", &config.directory, &error))?;
        Ok(Disk { config, pace, writer, jobs: Some(jobs), thread: Some(thread), _filler: filler })
    }

    /// The log of one partition; once per partition. `wake` is called, on the log thread, when a write of it has become
    /// durable.
    pub fn log(&self, partition: PartitionId, wake: impl Fn() + Send + 'static) -> DiskLog {
        self.open_log(partition, wake).0
    }

    /// For partitions whose logs are driven by one thread.
    pub fn group(&self, sync_by: SyncBy) -> LogGroup {
        LogGroup::new(sync_by, self.writer.clone(), self.jobs())
    }

    fn open_log(&self, partition: PartitionId, wake: impl Fn() + Send + 'static) -> (DiskLog, Done) {
        let jobs = self.jobs();
        let (done, answers) = bounded(DONE_MAX);
        jobs.send(Job::Register { partition, done: done.clone(), wake: Box::new(wake) });
        let log = DiskLog {
            identity: Identity { epoch: self.config.epoch, node: self.config.node, partition },
            durability: self.config.durability.get(&partition).copied().unwrap_or_default(),
            may_return: self.config.has_peers,
            files: SnapshotFiles::new(&self.config.directory, partition).leaving(self.config.reserve),
            directory: self.config.directory.clone(),
            writer: self.writer.clone(),
            jobs,
            answers,
            gathered: None,
        };
        (log, done)
    }

    /// Writes that took so long that peers may have elected another leader meanwhile.
    pub fn slow_writes(&self) -> u64 {
        self.pace.slow()
    }

    fn jobs(&self) -> Jobs {
        let sender = self.jobs.clone().expect("the thread runs until the disk is dropped");
        let thread = self.thread.as_ref().expect("the thread runs until the disk is dropped").thread().clone();
        Jobs { sender, thread }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
        let rest = lock(&self.writer, &self.config.directory).and_then(|mut writer| writer.rest());
        if let Err(error) = rest {
            // What was not synced is not trusted after the host has been started anew; nothing else is lost by it.
            tracing::error!(%error, "the log could not be synced at its end");
        }
    }
}

/// The way to the log thread.
struct Jobs {
    sender: Sender<Job>,
    thread: Thread,
}

impl Jobs {
    /// Asks for something. The thread may have stopped already: then the next poll says so.
    fn send(&self, job: Job) {
        let _ = self.sender.send(job);
        self.thread.unpark();
    }
}

/// Where a partition is told what is durable.
type Done = Sender<Result<Durable, StoreError>>;

/// One partition's log on a [`Disk`].
pub struct DiskLog {
    identity: Identity,
    durability: Durability,
    may_return: bool,
    files: SnapshotFiles,
    directory: PathBuf,
    writer: Arc<Mutex<Writer>>,
    jobs: Jobs,
    answers: Receiver<Result<Durable, StoreError>>,
    /// Where its group gathers appends; without one they go to the log thread at once.
    gathered: Option<group::Gathered>,
}

impl LogStore for DiskLog {
    fn load(&mut self) -> Result<Stored, StoreError> {
        self.files.tidy()?;
        let error = match self.load_whole() {
            Err(error @ StoreError::Lost { .. }) if self.may_return => error,
            loaded => return loaded,
        };
        let partition = self.identity.partition;
        tracing::error!(%partition, %error, "the partition's log is forgotten; its replica returns to its peers without it");
        self.files.set_aside()?;
        lock(&self.writer, &self.directory)?.forget(self.identity)?;
        self.load_whole()
    }

    fn append(&mut self, append: Append) {
        let partition = self.identity.partition;
        match &self.gathered {
            Some(gathered) => gathered.push(partition, append),
            None => self.jobs.send(Job::Append { partition, append }),
        }
    }

    fn save_snapshot(&mut self, index: u64, bytes: Vec<u8>) {
        let (partition, files) = (self.identity.partition, self.files.clone());
        self.jobs.send(Job::Snapshot { partition, files, index, bytes });
    }

    fn compact(&mut self, first_index: u64) {
        self.jobs.send(Job::Compact { partition: self.identity.partition, first_index });
    }

    fn poll(&mut self) -> Result<Option<Durable>, StoreError> {
        match self.answers.try_recv() {
            Ok(answer) => answer.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(stopped(&self.directory)),
        }
    }

    fn read_snapshot(
        &mut self,
        index: u64,
        offset: u64,
        len: usize,
        into: &mut Vec<u8>,
    ) -> Result<Option<u64>, StoreError> {
        self.files.read(index, offset, len, into)
    }
}

impl DiskLog {
    fn load_whole(&self) -> Result<Stored, StoreError> {
        let snapshot = self.files.newest()?;
        lock(&self.writer, &self.directory)?.load(self.identity, self.durability, snapshot)
    }
}

fn lock<'a>(writer: &'a Mutex<Writer>, directory: &Path) -> Result<MutexGuard<'a, Writer>, StoreError> {
    writer.lock().map_err(|_| stopped(directory))
}

fn stopped(directory: &Path) -> StoreError {
    let error = "the log thread has stopped".to_owned();
    StoreError::Io { attempted: format!("writing to {}", directory.display()), error }
}

fn io(attempted: &str, path: &Path, error: &std::io::Error) -> StoreError {
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        return StoreError::Full { attempted: format!("{attempted} {}", path.display()) };
    }
    StoreError::Io { attempted: format!("{attempted} {}", path.display()), error: error.to_string() }
}

/// Bytes that are free on the disk of `directory`. A disk that does not say is one whose writes will fail, and they say why.
fn free_space(directory: &Path) -> Option<u64> {
    let said = statvfs(directory).ok()?;
    Some(said.blocks_available().saturating_mul(said.fragment_size()))
}

/// Creates a directory so that it is still there after a crash.
fn create_directory(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directory(parent)?;
        std::fs::create_dir_all(path).map_err(|error| io("creating", path, &error))?;
        return sync_directory(parent);
    }
    std::fs::create_dir_all(path).map_err(|error| io("creating", path, &error))
}

/// Makes the names in a directory durable.
fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let synced = std::fs::File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|error| io("syncing the directory", path, &error))
}

#[cfg(test)]
mod tests;
