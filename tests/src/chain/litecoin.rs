//! Litecoin regtest nodes, Debian's `litecoind`, each behind a proxy; or those of another coin that speaks as it does
//! ([`super::coin`]).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chainwatch::rpc::{Endpoint, RpcClient};
use chainwatch::tree::Placed;
use chainwatch::{BlockHash, Head, Height};
use futures_util::future::try_join_all;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::coin::coin;
use super::process::{ChainError, NodeProcess, free_port, io_error};
use super::proxy::Proxy;
use crate::nodes::until;

const WALLET: &str = "test";
const LOGIN: (&str, &str) = ("mainstay", "regtest");
/// How often a node is started before it counts as broken.
const STARTS_MAX: u32 = 3;
/// What nodes wait for, unless they are told otherwise: 336 hours.
const MEMPOOL_EXPIRY_S: u64 = 336 * 3_600;
const READY_WITHIN: Duration = Duration::from_secs(60);

/// One node and its proxy.
pub struct Litecoin {
    process: NodeProcess,
    args: Vec<String>,
    rpc: RpcClient,
    p2p_port: u16,
    /// What the pool talks to.
    pub proxy: Proxy,
    _dir: TempDir,
}

/// Nodes of one chain, connected to each other.
pub struct Litecoins {
    /// In the order of the pool.
    pub nodes: Vec<Litecoin>,
}

impl Litecoins {
    /// Starts `count` nodes, gives each a wallet, and connects each with each.
    pub async fn start(count: usize) -> Result<Litecoins, ChainError> {
        Litecoins::start_with(count, &[]).await
    }

    /// The same, of nodes that are told more: of what they were told before, the last word holds.
    pub async fn start_with(count: usize, more: &[&str]) -> Result<Litecoins, ChainError> {
        let start = async |_| {
            let node = Litecoin::start(more).await?;
            node.call("createwallet", json!([WALLET])).await?;
            Ok::<_, ChainError>(node)
        };
        let nodes = try_join_all((0..count).map(start)).await?;
        let chain = Litecoins { nodes };
        chain.heal().await?;
        Ok(chain)
    }

