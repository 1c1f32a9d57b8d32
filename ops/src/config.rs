//! The configuration files of nodes and gateways: TOML, overridden by environment variables.
//!
//! Relative paths in a file are relative to that file.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use miette::{Diagnostic, IntoDiagnostic, WrapErr};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

mod aeron;
pub mod chainwatch;

pub use aeron::{AeronFile, GatewayAeronFile};

/// How a process ends whose address another one has.
pub const ADDRESS_IN_USE: u8 = 98;

/// `mainstay node --config FILE`. Environment variables start with `MAINSTAY_NODE_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// This node's number, from 1.
    pub node: u64,
    /// The cluster's epoch.
    pub epoch: u64,
    /// Where log, snapshots and events are kept.
    pub data_dir: PathBuf,
    /// Where nodes, gateways and operators connect.
    pub listen: SocketAddr,
    /// Where health, status and metrics are served; for operators alone.
    pub http: SocketAddr,
    /// The partition that hosts the ledger cell.
    pub ledger: u16,
    /// Whether it stays a learner: it gets every log and never votes.
    #[serde(default)]
    pub learner: bool,
    /// How its partitions share threads.
    #[serde(default)]
    pub threads: Threads,
    /// Megabytes (of 2^20 bytes) of the disk that stay free.
    #[serde(default = "disk_reserve_mb")]
    pub disk_reserve_mb: u64,
    /// The greatest behaviour version that the node may know; all of its build, if it is not said. To try upgrades with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_version: Option<u16>,
    /// Certificates and key.
    pub tls: TlsFiles,
    /// The other nodes; a cluster of one has none.
    #[serde(default)]
    pub peers: Vec<NodeAddress>,
    /// Every partition; each has a replica on every node.
    pub partitions: Vec<Partition>,
    /// Where its logs and snapshots are shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupFile>,
    /// Raft messages and events by Aeron, where the build has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aeron: Option<AeronFile>,
}

/// Continuous shipping to a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupFile {
    /// A directory, or `s3://BUCKET/FOLDER`.
    pub to: String,
    /// How often what was committed is shipped, in milliseconds.
    #[serde(default = "BackupFile::every_ms")]
    pub every_ms: u64,
    /// How often a snapshot goes along, in seconds.
    #[serde(default = "BackupFile::snapshot_every_s")]
    pub snapshot_every_s: u64,
}

impl BackupFile {
    /// To a place, as often as is usual.
    pub fn to(place: String) -> BackupFile {
        BackupFile { to: place, every_ms: Self::every_ms(), snapshot_every_s: Self::snapshot_every_s() }
    }

    fn every_ms() -> u64 {
        1_000
    }

    fn snapshot_every_s() -> u64 {
        600
    }
}

/// How a node's partitions share threads: a number of threads for them, or one of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Threads {
    /// So many, beside the network thread and the log thread.
    Count(std::num::NonZeroUsize),
    /// A word.
    Word(ThreadsWord),
}

/// See [`Threads`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ThreadsWord {
    /// What suits the cores that the node may use.
    Auto,
    /// All in the network thread.
    Shared,
    /// One for each partition.
    Dedicated,
}

impl Default for Threads {
    fn default() -> Self {
        Threads::Word(ThreadsWord::Auto)
    }
}

impl From<Threads> for node::Threads {
    fn from(threads: Threads) -> Self {
        match threads {
            Threads::Count(count) => node::Threads::Partitions(count.get()),
            Threads::Word(ThreadsWord::Auto) => node::Threads::for_this_machine(),
            Threads::Word(ThreadsWord::Shared) => node::Threads::Shared,
            Threads::Word(ThreadsWord::Dedicated) => node::Threads::DEDICATED,
        }
    }
}

/// `mainstay gateway --config FILE`. Environment variables start with `MAINSTAY_GATEWAY_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayFile {
    /// The name in its certificate, `gateway-1`.
    pub name: String,
    /// The cluster's epoch.
    pub epoch: u64,
    /// Where clients connect: REST, streams and the WebSocket API.
    pub listen: SocketAddr,
    /// The partition that hosts the ledger cell.
    pub ledger: u16,
    /// Every partition.
    pub partitions: Vec<u16>,
    /// Threads that serve clients; as many as there are cores, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<std::num::NonZeroUsize>,
    /// The 32 bytes that open sealed secrets, as 64 hexadecimal digits in a file.
    pub envelope_key_file: PathBuf,
    /// Certificates and key, towards the nodes.
    pub tls: TlsFiles,
    /// Certificate and key towards clients. Without them clients are served in plain, on loopback alone.
    #[serde(default)]
    pub client_tls: Option<ClientTlsFiles>,
    /// Serve clients in plain on other addresses too: something before the gateway ends their TLS.
    #[serde(default)]
    pub allow_plain: bool,
    /// What stands between the gateway and its clients, and says where they come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxies: Option<ProxiesFile>,
    /// How many connections clients may have.
    #[serde(default)]
    pub connections: ConnectionsFile,
    /// How much clients may ask.
    #[serde(default)]
    pub rates: RatesFile,
    /// How long the gateway says that it will end before it does, in seconds.
    #[serde(default)]
    pub drain_notice_s: u32,
    /// Serve public market data alone, from `nodes` and no others: learners in another region.
    #[serde(default)]
    pub read_only: bool,
    /// Where history is kept, if not in the gateway's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryFile>,
    /// Every node.
    pub nodes: Vec<NodeAddress>,
    /// Events by Aeron, where the build has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aeron: Option<GatewayAeronFile>,
}

