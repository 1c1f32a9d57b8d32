//! Who keeps a demo's chain going: connects its nodes, mines a block every few seconds, and pays.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::chainwatch::rpc::{Endpoint, RpcClient, Told};
use miette::{IntoDiagnostic, WrapErr};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{ANVIL_GENESIS_TIME, Chain, ChainKind, LITECOIN_GENESIS, LOGIN};

/// How often a block is mined.
const BLOCK_EVERY: Duration = Duration::from_secs(2);
/// A coinbase can be spent when so many blocks are above it.
const MATURITY: u64 = 100;
/// Coinbases that can be spent from the start: the house gets one of them.
const COINS: u64 = 10;
/// How long the nodes may take to answer after their start.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// A block is mined anew so often at most while it has more in it than it should.
const MINED_ANEW_MAX: usize = 50;
/// A node that does not answer for so long is left out.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The account that anvil holds keys and coins for.
const RICH: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

/// Cheap to clone.
#[derive(Clone)]
pub struct Faucet(Arc<Shared>);

struct Shared {
    kind: ChainKind,
    nodes: Vec<RpcClient>,
    peers: Vec<std::net::SocketAddr>,
    /// To whom blocks of the Bitcoin-like chain pay.
    miner: OnceLock<Value>,
    /// EVM nodes do not speak to each other: each is given the same blocks, and whoever was started anew all of them.
    history: Mutex<History>,
}

/// The EVM chain: what every node has to execute.
struct History {
    file: PathBuf,
    blocks: Vec<Block>,
    /// Of the next block.
    transactions: Vec<Value>,
    nonce: u64,
}

/// A block in the words in which a node is told to mine it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Block {
    timestamp: u64,
    transactions: Vec<Value>,
}

impl Faucet {
    /// Of this chain, whose nodes are being started.
    pub fn new(chain: &Chain) -> miette::Result<Faucet> {
        let login = (chain.kind == ChainKind::Litecoin).then(|| (LOGIN.0.to_string(), LOGIN.1.to_string()));
        let client = |at: usize| -> miette::Result<RpcClient> {
            Ok(RpcClient::new(&Endpoint { url: chain.url(at).parse().into_diagnostic()?, login: login.clone() }))
        };
        let nodes = (0..chain.nodes.len()).map(client).collect::<miette::Result<_>>()?;
        let history = Mutex::new(History::open(&chain.dir.join("history.jsonl"))?);
        Ok(Faucet(Arc::new(Shared {
            kind: chain.kind,
            nodes,
            peers: chain.peers.clone(),
            miner: OnceLock::new(),
            history,
        })))
    }

