//! A demo's chain: five nodes of a private chain, a chainwatch before them, and somebody who mines and pays.
//!
//! Opt-in (`--chain`): it costs memory and a little of every core. The programs are Debian's `litecoind` and Foundry's
//! `anvil`; without them the demo goes on and says how to get them.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use miette::IntoDiagnostic;
use rand::Rng;
use wire::command::{ListAsset, ListChain, ListChainAsset, RequestAddress};
use wire::{AddressFormat, Amount, AssetId, ChainId, Command};

use super::children::{Exited, Role};
use super::layout::{LEDGER, Layout, Paths};
use crate::config::TlsFiles;
use crate::config::chainwatch::{ChainFile, ChainNodeFile, ChainwatchFile, RulesWord, TrustedBlock, WithdrawalsFile};
use crate::operator::{Done, Operator};
use crate::private;

mod faucet;
mod house;
mod signer;

pub use faucet::Faucet;
pub use house::fund;

/// How many nodes the pool has: two of five may lie.
pub const CHAIN_NODES: u8 = 5;
/// Block 0 of Litecoin's regression test chain.
const LITECOIN_GENESIS: &str = "530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9";
/// Anvil's own chain id.
const ANVIL_CHAIN_ID: u64 = 31_337;
/// When block 0 of the EVM chain was made.
const ANVIL_GENESIS_TIME: u64 = 1_700_000_000;
/// A silent chainwatch loses its claim after this.
const LEASE_MS: u32 = 1_000;
/// Ledger decimals of a coin that the demo has no market of.
const COIN_DECIMALS: u8 = 8;
const PAGES_PORT: u16 = 7301;
const NODE_PORT: u16 = 7400;
const PEER_PORT: u16 = 7450;
/// Who may ask the litecoin nodes.
const LOGIN: (&str, &str) = ("mainstay", "demo");

/// Which chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ChainKind {
    /// Litecoin's regression test chain; needs litecoind.
    Litecoin,
    /// An EVM chain; needs anvil.
    Anvil,
}

/// A chain that can be started: its program was found.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Which.
    pub kind: ChainKind,
    program: PathBuf,
    dir: PathBuf,
    /// The nodes' JSON-RPC.
    nodes: Vec<SocketAddr>,
    peers: Vec<SocketAddr>,
    /// Where chainwatch's pages are.
    pub pages: SocketAddr,
}

impl ChainKind {
    /// Its name in the ledger, which is also its coin's.
    pub fn symbol(self) -> &'static str {
        match self {
            ChainKind::Litecoin => "LTC",
            ChainKind::Anvil => "ETH",
        }
    }

    /// What its addresses look like.
    fn addresses(self) -> AddressFormat {
        match self {
            ChainKind::Litecoin => AddressFormat::litecoin_regtest(),
            ChainKind::Anvil => AddressFormat::Evm,
        }
    }

    /// Somewhere on the chain that is nobody's.
    pub fn elsewhere(self) -> &'static str {
        match self {
            ChainKind::Litecoin => "rltc1qnjg0jd8228aq7egyzacy8cys3knf9xvr0pw77v",
            ChainKind::Anvil => "0x000000000000000000000000000000000000dEaD",
        }
    }

    /// How to get its program.
    pub fn advice(self) -> &'static str {
        match self {
            ChainKind::Litecoin => "litecoind was not found: apt-get install litecoind",
            ChainKind::Anvil => "anvil was not found: npm install -g @foundry-rs/anvil",
        }
    }

    fn program(self) -> Option<PathBuf> {
        let on_path = |name: &str| {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
        };
        match self {
            ChainKind::Litecoin => on_path("litecoind"),
            // npm's own `anvil` is a script that starts this program; where `tests/run` puts it comes first.
            ChainKind::Anvil => {
                let exe = std::env::current_exe().ok()?;
                let modules = exe.ancestors().map(|dir| dir.join("tests-npm/node_modules/@foundry-rs"));
                let programs = ["anvil-linux-amd64", "anvil-linux-arm64"].map(|name| format!("{name}/bin/anvil"));
                let mut candidates = modules.flat_map(|dir| programs.clone().map(|program| dir.join(program)));
                candidates.find(|file| file.is_file()).or_else(|| on_path("anvil"))
            }
        }
    }
}

