//! The words of withdrawals: where one stands, what was seen of it on its chain, what it spends, and its signed bytes.

use alloc::vec::Vec;
use core::fmt;

use crate::{AccountId, Amount, ChainAddress, ChainHash, WithdrawalId};

crate::order::numbered! {
    /// Where a withdrawal stands. Chainwatch proposes, the ledger decides; `engine/src/ledger/withdrawals.rs` draws the
    /// ways between them.
    WithdrawalStage {
        /// Its money is held, and it waits for approval.
        Review = 1,
        /// Its money is held and it may be allocated, once its address has been known for long enough.
        Held = 2,
        /// It has inputs or a nonce, and is about to be signed.
        Allocated = 3,
        /// Its signed bytes are in the log. It may be sent, by whoever reads the log.
        Signed = 4,
        /// It was sent to nodes.
        Broadcast = 5,
        /// Nodes have it among what they would mine.
        Mempool = 6,
        /// It is on the agreed chain, with fewer confirmations than it needs.
        Mined = 7,
        /// It is on the agreed chain with enough confirmations, while its chain is frozen.
        Confirmed = 8,
        /// It is done, and booked. Final.
        Settled = 9,
        /// It was sent and does not get on the chain in time.
        Stuck = 10,
        /// A replacement that spends the same is about to be signed; what was sent before may still be mined.
        Bumped = 11,
        /// It was taken back before anything was signed; its money is free again. Final.
        Canceled = 12,
        /// It did not move its money and never will; its money is free again. Final.
        Failed = 13,
        /// What it spends was spent by a transaction that is none of its own. Only an operator says that it has failed.
        Conflicted = 14,
    }
}

impl WithdrawalStage {
    /// Whether nothing comes after it.
    pub const fn is_final(self) -> bool {
        matches!(self, WithdrawalStage::Settled | WithdrawalStage::Canceled | WithdrawalStage::Failed)
    }

    /// Whether somebody has to look at it: it does not get on its chain, or another transaction has spent what it spends.
    pub const fn is_for_operators(self) -> bool {
        matches!(self, WithdrawalStage::Stuck | WithdrawalStage::Conflicted)
    }
}

crate::order::numbered! {
    /// Whether a chain has of an asset what it should have, by the last comparison that changed something.
    ReservesStanding {
        /// It has. Or nothing was compared yet.
        Whole = 0,
        /// It has less: withdrawals of the asset by this chain are halted.
        Short = 1,
        /// It has again what it should have. They stay halted until an operator has looked.
        Found = 2,
    }
}

impl ReservesStanding {
    /// Whether nothing of the asset leaves by the chain.
    pub const fn is_halted(self) -> bool {
        !matches!(self, ReservesStanding::Whole)
    }
}

crate::order::numbered! {
    /// Why a withdrawal was canceled or has failed.
    WithdrawalCause {
        /// It was not and has not.
        None = 0,
        /// Its account has taken it back.
        Client = 1,
        /// An operator has decided so.
        Operator = 2,
        /// The signer will never sign it.
        SignerRefused = 3,
        /// It was executed on its chain, which undid what it did.
        Undone = 4,
        /// A child whose parent came to its end without it: nothing needs it any more, or what it spends will never be.
        Orphaned = 5,
        /// A batch whose members have left it before anything was signed, or a sweep that nothing was left for.
        Disbanded = 6,
    }
}

crate::order::numbered! {
    /// What chainwatch has seen of a withdrawal's transaction.
    Sighting {
        /// It was sent to the pool's nodes.
        Sent = 1,
        /// Nodes say that they have it among what they would mine.
        Pooled = 2,
        /// No node has it any more, and nothing else has spent what it spends.
        Dropped = 3,
        /// The agreed chain has it.
        Included = 4,
        /// The agreed chain has it, and has undone what it did.
        Undone = 5,
        /// The agreed chain had it and has it no more.
        Gone = 6,
        /// It has not been mined for too long.
        Overdue = 7,
        /// The agreed chain has spent what it spends by another transaction that is none of this withdrawal.
        Conflicting = 8,
    }
}

