//! How an order meets the book: `engine/src/market/matching.rs`, `prevention.rs` and `bands.rs` state the rules.

use wire::event::Traded;
use wire::mail::*;
use wire::{
    Amount, CancelCause, Event, Mail, MarketStatus, OrderId, OrderKind, PhaseCause, PreventedMatchId, Qty,
    RejectReason, SelfTradePrevention, Side, Terms, TimeInForce, TradeGroupId, TradeId,
};

use super::super::numbers::{of, price, qty, whole};
use super::pegs::{admits_terms, has_limit};
use super::{Carries, Market, Resting, time};

/// Why an order does not meet the book.
pub(super) enum No {
    Refused(RejectReason),
    Expired(CancelCause),
}

/// How a way through the book ends.
enum End {
    Filled,
    NothingCrosses,
    Outside,
    Because(CancelCause),
}

/// An order on its way through the book.
struct Taker {
    leaves: i128,
    budget: Option<i128>,
    steps: u32,
}

fn accepts(order: &PlaceOrder, at: i128) -> bool {
    match order.side {
        Side::Buy => at <= of(order.price),
        Side::Sell => at >= of(order.price),
    }
}

fn is_by_quote(order: &PlaceOrder) -> bool {
    order.kind == OrderKind::Market
        && order.budget != Amount::MAX
        && (order.side == Side::Sell || order.qty == Qty::MAX)
}

fn may_rest(order: &PlaceOrder) -> bool {
    order.kind != OrderKind::Market && order.time_in_force.may_rest()
}

/// What a phase takes.
pub(in crate::model) fn admits(
    status: MarketStatus,
    kind: OrderKind,
    time_in_force: TimeInForce,
) -> Result<(), RejectReason> {
    let waits = time_in_force.may_rest();
    match status {
        MarketStatus::Trading => Ok(()),
        MarketStatus::PostOnly => {
            let rests = waits && matches!(kind, OrderKind::Limit | OrderKind::LimitMaker);
            if rests { Ok(()) } else { Err(RejectReason::PostOnlyPhase) }
        }
        MarketStatus::PreOpen | MarketStatus::Auction => {
            if waits && kind == OrderKind::Limit {
                Ok(())
            } else {
                Err(RejectReason::NotInAuction)
            }
        }
        MarketStatus::CancelOnly | MarketStatus::Halted | MarketStatus::Closed => Err(RejectReason::MarketClosed),
        MarketStatus::Delisted => Err(RejectReason::MarketDelisted),
    }
}

impl Market {
    pub(super) fn place(&mut self, place: &PlaceOrder) {
        let is_new = place.order.get() > self.newest;
        let verdict = self.check_entry(place, is_new).and_then(|()| self.check_book(place));
        self.newest = self.newest.max(place.order.get());
        match verdict {
            Ok(()) => {
                let expiry = self.expiry(place.time_in_force, &Terms::NONE);
                self.execute(place, Carries { visible: 0, expiry, sibling: 0 });
            }
            Err(no) => self.say_no(place, no),
        }
    }

    pub(super) fn say_no(&mut self, place: &PlaceOrder, no: No) {
        let (market, order) = (self.id, place.order);
        match no {
            No::Refused(reason) => self.say(Mail::OrderRefused(OrderRefused { market, order, reason })),
            No::Expired(cause) => self.tell_end(order.get(), whole(place.qty), cause, 0),
        }
    }

    pub(super) fn check_entry(&self, place: &PlaceOrder, is_new: bool) -> Result<(), No> {
        self.check_entry_on_terms(place, &Terms::NONE, is_new).map(drop)
    }

