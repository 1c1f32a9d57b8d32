//! What is counted about history in a database.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::PartitionLabels;
use crate::exchange::Exchange;
use crate::history::Census;

/// Per partition. Empty without a database.
pub(super) struct HistoryMetrics {
    up: Family<PartitionLabels, Gauge<u64, AtomicU64>>,
    writer: Family<PartitionLabels, Gauge<u64, AtomicU64>>,
    refused: Family<PartitionLabels, Gauge<u64, AtomicU64>>,
    positions: Family<PartitionLabels, Gauge<u64, AtomicU64>>,
    lag: Family<PartitionLabels, Gauge<u64, AtomicU64>>,
    lag_seconds: Family<PartitionLabels, Gauge<i64, AtomicI64>>,
    queued: Family<PartitionLabels, Gauge<u64, AtomicU64>>,
    rows: Family<PartitionLabels, Counter>,
    failures: Family<PartitionLabels, Counter>,
    refusals: Family<PartitionLabels, Counter>,
}

impl HistoryMetrics {
    pub(super) fn new(registry: &mut Registry) -> HistoryMetrics {
        let made = HistoryMetrics {
            up: Family::default(),
            writer: Family::default(),
            refused: Family::default(),
            positions: Family::default(),
            lag: Family::default(),
            lag_seconds: Family::default(),
            queued: Family::default(),
            rows: Family::default(),
            failures: Family::default(),
            refusals: Family::default(),
        };
        registry.register("history_up", "1 while history's database answers", made.up.clone());
        registry.register("history_writer", "1 while this gateway writes the partition", made.writer.clone());
        registry.register("history_refused", "1 while the database is that of another log", made.refused.clone());
        registry.register("history_position", "The log position that is in the database", made.positions.clone());
        registry.register("history_lag_positions", "Positions read and not in the database", made.lag.clone());
        registry.register("history_lag_seconds", "Log time that is not in the database", made.lag_seconds.clone());
        registry.register("history_queue_length", "Commands that wait for the writer", made.queued.clone());
        registry.register("history_rows", "Rows written by this gateway", made.rows.clone());
        registry.register("history_failures", "Times that the database failed the writer", made.failures.clone());
        registry.register("history_refusals", "Times that the database was refused", made.refusals.clone());
        made
    }

    pub(super) fn update(&self, census: impl Iterator<Item = Census>, exchange: &Exchange) {
        let now_ns = exchange.log_time().nanos();
        for partition in census {
            let labels = PartitionLabels { partition: partition.partition.get() };
            let lag = exchange.seen(partition.partition).get().saturating_sub(partition.position);
            let behind_s = if lag == 0 { 0 } else { now_ns.saturating_sub(partition.log_time_ns) / 1_000_000_000 };
            self.up.get_or_create(&labels).set(partition.is_up.into());
            self.writer.get_or_create(&labels).set(partition.is_writer.into());
            self.refused.get_or_create(&labels).set(partition.is_refused.into());
            self.positions.get_or_create(&labels).set(partition.position);
            self.lag.get_or_create(&labels).set(lag);
            // Before the first write is known there is no time to measure from.
            if lag == 0 || partition.log_time_ns > 0 {
                self.lag_seconds.get_or_create(&labels).set(i64::try_from(behind_s).unwrap_or(i64::MAX));
            } else {
                self.lag_seconds.remove(&labels);
            }
            self.queued.get_or_create(&labels).set(partition.waiting);
            let counters = [
                (&self.rows, partition.rows),
                (&self.failures, partition.failures),
                (&self.refusals, partition.refusals),
            ];
            for (family, count) in counters {
                family.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::Event;

    use super::*;
    use crate::testing::{ALICE, BTC, LEDGER, START_NS, balance, gateway};

    #[test]
    fn a_lag_in_seconds_is_told_once_a_write_is_known() {
        let (gateway, ledger) = gateway();
        let events: [Event; 1] = [balance(ALICE, BTC, 5, 0)];
        let position = ledger.feed_at(START_NS + 7_000_000_000, &events).get();
        let mut registry = Registry::default();
        let metrics = HistoryMetrics::new(&mut registry);
        for (position, log_time_ns, told) in [
            (0, 0, None),
            (position - 1, START_NS, Some("7")),
            (position, START_NS + 7_000_000_000, Some("0")),
            (0, 0, None),
        ] {
            let census = Census {
                partition: LEDGER,
                is_up: log_time_ns > 0,
                is_writer: false,
                is_refused: false,
                position,
                log_time_ns,
                waiting: 0,
                rows: 0,
                failures: 0,
                refusals: 0,
            };
            metrics.update([census].into_iter(), &gateway.exchange);
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            let line = text.lines().find(|line| line.starts_with("history_lag_seconds{"));
            assert_eq!(line.and_then(|line| line.rsplit(' ').next()), told, "{text}");
        }
    }
}
