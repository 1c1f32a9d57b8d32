//! From inputs or a nonce to money that is gone: what the instance with the claim proposes.

use wire::command::{AllocateWithdrawal, FailWithdrawal, RefuseWithdrawal, ReportWithdrawal, SignWithdrawal};
use wire::event::{ChainAssetListed, Debited, WithdrawalAllocated, WithdrawalChanged, WithdrawalSigned};
use wire::{
    Amount, AssetId, ChainFreeze, ChainHash, Event, RejectReason, Sighting, WithdrawalCause, WithdrawalId,
    WithdrawalPurpose, WithdrawalStage,
};

use super::super::blockchains::freeze;
use super::policy::NOT_OPEN;
use super::stage::{self, Move};
use super::{ATTEMPTS_MAX, Answer, Attempt, LedgerCell, Open, Refused};
use crate::effects::Effects;

pub(super) const MISMATCH: Refused = Refused { reason: RejectReason::WithdrawalMismatch, id: 0 };

impl LedgerCell {
    /// Gives a withdrawal's next transaction what it spends, and has the house hold what it may pay to its chain.
    pub(crate) fn allocate_withdrawal(&mut self, allocate: &AllocateWithdrawal, effects: &mut Effects<'_>) -> Answer {
        let mut row = self.proposed(allocate.chain, allocate.fence, allocate.withdrawal)?;
        let open = self.withdrawals.open.get(&row.withdrawal).ok_or(NOT_OPEN)?;
        let is_repeated = matches!(row.stage, WithdrawalStage::Allocated | WithdrawalStage::Bumped)
            && open.allocation.is_some_and(|known| AllocateWithdrawal { fence: allocate.fence, ..known } == *allocate);
        if is_repeated {
            return Ok(0);
        }
        if row.stage == WithdrawalStage::Held {
            // What has a transaction goes its way: another of the same moves no more than it.
            self.check_reserves(row.chain, row.asset)?;
        }
        if row.stage == WithdrawalStage::Held && row.purpose == WithdrawalPurpose::Batch {
            self.check_members(&row)?;
        } else if row.stage == WithdrawalStage::Held && row.purpose.is_of_house() {
            self.check_move(&row)?;
        } else if row.stage == WithdrawalStage::Held {
            // It may have waited for long: what operators have stopped meanwhile does not go.
            self.check_account(row.account)?;
            self.check_address(row.account, row.chain, &row.address)?;
        }
        row.stage = stage::next(row.stage, Move::Allocate).ok_or(NOT_OPEN)?;
        let (coin, needed, helped_fee) = self.check_allocation(allocate, &row, open)?;

        let house = open.house;
        self.balances.release(house, coin, row.house_held);
        self.balances.hold(house, coin, needed);
        let id = row.withdrawal;
        let open = self.withdrawals.open.get_mut(&id).expect("it was found above");
        let (before, sender) = (open.allocation.replace(*allocate), open.sender);
        open.helped_fee = helped_fee;
        for spent in before.iter().flat_map(|before| Open::spends(sender, before)) {
            self.withdrawals.spent.remove(&(row.chain, spent));
        }
        self.withdrawals.spent.extend(Open::spends(sender, allocate).map(|spent| ((row.chain, spent), id)));
        let AllocateWithdrawal {
            chain, withdrawal, attempt, inputs, nonce, network_fee, gas_limit, tip_per_gas, ..
        } = *allocate;
        let told =
            WithdrawalAllocated { chain, withdrawal, attempt, inputs, nonce, network_fee, gas_limit, tip_per_gas };
        effects.tell(Event::WithdrawalAllocated(Box::new(told)));
        (row.house_held, row.changed_at) = (needed, self.now);
        self.change_withdrawal(row, effects);
        Ok(0)
    }

