//! For whoever draws commands one at a time and has no pair that takes them.

use wire::{AccountId, MarketId, OrderId, Timestamp};

use super::Flow;

impl Flow {
    /// Names of orders count on from this one.
    pub fn named_from(self, names: u64) -> Flow {
        Flow { names, ..self }
    }

    /// Names of orders so far.
    pub fn names(&self) -> u64 {
        self.names
    }

    /// As [`Flow::learn_from`], for whoever has no pair: it is this late, and this is the newest order, and these are open.
    pub fn aim(&mut self, now: Timestamp, newest: Option<OrderId>, open: &[(AccountId, MarketId, OrderId)]) {
        self.now = now;
        self.newest = newest.map(OrderId::get).or(self.newest);
        self.open.clear();
        self.open.extend_from_slice(open);
    }
}
