//! Market rules and other parts, and commands but those of blockchains.

use super::*;

records! {
    MarketScale {
        price_decimals: u8,
        qty_decimals: u8,
        quote_factor: i64,
        base_factor: i64,
    }
    MarketRules {
        tick: Price,
        price_min: Price,
        price_max: Price,
        lot: Qty,
        qty_min: Qty,
        qty_max: Qty,
        market_qty_max: Qty,
        notional_min: Amount,
        notional_max: Amount,
        protection_ppm: u32,
        open_orders_max: u32,
        special: SpecialRules,
    }
    SpecialRules {
        iceberg_parts_max: u32,
        stop_orders_max: u32,
        iceberg_orders_max: u32,
        order_lists_max: u32,
        order_amends_max: u16,
        trailing_delta_min: BasisPoints,
        trailing_delta_max: BasisPoints,
        takes_pegged: bool,
        min_notional: Amount,
        min_notional_of_market: bool,
    }
    Peg {
        side: PegSide,
        levels: u8,
        has_price: bool,
    }
    Terms {
        stop_price: Option<Price>,
        trailing_delta: BasisPoints,
        visible_qty: Qty,
        expire_at: Option<Timestamp>,
        peg: Peg,
        qty_min: Qty,
        strategy: StrategyLabel,
    }
    Origin {
        session: SessionId,
        sequence: Sequence,
    }
    Capacity {
        accounts_max: u32,
        api_keys_max: u32,
        open_orders_max: u32,
        remembered_orders_max: u32,
        resting_orders_max: u32,
        deposit_addresses_max: u32,
        deposits_max: u32,
        withdrawals_max: u32,
    }
    ListAsset {
        symbol: Symbol,
        ledger_decimals: u8,
    }
    ListMarket {
        symbol: Symbol,
        base: AssetId,
        quote: AssetId,
        partition: PartitionId,
        price_decimals: u8,
        qty_decimals: u8,
        rules: MarketRules,
        status: MarketStatus,
    }
    SetMarketStatus {
        market: MarketId,
        status: MarketStatus,
    }
    ScheduleStep {
        weekdays: u8,
        second: u32,
        status: MarketStatus,
    }
    MarketSchedule {
        steps: [ScheduleStep; MarketSchedule::STEPS_MAX],
    }
    SetMarketSchedule {
        market: MarketId,
        schedule: MarketSchedule,
    }
    ReopenMarket {
        market: MarketId,
        cancel_only_ns: u64,
        auction_ns: u64,
    }
    KillMarket {
        market: MarketId,
        cancel_orders: bool,
    }
    MarketProtection {
        static_band_ppm: u32,
        dynamic_band_ppm: u32,
        volatility_auction_ns: u64,
        bid_up_ppm: u32,
        bid_down_ppm: u32,
        ask_up_ppm: u32,
        ask_down_ppm: u32,
        up_ppm: u32,
        down_ppm: u32,
    }
    SetMarketProtection {
        market: MarketId,
        protection: MarketProtection,
    }
    SetMarketRules {
        market: MarketId,
        rules: MarketRules,
    }
    DelistMarket {
        market: MarketId,
    }
    OpenAccount {
        name: AccountName,
        maker_fee: FeeRate,
        taker_fee: FeeRate,
    }
    AddApiKey {
        account: AccountId,
        key: ApiKeyText,
        kind: ApiKeyKind,
        permissions: Permissions,
        secret: Secret,
    }
    RevokeApiKey {
        key: ApiKeyText,
    }
    RestrictApiKey {
        key: ApiKeyText,
        networks: Networks,
    }
    ExtendApiKey {
        key: ApiKeyText,
        part: u8,
        material: Secret,
    }
    Credit {
        account: AccountId,
        asset: AssetId,
        amount: Amount,
    }
    Debit {
        account: AccountId,
        asset: AssetId,
        amount: Amount,
    }
    NewOrder {
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
        key: ApiKeyId,
        session: ClientSessionId,
        asked_us: u64,
    }
    AssignAccount {
        account: AccountId,
        group: TradeGroupId,
        firm: FirmId,
    }
    SetFeeSchedule {
        valuation: AssetId,
        tiers: FeeTiers,
    }
    SetFees {
        account: AccountId,
        market: MarketId,
        maker: SignedFeeRate,
        taker: FeeRate,
        is_set: bool,
    }
    SetAccountLimits {
        account: AccountId,
        open_orders_max: u32,
        stop_orders_max: u32,
        iceberg_orders_max: u32,
        order_lists_max: u32,
        order_rate_max: u32,
        order_rate_window_ms: u32,
    }
    SetOrderLimits {
        account: AccountId,
        market: MarketId,
        qty_max: Qty,
        notional_max: Amount,
        position_max: Amount,
    }
    SetAssetLimit {
        account: AccountId,
        asset: AssetId,
        order_max: Amount,
    }
    SetKillSwitch {
        account: AccountId,
        key: ApiKeyText,
        is_engaged: bool,
    }
    RaiseCapacity {
        capacity: Capacity,
    }
    SetVersion {
        version: u16,
    }
    MassCancel {
        account: AccountId,
        market: MarketId,
        sides: Sides,
        session: ClientSessionId,
    }
    RenewLease {
        account: AccountId,
        session: ClientSessionId,
        holder: u64,
        takes_over: bool,
        lease_ms: u32,
    }
    EndLease {
        account: AccountId,
        session: ClientSessionId,
        holder: u64,
    }
    CountdownCancel {
        account: AccountId,
        market: MarketId,
        countdown_ms: u32,
    }
    SealName {
        account: AccountId,
        client_order_id: ClientOrderId,
        asked_us: u64,
        is_list: bool,
    }
    CancelOrder {
        account: AccountId,
        market: MarketId,
        order: OrderId,
        client_order_id: ClientOrderId,
        restriction: CancelRestriction,
        new_client_order_id: ClientOrderId,
        asked_us: u64,
    }
    NewOrderOnTerms {
        order: NewOrder,
        terms: Terms,
    }
    AmendOrder {
        account: AccountId,
        market: MarketId,
        order: OrderId,
        client_order_id: ClientOrderId,
        qty: Qty,
        new_client_order_id: ClientOrderId,
        asked_us: u64,
    }
    ReplaceOrder {
        cancel: CancelOrder,
        mode: ReplaceMode,
        order: NewOrder,
        terms: Terms,
    }
    CancelOrderList {
        account: AccountId,
        market: MarketId,
        list: ListId,
        list_client_order_id: ClientOrderId,
        new_client_order_id: ClientOrderId,
        asked_us: u64,
    }
    CancelAll {
        account: AccountId,
        market: MarketId,
    }
    AckMail {
        from: PartitionId,
        incarnation: Incarnation,
        acknowledged: MailSequence,
    }
}
