//! EVM nodes: Foundry's `anvil`, each behind a proxy. They do not speak to each other: the same transactions and the
//! same `evm_mine` give the same blocks.

use std::path::PathBuf;
use std::time::Duration;

use chainwatch::chain::evm::EvmRules;
use chainwatch::rpc::{Endpoint, RpcClient};
use chainwatch::tree::Placed;
use chainwatch::{BlockHash, Head, Height};
use futures_util::future::try_join_all;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::process::{ChainError, NodeProcess, find_program, free_port};
use super::proxy::Proxy;
use crate::nodes::until;

/// Anvil's own chain id.
pub const CHAIN_ID: u64 = 31_337;
/// The first of the accounts that anvil holds keys and coins for.
pub const RICH: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
/// When block 0 was made; every block is a second later than the one before.
const GENESIS_TIME: u64 = 1_700_000_000;
/// How often a node is started before it counts as broken.
const STARTS_MAX: u32 = 3;
/// A block is mined anew so often at most.
const MINED_ANEW_MAX: u32 = 20;
const READY_WITHIN: Duration = Duration::from_secs(30);

/// One node and its proxy.
pub struct Anvil {
    process: NodeProcess,
    args: Vec<String>,
    rpc: RpcClient,
    /// What the pool talks to.
    pub proxy: Proxy,
}

/// Nodes of one chain.
pub struct Anvils {
    /// In the order of the pool.
    pub nodes: Vec<Anvil>,
    time: u64,
    nonce: u64,
}

impl Anvils {
    /// Starts `count` nodes. A block is final when two are above it.
    pub async fn start(count: usize) -> Result<Anvils, ChainError> {
        let nodes = try_join_all((0..count).map(|_| Anvil::start())).await?;
        Ok(Anvils { nodes, time: GENESIS_TIME, nonce: 0 })
    }

    /// For a pool: where the proxies are.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.nodes.iter().map(|node| endpoint(node.proxy.port())).collect()
    }

    /// Block 0 as the nodes have it.
    pub async fn root(&self) -> Result<Placed, ChainError> {
        let block = self.nodes[0].call("eth_getBlockByNumber", json!(["0x0", false])).await?;
        let header = EvmRules { chain_id: CHAIN_ID }
            .header(&block)
            .map_err(|lie| ChainError::Rpc { method: "eth_getBlockByNumber".into(), told: lie.into() })?;
        Ok(Placed {
            head: Head { height: Height(0), hash: header.hash },
            parent: header.parent,
            time_s: header.time_s,
            chain_work: 0,
            bits: 0,
        })
    }

    /// Every node mines the same `count` blocks.
    pub async fn mine(&mut self, count: u64) -> Result<(), ChainError> {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.mine_at(&all, count).await
    }

    /// Only these nodes mine `count` blocks, the same ones.
    pub async fn mine_at(&mut self, nodes: &[usize], count: u64) -> Result<(), ChainError> {
        for _ in 0..count {
            self.time += 1;
            self.mine_one(nodes).await?;
        }
        Ok(())
    }

    /// One block, mined anew while nodes have different transactions in it: what somebody sends to all of them in that very moment comes
    /// to one before it mines and to another behind that.
    async fn mine_one(&self, nodes: &[usize]) -> Result<(), ChainError> {
        for _ in 0..MINED_ANEW_MAX {
            let mut blocks = Vec::new();
            for node in nodes.iter().map(|node| &self.nodes[*node]) {
                node.call("evm_mine", json!([{"timestamp": self.time}])).await?;
                blocks.push((node, node.call("eth_getBlockByNumber", json!(["latest", true])).await?));
            }
            let are_all = |field: &str| blocks.iter().all(|(_, block)| block[field] == blocks[0].1[field]);
            // Nodes of two branches have two blocks.
            if are_all("hash") || !are_all("parentHash") {
                return Ok(());
            }
            let mut sent = Vec::new();
            for (node, block) in &blocks {
                for transaction in block["transactions"].as_array().into_iter().flatten() {
                    let raw = node.call("eth_getRawTransactionByHash", json!([transaction["hash"]])).await?;
                    if !sent.contains(&raw) {
                        sent.push(raw);
                    }
                }
                node.call("anvil_rollback", json!([1])).await?;
                // It takes the block that is gone for the one before the next.
                node.call("anvil_setNextBlockBaseFeePerGas", json!([block["baseFeePerGas"]])).await?;
            }
            for (node, _) in &blocks {
                for raw in &sent {
                    // Those that have it refuse it.
                    let _ = node.call("eth_sendRawTransaction", json!([raw])).await;
                }
            }
        }
        Err(ChainError::Unlike)
    }

    /// Mines every block again at a node that was started anew. Only of a chain without transactions, on which all nodes
    /// mined every block.
    pub async fn replay(&mut self, node: usize) -> Result<(), ChainError> {
        for time in GENESIS_TIME + 1..=self.time {
            self.nodes[node].call("evm_mine", json!([{"timestamp": time}])).await?;
        }
        Ok(())
    }

    /// Gives every node the same transaction, which spends the rich account's next nonce. Nothing is mined.
    pub async fn send(&mut self, mut transaction: Value) -> Result<String, ChainError> {
        transaction["from"] = json!(RICH);
        transaction["nonce"] = json!(format!("{:#x}", self.nonce));
        for (field, value) in [("gas", "0x100000"), ("maxFeePerGas", "0x77359400"), ("maxPriorityFeePerGas", "0x1")] {
            transaction[field] = json!(value);
        }
        self.nonce += 1;
        let mut id = String::new();
        for node in &self.nodes {
            let sent = node.call("eth_sendTransaction", json!([transaction])).await?;
            id = sent.as_str().unwrap_or_default().to_string();
        }
        Ok(id)
    }
}

