//! What a fill costs, or brings: `engine/src/ledger/fees.rs` states the rules.

use std::collections::BTreeMap;

use wire::command::{SetFeeSchedule, SetFees};
use wire::event::{FeeScheduleChanged, FeeTierChanged, FeesChanged};
use wire::mail::OrderFilled;
use wire::{AccountId, AssetId, Event, FeeRate, FeeTiers, RejectReason, Timestamp};

use super::super::numbers::{amount, of};
use super::{Answer, Ledger, Listed, no};

const MILLION: i128 = 1_000_000;
const DAY_NS: u64 = 86_400_000_000_000;
const DAYS: u64 = 30;

/// Of makers and of takers, in parts per million.
type Rates = (i128, i128);

/// Rates, volumes and tiers.
#[derive(Debug, Clone)]
pub(super) struct Fees {
    opened: Vec<Rates>,
    /// Of an account in a market; 0 is every one.
    set: BTreeMap<(u32, u16), Rates>,
    valuation: AssetId,
    tiers: FeeTiers,
    tier: BTreeMap<u32, u8>,
    /// By account and day.
    volumes: BTreeMap<(u32, u64), i128>,
    /// The last day that each account has seen.
    days: BTreeMap<u32, u64>,
    prices: BTreeMap<u16, i128>,
    /// Of each market's last trade, and what is left of its taker's fee.
    taken: BTreeMap<u16, (u64, i128)>,
}

impl Fees {
    pub(super) fn new(fees: Vec<(FeeRate, FeeRate)>) -> Fees {
        let ppm = |rate: FeeRate| i128::from(rate.parts_per_million());
        Fees {
            opened: fees.into_iter().map(|(maker, taker)| (ppm(maker), ppm(taker))).collect(),
            set: BTreeMap::new(),
            valuation: AssetId::new(0),
            tiers: FeeTiers::NONE,
            tier: BTreeMap::new(),
            volumes: BTreeMap::new(),
            days: BTreeMap::new(),
            prices: BTreeMap::new(),
            taken: BTreeMap::new(),
        }
    }

    fn tier(&self, account: u32) -> u8 {
        self.tier.get(&account).copied().unwrap_or(0)
    }

    /// The most particular ones.
    fn rates(&self, account: u32, market: u16) -> Rates {
        let set = [(account, market), (account, 0), (0, market)].iter().find_map(|key| self.set.get(key));
        let tier = self.tiers.as_slice().get(usize::from(self.tier(account)));
        let of_tier = tier.map(|tier| (tier.maker.parts_per_million().into(), tier.taker.parts_per_million().into()));
        set.copied().or(of_tier).unwrap_or(self.opened[account as usize - 1])
    }

    /// Over the latest days of the account.
    fn volume(&self, account: u32) -> i128 {
        let last = self.days.get(&account).copied().unwrap_or(0);
        let counts = |day: u64| day + DAYS > last;
        self.volumes.iter().filter(|((of, day), _)| *of == account && counts(*day)).map(|(_, value)| value).sum()
    }
}

fn rounded_up(whole: i128, ppm: i128) -> i128 {
    (whole * ppm + MILLION - 1) / MILLION
}

impl Ledger {
    /// The fee in the received asset, and the rebate in the given one.
    pub(super) fn charge(
        &mut self,
        account: u32,
        market: &Listed,
        fill: &OrderFilled,
        given: i128,
        taken: i128,
    ) -> (i128, i128) {
        let id = market.id.get();
        let (maker, taker) = self.fees.rates(account, id);
        self.fees.prices.insert(id, of(fill.price));
        if !fill.is_maker {
            let fee = rounded_up(taken, taker);
            self.fees.taken.insert(id, (fill.trade.get(), fee));
            return (fee, 0);
        }
        if maker >= 0 {
            return (rounded_up(taken, maker), 0);
        }
        let (trade, left) = self.fees.taken.get(&id).copied().unwrap_or_default();
        let left = if trade == fill.trade.get() { left } else { 0 };
        let rebate = (given * -maker / MILLION).min(left);
        self.fees.taken.insert(id, (trade, left - rebate));
        (0, rebate)
    }

    /// Before a fill is charged.
    pub(super) fn pass_days(&mut self, account: u32, traded_at: Timestamp) {
        let today = traded_at.nanos() / DAY_NS;
        let last = self.fees.days.entry(account).or_default();
        if !self.fees.tiers.as_slice().is_empty() && today > *last {
            *last = today;
            self.follow_tier(account);
        }
    }

    /// After a fill was settled.
    pub(super) fn count_volume(&mut self, account: u32, market: &Listed, quote: i128, base: i128) {
        if self.fees.tiers.as_slice().is_empty() {
            return;
        }
        let value = self.value(market, quote, base);
        let day = self.fees.days[&account];
        *self.fees.volumes.entry((account, day)).or_default() += value;
        self.follow_tier(account);
    }

    fn value(&self, market: &Listed, quote: i128, base: i128) -> i128 {
        let valuation = self.fees.valuation;
        if market.quote == valuation {
            return quote;
        }
        if market.base == valuation {
            return base;
        }
        let other = self.markets.iter().find(|other| other.base == market.quote && other.quote == valuation);
        let rate = other.and_then(|other| Some((other, *self.fees.prices.get(&other.id.get())?)));
        rate.map_or(0, |(other, price)| other.cost(price, quote) / other.base_of(1))
    }

    fn follow_tier(&mut self, account: u32) {
        let volume = self.fees.volume(account);
        let tier = self.fees.tiers.reached_by(amount(volume)).map_or(0, |(tier, _)| tier);
        if self.fees.tier(account) != tier {
            self.fees.tier.insert(account, tier);
            let (account, volume) = (AccountId::new(account), amount(volume));
            self.events.push(Event::FeeTierChanged(FeeTierChanged { account, tier, volume }));
        }
    }

    pub(super) fn set_fee_schedule(&mut self, set: &SetFeeSchedule) -> Answer {
        let SetFeeSchedule { valuation, tiers } = *set;
        self.asset(valuation)?;
        if valuation != self.fees.valuation || tiers.as_slice().is_empty() {
            self.fees.volumes.clear();
            self.fees.days.clear();
        }
        (self.fees.valuation, self.fees.tiers) = (valuation, tiers);
        self.events.push(Event::FeeScheduleChanged(Box::new(FeeScheduleChanged { valuation, tiers })));
        for account in 1..=self.accounts {
            self.follow_tier(account);
        }
        Ok(0)
    }

    pub(super) fn set_fees(&mut self, set: &SetFees) -> Answer {
        let SetFees { account, market, maker, taker, is_set } = *set;
        if account.get() != 0 {
            self.account(account)?;
        }
        if market.get() != 0 {
            self.market(market)?;
        }
        let key = (account.get(), market.get());
        if key == (0, 0) {
            return no(RejectReason::BadFees);
        }
        self.fees.set.remove(&key);
        if is_set {
            self.fees.set.insert(key, (maker.parts_per_million().into(), taker.parts_per_million().into()));
        }
        self.events.push(Event::FeesChanged(FeesChanged { account, market, maker, taker, is_set }));
        Ok(0)
    }
}
