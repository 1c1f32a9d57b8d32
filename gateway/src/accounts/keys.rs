//! API keys, with what their signatures are checked with and from where they may be used; and listen keys, which
//! stand for an API key in the path of a user stream.
//!
//! A listen key is made from its API key and the gateways' common secret, so that every gateway knows it without
//! having been told, and nobody else can guess it.

use std::collections::HashMap;
use std::net::IpAddr;

use ed25519_dalek::VerifyingKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wire::command::ApiKeyKind;
use wire::event::{ApiKeyAdded, ApiKeyExtended, ApiKeyRestricted};
use wire::{ApiKeyText, Networks};
use zeroize::Zeroizing;

use crate::auth::{Caller, RsaKey, Verifier};

/// Every API key of the exchange. Secrets lie sealed in the log and are open here, in memory, alone.
pub(super) struct Keys {
    by_text: HashMap<ApiKeyText, Key>,
    by_listen_key: HashMap<String, ApiKeyText>,
    envelope_key: Zeroizing<[u8; 32]>,
}

struct Key {
    caller: Caller,
    /// `None` as long as parts of its material are missing, or when it cannot be opened.
    verifier: Option<Verifier>,
    networks: Networks,
    listen_key: String,
    /// What has come of an RSA key's material.
    gathered: Vec<u8>,
}

impl Keys {
    pub(super) fn new(envelope_key: [u8; 32]) -> Keys {
        Keys { by_text: HashMap::new(), by_listen_key: HashMap::new(), envelope_key: Zeroizing::new(envelope_key) }
    }

    pub(super) fn get(&self, key: &ApiKeyText, ip: IpAddr) -> Option<(Caller, Verifier)> {
        let key = self.by_text.get(key).filter(|key| key.networks.allow(ip))?;
        Some((key.caller, key.verifier.clone()?))
    }

    pub(super) fn listener(&self, listen_key: &str, ip: IpAddr) -> Option<Caller> {
        let key = self.by_listen_key.get(listen_key)?;
        self.get(key, ip).map(|(caller, _)| caller)
    }

    pub(super) fn listen_key_of(&self, key: &ApiKeyText) -> Option<&str> {
        self.by_text.get(key).map(|key| key.listen_key.as_str())
    }

    pub(super) fn add(&mut self, added: &ApiKeyAdded) {
        let mut key = Key {
            caller: Caller {
                account: added.account,
                key: added.key,
                id: added.id,
                permissions: added.permissions,
                is_bound: false,
                asked_us: 0,
                session: Default::default(),
            },
            verifier: None,
            networks: Networks::NONE,
            listen_key: self.listen_key(&added.key),
            gathered: Vec::new(),
        };
        match added.kind {
            ApiKeyKind::Rsa => key.gather(added.secret.as_bytes()),
            kind => {
                key.verifier = self.verifier(kind, added);
                if key.verifier.is_none() {
                    tracing::warn!(account = %added.account, "an API key is unusable here: its material cannot be opened");
                }
            }
        }
        self.by_listen_key.insert(key.listen_key.clone(), added.key);
        self.by_text.insert(added.key, key);
    }

    pub(super) fn extend(&mut self, extended: &ApiKeyExtended) {
        if let Some(key) = self.by_text.get_mut(&extended.key) {
            key.gather(extended.material.as_bytes());
        }
    }

    pub(super) fn restrict(&mut self, restricted: &ApiKeyRestricted) {
        if let Some(key) = self.by_text.get_mut(&restricted.key) {
            key.networks = restricted.networks;
            key.caller.is_bound = restricted.networks != Networks::NONE;
        }
    }

    /// Whether a key may still be used from `ip`.
    pub(super) fn allows(&self, key: &ApiKeyText, ip: IpAddr) -> bool {
        self.by_text.get(key).is_some_and(|key| key.networks.allow(ip))
    }

    pub(super) fn revoke(&mut self, key: &ApiKeyText) {
        if let Some(key) = self.by_text.remove(key) {
            self.by_listen_key.remove(&key.listen_key);
        }
    }

    fn verifier(&self, kind: ApiKeyKind, added: &ApiKeyAdded) -> Option<Verifier> {
        let material = added.secret.as_bytes();
        match kind {
            ApiKeyKind::Hmac => {
                let secret = cluster_client::envelope::open(&self.envelope_key, added.key.as_str(), material);
                secret.ok().map(|secret| Verifier::Hmac(Zeroizing::new(secret)))
            }
            ApiKeyKind::Ed25519 => {
                let bytes = material.try_into().ok()?;
                VerifyingKey::from_bytes(bytes).ok().map(Verifier::Ed25519)
            }
            ApiKeyKind::Rsa => None,
        }
    }

    /// 64 letters and digits, as clients expect them.
    fn listen_key(&self, key: &ApiKeyText) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.envelope_key[..]).expect("HMAC takes any key");
        mac.update(b"listen key of ");
        mac.update(key.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

impl Key {
    /// Takes the next bytes of an RSA key; it is usable when as many have come as the first ones said.
    fn gather(&mut self, part: &[u8]) {
        self.gathered.extend_from_slice(part);
        self.verifier = RsaKey::from_material(&self.gathered).map(Verifier::Rsa);
    }
}
