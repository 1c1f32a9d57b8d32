//! Pegged orders and minimum quantities: what an order asks of the book at the moment when it meets it.
//!
//! - *Peg*: a limit order takes its limit from a price level of the book, once, when it meets the book, and keeps it: it does
//!   not follow the book after that. `Primary` is the best level of its own side, `Market` of the opposite side;
//!   `levels` goes that many existing levels deeper. A stop-limit order gets its limit when it is triggered, a pending order
//!   of a list when it is placed.
//! - *Bounds*: with a price of its client the limit is never worse than that; it takes the price's place when the
//!   level is. Without one, an order whose level is worse than what it was held for is refused (`NoPegPrice`), as it is
//!   when there is no such level.
//! - *Filters*: the price filters and the notional filters look at the limit (and, when it comes in, at its client's price). A stop
//!   that gets no limit, or one that does not pass, ends with `NotPlaced`.
//! - *Phases*: while orders collect for an auction there is no best price, and nothing trades at once: neither a pegged
//!   order nor one with a minimum quantity is taken (`NotInAuction`), nor the latter while the market is post-only.
//! - *Minimum quantity*: unless at least so much of the order would trade at once, by the rules of a fill-or-kill order of
//!   that quantity, all of it ends with `QtyMin` and nothing else changes. What is left after that is the order's as ever.

use wire::mail::{PegSet, PlaceOrder};
use wire::{CancelCause, Mail, MarketStatus, Peg, PegSide, RejectReason, Side, Terms};

use super::matching::No;
use super::{MarketCell, admits};
use crate::effects::Sink;

/// Whether a market in this phase takes an order on these terms; what holds for its kind and time in force is asked
/// elsewhere.
pub(crate) fn admits_terms(status: MarketStatus, terms: &Terms) -> Result<(), RejectReason> {
    let has_qty_min = !terms.qty_min.is_zero();
    match status {
        _ if status.collects() && (has_qty_min || !terms.peg.is_none()) => Err(RejectReason::NotInAuction),
        MarketStatus::PostOnly if has_qty_min => Err(RejectReason::PostOnlyPhase),
        _ => Ok(()),
    }
}

impl MarketCell {
    /// The order as it comes in: with its limit, if it is pegged and no stop order.
    pub(super) fn priced(&self, place: &PlaceOrder, terms: &Terms) -> Result<PlaceOrder, RejectReason> {
        let asks_book = !terms.peg.is_none() || !terms.qty_min.is_zero();
        if asks_book && !self.is_continuous {
            admits(self.phase.status, place.kind, place.time_in_force)?;
            admits_terms(self.phase.status, terms)?;
            if self.is_changing() {
                return Err(RejectReason::MarketChanging);
            }
        }
        if place.kind.is_stop() { Ok(*place) } else { self.pegged(place, terms.peg) }
    }

    /// The order with the limit that its peg gives it now.
    pub(super) fn pegged(&self, place: &PlaceOrder, peg: Peg) -> Result<PlaceOrder, RejectReason> {
        let from = match peg.side {
            PegSide::None => return Ok(*place),
            PegSide::Primary => place.side,
            PegSide::Market => place.side.opposite(),
        };
        let mut level = self.book.best(from);
        for _ in 0..peg.levels {
            level = level.and_then(|price| self.book.worse(from, price));
        }
        let level = level.ok_or(RejectReason::NoPegPrice)?;
        let is_worse = match place.side {
            Side::Buy => level > place.price,
            Side::Sell => level < place.price,
        };
        if is_worse && !peg.has_price {
            return Err(RejectReason::NoPegPrice);
        }
        let price = if is_worse { place.price } else { level };
        let pegged = PlaceOrder { price, ..*place };
        self.check_price_limits(&pegged)?;
        let special = &self.rules.special;
        match price.notional(place.qty, self.scale.quote_factor) {
            Some(notional) if notional < self.rules.notional_min => Err(RejectReason::NotionalTooSmall),
            Some(notional) if notional > self.rules.notional_max => Err(RejectReason::NotionalTooLarge),
            Some(notional) if special.has_min_notional(false) && notional < special.min_notional => {
                Err(RejectReason::BelowMinNotional)
            }
            Some(_) => Ok(pegged),
            None => Err(RejectReason::NotionalTooLarge),
        }
    }

    /// Whether enough of the order trades at once.
    pub(super) fn check_qty_min(&self, place: &PlaceOrder, terms: &Terms) -> Result<(), No> {
        match terms.qty_min.is_zero() || self.fills(place, terms.qty_min) {
            true => Ok(()),
            false => Err(No::Expired(CancelCause::QtyMin)),
        }
    }

    /// Tells the ledger the limit of a pegged order that is about to meet the book.
    pub(super) fn tell_peg(&self, place: &PlaceOrder, peg: Peg, effects: &mut impl Sink) {
        if !peg.is_none() {
            let PlaceOrder { market, order, price, .. } = *place;
            effects.send(self.ledger, Mail::PegSet(PegSet { market, order, price }));
        }
    }

    /// Whether a waiting order's price is one that a filter looks at: not when it is a protection price.
    pub(super) fn has_limit(place: &PlaceOrder, peg: Peg) -> bool {
        !place.kind.is_market() && (peg.is_none() || peg.has_price)
    }
}
