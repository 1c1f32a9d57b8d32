//! Order lists of one account: open ones for ever, ended ones up to a bound.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::event::ListStarted;
use wire::{ClientOrderId, ListId, ListKind, MarketId, OrderId, RejectReason, Timestamp};

/// Where a list is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListStatus {
    /// Some of its orders are open.
    Executing,
    /// All of its orders have ended.
    AllDone,
    /// Its market has refused it.
    Rejected(RejectReason),
}

/// Orders that hang together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderList {
    /// Its id.
    pub id: ListId,
    /// In which market.
    pub market: MarketId,
    /// How its orders hang together.
    pub kind: ListKind,
    /// The client's name for it.
    pub client_order_id: ClientOrderId,
    /// Its orders, two or three.
    pub orders: Vec<OrderId>,
    /// Where it is in its life.
    pub status: ListStatus,
    /// When it came in.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
}

impl OrderList {
    pub(crate) fn new(started: &ListStarted, now: Timestamp) -> OrderList {
        let orders = [started.first, started.second, started.third];
        OrderList {
            id: started.list,
            market: started.market,
            kind: started.kind,
            client_order_id: started.list_client_order_id,
            orders: orders.into_iter().filter(|order| *order != OrderId::ZERO).collect(),
            status: ListStatus::Executing,
            created: now,
            updated: now,
        }
    }

    /// The orders whose outcome its placing waits for: of a list that triggers others, the working one.
    pub fn first_orders(&self) -> &[OrderId] {
        match self.kind {
            ListKind::Oco => &self.orders,
            ListKind::Oto | ListKind::Otoco => &self.orders[..self.orders.len().min(1)],
        }
    }
}

/// The lists of one account.
#[derive(Debug, Default)]
pub struct Lists {
    by_id: BTreeMap<ListId, OrderList>,
    open: BTreeSet<ListId>,
    ended: VecDeque<ListId>,
    has_forgotten: bool,
}

impl Lists {
    /// A list by its id.
    pub fn get(&self, id: ListId) -> Option<&OrderList> {
        self.by_id.get(&id)
    }

    /// The latest list that the client gave this name, in whichever market.
    pub fn named(&self, name: &ClientOrderId) -> Option<&OrderList> {
        self.by_id.values().rev().find(|list| list.client_order_id == *name)
    }

    /// Whether there were lists that are no longer here.
    pub fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    /// Open lists, by id.
    pub fn open(&self) -> impl Iterator<Item = &OrderList> {
        self.open.iter().filter_map(|id| self.by_id.get(id))
    }

    /// Lists with ids from `from` on, by id; from either end.
    pub fn from(&self, from: ListId) -> impl DoubleEndedIterator<Item = &OrderList> {
        self.by_id.range(from..).map(|(_, list)| list)
    }

    pub(super) fn start(&mut self, started: &ListStarted, now: Timestamp) {
        let list = OrderList::new(started, now);
        self.open.insert(list.id);
        self.by_id.insert(list.id, list);
    }

    /// Ends a list and forgets the oldest beyond `ended_max`.
    pub(super) fn end(&mut self, id: ListId, status: ListStatus, now: Timestamp, ended_max: usize) {
        if let Some(list) = self.by_id.get_mut(&id) {
            (list.status, list.updated) = (status, now);
        }
        if self.open.remove(&id) {
            self.ended.push_back(id);
        }
        while self.ended.len() > ended_max {
            let Some(oldest) = self.ended.pop_front() else { return };
            self.has_forgotten = true;
            self.by_id.remove(&oldest);
        }
    }
}
