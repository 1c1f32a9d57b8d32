//! What clients have used of their limits: requests and their weight per address, weight per API key, connection attempts
//! per address, new orders per account, and those of them that are refused. An address of IPv6 is its network of 64 bits,
//! which is what one client has. Nothing here belongs to a connection: reconnecting resets no count.
//!
//! Counted in fixed windows that start on the minute, on ten seconds and on the day (UTC), as the response
//! headers announce them. A new window forgets the old one, so the tables never outgrow one window's clients. Requests are
//! counted in any order: one that looked at the clock just before a window began, and is counted after another that looked
//! after it, counts in the new window.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::{AccountId, ApiKeyText};

use crate::config::Limits;
use crate::errors::ApiError;

const SECOND_US: u64 = 1_000_000;
const MINUTE_US: u64 = 60 * SECOND_US;
const DAY_US: u64 = 24 * 60 * MINUTE_US;

mod bans;

use bans::Bans;

/// Addresses told apart within one window; further ones share a count.
const ADDRESSES_MAX: usize = 100_000;

/// So late a request may be counted after it has looked at the clock. A clock that is further back was set back.
const LATE_MAX_US: u64 = SECOND_US;

/// The part of an address of IPv6 that names a network.
const NETWORK_BITS: u128 = !0 << 64;

/// Counts, and the limits they are held against.
pub struct Throttle {
    weight_per_minute: u32,
    requests_per_5m: u32,
    orders_per_10s: u32,
    refused_orders_per_10s: u32,
    orders_per_day: u32,
    key_weight_per_minute: u32,
    attempts_per_5m: u32,
    weights: Mutex<Weights>,
    key_weights: Mutex<Window<ApiKeyText>>,
    attempts: Mutex<Window<Option<IpAddr>>>,
    unfilled: Arc<Unfilled>,
    refused_orders: Mutex<Window<AccountId>>,
}

struct Weights {
    used: Window<Option<IpAddr>>,
    /// Requests, whatever they weigh.
    requests: Window<Option<IpAddr>>,
    /// Requests refused in the present minute.
    refused: Window<Option<IpAddr>>,
    bans: Bans,
}

/// New orders of each account that have not traded, in its present windows. One that trades counts no more, and one that
/// rested first makes up for others: who makes markets may go on making them.
///
/// Source: Binance Spot, "Spot Unfilled Order Count Rules".
pub struct Unfilled {
    orders: Mutex<Orders>,
}

struct Orders {
    per_10s: Window<AccountId>,
    per_day: Window<AccountId>,
}

/// What the first fill of an order is worth that takes, and of one that rested.
const WORTH_OF_TAKER: u32 = 1;
const WORTH_OF_MAKER: u32 = 5;

impl Default for Unfilled {
    fn default() -> Unfilled {
        let orders = Orders { per_10s: Window::new(10 * SECOND_US), per_day: Window::new(DAY_US) };
        Unfilled { orders: Mutex::new(orders) }
    }
}

impl Unfilled {
    /// An order of the account that came in at `created_us` has traded for the first time.
    pub fn has_traded(&self, account: AccountId, created_us: u64, is_maker: bool) {
        let worth = if is_maker { WORTH_OF_MAKER } else { WORTH_OF_TAKER };
        self.give_back(account, worth, |window| created_us / window.length_us);
    }

    /// So many of the account's orders count no more in the windows that they were `counted_in`.
    fn give_back(&self, account: AccountId, worth: u32, counted_in: impl Fn(&Window<AccountId>) -> u64) {
        let Orders { per_10s, per_day } = &mut *lock(&self.orders);
        for window in [per_10s, per_day] {
            // What was counted in a former window counts no more as it is.
            if window.number == counted_in(window)
                && let Some(used) = window.used.get_mut(&account)
            {
                *used = used.saturating_sub(worth);
            }
        }
    }
}

/// New orders that were counted, and in which windows: those of the clock that they looked at, or the next ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// What counts with them.
    pub counts: OrderCounts,
    window_of_10s: u64,
    window_of_day: u64,
}

/// How many new orders an account has sent in its present windows that have not traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderCounts {
    /// In the present 10 seconds.
    pub per_10s: u32,
    /// In the present day.
    pub per_day: u32,
}

