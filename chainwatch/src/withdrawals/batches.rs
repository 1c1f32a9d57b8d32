//! Which withdrawals go together: those that are held and due at the same moment, as far as one transaction takes them. Where
//! nodes count nonces each goes alone.
//!
//! Nobody waits for others unless that is asked for: while one transaction is made, what else comes gathers. A batch that does not
//! get on is over before the signer was asked: its members go alone for a while, each for what it is.

use wire::command::{GatherWithdrawals, ReleaseWithdrawal};
use wire::event::WithdrawalChanged;
use wire::{
    Amount, BatchMembers, ChainAddress, Command, RejectReason, Timestamp, WithdrawalId, WithdrawalPurpose,
    WithdrawalStage,
};

use super::funding::{self, Unfunded};
use super::refusals::{Asked, Hindrance};
use super::view::Known;
use super::{Executor, Facts, Step, moves};
use crate::signer::bitcoin::{BitcoinScheme, script_of};
use crate::signer::payment::Scheme;

/// What has left a batch goes alone for so long: it may be why that did not get on.
const ALONE_NS: u64 = 3_600 * 1_000_000_000;

/// What becomes of those that are due.
pub(super) enum Gathering {
    /// One transaction is to pay several of them.
    Together(Step),
    /// These wait for others; the rest goes alone, now.
    Later(Vec<WithdrawalId>),
}

/// A batch pays so many times less than the cap when it is gathered.
const FEE_RESERVE: u128 = 2;

impl Executor {
    /// Gathers some of these, which are due, in the order in which it is their turn.
    pub(super) fn gather(&self, due: &[WithdrawalId], facts: &Facts, fence: u64, now: Timestamp) -> Gathering {
        let nobody = Gathering::Later(Vec::new());
        let max = self.tuning.batch_max.min(BatchMembers::MAX);
        let Scheme::Bitcoin(scheme) = &self.scheme else { return nobody };
        // One at a time: what is held has not said yet which coins it takes.
        let is_held =
            |known: &Known| known.row.purpose == WithdrawalPurpose::Batch && known.row.stage == WithdrawalStage::Held;
        let is_paused = self.refusals.is_paused(Asked::Batch, now);
        if max < BatchMembers::MIN || is_paused || self.view.all().any(is_held) {
            return nobody;
        }
        let coin = self.view.coin();
        let goes_alone = |known: &Known| known.left_at.is_some_and(|left_at| now < left_at.plus_nanos(ALONE_NS));
        let may_gather = |known: &&Known| {
            let row = &known.row;
            let is_coin = row.purpose == WithdrawalPurpose::Payment && Some(row.asset) == coin;
            // What can be no output would take the others with it when the signer refuses.
            let is_enough = self.view.units(row.asset, row.amount).is_some_and(|units| units >= scheme.dust.into());
            is_coin && is_enough && script_of(scheme, row.address.as_str()).is_some()
        };
        let due = due.iter().filter_map(|id| self.view.get(*id));
        let mut due: Vec<&WithdrawalChanged> =
            due.filter(may_gather).filter(|known| !goes_alone(known)).map(|known| &known.row).collect();
        let Some(required) = due.first().map(|first| first.required) else { return nobody };
        due.retain(|row| row.required == required);
        let since = |row: &&WithdrawalChanged| row.ready_at.max(row.changed_at);
        let oldest = due.iter().map(since).min().unwrap_or(now);
        if due.len() < max && now < oldest.plus_nanos(self.tuning.gather_ns) {
            return Gathering::Later(due.iter().map(|row| row.withdrawal).collect());
        }
        let members = self.that_fit(&due, max, scheme, facts);
        match BatchMembers::new(&members) {
            Some(members) => Gathering::Together(self.gather_step(due[0], members, fence)),
            None => nobody,
        }
    }

    fn gather_step(&self, first: &WithdrawalChanged, members: BatchMembers, fence: u64) -> Step {
        let (chain, turn, asset) = (self.chain, self.view.turn(), first.asset);
        Step::Gather(Command::GatherWithdrawals(Box::new(GatherWithdrawals { chain, fence, turn, asset, members })))
    }

