//! What a market maker wants on the book, and the next step from what is there towards it. Pure.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;
use rust_decimal::Decimal;

use crate::market::Market;

#[cfg(test)]
mod tests;

/// Distance between two levels, in hundredths of a basis point of the price.
const LEVEL_STEP: i64 = 200;
/// How far the price may wander in one step, in hundredths of a basis point.
const STRIDE: i64 = 60;
/// How strongly a wandering price is drawn home: 1 of so many parts of its distance a step.
const HOMESICKNESS: i64 = 2_000;
/// A level's size in smallest orders.
const SIZE: std::ops::Range<i64> = 400..4_000;

/// An order of the maker on the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Whether it buys.
    pub buy: bool,
    /// Its limit.
    pub price: Decimal,
}

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Take the order with this client order id off the book.
    Cancel(String),
    /// Put an order on the book.
    Place {
        /// Whether it buys.
        buy: bool,
        /// Its limit.
        price: Decimal,
        /// How much.
        qty: Decimal,
    },
}

/// A maker's view of one market.
pub struct Quotes {
    /// Where.
    pub market: Market,
    /// Its orders, by client order id.
    pub open: BTreeMap<String, Quote>,
    home: Decimal,
    mid: Decimal,
    levels: usize,
    random: StdRng,
}

impl Quotes {
    /// Quotes `levels` prices a side around `mid`.
    pub fn new(market: Market, mid: Decimal, levels: usize, random: StdRng) -> Quotes {
        Quotes { market, open: BTreeMap::new(), home: mid, mid, levels, random }
    }

    /// One step of the random walk.
    pub fn wander(&mut self) {
        let stride = self.mid * Decimal::new(self.random.random_range(-STRIDE..=STRIDE), 6);
        let homewards = (self.home - self.mid) / Decimal::from(HOMESICKNESS);
        self.mid = (self.mid + stride + homewards).round_dp(12).max(self.market.tick * Decimal::from(self.levels * 4));
    }

    /// Keeps the middle between the best prices that others have made.
    pub fn follow(&mut self, bid: Decimal, ask: Decimal) {
        if bid > Decimal::ZERO {
            self.mid = self.mid.max(bid);
        }
        if ask > Decimal::ZERO {
            self.mid = self.mid.min(ask);
        }
    }

    /// The step that matters most: away with what is misplaced, nearest to the middle first, then fill the
    /// innermost gap. `None` when the book is as wanted.
    pub fn next_step(&mut self) -> Option<Step> {
        let spacing = self.spacing();
        let misplaced = self.open.iter().filter_map(|(id, quote)| {
            let distance = if quote.buy { self.mid - quote.price } else { quote.price - self.mid };
            let outside = spacing * Decimal::from(self.levels + 2);
            let wrong = distance < spacing / Decimal::from(4) || distance > outside;
            wrong.then(|| (distance.abs(), id.clone()))
        });
        if let Some((_, id)) = misplaced.min() {
            return Some(Step::Cancel(id));
        }
        for level in 0..self.levels {
            for buy in [true, false] {
                let distance = spacing * (Decimal::from(level) + Decimal::new(5, 1));
                let price = if buy { self.mid - distance } else { self.mid + distance };
                let near = spacing * Decimal::new(6, 1);
                let taken = |quote: &Quote| quote.buy == buy && (quote.price - price).abs() < near;
                if !self.open.values().any(taken) {
                    let price = self.market.price(price);
                    return Some(Step::Place { buy, price, qty: self.qty() });
                }
            }
        }
        // Every level is there; one surplus order goes at a time.
        if self.open.len() > self.levels * 3 {
            return self.open.keys().next().cloned().map(Step::Cancel);
        }
        None
    }

    /// An order that takes a part of the innermost levels: whether it buys, its limit, its quantity.
    pub fn taker(&mut self) -> (bool, Decimal, Decimal) {
        let buy = self.random.random_bool(0.5);
        let reach = self.spacing() * Decimal::from(3);
        let price = self.market.price(if buy { self.mid + reach } else { self.mid - reach });
        let part = Decimal::new(self.random.random_range(5..80), 2);
        let level = self.qty();
        let qty = self.market.qty(level * part, self.mid);
        (buy, price, qty)
    }

    /// Whether the next action should be a taker's: about one in six.
    pub fn should_take(&mut self) -> bool {
        self.random.random_ratio(1, 6)
    }

    fn spacing(&self) -> Decimal {
        (self.mid * Decimal::new(LEVEL_STEP, 6)).max(self.market.tick * Decimal::TWO)
    }

    fn qty(&mut self) -> Decimal {
        let smallest = self.market.qty(Decimal::ZERO, self.mid);
        self.market.qty(smallest * Decimal::from(self.random.random_range(SIZE)), self.mid)
    }
}
