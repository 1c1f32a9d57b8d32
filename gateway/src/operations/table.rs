//! The table of operations: path, method, weight, and who does it.
//!
//! Source of paths, methods and weights: Binance Spot, REST API and WebSocket API documents.

use std::collections::HashMap;
use std::sync::LazyLock;

use futures_util::future::BoxFuture;
use hyper::Method;

use super::Security::{Public, Read, Stream, Trade, Withdraw};
use super::{
    Call, Operation, Security, account, capital, general, history, lists, market, rules, user_stream, wallet,
    withdrawals,
};
use crate::gateway::Answer;
use crate::params::Params;

/// Every operation.
pub static OPERATIONS: &[Operation] = &[
    get("/api/v3/ping", Some("ping"), |_| 1, general::ping),
    get("/api/v3/time", Some("time"), |_| 1, general::time),
    get("/api/v3/exchangeInfo", Some("exchangeInfo"), |_| 20, general::exchange_info),
    get("/api/v3/depth", Some("depth"), market::depth_weight, market::depth),
    get("/api/v3/depth/orders", Some("depth.orders"), |_| market::WHOLE_DEPTH_WEIGHT, market::depth_orders),
    get("/api/v3/marketStatus", Some("marketStatus"), rules_weight, rules::market_status),
    get("/api/v3/trades", Some("trades.recent"), |_| 25, market::trades),
    get("/api/v3/historicalTrades", Some("trades.historical"), |_| 25, market::historical_trades),
    get("/api/v3/aggTrades", Some("trades.aggregate"), |_| 4, market::agg_trades),
    get("/api/v3/klines", Some("klines"), |_| 2, market::klines),
    get("/api/v3/uiKlines", Some("uiKlines"), |_| 2, market::klines),
    get("/api/v3/avgPrice", Some("avgPrice"), |_| 2, market::average_price),
    get("/api/v3/ticker/24hr", Some("ticker.24hr"), market::day_weight, market::ticker_24hr),
    get("/api/v3/ticker/tradingDay", Some("ticker.tradingDay"), market::window_weight, market::trading_day),
    get("/api/v3/ticker", Some("ticker"), market::window_weight, market::rolling_window),
    get("/api/v3/ticker/price", Some("ticker.price"), market::price_weight, market::ticker_price),
    get("/api/v3/ticker/bookTicker", Some("ticker.book"), market::price_weight, market::book_ticker),
    get("/api/v3/executionRules", Some("executionRules"), rules_weight, rules::execution_rules),
    get("/api/v3/referencePrice", Some("referencePrice"), |_| 2, rules::reference_price),
    get("/api/v3/referencePrice/calculation", Some("referencePrice.calculation"), |_| 2, rules::reference_price),
    get("/api/v3/historicalBlockTrades", Some("blockTrades.historical"), |_| 25, rules::block_trades),
    signed(Method::GET, "/api/v3/myFilters", Some("myFilters"), Read, |_| 40, rules::my_filters),
    signed(Method::GET, "/api/v3/myAllocations", Some("myAllocations"), Read, |_| 20, rules::none_of_market),
    signed(Method::POST, "/api/v3/order", Some("order.place"), Trade, |_| 1, account::place).placing(1),
    signed(Method::POST, "/api/v3/order/test", Some("order.test"), Trade, test_weight, account::test),
    signed(Method::GET, "/api/v3/order", Some("order.status"), Read, |_| 4, history::order),
    signed(Method::DELETE, "/api/v3/order", Some("order.cancel"), Trade, |_| 1, account::cancel),
    signed(Method::POST, "/api/v3/order/cancelReplace", Some("order.cancelReplace"), Trade, |_| 1, account::replace)
        .placing(1),
    signed(Method::POST, "/api/v3/countdownCancelAll", Some("countdownCancelAll"), Trade, |_| 10, account::countdown),
    signed(
        Method::PUT,
        "/api/v3/order/amend/keepPriority",
        Some("order.amend.keepPriority"),
        Trade,
        |_| 4,
        lists::amend_order,
    ),
    signed(Method::GET, "/api/v3/order/amendments", Some("order.amendments"), Read, |_| 4, lists::amendments),
    signed(Method::POST, "/api/v3/order/oco", Some("orderList.place"), Trade, |_| 1, lists::limit_and_stop).placing(2),
    signed(Method::POST, "/api/v3/orderList/oco", Some("orderList.place.oco"), Trade, |_| 1, lists::oco).placing(2),
    signed(Method::POST, "/api/v3/orderList/oto", Some("orderList.place.oto"), Trade, |_| 1, lists::oto).placing(2),
    signed(Method::POST, "/api/v3/orderList/otoco", Some("orderList.place.otoco"), Trade, |_| 1, lists::otoco)
        .placing(3),
    signed(Method::DELETE, "/api/v3/orderList", Some("orderList.cancel"), Trade, |_| 1, lists::cancel),
    signed(Method::GET, "/api/v3/orderList", Some("orderList.status"), Read, |_| 4, lists::list),
    signed(Method::GET, "/api/v3/openOrderList", Some("openOrderLists.status"), Read, |_| 6, lists::open),
    signed(Method::GET, "/api/v3/allOrderList", Some("allOrderLists"), Read, |_| 20, lists::all),
    signed(
        Method::GET,
        "/api/v3/myPreventedMatches",
        Some("myPreventedMatches"),
        Read,
        lists::prevented_weight,
        lists::prevented,
    ),
    signed(Method::GET, "/api/v3/openOrders", Some("openOrders.status"), Read, all_weight, history::open_orders),
    signed(Method::DELETE, "/api/v3/openOrders", Some("openOrders.cancelAll"), Trade, |_| 1, account::cancel_all),
    signed(Method::GET, "/api/v3/allOrders", Some("allOrders"), Read, |_| 20, history::all_orders),
    signed(Method::GET, "/api/v3/myTrades", Some("myTrades"), Read, fills_weight, history::my_trades),
    signed(Method::GET, "/api/v3/account", Some("account.status"), Read, |_| 20, account::status),
    signed(Method::GET, "/api/v3/account/commission", Some("account.commission"), Read, |_| 20, account::commission),
    signed(
        Method::GET,
        "/api/v3/rateLimit/order",
        Some("account.rateLimits.orders"),
        Read,
        |_| 40,
        account::order_counts,
    ),
    signed(Method::POST, "/api/v3/userDataStream", Some("userDataStream.start"), Stream, |_| 2, user_stream::start),
    signed(Method::PUT, "/api/v3/userDataStream", Some("userDataStream.ping"), Stream, |_| 2, user_stream::renew),
    signed(Method::DELETE, "/api/v3/userDataStream", Some("userDataStream.stop"), Stream, |_| 2, user_stream::close),
    signed(Method::GET, "/sapi/v1/capital/config/getall", None, Read, |_| 10, wallet::coins),
    signed(Method::GET, "/sapi/v1/capital/deposit/address", None, Read, |_| 10, capital::address),
    signed(Method::GET, "/sapi/v1/capital/deposit/hisrec", None, Read, |_| 1, capital::history),
    signed(Method::POST, "/sapi/v1/capital/withdraw/apply", None, Withdraw, |_| 10, withdrawals::apply),
    signed(Method::GET, "/sapi/v1/capital/withdraw/history", None, Read, |_| 10, withdrawals::history),
    signed(Method::GET, "/sapi/v1/asset/tradeFee", None, Read, |_| 1, wallet::trade_fees),
    signed(Method::POST, "/sapi/v3/asset/getUserAsset", None, Read, |_| 5, wallet::user_assets),
    get("/sapi/v1/margin/allPairs", None, |_| 1, wallet::no_pairs),
    get("/sapi/v1/margin/isolated/allPairs", None, |_| 1, wallet::no_pairs),
    get("/sapi/v1/system/status", None, |_| 1, wallet::system_status),
];

