//! REST over a real socket, against a ledger without a cluster.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::Limits;
use crate::gateway::Gateway;
use crate::http::Door;
use crate::testing::*;

struct Server {
    gateway: Arc<Gateway>,
    ledger: Arc<FakeLedger>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

async fn server_with(limits: Limits) -> Server {
    server_behind(limits, Door::default()).await
}

async fn server_behind(limits: Limits, door: Door) -> Server {
    let (gateway, ledger) = gateway_with(limits);
    server_of(gateway, ledger, door).await
}

async fn server_of(gateway: Arc<Gateway>, ledger: Arc<FakeLedger>, door: Door) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(super::serve(Arc::clone(&gateway), listener, door, Duration::from_secs(1)));
    Server { gateway, ledger, address }
}

async fn server() -> Server {
    server_with(Limits::default()).await
}

impl Server {
    async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
        Answer { status, head: head.to_ascii_lowercase(), body }
    }

    async fn call(&self, verb: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let mut request = format!("{verb} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}").into_bytes();
        if !body.is_empty() {
            request.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        self.raw(&request).await
    }

    async fn get(&self, target: &str) -> Answer {
        self.call("GET", target, "", &[]).await
    }

    async fn signed(&self, verb: &str, path: &str, params: &str) -> Answer {
        self.signed_by(ALICE_KEY, verb, path, params).await
    }

    async fn signed_by(&self, key: &str, verb: &str, path: &str, params: &str) -> Answer {
        let now_ms = self.gateway.now_us() / 1_000;
        let separator = if params.is_empty() { "" } else { "&" };
        let timestamp =
            if params.contains("timestamp=") { String::new() } else { format!("{separator}timestamp={now_ms}") };
        let payload = format!("{params}{timestamp}");
        let signature = sign(ALICE_SECRET, &payload);
        let headers = format!("X-MBX-APIKEY: {key}\r\n");
        self.call(verb, &format!("{path}?{payload}&signature={signature}"), &headers, &[]).await
    }
}

impl Answer {
    #[track_caller]
    fn refused(&self, status: u16, code: i32, text: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body, json!({ "code": code, "msg": text }), "{self:?}");
    }
}

const BUY: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=50000";

/// `BUY` with one parameter replaced (`name=value`) or left out (`name`).
fn buy_with(change: &str) -> String {
    let (name, value) = change.split_once('=').unwrap_or((change, "\0"));
    let mut pairs: Vec<String> =
        BUY.split('&').filter(|pair| pair.split('=').next() != Some(name)).map(String::from).collect();
    if value != "\0" {
        pairs.push(format!("{name}={value}"));
    }
    pairs.join("&")
}

