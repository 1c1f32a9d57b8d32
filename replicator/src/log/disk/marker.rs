//! How far the logs of a node have been acknowledged, beside the logs: what tells a log that lost its end, to a bad sector or
//! a lying disk, from one whose end was never acknowledged.
//!
//! It is written after every fsync of the logs, into two slots in turn, and not synced: after a crash of the
//! process it is exact, after a crash of the machine it may be older, and then promises less. Before a log is
//! cut back it is lowered in both slots and synced, so it never promises what Raft has taken back.
//!
//! One file has the promises of all partitions, as one fsync has their appends: a file for each would be a write for each.
//!
//! A slot: magic u64, number u64, epoch u64, node u64, partitions u16, of each partition u16, index u64, index's term u64
//! (0: unknown), term u64, vote u64; CRC-32 of all that. A partition 0 says that both slots were damaged before: what was
//! promised of a log that has no promise since is not known, and more than is there.

mod former;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use wire::codec::{CodecError, Reader, Writer};
use wire::{ClusterEpoch, NodeId, PartitionId};

use super::super::{Identity, StoreError};
use super::{io, sync_directory};

const MAGIC: u64 = 0x4d41_524b_4552_0002;
/// Far apart: one torn write damages one slot.
const SLOTS_AT: [u64; 2] = [0, SLOT_LEN_MAX as u64];
/// Room for 1,900 partitions.
const SLOT_LEN_MAX: usize = 64 * 1024;
const FILE: &str = "markers";
/// No partition has this number.
const UNKNOWN: PartitionId = PartitionId::new(0);
/// What it is called until it is whole.
pub const DRAFT: &str = "markers.draft";

/// What has been acknowledged of one partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Promise {
    /// The log has an entry at this index, or a snapshot at or after it.
    pub index: u64,
    /// That entry is of this term; 0 when that was not noted.
    pub index_term: u64,
    /// The hard state has at least this term.
    pub term: u64,
    /// And if it has this term, this vote.
    pub vote: u64,
}

/// The promises of all partitions, open.
#[derive(Debug)]
pub struct Markers {
    directory: PathBuf,
    /// `None` until there is something to promise.
    file: Option<File>,
    /// Whose they are, once that is known.
    owner: Option<(ClusterEpoch, NodeId)>,
    number: u64,
    promises: BTreeMap<PartitionId, Promise>,
    /// After a damage: the logs that were forgotten since, whatever had been promised of them.
    forgotten: BTreeSet<PartitionId>,
    slot: Vec<u8>,
}

type Slot = (u64, (ClusterEpoch, NodeId), BTreeMap<PartitionId, Promise>);

impl Markers {
    /// Opens the file, where there is one, and reads what was promised.
    pub fn open(directory: &Path) -> Result<Markers, StoreError> {
        let mut markers = Markers {
            directory: directory.to_owned(),
            file: None,
            owner: None,
            number: 0,
            promises: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            slot: Vec::new(),
        };
        let path = directory.join(FILE);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(markers),
            Err(error) => return Err(io("opening", &path, &error)),
        };
        match newest(&file).map_err(|error| io("reading", &path, &error))? {
            Some((number, owner, promises)) => {
                (markers.number, markers.owner, markers.promises) = (number, Some(owner), promises);
            }
            None => drop(markers.promises.insert(UNKNOWN, Promise { index: u64::MAX, ..Promise::default() })),
        }
        markers.file = Some(file);
        Ok(markers)
    }

    /// What was promised of a log; `None` when it has no marker.
    pub fn promised(&mut self, identity: Identity) -> Result<Option<Promise>, StoreError> {
        self.belongs_to(identity)?;
        // What has been lost must not be replaced by what was promised long before.
        let is_known = |partition| self.promises.contains_key(partition) || self.forgotten.contains(partition);
        if self.is_damaged() && !is_known(&identity.partition) {
            return Err(self.lost(identity));
        }
        if let Some(promise) = former::promised(&self.directory, identity)? {
            self.begin(identity, promise)?;
            former::empty(&self.directory, identity)?;
        }
        Ok(self.promises.get(&identity.partition).copied())
    }

    /// Begins the marker of a log, durably.
    pub fn begin(&mut self, identity: Identity, promise: Promise) -> Result<(), StoreError> {
        self.belongs_to(identity)?;
        self.owner = Some((identity.epoch, identity.node));
        self.promises.insert(identity.partition, promise);
        self.write_both()
    }

    /// Ends the marker of a log that is forgotten, durably.
    pub fn end(&mut self, identity: Identity) -> Result<(), StoreError> {
        former::remove(&self.directory, identity)?;
        let was_there = self.promises.remove(&identity.partition).is_some();
        if self.file.is_none() || !(was_there || self.is_damaged()) {
            return Ok(());
        }
        self.owner = Some((identity.epoch, identity.node));
        self.forgotten.insert(identity.partition);
        self.write_both()
    }

    fn is_damaged(&self) -> bool {
        self.promises.contains_key(&UNKNOWN)
    }

    /// Promises this of a log that has a marker, with the next [`Markers::write`].
    pub fn promise(&mut self, partition: PartitionId, promise: Promise) {
        *self.promises.get_mut(&partition).expect("the log was loaded") = promise;
    }

    /// Lowers what is promised of a log that has a marker, durably and in both slots: what the other still says must not be
    /// found when the newer is torn.
    pub fn take_back(&mut self, partition: PartitionId, promise: Promise) -> Result<(), StoreError> {
        self.promise(partition, promise);
        self.write_both()
    }

    /// Writes what is promised.
    pub fn write(&mut self) -> Result<(), StoreError> {
        self.number += 1;
        let owner = self.owner.expect("a log was loaded");
        encode(self.number, owner, &self.promises, &mut self.slot);
        let file = self.file.as_ref().expect("a log was loaded");
        let written = file.write_all_at(&self.slot, SLOTS_AT[(self.number % 2) as usize]);
        written.map_err(|error| io("writing", &self.directory.join(FILE), &error))
    }

    /// Makes what was written durable.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        let Some(file) = &self.file else { return Ok(()) };
        file.sync_data().map_err(|error| io("syncing", &self.directory.join(FILE), &error))
    }

    /// Both slots say the same, so that the loss of either loses nothing. A file that is not there yet gets its name when it
    /// is whole.
    fn write_both(&mut self) -> Result<(), StoreError> {
        let is_new = self.file.is_none();
        let (path, draft) = (self.directory.join(FILE), self.directory.join(DRAFT));
        if is_new {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&draft);
            self.file = Some(file.map_err(|error| io("creating", &draft, &error))?);
        }
        self.write()?;
        self.write()?;
        self.sync()?;
        if is_new {
            std::fs::rename(&draft, &path).map_err(|error| io("naming", &path, &error))?;
            sync_directory(&self.directory)?;
        }
        Ok(())
    }

    fn belongs_to(&self, wanted: Identity) -> Result<(), StoreError> {
        match self.owner {
            Some((epoch, node)) if (epoch, node) != (wanted.epoch, wanted.node) => {
                let found = Identity { epoch, node, partition: wanted.partition };
                Err(StoreError::Foreign { directory: self.directory.display().to_string(), found, wanted })
            }
            _ => Ok(()),
        }
    }

    fn lost(&self, identity: Identity) -> StoreError {
        StoreError::Lost {
            partition: identity.partition,
            found: "neither slot of the marker is whole, or was when another log was forgotten".to_owned(),
            directory: self.directory.display().to_string(),
        }
    }
}

