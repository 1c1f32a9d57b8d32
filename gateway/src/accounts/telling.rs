//! Telling those who listen to an account what one command did: reports of its orders, then its balances.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use wire::{AccountId, Amount, AssetId, Event, LogPosition, MarketId, OrderId, Timestamp};

use super::orders::Brief;
use super::reports::{self, Reporter};
use super::{Accounts, Order};
use crate::reference::Reference;

impl Accounts {
    pub(super) fn report(
        &mut self,
        batch: &Batch<'_>,
        account: AccountId,
        market: MarketId,
        order: OrderId,
        text: impl Fn(&Reporter<'_>, &Order) -> String + Send + Sync + 'static,
    ) {
        if batch.reference.market(market).is_none() {
            return;
        }
        let Some(order) = self.accounts.get_mut(&account).and_then(|known| known.orders.get_mut(market, order)) else {
            return;
        };
        let (execution, now) = (batch.execution(), batch.now);
        let write = move |reference: &Reference, order: &Order| {
            let market = reference.market(order.market).expect("a market that is listed stays listed");
            text(&Reporter { market, reference, execution, now }, order)
        };
        match Brief::of(order) {
            Some(order) => {
                self.subscribers.publish(account, batch.reference, move |reference| write(reference, &order.order()));
            }
            None => {
                let order = order.without_history();
                self.subscribers.publish(account, batch.reference, move |reference| write(reference, &order));
            }
        }
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
            self.subscribers.publish(account, batch.reference, move |_| text.clone());
        }
    }

    /// One position report an account, after the other reports of the command. What was held for an order that is
    /// still on its way to its market is told with what the market says of it, as clients expect: `executionReport`
    /// first, then `outboundAccountPosition`.
    pub(super) fn report_balances(&mut self, batch: &Batch<'_>, told: &Told) {
        for (id, assets) in &batch.moved {
            let untold = &mut self.account(*id).untold;
            let news: Vec<AssetId> = assets.iter().filter(|asset| !untold.contains(asset)).copied().collect();
            untold.extend(news);
        }
        let moved = batch.moved.keys().filter(|id| !told.held.contains(id));
        for id in told.outcomes.iter().chain(moved.filter(|id| !told.outcomes.contains(id))) {
            let assets = std::mem::take(&mut self.account(*id).untold);
            if assets.is_empty() {
                continue;
            }
            let balances = &self.accounts[id].balances;
            let balances: Vec<_> =
                assets.into_iter().filter_map(|asset| Some((asset, *balances.get(&asset)?))).collect();
            let now = batch.now;
            self.subscribers.publish(*id, batch.reference, move |reference| {
                let shown = balances.iter().filter_map(|(asset, balance)| Some((reference.asset(*asset)?, *balance)));
                reports::account_position(shown, now)
            });
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
    /// Balances that changed, for one position report an account.
    pub(super) moved: BTreeMap<AccountId, Vec<AssetId>>,
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
