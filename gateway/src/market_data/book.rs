//! One market's book by price level, and what of it changed since the last depth window.
//!
//! Integers in the market's scale; an update carries a level's absolute quantity, so that a snapshot and
//! the changes after it can be joined at any update.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use wire::event::{DepthWindowClosed, LevelChanged};
use wire::{Price, Qty, Side, UpdateId};

/// A price level. Quantity zero says that it is gone.
pub type Level = (Price, Qty);

/// The best level of each side, as far as there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Best {
    /// The highest bid.
    pub bid: Option<Level>,
    /// The lowest ask.
    pub ask: Option<Level>,
}

/// Levels of both sides, best first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Depth {
    /// The last change in it: `lastUpdateId`.
    pub last: UpdateId,
    /// Highest price first.
    pub bids: Vec<Level>,
    /// Lowest price first.
    pub asks: Vec<Level>,
}

/// The levels that changed between `first` and `last`, with the quantities they had after `last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepthDiff {
    /// `U`: the first change in it.
    pub first: UpdateId,
    /// `u`: the last change in it.
    pub last: UpdateId,
    /// Highest price first, each price once.
    pub bids: Vec<Level>,
    /// Lowest price first, each price once.
    pub asks: Vec<Level>,
}

/// Both sides of a market.
#[derive(Debug, Default)]
pub struct Book {
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
    last: UpdateId,
    /// Changes since the last window, in order; a price may occur often.
    changed_bids: Vec<Level>,
    changed_asks: Vec<Level>,
}

/// How a level change fits behind the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is the next one.
    Next,
    /// It has been seen; nothing changed.
    Old,
    /// Changes before it are missing. It was taken.
    Gap,
}

impl Book {
    /// The last change seen.
    pub fn last(&self) -> UpdateId {
        self.last
    }

    /// Takes a level's new quantity.
    pub fn apply(&mut self, change: &LevelChanged) -> Fit {
        if change.update <= self.last {
            return Fit::Old;
        }
        let fit = if change.update == self.last.next() { Fit::Next } else { Fit::Gap };
        self.last = change.update;
        let (levels, changed) = match change.side {
            Side::Buy => (&mut self.bids, &mut self.changed_bids),
            Side::Sell => (&mut self.asks, &mut self.changed_asks),
        };
        if change.qty.is_zero() {
            levels.remove(&change.price);
        } else {
            levels.insert(change.price, change.qty);
        }
        changed.push((change.price, change.qty));
        fit
    }

    /// Ends the window: what changed in it, each price once with its last quantity.
    pub fn close_window(&mut self, window: &DepthWindowClosed) -> DepthDiff {
        DepthDiff {
            first: window.first,
            last: window.last,
            bids: {
                // The sort is stable: changes of one price stay in order.
                self.changed_bids.sort_by_key(|(price, _)| Reverse(*price));
                last_of_each(&mut self.changed_bids)
            },
            asks: {
                self.changed_asks.sort_by_key(|(price, _)| *price);
                last_of_each(&mut self.changed_asks)
            },
        }
    }

    /// Ends the window without looking at it.
    pub fn forget_window(&mut self) {
        self.changed_bids.clear();
        self.changed_asks.clear();
    }

    /// The best levels.
    pub fn best(&self) -> Best {
        Best {
            bid: self.bids.last_key_value().map(|(price, qty)| (*price, *qty)),
            ask: self.asks.first_key_value().map(|(price, qty)| (*price, *qty)),
        }
    }

    /// Up to `limit` levels of each side.
    pub fn depth(&self, limit: usize) -> Depth {
        Depth {
            last: self.last,
            bids: self.bids.iter().rev().take(limit).map(|(price, qty)| (*price, *qty)).collect(),
            asks: self.asks.iter().take(limit).map(|(price, qty)| (*price, *qty)).collect(),
        }
    }
}

