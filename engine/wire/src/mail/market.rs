//! What ledger and market say to each other about the market itself.

use crate::{MarketId, MarketProtection, MarketRules, MarketSchedule, MarketStatus, PhaseCause};

/// Ledger to market: an operator's word about the phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeMarketStatus {
    /// Which market.
    pub market: MarketId,
    /// The ledger's count of changes of this market, with this one; echoed in [`MarketReported`].
    pub version: u32,
    /// The phase to be in now.
    pub status: MarketStatus,
    /// Whether every order is canceled.
    pub cancel_orders: bool,
    /// Begin a call auction after this long; 0 for never.
    pub auction_after_ns: u64,
    /// Begin continuous trading after this long, counted from now as well; 0 for never.
    pub trading_after_ns: u64,
    /// Whether no step of the schedule ends the phase: the market is quarantined.
    pub is_quarantine: bool,
}

/// Ledger to market: follow this schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeMarketSchedule {
    /// Which market.
    pub market: MarketId,
    /// The ledger's count of changes of this market, with this one.
    pub version: u32,
    /// From now on.
    pub schedule: MarketSchedule,
}

/// Ledger to market: room for more. In the order of the mail, so that no order comes from an account that it has no row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeMarketCapacity {
    /// Which market.
    pub market: MarketId,
    /// Accounts of the ledger.
    pub accounts_max: u32,
    /// Resting orders.
    pub resting_orders_max: u32,
}

/// Market to ledger: it is in this phase now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketReported {
    /// Which market.
    pub market: MarketId,
    /// The last version that the market has heard: a report that crosses an operator's word on its way is void.
    pub version: u32,
    /// Its phase.
    pub status: MarketStatus,
    /// What moved it there.
    pub cause: PhaseCause,
}

/// Ledger to market: other price limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeMarketProtection {
    /// Which market.
    pub market: MarketId,
    /// The ledger's count of changes of this market, with this one.
    pub version: u32,
    /// From now on.
    pub protection: MarketProtection,
}

/// Ledger to market: other filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeMarketRules {
    /// Which market.
    pub market: MarketId,
    /// The ledger's count of changes of this market, with this one.
    pub version: u32,
    /// From now on.
    pub rules: MarketRules,
}
