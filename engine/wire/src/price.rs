//! The price of one base unit, as an integer in its market's permanent scale.

use crate::{Amount, Qty};

/// Price in units of `10^-price_decimals` of the quote asset per base asset, where `price_decimals` is
/// permanent for a market ([`crate::MarketScale`]). The tick, a filter that may change, is a multiple of
/// this unit.
///
/// Always positive: `1 ..= 10^15`. An order without a price has no `Price` instead of a zero one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i64);

impl Price {
    /// The smallest price, one unit.
    pub const MIN: Price = Price(1);
    /// The largest price, `10^15` units: with the largest quantity, the notional still fits `i128`.
    pub const MAX: Price = Price(1_000_000_000_000_000);

    /// `None` unless `units` is within `1 ..= 10^15`.
    #[inline]
    pub const fn new(units: i64) -> Option<Price> {
        if units >= Self::MIN.0 && units <= Self::MAX.0 { Some(Price(units)) } else { None }
    }

    /// The integer, in the market's price unit.
    #[inline]
    pub const fn units(self) -> i64 {
        self.0
    }

    /// Whether this price lies on a grid of `tick` units starting at zero.
    #[inline]
    pub const fn is_multiple_of(self, tick: Price) -> bool {
        self.0 % tick.0 == 0
    }

    /// Cost of `qty` at this price in ledger units of the quote asset; `quote_factor` is the market's
    /// [`crate::MarketScale::quote_factor`], at least 1. Exact. `None` when it exceeds [`Amount::MAX`]; callers answer
    /// [`crate::RejectReason::NotionalTooLarge`].
    #[inline]
    pub fn notional(self, qty: Qty, quote_factor: i64) -> Option<Amount> {
        // A factor makes nothing smaller: what is too much for an amount before it is too much after it.
        Amount::new(self.0.checked_mul(qty.units())?.checked_mul(quote_factor)?)
    }

    /// The largest quantity, rounded down to a multiple of `lot`, that `budget` buys at this price. Zero
    /// when the budget does not reach one lot.
    #[inline]
    pub fn affordable(self, budget: Amount, lot: Qty, quote_factor: i64) -> Qty {
        let per_unit = i128::from(self.0) * i128::from(quote_factor);
        let units = i128::from(budget.units()) / per_unit;
        let units = i64::try_from(units).unwrap_or(i64::MAX).min(Qty::MAX.units());
        Qty::new(units - units % lot.units()).unwrap_or(Qty::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(units: i64) -> Price {
        Price::new(units).unwrap()
    }

    fn qty(units: i64) -> Qty {
        Qty::new(units).unwrap()
    }

    #[test]
    fn zero_negative_and_oversized_prices_do_not_exist() {
        assert_eq!(Price::new(0), None);
        assert_eq!(Price::new(-1), None);
        assert_eq!(Price::new(Price::MAX.units() + 1), None);
        assert_eq!(Price::new(Price::MAX.units()), Some(Price::MAX));
    }

    #[test]
    fn notional_is_exact_and_refuses_what_an_amount_cannot_hold() {
        assert_eq!(price(6_000_000).notional(qty(150_000), 10), Amount::new(9_000_000_000_000));
        assert_eq!(Price::MAX.notional(Qty::MAX, 1_000_000), None);
        assert_eq!(Price::MAX.notional(Qty::MAX, 1_000_000_000_000_000_000), None);
        assert_eq!(price(1).notional(Qty::ZERO, 10), Some(Amount::ZERO));
    }

    #[test]
    fn affordable_quantity_rounds_down_to_the_lot() {
        assert_eq!(price(100).affordable(Amount::new(1_999).unwrap(), qty(5), 1), qty(15));
        assert_eq!(price(100).affordable(Amount::new(499).unwrap(), qty(5), 1), Qty::ZERO);
        assert_eq!(price(1).affordable(Amount::MAX, qty(7), 1).units() % 7, 0);
    }
}
