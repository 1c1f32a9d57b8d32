//! How much of an asset one order may move, by account and for every account: Binance's MAX_ASSET.
//!
//! Of an order's base asset its quantity is measured, of its quote asset its notional, as the market's filters measure it. An
//! order by quote quantity has no quantity: what it asks for would buy or need so much base at the price that its protection
//! price was made from, rounded down to the market's unit. The lower of the account's own limit and everybody's holds.

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{NewOrder, SetAssetLimit};
use wire::event::{AssetLimitChanged, MarketListed};
use wire::{AccountId, Amount, AssetId, Event, RejectReason, Side};

use super::admission::measured;
use super::{Answer, LedgerCell, Refused};
use crate::effects::Effects;
use crate::limits::Limits;

/// Zero, or no row, is no limit.
pub(super) struct AssetLimits {
    own: BTreeMap<(AccountId, AssetId), Amount>,
    own_max: usize,
    /// By asset.
    every: Vec<Amount>,
    /// How many of those are a limit.
    every_count: u16,
}

fn place(asset: AssetId) -> usize {
    usize::from(asset.get()) - 1
}

impl AssetLimits {
    pub(super) fn new(limits: &Limits) -> AssetLimits {
        AssetLimits {
            own: BTreeMap::new(),
            own_max: limits.order_limits_max as usize,
            every: vec![Amount::ZERO; usize::from(limits.assets_max)],
            every_count: 0,
        }
    }

    /// Whether some asset has a limit for every account.
    #[inline(always)]
    pub(super) fn bound_everybody(&self) -> bool {
        self.every_count > 0
    }

    /// Whether [`AssetLimits::set`] has room for it.
    pub(super) fn has_room_for(&self, whose: (AccountId, AssetId), max: Amount) -> bool {
        max.is_zero() || self.own.len() < self.own_max || self.own.contains_key(&whose)
    }

    /// Replaces what was set. How many more limits the account has now.
    pub(super) fn set(&mut self, whose: (AccountId, AssetId), max: Amount) -> i16 {
        let before = if max.is_zero() { self.own.remove(&whose) } else { self.own.insert(whose, max) };
        i16::from(!max.is_zero()) - i16::from(before.is_some())
    }

    /// As [`AssetLimits::set`], of a known asset and every account.
    pub(super) fn set_everybodys(&mut self, asset: AssetId, max: Amount) {
        self.every[place(asset)] = max;
        self.every_count = self.every.iter().filter(|max| !max.is_zero()).count() as u16;
    }

    /// Zero is none.
    fn of(&self, account: AccountId, asset: AssetId) -> Amount {
        let own = self.own.get(&(account, asset)).copied().unwrap_or(Amount::ZERO);
        match (own, self.every[place(asset)]) {
            (Amount::ZERO, max) | (max, Amount::ZERO) => max,
            (own, every) => own.min(every),
        }
    }

    /// Whether the order moves no more than it may.
    #[cold]
    pub(super) fn check(&self, order: &NewOrder, market: &MarketListed) -> Result<(), Refused> {
        let max = self.of(order.account, market.base);
        if !max.is_zero() && base_measured(order, market) > max.wide() {
            return Err(RejectReason::AssetQtyTooLarge.into());
        }
        let max = self.of(order.account, market.quote);
        if !max.is_zero() && measured(order, market)? > max.wide() {
            return Err(RejectReason::AssetQtyTooLarge.into());
        }
        Ok(())
    }

    /// In the order of accounts and assets.
    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.own.len() as u32));
        for ((account, asset), max) in &self.own {
            to.put(account);
            to.put(asset);
            to.put(max);
        }
        to.put(&self.every_count);
        for (at, max) in self.every.iter().enumerate().filter(|(_, max)| !max.is_zero()) {
            to.put(&(at as u16));
            to.put(max);
        }
    }

    /// Fills in what [`AssetLimits::save`] wrote. Refuses more rows than there is room for, rows without a limit, and a second row
    /// for the same; `row` is told of whom each is, and may refuse it.
    pub(super) fn load(
        &mut self,
        from: &mut Reader<'_>,
        mut row: impl FnMut(AccountId) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        for _ in 0..from.get::<u32>()? {
            let (whose, max): ((AccountId, AssetId), Amount) = ((from.get()?, from.get()?), from.get()?);
            row(whose.0)?;
            let is_known = (1..=self.every.len()).contains(&usize::from(whose.1.get()));
            if !is_known || max.is_zero() || !self.has_room_for(whose, max) || self.set(whose, max) != 1 {
                return Err(CodecError::OutOfRange);
            }
        }
        for _ in 0..from.get::<u16>()? {
            let (at, max): (u16, Amount) = (from.get()?, from.get()?);
            let every = self.every.get_mut(usize::from(at)).filter(|before| before.is_zero() && !max.is_zero());
            *every.ok_or(CodecError::OutOfRange)? = max;
            self.every_count += 1;
        }
        Ok(())
    }
}

impl LedgerCell {
    pub(crate) fn set_asset_limit(&mut self, set: &SetAssetLimit, effects: &mut Effects<'_>) -> Answer {
        let SetAssetLimit { account, asset, order_max } = *set;
        self.registry.asset(asset)?;
        if account.get() == 0 {
            self.conduct.assets().set_everybodys(asset, order_max);
        } else {
            self.registry.account(account)?;
            if !self.conduct.assets().has_room_for((account, asset), order_max) {
                return Err(RejectReason::TableFull.into());
            }
            let more = self.conduct.assets().set((account, asset), order_max);
            self.conduct.count_limited(account, more);
        }
        effects.tell(Event::AssetLimitChanged(AssetLimitChanged { account, asset, order_max }));
        Ok(account.get().into())
    }
}

/// An order's quantity, in ledger units of the base asset.
fn base_measured(order: &NewOrder, market: &MarketListed) -> i128 {
    let scale = &market.scale;
    let units = if order.qty.is_zero() {
        let protection = i128::from(market.rules.protection_ppm);
        let ppm = if order.side == Side::Buy { 1_000_000 + protection } else { 1_000_000 - protection };
        let price = i128::from(order.price.units()) * 1_000_000;
        // What a unit costs more of than an amount can hold is not bought at all.
        let cost = price.checked_mul(scale.quote_factor.into());
        cost.map_or(0, |cost| order.quote_qty.wide() * ppm / cost)
    } else {
        order.qty.units().into()
    };
    units.saturating_mul(scale.base_factor.into())
}

#[cfg(test)]
mod tests;
