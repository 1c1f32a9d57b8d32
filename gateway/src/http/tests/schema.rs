//! Every answer and every event is held against its schema in `gateway/schema`, and the documents there that describe
//! the whole surface, `openapi.json` and `asyncapi.json`, are what the table of operations makes of it today
//! (`UPDATE=1` writes them).

use std::collections::BTreeSet;
use std::path::PathBuf;

use futures_util::{SinkExt, StreamExt};
use serde_json::Map;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use wire::event::{
    AccountLimitsChanged, AssetLimitChanged, AuctionIndicated, Credited, DepthWindowClosed, LevelChanged,
    MarketProtectionChanged, MarketRulesChanged, OrderLimitsChanged, OrderShown, PhaseChanged, Traded,
};
use wire::{
    AccountId, BookSequence, Event, MarketProtection, MarketStatus, OrderId, PhaseCause, Side, TradeId, UpdateId,
};

use super::*;
use crate::operations::{OPERATIONS, Security};

fn schema_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema")
}

fn schema(name: &str) -> Value {
    let path = schema_dir().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What of `value` does not follow `schema`: the words of JSON Schema that our schemas use.
fn violations(schema_: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(other) = schema_["$ref"].as_str() {
        return violations(&schema(other.trim_end_matches(".json")), value, at, found);
    }
    if let Some(any) = schema_["anyOf"].as_array() {
        let found_by = |schema_| {
            let mut found = Vec::new();
            violations(schema_, value, at, &mut found);
            found
        };
        let best = any.iter().map(found_by).min_by_key(Vec::len);
        return found.extend(best.unwrap_or_default());
    }
    if let Some(allowed) = schema_["enum"].as_array()
        && !allowed.contains(value)
    {
        found.push(format!("{at}: {value} is none of {}", schema_["enum"]));
    }
    let is_of = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type of our schemas"),
    };
    let kinds: Vec<&str> = match &schema_["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is_of(kind)) {
        found.push(format!("{at}: {value} is no {}", schema_["type"]));
        return;
    }
    if schema_["format"] == "decimal" {
        let text = value.as_str().unwrap_or_default();
        let (whole, fraction) = text.strip_prefix('-').unwrap_or(text).split_once('.').unwrap_or_default();
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            found.push(format!("{at}: {value} is no decimal"));
        }
    }
    if let (Some(properties), Some(fields)) = (schema_["properties"].as_object(), value.as_object()) {
        for name in schema_["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                found.push(format!("{at}.{name} is missing"));
            }
        }
        for (name, field) in fields {
            match properties.get(name) {
                Some(known) => violations(known, field, &format!("{at}.{name}"), found),
                None => found.push(format!("{at}.{name} is not in the schema")),
            }
        }
    }
    if let Some(items) = value.as_array() {
        let most = schema_["maxItems"].as_u64().unwrap_or(u64::MAX);
        if items.len() as u64 > most {
            found.push(format!("{at}: more than {most} items"));
        }
        for (index, item) in items.iter().enumerate() {
            let place = format!("{at}[{index}]");
            match schema_["prefixItems"].get(index) {
                Some(known) => violations(known, item, &place, found),
                None if schema_["items"].is_object() => violations(&schema_["items"], item, &place, found),
                None => {}
            }
        }
    }
}

#[track_caller]
fn follows(name: &str, value: &Value) {
    let mut found = Vec::new();
    violations(&schema(name), value, name, &mut found);
    assert!(found.is_empty(), "{}\n{value:#}", found.join("\n"));
}

fn level(side: Side, units: i64, update: u64) -> Event {
    let (market, update) = (BTCUSDT, UpdateId::new(update));
    Event::LevelChanged(LevelChanged { market, side, price: price(units), qty: qty(1_000), update })
}

fn market_events() -> Vec<Event> {
    let traded = Traded {
        market: BTCUSDT,
        trade: TradeId::new(1),
        price: price(5_000_000),
        qty: qty(100),
        taker_side: Side::Buy,
        taker: OrderId::new(2),
        maker: OrderId::new(1),
        sequence: BookSequence::new(2),
        is_auction: false,
    };
    let shown = OrderShown {
        market: BTCUSDT,
        sequence: BookSequence::new(1),
        order: OrderId::new(1),
        side: Side::Sell,
        price: price(5_000_000),
        qty: qty(1_000),
        is_last: true,
    };
    let phase = PhaseChanged {
        market: BTCUSDT,
        number: 1,
        status: MarketStatus::Auction,
        cause: PhaseCause::Schedule,
        until: wire::Timestamp::from_nanos(START_NS + 1_000_000_000),
    };
    let indicated = AuctionIndicated { market: BTCUSDT, price: Some(price(5_000_000)), qty: qty(100), surplus: -5 };
    let window = DepthWindowClosed { market: BTCUSDT, first: UpdateId::new(1), last: UpdateId::new(2) };
    let mut events = filter_events();
    events.extend([
        level(Side::Buy, 4_999_900, 1),
        level(Side::Sell, 5_000_100, 2),
        Event::OrderShown(shown),
        Event::Traded(traded),
        Event::DepthWindowClosed(window),
        Event::PhaseChanged(phase),
        Event::AuctionIndicated(indicated),
    ]);
    events
}

