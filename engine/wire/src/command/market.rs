//! What operators may do with a market after it was listed.

use crate::{MarketId, MarketProtection, MarketRules, MarketSchedule};

/// Moves a market through phases by log time, again every week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetMarketSchedule {
    /// Which market.
    pub market: MarketId,
    /// From now on; an empty one leaves the market to operators.
    pub schedule: MarketSchedule,
}

/// Reopens a market in steps: cancel-only, then a call auction, then continuous trading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReopenMarket {
    /// Which market.
    pub market: MarketId,
    /// How long it accepts cancels alone, up to a week; 0 begins with the auction.
    pub cancel_only_ns: u64,
    /// How long the auction collects orders, above zero and up to a week.
    pub auction_ns: u64,
}

impl ReopenMarket {
    /// The longest step, a week.
    pub const STEP_NS_MAX: u64 = 7 * 24 * 3_600 * 1_000_000_000;
}

/// Halts a market at once, whatever is going on in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KillMarket {
    /// Which market.
    pub market: MarketId,
    /// Whether every order of the market is canceled as well.
    pub cancel_orders: bool,
}

/// Changes a market's price limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetMarketProtection {
    /// Which market.
    pub market: MarketId,
    /// From now on.
    pub protection: MarketProtection,
}

/// Changes a market's filters. Resting orders that no longer fit are canceled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetMarketRules {
    /// Which market.
    pub market: MarketId,
    /// From now on.
    pub rules: MarketRules,
}

/// Takes a market away for ever: its orders are canceled, then its cell ends. Its name and its number stay taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelistMarket {
    /// Which market.
    pub market: MarketId,
}