    /// Those of them that the hot wallet has coins for, below its bounds and for a fee below the cap; in order.
    fn that_fit(
        &self,
        due: &[&WithdrawalChanged],
        max: usize,
        scheme: &BitcoinScheme,
        facts: &Facts,
    ) -> Vec<WithdrawalId> {
        let mut members: Vec<WithdrawalId> = Vec::new();
        let mut sum = Amount::ZERO;
        for row in due {
            let Some(amount) = sum.checked_add(row.amount).filter(|_| members.len() < max) else { break };
            let batch = WithdrawalChanged {
                withdrawal: WithdrawalId::default(),
                address: ChainAddress::EMPTY,
                purpose: WithdrawalPurpose::Batch,
                amount,
                ..**row
            };
            let fee = funding::batch_fee(&self.view, &batch, members.len() + 1, scheme, facts);
            // It may have to be replaced, or to be helped by a child, under the same cap.
            let has_room = |fee: u128| {
                let cap = self.view.network_fee_max(&batch).unwrap_or(0);
                if fee.saturating_mul(FEE_RESERVE) > cap { Err(Unfunded::FeeAboveCap) } else { Ok(fee) }
            };
            let fits = fee.and_then(has_room);
            let fits = fits.and_then(|fee| moves::check_low(&self.view, &self.scheme, &batch, facts, fee));
            if fits.is_ok() {
                members.push(row.withdrawal);
                sum = amount;
            }
        }
        members.sort_unstable();
        members
    }

    /// A batch that cannot get on now as it is: its members go alone.
    pub(super) fn disband(&self, batch: WithdrawalId, why: Unfunded, fence: u64) -> Option<Step> {
        let known = self.view.get(batch).filter(|known| known.row.purpose == WithdrawalPurpose::Batch)?;
        let is_for_long = matches!(
            why,
            Unfunded::SignerWaits | Unfunded::HotWalletTooLow | Unfunded::HotWalletAtBound | Unfunded::FeeAboveCap
        );
        let is_held = known.row.stage == WithdrawalStage::Held;
        (is_held && is_for_long).then(|| self.release(batch, fence))
    }

    pub(super) fn release(&self, withdrawal: WithdrawalId, fence: u64) -> Step {
        let release = ReleaseWithdrawal { chain: self.chain, fence, withdrawal };
        Step::Propose(withdrawal, Command::ReleaseWithdrawal(release))
    }

    /// The next member that has to leave its batch.
    pub(super) fn next_leaving(&mut self, fence: u64, now: Timestamp) -> Option<Step> {
        let view = &self.view;
        let batch = |id| view.get(id).map(|known| known.row.batch).filter(|batch| view.is_member(*batch, id));
        let is_held = |id| {
            let row = batch(id).and_then(|batch| view.get(batch)).map(|known| known.row);
            row.is_some_and(|row| row.stage == WithdrawalStage::Held)
        };
        self.leaving.retain(|id| is_held(*id));
        let next = self.leaving.iter().copied().find(|id| !self.is_paused(*id, now))?;
        Some(self.release(next, fence))
    }

    /// The ledger has refused what was proposed for a withdrawal. Whether it has named a member of that batch, which will go without it.
    pub fn on_refused_naming(&mut self, withdrawal: WithdrawalId, reason: RejectReason, named: u64) -> bool {
        let named = WithdrawalId::new(named);
        let is_member = is_of_one(reason) && self.view.is_member(withdrawal, named);
        if is_member {
            self.leaving.insert(named);
        }
        is_member
    }

    /// The ledger has refused a batch, perhaps for a withdrawal that it has named, or has not answered. That one is left alone for a
    /// while, or all go alone. Whether that is news.
    pub fn on_gather_refused(&mut self, refused: Option<(RejectReason, u64)>, now: Timestamp) -> bool {
        let why = refused.map_or(Hindrance::LedgerSilent, |(reason, _)| Hindrance::LedgerRefuses(reason));
        let named = refused.filter(|(reason, _)| is_of_one(*reason)).map(|(_, named)| WithdrawalId::new(named));
        let held = named.filter(|id| self.view.get(*id).is_some_and(|known| known.row.stage == WithdrawalStage::Held));
        match held {
            Some(held) => {
                // The others have their turn before it has its next.
                self.waiting.note(held, None, now);
                self.on_refused(held, why, now)
            }
            None => self.refusals.note(Asked::Batch, why, now),
        }
    }
}

/// Whether a refusal is of one of those that go together, and names it. Others name fences, turns and owners.
fn is_of_one(reason: RejectReason) -> bool {
    use RejectReason::*;
    matches!(
        reason,
        WithdrawalsBlocked
            | AccountKilled
            | AddressNotAllowed
            | AddressOfExchange
            | UnknownWithdrawal
            | WithdrawalMismatch
            | WithdrawalInBatch
            | WithdrawalNotOpen
            | WithdrawalNotReady
            | WithdrawalTooLarge
    )
}
