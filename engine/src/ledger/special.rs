//! Orders on terms in the ledger: what is checked and held for stop orders, icebergs and dated orders, and what their
//! market says of them.
//!
//! - *Stop orders* need a stop price, a trailing delta, or both; other orders take neither. A stop price passes the price
//!   filter, a trailing delta lies between the market's bounds. `StopLoss` and `TakeProfit` take a base quantity and `Ioc`;
//!   `StopLossLimit` and `TakeProfitLimit` what a limit order takes. An account has at most `stop_orders_max` of them open
//!   in a market, triggered ones included.
//! - *Holds*: of a sell the quantity, of a limit buy limit × quantity. A `StopLoss` or `TakeProfit` buy holds what a market
//!   order does at a protection price: from its stop price, a trailing delta up and `protection_ppm` up from there, both
//!   rounded up; without a stop price the order's price is the protection price. It is its budget: the least of that and
//!   what is free. The notional filter measures it as a market order with this protection price.
//! - *Icebergs*: the visible quantity is a multiple of the lot, at least the least quantity, at most the whole; `Gtc`, `Day` or
//!   `Gtd` limit orders, maker-only ones and stop-limit ones alone; at most `iceberg_parts_max` slices, the last one smaller. An
//!   account has at most `iceberg_orders_max` of them open in a market, stop-limit ones from the start.
//! - *Dates*: `Gtd` and only `Gtd` has one, and it lies ahead in the ledger's log time.

use wire::command::{NewOrder, NewOrderOnTerms};
use wire::event::{MarketListed, OrderArmed, OrderTerms, OrderTracking, OrderTriggered};
use wire::mail::{StopArmed, StopTracking, StopTriggered};
use wire::{Event, ListId, MarketRules, OrderId, OrderKind, PartitionId, RejectReason, Terms, TimeInForce, Timestamp};

use super::admission::check_price_filter;
use super::orders::Order;
use super::pegs::{check_pegs, is_protected};
use super::{Answer, LedgerCell, Refused};
use crate::effects::Effects;
use crate::mailbox::Mailboxes;

impl LedgerCell {
    /// Holds the funds of an order on terms and sends it to its market.
    pub(crate) fn new_order_on_terms(
        &mut self,
        new: &NewOrderOnTerms,
        mailboxes: &Mailboxes,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let terms = new.terms;
        check_date(self.now, &new.order, &terms)?;
        let order = self.protected(&new.order, &terms)?;
        let admitted = self.admit(&order, Some(&terms), mailboxes)?;
        Ok(self.send_on_terms(&order, &admitted, terms, effects).get())
    }

    pub(super) fn tell_terms(
        &self,
        id: OrderId,
        order: &NewOrder,
        list: ListId,
        terms: Terms,
        effects: &mut Effects<'_>,
    ) {
        let (account, market) = (order.account, order.market);
        effects.tell(Event::OrderTerms(Box::new(OrderTerms { order: id, account, market, list, terms })));
    }

    /// The order with the protection price of a stop order that has no limit of its own.
    pub(super) fn protected(&self, order: &NewOrder, terms: &Terms) -> Result<NewOrder, Refused> {
        let rules = self.registry.market(order.market)?.listed.rules;
        let Some(stop) = terms.stop_price.filter(|_| order.kind.is_stop() && is_protected(order, Some(terms))) else {
            return Ok(*order);
        };
        Ok(NewOrder { price: rules.stop_protection(order.side, stop, terms.trailing_delta), ..*order })
    }

    fn stop_of(&self, from: PartitionId, id: OrderId) -> Option<Order> {
        self.order_of(from, id).map(|(order, _)| order)
    }

    pub(super) fn armed(&mut self, from: PartitionId, armed: &StopArmed, effects: &mut Effects<'_>) {
        let Some(order) = self.stop_of(from, armed.order) else { return };
        self.accept(&order, from, effects);
        let Order { id, account, market, .. } = order;
        effects.tell(Event::OrderArmed(OrderArmed { order: id, account, market }));
    }

    pub(super) fn tracking(&mut self, from: PartitionId, tracking: &StopTracking, effects: &mut Effects<'_>) {
        let Some(Order { id, account, market, .. }) = self.stop_of(from, tracking.order) else { return };
        effects.tell(Event::OrderTracking(OrderTracking { order: id, account, market, at: tracking.at }));
    }

    pub(super) fn triggered(&mut self, from: PartitionId, triggered: &StopTriggered, effects: &mut Effects<'_>) {
        let Some(Order { id, account, market, .. }) = self.stop_of(from, triggered.order) else { return };
        effects.tell(Event::OrderTriggered(OrderTriggered { order: id, account, market, at: triggered.at }));
    }
}

pub(super) fn check_date(now: Timestamp, order: &NewOrder, terms: &Terms) -> Result<(), Refused> {
    let is_good = match terms.expire_at {
        Some(at) => order.time_in_force == TimeInForce::Gtd && at > now,
        None => order.time_in_force != TimeInForce::Gtd,
    };
    if is_good { Ok(()) } else { Err(RejectReason::BadExpiry.into()) }
}

/// Kind, time in force and terms of an order on terms.
pub(super) fn check_terms(order: &NewOrder, terms: &Terms, market: &MarketListed) -> Result<(), Refused> {
    let (kind, rules) = (order.kind, &market.rules);
    let fits = match kind {
        OrderKind::Market | OrderKind::StopLoss | OrderKind::TakeProfit => order.time_in_force == TimeInForce::Ioc,
        OrderKind::LimitMaker => order.time_in_force.may_rest(),
        OrderKind::Limit | OrderKind::StopLossLimit | OrderKind::TakeProfitLimit => true,
    };
    if !fits {
        return Err(RejectReason::BadTimeInForce.into());
    }
    let trails = !terms.trailing_delta.is_zero();
    if !kind.is_stop() && (trails || terms.stop_price.is_some()) {
        return Err(RejectReason::StopPriceNotTaken.into());
    }
    if kind.is_stop() && !trails && terms.stop_price.is_none() {
        return Err(RejectReason::StopPriceMissing.into());
    }
    let deltas = rules.special.trailing_delta_min..=rules.special.trailing_delta_max;
    if trails && !deltas.contains(&terms.trailing_delta) {
        return Err(RejectReason::BadTrailingDelta.into());
    }
    if let Some(stop) = terms.stop_price {
        check_price_filter(stop, rules)?;
    }
    check_iceberg(order, terms, rules)?;
    check_pegs(order, terms, rules)
}

/// Whether an order shows a part only: Binance's `icebergQty` above zero, whatever part of the whole it is.
pub(super) fn is_iceberg(terms: &Terms) -> bool {
    !terms.visible_qty.is_zero()
}

fn check_iceberg(order: &NewOrder, terms: &Terms, rules: &MarketRules) -> Result<(), Refused> {
    let visible = terms.visible_qty;
    if visible.is_zero() {
        return Ok(());
    }
    let may_be = !order.kind.is_market() && order.time_in_force.may_rest();
    if !may_be || visible > order.qty || visible < rules.qty_min || !visible.is_multiple_of(rules.lot) {
        return Err(RejectReason::BadIcebergQty.into());
    }
    let parts = (order.qty.units() - 1) / visible.units() + 1;
    if parts > i64::from(rules.special.iceberg_parts_max) {
        return Err(RejectReason::TooManyIcebergParts.into());
    }
    Ok(())
}