impl Anvil {
    /// Another program may have taken a port that was free a moment ago, so it is tried more than once.
    async fn start() -> Result<Anvil, ChainError> {
        for _ in 1..STARTS_MAX {
            let node = Anvil::spawn().await?;
            if node.wait_until_ready().await.is_ok() {
                return Ok(node);
            }
        }
        let node = Anvil::spawn().await?;
        node.wait_until_ready().await?;
        Ok(node)
    }

    async fn spawn() -> Result<Anvil, ChainError> {
        let port = free_port()?;
        let args = ["--no-mining", "--silent", "--slots-in-an-epoch", "1"].map(String::from).into_iter();
        let args: Vec<String> =
            args.chain(["--port".into(), port.to_string(), "--timestamp".into(), GENESIS_TIME.to_string()]).collect();
        let process = NodeProcess::spawn(&program(), &args)?;
        let proxy = Proxy::start(port).await?;
        Ok(Anvil { process, args, rpc: RpcClient::new(&endpoint(port)), proxy })
    }

    async fn wait_until_ready(&self) -> Result<(), ChainError> {
        let ready = until(READY_WITHIN, async || self.call("eth_blockNumber", json!([])).await.ok()).await;
        ready.map(drop).ok_or_else(|| ChainError::NotReady("anvil".into()))
    }

    /// Asks the node itself, not its proxy.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, ChainError> {
        self.rpc.call(method, params).await.map_err(|told| ChainError::Rpc { method: method.into(), told })
    }

    /// The node's head.
    pub async fn best(&self) -> Result<Head, ChainError> {
        let block = self.call("eth_getBlockByNumber", json!(["latest", false])).await?;
        let number = block["number"].as_str().and_then(|number| u64::from_str_radix(&number[2..], 16).ok());
        let mut hash = [0; 32];
        let text = block["hash"].as_str().unwrap_or_default();
        hex::decode_to_slice(text.trim_start_matches("0x"), &mut hash).expect("a node prints 64 hexadecimal digits");
        Ok(Head { height: Height(number.unwrap_or_default()), hash: BlockHash(hash) })
    }

    /// SIGKILL. What it knew is lost.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts a killed node again, empty.
    pub async fn restart(&mut self) -> Result<(), ChainError> {
        self.process = NodeProcess::spawn(&program(), &self.args)?;
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

/// Where `tests/run` installs it, then the PATH. The npm package's own entry is a script that starts this.
fn program() -> PathBuf {
    let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tests-npm/node_modules/@foundry-rs");
    let candidates: Vec<PathBuf> = ["anvil-linux-amd64", "anvil-linux-arm64"]
        .map(|package| PathBuf::from(modules).join(package).join("bin/anvil"))
        .to_vec();
    find_program(&candidates, "anvil")
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint { url: format!("http://127.0.0.1:{port}/").parse().expect("a legal address"), login: None }
}
