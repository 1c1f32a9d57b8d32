//! Mail within a partition and on its way to others: a batch is taken in mail by mail, each with all that it causes here
//! before the next, and what is addressed elsewhere goes into the outboxes.

use wire::command::{AckMail, CancelOrder, DeliverMail, NewOrder};
use wire::{LogPosition, Mail, MarketId, PartitionId, RejectReason, Timestamp};

use super::Partition;
use crate::effects::Effects;
use crate::ledger::Answer;
use crate::market::MarketCell;

impl Partition {
    /// Applies the mail of a batch that is new, each with all that it causes here before the next.
    pub(super) fn deliver(
        &mut self,
        position: LogPosition,
        now: Timestamp,
        batch: &DeliverMail,
        effects: &mut Effects<'_>,
    ) -> Answer {
        if batch.from == self.config.partition {
            return Err(RejectReason::WrongPartition.into());
        }
        let seen = self.mailboxes.check_batch(batch)?;
        self.mailboxes.note_batch(batch);
        for (at, mail) in batch.mail.iter().enumerate().skip(seen) {
            self.step = at as u32 + 1;
            if !self.puts_aside(position, batch, mail, effects) {
                self.receive(batch.from, now, mail, effects);
            }
            self.route(now, effects);
        }
        Ok(0)
    }

    pub(super) fn acknowledge(&mut self, ack: &AckMail) -> Answer {
        self.mailboxes.check_ack(ack)?;
        self.mailboxes.trim(ack.from, ack.acknowledged);
        Ok(0)
    }

    /// Checks and books a new order. Nothing waits before it, so a market that is here gets it at once.
    pub(super) fn new_order(&mut self, now: Timestamp, order: &NewOrder, effects: &mut Effects<'_>) -> Answer {
        let Some(ledger) = &mut self.ledger else { return Err(RejectReason::WrongPartition.into()) };
        let (to, place) = ledger.new_order(order, &self.mailboxes, effects)?;
        match self.place_here(to, place.market) {
            Some(at) => {
                self.markets[at].place(now, &place, true, effects);
                self.follow_market(at, now, usize::MAX, effects);
            }
            None => effects.send(to, Mail::PlaceOrder(place)),
        }
        Ok(place.order.get())
    }

    /// As [`Partition::new_order`].
    pub(super) fn cancel_order(&mut self, now: Timestamp, cancel: &CancelOrder, effects: &mut Effects<'_>) -> Answer {
        let Some(ledger) = &mut self.ledger else { return Err(RejectReason::WrongPartition.into()) };
        let (to, pull, order) = ledger.cancel_order(cancel)?;
        match self.place_here(to, pull.market) {
            Some(at) => {
                self.markets[at].pull(now, &pull, effects);
                self.follow_market(at, now, usize::MAX, effects);
            }
            None => effects.send(to, Mail::PullOrder(pull)),
        }
        Ok(order.get())
    }

    /// Where the market is that the ledger of this partition sends something to; `None` when it is elsewhere, or nowhere.
    #[inline]
    fn place_here(&self, to: PartitionId, market: MarketId) -> Option<usize> {
        let own = self.config.partition;
        if to == own { self.place_of(market).filter(|at| self.markets[*at].ledger() == own) } else { None }
    }

    /// Delivers what is addressed to this partition and puts the rest on its way. It ends: only markets
    /// answer, and the ledger does not answer them.
    #[inline]
    pub(super) fn route(&mut self, now: Timestamp, effects: &mut Effects<'_>) {
        while !effects.mail.is_empty() {
            // Most orders and cancels cause one answer, which causes nothing.
            match effects.mail.len() {
                1 => self.route_one(now, effects),
                _ => self.route_round(now, effects),
            }
        }
    }

    fn route_one(&mut self, now: Timestamp, effects: &mut Effects<'_>) {
        if let Some((to, mail)) = effects.mail.pop() {
            self.hand_on(to, now, mail, effects);
        }
    }

    fn route_round(&mut self, now: Timestamp, effects: &mut Effects<'_>) {
        // What these cause comes after all of them.
        let mut round = std::mem::replace(effects.mail, std::mem::take(&mut self.round));
        for (to, mail) in round.drain(..) {
            self.hand_on(to, now, mail, effects);
        }
        self.round = round;
    }

    #[inline]
    fn hand_on(&mut self, to: PartitionId, now: Timestamp, mail: Mail, effects: &mut Effects<'_>) {
        if to == self.config.partition {
            self.receive(to, now, &mail, effects);
        } else {
            self.mailboxes.send(to, mail);
        }
    }

