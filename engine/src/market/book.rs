//! The resting orders of one market: who is next at which price, and what one account has there.

use wire::{AccountId, OrderId, Price, Qty, Side, Sides, TradeGroupId};

use super::ladder::{Ladder, Level, index};
use crate::order_index::OrderIndex;

/// Names a resting order until it is removed; 0 names none. Never leaves the market cell.
pub(super) type Handle = u32;

/// A resting order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resting {
    pub(super) id: OrderId,
    pub(super) account: AccountId,
    /// The trade group that it was placed in.
    pub(super) group: TradeGroupId,
    pub(super) side: Side,
    pub(super) price: Price,
    /// What it shows: all that is left of it, unless it is marked as an iceberg.
    pub(super) leaves: Qty,
    /// Whether the market keeps more about it (`extras`).
    pub(super) is_marked: bool,
}

/// What matching asks of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Maker {
    pub(super) id: OrderId,
    pub(super) account: AccountId,
    pub(super) group: TradeGroupId,
    pub(super) leaves: Qty,
    pub(super) is_marked: bool,
}

/// A resting order where it lies: two of them share a cache line.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Node {
    id: OrderId,
    leaves: Qty,
    price: Price,
    account: AccountId,
    group: TradeGroupId,
    side: Side,
    is_marked: bool,
}

/// An order's neighbours at its price and in its account's list: apart from the orders, so that unlinking one touches
/// little of the memory of a large book. Of a free node, `next` is the next free one.
#[derive(Clone, Copy)]
#[repr(align(16))]
struct Links {
    prev: Handle,
    next: Handle,
    older: Handle,
    newer: Handle,
}

/// Price-time priority: levels in a ladder, orders in a slab of fixed capacity, linked into the FIFO of their
/// level and the list of their account and side, oldest first.
pub(super) struct Book {
    ladder: Ladder,
    nodes: Vec<Node>,
    /// As long as the nodes.
    links: Vec<Links>,
    free: Handle,
    capacity: usize,
    ids: OrderIndex,
    /// Each account's oldest and newest buy, and its oldest and newest sell.
    accounts: Vec<[[Handle; 2]; 2]>,
    /// The highest id that ever rested: a higher one is its account's newest.
    newest: OrderId,
}

const NONE: Handle = 0;

const NO_NODE: Node = Node {
    id: OrderId::ZERO,
    leaves: Qty::ZERO,
    price: Price::MIN,
    account: AccountId::new(0),
    group: TradeGroupId::new(0),
    side: Side::Buy,
    is_marked: false,
};

const NO_LINKS: Links = Links { prev: NONE, next: NONE, older: NONE, newer: NONE };

impl Book {
    /// For a grid of `tick`, up to `capacity` orders, and accounts up to `accounts_max`.
    pub(super) fn new(tick: Price, capacity: u32, accounts_max: u32) -> Book {
        let capacity = capacity as usize;
        let mut nodes = Vec::with_capacity(capacity + 1);
        nodes.push(NO_NODE);
        let mut links = Vec::with_capacity(capacity + 1);
        links.push(NO_LINKS);
        Book {
            ladder: Ladder::new(tick.units()),
            nodes,
            links,
            free: NONE,
            capacity,
            ids: OrderIndex::new(capacity),
            accounts: vec![[[NONE; 2]; 2]; accounts_max as usize + 1],
            newest: OrderId::ZERO,
        }
    }

    /// How many orders rest.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether one more order may rest beside so many that only may.
    #[inline]
    pub(super) fn has_room_for(&self, others: usize) -> bool {
        self.len() + others < self.capacity
    }

    /// Whether this account may have orders here.
    pub(super) fn has_account(&self, account: AccountId) -> bool {
        account.get() != 0 && (account.get() as usize) < self.accounts.len()
    }

    /// The best price of a side.
    #[inline]
    pub(super) fn best(&self, side: Side) -> Option<Price> {
        self.ladder.best(side).and_then(Price::new)
    }

    /// The side's next price worse than `price`.
    pub(super) fn worse(&self, side: Side, price: Price) -> Option<Price> {
        self.ladder.worse(side, price.units()).and_then(Price::new)
    }

    /// What rests at a price in sum.
    #[inline]
    pub(super) fn level_qty(&self, side: Side, price: Price) -> Qty {
        sum(self.ladder.level(side, price.units()))
    }

    /// The oldest order at a price, or 0.
    #[inline]
    pub(super) fn front(&self, side: Side, price: Price) -> Handle {
        self.ladder.level(side, price.units()).head
    }

    /// The next younger order at the same price, or 0.
    pub(super) fn behind(&self, handle: Handle) -> Handle {
        self.links[handle as usize].next
    }

    /// The order with this id.
    #[inline(always)]
    pub(super) fn find(&self, id: OrderId) -> Option<Handle> {
        if id == OrderId::ZERO { None } else { self.ids.get(id.get(), |handle| self.nodes[handle as usize].id.get()) }
    }

