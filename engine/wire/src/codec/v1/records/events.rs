//! Events but those of blockchains.

use super::*;

records! {
    AssetListed {
        asset: AssetId,
        symbol: Symbol,
        ledger_decimals: u8,
    }
    MarketListed {
        market: MarketId,
        symbol: Symbol,
        base: AssetId,
        quote: AssetId,
        partition: PartitionId,
        scale: MarketScale,
        rules: MarketRules,
    }
    MarketStatusChanged {
        market: MarketId,
        status: MarketStatus,
    }
    MarketScheduleChanged {
        market: MarketId,
        schedule: MarketSchedule,
    }
    MarketProtectionChanged {
        market: MarketId,
        version: u32,
        protection: MarketProtection,
    }
    MarketRulesChanged {
        market: MarketId,
        version: u32,
        rules: MarketRules,
    }
    PhaseChanged {
        market: MarketId,
        number: u64,
        status: MarketStatus,
        cause: PhaseCause,
        until: Timestamp,
    }
    AuctionIndicated {
        market: MarketId,
        price: Option<Price>,
        qty: Qty,
        surplus: i64,
    }
    AuctionCompleted {
        market: MarketId,
        price: Price,
        qty: Qty,
    }
    AccountOpened {
        account: AccountId,
        name: AccountName,
        maker_fee: FeeRate,
        taker_fee: FeeRate,
    }
    ApiKeyAdded {
        account: AccountId,
        key: ApiKeyText,
        kind: ApiKeyKind,
        permissions: Permissions,
        secret: Secret,
        id: ApiKeyId,
    }
    ApiKeyRevoked {
        account: AccountId,
        key: ApiKeyText,
    }
    ApiKeyRestricted {
        account: AccountId,
        key: ApiKeyText,
        networks: Networks,
    }
    ApiKeyExtended {
        account: AccountId,
        key: ApiKeyText,
        part: u8,
        material: Secret,
    }
    Credited {
        account: AccountId,
        asset: AssetId,
        amount: Amount,
    }
    Debited {
        account: AccountId,
        asset: AssetId,
        amount: Amount,
    }
    BalanceChanged {
        account: AccountId,
        asset: AssetId,
        free: Amount,
        held: Amount,
    }
    OrderPending {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        side: Side,
        kind: OrderKind,
        time_in_force: TimeInForce,
        self_trade: SelfTradePrevention,
        price: Price,
        qty: Qty,
        quote_qty: Amount,
        client_order_id: ClientOrderId,
    }
    OrderAccepted {
        order: OrderId,
        account: AccountId,
        market: MarketId,
    }
    OrderRejected {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        reason: RejectReason,
    }
    OrderExecuted {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        trade: TradeId,
        side: Side,
        price: Price,
        qty: Qty,
        quote_amount: Amount,
        fee: Amount,
        fee_asset: AssetId,
        rebate: Amount,
        is_maker: bool,
        leaves: Qty,
        traded_at: Timestamp,
    }
    OrderResting {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        leaves: Qty,
    }
    OrderCanceled {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        leaves: Qty,
        cause: CancelCause,
        request: LogPosition,
        canceled_as: ClientOrderId,
    }
    OrderTerms {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        list: ListId,
        terms: Terms,
    }
    OrderArmed {
        order: OrderId,
        account: AccountId,
        market: MarketId,
    }
    OrderTracking {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        at: Timestamp,
    }
    OrderTriggered {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        at: Timestamp,
    }
    OrderPegged {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        price: Price,
    }
    OrderAmended {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        qty_before: Qty,
        qty: Qty,
        leaves: Qty,
        client_order_id: ClientOrderId,
        request: LogPosition,
    }
    ReplacementRefused {
        account: AccountId,
        market: MarketId,
        request: LogPosition,
        reason: RejectReason,
        id: u64,
    }
    AmendRejected {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        reason: RejectReason,
        request: LogPosition,
    }
    ListStarted {
        list: ListId,
        account: AccountId,
        market: MarketId,
        kind: ListKind,
        list_client_order_id: ClientOrderId,
        first: OrderId,
        second: OrderId,
        third: OrderId,
    }
    ListEnded {
        list: ListId,
        account: AccountId,
        market: MarketId,
    }
    ListRejected {
        list: ListId,
        account: AccountId,
        market: MarketId,
        reason: RejectReason,
    }
    CancelRejected {
        order: OrderId,
        account: AccountId,
        market: MarketId,
        reason: RejectReason,
        request: LogPosition,
    }
    AllCanceled {
        account: AccountId,
        market: MarketId,
        request: LogPosition,
        canceled: u32,
    }
    Traded {
        market: MarketId,
        trade: TradeId,
        price: Price,
        qty: Qty,
        taker_side: Side,
        taker: OrderId,
        maker: OrderId,
        sequence: BookSequence,
        is_auction: bool,
    }
    AccountAssigned {
        account: AccountId,
        group: TradeGroupId,
        firm: FirmId,
    }
    FeeScheduleChanged {
        valuation: AssetId,
        tiers: FeeTiers,
    }
    FeesChanged {
        account: AccountId,
        market: MarketId,
        maker: SignedFeeRate,
        taker: FeeRate,
        is_set: bool,
    }
    FeeTierChanged {
        account: AccountId,
        tier: u8,
        volume: Amount,
    }
    AccountLimitsChanged {
        account: AccountId,
        open_orders_max: u32,
        stop_orders_max: u32,
        iceberg_orders_max: u32,
        order_lists_max: u32,
        order_rate_max: u32,
        order_rate_window_ms: u32,
    }
    OrderLimitsChanged {
        account: AccountId,
        market: MarketId,
        qty_max: Qty,
        notional_max: Amount,
        position_max: Amount,
    }
    AssetLimitChanged {
        account: AccountId,
        asset: AssetId,
        order_max: Amount,
    }
    KillSwitchChanged {
        account: AccountId,
        key: ApiKeyId,
        is_engaged: bool,
    }
    MatchPrevented {
        market: MarketId,
        prevented: PreventedMatchId,
        taker: OrderId,
        taker_account: AccountId,
        maker: OrderId,
        maker_account: AccountId,
        group: TradeGroupId,
        mode: SelfTradePrevention,
        price: Price,
        taker_qty: Qty,
        maker_qty: Qty,
        prevented_at: Timestamp,
    }
    OrderShown {
        market: MarketId,
        sequence: BookSequence,
        order: OrderId,
        side: Side,
        price: Price,
        qty: Qty,
        is_last: bool,
    }
    CommandQuarantined {
        partition: PartitionId,
        position: LogPosition,
        market: MarketId,
    }
    CapacityRaised {
        capacity: Capacity,
    }
    VersionChanged {
        partition: PartitionId,
        version: u16,
    }
    LeaseChanged {
        account: AccountId,
        session: ClientSessionId,
        holder: u64,
        expires: Timestamp,
        canceling: u32,
    }
    CountdownChanged {
        account: AccountId,
        market: MarketId,
        expires: Timestamp,
        has_elapsed: bool,
    }
    LevelChanged {
        market: MarketId,
        side: Side,
        price: Price,
        qty: Qty,
        update: UpdateId,
    }
    DepthWindowClosed {
        market: MarketId,
        first: UpdateId,
        last: UpdateId,
    }
}
