//! Batches: one transaction that pays several withdrawals, its members. Chainwatch gathers those that are held and due on one chain, of
//! its own coin, where transactions have outputs.
//!
//! A batch is a row of the house, as a move is, and goes a withdrawal's way from Held on: it has the allocation, the transactions, the
//! replacements and the child. What is its own:
//!
//! - Its amount is the sum of its members' amounts. The house pays its network fee, once, below the cap of one transaction; each
//!   member's account pays its own fee to the house, as if it went alone.
//! - While it is held a member may leave: canceled, or released by chainwatch. When the last has left, it is over (Disbanded). From
//!   Allocated on the signer may have been asked for just these outputs, so none leaves any more.
//! - Every command that moves a batch moves its members to the same stage: all of them are settled, or none. Only where nothing was
//!   signed and never will be (its first transaction refused, or the batch taken back) are they held again, and go alone.
//! - Nothing is said of a member itself: what would be is refused and names the batch.

use wire::codec::CodecError;
use wire::command::{GatherWithdrawals, ReleaseWithdrawal};
use wire::event::WithdrawalChanged;
use wire::{
    AddressFormat, Amount, AssetId, ChainAddress, ChainFreeze, ChainId, Event, RejectReason, WithdrawalCause,
    WithdrawalId, WithdrawalPurpose, WithdrawalStage,
};

use super::payment::MISMATCH;
use super::policy::NOT_OPEN;
use super::stage::{self, Move};
use super::{Answer, LedgerCell, Open, Refused, Wanted, Withdrawals, beginning};
use crate::effects::Effects;
use crate::version::Behaviour;

const NONE: WithdrawalId = WithdrawalId::new(0);

/// What the members of a batch have in common, and together.
struct Gathered {
    amount: Amount,
    required: u32,
}

impl LedgerCell {
    /// A batch of withdrawals that are held and due, if it is its turn.
    pub(crate) fn gather_withdrawals(&mut self, gather: &GatherWithdrawals, effects: &mut Effects<'_>) -> Answer {
        let GatherWithdrawals { chain, fence, turn, asset, members } = *gather;
        self.withdrawals.forget(self.now);
        let blockchain = self.blockchains.get(chain)?;
        blockchain.check_fence(fence)?;
        if blockchain.freeze != ChainFreeze::Thawed {
            return Err(RejectReason::ChainIsFrozen.into());
        }
        self.check_reserves(chain, asset)?;
        if turn != self.withdrawals.turn(chain) {
            return Err(Refused::naming(RejectReason::MoveOutOfTurn, self.withdrawals.turn(chain)));
        }
        let rules = self.withdrawals.rules.get(&(chain, asset)).copied();
        let rules = rules.ok_or(Refused::because(RejectReason::WithdrawalsDisabled))?;
        if blockchain.addresses() == AddressFormat::Evm || !blockchain.asset(asset)?.contract.is_empty() {
            return Err(MISMATCH);
        }
        let Gathered { amount, required } = self.check_gathered(chain, asset, members.as_slice())?;
        let purpose = WithdrawalPurpose::Batch;
        if !self.withdrawals.has_room(purpose) {
            return Err(RejectReason::TableFull.into());
        }

        let batch = WithdrawalId::new(self.withdrawals.next);
        let what = Wanted { chain, asset, address: ChainAddress::EMPTY, amount, purpose, key: 0, parent: NONE };
        let row = WithdrawalChanged { required, ..beginning(batch, what, &rules, self.now) };
        self.withdrawals.next += 1;
        self.withdrawals.turns.insert(chain, turn + 1);
        self.withdrawals.open.insert(batch, Open::new(rules.house, row.sender()));
        self.withdrawals.put(row);
        effects.tell(Event::WithdrawalChanged(Box::new(row)));
        for member in members.as_slice() {
            let row = WithdrawalChanged { batch, ..self.withdrawals.rows[member] };
            self.change_withdrawal(row, effects);
        }
        Ok(batch.get())
    }

