//! What some resting orders carry beyond price and quantity: the hidden part of an iceberg, a time to expire, the other
//! order of a pair.
//!
//! - *Icebergs* show at most their visible quantity; level sums and the book order by order count what shows, the price of an
//!   auction all of it. When the visible part has traded away, the next slice, at most as large, goes to the end of its price's queue.
//!   As a taker an iceberg trades with its whole quantity. Self-trade prevention that expires it expires all of it;
//!   `Decrement` takes from the visible part.
//! - *Expiry*: `Day` orders expire at the next 00:00 UTC of log time after their arrival, or with their market's closing (`Closed`), whichever
//!   comes first;
//!   `Gtd` orders at their date. What is due ends before anything else that a command does, oldest date first, at most
//!   `fills_per_order_max` orders in one command; the rest with the next tick. Until then an order may trade.
//! - *Pairs*: the first fill of an order of a pair ends the other one before it, with `OtherLeg`. A cancel of one, or a mass
//!   cancel, ends both with the same cause and request; any other end of one ends the other with `OtherLeg`. The other
//!   one's end is told first.
//!
//! Orders without any of it pay one flag: the table is asked for marked orders alone. It allocates.

use std::collections::{BTreeMap, BTreeSet};

use wire::codec::{CodecError, Reader, Writer};
use wire::{CancelCause, LogPosition, OrderId, Price, Qty, Side, Timestamp};

use super::MarketCell;
use super::book::{Handle, Resting};
use super::stops::shown_of;
use crate::effects::Sink;

/// Nanoseconds of a day.
const DAY_NS: u64 = 86_400_000_000_000;

/// When an order expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expiry {
    pub(super) at: Timestamp,
    /// Whether it ends with the market's session, if that comes first.
    pub(super) is_day: bool,
}

impl Expiry {
    /// Of a `Day` order that comes in now.
    pub(super) fn day(now: Timestamp) -> Expiry {
        let at = Timestamp::from_nanos(now.nanos() - now.nanos() % DAY_NS).plus_nanos(DAY_NS);
        Expiry { at, is_day: true }
    }

    /// Of an order that is good till a date.
    pub(super) fn date(at: Timestamp) -> Expiry {
        Expiry { at, is_day: false }
    }
}

/// What one resting order carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extra {
    /// The most that shows; zero when all of it does.
    pub(super) slice: Qty,
    /// What does not show.
    pub(super) hidden: Qty,
    /// The other order of its pair, or 0.
    pub(super) sibling: OrderId,
    /// The level that it rests at. Derived.
    pub(super) at: (Side, Price),
}

impl Extra {
    pub(super) const NONE: Extra =
        Extra { slice: Qty::ZERO, hidden: Qty::ZERO, sibling: OrderId::ZERO, at: (Side::Buy, Price::MIN) };
}

/// What marked orders carry, and when orders expire.
#[derive(Default)]
pub(super) struct Extras {
    orders: BTreeMap<OrderId, Extra>,
    /// What the orders of a level do not show, in quantity units; no row without any. Derived.
    hidden: BTreeMap<(Side, Price), i128>,
    /// Of resting and of stop orders.
    dates: BTreeMap<OrderId, Expiry>,
    /// How many of them end with the session.
    days: usize,
    due: BTreeSet<(Timestamp, OrderId)>,
}

impl Extras {
    pub(super) fn get(&self, id: OrderId) -> Extra {
        self.orders.get(&id).copied().unwrap_or(Extra::NONE)
    }

    pub(super) fn knows(&self, id: OrderId) -> bool {
        self.orders.contains_key(&id)
    }

    pub(super) fn set(&mut self, id: OrderId, extra: Extra) {
        let before = self.orders.insert(id, extra).unwrap_or(Extra::NONE);
        self.hide(&before, -1);
        self.hide(&extra, 1);
    }

    /// Notes where an order of a snapshot rests.
    pub(super) fn settle(&mut self, id: OrderId, at: (Side, Price)) {
        if let Some(extra) = self.orders.get(&id).copied() {
            self.set(id, Extra { at, ..extra });
        }
    }

    /// What the orders of a level do not show, in sum.
    pub(super) fn hidden_at(&self, side: Side, price: Price) -> i128 {
        self.hidden.get(&(side, price)).copied().unwrap_or(0)
    }

    fn hide(&mut self, extra: &Extra, sign: i128) {
        if extra.hidden.is_zero() {
            return;
        }
        let sum = self.hidden_at(extra.at.0, extra.at.1) + sign * i128::from(extra.hidden.units());
        match sum {
            0 => self.hidden.remove(&extra.at),
            sum => self.hidden.insert(extra.at, sum),
        };
    }

    /// The order is off the book, or has traded.
    pub(super) fn remove(&mut self, id: OrderId) -> Extra {
        self.undate(id);
        let extra = self.orders.remove(&id).unwrap_or(Extra::NONE);
        self.hide(&extra, -1);
        extra
    }

