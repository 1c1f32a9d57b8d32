//! Pegged orders and minimum quantities: `engine/src/market/pegs.rs` states the rules.

use wire::mail::{PegSet, PlaceOrder};
use wire::{CancelCause, Mail, MarketStatus, Peg, PegSide, RejectReason, Side, Terms, TimeInForce};

use super::super::numbers::{of, price, whole};
use super::Market;
use super::matching::No;

/// What a phase takes, besides what it says of kinds.
pub(in crate::model) fn admits_terms(status: MarketStatus, terms: &Terms) -> Result<(), RejectReason> {
    let (is_pegged, has_least) = (terms.peg.side != PegSide::None, !terms.qty_min.is_zero());
    match status {
        MarketStatus::PreOpen | MarketStatus::Auction if is_pegged || has_least => Err(RejectReason::NotInAuction),
        MarketStatus::PostOnly if has_least => Err(RejectReason::PostOnlyPhase),
        _ => Ok(()),
    }
}

impl Market {
    /// Every price of a side at which something rests, the best first.
    fn prices(&self, side: Side) -> Vec<i128> {
        let mut prices: Vec<i128> =
            self.orders.iter().filter(|order| order.side == side).map(|order| order.price).collect();
        prices.sort_unstable();
        prices.dedup();
        if side == Side::Buy {
            prices.reverse();
        }
        prices
    }

    /// The order with the limit that the book gives it, if it is pegged.
    pub(super) fn pegged(&self, place: &PlaceOrder, peg: Peg) -> Result<PlaceOrder, RejectReason> {
        let prices = match peg.side {
            PegSide::None => return Ok(*place),
            PegSide::Primary => self.prices(place.side),
            PegSide::Market => self.prices(place.side.opposite()),
        };
        let Some(level) = prices.get(usize::from(peg.levels)).copied() else { return Err(RejectReason::NoPegPrice) };
        let asked = of(place.price);
        let bounded = if place.side == Side::Buy { level.min(asked) } else { level.max(asked) };
        if bounded != level && !peg.has_price {
            return Err(RejectReason::NoPegPrice);
        }
        self.check_percent(place.side, bounded)?;
        let cost = self.cost(bounded, whole(place.qty));
        if cost < self.rules.notional_min.wide() {
            return Err(RejectReason::NotionalTooSmall);
        }
        if cost > self.rules.notional_max.wide() {
            return Err(RejectReason::NotionalTooLarge);
        }
        if cost < self.rules.special.min_notional.wide() {
            return Err(RejectReason::BelowMinNotional);
        }
        Ok(PlaceOrder { price: price(bounded), ..*place })
    }

    pub(super) fn check_percent(&self, side: Side, at: i128) -> Result<(), RejectReason> {
        let Some(last) = self.last else { return Ok(()) };
        let limits = &self.protection;
        let of_side = match side {
            Side::Buy => (limits.bid_up_ppm, limits.bid_down_ppm),
            Side::Sell => (limits.ask_up_ppm, limits.ask_down_ppm),
        };
        let filters = [
            ((limits.up_ppm, limits.down_ppm), RejectReason::PercentPrice),
            (of_side, RejectReason::PercentPriceBySide),
        ];
        for ((up, down), reason) in filters {
            let (ppm, base) = (at * 1_000_000, last);
            if (up != 0 && ppm > base * i128::from(up)) || (down != 0 && ppm < base * i128::from(down)) {
                return Err(reason);
            }
        }
        Ok(())
    }

    pub(super) fn say_peg(&mut self, place: &PlaceOrder, peg: Peg) {
        if peg.side != PegSide::None {
            let PlaceOrder { market, order, price, .. } = *place;
            self.say(Mail::PegSet(PegSet { market, order, price }));
        }
    }

    /// An order of its least quantity alone would fill.
    pub(super) fn check_least(&self, place: &PlaceOrder, terms: &Terms) -> Result<(), No> {
        let least = PlaceOrder { qty: terms.qty_min, time_in_force: TimeInForce::Fok, ..*place };
        let is_met = terms.qty_min.is_zero() || self.fills_whole(&least);
        if is_met { Ok(()) } else { Err(No::Expired(CancelCause::QtyMin)) }
    }
}

/// Whether the price of an order that waits is one of its client's.
pub(super) fn has_limit(place: &PlaceOrder, peg: Peg) -> bool {
    !place.kind.is_market() && (peg.side == PegSide::None || peg.has_price)
}
