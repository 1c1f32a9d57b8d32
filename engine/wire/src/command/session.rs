//! Canceling many orders at once, now or when a client falls silent; and the certainty that no order of a name will come.

use crate::{AccountId, ClientOrderId, ClientSessionId, MarketId, OrderId, Sides};

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

/// Makes sure that no order of a name comes any more that its client asked for before it was told that there is none: the
/// name stays taken for the retention of names, by nobody. When an order has it, nothing changes and the reply's id is
/// that order's; otherwise the id is 0.
///
/// An order of a sealed name is refused with `DuplicateClientOrderId`, naming the seal ([`SealName::asked_at`]). Whoever
/// knows that the client asked for it after that lifts the seal and sends the order again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealName {
    /// Whose name.
    pub account: AccountId,
    /// Which client order id.
    pub client_order_id: ClientOrderId,
    /// When the client asked what became of the name, in microseconds by its own clock; less than 2^63.
    pub asked_us: u64,
    /// Whether the seal of exactly this moment is taken away instead.
    pub is_lifted: bool,
}

impl SealName {
    const SEALED: u64 = 1 << 63;

    /// What stands for the order that a sealed name does not have.
    pub const fn no_order(asked_us: u64) -> OrderId {
        OrderId::new(SealName::SEALED | asked_us)
    }

    /// When the client asked, of the id that a refusal names; `None` when that is an order's.
    pub const fn asked_at(id: u64) -> Option<u64> {
        if id & SealName::SEALED == 0 { None } else { Some(id & !SealName::SEALED) }
    }
}
