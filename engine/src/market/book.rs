//! The resting orders of one market: who is next at which price, and what one account has there.

use wire::{AccountId, OrderId, Price, Qty, Side, Sides, TradeGroupId};

use super::ladder::{Ladder, Level};
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

/// A resting order where it lies: one cache line, with its neighbours at its price and in its account's list. In a
/// free node, `next` is the next free one.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Node {
    id: u64,
    leaves: i64,
    price: i64,
    prev: Handle,
    next: Handle,
    older: Handle,
    newer: Handle,
    account: u32,
    group: u16,
    side: Side,
    is_marked: bool,
}

/// Price-time priority: levels in a ladder, orders in a slab of fixed capacity, linked into the FIFO of their
/// level and the list of their account and side, oldest first.
pub(super) struct Book {
    ladder: Ladder,
    nodes: Vec<Node>,
    free: Handle,
    capacity: usize,
    ids: OrderIndex,
    /// Each account's oldest and newest buy, and its oldest and newest sell.
    accounts: Vec<[[Handle; 2]; 2]>,
}

const NONE: Handle = 0;

const NO_NODE: Node = Node {
    id: 0,
    leaves: 0,
    price: 0,
    prev: NONE,
    next: NONE,
    older: NONE,
    newer: NONE,
    account: 0,
    group: 0,
    side: Side::Buy,
    is_marked: false,
};

