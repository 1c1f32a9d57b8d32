//! Partition hosts of three nodes in a simulated world: one clock, disks in memory, a network that loses,
//! doubles, delays and reorders. A seed is a run.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use engine::{Limits, PartitionConfig};
use replicator::log::memory::{MemoryDisk, MemoryLog};
use replicator::{ReplicaConfig, SnapshotTaker};
use wire::command::{Credit, ListAsset, ListMarket, NewOrder, OpenAccount};
use wire::{
    AccountId, AccountName, Amount, AssetId, ClientOrderId, ClusterEpoch, Event, FeeRate, Incarnation, MarketId,
    MarketRules, OrderKind, Price, Qty, SelfTradePrevention, Side, Symbol, TimeInForce,
};

use super::*;
use crate::machine::EventSink;

#[cfg(feature = "planted-panic")]
mod quarantine;

const MS: u64 = 1_000_000;
const LEDGER: PartitionId = PartitionId::new(1);
const MARKET: PartitionId = PartitionId::new(2);
const NODES: u64 = 3;

/// What a node's disk keeps of a partition's events.
#[derive(Debug, Default)]
struct Kept {
    events: BTreeMap<LogPosition, Vec<u8>>,
    jumps: u32,
}

struct Shelf(Arc<Mutex<Kept>>);

impl EventSink for Shelf {
    fn append(&mut self, block: Arc<EventBlock>) {
        let mut kept = self.0.lock().unwrap();
        for batch in block.batches() {
            let before = kept.events.insert(batch.position, batch.events.to_vec());
            assert!(before.is_none_or(|before| before == batch.events), "the past is written again as it was");
        }
    }

    fn sync(&mut self) {}

    fn jump(&mut self, _: LogPosition) {
        self.0.lock().unwrap().jumps += 1;
    }
}

struct World {
    nodes: u64,
    random: u64,
    now: u64,
    hosts: BTreeMap<(NodeId, PartitionId), PartitionHost<MemoryLog>>,
    disks: BTreeMap<(NodeId, PartitionId), MemoryDisk>,
    kept: BTreeMap<(NodeId, PartitionId), Arc<Mutex<Kept>>>,
    network: Vec<(u64, NodeId, PartitionId, HostInput)>,
    replies: VecDeque<(Reply, Vec<u8>)>,
    opened: Option<SessionId>,
    loss_percent: u64,
}

impl World {
    fn new(seed: u64) -> World {
        World::of(NODES, seed)
    }

    fn of(nodes: u64, seed: u64) -> World {
        let mut world = World {
            nodes,
            random: seed,
            now: 1_700_000_000_000 * MS,
            hosts: BTreeMap::new(),
            disks: BTreeMap::new(),
            kept: BTreeMap::new(),
            network: Vec::new(),
            replies: VecDeque::new(),
            opened: None,
            loss_percent: 5,
        };
        for node in 1..=nodes {
            for partition in [LEDGER, MARKET] {
                world.disks.insert((NodeId::new(node), partition), MemoryDisk::immediate());
                world.kept.insert((NodeId::new(node), partition), Arc::default());
                world.open(NodeId::new(node), partition);
            }
        }
        world
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn open(&mut self, node: NodeId, partition: PartitionId) {
        let voters = (1..=self.nodes).map(NodeId::new).collect();
        let seed = self.draw(u64::MAX >> 33);
        let mut replica = ReplicaConfig::new(partition, node, voters, ClusterEpoch::new(1), seed);
        replica.snapshots.every_entries = 40;
        replica.tells_stored = true;
        if node.get() % 2 == 1 {
            replica.snapshots.taken_by = SnapshotTaker::Twin;
        }
        replica.snapshots.tail_entries = 10;
        let cells = PartitionConfig {
            partition,
            ledger: LEDGER,
            incarnation: Incarnation::new(1),
            limits: Limits { accounts_max: 16, ..Limits::default() },
        };
        let config = HostConfig {
            partitions: vec![LEDGER, MARKET],
            ledger: LEDGER,
            mail: MailTiming { resend_ns: 50 * MS, ack_delay_ns: 20 * MS, ack_count: 64 },
            preferred_leader: Some(NodeId::new(u64::from(partition.get()))),
            leader_stable_ns: 2_000 * MS,
        };
        let disk = &self.disks[&(node, partition)];
        disk.crash(0);
        let machine = Machine::new(cells, Box::new(Shelf(self.kept[&(node, partition)].clone())));
        let now = Timestamp::from_nanos(self.now);
        let host = PartitionHost::open(replica, config, machine, disk.log(), now).expect("a simulated disk is sound");
        self.hosts.insert((node, partition), host);
    }

    fn post(&mut self, to: NodeId, partition: PartitionId, make: impl Fn() -> HostInput) {
        let copies = match self.draw(100) {
            draw if draw < self.loss_percent => 0,
            draw if draw < self.loss_percent + 3 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let at = self.now + MS / 10 + self.draw(2 * MS);
            self.network.push((at, to, partition, make()));
        }
    }

    /// One millisecond passes.
    fn step(&mut self) {
        self.now += MS;
        let now = Timestamp::from_nanos(self.now);
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.network).into_iter().partition(|(at, ..)| *at <= self.now);
        self.network = later;
        for (_, to, partition, input) in due {
            if let Some(host) = self.hosts.get_mut(&(to, partition)) {
                host.on_input(input);
            }
        }
        let keys: Vec<(NodeId, PartitionId)> = self.hosts.keys().copied().collect();
        for (node, partition) in keys {
            let mut outputs = Vec::new();
            let host = self.hosts.get_mut(&(node, partition)).expect("it was listed");
            host.duty_cycle(now);
            while let Some(output) = host.poll_output() {
                outputs.push(output);
            }
            for output in outputs {
                self.on_output(node, partition, output);
            }
        }
    }

