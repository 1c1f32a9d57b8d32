//! The private projections of the ledger's events: API keys, balances, orders and fills of every account, and
//! the user events made from them.
//!
//! All of it can be rebuilt from the log. Open orders are kept for ever; closed orders and fills up to a
//! bound per account ([`Limits`]), the oldest are forgotten first.

pub mod conduct;
mod decided;
mod deposits;
mod drafts;
mod fees;
mod fills;
mod keys;
mod life;
mod lists;
mod order_table;
mod order_trades;
mod orders;
mod outcomes;
mod particulars;
mod pieces;
mod plain;
mod prevented;
mod reports;
mod special;
mod telling;
mod user_events;
mod withdrawals;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::oneshot;
use wire::event::*;
use wire::{
    AccountId, AccountName, Amount, ApiKeyText, AssetId, CancelCause, Event, FeeRate, LogPosition, MarketId, OrderId,
    PartitionId, Timestamp,
};

use crate::auth::{Caller, Verifier};
use crate::config::Limits;
use crate::reference::Reference;
use crate::throttle::Unfilled;

pub use conduct::Conduct;
pub(crate) use decided::may_take;
pub use deposits::{Chain, Chains, Deposit};
pub use fees::{Fees, Rates};
pub use fills::{Fill, Fills};
pub use lists::{ListStatus, Lists, OrderList};
pub use order_table::Orders;
pub use order_trades::OrderTrades;
pub use orders::{Order, OrderStatus};
pub use outcomes::{OrderOutcome, OrderWait, RefusedReplacement, RequestOutcome, Wanted};
pub(crate) use particulars::Particulars;
pub use particulars::{Amendment, Prevented};
pub use prevented::{PreventedMatch, PreventedMatches};
pub use reports::cancel_report_id;
pub(crate) use telling::execution_id;
pub use user_events::{Right, UserEvent, UserEvents};
pub use withdrawals::Withdrawals;

use telling::{Batch, Told};
use user_events::Listener;

/// What an account has of one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// May be used.
    pub free: Amount,
    /// Held for open orders.
    pub held: Amount,
}

/// One account.
#[derive(Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its unique name.
    pub name: AccountName,
    /// Charged when its resting order trades.
    pub maker_fee: FeeRate,
    /// Charged when its order takes.
    pub taker_fee: FeeRate,
    /// What it has, by asset; assets it never had are missing.
    pub balances: BTreeMap<AssetId, Balance>,
    /// Its orders.
    pub orders: Orders,
    /// Its fills.
    pub fills: Fills,
    /// Its order lists.
    pub lists: Lists,
    /// The latest trades of its orders that were prevented, by number.
    pub prevented: PreventedMatches,
    /// When a balance last changed.
    pub updated: Timestamp,
    /// Balances held for an order that its market has not answered: told when it has.
    untold: Vec<AssetId>,
    /// Orders that the ledger has sent to another partition's market and told no outcome of, and of which that market may have.
    on_their_way: BTreeSet<(MarketId, OrderId)>,
    /// Where the ledger has told the outcome of the last of them.
    arrived_at: LogPosition,
}

/// Every account of the exchange.
pub struct Accounts {
    ledger: PartitionId,
    accounts: BTreeMap<AccountId, Account>,
    keys: keys::Keys,
    conduct: Conduct,
    fees: Fees,
    chains: Chains,
    withdrawals: Withdrawals,
    outcomes: outcomes::Outcomes,
    subscribers: user_events::Subscribers,
    unfilled: Arc<Unfilled>,
    closed_max: usize,
    fills_max: usize,
    /// The last command whose events were taken in.
    as_of: LogPosition,
    /// Empty between two commands: what the next one needs for a moment.
    moved: Vec<(AccountId, AssetId)>,
    told: Told,
}

impl Accounts {
    /// Of the ledger in this partition, before any event. Sealed secrets of API keys are opened with `envelope_key`.
    pub fn new(ledger: PartitionId, limits: &Limits, envelope_key: [u8; 32]) -> Accounts {
        Accounts {
            ledger,
            accounts: BTreeMap::new(),
            keys: keys::Keys::new(envelope_key),
            conduct: Conduct::default(),
            fees: Fees::default(),
            chains: Chains::default(),
            withdrawals: Withdrawals::default(),
            outcomes: outcomes::Outcomes::default(),
            subscribers: user_events::Subscribers::new(user_events::Bounds {
                queued_max: limits.user_events_queued,
                kept_of_account_max: limits.user_events_kept_per_account,
                kept_max: limits.user_events_kept,
            }),
            unfilled: Arc::default(),
            closed_max: limits.closed_orders_per_account,
            fills_max: limits.fills_per_account,
            as_of: LogPosition::ZERO,
            moved: Vec::new(),
            told: Told::default(),
        }
    }