    /// A ladder of refusals, each of which names the withdrawal that it is of.
    fn check_gathered(&self, chain: ChainId, asset: AssetId, members: &[WithdrawalId]) -> Result<Gathered, Refused> {
        let mut gathered = None;
        for id in members {
            let because = |reason| Refused::naming(reason, id.get());
            let row = self.of_chain(chain, *id).map_err(|_| because(RejectReason::UnknownWithdrawal))?;
            if row.asset != asset || row.purpose != WithdrawalPurpose::Payment {
                return Err(because(RejectReason::WithdrawalMismatch));
            }
            if row.batch != NONE {
                return Err(because(RejectReason::WithdrawalInBatch));
            }
            if row.stage != WithdrawalStage::Held {
                return Err(because(RejectReason::WithdrawalNotOpen));
            }
            if self.now < row.ready_at {
                return Err(because(RejectReason::WithdrawalNotReady));
            }
            self.check_member(&row)?;
            let Gathered { amount, required } =
                gathered.unwrap_or(Gathered { amount: Amount::ZERO, required: row.required });
            if required != row.required {
                return Err(because(RejectReason::WithdrawalMismatch));
            }
            let amount = amount.checked_add(row.amount).ok_or(because(RejectReason::WithdrawalTooLarge))?;
            gathered = Some(Gathered { amount, required });
        }
        gathered.ok_or(MISMATCH)
    }

    /// What operators have stopped meanwhile does not go.
    fn check_member(&self, row: &WithdrawalChanged) -> Result<(), Refused> {
        let naming = |refused: Refused| Refused::naming(refused.reason, row.withdrawal.get());
        self.check_account(row.account).map_err(naming)?;
        self.check_address(row.account, row.chain, &row.address).map_err(naming)
    }

    /// The same of all that go together.
    pub(super) fn check_members(&self, batch: &WithdrawalChanged) -> Result<(), Refused> {
        let members = self.withdrawals.members.get(&batch.withdrawal).into_iter().flatten();
        members.filter_map(|id| self.withdrawals.rows.get(id)).try_for_each(|row| self.check_member(row))
    }

    /// Only of what goes alone anything is said.
    pub(super) fn alone(&self, row: WithdrawalChanged) -> Result<WithdrawalChanged, Refused> {
        if row.batch == NONE { Ok(row) } else { Err(Refused::naming(RejectReason::WithdrawalInBatch, row.batch.get())) }
    }

    /// A member goes alone, or all of a batch do; or a sweep that is held has nothing left to sweep, and is over.
    pub(crate) fn release_withdrawal(
        &mut self,
        release: &ReleaseWithdrawal,
        behaviour: Behaviour,
        effects: &mut Effects<'_>,
    ) -> Answer {
        self.blockchains.get(release.chain)?.check_fence(release.fence)?;
        let mut row = self.of_chain(release.chain, release.withdrawal)?;
        if row.stage != WithdrawalStage::Held {
            return Err(NOT_OPEN);
        }
        // A sweep that has no inputs yet may find none any more.
        let ends_sweep = row.purpose == WithdrawalPurpose::Sweep && behaviour.ends_sweeps();
        if row.purpose == WithdrawalPurpose::Batch || ends_sweep {
            row.stage = stage::next(row.stage, Move::Cancel).ok_or(NOT_OPEN)?;
            row.cause = WithdrawalCause::Disbanded;
            self.return_held(&mut row, Amount::ZERO);
            self.change_withdrawal(row, effects);
            return Ok(0);
        }
        let batch = std::mem::take(&mut row.batch);
        if batch == NONE {
            return Err(NOT_OPEN);
        }
        row.stage = stage::next(row.stage, Move::Release).ok_or(NOT_OPEN)?;
        row.changed_at = self.now;
        self.change_withdrawal(row, effects);
        self.shrink_batch(batch, row.amount, effects);
        Ok(0)
    }