    fn on_output(&mut self, node: NodeId, partition: PartitionId, output: HostOutput) {
        match output {
            HostOutput::Raft { to, payload } => {
                self.post(to, partition, || HostInput::Raft { from: node, payload: payload.clone() });
            }
            HostOutput::Mail(mail) => {
                let make = if mail.node == node { HostInput::MailPassedOn } else { HostInput::Mail };
                self.post(mail.node, mail.partition, || make(mail.payload.clone()));
            }
            HostOutput::MailCame { from, to, incarnation, upto } => {
                if let Some(host) = self.hosts.get_mut(&(node, from)) {
                    host.on_input(HostInput::MailCame { to, incarnation, upto });
                }
            }
            HostOutput::Reply(reply, payload) => self.replies.push_back((reply, payload)),
            HostOutput::SessionOpened(opened) => self.opened = Some(opened.session),
            HostOutput::LeaderChanged { leader, .. } => {
                // This node's other partitions learn of it at once, other nodes by their own replicas.
                for other in [LEDGER, MARKET].into_iter().filter(|other| *other != partition) {
                    if let Some(host) = self.hosts.get_mut(&(node, other)) {
                        host.on_input(HostInput::LeaderIs { partition, leader });
                    }
                }
            }
            HostOutput::Failed(error) => panic!("node {node} partition {partition}: {error}"),
            _ => {}
        }
    }

    fn leader(&mut self, partition: PartitionId) -> NodeId {
        for _ in 0..20_000 {
            let leads = |node: &NodeId| self.hosts.get(&(*node, partition)).is_some_and(|host| host.status().settled);
            if let Some(node) = (1..=self.nodes).map(NodeId::new).find(leads) {
                return node;
            }
            self.step();
        }
        panic!("no leader within 20 simulated seconds");
    }

    fn crash(&mut self, node: NodeId) {
        for partition in [LEDGER, MARKET] {
            self.hosts.remove(&(node, partition));
        }
    }

    fn digests(&self, partition: PartitionId) -> Vec<(LogPosition, u128)> {
        (1..=self.nodes)
            .filter_map(|node| self.hosts.get(&(NodeId::new(node), partition)))
            .map(|host| (host.status().applied_position, host.machine().cells().digest()))
            .collect()
    }
}

/// A client that has one request outstanding and resends it until it is answered.
struct Client {
    session: SessionId,
    sequence: u64,
}

impl Client {
    fn open(world: &mut World, nonce: u128) -> Client {
        world.opened = None;
        for attempt in 0.. {
            if attempt % 200 == 0 {
                let leader = world.leader(LEDGER);
                world.post(leader, LEDGER, || HostInput::OpenSession(OpenSession { partition: LEDGER, nonce }));
            }
            world.step();
            if let Some(session) = world.opened {
                return Client { session, sequence: 0 };
            }
        }
        unreachable!("the loop ends by returning")
    }

