//! What one message of a cast says: the events of consecutive positions, as the frames of a subscription.
//!
//! ```text
//! Progress(after) | Events … | Progress(upto)
//! ```
//!
//! Each with its header, as on a connection. The first says where it begins: whoever has the events up to `after`, or beyond,
//! misses none. So each message stands for itself, however many before it were lost.

use alloc::vec::Vec;

use super::{Events, Frame, PEER_BODY_MAX, Progress, split};
use crate::codec::CodecError;
use crate::{LogPosition, PartitionId};

/// Bytes that [`end`] adds.
pub const END_LEN: usize = 15;

/// Bytes of a message beside what [`add`] adds.
pub const CAST_OVERHEAD: usize = 2 * END_LEN;

/// Bytes that [`add`] adds beside the events.
pub const EVENTS_OVERHEAD: usize = 39;

/// Begins a message: what follows is of the positions after `after`.
pub fn begin(partition: PartitionId, after: LogPosition, message: &mut Vec<u8>) {
    Frame::Progress(Progress { partition, position: after }).encode(message);
}

/// Adds the events of one command.
pub fn add(head: Events, events: &[u8], message: &mut Vec<u8>) {
    Frame::Events(head, events).encode(message);
}

/// Ends it: of positions up to `upto` there are no other events.
pub fn end(partition: PartitionId, upto: LogPosition, message: &mut Vec<u8>) {
    Frame::Progress(Progress { partition, position: upto }).encode(message);
}

/// A message that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct CastMessage<'a> {
    /// Of which partition.
    pub partition: PartitionId,
    /// The position before the first that it covers.
    pub after: LogPosition,
    /// The last that it covers.
    pub upto: LogPosition,
    /// The events, in order of position.
    pub events: Vec<(Events, &'a [u8])>,
}

impl<'a> CastMessage<'a> {
    /// Reads a message; an error when it is not laid out so, or its positions are not in order.
    pub fn read(message: &'a [u8]) -> Result<CastMessage<'a>, CodecError> {
        let mut rest = message;
        let mut next = || -> Result<Frame<'a>, CodecError> {
            let (body, taken) = split(rest, PEER_BODY_MAX)?.ok_or(CodecError::Truncated)?;
            rest = &rest[taken..];
            Frame::decode(body)
        };
        let Frame::Progress(Progress { partition, position: after }) = next()? else {
            return Err(CodecError::UnknownNumber);
        };
        let (mut events, mut last) = (Vec::new(), after);
        let upto = loop {
            match next()? {
                Frame::Events(head, payload) if head.partition == partition && head.position > last => {
                    last = head.position;
                    events.push((head, payload));
                }
                Frame::Progress(end) if end.partition == partition && end.position >= last => break end.position,
                _ => return Err(CodecError::UnknownNumber),
            }
        };
        if !rest.is_empty() {
            return Err(CodecError::TrailingBytes);
        }
        Ok(CastMessage { partition, after, upto, events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Origin, Timestamp};

    const PARTITION: PartitionId = PartitionId::new(3);

    fn head(partition: PartitionId, position: u64) -> Events {
        Events { partition, position: LogPosition::new(position), timestamp: Timestamp::ZERO, origin: Origin::INTERNAL }
    }

    fn message(after: u64, positions: &[u64], upto: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        begin(PARTITION, LogPosition::new(after), &mut bytes);
        for position in positions {
            add(head(PARTITION, *position), b"events", &mut bytes);
        }
        end(PARTITION, LogPosition::new(upto), &mut bytes);
        bytes
    }

    #[test]
    fn message_reads_back_as_it_was() {
        let bytes = message(4, &[5, 7], 9);
        let read = CastMessage::read(&bytes).unwrap();
        assert_eq!((read.partition, read.after.get(), read.upto.get()), (PARTITION, 4, 9));
        let events: Vec<_> = read.events.iter().map(|(head, events)| (head.position.get(), *events)).collect();
        assert_eq!(events, [(5, &b"events"[..]), (7, b"events")]);
        assert_eq!(message(4, &[], 4).len(), CAST_OVERHEAD);
        assert_eq!(bytes.len(), CAST_OVERHEAD + 2 * (EVENTS_OVERHEAD + b"events".len()));
        assert!(CastMessage::read(&message(4, &[], 4)).unwrap().events.is_empty());
    }

    #[test]
    fn what_is_cut_or_longer_or_out_of_order_is_no_message() {
        let bytes = message(4, &[5, 7], 9);
        for len in 0..bytes.len() {
            assert!(CastMessage::read(&bytes[..len]).is_err(), "{len} bytes");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(CastMessage::read(&longer).is_err());
        for (after, positions, upto) in [(4, &[4][..], 9), (4, &[7, 5], 9), (4, &[5], 4), (4, &[5, 5], 9), (4, &[], 3)]
        {
            assert!(CastMessage::read(&message(after, positions, upto)).is_err(), "{after} {positions:?} {upto}");
        }
    }

    #[test]
    fn message_of_two_partitions_is_none() {
        let mut bytes = Vec::new();
        begin(PARTITION, LogPosition::new(4), &mut bytes);
        add(head(PartitionId::new(4), 5), b"events", &mut bytes);
        end(PARTITION, LogPosition::new(5), &mut bytes);
        assert!(CastMessage::read(&bytes).is_err());
    }
}
