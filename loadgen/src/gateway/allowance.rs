//! How many orders the gateway takes from one address in a minute: its limit of request weight, of which an order has one. It counts in
//! minutes of the exchange's clock, and whoever asks for more is refused, then banned.

use std::time::Duration;

use super::{GatewayError, again};
use crate::api::ApiError;
use crate::api::message::{ExchangeInfo, RateLimit, ServerTime};
use crate::api::rest::Rest;

const MINUTE: Duration = Duration::from_secs(60);
/// What is left to others of this address, in parts of the limit: bots, and whoever looks on.
const OTHERS: u64 = 20;

/// What an address may ask in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    weight: u64,
}

/// What it has left now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    orders: u64,
    /// When there is more again.
    for_now: Duration,
}

impl Allowance {
    /// Asks the gateway for its limit, and waits while so many orders a minute are not to be had: told, and not for longer
    /// than a minute.
    pub async fn admit(rest: &Rest, orders: u64) -> Result<Allowance, GatewayError> {
        let info = match rest.get::<ExchangeInfo>("/api/v3/exchangeInfo", "", Duration::ZERO).await {
            Err(error) if error.retry_after().is_some_and(|after| after <= MINUTE) => {
                wait(&error.to_string(), error.retry_after().unwrap_or_default()).await;
                rest.get("/api/v3/exchangeInfo", "", Duration::ZERO).await
            }
            info => info,
        };
        let info: ExchangeInfo = info.map_err(told)?;
        let allowance = Allowance::of(&info.rate_limits);
        if orders > allowance.for_us() {
            return Err(GatewayError::TooMany { orders, allowed: allowance.for_us() });
        }
        allowance.wait_for(rest, orders).await?;
        Ok(allowance)
    }

    fn of(limits: &[RateLimit]) -> Allowance {
        let is_it = |limit: &&RateLimit| {
            limit.rate_limit_type == "REQUEST_WEIGHT" && limit.interval == "MINUTE" && limit.interval_num == 1
        };
        Allowance { weight: limits.iter().find(is_it).map_or(u64::MAX, |limit| limit.limit) }
    }

    /// Waits for a minute of which most is left; how many orders that is.
    pub async fn whole_minute(&self, rest: &Rest) -> Result<u64, GatewayError> {
        self.wait_for(rest, self.for_us() / 4 * 3).await
    }

    async fn wait_for(&self, rest: &Rest, orders: u64) -> Result<u64, GatewayError> {
        let left = self.left(rest).await?;
        if left.orders >= orders {
            return Ok(left.orders);
        }
        let why =
            format!("this address has used {} of its weight of {} in this minute", rest.used_weight(), self.weight);
        wait(&why, left.for_now).await;
        Ok(self.left(rest).await?.orders)
    }

    async fn left(&self, rest: &Rest) -> Result<Left, GatewayError> {
        let time: ServerTime = rest.get("/api/v3/time", "", Duration::ZERO).await.map_err(told)?;
        Ok(self.after(rest.used_weight(), time.server_time))
    }

    fn after(&self, used: u64, server_time_ms: u64) -> Left {
        let minute_ms = MINUTE.as_millis() as u64;
        // A little behind the minute's end, which is the exchange's.
        let for_now = Duration::from_millis(minute_ms - server_time_ms % minute_ms + 50);
        Left { orders: self.for_us().saturating_sub(used), for_now }
    }

    fn for_us(&self) -> u64 {
        self.weight - self.weight / OTHERS
    }
}

async fn wait(why: &str, for_so_long: Duration) {
    eprintln!("{why}; waiting {:.0} s", for_so_long.as_secs_f64());
    tokio::time::sleep(for_so_long).await;
}

fn told(error: ApiError) -> GatewayError {
    match error.is_limit() {
        true => GatewayError::Limit { again: again(&error), error },
        false => GatewayError::Api(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_what_its_minute_leaves_it_but_for_what_is_left_to_others() {
        let limit = |kind: &str, interval: &str, limit| RateLimit {
            rate_limit_type: kind.to_owned(),
            interval: interval.to_owned(),
            interval_num: 1,
            limit,
        };
        let limits = [limit("ORDERS", "MINUTE", 5), limit("REQUEST_WEIGHT", "MINUTE", 600_000)];
        let allowance = Allowance::of(&limits);
        assert_eq!(allowance.for_us(), 570_000);
        // Twelve seconds into a minute.
        let left = allowance.after(70_000, 1_795_340_412_000);
        assert_eq!(left, Left { orders: 500_000, for_now: Duration::from_millis(48_050) });
        assert_eq!(allowance.after(599_999, 1_795_340_412_000).orders, 0);
        // One that does not say has none.
        assert!(Allowance::of(&limits[..1]).after(70_000, 0).orders > 1 << 60);
    }
}
