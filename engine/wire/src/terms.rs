//! What an order may ask for beyond side, price and quantity.

use crate::order::numbered;
use crate::{Price, Qty, Timestamp};

/// Hundredths of a percent, `0 ..= 9_999`: how far a trailing stop lets the price go back (Binance `trailingDelta`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BasisPoints(u16);

impl BasisPoints {
    /// No distance.
    pub const ZERO: BasisPoints = BasisPoints(0);
    /// The largest distance, one basis point short of the whole.
    pub const MAX: BasisPoints = BasisPoints(9_999);

    /// `None` above 9,999.
    pub const fn new(points: u16) -> Option<BasisPoints> {
        if points <= Self::MAX.0 { Some(BasisPoints(points)) } else { None }
    }

    /// The plain number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether this is no distance.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The lowest price that is at least this far above `price`; `None` beyond [`Price::MAX`].
    pub fn above(self, price: Price) -> Option<Price> {
        let scaled = i128::from(price.units()) * (10_000 + i128::from(self.0));
        Price::new(i64::try_from((scaled + 9_999) / 10_000).ok()?)
    }

    /// The highest price that is at least this far below `price`; `None` below [`Price::MIN`].
    pub fn below(self, price: Price) -> Option<Price> {
        let scaled = i128::from(price.units()) * (10_000 - i128::from(self.0));
        Price::new(i64::try_from(scaled / 10_000).ok()?)
    }
}

/// The label by which a client tells its strategies' orders apart (Binance `strategyId`, `strategyType`). Nothing depends
/// on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StrategyLabel {
    /// Which strategy the order is of.
    pub id: Option<u64>,
    /// Of which type that is.
    pub kind: Option<u32>,
}

impl StrategyLabel {
    /// No label.
    pub const NONE: StrategyLabel = StrategyLabel { id: None, kind: None };
}

/// What only some orders have. [`Terms::NONE`] is what a plain order has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Stop orders: the trade price that triggers it, or, with a trailing delta, that starts the tracking.
    pub stop_price: Option<Price>,
    /// Stop orders: how far the price must come back from its best to trigger; zero for none.
    pub trailing_delta: BasisPoints,
    /// Icebergs: how much of it shows at a time; zero when all of it does.
    pub visible_qty: Qty,
    /// `Gtd`: when it expires. `Day`: filled in by its market.
    pub expire_at: Option<Timestamp>,
    /// Where its limit comes from, if not from its client.
    pub peg: Peg,
    /// How much of it must trade at once when it comes in, or all of it expires; zero for none.
    pub qty_min: Qty,
    /// The client's label. Markets of lists do not hear of it.
    pub strategy: StrategyLabel,
}

impl Terms {
    /// Of a plain order.
    pub const NONE: Terms = Terms {
        stop_price: None,
        trailing_delta: BasisPoints::ZERO,
        visible_qty: Qty::ZERO,
        expire_at: None,
        peg: Peg::NONE,
        qty_min: Qty::ZERO,
        strategy: StrategyLabel::NONE,
    };
}

numbered! {
    /// Which side of the book a pegged order takes its limit from, as Binance names it.
    PegSide {
        /// Not pegged.
        None = 0,
        /// The order's own side (`PRIMARY_PEG`).
        Primary = 1,
        /// The opposite side (`MARKET_PEG`).
        Market = 2,
    }
}

/// How a pegged order gets its limit: from a price level of the book, once, when it meets the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peg {
    /// Of which side.
    pub side: PegSide,
    /// How many existing levels beyond the best one (`pegOffsetValue`), at most [`Peg::LEVELS_MAX`].
    pub levels: u8,
    /// Whether the order's price is its client's: then the limit is never worse than it. Otherwise it is the protection price
    /// that was stamped for the hold, and an order whose level is worse is refused.
    pub has_price: bool,
}

impl Peg {
    /// Of an order that is not pegged.
    pub const NONE: Peg = Peg { side: PegSide::None, levels: 0, has_price: false };
    /// The deepest level.
    pub const LEVELS_MAX: u8 = 100;

    /// Whether the order is not pegged.
    #[inline]
    pub const fn is_none(self) -> bool {
        matches!(self.side, PegSide::None)
    }
}

numbered! {
    /// How the orders of a list hang together, as Binance names it.
    ListKind {
        /// One cancels the other.
        Oco = 1,
        /// One triggers the other: the second is placed when the first has filled.
        Oto = 2,
        /// One triggers a one-cancels-the-other.
        Otoco = 3,
    }
}

impl ListKind {
    /// How many orders a list of this kind has.
    pub const fn legs(self) -> usize {
        match self {
            ListKind::Oco | ListKind::Oto => 2,
            ListKind::Otoco => 3,
        }
    }
}

numbered! {
    /// What becomes of the new order of a replace whose cancel fails.
    ReplaceMode {
        /// It is not placed.
        StopOnFailure = 1,
        /// It is placed all the same, if free balance covers it whole.
        AllowFailure = 2,
    }
}

numbered! {
    /// In which state alone a cancel is meant.
    CancelRestriction {
        /// In any.
        None = 1,
        /// While nothing of the order has traded.
        OnlyNew = 2,
        /// Once a part of the order has traded.
        OnlyPartiallyFilled = 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_distances_are_exact_and_round_away_from_the_price() {
        let price = |units| Price::new(units).unwrap();
        let points = |points| BasisPoints::new(points).unwrap();
        assert_eq!(points(500).above(price(4_200_000)), Some(price(4_410_000)));
        assert_eq!(points(1_000).below(price(4_100_000)), Some(price(3_690_000)));
        assert_eq!(points(1).above(price(1)), Some(price(2)));
        assert_eq!(points(1).below(price(1)), None);
        assert_eq!(points(1).above(Price::MAX), None);
        assert_eq!(BasisPoints::new(10_000), None);
    }
}