/// The last change of each price, from changes in the order of prices. Leaves `changes` empty with its memory.
fn last_of_each(changes: &mut Vec<Level>) -> Vec<Level> {
    let mut kept: Vec<Level> = Vec::with_capacity(changes.len());
    for change in changes.drain(..) {
        match kept.last_mut() {
            Some(last) if last.0 == change.0 => *last = change,
            _ => kept.push(change),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::MarketId;

    fn change(side: Side, price: i64, qty: i64, update: u64) -> LevelChanged {
        LevelChanged {
            market: MarketId::new(1),
            side,
            price: Price::new(price).unwrap(),
            qty: Qty::new(qty).unwrap(),
            update: UpdateId::new(update),
        }
    }

    fn units(levels: Vec<Level>) -> Vec<(i64, i64)> {
        levels.into_iter().map(|(price, qty)| (price.units(), qty.units())).collect()
    }

    fn window(first: u64, last: u64) -> DepthWindowClosed {
        DepthWindowClosed { market: MarketId::new(1), first: UpdateId::new(first), last: UpdateId::new(last) }
    }

    #[test]
    fn a_window_names_each_level_once_with_its_last_quantity() {
        let mut book = Book::default();
        for (update, (side, price, qty)) in
            [(Side::Buy, 100, 5), (Side::Buy, 101, 1), (Side::Sell, 105, 7), (Side::Buy, 101, 0), (Side::Sell, 103, 2)]
                .into_iter()
                .enumerate()
        {
            assert_eq!(book.apply(&change(side, price, qty, update as u64 + 1)), Fit::Next);
        }
        let diff = book.close_window(&window(1, 5));
        assert_eq!((diff.first.get(), diff.last.get()), (1, 5));
        assert_eq!(units(diff.bids), [(101, 0), (100, 5)]);
        assert_eq!(units(diff.asks), [(103, 2), (105, 7)]);
        let best = book.best();
        assert_eq!(units(best.bid.into_iter().chain(best.ask).collect()), [(100, 5), (103, 2)]);
        assert_eq!(book.close_window(&window(6, 6)).bids, []);
    }

    #[test]
    fn a_change_seen_twice_changes_nothing_and_a_missing_one_is_told() {
        let mut book = Book::default();
        assert_eq!(book.apply(&change(Side::Buy, 100, 5, 1)), Fit::Next);
        assert_eq!(book.apply(&change(Side::Buy, 100, 9, 1)), Fit::Old);
        assert_eq!(units(book.depth(10).bids), [(100, 5)]);
        assert_eq!(book.apply(&change(Side::Buy, 100, 9, 3)), Fit::Gap);
        assert_eq!(book.last(), UpdateId::new(3));
        assert_eq!(units(book.depth(10).bids), [(100, 9)]);
    }

    #[test]
    fn a_snapshot_and_the_windows_after_it_make_the_same_book() {
        let mut book = Book::default();
        let mut copy: Option<(u64, BTreeMap<Price, Qty>)> = None;
        let mut first = 1;
        for update in 1..=500_u64 {
            let price = 100 + (update * 7_919 % 37) as i64;
            let qty = (update * 104_729 % 5) as i64;
            book.apply(&change(Side::Sell, price, qty, update));
            if update == 123 {
                // In the middle of a window, as a client's snapshot is.
                let depth = book.depth(usize::MAX);
                copy = Some((depth.last.get(), depth.asks.into_iter().collect()));
            }
            if update % 10 == 0 {
                let diff = book.close_window(&window(first, update));
                first = update + 1;
                if let Some((last, levels)) = &mut copy
                    && diff.last.get() > *last
                {
                    assert!(diff.first.get() <= *last + 1);
                    for (price, qty) in diff.asks {
                        if qty.is_zero() {
                            levels.remove(&price)
                        } else {
                            levels.insert(price, qty)
                        };
                    }
                    *last = diff.last.get();
                }
            }
        }
        let (_, levels) = copy.unwrap();
        assert_eq!(levels.into_iter().collect::<Vec<_>>(), book.depth(usize::MAX).asks);
    }
}
