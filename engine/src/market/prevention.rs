//! Self-trade prevention: what happens instead of a trade between orders of one account or one trade group.
//!
//! An order carries the trade group that its account was in when it entered the ledger; `0` is no group. A taker meets
//! its own when the maker's account is its account, or both groups are the same and not 0. The taker's mode decides;
//! the maker's is not looked at. At the price of the maker:
//!
//! - `None`: they trade.
//! - `ExpireTaker`: the taker's rest ends with `SelfTrade`. Takes no step.
//! - `ExpireMaker`: the maker ends with `SelfTrade`, the taker goes on. Takes a step, as do the next two.
//! - `ExpireBoth`: both end with `SelfTrade`.
//! - `Decrement`: both lose the quantity that would have traded, the taker's budget what it would have cost. Whichever
//!   has nothing left ends with `SelfTrade` and leaves 0, a taker by quote quantity when its budget reaches no more lot.
//!   A maker that has something left keeps its place. A taker whose budget does not reach one lot ends with
//!   `BudgetSpent`, as if they had traded.
//!
//! Each prevented trade has a number and is told by one `TradePrevented`, before the ends that it brings: what the taker
//! loses (all that is left of it when it expires, and of an order with a budget no more than the budget reaches; nothing
//! with `ExpireMaker`) and what the maker loses.

use wire::mail::TradePrevented;
use wire::{CancelCause, Mail, Price, Qty, SelfTradePrevention, Timestamp, TradeGroupId};

use super::MarketCell;
use super::book::{Handle, Maker};
use super::matching::{NO_REQUEST, Stop, Taker, subtract};
use crate::effects::Sink;
use wire::mail::PlaceOrder;

/// Whether a trade with this maker would be one with oneself.
#[inline]
pub(super) fn is_own(order: &PlaceOrder, maker: &Maker) -> bool {
    order.self_trade != SelfTradePrevention::None
        && (maker.account == order.account || (maker.group == order.group && order.group != TradeGroupId::new(0)))
}

impl MarketCell {
    /// What happens instead of the trade with the order at the front of the level. Whether the taker stops.
    pub(super) fn prevent(
        &mut self,
        now: Timestamp,
        price: Price,
        handle: Handle,
        order: &PlaceOrder,
        taker: &mut Taker,
        effects: &mut impl Sink,
    ) -> Option<Stop> {
        let mut maker = self.book.maker(handle);
        if maker.is_marked && order.self_trade != SelfTradePrevention::Decrement {
            maker.leaves = self.whole(&self.book.order(handle));
        }
        let reach = taker.budget.map_or(taker.leaves, |budget| {
            price.affordable(budget, self.rules.lot, self.scale.quote_factor).min(taker.leaves)
        });
        let (taker_qty, maker_qty) = match order.self_trade {
            SelfTradePrevention::None => return None,
            SelfTradePrevention::ExpireTaker => (reach, Qty::ZERO),
            SelfTradePrevention::ExpireMaker => (Qty::ZERO, maker.leaves),
            SelfTradePrevention::ExpireBoth => (reach, maker.leaves),
            SelfTradePrevention::Decrement if reach.is_zero() => return Some(Stop::Because(CancelCause::BudgetSpent)),
            SelfTradePrevention::Decrement => (reach.min(maker.leaves), reach.min(maker.leaves)),
        };
        if maker.is_marked && order.self_trade == SelfTradePrevention::Decrement {
            self.part_pair(maker.id, effects);
        }
        self.prevented = self.prevented.next();
        let told = TradePrevented {
            market: self.id,
            prevented: self.prevented,
            taker: order.order,
            maker: maker.id,
            group: order.group,
            mode: order.self_trade,
            price,
            taker_qty,
            maker_qty,
            prevented_at: now,
        };
        effects.send(self.ledger, Mail::TradePrevented(told));
        let stop = Some(Stop::Because(CancelCause::SelfTrade));
        if order.self_trade == SelfTradePrevention::ExpireTaker {
            return stop;
        }
        taker.steps_left -= 1;
        if order.self_trade != SelfTradePrevention::Decrement {
            self.end_resting(handle, CancelCause::SelfTrade, NO_REQUEST, effects);
            return stop.filter(|_| order.self_trade == SelfTradePrevention::ExpireBoth);
        }
        self.decrement_maker(price, handle, maker_qty, effects);
        taker.leaves = subtract(taker.leaves, taker_qty);
        if let Some(budget) = taker.budget {
            let left = self.cost(price, taker_qty).and_then(|cost| budget.checked_sub(cost));
            taker.budget = Some(left.expect("an affordable quantity costs no more than the budget"));
        }
        if self.is_satisfied(order, taker, price) {
            taker.leaves = Qty::ZERO;
        }
        stop.filter(|_| taker.leaves.is_zero())
    }

    fn decrement_maker(&mut self, price: Price, handle: Handle, qty: Qty, effects: &mut impl Sink) {
        let mut maker = self.book.order(handle);
        if maker.is_marked {
            self.decrement_marked(price, handle, qty, effects);
            return;
        }
        maker.leaves = subtract(maker.leaves, qty);
        if maker.leaves.is_zero() {
            self.book.remove(handle);
            self.tell_gone(&maker, effects);
            self.tell_end(&maker, CancelCause::SelfTrade, NO_REQUEST, effects);
        } else {
            self.book.reduce_front(maker.side, price, qty);
            self.tell_shown(&maker, false, effects);
        }
    }
}