    /// The order with the limit with which it enters.
    pub(super) fn check_entry_on_terms(
        &self,
        asked: &PlaceOrder,
        terms: &Terms,
        is_new: bool,
    ) -> Result<PlaceOrder, No> {
        let refused = |reason| Err(No::Refused(reason));
        let place = asked;
        admits(self.status, place.kind, place.time_in_force).map_err(No::Refused)?;
        admits_terms(self.status, terms).map_err(No::Refused)?;
        if self.is_changing() {
            return refused(RejectReason::MarketChanging);
        }
        let place = match place.kind.is_stop() {
            true => *place,
            false => self.pegged(place, terms.peg).map_err(No::Refused)?,
        };
        let place = &place;
        if self.status == MarketStatus::PostOnly && self.would_take(place) {
            return refused(RejectReason::WouldTake);
        }
        if has_limit(asked, terms.peg) {
            self.check_percent(asked.side, of(asked.price)).map_err(No::Refused)?;
        }
        if !is_new || place.qty.is_zero() {
            return refused(RejectReason::Malformed);
        }
        if self.has_account(place.account) { Ok(*place) } else { refused(RejectReason::UnknownAccount) }
    }

    pub(super) fn check_book(&self, place: &PlaceOrder) -> Result<(), No> {
        if place.kind == OrderKind::LimitMaker && self.would_take(place) {
            return Err(No::Refused(RejectReason::WouldTake));
        }
        if place.time_in_force == TimeInForce::Fok && !self.fills_whole(place) {
            return Err(No::Expired(CancelCause::TimeInForce));
        }
        Ok(())
    }

    fn would_take(&self, place: &PlaceOrder) -> bool {
        self.first(place.side.opposite()).is_some_and(|best| accepts(place, best.price))
    }

    /// It is tried on a copy of the market.
    pub(super) fn fills_whole(&self, place: &PlaceOrder) -> bool {
        let mut copy = Market { mail: Vec::new(), events: Vec::new(), ..self.clone() };
        let tried = PlaceOrder { time_in_force: TimeInForce::Ioc, ..*place };
        copy.meet_book(&tried, Carries { visible: 0, expiry: None, sibling: 0 });
        !copy.mail.iter().any(|mail| match mail {
            Mail::OrderEnded(ended) => ended.order == place.order,
            Mail::TradePrevented(prevented) => !prevented.taker_qty.is_zero(),
            _ => false,
        })
    }

    /// How many steps it took.
    pub(super) fn execute(&mut self, place: &PlaceOrder, carries: Carries) -> u32 {
        let steps = self.meet_book(place, carries);
        if let Some(order) = self.breached.take() {
            self.plan = vec![(self.now + self.protection.volatility_auction_ns, MarketStatus::Trading)];
            self.begin_phase(MarketStatus::Auction, PhaseCause::Volatility);
            self.stopped = order;
            self.settle();
        }
        steps
    }

    fn meet_book(&mut self, place: &PlaceOrder, carries: Carries) -> u32 {
        let mut taker = Taker {
            leaves: whole(place.qty),
            budget: (place.budget != Amount::MAX).then_some(place.budget.wide()),
            steps: 0,
        };
        let end = if self.is_continuous() { self.take(place, &mut taker) } else { End::NothingCrosses };
        let cause = match end {
            End::Filled => return taker.steps,
            End::NothingCrosses | End::Outside if may_rest(place) => {
                self.rest(place, taker.leaves, carries);
                return taker.steps;
            }
            End::NothingCrosses => CancelCause::TimeInForce,
            End::Outside => CancelCause::PriceBand,
            End::Because(cause) => cause,
        };
        let is_open = place.qty == Qty::MAX && is_by_quote(place);
        self.tell_end(place.order.get(), if is_open { 0 } else { taker.leaves }, cause, 0);
        taker.steps
    }

    fn rest(&mut self, place: &PlaceOrder, leaves: i128, carries: Carries) {
        let shown = if carries.visible == 0 { leaves } else { leaves.min(carries.visible) };
        self.turns += 1;
        let order = Resting {
            id: place.order.get(),
            account: place.account.get(),
            group: place.group,
            side: place.side,
            price: of(place.price),
            shown,
            hidden: leaves - shown,
            slice: if leaves > shown { carries.visible } else { 0 },
            sibling: carries.sibling,
            expiry: carries.expiry,
            turn: self.turns,
        };
        self.orders.push(order);
        self.tell_shown(&order, shown, true);
        self.tell_level(order.side, order.price);
        let (market, order, leaves) = (self.id, place.order, qty(leaves));
        self.say(Mail::OrderRested(OrderRested { market, order, leaves }));
    }

