//! Facts about orders on terms, order lists, amends and replaces.

use crate::text::ClientOrderId;
use crate::{AccountId, ListId, ListKind, LogPosition, MarketId, OrderId, Price, Qty, RejectReason, Terms, Timestamp};

/// What an order asks for beyond a plain one, and its list. Follows its `OrderPending`; plain orders have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderTerms {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Its list, or 0.
    pub list: ListId,
    /// What it asks for.
    pub terms: Terms,
}

/// The stop order waits for its trigger: open, and not working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderArmed {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
}

/// The trailing stop tracks the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderTracking {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Since when, in the market's log time (`trailingTime`).
    pub at: Timestamp,
}

/// The stop order works: it meets the book as a limit or market order, and its fate follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderTriggered {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Since when, in the market's log time (`workingTime`).
    pub at: Timestamp,
}

/// The pegged order has its limit, which it meets the book with (`peggedPrice`). The hold follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderPegged {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Its limit from now on.
    pub price: Price,
}

/// The order has less quantity, the same priority, and perhaps another name (`REPLACED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderAmended {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Its whole quantity before.
    pub qty_before: Qty,
    /// Its whole quantity now.
    pub qty: Qty,
    /// What is left of it.
    pub leaves: Qty,
    /// Its client order id now.
    pub client_order_id: ClientOrderId,
    /// The log position of the amend; the other order of a pair is amended by the same.
    pub request: LogPosition,
}

/// The new order of a replace was refused where only the cancel may go on, or has failed as well; the cancel's outcome
/// has the same request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplacementRefused {
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// The log position of the replace.
    pub request: LogPosition,
    /// Why.
    pub reason: RejectReason,
    /// What the reason speaks of, as in a reply.
    pub id: u64,
}

/// An amend came too late or asked for less than has traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmendRejected {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Why.
    pub reason: RejectReason,
    /// The log position of the amend.
    pub request: LogPosition,
}

/// An order list has come in (`EXEC_STARTED`, `EXECUTING`). Follows the `OrderPending` of its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListStarted {
    /// Which list.
    pub list: ListId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// How its orders hang together.
    pub kind: ListKind,
    /// The client's name for it.
    pub list_client_order_id: ClientOrderId,
    /// Its first order.
    pub first: OrderId,
    /// Its second order.
    pub second: OrderId,
    /// Its third order, or 0.
    pub third: OrderId,
}

/// Every order of the list has ended (`ALL_DONE`, `ALL_DONE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListEnded {
    /// Which list.
    pub list: ListId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
}

/// The market has refused the orders of the list (`RESPONSE`, `REJECT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRejected {
    /// Which list.
    pub list: ListId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Why.
    pub reason: RejectReason,
}
