//! The cluster's log, as history reads it: every partition's events, from any position on.

use cluster_client::{Cluster, EventStream, StreamItem};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::time::Duration;
use wire::{LogPosition, PartitionId};

/// How long one question for the present end of a log may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// Logs that can be read again from any position: nodes keep every event.
pub trait Log: Send + Sync {
    /// Up to where the partition's log is committed; `None` when nobody can say now.
    fn committed(&self, partition: PartitionId) -> BoxFuture<'_, Option<LogPosition>>;

    /// The partition's events from a position on.
    fn follow(&self, partition: PartitionId, from: LogPosition) -> Box<dyn Follow>;
}

/// One reader of one partition's events.
pub trait Follow: Send {
    /// The next item; `None` when there will be none any more. Giving up the wait loses nothing.
    fn next(&mut self) -> BoxFuture<'_, Option<StreamItem>>;

    /// How many items have come and were not taken yet. There is a bound: beyond it, they stay with the nodes.
    fn waiting(&self) -> usize;
}

impl Log for Cluster {
    fn committed(&self, partition: PartitionId) -> BoxFuture<'_, Option<LogPosition>> {
        self.read_index(partition, LOOK_TIMEOUT).map(Result::ok).boxed()
    }

    fn follow(&self, partition: PartitionId, from: LogPosition) -> Box<dyn Follow> {
        Box::new(self.subscribe(partition, from))
    }
}

impl Follow for EventStream {
    fn next(&mut self) -> BoxFuture<'_, Option<StreamItem>> {
        EventStream::next(self).boxed()
    }

    fn waiting(&self) -> usize {
        self.queued()
    }
}
