//! Reads a backup: one life of a cluster, as it is recovered from.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use node::recovery::{Backup, Former, Kept};
use node::{EventBlock, kept};
use replicator::log::Entry;
use replicator::{Shipped, snapshot};
use tokio::runtime::Handle;
use wire::codec::CodecError;
use wire::{ClusterEpoch, LogPosition, PartitionId, Timestamp};

use super::names::{self, EventsName, LifeFile, LogName, SnapshotName};
use super::place::Place;

/// One life in a backup.
pub struct Library {
    place: Place,
    former: Former,
    shelves: BTreeMap<PartitionId, Shelf>,
    runtime: Handle,
}

/// One partition.
struct Shelf {
    folder: String,
    /// In the order of their first entries.
    log: Vec<LogName>,
    snapshots: Vec<SnapshotName>,
    events: Vec<EventsName>,
    /// The piece of log that was read last.
    open: Mutex<Option<(LogName, Shipped)>>,
}

/// A partition at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The first log entry, or the one after the first snapshot.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// Log time there.
    pub timestamp: Timestamp,
    /// Pieces of log, snapshots, pieces of events.
    pub pieces: (usize, usize, usize),
    /// The newest snapshot.
    pub snapshot: Option<SnapshotName>,
}

impl Library {
    /// The lives in a backup, oldest first.
    pub async fn lives(place: &Place) -> miette::Result<Vec<ClusterEpoch>> {
        let folders = place.folders("").await.map_err(|error| unreadable(place, &error))?;
        let mut lives: Vec<ClusterEpoch> = folders.iter().filter_map(|folder| names::epoch_of(folder)).collect();
        lives.sort_unstable();
        if lives.is_empty() {
            miette::bail!(
                help = "nodes ship to where `[backup] to` in their configuration says",
                "{} holds no backup",
                place.text()
            );
        }
        Ok(lives)
    }

    /// Opens a life. What is in it is listed, and read when it is needed.
    pub async fn open(place: &Place, epoch: ClusterEpoch) -> miette::Result<Library> {
        let folder = names::life(epoch);
        let name = format!("{folder}/life.toml");
        let found = place.find(&name).await.map_err(|error| unreadable(place, &error))?;
        let found = found.ok_or_else(|| miette::miette!("{}: {name} is missing", place.text()))?;
        let damaged = |why: String| miette::miette!("{}: {name} is damaged: {why}", place.text());
        let text = std::str::from_utf8(&found).map_err(|error| damaged(error.to_string()))?;
        let life: LifeFile = toml::from_str(text).map_err(|error| damaged(error.to_string()))?;
        life.check(epoch).map_err(damaged)?;
        let folders = place.folders(&folder).await.map_err(|error| unreadable(place, &error))?;
        let unnamed = folders.iter().filter_map(|name| names::partition_of(name));
        if let Some(other) = unnamed.filter(|it| !life.partitions.contains(&it.get())).min() {
            return Err(damaged(format!("partition {other} lies beside it and is not named")));
        }
        let partitions: Vec<PartitionId> = life.partitions.iter().copied().map(PartitionId::new).collect();
        let mut shelves = BTreeMap::new();
        for partition in &partitions {
            let folder = names::partition(epoch, *partition);
            let listed = place.list(&folder, None).await.map_err(|error| unreadable(place, &error))?;
            shelves.insert(*partition, Shelf::of(folder, &listed));
        }
        let former = Former::new(epoch, PartitionId::new(life.ledger), partitions);
        Ok(Library { place: place.clone(), former, shelves, runtime: Handle::current() })
    }

    /// Which cluster it is of.
    pub fn former(&self) -> &Former {
        &self.former
    }

    /// A partition at a glance.
    pub fn summary(&self, partition: PartitionId) -> Summary {
        let shelf = &self.shelves[&partition];
        let snapshot = shelf.snapshots.last().copied();
        let last_log = shelf.log.iter().max_by_key(|log| log.last);
        let of_log = last_log.map(|log| (log.last, log.timestamp));
        let of_snapshot = snapshot.map(|snapshot| (snapshot.index, snapshot.timestamp));
        let (last, timestamp) = of_log.max(of_snapshot).unwrap_or_default();
        let first_log = shelf.log.first().map(|log| log.first);
        let first_snapshot = shelf.snapshots.first().map(|snapshot| snapshot.index + 1);
        let first = [first_log, first_snapshot].into_iter().flatten().min().unwrap_or(0);
        let pieces = (shelf.log.len(), shelf.snapshots.len(), shelf.events.len());
        Summary { first, last, timestamp, pieces, snapshot }
    }

    /// The earliest log time that every partition can be recovered at.
    pub fn begins(&self) -> Timestamp {
        let begin = |shelf: &Shelf| match shelf.log.first() {
            Some(log) if log.first == 1 => Timestamp::ZERO,
            _ => shelf.snapshots.first().map_or(Timestamp::ZERO, |snapshot| snapshot.timestamp),
        };
        self.shelves.values().map(begin).max().unwrap_or(Timestamp::ZERO)
    }

    /// Reads every piece of a partition's log, also those that others cover.
    pub fn check_log(&self, partition: PartitionId) -> Result<(), String> {
        let shelf = self.shelf(partition)?;
        shelf.log.iter().try_for_each(|name| self.piece(partition, shelf, *name).map(drop))
    }

    fn read(&self, name: &str) -> Result<Bytes, String> {
        let read = self.runtime.block_on(self.place.get(name));
        read.map_err(|error| match error {
            object_store::Error::NotFound { .. } => format!("{name} is missing from {}", self.place.text()),
            error => format!("{name} cannot be read: {error}"),
        })
    }

