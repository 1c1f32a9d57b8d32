//! The WebSocket API.

use super::*;

pub(super) fn signed(params: Value) -> Value {
    signed_by(&key(), params)
}

pub(super) fn signed_by(key: &str, params: Value) -> Value {
    use hmac::{Hmac, KeyInit, Mac};

    let mut params = params;
    let now_ms = super::super::clock_ms();
    params["apiKey"] = key.into();
    params["timestamp"] = now_ms.into();
    let mut pairs: Vec<_> = params
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned)))
        .collect();
    pairs.sort();
    let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(pairs.join("&").as_bytes());
    params["signature"] = hex::encode(mac.finalize().into_bytes()).into();
    params
}

pub(super) fn limit_order(client_id: &str) -> Value {
    json!({
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "100.00",
        "quantity": "0.10000", "newClientOrderId": client_id,
    })
}

#[tokio::test]
async fn public_methods_answer_with_the_id_and_limits() {
    let mut server = Server::start().await;
    server.market(&[level(Side::Sell, 10_100, 150_000, 1), traded(1, 10_100, 50_000, Side::Buy)]);
    let mut client = server.api().await;
    for (method, params) in [
        ("ping", json!({})),
        ("time", json!({})),
        ("exchangeInfo", json!({"symbol": "BTCUSDT"})),
        ("exchangeInfo", json!({"symbols": ["BTCUSDT"]})),
        ("depth", json!({"symbol": "BTCUSDT", "limit": 5})),
        ("trades.recent", json!({"symbol": "BTCUSDT"})),
        ("trades.historical", json!({"symbol": "BTCUSDT", "fromId": 0})),
        ("trades.aggregate", json!({"symbol": "BTCUSDT"})),
        ("klines", json!({"symbol": "BTCUSDT", "interval": "1m"})),
        ("uiKlines", json!({"symbol": "BTCUSDT", "interval": "1h", "limit": 1})),
        ("avgPrice", json!({"symbol": "BTCUSDT"})),
        ("ticker.24hr", json!({"symbol": "BTCUSDT"})),
        ("ticker.price", json!({})),
        ("ticker.book", json!({"symbols": ["BTCUSDT"]})),
    ] {
        let answer = ask(&mut client, json!({"id": method, "method": method, "params": params})).await;
        assert_eq!((&answer["id"], &answer["status"]), (&json!(method), &json!(200)), "{answer}");
        assert!(!answer["result"].is_null() && answer["rateLimits"][0]["limit"].is_u64(), "{answer}");
    }
    let answer = ask(&mut client, json!({"id": 1, "method": "depth", "params": {"symbol": "BTCUSDT"}})).await;
    assert_eq!(answer["result"]["asks"], json!([["101.00000000", "1.50000000"]]));
    let answer = ask(&mut client, json!({"id": null, "method": "ping", "params": {"returnRateLimits": false}})).await;
    assert_eq!(answer, json!({"id": null, "status": 200, "result": {}}));
}

