//! What happened: a number that every step has a part in, and the last steps in words for whoever must understand a
//! failure.

use std::collections::VecDeque;
use std::fmt;

use super::clock::{MS, Moment};

/// So many steps are kept in words.
const WORDS_MAX: usize = 60;

/// See the module.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    steps: u64,
    words: Option<VecDeque<String>>,
}

impl Trace {
    /// Words cost time, so they are kept only by a run that is known to fail.
    pub fn new(with_words: bool) -> Trace {
        Trace { hash: 0, steps: 0, words: with_words.then(VecDeque::new) }
    }

    /// A step happened.
    pub fn mix(&mut self, number: u64) {
        self.steps += 1;
        self.hash = (self.hash.rotate_left(5) ^ number).wrapping_mul(0x517C_C1B7_2722_0A95);
    }

    /// Bytes were sent.
    pub fn mix_bytes(&mut self, bytes: &[u8]) {
        self.mix(hash(bytes));
    }

    /// Says a step in words, if anybody listens.
    pub fn say(&mut self, now: Moment, what: impl FnOnce() -> String) {
        if let Some(words) = &mut self.words {
            if words.len() == WORDS_MAX {
                words.pop_front();
            }
            words.push_back(format!("{:>9}.{:03} ms  {}", now / MS, now % MS / 1_000, what()));
        }
    }

    /// Whether somebody listens.
    pub fn has_words(&self) -> bool {
        self.words.is_some()
    }

    /// What happened in a world that came after this one.
    pub fn go_on_with(&mut self, next: Trace) {
        self.mix(next.hash);
        self.steps += next.steps;
        if let (Some(words), Some(more)) = (&mut self.words, next.words) {
            words.extend(more);
        }
    }

    /// Of everything so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The last steps.
    pub fn words(self) -> Vec<String> {
        self.words.unwrap_or_default().into()
    }
}

/// A number for bytes: equal on equal bytes.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
    hash
}

/// `Option` in words.
pub struct OrNobody<T>(pub Option<T>);

impl<T: fmt::Display> fmt::Display for OrNobody<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("nobody"),
        }
    }
}
