//! Withdrawals, until they are signed: `engine/src/ledger/withdrawals.rs`, its `policy.rs`, `moves.rs`, `children.rs` and `batches.rs`
//! state the rules.
//!
//! Every row stays in one list, with what belongs to it; sums, names and what is spent are looked up there anew. What ended long
//! ago is marked, and then not there for anybody who asks by number or name.

mod batches;
mod children;
mod payment;

use wire::command::{
    AllocateWithdrawal, AllowAddress, ApproveWithdrawal, CancelWithdrawal, MoveFunds, RequestWithdrawal,
    RestrictWithdrawals, SetHotWallet, SetWithdrawalRules,
};
use wire::event::{
    AddressAllowed, ChainAssetListed, HotWalletChanged, WithdrawalApproved, WithdrawalChanged, WithdrawalRulesChanged,
    WithdrawalsRestricted,
};
use wire::{
    AccountId, AccountName, AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId, ClientOrderId, Event,
    HotWalletBounds, RejectReason, Timestamp, WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalRules,
    WithdrawalStage,
};

use super::super::numbers::amount;
use super::deposits::LEDGER_DECIMALS;
use super::{Answer, Ledger, Refused, no};

/// How many there is room for, of clients and of the exchange's own.
pub(in crate::model) const WITHDRAWALS_MAX: usize = 32;

const SECOND_NS: u64 = 1_000_000_000;
const DAY_NS: u64 = 86_400 * SECOND_NS;
const REMEMBERED_NS: u64 = 30 * DAY_NS;

/// What operators have said of withdrawals, and every one that was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Withdrawals {
    rules: Vec<SetWithdrawalRules>,
    hot: Vec<SetHotWallet>,
    restricted: Vec<WithdrawalsRestricted>,
    /// Since when, and whether an operator has allowed it.
    known: Vec<(AccountId, ChainId, ChainAddress, Timestamp, bool)>,
    all: Vec<Withdrawal>,
}

/// One, or a move, with what is not told of it.
#[derive(Debug, Clone)]
struct Withdrawal {
    row: WithdrawalChanged,
    house: AccountId,
    approvers: Vec<AccountName>,
    /// What its last transaction spends, or the one that is about to be signed.
    allocation: Option<AllocateWithdrawal>,
    /// Each signed transaction, the most that it pays, and what comes back of its inputs.
    signed: Vec<(ChainHash, u128, u128)>,
    is_forgotten: bool,
}

impl Withdrawals {
    fn remembered(&self) -> impl Iterator<Item = &Withdrawal> {
        self.all.iter().filter(|one| !one.is_forgotten)
    }
}

/// The ways of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Approve,
    Cancel,
    Allocate,
    Sign,
    Refuse,
    Send,
    Pool,
    Drop,
    Delay,
    Include,
    Vanish,
    Conflict,
    Fail,
}

fn way(from: WithdrawalStage, on: On) -> Result<WithdrawalStage, Refused> {
    use WithdrawalStage::*;
    let is_out = matches!(from, Signed | Broadcast | Mempool | Stuck | Bumped);
    let to = match on {
        On::Approve => (from == Review).then_some(Held),
        On::Cancel => [Review, Held].contains(&from).then_some(Canceled),
        On::Allocate if from == Held => Some(Allocated),
        On::Allocate => (from == Stuck).then_some(Bumped),
        On::Sign => [Allocated, Bumped].contains(&from).then_some(Signed),
        On::Refuse if from == Allocated => Some(Failed),
        On::Refuse => (from == Bumped).then_some(Stuck),
        On::Send => (from == Signed).then_some(Broadcast),
        On::Pool => (from == Broadcast).then_some(Mempool),
        On::Drop => [Mempool, Conflicted].contains(&from).then_some(Signed),
        On::Delay => [Signed, Broadcast, Mempool].contains(&from).then_some(Stuck),
        On::Include => (is_out || [Conflicted, Mined, Confirmed].contains(&from)).then_some(Mined),
        On::Vanish => [Mined, Confirmed].contains(&from).then_some(Signed),
        On::Conflict => is_out.then_some(Conflicted),
        On::Fail => (from == Conflicted).then_some(Failed),
    };
    to.ok_or((RejectReason::WithdrawalNotOpen, 0))
}

