//! A market's book order by order, and what did not trade.

use crate::{
    AccountId, BookSequence, LogPosition, MarketId, OrderId, PartitionId, PreventedMatchId, Price, Qty,
    SelfTradePrevention, Side, Timestamp, TradeGroupId,
};

/// An order shows this quantity on the book now. The book order by order (L3) is this and the trades: each [`Traded`]
/// takes its quantity from its maker, in an auction from its taker as well; an order is gone when nothing of what it showed
/// is left.
///
/// [`Traded`]: super::Traded
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderShown {
    /// In which market.
    pub market: MarketId,
    /// Its number, one more than the change before; trades are counted with it.
    pub sequence: BookSequence,
    /// Which order.
    pub order: OrderId,
    /// Buy or sell.
    pub side: Side,
    /// At what price.
    pub price: Price,
    /// How much it shows; zero when it is gone.
    pub qty: Qty,
    /// Whether it stands last at its price now: it is new there, or has lost its priority. Otherwise it keeps its place.
    pub is_last: bool,
}

/// Self-trade prevention has prevented a trade. Who expires is told by an `OrderCanceled` of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatchPrevented {
    /// In which market.
    pub market: MarketId,
    /// Its number in its market.
    pub prevented: PreventedMatchId,
    /// The order that arrived.
    pub taker: OrderId,
    /// Whose.
    pub taker_account: AccountId,
    /// The order that rested.
    pub maker: OrderId,
    /// Whose.
    pub maker_account: AccountId,
    /// The trade group that the taker was placed in; 0 for none.
    pub group: TradeGroupId,
    /// The taker's mode, which decided.
    pub mode: SelfTradePrevention,
    /// At what price they would have traded.
    pub price: Price,
    /// What the taker loses: all that was left of it, the quantity of the match, or nothing, by the mode.
    pub taker_qty: Qty,
    /// What the maker loses.
    pub maker_qty: Qty,
    /// When, in the market's log time.
    pub prevented_at: Timestamp,
}

/// A command that a quorum of replicas could not execute was put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandQuarantined {
    /// In which partition's log.
    pub partition: PartitionId,
    /// The command's position there.
    pub position: LogPosition,
    /// The market that it was for, which accepts cancels alone from now on; 0 when it was for none.
    pub market: MarketId,
}
