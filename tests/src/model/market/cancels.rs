//! How orders end, lose quantity or are replaced: `engine/src/market/extras.rs`, `changes.rs` and `purge.rs` state the rules.

use wire::mail::*;
use wire::{Amount, CancelCause, Mail, OrderId, Price, Qty, Sides};

use super::super::numbers::{of, qty, whole};
use super::{Expiry, Market, Stop};

/// Levels that have changed and are told together.
type Levels = Vec<(wire::Side, i128)>;

impl Market {
    /// Ends an order on the book, and the other one of its pair first. How many orders ended.
    pub(super) fn end_resting(&mut self, id: u64, cause: CancelCause, request: u64, levels: &mut Levels) -> u32 {
        let Some(order) = self.resting(id) else { return 0 };
        self.orders.retain(|order| order.id != id);
        let others = self.end_sibling(order.sibling, cause, request, levels);
        self.tell_shown(&order, 0, false);
        self.tell_end(id, order.whole(), cause, request);
        levels.push((order.side, order.price));
        others + 1
    }

    /// Ends a stop order, and the other one of its pair first. How many orders ended.
    pub(super) fn end_stop(&mut self, id: u64, cause: CancelCause, request: u64, levels: &mut Levels) -> u32 {
        let Some(stop) = self.stop(id) else { return 0 };
        self.remove_stop(id);
        let others = self.end_sibling(stop.sibling, cause, request, levels);
        self.tell_end(id, whole(stop.place.qty), cause, request);
        others + 1
    }

    fn remove_stop(&mut self, id: u64) {
        self.stops.retain(|stop| stop.place.order.get() != id);
        self.due.retain(|due| *due != id);
        self.late.retain(|late| *late != id);
    }

    /// Ends the other order of a pair. With the same cause when somebody asked for it.
    pub(super) fn end_sibling(&mut self, id: u64, cause: CancelCause, request: u64, levels: &mut Levels) -> u32 {
        let cause = if request == 0 { CancelCause::OtherLeg } else { cause };
        if let Some(stop) = self.stop(id) {
            self.remove_stop(id);
            self.tell_end(id, whole(stop.place.qty), cause, request);
            return 1;
        }
        let Some(order) = self.resting(id) else { return 0 };
        self.orders.retain(|order| order.id != id);
        self.tell_shown(&order, 0, false);
        levels.push((order.side, order.price));
        self.tell_end(id, order.whole(), cause, request);
        1
    }

    pub(super) fn pull(&mut self, pull: &PullOrder) {
        let PullOrder { market, order, request, cause } = *pull;
        let mut levels = Levels::new();
        let ended = self.end_resting(order.get(), cause, request.get(), &mut levels)
            + self.end_stop(order.get(), cause, request.get(), &mut levels);
        if ended == 0 {
            self.say(Mail::PullRefused(PullRefused { market, order, request }));
        }
        self.tell_levels(levels);
    }

    /// The book first, then the stops, each oldest first.
    pub(super) fn pull_all(&mut self, pull: &PullOrders) {
        let PullOrders { market, account, sides, request, cause } = *pull;
        let mut levels = Levels::new();
        let mut canceled = 0;
        for id in self.resting_of(account.get(), sides) {
            canceled += self.end_resting(id, cause, request.get(), &mut levels);
        }
        for id in self.stops_of(account.get(), sides) {
            canceled += self.end_stop(id, cause, request.get(), &mut levels);
        }
        self.tell_levels(levels);
        self.say(Mail::OrdersPulled(OrdersPulled { market, account, request, canceled }));
    }

    fn resting_of(&self, account: u32, sides: Sides) -> Vec<u64> {
        let mine = self.orders.iter().filter(|order| order.account == account && sides.include(order.side));
        let mut ids: Vec<u64> = mine.map(|order| order.id).collect();
        ids.sort_unstable();
        ids
    }

    fn stops_of(&self, account: u32, sides: Sides) -> Vec<u64> {
        let is_mine = |stop: &&Stop| stop.place.account.get() == account && sides.include(stop.place.side);
        let mut ids: Vec<u64> = self.stops.iter().filter(is_mine).map(|stop| stop.place.order.get()).collect();
        ids.sort_unstable();
        ids
    }

    fn dated(&self) -> Vec<(Expiry, u64)> {
        let resting = self.orders.iter().filter_map(|order| Some((order.expiry?, order.id)));
        let stops = self.stops.iter().filter_map(|stop| Some((stop.expiry?, stop.place.order.get())));
        resting.chain(stops).collect()
    }

