//! What clients have used of their limits: request weight per address, new orders per account.

use std::net::IpAddr;

use wire::AccountId;

use crate::config::Limits;
use crate::errors::ApiError;

/// Counts in fixed windows, as the response headers announce them.
pub struct Throttle {
    #[expect(dead_code, reason = "counted from the next change on")]
    limits: Limits,
}

/// How many new orders an account has sent in its present windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderCounts {
    /// In the present 10 seconds.
    pub per_10s: u32,
    /// In the present day.
    pub per_day: u32,
}

impl Throttle {
    /// With nothing used.
    pub fn new(limits: Limits) -> Throttle {
        Throttle { limits }
    }

    /// Adds a request's weight and returns what the address has used in the present minute, or refuses with
    /// `-1003` and HTTP 429.
    pub fn weigh(&self, _ip: IpAddr, weight: u32, _now_us: u64) -> Result<u32, ApiError> {
        Ok(weight)
    }

    /// Counts a new order, or refuses it with `-1015`.
    pub fn count_order(&self, _account: AccountId, _now_us: u64) -> Result<OrderCounts, ApiError> {
        Ok(OrderCounts { per_10s: 1, per_day: 1 })
    }
}
