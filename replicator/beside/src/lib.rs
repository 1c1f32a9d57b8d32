//! What goes beside a link, for both of its ends: how a message is sealed, and the client of Aeron that carries it.
//!
//! Nodes send each other Raft messages by it, and gateways the events of their partitions. Who may, and with what key, is told
//! over links alone: `ops/decisions/0029-aeron-beside-the-link.md`.

#![forbid(unsafe_code)]

#[cfg(feature = "aeron")]
pub mod driver;
#[cfg(feature = "aeron")]
pub mod engine;
#[cfg(feature = "aeron")]
pub mod room;
pub mod seal;

use std::path::PathBuf;

/// Whose media driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AeronDriver {
    /// The process's own, in its Aeron thread, with its files in this directory. They are deleted at the start.
    Own(PathBuf),
    /// That of another process, whose directory this is.
    Other(PathBuf),
}

/// What a thread does that polls and finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AeronIdle {
    /// Polls again at once: the least latency, for a core of its own.
    Spin,
    /// Lets other threads run first.
    Yield,
    /// Polls some more, then waits for up to a tenth of a millisecond.
    BackOff,
}
