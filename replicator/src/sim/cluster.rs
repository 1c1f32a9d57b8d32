//! The nodes, the network between them, and the clock.

use std::collections::BTreeMap;

use wire::{ClusterEpoch, NodeId, PartitionId, Timestamp};

use super::{Cuts, Random, Weather};
use crate::log::memory::{MemoryDisk, MemoryLog};
use crate::{OpenError, Output, Replica, ReplicaConfig, StateMachine};

/// The clock moves by this much in a step.
pub const STEP_NS: u64 = 1_000_000;
const START: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

/// How bad network and disks are.
#[derive(Debug, Clone)]
pub struct Faults {
    /// Messages lost, of a thousand.
    pub loss_per_mille: u64,
    /// Messages doubled, of a thousand.
    pub duplication_per_mille: u64,
    /// A message takes up to this many steps; unequal delays reorder.
    pub delay_steps: u64,
    /// In a step a disk writes something, of a thousand.
    pub sync_per_mille: u64,
    /// Clocks of nodes differ by up to this.
    pub skew_ns: u64,
}

impl Faults {
    /// None.
    pub fn none() -> Faults {
        Faults { loss_per_mille: 0, duplication_per_mille: 0, delay_steps: 1, sync_per_mille: 1000, skew_ns: 0 }
    }

    fn weather(&self) -> Weather {
        Weather {
            loss_per_mille: self.loss_per_mille,
            duplication_per_mille: self.duplication_per_mille,
            jitter_ns: self.delay_steps * STEP_NS,
            ..Weather::fair(STEP_NS)
        }
    }

    /// What a seed decides.
    pub fn drawn(random: &mut Random) -> Faults {
        Faults {
            loss_per_mille: random.below(80),
            duplication_per_mille: random.below(80),
            delay_steps: 1 + random.below(12),
            sync_per_mille: 150 + random.below(850),
            skew_ns: random.below(300) * 1_000_000,
        }
    }
}

struct Node<M> {
    id: NodeId,
    disk: MemoryDisk,
    skew_ns: u64,
    replica: Option<Replica<M, MemoryLog>>,
}

struct Message {
    from: NodeId,
    to: NodeId,
    payload: Vec<u8>,
}

/// See the module.
pub struct Cluster<M> {
    faults: Faults,
    random: Random,
    now: Timestamp,
    nodes: Vec<Node<M>>,
    machine: fn() -> M,
    configure: fn(&mut ReplicaConfig),
    flying: BTreeMap<(Timestamp, u64), Message>,
    sent: u64,
    cuts: Cuts,
    outputs: Vec<(NodeId, Output)>,
    trace: u64,
}

impl<M: StateMachine> Cluster<M> {
    /// Starts `size` nodes.
    pub fn new(size: u64, seed: u64, faults: Faults, machine: fn() -> M, configure: fn(&mut ReplicaConfig)) -> Self {
        let mut random = Random::new(seed);
        let mut nodes = Vec::new();
        for id in 1..=size {
            let skew_ns = if faults.skew_ns == 0 { 0 } else { random.below(faults.skew_ns) };
            nodes.push(Node { id: NodeId::new(id), disk: MemoryDisk::new(), skew_ns, replica: None });
        }
        let mut cluster = Cluster {
            faults,
            random,
            now: START,
            nodes,
            machine,
            configure,
            flying: BTreeMap::new(),
            sent: 0,
            cuts: Cuts::default(),
            outputs: Vec::new(),
            trace: 0,
        };
        for id in cluster.ids() {
            cluster.start(id).expect("an empty disk opens");
        }
        cluster
    }

