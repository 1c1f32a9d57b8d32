//! What operators have set, from the ledger's events: fees, limits, groups, kill switches.

use std::collections::{BTreeMap, BTreeSet};

use wire::event::{AccountLimitsChanged, AccountOpened, AssetLimitChanged, FeeTierChanged, OrderLimitsChanged};
use wire::{
    AccountId, Amount, ApiKeyId, AssetId, Event, FeeRate, FeeTiers, FirmId, MarketId, SignedFeeRate, TradeGroupId,
};

/// What a maker and a taker are charged; a maker may be paid instead.
pub type Rates = (SignedFeeRate, FeeRate);

/// All of it. What is as it was at first has no row.
#[derive(Debug)]
pub struct Settings {
    /// In which asset volume is counted, once tiers were set.
    pub valuation: Option<AssetId>,
    /// By 30-day volume.
    pub tiers: FeeTiers,
    /// Which tier an account has come to, counted from 0, and with what volume.
    pub reached: BTreeMap<AccountId, (u8, Amount)>,
    /// Rates that go before the tiers; 0 for every account, or every market.
    pub rates: BTreeMap<(AccountId, MarketId), Rates>,
    /// Over all markets; 0 for every account.
    pub limits: BTreeMap<AccountId, AccountLimitsChanged>,
    /// In one market; 0 for every account.
    pub order_limits: BTreeMap<(AccountId, MarketId), OrderLimitsChanged>,
    /// How much of an asset one order may move; 0 for every account.
    pub asset_limits: BTreeMap<(AccountId, AssetId), Amount>,
    /// Trade groups and firms.
    pub assigned: BTreeMap<AccountId, (TradeGroupId, FirmId)>,
    /// Kill switches that are engaged; of key 0 for the whole account.
    pub killed: BTreeSet<(AccountId, ApiKeyId)>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            valuation: None,
            tiers: FeeTiers::NONE,
            reached: BTreeMap::new(),
            rates: BTreeMap::new(),
            limits: BTreeMap::new(),
            order_limits: BTreeMap::new(),
            asset_limits: BTreeMap::new(),
            assigned: BTreeMap::new(),
            killed: BTreeSet::new(),
        }
    }
}

const NOBODY: AccountId = AccountId::new(0);
const NOWHERE: MarketId = MarketId::new(0);

impl Settings {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::FeeScheduleChanged(changed) => {
                // Another valuation asset, or a schedule without tiers, forgets all volume.
                if self.valuation != Some(changed.valuation) || changed.tiers.as_slice().is_empty() {
                    self.reached.clear();
                }
                (self.valuation, self.tiers) = (Some(changed.valuation), changed.tiers);
            }
            Event::FeeTierChanged(FeeTierChanged { account, tier, volume }) => {
                self.reached.insert(*account, (*tier, *volume));
            }
            Event::FeesChanged(changed) => {
                let whose = (changed.account, changed.market);
                match changed.is_set {
                    true => drop(self.rates.insert(whose, (changed.maker, changed.taker))),
                    false => drop(self.rates.remove(&whose)),
                }
            }
            Event::AccountLimitsChanged(changed) => {
                let AccountLimitsChanged {
                    account,
                    open_orders_max,
                    stop_orders_max,
                    iceberg_orders_max,
                    order_lists_max,
                    order_rate_max,
                    ..
                } = *changed;
                let all = [open_orders_max, stop_orders_max, iceberg_orders_max, order_lists_max, order_rate_max];
                match all == [0; 5] {
                    true => drop(self.limits.remove(&account)),
                    false => drop(self.limits.insert(account, *changed)),
                }
            }
            Event::OrderLimitsChanged(changed) => {
                let OrderLimitsChanged { account, market, qty_max, notional_max, position_max } = *changed;
                match qty_max.is_zero() && notional_max.is_zero() && position_max.is_zero() {
                    true => drop(self.order_limits.remove(&(account, market))),
                    false => drop(self.order_limits.insert((account, market), *changed)),
                }
            }
            Event::AssetLimitChanged(AssetLimitChanged { account, asset, order_max }) => match order_max.is_zero() {
                true => drop(self.asset_limits.remove(&(*account, *asset))),
                false => drop(self.asset_limits.insert((*account, *asset), *order_max)),
            },
            Event::AccountAssigned(assigned) => {
                self.assigned.insert(assigned.account, (assigned.group, assigned.firm));
            }
            Event::KillSwitchChanged(changed) => match changed.is_engaged {
                true => drop(self.killed.insert((changed.account, changed.key))),
                false => drop(self.killed.remove(&(changed.account, changed.key))),
            },
            _ => {}
        }
    }

    /// What an account is charged where its market has no rates, for it alone or for everybody.
    pub fn rates(&self, opened: &AccountOpened) -> Rates {
        let tier = || {
            let at = self.reached.get(&opened.account).map_or(0, |(tier, _)| *tier);
            self.tiers.as_slice().get(usize::from(at)).map(|tier| (tier.maker, tier.taker))
        };
        let own = self.rates.get(&(opened.account, NOWHERE)).copied();
        own.or_else(tier).unwrap_or_else(|| {
            let maker = i32::try_from(opened.maker_fee.parts_per_million()).ok().and_then(SignedFeeRate::new);
            (maker.unwrap_or_default(), opened.taker_fee)
        })
    }

    /// What is set for everybody in single markets, where it is what this account is charged: whoever has rates of its own is not
    /// charged those.
    pub fn everybodys_rates(&self, account: AccountId) -> impl Iterator<Item = (MarketId, Rates)> {
        let has_own = self.rates.contains_key(&(account, NOWHERE));
        let of_markets = self.rates.iter().filter(|((of, market), _)| *of == NOBODY && *market != NOWHERE);
        let is_charged = move |market: MarketId| !has_own && !self.rates.contains_key(&(account, market));
        of_markets.map(|((_, market), rates)| (*market, *rates)).filter(move |(market, _)| is_charged(*market))
    }

    /// What is set for whoever trades in a market.
    pub fn market_rates(&self, market: MarketId) -> Option<Rates> {
        self.rates.get(&(NOBODY, market)).copied()
    }

    /// What is set for an account in single markets.
    pub fn pair_rates(&self, account: AccountId) -> impl Iterator<Item = (MarketId, Rates)> {
        let pairs = self.rates.iter().filter(move |((of, market), _)| *of == account && *market != NOWHERE);
        pairs.map(|((_, market), rates)| (*market, *rates))
    }

    /// Whether the account may place and cancel nothing.
    pub fn is_killed(&self, account: AccountId) -> bool {
        self.killed.contains(&(account, ApiKeyId::default()))
    }
}

