//! Public market data: books, trades, klines and tickers.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::{Call, general};
use crate::errors::{self, ApiError};
use crate::gateway::{Answer, Gateway};
use crate::market_data::klines::KlinesWanted;
use crate::market_data::render::{self, TickerType};
use crate::market_data::ticker::WindowSize;
use crate::market_data::trades::AggWanted;
use crate::market_data::{Interval, Listing, Market, Span, Zone};
use crate::order_entry::parse;
use crate::params::Params;
use crate::streams::market_events;

const TRADES_MAX: usize = 1_000;
/// The most levels of a side that are told.
pub(crate) const DEPTH_MAX: usize = 5_000;
/// The most orders of a side that are told.
pub(crate) const ORDERS_MAX: usize = 50_000;
/// What a book of so many levels weighs.
pub(crate) const WHOLE_DEPTH_WEIGHT: u32 = 250;

macro_rules! queries {
    ($($(#[$doc:meta])* $name:ident => $query:ident;)+) => {
        $($(#[$doc])*
        pub(super) fn $name(call: Call) -> BoxFuture<'static, Answer> {
            ready($query(&call.gateway, call.params)).boxed()
        })+
    };
}

queries! {
    /// `GET depth`.
    depth => query_depth;
    /// `GET depth/orders`.
    depth_orders => query_depth_orders;
    /// `GET trades`.
    trades => query_trades;
    /// `GET avgPrice`.
    average_price => query_average_price;
    /// `GET ticker/24hr`.
    ticker_24hr => query_ticker_24hr;
    /// `GET ticker/tradingDay`.
    trading_day => query_trading_day;
    /// `GET ticker`.
    rolling_window => query_rolling_window;
    /// `GET ticker/price`.
    ticker_price => query_ticker_price;
    /// `GET ticker/bookTicker`.
    book_ticker => query_book_ticker;
}

/// Those that ask history.
macro_rules! past {
    ($($(#[$doc:meta])* $name:ident => $query:ident;)+) => {
        $($(#[$doc])*
        pub(super) fn $name(call: Call) -> BoxFuture<'static, Answer> {
            async move { $query(&call.gateway, call.params).await }.boxed()
        })+
    };
}

past! {
    /// `GET historicalTrades`.
    historical_trades => query_historical_trades;
    /// `GET aggTrades`.
    agg_trades => query_agg_trades;
    /// `GET klines`, `GET uiKlines`.
    klines => query_klines;
}

/// Deeper books weigh more.
pub(super) fn depth_weight(params: &Params) -> u32 {
    match params.get("limit").and_then(|limit| limit.parse::<u32>().ok()).unwrap_or(100) {
        0..=100 => 5,
        101..=500 => 25,
        501..=1_000 => 50,
        _ => WHOLE_DEPTH_WEIGHT,
    }
}

/// How many markets are asked for; `None` for all of them.
pub(super) fn asked(params: &Params) -> Option<u32> {
    match (params.get("symbol"), params.get("symbols")) {
        (Some(_), _) => Some(1),
        (None, Some(list)) => Some(u32::try_from(list.split(',').count()).unwrap_or(u32::MAX)),
        (None, None) => None,
    }
}

/// Daily tickers of many markets weigh more than one.
pub(super) fn day_weight(params: &Params) -> u32 {
    match asked(params) {
        Some(1..=20) => 2,
        Some(21..=100) => 40,
        _ => 80,
    }
}

/// Windows: four for each market, up to 200.
pub(super) fn window_weight(params: &Params) -> u32 {
    asked(params).unwrap_or(u32::MAX).saturating_mul(4).min(200)
}

/// Prices and best prices of more than one market weigh twice as much.
pub(super) fn price_weight(params: &Params) -> u32 {
    if params.get("symbol").is_some() { 2 } else { 4 }
}

fn market(gateway: &Gateway, params: &mut Params) -> Result<Arc<Market>, ApiError> {
    let market = parse::market(gateway, params)?;
    gateway.exchange.market_data().market_by_id(market.id).ok_or(errors::INVALID_SYMBOL)
}

fn listed(market: &Market) -> Result<&Listing, ApiError> {
    market.listing().map(AsRef::as_ref).ok_or(errors::INVALID_SYMBOL)
}

fn query_depth(gateway: &Gateway, mut params: Params) -> Answer {
    let market = market(gateway, &mut params)?;
    let limit = params.limit(100, DEPTH_MAX)?;
    general::check_status(gateway, &mut params, market.id())?;
    params.finish()?;
    Ok(render::depth(&market, listed(&market)?, limit))
}

fn query_depth_orders(gateway: &Gateway, mut params: Params) -> Answer {
    let market = market(gateway, &mut params)?;
    let limit = params.limit(500, ORDERS_MAX)?;
    params.finish()?;
    Ok(market_events::orders_answer(listed(&market)?, &market.orders(limit)))
}

fn query_trades(gateway: &Gateway, mut params: Params) -> Answer {
    let market = market(gateway, &mut params)?;
    let limit = params.limit(500, TRADES_MAX)?;
    params.finish()?;
    Ok(render::recent_trades(&market, listed(&market)?, limit))
}

async fn query_historical_trades(gateway: &Gateway, mut params: Params) -> Answer {
    let market = market(gateway, &mut params)?;
    let limit = params.limit(500, TRADES_MAX)?;
    let from = params.integer("fromId")?;
    params.finish()?;
    match from {
        Some(from) => {
            let trades = gateway.past_trades(market.id(), from, limit).await?;
            Ok(render::trades(listed(&market)?, &trades))
        }
        None => Ok(render::recent_trades(&market, listed(&market)?, limit)),
    }
}

async fn query_agg_trades(gateway: &Gateway, mut params: Params) -> Answer {
    let market = market(gateway, &mut params)?;
    let limit = params.limit(500, TRADES_MAX)?;
    let from = params.integer("fromId")?;
    let (start_ms, end_ms) = times(&mut params)?;
    params.finish()?;
    let wanted = match from {
        Some(_) if start_ms.is_some() || end_ms.is_some() => return Err(errors::BAD_COMBINATION),
        Some(from) => AggWanted::FromId(from),
        None => AggWanted::Times { start_ms, end_ms },
    };
    let trades = gateway.past_agg_trades(market.id(), wanted, limit).await?;
    Ok(render::aggregated_trades(listed(&market)?, &trades))
}

async fn query_klines(gateway: &Gateway, mut params: Params) -> Answer {
    let market = market(gateway, &mut params)?;
    let interval = Interval::from_name(&params.required("interval")?).ok_or(errors::INVALID_INTERVAL)?;
    let limit = params.limit(500, TRADES_MAX)?;
    let (start_ms, end_ms) = times(&mut params)?;
    let span = Span { interval, zone: zone(&mut params)? };
    params.finish()?;
    let wanted = KlinesWanted { span, start_ms, end_ms, limit, now_ms: gateway.now_us() / 1_000 };
    let klines = gateway.past_klines(market.id(), wanted).await?;
    Ok(render::klines(listed(&market)?, span, &klines))
}

fn query_average_price(gateway: &Gateway, mut params: Params) -> Answer {
    let market = market(gateway, &mut params)?;
    params.finish()?;
    Ok(render::average_price(&market, listed(&market)?, gateway.now_us() / 1_000))
}

fn query_ticker_24hr(gateway: &Gateway, mut params: Params) -> Answer {
    let kind = ticker_type(&mut params)?;
    let now_ms = gateway.now_us() / 1_000;
    one_or_all(gateway, params, |market, listing| render::ticker_24hr(market, listing, now_ms, kind))
}

fn query_trading_day(gateway: &Gateway, mut params: Params) -> Answer {
    let kind = ticker_type(&mut params)?;
    let zone = zone(&mut params)?;
    let now_ms = gateway.now_us() / 1_000;
    if params.get("symbol").or(params.get("symbols")).is_none() {
        return Err(ApiError::either_mandatory("symbol", "symbols"));
    }
    one_or_all(gateway, params, |market, listing| render::trading_day(market, listing, now_ms, zone, kind))
}

fn query_rolling_window(gateway: &Gateway, mut params: Params) -> Answer {
    let kind = ticker_type(&mut params)?;
    let size = match params.take("windowSize")? {
        None => WindowSize::DAY,
        Some(name) => WindowSize::from_name(&name).ok_or_else(|| ApiError::invalid_data("windowSize"))?,
    };
    let now_ms = gateway.now_us() / 1_000;
    if params.get("symbol").or(params.get("symbols")).is_none() {
        return Err(ApiError::either_mandatory("symbol", "symbols"));
    }
    one_or_all(gateway, params, |market, listing| render::rolling_window(market, listing, now_ms, size, kind))
}

fn query_ticker_price(gateway: &Gateway, params: Params) -> Answer {
    one_or_all(gateway, params, render::ticker_price)
}

fn query_book_ticker(gateway: &Gateway, params: Params) -> Answer {
    one_or_all(gateway, params, render::book_ticker)
}

/// One object for `symbol`, an array for `symbols` or for every market.
fn one_or_all(gateway: &Gateway, mut params: Params, show: impl Fn(&Market, &Listing) -> String) -> Answer {
    let is_one = params.get("symbol").is_some();
    let wanted = general::symbols(gateway, &mut params)?;
    let status = general::status_filter(&mut params)?;
    params.finish()?;
    let data = gateway.exchange.market_data();
    let reference = gateway.exchange.reference();
    let names_them = wanted.is_some();
    let has_status = |id: wire::MarketId| {
        let known = reference.market(id);
        // Of all markets, those that are.
        if !names_them && known.is_some_and(|known| known.status == wire::MarketStatus::Delisted) {
            return false;
        }
        status.as_deref().is_none_or(|status| known.is_some_and(|known| general::status_of(gateway, known) == status))
    };
    if is_one && wanted.iter().flatten().any(|market| !has_status(market.id)) {
        return Err(errors::STATUS_MISMATCH);
    }
    let markets = match wanted {
        Some(markets) => markets.iter().filter_map(|market| data.market_by_id(market.id)).collect(),
        None => data.markets(),
    };
    let mut shown = markets
        .iter()
        .filter(|market| has_status(market.id()))
        .filter_map(|market| Some(show(market, market.listing()?)));
    if is_one { shown.next().ok_or(errors::INVALID_SYMBOL) } else { Ok(render::array(shown)) }
}

fn ticker_type(params: &mut Params) -> Result<TickerType, ApiError> {
    match params.take("type")?.as_deref() {
        None | Some("FULL") => Ok(TickerType::Full),
        Some("MINI") => Ok(TickerType::Mini),
        Some(_) => Err(ApiError::new(-1139, "Invalid ticker type.")),
    }
}

/// `timeZone`: whose days they are.
fn zone(params: &mut Params) -> Result<Zone, ApiError> {
    let Some(name) = params.take("timeZone")? else { return Ok(Zone::default()) };
    Zone::from_name(&name).ok_or_else(|| ApiError::invalid_data("timeZone"))
}

/// `startTime` and `endTime`, told in milliseconds; the end does not lie before the start.
pub(super) fn times(params: &mut Params) -> Result<(Option<u64>, Option<u64>), ApiError> {
    let start = params.time_ms("startTime")?;
    let end = params.time_ms("endTime")?;
    match (start, end) {
        (Some(start), Some(end)) if end < start => Err(ApiError::invalid_data("startTime")),
        times => Ok(times),
    }
}
