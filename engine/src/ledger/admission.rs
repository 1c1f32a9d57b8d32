//! Whether an order may go to its market, and what is held for it. Decides only. The order of the steps is the
//! order in which clients see the reasons.

use wire::command::NewOrder;
use wire::event::MarketListed;
use wire::{
    Amount, AssetId, MarketRules, MarketScale, MarketStatus, OrderKind, PartitionId, Price, Qty, RejectReason, Side,
    Terms, TimeInForce,
};

use super::pegs::is_protected;
use super::special::{check_terms, is_iceberg};
use super::{LedgerCell, Refused};
use crate::mailbox::Mailboxes;
use crate::market::{admits, admits_terms};
use crate::name_index::Name;

/// What an order that may go needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admitted {
    /// Where its market's cell lives.
    pub(super) partition: PartitionId,
    /// What its market trades, and in which scale.
    pub(super) base: AssetId,
    pub(super) scale: MarketScale,
    /// Held from this asset.
    pub(super) asset: AssetId,
    /// This much.
    pub(super) hold: Amount,
    /// The most base it may trade.
    pub(super) qty: Qty,
    /// The most quote it may pay or receive.
    pub(super) budget: Amount,
    /// What its client order id, which is not taken, is found by.
    pub(super) name: Name,
}

/// Of what is not opened as it is admitted.
const UNNAMED: Name = [0; 2];

/// What an order is checked beside: what is not yet so, but will be when the order comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Beside {
    /// Free beside what is.
    pub(super) credit: Amount,
    /// Orders of its list that come before it, and how many of them are stop orders and icebergs.
    pub(super) orders: u32,
    pub(super) stops: u32,
    pub(super) icebergs: u32,
    /// Base, in ledger units, that the buys among them bring.
    pub(super) bought: i128,
}

impl LedgerCell {
    /// `terms` are those of an order on terms.
    #[inline(always)]
    pub(super) fn admit(
        &self,
        order: &NewOrder,
        terms: Option<&Terms>,
        mailboxes: &Mailboxes,
    ) -> Result<Admitted, Refused> {
        let admitted = self.admit_with(order, terms, &Beside::default())?;
        if !self.orders.has_room() {
            return Err(RejectReason::Busy.into());
        }
        if !self.lane_has_room(admitted.partition, mailboxes) {
            return Err(RejectReason::MarketUnavailable.into());
        }
        Ok(admitted)
    }

    /// All but the room.
    #[inline(always)]
    pub(super) fn admit_with(
        &self,
        order: &NewOrder,
        terms: Option<&Terms>,
        beside: &Beside,
    ) -> Result<Admitted, Refused> {
        self.registry.account(order.account)?;
        let market = self.registry.market(order.market)?;
        if !order.client_order_id.is_client_order_id() {
            return Err(RejectReason::BadClientOrderId.into());
        }
        let name = self.check_name(order.account, &order.client_order_id, order.asked_us)?;
        admits(market.status, order.kind, order.time_in_force)?;
        if let Some(terms) = terms {
            admits_terms(market.status, terms)?;
        }
        let is_iceberg = terms.is_some_and(is_iceberg);
        self.check_conduct(order, is_iceberg, beside)?;
        let market = &market.listed;
        check_filters(order, terms, market)?;
        self.check_open_orders(order, is_iceberg, &market.rules)?;
        let admitted = Admitted { name, ..self.hold_for(order, market, beside.credit)? };
        self.check_bounds(order, market, &admitted, beside.bought)?;
        Ok(admitted)
    }

    /// What no later moment mends, in the order of [`LedgerCell::admit_with`]: everything but whether the name is free, whether
    /// market, account, key and session take an order now, and what is free.
    pub(super) fn check_in_itself(&self, order: &NewOrder, terms: &Terms) -> Result<(), Refused> {
        self.registry.account(order.account)?;
        let market = self.registry.market(order.market)?;
        if !order.client_order_id.is_client_order_id() {
            return Err(RejectReason::BadClientOrderId.into());
        }
        if market.status == MarketStatus::Delisted {
            return Err(RejectReason::MarketDelisted.into());
        }
        let market = &market.listed;
        self.check_conduct_in_itself(order, is_iceberg(terms))?;
        check_filters(order, Some(terms), market)?;
        self.check_open_orders(order, is_iceberg(terms), &market.rules)?;
        let admitted = self.hold_for(order, market, Amount::MAX)?;
        self.check_bounds(order, market, &admitted, 0)
    }

