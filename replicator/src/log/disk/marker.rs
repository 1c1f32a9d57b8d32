//! How far a log has been acknowledged, beside the log: what tells a log that lost its end, to a bad sector or a lying
//! disk, from one whose end was never acknowledged.
//!
//! It is written after every fsync of the log, into two slots in turn, and not synced: after a crash of the
//! process it is exact, after a crash of the machine it may be older, and then promises less. Before the log is
//! cut back it is lowered and synced, so it never promises what Raft has taken back.
//!
//! A slot: magic u64, number u64, epoch u64, node u64, partition u16, index u64, index's term u64 (0: unknown), term
//! u64, vote u64, CRC-32 of all that.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use wire::codec::{CodecError, Reader, Writer};

use super::super::{Identity, StoreError};
use super::{io, sync_directory};

const MAGIC: u64 = 0x4d41_524b_4552_0001;
const SLOT_LEN: usize = 70;
/// Slots are a page apart: one torn write damages one.
const SLOTS_AT: [u64; 2] = [0, 4096];

/// What has been acknowledged.
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

/// An open marker.
#[derive(Debug)]
pub struct Marker {
    file: File,
    path: PathBuf,
    identity: Identity,
    number: u64,
}

impl Marker {
    /// Opens the marker and reads what was promised; `None` when there is none.
    pub fn open(directory: &Path, identity: Identity) -> Result<Option<(Marker, Promise)>, StoreError> {
        let path = path(directory, identity);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io("opening", &path, &error)),
        };
        let slot = |at| {
            let mut bytes = [0; SLOT_LEN];
            file.read_exact_at(&mut bytes, at).ok()?;
            decode(&bytes).ok()
        };
        let newest = SLOTS_AT.into_iter().filter_map(slot).max_by_key(|(number, ..)| *number);
        let Some((number, found, promise)) = newest else {
            return Err(StoreError::Lost {
                partition: identity.partition,
                found: "neither slot of the marker is whole".to_owned(),
                directory: directory.display().to_string(),
            });
        };
        if found != identity {
            return Err(StoreError::Foreign { directory: directory.display().to_string(), found, wanted: identity });
        }
        Ok(Some((Marker { file, path, identity, number }, promise)))
    }

    /// Creates the marker of a new log, durably, with nothing promised.
    pub fn create(directory: &Path, identity: Identity) -> Result<Marker, StoreError> {
        let path = path(directory, identity);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| io("creating", &path, &error))?;
        let mut marker = Marker { file, path, identity, number: 0 };
        marker.promise(Promise::default())?;
        marker.promise(Promise::default())?;
        marker.sync()?;
        sync_directory(directory)?;
        Ok(marker)
    }

    /// Removes the marker of a log that is forgotten, durably.
    pub fn remove(directory: &Path, identity: Identity) -> Result<(), StoreError> {
        let path = path(directory, identity);
        match std::fs::remove_file(&path) {
            Ok(()) => sync_directory(directory),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io("removing", &path, &error)),
        }
    }

    /// Writes a promise.
    pub fn promise(&mut self, promise: Promise) -> Result<(), StoreError> {
        self.number += 1;
        let bytes = encode(self.number, self.identity, promise);
        let at = SLOTS_AT[(self.number % 2) as usize];
        self.file.write_all_at(&bytes, at).map_err(|error| io("writing", &self.path, &error))
    }

    /// Makes the last promise durable.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|error| io("syncing", &self.path, &error))
    }
}

fn path(directory: &Path, identity: Identity) -> PathBuf {
    directory.join(format!("{}.marker", identity.partition))
}

fn encode(number: u64, identity: Identity, promise: Promise) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SLOT_LEN);
    let mut to = Writer::new(&mut bytes);
    to.put(&MAGIC);
    to.put(&number);
    to.put(&identity.epoch);
    to.put(&identity.node);
    to.put(&identity.partition);
    for field in [promise.index, promise.index_term, promise.term, promise.vote] {
        to.put(&field);
    }
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT_LEN]) -> Result<(u64, Identity, Promise), CodecError> {
    let (body, checksum) = bytes.split_at(SLOT_LEN - 4);
    if crc32fast::hash(body).to_le_bytes() != *checksum {
        return Err(CodecError::OutOfRange);
    }
    let mut from = Reader::new(body);
    if from.get::<u64>()? != MAGIC {
        return Err(CodecError::UnknownNumber);
    }
    let number = from.get()?;
    let identity = Identity { epoch: from.get()?, node: from.get()?, partition: from.get()? };
    let promise = Promise { index: from.get()?, index_term: from.get()?, term: from.get()?, vote: from.get()? };
    from.finish()?;
    Ok((number, identity, promise))
}
