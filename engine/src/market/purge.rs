//! Canceling many orders of a market: every one of them, those that no longer *fit* the market's filters, or, when its session
//! ends (`Closed`), the day's orders and stop orders.
//!
//! An order fits when its price is a multiple of the tick from `price_min` to `price_max`, and what is left of it is a
//! multiple of the lot of at most `qty_max` and `notional_max`. The minima are not looked at: they measure an order when it
//! comes, and a part of it may be less.
//!
//! It goes account by account, each one's oldest order first, at most `fills_per_order_max` cancellations in one command. An
//! account's orders are listed once, not once for each command; the list is no state, since what it holds follows from the orders.
//! Each level that changed is told once, after the orders of the command. When the last one is gone, the ladder takes the
//! new tick.

use wire::codec::{CodecError, Reader, Writer};
use wire::mail::ChangeMarketRules;
use wire::{AccountId, CancelCause, LogPosition, OrderId, Price, Side, Timestamp};

use super::MarketCell;
use super::book::Resting;
use super::matching::buys_by_quote;
use crate::effects::Sink;

/// Accounts that one command may look at.
const ACCOUNTS_MAX: usize = 65_536;

/// A cancellation that is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Purge {
    /// `RulesChanged` spares what fits, `Expired` spares what fits and is not the day's alone.
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
        matches!(self.cause, CancelCause::RulesChanged | CancelCause::Expired)
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
        effects: &mut impl Sink,
    ) {
        self.hear(change.version, effects);
        self.rules = change.rules;
        let cause = self.purge.map_or(CancelCause::RulesChanged, |purge| purge.cause);
        self.begin_purge(Purge { cause, account: AccountId::new(1) });
        self.carry_on(now, replies_fit, effects);
    }

    /// The market's session has ended.
    pub(super) fn purge_day_orders(&mut self) {
        if self.extras.has_days() && self.purge.is_none_or(|purge| purge.spares()) {
            self.begin_purge(Purge { cause: CancelCause::Expired, account: AccountId::new(1) });
        }
    }

    pub(super) fn begin_purge(&mut self, purge: Purge) {
        self.purge = Some(purge);
        self.forget_going();
    }

    /// Cancels as many orders as one command may; how many more it may cancel.
    pub(super) fn purge_some(&mut self, now: Timestamp, orders_left: u32, effects: &mut impl Sink) -> u32 {
        let Some(mut purge) = self.purge else { return orders_left };
        let mut orders_left = orders_left as usize;
        let mut levels: Vec<(Side, Price)> = Vec::new();
        let mut is_done = false;
        for _ in 0..ACCOUNTS_MAX {
            is_done = self.orders() == 0 || !self.book.has_account(purge.account);
            if is_done || orders_left == 0 {
                break;
            }
            // An order takes the other one of its pair along: only what is left to list says that the account is done.
            if self.going.is_empty() {
                self.list_going(&purge);
                if self.going.is_empty() {
                    purge.account = AccountId::new(purge.account.get() + 1);
                    continue;
                }
            }
            while orders_left > 0
                && let Some(id) = self.going.pop()
            {
                let ended = self.purge_one(&purge, id, &mut levels, effects);
                orders_left = orders_left.saturating_sub(ended as usize);
            }
        }
        self.tell_levels(now, levels, effects);
        if is_done {
            self.book.take_tick(self.rules.tick);
        }
        self.purge = (!is_done).then_some(purge);
        orders_left as u32
    }

    /// Why an order goes; `None` when it stays.
    fn why_purged(&self, purge: &Purge, id: OrderId, fits: bool) -> Option<CancelCause> {
        match purge.cause {
            CancelCause::Expired if self.extras.is_day(id) => Some(CancelCause::Expired),
            CancelCause::Expired | CancelCause::RulesChanged => (!fits).then_some(CancelCause::RulesChanged),
            cause => Some(cause),
        }
    }

    /// Lists what goes of the account, once for all commands that it takes: what is on the book, oldest first, then its stop
    /// orders, oldest first. The other order of a pair goes with either.
    fn list_going(&mut self, purge: &Purge) {
        let mut resting: Vec<OrderId> = [Side::Buy, Side::Sell]
            .into_iter()
            .flat_map(|side| self.book.orders_of(purge.account, side))
            .map(|handle| self.book.order(handle))
            .inspect(|_| self.note_look())
            .filter(|order| self.why_purged(purge, order.id, self.fits(order)).is_some())
            .map(|order| order.id)
            .collect();
        resting.sort_unstable();
        let stops = self.stops.of_account(purge.account).inspect(|_| self.note_look());
        let stops = stops.filter(|id| self.why_purged(purge, *id, self.stop_fits(*id)).is_some());
        let mut going: Vec<OrderId> = resting.into_iter().chain(stops).collect();
        going.reverse();
        self.going = going;
    }

    /// Ends one that was listed, unless it has ended since or fits by now. How many orders ended.
    fn purge_one(
        &mut self,
        purge: &Purge,
        id: OrderId,
        levels: &mut Vec<(Side, Price)>,
        effects: &mut impl Sink,
    ) -> u32 {
        self.note_look();
        if let Some(handle) = self.book.find(id) {
            let order = self.book.order(handle);
            let Some(cause) = self.why_purged(purge, id, self.fits(&order)) else { return 0 };
            let (gone, ended) = self.end_resting(handle, cause, LogPosition::ZERO, effects);
            levels.push((gone.side, gone.price));
            return ended;
        }
        match self.why_purged(purge, id, self.stop_fits(id)) {
            Some(cause) => self.end_stop(id, cause, LogPosition::ZERO, effects),
            None => 0,
        }
    }

    /// An order has changed: whether it fits is to be asked anew.
    pub(super) fn forget_going(&mut self) {
        self.going.clear();
    }

    #[cfg(test)]
    fn note_look(&self) {
        self.looks.set(self.looks.get() + 1);
    }

    #[cfg(not(test))]
    #[inline(always)]
    fn note_look(&self) {}

    /// Whether the market would still have this stop order.
    fn stop_fits(&self, id: OrderId) -> bool {
        let Some(stop) = self.stops.get(id) else { return true };
        let (place, rules) = (&stop.place, &self.rules);
        let fits =
            |price: Price| (rules.price_min..=rules.price_max).contains(&price) && price.is_multiple_of(rules.tick);
        (!MarketCell::has_limit(place, stop.terms.peg) || fits(place.price))
            && stop.terms.stop_price.is_none_or(fits)
            && (buys_by_quote(place)
                || (place.qty.is_multiple_of(rules.lot)
                    && place.qty <= if place.kind.is_market() { rules.market_qty_max } else { rules.qty_max }))
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
