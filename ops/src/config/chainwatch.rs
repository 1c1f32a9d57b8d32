//! The configuration file of `mainstay chainwatch`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ::chainwatch::chain::ChainRules;
use ::chainwatch::chain::bitcoin::BitcoinRules;
use ::chainwatch::chain::evm::EvmRules;
use ::chainwatch::keys::{AddressKeys, AddressScheme};
use ::chainwatch::pool::{self, PoolConfig};
use ::chainwatch::rpc::Endpoint;
use ::chainwatch::signer::bitcoin::BitcoinScheme;
use ::chainwatch::signer::evm::EvmScheme;
use ::chainwatch::signer::payment::Scheme;
use ::chainwatch::withdrawals::Tuning;
use ::chainwatch::{BlockHash, Head, Height};
use miette::{IntoDiagnostic, WrapErr};
use serde::{Deserialize, Serialize};
use wire::BatchMembers;

use super::{NodeAddress, TlsFiles, base_of, load};

/// Longer nobody waits for others to go with.
const BATCH_WAIT_MS_MAX: u64 = 60_000;
/// With fewer nodes than this, two that lie together can do harm.
const NODES_ENOUGH: usize = 5;
/// Requests a second: half of them are probes.
const RATE_MIN: u32 = 10;
/// Blocks that can be undone on an EVM chain: finality comes after two epochs of 32.
const EVM_UNDO_BLOCKS: u64 = 256;
/// Blocks that can be undone on a Bitcoin-like chain, beside twice the confirmations.
const UNDO_BLOCKS_MIN: u64 = 64;

/// `mainstay chainwatch --config FILE`. Environment variables start with `MAINSTAY_CHAINWATCH_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainwatchFile {
    /// The name in its certificate, `chainwatch-1`.
    pub name: String,
    /// The cluster's epoch.
    pub epoch: u64,
    /// Where health, status and metrics are served; for operators alone.
    pub http: SocketAddr,
    /// The partition that hosts the ledger cell.
    pub ledger: u16,
    /// Where followed blocks are kept; what is in it can be rebuilt.
    pub data_dir: PathBuf,
    /// Certificates and key, towards the exchange's nodes.
    pub tls: TlsFiles,
    /// Every node of the exchange.
    pub nodes: Vec<NodeAddress>,
    /// Every chain to watch.
    pub chains: Vec<ChainFile>,
}

/// A chain and the nodes that are asked about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainFile {
    /// Its name in the ledger.
    pub symbol: String,
    /// Which rules it follows.
    pub rules: RulesWord,
    /// EVM: the chain's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// Bitcoin-like: a block with so many confirmations is final. EVM nodes say themselves what is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmations: Option<u64>,
    /// The extended public key of the account whose addresses are given out.
    pub xpub: String,
    /// Bitcoin-like: what addresses begin with, `bc`, `ltc`, `rltc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_prefix: Option<String>,
    /// So many blocks can be undone; more than twice the most confirmations that any deposit needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_blocks: Option<u64>,
    /// The chain is frozen when it has not grown for so long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall_after_s: Option<u64>,
    /// A block that is trusted; following starts above it.
    pub trusted: TrustedBlock,
    /// Who signs withdrawals; without it, none leaves by this chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawals: Option<WithdrawalsFile>,
    /// The chain's nodes.
    pub nodes: Vec<ChainNodeFile>,
}

/// How withdrawals leave by a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawalsFile {
    /// The socket of `mainstay signer`.
    pub signer: PathBuf,
    /// What is not mined so long after it was signed is stuck, and replaced by what pays more, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_after_s: Option<u64>,
    /// What nodes do not have is sent again after so long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resend_after_s: Option<u64>,
    /// Whether the chain's nodes take replacements; where they do not, what is stuck is helped by a child. Usual is yes: what nodes
    /// refuse to replace is seen, and helped then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<bool>,
    /// The most withdrawals that one transaction pays, up to 32; usual is 16. Each goes alone at 1, and where accounts have nonces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_max: Option<usize>,
    /// So long a withdrawal that is due waits for others to go with, in milliseconds, up to 60,000; usual is 0: what is due at once
    /// goes together, and nobody waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_wait_ms: Option<u64>,
}

/// Rules of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RulesWord {
    /// Bitcoin.
    Bitcoin,
    /// Bitcoin's regression test chain.
    BitcoinRegtest,
    /// Litecoin.
    Litecoin,
    /// Litecoin's regression test chain.
    LitecoinRegtest,
    /// Ethereum and what is like it.
    Evm,
}

/// A block by height and hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedBlock {
    /// Its height.
    pub height: u64,
    /// Its hash, as the chain prints it.
    pub hash: String,
}

/// A chain's node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainNodeFile {
    /// For logs, metrics and tables.
    pub name: String,
    /// `http://host:port/path`.
    pub url: String,
    /// `user:password`, where the node asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Requests a second that it may get on average, at least ten: its probes are of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Requests that it may get at once after a pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
}

