//! What protects a market from prices that nobody meant.

use crate::{Price, RejectReason, Side};

/// A market's price limits. They look at the book, so the market cell checks them. [`MarketProtection::NONE`] is what
/// a market is listed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketProtection {
    /// Static band: how far a trade may be from the last auction's price, in parts per million of it; 0 for any distance.
    pub static_band_ppm: u32,
    /// Dynamic band: how far a trade may be from the last trade before the order that takes, in parts per million of
    /// it; 0 for any distance.
    pub dynamic_band_ppm: u32,
    /// How long the auction lasts that begins where a trade would leave a band. Zero exactly when there is no band.
    pub volatility_auction_ns: u64,
    /// PERCENT_PRICE_BY_SIDE `bidMultiplierUp`, in parts per million: no buy above the last trade's price times this.
    /// 0 for no bound, like the other three.
    pub bid_up_ppm: u32,
    /// `bidMultiplierDown`: no buy below.
    pub bid_down_ppm: u32,
    /// `askMultiplierUp`: no sell above.
    pub ask_up_ppm: u32,
    /// `askMultiplierDown`: no sell below.
    pub ask_down_ppm: u32,
    /// PERCENT_PRICE `multiplierUp`: no order above, whichever side it is of. A filter of its own beside PERCENT_PRICE_BY_SIDE.
    pub up_ppm: u32,
    /// `multiplierDown`: no order below.
    pub down_ppm: u32,
}

const MILLION: i128 = 1_000_000;

impl MarketProtection {
    /// No protection.
    pub const NONE: MarketProtection = MarketProtection {
        static_band_ppm: 0,
        dynamic_band_ppm: 0,
        volatility_auction_ns: 0,
        bid_up_ppm: 0,
        bid_down_ppm: 0,
        ask_up_ppm: 0,
        ask_down_ppm: 0,
        up_ppm: 0,
        down_ppm: 0,
    };
    /// The longest volatility auction, a day.
    pub const AUCTION_NS_MAX: u64 = 24 * 3_600 * 1_000_000_000;

    /// Whether any trade has a band.
    pub const fn has_band(&self) -> bool {
        self.static_band_ppm != 0 || self.dynamic_band_ppm != 0
    }

    /// Whether limit prices are bounded.
    pub const fn has_price_filter(&self) -> bool {
        self.has_filter_by_side() || self.has_filter_of_both()
    }

    /// Whether there is a PERCENT_PRICE.
    pub const fn has_filter_of_both(&self) -> bool {
        self.up_ppm != 0 || self.down_ppm != 0
    }

    /// Whether there is a PERCENT_PRICE_BY_SIDE.
    pub const fn has_filter_by_side(&self) -> bool {
        self.bid_up_ppm != 0 || self.bid_down_ppm != 0 || self.ask_up_ppm != 0 || self.ask_down_ppm != 0
    }

    /// Whether the limits make sense together: bands below the whole price, upper multipliers at least one, lower ones at
    /// most one.
    pub fn is_consistent(&self) -> bool {
        let whole = 1_000_000;
        let is_up = |ppm: u32| ppm == 0 || ppm >= whole;
        self.static_band_ppm < whole
            && self.dynamic_band_ppm < whole
            && self.has_band() == (self.volatility_auction_ns != 0)
            && self.volatility_auction_ns <= Self::AUCTION_NS_MAX
            && is_up(self.bid_up_ppm)
            && is_up(self.ask_up_ppm)
            && is_up(self.up_ppm)
            && self.bid_down_ppm <= whole
            && self.ask_down_ppm <= whole
            && self.down_ppm <= whole
    }

    /// Whether a limit price passes PERCENT_PRICE, then PERCENT_PRICE_BY_SIDE. Prices exactly at a bound pass.
    pub fn check(&self, side: Side, price: Price, last: Price) -> Result<(), RejectReason> {
        let (up, down) = match side {
            Side::Buy => (self.bid_up_ppm, self.bid_down_ppm),
            Side::Sell => (self.ask_up_ppm, self.ask_down_ppm),
        };
        let scaled = i128::from(price.units()) * MILLION;
        let bound = |ppm: u32| i128::from(last.units()) * i128::from(ppm);
        let passes = |up: u32, down: u32| (up == 0 || scaled <= bound(up)) && (down == 0 || scaled >= bound(down));
        if !passes(self.up_ppm, self.down_ppm) {
            return Err(RejectReason::PercentPrice);
        }
        if passes(up, down) { Ok(()) } else { Err(RejectReason::PercentPriceBySide) }
    }

