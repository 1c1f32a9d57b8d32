//! What becomes of withdrawals.

use crate::text::{AccountName, ClientOrderId};
use crate::{
    AccountId, Amount, AssetId, ChainAddress, ChainHash, ChainId, ChainInputs, HotWalletBounds, Timestamp,
    TransactionBytes, WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalRules, WithdrawalStage,
};

/// What withdrawals of an asset on a chain must keep to from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithdrawalRulesChanged {
    /// On which chain.
    pub chain: ChainId,
    /// Of which asset.
    pub asset: AssetId,
    /// The rules.
    pub rules: WithdrawalRules,
}

/// What an account may withdraw from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithdrawalsRestricted {
    /// Which account.
    pub account: AccountId,
    /// Whether it may withdraw nothing.
    pub is_blocked: bool,
    /// Whether it may withdraw to allowed addresses alone.
    pub is_allow_listed: bool,
}

/// An address is known as one of an account's destinations, or is allowed or not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressAllowed {
    /// Whose destination.
    pub account: AccountId,
    /// On which chain.
    pub chain: ChainId,
    /// As the chain prints it.
    pub address: ChainAddress,
    /// Since when it is known.
    pub since: Timestamp,
    /// Whether an operator has allowed it.
    pub is_allowed: bool,
}

/// An operator has approved a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithdrawalApproved {
    /// Which one.
    pub withdrawal: WithdrawalId,
    /// Who.
    pub approver: AccountName,
}

/// A withdrawal's next transaction spends this, and is about to be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithdrawalAllocated {
    /// On which chain.
    pub chain: ChainId,
    /// Which withdrawal.
    pub withdrawal: WithdrawalId,
    /// Which of its transactions, from 1.
    pub attempt: u8,
    /// What it spends.
    pub inputs: ChainInputs,
    /// The sender's nonce.
    pub nonce: u64,
    /// What it pays to the chain, exactly or at most.
    pub network_fee: u128,
    /// The most gas that it uses.
    pub gas_limit: u64,
    /// The most that it pays for gas to whoever mines it, per unit.
    pub tip_per_gas: u128,
}

/// A withdrawal's transaction is signed, and may be sent by whoever reads this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithdrawalSigned {
    /// On which chain.
    pub chain: ChainId,
    /// Which withdrawal.
    pub withdrawal: WithdrawalId,
    /// Which of its transactions, from 1.
    pub attempt: u8,
    /// The transaction's hash.
    pub tx: ChainHash,
    /// The transaction.
    pub bytes: TransactionBytes,
}

/// A withdrawal is known, or stands elsewhere than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithdrawalChanged {
    /// Which one.
    pub withdrawal: WithdrawalId,
    /// Whose.
    pub account: AccountId,
    /// On which chain.
    pub chain: ChainId,
    /// Of what.
    pub asset: AssetId,
    /// To whom.
    pub address: ChainAddress,
    /// The account's name for it.
    pub name: ClientOrderId,
    /// How much arrives.
    pub amount: Amount,
    /// What the account pays beside.
    pub fee: Amount,
    /// Where it stands.
    pub stage: WithdrawalStage,
    /// Why it was canceled or has failed.
    pub cause: WithdrawalCause,
    /// When it was requested.
    pub requested_at: Timestamp,
    /// Not allocated before this.
    pub ready_at: Timestamp,
    /// When it came to where it stands.
    pub changed_at: Timestamp,
    /// How many more operators must approve it.
    pub approvals_missing: u8,
    /// How many transactions were signed for it.
    pub attempts: u8,
    /// The transaction on the agreed chain, or the last one signed.
    pub tx: ChainHash,
    /// In which block it was seen last.
    pub block: ChainHash,
    /// How high that is.
    pub height: u64,
    /// Confirmations when it was reported.
    pub confirmations: u32,
    /// Confirmations that settle it; 0 when it must be final.
    pub required: u32,
    /// What its transaction has paid to the chain, in units of the chain's coin; 0 until it is on the agreed chain, and of what goes
    /// in a batch, which has paid for all.
    pub network_fee: u128,
    /// What the house has held to pay that.
    pub house_held: Amount,
    /// Whether the chain undid what it did.
    pub is_undone: bool,
    /// Whether the agreed chain contradicts its end: it was settled or undone and is not on it any more, or an operator has
    /// failed it and it is.
    pub is_reverted: bool,
    /// Where it sends money, and why. What is no payment was asked for by nobody: its account is the house, which pays the chain.
    pub purpose: WithdrawalPurpose,
    /// The index of the deposit address that it sweeps or gives gas; 0 where there is none, and where outputs are swept.
    pub key: u32,
    /// Of a child, the withdrawal whose change it spends; else 0.
    pub parent: WithdrawalId,
    /// The batch whose transaction pays it, and whose stages it takes; 0 while it goes alone.
    pub batch: WithdrawalId,
}

impl WithdrawalChanged {
    /// Whose nonce orders its transactions: the index of a deposit address, or 0 for the wallet's own.
    pub fn sender(&self) -> u32 {
        if self.purpose == WithdrawalPurpose::Sweep { self.key } else { 0 }
    }
}

/// The bounds of the hot wallet from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotWalletChanged {
    /// On which chain.
    pub chain: ChainId,
    /// Of which asset.
    pub asset: AssetId,
    /// The bounds.
    pub bounds: HotWalletBounds,
}