    /// A ladder of refusals. The chain's own coin, how much of it the house must hold, and what those pay that a child helps.
    fn check_allocation(
        &self,
        allocate: &AllocateWithdrawal,
        row: &WithdrawalChanged,
        open: &Open,
    ) -> Result<(AssetId, Amount, u128), Refused> {
        let chain = self.blockchains.get(row.chain)?;
        if chain.freeze != ChainFreeze::Thawed {
            return Err(RejectReason::ChainIsFrozen.into());
        }
        if self.now < row.ready_at {
            return Err(RejectReason::WithdrawalNotReady.into());
        }
        if usize::from(allocate.attempt) != open.attempts.len() + 1 {
            return Err(MISMATCH);
        }
        if open.attempts.len() >= ATTEMPTS_MAX {
            return Err(RejectReason::TableFull.into());
        }
        self.check_funding(allocate, row)?;
        let helped_fee = self.helped_fee(allocate, row, open)?;
        let rules = self.withdrawals.rules.get(&(row.chain, row.asset));
        if allocate.network_fee.saturating_add(helped_fee) > rules.map_or(0, |rules| rules.network_fee_max) {
            return Err(RejectReason::NetworkFeeTooHigh.into());
        }
        for spent in Open::spends(open.sender, allocate) {
            if let Some(owner) = self.withdrawals.spent.get(&(row.chain, spent)).filter(|it| **it != row.withdrawal) {
                return Err(Refused::naming(RejectReason::InputTaken, owner.get()));
            }
        }
        if let Some(before) = &open.allocation {
            let (old, new) = (before.inputs.as_slice(), allocate.inputs.as_slice());
            let is_same = if old.is_empty() { new.is_empty() } else { new.starts_with(old) };
            let paid = open.attempts.last().map_or(0, |last| last.network_fee);
            if !is_same || before.nonce != allocate.nonce || allocate.network_fee <= paid {
                return Err(RejectReason::NotAReplacement.into());
            }
        }
        let coin = chain.coin()?;
        let needed = self.units_up(coin, allocate.network_fee).ok_or(NETWORK_FEE_TOO_HIGH)?;
        let available = self.balances.get(open.house, coin.asset).free.checked_add(row.house_held);
        if available.is_none_or(|available| available < needed) {
            return Err(RejectReason::HouseBalanceTooLow.into());
        }
        Ok((coin.asset, needed, helped_fee))
    }

    /// Whether the transaction has what it gives: inputs that cover amount and fee, or a nonce and gas.
    fn check_funding(&self, allocate: &AllocateWithdrawal, row: &WithdrawalChanged) -> Result<(), Refused> {
        let inputs = allocate.inputs.as_slice();
        if allocate.network_fee == 0 {
            return Err(MISMATCH);
        }
        if inputs.is_empty() {
            let is_batch = row.purpose == WithdrawalPurpose::Batch;
            return if allocate.gas_limit > 0 && !is_batch { Ok(()) } else { Err(MISMATCH) };
        }
        let listed = self.blockchains.get(row.chain)?.asset(row.asset)?;
        let is_covered = self.change(allocate, row).is_some();
        let is_coin = listed.contract.is_empty();
        let is_plain = (allocate.nonce, allocate.gas_limit, allocate.tip_per_gas) == (0, 0, 0);
        // A child spends what it was made for, and nothing else.
        let is_its_own = row.purpose != WithdrawalPurpose::Child || inputs.len() == 1;
        if is_covered && is_coin && is_plain && is_its_own { Ok(()) } else { Err(MISMATCH) }
    }

    /// What inputs hold beyond what they give and pay: it comes back to the hot wallet. `None` when they do not cover that.
    fn change(&self, allocate: &AllocateWithdrawal, row: &WithdrawalChanged) -> Option<u128> {
        let listed = self.blockchains.get(row.chain).and_then(|chain| chain.asset(row.asset)).ok()?;
        let given = if row.purpose.comes_back() { Amount::ZERO } else { row.amount };
        let needed = self.chain_units(listed, given)?.checked_add(allocate.network_fee)?;
        let funds: u128 = allocate.inputs.as_slice().iter().map(|input| u128::from(input.amount)).sum();
        funds.checked_sub(needed)
    }