    /// One that was to get so much has left a batch that is held.
    pub(super) fn shrink_batch(&mut self, batch: WithdrawalId, amount: Amount, effects: &mut Effects<'_>) {
        let Some(mut row) = self.withdrawals.rows.get(&batch).copied() else { return };
        row.amount = row.amount.checked_sub(amount).expect("it is the sum of its members' amounts");
        if !self.withdrawals.members.contains_key(&batch) {
            row.stage = stage::next(row.stage, Move::Cancel).expect("members leave while their batch is held");
            row.cause = WithdrawalCause::Disbanded;
            self.return_held(&mut row, Amount::ZERO);
        }
        self.change_withdrawal(row, effects);
    }

    /// Members stand where their batch stands, and what is booked is booked of each.
    pub(super) fn carry_members(&mut self, batch: &WithdrawalChanged, effects: &mut Effects<'_>) {
        let is_over_unsigned = batch.stage == WithdrawalStage::Canceled
            || (batch.stage, batch.cause) == (WithdrawalStage::Failed, WithdrawalCause::SignerRefused);
        if batch.stage == WithdrawalStage::Held {
            return;
        }
        let members: Vec<WithdrawalId> =
            self.withdrawals.members.get(&batch.withdrawal).into_iter().flatten().copied().collect();
        for id in members {
            let mut row = self.withdrawals.rows[&id];
            if is_over_unsigned {
                row.stage = stage::next(row.stage, Move::Release).expect("nothing was signed for it");
                (row.batch, row.changed_at) = (NONE, self.now);
            } else {
                let was_final = row.stage.is_final();
                row = with_batch(row, batch);
                if !was_final && row.stage.is_final() {
                    self.end_member(&mut row, effects);
                }
            }
            self.change_withdrawal(row, effects);
        }
    }

    fn end_member(&mut self, row: &mut WithdrawalChanged, effects: &mut Effects<'_>) {
        match row.cause {
            _ if row.stage == WithdrawalStage::Settled => self.pay_out(row, effects),
            WithdrawalCause::Undone => {
                self.keep_fee(row);
                self.return_held(row, row.amount);
            }
            _ => self.return_money(row),
        }
    }
}

/// A member where its batch stands. What the chain has got for all of them is told of the batch.
fn with_batch(row: WithdrawalChanged, batch: &WithdrawalChanged) -> WithdrawalChanged {
    WithdrawalChanged {
        stage: batch.stage,
        cause: batch.cause,
        changed_at: batch.changed_at,
        attempts: batch.attempts,
        tx: batch.tx,
        block: batch.block,
        height: batch.height,
        confirmations: batch.confirmations,
        is_undone: batch.is_undone,
        is_reverted: batch.is_reverted,
        ..row
    }
}

impl Withdrawals {
    /// Of a snapshot: members stand where their batch stands, and what one holds is what they get. Of those that are over some may be
    /// forgotten.
    pub(super) fn check_members(&self) -> Result<(), CodecError> {
        for (batch, members) in &self.members {
            let rows = members.iter().filter_map(|id| self.rows.get(id));
            let batch = self.rows.get(batch).filter(|row| row.purpose == WithdrawalPurpose::Batch);
            let batch = batch.ok_or(CodecError::OutOfRange)?;
            let is_together = |row: &WithdrawalChanged| {
                (row.chain, row.asset, row.stage, row.purpose)
                    == (batch.chain, batch.asset, batch.stage, WithdrawalPurpose::Payment)
            };
            let sum: i128 = rows.clone().map(|row| row.amount.wide()).sum();
            let is_whole = batch.stage.is_final() || sum == batch.amount.wide();
            if !is_whole || !rows.clone().all(is_together) {
                return Err(CodecError::OutOfRange);
            }
        }
        Ok(())
    }
}
