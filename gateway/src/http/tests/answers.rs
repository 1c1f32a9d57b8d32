//! How answers are shaped: pages, units of time, names of requests, metrics, what a gateway that only reads has.

use super::*;

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

#[tokio::test]
async fn an_account_is_told_what_it_may_not_do() {
    use wire::event::{AccountLimitsChanged, AssetLimitChanged, KillSwitchChanged, OrderLimitsChanged};
    use wire::{AccountId, Event, Qty};
    let server = server().await;
    let kill = |is_engaged| {
        Event::KillSwitchChanged(KillSwitchChanged { account: ALICE, key: Default::default(), is_engaged })
    };
    for (is_engaged, can_trade) in [(true, false), (false, true)] {
        server.ledger.feed(&[kill(is_engaged)]);
        assert_eq!(server.signed("GET", "/api/v3/account", "").await.body["canTrade"], can_trade);
    }
    let filters = || server.signed("GET", "/api/v3/myFilters", "symbol=BTCUSDT");
    let of = |filters: &Value, kind: &str| {
        let all = ["exchangeFilters", "symbolFilters"].into_iter().flat_map(|name| filters[name].as_array().unwrap());
        all.into_iter().find(|filter| filter["filterType"] == kind).cloned()
    };
    let before = filters().await.body;
    assert_eq!((of(&before, "EXCHANGE_MAX_NUM_ORDERS"), of(&before, "MAX_POSITION")), (None, None));
    let (qty_max, notional_max) = (Qty::ZERO, amount(0));
    let position = |account, tenths: i64| {
        let position_max = amount(tenths * 1_000_000_000);
        Event::OrderLimitsChanged(OrderLimitsChanged { account, market: BTCUSDT, qty_max, notional_max, position_max })
    };
    let limits = |account, [open_orders_max, stop_orders_max, iceberg_orders_max, order_lists_max]: [u32; 4]| {
        let (order_rate_max, order_rate_window_ms) = (3, 60_000);
        Event::AccountLimitsChanged(AccountLimitsChanged {
            account,
            open_orders_max,
            stop_orders_max,
            iceberg_orders_max,
            order_lists_max,
            order_rate_max,
            order_rate_window_ms,
        })
    };
    let asset_limit = |account, asset, units| {
        Event::AssetLimitChanged(AssetLimitChanged { account, asset, order_max: amount(units) })
    };
    let every = AccountId::new(0);
    server.ledger.feed(&[
        position(ALICE, 15),
        position(every, 20),
        limits(ALICE, [7, 3, 0, 9]),
        limits(every, [0, 2, 5, 0]),
        asset_limit(ALICE, BTC, 25_000_000_000),
        asset_limit(every, BTC, 42_000_000_000),
        asset_limit(every, USDT, 4_200_000_000),
        asset_limit(AccountId::new(2), USDT, 1),
    ]);
    let after = filters().await.body;
    let exchange = |filter: &str, field: &str, max: u32| json!({ "filterType": filter, field: max });
    assert_eq!(
        after["exchangeFilters"],
        json!([
            exchange("EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders", 7),
            exchange("EXCHANGE_MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", 2),
            exchange("EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders", 5),
            exchange("EXCHANGE_MAX_NUM_ORDER_LISTS", "maxNumOrderLists", 9),
        ]),
        "the lower one of the account's own and everybody's"
    );
    let asset = |name: &str, limit: &str| json!({ "filterType": "MAX_ASSET", "asset": name, "limit": limit });
    assert_eq!(after["assetFilters"], json!([asset("BTC", "2.50000000"), asset("USDT", "42.00000000")]));
    let orders = json!({ "filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 7 });
    let own = json!({ "filterType": "MAX_POSITION", "maxPosition": "1.50000000" });
    assert_eq!((of(&after, "EXCHANGE_MAX_NUM_ORDERS"), of(&after, "MAX_POSITION")), (Some(orders), Some(own)));
    let info = server.get("/api/v3/exchangeInfo?symbol=BTCUSDT").await.body;
    assert_eq!(
        info["exchangeFilters"],
        json!([
            exchange("EXCHANGE_MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", 2),
            exchange("EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders", 5),
        ]),
        "everybody's alone"
    );
    let decimals = ["baseCommissionPrecision", "quoteCommissionPrecision"].map(|name| &info["symbols"][0][name]);
    assert_eq!(decimals, [10, 8], "as many as the ledger has of BTC and USDT");
    let shown = info["symbols"][0]["filters"].as_array().unwrap().iter();
    let shown: Vec<_> = shown.filter(|filter| filter["filterType"] == "MAX_POSITION").collect();
    assert_eq!(shown, [&json!({ "filterType": "MAX_POSITION", "maxPosition": "2.00000000" })], "everybody's");

    server.ledger.script(Box::new(|_, _| {
        let reason = wire::RejectReason::OrderRateExceeded;
        // So many milliseconds by the log's time, whatever this gateway's clock says.
        Ok((wire::command::Reply::Rejected { reason, id: 86_399_001 }, Vec::new()))
    }));
    let refused = server.signed("POST", "/api/v3/order", BUY).await;
    assert_eq!((refused.status, refused.body["code"].as_i64()), (429, Some(-1015)));
    let wait = refused.head.split("retry-after: ").nth(1).and_then(|rest| rest.lines().next()?.parse::<u32>().ok());
    assert_eq!(wait, Some(86_400), "{}", refused.head);
}

#[tokio::test]
async fn a_market_shows_the_filters_that_it_has_and_no_others() {
    use wire::event::{MarketProtectionChanged, MarketRulesChanged};
    use wire::{Event, MarketProtection};
    let server = server().await;
    let of = async |names: &[&str]| -> Vec<Value> {
        let info = server.get("/api/v3/exchangeInfo?symbol=BTCUSDT").await.body;
        let shown = info["symbols"][0]["filters"].as_array().unwrap().clone();
        let is_wanted = |filter: &Value| names.contains(&filter["filterType"].as_str().unwrap());
        shown.into_iter().filter(is_wanted).collect()
    };
    const OPTIONAL: [&str; 4] = ["MAX_NUM_ICEBERG_ORDERS", "MIN_NOTIONAL", "PERCENT_PRICE", "PERCENT_PRICE_BY_SIDE"];
    assert_eq!(of(&OPTIONAL).await, Vec::<Value>::new());
    let mut rules = crate::testing::rules();
    rules.special.iceberg_orders_max = 3;
    rules.special.min_notional = amount(1_250_000_000);
    rules.special.min_notional_of_market = true;
    let protection = MarketProtection { up_ppm: 1_300_000, down_ppm: 700_000, ..MarketProtection::NONE };
    server.ledger.feed(&[
        Event::MarketRulesChanged(Box::new(MarketRulesChanged { market: BTCUSDT, version: 1, rules })),
        Event::MarketProtectionChanged(MarketProtectionChanged { market: BTCUSDT, version: 2, protection }),
    ]);
    let iceberg = json!({ "filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 3 });
    let notional = json!({
        "filterType": "MIN_NOTIONAL", "minNotional": "12.50000000", "applyToMarket": true, "avgPriceMins": 0,
    });
    let percent = json!({
        "filterType": "PERCENT_PRICE", "multiplierUp": "1.3", "multiplierDown": "0.7", "avgPriceMins": 0,
    });
    assert_eq!(of(&OPTIONAL).await, [iceberg, notional, percent]);
    let protection = MarketProtection { bid_up_ppm: 1_200_000, down_ppm: 500_000, ..MarketProtection::NONE };
    let changed = MarketProtectionChanged { market: BTCUSDT, version: 3, protection };
    server.ledger.feed(&[Event::MarketProtectionChanged(changed)]);
    let both = of(&["PERCENT_PRICE", "PERCENT_PRICE_BY_SIDE"]).await;
    let percent = json!({
        "filterType": "PERCENT_PRICE", "multiplierUp": "4294.967295", "multiplierDown": "0.5", "avgPriceMins": 0,
    });
    assert_eq!((both.len(), &both[0], &both[1]["bidMultiplierUp"]), (2, &percent, &json!("1.2")));
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

#[tokio::test]
async fn a_delisted_market_is_shown_to_who_names_it_alone() {
    use wire::event::MarketStatusChanged;
    let server = server().await;
    let shown = async |target: &str| server.get(target).await.body["symbols"].as_array().unwrap().len();
    assert_eq!(shown("/api/v3/exchangeInfo").await, 1);
    let status = wire::MarketStatus::Delisted;
    server.ledger.feed(&[wire::Event::MarketStatusChanged(MarketStatusChanged { market: BTCUSDT, status })]);
    assert_eq!(shown("/api/v3/exchangeInfo").await, 0);
    assert_eq!(shown("/api/v3/exchangeInfo?symbol=BTCUSDT").await, 1);
    assert_eq!(server.get("/api/v3/ticker/price").await.body, json!([]));
}

#[tokio::test]
async fn markets_are_shown_by_permissions_of_which_they_have_spot_alone() {
    let server = server().await;
    for (sent, shown) in [
        ("SPOT", 1),
        ("MARGIN", 0),
        ("TRD_GRP_002", 0),
        (r#"["SPOT"]"#, 1),
        (r#"["LEVERAGED","TRD_GRP_025"]"#, 0),
        (r#"["MARGIN",%20"SPOT"]"#, 1),
    ] {
        let answer = server.get(&format!("/api/v3/exchangeInfo?permissions={sent}")).await;
        assert_eq!(answer.body["symbols"].as_array().map(Vec::len), Some(shown), "{sent}: {answer:?}");
    }
    let invalid = "Data sent for parameter 'permissions' is not valid.";
    server.get("/api/v3/exchangeInfo?permissions=spot").await.refused(400, -1130, invalid);
}

#[tokio::test]
async fn who_sends_parameters_where_none_are_taken_is_told_how_many_there_were() {
    let server = server().await;
    for (target, received) in [("ping?x=1", 1), ("time?x=1&y=2", 2)] {
        let text = format!("Too many parameters; expected '0' and received '{received}'.");
        server.get(&format!("/api/v3/{target}")).await.refused(400, -1101, &text);
    }
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let server = server().await;
    let text = "Header 'Host' was not sent, or was sent more than once.";
    for path in ["/api/v3/ping", "/ws/btcusdt@trade", "/livez"] {
        for hosts in ["", "Host: x\r\nHost: x\r\n"] {
            let answer = server.raw(format!("GET {path} HTTP/1.1\r\n{hosts}\r\n").as_bytes()).await;
            answer.refused(400, -1102, text);
            assert!(answer.head.contains("connection: close"), "{answer:?}");
        }
    }
    // It is of HTTP/1.1 alone, and may be empty.
    assert_eq!(server.raw(b"GET /livez HTTP/1.0\r\n\r\n").await.status, 200);
    assert_eq!(server.raw(b"GET /livez HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn what_a_path_takes_is_told_and_its_head_is_that_of_what_get_answers() {
    let server = server().await;
    let options = server.call("OPTIONS", "/api/v3/order", "", &[]).await;
    assert_eq!(options.status, 204);
    assert!(options.head.contains("allow: post, get, delete, head, options"), "{}", options.head);
    let get = server.get("/api/v3/depth?symbol=BTCUSDT&limit=5").await;
    let request = b"HEAD /api/v3/depth?symbol=BTCUSDT&limit=5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
    let mut head = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut head).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", get.body.to_string().len())), "{head}");
}

#[tokio::test]
async fn pages_of_any_origin_may_read_and_send_nothing() {
    let server = server().await;
    for path in ["/api/v3/ping", "/api/v3/depth?symbol=NONE", "/api/v3/nothing"] {
        let answer = server.get(path).await;
        assert!(answer.head.contains("access-control-allow-origin: *"), "{path}: {}", answer.head);
    }
    let asked = server.call("OPTIONS", "/api/v3/order", "Access-Control-Request-Method: POST\r\n", &[]).await;
    for header in ["access-control-allow-headers", "access-control-allow-methods", "access-control-allow-credentials"] {
        assert!(!asked.head.contains(header), "{}", asked.head);
    }
    let placed = server.signed("POST", "/api/v3/order", BUY).await;
    assert!(!placed.head.contains("access-control"), "{}", placed.head);
}

#[tokio::test]
async fn who_asks_for_nothing_that_there_is_is_counted() {
    let server = server_with(Limits { weight_per_minute: 2, ..Limits::default() }).await;
    server.get("/api/v3/nothing").await.refused(404, -1020, "Path does not exist.");
    assert_eq!(server.call("PUT", "/api/v3/ping", "", &[]).await.status, 405);
    // A new minute may have begun.
    let codes =
        [server.get("/api/v3/nothing").await, server.get("/api/v3/nothing").await, server.get("/api/v3/nothing").await];
    assert!(codes.iter().any(|answer| answer.status == 429), "{codes:?}");
}