#[cfg(test)]
mod tests {
    use wire::event::{FeeScheduleChanged, FeesChanged, KillSwitchChanged};
    use wire::{AccountName, FeeTier, Qty};

    use super::*;

    const ERIN: AccountId = AccountId::new(7);

    fn rates(maker: i32, taker: u32) -> Rates {
        (SignedFeeRate::new(maker).unwrap(), FeeRate::new(taker).unwrap())
    }

    fn set(account: AccountId, market: u16, (maker, taker): Rates, is_set: bool) -> Event {
        Event::FeesChanged(FeesChanged { account, market: MarketId::new(market), maker, taker, is_set })
    }

    #[test]
    fn the_rates_in_force_are_the_most_particular_ones() {
        let fee = FeeRate::new(1_000).unwrap();
        let name = AccountName::new(b"erin").unwrap();
        let erin = AccountOpened { account: ERIN, name, maker_fee: fee, taker_fee: fee };
        let mut known = Settings::default();
        assert_eq!(known.rates(&erin), rates(1_000, 1_000));
        let tier = |volume, (maker, taker)| FeeTier { volume_min: Amount::new(volume).unwrap(), maker, taker };
        let tiers = FeeTiers::new(&[tier(0, rates(900, 950)), tier(5, rates(-50, 500))]).unwrap();
        let schedule = |valuation| Event::FeeScheduleChanged(Box::new(FeeScheduleChanged { valuation, tiers }));
        known.apply(&schedule(AssetId::new(3)));
        assert_eq!(known.rates(&erin), rates(900, 950));
        let volume = Amount::new(6).unwrap();
        known.apply(&Event::FeeTierChanged(FeeTierChanged { account: ERIN, tier: 1, volume }));
        assert_eq!(known.rates(&erin), rates(-50, 500));
        known.apply(&set(ERIN, 0, rates(-100, 50), true));
        known.apply(&set(ERIN, 2, rates(1, 2), true));
        known.apply(&set(NOBODY, 2, rates(3, 4), true));
        assert_eq!(known.rates(&erin), rates(-100, 50));
        assert_eq!(known.pair_rates(ERIN).collect::<Vec<_>>(), [(MarketId::new(2), rates(1, 2))]);
        assert_eq!(known.market_rates(MarketId::new(2)), Some(rates(3, 4)));
        known.apply(&set(ERIN, 0, rates(0, 0), false));
        assert_eq!(known.rates(&erin), rates(-50, 500));
        known.apply(&schedule(AssetId::new(1)));
        assert_eq!(known.rates(&erin), rates(900, 950), "another valuation asset forgets all volume");
    }

    #[test]
    fn limits_and_switches_that_are_taken_back_have_no_row() {
        let mut known = Settings::default();
        let limits = |order_lists_max| AccountLimitsChanged {
            account: ERIN,
            open_orders_max: 0,
            stop_orders_max: 0,
            iceberg_orders_max: 0,
            order_lists_max,
            order_rate_max: 0,
            order_rate_window_ms: 0,
        };
        let of_orders = |qty| OrderLimitsChanged {
            account: ERIN,
            market: MarketId::new(1),
            qty_max: Qty::new(qty).unwrap(),
            notional_max: Amount::ZERO,
            position_max: Amount::ZERO,
        };
        let of_asset =
            |units| AssetLimitChanged { account: ERIN, asset: AssetId::new(2), order_max: Amount::new(units).unwrap() };
        let kill = |is_engaged| KillSwitchChanged { account: ERIN, key: ApiKeyId::default(), is_engaged };
        known.apply(&Event::AccountLimitsChanged(limits(2)));
        known.apply(&Event::OrderLimitsChanged(of_orders(5)));
        known.apply(&Event::KillSwitchChanged(kill(true)));
        known.apply(&Event::AssetLimitChanged(of_asset(4)));
        assert!(known.is_killed(ERIN) && known.limits.len() == 1 && known.order_limits.len() == 1);
        assert_eq!(known.asset_limits.len(), 1);
        known.apply(&Event::AccountLimitsChanged(limits(0)));
        known.apply(&Event::OrderLimitsChanged(of_orders(0)));
        known.apply(&Event::KillSwitchChanged(kill(false)));
        known.apply(&Event::AssetLimitChanged(of_asset(0)));
        assert!(!known.is_killed(ERIN) && known.limits.is_empty() && known.order_limits.is_empty());
        assert!(known.asset_limits.is_empty());
    }
}
