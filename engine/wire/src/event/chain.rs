//! Chains, their addresses, and what becomes of deposits.

use crate::text::Symbol;
use crate::{AccountId, AddressFormat, Amount, AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId, DepositStage};

/// A chain is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainListed {
    /// Its id.
    pub chain: ChainId,
    /// Its name.
    pub symbol: Symbol,
    /// How long a silent chainwatch keeps its claim, in milliseconds of log time.
    pub lease_ms: u32,
    /// What its addresses look like.
    pub addresses: AddressFormat,
}

/// What moves on a chain is known as an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainAssetListed {
    /// On which chain.
    pub chain: ChainId,
    /// Credited as.
    pub asset: AssetId,
    /// A token's contract; empty for the chain's own coin.
    pub contract: ChainAddress,
    /// Decimals of the chain's smallest unit.
    pub chain_decimals: u8,
    /// The smallest deposit, in the chain's units.
    pub deposit_min: u128,
    /// Confirmations that a deposit needs; 0 when it must be final.
    pub confirmations: u32,
    /// Deposits of this much or more need `large_confirmations`; zero when none is large.
    pub large_from: Amount,
    /// Confirmations that a large deposit needs; 0 when it must be final.
    pub large_confirmations: u32,
}

/// An instance of chainwatch proposes for a chain from now on, and no other does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainClaimed {
    /// Which chain.
    pub chain: ChainId,
    /// One more than the claim before.
    pub fence: u64,
    /// Who.
    pub instance: u64,
}

/// A chain was frozen or thawed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainFrozen {
    /// Which chain.
    pub chain: ChainId,
    /// Why; [`ChainFreeze::Thawed`] when it is not.
    pub reason: ChainFreeze,
}

/// How high a chain is: told while deposits wait on it, so that their confirmations can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainAdvanced {
    /// Which chain.
    pub chain: ChainId,
    /// The height of its head. Less than before when that was reorganised.
    pub height: u64,
}

/// An account will get an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRequested {
    /// Whose.
    pub account: AccountId,
    /// On which chain.
    pub chain: ChainId,
    /// Which address, from 1.
    pub index: u32,
}

/// An account has an address, or the hot wallet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressBound {
    /// Whose; 0 of the hot wallet's, which is nobody's.
    pub account: AccountId,
    /// On which chain.
    pub chain: ChainId,
    /// Which address, from 1; 0 is the hot wallet's own.
    pub index: u32,
    /// As the chain prints it.
    pub address: ChainAddress,
}

/// A deposit is known, or stands elsewhere than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepositChanged {
    /// Whose.
    pub account: AccountId,
    /// On which chain.
    pub chain: ChainId,
    /// The transaction.
    pub tx: ChainHash,
    /// Which output or transfer of it.
    pub output: u32,
    /// To which address.
    pub index: u32,
    /// Of what.
    pub asset: AssetId,
    /// How much, in the chain's units.
    pub amount: u128,
    /// Where it stands.
    pub stage: DepositStage,
    /// In which block it was seen last.
    pub block: ChainHash,
    /// How high that is.
    pub height: u64,
    /// Confirmations when it was reported.
    pub confirmations: u32,
    /// Confirmations that it needs; 0 when it must be final.
    pub required: u32,
    /// What was booked to the account: zero until it is credited.
    pub credited: Amount,
    /// What of this account's deposits of the asset is less than a ledger unit, in the chain's units; part of the next
    /// credit.
    pub dust: u128,
    /// Whether it was credited and is not on the agreed chain any more.
    pub is_reverted: bool,
}