#[tokio::test]
async fn bad_api_requests_are_answered_with_status_and_code() {
    let server = Server::start().await;
    let mut client = server.api().await;
    let mut forged = signed(limit_order("forged"));
    forged["signature"] = "00".repeat(32).into();
    let mut stale = limit_order("stale");
    stale["recvWindow"] = 60_001.into();
    for (request, status, code) in [
        ("{".to_owned(), 400, -1135),
        (json!({"id": 1, "method": "no.such"}).to_string(), 404, -1020),
        (json!({"id": 1, "method": "depth", "params": {}}).to_string(), 400, -1102),
        (json!({"id": 1, "method": "depth", "params": {"symbol": "NOSUCH"}}).to_string(), 400, -1121),
        (json!({"id": 1, "method": "depth", "params": {"symbol": "BTCUSDT", "why": 1}}).to_string(), 400, -1104),
        (json!({"id": 1, "method": "order.place", "params": limit_order("a")}).to_string(), 400, -1102),
        (json!({"id": 1, "method": "order.place", "params": forged}).to_string(), 400, -1022),
        (json!({"id": 1, "method": "order.place", "params": signed(stale)}).to_string(), 400, -1131),
        (json!({"id": 1, "method": "userDataStream.subscribe"}).to_string(), 401, -2015),
        (
            json!({"id": 1, "method": "userDataStream.unsubscribe", "params": {"subscriptionId": 9}}).to_string(),
            400,
            -2036,
        ),
    ] {
        say(&mut client, &request).await;
        let answer = hear(&mut client).await;
        assert_eq!(
            (&answer["status"], &answer["error"]["code"]),
            (&json!(status), &json!(code)),
            "{request}: {answer}"
        );
    }
    assert!(server.ledger.placed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_signed_order_is_answered_and_its_account_told() {
    let server = Server::start().await;
    let mut client = server.api().await;
    let subscribed =
        ask(&mut client, json!({"id": 1, "method": "userDataStream.subscribe.signature", "params": signed(json!({}))}))
            .await;
    assert_eq!(subscribed["result"], json!({"subscriptionId": 0}));
    say(&mut client, json!({"id": "o", "method": "order.place", "params": signed(limit_order("mine"))}).to_string())
        .await;
    let mut answer = None;
    let mut events = Vec::new();
    while answer.is_none() || events.len() < 2 {
        let heard = hear(&mut client).await;
        if heard["id"] == "o" {
            answer = Some(heard);
        } else {
            assert_eq!(heard["subscriptionId"], 0);
            events.push(heard["event"]["e"].as_str().unwrap().to_owned());
        }
    }
    let answer = answer.unwrap();
    assert_eq!((&answer["status"], &answer["result"]["clientOrderId"]), (&json!(200), &json!("mine")), "{answer}");
    assert!(answer["rateLimits"].as_array().unwrap().iter().any(|limit| limit["rateLimitType"] == "ORDERS"));
    assert!(events.contains(&"executionReport".to_owned()) && events.contains(&"outboundAccountPosition".to_owned()));

    let again =
        ask(&mut client, json!({"id": 2, "method": "userDataStream.subscribe.signature", "params": signed(json!({}))}))
            .await;
    assert_eq!(again["error"]["code"], -2035);
    let ended =
        ask(&mut client, json!({"id": 3, "method": "userDataStream.unsubscribe", "params": {"subscriptionId": 0}}))
            .await;
    assert_eq!(ended["result"], json!({}));
    let last = hear(&mut client).await;
    assert_eq!((&last["subscriptionId"], &last["event"]["e"]), (&json!(0), &json!("eventStreamTerminated")));
    let placed =
        ask(&mut client, json!({"id": 4, "method": "order.place", "params": signed(limit_order("more"))})).await;
    assert_eq!(placed["id"], 4, "no events any more");
}

#[tokio::test]
async fn a_session_logs_on_once_and_signs_no_more() {
    let server = Server::start().await;
    let mut client = server.api().await;
    let status = ask(&mut client, json!({"id": 1, "method": "session.status"})).await;
    assert_eq!((&status["result"]["apiKey"], &status["result"]["authorizedSince"]), (&Value::Null, &Value::Null));
    let logon = ask(&mut client, json!({"id": 2, "method": "session.logon", "params": signed(json!({}))})).await;
    assert_eq!(logon["result"]["apiKey"], key().as_str(), "{logon}");
    let mut order = limit_order("mine");
    order["timestamp"] = super::super::clock_ms().into();
    let placed = ask(&mut client, json!({"id": 3, "method": "order.place", "params": order})).await;
    assert_eq!(placed["status"], 200, "{placed}");
    let subscribed = ask(&mut client, json!({"id": 4, "method": "userDataStream.subscribe"})).await;
    assert_eq!(subscribed["result"], json!({"subscriptionId": 0}));
    let listed = ask(&mut client, json!({"id": 5, "method": "session.subscriptions"})).await;
    assert_eq!(listed["result"], json!([{"subscriptionId": 0}]));
    let logout = ask(&mut client, json!({"id": 6, "method": "session.logout"})).await;
    assert_eq!((&logout["result"]["apiKey"], &logout["result"]["userDataStream"]), (&Value::Null, &json!(false)));
    assert_eq!(hear(&mut client).await["event"]["e"], "eventStreamTerminated");
    let mut order = limit_order("other");
    order["timestamp"] = super::super::clock_ms().into();
    let refused = ask(&mut client, json!({"id": 7, "method": "order.place", "params": order})).await;
    assert_eq!(refused["error"]["code"], -1102);
    assert_eq!(refused["error"]["msg"], "Mandatory parameter 'apiKey' was not sent, was empty/null, or malformed.");
}

#[tokio::test]
async fn a_listen_key_opens_the_user_stream_until_it_is_closed() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let asked = json!({"id": 1, "method": "userDataStream.start", "params": {"apiKey": key()}});
    let started = ask(&mut api, asked).await;
    let listen_key = started["result"]["listenKey"].as_str().expect("a listen key").to_owned();
    assert_eq!(listen_key.len(), 64);
    let mut by_path = server.connect(&format!("/ws/{listen_key}")).await;
    let mut combined = server.connect(&format!("/stream?streams=btcusdt@trade/{listen_key}")).await;
    let mut later = server.connect("/ws").await;
    let refused = ask(&mut later, json!({"method": "SUBSCRIBE", "params": ["0".repeat(64)], "id": 1})).await;
    assert_eq!(refused["error"]["code"], 2, "a listen key that nobody has");
    let subscribed = ask(&mut later, json!({"method": "SUBSCRIBE", "params": [listen_key], "id": 2})).await;
    assert_eq!(subscribed, json!({"result": null, "id": 2}));
    for client in [&mut by_path, &mut combined] {
        // Answers that the connection stands, and so that it listens.
        ask(client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 3})).await;
    }
    say(&mut api, json!({"id": 2, "method": "order.place", "params": signed(limit_order("mine"))}).to_string()).await;
    assert_eq!(hear(&mut by_path).await["e"], "executionReport");
    let wrapped = hear(&mut combined).await;
    assert_eq!((&wrapped["stream"], &wrapped["data"]["e"]), (&json!(listen_key), &json!("executionReport")));
    assert_eq!(hear(&mut later).await["c"], "mine");
    assert_eq!(hear(&mut api).await["id"], 2);
    let params = |listen_key: &str| json!({"apiKey": key(), "listenKey": listen_key});
    let ping = |listen_key: &str| json!({"id": 4, "method": "userDataStream.ping", "params": params(listen_key)});
    assert_eq!(ask(&mut api, ping(&listen_key)).await["result"], json!({}));
    assert_eq!(ask(&mut api, ping("other")).await["error"]["code"], -1125);
    let stop = json!({"id": 5, "method": "userDataStream.stop", "params": params(&listen_key)});
    assert_eq!(ask(&mut api, stop).await["result"], json!({}));
    assert_eq!(hear(&mut by_path).await["e"], "outboundAccountPosition");
    assert_eq!(hear(&mut by_path).await["e"], "listenKeyExpired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn orders_of_one_connection_enter_in_the_order_they_were_sent_and_run_at_once() {
    let server = Server::start_with(Duration::from_millis(100)).await;
    let mut client = server.api().await;
    let started = std::time::Instant::now();
    for index in 0..500 {
        let request =
            json!({"id": index, "method": "order.place", "params": signed(limit_order(&format!("o-{index}")))});
        client.feed(Message::text(request.to_string())).await.unwrap();
    }
    client.flush().await.unwrap();
    for _ in 0..500 {
        assert_eq!(hear(&mut client).await["status"], 200);
    }
    assert!(started.elapsed() < Duration::from_secs(8), "500 orders of 100 ms each ran at once");
    let expected: Vec<_> = (0..500).map(|index| format!("o-{index}")).collect();
    assert_eq!(*server.ledger.placed.lock().unwrap(), expected);
}

