//! One market's book order by order (L3): what each order shows, in priority. It follows from `OrderShown` and `Traded`,
//! which carry one sequence without gaps.

use std::collections::BTreeMap;

use wire::event::{OrderShown, Traded};
use wire::{BookSequence, OrderId, Price, Qty, Side, TradeId};

use crate::by_id::MapById;

/// What an order shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Which order.
    pub order: OrderId,
    /// At what price.
    pub price: Price,
    /// How much.
    pub qty: Qty,
}

/// Both sides of a book, order by order, first in priority first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderDepth {
    /// The last change in it.
    pub last: BookSequence,
    /// Buys.
    pub bids: Vec<Shown>,
    /// Sells.
    pub asks: Vec<Shown>,
}

/// One change of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderChange {
    /// An order shows this now; nothing when it is gone.
    Shown {
        /// Buy or sell.
        side: Side,
        /// What it shows.
        shown: Shown,
        /// Whether it stands last at its price now; otherwise it keeps its place.
        is_last: bool,
    },
    /// A trade took its quantity from what its maker shows, in an auction from its taker's as well.
    Traded {
        /// Its number.
        trade: TradeId,
        /// Whose order rested.
        maker: OrderId,
        /// Whose took.
        taker: OrderId,
        /// At what price.
        price: Price,
        /// How much.
        qty: Qty,
        /// Whether both rested.
        is_auction: bool,
    },
}

/// The changes of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderChanges {
    /// The number of the first one; the others follow without a gap.
    pub first: BookSequence,
    /// In order.
    pub changes: Vec<OrderChange>,
}

impl OrderChanges {
    /// The number of the last one.
    pub fn last(&self) -> u64 {
        self.first.get() + self.changes.len() as u64 - 1
    }
}

/// Where an order stands: by price, the best first, then since when.
type Place = (i64, u64);

/// A market's book, order by order.
#[derive(Debug, Default)]
pub struct OrderBook {
    bids: BTreeMap<Place, Shown>,
    asks: BTreeMap<Place, Shown>,
    places: MapById<OrderId, (Side, Place)>,
    last: BookSequence,
    gaps: u64,
}

impl OrderBook {
    /// Takes what an order shows; `None` when it does not follow the changes before.
    pub fn show(&mut self, event: &OrderShown) -> Option<OrderChange> {
        let follows = self.follow(event.sequence);
        let OrderShown { order, side, price, qty, is_last, .. } = *event;
        let shown = Shown { order, price, qty };
        let known = self.places.get(&order).copied();
        let stays = known.filter(|(_, (rank, _))| *rank == rank_of(side, price) && !is_last && !qty.is_zero());
        match stays {
            Some((side, place)) => drop(self.side(side).insert(place, shown)),
            None => {
                self.remove(order);
                if !qty.is_zero() {
                    let place = (rank_of(side, price), event.sequence.get());
                    self.side(side).insert(place, shown);
                    self.places.insert(order, (side, place));
                }
            }
        }
        follows.then_some(OrderChange::Shown { side, shown, is_last })
    }

    /// Takes a trade.
    pub fn trade(&mut self, event: &Traded) -> Option<OrderChange> {
        let follows = self.follow(event.sequence);
        let Traded { trade, maker, taker, price, qty, is_auction, .. } = *event;
        self.reduce(maker, qty);
        if is_auction {
            self.reduce(taker, qty);
        }
        follows.then_some(OrderChange::Traded { trade, maker, taker, price, qty, is_auction })
    }

    /// How many changes did not follow the ones before them.
    pub fn gaps(&self) -> u64 {
        self.gaps
    }

    /// The number of the last change.
    pub fn last(&self) -> BookSequence {
        self.last
    }

    /// Up to `limit` orders of each side.
    pub fn depth(&self, limit: usize) -> OrderDepth {
        let first = |side: &BTreeMap<Place, Shown>| side.values().take(limit).copied().collect();
        OrderDepth { last: self.last, bids: first(&self.bids), asks: first(&self.asks) }
    }

    fn follow(&mut self, sequence: BookSequence) -> bool {
        let follows = sequence == self.last.next();
        self.last = sequence;
        self.gaps += u64::from(!follows);
        follows
    }

    fn side(&mut self, side: Side) -> &mut BTreeMap<Place, Shown> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn remove(&mut self, order: OrderId) {
        if let Some((side, place)) = self.places.remove(&order) {
            self.side(side).remove(&place);
        }
    }

    fn reduce(&mut self, order: OrderId, by: Qty) {
        let Some((side, place)) = self.places.get(&order).copied() else { return };
        let Some(shown) = self.side(side).get_mut(&place) else { return };
        match Qty::new(shown.qty.units() - by.units()) {
            Some(left) if left > Qty::ZERO => shown.qty = left,
            _ => self.remove(order),
        }
    }
}

const fn rank_of(side: Side, price: Price) -> i64 {
    match side {
        Side::Buy => -price.units(),
        Side::Sell => price.units(),
    }
}

#[cfg(test)]
mod tests;
