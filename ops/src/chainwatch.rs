//! `mainstay chainwatch`: one instance that watches chains, proposes their deposits and drives their withdrawals.
//!
//! Any number of instances may run for a chain: the log gives one of them the claim, the others follow and take over when
//! it falls silent.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::chainwatch::audit::{Auditor, Reserves};
use ::chainwatch::deposits::{Depositor, Progress};
use ::chainwatch::follow::Follower;
use ::chainwatch::ledger::{ClusterLedger, Ledger};
use ::chainwatch::signer::server::SocketSigner;
use ::chainwatch::store::BlockStore;
use ::chainwatch::watch::{Metrics, Watch, WatchConfig, trusted_block};
use ::chainwatch::withdrawals::{Driver, Standing};
use cluster_client::{Cluster, ClusterConfig};
use miette::{IntoDiagnostic, WrapErr};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use wire::link::Role;
use wire::{ChainId, ClusterEpoch, Event, NodeId, PartitionId};

use crate::config::bind;
use crate::config::chainwatch::{Chain, ChainwatchFile, Withdrawals};
use crate::logging;

mod failpoint;
mod pages;

pub use pages::{AssetStatus, ChainStatus, HotStatus, NodeStatus, ReserveStatus, Status, WithdrawalStatus};

/// How often is tried again what a start needs: the ledger, the chain's listing, its trusted block.
const RETRY: Duration = Duration::from_secs(1);
/// What a start still lacks is told again after so many tries.
const TELL_EVERY: u32 = 30;