    fn shelf(&self, partition: PartitionId) -> Result<&Shelf, String> {
        self.shelves.get(&partition).ok_or_else(|| format!("{} has no such partition", self.place.text()))
    }

    /// A piece of the log, checked against its name.
    fn piece(&self, partition: PartitionId, shelf: &Shelf, wanted: LogName) -> Result<Shipped, String> {
        let name = format!("{}/{}", shelf.folder, wanted.text());
        let piece = Shipped::decode(&self.read(&name)?).map_err(|error| format!("{name}: {error}"))?;
        let is = (piece.partition, piece.epoch, piece.first(), piece.last(), piece.timestamp);
        if is != (partition, self.former.epoch, wanted.first, wanted.last, wanted.timestamp) {
            return Err(format!(
                "{name} holds entries {} to {} of partition {} in life {}, up to {} ns",
                is.2,
                is.3,
                piece.partition,
                piece.epoch,
                piece.timestamp.nanos()
            ));
        }
        Ok(piece)
    }
}

impl Shelf {
    fn of(folder: String, listed: &[String]) -> Shelf {
        let mut shelf =
            Shelf { folder, log: Vec::new(), snapshots: Vec::new(), events: Vec::new(), open: Mutex::new(None) };
        for name in listed {
            let file = name.rsplit('/').next().unwrap_or_default();
            shelf.log.extend(LogName::parse(file));
            shelf.snapshots.extend(SnapshotName::parse(file));
            shelf.events.extend(EventsName::parse(file));
        }
        shelf.log.sort_unstable();
        shelf.snapshots.sort_unstable();
        shelf.events.sort_unstable();
        shelf
    }
}

impl Backup for Library {
    fn snapshots(&self, partition: PartitionId) -> Vec<Kept> {
        let kept = |name: &SnapshotName| Kept { index: name.index, position: name.position, timestamp: name.timestamp };
        self.shelves.get(&partition).map(|shelf| shelf.snapshots.iter().map(kept).collect()).unwrap_or_default()
    }

    fn snapshot(&self, partition: PartitionId, index: u64) -> Result<Vec<u8>, String> {
        let shelf = self.shelf(partition)?;
        let found = shelf.snapshots.iter().find(|snapshot| snapshot.index == index);
        let found = found.ok_or_else(|| format!("there is no snapshot at log entry {index}"))?;
        let name = format!("{}/{}", shelf.folder, found.text());
        let bytes = self.read(&name)?;
        let header = snapshot::open(&bytes).map_err(|error| format!("{name}: {}", wrong(error)))?.header;
        let is = (header.partition, header.epoch, header.index, header.position, header.timestamp);
        if is != (partition, self.former.epoch, index, found.position, found.timestamp) {
            return Err(format!(
                "{name} is a snapshot of partition {} in life {} at entry {}, position {}, {} ns",
                is.0,
                is.1,
                is.2,
                is.3,
                header.timestamp.nanos()
            ));
        }
        Ok(bytes.into())
    }

    fn entries(&self, partition: PartitionId, from: u64) -> Result<Option<Vec<Entry>>, String> {
        let shelf = self.shelf(partition)?;
        let covers = |log: &&LogName| log.first <= from && from <= log.last;
        let Some(wanted) = shelf.log.iter().filter(covers).max_by_key(|log| log.last).copied() else {
            let later = shelf.log.iter().map(|log| log.first).filter(|first| *first > from).min();
            // Where nobody could ship for long, a snapshot leads on.
            let is_bridged = |first: u64| shelf.snapshots.iter().any(|snapshot| snapshot.index + 1 == first);
            return match later {
                Some(first) if !is_bridged(first) => {
                    Err(format!("log entries {from} to {} are missing from {}", first - 1, self.place.text()))
                }
                _ => Ok(None),
            };
        };
        let mut open = shelf.open.lock().map_err(|_| "a reader panicked".to_owned())?;
        if open.as_ref().is_none_or(|(name, _)| *name != wanted) {
            *open = Some((wanted, self.piece(partition, shelf, wanted)?));
        }
        let entries = open.as_ref().map(|(_, piece)| &piece.entries[(from - wanted.first) as usize..]);
        Ok(entries.map(<[Entry]>::to_vec))
    }

    fn events(&self, partition: PartitionId, from: LogPosition) -> Result<Option<EventBlock>, String> {
        let shelf = self.shelf(partition)?;
        let covers = |events: &&EventsName| events.after < from && from <= events.upto;
        let Some(wanted) = shelf.events.iter().filter(covers).max_by_key(|events| events.upto) else {
            return Ok(None);
        };
        let name = format!("{}/{}", shelf.folder, wanted.text());
        let (of, epoch, block) =
            kept::decode(&self.read(&name)?).map_err(|error| format!("{name}: {}", wrong(error)))?;
        if (of, epoch, block.after(), block.upto()) != (partition, self.former.epoch, wanted.after, wanted.upto) {
            return Err(format!("{name} holds other events than its name says"));
        }
        Ok(Some(block))
    }
}

/// What is wrong with a piece that ends in a checksum.
fn wrong(error: CodecError) -> &'static str {
    match error {
        CodecError::Truncated => "it is cut short",
        CodecError::UnknownNumber => "it was written by another version of this program",
        _ => "it is damaged: its checksum does not match",
    }
}

fn unreadable(place: &Place, error: &object_store::Error) -> miette::Report {
    miette::miette!("{} cannot be read: {error}", place.text())
}
