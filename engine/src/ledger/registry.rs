//! What operators have made known to the ledger: assets, accounts, API keys and markets.

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{AddApiKey, ApiKeyKind, ExtendApiKey, ListAsset, ListMarket, OpenAccount};
use wire::event::{AccountOpened, ApiKeyAdded, AssetListed, MarketListed};
use wire::{
    AccountId, AccountName, ApiKeyId, ApiKeyText, AssetId, MarketId, MarketRules, MarketScale, MarketStatus,
    RejectReason,
};

use super::Refused;
use crate::limits::Limits;

/// The most decimals of a ledger unit.
const LEDGER_DECIMALS_MAX: u8 = 18;

/// A market as the ledger knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Market {
    pub(super) listed: MarketListed,
    /// A copy of the market's phase.
    pub(super) status: MarketStatus,
    /// Counts what the market was told.
    pub(super) version: u32,
}

/// An API key as the ledger knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    added: ApiKeyAdded,
    /// Parts of material beside the first.
    parts: u8,
}

/// What ids and units mean, for who shows them to people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listings {
    /// By id.
    pub assets: Vec<AssetListed>,
    /// By id, as they were listed.
    pub markets: Vec<MarketListed>,
    /// By id.
    pub accounts: Vec<AccountOpened>,
}

/// Rows by dense id, from 1, and the names that lead to them.
pub(super) struct Registry {
    limits: Limits,
    assets: Vec<AssetListed>,
    accounts: Vec<AccountOpened>,
    names: BTreeMap<AccountName, AccountId>,
    keys: BTreeMap<ApiKeyText, Key>,
    last_key: ApiKeyId,
    markets: Vec<Market>,
}

impl Registry {
    pub(super) fn new(limits: &Limits) -> Registry {
        Registry {
            limits: *limits,
            assets: Vec::with_capacity(usize::from(limits.assets_max)),
            accounts: Vec::with_capacity(limits.accounts_max as usize),
            names: BTreeMap::new(),
            keys: BTreeMap::new(),
            last_key: ApiKeyId::ZERO,
            markets: Vec::with_capacity(usize::from(limits.markets_max)),
        }
    }

    pub(super) fn listings(&self) -> Listings {
        let markets = self.markets.iter().map(|market| market.listed).collect();
        Listings { assets: self.assets.clone(), markets, accounts: self.accounts.clone() }
    }

    #[inline]
    pub(super) fn account(&self, account: AccountId) -> Result<&AccountOpened, Refused> {
        row(&self.accounts, account.get() as usize).ok_or(Refused::because(RejectReason::UnknownAccount))
    }

    pub(super) fn asset(&self, asset: AssetId) -> Result<&AssetListed, Refused> {
        row(&self.assets, usize::from(asset.get())).ok_or(Refused::because(RejectReason::UnknownAsset))
    }

    #[inline]
    pub(super) fn market(&self, market: MarketId) -> Result<&Market, Refused> {
        row(&self.markets, usize::from(market.get())).ok_or(Refused::because(RejectReason::UnknownMarket))
    }

    /// A market that is not gone for ever.
    pub(super) fn listed_market(&self, market: MarketId) -> Result<&Market, Refused> {
        let is_gone = |market: &&Market| market.status == MarketStatus::Delisted;
        match self.market(market) {
            Ok(market) if is_gone(&market) => Err(Refused::because(RejectReason::MarketDelisted)),
            known => known,
        }
    }

    pub(super) fn check_asset(&self, list: &ListAsset) -> Result<AssetListed, Refused> {
        let ListAsset { symbol, ledger_decimals } = *list;
        if let Some(known) = self.assets.iter().find(|asset| asset.symbol == symbol) {
            return Err(Refused::naming(RejectReason::AssetExists, u64::from(known.asset.get())));
        }
        if symbol.is_empty() || ledger_decimals > LEDGER_DECIMALS_MAX {
            return Err(Refused::because(RejectReason::BadAsset));
        }
        if self.assets.len() >= usize::from(self.limits.assets_max) {
            return Err(Refused::because(RejectReason::TableFull));
        }
        let asset = AssetId::new(self.assets.len() as u16 + 1);
        Ok(AssetListed { asset, symbol, ledger_decimals })
    }

    pub(super) fn add_asset(&mut self, asset: AssetListed) {
        self.assets.push(asset);
    }

