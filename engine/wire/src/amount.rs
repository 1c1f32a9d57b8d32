//! An amount of one asset, as an integer in the asset's ledger scale.

/// Amount in ledger units of an asset: `10^-ledger_decimals`, permanent for the asset (BTC and ETH: 10
/// decimals; USDT: 8).
///
/// Never negative: `0 ..= i64::MAX`. A debit is a subtraction that may refuse; sums over accounts are
/// `i128`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);
    /// The largest balance one account can have in one asset.
    pub const MAX: Amount = Amount(i64::MAX);

    /// `None` when `units` is negative.
    #[inline]
    pub const fn new(units: i64) -> Option<Amount> {
        if units >= 0 { Some(Amount(units)) } else { None }
    }

    /// `None` when `units` is negative or exceeds [`Amount::MAX`].
    #[inline]
    pub const fn from_wide(units: i128) -> Option<Amount> {
        if units >= 0 && units <= i64::MAX as i128 { Some(Amount(units as i64)) } else { None }
    }

    /// The integer, in the asset's ledger unit.
    #[inline]
    pub const fn units(self) -> i64 {
        self.0
    }

    /// The integer as a summand of a total over accounts.
    #[inline]
    pub const fn wide(self) -> i128 {
        self.0 as i128
    }

    /// Whether there is nothing.
    #[inline]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `None` when the sum exceeds [`Amount::MAX`].
    #[inline]
    pub const fn checked_add(self, other: Amount) -> Option<Amount> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Amount(units)),
            None => None,
        }
    }

    /// `None` when `other` is larger.
    #[inline]
    pub const fn checked_sub(self, other: Amount) -> Option<Amount> {
        Amount::new(self.0 - other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_never_go_negative_and_never_wrap() {
        assert_eq!(Amount::new(-1), None);
        assert_eq!(Amount(5).checked_sub(Amount(6)), None);
        assert_eq!(Amount::MAX.checked_add(Amount(1)), None);
        assert_eq!(Amount::from_wide(i128::from(i64::MAX) + 1), None);
        assert_eq!(Amount::from_wide(-1), None);
    }
}