impl Ledger {
    pub(super) fn check_rules(&self, set: &SetWithdrawalRules) -> Result<(), Refused> {
        let SetWithdrawalRules { chain, asset, rules } = *set;
        self.listed_on(chain, asset)?;
        self.coin_of(chain)?;
        self.account(rules.house)?;
        let is_reviewed = !rules.review_from.is_zero();
        let is_good = !rules.amount_min.is_zero()
            && rules.amount_min <= rules.amount_max
            && rules.amount_max.wide() + rules.fee.wide() <= i64::MAX.into()
            && (!is_reviewed || (1..=3).contains(&rules.approvals))
            && u64::from(rules.address_delay_s) * SECOND_NS <= 30 * DAY_NS
            && (1..=10_u128.pow(36)).contains(&rules.network_fee_max);
        if is_good { Ok(()) } else { no(RejectReason::BadWithdrawalRules) }
    }

    /// Whether they are others than before.
    pub(super) fn put_rules(&mut self, set: &SetWithdrawalRules) -> bool {
        let SetWithdrawalRules { chain, asset, rules } = *set;
        let before = self.rules_of(chain, asset);
        self.withdrawals.rules.retain(|before| (before.chain, before.asset) != (chain, asset));
        self.withdrawals.rules.push(*set);
        self.events.push(Event::WithdrawalRulesChanged(Box::new(WithdrawalRulesChanged { chain, asset, rules })));
        before != Some(rules)
    }

    pub(super) fn restriction_of(&self, account: AccountId) -> WithdrawalsRestricted {
        let said = self.withdrawals.restricted.iter().find(|said| said.account == account).copied();
        said.unwrap_or(WithdrawalsRestricted { account, is_blocked: false, is_allow_listed: false })
    }

    /// Whether it is another than before.
    pub(super) fn put_restriction(&mut self, restrict: &RestrictWithdrawals) -> bool {
        let RestrictWithdrawals { account, is_blocked, is_allow_listed } = *restrict;
        let restricted = WithdrawalsRestricted { account, is_blocked, is_allow_listed };
        let before = self.restriction_of(account);
        self.withdrawals.restricted.retain(|before| before.account != account);
        self.withdrawals.restricted.push(restricted);
        self.events.push(Event::WithdrawalsRestricted(restricted));
        before != restricted
    }

    pub(super) fn check_allowing(
        &self,
        account: AccountId,
        chain: ChainId,
        address: ChainAddress,
    ) -> Result<(), Refused> {
        self.account(account)?;
        self.chain(chain)?;
        if address.is_empty() { no(RejectReason::UnknownAddress) } else { Ok(()) }
    }

    /// Whether it was otherwise before.
    pub(super) fn put_allowing(&mut self, allow: &AllowAddress) -> bool {
        let AllowAddress { account, chain, address, is_allowed } = *allow;
        let before = self.known_since(account, chain, address);
        let since = before.map_or(self.time(), |(since, _)| since);
        self.forget_address(account, chain, address);
        if is_allowed {
            self.withdrawals.known.push((account, chain, address, since, true));
        }
        let told = AddressAllowed { account, chain, address, since, is_allowed };
        self.events.push(Event::AddressAllowed(Box::new(told)));
        before.is_some_and(|(_, was_allowed)| was_allowed) != is_allowed
    }

    pub(super) fn known_since(
        &self,
        account: AccountId,
        chain: ChainId,
        to: ChainAddress,
    ) -> Option<(Timestamp, bool)> {
        let known = self.withdrawals.known.iter().find(|known| (known.0, known.1, known.2) == (account, chain, to));
        known.map(|known| (known.3, known.4))
    }

    fn forget_address(&mut self, account: AccountId, chain: ChainId, address: ChainAddress) {
        self.withdrawals.known.retain(|known| (known.0, known.1, known.2) != (account, chain, address));
    }

