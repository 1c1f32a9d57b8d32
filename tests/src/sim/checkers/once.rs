//! Nothing is executed twice: no request of a session, no order of a name.

use std::collections::BTreeMap;

use wire::{AccountId, ClientOrderId, Event, LogPosition, OrderId, Origin, PartitionId};

use super::Verdict;
use crate::sim::history::Record;

/// See the module.
#[derive(Debug, Default)]
pub struct Once {
    /// Where each request was executed, as replicas publish it.
    executed: BTreeMap<(PartitionId, Origin), LogPosition>,
    /// Which order has each name, and how far leaders' clocks had jumped when it got it.
    named: BTreeMap<(AccountId, ClientOrderId), (OrderId, u64)>,
    names: BTreeMap<OrderId, (AccountId, ClientOrderId)>,
    jumped_ns: u64,
}

/// Runs are shorter than the rest of the time for which a name stays taken.
const JUMPS_MAX_NS: u64 = wire::NAME_RETENTION_NS / 3;

impl Once {
    /// The clock of whoever leads the ledger's partition jumps: the log cannot tell that from time that passes, and names are
    /// free the earlier.
    pub fn on_jump(&mut self, by_ns: u64) {
        self.jumped_ns += by_ns;
    }

    /// A replica publishes what a request did.
    pub fn on_published(&mut self, partition: PartitionId, origin: Origin, position: LogPosition) -> Verdict {
        if origin == Origin::INTERNAL {
            return Ok(());
        }
        let first = *self.executed.entry((partition, origin)).or_insert(position);
        if first == position {
            return Ok(());
        }
        Err(format!("partition {partition}: {origin:?} was executed at {first} and again at {position}"))
    }

    /// A command is committed.
    pub fn on_commit(&mut self, partition: PartitionId, record: &Record) -> Verdict {
        self.on_published(partition, record.origin, record.position)?;
        for event in &record.events {
            match event {
                Event::OrderPending(pending) => {
                    let name = (pending.account, pending.client_order_id);
                    let before = self.named.insert(name, (pending.order, self.jumped_ns));
                    let is_free = |jumped_ns: u64| self.jumped_ns - jumped_ns > JUMPS_MAX_NS;
                    if let Some((first, _)) = before.filter(|(_, jumped_ns)| !is_free(*jumped_ns)) {
                        return Err(format!(
                            "account {} got order {first} and order {} by one name, {}",
                            pending.account, pending.order, pending.client_order_id
                        ));
                    }
                    self.names.insert(pending.order, name);
                }
                // What the market refuses was never an order; its name is free again.
                Event::OrderRejected(rejected) => {
                    if let Some(name) = self.names.remove(&rejected.order) {
                        self.named.remove(&name);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
