//! Cancels and changes of orders.

use wire::command::{AmendOrder, CancelOrder, ReplaceOrder};
use wire::{AccountId, CancelRestriction, ClientOrderId, MarketId, OrderId, Qty, ReplaceMode, Terms};

use super::Flow;

impl Flow {
    /// One time in so many one that is open, of its owner in its market; else one of the last, most of which have ended, of anybody.
    fn target(&mut self, one_in: u64) -> (AccountId, MarketId, OrderId) {
        let newest = self.newest.unwrap_or(self.names);
        match self.open.len() as u64 {
            open @ 1.. if self.below(one_in) == 0 => {
                let at = self.below(open) as usize;
                self.open[at]
            }
            _ => (self.account(), self.market(), OrderId::new(newest.saturating_sub(self.below(60)))),
        }
    }

    /// Seldom of what is open: books are to fill, too.
    pub(super) fn cancel(&mut self) -> CancelOrder {
        let target = self.target(8);
        self.cancel_of(target)
    }

    fn cancel_of(&mut self, (account, market, order): (AccountId, MarketId, OrderId)) -> CancelOrder {
        CancelOrder {
            account,
            market,
            order,
            client_order_id: ClientOrderId::EMPTY,
            restriction: self.one_of(&[CancelRestriction::None, CancelRestriction::None, CancelRestriction::OnlyNew]),
            new_client_order_id: ClientOrderId::EMPTY,
            asked_us: 0,
        }
    }

    pub(super) fn amend(&mut self) -> AmendOrder {
        let (account, market, order) = self.target(2);
        AmendOrder {
            account,
            market,
            order,
            client_order_id: ClientOrderId::EMPTY,
            qty: Qty::new((self.below(8) as i64 + 2) * self.rules.lot.units()).expect("a quantity"),
            new_client_order_id: self.name(),
            asked_us: 0,
        }
    }

    pub(super) fn replacement(&mut self) -> ReplaceOrder {
        let target = self.target(4);
        let (cancel, mut order) = (self.cancel_of(target), self.order());
        (order.account, order.market) = (cancel.account, cancel.market);
        ReplaceOrder { cancel, mode: self.one_of(ReplaceMode::ALL), order, terms: Terms::NONE }
    }
}
