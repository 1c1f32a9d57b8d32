//! How far a gateway has come with what a private read waits for.
//!
//! It asks the ledger's leader, after it was asked itself, how far it must have read; waits until it has; and waits
//! [`OUTCOME_WAIT`] from then on for the ledger's word of orders that are on their way. One question may answer several reads,
//! and nobody here knows which it was for: of those that were put since, the answer that lets it begin soonest counts.

use wire::LogPosition;

use crate::sim::clock::{MS, Moment};

/// A gateway waits this long for the ledger's word of what became of an order.
pub(in crate::sim) const OUTCOME_WAIT: u64 = 500 * MS;

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    /// So far it must read, as a leader has answered it.
    upto: Option<LogPosition>,
    /// When it had.
    done: Option<Moment>,
}

impl Reading {
    /// A leader has answered a question that was put since.
    pub fn on_answer(&mut self, position: LogPosition) {
        self.upto = Some(self.upto.map_or(position, |upto| upto.min(position)));
    }

    /// The gateway has read up to here.
    pub fn on_seen(&mut self, seen: LogPosition, now: Moment) {
        if self.done.is_none() && self.upto.is_some_and(|upto| seen >= upto) {
            self.done = Some(now);
        }
    }

    /// Whether it may have given up waiting for orders' outcomes.
    pub fn is_late(&self, now: Moment) -> bool {
        self.done.is_some_and(|done| now >= done + OUTCOME_WAIT)
    }
}

#[cfg(test)]
mod tests;