    /// From here on the bytes are in the log, and may be sent.
    pub(crate) fn sign_withdrawal(&mut self, sign: &SignWithdrawal, effects: &mut Effects<'_>) -> Answer {
        let mut row = self.proposed(sign.chain, sign.fence, sign.withdrawal)?;
        let is_thawed = self.blockchains.get(sign.chain)?.freeze == ChainFreeze::Thawed;
        let open = self.withdrawals.open.get(&row.withdrawal).ok_or(NOT_OPEN)?;
        let at = usize::from(sign.attempt).checked_sub(1).ok_or(MISMATCH)?;
        if let Some(known) = open.attempts.get(at) {
            return if known.tx == sign.tx { Ok(0) } else { Err(MISMATCH) };
        }
        row.stage = stage::next(row.stage, Move::Sign).ok_or(NOT_OPEN)?;
        if !is_thawed {
            return Err(RejectReason::ChainIsFrozen.into());
        }
        let is_known = open.attempts.iter().any(|known| known.tx == sign.tx) || sign.tx == ChainHash::default();
        let allocation = open.allocation.filter(|known| known.attempt == sign.attempt && !is_known).ok_or(MISMATCH)?;
        // Where a nonce orders transactions nothing is spent that could come back.
        let change = self.change(&allocation, &row).unwrap_or(0);
        let attempt = Attempt { tx: sign.tx, network_fee: allocation.network_fee, change };
        self.withdrawals.open.get_mut(&row.withdrawal).expect("it was found above").attempts.push(attempt);
        (row.attempts, row.tx, row.changed_at) = (sign.attempt, sign.tx, self.now);
        let SignWithdrawal { chain, withdrawal, attempt, tx, ref bytes, .. } = *sign;
        if row.purpose == WithdrawalPurpose::Gas {
            self.withdrawals.gifts.insert(chain, tx, withdrawal);
        }
        let bytes = bytes.clone();
        effects.tell(Event::WithdrawalSigned(Box::new(WithdrawalSigned { chain, withdrawal, attempt, tx, bytes })));
        self.change_withdrawal(row, effects);
        Ok(0)
    }

    /// Nothing was signed and nothing will be: a first transaction ends the withdrawal, a replacement is not made.
    pub(crate) fn refuse_withdrawal(&mut self, refuse: &RefuseWithdrawal, effects: &mut Effects<'_>) -> Answer {
        let mut row = self.proposed(refuse.chain, refuse.fence, refuse.withdrawal)?;
        let open = self.withdrawals.open.get(&row.withdrawal).ok_or(NOT_OPEN)?;
        row.stage = stage::next(row.stage, Move::Refuse).ok_or(NOT_OPEN)?;
        if open.allocation.is_none_or(|known| known.attempt != refuse.attempt) {
            return Err(MISMATCH);
        }
        if row.stage == WithdrawalStage::Failed {
            row.cause = WithdrawalCause::SignerRefused;
            self.free_house(&mut row);
            self.return_money(&mut row);
        }
        row.changed_at = self.now;
        self.change_withdrawal(row, effects);
        Ok(0)
    }

    /// An operator has looked at what spent a withdrawal's inputs or nonce.
    pub(crate) fn fail_withdrawal(&mut self, fail: &FailWithdrawal, effects: &mut Effects<'_>) -> Answer {
        let mut row = self.alone(self.withdrawal(fail.withdrawal)?)?;
        row.stage = stage::next(row.stage, Move::Fail).ok_or(NOT_OPEN)?;
        row.cause = WithdrawalCause::Operator;
        let open = self.withdrawals.open.get(&row.withdrawal).ok_or(NOT_OPEN)?;
        let txs = open.attempts.iter().map(|attempt| attempt.tx).collect();
        self.withdrawals.failed.insert(row.withdrawal, txs);
        self.free_house(&mut row);
        self.return_money(&mut row);
        self.change_withdrawal(row, effects);
        self.end_child(&row, effects);
        Ok(0)
    }

    /// What was seen of one of a withdrawal's transactions.
    pub(crate) fn report_withdrawal(&mut self, report: &ReportWithdrawal, effects: &mut Effects<'_>) -> Answer {
        let before = self.proposed(report.chain, report.fence, report.withdrawal)?;
        if before.stage.is_final() {
            return self.report_final(before, report, effects);
        }
        let open = self.withdrawals.open.get(&before.withdrawal).ok_or(NOT_OPEN)?;
        let attempt = *open.attempts.iter().find(|attempt| attempt.tx == report.tx).ok_or(MISMATCH)?;
        let mut row = before;
        let how = match report.sighting {
            Sighting::Sent => Move::Send,
            Sighting::Pooled => Move::Pool,
            Sighting::Dropped => Move::Drop,
            Sighting::Included | Sighting::Undone => Move::Include,
            Sighting::Gone => Move::Vanish,
            Sighting::Overdue => Move::Delay,
            Sighting::Conflicting => Move::Conflict,
        };
        row.stage = stage::next(row.stage, how).ok_or(NOT_OPEN)?;
        match how {
            Move::Include if report.network_fee > attempt.network_fee => return Err(MISMATCH),
            Move::Include => {
                row.tx = report.tx;
                note_block(report, &mut row);
                self.deepen(report, &mut row, effects);
            }
            Move::Vanish if report.tx != row.tx => return Err(MISMATCH),
            Move::Vanish => {
                (row.confirmations, row.network_fee, row.is_undone) = (0, 0, false);
            }
            _ => {}
        }
        if row.stage != before.stage {
            row.changed_at = self.now;
        }
        self.change_withdrawal(row, effects);
        self.end_child(&row, effects);
        Ok(0)
    }

