//! Proof of failover: real processes under load, killed and stopped, and what they acknowledged held
//! against what they know afterwards.
//!
//! The load is `mainstay loadgen run`, which reconciles every acknowledgement at its end and fails when one
//! was lost or doubled. This program kills, waits, and then asks the nodes themselves: are all replicas
//! equal at one position, and is money conserved?

#![forbid(unsafe_code)]

mod aeron;
mod audit;
mod calm;
mod casts;
mod faults;
mod load;
mod machine;
mod pauses;
mod picture;
mod report;
mod schedule;
mod wall;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use loadgen::state::State;
use serde_json::Value;
use tests::demo::{Demo, DemoError, DemoOptions};
use tests::nodes;

use crate::faults::Fault;
use crate::load::Load;
use crate::machine::Watch;
use crate::pauses::Cost;
use crate::schedule::{Blow, Strike, Whom};

/// How long nodes may take to be ready again after a fault.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Kills leaders under load and proves that nothing was lost, doubled or made.
#[derive(Debug, Parser)]
#[command(name = "failover")]
struct Args {
    /// How often a fault strikes the leader of the busiest partition.
    #[arg(long, default_value_t = 5)]
    kills: u32,
    /// What strikes: SIGKILL and a new start, SIGSTOP for 3 s, packets dropped for 3 s (as root), or an order to hand
    /// over.
    #[arg(long, value_enum, default_value_t = Fault::Kill)]
    how: Fault,
    /// Instead of one fault of the leader, strike with all of them at any node, at several at once and before the last
    /// victim has caught up, as this seed draws it.
    #[arg(long, value_name = "SEED", conflicts_with = "how")]
    mixed: Option<u64>,
    /// How often it is then stopped for 3 s with SIGSTOP.
    #[arg(long, default_value_t = 1)]
    stops: u32,
    /// Orders a second that are offered meanwhile.
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Which cells share a partition: `split` or `joint`.
    #[arg(long, default_value = "split")]
    layout: String,
    /// The binary under test.
    #[arg(long, default_value = "target/release/mainstay")]
    binary: PathBuf,
    /// Do nothing to anybody for so many seconds: nobody may be elected without a recorded stall.
    #[arg(long, value_name = "SECONDS")]
    calm: Option<u64>,
    /// A shell command that keeps the machine busy meanwhile, started again whenever it ends.
    #[arg(long, value_name = "COMMAND", requires = "calm")]
    beside: Option<String>,
    /// Have two gateways follow by Aeron while leaders are killed, and compare them with one that follows over its links alone.
    #[arg(long, conflicts_with_all = ["calm", "go_on", "how", "mixed"])]
    casts: bool,
    /// Where a quorum has what is acknowledged: `quorum-fsync` or `quorum-memory`.
    #[arg(long, default_value = "quorum-fsync")]
    durability: String,
    /// How Raft messages go between the nodes, and events to the gateway: `tcp`, or `aeron` with a binary that has it.
    #[arg(long, default_value = "tcp")]
    transport: String,
    /// Write the result here as JSON, and a picture of it beside that.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Add to the result that is there, of the same faults under the same load: for machines that are quiet now and then.
    #[arg(long, requires = "json", conflicts_with = "calm")]
    go_on: bool,
}

impl Args {
    /// What strikes, in a word.
    fn what(&self) -> String {
        self.mixed.map_or_else(|| self.how.to_string(), |_| "mixed".to_owned())
    }
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error("{0}")]
    Disproved(String),
}

