//! What the gateway asks of the cluster besides events: to sequence a command of the ledger's partition, and
//! how far a partition must have been read to see all that is committed now.
//!
//! A trait, so that order entry is tested without a cluster.

use std::time::Duration;

use cluster_client::{ClusterError, Replied};
use futures_util::future::BoxFuture;
use wire::{LogPosition, PartitionId};

/// The ledger's partition, as order entry and private reads see it.
pub trait Ledger: Send + Sync + 'static {
    /// Waits, if need be for ever, until there is a session in which commands are sequenced.
    fn opened(&self) -> BoxFuture<'_, ()>;

    /// Has an encoded command sequenced, exactly once, whatever leader dies meanwhile.
    fn request(&self, command: Vec<u8>, timeout: Duration) -> BoxFuture<'_, Result<Replied, ClusterError>>;

    /// A position at or after every command of a partition, the ledger's or another one, that was committed when the call was
    /// made.
    fn read_index(&self, partition: PartitionId, timeout: Duration)
    -> BoxFuture<'_, Result<LogPosition, ClusterError>>;
}
