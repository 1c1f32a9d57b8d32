//! What a market is made of: a permanent scale, and rules that may change.

use crate::order::numbered;
use crate::{Amount, BasisPoints, Price, Qty, Side};

/// A market's permanent scale: how its integers relate to the assets' ledger units. Never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketScale {
    /// Decimals of one price unit, `0 ..= 12`.
    pub price_decimals: u8,
    /// Decimals of one quantity unit, `0 ..= 12`.
    pub qty_decimals: u8,
    /// Quote ledger units in (price unit × quantity unit), a power of ten, at least 1: trades are exact.
    pub quote_factor: i64,
    /// Base ledger units in one quantity unit, a power of ten, at least 1.
    pub base_factor: i64,
}

/// Why two assets cannot make a market in the wanted scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleError {
    /// Price unit × quantity unit is not a whole number of the quote's ledger units.
    QuoteTooCoarse,
    /// The quantity unit is not a whole number of the base's ledger units.
    BaseTooCoarse,
    /// More than 12 decimals.
    TooManyDecimals,
}

impl MarketScale {
    /// The most decimals a price or a quantity can have.
    pub const DECIMALS_MAX: u8 = 12;

    /// Derives the factors from the assets' ledger decimals, so that every trade is exact.
    pub fn new(
        price_decimals: u8,
        qty_decimals: u8,
        base_ledger_decimals: u8,
        quote_ledger_decimals: u8,
    ) -> Result<MarketScale, ScaleError> {
        if price_decimals > Self::DECIMALS_MAX || qty_decimals > Self::DECIMALS_MAX {
            return Err(ScaleError::TooManyDecimals);
        }
        let quote =
            quote_ledger_decimals.checked_sub(price_decimals + qty_decimals).ok_or(ScaleError::QuoteTooCoarse)?;
        let base = base_ledger_decimals.checked_sub(qty_decimals).ok_or(ScaleError::BaseTooCoarse)?;
        let quote_factor = 10_i64.checked_pow(u32::from(quote)).ok_or(ScaleError::TooManyDecimals)?;
        let base_factor = 10_i64.checked_pow(u32::from(base)).ok_or(ScaleError::TooManyDecimals)?;
        Ok(MarketScale { price_decimals, qty_decimals, quote_factor, base_factor })
    }
}

/// A market's filters, as Binance names them. An operator may change them; resting orders stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketRules {
    /// Prices are multiples of this. PRICE_FILTER `tickSize`.
    pub tick: Price,
    /// PRICE_FILTER `minPrice`.
    pub price_min: Price,
    /// PRICE_FILTER `maxPrice`.
    pub price_max: Price,
    /// Quantities are multiples of this. LOT_SIZE `stepSize`.
    pub lot: Qty,
    /// LOT_SIZE `minQty`.
    pub qty_min: Qty,
    /// LOT_SIZE `maxQty`.
    pub qty_max: Qty,
    /// MARKET_LOT_SIZE `maxQty`.
    pub market_qty_max: Qty,
    /// NOTIONAL `minNotional`, in ledger units of the quote asset; zero for none.
    pub notional_min: Amount,
    /// NOTIONAL `maxNotional`, in ledger units of the quote asset.
    pub notional_max: Amount,
    /// How far from the best opposite price a gateway sets the protection price of a market order, in
    /// parts per million of that price; `1 ..= 999_999`.
    pub protection_ppm: u32,
    /// MAX_NUM_ORDERS: how many orders one account may have open in this market.
    pub open_orders_max: u32,
    /// Filters of stop orders, icebergs, order lists and amends, and those that a market may have or not.
    pub special: SpecialRules,
}

/// A market's filters of stop orders, icebergs, order lists and amends, and those that it may have or not, as Binance names
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialRules {
    /// ICEBERG_PARTS: the most slices of one order.
    pub iceberg_parts_max: u32,
    /// MAX_NUM_ALGO_ORDERS: how many stop orders one account may have open in this market.
    pub stop_orders_max: u32,
    /// MAX_NUM_ICEBERG_ORDERS: how many icebergs one account may have open in this market; 0 for any number.
    pub iceberg_orders_max: u32,
    /// MAX_NUM_ORDER_LISTS: how many lists one account may have open in this market.
    pub order_lists_max: u32,
    /// MAX_NUM_ORDER_AMENDS: how often one order may be amended; 0 when no order may be.
    pub order_amends_max: u16,
    /// TRAILING_DELTA, the least, above zero; of both directions.
    pub trailing_delta_min: BasisPoints,
    /// TRAILING_DELTA, the most; of both directions.
    pub trailing_delta_max: BasisPoints,
    /// Whether it takes pegged orders (`pegInstructionsAllowed`).
    pub takes_pegged: bool,
    /// MIN_NOTIONAL `minNotional`, in ledger units of the quote asset; zero for none. A filter of its own beside NOTIONAL.
    pub min_notional: Amount,
    /// MIN_NOTIONAL `applyToMarket`: whether orders without a limit of their own have to reach it as well.
    pub min_notional_of_market: bool,
}

impl SpecialRules {
    /// Whether MIN_NOTIONAL looks at an order, by whether it trades as a market order does.
    pub fn has_min_notional(&self, is_market: bool) -> bool {
        !self.min_notional.is_zero() && (!is_market || self.min_notional_of_market)
    }
}

