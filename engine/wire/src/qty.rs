//! A quantity of a market's base asset, as an integer in its market's permanent scale.

/// Quantity in units of `10^-qty_decimals` of the base asset, where `qty_decimals` is permanent for a
/// market ([`crate::MarketScale`]). The lot, a filter that may change, is a multiple of this unit.
///
/// Never negative: `0 ..= 10^17`. Zero is what is left of a filled order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Qty(i64);

impl Qty {
    /// Nothing.
    pub const ZERO: Qty = Qty(0);
    /// The largest quantity, `10^17` units. A price level sums at most 92 orders of this size before it
    /// would exceed `i64`; the book checks that sum before it accepts an order.
    pub const MAX: Qty = Qty(100_000_000_000_000_000);

    /// `None` unless `units` is within `0 ..= 10^17`.
    #[inline]
    pub const fn new(units: i64) -> Option<Qty> {
        if units >= 0 && units <= Self::MAX.0 { Some(Qty(units)) } else { None }
    }

    /// The integer, in the market's quantity unit.
    #[inline]
    pub const fn units(self) -> i64 {
        self.0
    }

    /// Whether nothing is left.
    #[inline]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether this quantity is a whole number of lots of `lot` units.
    #[inline]
    pub const fn is_multiple_of(self, lot: Qty) -> bool {
        self.0 % lot.0 == 0
    }

    /// `None` when the sum exceeds [`Qty::MAX`].
    #[inline]
    pub const fn checked_add(self, other: Qty) -> Option<Qty> {
        Qty::new(self.0 + other.0)
    }

    /// `None` when `other` is larger.
    #[inline]
    pub const fn checked_sub(self, other: Qty) -> Option<Qty> {
        Qty::new(self.0 - other.0)
    }

    /// This quantity in ledger units of the base asset; `base_factor` is the market's
    /// [`crate::MarketScale::base_factor`]. `None` when it exceeds [`crate::Amount::MAX`].
    #[inline]
    pub fn to_amount(self, base_factor: i64) -> Option<crate::Amount> {
        crate::Amount::new(self.0.checked_mul(base_factor)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantity_stays_within_its_bounds() {
        assert_eq!(Qty::new(-1), None);
        assert_eq!(Qty::MAX.checked_add(Qty(1)), None);
        assert_eq!(Qty::ZERO.checked_sub(Qty(1)), None);
        assert_eq!(Qty(3).checked_sub(Qty(3)), Some(Qty::ZERO));
    }
}
