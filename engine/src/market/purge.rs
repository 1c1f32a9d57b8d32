//! Canceling many orders of a market: every one of them, or those that no longer *fit* the market's filters.
//!
//! An order fits when its price is a multiple of the tick from `price_min` to `price_max`, and what is left of it is a
//! multiple of the lot of at most `qty_max` and `notional_max`. The minima are not looked at: they measure an order when it
//! comes, and a part of it may be less.
//!
//! It goes account by account, each one's oldest order first, at most `fills_per_order_max` cancellations in one command.
//! Each level that changed is told once, after the orders of the command. When the last one is gone, the ladder takes the
//! new tick.

use wire::codec::{CodecError, Reader, Writer};
use wire::mail::ChangeMarketRules;
use wire::{AccountId, CancelCause, LogPosition, OrderId, Price, Side, Timestamp};

use super::MarketCell;
use super::book::{Handle, Resting};
use crate::effects::Effects;

/// Accounts that one command may look at.
const ACCOUNTS_MAX: usize = 65_536;

/// A cancellation that is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Purge {
    /// `RulesChanged` spares what fits.
    cause: CancelCause,
    /// The accounts before it are done.
    account: AccountId,
}

impl Purge {
    /// Of every order.
    pub(super) fn everything(cause: CancelCause) -> Purge {
        Purge { cause, account: AccountId::new(1) }
    }

    fn spares(&self) -> bool {
        self.cause == CancelCause::RulesChanged
    }

    pub(super) fn save(purge: Option<Purge>, to: &mut Writer<'_>) {
        let Purge { cause, account } = purge.unwrap_or(Purge::everything(CancelCause::MarketClosed));
        to.put(&purge.is_some());
        to.put(&cause);
        to.put(&account);
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Option<Purge>, CodecError> {
        let is_going_on: bool = from.get()?;
        let purge = Purge { cause: from.get()?, account: from.get()? };
        Ok(is_going_on.then_some(purge))
    }
}

impl MarketCell {
    /// Other filters. What no longer fits is canceled.
    pub(crate) fn change_rules(
        &mut self,
        now: Timestamp,
        change: &ChangeMarketRules,
        replies_fit: bool,
        effects: &mut Effects<'_>,
    ) {
        self.hear(change.version);
        self.rules = change.rules;
        if self.purge.is_none_or(|purge| purge.spares()) {
            self.purge = Some(Purge { cause: CancelCause::RulesChanged, account: AccountId::new(1) });
        }
        self.carry_on(now, replies_fit, effects);
    }

    /// Cancels as many orders as one command may; how many more it may cancel.
    pub(super) fn purge_some(&mut self, now: Timestamp, orders_left: u32, effects: &mut Effects<'_>) -> u32 {
        let Some(mut purge) = self.purge else { return orders_left };
        let mut orders_left = orders_left as usize;
        let mut levels: Vec<(Side, Price)> = Vec::new();
        let mut going: Vec<(OrderId, Handle)> = Vec::new();
        let mut is_done = false;
        for _ in 0..ACCOUNTS_MAX {
            is_done = self.orders() == 0 || !self.book.has_account(purge.account);
            if is_done || orders_left == 0 {
                break;
            }
            self.list_purged(&purge, &mut going);
            let now_going = &going[..going.len().min(orders_left)];
            for (_, handle) in now_going {
                let (gone, _) = self.end_resting(*handle, purge.cause, LogPosition::ZERO, effects);
                levels.push((gone.side, gone.price));
            }
            orders_left -= now_going.len();
            let is_through = now_going.len() == going.len();
            while orders_left > 0
                && let Some(stop) = self.purged_stop(&purge)
            {
                orders_left =
                    orders_left.saturating_sub(self.end_stop(stop, purge.cause, LogPosition::ZERO, effects) as usize);
            }
            if is_through && self.purged_stop(&purge).is_none() {
                purge.account = AccountId::new(purge.account.get() + 1);
            }
        }
        self.tell_levels(now, levels, effects);
        if is_done {
            self.book.take_tick(self.rules.tick);
        }
        self.purge = (!is_done).then_some(purge);
        orders_left as u32
    }

    /// The account's oldest stop order that goes.
    fn purged_stop(&self, purge: &Purge) -> Option<OrderId> {
        let stops = self.stops.of_account(purge.account);
        stops.into_iter().find(|id| !purge.spares() || !self.stop_fits(*id))
    }

    /// Whether the market would still have this stop order.
    fn stop_fits(&self, id: OrderId) -> bool {
        let Some(stop) = self.stops.get(id) else { return true };
        let (place, rules) = (&stop.place, &self.rules);
        let fits =
            |price: Price| (rules.price_min..=rules.price_max).contains(&price) && price.is_multiple_of(rules.tick);
        (place.kind.is_market() || fits(place.price))
            && stop.terms.stop_price.is_none_or(fits)
            && place.qty.is_multiple_of(rules.lot)
            && place.qty <= if place.kind.is_market() { rules.market_qty_max } else { rules.qty_max }
    }

    /// The account's orders that go, oldest first.
    fn list_purged(&self, purge: &Purge, going: &mut Vec<(OrderId, Handle)>) {
        going.clear();
        for side in [Side::Buy, Side::Sell] {
            for handle in self.book.orders_of(purge.account, side) {
                let order = self.book.order(handle);
                if !purge.spares() || !self.fits(&order) {
                    going.push((order.id, handle));
                }
            }
        }
        going.sort_unstable();
    }

    /// Whether the market would still have this order.
    fn fits(&self, order: &Resting) -> bool {
        let (rules, whole) = (&self.rules, self.whole(order));
        let notional = order.price.notional(whole, self.scale.quote_factor);
        (rules.price_min..=rules.price_max).contains(&order.price)
            && order.price.is_multiple_of(rules.tick)
            && whole.is_multiple_of(rules.lot)
            && whole <= rules.qty_max
            && notional.is_some_and(|notional| notional <= rules.notional_max)
    }
}
