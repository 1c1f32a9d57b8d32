//! Gateways, operators and strangers.

use super::*;

#[test]
fn gateway_with_its_certificate_is_welcomed_and_served() {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let mut client = Client::welcomed(&node, &authority, Role::Gateway, "gateway-a");
    let (link, peer) = node.opened();
    assert_eq!((peer.role, peer.name.as_str(), peer.is_dialed), (Role::Gateway, "gateway-a", false));
    client.echo(b"order");
    client.send(&Frame::Ping(Ping { nonce: 9 })).unwrap();
    assert_eq!(Frame::decode(&client.receive().unwrap()), Ok(Frame::Pong(Pong { nonce: 9 })));
    drop(client);
    assert_eq!(node.next(), Told::Close(link));
    node.expect_closed(CloseReason::PeerClosed);
}

#[test]
fn a_thousand_pipelined_requests_are_answered_in_order() {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let mut client = Client::welcomed(&node, &authority, Role::Gateway, "gateway-a");
    let mut bytes = Vec::new();
    for number in 0..1_000_u32 {
        request(&number.to_le_bytes()).encode(&mut bytes);
    }
    client.send_bytes(&bytes).unwrap();
    for number in 0..1_000_u32 {
        let body = client.receive().unwrap();
        let Ok(Frame::Reply(_, payload)) = Frame::decode(&body) else { panic!("expected a reply") };
        assert_eq!(payload, number.to_le_bytes());
    }
}

#[test]
fn frame_that_arrives_byte_by_byte_is_one_frame() {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let mut client = Client::welcomed(&node, &authority, Role::Gateway, "gateway-a");
    let mut bytes = Vec::new();
    request(b"slow").encode(&mut bytes);
    for byte in bytes {
        client.send_bytes(&[byte]).unwrap();
    }
    let body = client.receive().unwrap();
    assert!(matches!(Frame::decode(&body), Ok(Frame::Reply(_, b"slow"))));
}

#[test]
fn longest_client_frame_passes_and_one_byte_more_closes() {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let mut client = Client::welcomed(&node, &authority, Role::Gateway, "gateway-a");
    let mut head = Vec::new();
    request(b"").encode(&mut head);
    let longest = CLIENT_BODY_MAX - (head.len() - HEADER_LEN);
    client.echo(&vec![1; longest]);
    let _ = client.send(&request(&vec![1; longest + 1]));
    client.expect_end();
    node.expect_closed(CloseReason::OversizedFrame);
}

/// Whoever greets like this with a certificate for `certified` is closed for this reason, and a gateway
/// that was there before notices nothing.
#[track_caller]
fn check_greeting(certified: &str, greeting: Hello, reason: CloseReason) {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let mut other = Client::welcomed(&node, &authority, Role::Gateway, "gateway-other");
    node.opened();
    let mut client = Client::connect(&node, &authority.identity(certified));
    client.send(&Frame::Hello(greeting)).unwrap();
    client.expect_end();
    node.expect_closed(reason);
    other.echo(b"unharmed");
    assert!(node.told.is_empty(), "the handler never hears of it");
}

#[test]
fn name_that_the_certificate_is_not_valid_for_is_refused() {
    check_greeting("gateway-a", hello(Role::Gateway, "gateway-b"), CloseReason::WrongName);
}

#[test]
fn gateway_certificate_makes_no_operator_and_no_node() {
    check_greeting("gateway-a", hello(Role::Operator, "gateway-a"), CloseReason::WrongName);
    check_greeting("gateway-a", hello(Role::Operator, "operator-a"), CloseReason::WrongName);
    check_greeting("gateway-a", hello(Role::Node, "node-2"), CloseReason::WrongName);
}

#[test]
fn node_that_claims_the_id_of_another_is_refused() {
    check_greeting("node-2", Hello { node: NodeId::new(3), ..hello(Role::Node, "node-2") }, CloseReason::WrongName);
    check_greeting("node-1", hello(Role::Node, "node-1"), CloseReason::WrongName);
}

#[test]
fn another_epoch_is_refused() {
    let greeting = Hello { epoch: ClusterEpoch::new(2), ..hello(Role::Gateway, "gateway-a") };
    check_greeting("gateway-a", greeting, CloseReason::WrongEpoch);
}

#[test]
fn another_protocol_is_refused() {
    let greeting = Hello { protocol: PROTOCOL + 1, ..hello(Role::Gateway, "gateway-a") };
    check_greeting("gateway-a", greeting, CloseReason::WrongProtocol);
}

#[test]
fn certificate_of_another_authority_is_refused() {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let mut identity = Authority::new().identity("gateway-a");
    identity.ca = authority.pem.clone().into_bytes();
    let mut client = Client::connect(&node, &identity);
    let _ = client.send(&Frame::Hello(hello(Role::Gateway, "gateway-a")));
    client.expect_end();
    node.expect_closed(CloseReason::Tls);
}

