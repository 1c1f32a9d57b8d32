//! EVM nodes that choose between forks: `@ethereumjs/client`, each behind a proxy. We are their consensus client: by the
//! Engine API one is asked for blocks, all are given them, and all are told which is the head and which is final.
//!
//! Specification: execution-apis, `engine/shanghai.md`, and `engine/authentication.md` for who may ask.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bitcoin::hashes::{Hash, HashEngine, Hmac, HmacEngine, sha256};
use chainwatch::chain::evm::EvmRules;
use chainwatch::rpc::{Endpoint, RpcClient};
use chainwatch::tree::Placed;
use chainwatch::{BlockHash, Head, Height};
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{ChainError, NodeProcess, find_program, free_port, io_error};
use super::proxy::Proxy;
use crate::nodes::until;

/// The chain's own id.
pub const CHAIN_ID: u64 = 31_338;
/// When block 0 was made; every block is a second later than the one before.
const GENESIS_TIME: u64 = 1_700_000_000;
/// How often a node is started before it counts as broken.
const STARTS_MAX: u32 = 3;
/// It is a program for node, which takes seconds on a loaded machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// What both ends of the Engine API know.
const SECRET: [u8; 32] = [0x5e; 32];
const NOBODY: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";

/// One node and its proxy.
pub struct EthereumJs {
    _process: NodeProcess,
    rpc: RpcClient,
    engine: String,
    /// What the pool talks to.
    pub proxy: Proxy,
    _dir: TempDir,
}

/// Nodes of one chain.
pub struct EthereumJsNodes {
    /// In the order of the pool.
    pub nodes: Vec<EthereumJs>,
    time: u64,
    finalized: String,
}

impl EthereumJsNodes {
    /// Starts `count` nodes of a chain on which `rich` has a million coins.
    pub async fn start(count: usize, rich: &str) -> Result<EthereumJsNodes, ChainError> {
        let nodes = try_join_all((0..count).map(|_| EthereumJs::start(rich))).await?;
        Ok(EthereumJsNodes { nodes, time: GENESIS_TIME, finalized: NOBODY.into() })
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

    /// The first node builds `count` blocks, one upon the other, above `parent`, from what its pool has; every node gets
    /// them, and is told that the last of them is the head. Where another block is above `parent` already, that is a fork.
    pub async fn extend(&mut self, parent: BlockHash, count: u32) -> Result<Vec<BlockHash>, ChainError> {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.extend_at(&all, parent, count).await
    }

    /// As [`EthereumJsNodes::extend`], and only these nodes, the first among them, are told of a new head. All get the
    /// blocks.
    pub async fn extend_at(
        &mut self,
        nodes: &[usize],
        parent: BlockHash,
        count: u32,
    ) -> Result<Vec<BlockHash>, ChainError> {
        let mut blocks = Vec::with_capacity(count as usize);
        let mut parent = text(parent);
        for _ in 0..count {
            self.time += 1;
            let payload = self.build(&parent).await?;
            for node in &self.nodes {
                let status = node.engine("engine_newPayloadV2", json!([payload])).await?;
                valid("engine_newPayloadV2", &status)?;
            }
            parent = payload["blockHash"].as_str().unwrap_or_default().to_string();
            self.choose(nodes, &parent).await?;
            blocks.push(hash(&parent));
        }
        Ok(blocks)
    }

    /// From now on this block, which is below every head, is final.
    pub async fn finalize(&mut self, block: BlockHash, head: BlockHash) -> Result<(), ChainError> {
        self.finalized = text(block);
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.choose(&all, &text(head)).await
    }

    async fn build(&self, parent: &str) -> Result<Value, ChainError> {
        // The time is in the block: no two of one parent are the same.
        let wanted = json!({
            "timestamp": format!("{:#x}", self.time),
            "prevRandao": NOBODY,
            "suggestedFeeRecipient": "0x00000000000000000000000000000000000000fe",
            "withdrawals": [],
        });
        let builder = &self.nodes[0];
        let method = "engine_forkchoiceUpdatedV2";
        let chosen = builder.engine(method, json!([self.fork_choice(parent), wanted])).await?;
        valid(method, &chosen["payloadStatus"])?;
        let built = builder.engine("engine_getPayloadV2", json!([chosen["payloadId"]])).await?;
        Ok(built["executionPayload"].clone())
    }

    async fn choose(&self, nodes: &[usize], head: &str) -> Result<(), ChainError> {
        let method = "engine_forkchoiceUpdatedV2";
        for node in nodes {
            let chosen = self.nodes[*node].engine(method, json!([self.fork_choice(head), null])).await?;
            valid(method, &chosen["payloadStatus"])?;
        }
        Ok(())
    }

    fn fork_choice(&self, head: &str) -> Value {
        json!({"headBlockHash": head, "safeBlockHash": self.finalized, "finalizedBlockHash": self.finalized})
    }
}

impl EthereumJs {
    /// Another program may have taken a port that was free a moment ago, so it is tried more than once.
    async fn start(rich: &str) -> Result<EthereumJs, ChainError> {
        for _ in 1..STARTS_MAX {
            let node = EthereumJs::spawn(rich).await?;
            if node.wait_until_ready().await.is_ok() {
                return Ok(node);
            }
        }
        let node = EthereumJs::spawn(rich).await?;
        node.wait_until_ready().await?;
        Ok(node)
    }

