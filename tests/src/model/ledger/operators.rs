//! What operators do with markets, and the ledger's copy of their phases: `engine/src/ledger/markets.rs` states the rules.

use wire::command::*;
use wire::event::*;
use wire::mail::*;
use wire::{Capacity, Event, Mail, MarketId, MarketStatus, RejectReason};

use super::{Answer, Ledger, Refused, no};

impl Ledger {
    /// A market that is not gone for ever.
    fn listed(&self, market: MarketId) -> Result<(), Refused> {
        match self.market(market)?.status {
            MarketStatus::Delisted => no(RejectReason::MarketDelisted),
            _ => Ok(()),
        }
    }

    fn next_version(&mut self, market: MarketId) -> u32 {
        let known = self.markets.iter_mut().find(|known| known.id == market).expect("it is listed");
        known.version += 1;
        known.version
    }

    fn set_status(&mut self, market: MarketId, status: MarketStatus) {
        self.markets.iter_mut().find(|known| known.id == market).expect("it is listed").status = status;
        self.events.push(Event::MarketStatusChanged(MarketStatusChanged { market, status }));
    }

    /// The copy changes at once; the plan is when an auction and when trading begin.
    fn change_phase(&mut self, market: MarketId, status: MarketStatus, cancel_orders: bool, plan: [u64; 2]) -> Answer {
        let version = self.next_version(market);
        self.set_status(market, status);
        let [auction_after_ns, trading_after_ns] = plan;
        self.mail.push(Mail::ChangeMarketStatus(ChangeMarketStatus {
            market,
            version,
            status,
            cancel_orders,
            auction_after_ns,
            trading_after_ns,
            is_quarantine: false,
        }));
        Ok(market.get().into())
    }

    pub(super) fn set_market_status(&mut self, set: &SetMarketStatus) -> Answer {
        self.listed(set.market)?;
        if set.status == MarketStatus::Delisted {
            return no(RejectReason::BadPhase);
        }
        self.change_phase(set.market, set.status, false, [0, 0])
    }

    pub(super) fn reopen_market(&mut self, reopen: &ReopenMarket) -> Answer {
        let ReopenMarket { market, cancel_only_ns: first, auction_ns: second } = *reopen;
        self.listed(market)?;
        if second == 0 || first.max(second) > ReopenMarket::STEP_NS_MAX {
            return no(RejectReason::BadPhase);
        }
        let status = if first == 0 { MarketStatus::Auction } else { MarketStatus::CancelOnly };
        self.change_phase(market, status, false, [first, first + second])
    }

    pub(super) fn kill_market(&mut self, kill: &KillMarket) -> Answer {
        self.listed(kill.market)?;
        self.change_phase(kill.market, MarketStatus::Halted, kill.cancel_orders, [0, 0])
    }

    pub(super) fn delist_market(&mut self, delist: &DelistMarket) -> Answer {
        self.listed(delist.market)?;
        self.change_phase(delist.market, MarketStatus::Delisted, true, [0, 0])
    }

    pub(super) fn set_market_schedule(&mut self, set: &SetMarketSchedule) -> Answer {
        let SetMarketSchedule { market, schedule } = *set;
        self.listed(market)?;
        if !schedule.is_consistent() {
            return no(RejectReason::BadSchedule);
        }
        let version = self.next_version(market);
        self.events.push(Event::MarketScheduleChanged(MarketScheduleChanged { market, schedule }));
        self.mail.push(Mail::ChangeMarketSchedule(Box::new(ChangeMarketSchedule { market, version, schedule })));
        Ok(market.get().into())
    }

    pub(super) fn set_market_protection(&mut self, set: &SetMarketProtection) -> Answer {
        let SetMarketProtection { market, protection } = *set;
        self.listed(market)?;
        if !protection.is_consistent() {
            return no(RejectReason::BadProtection);
        }
        let version = self.next_version(market);
        self.events.push(Event::MarketProtectionChanged(MarketProtectionChanged { market, version, protection }));
        let change = ChangeMarketProtection { market, version, protection };
        self.mail.push(Mail::ChangeMarketProtection(Box::new(change)));
        Ok(market.get().into())
    }

    /// Nothing is taken away, nothing goes beyond the most, and what is open is remembered. 0 is no wish.
    pub(super) fn raise_capacity(&mut self, raise: &RaiseCapacity) -> Answer {
        let (mut rows, most) = (self.capacity.rows(), Capacity::MOST.rows());
        for (at, wanted) in raise.capacity.rows().into_iter().enumerate() {
            if wanted != 0 && (wanted < rows[at] || wanted > most[at]) {
                return no(RejectReason::BadLimits);
            }
            rows[at] = rows[at].max(wanted);
        }
        let capacity = Capacity::of_rows(rows);
        if capacity.open_orders_max > capacity.remembered_orders_max {
            return no(RejectReason::BadLimits);
        }
        if capacity == self.capacity {
            return Ok(0);
        }
        self.capacity = capacity;
        self.events.push(Event::CapacityRaised(Box::new(CapacityRaised { capacity })));
        for market in self.markets.iter().filter(|market| market.status != MarketStatus::Delisted) {
            let (market, accounts_max, resting_orders_max) = (market.id, rows[0], rows[4]);
            self.mail.push(Mail::ChangeMarketCapacity(ChangeMarketCapacity {
                market,
                accounts_max,
                resting_orders_max,
            }));
        }
        Ok(0)
    }

    pub(super) fn set_market_rules(&mut self, set: &SetMarketRules) -> Answer {
        let SetMarketRules { market, rules } = *set;
        self.listed(market)?;
        if !rules.is_consistent() {
            return no(RejectReason::BadMarketRules);
        }
        let version = self.next_version(market);
        self.markets.iter_mut().find(|known| known.id == market).expect("it is listed").rules = rules;
        self.events.push(Event::MarketRulesChanged(Box::new(MarketRulesChanged { market, version, rules })));
        self.mail.push(Mail::ChangeMarketRules(Box::new(ChangeMarketRules { market, version, rules })));
        Ok(market.get().into())
    }

    /// Unless an operator has spoken since.
    pub(super) fn reported(&mut self, report: &MarketReported) {
        let MarketReported { market, version, status, .. } = *report;
        let known = self.market(market).expect("it is listed");
        if known.version == version && known.status != status {
            self.set_status(market, status);
        }
    }
}