#[test]
fn bytes_that_are_no_tls_are_refused() {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let mut socket = TcpStream::connect(node.address).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nHost: node\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
    node.expect_closed(CloseReason::Tls);
}

/// A gateway that sends these bytes after its welcome, and then nothing more, is closed for this reason.
#[track_caller]
fn check_bytes(bytes: &[u8], reason: CloseReason) {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let mut other = Client::welcomed(&node, &authority, Role::Gateway, "gateway-other");
    let mut client = Client::welcomed(&node, &authority, Role::Gateway, "gateway-a");
    client.send_bytes(bytes).unwrap();
    client.stream.conn.send_close_notify();
    client.stream.flush().unwrap();
    client.expect_end();
    node.expect_closed(reason);
    other.echo(b"unharmed");
}

#[test]
fn frame_cut_short_is_truncated() {
    let mut bytes = Vec::new();
    request(b"order").encode(&mut bytes);
    for len in 1..bytes.len() {
        check_bytes(&bytes[..len], CloseReason::TruncatedFrame);
    }
}

#[test]
fn body_that_is_no_frame_is_malformed() {
    check_bytes(&[1, 0, 0, 0, 99], CloseReason::MalformedFrame);
    check_bytes(&[0, 0, 0, 0], CloseReason::MalformedFrame);
    check_bytes(&[2, 0, 0, 0, 3, 1], CloseReason::MalformedFrame);
}

#[test]
fn length_beyond_the_bound_is_refused_before_its_bytes_arrive() {
    check_bytes(&u32::MAX.to_le_bytes(), CloseReason::OversizedFrame);
}

#[test]
fn gateway_may_not_speak_as_a_node() {
    let mut bytes = Vec::new();
    raft(b"vote").encode(&mut bytes);
    check_bytes(&bytes, CloseReason::ForbiddenFrame);
}

#[test]
fn second_greeting_is_forbidden() {
    let mut bytes = Vec::new();
    Frame::Hello(hello(Role::Gateway, "gateway-a")).encode(&mut bytes);
    check_bytes(&bytes, CloseReason::ForbiddenFrame);
}

#[test]
fn first_frame_must_be_a_greeting() {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let mut client = Client::connect(&node, &authority.identity("gateway-a"));
    let read = ReadIndex { partition: PartitionId::new(1), token: 1 };
    client.send(&Frame::ReadIndex(read)).unwrap();
    client.expect_end();
    node.expect_closed(CloseReason::ForbiddenFrame);
    assert!(node.told.is_empty());
}

#[test]
fn connection_that_never_greets_is_closed_in_time() {
    let authority = Authority::new();
    let limits = NetLimits { greeting_timeout: Duration::from_millis(100), ..NetLimits::default() };
    let node = Node::start(&authority, limits);
    let mut silent = TcpStream::connect(node.address).unwrap();
    let mut slow = TcpStream::connect(node.address).unwrap();
    slow.write_all(&[0x16, 3, 1, 1, 0]).unwrap();
    let began = Instant::now();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = silent.read_to_end(&mut Vec::new());
    let _ = slow.read_to_end(&mut Vec::new());
    assert!(began.elapsed() < PATIENCE);
    wait_until(|| node.closed(CloseReason::GreetingTimeout) == 2, || "two were too slow".to_owned());
}

#[test]
fn client_that_falls_silent_is_closed_and_one_that_answers_pings_is_not() {
    let authority = Authority::new();
    let limits = NetLimits {
        client_ping_after: Duration::from_millis(100),
        client_pong_timeout: Duration::from_millis(300),
        ..NetLimits::default()
    };
    let node = Node::start(&authority, limits);
    let mut silent = Client::welcomed(&node, &authority, Role::Gateway, "gateway-silent");
    let mut lively = Client::welcomed(&node, &authority, Role::Gateway, "gateway-lively");
    let until = Instant::now() + Duration::from_millis(800);
    while Instant::now() < until {
        lively.echo(b"here");
        std::thread::sleep(Duration::from_millis(20));
    }
    node.expect_closed(CloseReason::Unresponsive);
    silent.expect_end();
    lively.echo(b"still here");
}

#[test]
fn connections_beyond_the_bound_are_refused_until_one_leaves() {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits { connections_max: 2, ..NetLimits::default() });
    let mut first = Client::welcomed(&node, &authority, Role::Gateway, "gateway-1");
    let second = Client::welcomed(&node, &authority, Role::Gateway, "gateway-2");
    let mut third = Client::connect(&node, &authority.identity("gateway-3"));
    let _ = third.send(&Frame::Hello(hello(Role::Gateway, "gateway-3")));
    third.expect_end();
    node.expect_closed(CloseReason::TooManyConnections);
    drop(second);
    node.expect_closed(CloseReason::PeerClosed);
    Client::welcomed(&node, &authority, Role::Gateway, "gateway-4").echo(b"room again");
    first.echo(b"never disturbed");
}

