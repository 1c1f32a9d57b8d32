//! Mail about what did not happen.

use crate::{
    LogPosition, MarketId, OrderId, PartitionId, PreventedMatchId, Price, Qty, SelfTradePrevention, Timestamp,
    TradeGroupId,
};

/// Self-trade prevention has prevented a trade. Who expires is told by an `OrderEnded` of its own, which follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradePrevented {
    /// Which market.
    pub market: MarketId,
    /// Its number in its market.
    pub prevented: PreventedMatchId,
    /// The order that arrived.
    pub taker: OrderId,
    /// The order that rested.
    pub maker: OrderId,
    /// The trade group that the taker was placed in; 0 for none.
    pub group: TradeGroupId,
    /// The taker's mode, which decided.
    pub mode: SelfTradePrevention,
    /// At what price they would have traded.
    pub price: Price,
    /// What the taker loses.
    pub taker_qty: Qty,
    /// What the maker loses.
    pub maker_qty: Qty,
    /// When, in the market's log time.
    pub prevented_at: Timestamp,
}

/// A command for a market was put aside; the market accepts cancels alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketQuarantined {
    /// Which market.
    pub market: MarketId,
    /// In which partition's log the command is.
    pub partition: PartitionId,
    /// Its position there.
    pub position: LogPosition,
}
