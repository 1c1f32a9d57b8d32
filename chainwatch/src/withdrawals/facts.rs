//! What the agreed chain and the nodes say now, as far as withdrawals need it.

use std::collections::{BTreeMap, BTreeSet};

use wire::event::WithdrawalAllocated;
use wire::{ChainAddress, ChainHash, ChainInput};

use crate::store::Spending;
use crate::{Head, Height};

/// What a transaction of ours spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spend {
    /// An output.
    Output(ChainHash, u32),
    /// A nonce of the account at a deposit address, or at 0 of the wallet's own.
    Nonce(u32, u64),
}

/// A transaction on the agreed chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Included {
    /// In which block.
    pub block: ChainHash,
    /// How high that is.
    pub height: u64,
    /// What it has paid to the chain.
    pub network_fee: u128,
    /// Whether the chain has undone what it did.
    pub is_undone: bool,
}

/// An account of ours after the agreed head.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// After which block.
    pub height: u64,
    /// The first nonce that nothing has used.
    pub next_nonce: u64,
    /// What it has, by contract; the chain's own coin has none.
    pub funds: BTreeMap<ChainAddress, u128>,
    /// Of that, what it had already at the last final block.
    pub settled: BTreeMap<ChainAddress, u128>,
}

/// One moment of the agreed chain; all of it belongs to `head`.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The agreed head.
    pub head: Head,
    /// The lowest block of which anything is known: nothing is said of what lies below.
    pub since: Height,
    /// What the chain calls final.
    pub finalized: Option<Height>,
    /// Our transactions that are on it.
    pub included: BTreeMap<ChainHash, Included>,
    /// What of ours is spent on it, by which transaction, how high.
    pub spent: BTreeMap<Spend, (ChainHash, u64)>,
    /// Our transactions that nodes have among what they would mine.
    pub pooled: BTreeSet<ChainHash>,
    /// Outputs of ours that nothing on it spends.
    pub coins: Vec<ChainInput>,
    /// Where nonces order transactions, the wallet's own account, 0, and those at deposit addresses that were asked for, by index;
    /// none of which too few nodes say anything.
    pub accounts: BTreeMap<u32, Account>,
    /// What is to be paid: per 1,000 virtual bytes, or per unit of gas; `None` when too few nodes say.
    pub fee_rate: Option<u128>,
    /// Of that, per unit of gas, to whoever mines.
    pub tip: u128,
}

impl Facts {
    /// A block and those above it.
    pub fn confirmations(&self, height: u64) -> u32 {
        u32::try_from((self.head.height.0 + 1).saturating_sub(height)).unwrap_or(u32::MAX)
    }

    /// Whether a block has so many confirmations, or is final when none are asked for.
    pub fn is_deep(&self, height: u64, required: u32) -> bool {
        if required == 0 {
            self.finalized.is_some_and(|finalized| height <= finalized.0)
        } else {
            self.confirmations(height) >= required
        }
    }
}

impl Spending {
    /// What it has spent of ours.
    pub(crate) fn spent(&self) -> impl Iterator<Item = Spend> + '_ {
        let outputs = self.spends.iter().map(|it| Spend::Output(ChainHash(it.tx.0), it.output));
        outputs.chain(self.execution.map(|execution| Spend::Nonce(self.key, execution.nonce)))
    }
}

/// What an allocation spends, whose nonce is `sender`'s if it has one.
pub(super) fn spends(sender: u32, allocated: &WithdrawalAllocated) -> impl Iterator<Item = Spend> + '_ {
    let nonce = allocated.inputs.as_slice().is_empty().then_some(Spend::Nonce(sender, allocated.nonce));
    allocated.inputs.as_slice().iter().map(|input| Spend::Output(input.tx, input.output)).chain(nonce)
}
