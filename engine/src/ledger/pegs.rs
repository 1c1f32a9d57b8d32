//! Pegged orders and minimum quantities in the ledger: which orders take them, and what is held.
//!
//! - *Peg*: a market may not take pegged orders (`PegsNotAllowed`). `LimitMaker` orders are pegged to their own side alone, and
//!   `Limit` orders that are pegged to it must be able to rest; market orders and stops that become one take no peg (`BadPeg`).
//! - *Hold*: for the client's price, if there is one: it passes the filters as any limit does. Otherwise for a protection
//!   price, which passes none: the gateway's, or, of a stop order with a stop price, what a `StopLoss` order
//!   would have. The limits of accounts measure that price. When the market says at which price the order meets the book
//!   (`OrderPegged`), the hold of a buy falls to what it costs there; not while a replace that counts on it is on its way.
//! - *Minimum quantity*: of `Limit` and `Market` orders by base quantity that are of no list; a multiple of the lot, at most the
//!   whole (`BadQtyMin`).

use wire::command::NewOrder;
use wire::event::{MarketListed, OrderPegged};
use wire::mail::PegSet;
use wire::{Amount, Event, MarketRules, OrderKind, PartitionId, Peg, PegSide, RejectReason, Side, Terms};

use super::orders::Order;
use super::{LedgerCell, Refused};
use crate::effects::Effects;

/// Whether an order takes its peg and its minimum quantity.
pub(super) fn check_pegs(order: &NewOrder, terms: &Terms, rules: &MarketRules) -> Result<(), Refused> {
    check_peg(order, terms.peg, rules)?;
    let qty_min = terms.qty_min;
    let may_have = matches!(order.kind, OrderKind::Limit | OrderKind::Market) && qty_min <= order.qty;
    match qty_min.is_zero() || (may_have && qty_min.is_multiple_of(rules.lot)) {
        true => Ok(()),
        false => Err(RejectReason::BadQtyMin.into()),
    }
}

fn check_peg(order: &NewOrder, peg: Peg, rules: &MarketRules) -> Result<(), Refused> {
    if peg == Peg::NONE {
        return Ok(());
    }
    if !rules.special.takes_pegged {
        return Err(RejectReason::PegsNotAllowed.into());
    }
    let fits = match (order.kind, peg.side) {
        (_, PegSide::None) => false,
        (OrderKind::LimitMaker, side) => side == PegSide::Primary,
        (OrderKind::Limit, PegSide::Primary) => order.time_in_force.may_rest(),
        (kind, _) => !kind.is_market(),
    };
    if fits && peg.levels <= Peg::LEVELS_MAX { Ok(()) } else { Err(RejectReason::BadPeg.into()) }
}

/// Whether the order's price is a protection price, which no filter looks at.
pub(super) fn is_protected(order: &NewOrder, terms: Option<&Terms>) -> bool {
    order.kind.is_market() || terms.is_some_and(|terms| !terms.peg.is_none() && !terms.peg.has_price)
}

impl LedgerCell {
    /// The market has given a pegged order its limit.
    pub(super) fn pegged(&mut self, from: PartitionId, set: &PegSet, effects: &mut Effects<'_>) {
        let Some((order, market)) = self.order_of(from, set.order) else { return };
        self.accept(&order, from, effects);
        let PegSet { order: id, price, .. } = *set;
        if let Some(open) = self.orders.get_mut(id) {
            open.price = price;
        }
        self.lower_hold_to_limit(&Order { price, ..order }, &market);
        let (account, market) = (order.account, order.market);
        effects.tell(Event::OrderPegged(OrderPegged { order: id, account, market, price }));
    }

    /// A limit buy needs what it costs at its limit, unless a new order counts on what was held for it.
    pub(super) fn lower_hold_to_limit(&mut self, order: &Order, market: &MarketListed) {
        if order.side == Side::Buy && !self.replaces.count_on(order.id) {
            let cost = order.price.notional(order.leaves, market.scale.quote_factor);
            self.lower_hold(order, market, |held| cost.map_or(held, |cost| cost.min(held)));
        }
    }

    /// An order needs less, which `need` says from what was held for it; the rest is free. One of a pair that shares a hold
    /// frees what neither needs.
    pub(super) fn lower_hold(&mut self, order: &Order, market: &MarketListed, need: impl Fn(Amount) -> Amount) {
        let (holder, released) = match self.lower_share(order, &need) {
            Some(shared) => shared,
            None => (order.id, order.held.checked_sub(need(order.held)).unwrap_or(Amount::ZERO)),
        };
        self.release(order, market, released);
        if let Some(open) = self.orders.get_mut(holder) {
            open.held = open.held.checked_sub(released).unwrap_or(Amount::ZERO);
        }
    }
}
