//! A market's filters, held against an order before it costs a place in the log. The market decides with its
//! own copy of the rules; this one only answers early.

use wire::command::NewOrder;
use wire::{OrderKind, RejectReason, Side, Terms};

use super::parse::Placement;
use crate::errors::{self, ApiError};
use crate::reference::Market;

/// What the market's filters say of this order, and its phase.
pub fn check(placement: &Placement) -> Result<(), ApiError> {
    if !placement.market.status.takes_orders() {
        return Err(errors::MARKET_CLOSED);
    }
    check_in_itself(placement)
}

/// What the market's filters say of this order, whether its market takes any now or not.
pub fn check_in_itself(placement: &Placement) -> Result<(), ApiError> {
    let (market, order, terms) = (&*placement.market, &placement.order, &placement.terms);
    first_failure(market, order, terms).map_or(Ok(()), |reason| Err(explain(market, order, reason)))
}

/// What a client is told of a refused order. The filter of a too large quantity depends on the order.
pub fn explain(market: &Market, order: &NewOrder, reason: RejectReason) -> ApiError {
    match reason {
        RejectReason::QtyTooLarge if order.kind.is_market() && order.qty <= market.rules.qty_max => {
            ApiError::filter("MARKET_LOT_SIZE")
        }
        reason => reason.into(),
    }
}

fn first_failure(market: &Market, order: &NewOrder, terms: &Terms) -> Option<RejectReason> {
    let rules = &market.rules;
    // Of a pegged order that names no price the market looks at the one that it gives it.
    let is_protected = order.kind.is_market() || (!terms.peg.is_none() && !terms.peg.has_price);
    for price in (!is_protected).then_some(order.price).into_iter().chain(terms.stop_price) {
        if !price.is_multiple_of(rules.tick) {
            return Some(RejectReason::PriceOffTick);
        }
        if price < rules.price_min {
            return Some(RejectReason::PriceTooLow);
        }
        if price > rules.price_max {
            return Some(RejectReason::PriceTooHigh);
        }
    }
    let special = &rules.special;
    let deltas = special.trailing_delta_min..=special.trailing_delta_max;
    if !terms.trailing_delta.is_zero() && !deltas.contains(&terms.trailing_delta) {
        return Some(RejectReason::BadTrailingDelta);
    }
    let has_min = special.has_min_notional(order.kind.is_market());
    let visible = terms.visible_qty;
    if !visible.is_zero() {
        if visible > order.qty || visible < rules.qty_min || !visible.is_multiple_of(rules.lot) {
            return Some(RejectReason::BadIcebergQty);
        }
        // Rounded up; the order's quantity is at least one slice.
        if (order.qty.units() - 1) / visible.units() >= i64::from(special.iceberg_parts_max) {
            return Some(RejectReason::TooManyIcebergParts);
        }
    }
    if order.qty.is_zero() {
        return match order.quote_qty {
            spent if spent < rules.notional_min => Some(RejectReason::NotionalTooSmall),
            spent if has_min && spent < special.min_notional => Some(RejectReason::BelowMinNotional),
            _ => None,
        };
    }
    if !order.qty.is_multiple_of(rules.lot) {
        return Some(RejectReason::QtyOffLot);
    }
    if order.qty < rules.qty_min {
        return Some(RejectReason::QtyTooSmall);
    }
    let qty_max = if order.kind.is_market() { rules.market_qty_max } else { rules.qty_max };
    if order.qty > qty_max {
        return Some(RejectReason::QtyTooLarge);
    }
    if !terms.qty_min.is_multiple_of(rules.lot) {
        return Some(RejectReason::BadQtyMin);
    }
    if is_protected && (order.kind.is_stop() || !order.kind.is_market()) {
        // Its protection price is made from its stop price, by the ledger, or its limit by the market.
        return None;
    }
    // The protection price bounds a market order's notional from above when it buys, from below when it
    // sells: only what is certain is refused here.
    let notional = order.price.notional(order.qty, market.scale.quote_factor);
    let bounds_from_below = order.kind != OrderKind::Market || order.side == Side::Sell;
    let bounds_from_above = order.kind != OrderKind::Market || order.side == Side::Buy;
    match notional {
        None if bounds_from_below => Some(RejectReason::NotionalTooLarge),
        Some(notional) if bounds_from_below && notional > rules.notional_max => Some(RejectReason::NotionalTooLarge),
        Some(notional) if bounds_from_above && notional < rules.notional_min => Some(RejectReason::NotionalTooSmall),
        Some(notional) if bounds_from_above && has_min && notional < special.min_notional => {
            Some(RejectReason::BelowMinNotional)
        }
        _ => None,
    }
}
