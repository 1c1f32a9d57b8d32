//! Who has logged on by which key, and from where: a session of the WebSocket API lasts as long as its key may be used from
//! there. One that has ended stays so, whatever becomes of the key after that.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use wire::ApiKeyText;

use super::Accounts;
use super::user_events::Right;
use crate::auth::Caller;

/// The sessions of every key.
#[derive(Default)]
pub(super) struct LogOns {
    by_key: Mutex<HashMap<ApiKeyText, Vec<LogOn>>>,
}

struct LogOn {
    ip: IpAddr,
    right: Right,
}

impl LogOns {
    fn add(&self, key: ApiKeyText, ip: IpAddr) -> Right {
        let right = Right::default();
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let known = by_key.entry(key).or_default();
        // Before room is made for more: what a key has had of them at a time is what is kept at most, and once more.
        if known.len() == known.capacity() {
            known.retain(|log_on| log_on.right.is_shared());
        }
        known.push(LogOn { ip, right: right.clone() });
        right
    }

    /// Ends those of a key from where it is no longer allowed.
    pub(super) fn end(&mut self, key: &ApiKeyText, allows: impl Fn(IpAddr) -> bool) {
        let by_key = self.by_key.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = by_key.get_mut(key) else { return };
        known.retain(|log_on| {
            let is_ended = !allows(log_on.ip);
            if is_ended {
                log_on.right.end();
            }
            !is_ended
        });
        if known.is_empty() {
            by_key.remove(key);
        }
    }
}

impl Accounts {
    /// A session of the caller's, which lasts for as long as its key may be used from `ip`; `None` when that is over already.
    pub fn log_on(&self, caller: &Caller, ip: IpAddr) -> Option<Right> {
        self.keys.allows(&caller.key, ip).then(|| self.log_ons.add(caller.key, ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_log_ons_that_are_over_no_more_are_kept_than_there_were_at_a_time() {
        let (log_ons, key) = (LogOns::default(), ApiKeyText::new(&[b'k'; 64]).unwrap());
        let kept = || log_ons.by_key.lock().unwrap()[&key].len();
        let add = || log_ons.add(key, IpAddr::from([127, 0, 0, 1]));
        let held: Vec<Right> = (0..64).map(|_| add()).collect();
        let room = log_ons.by_key.lock().unwrap()[&key].capacity();
        assert_eq!((kept(), room), (64, 64), "there is room for none more");
        // Each is over when the next one comes.
        let most = (0..10_000).map(|_| (drop(add()), kept()).1).max();
        assert_eq!(most, Some(128), "as many once more");
        drop(held.into_iter().skip(1).collect::<Vec<_>>());
        (0..10_000).for_each(|_| drop(add()));
        assert!(kept() <= 128);
    }

    #[test]
    fn a_log_on_that_lasts_ends_with_its_key_however_many_came_after_it() {
        let (mut log_ons, key) = (LogOns::default(), ApiKeyText::new(&[b'k'; 64]).unwrap());
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let (first, elsewhere) = (log_ons.add(key, here), log_ons.add(key, there));
        (0..1_000).for_each(|_| drop(log_ons.add(key, here)));
        log_ons.end(&key, |ip| ip == there);
        assert_eq!((first.holds(), elsewhere.holds()), (false, true));
        log_ons.end(&key, |_| false);
        assert!(
            !elsewhere.holds() && log_ons.by_key.get_mut().unwrap().is_empty(),
            "of a key that is gone nothing is kept"
        );
    }
}