/// `mainstay chainwatch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file is TOML:

  name = \"chainwatch-1\"                 # also the name in its certificate
  epoch = 1
  http = \"127.0.0.1:7301\"               # /livez /readyz /metrics /status
  ledger = 1
  data_dir = \"chainwatch-1\"             # can be rebuilt

  [tls]
  ca = \"ca.pem\"
  cert = \"chainwatch-1.pem\"
  key = \"chainwatch-1.key\"

  [[nodes]]                             # every node of the exchange
  node = 1
  addr = \"127.0.0.1:7101\"

  [[chains]]
  symbol = \"LTC\"                        # as `mainstay ctl chain add` listed it
  rules = \"litecoin\"                    # bitcoin, litecoin, bitcoin-regtest, litecoin-regtest, evm
  confirmations = 6                     # final with so many; EVM nodes say themselves what is final
  address_prefix = \"ltc\"                # EVM: chain_id = 1 instead
  xpub = \"xpub...\"                      # what may sign is elsewhere
  trusted = { height = 2500000, hash = \"...\" }  # following starts above it
  withdrawals = { signer = \"signer.socket\" }     # of `mainstay signer`; stuck_after_s = 3600, resend_after_s = 30, replaces = true,
                                        # batch_max = 16: so many by one transaction, batch_wait_ms = 0: none waits for others
  stall_after_s = 5400                  # frozen when it has not grown for so long

  [[chains.nodes]]                      # five or more, of several operators
  name = \"ltc-1\"
  url = \"http://10.0.0.1:9332/\"
  login = \"user:password\"
  rate = 200                            # requests a second that it may get; burst = 400 at once

Environment variables override it: MAINSTAY_CHAINWATCH_HTTP=... Run several: one is active for each chain, another takes \
over when it dies.")]
pub struct Args {
    /// Its configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// One chain as the pages show it.
#[derive(Clone)]
struct Watched {
    chain: ChainId,
    watch: Watch,
    progress: watch::Receiver<Progress>,
    /// `None` where nobody signs.
    withdrawals: Option<watch::Receiver<Standing>>,
    reserves: watch::Receiver<Reserves>,
}

/// What the pages are made of. A chain that is still starting has no entry among `running`.
#[derive(Clone)]
struct Shared {
    name: String,
    symbols: Vec<String>,
    running: Arc<Mutex<HashMap<String, Watched>>>,
    registry: Arc<Registry>,
}

impl Shared {
    fn watched(&self, symbol: &str) -> Option<Watched> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(symbol).cloned()
    }
}

/// Runs the instance until it is told to end.
pub fn main(args: Args) -> miette::Result<ExitCode> {
    logging::of_service();
    let file = ChainwatchFile::load(&args.config)?;
    let chains = file.chains()?;
    let pages = bind(file.http, "its status pages' address")?;
    let [ca, cert, key] = file.tls.read()?;
    let cluster = ClusterConfig {
        epoch: ClusterEpoch::new(file.epoch),
        nodes: file.nodes.iter().map(|node| (NodeId::new(node.node), node.addr)).collect(),
        role: Role::Chainwatch,
        name: file.name.clone(),
        ca,
        cert,
        key,
    };
    // Before anything runs: a directory that another instance has, or that is damaged, is no reason to wait.
    let stores = chains.iter().map(|chain| store(&file.data_dir, chain)).collect::<miette::Result<Vec<_>>>()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().into_diagnostic()?;
    let outcome = runtime.block_on(run(&file, cluster, chains.into_iter().zip(stores).collect(), pages));
    // Whatever still asks a chain node is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(500));
    outcome
}

fn store(directory: &std::path::Path, chain: &Chain) -> miette::Result<BlockStore> {
    // One for each chain: one process may have several, and each can be removed and rebuilt alone.
    let directory = directory.join(&chain.symbol);
    std::fs::create_dir_all(&directory).into_diagnostic().wrap_err_with(|| cannot_keep(&directory))?;
    BlockStore::open(&directory, &chain.symbol).into_diagnostic().wrap_err_with(|| cannot_keep(&directory))
}

fn cannot_keep(directory: &std::path::Path) -> String {
    format!("cannot keep followed blocks in {} (another instance may use it; it can be rebuilt)", directory.display())
}

async fn run(
    file: &ChainwatchFile,
    cluster: ClusterConfig,
    chains: Vec<(Chain, BlockStore)>,
    pages: std::net::TcpListener,
) -> miette::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).into_diagnostic()?;
    let mut terminate = signal(SignalKind::terminate()).into_diagnostic()?;
    pages.set_nonblocking(true).into_diagnostic()?;
    let pages = TcpListener::from_std(pages).into_diagnostic()?;
    let cluster = Cluster::connect(cluster).into_diagnostic()?;
    let mut registry = Registry::with_prefix("mainstay_chainwatch");
    let metrics = Metrics::default();
    metrics.register(&mut registry);
    let shared = Shared {
        name: file.name.clone(),
        symbols: chains.iter().map(|(chain, _)| chain.symbol.clone()).collect(),
        running: Arc::default(),
        registry: Arc::new(registry),
    };
    let server = tokio::spawn(pages::serve(pages, shared.clone()));
    let ledger = PartitionId::new(file.ledger);
    let mut instances = JoinSet::new();
    for (chain, store) in chains {
        instances.spawn(watch_chain(cluster.clone(), ledger, chain, store, metrics.clone(), shared.clone()));
    }
    tracing::info!(name = file.name, http = %file.http, chains = ?shared.symbols, "chainwatch runs");
    let failure = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        Some(ended) = instances.join_next() => Some(ended),
    };
    server.abort();
    // Proposals on their way may still be executed: that is what fence and keys are for. The claim runs out by itself.
    instances.shutdown().await;
    match failure {
        None => {
            tracing::info!("chainwatch ends");
            Ok(ExitCode::SUCCESS)
        }
        Some(Ok(Err(report))) => Err(report),
        Some(_) => Err(miette::miette!("watching a chain ended unexpectedly; the log says more")),
    }
}

/// Tells what a start lacks: at once, and from time to time.
struct Lack {
    chain: String,
    tries: u32,
}

impl Lack {
    async fn tell(&mut self, what: &str) {
        if self.tries.is_multiple_of(TELL_EVERY) {
            tracing::warn!(chain = self.chain, "{what}; trying again");
        }
        self.tries += 1;
        tokio::time::sleep(RETRY).await;
    }
}