    /// Waits for the nodes, connects them, and makes coins that can be spent. The hash of block 0.
    pub async fn open(&self) -> miette::Result<String> {
        let deadline = Instant::now() + UP_WITHIN;
        for (at, node) in self.0.nodes.iter().enumerate() {
            let question = match self.0.kind {
                ChainKind::Litecoin => "getblockcount",
                ChainKind::Anvil => "eth_blockNumber",
            };
            while node.call(question, json!([])).await.is_err() {
                if Instant::now() > deadline {
                    miette::bail!("the chain's node {} does not answer", at + 1);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        match self.0.kind {
            ChainKind::Litecoin => self.open_litecoin().await.map(|()| LITECOIN_GENESIS.to_string()),
            ChainKind::Anvil => self.open_anvil().await,
        }
    }

    /// Mines for ever. A node that is away is not waited for.
    pub async fn run(self) {
        loop {
            tokio::time::sleep(BLOCK_EVERY).await;
            let mined = match self.0.kind {
                ChainKind::Litecoin => self.mine_litecoin(1).await,
                ChainKind::Anvil => self.mine_anvil().await,
            };
            if let Err(error) = mined {
                tracing::debug!(%error, "no block was mined");
            }
        }
    }

    /// Pays to an address; the transaction's id. It is in the next block.
    pub async fn pay(&self, address: &str, amount: &str) -> miette::Result<String> {
        match self.0.kind {
            ChainKind::Litecoin => {
                let paid = self.ask_wallet("sendtoaddress", json!([address, amount])).await?;
                self.hand_on(&paid).await;
                Ok(paid.as_str().unwrap_or_default().to_string())
            }
            ChainKind::Anvil => self.pay_anvil(address, amount).await,
        }
    }

    async fn call(&self, at: usize, method: &str, params: Value) -> miette::Result<Value> {
        let question = || format!("the chain's node {} was asked for {method}", at + 1);
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.0.nodes[at].call(method, params)).await;
        let answer = answer.into_diagnostic().wrap_err_with(question)?;
        answer.into_diagnostic().wrap_err_with(question)
    }

    async fn open_litecoin(&self) -> miette::Result<()> {
        self.connect().await;
        // One that is there from an earlier start is loaded when it is asked for something.
        let _ = self.call(0, "createwallet", json!(["demo"])).await;
        let height = self.call(0, "getblockcount", json!([])).await?.as_u64().unwrap_or_default();
        if height < MATURITY + COINS {
            self.mine_litecoin(MATURITY + COINS - height).await?;
        }
        Ok(())
    }

    /// Dials every pair that has no connection.
    async fn connect(&self) {
        for at in 0..self.0.nodes.len() {
            let Ok(known) = self.call(at, "getpeerinfo", json!([])).await else { continue };
            let is_known = |peer: &str| known.as_array().into_iter().flatten().any(|known| known["addr"] == peer);
            for peer in self.0.peers.iter().skip(at + 1).map(ToString::to_string) {
                if !is_known(&peer) {
                    let _ = self.call(at, "addnode", json!([peer, "onetry"])).await;
                }
            }
        }
    }

    /// Gives a transaction of the first node to the others at once. Among themselves they take seconds, and would have most
    /// payments in a block before they are seen; whoever lacks it still gets it so.
    async fn hand_on(&self, tx: &Value) {
        let Ok(raw) = self.call(0, "getrawtransaction", json!([tx])).await else { return };
        for at in 1..self.0.nodes.len() {
            let _ = self.call(at, "sendrawtransaction", json!([raw])).await;
        }
    }

    async fn mine_litecoin(&self, count: u64) -> miette::Result<()> {
        // Whoever was away is dialed again, as far as the others are there.
        self.connect().await;
        let address = match self.0.miner.get() {
            Some(address) => address.clone(),
            None => {
                let address = self.ask_wallet("getnewaddress", json!(["", "bech32"])).await?;
                self.0.miner.get_or_init(|| address).clone()
            }
        };
        // Whoever is there mines: the first, which has the wallet, may be away.
        let mut mined = Ok(Value::Null);
        for at in 0..self.0.nodes.len() {
            mined = self.call(at, "generatetoaddress", json!([count, address])).await;
            if mined.is_ok() {
                break;
            }
        }
        mined.map(drop)
    }

    /// Asks the first node's wallet, and loads it where the node was started again.
    async fn ask_wallet(&self, method: &str, params: Value) -> miette::Result<Value> {
        match self.call(0, method, params.clone()).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.call(0, "loadwallet", json!(["demo"])).await.map_err(|_| error)?;
                self.call(0, method, params).await
            }
        }
    }

    async fn open_anvil(&self) -> miette::Result<String> {
        let genesis = self.call(0, "eth_getBlockByNumber", json!(["0x0", false])).await?;
        let hash = genesis["hash"].as_str().unwrap_or_default().to_string();
        for _ in 0..3 {
            self.mine_anvil().await?;
        }
        Ok(hash)
    }

    /// One more block, and every node is given what it lacks.
    async fn mine_anvil(&self) -> miette::Result<()> {
        let mut history = self.0.history.lock().await;
        let signed = self.signed_elsewhere(&history).await;
        history.transactions.extend(signed);
        history.close_block()?;
        for (at, node) in self.0.nodes.iter().enumerate() {
            if let Err(told) = catch_up(node, &history.blocks).await {
                tracing::debug!(node = at + 1, %told, "a node of the chain lacks blocks");
            }
        }
        Ok(())
    }

    /// Transactions that nodes were given by others, which all of them have to execute: withdrawals.
    async fn signed_elsewhere(&self, history: &History) -> Vec<Value> {
        let mut signed = Vec::new();
        for node in &self.0.nodes {
            let Ok(content) = node.call("txpool_content", json!([])).await else { continue };
            let senders = content["pending"].as_object().into_iter().flatten();
            let transactions = senders.flat_map(|(_, transactions)| transactions.as_object().into_iter().flatten());
            for (_, transaction) in transactions.filter(|(_, transaction)| transaction["from"] != RICH) {
                let raw = node.call("eth_getRawTransactionByHash", json!([transaction["hash"]])).await;
                if let Ok(raw) = raw.map(|raw| json!({ "raw": raw, "hash": transaction["hash"] }))
                    && raw["raw"].is_string()
                    && !signed.contains(&raw)
                    && !history.transactions.contains(&raw)
                {
                    signed.push(raw);
                }
            }
        }
        signed
    }

    /// The last final block of the EVM chain, and what an account has after it.
    pub async fn final_wei(&self, address: &str) -> miette::Result<(u64, u128)> {
        let number = |value: &Value| {
            let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
            let number = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
            number.ok_or_else(|| miette::miette!("the node answers {value}"))
        };
        let block = self.call(0, "eth_getBlockByNumber", json!(["finalized", false])).await?["number"].clone();
        let wei = number(&self.call(0, "eth_getBalance", json!([address, block])).await?)?;
        Ok((u64::try_from(number(&block)?).into_diagnostic()?, wei))
    }

