//! No learner becomes a voter before its node has the events of the past, or knows that nobody has them: otherwise one disk after
//! the other is lost, a quorum has the log each time, and with the last of those who were there nobody has the past.
//!
//! Whether it has them is decided when its change is proposed. When that is committed it may have come back with less than it
//! had, or have been sent another snapshot by another leader: so what counts is whether it ever had them.

use std::collections::BTreeMap;

use replicator::node_of;
use wire::PartitionId;

use super::Verdict;
use crate::sim::clock::{Moment, SECOND};

/// Nobody waits for longer than this for events that do not come.
const PATIENCE: Moment = 29 * SECOND;

/// What is known of a learner.
#[derive(Debug, Clone, Copy)]
struct Seen {
    since: Moment,
    is_whole: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Pasts {
    by: BTreeMap<(PartitionId, u64), Seen>,
}

impl Pasts {
    /// Whether a learner was seen with its past.
    pub fn is_whole(&self, partition: PartitionId, member: u64) -> bool {
        self.by.get(&(partition, member)).is_some_and(|seen| seen.is_whole)
    }

    /// A learner was looked at.
    pub fn on_learner(&mut self, partition: PartitionId, member: u64, is_whole: bool, now: Moment) {
        let seen = self.by.entry((partition, member)).or_insert(Seen { since: now, is_whole });
        seen.is_whole |= is_whole;
    }

    /// A node's clock leaps: its patience ends the earlier.
    pub fn on_jump(&mut self, by_ns: u64) {
        for seen in self.by.values_mut() {
            seen.since = seen.since.saturating_sub(by_ns);
        }
    }

    /// Somebody has applied that a learner is a voter.
    pub fn on_voter(&self, partition: PartitionId, member: u64, now: Moment) -> Verdict {
        match self.by.get(&(partition, member)) {
            Some(seen) if !seen.is_whole && now < seen.since + PATIENCE => {
                let node = node_of(member);
                Err(format!("node {node} votes in partition {partition}, and has never had the events of its past"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