    async fn spawn(rich: &str) -> Result<EthereumJs, ChainError> {
        let dir = tempfile::tempdir().map_err(io_error("create a directory for @ethereumjs/client"))?;
        let (rpc_port, engine_port) = (free_port()?, free_port()?);
        for (file, content) in [("genesis.json", genesis(rich).to_string()), ("secret", hex::encode(SECRET))] {
            std::fs::write(dir.path().join(file), content).map_err(io_error(format!("write {file}")))?;
        }
        let path = |file: &str| dir.path().join(file).display().to_string();
        let options = [
            ("gethGenesis", path("genesis.json")),
            ("dataDir", path("data")),
            ("jwtSecret", path("secret")),
            ("rpc", "true".into()),
            ("rpcAddr", "127.0.0.1".into()),
            ("rpcPort", rpc_port.to_string()),
            ("rpcEngine", "true".into()),
            ("rpcEngineAddr", "127.0.0.1".into()),
            ("rpcEnginePort", engine_port.to_string()),
            // It has no peers: blocks come by the Engine API alone, and it takes transactions all the same.
            ("sync", "none".into()),
            ("isSingleNode", "true".into()),
            ("port", "0".into()),
            ("discDns", "false".into()),
            ("discV4", "false".into()),
            // It has a log in any case: `false` would be the name of one, in this directory.
            ("logFile", path("log")),
            ("logRotate", "false".into()),
            ("logLevelFile", "error".into()),
            ("logLevel", "error".into()),
        ];
        let mut args = vec![script().display().to_string()];
        args.extend(options.iter().flat_map(|(option, value)| [format!("--{option}"), value.clone()]));
        let process = NodeProcess::spawn(&PathBuf::from("node"), &args)?;
        let proxy = Proxy::start(rpc_port).await?;
        Ok(EthereumJs {
            _process: process,
            rpc: RpcClient::new(&endpoint(rpc_port)),
            engine: format!("http://127.0.0.1:{engine_port}/"),
            proxy,
            _dir: dir,
        })
    }

    async fn wait_until_ready(&self) -> Result<(), ChainError> {
        // The Engine API is there before anything else asks: without it no block will ever be.
        let ready = until(READY_WITHIN, async || {
            self.call("eth_chainId", json!([])).await.ok()?;
            self.engine("engine_exchangeCapabilities", json!([[]])).await.ok()
        });
        ready.await.map(drop).ok_or_else(|| ChainError::NotReady("@ethereumjs/client".into()))
    }

    /// Asks the node itself, not its proxy.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, ChainError> {
        self.rpc.call(method, params).await.map_err(|told| ChainError::Rpc { method: method.into(), told })
    }

    /// As a consensus client asks: with a token that is a minute old at most.
    async fn engine(&self, method: &str, params: Value) -> Result<Value, ChainError> {
        let refused = |what: &str| ChainError::Engine { method: method.into(), answer: what.to_string() };
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}).to_string();
        let request = Request::post(&self.engine)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", token()))
            .body(Full::<Bytes>::from(body))
            .map_err(|error| refused(&error.to_string()))?;
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await.map_err(|error| refused(&error.to_string()))?;
        let body = response.into_body().collect().await.map_err(|error| refused(&error.to_string()))?.to_bytes();
        let mut answer: Value = serde_json::from_slice(&body).map_err(|error| refused(&error.to_string()))?;
        match answer["result"].take() {
            Value::Null => Err(refused(&answer.to_string())),
            result => Ok(result),
        }
    }
}

/// A JSON web token that says when it was made, signed by the shared secret (HS256).
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let part = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let said = format!("{}.{}", part(json!({"alg": "HS256", "typ": "JWT"})), part(json!({"iat": now})));
    let mut signing = HmacEngine::<sha256::Hash>::new(&SECRET);
    signing.input(said.as_bytes());
    format!("{said}.{}", URL_SAFE_NO_PAD.encode(Hmac::from_engine(signing).to_byte_array()))
}

/// A chain that is proof of stake and at Shanghai from its first block.
fn genesis(rich: &str) -> Value {
    let forks = [
        "homesteadBlock",
        "eip150Block",
        "eip155Block",
        "eip158Block",
        "byzantiumBlock",
        "constantinopleBlock",
        "petersburgBlock",
        "istanbulBlock",
        "berlinBlock",
        "londonBlock",
        "mergeNetsplitBlock",
        "shanghaiTime",
        "terminalTotalDifficulty",
    ];
    let mut config = json!({"chainId": CHAIN_ID, "terminalTotalDifficultyPassed": true});
    for fork in forks {
        config[fork] = json!(0);
    }
    json!({
        "config": config,
        "number": "0x0",
        "nonce": "0x0",
        "timestamp": format!("{GENESIS_TIME:#x}"),
        "extraData": "0x",
        "gasLimit": "0x1c9c380",
        "gasUsed": "0x0",
        "baseFeePerGas": "0x7",
        "difficulty": "0x0",
        "mixHash": NOBODY,
        "parentHash": NOBODY,
        "coinbase": "0x0000000000000000000000000000000000000000",
        "alloc": {rich: {"balance": "0xd3c21bcecceda1000000"}},
    })
}

fn valid(method: &str, status: &Value) -> Result<(), ChainError> {
    if status["status"] == "VALID" {
        return Ok(());
    }
    Err(ChainError::Engine { method: method.into(), answer: status.to_string() })
}

/// Where `tests/run --full` puts it.
fn script() -> PathBuf {
    let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tests-ethereumjs/node_modules");
    find_program(&[PathBuf::from(modules).join("@ethereumjs/client/dist/esm/bin/cli.js")], "ethereumjs")
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint { url: format!("http://127.0.0.1:{port}/").parse().expect("a legal address"), login: None }
}

fn text(hash: BlockHash) -> String {
    format!("0x{}", hex::encode(hash.0))
}

fn hash(text: &str) -> BlockHash {
    let mut hash = [0; 32];
    hex::decode_to_slice(text.trim_start_matches("0x"), &mut hash).expect("a node prints 64 hexadecimal digits");
    BlockHash(hash)
}
