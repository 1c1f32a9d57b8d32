//! What users ask of gateways' order entry, and in which words.

use wire::{AccountId, ClientOrderId, MarketId, OrderId, decimal};

use crate::sim::machine;

/// An order that a user wants.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub account: AccountId,
    pub market: MarketId,
    /// The user's name for it; without one the gateway gives it one.
    pub name: Option<ClientOrderId>,
    /// Everything else, as it is sent.
    pub words: String,
    /// Of one that is asked for once more in other words: those that were meant.
    pub meant: Option<String>,
}

impl Wish {
    /// As it was meant.
    pub fn meant(mut self) -> Wish {
        self.words = self.meant.take().unwrap_or(self.words);
        self
    }
}

/// An order that rests, as far as its user knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resting {
    pub account: AccountId,
    pub market: MarketId,
    pub order: OrderId,
    pub name: ClientOrderId,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// `POST order`. Of one that was asked for before, nobody knows what became of it.
    Place { wish: Wish, is_again: bool, is_retry: bool },
    /// `GET order` by name.
    Status { wish: Wish },
    /// `DELETE order`.
    Cancel { of: Resting, is_by_name: bool },
    /// `DELETE openOrders`.
    CancelAll { account: AccountId, market: MarketId },
    /// `PUT order/amend/keepPriority`.
    Amend { of: Resting },
    /// `POST order/cancelReplace`.
    Replace { of: Resting, wish: Wish },
    /// `GET openOrders`.
    Open { account: AccountId },
    /// `GET order` by id, of one that the user has just been told of.
    Look { of: Resting },
    /// `GET account`.
    Balances { account: AccountId },
}

impl What {
    /// For whom.
    pub fn account(&self) -> AccountId {
        match self {
            What::Place { wish, .. } | What::Status { wish } | What::Replace { wish, .. } => wish.account,
            What::Cancel { of, .. } | What::Amend { of } | What::Look { of } => of.account,
            What::CancelAll { account, .. } | What::Open { account } | What::Balances { account } => *account,
        }
    }
}

/// Verb, path and parameters.
pub(super) fn words(what: &What) -> ((&'static str, &'static str), String) {
    let symbol = |market: MarketId| format!("symbol=M{}", market.get() - 1);
    let new = |wish: &Wish| {
        let name = wish.name.map_or_else(String::new, |name| format!("&newClientOrderId={name}"));
        format!("{}&{}{name}", symbol(wish.market), wish.words)
    };
    match what {
        What::Place { wish, is_retry, .. } => {
            let retry = if *is_retry { "&identicalRetry=true" } else { "" };
            (("POST", "/api/v3/order"), new(wish) + retry)
        }
        What::Status { wish } => {
            let name = wish.name.expect("only named orders are asked for");
            (("GET", "/api/v3/order"), format!("{}&origClientOrderId={name}", symbol(wish.market)))
        }
        What::Cancel { of, is_by_name: true } => {
            (("DELETE", "/api/v3/order"), format!("{}&origClientOrderId={}", symbol(of.market), of.name))
        }
        What::Cancel { of, .. } => (("DELETE", "/api/v3/order"), format!("{}&orderId={}", symbol(of.market), of.order)),
        What::CancelAll { market, .. } => (("DELETE", "/api/v3/openOrders"), symbol(*market)),
        What::Amend { of } => {
            let qty = decimal::format(4, machine::scale().qty_decimals, 0);
            let path = "/api/v3/order/amend/keepPriority";
            (("PUT", path), format!("{}&orderId={}&newQty={qty}", symbol(of.market), of.order))
        }
        What::Replace { of, wish } => {
            let mode = if of.order.get() % 2 == 0 { "STOP_ON_FAILURE" } else { "ALLOW_FAILURE" };
            let path = "/api/v3/order/cancelReplace";
            let beyond = if of.order.get().is_multiple_of(3) { "CANCEL_ONLY" } else { "DO_NOTHING" };
            let how = format!("cancelReplaceMode={mode}&orderRateLimitExceededMode={beyond}");
            (("POST", path), format!("{}&{how}&cancelOrderId={}", new(wish), of.order))
        }
        What::Open { .. } => (("GET", "/api/v3/openOrders"), String::new()),
        What::Balances { .. } => (("GET", "/api/v3/account"), String::new()),
        What::Look { of } => (("GET", "/api/v3/order"), format!("{}&orderId={}", symbol(of.market), of.order)),
    }
}
