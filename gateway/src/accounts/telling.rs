//! Telling those who listen to an account what one command did: reports of its orders, then its balances.

use std::cell::Cell;
use std::sync::Arc;

use wire::{AccountId, Amount, AssetId, Event, LogPosition, MarketId, OrderId, Timestamp};

use super::Accounts;
use super::drafts::{Draft, Occasion, Position, Report};
use super::reports;
use crate::reference::Reference;

impl Accounts {
    pub(super) fn report(
        &mut self,
        batch: &Batch<'_>,
        account: AccountId,
        market: MarketId,
        order: OrderId,
        occasion: Occasion,
    ) {
        if batch.reference.market(market).is_none() {
            return;
        }
        let Some(order) = self.accounts.get_mut(&account).and_then(|known| known.orders.get_mut(market, order)) else {
            return;
        };
        let (order, execution) = (order.without_history(), batch.execution());
        let report = Report { order, occasion, execution, now: batch.now };
        self.subscribers.publish(account, batch.reference, Draft::Report(report));
    }

    pub(super) fn report_transfer(
        &mut self,
        batch: &Batch<'_>,
        account: AccountId,
        asset: AssetId,
        amount: Amount,
        sign: &str,
    ) {
        if let Some(asset) = batch.reference.asset(asset) {
            let delta = format!("{sign}{}", asset.show(amount.units()));
            let text = reports::balance_update(asset, &delta, batch.now);
            self.subscribers.publish(account, batch.reference, Draft::Written(text.into()));
        }
    }

    /// One position report an account, after the other reports of the command. What was held for an order that is
    /// still on its way to its market is told with what the market says of it, as clients expect: `executionReport`
    /// first, then `outboundAccountPosition`.
    pub(super) fn report_balances(&mut self, batch: &mut Batch<'_>, told: &Told) {
        // By account; the assets of each as they came.
        batch.moved.sort_by_key(|(account, _)| *account);
        for (id, asset) in &batch.moved {
            let untold = &mut self.account(*id).untold;
            if !untold.contains(asset) {
                untold.push(*asset);
            }
        }
        let moved = batch.moved.chunk_by(|one, next| one.0 == next.0).map(|assets| &assets[0].0);
        let moved = moved.filter(|id| !told.held.contains(id) && !told.outcomes.contains(id));
        for id in told.outcomes.iter().chain(moved) {
            let account = self.accounts.get_mut(id).expect("an account's events follow its opening");
            if account.untold.is_empty() {
                continue;
            }
            let balances = account.untold.iter().filter_map(|asset| Some((*asset, *account.balances.get(asset)?)));
            let position = Position::new(balances, batch.now);
            account.untold.clear();
            self.subscribers.publish(*id, batch.reference, Draft::Position(position));
        }
    }
}

/// Whose orders one command's events tell of. There are few in one command.
#[derive(Default)]
pub(super) struct Told {
    /// Funds are held for an order that is on its way to its market.
    pub(super) held: Vec<AccountId>,
    /// Something came of an order.
    pub(super) outcomes: Vec<AccountId>,
}

impl Told {
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.outcomes.clear();
    }

    pub(super) fn add(&mut self, event: &Event) {
        let (accounts, account) = match event {
            Event::OrderPending(pending) => (&mut self.held, pending.account),
            Event::OrderAccepted(accepted) => (&mut self.outcomes, accepted.account),
            Event::OrderRejected(rejected) => (&mut self.outcomes, rejected.account),
            Event::OrderExecuted(executed) => (&mut self.outcomes, executed.account),
            Event::OrderResting(resting) => (&mut self.outcomes, resting.account),
            Event::OrderCanceled(canceled) => (&mut self.outcomes, canceled.account),
            _ => return,
        };
        if !accounts.contains(&account) {
            accounts.push(account);
        }
    }
}

/// What one command's events share while they are taken in.
pub(super) struct Batch<'a> {
    pub(super) position: LogPosition,
    pub(super) now: Timestamp,
    pub(super) reference: &'a Arc<Reference>,
    /// Where it is among the command's reports: twice the index of its event, and one more at the second order of a trade
    /// that was prevented.
    pub(super) place: Cell<u64>,
    /// Balances as they changed, for one position report an account.
    pub(super) moved: Vec<(AccountId, AssetId)>,
}

impl Batch<'_> {
    pub(super) fn execution(&self) -> u64 {
        execution_id(self.position, self.place.get())
    }
}

/// Places of one command that have a number of their own; those beyond share the last one.
const PLACE_BITS: u32 = 14;

/// What one execution report is numbered by, on every gateway and in history: where its command is in the log, and where
/// in it the report is. It is exact in a JSON number of JavaScript up to position 2^39.
pub(crate) fn execution_id(position: LogPosition, place: u64) -> u64 {
    position.get() << PLACE_BITS | place.min((1 << PLACE_BITS) - 1)
}
