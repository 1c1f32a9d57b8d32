//! What each fault cost its clients: the longest time without any answer, and the longest wait for one, from the pauses
//! that the load generator noted.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::machine::{self, Standstill};

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
    /// So long after it that began.
    #[serde(default)]
    pub after_ms: f64,
    /// The longest when what the machine itself stood still is taken out of each; nothing where nobody watched that.
    #[serde(default)]
    pub own_ms: Option<f64>,
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

/// A pause that begins later after a fault is not the fault's.
const WITHIN_MS: f64 = 2_500.0;

/// What each fault cost, given when they struck, and when the machine stood still if somebody saw to that.
pub fn costs(struck: &[f64], pauses: &[Pause], standstills: Option<&[Standstill]>) -> Vec<Cost> {
    let longest = |from: f64, until: f64, is_wait: bool, counted: &dyn Fn(&Pause) -> f64| {
        let its =
            |pause: &&Pause| pause.is_wait == is_wait && pause.began_ms + pause.ms > from && pause.began_ms < until;
        pauses.iter().filter(its).map(counted).fold(0.0, f64::max)
    };
    let all = |pause: &Pause| pause.ms;
    let next = struck.iter().skip(1).copied().chain([f64::INFINITY]);
    let costs = struck.iter().zip(next).map(|(at, next)| {
        let until = next.min(at + WITHIN_MS);
        let own_ms = standstills.map(|standstills| {
            let own = |p: &Pause| p.ms - machine::stood_still(standstills, p.began_ms, p.began_ms + p.ms);
            longest(*at, until, false, &own)
        });
        let pause_ms = longest(*at, until, false, &all);
        Cost {
            at_ms: *at,
            pause_ms,
            after_ms: pauses.iter().find(|it| !it.is_wait && it.ms == pause_ms).map_or(0.0, |it| it.began_ms - at),
            own_ms,
            wait_ms: longest(*at, until, true, &all),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_the_faults_that_could_make_it_and_told_apart_otherwise() {
        let pause = |began_ms, ms, is_wait| Pause { began_ms, ms, is_wait };
        // Under way when it struck; another wait; later; after its time; the second's.
        let pauses = [
            pause(995.0, 7.0, false),
            pause(1_100.0, 9.0, true),
            pause(2_000.0, 30.0, false),
            pause(3_500.0, 40.0, false),
            pause(5_001.0, 5.0, false),
        ];
        let struck = [1_000.0, 5_000.0];
        // The machine stands still in most of the later one, and where nobody waits.
        let standstills =
            [Standstill { from_ms: 1_990.0, until_ms: 2_025.0 }, Standstill { from_ms: 5_100.0, until_ms: 5_200.0 }];
        let found = costs(&struck, &pauses, Some(&standstills));
        assert_eq!([found[0].pause_ms, found[0].own_ms.unwrap(), found[0].wait_ms], [30.0, 7.0, 9.0]);
        assert_eq!([found[1].pause_ms, found[1].own_ms.unwrap(), found[1].wait_ms], [5.0, 5.0, 0.0]);
        assert_eq!([found[0].after_ms, found[1].after_ms], [1_000.0, 1.0]);
        assert!(costs(&struck, &pauses, None).iter().all(|cost| cost.own_ms.is_none()), "nobody saw");
        assert_eq!(elsewhere(&struck, &pauses), 40.0);
    }
}
