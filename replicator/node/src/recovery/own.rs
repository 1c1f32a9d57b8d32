//! What a node has on its own disk, as a life to recover from: what a learner is promoted with when nobody else is left.
//!
//! Of its log counts what it knows to be committed: up to the commit index that it wrote down, or up to the last command
//! whose events it has told, whichever is later. What lies behind may never have happened, and may contradict what did.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use replicator::log::disk::{LogReader, snapshots};
use replicator::log::{Entry, EntryType, Identity, StoreError, Stored};
use replicator::{Members, Standing, entry, snapshot};
use wire::codec::CodecError;
use wire::{ClusterEpoch, LogPosition, NodeId, PartitionId};

use super::{Backup, Kept};
use crate::archive::{Archive, ArchiveError};
use crate::block::EventBlock;

/// Bytes of events that are read at once.
const EVENTS_BYTES: usize = 1024 * 1024;

/// See the module.
pub struct Own {
    partitions: BTreeMap<PartitionId, Shelf>,
}

/// What its disk has of one partition, however that is read.
pub struct Part {
    /// The log.
    pub stored: Stored,
    /// Snapshots by log index, oldest first.
    pub snapshots: Vec<(u64, Box<dyn SnapshotFile>)>,
    /// Its events.
    pub events: Box<dyn EventFile>,
}

/// A snapshot that can be read, more than once.
pub trait SnapshotFile: Send + Sync {
    /// All of it. An error is a sentence that names the file.
    fn read(&self) -> Result<Vec<u8>, String>;
}

/// Events that can be read.
pub trait EventFile: Send {
    /// The last position that they reach.
    fn end(&self) -> LogPosition;

    /// From position `from` on, about so many bytes; empty behind the end. An error is a sentence that says what is missing.
    fn read(&mut self, from: LogPosition, bytes_max: usize) -> Result<EventBlock, String>;
}

/// One partition.
struct Shelf {
    /// From the first that is still there to the last that is committed.
    entries: Vec<Entry>,
    snapshots: Vec<(Kept, Box<dyn SnapshotFile>)>,
    events: Mutex<Box<dyn EventFile>>,
    members: Members,
    uncommitted: u64,
}

/// Why it cannot be recovered from.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events cannot be read.
    #[error(transparent)]
    Events(#[from] ArchiveError),
    /// It has nothing.
    #[error("partition {partition}: this node has no state of it: it had not caught up")]
    Nothing {
        /// Of which partition.
        partition: PartitionId,
    },
    /// An entry cannot be read.
    #[error("partition {partition}: log entry {index}: {source}")]
    Entry {
        /// Of which partition.
        partition: PartitionId,
        /// Which.
        index: u64,
        /// What is wrong.
        source: CodecError,
    },
}

impl Own {
    /// Of `node` in the life `epoch`, which has these partitions. `log` is a copy of its log directory, which is written to;
    /// `events` says where the events of a partition are.
    pub fn open(
        node: NodeId,
        epoch: ClusterEpoch,
        partitions: &[PartitionId],
        log: &Path,
        events: impl Fn(PartitionId) -> PathBuf,
    ) -> Result<Own, OwnError> {
        let mut reader = LogReader::open(log)?;
        let mut parts = BTreeMap::new();
        for partition in partitions {
            let events = Box::new(Archive::open(&events(*partition), *partition)?);
            let stored = reader.load(Identity { epoch, node, partition: *partition })?;
            let files = snapshots(log, *partition)?.into_iter();
            let snapshots = files.map(|(index, path)| (index, Box::new(path) as Box<dyn SnapshotFile>)).collect();
            parts.insert(*partition, Part { stored, snapshots, events });
        }
        Own::of(epoch, parts)
    }

    /// The same of parts that were read already.
    pub fn of(epoch: ClusterEpoch, parts: BTreeMap<PartitionId, Part>) -> Result<Own, OwnError> {
        let shelve = |(partition, part)| Ok((partition, Shelf::of(partition, epoch, part)?));
        Ok(Own { partitions: parts.into_iter().map(shelve).collect::<Result<_, OwnError>>()? })
    }

    /// Entries behind the last that this node knows to be committed.
    pub fn uncommitted(&self, partition: PartitionId) -> u64 {
        self.partitions.get(&partition).map_or(0, |shelf| shelf.uncommitted)
    }

    /// Who had a replica, as of the last entry that counts. Nobody votes among them where the log is from its first entry on
    /// and does not say who founded it: then the configuration does.
    pub fn members(&self, partition: PartitionId) -> Option<&Members> {
        self.partitions.get(&partition).map(|shelf| &shelf.members)
    }

    fn shelf(&self, partition: PartitionId) -> Result<&Shelf, String> {
        self.partitions.get(&partition).ok_or_else(|| "this node has no such partition".to_owned())
    }
}