/// How a gateway's places for connections are shared. A quarter of them is reserved for addresses that have few, and of that a
/// quarter for those that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionsFile {
    /// In all. The process needs as many descriptors and some more (`ulimit -Hn`).
    pub most: NonZeroU32,
    /// Of one address, of IPv6 one network of 64 bits. Each network around it may have four times as many.
    pub per_address: NonZeroU32,
}

impl ConnectionsFile {
    /// Where all clients are one address: it may have all that are not reserved.
    pub fn of_one_machine() -> ConnectionsFile {
        let all = ConnectionsFile::default().most;
        ConnectionsFile { most: all, per_address: all }
    }
}

impl Default for ConnectionsFile {
    fn default() -> ConnectionsFile {
        let limits = gateway::Limits::default();
        let some = |count: usize| u32::try_from(count).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        ConnectionsFile { most: some(limits.connections_max), per_address: some(limits.connections_per_address) }
    }
}

/// How much clients may ask before they are refused, as `exchangeInfo` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RatesFile {
    /// Request weight of an address in a minute, and of an API key.
    pub weight_per_minute: NonZeroU32,
    /// Requests of an address in 5 minutes, whatever they weigh.
    pub requests_per_5m: NonZeroU32,
    /// New orders of an account in 10 seconds, and as many that are refused.
    pub orders_per_10s: NonZeroU32,
    /// New orders of an account in a day.
    pub orders_per_day: NonZeroU32,
}

impl RatesFile {
    /// Where whoever offers a load is one address, and as many orders as the exchange can do are to be tried.
    pub fn of_one_machine() -> RatesFile {
        let many = |rate: NonZeroU32| rate.saturating_mul(NonZeroU32::MIN.saturating_add(19));
        let RatesFile { weight_per_minute, requests_per_5m, orders_per_10s, orders_per_day } = RatesFile::default();
        RatesFile {
            weight_per_minute: many(weight_per_minute),
            requests_per_5m: many(requests_per_5m),
            orders_per_10s: many(orders_per_10s),
            orders_per_day: many(orders_per_day),
        }
    }
}

impl Default for RatesFile {
    fn default() -> RatesFile {
        let limits = gateway::Limits::default();
        let some = |rate: u32| NonZeroU32::new(rate).unwrap_or(NonZeroU32::MAX);
        RatesFile {
            weight_per_minute: some(limits.weight_per_minute),
            requests_per_5m: some(limits.requests_per_5m),
            orders_per_10s: some(limits.orders_per_10s),
            orders_per_day: some(limits.orders_per_day),
        }
    }
}

/// History in PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryFile {
    /// `host=/run/postgresql dbname=mainstay`, or `postgres://USER@HOST/NAME`.
    pub postgres: Connection,
    /// A file with the password, where it is not in `postgres`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The authority of the database's certificate: with it, the connection is one by TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// Names a database and how to be let in: it may hold a password, and is not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Connection(String);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection(..)")
    }
}

impl From<String> for Connection {
    fn from(text: String) -> Connection {
        Connection(text)
    }
}

impl HistoryFile {
    /// As the gateway takes it.
    pub fn read(&self) -> miette::Result<gateway::HistoryConfig> {
        let read = gateway::HistoryConfig::read(&self.postgres.0, self.password_file.as_deref(), self.ca.as_deref());
        read.into_diagnostic().wrap_err("[history] cannot be used")
    }
}

/// Proxies before a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxiesFile {
    /// Their addresses and networks. Nobody else is believed.
    pub networks: Vec<String>,
    /// How they say for whom they connect.
    pub tell: Tell,
}

/// How proxies say for whom they connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tell {
    /// Each connection begins with a header of the PROXY protocol, version 1 or 2.
    ProxyProtocol,
    /// Each request has the header `X-Forwarded-For`.
    XForwardedFor,
}

