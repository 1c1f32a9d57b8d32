//! Is it there, what time is it, what can be traded.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde::Serialize;
use serde_json::{Value, json};
use wire::{MarketStatus, decimal};

use super::Call;
use crate::accounts::conduct::AccountBounds;
use crate::errors::{self, ApiError};
use crate::gateway::{Answer, Gateway};
use crate::market_data::Phase;
use crate::names;
use crate::order_entry::parse;
use crate::params::Params;
use crate::reference::Market;

/// `GET ping`.
pub(super) fn ping(call: Call) -> BoxFuture<'static, Answer> {
    ready(call.params.none().map(|()| "{}".into())).boxed()
}

/// `GET time`.
pub(super) fn time(call: Call) -> BoxFuture<'static, Answer> {
    let server_time = call.gateway.now_us() / 1_000;
    ready(call.params.none().map(|()| json!({ "serverTime": server_time }).to_string())).boxed()
}

/// `GET exchangeInfo`.
pub(super) fn exchange_info(call: Call) -> BoxFuture<'static, Answer> {
    ready(info(&call.gateway, call.params)).boxed()
}

fn info(gateway: &Gateway, mut params: Params) -> Answer {
    let wanted = symbols(gateway, &mut params)?;
    let status = status_filter(&mut params)?;
    let permissions = permissions(&mut params)?;
    if wanted.is_some() && (status.is_some() || permissions.is_some()) {
        return Err(errors::BAD_COMBINATION);
    }
    let is_spot = permissions.is_none_or(|list| list.iter().any(|name| name == "SPOT"));
    let shows_sets = match params.take("showPermissionSets")?.as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(ApiError::invalid_data("showPermissionSets")),
    };
    params.finish()?;
    let reference = gateway.exchange.reference();
    let markets = match &wanted {
        Some(markets) => markets.as_slice(),
        None => reference.markets(),
    };
    // Whoever names one that is gone is told so.
    let is_there = |market: &Market| wanted.is_some() || market.status != MarketStatus::Delisted;
    let symbols: Vec<Value> = markets
        .iter()
        .filter(|market| is_there(market))
        .filter(|market| status.as_deref().is_none_or(|status| status == status_of(gateway, market)))
        .filter(|_| is_spot)
        .map(|market| symbol(gateway, market, shows_sets))
        .collect();
    Ok(json!({
        "timezone": "UTC",
        "serverTime": gateway.now_us() / 1_000,
        "rateLimits": rate_limits(gateway),
        "exchangeFilters": exchange_filters(&gateway.exchange.accounts().conduct().of_everybody()),
        "symbols": symbols,
    })
    .to_string())
}

/// `symbol` or `symbols` (a JSON array); `None` when neither was sent.
pub(super) fn symbols(gateway: &Gateway, params: &mut Params) -> Result<Option<Vec<std::sync::Arc<Market>>>, ApiError> {
    let one = params.take("symbol")?;
    let many = params.take("symbols")?;
    match (one, many) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(errors::BAD_COMBINATION),
        (Some(symbol), None) => Ok(Some(vec![parse::named_market(gateway, &symbol)?])),
        (None, Some(list)) => {
            let names: Vec<String> = serde_json::from_str(&list).map_err(|_| {
                ApiError::illegal_characters(
                    "symbols",
                    "^\\[(\"[A-Z0-9-_.]{1,20}\"(,\"[A-Z0-9-_.]{1,20}\"){0,}){0,1}\\]$",
                )
            })?;
            if names.is_empty() {
                return Err(ApiError::empty("symbols"));
            }
            let markets: Vec<_> =
                names.iter().map(|name| parse::named_market(gateway, name)).collect::<Result<_, _>>()?;
            if names.iter().enumerate().any(|(index, name)| names[..index].contains(name)) {
                return Err(ApiError::new(-1151, "Symbol is present multiple times in the list."));
            }
            Ok(Some(markets))
        }
    }
}

/// `permissions`: one, or a JSON array of them; `None` when none were sent. Markets that anybody trades in by one of them are
/// asked for.
fn permissions(params: &mut Params) -> Result<Option<Vec<String>>, ApiError> {
    let Some(sent) = params.take("permissions")? else { return Ok(None) };
    let malformed =
        |_| ApiError::illegal_characters("permissions", "^[A-Z0-9_]+$|^\\[(\"[A-Z0-9_]+\"(,\"[A-Z0-9_]+\")*)?\\]$");
    let names: Vec<String> = match sent.starts_with('[') {
        true => serde_json::from_str(&sent).map_err(malformed)?,
        false => vec![sent],
    };
    if names.is_empty() {
        return Err(ApiError::empty("permissions"));
    }
    match names.iter().all(|name| is_permission(name)) {
        true => Ok(Some(names)),
        false => Err(ApiError::invalid_data("permissions")),
    }
}

