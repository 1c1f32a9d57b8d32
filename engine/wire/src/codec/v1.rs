//! Version 1 of the layouts. Frozen when 0.1.0 is released: from then on never edit a record, add a `v2` instead.
//! Until then a change moves the data directory's format number (`node::data_dir`), so that older bytes are refused.
//!
//! A command, mail, event or reply is a tag byte and a record; a record is its fields in the order
//! written here, without padding. SCHEMA.md draws them.

use alloc::vec::Vec;

use super::field::Field;
use super::{CodecError, Layout, Reader, Writer};
use crate::command::*;
use crate::event::*;
use crate::mail::*;
use crate::text::{AccountName, ApiKeyText, ClientOrderId, Secret, Symbol};
use crate::{
    AccountId, Amount, ApiKeyId, AssetId, BasisPoints, BookSequence, CancelCause, CancelRestriction, ChainAddress,
    ChainFreeze, ChainHash, ChainId, ClientSessionId, Command, DepositStage, Event, FeeRate, FeeTiers, FirmId,
    Incarnation, ListId, ListKind, LogPosition, Mail, MailSequence, MarketId, MarketProtection, MarketRules,
    MarketScale, MarketSchedule, MarketStatus, Networks, OrderId, OrderKind, Origin, PartitionId, PhaseCause,
    PreventedMatchId, Price, Qty, RejectReason, ReplaceMode, ScheduleStep, SelfTradePrevention, Sequence, SessionId,
    Side, Sides, SignedFeeRate, SpecialRules, Terms, TimeInForce, Timestamp, TradeGroupId, TradeId, UpdateId,
};

const fn size_of<F: Field>() -> usize {
    F::SIZE
}

