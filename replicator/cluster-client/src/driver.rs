//! Drives the protocol over tokio.

use std::time::Duration;

use wire::{LogPosition, NodeId, PartitionId};

use crate::{ClusterConfig, ClusterError, ConfigError, Replied, StreamItem};

/// A connection to a cluster: cheap to clone, reconnects by itself for ever, ends when the last clone,
/// session and stream is dropped.
#[derive(Clone)]
pub struct Cluster;

/// A logical session with one partition: its requests are sequenced in the order they were made. Kept
/// alive, and reopened when it expired.
#[derive(Clone)]
pub struct Session;

/// The events of one partition. Dropping it unsubscribes.
pub struct EventStream;

impl Cluster {
    /// Starts to connect. Needs a tokio runtime. An error only says that the configuration is unusable; nodes that cannot be
    /// reached are tried again for ever.
    pub fn connect(config: ClusterConfig) -> Result<Cluster, ConfigError> {
        let _ = config;
        unimplemented!()
    }

    /// Opens a session; waits until the partition has a leader that opened it.
    pub async fn session(&self, partition: PartitionId) -> Session {
        let _ = partition;
        unimplemented!()
    }

    /// Follows the events of a partition from `from` on; 1 for everything.
    pub fn subscribe(&self, partition: PartitionId, from: LogPosition) -> EventStream {
        let _ = (partition, from);
        unimplemented!()
    }

    /// The position up to which events must have been seen to read what is committed now.
    pub async fn read_index(&self, partition: PartitionId, timeout: Duration) -> Result<LogPosition, ClusterError> {
        let _ = (partition, timeout);
        unimplemented!()
    }

    /// Who leads the partition, as far as is known.
    pub fn leader(&self, partition: PartitionId) -> Option<NodeId> {
        let _ = partition;
        unimplemented!()
    }
}

impl Session {
    /// Has an encoded [`wire::Command`] sequenced and waits for its reply. Requests are sent in the order of the
    /// calls, without waiting for each other; one whose future is dropped still executes.
    pub async fn request(&self, payload: Vec<u8>, timeout: Duration) -> Result<Replied, ClusterError> {
        let _ = (payload, timeout);
        unimplemented!()
    }
}

impl EventStream {
    /// The next item; waits for ever if nothing happens. `None` only when the runtime shuts down.
    pub async fn next(&mut self) -> Option<StreamItem> {
        unimplemented!()
    }
}
