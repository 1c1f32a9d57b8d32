//! Orders on terms in a market: how stop orders come in and meet the book, and how pairs, icebergs and dated orders enter.
//!
//! - *Arriving*: a stop order is refused with `StopWouldTrigger` when the last trade price has met its stop price already
//!   (a market without trades has met none). Otherwise it is armed, and, trailing without a stop price after a trade, tracks
//!   at once. Stops take room as resting orders do, so a stop that is due always finds some. In phases other than
//!   `Trading` new stops are refused; armed ones stay.
//! - *Meeting the book*: stops that a mail's or a tick's trades made due (see `stops`) meet the book after it, one by one in
//!   the order in which they became due; what their trades make due joins the end of the queue. Each is told as triggered
//!   and is then an order like one that has just come in: `StopLossLimit` and `TakeProfitLimit` with their limit and time in
//!   force, the others as market orders of their quantity. A market order's protection price is the best opposite price
//!   and `protection_ppm` beyond it; without an opposite price it expires. Its budget ends it with `BudgetSpent`. What
//!   cannot enter the book (the level is full) ends with `NotPlaced`.
//! - *Cascades*: after one mail or tick, due stops meet the book while those before them have taken fewer than
//!   `fills_per_order_max` steps (one for each stop, one for each of its fills and preventions), the market is `Trading`,
//!   and the ledger's outbox takes the longest answer. The rest waits for the next tick, or the next mail; an order
//!   that comes before that is matched first.
//! - *Late orders* (`PlaceOrderOnTerms`, `PlacePair`) have waited in the ledger: for the working order of their list, or for
//!   the end of the order that they replace. One that comes while a change goes on waits here for its end, in the order
//!   in which they came, and comes in then by the rules for new ones: the last trades of an uncrossing are not what decides
//!   whether its first ones have what waited for them placed. Due stops go first. Late orders count towards the same steps, and
//!   need no market that trades, only one that is not changing. In a phase in which orders collect they are refused.
//! - *Pairs*: both orders come in, or neither: each is checked as if it were alone, and the limit prices must lie on their
//!   sides of the last price (`BadListPrices`): of a sell the limit (or take-profit stop) above it and the stop-loss
//!   below it, of a buy the other way round. When one is triggered, the other ends first, with `OtherLeg`.

use wire::mail::{
    OrderEnded, OrderRefused, PairLeg, PlaceOrder, PlaceOrderOnTerms, PlacePair, StopArmed, StopTracking, StopTriggered,
};
use wire::{
    CancelCause, LogPosition, Mail, OrderId, OrderKind, Price, Qty, RejectReason, Side, Terms, TimeInForce, Timestamp,
};

use super::MarketCell;
use super::extras::{Expiry, Extra};
use super::matching::{NO_REQUEST, No, told_leaves};
use super::stops::{Stop, Watch, working_order};
use crate::effects::Sink;

/// How long to wait before stops are tried again that find the ledger's outbox full.
const RETRY_NS: u64 = 10_000_000;

/// What an order carries when it rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carries {
    pub(super) visible_qty: Qty,
    pub(super) expiry: Option<Expiry>,
    pub(super) sibling: OrderId,
}

impl Carries {
    fn of(now: Timestamp, place: &PlaceOrder, terms: &Terms, sibling: OrderId) -> Carries {
        let expiry = match place.time_in_force {
            TimeInForce::Day => Some(Expiry::day(now)),
            _ => terms.expire_at.map(Expiry::date),
        };
        Carries { visible_qty: terms.visible_qty, expiry, sibling }
    }

    /// Of an order with nothing but a time in force.
    #[cold]
    pub(super) fn day(now: Timestamp) -> Carries {
        Carries { visible_qty: Qty::ZERO, expiry: Some(Expiry::day(now)), sibling: OrderId::ZERO }
    }
}

