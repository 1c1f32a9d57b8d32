//! Versions of what the cells do.
//!
//! The same log gives the same state by every build that knows its versions: where builds differ in what they do with a
//! command, they ask the version, which is state, and is changed by a command ([`wire::command::SetVersion`]) and by nothing else.
//!
//! | version | what it changes |
//! |---|---|
//! | 1 | |
//! | 2 | the answer to a credit or a debit names what is free after it, in ledger units; before it names nothing |
//! | 3 | a sweep that is held may be released, and is over; before that is refused |
//!
//! A version that was in a release is never changed. A new one is a row here, a question in [`Behaviour`], and the place
//! that asks it.

use std::ops::RangeInclusive;

/// The versions that this build knows.
pub const VERSIONS: RangeInclusive<u16> = 1..=3;

/// What the cells do where versions differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behaviour(u16);

impl Behaviour {
    /// Every log begins with it.
    pub const FIRST: Behaviour = Behaviour(1);

    /// Of a version; `None` of one that this build does not know.
    pub fn of(version: u16) -> Option<Behaviour> {
        VERSIONS.contains(&version).then_some(Behaviour(version))
    }

    /// Its number.
    pub fn version(self) -> u16 {
        self.0
    }

    /// Whether the answer to a credit or a debit names what is free after it.
    pub fn tells_free(self) -> bool {
        self.0 >= 2
    }

    /// Whether a sweep that is held may be released.
    pub fn ends_sweeps(self) -> bool {
        self.0 >= 3
    }
}