    /// The account's oldest order of these sides, or 0.
    pub(super) fn oldest_of(&self, account: AccountId, sides: Sides) -> Handle {
        let of = |side| self.accounts.get(account.get() as usize).map_or(NONE, |ends| ends[index(side)][0]);
        match sides {
            Sides::Buy => of(Side::Buy),
            Sides::Sell => of(Side::Sell),
            Sides::Both => match (of(Side::Buy), of(Side::Sell)) {
                (NONE, only) | (only, NONE) => only,
                (buy, sell) if self.nodes[buy as usize].id < self.nodes[sell as usize].id => buy,
                (_, sell) => sell,
            },
        }
    }

    /// The account's orders of one side, oldest first.
    pub(super) fn orders_of(&self, account: AccountId, side: Side) -> impl Iterator<Item = Handle> {
        let oldest = self.accounts.get(account.get() as usize).map_or(NONE, |ends| ends[index(side)][0]);
        let newer = |handle: &Handle| Some(self.links[*handle as usize].newer).filter(|next| *next != NONE);
        std::iter::successors((oldest != NONE).then_some(oldest), newer)
    }

    /// Reads what an order will need that comes to rest; what it was has no meaning.
    #[inline]
    pub(super) fn read_place(&self, id: OrderId, account: AccountId, side: Side, price: Price) -> u32 {
        let newest = self.accounts.get(account.get() as usize).map_or(NONE, |ends| ends[index(side)][1]);
        let free = self.nodes.get(self.free as usize).map_or(NONE, |node| node.account.get());
        newest
            ^ free
            ^ self.ids.read(id.get())
            ^ self.links[self.free as usize].next
            ^ self.ladder.level(side, price.units()).tail
    }

    /// Reads what a cancel of this order will need; what it was has no meaning.
    #[inline]
    pub(super) fn read_order(&self, handle: Handle) -> u32 {
        let node = &self.nodes[handle as usize];
        self.links[handle as usize].next ^ self.ladder.level(node.side, node.price.units()).head
    }

    /// Prices are multiples of this from now on.
    pub(super) fn take_tick(&mut self, tick: Price) {
        self.ladder.take_tick(tick.units());
    }

    /// What matching asks.
    #[inline]
    pub(super) fn maker(&self, handle: Handle) -> Maker {
        let Node { id, account, group, leaves, is_marked, .. } = self.nodes[handle as usize];
        Maker { id, account, group, leaves, is_marked }
    }

    /// The whole order.
    #[inline(always)]
    pub(super) fn order(&self, handle: Handle) -> Resting {
        let Node { id, account, group, side, price, leaves, is_marked } = self.nodes[handle as usize];
        Resting { id, account, group, side, price, leaves, is_marked }
    }

    /// Before a command touches the book near `price`.
    #[inline]
    pub(super) fn prepare(&mut self, price: Price) {
        self.ladder.settle_window(price.units());
    }

    /// Puts an order last at its price; what rests there in sum now. The caller has checked room, account, id and
    /// level sum.
    #[inline(always)]
    pub(super) fn insert(&mut self, order: Resting) -> Qty {
        let handle = self.take_node();
        let (older, newer) = self.link_account(handle, &order);
        self.put(handle, order, older, newer)
    }

    /// As [`Book::insert`], of an order that a snapshot holds; [`Book::relink_accounts`] comes after the last of them.
    pub(super) fn restore(&mut self, order: Resting) {
        let handle = self.take_node();
        self.newest = self.newest.max(order.id);
        self.put(handle, order, NONE, NONE);
    }

    #[inline(always)]
    fn put(&mut self, handle: Handle, order: Resting, older: Handle, newer: Handle) -> Qty {
        let Resting { id, account, group, side, price, leaves, is_marked } = order;
        self.nodes[handle as usize] = Node { id, leaves, price, account, group, side, is_marked };
        let links = &mut self.links[..];
        let level = self.ladder.change(side, price.units(), |level| {
            links[handle as usize] = Links { prev: level.tail, next: NONE, older, newer };
            links[level.tail as usize].next = handle;
            level.head = if level.tail == NONE { handle } else { level.head };
            level.tail = handle;
            level.qty += leaves.units();
            #[cfg(feature = "planted")]
            if wire::planted::is(wire::planted::Bug::LifoPriority) && level.head != handle {
                let (last, first) = (links[handle as usize].prev, level.head);
                links[last as usize].next = NONE;
                links[first as usize].prev = handle;
                (links[handle as usize].prev, links[handle as usize].next) = (NONE, first);
                (level.head, level.tail) = (handle, last);
            }
        });
        self.ids.insert(id.get(), handle, |handle| self.nodes[handle as usize].id.get());
        sum(level)
    }