    /// For a pool: where the proxies are.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.nodes.iter().map(|node| endpoint(node.proxy.port())).collect()
    }

    /// Block 0, from which everything descends.
    pub fn root() -> Placed {
        let hash = hash(coin().genesis);
        let bits = coin().rules.limit_bits;
        Placed {
            head: Head { height: Height(0), hash },
            parent: BlockHash([0; 32]),
            time_s: 1_296_688_602,
            chain_work: 0,
            bits,
        }
    }

    /// Mines `count` blocks at node `miner` for its own wallet.
    pub async fn mine(&self, miner: usize, count: u32) -> Result<Vec<BlockHash>, ChainError> {
        let address = self.nodes[miner].address().await?;
        self.nodes[miner].mine_to(&address, count).await
    }

    /// Waits until all of `nodes`, which the network's cut does not divide, are on the same block.
    pub async fn wait_for_agreement(&self, nodes: &[usize]) -> Result<BlockHash, ChainError> {
        let agreed = until(READY_WITHIN, async || {
            let first = self.nodes[nodes[0]].best().await.ok()?;
            for node in &nodes[1..] {
                if self.nodes[*node].best().await.ok()? != first {
                    self.dial_missing(nodes).await.ok()?;
                    return None;
                }
            }
            Some(first)
        });
        agreed.await.ok_or_else(|| ChainError::NotReady("agreement of the litecoin nodes".into()))
    }

    /// Two weeks and an hour go by in which nobody mines: every node forgets what its mempool has had so long. Nothing may be mined
    /// meanwhile.
    pub async fn outlive_mempools(&self) -> Result<(), ChainError> {
        // Nodes forget one after the other: who still has it would tell it to those that have just forgotten it.
        self.disconnect().await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        for node in &self.nodes {
            node.call("setmocktime", json!([now + MEMPOOL_EXPIRY_S + 3_600])).await?;
        }
        // A node looks for what is too old when something new comes in.
        let address = self.nodes[0].address().await?;
        let tx = self.nodes[0].call("sendtoaddress", json!([address, "0.1"])).await?;
        let raw = self.nodes[0].call("getrawtransaction", json!([tx])).await?;
        for node in &self.nodes[1..] {
            node.call("sendrawtransaction", json!([raw])).await?;
        }
        for node in &self.nodes {
            node.call("setmocktime", json!([0])).await?;
        }
        self.heal().await
    }

    /// SIGKILL for all at once, and a new start: a mempool is written down when a node is stopped, not when it dies.
    pub async fn die_and_return(&mut self) -> Result<(), ChainError> {
        self.nodes.iter_mut().for_each(Litecoin::kill);
        try_join_all(self.nodes.iter_mut().map(async |node| {
            node.restart().await?;
            node.call("loadwallet", json!([WALLET])).await
        }))
        .await?;
        self.heal().await
    }

    /// Cuts the network in two: `left`, and everybody else. Each side is connected in itself.
    pub async fn partition(&self, left: &[usize]) -> Result<(), ChainError> {
        self.disconnect().await?;
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        let right: Vec<usize> = all.into_iter().filter(|node| !left.contains(node)).collect();
        for side in [left, &right] {
            self.connect(side).await?;
        }
        Ok(())
    }

    /// Leaves nobody connected with anybody.
    async fn disconnect(&self) -> Result<(), ChainError> {
        for node in &self.nodes {
            node.call("setnetworkactive", json!([false])).await?;
        }
        for node in &self.nodes {
            // Connections end in their own time; what is still open would carry blocks over.
            until(READY_WITHIN, async || (node.call("getconnectioncount", json!([])).await.ok()? == 0).then_some(()))
                .await
                .ok_or_else(|| ChainError::NotReady("the cut between the litecoin nodes".into()))?;
        }
        Ok(())
    }

    /// Connects everybody again.
    pub async fn heal(&self) -> Result<(), ChainError> {
        self.connect(&(0..self.nodes.len()).collect::<Vec<_>>()).await
    }

    async fn connect(&self, nodes: &[usize]) -> Result<(), ChainError> {
        for node in nodes {
            self.nodes[*node].call("setnetworkactive", json!([true])).await?;
        }
        // A node announces its blocks to peers that it has shaken hands with, and asks only one peer for older ones.
        // So nobody may mine before all hands are shaken; and what was dropped on the way is dialled again.
        until(READY_WITHIN, async || self.dial_missing(nodes).await.ok()?.then_some(()))
            .await
            .ok_or_else(|| ChainError::NotReady("connections of the litecoin nodes".into()))
    }

    /// Dials every pair of `nodes` that has no connection. Whether all pairs have shaken hands.
    async fn dial_missing(&self, nodes: &[usize]) -> Result<bool, ChainError> {
        let mut peers = Vec::with_capacity(nodes.len());
        for node in nodes {
            peers.push(self.nodes[*node].peers().await?);
        }
        let mut all_shaken = true;
        for (at, node) in nodes.iter().enumerate() {
            for (peer_at, peer) in nodes.iter().enumerate().skip(at + 1) {
                let address = format!("127.0.0.1:{}", self.nodes[*peer].p2p_port);
                let Some(dialled) = peers[at].iter().find(|peer| peer.address == address) else {
                    self.nodes[*node].call("addnode", json!([address, "onetry"])).await?;
                    all_shaken = false;
                    continue;
                };
                let other_end = peers[peer_at].iter().find(|peer| peer.address == dialled.own_address);
                all_shaken &= dialled.has_shaken_hands && other_end.is_some_and(|peer| peer.has_shaken_hands);
            }
        }
        Ok(all_shaken)
    }
}

/// One connection, as one of its ends sees it.
struct Peer {
    address: String,
    own_address: String,
    /// The other end has taken part in the handshake and answered a message after it.
    has_shaken_hands: bool,
}

impl Litecoin {
    /// Another program may have taken a port that was free a moment ago, so it is tried more than once.
    async fn start(more: &[&str]) -> Result<Litecoin, ChainError> {
        for _ in 1..STARTS_MAX {
            let node = Litecoin::spawn(more).await?;
            if node.wait_until_ready().await.is_ok() {
                return Ok(node);
            }
        }
        let node = Litecoin::spawn(more).await?;
        node.wait_until_ready().await?;
        Ok(node)
    }

