//! How an order meets the book.
//!
//! First decide (`check`, which borrows the cell and may say no), then execute (which cannot fail):
//!
//! 1. Best price first, oldest first, at the maker's price, until nothing crosses or nothing is left.
//! 2. Self-trade prevention looks at each resting order before it would trade (`prevention`).
//! 3. A budget bounds quote paid (market buys) or received (market sells by quote quantity). An order *by
//!    quote quantity* is filled (leaves 0) when its budget does not reach one more lot at the best price; any
//!    other ends with `BudgetSpent`. A sell by quote quantity of more than its account has sells all of that: when it is
//!    sold and the budget reaches one more lot, it ends with `BalanceSpent` and leaves what its protection price makes of
//!    its whole budget beyond that.
//! 4. After `fills_per_order_max` fills and self-trade expiries the rest ends with `FillLimit`, even of an
//!    order that could rest.
//! 5. Fill or kill is decided before the first fill: when steps 1 to 4 would not fill all of it, all of it
//!    ends with `TimeInForce` and nothing else changes, not even by self-trade prevention.
//!
//! Told per trade: `Traded`; mail to the taker, then to the maker. Per price: its `LevelChanged` after the last
//! trade there. Last: the rest's level, and the mail that says it rested or ended.

use wire::event::Traded;
use wire::mail::{OrderEnded, OrderFilled, OrderRefused, OrderRested, PlaceOrder};
use wire::{
    Amount, CancelCause, Event, LogPosition, Mail, OrderKind, Price, Qty, RejectReason, SelfTradePrevention, Side,
    TimeInForce, Timestamp,
};

use super::MarketCell;
use super::book::Resting;
use super::prevention::is_own;
use super::special::Carries;
use crate::effects::Sink;

pub(super) const NO_REQUEST: LogPosition = LogPosition::ZERO;

/// Why an order does not meet the book.
pub(super) enum No {
    /// It never entered.
    Refused(RejectReason),
    /// It was taken, and expired whole.
    Expired(CancelCause),
}

impl No {
    pub(super) fn mail(self, order: &PlaceOrder) -> Mail {
        let PlaceOrder { market, order, qty: leaves, .. } = *order;
        match self {
            No::Refused(reason) => Mail::OrderRefused(OrderRefused { market, order, reason }),
            No::Expired(cause) => Mail::OrderEnded(OrderEnded { market, order, leaves, cause, request: NO_REQUEST }),
        }
    }
}

/// How a taker's way through the book ended.
pub(super) enum Stop {
    Filled,
    NothingCrosses,
    /// What crosses lies outside a price band.
    Outside,
    Because(CancelCause),
}

/// An order on its way through the book.
pub(super) struct Taker {
    pub(super) leaves: Qty,
    pub(super) budget: Option<Amount>,
    pub(super) steps_left: u32,
}

impl MarketCell {
    /// The most mails that one order may cause: a step is two, its end two, a change of phase one, its peg one.
    pub(crate) fn replies_max(fills_max: u32) -> usize {
        2 * fills_max as usize + 4
    }

    #[inline(always)]
    pub(super) fn check(&self, order: &PlaceOrder, replies_fit: bool) -> Result<(), No> {
        self.check_entry(order, order.order > self.newest, replies_fit)?;
        self.check_book(order)
    }

    /// Whether an order may come in at all.
    #[inline(always)]
    pub(super) fn check_entry(&self, order: &PlaceOrder, is_new: bool, replies_fit: bool) -> Result<(), No> {
        if !self.is_continuous {
            self.check_phase(order).map_err(No::Refused)?;
        }
        if self.is_limited {
            self.check_price_limits(order).map_err(No::Refused)?;
        }
        self.check_arrival(order, is_new, replies_fit)
    }

    /// What has nothing to do with its price.
    #[inline(always)]
    pub(super) fn check_arrival(&self, order: &PlaceOrder, is_new: bool, replies_fit: bool) -> Result<(), No> {
        if !is_new || order.qty.is_zero() {
            return Err(No::Refused(RejectReason::Malformed));
        }
        if !self.book.has_account(order.account) {
            return Err(No::Refused(RejectReason::UnknownAccount));
        }
        if !replies_fit {
            return Err(No::Refused(RejectReason::Busy));
        }
        Ok(())
    }