/// Every filter that a market or an account may have or not, far beyond what these tests ask for.
fn filter_events() -> Vec<Event> {
    let mut rules = rules();
    rules.special.iceberg_orders_max = 1_000;
    rules.special.min_notional = amount(1);
    let multipliers = MarketProtection { bid_up_ppm: 4_000_000, up_ppm: 4_000_000, ..MarketProtection::NONE };
    let account = AccountId::new(0);
    let limits = AccountLimitsChanged {
        account,
        open_orders_max: 1_000,
        stop_orders_max: 1_000,
        iceberg_orders_max: 1_000,
        order_lists_max: 1_000,
        order_rate_max: 0,
        order_rate_window_ms: 0,
    };
    let (qty_max, notional_max, position_max) = (qty(0), amount(0), amount(i64::MAX / 2));
    let market = BTCUSDT;
    vec![
        Event::MarketRulesChanged(Box::new(MarketRulesChanged { market, version: 1, rules })),
        Event::MarketProtectionChanged(MarketProtectionChanged { market, version: 2, protection: multipliers }),
        Event::AccountLimitsChanged(limits),
        Event::OrderLimitsChanged(OrderLimitsChanged { account, market, qty_max, notional_max, position_max }),
        Event::AssetLimitChanged(AssetLimitChanged { account, asset: BTC, order_max: amount(i64::MAX / 2) }),
    ]
}

/// Path, parameters and schema of what can be read.
const READS: &[(&str, &str, &str)] = &[
    ("ping", "", "empty"),
    ("time", "", "time"),
    ("exchangeInfo", "", "exchange-info"),
    ("depth", "symbol=BTCUSDT", "depth"),
    ("depth/orders", "symbol=BTCUSDT", "depth-orders"),
    ("marketStatus", "", "market-status"),
    ("trades", "symbol=BTCUSDT", "trades"),
    ("historicalTrades", "symbol=BTCUSDT", "trades"),
    ("aggTrades", "symbol=BTCUSDT", "agg-trades"),
    ("klines", "symbol=BTCUSDT&interval=1m", "klines"),
    ("uiKlines", "symbol=BTCUSDT&interval=1m", "klines"),
    ("avgPrice", "symbol=BTCUSDT", "average-price"),
    ("ticker/24hr", "symbol=BTCUSDT", "ticker-24hr"),
    ("ticker/tradingDay", "symbol=BTCUSDT", "ticker-window"),
    ("ticker", "symbol=BTCUSDT", "ticker-window"),
    ("ticker/price", "symbol=BTCUSDT", "ticker-price"),
    ("ticker/bookTicker", "symbol=BTCUSDT", "ticker-book"),
    ("executionRules", "symbol=BTCUSDT", "execution-rules"),
    ("historicalBlockTrades", "symbol=BTCUSDT&fromId=0", "none"),
    ("historicalBlockTrades", "symbol=BTCUSDT", "error"),
    ("referencePrice", "symbol=BTCUSDT", "error"),
    ("nothing", "", "error"),
];

const SIGNED_READS: &[(&str, &str, &str)] = &[
    ("/api/v3/order", "symbol=BTCUSDT&orderId=1", "order"),
    ("/api/v3/openOrders", "", "orders"),
    ("/api/v3/allOrders", "symbol=BTCUSDT", "orders"),
    ("/api/v3/myTrades", "symbol=BTCUSDT", "my-trades"),
    ("/api/v3/account", "", "account"),
    ("/api/v3/account/commission", "symbol=BTCUSDT", "commission"),
    ("/api/v3/rateLimit/order", "", "order-counts"),
    ("/api/v3/openOrderList", "", "order-lists"),
    ("/api/v3/allOrderList", "", "order-lists"),
    ("/api/v3/myFilters", "symbol=BTCUSDT", "my-filters"),
    ("/api/v3/myAllocations", "symbol=BTCUSDT", "none"),
    ("/api/v3/order/amendments", "symbol=BTCUSDT&orderId=1", "amendments"),
    ("/api/v3/myPreventedMatches", "symbol=BTCUSDT&orderId=1", "prevented-matches"),
    ("/sapi/v1/capital/config/getall", "", "coins"),
    ("/sapi/v1/capital/deposit/address", "coin=BTC", "deposit-address"),
    ("/sapi/v1/capital/deposit/hisrec", "startTime=1767225600000", "deposits"),
    ("/sapi/v1/capital/withdraw/history", "", "withdrawals"),
    ("/sapi/v1/asset/tradeFee", "", "trade-fees"),
];

