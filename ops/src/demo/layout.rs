//! Where everything of a demo is: partitions, ports, directories, configuration files.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use miette::{Diagnostic, IntoDiagnostic, WrapErr};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::markets::MARKETS;
use crate::config::{
    AeronFile, BackupFile, ConnectionsFile, Durability, GatewayAeronFile, GatewayFile, HistoryFile, NodeAddress,
    NodeFile, Partition, RatesFile, Threads, ThreadsWord,
};
use crate::{pki, private};

/// How many nodes a demo begins with.
pub const NODES: u64 = 3;
/// The epoch of a demo that was never restored from a backup.
pub const FIRST_EPOCH: u64 = 1;
/// The partition of the ledger cell.
pub const LEDGER: u16 = 1;
/// With at most so many cores the gateway has one thread.
const FEW_CORES: usize = 3;

const GATEWAY_PORT: u16 = 8080;
const NODE_PORT: u16 = 7100;
const HTTP_PORT: u16 = 7200;

/// Which cells share a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The ledger in one partition, each market in its own: leaders are spread over the nodes.
    Split,
    /// Ledger and markets in one partition: one commit per order.
    Joint,
}

/// Partitions and addresses of one demo.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Which cells share a partition.
    pub kind: Kind,
    /// The nodes' addresses, in the order of their numbers.
    pub nodes: Vec<NodePlace>,
    /// Where clients connect.
    pub gateway: SocketAddr,
    /// Where a quorum has what is acknowledged.
    pub durability: Durability,
    /// How Raft messages go between the nodes.
    pub transport: Transport,
}

/// How Raft messages go between nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Transport {
    /// Over the links.
    #[default]
    Tcp,
    /// By Aeron beside them.
    Aeron,
}

/// One node's addresses.
#[derive(Debug, Clone, Copy)]
pub struct NodePlace {
    /// Its number.
    pub id: u64,
    /// For nodes, gateways and operators.
    pub addr: SocketAddr,
    /// For health, status and metrics.
    pub http: SocketAddr,
}

/// A fixed port is taken.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("another process listens on {addr}, which the demo needs for {purpose}")]
#[diagnostic(help("end that process (is another demo running?), or let the demo choose free ports with --any-port"))]
pub struct PortTaken {
    addr: SocketAddr,
    purpose: String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Split => "split",
            Kind::Joint => "joint",
        })
    }
}

impl Layout {
    /// The documented ports; an error names the first that is taken.
    pub fn on_fixed_ports(kind: Kind, ids: &[u64]) -> Result<Layout, PortTaken> {
        let nodes = ids.iter().map(|id| NodePlace::on_fixed_ports(*id)).collect();
        let (durability, transport) = (Durability::default(), Transport::default());
        let layout = Layout { kind, nodes, gateway: local(GATEWAY_PORT), durability, transport };
        let of_nodes = layout.nodes.iter().flat_map(|node| {
            let id = node.id;
            [(node.addr, format!("node {id}")), (node.http, format!("the status pages of node {id}"))]
        });
        for (addr, purpose) in of_nodes.chain([(layout.gateway, "clients".to_string())]) {
            if TcpListener::bind(addr).is_err() {
                return Err(PortTaken { addr, purpose });
            }
        }
        Ok(layout)
    }

    /// Ports that are free now, outside the range from which the system takes ports for outgoing
    /// connections: a node that is down must find its port free when it comes back.
    pub fn on_any_ports(kind: Kind, ids: &[u64]) -> miette::Result<Layout> {
        let mut ports = FreePorts::default();
        let mut nodes = Vec::new();
        for id in ids {
            nodes.push(ports.place(*id)?);
        }
        let (durability, transport) = (Durability::default(), Transport::default());
        Ok(Layout { kind, nodes, gateway: ports.next()?, durability, transport })
    }

    /// Whether something of the exchange is there.
    pub fn uses(&self, place: SocketAddr) -> bool {
        self.gateway == place || self.nodes.iter().any(|node| node.addr == place || node.http == place)
    }

    /// The node's addresses.
    pub fn node(&self, id: u64) -> Option<&NodePlace> {
        self.nodes.iter().find(|place| place.id == id)
    }

    /// A place for one node more.
    pub fn place_for(&self, id: u64, any_port: bool) -> miette::Result<NodePlace> {
        if any_port { FreePorts::default().place(id) } else { Ok(NodePlace::on_fixed_ports(id)) }
    }

    /// Every partition with its preferred leader.
    pub fn partitions(&self) -> Vec<Partition> {
        let count = match self.kind {
            Kind::Split => LEDGER + MARKETS.len() as u16,
            Kind::Joint => LEDGER,
        };
        let place = |partition| Partition { partition, preferred_leader: None, durability: self.durability };
        (1..=count).map(place).collect()
    }