    pub(super) fn request_withdrawal(&mut self, request: &RequestWithdrawal) -> Answer {
        let RequestWithdrawal { account, chain, asset, address, amount: units, name } = *request;
        self.forget_one();
        let is_it =
            |one: &&Withdrawal| !one.row.purpose.is_of_house() && (one.row.account, one.row.name) == (account, name);
        let known = self.withdrawals.remembered().find(is_it).map(|one| one.row);
        if let Some(row) = known {
            let is_same = (row.chain, row.asset, row.address, row.amount) == (chain, asset, address, units);
            let id = row.withdrawal.get();
            return if is_same { Ok(id) } else { Err((RejectReason::WithdrawalExists, id)) };
        }
        let rules = self.check_request(request)?;
        let known = self.known_since(account, chain, address);
        let since = known.map_or(self.now, |(since, _)| since.nanos());
        let ready = since + u64::from(rules.address_delay_s) * SECOND_NS;
        if known.is_none() && rules.address_delay_s > 0 {
            self.withdrawals.known.push((account, chain, address, self.time(), false));
        }
        let is_reviewed = !rules.review_from.is_zero() && units >= rules.review_from;
        let total = units.wide() + rules.fee.wide();
        self.shift(account.get(), asset, -total, total);
        let row = self.first_row(chain, asset, &rules);
        let row = WithdrawalChanged {
            account,
            address,
            name,
            amount: units,
            fee: rules.fee,
            stage: if is_reviewed { WithdrawalStage::Review } else { WithdrawalStage::Held },
            ready_at: Timestamp::from_nanos(ready.max(self.now)),
            approvals_missing: if is_reviewed { rules.approvals } else { 0 },
            ..row
        };
        Ok(self.begin_withdrawal(row, rules.house))
    }

    fn begin_withdrawal(&mut self, row: WithdrawalChanged, house: AccountId) -> u64 {
        let (approvers, allocation, signed) = (Vec::new(), None, Vec::new());
        self.withdrawals.all.push(Withdrawal { row, house, approvers, allocation, signed, is_forgotten: false });
        self.events.push(Event::WithdrawalChanged(Box::new(row)));
        row.withdrawal.get()
    }

    /// The next one, of nobody but the house.
    fn first_row(&self, chain: ChainId, asset: AssetId, rules: &WithdrawalRules) -> WithdrawalChanged {
        let now = self.time();
        WithdrawalChanged {
            withdrawal: WithdrawalId::new(self.withdrawals.all.len() as u64 + 1),
            account: rules.house,
            chain,
            asset,
            address: ChainAddress::EMPTY,
            name: ClientOrderId::EMPTY,
            amount: amount(0),
            fee: amount(0),
            stage: WithdrawalStage::Held,
            cause: WithdrawalCause::None,
            requested_at: now,
            ready_at: now,
            changed_at: now,
            approvals_missing: 0,
            attempts: 0,
            tx: ChainHash([0; 32]),
            block: ChainHash([0; 32]),
            height: 0,
            confirmations: 0,
            required: rules.confirmations,
            network_fee: 0,
            house_held: amount(0),
            is_undone: false,
            is_reverted: false,
            purpose: WithdrawalPurpose::Payment,
            key: 0,
            parent: WithdrawalId::new(0),
            batch: WithdrawalId::new(0),
        }
    }

    fn check_request(&self, request: &RequestWithdrawal) -> Result<WithdrawalRules, Refused> {
        use RejectReason::*;
        let RequestWithdrawal { account, chain, asset, address, amount: units, name } = *request;
        self.account(account)?;
        let listed = self.listed_on(chain, asset)?;
        let Some(rules) = self.rules_of(chain, asset).filter(|rules| rules.is_enabled) else {
            return no(WithdrawalsDisabled);
        };
        self.check_withdrawer(account)?;
        if !name.is_client_order_id() {
            return no(BadClientOrderId);
        }
        if units.is_zero() {
            return no(ZeroAmount);
        }
        if units < rules.amount_min {
            return no(WithdrawalTooSmall);
        }
        if units > rules.amount_max {
            return no(WithdrawalTooLarge);
        }
        if on_chain(units.wide(), &listed).is_none() {
            return no(BadWithdrawalAmount);
        }
        self.check_destination(account, chain, address)?;
        let is_of_today = |row: &&WithdrawalChanged| {
            !row.purpose.is_of_house() && row.requested_at.nanos() + DAY_NS > self.now && row.asset == asset
        };
        let goes_out =
            |row: &&WithdrawalChanged| !matches!(row.stage, WithdrawalStage::Canceled | WithdrawalStage::Failed);
        let today = || self.withdrawals.all.iter().map(|one| &one.row).filter(is_of_today).filter(goes_out);
        let of_all: i128 = today().map(|row| row.amount.wide()).sum();
        let of_account: i128 = today().filter(|row| row.account == account).map(|row| row.amount.wide()).sum();
        let is_beyond = |max: wire::Amount, sum: i128| !max.is_zero() && sum + units.wide() > max.wide();
        if is_beyond(rules.account_day_max, of_account) || is_beyond(rules.day_max, of_all) {
            return no(WithdrawalLimitReached);
        }
        if self.balance(account.get(), asset).0 < units.wide() + rules.fee.wide() {
            return no(InsufficientBalance);
        }
        if self.count_of(|purpose| !purpose.is_of_house()) >= self.capacity.withdrawals_max as usize {
            no(TableFull)
        } else {
            Ok(rules)
        }
    }

