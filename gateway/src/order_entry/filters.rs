//! A market's filters, held against an order before it costs a place in the log. The market decides with its
//! own copy of the rules; this one only answers early.

use wire::command::NewOrder;
use wire::{RejectReason, Side, Terms};

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
    if !order.qty.is_zero() {
        let qty_max = if order.kind.is_market() { rules.market_qty_max } else { rules.qty_max };
        if !order.qty.is_multiple_of(rules.lot) {
            return Some(RejectReason::QtyOffLot);
        }
        if order.qty < rules.qty_min {
            return Some(RejectReason::QtyTooSmall);
        }
        if order.qty > qty_max {
            return Some(RejectReason::QtyTooLarge);
        }
    }
    if !terms.qty_min.is_multiple_of(rules.lot) {
        return Some(RejectReason::BadQtyMin);
    }
    if is_protected && !order.kind.is_market() {
        // Its limit is made by its market, which measures it then.
        return None;
    }
    match notional(market, order) {
        notional if notional < rules.notional_min.wide() => Some(RejectReason::NotionalTooSmall),
        notional if notional > rules.notional_max.wide() => Some(RejectReason::NotionalTooLarge),
        notional if special.has_min_notional(order.kind.is_market()) && notional < special.min_notional.wide() => {
            Some(RejectReason::BelowMinNotional)
        }
        _ => None,
    }
}

/// What an order moves of the quote asset, as the ledger measures it: of a market order by base quantity at the price that its
/// protection price was made from.
pub(super) fn notional(market: &Market, order: &NewOrder) -> i128 {
    let product = i128::from(order.price.units()) * i128::from(order.qty.units());
    let notional = product.checked_mul(market.scale.quote_factor.into());
    if !order.kind.is_market() {
        return notional.unwrap_or(i128::MAX);
    }
    if order.qty.is_zero() {
        return order.quote_qty.wide();
    }
    let scaled = notional.and_then(|notional| notional.checked_mul(1_000_000));
    scaled.map_or(i128::MAX, |notional| notional / protected_ppm(market, order.side))
}

/// What a protection price is of the price that it was made from.
pub(super) fn protected_ppm(market: &Market, side: Side) -> i128 {
    let protection = i128::from(market.rules.protection_ppm);
    if side == Side::Buy { 1_000_000 + protection } else { 1_000_000 - protection }
}
