//! What a chain has of an asset beside what it should have: chainwatch compares, operators declare and let go on.

use crate::{AssetId, ChainHash, ChainId, LogPosition};

/// Chainwatch: what addresses of the exchange hold of an asset after a final block, as a majority of nodes says, and what they
/// should hold by the log. Refused when the log has said more of the chain meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportReserves {
    /// On which chain.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// Of which asset.
    pub asset: AssetId,
    /// The log up to which `due` was computed.
    pub position: LogPosition,
    /// The final block after which both are.
    pub block: ChainHash,
    /// How high that is.
    pub height: u64,
    /// What is there, in the chain's units.
    pub held: u128,
    /// What should be there, in the chain's units.
    pub due: u128,
}

/// Operator: so much of an asset came to addresses of the exchange by no deposit, or, below zero, left them by no withdrawal; in
/// all, in place of what was said before. What should be there changes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeclareReserves {
    /// On which chain.
    pub chain: ChainId,
    /// Of which asset.
    pub asset: AssetId,
    /// In the chain's units.
    pub brought: i128,
    /// It is so after the block of this height: before that, nothing counts as brought.
    pub since: u64,
}

/// Operator: what was missing is there again, and its withdrawals may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThawReserves {
    /// On which chain.
    pub chain: ChainId,
    /// Of which asset.
    pub asset: AssetId,
}
