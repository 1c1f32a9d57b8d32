//! Several withdrawals by one transaction: `engine/src/ledger/withdrawals/batches.rs` states the rules.
//!
//! Who is a member is looked up anew each time, in the rows that name the batch; so is the sum of what they get.

use wire::command::{GatherWithdrawals, ReleaseWithdrawal};
use wire::event::WithdrawalChanged;
use wire::{
    AddressFormat, ChainFreeze, RejectReason, WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalStage,
};

use super::super::super::numbers::amount;
use super::super::{Answer, Ledger, Refused, no};
use super::payment::{MISMATCH, NOT_OPEN};

/// So many withdrawals of clients that may be remembered leave room for one batch.
const PAYMENTS_A_BATCH: u32 = 4;

/// Nothing is said of what goes with others but by their batch.
pub(super) fn goes_alone(row: &WithdrawalChanged) -> Result<(), Refused> {
    match row.batch.get() {
        0 => Ok(()),
        batch => Err((RejectReason::WithdrawalInBatch, batch)),
    }
}

impl Ledger {
    fn row_of(&self, id: WithdrawalId) -> Option<WithdrawalChanged> {
        self.withdrawals.remembered().map(|one| one.row).find(|row| row.withdrawal == id)
    }

    fn members_of(&self, batch: WithdrawalId) -> Vec<WithdrawalChanged> {
        let is_member = |row: &WithdrawalChanged| batch.get() != 0 && row.batch == batch;
        self.withdrawals.remembered().map(|one| one.row).filter(is_member).collect()
    }

    pub(in crate::model::ledger) fn gather_withdrawals(&mut self, gather: &GatherWithdrawals) -> Answer {
        use RejectReason::*;
        let GatherWithdrawals { chain, fence, turn, asset, members } = *gather;
        self.forget_one();
        let known = self.chain(chain)?;
        known.check_fence(fence)?;
        if known.freeze() != ChainFreeze::Thawed {
            return no(ChainIsFrozen);
        }
        let is_evm = known.format() == AddressFormat::Evm;
        let of_house = |row: &WithdrawalChanged| row.chain == chain && row.purpose.is_of_house();
        let made = self.withdrawals.all.iter().filter(|one| of_house(&one.row)).count() as u64;
        if turn != made {
            return Err((MoveOutOfTurn, made));
        }
        let rules = self.rules_of(chain, asset).ok_or((WithdrawalsDisabled, 0))?;
        if is_evm || !self.listed_on(chain, asset)?.contract.is_empty() {
            return Err(MISMATCH);
        }
        let (mut sum, mut required) = (0, None);
        for id in members.as_slice() {
            let why = self.why_not_gathered(*id, gather, required);
            if let Some(why) = why {
                return Err((why, id.get()));
            }
            let row = self.row_of(*id).expect("it was looked at");
            required = Some(row.required);
            sum += row.amount.wide();
        }
        if self.count_of(|purpose| purpose == WithdrawalPurpose::Batch)
            >= self.capacity.withdrawals_max.div_ceil(PAYMENTS_A_BATCH) as usize
        {
            return no(TableFull);
        }
        let row = self.first_row(chain, asset, &rules);
        let required = required.expect("a batch has members");
        let row = WithdrawalChanged { amount: amount(sum), purpose: WithdrawalPurpose::Batch, required, ..row };
        let batch = self.begin_withdrawal(row, rules.house);
        for id in members.as_slice() {
            let row = self.row_of(*id).expect("it was looked at");
            self.change_withdrawal(WithdrawalChanged { batch: row_id(batch), ..row });
        }
        Ok(batch)
    }

    fn why_not_gathered(
        &self,
        id: WithdrawalId,
        gather: &GatherWithdrawals,
        required: Option<u32>,
    ) -> Option<RejectReason> {
        use RejectReason::*;
        let row = self.row_of(id).filter(|row| row.chain == gather.chain);
        let Some(row) = row else { return Some(UnknownWithdrawal) };
        if row.asset != gather.asset || row.purpose.is_of_house() {
            return Some(WithdrawalMismatch);
        }
        if row.batch.get() != 0 {
            return Some(WithdrawalInBatch);
        }
        if row.stage != WithdrawalStage::Held {
            return Some(WithdrawalNotOpen);
        }
        if row.ready_at.nanos() > self.now {
            return Some(WithdrawalNotReady);
        }
        let may_go = self.check_withdrawer(row.account);
        let may_go = may_go.and_then(|()| self.check_destination(row.account, row.chain, row.address));
        let is_other = required.is_some_and(|required| required != row.required);
        may_go.err().map(|(why, _)| why).or(is_other.then_some(WithdrawalMismatch))
    }

