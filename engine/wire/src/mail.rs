//! What cells say to each other. Mail is never refused: whoever sends has room for it reserved, whoever
//! receives acts on it or answers.

mod market;
mod prevention;
mod special;

use alloc::boxed::Box;

pub use self::market::{
    ChangeMarketCapacity, ChangeMarketProtection, ChangeMarketRules, ChangeMarketSchedule, ChangeMarketStatus,
    MarketReported,
};
pub use self::prevention::{MarketQuarantined, TradePrevented};
pub use self::special::{
    OrderReduced, PairLeg, PegSet, PlaceOrderOnTerms, PlacePair, ReduceOrder, ReduceRefused, ReplaceRefused,
    ReplaceResting, StopArmed, StopTracking, StopTriggered,
};
use crate::{
    AccountId, Amount, CancelCause, LogPosition, MarketId, MarketRules, MarketScale, OrderId, OrderKind, PartitionId,
    Price, Qty, RejectReason, SelfTradePrevention, Side, Sides, TimeInForce, Timestamp, TradeGroupId, TradeId,
};

/// One message between cells, in the order of the outbox. What is rare and long is boxed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mail {
    /// Ledger to market's partition: make a market cell.
    CreateMarket(Box<CreateMarket>),
    /// Ledger to market: move to this phase.
    ChangeMarketStatus(ChangeMarketStatus),
    /// Ledger to market: follow this schedule.
    ChangeMarketSchedule(Box<ChangeMarketSchedule>),
    /// Ledger to market: other price limits.
    ChangeMarketProtection(Box<ChangeMarketProtection>),
    /// Ledger to market: other filters.
    ChangeMarketRules(Box<ChangeMarketRules>),
    /// Ledger to market: more rows.
    ChangeMarketCapacity(ChangeMarketCapacity),
    /// Ledger to market: match this order; its funds are held.
    PlaceOrder(PlaceOrder),
    /// Ledger to market: take this order off the book.
    PullOrder(PullOrder),
    /// Ledger to market: take every order of this account off the book.
    PullOrders(PullOrders),
    /// Market to ledger: the order did not enter the book; release.
    OrderRefused(OrderRefused),
    /// Market to ledger: one side of a trade; settle.
    OrderFilled(OrderFilled),
    /// Market to ledger: matched as far as it goes, the rest rests.
    OrderRested(OrderRested),
    /// Market to ledger: what is left of it is off the book; release.
    OrderEnded(OrderEnded),
    /// Market to ledger: no such order rests (it was filled or has ended).
    PullRefused(PullRefused),
    /// Market to ledger: the mass cancel is done; one [`OrderEnded`] for each order came before.
    OrdersPulled(OrdersPulled),
    /// Market to ledger: the phase has changed.
    MarketReported(MarketReported),
    /// Market to ledger: self-trade prevention has prevented a trade; release.
    TradePrevented(TradePrevented),
    /// Market to ledger: a command for a market was put aside.
    MarketQuarantined(MarketQuarantined),
    /// Ledger to market: an order on terms or of a list; its funds are held.
    PlaceOrderOnTerms(Box<PlaceOrderOnTerms>),
    /// Ledger to market: two orders of which one cancels the other.
    PlacePair(Box<PlacePair>),
    /// Ledger to market: lower an order's quantity.
    ReduceOrder(ReduceOrder),
    /// Ledger to market: take an order off and place another.
    ReplaceResting(Box<ReplaceResting>),
    /// Market to ledger: the stop order waits for its trigger.
    StopArmed(StopArmed),
    /// Market to ledger: the trailing stop tracks the price.
    StopTracking(StopTracking),
    /// Market to ledger: the stop order meets the book.
    StopTriggered(StopTriggered),
    /// Market to ledger: the pegged order has its limit; release.
    PegSet(PegSet),
    /// Market to ledger: the quantity is lower; release.
    OrderReduced(OrderReduced),
    /// Market to ledger: the quantity was not lowered.
    ReduceRefused(ReduceRefused),
    /// Market to ledger: the order was not replaced.
    ReplaceRefused(ReplaceRefused),
}

impl Mail {
    /// The market that it is for; `None` when it is for a ledger cell.
    #[inline]
    pub fn to_market(&self) -> Option<MarketId> {
        match self {
            Mail::CreateMarket(mail) => Some(mail.market),
            Mail::ChangeMarketStatus(mail) => Some(mail.market),
            Mail::PlaceOrder(mail) => Some(mail.market),
            Mail::PullOrder(mail) => Some(mail.market),
            Mail::PullOrders(mail) => Some(mail.market),
            Mail::ChangeMarketSchedule(mail) => Some(mail.market),
            Mail::ChangeMarketProtection(mail) => Some(mail.market),
            Mail::ChangeMarketRules(mail) => Some(mail.market),
            Mail::ChangeMarketCapacity(mail) => Some(mail.market),
            Mail::PlaceOrderOnTerms(mail) => Some(mail.place.market),
            Mail::PlacePair(mail) => Some(mail.market),
            Mail::ReduceOrder(mail) => Some(mail.market),
            Mail::ReplaceResting(mail) => Some(mail.place.market),
            Mail::OrderRefused(_)
            | Mail::OrderFilled(_)
            | Mail::OrderRested(_)
            | Mail::OrderEnded(_)
            | Mail::PullRefused(_)
            | Mail::OrdersPulled(_)
            | Mail::MarketReported(_)
            | Mail::TradePrevented(_)
            | Mail::MarketQuarantined(_)
            | Mail::StopArmed(_)
            | Mail::StopTracking(_)
            | Mail::StopTriggered(_)
            | Mail::PegSet(_)
            | Mail::OrderReduced(_)
            | Mail::ReduceRefused(_)
            | Mail::ReplaceRefused(_) => None,
        }
    }
}

