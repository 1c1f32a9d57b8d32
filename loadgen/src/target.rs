//! Where the exchange is and who trades there: from a demo's state file or from explicit flags.

use std::path::PathBuf;

use crate::state::{Account, Cluster, State, StateError};

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

/// An exchange's addresses and accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Gateways; the first is the preferred one, the others are used when it is unreachable. Never empty.
    pub gateways: Vec<Endpoints>,
    /// Accounts that are not the bots'.
    pub accounts: Vec<Account>,
    /// Accounts of the bots.
    pub bots: Vec<Account>,
    /// The operator's way in, where the state file names one.
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

fn parse_account(text: &str) -> Result<Account, String> {
    let mut parts = text.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(api_key), Some(secret)) if ![name, api_key, secret].contains(&"") => Ok(Account {
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
