//! Deposits from real nodes through three replicated ledgers, while leaders and instances of chainwatch die.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use chainwatch::deposits::Depositor;
use chainwatch::follow::Follower;
use chainwatch::keys::{AddressKeys, AddressScheme};
use chainwatch::ledger::{ClusterLedger, Ledger};
use chainwatch::store::BlockStore;
use chainwatch::watch::Watch;
use cluster_client::{Cluster, ClusterConfig};
use node::{Node, NodeConfig, NodeHandle, PartitionPlacement, PeerConfig, TlsPem, Tuning};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tempfile::TempDir;
use tests::chain::anvil::Anvils;
use tokio::task::JoinHandle;
use wire::command::{ListAsset, ListChain, ListChainAsset, OpenAccount, Reply, RequestAddress};
use wire::link::Role;
use wire::{
    AccountId, Amount, AssetId, ChainId, ClusterEpoch, Command, DepositStage, Event, FeeRate, NodeId, PartitionId, Text,
};

use crate::bed::{all_agree, watch_evm};

const XPUB: &str =
    "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V";
const EPOCH: ClusterEpoch = ClusterEpoch::new(1);
const LEDGER: PartitionId = PartitionId::new(1);
const CHAIN: ChainId = ChainId::new(1);
const COIN: AssetId = AssetId::new(1);
const SOON: Duration = Duration::from_secs(40);

/// Three nodes of this process with an authority of their own.
struct Exchange {
    authority: CertifiedIssuer<'static, KeyPair>,
    nodes: Vec<Option<NodeHandle>>,
    peers: Vec<PeerConfig>,
    _dirs: Vec<TempDir>,
}

impl Exchange {
    fn start() -> Exchange {
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
                tuning: Tuning::default(),
            };
            exchange.nodes.push(Some(Node::start(config).unwrap()));
        }
        exchange
    }

    fn identity(&self, name: &str) -> TlsPem {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.authority).unwrap();
        TlsPem {
            ca: self.authority.pem().into_bytes(),
            cert: cert.pem().into_bytes(),
            key: key.serialize_pem().into_bytes(),
        }
    }

    async fn ledger(&self, role: Role, name: &str) -> ClusterLedger {
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
    fn stop_leader(&mut self) {
        let leads =
            |node: &Option<NodeHandle>| node.as_ref().is_some_and(|node| node.status().partitions[0].role == "leader");
        let leader = self.nodes.iter().position(leads).expect("somebody leads");
        self.nodes[leader].take().expect("it runs").stop();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.nodes.iter_mut().filter_map(Option::take).for_each(NodeHandle::stop);
    }
}

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text.as_bytes()).unwrap()
}

fn keys() -> AddressKeys {
    AddressKeys::new(XPUB, AddressScheme::Evm).unwrap()
}

async fn accept(ledger: &mut ClusterLedger, command: Command) {
    let reply = ledger.propose(&command).await.unwrap();
    assert!(matches!(reply, Reply::Accepted { .. }), "{command:?}: {reply:?}");
}

async fn list(operator: &mut ClusterLedger) {
    let free = FeeRate::new(0).unwrap();
    accept(operator, Command::ListAsset(ListAsset { symbol: text("ETH"), ledger_decimals: 10 })).await;
    accept(operator, Command::OpenAccount(OpenAccount { name: text("alice"), maker_fee: free, taker_fee: free })).await;
    accept(
        operator,
        Command::ListChain(ListChain { symbol: text("ETH"), lease_ms: 1_500, addresses: wire::AddressFormat::Evm }),
    )
    .await;
    let asset = ListChainAsset {
        chain: CHAIN,
        asset: COIN,
        contract: text(""),
        chain_decimals: 18,
        deposit_min: 1,
        confirmations: 0,
        large_from: Amount::ZERO,
        large_confirmations: 0,
    };
    accept(operator, Command::ListChainAsset(Box::new(asset))).await;
    let account = AccountId::new(1);
    accept(operator, Command::RequestAddress(RequestAddress { account, chain: CHAIN })).await;
}

/// An instance at work, until it is aborted.
async fn instance(exchange: &Exchange, watch: &Watch, name: &str) -> (JoinHandle<()>, TempDir) {
    let ledger = exchange.ledger(Role::Chainwatch, name).await;
    let home = tempfile::tempdir().unwrap();
    let store = BlockStore::open(home.path(), watch.chain()).unwrap();
    let follower = Follower::open(watch.clone(), store, 64).unwrap();
    let depositor = Depositor::new(CHAIN, ledger, watch.clone(), follower, keys());
    (tokio::spawn(depositor.run()), home)
}

/// Reads the ledger's events until one of them is what is waited for; all that were read are kept.
async fn told(operator: &mut ClusterLedger, events: &mut Vec<Event>, what: &str, is_it: impl Fn(&Event) -> bool) {
    let deadline = Instant::now() + SOON;
    while !events.iter().any(&is_it) {
        assert!(Instant::now() < deadline, "in vain: {what}: {events:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        events.extend(operator.events().await.unwrap());
    }
}

fn is_deposit(event: &Event, stage: DepositStage) -> bool {
    matches!(event, Event::DepositChanged(changed) if changed.stage == stage)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn a_deposit_survives_the_ledgers_leader_and_the_instance_that_proposed_it() {
    let mut chain = Anvils::start(5).await.unwrap();
    chain.mine(3).await.unwrap();
    let watch = watch_evm(&chain).await;
    all_agree(&watch, None).await;
    let mut exchange = Exchange::start();
    let mut operator = exchange.ledger(Role::Operator, "operator-test").await;
    list(&mut operator).await;
    let (first, _first_home) = instance(&exchange, &watch, "chainwatch-1").await;
    let mut events = Vec::new();
    told(&mut operator, &mut events, "the address", |event| matches!(event, Event::AddressBound(_))).await;

    let (address, _) = keys().derive(1).unwrap();
    chain.send(json!({"to": address.as_str(), "value": "0xde0b6b3a7640001"})).await.unwrap();
    chain.mine(1).await.unwrap();
    told(&mut operator, &mut events, "inclusion", |event| is_deposit(event, DepositStage::Included)).await;

    exchange.stop_leader();
    first.abort();
    let died = Instant::now();
    let (second, _second_home) = instance(&exchange, &watch, "chainwatch-2").await;
    let is_second = |event: &Event| matches!(event, Event::ChainClaimed(claimed) if claimed.fence == 2);
    told(&mut operator, &mut events, "the second claim", is_second).await;
    println!("leader and instance died; the other instance has the claim after {:?}", died.elapsed());
    chain.mine(3).await.unwrap();
    told(&mut operator, &mut events, "the credit", |event| is_deposit(event, DepositStage::Credited)).await;

    tokio::time::sleep(Duration::from_secs(1)).await;
    events.extend(operator.events().await.unwrap());
    let credits: Vec<Amount> = events
        .iter()
        .filter_map(|event| match event {
            Event::Credited(credited) => Some(credited.amount),
            _ => None,
        })
        .collect();
    assert_eq!(credits, [Amount::new(10_000_000_000).unwrap()], "one ether, once");
    let dust = |event: &Event| match event {
        Event::DepositChanged(changed) => Some(changed.dust),
        _ => None,
    };
    assert_eq!(events.iter().filter_map(dust).next_back(), Some(1));
    second.abort();
}