    fn count_of(&self, is_counted: impl Fn(WithdrawalPurpose) -> bool) -> usize {
        self.withdrawals.remembered().filter(|one| is_counted(one.row.purpose)).count()
    }

    pub(super) fn rules_of(&self, chain: ChainId, asset: AssetId) -> Option<WithdrawalRules> {
        let set = self.withdrawals.rules.iter().find(|set| (set.chain, set.asset) == (chain, asset));
        set.map(|set| set.rules)
    }

    fn listed_on(&self, chain: ChainId, asset: AssetId) -> Result<ChainAssetListed, Refused> {
        let listed = self.chain(chain)?.assets().iter().find(|listed| listed.asset == asset);
        listed.copied().ok_or((RejectReason::UnknownChainAsset, 0))
    }

    /// What a chain's fees are paid in.
    fn coin_of(&self, chain: ChainId) -> Result<ChainAssetListed, Refused> {
        let coin = self.chain(chain)?.assets().iter().find(|listed| listed.contract.is_empty());
        coin.copied().ok_or((RejectReason::UnknownChainAsset, 0))
    }

    fn check_withdrawer(&self, account: AccountId) -> Result<(), Refused> {
        let of = |restricted: &&WithdrawalsRestricted| restricted.account == account;
        if self.withdrawals.restricted.iter().find(of).is_some_and(|restricted| restricted.is_blocked) {
            return no(RejectReason::WithdrawalsBlocked);
        }
        if self.conduct.is_killed(account.get()) { no(RejectReason::AccountKilled) } else { Ok(()) }
    }

    fn check_destination(&self, account: AccountId, chain: ChainId, to: ChainAddress) -> Result<(), Refused> {
        let on = self.chain(chain)?;
        let cold = self.withdrawals.hot.iter().filter(|set| set.chain == chain).map(|set| set.bounds.cold);
        let mut ours = cold.chain([on.wallet()]).filter(|ours| !ours.is_empty());
        if ours.any(|ours| on.is_same(ours, to)) {
            return no(RejectReason::AddressOfExchange);
        }
        let mut restricted = self.withdrawals.restricted.iter().filter(|restricted| restricted.account == account);
        let must_be_allowed = restricted.any(|restricted| restricted.is_allow_listed);
        let is_allowed = self.known_since(account, chain, to).is_some_and(|(_, is_allowed)| is_allowed);
        let is_good = !to.is_empty() && (is_allowed || !must_be_allowed);
        if is_good { Ok(()) } else { no(RejectReason::AddressNotAllowed) }
    }

    /// One that was asked for.
    fn withdrawal(&mut self, id: WithdrawalId) -> Result<&mut Withdrawal, Refused> {
        let found = self.withdrawals.all.iter_mut().find(|one| one.row.withdrawal == id && !one.is_forgotten);
        found.ok_or((RejectReason::UnknownWithdrawal, 0))
    }

    pub(super) fn approve_withdrawal(&mut self, approve: &ApproveWithdrawal) -> Answer {
        let ApproveWithdrawal { withdrawal, approver } = *approve;
        let now = self.time();
        let known = self.withdrawal(withdrawal)?;
        let mut row = known.row;
        let held = way(row.stage, On::Approve)?;
        if approver.is_empty() || known.approvers.contains(&approver) {
            return no(RejectReason::AlreadyApproved);
        }
        known.approvers.push(approver);
        row.approvals_missing -= 1;
        if row.approvals_missing == 0 {
            (row.stage, row.changed_at) = (held, now);
        }
        self.events.push(Event::WithdrawalApproved(WithdrawalApproved { withdrawal, approver }));
        self.change_withdrawal(row);
        Ok(0)
    }

