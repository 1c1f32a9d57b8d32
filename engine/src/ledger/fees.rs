//! What a fill costs, or brings.
//!
//! *Rates.* The most particular ones that are set hold: of the account in the market, of the account, of the market, of
//! the account's tier, and else those that the account was opened with.
//!
//! *Charge.* A taker, and a maker whose rate is not negative, pays its rate of what it receives, in that asset, rounded
//! up. A maker whose rate is negative pays nothing and is paid its rate of what it gives, in that asset, rounded down,
//! and at most the fee that the taker of the same trade has paid. The taker receives what the maker gives, so it is the
//! same asset and the fee account never gives more than this very trade has brought it. Markets tell of the taker first.
//!
//! *Volume.* While there is a schedule, each side of a trade adds the trade's value to its account's day (UTC, of the
//! market's log time): the quote amount when the valuation asset is the quote, the base amount when it is the base, and
//! else the quote amount at the last price of the first market (by id) that trades the quote against the valuation asset,
//! rounded down; nothing while there is no such market or price. A day that an account has seen does not come back: what
//! arrives late counts for its latest one.
//!
//! *Tier.* The last one whose volume is reached by the account's latest 30 days together, that of the fill among them,
//! before the fill itself is counted. A change is told with the fill, or the schedule, that brings it; that of a fill holds
//! from the next one on.
//! Another valuation asset, or a schedule without tiers, forgets all volume.

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{SetFeeSchedule, SetFees};
use wire::event::{FeeScheduleChanged, FeeTierChanged, FeesChanged, MarketListed};
use wire::{
    AccountId, Amount, AssetId, Event, FeeRate, FeeTiers, MarketId, Price, RejectReason, SignedFeeRate, Timestamp,
    TradeId,
};

use super::registry::Market;
use super::{Answer, LedgerCell};
use crate::effects::Effects;
use crate::limits::Limits;

/// Days that count.
const DAYS: usize = 30;
const DAY_NS: u64 = 86_400_000_000_000;

/// Of makers and of takers.
type Rates = (SignedFeeRate, FeeRate);

/// One account's.
#[derive(Debug, Clone, Copy)]
struct Row {
    opened: Rates,
    own: Option<Rates>,
    /// Whether it has rates in any market.
    has_pairs: bool,
    tier: u8,
    /// The latest day with a fill, counted from 1 since 1970; 0 for none.
    day: u32,
    /// Over its latest 30 days.
    volume: Amount,
}

/// One market's.
#[derive(Debug, Clone, Copy, Default)]
struct Traded {
    rates: Option<Rates>,
    last_price: Option<Price>,
    /// The latest trade of which a taker's fill was settled, and what is left of the taker's fee on it.
    taken: (TradeId, Amount),
    /// Where its quote is valued.
    valued_in: Option<MarketId>,
}

/// What one side of a trade is charged and paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charge {
    /// In the received asset.
    pub(super) fee: Amount,
    /// In the given asset.
    pub(super) rebate: Amount,
}

/// One side of a trade.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill {
    pub(super) account: AccountId,
    pub(super) trade: TradeId,
    pub(super) is_maker: bool,
    pub(super) given: Amount,
    pub(super) taken: Amount,
    pub(super) price: Price,
    pub(super) quote: Amount,
    pub(super) base: Amount,
}

/// Rates, volumes and tiers.
pub(super) struct Fees {
    rows: Vec<Row>,
    /// Each account's volume of each day, by the day's number modulo 30.
    days: Vec<[i64; DAYS]>,
    markets: Vec<Traded>,
    pairs: BTreeMap<(AccountId, MarketId), Rates>,
    pairs_max: usize,
    valuation: AssetId,
    tiers: FeeTiers,
}

impl Fees {
    pub(super) fn new(limits: &Limits) -> Fees {
        Fees {
            rows: Vec::with_capacity(limits.accounts_max as usize),
            // Zeroed pages that cost nothing until an account trades.
            days: vec![[0; DAYS]; limits.accounts_max as usize],
            markets: vec![Traded::default(); usize::from(limits.markets_max)],
            pairs: BTreeMap::new(),
            pairs_max: limits.order_limits_max as usize,
            valuation: AssetId::new(0),
            tiers: FeeTiers::NONE,
        }
    }

    pub(super) fn add_account(&mut self, maker: FeeRate, taker: FeeRate) {
        let opened = (maker.into(), taker);
        self.rows.push(Row { opened, own: None, has_pairs: false, tier: 0, day: 0, volume: Amount::ZERO });
    }

    /// After a market was listed or the valuation asset has changed.
    pub(super) fn value_markets(&mut self, listed: &[Market]) {
        let valuation = self.valuation;
        for market in listed.iter().map(|market| &market.listed) {
            let others = listed.iter().map(|other| &other.listed);
            let valued_in = others.into_iter().find(|other| other.base == market.quote && other.quote == valuation);
            self.markets[at(market.market)].valued_in = valued_in.map(|other| other.market);
        }
    }

