//! What operators open by hand: assets, accounts and their API keys, and money that comes and goes without a chain.

use wire::command::{AddApiKey, Credit, Debit, ExtendApiKey, ListAsset, OpenAccount, RestrictApiKey, RevokeApiKey};
use wire::event::{ApiKeyExtended, ApiKeyRestricted, ApiKeyRevoked, Credited, Debited};
use wire::{AccountId, AssetId, Event, RejectReason};

use super::{Answer, LedgerCell};
use crate::effects::Effects;
use crate::version::Behaviour;

impl LedgerCell {
    pub(crate) fn list_asset(&mut self, list: &ListAsset, effects: &mut Effects<'_>) -> Answer {
        let listed = self.registry.check_asset(list)?;
        self.registry.add_asset(listed);
        self.balances.add_asset();
        effects.tell(Event::AssetListed(listed));
        Ok(listed.asset.get().into())
    }

    pub(crate) fn open_account(&mut self, open: &OpenAccount, effects: &mut Effects<'_>) -> Answer {
        let opened = self.registry.check_account(open)?;
        self.registry.add_account(opened);
        self.balances.add_account();
        self.orders.add_account();
        self.conduct.add_account();
        self.fees.add_account(opened.maker_fee, opened.taker_fee);
        effects.tell(Event::AccountOpened(opened));
        Ok(opened.account.get().into())
    }

    pub(crate) fn add_api_key(&mut self, add: &AddApiKey, effects: &mut Effects<'_>) -> Answer {
        let added = self.registry.check_key(add)?;
        self.registry.add_key(added);
        self.conduct.add_key(added.id, added.account);
        effects.tell(Event::ApiKeyAdded(Box::new(added)));
        Ok(added.id.get().into())
    }

    pub(crate) fn revoke_api_key(&mut self, revoke: &RevokeApiKey, effects: &mut Effects<'_>) -> Answer {
        let removed = self.registry.remove_key(&revoke.key)?;
        self.conduct.remove_key(removed.id);
        effects.tell(Event::ApiKeyRevoked(ApiKeyRevoked { account: removed.account, key: removed.key }));
        Ok(0)
    }

    pub(crate) fn restrict_api_key(&mut self, restrict: &RestrictApiKey, effects: &mut Effects<'_>) -> Answer {
        let RestrictApiKey { key, networks } = *restrict;
        let account = self.registry.key_owner(&key)?;
        effects.tell(Event::ApiKeyRestricted(Box::new(ApiKeyRestricted { account, key, networks })));
        Ok(0)
    }

    pub(crate) fn extend_api_key(&mut self, extend: &ExtendApiKey, effects: &mut Effects<'_>) -> Answer {
        let account = self.registry.extend_key(extend)?;
        let ExtendApiKey { key, part, material } = *extend;
        effects.tell(Event::ApiKeyExtended(Box::new(ApiKeyExtended { account, key, part, material })));
        Ok(0)
    }

    pub(crate) fn credit(&mut self, credit: &Credit, behaviour: Behaviour, effects: &mut Effects<'_>) -> Answer {
        let Credit { account, asset, amount } = *credit;
        self.registry.account(account)?;
        self.registry.asset(asset)?;
        if amount.is_zero() {
            return Err(RejectReason::ZeroAmount.into());
        }
        if !self.balances.can_credit(asset, amount) {
            return Err(RejectReason::BalanceTooLarge.into());
        }
        self.balances.credit(account, asset, amount);
        effects.tell(Event::Credited(Credited { account, asset, amount }));
        Ok(self.free_told(account, asset, behaviour))
    }

    pub(crate) fn debit(&mut self, debit: &Debit, behaviour: Behaviour, effects: &mut Effects<'_>) -> Answer {
        let Debit { account, asset, amount } = *debit;
        self.registry.account(account)?;
        self.registry.asset(asset)?;
        if amount.is_zero() {
            return Err(RejectReason::ZeroAmount.into());
        }
        if self.balances.get(account, asset).free < amount {
            return Err(RejectReason::InsufficientBalance.into());
        }
        self.balances.debit(account, asset, amount);
        effects.tell(Event::Debited(Debited { account, asset, amount }));
        Ok(self.free_told(account, asset, behaviour))
    }

    /// What the answer to a credit or a debit says: what is free after it, by behaviours that say so.
    fn free_told(&self, account: AccountId, asset: AssetId, behaviour: Behaviour) -> u64 {
        if behaviour.tells_free() { self.balances.get(account, asset).free.units().unsigned_abs() } else { 0 }
    }
}
