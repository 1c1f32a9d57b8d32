//! Stop orders, pairs and orders on terms: `engine/src/market/special.rs` and `stops.rs` state the rules.

use wire::mail::*;
use wire::{CancelCause, Mail, OrderKind, Price, RejectReason, Side, Terms, TimeInForce};

use super::super::numbers::{of, price, whole};
use super::matching::No;
use super::pegs::has_limit;
use super::{Carries, Market, Stop, Watch, time};

/// Whether a trade at or above its stop price meets it.
fn rises(kind: OrderKind, side: Side) -> bool {
    match kind {
        OrderKind::StopLoss | OrderKind::StopLossLimit => side == Side::Buy,
        _ => side == Side::Sell,
    }
}

impl Stop {
    /// The price that moves it, and whether from there up.
    fn trigger(&self) -> Option<(i128, bool)> {
        match self.watch {
            Watch::Due | Watch::Late => None,
            Watch::Waiting => Some((of(self.terms.stop_price?), rises(self.place.kind, self.place.side))),
            Watch::Tracking(best) => {
                let delta = i128::from(self.terms.trailing_delta.get());
                match self.place.side {
                    Side::Buy => Some(((best * (10_000 + delta) + 9_999) / 10_000, true)),
                    Side::Sell => Some((best * (10_000 - delta) / 10_000, false)),
                }
            }
        }
    }
}

impl Market {
    pub(super) fn place_on_terms(&mut self, order: &PlaceOrderOnTerms) {
        let PlaceOrderOnTerms { ref place, ref terms, is_late } = *order;
        let id = place.order.get();
        if is_late && self.is_changing() {
            self.newest = self.newest.max(id);
            return self.put_off(&[(*place, *terms)]);
        }
        self.enter_on_terms(order);
    }

    /// What is late while a change goes on comes in after it.
    fn put_off(&mut self, legs: &[(PlaceOrder, Terms)]) {
        self.late.push(legs[0].0.order.get());
        for (at, (place, terms)) in legs.iter().enumerate() {
            let sibling = legs.get(1 - at).map_or(0, |(other, _)| other.order.get());
            self.stops.push(Stop { place: *place, terms: *terms, sibling, expiry: None, watch: Watch::Late });
        }
    }

    fn enter_late(&mut self) -> u32 {
        let id = self.late.remove(0);
        let first = self.stop(id).expect("what is late waits");
        let second = self.stop(first.sibling);
        self.stops.retain(|stop| stop.place.order.get() != id && stop.place.order.get() != first.sibling);
        match second {
            Some(second) => self.enter_pair([first, second].map(|leg| (leg.place, leg.terms))),
            None => {
                let (place, terms, is_late) = (first.place, first.terms, true);
                self.enter_on_terms(&PlaceOrderOnTerms { place, terms, is_late })
            }
        }
    }

    /// How many steps it took.
    fn enter_on_terms(&mut self, order: &PlaceOrderOnTerms) -> u32 {
        let PlaceOrderOnTerms { ref place, ref terms, is_late } = *order;
        let id = place.order.get();
        let is_new = if is_late { !self.knows(id) } else { id > self.newest };
        let verdict = if is_late && self.status.collects() {
            Err(No::Refused(RejectReason::NotInAuction))
        } else {
            self.check_on_terms(place, terms, is_new)
        };
        self.newest = self.newest.max(id);
        match verdict {
            Ok(place) => return self.admit_on_terms(&place, terms, 0),
            Err(no) => self.say_no(place, no),
        }
        0
    }

    /// The order as it enters.
    pub(super) fn check_on_terms(&self, place: &PlaceOrder, terms: &Terms, is_new: bool) -> Result<PlaceOrder, No> {
        let place = self.check_entry_on_terms(place, terms, is_new)?;
        if terms.expire_at.is_some_and(|at| at.nanos() <= self.now) {
            return Err(No::Refused(RejectReason::BadExpiry));
        }
        if !place.kind.is_stop() {
            self.check_book(&place)?;
            self.check_least(&place, terms)?;
            return Ok(place);
        }
        let (Some(stop), Some(last)) = (terms.stop_price.map(of), self.last) else { return Ok(place) };
        let is_met = if rises(place.kind, place.side) { last >= stop } else { last <= stop };
        if is_met { Err(No::Refused(RejectReason::StopWouldTrigger)) } else { Ok(place) }
    }

