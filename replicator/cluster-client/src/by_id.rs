//! Maps by what the exchange counts.
//!
//! The standard library's hash is keyed, so that whoever chooses names cannot choose them to fall into one place. Ids of
//! accounts and orders, and positions in a log, are chosen by nobody: they are counted, and spread well enough by one
//! multiplication. The same holds of what a process counts for itself, as the numbers of its requests.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by ids that nobody chooses.
pub type MapById<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Of one id or several.
#[derive(Debug, Default, Clone, Copy)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        // A table begins with the low bits, and a product has its best ones above.
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u16(&mut self, id: u16) {
        self.write_u64(id.into());
    }

    fn write_u32(&mut self, id: u32) {
        self.write_u64(id.into());
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = (self.0.rotate_left(23) ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::Hash;

    fn hash(of: impl Hash) -> u64 {
        let mut hasher = IdHasher::default();
        of.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn ids_that_are_counted_fall_into_places_of_their_own() {
        for step in [1_u64, 2, 3, 64, 1_000, 1 << 20] {
            let places: HashSet<u64> = (0..1_000).map(|count| hash(count * step) % 4_096).collect();
            assert!(places.len() > 700, "{} places for steps of {step}", places.len());
            let tags: HashSet<u64> = (0..1_000).map(|count| hash(count * step) >> 57).collect();
            assert!(tags.len() > 64, "{} tags for steps of {step}", tags.len());
        }
        assert_ne!(hash((1_u16, 2_u64)), hash((2_u16, 1_u64)));
    }
}
