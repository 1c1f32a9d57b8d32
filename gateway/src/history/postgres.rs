//! History in PostgreSQL: every order, fill, list, trade, kline, deposit and withdrawal since the exchange's first event.
//!
//! [`writer`] follows each partition's events on a stream of its own, beside the one that the projections in memory are
//! made from: a slow or missing database holds up nothing but history. [`fold`] turns events into [`rows`]; [`lane`] is what
//! writer, readers and metrics share of one partition. Readers ([`reads`]) answer from the tables alone, and only once
//! everything that was committed when they were asked is in them.

mod capital;
mod config;
mod fold;
mod lane;
mod meaning;
mod reads;
mod rows;
mod schema;
#[cfg(test)]
pub(super) mod testing;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deadpool_postgres::{Pool, Runtime};
use tokio::sync::Semaphore;
use wire::{ClusterEpoch, PartitionId};

pub use config::{HistoryConfig, HistoryConfigError};

use super::log::Log;
use lane::{Lane, State};

/// Connections for readers.
const CONNECTIONS_MAX: usize = 8;
/// Readers that may wait at once. Further ones are refused: they must not take the places of those who trade.
const READERS_MAX: usize = 512;

/// A database with history, and how far it is.
pub struct Postgres {
    config: Arc<HistoryConfig>,
    pool: Pool,
    epoch: ClusterEpoch,
    ledger: PartitionId,
    lanes: BTreeMap<PartitionId, Lane>,
    readers: Semaphore,
    read_timeout: Duration,
}

/// One partition's way into the database, for the metrics.
pub(crate) struct Census {
    pub(crate) partition: PartitionId,
    /// Up to where it is written.
    pub(crate) position: u64,
    /// The log time of that, in nanoseconds.
    pub(crate) log_time_ns: u64,
    pub(crate) is_up: bool,
    pub(crate) is_writer: bool,
    pub(crate) is_refused: bool,
    pub(crate) waiting: u64,
    pub(crate) failures: u64,
    pub(crate) refusals: u64,
    pub(crate) rows: u64,
}

impl Postgres {
    /// Of a cluster in this life, with these partitions. Nothing is asked of the database yet.
    pub fn new(
        config: HistoryConfig,
        epoch: ClusterEpoch,
        ledger: PartitionId,
        partitions: &[PartitionId],
        read_timeout: Duration,
    ) -> Postgres {
        let pool = Pool::builder(config.manager(read_timeout))
            .max_size(CONNECTIONS_MAX)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(read_timeout))
            .create_timeout(Some(2 * config::CONNECT_TIMEOUT))
            .recycle_timeout(Some(config::CONNECT_TIMEOUT))
            .build()
            .expect("a runtime is named");
        Postgres {
            config: Arc::new(config),
            pool,
            epoch,
            ledger,
            lanes: partitions.iter().map(|partition| (*partition, Lane::new(*partition))).collect(),
            readers: Semaphore::new(READERS_MAX),
            read_timeout,
        }
    }

    /// Writes a partition's history from its log, for ever, whenever no other gateway does.
    pub async fn write(self: Arc<Self>, log: Arc<dyn Log>, partition: PartitionId) {
        writer::run(&self, &*log, partition).await;
    }

    fn lane(&self, partition: PartitionId) -> &Lane {
        self.lanes.get(&partition).expect("partitions are those of the configuration")
    }

    /// How each partition is doing.
    pub(crate) fn census(&self) -> impl Iterator<Item = Census> {
        self.lanes.values().map(|lane| {
            let (state, written) = (lane.state(), lane.written());
            Census {
                partition: lane.partition,
                position: written.position.get(),
                log_time_ns: written.log_time.nanos(),
                is_up: matches!(state, State::Standby | State::Writing),
                is_writer: state == State::Writing,
                is_refused: state == State::Refused,
                waiting: lane.waiting.load(Ordering::Relaxed),
                failures: lane.failures.load(Ordering::Relaxed),
                refusals: lane.refusals.load(Ordering::Relaxed),
                rows: lane.rows.load(Ordering::Relaxed),
            }
        })
    }
}