impl Throttle {
    /// With nothing used, and `unfilled` told by somebody else which orders trade.
    pub fn new(limits: &Limits, unfilled: Arc<Unfilled>) -> Throttle {
        Throttle {
            weight_per_minute: limits.weight_per_minute,
            requests_per_5m: limits.requests_per_5m,
            orders_per_10s: limits.orders_per_10s,
            refused_orders_per_10s: limits.refused_orders_per_10s,
            orders_per_day: limits.orders_per_day,
            key_weight_per_minute: limits.key_weight_per_minute,
            attempts_per_5m: limits.connection_attempts_per_5m,
            weights: Mutex::new(Weights {
                used: Window::new(MINUTE_US),
                requests: Window::new(5 * MINUTE_US),
                refused: Window::new(MINUTE_US),
                bans: Bans::new(limits.ban_after_refusals),
            }),
            key_weights: Mutex::new(Window::new(MINUTE_US)),
            attempts: Mutex::new(Window::new(5 * MINUTE_US)),
            unfilled,
            refused_orders: Mutex::new(Window::new(10 * SECOND_US)),
        }
    }

    /// Counts a request, adds its weight and returns what the address has used in the present minute, or refuses with
    /// `-1003` and HTTP 429. An address that goes on after that is banned: HTTP 418.
    pub fn weigh(&self, ip: IpAddr, weight: u32, now_us: u64) -> Result<u32, ApiError> {
        let ip = client(ip);
        let mut weights = lock(&self.weights);
        if let Some(until_us) = weights.bans.until(ip, now_us) {
            return Err(banned(until_us, now_us));
        }
        let used = weights.used.used(ip, now_us).saturating_add(weight);
        let requests = weights.requests.used(ip, now_us).saturating_add(1);
        if used > self.weight_per_minute || requests > self.requests_per_5m {
            let refused = weights.refused.used(ip, now_us).saturating_add(1);
            weights.refused.set(ip, refused);
            // Who shares a count is not to blame for it.
            if weights.used.key(ip).is_some()
                && weights.requests.key(ip).is_some()
                && weights.refused.key(ip).is_some()
                && let Some(until_us) = weights.bans.consider(ip, refused, now_us)
            {
                return Err(banned(until_us, now_us));
            }
            if requests > self.requests_per_5m {
                return Err(ApiError::too_many_requests(self.requests_per_5m, weights.requests.seconds_left(now_us)));
            }
            return Err(ApiError::too_much_weight(self.weight_per_minute, weights.used.seconds_left(now_us)));
        }
        weights.requests.set(ip, requests);
        weights.used.set(ip, used);
        Ok(used)
    }

    /// Adds a request's weight to that of its API key and returns what the key has used in the present minute, or
    /// refuses with `-1003` and HTTP 429.
    pub fn weigh_key(&self, key: ApiKeyText, weight: u32, now_us: u64) -> Result<u32, ApiError> {
        let mut weights = lock(&self.key_weights);
        let used = weights.used(key, now_us).saturating_add(weight);
        if used > self.key_weight_per_minute {
            let left = weights.seconds_left(now_us);
            return Err(ApiError::too_much_weight_of_key(self.key_weight_per_minute, left));
        }
        weights.set(key, used);
        Ok(used)
    }

    /// Counts a WebSocket's handshake, or refuses it with `-1034`; banned addresses have none.
    pub fn count_attempt(&self, ip: IpAddr, now_us: u64) -> Result<(), ApiError> {
        self.check_ban(ip, now_us)?;
        let ip = client(ip);
        let mut attempts = lock(&self.attempts);
        let count = attempts.used(ip, now_us).saturating_add(1);
        if count > self.attempts_per_5m {
            return Err(ApiError::too_many_connection_attempts(self.attempts_per_5m, attempts.seconds_left(now_us)));
        }
        attempts.set(ip, count);
        Ok(())
    }

    /// Refuses an address that is banned with HTTP 418, and counts nothing: what costs more than a look is not done for it.
    pub fn check_ban(&self, ip: IpAddr, now_us: u64) -> Result<(), ApiError> {
        lock(&self.weights).bans.until(client(ip), now_us).map_or(Ok(()), |until_us| Err(banned(until_us, now_us)))
    }

    /// What the address has used in the present minute.
    pub fn used_weight(&self, ip: IpAddr, now_us: u64) -> u32 {
        lock(&self.weights).used.used(client(ip), now_us)
    }

