//! Children: transactions of ours that spend the change of a stuck one of ours, their parent, back to the hot wallet and pay
//! for both. Where nodes take no replacement, that is what gets the parent mined: whoever mines the child has to mine its parent.
//!
//! A child is a move of the exchange's own money, and goes a withdrawal's way from Held on. What is its own:
//!
//! - It spends one output, the change of one of its parent's transactions, while that is stuck; one child of a parent is open
//!   at a time. It may be a parent itself.
//! - What it pays, and what its parent's transaction pays, are together below the cap of one transaction: to help a withdrawal
//!   costs no more than to replace it.
//! - When its parent comes to its end, it ends where it is of no use (Orphaned): one that has nothing yet is canceled; one that
//!   spends what its parent's settled transaction does not make can never be mined, and has failed. It would be on the
//!   chain only if the chain took its parent's end back, which freezes the chain. A child of the settled transaction goes its way.

use wire::command::AllocateWithdrawal;
use wire::event::WithdrawalChanged;
use wire::{Amount, RejectReason, WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalStage};

use super::payment::MISMATCH;
use super::policy::NOT_OPEN;
use super::stage::{self, Move};
use super::{Attempt, LedgerCell, Open, Refused};
use crate::effects::Effects;

impl LedgerCell {
    /// Whether a child may be made of what is stuck.
    pub(super) fn check_parent(&self, child: &WithdrawalChanged) -> Result<(), Refused> {
        let parent = self.withdrawals.rows.get(&child.parent);
        // What comes back of a batch's transaction is the batch's, and no member's.
        let parent = parent.filter(|parent| parent.batch == WithdrawalId::default());
        let parent = parent.filter(|parent| (parent.chain, parent.asset) == (child.chain, child.asset));
        let parent = parent.ok_or(Refused::because(RejectReason::UnknownWithdrawal))?;
        if parent.stage != WithdrawalStage::Stuck {
            return Err(NOT_OPEN);
        }
        if child.address.is_empty() {
            return Err(RejectReason::AddressNotAllowed.into());
        }
        Ok(())
    }

    /// Whether one of the parent's transactions has as much change as the child is to move.
    pub(super) fn check_parents_change(&self, child: &WithdrawalChanged) -> Result<(), Refused> {
        let listed = self.blockchains.get(child.chain)?.asset(child.asset)?;
        let wanted = self.chain_units(listed, child.amount).ok_or(MISMATCH)?;
        let is_enough = |attempt: &Attempt| attempt.change >= wanted;
        let parent = self.withdrawals.open.get(&child.parent).ok_or(NOT_OPEN)?;
        if parent.attempts.iter().any(is_enough) { Ok(()) } else { Err(MISMATCH) }
    }

    /// What the transactions that a child helps pay to the chain. A replacement of it helps the same.
    pub(super) fn helped_fee(
        &self,
        allocate: &AllocateWithdrawal,
        row: &WithdrawalChanged,
        open: &Open,
    ) -> Result<u128, Refused> {
        if row.purpose != WithdrawalPurpose::Child || open.allocation.is_some() {
            return Ok(open.helped_fee);
        }
        let [input] = allocate.inputs.as_slice() else { return Err(MISMATCH) };
        let parent = self.withdrawals.open.get(&row.parent).ok_or(NOT_OPEN)?;
        let made = parent.attempts.iter().find(|attempt| attempt.tx == input.tx).ok_or(MISMATCH)?;
        if input.key != 0 || made.change == 0 || u128::from(input.amount) != made.change {
            return Err(MISMATCH);
        }
        Ok(made.network_fee.saturating_add(parent.helped_fee))
    }

    /// What the end of a withdrawal means for its child, and for the child of that.
    pub(super) fn end_child(&mut self, parent: &WithdrawalChanged, effects: &mut Effects<'_>) {
        let mut parent = *parent;
        while parent.stage.is_final() {
            let Some(child) = self.withdrawals.children.get(&parent.withdrawal).copied() else { return };
            let Some(row) = self.orphan(child, &parent) else { return };
            self.change_withdrawal(row, effects);
            parent = row;
        }
    }

    /// The child after its parent's end, if it ends with it.
    fn orphan(&mut self, id: WithdrawalId, parent: &WithdrawalChanged) -> Option<WithdrawalChanged> {
        let mut row = *self.withdrawals.rows.get(&id)?;
        let spent = self.withdrawals.open.get(&id)?.allocation.and_then(|it| it.inputs.as_slice().first().copied());
        let is_made = parent.stage == WithdrawalStage::Settled && spent.is_some_and(|input| input.tx == parent.tx);
        if is_made {
            return None;
        }
        // What was on the chain is not any more: its parent's end says so, whoever tells of it first.
        let ways: &[Move] = match row.stage {
            WithdrawalStage::Held => &[Move::Cancel],
            WithdrawalStage::Allocated => &[Move::Refuse],
            WithdrawalStage::Conflicted => &[Move::Fail],
            WithdrawalStage::Mined | WithdrawalStage::Confirmed => &[Move::Vanish, Move::Conflict, Move::Fail],
            _ => &[Move::Conflict, Move::Fail],
        };
        for way in ways {
            row.stage = stage::next(row.stage, *way)?;
        }
        row.cause = WithdrawalCause::Orphaned;
        (row.confirmations, row.network_fee, row.is_undone) = (0, 0, false);
        self.free_house(&mut row);
        self.return_held(&mut row, Amount::ZERO);
        Some(row)
    }
}
