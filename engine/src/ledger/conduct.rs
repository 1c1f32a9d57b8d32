//! What each account may do, and with whom it belongs together.
//!
//! A new order is refused, and this is the order of the reasons, between those of the market's phase and those of its
//! filters:
//!
//! - `AccountKilled`: the account's kill switch is engaged;
//! - `UnknownApiKey`: it names a key that is none of the account's; `ApiKeyKilled`: the key's kill switch is engaged;
//! - `UnknownLease`: it names a client session whose lease is not live;
//! - `OrderRateExceeded`: the account has had `order_rate_max` orders accepted in the present window of log time. Windows
//!   begin at multiples of their length since 1970; a refused order does not count, a cancel never does;
//! - `AccountOpenOrders`: it may rest, and the account has `open_orders_max` open orders over all markets;
//!   `AccountStopOrders`, `AccountIcebergOrders`: it is a stop order, or an iceberg, and the account has as many of them;
//!
//! and after the filters and `InsufficientBalance`:
//!
//! - `AccountQtyTooLarge`: its base quantity is above `qty_max` (an order by quote quantity has none);
//! - `AccountNotionalTooLarge`: its notional, measured as the market's own filter measures it, is above `notional_max`;
//! - `AssetQtyTooLarge`: it moves more of its base or its quote asset than `asset_limits` lets one order;
//! - `PositionTooLarge`: it is a buy, and free and held base, the base of the account's open buys in this market, and its
//!   own together are above the account's `position_max` there, or above the market's. The base of a limit buy is what
//!   is left of it, of any other buy what its hold buys at its protection price.
//!
//! The orders of a list are looked at as if they came one after another; `AccountOrderLists`, as many lists are open over all markets as
//! may be, comes after the market's own limit of lists. Zero is no limit. Where an account and every account have a limit of one
//! kind, the lower one holds. A limit that is set while orders are open cancels none of them.

use std::collections::BTreeSet;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::NewOrder;
use wire::event::MarketListed;
use wire::{
    AccountId, Amount, ApiKeyId, FirmId, MarketId, MarketScale, Price, Qty, RejectReason, Side, Timestamp, TradeGroupId,
};

use super::admission::{Admitted, Beside, measured};
use super::asset_limits::AssetLimits;
use super::bounds::{Bounds, BoundsTable};
use super::orders::Orders;
use super::{LedgerCell, Refused};
use crate::index::IdIndex;
use crate::limits::Limits;

mod settings;

/// How many of what may be open over all markets. Zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Most {
    orders: u32,
    stops: u32,
    icebergs: u32,
    lists: u32,
}

/// One account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Row {
    group: TradeGroupId,
    firm: FirmId,
    is_killed: bool,
    most: Most,
    order_rate_max: u32,
    order_rate_window_ms: u32,
    /// Which window it is, and how many orders were accepted in it.
    window: u64,
    placed: u32,
    /// In how many markets there are bounds of it.
    bounded: u16,
    /// Of how many assets one order of it may move so much and no more.
    limited: u16,
}

/// Dense by account.
pub(super) struct Conduct {
    rows: Vec<Row>,
    /// What every account may have open.
    every: Most,
    assets: AssetLimits,
    bounds: BoundsTable,
    /// The position that every account may have, by market.
    positions: Vec<Amount>,
    /// Whose each known API key is.
    keys: IdIndex,
    killed_keys: BTreeSet<ApiKeyId>,
}

impl Conduct {
    pub(super) fn new(limits: &Limits) -> Conduct {
        Conduct {
            rows: Vec::with_capacity(limits.accounts_max as usize),
            every: Most::default(),
            assets: AssetLimits::new(limits),
            bounds: BoundsTable::new(limits.order_limits_max as usize),
            positions: vec![Amount::ZERO; usize::from(limits.markets_max)],
            keys: IdIndex::new(limits.api_keys_max as usize),
            killed_keys: BTreeSet::new(),
        }
    }

    pub(super) fn add_account(&mut self) {
        self.rows.push(Row::default());
    }

    pub(super) fn add_key(&mut self, key: ApiKeyId, account: AccountId) {
        self.keys.insert([key.get().into()], account.get().into());
    }

