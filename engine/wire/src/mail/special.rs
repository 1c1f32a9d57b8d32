//! Mail about orders on terms, pairs, amends and replaces.

use super::PlaceOrder;
use crate::{
    AccountId, Amount, BasisPoints, ListId, LogPosition, MarketId, OrderId, OrderKind, Peg, Price, Qty,
    SelfTradePrevention, Side, Terms, TimeInForce, Timestamp, TradeGroupId,
};

/// Ledger to market: an order on terms, or one of a list; its funds are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceOrderOnTerms {
    /// The order. Its price is not looked at when it becomes a market order at its trigger.
    pub place: PlaceOrder,
    /// What it asks for.
    pub terms: Terms,
    /// Whether it has waited in the ledger since it got its id, so that younger ones may have come before it.
    pub is_late: bool,
}

/// One leg of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairLeg {
    /// Its id.
    pub order: OrderId,
    /// How it meets the book.
    pub kind: OrderKind,
    /// What becomes of the rest.
    pub time_in_force: TimeInForce,
    /// Limit price; not looked at when it becomes a market order at its trigger.
    pub price: Price,
    /// The most quote to pay, or [`Amount::MAX`].
    pub budget: Amount,
    /// The trade price that triggers it.
    pub stop_price: Option<Price>,
    /// How far the price must come back to trigger it.
    pub trailing_delta: BasisPoints,
    /// How much of it shows at a time; zero when all of it does.
    pub visible_qty: Qty,
    /// Where its limit comes from.
    pub peg: Peg,
}

/// Ledger to market: two orders of which one cancels the other; one hold covers either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacePair {
    /// Which market.
    pub market: MarketId,
    /// Whose.
    pub account: AccountId,
    /// Their list.
    pub list: ListId,
    /// Buy or sell, both.
    pub side: Side,
    /// What happens with orders of their own account.
    pub self_trade: SelfTradePrevention,
    /// The trade group of their account.
    pub group: TradeGroupId,
    /// The quantity of each.
    pub qty: Qty,
    /// Either leg.
    pub first: PairLeg,
    /// The other.
    pub second: PairLeg,
    /// Whether they have waited in the ledger, where newer orders may have passed them.
    pub is_late: bool,
}

/// Ledger to market: take so much off an order, which keeps its priority; off both orders of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReduceOrder {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// How much; something must be left.
    pub by: Qty,
    /// The ledger log position of the amend, echoed in the outcome.
    pub request: LogPosition,
}

/// Ledger to market: take an order off and place another. If exactly `expected` is left of the old one, it ends with
/// `Requested` and the new one comes in. If something else is left it ends too, unless `only_expected`; the new one, for
/// which too little may be held then, does not come in, and [`ReplaceRefused`] follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplaceResting {
    /// Which order goes.
    pub old: OrderId,
    /// What the ledger knows to be left of it.
    pub expected: Qty,
    /// Whether it stays when something else is left of it.
    pub only_expected: bool,
    /// The ledger log position of the replace, echoed in the outcomes.
    pub request: LogPosition,
    /// The order that comes.
    pub place: PlaceOrder,
    /// What it asks for.
    pub terms: Terms,
}

/// Market to ledger: the stop order waits for its trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopArmed {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
}

/// Market to ledger: the trailing stop tracks the price from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopTracking {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// Since when, in the market's log time.
    pub at: Timestamp,
}

/// Market to ledger: the stop order meets the book now; its fate follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopTriggered {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// Since when it is working, in the market's log time.
    pub at: Timestamp,
}

/// Market to ledger: the pegged order has its limit and meets the book with it; its fate follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PegSet {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// Its limit from now on, no worse than the price that it was held for.
    pub price: Price,
}

/// Market to ledger: an amend is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderReduced {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// By how much.
    pub by: Qty,
    /// What is left of it.
    pub leaves: Qty,
    /// The ledger log position of the amend.
    pub request: LogPosition,
}

/// Market to ledger: the order is gone, or no more is left of it than was to be taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReduceRefused {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// The ledger log position of the amend.
    pub request: LogPosition,
}

/// Market to ledger: the order to be replaced is gone, or something else than expected was left of it; the new one was
/// not placed. Whether the old one has ended by the same request its `OrderEnded` has said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplaceRefused {
    /// Which market.
    pub market: MarketId,
    /// The order that should have gone.
    pub old: OrderId,
    /// The order that should have come.
    pub order: OrderId,
    /// The ledger log position of the replace.
    pub request: LogPosition,
}
