//! Whether a chain has what it should have.

use crate::{AssetId, ChainHash, ChainId, LogPosition, ReservesStanding};

/// Of an asset on a chain: whether its withdrawals are halted, and the comparison that says so; or what operators have declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservesChanged {
    /// On which chain.
    pub chain: ChainId,
    /// Of which asset.
    pub asset: AssetId,
    /// Whether it has what it should have.
    pub standing: ReservesStanding,
    /// The log up to which the last comparison that changed something went; 0 before the first.
    pub position: LogPosition,
    /// The final block of that comparison.
    pub block: ChainHash,
    /// How high that is.
    pub height: u64,
    /// What was there, in the chain's units.
    pub held: u128,
    /// What should have been there, in the chain's units.
    pub due: u128,
    /// What operators have declared to have come by no deposit, or to have left by no withdrawal, in the chain's units.
    pub brought: i128,
    /// After the block of which height that is so.
    pub since: u64,
}
