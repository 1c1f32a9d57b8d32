//! More rows for the tables, by the log alone.
//!
//! A cell with more room is built as one is restored from a snapshot: from its saved state, with other limits. So nothing but
//! `new`, `save` and `load` knows how tables are laid out, and none of them grows in the middle of an order.

use wire::codec::{Reader, Writer};
use wire::command::RaiseCapacity;
use wire::event::CapacityRaised;
use wire::mail::ChangeMarketCapacity;
use wire::{Capacity, Event, Mail, MarketId, MarketStatus, PartitionId, RejectReason};

use super::{Answer, LedgerCell};
use crate::effects::Effects;
use crate::limits::Limits;
use crate::mailbox::Mailboxes;

impl LedgerCell {
    /// `limits` are those of the build; what they say of a capacity does not count any more.
    pub(crate) fn raise_capacity(
        &mut self,
        raise: &RaiseCapacity,
        limits: &Limits,
        mailboxes: &Mailboxes,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let capacity = self.capacity.raised(&raise.capacity).ok_or(RejectReason::BadLimits)?;
        if capacity == self.capacity {
            return Ok(0);
        }
        let markets: Vec<(MarketId, PartitionId)> = self
            .registry
            .markets()
            .iter()
            .filter(|market| market.status != MarketStatus::Delisted)
            .map(|market| (market.listed.market, market.listed.partition))
            .collect();
        if markets.iter().any(|(_, partition)| !self.lane_has_room(*partition, mailboxes)) {
            return Err(RejectReason::MarketUnavailable.into());
        }
        // What has moved is not saved: it is told before.
        self.balances.finish(effects);
        let mut state = Vec::new();
        self.capacity = capacity;
        self.save(&mut Writer::new(&mut state));
        let roomy = LedgerCell::load(self.partition, limits, &mut Reader::new(&state)).expect("what was saved is read");
        *self = LedgerCell { now: self.now, position: self.position, ..roomy };
        effects.tell(Event::CapacityRaised(Box::new(CapacityRaised { capacity })));
        for (market, partition) in markets {
            effects.send(partition, Mail::ChangeMarketCapacity(self.market_capacity(market)));
        }
        Ok(0)
    }

    /// What a market must have room for.
    pub(super) fn market_capacity(&self, market: MarketId) -> ChangeMarketCapacity {
        let Capacity { accounts_max, resting_orders_max, .. } = self.capacity;
        ChangeMarketCapacity { market, accounts_max, resting_orders_max }
    }

    /// The rows of each table that are used, and how many there are, in the order of [`Capacity::TABLES`]. Of orders that rest in
    /// one market only how many may.
    pub(crate) fn rows(&self) -> [(usize, u32); 8] {
        let (open_orders, remembered_orders) = self.orders.rows();
        let used = [
            self.registry.accounts(),
            self.registry.keys(),
            open_orders,
            remembered_orders,
            0,
            self.blockchains.addresses(),
            self.deposits.len(),
            self.withdrawals.of_clients(),
        ];
        let rows = self.capacity.rows();
        std::array::from_fn(|at| (used[at], rows[at]))
    }
}
