//! `mainstay gateway`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cluster_client::{ClusterConfig, Patience};
use gateway::{ClientTls, GatewayConfig, Limits};
use miette::IntoDiagnostic;
use tokio::signal::unix::{SignalKind, signal};
use wire::link::Role;
use wire::{ClusterEpoch, NodeId, PartitionId};
use zeroize::Zeroizing;

use crate::config::{GatewayFile, bind, read_envelope_key};
use crate::logging;

/// `mainstay gateway`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file is TOML:

  name = \"gateway-1\"                    # also the name in its certificate
  epoch = 1
  listen = \"127.0.0.1:8080\"             # REST, streams, WebSocket API, /readyz, /metrics
  ledger = 1
  partitions = [1, 2, 3, 4]
  read_only = false                     # true: public market data alone, from the [[nodes]] below and no others, such as
                                        # a learner in another region; all else is refused by the code -1020
  threads = 4                           # that serve clients; by default as many as there are cores
  envelope_key_file = \"envelope.key\"    # 64 hexadecimal digits

  [tls]
  ca = \"ca.pem\"
  cert = \"gateway-1.pem\"
  key = \"gateway-1.key\"

  [client_tls]                          # without it: plain, on loopback alone
  cert = \"clients.pem\"
  key = \"clients.key\"

  [proxies]                             # without it: clients connect themselves
  networks = [\"10.0.0.0/24\"]            # from where proxies connect
  tell = \"proxy-protocol\"              # or \"x-forwarded-for\": how they say for whom

  [connections]                         # without it: as here
  most = 16384                          # a quarter is reserved for addresses that have few connections or none
  per_address = 1024                    # of IPv6: per network of 64 bits; those of 48 and 32 bits, and of IPv4 those
                                        # of 24, may have four times as many, each as those within it

  [rates]                               # without it: as here
  weight_per_minute = 600000            # request weight of an address, and of an API key
  requests_per_5m = 3000000             # requests of an address, whatever they weigh
  orders_per_10s = 100000               # new orders of an account, and as many that are refused
  orders_per_day = 100000000

  [history]                             # without it: the latest of each kind, in memory
  postgres = \"host=/run/postgresql dbname=mainstay user=mainstay\"
  password_file = \"history.password\"    # optional
  ca = \"history-ca.pem\"                 # of a database on another machine

  [[nodes]]                             # every node
  node = 1
  addr = \"127.0.0.1:7101\"

  [aeron]                               # events come by Aeron beside the links from nodes that have it too; in a build
                                        # with the feature `aeron`
  listen = \"127.0.0.1:7401\"           # by UDP, at an address of its own that the nodes reach
  ipc = false                           # true: in the memory of the host, through the media driver of driver_dir
  driver_dir = \"/dev/shm/aeron\"       # of a media driver beside the gateway; without it the gateway has its own
  idle = \"backoff\"                    # what its thread does while nothing comes; or yield, or spin on a core of its own

Environment variables override it: MAINSTAY_GATEWAY_LISTEN=... A gateway holds nothing that is not in the log: kill it at \
any time, run as many as you like.")]
pub struct Args {
    /// Its configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the gateway until it is told to end.
pub fn main(args: Args) -> miette::Result<ExitCode> {
    logging::of_service();
    crate::descriptors::raise();
    let file = GatewayFile::load(&args.config)?;
    if file.client_tls.is_none() && !file.allow_plain && !file.listen.ip().is_loopback() {
        miette::bail!(
            help = "give it [client_tls], or set allow_plain = true when something before it ends the clients' TLS",
            "{} is no loopback address: clients would send their orders in plain",
            file.listen
        );
    }
    if file.read_only && file.history.is_some() {
        miette::bail!(
            help = "leave [history] out of the file of a gateway that is read_only",
            "the history in a database is read up to what is committed, which a learner cannot say"
        );
    }
    let rest = bind(file.listen, "its clients' address")?;
    let [ca, cert, key] = file.tls.read()?;
    let cluster = ClusterConfig {
        epoch: ClusterEpoch::new(file.epoch),
        nodes: file.nodes.iter().map(|node| (NodeId::new(node.node), node.addr)).collect(),
        role: Role::Gateway,
        name: file.name.clone(),
        ca,
        cert,
        key,
    };
    let config = GatewayConfig {
        cluster,
        patience: Patience::default(),
        ledger: PartitionId::new(file.ledger),
        partitions: file.partitions.iter().copied().map(PartitionId::new).collect(),
        rest,
        ws: None,
        tls: file.client_tls.map(|tls| ClientTls { cert: tls.cert, key: tls.key }),
        proxies: file.proxies.map(|proxies| proxies.read()).transpose()?,
        envelope_key: Zeroizing::new(read_envelope_key(&file.envelope_key_file)?),
        history: file.history.map(|history| history.read()).transpose()?,
        aeron: file.aeron.map(|aeron| aeron.plan()).transpose()?,
        read_only: file.read_only,
        limits: Limits {
            drain_notice: Duration::from_secs(file.drain_notice_s.into()),
            connections_max: file.connections.most.get() as usize,
            connections_per_address: file.connections.per_address.get() as usize,
            weight_per_minute: file.rates.weight_per_minute.get(),
            key_weight_per_minute: file.rates.weight_per_minute.get(),
            requests_per_5m: file.rates.requests_per_5m.get(),
            orders_per_10s: file.rates.orders_per_10s.get(),
            refused_orders_per_10s: file.rates.orders_per_10s.get(),
            orders_per_day: file.rates.orders_per_day.get(),
            ..Limits::default()
        },
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = file.threads {
        runtime.worker_threads(threads.get());
    }
    let runtime = runtime.enable_all().build().into_diagnostic()?;
    runtime.block_on(run(config, &file.name))
}

async fn run(config: GatewayConfig, name: &str) -> miette::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).into_diagnostic()?;
    let mut terminate = signal(SignalKind::terminate()).into_diagnostic()?;
    let mut handle = gateway::serve(config).await.into_diagnostic()?;
    tracing::info!(name, rest = %handle.rest, "the gateway serves");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = handle.failed() => miette::bail!("the gateway cannot go on; its log says why. Start it again"),
    }
    handle.stop().await;
    Ok(ExitCode::SUCCESS)
}
