//! Events as they lie in a backup.
//!
//! | field | unit |
//! |---|---|
//! | magic | 8 bytes: `MSTYEVTS` |
//! | version | u16: 1 |
//! | partition, epoch | u16, u64 |
//! | after, upto | u64: positions; all events of those behind the first and up to the second are here |
//! | commands with events | u32 count, each: position, timestamp, session, sequence u64, length u32, events |
//! | checksum | u32: CRC-32 of everything before |

use wire::codec::{CodecError, Reader, Writer};
use wire::{ClusterEpoch, LogPosition, Origin, PartitionId};

use super::{EventBatch, EventBlock};

const MAGIC: &[u8; 8] = b"MSTYEVTS";
const VERSION: u16 = 1;
const CHECKSUM_LEN: usize = 4;

/// A block of events as bytes.
pub fn encode(partition: PartitionId, epoch: ClusterEpoch, block: &EventBlock) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(block.byte_len() + 48 * block.len() + 64);
    let mut to = Writer::new(&mut bytes);
    to.bytes(MAGIC);
    to.put(&VERSION);
    to.put(&partition);
    to.put(&epoch);
    to.put(&block.after());
    to.put(&block.upto());
    to.put(&(block.len() as u32));
    for EventBatch { position, timestamp, origin, events } in block.batches() {
        to.put(&position);
        to.put(&timestamp);
        to.put(&origin.session);
        to.put(&origin.sequence);
        to.put(&(events.len() as u32));
        to.bytes(events);
    }
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The block in bytes, with whose it is. Refuses what is cut short or was changed.
pub fn decode(bytes: &[u8]) -> Result<(PartitionId, ClusterEpoch, EventBlock), CodecError> {
    let body = bytes.len().checked_sub(CHECKSUM_LEN).ok_or(CodecError::Truncated)?;
    let (body, checksum) = bytes.split_at(body);
    let mut from = Reader::new(body);
    if from.bytes(MAGIC.len())? != MAGIC || crc32fast::hash(body).to_le_bytes() != *checksum {
        return Err(CodecError::OutOfRange);
    }
    if from.get::<u16>()? != VERSION {
        return Err(CodecError::UnknownNumber);
    }
    let (partition, epoch) = (from.get()?, from.get()?);
    let (after, upto): (LogPosition, LogPosition) = (from.get()?, from.get()?);
    let mut block = EventBlock::new(after);
    for _ in 0..from.get::<u32>()? {
        let (position, timestamp) = (from.get()?, from.get()?);
        let origin = Origin { session: from.get()?, sequence: from.get()? };
        let len = from.get::<u32>()? as usize;
        let events = from.bytes(len)?;
        if position <= block.upto() || position > upto {
            return Err(CodecError::OutOfRange);
        }
        block.push(EventBatch { position, timestamp, origin, events });
    }
    from.finish()?;
    if upto < block.upto() {
        return Err(CodecError::OutOfRange);
    }
    block.cover(upto);
    Ok((partition, epoch, block))
}

#[cfg(test)]
mod tests {
    use wire::{Sequence, SessionId, Timestamp};

    use super::*;

    fn block() -> EventBlock {
        let mut block = EventBlock::new(LogPosition::new(4));
        for (position, events) in [(5, &b"one"[..]), (6, b""), (8, b"two")] {
            let origin = Origin { session: SessionId::new(1), sequence: Sequence::new(position) };
            let (position, timestamp) = (LogPosition::new(position), Timestamp::from_nanos(position * 10));
            block.push(EventBatch { position, timestamp, origin, events });
        }
        block.cover(LogPosition::new(9));
        block
    }

    #[test]
    fn events_are_read_as_they_were_kept() {
        let bytes = encode(PartitionId::new(3), ClusterEpoch::new(2), &block());
        assert_eq!(decode(&bytes), Ok((PartitionId::new(3), ClusterEpoch::new(2), block())));
    }

    #[test]
    fn events_that_were_cut_or_changed_are_refused() {
        let bytes = encode(PartitionId::new(3), ClusterEpoch::new(2), &block());
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "{len}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&other).is_err(), "{bit}");
        }
    }
}
