//! What operators decide about accounts: who belongs together, what they pay, what they may do at most, and whether
//! they may do anything at all.

use crate::text::ApiKeyText;
use crate::{AccountId, Amount, AssetId, FeeRate, FeeTiers, FirmId, MarketId, Qty, SignedFeeRate, TradeGroupId};

/// Puts an account into a trade group and a firm. Orders that are open keep the group they were placed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssignAccount {
    /// Which account.
    pub account: AccountId,
    /// Accounts of one group do not trade with each other; 0 for none.
    pub group: TradeGroupId,
    /// Who gets the drop copy; 0 for none.
    pub firm: FirmId,
}

/// Sets the fee tiers and the asset in which volume is counted. No tiers: every account pays the rates it was opened
/// with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetFeeSchedule {
    /// Volume is counted in its ledger units.
    pub valuation: AssetId,
    /// By 30-day volume.
    pub tiers: FeeTiers,
}

/// Sets or clears rates that go before the tiers: of an account in a market, of an account, or of a market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetFees {
    /// Of which account; 0 for all.
    pub account: AccountId,
    /// In which market; 0 for all. Not 0 when `account` is.
    pub market: MarketId,
    /// Of resting orders that trade.
    pub maker: SignedFeeRate,
    /// Of orders that take.
    pub taker: FeeRate,
    /// Whether the rates are set; otherwise they are cleared.
    pub is_set: bool,
}

/// Sets what an account may do over all markets. Zero is no limit. Of two limits, its own and that of every account, the lower
/// one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetAccountLimits {
    /// Which account; 0 for the limits of every account, which then have no rate.
    pub account: AccountId,
    /// EXCHANGE_MAX_NUM_ORDERS: open orders, over all markets.
    pub open_orders_max: u32,
    /// EXCHANGE_MAX_NUM_ALGO_ORDERS: open stop orders, over all markets.
    pub stop_orders_max: u32,
    /// EXCHANGE_MAX_NUM_ICEBERG_ORDERS: open icebergs, over all markets.
    pub iceberg_orders_max: u32,
    /// EXCHANGE_MAX_NUM_ORDER_LISTS: open lists, over all markets.
    pub order_lists_max: u32,
    /// New orders in one window.
    pub order_rate_max: u32,
    /// How long a window is, in milliseconds of log time, at most [`SetAccountLimits::WINDOW_MS_MAX`]. Windows begin at
    /// its multiples since 1970.
    pub order_rate_window_ms: u32,
}

impl SetAccountLimits {
    /// A day.
    pub const WINDOW_MS_MAX: u32 = 86_400_000;
}

/// Sets what an account may do in one market. Zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetOrderLimits {
    /// Which account; 0 for the limit of every account in this market, which then has a position alone.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Base quantity of one order.
    pub qty_max: Qty,
    /// Notional of one order, in ledger units of the quote asset.
    pub notional_max: Amount,
    /// MAX_POSITION: free and held base and the base of open buys together, in ledger units of the base asset.
    pub position_max: Amount,
}

/// Sets how much of an asset one order may move: MAX_ASSET. Zero is no limit. Of two limits, the account's own and that of every
/// account, the lower one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetAssetLimit {
    /// Which account; 0 for the limit of every account.
    pub account: AccountId,
    /// Which asset: the base of a market, whose quantity is bounded, or the quote, whose notional is.
    pub asset: AssetId,
    /// In ledger units of the asset.
    pub order_max: Amount,
}

/// Engages or releases the kill switch of an account or of an API key: no new orders, and everything open or on its way
/// is canceled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetKillSwitch {
    /// Whose.
    pub account: AccountId,
    /// Of which of its keys; empty for the whole account.
    pub key: ApiKeyText,
    /// Whether it is engaged from now on.
    pub is_engaged: bool,
}
