//! A few seeds of the simulated exchange with every change; `tests/run` runs hundreds.

#![forbid(unsafe_code)]

use tests::sim::run;
use tests::sim::swarm::Plan;

const SECOND: u64 = 1_000_000_000;

#[test]
fn every_promise_is_kept_whatever_strikes() {
    for seed in 0..8 {
        let plan = Plan::draw(seed, 10 * SECOND);
        match run(seed, &plan, false) {
            Ok(outcome) => assert!(outcome.answered > 100 && outcome.trades > 0, "seed {seed}: {outcome:?}"),
            Err(failure) => panic!("seed {seed}: {}", failure.what),
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let trace = |seed| run(seed, &Plan::draw(seed, 3 * SECOND), false).expect("it keeps every promise").trace;
    assert_eq!(trace(5), trace(5));
    assert_ne!(trace(5), trace(6));
}
