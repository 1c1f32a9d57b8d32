//! The streams that events belong to, and their sequence numbers.
//!
//! A stream's events are numbered from 1 in the order of their partition's log; the number is their count, so it has no
//! gaps, needs no bytes, and is the same for whoever has read the log's events from position 1: every gateway, after any
//! failover.
//!
//! - *An account's* private events over all markets come from its ledger cell: balances, orders, fills, leases,
//!   countdowns, keys, limits, kill switches, deposits, withdrawals. A prevented match belongs to both of its accounts.
//! - *A firm's* drop copy is the streams of its accounts together, in log order, from the `AccountAssigned` that puts an
//!   account into it until the one that takes it out.
//! - *A market's* public events come from its market cell. Parts of it carry numbers of their own without gaps: trades
//!   ([`crate::TradeId`]), price levels ([`crate::UpdateId`]), and the book order by order ([`crate::BookSequence`], over
//!   `OrderShown` and `Traded`).
//! - *The exchange's* events are what is left: listings, fee tiers, phases as the ledger knows them.

use super::Event;
use crate::{AccountId, MarketId};

/// One sequence of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// What everybody is told of the exchange.
    Exchange,
    /// What everybody is told of a market.
    Market(MarketId),
    /// What an account and its firm are told.
    Account(AccountId),
}

impl Event {
    /// The stream it belongs to, and the other one of an event that belongs to two.
    pub fn streams(&self) -> (Stream, Option<Stream>) {
        let account = match self {
            Event::AccountOpened(event) => event.account,
            Event::ApiKeyAdded(event) => event.account,
            Event::ApiKeyRevoked(event) => event.account,
            Event::ApiKeyRestricted(event) => event.account,
            Event::ApiKeyExtended(event) => event.account,
            Event::Credited(event) => event.account,
            Event::Debited(event) => event.account,
            Event::BalanceChanged(event) => event.account,
            Event::OrderPending(event) => event.account,
            Event::OrderAccepted(event) => event.account,
            Event::OrderRejected(event) => event.account,
            Event::OrderExecuted(event) => event.account,
            Event::OrderResting(event) => event.account,
            Event::OrderCanceled(event) => event.account,
            Event::CancelRejected(event) => event.account,
            Event::AllCanceled(event) => event.account,
            Event::AccountAssigned(event) => event.account,
            Event::FeesChanged(event) if event.account.get() != 0 => event.account,
            Event::FeeTierChanged(event) => event.account,
            Event::AccountLimitsChanged(event) if event.account.get() != 0 => event.account,
            Event::OrderLimitsChanged(event) if event.account.get() != 0 => event.account,
            Event::AssetLimitChanged(event) if event.account.get() != 0 => event.account,
            Event::KillSwitchChanged(event) => event.account,
            Event::LeaseChanged(event) => event.account,
            Event::CountdownChanged(event) => event.account,
            Event::OrderTerms(event) => event.account,
            Event::OrderArmed(event) => event.account,
            Event::OrderTracking(event) => event.account,
            Event::OrderTriggered(event) => event.account,
            Event::OrderPegged(event) => event.account,
            Event::OrderAmended(event) => event.account,
            Event::AmendRejected(event) => event.account,
            Event::ReplacementRefused(event) => event.account,
            Event::ListStarted(event) => event.account,
            Event::ListEnded(event) => event.account,
            Event::ListRejected(event) => event.account,
            Event::AddressRequested(event) => event.account,
            Event::AddressBound(event) => event.account,
            Event::DepositChanged(event) => event.account,
            Event::WithdrawalChanged(event) => event.account,
            Event::WithdrawalsRestricted(event) => event.account,
            Event::AddressAllowed(event) => event.account,
            Event::MatchPrevented(event) => {
                let (taker, maker) = (Stream::Account(event.taker_account), Stream::Account(event.maker_account));
                return (taker, Some(maker).filter(|maker| *maker != taker));
            }
            public => return (public.public_stream(), None),
        };
        (Stream::Account(account), None)
    }

    fn public_stream(&self) -> Stream {
        match self {
            Event::Traded(event) => Stream::Market(event.market),
            Event::LevelChanged(event) => Stream::Market(event.market),
            Event::DepthWindowClosed(event) => Stream::Market(event.market),
            Event::OrderShown(event) => Stream::Market(event.market),
            Event::PhaseChanged(event) => Stream::Market(event.market),
            Event::AuctionIndicated(event) => Stream::Market(event.market),
            Event::AuctionCompleted(event) => Stream::Market(event.market),
            _ => Stream::Exchange,
        }
    }
}