    /// An account by its id.
    pub fn get(&self, account: AccountId) -> Option<&Account> {
        self.accounts.get(&account)
    }

    /// The last command of the ledger that told anything.
    pub(crate) fn as_of(&self) -> LogPosition {
        self.as_of
    }

    /// New orders that have not traded: counted by others, told here which have.
    pub fn unfilled(&self) -> &Arc<Unfilled> {
        &self.unfilled
    }

    /// What accounts may do.
    pub fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    /// What accounts are charged.
    pub fn fees(&self) -> &Fees {
        &self.fees
    }

    /// Chains, and what is deposited on them.
    pub fn chains(&self) -> &Chains {
        &self.chains
    }

    /// What may be withdrawn, and what was.
    pub fn withdrawals(&self) -> &Withdrawals {
        &self.withdrawals
    }

    /// The caller and verifier of an API key, for whoever asks from `ip`.
    pub fn key(&self, key: &ApiKeyText, ip: IpAddr) -> Option<(Caller, Verifier)> {
        self.keys.get(key, ip)
    }

    /// The caller of a listen key, for whoever asks from `ip`.
    pub fn listen_key(&self, listen_key: &str, ip: IpAddr) -> Option<Caller> {
        self.keys.listener(listen_key, ip)
    }

    /// The listen key of an API key.
    pub fn listen_key_of(&self, key: &ApiKeyText) -> Option<&str> {
        self.keys.listen_key_of(key)
    }

    /// Every event of the caller's account from now on, in log order, for as long as its key may be used from `ip`.
    pub fn subscribe(&self, caller: &Caller, ip: IpAddr) -> UserEvents {
        self.listen(caller, ip, false, None).unwrap_or_else(UserEvents::ended)
    }

    /// As [`Accounts::subscribe`], with all events after the one of this number; `None` when those are no longer kept, or
    /// there is no such event yet.
    pub fn resume(&self, caller: &Caller, ip: IpAddr, after: u64) -> Option<UserEvents> {
        self.listen(caller, ip, false, Some(after))
    }

    /// Writes some of the account's events after the one of this number; up to which, while there are more.
    pub(crate) fn write_user_events(&self, account: AccountId, after: u64) -> Option<u64> {
        self.subscribers.write_some(account, after)
    }

    /// The number of the account's last user event.
    pub fn last_user_event(&self, account: AccountId) -> u64 {
        self.subscribers.last(account)
    }

    /// As [`Accounts::subscribe`] or [`Accounts::resume`], until [`Accounts::end_listen_keys`].
    pub fn subscribe_by_listen_key(&self, caller: &Caller, ip: IpAddr, after: Option<u64>) -> UserEvents {
        self.listen(caller, ip, true, after).unwrap_or_else(UserEvents::ended)
    }

    /// Whether all of the account's events after the one of this number are kept.
    pub fn keeps_user_events(&self, account: AccountId, after: u64) -> bool {
        self.subscribers.keeps(account, after)
    }

    /// A key that was revoked since its caller was found opens a stream that is over.
    fn listen(&self, caller: &Caller, ip: IpAddr, is_by_listen_key: bool, after: Option<u64>) -> Option<UserEvents> {
        if !self.keys.allows(&caller.key, ip) {
            return Some(UserEvents::ended());
        }
        self.subscribers.subscribe(caller.account, Listener::new(caller, ip, is_by_listen_key), after)
    }

    /// Ends the account's subscriptions by listen key.
    pub fn end_listen_keys(&self, account: AccountId) {
        self.subscribers.end_listen_keys(account);
    }

    /// The first outcome of an order, or what is `wanted` of it before, now or later. The order may not have been seen yet.
    /// `None` when too many wait for it.
    pub fn await_order(
        &self,
        account: AccountId,
        market: MarketId,
        order: OrderId,
        wanted: Wanted,
    ) -> Option<OrderWait> {
        let account = self.get(account);
        let known = account.and_then(|account| Some((account, account.orders.get(market, order)?)));
        match known {
            Some((account, order)) if order.is_settled => Some(OrderWait::over(account.outcome(order))),
            _ => self.outcomes.await_order(order, known.map(|(_, order)| order), wanted),
        }
    }

    /// Ends one wait for an order.
    pub fn give_up_order(&self, order: OrderId, token: u64) {
        self.outcomes.give_up_order(order, token);
    }

    /// The outcome of a cancel or mass cancel, now or later.
    pub fn await_request(&self, request: LogPosition) -> oneshot::Receiver<RequestOutcome> {
        self.outcomes.await_request(request)
    }

