//! The orders that the ledger holds funds for. The client order ids that are taken are kept beside them (`names`).

use wire::codec::{CodecError, Reader, Writer};
use wire::{
    AccountId, Amount, ApiKeyId, CancelRestriction, ClientOrderId, ClientSessionId, ListId, MarketId, OrderId, Price,
    Qty, Side, Timestamp,
};

use self::names::Closed;
pub(super) use self::names::key;
use super::chains::Chains;
use super::tally::Tally;
use crate::block_queue::BlockQueue;
use crate::limits::Limits;
use crate::name_index::{Name, NameIndex};
use crate::order_index::OrderIndex;

mod names;

/// Where an open order lies; what lies there may be another order later.
pub(super) type Place = usize;

/// An order from its hold to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: OrderId,
    pub(super) account: AccountId,
    pub(super) market: MarketId,
    pub(super) side: Side,
    /// Whether its hold follows its limit; otherwise it is a budget (market orders).
    pub(super) is_limit: bool,
    /// Whether it is a stop order, triggered or not.
    pub(super) is_stop: bool,
    /// Whether it shows a part only.
    pub(super) is_iceberg: bool,
    /// Its list, or 0.
    pub(super) list: ListId,
    /// Whether its market has answered.
    pub(super) is_accepted: bool,
    /// Whether a cancel has used its reserved place on the way to the market.
    pub(super) is_cancel_asked: bool,
    /// Whether some of it has traded. What self-trade prevention took off it has not.
    pub(super) has_traded: bool,
    /// How often it has been amended.
    pub(super) amends: u16,
    pub(super) price: Price,
    /// What it asked for; [`Qty::MAX`] of a market buy by quote quantity.
    pub(super) qty: Qty,
    /// What its market may still trade.
    pub(super) leaves: Qty,
    /// What is held for it: quote of a buy, base of a sell.
    pub(super) held: Amount,
    pub(super) client_order_id: ClientOrderId,
    /// The API key it was asked with; 0 for none.
    pub(super) key: ApiKeyId,
    /// The client session whose end cancels it; 0 for none.
    pub(super) session: ClientSessionId,
}

impl Order {
    /// Whether it is in the state that a cancel is restricted to, as far as the ledger knows: what an account has not
    /// been told has not happened.
    pub(super) fn is_in(&self, restriction: CancelRestriction) -> bool {
        match restriction {
            CancelRestriction::None => true,
            CancelRestriction::OnlyNew => !self.has_traded,
            CancelRestriction::OnlyPartiallyFilled => self.has_traded,
        }
    }
}

/// Open orders in a slab, found by id; client order ids of open and recently closed ones.
pub(super) struct Orders {
    last: OrderId,
    slab: Vec<Order>,
    free: Vec<u32>,
    /// Handles are places in the slab, counted from 1.
    by_id: OrderIndex,
    chains: Chains,
    /// From (fingerprint, account) to the order id.
    taken: NameIndex,
    /// Oldest first.
    closed: BlockQueue<Closed>,
    /// Open orders by account and market.
    counts: Vec<u32>,
    /// Open stop orders and icebergs by account and market.
    stops: Tally,
    icebergs: Tally,
    markets_max: usize,
    open_max: usize,
    remembered_max: usize,
    retention_ns: u64,
    /// When the retention of the oldest closed one is over.
    forgets_at: Timestamp,
}

impl Orders {
    pub(super) fn new(limits: &Limits) -> Orders {
        let open_max = limits.open_orders_max as usize;
        let remembered_max = limits.remembered_orders_max as usize;
        Orders {
            last: OrderId::ZERO,
            slab: Vec::with_capacity(open_max),
            free: Vec::with_capacity(open_max),
            by_id: OrderIndex::new(open_max),
            chains: Chains::new(open_max, limits.accounts_max as usize, limits.leases_max as usize),
            taken: NameIndex::new(remembered_max),
            closed: BlockQueue::new(remembered_max),
            counts: Vec::with_capacity(limits.accounts_max as usize * usize::from(limits.markets_max)),
            stops: Tally::default(),
            icebergs: Tally::default(),
            markets_max: usize::from(limits.markets_max),
            open_max,
            remembered_max,
            retention_ns: limits.client_order_id_retention_ns,
            forgets_at: Timestamp::NEVER,
        }
    }

    pub(super) fn add_account(&mut self) {
        self.counts.resize(self.counts.len() + self.markets_max, 0);
        self.chains.add_account();
    }

    /// The id that the next order gets.
    #[inline]
    pub(super) fn next_id(&self) -> OrderId {
        self.last.next()
    }

