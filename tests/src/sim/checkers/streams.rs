//! Every consumer sees every event once, in the order of the log, without gaps, over any failover; and no replica
//! publishes anything else.

use std::collections::BTreeMap;

use cluster_client::StreamItem;
use node::EventBlock;
use wire::codec::v1;
use wire::{LogPosition, NodeId, PartitionId};

use super::Verdict;
use crate::sim::history::History;

/// See the module.
#[derive(Debug, Default)]
pub struct Streams {
    /// Up to where each consumer has seen everything.
    seen: BTreeMap<(usize, PartitionId), LogPosition>,
    items: u64,
}

impl Streams {
    /// A replica publishes events.
    pub fn on_published(&self, node: NodeId, history: &History, block: &EventBlock) -> Verdict {
        let mut after = block.after();
        for batch in block.batches() {
            let what = || format!("node {node} publishes events of position {}", batch.position);
            self.nothing_between(after, batch.position, history).map_err(|error| format!("{}: {error}", what()))?;
            let Some(record) = history.record(batch.position) else {
                return Err(format!("{}, which nobody has committed", what()));
            };
            let story = (record.timestamp, record.origin, record.event_bytes.as_slice());
            if story != (batch.timestamp, batch.origin, batch.events) {
                let said = v1::decode_events(batch.events);
                return Err(format!("{} that are not those of the log: {said:?}, not {:?}", what(), record.events));
            }
            after = batch.position;
        }
        self.nothing_between(after, block.upto().next(), history)
            .map_err(|error| format!("node {node} publishes up to position {}: {error}", block.upto()))
    }

    /// A consumer is given an item.
    pub fn on_item(
        &mut self,
        consumer: usize,
        partition: PartitionId,
        item: &StreamItem,
        history: &History,
    ) -> Verdict {
        self.items += 1;
        let seen = self.seen.get(&(consumer, partition)).copied().unwrap_or(LogPosition::ZERO);
        let what = || format!("consumer {consumer} of partition {partition}, which has seen {seen}, is given");
        let position = match item {
            StreamItem::Events { position, timestamp, origin, events } => {
                let record = history.record(*position).filter(|_| *position > seen);
                let record = record.ok_or_else(|| format!("{} {position}", what()))?;
                if (&record.timestamp, &record.origin, &record.events) != (timestamp, origin, events) {
                    return Err(format!("{} other events than the log's at {position}", what()));
                }
                self.nothing_between(seen, *position, history).map_err(|e| format!("{} {position}: {e}", what()))?;
                *position
            }
            StreamItem::Progress { position } => {
                if *position < seen || *position > history.last_position() {
                    return Err(format!("{} progress to {position}", what()));
                }
                let upto = position.next();
                self.nothing_between(seen, upto, history).map_err(|e| format!("{} progress: {e}", what()))?;
                *position
            }
        };
        self.seen.insert((consumer, partition), position);
        Ok(())
    }

    /// A consumer begins anew.
    pub fn forget(&mut self, consumer: usize, partition: PartitionId) {
        self.seen.remove(&(consumer, partition));
    }

    /// How far a consumer has seen everything.
    pub fn seen(&self, consumer: usize, partition: PartitionId) -> LogPosition {
        self.seen.get(&(consumer, partition)).copied().unwrap_or(LogPosition::ZERO)
    }

    /// No position after `after` and before `before` has events.
    fn nothing_between(&self, after: LogPosition, before: LogPosition, history: &History) -> Verdict {
        let (from, to) = (after.get() as usize, before.get().saturating_sub(1) as usize);
        let skipped = history.records().get(from..to).unwrap_or_default();
        match skipped.iter().find(|record| !record.events.is_empty()) {
            Some(record) => Err(format!("the events of position {} are missing", record.position)),
            None => Ok(()),
        }
    }
}
