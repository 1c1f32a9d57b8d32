//! Events of market streams as Binance's JSON. Each is written once, whoever listens.
//!
//! Source: Binance Spot, "WebSocket Streams". `E` is log time where the log caused the event, and the
//! gateway's clock for what is told on a beat (tickers, klines).

use crate::market_data::book::{Best, Depth, DepthDiff, Level};
use crate::market_data::json::{Json, SHOWN_DECIMALS};
use crate::market_data::klines::Kline;
use crate::market_data::render::levels;
use crate::market_data::ticker::{self, AVERAGE_DECIMALS, PERCENT_DECIMALS, Rolling, WindowSize};
use crate::market_data::trades::{AggTrade, Trade};
use crate::market_data::{Listing, Span};

pub(super) fn begin(kind: &str, at_ms: u64, listing: &Listing, capacity: usize) -> Json {
    let mut json = Json::with_capacity(capacity);
    json.open_object();
    json.plain_field("e", kind);
    json.int_field("E", at_ms);
    json.plain_field("s", &listing.symbol);
    json
}

pub(super) fn end(mut json: Json) -> String {
    json.close_object();
    json.into_text()
}

/// `depthUpdate`
pub fn depth_update(listing: &Listing, at_ms: u64, diff: &DepthDiff) -> String {
    let mut json = begin("depthUpdate", at_ms, listing, 128 + 40 * (diff.bids.len() + diff.asks.len()));
    json.int_field("U", diff.first.get());
    json.int_field("u", diff.last.get());
    levels(&mut json, listing, "b", &diff.bids);
    levels(&mut json, listing, "a", &diff.asks);
    end(json)
}

/// As [`depth_update`], with the checksum of the book after it.
pub fn with_checksum(depth_update: &str, checksum: u32) -> String {
    let open = depth_update.strip_suffix('}').unwrap_or(depth_update);
    format!("{open},\"c\":{checksum}}}")
}

/// Every level of a book: what depth updates are applied to.
pub fn depth_snapshot(listing: &Listing, at_ms: u64, depth: &Depth) -> String {
    let mut json = begin("depthSnapshot", at_ms, listing, 128 + 40 * (depth.bids.len() + depth.asks.len()));
    json.int_field("lastUpdateId", depth.last.get());
    levels(&mut json, listing, "b", &depth.bids);
    levels(&mut json, listing, "a", &depth.asks);
    end(json)
}

/// Levels of each side that a checksum covers.
const CHECKSUM_LEVELS: usize = 10;

/// CRC-32 (IEEE 802.3) of the best ten levels of each side as text: the best bid's price and quantity, the best ask's, the
/// second bid's and so on, with colons between; what a side does not have is left out.
pub fn checksum(listing: &Listing, depth: &Depth) -> u32 {
    let mut text = String::with_capacity(CHECKSUM_LEVELS * 64);
    for at in 0..CHECKSUM_LEVELS {
        for (price, qty) in [depth.bids.get(at), depth.asks.get(at)].into_iter().flatten() {
            for (value, decimals) in
                [(price.units(), listing.scale.price_decimals), (qty.units(), listing.scale.qty_decimals)]
            {
                if !text.is_empty() {
                    text.push(':');
                }
                wire::decimal::push_wide(&mut text, i128::from(value), decimals, SHOWN_DECIMALS);
            }
        }
    }
    crc32fast::hash(text.as_bytes())
}

/// The best `count` levels.
pub fn partial_depth(listing: &Listing, depth: &Depth, count: usize) -> String {
    let mut json = Json::with_capacity(64 + 80 * count);
    json.open_object();
    json.int_field("lastUpdateId", depth.last.get());
    levels(&mut json, listing, "bids", &depth.bids[..depth.bids.len().min(count)]);
    levels(&mut json, listing, "asks", &depth.asks[..depth.asks.len().min(count)]);
    end(json)
}

/// `trade`
pub fn trade(listing: &Listing, trade: &Trade) -> String {
    let mut json = begin("trade", trade.time_ms, listing, 192);
    json.int_field("t", trade.id);
    json.decimal_field("p", trade.price, listing.scale.price_decimals);
    json.decimal_field("q", trade.qty, listing.scale.qty_decimals);
    json.int_field("T", trade.time_ms);
    json.boolean_field("m", trade.buyer_is_maker);
    json.boolean_field("M", true);
    end(json)
}

/// `aggTrade`
pub fn agg_trade(listing: &Listing, trade: &AggTrade) -> String {
    let mut json = begin("aggTrade", trade.time_ms, listing, 224);
    json.int_field("a", trade.id);
    json.decimal_field("p", trade.price, listing.scale.price_decimals);
    json.decimal_field("q", trade.qty, listing.scale.qty_decimals);
    json.int_field("f", trade.first_trade);
    json.int_field("l", trade.last_trade);
    json.int_field("T", trade.time_ms);
    json.boolean_field("m", trade.buyer_is_maker);
    json.boolean_field("M", true);
    end(json)
}

/// The best levels. Binance's event has neither `e` nor `E`.
pub fn book_ticker(listing: &Listing, best: Best, last: u64) -> String {
    let mut json = Json::with_capacity(160);
    json.open_object();
    json.int_field("u", last);
    json.plain_field("s", &listing.symbol);
    best_fields(&mut json, listing, best);
    end(json)
}

fn best_fields(json: &mut Json, listing: &Listing, best: Best) {
    let mut side = |level: Option<Level>, price_name: &str, qty_name: &str| {
        let (price, qty) = level.map_or((0, 0), |(price, qty)| (price.units(), qty.units()));
        json.decimal_field(price_name, price, listing.scale.price_decimals);
        json.decimal_field(qty_name, qty, listing.scale.qty_decimals);
    };
    side(best.bid, "b", "B");
    side(best.ask, "a", "A");
}

