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

/// How much a socket takes for a peer that reads nothing.
async fn taken_unread(is_prepared: bool) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    if is_prepared {
        super::prepare(&stream).unwrap();
    }
    let (mut taken, mut refused) = (0, 0);
    while refused < 5 {
        match stream.try_write(&[0; 64 * 1024]) {
            Ok(count) => (taken, refused) = (taken + count, 0),
            Err(_) => {
                refused += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    taken
}

#[tokio::test]
async fn the_system_keeps_little_for_a_client_that_does_not_read() {
    let (prepared, unprepared) = (taken_unread(true).await, taken_unread(false).await);
    // Beside what is unsent there is what the client's own system takes.
    assert!(prepared + 500_000 < unprepared, "{prepared} bytes, {unprepared} without a bound");
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
async fn quotation_marks_need_not_be_encoded_and_are_signed_as_they_are_sent() {
    let server = server().await;
    let answer = server.get(r#"/api/v3/exchangeInfo?symbols=["BTCUSDT"]"#).await;
    assert_eq!((answer.status, &answer.body["symbols"][0]["symbol"]), (200, &json!("BTCUSDT")), "{}", answer.body);
    let request = b"HEAD /api/v3/exchangeInfo?symbols=[\"BTCUSDT\"] HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut head = String::new();
    stream.read_to_string(&mut head).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "of HEAD as well: {head}");
    let odd = server.signed("GET", "/api/v3/order", r#"symbol=BTCUSDT&origClientOrderId="x""#).await;
    odd.refused(
        400,
        -1100,
        r"Illegal characters found in parameter 'origClientOrderId'; legal range is '^[\.A-Z\:/a-z0-9_-]{1,36}$'.",
    );
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
    for kind in ["application/x-www-form-urlencoded", "application/json", "text/plain"] {
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
        (
            "recvWindow=5000.1234",
            -1100,
            "Illegal characters found in parameter 'recvWindow'; legal range is '^([0-9]{1,15})(\\.[0-9]{1,3})?$'."
                .into(),
        ),
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
async fn who_takes_only_sbe_is_told_that_there_is_none() {
    let server = server().await;
    let time = async |headers: &str| server.call("GET", "/api/v3/time", headers, &[]).await;
    let sbe = "Accept: application/sbe\r\nX-MBX-SBE: 3:0\r\n";
    time(sbe).await.refused(406, -1155, "SBE is not enabled.");
    for both in ["Accept: application/sbe, application/json;q=0.5\r\n", "Accept: */*\r\n", "X-MBX-SBE: 3:0\r\n", ""] {
        assert_eq!(time(both).await.status, 200, "{both}");
    }
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
    for malformed in ["a b", "x", &"x".repeat(63), &"x".repeat(65), &format!("{}-", "x".repeat(63))] {
        let answer = server.call("GET", &target(&right), &format!("X-MBX-APIKEY: {malformed}\r\n"), &[]).await;
        answer.refused(401, -2014, "API-key format invalid.");
    }
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

mod answers;
mod bad_input;
mod capital;
mod limits;
mod schema;
mod withdrawals;