impl MarketCell {
    /// How many orders are here, resting or waiting.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.book.has_room_for(self.stops.len() + more)
    }

    /// Takes an order on terms in.
    pub(crate) fn place_on_terms(
        &mut self,
        now: Timestamp,
        order: &PlaceOrderOnTerms,
        replies_fit: bool,
        effects: &mut impl Sink,
    ) {
        let PlaceOrderOnTerms { place, terms, is_late } = order;
        if *is_late && self.is_changing() {
            self.put_off(&[(*place, *terms)], effects);
        } else {
            self.enter_on_terms(now, order, replies_fit, effects);
        }
    }

    /// How many steps it took.
    fn enter_on_terms(
        &mut self,
        now: Timestamp,
        order: &PlaceOrderOnTerms,
        replies_fit: bool,
        effects: &mut impl Sink,
    ) -> u32 {
        let PlaceOrderOnTerms { place, terms, is_late } = order;
        let is_new = if *is_late { !self.knows(place.order) } else { place.order > self.newest };
        // In an auction the id says who came when, and this one's is old.
        let verdict = if *is_late && self.phase.status.collects() {
            Err(No::Refused(RejectReason::NotInAuction))
        } else {
            self.check_on_terms(now, place, terms, is_new, replies_fit)
        };
        self.newest = self.newest.max(place.order);
        match verdict {
            Ok(place) => return self.admit_on_terms(now, &place, terms, OrderId::ZERO, effects),
            Err(no) => effects.send(self.ledger, no.mail(place)),
        }
        0
    }

    /// What is late waits for the end of the change.
    fn put_off(&mut self, legs: &[(PlaceOrder, Terms)], effects: &mut impl Sink) {
        let arrival = legs.iter().try_for_each(|(place, _)| self.check_arrival(place, !self.knows(place.order), true));
        let newest = legs.iter().map(|(place, _)| place.order).max();
        self.newest = newest.map_or(self.newest, |newest| newest.max(self.newest));
        let reason = match arrival {
            Ok(()) if self.has_room_for(legs.len() - 1) => {
                self.stops.put_off(legs);
                return;
            }
            Ok(()) | Err(No::Expired(_)) => RejectReason::Busy,
            Err(No::Refused(reason)) => reason,
        };
        self.refuse_all(legs, reason, effects);
    }

    fn refuse_all(&self, legs: &[(PlaceOrder, Terms)], reason: RejectReason, effects: &mut impl Sink) {
        for (place, _) in legs {
            let (market, order) = (self.id, place.order);
            effects.send(self.ledger, Mail::OrderRefused(OrderRefused { market, order, reason }));
        }
    }

    fn knows(&self, id: OrderId) -> bool {
        self.book.find(id).is_some() || self.stops.get(id).is_some()
    }

    /// The order as it enters.
    pub(super) fn check_on_terms(
        &self,
        now: Timestamp,
        place: &PlaceOrder,
        terms: &Terms,
        is_new: bool,
        replies_fit: bool,
    ) -> Result<PlaceOrder, No> {
        let asked = place;
        let place = &self.priced(asked, terms).map_err(No::Refused)?;
        if !self.is_continuous {
            self.check_phase(place).map_err(No::Refused)?;
        }
        if self.is_limited && MarketCell::has_limit(asked, terms.peg) {
            self.check_price_limits(asked).map_err(No::Refused)?;
        }
        self.check_arrival(place, is_new, replies_fit)?;
        if terms.expire_at.is_some_and(|at| at <= now) {
            return Err(No::Refused(RejectReason::BadExpiry));
        }
        if !place.kind.is_stop() {
            self.check_book(place)?;
            self.check_qty_min(place, terms)?;
            return Ok(*place);
        }
        if !self.has_room_for(0) {
            return Err(No::Refused(RejectReason::Busy));
        }
        let is_met = |stop: Price, last: Price| match Stop::rises(place.kind, place.side) {
            true => last >= stop,
            false => last <= stop,
        };
        match (terms.stop_price, self.auctions.last) {
            (Some(stop), Some(last)) if is_met(stop, last) => Err(No::Refused(RejectReason::StopWouldTrigger)),
            (None, _) if terms.trailing_delta.is_zero() => Err(No::Refused(RejectReason::StopPriceMissing)),
            _ => Ok(*place),
        }
    }

    /// What has been checked enters: armed, or matched; how many steps it took.
    pub(super) fn admit_on_terms(
        &mut self,
        now: Timestamp,
        place: &PlaceOrder,
        terms: &Terms,
        sibling: OrderId,
        effects: &mut impl Sink,
    ) -> u32 {
        let carries = Carries::of(now, place, terms, sibling);
        if !place.kind.is_stop() {
            self.tell_peg(place, terms.peg, effects);
            return self.execute(now, place, Some(carries), effects);
        }
        let (market, order) = (self.id, place.order);
        effects.send(self.ledger, Mail::StopArmed(StopArmed { market, order }));
        let watch = match (terms.stop_price, self.auctions.last) {
            (None, Some(last)) => Watch::Tracking(last),
            _ => Watch::Waiting,
        };
        if watch != Watch::Waiting {
            effects.send(self.ledger, Mail::StopTracking(StopTracking { market, order, at: now }));
        }
        if let Some(expiry) = carries.expiry {
            self.extras.date(order, expiry);
        }
        self.stops.insert(Stop { place: *place, terms: *terms, sibling, watch });
        0
    }

    /// Takes a pair in.
    pub(crate) fn place_pair(&mut self, now: Timestamp, pair: &PlacePair, replies_fit: bool, effects: &mut impl Sink) {
        let legs = [pair.first, pair.second].map(|leg| leg_of(pair, &leg));
        if pair.is_late && self.is_changing() {
            self.put_off(&legs, effects);
        } else {
            self.enter_pair(now, &legs, replies_fit, effects);
        }
    }

    /// How many steps it took.
    fn enter_pair(
        &mut self,
        now: Timestamp,
        legs: &[(PlaceOrder, Terms); 2],
        replies_fit: bool,
        effects: &mut impl Sink,
    ) -> u32 {
        let verdict = self.check_pair(now, legs, replies_fit);
        self.newest = legs.iter().map(|(place, _)| place.order).fold(self.newest, OrderId::max);
        let reason = match verdict {
            Ok([first, second]) => {
                // The stop first: the other may trade at once, and ends it then.
                let stop_first = first.0.kind.is_stop();
                let (stop, other) = if stop_first { (first, second) } else { (second, first) };
                let steps = self.admit_on_terms(now, &stop.0, &stop.1, other.0.order, effects);
                return steps + self.admit_on_terms(now, &other.0, &other.1, stop.0.order, effects);
            }
            Err(No::Refused(reason)) => reason,
            Err(No::Expired(_)) => RejectReason::BadOrderList,
        };
        self.refuse_all(legs, reason, effects);
        0
    }

    fn check_pair(
        &self,
        now: Timestamp,
        legs: &[(PlaceOrder, Terms); 2],
        replies_fit: bool,
    ) -> Result<[(PlaceOrder, Terms); 2], No> {
        if !legs.iter().any(|(place, _)| place.kind.is_stop()) || !self.has_room_for(1) {
            return Err(No::Refused(RejectReason::Busy));
        }
        let mut entering = *legs;
        for (place, terms) in &mut entering {
            *place = self.check_on_terms(now, place, terms, !self.knows(place.order), replies_fit)?;
            let Some(last) = self.auctions.last else { continue };
            // A limit order of a pair, and the limit of a take-profit, lie beyond the last price.
            let price = match place.kind {
                OrderKind::LimitMaker => place.price,
                OrderKind::TakeProfitLimit if MarketCell::has_limit(place, terms.peg) => place.price,
                _ => continue,
            };
            let is_beyond = if place.side == Side::Sell { price > last } else { price < last };
            if !is_beyond {
                return Err(No::Refused(RejectReason::BadListPrices));
            }
        }
        Ok(entering)
    }

    /// A trade at this price: stops become due or start to track.
    #[cold]
    pub(super) fn observe(&mut self, now: Timestamp, price: Price, effects: &mut impl Sink) {
        let (market, ledger) = (self.id, self.ledger);
        self.stops.observe(price, |order| {
            effects.send(ledger, Mail::StopTracking(StopTracking { market, order, at: now }));
        });
    }

    /// Whether due stops or late orders wait to meet the book.
    #[inline]
    pub(crate) fn has_due_stops(&self) -> bool {
        self.stops.is_queued() && !self.is_stuck
    }

    /// Whether the market is so that one of those that wait meets it now.
    pub(super) fn takes_due_stops(&self) -> bool {
        (self.stops.is_due() && self.is_continuous) || (self.stops.is_late() && !self.is_changing())
    }

    /// Lets due stops, then late orders meet the book. `room` is how many mails the ledger's outbox takes.
    pub(crate) fn fire(&mut self, now: Timestamp, room: usize, effects: &mut impl Sink) {
        let mut steps = 0;
        let mut fits = true;
        while steps < self.fills_max && self.takes_due_stops() {
            fits = effects.waiting() + MarketCell::replies_max(self.fills_max) <= room;
            if !fits {
                break;
            }
            let due = if self.is_continuous { self.stops.take_due() } else { None };
            steps += 1 + match due {
                Some(stop) => self.trigger(now, &stop, effects),
                None => self.enter_late(now, effects),
            };
        }
        let wait_ns = if fits { 1 } else { RETRY_NS };
        self.fire_at = self.takes_due_stops().then(|| now.plus_nanos(wait_ns));
    }

    /// The next late order, or pair, comes in; how many steps it took.
    fn enter_late(&mut self, now: Timestamp, effects: &mut impl Sink) -> u32 {
        let is_late = true;
        match self.stops.take_late() {
            Some((Stop { place, terms, .. }, None)) => {
                self.enter_on_terms(now, &PlaceOrderOnTerms { place, terms, is_late }, true, effects)
            }
            Some((first, Some(second))) => {
                self.enter_pair(now, &[first, second].map(|leg| (leg.place, leg.terms)), true, effects)
            }
            None => 0,
        }
    }

    /// One stop meets the book; how many steps it took.
    fn trigger(&mut self, now: Timestamp, stop: &Stop, effects: &mut impl Sink) -> u32 {
        let (market, order) = (self.id, stop.place.order);
        self.end_sibling(stop.sibling, CancelCause::OtherLeg, NO_REQUEST, effects);
        self.tell_levels(now, Vec::new(), effects);
        effects.send(self.ledger, Mail::StopTriggered(StopTriggered { market, order, at: now }));
        let expiry = self.extras.dated(order);
        self.extras.undate(order);
        let best = self.book.best(stop.place.side.opposite());
        let working = working_order(stop, best.map(|best| self.protection(stop.place.side, best)));
        let cannot_trade = working.kind == OrderKind::Market && best.is_none();
        let Ok(working) = self.pegged(&working, stop.terms.peg) else {
            self.tell_stop_end(stop, CancelCause::NotPlaced, NO_REQUEST, effects);
            return 0;
        };
        self.tell_peg(&working, stop.terms.peg, effects);
        match self.check_book(&working) {
            Ok(()) if !cannot_trade => {
                let carries = Carries { visible_qty: stop.terms.visible_qty, expiry, sibling: OrderId::ZERO };
                return self.execute(now, &working, Some(carries), effects);
            }
            Ok(()) | Err(No::Expired(_)) => self.tell_stop_end(stop, CancelCause::TimeInForce, NO_REQUEST, effects),
            Err(No::Refused(_)) => self.tell_stop_end(stop, CancelCause::NotPlaced, NO_REQUEST, effects),
        }
        0
    }

    /// `best` and the market's protection beyond it.
    fn protection(&self, side: Side, best: Price) -> Price {
        let ppm = i128::from(self.rules.protection_ppm);
        let (scaled, worst) = match side {
            Side::Buy => (i128::from(best.units()) * (1_000_000 + ppm) / 1_000_000, Price::MAX),
            Side::Sell => (i128::from(best.units()) * (1_000_000 - ppm) / 1_000_000, Price::MIN),
        };
        i64::try_from(scaled).ok().and_then(Price::new).unwrap_or(worst)
    }

    pub(super) fn tell_stop_end(&self, stop: &Stop, cause: CancelCause, request: LogPosition, effects: &mut impl Sink) {
        let (market, order, leaves) = (self.id, stop.place.order, told_leaves(&stop.place, stop.place.qty));
        effects.send(self.ledger, Mail::OrderEnded(OrderEnded { market, order, leaves, cause, request }));
    }

    /// Ends a stop order, and the other one of its pair before it. How many orders ended.
    pub(super) fn end_stop(
        &mut self,
        id: OrderId,
        cause: CancelCause,
        request: LogPosition,
        effects: &mut impl Sink,
    ) -> u32 {
        let Some(stop) = self.stops.remove(id) else { return 0 };
        self.extras.undate(id);
        let ended = self.end_sibling(stop.sibling, cause, request, effects);
        self.tell_stop_end(&stop, cause, request, effects);
        ended + 1
    }

    /// Notes what an order carries that is about to rest with `leaves`: how much of it shows, and whether it is marked.
    #[cold]
    pub(super) fn mark(&mut self, id: OrderId, at: (Side, Price), leaves: Qty, carries: Carries) -> (Qty, bool) {
        let Carries { visible_qty, expiry, sibling } = carries;
        let shown = super::stops::shown_of(leaves, visible_qty);
        let hidden = leaves.checked_sub(shown).expect("what shows is no more than the whole");
        let slice = if hidden.is_zero() { Qty::ZERO } else { visible_qty };
        if let Some(expiry) = expiry {
            self.extras.date(id, expiry);
        }
        if slice.is_zero() && sibling == OrderId::ZERO && expiry.is_none() {
            return (leaves, false);
        }
        self.extras.set(id, Extra { slice, hidden, sibling, at });
        (shown, true)
    }
}

/// A leg as an order of its own.
fn leg_of(pair: &PlacePair, leg: &PairLeg) -> (PlaceOrder, Terms) {
    let PlacePair { market, account, side, self_trade, group, qty, .. } = *pair;
    let PairLeg { order, kind, time_in_force, price, budget, stop_price, trailing_delta, visible_qty, peg } = *leg;
    let place = PlaceOrder { market, order, account, side, kind, time_in_force, self_trade, price, qty, budget, group };
    (place, Terms { stop_price, trailing_delta, visible_qty, peg, ..Terms::NONE })
}
