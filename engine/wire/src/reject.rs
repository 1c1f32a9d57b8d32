//! Every way a command is refused. The numbers are permanent: they are stored in logs and cached replies.

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $number:literal,)+) => {
        /// Why a command was refused. A reject is an answer, not an error: the command changed nothing.
        /// Gateways alone turn it into client codes and texts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum RejectReason {
            $($(#[$doc])* $variant = $number),+
        }

        impl RejectReason {
            /// Every reason, in the order of its number.
            pub const ALL: &'static [RejectReason] = &[$(RejectReason::$variant),+];

            /// The permanent number.
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// The reason with this number, if there is one.
            pub const fn from_number(number: u16) -> Option<RejectReason> {
                match number {
                    $($number => Some(RejectReason::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    /// The bytes are not a command of this version.
    Malformed = 1,
    /// This partition has no cell that takes this command.
    WrongPartition = 2,
    /// A bounded table or queue is full; try later.
    Busy = 3,

    /// No such account.
    UnknownAccount = 100,
    /// An account of this name exists; the reply names it.
    AccountExists = 101,
    /// No such asset.
    UnknownAsset = 102,
    /// An asset of this symbol exists; the reply names it.
    AssetExists = 103,
    /// The asset's decimals are out of bounds.
    BadAsset = 104,
    /// No such API key.
    UnknownApiKey = 105,
    /// An API key of this name exists.
    ApiKeyExists = 106,
    /// The account, asset, market or key table is full.
    TableFull = 107,
    /// The amount is zero.
    ZeroAmount = 108,
    /// The balance or a total would exceed what it can hold.
    BalanceTooLarge = 109,
    /// The account's kill switch is engaged.
    AccountKilled = 110,
    /// The API key's kill switch is engaged.
    ApiKeyKilled = 111,
    /// The fees contradict each other or are out of bounds.
    BadFees = 112,
    /// The limits contradict each other or are out of bounds.
    BadLimits = 113,
    /// The account has no live lease of this client session.
    UnknownLease = 114,
    /// Another holder has taken the lease over.
    LeaseTaken = 115,
    /// The lease or the countdown is longer or shorter than it may be.
    BadDuration = 116,
    /// The command could not be executed by a quorum of replicas; it was put aside and changed nothing.
    Quarantined = 117,

    /// Material that does not follow the key's material so far, or that the kind of key does not take.
    BadKeyMaterial = 150,

    /// No such market.
    UnknownMarket = 200,
    /// A market of this symbol exists; the reply names it.
    MarketExists = 201,
    /// The market's rules contradict each other.
    BadMarketRules = 202,
    /// The market's price and quantity units are not whole numbers of the assets' ledger units.
    BadMarketScale = 203,
    /// The market takes no new orders now.
    MarketClosed = 204,
    /// The market cannot be reached now: its outbox is full. Nothing was held.
    MarketUnavailable = 205,
    /// While orders collect for an auction, only those that can wait and may take are accepted.
    NotInAuction = 210,
    /// The market is carrying out a change, such as an uncrossing, over several commands; try again.
    MarketChanging = 211,
    /// The market is gone for ever.
    MarketDelisted = 212,
    /// This phase is not entered this way, or a duration is zero or too long.
    BadPhase = 213,
    /// The schedule contradicts itself.
    BadSchedule = 214,
    /// While the market is post-only, only orders that rest whole are accepted.
    PostOnlyPhase = 215,
    /// The price limits contradict each other.
    BadProtection = 216,
    /// No partition of the cluster has this number.
    UnknownPartition = 217,

    /// A limit order without a price.
    PriceMissing = 300,
    /// The price is not a multiple of the tick.
    PriceOffTick = 301,
    /// The price is below the minimum.
    PriceTooLow = 302,
    /// The price is above the maximum.
    PriceTooHigh = 303,
    /// Neither quantity nor quote quantity, or both.
    QtyMissing = 304,
    /// The quantity is not a multiple of the lot.
    QtyOffLot = 305,
    /// The quantity is below the minimum.
    QtyTooSmall = 306,
    /// The quantity is above the maximum.
    QtyTooLarge = 307,
    /// Price × quantity is below the minimum.
    NotionalTooSmall = 308,
    /// Price × quantity is above the maximum, or more than an amount can hold.
    NotionalTooLarge = 309,
    /// This kind of order does not take this time in force.
    BadTimeInForce = 310,
    /// Free balance does not cover the order.
    InsufficientBalance = 311,
    /// An open order, or one closed within the last minute, has this client order id; the reply names it.
    DuplicateClientOrderId = 312,
    /// The client order id is empty or uses other characters than the published ones.
    BadClientOrderId = 313,
    /// The account has as many open orders in this market as it may.
    TooManyOpenOrders = 314,
    /// A maker-only order would have traded.
    WouldTake = 315,
    /// The price level would sum to more than a quantity can hold.
    LevelFull = 316,
    /// A market order found the opposite side empty.
    NoLiquidity = 317,
    /// The notional is below the market's MIN_NOTIONAL.
    BelowMinNotional = 318,
    /// The price is too far from the last trade for an order of its side (PERCENT_PRICE_BY_SIDE).
    PercentPriceBySide = 360,
    /// The price is too far from the last trade for any order (PERCENT_PRICE).
    PercentPrice = 361,

    /// The account has as many open orders, over all markets, as it may.
    AccountOpenOrders = 380,
    /// The order could make the account's position larger than it may be.
    PositionTooLarge = 381,
    /// The quantity is above the account's maximum for one order.
    AccountQtyTooLarge = 382,
    /// The notional is above the account's maximum for one order.
    AccountNotionalTooLarge = 383,
    /// The account has placed as many orders in this window of log time as it may.
    OrderRateExceeded = 384,
    /// The account has as many stop orders open, over all markets, as it may.
    AccountStopOrders = 385,
    /// The account has as many icebergs open, over all markets, as it may.
    AccountIcebergOrders = 386,
    /// The account has as many lists open, over all markets, as it may.
    AccountOrderLists = 387,
    /// The order would move more of its base or its quote asset than one order of the account may.
    AssetQtyTooLarge = 388,
    /// A stop order with neither stop price nor trailing delta.
    StopPriceMissing = 330,
    /// The last trade has met the stop price already.
    StopWouldTrigger = 331,
    /// The trailing delta is outside the market's bounds.
    BadTrailingDelta = 332,
    /// This order cannot show a part only, or the part exceeds it.
    BadIcebergQty = 333,
    /// The quantity makes more slices than the market allows.
    TooManyIcebergParts = 334,
    /// Good till a date that has passed, or a date without its time in force, or the other way round.
    BadExpiry = 335,
    /// This kind of order takes no stop price and no trailing delta.
    StopPriceNotTaken = 336,
    /// The account has as many stop orders open in this market as it may.
    TooManyStopOrders = 337,
    /// The orders do not make a list of this kind.
    BadOrderList = 338,
    /// The prices of the orders of a pair do not lie on their sides of the last price.
    BadListPrices = 339,
    /// An open list has this name; the reply names it.
    DuplicateListClientOrderId = 340,
    /// The account has as many lists open in this market as it may.
    TooManyOrderLists = 341,
    /// The account has as many icebergs open in this market as it may.
    TooManyIcebergOrders = 342,
    /// This market takes no pegged orders.
    PegsNotAllowed = 350,
    /// This kind of order, or its time in force, does not go with this peg.
    BadPeg = 351,
    /// The book has no such price level to peg to, or it is worse than what the order was held for.
    NoPegPrice = 352,
    /// This order takes no minimum quantity, or that is above the whole or off the lot.
    BadQtyMin = 353,

    /// No such open order of this account.
    UnknownOrder = 400,
    /// The order was filled or ended before the cancel reached it.
    TooLateToCancel = 401,
    /// The account has no open order in this market.
    NoOpenOrders = 402,
    /// No such open list of this account.
    UnknownOrderList = 410,
    /// The order is not in the state that the cancel is restricted to.
    CancelRestricted = 411,
    /// The new quantity is not below the present one, or not above what has traded.
    AmendNotLower = 412,
    /// Another amend of the order has no outcome yet.
    AmendPending = 413,
    /// An order of this kind cannot be amended.
    AmendNotAllowed = 414,
    /// The order has traded since; it was not replaced.
    LeavesChanged = 415,
    /// The order to be replaced was not canceled, so the new one was not placed.
    NotAttempted = 416,
    /// The order has been amended as often as its market allows.
    TooManyAmends = 430,

    /// No such chain.
    UnknownChain = 500,
    /// A chain of this symbol exists; the reply names it.
    ChainExists = 501,
    /// Another instance proposes for the chain, and its claim has not run out; the reply names its fence.
    ChainTaken = 502,
    /// The claim is an old one: another instance proposes for the chain; the reply names its fence.
    StaleFence = 503,
    /// The asset, or another one with this contract, is on the chain already.
    ChainAssetExists = 504,
    /// The asset does not move on this chain.
    UnknownChainAsset = 505,
    /// The chain's or the asset's numbers are out of bounds.
    BadChainRules = 506,
    /// No such address was asked for, or it is not bound yet.
    UnknownAddress = 507,
    /// The index has another address, or the address another index.
    AddressTaken = 508,
    /// No such deposit.
    UnknownDeposit = 509,
    /// The deposit does not stand where this could be decided.
    DepositNotOpen = 510,

    /// No such withdrawal, or it is another account's.
    UnknownWithdrawal = 600,
    /// The withdrawal does not stand where this could be done.
    WithdrawalNotOpen = 601,
    /// The asset cannot be withdrawn on this chain now.
    WithdrawalsDisabled = 602,
    /// Less than may be withdrawn.
    WithdrawalTooSmall = 603,
    /// More than may be withdrawn at once.
    WithdrawalTooLarge = 604,
    /// With this it would be more within 24 hours than the account, or all of them, may withdraw.
    WithdrawalLimitReached = 605,
    /// The account may not withdraw to this address.
    AddressNotAllowed = 606,
    /// The account has given this name to another request; the reply names that withdrawal.
    WithdrawalExists = 607,
    /// The amount is no whole number of the chain's units.
    BadWithdrawalAmount = 608,
    /// The chain is frozen: nothing is allocated and nothing signed.
    ChainIsFrozen = 609,
    /// Another withdrawal spends the input or has the nonce; the reply names it.
    InputTaken = 610,
    /// It does not spend what the transaction before it spends, or does not pay more.
    NotAReplacement = 611,
    /// The transaction pays more to its chain than it may.
    NetworkFeeTooHigh = 612,
    /// The house's free balance does not cover what the transaction pays to its chain.
    HouseBalanceTooLow = 613,
    /// This operator has approved it already.
    AlreadyApproved = 614,
    /// It contradicts what the log says of the withdrawal's transactions.
    WithdrawalMismatch = 615,
    /// The rules contradict each other or are out of bounds.
    BadWithdrawalRules = 616,
    /// The withdrawal's address has not been known for long enough.
    WithdrawalNotReady = 617,
    /// The account may withdraw nothing.
    WithdrawalsBlocked = 618,
    /// Another move of the exchange's own money was made on the chain meanwhile, or one of the same is not over.
    MoveOutOfTurn = 619,
    /// The chain has less of the asset than it should have, or had and no operator has looked: its withdrawals are halted.
    ReservesShort = 620,
    /// The log has said more of the chain than the comparison knows; the reply names the position of that.
    ReservesOutdated = 621,
    /// They are not halted, or what was missing is not there again.
    ReservesNotFound = 622,
    /// What came by no deposit can be told from the rest where addresses have accounts alone.
    BadReserves = 623,
    /// It goes with others in one transaction; the reply names their batch.
    WithdrawalInBatch = 624,
    /// The address is the hot wallet's or a cold one's: what is sent there does not leave the exchange.
    AddressOfExchange = 625,

    /// It loosens what guards withdrawals: an operator proposes it, and another one approves it.
    NeedsSecondOperator = 650,
    /// It loosens nothing: one operator does it, without a proposal.
    NothingLoosened = 651,
    /// The same is proposed already; the reply names that proposal.
    LooseningExists = 652,
    /// As many proposals wait as may.
    TooManyLoosenings = 653,
    /// No such proposal waits: it was approved, dropped or overtaken, or has run out.
    UnknownLoosening = 654,
    /// What is approved is not what was proposed.
    LooseningMismatch = 655,
    /// Who has proposed it does not approve it.
    SameOperator = 656,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_reasons() {
        for reason in RejectReason::ALL {
            assert_eq!(RejectReason::from_number(reason.number()), Some(*reason));
        }
        assert_eq!(RejectReason::from_number(0), None);
    }
}
