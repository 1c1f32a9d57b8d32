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

/// Makes sure that no order, or order list, of a name comes any more that its client asked for before it was told that
/// there is none. When one has the name, nothing changes and the reply's id is that one's; otherwise the id is 0.
///
/// From then on, for the retention of names, an order of the name is refused with `DuplicateClientOrderId` (a list with
/// `DuplicateListClientOrderId`), naming the seal ([`SealName::asked_at`]), unless it was asked for *after* the question. A
/// later order is judged as any other and leaves the seal where it is: whether it is taken or refused, and whatever
/// becomes of it, no earlier one comes.
///
/// Both times are the client's own, of the requests that it signed: for a client with one clock that does not run backwards
/// they are in the order in which it asked, whichever gateways it went through and whatever their clocks say. In doubt
/// an order is refused: one of the same microsecond as the question, one that does not say when it was asked for, one
/// that a second machine of the client, whose clock is behind, asked for shortly after the question; its client is told,
/// and asks again. What a seal cannot know is an order that a machine whose clock is *ahead* of the asking one's had sent
/// before: it passes if it was sent by less than the difference before the question. Gateways take no request that is a
/// second or more ahead of them, which bounds that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealName {
    /// Whose name.
    pub account: AccountId,
    /// Which client order id; of a list, the client's name for it.
    pub client_order_id: ClientOrderId,
    /// When the client asked what became of the name, in microseconds by its own clock; less than 2^63.
    pub asked_us: u64,
    /// Whether it is an order list's name.
    pub is_list: bool,
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
