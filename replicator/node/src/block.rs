//! Events of consecutive commands, held once and shared by the archive, the memory of recent events and
//! every subscription.

pub mod kept;

use wire::{LogPosition, Origin, Timestamp};

/// The events of the positions after `after` up to `upto`; positions without events take no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBlock {
    after: LogPosition,
    upto: LogPosition,
    batches: Vec<BatchHead>,
    bytes: Vec<u8>,
}

/// Where one command's events lie in the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BatchHead {
    position: LogPosition,
    timestamp: Timestamp,
    origin: Origin,
    end: usize,
}

/// The events of one command; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventBatch<'a> {
    /// The command's place in the log.
    pub position: LogPosition,
    /// When it was sequenced.
    pub timestamp: Timestamp,
    /// Whose request it was.
    pub origin: Origin,
    /// Its events, as `wire::codec::v1` lays them.
    pub events: &'a [u8],
}

impl EventBlock {
    /// No events yet; covers nothing after `after`.
    pub fn new(after: LogPosition) -> EventBlock {
        EventBlock { after, upto: after, batches: Vec::new(), bytes: Vec::new() }
    }

    /// As [`EventBlock::new`], with room for as much as `like` holds: consecutive blocks are of about one size, and one that
    /// grows under its events copies all of them several times over.
    pub fn like(like: &EventBlock, after: LogPosition) -> EventBlock {
        let (batches, bytes) = (Vec::with_capacity(like.batches.len()), Vec::with_capacity(like.bytes.len()));
        EventBlock { after, upto: after, batches, bytes }
    }

    /// The position before the first that the block covers.
    pub fn after(&self) -> LogPosition {
        self.after
    }

    /// The last position that the block covers.
    pub fn upto(&self) -> LogPosition {
        self.upto
    }

    /// How many commands of the block had events.
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// Whether no command of the block had events.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// How many bytes of events it holds.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a command's events. Positions only grow; an empty batch only moves [`EventBlock::upto`].
    pub fn push(&mut self, batch: EventBatch<'_>) {
        let EventBatch { position, timestamp, origin, events } = batch;
        self.write(position, timestamp, origin, |bytes| bytes.extend_from_slice(events));
    }

    /// As [`EventBlock::push`], of events that `append` appends.
    pub fn write(
        &mut self,
        position: LogPosition,
        timestamp: Timestamp,
        origin: Origin,
        append: impl FnOnce(&mut Vec<u8>),
    ) {
        self.cover(position);
        let start = self.bytes.len();
        append(&mut self.bytes);
        if self.bytes.len() > start {
            self.batches.push(BatchHead { position, timestamp, origin, end: self.bytes.len() });
        }
    }

    /// Every event up to `position` is in the block.
    pub fn cover(&mut self, position: LogPosition) {
        assert!(position >= self.upto, "a block grows in the order of the log");
        self.upto = position;
    }

    /// The part of it up to `position`.
    pub fn until(&self, position: LogPosition) -> EventBlock {
        let mut block = EventBlock::new(self.after);
        for batch in self.batches().take_while(|batch| batch.position <= position) {
            block.push(batch);
        }
        block.cover(position.min(self.upto).max(block.upto));
        block
    }

    /// The batch at `index`.
    pub fn batch(&self, index: usize) -> EventBatch<'_> {
        let start = if index == 0 { 0 } else { self.batches[index - 1].end };
        let BatchHead { position, timestamp, origin, end } = self.batches[index];
        EventBatch { position, timestamp, origin, events: &self.bytes[start..end] }
    }

    /// The batches in the order of the log.
    pub fn batches(&self) -> impl Iterator<Item = EventBatch<'_>> {
        (0..self.batches.len()).map(|index| self.batch(index))
    }

    /// The index of the first batch at `position` or later.
    pub fn index_from(&self, position: LogPosition) -> usize {
        self.batches.partition_point(|head| head.position < position)
    }
}
