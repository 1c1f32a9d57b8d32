//! Why orders of a measurement failed, counted by what was said; and when there is no sense in going on.

use std::fmt;
use std::time::{Duration, Instant};

use cluster_client::ClusterError;
use serde::Serialize;
use wire::RejectReason;

use crate::api::ApiError;

#[cfg(test)]
mod tests;

/// Further kinds are counted as one.
const KINDS_MAX: usize = 6;
/// For so long every order may fail: a failover is shorter.
const HOPELESS_AFTER: Duration = Duration::from_secs(3);
/// And so many must: of a way that is seldom gone one or two say nothing.
const HOPELESS_FROM: u64 = 10;

/// Why an order has no outcome.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The gateway, or the way to it, said so.
    Api(ApiError),
    /// The ledger refused it.
    Ledger(RejectReason),
    /// The nodes did not take it, or did not say what became of it.
    Cluster(ClusterError),
    /// Nothing came for so long.
    Silence(Duration),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Api(error) => write!(f, "{error}"),
            Failure::Ledger(RejectReason::Busy) => {
                write!(f, "the ledger refused: Busy (no room for more orders: see `mainstay ctl capacity`)")
            }
            Failure::Ledger(reason) => write!(f, "the ledger refused: {reason:?}"),
            Failure::Cluster(error) => write!(f, "{error}"),
            Failure::Silence(for_so_long) => write!(f, "no outcome within {} s", for_so_long.as_secs()),
        }
    }
}

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// What was said.
    pub why: String,
    /// How often.
    pub count: u64,
}

/// All of them, in the order in which each kind came first.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    kinds: Vec<Kind>,
    others: u64,
    /// Since when there has been no success, and how many have failed since.
    since: Option<(Instant, u64)>,
}

impl Failures {
    /// One more.
    pub fn note(&mut self, failure: &Failure, now: Instant) {
        self.since.get_or_insert((now, 0)).1 += 1;
        let why = failure.to_string();
        match self.kinds.iter().position(|kind| kind.why == why) {
            Some(at) => self.kinds[at].count += 1,
            None if self.kinds.len() < KINDS_MAX => self.kinds.push(Kind { why, count: 1 }),
            None => self.others += 1,
        }
    }

    /// An order has succeeded.
    pub fn succeeded(&mut self) {
        self.since = None;
    }

    /// Whether nothing has succeeded for so long that nothing will.
    pub fn are_all(&self, now: Instant) -> bool {
        let is_long = |since| now.saturating_duration_since(since) >= HOPELESS_AFTER;
        self.since.is_some_and(|(since, failed)| failed >= HOPELESS_FROM && is_long(since))
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.count).sum::<u64>() + self.others
    }

    /// By kind.
    pub fn kinds(&self) -> Vec<Kind> {
        let others = (self.others > 0).then(|| Kind { why: "something else".to_owned(), count: self.others });
        self.kinds.iter().cloned().chain(others).collect()
    }
}

/// A line for each kind, below what they failed in.
impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kinds().iter().try_for_each(|Kind { why, count }| writeln!(f, "{:<10} {count:>7} failed: {why}", ""))
    }
}
