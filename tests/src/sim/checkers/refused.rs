//! What a client is told was not executed is not: no request is executed of which its client was told so, before or after.
//!
//! A client does not say under which number a request was sent, and asks for the same again. So they are counted: of equal
//! commands, no more are executed than were asked for and not refused.

use std::collections::BTreeMap;

use cluster_client::ClusterError;
use wire::Origin;

use super::Verdict;
use crate::sim::history::Record;
use crate::sim::trace::hash;

/// See the module.
#[derive(Debug, Default)]
pub struct Refused {
    /// By a number for the bytes of a command.
    counts: BTreeMap<u64, Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    asked: u64,
    refused: u64,
    executed: u64,
}

impl Counts {
    fn check(&self, what: impl FnOnce() -> String) -> Verdict {
        let Counts { asked, refused, executed } = *self;
        if executed + refused <= asked {
            return Ok(());
        }
        Err(format!("{}: of {asked} equal requests {executed} were executed, and {refused} told to be not", what()))
    }
}

impl Refused {
    /// A client asks.
    pub fn on_asked(&mut self, payload: &[u8]) {
        self.counts.entry(hash(payload)).or_default().asked += 1;
    }

    /// It is told what became of that: an error, unless it says that nobody knows, tells that it is not executed.
    pub fn on_told(&mut self, who: usize, payload: &[u8], error: Option<&ClusterError>) -> Verdict {
        let Some(error) = error.filter(|error| !error.is_outcome_unknown()) else { return Ok(()) };
        let Some(counts) = self.counts.get_mut(&hash(payload)) else { return Ok(()) };
        counts.refused += 1;
        counts.check(|| format!("gateway {who} is told: {error}"))
    }

    /// A command of the ledger's partition is committed. What nobody has asked for here is of a life before.
    pub fn on_commit(&mut self, record: &Record) -> Verdict {
        if record.origin == Origin::INTERNAL || record.payload.is_empty() {
            return Ok(());
        }
        let Some(counts) = self.counts.get_mut(&hash(&record.payload)) else { return Ok(()) };
        counts.executed += 1;
        counts.check(|| format!("{:?} is executed at {}", record.origin, record.position))
    }
}

#[cfg(test)]
mod tests;
