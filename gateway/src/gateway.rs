//! What every connection of the gateway shares.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cluster::Ledger;
use crate::config::Limits;
use crate::errors::ApiError;
use crate::exchange::Exchange;
use crate::throttle::Throttle;

/// One gateway: the projections, the way into the cluster, and the limits.
pub struct Gateway {
    /// What has happened on the exchange.
    pub exchange: Arc<Exchange>,
    /// The way into the ledger's log.
    pub ledger: Arc<dyn Ledger>,
    /// What clients have used of their limits.
    pub throttle: Throttle,
    /// Bounds.
    pub limits: Limits,
}

/// Where a request came from, for its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client's address.
    pub ip: IpAddr,
}

impl Gateway {
    /// Microseconds since the Unix epoch by this machine's clock: for `timestamp` checks and server time
    /// alone; everything that happened carries log time.
    pub fn now_us(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

/// The JSON text of an answer, or an error.
pub type Answer = Result<String, ApiError>;
