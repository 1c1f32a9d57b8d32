//! API keys: who has which, and whose orders are stopped with one. `engine/src/ledger/registry.rs`, `conduct.rs` and
//! `mass_cancel.rs` state the rules.

use wire::command::{AddApiKey, ApiKeyKind, ExtendApiKey, RestrictApiKey, RevokeApiKey, SetKillSwitch};
use wire::event::{ApiKeyAdded, ApiKeyExtended, ApiKeyRestricted, ApiKeyRevoked, KillSwitchChanged};
use wire::{AccountId, ApiKeyId, ApiKeyText, CancelCause, Event, RejectReason};

use super::{Answer, Ledger, Refused, no};

/// An API key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    name: ApiKeyText,
    id: ApiKeyId,
    account: AccountId,
    kind: ApiKeyKind,
    /// Parts of its material beside the first.
    parts: u8,
    pub(super) is_killed: bool,
}

impl Ledger {
    fn key(&mut self, name: &ApiKeyText) -> Result<&mut Key, Refused> {
        self.keys.iter_mut().find(|key| key.name == *name).ok_or((RejectReason::UnknownApiKey, 0))
    }

    pub(super) fn add_api_key(&mut self, add: &AddApiKey) -> Answer {
        let AddApiKey { account, key, kind, permissions, secret } = *add;
        self.account(account)?;
        if self.key(&key).is_ok() {
            return no(RejectReason::ApiKeyExists);
        }
        if key.is_empty() {
            return no(RejectReason::Malformed);
        }
        self.last_key += 1;
        let id = ApiKeyId::new(self.last_key);
        self.keys.push(Key { name: key, id, account, kind, parts: 0, is_killed: false });
        self.events.push(Event::ApiKeyAdded(Box::new(ApiKeyAdded { account, key, kind, permissions, secret, id })));
        Ok(self.last_key.into())
    }

    /// Its orders stay.
    pub(super) fn revoke_api_key(&mut self, revoke: &RevokeApiKey) -> Answer {
        let Key { account, id, .. } = *self.key(&revoke.key)?;
        self.keys.retain(|key| key.id != id);
        self.events.push(Event::ApiKeyRevoked(ApiKeyRevoked { account, key: revoke.key }));
        Ok(0)
    }

    pub(super) fn restrict_api_key(&mut self, restrict: &RestrictApiKey) -> Answer {
        let RestrictApiKey { key, networks } = *restrict;
        let account = self.key(&key)?.account;
        self.events.push(Event::ApiKeyRestricted(Box::new(ApiKeyRestricted { account, key, networks })));
        Ok(0)
    }

    pub(super) fn extend_api_key(&mut self, extend: &ExtendApiKey) -> Answer {
        let ExtendApiKey { key, part, material } = *extend;
        let known = self.key(&key)?;
        let is_next = part == known.parts + 1 && part <= ExtendApiKey::PARTS_MAX;
        if !is_next || known.kind != ApiKeyKind::Rsa || material.as_bytes().is_empty() {
            return no(RejectReason::BadKeyMaterial);
        }
        known.parts = part;
        let account = known.account;
        self.events.push(Event::ApiKeyExtended(Box::new(ApiKeyExtended { account, key, part, material })));
        Ok(0)
    }

    /// Whether an account may place an order with a key; 0 is none.
    pub(super) fn check_key(&self, account: AccountId, id: ApiKeyId) -> Result<(), Refused> {
        match self.keys.iter().find(|key| key.id == id && key.account == account) {
            _ if id.get() == 0 => Ok(()),
            None => no(RejectReason::UnknownApiKey),
            Some(key) if key.is_killed => no(RejectReason::ApiKeyKilled),
            Some(_) => Ok(()),
        }
    }

    /// Stops a key: its orders are canceled one by one.
    pub(super) fn kill_key(&mut self, set: &SetKillSwitch) -> Answer {
        let SetKillSwitch { account, ref key, is_engaged } = *set;
        let known = self.key(key)?;
        if known.account != account {
            return no(RejectReason::UnknownApiKey);
        }
        known.is_killed = is_engaged;
        let id = known.id;
        self.events.push(Event::KillSwitchChanged(KillSwitchChanged { account, key: id, is_engaged }));
        let of_key = self.orders.iter().filter(|order| is_engaged && order.key == id && order.account == account.get());
        let mut of_key: Vec<u64> = of_key.map(|order| order.id).collect();
        of_key.sort_unstable();
        Ok(self.pull_each(&of_key, CancelCause::KillSwitch))
    }
}