fn disproved<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Disproved(what.into()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    match prove(&args).await {
        Ok(mut report) => {
            if let Some(path) = args.json.as_ref().filter(|_| args.go_on)
                && let Err(error) = report::go_on_from(path, &mut report)
            {
                eprintln!("cannot go on from {}: {error}", path.display());
                return ExitCode::FAILURE;
            }
            if let Some(path) = &args.json
                && let Err(error) = save(path, &report, &args)
            {
                eprintln!("cannot write {}: {error}", path.display());
                return ExitCode::FAILURE;
            }
            if args.calm.is_some() || args.casts {
                return ExitCode::SUCCESS;
            }
            let told = |of: &str| {
                let spread = &report[of];
                format!("p50 {} ms, p99 {} ms, max {} ms", spread["p50"], spread["p99"], spread["max"])
            };
            println!("pause per {}: {}", args.what(), told("pause_ms"));
            if report["own_ms"].is_object() {
                let stood = &report["machine_ms"];
                println!(
                    "less the {stood} ms in which a core of this machine ran not even who goes first: {}",
                    told("own_ms")
                );
            }
            println!(
                "failover: {} faults, {} stops, {} acknowledged, {} lost, {} doubled, longest pause {} ms",
                report["kills"],
                report["stops"],
                report["acked"],
                report["lost"],
                report["doubled"],
                report["longest_pause_ms"]
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("failover: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn save(path: &std::path::Path, report: &Value, args: &Args) -> std::io::Result<()> {
    std::fs::write(path, report.to_string())?;
    if args.calm.is_some() || args.casts {
        return Ok(());
    }
    let costs: Vec<Cost> = serde_json::from_value(report["each"].clone()).unwrap_or_default();
    let spread = pauses::spread(costs.iter().map(|cost| cost.pause_ms));
    let kills = report["kills"].as_u64().unwrap_or(0);
    let whom = if args.mixed.is_some() { "faults" } else { "of the leader" };
    let title = format!("{kills} × {} {whom}, {} orders/s, {} layout", args.what(), args.rate, args.layout);
    std::fs::write(path.with_extension("svg"), picture::draw(&title, &costs, spread))
}

async fn prove(args: &Args) -> Result<Value, Failure> {
    let options = DemoOptions {
        durability: args.durability.clone(),
        transport: args.transport.clone(),
        ..DemoOptions::new(args.binary.clone(), args.layout.clone())
    };
    let mut demo = Demo::start(options)?;
    let proof = prove_with(&mut demo, args).await;
    if proof.is_err() {
        eprintln!("failover: what the nodes wrote is kept in {}", demo.keep().display());
    }
    let stopped = demo.stop();
    let report = proof?;
    stopped?;
    Ok(report)
}

async fn prove_with(demo: &mut Demo, args: &Args) -> Result<Value, Failure> {
    if args.casts {
        let report = casts::prove(demo, args).await?;
        replicas_agree(demo, "in the end").await?;
        return Ok(report);
    }
    if let Some(seconds) = args.calm {
        let report = calm::prove(demo, args, seconds).await?;
        replicas_agree(demo, "after the calm").await?;
        return Ok(report);
    }
    let strikes = match args.mixed {
        Some(seed) => schedule::drawn(seed, args.kills, demo.state()?.nodes.len(), nix::unistd::geteuid().is_root()),
        None => schedule::same(args.how, args.kills),
    };
    let struck = under_load(demo, args, &args.what(), &strikes).await?;
    replicas_agree(demo, "after the faults").await?;
    aeron::has_carried(demo, args, "after the faults").await?;
    let stopped = under_load(demo, args, "stops", &schedule::same(Fault::Stop, args.stops)).await?;
    replicas_agree(demo, "after the stops").await?;
    aeron::has_carried(demo, args, "after the stops").await?;
    everything_survives(demo, args).await?;
    Ok(report::of(args, &struck, &stopped))
}

/// What came of faults under load.
struct Struck {
    /// What the load generator says at its end.
    said: Value,
    costs: Vec<Cost>,
    /// The longest pause that none explains.
    elsewhere_ms: f64,
    /// How long threads that go before all others were not run on some core, if that was watched.
    machine_ms: Option<f64>,
}

/// Offers a load while everything strikes, one after the other.
async fn under_load(demo: &Demo, args: &Args, name: &str, strikes: &[Strike]) -> Result<Struck, Failure> {
    let noted = demo.home().join(format!("pauses-{name}.json"));
    let duration = strikes.iter().map(Strike::duration).sum::<Duration>() + Duration::from_secs(6);
    let mut load = Load::offer(demo, args, duration, name, &["--pauses", &noted.display().to_string()])?;
    let watch = Watch::start()
        .map_err(|error| eprintln!("failover: the machine's own pauses are not told apart: {error}"))
        .ok();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let struck = strike_all(demo, &mut load, name, strikes).await?;
    let said = load.end(demo).await?;
    let (noted, standstills) = (pauses::read(&noted), watch.map(Watch::end));
    let standstills = standstills.as_deref();
    Ok(Struck {
        said,
        costs: pauses::costs(&struck, &noted, standstills),
        elsewhere_ms: pauses::elsewhere(&struck, &noted),
        machine_ms: standstills.map(|them| machine::stood_still(them, 0.0, f64::INFINITY)),
    })
}

/// Strikes again and again, and returns when it did, as pauses are timed.
async fn strike_all(demo: &Demo, load: &mut Load, name: &str, strikes: &[Strike]) -> Result<Vec<f64>, Failure> {
    let mut struck = Vec::new();
    for (round, strike) in strikes.iter().enumerate() {
        let blows = aimed(demo, strike).await?;
        for (node, blow) in &blows {
            let (round, of, fault) = (round + 1, strikes.len(), blow.fault);
            println!("{name} {round} of {of}: node {node}: {fault}, {} ms", blow.lasts.as_millis());
        }
        struck.push(pauses::now_ms());
        let blows = blows.into_iter().map(|(node, blow)| blow.fault.strike(demo, node, blow.lasts));
        futures_util::future::try_join_all(blows).await?;
        if strike.awaits_all {
            let ready = nodes::all_ready(&demo.state()?, READY_WITHIN).await;
            ready.map_err(|who| Failure::Disproved(format!("after {name} {}: {who}", round + 1)))?;
        }
        tokio::time::sleep(strike.then).await;
        // What strikes nobody's orders shows nothing.
        if load.status()?.is_some() {
            return disproved(format!("the load had ended before {name} {} was over", round + 1));
        }
    }
    Ok(struck)
}

/// The strike's blows with the nodes that they are for, each another one.
async fn aimed<'a>(demo: &Demo, strike: &'a Strike) -> Result<Vec<(u64, &'a Blow)>, Failure> {
    let state = demo.state()?;
    let mut aimed = Vec::new();
    for blow in &strike.blows {
        let node = match blow.whom {
            Whom::Place(place) => state.nodes[place].id,
            Whom::Leader => leader(&state).await?,
        };
        aimed.push((node, blow));
    }
    Ok(aimed)
}

/// Who leads the busiest partition, as soon as somebody does.
async fn leader(state: &State) -> Result<u64, Failure> {
    let Some(partition) = nodes::until(READY_WITHIN, async || nodes::busiest_partition(state).await).await else {
        return disproved("no node tells its status");
    };
    let leader = nodes::until(READY_WITHIN, async || nodes::leader(state, partition).await).await;
    leader.map_or_else(|| disproved(format!("partition {partition} has no leader")), Ok)
}

/// All replicas of every partition have one digest at one position, and the ledger's books balance.
async fn replicas_agree(demo: &Demo, when: &str) -> Result<audit::Totals, Failure> {
    let state = demo.state()?;
    let partitions = state.cluster.as_ref().map(|cluster| cluster.partitions.clone()).unwrap_or_default();
    if partitions.is_empty() {
        return disproved("the state file names no partitions");
    }
    for partition in partitions {
        let Some(replicas) = nodes::digests_at_one_position(&state, partition, READY_WITHIN).await else {
            return disproved(format!("{when} the replicas of partition {partition} did not come to one position"));
        };
        if replicas.iter().any(|r| r.digest != replicas[0].digest) {
            return disproved(format!("{when} the replicas of partition {partition} differ: {replicas:?}"));
        }
        println!(
            "{when}: partition {partition}: {} replicas equal at position {}",
            replicas.len(),
            replicas[0].position
        );
    }
    audit::of(&state, when).await
}

/// SIGKILL of every process at once, then a restart on the same data: the books are the same, and it
/// trades on.
async fn everything_survives(demo: &mut Demo, args: &Args) -> Result<(), Failure> {
    let before = replicas_agree(demo, "before all are killed").await?;
    demo.kill_everything()?;
    println!("killed every process at once");
    demo.restart()?;
    let after = replicas_agree(demo, "after all were started again").await?;
    if before != after {
        return disproved(format!("the books changed over the restart: {before:?} became {after:?}"));
    }
    under_load(demo, args, "on", &[]).await?;
    replicas_agree(demo, "after trading on").await?;
    aeron::has_carried(demo, args, "after trading on").await
}
