//! Before anything is signed: what operators allow, what clients ask for, and whether that may be.

use wire::command::{
    AllowAddress, ApproveWithdrawal, CancelWithdrawal, RequestWithdrawal, RestrictWithdrawals, SetWithdrawalRules,
};
use wire::event::{
    AddressAllowed, ChainAssetListed, WithdrawalApproved, WithdrawalChanged, WithdrawalRulesChanged,
    WithdrawalsRestricted,
};
use wire::{
    AccountId, Amount, ChainAddress, ChainId, Event, RejectReason, Timestamp, WithdrawalCause, WithdrawalId,
    WithdrawalPurpose, WithdrawalRules, WithdrawalStage,
};

use super::super::loosenings::Subject;
use super::destinations::Destination;
use super::stage::{self, Move};
use super::{Answer, LedgerCell, Open, Refused, Wanted, beginning};
use crate::effects::Effects;

/// The most operators that one withdrawal may need.
const APPROVALS_MAX: u8 = 3;
/// The longest delay of a new address: 30 days, in seconds.
const ADDRESS_DELAY_S_MAX: u32 = 30 * 24 * 3_600;

/// More than any coin has units in one transaction's fee, and little enough to add up.
const NETWORK_FEE_MAX: u128 = 10_u128.pow(36);

/// A request that may be.
struct Admitted {
    rules: WithdrawalRules,
    /// What is held: amount and fee.
    total: Amount,
    since: Timestamp,
    is_new_address: bool,
}

impl LedgerCell {
    pub(in crate::ledger) fn check_withdrawal_rules(&self, set: &SetWithdrawalRules) -> Result<(), Refused> {
        let SetWithdrawalRules { chain, asset, rules } = *set;
        let blockchain = self.blockchains.get(chain)?;
        blockchain.asset(asset)?;
        blockchain.coin()?;
        self.registry.account(rules.house)?;
        let is_reviewed = !rules.review_from.is_zero();
        if rules.amount_min.is_zero()
            || rules.amount_max < rules.amount_min
            || rules.amount_max.checked_add(rules.fee).is_none()
            || (is_reviewed && !(1..=APPROVALS_MAX).contains(&rules.approvals))
            || rules.address_delay_s > ADDRESS_DELAY_S_MAX
            || !(1..=NETWORK_FEE_MAX).contains(&rules.network_fee_max)
        {
            return Err(RejectReason::BadWithdrawalRules.into());
        }
        Ok(())
    }

    pub(in crate::ledger) fn put_withdrawal_rules(&mut self, set: &SetWithdrawalRules, effects: &mut Effects<'_>) {
        let SetWithdrawalRules { chain, asset, rules } = *set;
        let before = self.withdrawals.rules.insert((chain, asset), rules);
        effects.tell(Event::WithdrawalRulesChanged(Box::new(WithdrawalRulesChanged { chain, asset, rules })));
        if before != Some(rules) {
            self.overtake_loosenings(Subject::Rules(chain, asset), effects);
        }
    }

    pub(in crate::ledger) fn put_restriction(&mut self, restrict: &RestrictWithdrawals, effects: &mut Effects<'_>) {
        let RestrictWithdrawals { account, is_blocked, is_allow_listed } = *restrict;
        let restricted = WithdrawalsRestricted { account, is_blocked, is_allow_listed };
        let before = self.withdrawals.restriction(account);
        self.withdrawals.restrictions.insert(account, restricted);
        effects.tell(Event::WithdrawalsRestricted(restricted));
        if before != restricted {
            self.overtake_loosenings(Subject::Account(account), effects);
        }
    }

    pub(in crate::ledger) fn check_destination(&self, allow: &AllowAddress) -> Result<(), Refused> {
        let AllowAddress { account, chain, address, is_allowed } = *allow;
        self.registry.account(account)?;
        self.blockchains.get(chain)?;
        if address.is_empty() {
            return Err(RejectReason::UnknownAddress.into());
        }
        let known = self.withdrawals.destinations.get(account, chain, &address);
        if is_allowed && known.is_none() && !self.withdrawals.destinations.has_room(account) {
            return Err(RejectReason::TableFull.into());
        }
        Ok(())
    }