    #[inline]
    fn receive(&mut self, from: PartitionId, now: Timestamp, mail: &Mail, effects: &mut Effects<'_>) {
        let Some(to_market) = mail.to_market() else {
            if let Some(ledger) = &mut self.ledger {
                ledger.receive(from, mail, effects);
            }
            return;
        };
        if let Mail::CreateMarket(create) = mail {
            if create.ledger == from {
                self.create_market(MarketCell::new(create, &self.config.limits));
            }
            return;
        }
        let (room, limits) = (self.room(from), self.config.limits);
        let replies_fit = MarketCell::replies_max(self.config.limits.fills_per_order_max) <= room;
        let Some(at) = self.place_of(to_market).filter(|at| self.markets[*at].ledger() == from) else {
            refuse_for_nobody(from, mail, RejectReason::UnknownMarket, effects);
            return;
        };
        let market = &mut self.markets[at];
        match mail {
            Mail::ChangeMarketStatus(change) => market.change_status(now, change, replies_fit, effects),
            Mail::ChangeMarketSchedule(change) => market.change_schedule(now, change, effects),
            Mail::ChangeMarketProtection(change) => market.change_protection(now, change, effects),
            Mail::ChangeMarketRules(change) => market.change_rules(now, change, replies_fit, effects),
            Mail::ChangeMarketCapacity(change) => market.change_capacity(change, &limits),
            Mail::PlaceOrder(order) => market.place(now, order, replies_fit, effects),
            Mail::PullOrder(pull) => market.pull(now, pull, effects),
            Mail::PullOrders(pull) => market.pull_all(now, pull, effects),
            Mail::PlaceOrderOnTerms(order) => market.place_on_terms(now, order, replies_fit, effects),
            Mail::ReduceOrder(reduce) => market.reduce(now, reduce, effects),
            Mail::ReplaceResting(replace) => market.replace(now, replace, replies_fit, effects),
            Mail::PlacePair(pair) => market.place_pair(now, pair, replies_fit, effects),
            _ => {}
        }
        self.follow_market(at, now, room, effects);
    }

    /// After something has come to a market.
    #[inline]
    fn follow_market(&mut self, at: usize, now: Timestamp, room: usize, effects: &mut Effects<'_>) {
        let market = &mut self.markets[at];
        if market.has_due_stops() {
            market.fire(now, room, effects);
        }
        self.markets_due = self.markets_due.min(market.due());
    }

    /// How many mails the ledger's outbox takes.
    pub(super) fn room(&self, ledger: PartitionId) -> usize {
        if ledger == self.config.partition {
            return usize::MAX;
        }
        (self.config.limits.owed_replies_max as usize).saturating_sub(self.mailboxes.waiting(ledger))
    }

    /// Whether the ledger's outbox takes the longest answer to one order. One word about each order and each
    /// pull always fits: the ledger bounds how many of them are unanswered.
    pub(super) fn replies_fit(&self, ledger: PartitionId) -> bool {
        MarketCell::replies_max(self.config.limits.fills_per_order_max) <= self.room(ledger)
    }
}

/// Answers mail for a market that is not here, so that nothing stays held or unanswered.
pub(super) fn refuse_for_nobody(from: PartitionId, mail: &Mail, reason: RejectReason, effects: &mut Effects<'_>) {
    use wire::mail::{OrderRefused, OrdersPulled, PullRefused, ReduceRefused, ReplaceRefused};
    match mail {
        Mail::PlaceOrder(place) => {
            let (market, order) = (place.market, place.order);
            effects.send(from, Mail::OrderRefused(OrderRefused { market, order, reason }));
        }
        Mail::PlaceOrderOnTerms(place) => {
            let (market, order) = (place.place.market, place.place.order);
            effects.send(from, Mail::OrderRefused(OrderRefused { market, order, reason }));
        }
        Mail::PlacePair(pair) => {
            for order in [pair.first.order, pair.second.order] {
                let market = pair.market;
                effects.send(from, Mail::OrderRefused(OrderRefused { market, order, reason }));
            }
        }
        Mail::ReduceOrder(reduce) => {
            let (market, order, request) = (reduce.market, reduce.order, reduce.request);
            effects.send(from, Mail::ReduceRefused(ReduceRefused { market, order, request }));
        }
        Mail::ReplaceResting(replace) => {
            let (market, old, order, request) =
                (replace.place.market, replace.old, replace.place.order, replace.request);
            effects.send(from, Mail::ReplaceRefused(ReplaceRefused { market, old, order, request }));
        }
        Mail::PullOrder(pull) => {
            let (market, order, request) = (pull.market, pull.order, pull.request);
            effects.send(from, Mail::PullRefused(PullRefused { market, order, request }));
        }
        Mail::PullOrders(pull) => {
            let (market, account, request) = (pull.market, pull.account, pull.request);
            effects.send(from, Mail::OrdersPulled(OrdersPulled { market, account, request, canceled: 0 }));
        }
        _ => {}
    }
}