    /// Where the market with this place in the table lives.
    pub fn partition_of_market(&self, index: usize) -> u16 {
        match self.kind {
            Kind::Split => LEDGER + 1 + index as u16,
            Kind::Joint => LEDGER,
        }
    }

    /// What a partition hosts, for people.
    pub fn describe(&self, partition: u16) -> String {
        let markets = MARKETS.iter().enumerate();
        let here = markets.filter(|(index, _)| self.partition_of_market(*index) == partition);
        let ledger = (partition == LEDGER).then_some("ledger");
        ledger.into_iter().chain(here.map(|(_, market)| market.symbol)).collect::<Vec<_>>().join(", ")
    }

    /// Every node's number and address.
    pub fn addresses(&self) -> Vec<NodeAddress> {
        self.nodes.iter().map(|place| NodeAddress { node: place.id, addr: place.addr }).collect()
    }
}

impl NodePlace {
    fn on_fixed_ports(id: u64) -> NodePlace {
        NodePlace { id, addr: local(NODE_PORT + id as u16), http: local(HTTP_PORT + id as u16) }
    }
}

/// Ports that nobody listens on. They are held until all are found, so that none is found twice.
#[derive(Default)]
struct FreePorts(Vec<TcpListener>);

impl FreePorts {
    fn next(&mut self) -> miette::Result<SocketAddr> {
        for _ in 0..1_000 {
            let addr = local(rand::rng().random_range(10_240..32_000));
            if let Ok(listener) = TcpListener::bind(addr) {
                self.0.push(listener);
                return Ok(addr);
            }
        }
        Err(miette::miette!("no free port was found between 10240 and 32000"))
    }

    fn place(&mut self, id: u64) -> miette::Result<NodePlace> {
        Ok(NodePlace { id, addr: self.next()?, http: self.next()? })
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Which life of the cluster it is, where its nodes ship to, and where its gateway keeps history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The cluster's epoch.
    pub epoch: u64,
    /// A place for backups.
    pub backup: Option<String>,
    /// A database for history.
    pub history: Option<HistoryFile>,
}

/// Megabytes of the disk that its nodes leave free; with less than twice as much none of them leads.
pub const DISK_RESERVE_MB: u64 = 64;

/// The paths in a demo's directory.
#[derive(Debug, Clone)]
pub struct Paths(pub PathBuf);

impl Paths {
    /// Certificates.
    pub fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    /// Keys of accounts.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// What the processes said.
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// The state file that the demo's own children read.
    pub fn state(&self) -> PathBuf {
        self.0.join("state.json")
    }

    /// How to reach the running demo.
    pub fn control(&self) -> PathBuf {
        self.0.join("control.json")
    }

    /// The key that seals secrets.
    pub fn envelope_key(&self) -> PathBuf {
        self.0.join("keys").join("envelope.key")
    }

    /// A node's log, snapshots and events.
    pub fn node(&self, id: u64) -> PathBuf {
        self.0.join(format!("node-{id}"))
    }

    /// A process's configuration file.
    pub fn config(&self, name: &str) -> PathBuf {
        self.0.join("config").join(format!("{name}.toml"))
    }

    /// Writes a node's configuration file: all others are its peers; `threads` is what suits the machine by default.
    pub fn write_node_config(
        &self,
        layout: &Layout,
        place: &NodePlace,
        life: &Life,
        threads: Option<ThreadsWord>,
    ) -> miette::Result<()> {
        let peers = layout.addresses().into_iter().filter(|peer| peer.node != place.id).collect();
        let name = format!("node-{}", place.id);
        let file = NodeFile {
            node: place.id,
            epoch: life.epoch,
            data_dir: self.node(place.id),
            listen: place.addr,
            http: place.http,
            ledger: LEDGER,
            threads: node_threads(threads),
            learner: false,
            disk_reserve_mb: DISK_RESERVE_MB,
            max_version: None,
            tls: pki::files(&self.pki(), &name),
            peers,
            partitions: layout.partitions(),
            backup: life.backup.clone().map(BackupFile::to),
            aeron: (layout.transport == Transport::Aeron).then(AeronFile::default),
        };
        write(&self.config(&name), &file)
    }