impl ProxiesFile {
    /// As the gateway takes it.
    pub fn read(&self) -> miette::Result<gateway::Proxies> {
        let network =
            |text: &String| text.parse().map_err(|error| miette::miette!("proxies.networks: {text}: {error}"));
        let tell = match self.tell {
            Tell::ProxyProtocol => gateway::Tell::ProxyProtocol,
            Tell::XForwardedFor => gateway::Tell::ForwardedFor,
        };
        Ok(gateway::Proxies { networks: self.networks.iter().map(network).collect::<miette::Result<_>>()?, tell })
    }
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTlsFiles {
    /// The certificate, and those between it and its authority. Read again when it changes.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The authority that signed every certificate of the cluster.
    pub ca: PathBuf,
    /// This process's certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where a node listens for nodes, gateways and operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeAddress {
    /// Its number.
    pub node: u64,
    /// Its address.
    pub addr: SocketAddr,
}

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Its number, from 1.
    pub partition: u16,
    /// The node that leads it when it can. Without one the first leads the ledger, and the others take turns
    /// at the markets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_leader: Option<u64>,
    /// Where a quorum has what is acknowledged.
    #[serde(default)]
    pub durability: Durability,
}

/// Where a quorum has what is acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// On its disks.
    #[default]
    QuorumFsync,
    /// In the memory of its hosts: lost when a quorum of hosts stops at once.
    QuorumMemory,
}

impl std::fmt::Display for Durability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Durability::QuorumFsync => "quorum-fsync",
            Durability::QuorumMemory => "quorum-memory",
        })
    }
}

impl From<Durability> for node::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::QuorumFsync => node::Durability::QuorumFsync,
            Durability::QuorumMemory => node::Durability::QuorumMemory,
        }
    }
}

fn disk_reserve_mb() -> u64 {
    64
}

/// Another process listens where this one was told to.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("another process listens on {addr}, which this one needs as {purpose}")]
#[diagnostic(help("end that process, or configure another address"))]
pub struct AddressInUse {
    /// Where.
    pub addr: SocketAddr,
    /// What for.
    pub purpose: &'static str,
}

/// Binds a listener; who has the address already is told apart from other failures.
pub fn bind(addr: SocketAddr, purpose: &'static str) -> miette::Result<TcpListener> {
    TcpListener::bind(addr).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => AddressInUse { addr, purpose }.into(),
        _ => miette::miette!("cannot listen on {addr} as {purpose}: {error}"),
    })
}

impl NodeFile {
    /// Reads the file and the environment.
    pub fn load(path: &Path) -> miette::Result<NodeFile> {
        let mut file: NodeFile = load(path, "MAINSTAY_NODE_")?;
        let base = base_of(path)?;
        file.data_dir = base.join(&file.data_dir);
        file.tls.resolve(&base);
        if let Some(backup) = file.backup.as_mut().filter(|backup| !backup.to.contains("://")) {
            backup.to = base.join(&backup.to).to_string_lossy().into_owned();
        }
        if let Some(directory) = file.aeron.as_mut().and_then(|aeron| aeron.driver_dir.as_mut()) {
            *directory = base.join(&*directory);
        }
        Ok(file)
    }
}

impl GatewayFile {
    /// Reads the file and the environment.
    pub fn load(path: &Path) -> miette::Result<GatewayFile> {
        let mut file: GatewayFile = load(path, "MAINSTAY_GATEWAY_")?;
        let base = base_of(path)?;
        file.envelope_key_file = base.join(&file.envelope_key_file);
        file.tls.resolve(&base);
        if let Some(tls) = &mut file.client_tls {
            (tls.cert, tls.key) = (base.join(&tls.cert), base.join(&tls.key));
        }
        if let Some(directory) = file.aeron.as_mut().and_then(|aeron| aeron.driver_dir.as_mut()) {
            *directory = base.join(&*directory);
        }
        if let Some(history) = &mut file.history {
            for path in [&mut history.password_file, &mut history.ca].into_iter().flatten() {
                *path = base.join(&*path);
            }
        }
        Ok(file)
    }
}

impl TlsFiles {
    fn resolve(&mut self, base: &Path) {
        for path in [&mut self.ca, &mut self.cert, &mut self.key] {
            *path = base.join(&*path);
        }
    }

    /// The bytes of authority, certificate and key.
    pub fn read(&self) -> miette::Result<[Vec<u8>; 3]> {
        Ok([read(&self.ca)?, read(&self.cert)?, read(&self.key)?])
    }
}

/// The 32 bytes that seal and open shared secrets.
pub fn read_envelope_key(path: &Path) -> miette::Result<[u8; 32]> {
    let text = read(path)?;
    let key = hex::decode(text.trim_ascii()).ok().and_then(|bytes| bytes.try_into().ok());
    key.ok_or_else(|| miette::miette!("{} does not hold 64 hexadecimal digits", path.display()))
}

fn load<T: DeserializeOwned>(path: &Path, environment: &str) -> miette::Result<T> {
    Figment::new()
        .merge(Toml::file_exact(path))
        .merge(Env::prefixed(environment))
        .extract()
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot use the configuration {}", path.display()))
}

fn base_of(path: &Path) -> miette::Result<PathBuf> {
    let path = path.canonicalize().into_diagnostic()?;
    Ok(path.parent().unwrap_or(Path::new("/")).to_path_buf())
}

fn read(path: &Path) -> miette::Result<Vec<u8>> {
    std::fs::read(path).into_diagnostic().wrap_err_with(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests;
