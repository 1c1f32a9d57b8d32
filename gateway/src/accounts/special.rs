//! What the ledger's events say of orders on terms, order lists, amended orders and prevented trades.

use tokio::sync::oneshot;
use wire::event::*;
use wire::{AccountId, CancelCause, Event, ListId, MarketId, OrderId, SelfTradePrevention};

use super::drafts::{Draft, Occasion};
use super::lists::ListStatus;
use super::prevented::PreventedMatch;
use super::{Accounts, Batch, RequestOutcome, reports};

impl Accounts {
    /// Waits until what came of a list is known, now or later.
    pub fn await_list(&self, account: AccountId, list: ListId) -> oneshot::Receiver<()> {
        let receiver = self.outcomes.await_list(list);
        if self.is_list_settled(account, list) {
            let (sender, known) = oneshot::channel();
            // The receiver is ours: it is there.
            let _ = sender.send(());
            return known;
        }
        receiver
    }

    /// Ends the wait for a list.
    pub fn give_up_list(&self, list: ListId) {
        self.outcomes.give_up_list(list);
    }

    fn is_list_settled(&self, account: AccountId, list: ListId) -> bool {
        let Some((account, list)) = self.get(account).and_then(|account| Some((account, account.lists.get(list)?)))
        else {
            return false;
        };
        let is_settled = |order: &OrderId| account.orders.get(list.market, *order).is_none_or(|order| order.is_settled);
        list.status != ListStatus::Executing || list.first_orders().iter().all(is_settled)
    }

    pub(super) fn settle_list_of(&mut self, account: AccountId, _: MarketId, list: ListId) {
        if list != ListId::ZERO && self.is_list_settled(account, list) {
            self.outcomes.settle_list(list);
        }
    }

    pub(super) fn set_terms(&mut self, terms: &OrderTerms) {
        let order = self.account(terms.account).order(terms.market, terms.order);
        order.set_terms(terms);
    }

    pub(super) fn peg(&mut self, pegged: &OrderPegged) {
        self.account(pegged.account).order(pegged.market, pegged.order).peg(pegged);
    }

    pub(super) fn track(&mut self, batch: &Batch<'_>, tracking: &OrderTracking) {
        let order = self.account(tracking.account).order(tracking.market, tracking.order);
        order.track(tracking.at, batch.now);
    }

    /// A stop order works now: it is told once more as new.
    pub(super) fn trigger(&mut self, batch: &Batch<'_>, triggered: &OrderTriggered) {
        let order = self.account(triggered.account).order(triggered.market, triggered.order);
        order.trigger(triggered.at, batch.now);
        self.report(batch, triggered.account, triggered.market, triggered.order, Occasion::Accepted);
    }

    pub(super) fn amend(&mut self, batch: &Batch<'_>, amended: &OrderAmended) {
        let (account, market, id) = (amended.account, amended.market, amended.order);
        let orders = &mut self.account(account).orders;
        let Some(order) = orders.get_mut(market, id) else { return };
        let before = order.client_order_id;
        order.amend(amended, batch.execution(), batch.now);
        orders.rename(market, id, amended.client_order_id);
        self.outcomes.settle_request(amended.request, RequestOutcome::Amended(market, id));
        self.report(batch, account, market, id, Occasion::Amended(before));
        if before != amended.client_order_id {
            self.report_renamed_list(batch, account, market, id);
        }
    }

    pub(super) fn start_list(&mut self, batch: &Batch<'_>, started: &ListStarted) {
        let account = self.account(started.account);
        account.lists.start(started, batch.now);
        for id in [started.first, started.second, started.third] {
            if let Some(order) = account.orders.get_mut(started.market, id) {
                order.set_list(started.list);
            }
        }
        self.report_list(batch, started.account, started.list);
    }

    pub(super) fn end_list(&mut self, batch: &Batch<'_>, account: AccountId, list: ListId, status: ListStatus) {
        let closed_max = self.closed_max;
        self.account(account).lists.end(list, status, batch.now, closed_max);
        self.outcomes.settle_list(list);
        self.report_list(batch, account, list);
    }

    fn report_list(&mut self, batch: &Batch<'_>, account: AccountId, list: ListId) {
        let known = &self.accounts[&account];
        let Some(list) = known.lists.get(list) else { return };
        let Some(market) = batch.reference.market(list.market) else { return };
        let text = reports::list_status(list, known, market, batch.now);
        self.subscribers.publish(account, batch.reference, Draft::Written(text.into()));
    }

    /// An order that may be of a list has another name.
    fn report_renamed_list(&mut self, batch: &Batch<'_>, account: AccountId, market: MarketId, order: OrderId) {
        let known = &self.accounts[&account];
        let Some(list) = known.orders.get(market, order).and_then(|order| known.lists.get(order.list())) else {
            return;
        };
        let Some(market) = batch.reference.market(list.market) else { return };
        let text = reports::list_renamed(list, known, market, batch.now);
        self.subscribers.publish(account, batch.reference, Draft::Written(text.into()));
    }

    /// Both orders lose what they would have traded with each other, or one ends: then its end tells it of this trade.
    pub(super) fn prevent(&mut self, batch: &Batch<'_>, prevented: &MatchPrevented, later: &[Event]) {
        let seen = PreventedMatch::new(prevented);
        self.account(prevented.taker_account).prevented.push(seen);
        if prevented.maker_account != prevented.taker_account {
            self.account(prevented.maker_account).prevented.push(seen);
        }
        let first = batch.place.get();
        let both = [(prevented.taker_account, prevented.taker, 0), (prevented.maker_account, prevented.maker, 1)];
        for (account, id, place) in both {
            batch.place.set(first + place);
            let Some(order) = self.account(account).orders.get_mut(prevented.market, id) else { continue };
            if !order.prevent(prevented, batch.now) {
                continue;
            }
            if prevented.mode == SelfTradePrevention::Decrement && !is_told_with_its_end(id, later) {
                self.report(batch, account, prevented.market, id, Occasion::Prevented);
            }
        }
    }
}

/// Whether the order ends by this very prevented trade: no other one of its own follows before its end.
fn is_told_with_its_end(id: OrderId, later: &[Event]) -> bool {
    let next = later.iter().find(|event| match event {
        Event::MatchPrevented(prevented) => prevented.taker == id || prevented.maker == id,
        Event::OrderCanceled(canceled) => canceled.order == id,
        _ => false,
    });
    matches!(next, Some(Event::OrderCanceled(canceled)) if canceled.cause == CancelCause::SelfTrade)
}
