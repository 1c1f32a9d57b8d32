//! Open-addressing hash index of fixed capacity: keys of `K` words to one word each.
//!
//! Fibonacci hashing over a power of two of slots, linear probing, ids at most half and longer keys at most four fifths
//! full, deletion by shifting back, so that there are no tombstones and nothing ever rehashes. Never iterated:
//! its slot order is not part of the state.

/// Keys of `K` words, slots of `W == K + 1` words: the key, then the value. A key of zeros is no key, so that a
/// table of zeroed pages is an empty one and costs no memory until it fills.
pub(crate) struct Index<const K: usize, const W: usize> {
    slots: Vec<[u64; W]>,
    shift: u32,
    len: usize,
    capacity: usize,
}

/// From an id to a slab handle.
pub(crate) type IdIndex = Index<1, 2>;

impl<const K: usize, const W: usize> Index<K, W> {
    /// For up to `capacity` keys.
    pub(crate) fn new(capacity: usize) -> Self {
        const { assert!(W == K + 1) };
        let capacity_min = capacity.max(8);
        let slots = if K == 1 { capacity_min * 2 } else { capacity_min * 5 / 4 }.next_power_of_two();
        Index { slots: vec![[0; W]; slots], shift: 64 - slots.trailing_zeros(), len: 0, capacity }
    }

    /// Where the search for a key starts. Ids are counted upwards and come in that order: four neighbours share a
    /// cache line, so that only the first of them misses it.
    #[inline]
    fn home(&self, key: &[u64; K]) -> usize {
        const PHI: u64 = 0x9e37_79b9_7f4a_7c15;
        if K == 1 {
            let group = (key[0] >> 2).wrapping_mul(PHI) >> (self.shift + 2);
            return (group << 2 | key[0] & 3) as usize;
        }
        let hash = key.iter().fold(0_u64, |hash, word| (hash ^ word).wrapping_mul(PHI).rotate_right(29));
        (hash >> self.shift) as usize
    }

    #[inline]
    fn find(&self, key: &[u64; K]) -> (usize, bool) {
        let mask = self.slots.len() - 1;
        let mut at = self.home(key);
        loop {
            let slot = &self.slots[at];
            if slot[..K] == key[..] {
                return (at, true);
            }
            if slot[..K] == [0; K] {
                return (at, false);
            }
            at = (at + 1) & mask;
        }
    }

    /// The key's value.
    #[inline]
    pub(crate) fn get(&self, key: &[u64; K]) -> Option<u64> {
        let (at, found) = self.find(key);
        found.then(|| self.slots[at][K])
    }

    /// Adds a key that is not there, or replaces its value. The caller has checked that there is room.
    pub(crate) fn insert(&mut self, key: [u64; K], value: u64) {
        assert!(key != [0; K], "a key of zeros is no key");
        let (at, found) = self.find(&key);
        if !found {
            assert!(self.len < self.capacity, "an index was filled beyond its capacity");
            self.len += 1;
        }
        self.slots[at][..K].copy_from_slice(&key);
        self.slots[at][K] = value;
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, key: &[u64; K]) -> Option<u64> {
        let (mut hole, found) = self.find(key);
        if !found {
            return None;
        }
        let value = self.slots[hole][K];
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let mut key = [0; K];
            key.copy_from_slice(&self.slots[at][..K]);
            if key == [0; K] {
                break;
            }
            let home = self.home(&key);
            // It may move back unless its home lies after the hole on the way to it.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
        }
        self.slots[hole] = [0; W];
        self.len -= 1;
        Some(value)
    }
}

#[cfg(test)]
impl<const K: usize, const W: usize> Index<K, W> {
    /// How many keys there are.
    fn len(&self) -> usize {
        self.len
    }

    /// How many slots are looked at to find a key.
    pub(crate) fn steps(&self, key: &[u64; K]) -> usize {
        (self.find(key).0.wrapping_sub(self.home(key)) & (self.slots.len() - 1)) + 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_agrees_with_a_sorted_map_over_colliding_inserts_and_removals() {
        let mut index = IdIndex::new(64);
        let mut model = BTreeMap::new();
        let mut draw = 7_u64;
        for step in 0..50_000_u64 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = (draw >> 33) % 97 + 1;
            if draw >> 63 == 0 && model.len() < 64 {
                index.insert([key], step);
                model.insert(key, step);
            } else {
                assert_eq!(index.remove(&[key]), model.remove(&key));
            }
            assert_eq!(index.len(), model.len());
            let probe = (draw >> 20) % 97 + 1;
            assert_eq!(index.get(&[probe]), model.get(&probe).copied());
        }
    }
}
