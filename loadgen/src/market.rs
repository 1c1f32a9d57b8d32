//! A market's grid as the exchange publishes it, and order sizes and prices that lie on it.

use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::RoundingStrategy;

use crate::api::ApiError;
use crate::api::message::{BookTicker, ExchangeInfo, SymbolInfo};
use crate::api::rest::Rest;

#[cfg(test)]
mod tests;

/// What a sender of orders must know about a market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Market {
    /// Its name.
    pub symbol: String,
    /// What is traded.
    pub base: String,
    /// What it is paid with.
    pub quote: String,
    /// Prices are multiples of this.
    pub tick: Decimal,
    /// Quantities are multiples of this.
    pub step: Decimal,
    /// The smallest quantity.
    pub qty_min: Decimal,
    /// The smallest price × quantity; may be zero.
    pub notional_min: Decimal,
    /// How many orders an account may have open in it.
    pub open_orders_max: usize,
}

/// A market that cannot be traded in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarketError {
    /// The exchange does not list it.
    #[error("the exchange lists no market {symbol}; it has: {listed}")]
    Unlisted {
        /// What was asked for.
        symbol: String,
        /// What there is.
        listed: String,
    },
    /// It takes no orders.
    #[error("the market {symbol} takes no orders now: its status is {status}")]
    Closed {
        /// Which market.
        symbol: String,
        /// What the exchange says.
        status: String,
    },
    /// Its description lacks a filter or has an unreadable one.
    #[error("the exchange's description of {symbol} has no readable {filter}")]
    BadFilter {
        /// Which market.
        symbol: String,
        /// Which filter.
        filter: &'static str,
    },
    /// The exchange did not tell.
    #[error("cannot learn the exchange's markets: {0}")]
    Api(#[from] ApiError),
}

impl MarketError {
    /// Whether other flags are all it takes.
    pub(crate) fn is_of_arguments(&self) -> bool {
        matches!(self, MarketError::Unlisted { .. })
    }
}

impl Market {
    /// Asks the exchange for these markets, in the given order.
    pub async fn fetch(rest: &Rest, symbols: &[String], patience: Duration) -> Result<Vec<Market>, MarketError> {
        let info: ExchangeInfo = rest.get("/api/v3/exchangeInfo", "", patience).await?;
        let find = |symbol: &String| {
            let found = info.symbols.iter().find(|listed| listed.symbol == *symbol);
            let listed = || info.symbols.iter().map(|s| s.symbol.as_str()).collect::<Vec<_>>().join(", ");
            found
                .ok_or_else(|| MarketError::Unlisted { symbol: symbol.clone(), listed: listed() })
                .and_then(Market::read)
        };
        symbols.iter().map(find).collect()
    }

    fn read(info: &SymbolInfo) -> Result<Market, MarketError> {
        if info.status != "TRADING" {
            return Err(MarketError::Closed { symbol: info.symbol.clone(), status: info.status.clone() });
        }
        let filter = |kind: &str| info.filters.iter().find(|filter| filter.filter_type == kind);
        let number = |text: &Option<String>| text.as_ref().and_then(|text| Decimal::from_str_exact(text).ok());
        let positive = |text: &Option<String>, filter| {
            number(text)
                .filter(|n| *n > Decimal::ZERO)
                .ok_or_else(|| MarketError::BadFilter { symbol: info.symbol.clone(), filter })
        };
        let price = filter("PRICE_FILTER").cloned().unwrap_or_default();
        let lot = filter("LOT_SIZE").cloned().unwrap_or_default();
        let notional = filter("NOTIONAL").or(filter("MIN_NOTIONAL")).and_then(|f| number(&f.min_notional));
        let orders = filter("MAX_NUM_ORDERS").and_then(|filter| filter.max_num_orders);
        Ok(Market {
            symbol: info.symbol.clone(),
            base: info.base_asset.clone(),
            quote: info.quote_asset.clone(),
            tick: positive(&price.tick_size, "PRICE_FILTER tickSize")?.normalize(),
            step: positive(&lot.step_size, "LOT_SIZE stepSize")?.normalize(),
            qty_min: positive(&lot.min_qty, "LOT_SIZE minQty")?.normalize(),
            notional_min: notional.unwrap_or_default().normalize(),
            open_orders_max: orders.unwrap_or(200) as usize,
        })
    }

    /// The nearest price on the grid, at least one tick.
    pub fn price(&self, near: Decimal) -> Decimal {
        on_grid(near, self.tick).max(self.tick)
    }

    /// The nearest quantity on the grid that the filters let through at `price`.
    pub fn qty(&self, near: Decimal, price: Decimal) -> Decimal {
        let cheapest = if price > Decimal::ZERO { self.notional_min / price } else { Decimal::ZERO };
        let least = (cheapest / self.step).ceil() * self.step;
        on_grid(near, self.step).max(self.qty_min).max(least).normalize()
    }

    /// The middle of the best prices, or `None` where the book has not both sides.
    pub async fn mid(&self, rest: &Rest, patience: Duration) -> Result<Option<Decimal>, ApiError> {
        let query = format!("symbol={}", self.symbol);
        let best: BookTicker = rest.get("/api/v3/ticker/bookTicker", &query, patience).await?;
        let both = best.bid_price > Decimal::ZERO && best.ask_price > Decimal::ZERO;
        Ok(both.then(|| (best.bid_price + best.ask_price) / Decimal::TWO))
    }

    /// A price to start an empty book from: what the pair is roughly worth, else 1,000 ticks.
    pub fn opening_price(&self) -> Decimal {
        let worth = match self.symbol.as_str() {
            "BTCUSDT" => Decimal::new(60_000, 0),
            "ETHUSDT" => Decimal::new(3_000, 0),
            "ETHBTC" => Decimal::new(5, 2),
            _ => self.tick * Decimal::ONE_THOUSAND,
        };
        self.price(worth)
    }
}

fn on_grid(near: Decimal, unit: Decimal) -> Decimal {
    let units = (near / unit).round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    (units * unit).normalize()
}
