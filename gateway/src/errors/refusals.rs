//! What a client is told when the cells refuse.

use wire::RejectReason;

use super::*;

impl ApiError {
    /// With the time at which a retry makes sense, of a refusal that speaks of one: `id` is what its reason speaks of.
    pub fn told_with(self, reason: RejectReason, id: u64) -> ApiError {
        let retry_after_s = match reason {
            RejectReason::OrderRateExceeded => u32::try_from(id.div_ceil(1_000)).ok(),
            _ => self.retry_after_s,
        };
        ApiError { retry_after_s, ..self }
    }
}

impl From<RejectReason> for ApiError {
    fn from(reason: RejectReason) -> ApiError {
        use RejectReason::*;
        match reason {
            Busy | TableFull | MarketUnavailable => BUSY_IN_LOG,
            Malformed | WrongPartition => UNKNOWN,
            UnknownAccount | UnknownApiKey => NOT_PERMITTED,
            BadKeyMaterial | AccountExists | AssetExists | ApiKeyExists | MarketExists | BadAsset | BadMarketRules
            | BadMarketScale | BadPhase | BadSchedule | BadProtection | UnknownPartition | UnknownAsset
            | ZeroAmount => UNSUPPORTED,
            BalanceTooLarge => ApiError::new(-2010, "Account balance would exceed what it can hold."),
            UnknownMarket => INVALID_SYMBOL,
            MarketClosed | MarketDelisted => MARKET_CLOSED,
            MarketChanging => BUSY_IN_LOG,
            NotInAuction => {
                ApiError::new(-2010, "This order type is not supported while orders collect for an auction.")
            }
            PostOnlyPhase => {
                ApiError::new(-2010, "Only orders that rest whole are supported while the market is post-only.")
            }
            PriceMissing => ApiError::mandatory("price"),
            PriceOffTick | PriceTooLow | PriceTooHigh => ApiError::filter("PRICE_FILTER"),
            QtyMissing => ApiError::either_mandatory("quantity", "quoteOrderQty"),
            QtyOffLot | QtyTooSmall | QtyTooLarge => ApiError::filter("LOT_SIZE"),
            NotionalTooSmall | NotionalTooLarge => ApiError::filter("NOTIONAL"),
            BelowMinNotional => ApiError::filter("MIN_NOTIONAL"),
            PercentPrice => ApiError::filter("PERCENT_PRICE"),
            PercentPriceBySide => ApiError::filter("PERCENT_PRICE_BY_SIDE"),
            TooManyOpenOrders => ApiError::filter("MAX_NUM_ORDERS"),
            BadTimeInForce => INVALID_TIME_IN_FORCE,
            InsufficientBalance => ApiError::new(-2010, "Account has insufficient balance for requested action."),
            DuplicateClientOrderId => ApiError::new(-2010, "Duplicate order sent."),
            BadClientOrderId => ApiError::illegal_characters("newClientOrderId", crate::params::CLIENT_ORDER_ID_RANGE),
            WouldTake => ApiError::new(-2010, "Order would immediately match and take."),
            LevelFull => ApiError::new(-2010, "The price level can hold no more quantity."),
            NoLiquidity => ApiError::new(-2010, "No liquidity on the opposite side of the book."),
            AccountKilled | ApiKeyKilled => ApiError::new(-2010, "This account may not place or cancel orders."),
            BadFees | BadLimits => UNSUPPORTED,
            UnknownLease | LeaseTaken => ApiError::new(-2010, "The session of this order has ended."),
            BadDuration => ApiError::new(-1102, "The duration is out of bounds."),
            Quarantined => UNKNOWN,
            UnknownChain | UnknownChainAsset => ApiError::new(-1102, "The network is not supported for this asset."),
            ChainExists | ChainTaken | StaleFence | ChainAssetExists | BadChainRules | UnknownAddress
            | AddressTaken | UnknownDeposit | DepositNotOpen => UNSUPPORTED,
            WithdrawalTooSmall | BadWithdrawalAmount => ApiError::new(-4021, "The withdrawal amount is out of bounds."),
            WithdrawalTooLarge | WithdrawalLimitReached => BEYOND_THE_MAXIMUM,
            AddressNotAllowed => NOT_ON_THE_WHITELIST,
            AddressOfExchange => ILLEGAL_ADDRESS,
            WithdrawalExists => WITHDRAW_ORDER_ID_TAKEN,
            WithdrawalsDisabled => NOT_OPEN_FOR_WITHDRAWAL,
            WithdrawalsBlocked => WITHDRAWALS_LIMITED,
            UnknownWithdrawal => ApiError::new(-4029, "The withdrawal record does not exist."),
            WithdrawalNotOpen => ApiError::new(-4031, "Cancellation failed."),
            ChainIsFrozen | InputTaken | NotAReplacement | NetworkFeeTooHigh | HouseBalanceTooLow | AlreadyApproved
            | WithdrawalMismatch | MoveOutOfTurn | BadWithdrawalRules | WithdrawalNotReady | ReservesShort
            | WithdrawalInBatch | ReservesOutdated | ReservesNotFound | BadReserves | NeedsSecondOperator
            | NothingLoosened | LooseningExists | TooManyLoosenings | UnknownLoosening | LooseningMismatch
            | SameOperator => UNSUPPORTED,
            AccountOpenOrders => ApiError::filter("EXCHANGE_MAX_NUM_ORDERS"),
            AccountStopOrders => ApiError::filter("EXCHANGE_MAX_NUM_ALGO_ORDERS"),
            AccountIcebergOrders => ApiError::filter("EXCHANGE_MAX_NUM_ICEBERG_ORDERS"),
            AccountOrderLists => ApiError::filter("EXCHANGE_MAX_NUM_ORDER_LISTS"),
            AssetQtyTooLarge => ApiError::filter("MAX_ASSET"),
            PositionTooLarge => ApiError::filter("MAX_POSITION"),
            AccountQtyTooLarge => ApiError::filter("ACCOUNT_MAX_QTY"),
            AccountNotionalTooLarge => ApiError::filter("ACCOUNT_MAX_NOTIONAL"),
            OrderRateExceeded => ApiError {
                status: 429,
                ..ApiError::new(-1015, "Too many new orders; the limit of this account is reached.")
            },
            UnknownOrder | TooLateToCancel | NoOpenOrders => UNKNOWN_ORDER,
            StopPriceMissing => ApiError::either_mandatory("stopPrice", "trailingDelta"),
            StopWouldTrigger => ApiError::new(-2010, "Order would trigger immediately."),
            BadTrailingDelta => ApiError::filter("TRAILING_DELTA"),
            BadIcebergQty => ApiError::new(-1013, "IcebergQty exceeds QTY."),
            TooManyIcebergParts => ApiError::filter("ICEBERG_PARTS"),
            BadExpiry => ApiError::new(-1013, "Invalid goodTillDate."),
            PegsNotAllowed => PEGS_UNSUPPORTED,
            BadPeg => WRONG_PEG_FOR_TYPE,
            NoPegPrice => ApiError::new(-2010, "Order book liquidity is too low for this pegged order."),
            BadQtyMin => ApiError::new(-1013, "Invalid minExecutedQty."),
            StopPriceNotTaken => ApiError::new(-1106, "Parameter 'stopPrice' sent when not required."),
            TooManyStopOrders => ApiError::filter("MAX_NUM_ALGO_ORDERS"),
            TooManyIcebergOrders => ApiError::filter("MAX_NUM_ICEBERG_ORDERS"),
            BadOrderList => ApiError::new(-1013, "Invalid order list."),
            BadListPrices => ApiError::new(-2010, "The relationship of the prices for the orders is not correct."),
            DuplicateListClientOrderId => ApiError::new(-2010, "Duplicate order list sent."),
            TooManyOrderLists => ApiError::filter("MAX_NUM_ORDER_LISTS"),
            UnknownOrderList => ApiError::new(-2011, "Unknown order list sent."),
            CancelRestricted | LeavesChanged => {
                ApiError::new(-2011, "Order was not canceled due to cancel restrictions.")
            }
            AmendNotLower => ApiError::new(-2038, "The requested action would change no state; rejecting."),
            AmendPending => BUSY_IN_LOG,
            TooManyAmends => ApiError::new(-2038, "Filter failure: MAX_NUM_ORDER_AMENDS"),
            AmendNotAllowed => ApiError::new(-2038, "This order cannot be amended."),
            NotAttempted => ApiError::new(-2021, "Order cancel-replace failed."),
        }
    }
}