    fn ask(&mut self, world: &mut World, command: &Command) -> u64 {
        self.sequence += 1;
        let sequence = Sequence::new(self.sequence);
        let mut payload = Vec::new();
        v1::encode_command(command, &mut payload);
        let request = Request { partition: LEDGER, session: self.session, sequence, acknowledged_below: sequence };
        for attempt in 0..60_000 {
            if attempt % 200 == 0 {
                let leader = world.leader(LEDGER);
                world.post(leader, LEDGER, || HostInput::Request(request, payload.clone()));
            }
            world.step();
            while let Some((reply, payload)) = world.replies.pop_front() {
                if (reply.session, reply.sequence) == (self.session, sequence) {
                    match v1::decode_reply(&payload).expect("a reply") {
                        wire::command::Reply::Accepted { id } => return id,
                        rejected => panic!("{command:?} was answered {rejected:?}"),
                    }
                }
            }
        }
        panic!("no reply within a simulated minute");
    }
}

fn units(price: i64) -> Price {
    Price::new(price).unwrap()
}

fn list(client: &mut Client, world: &mut World) -> (MarketId, AccountId, AccountId) {
    let asset = |symbol: &[u8], ledger_decimals| {
        Command::ListAsset(ListAsset { symbol: Symbol::new(symbol).unwrap(), ledger_decimals })
    };
    let base = AssetId::new(client.ask(world, &asset(b"BTC", 10)) as u16);
    let quote = AssetId::new(client.ask(world, &asset(b"USDT", 8)) as u16);
    let qty = |units| Qty::new(units).unwrap();
    let rules = MarketRules {
        tick: units(1),
        price_min: units(1),
        price_max: units(100_000_000),
        lot: qty(1),
        qty_min: qty(1),
        qty_max: qty(900_000_000),
        market_qty_max: qty(900_000_000),
        notional_min: Amount::new(0).unwrap(),
        notional_max: Amount::new(i64::MAX).unwrap(),
        protection_ppm: 50_000,
        open_orders_max: 1_000,
        special: wire::SpecialRules::default(),
    };
    let symbol = Symbol::new(b"BTCUSDT").unwrap();
    let list = ListMarket {
        symbol,
        base,
        quote,
        partition: MARKET,
        price_decimals: 2,
        qty_decimals: 5,
        rules,
        status: wire::MarketStatus::Trading,
    };
    let market = MarketId::new(client.ask(world, &Command::ListMarket(Box::new(list))) as u16);
    let mut accounts = Vec::new();
    for name in [&b"alice"[..], b"bob"] {
        let fee = FeeRate::new(1_000).unwrap();
        let open = OpenAccount { name: AccountName::new(name).unwrap(), maker_fee: fee, taker_fee: fee };
        let account = AccountId::new(client.ask(world, &Command::OpenAccount(open)) as u32);
        for asset in [base, quote] {
            let amount = Amount::new(10_i64.pow(16)).unwrap();
            client.ask(world, &Command::Credit(Credit { account, asset, amount }));
        }
        accounts.push(account);
    }
    (market, accounts[0], accounts[1])
}

/// The order of a round: at a price of its own, so that it meets that of the other side.
fn nth_order(account: AccountId, market: MarketId, side: Side, round: i64) -> Command {
    order(account, market, side, 6_000_000 + round, 10 + round, &format!("{side:?}-{round}"))
}

fn order(account: AccountId, market: MarketId, side: Side, price: i64, qty: i64, name: &str) -> Command {
    Command::NewOrder(NewOrder {
        account,
        market,
        side,
        kind: OrderKind::Limit,
        time_in_force: TimeInForce::Gtc,
        self_trade: SelfTradePrevention::None,
        price: units(price),
        qty: Qty::new(qty).unwrap(),
        quote_qty: Amount::new(0).unwrap(),
        client_order_id: ClientOrderId::new(name.as_bytes()).unwrap(),
        key: Default::default(),
        session: Default::default(),
        asked_us: 0,
    })
}

