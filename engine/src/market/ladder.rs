//! The price levels of one book.
//!
//! Prices near the market lie in a *window*: an array of levels indexed by tick, with a bitmap per side that
//! finds the next taken level. Prices outside it lie in a sorted *overflow*, so that memory is bounded
//! whatever prices are submitted. When the overflow has been used as often as moving the window costs, the
//! window moves to where the book is used. Where the window lies changes speed alone, never an outcome, so it is
//! not part of the replicated state.

use std::collections::BTreeMap;

use wire::Side;

use super::bitmap::{Bitmap, SLOTS};

/// The orders resting at one price: a FIFO of slab handles (0 is none) and their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Level {
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) qty: i64,
}

/// One side's levels.
struct SideLevels {
    /// Head and tail in the first word, quantity in the second; zeroed pages are empty levels.
    window: Box<[[u64; 2]; SLOTS]>,
    /// Which slots of the window are not empty.
    taken: Bitmap,
    overflow: BTreeMap<i64, Level>,
    /// The best price in price units, 0 when the side is empty.
    best: i64,
}

pub(super) struct Ladder {
    /// Price units between neighbouring slots.
    tick: i64,
    /// The price of slot 0, in ticks.
    base: i64,
    sides: [SideLevels; 2],
    /// Taken levels, window and overflow.
    taken: usize,
    /// Uses of the overflow since the window last moved.
    strays: usize,
}

/// Moving the window for fewer strays than this is not worth it.
const STRAYS_MIN: usize = 1_024;

/// Buys first. Computed, not chosen: which side comes next is nothing that a processor could foresee.
#[inline]
pub(super) fn index(side: Side) -> usize {
    usize::from(side.number() >> 1)
}

impl SideLevels {
    fn new() -> SideLevels {
        // By way of a vector, which takes zeroed pages and touches none of them.
        let window = vec![[0; 2]; SLOTS].into_boxed_slice().try_into().expect("as many slots as there are");
        SideLevels { window, taken: Bitmap::new(), overflow: BTreeMap::new(), best: 0 }
    }
}

impl Ladder {
    pub(super) fn new(tick: i64) -> Ladder {
        Ladder { tick, base: 0, sides: [SideLevels::new(), SideLevels::new()], taken: 0, strays: 0 }
    }

    /// The best price of a side in price units: the highest bid, the lowest ask.
    #[inline]
    pub(super) fn best(&self, side: Side) -> Option<i64> {
        let best = self.sides[index(side)].best;
        (best != 0).then_some(best)
    }

    /// Where a price lies in the window; beyond the window when it is a stray.
    #[inline(always)]
    fn slot(&self, price: i64) -> usize {
        let ticks = if self.tick == 1 {
            price
        } else {
            if price % self.tick != 0 {
                return usize::MAX;
            }
            price / self.tick
        };
        // What lies before the window is far behind it as an unsigned number.
        ticks.wrapping_sub(self.base) as usize
    }

    fn price(&self, slot: usize) -> i64 {
        (self.base + slot as i64) * self.tick
    }

    /// The level of a side at a price; an empty one when nothing rests there.
    #[inline(always)]
    pub(super) fn level(&self, side: Side, price: i64) -> Level {
        match self.sides[index(side)].window.get(self.slot(price)) {
            Some(level) => unpack(*level),
            None => self.stray(side, price),
        }
    }

    #[cold]
    fn stray(&self, side: Side, price: i64) -> Level {
        self.sides[index(side)].overflow.get(&price).copied().unwrap_or_default()
    }

    /// Changes the level of a side at a price; one whose head is 0 then is dropped. What it is then.
    #[inline(always)]
    pub(super) fn change(&mut self, side: Side, price: i64, change: impl FnOnce(&mut Level)) -> Level {
        let slot = self.slot(price);
        let mut level = match self.sides[index(side)].window.get(slot) {
            Some(level) => unpack(*level),
            None => self.stray(side, price),
        };
        let was_empty = level.head == 0;
        change(&mut level);
        match self.sides[index(side)].window.get_mut(slot) {
            Some(kept) => *kept = pack(level),
            None => self.put_stray(side, price, level),
        }
        if was_empty != (level.head == 0) {
            self.turn(side, price, slot, was_empty);
        }
        level
    }

    #[cold]
    fn put_stray(&mut self, side: Side, price: i64, level: Level) {
        self.strays += 1;
        let levels = &mut self.sides[index(side)].overflow;
        if level.head == 0 {
            levels.remove(&price);
        } else {
            levels.insert(price, level);
        }
    }

    /// A level has got its first order, or lost its last.
    #[inline(never)]
    fn turn(&mut self, side: Side, price: i64, slot: usize, is_taken: bool) {
        let levels = &mut self.sides[index(side)];
        if is_taken {
            self.taken += 1;
            if slot < SLOTS {
                levels.taken.insert(slot);
            }
            if levels.best == 0 || is_better(side, price, levels.best) {
                levels.best = price;
            }
        } else {
            self.taken -= 1;
            if slot < SLOTS {
                levels.taken.remove(slot);
            }
            if price == levels.best {
                self.sides[index(side)].best = self.find_best(side);
            }
        }
    }

    #[inline]
    fn find_best(&self, side: Side) -> i64 {
        let levels = &self.sides[index(side)];
        let (slot, stray) = match side {
            Side::Buy => (levels.taken.last(), levels.overflow.last_key_value()),
            Side::Sell => (levels.taken.first(), levels.overflow.first_key_value()),
        };
        let near = slot.map(|slot| self.price(slot));
        let far = stray.map(|(price, _)| *price);
        better_of(side, near, far).unwrap_or(0)
    }