/// A chain, as the library needs it.
pub struct Chain {
    /// Its name in the ledger.
    pub symbol: String,
    /// Its rules.
    pub rules: ChainRules,
    /// How its pool judges.
    pub pool: PoolConfig,
    /// Where its nodes are.
    pub endpoints: Vec<Endpoint>,
    /// The trusted block.
    pub trusted: Head,
    /// Its addresses.
    pub keys: AddressKeys,
    /// How many blocks can be undone.
    pub undo_blocks: u64,
    /// How withdrawals leave by it, if any do.
    pub withdrawals: Option<Withdrawals>,
}

/// What drives a chain's withdrawals.
pub struct Withdrawals {
    /// The signer's socket.
    pub signer: PathBuf,
    /// How transactions are made.
    pub scheme: Scheme,
    /// How it waits.
    pub tuning: Tuning,
}

impl ChainwatchFile {
    /// Reads the file and the environment.
    pub fn load(path: &Path) -> miette::Result<ChainwatchFile> {
        let mut file: ChainwatchFile = load(path, "MAINSTAY_CHAINWATCH_")?;
        let base = base_of(path)?;
        file.data_dir = base.join(&file.data_dir);
        file.tls.resolve(&base);
        for withdrawals in file.chains.iter_mut().filter_map(|chain| chain.withdrawals.as_mut()) {
            withdrawals.signer = base.join(&withdrawals.signer);
        }
        Ok(file)
    }

    /// Every chain, checked.
    pub fn chains(&self) -> miette::Result<Vec<Chain>> {
        if self.chains.is_empty() {
            miette::bail!(help = "add a [[chains]]", "there is no chain to watch");
        }
        let mut chains: Vec<Chain> = Vec::with_capacity(self.chains.len());
        for file in &self.chains {
            let chain = file.check().wrap_err_with(|| format!("the chain {} cannot be watched", file.symbol))?;
            if chains.iter().any(|known| known.symbol == chain.symbol) {
                miette::bail!("the chain {} is there twice", chain.symbol);
            }
            chains.push(chain);
        }
        Ok(chains)
    }
}

impl ChainFile {
    fn check(&self) -> miette::Result<Chain> {
        let rules = self.rules()?;
        if !(1..=255).contains(&self.nodes.len()) {
            miette::bail!("it needs 1 to 255 nodes, not {}", self.nodes.len());
        }
        if self.nodes.len() < NODES_ENOUGH {
            let (chain, nodes) = (&self.symbol, self.nodes.len());
            tracing::warn!(chain, nodes, "with fewer than {NODES_ENOUGH} nodes, two that lie together are a majority");
        }
        let trusted = rules.hash_from_text(&self.trusted.hash);
        let trusted = trusted.ok_or_else(|| miette::miette!("{} is no block hash", self.trusted.hash))?;
        let nodes = self.nodes.iter().map(ChainNodeFile::node).collect::<miette::Result<_>>()?;
        let mut pool = match (&rules, self.confirmations) {
            (ChainRules::Bitcoin(_), Some(confirmations)) if confirmations > 0 => {
                PoolConfig::bitcoin(nodes, confirmations)
            }
            (ChainRules::Bitcoin(_), _) => {
                miette::bail!(help = "confirmations = 6, for example", "it does not say what is final")
            }
            (ChainRules::Evm(_), None) => PoolConfig::evm(nodes),
            (ChainRules::Evm(_), Some(_)) => {
                miette::bail!(help = "leave confirmations away", "the nodes of an EVM chain say what is final")
            }
        };
        if let Some(seconds) = self.stall_after_s {
            pool.stall_after = std::time::Duration::from_secs(seconds);
        }
        let scheme = match (&rules, &self.address_prefix) {
            (ChainRules::Bitcoin(_), Some(prefix)) => AddressScheme::Segwit { prefix: prefix.clone() },
            (ChainRules::Bitcoin(_), None) => {
                miette::bail!(
                    help = "address_prefix = \"bc\", for example",
                    "it does not say what addresses begin with"
                )
            }
            (ChainRules::Evm(_), None) => AddressScheme::Evm,
            (ChainRules::Evm(_), Some(_)) => miette::bail!("addresses of an EVM chain have no address_prefix"),
        };
        let undo_blocks = self.undo_blocks.unwrap_or(match self.confirmations {
            Some(confirmations) => UNDO_BLOCKS_MIN.max(confirmations * 2 + 1),
            None => EVM_UNDO_BLOCKS,
        });
        if self.confirmations.is_some_and(|confirmations| undo_blocks <= confirmations * 2) {
            miette::bail!("undo_blocks must be more than twice its confirmations");
        }
        Ok(Chain {
            symbol: self.symbol.clone(),
            rules,
            pool,
            endpoints: self.nodes.iter().map(ChainNodeFile::endpoint).collect::<miette::Result<_>>()?,
            trusted: Head { height: Height(self.trusted.height), hash: BlockHash(trusted) },
            keys: AddressKeys::new(&self.xpub, scheme).into_diagnostic()?,
            undo_blocks,
            withdrawals: self.withdrawals()?,
        })
    }