/// Orders are matched in another partition while leaders crash and the network misbehaves.
fn trade_under_faults(seed: u64) {
    const TRADES: i64 = 30;
    let mut world = World::new(seed);
    let mut client = Client::open(&mut world, u128::from(seed));
    let (market, alice, bob) = list(&mut client, &mut world);
    let mut down: Option<(NodeId, u64)> = None;
    for round in 0..TRADES {
        if round % 5 == 2 && down.is_none() {
            let partition = if world.draw(2) == 0 { LEDGER } else { MARKET };
            let node = world.leader(partition);
            world.crash(node);
            down = Some((node, world.now + (100 + world.draw(2_000)) * MS));
        }
        for (account, side) in [(alice, Side::Sell), (bob, Side::Buy)] {
            client.ask(&mut world, &nth_order(account, market, side, round));
        }
        if let Some((node, _)) = down.filter(|(_, until)| world.now >= *until) {
            world.open(node, LEDGER);
            world.open(node, MARKET);
            down = None;
        }
    }
    if let Some((node, _)) = down {
        world.open(node, LEDGER);
        world.open(node, MARKET);
    }
    world.loss_percent = 0;
    let has_settled = |world: &World| {
        [LEDGER, MARKET].iter().all(|partition| {
            let digests = world.digests(*partition);
            digests.len() == NODES as usize && digests.windows(2).all(|pair| pair[0] == pair[1])
        }) && world.hosts.values().all(|host| host.machine().cells().outboxes().all(engine::Outbox::is_empty))
    };
    let mut waited = 0;
    while waited < 500 {
        world.step();
        waited = if has_settled(&world) { waited + 1 } else { 0 };
        assert!(world.now < 1_700_000_000_000 * MS + 600_000 * MS, "seed {seed}: the world does not settle");
    }
    for host in world.hosts.values() {
        for asset in host.machine().cells().audit() {
            assert!(asset.is_conserved() && asset.clearing == 0, "seed {seed}: {asset:?}");
        }
    }
    // A node that installed a snapshot may lack the middle; the others have every event once.
    let complete = |partition| {
        let kept = (1..=NODES).map(|node| world.kept[&(NodeId::new(node), partition)].lock().unwrap());
        kept.max_by_key(|kept| kept.events.len()).expect("three nodes")
    };
    let mut filled: BTreeMap<_, i64> = BTreeMap::new();
    for event in complete(LEDGER).events.values().flat_map(|bytes| v1::decode_events(bytes).expect("events")) {
        if let Event::OrderExecuted(executed) = event {
            *filled.entry(executed.order).or_default() += executed.qty.units();
        }
    }
    let expected: i64 = (0..TRADES).map(|round| 2 * (10 + round)).sum();
    assert_eq!(filled.values().sum::<i64>(), expected, "seed {seed}: every order is filled exactly once");
}

/// One seed of a failure, or a number of them, by the environment; else a few.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..=seed,
        (None, count) => 1..=count.unwrap_or(32),
    }
}

#[test]
fn orders_across_partitions_are_filled_once_whatever_network_and_nodes_do() {
    for seed in seeds() {
        trade_under_faults(seed);
    }
}

/// How many mails the standbys of so many nodes have passed on, of how many, when nothing fails.
fn passed_on_by_standbys(nodes: u64) -> (u64, u64) {
    let mut world = World::of(nodes, 5);
    world.loss_percent = 0;
    let mut client = Client::open(&mut world, 5);
    let (market, alice, bob) = list(&mut client, &mut world);
    // Until each leads what it should.
    (0..5_000).for_each(|_| world.step());
    assert_ne!(world.leader(LEDGER), world.leader(MARKET));
    let count = |world: &World| {
        let mail = world.hosts.values().map(|host| host.counters().mail);
        mail.fold((0, 0), |(picked, sent), mail| (picked + mail.picked, sent + mail.sent))
    };
    let before = count(&world);
    for round in 0..20 {
        client.ask(&mut world, &nth_order(alice, market, Side::Sell, round));
        client.ask(&mut world, &nth_order(bob, market, Side::Buy, round));
    }
    let after = count(&world);
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn mail_goes_one_way_or_the_other() {
    let (picked, sent) = passed_on_by_standbys(3);
    assert!(picked * 10 > sent * 9, "{picked} of {sent}: the standby beside the receiver has it first");
    let (picked, sent) = passed_on_by_standbys(5);
    assert!(sent > 0 && picked == 0, "{picked} of {sent}: the leader sends, for no standby is told");
}

#[test]
fn a_command_that_cannot_be_read_is_rejected_on_every_replica() {
    let mut world = World::new(99);
    let client = Client::open(&mut world, 7);
    let leader = world.leader(LEDGER);
    let (session, sequence) = (client.session, Sequence::new(1));
    let request = Request { partition: LEDGER, session, sequence, acknowledged_below: sequence };
    world.loss_percent = 0;
    world.post(leader, LEDGER, || HostInput::Request(request, vec![0xee; 9]));
    (0..500).for_each(|_| world.step());
    let (_, payload) = world.replies.pop_front().expect("a reply");
    let rejected = wire::command::Reply::Rejected { reason: wire::RejectReason::Malformed, id: 0 };
    assert_eq!(v1::decode_reply(&payload), Ok(rejected));
    let digests = world.digests(LEDGER);
    assert!(digests.len() == 3 && digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
}