    pub(super) fn check_account(&self, open: &OpenAccount) -> Result<AccountOpened, Refused> {
        let OpenAccount { name, maker_fee, taker_fee } = *open;
        if let Some(known) = self.names.get(&name) {
            return Err(Refused::naming(RejectReason::AccountExists, u64::from(known.get())));
        }
        if name.is_empty() {
            return Err(Refused::because(RejectReason::Malformed));
        }
        if self.accounts.len() >= self.limits.accounts_max as usize {
            return Err(Refused::because(RejectReason::TableFull));
        }
        let account = AccountId::new(self.accounts.len() as u32 + 1);
        Ok(AccountOpened { account, name, maker_fee, taker_fee })
    }

    pub(super) fn add_account(&mut self, account: AccountOpened) {
        self.names.insert(account.name, account.account);
        self.accounts.push(account);
    }

    pub(super) fn check_key(&self, add: &AddApiKey) -> Result<ApiKeyAdded, Refused> {
        let AddApiKey { account, key, kind, permissions, secret } = *add;
        self.account(account)?;
        if self.keys.contains_key(&key) {
            return Err(Refused::because(RejectReason::ApiKeyExists));
        }
        if key.is_empty() {
            return Err(Refused::because(RejectReason::Malformed));
        }
        if self.keys.len() >= self.limits.api_keys_max as usize {
            return Err(Refused::because(RejectReason::TableFull));
        }
        Ok(ApiKeyAdded { account, key, kind, permissions, secret, id: self.last_key.next() })
    }

    pub(super) fn add_key(&mut self, key: ApiKeyAdded) {
        self.last_key = self.last_key.max(key.id);
        self.keys.insert(key.key, Key { added: key, parts: 0 });
    }

    pub(super) fn remove_key(&mut self, key: &ApiKeyText) -> Result<ApiKeyAdded, Refused> {
        let removed = self.keys.remove(key).ok_or(Refused::because(RejectReason::UnknownApiKey))?;
        Ok(removed.added)
    }

    /// Whose key it is.
    pub(super) fn key_owner(&self, key: &ApiKeyText) -> Result<AccountId, Refused> {
        let known = self.keys.get(key).ok_or(Refused::because(RejectReason::UnknownApiKey))?;
        Ok(known.added.account)
    }

    /// Counts a part of a key's material and names the key's owner: parts come in order, for keys that have them.
    pub(super) fn extend_key(&mut self, extend: &ExtendApiKey) -> Result<AccountId, Refused> {
        let known = self.keys.get_mut(&extend.key).ok_or(Refused::because(RejectReason::UnknownApiKey))?;
        let is_next = extend.part == known.parts + 1 && extend.part <= ExtendApiKey::PARTS_MAX;
        if !is_next || known.added.kind != ApiKeyKind::Rsa || extend.material.as_bytes().is_empty() {
            return Err(Refused::because(RejectReason::BadKeyMaterial));
        }
        known.parts = extend.part;
        Ok(known.added.account)
    }

    /// Every account, by id.
    pub(super) fn opened(&self) -> &[AccountOpened] {
        &self.accounts
    }

    /// Every market, by id.
    pub(super) fn markets(&self) -> &[Market] {
        &self.markets
    }

    /// How many API keys there are.
    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The id of an account's key.
    pub(super) fn key_of(&self, account: AccountId, key: &ApiKeyText) -> Result<ApiKeyId, Refused> {
        let known = self.keys.get(key).filter(|known| known.added.account == account);
        known.map(|known| known.added.id).ok_or(Refused::because(RejectReason::UnknownApiKey))
    }

    /// Every key and whose it is.
    pub(super) fn key_ids(&self) -> impl Iterator<Item = (ApiKeyId, AccountId)> {
        self.keys.values().map(|key| (key.added.id, key.added.account))
    }

