//! How a market moves through its phases ([`MarketStatus`] says what each accepts).
//!
//! Three things move it, and the ledger hears of each by mail:
//!
//! - *an operator's word*, which comes by the ledger, takes effect where it lies in the mail and ends a plan;
//! - *a plan*: up to two phases at given log times, made by a reopening (cancel-only, then auction, then trading) or by a
//!   volatility auction (then trading);
//! - *the schedule*, the same every week. A step of it ends a plan. Of several steps that are overdue, after an outage,
//!   the last one alone takes effect. While the market is `Halted` or quarantined, and once it is `Delisted`, steps pass
//!   without effect.
//!
//! What is due by log time is done before anything else that a command does, the plan before the schedule when both are due
//! at the same moment. A change that is too long for one command (an uncrossing, the cancellation of every order) goes
//! on with the next ones, by ticks: meanwhile new orders are refused with `MarketChanging`, late ones wait
//! ([`super::special`]), cancels pass, and what is due waits.

use wire::codec::{CodecError, Reader, Writer};
use wire::event::PhaseChanged;
use wire::mail::{ChangeMarketSchedule, ChangeMarketStatus, MarketReported, PlaceOrder};
use wire::{
    CancelCause, Event, Mail, MarketSchedule, MarketStatus, OrderKind, PhaseCause, RejectReason, TimeInForce, Timestamp,
};

use super::MarketCell;
use super::purge::Purge;
use crate::effects::Sink;

/// How long a change that is going on waits for room in the outbox, in nanoseconds of log time.
const RETRY_NS: u64 = 10_000_000;

/// A phase that begins at a given time.
type Step = (Timestamp, MarketStatus);

/// The phase of one market, and what will end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) status: MarketStatus,
    /// Counts the changes.
    number: u64,
    /// The ledger's last word that was heard.
    version: u32,
    /// In order of time.
    plan: [Option<Step>; 2],
    schedule: MarketSchedule,
    /// When the schedule's next step begins.
    scheduled: Option<Timestamp>,
    /// Whether only an operator's word ends it.
    is_quarantine: bool,
}

impl Phase {
    pub(super) fn new(status: MarketStatus) -> Phase {
        let (plan, schedule, scheduled) = ([None; 2], MarketSchedule::EMPTY, None);
        Phase { status, number: 0, version: 0, plan, schedule, scheduled, is_quarantine: false }
    }

    /// When the phase ends by itself.
    fn ends(&self) -> Option<Timestamp> {
        let planned = self.plan[0].map(|(at, _)| at);
        [planned, self.scheduled].into_iter().flatten().min()
    }

    fn follow(&mut self, schedule: MarketSchedule, now: Timestamp) {
        self.schedule = schedule;
        self.scheduled = schedule.next_after(now).map(|(at, _)| at);
    }

    /// Takes the next step that is due.
    fn take_due(&mut self, now: Timestamp) -> Option<(MarketStatus, PhaseCause)> {
        loop {
            let scheduled = self.scheduled.filter(|at| *at <= now);
            if let Some((at, status)) = self.plan[0].filter(|(at, _)| *at <= now)
                && scheduled.is_none_or(|scheduled| at <= scheduled)
            {
                self.plan = [self.plan[1], None];
                return Some((status, PhaseCause::Plan));
            }
            scheduled?;
            let step = self.schedule.last_until(now);
            self.scheduled = self.schedule.next_after(now).map(|(at, _)| at);
            let stays = self.is_quarantine || matches!(self.status, MarketStatus::Halted | MarketStatus::Delisted);
            if let Some((_, status)) = step.filter(|_| !stays) {
                self.plan = [None; 2];
                return Some((status, PhaseCause::Schedule));
            }
        }
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.status);
        to.put(&self.number);
        to.put(&self.version);
        for step in self.plan {
            to.put(&step.map(|(at, _)| at));
            to.put(&step.map_or(MarketStatus::Closed, |(_, status)| status));
        }
        to.put(&self.schedule);
        to.put(&self.scheduled);
        to.put(&self.is_quarantine);
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Phase, CodecError> {
        let mut phase = Phase::new(from.get()?);
        phase.number = from.get()?;
        phase.version = from.get()?;
        for step in &mut phase.plan {
            let (at, status): (Option<Timestamp>, MarketStatus) = (from.get()?, from.get()?);
            *step = at.map(|at| (at, status));
        }
        phase.schedule = from.get()?;
        phase.scheduled = from.get()?;
        phase.is_quarantine = from.get()?;
        Ok(phase)
    }
}

