//! What cancels a client's orders when nobody hears of the client any more.
//!
//! A *lease* belongs to a client session of an account and has one holder: the gateway connection that the client is on.
//! The holder renews it; another takes it over when the client connects anew, and from then on the former holder's
//! renewals and its end are refused (`LeaseTaken`). Orders name the session they were placed in. When the lease runs
//! out, or its holder ends it, it is gone and the session's open orders are canceled with `Disconnected`; an order that
//! names a session without a lease is refused.
//!
//! A *countdown* belongs to an account in a market. Unless it is armed anew before it runs out, the account's orders there
//! are canceled with `Countdown`, once.
//!
//! Both run by log time and are state, so they survive a failover and happen once. A new leader's first entry moves
//! whatever would run out within `lease_grace_ns` to the end of that grace: clients could not reach a leader that was not
//! there. What is due at log time `t` is done by the first command at or after `t`, before anything else that it does,
//! leases first, in the order of time, then of account and session or market; the request of its outcomes is that
//! command's position. A command ends at most [`ENDS_PER_COMMAND`] of them and stops after the one that brings it to
//! [`CANCELS_PER_COMMAND`] orders; the rest follows with the next.

use std::collections::{BTreeMap, BTreeSet};

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{CountdownCancel, EndLease, RenewLease};
use wire::event::{CountdownChanged, LeaseChanged};
use wire::{
    AccountId, CancelCause, ClientSessionId, Event, LogPosition, MarketId, OrderId, RejectReason, Sides, Timestamp,
};

use super::{Answer, LedgerCell};
use crate::effects::Effects;
use crate::limits::Limits;

/// Leases and countdowns that one command may end because their time has come.
pub const ENDS_PER_COMMAND: u32 = 64;
/// Orders after whose cancel one command ends no further lease.
pub const CANCELS_PER_COMMAND: u32 = 1_024;
/// Leases that one account may have.
pub const LEASES_PER_ACCOUNT: usize = 64;

const MS: u64 = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lease {
    holder: u64,
    expires: Timestamp,
}

/// Every lease and countdown of the ledger.
pub(super) struct Silence {
    leases: BTreeMap<(AccountId, ClientSessionId), Lease>,
    due_leases: BTreeSet<(Timestamp, AccountId, ClientSessionId)>,
    countdowns: BTreeMap<(AccountId, MarketId), Timestamp>,
    due_countdowns: BTreeSet<(Timestamp, AccountId, MarketId)>,
    /// Nothing runs out before this: a new leader's grace, or what one command has left to the next.
    not_before: Timestamp,
    /// When something runs out.
    due: Timestamp,
    leases_max: usize,
    countdowns_max: usize,
    grace_ns: u64,
}

impl Silence {
    pub(super) fn new(limits: &Limits) -> Silence {
        Silence {
            leases: BTreeMap::new(),
            due_leases: BTreeSet::new(),
            countdowns: BTreeMap::new(),
            due_countdowns: BTreeSet::new(),
            not_before: Timestamp::ZERO,
            due: Timestamp::NEVER,
            leases_max: limits.leases_max as usize,
            countdowns_max: limits.countdowns_max as usize,
            grace_ns: limits.lease_grace_ns,
        }
    }

    /// A new leader's first entry.
    pub(super) fn begin_term(&mut self, now: Timestamp) {
        self.wait_until(self.not_before.max(now.plus_nanos(self.grace_ns)));
    }

    fn wait_until(&mut self, not_before: Timestamp) {
        self.not_before = not_before;
        self.settle();
    }

    /// After every change of what runs out.
    fn settle(&mut self) {
        let lease = self.due_leases.first().map(|due| due.0);
        let countdown = self.due_countdowns.first().map(|due| due.0);
        let first = [lease, countdown].into_iter().flatten().min();
        self.due = first.map_or(Timestamp::NEVER, |first| first.max(self.not_before));
    }

