//! The recent events of a partition in memory, for subscribers that keep up.

use std::collections::VecDeque;
use std::sync::Arc;

use wire::LogPosition;

use crate::block::EventBlock;

/// What a block costs beside its events.
const BLOCK_OVERHEAD: usize = 256;

/// So many of the newest are looked at one by one before the rest is searched.
const NEAR: usize = 8;

/// Consecutive blocks up to the newest, the oldest dropped beyond a number of bytes.
#[derive(Debug)]
pub struct Recent {
    blocks: VecDeque<Arc<EventBlock>>,
    bytes: usize,
    bytes_max: usize,
    after: LogPosition,
    upto: LogPosition,
}

impl Recent {
    /// Holds nothing yet.
    pub fn new(bytes_max: usize) -> Recent {
        Recent { blocks: VecDeque::new(), bytes: 0, bytes_max, after: LogPosition::ZERO, upto: LogPosition::ZERO }
    }

    /// Adds the next block. One that does not follow the newest replaces everything: the state jumped.
    pub fn push(&mut self, block: Arc<EventBlock>) {
        if block.after() != self.upto {
            self.blocks.clear();
            self.bytes = 0;
            self.after = block.after();
        }
        self.upto = block.upto();
        if !block.is_empty() {
            self.bytes += block.byte_len() + BLOCK_OVERHEAD;
            self.blocks.push_back(block);
        }
        while self.bytes > self.bytes_max && self.blocks.len() > 1 {
            let oldest = self.blocks.pop_front().expect("there are two");
            self.bytes -= oldest.byte_len() + BLOCK_OVERHEAD;
            self.after = oldest.upto();
        }
    }

    /// The position before the first that is held.
    pub fn after(&self) -> LogPosition {
        self.after
    }

    /// The newest position: every event up to it has been pushed.
    pub fn upto(&self) -> LogPosition {
        self.upto
    }

    /// Where the events end here, where that is before what somebody wants from `next` on. None where nothing is known of any
    /// since this process was started: they may be in its archive all the same.
    pub fn ends_before(&self, next: LogPosition) -> Option<LogPosition> {
        Some(self.upto).filter(|upto| *upto > LogPosition::ZERO && upto.next() < next)
    }

    /// The first block with a position at or after `from`, which must not be before what is held.
    pub fn block_from(&self, from: LogPosition) -> Option<&Arc<EventBlock>> {
        // Most subscribers have all but the newest.
        match self.blocks.iter().rev().take(NEAR).position(|block| block.upto() < from) {
            Some(0) => None,
            Some(newer) => self.blocks.get(self.blocks.len() - newer),
            None => self.blocks.get(self.blocks.partition_point(|block| block.upto() < from)),
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::{Origin, Timestamp};

    use super::*;
    use crate::block::EventBatch;

    fn block(after: u64, upto: u64) -> Arc<EventBlock> {
        let mut block = EventBlock::new(LogPosition::new(after));
        for position in after + 1..=upto {
            let (timestamp, origin) = (Timestamp::ZERO, Origin::INTERNAL);
            block.push(EventBatch { position: LogPosition::new(position), timestamp, origin, events: &[7; 100] });
        }
        Arc::new(block)
    }

    #[test]
    fn memory_keeps_the_newest_and_forgets_all_when_the_state_jumps() {
        let mut recent = Recent::new(3_000);
        for step in 0..10 {
            recent.push(block(step * 10, step * 10 + 10));
        }
        assert_eq!((recent.after().get(), recent.upto().get()), (80, 100));
        assert_eq!(recent.block_from(LogPosition::new(81)).unwrap().after().get(), 80);
        assert_eq!(recent.block_from(LogPosition::new(95)).unwrap().after().get(), 90);
        assert!(recent.block_from(LogPosition::new(101)).is_none());
        assert_eq!(recent.ends_before(LogPosition::new(101)), None);
        assert_eq!(recent.ends_before(LogPosition::new(102)), Some(LogPosition::new(100)));
        assert_eq!(Recent::new(0).ends_before(LogPosition::new(102)), None, "nothing is known");
        recent.push(block(200, 205));
        assert_eq!((recent.after().get(), recent.upto().get()), (200, 205));
    }
}
