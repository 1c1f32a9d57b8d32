//! `mainstay node`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use miette::IntoDiagnostic;
use node::{Node, NodeConfig, NodeHandle, PartitionPlacement, PeerConfig, TlsPem, Tuning};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use wire::{ClusterEpoch, NodeId, PartitionId};

use crate::backup::names::LifeFile;
use crate::backup::place::Place;
use crate::backup::shipper::{Settings, Shipper};
use crate::config::{NodeFile, bind};
use crate::logging;

mod pages;

/// How often is looked whether a thread of the node has given up.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// `mainstay node`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file is TOML:

  node = 1                              # also in its certificate's name, node-1
  epoch = 1
  data_dir = \"node-1\"
  listen = \"127.0.0.1:7101\"             # nodes, gateways, operators: mutual TLS
  http = \"127.0.0.1:7201\"               # /livez /readyz /metrics /status /digest?partition=N /audit /backup
  ledger = 1
  threads = \"auto\"                     # of its partitions: shared (with the network; auto on up to 3 cores),
                                        # dedicated (one each; auto on more), or a number
  learner = false                       # true: another region's node, which gets every log and never votes
  disk_reserve_mb = 64                  # with less free the node writes nothing; with less than twice as much others lead

  [tls]
  ca = \"ca.pem\"
  cert = \"node-1.pem\"
  key = \"node-1.key\"

  [[peers]]                             # every other node
  node = 2
  addr = \"127.0.0.1:7102\"

  [[partitions]]                        # every partition; the same on all nodes
  partition = 1
  preferred_leader = 1                  # when it can; without this the nodes take turns
  durability = \"quorum-fsync\"          # or quorum-memory: acknowledged once a quorum of hosts has it in memory; lost
                                        # when a quorum of hosts loses power at once; the same on all nodes

  [backup]                              # ships logs and snapshots, from one standby of each partition
  to = \"/mnt/backup/exchange\"          # or s3://BUCKET/FOLDER with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
                                        # AWS_REGION and, where it is not Amazon's, AWS_ENDPOINT; see `mainstay ctl backup`
  every_ms = 1000
  snapshot_every_s = 600

  [aeron]                               # Raft messages, and events to gateways that have it too, go by Aeron beside the
                                        # links; in a build with the feature `aeron`
  listen = \"127.0.0.1:7101\"             # by UDP; without it at the node's own address
  ipc = false                           # true: in the memory of the host, through the media driver of driver_dir
  driver_dir = \"/dev/shm/aeron\"         # of a media driver beside the node; without it the node has its own
  idle = \"backoff\"                      # what its thread does while nothing comes; or yield, or spin on a core of its own
  mtu = 1408                            # the same on all nodes
  group = \"239.1.1.1:7400\"            # events go to this UDP multicast group; without it each gateway is sent its own

A node that joins a cluster (`mainstay ctl node add`) has the present members as its peers. The others learn its address
from the log.