    /// MAX_NUM_ORDERS, MAX_NUM_ALGO_ORDERS and MAX_NUM_ICEBERG_ORDERS.
    #[inline(always)]
    fn check_open_orders(&self, order: &NewOrder, is_iceberg: bool, rules: &MarketRules) -> Result<(), Refused> {
        let may_rest = order.time_in_force.may_rest() || order.kind.is_stop();
        if may_rest && self.orders.count(order.account, order.market) >= rules.open_orders_max {
            return Err(RejectReason::TooManyOpenOrders.into());
        }
        if order.kind.is_stop() && self.orders.stops().of(order.account, order.market) >= rules.special.stop_orders_max
        {
            return Err(RejectReason::TooManyStopOrders.into());
        }
        let icebergs_max = rules.special.iceberg_orders_max;
        if is_iceberg && icebergs_max > 0 && self.orders.icebergs().of(order.account, order.market) >= icebergs_max {
            return Err(RejectReason::TooManyIcebergOrders.into());
        }
        Ok(())
    }

    /// How much is held: exactly what a limit order can cost; for a market order at most what is free.
    #[inline(always)]
    pub(super) fn hold_for(
        &self,
        order: &NewOrder,
        market: &MarketListed,
        credit: Amount,
    ) -> Result<Admitted, Refused> {
        let (scale, lot) = (market.scale, market.rules.lot);
        let asset = match order.side {
            Side::Buy => market.quote,
            Side::Sell => market.base,
        };
        let free = self.balances.get(order.account, asset).free.checked_add(credit).unwrap_or(Amount::MAX);
        let is_by_quote = order.qty.is_zero();
        let (hold, qty, budget) = match (order.kind, order.side) {
            (kind, Side::Buy) if !kind.is_market() => {
                (notional(order.price, order.qty, market)?, order.qty, Amount::MAX)
            }
            (_, Side::Buy) if is_by_quote => (order.quote_qty, Qty::MAX, order.quote_qty),
            (_, Side::Buy) => {
                let budget = notional(order.price, order.qty, market)?.min(free);
                if order.price.affordable(budget, lot, scale.quote_factor).is_zero() {
                    return Err(RejectReason::InsufficientBalance.into());
                }
                (budget, order.qty, budget)
            }
            (OrderKind::Market, Side::Sell) if is_by_quote => {
                let wanted = order.price.affordable(order.quote_qty, lot, scale.quote_factor);
                let owned = Qty::new((free.units() / scale.base_factor).min(Qty::MAX.units())).unwrap_or(Qty::ZERO);
                let owned = Qty::new(owned.units() - owned.units() % lot.units()).unwrap_or(Qty::ZERO);
                if wanted.is_zero() {
                    return Err(RejectReason::NotionalTooSmall.into());
                }
                if owned.is_zero() {
                    return Err(RejectReason::InsufficientBalance.into());
                }
                let qty = wanted.min(owned);
                (base(qty, market)?, qty, order.quote_qty)
            }
            (_, Side::Sell) => (base(order.qty, market)?, order.qty, Amount::MAX),
        };
        if hold > free {
            return Err(RejectReason::InsufficientBalance.into());
        }
        let (partition, base) = (market.partition, market.base);
        Ok(Admitted { partition, base, scale, asset, hold, qty, budget, name: UNNAMED })
    }
}

/// Whether an order makes sense, and fits its market's filters as they are.
#[inline(always)]
pub(super) fn check_filters(order: &NewOrder, terms: Option<&Terms>, market: &MarketListed) -> Result<(), Refused> {
    match terms {
        None => check_kind(order)?,
        Some(terms) => check_terms(order, terms, market)?,
    }
    check_price(order, terms, market)?;
    check_qty(order, market)?;
    // The notional of a pegged order is measured by its market, at the price that it gets there.
    if order.kind.is_market() || !is_protected(order, terms) {
        check_notional(order, market)?;
    }
    Ok(())
}

