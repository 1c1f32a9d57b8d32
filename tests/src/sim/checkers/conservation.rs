//! Money is conserved, per asset, in every ledger cell, after every command; nothing is negative; what is held is held
//! for orders; and when no mail is under way nothing is in clearing.

use std::collections::BTreeMap;

use engine::{AssetAudit, Partition};
use wire::event::OrderPending;
use wire::{AccountId, AssetId, Event, MarketScale, OrderId, OrderKind, PartitionId, Side};

use super::Verdict;
use crate::model::exchange::MARKETS;
use crate::sim::history::Record;
use crate::sim::machine;

/// See the module.
#[derive(Debug, Default)]
pub struct Conservation {
    /// Free and held, as events told them last.
    told: BTreeMap<(AccountId, AssetId), (i128, i128)>,
    /// Orders that are open, and what is left of them once that was told.
    open: BTreeMap<OrderId, (OrderPending, Option<i128>)>,
    /// Whether there are orders of every kind: what those hold the model says.
    has_variety: bool,
}

impl Conservation {
    /// Of nothing yet.
    pub fn new(has_variety: bool) -> Conservation {
        Conservation { has_variety, ..Conservation::default() }
    }

    /// A command is committed; `cells` are as they are after it.
    pub fn on_commit(&mut self, partition: PartitionId, record: &Record, cells: &Partition) -> Verdict {
        self.note(&record.events);
        let audits = cells.audit();
        let at = || format!("partition {partition}, position {}", record.position);
        for audit in &audits {
            self.balances(audit).map_err(|error| format!("{}: {error}", at()))?;
        }
        Ok(())
    }

    fn balances(&self, audit: &AssetAudit) -> Verdict {
        let asset = audit.asset;
        if !audit.is_conserved() {
            return Err(format!("asset {asset} is not conserved: {audit:?}"));
        }
        if [audit.free, audit.held, audit.fees, audit.deposits, audit.withdrawals].iter().any(|sum| *sum < 0) {
            return Err(format!("something of asset {asset} is negative: {audit:?}"));
        }
        let of_asset = self.told.iter().filter(|((_, told), _)| *told == asset);
        let (free, held) = of_asset.fold((0, 0), |sum, (_, balance)| (sum.0 + balance.0, sum.1 + balance.1));
        if (free, held) != (audit.free, audit.held) {
            return Err(format!("of asset {asset} accounts were told {free} free and {held} held: {audit:?}"));
        }
        Ok(())
    }

    /// Everything has come to rest: no mail is under way.
    pub fn at_rest(&self, cells: &Partition) -> Verdict {
        for audit in cells.audit() {
            if audit.clearing != 0 {
                return Err(format!("at rest, {} of asset {} are in clearing", audit.clearing, audit.asset));
            }
            if self.has_variety {
                continue;
            }
            let held: i128 = (self.open.values())
                .map(|(order, leaves)| match leaves {
                    Some(leaves) => hold(order, *leaves, audit.asset),
                    None => 0,
                })
                .sum();
            if held != audit.held {
                let (asset, told) = (audit.asset, audit.held);
                return Err(format!("at rest, open orders account for {held} held of asset {asset}, of {told}"));
            }
        }
        match self.open.iter().find(|(_, (_, leaves))| leaves.is_none() && !self.has_variety) {
            Some((order, _)) => Err(format!("at rest, nobody knows what became of order {order}")),
            None => Ok(()),
        }
    }

    fn note(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::BalanceChanged(e) => {
                    self.told.insert((e.account, e.asset), (e.free.wide(), e.held.wide()));
                }
                Event::OrderPending(e) => {
                    self.open.insert(e.order, (*e, None));
                }
                Event::OrderResting(e) => self.leaves(e.order, e.leaves.units().into()),
                Event::OrderExecuted(e) => self.leaves(e.order, e.leaves.units().into()),
                Event::OrderAmended(e) => self.leaves(e.order, e.leaves.units().into()),
                Event::OrderCanceled(e) => self.leaves(e.order, 0),
                Event::OrderRejected(e) => self.leaves(e.order, 0),
                _ => {}
            }
        }
    }

    fn leaves(&mut self, order: OrderId, leaves: i128) {
        if leaves == 0 {
            self.open.remove(&order);
        } else if let Some((_, known)) = self.open.get_mut(&order) {
            *known = Some(leaves);
        }
    }
}

/// What a resting order with so much left holds of an asset.
fn hold(order: &OrderPending, leaves: i128, asset: AssetId) -> i128 {
    let (base, quote) = MARKETS[usize::from(order.market.get()) - 1];
    let MarketScale { quote_factor, base_factor, .. } = machine::scale();
    match order.side {
        _ if order.kind == OrderKind::Market => 0,
        Side::Buy if asset == quote => i128::from(order.price.units()) * leaves * i128::from(quote_factor),
        Side::Sell if asset == base => leaves * i128::from(base_factor),
        _ => 0,
    }
}
