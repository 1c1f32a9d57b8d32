//! From inputs or a nonce to money that is gone: `engine/src/ledger/withdrawals.rs` and its `payment.rs` state the rules.

use wire::command::{AllocateWithdrawal, FailWithdrawal, RefuseWithdrawal, ReportWithdrawal, SignWithdrawal};
use wire::event::{ChainAssetListed, Debited, WithdrawalAllocated, WithdrawalChanged, WithdrawalSigned};
use wire::{
    AccountId, AssetId, ChainFreeze, ChainHash, ChainId, Event, RejectReason, Sighting, WithdrawalCause, WithdrawalId,
    WithdrawalPurpose, WithdrawalStage,
};

use super::super::super::numbers::amount;
use super::super::{Answer, Ledger, Refused, no};
use super::batches::goes_alone;
use super::{On, Withdrawal, covering, on_chain, way};

const ATTEMPTS_MAX: usize = 16;
pub(super) const MISMATCH: Refused = (RejectReason::WithdrawalMismatch, 0);
pub(super) const NOT_OPEN: Refused = (RejectReason::WithdrawalNotOpen, 0);

/// The outputs that a transaction spends, or the nonce: whose, and which.
fn spends(row: &WithdrawalChanged, allocation: &AllocateWithdrawal) -> Vec<(ChainHash, u64, u64)> {
    let inputs = allocation.inputs.as_slice();
    match inputs {
        [] => vec![(ChainHash([0; 32]), row.sender().into(), allocation.nonce)],
        inputs => inputs.iter().map(|input| (input.tx, u64::MAX, input.output.into())).collect(),
    }
}

impl Ledger {
    /// One of a chain of which the claim's holder speaks.
    fn proposed(&mut self, chain: ChainId, fence: u64, id: WithdrawalId) -> Result<Withdrawal, Refused> {
        self.chain(chain)?.check_fence(fence)?;
        let known = self.withdrawal(id)?.clone();
        if known.row.chain != chain {
            return no(RejectReason::UnknownWithdrawal);
        }
        goes_alone(&known.row)?;
        Ok(known)
    }

    /// The same, as long as it is not over.
    fn proposed_open(&mut self, chain: ChainId, fence: u64, id: WithdrawalId) -> Result<Withdrawal, Refused> {
        let known = self.proposed(chain, fence, id)?;
        if known.row.stage.is_final() { Err(NOT_OPEN) } else { Ok(known) }
    }

    pub(in crate::model::ledger) fn allocate_withdrawal(&mut self, allocate: &AllocateWithdrawal) -> Answer {
        let AllocateWithdrawal { chain, fence, withdrawal, attempt, inputs, nonce, .. } = *allocate;
        let AllocateWithdrawal { network_fee, gas_limit, tip_per_gas, .. } = *allocate;
        let known = self.proposed_open(chain, fence, withdrawal)?;
        let mut row = known.row;
        let before = known.allocation.map(|before| AllocateWithdrawal { fence, ..before });
        let is_unsigned = matches!(row.stage, WithdrawalStage::Allocated | WithdrawalStage::Bumped);
        if is_unsigned && before == Some(*allocate) {
            return Ok(0);
        }
        if row.stage == WithdrawalStage::Held {
            if row.purpose == WithdrawalPurpose::Batch {
                self.check_all_of(withdrawal)?;
            } else if row.purpose.is_of_house() {
                self.check_move(&row)?;
            } else {
                self.check_withdrawer(row.account)?;
                self.check_destination(row.account, row.chain, row.address)?;
            }
        }
        row.stage = way(row.stage, On::Allocate)?;
        let (coin, needed) = self.check_allocation(allocate, &known)?;
        let (house, held) = (known.house.get(), row.house_held.wide());
        self.shift(house, coin, held - needed, needed - held);
        self.withdrawal(withdrawal)?.allocation = Some(*allocate);
        self.events.push(Event::WithdrawalAllocated(Box::new(WithdrawalAllocated {
            chain,
            withdrawal,
            attempt,
            inputs,
            nonce,
            network_fee,
            gas_limit,
            tip_per_gas,
        })));
        (row.house_held, row.changed_at) = (amount(needed), self.time());
        self.change_withdrawal(row);
        self.take_along(withdrawal);
        Ok(0)
    }

