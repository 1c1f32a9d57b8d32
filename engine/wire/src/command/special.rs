//! Orders on terms, order lists, and changes of orders: what clients ask for less often.

use alloc::vec::Vec;

use super::{CancelOrder, NewOrder};
use crate::text::ClientOrderId;
use crate::{AccountId, ListId, ListKind, MarketId, OrderId, Qty, ReplaceMode, Terms};

/// A new order that asks for more than a plain one: stop orders, trailing stops, icebergs, good-till-date. The reply's
/// id is its [`OrderId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrderOnTerms {
    /// The order. The price of a `StopLoss` or `TakeProfit` is looked at when it has a trailing delta and no stop
    /// price: it is the protection price that the gateway stamped.
    pub order: NewOrder,
    /// What it asks for.
    pub terms: Terms,
}

/// Lowers the quantity of an open order, which keeps its priority. Names it by id or, when `order` is 0, by client
/// order id. The reply's id is the order's. A name that no order has is sealed, as a cancel does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmendOrder {
    /// Whose order.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Its id, or 0.
    pub order: OrderId,
    /// Its client order id; looked at when `order` is 0.
    pub client_order_id: ClientOrderId,
    /// Its whole quantity from now on, what has traded included: below the present one.
    pub qty: Qty,
    /// Its client order id from now on; may be the present one.
    pub new_client_order_id: ClientOrderId,
    /// When its client asked, in microseconds by the client's own clock; 0 seals nothing, and any seal refuses the new
    /// name.
    pub asked_us: u64,
}

/// Cancels an order and places another. The reply's id is the new order's, or 0 when that was refused and the cancel goes
/// on alone (`ReplacementRefused`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplaceOrder {
    /// Which order goes.
    pub cancel: CancelOrder,
    /// What becomes of the new one when the old one cannot be canceled.
    pub mode: ReplaceMode,
    /// The order that comes: of the same account and market.
    pub order: NewOrder,
    /// What it asks for.
    pub terms: Terms,
}

/// Places an order list: two legs of an `Oco` (any order); the working and the pending one of an `Oto`; the working one
/// and the two of the pair of an `Otoco`. All of one account and market, with base quantities. The reply's id is its
/// [`ListId`]; the legs get their order ids in the order written here. It was asked for when its first leg was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrderList {
    /// How the legs hang together.
    pub kind: ListKind,
    /// The client's name for the list.
    pub list_client_order_id: ClientOrderId,
    /// As many as [`ListKind::legs`] says; at most [`NewOrderList::LEGS_MAX`].
    pub legs: Vec<NewOrderOnTerms>,
}

impl NewOrderList {
    /// The most legs of a list.
    pub const LEGS_MAX: usize = 3;
}

/// Cancels every order of a list, named by id or, when `list` is 0, by the client's name. The reply's id is the list's.
/// A name that no open list has is sealed, as the cancel of an order does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelOrderList {
    /// Whose list.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Its id, or 0.
    pub list: ListId,
    /// The client's name for it; looked at when `list` is 0.
    pub list_client_order_id: ClientOrderId,
    /// The client's name for this cancel; empty when there is none.
    pub new_client_order_id: ClientOrderId,
    /// When its client asked, in microseconds by the client's own clock; 0 seals nothing.
    pub asked_us: u64,
}
