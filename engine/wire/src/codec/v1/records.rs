//! The records of version 1: their fields, in the order in which they are written.

use super::super::field::Field;
use super::super::{CodecError, Layout, Reader, Writer};
use super::size_of;
use crate::command::*;
use crate::event::*;
use crate::mail::*;
use crate::text::{AccountName, ApiKeyText, ClientOrderId, Secret, Symbol};
use crate::{
    AccountId, Amount, ApiKeyId, AssetId, BasisPoints, BookSequence, CancelCause, CancelRestriction, ChainAddress,
    ChainFreeze, ChainHash, ChainId, ChainInputs, ClientSessionId, DepositStage, FeeRate, FeeTiers, FirmId,
    Incarnation, ListId, ListKind, LogPosition, MailSequence, MarketId, MarketProtection, MarketRules, MarketScale,
    MarketSchedule, MarketStatus, Networks, OrderId, OrderKind, Origin, PartitionId, PhaseCause, PreventedMatchId,
    Price, Qty, RejectReason, ReplaceMode, ScheduleStep, SelfTradePrevention, Sequence, SessionId, Side, Sides,
    Sighting, SignedFeeRate, SpecialRules, Terms, TimeInForce, Timestamp, TradeGroupId, TradeId, TransactionBytes,
    UpdateId, WithdrawalCause, WithdrawalId, WithdrawalRules, WithdrawalStage,
};

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
    WithdrawalRules {
        is_enabled: bool,
        amount_min: Amount,
        amount_max: Amount,
        fee: Amount,
        account_day_max: Amount,
        day_max: Amount,
        review_from: Amount,
        approvals: u8,
        address_delay_s: u32,
        confirmations: u32,
        network_fee_max: u128,
        house: AccountId,
    }
    SetWithdrawalRules {
        chain: ChainId,
        asset: AssetId,
        rules: WithdrawalRules,
    }
    RestrictWithdrawals {
        account: AccountId,
        is_blocked: bool,
        is_allow_listed: bool,
    }
    AllowAddress {
        account: AccountId,
        chain: ChainId,
        address: ChainAddress,
        is_allowed: bool,
    }
    RequestWithdrawal {
        account: AccountId,
        chain: ChainId,
        asset: AssetId,
        address: ChainAddress,
        amount: Amount,
        name: ClientOrderId,
    }
    ApproveWithdrawal {
        withdrawal: WithdrawalId,
        approver: AccountName,
    }
    CancelWithdrawal {
        withdrawal: WithdrawalId,
        account: AccountId,
    }
    AllocateWithdrawal {
        chain: ChainId,
        fence: u64,
        withdrawal: WithdrawalId,
        attempt: u8,
        inputs: ChainInputs,
        nonce: u64,
        network_fee: u128,
        gas_limit: u64,
        tip_per_gas: u128,
    }
    SignWithdrawal {
        chain: ChainId,
        fence: u64,
        withdrawal: WithdrawalId,
        attempt: u8,
        tx: ChainHash,
        bytes: TransactionBytes,
    }
    RefuseWithdrawal {
        chain: ChainId,
        fence: u64,
        withdrawal: WithdrawalId,
        attempt: u8,
    }
    ReportWithdrawal {
        chain: ChainId,
        fence: u64,
        withdrawal: WithdrawalId,
        tx: ChainHash,
        sighting: Sighting,
        block: ChainHash,
        height: u64,
        confirmations: u32,
        is_final: bool,
        network_fee: u128,
    }
    FailWithdrawal {
        withdrawal: WithdrawalId,
    }
    WithdrawalRulesChanged {
        chain: ChainId,
        asset: AssetId,
        rules: WithdrawalRules,
    }
    WithdrawalsRestricted {
        account: AccountId,
        is_blocked: bool,
        is_allow_listed: bool,
    }
    AddressAllowed {
        account: AccountId,
        chain: ChainId,
        address: ChainAddress,
        since: Timestamp,
        is_allowed: bool,
    }
    WithdrawalApproved {
        withdrawal: WithdrawalId,
        approver: AccountName,
    }
    WithdrawalAllocated {
        chain: ChainId,
        withdrawal: WithdrawalId,
        attempt: u8,
        inputs: ChainInputs,
        nonce: u64,
        network_fee: u128,
        gas_limit: u64,
        tip_per_gas: u128,
    }
    WithdrawalSigned {
        chain: ChainId,
        withdrawal: WithdrawalId,
        attempt: u8,
        tx: ChainHash,
        bytes: TransactionBytes,
    }
    WithdrawalChanged {
        withdrawal: WithdrawalId,
        account: AccountId,
        chain: ChainId,
        asset: AssetId,
        address: ChainAddress,
        name: ClientOrderId,
        amount: Amount,
        fee: Amount,
        stage: WithdrawalStage,
        cause: WithdrawalCause,
        requested_at: Timestamp,
        ready_at: Timestamp,
        changed_at: Timestamp,
        approvals_missing: u8,
        attempts: u8,
        tx: ChainHash,
        block: ChainHash,
        height: u64,
        confirmations: u32,
        required: u32,
        network_fee: u128,
        house_held: Amount,
        is_undone: bool,
        is_reverted: bool,
    }
}
