//! Binance's words for ours, and back.

use wire::{
    CancelCause, DepositStage, ListId, ListKind, MarketStatus, OrderKind, PegSide, PhaseCause, RejectReason,
    SelfTradePrevention, Side, TimeInForce, TradeGroupId, WithdrawalCause, WithdrawalStage,
};

use crate::accounts::{ListStatus, Order};
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

/// A market's status in Binance's words.
pub const fn market_status(status: MarketStatus) -> &'static str {
    match status {
        MarketStatus::PreOpen => "PRE_TRADING",
        MarketStatus::Auction => "AUCTION_MATCH",
        MarketStatus::Trading | MarketStatus::PostOnly => "TRADING",
        MarketStatus::CancelOnly => "CANCEL_ONLY",
        MarketStatus::Halted => "HALT",
        MarketStatus::Closed => "END_OF_DAY",
        MarketStatus::Delisted => "POST_TRADING",
    }
}

/// A market's phase in our own words, which tell more.
pub const fn phase(status: MarketStatus) -> &'static str {
    match status {
        MarketStatus::PreOpen => "PRE_OPEN",
        MarketStatus::Auction => "AUCTION",
        MarketStatus::Trading => "TRADING",
        MarketStatus::PostOnly => "POST_ONLY",
        MarketStatus::CancelOnly => "CANCEL_ONLY",
        MarketStatus::Halted => "HALTED",
        MarketStatus::Closed => "CLOSED",
        MarketStatus::Delisted => "DELISTED",
    }
}

/// What moved a market to another phase.
pub const fn phase_cause(cause: PhaseCause) -> &'static str {
    match cause {
        PhaseCause::Operator => "OPERATOR",
        PhaseCause::Schedule => "SCHEDULE",
        PhaseCause::Plan => "PLAN",
        PhaseCause::Volatility => "VOLATILITY",
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

/// Market orders, and pegged orders that named no price, are shown without one: theirs is our protection price.
pub fn shown_price(order: &Order, market: &Market) -> String {
    market.show_price(if order.has_limit() { order.price.units() } else { 0 })
}

/// `PRIMARY_PEG`, `MARKET_PEG`; nothing of an order that is not pegged.
pub const fn peg(side: PegSide) -> Option<&'static str> {
    match side {
        PegSide::None => None,
        PegSide::Primary => Some("PRIMARY_PEG"),
        PegSide::Market => Some("MARKET_PEG"),
    }
}

/// `pegOffsetType` and `pegOffsetValue`, if a level beyond the best one was asked for.
pub fn peg_offset(order: &Order) -> Option<(&'static str, u8)> {
    let peg = order.terms().peg;
    (!peg.is_none() && peg.levels > 0).then_some(("PRICE_LEVEL", peg.levels))
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

/// Of which list an order is; -1 of none.
pub fn list_id(order: &Order) -> i64 {
    shown_list(order.list())
}

/// The number of a list; -1 of none.
pub fn shown_list(list: ListId) -> i64 {
    match list.get() {
        0 => -1,
        id => i64::try_from(id).unwrap_or(i64::MAX),
    }
}

/// Since when a trailing stop tracks the price; -1 until it does, `None` of other orders.
pub fn trailing_time(order: &Order) -> Option<i64> {
    let tracks = !order.terms().trailing_delta.is_zero();
    tracks.then(|| order.tracking().map_or(-1, |at| i64::try_from(at.millis()).unwrap_or(i64::MAX)))
}

/// A trade group; -1 of an account that is in none.
pub fn trade_group(group: TradeGroupId) -> i32 {
    match group.get() {
        0 => -1,
        group => i32::from(group),
    }
}

/// Why an order expired, where there is a word for it.
pub fn expiry_reason(order: &Order) -> Option<&'static str> {
    Some(match order.expired_by? {
        CancelCause::TimeInForce if order.kind.is_market() => "INSUFFICIENT_LIQUIDITY",
        CancelCause::TimeInForce if order.time_in_force == TimeInForce::Fok => "UNFILLED_FOK_ORDER_EXPIRED",
        CancelCause::TimeInForce | CancelCause::FillLimit => "UNFILLED_IOC_QUANTITY_EXPIRED",
        CancelCause::OtherLeg => "OCO_TRIGGER",
        CancelCause::WorkingEnded => "OTO_PHASE_ONE_EXPIRED",
        CancelCause::NotPlaced => "REJECTED",
        CancelCause::QtyMin => "INSUFFICIENT_LIQUIDITY",
        CancelCause::PriceBand => "EXECUTION_RULE_PRICE_RANGE_EXCEEDED",
        CancelCause::MarketClosed | CancelCause::Delisted | CancelCause::RulesChanged => "EXCHANGE_CANCELED",
        _ => return None,
    })
}

/// `contingencyType`; a list that triggers a pair is `OTO` as well.
pub const fn contingency(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Oco => "OCO",
        ListKind::Oto | ListKind::Otoco => "OTO",
    }
}

