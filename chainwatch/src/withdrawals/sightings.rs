//! What the agreed chain says of a withdrawal's transactions, beside what the ledger has of them.

use wire::command::ReportWithdrawal;
use wire::event::WithdrawalChanged;
use wire::{ChainHash, Command, Sighting, Timestamp, WithdrawalCause, WithdrawalStage};

use super::facts::{self, Facts, Included};
use super::view::Known;
use super::{Executor, Step};

impl Executor {
    /// What the agreed chain says of one that is not on it as far as the ledger knows.
    pub(super) fn see(&self, known: &Known, facts: &Facts, fence: u64) -> Option<Step> {
        let row = &known.row;
        if let Some((tx, included)) = on_chain(known, facts) {
            return Some(self.report_included(row, tx, included, facts, fence));
        }
        let last = known.signed.last().map(|(_, signed)| signed.tx)?;
        // While one of them may still be mined, nothing is lost.
        let is_conflicted = known.signed.iter().all(|(allocated, _)| {
            facts::spends(row.sender(), allocated).filter_map(|spend| facts.spent.get(&spend)).any(|(tx, height)| {
                let is_ours = known.signed.iter().any(|(_, signed)| signed.tx == *tx);
                !is_ours && facts.is_deep(*height, row.required)
            })
        });
        match row.stage {
            WithdrawalStage::Conflicted if !is_conflicted => Some(self.report(row, last, Sighting::Dropped, fence)),
            WithdrawalStage::Conflicted | WithdrawalStage::Allocated => None,
            _ if is_conflicted => Some(self.report(row, last, Sighting::Conflicting, fence)),
            _ => None,
        }
    }

    /// Of one that the ledger has on the chain: is it still, is it another one, is it deep enough?
    pub(super) fn follow_up(&self, known: &Known, facts: &Facts, fence: u64) -> Option<Step> {
        let row = &known.row;
        match on_chain(known, facts) {
            Some((tx, included)) => {
                let is_moved = (tx, included.block, included.is_undone) != (row.tx, row.block, row.is_undone);
                let is_deep = facts.is_deep(included.height, row.required);
                let is_due = is_deep && (row.stage == WithdrawalStage::Mined || self.is_thawed());
                (is_moved || is_due).then(|| self.report_included(row, tx, included, facts, fence))
            }
            // A head that fell back proves nothing against what is above it, nor what was forgotten against what is below.
            None if (facts.since.0..=facts.head.height.0).contains(&row.height) => {
                Some(self.report(row, row.tx, Sighting::Gone, fence))
            }
            None => None,
        }
    }

    /// Of one that is booked: does the chain take it back, or has it come again?
    pub(super) fn watch_over(&self, known: &Known, facts: &Facts, fence: u64) -> Option<Step> {
        let row = &known.row;
        if row.cause == WithdrawalCause::Operator && !row.is_reverted {
            // Its money went back: that one of its transactions is on the chain is what must not be.
            let (tx, included) = on_chain(known, facts).filter(|(_, included)| !included.is_undone)?;
            return Some(self.report_included(row, tx, included, facts, fence));
        }
        // What an orphan spends is there only if its parent's end is taken back, which is told of the parent.
        let is_deep = row.height < facts.since.0 && !row.is_reverted;
        if known.is_orphan() || row.height == 0 || is_deep {
            return None;
        }
        match facts.included.get(&row.tx) {
            None if row.cause == WithdrawalCause::Operator => {
                let is_gone = facts.head.height.0 >= row.height;
                is_gone.then(|| self.report(row, row.tx, Sighting::Gone, fence))
            }
            Some(_) if row.cause == WithdrawalCause::Operator => None,
            // Mined anew, it has moved its money after all, or has not.
            Some(included) if !row.is_reverted && included.is_undone != row.is_undone => {
                Some(self.report(row, row.tx, Sighting::Gone, fence))
            }
            // Mined again, or in another block, it is told once more when it is as deep as it was when it was booked.
            Some(included)
                if !row.is_reverted
                    && row.confirmations < row.required
                    && facts.is_deep(included.height, row.required) =>
            {
                Some(self.report_included(row, row.tx, *included, facts, fence))
            }
            Some(included) if row.is_reverted && included.is_undone == row.is_undone => {
                Some(self.report_included(row, row.tx, *included, facts, fence))
            }
            None if !row.is_reverted && facts.head.height.0 >= row.height => {
                Some(self.report(row, row.tx, Sighting::Gone, fence))
            }
            _ => None,
        }
    }

    /// What the chain has taken back of one that is settled goes to every node again as it is, once an operator has looked: it has
    /// been paid for, and what it gave back to the wallet may be spent already. One that the chain had undone was not paid; what
    /// it would do now is nobody's wish.
    pub(super) fn send_again(&self, known: &Known, facts: &Facts, now: Timestamp) -> Option<Step> {
        let row = &known.row;
        let is_lost = row.is_reverted && row.stage == WithdrawalStage::Settled && !facts.included.contains_key(&row.tx);
        if !is_lost || !self.is_thawed() || facts.pooled.contains(&row.tx) || !self.is_to_be_sent(row.tx, now) {
            return None;
        }
        let (_, signed) = known.signed.iter().find(|(_, signed)| signed.tx == row.tx)?;
        Some(Step::Send(signed.tx, signed.bytes.clone()))
    }

    pub(super) fn is_to_be_sent(&self, tx: ChainHash, now: Timestamp) -> bool {
        self.sent_at.get(&tx).is_none_or(|at| now >= at.plus_nanos(self.tuning.resend_ns))
    }

    pub(super) fn report(&self, row: &WithdrawalChanged, tx: ChainHash, sighting: Sighting, fence: u64) -> Step {
        let (chain, withdrawal, block) = (self.chain, row.withdrawal, ChainHash::default());
        let report = ReportWithdrawal {
            chain,
            fence,
            withdrawal,
            tx,
            sighting,
            block,
            height: 0,
            confirmations: 0,
            is_final: false,
            network_fee: 0,
        };
        Step::Propose(withdrawal, Command::ReportWithdrawal(Box::new(report)))
    }

    fn report_included(
        &self,
        row: &WithdrawalChanged,
        tx: ChainHash,
        included: Included,
        facts: &Facts,
        fence: u64,
    ) -> Step {
        let Included { block, height, network_fee, is_undone } = included;
        let report = ReportWithdrawal {
            chain: self.chain,
            fence,
            withdrawal: row.withdrawal,
            tx,
            sighting: if is_undone { Sighting::Undone } else { Sighting::Included },
            block,
            height,
            confirmations: facts.confirmations(height),
            is_final: facts.finalized.is_some_and(|finalized| height <= finalized.0),
            network_fee,
        };
        Step::Propose(row.withdrawal, Command::ReportWithdrawal(Box::new(report)))
    }
}

/// Which of a withdrawal's transactions the agreed chain has.
fn on_chain(known: &Known, facts: &Facts) -> Option<(ChainHash, Included)> {
    known.signed.iter().find_map(|(_, signed)| Some((signed.tx, *facts.included.get(&signed.tx)?)))
}