    async fn spawn(more: &[&str]) -> Result<Litecoin, ChainError> {
        let dir = tempfile::tempdir().map_err(io_error("create a directory for a coin's node"))?;
        let (rpc_port, p2p_port) = (free_port()?, free_port()?);
        let mut args: Vec<String> = [
            "-regtest",
            "-server",
            "-dbcache=4",
            "-maxmempool=5",
            "-par=1",
            "-rpcthreads=2",
            "-dnsseed=0",
            "-discover=0",
            "-listenonion=0",
            // Block 0 is years old: a node that takes itself for one far behind fetches no blocks from whoever dialled it.
            "-maxtipage=1000000000",
            "-txindex=1",
            "-fallbackfee=0.0001",
            // A wallet makes a thousand keys ahead otherwise, which takes two seconds a node.
            "-keypool=1",
            "-bind=127.0.0.1",
        ]
        .map(String::from)
        .to_vec();
        args.extend(coin().args.iter().chain(more).map(ToString::to_string));
        args.push(format!("-datadir={}", dir.path().display()));
        args.push(format!("-rpcport={rpc_port}"));
        args.push(format!("-port={p2p_port}"));
        args.push(format!("-rpcuser={}", LOGIN.0));
        args.push(format!("-rpcpassword={}", LOGIN.1));
        let process = NodeProcess::spawn(&coin().program(), &args)?;
        let proxy = Proxy::start(rpc_port).await?;
        let rpc = RpcClient::new(&endpoint(rpc_port));
        Ok(Litecoin { process, args, rpc, p2p_port, proxy, _dir: dir })
    }

    async fn wait_until_ready(&self) -> Result<(), ChainError> {
        let ready = until(READY_WITHIN, async || self.best().await.ok()).await;
        ready.map(drop).ok_or_else(|| ChainError::NotReady(coin().daemon.into()))
    }

    /// Asks the node itself, not its proxy.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, ChainError> {
        self.rpc.call(method, params).await.map_err(|told| ChainError::Rpc { method: method.into(), told })
    }

    /// The node's head.
    pub async fn best(&self) -> Result<BlockHash, ChainError> {
        Ok(hash(text(&self.call("getbestblockhash", json!([])).await?)))
    }

    async fn peers(&self) -> Result<Vec<Peer>, ChainError> {
        let peers = self.call("getpeerinfo", json!([])).await?;
        let peer = |peer: &Value| Peer {
            address: text(&peer["addr"]).to_string(),
            own_address: text(&peer["addrbind"]).to_string(),
            has_shaken_hands: ["verack", "pong"].iter().all(|told| peer["bytesrecv_per_msg"][told].is_u64()),
        };
        Ok(peers.as_array().into_iter().flatten().map(peer).collect())
    }

    /// A new address of the node's wallet.
    pub async fn address(&self) -> Result<String, ChainError> {
        Ok(text(&self.call("getnewaddress", json!(["", "bech32"])).await?).to_string())
    }

    /// Mines blocks that pay to `address`.
    pub async fn mine_to(&self, address: &str, count: u32) -> Result<Vec<BlockHash>, ChainError> {
        let mined = self.call("generatetoaddress", json!([count, address])).await?;
        Ok(mined.as_array().into_iter().flatten().map(|mined| hash(text(mined))).collect())
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts a killed node again on its data. It knows nobody: see [`Litecoins::heal`].
    pub async fn restart(&mut self) -> Result<(), ChainError> {
        self.process = NodeProcess::spawn(&coin().program(), &self.args)?;
        self.wait_until_ready().await
    }

    /// SIGSTOP: it accepts connections, and nothing else.
    pub fn freeze(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.process.signal(Signal::SIGCONT);
    }
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        url: format!("http://127.0.0.1:{port}/").parse().expect("a legal address"),
        login: Some((LOGIN.0.into(), LOGIN.1.into())),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A hash as Bitcoin-like chains print it.
pub fn hash(text: &str) -> BlockHash {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).expect("a node prints 64 hexadecimal digits");
    hash.reverse();
    BlockHash(hash)
}