#[inline(always)]
fn check_kind(order: &NewOrder) -> Result<(), Refused> {
    if order.kind.is_stop() {
        return Err(RejectReason::StopPriceMissing.into());
    }
    let fits = match order.kind {
        OrderKind::Market => order.time_in_force == TimeInForce::Ioc,
        OrderKind::LimitMaker => matches!(order.time_in_force, TimeInForce::Gtc | TimeInForce::Day),
        _ => order.time_in_force != TimeInForce::Gtd,
    };
    if fits { Ok(()) } else { Err(RejectReason::BadTimeInForce.into()) }
}

/// A protection price bounds a market order, it never becomes a level: no filter applies to it.
#[inline(always)]
fn check_price(order: &NewOrder, terms: Option<&Terms>, market: &MarketListed) -> Result<(), Refused> {
    let (price, rules) = (order.price, &market.rules);
    if is_protected(order, terms) {
        return Ok(());
    }
    check_price_filter(price, rules)
}

/// PRICE_FILTER, of limits and of stop prices.
#[inline(always)]
pub(super) fn check_price_filter(price: Price, rules: &MarketRules) -> Result<(), Refused> {
    if price < rules.price_min {
        return Err(RejectReason::PriceTooLow.into());
    }
    if price > rules.price_max {
        return Err(RejectReason::PriceTooHigh.into());
    }
    if !price.is_multiple_of(rules.tick) {
        return Err(RejectReason::PriceOffTick.into());
    }
    Ok(())
}

#[inline(always)]
fn check_qty(order: &NewOrder, market: &MarketListed) -> Result<(), Refused> {
    let (qty, rules) = (order.qty, &market.rules);
    let is_market = order.kind.is_market();
    if qty.is_zero() == order.quote_qty.is_zero() || (qty.is_zero() && order.kind != OrderKind::Market) {
        return Err(RejectReason::QtyMissing.into());
    }
    if qty.is_zero() {
        return Ok(());
    }
    let qty_max = if is_market { rules.market_qty_max } else { rules.qty_max };
    if qty < rules.qty_min {
        return Err(RejectReason::QtyTooSmall.into());
    }
    if qty > qty_max {
        return Err(RejectReason::QtyTooLarge.into());
    }
    if !qty.is_multiple_of(rules.lot) {
        return Err(RejectReason::QtyOffLot.into());
    }
    Ok(())
}

#[inline(always)]
fn check_notional(order: &NewOrder, market: &MarketListed) -> Result<(), Refused> {
    let rules = &market.rules;
    let measured = measured(order, market)?;
    if measured < rules.notional_min.wide() {
        return Err(RejectReason::NotionalTooSmall.into());
    }
    if measured > rules.notional_max.wide() {
        return Err(RejectReason::NotionalTooLarge.into());
    }
    if rules.special.has_min_notional(order.kind.is_market()) && measured < rules.special.min_notional.wide() {
        return Err(RejectReason::BelowMinNotional.into());
    }
    Ok(())
}

/// An order's notional, for filters. A market order by base quantity is measured at the price that its protection price
/// was made from.
#[inline(always)]
pub(super) fn measured(order: &NewOrder, market: &MarketListed) -> Result<i128, Refused> {
    let rules = &market.rules;
    Ok(match order.kind {
        kind if kind.is_market() && order.qty.is_zero() => order.quote_qty.wide(),
        kind if kind.is_market() => {
            let product = i128::from(order.price.units()) * i128::from(order.qty.units());
            let ppm = match order.side {
                Side::Buy => 1_000_000 + i128::from(rules.protection_ppm),
                Side::Sell => 1_000_000 - i128::from(rules.protection_ppm),
            };
            // What does not even fit here is above every maximum.
            let protected = product.checked_mul(i128::from(market.scale.quote_factor) * 1_000_000);
            protected.map_or(i128::MAX, |protected| protected / ppm)
        }
        _ => notional(order.price, order.qty, market)?.wide(),
    })
}

#[inline(always)]
fn notional(price: Price, qty: Qty, market: &MarketListed) -> Result<Amount, Refused> {
    price.notional(qty, market.scale.quote_factor).ok_or(RejectReason::NotionalTooLarge.into())
}

#[inline(always)]
fn base(qty: Qty, market: &MarketListed) -> Result<Amount, Refused> {
    qty.to_amount(market.scale.base_factor).ok_or(RejectReason::QtyTooLarge.into())
}
