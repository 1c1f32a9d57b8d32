//! What clients have used of their limits: request weight per address, new orders per account.
//!
//! Counted in fixed windows that start on the minute, on ten seconds and on the day (UTC), as the response
//! headers announce them. A new window forgets the old one, so the tables never outgrow one window's clients.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wire::AccountId;

use crate::config::Limits;
use crate::errors::ApiError;

const SECOND_US: u64 = 1_000_000;
const MINUTE_US: u64 = 60 * SECOND_US;
const DAY_US: u64 = 24 * 60 * MINUTE_US;

/// Addresses told apart within one window; further ones share a count.
const ADDRESSES_MAX: usize = 100_000;

/// Counts, and the limits they are held against.
pub struct Throttle {
    weight_per_minute: u32,
    orders_per_10s: u32,
    orders_per_day: u32,
    weights: Mutex<Window<Option<IpAddr>>>,
    orders: Mutex<Orders>,
}

struct Orders {
    per_10s: Window<AccountId>,
    per_day: Window<AccountId>,
}

/// How many new orders an account has sent in its present windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderCounts {
    /// In the present 10 seconds.
    pub per_10s: u32,
    /// In the present day.
    pub per_day: u32,
}

impl Throttle {
    /// With nothing used.
    pub fn new(limits: &Limits) -> Throttle {
        Throttle {
            weight_per_minute: limits.weight_per_minute,
            orders_per_10s: limits.orders_per_10s,
            orders_per_day: limits.orders_per_day,
            weights: Mutex::new(Window::new(MINUTE_US)),
            orders: Mutex::new(Orders { per_10s: Window::new(10 * SECOND_US), per_day: Window::new(DAY_US) }),
        }
    }

    /// Adds a request's weight and returns what the address has used in the present minute, or refuses with
    /// `-1003` and HTTP 429.
    pub fn weigh(&self, ip: IpAddr, weight: u32, now_us: u64) -> Result<u32, ApiError> {
        let mut weights = lock(&self.weights);
        let used = weights.used(ip, now_us).saturating_add(weight);
        if used > self.weight_per_minute {
            return Err(ApiError::too_much_weight(self.weight_per_minute, weights.seconds_left(now_us)));
        }
        weights.set(ip, used);
        Ok(used)
    }

    /// What the address has used in the present minute.
    pub fn used_weight(&self, ip: IpAddr, now_us: u64) -> u32 {
        lock(&self.weights).used(ip, now_us)
    }

    /// Counts a new order, or refuses it with `-1015`.
    pub fn count_order(&self, account: AccountId, now_us: u64) -> Result<OrderCounts, ApiError> {
        let mut orders = lock(&self.orders);
        let counts = OrderCounts {
            per_10s: orders.per_10s.used(account, now_us).saturating_add(1),
            per_day: orders.per_day.used(account, now_us).saturating_add(1),
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
        Ok(counts)
    }

    /// What the account has used of its order limits.
    pub fn orders(&self, account: AccountId, now_us: u64) -> OrderCounts {
        let mut orders = lock(&self.orders);
        OrderCounts { per_10s: orders.per_10s.used(account, now_us), per_day: orders.per_day.used(account, now_us) }
    }
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

    fn seconds_left(&self, now_us: u64) -> u32 {
        let left_us = self.length_us - now_us % self.length_us;
        u32::try_from(left_us.div_ceil(SECOND_US)).unwrap_or(u32::MAX)
    }
}

impl Window<AccountId> {
    fn used(&mut self, account: AccountId, now_us: u64) -> u32 {
        self.turn(now_us);
        self.used.get(&account).copied().unwrap_or(0)
    }

    fn set(&mut self, account: AccountId, used: u32) {
        self.used.insert(account, used);
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
        if number != self.number {
            self.number = number;
            self.used.clear();
        }
    }
}

#[cfg(test)]
mod tests;
