//! What each fault cost its clients: the longest time without any answer, and the longest wait for one, from the pauses
//! that the load generator noted.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A pause that begins later after a fault is not the fault's.
const WITHIN_MS: f64 = 2_500.0;

/// As `mainstay loadgen run --pauses` writes it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Pause {
    began_ms: f64,
    ms: f64,
    is_wait: bool,
}

/// What one fault cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Cost {
    /// When it struck, in milliseconds since 1970.
    pub at_ms: f64,
    /// The longest time without any answer while something waited for one.
    pub pause_ms: f64,
    /// The longest wait of one order for its answer.
    pub wait_ms: f64,
}

/// How many of a hundred are no longer.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// Now, as pauses are timed.
pub fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

/// The pauses in a file; none when it cannot be read.
pub fn read(path: &Path) -> Vec<Pause> {
    std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// What each fault cost, given when they struck.
pub fn costs(struck: &[f64], pauses: &[Pause]) -> Vec<Cost> {
    let longest = |at: f64, until: f64, is_wait: bool| {
        let its = |pause: &&Pause| {
            pause.is_wait == is_wait && pause.began_ms + pause.ms > at && pause.began_ms < until.min(at + WITHIN_MS)
        };
        pauses.iter().filter(its).map(|pause| pause.ms).fold(0.0, f64::max)
    };
    let ends = struck.iter().skip(1).copied().chain([f64::INFINITY]);
    let costs = struck.iter().zip(ends).map(|(at, until)| Cost {
        at_ms: *at,
        pause_ms: longest(*at, until, false),
        wait_ms: longest(*at, until, true),
    });
    costs.collect()
}

/// The longest time without any answer that no fault explains.
pub fn elsewhere(struck: &[f64], pauses: &[Pause]) -> f64 {
    let is_explained =
        |pause: &Pause| struck.iter().any(|at| pause.began_ms + pause.ms > *at && pause.began_ms < at + WITHIN_MS);
    pauses.iter().filter(|pause| !pause.is_wait && !is_explained(pause)).map(|pause| pause.ms).fold(0.0, f64::max)
}

/// How a number spreads over the faults: the smallest that is no less than so many of a hundred.
pub fn spread(numbers: impl Iterator<Item = f64>) -> Spread {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(rank).copied().unwrap_or(0.0)
    };
    Spread { p50: at(50), p99: at(99), max: at(100) }
}
