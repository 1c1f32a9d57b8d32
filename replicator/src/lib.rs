//! Orders bytes. A [`Replica`] is one standby or leader of one partition: it sequences commands into a Raft
//! log, has a quorum keep them, and applies them to a [`StateMachine`] in the same order everywhere. It does
//! not know what an order is.
//!
//! Everything here is a value that is driven from outside: time is an argument, messages go in by
//! `on_message` and come out of `poll_output`, so that the same code runs on a node
//! and in the simulator. Three things have threads of their own: the disk ([`log`]), the sockets ([`net`]), and, where the
//! configuration wants it, a replica's twin, a second copy of its state that takes the snapshots.
//!
//! Read in the order a command travels: [`entry`] (what a batch looks like), `sequencer` (the leader's
//! queue), [`log`] (durability), `session` (exactly once), `replica` (the duty cycle over all of them).

#![forbid(unsafe_code)]

mod config;
pub mod entry;
pub mod log;
mod machine;
mod members;
pub mod net;
mod output;
mod random;
mod replay;
mod replica;
mod sequencer;
mod session;
mod shipped;
pub mod sim;
pub mod snapshot;
mod standing;

pub use config::{
    Durability, RaftLimits, ReplicaConfig, SequencerLimits, SessionLimits, SnapshotLimits, SnapshotTaker, Timing,
};
pub use log::LogStore;
pub use machine::{Applied, Input, RestoreError, StateMachine};
pub use members::{Joining, MEMBERS_MAX, Members, Places, node_of};
pub use output::{OpenError, Output, Role, Status, UnknownVersion};
pub use replay::{Place, Replay, ReplayError, timestamp, verdicts};
pub use replica::{Committed, Lag, NotChanged, Past, Replica, SEND_BYTES_MAX, Space, Spot};
pub use shipped::{Shipped, ShippedError};
pub use standing::Standing;
