//! Phases: `engine/src/market/phase.rs` states the rules.

use wire::event::PhaseChanged;
use wire::mail::*;
use wire::{CancelCause, Event, Mail, MarketStatus, PhaseCause, Side};

use super::{Market, Uncross, time};

impl Market {
    pub(super) fn change_status(&mut self, change: &ChangeMarketStatus) {
        self.version = change.version;
        let before = (self.status, self.ends());
        let steps =
            [(change.auction_after_ns, MarketStatus::Auction), (change.trading_after_ns, MarketStatus::Trading)];
        self.plan = steps.iter().filter(|(after, _)| *after > 0).map(|(after, to)| (self.now + after, *to)).collect();
        if change.cancel_orders {
            let is_end = change.status == MarketStatus::Delisted;
            self.purge = Some((if is_end { CancelCause::Delisted } else { CancelCause::MarketClosed }, 1));
        }
        self.enter(change.status, PhaseCause::Operator);
        if self.status == before.0 && self.uncross.is_none() && self.ends() != before.1 {
            self.tell_phase(PhaseCause::Operator);
        }
        self.carry_on();
    }

    pub(super) fn change_schedule(&mut self, change: &ChangeMarketSchedule) {
        self.report_again(change.version);
        self.schedule = change.schedule;
        self.follow_schedule();
        self.settle();
    }

    fn follow_schedule(&mut self) {
        self.scheduled = self.schedule.next_after(time(self.now)).map(|(at, _)| at.nanos());
    }

    pub(super) fn change_protection(&mut self, change: &ChangeMarketProtection) {
        self.report_again(change.version);
        self.protection = change.protection;
    }

    pub(super) fn change_rules(&mut self, change: &ChangeMarketRules) {
        self.report_again(change.version);
        self.rules = change.rules;
        let cause = self.purge.map_or(CancelCause::RulesChanged, |(cause, _)| cause);
        self.purge = Some((cause, 1));
        self.carry_on();
    }

    /// An operator's word that does not touch the phase is answered with it.
    fn report_again(&mut self, version: u32) {
        self.version = version;
        self.report(PhaseCause::Operator);
    }

    fn report(&mut self, cause: PhaseCause) {
        let (market, version, status) = (self.id, self.version, self.status);
        self.say(Mail::MarketReported(MarketReported { market, version, status, cause }));
    }

    /// Does what is due, up to what one command may do.
    pub(super) fn carry_on(&mut self) {
        let mut left = self.purge_some(self.fills_max);
        if self.purge.is_none() {
            left = self.uncross_some(left);
        }
        while !self.is_changing()
            && let Some((status, cause)) = self.take_due()
        {
            self.enter(status, cause);
            left = self.uncross_some(left);
        }
        self.settle();
    }

    fn take_due(&mut self) -> Option<(MarketStatus, PhaseCause)> {
        loop {
            let scheduled = self.scheduled.filter(|at| *at <= self.now);
            let planned = self.plan.first().copied().filter(|(at, _)| *at <= self.now);
            if let Some((_, status)) = planned.filter(|(at, _)| scheduled.is_none_or(|scheduled| *at <= scheduled)) {
                self.plan.remove(0);
                return Some((status, PhaseCause::Plan));
            }
            scheduled?;
            let (_, status) = self.schedule.last_until(time(self.now)).expect("a step was due");
            self.follow_schedule();
            if !matches!(self.status, MarketStatus::Halted | MarketStatus::Delisted) {
                self.plan.clear();
                return Some((status, PhaseCause::Schedule));
            }
        }
    }

    /// When the phase ends by itself.
    fn ends(&self) -> Option<u64> {
        self.plan.first().map(|(at, _)| *at).into_iter().chain(self.scheduled).min()
    }

    /// When a tick is needed next.
    pub(super) fn settle(&mut self) {
        self.timer = match self.status {
            _ if self.is_changing() => Some(self.now + 1),
            MarketStatus::Delisted => Some(self.window.map_or(self.now + 1, |(_, end)| end)),
            _ => self.ends(),
        };
        self.fire_at = self.may_fire().then_some(self.now + 1);
    }

    fn enter(&mut self, status: MarketStatus, cause: PhaseCause) {
        let ends_auction = self.status == MarketStatus::Auction && status == MarketStatus::Closed;
        let matches = matches!(status, MarketStatus::Trading | MarketStatus::PostOnly);
        if (matches || ends_auction) && (self.crosses() || self.uncross.is_some()) {
            let (price, traded) = self.uncross.map_or((None, 0), |uncross| (uncross.price, uncross.traded));
            self.uncross = Some(Uncross { price, traded, then: (status, cause) });
            return;
        }
        if let Some(Uncross { price: Some(price), traded: 1.., .. }) = self.uncross.take() {
            self.observe(price);
        }
        self.begin_phase(status, cause);
    }

    fn tell_phase(&mut self, cause: PhaseCause) {
        self.changes += 1;
        let (market, number, status) = (self.id, self.changes, self.status);
        let until = time(self.ends().unwrap_or(0));
        self.events.push(Event::PhaseChanged(PhaseChanged { market, number, status, cause, until }));
    }

    pub(super) fn crosses(&self) -> bool {
        let best = [Side::Buy, Side::Sell].map(|side| self.first(side).map(|order| order.price));
        matches!(best, [Some(bid), Some(ask)] if bid >= ask)
    }

    pub(super) fn begin_phase(&mut self, status: MarketStatus, cause: PhaseCause) {
        let matches = matches!(status, MarketStatus::Trading | MarketStatus::PostOnly);
        assert!(!(matches && self.crosses()), "no market matches with a book that crosses");
        if self.status == status {
            return;
        }
        if matches!(self.status, MarketStatus::Trading | MarketStatus::PostOnly) {
            (self.before, self.stopped) = (self.newest, 0);
        }
        let had_collected = self.status.collects();
        self.status = status;
        self.tell_phase(cause);
        self.report(cause);
        let is_day = |expiry: Option<super::Expiry>| expiry.is_some_and(|expiry| expiry.is_day);
        let has_days =
            self.orders.iter().any(|order| is_day(order.expiry)) || self.stops.iter().any(|stop| is_day(stop.expiry));
        let spares =
            self.purge.is_none_or(|(cause, _)| matches!(cause, CancelCause::RulesChanged | CancelCause::Expired));
        if status == MarketStatus::Closed && has_days && spares {
            self.purge = Some((CancelCause::Expired, 1));
        }
        if status.collects() && !had_collected {
            self.indicated = (None, 0, 0);
            self.indicate();
        }
    }
}