impl Book {
    /// For a grid of `tick`, up to `capacity` orders, and accounts up to `accounts_max`.
    pub(super) fn new(tick: Price, capacity: u32, accounts_max: u32) -> Book {
        let capacity = capacity as usize;
        let mut nodes = Vec::with_capacity(capacity + 1);
        nodes.push(NO_NODE);
        Book {
            ladder: Ladder::new(tick.units()),
            nodes,
            free: NONE,
            capacity,
            ids: OrderIndex::new(capacity),
            accounts: vec![[[NONE; 2]; 2]; accounts_max as usize + 1],
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
        let qty = self.ladder.level(side, price.units()).qty;
        Qty::new(qty).expect("a level never sums to more than a quantity holds")
    }

    /// The oldest order at a price, or 0.
    #[inline]
    pub(super) fn front(&self, side: Side, price: Price) -> Handle {
        self.ladder.level(side, price.units()).head
    }

    /// The next younger order at the same price, or 0.
    pub(super) fn behind(&self, handle: Handle) -> Handle {
        self.nodes[handle as usize].next
    }

    /// The order with this id.
    pub(super) fn find(&self, id: OrderId) -> Option<Handle> {
        if id.get() == 0 { None } else { self.ids.get(id.get(), |handle| self.nodes[handle as usize].id) }
    }

    /// The account's oldest order of these sides, or 0.
    pub(super) fn oldest_of(&self, account: AccountId, sides: Sides) -> Handle {
        let of = |side| self.accounts.get(account.get() as usize).map_or(NONE, |ends| ends[row(side)][0]);
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
        let oldest = self.accounts.get(account.get() as usize).map_or(NONE, |ends| ends[row(side)][0]);
        let newer = |handle: &Handle| Some(self.nodes[*handle as usize].newer).filter(|next| *next != NONE);
        std::iter::successors((oldest != NONE).then_some(oldest), newer)
    }

    /// Prices are multiples of this from now on.
    pub(super) fn take_tick(&mut self, tick: Price) {
        self.ladder.take_tick(tick.units());
    }

    /// What matching asks.
    #[inline]
    pub(super) fn maker(&self, handle: Handle) -> Maker {
        let node = &self.nodes[handle as usize];
        Maker {
            id: OrderId::new(node.id),
            account: AccountId::new(node.account),
            group: TradeGroupId::new(node.group),
            leaves: qty(node.leaves),
            is_marked: node.is_marked,
        }
    }

    /// The whole order.
    pub(super) fn order(&self, handle: Handle) -> Resting {
        let node = &self.nodes[handle as usize];
        Resting {
            id: OrderId::new(node.id),
            account: AccountId::new(node.account),
            group: TradeGroupId::new(node.group),
            side: node.side,
            price: Price::new(node.price).expect("a resting order has a price"),
            leaves: qty(node.leaves),
            is_marked: node.is_marked,
        }
    }

    /// Before a command touches the book near `price`.
    #[inline]
    pub(super) fn prepare(&mut self, price: Price) {
        self.ladder.settle_window(price.units());
    }

    /// Puts an order last at its price. The caller has checked room, account, id and level sum.
    pub(super) fn insert(&mut self, order: Resting) {
        let handle = self.take_node();
        let price = order.price.units();
        let ends = &mut self.accounts[order.account.get() as usize][row(order.side)];
        let (mut older, mut newer) = (ends[1], NONE);
        // Almost every order is its account's newest; a triggered stop or a next slice is not.
        while older != NONE && self.nodes[older as usize].id > order.id.get() {
            (older, newer) = (self.nodes[older as usize].older, older);
        }
        if newer == NONE {
            ends[1] = handle;
        } else {
            self.nodes[newer as usize].older = handle;
        }
        if older == NONE {
            ends[0] = handle;
        } else {
            self.nodes[older as usize].newer = handle;
        }
        let nodes = &mut self.nodes;
        self.ladder.change(order.side, price, |level| {
            nodes[handle as usize] = Node {
                id: order.id.get(),
                leaves: order.leaves.units(),
                price,
                prev: level.tail,
                next: NONE,
                older,
                newer,
                account: order.account.get(),
                group: order.group.get(),
                side: order.side,
                is_marked: order.is_marked,
            };
            if level.tail == NONE {
                level.head = handle;
            } else {
                nodes[level.tail as usize].next = handle;
            }
            level.tail = handle;
            level.qty += order.leaves.units();
            #[cfg(feature = "planted")]
            if wire::planted::is(wire::planted::Bug::LifoPriority) && level.head != handle {
                let (last, first) = (nodes[handle as usize].prev, level.head);
                nodes[last as usize].next = NONE;
                nodes[first as usize].prev = handle;
                (nodes[handle as usize].prev, nodes[handle as usize].next) = (NONE, first);
                (level.head, level.tail) = (handle, last);
            }
        });
        self.ids.insert(order.id.get(), handle, |handle| self.nodes[handle as usize].id);
    }

    /// Takes `qty`, less than what is left of it, from the order at the front of the level.
    pub(super) fn reduce_front(&mut self, side: Side, price: Price, qty: Qty) {
        let nodes = &mut self.nodes;
        self.ladder.change(side, price.units(), |level| {
            nodes[level.head as usize].leaves -= qty.units();
            level.qty -= qty.units();
        });
    }

    /// Takes `qty`, less than what it shows, from an order, which keeps its place.
    pub(super) fn reduce(&mut self, handle: Handle, qty: Qty) {
        let node = &mut self.nodes[handle as usize];
        node.leaves -= qty.units();
        let (side, price) = (node.side, node.price);
        self.ladder.change(side, price, |level| level.qty -= qty.units());
    }

    /// Takes an order out.
    pub(super) fn remove(&mut self, handle: Handle) -> Resting {
        let order = self.order(handle);
        let price = order.price.units();
        let nodes = &mut self.nodes;
        let Node { prev, next, older, newer, .. } = nodes[handle as usize];
        self.ladder.change(order.side, price, |level| {
            if prev == NONE {
                level.head = next;
            } else {
                nodes[prev as usize].next = next;
            }
            if next == NONE {
                level.tail = prev;
            } else {
                nodes[next as usize].prev = prev;
            }
            level.qty -= order.leaves.units();
        });
        self.ids.remove(order.id.get(), handle);

        let ends = &mut self.accounts[order.account.get() as usize][row(order.side)];
        if older == NONE {
            ends[0] = newer;
        } else {
            self.nodes[older as usize].newer = newer;
        }
        if newer == NONE {
            ends[1] = older;
        } else {
            self.nodes[newer as usize].older = older;
        }

        self.nodes[handle as usize].next = self.free;
        self.free = handle;
        order
    }

    fn take_node(&mut self) -> Handle {
        if self.free != NONE {
            let handle = self.free;
            self.free = self.nodes[handle as usize].next;
            return handle;
        }
        assert!(self.nodes.len() <= self.capacity, "the book was filled beyond its capacity");
        self.nodes.push(NO_NODE);
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

    /// Links every account's list again, oldest id first, after orders were inserted in book order.
    pub(super) fn relink_accounts(&mut self) {
        let mut handles: Vec<(u64, Handle)> = Vec::with_capacity(self.len());
        for side in [Side::Buy, Side::Sell] {
            handles.extend(self.orders(side).filter_map(|order| Some((order.id.get(), self.find(order.id)?))));
        }
        handles.sort_unstable();
        self.accounts.fill([[NONE; 2]; 2]);
        for (_, handle) in handles {
            let node = &self.nodes[handle as usize];
            let ends = &mut self.accounts[node.account as usize][row(node.side)];
            let older = std::mem::replace(&mut ends[1], handle);
            if older == NONE {
                ends[0] = handle;
            } else {
                self.nodes[older as usize].newer = handle;
            }
            let node = &mut self.nodes[handle as usize];
            (node.older, node.newer) = (older, NONE);
        }
    }
}

#[inline]
fn row(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

#[inline]
fn qty(units: i64) -> Qty {
    Qty::new(units).expect("what is left of an order is a quantity")
}

const _: () = assert!(size_of::<Node>() == 64 && size_of::<Level>() == 16);
