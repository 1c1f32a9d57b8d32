//! Nothing is executed twice: no request of a session, no order of a name.
//!
//! A name is free when the order that had it has ended for as long as names are remembered, by log time without what passed
//! between one leader's last command and the next one's first entry. That is reckoned here from what was committed. Where names
//! outlive the run, they are free by no time of the log alone: some leader's clock has jumped.

use std::collections::BTreeMap;

use wire::{AccountId, ClientOrderId, Event, LogPosition, NAME_RETENTION_NS, OrderId, Origin, PartitionId, Timestamp};

use super::Verdict;
use crate::sim::history::Record;
use crate::sim::machine::LEDGER;

/// Who has a name.
#[derive(Debug, Clone, Copy)]
struct Named {
    order: OrderId,
    /// How far leaders' clocks had jumped when it got it.
    jumped_ns: u64,
    /// How late it was when the order ended, or got another name.
    ended_ns: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Once {
    /// Where each request was executed, as replicas publish it.
    executed: BTreeMap<(PartitionId, Origin), LogPosition>,
    named: BTreeMap<(AccountId, ClientOrderId), Named>,
    names: BTreeMap<OrderId, (AccountId, ClientOrderId)>,
    jumped_ns: u64,
    retention_ns: u64,
    /// Of the ledger's last entry.
    term: u64,
    /// When its last command was sequenced.
    last: Timestamp,
    /// What of log time does not count.
    skipped_ns: u64,
}

/// Runs are shorter than the rest of the time for which a name stays taken.
const JUMPS_MAX_NS: u64 = NAME_RETENTION_NS / 3;

impl Once {
    /// Where names are remembered for so long.
    pub fn new(retention_ns: u64) -> Once {
        Once {
            executed: BTreeMap::new(),
            named: BTreeMap::new(),
            names: BTreeMap::new(),
            jumped_ns: 0,
            retention_ns,
            term: 0,
            last: Timestamp::ZERO,
            skipped_ns: 0,
        }
    }

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
        if partition == LEDGER {
            self.pass_time(record);
        }
        let now = record.timestamp.nanos().saturating_sub(self.skipped_ns);
        for event in &record.events {
            match event {
                Event::OrderPending(pending) => {
                    self.give((pending.account, pending.client_order_id), pending.order, now)?;
                }
                Event::OrderAmended(amended) => {
                    let name = (amended.account, amended.client_order_id);
                    if self.names.get(&amended.order).is_some_and(|former| *former != name) {
                        self.end(amended.order, now);
                        self.give(name, amended.order, now)?;
                    }
                }
                Event::OrderExecuted(executed) if executed.leaves.is_zero() => self.end(executed.order, now),
                Event::OrderCanceled(canceled) => self.end(canceled.order, now),
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

    fn pass_time(&mut self, record: &Record) {
        if record.term != self.term {
            self.term = record.term;
            self.skipped_ns += record.timestamp.nanos().saturating_sub(self.last.nanos());
            self.last = record.timestamp;
        }
        if record.command.is_some() {
            self.last = record.timestamp;
        }
    }

    fn give(&mut self, name: (AccountId, ClientOrderId), order: OrderId, now: u64) -> Verdict {
        let before = self.named.insert(name, Named { order, jumped_ns: self.jumped_ns, ended_ns: None });
        self.names.insert(order, name);
        match before.filter(|before| !self.is_free(before, now)) {
            Some(Named { order: first, .. }) => {
                Err(format!("account {} got order {first} and order {order} by one name, {}", name.0, name.1))
            }
            None => Ok(()),
        }
    }

    fn is_free(&self, before: &Named, now: u64) -> bool {
        let is_old = before.ended_ns.is_some_and(|ended_ns| now.saturating_sub(ended_ns) >= self.retention_ns);
        let outlives_runs = self.retention_ns == NAME_RETENTION_NS;
        is_old && (!outlives_runs || self.jumped_ns - before.jumped_ns > JUMPS_MAX_NS)
    }

    fn end(&mut self, order: OrderId, now: u64) {
        let name = self.names.get(&order).and_then(|name| self.named.get_mut(name));
        if let Some(named) = name.filter(|named| named.order == order) {
            named.ended_ns = Some(now);
        }
    }
}

#[cfg(test)]
mod tests;