    /// An address that is disallowed is forgotten: should it be used again, its delay begins anew.
    pub(in crate::ledger) fn put_destination(&mut self, allow: &AllowAddress, effects: &mut Effects<'_>) {
        let AllowAddress { account, chain, address, is_allowed } = *allow;
        let known = self.withdrawals.destinations.get(account, chain, &address);
        let since = known.map_or(self.now, |known| known.since);
        if is_allowed {
            self.withdrawals.destinations.put(account, chain, address, Destination { since, is_allowed });
        } else {
            self.withdrawals.destinations.forget(account, chain, &address);
        }
        let told = AddressAllowed { account, chain, address, since, is_allowed };
        effects.tell(Event::AddressAllowed(Box::new(told)));
        if known.is_some_and(|known| known.is_allowed) != is_allowed {
            self.overtake_loosenings(Subject::Destination(account, chain, address), effects);
        }
    }

    /// Holds amount and fee, if it may be.
    pub(crate) fn request_withdrawal(&mut self, request: &RequestWithdrawal, effects: &mut Effects<'_>) -> Answer {
        let RequestWithdrawal { account, chain, asset, address, amount, name } = *request;
        self.withdrawals.forget(self.now);
        self.withdrawals.velocity.pass_time(self.now);
        if let Some(known) = self.withdrawals.names.get(&(account, name)) {
            let row = &self.withdrawals.rows[known];
            let is_same = (row.chain, row.asset, row.address, row.amount) == (chain, asset, address, amount);
            return if is_same {
                Ok(known.get())
            } else {
                Err(Refused::naming(RejectReason::WithdrawalExists, known.get()))
            };
        }
        let Admitted { rules, total, since, is_new_address } = self.admit_withdrawal(request)?;

        let withdrawal = WithdrawalId::new(self.withdrawals.next);
        self.withdrawals.next += 1;
        let is_reviewed = !rules.review_from.is_zero() && amount >= rules.review_from;
        let (purpose, parent) = (WithdrawalPurpose::Payment, WithdrawalId::default());
        let what = Wanted { chain, asset, address, amount, purpose, key: 0, parent };
        let row = WithdrawalChanged {
            account,
            name,
            fee: rules.fee,
            stage: if is_reviewed { WithdrawalStage::Review } else { WithdrawalStage::Held },
            ready_at: self.now.max(since.plus_nanos(u64::from(rules.address_delay_s) * 1_000_000_000)),
            approvals_missing: if is_reviewed { rules.approvals } else { 0 },
            ..beginning(withdrawal, what, &rules, self.now)
        };
        self.balances.hold(account, asset, total);
        if is_new_address {
            let known = Destination { since, is_allowed: false };
            self.withdrawals.destinations.put(account, chain, address, known);
        }
        self.withdrawals.open.insert(withdrawal, Open::new(rules.house, 0));
        self.withdrawals.names.insert((account, name), withdrawal);
        self.withdrawals.velocity.add(&row);
        self.withdrawals.put(row);
        effects.tell(Event::WithdrawalChanged(Box::new(row)));
        Ok(withdrawal.get())
    }

