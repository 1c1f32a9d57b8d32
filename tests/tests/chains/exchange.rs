//! Three replicated ledgers in this process, and connections to them.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use chainwatch::ledger::{ClusterLedger, Ledger};
use cluster_client::{Cluster, ClusterConfig};
use node::{Node, NodeConfig, NodeHandle, PartitionPlacement, PeerConfig, TlsPem, Tuning};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use wire::command::Reply;
use wire::link::Role;
use wire::{ClusterEpoch, Command, NodeId, PartitionId, Text};

pub const EPOCH: ClusterEpoch = ClusterEpoch::new(1);
pub const LEDGER: PartitionId = PartitionId::new(1);
const SOON: Duration = Duration::from_secs(40);

/// Three nodes of this process with an authority of their own.
pub struct Exchange {
    authority: CertifiedIssuer<'static, KeyPair>,
    nodes: Vec<Option<NodeHandle>>,
    pub peers: Vec<PeerConfig>,
    _dirs: Vec<TempDir>,
}

impl Exchange {
    pub fn start() -> Exchange {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let listeners: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let peer = |(at, listener): (usize, &TcpListener)| PeerConfig {
            node: NodeId::new(at as u64 + 1),
            addr: listener.local_addr().unwrap(),
        };
        let peers = listeners.iter().enumerate().map(peer).collect();
        let dirs = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut exchange = Exchange { authority, nodes: Vec::new(), peers, _dirs: dirs };
        for (at, listen) in listeners.into_iter().enumerate() {
            let node = NodeId::new(at as u64 + 1);
            let config = NodeConfig {
                node,
                epoch: EPOCH,
                data_dir: exchange._dirs[at].path().to_owned(),
                listen,
                peers: exchange.peers.iter().filter(|peer| peer.node != node).cloned().collect(),
                tls: exchange.identity(&format!("node-{node}")),
                partitions: PartitionPlacement::spread(1),
                ledger: LEDGER,
                stays_learner: false,
                aeron: None,
                tuning: Tuning::default(),
            };
            exchange.nodes.push(Some(Node::start(config).unwrap()));
        }
        exchange
    }

    pub fn identity(&self, name: &str) -> TlsPem {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.authority).unwrap();
        TlsPem {
            ca: self.authority.pem().into_bytes(),
            cert: cert.pem().into_bytes(),
            key: key.serialize_pem().into_bytes(),
        }
    }

    pub async fn ledger(&self, role: Role, name: &str) -> ClusterLedger {
        let TlsPem { ca, cert, key } = self.identity(name);
        let nodes = self.peers.iter().map(|peer| (peer.node, peer.addr)).collect();
        let config = ClusterConfig { epoch: EPOCH, nodes, role, name: name.to_owned(), ca, cert, key };
        let cluster = Cluster::connect(config).unwrap();
        let deadline = Instant::now() + SOON;
        loop {
            match ClusterLedger::connect(&cluster, LEDGER).await {
                Ok(ledger) => return ledger,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        }
    }

    /// The node that leads the ledger stops.
    pub fn stop_leader(&mut self) {
        let leader = self.leader().expect("somebody leads");
        self.nodes[leader].take().expect("it runs").stop();
    }

    /// Another node is asked to lead the ledger. Nothing happens while none does.
    pub fn change_leader(&self) {
        if let Some(leader) = self.leader() {
            let next = NodeId::new((leader as u64 + 1) % self.nodes.len() as u64 + 1);
            self.nodes[leader].as_ref().expect("it leads").transfer_leadership(LEDGER, next);
        }
    }

    fn leader(&self) -> Option<usize> {
        let leads =
            |node: &Option<NodeHandle>| node.as_ref().is_some_and(|node| node.status().partitions[0].role == "leader");
        self.nodes.iter().position(leads)
    }

    /// What the ledger owes of an asset, house and all: what came in and has not gone out, in its units.
    pub fn owed(&self, asset: wire::AssetId) -> i128 {
        let audits = self.nodes.iter().flatten().flat_map(NodeHandle::audits);
        let latest = audits.filter(|audit| !audit.assets.is_empty()).max_by_key(|audit| audit.position);
        let latest = latest.expect("a node answers");
        let books = latest.assets.iter().find(|books| books.asset == asset.get()).expect("a listed asset");
        assert_eq!(books.free + books.held + books.fees + books.clearing, books.deposits - books.withdrawals);
        books.deposits - books.withdrawals
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.nodes.iter_mut().filter_map(Option::take).for_each(NodeHandle::stop);
    }
}

pub fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text.as_bytes()).unwrap()
}

/// Has the ledger decide, and gives back the id that it says.
pub async fn accept(ledger: &mut ClusterLedger, command: Command) -> u64 {
    match ledger.propose(&command).await.unwrap() {
        Reply::Accepted { id } => id,
        rejected => panic!("{command:?}: {rejected:?}"),
    }
}