impl Mail {
    /// The market that it speaks of, whichever cell it is for.
    pub fn market(&self) -> MarketId {
        match self {
            Mail::OrderRefused(mail) => mail.market,
            Mail::OrderFilled(mail) => mail.market,
            Mail::OrderRested(mail) => mail.market,
            Mail::OrderEnded(mail) => mail.market,
            Mail::PullRefused(mail) => mail.market,
            Mail::OrdersPulled(mail) => mail.market,
            Mail::MarketReported(mail) => mail.market,
            Mail::TradePrevented(mail) => mail.market,
            Mail::MarketQuarantined(mail) => mail.market,
            Mail::StopArmed(mail) => mail.market,
            Mail::StopTracking(mail) => mail.market,
            Mail::StopTriggered(mail) => mail.market,
            Mail::PegSet(mail) => mail.market,
            Mail::OrderReduced(mail) => mail.market,
            Mail::ReduceRefused(mail) => mail.market,
            Mail::ReplaceRefused(mail) => mail.market,
            to_market => to_market.to_market().unwrap_or_default(),
        }
    }
}

const _: () = assert!(size_of::<Mail>() <= 64, "a mail that every order causes must stay short");

/// Makes a market cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateMarket {
    /// The new market.
    pub market: MarketId,
    /// Permanent scale.
    pub scale: MarketScale,
    /// Filters.
    pub rules: MarketRules,
    /// The partition of the ledger cell, which gets the replies.
    pub ledger: PartitionId,
    /// Accounts of the ledger.
    pub accounts_max: u32,
    /// Resting orders that it has room for.
    pub resting_orders_max: u32,
}

/// An order with its funds held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceOrder {
    /// Which market.
    pub market: MarketId,
    /// Its id.
    pub order: OrderId,
    /// Whose, for self-trade prevention and mass cancel.
    pub account: AccountId,
    /// Buy or sell.
    pub side: Side,
    /// How it meets the book.
    pub kind: OrderKind,
    /// What becomes of the rest.
    pub time_in_force: TimeInForce,
    /// What happens with orders of its own account.
    pub self_trade: SelfTradePrevention,
    /// Limit or protection price.
    pub price: Price,
    /// The most base to trade. For a market buy by quote quantity: [`Qty::MAX`]; for a market sell by
    /// quote quantity: what the hold covers, which is less than it asks for when its account has less.
    pub qty: Qty,
    /// The most quote to pay (market buys) or to receive (market sells by quote quantity);
    /// [`Amount::MAX`] when unbounded. Limit orders are bounded by price and quantity instead.
    pub budget: Amount,
    /// The trade group its account is in, for self-trade prevention; 0 for none.
    pub group: TradeGroupId,
}

/// Takes one order off the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullOrder {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// The ledger log position of the cancel command, echoed in the outcome.
    pub request: LogPosition,
    /// Why, echoed in the outcome.
    pub cause: CancelCause,
}

/// Takes every order of an account off the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullOrders {
    /// Which market.
    pub market: MarketId,
    /// Whose orders.
    pub account: AccountId,
    /// Of which sides.
    pub sides: Sides,
    /// The ledger log position of the cancel command, echoed in the outcomes.
    pub request: LogPosition,
    /// Why, echoed in the outcomes.
    pub cause: CancelCause,
}

/// The order did not enter the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRefused {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// Why.
    pub reason: RejectReason,
}

/// One side of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderFilled {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// Which trade.
    pub trade: TradeId,
    /// At what price: the maker's.
    pub price: Price,
    /// How much.
    pub qty: Qty,
    /// What is left of the order; zero ends it.
    pub leaves: Qty,
    /// Whether this order rested before the trade.
    pub is_maker: bool,
    /// When they traded, in the market's log time.
    pub traded_at: Timestamp,
}

/// Matched as far as it goes; the rest is on the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRested {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// How much rests.
    pub leaves: Qty,
}

/// What is left of the order will not trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderEnded {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// How much was left.
    pub leaves: Qty,
    /// Why.
    pub cause: CancelCause,
    /// The ledger log position of the command that asked for it; 0 when none did.
    pub request: LogPosition,
}

/// The order to be canceled does not rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullRefused {
    /// Which market.
    pub market: MarketId,
    /// Which order.
    pub order: OrderId,
    /// The ledger log position of the cancel command.
    pub request: LogPosition,
}

/// The mass cancel is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrdersPulled {
    /// Which market.
    pub market: MarketId,
    /// Whose orders.
    pub account: AccountId,
    /// The ledger log position of the cancel command.
    pub request: LogPosition,
    /// How many orders were canceled.
    pub canceled: u32,
}