    /// The side's next price that is worse than `price`.
    pub(super) fn worse(&self, side: Side, price: i64) -> Option<i64> {
        let levels = &self.sides[index(side)];
        let slots = SLOTS as i64;
        let near = match side {
            // In ticks, rounded so that a price between two slots finds its neighbour.
            Side::Buy => match price.div_euclid(self.tick) + i64::from(price % self.tick != 0) - self.base {
                below if below <= 0 => None,
                above if above >= slots => levels.taken.last(),
                slot => levels.taken.before(slot as usize),
            },
            Side::Sell => match price.div_euclid(self.tick) - self.base {
                below if below < 0 => levels.taken.first(),
                above if above >= slots => None,
                slot => levels.taken.after(slot as usize),
            },
        };
        let far = match side {
            Side::Buy => levels.overflow.range(..price).next_back(),
            Side::Sell => levels.overflow.range(price + 1..).next(),
        };
        better_of(side, near.map(|slot| self.price(slot)), far.map(|(price, _)| *price))
    }

    /// Moves the window so that `price` is in its middle, once the strays have paid for it or when it is free.
    /// Called before a command touches the book.
    #[inline]
    pub(super) fn settle_window(&mut self, price: i64) {
        if self.strays >= STRAYS_MIN || self.taken == 0 {
            self.settle_strays(price);
        }
    }

    #[cold]
    fn settle_strays(&mut self, price: i64) {
        if self.strays >= STRAYS_MIN + 4 * self.taken || (self.taken == 0 && self.slot(price) >= SLOTS) {
            self.move_window(price, self.tick);
        }
    }

    /// Lays the window on another grid.
    pub(super) fn take_tick(&mut self, tick: i64) {
        if tick != self.tick {
            let near = [Side::Buy, Side::Sell].into_iter().find_map(|side| self.best(side));
            self.move_window(near.unwrap_or(tick), tick);
        }
    }

    #[cold]
    fn move_window(&mut self, price: i64, tick: i64) {
        let mut moved = Vec::with_capacity(self.taken);
        for side in [Side::Buy, Side::Sell] {
            let mut slot = self.sides[index(side)].taken.first();
            while let Some(at) = slot {
                let price = self.price(at);
                let levels = &mut self.sides[index(side)];
                moved.push((side, price, unpack(std::mem::take(&mut levels.window[at]))));
                slot = levels.taken.after(at);
                levels.taken.remove(at);
            }
            let overflow = std::mem::take(&mut self.sides[index(side)].overflow);
            moved.extend(overflow.into_iter().map(|(price, level)| (side, price, level)));
        }
        self.tick = tick;
        self.base = (price / tick - SLOTS as i64 / 2).max(0);
        self.taken = 0;
        for (side, price, level) in moved {
            self.change(side, price, |empty| *empty = level);
        }
        self.strays = 0;
    }
}

#[inline]
fn is_better(side: Side, price: i64, than: i64) -> bool {
    match side {
        Side::Buy => price > than,
        Side::Sell => price < than,
    }
}

#[inline]
fn better_of(side: Side, a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if is_better(side, a, b) { a } else { b }),
        (a, b) => a.or(b),
    }
}

#[inline]
fn pack(level: Level) -> [u64; 2] {
    [u64::from(level.head) | u64::from(level.tail) << 32, level.qty as u64]
}

#[inline]
fn unpack([ends, qty]: [u64; 2]) -> Level {
    Level { head: ends as u32, tail: (ends >> 32) as u32, qty: qty as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prices far apart, near, and off the grid agree with a sorted map wherever the window lies.
    #[test]
    fn it_agrees_with_a_sorted_map_while_the_window_moves() {
        for tick in [1, 5] {
            let mut ladder = Ladder::new(tick);
            let mut model: [BTreeMap<i64, Level>; 2] = Default::default();
            let mut draw = 11_u64;
            for step in 0..60_000_i64 {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let side = if draw >> 63 == 0 { Side::Buy } else { Side::Sell };
                let centre = if step / 10_000 % 2 == 0 { 1_000_000 } else { 900_000_000_000 };
                let offset = (draw >> 40) as i64 % 60 + 1;
                // Bids and asks may share a price, as before an auction.
                let price = centre + if side == Side::Buy { offset * 7 } else { (offset - 30) * 7_000 };
                ladder.settle_window(price);
                if step % 7_001 == 0 {
                    ladder.take_tick(if ladder.tick == 5 { 3 } else { 5 });
                }
                let levels = &mut model[index(side)];
                if draw >> 61 & 1 == 0 {
                    let level = Level { head: step as u32 + 1, tail: 1, qty: step };
                    assert_eq!(ladder.change(side, price, |kept| *kept = level), level);
                    levels.insert(price, level);
                } else if levels.remove(&price).is_some() {
                    ladder.change(side, price, |kept| *kept = Level::default());
                }
                let levels = &model[index(side)];
                assert_eq!(ladder.level(side, price), levels.get(&price).copied().unwrap_or_default());
                let (best, worse) = match side {
                    Side::Buy => (levels.last_key_value(), levels.range(..price).next_back()),
                    Side::Sell => (levels.first_key_value(), levels.range(price + 1..).next()),
                };
                assert_eq!(ladder.best(side), best.map(|(price, _)| *price));
                assert_eq!(ladder.worse(side, price), worse.map(|(price, _)| *price));
            }
        }
    }
}
