//! API keys, with what their signatures are checked with.

use std::collections::HashMap;

use ed25519_dalek::VerifyingKey;
use wire::ApiKeyText;
use wire::command::ApiKeyKind;
use wire::event::ApiKeyAdded;
use zeroize::Zeroizing;

use crate::auth::{Caller, Verifier};

/// Every API key of the exchange. Secrets lie sealed in the log and are open here, in memory, alone.
pub(super) struct Keys {
    by_text: HashMap<ApiKeyText, (Caller, Verifier)>,
    envelope_key: Zeroizing<[u8; 32]>,
}

impl Keys {
    pub(super) fn new(envelope_key: [u8; 32]) -> Keys {
        Keys { by_text: HashMap::new(), envelope_key: Zeroizing::new(envelope_key) }
    }

    pub(super) fn get(&self, key: &ApiKeyText) -> Option<(Caller, Verifier)> {
        self.by_text.get(key).cloned()
    }

    pub(super) fn add(&mut self, added: &ApiKeyAdded) {
        let Some(verifier) = self.verifier(added) else {
            tracing::warn!(key = %added.key, "an API key is unusable at this gateway: its material cannot be opened");
            return;
        };
        let caller = Caller { account: added.account, key: added.key, permissions: added.permissions };
        self.by_text.insert(added.key, (caller, verifier));
    }

    pub(super) fn revoke(&mut self, key: &ApiKeyText) {
        self.by_text.remove(key);
    }

    fn verifier(&self, added: &ApiKeyAdded) -> Option<Verifier> {
        let material = added.secret.as_bytes();
        match added.kind {
            ApiKeyKind::Hmac => {
                let secret = cluster_client::envelope::open(&self.envelope_key, added.key.as_str(), material);
                secret.ok().map(|secret| Verifier::Hmac(Zeroizing::new(secret)))
            }
            ApiKeyKind::Ed25519 => {
                let bytes = material.try_into().ok()?;
                VerifyingKey::from_bytes(bytes).ok().map(Verifier::Ed25519)
            }
        }
    }
}