    pub(super) fn remove_key(&mut self, key: ApiKeyId) {
        self.keys.remove(&[key.get().into()]);
        self.killed_keys.remove(&key);
    }

    #[inline(always)]
    fn row(&self, account: AccountId) -> &Row {
        &self.rows[account.get() as usize - 1]
    }

    #[inline(always)]
    fn row_mut(&mut self, account: AccountId) -> &mut Row {
        &mut self.rows[account.get() as usize - 1]
    }

    /// Reads the rows of a known account; what it was has no meaning.
    #[inline]
    pub(super) fn read(&self, account: AccountId, market: MarketId) -> u64 {
        let row = self.row(account);
        let bounds = self.bounds(account, market).map_or(0, |bounds| bounds.qty_max.units() as u64);
        row.window ^ bounds
    }

    /// The trade group of a known account.
    #[inline(always)]
    pub(super) fn group(&self, account: AccountId) -> TradeGroupId {
        self.row(account).group
    }

    pub(super) fn is_killed(&self, account: AccountId) -> bool {
        self.row(account).is_killed
    }

    pub(super) fn kill(&mut self, account: AccountId, is_engaged: bool) {
        self.row_mut(account).is_killed = is_engaged;
    }

    pub(super) fn kill_key(&mut self, key: ApiKeyId, is_engaged: bool) {
        if is_engaged {
            self.killed_keys.insert(key);
        } else {
            self.killed_keys.remove(&key);
        }
    }

    /// Counts an accepted order.
    #[inline(always)]
    pub(super) fn count_order(&mut self, account: AccountId, now: Timestamp) {
        let row = self.row_mut(account);
        if row.order_rate_max > 0 {
            let window = window_of(row, now);
            let before = if window == row.window { row.placed } else { 0 };
            (row.window, row.placed) = (window, before + 1);
        }
    }

    #[inline(always)]
    fn check(&self, order: &NewOrder) -> Result<(), RejectReason> {
        if self.row(order.account).is_killed {
            return Err(RejectReason::AccountKilled);
        }
        self.check_key(order)?;
        if order.key.get() != 0 && self.killed_keys.contains(&order.key) {
            return Err(RejectReason::ApiKeyKilled);
        }
        Ok(())
    }

    #[inline(always)]
    fn check_key(&self, order: &NewOrder) -> Result<(), RejectReason> {
        let is_none = order.key.get() == 0;
        if is_none || self.keys.get(&[order.key.get().into()]) == Some(order.account.get().into()) {
            return Ok(());
        }
        Err(RejectReason::UnknownApiKey)
    }

    /// What comes after the order's session has been looked at.
    #[inline(always)]
    fn check_counts(
        &self,
        order: &NewOrder,
        is_iceberg: bool,
        now: Timestamp,
        orders: &Orders,
        beside: &Beside,
    ) -> Result<(), Refused> {
        let row = self.row(order.account);
        if row.order_rate_max > 0 {
            let placed = if row.window == window_of(row, now) { row.placed } else { 0 };
            if placed.saturating_add(beside.orders) >= row.order_rate_max {
                return Err(Refused::naming(RejectReason::OrderRateExceeded, window_left_ms(row, now)));
            }
        }
        let may_rest = order.time_in_force.may_rest() || order.kind.is_stop();
        let account = order.account;
        let is_full = |own, every, open: u32| {
            let most = lower(own, every);
            most > 0 && open >= most
        };
        let (own, every) = (&row.most, &self.every);
        if may_rest && is_full(own.orders, every.orders, orders.total(account).saturating_add(beside.orders)) {
            return Err(RejectReason::AccountOpenOrders.into());
        }
        if order.kind.is_stop()
            && is_full(own.stops, every.stops, orders.stops().total(account).saturating_add(beside.stops))
        {
            return Err(RejectReason::AccountStopOrders.into());
        }
        if is_iceberg
            && is_full(own.icebergs, every.icebergs, orders.icebergs().total(account).saturating_add(beside.icebergs))
        {
            return Err(RejectReason::AccountIcebergOrders.into());
        }
        Ok(())
    }

