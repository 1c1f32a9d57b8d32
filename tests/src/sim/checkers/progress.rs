//! A healed world comes to rest within a bound: partitions have leaders, whatever was asked is answered, replicas are
//! equal, consumers have seen everything.

use super::Verdict;
use crate::sim::clock::{Moment, SECOND};

/// How long a healed world may take.
pub const BOUND: Moment = 20 * SECOND;

/// See the module.
#[derive(Debug, Default)]
pub struct Progress {
    healed: Option<Moment>,
}

impl Progress {
    /// Nothing is broken from now on.
    pub fn healed(&mut self, now: Moment) {
        self.healed = Some(now);
    }

    /// It is not at rest: `why` says what is missing.
    pub fn on_unrest(&self, now: Moment, why: impl FnOnce() -> String) -> Verdict {
        match self.healed {
            Some(healed) if now > healed + BOUND => {
                Err(format!("{} s after everything was healed: {}", (now - healed) / SECOND, why()))
            }
            _ => Ok(()),
        }
    }
}