#[tokio::test]
async fn every_answer_follows_its_schema() {
    let server = server().await;
    server.ledger.feed(&market_events());
    server.ledger.feed(&crate::testing::capital::deposited());
    server.ledger.feed(&super::withdrawals::events(server.gateway.now_us()));
    for (path, params, name) in READS {
        follows(name, &server.get(&format!("/api/v3/{path}?{params}")).await.body);
    }
    for (kind, name) in [("ACK", "order-ack"), ("RESULT", "order-result"), ("FULL", "order-result")] {
        let answer = server.signed("POST", "/api/v3/order", &format!("{BUY}&newOrderRespType={kind}")).await;
        follows(name, &answer.body);
    }
    server.ledger.feed(&[executed(1, 7, 40_000, 60_000)]);
    for (path, params, name) in SIGNED_READS {
        follows(name, &server.signed("GET", path, params).await.body);
    }
    let replace = format!("{BUY}&cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId=3");
    follows("replaced", &server.signed("POST", "/api/v3/order/cancelReplace", &replace).await.body);
    let failed = format!("{BUY}&cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId=987654");
    follows("error", &server.signed("POST", "/api/v3/order/cancelReplace", &failed).await.body);
    let canceled = server.signed("DELETE", "/api/v3/order", "symbol=BTCUSDT&orderId=4").await;
    follows("order-canceled", &canceled.body);
    let applied = server
        .signed_by(super::withdrawals::KEY, "POST", "/sapi/v1/capital/withdraw/apply", &super::withdrawals::apply(""))
        .await;
    follows("withdrawal-id", &applied.body);
    follows("user-assets", &server.signed("POST", "/sapi/v3/asset/getUserAsset", "").await.body);
    let key = format!("X-MBX-APIKEY: {ALICE_KEY}\r\n");
    follows("listen-key", &server.call("POST", "/api/v3/userDataStream", &key, &[]).await.body);
    follows("system-status", &server.get("/sapi/v1/system/status").await.body);
}

