//! Connections of market streams, and what both kinds of connections share.

use super::*;

#[tokio::test]
async fn any_raw_name_opens_and_streams_are_subscribed_later() {
    let mut server = Server::start().await;
    let mut client = server.connect("/ws/0").await;
    let answer = ask(&mut client, json!({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 1})).await;
    assert_eq!(answer, json!({"result": null, "id": 1}));
    server.market(&[level(Side::Sell, 10_100, 150_000, 1), window(1, 1)]);
    let event = hear(&mut client).await;
    assert_eq!((&event["e"], &event["U"], &event["u"]), (&json!("depthUpdate"), &json!(1), &json!(1)));
    assert_eq!(event["a"], json!([["101.00000000", "1.50000000"]]));

    let answer = ask(&mut client, json!({"method": "SET_PROPERTY", "params": ["combined", true], "id": "x"})).await;
    assert_eq!(answer, json!({"result": null, "id": "x"}));
    assert_eq!(
        ask(&mut client, json!({"method": "GET_PROPERTY", "params": ["combined"], "id": null})).await["result"],
        true
    );
    server.market(&[level(Side::Sell, 10_100, 0, 2), window(2, 2)]);
    assert_eq!(hear(&mut client).await["stream"], "btcusdt@depth@100ms");

    let listed = ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 3})).await;
    assert_eq!(listed["result"], json!(["btcusdt@depth@100ms"]));
    ask(&mut client, json!({"method": "UNSUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 4})).await;
    server.market(&[level(Side::Sell, 10_100, 5, 3), window(3, 3)]);
    let listed = ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 5})).await;
    assert_eq!((&listed["id"], &listed["result"]), (&json!(5), &json!([])), "no event came in between");
}

