//! A book as prices and quantities, in units of the recording's decimals.

use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// A side of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Buyers.
    Bid,
    /// Sellers.
    Ask,
}

impl Side {
    /// The other side.
    pub fn opposite(self) -> Side {
        match self {
            Side::Bid => Side::Ask,
            Side::Ask => Side::Bid,
        }
    }
}

/// A price of a side with its quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Which side.
    pub side: Side,
    /// Its price.
    pub price: i64,
    /// The sum of the orders there; zero for none.
    pub qty: i64,
}

/// The levels that have a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Book {
    /// Sets a level; zero removes it.
    pub fn set(&mut self, level: Level) {
        let Level { side, price, qty } = level;
        let side = match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        };
        if qty == 0 {
            side.remove(&price);
        } else {
            side.insert(price, qty);
        }
    }

    /// The quantity at a price.
    pub fn qty(&self, side: Side, price: i64) -> i64 {
        self.side(side).get(&price).copied().unwrap_or(0)
    }

    /// The best price of a side.
    pub fn best(&self, side: Side) -> Option<i64> {
        match side {
            Side::Bid => self.bids.last_key_value().map(|(price, _)| *price),
            Side::Ask => self.asks.first_key_value().map(|(price, _)| *price),
        }
    }

    /// Whether a buyer would pay what a seller asks, which no book of a matching engine holds.
    pub fn is_crossed(&self) -> bool {
        matches!((self.best(Side::Bid), self.best(Side::Ask)), (Some(bid), Some(ask)) if bid >= ask)
    }

    /// Prices of a side that are better than `price`, and `price` itself if `inclusive`.
    pub fn better_than(&self, side: Side, price: i64, inclusive: bool) -> Vec<i64> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let edge = if inclusive { Included(price) } else { Excluded(price) };
        match side {
            Side::Bid => self.bids.range((edge, Unbounded)).map(|(price, _)| *price).collect(),
            Side::Ask => self.asks.range((Unbounded, edge)).map(|(price, _)| *price).collect(),
        }
    }

    /// Every level.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        let of = |side| move |(price, qty): (&i64, &i64)| Level { side, price: *price, qty: *qty };
        self.bids.iter().map(of(Side::Bid)).chain(self.asks.iter().map(of(Side::Ask)))
    }

    /// How many levels there are.
    pub fn len(&self) -> usize {
        self.bids.len() + self.asks.len()
    }

    /// The levels of `wanted` that this book lacks or has with another quantity, and, with quantity zero,
    /// those that it has too many.
    pub fn changes_to(&self, wanted: &Book) -> Vec<Level> {
        let surplus = self.levels().filter(|level| wanted.qty(level.side, level.price) == 0);
        let surplus = surplus.map(|level| Level { qty: 0, ..level });
        let different = wanted.levels().filter(|level| self.qty(level.side, level.price) != level.qty);
        surplus.chain(different).collect()
    }

    fn side(&self, side: Side) -> &BTreeMap<i64, i64> {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }
}