    /// The chain's coin, and how much of it the house holds for the transaction.
    fn check_allocation(&self, new: &AllocateWithdrawal, known: &Withdrawal) -> Result<(AssetId, i128), Refused> {
        use RejectReason::*;
        let row = &known.row;
        if self.chain(row.chain)?.freeze() != ChainFreeze::Thawed {
            return no(ChainIsFrozen);
        }
        if self.now < row.ready_at.nanos() {
            return no(WithdrawalNotReady);
        }
        if usize::from(new.attempt) != known.signed.len() + 1 {
            return Err(MISMATCH);
        }
        if known.signed.len() >= ATTEMPTS_MAX {
            return no(TableFull);
        }
        self.check_funding(new, row)?;
        let helped = self.check_child_spends(new, known)?;
        if new.network_fee + helped > self.rules_of(row.chain, row.asset).map_or(0, |rules| rules.network_fee_max) {
            return no(NetworkFeeTooHigh);
        }
        let others = self.withdrawals.all.iter().filter(|other| {
            other.row.chain == row.chain && other.row.withdrawal != row.withdrawal && !other.row.stage.is_final()
        });
        let taken: Vec<_> = others
            .flat_map(|other| other.allocation.iter().map(|allocation| (other.row, spends(&other.row, allocation))))
            .collect();
        for spent in spends(row, new) {
            if let Some((owner, _)) = taken.iter().find(|(_, taken)| taken.contains(&spent)) {
                return Err((InputTaken, owner.withdrawal.get()));
            }
        }
        if let Some(before) = known.allocation {
            let (old, inputs) = (before.inputs.as_slice(), new.inputs.as_slice());
            let spends_the_same = inputs.starts_with(old) && old.is_empty() == inputs.is_empty();
            let pays_more = new.network_fee > known.signed.last().map_or(0, |(_, paid, _)| *paid);
            if !spends_the_same || before.nonce != new.nonce || !pays_more {
                return no(NotAReplacement);
            }
        }
        let coin = self.coin_of(row.chain)?;
        let needed = covering(new.network_fee, &coin).ok_or((NetworkFeeTooHigh, 0))?;
        if self.balance(known.house.get(), coin.asset).0 + row.house_held.wide() < needed {
            return no(HouseBalanceTooLow);
        }
        Ok((coin.asset, needed))
    }

    fn check_funding(&self, new: &AllocateWithdrawal, row: &WithdrawalChanged) -> Result<(), Refused> {
        let AllocateWithdrawal { nonce, gas_limit, tip_per_gas, network_fee, .. } = *new;
        let inputs = new.inputs.as_slice();
        let is_funded = if inputs.is_empty() {
            gas_limit > 0 && row.purpose != WithdrawalPurpose::Batch
        } else {
            let listed = self.listed_on(row.chain, row.asset)?;
            let is_enough = comes_back(new, row, &listed).is_some();
            let is_plenty = row.purpose == WithdrawalPurpose::Child && inputs.len() > 1;
            is_enough && !is_plenty && listed.contract.is_empty() && nonce == 0 && gas_limit == 0 && tip_per_gas == 0
        };
        if is_funded && network_fee > 0 { Ok(()) } else { Err(MISMATCH) }
    }

    pub(in crate::model::ledger) fn sign_withdrawal(&mut self, sign: &SignWithdrawal) -> Answer {
        let SignWithdrawal { chain, fence, withdrawal, attempt, tx, ref bytes } = *sign;
        let known = self.proposed_open(chain, fence, withdrawal)?;
        if attempt == 0 {
            return Err(MISMATCH);
        }
        if let Some((signed, ..)) = known.signed.get(usize::from(attempt) - 1) {
            return if *signed == tx { Ok(0) } else { Err(MISMATCH) };
        }
        let mut row = known.row;
        row.stage = way(row.stage, On::Sign)?;
        if self.chain(chain)?.freeze() != ChainFreeze::Thawed {
            return no(RejectReason::ChainIsFrozen);
        }
        let is_new = tx != ChainHash([0; 32]) && !known.signed.iter().any(|(signed, ..)| *signed == tx);
        let allocation = known.allocation.filter(|allocation| allocation.attempt == attempt && is_new);
        let allocation = allocation.ok_or(MISMATCH)?;
        let listed = self.listed_on(chain, row.asset)?;
        let change = comes_back(&allocation, &row, &listed).unwrap_or(0);
        self.withdrawal(withdrawal)?.signed.push((tx, allocation.network_fee, change));
        let bytes = bytes.clone();
        self.events.push(Event::WithdrawalSigned(Box::new(WithdrawalSigned { chain, withdrawal, attempt, tx, bytes })));
        (row.attempts, row.tx, row.changed_at) = (attempt, tx, self.time());
        self.change_withdrawal(row);
        self.take_along(withdrawal);
        Ok(0)
    }