    /// Counts new orders, or refuses them with `-1015`.
    pub fn count_orders(&self, account: AccountId, count: u32, now_us: u64) -> Result<Counted, ApiError> {
        let mut refused = lock(&self.refused_orders);
        if refused.used(account, now_us) >= self.refused_orders_per_10s {
            let left = refused.seconds_left(now_us);
            return Err(ApiError::too_many_refused_orders(self.refused_orders_per_10s, left));
        }
        drop(refused);
        let mut orders = lock(&self.unfilled.orders);
        let counts = OrderCounts {
            per_10s: orders.per_10s.used(account, now_us).saturating_add(count),
            per_day: orders.per_day.used(account, now_us).saturating_add(count),
        };
        if counts.per_10s > self.orders_per_10s {
            let left = orders.per_10s.seconds_left(now_us);
            return Err(ApiError::too_many_orders(self.orders_per_10s, "10 SECOND", left));
        }
        if counts.per_day > self.orders_per_day {
            let left = orders.per_day.seconds_left(now_us);
            return Err(ApiError::too_many_orders(self.orders_per_day, "1 DAY", left));
        }
        orders.per_10s.set(account, counts.per_10s);
        orders.per_day.set(account, counts.per_day);
        Ok(Counted { counts, window_of_10s: orders.per_10s.number, window_of_day: orders.per_day.number })
    }

    /// Orders that were counted were refused: what is refused does not count, but for the limit of refused ones. Returns what
    /// does.
    pub fn refuse_orders(&self, account: AccountId, count: u32, counted: Counted, now_us: u64) -> OrderCounts {
        let mut refused = lock(&self.refused_orders);
        let used = refused.used(account, now_us).saturating_add(count);
        refused.set(account, used);
        drop(refused);
        self.uncount_orders(account, count, counted, now_us)
    }

    /// Orders that were counted were not placed, for no fault of the account's. Returns what counts.
    pub fn uncount_orders(&self, account: AccountId, count: u32, counted: Counted, now_us: u64) -> OrderCounts {
        self.unfilled.give_back(account, count, |window| match window.length_us {
            DAY_US => counted.window_of_day,
            _ => counted.window_of_10s,
        });
        self.orders(account, now_us)
    }

    /// What the account has used of its order limits.
    pub fn orders(&self, account: AccountId, now_us: u64) -> OrderCounts {
        let mut orders = lock(&self.unfilled.orders);
        OrderCounts { per_10s: orders.per_10s.used(account, now_us), per_day: orders.per_day.used(account, now_us) }
    }
}

/// Whom an address is counted for.
pub(crate) fn client(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & NETWORK_BITS).into(),
    }
}

fn banned(until_us: u64, now_us: u64) -> ApiError {
    let left_s = until_us.saturating_sub(now_us).div_ceil(SECOND_US);
    ApiError::banned(until_us / 1_000, u32::try_from(left_s).unwrap_or(u32::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What each client has used since the present window began.
struct Window<K> {
    length_us: u64,
    number: u64,
    used: HashMap<K, u32>,
}

impl<K: Hash + Eq> Window<K> {
    fn new(length_us: u64) -> Window<K> {
        Window { length_us, number: 0, used: HashMap::new() }
    }

    /// Until the present window ends, of a clock that has been looked at for it, and may have been looked at late.
    fn seconds_left(&self, now_us: u64) -> u32 {
        let ends_us = (self.number + 1).saturating_mul(self.length_us);
        let left_us = ends_us.saturating_sub(now_us);
        u32::try_from(left_us.div_ceil(SECOND_US)).unwrap_or(u32::MAX)
    }
}

/// Who is known to the exchange: there are as many as it has listed.
trait Known: Hash + Eq {}
impl Known for AccountId {}
impl Known for ApiKeyText {}

impl<K: Known> Window<K> {
    fn used(&mut self, who: K, now_us: u64) -> u32 {
        self.turn(now_us);
        self.used.get(&who).copied().unwrap_or(0)
    }

    fn set(&mut self, who: K, used: u32) {
        self.used.insert(who, used);
    }
}

impl Window<Option<IpAddr>> {
    fn used(&mut self, ip: IpAddr, now_us: u64) -> u32 {
        self.turn(now_us);
        let key = self.key(ip);
        self.used.get(&key).copied().unwrap_or(0)
    }

    fn set(&mut self, ip: IpAddr, used: u32) {
        let key = self.key(ip);
        self.used.insert(key, used);
    }

    fn key(&self, ip: IpAddr) -> Option<IpAddr> {
        (self.used.len() < ADDRESSES_MAX || self.used.contains_key(&Some(ip))).then_some(ip)
    }
}

impl<K: Hash + Eq> Window<K> {
    fn turn(&mut self, now_us: u64) {
        let number = now_us / self.length_us;
        let begun_us = self.number.saturating_mul(self.length_us);
        let is_late = now_us < begun_us && begun_us - now_us <= LATE_MAX_US;
        if number != self.number && !is_late {
            self.number = number;
            self.used.clear();
        }
    }
}

#[cfg(test)]
mod tests;
