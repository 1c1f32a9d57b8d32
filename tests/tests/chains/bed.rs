//! A pool before real nodes, and what the tests want to know of it.

use std::time::{Duration, Instant};

use chainwatch::chain::ChainRules;
use chainwatch::chain::evm::EvmRules;
use chainwatch::pool::{Agreement, Freeze, NodeConfig, PoolConfig};
use chainwatch::rpc::Endpoint;
use chainwatch::tree::Placed;
use chainwatch::watch::{Metrics, Watch, WatchConfig};
use chainwatch::{BlockHash, ChainNodeId, Head, Verdict};
use tests::chain::anvil::{Anvils, CHAIN_ID};
use tests::chain::coin::coin;
use tests::chain::litecoin::Litecoins;
use tests::nodes::until;

/// How long anything that should happen may take on a loaded machine.
pub const SOON: Duration = Duration::from_secs(20);

/// How long liars may get away with it: a few penalties.
const CAUGHT_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

fn nodes(count: usize) -> Vec<NodeConfig> {
    (0..count)
        .map(|number| NodeConfig { rate: 100_000, burst: 100_000, ..NodeConfig::new(format!("node-{number}")) })
        .collect()
}

/// Judges as in production, but forgives lies after seconds and waits longer for processes that share few cores.
fn patient(config: PoolConfig) -> PoolConfig {
    PoolConfig { lie_penalty: Duration::from_secs(2), stall_after: Duration::from_secs(600), ..config }
}

/// Watches litecoin nodes; what has `confirmations` is final.
pub fn watch_litecoin(chain: &Litecoins, confirmations: u64) -> Watch {
    watch_litecoin_from(chain, confirmations, Litecoins::root())
}

/// As [`watch_litecoin`], from a block that an earlier life remembers.
pub fn watch_litecoin_from(chain: &Litecoins, confirmations: u64, root: Placed) -> Watch {
    let config = WatchConfig {
        chain: coin().symbol.into(),
        rules: ChainRules::Bitcoin(coin().rules.clone()),
        pool: patient(PoolConfig::bitcoin(nodes(chain.nodes.len()), confirmations)),
        endpoints: chain.endpoints(),
        root,
    };
    Watch::start(config, Metrics::default())
}

/// Watches anvil nodes.
pub async fn watch_evm(chain: &Anvils) -> Watch {
    watch_evm_at(CHAIN_ID, chain.endpoints(), chain.root().await.expect("anvil has a block 0"))
}

/// Watches nodes of an EVM chain, whichever they are.
pub fn watch_evm_at(chain_id: u64, endpoints: Vec<Endpoint>, root: Placed) -> Watch {
    let config = WatchConfig {
        chain: "evm".into(),
        rules: ChainRules::Evm(EvmRules { chain_id }),
        pool: patient(PoolConfig::evm(nodes(endpoints.len()))),
        endpoints,
        root,
    };
    Watch::start(config, Metrics::default())
}

/// Waits for a verdict, and says how long that took.
pub async fn verdict(watch: &Watch, node: u8, wanted: Verdict) -> Duration {
    let started = Instant::now();
    let reached =
        until_soon(|| (watch.with_pool(|pool| pool.verdict(ChainNodeId(node))) == wanted).then_some(())).await;
    assert!(reached.is_some(), "node {node} is not {wanted}: {:#?}", watch.standings());
    started.elapsed()
}

/// Asks until all of `liars` are caught, and says what was agreed at that moment. A lie in a block is seen only by
/// whoever asks that node for it: one that has just come back gets a tenth of a share of the questions, its answer may
/// lose to a quicker one, and the first liar's penalty may end before the last is caught.
pub async fn caught(watch: &Watch, liars: &[u8], mut ask: impl AsyncFnMut()) -> Agreement {
    let deadline = Instant::now() + CAUGHT_WITHIN;
    loop {
        let agreement = watch.with_pool(|pool| {
            let is_caught = |node: &u8| pool.verdict(ChainNodeId(*node)) == Verdict::Lying;
            liars.iter().all(is_caught).then(|| pool.agreement())
        });
        if let Some(agreement) = agreement {
            return agreement;
        }
        assert!(Instant::now() < deadline, "{liars:?} are not all caught: {:#?}", watch.standings());
        ask().await;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until every node agrees, on `hash` if there is one.
pub async fn all_agree(watch: &Watch, hash: Option<BlockHash>) -> Head {
    let agreed = until_soon(|| {
        let Agreement { head, frozen: None, .. } = watch.agreement() else { return None };
        let head = head.filter(|head| hash.is_none_or(|hash| hash == head.hash))?;
        watch.standings().iter().all(|node| node.verdict == Verdict::Agreeing).then_some(head)
    });
    agreed.await.unwrap_or_else(|| panic!("{:?}, {:#?}", watch.agreement(), watch.standings()))
}

/// Waits until `hash` is the agreed head, whoever does not agree.
pub async fn agreed_on(watch: &Watch, hash: BlockHash) -> Head {
    let agreed = until_soon(|| watch.agreement().head.filter(|head| head.hash == hash)).await;
    agreed.unwrap_or_else(|| panic!("{:?}, {:#?}", watch.agreement(), watch.standings()))
}

/// Waits until the chain is frozen for this reason, or thawed.
pub async fn frozen(watch: &Watch, wanted: Option<Freeze>) {
    let reached = until_soon(|| (watch.agreement().frozen == wanted).then_some(())).await;
    assert!(reached.is_some(), "expected {wanted:?}: {:?}, {:#?}", watch.agreement(), watch.standings());
}

/// Looks every few milliseconds.
pub async fn until_soon<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        if let Some(found) = look() {
            return Some(found);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    until(Duration::ZERO, async || look()).await
}