/// Whether Binance knows it. Source: Binance Spot, "ENUM definitions, account and symbol permissions".
fn is_permission(name: &str) -> bool {
    let is_number = |digits: &str| digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
    ["SPOT", "MARGIN", "LEVERAGED"].contains(&name) || name.strip_prefix("TRD_GRP_").is_some_and(is_number)
}

/// `symbolStatus`: markets of this status alone.
pub(super) fn status_filter(params: &mut Params) -> Result<Option<String>, ApiError> {
    match params.take("symbolStatus")? {
        Some(status) if !["TRADING", "HALT", "BREAK", "CANCEL_ONLY"].contains(&status.as_str()) => {
            Err(errors::INVALID_STATUS)
        }
        status => Ok(status),
    }
}

/// `symbolStatus` of what asks for one market.
pub(super) fn check_status(gateway: &Gateway, params: &mut Params, id: wire::MarketId) -> Result<(), ApiError> {
    let Some(wanted) = status_filter(params)? else { return Ok(()) };
    let reference = gateway.exchange.reference();
    let market = reference.market(id).ok_or(errors::INVALID_SYMBOL)?;
    if status_of(gateway, market) == wanted { Ok(()) } else { Err(errors::STATUS_MISMATCH) }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateLimit {
    rate_limit_type: &'static str,
    interval: &'static str,
    interval_num: u32,
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
}

/// The limits on orders, with what has been used of them.
pub(super) fn order_limits(gateway: &Gateway, counts: Option<(u32, u32)>) -> [RateLimit; 2] {
    [
        RateLimit {
            rate_limit_type: "ORDERS",
            interval: "SECOND",
            interval_num: 10,
            limit: gateway.limits.orders_per_10s,
            count: counts.map(|(per_10s, _)| per_10s),
        },
        RateLimit {
            rate_limit_type: "ORDERS",
            interval: "DAY",
            interval_num: 1,
            limit: gateway.limits.orders_per_day,
            count: counts.map(|(_, per_day)| per_day),
        },
    ]
}

fn rate_limits(gateway: &Gateway) -> Vec<RateLimit> {
    let weight = RateLimit {
        rate_limit_type: "REQUEST_WEIGHT",
        interval: "MINUTE",
        interval_num: 1,
        limit: gateway.limits.weight_per_minute,
        count: None,
    };
    let requests = RateLimit {
        rate_limit_type: "RAW_REQUESTS",
        interval: "MINUTE",
        interval_num: 5,
        limit: gateway.limits.requests_per_5m,
        count: None,
    };
    std::iter::once(weight).chain(order_limits(gateway, None)).chain([requests]).collect()
}

/// A market's status as its cell has told it last, or as it was listed.
pub(super) fn status_of(gateway: &Gateway, market: &Market) -> &'static str {
    names::market_status(phase_of(gateway, market).changed.map_or(market.status, |changed| changed.status))
}

/// Where a market is in its day.
pub(super) fn phase_of(gateway: &Gateway, market: &Market) -> Phase {
    gateway.exchange.market_data().market_by_id(market.id).map(|market| market.phase()).unwrap_or_default()
}

fn symbol(gateway: &Gateway, market: &Market, shows_sets: bool) -> Value {
    json!({
        "symbol": market.symbol.as_str(),
        "status": status_of(gateway, market),
        "baseAsset": market.base.symbol.as_str(),
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote.symbol.as_str(),
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": market.base.ledger_decimals,
        "quoteCommissionPrecision": market.quote.ledger_decimals,
        "orderTypes": [
            "LIMIT",
            "LIMIT_MAKER",
            "MARKET",
            "STOP_LOSS",
            "STOP_LOSS_LIMIT",
            "TAKE_PROFIT",
            "TAKE_PROFIT_LIMIT",
        ],
        "icebergAllowed": true,
        "ocoAllowed": true,
        "otoAllowed": true,
        "opoAllowed": false,
        "quoteOrderQtyMarketAllowed": true,
        "allowTrailingStop": true,
        "cancelReplaceAllowed": true,
        "amendAllowed": market.rules.special.order_amends_max > 0,
        "pegInstructionsAllowed": market.rules.special.takes_pegged,
        "isSpotTradingAllowed": true,
        "isMarginTradingAllowed": false,
        "filters": filters(market, gateway.exchange.accounts().conduct().position_max(market.id)),
        "permissions": ["SPOT"],
        "permissionSets": if shows_sets { json!([["SPOT"]]) } else { json!([]) },
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
    })
}

