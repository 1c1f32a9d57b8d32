//! A queue in pieces: however long it grows, what is in it stays where it is, and nobody waits for a copy of all of it.

use std::collections::VecDeque;

/// Items of one piece.
const PIECE: usize = 64;

/// Items in the order in which they came.
#[derive(Debug)]
pub(super) struct Pieces<T> {
    /// All but the last are full.
    pieces: VecDeque<Vec<T>>,
    /// Items of the first piece that are gone.
    gone: usize,
    len: usize,
}

impl<T> Default for Pieces<T> {
    fn default() -> Pieces<T> {
        Pieces { pieces: VecDeque::new(), gone: 0, len: 0 }
    }
}

impl<T: Copy> Pieces<T> {
    pub(super) fn pop_first(&mut self) -> Option<T> {
        let first = *self.get(0)?;
        self.drop_first();
        Some(first)
    }
}

impl<T> Pieces<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, item: T) {
        if self.pieces.back().is_none_or(|piece| piece.len() == PIECE) {
            // The first piece of what may stay short grows by itself.
            let capacity = if self.pieces.is_empty() { 0 } else { PIECE };
            self.pieces.push_back(Vec::with_capacity(capacity));
        }
        self.pieces.back_mut().expect("there is an open piece").push(item);
        self.len += 1;
    }

    /// The first item is gone, if there is one; what it holds is, with the last one of its piece.
    pub(super) fn drop_first(&mut self) {
        if self.len == 0 {
            return;
        }
        (self.gone, self.len) = (self.gone + 1, self.len - 1);
        if self.gone == PIECE {
            self.pieces.pop_front();
            self.gone = 0;
        }
    }

    pub(super) fn last(&self) -> Option<&T> {
        self.get(self.len.checked_sub(1)?)
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut T> {
        self.pieces.back_mut().filter(|_| self.len > 0)?.last_mut()
    }

    /// Those from the one at `from` on; from either end.
    pub(super) fn range(&self, from: usize) -> impl DoubleEndedIterator<Item = &T> {
        (from..self.len).filter_map(|at| self.get(at))
    }

    /// How many come before the first that is not so, of items of which none is so after one that is not.
    pub(super) fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).is_some_and(&is_before) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let at = at + self.gone;
        self.pieces.get_mut(at / PIECE)?.get_mut(at % PIECE)
    }

    fn get(&self, at: usize) -> Option<&T> {
        let at = at + self.gone;
        self.pieces.get(at / PIECE)?.get(at % PIECE)
    }
}