    /// How many orders are open, and how many names are taken.
    pub(super) fn rows(&self) -> (usize, usize) {
        (self.by_id.len(), self.taken.len())
    }

    /// Whether one more order may be open, and its client order id remembered after it.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.by_id.len() < self.open_max && self.taken.len() < self.remembered_max
    }

    /// Reads the rows of a known account in a known market; what it was has no meaning.
    #[inline]
    pub(super) fn read_account(&self, account: AccountId, market: MarketId) -> u64 {
        u64::from(self.count(account, market) ^ self.chains.read(account))
    }

    /// Reads the rows of an order, if it is open; what it was has no meaning.
    #[inline]
    pub(super) fn read_order(&self, id: OrderId) -> u64 {
        let Some(at) = self.find(id) else { return 0 };
        let order = self.at(at);
        order.held.units() as u64 ^ order.session.get() ^ u64::from(self.chains.read_place(at))
    }

    /// How many orders of a known account are open in a known market.
    #[inline]
    pub(super) fn count(&self, account: AccountId, market: MarketId) -> u32 {
        self.counts[self.count_at(account, market)]
    }

    /// How many orders of a known account are open.
    #[inline]
    pub(super) fn total(&self, account: AccountId) -> u32 {
        self.chains.total(account)
    }

    /// A known account's open orders, oldest first.
    pub(super) fn of_account(&self, account: AccountId) -> impl Iterator<Item = &Order> {
        self.chains.of_account(account).map(|place| &self.slab[place])
    }

    /// A client session's open orders, oldest first.
    pub(super) fn of_session(&self, account: AccountId, session: ClientSessionId) -> impl Iterator<Item = &Order> {
        self.chains.of_session(account, session).map(|place| &self.slab[place])
    }

    /// The session's open orders name it no more.
    pub(super) fn end_session(&mut self, account: AccountId, session: ClientSessionId) {
        let places: Vec<usize> = self.chains.of_session(account, session).collect();
        for place in places {
            self.chains.leave(place, account, session);
            self.slab[place].session = ClientSessionId::new(0);
        }
    }

    /// The open stop orders.
    #[inline]
    pub(super) fn stops(&self) -> &Tally {
        &self.stops
    }

    /// The open icebergs.
    #[inline]
    pub(super) fn icebergs(&self) -> &Tally {
        &self.icebergs
    }

    /// Beyond every row when there is no such account.
    #[inline]
    fn count_at(&self, account: AccountId, market: MarketId) -> usize {
        let row = (account.get() as usize).wrapping_sub(1).wrapping_mul(self.markets_max);
        row.wrapping_add(usize::from(market.get()).wrapping_sub(1))
    }

    pub(super) fn get(&self, id: OrderId) -> Option<&Order> {
        Some(self.at(self.find(id)?))
    }

    pub(super) fn get_mut(&mut self, id: OrderId) -> Option<&mut Order> {
        let place = self.find(id)?;
        Some(self.at_mut(place))
    }

    /// The open order at a place.
    #[inline]
    pub(super) fn at(&self, place: Place) -> &Order {
        &self.slab[place]
    }

    /// As [`Orders::at`].
    #[inline]
    pub(super) fn at_mut(&mut self, place: Place) -> &mut Order {
        &mut self.slab[place]
    }

    /// Where an open order lies.
    #[inline]
    pub(super) fn find(&self, id: OrderId) -> Option<Place> {
        if id == OrderId::ZERO {
            return None;
        }
        let handle = self.by_id.get(id.get(), |handle| self.slab[(handle as usize).wrapping_sub(1)].id.get())?;
        Some((handle as usize).wrapping_sub(1))
    }

    /// As [`Orders::has_room`], for so many.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.by_id.len() + more <= self.open_max && self.has_room_for_names(more)
    }

    /// Opens an order with the id from [`Orders::next_id`]. The caller has checked room and name.
    pub(super) fn open(&mut self, order: &Order) {
        self.taken.insert(key(order.account, &order.client_order_id), order.id.get());
        self.insert(order);
        self.last = order.id;
    }

    /// As [`Orders::open`], of an order whose name, as [`key`] makes it, is not taken: the caller has just looked.
    #[inline]
    pub(super) fn open_as(&mut self, name: Name, order: &Order) {
        self.taken.add(name, order.id.get());
        self.insert(order);
        self.last = order.id;
    }

    #[inline]
    fn insert(&mut self, order: &Order) {
        let at = match self.free.pop() {
            Some(at) => {
                self.slab[at as usize] = *order;
                at
            }
            None => {
                self.slab.push(*order);
                (self.slab.len() - 1) as u32
            }
        };
        self.by_id.insert(order.id.get(), at + 1, |handle| self.slab[handle as usize - 1].id.get());
        self.chains.attach(at as usize, order.account, order.session);
        let count = self.count_at(order.account, order.market);
        self.counts[count] += 1;
        if order.is_stop {
            self.stops.add(order.account, order.market);
        }
        if order.is_iceberg {
            self.icebergs.add(order.account, order.market);
        }
    }

    /// Ends an order; its client order id stays taken for the retention.
    pub(super) fn close(&mut self, id: OrderId, now: Timestamp) {
        if let Some(place) = self.find(id) {
            self.close_at(place, now);
        }
    }

    /// As [`Orders::close`], of the one at a place.
    #[inline]
    pub(super) fn close_at(&mut self, place: Place, now: Timestamp) {
        self.remove(place);
        let order = self.at(place);
        let [fingerprint, _] = key(order.account, &order.client_order_id);
        let (account, order) = (order.account, order.id);
        self.remember(Closed { fingerprint, account, order, closed: now });
    }

    /// Ends an order that never was; its client order id is free at once.
    pub(super) fn discard(&mut self, id: OrderId) {
        if let Some(place) = self.find(id) {
            self.remove(place);
            let order = self.at(place);
            let name = key(order.account, &order.client_order_id);
            self.taken.remove(&name);
        }
    }

    /// Takes the order at a place out; it lies there until another does.
    #[inline]
    fn remove(&mut self, at: Place) {
        let Order { id, account, market, session, is_stop, is_iceberg, .. } = self.slab[at];
        self.by_id.remove(id.get(), at as u32 + 1);
        self.free.push(at as u32);
        self.chains.detach(at, account, session);
        let count = self.count_at(account, market);
        self.counts[count] -= 1;
        if is_stop {
            self.stops.remove(account, market);
        }
        if is_iceberg {
            self.icebergs.remove(account, market);
        }
    }

    /// In the order of ids, and of closing.
    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.last);
        let mut freed = vec![false; self.slab.len()];
        for at in &self.free {
            freed[*at as usize] = true;
        }
        // What is compared lies together: the orders themselves are read once each.
        let mut open: Vec<(OrderId, usize)> = Vec::with_capacity(self.by_id.len());
        let taken = self.slab.iter().zip(&freed).enumerate().filter(|(_, (_, freed))| !**freed);
        open.extend(taken.map(|(at, (order, _))| (order.id, at)));
        open.sort_unstable();
        to.put(&(open.len() as u32));
        for (_, at) in open {
            let order = &self.slab[at];
            to.put(&order.id);
            to.put(&order.account);
            to.put(&order.market);
            to.put(&order.side);
            to.put(&order.is_limit);
            to.put(&order.is_stop);
            to.put(&order.is_iceberg);
            to.put(&order.list);
            to.put(&order.is_accepted);
            to.put(&order.is_cancel_asked);
            to.put(&order.has_traded);
            to.put(&order.amends);
            to.put(&order.price);
            to.put(&order.qty);
            to.put(&order.leaves);
            to.put(&order.held);
            to.put(&order.client_order_id);
            to.put(&order.key);
            to.put(&order.session);
        }
        self.save_closed(to);
    }

    /// Fills in what [`Orders::save`] wrote, after `accounts` were added.
    pub(super) fn load(&mut self, accounts: usize, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.last = from.get()?;
        let open: u32 = from.get()?;
        self.taken.reserve((open as usize).min(self.remembered_max));
        for _ in 0..open {
            let order = Order {
                id: from.get()?,
                account: from.get()?,
                market: from.get()?,
                side: from.get()?,
                is_limit: from.get()?,
                is_stop: from.get()?,
                is_iceberg: from.get()?,
                list: from.get()?,
                is_accepted: from.get()?,
                is_cancel_asked: from.get()?,
                has_traded: from.get()?,
                amends: from.get()?,
                price: from.get()?,
                qty: from.get()?,
                leaves: from.get()?,
                held: from.get()?,
                client_order_id: from.get()?,
                key: from.get()?,
                session: from.get()?,
            };
            let is_known = (1..=accounts).contains(&(order.account.get() as usize))
                && (1..=self.markets_max).contains(&usize::from(order.market.get()))
                && order.id.get() != 0;
            if !self.has_room() || !is_known {
                return Err(CodecError::OutOfRange);
            }
            self.taken.insert(key(order.account, &order.client_order_id), order.id.get());
            self.insert(&order);
        }
        self.load_closed(from)
    }
}