/// What is promised in `directory`, where its node may be promising more: nothing where that cannot be read.
pub fn promises(directory: &Path) -> Result<Option<BTreeMap<PartitionId, Promise>>, StoreError> {
    let path = directory.join(FILE);
    let read = File::open(&path).and_then(|file| newest(&file));
    match read {
        Ok(slot) => Ok(slot.map(|(_, _, promises)| promises)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("reading", &path, &error)),
    }
}

/// The newest slot that is whole.
fn newest(file: &File) -> std::io::Result<Option<Slot>> {
    let mut slots = Vec::new();
    for at in SLOTS_AT {
        slots.extend(decode(&read_slot(file, at)?).ok());
    }
    Ok(slots.into_iter().max_by_key(|(number, ..)| *number))
}

/// As much of a slot as there is.
fn read_slot(file: &File, at: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; SLOT_LEN_MAX];
    let mut len = 0;
    while len < bytes.len() {
        match file.read_at(&mut bytes[len..], at + len as u64)? {
            0 => break,
            count => len += count,
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

fn encode(
    number: u64,
    (epoch, node): (ClusterEpoch, NodeId),
    promises: &BTreeMap<PartitionId, Promise>,
    into: &mut Vec<u8>,
) {
    into.clear();
    let mut to = Writer::new(into);
    to.put(&MAGIC);
    to.put(&number);
    to.put(&epoch);
    to.put(&node);
    to.put(&u16::try_from(promises.len()).expect("partitions have numbers of 16 bits"));
    for (partition, promise) in promises {
        to.put(partition);
        for field in [promise.index, promise.index_term, promise.term, promise.vote] {
            to.put(&field);
        }
    }
    let checksum = crc32fast::hash(into);
    into.extend_from_slice(&checksum.to_le_bytes());
    assert!(into.len() <= SLOT_LEN_MAX, "a node has fewer partitions");
}

/// A slot ends somewhere in `bytes`: what lies behind is of one that was longer.
fn decode(bytes: &[u8]) -> Result<Slot, CodecError> {
    let mut from = Reader::new(bytes);
    if from.get::<u64>()? != MAGIC {
        return Err(CodecError::UnknownNumber);
    }
    let (number, owner) = (from.get()?, (from.get()?, from.get()?));
    let mut promises = BTreeMap::new();
    for _ in 0..from.get::<u16>()? {
        let partition = from.get()?;
        let promise = Promise { index: from.get()?, index_term: from.get()?, term: from.get()?, vote: from.get()? };
        promises.insert(partition, promise);
    }
    let body = &bytes[..bytes.len() - from.rest().len()];
    let checksum = &bytes[body.len()..];
    match checksum.first_chunk() {
        Some(checksum) if u32::from_le_bytes(*checksum) == crc32fast::hash(body) => Ok((number, owner, promises)),
        _ => Err(CodecError::OutOfRange),
    }
}

#[cfg(test)]
mod tests;