    /// The lowest and the highest price of trades, in price units, around the last auction's price and the last
    /// trade's. Trades exactly at a bound pass.
    pub fn band(&self, auction: Option<Price>, last: Option<Price>) -> (i64, i64) {
        let around = |reference: Option<Price>, ppm: u32| match reference {
            Some(reference) if ppm != 0 => {
                // Below the reference, which is an `i64`.
                let width = (i128::from(reference.units()) * i128::from(ppm) / MILLION) as i64;
                (reference.units() - width, reference.units() + width)
            }
            _ => (0, i64::MAX),
        };
        let (static_low, static_high) = around(auction, self.static_band_ppm);
        let (dynamic_low, dynamic_high) = around(last, self.dynamic_band_ppm);
        (static_low.max(dynamic_low), static_high.min(dynamic_high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_NS: u64 = MarketProtection::AUCTION_NS_MAX;

    fn price(units: i64) -> Price {
        Price::new(units).unwrap()
    }

    #[test]
    fn bands_include_their_bounds_and_the_narrower_counts() {
        let bands = MarketProtection { static_band_ppm: 100_000, dynamic_band_ppm: 10_000, ..MarketProtection::NONE };
        assert_eq!(bands.band(Some(price(1_000)), Some(price(1_050))), (1_040, 1_060));
        assert_eq!(bands.band(Some(price(1_000)), Some(price(1_095))), (1_085, 1_100));
        assert_eq!(bands.band(Some(price(1_000)), None), (900, 1_100));
        assert_eq!(bands.band(None, Some(price(1_999))), (1_980, 2_018), "rounded towards the reference");
        assert_eq!(bands.band(None, None), (0, i64::MAX));
        assert_eq!(MarketProtection::NONE.band(Some(price(5)), Some(price(5))), (0, i64::MAX));
        let widest = MarketProtection { static_band_ppm: 999_999, ..MarketProtection::NONE };
        let max = Price::MAX.units();
        assert_eq!(widest.band(Some(Price::MAX), None), (1_000_000_000, 2 * max - 1_000_000_000));
    }

    #[test]
    fn prices_at_a_multiplier_pass_and_one_beyond_does_not() {
        let filter = MarketProtection {
            bid_up_ppm: 1_100_000,
            bid_down_ppm: 200_000,
            ask_up_ppm: 5_000_000,
            ask_down_ppm: 900_000,
            ..MarketProtection::NONE
        };
        let passes = |side, units| filter.check(side, price(units), price(1_000)).is_ok();
        assert!(passes(Side::Buy, 1_100) && !passes(Side::Buy, 1_101));
        assert!(passes(Side::Buy, 200) && !passes(Side::Buy, 199));
        assert!(passes(Side::Sell, 5_000) && !passes(Side::Sell, 5_001));
        assert!(passes(Side::Sell, 900) && !passes(Side::Sell, 899));
        let none = MarketProtection::NONE;
        assert_eq!(none.check(Side::Buy, Price::MAX, Price::MIN), Ok(()));
        assert_eq!(none.check(Side::Sell, Price::MIN, Price::MAX), Ok(()));
    }

    #[test]
    fn both_price_filters_hold_and_each_has_its_own_name() {
        let filter =
            MarketProtection { bid_up_ppm: 1_100_000, up_ppm: 1_200_000, down_ppm: 900_000, ..MarketProtection::NONE };
        assert!(filter.has_price_filter() && filter.has_filter_by_side() && filter.has_filter_of_both());
        let (both, by_side) = (Err(RejectReason::PercentPrice), Err(RejectReason::PercentPriceBySide));
        for (side, units, wanted) in [
            (Side::Buy, 899, both),
            (Side::Buy, 900, Ok(())),
            (Side::Buy, 1_100, Ok(())),
            (Side::Buy, 1_101, by_side),
            (Side::Buy, 1_200, by_side),
            (Side::Buy, 1_201, both),
            (Side::Sell, 899, both),
            (Side::Sell, 900, Ok(())),
            (Side::Sell, 1_200, Ok(())),
            (Side::Sell, 1_201, both),
        ] {
            assert_eq!(filter.check(side, price(units), price(1_000)), wanted, "{side:?} {units}");
        }
        // The products of the greatest prices and multipliers fit.
        let widest = MarketProtection { up_ppm: u32::MAX, down_ppm: 1_000_000, ..MarketProtection::NONE };
        assert_eq!(widest.check(Side::Sell, Price::MAX, Price::MAX), Ok(()));
        assert_eq!(widest.check(Side::Sell, Price::MAX, Price::MIN), both);
    }

    #[test]
    fn limits_that_contradict_each_other_are_not_consistent() {
        let bands =
            MarketProtection { dynamic_band_ppm: 999_999, volatility_auction_ns: DAY_NS, ..MarketProtection::NONE };
        let filter = MarketProtection { bid_up_ppm: 1_000_000, ask_down_ppm: 1_000_000, ..MarketProtection::NONE };
        assert!(MarketProtection::NONE.is_consistent() && bands.is_consistent() && filter.is_consistent());
        for bad in [
            MarketProtection { dynamic_band_ppm: 1_000_000, ..bands },
            MarketProtection { volatility_auction_ns: 0, ..bands },
            MarketProtection { volatility_auction_ns: DAY_NS + 1, ..bands },
            MarketProtection { dynamic_band_ppm: 0, ..bands },
            MarketProtection { bid_up_ppm: 999_999, ..filter },
            MarketProtection { ask_down_ppm: 1_000_001, ..filter },
            MarketProtection { up_ppm: 999_999, ..filter },
            MarketProtection { down_ppm: 1_000_001, ..filter },
        ] {
            assert!(!bad.is_consistent(), "{bad:?}");
        }
    }
}
