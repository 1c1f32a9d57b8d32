//! Orders of one account: open ones for ever, closed ones up to a bound.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

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
    pub fn was_taken(&self) -> bool {
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

/// The orders of one account.
#[derive(Debug, Default)]
pub struct Orders {
    by_id: BTreeMap<(MarketId, OrderId), Order>,
    by_client_id: HashMap<(MarketId, ClientOrderId), OrderId>,
    open: BTreeSet<(MarketId, OrderId)>,
    closed: VecDeque<(MarketId, OrderId)>,
    has_forgotten: bool,
}

impl Orders {
    /// An order by its id.
    pub fn get(&self, market: MarketId, id: OrderId) -> Option<&Order> {
        self.by_id.get(&(market, id))
    }

    /// The latest order that the client gave this name.
    pub fn named(&self, market: MarketId, name: &ClientOrderId) -> Option<&Order> {
        self.by_client_id.get(&(market, *name)).and_then(|id| self.get(market, *id))
    }

    /// Whether there were orders that are no longer here.
    pub fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    /// Open orders of one market, or of all, by market and id.
    pub fn open(&self, market: Option<MarketId>) -> impl Iterator<Item = &Order> {
        let (from, to) = match market {
            Some(market) => (market, market),
            None => (MarketId::new(0), MarketId::new(u16::MAX)),
        };
        self.open.range((from, OrderId::ZERO)..=(to, OrderId::new(u64::MAX))).map(|key| &self.by_id[key])
    }

    /// How many orders are open, over all markets.
    pub fn open_len(&self) -> usize {
        self.open.len()
    }

    /// Orders of one market with ids from `from` on, by id; from either end.
    pub fn in_market(&self, market: MarketId, from: OrderId) -> impl DoubleEndedIterator<Item = &Order> {
        self.by_id.range((market, from)..=(market, OrderId::new(u64::MAX))).map(|(_, order)| order)
    }

    pub(super) fn insert(&mut self, order: Order) {
        let key = (order.market, order.id);
        self.by_client_id.insert((order.market, order.client_order_id), order.id);
        self.open.insert(key);
        self.by_id.insert(key, order);
    }

    /// An order has another name than `before`.
    pub(super) fn rename(&mut self, market: MarketId, id: OrderId, before: ClientOrderId, name: ClientOrderId) {
        if self.by_client_id.get(&(market, before)) == Some(&id) {
            self.by_client_id.remove(&(market, before));
        }
        self.by_client_id.insert((market, name), id);
    }

    pub(super) fn get_mut(&mut self, market: MarketId, id: OrderId) -> Option<&mut Order> {
        self.by_id.get_mut(&(market, id))
    }

    /// Moves an order that has ended to the history and forgets the oldest beyond `closed_max`.
    pub(super) fn close(&mut self, market: MarketId, id: OrderId, closed_max: usize) {
        if !self.open.remove(&(market, id)) {
            return;
        }
        self.closed.push_back((market, id));
        while self.closed.len() > closed_max {
            let Some(oldest) = self.closed.pop_front() else { return };
            self.has_forgotten = true;
            let Some(order) = self.by_id.remove(&oldest) else { continue };
            let name = (order.market, order.client_order_id);
            if self.by_client_id.get(&name) == Some(&order.id) {
                self.by_client_id.remove(&name);
            }
        }
    }
}
