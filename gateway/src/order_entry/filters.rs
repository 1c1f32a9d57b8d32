//! A market's filters, held against an order before it costs a place in the log. The market decides with its
//! own copy of the rules; this one only answers early.

use wire::command::NewOrder;
use wire::{OrderKind, RejectReason, Side};

use crate::errors::{self, ApiError};
use crate::reference::Market;

/// What the market's filters say of this order.
pub fn check(market: &Market, order: &NewOrder) -> Result<(), ApiError> {
    if !market.status.takes_orders() {
        return Err(errors::MARKET_CLOSED);
    }
    first_failure(market, order).map_or(Ok(()), |reason| Err(explain(market, order, reason)))
}

/// What a client is told of a refused order. The filter of a too large quantity depends on the order.
pub fn explain(market: &Market, order: &NewOrder, reason: RejectReason) -> ApiError {
    match reason {
        RejectReason::QtyTooLarge if order.kind == OrderKind::Market && order.qty <= market.rules.qty_max => {
            ApiError::filter("MARKET_LOT_SIZE")
        }
        reason => reason.into(),
    }
}

fn first_failure(market: &Market, order: &NewOrder) -> Option<RejectReason> {
    let rules = &market.rules;
    if order.kind != OrderKind::Market {
        if !order.price.is_multiple_of(rules.tick) {
            return Some(RejectReason::PriceOffTick);
        }
        if order.price < rules.price_min {
            return Some(RejectReason::PriceTooLow);
        }
        if order.price > rules.price_max {
            return Some(RejectReason::PriceTooHigh);
        }
    }
    if order.qty.is_zero() {
        return (order.quote_qty < rules.notional_min).then_some(RejectReason::NotionalTooSmall);
    }
    if !order.qty.is_multiple_of(rules.lot) {
        return Some(RejectReason::QtyOffLot);
    }
    if order.qty < rules.qty_min {
        return Some(RejectReason::QtyTooSmall);
    }
    let qty_max = if order.kind == OrderKind::Market { rules.market_qty_max } else { rules.qty_max };
    if order.qty > qty_max {
        return Some(RejectReason::QtyTooLarge);
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
        _ => None,
    }
}
