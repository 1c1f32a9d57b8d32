//! Starts a gateway and ends it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cluster_client::{Cluster, ConfigError, Ear, Patience};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::{ClusterEpoch, PartitionId};

use crate::config::{AeronPlan, GatewayConfig};
use crate::exchange::Exchange;
use crate::feed::{self, ClusterLedger};
use crate::gateway::Gateway;
use crate::history::{History, Postgres};
use crate::http::tls::{Certificate, TlsError};
use crate::http::{self, Door};
use crate::market_data::MarketData;
use crate::read_only::{self, Recency};
use crate::streams::{Hub, run_beat};

/// How long connections may take to finish their requests when the gateway ends.
const FAREWELL: Duration = Duration::from_secs(10);

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cluster's configuration is unusable.
    #[error("the cluster's configuration is unusable: {0}")]
    Cluster(#[from] ConfigError),
    /// The clients' certificate is unusable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Events cannot be taken by Aeron.
    #[error("[aeron] cannot be used: {0}")]
    Aeron(io::Error),
    /// A listener is unusable.
    #[error("a listener is unusable: {0}")]
    Listener(#[from] io::Error),
}

/// A running gateway.
pub struct GatewayHandle {
    /// What its connections share.
    pub gateway: Arc<Gateway>,
    /// Where it serves REST, and WebSockets too.
    pub rest: SocketAddr,
    /// Where it serves WebSockets: the same unless a listener of their own was given.
    pub ws: SocketAddr,
    failed: watch::Receiver<bool>,
    servers: Vec<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
}

impl GatewayHandle {
    /// Returns when the gateway cannot go on: its process should end, and be started again.
    pub async fn failed(&mut self) {
        // An error says that every vital task is gone, which is a failure as well.
        let _ = self.failed.wait_for(|failed| *failed).await;
    }

    /// Says that it will end, for [`crate::Limits::drain_notice`]; then accepts no more connections, lets the present
    /// ones finish what they do, and ends.
    pub async fn stop(self) {
        self.gateway.drain();
        tokio::time::sleep(self.gateway.limits.drain_notice).await;
        self.gateway.stop();
        for server in self.servers {
            // A server that panicked has ended as well.
            let _ = tokio::time::timeout(FAREWELL + Duration::from_secs(1), server).await;
        }
        // WebSockets outlive the HTTP connections they began as, and keep their places until they have said farewell.
        let places = self.gateway.limits.connections_max;
        let _ = tokio::time::timeout(FAREWELL, self.gateway.connections.all_free(places)).await;
        for worker in self.workers {
            worker.abort();
        }
    }
}

/// Starts a gateway on the current tokio runtime. It answers `-1008` until it has read the exchange's past.
pub async fn serve(config: GatewayConfig) -> Result<GatewayHandle, StartError> {
    // How much may be in flight is the gateway's limit: its session must not be a narrower one.
    let window = config.patience.window.max(config.limits.requests_max);
    let epoch = config.cluster.epoch;
    let patience = Patience { window, ..config.patience };
    let cluster = match config.read_only {
        true => Cluster::connect_only(config.cluster, patience)?,
        false => Cluster::connect_with(config.cluster, patience)?,
    };
    let ear =
        config.aeron.map(|plan| ear(plan, epoch, config.partitions.len()).map_err(StartError::Aeron)).transpose()?;
    let casts = ear.as_ref().map(|ear| ear.counters());
    if let Some(ear) = ear {
        cluster.take_casts_by(ear);
    }
    let hub = Arc::new(Hub::default());
    let market_data = Arc::new(MarketData::new(Arc::clone(&hub) as _));
    let exchange = Exchange::new(config.ledger, &config.partitions, &config.limits, *config.envelope_key, market_data);
    let exchange = Arc::new(exchange);
    let ledger = Arc::new(ClusterLedger::new(cluster.clone(), config.ledger));
    let history = config.history.map(|history| {
        let timeout = config.limits.read_timeout;
        Arc::new(Postgres::new(history, epoch, config.ledger, &config.partitions, timeout))
    });
    let mut gateway = Gateway::new(Arc::clone(&exchange), Arc::clone(&hub), ledger, config.limits);
    (gateway.is_read_only, gateway.life, gateway.casts) = (config.read_only, epoch, casts);
    if let Some(history) = &history {
        gateway.history = History::Postgres(Arc::clone(history));
    }
    let gateway = Arc::new(gateway);

    let certificate = config.tls.map(Certificate::load).transpose()?;
    let tls = certificate.as_ref().map(Certificate::acceptor).transpose()?;
    let door = Door { tls, proxies: config.proxies.map(Arc::new) };
    let (fail, failed) = watch::channel(false);
    let (rest, rest_listener) = listen(config.rest)?;
    let mut servers = Vec::new();
    let mut ws = rest;
    if let Some(listener) = config.ws {
        let (address, listener) = listen(listener)?;
        ws = address;
        servers.push(vital(&fail, http::serve(Arc::clone(&gateway), listener, door.clone(), FAREWELL)));
    }
    servers.push(vital(&fail, http::serve(Arc::clone(&gateway), rest_listener, door, FAREWELL)));

    let beat = tokio::spawn({
        let (gateway, data) = (Arc::clone(&gateway), Arc::clone(exchange.market_data()));
        run_beat(hub, data, move || gateway.now_us() / 1_000)
    });
    let recency = config.read_only.then(|| Arc::new(Recency::of(&config.partitions)));
    let follow = feed::follow(cluster.clone(), exchange, config.partitions.clone(), recency.clone());
    let followed = Arc::clone(&gateway);
    let feed = vital(&fail, async move {
        follow.await;
        followed.is_ready.store(false, std::sync::atomic::Ordering::Release);
    });
    let writers = history.iter().flat_map(|history| {
        let write = |partition: &PartitionId| {
            let log = Arc::new(cluster.clone());
            tokio::spawn(Arc::clone(history).write(log, *partition))
        };
        config.partitions.iter().map(write).collect::<Vec<_>>()
    });
    let writers: Vec<_> = writers.collect();
    let (ready, watch) = match recency {
        Some(recency) => (
            tokio::spawn(read_only::become_ready(cluster.clone(), recency, Arc::clone(&gateway))),
            tokio::spawn(read_only::watch_source(cluster, Arc::clone(&gateway))),
        ),
        None => (
            tokio::spawn(feed::become_ready(Arc::clone(&gateway), config.partitions.clone())),
            tokio::spawn(feed::watch_leaders(cluster, Arc::clone(&gateway), config.partitions)),
        ),
    };
    let mut workers = vec![feed, ready, watch, beat];
    workers.extend(writers);
    workers.extend(certificate.map(|certificate| tokio::spawn(certificate.keep_fresh())));
    Ok(GatewayHandle { gateway, rest, ws, failed, servers, workers })
}

/// What takes events by Aeron.
fn ear(plan: AeronPlan, epoch: ClusterEpoch, partitions: usize) -> io::Result<Arc<dyn Ear>> {
    #[cfg(feature = "aeron")]
    return crate::aeron::ear(plan, epoch, partitions);
    #[cfg(not(feature = "aeron"))]
    {
        let _ = (plan, epoch, partitions);
        Err(io::Error::other("this build has no Aeron; it is compiled with the feature `aeron`"))
    }
}

/// Runs a task without which the gateway cannot go on, however it ends.
fn vital(fail: &watch::Sender<bool>, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    struct Ended(watch::Sender<bool>);

    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.send_replace(true);
        }
    }

    let ended = Ended(fail.clone());
    tokio::spawn(async move {
        let _ended = ended;
        task.await;
    })
}

fn listen(listener: std::net::TcpListener) -> io::Result<(SocketAddr, TcpListener)> {
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((address, TcpListener::from_std(listener)?))
}
