//! What decides between commands: a seed, or a fuzzer's bytes.

/// See the module.
pub(super) enum Chance {
    /// xorshift64*.
    Seed(u64),
    /// A byte for a choice among up to 256, two among more; zero once they are used up.
    Bytes { bytes: std::vec::IntoIter<u8>, is_over: bool },
}

impl Chance {
    pub(super) fn of_seed(seed: u64) -> Chance {
        Chance::Seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn of_bytes(bytes: Vec<u8>) -> Chance {
        Chance::Bytes { bytes: bytes.into_iter(), is_over: false }
    }

    /// Whether the bytes were too few for what was asked.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Chance::Bytes { is_over: true, .. })
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        match self {
            Chance::Seed(state) => {
                *state ^= *state >> 12;
                *state ^= *state << 25;
                *state ^= *state >> 27;
                (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 24) % bound
            }
            Chance::Bytes { bytes, is_over } => {
                let mut next = || {
                    let byte = bytes.next();
                    *is_over |= byte.is_none();
                    u64::from(byte.unwrap_or(0))
                };
                match bound {
                    0..=256 => next() % bound,
                    // Two bytes spread over what may be a long time or a large amount.
                    _ => (next() << 8 | next()) * (bound / 65_536).max(1) % bound,
                }
            }
        }
    }

    pub(super) fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
