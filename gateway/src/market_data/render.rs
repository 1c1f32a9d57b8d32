//! Market data as Binance's JSON: the results that REST bodies and WebSocket API answers share.
//!
//! Source: Binance Spot API, "Market Data endpoints". Prices and quantities with 8 decimals.

use super::Market;
use super::book::{Best, Level};
use super::interval::Interval;
use super::json::{Json, SHOWN_DECIMALS};
use super::klines::Kline;
use super::market::Listing;
use super::span::{Span, Zone};
use super::ticker::{self, AVERAGE_DECIMALS, AVERAGE_MINUTES, PERCENT_DECIMALS, Rolling, WindowSize};
use super::trades::{AggTrade, Trade};

/// How much a ticker tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickerType {
    /// Everything.
    Full,
    /// Without averages, changes and the book.
    Mini,
}

/// `GET depth`, `depth`.
pub fn depth(market: &Market, listing: &Listing, limit: usize) -> String {
    let depth = market.depth(limit);
    let mut json = Json::with_capacity(64 + 40 * (depth.bids.len() + depth.asks.len()));
    json.open_object();
    json.int_field("lastUpdateId", depth.last.get());
    levels(&mut json, listing, "bids", &depth.bids);
    levels(&mut json, listing, "asks", &depth.asks);
    json.close_object();
    json.into_text()
}

/// A field of levels, `[["price","qty"],..]`.
pub fn levels(json: &mut Json, listing: &Listing, name: &str, levels: &[Level]) {
    json.name(name);
    json.open_array();
    for (price, qty) in levels {
        json.open_array();
        json.decimal(price.units(), listing.scale.price_decimals);
        json.decimal(qty.units(), listing.scale.qty_decimals);
        json.close_array();
    }
    json.close_array();
}

/// `GET trades`, `trades.recent`.
pub fn recent_trades(market: &Market, listing: &Listing, limit: usize) -> String {
    trades(listing, &market.recent_trades(limit))
}

/// `GET historicalTrades`, `trades.historical`.
pub fn trades(listing: &Listing, trades: &[Trade]) -> String {
    let mut json = Json::with_capacity(2 + 170 * trades.len());
    json.open_array();
    for trade in trades {
        json.open_object();
        json.int_field("id", trade.id);
        json.decimal_field("price", trade.price, listing.scale.price_decimals);
        json.decimal_field("qty", trade.qty, listing.scale.qty_decimals);
        json.wide_field("quoteQty", trade.notional(), listing.notional_decimals());
        json.int_field("time", trade.time_ms);
        json.boolean_field("isBuyerMaker", trade.buyer_is_maker);
        json.boolean_field("isBestMatch", true);
        json.close_object();
    }
    json.close_array();
    json.into_text()
}

/// `GET aggTrades`, `trades.aggregate`.
pub fn aggregated_trades(listing: &Listing, trades: &[AggTrade]) -> String {
    let mut json = Json::with_capacity(2 + 130 * trades.len());
    json.open_array();
    for AggTrade { id, price, qty, first_trade, last_trade, time_ms, buyer_is_maker } in trades.iter().copied() {
        json.open_object();
        json.int_field("a", id);
        json.decimal_field("p", price, listing.scale.price_decimals);
        json.decimal_field("q", qty, listing.scale.qty_decimals);
        json.int_field("f", first_trade);
        json.int_field("l", last_trade);
        json.int_field("T", time_ms);
        json.boolean_field("m", buyer_is_maker);
        json.boolean_field("M", true);
        json.close_object();
    }
    json.close_array();
    json.into_text()
}

/// `GET klines` and `uiKlines`, `klines` and `uiKlines`.
pub fn klines(listing: &Listing, span: Span, klines: &[Kline]) -> String {
    let mut json = Json::with_capacity(2 + 190 * klines.len());
    json.open_array();
    for kline in klines {
        let price = |json: &mut Json, units| json.decimal(units, listing.scale.price_decimals);
        json.open_array();
        json.int(kline.open_ms);
        price(&mut json, kline.open);
        price(&mut json, kline.high);
        price(&mut json, kline.low);
        price(&mut json, kline.close);
        json.wide(kline.volume, listing.scale.qty_decimals, SHOWN_DECIMALS);
        json.int(span.next(kline.open_ms) - 1);
        json.wide(kline.quote_volume, listing.notional_decimals(), SHOWN_DECIMALS);
        json.int(kline.trades);
        json.wide(kline.taker_volume, listing.scale.qty_decimals, SHOWN_DECIMALS);
        json.wide(kline.taker_quote_volume, listing.notional_decimals(), SHOWN_DECIMALS);
        json.plain("0");
        json.close_array();
    }
    json.close_array();
    json.into_text()
}

/// `GET avgPrice`, `avgPrice`.
pub fn average_price(market: &Market, listing: &Listing, now_ms: u64) -> String {
    let (price, close_ms) = match market.average_window(now_ms) {
        Some((window, last)) => (ticker::average_of(&window.total, listing.scale.price_decimals), last.time_ms),
        None => (0, 0),
    };
    let mut json = Json::with_capacity(80);
    json.open_object();
    json.int_field("mins", AVERAGE_MINUTES);
    json.wide_field("price", price, AVERAGE_DECIMALS);
    json.int_field("closeTime", close_ms);
    json.close_object();
    json.into_text()
}

/// `GET ticker/24hr`, `ticker.24hr`, of one market.
pub fn ticker_24hr(market: &Market, listing: &Listing, now_ms: u64, kind: TickerType) -> String {
    let mut json = Json::with_capacity(640);
    match market.rolling(now_ms) {
        Some((rolling, last, best)) => ticker(&mut json, listing, &rolling, &last, best, kind),
        None => {
            let rolling = untraded(now_ms.saturating_sub(ticker::WINDOW_MS), now_ms);
            ticker(&mut json, listing, &rolling, &NO_TRADE, market.best(), kind);
        }
    }
    json.into_text()
}