    fn rates(&self, account: AccountId, market: MarketId) -> Rates {
        let row = &self.rows[account.get() as usize - 1];
        if row.has_pairs
            && let Some(pair) = self.pairs.get(&(account, market))
        {
            return *pair;
        }
        if let Some(rates) = row.own.or(self.markets[at(market)].rates) {
            return rates;
        }
        match self.tiers.as_slice().get(usize::from(row.tier)) {
            Some(tier) => (tier.maker, tier.taker),
            None => row.opened,
        }
    }

    /// What this side is charged and paid. Notes what the other side needs to know.
    pub(super) fn charge(&mut self, market: &MarketListed, fill: &Fill) -> Charge {
        let (maker, taker) = self.rates(fill.account, market.market);
        let known = &mut self.markets[at(market.market)];
        known.last_price = Some(fill.price);
        if !fill.is_maker {
            let fee = taker.of(fill.taken);
            known.taken = (fill.trade, fee);
            return Charge { fee, rebate: Amount::ZERO };
        }
        let mut rebate = maker.rebate().rebate_on(fill.given);
        if !rebate.is_zero() {
            let (trade, left) = known.taken;
            rebate = if trade == fill.trade { rebate.min(left) } else { Amount::ZERO };
            known.taken.1 = left.checked_sub(rebate).unwrap_or(Amount::ZERO);
        }
        Charge { fee: maker.fee().of(fill.taken), rebate }
    }

    /// Lets an account's days pass until that of a fill. Whether its tier is another.
    fn pass_days(&mut self, account: AccountId, traded_at: Timestamp) -> bool {
        let place = account.get() as usize - 1;
        let (row, days) = (&mut self.rows[place], &mut self.days[place]);
        let today = (traded_at.nanos() / DAY_NS) as u32 + 1;
        if today <= row.day {
            return false;
        }
        let passed = (today - row.day).min(DAYS as u32);
        for day in today - passed + 1..=today {
            days[day as usize % DAYS] = 0;
        }
        row.day = today;
        let volume = days.iter().fold(0_i64, |sum, day| sum.saturating_add(*day));
        row.volume = Amount::new(volume).unwrap_or(Amount::MAX);
        self.follow_tier(place)
    }

    fn follow_tier(&mut self, place: usize) -> bool {
        let row = &mut self.rows[place];
        let tier = self.tiers.reached_by(row.volume).map_or(0, |(tier, _)| tier);
        std::mem::replace(&mut row.tier, tier) != tier
    }

    /// Whether the account's tier is another with it.
    fn count(&mut self, market: &MarketListed, listed: &[Market], fill: &Fill) -> bool {
        let value = self.value(market, listed, fill);
        let place = fill.account.get() as usize - 1;
        let row = &mut self.rows[place];
        let day = &mut self.days[place][row.day as usize % DAYS];
        *day = day.saturating_add(value.units());
        row.volume = row.volume.checked_add(value).unwrap_or(Amount::MAX);
        self.follow_tier(place)
    }

    fn value(&self, market: &MarketListed, listed: &[Market], fill: &Fill) -> Amount {
        if market.quote == self.valuation {
            return fill.quote;
        }
        if market.base == self.valuation {
            return fill.base;
        }
        let valued_in = self.markets[at(market.market)].valued_in;
        let rate =
            valued_in.and_then(|other| Some((listed[at(other)].listed.scale, self.markets[at(other)].last_price?)));
        let Some((scale, price)) = rate else { return Amount::ZERO };
        let product = fill.quote.wide().checked_mul(i128::from(price.units()) * i128::from(scale.quote_factor));
        let value = product.map(|product| product / i128::from(scale.base_factor));
        value.and_then(Amount::from_wide).unwrap_or(Amount::MAX)
    }

