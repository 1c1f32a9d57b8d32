//! Canceling many orders at once, now or when a client falls silent.

use crate::{AccountId, ClientSessionId, MarketId, Sides};

/// Cancels an account's open orders: in one market or in all, of one side or both, of one client session or all. The
/// reply's id says how many outcomes with this request follow: an `AllCanceled` for each market, or, for a client
/// session, an `OrderCanceled` or `CancelRejected` for each order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MassCancel {
    /// Whose orders.
    pub account: AccountId,
    /// In which market; 0 for all.
    pub market: MarketId,
    /// Of which sides.
    pub sides: Sides,
    /// Of which client session; 0 for all orders.
    pub session: ClientSessionId,
}

/// Opens, renews or takes over the lease of a client session. Orders that name the session are canceled when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewLease {
    /// Whose.
    pub account: AccountId,
    /// Which client session; not 0.
    pub session: ClientSessionId,
    /// Who holds it: the gateway's number of the client's connection. Whoever renews is this one, or takes over.
    pub holder: u64,
    /// Whether a lease of another holder is taken over: the client has connected anew. The former holder's renewals and
    /// its end are refused from then on.
    pub takes_over: bool,
    /// How long it lasts from now, in milliseconds of log time, [`RenewLease::MS_MIN`] to [`RenewLease::MS_MAX`].
    pub lease_ms: u32,
}

impl RenewLease {
    /// The shortest lease.
    pub const MS_MIN: u32 = 100;
    /// The longest lease: an hour.
    pub const MS_MAX: u32 = 3_600_000;
}

/// Ends the lease of a client session: its orders are canceled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndLease {
    /// Whose.
    pub account: AccountId,
    /// Which client session.
    pub session: ClientSessionId,
    /// Who holds it.
    pub holder: u64,
}

/// Arms, rearms or disarms the countdown of an account in a market: when it runs out, the account's orders there are
/// canceled, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountdownCancel {
    /// Whose orders.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// From now, in milliseconds of log time, at most [`CountdownCancel::MS_MAX`]; 0 disarms.
    pub countdown_ms: u32,
}

impl CountdownCancel {
    /// The longest countdown: a day.
    pub const MS_MAX: u32 = 86_400_000;
}
