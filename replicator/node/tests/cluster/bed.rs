//! Nodes of one process on loopback, with their own authority and directories, and clients of theirs.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use cluster_client::{Cluster, ClusterConfig, EventStream, Replied, Session, StreamItem};
use node::{AeronPlan, HAS_AERON, Node, NodeConfig, NodeHandle, PartitionPlacement, PeerConfig, TlsPem, Tuning};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use wire::codec::v1;
use wire::command::{Credit, ListAsset, ListMarket, NewOrder, OpenAccount, Reply};
use wire::link::Role;
use wire::{
    AccountId, AccountName, Amount, AssetId, ClientOrderId, ClusterEpoch, Command, Event, FeeRate, LogPosition,
    MarketId, MarketRules, NodeId, OrderId, OrderKind, PartitionId, Price, Qty, SelfTradePrevention, Side, Symbol,
    TimeInForce,
};

pub const EPOCH: ClusterEpoch = ClusterEpoch::new(1);
pub const LEDGER: PartitionId = PartitionId::new(1);
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The cluster's authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn identity(&self, name: &str) -> TlsPem {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        TlsPem { ca: self.0.pem().into_bytes(), cert: cert.pem().into_bytes(), key: key.serialize_pem().into_bytes() }
    }
}

/// A cluster of nodes in this process.
pub struct Bed {
    pub authority: Authority,
    pub addresses: Vec<SocketAddr>,
    pub nodes: Vec<Option<NodeHandle>>,
    pub tuning: Tuning,
    dirs: Vec<TempDir>,
    partitions: u16,
}

impl Bed {
    /// `count` nodes with `partitions` partitions, the first of which hosts the ledger cell.
    pub fn start(count: usize, partitions: u16, tuning: Tuning) -> Bed {
        let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let mut bed = Bed {
            authority: Authority::new(),
            addresses: listeners.iter().map(|listener| listener.local_addr().unwrap()).collect(),
            nodes: (0..count).map(|_| None).collect(),
            tuning,
            dirs: (0..count).map(|_| TempDir::new().unwrap()).collect(),
            partitions,
        };
        for (at, listener) in listeners.into_iter().enumerate() {
            bed.nodes[at] = Some(Node::start(bed.config(at, listener)).unwrap());
        }
        bed
    }

    fn config(&self, at: usize, listen: TcpListener) -> NodeConfig {
        let peers = (0..self.nodes.len()).filter(|other| *other != at);
        // In a build that has it, all of these tests are tests of it.
        let aeron = HAS_AERON.then(|| AeronPlan { udp: Some(self.addresses[at]), ..AeronPlan::default() });
        NodeConfig {
            node: id_of(at),
            epoch: EPOCH,
            data_dir: self.dirs[at].path().to_owned(),
            listen,
            peers: peers.map(|other| PeerConfig { node: id_of(other), addr: self.addresses[other] }).collect(),
            tls: self.authority.identity(&format!("node-{}", at + 1)),
            partitions: PartitionPlacement::spread(self.partitions),
            ledger: LEDGER,
            stays_learner: false,
            aeron,
            tuning: self.tuning.clone(),
        }
    }

    pub fn stop(&mut self, at: usize) {
        self.nodes[at].take().expect("it runs").stop();
    }

    pub fn restart(&mut self, at: usize) {
        let listener = TcpListener::bind(self.addresses[at]).unwrap();
        self.nodes[at] = Some(Node::start(self.config(at, listener)).unwrap());
    }

    /// Forgets everything that a stopped node had.
    pub fn wipe(&mut self, at: usize) {
        self.dirs[at] = TempDir::new().unwrap();
    }

    /// Bits change in the middle of what a stopped node wrote.
    pub fn damage(&mut self, at: usize) {
        let entries = self.dirs[at].path().join("log/entries");
        let files = std::fs::read_dir(entries).unwrap().map(|file| file.unwrap().path());
        let log = files.filter(|path| path.extension().is_some_and(|it| it == "raftlog")).max().unwrap();
        let mut bytes = std::fs::read(&log).unwrap();
        let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        // In many places: much of what was written is forgotten by now, and nobody would notice.
        for at in (written / 2..written).step_by(256) {
            bytes[at..(at + 64).min(written)].iter_mut().for_each(|byte| *byte ^= 0x55);
        }
        std::fs::write(&log, bytes).unwrap();
    }

