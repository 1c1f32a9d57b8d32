//! Names of things, each its own type, so that one cannot be passed where another is meant.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name($inner);

        impl $name {
            /// From the plain number.
            #[inline]
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The plain number.
            #[inline]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! counter {
    ($name:ident) => {
        impl $name {
            /// Before the first.
            pub const ZERO: Self = Self(0);

            /// The one after this. Panics at the end of its numbers, which no counter reaches in the life of a log.
            #[inline]
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("a counter reached its end"))
            }
        }
    };
}

id! {
    /// An account of the ledger, dense from 1 in the order of opening. `0` names no account.
    AccountId(u32)
}
id! {
    /// An asset, dense from 1 in the order of listing. `0` names no asset.
    AssetId(u16)
}
id! {
    /// A market, dense from 1 in the order of listing. `0` names no market.
    MarketId(u16)
}
id! {
    /// A chain, dense from 1 in the order of listing. `0` names no chain.
    ChainId(u16)
}
id! {
    /// A withdrawal, counted from 1 by its account's ledger cell. `0` names none.
    WithdrawalId(u64)
}
id! {
    /// A proposal to loosen what guards withdrawals, counted from 1 by its ledger cell. `0` names none.
    LooseningId(u64)
}
id! {
    /// An order, assigned by its account's ledger cell when the order enters the log; unique in the
    /// cluster and below 2^53, so that JSON readers keep it exact. `0` names no order.
    OrderId(u64)
}
id! {
    /// An order list, counted from 1 by its account's ledger cell. `0` names no list.
    ListId(u64)
}
id! {
    /// A trade of one market, counted from 1 by its market cell.
    TradeId(u64)
}
id! {
    /// A change of one price level of one market, counted from 1 by its market cell: the `U` and `u` of
    /// depth streams.
    UpdateId(u64)
}
id! {
    /// A partition: one Raft group, one log, one thread. From 1.
    PartitionId(u16)
}
id! {
    /// A node of the cluster: one process that hosts replicas. From 1; also its Raft id.
    NodeId(u64)
}
id! {
    /// A command's place in its partition's log: the count of commands sequenced up to and including it,
    /// from 1. Equal on every replica. `0` is before the first.
    LogPosition(u64)
}
id! {
    /// A Raft term of one partition.
    Term(u64)
}
id! {
    /// A client's logical session with one partition: its log position of opening, so never reused in
    /// one log. `0` names no session (mail, ticks).
    SessionId(u64)
}
id! {
    /// A command's number within its session, from 1 without gaps.
    Sequence(u64)
}
id! {
    /// A mail's number within one (from, to, incarnation), from 1 without gaps.
    MailSequence(u64)
}
id! {
    /// Which life of a partition's log mail belongs to: grows when a partition is restored from a backup,
    /// so that mail of the old life is never mistaken for mail of the new one.
    Incarnation(u64)
}
id! {
    /// Accounts that do not trade with each other, chosen by an operator. `0` names no group.
    TradeGroupId(u16)
}
id! {
    /// The firm that an account belongs to, chosen by an operator: who gets its drop copy. `0` names no firm.
    FirmId(u32)
}
id! {
    /// An API key, counted from 1 by the ledger cell in the order of adding, never reused. `0` names no key.
    ApiKeyId(u32)
}
id! {
    /// A client's session that cancels its orders when it ends, named by the client's gateway, unique in its account.
    /// `0` names none.
    ClientSessionId(u64)
}
id! {
    /// A trade that self-trade prevention prevented, counted from 1 by its market cell.
    PreventedMatchId(u64)
}
id! {
    /// A change of one market's book order by order, counted from 1 by its market cell without gaps: every
    /// [`crate::event::OrderShown`] and every [`crate::event::Traded`] has one.
    BookSequence(u64)
}
id! {
    /// Fences clusters that share ancestors: every connection names it, and a cluster promoted
    /// elsewhere has a greater one.
    ClusterEpoch(u64)
}

counter!(OrderId);
counter!(ListId);
counter!(TradeId);
counter!(UpdateId);
counter!(LogPosition);
counter!(Sequence);
counter!(MailSequence);
counter!(ApiKeyId);
counter!(PreventedMatchId);
counter!(BookSequence);
