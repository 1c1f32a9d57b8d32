//! A queue in pieces: however long it grows, what is in it stays where it is, and nobody waits for a copy of all of it.

use std::collections::VecDeque;

/// Items in the order in which they came, so many to a piece: what is gone takes memory until its piece is.
#[derive(Debug)]
pub(super) struct Pieces<T, const PIECE: usize = 64> {
    /// All but the last are full.
    pieces: VecDeque<Vec<T>>,
    /// Items of the first piece that are gone.
    gone: usize,
    len: usize,
}

impl<T, const PIECE: usize> Default for Pieces<T, PIECE> {
    fn default() -> Pieces<T, PIECE> {
        Pieces { pieces: VecDeque::new(), gone: 0, len: 0 }
    }
}

impl<T: Copy, const PIECE: usize> Pieces<T, PIECE> {
    pub(super) fn pop_first(&mut self) -> Option<T> {
        let first = *self.get(0)?;
        self.drop_first();
        Some(first)
    }
}

impl<T, const PIECE: usize> Pieces<T, PIECE> {
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

    /// The first item is gone, if there is one; what it holds is, with the last one of its piece, or of all.
    pub(super) fn drop_first(&mut self) {
        if self.len == 0 {
            return;
        }
        (self.gone, self.len) = (self.gone + 1, self.len - 1);
        if self.len == 0 {
            // Nothing may come for long.
            self.pieces.clear();
            self.gone = 0;
        } else if self.gone == PIECE {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_and_what_is_gone_keeps_less_than_a_piece() {
        let (mut pieces, mut plain) = (Pieces::<u32, 8>::default(), VecDeque::new());
        for step in 0..400 {
            // It grows, shrinks to nothing, and grows again.
            if step / 50 % 2 == 0 {
                pieces.push(step);
                plain.push_back(step);
            } else {
                pieces.drop_first();
                plain.pop_front();
            }
            assert_eq!(pieces.len(), plain.len());
            assert_eq!((pieces.get(0), pieces.last()), (plain.front(), plain.back()));
            assert!(pieces.range(0).eq(plain.iter()), "step {step}");
            for at in 0..=plain.len() {
                assert_eq!(pieces.get_mut(at), plain.get_mut(at), "{at} in step {step}");
            }
            let slots: usize = pieces.pieces.iter().map(Vec::len).sum();
            assert!(slots < plain.len() + 8, "{slots} for {} in step {step}", plain.len());
        }
        while pieces.len() > 0 {
            pieces.drop_first();
        }
        assert!(pieces.pieces.is_empty(), "an account that is quiet for long takes nothing");
    }
}
