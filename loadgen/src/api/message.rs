//! What the exchange answers, as far as it is looked at. Numbers that the API writes as text are exact
//! decimals.

use std::time::Duration;

use rust_decimal::Decimal;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The `error` of an answer.
#[derive(Debug, Clone, Deserialize)]
pub struct ErrorBody {
    /// Binance's number.
    #[serde(default)]
    pub code: i32,
    /// Binance's text.
    #[serde(default)]
    pub msg: String,
    /// What belongs to it, in the WebSocket API.
    #[serde(default)]
    pub data: Option<ErrorData>,
}

/// What belongs to the `error` of an answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ErrorData {
    /// The exchange's clock, in milliseconds since 1970.
    pub server_time: u64,
    /// When to come back, by the same clock.
    pub retry_after: Option<u64>,
}

impl ErrorBody {
    /// How long the exchange asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        let ErrorData { server_time, retry_after } = self.data.as_ref()?;
        Some(Duration::from_millis(retry_after.as_ref()?.saturating_sub(*server_time)))
    }
}

/// An order as placed, looked up or listed. `transactTime` of an acknowledgement is its `time`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The market.
    pub symbol: String,
    /// The exchange's id.
    pub order_id: u64,
    /// The client's id.
    pub client_order_id: String,
    /// Limit; zero for market orders. Missing in acknowledgements without details.
    #[serde(default, deserialize_with = "decimal")]
    pub price: Decimal,
    /// Asked-for base quantity.
    #[serde(default, deserialize_with = "decimal")]
    pub orig_qty: Decimal,
    /// Traded base quantity.
    #[serde(default, deserialize_with = "decimal")]
    pub executed_qty: Decimal,
    /// Traded quote quantity. (Binance's spelling.)
    #[serde(default, deserialize_with = "decimal")]
    pub cummulative_quote_qty: Decimal,
    /// `NEW`, `FILLED`, ...
    #[serde(default)]
    pub status: String,
    /// `BUY` or `SELL`.
    #[serde(default)]
    pub side: String,
    /// Fills that an acknowledgement names.
    #[serde(default)]
    pub fills: Vec<Fill>,
}

impl Order {
    /// Whether nothing can happen to it any more.
    pub fn is_final(&self) -> bool {
        matches!(self.status.as_str(), "FILLED" | "CANCELED" | "EXPIRED" | "EXPIRED_IN_MATCH" | "REJECTED")
    }
}

/// One fill in an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fill {
    /// Price.
    #[serde(deserialize_with = "decimal")]
    pub price: Decimal,
    /// Base quantity.
    #[serde(deserialize_with = "decimal")]
    pub qty: Decimal,
    /// Fee.
    #[serde(deserialize_with = "decimal")]
    pub commission: Decimal,
    /// What the fee was paid in.
    pub commission_asset: String,
    /// The market's number of the trade.
    pub trade_id: u64,
}

/// One of an account's fills, as `myTrades` lists them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MyTrade {
    /// The market's number of the trade.
    pub id: u64,
    /// The account's order.
    pub order_id: u64,
    /// Price.
    #[serde(deserialize_with = "decimal")]
    pub price: Decimal,
    /// Base quantity.
    #[serde(deserialize_with = "decimal")]
    pub qty: Decimal,
    /// Quote quantity.
    #[serde(deserialize_with = "decimal")]
    pub quote_qty: Decimal,
    /// Fee.
    #[serde(deserialize_with = "decimal")]
    pub commission: Decimal,
    /// What the fee was paid in.
    pub commission_asset: String,
    /// Whether the account bought.
    pub is_buyer: bool,
}

/// An account's balances.
#[derive(Debug, Clone, Deserialize)]
pub struct AccountInfo {
    /// By asset.
    pub balances: Vec<Balance>,
}

/// One balance.
#[derive(Debug, Clone, Deserialize)]
pub struct Balance {
    /// Of what.
    pub asset: String,
    /// May be used.
    #[serde(deserialize_with = "decimal")]
    pub free: Decimal,
    /// Held for open orders.
    #[serde(deserialize_with = "decimal")]
    pub locked: Decimal,
}

/// The markets, and what a client may ask.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeInfo {
    /// One each.
    pub symbols: Vec<SymbolInfo>,
    /// Of addresses and accounts.
    #[serde(default)]
    pub rate_limits: Vec<RateLimit>,
}

/// How much of something there may be in a time.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Of what: `REQUEST_WEIGHT`, `ORDERS`, ...
    pub rate_limit_type: String,
    /// `SECOND`, `MINUTE` or `DAY`.
    pub interval: String,
    /// So many of those.
    pub interval_num: u32,
    /// How much.
    pub limit: u64,
}

/// The exchange's clock.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTime {
    /// In milliseconds since 1970.
    pub server_time: u64,
}

/// A market and its filters.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SymbolInfo {
    /// Its name.
    pub symbol: String,
    /// `TRADING` when it takes orders.
    pub status: String,
    /// What is traded.
    pub base_asset: String,
    /// What it is paid with.
    pub quote_asset: String,
    /// As published.
    pub filters: Vec<Filter>,
}

/// A filter; only the fields of its type are there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    /// `PRICE_FILTER`, `LOT_SIZE`, ...
    pub filter_type: String,
    /// Price step.
    pub tick_size: Option<String>,
    /// Quantity step.
    pub step_size: Option<String>,
    /// Smallest quantity.
    pub min_qty: Option<String>,
    /// Smallest price × quantity.
    pub min_notional: Option<String>,
    /// `MAX_NUM_ORDERS`.
    pub max_num_orders: Option<u32>,
}

/// Best prices of a market; zero or empty where a side is empty.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookTicker {
    /// Best bid.
    #[serde(deserialize_with = "decimal")]
    pub bid_price: Decimal,
    /// Best ask.
    #[serde(deserialize_with = "decimal")]
    pub ask_price: Decimal,
}

/// One of a market's trades, of which the number alone is looked at.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct TradeId {
    /// The market's number of the trade.
    pub id: u64,
}

/// A snapshot of a book.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Depth {
    /// The last update it covers.
    pub last_update_id: u64,
    /// Price and quantity, best first.
    pub bids: Vec<(String, String)>,
    /// Price and quantity, best first.
    pub asks: Vec<(String, String)>,
}

/// Exact decimal text; nothing where the field is empty text.
pub(crate) fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(Decimal::ZERO);
    }
    Decimal::from_str_exact(&text).map_err(|error| D::Error::custom(format!("{text:?} is no decimal: {error}")))
}