    /// Whether something has run out.
    #[inline]
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.due <= now
    }

    /// When something runs out.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        Some(self.due).filter(|due| *due != Timestamp::NEVER)
    }

    /// Whether orders may name this session.
    pub(super) fn is_live(&self, account: AccountId, session: ClientSessionId) -> bool {
        self.leases.contains_key(&(account, session))
    }

    fn sessions_of(&self, account: AccountId) -> usize {
        let all = (account, ClientSessionId::new(0))..=(account, ClientSessionId::new(u64::MAX));
        self.leases.range(all).count()
    }

    fn put_lease(&mut self, account: AccountId, session: ClientSessionId, lease: Lease) {
        if let Some(old) = self.leases.insert((account, session), lease) {
            self.due_leases.remove(&(old.expires, account, session));
        }
        self.due_leases.insert((lease.expires, account, session));
        self.settle();
    }

    fn remove_lease(&mut self, account: AccountId, session: ClientSessionId) {
        if let Some(old) = self.leases.remove(&(account, session)) {
            self.due_leases.remove(&(old.expires, account, session));
            self.settle();
        }
    }

    fn put_countdown(&mut self, account: AccountId, market: MarketId, expires: Timestamp) {
        self.remove_countdown(account, market);
        self.countdowns.insert((account, market), expires);
        self.due_countdowns.insert((expires, account, market));
        self.settle();
    }

    fn remove_countdown(&mut self, account: AccountId, market: MarketId) -> bool {
        let old = self.countdowns.remove(&(account, market));
        let was_armed = old.is_some_and(|expires| self.due_countdowns.remove(&(expires, account, market)));
        self.settle();
        was_armed
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.not_before);
        to.put(&(self.leases.len() as u32));
        for ((account, session), lease) in &self.leases {
            to.put(account);
            to.put(session);
            to.put(&lease.holder);
            to.put(&lease.expires);
        }
        to.put(&(self.countdowns.len() as u32));
        for ((account, market), expires) in &self.countdowns {
            to.put(account);
            to.put(market);
            to.put(expires);
        }
    }

    pub(super) fn load(limits: &Limits, from: &mut Reader<'_>) -> Result<Silence, CodecError> {
        let mut silence = Silence::new(limits);
        silence.not_before = from.get()?;
        for _ in 0..from.get::<u32>()? {
            let (account, session) = (from.get()?, from.get()?);
            silence.put_lease(account, session, Lease { holder: from.get()?, expires: from.get()? });
        }
        for _ in 0..from.get::<u32>()? {
            let (account, market) = (from.get()?, from.get()?);
            silence.put_countdown(account, market, from.get()?);
        }
        Ok(silence)
    }
}

impl LedgerCell {
    /// Ends what has run out, before a command at `position`.
    pub(crate) fn end_silent(&mut self, position: LogPosition, now: Timestamp, effects: &mut Effects<'_>) {
        let (mut ends, mut cancels) = (0, 0);
        while self.silence.is_due(now) {
            if ends == ENDS_PER_COMMAND || cancels >= CANCELS_PER_COMMAND {
                // A new deadline, so that a tick is asked for anew.
                self.silence.wait_until(now.plus_nanos(1));
                return;
            }
            ends += 1;
            let is_due = |due: Timestamp| due <= now;
            if let Some((_, account, session)) = self.silence.due_leases.first().copied().filter(|due| is_due(due.0)) {
                cancels += self.end_session(position, account, session, effects);
            } else if let Some((_, account, market)) = self.silence.due_countdowns.first().copied() {
                self.silence.remove_countdown(account, market);
                let (expires, has_elapsed) = (Timestamp::ZERO, true);
                effects.tell(Event::CountdownChanged(CountdownChanged { account, market, expires, has_elapsed }));
                if self.orders.count(account, market) > 0 {
                    self.pull_all(position, account, market, Sides::Both, CancelCause::Countdown, effects);
                }
            }
        }
    }

    /// Instead of [`LedgerCell::end_silent`], which has panicked: what is due is gone, and cancels nothing.
    pub(crate) fn forget_silent(&mut self, now: Timestamp, effects: &mut Effects<'_>) {
        let (expires, canceling, has_elapsed) = (Timestamp::ZERO, 0, false);
        while let Some((at, account, session)) = self.silence.due_leases.first().copied()
            && at <= now
        {
            let holder = self.silence.leases.get(&(account, session)).map_or(0, |lease| lease.holder);
            self.silence.remove_lease(account, session);
            self.orders.end_session(account, session);
            effects.tell(Event::LeaseChanged(LeaseChanged { account, session, holder, expires, canceling }));
        }
        while let Some((at, account, market)) = self.silence.due_countdowns.first().copied()
            && at <= now
        {
            self.silence.remove_countdown(account, market);
            effects.tell(Event::CountdownChanged(CountdownChanged { account, market, expires, has_elapsed }));
        }
    }

