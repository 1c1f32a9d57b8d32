//! The stop orders of one market, until they meet the book. Beside them wait orders that were late while their market was
//! changing: no trade makes them due, but they take room, lose quantity and end as stop orders do.
//!
//! - *Direction*: `StopLoss` buys and `TakeProfit` sells are met by a trade at or above their stop price (they rise),
//!   `StopLoss` sells and `TakeProfit` buys by one at or below it (they fall). The last trade price is what counts, in
//!   continuous trading and in auctions.
//! - *Without a trailing delta* a stop that is met is due.
//! - *With one* it starts to track instead: its best price is the price that met it. Without a stop price it tracks from
//!   its arrival, its best price being the last trade's, or from the next trade when there was none. A sell's best price is
//!   the highest since, and it is due at or below `best × (1 − delta)`; a buy's is the lowest, and it is due at or above
//!   `best × (1 + delta)`. The trade that starts the tracking makes nothing due.
//! - *Order*: of what one trade price makes due, what rises comes first, lowest trigger first, then what falls, highest
//!   first; of equal triggers the lowest order id first. A tracking stop's trigger is the whole price that is just far
//!   enough from its best. Best prices follow the trade after that.
//!
//! Sorted trees: a trade costs nothing while no stop is met, whatever their number. They allocate; plain orders never
//! come here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::codec::{CodecError, Reader, Writer};
use wire::mail::PlaceOrder;
use wire::{AccountId, OrderId, OrderKind, Price, Qty, Side, Sides, Terms, TimeInForce};

/// Where a stop order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// Its stop price has not been met; without one, nothing has traded yet.
    Waiting,
    /// It trails: its best price.
    Tracking(Price),
    /// It is due, in the queue.
    Due,
    /// It is late, and waits for the end of a change. Perhaps no stop order.
    Late,
}

/// A stop order that waits, or a late order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) place: PlaceOrder,
    pub(super) terms: Terms,
    /// The other order of its pair, or 0.
    pub(super) sibling: OrderId,
    pub(super) watch: Watch,
}

/// Where a stop order is found by a trade price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Rising(i64),
    Falling(i64),
    NextTrade,
    Never,
}

impl Stop {
    /// Whether a trade at or above its stop price meets it; otherwise one at or below.
    pub(super) fn rises(kind: OrderKind, side: Side) -> bool {
        let is_stop_loss = matches!(kind, OrderKind::StopLoss | OrderKind::StopLossLimit);
        is_stop_loss == (side == Side::Buy)
    }

    fn trigger(&self) -> Trigger {
        let Terms { stop_price, trailing_delta, .. } = self.terms;
        match (self.watch, stop_price) {
            (Watch::Due | Watch::Late, _) => Trigger::Never,
            (Watch::Waiting, None) => Trigger::NextTrade,
            (Watch::Waiting, Some(price)) if Stop::rises(self.place.kind, self.place.side) => {
                Trigger::Rising(price.units())
            }
            (Watch::Waiting, Some(price)) => Trigger::Falling(price.units()),
            (Watch::Tracking(best), _) => match self.place.side {
                Side::Buy => trailing_delta.above(best).map_or(Trigger::Never, |at| Trigger::Rising(at.units())),
                Side::Sell => trailing_delta.below(best).map_or(Trigger::Never, |at| Trigger::Falling(at.units())),
            },
        }
    }
}

/// Stop orders by id, and by what makes them move.
#[derive(Default)]
pub(super) struct Stops {
    orders: BTreeMap<OrderId, Stop>,
    accounts: BTreeSet<(AccountId, OrderId)>,
    /// Met at or above the price.
    rising: BTreeSet<(i64, OrderId)>,
    /// Met at or below the price; keyed by the price below zero, so that the highest comes first.
    falling: BTreeSet<(i64, OrderId)>,
    /// Tracking sells by best price, and tracking buys by best price below zero.
    highs: BTreeSet<(i64, OrderId)>,
    lows: BTreeSet<(i64, OrderId)>,
    /// Trailing stops that wait for the first trade.
    unstarted: BTreeSet<OrderId>,
    /// What is due, in order.
    due: VecDeque<OrderId>,
    /// What is late, in order; of a pair the first order.
    late: VecDeque<OrderId>,
    /// How many are in either queue: every order that comes asks whether there are any. Derived.
    queued: usize,
}