    pub fn running(&self) -> impl Iterator<Item = &NodeHandle> {
        self.nodes.iter().flatten()
    }

    pub fn node(&self, at: usize) -> &NodeHandle {
        self.nodes[at].as_ref().expect("it runs")
    }

    /// The index of the node that leads a partition.
    pub fn leader(&self, partition: PartitionId) -> usize {
        let mut found = None;
        until("the partition has a leader", || {
            found = self.nodes.iter().position(|node| {
                node.as_ref().is_some_and(|node| {
                    let status = node.status();
                    status.partitions[usize::from(partition.get()) - 1].role == "leader"
                })
            });
            found.is_some()
        });
        found.unwrap()
    }

    pub fn wait_ready(&self) {
        let started = Instant::now();
        while !self.running().all(NodeHandle::ready) {
            let state = || self.running().map(|node| (node.status(), node.failure())).collect::<Vec<_>>();
            assert!(started.elapsed() < PATIENCE, "not every node is ready: {:#?}", state());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until every running node has the same digest of every partition at the same position.
    pub fn wait_equal(&self) {
        let mut last = String::new();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let mut digests: Vec<_> = self.running().map(NodeHandle::digests).collect();
            digests.dedup();
            if digests.len() == 1 && digests[0].len() == usize::from(self.partitions) {
                return;
            }
            last = format!("{digests:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the replicas differ: {last}");
    }

    /// Waits until every node that runs has sent and received Raft messages by Aeron, in a build that has it.
    pub fn wait_carried_by_aeron(&self) {
        if !HAS_AERON {
            return;
        }
        for node in self.running() {
            for name in ["mainstay_node_aeron_frames_out_total ", "mainstay_node_aeron_frames_in_total "] {
                until("Aeron carries Raft messages both ways", || {
                    let text = node.metrics();
                    text.lines().any(|line| line.strip_prefix(name).is_some_and(|count| count != "0"))
                });
            }
        }
    }

    pub fn client(&self, role: Role, name: &str) -> Cluster {
        self.connect(role, name, (0..self.addresses.len()).map(|at| (id_of(at), self.addresses[at])).collect())
    }

    /// A client that knows one node alone.
    pub fn client_of(&self, at: usize, role: Role, name: &str) -> Cluster {
        self.connect(role, name, vec![(id_of(at), self.addresses[at])])
    }

    fn connect(&self, role: Role, name: &str, nodes: Vec<(NodeId, SocketAddr)>) -> Cluster {
        let TlsPem { ca, cert, key } = self.authority.identity(name);
        Cluster::connect(ClusterConfig { epoch: EPOCH, nodes, role, name: name.to_owned(), ca, cert, key }).unwrap()
    }
}

pub fn id_of(at: usize) -> NodeId {
    NodeId::new(at as u64 + 1)
}

pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends one command; the reply must come in time.
pub async fn ask(session: &Session, command: Command) -> Replied {
    let mut payload = Vec::new();
    v1::encode_command(&command, &mut payload);
    session.request(payload, PATIENCE).await.expect("a reply in time")
}

/// As [`ask`], for a command that must be accepted.
pub async fn accepted(session: &Session, command: Command) -> u64 {
    match ask(session, command.clone()).await.reply {
        Reply::Accepted { id } => id,
        rejected => panic!("{command:?} was answered {rejected:?}"),
    }
}

/// A market BTCUSDT in `market_partition` and two accounts with money.
pub struct Exchange {
    pub market: MarketId,
    pub alice: AccountId,
    pub bob: AccountId,
    pub base: AssetId,
    pub quote: AssetId,
}

impl Exchange {
    pub async fn open(operator: &Session, market_partition: PartitionId) -> Exchange {
        let asset = |symbol: &str, ledger_decimals| {
            Command::ListAsset(ListAsset { symbol: Symbol::new(symbol.as_bytes()).unwrap(), ledger_decimals })
        };
        let base = AssetId::new(accepted(operator, asset("BTC", 10)).await as u16);
        let quote = AssetId::new(accepted(operator, asset("USDT", 8)).await as u16);
        let rules = MarketRules {
            tick: Price::new(1).unwrap(),
            price_min: Price::new(1).unwrap(),
            price_max: Price::new(100_000_000).unwrap(),
            lot: Qty::new(1).unwrap(),
            qty_min: Qty::new(1).unwrap(),
            qty_max: Qty::new(900_000_000).unwrap(),
            market_qty_max: Qty::new(900_000_000).unwrap(),
            notional_min: Amount::new(0).unwrap(),
            notional_max: Amount::new(i64::MAX).unwrap(),
            protection_ppm: 50_000,
            open_orders_max: 10_000,
            special: wire::SpecialRules::default(),
        };
        let list = Command::ListMarket(Box::new(ListMarket {
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            base,
            quote,
            partition: market_partition,
            price_decimals: 2,
            qty_decimals: 5,
            rules,
            status: wire::MarketStatus::Trading,
        }));
        let market = MarketId::new(accepted(operator, list).await as u16);
        let mut accounts = Vec::new();
        for name in ["alice", "bob"] {
            let fee = FeeRate::new(1_000).unwrap();
            let name = AccountName::new(name.as_bytes()).unwrap();
            let open = Command::OpenAccount(OpenAccount { name, maker_fee: fee, taker_fee: fee });
            let account = AccountId::new(accepted(operator, open).await as u32);
            for (asset, units) in [(base, 1_000 * 10_i64.pow(10)), (quote, 100_000_000 * 10_i64.pow(8))] {
                accepted(operator, credit(account, asset, units)).await;
            }
            accounts.push(account);
        }
        Exchange { market, alice: accounts[0], bob: accounts[1], base, quote }
    }

    /// A limit order at a price in cents for a quantity of 10^-5 BTC.
    pub fn order(&self, account: AccountId, side: Side, price: i64, qty: i64, name: &str) -> Command {
        Command::NewOrder(NewOrder {
            account,
            market: self.market,
            side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTradePrevention::None,
            price: Price::new(price).unwrap(),
            qty: Qty::new(qty).unwrap(),
            quote_qty: Amount::new(0).unwrap(),
            client_order_id: ClientOrderId::new(name.as_bytes()).unwrap(),
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        })
    }
}

pub fn credit(account: AccountId, asset: AssetId, units: i64) -> Command {
    Command::Credit(Credit { account, asset, amount: Amount::new(units).unwrap() })
}

/// Follows one partition's events.
pub struct Follower {
    stream: EventStream,
    pub seen: Vec<(LogPosition, Event)>,
    pub position: LogPosition,
}

impl Follower {
    pub fn new(cluster: &Cluster, partition: PartitionId) -> Follower {
        let stream = cluster.subscribe(partition, LogPosition::new(1));
        Follower { stream, seen: Vec::new(), position: LogPosition::ZERO }
    }

    pub async fn step(&mut self) {
        let item =
            tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("an item in time").expect("a stream");
        match item {
            StreamItem::Events { position, events, .. } => {
                assert!(position > self.position, "positions are streamed once and in order");
                self.position = position;
                self.seen.extend(events.into_iter().map(|event| (position, event)));
            }
            StreamItem::Progress { position } => self.position = self.position.max(position),
        }
    }

    pub async fn until_position(&mut self, position: LogPosition) {
        while self.position < position {
            self.step().await;
        }
    }

    /// Waits for an event, looking at those seen before as well.
    pub async fn find<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> T {
        let mut from = 0;
        loop {
            if let Some(found) = self.seen[from..].iter().find_map(|(_, event)| pick(event)) {
                return found;
            }
            from = self.seen.len();
            self.step().await;
        }
    }

    pub async fn until_resting(&mut self, order: u64) {
        let order = OrderId::new(order);
        self.find(|event| matches!(event, Event::OrderResting(it) if it.order == order).then_some(())).await;
    }

    pub async fn until_filled(&mut self, order: u64) {
        let order = OrderId::new(order);
        let is_end =
            |event: &Event| matches!(event, Event::OrderExecuted(it) if it.order == order && it.leaves.is_zero());
        self.find(|event| is_end(event).then_some(())).await;
    }
}
