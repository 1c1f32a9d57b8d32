//! What operators have decided about accounts, and what follows from it.

use crate::{
    AccountId, Amount, ApiKeyId, AssetId, FeeRate, FeeTiers, FirmId, MarketId, Qty, SignedFeeRate, TradeGroupId,
};

/// An account belongs to this group and this firm now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountAssigned {
    /// Which account.
    pub account: AccountId,
    /// Its trade group; 0 for none.
    pub group: TradeGroupId,
    /// Its firm; 0 for none.
    pub firm: FirmId,
}

/// These fee tiers hold now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeScheduleChanged {
    /// In whose ledger units volume is counted.
    pub valuation: AssetId,
    /// By 30-day volume.
    pub tiers: FeeTiers,
}

/// Rates that go before the tiers were set or cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeesChanged {
    /// Of which account; 0 for all.
    pub account: AccountId,
    /// In which market; 0 for all.
    pub market: MarketId,
    /// Of resting orders that trade.
    pub maker: SignedFeeRate,
    /// Of orders that take.
    pub taker: FeeRate,
    /// Whether they are set; otherwise they are cleared.
    pub is_set: bool,
}

/// An account has come to another tier, which holds from its next fill on. Told with the fill that brings it there, and
/// when days have passed with the first fill after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeTierChanged {
    /// Which account.
    pub account: AccountId,
    /// Which tier, counted from 0.
    pub tier: u8,
    /// Its 30-day volume, in ledger units of the valuation asset.
    pub volume: Amount,
}

/// What an account may do over all markets now. Zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountLimitsChanged {
    /// Which account; 0 for every account.
    pub account: AccountId,
    /// Open orders, over all markets.
    pub open_orders_max: u32,
    /// Open stop orders, over all markets.
    pub stop_orders_max: u32,
    /// Open icebergs, over all markets.
    pub iceberg_orders_max: u32,
    /// Open lists, over all markets.
    pub order_lists_max: u32,
    /// New orders in one window.
    pub order_rate_max: u32,
    /// How long a window is, in milliseconds of log time.
    pub order_rate_window_ms: u32,
}

/// What an account may do in one market now. Zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderLimitsChanged {
    /// Which account; 0 for every account.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Base quantity of one order.
    pub qty_max: Qty,
    /// Notional of one order, in ledger units of the quote asset.
    pub notional_max: Amount,
    /// Position, in ledger units of the base asset.
    pub position_max: Amount,
}

/// How much of an asset one order of an account may move now. Zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssetLimitChanged {
    /// Which account; 0 for every account.
    pub account: AccountId,
    /// Which asset.
    pub asset: AssetId,
    /// In ledger units of the asset.
    pub order_max: Amount,
}

/// A kill switch was engaged or released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KillSwitchChanged {
    /// Whose.
    pub account: AccountId,
    /// Of which key; 0 for the whole account.
    pub key: ApiKeyId,
    /// Whether it is engaged now.
    pub is_engaged: bool,
}
