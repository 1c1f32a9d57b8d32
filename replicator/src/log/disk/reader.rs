//! A node's logs, read by somebody else than the node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wire::PartitionId;

use super::super::{Identity, StoreError, Stored};
use super::BootId;
use super::ahead::FilledAhead;
use super::snapshots::SnapshotFiles;
use super::writer::{self, Writer};
use crate::Durability;

/// The logs in a directory. Opening cuts torn ends off, as a node does: give it a copy of what a node may still want.
pub struct LogReader {
    writer: Writer,
    directory: PathBuf,
}

impl LogReader {
    /// Opens the logs in `directory`.
    pub fn open(directory: &Path) -> Result<LogReader, StoreError> {
        let files = Arc::new(FilledAhead::new(writer::entries(directory), 0));
        let writer = Writer::open(directory, BootId::of_this_host(), files)?;
        Ok(LogReader { writer, directory: directory.to_path_buf() })
    }

    /// Every partition that has a log here.
    pub fn partitions(&self) -> Vec<PartitionId> {
        self.writer.partitions()
    }

    /// A partition's log, refused as its node would refuse it.
    pub fn load(&mut self, identity: Identity) -> Result<Stored, StoreError> {
        let snapshot = SnapshotFiles::new(&self.directory, identity.partition).newest()?;
        self.writer.load(identity, Durability::QuorumFsync, snapshot)
    }
}

/// The snapshots of a partition in a node's log directory, with the log indices that they were taken at, oldest first. A
/// file may be gone when it is opened: a node that runs keeps the newest ones alone.
pub fn snapshots(directory: &Path, partition: PartitionId) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let files = SnapshotFiles::new(directory, partition);
    Ok(files.indices()?.into_iter().map(|index| (index, files.path(index))).collect())
}