    /// Every node.
    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.iter().map(|node| node.id).collect()
    }

    /// The clock, without skew.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A number that every message sent so far has a part in.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// The faults, to change.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// A node's disk.
    pub fn disk(&self, id: NodeId) -> MemoryDisk {
        self.node(id).disk.clone()
    }

    /// A node's replica, unless it is down.
    pub fn replica(&self, id: NodeId) -> Option<&Replica<M, MemoryLog>> {
        self.node(id).replica.as_ref()
    }

    /// A node's replica, unless it is down.
    pub fn replica_mut(&mut self, id: NodeId) -> Option<&mut Replica<M, MemoryLog>> {
        self.node_mut(id).replica.as_mut()
    }

    /// The replicas that run.
    pub fn running(&self) -> impl Iterator<Item = (NodeId, &Replica<M, MemoryLog>)> {
        self.nodes.iter().filter_map(|node| Some((node.id, node.replica.as_ref()?)))
    }

    /// The node that leads and has committed an entry of its term; of two that think so, the one of the later term.
    pub fn leader(&self) -> Option<NodeId> {
        let settled = self.running().filter(|(_, replica)| replica.status().settled);
        settled.max_by_key(|(_, replica)| replica.status().term).map(|(id, _)| id)
    }

    /// Starts a node from what its disk has.
    pub fn start(&mut self, id: NodeId) -> Result<(), OpenError> {
        let voters = self.ids();
        let seed = self.random.draw();
        let mut config = ReplicaConfig::new(PartitionId::new(1), id, voters, ClusterEpoch::new(1), seed);
        (self.configure)(&mut config);
        let machine = (self.machine)();
        let now = self.now;
        let node = self.node_mut(id);
        let log = node.disk.log();
        node.replica = Some(Replica::open(config, machine, log, now.plus_nanos(node.skew_ns))?);
        Ok(())
    }

    /// Kills a node. Of what its disk was writing, some may have been written.
    pub fn crash(&mut self, id: NodeId) {
        let waiting = self.node(id).disk.waiting() as u64;
        let kept = self.random.below(waiting + 1);
        let node = self.node_mut(id);
        node.disk.crash(kept as usize);
        node.replica = None;
    }

    /// Starts one more node, which knows of all the others.
    pub fn grow(&mut self) -> NodeId {
        let id = NodeId::new(self.nodes.len() as u64 + 1);
        self.nodes.push(Node { id, disk: MemoryDisk::new(), skew_ns: 0, replica: None });
        self.start(id).expect("an empty disk opens");
        id
    }

    /// A node that is down gets an empty disk.
    pub fn replace_disk(&mut self, id: NodeId) {
        self.node_mut(id).disk = MemoryDisk::new();
    }

    /// Messages from one node to another are lost from now on.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cuts.cut(from, to);
    }

    /// A node hears and is heard by nobody.
    pub fn isolate(&mut self, id: NodeId) {
        for other in self.ids() {
            self.cut(id, other);
            self.cut(other, id);
        }
    }

    /// Nothing is cut any more.
    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    /// Tells the survivors that a dead node's connections are refused.
    pub fn refuse_connections_of(&mut self, dead: NodeId) {
        for node in self.nodes.iter_mut().filter(|node| node.id != dead) {
            if let Some(replica) = &mut node.replica {
                replica.peer_refused(dead);
            }
        }
    }

    /// Lets one step of time pass, and returns what the replicas said to anybody but each other.
    pub fn step(&mut self) -> Vec<(NodeId, Output)> {
        self.now = self.now.plus_nanos(STEP_NS);
        self.deliver();
        for place in 0..self.nodes.len() {
            if self.random.per_mille(self.faults.sync_per_mille) {
                let waiting = self.nodes[place].disk.waiting() as u64;
                let count = 1 + self.random.below(waiting + 1);
                self.nodes[place].disk.sync(count as usize);
            }
            self.run(place);
        }
        std::mem::take(&mut self.outputs)
    }

    fn run(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let (id, now) = (node.id, self.now.plus_nanos(node.skew_ns));
        let Some(replica) = &mut node.replica else { return };
        let mut said = Vec::new();
        for _ in 0..4 {
            let work = replica.duty_cycle(now);
            said.extend(std::iter::from_fn(|| replica.poll_output()));
            if work == 0 {
                break;
            }
        }
        for output in said {
            match output {
                Output::Send { to, payload } => self.send(Message { from: id, to, payload }),
                other => self.outputs.push((id, other)),
            }
        }
    }

    fn send(&mut self, message: Message) {
        assert!(message.payload.len() <= crate::SEND_BYTES_MAX, "a message is too long");
        let hash = message
            .payload
            .iter()
            .fold(message.to.get(), |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3));
        self.trace = self.trace.rotate_left(7) ^ hash ^ self.now.nanos();
        for delay_ns in self.faults.weather().fates(&mut self.random) {
            let (from, to, payload) = (message.from, message.to, message.payload.clone());
            self.sent += 1;
            self.flying.insert((self.now.plus_nanos(delay_ns), self.sent), Message { from, to, payload });
        }
    }

    fn deliver(&mut self) {
        while let Some(first) = self.flying.first_entry().filter(|first| first.key().0 <= self.now) {
            let message = first.remove();
            if self.cuts.is_cut(message.from, message.to) {
                continue;
            }
            if let Some(replica) = self.replica_mut(message.to) {
                replica.on_message(message.from, &message.payload);
            }
        }
    }

    fn node(&self, id: NodeId) -> &Node<M> {
        self.nodes.iter().find(|node| node.id == id).expect("the node is of this cluster")
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node<M> {
        self.nodes.iter_mut().find(|node| node.id == id).expect("the node is of this cluster")
    }
}