    pub(super) fn assets(&mut self) -> &mut AssetLimits {
        &mut self.assets
    }

    /// One order of the account may move so much and no more of so many more assets.
    pub(super) fn count_limited(&mut self, account: AccountId, more: i16) {
        let row = self.row_mut(account);
        row.limited = row.limited.checked_add_signed(more).expect("an account has no more limits than assets");
    }

    /// Whether the account may have one more list than so many.
    fn check_lists(&self, account: AccountId, open: usize) -> Result<(), RejectReason> {
        let most = lower(self.row(account).most.lists, self.every.lists);
        if most > 0 && open >= most as usize { Err(RejectReason::AccountOrderLists) } else { Ok(()) }
    }

    #[inline(always)]
    fn bounds(&self, account: AccountId, market: MarketId) -> Option<&Bounds> {
        if self.row(account).bounded > 0 { self.bounds.get((account, market)) } else { None }
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        for row in &self.rows {
            to.put(&row.group);
            to.put(&row.firm);
            to.put(&row.is_killed);
            row.most.save(to);
            to.put(&row.order_rate_max);
            to.put(&row.order_rate_window_ms);
            to.put(&row.window);
            to.put(&row.placed);
        }
        self.every.save(to);
        self.assets.save(to);
        self.bounds.save(to);
        to.put(&(self.positions.iter().filter(|max| !max.is_zero()).count() as u32));
        for (market, max) in self.positions.iter().enumerate().filter(|(_, max)| !max.is_zero()) {
            to.put(&(market as u16));
            to.put(max);
        }
        to.put(&(self.killed_keys.len() as u32));
        for key in &self.killed_keys {
            to.put(key);
        }
    }

    /// Fills in what [`Conduct::save`] wrote, after accounts and keys were added.
    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        for row in &mut self.rows {
            *row = Row {
                group: from.get()?,
                firm: from.get()?,
                is_killed: from.get()?,
                most: Most::load(from)?,
                order_rate_max: from.get()?,
                order_rate_window_ms: from.get()?,
                window: from.get()?,
                placed: from.get()?,
                bounded: 0,
                limited: 0,
            };
            if row.order_rate_max > 0 && row.order_rate_window_ms == 0 {
                return Err(CodecError::OutOfRange);
            }
        }
        self.every = Most::load(from)?;
        let Conduct { rows, bounds, assets, .. } = self;
        assets.load(from, |account| {
            let row = row_of(rows, account)?;
            row.limited = row.limited.checked_add(1).ok_or(CodecError::OutOfRange)?;
            Ok(())
        })?;
        bounds.load(from, |account| {
            let row = row_of(rows, account)?;
            row.bounded = row.bounded.checked_add(1).ok_or(CodecError::OutOfRange)?;
            Ok(())
        })?;
        for _ in 0..from.get::<u32>()? {
            let market: u16 = from.get()?;
            *self.positions.get_mut(usize::from(market)).ok_or(CodecError::OutOfRange)? = from.get()?;
        }
        for _ in 0..from.get::<u32>()? {
            self.killed_keys.insert(from.get()?);
        }
        Ok(())
    }
}

impl Most {
    fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.orders);
        to.put(&self.stops);
        to.put(&self.icebergs);
        to.put(&self.lists);
    }

    fn load(from: &mut Reader<'_>) -> Result<Most, CodecError> {
        Ok(Most { orders: from.get()?, stops: from.get()?, icebergs: from.get()?, lists: from.get()? })
    }
}

fn row_of(rows: &mut [Row], account: AccountId) -> Result<&mut Row, CodecError> {
    let row = (account.get() as usize).checked_sub(1).and_then(|at| rows.get_mut(at));
    row.ok_or(CodecError::OutOfRange)
}

/// The lower of two limits, of which zero is none.
#[inline(always)]
fn lower(own: u32, every: u32) -> u32 {
    if own == 0 || (every != 0 && every < own) { every } else { own }
}

/// Of a row with a rate.
fn window_of(row: &Row, now: Timestamp) -> u64 {
    now.millis() / u64::from(row.order_rate_window_ms)
}