    /// Whether all members may go still; the first that may not is named.
    pub(super) fn check_all_of(&self, batch: WithdrawalId) -> Result<(), Refused> {
        for row in self.members_of(batch) {
            let may_go = self.check_withdrawer(row.account);
            let may_go = may_go.and_then(|()| self.check_destination(row.account, row.chain, row.address));
            may_go.map_err(|(why, _)| (why, row.withdrawal.get()))?;
        }
        Ok(())
    }

    pub(in crate::model::ledger) fn release_withdrawal(&mut self, release: &ReleaseWithdrawal) -> Answer {
        let ReleaseWithdrawal { chain, fence, withdrawal } = *release;
        self.chain(chain)?.check_fence(fence)?;
        let row = self.row_of(withdrawal).filter(|row| row.chain == chain);
        let mut row = row.ok_or((RejectReason::UnknownWithdrawal, 0))?;
        // From version 3 on a sweep ends as well.
        let ends = match row.purpose {
            WithdrawalPurpose::Batch => true,
            WithdrawalPurpose::Sweep => self.version >= 3,
            _ => false,
        };
        if row.stage != WithdrawalStage::Held || (!ends && row.batch.get() == 0) {
            return Err(NOT_OPEN);
        }
        row.changed_at = self.time();
        let batch = std::mem::take(&mut row.batch);
        if ends {
            (row.stage, row.cause) = (WithdrawalStage::Canceled, WithdrawalCause::Disbanded);
        }
        self.change_withdrawal(row);
        self.count_members(batch);
        self.take_along(withdrawal);
        Ok(0)
    }

    /// A batch that a member has left is of less, or over.
    pub(super) fn count_members(&mut self, batch: WithdrawalId) {
        let Some(mut row) = self.row_of(batch) else { return };
        let members = self.members_of(batch);
        row.amount = amount(members.iter().map(|row| row.amount.wide()).sum());
        if members.is_empty() {
            (row.stage, row.cause) = (WithdrawalStage::Canceled, WithdrawalCause::Disbanded);
            row.changed_at = self.time();
        }
        self.change_withdrawal(row);
    }

    /// Where a batch has come to, its members have. One that has ended without any transaction has none any more.
    pub(super) fn take_along(&mut self, id: WithdrawalId) {
        let Some(batch) = self.row_of(id).filter(|row| row.purpose == WithdrawalPurpose::Batch) else { return };
        for before in self.members_of(id) {
            if batch.stage == WithdrawalStage::Held {
                return;
            }
            let mut row = before;
            if batch.stage.is_final() && batch.attempts == 0 {
                (row.stage, row.batch, row.changed_at) = (WithdrawalStage::Held, row_id(0), self.time());
                self.change_withdrawal(row);
                continue;
            }
            (row.stage, row.cause, row.changed_at) = (batch.stage, batch.cause, batch.changed_at);
            (row.attempts, row.tx, row.block, row.height) = (batch.attempts, batch.tx, batch.block, batch.height);
            row.confirmations = batch.confirmations;
            (row.is_undone, row.is_reverted) = (batch.is_undone, batch.is_reverted);
            if row.stage.is_final() && !before.stage.is_final() {
                self.end_with_batch(&mut row);
            }
            self.change_withdrawal(row);
        }
    }

    /// Gone, or free again; the fee is the house's of whatever the chain has.
    fn end_with_batch(&mut self, row: &mut WithdrawalChanged) {
        let house = self.withdrawal(row.withdrawal).expect("it was found before").house;
        if row.cause == WithdrawalCause::Operator {
            self.give_back(row, row.amount.wide() + row.fee.wide());
            return;
        }
        if row.is_undone {
            self.give_back(row, row.amount.wide());
        }
        self.leave_books(row, house);
    }
}

fn row_id(number: u64) -> WithdrawalId {
    WithdrawalId::new(number)
}