    /// The lease is gone, its orders are canceled and name no session any more. How many.
    fn end_session(
        &mut self,
        position: LogPosition,
        account: AccountId,
        session: ClientSessionId,
        effects: &mut Effects<'_>,
    ) -> u32 {
        let holder = self.silence.leases.get(&(account, session)).map_or(0, |lease| lease.holder);
        self.silence.remove_lease(account, session);
        let orders: Vec<OrderId> = self.orders.of_session(account, session).map(|order| order.id).collect();
        self.orders.end_session(account, session);
        let canceling =
            (orders.iter().filter_map(|id| self.orders.get(*id))).filter(|order| !order.is_cancel_asked).count() as u32;
        let expires = Timestamp::ZERO;
        effects.tell(Event::LeaseChanged(LeaseChanged { account, session, holder, expires, canceling }));
        self.pull_each(position, &orders, CancelCause::Disconnected, effects)
    }

    /// The reply's id is when the lease runs out, in nanoseconds.
    pub(crate) fn renew_lease(&mut self, renew: &RenewLease, effects: &mut Effects<'_>) -> Answer {
        let RenewLease { account, session, holder, takes_over, lease_ms } = *renew;
        self.registry.account(account)?;
        if session.get() == 0 {
            return Err(RejectReason::UnknownLease.into());
        }
        if !(RenewLease::MS_MIN..=RenewLease::MS_MAX).contains(&lease_ms) {
            return Err(RejectReason::BadDuration.into());
        }
        match self.silence.leases.get(&(account, session)) {
            Some(lease) if lease.holder != holder && !takes_over => return Err(RejectReason::LeaseTaken.into()),
            Some(_) => {}
            None if self.silence.leases.len() >= self.silence.leases_max => return Err(RejectReason::TableFull.into()),
            None if self.silence.sessions_of(account) >= LEASES_PER_ACCOUNT => {
                return Err(RejectReason::TableFull.into());
            }
            None => {}
        }
        let expires = self.now.plus_nanos(u64::from(lease_ms) * MS);
        self.silence.put_lease(account, session, Lease { holder, expires });
        effects.tell(Event::LeaseChanged(LeaseChanged { account, session, holder, expires, canceling: 0 }));
        Ok(expires.nanos())
    }

    /// The reply's id says how many orders are being canceled.
    pub(crate) fn end_lease(&mut self, position: LogPosition, end: &EndLease, effects: &mut Effects<'_>) -> Answer {
        let EndLease { account, session, holder } = *end;
        self.registry.account(account)?;
        match self.silence.leases.get(&(account, session)) {
            None => Err(RejectReason::UnknownLease.into()),
            Some(lease) if lease.holder != holder => Err(RejectReason::LeaseTaken.into()),
            Some(_) => Ok(self.end_session(position, account, session, effects).into()),
        }
    }

    /// The reply's id is when it runs out, in nanoseconds; 0 when it is disarmed.
    pub(crate) fn countdown_cancel(&mut self, arm: &CountdownCancel, effects: &mut Effects<'_>) -> Answer {
        let CountdownCancel { account, market, countdown_ms } = *arm;
        self.registry.account(account)?;
        let partition = self.registry.market(market)?.listed.partition;
        if countdown_ms > CountdownCancel::MS_MAX {
            return Err(RejectReason::BadDuration.into());
        }
        let mut expires = Timestamp::ZERO;
        if countdown_ms == 0 {
            self.silence.remove_countdown(account, market);
        } else {
            let is_armed = self.silence.countdowns.contains_key(&(account, market));
            if !is_armed && self.silence.countdowns.len() >= self.silence.countdowns_max {
                return Err(RejectReason::TableFull.into());
            }
            if !self.cancels_have_room(partition) {
                return Err(RejectReason::Busy.into());
            }
            expires = self.now.plus_nanos(u64::from(countdown_ms) * MS);
            self.silence.put_countdown(account, market, expires);
        }
        let has_elapsed = false;
        effects.tell(Event::CountdownChanged(CountdownChanged { account, market, expires, has_elapsed }));
        Ok(expires.nanos())
    }
}
