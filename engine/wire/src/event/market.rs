//! What happens to a market as a whole.

use crate::{MarketId, MarketSchedule, MarketStatus, PhaseCause, Timestamp};

/// A market follows this schedule now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketScheduleChanged {
    /// Which market.
    pub market: MarketId,
    /// From now on.
    pub schedule: MarketSchedule,
}

/// The market cell is in another phase, from this place in its events on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseChanged {
    /// Which market.
    pub market: MarketId,
    /// Counts the changes of phase of this market, from 1 without gaps.
    pub number: u64,
    /// The phase now.
    pub status: MarketStatus,
    /// What moved it there.
    pub cause: PhaseCause,
    /// When a plan or the schedule ends it, in log time; [`Timestamp::ZERO`] when nothing does.
    pub until: Timestamp,
}
