//! Leases and countdowns: what cancels orders when a client falls silent. And by which version cells behave, and how much room they have.

use crate::{AccountId, Capacity, ClientSessionId, MarketId, PartitionId, Timestamp};

/// A client session's lease was opened, renewed, taken over, or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseChanged {
    /// Whose.
    pub account: AccountId,
    /// Which client session.
    pub session: ClientSessionId,
    /// Who holds it now, or did last.
    pub holder: u64,
    /// When it ends unless it is renewed, or later by a new leader's grace; zero when it has ended and its orders are
    /// being canceled.
    pub expires: Timestamp,
    /// How many orders are being canceled because it has ended.
    pub canceling: u32,
}

/// A countdown was armed, disarmed, or has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountdownChanged {
    /// Whose orders.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// When it runs out unless it is armed anew, or later by a new leader's grace; zero when it is not armed any more.
    pub expires: Timestamp,
    /// Whether it has run out, and the orders are being canceled.
    pub has_elapsed: bool,
}

/// The tables have more rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityRaised {
    /// All of them, as they are now.
    pub capacity: Capacity,
}

/// The cells of a partition behave by another version from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionChanged {
    /// Whose cells.
    pub partition: PartitionId,
    /// By which.
    pub version: u16,
}
