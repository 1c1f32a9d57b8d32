//! Which of 2^18 slots are taken: three levels of 64-bit words, so that the first, last, next and previous
//! taken slot cost three word operations.

/// How many slots there are: 64 × 64 × 64.
pub(super) const SLOTS: usize = 1 << 18;

pub(super) struct Bitmap {
    /// One bit a slot.
    slots: Box<[u64; SLOTS / 64]>,
    /// One bit a word of `slots`.
    words: [u64; 64],
    /// One bit a word of `words`.
    top: u64,
}

impl Bitmap {
    pub(super) fn new() -> Bitmap {
        Bitmap { slots: Box::new([0; SLOTS / 64]), words: [0; 64], top: 0 }
    }

    #[inline]
    pub(super) fn insert(&mut self, slot: usize) {
        self.slots[slot >> 6] |= 1 << (slot & 63);
        self.words[slot >> 12] |= 1 << (slot >> 6 & 63);
        self.top |= 1 << (slot >> 12);
    }

    #[inline]
    pub(super) fn remove(&mut self, slot: usize) {
        self.slots[slot >> 6] &= !(1 << (slot & 63));
        if self.slots[slot >> 6] == 0 {
            self.words[slot >> 12] &= !(1 << (slot >> 6 & 63));
            if self.words[slot >> 12] == 0 {
                self.top &= !(1 << (slot >> 12));
            }
        }
    }

    #[inline]
    pub(super) fn first(&self) -> Option<usize> {
        if self.top == 0 { None } else { Some(self.first_below_top(self.top.trailing_zeros() as usize)) }
    }

    #[inline]
    pub(super) fn last(&self) -> Option<usize> {
        if self.top == 0 { None } else { Some(self.last_below_top(top_bit(self.top))) }
    }

    /// The first taken slot after `slot`.
    pub(super) fn after(&self, slot: usize) -> Option<usize> {
        let (word, block) = (slot >> 6, slot >> 12);
        let rest = above(self.slots[word], slot & 63);
        if rest != 0 {
            return Some(word << 6 | rest.trailing_zeros() as usize);
        }
        let rest = above(self.words[block], word & 63);
        if rest != 0 {
            return Some(self.first_of_word(block << 6 | rest.trailing_zeros() as usize));
        }
        let rest = above(self.top, block);
        if rest == 0 { None } else { Some(self.first_below_top(rest.trailing_zeros() as usize)) }
    }

    /// The last taken slot before `slot`.
    pub(super) fn before(&self, slot: usize) -> Option<usize> {
        let (word, block) = (slot >> 6, slot >> 12);
        let rest = below(self.slots[word], slot & 63);
        if rest != 0 {
            return Some(word << 6 | top_bit(rest));
        }
        let rest = below(self.words[block], word & 63);
        if rest != 0 {
            return Some(self.last_of_word(block << 6 | top_bit(rest)));
        }
        let rest = below(self.top, block);
        if rest == 0 { None } else { Some(self.last_below_top(top_bit(rest))) }
    }

    #[inline]
    fn first_below_top(&self, block: usize) -> usize {
        self.first_of_word(block << 6 | self.words[block].trailing_zeros() as usize)
    }

    #[inline]
    fn last_below_top(&self, block: usize) -> usize {
        self.last_of_word(block << 6 | top_bit(self.words[block]))
    }

    #[inline]
    fn first_of_word(&self, word: usize) -> usize {
        word << 6 | self.slots[word].trailing_zeros() as usize
    }

    #[inline]
    fn last_of_word(&self, word: usize) -> usize {
        word << 6 | top_bit(self.slots[word])
    }
}

#[inline]
fn top_bit(word: u64) -> usize {
    63 - word.leading_zeros() as usize
}

#[inline]
fn above(word: u64, bit: usize) -> u64 {
    word & (u64::MAX << bit) & !(1 << bit)
}

#[inline]
fn below(word: u64, bit: usize) -> u64 {
    word & ((1 << bit) - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_agrees_with_a_sorted_set() {
        let mut bitmap = Bitmap::new();
        let mut model = BTreeSet::new();
        let mut draw = 3_u64;
        for _ in 0..20_000 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let spread = if draw >> 60 == 0 { SLOTS } else { 300 };
            let slot = (draw >> 20) as usize % spread;
            if draw >> 63 == 0 {
                bitmap.insert(slot);
                model.insert(slot);
            } else {
                bitmap.remove(slot);
                model.remove(&slot);
            }
            assert_eq!(bitmap.first(), model.first().copied());
            assert_eq!(bitmap.last(), model.last().copied());
            assert_eq!(bitmap.after(slot), model.range(slot + 1..).next().copied());
            assert_eq!(bitmap.before(slot), model.range(..slot).next_back().copied());
        }
    }
}
