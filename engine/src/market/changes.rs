//! Changes of orders that are here: less quantity, or another order in their place.
//!
//! - *Less quantity*: the order keeps its place. An iceberg loses what it hides first; what it shows only shrinks below
//!   what is left. Of a pair both orders lose the same, the other one is told last. Refused when no more is left of the
//!   order than it is to lose.
//! - *Replaced*: the old order ends, with the other one of its pair. If exactly the expected quantity was left of it the new
//!   one comes in by the rules for new ones, otherwise not at all; an old one that may only be as expected stays then.

use wire::mail::{OrderReduced, PlaceOrder, ReduceOrder, ReduceRefused, ReplaceRefused, ReplaceResting};
use wire::{Amount, CancelCause, Mail, OrderId, Qty, Timestamp};

use super::MarketCell;
use super::book::Handle;
use crate::effects::Sink;

impl MarketCell {
    /// Lowers an order's quantity.
    pub(crate) fn reduce(&mut self, now: Timestamp, reduce: &ReduceOrder, effects: &mut impl Sink) {
        let ReduceOrder { market, order, by, request } = *reduce;
        let resting = self.book.find(order);
        let waiting = self.stops.get(order).copied();
        let (leaves, sibling) = match (resting, waiting) {
            (Some(handle), _) => {
                let resting = self.book.order(handle);
                (self.whole(&resting), if resting.is_marked { self.extras.get(order).sibling } else { OrderId::ZERO })
            }
            (None, Some(stop)) => (stop.place.qty, stop.sibling),
            (None, None) => (Qty::ZERO, OrderId::ZERO),
        };
        let left = leaves.checked_sub(by).unwrap_or(Qty::ZERO);
        if left.is_zero() || by.is_zero() {
            effects.send(self.ledger, Mail::ReduceRefused(ReduceRefused { market, order, request }));
            return;
        }
        self.forget_going();
        for id in [order, sibling] {
            if let Some(handle) = self.book.find(id) {
                self.reduce_resting(now, handle, by, effects);
            } else if self.stops.get(id).is_some() {
                self.reduce_stop(id, left);
            } else {
                continue;
            }
            let told = OrderReduced { market, order: id, by, leaves: left, request };
            effects.send(self.ledger, Mail::OrderReduced(told));
        }
    }

    fn reduce_stop(&mut self, id: OrderId, left: Qty) {
        let factor = self.scale.quote_factor;
        self.stops.resize(id, |place: &mut PlaceOrder| {
            place.qty = left;
            if place.budget != Amount::MAX {
                let cost = place.price.notional(left, factor).unwrap_or(place.budget);
                place.budget = place.budget.min(cost);
            }
        });
    }

    fn reduce_resting(&mut self, now: Timestamp, handle: Handle, by: Qty, effects: &mut impl Sink) {
        let mut order = self.book.order(handle);
        let mut shown_by = by;
        if order.is_marked {
            let mut extra = self.extras.get(order.id);
            let hidden_by = extra.hidden.min(by);
            shown_by = by.checked_sub(hidden_by).expect("a part is no more than the whole");
            extra.hidden = extra.hidden.checked_sub(hidden_by).expect("a part is no more than the whole");
            self.extras.set(order.id, extra);
        }
        if shown_by.is_zero() {
            return;
        }
        self.book.reduce(handle, shown_by);
        order.leaves = order.leaves.checked_sub(shown_by).expect("something is left");
        self.tell_shown(&order, false, effects);
        self.tell_level(now, order.side, order.price, effects);
    }

    /// Takes an order off and another in.
    pub(crate) fn replace(
        &mut self,
        now: Timestamp,
        replace: &ReplaceResting,
        replies_fit: bool,
        effects: &mut impl Sink,
    ) {
        let ReplaceResting { old, expected, only_expected, request, ref place, ref terms } = *replace;
        let resting = self.book.find(old);
        let left = match resting {
            Some(handle) => Some(self.whole(&self.book.order(handle))),
            None => self.stops.get(old).map(|stop| stop.place.qty),
        };
        let is_expected = left == Some(expected);
        let refused = ReplaceRefused { market: place.market, old, order: place.order, request };
        if left.is_none() || (only_expected && !is_expected) {
            effects.send(self.ledger, Mail::ReplaceRefused(refused));
            return;
        }
        let mut levels = Vec::new();
        if let Some(handle) = resting {
            let (gone, _) = self.end_resting(handle, CancelCause::Requested, request, effects);
            levels.push((gone.side, gone.price));
        } else {
            self.end_stop(old, CancelCause::Requested, request, effects);
        }
        self.tell_levels(now, levels, effects);
        if !is_expected {
            effects.send(self.ledger, Mail::ReplaceRefused(refused));
            return;
        }
        let verdict = self.check_on_terms(now, place, terms, place.order > self.newest, replies_fit);
        self.newest = self.newest.max(place.order);
        match verdict {
            Ok(place) => {
                self.admit_on_terms(now, &place, terms, OrderId::ZERO, effects);
            }
            Err(no) => effects.send(self.ledger, no.mail(place)),
        }
    }
}
