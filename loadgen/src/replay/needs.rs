//! What it takes to pay for a recording.

use wire::Amount;

use super::book::{Book, Side};
use super::plan::maker_of;
use super::recording::Recording;

#[cfg(test)]
mod tests;

/// Funds of one account, in products of price and quantity units (quote) and in quantity units (base).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// For bids and purchases.
    pub quote: i128,
    /// For asks and sales.
    pub base: i128,
}

/// What every account of a replay needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Of each maker.
    pub makers: Vec<Needs>,
    /// Of the taker.
    pub taker: Needs,
}

impl Budget {
    /// Certainly enough. While the trades of an update are made, each level holds what it held before or what
    /// it will hold after, so that a maker never holds more than twice its fullest book and what is taken
    /// from it. Fees are paid from what is received.
    pub fn of(recording: &Recording, makers: usize) -> Budget {
        let mut book = Book::default();
        let mut held = vec![Needs::default(); makers];
        let (mut peak, mut traded) = (held.clone(), held.clone());
        for update in &recording.updates {
            for trade in &update.trades {
                let traded = &mut traded[maker_of(trade.price, makers)];
                traded.base += i128::from(trade.qty);
                traded.quote += i128::from(trade.qty) * i128::from(trade.price);
            }
            for level in &update.levels {
                let maker = maker_of(level.price, makers);
                let change = i128::from(level.qty - book.qty(level.side, level.price));
                match level.side {
                    Side::Bid => held[maker].quote += change * i128::from(level.price),
                    Side::Ask => held[maker].base += change,
                }
                peak[maker].quote = peak[maker].quote.max(held[maker].quote);
                peak[maker].base = peak[maker].base.max(held[maker].base);
                book.set(*level);
            }
        }
        let need = |(peak, traded): (&Needs, &Needs)| Needs {
            quote: 2 * peak.quote + traded.quote + 1,
            base: 2 * peak.base + traded.base + 1,
        };
        let taker = sum(&traded);
        Budget {
            makers: peak.iter().zip(&traded).map(need).collect(),
            taker: Needs { quote: taker.quote + 1, base: taker.base + 1 },
        }
    }

    /// What all accounts need together.
    pub fn total(&self) -> Needs {
        let makers = sum(&self.makers);
        Needs { quote: makers.quote + self.taker.quote, base: makers.base + self.taker.base }
    }
}

impl Needs {
    /// The base need in ledger units of so many decimals. `None` when an amount cannot hold it.
    pub fn base_amount(&self, recording: &Recording, decimals: u8) -> Option<Amount> {
        scaled(self.base, decimals.checked_sub(recording.qty_decimals)?)
    }

    /// The quote need in ledger units of so many decimals. `None` when an amount cannot hold it.
    pub fn quote_amount(&self, recording: &Recording, decimals: u8) -> Option<Amount> {
        scaled(self.quote, decimals.checked_sub(recording.price_decimals + recording.qty_decimals)?)
    }
}

fn sum(needs: &[Needs]) -> Needs {
    let add = |sum: Needs, need: &Needs| Needs { quote: sum.quote + need.quote, base: sum.base + need.base };
    needs.iter().fold(Needs::default(), add)
}

fn scaled(need: i128, exponent: u8) -> Option<Amount> {
    Amount::from_wide(need.checked_mul(10_i128.checked_pow(u32::from(exponent))?)?)
}