#[tokio::test]
async fn streams_of_the_request_line_are_told_at_once() {
    let mut server = Server::start().await;
    let mut raw = server.connect("/ws/btcusdt@trade").await;
    let mut combined = server.connect("/stream?streams=btcusdt@trade/btcusdt@aggTrade").await;
    for client in [&mut raw, &mut combined] {
        ask(client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    }
    server.market(&[traded(1, 10_100, 150_000, Side::Sell)]);
    assert_eq!(hear(&mut raw).await["m"], true);
    let (one, other) = (hear(&mut combined).await, hear(&mut combined).await);
    let mut kinds = [one["data"]["e"].as_str().unwrap(), other["data"]["e"].as_str().unwrap()];
    kinds.sort();
    assert_eq!(kinds, ["aggTrade", "trade"]);
}

#[tokio::test]
async fn bad_requests_are_answered_with_a_code_and_the_connection_goes_on() {
    let server = Server::start().await;
    let mut client = server.connect("/ws").await;
    for (text, code) in [
        ("nonsense", 3),
        (r#"{"method":"DANCE","id":1}"#, 2),
        (r#"{"method":"SUBSCRIBE","params":["nosuch@trade"],"id":1}"#, 2),
        (r#"{"method":"SUBSCRIBE","params":["btcusdt@dance"],"id":1}"#, 2),
        (r#"{"method":"SET_PROPERTY","params":["colour",true],"id":1}"#, 0),
        (r#"{"method":"SET_PROPERTY","params":["combined",1],"id":1}"#, 1),
    ] {
        say(&mut client, text).await;
        let answer = hear(&mut client).await;
        assert_eq!(answer["error"]["code"], code, "{text}");
        assert_eq!(answer["code"], code, "{text}");
    }
    client.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(hear(&mut client).await["error"]["code"], 3);
    let many: Vec<_> = (0..1_025).map(|index| format!("btcusdt@kline_{index}")).collect();
    assert_eq!(ask(&mut client, json!({"method": "SUBSCRIBE", "params": many, "id": 1})).await["error"]["code"], 2);
    assert_eq!(ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await["result"], json!([]));
}

#[tokio::test]
async fn fragments_are_one_message_and_long_messages_close_the_connection() {
    let server = Server::start().await;
    let mut client = server.connect("/ws").await;
    let text = r#"{"method":"LIST_SUBSCRIPTIONS","id":1}"#;
    let (head, tail) = text.split_at(9);
    let fragment = |part: &str, code, is_last| {
        Message::Frame(Frame::message(Bytes::from(part.to_owned()), OpCode::Data(code), is_last))
    };
    client.send(fragment(head, Data::Text, false)).await.unwrap();
    client.send(Message::Ping(Bytes::from_static(b"between"))).await.unwrap();
    client.send(fragment(tail, Data::Continue, true)).await.unwrap();
    assert_eq!(hear(&mut client).await["result"], json!([]));

    for path in ["/ws", "/ws-api/v3"] {
        let mut client = server.connect(path).await;
        say(&mut client, format!(r#"{{"id":1,"method":"{}"}}"#, "x".repeat(70_000))).await;
        assert_eq!(until_closed(&mut client).await.1, Some(CloseCode::Size), "{path}");
        let mut client = server.connect(path).await;
        for _ in 0..3 {
            // The server closes before the last one.
            let _ = client.send(fragment(&"x".repeat(30_000), Data::Text, false)).await;
        }
        assert!(matches!(until_closed(&mut client).await.1, Some(CloseCode::Size | CloseCode::Protocol)), "{path}");
    }
}

#[tokio::test]
async fn broken_frames_close_the_connection() {
    let server = Server::start().await;
    // Reserved opcode; unmasked; text that is not UTF-8; a control frame that is too long.
    let frames = [
        vec![0x83, 0x80, 0, 0, 0, 0],
        vec![0x81, 0x01, b'x'],
        vec![0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe],
        [&[0x89, 0xfe, 0x00, 0x80], &[0; 132][..]].concat(),
    ];
    for frame in &frames {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        // The frame comes with the request: nothing that was read too early is lost.
        stream.write_all(&[head.as_bytes(), frame].concat()).await.unwrap();
        let mut answer = vec![0; 4_096];
        let mut length = 0;
        loop {
            match within(stream.read(&mut answer[length..])).await {
                Ok(0) | Err(_) => break,
                Ok(read) => length += read,
            }
            // A close frame: answer it by going away.
            if answer[..length].windows(2).any(|pair| pair[0] == 0x88) {
                break;
            }
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{frame:?}");
    }
    // A truncated frame and silence cost a socket until the time-out, and nothing else.
    let mut client = server.connect("/ws").await;
    assert_eq!(ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await["id"], 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_and_closed_while_others_get_everything() {
    let mut server = Server::start().await;
    let mut slow = server.connect("/ws/btcusdt@trade").await;
    let mut fast = server.connect("/ws/btcusdt@trade").await;
    for client in [&mut slow, &mut fast] {
        ask(client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    }
    let (trades, mut slow, mut fate) = (80_000, Some(slow), None);
    let read = |mut client: Client| tokio::spawn(async move { until_closed(&mut client).await });
    let reader = tokio::spawn(async move {
        for id in 1..=trades {
            assert_eq!(hear(&mut fast).await["t"], id);
        }
    });
    for id in 1..=trades {
        server.market(&[traded(id, 10_100, 1, Side::Buy)]);
        if id % 64 == 0 {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        // What it is told last waits for it a few seconds, which on a busy machine are over before the others have everything.
        if server.gateway.metrics.slow_clients.get() > 0
            && let Some(slow) = slow.take()
        {
            fate = Some(read(slow));
        }
    }
    within(reader).await.unwrap();
    let (last, code) = fate.or_else(|| slow.map(read)).unwrap().await.unwrap();
    assert_eq!(last.unwrap()["e"], "slowConsumer");
    assert_eq!(code, Some(CloseCode::Policy));
}

#[tokio::test]
async fn answers_and_pongs_come_between_events_and_break_none_of_them() {
    let mut server = Server::start().await;
    let mut client = server.connect("/ws/btcusdt@trade").await;
    ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 0})).await;
    let (trades, every) = (3_000, 150);
    for id in 1..=trades {
        server.market(&[traded(id, 10_100, 1, Side::Buy)]);
        if id % every == 0 {
            client.send(Message::Ping(format!("{id}").into())).await.unwrap();
            say(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": id}).to_string()).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let (mut seen, mut answered, mut pongs) = (0, 0, 0);
    while (seen, answered, pongs) != (trades, trades / every, trades / every) {
        match within(client.next()).await.unwrap().unwrap() {
            Message::Text(text) => match serde_json::from_str::<Value>(&text).unwrap() {
                event if event["e"] == "trade" => {
                    seen += 1;
                    assert_eq!(event["t"], seen);
                }
                answer => {
                    answered += 1;
                    assert_eq!(answer["id"], answered * every);
                }
            },
            Message::Pong(payload) => {
                pongs += 1;
                assert_eq!(payload, format!("{}", pongs * every));
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[tokio::test]
async fn connections_are_refused_before_the_gateway_is_ready_and_told_when_it_leaves() {
    let server = Server::start().await;
    let mut stream = server.connect("/ws/0").await;
    let mut api = server.api().await;
    for client in [&mut stream, &mut api] {
        say(client, "x").await;
        hear(client).await;
    }
    server.gateway.is_ready.store(false, Ordering::Release);
    let refused = connect_async(format!("ws://{}/ws", server.address)).await.unwrap_err();
    assert!(refused.to_string().contains("503"), "{refused}");
    server.gateway.is_ready.store(true, Ordering::Release);
    server.gateway.stop();
    let (last, code) = until_closed(&mut stream).await;
    assert_eq!((&last.unwrap()["e"], code), (&json!("serverShutdown"), Some(CloseCode::Away)));
    let (last, code) = until_closed(&mut api).await;
    assert_eq!((&last.unwrap()["event"]["e"], code), (&json!("serverShutdown"), Some(CloseCode::Away)));
}

#[tokio::test]
async fn a_depth_stream_begins_with_the_whole_book_for_who_wishes_so() {
    let mut server = Server::start().await;
    server.market(&[level(Side::Sell, 10_100, 150_000, 1), level(Side::Buy, 10_000, 5, 2)]);
    let mut later = server.connect("/ws").await;
    for property in ["snapshot", "checksum"] {
        ask(&mut later, json!({"method": "SET_PROPERTY", "params": [property, true], "id": 1})).await;
        let answer = ask(&mut later, json!({"method": "GET_PROPERTY", "params": [property], "id": 2})).await;
        assert_eq!(answer["result"], true);
    }
    ask(&mut later, json!({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms", "btcusdt@trade"], "id": 1})).await;
    let mut at_once = server.connect("/stream?streams=btcusdt@depth@100ms&snapshot=true&checksum=true").await;
    let mut plain = server.connect("/ws/btcusdt@depth@100ms").await;
    ask(&mut plain, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    let (raw, combined) = (hear(&mut later).await, hear(&mut at_once).await);
    assert_eq!((&raw["e"], &raw["lastUpdateId"]), (&json!("depthSnapshot"), &json!(2)));
    assert_eq!((&raw["a"][0][0], &raw["b"][0][1]), (&json!("101.00000000"), &json!("0.00005000")));
    assert_eq!((&combined["stream"], &combined["data"]["a"]), (&json!("btcusdt@depth@100ms"), &raw["a"]));
    server.market(&[level(Side::Sell, 10_100, 0, 3), window(1, 3)]);
    let update = hear(&mut later).await;
    let checksum = crc32fast::hash(b"100.00000000:0.00005000");
    assert_eq!((&update["u"], &update["c"]), (&json!(3), &json!(checksum)));
    assert_eq!(hear(&mut at_once).await["data"]["c"], json!(checksum));
    assert!(hear(&mut plain).await.get("c").is_none());
}

#[tokio::test]
async fn a_whole_book_weighs_what_it_weighs_over_rest_and_is_refused_beyond_the_limit() {
    let mut server = Server::start_limited(Limits { weight_per_minute: 600, ..Limits::default() }).await;
    server.market(&[level(Side::Sell, 10_100, 150_000, 1)]);
    // Counts begin anew on the minute.
    let left_ms = 60_000 - super::super::clock_ms() % 60_000;
    if left_ms < 2_000 {
        tokio::time::sleep(Duration::from_millis(left_ms)).await;
    }
    let used = || server.gateway.throttle.used_weight(server.address.ip(), server.gateway.now_us());
    let subscribe = |names: &[&str]| json!({"method": "SUBSCRIBE", "params": names, "id": 1});
    let mut client = server.connect("/ws?snapshot=true").await;
    ask(&mut client, subscribe(&["btcusdt@depth@100ms", "btcusdt@trade"])).await;
    assert_eq!(hear(&mut client).await["e"], "depthSnapshot");
    ask(&mut client, subscribe(&["btcusdt@depth@100ms"])).await;
    assert_eq!(used(), 250, "what is subscribed already is not told again");
    let mut other = server.connect("/ws/btcusdt@depth@100ms?snapshot=true").await;
    assert_eq!((&hear(&mut other).await["e"], used()), (&json!("depthSnapshot"), 500));
    let refused = ask(&mut client, subscribe(&["btcusdt@kline_1m", "btcusdt@depth"])).await;
    assert_eq!(refused["error"]["code"], 2);
    assert!(refused["error"]["msg"].as_str().unwrap().contains("weight"), "{refused}");
    let listed = ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 5})).await;
    assert_eq!(listed["result"], json!(["btcusdt@depth@100ms", "btcusdt@trade"]), "nothing of it is subscribed");
    let refused = connect_async(format!("ws://{}/ws/btcusdt@depth?snapshot=true", server.address)).await.unwrap_err();
    assert!(refused.to_string().contains("429"), "{refused}");
    let mut plain = server.connect("/ws/btcusdt@depth").await;
    ask(&mut plain, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    assert_eq!(used(), 500);
}

#[tokio::test]
async fn times_are_microseconds_on_connections_that_wish_so() {
    let mut server = Server::start().await;
    let mut raw = server.connect("/ws/btcusdt@trade?timeUnit=MICROSECOND").await;
    let mut combined = server.connect("/stream?streams=btcusdt@trade&timeUnit=microsecond").await;
    let mut plain = server.connect("/ws/btcusdt@trade").await;
    for client in [&mut raw, &mut combined, &mut plain] {
        ask(client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    }
    server.market(&[traded(1, 10_100, 150_000, Side::Sell)]);
    let (raw, combined, plain) = (hear(&mut raw).await, hear(&mut combined).await, hear(&mut plain).await);
    let time = |event: &Value, name: &str| event[name].as_u64().unwrap();
    for name in ["E", "T"] {
        assert_eq!(time(&raw, name), 1_000 * time(&plain, name));
    }
    assert_eq!((combined["data"].clone(), &raw["t"]), (raw.clone(), &plain["t"]));
    for path in ["/ws/btcusdt@trade?timeUnit=x", "/ws-api/v3?timeUnit=x"] {
        let refused = connect_async(format!("ws://{}{path}", server.address)).await.unwrap_err();
        assert!(refused.to_string().contains("400"), "{refused}");
    }
    let refused = connect_async(format!("ws://{}/ws-api/v3?responseFormat=sbe", server.address)).await.unwrap_err();
    assert!(refused.to_string().contains("406"), "{refused}");
    let mut api = server.connect("/ws-api/v3?timeUnit=MICROSECOND").await;
    let told = ask(&mut api, json!({"id": "t", "method": "v3/time"})).await;
    assert_eq!((&told["id"], time(&told["result"], "serverTime").to_string().len()), (&json!("t"), 16));
}

#[tokio::test]
async fn a_listen_keys_stream_goes_on_after_its_last_number() {
    let server = Server::start().await;
    let listen_key = {
        let accounts = server.gateway.exchange.accounts();
        accounts.listen_key_of(&wire::ApiKeyText::new(key().as_bytes()).unwrap()).unwrap().to_owned()
    };
    let mut client = server.connect(&format!("/ws/{listen_key}?sequence=true")).await;
    let first = hear(&mut client).await["sequence"].as_u64().unwrap();
    server.ledger.apply(&[balance(9_500)]);
    let told = hear(&mut client).await;
    assert_eq!((&told["sequence"], &told["event"]["e"]), (&json!(first + 1), &json!("outboundAccountPosition")));
    drop(client);
    server.ledger.apply(&[balance(9_400)]);
    server.ledger.apply(&[balance(9_300)]);
    let path = format!("/stream?streams={listen_key}&afterSequence={}", first + 1);
    let mut again = server.connect(&path).await;
    let current = hear(&mut again).await;
    assert_eq!(
        current,
        json!({"stream": listen_key, "sequence": first + 3, "life": 1}),
        "what it will have caught up with"
    );
    for number in [first + 2, first + 3] {
        let told = hear(&mut again).await;
        assert_eq!((&told["sequence"], &told["stream"]), (&json!(number), &json!(listen_key)));
        assert_eq!(told["data"]["e"], "outboundAccountPosition");
    }
    let unknown = format!("ws://{}/ws/{}?afterSequence=1", server.address, "0".repeat(64));
    assert!(connect_async(unknown).await.unwrap_err().to_string().contains("400"));
}

#[tokio::test]
async fn what_waits_for_a_key_that_is_revoked_is_not_told() {
    let server = Server::start().await;
    let api_key = wire::ApiKeyText::new(key().as_bytes()).unwrap();
    let listen_key = server.gateway.exchange.accounts().listen_key_of(&api_key).unwrap().to_owned();
    let mut client = server.connect(&format!("/ws/{listen_key}")).await;
    ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    // Far more than a socket holds, while nobody reads: most of it waits in the gateway.
    for _ in 0..3_000 {
        server.ledger.apply(&[balance(9_500)]);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    server
        .ledger
        .apply(&[Event::ApiKeyRevoked(wire::event::ApiKeyRevoked { account: AccountId::new(1), key: api_key })]);
    server.ledger.apply(&[balance(1)]);
    let mut told = 0;
    loop {
        let event = hear(&mut client).await;
        if event["e"] == "listenKeyExpired" {
            break;
        }
        assert_ne!(event["B"][0]["f"], "1.00000000");
        told += 1;
    }
    println!("{told} of 3000 events had been written");
    let listed = ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 2})).await;
    assert_eq!(listed["result"], json!([]));
}

fn shown(sequence: u64, order: u64, qty: i64) -> Event {
    Event::OrderShown(wire::event::OrderShown {
        market: wire::MarketId::new(1),
        sequence: wire::BookSequence::new(sequence),
        order: OrderId::new(order),
        side: Side::Buy,
        price: wire::Price::new(10_000).unwrap(),
        qty: wire::Qty::new(qty).unwrap(),
        is_last: true,
    })
}

#[tokio::test]
async fn a_book_is_told_order_by_order_after_the_whole_of_it() {
    let mut server = Server::start().await;
    server.market(&[shown(1, 11, 150_000), shown(2, 12, 50_000)]);
    let mut client = server.connect("/ws/btcusdt@l3?snapshot=true").await;
    let whole = hear(&mut client).await;
    assert_eq!((&whole["e"], &whole["lastUpdateId"]), (&json!("l3Snapshot"), &json!(2)));
    assert_eq!(whole["bids"], json!([["100.00000000", "1.50000000", 11], ["100.00000000", "0.50000000", 12]]));
    server.market(&[shown(3, 11, 0), shown(4, 13, 100_000)]);
    let told = hear(&mut client).await;
    assert_eq!((&told["e"], &told["U"], &told["u"]), (&json!("l3"), &json!(3), &json!(4)));
    assert_eq!(told["c"][0], json!(["SHOW", 11, "BUY", "100.00000000", "0.00000000", true]));
    let mut api = server.api().await;
    let answer = ask(&mut api, json!({"id": 1, "method": "depth.orders", "params": {"symbol": "BTCUSDT"}})).await;
    assert_eq!(answer["result"]["bids"][1], json!(["100.00000000", "1.00000000", 13]));
    // Nobody listens any more: nothing of it is written, and the book goes on.
    drop(client);
    server.market(&[shown(5, 12, 0)]);
    assert_eq!(server.gateway.exchange.market_data().order_gaps(), 0);
}

#[tokio::test]
async fn a_change_of_phase_is_told_and_shown_by_exchange_info() {
    use wire::event::{AuctionCompleted, AuctionIndicated, PhaseChanged};
    use wire::{MarketId, MarketStatus, PhaseCause, Price, Qty};

    let mut server = Server::start().await;
    let mut client = server.connect("/stream?streams=btcusdt@status/btcusdt@auction").await;
    ask(&mut client, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    let market = MarketId::new(1);
    let phase = |number, status| {
        let until = Timestamp::from_nanos(9_000_000);
        Event::PhaseChanged(PhaseChanged { market, number, status, cause: PhaseCause::Volatility, until })
    };
    server.market(&[phase(1, MarketStatus::Auction)]);
    let told = hear(&mut client).await;
    assert_eq!(told["stream"], "btcusdt@status");
    assert_eq!(
        (&told["data"]["X"], &told["data"]["r"], &told["data"]["T"]),
        (&json!("AUCTION_MATCH"), &json!("VOLATILITY"), &json!(9))
    );
    let indicated = AuctionIndicated { market, price: Price::new(10_000), qty: Qty::new(5).unwrap(), surplus: -7 };
    server.market(&[Event::AuctionIndicated(indicated)]);
    let told = hear(&mut client).await["data"].clone();
    assert_eq!((&told["p"], &told["o"], &told["S"]), (&json!("100.00000000"), &json!("0.00007000"), &json!("SELL")));
    let mut api = server.api().await;
    let mut result = async |method: &str, params: Value| {
        ask(&mut api, json!({"id": 1, "method": method, "params": params})).await["result"].clone()
    };
    let info = result("exchangeInfo", json!({"symbol": "BTCUSDT"})).await;
    assert_eq!(info["symbols"][0]["status"], "AUCTION_MATCH");
    assert_eq!(result("exchangeInfo", json!({"symbolStatus": "TRADING"})).await["symbols"], json!([]));
    let status = result("marketStatus", json!({"symbol": "BTCUSDT"})).await;
    assert_eq!((&status[0]["phase"], &status[0]["auction"]["price"]), (&json!("AUCTION"), &json!("100.00000000")));
    let completed = AuctionCompleted { market, price: Price::new(10_000).unwrap(), qty: Qty::new(5).unwrap() };
    server.market(&[Event::AuctionCompleted(completed), phase(2, MarketStatus::Trading)]);
    // Two streams, in no order.
    let told = [hear(&mut client).await, hear(&mut client).await];
    assert!(told.iter().any(|told| told["data"]["e"] == "auctionCompleted"), "{told:?}");
    let status = result("marketStatus", json!({"symbol": "BTCUSDT"})).await;
    assert_eq!(
        (&status[0]["status"], &status[0]["auction"], &status[0]["number"]),
        (&json!("TRADING"), &Value::Null, &json!(2))
    );
}