/// `GET ticker/tradingDay`, `ticker.tradingDay`, of one market: the day of a zone.
pub fn trading_day(market: &Market, listing: &Listing, now_ms: u64, zone: Zone, kind: TickerType) -> String {
    let day = Span { interval: Interval::Day, zone };
    let open_ms = day.start_of(now_ms);
    let close_ms = day.next(open_ms) - 1;
    let total = market.trading_day(now_ms, zone).unwrap_or(Kline::flat(open_ms, 0));
    let mut json = Json::with_capacity(480);
    json.open_object();
    json.plain_field("symbol", &listing.symbol);
    if kind == TickerType::Full {
        changes(&mut json, listing, &total);
    }
    totals(&mut json, listing, &total, open_ms, close_ms);
    json.close_object();
    json.into_text()
}

/// `GET ticker`, `ticker`, of one market.
pub fn rolling_window(market: &Market, listing: &Listing, now_ms: u64, size: WindowSize, kind: TickerType) -> String {
    let rolling = market.rolling_of(now_ms, size).unwrap_or_else(|| untraded(size.open_ms(now_ms), now_ms));
    let mut json = Json::with_capacity(480);
    json.open_object();
    json.plain_field("symbol", &listing.symbol);
    if kind == TickerType::Full {
        changes(&mut json, listing, &rolling.total);
    }
    totals(&mut json, listing, &rolling.total, rolling.open_ms, rolling.close_ms);
    json.close_object();
    json.into_text()
}

const NO_TRADE: Trade = Trade { id: 0, price: 0, qty: 0, time_ms: 0, buyer_is_maker: false };

fn untraded(open_ms: u64, close_ms: u64) -> Rolling {
    Rolling { open_ms, close_ms, total: Kline::flat(open_ms, 0), previous_close: 0 }
}

fn ticker(json: &mut Json, listing: &Listing, rolling: &Rolling, last: &Trade, best: Best, kind: TickerType) {
    json.open_object();
    json.plain_field("symbol", &listing.symbol);
    if kind == TickerType::Full {
        changes(json, listing, &rolling.total);
        json.decimal_field("prevClosePrice", rolling.previous_close, listing.scale.price_decimals);
        json.decimal_field("lastQty", last.qty, listing.scale.qty_decimals);
        book_fields(json, listing, best);
    }
    totals(json, listing, &rolling.total, rolling.open_ms, rolling.close_ms);
    json.close_object();
}

fn changes(json: &mut Json, listing: &Listing, total: &Kline) {
    json.decimal_field("priceChange", total.close - total.open, listing.scale.price_decimals);
    json.name("priceChangePercent");
    json.wide(ticker::change_percent(total.open, total.close), PERCENT_DECIMALS, PERCENT_DECIMALS);
    json.wide_field("weightedAvgPrice", ticker::average_of(total, listing.scale.price_decimals), AVERAGE_DECIMALS);
}

fn totals(json: &mut Json, listing: &Listing, total: &Kline, open_ms: u64, close_ms: u64) {
    let price_decimals = listing.scale.price_decimals;
    json.decimal_field("openPrice", total.open, price_decimals);
    json.decimal_field("highPrice", total.high, price_decimals);
    json.decimal_field("lowPrice", total.low, price_decimals);
    json.decimal_field("lastPrice", total.close, price_decimals);
    json.wide_field("volume", total.volume, listing.scale.qty_decimals);
    json.wide_field("quoteVolume", total.quote_volume, listing.notional_decimals());
    json.int_field("openTime", open_ms);
    json.int_field("closeTime", close_ms);
    id_field(json, "firstId", total.first_trade);
    id_field(json, "lastId", total.last_trade);
    json.int_field("count", total.trades);
}

/// A trade's number; `-1` where there is none, as Binance writes it.
fn id_field(json: &mut Json, name: &str, id: u64) {
    json.name(name);
    if id == 0 { json.raw("-1") } else { json.int(id) }
}

fn book_fields(json: &mut Json, listing: &Listing, best: Best) {
    let units = |level: Option<Level>| level.map_or((0, 0), |(price, qty)| (price.units(), qty.units()));
    let (bid, ask) = (units(best.bid), units(best.ask));
    json.decimal_field("bidPrice", bid.0, listing.scale.price_decimals);
    json.decimal_field("bidQty", bid.1, listing.scale.qty_decimals);
    json.decimal_field("askPrice", ask.0, listing.scale.price_decimals);
    json.decimal_field("askQty", ask.1, listing.scale.qty_decimals);
}

/// `GET ticker/price`, `ticker.price`, of one market.
pub fn ticker_price(market: &Market, listing: &Listing) -> String {
    let mut json = Json::with_capacity(64);
    json.open_object();
    json.plain_field("symbol", &listing.symbol);
    json.decimal_field("price", market.last_trade().map_or(0, |trade| trade.price), listing.scale.price_decimals);
    json.close_object();
    json.into_text()
}

/// `GET ticker/bookTicker`, `ticker.book`, of one market.
pub fn book_ticker(market: &Market, listing: &Listing) -> String {
    let mut json = Json::with_capacity(160);
    json.open_object();
    json.plain_field("symbol", &listing.symbol);
    book_fields(&mut json, listing, market.best());
    json.close_object();
    json.into_text()
}

/// JSON values as one array.
pub fn array(items: impl IntoIterator<Item = String>) -> String {
    let mut json = Json::default();
    json.open_array();
    for item in items {
        json.raw(&item);
    }
    json.close_array();
    json.into_text()
}