type Run = fn(Call) -> BoxFuture<'static, Answer>;
type Weight = fn(&Params) -> u32;

const fn get(path: &'static str, ws: Option<&'static str>, weight: Weight, run: Run) -> Operation {
    Operation { rest: (Method::GET, path), ws, security: Public, weight, orders: 0, run }
}

const fn signed(
    verb: Method,
    path: &'static str,
    ws: Option<&'static str>,
    security: Security,
    weight: Weight,
    run: Run,
) -> Operation {
    Operation { rest: (verb, path), ws, security, weight, orders: 0, run }
}

impl Operation {
    const fn placing(mut self, orders: u32) -> Operation {
        self.orders = orders;
        self
    }
}

/// Two for each market, up to 40.
fn rules_weight(params: &Params) -> u32 {
    market::asked(params).unwrap_or(u32::MAX).saturating_mul(2).min(40)
}

/// Trying an order costs more when its commission is asked for.
fn test_weight(params: &Params) -> u32 {
    if params.get("computeCommissionRates") == Some("true") { 20 } else { 1 }
}

/// Fills of one order are cheaper than all.
fn fills_weight(params: &Params) -> u32 {
    if params.get("orderId").is_some() { 5 } else { 20 }
}

/// Open orders of every market are dearer than those of one.
fn all_weight(params: &Params) -> u32 {
    if params.get("symbol").is_some() { 6 } else { 80 }
}

static BY_PATH: LazyLock<HashMap<&'static str, Vec<&'static Operation>>> = LazyLock::new(|| {
    let mut by_path: HashMap<_, Vec<_>> = HashMap::new();
    for operation in OPERATIONS {
        by_path.entry(operation.rest.1).or_default().push(operation);
    }
    by_path
});

static BY_WS_METHOD: LazyLock<HashMap<&'static str, &'static Operation>> =
    LazyLock::new(|| OPERATIONS.iter().filter_map(|operation| Some((operation.ws?, operation))).collect());

/// The operations of a REST path, one for each verb; none when the path is unknown.
pub fn find(path: &str) -> &'static [&'static Operation] {
    BY_PATH.get(path).map_or(&[], Vec::as_slice)
}

/// The operation behind a method of the WebSocket API, such as `order.place`. `session.*` and
/// `userDataStream.*` belong to a connection and are not here.
pub fn by_ws_method(method: &str) -> Option<&'static Operation> {
    BY_WS_METHOD.get(method).copied()
}
