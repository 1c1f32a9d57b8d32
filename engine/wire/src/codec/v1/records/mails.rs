//! Mail between cells.

use super::*;

records! {
    CreateMarket {
        market: MarketId,
        scale: MarketScale,
        rules: MarketRules,
        ledger: PartitionId,
        accounts_max: u32,
        resting_orders_max: u32,
    }
    ChangeMarketStatus {
        market: MarketId,
        version: u32,
        status: MarketStatus,
        cancel_orders: bool,
        auction_after_ns: u64,
        trading_after_ns: u64,
        is_quarantine: bool,
    }
    ChangeMarketSchedule {
        market: MarketId,
        version: u32,
        schedule: MarketSchedule,
    }
    ChangeMarketProtection {
        market: MarketId,
        version: u32,
        protection: MarketProtection,
    }
    ChangeMarketCapacity {
        market: MarketId,
        accounts_max: u32,
        resting_orders_max: u32,
    }
    ChangeMarketRules {
        market: MarketId,
        version: u32,
        rules: MarketRules,
    }
    MarketReported {
        market: MarketId,
        version: u32,
        status: MarketStatus,
        cause: PhaseCause,
    }
    PlaceOrder {
        market: MarketId,
        order: OrderId,
        account: AccountId,
        side: Side,
        kind: OrderKind,
        time_in_force: TimeInForce,
        self_trade: SelfTradePrevention,
        price: Price,
        qty: Qty,
        budget: Amount,
        group: TradeGroupId,
    }
    PlaceOrderOnTerms {
        place: PlaceOrder,
        terms: Terms,
        is_late: bool,
    }
    PairLeg {
        order: OrderId,
        kind: OrderKind,
        time_in_force: TimeInForce,
        price: Price,
        budget: Amount,
        stop_price: Option<Price>,
        trailing_delta: BasisPoints,
        visible_qty: Qty,
        peg: Peg,
    }
    PlacePair {
        market: MarketId,
        account: AccountId,
        list: ListId,
        side: Side,
        self_trade: SelfTradePrevention,
        group: TradeGroupId,
        qty: Qty,
        first: PairLeg,
        second: PairLeg,
        is_late: bool,
    }
    ReduceOrder {
        market: MarketId,
        order: OrderId,
        by: Qty,
        request: LogPosition,
    }
    ReplaceResting {
        old: OrderId,
        expected: Qty,
        only_expected: bool,
        request: LogPosition,
        place: PlaceOrder,
        terms: Terms,
    }
    StopArmed {
        market: MarketId,
        order: OrderId,
    }
    StopTracking {
        market: MarketId,
        order: OrderId,
        at: Timestamp,
    }
    StopTriggered {
        market: MarketId,
        order: OrderId,
        at: Timestamp,
    }
    PegSet {
        market: MarketId,
        order: OrderId,
        price: Price,
    }
    OrderReduced {
        market: MarketId,
        order: OrderId,
        by: Qty,
        leaves: Qty,
        request: LogPosition,
    }
    ReduceRefused {
        market: MarketId,
        order: OrderId,
        request: LogPosition,
    }
    ReplaceRefused {
        market: MarketId,
        old: OrderId,
        order: OrderId,
        request: LogPosition,
    }
    PullOrder {
        market: MarketId,
        order: OrderId,
        request: LogPosition,
        cause: CancelCause,
    }
    PullOrders {
        market: MarketId,
        account: AccountId,
        sides: Sides,
        request: LogPosition,
        cause: CancelCause,
    }
    TradePrevented {
        market: MarketId,
        prevented: PreventedMatchId,
        taker: OrderId,
        maker: OrderId,
        group: TradeGroupId,
        mode: SelfTradePrevention,
        price: Price,
        taker_qty: Qty,
        maker_qty: Qty,
        prevented_at: Timestamp,
    }
    MarketQuarantined {
        market: MarketId,
        partition: PartitionId,
        position: LogPosition,
    }
    OrderRefused {
        market: MarketId,
        order: OrderId,
        reason: RejectReason,
    }
    OrderFilled {
        market: MarketId,
        order: OrderId,
        trade: TradeId,
        price: Price,
        qty: Qty,
        leaves: Qty,
        is_maker: bool,
        traded_at: Timestamp,
    }
    OrderRested {
        market: MarketId,
        order: OrderId,
        leaves: Qty,
    }
    OrderEnded {
        market: MarketId,
        order: OrderId,
        leaves: Qty,
        cause: CancelCause,
        request: LogPosition,
    }
    PullRefused {
        market: MarketId,
        order: OrderId,
        request: LogPosition,
    }
    OrdersPulled {
        market: MarketId,
        account: AccountId,
        request: LogPosition,
        canceled: u32,
    }
}
