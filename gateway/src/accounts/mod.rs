//! The private projections of the ledger's events: API keys, balances, orders and fills of every account, and
//! the user events made from them.
//!
//! All of it can be rebuilt from the log. Open orders are kept for ever; closed orders and fills up to a
//! bound per account ([`Limits`]), the oldest are forgotten first.

mod user_events;

use std::collections::HashMap;

use ed25519_dalek::VerifyingKey;
use wire::command::ApiKeyKind;
use wire::event::ApiKeyAdded;
use wire::{AccountId, ApiKeyText, Event, LogPosition, Timestamp};
use zeroize::Zeroizing;

use crate::auth::{Caller, Verifier};
use crate::config::Limits;
use crate::reference::Reference;

pub use user_events::UserEvents;

/// Every account of the exchange.
pub struct Accounts {
    keys: HashMap<ApiKeyText, (Caller, Verifier)>,
    subscribers: user_events::Subscribers,
    envelope_key: Zeroizing<[u8; 32]>,
}

impl Accounts {
    /// Before any event. Sealed secrets of API keys are opened with `envelope_key`.
    pub fn new(limits: &Limits, envelope_key: [u8; 32]) -> Accounts {
        Accounts {
            keys: HashMap::new(),
            subscribers: user_events::Subscribers::new(limits.user_events_queued),
            envelope_key: Zeroizing::new(envelope_key),
        }
    }

    /// The caller and verifier of an API key.
    pub fn key(&self, key: &ApiKeyText) -> Option<(Caller, Verifier)> {
        self.keys.get(key).cloned()
    }

    /// Every event of the account from now on, in log order.
    pub fn subscribe(&self, account: AccountId) -> UserEvents {
        self.subscribers.subscribe(account)
    }

    pub(crate) fn apply(&mut self, _position: LogPosition, _now: Timestamp, events: &[Event], _reference: &Reference) {
        for event in events {
            match event {
                Event::ApiKeyAdded(added) => self.add_key(added),
                Event::ApiKeyRevoked(revoked) => {
                    self.keys.remove(&revoked.key);
                }
                _ => {}
            }
        }
    }

    fn add_key(&mut self, added: &ApiKeyAdded) {
        let Some(verifier) = self.verifier(added) else {
            tracing::warn!(key = %added.key, "an API key cannot be used here: its material cannot be opened");
            return;
        };
        let caller = Caller { account: added.account, key: added.key, permissions: added.permissions };
        self.keys.insert(added.key, (caller, verifier));
    }

    fn verifier(&self, added: &ApiKeyAdded) -> Option<Verifier> {
        match added.kind {
            ApiKeyKind::Hmac => {
                let secret =
                    cluster_client::envelope::open(&self.envelope_key, added.key.as_str(), added.secret.as_bytes());
                secret.ok().map(|secret| Verifier::Hmac(Zeroizing::new(secret)))
            }
            ApiKeyKind::Ed25519 => {
                let bytes = added.secret.as_bytes().try_into().ok()?;
                VerifyingKey::from_bytes(bytes).ok().map(Verifier::Ed25519)
            }
        }
    }
}