    fn take(&mut self, place: &PlaceOrder, taker: &mut Taker) -> End {
        let opposite = place.side.opposite();
        let (low, high) = self.protection.band(self.auction.map(price), self.last.map(price));
        let band = i128::from(low)..=i128::from(high);
        while let Some(best) = self.first(opposite).filter(|best| accepts(place, best.price)) {
            let at = best.price;
            if !band.contains(&at) {
                self.breached.get_or_insert(place.order.get());
                return End::Outside;
            }
            let (steps, trades) = (taker.steps, self.trades);
            let end = self.take_at(at, place, taker);
            if taker.steps != steps {
                self.tell_level(opposite, at);
            }
            if self.trades != trades {
                self.observe(at);
            }
            if let Some(end) = end {
                return end;
            }
        }
        End::NothingCrosses
    }

    /// Trades at one price until nothing is left there or the order stops.
    fn take_at(&mut self, at: i128, place: &PlaceOrder, taker: &mut Taker) -> Option<End> {
        while let Some(maker) = self.first(place.side.opposite()).filter(|maker| maker.price == at) {
            if taker.steps == self.fills_max {
                return Some(End::Because(CancelCause::FillLimit));
            }
            let is_own = maker.account == place.account.get()
                || (maker.group == place.group && place.group != TradeGroupId::new(0));
            if is_own && place.self_trade != SelfTradePrevention::None {
                match self.prevent(&maker, place, taker) {
                    Some(cause) => return Some(End::Because(cause)),
                    None => continue,
                }
            }
            let reach = taker.budget.map_or(taker.leaves, |budget| self.lots(budget, at).min(taker.leaves));
            let traded = reach.min(maker.shown);
            if traded == 0 {
                return Some(End::Because(CancelCause::BudgetSpent));
            }
            taker.steps += 1;
            let (maker_leaves, shows_next) = self.lose(maker.id, traded);
            self.spend(at, traded, place, taker);
            let unowned = self.unowned(at, place, taker);
            taker.leaves += unowned;
            self.tell_trade(at, traded, place.side, place.order.get(), maker.id, false);
            if shows_next {
                let next = *self.resting_mut(maker.id);
                self.tell_shown(&next, next.shown, true);
            }
            self.say_filled(place.order.get(), at, traded, taker.leaves, false);
            self.say_filled(maker.id, at, traded, maker_leaves, true);
            if taker.leaves == 0 {
                return Some(End::Filled);
            }
            if unowned > 0 {
                return Some(End::Because(CancelCause::BalanceSpent));
            }
        }
        None
    }

    /// What is left of the taker after a trade, or after one that was prevented as if it had been one.
    fn spend(&mut self, at: i128, lost: i128, place: &PlaceOrder, taker: &mut Taker) {
        taker.leaves -= lost;
        taker.budget = taker.budget.map(|budget| budget - self.cost(at, lost));
        if is_by_quote(place) && !self.reaches_more(at, place, taker) {
            taker.leaves = 0;
        }
    }

    /// Whether the budget reaches one more lot at the best price, or at this one when nothing crosses any more.
    fn reaches_more(&self, at: i128, place: &PlaceOrder, taker: &Taker) -> bool {
        let next = self.first(place.side.opposite()).filter(|best| accepts(place, best.price));
        let next = next.map_or(at, |best| best.price);
        taker.budget.is_none_or(|budget| self.lots(budget, next) > 0)
    }

    /// What a sell by quote quantity that has sold all there was of it asks for beyond that, by its protection price.
    fn unowned(&self, at: i128, place: &PlaceOrder, taker: &Taker) -> i128 {
        let is_sold = is_by_quote(place) && place.side == Side::Sell && taker.leaves == 0;
        if !is_sold || !self.reaches_more(at, place, taker) {
            return 0;
        }
        (self.lots(place.budget.wide(), of(place.price)) - whole(place.qty)).max(0)
    }