crate::order::numbered! {
    /// Where a transaction of the exchange's keys sends money, and why. All but the first are the house's: no account has asked for
    /// them, and the house pays the chain. All but the first and the last move what is the exchange's between its addresses.
    WithdrawalPurpose {
        /// To whom an account has asked: it leaves.
        Payment = 0,
        /// From deposit addresses to the hot wallet.
        Sweep = 1,
        /// From the hot wallet, which has more than it should, to the cold address of its bounds.
        Cold = 2,
        /// From the hot wallet to a deposit address, which cannot pay for its sweep.
        Gas = 3,
        /// From the change of a stuck withdrawal, its parent, back to the hot wallet, for a fee that pays for both: whoever mines it
        /// has to mine the parent.
        Child = 4,
        /// To whom several accounts have asked, by one transaction: what leaves is its members', and the house pays the chain.
        Batch = 5,
    }
}

impl WithdrawalPurpose {
    /// Whether the money stays the exchange's.
    pub const fn is_internal(self) -> bool {
        !matches!(self, WithdrawalPurpose::Payment | WithdrawalPurpose::Batch)
    }

    /// Whether no account has asked for it: a move of the exchange's own money, or a batch.
    pub const fn is_of_house(self) -> bool {
        !matches!(self, WithdrawalPurpose::Payment)
    }

    /// Whether outputs that it spends come back to the hot wallet, all but the fee.
    pub const fn comes_back(self) -> bool {
        matches!(self, WithdrawalPurpose::Sweep | WithdrawalPurpose::Child)
    }
}

crate::order::numbered! {
    /// How a proposal to loosen what guards withdrawals has ended. One that has run out is only not there any more.
    LooseningEnd {
        /// Another operator has approved it, and it is so.
        Approved = 1,
        /// An operator has dropped it.
        Dropped = 2,
        /// What it would have changed was changed meanwhile: it would undo what its proposer did not know of.
        Overtaken = 3,
    }
}

/// The bounds of the hot wallet in an asset on a chain, and where the rest goes. Zero for what is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotWalletBounds {
    /// No withdrawal is allocated that would leave less.
    pub low: Amount,
    /// From here on, what is above `target` goes to the cold address.
    pub high: Amount,
    /// What is left then. Between both bounds.
    pub target: Amount,
    /// From this amount on, credited deposits are swept into the hot wallet.
    pub sweep_from: Amount,
    /// Where the excess goes, as the chain prints it; the signer has it in its own list. Empty while `high` is zero.
    pub cold: ChainAddress,
}

/// What withdrawals of an asset on a chain must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithdrawalRules {
    /// Whether any may be requested.
    pub is_enabled: bool,
    /// The smallest, without the fee. Above zero.
    pub amount_min: Amount,
    /// The largest, without the fee.
    pub amount_max: Amount,
    /// What an account pays for one, beside the amount. The house gets it.
    pub fee: Amount,
    /// The most of one account within 24 hours of log time, without fees; zero for no limit.
    pub account_day_max: Amount,
    /// The most of all accounts within 24 hours of log time, without fees; zero for no limit.
    pub day_max: Amount,
    /// From this amount on it waits for approval; zero for never.
    pub review_from: Amount,
    /// How many operators must approve, 1 to 3, when any must.
    pub approvals: u8,
    /// How long an address must have been known before money goes there, in seconds of log time.
    pub address_delay_s: u32,
    /// Confirmations that settle it; 0 when it must be final.
    pub confirmations: u32,
    /// The most that a transaction may pay to its chain, in units of the chain's own coin.
    pub network_fee_max: u128,
    /// Gets the fees, and pays the chain's.
    pub house: AccountId,
}

/// An output that a withdrawal spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ChainInput {
    /// The transaction that made it.
    pub tx: ChainHash,
    /// Which of its outputs.
    pub output: u32,
    /// How much it holds, in the chain's units.
    pub amount: u64,
    /// Whose key spends it: the index of a deposit address; 0 for the wallet's own address.
    pub key: u32,
}

/// The outputs that a transaction spends; none where an account's nonce orders transactions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainInputs {
    len: u8,
    inputs: [ChainInput; ChainInputs::MAX],
}