impl Shelf {
    fn of(partition: PartitionId, epoch: ClusterEpoch, part: Part) -> Result<Shelf, OwnError> {
        let Part { stored, snapshots, events } = part;
        let mut found: Vec<(Kept, Box<dyn SnapshotFile>)> = Vec::new();
        let mut newest = None;
        for (index, file) in snapshots {
            // One that is damaged is passed over as the node passes over it.
            let Ok(bytes) = file.read() else { continue };
            let Ok(opened) = snapshot::open(&bytes) else { continue };
            let header = opened.header;
            if (header.partition, header.epoch) != (partition, epoch) {
                continue;
            }
            found.push((Kept { index, position: header.position, timestamp: header.timestamp }, file));
            newest = Some(header);
        }
        let first = stored.entries.first().map_or(u64::MAX, |entry| entry.index);
        // A snapshot that the log does not go on from leads nowhere, unless it is the last word.
        let last = found.last().map(|(kept, _)| kept.index);
        found.retain(|(kept, _)| kept.index + 1 >= first || Some(kept.index) == last);
        let (base, position, members) = match newest {
            Some(header) => (header.index, header.position, header.members),
            None if first == 1 => (0, LogPosition::ZERO, founders(stored.standing.as_ref())),
            None => return Err(OwnError::Nothing { partition }),
        };
        let behind = |entry: &&Entry| entry.index > base;
        let committed = stored.hard_state.commit.max(base);
        let told = told(partition, stored.entries.iter().filter(behind), position, events.end())?;
        let upto = committed.max(told.unwrap_or(0));
        let mut entries = stored.entries;
        let all = entries.len();
        entries.retain(|entry| entry.index <= upto);
        let uncommitted = (all - entries.len()) as u64;
        let changes = entries.iter().filter(behind).filter(|it| it.get_entry_type() == EntryType::EntryConfChangeV2);
        let members = changes.fold(members, |members, entry| members.after(entry).unwrap_or(members));
        Ok(Shelf { entries, snapshots: found, events: Mutex::new(events), members, uncommitted })
    }
}

/// Who voted before the first entry.
fn founders(standing: Option<&Standing>) -> Members {
    match standing {
        Some(Standing::Founder { numbers }) => Members::founders(&numbers.keys().copied().collect::<Vec<_>>()),
        _ => Members::default(),
    }
}

/// The entry with the last command whose events were told: that was applied here, so it is committed.
fn told<'a>(
    partition: PartitionId,
    entries: impl Iterator<Item = &'a Entry>,
    mut position: LogPosition,
    told: LogPosition,
) -> Result<Option<u64>, OwnError> {
    for entry in entries {
        if position >= told {
            return Ok(None);
        }
        let commands = entry::count(entry);
        let commands = commands.map_err(|source| OwnError::Entry { partition, index: entry.index, source })?;
        position = LogPosition::new(position.get() + commands);
        if position >= told {
            return Ok(Some(entry.index));
        }
    }
    Ok(None)
}

impl Backup for Own {
    fn snapshots(&self, partition: PartitionId) -> Vec<Kept> {
        let kept = |shelf: &Shelf| shelf.snapshots.iter().map(|(kept, _)| *kept).collect();
        self.partitions.get(&partition).map(kept).unwrap_or_default()
    }

    fn snapshot(&self, partition: PartitionId, index: u64) -> Result<Vec<u8>, String> {
        let shelf = self.shelf(partition)?;
        let found = shelf.snapshots.iter().find(|(kept, _)| kept.index == index);
        let (_, file) = found.ok_or_else(|| format!("there is no snapshot at log entry {index}"))?;
        file.read()
    }

    fn entries(&self, partition: PartitionId, from: u64) -> Result<Option<Vec<Entry>>, String> {
        let shelf = self.shelf(partition)?;
        let Some(first) = shelf.entries.first().map(|entry| entry.index) else { return Ok(None) };
        if from < first {
            return Err(format!("log entries {from} to {} are not on this disk any more", first - 1));
        }
        let rest = shelf.entries.get((from - first) as usize..).unwrap_or_default();
        Ok((!rest.is_empty()).then(|| rest.to_vec()))
    }

    fn events(&self, partition: PartitionId, from: LogPosition) -> Result<Option<EventBlock>, String> {
        let shelf = self.shelf(partition)?;
        let mut events = shelf.events.lock().map_err(|_| "a reader panicked".to_owned())?;
        let block = events.read(from, EVENTS_BYTES)?;
        Ok((block.upto() >= from).then_some(block))
    }
}

impl SnapshotFile for PathBuf {
    fn read(&self) -> Result<Vec<u8>, String> {
        fs::read(self).map_err(|error| format!("{}: {error}", self.display()))
    }
}

impl EventFile for Archive {
    fn end(&self) -> LogPosition {
        Archive::end(self)
    }

    fn read(&mut self, from: LogPosition, bytes_max: usize) -> Result<EventBlock, String> {
        let read = Archive::read(self, from, bytes_max).map_err(|error| error.to_string())?;
        read.map_err(|first| {
            format!("events from position {from} to {} were not fetched yet", first.get().saturating_sub(1))
        })
    }
}

#[cfg(test)]
mod tests;