    /// Whether an order may meet the book as it is.
    #[inline(always)]
    pub(super) fn check_book(&self, order: &PlaceOrder) -> Result<(), No> {
        if order.kind == OrderKind::LimitMaker && self.best_crossing(order).is_some() {
            return Err(No::Refused(RejectReason::WouldTake));
        }
        if may_rest(order) {
            if !self.has_room_for(0) {
                return Err(No::Refused(RejectReason::Busy));
            }
            if self.book.level_qty(order.side, order.price).checked_add(order.qty).is_none() {
                return Err(No::Refused(RejectReason::LevelFull));
            }
        }
        if order.time_in_force == TimeInForce::Fok && !self.fills(order, order.qty) {
            return Err(No::Expired(CancelCause::TimeInForce));
        }
        Ok(())
    }

    /// The best opposite price, when the order accepts it.
    #[inline(always)]
    pub(super) fn best_crossing(&self, order: &PlaceOrder) -> Option<Price> {
        self.book.best(order.side.opposite()).filter(|best| accepts(order, *best))
    }

    /// Whether so much of the order trades at once.
    pub(super) fn fills(&self, order: &PlaceOrder, qty: Qty) -> bool {
        let opposite = order.side.opposite();
        let mut rest = Taker {
            leaves: qty,
            budget: (order.budget != Amount::MAX).then_some(order.budget),
            steps_left: self.fills_max,
        };
        let mut price = self.best_crossing(order);
        while let Some(at) = price.filter(|price| self.bands.allow(*price)) {
            let mut handle = self.book.front(opposite, at);
            let mut hides = false;
            while handle != 0 {
                let maker = self.book.maker(handle);
                handle = self.book.behind(handle);
                if is_own(order, &maker) {
                    if order.self_trade != SelfTradePrevention::ExpireMaker || rest.steps_left == 0 {
                        return false;
                    }
                    rest.steps_left -= 1;
                    continue;
                }
                hides |= maker.is_marked;
                if let Some(fills) = self.would_fill(&mut rest, at, maker.leaves) {
                    return fills;
                }
            }
            if hides && let Some(fills) = self.hidden_would_fill(&mut rest, order, at) {
                return fills;
            }
            price = self.book.worse(opposite, at).filter(|worse| accepts(order, *worse));
        }
        false
    }

    /// One fill more of an order that must fill whole: whether it does or cannot, if that is known by now.
    #[inline]
    fn would_fill(&self, rest: &mut Taker, at: Price, maker_qty: Qty) -> Option<bool> {
        if rest.steps_left == 0 {
            return Some(false);
        }
        rest.steps_left -= 1;
        let qty = rest.leaves.min(maker_qty);
        if let Some(budget) = rest.budget {
            match self.cost(at, qty).and_then(|cost| budget.checked_sub(cost)) {
                Some(left) => rest.budget = Some(left),
                None => return Some(false),
            }
        }
        rest.leaves = subtract(rest.leaves, qty);
        rest.leaves.is_zero().then_some(true)
    }

    /// The next slices of a level's icebergs, round by round, once all that shows has traded.
    #[cold]
    fn hidden_would_fill(&self, rest: &mut Taker, order: &PlaceOrder, at: Price) -> Option<bool> {
        for round in 0_i64.. {
            let mut shows = false;
            let mut handle = self.book.front(order.side.opposite(), at);
            while handle != 0 {
                let maker = self.book.maker(handle);
                handle = self.book.behind(handle);
                if !maker.is_marked || is_own(order, &maker) {
                    continue;
                }
                let extra = self.extras.get(maker.id);
                let gone = round.saturating_mul(extra.slice.units());
                let slice = extra.slice.units().min(extra.hidden.units().saturating_sub(gone));
                if let Some(slice) = Qty::new(slice).filter(|slice| !slice.is_zero()) {
                    shows = true;
                    if let Some(fills) = self.would_fill(rest, at, slice) {
                        return Some(fills);
                    }
                }
            }
            if !shows {
                break;
            }
        }
        None
    }

    /// Matches an order that has been checked; how many steps it took. `carries` is what it carries when it rests.
    #[inline]
    pub(super) fn execute(
        &mut self,
        now: Timestamp,
        order: &PlaceOrder,
        carries: Option<Carries>,
        effects: &mut impl Sink,
    ) -> u32 {
        let steps = self.meet_book(now, order, carries, effects);
        if self.is_limited {
            self.settle_bands(now, effects);
        }
        steps
    }

    #[inline(always)]
    fn meet_book(
        &mut self,
        now: Timestamp,
        order: &PlaceOrder,
        carries: Option<Carries>,
        effects: &mut impl Sink,
    ) -> u32 {
        self.book.prepare(order.price);
        // Where orders collect, and where none may take, there is nothing to match.
        if self.is_continuous && self.best_crossing(order).is_some() {
            return self.meet_crossing(now, order, carries, effects);
        }
        if may_rest(order) {
            self.rest(now, order, order.qty, carries, effects);
        } else {
            self.end_taker(order, order.qty, CancelCause::TimeInForce, effects);
        }
        0
    }