/// `kline`; `is_closed` when its interval is over.
pub fn kline(listing: &Listing, at_ms: u64, span: Span, kline: &Kline, is_closed: bool) -> String {
    let price_decimals = listing.scale.price_decimals;
    let mut json = begin("kline", at_ms, listing, 384);
    json.name("k");
    json.open_object();
    json.int_field("t", kline.open_ms);
    json.int_field("T", span.next(kline.open_ms) - 1);
    json.plain_field("s", &listing.symbol);
    json.plain_field("i", span.interval.name());
    id_field(&mut json, "f", kline.first_trade);
    id_field(&mut json, "L", kline.last_trade);
    json.decimal_field("o", kline.open, price_decimals);
    json.decimal_field("c", kline.close, price_decimals);
    json.decimal_field("h", kline.high, price_decimals);
    json.decimal_field("l", kline.low, price_decimals);
    json.wide_field("v", kline.volume, listing.scale.qty_decimals);
    json.int_field("n", kline.trades);
    json.boolean_field("x", is_closed);
    json.wide_field("q", kline.quote_volume, listing.notional_decimals());
    json.wide_field("V", kline.taker_volume, listing.scale.qty_decimals);
    json.wide_field("Q", kline.taker_quote_volume, listing.notional_decimals());
    json.plain_field("B", "0");
    json.close_object();
    end(json)
}

/// `24hrTicker`
pub fn ticker_24hr(listing: &Listing, at_ms: u64, rolling: &Rolling, last: &Trade, best: Best) -> String {
    let total = &rolling.total;
    let price_decimals = listing.scale.price_decimals;
    let mut json = begin("24hrTicker", at_ms, listing, 640);
    json.decimal_field("p", total.close - total.open, price_decimals);
    json.name("P");
    json.wide(ticker::change_percent(total.open, total.close), PERCENT_DECIMALS, PERCENT_DECIMALS);
    json.wide_field("w", ticker::average_of(total, price_decimals), AVERAGE_DECIMALS);
    json.decimal_field("x", rolling.previous_close, price_decimals);
    json.decimal_field("c", total.close, price_decimals);
    json.decimal_field("Q", last.qty, listing.scale.qty_decimals);
    best_fields(&mut json, listing, best);
    json.decimal_field("o", total.open, price_decimals);
    json.decimal_field("h", total.high, price_decimals);
    json.decimal_field("l", total.low, price_decimals);
    json.wide_field("v", total.volume, listing.scale.qty_decimals);
    json.wide_field("q", total.quote_volume, listing.notional_decimals());
    json.int_field("O", rolling.open_ms);
    json.int_field("C", rolling.close_ms);
    id_field(&mut json, "F", total.first_trade);
    id_field(&mut json, "L", total.last_trade);
    json.int_field("n", total.trades);
    end(json)
}

/// `1hTicker`, `4hTicker`, `1dTicker`
pub fn rolling_window(listing: &Listing, at_ms: u64, size: WindowSize, rolling: &Rolling) -> String {
    let total = &rolling.total;
    let price_decimals = listing.scale.price_decimals;
    let mut json = begin(&format!("{}Ticker", size.name()), at_ms, listing, 512);
    json.decimal_field("p", total.close - total.open, price_decimals);
    json.name("P");
    json.wide(ticker::change_percent(total.open, total.close), PERCENT_DECIMALS, PERCENT_DECIMALS);
    json.decimal_field("o", total.open, price_decimals);
    json.decimal_field("h", total.high, price_decimals);
    json.decimal_field("l", total.low, price_decimals);
    json.decimal_field("c", total.close, price_decimals);
    json.wide_field("w", ticker::average_of(total, price_decimals), AVERAGE_DECIMALS);
    json.wide_field("v", total.volume, listing.scale.qty_decimals);
    json.wide_field("q", total.quote_volume, listing.notional_decimals());
    json.int_field("O", rolling.open_ms);
    json.int_field("C", rolling.close_ms);
    id_field(&mut json, "F", total.first_trade);
    id_field(&mut json, "L", total.last_trade);
    json.int_field("n", total.trades);
    end(json)
}

/// `24hrMiniTicker`
pub fn mini_ticker(listing: &Listing, at_ms: u64, rolling: &Rolling) -> String {
    let total = &rolling.total;
    let price_decimals = listing.scale.price_decimals;
    let mut json = begin("24hrMiniTicker", at_ms, listing, 256);
    json.decimal_field("c", total.close, price_decimals);
    json.decimal_field("o", total.open, price_decimals);
    json.decimal_field("h", total.high, price_decimals);
    json.decimal_field("l", total.low, price_decimals);
    json.wide_field("v", total.volume, listing.scale.qty_decimals);
    json.wide_field("q", total.quote_volume, listing.notional_decimals());
    end(json)
}

/// `avgPrice`
pub fn average_price(listing: &Listing, at_ms: u64, window: &Rolling, last: &Trade) -> String {
    let mut json = begin("avgPrice", at_ms, listing, 128);
    json.plain_field("i", "5m");
    json.wide_field("w", ticker::average_of(&window.total, listing.scale.price_decimals), AVERAGE_DECIMALS);
    json.int_field("T", last.time_ms);
    end(json)
}

fn id_field(json: &mut Json, name: &str, id: u64) {
    json.name(name);
    if id == 0 { json.raw("-1") } else { json.int(id) }
}

/// An event as combined streams carry it.
pub fn combined(stream: &str, event: &str) -> String {
    let mut text = String::with_capacity(stream.len() + event.len() + 24);
    text.push_str("{\"stream\":\"");
    text.push_str(stream);
    text.push_str("\",\"data\":");
    text.push_str(event);
    text.push('}');
    text
}
