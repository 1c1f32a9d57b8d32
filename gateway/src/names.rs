//! Binance's words for ours, and back.

use wire::{OrderKind, RejectReason, SelfTradePrevention, Side, TimeInForce};

use crate::accounts::Order;
use crate::reference::Market;

/// `BUY`, `SELL`.
pub const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// `LIMIT`, `MARKET`, `LIMIT_MAKER`.
pub const fn kind(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Limit => "LIMIT",
        OrderKind::Market => "MARKET",
        OrderKind::LimitMaker => "LIMIT_MAKER",
        OrderKind::StopLoss => "STOP_LOSS",
        OrderKind::StopLossLimit => "STOP_LOSS_LIMIT",
        OrderKind::TakeProfit => "TAKE_PROFIT",
        OrderKind::TakeProfitLimit => "TAKE_PROFIT_LIMIT",
    }
}

/// `GTC`, `IOC`, `FOK`.
pub const fn time_in_force(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
        TimeInForce::Day => "DAY",
        TimeInForce::Gtd => "GTD",
    }
}

/// Orders that take no time in force are shown with `GTC`.
pub const fn shown_time_in_force(order: &Order) -> &'static str {
    match order.kind {
        OrderKind::Limit | OrderKind::StopLossLimit | OrderKind::TakeProfitLimit => time_in_force(order.time_in_force),
        OrderKind::Market | OrderKind::LimitMaker | OrderKind::StopLoss | OrderKind::TakeProfit => "GTC",
    }
}

/// Market orders are shown without a price: theirs is our protection price.
pub fn shown_price(order: &Order, market: &Market) -> String {
    market.show_price(if order.kind.is_market() { 0 } else { order.price.units() })
}

/// `NONE`, `EXPIRE_TAKER`, `EXPIRE_MAKER`, `EXPIRE_BOTH`, `DECREMENT`.
pub const fn self_trade(mode: SelfTradePrevention) -> &'static str {
    match mode {
        SelfTradePrevention::None => "NONE",
        SelfTradePrevention::ExpireTaker => "EXPIRE_TAKER",
        SelfTradePrevention::ExpireMaker => "EXPIRE_MAKER",
        SelfTradePrevention::ExpireBoth => "EXPIRE_BOTH",
        SelfTradePrevention::Decrement => "DECREMENT",
    }
}

/// `r` of an execution report.
pub const fn reject_reason(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::WouldTake => "WOULD_MATCH_IMMEDIATELY",
        RejectReason::InsufficientBalance => "INSUFFICIENT_BALANCES",
        RejectReason::MarketClosed => "MARKET_CLOSED",
        RejectReason::Busy | RejectReason::MarketUnavailable => "EXCHANGE_OVERLOADED",
        RejectReason::NoLiquidity => "NO_LIQUIDITY",
        RejectReason::LevelFull => "PRICE_LEVEL_FULL",
        RejectReason::TooManyOpenOrders => "TOO_MANY_OPEN_ORDERS",
        _ => "ORDER_REJECTED",
    }
}