/// In how many milliseconds the next window begins.
#[cold]
fn window_left_ms(row: &Row, now: Timestamp) -> u64 {
    let window_ms = u64::from(row.order_rate_window_ms);
    window_ms - now.millis() % window_ms
}

impl LedgerCell {
    /// Whether the account may place an order at all now, beside others.
    #[inline(always)]
    pub(super) fn check_conduct(&self, order: &NewOrder, is_iceberg: bool, beside: &Beside) -> Result<(), Refused> {
        self.conduct.check(order)?;
        if order.session.get() != 0 && !self.silence.is_live(order.account, order.session) {
            return Err(RejectReason::UnknownLease.into());
        }
        self.conduct.check_counts(order, is_iceberg, self.now, &self.orders, beside)
    }

    /// As [`LedgerCell::check_conduct`], whatever kill switches and leases say now.
    pub(super) fn check_conduct_in_itself(&self, order: &NewOrder, is_iceberg: bool) -> Result<(), Refused> {
        self.conduct.check_key(order)?;
        self.conduct.check_counts(order, is_iceberg, self.now, &self.orders, &Beside::default())
    }

    /// EXCHANGE_MAX_NUM_ORDER_LISTS.
    pub(super) fn check_lists_of(&self, account: AccountId) -> Result<(), Refused> {
        Ok(self.conduct.check_lists(account, self.lists.total(account))?)
    }

    /// Whether the order is one that the account may place, beside others that buy so much base.
    #[inline(always)]
    pub(super) fn check_bounds(
        &self,
        order: &NewOrder,
        listed: &MarketListed,
        admitted: &Admitted,
        beside: i128,
    ) -> Result<(), Refused> {
        let (account, market) = (order.account, order.market);
        let every = self.conduct.positions[usize::from(market.get()) - 1];
        let own = self.conduct.bounds(account, market);
        if let Some(own) = own {
            if !own.qty_max.is_zero() && order.qty > own.qty_max {
                return Err(RejectReason::AccountQtyTooLarge.into());
            }
            if !own.notional_max.is_zero() && measured(order, listed)? > own.notional_max.wide() {
                return Err(RejectReason::AccountNotionalTooLarge.into());
            }
        }
        if self.conduct.row(account).limited > 0 || self.conduct.assets.bound_everybody() {
            self.conduct.assets.check(order, listed)?;
        }
        let max = match (own.map_or(Amount::ZERO, |own| own.position_max), every) {
            (Amount::ZERO, max) | (max, Amount::ZERO) => max,
            (own, every) => own.min(every),
        };
        let is_bounded = !max.is_zero() && order.side == Side::Buy;
        if is_bounded && self.position_with(order, admitted) + beside > max.wide() {
            return Err(RejectReason::PositionTooLarge.into());
        }
        Ok(())
    }

    /// The account's position in the market's base asset when this buy and all others there are filled.
    fn position_with(&self, order: &NewOrder, admitted: &Admitted) -> i128 {
        let owned = self.balances.get(order.account, admitted.base);
        let open: i128 = (self.orders.of_account(order.account))
            .filter(|open| open.market == order.market && open.side == Side::Buy)
            .map(|open| units_of(&admitted.scale, open.is_limit, open.price, open.leaves, open.held))
            .sum();
        owned.free.wide() + owned.held.wide() + open + bought(order, admitted)
    }
}

/// The base, in ledger units, that a buy brings when it is filled.
pub(super) fn bought(order: &NewOrder, admitted: &Admitted) -> i128 {
    units_of(&admitted.scale, !order.kind.is_market(), order.price, admitted.qty, admitted.hold)
}

fn units_of(scale: &MarketScale, is_limit: bool, price: Price, leaves: Qty, held: Amount) -> i128 {
    let bought = if is_limit { leaves } else { price.affordable(held, ONE, scale.quote_factor).min(leaves) };
    i128::from(bought.units()) * i128::from(scale.base_factor)
}

const ONE: Qty = match Qty::new(1) {
    Some(one) => one,
    None => panic!("one is a quantity"),
};
