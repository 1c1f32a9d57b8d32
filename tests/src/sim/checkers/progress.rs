//! A healed world comes to rest within a bound: partitions have leaders, whatever was asked is answered, replicas are
//! equal, consumers have seen everything.
//!
//! And when it has been whole for a while, who asks for something is told what became of it: nothing is wrong any more that
//! a gateway could wait for in vain.

use super::Verdict;
use crate::sim::clock::{Moment, SECOND};

/// How long a healed world may take.
pub const BOUND: Moment = 20 * SECOND;
/// How long it has been whole when users are told everything.
const WHOLE: Moment = SECOND;
/// Users wait that long at least who are told everything then.
const PATIENT: u64 = SECOND;

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

    /// A user who waits so long, and asked then, is not told what became of it: `what`. Since then nobody else `came_to_lead`.
    pub fn on_untold(
        &self,
        asked: Moment,
        timeout_ns: u64,
        came_to_lead: bool,
        what: impl FnOnce() -> String,
    ) -> Verdict {
        let is_whole = self.healed.is_some_and(|healed| asked > healed + WHOLE);
        if !is_whole || came_to_lead || timeout_ns < PATIENT {
            return Ok(());
        }
        Err(format!("nothing is wrong any more, and a user is not told what became of {}", what()))
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

#[cfg(test)]
mod tests;