#[tokio::test]
async fn requests_beyond_the_limit_of_a_connection_are_answered_busy() {
    let server = Server::start_with(Duration::from_secs(3)).await;
    let mut client = server.api().await;
    let extra = 20;
    for index in 0..super::super::api_connection::REQUESTS_MAX + extra {
        let request =
            json!({"id": index, "method": "order.place", "params": signed(limit_order(&format!("o-{index}")))});
        client.feed(Message::text(request.to_string())).await.unwrap();
    }
    client.flush().await.unwrap();
    for _ in 0..extra {
        assert_eq!(hear(&mut client).await["error"]["code"], -1008);
    }
}

fn api_key() -> ApiKeyText {
    ApiKeyText::new(key().as_bytes()).unwrap()
}

fn restricted(networks: &[&str]) -> Event {
    let networks: Vec<_> = networks.iter().map(|text| text.parse().unwrap()).collect();
    let networks = wire::Networks::new(&networks).unwrap();
    let restricted = wire::event::ApiKeyRestricted { account: AccountId::new(1), key: api_key(), networks };
    Event::ApiKeyRestricted(Box::new(restricted))
}

#[tokio::test]
async fn a_key_that_may_no_longer_be_used_ends_its_streams() {
    let revoked = wire::event::ApiKeyRevoked { account: AccountId::new(1), key: api_key() };
    for ends in [Event::ApiKeyRevoked(revoked), restricted(&["192.0.2.0/24"])] {
        let server = Server::start().await;
        let mut client = server.api().await;
        let request = json!({"id": 1, "method": "userDataStream.subscribe.signature", "params": signed(json!({}))});
        assert_eq!(ask(&mut client, request).await["status"], 200);
        let started = json!({"id": 2, "method": "userDataStream.start", "params": {"apiKey": key()}});
        let listen_key = ask(&mut client, started).await["result"]["listenKey"].as_str().unwrap().to_owned();
        let mut by_path = server.connect(&format!("/ws/{listen_key}")).await;
        ask(&mut by_path, json!({"method": "LIST_SUBSCRIPTIONS", "id": 3})).await;
        server.ledger.apply(&[restricted(&["127.0.0.0/8"])]);
        server.ledger.apply(&[balance(9_999)]);
        assert_eq!(hear(&mut client).await["event"]["e"], "outboundAccountPosition", "it may still be used from here");
        assert_eq!(hear(&mut by_path).await["e"], "outboundAccountPosition");
        server.ledger.apply(&[ends, balance(9_998)]);
        assert_eq!(hear(&mut client).await["event"]["e"], "eventStreamTerminated");
        assert_eq!(hear(&mut by_path).await["e"], "listenKeyExpired");
        let listed = ask(&mut client, json!({"id": 5, "method": "session.subscriptions"})).await;
        assert_eq!(listed["result"], json!([]));
    }
}

