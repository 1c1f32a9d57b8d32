//! What the ledger's events say of every order: accepted, refused, filled, resting, ended. Which of its clients wait for
//! that, and what user streams are told.

use wire::event::*;
use wire::{AccountId, CancelCause, MarketId, OrderId, RejectReason};

use super::drafts::Occasion;
use super::{Accounts, Batch, Fill, OrderStatus, RequestOutcome};

impl Accounts {
    pub(super) fn accept(&mut self, batch: &Batch<'_>, accepted: &OrderAccepted) {
        let order = self.account(accepted.account).order(accepted.market, accepted.order);
        order.accept(batch.now);
        self.report(batch, accepted.account, accepted.market, accepted.order, Occasion::Accepted);
    }

    pub(super) fn reject(&mut self, batch: &Batch<'_>, rejected: &OrderRejected) {
        let closed_max = self.closed_max;
        let account = self.account(rejected.account);
        let order = account.order(rejected.market, rejected.order);
        order.reject(rejected.reason, batch.now);
        let expires = order.status == OrderStatus::Expired;
        account.orders.close(rejected.market, rejected.order, closed_max);
        self.settle(rejected.account, rejected.market, rejected.order);
        let reason = rejected.reason;
        if reason == RejectReason::NotAttempted {
            // Of what was not attempted there is nothing to tell.
            return;
        }
        let occasion = if expires { Occasion::Expired } else { Occasion::Rejected(reason) };
        self.report(batch, rejected.account, rejected.market, rejected.order, occasion);
    }

    pub(super) fn execute(&mut self, batch: &Batch<'_>, executed: &OrderExecuted, spends_budget: bool) {
        let (closed_max, fills_max) = (self.closed_max, self.fills_max);
        let account = self.account(executed.account);
        let fill = Fill::new(executed);
        account.fills.insert(fill, fills_max);
        let order = account.order(executed.market, executed.order);
        let first_of = order.executed.is_zero().then(|| order.created.nanos() / 1_000);
        order.execute(executed, spends_budget, batch.now);
        if executed.leaves.is_zero() {
            account.orders.close(executed.market, executed.order, closed_max);
            self.settle(executed.account, executed.market, executed.order);
        }
        if let Some(created_us) = first_of {
            self.unfilled.has_traded(executed.account, created_us, executed.is_maker);
        }
        self.report(batch, executed.account, executed.market, executed.order, Occasion::Traded(fill));
    }

    pub(super) fn rest(&mut self, resting: &OrderResting) {
        self.settle(resting.account, resting.market, resting.order);
    }

    pub(super) fn cancel(&mut self, batch: &Batch<'_>, canceled: &OrderCanceled) {
        let closed_max = self.closed_max;
        let account = self.account(canceled.account);
        let order = account.order(canceled.market, canceled.order);
        let was_reported_filled = order.status == OrderStatus::Filled;
        order.cancel(canceled.cause, batch.now);
        let (account, market, id) = (canceled.account, canceled.market, canceled.order);
        self.account(account).orders.close(market, id, closed_max);
        self.settle(account, market, id);
        match canceled.cause {
            CancelCause::Requested => {
                self.outcomes.settle_request(canceled.request, RequestOutcome::Canceled(vec![(market, id)]));
            }
            CancelCause::MassCancel => self.outcomes.collect(canceled.request, market, id),
            _ => {}
        }
        if was_reported_filled {
            return;
        }
        let occasion = if canceled.cause.is_expiry() {
            Occasion::Expired
        } else {
            Occasion::Canceled { request: canceled.request, canceled_as: canceled.canceled_as }
        };
        self.report(batch, account, market, id, occasion);
    }

    /// The first outcome of an order is known: whoever waits for it is told.
    pub(super) fn settle(&mut self, account: AccountId, market: MarketId, order: OrderId) {
        let as_of = self.as_of;
        let owner = self.account(account);
        let Some(known) = owner.orders.get_mut(market, order) else { return };
        if std::mem::replace(&mut known.is_settled, true) {
            return;
        }
        let list = known.list();
        if owner.on_their_way.remove(&(market, order)) {
            owner.arrived_at = as_of;
        }
        self.settle_list_of(account, market, list);
        let account = &self.accounts[&account];
        for waiter in self.outcomes.order_waiters(order) {
            if let Some(order) = account.orders.get(market, order) {
                // A client that gave up asks for the order's status instead.
                let _ = waiter.send(account.outcome(order));
            }
        }
    }
}
