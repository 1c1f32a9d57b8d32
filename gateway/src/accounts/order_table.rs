//! Orders of one account: open ones for ever, closed ones up to a bound.
//!
//! Orders are many, and most of what is done with one is done within a command of its coming or its end. So they lie in
//! rows that do not move, and what finds them is small: by market and id in order, by name through a table of eight
//! bytes a name. The hash of a name is keyed anew in every process: names are what clients choose.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashTable;
use wire::{ClientOrderId, MarketId, OrderId};

use super::orders::Order;

/// Where an order lies; what lies there may be another order later.
type Row = u32;

/// A part of the hash of an order's name.
type Fingerprint = u32;

/// Orders of one page: pages are never copied, and an account with few orders has one that is small.
const PAGE: usize = 32;

/// Orders that were changed last, found without a search: a command has several events of each order that it touches.
const RECENT: usize = 4;

/// The orders of one account.
#[derive(Debug, Default)]
pub struct Orders {
    rows: Rows,
    by_id: BTreeMap<(MarketId, OrderId), Named>,
    by_name: Names,
    recent: [Option<(MarketId, OrderId, Row)>; RECENT],
    open: BTreeSet<(MarketId, OrderId)>,
    closed: VecDeque<(MarketId, OrderId)>,
    has_forgotten: bool,
}

impl Orders {
    /// An order by its id.
    pub fn get(&self, market: MarketId, id: OrderId) -> Option<&Order> {
        self.by_id.get(&(market, id)).map(|known| self.rows.at(known.row))
    }

    /// The latest order that the client gave this name.
    pub fn named(&self, market: MarketId, name: &ClientOrderId) -> Option<&Order> {
        self.by_name.find(market, name, &self.rows).map(|row| self.rows.at(row))
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
        let open = self.open.range((from, OrderId::ZERO)..=(to, OrderId::new(u64::MAX)));
        open.map(|key| self.rows.at(self.by_id[key].row))
    }

    /// How many orders are open, over all markets.
    pub fn open_len(&self) -> usize {
        self.open.len()
    }

    /// Orders of one market with ids from `from` on, by id; from either end.
    pub fn in_market(&self, market: MarketId, from: OrderId) -> impl DoubleEndedIterator<Item = &Order> {
        let rows = self.by_id.range((market, from)..=(market, OrderId::new(u64::MAX)));
        rows.map(|(_, known)| self.rows.at(known.row))
    }

    pub(super) fn insert(&mut self, order: Order) {
        let (market, id, name) = (order.market, order.id, order.client_order_id);
        let row = self.rows.add(order);
        let named = self.by_name.put(market, &name, row, &self.rows);
        self.open.insert((market, id));
        let replaced = self.by_id.insert((market, id), named);
        assert!(replaced.is_none(), "an order enters the log once");
        self.recent[recent_of(id)] = Some((market, id, row));
    }

    /// An order has another name. To be called once it has.
    pub(super) fn rename(&mut self, market: MarketId, id: OrderId, name: ClientOrderId) {
        let Some(named) = self.by_id.get_mut(&(market, id)) else { return };
        self.by_name.take(*named);
        *named = self.by_name.put(market, &name, named.row, &self.rows);
    }

    pub(super) fn get_mut(&mut self, market: MarketId, id: OrderId) -> Option<&mut Order> {
        let row = self.find(market, id)?;
        Some(self.rows.at_mut(row))
    }

    fn find(&mut self, market: MarketId, id: OrderId) -> Option<Row> {
        let recent = &mut self.recent[recent_of(id)];
        if let Some((known_market, known, row)) = *recent
            && (known_market, known) == (market, id)
        {
            return Some(row);
        }
        let row = self.by_id.get(&(market, id))?.row;
        *recent = Some((market, id, row));
        Some(row)
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
            let Some(named) = self.by_id.remove(&oldest) else { continue };
            let recent = &mut self.recent[recent_of(oldest.1)];
            recent.take_if(|(_, _, known)| *known == named.row);
            // By its name's fingerprint, and not by its name: no cache holds the row any more.
            self.by_name.take(named);
            self.rows.free.push(named.row);
        }
    }
}

/// Ids are counted, so neighbours lie apart.
fn recent_of(id: OrderId) -> usize {
    (id.get() ^ (id.get() / RECENT as u64)) as usize % RECENT
}

/// Where orders lie.
#[derive(Debug, Default)]
struct Rows {
    pages: Vec<Vec<Order>>,
    free: Vec<Row>,
}

impl Rows {
    fn at(&self, row: Row) -> &Order {
        &self.pages[row as usize / PAGE][row as usize % PAGE]
    }

    fn at_mut(&mut self, row: Row) -> &mut Order {
        &mut self.pages[row as usize / PAGE][row as usize % PAGE]
    }

    fn add(&mut self, order: Order) -> Row {
        if let Some(row) = self.free.pop() {
            *self.at_mut(row) = order;
            return row;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            // The first page grows with its orders: most accounts have few.
            self.pages.push(Vec::with_capacity(if self.pages.is_empty() { 0 } else { PAGE }));
        }
        let page = self.pages.len() - 1;
        self.pages[page].push(order);
        Row::try_from(page * PAGE + self.pages[page].len() - 1).expect("memory ends before the numbers of rows do")
    }
}

/// From names to rows.
#[derive(Debug, Default)]
struct Names {
    table: HashTable<Named>,
    key: RandomState,
}

/// A part of a name's hash, and whose name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Named {
    fingerprint: Fingerprint,
    row: Row,
}

impl Named {
    /// All that the table knows of a hash: it grows without looking at a name.
    fn hash(&self) -> u64 {
        u64::from(self.fingerprint).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Names {
    fn named(&self, market: MarketId, name: &ClientOrderId, row: Row) -> Named {
        let mut hasher = self.key.build_hasher();
        hasher.write_u16(market.get());
        hasher.write(name.as_bytes());
        Named { fingerprint: hasher.finish() as Fingerprint, row }
    }

    fn find(&self, market: MarketId, name: &ClientOrderId, rows: &Rows) -> Option<Row> {
        let wanted = self.named(market, name, 0);
        self.table.find(wanted.hash(), |known| is_of(known, wanted, market, name, rows)).map(|known| known.row)
    }

    /// The name is this row's from now on, whosever it was.
    fn put(&mut self, market: MarketId, name: &ClientOrderId, row: Row, rows: &Rows) -> Named {
        let wanted = self.named(market, name, row);
        match self.table.find_mut(wanted.hash(), |known| is_of(known, wanted, market, name, rows)) {
            Some(known) => known.row = row,
            None => drop(self.table.insert_unique(wanted.hash(), wanted, Named::hash)),
        }
        wanted
    }

    /// The name that was put so is nobody's, if it was this row's.
    fn take(&mut self, named: Named) {
        if let Ok(known) = self.table.find_entry(named.hash(), |known| *known == named) {
            known.remove();
        }
    }
}

fn is_of(known: &Named, wanted: Named, market: MarketId, name: &ClientOrderId, rows: &Rows) -> bool {
    if known.fingerprint != wanted.fingerprint {
        return false;
    }
    let order = rows.at(known.row);
    order.market == market && order.client_order_id == *name
}

#[cfg(test)]
mod tests;