#[test]
fn connections_that_never_greet_keep_nobody_out() {
    let authority = Authority::new();
    let patient = 10 * PATIENCE;
    let node = Node::start(&authority, NetLimits { greetings_max: 8, greeting_timeout: patient, ..Default::default() });
    let idle: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(node.address).unwrap()).collect();
    let mut client = Client::welcomed(&node, &authority, Role::Gateway, "gateway-a");
    client.echo(b"order");
    // Whoever came first has gone, one for each who came behind the eighth.
    assert_eq!(node.closed(CloseReason::TooManyConnections), 13);
    for mut socket in &idle[..13] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let end = socket.read_to_end(&mut Vec::new());
        let is_waiting =
            end.is_err_and(|error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
        assert!(!is_waiting, "it was closed");
    }
}

#[test]
fn connections_that_never_greet_keep_nobody_out_of_a_port_that_is_full() {
    let authority = Authority::new();
    let (connections_max, greetings_max) = (8, 8);
    let limits = NetLimits { connections_max, greetings_max, greeting_timeout: 10 * PATIENCE, ..NetLimits::default() };
    let node = Node::start(&authority, limits);
    let mut member = Client::welcomed(&node, &authority, Role::Gateway, "gateway-a");
    let _idle: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(node.address).unwrap()).collect();
    Client::welcomed(&node, &authority, Role::Gateway, "gateway-b").echo(b"order");
    member.echo(b"never disturbed");
    assert_eq!(node.closed(CloseReason::TooManyConnections), 14);
}

#[test]
fn slow_reader_fills_its_own_buffer_and_delays_nobody() {
    let authority = Authority::new();
    let limits = NetLimits {
        client_out_bytes_max: 1024 * 1024,
        client_pong_timeout: Duration::from_secs(60),
        ..NetLimits::default()
    };
    let node = Node::start(&authority, limits);
    let mut slow = Client::welcomed(&node, &authority, Role::Gateway, "gateway-slow");
    let (link, _) = node.opened();
    let mut quick = Client::welcomed(&node, &authority, Role::Gateway, "gateway-quick");
    let mut sent = 0;
    loop {
        let (answer, answered) = unbounded();
        node.wish(Do::Fill(link, 4_096, answer));
        match answered.recv_timeout(PATIENCE).unwrap() {
            0 => break,
            count => sent += count,
        }
        let began = Instant::now();
        quick.echo(b"not delayed");
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    assert!(node.handle.counters().full.get() > 0);
    for _ in 0..sent {
        let body = slow.receive().expect("what was taken arrives");
        assert!(matches!(Frame::decode(&body), Ok(Frame::Reply(_, payload)) if payload == [7; 4_096]));
    }
    slow.echo(b"caught up");
}

#[test]
fn peer_that_takes_nothing_for_long_is_closed() {
    let authority = Authority::new();
    let limits = NetLimits {
        client_out_bytes_max: 64 * 1024 * 1024,
        client_ping_after: Duration::from_secs(60),
        stall_timeout: Duration::from_millis(200),
        ..NetLimits::default()
    };
    let node = Node::start(&authority, limits);
    let stuck = Client::welcomed(&node, &authority, Role::Gateway, "gateway-stuck");
    let (link, _) = node.opened();
    let (answer, answered) = unbounded();
    node.wish(Do::Fill(link, 1024 * 1024, answer));
    assert!(answered.recv_timeout(PATIENCE).unwrap() > 0);
    node.expect_closed(CloseReason::Stalled);
    drop(stuck);
}

#[test]
fn link_closed_by_the_handler_delivers_what_was_sent_before() {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let mut client = Client::welcomed(&node, &authority, Role::Operator, "operator-demo");
    let (link, _) = node.opened();
    client.echo(b"last words");
    node.wish(Do::Close(link));
    client.expect_end();
    assert_eq!(node.next(), Told::Close(link));
    node.expect_closed(CloseReason::ByHandler);
}

#[test]
fn random_bytes_harm_nobody_else() {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let mut other = Client::welcomed(&node, &authority, Role::Gateway, "gateway-other");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..40 {
        let noise: Vec<u8> = (0..64 + round * 17)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        if round % 2 == 0 {
            let mut socket = TcpStream::connect(node.address).unwrap();
            let _ = socket.write_all(&noise);
        } else {
            let mut client = Client::welcomed(&node, &authority, Role::Gateway, "gateway-noisy");
            let _ = client.send_bytes(&noise);
        }
    }
    other.echo(b"unharmed");
    assert!(!node.handle.is_finished());
}