    /// What is on the agreed chain, and how deep: enough confirms it, and settles it unless the chain is frozen.
    fn deepen(&mut self, report: &ReportWithdrawal, row: &mut WithdrawalChanged, effects: &mut Effects<'_>) {
        let is_enough = if row.required == 0 { report.is_final } else { report.confirmations >= row.required };
        let confirmed = stage::next(row.stage, Move::Confirm).filter(|_| is_enough);
        let Some(confirmed) = confirmed else { return };
        row.stage = confirmed;
        let is_thawed = self.blockchains.get(row.chain).is_ok_and(|chain| chain.freeze == ChainFreeze::Thawed);
        let how = if row.is_undone { Move::Undo } else { Move::Settle };
        let Some(ended) = stage::next(row.stage, how).filter(|_| is_thawed) else { return };
        row.stage = ended;
        row.changed_at = self.now;
        self.pay_network_fee(row, effects);
        if row.is_undone {
            row.cause = WithdrawalCause::Undone;
            self.keep_fee(row);
            self.return_held(row, row.amount);
        } else {
            self.pay_out(row, effects);
        }
    }

    /// What has left is booked, and the account's fee with it.
    pub(super) fn pay_out(&mut self, row: &WithdrawalChanged, effects: &mut Effects<'_>) {
        let WithdrawalChanged { withdrawal, account, asset, amount, fee, purpose, .. } = *row;
        if purpose.is_of_house() {
            self.withdrawals.close(withdrawal);
            return;
        }
        self.balances.pay_out(account, asset, amount);
        effects.tell(Event::Debited(Debited { account, asset, amount }));
        if let Some(open) = self.withdrawals.close(withdrawal).filter(|_| !fee.is_zero()) {
            self.balances.hand_over(account, open.house, asset, fee);
        }
    }

    /// The house pays what the transaction has paid, to the ledger unit; what that is more is part of the next payment.
    fn pay_network_fee(&mut self, row: &mut WithdrawalChanged, effects: &mut Effects<'_>) {
        let prepaid = self.withdrawals.prepaid.get(&row.chain).copied().unwrap_or(0);
        let coin = self.blockchains.get(row.chain).and_then(|chain| chain.coin().copied());
        let coin = coin.expect("the house has held of the chain's coin");
        let owed = row.network_fee.saturating_sub(prepaid);
        let paid = self.units_up(&coin, owed).expect("no more than the house has held");
        let unit = self.chain_unit(&coin);
        let paid_on_chain = owed.div_ceil(unit) * unit;
        let left = (prepaid + paid_on_chain).saturating_sub(row.network_fee);
        self.withdrawals.prepaid.insert(row.chain, left);
        let house = self.withdrawals.open.get(&row.withdrawal).expect("it is not final yet").house;
        if !paid.is_zero() {
            self.balances.pay_out(house, coin.asset, paid);
            effects.tell(Event::Debited(Debited { account: house, asset: coin.asset, amount: paid }));
        }
        row.house_held = row.house_held.checked_sub(paid).expect("no more than the house has held");
        self.free_house(row);
    }

    /// Whoever has money sent to where it cannot arrive pays for the try: else a contract that undoes everything would have the
    /// house pay the chain, as often as its owner likes.
    pub(super) fn keep_fee(&mut self, row: &WithdrawalChanged) {
        if let Some(open) = self.withdrawals.open.get(&row.withdrawal).filter(|_| !row.fee.is_zero()) {
            self.balances.hand_over(row.account, open.house, row.asset, row.fee);
        }
    }

