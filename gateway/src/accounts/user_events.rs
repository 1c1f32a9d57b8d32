//! User events: who listens to which account, over bounded queues.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use wire::{AccountId, ApiKeyText};

use crate::auth::Caller;

/// The user events of one account, each one JSON object (`executionReport`, `outboundAccountPosition`,
/// `balanceUpdate`), serialised once for all subscribers, in log order.
pub struct UserEvents {
    receiver: mpsc::Receiver<Arc<str>>,
}

impl UserEvents {
    /// Of a subscriber that has no right to any.
    pub(super) fn ended() -> UserEvents {
        UserEvents { receiver: mpsc::channel(1).1 }
    }

    /// The next event. `None` when this subscriber fell so far behind that it was cut off: the client must be
    /// told, and read its state anew.
    pub async fn recv(&mut self) -> Option<Arc<str>> {
        self.receiver.recv().await
    }
}

/// The subscribers of every account. A queue that is full ends its subscription, so that no subscriber
/// delays another or grows without bound.
pub(super) struct Subscribers {
    queued_max: usize,
    by_account: Mutex<HashMap<AccountId, Vec<Subscription>>>,
}

struct Subscription {
    sender: mpsc::Sender<Arc<str>>,
    by: Listener,
}

/// By which right somebody listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listener {
    key: ApiKeyText,
    ip: IpAddr,
    is_by_listen_key: bool,
}

impl Listener {
    pub(super) fn new(caller: &Caller, ip: IpAddr, is_by_listen_key: bool) -> Listener {
        Listener { key: caller.key, ip, is_by_listen_key }
    }
}

impl Subscribers {
    pub(super) fn new(queued_max: usize) -> Subscribers {
        Subscribers { queued_max, by_account: Mutex::default() }
    }

    pub(super) fn subscribe(&self, account: AccountId, by: Listener) -> UserEvents {
        let (sender, receiver) = mpsc::channel(self.queued_max);
        let mut by_account = self.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        let senders = by_account.entry(account).or_default();
        senders.retain(|known| !known.sender.is_closed());
        senders.push(Subscription { sender, by });
        UserEvents { receiver }
    }

    /// Cuts off who subscribed by a listen key.
    pub(super) fn end_listen_keys(&self, account: AccountId) {
        let mut by_account = self.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(senders) = by_account.get_mut(&account) {
            senders.retain(|known| !known.by.is_by_listen_key);
        }
    }

    /// Cuts off who listens to the account by this key, from where it is no longer allowed.
    pub(super) fn end_key(&mut self, account: AccountId, key: &ApiKeyText, allows: impl Fn(IpAddr) -> bool) {
        let by_account = self.by_account.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(senders) = by_account.get_mut(&account) {
            senders.retain(|known| known.by.key != *key || allows(known.by.ip));
        }
    }

    /// Whether anybody listens: events nobody listens to are not serialised.
    pub(super) fn listens(&mut self, account: AccountId) -> bool {
        let by_account = self.by_account.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(senders) = by_account.get_mut(&account) else { return false };
        senders.retain(|known| !known.sender.is_closed());
        if senders.is_empty() {
            by_account.remove(&account);
            return false;
        }
        true
    }

    pub(super) fn publish(&mut self, account: AccountId, event: &str) {
        let by_account = self.by_account.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(senders) = by_account.get_mut(&account) {
            let event: Arc<str> = event.into();
            senders.retain(|known| known.sender.try_send(Arc::clone(&event)).is_ok());
        }
    }
}
