//! What makes chains known to the ledger, and what chainwatch proposes to it.

use crate::text::Symbol;
use crate::{AccountId, AddressFormat, Amount, AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId};

/// Makes a chain known. The reply's id is its [`ChainId`]. It is frozen until chainwatch thaws it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListChain {
    /// Unique name, `LTC`.
    pub symbol: Symbol,
    /// How long a chainwatch that has fallen silent keeps its claim, in milliseconds of log time.
    pub lease_ms: u32,
    /// What its addresses look like.
    pub addresses: AddressFormat,
}

/// Makes what moves on a chain known as an asset of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListChainAsset {
    /// On which chain.
    pub chain: ChainId,
    /// Which asset it is credited as.
    pub asset: AssetId,
    /// A token's contract, as its chain prints it in lower case; empty for the chain's own coin.
    pub contract: ChainAddress,
    /// Decimals of the chain's smallest unit, `0 ..= 30`.
    pub chain_decimals: u8,
    /// The smallest deposit, in the chain's units; less is rejected.
    pub deposit_min: u128,
    /// Confirmations that a deposit needs; 0 when it must be final.
    pub confirmations: u32,
    /// Deposits of this much or more need `large_confirmations`; zero when no deposit is large.
    pub large_from: Amount,
    /// Confirmations that a large deposit needs; 0 when it must be final.
    pub large_confirmations: u32,
}

/// Chainwatch: be the one instance that proposes for a chain, or go on being it. The reply's id is the fence that its
/// proposals must carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimChain {
    /// Which chain.
    pub chain: ChainId,
    /// Drawn by the instance when it starts. Not 0.
    pub instance: u64,
}

/// Gives an account an address on a chain. The reply's id is the address's index, from 1; asking again gives the same
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestAddress {
    /// Whose.
    pub account: AccountId,
    /// On which chain.
    pub chain: ChainId,
}

/// Chainwatch: this is the address of an index. Never changed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindAddress {
    /// On which chain.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// Which address, from 1; 0 is the hot wallet's own, which nobody asks for.
    pub index: u32,
    /// As the chain prints it.
    pub address: ChainAddress,
}

/// Chainwatch: the chain is frozen for this reason, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreezeChain {
    /// Which chain.
    pub chain: ChainId,
    /// Of the claim; 0 from an operator, who alone thaws what [`ChainFreeze::is_for_operators`].
    pub fence: u64,
    /// Why; [`ChainFreeze::Thawed`] when it is not.
    pub reason: ChainFreeze,
}

/// Chainwatch: a transfer to one of our addresses, as the verified chain has it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportDeposit {
    /// On which chain.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// The transaction.
    pub tx: ChainHash,
    /// Bitcoin-like: which output. EVM: 0 for the transaction's value, from 1 the ordinal among its logs.
    pub output: u32,
    /// To which address.
    pub index: u32,
    /// Of what.
    pub asset: AssetId,
    /// How much, in the chain's units.
    pub amount: u128,
    /// Whether the agreed chain has it; otherwise a reorganisation took it away.
    pub is_included: bool,
    /// In which block.
    pub block: ChainHash,
    /// How high that is.
    pub height: u64,
    /// That block and those above it.
    pub confirmations: u32,
    /// Whether that block is final.
    pub is_final: bool,
}

/// Chainwatch: most nodes have a transfer to one of our addresses among what they would mine, or have it no more. Shown to
/// its account, and nothing else hangs on it: nobody can prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SightDeposit {
    /// On which chain.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// The transaction.
    pub tx: ChainHash,
    /// As in [`ReportDeposit`].
    pub output: u32,
    /// To which address.
    pub index: u32,
    /// Of what.
    pub asset: AssetId,
    /// How much, in the chain's units.
    pub amount: u128,
    /// Whether they have it; otherwise it was replaced, or forgotten.
    pub is_pooled: bool,
}

/// Chainwatch: how high the agreed chain is, while deposits wait on it for confirmations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportHead {
    /// Which chain.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// The height of its head.
    pub height: u64,
}

/// Operator: decides about a deposit that is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolveDeposit {
    /// On which chain.
    pub chain: ChainId,
    /// The transaction.
    pub tx: ChainHash,
    /// Which output or transfer of it.
    pub output: u32,
    /// Whether it is to be credited; otherwise it is refused for ever.
    pub is_credited: bool,
}