impl Stops {
    pub(super) fn len(&self) -> usize {
        self.orders.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    pub(super) fn get(&self, id: OrderId) -> Option<&Stop> {
        self.orders.get(&id)
    }

    pub(super) fn insert(&mut self, stop: Stop) {
        let id = stop.place.order;
        self.accounts.insert((stop.place.account, id));
        self.orders.insert(id, stop);
        self.watch(&stop);
    }

    pub(super) fn remove(&mut self, id: OrderId) -> Option<Stop> {
        let stop = self.take_out(id)?;
        // A name without an order would be missing in a snapshot, and a replica restored from it would differ.
        match stop.watch {
            Watch::Due => self.due.retain(|due| *due != id),
            Watch::Late => self.late.retain(|late| *late != id),
            Watch::Waiting | Watch::Tracking(_) => {}
        }
        self.count_queued();
        Some(stop)
    }

    fn take_out(&mut self, id: OrderId) -> Option<Stop> {
        let stop = self.orders.remove(&id)?;
        self.accounts.remove(&(stop.place.account, id));
        self.unwatch(&stop);
        Some(stop)
    }

    /// The account's stop orders of these sides, oldest first.
    pub(super) fn of_sides(&self, account: AccountId, sides: Sides) -> Vec<OrderId> {
        self.of_account(account).filter(|id| sides.include(self.orders[id].place.side)).collect()
    }

    /// The account's stop orders, oldest first.
    pub(super) fn of_account(&self, account: AccountId) -> impl Iterator<Item = OrderId> {
        let all = self.accounts.range((account, OrderId::ZERO)..=(account, OrderId::new(u64::MAX)));
        all.map(|(_, id)| *id)
    }

    /// Changes quantity and budget, which no trigger looks at.
    pub(super) fn resize(&mut self, id: OrderId, resize: impl FnOnce(&mut PlaceOrder)) {
        if let Some(stop) = self.orders.get_mut(&id) {
            resize(&mut stop.place);
        }
    }

    /// Whether something is due or late.
    #[inline]
    pub(super) fn is_queued(&self) -> bool {
        self.queued > 0
    }

    fn count_queued(&mut self) {
        self.queued = self.due.len() + self.late.len();
    }

    /// Whether something is due.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Takes the next stop that is due.
    pub(super) fn take_due(&mut self) -> Option<Stop> {
        while let Some(id) = self.due.pop_front() {
            self.count_queued();
            if self.orders.get(&id).is_some_and(|stop| stop.watch == Watch::Due) {
                return self.take_out(id);
            }
        }
        None
    }

    /// An order, or both of a pair, that is late joins that queue.
    pub(super) fn put_off(&mut self, legs: &[(PlaceOrder, Terms)]) {
        let id = |at: usize| legs.get(at).map_or(OrderId::ZERO, |(place, _)| place.order);
        for (at, (place, terms)) in legs.iter().enumerate() {
            self.insert(Stop { place: *place, terms: *terms, sibling: id(1 - at), watch: Watch::Late });
        }
        self.late.push_back(id(0));
        self.count_queued();
    }

    /// Whether something is late.
    #[inline]
    pub(super) fn is_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// Takes the next order that is late, with the other one of its pair.
    pub(super) fn take_late(&mut self) -> Option<(Stop, Option<Stop>)> {
        let id = self.late.pop_front()?;
        self.count_queued();
        let first = self.take_out(id)?;
        Some((first, self.take_out(first.sibling)))
    }

    /// A trade: what it makes due joins the queue, what it makes track is told to `started`.
    pub(super) fn observe(&mut self, last: Price, mut started: impl FnMut(OrderId)) {
        let price = last.units();
        while let Some((_, id)) = self.rising.first().copied().filter(|(at, _)| *at <= price) {
            self.meet(id, last, &mut started);
        }
        while let Some((_, id)) = self.falling.first().copied().filter(|(at, _)| -*at >= price) {
            self.meet(id, last, &mut started);
        }
        while let Some(id) = self.unstarted.first().copied() {
            self.meet(id, last, &mut started);
        }
        while let Some((_, id)) = self.highs.first().copied().filter(|(best, _)| *best < price) {
            self.change(id, Watch::Tracking(last));
        }
        while let Some((_, id)) = self.lows.first().copied().filter(|(best, _)| -*best > price) {
            self.change(id, Watch::Tracking(last));
        }
    }

    fn meet(&mut self, id: OrderId, last: Price, started: &mut impl FnMut(OrderId)) {
        let stop = self.orders[&id];
        if stop.watch == Watch::Waiting && !stop.terms.trailing_delta.is_zero() {
            self.change(id, Watch::Tracking(last));
            started(id);
        } else {
            self.change(id, Watch::Due);
            self.due.push_back(id);
            self.count_queued();
        }
    }

    fn change(&mut self, id: OrderId, watch: Watch) {
        let before = self.orders[&id];
        self.unwatch(&before);
        let after = Stop { watch, ..before };
        self.orders.insert(id, after);
        self.watch(&after);
    }

    fn watch(&mut self, stop: &Stop) {
        let id = stop.place.order;
        match stop.trigger() {
            Trigger::Rising(at) => drop(self.rising.insert((at, id))),
            Trigger::Falling(at) => drop(self.falling.insert((-at, id))),
            Trigger::NextTrade => drop(self.unstarted.insert(id)),
            Trigger::Never => {}
        }
        if let Watch::Tracking(best) = stop.watch {
            match stop.place.side {
                Side::Buy => self.lows.insert((-best.units(), id)),
                Side::Sell => self.highs.insert((best.units(), id)),
            };
        }
    }

    fn unwatch(&mut self, stop: &Stop) {
        let id = stop.place.order;
        match stop.trigger() {
            Trigger::Rising(at) => drop(self.rising.remove(&(at, id))),
            Trigger::Falling(at) => drop(self.falling.remove(&(-at, id))),
            Trigger::NextTrade => drop(self.unstarted.remove(&id)),
            Trigger::Never => {}
        }
        if let Watch::Tracking(best) = stop.watch {
            match stop.place.side {
                Side::Buy => self.lows.remove(&(-best.units(), id)),
                Side::Sell => self.highs.remove(&(best.units(), id)),
            };
        }
    }

    /// Every stop order, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Stop> {
        self.orders.values()
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.orders.len() as u32));
        for stop in self.orders.values() {
            to.put(&stop.place);
            to.put(&stop.terms);
            to.put(&stop.sibling);
            let (number, best) = match stop.watch {
                Watch::Waiting => (0_u8, None),
                Watch::Tracking(best) => (1, Some(best)),
                Watch::Due => (2, None),
                Watch::Late => (3, None),
            };
            to.put(&number);
            to.put(&best);
        }
        let due: Vec<&OrderId> = self.due.iter().filter(|id| self.orders.contains_key(id)).collect();
        to.put(&(due.len() as u32));
        due.into_iter().for_each(|id| to.put(id));
        to.put(&(self.late.len() as u32));
        self.late.iter().for_each(|id| to.put(id));
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Stops, CodecError> {
        let mut stops = Stops::default();
        for _ in 0..from.get::<u32>()? {
            let (place, terms, sibling) = (from.get()?, from.get()?, from.get()?);
            let (number, best): (u8, Option<Price>) = (from.get()?, from.get()?);
            let watch = match (number, best) {
                (0, None) => Watch::Waiting,
                (1, Some(best)) => Watch::Tracking(best),
                (2, None) => Watch::Due,
                (3, None) => Watch::Late,
                _ => return Err(CodecError::UnknownNumber),
            };
            stops.insert(Stop { place, terms, sibling, watch });
        }
        for _ in 0..from.get::<u32>()? {
            let id: OrderId = from.get()?;
            if stops.get(id).is_none_or(|stop| stop.watch != Watch::Due) {
                return Err(CodecError::OutOfRange);
            }
            stops.due.push_back(id);
        }
        for _ in 0..from.get::<u32>()? {
            let id: OrderId = from.get()?;
            if stops.get(id).is_none_or(|stop| stop.watch != Watch::Late) {
                return Err(CodecError::OutOfRange);
            }
            stops.late.push_back(id);
        }
        stops.count_queued();
        Ok(stops)
    }
}

/// The order that a stop becomes: a market order bounded by `protection`, or a limit order.
pub(super) fn working_order(stop: &Stop, protection: Option<Price>) -> PlaceOrder {
    let place = stop.place;
    let kind = place.kind.working();
    if kind != OrderKind::Market {
        return PlaceOrder { kind, ..place };
    }
    let price = protection.unwrap_or(place.price);
    PlaceOrder { kind, price, time_in_force: TimeInForce::Ioc, ..place }
}

/// What shows of `leaves` when at most `slice` may; zero shows all.
pub(super) fn shown_of(leaves: Qty, slice: Qty) -> Qty {
    if slice.is_zero() { leaves } else { leaves.min(slice) }
}