    /// How many steps it took.
    pub(super) fn admit_on_terms(&mut self, place: &PlaceOrder, terms: &Terms, sibling: u64) -> u32 {
        let expiry = self.expiry(place.time_in_force, terms);
        if !place.kind.is_stop() {
            self.say_peg(place, terms.peg);
            return self.execute(place, Carries { visible: whole(terms.visible_qty), expiry, sibling });
        }
        let (market, order, at) = (self.id, place.order, time(self.now));
        self.say(Mail::StopArmed(StopArmed { market, order }));
        let watch = match (terms.stop_price, self.last) {
            (None, Some(last)) => Watch::Tracking(last),
            _ => Watch::Waiting,
        };
        if watch != Watch::Waiting {
            self.say(Mail::StopTracking(StopTracking { market, order, at }));
        }
        self.stops.push(Stop { place: *place, terms: *terms, sibling, expiry, watch });
        0
    }

    pub(super) fn place_pair(&mut self, pair: &PlacePair) {
        let legs = [pair.first, pair.second].map(|leg| {
            let PlacePair { market, account, side, self_trade, group, qty, .. } = *pair;
            let PairLeg { order, kind, time_in_force, price, budget, stop_price, trailing_delta, visible_qty, peg } =
                leg;
            let place =
                PlaceOrder { market, order, account, side, kind, time_in_force, self_trade, price, qty, budget, group };
            (place, Terms { stop_price, trailing_delta, visible_qty, peg, ..Terms::NONE })
        });
        self.newest = self.newest.max(pair.first.order.get()).max(pair.second.order.get());
        if pair.is_late && self.is_changing() {
            return self.put_off(&legs);
        }
        self.enter_pair(legs);
    }

    fn enter_pair(&mut self, legs: [(PlaceOrder, Terms); 2]) -> u32 {
        let verdict: Result<Vec<(PlaceOrder, Terms)>, RejectReason> =
            legs.iter().map(|(place, terms)| Ok((self.check_leg(place, terms)?, *terms))).collect();
        match verdict {
            Ok(legs) => {
                let (first, second) = (legs[0], legs[1]);
                let (stop, other) = if first.0.kind.is_stop() { (first, second) } else { (second, first) };
                let steps = self.admit_on_terms(&stop.0, &stop.1, other.0.order.get());
                steps + self.admit_on_terms(&other.0, &other.1, stop.0.order.get())
            }
            Err(reason) => {
                for (place, _) in legs {
                    self.say_no(&place, No::Refused(reason));
                }
                0
            }
        }
    }

    fn check_leg(&self, asked: &PlaceOrder, terms: &Terms) -> Result<PlaceOrder, RejectReason> {
        let place = match self.check_on_terms(asked, terms, !self.knows(asked.order.get())) {
            Err(No::Refused(reason)) => return Err(reason),
            Err(No::Expired(_)) => unreachable!("no order of a pair is fill or kill at once"),
            Ok(place) => place,
        };
        let is_limit = place.kind == OrderKind::LimitMaker
            || (place.kind == OrderKind::TakeProfitLimit && has_limit(asked, terms.peg));
        let is_beyond = |last| if place.side == Side::Sell { of(place.price) > last } else { of(place.price) < last };
        if is_limit && !self.last.is_none_or(is_beyond) { Err(RejectReason::BadListPrices) } else { Ok(place) }
    }

