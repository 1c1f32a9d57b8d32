//! Leases and countdowns: `engine/src/ledger/silence.rs` states the rules.

use wire::command::{CountdownCancel, EndLease, RenewLease};
use wire::event::{CountdownChanged, LeaseChanged};
use wire::{AccountId, CancelCause, ClientOrderId, ClientSessionId, Event, MarketId, RejectReason, Sides, Timestamp};

use super::{Answer, Ledger, Order, no};

const MS: u64 = 1_000_000;

impl Ledger {
    /// Nothing runs out before this.
    pub(in crate::model) fn begin_term(&mut self, not_before: u64) {
        self.not_before = self.not_before.max(not_before);
    }

    /// What has run out, leases first. There are never so many that one command could not end them all.
    pub(in crate::model) fn end_silent(&mut self) {
        let now = self.now;
        if now < self.not_before {
            return;
        }
        loop {
            let due = self.leases.iter().filter(|(_, (_, expires))| *expires <= now);
            let Some((_, (account, session))) = due.map(|(key, (_, expires))| (*expires, *key)).min() else { break };
            self.end_session(account, ClientSessionId::new(session));
        }
        loop {
            let due = self.countdowns.iter().filter(|(_, expires)| **expires <= now);
            let Some((_, (account, market))) = due.map(|(key, expires)| (*expires, *key)).min() else { break };
            self.countdowns.remove(&(account, market));
            self.tell_countdown(account, MarketId::new(market), 0, true);
            let market = MarketId::new(market);
            if self.orders.iter().any(|order| order.account == account && order.market == market) {
                self.pull_all(account, market, Sides::Both, CancelCause::Countdown);
            }
        }
    }

    fn tell_countdown(&mut self, account: u32, market: MarketId, expires: u64, has_elapsed: bool) {
        let (account, expires) = (AccountId::new(account), Timestamp::from_nanos(expires));
        self.events.push(Event::CountdownChanged(CountdownChanged { account, market, expires, has_elapsed }));
    }

    fn tell_lease(&mut self, account: u32, session: ClientSessionId, holder: u64, expires: u64, canceling: u32) {
        let (account, expires) = (AccountId::new(account), Timestamp::from_nanos(expires));
        self.events.push(Event::LeaseChanged(LeaseChanged { account, session, holder, expires, canceling }));
    }

    /// Oldest first.
    pub(super) fn of_session(&self, account: u32, session: ClientSessionId) -> Vec<Order> {
        let is_its = |order: &&Order| order.account == account && order.session == session;
        let mut orders: Vec<Order> = self.orders.iter().filter(is_its).copied().collect();
        orders.sort_unstable_by_key(|order| order.id);
        orders
    }

    fn end_session(&mut self, account: u32, session: ClientSessionId) -> u64 {
        let (holder, _) = self.leases.remove(&(account, session.get())).expect("it is live");
        let orders: Vec<u64> = self.of_session(account, session).iter().map(|order| order.id).collect();
        for order in &orders {
            self.order_mut(*order).session = ClientSessionId::new(0);
        }
        self.asked = (account, ClientOrderId::EMPTY);
        self.tell_lease(account, session, holder, 0, orders.len() as u32);
        self.pull_each(&orders, CancelCause::Disconnected)
    }

    pub(super) fn renew_lease(&mut self, renew: &RenewLease) -> Answer {
        let RenewLease { account, session, holder, takes_over, lease_ms } = *renew;
        let of = self.account(account)?;
        if session.get() == 0 {
            return no(RejectReason::UnknownLease);
        }
        if !(RenewLease::MS_MIN..=RenewLease::MS_MAX).contains(&lease_ms) {
            return no(RejectReason::BadDuration);
        }
        let former = self.leases.get(&(of, session.get())).map(|(holder, _)| *holder);
        if former.is_some_and(|former| former != holder && !takes_over) {
            return no(RejectReason::LeaseTaken);
        }
        let expires = self.now + u64::from(lease_ms) * MS;
        self.leases.insert((of, session.get()), (holder, expires));
        self.tell_lease(of, session, holder, expires, 0);
        Ok(expires)
    }

    pub(super) fn end_lease(&mut self, end: &EndLease) -> Answer {
        let account = self.account(end.account)?;
        match self.leases.get(&(account, end.session.get())) {
            None => no(RejectReason::UnknownLease),
            Some((holder, _)) if *holder != end.holder => no(RejectReason::LeaseTaken),
            Some(_) => Ok(self.end_session(account, end.session)),
        }
    }

    pub(super) fn countdown_cancel(&mut self, arm: &CountdownCancel) -> Answer {
        let account = self.account(arm.account)?;
        let market = self.market(arm.market)?.id;
        if arm.countdown_ms > CountdownCancel::MS_MAX {
            return no(RejectReason::BadDuration);
        }
        self.countdowns.remove(&(account, market.get()));
        let mut expires = 0;
        if arm.countdown_ms > 0 {
            expires = self.now + u64::from(arm.countdown_ms) * MS;
            self.countdowns.insert((account, market.get()), expires);
        }
        self.tell_countdown(account, market, expires, false);
        Ok(expires)
    }
}