impl Default for SpecialRules {
    /// 100 slices, 5 stop orders, any number of icebergs, 20 lists, 10 amends, 0.1 % to 20 %, pegged orders, no MIN_NOTIONAL.
    fn default() -> SpecialRules {
        let points = |points| BasisPoints::new(points).unwrap_or(BasisPoints::MAX);
        SpecialRules {
            iceberg_parts_max: 100,
            stop_orders_max: 5,
            iceberg_orders_max: 0,
            order_lists_max: 20,
            order_amends_max: 10,
            trailing_delta_min: points(10),
            trailing_delta_max: points(2_000),
            takes_pegged: true,
            min_notional: Amount::ZERO,
            min_notional_of_market: false,
        }
    }
}

impl MarketRules {
    /// Whether the rules make sense together: a tick and a lot above zero, ordered and aligned bounds.
    pub fn is_consistent(&self) -> bool {
        !self.lot.is_zero()
            && !self.qty_min.is_zero()
            && self.price_min <= self.price_max
            && self.price_min.is_multiple_of(self.tick)
            && self.price_max.is_multiple_of(self.tick)
            && self.qty_min <= self.qty_max
            && self.qty_min.is_multiple_of(self.lot)
            && self.qty_max.is_multiple_of(self.lot)
            && self.market_qty_max.is_multiple_of(self.lot)
            && self.market_qty_max >= self.qty_min
            && self.notional_min <= self.notional_max
            && (1..1_000_000).contains(&self.protection_ppm)
            && self.open_orders_max > 0
            && !self.special.trailing_delta_min.is_zero()
            && self.special.trailing_delta_min <= self.special.trailing_delta_max
            && (!self.special.min_notional.is_zero() || !self.special.min_notional_of_market)
            && self.special.min_notional <= self.notional_max
    }

    /// What a stop order with this stop price and no limit of its own may pay at most, or get at least.
    pub fn stop_protection(&self, side: Side, stop: Price, trailing_delta: BasisPoints) -> Price {
        let ppm = i128::from(self.protection_ppm);
        match side {
            Side::Buy => {
                let triggered = trailing_delta.above(stop).unwrap_or(Price::MAX);
                let scaled = (i128::from(triggered.units()) * (1_000_000 + ppm) + 999_999) / 1_000_000;
                i64::try_from(scaled).ok().and_then(Price::new).unwrap_or(Price::MAX)
            }
            Side::Sell => {
                let triggered = trailing_delta.below(stop).unwrap_or(Price::MIN);
                let scaled = i128::from(triggered.units()) * (1_000_000 - ppm) / 1_000_000;
                i64::try_from(scaled).ok().and_then(Price::new).unwrap_or(Price::MIN)
            }
        }
    }
}

numbered! {
    /// The phase of a market: what it accepts, and whether it matches. Cancels pass in every phase.
    ///
    /// | phase | new orders | matching |
    /// |---|---|---|
    /// | `PreOpen`, `Auction` | `Limit` orders that may rest: no market, maker-only or stop orders, no IOC or FOK | none; the book may cross |
    /// | `Trading` | all | continuous |
    /// | `PostOnly` | `Limit` and `LimitMaker` that rest whole, no IOC or FOK; what would trade is refused | none is needed |
    /// | `CancelOnly`, `Halted`, `Closed` | none | none |
    /// | `Delisted` | none, for ever | none; every order is canceled |
    ///
    /// Crossing orders are uncrossed at one price before `Trading` or `PostOnly` begins, and when an `Auction`
    /// ends in `Closed`.
    MarketStatus {
        /// Continuous trading.
        Trading = 1,
        /// Cancels alone.
        CancelOnly = 2,
        /// Cancels alone, until an operator says otherwise: the schedule does not end it.
        Halted = 3,
        /// Before the session: orders collect.
        PreOpen = 4,
        /// Call auction: orders collect to trade at one price.
        Auction = 5,
        /// Orders that rest alone.
        PostOnly = 6,
        /// After the session; orders good for the day end.
        Closed = 7,
        /// Gone for ever.
        Delisted = 8,
    }
}

impl MarketStatus {
    /// Whether orders wait without matching, so that the book may cross.
    pub const fn collects(self) -> bool {
        matches!(self, MarketStatus::PreOpen | MarketStatus::Auction)
    }

    /// Whether new orders may be taken at all.
    pub const fn takes_orders(self) -> bool {
        self.collects() || matches!(self, MarketStatus::Trading | MarketStatus::PostOnly)
    }
}

numbered! {
    /// What moved a market to another phase.
    PhaseCause {
        /// An operator.
        Operator = 1,
        /// Its schedule.
        Schedule = 2,
        /// The plan of a reopening, or the end of a volatility auction.
        Plan = 3,
        /// A trade would have breached a price band.
        Volatility = 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_market_is_listed_only_where_trades_are_exact() {
        let scale = MarketScale::new(2, 5, 10, 8).unwrap();
        assert_eq!((scale.quote_factor, scale.base_factor), (10, 100_000));
        assert_eq!(MarketScale::new(5, 5, 10, 8), Err(ScaleError::QuoteTooCoarse));
        assert_eq!(MarketScale::new(2, 5, 4, 8), Err(ScaleError::BaseTooCoarse));
        assert_eq!(MarketScale::new(13, 0, 10, 18), Err(ScaleError::TooManyDecimals));
    }
}
