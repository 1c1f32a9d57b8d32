//! The book order by order: what changes in what its orders show.
//!
//! Every `OrderShown` and every `Traded` of a market has the next number, without gaps. Whoever starts from an empty book
//! and follows them has each side's orders at each price, in priority: an order that `is_last` goes (or moves) to the end
//! of its price's queue, any other keeps its place with the new quantity; one that shows nothing is gone; a trade takes its
//! quantity from what its maker shows, and a trade of an auction from what both show.

use wire::event::OrderShown;
use wire::{BookSequence, Event, Qty};

use super::MarketCell;
use super::book::Resting;
use crate::effects::Sink;

impl MarketCell {
    /// The number of the next change.
    #[inline]
    pub(super) fn next_shown(&mut self) -> BookSequence {
        self.shown = self.shown.next();
        self.shown
    }

    /// Tells what an order shows now.
    pub(super) fn tell_shown(&mut self, order: &Resting, is_last: bool, effects: &mut impl Sink) {
        let sequence = self.next_shown();
        let (market, side, price, qty) = (self.id, order.side, order.price, order.leaves);
        effects.tell(Event::OrderShown(OrderShown { market, sequence, order: order.id, side, price, qty, is_last }));
    }

    /// Tells that an order is off the book.
    pub(super) fn tell_gone(&mut self, order: &Resting, effects: &mut impl Sink) {
        self.tell_shown(&Resting { leaves: Qty::ZERO, ..*order }, false, effects);
    }
}
