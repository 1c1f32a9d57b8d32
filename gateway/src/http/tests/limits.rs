//! What the front door bears: weights, sizes, slowness, numbers, and its end.

use super::*;

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
async fn orders_that_are_refused_do_not_count() {
    let server = server_with(Limits { orders_per_10s: 2, ..Limits::default() }).await;
    let off_the_tick = BUY.replace("price=50000", "price=50000.001");
    assert_ne!(off_the_tick, BUY);
    for _ in 0..5 {
        let answer = server.signed("POST", "/api/v3/order", &off_the_tick).await;
        assert_eq!(answer.body["code"], -1013, "{answer:?}");
        assert!(answer.head.contains("x-mbx-order-count-10s: 0"), "{}", answer.head);
    }
    // A new window may begin between these.
    let mut codes = Vec::new();
    while codes.last() != Some(&json!(-1015)) && codes.len() < 10 {
        let answer = server.signed("POST", "/api/v3/order", BUY).await;
        codes.push(answer.body["code"].clone());
    }
    assert!(codes.len() > 2 && codes.last() == Some(&json!(-1015)), "those that are placed do: {codes:?}");
}

#[tokio::test]
async fn an_account_may_not_have_orders_refused_without_end() {
    let server = server_with(Limits { refused_orders_per_10s: 3, ..Limits::default() }).await;
    let off_the_tick = BUY.replace("price=50000", "price=50000.001");
    let mut codes = Vec::new();
    while codes.last() != Some(&json!(-1015)) && codes.len() < 20 {
        let answer = server.signed("POST", "/api/v3/order", &off_the_tick).await;
        codes.push(answer.body["code"].clone());
        if codes.last() == Some(&json!(-1015)) {
            assert_eq!(answer.status, 429);
            assert!(answer.head.contains("retry-after: "), "{}", answer.head);
            let text = "Too many new orders; current limit is 3 refused orders per 10 SECOND.";
            assert_eq!(answer.body["msg"], text);
        }
    }
    // A new window may begin between these.
    assert!(codes.len() >= 4 && codes.last() == Some(&json!(-1015)), "{codes:?}");
    let good = server.signed("POST", "/api/v3/order", BUY).await;
    assert!(matches!(good.body["code"].as_i64(), Some(-1015) | None), "until a new window begins: {good:?}");
    let canceled = server.signed("DELETE", "/api/v3/order", "symbol=BTCUSDT&orderId=987654321").await;
    assert_eq!(canceled.body["code"], -2011, "cancels are not orders");
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

/// It is told so whatever it sends, and before anything of that is waited for or worked on.
#[tokio::test]
async fn an_address_that_is_banned_is_told_so_before_what_it_sends_is_looked_at() {
    let server = server_with(Limits { weight_per_minute: 1, ban_after_refusals: 1, ..Limits::default() }).await;
    let mut told = Vec::new();
    while told.last() != Some(&418) && told.len() < 10 {
        told.push(server.get("/api/v3/ping").await.status);
    }
    assert_eq!(told.last(), Some(&418), "{told:?}");
    let key = format!("X-MBX-APIKEY: {ALICE_KEY}\r\n");
    let answers = [
        server.call("GET", "/api/v3/account?timestamp=1&signature=00", &key, &[]).await,
        server.call("GET", "/api/v3/account", "", &[]).await,
        // A body that does not come, and one that is too long.
        server.raw(b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n").await,
        server.raw(b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n").await,
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.body["code"].as_i64()), (418, Some(-1003)), "{answer:?}");
        assert!(answer.head.contains("retry-after: "), "{answer:?}");
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
    let parts = "Content-Type: Multipart/Form-Data; boundary=b\r\n";
    let body = b"--b\r\nContent-Disposition: form-data; name=\"symbol\"\r\n\r\nBTCUSDT\r\n--b--\r\n";
    let wanted = "Send parameters in the query string or as application/x-www-form-urlencoded.";
    server.call("POST", "/api/v3/order", parts, body).await.refused(415, -1020, wanted);
    let answer = server.call("POST", "/api/v3/order", "", b"{\"symbol\":").await;
    answer.refused(400, -1135, "Invalid JSON Request");
    let binary: Vec<u8> = (0..=255).collect();
    let answer = server.call("POST", "/api/v3/order", "", &binary).await;
    answer.refused(400, -1100, "Illegal characters found in a parameter.");
}

#[tokio::test]
async fn a_body_that_is_declared_too_large_is_refused_at_once() {
    let server = server().await;
    let begin = "POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length:";
    for (declared, expects) in [("99999999999", ""), ("70000", ""), ("70000", "Expect: 100-continue\r\n")] {
        let started = std::time::Instant::now();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(format!("{begin} {declared}\r\n{expects}\r\n").as_bytes()).await.unwrap();
        let mut heard = [0; 512];
        let read = stream.read(&mut heard).await.unwrap();
        let text = String::from_utf8_lossy(&heard[..read]);
        assert!(text.starts_with("HTTP/1.1 413"), "{declared} {expects}: {text}");
        assert!(started.elapsed() < Duration::from_secs(5), "{declared} {expects}: {:?}", started.elapsed());
    }
    let small = format!("{begin} 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\na=b");
    let answer = server.raw(small.as_bytes()).await;
    assert!(answer.head.starts_with("http/1.1 100 continue"), "{answer:?}");
}

#[tokio::test]
async fn heads_are_taken_up_to_the_limit() {
    let server = server().await;
    let with = |target: usize, header: usize| {
        let (target, header) = ("a".repeat(target), "b".repeat(header));
        format!("GET /api/v3/ping?{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-A: {header}\r\n\r\n")
    };
    let rest = with(0, 0).len();
    for (target, header) in [(0, 32 * 1024 - rest), (20_000, 32 * 1024 - rest - 20_000)] {
        let status = server.raw(with(target, header).as_bytes()).await.status;
        assert_eq!(status, if target == 0 { 200 } else { 400 }, "{target} {header}: read");
        for more in [1, 8_000, 30_000, 200_000] {
            let answer = server.raw(with(target, header + more).as_bytes()).await;
            assert_eq!(answer.status, 431, "{target} {header} + {more}");
        }
    }
    assert_eq!(server.raw(with(33_000, 0).as_bytes()).await.status, 431);
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

const ASK: &[u8] = b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n";

/// Asks, and reads what is answered.
async fn ask_on(stream: &mut TcpStream) -> String {
    stream.write_all(ASK).await.unwrap();
    let mut answer = vec![0; 4_096];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn a_head_has_its_time_from_its_first_byte_and_a_byte_now_and_then_gives_it_no_more() {
    let head_timeout = Duration::from_millis(300);
    let server = server_with(Limits { head_timeout, ..Limits::default() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..2 {
        tokio::time::sleep(2 * head_timeout).await;
        assert!(ask_on(&mut stream).await.starts_with("HTTP/1.1 200"), "idling is no part of a head");
    }
    let (mut reader, mut writer) = stream.into_split();
    let dribble = tokio::spawn(async move {
        for byte in ASK.iter().cycle().take(20).chain(std::iter::repeat(&b'x')) {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(head_timeout / 10).await;
        }
    });
    let ended = tokio::time::timeout(Duration::from_secs(5), reader.read(&mut [0; 64])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    dribble.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_let_go() {
    let server = server_with(Limits { idle_timeout: Duration::from_secs(1), ..Limits::default() }).await;
    for asks in [0, 2] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        for _ in 0..asks {
            assert!(ask_on(&mut stream).await.starts_with("HTTP/1.1 200"));
        }
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 64])).await;
        assert!(matches!(ended, Ok(Ok(0))), "{ended:?}");
    }
}

/// Its answers would be kept for as long as it likes.
#[tokio::test]
async fn a_client_that_does_not_take_its_answers_is_gone() {
    let server = server_with(Limits { answer_timeout: Duration::from_millis(300), ..Limits::default() }).await;
    let (_unread, mut writer) = TcpStream::connect(server.address).await.unwrap().into_split();
    let ask = b"GET /api/v3/exchangeInfo HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000);
    let asked = tokio::spawn(async move { while writer.write_all(&ask).await.is_ok() {} });
    tokio::time::timeout(Duration::from_secs(30), asked).await.expect("it is cut off").unwrap();
    for _ in 0..50 {
        if server.gateway.metrics.connections.get() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(server.gateway.metrics.connections.get(), 0);
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

/// Loopback has a network of addresses there.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_address_cannot_have_all_places() {
    let server = server_with(Limits { connections_max: 8, ..Limits::default() }).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.7.2:0".parse().unwrap()).unwrap();
        idle.push(socket.connect(server.address).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.gateway.connections.free(), 2);
    assert_eq!(server.gateway.metrics.refused_connections.get(), 2, "which the operator sees");
    assert_eq!(server.get("/api/v3/ping").await.status, 200, "others are let in");
}

/// How many of eight connections found no place, behind a proxy in the network of its clients that says this of each.
async fn refused_behind_a_proxy(tell: crate::Tell, says: &str) -> u64 {
    let networks = vec!["127.0.0.0/8".parse().unwrap()];
    let door = Door { tls: None, proxies: Some(Arc::new(crate::Proxies { networks, tell })) };
    let server = server_behind(Limits { connections_max: 8, ..Limits::default() }, door).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(says.as_bytes()).await.unwrap();
        idle.push(stream);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.gateway.metrics.refused_connections.get()
}

#[tokio::test]
async fn a_client_has_its_share_wherever_it_is_and_a_proxy_has_all_places_for_clients_it_has_not_told_of() {
    let told = "PROXY TCP4 127.0.0.9 127.0.0.1 4711 80\r\n";
    assert_eq!(refused_behind_a_proxy(crate::Tell::ProxyProtocol, told).await, 2);
    assert_eq!(refused_behind_a_proxy(crate::Tell::ProxyProtocol, "PROXY UNKNOWN\r\n").await, 0);
    assert_eq!(refused_behind_a_proxy(crate::Tell::ForwardedFor, "").await, 0);
}

/// Through the proxy at the other end this client asks for a WebSocket; what it is answered.
async fn switched(server: &Server, client: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET /ws/btcusdt@trade HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut told = Vec::new();
    while !told.ends_with(b"\r\n\r\n") {
        told.push(stream.read_u8().await.unwrap());
    }
    let status = String::from_utf8(told).unwrap().split(' ').nth(1).unwrap().to_owned();
    (status, stream)
}

/// What a proxy pools is nobody's, but a WebSocket through it is one client's for as long as it lasts.
#[tokio::test]
async fn a_clients_websockets_have_its_share_through_a_proxy_that_tells_of_it_by_each_request() {
    let tell = crate::Tell::ForwardedFor;
    let proxies = |network: &str| Some(Arc::new(crate::Proxies { networks: vec![network.parse().unwrap()], tell }));
    let limits = || Limits { connections_per_address: 2, ..Limits::default() };
    let server = server_behind(limits(), Door { tls: None, proxies: proxies("127.0.0.0/8") }).await;
    let (status, first) = switched(&server, "192.0.2.1").await;
    let (_, second) = switched(&server, "192.0.2.1").await;
    assert_eq!(status, "101");
    assert_eq!(switched(&server, "192.0.2.1").await.0, "429");
    assert_eq!(server.gateway.metrics.refused_connections.get(), 1, "which the operator sees");
    for _ in 0..4 {
        let answer = server.call("GET", "/api/v3/ping", "X-Forwarded-For: 192.0.2.1\r\n", &[]).await;
        assert_eq!(answer.status, 200, "its requests come by the proxy's connections");
    }
    let (status, _other) = switched(&server, "192.0.2.2").await;
    assert_eq!(status, "101");
    drop(first);
    let mut status = "429".to_owned();
    for _ in 0..50 {
        if status != "101" {
            tokio::time::sleep(Duration::from_millis(20)).await;
            status = switched(&server, "192.0.2.1").await.0;
        }
    }
    assert_eq!(status, "101", "there is room again");
    drop(second);
    // Who is no proxy of ours is believed nothing: all of these are one client's, who is known since it was accepted.
    let server = server_behind(limits(), Door { tls: None, proxies: proxies("198.51.100.0/24") }).await;
    let (first, second) = (switched(&server, "192.0.2.1").await, switched(&server, "192.0.2.2").await);
    assert_eq!((first.0.as_str(), second.0.as_str()), ("101", "101"));
    assert_eq!(server.get("/api/v3/ping").await.status, 0, "closed without an answer");
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

/// What each of six requests to a path is answered, of an address that may have a weight of three.
async fn flood_of(path: &str, headers: &str) -> Vec<u16> {
    let server = server_with(Limits { weight_per_minute: 3, ..Limits::default() }).await;
    let mut told = Vec::new();
    for _ in 0..6 {
        told.push(server.call("GET", path, headers, &[]).await.status);
    }
    told
}

#[tokio::test]
async fn what_is_no_upgrade_weighs_as_other_requests_do() {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (path, headers, refused) in [
        ("/ws", "", 426),
        ("/ws/btcusdt@trade", "", 426),
        ("/stream", "", 426),
        ("/ws-api/v3", "", 426),
        ("/ws/btcusdt@trade?life=1", upgrade, 400),
    ] {
        let told = flood_of(path, headers).await;
        // A new minute may begin between these.
        assert_eq!(told[..3], [refused; 3], "{path}: {told:?}");
        assert!(told.contains(&429), "{path}: {told:?}");
    }
}

#[tokio::test]
async fn the_page_of_metrics_is_not_for_everybody_to_ask_for_without_end() {
    let told = flood_of("/metrics", "").await;
    assert!(told.contains(&429), "{told:?}");
    for path in ["/livez", "/readyz"] {
        assert_eq!(flood_of(path, "").await, [200; 6], "{path} costs no more than a refusal");
    }
}
