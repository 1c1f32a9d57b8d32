//! Children of stuck withdrawals: `engine/src/ledger/withdrawals/children.rs` states the rules.
//!
//! What a child helps is walked through anew each time, from child to parent; nothing of it is remembered.

use wire::command::AllocateWithdrawal;
use wire::event::{ChainAssetListed, WithdrawalChanged};
use wire::{ChainHash, RejectReason, WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalStage};

use super::super::super::numbers::amount;
use super::super::{Ledger, Refused, no};
use super::payment::{MISMATCH, NOT_OPEN};
use super::{Withdrawal, on_chain};

impl Ledger {
    fn parent_of(&self, child: &WithdrawalChanged) -> Option<&Withdrawal> {
        self.withdrawals.all.iter().find(|one| one.row.withdrawal == child.parent)
    }

    pub(super) fn check_parent(&self, child: &WithdrawalChanged) -> Result<(), Refused> {
        let parent = self.parent_of(child).filter(|parent| !parent.is_forgotten && parent.row.batch.get() == 0);
        match parent.map(|parent| parent.row) {
            Some(parent) if (parent.chain, parent.asset) == (child.chain, child.asset) => {
                if parent.stage == WithdrawalStage::Stuck { Ok(()) } else { Err(NOT_OPEN) }
            }
            _ => no(RejectReason::UnknownWithdrawal),
        }
    }

    /// It moves no more than one of its parent's transactions gives back.
    pub(super) fn check_parents_change(
        &self,
        child: &WithdrawalChanged,
        listed: &ChainAssetListed,
    ) -> Result<(), Refused> {
        let changes = self.parent_of(child).into_iter().flat_map(|parent| &parent.signed).map(|(.., change)| *change);
        if changes.max() >= on_chain(child.amount.wide(), listed) { Ok(()) } else { Err(MISMATCH) }
    }

    /// What a child spends is what a transaction of its parent gives back. What that pays to the chain, and what it helps.
    pub(super) fn check_child_spends(&self, new: &AllocateWithdrawal, child: &Withdrawal) -> Result<u128, Refused> {
        if child.row.purpose != WithdrawalPurpose::Child {
            return Ok(0);
        }
        let spends = child.allocation.unwrap_or(*new);
        let [input] = spends.inputs.as_slice() else { return Err(MISMATCH) };
        let made = self.parent_of(&child.row).and_then(|parent| transaction(parent, input.tx));
        let change = made.map_or(0, |(_, change)| change);
        if change == 0 || change != u128::from(input.amount) || input.key != 0 {
            return Err(MISMATCH);
        }
        Ok(self.paid_from(child.row.parent, input.tx))
    }

    /// What a transaction pays to the chain, and all that it helps.
    fn paid_from(&self, of: WithdrawalId, tx: ChainHash) -> u128 {
        let Some(one) = self.withdrawals.all.iter().find(|one| one.row.withdrawal == of) else { return 0 };
        let paid = transaction(one, tx).map_or(0, |(paid, _)| paid);
        let spent = one.allocation.filter(|_| one.row.purpose == WithdrawalPurpose::Child);
        let spent = spent.and_then(|allocation| allocation.inputs.as_slice().first().copied());
        paid + spent.map_or(0, |input| self.paid_from(one.row.parent, input.tx))
    }

    /// Whoever's parent is over without it is over as well, however many that are.
    pub(super) fn end_children(&mut self) {
        loop {
            let rows = self.withdrawals.all.iter().map(|one| (one.row, one.allocation));
            let is_useless = |(row, allocation): &(WithdrawalChanged, Option<AllocateWithdrawal>)| {
                let parent = self.parent_of(row).map(|parent| parent.row).filter(|_| !row.stage.is_final());
                let spends = allocation.and_then(|it| it.inputs.as_slice().first().map(|input| input.tx));
                parent.is_some_and(|parent| {
                    let has_made_it = parent.stage == WithdrawalStage::Settled && spends == Some(parent.tx);
                    parent.stage.is_final() && !has_made_it
                })
            };
            let Some((mut row, _)) = rows.into_iter().find(is_useless) else { return };
            let is_new = row.stage == WithdrawalStage::Held;
            row.stage = if is_new { WithdrawalStage::Canceled } else { WithdrawalStage::Failed };
            (row.cause, row.changed_at) = (WithdrawalCause::Orphaned, self.time());
            (row.confirmations, row.network_fee, row.is_undone) = (0, 0, false);
            if !is_new {
                self.free_house(&mut row);
            }
            assert_eq!(row.house_held, amount(0), "what has no transaction costs the house nothing");
            self.change_withdrawal(row);
        }
    }
}

/// What a transaction of a withdrawal pays to the chain, and gives back.
fn transaction(of: &Withdrawal, tx: ChainHash) -> Option<(u128, u128)> {
    let mut signed = of.signed.iter();
    signed.find(|(known, ..)| *known == tx).map(|(_, paid, change)| (*paid, *change))
}