    pub(in crate::model::ledger) fn refuse_withdrawal(&mut self, refuse: &RefuseWithdrawal) -> Answer {
        let RefuseWithdrawal { chain, fence, withdrawal, attempt } = *refuse;
        let known = self.proposed_open(chain, fence, withdrawal)?;
        let mut row = known.row;
        row.stage = way(row.stage, On::Refuse)?;
        if known.allocation.is_none_or(|allocation| allocation.attempt != attempt) {
            return Err(MISMATCH);
        }
        if row.stage == WithdrawalStage::Failed {
            row.cause = WithdrawalCause::SignerRefused;
            self.free_house(&mut row);
            self.give_back(&mut row, known.row.amount.wide() + known.row.fee.wide());
        }
        row.changed_at = self.time();
        self.change_withdrawal(row);
        self.take_along(withdrawal);
        Ok(0)
    }

    pub(in crate::model::ledger) fn fail_withdrawal(&mut self, fail: &FailWithdrawal) -> Answer {
        let mut row = self.withdrawal(fail.withdrawal)?.row;
        goes_alone(&row)?;
        row.stage = way(row.stage, On::Fail)?;
        row.cause = WithdrawalCause::Operator;
        self.free_house(&mut row);
        let total = row.amount.wide() + row.fee.wide();
        self.give_back(&mut row, total);
        self.change_withdrawal(row);
        self.take_along(fail.withdrawal);
        self.end_children();
        Ok(0)
    }

    pub(super) fn free_house(&mut self, row: &mut WithdrawalChanged) {
        let coin = self.coin_of(row.chain).expect("the house has held of it").asset;
        let house = self.withdrawal(row.withdrawal).expect("it was found before").house.get();
        self.shift(house, coin, row.house_held.wide(), -row.house_held.wide());
        row.house_held = amount(0);
    }

    pub(in crate::model::ledger) fn report_withdrawal(&mut self, report: &ReportWithdrawal) -> Answer {
        let known = self.proposed(report.chain, report.fence, report.withdrawal)?;
        let mut row = known.row;
        if row.stage.is_final() {
            return self.report_final(&known, report);
        }
        let (_, most, _) = *known.signed.iter().find(|(tx, ..)| *tx == report.tx).ok_or(MISMATCH)?;
        let on = match report.sighting {
            Sighting::Sent => On::Send,
            Sighting::Pooled => On::Pool,
            Sighting::Dropped => On::Drop,
            Sighting::Included | Sighting::Undone => On::Include,
            Sighting::Gone => On::Vanish,
            Sighting::Overdue => On::Delay,
            Sighting::Conflicting => On::Conflict,
        };
        row.stage = way(row.stage, on)?;
        if on == On::Vanish {
            if report.tx != row.tx {
                return Err(MISMATCH);
            }
            (row.confirmations, row.network_fee, row.is_undone) = (0, 0, false);
        }
        if on == On::Include {
            if report.network_fee > most {
                return Err(MISMATCH);
            }
            (row.tx, row.network_fee) = (report.tx, report.network_fee);
            (row.block, row.height, row.confirmations) = (report.block, report.height, report.confirmations);
            row.is_undone = report.sighting == Sighting::Undone;
            let is_deep = match row.required {
                0 => report.is_final,
                required => report.confirmations >= required,
            };
            let is_thawed = self.chain(row.chain)?.freeze() == ChainFreeze::Thawed;
            if is_deep {
                row.stage = WithdrawalStage::Confirmed;
            }
            if is_deep && is_thawed {
                self.settle(&known, &mut row);
            }
        }
        if row.stage != known.row.stage {
            row.changed_at = self.time();
        }
        self.change_withdrawal(row);
        self.take_along(report.withdrawal);
        self.end_children();
        Ok(0)
    }