    pub(super) fn check_market(&self, list: &ListMarket) -> Result<MarketListed, Refused> {
        let ListMarket { symbol, base, quote, partition, price_decimals, qty_decimals, rules, status } = *list;
        if let Some(known) = self.markets.iter().find(|market| market.listed.symbol == symbol) {
            return Err(Refused::naming(RejectReason::MarketExists, u64::from(known.listed.market.get())));
        }
        let (base_asset, quote_asset) = (self.asset(base)?, self.asset(quote)?);
        if !(1..=self.limits.partitions).contains(&partition.get()) {
            return Err(Refused::because(RejectReason::UnknownPartition));
        }
        if symbol.is_empty() || base == quote || !rules.is_consistent() {
            return Err(Refused::because(RejectReason::BadMarketRules));
        }
        if status == MarketStatus::Delisted {
            return Err(Refused::because(RejectReason::BadPhase));
        }
        let scale =
            MarketScale::new(price_decimals, qty_decimals, base_asset.ledger_decimals, quote_asset.ledger_decimals)
                .map_err(|_| Refused::because(RejectReason::BadMarketScale))?;
        if self.markets.len() >= usize::from(self.limits.markets_max) {
            return Err(Refused::because(RejectReason::TableFull));
        }
        let market = MarketId::new(self.markets.len() as u16 + 1);
        Ok(MarketListed { market, symbol, base, quote, partition, scale, rules })
    }

    pub(super) fn add_market(&mut self, listed: MarketListed) {
        self.markets.push(Market { listed, status: MarketStatus::Trading, version: 0 });
    }

    /// Of a known market.
    pub(super) fn set_status(&mut self, market: MarketId, status: MarketStatus) {
        self.markets[usize::from(market.get()) - 1].status = status;
    }

    /// Of a known market.
    pub(super) fn set_rules(&mut self, market: MarketId, rules: MarketRules) {
        self.markets[usize::from(market.get()) - 1].listed.rules = rules;
    }

    /// Counts one more word to a known market.
    pub(super) fn next_version(&mut self, market: MarketId) -> u32 {
        let known = &mut self.markets[usize::from(market.get()) - 1];
        known.version = known.version.checked_add(1).expect("a market is not changed four billion times");
        known.version
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        save_rows(to, self.assets.iter());
        save_rows(to, self.accounts.iter());
        to.put(&(self.keys.len() as u32));
        for key in self.keys.values() {
            to.put(&key.added);
            to.put(&key.parts);
        }
        to.put(&self.last_key);
        to.put(&(self.markets.len() as u32));
        for market in &self.markets {
            to.put(&market.listed);
            to.put(&market.status);
            to.put(&market.version);
        }
    }

    /// Refuses rows that these limits or the ids' density do not allow.
    pub(super) fn load(limits: &Limits, from: &mut Reader<'_>) -> Result<Registry, CodecError> {
        let mut registry = Registry::new(limits);
        for _ in 0..from.get::<u32>()? {
            let asset: AssetListed = from.get()?;
            registry.expect_next(usize::from(asset.asset.get()), registry.assets.len(), limits.assets_max.into())?;
            registry.add_asset(asset);
        }
        for _ in 0..from.get::<u32>()? {
            let account: AccountOpened = from.get()?;
            let max = limits.accounts_max as usize;
            registry.expect_next(account.account.get() as usize, registry.accounts.len(), max)?;
            registry.add_account(account);
        }
        for _ in 0..from.get::<u32>()? {
            let key = Key { added: from.get()?, parts: from.get()? };
            registry.keys.insert(key.added.key, key);
        }
        registry.last_key = from.get()?;
        for _ in 0..from.get::<u32>()? {
            let listed: MarketListed = from.get()?;
            registry.expect_next(
                usize::from(listed.market.get()),
                registry.markets.len(),
                limits.markets_max.into(),
            )?;
            let known = registry.asset(listed.base).is_ok() && registry.asset(listed.quote).is_ok();
            if !known {
                return Err(CodecError::OutOfRange);
            }
            registry.add_market(listed);
            registry.set_status(listed.market, from.get()?);
            registry.markets[usize::from(listed.market.get()) - 1].version = from.get()?;
        }
        Ok(registry)
    }

    fn expect_next(&self, id: usize, len: usize, max: usize) -> Result<(), CodecError> {
        if id == len + 1 && id <= max { Ok(()) } else { Err(CodecError::OutOfRange) }
    }

    pub(super) fn assets(&self) -> usize {
        self.assets.len()
    }

    pub(super) fn accounts(&self) -> usize {
        self.accounts.len()
    }
}

fn row<T>(rows: &[T], id: usize) -> Option<&T> {
    rows.get(id.checked_sub(1)?)
}

fn save_rows<'a, T: wire::codec::Field + 'a>(to: &mut Writer<'_>, rows: impl ExactSizeIterator<Item = &'a T>) {
    to.put(&(rows.len() as u32));
    for row in rows {
        to.put(row);
    }
}