#[tokio::test]
async fn every_event_follows_its_schema() {
    let server = server().await;
    server.gateway.exchange.market_data().go_live();
    let mut user = listen(&server.gateway);
    let streams = [
        "btcusdt@trade",
        "btcusdt@aggTrade",
        "btcusdt@depth@100ms",
        "btcusdt@depth5@100ms",
        "btcusdt@bookTicker",
        "btcusdt@miniTicker",
        "btcusdt@ticker",
        "btcusdt@ticker_1h",
        "btcusdt@avgPrice",
        "btcusdt@kline_1m",
        "btcusdt@l3",
        "btcusdt@status",
        "btcusdt@auction",
    ];
    let url = format!("ws://{}/stream?streams={}", server.address, streams.join("/"));
    let (mut client, _) = connect_async(url).await.unwrap();
    client.send(Message::text(r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#)).await.unwrap();
    let mut seen = BTreeSet::new();
    let mut is_fed = false;
    while seen.len() < streams.len() {
        let heard = tokio::time::timeout(Duration::from_secs(10), client.next()).await;
        let Message::Text(text) = heard.unwrap_or_else(|_| panic!("only {seen:?}")).unwrap().unwrap() else { continue };
        let told: Value = serde_json::from_str(&text).unwrap();
        let Some(stream) = told["stream"].as_str() else {
            if !std::mem::replace(&mut is_fed, true) {
                server.ledger.feed(&market_events());
                server.gateway.hub.beat(server.gateway.exchange.market_data(), START_NS / 1_000_000 + 1);
            }
            continue;
        };
        let name = match stream.split('@').nth(1).unwrap() {
            "trade" => "stream-trade",
            "aggTrade" => "stream-agg-trade",
            "depth" => "stream-depth",
            "depth5" => "depth",
            "bookTicker" => "stream-book-ticker",
            "miniTicker" => "stream-mini-ticker",
            "ticker" => "stream-ticker",
            "avgPrice" => "stream-average-price",
            "kline_1m" => "stream-kline",
            "l3" => "stream-l3",
            "status" => "stream-market-status",
            "auction" => "stream-auction",
            _ => "stream-rolling-window",
        };
        follows(name, &told["data"]);
        seen.insert(stream.to_owned());
    }
    server.ledger.feed(&[
        pending(1, &buy("e")),
        accepted(1),
        executed(1, 7, 40_000, 60_000),
        balance(ALICE, BTC, 1, 0),
    ]);
    server.ledger.feed(&[canceled(1, 60_000, wire::CancelCause::TimeInForce, 0)]);
    server.ledger.feed(&[Event::Credited(Credited { account: ALICE, asset: BTC, amount: amount(1) })]);
    let mut kinds = BTreeSet::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(50), user.recv()).await {
        let event: Value = serde_json::from_str(&event.text).unwrap();
        let name = match event["e"].as_str().unwrap() {
            "executionReport" => "event-execution-report",
            "outboundAccountPosition" => "event-account-position",
            "balanceUpdate" => "event-balance-update",
            other => panic!("{other}"),
        };
        follows(name, &event);
        kinds.insert(name);
    }
    assert_eq!(kinds.len(), 3);
}

#[tokio::test]
async fn what_a_user_stream_begins_with_follows_its_schema() {
    let server = server().await;
    let listen_key = {
        let accounts = server.gateway.exchange.accounts();
        accounts.listen_key_of(&wire::ApiKeyText::new(ALICE_KEY.as_bytes()).unwrap()).unwrap().to_owned()
    };
    for path in [format!("/ws/{listen_key}?sequence=true"), format!("/stream?streams={listen_key}&sequence=true")] {
        let (mut client, _) = connect_async(format!("ws://{}{path}", server.address)).await.unwrap();
        let Some(Ok(Message::Text(text))) = client.next().await else { panic!("{path}") };
        follows("user-sequence", &serde_json::from_str(&text).unwrap());
    }
    for numbered in [None, Some(true)] {
        let (mut client, _) = connect_async(format!("ws://{}/ws-api/v3", server.address)).await.unwrap();
        let mut sent = json!({ "apiKey": ALICE_KEY, "timestamp": server.gateway.now_us() / 1_000 });
        if let Some(numbered) = numbered {
            sent["sequence"] = numbered.into();
        }
        let mut pairs: Vec<String> = sent
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect();
        pairs.sort();
        sent["signature"] = sign(ALICE_SECRET, &pairs.join("&")).into();
        let request = json!({ "id": 1, "method": "userDataStream.subscribe.signature", "params": sent });
        client.send(Message::text(request.to_string())).await.unwrap();
        let Some(Ok(Message::Text(text))) = client.next().await else { panic!("no answer") };
        let answer: Value = serde_json::from_str(&text).unwrap();
        follows("user-subscription", &answer["result"]);
        assert_eq!(answer["result"].get("life").is_some(), numbered.is_some());
    }
}

/// The schema of an operation's answer.
fn schema_of(verb: &str, path: &str) -> &'static str {
    let short = path.trim_start_matches("/api/v3/");
    let read = READS.iter().find(|(known, ..)| *known == short && verb == "GET").map(|(_, _, name)| *name);
    let signed = SIGNED_READS.iter().find(|(known, ..)| *known == path && verb == "GET").map(|(_, _, name)| *name);
    if let Some(name) = read.or(signed).filter(|name| *name != "error") {
        return name;
    }
    match (verb, short) {
        ("POST", "order") => "order-result",
        ("DELETE", "order") => "order-canceled",
        ("DELETE", "openOrders") => "orders-canceled",
        ("POST", "order/test") | ("PUT" | "DELETE", "userDataStream") => "empty",
        ("POST", "order/cancelReplace") => "replaced",
        ("POST", "userDataStream") => "listen-key",
        ("POST", "countdownCancelAll") => "countdown",
        ("PUT", "order/amend/keepPriority") => "amended",
        ("GET" | "DELETE", "orderList") | ("POST", _) if short.starts_with("order") => "order-list",
        ("POST", "/sapi/v1/capital/withdraw/apply") => "withdrawal-id",
        ("POST", "/sapi/v3/asset/getUserAsset") => "user-assets",
        (_, "/sapi/v1/system/status") => "system-status",
        (_, "/sapi/v1/margin/allPairs" | "/sapi/v1/margin/isolated/allPairs") => "none",
        _ => "error",
    }
}