    /// Why a replace has brought no new order in; known when the outcome of its cancel is.
    pub fn refused_replacement(&self, request: LogPosition) -> Option<RefusedReplacement> {
        self.outcomes.refused_replacement(request)
    }

    /// Ends the wait for a cancel.
    pub fn give_up_request(&self, request: LogPosition) {
        self.outcomes.give_up_request(request);
    }

    /// Takes the events of one command of the ledger's partition in.
    pub(crate) fn apply(
        &mut self,
        position: LogPosition,
        now: Timestamp,
        events: &[Event],
        reference: &Arc<Reference>,
    ) {
        let mut batch = Batch { position, now, reference, place: Cell::new(0), moved: std::mem::take(&mut self.moved) };
        let mut told = std::mem::take(&mut self.told);
        self.as_of = position;
        for (index, event) in events.iter().enumerate() {
            told.add(event);
            batch.place.set(2 * index as u64);
            match event {
                Event::AccountOpened(opened) => self.open(opened, now),
                Event::ApiKeyAdded(added) => self.keys.add(added),
                Event::ApiKeyRevoked(revoked) => {
                    self.keys.revoke(&revoked.key);
                    self.end_streams(revoked.account, &revoked.key);
                }
                Event::ApiKeyRestricted(restricted) => {
                    self.keys.restrict(restricted);
                    self.end_streams(restricted.account, &restricted.key);
                }
                Event::ApiKeyExtended(extended) => self.keys.extend(extended),
                Event::Credited(credited) => {
                    self.report_transfer(&batch, credited.account, credited.asset, credited.amount, "");
                }
                Event::Debited(debited) => {
                    self.report_transfer(&batch, debited.account, debited.asset, debited.amount, "-");
                }
                Event::BalanceChanged(changed) => self.change_balance(&mut batch, changed),
                Event::OrderPending(pending) => {
                    self.conduct.count_order(pending.account, now);
                    self.send_off(&batch, pending);
                }
                Event::LeaseChanged(changed) => self.conduct.change_lease(changed),
                Event::OrderAccepted(accepted) => {
                    // A peg's first price is told with the order that it gives a place.
                    let of_it =
                        |later: &&Event| matches!(later, Event::OrderPegged(pegged) if pegged.order == accepted.order);
                    if let Some(Event::OrderPegged(pegged)) = events[index + 1..].iter().find(of_it) {
                        self.peg(pegged);
                    }
                    self.accept(&batch, accepted);
                }
                Event::OrderRejected(rejected) => self.reject(&batch, rejected),
                Event::OrderExecuted(executed) => {
                    let spends_budget = events[index + 1..].iter().any(|later| spends_budget_of(later, executed.order));
                    self.execute(&batch, executed, spends_budget);
                }
                Event::OrderResting(resting) => self.rest(resting),
                Event::OrderCanceled(canceled) => self.cancel(&batch, canceled),
                Event::CancelRejected(rejected) => {
                    self.outcomes.settle_request(rejected.request, RequestOutcome::Refused(rejected.reason));
                }
                Event::AllCanceled(all) => self.outcomes.all_canceled(all.request),
                Event::AssetListed(_)
                | Event::MarketListed(_)
                | Event::MarketStatusChanged(_)
                | Event::MarketScheduleChanged(_)
                | Event::PhaseChanged(_)
                | Event::MarketProtectionChanged(_)
                | Event::MarketRulesChanged(_)
                | Event::AuctionIndicated(_)
                | Event::AuctionCompleted(_)
                | Event::Traded(_)
                | Event::LevelChanged(_)
                | Event::DepthWindowClosed(_)
                | Event::OrderShown(_)
                | Event::AccountAssigned(_)
                | Event::CountdownChanged(_)
                | Event::VersionChanged(_)
                | Event::CapacityRaised(_)
                | Event::ChainClaimed(_)
                | Event::AddressRequested(_)
                | Event::WithdrawalsRestricted(_)
                | Event::AddressAllowed(_)
                | Event::WithdrawalApproved(_)
                | Event::WithdrawalAllocated(_)
                | Event::WithdrawalSigned(_)
                | Event::HotWalletChanged(_)
                | Event::LooseningProposed(_)
                | Event::LooseningEnded(_)
                | Event::CommandQuarantined(_) => {}
                Event::KillSwitchChanged(changed) => self.conduct.kill(changed),
                Event::AccountLimitsChanged(changed) => self.conduct.bound_account(changed),
                Event::OrderLimitsChanged(changed) => self.conduct.bound_orders(changed),
                Event::AssetLimitChanged(changed) => self.conduct.bound_asset(changed),
                Event::WithdrawalRulesChanged(_) => self.withdrawals.apply(event),
                Event::WithdrawalChanged(changed) => {
                    self.tell_fee(&batch, changed);
                    self.withdrawals.apply(event);
                }
                Event::ChainListed(_)
                | Event::ChainAssetListed(_)
                | Event::ChainFrozen(_)
                | Event::ChainAdvanced(_)
                | Event::ReservesChanged(_)
                | Event::AddressBound(_)
                | Event::DepositChanged(_) => self.chains.apply(event, now),
                Event::FeeScheduleChanged(changed) => self.fees.set_tiers(changed),
                Event::FeesChanged(changed) => self.fees.set(changed),
                Event::FeeTierChanged(changed) => self.fees.set_tier(changed),
                Event::OrderTerms(terms) => self.set_terms(terms),
                Event::OrderArmed(armed) => self.settle(armed.account, armed.market, armed.order),
                Event::OrderTracking(tracking) => self.track(&batch, tracking),
                Event::OrderTriggered(triggered) => self.trigger(&batch, triggered),
                Event::OrderPegged(pegged) => self.peg(pegged),
                Event::OrderAmended(amended) => self.amend(&batch, amended),
                Event::AmendRejected(rejected) => {
                    self.outcomes.settle_request(rejected.request, RequestOutcome::Refused(rejected.reason));
                }
                Event::ReplacementRefused(refused) => {
                    let why = RefusedReplacement { reason: refused.reason, id: refused.id };
                    self.outcomes.refuse_replacement(refused.request, why);
                }
                Event::ListStarted(started) => self.start_list(&batch, started),
                Event::ListEnded(ended) => {
                    self.end_list(&batch, ended.account, ended.list, ListStatus::AllDone);
                }
                Event::ListRejected(rejected) => {
                    self.end_list(&batch, rejected.account, rejected.list, ListStatus::Rejected(rejected.reason));
                }
                Event::MatchPrevented(prevented) => self.prevent(&batch, prevented, &events[index + 1..]),
            }
        }
        self.report_balances(&mut batch, &told);
        told.clear();
        batch.moved.clear();
        (self.moved, self.told) = (batch.moved, told);
    }