    /// What most orders do not: at least one price crosses. Apart, so that an order that simply rests pays for nothing of it.
    #[inline(never)]
    fn meet_crossing(
        &mut self,
        now: Timestamp,
        order: &PlaceOrder,
        carries: Option<Carries>,
        effects: &mut impl Sink,
    ) -> u32 {
        let mut taker = Taker {
            leaves: order.qty,
            budget: (order.budget != Amount::MAX).then_some(order.budget),
            steps_left: self.fills_max,
        };
        let stop = self.take(now, order, &mut taker, effects);
        let leaves = taker.leaves;
        match stop {
            Stop::Filled => {}
            Stop::NothingCrosses | Stop::Outside if may_rest(order) => self.rest(now, order, leaves, carries, effects),
            Stop::NothingCrosses => self.end_taker(order, leaves, CancelCause::TimeInForce, effects),
            Stop::Outside => self.end_taker(order, leaves, CancelCause::PriceBand, effects),
            Stop::Because(cause) => self.end_taker(order, leaves, cause, effects),
        }
        self.fills_max - taker.steps_left
    }

    /// Puts what is left of an order on the book.
    #[inline(always)]
    fn rest(
        &mut self,
        now: Timestamp,
        order: &PlaceOrder,
        leaves: Qty,
        carries: Option<Carries>,
        effects: &mut impl Sink,
    ) {
        let PlaceOrder { order: id, account, group, side, price, .. } = *order;
        let (shown, is_marked) =
            carries.map_or((leaves, false), |carries| self.mark(id, (side, price), leaves, carries));
        let resting = Resting { id, account, group, side, price, leaves: shown, is_marked };
        let level = self.book.insert(resting);
        self.tell_shown(&resting, true, effects);
        let market = self.id;
        self.depth.change(now, market, side, price, level, effects);
        effects.send(self.ledger, Mail::OrderRested(OrderRested { market, order: id, leaves }));
    }

    /// Tells that an order ended on its way in, and what was left of it.
    fn end_taker(&self, order: &PlaceOrder, leaves: Qty, cause: CancelCause, effects: &mut impl Sink) {
        let leaves = told_leaves(order, leaves);
        let (market, order) = (self.id, order.order);
        effects.send(self.ledger, Mail::OrderEnded(OrderEnded { market, order, leaves, cause, request: NO_REQUEST }));
    }

    /// Trades price by price; tells each price's level once.
    fn take(&mut self, now: Timestamp, order: &PlaceOrder, taker: &mut Taker, effects: &mut impl Sink) -> Stop {
        let opposite = order.side.opposite();
        while let Some(price) = self.best_crossing(order) {
            if !self.bands.allow(price) {
                self.bands.note_breach(order.order);
                return Stop::Outside;
            }
            let steps = taker.steps_left;
            let stop = self.take_at(now, price, order, taker, effects);
            if taker.steps_left != steps {
                self.tell_level(now, opposite, price, effects);
                if !self.stops.is_empty() && self.auctions.last == Some(price) {
                    self.observe(now, price, effects);
                }
            }
            if let Some(stop) = stop {
                return stop;
            }
        }
        Stop::NothingCrosses
    }

