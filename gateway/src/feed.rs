//! The feed: every partition's events, from the first on, into the projections, and the way back into the
//! ledger's log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cluster_client::{Cluster, ClusterError, EventStream, Replied, Session, StreamItem};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use wire::{LogPosition, PartitionId};

use crate::cluster::Ledger;
use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::read_only::Recency;

/// How long one look for the cluster's present may take before it is tried again.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// Items of a stream that are taken in before readers who wait are told how far it has been read.
const TAKEN_MAX: usize = 64;

/// The ledger's partition of a real cluster.
pub(crate) struct ClusterLedger {
    cluster: Cluster,
    partition: PartitionId,
    session: OnceCell<Session>,
}

impl ClusterLedger {
    pub(crate) fn new(cluster: Cluster, partition: PartitionId) -> ClusterLedger {
        ClusterLedger { cluster, partition, session: OnceCell::new() }
    }

    async fn session(&self) -> &Session {
        self.session.get_or_init(|| self.cluster.session(self.partition)).await
    }
}

impl Ledger for ClusterLedger {
    fn opened(&self) -> BoxFuture<'_, ()> {
        self.session().map(drop).boxed()
    }

    fn request(&self, command: Vec<u8>, timeout: Duration) -> BoxFuture<'_, Result<Replied, ClusterError>> {
        async move {
            let session = match self.session.get() {
                Some(session) => session,
                None => tokio::time::timeout(timeout, self.session()).await.map_err(|_| ClusterError::Unavailable)?,
            };
            session.request(command, timeout).await
        }
        .boxed()
    }

    fn read_index(
        &self,
        partition: PartitionId,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<LogPosition, ClusterError>> {
        self.cluster.read_index(partition, timeout).boxed()
    }
}

/// Follows every partition for ever. Ends only when the cluster client has been shut down, or when a log's
/// events contradict each other: then the projections are worth nothing and the gateway must end.
pub(crate) async fn follow(
    cluster: Cluster,
    exchange: Arc<Exchange>,
    partitions: Vec<PartitionId>,
    recency: Option<Arc<Recency>>,
) {
    let mut feeds = JoinSet::new();
    for partition in partitions {
        feeds.spawn(follow_partition(cluster.clone(), Arc::clone(&exchange), partition, recency.clone()));
    }
    if let Some(Err(error)) = feeds.join_next().await {
        tracing::error!(%error, "a partition's events could not be applied: this gateway cannot go on");
    }
}

async fn follow_partition(
    cluster: Cluster,
    exchange: Arc<Exchange>,
    partition: PartitionId,
    recency: Option<Arc<Recency>>,
) {
    let stream = cluster.subscribe(partition, LogPosition::new(1));
    let heard = |items: &[StreamItem]| {
        if let Some(recency) = &recency {
            items.iter().for_each(|item| recency.heard(partition, item));
        }
    };
    take_in(stream, &exchange, partition, heard).await;
}

/// A partition's items, in order, as they come.
pub trait Items: Send {
    /// The next ones, appended: all that have come, but at most `max`. Waits for the first; returns how many they are, none
    /// when there will be none any more.
    fn next_many(&mut self, into: &mut Vec<StreamItem>, max: usize) -> impl Future<Output = usize> + Send;
}

impl Items for EventStream {
    fn next_many(&mut self, into: &mut Vec<StreamItem>, max: usize) -> impl Future<Output = usize> + Send {
        EventStream::next_many(self, into, max)
    }
}

/// Takes a partition's items into the projections until there are none any more: those that have come meanwhile at once.
/// `heard` is shown them then.
pub async fn take_in(
    mut stream: impl Items,
    exchange: &Exchange,
    partition: PartitionId,
    heard: impl Fn(&[StreamItem]) + Send,
) {
    let mut items = Vec::with_capacity(TAKEN_MAX);
    while stream.next_many(&mut items, TAKEN_MAX).await > 0 {
        exchange.take_in(partition, &items);
        heard(&items);
        let has_more = items.len() == TAKEN_MAX;
        items.clear();
        if has_more {
            // The channel counts a batch as one thing: who has much to catch up lets others of its thread go first.
            tokio::task::yield_now().await;
        }
    }
}

/// How often the partitions are asked for their leaders, and for how long one may have none.
const WATCH_PERIOD: Duration = Duration::from_secs(1);
const LEADERLESS_MAX: Duration = Duration::from_secs(3);

/// Watches whether every partition has a leader that a majority follows, for `/readyz`: a gateway that cannot take
/// orders should not be sent clients, but neither should it be put aside for every failover.
pub(crate) async fn watch_leaders(cluster: Cluster, gateway: Arc<Gateway>, partitions: Vec<PartitionId>) {
    let mut watches = JoinSet::new();
    let led: Arc<Vec<_>> = Arc::new(partitions.iter().map(|_| AtomicBool::new(true)).collect());
    for (index, partition) in partitions.into_iter().enumerate() {
        let (cluster, gateway, led) = (cluster.clone(), Arc::clone(&gateway), Arc::clone(&led));
        watches.spawn(async move {
            let mut seen = Instant::now();
            loop {
                let is_led = match cluster.read_index(partition, LOOK_TIMEOUT).await {
                    Ok(_) => {
                        seen = Instant::now();
                        true
                    }
                    Err(_) => seen.elapsed() < LEADERLESS_MAX,
                };
                if led[index].swap(is_led, Ordering::AcqRel) != is_led {
                    tracing::info!(%partition, is_led, "whether the partition has a leader with a majority");
                }
                gateway.is_reachable.store(led.iter().all(|led| led.load(Ordering::Acquire)), Ordering::Release);
                tokio::time::sleep(WATCH_PERIOD).await;
            }
        });
    }
    watches.join_next().await;
}

/// Reads each partition up to what is committed now, then opens the gateway: readers see a present, and
/// subscribers are not told the past.
pub async fn become_ready(gateway: Arc<Gateway>, partitions: Vec<PartitionId>) {
    gateway.ledger.opened().await;
    for partition in partitions {
        let position = loop {
            match gateway.ledger.read_index(partition, LOOK_TIMEOUT).await {
                Ok(position) => break position,
                Err(error) => tracing::debug!(%partition, %error, "the partition has no leader to ask yet"),
            }
            let surroundings = &gateway.surroundings;
            surroundings.sleep_until(surroundings.now() + Duration::from_millis(50)).await;
        };
        while !gateway.wait_for(partition, position, LOOK_TIMEOUT).await {
            let seen = gateway.exchange.seen(partition);
            tracing::info!(%partition, %seen, %position, "reading the partition's past");
        }
    }
    gateway.exchange.market_data().go_live();
    gateway.is_ready.store(true, Ordering::Release);
    tracing::info!("the gateway is ready");
}

#[cfg(test)]
mod tests;
