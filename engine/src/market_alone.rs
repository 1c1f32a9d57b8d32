//! One market cell without a partition around it, for tools that measure or compare the book alone.
//!
//! It adds nothing and leaves nothing out: mail goes into the same cell by the same functions that a
//! [`crate::Partition`] calls, and what comes out goes where the tool says. Only the mailboxes and the ledger are missing.

use wire::mail::{CreateMarket, PlaceOrder, PullOrder};
use wire::{Price, Qty, Side, Timestamp};

use crate::effects::Sink;
use crate::limits::Limits;
use crate::market::MarketCell;

/// A market cell.
pub struct MarketAlone {
    cell: MarketCell,
}

impl MarketAlone {
    /// An empty market that trades.
    pub fn new(create: &CreateMarket, limits: &Limits) -> MarketAlone {
        MarketAlone { cell: MarketCell::new(create, limits) }
    }

    /// Matches an order whose funds somebody holds.
    #[inline]
    pub fn place(&mut self, now: Timestamp, order: &PlaceOrder, effects: &mut impl Sink) {
        self.pass_time(now, effects);
        self.cell.place(now, order, true, effects);
    }

    /// Takes an order off the book.
    #[inline]
    pub fn pull(&mut self, now: Timestamp, pull: &PullOrder, effects: &mut impl Sink) {
        self.pass_time(now, effects);
        self.cell.pull(now, pull, effects);
    }

    #[inline]
    fn pass_time(&mut self, now: Timestamp, effects: &mut impl Sink) {
        if self.cell.deadline().is_some_and(|deadline| now >= deadline) {
            self.pass_time_due(now, effects);
        }
    }

    #[cold]
    #[inline(never)]
    fn pass_time_due(&mut self, now: Timestamp, effects: &mut impl Sink) {
        self.cell.pass_time(now, true, effects);
    }

    /// The best price of a side.
    pub fn best(&self, side: Side) -> Option<Price> {
        self.cell.best(side)
    }

    /// What rests at a price in sum.
    pub fn level_qty(&self, side: Side, price: Price) -> Qty {
        self.cell.level_qty(side, price)
    }
}
