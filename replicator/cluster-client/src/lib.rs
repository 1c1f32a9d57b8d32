//! The way into the cluster for gateways, operators and tools: find a partition's leader, offer
//! commands, resend them after a failover, follow events.
//!
//! The protocol is a value without I/O: [`client::Client`] for sessions and reads,
//! [`subscription::Subscription`] for one stream of events. [`Cluster`] drives both over tokio and mutually
//! authenticated TLS. What travels is drawn in [`wire::link`].
//!
//! Exactly once: a request keeps its (session, sequence) for ever. It is resent in order until it is
//! replied to, and the cluster answers a request that it has sequenced before from its cached replies.

#![forbid(unsafe_code)]

#[cfg(feature = "aeron")]
pub mod aeron;
pub mod by_id;
pub mod client;
mod config;
mod driver;
pub mod envelope;
mod error;
pub mod subscription;

pub use config::{ClusterConfig, Patience};
pub use driver::{CastBytes, Cluster, Ear, EventStream, Line, LineReply, Session, is_answering};
pub use error::{ClusterError, ConfigError};
pub use subscription::CastCounters;

use wire::command::Reply;
use wire::{Event, LogPosition, Origin, Timestamp};

/// What became of a request that the cluster sequenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replied {
    /// The command's place in its partition's log.
    pub position: LogPosition,
    /// The cell's direct answer.
    pub reply: Reply,
}

/// What an [`EventStream`] yields, in order of position, each position once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamItem {
    /// The events of one command. Positions without events are left out.
    Events {
        /// The command's place in the log.
        position: LogPosition,
        /// When it was sequenced.
        timestamp: Timestamp,
        /// Which session's which request it was.
        origin: Origin,
        /// At least one.
        events: Vec<Event>,
    },
    /// Every event up to this position has been yielded.
    Progress {
        /// Never less than any position before.
        position: LogPosition,
    },
}
