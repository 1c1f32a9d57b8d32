//! Withdrawals: what operators allow, what clients ask for, and what chainwatch proposes.

use crate::text::{AccountName, ClientOrderId};
use crate::{
    AccountId, Amount, AssetId, BatchMembers, ChainAddress, ChainHash, ChainId, ChainInputs, HotWalletBounds, Sighting,
    TransactionBytes, WithdrawalId, WithdrawalPurpose, WithdrawalRules,
};

/// Operator: what withdrawals of an asset on a chain must keep to, in place of what was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetWithdrawalRules {
    /// On which chain.
    pub chain: ChainId,
    /// Of which asset.
    pub asset: AssetId,
    /// The rules.
    pub rules: WithdrawalRules,
}

/// Operator: what an account may do, in place of what was said before. An account of which nothing was said may
/// withdraw to any address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestrictWithdrawals {
    /// Which account.
    pub account: AccountId,
    /// Whether it may withdraw nothing.
    pub is_blocked: bool,
    /// Whether it may withdraw to allowed addresses alone.
    pub is_allow_listed: bool,
}

/// Operator: an account may withdraw to an address, or may not any more. The delay of an address that nobody knew
/// begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowAddress {
    /// Which account.
    pub account: AccountId,
    /// On which chain.
    pub chain: ChainId,
    /// As the chain prints it.
    pub address: ChainAddress,
    /// Whether it may.
    pub is_allowed: bool,
}

/// Client: send money to an address. The reply's id is its [`WithdrawalId`]; the same request under the same name
/// gives the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestWithdrawal {
    /// Whose money.
    pub account: AccountId,
    /// On which chain.
    pub chain: ChainId,
    /// Of what.
    pub asset: AssetId,
    /// To whom, as the chain prints it.
    pub address: ChainAddress,
    /// How much arrives. The fee comes on top.
    pub amount: Amount,
    /// The account's name for it, unique among its withdrawals of the last 30 days.
    pub name: ClientOrderId,
}

/// Operator: let a withdrawal go on that waits for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApproveWithdrawal {
    /// Which one.
    pub withdrawal: WithdrawalId,
    /// Who approves. The node checks that it is the name of the operator's certificate.
    pub approver: AccountName,
}

/// Client, operator: take a withdrawal back that has no inputs and no nonce yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelWithdrawal {
    /// Which one.
    pub withdrawal: WithdrawalId,
    /// Whose it is; 0 from an operator.
    pub account: AccountId,
}

/// Chainwatch: a withdrawal's next transaction spends this. The first gives it its inputs or its nonce; those that
/// follow replace it: the same nonce, or all inputs of the one before and perhaps more, for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocateWithdrawal {
    /// On which chain.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// Which withdrawal.
    pub withdrawal: WithdrawalId,
    /// Which of its transactions, from 1: one more than were signed.
    pub attempt: u8,
    /// What it spends; empty where a nonce orders transactions.
    pub inputs: ChainInputs,
    /// The sender's nonce; 0 where there are inputs.
    pub nonce: u64,
    /// What it pays to the chain: exactly, where there are inputs; at most, where there is gas.
    pub network_fee: u128,
    /// The most gas that it uses; 0 where there are inputs.
    pub gas_limit: u64,
    /// The most that it pays for gas to whoever mines it, per unit; 0 where there are inputs.
    pub tip_per_gas: u128,
}

/// Chainwatch: the signer has signed. Nothing is sent before this is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignWithdrawal {
    /// On which chain.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// Which withdrawal.
    pub withdrawal: WithdrawalId,
    /// Which of its transactions, from 1.
    pub attempt: u8,
    /// The transaction's hash.
    pub tx: ChainHash,
    /// The transaction.
    pub bytes: TransactionBytes,
}

/// Chainwatch: the signer has refused for ever, and signed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefuseWithdrawal {
    /// On which chain.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// Which withdrawal.
    pub withdrawal: WithdrawalId,
    /// Which of its transactions, from 1.
    pub attempt: u8,
}

/// Chainwatch: what is seen of a withdrawal's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportWithdrawal {
    /// On which chain.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// Which withdrawal.
    pub withdrawal: WithdrawalId,
    /// Which of its transactions.
    pub tx: ChainHash,
    /// What is seen.
    pub sighting: Sighting,
    /// In which block, if the agreed chain has it.
    pub block: ChainHash,
    /// How high that is.
    pub height: u64,
    /// That block and those above it.
    pub confirmations: u32,
    /// Whether that block is final.
    pub is_final: bool,
    /// What it has paid to the chain, if the agreed chain has it.
    pub network_fee: u128,
}

/// Operator: a withdrawal whose inputs or nonce another transaction has spent will never move its money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailWithdrawal {
    /// Which one.
    pub withdrawal: WithdrawalId,
}

/// Operator: the bounds of the hot wallet in an asset on a chain, in place of what was said before. Withdrawals of the asset
/// must have rules there: their house pays what moves cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetHotWallet {
    /// On which chain.
    pub chain: ChainId,
    /// Of which asset.
    pub asset: AssetId,
    /// The bounds.
    pub bounds: HotWalletBounds,
}

/// Chainwatch: move money between addresses of the exchange. From here on it is a withdrawal that no account pays for; the
/// reply's id is its [`WithdrawalId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoveFunds {
    /// On which chain.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// How many were made on this chain before it: a proposal that comes twice moves once.
    pub turn: u64,
    /// Of what.
    pub asset: AssetId,
    /// From where, to where, and why. Not a payment.
    pub purpose: WithdrawalPurpose,
    /// The index of the deposit address that it sweeps, where each has an account of its own, or that gets gas; else 0.
    pub key: u32,
    /// Of a child, the stuck withdrawal whose change it spends; else 0.
    pub parent: WithdrawalId,
    /// To where.
    pub address: ChainAddress,
    /// How much is to arrive. Of what sweeps outputs and of a child: what they hold, and less arrives by what the chain gets.
    pub amount: Amount,
}

/// Chainwatch: one transaction is to pay several withdrawals, which are held and due. From here on their batch is allocated, signed
/// and reported, and they go with it; the reply's id is its [`WithdrawalId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatherWithdrawals {
    /// On which chain: one where transactions have outputs.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// How many moves and batches were made on this chain before it: a proposal that comes twice gathers once.
    pub turn: u64,
    /// Of what: the chain's own coin.
    pub asset: AssetId,
    /// Which.
    pub members: BatchMembers,
}

/// Chainwatch: a withdrawal leaves its batch and goes alone, or all members leave a batch; or what a sweep was made for is spent.
/// While that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseWithdrawal {
    /// On which chain.
    pub chain: ChainId,
    /// Of the claim.
    pub fence: u64,
    /// A member, a batch, or a sweep.
    pub withdrawal: WithdrawalId,
}
