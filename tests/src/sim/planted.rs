//! Proof that the checkers see: one bug after the other is planted, and seeds run until one catches it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use wire::planted::{Bug, plant};

use super::clock::SECOND;
use super::swarm::{self, Plan};
use super::versions;
use super::world::{Failure, run};

/// Every bug is caught within so many seeds, or the proof fails.
pub const SEEDS_MAX: u64 = 60;
/// Seconds of trade of a seed that looks for a bug.
const TRADE_NS: u64 = 15 * SECOND;

/// How a bug was caught.
pub struct Caught {
    /// The seed that did.
    pub seed: u64,
    /// So many seeds had run, that one included.
    pub within: u64,
    /// How it failed.
    pub failure: Failure,
}

/// Runs a seed while a bug is planted.
fn try_seed(bug: Bug, seed: u64) -> Result<(), Failure> {
    let mut plan = Plan::plain(seed, TRADE_NS);
    // Checkers know gateways' users where nobody else says when requests were asked for.
    if matches!(bug, Bug::FirstNotAwaited | Bug::UnreadIsBusy | Bug::ReadJoinsQuestion) {
        plan.trade_plainly();
    }
    // What a bug needs strikes more often where less else does.
    match bug {
        Bug::BehavesByBuild => versions::draw_builds(seed, &mut plan),
        Bug::VoteNotPersisted => swarm::draw_voter_deaths(seed, &mut plan),
        Bug::LostIsRefused => swarm::draw_gateways_away(seed, &mut plan),
        Bug::FirstNotAwaited => plan.order_entry.trade_much(),
        Bug::UnreadIsBusy => plan.order_entry.stand_still(),
        Bug::ReadJoinsQuestion => plan.order_entry.look_often(),
        _ => {}
    }
    // The others sync what they acknowledge.
    plan.is_in_memory |= bug == Bug::BootIgnored;
    run(seed, &plan, false).map(|_| ())
}

/// How many of so many seeds from this one on catch a bug, `jobs` at a time.
pub fn rate(bug: Bug, first: u64, seeds: u64, jobs: usize) -> u64 {
    plant(Some(bug));
    let (next, caught) = (AtomicU64::new(first), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    caught.fetch_add(u64::from(try_seed(bug, seed).is_err()), Ordering::Relaxed);
                }
            });
        }
    });
    plant(None);
    caught.into_inner()
}

/// Plants a bug and looks for it from this seed on, `jobs` seeds at a time. `None` when it was not caught.
pub fn hunt(bug: Bug, first: u64, jobs: usize) -> Option<Caught> {
    plant(Some(bug));
    let (next, caught) = (AtomicU64::new(first), Mutex::new(None::<Caught>));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = caught.lock().expect("nobody panics with it").is_some();
                    if seed >= first + SEEDS_MAX || is_over {
                        return;
                    }
                    if let Err(failure) = try_seed(bug, seed) {
                        let mut caught = caught.lock().expect("nobody panics with it");
                        // The lowest seed, whichever thread was first: a number to rely on.
                        if caught.as_ref().is_none_or(|caught| seed < caught.seed) {
                            *caught = Some(Caught { seed, within: seed - first + 1, failure });
                        }
                    }
                }
            });
        }
    });
    plant(None);
    caught.into_inner().expect("nobody panics with it")
}
