//! An order as its account sees it.
//!
//! Of most orders no more is read than when they come and when they go, and by then no cache holds them. So what few of them have
//! is apart ([`Particulars`]), and an order takes less than half of the memory that it would with all of that.

use wire::event::OrderPending;
use wire::{
    Amount, CancelCause, ClientOrderId, MarketId, OrderId, OrderKind, Price, Qty, RejectReason, SelfTradePrevention,
    Side, TimeInForce, Timestamp,
};

use super::order_trades::OrderTrades;
use super::particulars::Particulars;

/// Where an order is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStatus {
    /// Held for, on its way to its market.
    PendingNew,
    /// Taken by its market, nothing traded.
    New,
    /// Some of it has traded, the rest may.
    PartiallyFilled,
    /// All of it has traded.
    Filled,
    /// Ended by its owner.
    Canceled,
    /// Refused by its market.
    Rejected,
    /// Ended by its own rules or by the exchange.
    Expired,
    /// Ended because it would have traded with its own account.
    ExpiredInMatch,
}

impl OrderStatus {
    /// Every one of them.
    pub const ALL: [OrderStatus; 8] = [
        OrderStatus::PendingNew,
        OrderStatus::New,
        OrderStatus::PartiallyFilled,
        OrderStatus::Filled,
        OrderStatus::Canceled,
        OrderStatus::Rejected,
        OrderStatus::Expired,
        OrderStatus::ExpiredInMatch,
    ];

    /// Binance's word.
    pub const fn name(self) -> &'static str {
        match self {
            OrderStatus::PendingNew => "PENDING_NEW",
            OrderStatus::New => "NEW",
            OrderStatus::PartiallyFilled => "PARTIALLY_FILLED",
            OrderStatus::Filled => "FILLED",
            OrderStatus::Canceled => "CANCELED",
            OrderStatus::Rejected => "REJECTED",
            OrderStatus::Expired => "EXPIRED",
            OrderStatus::ExpiredInMatch => "EXPIRED_IN_MATCH",
        }
    }

    /// Whether it may still trade.
    pub const fn is_open(self) -> bool {
        matches!(self, OrderStatus::PendingNew | OrderStatus::New | OrderStatus::PartiallyFilled)
    }
}

/// One order as its account sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// In which market.
    pub market: MarketId,
    /// The client's name for it.
    pub client_order_id: ClientOrderId,
    /// Buy or sell.
    pub side: Side,
    /// How it meets the book.
    pub kind: OrderKind,
    /// What becomes of the rest.
    pub time_in_force: TimeInForce,
    /// What happens with orders of its own account.
    pub self_trade: SelfTradePrevention,
    /// The limit; of a market order its protection price, which clients are not shown.
    pub price: Price,
    /// Base quantity asked for; zero when quote quantity was.
    pub qty: Qty,
    /// Quote quantity asked for, in ledger units; zero when base quantity was.
    pub quote_qty: Amount,
    /// Where it is in its life.
    pub status: OrderStatus,
    /// Whether its first outcome is known: refused, resting, or ended.
    pub is_settled: bool,
    /// Base traded.
    pub executed: Qty,
    /// Quote traded, in ledger units.
    pub quote_executed: Amount,
    /// When it entered the log.
    pub created: Timestamp,
    /// When its market took it.
    pub working: Option<Timestamp>,
    /// When it last changed.
    pub updated: Timestamp,
    /// Its trades, in order.
    pub trades: OrderTrades,
    /// Since it was placed, in memory: as a taker it has met its own account or group.
    pub has_met_own: bool,
    /// Why it ended, of one that expired.
    pub expired_by: Option<CancelCause>,
    /// What few orders have.
    pub(crate) particulars: Option<Box<Particulars>>,
}

impl Order {
    pub(crate) fn new(pending: &OrderPending, now: Timestamp) -> Order {
        Order {
            id: pending.order,
            market: pending.market,
            client_order_id: pending.client_order_id,
            side: pending.side,
            kind: pending.kind,
            time_in_force: pending.time_in_force,
            self_trade: pending.self_trade,
            price: pending.price,
            qty: pending.qty,
            quote_qty: pending.quote_qty,
            status: OrderStatus::PendingNew,
            is_settled: false,
            executed: Qty::ZERO,
            quote_executed: Amount::ZERO,
            created: now,
            working: None,
            updated: now,
            trades: OrderTrades::None,
            has_met_own: false,
            expired_by: None,
            particulars: None,
        }
    }

    /// Whether this is its name, or was before an amend.
    pub(crate) fn has_had(&self, name: &ClientOrderId) -> bool {
        let former = self.amendments().iter().map(|amendment| &amendment.client_order_id_before);
        former.chain([&self.client_order_id]).any(|had| had == name)
    }

    /// All of it but its trades and amendments, of which there may be many.
    pub(crate) fn without_history(&self) -> Order {
        let particulars = self.particulars.as_deref().and_then(|known| known.without_amendments().kept());
        Order { trades: OrderTrades::None, particulars, ..*self }
    }

    /// As it was when it came in.
    pub fn as_placed(&self) -> Order {
        Order {
            status: OrderStatus::PendingNew,
            is_settled: false,
            executed: Qty::ZERO,
            quote_executed: Amount::ZERO,
            working: None,
            updated: self.created,
            trades: OrderTrades::None,
            has_met_own: false,
            expired_by: None,
            particulars: self.particulars.as_deref().and_then(|known| known.as_placed().kept()),
            ..*self
        }
    }

    /// Whether its market has taken it, or may yet: who was told an error does not find it among the orders, and by its id or
    /// name alone.
    pub fn was_not_refused(&self) -> bool {
        self.status != OrderStatus::Rejected
    }

    /// Whether it was to be placed. What should have replaced an order that could not be canceled was not, and is no order.
    pub fn was_attempted(&self) -> bool {
        self.refused() != Some(RejectReason::NotAttempted)
    }

    /// Whether its price is one that its client named, and no protection price.
    pub fn has_limit(&self) -> bool {
        !self.kind.is_market() && (self.terms().peg.is_none() || self.terms().peg.has_price)
    }

    /// Whether it is on the book, or is matched there now.
    pub fn is_on_book(&self) -> bool {
        let is_open = matches!(self.status, OrderStatus::New | OrderStatus::PartiallyFilled);
        is_open && self.working.is_some()
    }

    /// The quantity that clients are shown as asked for: of an order by quote quantity what has traded.
    pub fn shown_qty(&self) -> Qty {
        if self.qty.is_zero() { self.executed } else { self.qty }
    }
}