impl Chain {
    /// Its place, beside that of the exchange; `None` when its program is not here.
    pub fn find(kind: ChainKind, paths: &Paths, any_port: bool, layout: &Layout) -> miette::Result<Option<Chain>> {
        let Some(program) = kind.program() else { return Ok(None) };
        let count = usize::from(CHAIN_NODES);
        let mut held = Vec::new();
        let mut place = |fixed: u16| {
            let listener = if any_port { free(layout) } else { TcpListener::bind((Ipv4Addr::LOCALHOST, fixed)).ok() };
            let listener = listener.ok_or_else(|| {
                miette::miette!(
                    help = "end that process, or let the demo choose free ports with --any-port",
                    "another process listens on 127.0.0.1:{fixed}, which the demo needs for its chain"
                )
            })?;
            let place = listener.local_addr().into_diagnostic();
            // Held until all are found, so that none is found twice.
            held.push(listener);
            place
        };
        let pages = place(PAGES_PORT)?;
        let nodes = (1..=count as u16).map(|id| place(NODE_PORT + id)).collect::<miette::Result<_>>()?;
        let peers = (1..=count as u16).map(|id| place(PEER_PORT + id)).collect::<miette::Result<_>>()?;
        Ok(Some(Chain { kind, program, dir: paths.0.join("chain"), nodes, peers, pages }))
    }

    /// What starts a node, from 1.
    pub fn node_command(&self, id: u8) -> miette::Result<(&Path, Vec<OsString>)> {
        let at = usize::from(id) - 1;
        let dir = self.dir.join(format!("node-{id}"));
        private::make_dir(&self.dir).into_diagnostic()?;
        private::make_dir(&dir).into_diagnostic()?;
        let port = self.nodes[at].port();
        let args: Vec<OsString> = match self.kind {
            ChainKind::Anvil => {
                let (port, time) = (port.to_string(), ANVIL_GENESIS_TIME.to_string());
                let args =
                    ["--no-mining", "--silent", "--slots-in-an-epoch", "1", "--port", &port, "--timestamp", &time];
                args.map(OsString::from).to_vec()
            }
            ChainKind::Litecoin => {
                let small = ["-regtest", "-server", "-dbcache=4", "-maxmempool=5", "-par=1", "-rpcthreads=2"];
                let alone = ["-dnsseed=0", "-discover=0", "-listenonion=0", "-printtoconsole=0", "-fallbackfee=0.0001"];
                // Block 0 is years old: a node that takes itself for one far behind fetches no blocks from whoever
                // dialled it.
                let mut args: Vec<OsString> = small.into_iter().chain(alone).map(OsString::from).collect();
                args.push("-maxtipage=1000000000".into());
                // Blocks with Litecoin's extension blocks are not read.
                args.push("-vbparams=mweb:999999999999:999999999999".into());
                args.push(format!("-bind={}", self.peers[at]).into());
                args.push(format!("-rpcport={port}").into());
                args.push(format!("-rpcuser={}", LOGIN.0).into());
                args.push(format!("-rpcpassword={}", LOGIN.1).into());
                let mut datadir = OsString::from("-datadir=");
                datadir.push(&dir);
                args.push(datadir);
                args
            }
        };
        Ok((&self.program, args))
    }

    fn url(&self, at: usize) -> String {
        format!("http://{}/", self.nodes[at])
    }

    fn login(&self) -> Option<String> {
        (self.kind == ChainKind::Litecoin).then(|| format!("{}:{}", LOGIN.0, LOGIN.1))
    }

    /// Where the signer's configuration is.
    pub fn signer_config(&self) -> PathBuf {
        signer::config(&self.dir)
    }

    /// Where it is asked.
    pub fn signer_socket(&self) -> PathBuf {
        signer::socket(&self.dir)
    }

