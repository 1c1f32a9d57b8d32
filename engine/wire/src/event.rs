//! What happened, in log order. Everything a client may see is derived from these, without asking a cell
//! again: private events come from ledger cells, public ones from market cells.

mod account;
mod book;
mod chain;
mod loosening;
mod market;
mod reserves;
mod session;
mod special;
mod stream;
mod withdrawal;

use alloc::boxed::Box;

pub use self::loosening::{LooseningEnded, LooseningProposed};
pub use self::market::{
    AuctionCompleted, AuctionIndicated, MarketProtectionChanged, MarketRulesChanged, MarketScheduleChanged,
    PhaseChanged,
};
pub use self::reserves::ReservesChanged;
pub use self::special::{
    AmendRejected, ListEnded, ListRejected, ListStarted, OrderAmended, OrderArmed, OrderPegged, OrderTerms,
    OrderTracking, OrderTriggered, ReplacementRefused,
};
pub use self::withdrawal::{
    AddressAllowed, HotWalletChanged, WithdrawalAllocated, WithdrawalApproved, WithdrawalChanged,
    WithdrawalRulesChanged, WithdrawalSigned, WithdrawalsRestricted,
};
pub use crate::api_key::{ApiKeyExtended, ApiKeyRestricted};
use crate::command::{ApiKeyKind, Permissions};
use crate::text::{AccountName, ApiKeyText, ClientOrderId, Secret, Symbol};
use crate::{
    AccountId, Amount, ApiKeyId, AssetId, BookSequence, CancelCause, FeeRate, LogPosition, MarketId, MarketRules,
    MarketScale, MarketStatus, OrderId, OrderKind, PartitionId, Price, Qty, RejectReason, SelfTradePrevention, Side,
    TimeInForce, Timestamp, TradeId, UpdateId,
};

pub use self::account::{
    AccountAssigned, AccountLimitsChanged, AssetLimitChanged, FeeScheduleChanged, FeeTierChanged, FeesChanged,
    KillSwitchChanged, OrderLimitsChanged,
};
pub use self::book::{CommandQuarantined, MatchPrevented, OrderShown};
pub use self::chain::{
    AddressBound, AddressRequested, ChainAdvanced, ChainAssetListed, ChainClaimed, ChainFrozen, ChainListed,
    DepositChanged,
};
pub use self::session::{CapacityRaised, CountdownChanged, LeaseChanged, VersionChanged};
pub use self::stream::Stream;