#[tokio::test]
async fn public_operations_answer_without_a_key() {
    let server = server().await;
    assert_eq!(server.get("/api/v3/ping").await.body, json!({}));
    let info = server.get("/api/v3/exchangeInfo?symbol=BTCUSDT").await.body;
    assert_eq!(info["symbols"][0]["filters"][0]["tickSize"], "0.01000000");
    assert_eq!(info["symbols"][0]["permissionSets"], json!([["SPOT"]]));
    for target in [
        "/api/v3/time",
        "/api/v3/depth?symbol=BTCUSDT&limit=5",
        "/api/v3/trades?symbol=BTCUSDT",
        "/api/v3/historicalTrades?symbol=BTCUSDT",
        "/api/v3/aggTrades?symbol=BTCUSDT",
        "/api/v3/klines?symbol=BTCUSDT&interval=1m",
        "/api/v3/uiKlines?symbol=BTCUSDT&interval=1m",
        "/api/v3/avgPrice?symbol=BTCUSDT",
        "/api/v3/ticker/24hr",
        "/api/v3/ticker/24hr?symbol=BTCUSDT",
        "/api/v3/ticker/tradingDay?symbol=BTCUSDT",
        "/api/v3/ticker/price?symbols=%5B%22BTCUSDT%22%5D",
        "/api/v3/ticker/bookTicker",
        "/sapi/v1/margin/allPairs?timestamp=1&signature=00",
        "/livez",
        "/readyz",
        "/metrics",
    ] {
        assert_eq!(server.get(target).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn answers_say_how_much_of_the_limits_is_used() {
    let server = server().await;
    server.get("/api/v3/depth?symbol=BTCUSDT").await;
    let answer = server.get("/api/v3/ping").await;
    assert!(answer.head.contains("x-mbx-used-weight: 6"), "{}", answer.head);
    assert!(answer.head.contains("x-mbx-used-weight-1m: 6"), "{}", answer.head);
    let answer = server.signed("POST", "/api/v3/order", BUY).await;
    assert!(answer.head.contains("x-mbx-order-count-10s: 1"), "{}", answer.head);
}

#[tokio::test]
async fn more_weight_than_allowed_is_answered_with_429_and_when_to_come_back() {
    let server = server_with(Limits { weight_per_minute: 3, ..Limits::default() }).await;
    for _ in 0..3 {
        assert_eq!(server.get("/api/v3/ping").await.status, 200);
    }
    let answer = server.get("/api/v3/ping").await;
    assert_eq!((answer.status, answer.body["code"].as_i64()), (429, Some(-1003)));
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
}

#[tokio::test]
async fn an_order_is_placed_found_and_canceled() {
    let server = server().await;
    let placed = server.signed("POST", "/api/v3/order", &format!("{BUY}&newClientOrderId=mine")).await;
    assert_eq!(placed.status, 200, "{placed:?}");
    assert_eq!(
        placed.body,
        json!({
            "symbol": "BTCUSDT", "orderId": 1, "orderListId": -1, "clientOrderId": "mine",
            "transactTime": START_NS / 1_000_000, "price": "50000.00000000", "origQty": "1.00000000",
            "executedQty": "0.00000000", "origQuoteOrderQty": "0.00000000", "cummulativeQuoteQty": "0.00000000",
            "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY",
            "workingTime": START_NS / 1_000_000, "selfTradePreventionMode": "EXPIRE_MAKER", "fills": [],
        })
    );
    let found = server.signed("GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=mine").await.body;
    assert_eq!(
        (&found["status"], &found["isWorking"], &found["time"]),
        (&json!("NEW"), &json!(true), &json!(START_NS / 1_000_000))
    );
    let open = server.signed("GET", "/api/v3/openOrders", "").await.body;
    assert_eq!(open, json!([found]));
    let canceled = server.signed("DELETE", "/api/v3/order", "symbol=BTCUSDT&orderId=1").await.body;
    assert_eq!((&canceled["status"], &canceled["origClientOrderId"]), (&json!("CANCELED"), &json!("mine")));
    assert_eq!(server.signed("GET", "/api/v3/openOrders", "symbol=BTCUSDT").await.body, json!([]));
    let all = server.signed("GET", "/api/v3/allOrders", "symbol=BTCUSDT").await.body;
    assert_eq!(all[0]["status"], "CANCELED");
}

#[tokio::test]
async fn a_form_body_is_as_good_as_a_query_string_and_both_are_signed() {
    let server = server().await;
    let now_ms = server.gateway.now_us() / 1_000;
    let (query, form) =
        ("symbol=BTCUSDT&side=BUY", format!("type=LIMIT&timeInForce=GTC&quantity=1&price=50000&timestamp={now_ms}"));
    let signature = sign(ALICE_SECRET, &format!("{query}{form}"));
    let body = format!("{form}&signature={signature}");
    // Some clients call their forms JSON.
    for kind in ["application/x-www-form-urlencoded", "application/json"] {
        let headers = format!("X-MBX-APIKEY: {ALICE_KEY}\r\nContent-Type: {kind}\r\n");
        let answer = server.call("POST", &format!("/api/v3/order?{query}"), &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn bad_orders_are_refused_with_binances_codes_and_texts() {
    let server = server().await;
    let decimal = |name: &str| {
        format!(
            "Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'."
        )
    };
    let mandatory = |name: &str| format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
    let cases: Vec<(&str, i32, String)> = vec![
        ("symbol=NOPE", -1121, "Invalid symbol.".into()),
        ("symbol=", -1105, "Parameter 'symbol' was empty.".into()),
        ("symbol", -1102, mandatory("symbol")),
        (
            "symbol=btcusdt",
            -1100,
            "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'.".into(),
        ),
        ("side=HOLD", -1117, "Invalid side.".into()),
        ("side", -1102, mandatory("side")),
        ("type=TELEPATHY", -1116, "Invalid orderType.".into()),
        ("type=STOP_LOSS", -1106, "Parameter 'timeInForce' sent when not required.".into()),
        ("type=MARKET", -1106, "Parameter 'timeInForce' sent when not required.".into()),
        ("timeInForce=SOON", -1115, "Invalid timeInForce.".into()),
        ("timeInForce", -1102, mandatory("timeInForce")),
        ("quantity=0", -1013, "Invalid quantity.".into()),
        ("quantity=-1", -1100, decimal("quantity")),
        ("quantity=1e3", -1100, decimal("quantity")),
        ("quantity=NaN", -1100, decimal("quantity")),
        ("quantity=", -1105, "Parameter 'quantity' was empty.".into()),
        ("quantity", -1102, mandatory("quantity")),
        ("quantity=0.000001", -1013, "Filter failure: LOT_SIZE".into()),
        ("quantity=0.123456789", -1111, "Parameter 'quantity' has too much precision.".into()),
        ("quantity=9000.00001", -1013, "Filter failure: LOT_SIZE".into()),
        ("quantity=99999999999999999999", -1013, "Filter failure: LOT_SIZE".into()),
        ("quantity=999999999999999999999", -1100, decimal("quantity")),
        ("price=0", -1013, "Invalid price.".into()),
        ("price=-5", -1100, decimal("price")),
        ("price=Infinity", -1100, decimal("price")),
        ("price=50000.001", -1013, "Filter failure: PRICE_FILTER".into()),
        ("price=1000000.01", -1013, "Filter failure: PRICE_FILTER".into()),
        ("price", -1102, mandatory("price")),
        ("price=0.01", -1013, "Filter failure: NOTIONAL".into()),
        ("quoteOrderQty=5", -1106, "Parameter 'quoteOrderQty' sent when not required.".into()),
        ("stopPrice=5", -1106, "Parameter 'stopPrice' sent when not required.".into()),
        ("icebergQty=2", -1013, "IcebergQty exceeds QTY.".into()),
        (
            "newClientOrderId=a%20b",
            -1100,
            "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[\\.A-Z\\:/a-z0-9_-]{1,36}$'."
                .into(),
        ),
        (
            "newClientOrderId=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            -1100,
            "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[\\.A-Z\\:/a-z0-9_-]{1,36}$'."
                .into(),
        ),
        ("newOrderRespType=ALL", -1130, "Data sent for parameter 'newOrderRespType' is not valid.".into()),
        (
            "selfTradePreventionMode=MAYBE",
            -1130,
            "Data sent for parameter 'selfTradePreventionMode' is not valid.".into(),
        ),
        ("strategyType=5", -1134, "strategyType was less than 1000000.".into()),
        ("colour=red", -1104, "Not all sent parameters were read; read '8' parameter(s) but was sent '9'.".into()),
        ("recvWindow=60001", -1131, "recvWindow must be less than 60000.".into()),
        ("recvWindow=soon", -1100, decimal("recvWindow")),
        ("timestamp=1", -1021, "Timestamp for this request is outside of the recvWindow.".into()),
        ("timestamp=99999999999999", -1021, "Timestamp for this request was 1000ms ahead of the server's time.".into()),
        (
            "timestamp=yesterday",
            -1100,
            "Illegal characters found in parameter 'timestamp'; legal range is '^[0-9]{1,20}$'.".into(),
        ),
        ("timestamp=", -1105, "Parameter 'timestamp' was empty.".into()),
    ];
    for (change, code, text) in cases {
        let answer = server.signed("POST", "/api/v3/order", &buy_with(change)).await;
        assert_eq!((answer.status, &answer.body), (400, &json!({ "code": code, "msg": text })), "{change}");
    }
    assert_eq!(server.signed("GET", "/api/v3/openOrders", "").await.body, json!([]), "nothing was placed");
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let server = server().await;
    let now_ms = server.gateway.now_us() / 1_000;
    let payload = format!("timestamp={now_ms}");
    let target = |signature: &str| format!("/api/v3/account?{payload}&signature={signature}");
    let right = sign(ALICE_SECRET, &payload);
    let key = format!("X-MBX-APIKEY: {ALICE_KEY}\r\n");
    assert_eq!(server.call("GET", &target(&right), &key, &[]).await.status, 200);

    let not_permitted = "Invalid API-key, IP, or permissions for action.";
    server.get(&target(&right)).await.refused(401, -2014, "API-key format invalid.");
    let answer = server.call("GET", &target(&right), "X-MBX-APIKEY: a b\r\n", &[]).await;
    answer.refused(401, -2014, "API-key format invalid.");
    let stranger = format!("X-MBX-APIKEY: {}\r\n", "x".repeat(64));
    server.call("GET", &target(&right), &stranger, &[]).await.refused(401, -2015, not_permitted);
    for wrong in ["00", "zz", &"0".repeat(64), &right.replace(|c: char| c.is_ascii_digit(), "0")] {
        let answer = server.call("GET", &target(wrong), &key, &[]).await;
        answer.refused(400, -1022, "Signature for this request is not valid.");
    }
    let answer = server.call("GET", &format!("/api/v3/account?{payload}"), &key, &[]).await;
    answer.refused(400, -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.");
    let answer = server.call("GET", "/api/v3/account?signature=00", &key, &[]).await;
    answer.refused(400, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.");
    // Bob's key may read, not trade.
    assert_eq!(server.signed_by(BOB_KEY, "GET", "/api/v3/account", "").await.status, 200);
    server.signed_by(BOB_KEY, "POST", "/api/v3/order", BUY).await.refused(401, -2015, not_permitted);
}

#[tokio::test]
async fn a_gateway_that_does_not_know_every_key_yet_calls_none_wrong() {
    let server = server().await;
    server.gateway.is_ready.store(false, std::sync::atomic::Ordering::Release);
    let stranger = "x".repeat(64);
    for key in [ALICE_KEY, &stranger] {
        let answer = server.signed_by(key, "GET", "/api/v3/account", "").await;
        assert_eq!((answer.status, &answer.body["code"]), (503, &json!(-1008)), "{answer:?}");
    }
}

#[tokio::test]
async fn an_order_on_its_way_is_not_said_not_to_exist() {
    let server = server().await;
    // What was sent before is in the log by the time that a later command is.
    server.ledger.script(Box::new(|_, command| {
        let wire::Command::SealName(seal) = command else { panic!("{command:?}") };
        assert!(!seal.is_list && seal.asked_us > 0 && seal.client_order_id == client_id("on-its-way"), "{seal:?}");
        Ok((wire::command::Reply::Accepted { id: 1 }, vec![pending(1, &buy("on-its-way"))]))
    }));
    let found = server.signed("GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=on-its-way").await;
    assert_eq!((found.status, &found.body["status"]), (200, &json!("PENDING_NEW")), "{found:?}");
    server.ledger.script(Box::new(|_, command| {
        let wire::Command::SealName(seal) = command else { panic!("{command:?}") };
        assert!(seal.is_list && seal.asked_us > 0 && seal.client_order_id == client_id("no-list"), "{seal:?}");
        Ok((wire::command::Reply::Accepted { id: 0 }, Vec::new()))
    }));
    let list = server.signed("GET", "/api/v3/orderList", "origClientOrderId=no-list").await;
    assert_eq!((list.status, &list.body["code"]), (400, &json!(-2018)), "{list:?}");
    let unknown = "symbol=BTCUSDT&origClientOrderId=never-sent";
    server.ledger.script(resting_script());
    server.signed("GET", "/api/v3/order", unknown).await.refused(400, -2013, "Order does not exist.");
    server.ledger.script(Box::new(|_, _| Err(cluster_client::ClusterError::Timeout)));
    let answer = server.signed("GET", "/api/v3/order", unknown).await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!(-1001)), "{answer:?}");
}

#[tokio::test]
async fn what_is_not_there_is_told_in_json() {
    let server = server().await;
    server.get("/api/v3/nothing").await.refused(404, -1020, "Path does not exist.");
    server.get("/").await.refused(404, -1020, "Path does not exist.");
    let answer = server.call("PUT", "/api/v3/order", "", &[]).await;
    answer.refused(405, -1020, "Method is not allowed for this path.");
    assert!(answer.head.contains("allow: post, get, delete"), "{}", answer.head);
    let order = "symbol=BTCUSDT&orderId=987654321";
    server.signed("GET", "/api/v3/order", order).await.refused(400, -2013, "Order does not exist.");
    server.signed("DELETE", "/api/v3/order", order).await.refused(400, -2011, "Unknown order sent.");
    let neither = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!";
    server.signed("GET", "/api/v3/order", "symbol=BTCUSDT").await.refused(400, -1102, neither);
    server.signed("DELETE", "/api/v3/order", "symbol=BTCUSDT").await.refused(400, -1102, neither);
}

#[tokio::test]
async fn bad_public_parameters_are_refused() {
    let server = server().await;
    let integer = "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.";
    for (target, code, text) in [
        ("depth?symbol=NOPE", -1121, "Invalid symbol."),
        ("depth", -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        ("depth?symbol=BTCUSDT&limit=many", -1100, integer),
        ("depth?symbol=BTCUSDT&limit=-1", -1100, integer),
        ("depth?symbol=BTCUSDT&limit=99999999999999999999", -1108, "Parameter 'limit' overflowed."),
        ("depth?symbol=BTCUSDT&symbol=BTCUSDT", -1101, "Duplicate values for a parameter detected."),
        (
            "depth?symbol=BTCUSDT&x=1",
            -1104,
            "Not all sent parameters were read; read '1' parameter(s) but was sent '2'.",
        ),
        ("depth?symbol=%ff", -1100, "Illegal characters found in a parameter."),
        ("klines?symbol=BTCUSDT&interval=7m", -1120, "Invalid interval."),
        ("klines?symbol=BTCUSDT", -1102, "Mandatory parameter 'interval' was not sent, was empty/null, or malformed."),
        ("ticker/24hr?type=LARGE", -1139, "Invalid ticker type."),
        (
            "ticker/price?symbol=BTCUSDT&symbols=%5B%22BTCUSDT%22%5D",
            -1128,
            "Combination of optional parameters invalid.",
        ),
        (
            "ticker/price?symbols=%5B%22BTCUSDT%22%2C%22BTCUSDT%22%5D",
            -1151,
            "Symbol is present multiple times in the list.",
        ),
    ] {
        server.get(&format!("/api/v3/{target}")).await.refused(400, code, text);
    }
}

#[tokio::test]
async fn bodies_beyond_the_limit_or_of_the_wrong_form_are_refused() {
    let server = server().await;
    let huge = vec![b'x'; 10_000_000];
    let answer = server.call("POST", "/api/v3/order", "", &huge).await;
    answer.refused(413, -1130, "Request body is too large.");
    assert!(answer.head.contains("connection: close"));
    let mut chunked = b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..20 {
        chunked.extend_from_slice(b"4000\r\n");
        chunked.extend_from_slice(&vec![b'x'; 0x4000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    server.raw(&chunked).await.refused(413, -1130, "Request body is too large.");
    let json = "Content-Type: application/json\r\n";
    let answer = server.call("POST", "/api/v3/order", json, b"{\"symbol\":").await;
    answer.refused(400, -1135, "Invalid JSON Request");
    let answer = server.call("POST", "/api/v3/order", json, b"nonsense").await;
    answer.refused(400, -1135, "Invalid JSON Request");
    let answer = server.call("POST", "/api/v3/order", json, b"{}").await;
    assert_eq!(answer.status, 415);
    let answer = server.call("POST", "/api/v3/order", "", b"{\"symbol\":").await;
    answer.refused(400, -1135, "Invalid JSON Request");
    let binary: Vec<u8> = (0..=255).collect();
    let answer = server.call("POST", "/api/v3/order", "", &binary).await;
    answer.refused(400, -1100, "Illegal characters found in a parameter.");
}

#[tokio::test]
async fn slow_and_oversized_heads_end_the_connection() {
    let server = server_with(Limits { head_timeout: Duration::from_millis(200), ..Limits::default() }).await;
    let started = std::time::Instant::now();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /api/v3/ping HTTP/1.1\r\nHost").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    let mut head = b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n".to_vec();
    head.extend_from_slice(format!("X: {}\r\n\r\n", "y".repeat(100_000)).as_bytes());
    assert_eq!(server.raw(&head).await.status, 431);
    assert_eq!(server.raw(b"\x00\x01\x02\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn beyond_its_places_the_gateway_answers_busy_or_not_at_all() {
    let server = server_with(Limits { requests_max: 0, ..Limits::default() }).await;
    let busy = "Server is currently overloaded with other requests. Please try again in a few minutes.";
    server.get("/api/v3/ping").await.refused(503, -1008, busy);
    let server = server_with(Limits { connections_max: 1, ..Limits::default() }).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.get("/api/v3/ping").await.status, 0, "closed without an answer");
    drop(first);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.get("/api/v3/ping").await.status, 200);
}

#[tokio::test]
async fn concurrent_private_reads_share_questions_to_the_leader() {
    let server = Arc::new(server().await);
    let before = server.ledger.reads();
    let reads: Vec<_> = (0..64)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.gateway.up_to_date().await.is_ok() })
        })
        .collect();
    for read in reads {
        assert!(read.await.unwrap());
    }
    let asked = server.ledger.reads() - before;
    assert!((1..16).contains(&asked), "asked {asked} times");
}

#[tokio::test]
async fn a_gateway_that_stops_ends_its_connections() {
    let server = server().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(server.get("/api/v3/ping").await.status, 200);
    server.gateway.stop();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(3), idle.read_to_end(&mut rest)).await;
    assert!(ended.is_ok());
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn histories_are_read_from_either_end_page_by_page() {
    let server = server().await;
    for id in 1..=5 {
        server.ledger.feed(&[pending(id, &buy(&format!("o{id}"))), accepted(id), executed(id, id, 100_000, 0)]);
    }
    let ids = async |path: &str, params: &str, name: &str| -> Vec<u64> {
        let answer = server.signed("GET", path, &format!("symbol=BTCUSDT&{params}")).await;
        answer.body.as_array().unwrap_or(&Vec::new()).iter().map(|item| item[name].as_u64().unwrap()).collect()
    };
    let orders = "/api/v3/allOrders";
    assert_eq!(ids(orders, "limit=2", "orderId").await, [4, 5]);
    assert_eq!(ids(orders, "limit=2&orderId=2", "orderId").await, [2, 3]);
    let day = START_NS / 1_000_000;
    assert_eq!(ids(orders, &format!("limit=2&startTime={day}"), "orderId").await, [1, 2]);
    assert_eq!(ids(orders, &format!("endTime={}", day - 1), "orderId").await, [0_u64; 0]);
    let trades = "/api/v3/myTrades";
    assert_eq!(ids(trades, "limit=2", "id").await, [4, 5]);
    assert_eq!(ids(trades, "limit=2&fromId=2", "id").await, [2, 3]);
    assert_eq!(ids(trades, "orderId=3", "id").await, [3]);
    assert_eq!(ids(trades, "orderId=99", "id").await, [0_u64; 0]);
    let trade = server.signed("GET", trades, "symbol=BTCUSDT&fromId=5").await.body;
    assert_eq!(
        trade[0],
        json!({
            "symbol": "BTCUSDT", "id": 5, "orderId": 5, "orderListId": -1, "price": "50000.00000000",
            "qty": "1.00000000", "quoteQty": "50000.00000000", "commission": "0.00100000", "commissionAsset": "BTC",
            "time": day, "isBuyer": true, "isMaker": false, "isBestMatch": true,
        })
    );
    let wide = format!("symbol=BTCUSDT&startTime=0&endTime={day}");
    server.signed("GET", orders, &wide).await.refused(400, -1127, "More than 24 hours between startTime and endTime.");
    let both = format!("symbol=BTCUSDT&fromId=1&startTime={day}");
    server.signed("GET", trades, &both).await.refused(400, -1128, "Combination of optional parameters invalid.");
}

#[tokio::test]
async fn an_account_is_told_with_every_asset() {
    let server = server().await;
    let account = server.signed("GET", "/api/v3/account", "").await.body;
    let balances = json!([
        { "asset": "BTC", "free": "0.00000000", "locked": "0.00000000" },
        { "asset": "USDT", "free": "100000.00000000", "locked": "0.00000000" },
    ]);
    assert_eq!(
        (&account["balances"], &account["canTrade"], &account["makerCommission"]),
        (&balances, &json!(true), &json!(10))
    );
    let account = server.signed("GET", "/api/v3/account", "omitZeroBalances=true").await.body;
    assert_eq!(account["balances"].as_array().unwrap().len(), 1);
    let commission = server.signed("GET", "/api/v3/account/commission", "symbol=BTCUSDT").await.body;
    assert_eq!(commission["standardCommission"]["taker"], "0.00100000");
    let coins = server.signed("GET", "/sapi/v1/capital/config/getall", "").await.body;
    assert_eq!((&coins[1]["coin"], &coins[1]["free"]), (&json!("USDT"), &json!("100000.00000000")));
    let fees = server.signed("GET", "/sapi/v1/asset/tradeFee", "").await.body;
    assert_eq!(fees[0]["makerCommission"], "0.00100000");
    let limits = server.signed("GET", "/api/v3/rateLimit/order", "").await.body;
    assert_eq!((&limits[0]["interval"], &limits[0]["count"]), (&json!("SECOND"), &json!(0)));
    let assets = server.signed("POST", "/sapi/v3/asset/getUserAsset", "").await.body;
    assert_eq!(assets.as_array().unwrap().len(), 1);
}

mod bad_input;
mod capital;
mod schema;
mod withdrawals;

#[tokio::test]
async fn clients_behind_a_proxy_are_told_apart() {
    let networks = vec!["127.0.0.0/8".parse().unwrap()];
    for tell in [crate::Tell::ProxyProtocol, crate::Tell::ForwardedFor] {
        let proxies = Some(Arc::new(crate::Proxies { networks: networks.clone(), tell }));
        let server = server_behind(Limits::default(), Door { tls: None, proxies }).await;
        for (client, used) in [("192.0.2.1", 1), ("192.0.2.2", 1), ("192.0.2.1", 2)] {
            let (line, header) = match tell {
                crate::Tell::ProxyProtocol => (format!("PROXY TCP4 {client} 127.0.0.1 4711 80\r\n"), String::new()),
                crate::Tell::ForwardedFor => (String::new(), format!("X-Forwarded-For: {client}\r\n")),
            };
            let request = format!("{line}GET /api/v3/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n");
            let answer = server.raw(request.as_bytes()).await;
            // A new minute may have begun.
            let counts = [used, 1].map(|used| format!("x-mbx-used-weight: {used}\r\n"));
            assert!(counts.iter().any(|count| answer.head.contains(count)), "{tell:?} {client}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn times_are_told_in_microseconds_for_who_wishes_so() {
    let server = server().await;
    let digits = |value: &Value| value.as_u64().unwrap().to_string().len();
    for (unit, length) in [("MICROSECOND", 16), ("microsecond", 16), ("MILLISECOND", 13)] {
        let headers = format!("X-MBX-TIME-UNIT: {unit}\r\n");
        let time = server.call("GET", "/api/v3/time", &headers, &[]).await.body;
        assert_eq!(digits(&time["serverTime"]), length, "{unit}");
    }
    let refused = server.call("GET", "/api/v3/time", "X-MBX-TIME-UNIT: NANOSECOND\r\n", &[]).await;
    refused.refused(400, -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.");
    let now_us = server.gateway.now_us();
    let both = format!("startTime={}&endTime={now_us}", now_us - 1_000_000);
    for target in ["/api/v3/klines?interval=1m&", "/api/v3/aggTrades?"] {
        assert_eq!(server.get(&format!("{target}symbol=BTCUSDT&{both}")).await.status, 200, "{target}");
    }
    assert_eq!(server.signed("GET", "/api/v3/allOrders", &format!("symbol=BTCUSDT&{both}")).await.status, 200);
}

#[tokio::test]
async fn a_header_asks_for_an_identical_retry_as_the_parameter_does() {
    let server = server().await;
    let order = |header: &str, parameter: &str| {
        let now_ms = server.gateway.now_us() / 1_000;
        let payload = format!("{BUY}&newClientOrderId=again{parameter}&timestamp={now_ms}");
        let target = format!("/api/v3/order?{payload}&signature={}", sign(ALICE_SECRET, &payload));
        (target, format!("X-MBX-APIKEY: {ALICE_KEY}\r\n{header}"))
    };
    for (header, parameter, status) in [
        ("X-Identical-Retry: true\r\n", "", 200),
        ("X-Identical-Retry: false\r\n", "", 200),
        ("X-Identical-Retry: maybe\r\n", "", 400),
        // What is signed wins.
        ("X-Identical-Retry: maybe\r\n", "&identicalRetry=true", 200),
    ] {
        let (target, headers) = order(header, parameter);
        let answer = server.call("POST", &target, &headers, &[]).await;
        assert_eq!(answer.status, status, "{header} {parameter}: {answer:?}");
    }
    // Where there is nothing to repeat it is not looked at.
    let headers = "X-Identical-Retry: true\r\n";
    assert_eq!(server.call("GET", "/api/v3/ping", headers, &[]).await.status, 200);
}

#[tokio::test]
async fn a_request_that_is_named_is_answered_with_its_place_in_the_log() {
    let server = server().await;
    let place = |header: &str, parameter: &str| {
        let now_ms = server.gateway.now_us() / 1_000;
        let payload = format!("{BUY}{parameter}&timestamp={now_ms}");
        let target = format!("/api/v3/order?{payload}&signature={}", sign(ALICE_SECRET, &payload));
        (target, format!("X-MBX-APIKEY: {ALICE_KEY}\r\n{header}"))
    };
    for (header, parameter) in
        [("X-Trace-Id: my-1\r\n", ""), ("", "&traceId=my-1"), ("X-Trace-Id: other\r\n", "&traceId=my-1")]
    {
        let (target, headers) = place(header, parameter);
        let answer = server.call("POST", &target, &headers, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.head.contains("\r\nx-trace-id: my-1\r\n"), "{}", answer.head);
        let position = answer.head.split("x-trace-log: 1/").nth(1).and_then(|rest| rest.split("\r\n").next());
        assert!(position.unwrap().parse::<u64>().unwrap() > 0, "{}", answer.head);
    }
    let (target, headers) = place("", "");
    assert!(!server.call("POST", &target, &headers, &[]).await.head.contains("x-trace"), "nobody asked");
    let read = server.call("GET", "/api/v3/time", "X-Trace-Id: t\r\n", &[]).await;
    assert!(read.head.contains("\r\nx-trace-id: t\r\nx-trace-log: \r\n"), "{}", read.head);
    let bad = server.call("GET", "/api/v3/time", "X-Trace-Id: a b\r\n", &[]).await;
    assert_eq!((bad.status, &bad.body["code"]), (400, &json!(-1100)));
}

#[tokio::test]
async fn metrics_have_as_many_series_as_there_are_things_to_measure_whatever_clients_send() {
    let server = server().await;
    for number in 0..40 {
        server.get(&format!("/api/v3/secret-{number}?symbol=SECRET{number}")).await;
        server.get(&format!("/api/v3/depth?symbol=SECRET{number}")).await;
        server
            .call(
                "GET",
                "/api/v3/account",
                &format!("X-MBX-APIKEY: SECRET{number}\r\nX-Trace-Id: secret-{number}\r\n"),
                &[],
            )
            .await;
        server.signed("POST", "/api/v3/order", &buy_with(&format!("newClientOrderId=secret-{number}"))).await;
    }
    let page = server.get("/metrics").await.body;
    let page = page.as_str().unwrap();
    assert!(!page.to_ascii_lowercase().contains("secret"), "a client's word is a label");
    let series = page.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series < 400, "{series} series");
    for wanted in [
        r#"mainstay_gateway_requests_total{operation="/api/v3/depth",verb="GET",status="400",code="-1121"} 40"#,
        r#"mainstay_gateway_requests_total{operation="/api/v3/order",verb="POST",status="200",code="0"} 40"#,
        r#"mainstay_gateway_stream_subscribers{stream="trade"} 0"#,
        r#"mainstay_gateway_queue_limit{queue="requests"} 8192"#,
        r#"mainstay_gateway_queue_length{queue="connections"}"#,
    ] {
        assert!(page.contains(wanted), "{wanted} is missing in:\n{page}");
    }
}

#[tokio::test]
async fn a_read_only_gateway_has_public_market_data_alone_and_refuses_the_rest_whoever_asks() {
    let (mut gateway, ledger) = gateway_parts(Limits::default());
    gateway.is_read_only = true;
    let server = server_of(Arc::new(gateway), ledger, Door::default()).await;
    for public in ["/api/v3/exchangeInfo", "/api/v3/depth?symbol=BTCUSDT", "/api/v3/ticker/24hr?symbol=BTCUSDT"] {
        assert_eq!(server.get(public).await.status, 200, "{public}");
    }
    let message = "This operation is not supported: this gateway is read-only and has public market data alone.";
    server.signed_by(ALICE_KEY, "POST", "/api/v3/order", BUY).await.refused(403, -1020, message);
    server.signed_by(ALICE_KEY, "GET", "/api/v3/account", "").await.refused(403, -1020, message);
    server.call("POST", "/api/v3/order", "", &[]).await.refused(403, -1020, message);
    server.call("POST", "/api/v3/userDataStream", "", &[]).await.refused(403, -1020, message);
}