    /// Trades at one price until the level is gone (`None`) or the taker stops.
    fn take_at(
        &mut self,
        now: Timestamp,
        price: Price,
        order: &PlaceOrder,
        taker: &mut Taker,
        effects: &mut impl Sink,
    ) -> Option<Stop> {
        let opposite = order.side.opposite();
        loop {
            let handle = self.book.front(opposite, price);
            if handle == 0 {
                return None;
            }
            if taker.steps_left == 0 {
                return Some(Stop::Because(CancelCause::FillLimit));
            }
            let resting = self.book.maker(handle);
            if is_own(order, &resting) {
                match self.prevent(now, price, handle, order, taker, effects) {
                    Some(stop) => return Some(stop),
                    None => continue,
                }
            }
            let (maker, maker_qty) = (resting.id, resting.leaves);
            let mut qty = taker.leaves.min(maker_qty);
            if let Some(budget) = taker.budget {
                qty = qty.min(price.affordable(budget, self.rules.lot, self.scale.quote_factor));
                if qty.is_zero() {
                    return Some(Stop::Because(CancelCause::BudgetSpent));
                }
            }
            taker.steps_left -= 1;
            let mut maker_leaves = subtract(maker_qty, qty);
            let mut next_slice = None;
            if resting.is_marked {
                (maker_leaves, next_slice) = self.trade_marked(handle, opposite, price, qty, effects);
            } else if maker_leaves.is_zero() {
                self.book.remove(handle);
            } else {
                self.book.reduce_front(opposite, price, qty);
            }
            taker.leaves = subtract(taker.leaves, qty);
            let mut stop = taker.leaves.is_zero().then_some(Stop::Filled);
            if let Some(budget) = taker.budget {
                let cost = self.cost(price, qty).and_then(|cost| budget.checked_sub(cost));
                taker.budget = Some(cost.expect("an affordable quantity costs no more than the budget"));
                stop = self.settle_budget(order, taker, price);
            }

            self.trade = self.trade.next();
            self.auctions.last = Some(price);
            let (market, trade) = (self.id, self.trade);
            let (taker_side, taken) = (order.side, order.order);
            let sequence = self.next_shown();
            effects.tell(Event::Traded(Traded {
                market,
                trade,
                price,
                qty,
                taker_side,
                taker: taken,
                maker,
                sequence,
                is_auction: false,
            }));
            if let Some(slice) = next_slice {
                self.tell_shown(&slice, true, effects);
            }
            let fill = OrderFilled {
                market,
                order: taken,
                trade,
                price,
                qty,
                leaves: taker.leaves,
                is_maker: false,
                traded_at: now,
            };
            effects.send(self.ledger, Mail::OrderFilled(fill));
            let fill = OrderFilled { order: maker, leaves: maker_leaves, is_maker: true, ..fill };
            effects.send(self.ledger, Mail::OrderFilled(fill));
            if stop.is_some() {
                return stop;
            }
        }
    }

    /// After a trade of an order with a budget: what is left of it then, and whether it stops.
    fn settle_budget(&self, order: &PlaceOrder, taker: &mut Taker, last: Price) -> Option<Stop> {
        if self.is_satisfied(order, taker, last) {
            taker.leaves = Qty::ZERO;
        } else if taker.leaves.is_zero() && order.side == Side::Sell {
            let wanted = order.price.affordable(order.budget, self.rules.lot, self.scale.quote_factor);
            taker.leaves = wanted.checked_sub(order.qty).unwrap_or(Qty::ZERO);
            let is_short = !taker.leaves.is_zero();
            return Some(if is_short { Stop::Because(CancelCause::BalanceSpent) } else { Stop::Filled });
        }
        taker.leaves.is_zero().then_some(Stop::Filled)
    }

    /// Whether the budget of an order by quote quantity does not reach one more lot at the best price, or at the
    /// last one when nothing crosses any more.
    pub(super) fn is_satisfied(&self, order: &PlaceOrder, taker: &Taker, last: Price) -> bool {
        let Some(budget) = taker.budget.filter(|_| is_by_quote(order)) else { return false };
        let price = self.best_crossing(order).unwrap_or(last);
        price.affordable(budget, self.rules.lot, self.scale.quote_factor).is_zero()
    }

    pub(super) fn cost(&self, price: Price, qty: Qty) -> Option<Amount> {
        price.notional(qty, self.scale.quote_factor)
    }
}

/// What is told to be left of an order that ends: nobody has named the quantity of one that buys by its budget.
pub(super) fn told_leaves(order: &PlaceOrder, leaves: Qty) -> Qty {
    if buys_by_quote(order) { Qty::ZERO } else { leaves }
}

/// Whether its budget alone says how much it buys.
pub(super) fn buys_by_quote(order: &PlaceOrder) -> bool {
    order.qty == Qty::MAX && is_by_quote(order)
}

/// Market orders whose budget is what was asked for, not a bound on top of a quantity.
fn is_by_quote(order: &PlaceOrder) -> bool {
    order.kind == OrderKind::Market
        && order.budget != Amount::MAX
        && (order.side == Side::Sell || order.qty == Qty::MAX)
}

/// Whether what is left of the order stays on the book.
fn may_rest(order: &PlaceOrder) -> bool {
    order.kind != OrderKind::Market && order.time_in_force.may_rest()
}

#[inline]
fn accepts(order: &PlaceOrder, price: Price) -> bool {
    match order.side {
        Side::Buy => price <= order.price,
        Side::Sell => price >= order.price,
    }
}

#[inline]
pub(super) fn subtract(qty: Qty, part: Qty) -> Qty {
    qty.checked_sub(part).expect("a part is no more than the whole")
}
