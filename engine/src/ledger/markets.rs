//! What operators do with markets, and the ledger's copy of their phases.
//!
//! The market cell decides what phase it is in; the ledger keeps a copy, so that it need not hold funds for an order that
//! would be refused. At an operator's word the copy changes at once, before the market hears of it: whatever comes
//! after the command meets the new phase. Each word carries the next *version* of the market. What a market reports by
//! itself takes effect here unless an operator has spoken since, which the version shows.

use wire::command::{
    DelistMarket, KillMarket, ListMarket, ReopenMarket, SetMarketProtection, SetMarketRules, SetMarketSchedule,
    SetMarketStatus,
};
use wire::event::{MarketProtectionChanged, MarketRulesChanged, MarketScheduleChanged, MarketStatusChanged};
use wire::mail::{
    ChangeMarketCapacity, ChangeMarketProtection, ChangeMarketRules, ChangeMarketSchedule, ChangeMarketStatus,
    CreateMarket, MarketReported,
};
use wire::{Event, Mail, MarketId, MarketStatus, PartitionId, RejectReason};

use super::{Answer, LedgerCell, Listings};
use crate::effects::Effects;
use crate::mailbox::Mailboxes;

impl LedgerCell {
    pub(crate) fn list_market(
        &mut self,
        list: &ListMarket,
        mailboxes: &Mailboxes,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let listed = self.registry.check_market(list)?;
        if !self.lane_has_room(listed.partition, mailboxes) {
            return Err(RejectReason::MarketUnavailable.into());
        }
        self.registry.add_market(listed);
        self.fees.value_markets(self.registry.markets());
        effects.tell(Event::MarketListed(Box::new(listed)));
        let (market, scale, rules, ledger) = (listed.market, listed.scale, listed.rules, self.partition);
        let ChangeMarketCapacity { accounts_max, resting_orders_max, .. } = self.market_capacity(market);
        let create = CreateMarket { market, scale, rules, ledger, accounts_max, resting_orders_max };
        effects.send(listed.partition, Mail::CreateMarket(Box::new(create)));
        if list.status != MarketStatus::Trading {
            self.change_phase(ChangeMarketStatus { market, ..at_once(list.status) }, effects);
        }
        Ok(market.get().into())
    }

    pub(crate) fn set_market_status(
        &mut self,
        set: &SetMarketStatus,
        mailboxes: &Mailboxes,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let SetMarketStatus { market, status } = *set;
        self.check_change(market, mailboxes)?;
        if status == MarketStatus::Delisted {
            return Err(RejectReason::BadPhase.into());
        }
        self.change_phase(ChangeMarketStatus { market, ..at_once(status) }, effects);
        Ok(market.get().into())
    }

    pub(crate) fn reopen_market(
        &mut self,
        reopen: &ReopenMarket,
        mailboxes: &Mailboxes,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let ReopenMarket { market, cancel_only_ns, auction_ns } = *reopen;
        self.check_change(market, mailboxes)?;
        if auction_ns == 0 || auction_ns.max(cancel_only_ns) > ReopenMarket::STEP_NS_MAX {
            return Err(RejectReason::BadPhase.into());
        }
        let status = if cancel_only_ns == 0 { MarketStatus::Auction } else { MarketStatus::CancelOnly };
        let (auction_after_ns, trading_after_ns) = (cancel_only_ns, cancel_only_ns + auction_ns);
        let change = ChangeMarketStatus { market, auction_after_ns, trading_after_ns, ..at_once(status) };
        self.change_phase(change, effects);
        Ok(market.get().into())
    }

    /// Passes whatever waits: a market that cannot be reached admits nothing from here on.
    pub(crate) fn kill_market(&mut self, kill: &KillMarket, effects: &mut Effects<'_>) -> Answer {
        let KillMarket { market, cancel_orders } = *kill;
        self.registry.listed_market(market)?;
        self.change_phase(ChangeMarketStatus { market, cancel_orders, ..at_once(MarketStatus::Halted) }, effects);
        Ok(market.get().into())
    }

    pub(crate) fn set_market_schedule(
        &mut self,
        set: &SetMarketSchedule,
        mailboxes: &Mailboxes,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let SetMarketSchedule { market, schedule } = *set;
        let partition = self.check_change(market, mailboxes)?;
        if !schedule.is_consistent() {
            return Err(RejectReason::BadSchedule.into());
        }
        let version = self.registry.next_version(market);
        effects.tell(Event::MarketScheduleChanged(MarketScheduleChanged { market, schedule }));
        effects
            .send(partition, Mail::ChangeMarketSchedule(Box::new(ChangeMarketSchedule { market, version, schedule })));
        Ok(market.get().into())
    }

