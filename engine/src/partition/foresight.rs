//! Asks memory early for what a command will need.
//!
//! A command needs a dozen rows: the account's, the order's, the level's. In a large ledger, or with many markets, each of
//! them is far away, and the work waits for one after the other. Their places follow from the command alone, so they are
//! read at once before the work begins: reads that do not wait for each other take as long as one. What is read is thrown
//! away, so nothing depends on it.

use std::hint::black_box;

use wire::{AccountId, ClientOrderId, Command, MarketId, OrderId, Price, Side};

use super::Partition;

impl Partition {
    /// Reads what an order or a cancel will need. Everything else is rare.
    #[inline]
    pub(super) fn foresee(&self, command: &Command) {
        match command {
            Command::NewOrder(order) => self.foresee_order(order.account, order.market, order.side, order.price),
            Command::CancelOrder(cancel) => self.foresee_cancel(cancel.account, cancel.market, cancel.order),
            _ => {}
        }
    }

    /// Reads what will be needed first of the orders that accounts are about to place under these names, up to sixteen: a name
    /// lies anywhere in a table that no cache holds, so where several commands are known their names are read at once.
    #[inline]
    pub fn foresee_names(&self, names: impl Iterator<Item = (AccountId, ClientOrderId)>) {
        if let Some(ledger) = &self.ledger {
            black_box(ledger.read_names(names));
        }
    }

    fn foresee_order(&self, account: AccountId, market: MarketId, side: Side, price: Price) {
        let Some(ledger) = &self.ledger else { return };
        black_box(ledger.read_account(account, market, Some(side)));
        if let Some(at) = self.place_of(market) {
            black_box(self.markets[at].read_place(ledger.next_order(), account, side, price));
        }
    }

    fn foresee_cancel(&self, account: AccountId, market: MarketId, order: OrderId) {
        let Some(ledger) = &self.ledger else { return };
        black_box(ledger.read_order(order) ^ ledger.read_account(account, market, None));
        if let Some(at) = self.place_of(market) {
            black_box(self.markets[at].read_order(order));
        }
    }
}
