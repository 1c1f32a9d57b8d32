//! A piece of a partition's log as it lies in a backup: committed entries without gaps.
//!
//! | field | unit |
//! |---|---|
//! | magic | 8 bytes: `MSTYSHIP` |
//! | version | u16: 1 |
//! | partition, epoch | u16, u64 |
//! | first, last | u64: log indices |
//! | timestamp | u64: greatest log time up to the last entry |
//! | entries | u32 count, each: term u64, kind u8 (0 batch, 1 change of members), length u32, data |
//! | checksum | u32: CRC-32 of everything before |

use raft::eraftpb::{Entry, EntryType};
use wire::codec::{CodecError, Reader, Writer};
use wire::{ClusterEpoch, PartitionId, Timestamp};

const MAGIC: &[u8; 8] = b"MSTYSHIP";
const VERSION: u16 = 1;
const CHECKSUM_LEN: usize = 4;
const BATCH: u8 = 0;
const CHANGE: u8 = 1;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Shipped {
    /// Whose log.
    pub partition: PartitionId,
    /// Of which cluster in which life.
    pub epoch: ClusterEpoch,
    /// Log time at its end.
    pub timestamp: Timestamp,
    /// At least one.
    pub entries: Vec<Entry>,
}

/// Why bytes are no piece of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShippedError {
    /// They do not begin like one.
    #[error("it is no piece of a log")]
    Foreign,
    /// Less is there than was written.
    #[error("it is cut short")]
    Truncated,
    /// They were changed since they were written.
    #[error("it is damaged: its checksum does not match")]
    Damaged,
    /// They were written by another version.
    #[error("it has version {0}, this program reads version {VERSION}")]
    OtherVersion(u16),
}

impl Shipped {
    /// The index of its first entry.
    pub fn first(&self) -> u64 {
        self.entries.first().map_or(0, |entry| entry.index)
    }

    /// The index of its last entry.
    pub fn last(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.index)
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let data: usize = self.entries.iter().map(|entry| entry.data.len() + 16).sum();
        let mut bytes = Vec::with_capacity(data + 64);
        let mut to = Writer::new(&mut bytes);
        to.bytes(MAGIC);
        to.put(&VERSION);
        to.put(&self.partition);
        to.put(&self.epoch);
        to.put(&self.first());
        to.put(&self.last());
        to.put(&self.timestamp);
        to.put(&(self.entries.len() as u32));
        for entry in &self.entries {
            to.put(&entry.term);
            to.put(&(if entry.get_entry_type() == EntryType::EntryNormal { BATCH } else { CHANGE }));
            to.put(&(entry.data.len() as u32));
            to.bytes(&entry.data);
        }
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<Shipped, ShippedError> {
        if bytes.len() < MAGIC.len() || &bytes[..MAGIC.len()] != MAGIC {
            return Err(if MAGIC.starts_with(bytes) { ShippedError::Truncated } else { ShippedError::Foreign });
        }
        let body = bytes.len().checked_sub(CHECKSUM_LEN).ok_or(ShippedError::Truncated)?;
        let (body, checksum) = bytes.split_at(body);
        let mut from = Reader::new(body.get(MAGIC.len()..).ok_or(ShippedError::Truncated)?);
        let version: u16 = from.get().map_err(|_| ShippedError::Truncated)?;
        let read = if version == VERSION { read(from) } else { Err(CodecError::UnknownNumber) };
        let is_whole = crc32fast::hash(body).to_le_bytes() == *checksum;
        match read {
            Ok(piece) if is_whole => Ok(piece),
            Err(CodecError::Truncated) => Err(ShippedError::Truncated),
            _ if is_whole && version != VERSION => Err(ShippedError::OtherVersion(version)),
            _ => Err(ShippedError::Damaged),
        }
    }
}

fn read(mut from: Reader<'_>) -> Result<Shipped, CodecError> {
    let (partition, epoch) = (from.get()?, from.get()?);
    let (first, last): (u64, u64) = (from.get()?, from.get()?);
    let timestamp = from.get()?;
    let count: u32 = from.get()?;
    if first == 0 || first.checked_add(u64::from(count)) != last.checked_add(1) || count == 0 {
        return Err(CodecError::OutOfRange);
    }
    let mut entries = Vec::new();
    for index in first..=last {
        let mut entry = Entry { index, term: from.get()?, ..Entry::default() };
        entry.set_entry_type(match from.get::<u8>()? {
            BATCH => EntryType::EntryNormal,
            CHANGE => EntryType::EntryConfChangeV2,
            _ => return Err(CodecError::UnknownNumber),
        });
        let len = from.get::<u32>()? as usize;
        entry.data = from.bytes(len)?.to_vec().into();
        entries.push(entry);
    }
    from.finish()?;
    Ok(Shipped { partition, epoch, timestamp, entries })
}

#[cfg(test)]
mod tests;
