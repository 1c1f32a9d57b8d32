//! What each account is charged in each market, as the ledger decides it: rates of the account in the market go before
//! those of the account, those before the market's, those before the tier of its volume, those before what it was opened
//! with.

use std::collections::HashMap;

use wire::event::{AccountOpened, FeeScheduleChanged, FeeTierChanged, FeesChanged};
use wire::{AccountId, FeeRate, FeeTiers, MarketId, SignedFeeRate};

/// What a maker and a taker are charged; a maker may be paid instead.
pub type Rates = (SignedFeeRate, FeeRate);

/// The rates in force.
#[derive(Debug, Default)]
pub struct Fees {
    tiers: Option<Box<FeeTiers>>,
    of_market: HashMap<MarketId, Rates>,
    of_account: HashMap<AccountId, Row>,
    of_pair: HashMap<(AccountId, MarketId), Rates>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    opened: Rates,
    own: Option<Rates>,
    tier: u8,
}

impl Fees {
    /// What an account is charged in a market, or in any that has no rates of its own.
    pub fn rates(&self, account: AccountId, market: Option<MarketId>) -> Option<Rates> {
        let row = self.of_account.get(&account)?;
        let pair = market.and_then(|market| self.of_pair.get(&(account, market)));
        let of_market = || market.and_then(|market| self.of_market.get(&market).copied());
        if let Some(rates) = pair.copied().or(row.own).or_else(of_market) {
            return Some(rates);
        }
        let tier = self.tiers.as_ref().and_then(|tiers| tiers.as_slice().get(usize::from(row.tier)).copied());
        Some(tier.map_or(row.opened, |tier| (tier.maker, tier.taker)))
    }

    pub(super) fn open(&mut self, opened: &AccountOpened) {
        let maker = i32::try_from(opened.maker_fee.parts_per_million()).ok().and_then(SignedFeeRate::new);
        let opened_at = (maker.unwrap_or_default(), opened.taker_fee);
        self.of_account.insert(opened.account, Row { opened: opened_at, own: None, tier: 0 });
    }

    pub(super) fn set_tiers(&mut self, changed: &FeeScheduleChanged) {
        self.tiers = Some(Box::new(changed.tiers));
    }

    pub(super) fn set_tier(&mut self, changed: &FeeTierChanged) {
        if let Some(row) = self.of_account.get_mut(&changed.account) {
            row.tier = changed.tier;
        }
    }

    pub(super) fn set(&mut self, changed: &FeesChanged) {
        let rates = changed.is_set.then_some((changed.maker, changed.taker));
        let (all_accounts, all_markets) = (AccountId::new(0), MarketId::new(0));
        match (changed.account, changed.market, rates) {
            (account, market, _) if account == all_accounts && market == all_markets => {}
            (account, market, Some(rates)) if account == all_accounts => {
                self.of_market.insert(market, rates);
            }
            (account, market, None) if account == all_accounts => {
                self.of_market.remove(&market);
            }
            (account, market, rates) if market == all_markets => {
                if let Some(row) = self.of_account.get_mut(&account) {
                    row.own = rates;
                }
            }
            (account, market, Some(rates)) => {
                self.of_pair.insert((account, market), rates);
            }
            (account, market, None) => {
                self.of_pair.remove(&(account, market));
            }
        }
    }
}
