//! Mail within a partition and on its way to others: a batch is taken in mail by mail, each with all that it causes here
//! before the next, and what is addressed elsewhere goes into the outboxes.

use wire::command::{AckMail, DeliverMail};
use wire::{LogPosition, Mail, PartitionId, RejectReason, Timestamp};

use super::{Partition, earlier};
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

    /// Delivers what is addressed to this partition and puts the rest on its way. It ends: only markets
    /// answer, and the ledger does not answer them.
    pub(super) fn route(&mut self, now: Timestamp, effects: &mut Effects<'_>) {
        while !effects.mail.is_empty() {
            // What these cause comes after all of them.
            let mut round = std::mem::take(&mut self.round);
            std::mem::swap(effects.mail, &mut round);
            for (to, mail) in &round {
                if *to == self.config.partition {
                    self.receive(*to, now, mail, effects);
                } else {
                    self.mailboxes.send(*to, mail.clone());
                }
            }
            round.clear();
            self.round = round;
        }
    }

    fn receive(&mut self, from: PartitionId, now: Timestamp, mail: &Mail, effects: &mut Effects<'_>) {
        let Some(to_market) = mail.to_market() else {
            if let Some(ledger) = &mut self.ledger {
                ledger.receive(from, now, mail, effects);
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
        let Some(market) = self.market_of(to_market).filter(|market| market.ledger() == from) else {
            refuse_for_nobody(from, mail, RejectReason::UnknownMarket, effects);
            return;
        };
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
        if market.has_due_stops() {
            market.fire(now, room, effects);
        }
        let due = market.deadline();
        self.markets_due = earlier(self.markets_due, due);
    }

    /// How many mails the ledger's outbox takes.
    pub(super) fn room(&self, ledger: PartitionId) -> usize {
        if ledger == self.config.partition {
            return usize::MAX;
        }
        (self.config.limits.owed_replies_max as usize).saturating_sub(self.mailboxes.waiting(ledger))
    }

    /// Whether the ledger's outbox takes the longest answer to one order. One word about each order and each
    /// withdrawal always fits: the ledger bounds how many of them are unanswered.
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
        Mail::PullOrder(withdraw) => {
            let (market, order, request) = (withdraw.market, withdraw.order, withdraw.request);
            effects.send(from, Mail::PullRefused(PullRefused { market, order, request }));
        }
        Mail::PullOrders(withdraw) => {
            let (market, account, request) = (withdraw.market, withdraw.account, withdraw.request);
            effects.send(from, Mail::OrdersPulled(OrdersPulled { market, account, request, canceled: 0 }));
        }
        _ => {}
    }
}
