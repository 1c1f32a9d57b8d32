//! Runs the simulated exchange: one seed, or many in parallel. Those that fail are listed; the first of them is shortened and told
//! in words.

#![forbid(unsafe_code)]

mod swarm;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tests::sim::swarm::{Layout, Plan};
use tests::sim::{Failure, Outcome, run, shrink};

const SECOND: u64 = 1_000_000_000;

/// Simulates the exchange under faults and checks every promise.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Args {
    /// Run this seed, twice, and compare the traces.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run these seeds, `A..B`, B not included.
    #[arg(long, value_parser = range, default_value = "0..20")]
    seeds: std::ops::Range<u64>,
    /// Seconds of trade under faults that each seed simulates.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Only so many of a seed's first faults strike.
    #[arg(long)]
    faults: Option<usize>,
    /// Kill the ledger's leader again and again, of each seed, and print what that costs clients in simulated time.
    #[arg(long)]
    failover: bool,
    /// No new seed is begun after so many seconds; what was not run is said.
    #[arg(long)]
    within: Option<u64>,
    /// No new seed is begun once so many have failed; all are run otherwise.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_failures: Option<u64>,
    /// Seconds between lines that say how far it has come.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Seeds at a time; as many as there are cores by default.
    #[arg(long)]
    jobs: Option<usize>,
}

fn range(text: &str) -> Result<std::ops::Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("write A..B")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    Ok(number(from)?..number(to)?)
}

fn plan(args: &Args, seed: u64) -> Plan {
    let mut plan = Plan::draw(seed, args.seconds * SECOND);
    plan.faults.truncate(args.faults.unwrap_or(usize::MAX));
    plan
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Panics of the code under test are caught and told with their seed.
    std::panic::set_hook(Box::new(|_| {}));
    if args.failover {
        return failover(&args);
    }
    match args.seed {
        Some(seed) => one(&args, seed),
        None => many(&args),
    }
}

fn failover(args: &Args) -> ExitCode {
    for layout in [Layout::Joint, Layout::Split] {
        let mut pauses = Vec::new();
        for seed in args.seeds.clone() {
            match tests::sim::failover::pauses(seed, layout, 10) {
                Ok(more) => pauses.extend(more.into_iter().map(|pause| (pause, seed))),
                Err(failure) => {
                    println!("seed {seed}: {}", failure.what);
                    return ExitCode::FAILURE;
                }
            }
        }
        pauses.sort_unstable();
        let at = |percent: usize| pauses[((pauses.len() * percent).div_ceil(100).max(1)) - 1].0 as f64 / 1e6;
        println!(
            "{layout:?}: {} kills: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms of simulated time; worst seeds {:?}",
            pauses.len(),
            at(50),
            at(90),
            at(99),
            at(100),
            pauses.iter().rev().take(3).map(|(_, seed)| seed).collect::<Vec<_>>()
        );
    }
    ExitCode::SUCCESS
}

fn one(args: &Args, seed: u64) -> ExitCode {
    let plan = plan(args, seed);
    match (run(seed, &plan, false), run(seed, &plan, false)) {
        (Ok(first), Ok(second)) if first == second => {
            println!("seed {seed}: {}", told(&first));
            println!("trace {:016x}", first.trace);
            ExitCode::SUCCESS
        }
        (Ok(first), Ok(second)) => {
            println!("seed {seed} gives two traces: {:016x} and {:016x}", first.trace, second.trace);
            ExitCode::FAILURE
        }
        (Err(failure), _) | (_, Err(failure)) => {
            tell(args, seed, &failure);
            ExitCode::FAILURE
        }
    }
}

fn jobs(args: &Args) -> usize {
    args.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1)
}

fn many(args: &Args) -> ExitCode {
    let limits = swarm::Limits {
        jobs: jobs(args),
        within: args.within.map(Duration::from_secs),
        failures_max: args.max_failures.unwrap_or(u64::MAX),
        every: Duration::from_secs(args.every),
    };
    let ran = swarm::run(args.seeds.clone(), &limits, |seed| run(seed, &plan(args, seed), false));
    let sum = |of: fn(&Outcome) -> u64| ran.outcomes.iter().map(of).sum::<u64>();
    println!(
        "{} of {} seeds, {} simulated s in {} s: {} committed, {} answered, {} trades, {} faults, {} terms, {} promotions; \
         users: {} answers, {} of them before the ledger knew, {} times none; trace {:016x}",
        ran.outcomes.len(),
        args.seeds.end.saturating_sub(args.seeds.start),
        sum(|outcome| outcome.simulated) / SECOND,
        ran.took.as_secs(),
        sum(|outcome| outcome.committed),
        sum(|outcome| outcome.answered),
        sum(|outcome| outcome.trades),
        sum(|outcome| outcome.faults as u64),
        sum(|outcome| outcome.terms as u64),
        sum(|outcome| outcome.promotions),
        sum(|outcome| outcome.told),
        sum(|outcome| outcome.early),
        sum(|outcome| outcome.untold),
        ran.outcomes.iter().fold(0, |all, outcome| all ^ outcome.trace)
    );
    let Some((first, failure)) = ran.failures.first_key_value() else { return ExitCode::SUCCESS };
    // Before one of them is shortened, which may take longer than somebody waits.
    println!("{} FAILED:", swarm::seeds(ran.failures.len() as u64));
    for (seed, failure) in &ran.failures {
        println!("  seed {seed} at {} ms: {}", failure.at / 1_000_000, failure.what);
    }
    println!("again: cargo run --release -p tests --bin sim -- --seconds {} --seed SEED", args.seconds);
    tell(args, *first, failure);
    ExitCode::FAILURE
}

fn told(outcome: &Outcome) -> String {
    format!(
        "{} steps, {} simulated s: {} committed, {} answered, {} trades, {} faults, {} terms; users: {} answers, \
         {} of them before the ledger knew, {} times none",
        outcome.steps,
        outcome.simulated / SECOND,
        outcome.committed,
        outcome.answered,
        outcome.trades,
        outcome.faults,
        outcome.terms,
        outcome.told,
        outcome.early,
        outcome.untold
    )
}

fn tell(args: &Args, seed: u64, failure: &Failure) {
    println!("seed {seed} FAILED at {} ms: {}", failure.at / 1_000_000, failure.what);
    println!("looking for a shorter run that fails ...");
    let shrunk = shrink::shrink(seed, &plan(args, seed), failure);
    println!("the last steps:");
    for words in &shrunk.failure.words {
        println!("  {words}");
    }
    println!("{}", shrunk.failure.what);
    println!(
        "the shortest found: cargo run --release -p tests --bin sim -- --seed {seed} --seconds {} --faults {}",
        shrunk.trade_ns / SECOND,
        shrunk.faults
    );
}
