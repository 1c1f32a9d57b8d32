//! What is to be said to the ledger of one deposit: from what the ledger has decided, what was found in followed blocks,
//! and what is agreed at this moment. Pure; the proposer asks again before every proposal.

use wire::event::DepositChanged;
use wire::{AssetId, ChainFreeze, ChainHash, DepositStage};

use crate::pool::Freeze;
use crate::tree::HeaderTree;
use crate::{BlockHash, Head, Height};

/// A transfer to one of our addresses, in a block that was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Whose address.
    pub(super) index: u32,
    pub(super) asset: AssetId,
    /// In the chain's units.
    pub(super) amount: u128,
    pub(super) block: Head,
}

/// What is agreed and what the ledger thinks of it.
#[derive(Clone, Copy)]
pub(super) struct Chain<'a> {
    pub(super) tree: &'a HeaderTree,
    pub(super) head: Head,
    pub(super) finalized: Option<Head>,
    /// What the pool doubts.
    pub(super) frozen: Option<Freeze>,
    /// What the ledger was told of that.
    pub(super) told: ChainFreeze,
    /// Whether too many nodes show another chain of its height.
    pub(super) is_doubted: bool,
}

/// What to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    /// It is in this block of the agreed chain.
    Included { found: Found, confirmations: u32, is_final: bool },
    /// Its block is not on the agreed chain any more.
    Gone,
}

/// Where a block is, seen from the agreed head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    OnChain,
    OffChain,
    /// Below all remembered headers, or above the head and not against it.
    Unknown,
}

impl Chain<'_> {
    /// `None` when there is nothing new to say.
    pub(super) fn judge(&self, known: Option<&DepositChanged>, found: Option<&Found>) -> Option<Statement> {
        // In any other doubt the agreed head proves nothing, for a deposit or against it.
        if !matches!(self.frozen, None | Some(Freeze::FinalityReverted)) {
            return None;
        }
        let of_ledger = known.map(found_of);
        if let Some(found) = found.filter(|found| self.place(found.block) == Place::OnChain) {
            return self.included(known, found);
        }
        let known = known?;
        let of_ledger = of_ledger?;
        match self.place(of_ledger.block) {
            Place::OnChain => self.included(Some(known), &of_ledger),
            Place::OffChain if is_news_that_it_is_gone(known) => Some(Statement::Gone),
            Place::OffChain | Place::Unknown => None,
        }
    }

    fn place(&self, block: Head) -> Place {
        if block.height < self.tree.root().height {
            return Place::Unknown;
        }
        if self.head.height >= block.height {
            let is_on = self.tree.contains(self.head.hash, block);
            return if is_on { Place::OnChain } else { Place::OffChain };
        }
        // Nodes that fall back on their own chain take nothing away.
        let is_known = self.tree.get(block.hash).is_some();
        if is_known && !self.tree.contains(block.hash, self.head) { Place::OffChain } else { Place::Unknown }
    }

    fn included(&self, known: Option<&DepositChanged>, found: &Found) -> Option<Statement> {
        if self.frozen.is_some() {
            return None;
        }
        let above = (self.head.height.0 + 1).saturating_sub(found.block.height.0);
        let confirmations = u32::try_from(above).unwrap_or(u32::MAX);
        let is_final = self.finalized.is_some_and(|finalized| found.block.height <= finalized.height);
        // What a majority has may be credited long before the chain calls it final: not while others contradict it.
        if self.is_doubted {
            return None;
        }
        let is_news = known.is_none_or(|known| {
            let has_moved = known.block.0 != found.block.hash.0;
            let is_enough = if known.required == 0 { is_final } else { confirmations >= known.required };
            match known.stage {
                DepositStage::Included => has_moved || is_enough,
                DepositStage::Confirmed => has_moved || self.told == ChainFreeze::Thawed,
                DepositStage::Credited => has_moved || known.is_reverted,
                // It is on the agreed chain again.
                DepositStage::Orphaned => true,
                // What is in no block is not judged here.
                DepositStage::Seen | DepositStage::Replaced => true,
                DepositStage::Rejected | DepositStage::Refused | DepositStage::Quarantined => false,
            }
        });
        is_news.then_some(Statement::Included { found: *found, confirmations, is_final })
    }
}

fn is_news_that_it_is_gone(known: &DepositChanged) -> bool {
    match known.stage {
        DepositStage::Included | DepositStage::Confirmed => true,
        DepositStage::Credited => !known.is_reverted,
        _ => false,
    }
}

/// A deposit as the ledger has it, as if it had just been found.
pub(super) fn found_of(known: &DepositChanged) -> Found {
    let DepositChanged { index, asset, amount, block: ChainHash(hash), height, .. } = *known;
    Found { index, asset, amount, block: Head { height: Height(height), hash: BlockHash(hash) } }
}

#[cfg(test)]
mod tests;