Environment variables override it: MAINSTAY_NODE_LISTEN=...")]
pub struct Args {
    /// Its configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the node until it is told to end, or cannot go on.
pub fn main(args: Args) -> miette::Result<ExitCode> {
    logging::of_service();
    // The node has threads of its own; this runtime ships, serves pages and waits for signals.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    // Before anything that takes time: until somebody waits for it, this signal ends the process.
    let told_to_hand_over = {
        let _inside = runtime.enter();
        signal(SignalKind::user_defined1()).into_diagnostic()?
    };
    let file = NodeFile::load(&args.config)?;
    let listen = bind(file.listen, "its address for nodes, gateways and operators")?;
    let pages = bind(file.http, "its status pages' address")?;
    let [ca, cert, key] = file.tls.read()?;
    let peer = |peer: &crate::config::NodeAddress| PeerConfig { node: NodeId::new(peer.node), addr: peer.addr };
    let placement = |placed: &crate::config::Partition| PartitionPlacement {
        partition: PartitionId::new(placed.partition),
        preferred_leader: placed.preferred_leader.map(NodeId::new),
        durability: placed.durability.into(),
    };
    let max_version = max_version(file.max_version)?;
    let config = NodeConfig {
        node: NodeId::new(file.node),
        epoch: ClusterEpoch::new(file.epoch),
        data_dir: file.data_dir,
        listen,
        peers: file.peers.iter().map(peer).collect(),
        tls: TlsPem { ca, cert, key },
        partitions: file.partitions.iter().map(placement).collect(),
        ledger: PartitionId::new(file.ledger),
        stays_learner: file.learner,
        aeron: file.aeron.as_ref().map(|aeron| aeron.plan(file.listen)),
        tuning: Tuning {
            threads: file.threads.into(),
            disk_reserve: file.disk_reserve_mb.saturating_mul(1024 * 1024),
            max_version,
            ..Tuning::default()
        },
    };
    let shipping = file.backup.as_ref().map(|backup| -> miette::Result<_> {
        let settings = Settings {
            every: Duration::from_millis(backup.every_ms.max(10)),
            snapshot_every: Duration::from_secs(backup.snapshot_every_s),
        };
        let partitions = file.partitions.iter().map(|placed| placed.partition).collect();
        let life = LifeFile { epoch: file.epoch, ledger: file.ledger, partitions };
        Ok((Place::make(&backup.to)?, settings, life))
    });
    let shipping = shipping.transpose()?;
    runtime.block_on(run(config, pages, shipping, told_to_hand_over))
}

/// What the node is to know of what its build does.
fn max_version(wanted: Option<u16>) -> miette::Result<u16> {
    let (first, last) = (*node::VERSIONS.start(), *node::VERSIONS.end());
    match wanted {
        Some(wanted) if !node::VERSIONS.contains(&wanted) => Err(miette::miette!(
            code = "version::unknown",
            help = "leave max_version out: the node knows what its build does",
            "max_version is {wanted}, and this build knows versions {first} to {last}"
        )),
        wanted => Ok(wanted.unwrap_or(last)),
    }
}

async fn run(
    config: NodeConfig,
    pages: std::net::TcpListener,
    shipping: Option<(Place, Settings, LifeFile)>,
    told_to_hand_over: Signal,
) -> miette::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).into_diagnostic()?;
    let mut terminate = signal(SignalKind::terminate()).into_diagnostic()?;
    pages.set_nonblocking(true).into_diagnostic()?;
    let pages = TcpListener::from_std(pages).into_diagnostic()?;
    let handle = Arc::new(Node::start(config).into_diagnostic()?);
    let shipper = shipping.map(|(place, settings, life)| Shipper::new(handle.clone(), place, settings, life));
    let shipped = shipper.as_ref().map(Shipper::status);
    let shipping = shipper.map(|shipper| tokio::spawn(shipper.run()));
    let server = tokio::spawn(pages::serve(pages, handle.clone(), shipped));
    let handing_over = tokio::spawn(hand_over_when_told(told_to_hand_over, handle.clone()));
    let failure = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        failure = failure(&handle) => Some(failure),
    };
    server.abort();
    handing_over.abort();
    if let Some(shipping) = shipping {
        shipping.abort();
        // It holds the node.
        let _ = shipping.await;
    }
    match failure {
        // A disk that failed or a state that is wrong is not flushed on the way out: the process ends at once, and
        // the next start reads what is on the disk.
        Some(failure) => {
            // Nor are its threads waited for: one that hangs in a broken disk would keep a dead node's sockets open.
            std::mem::forget(handle);
            Err(miette::miette!("the node cannot go on: {failure}"))
        }
        None => {
            let stopped = tokio::task::spawn_blocking(move || drop(handle));
            stopped.await.into_diagnostic()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// SIGUSR1: whatever this node leads is led by another a moment later, without an election. It goes on as a standby,
/// and leads again what prefers it.
async fn hand_over_when_told(mut told: Signal, handle: Arc<NodeHandle>) {
    while told.recv().await.is_some() {
        tracing::info!("told to hand over what this node leads");
        let handle = handle.clone();
        // It asks every partition's thread, and waits for them.
        let _ = tokio::task::spawn_blocking(move || handle.hand_over()).await;
    }
}

async fn failure(handle: &NodeHandle) -> String {
    loop {
        if let Some(failure) = handle.failure() {
            return failure;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
