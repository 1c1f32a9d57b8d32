//! A marker as it was when each partition had a file of its own, `P.marker`. What it promises goes into the common file; it
//! stays, and promises nothing any more: a program that knows no other finds one that contradicts no log. If it
//! promises something again, such a program has written to the log meanwhile, and knows better than the common file.
//!
//! A slot: magic u64, number u64, epoch u64, node u64, partition u16, index u64, index's term u64 (0: unknown), term
//! u64, vote u64, CRC-32 of all that.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use wire::codec::{CodecError, Reader, Writer};

use super::super::super::{Identity, StoreError};
use super::super::{io, sync_directory};
use super::Promise;

const MAGIC: u64 = 0x4d41_524b_4552_0001;
const SLOT_LEN: usize = 70;
const SLOTS_AT: [u64; 2] = [0, 4096];

/// What it promises, if there is one that promises something.
pub fn promised(directory: &Path, identity: Identity) -> Result<Option<Promise>, StoreError> {
    let newest = newest(directory, identity)?;
    Ok(newest.map(|(_, promise)| promise).filter(|promise| *promise != Promise::default()))
}

/// Has it promise nothing any more, durably.
pub fn empty(directory: &Path, identity: Identity) -> Result<(), StoreError> {
    let Some((number, _)) = newest(directory, identity)? else { return Ok(()) };
    let path = path(directory, identity);
    let write = || {
        let file = OpenOptions::new().write(true).open(&path)?;
        for number in [number + 1, number + 2] {
            file.write_all_at(&nothing(number, identity), SLOTS_AT[(number % 2) as usize])?;
        }
        file.sync_data()
    };
    write().map_err(|error| io("emptying", &path, &error))
}

/// Number and promise of the newest slot, if there is a file.
fn newest(directory: &Path, identity: Identity) -> Result<Option<(u64, Promise)>, StoreError> {
    let path = path(directory, identity);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("opening", &path, &error)),
    };
    let slot = |at| {
        let mut bytes = [0; SLOT_LEN];
        file.read_exact_at(&mut bytes, at).ok()?;
        decode(&bytes).ok()
    };
    let directory = directory.display().to_string();
    let newest = SLOTS_AT.into_iter().filter_map(slot).max_by_key(|(number, ..)| *number);
    match newest {
        Some((number, found, promise)) if found == identity => Ok(Some((number, promise))),
        Some((_, found, _)) => Err(StoreError::Foreign { directory, found, wanted: identity }),
        None => {
            let found = "neither slot of the marker is whole".to_owned();
            Err(StoreError::Lost { partition: identity.partition, found, directory })
        }
    }
}

/// Removes it, durably.
pub fn remove(directory: &Path, identity: Identity) -> Result<(), StoreError> {
    let path = path(directory, identity);
    match std::fs::remove_file(&path) {
        Ok(()) => sync_directory(directory),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io("removing", &path, &error)),
    }
}

pub(super) fn path(directory: &Path, identity: Identity) -> PathBuf {
    directory.join(format!("{}.marker", identity.partition))
}

/// A slot that promises nothing.
fn nothing(number: u64, identity: Identity) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SLOT_LEN);
    let mut to = Writer::new(&mut bytes);
    to.put(&MAGIC);
    to.put(&number);
    to.put(&identity.epoch);
    to.put(&identity.node);
    to.put(&identity.partition);
    for _ in 0..4 {
        to.put(&0_u64);
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
