//! Tells random commands to the engine and to the model beside it, and compares what they tell after each: one walk, or as many as
//! have so many commands, on all cores. The same arguments are the same commands; a walk that meets a difference is shortened.

#![forbid(unsafe_code)]

mod progress;

use std::num::NonZeroUsize;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::Parser;
use tests::model::reached::Reached;
use tests::model::walk::{Difference, Walk};

use self::progress::{Progress, grouped};

/// The engine against the independent model.
#[derive(Debug, Parser)]
#[command(name = "model")]
struct Args {
    /// As many walks as it takes for so many commands.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    commands: u64,
    /// From the walk of this seed on.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// The walk of this seed alone.
    #[arg(long, conflicts_with_all = ["commands", "from"])]
    seed: Option<u64>,
    /// Walks at a time; as many as there are cores by default.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Seconds between lines that say how far it has come.
    #[arg(long, default_value_t = 10)]
    every: u64,
}

/// glibc reads it when a process begins. Every walk has books of its own, tables of megabytes of which little is used: from the kernel
/// they come empty, while those that were used before have to be cleared, which takes ten times as long as the walk.
const MMAP_THRESHOLD: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");

fn main() -> ExitCode {
    let args = Args::parse();
    if std::env::var_os(MMAP_THRESHOLD.0).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        let mut again = std::process::Command::new(program);
        again.args(std::env::args_os().skip(1)).env(MMAP_THRESHOLD.0, MMAP_THRESHOLD.1);
        // Comes back if that cannot be; then it is slow.
        println!("slow, for want of {}: {}", MMAP_THRESHOLD.0, again.exec());
    }
    match args.seed {
        Some(seed) => one(seed),
        None => many(&args),
    }
}

fn one(seed: u64) -> ExitCode {
    let walk = Walk::of(seed);
    match quietly(|| walk.run()) {
        Ok(walked) => {
            println!("{walk:?}\n{}\ntrace {:032x}", walked.reached, walked.trace);
            ExitCode::SUCCESS
        }
        Err(difference) => {
            tell(&walk, &difference);
            ExitCode::FAILURE
        }
    }
}

/// Panics are caught, and told with their walk.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = run();
    std::panic::set_hook(hook);
    done
}

/// The walks from the first on that have so many commands, and how many those are exactly: not less than was asked for.
fn enough(first: u64, commands: u64) -> (std::ops::Range<u64>, u64) {
    let (mut end, mut sum) = (first, 0);
    while sum < commands {
        sum += Walk::of(end).steps as u64;
        end += 1;
    }
    (first..end, sum)
}

/// What is common to all walks of a run.
#[derive(Default)]
struct Sum {
    walks: u64,
    reached: Reached,
    trace: u128,
}

fn many(args: &Args) -> ExitCode {
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let (seeds, commands) = enough(args.from, args.commands);
    println!("{} walks of {} commands, {jobs} at a time", grouped(seeds.end - seeds.start), grouped(commands));
    let (next, told, has_ended) = (AtomicU64::new(seeds.start), AtomicU64::new(0), AtomicBool::new(false));
    let (sum, failed) = (Mutex::new(Sum::default()), Mutex::new(None::<(Walk, Difference)>));
    let progress = Progress::new(commands, args.every);
    let work = || {
        let mut own = Sum::default();
        while !has_ended.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let walk = Walk::of(seed);
            match walk.run() {
                Ok(walked) => {
                    own.walks += 1;
                    own.reached.add(&walked.reached);
                    // Whichever thread walks it, and whenever.
                    own.trace ^= walked.trace.rotate_left((seed % 128) as u32);
                    told.fetch_add(walk.steps as u64, Ordering::Relaxed);
                }
                Err(difference) => {
                    has_ended.store(true, Ordering::Relaxed);
                    let mut failed = failed.lock().expect("nobody panics with it");
                    // The first of those that were found at once.
                    if failed.as_ref().is_none_or(|(other, _)| walk.seed < other.seed) {
                        *failed = Some((walk, difference));
                    }
                }
            }
        }
        let mut sum = sum.lock().expect("nobody panics with it");
        sum.walks += own.walks;
        sum.reached.add(&own.reached);
        sum.trace ^= own.trace;
    };
    quietly(|| {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
            progress.watch(&told, || workers.iter().all(|worker| worker.is_finished()));
        });
    });
    let sum = sum.into_inner().expect("nobody panics with it");
    let (reached, told) = (&sum.reached, told.into_inner());
    println!("{reached}");
    println!(
        "the engine and the model were told {} commands and told the same: {} that were drawn, in {} walks, and what set those up \
         and became due on the way; trace {:032x}",
        grouped(reached.commands()),
        grouped(told),
        grouped(sum.walks),
        sum.trace
    );
    if let Some((walk, difference)) = failed.into_inner().expect("nobody panics with it") {
        tell(&walk, &difference);
        return ExitCode::FAILURE;
    }
    assert_eq!((told, sum.walks), (commands, seeds.end - seeds.start), "every walk was walked");
    println!("{} commands, {} walks, {}", grouped(told), grouped(sum.walks), progress.rate(told));
    ExitCode::SUCCESS
}

/// The difference, the shortest story that was found to show one, and how to see it again.
fn tell(walk: &Walk, difference: &Difference) {
    println!(
        "{walk:?}\nDIFFER at command {}: {}\nlooking for fewer commands that do ...",
        difference.at, difference.what
    );
    let steps = quietly(|| walk.shortened());
    println!("the fewest found are {}, each with the nanoseconds before it:", steps.len());
    for step in &steps {
        let then = if step.restarts { "\n  (written down and read again)" } else { "" };
        println!("  {:>12} {:?}{then}", step.pause, step.command);
    }
    println!("which end so:");
    // Told by the panic itself, with its place.
    let _ = std::panic::catch_unwind(|| walk.tell(&steps));
    println!("again: cargo run --release -p tests --bin model -- --seed {}", walk.seed);
}