#[tokio::test]
async fn a_session_whose_key_was_revoked_has_nobody_logged_on() {
    let server = Server::start().await;
    let mut client = server.api().await;
    ask(&mut client, json!({"id": 1, "method": "session.logon", "params": signed(json!({}))})).await;
    let shown = ask(&mut client, json!({"id": 2, "method": "session.status"})).await["result"].clone();
    assert_eq!(shown["apiKey"], key().as_str());
    let revoked = wire::event::ApiKeyRevoked { account: AccountId::new(1), key: api_key() };
    server.ledger.apply(&[Event::ApiKeyRevoked(revoked)]);
    let shown = ask(&mut client, json!({"id": 3, "method": "session.status"})).await["result"].clone();
    assert_eq!((&shown["apiKey"], &shown["authorizedSince"]), (&Value::Null, &Value::Null));
    let mut order = limit_order("late");
    order["timestamp"] = super::super::clock_ms().into();
    let refused = ask(&mut client, json!({"id": 4, "method": "order.place", "params": order})).await;
    assert_eq!(refused["error"]["code"], -2015);
}

/// What the session says of itself, what its orders are answered and its subscriptions are one thing.
#[tokio::test]
async fn a_session_whose_key_was_restricted_is_logged_off_until_it_logs_on_anew() {
    let server = Server::start().await;
    let mut client = server.api().await;
    let mut id = 0;
    let mut call = async |method: &str, mut params: Value| {
        id += 1;
        if method == "order.place" {
            params["timestamp"] = super::super::clock_ms().into();
        }
        let answer = ask(&mut client, json!({"id": id, "method": method, "params": params})).await;
        let shown = ask(&mut client, json!({"id": id, "method": "session.status"})).await["result"]["apiKey"].clone();
        (answer["status"].clone(), answer["error"]["code"].clone(), shown)
    };
    let good = |answer: (Value, Value, Value)| assert_eq!(answer, (json!(200), Value::Null, json!(key())));
    let off = |answer: (Value, Value, Value)| assert_eq!(answer, (json!(401), json!(-2015), Value::Null));
    good(call("session.logon", signed(json!({}))).await);
    good(call("order.place", limit_order("first")).await);
    server.ledger.apply(&[restricted(&["192.0.2.0/24"])]);
    // Before and after the key may be used again.
    for networks in [&["192.0.2.0/24"][..], &[]] {
        server.ledger.apply(&[restricted(networks)]);
        off(call("order.place", limit_order("second")).await);
        off(call("userDataStream.subscribe", json!({})).await);
        off(call("userDataStream.subscribe", json!({"afterSequence": 1})).await);
        off(call("userDataStream.start", json!({})).await);
        off(call("session.cancelOnDisconnect", json!({"timeoutMs": 1_000, "timestamp": super::super::clock_ms()}))
            .await);
    }
    good(call("session.logon", signed(json!({}))).await);
    good(call("order.place", limit_order("third")).await);
    assert_eq!(*server.ledger.placed.lock().unwrap(), ["first", "third"]);
}

