//! What a pool is told about its chain and its nodes.

use std::time::Duration;

use crate::Height;

/// What a request needs of a node. Not every node can do everything: some prune, some do not index, some may not be
/// trusted with a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Headers, and what is at a height.
    Header,
    /// Whole blocks and receipts.
    Block,
    /// One transaction, wherever it is.
    Transaction,
    /// Handing a transaction to the network.
    Broadcast,
    /// What a transaction should pay.
    Fee,
}

impl Method {
    /// Every method.
    pub const ALL: [Method; 5] = [Method::Header, Method::Block, Method::Transaction, Method::Broadcast, Method::Fee];
}

/// One node, as the pool needs to know it; its address is the driver's business.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// For logs and metrics.
    pub name: String,
    /// What may be asked of it.
    pub methods: Vec<Method>,
    /// Requests a second that it may get on average.
    pub rate: u32,
    /// Requests that it may get at once after a pause.
    pub burst: u32,
}

impl NodeConfig {
    /// A node that can do everything, with room for 200 requests a second.
    pub fn new(name: impl Into<String>) -> NodeConfig {
        NodeConfig { name: name.into(), methods: Method::ALL.to_vec(), rate: 200, burst: 400 }
    }
}

/// When a node that is behind the agreed head is lagging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LagRule {
    /// From so many blocks behind on it is asked last.
    pub degraded_blocks: u64,
    /// From so many blocks behind on it is not asked.
    pub out_blocks: u64,
    /// For so long it may be behind before either counts.
    pub grace: Duration,
}

/// What makes a block final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// The nodes say so: the highest block that a majority of the configured ones report as finalized or descend
    /// from.
    Reported,
    /// So many confirmations, the block's own included.
    Confirmations(u64),
}

/// How a pool judges. All durations are compared with the `now` that it is given.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Every node of the pool. Majorities are of these, whether they answer or not.
    pub nodes: Vec<NodeConfig>,
    /// When a node lags.
    pub lag: LagRule,
    /// What is final.
    pub finality: Finality,
    /// So many nodes may contradict what is final before the chain freezes.
    pub dissent_max: usize,
    /// The chain freezes when the agreed head has not risen for so long.
    pub stall_after: Duration,
    /// Every node is asked for its head this often.
    pub probe_every: Duration,
    /// A node that leaves a question unanswered for so long is down. With [`PoolConfig::probe_every`] it bounds how long
    /// a black hole stays in the pool.
    pub silence_max: Duration,
    /// A node's word for its head is worth nothing after so long.
    pub vote_ttl: Duration,
    /// The least and the most time before a second node is asked; between them, the node's own p90.
    pub hedge: (Duration, Duration),
    /// A node whose p90 is above this is slow, and asked last.
    pub slow_above: Duration,
    /// Matching heads in a row that bring a node back.
    pub proofs: u32,
    /// How long a node that came back takes to get its full share.
    pub slow_start: Duration,
    /// How long a liar is not listened to.
    pub lie_penalty: Duration,
    /// Headers are remembered this far below what is final. A branch longer than this, of which no majority knows, is no
    /// branch of this chain.
    pub remember_blocks: u64,
    /// So many headers a node may show on the way to its head while nothing is agreed: after a start, from the trusted
    /// block on.
    pub headers_max: u64,
    /// So many new headers a second a node may bring on average while a head is agreed.
    pub headers_rate: u32,
}

impl PoolConfig {
    /// For a Bitcoin-like chain: one block behind for 30 s is lagging, 90 minutes without a block is a stall.
    pub fn bitcoin(nodes: Vec<NodeConfig>, confirmations: u64) -> PoolConfig {
        let grace = Duration::from_secs(30);
        PoolConfig {
            lag: LagRule { degraded_blocks: 1, out_blocks: 1, grace },
            finality: Finality::Confirmations(confirmations),
            stall_after: Duration::from_secs(90 * 60),
            remember_blocks: 2_100,
            ..PoolConfig::evm(nodes)
        }
    }

    /// For an EVM chain: two blocks behind is degraded, four is out, a minute without a block is a stall.
    pub fn evm(nodes: Vec<NodeConfig>) -> PoolConfig {
        PoolConfig {
            nodes,
            lag: LagRule { degraded_blocks: 2, out_blocks: 4, grace: Duration::ZERO },
            finality: Finality::Reported,
            dissent_max: 1,
            stall_after: Duration::from_secs(60),
            probe_every: Duration::from_millis(200),
            silence_max: Duration::from_millis(600),
            vote_ttl: Duration::from_secs(3),
            hedge: (Duration::from_millis(50), Duration::from_millis(150)),
            slow_above: Duration::from_millis(250),
            proofs: 3,
            slow_start: Duration::from_secs(10),
            lie_penalty: Duration::from_secs(600),
            remember_blocks: 256,
            headers_max: 100_000,
            headers_rate: 10,
        }
    }

    /// How many nodes are more than half of the configured ones.
    pub fn majority(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    /// The height that [`Finality::Confirmations`] makes final under a head at `height`.
    pub(super) fn final_height(&self, height: Height) -> Option<Height> {
        match self.finality {
            Finality::Reported => None,
            Finality::Confirmations(count) => (height.0 + 1).checked_sub(count.max(1)).map(Height),
        }
    }
}