    /// What the house holds for a withdrawal's transactions is free again.
    pub(super) fn free_house(&mut self, row: &mut WithdrawalChanged) {
        let coin = self.blockchains.get(row.chain).and_then(|chain| chain.coin()).map(|coin| coin.asset);
        if let (Ok(coin), Some(open)) = (coin, self.withdrawals.open.get(&row.withdrawal)) {
            self.balances.release(open.house, coin, row.house_held);
            row.house_held = Amount::ZERO;
        }
    }

    /// After the end no balance is edited: a chain that contradicts it is frozen until an operator has looked.
    fn report_final(
        &mut self,
        mut row: WithdrawalChanged,
        report: &ReportWithdrawal,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let was_reverted = row.is_reverted;
        let was_on_chain = row.stage == WithdrawalStage::Settled || row.cause == WithdrawalCause::Undone;
        if let Some(txs) = self.withdrawals.failed.get(&row.withdrawal) {
            // The money is free again: that one of its transactions is on the chain after all is what must not be.
            match report.sighting {
                Sighting::Included if txs.contains(&report.tx) => {
                    (row.tx, row.block, row.height) = (report.tx, report.block, report.height);
                    (row.confirmations, row.is_reverted) = (report.confirmations, true);
                }
                Sighting::Gone if was_reverted && row.tx == report.tx => row.is_reverted = false,
                _ => return Err(NOT_OPEN),
            }
        } else if was_on_chain && row.tx == report.tx {
            match report.sighting {
                Sighting::Included | Sighting::Undone => {
                    let is_undone = report.sighting == Sighting::Undone;
                    if is_undone != row.is_undone {
                        return Err(MISMATCH);
                    }
                    (row.block, row.height, row.confirmations) = (report.block, report.height, report.confirmations);
                    row.is_reverted = false;
                }
                Sighting::Gone => row.is_reverted = true,
                _ => return Err(NOT_OPEN),
            }
        } else {
            return Err(NOT_OPEN);
        }
        let chain = row.chain;
        let is_new = row.is_reverted && !was_reverted;
        self.change_withdrawal(row, effects);
        if is_new {
            freeze(self.blockchains.known(chain), ChainFreeze::WithdrawalReverted, effects);
        }
        Ok(0)
    }

    /// A withdrawal of a chain of which the claim's holder speaks.
    fn proposed(&self, chain: wire::ChainId, fence: u64, id: WithdrawalId) -> Result<WithdrawalChanged, Refused> {
        self.blockchains.get(chain)?.check_fence(fence)?;
        self.alone(self.of_chain(chain, id)?)
    }

    pub(super) fn of_chain(&self, chain: wire::ChainId, id: WithdrawalId) -> Result<WithdrawalChanged, Refused> {
        self.withdrawal(id).ok().filter(|row| row.chain == chain).ok_or(RejectReason::UnknownWithdrawal.into())
    }

    /// How many of the chain's units one ledger unit is: 1 where the chain's are not the smaller ones.
    fn chain_unit(&self, listed: &ChainAssetListed) -> u128 {
        let decimals = self.registry.asset(listed.asset).map_or(0, |asset| asset.ledger_decimals);
        10_u128.pow(listed.chain_decimals.saturating_sub(decimals).into())
    }

    /// Ledger units that cover an amount of the chain's.
    pub(super) fn units_up(&self, listed: &ChainAssetListed, amount: u128) -> Option<Amount> {
        let decimals = self.registry.asset(listed.asset).ok()?.ledger_decimals;
        let more = 10_u128.pow(decimals.saturating_sub(listed.chain_decimals).into());
        let units = amount.div_ceil(self.chain_unit(listed)).checked_mul(more)?;
        i128::try_from(units).ok().and_then(Amount::from_wide)
    }
}

const NETWORK_FEE_TOO_HIGH: Refused = Refused { reason: RejectReason::NetworkFeeTooHigh, id: 0 };

fn note_block(report: &ReportWithdrawal, row: &mut WithdrawalChanged) {
    (row.block, row.height, row.confirmations) = (report.block, report.height, report.confirmations);
    row.network_fee = report.network_fee;
    row.is_undone = report.sighting == Sighting::Undone;
}
