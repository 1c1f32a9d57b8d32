//! One process of the cluster: replicas of every partition, composed of `engine` and `replicator`, with their
//! threads, their events on disk, and their numbers.
//!
//! Threads, each one duty cycle, joined by bounded rings ([`rings`](self) says who may wait for whom):
//!
//! - the network thread (`router`): links of peers, gateways and operators;
//! - a thread for each partition or for a group of them (`group`), or the network thread itself (`shared`): their `driver`s,
//!   each with its [`PartitionHost`];
//! - the log thread of `replicator`: appends and syncs;
//! - the archive thread (`archivist`): events to disk and back.
//!
//! Follow a request: `router` → `rings` → `driver` → `host` → the replica → `machine` → the cells; its reply goes
//! back the same way, its events to `archivist`, `recent` and `subscriptions`, its mail through `mail`.

#![forbid(unsafe_code)]

#[cfg(feature = "aeron")]
mod aeron;
mod announcements;
mod archive;
mod archivist;
mod block;
mod clock;
mod config;
mod data_dir;
mod driver;
mod fan_out;
mod freshness;
mod gap_filler;
mod group;
mod host;
mod leadership;
mod machine;
mod mail;
mod membership;
mod memory;
mod metrics;
mod node;
mod permissions;
mod recent;
pub mod recovery;
mod rings;
mod router;
mod shared;
mod space;
mod stalls;
mod status;
mod subscriptions;

pub use announcements::Announcements;
pub use archive::{ArchiveError, Gap, Missing};
pub use block::{EventBatch, EventBlock, kept};
pub use config::{
    AeronIdle, AeronPlan, HAS_AERON, NodeConfig, PartitionPlacement, PeerConfig, Threads, TlsPem, Tuning,
};
pub use data_dir::{DataDir, DataDirError, owner};
pub use engine::VERSIONS;
pub use gap_filler::{GapFiller, NodeLinks};
pub use host::{HostConfig, HostCounters, HostInput, HostOutput, PartitionHost};
pub use machine::{EventSink, Machine};
pub use mail::{MailCounters, MailOut, MailTiming};
pub use node::{Node, NodeHandle, StartError};
pub use recent::Recent;
pub use replicator::Durability;
pub use status::{
    AssetBooks, AuditAt, DigestAt, LackingStatus, NodeStatus, PartitionStatus, StandbyStatus, TableStatus,
};
