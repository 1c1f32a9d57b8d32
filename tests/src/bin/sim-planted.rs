//! Plants known bugs, one after the other, in the simulated exchange, and proves that each is caught.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use tests::sim::planted::{SEEDS_MAX, hunt, rate};
use wire::planted::Bug;

/// Plants known bugs, one after the other, and proves that each is caught.
#[derive(Debug, Parser)]
#[command(name = "sim-planted")]
struct Args {
    /// Only the bug of this number.
    #[arg(long)]
    bug: Option<u8>,
    /// The seeds begin with this one.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Run so many seeds with each bug, and print how many of them catch it.
    #[arg(long)]
    rate: Option<u64>,
    /// Seeds at a time; as many as there are cores by default.
    #[arg(long)]
    jobs: Option<usize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    // Panics of the code under test are caught and told with their seed.
    std::panic::set_hook(Box::new(|_| {}));
    let bugs = Bug::ALL.iter().filter(|bug| args.bug.is_none_or(|number| number == bug.number()));
    if let Some(seeds) = args.rate {
        for bug in bugs {
            let caught = rate(*bug, args.first, seeds, jobs);
            println!("{bug:?}: caught by {caught} of {seeds} seeds");
        }
        return ExitCode::SUCCESS;
    }
    let (mut planted, mut escaped) = (0, 0);
    for bug in bugs {
        planted += 1;
        match hunt(*bug, args.first, jobs) {
            Some(caught) => println!(
                "{bug:?}: caught within {} seeds; seed {} at {} ms: {}",
                caught.within,
                caught.seed,
                caught.failure.at / 1_000_000,
                caught.failure.what
            ),
            None => {
                escaped += 1;
                println!("{bug:?}: NOT caught in {SEEDS_MAX} seeds");
            }
        }
    }
    println!("{planted} planted bugs, {escaped} not caught within {SEEDS_MAX} seeds");
    if escaped == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