/// What may be open over all markets; zero is no limit.
pub(super) fn exchange_filters(bounds: &AccountBounds) -> Vec<Value> {
    let all = [
        ("EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders", bounds.open_orders_max),
        ("EXCHANGE_MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", bounds.stop_orders_max),
        ("EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders", bounds.iceberg_orders_max),
        ("EXCHANGE_MAX_NUM_ORDER_LISTS", "maxNumOrderLists", bounds.order_lists_max),
    ];
    let set = all.into_iter().filter(|(_, _, max)| *max > 0);
    set.map(|(name, field, max)| json!({ "filterType": name, field: max })).collect()
}

/// The filters of a market where a position may have so much base; zero is no limit.
pub(super) fn filters(market: &Market, position_max: wire::Amount) -> Value {
    let rules = &market.rules;
    let price = |price: wire::Price| market.show_price(price.units());
    let qty = |qty: wire::Qty| market.show_qty(qty.units());
    let amount = |amount: wire::Amount| decimal::format(amount.units(), market.quote.ledger_decimals, 8);
    let mut filters = vec![
        json!({ "filterType": "PRICE_FILTER", "minPrice": price(rules.price_min), "maxPrice": price(rules.price_max), "tickSize": price(rules.tick) }),
        json!({ "filterType": "LOT_SIZE", "minQty": qty(rules.qty_min), "maxQty": qty(rules.qty_max), "stepSize": qty(rules.lot) }),
        json!({ "filterType": "MARKET_LOT_SIZE", "minQty": qty(rules.qty_min), "maxQty": qty(rules.market_qty_max), "stepSize": qty(rules.lot) }),
        json!({ "filterType": "NOTIONAL", "minNotional": amount(rules.notional_min), "applyMinToMarket": true, "maxNotional": amount(rules.notional_max), "applyMaxToMarket": true, "avgPriceMins": 0 }),
        json!({ "filterType": "ICEBERG_PARTS", "limit": rules.special.iceberg_parts_max }),
        json!({
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": rules.special.trailing_delta_min.get(),
            "maxTrailingAboveDelta": rules.special.trailing_delta_max.get(),
            "minTrailingBelowDelta": rules.special.trailing_delta_min.get(),
            "maxTrailingBelowDelta": rules.special.trailing_delta_max.get(),
        }),
        json!({ "filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.open_orders_max }),
        json!({ "filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": rules.special.stop_orders_max }),
        json!({ "filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": rules.special.order_lists_max }),
        json!({ "filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": rules.special.order_amends_max }),
    ];
    if rules.special.iceberg_orders_max > 0 {
        let max = rules.special.iceberg_orders_max;
        filters.push(json!({ "filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": max }));
    }
    if rules.special.has_min_notional(false) {
        filters.push(json!({
            "filterType": "MIN_NOTIONAL",
            "minNotional": amount(rules.special.min_notional),
            "applyToMarket": rules.special.min_notional_of_market,
            "avgPriceMins": 0,
        }));
    }
    let limits = &market.protection;
    // A multiplier of 0 bounds nothing, upwards or downwards.
    let multiplier = |ppm: u32| decimal::format(ppm.into(), 6, 0);
    let up = |ppm: u32| multiplier(if ppm == 0 { u32::MAX } else { ppm });
    if limits.has_filter_of_both() {
        filters.push(json!({
            "filterType": "PERCENT_PRICE",
            "multiplierUp": up(limits.up_ppm),
            "multiplierDown": multiplier(limits.down_ppm),
            "avgPriceMins": 0,
        }));
    }
    if limits.has_filter_by_side() {
        filters.push(json!({
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": up(limits.bid_up_ppm),
            "bidMultiplierDown": multiplier(limits.bid_down_ppm),
            "askMultiplierUp": up(limits.ask_up_ppm),
            "askMultiplierDown": multiplier(limits.ask_down_ppm),
            "avgPriceMins": 0,
        }));
    }
    if !position_max.is_zero() {
        let max = market.base.show(position_max.units());
        filters.push(json!({ "filterType": "MAX_POSITION", "maxPosition": max }));
    }
    Value::Array(filters)
}