    /// Writes chainwatch's configuration and the signer's. `genesis` is the hash of block 0.
    pub fn write_config(
        &self,
        paths: &Paths,
        layout: &Layout,
        tls: &TlsFiles,
        genesis: &str,
        epoch: u64,
    ) -> miette::Result<()> {
        signer::write(&self.dir, self.kind)?;
        let is_evm = self.kind == ChainKind::Anvil;
        let node = |at: usize| ChainNodeFile {
            name: format!("chain-{}", at + 1),
            url: self.url(at),
            login: self.login(),
            rate: None,
            burst: None,
        };
        let chain = ChainFile {
            symbol: self.kind.symbol().into(),
            rules: if is_evm { RulesWord::Evm } else { RulesWord::LitecoinRegtest },
            chain_id: is_evm.then_some(ANVIL_CHAIN_ID),
            confirmations: (!is_evm).then_some(6),
            xpub: signer::xpub(self.kind)?,
            address_prefix: (!is_evm).then(|| "rltc".into()),
            undo_blocks: None,
            stall_after_s: None,
            withdrawals: Some(WithdrawalsFile {
                signer: self.signer_socket(),
                stuck_after_s: Some(60),
                resend_after_s: Some(5),
                replaces: None,
                batch_max: None,
                batch_wait_ms: None,
            }),
            trusted: TrustedBlock { height: 0, hash: genesis.into() },
            nodes: (0..self.nodes.len()).map(node).collect(),
        };
        let file = ChainwatchFile {
            name: "chainwatch-1".into(),
            epoch,
            http: self.pages,
            ledger: LEDGER,
            data_dir: self.dir.join("chainwatch-1"),
            tls: tls.clone(),
            nodes: layout.addresses(),
            chains: vec![chain],
        };
        super::layout::write(&paths.config("chainwatch-1"), &file)
    }

    /// Lists the chain and its coin, and asks for an address for each of `accounts`. What is there is left alone.
    pub async fn list(&self, operator: &Operator, accounts: &[String]) -> miette::Result<()> {
        let symbol = self.kind.symbol();
        let inventory = operator.inventory(|_| false).await?;
        let name = wire::Symbol::new(symbol.as_bytes()).map_err(|error| miette::miette!("{error:?}"))?;
        let asset = match inventory.assets.get(symbol) {
            Some(known) => known.asset,
            None => {
                let list = ListAsset { symbol: name, ledger_decimals: COIN_DECIMALS };
                AssetId::new(u16::try_from(operator.must(&Command::ListAsset(list)).await?).into_diagnostic()?)
            }
        };
        let chain = match inventory.chains.get(symbol) {
            Some(known) => *known,
            None => {
                let list = ListChain { symbol: name, lease_ms: LEASE_MS, addresses: self.kind.addresses() };
                ChainId::new(u16::try_from(operator.must(&Command::ListChain(list)).await?).into_diagnostic()?)
            }
        };
        if !inventory.chain_assets.contains(&(chain, asset)) {
            let (chain_decimals, confirmations, deposit_min) = match self.kind {
                ChainKind::Litecoin => (8, 3, 10_000),
                ChainKind::Anvil => (18, 0, 1_000_000_000_000),
            };
            let list = ListChainAsset {
                chain,
                asset,
                contract: wire::ChainAddress::EMPTY,
                chain_decimals,
                deposit_min,
                confirmations,
                large_from: Amount::ZERO,
                large_confirmations: 0,
            };
            operator.must(&Command::ListChainAsset(Box::new(list))).await?;
        }
        house::allow_withdrawals(self.kind, operator, &inventory, (chain, asset)).await?;
        for account in accounts {
            let Some(opened) = inventory.accounts.get(account) else { continue };
            let request = RequestAddress { account: opened.account, chain };
            if let Done::Rejected(reason, _) = operator.execute(&Command::RequestAddress(request)).await? {
                miette::bail!("the ledger refuses {account} an address: {reason:?}");
            }
        }
        Ok(())
    }
}

/// A port outside the range from which the system takes ports for outgoing connections, and none of the exchange's, whose
/// processes may not have it yet.
fn free(layout: &Layout) -> Option<TcpListener> {
    let places = || (0..1_000).map(|_| (Ipv4Addr::LOCALHOST, rand::rng().random_range(10_240..32_000)).into());
    places().filter(|place| !layout.uses(*place)).find_map(|place: SocketAddr| TcpListener::bind(place).ok())
}

/// Whether it is a node of the chain that has ended because another process has its port: in its own words, for they have no code.
pub fn has_lost_its_port(exited: &Exited) -> bool {
    let says = |words| exited.errors.contains(words);
    matches!(exited.role, Role::ChainNode(_)) && (says("Address already in use") || says("Unable to bind"))
}