/// Whether an order of this kind may enter a market in this phase. The ledger asks it of its copy of the phase, the market of
/// its own.
#[inline]
pub(crate) fn admits(status: MarketStatus, kind: OrderKind, time_in_force: TimeInForce) -> Result<(), RejectReason> {
    let waits = !matches!(time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    match status {
        MarketStatus::Trading => Ok(()),
        MarketStatus::PostOnly if waits && matches!(kind, OrderKind::Limit | OrderKind::LimitMaker) => Ok(()),
        MarketStatus::PostOnly => Err(RejectReason::PostOnlyPhase),
        MarketStatus::PreOpen | MarketStatus::Auction if waits && kind == OrderKind::Limit => Ok(()),
        MarketStatus::PreOpen | MarketStatus::Auction => Err(RejectReason::NotInAuction),
        MarketStatus::CancelOnly | MarketStatus::Halted | MarketStatus::Closed => Err(RejectReason::MarketClosed),
        MarketStatus::Delisted => Err(RejectReason::MarketDelisted),
    }
}

impl MarketCell {
    /// When a command is needed: to close the depth window or to go on with a change, or because a phase ends.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let window = self.depth.deadline();
        // Almost always nothing but a depth window is open.
        let has_more = self.timer.is_some() | self.fire_at.is_some() | self.has_expiry();
        if has_more { self.first_deadline() } else { window }
    }

    /// As [`MarketCell::deadline`], the end of time while there is none.
    #[inline]
    pub(crate) fn due(&self) -> Timestamp {
        self.deadline().unwrap_or(Timestamp::NEVER)
    }

    #[cold]
    fn first_deadline(&self) -> Option<Timestamp> {
        if self.is_stuck {
            return self.depth.deadline();
        }
        let stops = self.fire_at.filter(|_| self.has_due_stops());
        [self.depth.deadline(), self.timer, stops, self.next_expiry()].into_iter().flatten().min()
    }

    /// Whether nothing of it is left: it was delisted, its orders are canceled and its last depth window is closed.
    pub(crate) fn is_gone(&self) -> bool {
        let is_over = !self.is_changing() && !self.stops.is_late();
        self.phase.status == MarketStatus::Delisted && is_over && self.depth.deadline().is_none()
    }

    /// What has become due by log time. Comes before everything else that a command does.
    pub(crate) fn pass_time(&mut self, now: Timestamp, replies_fit: bool, effects: &mut impl Sink) {
        if self.depth.close_due(now, self.id, effects) && self.phase.status.collects() {
            self.indicate(effects);
        }
        if self.is_stuck {
            return;
        }
        if self.next_expiry().is_some_and(|date| date <= now) {
            self.expire_some(now, effects);
        }
        if self.timer.is_some_and(|timer| timer <= now) {
            self.carry_on(now, replies_fit, effects);
        }
    }

    /// What is due by time has panicked: it waits until an operator says more than to accept cancels alone.
    pub(crate) fn stop_timed_work(&mut self) {
        self.is_stuck = true;
    }

    /// An operator's word about the phase.
    pub(crate) fn change_status(
        &mut self,
        now: Timestamp,
        change: &ChangeMarketStatus,
        replies_fit: bool,
        effects: &mut impl Sink,
    ) {
        let step = |after_ns: u64, status| (after_ns != 0).then(|| (now.plus_nanos(after_ns), status));
        let auction = step(change.auction_after_ns, MarketStatus::Auction);
        let trading = step(change.trading_after_ns, MarketStatus::Trading);
        let is_more = change.cancel_orders || auction.is_some() || trading.is_some();
        self.is_stuck &= change.status == MarketStatus::CancelOnly && !is_more;
        let before = (self.phase.status, self.phase.ends());
        self.phase.version = change.version;
        self.phase.is_quarantine = change.is_quarantine;
        self.phase.plan = if auction.is_some() { [auction, trading] } else { [trading, None] };
        if change.cancel_orders {
            let is_end = change.status == MarketStatus::Delisted;
            let cause = if is_end { CancelCause::Delisted } else { CancelCause::MarketClosed };
            self.begin_purge(Purge::everything(cause));
        }
        self.enter(now, change.status, PhaseCause::Operator, effects);
        // It stays, until another time.
        let stays = self.phase.status == before.0 && self.auctions.uncross.is_none();
        if stays && self.phase.ends() != before.1 {
            self.tell_phase(PhaseCause::Operator, effects);
        }
        self.carry_on(now, replies_fit, effects);
    }

    /// An operator's word that does not touch the phase. The ledger drops a report of an older version, which may be on its
    /// way: it is told the phase anew.
    pub(super) fn hear(&mut self, version: u32, effects: &mut impl Sink) {
        self.phase.version = version;
        let (market, status, cause) = (self.id, self.phase.status, PhaseCause::Operator);
        effects.send(self.ledger, Mail::MarketReported(MarketReported { market, version, status, cause }));
    }

    /// Trading begins at a given time, and nothing before it.
    pub(super) fn plan_trading(&mut self, at: Timestamp) {
        self.phase.plan = [Some((at, MarketStatus::Trading)), None];
    }

    /// Another schedule, from its next step on.
    pub(crate) fn change_schedule(&mut self, now: Timestamp, change: &ChangeMarketSchedule, effects: &mut impl Sink) {
        self.hear(change.version, effects);
        self.phase.follow(change.schedule, now);
        self.settle_phase(now);
    }

    /// Does what is due, up to what one command may do.
    pub(super) fn carry_on(&mut self, now: Timestamp, replies_fit: bool, effects: &mut impl Sink) {
        if self.is_stuck {
            self.settle_phase(now);
            return;
        }
        if self.is_changing() && !replies_fit {
            self.settle_phase(now);
            self.timer = Some(now.plus_nanos(RETRY_NS));
            return;
        }
        let mut work_left = self.purge_some(now, self.fills_max, effects);
        if self.purge.is_none() {
            work_left = self.uncross_some(now, work_left, effects);
        }
        while !self.is_changing()
            && let Some((status, cause)) = self.phase.take_due(now)
        {
            self.enter(now, status, cause, effects);
            if replies_fit {
                work_left = self.uncross_some(now, work_left, effects);
            }
        }
        self.settle_phase(now);
    }

    /// Whether a change goes on with the next commands.
    pub(super) fn is_changing(&self) -> bool {
        self.purge.is_some() || self.auctions.uncross.is_some()
    }

    /// Moves to a phase, after an uncrossing where one is needed.
    fn enter(&mut self, now: Timestamp, status: MarketStatus, cause: PhaseCause, effects: &mut impl Sink) {
        if self.needs_uncrossing(status) {
            self.start_uncrossing(status, cause);
        } else {
            self.break_off(now, effects);
            self.begin_phase(status, cause, effects);
        }
    }

    pub(super) fn begin_phase(&mut self, status: MarketStatus, cause: PhaseCause, effects: &mut impl Sink) {
        if self.phase.status == status {
            return;
        }
        if matches!(self.phase.status, MarketStatus::Trading | MarketStatus::PostOnly) {
            self.note_makers(self.newest);
        }
        let had_collected = self.phase.status.collects();
        self.phase.status = status;
        self.tell_phase(cause, effects);
        let (market, version) = (self.id, self.phase.version);
        effects.send(self.ledger, Mail::MarketReported(MarketReported { market, version, status, cause }));
        if status == MarketStatus::Closed {
            self.purge_day_orders();
        }
        if status.collects() && !had_collected {
            self.forget_indication();
            self.indicate(effects);
        }
    }

    fn tell_phase(&mut self, cause: PhaseCause, effects: &mut impl Sink) {
        self.phase.number += 1;
        let (market, number, status) = (self.id, self.phase.number, self.phase.status);
        let until = self.phase.ends().unwrap_or(Timestamp::ZERO);
        effects.tell(Event::PhaseChanged(PhaseChanged { market, number, status, cause, until }));
    }

    /// Brings what is derived from the phase up to date. A change that is going on is due with the next tick; the deadline
    /// moves on, since a leader sequences one tick for each.
    pub(super) fn settle_phase(&mut self, now: Timestamp) {
        self.is_continuous = self.phase.status == MarketStatus::Trading && !self.is_changing();
        self.is_limited = self.has_limits();
        let soon = Some(now.plus_nanos(1));
        self.timer = match self.phase.status {
            _ if self.is_changing() => soon,
            // The last depth window, then the end.
            MarketStatus::Delisted => self.depth.deadline().or(soon),
            _ => self.phase.ends(),
        };
        self.fire_at = soon.filter(|_| self.has_due_stops() && self.takes_due_stops());
    }

    /// Whether a market that is not simply trading takes the order.
    #[cold]
    pub(super) fn check_phase(&self, order: &PlaceOrder) -> Result<(), RejectReason> {
        admits(self.phase.status, order.kind, order.time_in_force)?;
        if self.is_changing() {
            return Err(RejectReason::MarketChanging);
        }
        let would_take = self.phase.status == MarketStatus::PostOnly && self.best_crossing(order).is_some();
        if would_take { Err(RejectReason::WouldTake) } else { Ok(()) }
    }
}