    pub(super) fn date(&mut self, id: OrderId, expiry: Expiry) {
        self.undate(id);
        self.dates.insert(id, expiry);
        self.due.insert((expiry.at, id));
        self.days += usize::from(expiry.is_day);
    }

    pub(super) fn dated(&self, id: OrderId) -> Option<Expiry> {
        self.dates.get(&id).copied()
    }

    /// Whether the order ends with the market's session.
    pub(super) fn is_day(&self, id: OrderId) -> bool {
        self.dated(id).is_some_and(|expiry| expiry.is_day)
    }

    pub(super) fn has_days(&self) -> bool {
        self.days > 0
    }

    pub(super) fn undate(&mut self, id: OrderId) {
        if let Some(expiry) = self.dates.remove(&id) {
            self.due.remove(&(expiry.at, id));
            self.days -= usize::from(expiry.is_day);
        }
    }

    #[inline]
    pub(super) fn has_dates(&self) -> bool {
        !self.due.is_empty()
    }

    /// When the next order expires.
    #[inline]
    pub(super) fn next_date(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(super) fn next_due(&self, now: Timestamp) -> Option<OrderId> {
        self.due.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.orders.len() as u32));
        for (id, extra) in &self.orders {
            to.put(id);
            to.put(&extra.slice);
            to.put(&extra.hidden);
            to.put(&extra.sibling);
        }
        to.put(&(self.dates.len() as u32));
        for (id, expiry) in &self.dates {
            to.put(id);
            to.put(&expiry.at);
            to.put(&expiry.is_day);
        }
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Extras, CodecError> {
        let mut extras = Extras::default();
        for _ in 0..from.get::<u32>()? {
            let id = from.get()?;
            extras.set(id, Extra { slice: from.get()?, hidden: from.get()?, sibling: from.get()?, ..Extra::NONE });
        }
        for _ in 0..from.get::<u32>()? {
            let id = from.get()?;
            extras.date(id, Expiry { at: from.get()?, is_day: from.get()? });
        }
        Ok(extras)
    }
}

impl MarketCell {
    /// All that is left of a resting order, shown or not.
    #[inline]
    pub(super) fn whole(&self, order: &Resting) -> Qty {
        if !order.is_marked {
            return order.leaves;
        }
        let hidden = self.extras.get(order.id).hidden;
        order.leaves.checked_add(hidden).expect("an order's parts are no more than the order")
    }

    /// Ends a resting order; the level is told by the caller. How many orders ended.
    pub(super) fn end_resting(
        &mut self,
        handle: Handle,
        cause: CancelCause,
        request: LogPosition,
        effects: &mut impl Sink,
    ) -> (Resting, u32) {
        let (mut gone, _) = self.book.remove(handle);
        let mut ended = 1;
        if gone.is_marked {
            let others;
            (gone.leaves, others) = self.end_marks(gone.id, gone.leaves, cause, request, effects);
            ended += others;
        }
        self.tell_gone(&gone, effects);
        self.tell_end(&gone, cause, request, effects);
        (gone, ended)
    }

    /// What a marked order carried ends with it: all that was left of it, shown or not, and how many other orders ended.
    #[cold]
    pub(super) fn end_marks(
        &mut self,
        id: OrderId,
        shown: Qty,
        cause: CancelCause,
        request: LogPosition,
        effects: &mut impl Sink,
    ) -> (Qty, u32) {
        let Extra { hidden, sibling, .. } = self.extras.remove(id);
        let whole = shown.checked_add(hidden).expect("an order's parts are no more than the order");
        (whole, self.end_sibling(sibling, cause, request, effects))
    }

    /// Ends the other order of a pair, which is a stop order. How many orders ended.
    pub(super) fn end_sibling(
        &mut self,
        sibling: OrderId,
        cause: CancelCause,
        request: LogPosition,
        effects: &mut impl Sink,
    ) -> u32 {
        let Some(stop) = self.stops.remove(sibling) else {
            return self.end_resting_sibling(sibling, cause, request, effects);
        };
        self.extras.undate(sibling);
        let cause = if request == LogPosition::ZERO { CancelCause::OtherLeg } else { cause };
        self.tell_stop_end(&stop, cause, request, effects);
        1
    }

    /// As [`MarketCell::end_sibling`], of an order on the book: of a pair at most one order is.
    fn end_resting_sibling(
        &mut self,
        sibling: OrderId,
        cause: CancelCause,
        request: LogPosition,
        effects: &mut impl Sink,
    ) -> u32 {
        let Some(handle) = self.book.find(sibling) else { return 0 };
        let (mut gone, _) = self.book.remove(handle);
        gone.leaves = self.whole(&gone);
        self.extras.remove(sibling);
        self.tell_gone(&gone, effects);
        self.pending_levels.push((gone.side, gone.price));
        let cause = if request == LogPosition::ZERO { CancelCause::OtherLeg } else { cause };
        self.tell_end(&gone, cause, request, effects);
        1
    }