    /// Writes the configuration files of every node and of the gateway.
    pub fn write_configs(&self, layout: &Layout, life: &Life, threads: Option<ThreadsWord>) -> miette::Result<()> {
        private::make_dir(&self.0.join("config")).into_diagnostic()?;
        for place in &layout.nodes {
            self.write_node_config(layout, place, life, threads)?;
        }
        let file = GatewayFile {
            name: "gateway-1".into(),
            epoch: life.epoch,
            listen: layout.gateway,
            ledger: LEDGER,
            partitions: layout.partitions().iter().map(|partition| partition.partition).collect(),
            threads: gateway_threads(),
            read_only: false,
            proxies: None,
            envelope_key_file: self.envelope_key(),
            tls: pki::files(&self.pki(), "gateway-1"),
            client_tls: None,
            allow_plain: false,
            // Whoever tries many clients has them all on this machine.
            connections: ConnectionsFile::of_one_machine(),
            rates: RatesFile::of_one_machine(),
            drain_notice_s: 0,
            history: life.history.clone(),
            nodes: layout.addresses(),
            // Ports of UDP are others than those of TCP.
            aeron: (layout.transport == Transport::Aeron)
                .then(|| GatewayAeronFile { listen: Some(layout.gateway), ..GatewayAeronFile::default() }),
        };
        write(&self.config("gateway-1"), &file)
    }
}

/// All nodes share the machine: each may count on its part of the cores.
fn node_threads(wanted: Option<ThreadsWord>) -> Threads {
    let cores = available_parallelism().map_or(1, usize::from);
    let suits = match node::Threads::for_cores(cores / NODES as usize) {
        node::Threads::Shared => ThreadsWord::Shared,
        node::Threads::Partitions(_) => ThreadsWord::Dedicated,
    };
    Threads::Word(wanted.unwrap_or(suits))
}

/// The gateway shares the machine with the nodes: where cores are few, one thread for it.
fn gateway_threads() -> Option<NonZeroUsize> {
    let cores = available_parallelism().map_or(1, usize::from);
    (cores <= FEW_CORES).then_some(NonZeroUsize::MIN)
}

pub(super) fn write(path: &Path, file: &impl Serialize) -> miette::Result<()> {
    let text = toml::to_string(file).into_diagnostic()?;
    private::write(path, text.as_bytes()).into_diagnostic().wrap_err_with(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_gives_each_market_a_partition_and_leaves_leaders_to_the_cluster() {
        let layout = Layout::on_any_ports(Kind::Split, &[1, 2, 3]).unwrap();
        assert!(layout.partitions().iter().all(|partition| partition.preferred_leader.is_none()));
        let cells: Vec<String> = (1..=4).map(|partition| layout.describe(partition)).collect();
        assert_eq!(cells, ["ledger", "BTCUSDT", "ETHUSDT", "ETHBTC"]);
    }

    #[test]
    fn joint_has_one_partition() {
        let layout = Layout::on_any_ports(Kind::Joint, &[1, 2, 3]).unwrap();
        assert_eq!(layout.partitions().len(), 1);
        assert_eq!(layout.describe(1), "ledger, BTCUSDT, ETHUSDT, ETHBTC");
    }

    #[test]
    fn any_ports_differ() {
        let layout = Layout::on_any_ports(Kind::Split, &[1, 2, 3]).unwrap();
        let of_nodes = layout.nodes.iter().flat_map(|node| [node.addr, node.http]);
        let all: std::collections::BTreeSet<SocketAddr> = of_nodes.chain([layout.gateway]).collect();
        assert_eq!(all.len(), 7);
    }

    #[test]
    fn the_configuration_files_load() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths(dir.path().canonicalize().unwrap());
        let layout = Layout::on_any_ports(Kind::Split, &[1, 2, 5]).unwrap();
        pki::ensure(&paths.pki(), &["node-1", "node-2", "node-5", "gateway-1"].map(String::from)).unwrap();
        let postgres = String::from("postgres://me:secret@localhost/mainstay").into();
        let history = Some(HistoryFile { postgres, password_file: None, ca: None });
        let life = Life { epoch: 3, backup: Some("s3://bucket/demo".into()), history };
        paths.write_configs(&layout, &life, None).unwrap();
        assert_eq!(NodeFile::load(&paths.config("node-5")).unwrap().http, layout.node(5).unwrap().http);
        let node = NodeFile::load(&paths.config("node-2")).unwrap();
        assert_eq!((node.node, node.epoch, node.peers.len(), node.partitions.len()), (2, 3, 2, 4));
        assert_eq!(node.backup, Some(BackupFile::to("s3://bucket/demo".into())));
        let gateway = GatewayFile::load(&paths.config("gateway-1")).unwrap();
        assert_eq!((gateway.nodes.len(), &gateway.history), (3, &life.history));
        assert!(!format!("{gateway:?} {life:?}").contains("secret"), "passwords are not shown");
    }
}