    pub(super) fn cancel_withdrawal(&mut self, cancel: &CancelWithdrawal) -> Answer {
        let CancelWithdrawal { withdrawal, account } = *cancel;
        let mut row = self.withdrawal(withdrawal)?.row;
        let (is_operator, is_own) = (account.get() == 0, row.account == account && !row.purpose.is_of_house());
        if !is_operator && !is_own {
            return no(RejectReason::UnknownWithdrawal);
        }
        row.stage = way(row.stage, On::Cancel)?;
        row.cause = if is_operator { WithdrawalCause::Operator } else { WithdrawalCause::Client };
        let is_allowed = self.known_since(row.account, row.chain, row.address).is_some_and(|known| known.1);
        if !row.purpose.is_of_house() && !is_allowed && self.now < row.ready_at.nanos() {
            self.forget_address(row.account, row.chain, row.address);
        }
        let total = row.amount.wide() + row.fee.wide();
        self.give_back(&mut row, total);
        let batch = std::mem::take(&mut row.batch);
        self.change_withdrawal(row);
        self.count_members(batch);
        self.take_along(withdrawal);
        Ok(0)
    }

    /// Of a client's, so much of what it held is free again.
    fn give_back(&mut self, row: &mut WithdrawalChanged, held: i128) {
        row.changed_at = self.time();
        if !row.purpose.is_of_house() {
            self.shift(row.account.get(), row.asset, held, -held);
        }
    }

    fn change_withdrawal(&mut self, row: WithdrawalChanged) {
        let known = self.withdrawal(row.withdrawal).expect("it was found before");
        if std::mem::replace(&mut known.row, row) != row {
            self.used_chains.insert(row.chain.get());
            self.events.push(Event::WithdrawalChanged(Box::new(row)));
        }
    }

    pub(super) fn set_hot_wallet(&mut self, set: &SetHotWallet) -> Answer {
        let SetHotWallet { chain, asset, bounds } = *set;
        self.listed_on(chain, asset)?;
        if self.rules_of(chain, asset).is_none() {
            return no(RejectReason::WithdrawalsDisabled);
        }
        let HotWalletBounds { low, high, target, cold, .. } = bounds;
        let is_unbounded = high.is_zero() && target.is_zero() && cold.is_empty();
        let is_bounded = low <= target && target < high && !cold.is_empty();
        if !is_unbounded && !is_bounded {
            return no(RejectReason::BadWithdrawalRules);
        }
        self.withdrawals.hot.retain(|before| (before.chain, before.asset) != (chain, asset));
        self.withdrawals.hot.push(*set);
        self.events.push(Event::HotWalletChanged(Box::new(HotWalletChanged { chain, asset, bounds })));
        Ok(0)
    }

    pub(super) fn move_funds(&mut self, wanted: &MoveFunds) -> Answer {
        use RejectReason::*;
        let MoveFunds { chain, fence, turn, asset, purpose, key, parent, address, amount: units } = *wanted;
        self.forget_one();
        let known = self.chain(chain)?;
        known.check_fence(fence)?;
        if known.freeze() != ChainFreeze::Thawed {
            return no(ChainIsFrozen);
        }
        let moves = || self.withdrawals.all.iter().map(|one| one.row).filter(|row| row.chain == chain);
        let made = moves().filter(|row| row.purpose.is_of_house()).count() as u64;
        let is_same =
            |row: &WithdrawalChanged| (row.asset, row.purpose, row.key, row.parent) == (asset, purpose, key, parent);
        if turn != made || moves().any(|row| is_same(&row) && !row.stage.is_final()) {
            return Err((MoveOutOfTurn, made));
        }
        let rules = self.rules_of(chain, asset).ok_or((WithdrawalsDisabled, 0))?;
        let listed = self.listed_on(chain, asset)?;
        if units.is_zero() {
            return no(ZeroAmount);
        }
        if on_chain(units.wide(), &listed).is_none() {
            return no(BadWithdrawalAmount);
        }
        if key != 0 {
            self.bound_address(chain, key)?;
        }
        let most = covering(rules.network_fee_max, &listed);
        let is_gas_enough = listed.contract.is_empty() && key != 0 && most.is_some_and(|most| units.wide() <= most);
        let is_child = purpose == WithdrawalPurpose::Child;
        if is_child != (parent.get() != 0) || (is_child && key != 0) {
            return no(WithdrawalMismatch);
        }
        if [WithdrawalPurpose::Payment, WithdrawalPurpose::Batch].contains(&purpose)
            || (purpose == WithdrawalPurpose::Gas && !is_gas_enough)
        {
            return no(WithdrawalMismatch);
        }
        let row = self.first_row(chain, asset, &rules);
        let row = WithdrawalChanged { address, amount: units, purpose, key, parent, ..row };
        self.check_move(&row)?;
        if is_child {
            self.check_parents_change(&row, &listed)?;
        }
        if self.count_of(WithdrawalPurpose::is_internal) >= self.capacity.withdrawals_max.div_ceil(8) as usize {
            return no(TableFull);
        }
        Ok(self.begin_withdrawal(row, rules.house))
    }