    pub(crate) fn set_market_protection(
        &mut self,
        set: &SetMarketProtection,
        mailboxes: &Mailboxes,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let SetMarketProtection { market, protection } = *set;
        let partition = self.check_change(market, mailboxes)?;
        if !protection.is_consistent() {
            return Err(RejectReason::BadProtection.into());
        }
        let version = self.registry.next_version(market);
        effects.tell(Event::MarketProtectionChanged(MarketProtectionChanged { market, version, protection }));
        effects.send(
            partition,
            Mail::ChangeMarketProtection(Box::new(ChangeMarketProtection { market, version, protection })),
        );
        Ok(market.get().into())
    }

    /// The new filters hold for the next order; the market cancels those on its book that no longer fit.
    pub(crate) fn set_market_rules(
        &mut self,
        set: &SetMarketRules,
        mailboxes: &Mailboxes,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let SetMarketRules { market, rules } = *set;
        let partition = self.check_change(market, mailboxes)?;
        if !rules.is_consistent() {
            return Err(RejectReason::BadMarketRules.into());
        }
        let version = self.registry.next_version(market);
        self.registry.set_rules(market, rules);
        effects.tell(Event::MarketRulesChanged(Box::new(MarketRulesChanged { market, version, rules })));
        effects.send(partition, Mail::ChangeMarketRules(Box::new(ChangeMarketRules { market, version, rules })));
        Ok(market.get().into())
    }

    /// Passes whatever waits. Nothing can be done with the market after this.
    pub(crate) fn delist_market(&mut self, delist: &DelistMarket, effects: &mut Effects<'_>) -> Answer {
        let market = delist.market;
        self.registry.listed_market(market)?;
        let change = ChangeMarketStatus { market, cancel_orders: true, ..at_once(MarketStatus::Delisted) };
        self.change_phase(change, effects);
        Ok(market.get().into())
    }

    /// Whether operators may change a market now; where it lives.
    fn check_change(&self, market: MarketId, mailboxes: &Mailboxes) -> Result<PartitionId, super::Refused> {
        let partition = self.registry.listed_market(market)?.listed.partition;
        if self.lane_has_room(partition, mailboxes) {
            Ok(partition)
        } else {
            Err(RejectReason::MarketUnavailable.into())
        }
    }

    /// Of a market that is listed.
    fn change_phase(&mut self, change: ChangeMarketStatus, effects: &mut Effects<'_>) {
        let ChangeMarketStatus { market, status, .. } = change;
        let version = self.registry.next_version(market);
        self.registry.set_status(market, status);
        effects.tell(Event::MarketStatusChanged(MarketStatusChanged { market, status }));
        if let Ok(known) = self.registry.market(market) {
            let change = ChangeMarketStatus { version, ..change };
            effects.send(known.listed.partition, Mail::ChangeMarketStatus(change));
        }
    }

    /// The markets in which orders may be placed.
    pub(crate) fn markets_open(&self) -> Vec<MarketId> {
        let open = self.registry.markets().iter().filter(|known| is_open(known.status));
        open.map(|known| known.listed.market).collect()
    }

    /// What ids and units mean.
    pub(crate) fn listings(&self) -> Listings {
        self.registry.listings()
    }

    /// The markets in this phase.
    pub(crate) fn markets_in(&self, status: MarketStatus) -> Vec<MarketId> {
        let there = self.registry.markets().iter().filter(|known| known.status == status);
        there.map(|known| known.listed.market).collect()
    }

    /// Something about a market could not be executed: it accepts cancels alone until an operator reopens it. No schedule does, as
    /// none ends a halt.
    pub(crate) fn quarantine(&mut self, market: MarketId, effects: &mut Effects<'_>) {
        if self.registry.listed_market(market).is_ok_and(|known| known.status != MarketStatus::Halted) {
            let at_once = at_once(MarketStatus::CancelOnly);
            self.change_phase(ChangeMarketStatus { market, is_quarantine: true, ..at_once }, effects);
        }
    }

    /// A market has changed its phase.
    pub(super) fn market_reported(&mut self, from: PartitionId, report: &MarketReported, effects: &mut Effects<'_>) {
        let MarketReported { market, version, status, .. } = *report;
        let Ok(known) = self.registry.market(market) else { return };
        if known.listed.partition == from && known.version == version && known.status != status {
            self.registry.set_status(market, status);
            effects.tell(Event::MarketStatusChanged(MarketStatusChanged { market, status }));
        }
    }
}

/// Whether orders may be placed; of a market that is listed still.
fn is_open(status: MarketStatus) -> bool {
    use MarketStatus::{CancelOnly, Closed, Delisted, Halted};
    !matches!(status, CancelOnly | Halted | Closed | Delisted)
}

/// A change without a plan; market and version are filled in by the caller.
fn at_once(status: MarketStatus) -> ChangeMarketStatus {
    let (auction_after_ns, trading_after_ns) = (0, 0);
    let (market, version, cancel_orders, is_quarantine) = (MarketId::new(0), 0, false, false);
    ChangeMarketStatus { market, version, status, cancel_orders, auction_after_ns, trading_after_ns, is_quarantine }
}