    /// Links an order into its account's list: its older and its newer neighbour.
    #[inline(always)]
    fn link_account(&mut self, handle: Handle, order: &Resting) -> (Handle, Handle) {
        let ends = &mut self.accounts[order.account.get() as usize][index(order.side)];
        let (mut older, mut newer) = (ends[1], NONE);
        if order.id > self.newest {
            self.newest = order.id;
        } else {
            // A triggered stop or a next slice: older orders than it may be the account's newest.
            while older != NONE && self.nodes[older as usize].id > order.id {
                (older, newer) = (self.links[older as usize].older, older);
            }
        }
        if newer == NONE {
            ends[1] = handle;
        } else {
            self.links[newer as usize].older = handle;
        }
        if older == NONE {
            ends[0] = handle;
        } else {
            self.links[older as usize].newer = handle;
        }
        (older, newer)
    }

    /// Takes `qty`, less than what is left of it, from the order at the front of the level.
    pub(super) fn reduce_front(&mut self, side: Side, price: Price, qty: Qty) {
        self.reduce(self.front(side, price), qty);
    }

    /// Takes `qty`, less than what it shows, from an order, which keeps its place.
    pub(super) fn reduce(&mut self, handle: Handle, qty: Qty) {
        let node = &mut self.nodes[handle as usize];
        node.leaves = node.leaves.checked_sub(qty).expect("an order shows more than what it loses");
        self.ladder.change(node.side, node.price.units(), |level| level.qty -= qty.units());
    }

    /// Takes an order out; what rests at its price in sum now.
    #[inline(always)]
    pub(super) fn remove(&mut self, handle: Handle) -> (Resting, Qty) {
        let order = self.order(handle);
        let links = &mut self.links[..];
        let Links { prev, next, older, newer } = links[handle as usize];
        let level = self.ladder.change(order.side, order.price.units(), |level| {
            level.head = if prev == NONE { next } else { level.head };
            level.tail = if next == NONE { prev } else { level.tail };
            level.qty -= order.leaves.units();
        });
        // Who has no neighbour has the node that is none: what is written there is never read, and whether an order was
        // first or last is nothing that a processor could foresee.
        links[prev as usize].next = next;
        links[next as usize].prev = prev;
        links[older as usize].newer = newer;
        links[newer as usize].older = older;
        let ends = &mut self.accounts[order.account.get() as usize][index(order.side)];
        ends[0] = if older == NONE { newer } else { ends[0] };
        ends[1] = if newer == NONE { older } else { ends[1] };
        self.ids.remove(order.id.get(), handle);

        links[handle as usize].next = self.free;
        self.free = handle;
        (order, sum(level))
    }

    #[inline]
    fn take_node(&mut self) -> Handle {
        if self.free != NONE {
            let handle = self.free;
            self.free = self.links[handle as usize].next;
            return handle;
        }
        self.first_use()
    }

    /// A node that never was used.
    #[cold]
    fn first_use(&mut self) -> Handle {
        assert!(self.nodes.len() <= self.capacity, "the book was filled beyond its capacity");
        self.nodes.push(NO_NODE);
        self.links.push(NO_LINKS);
        (self.nodes.len() - 1) as Handle
    }

    /// Every order of a side, best price first, oldest first.
    pub(super) fn orders(&self, side: Side) -> impl Iterator<Item = Resting> {
        let mut price = self.best(side);
        let mut handle = price.map_or(NONE, |price| self.front(side, price));
        std::iter::from_fn(move || {
            while handle == NONE {
                price = self.worse(side, price?);
                handle = price.map_or(NONE, |price| self.front(side, price));
            }
            let order = self.order(handle);
            handle = self.behind(handle);
            Some(order)
        })
    }

    /// Links every account's list again, oldest id first, after orders were inserted by [`Book::restore`] alone. False when
    /// two of them have the same id: then the book is none.
    #[must_use]
    pub(super) fn relink_accounts(&mut self) -> bool {
        let nodes = self.nodes.iter().zip(0..).skip(1);
        let mut orders: Vec<(OrderId, Handle, AccountId, Side)> = Vec::with_capacity(self.len());
        orders.extend(nodes.map(|(node, handle)| (node.id, handle, node.account, node.side)));
        orders.sort_unstable_by_key(|(id, ..)| *id);
        if orders.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return false;
        }
        self.accounts.fill([[NONE; 2]; 2]);
        for (_, handle, account, side) in orders {
            let ends = &mut self.accounts[account.get() as usize][index(side)];
            let older = std::mem::replace(&mut ends[1], handle);
            if older == NONE {
                ends[0] = handle;
            } else {
                self.links[older as usize].newer = handle;
            }
            let links = &mut self.links[handle as usize];
            (links.older, links.newer) = (older, NONE);
        }
        true
    }
}

#[inline]
fn sum(level: Level) -> Qty {
    Qty::new(level.qty).expect("a level never sums to more than a quantity holds")
}

const _: () = assert!(size_of::<Node>() == 32 && size_of::<Links>() == 16 && size_of::<Level>() == 16);
