//! A gateway that reads from learners: public market data and nothing else.
//!
//! A learner does not know what is committed now, so nobody here can be told that what he reads is the present. Orders and
//! everything private are refused (`-1020`); market data are what the learner has, as they are there. How old that is says
//! the learner's node: `mainstay_node_learner_lag_seconds`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cluster_client::{Cluster, StreamItem};
use wire::{PartitionId, Timestamp};

use crate::gateway::Gateway;

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A partition that says nothing for so long has been read to its end.
const QUIET: Duration = Duration::from_secs(1);
/// Or one whose events are as young as this.
const RECENT_NS: u64 = 2_000_000_000;

/// When each partition's events were last heard, and of when the last of them is.
#[derive(Debug)]
pub(crate) struct Recency(Mutex<BTreeMap<PartitionId, (Instant, Timestamp)>>);

impl Recency {
    pub(crate) fn of(partitions: &[PartitionId]) -> Recency {
        let now = Instant::now();
        Recency(Mutex::new(partitions.iter().map(|partition| (*partition, (now, Timestamp::ZERO))).collect()))
    }

    pub(crate) fn heard(&self, partition: PartitionId, item: &StreamItem) {
        let mut partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((heard, newest)) = partitions.get_mut(&partition) else { return };
        *heard = Instant::now();
        if let StreamItem::Events { timestamp, .. } = item {
            *newest = *timestamp;
        }
    }

    /// Whether all of them have been read to their ends, as far as can be told by someone to whom nobody says where that is.
    fn is_present(&self, now: Instant, clock: Timestamp) -> bool {
        let partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.values().all(|(heard, newest)| {
            now.saturating_duration_since(*heard) >= QUIET || newest.plus_nanos(RECENT_NS) >= clock
        })
    }

    /// What was not heard while there was no connection was no silence.
    fn begin_anew(&self) {
        let mut partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.values_mut().for_each(|(heard, _)| *heard = Instant::now());
    }
}

/// Opens the gateway when the past has been read.
pub(crate) async fn become_ready(cluster: Cluster, recency: Arc<Recency>, gateway: Arc<Gateway>) {
    loop {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock = Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
        if !cluster.is_connected() {
            recency.begin_anew();
        } else if recency.is_present(Instant::now(), clock) {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    gateway.exchange.market_data().go_live();
    gateway.is_ready.store(true, Ordering::Release);
    tracing::info!("the gateway is ready; it is read-only");
}

/// Watches whether a node to read from is connected, for `/readyz`.
pub(crate) async fn watch_source(cluster: Cluster, gateway: Arc<Gateway>) {
    loop {
        let is_connected = cluster.is_connected();
        if gateway.is_reachable.swap(is_connected, Ordering::AcqRel) != is_connected {
            tracing::info!(is_connected, "whether a node to read from is connected");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use wire::{LogPosition, Origin};

    use super::*;

    const PARTITION: PartitionId = PartitionId::new(1);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn the_past_has_been_read_when_events_are_young_or_have_ceased() {
        let recency = Recency::of(&[PARTITION, PartitionId::new(2)]);
        let begun = Instant::now();
        assert!(!recency.is_present(begun, at(100)), "nothing is known yet");
        assert!(recency.is_present(begun + QUIET * 2, at(100)), "there is nothing");
        let position = LogPosition::new(1);
        let item =
            |seconds| StreamItem::Events { position, timestamp: at(seconds), origin: Origin::INTERNAL, events: vec![] };
        for partition in [PARTITION, PartitionId::new(2)] {
            recency.heard(partition, &item(90));
        }
        let heard = Instant::now();
        assert!(!recency.is_present(heard, at(100)), "events of ten seconds ago are the past");
        assert!(recency.is_present(heard, at(91)));
        recency.heard(PARTITION, &item(99));
        assert!(!recency.is_present(heard, at(100)), "the other partition is still read");
    }
}
