//! The closed vocabularies of orders. Each variant's number is permanent: it is stored in logs.

use crate::{Sequence, SessionId};

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$vdoc])* $variant = $number),+
        }

        impl $name {
            /// Every variant, in the order of its number.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The permanent number.
            #[inline]
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The variant with this number, if there is one.
            #[inline]
            pub const fn from_number(number: u8) -> Option<$name> {
                match number {
                    $($number => Some($name::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use numbered;

numbered! {
    /// Which asset an order gives: a buyer gives quote, a seller base.
    Side {
        /// Receives base, pays quote.
        Buy = 1,
        /// Gives base, receives quote.
        Sell = 2,
    }
}

impl Side {
    /// The other side.
    #[inline]
    #[must_use]
    pub const fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }
}

numbered! {
    /// Which sides a mass cancel covers.
    Sides {
        /// Both.
        Both = 0,
        /// Buys alone.
        Buy = 1,
        /// Sells alone.
        Sell = 2,
    }
}

impl Sides {
    /// Whether `side` is among them.
    #[inline]
    pub const fn include(self, side: Side) -> bool {
        matches!((self, side), (Sides::Both, _) | (Sides::Buy, Side::Buy) | (Sides::Sell, Side::Sell))
    }
}

numbered! {
    /// How an order meets the book.
    OrderKind {
        /// Trades at its price or better, and may rest.
        Limit = 1,
        /// Trades at once at any price up to its protection price; what is left expires.
        Market = 2,
        /// Rests or is rejected: never a taker.
        LimitMaker = 3,
        /// Becomes a market order when its trigger is met: a sell at or below its stop price, a buy at or above it.
        StopLoss = 4,
        /// Becomes a limit order when its trigger is met, as `StopLoss`.
        StopLossLimit = 5,
        /// Becomes a market order when its trigger is met: a sell at or above its stop price, a buy at or below it.
        TakeProfit = 6,
        /// Becomes a limit order when its trigger is met, as `TakeProfit`.
        TakeProfitLimit = 7,
    }
}

impl OrderKind {
    /// Whether it waits for a trigger before it meets the book.
    #[inline]
    pub const fn is_stop(self) -> bool {
        matches!(
            self,
            OrderKind::StopLoss | OrderKind::StopLossLimit | OrderKind::TakeProfit | OrderKind::TakeProfitLimit
        )
    }

    /// Whether it meets the book without a limit of its own.
    #[inline]
    pub const fn is_market(self) -> bool {
        matches!(self, OrderKind::Market | OrderKind::StopLoss | OrderKind::TakeProfit)
    }

    /// How it meets the book once it does: a triggered stop order is a limit or a market order.
    #[inline]
    #[must_use]
    pub const fn working(self) -> OrderKind {
        match self {
            OrderKind::StopLoss | OrderKind::TakeProfit => OrderKind::Market,
            OrderKind::StopLossLimit | OrderKind::TakeProfitLimit => OrderKind::Limit,
            OrderKind::Limit | OrderKind::Market | OrderKind::LimitMaker => self,
        }
    }
}

numbered! {
    /// What becomes of the quantity that does not trade at once.
    TimeInForce {
        /// Good till canceled: rests.
        Gtc = 1,
        /// Immediate or cancel: expires.
        Ioc = 2,
        /// Fill or kill: unless all of it trades at once, all of it expires.
        Fok = 3,
        /// Rests until the market's session ends.
        Day = 4,
        /// Good till date: rests until its time.
        Gtd = 5,
    }
}

impl TimeInForce {
    /// Whether what does not trade at once rests.
    #[inline]
    pub const fn may_rest(self) -> bool {
        matches!(self, TimeInForce::Gtc | TimeInForce::Day | TimeInForce::Gtd)
    }
}

numbered! {
    /// What happens when an order would trade with another of its own account or trade group; the taker's mode decides.
    SelfTradePrevention {
        /// They trade.
        None = 1,
        /// The taker's remainder expires.
        ExpireTaker = 2,
        /// The resting order expires, the taker goes on.
        ExpireMaker = 3,
        /// Both expire.
        ExpireBoth = 4,
        /// Both lose what would have traded, as if it had, and no money moves; whichever has nothing left expires.
        Decrement = 5,
    }
}

numbered! {
    /// Why an order ended before it was filled.
    CancelCause {
        /// Its owner asked for it.
        Requested = 1,
        /// Its owner canceled all orders of the account.
        MassCancel = 2,
        /// Immediate or cancel, fill or kill, or market: nothing more to trade with.
        TimeInForce = 3,
        /// Self-trade prevention.
        SelfTrade = 4,
        /// The budget held for a market order was used up.
        BudgetSpent = 5,
        /// One command had caused as many fills as one command may.
        FillLimit = 6,
        /// An operator closed the market.
        MarketClosed = 7,
        /// It would have traded outside a price band, and could not wait for the auction.
        PriceBand = 16,
        /// It does not fit the market's filters since they were changed.
        RulesChanged = 17,
        /// Its market is gone for ever.
        Delisted = 18,
        /// The kill switch of its account or API key was engaged.
        KillSwitch = 24,
        /// Its account's countdown in this market ran out.
        Countdown = 25,
        /// The lease of its client session ran out or was ended.
        Disconnected = 26,
        /// Its session has ended, or its date has come.
        Expired = 8,
        /// The other order of its pair has begun to work, or has expired.
        OtherLeg = 9,
        /// The working order of its list ended before it was filled.
        WorkingEnded = 10,
        /// It could not be placed when its turn came: by its trigger, or after the working order of its list.
        NotPlaced = 11,
        /// Less than its minimum quantity could trade at once.
        QtyMin = 12,
        /// It was to receive more than all that its account has of what it sells has brought.
        BalanceSpent = 13,
    }
}

impl CancelCause {
    /// Whether clients are told `EXPIRED` instead of `CANCELED`.
    #[inline]
    pub const fn is_expiry(self) -> bool {
        !matches!(
            self,
            CancelCause::Requested
                | CancelCause::MassCancel
                | CancelCause::KillSwitch
                | CancelCause::Countdown
                | CancelCause::Disconnected
        )
    }
}

/// How long the name of an order that has ended stays taken, of log time, where a node's limits say nothing else.
pub const NAME_RETENTION_NS: u64 = 60_000_000_000;

/// Where a command came from: which session's which command. Both zero for mail and ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Origin {
    /// The logical session.
    pub session: SessionId,
    /// The command's number within it.
    pub sequence: Sequence,
}

impl Origin {
    /// Of no session: mail, ticks and the cluster's own commands.
    pub const INTERNAL: Origin = Origin { session: SessionId::new(0), sequence: Sequence::new(0) };
}