/// One fact. The batch it arrives in names log position and log time. What is rare and long is boxed, so that the
/// facts of every order stay short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Ledger: an asset is known.
    AssetListed(AssetListed),
    /// Ledger: a market has been created.
    MarketListed(Box<MarketListed>),
    /// Ledger: a market's orders are admitted by this phase now.
    MarketStatusChanged(MarketStatusChanged),
    /// Ledger: a market has another schedule.
    MarketScheduleChanged(MarketScheduleChanged),
    /// Ledger: a market has other price limits.
    MarketProtectionChanged(MarketProtectionChanged),
    /// Ledger: a market has other filters.
    MarketRulesChanged(Box<MarketRulesChanged>),
    /// Ledger: an account was opened.
    AccountOpened(AccountOpened),
    /// Ledger: an API key was added.
    ApiKeyAdded(Box<ApiKeyAdded>),
    /// Ledger: an API key was revoked.
    ApiKeyRevoked(ApiKeyRevoked),
    /// Ledger: an API key may be used from elsewhere than before.
    ApiKeyRestricted(Box<ApiKeyRestricted>),
    /// Ledger: an API key's material has grown.
    ApiKeyExtended(Box<ApiKeyExtended>),
    /// Ledger: a deposit was booked.
    Credited(Credited),
    /// Ledger: a withdrawal was booked.
    Debited(Debited),
    /// Ledger: a balance has this value now. Follows the facts that moved it, once a command and balance.
    BalanceChanged(BalanceChanged),
    /// Ledger: funds are held, the order is on its way to its market (`PENDING_NEW`).
    OrderPending(OrderPending),
    /// Ledger: the market has taken the order (`NEW`).
    OrderAccepted(OrderAccepted),
    /// Ledger: the market has refused the order; the hold is released (`REJECTED`).
    OrderRejected(OrderRejected),
    /// Ledger: one side of a trade is settled (`TRADE`).
    OrderExecuted(OrderExecuted),
    /// Ledger: matching is over for now, the rest of the order is on the book.
    OrderResting(OrderResting),
    /// Ledger: the order ended unfilled or partly filled; the hold is released (`CANCELED`, `EXPIRED`).
    OrderCanceled(OrderCanceled),
    /// Ledger: a cancel came too late.
    CancelRejected(CancelRejected),
    /// Ledger: a mass cancel is done.
    AllCanceled(AllCanceled),
    /// Market: two orders traded.
    Traded(Traded),
    /// Market: a price level has this quantity now.
    LevelChanged(LevelChanged),
    /// Market: the depth changes since the last one of these belong together.
    DepthWindowClosed(DepthWindowClosed),
    /// Market: the phase has changed.
    PhaseChanged(PhaseChanged),
    /// Market: what an auction would come to.
    AuctionIndicated(AuctionIndicated),
    /// Market: the crossing orders have traded at one price.
    AuctionCompleted(AuctionCompleted),
    /// Ledger: an account was put into a trade group and a firm.
    AccountAssigned(AccountAssigned),
    /// Ledger: other fee tiers hold.
    FeeScheduleChanged(Box<FeeScheduleChanged>),
    /// Ledger: rates were set or cleared.
    FeesChanged(FeesChanged),
    /// Ledger: an account has come to another fee tier.
    FeeTierChanged(FeeTierChanged),
    /// Ledger: an account's limits over all markets have changed.
    AccountLimitsChanged(AccountLimitsChanged),
    /// Ledger: an account's limits in a market have changed.
    OrderLimitsChanged(OrderLimitsChanged),
    /// Ledger: how much of an asset one order may move has changed.
    AssetLimitChanged(AssetLimitChanged),
    /// Ledger: a kill switch was engaged or released.
    KillSwitchChanged(KillSwitchChanged),
    /// Ledger: self-trade prevention has prevented a trade (`TRADE_PREVENTION`).
    MatchPrevented(MatchPrevented),
    /// Market: an order shows this quantity on the book now.
    OrderShown(OrderShown),
    /// Ledger or market: a command was put aside.
    CommandQuarantined(CommandQuarantined),
    /// Every partition: its cells behave by another version.
    VersionChanged(VersionChanged),
    /// The tables have more rows.
    CapacityRaised(Box<CapacityRaised>),
    /// Ledger: a client session's lease has changed.
    LeaseChanged(LeaseChanged),
    /// Ledger: a countdown has changed.
    CountdownChanged(CountdownChanged),
    /// Ledger: what the order before asks for beyond a plain one, and its list.
    OrderTerms(Box<OrderTerms>),
    /// Ledger: the stop order waits for its trigger.
    OrderArmed(OrderArmed),
    /// Ledger: the trailing stop tracks the price.
    OrderTracking(OrderTracking),
    /// Ledger: the stop order works.
    OrderTriggered(OrderTriggered),
    /// Ledger: the pegged order has its limit.
    OrderPegged(OrderPegged),
    /// Ledger: the order has less quantity and keeps its priority (`REPLACED`).
    OrderAmended(OrderAmended),
    /// Ledger: an amend came too late.
    AmendRejected(AmendRejected),
    /// Ledger: the new order of a replace was refused, the cancel goes on alone.
    ReplacementRefused(ReplacementRefused),
    /// Ledger: an order list has come in (`EXEC_STARTED`).
    ListStarted(ListStarted),
    /// Ledger: every order of the list has ended (`ALL_DONE`).
    ListEnded(ListEnded),
    /// Ledger: the market has refused the orders of the list (`REJECT`).
    ListRejected(ListRejected),
    /// Ledger: a chain is known.
    ChainListed(ChainListed),
    /// Ledger: what moves on a chain is known.
    ChainAssetListed(Box<ChainAssetListed>),
    /// Ledger: another instance proposes for a chain.
    ChainClaimed(ChainClaimed),
    /// Ledger: a chain was frozen or thawed.
    ChainFrozen(ChainFrozen),
    /// How high a chain is.
    ChainAdvanced(ChainAdvanced),
    /// Ledger: an account will get an address.
    AddressRequested(AddressRequested),
    /// Ledger: an account has an address.
    AddressBound(Box<AddressBound>),
    /// Ledger: a deposit is known, or stands elsewhere.
    DepositChanged(Box<DepositChanged>),
    /// Ledger: what withdrawals of an asset must keep to.
    WithdrawalRulesChanged(Box<WithdrawalRulesChanged>),
    /// Ledger: what an account may withdraw.
    WithdrawalsRestricted(WithdrawalsRestricted),
    /// Ledger: an address is one of an account's destinations.
    AddressAllowed(Box<AddressAllowed>),
    /// Ledger: an operator has approved a withdrawal.
    WithdrawalApproved(WithdrawalApproved),
    /// Ledger: what a withdrawal's next transaction spends.
    WithdrawalAllocated(Box<WithdrawalAllocated>),
    /// Ledger: a withdrawal's transaction is signed.
    WithdrawalSigned(Box<WithdrawalSigned>),
    /// Ledger: a withdrawal is known, or stands elsewhere.
    WithdrawalChanged(Box<WithdrawalChanged>),
    /// Ledger: the bounds of the hot wallet.
    HotWalletChanged(Box<HotWalletChanged>),
    /// Ledger: whether a chain has of an asset what it should have.
    ReservesChanged(Box<ReservesChanged>),
    /// Ledger: an operator has proposed to loosen what guards withdrawals.
    LooseningProposed(Box<LooseningProposed>),
    /// Ledger: a proposal waits no more.
    LooseningEnded(LooseningEnded),
}

