//! One market cell without a partition around it, for tools that measure or compare the book alone.
//!
//! It adds nothing and leaves nothing out: mail goes into the same cell by the same functions that a
//! [`crate::Partition`] calls, and comes out the same. Only the mailboxes and the ledger are missing.

use std::collections::VecDeque;

use wire::mail::{CreateMarket, PlaceOrder, WithdrawOrder};
use wire::{Event, Mail, PartitionId, Price, Qty, Side, Timestamp};

use crate::effects::Effects;
use crate::limits::Limits;
use crate::market::MarketCell;

/// A market cell with the effects of the last mail that it got.
pub struct MarketAlone {
    cell: MarketCell,
    events: Vec<Event>,
    mail: VecDeque<(PartitionId, Mail)>,
}

impl MarketAlone {
    /// An empty market that trades.
    pub fn new(create: &CreateMarket, limits: &Limits) -> MarketAlone {
        MarketAlone {
            cell: MarketCell::new(create, limits),
            events: Vec::with_capacity(256),
            mail: VecDeque::with_capacity(256),
        }
    }

    /// Matches an order whose funds somebody holds.
    pub fn place(&mut self, now: Timestamp, order: &PlaceOrder) {
        let (cell, mut effects) = self.begin(now);
        cell.place(now, order, true, &mut effects);
    }

    /// Takes an order off the book.
    pub fn withdraw(&mut self, now: Timestamp, withdraw: &WithdrawOrder) {
        let (cell, mut effects) = self.begin(now);
        cell.withdraw(now, withdraw, &mut effects);
    }

    #[inline]
    fn begin(&mut self, now: Timestamp) -> (&mut MarketCell, Effects<'_>) {
        self.events.clear();
        self.mail.clear();
        let mut effects = Effects { events: &mut self.events, mail: &mut self.mail };
        if self.cell.deadline().is_some_and(|deadline| now >= deadline) {
            self.cell.pass_time(now, true, &mut effects);
        }
        (&mut self.cell, effects)
    }

    /// What the cell answered to the last mail, in order.
    pub fn answers(&self) -> impl Iterator<Item = &Mail> {
        self.mail.iter().map(|(_, mail)| mail)
    }

    /// What the cell told the public about the last mail, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
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