/// Waits for what it needs, then works for ever.
async fn watch_chain(
    cluster: Cluster,
    ledger: PartitionId,
    chain: Chain,
    store: BlockStore,
    metrics: Metrics,
    shared: Shared,
) -> miette::Result<()> {
    let Chain { symbol, rules, pool, endpoints, trusted, keys, undo_blocks, withdrawals } = chain;
    let mut lack = Lack { chain: symbol.clone(), tries: 0 };
    let id = chain_id(&cluster, ledger, &mut lack).await;
    lack.tries = 0;
    let root = loop {
        if let Some(root) = Follower::root(&store).into_diagnostic()? {
            break root;
        }
        match trusted_block(&rules, &endpoints, trusted).await {
            Ok(root) => break root,
            Err(told) => lack.tell(&format!("no node shows the trusted block: {told}")).await,
        }
    };
    let config = WatchConfig { chain: symbol.clone(), rules, pool, endpoints, root };
    let watch = Watch::start(config, metrics);
    let follower = Follower::open(watch.clone(), store, undo_blocks).into_diagnostic()?;
    lack.tries = 0;
    let connection = connect(&cluster, ledger, &mut lack).await;
    let depositor = Depositor::new(id, connection, watch.clone(), follower, keys.clone());
    let connection = connect(&cluster, ledger, &mut lack).await;
    let auditor = Auditor::new(id, connection, watch.clone(), keys, (depositor.trail(), depositor.progress()));
    let driver = match withdrawals {
        Some(Withdrawals { signer, scheme, tuning }) => {
            let connection = connect(&cluster, ledger, &mut lack).await;
            let claim = (depositor.trail(), depositor.progress());
            let signer = SocketSigner::new(signer);
            let driver = Driver::new(id, scheme, tuning, connection, signer, watch.clone(), claim);
            Some(driver.telling(failpoint::reached))
        }
        None => None,
    };
    let withdrawals = driver.as_ref().map(Driver::standing);
    let reserves = auditor.standing();
    let watched = Watched { chain: id, watch, progress: depositor.progress(), withdrawals, reserves };
    tracing::info!(chain = symbol, %id, nodes = watched.watch.standings().len(), "the chain is watched");
    shared.running.lock().unwrap_or_else(PoisonError::into_inner).insert(symbol, watched);
    match driver {
        // None ends; they end together.
        Some(driver) => tokio::select! {
            () = depositor.run() => {}
            () = driver.run() => {}
            () = auditor.run() => {}
        },
        None => tokio::select! {
            () = depositor.run() => {}
            () = auditor.run() => {}
        },
    }
    Ok(())
}

async fn connect(cluster: &Cluster, ledger: PartitionId, lack: &mut Lack) -> ClusterLedger {
    loop {
        match ClusterLedger::connect(cluster, ledger).await {
            Ok(connection) => return connection,
            Err(error) => lack.tell(&format!("the ledger cannot be read: {error}")).await,
        }
    }
}

/// Reads the ledger until it knows the chain.
async fn chain_id(cluster: &Cluster, ledger: PartitionId, lack: &mut Lack) -> ChainId {
    loop {
        let mut connection = match ClusterLedger::connect(cluster, ledger).await {
            Ok(connection) => connection,
            Err(error) => {
                lack.tell(&format!("the ledger does not answer: {error}")).await;
                continue;
            }
        };
        while let Ok(events) = connection.events().await {
            let known = events.iter().find_map(|event| match event {
                Event::ChainListed(listed) if listed.symbol.as_str() == lack.chain => Some(listed.chain),
                _ => None,
            });
            if let Some(known) = known {
                return known;
            }
            let advice =
                format!("the ledger does not know {0}: mainstay ctl chain add {0} --addresses ...", lack.chain);
            lack.tell(&advice).await;
        }
    }
}
