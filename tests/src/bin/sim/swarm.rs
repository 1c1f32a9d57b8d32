//! Many seeds, several at a time: what became of each.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::tests::sim::Failure;

/// When no new seed is begun, and what is said meanwhile.
pub struct Limits {
    /// Seeds at a time.
    pub jobs: usize,
    /// None is begun after this,
    pub within: Option<Duration>,
    /// or once so many have failed.
    pub failures_max: u64,
    /// How often it is said how far it has come.
    pub every: Duration,
}

/// What became of the seeds that were run.
pub struct Ran<T> {
    /// Of those that kept every promise.
    pub outcomes: Vec<T>,
    /// Of the others, by seed.
    pub failures: BTreeMap<u64, Failure>,
    /// By the clock on the wall.
    pub took: Duration,
}

/// Runs them. A seed that fails is said at once, and keeps no other from being run.
pub fn run<T: Send>(seeds: Range<u64>, limits: &Limits, one: impl Fn(u64) -> Result<T, Failure> + Sync) -> Ran<T> {
    let next = AtomicU64::new(seeds.start);
    let (outcomes, failures) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    let began = Instant::now();
    let failed = || failures.lock().expect("nobody panics with it").len() as u64;
    let passed = || outcomes.lock().expect("nobody panics with it").len() as u64;
    let work = || {
        while limits.within.is_none_or(|within| began.elapsed() < within) && failed() < limits.failures_max {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            match one(seed) {
                Ok(outcome) => outcomes.lock().expect("nobody panics with it").push(outcome),
                Err(failure) => {
                    println!("seed {seed} FAILED at {} ms: {}", failure.at / 1_000_000, failure.what);
                    failures.lock().expect("nobody panics with it").insert(seed, failure);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..limits.jobs).map(|_| scope.spawn(work)).collect();
        let mut said = began;
        while !workers.iter().all(|worker| worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            if said.elapsed() >= limits.every {
                said = Instant::now();
                let (failed, passed) = (failed(), passed());
                let (run, of) = (failed + passed, seeds.end.saturating_sub(seeds.start));
                println!("{run} of {}, {failed} failed, {} s", self::seeds(of), began.elapsed().as_secs());
            }
        }
    });
    let outcomes = outcomes.into_inner().expect("nobody panics with it");
    let failures = failures.into_inner().expect("nobody panics with it");
    Ran { outcomes, failures, took: began.elapsed() }
}

/// In words.
pub fn seeds(count: u64) -> String {
    if count == 1 { "1 seed".to_owned() } else { format!("{count} seeds") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(failures_max: u64, within: Option<Duration>) -> Limits {
        Limits { jobs: 3, within, failures_max, every: Duration::from_secs(1) }
    }

    /// Every third seed fails.
    fn one(seed: u64) -> Result<u64, Failure> {
        match seed % 3 {
            0 => Err(Failure { at: seed, what: "broken".to_owned(), faults: 0, words: Vec::new() }),
            _ => Ok(seed),
        }
    }

    #[test]
    fn a_seed_that_fails_keeps_no_other_from_being_run() {
        let ran = run(1..20, &limits(u64::MAX, None), one);
        assert_eq!(ran.failures.keys().copied().collect::<Vec<_>>(), [3, 6, 9, 12, 15, 18]);
        assert!(ran.failures.iter().all(|(seed, failure)| failure.at == *seed));
        assert_eq!(ran.outcomes.len(), 13);
    }

    #[test]
    fn once_enough_have_failed_or_time_is_up_no_seed_is_begun() {
        let ran = run(0..1_000_000, &limits(2, None), one);
        // Those that were under way came to their end.
        assert!((2..=4).contains(&ran.failures.len()), "{}", ran.failures.len());
        assert!(ran.outcomes.len() < 20);
        let ran = run(0..1_000_000, &limits(u64::MAX, Some(Duration::ZERO)), one);
        assert_eq!((ran.outcomes.len(), ran.failures.len()), (0, 0));
    }
}
