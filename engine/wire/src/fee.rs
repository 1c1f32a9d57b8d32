//! What the exchange charges for a fill.

use crate::Amount;

/// Share of the received amount that is kept as a fee, in parts per million.
///
/// `0 ..= 100_000` (10 %). Rebates are not expressible: a fee is never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeeRate(u32);

impl FeeRate {
    /// No fee.
    pub const ZERO: FeeRate = FeeRate(0);
    /// The highest rate, 10 %.
    pub const MAX: FeeRate = FeeRate(100_000);

    /// `None` when `parts_per_million` exceeds 100,000.
    pub const fn new(parts_per_million: u32) -> Option<FeeRate> {
        if parts_per_million <= Self::MAX.0 { Some(FeeRate(parts_per_million)) } else { None }
    }

    /// The rate in parts per million.
    pub const fn parts_per_million(self) -> u32 {
        self.0
    }

    /// The fee on `received`, rounded up to the next ledger unit, so that no fill is too small to pay. Never
    /// more than `received`.
    pub fn of(self, received: Amount) -> Amount {
        let product = received.wide() * i128::from(self.0);
        let fee = (product + 999_999) / 1_000_000;
        Amount::from_wide(fee).unwrap_or(received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_round_up_and_never_exceed_what_was_received() {
        let rate = FeeRate::new(1_000).unwrap();
        let of = |units| rate.of(Amount::new(units).unwrap()).units();
        assert_eq!(of(0), 0);
        assert_eq!(of(1), 1);
        assert_eq!(of(1_000), 1);
        assert_eq!(of(1_001), 2);
        assert_eq!(of(2_000_000), 2_000);
        assert_eq!(FeeRate::MAX.of(Amount::MAX).units(), 922_337_203_685_477_581);
        assert_eq!(FeeRate::ZERO.of(Amount::MAX), Amount::ZERO);
        assert_eq!(FeeRate::new(100_001), None);
    }
}