    /// A marked order is about to lose quantity: the other order of its pair ends.
    pub(super) fn part_pair(&mut self, id: OrderId, effects: &mut impl Sink) {
        let extra = self.extras.get(id);
        if extra.sibling != OrderId::ZERO {
            self.end_sibling(extra.sibling, CancelCause::OtherLeg, LogPosition::ZERO, effects);
            self.extras.set(id, Extra { sibling: OrderId::ZERO, ..extra });
        }
    }

    /// A marked order at the front of its level trades `qty` of what it shows: what is left of all of it, and, when a
    /// new slice shows at the end of the queue, the order as it shows now.
    #[cold]
    pub(super) fn trade_marked(
        &mut self,
        handle: Handle,
        side: Side,
        price: Price,
        qty: Qty,
        effects: &mut impl Sink,
    ) -> (Qty, Option<Resting>) {
        let order = self.book.order(handle);
        self.part_pair(order.id, effects);
        let mut extra = self.extras.get(order.id);
        let left = order.leaves.checked_sub(qty).expect("a part is no more than the whole");
        if !left.is_zero() {
            self.book.reduce_front(side, price, qty);
            return (left.checked_add(extra.hidden).expect("an order's parts are no more than the order"), None);
        }
        self.book.remove(handle);
        let room = Qty::MAX.checked_sub(self.book.level_qty(side, price)).unwrap_or(Qty::ZERO);
        let slice = shown_of(extra.hidden, extra.slice).min(room);
        if slice.is_zero() {
            self.extras.remove(order.id);
            return (Qty::ZERO, None);
        }
        let whole = extra.hidden;
        extra.hidden = whole.checked_sub(slice).expect("a slice is no more than what is hidden");
        self.extras.set(order.id, extra);
        let shows = Resting { leaves: slice, ..order };
        self.book.insert(shows);
        (whole, Some(shows))
    }

    /// A marked order at the front of its level loses `qty` of what it shows to self-trade prevention.
    #[cold]
    pub(super) fn decrement_marked(&mut self, price: Price, handle: Handle, qty: Qty, effects: &mut impl Sink) {
        let mut order = self.book.order(handle);
        let (left, next_slice) = self.trade_marked(handle, order.side, price, qty, effects);
        if left.is_zero() {
            order.leaves = Qty::ZERO;
            self.tell_gone(&order, effects);
            self.tell_end(&order, CancelCause::SelfTrade, LogPosition::ZERO, effects);
        } else if let Some(slice) = next_slice {
            self.tell_shown(&slice, true, effects);
        } else {
            order.leaves = order.leaves.checked_sub(qty).expect("a part is no more than the whole");
            self.tell_shown(&order, false, effects);
        }
    }

    /// When orders expire next. What one command leaves to do is due with the next tick; the deadline moves on, since a
    /// leader sequences one tick for each.
    #[inline]
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.expire_at.or(self.extras.next_date())
    }

    /// Whether an order expires at some time.
    #[inline]
    pub(super) fn has_expiry(&self) -> bool {
        self.expire_at.is_some() | self.extras.has_dates()
    }

    /// Ends what has come to its date.
    pub(super) fn expire_some(&mut self, now: Timestamp, effects: &mut impl Sink) {
        let mut levels: Vec<(Side, Price)> = Vec::new();
        for _ in 0..self.fills_max {
            let Some(id) = self.extras.next_due(now) else { break };
            #[cfg(feature = "planted-panic")]
            super::panic_if_planted_date(self.book.find(id).map(|handle| self.book.order(handle).leaves));
            if let Some(handle) = self.book.find(id) {
                let (gone, _) = self.end_resting(handle, CancelCause::Expired, LogPosition::ZERO, effects);
                levels.push((gone.side, gone.price));
            } else if let Some(stop) = self.stops.remove(id) {
                self.end_sibling(stop.sibling, CancelCause::Expired, LogPosition::ZERO, effects);
                self.tell_stop_end(&stop, CancelCause::Expired, LogPosition::ZERO, effects);
            }
            self.extras.undate(id);
        }
        self.tell_levels(now, levels, effects);
        self.expire_at = self.extras.next_due(now).map(|_| now.plus_nanos(1));
    }

    /// Tells levels that have changed, each once.
    pub(super) fn tell_levels(&mut self, now: Timestamp, mut levels: Vec<(Side, Price)>, effects: &mut impl Sink) {
        levels.append(&mut self.pending_levels);
        levels.sort_unstable();
        levels.dedup();
        for (side, price) in levels {
            self.tell_level(now, side, price, effects);
        }
    }
}
