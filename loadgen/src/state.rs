//! The file in which a demo tells other programs where it is: addresses, accounts, processes, and how to
//! reach the cluster as its operator. `mainstay demo --state FILE` writes it once the exchange is ready;
//! everything here, `mainstay ctl` and scripts read it.
//!
//! It holds secrets, so it is written readable by its owner alone. Readers must ignore fields they do not
//! know.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// A running exchange, as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Base URL of the REST API without a path, `http://127.0.0.1:8080`.
    pub rest: String,
    /// Base URL of the streams without a path, `ws://127.0.0.1:8080`; `/ws` and `/stream` follow.
    pub ws: String,
    /// URL of the WebSocket API with its path, `ws://127.0.0.1:8080/ws-api/v3`.
    pub ws_api: String,
    /// Funded accounts. Those of the bots have names that start with [`BOT_PREFIX`].
    pub accounts: Vec<Account>,
    /// Node processes.
    #[serde(default)]
    pub nodes: Vec<Node>,
    /// Gateway processes.
    #[serde(default)]
    pub gateways: Vec<Gateway>,
    /// Processes that watch chains. Without any, deposits are disabled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chainwatches: Vec<Chainwatch>,
    /// Processes that sign withdrawals. Without any, none leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Signer>,
    /// How to reach the nodes as an operator. Absent where only the client APIs may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
}

/// How the names of the bots' accounts start.
pub const BOT_PREFIX: &str = "bot-";

/// An account with what it takes to sign its requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name in the ledger.
    pub name: String,
    /// API key whose requests are signed with `secret` (HMAC-SHA256).
    pub api_key: String,
    /// The shared secret.
    pub secret: String,
    /// API key whose requests are signed with the Ed25519 private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ed25519_api_key: Option<String>,
    /// The Ed25519 private key, PKCS #8 PEM text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ed25519_private_key: Option<String>,
    /// The file with the same PEM text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pem_file: Option<PathBuf>,
    /// What it had, free and held, when the exchange was opened or went on: decimal text by asset.
    #[serde(default)]
    pub balances: BTreeMap<String, String>,
}

/// One node process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its number in the cluster, from 1.
    pub id: u64,
    /// Its process.
    pub pid: u32,
    /// Base URL of its health, status and metrics pages.
    pub http: String,
    /// Where its log, snapshots and archive are.
    pub data_dir: PathBuf,
}

/// One gateway process. The first one's URLs are also those of [`State`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Its process.
    pub pid: u32,
    /// As [`State::rest`].
    pub rest: String,
    /// As [`State::ws`].
    pub ws: String,
    /// As [`State::ws_api`].
    pub ws_api: String,
}

/// One process that watches chains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chainwatch {
    /// Its process.
    pub pid: u32,
    /// Base URL of its health, status and metrics pages.
    pub http: String,
    /// The chains that it watches, by their names in the ledger.
    pub chains: Vec<String>,
}

/// One process that has keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// Its process.
    pub pid: u32,
    /// The socket on which it is asked.
    pub socket: PathBuf,
    /// The chains that it signs for, by their names in the ledger.
    pub chains: Vec<String>,
}

/// What it takes to open an operator's session with the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// The cluster's epoch, [`wire::ClusterEpoch`].
    pub epoch: u64,
    /// The partition of the ledger cell.
    pub ledger: u16,
    /// Every partition, the ledger's too.
    pub partitions: Vec<u16>,
    /// Where the nodes listen for gateways and operators.
    pub nodes: Vec<ClusterNode>,
    /// Whose certificate to show.
    pub operator: Operator,
    /// The 32 bytes that seal shared secrets, as hex text.
    pub envelope_key_file: PathBuf,
}

/// A node's address for gateways and operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterNode {
    /// Its number.
    pub id: u64,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// An operator's name and PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The name in the certificate.
    pub name: String,
    /// The authority that signed every certificate of the cluster.
    pub ca: PathBuf,
    /// The operator's certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why a state file could not be read or written. Each says which file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be read.
    #[error("cannot read the state file {path}: {source}; start an exchange with `mainstay demo --state {path}`")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not the JSON that a demo writes.
    #[error("{path} is not a state file: {source}; write one with `mainstay demo --state {path}`")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the state file {path}: {source}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl State {
    /// Reads the file.
    pub fn load(path: &Path) -> Result<State, StateError> {
        let text = std::fs::read(path).map_err(|source| StateError::Read { path: path.into(), source })?;
        serde_json::from_slice(&text).map_err(|source| StateError::Parse { path: path.into(), source })
    }

    /// Writes the file so that a reader sees the old one or all of the new one, with mode 0600.
    pub fn save(&self, path: &Path) -> Result<(), StateError> {
        self.write(path).map_err(|source| StateError::Write { path: path.into(), source })
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        let name = path.file_name().ok_or_else(|| std::io::Error::other("the path names no file"))?;
        let mut temporary = name.to_os_string();
        temporary.push(format!(".{}.new", std::process::id()));
        let temporary = path.with_file_name(temporary);
        let written = write_private(&temporary, &serde_json::to_vec_pretty(self)?)
            .and_then(|()| std::fs::rename(&temporary, path));
        if written.is_err() {
            // The error that matters is the first one; a leftover is only untidy.
            let _ = std::fs::remove_file(&temporary);
        }
        written
    }

    /// Accounts for people and load, in the file's order.
    pub fn trading_accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().filter(|account| !account.is_bot())
    }

    /// Accounts of the bots, in the file's order.
    pub fn bot_accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().filter(|account| account.is_bot())
    }
}

impl Account {
    /// Whether it belongs to the market-making bots.
    pub fn is_bot(&self) -> bool {
        self.name.starts_with(BOT_PREFIX)
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    file.sync_all()
}