    fn open(&mut self, opened: &AccountOpened, now: Timestamp) {
        self.fees.open(opened);
        let account = Account {
            id: opened.account,
            name: opened.name,
            maker_fee: opened.maker_fee,
            taker_fee: opened.taker_fee,
            balances: BTreeMap::new(),
            orders: Orders::default(),
            fills: Fills::default(),
            lists: Lists::default(),
            prevented: PreventedMatches::default(),
            updated: now,
            untold: Vec::new(),
            on_their_way: BTreeSet::new(),
            arrived_at: LogPosition::ZERO,
        };
        self.accounts.insert(opened.account, account);
    }

    /// Who listens by a key that may no longer be used is told so and no more.
    fn end_streams(&mut self, account: AccountId, key: &ApiKeyText) {
        let keys = &self.keys;
        self.subscribers.end_key(account, key, |ip| keys.allows(key, ip));
    }

    fn account(&mut self, id: AccountId) -> &mut Account {
        self.accounts.get_mut(&id).expect("an account's events follow its opening")
    }

    fn change_balance(&mut self, batch: &mut Batch<'_>, changed: &BalanceChanged) {
        let account = self.account(changed.account);
        account.balances.insert(changed.asset, Balance { free: changed.free, held: changed.held });
        account.updated = batch.now;
        batch.moved.push((changed.account, changed.asset));
    }
}

impl Account {
    /// What an account is told of an order's first outcome.
    fn outcome(&self, order: &Order) -> OrderOutcome {
        OrderOutcome { order: order.clone(), fills: self.fills_of(order), prevented: self.prevented_by(order) }
    }

    /// The trades with its own account or group that an order would have taken, as far as they are still kept.
    pub fn prevented_by(&self, order: &Order) -> Vec<PreventedMatch> {
        if order.has_met_own { self.prevented.of_taker(order.market, order.id).collect() } else { Vec::new() }
    }

    /// The fills of one order that are still kept, in order.
    pub fn fills_of(&self, order: &Order) -> Vec<Fill> {
        order
            .trades
            .as_slice()
            .iter()
            .filter_map(|trade| self.fills.get(order.market, *trade, order.id).copied())
            .collect()
    }

    fn order(&mut self, market: MarketId, order: OrderId) -> &mut Order {
        self.orders.get_mut(market, order).expect("an order's events follow its entry and end with its end")
    }
}

/// Whether `event` ends the order because its budget is used up: for an order by quote quantity that is
/// what it asked for.
pub(crate) fn spends_budget_of(event: &Event, order: OrderId) -> bool {
    matches!(event, Event::OrderCanceled(canceled)
        if canceled.order == order && canceled.cause == CancelCause::BudgetSpent)
}

#[cfg(test)]
mod tests;