#[tokio::test]
async fn who_is_over_the_limit_neither_logs_on_nor_subscribes() {
    let server = Server::start_limited(Limits { weight_per_minute: 10, ..Limits::default() }).await;
    // Counts begin anew on the minute.
    let left_ms = 60_000 - super::super::clock_ms() % 60_000;
    if left_ms < 2_000 {
        tokio::time::sleep(Duration::from_millis(left_ms)).await;
    }
    let mut client = server.api().await;
    let ip = server.address.ip();
    assert_eq!(server.gateway.throttle.used_weight(ip, server.gateway.now_us()), 2, "the connection's own");
    server.gateway.throttle.weigh(ip, 7, server.gateway.now_us()).unwrap();
    let logon = json!({"id": 1, "method": "session.logon", "params": signed(json!({}))});
    let refused = ask(&mut client, logon).await;
    assert_eq!((&refused["status"], &refused["error"]["code"]), (&json!(429), &json!(-1003)));
    let mut order = limit_order("mine");
    order["timestamp"] = super::super::clock_ms().into();
    let placed = ask(&mut client, json!({"id": 2, "method": "order.place", "params": order})).await;
    assert_eq!(placed["error"]["code"], -1102, "nobody has logged on: {placed}");
}

#[tokio::test]
async fn a_user_stream_is_numbered_and_goes_on_after_a_reconnect_for_who_wishes_so() {
    let server = Server::start().await;
    let mut client = server.api().await;
    let subscribe =
        |params: Value| json!({"id": 1, "method": "userDataStream.subscribe.signature", "params": signed(params)});
    let answer = ask(&mut client, subscribe(json!({"sequence": true}))).await;
    let before = answer["result"]["sequence"].as_u64().expect("the number of the last event");
    server.ledger.apply(&[balance(9_999)]);
    let event = hear(&mut client).await;
    assert_eq!((&event["sequence"], &event["event"]["e"]), (&json!(before + 1), &json!("outboundAccountPosition")));
    drop(client);
    server.ledger.apply(&[balance(9_998)]);
    server.ledger.apply(&[balance(9_997)]);
    let mut client = server.api().await;
    let answer = ask(&mut client, subscribe(json!({"afterSequence": before + 1}))).await;
    assert_eq!(answer["result"], json!({"subscriptionId": 0, "sequence": before + 3, "life": 1}));
    for sequence in [before + 2, before + 3] {
        assert_eq!(hear(&mut client).await["sequence"], sequence);
    }
    let mut plain = server.api().await;
    assert_eq!(ask(&mut plain, subscribe(json!({}))).await["result"], json!({"subscriptionId": 0}));
    let bad = ask(&mut plain, subscribe(json!({"afterSequence": "x"}))).await;
    assert_eq!(bad["error"]["code"], -1100);
    server.ledger.apply(&[balance(9_996)]);
    assert!(hear(&mut plain).await.get("sequence").is_none());
}

