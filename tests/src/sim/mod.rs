//! The exchange in a simulated world: production's replica, sequencer, cells, mail and clients, driven by one clock,
//! one network, disks and randomness that a seed decides.
//!
//! What is real: [`node::PartitionHost`] with replica, sessions, engine, outboxes and hand-over, and both halves of
//! [`cluster_client`], which speak bytes; what completes a node's archive of events ([`gaps`]); and a gateway's order entry and projections ([`office`]), through which some of the
//! users trade ([`users`]). What is not: threads, sockets, TLS, signatures, and the files under log and archive. Nothing here
//! sleeps; time jumps to what happens next.
//!
//! A run has two phases: faults as the seed draws them ([`swarm`]), then a healed world that must come to rest. All the
//! while the [`checkers`] hold what is said against what was committed ([`history`]).

mod checkers;
mod clients;
mod clock;
mod consumers;
pub mod failover;
mod faults;
mod front;
mod gaps;
mod history;
mod hosts;
mod machine;
mod office;
#[cfg(feature = "planted")]
pub mod planted;
mod process;
mod queue;
mod quorums;
mod region;
mod rest;
pub mod shrink;
mod store;
pub mod swarm;
mod trace;
mod traders;
mod users;
mod variety;
mod versions;
mod world;

pub use world::{Failure, Outcome, run};