    fn withdrawals(&self) -> miette::Result<Option<Withdrawals>> {
        let Some(file) = &self.withdrawals else { return Ok(None) };
        let xpub = self.xpub.parse().into_diagnostic().wrap_err("its xpub is no extended public key")?;
        let scheme = match self.rules.prefixes() {
            Some((pubkey_prefix, script_prefix, dust)) => {
                let prefix = self.address_prefix.clone().unwrap_or_default();
                Scheme::Bitcoin(BitcoinScheme { prefix, pubkey_prefix, script_prefix, xpub, dust })
            }
            None => Scheme::Evm(EvmScheme { chain_id: self.chain_id.unwrap_or_default(), xpub }),
        };
        let usual = Tuning::default();
        let ns = |seconds: Option<u64>, usual: u64| seconds.map_or(usual, |it| it.saturating_mul(1_000_000_000));
        let stuck_ns = ns(file.stuck_after_s, usual.stuck_ns);
        let resend_ns = ns(file.resend_after_s, usual.resend_ns);
        if stuck_ns == 0 || resend_ns == 0 {
            miette::bail!("stuck_after_s and resend_after_s must be above zero");
        }
        let replaces = file.replaces.unwrap_or(usual.replaces);
        let (batch_max, wait_ms) = (file.batch_max.unwrap_or(usual.batch_max), file.batch_wait_ms.unwrap_or(0));
        if !(1..=BatchMembers::MAX).contains(&batch_max) {
            miette::bail!("batch_max must be from 1 to {}", BatchMembers::MAX);
        }
        if wait_ms > BATCH_WAIT_MS_MAX {
            miette::bail!("batch_wait_ms must be no more than {BATCH_WAIT_MS_MAX}");
        }
        let gather_ns = wait_ms * 1_000_000;
        let tuning = Tuning { stuck_ns, resend_ns, replaces, batch_max, gather_ns, ..usual };
        Ok(Some(Withdrawals { signer: file.signer.clone(), scheme, tuning }))
    }

    fn rules(&self) -> miette::Result<ChainRules> {
        let rules = match self.rules {
            RulesWord::Bitcoin => BitcoinRules::bitcoin(),
            RulesWord::BitcoinRegtest => BitcoinRules::bitcoin_regtest(),
            RulesWord::Litecoin => BitcoinRules::litecoin(),
            RulesWord::LitecoinRegtest => BitcoinRules::litecoin_regtest(),
            RulesWord::Evm => {
                let chain_id = self.chain_id.ok_or_else(|| miette::miette!("it has no chain_id"))?;
                return Ok(ChainRules::Evm(EvmRules { chain_id }));
            }
        };
        match self.chain_id {
            None => Ok(ChainRules::Bitcoin(rules)),
            Some(_) => Err(miette::miette!("a Bitcoin-like chain has no chain_id")),
        }
    }
}

impl RulesWord {
    /// The first bytes of base58 addresses that pay to a public key's hash and to a script's, and the least that an output
    /// holds; `None` for chains without them.
    fn prefixes(self) -> Option<(u8, u8, u64)> {
        match self {
            RulesWord::Bitcoin => Some((0, 5, 546)),
            RulesWord::BitcoinRegtest => Some((111, 196, 546)),
            RulesWord::Litecoin => Some((48, 50, 5_460)),
            RulesWord::LitecoinRegtest => Some((111, 58, 5_460)),
            RulesWord::Evm => None,
        }
    }
}

impl ChainNodeFile {
    fn node(&self) -> miette::Result<pool::NodeConfig> {
        if self.rate.is_some_and(|rate| rate < RATE_MIN) || self.burst == Some(0) {
            miette::bail!(
                help = format!("rate = {RATE_MIN} and burst = 1 are the least"),
                "its node {} may get too little: it is asked for its head five times a second",
                self.name
            );
        }
        let usual = pool::NodeConfig::new(&self.name);
        let (rate, burst) = (self.rate.unwrap_or(usual.rate), self.burst.unwrap_or(usual.burst));
        Ok(pool::NodeConfig { rate, burst, ..usual })
    }

    fn endpoint(&self) -> miette::Result<Endpoint> {
        let Self { name, url, login, .. } = self;
        let parsed = url.parse::<hyper::Uri>().into_diagnostic();
        let parsed = parsed.wrap_err_with(|| format!("its node {name} has no usable address: {url}"))?;
        if parsed.scheme_str() != Some("http") || parsed.host().is_none() {
            miette::bail!(
                help = "end TLS at a proxy on this machine",
                "its node {name} must be at an http:// address, not {url}"
            );
        }
        let login = match login.as_deref().map(|login| login.split_once(':')) {
            None => None,
            Some(Some((user, password))) => Some((user.to_string(), password.to_string())),
            Some(None) => miette::bail!("the login of its node {name} is not user:password"),
        };
        Ok(Endpoint { url: parsed, login })
    }
}

#[cfg(test)]
mod tests;
