//! What happens to a market as a whole.

use crate::{MarketId, MarketProtection, MarketRules, MarketSchedule, MarketStatus, PhaseCause, Price, Qty, Timestamp};

/// A market follows this schedule now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketScheduleChanged {
    /// Which market.
    pub market: MarketId,
    /// From now on.
    pub schedule: MarketSchedule,
}

/// The market cell is in another phase, or in the same one until another time, from this place in its events on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseChanged {
    /// Which market.
    pub market: MarketId,
    /// Counts what is told of this market's phases, from 1 without gaps.
    pub number: u64,
    /// The phase now.
    pub status: MarketStatus,
    /// What moved it there.
    pub cause: PhaseCause,
    /// When a plan or the schedule ends it, in log time; [`Timestamp::ZERO`] when nothing does.
    pub until: Timestamp,
}

/// What an auction would come to if it ended now. Told while orders collect, at most once a depth window, when it has
/// changed; before the first the book does not cross.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuctionIndicated {
    /// Which market.
    pub market: MarketId,
    /// The one price; `None` when the book does not cross.
    pub price: Option<Price>,
    /// How much would trade; [`Qty::MAX`] when it is more.
    pub qty: Qty,
    /// What would be left over at that price, in quantity units: above zero of buys, below zero of sells; never further
    /// from zero than [`Qty::MAX`].
    pub surplus: i64,
}

/// The crossing orders have traded at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuctionCompleted {
    /// Which market.
    pub market: MarketId,
    /// The one price.
    pub price: Price,
    /// How much has traded; [`Qty::MAX`] when it is more.
    pub qty: Qty,
}

/// A market has these price limits now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketProtectionChanged {
    /// Which market.
    pub market: MarketId,
    /// The ledger's count of changes of this market, with this one.
    pub version: u32,
    /// From now on.
    pub protection: MarketProtection,
}

/// A market has these filters now. The orders that no longer fit follow as canceled ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketRulesChanged {
    /// Which market.
    pub market: MarketId,
    /// The ledger's count of changes of this market, with this one.
    pub version: u32,
    /// From now on.
    pub rules: MarketRules,
}
