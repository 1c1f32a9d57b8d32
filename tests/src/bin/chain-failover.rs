//! What a chain node's death costs whoever asks its pool: `target/release/chain-failover [--trials N] [--json FILE]`.
//!
//! Five anvil nodes behind proxies, judged as in production. In every trial one node is killed (SIGKILL), and ten
//! requests in a row say how long the first, and the slowest of them, took; then one is stopped (SIGSTOP: it accepts
//! connections and says nothing), and it is measured when it is ejected and what requests took meanwhile.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chainwatch::chain::ChainRules;
use chainwatch::chain::evm::EvmRules;
use chainwatch::pool::{NodeConfig, PoolConfig};
use chainwatch::watch::{Metrics, Watch, WatchConfig};
use chainwatch::{ChainNodeId, Verdict};
use clap::Parser;
use serde_json::{Value, json};
use tests::chain::ChainError;
use tests::chain::anvil::{Anvils, CHAIN_ID};

const NODES: usize = 5;
/// Requests after a death, so that every node has its turn.
const REQUESTS: usize = 10;
/// How long anything that should happen may take on a loaded machine.
const SOON: Duration = Duration::from_secs(20);
/// What is wanted: the 99th percentile of the next answer after a death, and of a black hole's ejection.
const ANSWER_WANTED: Duration = Duration::from_millis(100);
const EJECTION_WANTED: Duration = Duration::from_secs(1);

#[derive(Debug, Parser)]
struct Args {
    /// Deaths of each kind.
    #[arg(long, default_value_t = 50)]
    trials: usize,
    /// Write the figures here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail when the 99th percentiles are not what is wanted.
    #[arg(long)]
    strict: bool,
}

/// Durations of one kind.
#[derive(Default)]
struct Sample(Vec<Duration>);

impl Sample {
    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }

    fn show(&self, what: &str) -> Value {
        let millis = |duration: Duration| (duration.as_secs_f64() * 100_000.0).round() / 100.0;
        let (p50, p99) = (millis(self.percentile(50)), millis(self.percentile(99)));
        let most = millis(self.percentile(100));
        println!("{what:<44} p50 {p50:>8.2} ms  p99 {p99:>8.2} ms  most {most:>8.2} ms  of {}", self.0.len());
        json!({"p50_ms": p50, "p99_ms": p99, "max_ms": most, "trials": self.0.len()})
    }
}

struct Bench {
    chain: Anvils,
    watch: Watch,
}

impl Bench {
    async fn start() -> Result<Bench, ChainError> {
        let mut chain = Anvils::start(NODES).await?;
        chain.mine(3).await?;
        let node = |number| NodeConfig { rate: 100_000, burst: 100_000, ..NodeConfig::new(format!("node-{number}")) };
        let pool = PoolConfig::evm((0..NODES).map(node).collect());
        let config = WatchConfig {
            chain: "evm".into(),
            rules: ChainRules::Evm(EvmRules { chain_id: CHAIN_ID }),
            // Nothing is mined while it is measured.
            pool: PoolConfig { stall_after: Duration::from_secs(24 * 3_600), ..pool },
            endpoints: chain.endpoints(),
            root: chain.root().await?,
        };
        let watch = Watch::start(config, Metrics::default());
        Ok(Bench { chain, watch })
    }

    fn verdict(&self, node: usize) -> Verdict {
        self.watch.with_pool(|pool| pool.verdict(ChainNodeId(node as u8)))
    }

    async fn all_agree(&self) {
        let deadline = Instant::now() + SOON;
        while (0..NODES).any(|node| self.verdict(node) != Verdict::Agreeing) {
            assert!(Instant::now() < deadline, "not all agree: {:#?}", self.watch.standings());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// One request, and how long it took.
    async fn ask(&self) -> Duration {
        let head = self.watch.agreement().head.expect("a majority is there");
        let asked = Instant::now();
        self.watch.block(head).await.expect("somebody answers");
        asked.elapsed()
    }

    /// Since the death: the first answer, and the slowest of ten requests.
    async fn kill(&mut self, node: usize) -> Result<(Duration, Duration), ChainError> {
        self.all_agree().await;
        self.ask().await;
        self.chain.nodes[node].kill();
        let first = self.ask().await;
        let mut slowest = first;
        for _ in 1..REQUESTS {
            slowest = slowest.max(self.ask().await);
        }
        self.chain.nodes[node].restart().await?;
        self.chain.replay(node).await?;
        Ok((first, slowest))
    }

    /// Since the stop: when it was ejected, and the slowest request until then.
    async fn stop(&self, node: usize) -> (Duration, Duration) {
        self.all_agree().await;
        self.ask().await;
        self.chain.nodes[node].freeze();
        let stopped = Instant::now();
        let mut slowest = Duration::ZERO;
        while matches!(self.verdict(node), Verdict::Agreeing | Verdict::Slow) {
            slowest = slowest.max(self.ask().await);
            assert!(stopped.elapsed() < SOON, "a stopped node is not ejected");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let ejected = stopped.elapsed();
        self.chain.nodes[node].thaw();
        (ejected, slowest)
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let mut bench = Bench::start().await?;
    let (mut first, mut slowest, mut ejected, mut meanwhile) = <(Sample, Sample, Sample, Sample)>::default();
    for trial in 0..args.trials {
        let killed = bench.kill(trial % NODES).await?;
        first.0.push(killed.0);
        slowest.0.push(killed.1);
        let stopped = bench.stop((trial + 2) % NODES).await;
        ejected.0.push(stopped.0);
        meanwhile.0.push(stopped.1);
    }
    let figures = json!({
        "next_answer_after_sigkill": first.show("next answer after SIGKILL"),
        "slowest_of_ten_after_sigkill": slowest.show("slowest of the ten requests after SIGKILL"),
        "ejection_of_black_hole": ejected.show("ejection of a black hole (SIGSTOP)"),
        "slowest_until_ejection": meanwhile.show("slowest request until the ejection"),
    });
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&figures)?)?;
    }
    let is_wanted = first.percentile(99) <= ANSWER_WANTED && ejected.percentile(99) <= EJECTION_WANTED;
    if args.strict && !is_wanted {
        return Err("the 99th percentiles are above what is wanted".into());
    }
    Ok(())
}