    /// It is on the chain for good: the house pays the chain, and the amount is gone, or free again when it did not move.
    fn settle(&mut self, known: &Withdrawal, row: &mut WithdrawalChanged) {
        let (coin, house) = (self.coin_of(row.chain).expect("the house has held of it"), known.house);
        // All that was ever paid to the chain is so many whole ledger units.
        let is_booked =
            |row: &&WithdrawalChanged| row.stage == WithdrawalStage::Settled || row.cause == WithdrawalCause::Undone;
        let rows = self.withdrawals.all.iter().map(|one| &one.row).filter(|other| other.chain == row.chain);
        let before: u128 = rows.filter(is_booked).map(|row| row.network_fee).sum();
        let paid = |fees: u128| covering(fees, &coin).expect("no more than was held");
        let paid = paid(before + row.network_fee) - paid(before);
        if paid > 0 {
            self.shift(house.get(), coin.asset, 0, -paid);
            let amount = amount(paid);
            self.events.push(Event::Debited(Debited { account: house, asset: coin.asset, amount }));
        }
        row.house_held = amount(row.house_held.wide() - paid);
        self.free_house(row);
        if row.is_undone {
            (row.stage, row.cause) = (WithdrawalStage::Failed, WithdrawalCause::Undone);
            self.give_back(row, row.amount.wide());
        } else {
            (row.stage, row.changed_at) = (WithdrawalStage::Settled, self.time());
        }
        if !row.purpose.is_of_house() {
            self.leave_books(row, house);
        }
    }

    /// The amount of what was not undone is gone, and the house gets the fee.
    pub(super) fn leave_books(&mut self, row: &WithdrawalChanged, house: AccountId) {
        let (account, asset, fee) = (row.account, row.asset, row.fee.wide());
        if !row.is_undone {
            self.shift(account.get(), asset, 0, -row.amount.wide());
            self.events.push(Event::Debited(Debited { account, asset, amount: row.amount }));
        }
        if fee > 0 {
            self.shift(account.get(), asset, 0, -fee);
            self.shift(house.get(), asset, fee, 0);
        }
    }

    /// No balance changes any more, but what contradicts the end freezes the chain.
    fn report_final(&mut self, known: &Withdrawal, report: &ReportWithdrawal) -> Answer {
        let mut row = known.row;
        let is_its = known.signed.iter().any(|(tx, ..)| *tx == report.tx);
        let was_given_up = (row.stage, row.cause) == (WithdrawalStage::Failed, WithdrawalCause::Operator);
        let was_on_chain = row.stage == WithdrawalStage::Settled || row.cause == WithdrawalCause::Undone;
        let is_seen = matches!(report.sighting, Sighting::Included | Sighting::Undone);
        match report.sighting {
            Sighting::Included if was_given_up && is_its => (row.tx, row.is_reverted) = (report.tx, true),
            Sighting::Gone if was_given_up && row.is_reverted && row.tx == report.tx => row.is_reverted = false,
            _ if was_given_up => return Err(NOT_OPEN),
            _ if !was_on_chain || row.tx != report.tx => return Err(NOT_OPEN),
            Sighting::Included | Sighting::Undone if row.is_undone != (report.sighting == Sighting::Undone) => {
                return Err(MISMATCH);
            }
            Sighting::Included | Sighting::Undone => row.is_reverted = false,
            Sighting::Gone => row.is_reverted = true,
            _ => return Err(NOT_OPEN),
        }
        if is_seen {
            (row.block, row.height, row.confirmations) = (report.block, report.height, report.confirmations);
        }
        self.change_withdrawal(row);
        self.take_along(row.withdrawal);
        if row.is_reverted && !known.row.is_reverted {
            self.freeze(row.chain, ChainFreeze::WithdrawalReverted, false);
        }
        Ok(0)
    }
}

/// What inputs hold beyond what goes to somebody and to the chain, if they hold that. What is swept goes to nobody, and what a
/// child spends.
fn comes_back(of: &AllocateWithdrawal, row: &WithdrawalChanged, listed: &ChainAssetListed) -> Option<u128> {
    let stays = [WithdrawalPurpose::Sweep, WithdrawalPurpose::Child].contains(&row.purpose);
    let gives = on_chain(if stays { 0 } else { row.amount.wide() }, listed)?;
    let funds: u128 = of.inputs.as_slice().iter().map(|input| u128::from(input.amount)).sum();
    funds.checked_sub(gives + of.network_fee)
}