    fn check_move(&self, row: &WithdrawalChanged) -> Result<(), Refused> {
        let hot = self.withdrawals.hot.iter().find(|set| (set.chain, set.asset) == (row.chain, row.asset));
        let bounds = hot.map(|set| set.bounds);
        let is_wanted = match row.purpose {
            WithdrawalPurpose::Payment | WithdrawalPurpose::Batch => false,
            WithdrawalPurpose::Sweep => bounds.is_some_and(|bounds| !bounds.sweep_from.is_zero()),
            WithdrawalPurpose::Cold => {
                bounds.is_some_and(|bounds| !bounds.high.is_zero() && bounds.cold == row.address)
            }
            WithdrawalPurpose::Gas => self.bound_address(row.chain, row.key) == Ok(row.address),
            WithdrawalPurpose::Child => {
                self.check_parent(row)?;
                true
            }
        };
        if is_wanted && !row.address.is_empty() { Ok(()) } else { no(RejectReason::AddressNotAllowed) }
    }

    /// Of a deposit address.
    fn bound_address(&self, chain: ChainId, index: u32) -> Result<ChainAddress, Refused> {
        let (_, address) = self.chain(chain)?.address(index)?;
        if address.is_empty() { no(RejectReason::UnknownAddress) } else { Ok(address) }
    }

    /// Whether a transaction brings gas to a deposit address.
    pub(super) fn brings_gas(&self, chain: ChainId, tx: ChainHash) -> bool {
        let is_gas = |one: &&Withdrawal| one.row.chain == chain && one.row.purpose == WithdrawalPurpose::Gas;
        self.withdrawals.remembered().filter(is_gas).any(|one| one.signed.iter().any(|(signed, ..)| *signed == tx))
    }

    /// Whether a transaction that nobody has told of may be gas whose move is forgotten: by its height alone.
    pub(super) fn may_have_brought_gas(&self, chain: ChainId, height: u64) -> bool {
        let is_gone = |one: &&Withdrawal| {
            let is_gas = one.row.chain == chain && one.row.purpose == WithdrawalPurpose::Gas;
            one.is_forgotten && is_gas && !one.signed.is_empty()
        };
        self.withdrawals.all.iter().filter(is_gone).any(|one| height <= one.row.height)
    }

    /// Whoever asks for one more has one forgotten, of those that ended long ago the one that did first.
    fn forget_one(&mut self) {
        let now = self.now;
        let is_old = |one: &&mut Withdrawal| {
            !one.is_forgotten && one.row.stage.is_final() && one.row.changed_at.nanos() + REMEMBERED_NS <= now
        };
        let old = self.withdrawals.all.iter_mut().filter(is_old);
        if let Some(first) = old.min_by_key(|one| (one.row.changed_at, one.row.withdrawal)) {
            first.is_forgotten = true;
        }
    }
}

/// An amount in a chain's units, if it is a whole number of them.
fn on_chain(units: i128, listed: &ChainAssetListed) -> Option<u128> {
    let (units, decimals) = (units as u128, u32::from(listed.chain_decimals));
    if decimals >= LEDGER_DECIMALS {
        return units.checked_mul(10_u128.pow(decimals - LEDGER_DECIMALS));
    }
    let unit = 10_u128.pow(LEDGER_DECIMALS - decimals);
    (units % unit == 0).then_some(units / unit)
}

/// How many of the chain's units a ledger unit is, at least 1.
fn unit_of(listed: &ChainAssetListed) -> u128 {
    10_u128.pow(u32::from(listed.chain_decimals).saturating_sub(LEDGER_DECIMALS))
}

/// Ledger units that cover so much of a chain's.
fn covering(of: u128, listed: &ChainAssetListed) -> Option<i128> {
    let finer = 10_u128.pow(LEDGER_DECIMALS.saturating_sub(listed.chain_decimals.into()));
    let units = of.div_ceil(unit_of(listed)).checked_mul(finer)?;
    i64::try_from(units).ok().map(i128::from)
}
