//! An order as its account sees it.

use wire::event::OrderPending;
use wire::{
    Amount, CancelCause, ClientOrderId, ListId, MarketId, OrderId, OrderKind, PreventedMatchId, Price, Qty,
    RejectReason, SelfTradePrevention, Side, Terms, TimeInForce, Timestamp, TradeGroupId, TradeId,
};

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
    /// Why its market refused it.
    pub refused: Option<RejectReason>,
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
    pub trades: Vec<TradeId>,
    /// What it asks for beyond a plain order.
    pub terms: Terms,
    /// The limit that its market gave it, once it has, of a pegged order.
    pub pegged: Option<Price>,
    /// Its list, or 0.
    pub list: ListId,
    /// Since when a trailing stop tracks the price.
    pub tracking: Option<Timestamp>,
    /// Why it ended, of one that expired.
    pub expired_by: Option<CancelCause>,
    /// The last trade with its own account or group that was prevented, with the sum of what it lost by them.
    pub prevented: Option<Prevented>,
    /// Since it was placed, in memory: as a taker it has met its own account or group.
    pub has_met_own: bool,
    /// How its quantity was lowered, in order.
    pub amendments: Vec<Amendment>,
}

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
            refused: None,
            executed: Qty::ZERO,
            quote_executed: Amount::ZERO,
            created: now,
            working: None,
            updated: now,
            trades: Vec::new(),
            terms: Terms::NONE,
            pegged: None,
            list: ListId::ZERO,
            tracking: None,
            expired_by: None,
            prevented: None,
            has_met_own: false,
            amendments: Vec::new(),
        }
    }

    /// Whether this is its name, or was before an amend.
    pub(crate) fn has_had(&self, name: &ClientOrderId) -> bool {
        let former = self.amendments.iter().map(|amendment| &amendment.client_order_id_before);
        former.chain([&self.client_order_id]).any(|had| had == name)
    }

    /// All of it but its trades and amendments, of which there may be many.
    pub(crate) fn without_history(&self) -> Order {
        Order {
            trades: Vec::new(),
            amendments: Vec::new(),
            id: self.id,
            market: self.market,
            client_order_id: self.client_order_id,
            side: self.side,
            kind: self.kind,
            time_in_force: self.time_in_force,
            self_trade: self.self_trade,
            price: self.price,
            qty: self.qty,
            quote_qty: self.quote_qty,
            status: self.status,
            is_settled: self.is_settled,
            refused: self.refused,
            executed: self.executed,
            quote_executed: self.quote_executed,
            created: self.created,
            working: self.working,
            updated: self.updated,
            terms: self.terms,
            pegged: self.pegged,
            list: self.list,
            tracking: self.tracking,
            expired_by: self.expired_by,
            prevented: self.prevented,
            has_met_own: self.has_met_own,
        }
    }

    /// As it was when it came in.
    pub fn as_placed(&self) -> Order {
        Order {
            status: OrderStatus::PendingNew,
            is_settled: false,
            refused: None,
            executed: Qty::ZERO,
            quote_executed: Amount::ZERO,
            working: None,
            updated: self.created,
            pegged: None,
            tracking: None,
            expired_by: None,
            prevented: None,
            has_met_own: false,
            ..self.without_history()
        }
    }

    /// Whether its market has taken it, or may yet: who was told an error does not find it among the orders, and by its id or
    /// name alone.
    pub fn was_not_refused(&self) -> bool {
        self.status != OrderStatus::Rejected
    }

    /// Whether it was to be placed. What should have replaced an order that could not be canceled was not, and is no order.
    pub fn was_attempted(&self) -> bool {
        self.refused != Some(RejectReason::NotAttempted)
    }

    /// Whether its price is one that its client named, and no protection price.
    pub fn has_limit(&self) -> bool {
        !self.kind.is_market() && (self.terms.peg.is_none() || self.terms.peg.has_price)
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

/// An order as reports tell it, of one that asks for nothing special and to which nothing special has happened: a third of
/// the bytes. Thousands of reports are kept of every account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Brief {
    id: OrderId,
    client_order_id: ClientOrderId,
    market: MarketId,
    side: Side,
    kind: OrderKind,
    time_in_force: TimeInForce,
    self_trade: SelfTradePrevention,
    status: OrderStatus,
    is_settled: bool,
    has_met_own: bool,
    price: Price,
    qty: Qty,
    quote_qty: Amount,
    executed: Qty,
    quote_executed: Amount,
    created: Timestamp,
    working: Option<Timestamp>,
    updated: Timestamp,
}

