//! A command, or one mail of a batch, that panicked a quorum of replicas: put aside, and whoever waits for it refused.
//!
//! Parts are counted: 0 is the command itself, `n` the `n`-th mail of the batch that it delivers; what is due by time has
//! a part of its own for each market ([`timed`]) and one for the ledger's leases and countdowns ([`TIMED`]). A command that is put
//! aside whole changes nothing and is answered `Quarantined`; a mail that is put aside is answered to its sender as if its
//! market had refused it (an order with `Quarantined`, a pull as come too late), the other mails of its batch are
//! applied. What a market had answered to the ledger and is put aside there stays unsettled: clearing shows it; an amend
//! whose answer it was is rejected with `Quarantined`, so that the order can be amended again. The
//! market that it was about, if there is one, accepts cancels alone from then on, by the ledger's word: an operator decides
//! when it reopens. `CommandQuarantined` tells what and where.
//!
//! What is due by time would panic again with the next command. So a market whose timed work is put aside does none of it
//! (nothing expires, no plan, schedule, cancellation of many orders, uncrossing or stop goes on; depth windows close) until
//! an operator says more to it than to accept cancels alone. Of the ledger's, the leases and countdowns that were due are
//! gone, and the orders that they were for stay.

use wire::command::{DeliverMail, Reply};
use wire::event::CommandQuarantined;
use wire::mail::MarketQuarantined;
use wire::{Command, Event, LogPosition, Mail, MarketId, PartitionId, RejectReason, Timestamp};

use super::routing::refuse_for_nobody;
use super::{Output, Partition};
use crate::effects::Effects;

/// The part that is the ledger's timed work.
pub(super) const TIMED: u32 = 1 << 31;

/// The part that is a market's timed work.
pub(super) fn timed(market: MarketId) -> u32 {
    TIMED | u32::from(market.get())
}

impl Partition {
    /// Which part of the command is being executed.
    pub fn step(&self) -> u32 {
        self.step
    }

    /// [`Partition::apply`] without the parts that panicked.
    pub fn apply_without(
        &mut self,
        position: LogPosition,
        now: Timestamp,
        command: &Command,
        steps: &[u32],
        out: &mut Output,
    ) {
        if !steps.contains(&0) {
            self.put_aside = steps.to_vec();
            self.apply(position, now, command, out);
            self.put_aside.clear();
            return;
        }
        out.events.clear();
        self.step = 0;
        let mut mail = std::mem::take(&mut self.mail);
        let mut effects = Effects { events: &mut out.events, is_heard: out.is_heard, mail: &mut mail };
        let market = market_asked(command);
        if let Some(ledger) = &mut self.ledger {
            ledger.begin(position, now);
        }
        self.tell_quarantine(position, market, &mut effects);
        if let (Some(ledger), Some(market)) = (&mut self.ledger, market) {
            ledger.quarantine(market, &mut effects);
        }
        self.route(now, &mut effects);
        if let Some(ledger) = &mut self.ledger {
            ledger.finish(&mut effects);
        }
        self.mail = mail;
        out.reply = Reply::Rejected { reason: RejectReason::Quarantined, id: 0 };
    }

    /// Whether the mail at this step is put aside; if so, it has been.
    pub(super) fn puts_aside(
        &mut self,
        position: LogPosition,
        batch: &DeliverMail,
        mail: &Mail,
        effects: &mut Effects<'_>,
    ) -> bool {
        if !self.put_aside.contains(&self.step) {
            return false;
        }
        let (market, from) = (mail.market(), batch.from);
        self.tell_quarantine(position, Some(market), effects);
        if mail.to_market().is_some() {
            refuse_for_nobody(from, mail, RejectReason::Quarantined, effects);
            let partition = self.config.partition;
            effects.send(from, Mail::MarketQuarantined(MarketQuarantined { market, partition, position }));
        } else if let Some(ledger) = &mut self.ledger {
            ledger.give_up_amend(from, mail, effects);
            ledger.quarantine(market, effects);
        }
        true
    }

    /// Whether the timed work of the market at this place is put aside; if so, it has been.
    pub(super) fn puts_time_aside(&mut self, position: LogPosition, at: usize, effects: &mut Effects<'_>) -> bool {
        if !self.put_aside.contains(&self.step) {
            return false;
        }
        let market = &mut self.markets[at];
        market.stop_timed_work();
        let (market, ledger, partition) = (market.id(), market.ledger(), self.config.partition);
        self.tell_quarantine(position, Some(market), effects);
        effects.send(ledger, Mail::MarketQuarantined(MarketQuarantined { market, partition, position }));
        true
    }

    /// Whether the ledger's timed work is put aside.
    pub(super) fn puts_silence_aside(&mut self, position: LogPosition, effects: &mut Effects<'_>) -> bool {
        let is_put_aside = self.put_aside.contains(&self.step);
        if is_put_aside {
            self.tell_quarantine(position, None, effects);
        }
        is_put_aside
    }

    fn tell_quarantine(&self, position: LogPosition, market: Option<MarketId>, effects: &mut Effects<'_>) {
        let (partition, market): (PartitionId, MarketId) = (self.config.partition, market.unwrap_or_default());
        effects.tell(Event::CommandQuarantined(CommandQuarantined { partition, position, market }));
    }
}

/// The market that a command is about.
fn market_asked(command: &Command) -> Option<MarketId> {
    let market = match command {
        Command::SetMarketStatus(ask) => ask.market,
        Command::SetMarketSchedule(ask) => ask.market,
        Command::ReopenMarket(ask) => ask.market,
        Command::KillMarket(ask) => ask.market,
        Command::SetMarketProtection(ask) => ask.market,
        Command::SetMarketRules(ask) => ask.market,
        Command::DelistMarket(ask) => ask.market,
        Command::NewOrder(ask) => ask.market,
        Command::NewOrderOnTerms(ask) => ask.order.market,
        Command::CancelOrder(ask) => ask.market,
        Command::CancelAll(ask) => ask.market,
        Command::MassCancel(ask) => ask.market,
        Command::CountdownCancel(ask) => ask.market,
        Command::AmendOrder(ask) => ask.market,
        Command::ReplaceOrder(ask) => ask.order.market,
        Command::NewOrderList(ask) => ask.legs.first().map(|leg| leg.order.market)?,
        Command::CancelOrderList(ask) => ask.market,
        _ => return None,
    };
    Some(market).filter(|market| market.get() != 0)
}