#[tokio::test]
async fn orders_of_a_connection_that_wishes_so_end_with_it() {
    let server = Server::start().await;
    let mut client = server.api().await;
    let arm = |params: Value| json!({"id": "arm", "method": "session.cancelOnDisconnect", "params": signed(params)});
    for (params, code) in [
        (json!({}), -1102),
        (json!({"timeoutMs": 999}), -1130),
        (json!({"timeoutMs": 3_600_001}), -1130),
        (json!({"timeoutMs": 1_000, "clientSession": 0}), -1130),
        (json!({"timeoutMs": 1_000, "clientSession": 1_u64 << 53}), -1130),
    ] {
        assert_eq!(ask(&mut client, arm(params)).await["error"]["code"], code);
    }
    ask(&mut client, json!({"id": 1, "method": "order.place", "params": signed(limit_order("before"))})).await;
    let armed = ask(&mut client, arm(json!({"timeoutMs": 1_000, "clientSession": 77}))).await;
    assert_eq!(armed["result"], json!({"clientSession": 77, "timeoutMs": 1_000}));
    ask(&mut client, json!({"id": 2, "method": "order.place", "params": signed(limit_order("after"))})).await;
    assert_eq!(*server.ledger.sessions.lock().unwrap(), [0, 77]);
    let leases = || server.ledger.leases.lock().unwrap().clone();
    assert!(leases()[0].takes_over && leases()[0].lease_ms == 1_000 && leases()[0].account == AccountId::new(1));
    // A client that reads answers pings, and is heard.
    let reading = tokio::time::timeout(Duration::from_millis(1_200), hear(&mut client)).await;
    assert!(reading.is_err(), "nothing is said meanwhile");
    let renewed = leases().len();
    assert!((3..=6).contains(&renewed), "{renewed} renewals in 1.2 s");
    assert!(leases()[1..].iter().all(|renew| !renew.takes_over && renew.holder == leases()[0].holder));
    // One that does not is not.
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(leases().len() <= renewed + 1, "silence renews nothing");
    server.ledger.takes_leases.store(true, Ordering::Relaxed);
    let event = hear(&mut client).await;
    assert_eq!((&event["event"]["e"], &event["event"]["clientSession"]), (&json!("clientSessionTaken"), &json!(77)));
    let lost = leases().len();
    assert!(tokio::time::timeout(Duration::from_millis(700), hear(&mut client)).await.is_err(), "told once");
    assert_eq!(leases().len(), lost, "and not renewed any more");
}

#[tokio::test]
async fn a_request_that_is_named_is_answered_with_its_place_in_the_log() {
    let server = Server::start().await;
    let mut client = server.api().await;
    let mut order = limit_order("followed");
    order["traceId"] = "my-1".into();
    let answer = ask(&mut client, json!({"id": 1, "method": "order.place", "params": signed(order)})).await;
    assert_eq!((&answer["status"], &answer["trace"]["id"]), (&json!(200), &json!("my-1")), "{answer}");
    let place = answer["trace"]["log"][0].as_str().unwrap();
    assert!(place.strip_prefix("1/").unwrap().parse::<u64>().unwrap() > 0, "{place}");
    let answer = ask(&mut client, json!({"id": 2, "method": "time", "params": {"traceId": "a b"}})).await;
    assert_eq!(answer["error"]["code"], -1100);
    let answer = ask(&mut client, json!({"id": 3, "method": "time"})).await;
    assert!(answer.get("trace").is_none());
}
