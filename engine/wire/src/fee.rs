//! What the exchange charges for a fill, and what it pays for one.
//!
//! A fee is a share of what the charged side receives, in that asset, rounded **up** to the next ledger unit. A rebate,
//! which only a maker can have, is a share of what the maker gives, in that asset, rounded **down**, and never more than
//! the fee that the taker of the same trade has paid: the taker receives what the maker gives, so the rebate comes out
//! of that fee, and no trade takes more from the fee account than it brings.

use crate::Amount;

/// Share of an amount, in parts per million: `0 ..= 100_000` (10 %).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeeRate(u32);

const MILLION: i128 = 1_000_000;

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
        Amount::from_wide((product + MILLION - 1) / MILLION).unwrap_or(received)
    }

    /// The rebate on `given`, rounded down to a whole ledger unit.
    pub fn rebate_on(self, given: Amount) -> Amount {
        Amount::from_wide(given.wide() * i128::from(self.0) / MILLION).unwrap_or(Amount::ZERO)
    }
}

/// A maker's rate: a fee, or, below zero, a rebate. `-100_000 ..= 100_000` parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SignedFeeRate(i32);

impl SignedFeeRate {
    /// No fee and no rebate.
    pub const ZERO: SignedFeeRate = SignedFeeRate(0);

    /// `None` beyond 100,000 either way.
    pub const fn new(parts_per_million: i32) -> Option<SignedFeeRate> {
        if parts_per_million.unsigned_abs() <= FeeRate::MAX.0 { Some(SignedFeeRate(parts_per_million)) } else { None }
    }

    /// The rate in parts per million; a rebate is negative.
    pub const fn parts_per_million(self) -> i32 {
        self.0
    }

    /// What is charged; zero when it is a rebate.
    pub const fn fee(self) -> FeeRate {
        if self.0 > 0 { FeeRate(self.0.unsigned_abs()) } else { FeeRate::ZERO }
    }

    /// What is paid; zero when it is a fee.
    pub const fn rebate(self) -> FeeRate {
        if self.0 < 0 { FeeRate(self.0.unsigned_abs()) } else { FeeRate::ZERO }
    }
}

impl From<FeeRate> for SignedFeeRate {
    fn from(rate: FeeRate) -> SignedFeeRate {
        SignedFeeRate(rate.0 as i32)
    }
}

/// The rates of accounts whose 30-day volume has reached `volume_min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeeTier {
    /// From this volume on, in ledger units of the valuation asset.
    pub volume_min: Amount,
    /// Of resting orders that trade.
    pub maker: SignedFeeRate,
    /// Of orders that take.
    pub taker: FeeRate,
}

/// Up to [`FeeTiers::MAX`] tiers, the first from zero, each from more volume than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeTiers {
    len: u8,
    tiers: [FeeTier; FeeTiers::MAX],
}

impl FeeTiers {
    /// The most tiers.
    pub const MAX: usize = 10;

    /// No tiers: every account has its own rates.
    pub const NONE: FeeTiers = FeeTiers {
        len: 0,
        tiers: [FeeTier { volume_min: Amount::ZERO, maker: SignedFeeRate(0), taker: FeeRate(0) }; 10],
    };

    /// `None` when there are too many, the first does not begin at zero, or one does not begin above the one before.
    pub fn new(tiers: &[FeeTier]) -> Option<FeeTiers> {
        let starts_at_zero = tiers.first().is_none_or(|tier| tier.volume_min.is_zero());
        if tiers.len() > Self::MAX || !starts_at_zero || !tiers.is_sorted_by(|a, b| a.volume_min < b.volume_min) {
            return None;
        }
        let mut all = FeeTiers::NONE;
        all.len = tiers.len() as u8;
        all.tiers[..tiers.len()].copy_from_slice(tiers);
        Some(all)
    }

    /// The tiers, lowest first.
    pub fn as_slice(&self) -> &[FeeTier] {
        &self.tiers[..usize::from(self.len)]
    }

    /// Which tier a volume reaches, counted from 0, and its rates. `None` when there are no tiers.
    pub fn reached_by(&self, volume: Amount) -> Option<(u8, FeeTier)> {
        let tiers = self.as_slice();
        let above = tiers.partition_point(|tier| tier.volume_min <= volume);
        let at = above.checked_sub(1)?;
        Some((at as u8, tiers[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(units: i64) -> Amount {
        Amount::new(units).unwrap()
    }

    #[test]
    fn fees_round_up_and_never_exceed_what_was_received() {
        let rate = FeeRate::new(1_000).unwrap();
        let of = |units| rate.of(amount(units)).units();
        assert_eq!(of(0), 0);
        assert_eq!(of(1), 1);
        assert_eq!(of(1_000), 1);
        assert_eq!(of(1_001), 2);
        assert_eq!(of(2_000_000), 2_000);
        assert_eq!(FeeRate::MAX.of(Amount::MAX).units(), 922_337_203_685_477_581);
        assert_eq!(FeeRate::ZERO.of(Amount::MAX), Amount::ZERO);
        assert_eq!(FeeRate::new(100_001), None);
    }

    #[test]
    fn rebates_round_down() {
        let rate = SignedFeeRate::new(-1_000).unwrap();
        assert_eq!((rate.fee(), rate.rebate()), (FeeRate::ZERO, FeeRate::new(1_000).unwrap()));
        assert_eq!(rate.rebate().rebate_on(amount(999)), Amount::ZERO);
        assert_eq!(rate.rebate().rebate_on(amount(1_999)), amount(1));
        assert_eq!(SignedFeeRate::new(-100_001), None);
        assert_eq!(SignedFeeRate::new(i32::MIN), None);
    }

    #[test]
    fn a_tier_is_reached_at_its_volume_and_not_one_before() {
        let tier = |volume, taker| FeeTier {
            volume_min: amount(volume),
            maker: SignedFeeRate::ZERO,
            taker: FeeRate::new(taker).unwrap(),
        };
        let tiers = FeeTiers::new(&[tier(0, 30), tier(100, 20), tier(1_000, 10)]).unwrap();
        let at = |volume| tiers.reached_by(amount(volume)).map(|(at, _)| at);
        assert_eq!([at(0), at(99), at(100), at(999), at(1_000)], [Some(0), Some(0), Some(1), Some(1), Some(2)]);
        assert_eq!(FeeTiers::NONE.reached_by(Amount::MAX), None);
        assert_eq!(FeeTiers::new(&[tier(1, 30)]), None, "the first begins at zero");
        assert_eq!(FeeTiers::new(&[tier(0, 30), tier(0, 20)]), None, "each begins above the one before");
        assert_eq!(FeeTiers::new(&[tier(0, 1); 11]), None);
    }
}