    /// A ladder of refusals.
    fn admit_withdrawal(&self, request: &RequestWithdrawal) -> Result<Admitted, Refused> {
        let RequestWithdrawal { account, chain, asset, address, amount, name } = *request;
        self.registry.account(account)?;
        let listed = self.blockchains.get(chain)?.asset(asset)?;
        let rules = self.withdrawals.rules.get(&(chain, asset)).filter(|rules| rules.is_enabled);
        let rules = *rules.ok_or(Refused::because(RejectReason::WithdrawalsDisabled))?;
        self.check_account(account)?;
        if !name.is_client_order_id() {
            return Err(RejectReason::BadClientOrderId.into());
        }
        if amount.is_zero() {
            return Err(RejectReason::ZeroAmount.into());
        }
        if amount < rules.amount_min {
            return Err(RejectReason::WithdrawalTooSmall.into());
        }
        if amount > rules.amount_max {
            return Err(RejectReason::WithdrawalTooLarge.into());
        }
        if self.chain_units(listed, amount).is_none() {
            return Err(RejectReason::BadWithdrawalAmount.into());
        }
        self.check_address(account, chain, &address)?;
        let known = self.withdrawals.destinations.get(account, chain, &address);
        let (of_account, of_all) = self.withdrawals.velocity.of(account, asset);
        let is_beyond = |max: Amount, sum: i128| !max.is_zero() && sum + amount.wide() > max.wide();
        if is_beyond(rules.account_day_max, of_account) || is_beyond(rules.day_max, of_all) {
            return Err(RejectReason::WithdrawalLimitReached.into());
        }
        if !self.withdrawals.velocity.has_room(account) {
            return Err(RejectReason::WithdrawalLimitReached.into());
        }
        let total = amount.checked_add(rules.fee).ok_or(Refused::because(RejectReason::WithdrawalTooLarge))?;
        if self.balances.get(account, asset).free < total {
            return Err(RejectReason::InsufficientBalance.into());
        }
        let is_new_address = known.is_none() && rules.address_delay_s > 0;
        let is_full = !self.withdrawals.has_room(WithdrawalPurpose::Payment);
        if is_full || (is_new_address && !self.withdrawals.destinations.has_room(account)) {
            return Err(RejectReason::TableFull.into());
        }
        let since = known.map_or(self.now, |known| known.since);
        Ok(Admitted { rules, total, since, is_new_address })
    }

    /// Whether an account may withdraw now.
    pub(super) fn check_account(&self, account: AccountId) -> Result<(), Refused> {
        if self.withdrawals.restrictions.get(&account).is_some_and(|restricted| restricted.is_blocked) {
            return Err(RejectReason::WithdrawalsBlocked.into());
        }
        if self.conduct.is_killed(account) {
            return Err(RejectReason::AccountKilled.into());
        }
        Ok(())
    }

    /// Whether an address is the hot wallet's own, or the cold one of an asset. What is sent there never leaves: the chain has more
    /// than the books say, and that would hide a theft of as much.
    fn is_of_exchange(&self, chain: ChainId, address: &ChainAddress) -> bool {
        let Ok(blockchain) = self.blockchains.get(chain) else { return false };
        let of_chain = self.withdrawals.hot.iter().filter(|((of, _), _)| *of == chain);
        let mut cold = of_chain.map(|(_, bounds)| &bounds.cold).filter(|cold| !cold.is_empty());
        blockchain.is_wallet(address) || cold.any(|cold| blockchain.is_same_address(cold, address))
    }

    /// Whether an account may send there now.
    pub(super) fn check_address(
        &self,
        account: AccountId,
        chain: ChainId,
        address: &ChainAddress,
    ) -> Result<(), Refused> {
        if self.is_of_exchange(chain, address) {
            return Err(RejectReason::AddressOfExchange.into());
        }
        let is_listed = self.withdrawals.restrictions.get(&account).is_some_and(|it| it.is_allow_listed);
        let known = self.withdrawals.destinations.get(account, chain, address);
        if address.is_empty() || (is_listed && !known.is_some_and(|known| known.is_allowed)) {
            return Err(RejectReason::AddressNotAllowed.into());
        }
        Ok(())
    }

    /// The chain's units of a whole number of them. `None` when it is none.
    pub(super) fn chain_units(&self, listed: &ChainAssetListed, amount: Amount) -> Option<u128> {
        let ledger_decimals = self.registry.asset(listed.asset).ok()?.ledger_decimals;
        let units = u128::try_from(amount.wide()).ok()?;
        match listed.chain_decimals.checked_sub(ledger_decimals) {
            Some(more) => units.checked_mul(10_u128.pow(more.into())),
            None => {
                let unit = 10_u128.pow((ledger_decimals - listed.chain_decimals).into());
                (units % unit == 0).then_some(units / unit)
            }
        }
    }