const _: () = assert!(size_of::<Event>() <= 96, "an event that every order causes must stay short");

/// An asset is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssetListed {
    /// Its id.
    pub asset: AssetId,
    /// Its name.
    pub symbol: Symbol,
    /// Decimals of one ledger unit.
    pub ledger_decimals: u8,
}

/// A market has been created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketListed {
    /// Its id.
    pub market: MarketId,
    /// Its name.
    pub symbol: Symbol,
    /// What is traded.
    pub base: AssetId,
    /// What it is paid with.
    pub quote: AssetId,
    /// Where its cell lives.
    pub partition: PartitionId,
    /// Permanent scale.
    pub scale: MarketScale,
    /// Filters.
    pub rules: MarketRules,
}

/// The ledger's copy of a market's phase. At an operator's word it changes at once, before the market has heard it;
/// otherwise it follows the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketStatusChanged {
    /// Which market.
    pub market: MarketId,
    /// What is admitted now.
    pub status: MarketStatus,
}

/// An account was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountOpened {
    /// Its id.
    pub account: AccountId,
    /// Its unique name.
    pub name: AccountName,
    /// Charged when its resting order trades.
    pub maker_fee: FeeRate,
    /// Charged when its order takes.
    pub taker_fee: FeeRate,
}

/// An API key was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiKeyAdded {
    /// Whose key.
    pub account: AccountId,
    /// Its public name.
    pub key: ApiKeyText,
    /// How it signs.
    pub kind: ApiKeyKind,
    /// What it may do.
    pub permissions: Permissions,
    /// Sealed secret or public key.
    pub secret: Secret,
    /// Its short name, with which orders name it.
    pub id: ApiKeyId,
}

/// An API key was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiKeyRevoked {
    /// Whose key it was.
    pub account: AccountId,
    /// Its public name.
    pub key: ApiKeyText,
}

/// A deposit was booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credited {
    /// Whose balance.
    pub account: AccountId,
    /// Of which asset.
    pub asset: AssetId,
    /// How much.
    pub amount: Amount,
}

/// A withdrawal was booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debited {
    /// Whose balance.
    pub account: AccountId,
    /// Of which asset.
    pub asset: AssetId,
    /// How much.
    pub amount: Amount,
}

