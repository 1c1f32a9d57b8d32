//! Where the exchange is and who trades there: from a demo's state file or from explicit flags.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use crate::state::{Account, Cluster, ClusterNode, Operator, State, StateError};

#[cfg(test)]
mod tests;

/// Flags that name an exchange. Shared by every way of making load.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TargetArgs {
    /// State file of a running demo (`mainstay demo --state FILE`): addresses, accounts, operator.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Base URL of the REST API, http://HOST:PORT; overrides the state file's.
    #[arg(long, value_name = "URL")]
    pub rest: Option<String>,
    /// Base URL of the market streams, ws://HOST:PORT; overrides the state file's.
    #[arg(long, value_name = "URL")]
    pub ws: Option<String>,
    /// URL of the WebSocket API, ws://HOST:PORT/ws-api/v3; overrides the state file's.
    #[arg(long, value_name = "URL")]
    pub ws_api: Option<String>,
    /// Account to trade with, as NAME:API_KEY:SECRET (HMAC). Repeat it; replaces the state file's accounts.
    #[arg(long, value_name = "NAME:KEY:SECRET", value_parser = parse_account)]
    pub account: Vec<Account>,
}

/// Flags that name the nodes and whose certificate to show them, for what an operator does. Where one is given they take
/// the place of the state file's operator.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OperatorArgs {
    /// A node of the cluster, for the operator's session, as ID=HOST:PORT. Repeat it; with --ca, --cert and --key it
    /// replaces what the state file says of the cluster.
    #[arg(long, value_name = "ID=HOST:PORT", value_parser = parse_node, requires_all = ["ca", "cert", "key"])]
    pub node: Vec<ClusterNode>,
    /// PEM file of the authority that signed the cluster's certificates.
    #[arg(long, value_name = "FILE", requires = "node")]
    pub ca: Option<PathBuf>,
    /// PEM file of the operator's certificate.
    #[arg(long, value_name = "FILE", requires = "node")]
    pub cert: Option<PathBuf>,
    /// PEM file of its private key.
    #[arg(long, value_name = "FILE", requires = "node")]
    pub key: Option<PathBuf>,
    /// The operator's name, as its certificate has it [default: the name of the certificate's file].
    #[arg(long, value_name = "NAME", requires = "node")]
    pub operator: Option<String>,
    /// The cluster's epoch: its life, raised by a restore and by a promotion.
    #[arg(long, value_name = "EPOCH", default_value_t = 1)]
    pub epoch: u64,
    /// The partition of the ledger cell.
    #[arg(long, value_name = "PARTITION", default_value_t = 1)]
    pub ledger: u16,
}

impl OperatorArgs {
    /// The cluster that the flags name, else the state file's, if one does.
    pub fn cluster(&self, of_state: Option<Cluster>) -> Option<Cluster> {
        let (Some(ca), Some(cert), Some(key)) = (&self.ca, &self.cert, &self.key) else { return of_state };
        let named = || cert.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = self.operator.clone().unwrap_or_else(named);
        Some(Cluster {
            epoch: self.epoch,
            ledger: self.ledger,
            // Those that have markets are known from the ledger's events.
            partitions: Vec::new(),
            nodes: self.node.clone(),
            operator: Operator { name, ca: ca.clone(), cert: cert.clone(), key: key.clone() },
            envelope_key_file: PathBuf::new(),
        })
    }
}

/// An exchange's addresses and accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Gateways; the first is the preferred one, the others are used when it is unreachable. Never empty.
    pub gateways: Vec<Endpoints>,
    /// Accounts that are not the bots'.
    pub accounts: Vec<Account>,
    /// Accounts of the bots.
    pub bots: Vec<Account>,
    /// The operator's way in, where the state file names one; [`OperatorArgs`] may name another.
    pub cluster: Option<Cluster>,
}

/// URLs of one gateway, complete with paths where the protocol fixes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Base URL of REST, without a trailing slash.
    pub rest: String,
    /// Base URL of the streams, without a trailing slash.
    pub ws: String,
    /// URL of the WebSocket API with `/ws-api/v3`.
    pub ws_api: String,
}

