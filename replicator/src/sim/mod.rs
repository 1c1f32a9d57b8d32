//! A simulated cluster: the replica's own code, driven by a clock, a network and disks that a seed decides.
//!
//! The network loses, doubles, delays and reorders; nodes are cut off, in one direction or both; disks
//! write late, and a crash takes what was not written. The same seed gives the same trace.

mod client;
mod cluster;
mod ledger;
mod network;
mod tally;

pub use crate::random::Random;
pub use client::Client;
pub use cluster::{Cluster, Faults};
pub use ledger::Ledger;
pub use network::{Cuts, Weather};
pub use tally::Tally;