fn openapi() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let (verb, path) = (operation.rest.0.as_str(), operation.rest.1);
        let answer = |name: &str, about: &str| {
            let schema = json!({ "schema": { "$ref": format!("{name}.json") } });
            json!({ "description": about, "content": { "application/json": schema } })
        };
        let security = match operation.security {
            Security::Public => json!([]),
            Security::Stream => json!([{ "key": [] }]),
            Security::Read | Security::Trade | Security::Withdraw => json!([{ "key": [], "signature": [] }]),
        };
        let about = json!({
            "operationId": operation.ws.map_or_else(|| format!("{verb} {path}"), String::from),
            "security": security,
            "responses": {
                "200": answer(schema_of(verb, path), "done"),
                "default": answer("error", "refused, limited or unknown"),
            },
        });
        let entry = paths.entry(path).or_insert_with(|| json!({}));
        entry[verb.to_ascii_lowercase()] = about;
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Mainstay gateway, REST", "version": "0.1.0" },
        "paths": paths,
        "components": { "securitySchemes": {
            "key": { "type": "apiKey", "in": "header", "name": "X-MBX-APIKEY" },
            "signature": { "type": "apiKey", "in": "query", "name": "signature" },
        } },
    })
}

/// Names of market streams, with the schema of what they tell.
const STREAMS: &[(&str, &str)] = &[
    ("{symbol}@trade", "stream-trade"),
    ("{symbol}@aggTrade", "stream-agg-trade"),
    ("{symbol}@depth", "stream-depth"),
    ("{symbol}@depth@100ms", "stream-depth"),
    ("{symbol}@depth{levels}", "depth"),
    ("{symbol}@depth{levels}@100ms", "depth"),
    ("{symbol}@bookTicker", "stream-book-ticker"),
    ("{symbol}@kline_{interval}", "stream-kline"),
    ("{symbol}@miniTicker", "stream-mini-ticker"),
    ("{symbol}@ticker", "stream-ticker"),
    ("{symbol}@ticker_{window}", "stream-rolling-window"),
    ("{symbol}@avgPrice", "stream-average-price"),
    ("{symbol}@kline_{interval}@+08:00", "stream-kline"),
    ("{symbol}@l3", "stream-l3"),
    ("{symbol}@status", "stream-market-status"),
    ("{symbol}@auction", "stream-auction"),
];

const USER_EVENTS: &[&str] = &[
    "event-execution-report",
    "event-account-position",
    "event-balance-update",
    "event-list-status",
    "event-stream-terminated",
    "event-server-shutdown",
];

fn asyncapi() -> Value {
    let message = |name: &str| json!({ "payload": { "$ref": format!("{name}.json") } });
    let mut channels = Map::new();
    for (stream, name) in STREAMS {
        let mut messages = json!({ *name: message(name) });
        if *name == "stream-depth" {
            messages["stream-depth-snapshot"] = message("stream-depth-snapshot");
        }
        if *name == "stream-l3" {
            messages["stream-l3-snapshot"] = message("stream-l3-snapshot");
        }
        channels.insert((*stream).to_owned(), json!({ "address": format!("/ws/{stream}"), "messages": messages }));
    }
    let events: Map<String, Value> = USER_EVENTS.iter().map(|name| ((*name).to_owned(), message(name))).collect();
    let methods: Vec<&str> = OPERATIONS.iter().filter_map(|operation| operation.ws).collect();
    channels.insert("user".into(), json!({ "address": "/ws-api/v3", "messages": events }));
    let subscribed = ["userDataStream.subscribe", "userDataStream.subscribe.signature"];
    let answers: Map<String, Value> =
        subscribed.iter().map(|method| ((*method).to_owned(), message("user-subscription"))).collect();
    channels.insert("requests".into(), json!({ "address": "/ws-api/v3", "x-methods": methods, "x-answers": answers }));
    let names = USER_EVENTS.iter().filter(|name| **name != "event-stream-terminated");
    let names = names.chain(&["event-listen-key-expired", "user-sequence"]);
    let events: Map<String, Value> = names.map(|name| ((*name).to_owned(), message(name))).collect();
    channels.insert("listenKey".into(), json!({ "address": "/ws/{listenKey}", "messages": events }));
    json!({
        "asyncapi": "3.0.0",
        "info": { "title": "Mainstay gateway, WebSocket", "version": "0.1.0" },
        "channels": channels,
    })
}

#[test]
fn the_documents_describe_what_the_gateway_does_today() {
    for (name, document) in [("openapi", openapi()), ("asyncapi", asyncapi())] {
        let path = schema_dir().join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}.json; UPDATE=1 writes it");
    }
    for operation in OPERATIONS {
        schema(schema_of(operation.rest.0.as_str(), operation.rest.1));
    }
    STREAMS.iter().map(|(_, name)| name).chain(USER_EVENTS).for_each(|name| drop(schema(name)));
}