    pub(crate) fn approve_withdrawal(&mut self, approve: &ApproveWithdrawal, effects: &mut Effects<'_>) -> Answer {
        let ApproveWithdrawal { withdrawal, approver } = *approve;
        let mut row = self.withdrawal(withdrawal)?;
        let approved = stage::next(row.stage, Move::Approve).ok_or(NOT_OPEN)?;
        let open = self.withdrawals.open.get_mut(&withdrawal).ok_or(NOT_OPEN)?;
        if approver.is_empty() || open.approvers.contains(&approver) {
            return Err(RejectReason::AlreadyApproved.into());
        }
        open.approvers.push(approver);
        effects.tell(Event::WithdrawalApproved(WithdrawalApproved { withdrawal, approver }));
        row.approvals_missing -= 1;
        if row.approvals_missing == 0 {
            (row.stage, row.changed_at) = (approved, self.now);
        }
        self.change_withdrawal(row, effects);
        Ok(0)
    }

    pub(crate) fn cancel_withdrawal(&mut self, cancel: &CancelWithdrawal, effects: &mut Effects<'_>) -> Answer {
        let CancelWithdrawal { withdrawal, account } = *cancel;
        let mut row = self.withdrawal(withdrawal)?;
        let is_operator = account.get() == 0;
        if !is_operator && (row.account != account || row.purpose.is_of_house()) {
            return Err(RejectReason::UnknownWithdrawal.into());
        }
        row.stage = stage::next(row.stage, Move::Cancel).ok_or(NOT_OPEN)?;
        row.cause = if is_operator { WithdrawalCause::Operator } else { WithdrawalCause::Client };
        // An address that was not waited for to its end is not known: who took it back may have known why.
        let known = self.withdrawals.destinations.get(row.account, row.chain, &row.address);
        if !row.purpose.is_of_house() && self.now < row.ready_at && known.is_some_and(|known| !known.is_allowed) {
            self.withdrawals.destinations.forget(row.account, row.chain, &row.address);
        }
        self.return_money(&mut row);
        let batch = std::mem::take(&mut row.batch);
        self.change_withdrawal(row, effects);
        self.shrink_batch(batch, row.amount, effects);
        Ok(0)
    }

    /// A withdrawal that is remembered.
    pub(super) fn withdrawal(&self, id: WithdrawalId) -> Result<WithdrawalChanged, Refused> {
        let row = self.withdrawals.rows.get(&id).copied();
        row.ok_or(Refused::because(RejectReason::UnknownWithdrawal))
    }

    /// What the account has held is free again, and what the house has held; it did not go out.
    pub(super) fn return_money(&mut self, row: &mut WithdrawalChanged) {
        let total = row.amount.checked_add(row.fee).expect("amount and fee were held together");
        self.return_held(row, total);
    }

    /// The same, of what is still held.
    pub(super) fn return_held(&mut self, row: &mut WithdrawalChanged, held: Amount) {
        if !row.purpose.is_of_house() {
            self.balances.release(row.account, row.asset, held);
            self.withdrawals.velocity.take_back(row);
        }
        row.changed_at = self.now;
        self.withdrawals.close(row.withdrawal);
    }

    /// Writes down and tells what was decided, unless nothing changed.
    pub(super) fn change_withdrawal(&mut self, row: WithdrawalChanged, effects: &mut Effects<'_>) {
        if self.withdrawals.rows.get(&row.withdrawal) != Some(&row) {
            self.withdrawals.put(row);
            self.reserves.touch(row.chain, self.position);
            effects.tell(Event::WithdrawalChanged(Box::new(row)));
        }
        if row.purpose == WithdrawalPurpose::Batch {
            self.carry_members(&row, effects);
        }
    }
}

pub(super) const NOT_OPEN: Refused = Refused { reason: RejectReason::WithdrawalNotOpen, id: 0 };