impl ChainInputs {
    /// The most outputs that one transaction spends.
    pub const MAX: usize = 16;
    /// None.
    pub const EMPTY: ChainInputs = ChainInputs { len: 0, inputs: [NO_INPUT; ChainInputs::MAX] };

    /// `None` when there are more than [`ChainInputs::MAX`], or one twice.
    pub fn new(inputs: &[ChainInput]) -> Option<ChainInputs> {
        let mut all = ChainInputs::EMPTY;
        let is_twice =
            |at: usize| inputs[..at].iter().any(|input| (input.tx, input.output) == (inputs[at].tx, inputs[at].output));
        if inputs.len() > ChainInputs::MAX || (0..inputs.len()).any(is_twice) {
            return None;
        }
        all.inputs[..inputs.len()].copy_from_slice(inputs);
        all.len = inputs.len() as u8;
        Some(all)
    }

    /// In the order in which the transaction spends them.
    pub fn as_slice(&self) -> &[ChainInput] {
        &self.inputs[..usize::from(self.len)]
    }

    /// All of them with their padding, as they lie in bytes.
    pub(crate) fn padded(&self) -> &[ChainInput; ChainInputs::MAX] {
        &self.inputs
    }
}

const NO_INPUT: ChainInput = ChainInput { tx: ChainHash([0; 32]), output: 0, amount: 0, key: 0 };

impl fmt::Debug for ChainInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// The withdrawals that one transaction pays: two to [`BatchMembers::MAX`], in the order of their ids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BatchMembers {
    len: u8,
    ids: [WithdrawalId; BatchMembers::MAX],
}

impl BatchMembers {
    /// One alone is no batch.
    pub const MIN: usize = 2;
    /// So many outputs and the change, beside [`ChainInputs::MAX`] inputs, fit in [`TransactionBytes::MAX`].
    pub const MAX: usize = 32;

    /// `None` when there are too few or too many, or they are not in order, each once.
    pub fn new(ids: &[WithdrawalId]) -> Option<BatchMembers> {
        let is_in_order = ids.windows(2).all(|two| two[0] < two[1]);
        if !(BatchMembers::MIN..=BatchMembers::MAX).contains(&ids.len()) || !is_in_order {
            return None;
        }
        let mut all = [WithdrawalId::new(0); BatchMembers::MAX];
        all[..ids.len()].copy_from_slice(ids);
        Some(BatchMembers { len: ids.len() as u8, ids: all })
    }

    /// In order.
    pub fn as_slice(&self) -> &[WithdrawalId] {
        &self.ids[..usize::from(self.len)]
    }

    /// All of them with their padding, as they lie in bytes.
    pub(crate) fn padded(&self) -> &[WithdrawalId; BatchMembers::MAX] {
        &self.ids
    }
}

impl fmt::Debug for BatchMembers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// A signed transaction as nodes take it: 1 to [`TransactionBytes::MAX`] bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct TransactionBytes(Vec<u8>);

impl TransactionBytes {
    /// The most bytes: sixteen inputs of a witness public key hash take 2,400, and 33 outputs of the longest kind 1,420.
    pub const MAX: usize = 4_096;

    /// `None` when there are none, or more than [`TransactionBytes::MAX`].
    pub fn new(bytes: Vec<u8>) -> Option<TransactionBytes> {
        (!bytes.is_empty() && bytes.len() <= TransactionBytes::MAX).then_some(TransactionBytes(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TransactionBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionBytes({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: impl Iterator<Item = u64>) -> Option<BatchMembers> {
        BatchMembers::new(&numbers.map(WithdrawalId::new).collect::<Vec<_>>())
    }

    #[test]
    fn a_batch_has_two_to_thirty_two_members_in_order() {
        for (count, is_one) in [(0, false), (1, false), (2, true), (32, true), (33, false)] {
            assert_eq!(ids(1..=count).is_some(), is_one, "{count}");
        }
        assert!(ids([2, 1].into_iter()).is_none());
        assert!(ids([1, 2, 2].into_iter()).is_none());
        assert_eq!(ids([3, 9].into_iter()).unwrap().as_slice(), [WithdrawalId::new(3), WithdrawalId::new(9)]);
    }
}
