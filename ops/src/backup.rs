//! Backups of a cluster: log and snapshots of every partition, in a directory or in a store that speaks S3.
//!
//! ```text
//! life-E/                       one for each life of the cluster, named by its epoch
//!   life.toml                   which partitions it has
//!   partition-P/
//!     log/FIRST-LAST-TIME.log             committed entries, `replicator::Shipped`
//!     snapshots/INDEX-POSITION-TIME.snapshot
//!     events/AFTER-UPTO.events            up to the newest snapshot: the log behind brings back the rest
//! ```
//!
//! Numbers are decimal and of one length, so names sort as what they name. Pieces of the log may overlap: two nodes may have
//! written at once, and what is committed is the same on both. Nothing is ever changed; whatever is there is whole.

pub mod library;
pub mod names;
pub mod place;
pub mod shipper;
