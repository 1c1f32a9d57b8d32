//! Addresses that go on after they were told to wait.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{DAY_US, MINUTE_US};

/// The first ban's length; each further one within a day is twice as long as the one before.
const FIRST_US: u64 = 2 * MINUTE_US;
const LONGEST_US: u64 = 3 * DAY_US;
/// Bans remembered; when there are more, those that are over are forgotten, and no further address is banned while
/// none is.
const REMEMBERED_MAX: usize = 10_000;

/// Who is banned, and who was lately.
pub(super) struct Bans {
    after_refusals: u32,
    by_ip: HashMap<IpAddr, Ban>,
}

struct Ban {
    until_us: u64,
    /// Bans in a row, with less than a day between them.
    count: u32,
}

impl Bans {
    /// A ban follows when more than `after_refusals` requests were refused within a minute; 0 for never.
    pub(super) fn new(after_refusals: u32) -> Bans {
        Bans { after_refusals, by_ip: HashMap::new() }
    }

    /// When the address's ban ends, if it is banned.
    pub(super) fn until(&self, ip: IpAddr, now_us: u64) -> Option<u64> {
        self.by_ip.get(&ip).map(|ban| ban.until_us).filter(|until_us| *until_us > now_us)
    }

    /// Bans an address that has been refused so often in the present minute, and says until when.
    pub(super) fn consider(&mut self, ip: IpAddr, refused: u32, now_us: u64) -> Option<u64> {
        if self.after_refusals == 0 || refused <= self.after_refusals {
            return None;
        }
        if self.by_ip.len() >= REMEMBERED_MAX {
            self.by_ip.retain(|_, ban| ban.until_us + DAY_US > now_us);
            if self.by_ip.len() >= REMEMBERED_MAX && !self.by_ip.contains_key(&ip) {
                return None;
            }
        }
        let before = self.by_ip.get(&ip).filter(|ban| ban.until_us + DAY_US > now_us).map_or(0, |ban| ban.count);
        let length_us = FIRST_US.saturating_mul(1 << before.min(20)).min(LONGEST_US);
        let until_us = now_us + length_us;
        self.by_ip.insert(ip, Ban { until_us, count: before + 1 });
        Some(until_us)
    }
}
