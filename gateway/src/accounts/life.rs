//! An order's life: what each event of the ledger makes of it. The projection in memory and the history in a
//! database both go by these, so that they cannot tell an order differently.

use wire::event::{MatchPrevented, OrderAmended, OrderExecuted, OrderPegged, OrderTerms};
use wire::{CancelCause, ListId, Qty, RejectReason, Timestamp};

use super::orders::{Order, OrderStatus};
use super::particulars::{Amendment, Prevented};

impl Order {
    /// Its market has taken it. One without a trigger works since it was placed: clients ask for what came after the
    /// time that its answer names. What a list places may have waited for long.
    pub(crate) fn accept(&mut self, now: Timestamp) {
        self.status = OrderStatus::New;
        if !self.kind.is_stop() {
            self.working = Some(if self.list() == ListId::ZERO { self.created } else { now });
        }
        self.updated = now;
    }

    /// Its market has refused it. One that finds nobody to trade with is no mistake of the client: it expires.
    pub(crate) fn reject(&mut self, reason: RejectReason, now: Timestamp) {
        let expires = reason == RejectReason::NoLiquidity;
        self.status = if expires { OrderStatus::Expired } else { OrderStatus::Rejected };
        if !expires {
            self.particularize(|particulars| particulars.refused = Some(reason));
        }
        self.updated = now;
    }

    /// Some of it has traded. One by quote quantity that `spends_budget` with it is filled.
    pub(crate) fn execute(&mut self, executed: &OrderExecuted, spends_budget: bool, now: Timestamp) {
        self.executed = self.executed.checked_add(executed.qty).expect("an order trades at most its quantity");
        self.quote_executed =
            self.quote_executed.checked_add(executed.quote_amount).expect("an order's quote fits an amount");
        self.trades.push(executed.trade);
        self.updated = now;
        let is_filled = executed.leaves.is_zero() || (spends_budget && self.qty.is_zero());
        self.status = if is_filled { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
    }

    /// It ended without being filled whole, or by having spent what it was to spend.
    pub(crate) fn cancel(&mut self, cause: CancelCause, now: Timestamp) {
        self.status = if !cause.is_expiry() {
            OrderStatus::Canceled
        } else if self.qty.is_zero() && cause == CancelCause::BudgetSpent && !self.executed.is_zero() {
            // It was asked to spend or to receive an amount, and has.
            OrderStatus::Filled
        } else if cause == CancelCause::SelfTrade {
            OrderStatus::ExpiredInMatch
        } else {
            OrderStatus::Expired
        };
        if cause.is_expiry() {
            self.expired_by = Some(cause);
        }
        self.updated = now;
    }

    /// What it asks for beyond a plain order.
    pub(crate) fn set_terms(&mut self, terms: &OrderTerms) {
        self.particularize(|particulars| (particulars.terms, particulars.list) = (terms.terms, terms.list));
    }

    /// A trailing stop tracks the price.
    pub(crate) fn track(&mut self, since: Timestamp, now: Timestamp) {
        self.particularize(|particulars| particulars.tracking = Some(since));
        self.updated = now;
    }

    /// A stop order works.
    pub(crate) fn trigger(&mut self, since: Timestamp, now: Timestamp) {
        self.working = Some(since);
        self.updated = now;
    }

    /// Its market gave it its limit.
    pub(crate) fn peg(&mut self, pegged: &OrderPegged) {
        self.particularize(|particulars| particulars.pegged = Some(pegged.price));
    }

    /// It has less quantity, and perhaps another name.
    pub(crate) fn amend(&mut self, amended: &OrderAmended, execution: u64, now: Timestamp) {
        let amendment = Amendment {
            execution,
            client_order_id_before: self.client_order_id,
            client_order_id: amended.client_order_id,
            qty_before: amended.qty_before,
            qty: amended.qty,
            at: now,
        };
        self.particularize(|particulars| particulars.amendments.push(amendment));
        self.client_order_id = amended.client_order_id;
        self.qty = amended.qty;
        self.updated = now;
    }

    /// It was about to trade with its own account or group; whether it lost anything by that.
    pub(crate) fn prevent(&mut self, prevented: &MatchPrevented, now: Timestamp) -> bool {
        let is_taker = self.id == prevented.taker;
        self.has_met_own |= is_taker;
        let (counter, qty) =
            if is_taker { (prevented.maker, prevented.taker_qty) } else { (prevented.taker, prevented.maker_qty) };
        if qty.is_zero() {
            return false;
        }
        let before = self.prevented().map_or(Qty::ZERO, |before| before.qty);
        let last = Prevented {
            id: prevented.prevented,
            counter,
            group: prevented.group,
            price: prevented.price,
            last_qty: qty,
            qty: before.checked_add(qty).unwrap_or(qty),
        };
        self.particularize(|particulars| particulars.prevented = Some(last));
        self.updated = now;
        true
    }
}
