//! A queue that touches no more of its room than it once held.
//!
//! A ring for millions that holds thousands passes through all of its pages in turn. Here blocks of items are taken from a slab that
//! is reserved whole, and a block whose items have all left is the next one that is taken.

use std::collections::VecDeque;

/// Items of a block.
const BLOCK: usize = 1_024;

pub(crate) struct BlockQueue<T> {
    /// Blocks, one after the other; the last one may not be whole yet.
    slab: Vec<T>,
    /// Those in use, in the order of what is in them.
    used: VecDeque<u32>,
    free: Vec<u32>,
    /// Items that have left the first block.
    left: usize,
    len: usize,
}

impl<T: Copy> BlockQueue<T> {
    /// With room for so many; more would be found while it is used.
    pub(crate) fn new(capacity: usize) -> BlockQueue<T> {
        // The first and the last may both be in use in part.
        let blocks = capacity.div_ceil(BLOCK) + 1;
        BlockQueue {
            slab: Vec::with_capacity(blocks * BLOCK),
            used: VecDeque::with_capacity(blocks),
            free: Vec::with_capacity(blocks),
            left: 0,
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The oldest.
    #[inline]
    pub(crate) fn front(&self) -> Option<&T> {
        self.used.front().map(|block| &self.slab[place(*block, self.left)])
    }

    #[inline]
    pub(crate) fn push_back(&mut self, item: T) {
        let at = (self.left + self.len) % BLOCK;
        if at == 0 || self.used.is_empty() {
            self.take_block();
        }
        let block = *self.used.back().expect("one has just been taken, or is not full");
        let place = place(block, at);
        // A block of the slab's end is filled from its first place on.
        if place < self.slab.len() {
            self.slab[place] = item
        } else {
            self.slab.push(item)
        }
        self.len += 1;
    }

    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let item = *self.front()?;
        (self.left, self.len) = (self.left + 1, self.len - 1);
        if self.left == BLOCK || self.len == 0 {
            self.free.extend(self.used.pop_front());
            self.left = 0;
        }
        Some(item)
    }

    /// The oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let items = self.left..self.left + self.len;
        items.map(|at| &self.slab[place(self.used[at / BLOCK], at % BLOCK)])
    }

    #[inline(never)]
    fn take_block(&mut self) {
        let fresh = (self.used.len() + self.free.len()) as u32;
        let block = self.free.pop().unwrap_or(fresh);
        self.used.push_back(block);
    }
}

#[inline]
fn place(block: u32, at: usize) -> usize {
    block as usize * BLOCK + at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many in, so many out, and so on: against the library's queue.
    fn hold_against(model: &mut VecDeque<u64>, queue: &mut BlockQueue<u64>, moves: &[(usize, usize)]) {
        let mut next = model.back().map_or(0, |last| last + 1);
        for (pushed, popped) in moves {
            for _ in 0..*pushed {
                queue.push_back(next);
                model.push_back(next);
                next += 1;
            }
            assert!(queue.iter().eq(model.iter()), "after {pushed} in");
            for _ in 0..*popped {
                assert_eq!((queue.front(), queue.is_empty()), (model.front(), model.is_empty()));
                assert_eq!(queue.pop_front(), model.pop_front());
            }
            assert_eq!(queue.len(), model.len());
            assert!(queue.iter().eq(model.iter()), "after {popped} out");
        }
    }

    #[test]
    fn it_is_a_queue_at_every_edge_of_its_blocks() {
        let near = [0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 7];
        for first in near {
            for second in near {
                let (mut model, mut queue) = (VecDeque::new(), BlockQueue::new(4 * BLOCK));
                let moves = [(first, second), (second, first), (BLOCK, 3), (first, 5 * BLOCK), (second, 1), (1, first)];
                hold_against(&mut model, &mut queue, &moves);
            }
        }
    }

    #[test]
    fn what_passes_through_touches_what_it_once_held_and_nothing_is_allocated() {
        let capacity = 64 * BLOCK;
        let (mut model, mut queue) = (VecDeque::new(), BlockQueue::new(capacity));
        let room = queue.slab.capacity();
        hold_against(&mut model, &mut queue, &[(100, 0)]);
        for _ in 0..200 {
            hold_against(&mut model, &mut queue, &[(BLOCK / 2, BLOCK / 2)]);
        }
        assert!(queue.slab.len() <= 3 * BLOCK, "{} of {room}", queue.slab.len());
        hold_against(&mut model, &mut queue, &[(capacity - 100, 0), (0, BLOCK - 1), (BLOCK - 1, 0), (0, capacity)]);
        assert_eq!(queue.slab.capacity(), room, "it held what it has room for, from the middle of a block on");
    }
}