    /// A trade at this price.
    pub(super) fn observe(&mut self, last: i128) {
        let met = |stop: &Stop, wants_rise: bool| {
            let (at, is_rising) = stop.trigger()?;
            let is_met = is_rising == wants_rise && if is_rising { last >= at } else { last <= at };
            is_met.then_some((if is_rising { at } else { -at }, stop.place.order.get()))
        };
        for wants_rise in [true, false] {
            let mut moved: Vec<(i128, u64)> = self.stops.iter().filter_map(|stop| met(stop, wants_rise)).collect();
            moved.sort_unstable();
            for (_, id) in moved {
                self.meet(id, last);
            }
        }
        let mut unstarted: Vec<u64> = (self.stops.iter())
            .filter(|stop| stop.watch == Watch::Waiting && stop.terms.stop_price.is_none())
            .map(|stop| stop.place.order.get())
            .collect();
        unstarted.sort_unstable();
        for id in unstarted {
            self.meet(id, last);
        }
        for stop in &mut self.stops {
            if let Watch::Tracking(best) = &mut stop.watch {
                *best = if stop.place.side == Side::Sell { last.max(*best) } else { last.min(*best) };
            }
        }
    }

    fn meet(&mut self, id: u64, last: i128) {
        let (market, at) = (self.id, time(self.now));
        let stop = self.stops.iter_mut().find(|stop| stop.place.order.get() == id).expect("it waits");
        if stop.watch == Watch::Waiting && !stop.terms.trailing_delta.is_zero() {
            stop.watch = Watch::Tracking(last);
            let order = stop.place.order;
            self.say(Mail::StopTracking(StopTracking { market, order, at }));
        } else {
            stop.watch = Watch::Due;
            self.due.push(id);
        }
    }

    /// Stops that are due meet the book, then what is late.
    pub(in crate::model) fn fire(&mut self) {
        if self.due.is_empty() && self.late.is_empty() {
            return;
        }
        let mut steps = 0;
        while steps < self.fills_max && self.may_fire() {
            steps += 1;
            if self.is_continuous() && !self.due.is_empty() {
                let id = self.due.remove(0);
                let stop = self.stop(id).expect("what is due waits");
                self.stops.retain(|stop| stop.place.order.get() != id);
                steps += self.trigger(&stop);
            } else {
                steps += self.enter_late();
            }
        }
        self.fire_at = self.may_fire().then_some(self.now + 1);
    }

    pub(super) fn may_fire(&self) -> bool {
        (self.is_continuous() && !self.due.is_empty()) || (!self.is_changing() && !self.late.is_empty())
    }

    fn trigger(&mut self, stop: &Stop) -> u32 {
        let place = stop.place;
        let (market, order, at) = (self.id, place.order, time(self.now));
        let mut levels = Vec::new();
        self.end_sibling(stop.sibling, CancelCause::OtherLeg, 0, &mut levels);
        self.tell_levels(levels);
        self.say(Mail::StopTriggered(StopTriggered { market, order, at }));
        let best = self.first(place.side.opposite()).map(|best| best.price);
        let (id, leaves) = (order.get(), whole(place.qty));
        let working = match (place.kind.working(), best) {
            (OrderKind::Market, None) => {
                self.tell_end(id, leaves, CancelCause::TimeInForce, 0);
                return 0;
            }
            (OrderKind::Market, Some(best)) => {
                let (kind, time_in_force, price) =
                    (OrderKind::Market, TimeInForce::Ioc, self.protected(place.side, best));
                PlaceOrder { kind, time_in_force, price, ..place }
            }
            (kind, _) => PlaceOrder { kind, ..place },
        };
        let Ok(working) = self.pegged(&working, stop.terms.peg) else {
            self.tell_end(id, leaves, CancelCause::NotPlaced, 0);
            return 0;
        };
        self.say_peg(&working, stop.terms.peg);
        match self.check_book(&working) {
            Ok(()) => {
                let (visible, expiry) = (whole(stop.terms.visible_qty), stop.expiry);
                return self.execute(&working, Carries { visible, expiry, sibling: 0 });
            }
            Err(No::Expired(_)) => self.tell_end(id, leaves, CancelCause::TimeInForce, 0),
            Err(No::Refused(_)) => self.tell_end(id, leaves, CancelCause::NotPlaced, 0),
        }
        0
    }

    /// The market's protection beyond the best opposite price.
    fn protected(&self, side: Side, best: i128) -> Price {
        let ppm = i128::from(self.rules.protection_ppm);
        match side {
            Side::Buy => price((best * (1_000_000 + ppm) / 1_000_000).min(of(Price::MAX))),
            Side::Sell => price((best * (1_000_000 - ppm) / 1_000_000).max(of(Price::MIN))),
        }
    }
}