    async fn pay_anvil(&self, address: &str, amount: &str) -> miette::Result<String> {
        let units = wire::decimal::parse(amount, 9).ok().and_then(|gwei| u128::try_from(gwei).ok());
        let wei =
            units.ok_or_else(|| miette::miette!("{amount} is no amount with at most 9 decimals"))? * 1_000_000_000;
        let mut history = self.0.history.lock().await;
        let nonce = history.nonce;
        let transaction = json!({
            "from": RICH, "to": address, "value": format!("{wei:#x}"), "nonce": format!("{nonce:#x}"),
            "gas": "0x100000", "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1",
        });
        // Nothing but this makes transactions, so each node makes the same one; the first that is there says its id.
        let mut paid = Err(miette::miette!("no node of the chain answers"));
        for at in 0..self.0.nodes.len() {
            let sent = self.call(at, "eth_sendTransaction", json!([transaction])).await;
            if paid.is_err() {
                paid = sent.map(|id| id.as_str().unwrap_or_default().to_string());
            }
        }
        if paid.is_ok() {
            history.transactions.push(transaction);
            history.nonce += 1;
        }
        paid
    }
}

/// Has a node mine what it lacks. Transactions that it has already are refused by it, and are there.
async fn catch_up(node: &RpcClient, blocks: &[Block]) -> Result<(), Told> {
    let height = node.call("eth_blockNumber", json!([])).await?;
    let height = height.as_str().and_then(|text| usize::from_str_radix(text.strip_prefix("0x")?, 16).ok());
    for block in &blocks[height.unwrap_or(blocks.len()).min(blocks.len())..] {
        for transaction in &block.transactions {
            let _ = match transaction.get("raw") {
                Some(raw) => node.call("eth_sendRawTransaction", json!([raw])).await,
                None => node.call("eth_sendTransaction", json!([transaction])).await,
            };
        }
        mine_just(node, block).await?;
    }
    Ok(())
}

/// Has a node mine a block, and mine it anew while it has anything else in it: what somebody sends to a node in that very moment
/// would be in the block of that node alone. It goes into a later one.
async fn mine_just(node: &RpcClient, block: &Block) -> Result<(), Told> {
    let of_block: Vec<&Value> = block.transactions.iter().filter_map(|transaction| transaction.get("hash")).collect();
    let (mut own, mut early) = (Vec::new(), Vec::new());
    for mined_times in 1..=MINED_ANEW_MAX {
        for raw in std::mem::take(&mut own) {
            let _ = node.call("eth_sendRawTransaction", json!([raw])).await;
        }
        node.call("evm_mine", json!([{"timestamp": block.timestamp}])).await?;
        let mined = node.call("eth_getBlockByNumber", json!(["latest", true])).await?;
        let transactions = mined["transactions"].as_array().cloned().unwrap_or_default();
        let is_own = |it: &Value| it["from"] == RICH || of_block.contains(&&it["hash"]);
        if transactions.iter().all(is_own) {
            break;
        }
        if mined_times == MINED_ANEW_MAX {
            tracing::warn!("a node of the chain mines what others do not have: it leaves them");
            break;
        }
        for transaction in &transactions {
            let raw = node.call("eth_getRawTransactionByHash", json!([transaction["hash"]])).await?;
            if is_own(transaction) { own.push(raw) } else { early.push(raw) }
        }
        node.call("anvil_rollback", json!([1])).await?;
        // What a block costs follows from the one before, and it takes the one that is gone for that.
        node.call("anvil_setNextBlockBaseFeePerGas", json!([mined["baseFeePerGas"]])).await?;
    }
    for raw in early {
        let _ = node.call("eth_sendRawTransaction", json!([raw])).await;
    }
    Ok(())
}

impl History {
    fn open(file: &Path) -> miette::Result<History> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).into_diagnostic(),
        };
        let blocks: Vec<Block> = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .into_diagnostic()
            .wrap_err_with(|| format!("{} is damaged; remove the directory that it is in", file.display()))?;
        let own = |block: &Block| block.transactions.iter().filter(|it| it.get("raw").is_none()).count();
        let nonce = blocks.iter().map(|block| own(block) as u64).sum();
        Ok(History { file: file.to_path_buf(), blocks, transactions: Vec::new(), nonce })
    }

    /// The next block is what was sent since the last one. On disk first: a chain that is restarted must be the same.
    fn close_block(&mut self) -> miette::Result<()> {
        let timestamp = ANVIL_GENESIS_TIME + 1 + self.blocks.len() as u64;
        let block = Block { timestamp, transactions: std::mem::take(&mut self.transactions) };
        let mut line = serde_json::to_vec(&block).into_diagnostic()?;
        line.push(b'\n');
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.file).into_diagnostic()?;
        file.write_all(&line).into_diagnostic()?;
        self.blocks.push(block);
        Ok(())
    }
}
