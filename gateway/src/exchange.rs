//! The exchange as this gateway has seen it: every projection of the partitions' events, and how far each
//! partition has been read.
//!
//! Each partition's events are applied in log order by one task ([`crate::feed`]), so every projection has
//! one writer: accounts and reference data follow the ledger's partition, a market's data that of its
//! cell. Who waits for an order is also told by its market's, where that is another one. Readers take short read locks
//! or shared copies.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use cluster_client::StreamItem;
use tokio::sync::watch;
use wire::{AccountId, Event, LogPosition, PartitionId, Timestamp};

use crate::accounts::{self, Accounts};
use crate::config::Limits;
use crate::market_data::MarketData;
use crate::reference::Reference;

/// Every projection of one gateway.
pub struct Exchange {
    ledger: PartitionId,
    reference: RwLock<Arc<Reference>>,
    accounts: RwLock<Accounts>,
    market_data: Arc<MarketData>,
    progress: BTreeMap<PartitionId, Progress>,
    log_time: Mutex<Timestamp>,
}

/// How far a partition has been read: known after each command, told to who waits for a position once for many.
#[derive(Default)]
struct Progress {
    seen: AtomicU64,
    told: watch::Sender<LogPosition>,
}

impl Progress {
    fn see(&self, position: LogPosition) {
        self.seen.fetch_max(position.get(), Ordering::AcqRel);
    }

    fn seen(&self) -> LogPosition {
        LogPosition::new(self.seen.load(Ordering::Acquire))
    }

    fn tell(&self) {
        self.told.send_if_modified(|told| {
            let grows = self.seen() > *told;
            *told = self.seen().max(*told);
            grows
        });
    }
}

impl Exchange {
    /// Of a cluster with these partitions, before any event.
    pub fn new(
        ledger: PartitionId,
        partitions: &[PartitionId],
        limits: &Limits,
        envelope_key: [u8; 32],
        market_data: Arc<MarketData>,
    ) -> Exchange {
        Exchange {
            ledger,
            reference: RwLock::default(),
            accounts: RwLock::new(Accounts::new(ledger, limits, envelope_key)),
            market_data,
            progress: partitions.iter().map(|id| (*id, Progress::default())).collect(),
            log_time: Mutex::new(Timestamp::ZERO),
        }
    }

    /// The partition of the ledger cell.
    pub fn ledger(&self) -> PartitionId {
        self.ledger
    }

    /// Assets and markets as of now; a shared copy, cheap to take.
    pub fn reference(&self) -> Arc<Reference> {
        Arc::clone(&self.reference.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Books, trades, klines and tickers.
    pub fn market_data(&self) -> &Arc<MarketData> {
        &self.market_data
    }

    /// Balances, API keys, orders and fills. Hold it shortly and never across an await.
    pub fn accounts(&self) -> RwLockReadGuard<'_, Accounts> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the account's user events after the one of this number, for who is about to be told all of them: a part at a time,
    /// so that the ledger's events, which wait for whoever reads the accounts, do not wait for thousands.
    pub(crate) fn write_user_events(&self, account: AccountId, after: u64) {
        let mut written = Some(after);
        while let Some(upto) = written {
            written = self.accounts().write_user_events(account, upto);
        }
    }

    pub(crate) fn accounts_mut(&self) -> std::sync::RwLockWriteGuard<'_, Accounts> {
        self.accounts.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log time of the latest batch of any partition.
    pub fn log_time(&self) -> Timestamp {
        *self.log_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next items of a partition's stream in. Whoever waits for one of them is told once, after the last.
    pub fn take_in(&self, partition: PartitionId, items: &[StreamItem]) {
        let Some(progress) = self.progress.get(&partition) else { return };
        for item in items {
            match item {
                StreamItem::Events { position, timestamp, events, .. } => {
                    self.project(partition, *position, *timestamp, events);
                    progress.see(*position);
                }
                StreamItem::Progress { position } => progress.see(*position),
            }
        }
        progress.tell();
    }

    /// Takes the events of one command in; each partition's batches come in the order of their positions.
    pub fn apply(&self, partition: PartitionId, position: LogPosition, timestamp: Timestamp, events: &[Event]) {
        self.project(partition, position, timestamp, events);
        self.progress(partition, position);
    }

    fn project(&self, partition: PartitionId, position: LogPosition, timestamp: Timestamp, events: &[Event]) {
        if partition == self.ledger {
            self.apply_reference(events);
        }
        // Books and trades first: whoever is told that an order rests or traded finds it there.
        self.market_data.apply(partition, position, timestamp, events);
        if partition == self.ledger {
            let reference = self.reference();
            self.accounts_mut().apply(position, timestamp, events, &reference);
        } else if accounts::may_take(events) {
            self.accounts().hear_market(events);
        }
        {
            let mut log_time = self.log_time.lock().unwrap_or_else(PoisonError::into_inner);
            *log_time = timestamp.max(*log_time);
        }
    }

    /// Every event of the partition up to `position` has been applied.
    pub fn progress(&self, partition: PartitionId, position: LogPosition) {
        if let Some(progress) = self.progress.get(&partition) {
            progress.see(position);
            progress.tell();
        }
    }

    /// How far a partition has been read.
    pub fn seen(&self, partition: PartitionId) -> LogPosition {
        self.progress.get(&partition).map_or(LogPosition::ZERO, Progress::seen)
    }

    /// Waits, if need be for ever, until every event of the partition up to `position` has been applied. `false` of a
    /// partition that is not read.
    pub async fn reached(&self, partition: PartitionId, position: LogPosition) -> bool {
        let Some(progress) = self.progress.get(&partition) else { return false };
        let mut told = progress.told.subscribe();
        // Before it is told, and after it would have been missed.
        progress.seen() >= position || told.wait_for(|told| *told >= position).await.is_ok()
    }

    /// Waits, if need be for ever, until `is_so`, which is asked again whenever more of the partition has been read.
    pub(crate) async fn until(&self, partition: PartitionId, mut is_so: impl FnMut() -> bool) {
        let Some(progress) = self.progress.get(&partition) else { return };
        let mut told = progress.told.subscribe();
        // Before it is told, and after it would have been missed.
        while !is_so() && told.changed().await.is_ok() {}
    }

    /// How far every partition has been read.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (PartitionId, LogPosition)> {
        self.progress.iter().map(|(partition, progress)| (*partition, progress.seen()))
    }

    fn apply_reference(&self, events: &[Event]) {
        if !events.iter().any(Reference::concerns) {
            return;
        }
        let mut reference = Reference::clone(&self.reference());
        events.iter().for_each(|event| reference.apply(event));
        *self.reference.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(reference);
    }
}

#[cfg(test)]
mod tests;
