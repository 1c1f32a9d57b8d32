//! What few orders have: terms, a list, a refusal, what became of it by prevention and amends. A plain order, accepted, traded,
//! canceled or expired, has none of it, and no memory for it.

use wire::{
    ClientOrderId, ListId, OrderId, PreventedMatchId, Price, Qty, RejectReason, Terms, Timestamp, TradeGroupId,
};

use super::orders::Order;

/// A trade that self-trade prevention prevented, as one of its orders sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prevented {
    /// Its number in its market.
    pub id: PreventedMatchId,
    /// The other order.
    pub counter: OrderId,
    /// The trade group that both were in, or 0.
    pub group: TradeGroupId,
    /// At what price they would have traded.
    pub price: Price,
    /// What the order lost by it.
    pub last_qty: Qty,
    /// What the order has lost by all of them.
    pub qty: Qty,
}

/// One lowering of an order's quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amendment {
    /// What its execution report is numbered by.
    pub execution: u64,
    /// The order's name before.
    pub client_order_id_before: ClientOrderId,
    /// Its name since.
    pub client_order_id: ClientOrderId,
    /// Its quantity before.
    pub qty_before: Qty,
    /// Its quantity since.
    pub qty: Qty,
    /// When.
    pub at: Timestamp,
}

/// What few orders have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Particulars {
    pub(crate) terms: Terms,
    pub(crate) list: ListId,
    pub(crate) refused: Option<RejectReason>,
    pub(crate) pegged: Option<Price>,
    pub(crate) tracking: Option<Timestamp>,
    pub(crate) prevented: Option<Prevented>,
    pub(crate) amendments: Vec<Amendment>,
}

/// Of a plain order.
static NONE: Particulars = Particulars {
    terms: Terms::NONE,
    list: ListId::ZERO,
    refused: None,
    pegged: None,
    tracking: None,
    prevented: None,
    amendments: Vec::new(),
};

impl Particulars {
    /// As an order keeps them: not at all where there are none, so that equal orders are equal.
    pub(crate) fn kept(self) -> Option<Box<Particulars>> {
        (self != NONE).then(|| Box::new(self))
    }

    pub(super) fn without_amendments(&self) -> Particulars {
        Particulars { amendments: Vec::new(), ..*self }
    }

    /// Those that it came in with.
    pub(super) fn as_placed(&self) -> Particulars {
        Particulars { terms: self.terms, list: self.list, ..NONE.clone() }
    }
}

impl Order {
    fn particulars(&self) -> &Particulars {
        self.particulars.as_deref().unwrap_or(&NONE)
    }

    /// Changes what few orders have.
    pub(super) fn particularize<T>(&mut self, change: impl FnOnce(&mut Particulars) -> T) -> T {
        let mut particulars = self.particulars.take().unwrap_or_else(|| Box::new(NONE.clone()));
        let changed = change(&mut particulars);
        self.particulars = (*particulars != NONE).then_some(particulars);
        changed
    }

    /// What it asks for beyond a plain order.
    pub fn terms(&self) -> &Terms {
        &self.particulars().terms
    }

    /// Its list, or 0.
    pub fn list(&self) -> ListId {
        self.particulars().list
    }

    /// Why its market refused it.
    pub fn refused(&self) -> Option<RejectReason> {
        self.particulars().refused
    }

    /// The limit that its market gave it, once it has, of a pegged order.
    pub fn pegged(&self) -> Option<Price> {
        self.particulars().pegged
    }

    /// Since when a trailing stop tracks the price.
    pub fn tracking(&self) -> Option<Timestamp> {
        self.particulars().tracking
    }

    /// The last trade with its own account or group that was prevented, with the sum of what it lost by them.
    pub fn prevented(&self) -> Option<Prevented> {
        self.particulars().prevented
    }

    /// How its quantity was lowered, in order.
    pub fn amendments(&self) -> &[Amendment] {
        &self.particulars().amendments
    }

    /// It is of this list.
    pub(crate) fn set_list(&mut self, list: ListId) {
        self.particularize(|particulars| particulars.list = list);
    }

    /// Its amendments, which are somebody else's from now on.
    pub(crate) fn take_amendments(&mut self) -> Vec<Amendment> {
        self.particularize(|particulars| std::mem::take(&mut particulars.amendments))
    }
}

#[cfg(test)]
mod tests;