/// A balance has this value now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalanceChanged {
    /// Whose balance.
    pub account: AccountId,
    /// Of which asset.
    pub asset: AssetId,
    /// May be used for orders and withdrawals.
    pub free: Amount,
    /// Held for open orders.
    pub held: Amount,
}

/// Funds are held, the order is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderPending {
    /// Its id.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Buy or sell.
    pub side: Side,
    /// How it meets the book.
    pub kind: OrderKind,
    /// What becomes of the rest.
    pub time_in_force: TimeInForce,
    /// What happens with orders of its own account.
    pub self_trade: SelfTradePrevention,
    /// Limit or protection price.
    pub price: Price,
    /// Base quantity asked for; zero when quote quantity was.
    pub qty: Qty,
    /// Quote quantity asked for; zero when base quantity was.
    pub quote_qty: Amount,
    /// The client's name for it.
    pub client_order_id: ClientOrderId,
}

/// The market has taken the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderAccepted {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
}

/// The market has refused the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRejected {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Why.
    pub reason: RejectReason,
}

/// One side of a trade is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderExecuted {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Which trade.
    pub trade: TradeId,
    /// Buy or sell.
    pub side: Side,
    /// At what price.
    pub price: Price,
    /// How much base.
    pub qty: Qty,
    /// How much quote, in ledger units.
    pub quote_amount: Amount,
    /// The fee, in ledger units of `fee_asset`.
    pub fee: Amount,
    /// The received asset, in which the fee is charged; of a rebate the given asset, in which it is paid.
    pub fee_asset: AssetId,
    /// What a maker is paid instead of a fee, in ledger units of `fee_asset`; zero when there is a fee.
    pub rebate: Amount,
    /// Whether the order rested before the trade.
    pub is_maker: bool,
    /// What is left of the order; zero ends it. Of an order by quote quantity, meaningless until it ends.
    pub leaves: Qty,
    /// When they traded, in the market's log time: the time of the public trade.
    pub traded_at: Timestamp,
}

/// The rest of the order is on the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderResting {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// How much rests.
    pub leaves: Qty,
}

/// The order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderCanceled {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// How much was left.
    pub leaves: Qty,
    /// Why.
    pub cause: CancelCause,
    /// The log position of the command that asked for it; 0 when none did.
    pub request: LogPosition,
    /// The client's name for the cancel that asked for it; empty when there is none.
    pub canceled_as: ClientOrderId,
}

/// A cancel came too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelRejected {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Why.
    pub reason: RejectReason,
    /// The log position of the cancel command.
    pub request: LogPosition,
}

/// A mass cancel is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllCanceled {
    /// Whose orders.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// The log position of the cancel command.
    pub request: LogPosition,
    /// How many orders it canceled.
    pub canceled: u32,
}

/// Two orders traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traded {
    /// In which market.
    pub market: MarketId,
    /// Which trade.
    pub trade: TradeId,
    /// At what price: the maker's, or the auction's.
    pub price: Price,
    /// How much base.
    pub qty: Qty,
    /// The side of the taker.
    pub taker_side: Side,
    /// The order that arrived.
    pub taker: OrderId,
    /// The order that rested. In an auction both did: the taker is the younger.
    pub maker: OrderId,
    /// Its number among the changes of the book order by order.
    pub sequence: BookSequence,
    /// Whether they traded in the uncrossing of an auction, at its one price.
    pub is_auction: bool,
}

/// A price level has this quantity now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelChanged {
    /// In which market.
    pub market: MarketId,
    /// Of which side.
    pub side: Side,
    /// At what price.
    pub price: Price,
    /// The sum of the orders resting there; zero when the level is gone. May exceed [`Qty::MAX`] never.
    pub qty: Qty,
    /// Its number, one more than the change before.
    pub update: UpdateId,
}

/// The depth changes from `first` to `last` belong together: 100 ms of log time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthWindowClosed {
    /// In which market.
    pub market: MarketId,
    /// `U` of the depth stream.
    pub first: UpdateId,
    /// `u` of the depth stream.
    pub last: UpdateId,
}