    fn forget_volume(&mut self) {
        for (row, days) in self.rows.iter_mut().zip(&mut self.days) {
            if row.day != 0 {
                *days = [0; DAYS];
            }
            (row.day, row.volume) = (0, Amount::ZERO);
        }
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.valuation);
        to.put(&self.tiers);
        for (row, days) in self.rows.iter().zip(&self.days) {
            save_rates(row.own, to);
            to.put(&row.tier);
            to.put(&row.day);
            if row.day != 0 {
                days.iter().for_each(|day| to.put(day));
            }
        }
        for market in &self.markets {
            save_rates(market.rates, to);
            to.put(&market.last_price.is_some());
            to.put(&market.last_price.unwrap_or(Price::MIN));
            to.put(&market.taken.0);
            to.put(&market.taken.1);
        }
        to.put(&(self.pairs.len() as u32));
        for ((account, market), rates) in &self.pairs {
            to.put(account);
            to.put(market);
            save_rates(Some(*rates), to);
        }
    }

    /// Fills in what [`Fees::save`] wrote, after accounts were added.
    pub(super) fn load(&mut self, listed: &[Market], from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.valuation = from.get()?;
        self.tiers = from.get()?;
        for (row, days) in self.rows.iter_mut().zip(&mut self.days) {
            row.own = load_rates(from)?;
            row.tier = from.get()?;
            row.day = from.get()?;
            if row.day != 0 {
                for day in days.iter_mut() {
                    *day = from.get::<Amount>()?.units();
                }
            }
            let volume = days.iter().fold(0_i64, |sum, day| sum.saturating_add(*day));
            row.volume = Amount::new(volume).unwrap_or(Amount::MAX);
        }
        for market in &mut self.markets {
            market.rates = load_rates(from)?;
            let is_priced: bool = from.get()?;
            market.last_price = Some(from.get()?).filter(|_| is_priced);
            market.taken = (from.get()?, from.get()?);
        }
        for _ in 0..from.get::<u32>()? {
            let (account, market): (AccountId, MarketId) = (from.get()?, from.get()?);
            let rates = load_rates(from)?.ok_or(CodecError::OutOfRange)?;
            let row = (account.get() as usize).checked_sub(1).and_then(|at| self.rows.get_mut(at));
            row.ok_or(CodecError::OutOfRange)?.has_pairs = true;
            self.pairs.insert((account, market), rates);
        }
        self.value_markets(listed);
        Ok(())
    }
}

fn at(market: MarketId) -> usize {
    usize::from(market.get()) - 1
}

fn save_rates(rates: Option<Rates>, to: &mut Writer<'_>) {
    let (maker, taker) = rates.unwrap_or_default();
    to.put(&rates.is_some());
    to.put(&maker);
    to.put(&taker);
}

fn load_rates(from: &mut Reader<'_>) -> Result<Option<Rates>, CodecError> {
    let is_set: bool = from.get()?;
    let rates = (from.get()?, from.get()?);
    Ok(is_set.then_some(rates))
}

impl LedgerCell {
    /// Before a side of a trade is charged: its account's days have passed.
    pub(super) fn pass_fee_days(&mut self, account: AccountId, traded_at: Timestamp, effects: &mut Effects<'_>) {
        if !self.fees.tiers.as_slice().is_empty() && self.fees.pass_days(account, traded_at) {
            self.tell_tier(account, effects);
        }
    }

    /// After a side of a trade was settled.
    pub(super) fn count_volume(&mut self, market: &MarketListed, fill: &Fill, effects: &mut Effects<'_>) {
        if !self.fees.tiers.as_slice().is_empty() && self.fees.count(market, self.registry.markets(), fill) {
            self.tell_tier(fill.account, effects);
        }
    }

    fn tell_tier(&self, account: AccountId, effects: &mut Effects<'_>) {
        let Row { tier, volume, .. } = self.fees.rows[account.get() as usize - 1];
        effects.tell(Event::FeeTierChanged(FeeTierChanged { account, tier, volume }));
    }

    pub(crate) fn set_fee_schedule(&mut self, set: &SetFeeSchedule, effects: &mut Effects<'_>) -> Answer {
        let SetFeeSchedule { valuation, tiers } = *set;
        self.registry.asset(valuation)?;
        if valuation != self.fees.valuation || tiers.as_slice().is_empty() {
            self.fees.forget_volume();
        }
        (self.fees.valuation, self.fees.tiers) = (valuation, tiers);
        self.fees.value_markets(self.registry.markets());
        effects.tell(Event::FeeScheduleChanged(Box::new(FeeScheduleChanged { valuation, tiers })));
        for place in 0..self.fees.rows.len() {
            if self.fees.follow_tier(place) {
                self.tell_tier(AccountId::new(place as u32 + 1), effects);
            }
        }
        Ok(0)
    }

    pub(crate) fn set_fees(&mut self, set: &SetFees, effects: &mut Effects<'_>) -> Answer {
        let SetFees { account, market, maker, taker, is_set } = *set;
        if account.get() != 0 {
            self.registry.account(account)?;
        }
        if market.get() != 0 {
            self.registry.market(market)?;
        }
        let rates = is_set.then_some((maker, taker));
        let fees = &mut self.fees;
        match (account.get(), market.get()) {
            (0, 0) => return Err(RejectReason::BadFees.into()),
            (0, _) => fees.markets[at(market)].rates = rates,
            (row, 0) => fees.rows[row as usize - 1].own = rates,
            (row, _) => {
                if is_set && fees.pairs.len() >= fees.pairs_max && !fees.pairs.contains_key(&(account, market)) {
                    return Err(RejectReason::TableFull.into());
                }
                match rates {
                    Some(rates) => fees.pairs.insert((account, market), rates),
                    None => fees.pairs.remove(&(account, market)),
                };
                let all = (account, MarketId::new(0))..=(account, MarketId::new(u16::MAX));
                fees.rows[row as usize - 1].has_pairs = fees.pairs.range(all).next().is_some();
            }
        }
        effects.tell(Event::FeesChanged(FeesChanged { account, market, maker, taker, is_set }));
        Ok(0)
    }
}