impl Brief {
    /// `None` when something would be missing.
    pub(crate) fn of(order: &Order) -> Option<Brief> {
        let is_plain = order.terms == Terms::NONE
            && order.list == ListId::ZERO
            && order.refused.is_none()
            && order.pegged.is_none()
            && order.tracking.is_none()
            && order.expired_by.is_none()
            && order.prevented.is_none();
        is_plain.then_some(Brief {
            id: order.id,
            client_order_id: order.client_order_id,
            market: order.market,
            side: order.side,
            kind: order.kind,
            time_in_force: order.time_in_force,
            self_trade: order.self_trade,
            status: order.status,
            is_settled: order.is_settled,
            has_met_own: order.has_met_own,
            price: order.price,
            qty: order.qty,
            quote_qty: order.quote_qty,
            executed: order.executed,
            quote_executed: order.quote_executed,
            created: order.created,
            working: order.working,
            updated: order.updated,
        })
    }

    /// What [`Order::without_history`] of the order gave.
    pub(crate) fn order(&self) -> Order {
        Order {
            id: self.id,
            market: self.market,
            client_order_id: self.client_order_id,
            side: self.side,
            kind: self.kind,
            time_in_force: self.time_in_force,
            self_trade: self.self_trade,
            price: self.price,
            qty: self.qty,
            quote_qty: self.quote_qty,
            status: self.status,
            is_settled: self.is_settled,
            refused: None,
            executed: self.executed,
            quote_executed: self.quote_executed,
            created: self.created,
            working: self.working,
            updated: self.updated,
            trades: Vec::new(),
            terms: Terms::NONE,
            pegged: None,
            list: ListId::ZERO,
            tracking: None,
            expired_by: None,
            prevented: None,
            has_met_own: self.has_met_own,
            amendments: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Order {
        let pending = OrderPending {
            order: OrderId::new(7),
            account: wire::AccountId::new(1),
            market: MarketId::new(3),
            side: Side::Sell,
            kind: OrderKind::LimitMaker,
            time_in_force: TimeInForce::Day,
            self_trade: SelfTradePrevention::ExpireMaker,
            price: Price::MIN,
            qty: Qty::MAX,
            quote_qty: Amount::MAX,
            client_order_id: ClientOrderId::new(b"name").unwrap(),
        };
        let mut order = Order::new(&pending, Timestamp::from_nanos(5));
        order.accept(Timestamp::from_nanos(6));
        (order.status, order.is_settled, order.has_met_own) = (OrderStatus::PartiallyFilled, true, true);
        (order.executed, order.quote_executed, order.updated) = (Qty::MAX, Amount::MAX, Timestamp::from_nanos(9));
        order.trades.push(TradeId::new(1));
        order
    }

    #[test]
    fn a_brief_order_lacks_nothing_that_is_told() {
        assert_eq!(Brief::of(&plain()).unwrap().order(), plain().without_history());
    }

    #[test]
    fn an_order_with_anything_special_is_not_brief() {
        let prevented = Prevented {
            id: PreventedMatchId::new(1),
            counter: OrderId::new(2),
            group: TradeGroupId::new(0),
            price: Price::MIN,
            last_qty: Qty::ZERO,
            qty: Qty::ZERO,
        };
        let now = Some(Timestamp::ZERO);
        let specials: [Order; 7] = [
            Order { terms: Terms { expire_at: now, ..Terms::NONE }, ..plain() },
            Order { list: ListId::new(1), ..plain() },
            Order { refused: Some(RejectReason::Busy), ..plain() },
            Order { pegged: Some(Price::MIN), ..plain() },
            Order { tracking: now, ..plain() },
            Order { expired_by: Some(CancelCause::SelfTrade), ..plain() },
            Order { prevented: Some(prevented), ..plain() },
        ];
        assert!(specials.iter().all(|order| Brief::of(order).is_none()));
    }
}