macro_rules! records {
    ($($name:ident { $($field:ident: $unit:ty),+ $(,)? })+) => {
        $(
            impl Field for $name {
                const SIZE: usize = 0 $(+ size_of::<$unit>())+;
                const UNIT: &'static str = stringify!($name);

                fn write(&self, to: &mut Writer<'_>) {
                    $(to.put::<$unit>(&self.$field);)+
                }

                fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                    Ok($name { $($field: from.get::<$unit>()?),+ })
                }
            }
        )+

        /// Every record of this version.
        pub const LAYOUTS: &[Layout] = &[
            $(Layout {
                name: stringify!($name),
                fields: &[$((stringify!($field), size_of::<$unit>(), <$unit as Field>::UNIT)),+],
            }),+
        ];
    };
}

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
        order_lists_max: u32,
        trailing_delta_min: BasisPoints,
        trailing_delta_max: BasisPoints,
    }
    Terms {
        stop_price: Option<Price>,
        trailing_delta: BasisPoints,
        visible_qty: Qty,
        expire_at: Option<Timestamp>,
    }
    Origin {
        session: SessionId,
        sequence: Sequence,
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
    SetKillSwitch {
        account: AccountId,
        key: ApiKeyText,
        is_engaged: bool,
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
    CancelOrder {
        account: AccountId,
        market: MarketId,
        order: OrderId,
        client_order_id: ClientOrderId,
        restriction: CancelRestriction,
        new_client_order_id: ClientOrderId,
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
    CreateMarket {
        market: MarketId,
        scale: MarketScale,
        rules: MarketRules,
        ledger: PartitionId,
    }
    ChangeMarketStatus {
        market: MarketId,
        version: u32,
        status: MarketStatus,
        cancel_orders: bool,
        auction_after_ns: u64,
        trading_after_ns: u64,
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
    WithdrawOrder {
        market: MarketId,
        order: OrderId,
        request: LogPosition,
        cause: CancelCause,
    }
    WithdrawAll {
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
    WithdrawRefused {
        market: MarketId,
        order: OrderId,
        request: LogPosition,
    }
    AllWithdrawn {
        market: MarketId,
        account: AccountId,
        request: LogPosition,
        canceled: u32,
    }
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
    ListChain {
        symbol: Symbol,
        lease_ms: u32,
    }
    ListChainAsset {
        chain: ChainId,
        asset: AssetId,
        contract: ChainAddress,
        chain_decimals: u8,
        deposit_min: u128,
        confirmations: u32,
        large_from: Amount,
        large_confirmations: u32,
    }
    ClaimChain {
        chain: ChainId,
        instance: u64,
    }
    RequestAddress {
        account: AccountId,
        chain: ChainId,
    }
    BindAddress {
        chain: ChainId,
        fence: u64,
        index: u32,
        address: ChainAddress,
    }
    FreezeChain {
        chain: ChainId,
        fence: u64,
        reason: ChainFreeze,
    }
    ReportDeposit {
        chain: ChainId,
        fence: u64,
        tx: ChainHash,
        output: u32,
        index: u32,
        asset: AssetId,
        amount: u128,
        is_included: bool,
        block: ChainHash,
        height: u64,
        confirmations: u32,
        is_final: bool,
    }
    ResolveDeposit {
        chain: ChainId,
        tx: ChainHash,
        output: u32,
        is_credited: bool,
    }
    ChainListed {
        chain: ChainId,
        symbol: Symbol,
        lease_ms: u32,
    }
    ChainAssetListed {
        chain: ChainId,
        asset: AssetId,
        contract: ChainAddress,
        chain_decimals: u8,
        deposit_min: u128,
        confirmations: u32,
        large_from: Amount,
        large_confirmations: u32,
    }
    ChainClaimed {
        chain: ChainId,
        fence: u64,
        instance: u64,
    }
    ChainFrozen {
        chain: ChainId,
        reason: ChainFreeze,
    }
    AddressRequested {
        account: AccountId,
        chain: ChainId,
        index: u32,
    }
    AddressBound {
        account: AccountId,
        chain: ChainId,
        index: u32,
        address: ChainAddress,
    }
    DepositChanged {
        account: AccountId,
        chain: ChainId,
        tx: ChainHash,
        output: u32,
        index: u32,
        asset: AssetId,
        amount: u128,
        stage: DepositStage,
        block: ChainHash,
        height: u64,
        confirmations: u32,
        required: u32,
        credited: Amount,
        dust: u128,
        is_reverted: bool,
    }
}

macro_rules! tagged {
    ($name:ident { $($tag:literal => $variant:ident),+ $(,)? }) => {
        impl $name {
            /// The tag of every variant.
            #[cfg(test)]
            const TAGS: &'static [u8] = &[$($tag),+];

            fn read_tagged(from: &mut Reader<'_>) -> Result<$name, CodecError> {
                match from.get::<u8>()? {
                    $($tag => Ok($name::$variant(from.get()?)),)+
                    _ => Err(CodecError::UnknownNumber),
                }
            }

            fn write_tagged(&self, to: &mut Writer<'_>) {
                match self {
                    $($name::$variant(record) => {
                        to.put::<u8>(&$tag);
                        to.put(record);
                    })+
                }
            }
        }
    };
}

tagged! {
    Mail {
        1 => CreateMarket,
        2 => ChangeMarketStatus,
        3 => PlaceOrder,
        4 => WithdrawOrder,
        5 => WithdrawAll,
        16 => OrderRefused,
        17 => OrderFilled,
        18 => OrderRested,
        19 => OrderEnded,
        20 => WithdrawRefused,
        21 => AllWithdrawn,
        50 => ChangeMarketSchedule,
        51 => MarketReported,
        52 => ChangeMarketProtection,
        53 => ChangeMarketRules,
        60 => TradePrevented,
        61 => MarketQuarantined,
        40 => PlaceOrderOnTerms,
        41 => PlacePair,
        42 => ReduceOrder,
        43 => ReplaceResting,
        44 => StopArmed,
        45 => StopTracking,
        46 => StopTriggered,
        47 => OrderReduced,
        48 => ReduceRefused,
        49 => ReplaceRefused,
    }
}

tagged! {
    Event {
        1 => AssetListed,
        2 => MarketListed,
        3 => MarketStatusChanged,
        4 => AccountOpened,
        5 => ApiKeyAdded,
        6 => ApiKeyRevoked,
        7 => Credited,
        8 => Debited,
        9 => BalanceChanged,
        16 => OrderPending,
        17 => OrderAccepted,
        18 => OrderRejected,
        19 => OrderExecuted,
        20 => OrderResting,
        21 => OrderCanceled,
        22 => CancelRejected,
        23 => AllCanceled,
        32 => Traded,
        33 => LevelChanged,
        34 => DepthWindowClosed,
        50 => MarketScheduleChanged,
        51 => PhaseChanged,
        52 => AuctionIndicated,
        53 => AuctionCompleted,
        54 => MarketProtectionChanged,
        55 => MarketRulesChanged,
        70 => ApiKeyRestricted,
        71 => ApiKeyExtended,
        60 => AccountAssigned,
        61 => FeeScheduleChanged,
        62 => FeesChanged,
        63 => FeeTierChanged,
        64 => AccountLimitsChanged,
        65 => OrderLimitsChanged,
        66 => KillSwitchChanged,
        67 => MatchPrevented,
        68 => OrderShown,
        69 => CommandQuarantined,
        72 => LeaseChanged,
        73 => CountdownChanged,
        40 => OrderTerms,
        41 => OrderArmed,
        42 => OrderTracking,
        43 => OrderTriggered,
        44 => OrderAmended,
        45 => AmendRejected,
        46 => ListStarted,
        47 => ListEnded,
        48 => ListRejected,
        80 => ChainListed,
        81 => ChainAssetListed,
        82 => ChainClaimed,
        83 => ChainFrozen,
        84 => AddressRequested,
        85 => AddressBound,
        86 => DepositChanged,
    }
}

tagged! {
    Command {
        1 => ListAsset,
        2 => ListMarket,
        3 => SetMarketStatus,
        4 => OpenAccount,
        5 => AddApiKey,
        6 => RevokeApiKey,
        7 => Credit,
        8 => Debit,
        16 => NewOrder,
        17 => CancelOrder,
        18 => CancelAll,
        32 => DeliverMail,
        33 => AckMail,
        34 => Tick,
        50 => SetMarketSchedule,
        51 => ReopenMarket,
        52 => KillMarket,
        53 => SetMarketProtection,
        54 => SetMarketRules,
        55 => DelistMarket,
        70 => RestrictApiKey,
        71 => ExtendApiKey,
        60 => AssignAccount,
        61 => SetFeeSchedule,
        62 => SetFees,
        63 => SetAccountLimits,
        64 => SetOrderLimits,
        65 => SetKillSwitch,
        66 => MassCancel,
        67 => RenewLease,
        68 => EndLease,
        69 => CountdownCancel,
        40 => NewOrderOnTerms,
        41 => AmendOrder,
        42 => ReplaceOrder,
        43 => NewOrderList,
        44 => CancelOrderList,
        80 => ListChain,
        81 => ListChainAsset,
        82 => ClaimChain,
        83 => RequestAddress,
        84 => BindAddress,
        85 => FreezeChain,
        86 => ReportDeposit,
        87 => ResolveDeposit,
    }
}

impl Field for Tick {
    const SIZE: usize = 0;
    const UNIT: &'static str = "Tick";

    fn write(&self, _: &mut Writer<'_>) {}

    fn read(_: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Tick)
    }
}

/// A list is its count and its items; the count is checked against the bound before anything is
/// reserved, and never reserves more than the input could hold.
impl Field for DeliverMail {
    const SIZE: usize = 0;
    const UNIT: &'static str = "DeliverMail";

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.from);
        to.put(&self.incarnation);
        to.put(&self.first);
        to.put(&self.acknowledged);
        to.put(&(self.mail.len() as u32));
        for mail in &self.mail {
            mail.write_tagged(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (partition, incarnation, first, acknowledged) = (from.get()?, from.get()?, from.get()?, from.get()?);
        let count = from.get::<u32>()? as usize;
        if count == 0 {
            return Err(CodecError::OutOfRange);
        }
        if count > DeliverMail::MAIL_MAX {
            return Err(CodecError::TooLong);
        }
        let mut mail = Vec::with_capacity(count.min(from.len() / MAIL_SIZE_MIN));
        for _ in 0..count {
            mail.push(Mail::read_tagged(from)?);
        }
        Ok(DeliverMail { from: partition, incarnation, first, acknowledged, mail })
    }
}

/// The shortest mail is its tag and a [`MarketReported`].
const MAIL_SIZE_MIN: usize = 1 + size_of::<MarketReported>();

/// A list of orders is its kind, its name, the count of its legs in one byte, and the legs.
impl Field for NewOrderList {
    const SIZE: usize = 0;
    const UNIT: &'static str = "NewOrderList";

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.kind);
        to.put(&self.list_client_order_id);
        to.put(&(self.legs.len() as u8));
        for leg in &self.legs {
            to.put(leg);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (kind, list_client_order_id): (ListKind, _) = (from.get()?, from.get()?);
        let count = usize::from(from.get::<u8>()?);
        if count != kind.legs() {
            return Err(CodecError::OutOfRange);
        }
        let mut legs = Vec::with_capacity(count);
        for _ in 0..count {
            legs.push(from.get()?);
        }
        Ok(NewOrderList { kind, list_client_order_id, legs })
    }
}

/// The most bytes a command takes: a full [`DeliverMail`] of the longest mail.
pub const COMMAND_SIZE_MAX: usize = 1 + 30 + DeliverMail::MAIL_MAX * (1 + size_of::<CreateMarket>());

/// Appends a command.
pub fn encode_command(command: &Command, bytes: &mut Vec<u8>) {
    command.write_tagged(&mut Writer::new(bytes));
}

/// Reads one command that fills `bytes`.
pub fn decode_command(bytes: &[u8]) -> Result<Command, CodecError> {
    let mut from = Reader::new(bytes);
    let command = Command::read_tagged(&mut from)?;
    from.finish()?;
    Ok(command)
}

/// Appends an event; events of one batch follow each other without separators.
pub fn encode_event(event: &Event, bytes: &mut Vec<u8>) {
    event.write_tagged(&mut Writer::new(bytes));
}

/// Reads the events of one batch.
pub fn decode_events(bytes: &[u8]) -> Result<Vec<Event>, CodecError> {
    let mut from = Reader::new(bytes);
    let mut events = Vec::new();
    while !from.is_empty() {
        events.push(Event::read_tagged(&mut from)?);
    }
    Ok(events)
}

/// Appends mail, as it lies in snapshots.
pub fn encode_mail(mail: &Mail, to: &mut Writer<'_>) {
    mail.write_tagged(to);
}

/// Reads one mail, as it lies in snapshots.
pub fn decode_mail(from: &mut Reader<'_>) -> Result<Mail, CodecError> {
    Mail::read_tagged(from)
}

/// Appends a reply: a status byte, a reject number (0 when accepted) and an id; 11 bytes.
pub fn encode_reply(reply: &Reply, bytes: &mut Vec<u8>) {
    let mut to = Writer::new(bytes);
    match reply {
        Reply::Accepted { id } => {
            to.put::<u8>(&0);
            to.put::<u16>(&0);
            to.put(id);
        }
        Reply::Rejected { reason, id } => {
            to.put::<u8>(&1);
            to.put(reason);
            to.put(id);
        }
    }
}

/// Reads one reply that fills `bytes`.
pub fn decode_reply(bytes: &[u8]) -> Result<Reply, CodecError> {
    let mut from = Reader::new(bytes);
    let reply = match from.get::<u8>()? {
        0 => match from.get::<u16>()? {
            0 => Reply::Accepted { id: from.get()? },
            _ => return Err(CodecError::UnknownNumber),
        },
        1 => Reply::Rejected { reason: from.get()?, id: from.get()? },
        _ => return Err(CodecError::UnknownNumber),
    };
    from.finish()?;
    Ok(reply)
}

#[cfg(test)]
mod tests;
