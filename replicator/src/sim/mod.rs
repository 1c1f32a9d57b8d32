//! A simulated cluster: the replica's own code, driven by a clock, a network and disks that a seed decides.
//!
//! The network loses, doubles, delays and reorders; nodes are cut off, in one direction or both; disks
//! write late, and a crash takes what was not written. The same seed gives the same trace.
//!
//! Its weather is also that of the simulated exchange which tests build over whole nodes; the rest is for this crate's own tests. No
//! feature turns it on: what tests ran must be, to the byte, the build that serves.

#[cfg(test)]
mod client;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod ledger;
mod network;
#[cfg(test)]
mod tally;

pub use crate::random::Random;
#[cfg(test)]
pub use client::Client;
#[cfg(test)]
pub use cluster::{Cluster, Faults};
#[cfg(test)]
pub use ledger::Ledger;
pub use network::{Cuts, Weather};
#[cfg(test)]
pub use tally::Tally;
