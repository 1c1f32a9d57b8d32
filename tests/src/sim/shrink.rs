//! Makes a failure short: the fewest of its first faults, and the shortest trade, that still fail.

use super::clock::{Moment, SECOND};
use super::swarm::Plan;
use super::world::{Failure, run};

/// A failure, and the shortest prefix of its run that was found to fail.
pub struct Shrunk {
    /// So many of the first faults strike.
    pub faults: usize,
    /// So long is there trade.
    pub trade_ns: Moment,
    /// How that fails, in words.
    pub failure: Failure,
}

/// Looks for the shortest prefix: first of the faults, by halves, then of the trade.
pub fn shrink(seed: u64, plan: &Plan, failure: &Failure) -> Shrunk {
    let mut short = plan.clone();
    short.faults.truncate(failure.faults);
    let fails = |plan: &Plan| run(seed, plan, false).err();
    if fails(&short).is_none() {
        short = plan.clone();
    }
    // Failing is not monotonous in the faults; what this finds fails, and is short.
    let (mut passes, mut fails_at) = (0, short.faults.len());
    while passes < fails_at {
        let middle = (passes + fails_at) / 2;
        let mut tried = short.clone();
        tried.faults.truncate(middle);
        if fails(&tried).is_some() { fails_at = middle } else { passes = middle + 1 }
    }
    short.faults.truncate(fails_at);
    let (mut low, mut high) = (0, short.trade_ns / SECOND);
    while low < high {
        let middle = (low + high) / 2;
        let tried = Plan { trade_ns: middle * SECOND, ..short.clone() };
        if fails(&tried).is_some() { high = middle } else { low = middle + 1 }
    }
    let shorter = Plan { trade_ns: high * SECOND, ..short.clone() };
    if fails(&shorter).is_some() {
        short = shorter;
    }
    let failure = run(seed, &short, true).err().unwrap_or_else(|| failure.clone());
    Shrunk { faults: short.faults.len(), trade_ns: short.trade_ns, failure }
}