/// `listStatusType` and `listOrderStatus`.
pub const fn list_status(status: ListStatus) -> (&'static str, &'static str) {
    match status {
        ListStatus::Executing => ("EXEC_STARTED", "EXECUTING"),
        ListStatus::AllDone => ("ALL_DONE", "ALL_DONE"),
        ListStatus::Rejected(_) => ("RESPONSE", "REJECT"),
    }
}

/// `r` of an execution report.
pub const fn reject_reason(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::WouldTake => "WOULD_MATCH_IMMEDIATELY",
        RejectReason::InsufficientBalance => "INSUFFICIENT_BALANCES",
        RejectReason::StopWouldTrigger => "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
        RejectReason::BadListPrices => "OCO_BAD_PRICES",
        RejectReason::MarketClosed => "MARKET_CLOSED",
        RejectReason::Busy | RejectReason::MarketUnavailable => "EXCHANGE_OVERLOADED",
        RejectReason::NoLiquidity => "NO_LIQUIDITY",
        RejectReason::LevelFull => "PRICE_LEVEL_FULL",
        RejectReason::TooManyOpenOrders => "TOO_MANY_OPEN_ORDERS",
        _ => "ORDER_REJECTED",
    }
}

/// Where a deposit stands, in our own words, which tell more than [`deposit_status`].
pub const fn deposit_stage(stage: DepositStage) -> &'static str {
    match stage {
        DepositStage::Included => "INCLUDED",
        DepositStage::Confirmed => "CONFIRMED",
        DepositStage::Credited => "CREDITED",
        DepositStage::Orphaned => "ORPHANED",
        DepositStage::Rejected => "REJECTED",
        DepositStage::Quarantined => "QUARANTINED",
        DepositStage::Refused => "REFUSED",
        DepositStage::Seen => "SEEN",
        DepositStage::Replaced => "REPLACED",
    }
}

/// Binance's numbers: 0 pending, 1 success, 2 rejected.
pub const fn deposit_status(stage: DepositStage) -> u64 {
    match stage {
        DepositStage::Credited => 1,
        DepositStage::Rejected | DepositStage::Refused | DepositStage::Replaced => 2,
        DepositStage::Seen
        | DepositStage::Included
        | DepositStage::Confirmed
        | DepositStage::Orphaned
        | DepositStage::Quarantined => 0,
    }
}

/// Where a withdrawal stands, in our own words, which tell more than [`withdrawal_status`].
pub const fn withdrawal_stage(stage: WithdrawalStage) -> &'static str {
    match stage {
        WithdrawalStage::Review => "REVIEW",
        WithdrawalStage::Held => "HELD",
        WithdrawalStage::Allocated => "ALLOCATED",
        WithdrawalStage::Signed => "SIGNED",
        WithdrawalStage::Broadcast => "BROADCAST",
        WithdrawalStage::Mempool => "MEMPOOL",
        WithdrawalStage::Mined => "MINED",
        WithdrawalStage::Confirmed => "CONFIRMED",
        WithdrawalStage::Settled => "SETTLED",
        WithdrawalStage::Stuck => "STUCK",
        WithdrawalStage::Bumped => "BUMPED",
        WithdrawalStage::Canceled => "CANCELED",
        WithdrawalStage::Failed => "FAILED",
        WithdrawalStage::Conflicted => "CONFLICTED",
    }
}

/// Why a withdrawal was canceled or has failed.
pub const fn withdrawal_cause(cause: WithdrawalCause) -> &'static str {
    match cause {
        WithdrawalCause::None => "NONE",
        WithdrawalCause::Client => "CLIENT",
        WithdrawalCause::Operator => "OPERATOR",
        WithdrawalCause::SignerRefused => "SIGNER_REFUSED",
        WithdrawalCause::Undone => "UNDONE",
        WithdrawalCause::Orphaned => "ORPHANED",
        WithdrawalCause::Disbanded => "DISBANDED",
    }
}

/// Binance's numbers: 1 canceled, 2 awaiting approval, 3 rejected, 4 processing, 5 failure, 6 completed.
pub const fn withdrawal_status(stage: WithdrawalStage, cause: WithdrawalCause) -> u64 {
    match (stage, cause) {
        (WithdrawalStage::Review, _) => 2,
        (WithdrawalStage::Canceled, WithdrawalCause::Client) => 1,
        (WithdrawalStage::Canceled, _) => 3,
        (WithdrawalStage::Failed, _) => 5,
        (WithdrawalStage::Settled, _) => 6,
        (
            WithdrawalStage::Held
            | WithdrawalStage::Allocated
            | WithdrawalStage::Signed
            | WithdrawalStage::Broadcast
            | WithdrawalStage::Mempool
            | WithdrawalStage::Mined
            | WithdrawalStage::Confirmed
            | WithdrawalStage::Stuck
            | WithdrawalStage::Bumped
            | WithdrawalStage::Conflicted,
            _,
        ) => 4,
    }
}
