//! What it takes to pay for a recording.

use wire::Amount;

use super::book::{Book, Side};
use super::recording::Recording;

#[cfg(test)]
mod tests;

/// Funds that are certainly enough for any one account, in products of price and quantity units (quote) and
/// in quantity units (base).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// For bids and purchases.
    pub quote: i128,
    /// For asks and sales.
    pub base: i128,
}

/// How many times the need is given: for fees, and for orders that hold funds before others release them.
const MARGIN: i128 = 3;

impl Needs {
    /// The most that the book ever held plus everything that was traded.
    pub fn of(recording: &Recording) -> Needs {
        let mut book = Book::default();
        let (mut peak, mut traded) = (Needs { quote: 0, base: 0 }, Needs { quote: 0, base: 0 });
        let mut held = Needs { quote: 0, base: 0 };
        for update in &recording.updates {
            for trade in &update.trades {
                traded.base += i128::from(trade.qty);
                traded.quote += i128::from(trade.qty) * i128::from(trade.price);
            }
            for level in &update.levels {
                let change = i128::from(level.qty - book.qty(level.side, level.price));
                match level.side {
                    Side::Bid => held.quote += change * i128::from(level.price),
                    Side::Ask => held.base += change,
                }
                book.set(*level);
            }
            peak = Needs { quote: peak.quote.max(held.quote), base: peak.base.max(held.base) };
        }
        Needs { quote: peak.quote + traded.quote + 1, base: peak.base + traded.base + 1 }
    }

    /// The base need with its margin, in ledger units of so many decimals. `None` when a ledger cannot hold it.
    pub fn base_amount(&self, recording: &Recording, decimals: u8) -> Option<Amount> {
        scaled(self.base, decimals.checked_sub(recording.qty_decimals)?)
    }

    /// The quote need with its margin, in ledger units of so many decimals.
    pub fn quote_amount(&self, recording: &Recording, decimals: u8) -> Option<Amount> {
        scaled(self.quote, decimals.checked_sub(recording.price_decimals + recording.qty_decimals)?)
    }
}

/// Below a quarter of what an amount can hold, because trades move funds from one account to another.
fn scaled(need: i128, exponent: u8) -> Option<Amount> {
    let units = need.checked_mul(MARGIN)?.checked_mul(10_i128.checked_pow(u32::from(exponent))?)?;
    Amount::from_wide(units).filter(|amount| amount.units() < Amount::MAX.units() / 4)
}