/// Why there is nothing to talk to.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The state file is unusable.
    #[error(transparent)]
    State(#[from] StateError),
    /// Neither a state file nor the address.
    #[error("no address of the exchange: pass --state FILE of a running demo, or {0}")]
    NoAddress(&'static str),
    /// Not a URL of the protocol.
    #[error("{flag} {url}: expected a URL that starts with {scheme}")]
    BadUrl {
        /// Which flag or field.
        flag: &'static str,
        /// What was given.
        url: String,
        /// How it must start.
        scheme: &'static str,
    },
}

impl TargetError {
    /// Whether other flags are all it takes; what is wrong in a state file is said of a file.
    pub(crate) fn is_of_arguments(&self) -> bool {
        match self {
            TargetError::State(_) => false,
            TargetError::NoAddress(_) | TargetError::BadUrl { .. } => true,
        }
    }
}

impl TargetArgs {
    /// Reads the state file if one is named, lets flags override it, and checks the URLs.
    pub fn resolve(&self) -> Result<Target, TargetError> {
        let state = self.state.as_deref().map(State::load).transpose()?;
        let mut gateways = Vec::new();
        if let Some(state) = &state {
            let listed = state.gateways.iter().map(|g| (&g.rest, &g.ws, &g.ws_api));
            let first = (&state.rest, &state.ws, &state.ws_api);
            for (rest, ws, ws_api) in std::iter::once(first).chain(listed) {
                let endpoints = Endpoints::new(rest, ws, ws_api)?;
                if !gateways.contains(&endpoints) {
                    gateways.push(endpoints);
                }
            }
        }
        if self.rest.is_some() || self.ws.is_some() || self.ws_api.is_some() {
            let known = gateways.first();
            let pick = |flag: &Option<String>, known: Option<&String>, name| {
                flag.clone().or_else(|| known.cloned()).ok_or(TargetError::NoAddress(name))
            };
            let rest = pick(&self.rest, known.map(|g| &g.rest), "--rest http://HOST:PORT")?;
            let beside = format!("ws{}", rest.strip_prefix("http").unwrap_or(&rest));
            let ws = pick(&self.ws, known.map(|g| &g.ws).or(Some(&beside)), "--ws ws://HOST:PORT")?;
            let ws_api = pick(&self.ws_api, known.map(|g| &g.ws_api).or(Some(&beside)), "--ws-api ws://HOST:PORT")?;
            gateways = vec![Endpoints::new(&rest, &ws, &ws_api)?];
        }
        if gateways.is_empty() {
            return Err(TargetError::NoAddress("--rest http://HOST:PORT"));
        }
        let (accounts, bots) = match &state {
            _ if !self.account.is_empty() => self.account.iter().cloned().partition(|account| !account.is_bot()),
            Some(state) => (state.trading_accounts().cloned().collect(), state.bot_accounts().cloned().collect()),
            None => (Vec::new(), Vec::new()),
        };
        Ok(Target { gateways, accounts, bots, cluster: state.and_then(|state| state.cluster) })
    }
}

impl Endpoints {
    fn new(rest: &str, ws: &str, ws_api: &str) -> Result<Endpoints, TargetError> {
        const WS_API_PATH: &str = "/ws-api/v3";
        let rest = checked("rest", rest, "http://")?;
        let ws = checked("ws", ws, "ws://")?;
        let mut ws_api = checked("ws_api", ws_api, "ws://")?;
        if !ws_api.ends_with(WS_API_PATH) {
            ws_api.push_str(WS_API_PATH);
        }
        Ok(Endpoints { rest, ws, ws_api })
    }
}

fn checked(flag: &'static str, url: &str, scheme: &'static str) -> Result<String, TargetError> {
    let url = url.trim_end_matches('/');
    match url.strip_prefix(scheme) {
        Some(host) if !host.is_empty() => Ok(url.to_owned()),
        _ => Err(TargetError::BadUrl { flag, url: url.to_owned(), scheme }),
    }
}

/// HOST:PORT, where the host may be a name: the first address that it has.
pub fn parse_place(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| format!("expected HOST:PORT: {error}"))?;
    found.next().ok_or_else(|| "the host has no address".to_owned())
}

fn parse_node(text: &str) -> Result<ClusterNode, String> {
    let (id, place) = text.split_once('=').ok_or("expected ID=HOST:PORT")?;
    let id = id.parse().ok().filter(|id| *id > 0).ok_or("expected a node's number before the =")?;
    Ok(ClusterNode { id, addr: parse_place(place)? })
}

/// Characters of an API key.
const KEY_LENGTH: usize = 64;

/// Of the form in which the exchange takes keys, and Binance gives them out.
fn is_key(text: &str) -> bool {
    text.len() == KEY_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn parse_account(text: &str) -> Result<Account, String> {
    let mut parts = text.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(api_key), Some(_)) if !is_key(api_key) => {
            Err(format!("an API key has {KEY_LENGTH} letters and digits"))
        }
        (Some(name), Some(api_key), Some(secret)) if ![name, secret].contains(&"") => Ok(Account {
            name: name.to_owned(),
            api_key: api_key.to_owned(),
            secret: secret.to_owned(),
            ed25519_api_key: None,
            ed25519_private_key: None,
            pem_file: None,
            balances: Default::default(),
        }),
        _ => Err("expected NAME:API_KEY:SECRET".to_owned()),
    }
}