    /// A resting order loses `part` of what it shows; what is left of it in all, and whether a new slice shows.
    pub(super) fn lose(&mut self, id: u64, part: i128) -> (i128, bool) {
        self.part_pair(id);
        self.turns += 1;
        let turn = self.turns;
        let order = self.resting_mut(id);
        order.shown -= part;
        let shows_next = order.shown == 0 && order.hidden > 0;
        if shows_next {
            order.shown = order.hidden.min(order.slice);
            order.hidden -= order.shown;
            order.turn = turn;
        }
        let left = order.whole();
        self.orders.retain(|order| order.id != id || left > 0);
        (left, shows_next)
    }

    /// An order of a pair begins to work: the other one ends.
    fn part_pair(&mut self, id: u64) {
        let sibling = std::mem::take(&mut self.resting_mut(id).sibling);
        let mut levels = Vec::new();
        self.end_sibling(sibling, CancelCause::OtherLeg, 0, &mut levels);
        assert!(levels.is_empty(), "of a pair one order rests at most");
    }

    pub(super) fn tell_trade(&mut self, at: i128, part: i128, side: Side, taker: u64, maker: u64, is_auction: bool) {
        self.trades += 1;
        self.last = Some(at);
        let sequence = self.next_shown();
        self.events.push(Event::Traded(Traded {
            market: self.id,
            trade: TradeId::new(self.trades),
            price: price(at),
            qty: qty(part),
            taker_side: side,
            taker: OrderId::new(taker),
            maker: OrderId::new(maker),
            sequence,
            is_auction,
        }));
    }

    pub(super) fn say_filled(&mut self, id: u64, at: i128, part: i128, leaves: i128, is_maker: bool) {
        let (market, order, trade, traded_at) = (self.id, OrderId::new(id), TradeId::new(self.trades), time(self.now));
        let (price, qty, leaves) = (price(at), qty(part), qty(leaves));
        self.say(Mail::OrderFilled(OrderFilled { market, order, trade, price, qty, leaves, is_maker, traded_at }));
    }

    /// Instead of a trade with one's own order. Why the taker stops, if it does.
    fn prevent(&mut self, maker: &Resting, place: &PlaceOrder, taker: &mut Taker) -> Option<CancelCause> {
        use SelfTradePrevention::*;
        let at = maker.price;
        let reach = taker.budget.map_or(taker.leaves, |budget| self.lots(budget, at).min(taker.leaves));
        if place.self_trade == Decrement && reach == 0 {
            return Some(CancelCause::BudgetSpent);
        }
        let (taker_loses, maker_loses) = match place.self_trade {
            None => unreachable!("they trade"),
            ExpireTaker => (reach, 0),
            ExpireMaker => (0, maker.whole()),
            ExpireBoth => (reach, maker.whole()),
            Decrement => (reach.min(maker.shown), reach.min(maker.shown)),
        };
        if place.self_trade == Decrement {
            self.part_pair(maker.id);
        }
        self.prevented += 1;
        self.say(Mail::TradePrevented(TradePrevented {
            market: self.id,
            prevented: PreventedMatchId::new(self.prevented),
            taker: place.order,
            maker: OrderId::new(maker.id),
            group: place.group,
            mode: place.self_trade,
            price: price(at),
            taker_qty: qty(taker_loses),
            maker_qty: qty(maker_loses),
            prevented_at: time(self.now),
        }));
        if place.self_trade == ExpireTaker {
            return Some(CancelCause::SelfTrade);
        }
        taker.steps += 1;
        if place.self_trade == Decrement {
            let (left, shows_next) = self.lose(maker.id, maker_loses);
            if left == 0 {
                self.tell_shown(maker, 0, false);
                self.tell_end(maker.id, 0, CancelCause::SelfTrade, 0);
            } else {
                let now = *self.resting_mut(maker.id);
                self.tell_shown(&now, now.shown, shows_next);
            }
            self.spend(at, taker_loses, place, taker);
            return (taker.leaves == 0).then_some(CancelCause::SelfTrade);
        }
        let mut levels = Vec::new();
        self.end_resting(maker.id, CancelCause::SelfTrade, 0, &mut levels);
        (place.self_trade == ExpireBoth).then_some(CancelCause::SelfTrade)
    }
}