    /// When orders expire next; what one command has left to do comes with the next tick.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.expire_at.or(self.dated().into_iter().map(|(expiry, _)| expiry.at).min())
    }

    /// Oldest date first, so many in one command.
    pub(super) fn expire(&mut self) {
        let mut levels = Levels::new();
        let next = |market: &Market| {
            let due = market.dated().into_iter().filter(|(expiry, _)| expiry.at <= market.now);
            due.map(|(expiry, id)| (expiry.at, id)).min()
        };
        for _ in 0..self.fills_max {
            let Some((_, id)) = next(self) else { break };
            self.end_resting(id, CancelCause::Expired, 0, &mut levels);
            self.end_stop(id, CancelCause::Expired, 0, &mut levels);
        }
        self.tell_levels(levels);
        self.expire_at = next(self).map(|_| self.now + 1);
    }

    pub(super) fn reduce(&mut self, reduce: &ReduceOrder) {
        let ReduceOrder { market, order, by, request } = *reduce;
        let id = order.get();
        let resting = self.resting(id).map(|order| (order.whole(), order.sibling));
        let waiting = self.stop(id).map(|stop| (whole(stop.place.qty), stop.sibling));
        let (leaves, sibling) = resting.or(waiting).unwrap_or((0, 0));
        let left = leaves - whole(by);
        if left <= 0 || by.is_zero() {
            self.say(Mail::ReduceRefused(ReduceRefused { market, order, request }));
            return;
        }
        for id in [id, sibling] {
            if self.resting(id).is_some() {
                self.reduce_resting(id, whole(by));
            } else if self.stop(id).is_some() {
                self.reduce_stop(id, left);
            } else {
                continue;
            }
            let (order, leaves) = (OrderId::new(id), qty(left));
            self.say(Mail::OrderReduced(OrderReduced { market, order, by, leaves, request }));
        }
    }

    /// What is hidden goes first.
    fn reduce_resting(&mut self, id: u64, by: i128) {
        let order = self.resting_mut(id);
        let hidden = order.hidden.min(by);
        order.hidden -= hidden;
        order.shown -= by - hidden;
        let now = *order;
        if by > hidden {
            self.tell_shown(&now, now.shown, false);
            self.tell_level(now.side, now.price);
        }
    }

    fn reduce_stop(&mut self, id: u64, left: i128) {
        let factor = i128::from(self.scale.quote_factor);
        let stop = self.stops.iter_mut().find(|stop| stop.place.order.get() == id).expect("it waits");
        let place = &mut stop.place;
        place.qty = qty(left);
        if place.budget != Amount::MAX {
            let budget = place.budget.wide().min(of(place.price) * left * factor);
            place.budget = super::super::numbers::amount(budget);
        }
    }

    pub(super) fn replace(&mut self, replace: &ReplaceResting) {
        let ReplaceResting { old, expected, only_expected, request, ref place, ref terms } = *replace;
        let resting = self.resting(old.get()).map(|order| order.whole());
        let left = resting.or(self.stop(old.get()).map(|stop| whole(stop.place.qty)));
        let (market, order) = (self.id, place.order);
        let no = Mail::ReplaceRefused(ReplaceRefused { market, old, order, request });
        let is_expected = left == Some(whole(expected));
        if left.is_none() || only_expected && !is_expected {
            return self.say(no);
        }
        let mut levels = Levels::new();
        self.end_resting(old.get(), CancelCause::Requested, request.get(), &mut levels);
        self.end_stop(old.get(), CancelCause::Requested, request.get(), &mut levels);
        self.tell_levels(levels);
        if !is_expected {
            return self.say(no);
        }
        let verdict = self.check_on_terms(place, terms, place.order.get() > self.newest);
        self.newest = self.newest.max(place.order.get());
        match verdict {
            Ok(place) => drop(self.admit_on_terms(&place, terms, 0)),
            Err(no) => self.say_no(place, no),
        }
    }

    /// Account by account; how many more orders this command may cancel.
    pub(super) fn purge_some(&mut self, may: u32) -> u32 {
        let Some((cause, mut account)) = self.purge else { return may };
        let mut left = may as usize;
        let mut levels = Levels::new();
        let mut is_done;
        loop {
            is_done = self.orders.is_empty() && self.stops.is_empty() || account > self.accounts_max;
            if is_done || left == 0 {
                break;
            }
            let going = |id: &u64| self.why_purged(cause, *id).map(|why| (*id, why));
            let resting: Vec<_> = self.resting_of(account, Sides::Both).iter().filter_map(going).collect();
            let stops: Vec<_> = self.stops_of(account, Sides::Both).iter().filter_map(going).collect();
            if resting.is_empty() && stops.is_empty() {
                account += 1;
                continue;
            }
            for (id, why) in resting.into_iter().chain(stops) {
                if left > 0 {
                    let ended = self.end_resting(id, why, 0, &mut levels) + self.end_stop(id, why, 0, &mut levels);
                    left = left.saturating_sub(ended as usize);
                }
            }
        }
        self.tell_levels(levels);
        self.purge = (!is_done).then_some((cause, account));
        left as u32
    }

    fn why_purged(&self, cause: CancelCause, id: u64) -> Option<CancelCause> {
        let expiry = self.resting(id).map_or_else(|| self.stop(id).and_then(|stop| stop.expiry), |order| order.expiry);
        match cause {
            CancelCause::Expired if expiry.is_some_and(|expiry| expiry.is_day) => Some(CancelCause::Expired),
            CancelCause::Expired | CancelCause::RulesChanged => (!self.fits(id)).then_some(CancelCause::RulesChanged),
            cause => Some(cause),
        }
    }

    /// Whether the filters would still have it.
    fn fits(&self, id: u64) -> bool {
        let rules = &self.rules;
        let is_price = |at: i128| (of(rules.price_min)..=of(rules.price_max)).contains(&at) && at % of(rules.tick) == 0;
        let is_qty = |units: i128, max: Qty| units % whole(rules.lot) == 0 && units <= whole(max);
        if let Some(order) = self.resting(id) {
            return is_price(order.price)
                && is_qty(order.whole(), rules.qty_max)
                && self.cost(order.price, order.whole()) <= rules.notional_max.wide();
        }
        let Some(Stop { place, terms, .. }) = self.stop(id) else { return true };
        let is_market = place.kind.is_market();
        let stop_price = terms.stop_price.map(|at: Price| of(at));
        (!super::pegs::has_limit(&place, terms.peg) || is_price(of(place.price)))
            && stop_price.is_none_or(is_price)
            && is_qty(whole(place.qty), if is_market { rules.market_qty_max } else { rules.qty_max })
    }
}
