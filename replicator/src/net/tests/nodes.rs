//! Nodes among themselves.

use super::*;

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Nodes 1 and 2, each with both links open.
fn pair(authority: &Authority) -> (Node, Node) {
    let (one, two) = (listener(), listener());
    let (one_at, two_at) = (one.local_addr().unwrap(), two.local_addr().unwrap());
    let one = Node::start_as(authority, 1, one, &[(2, two_at)], NetLimits::default());
    let two = Node::start_as(authority, 2, two, &[(1, one_at)], NetLimits::default());
    for (node, other) in [(&one, 2), (&two, 1)] {
        let (_, first) = node.opened();
        let (_, second) = node.opened();
        assert_eq!((first.node, second.node), (NodeId::new(other), NodeId::new(other)));
        assert_ne!(first.is_dialed, second.is_dialed);
    }
    (one, two)
}

#[track_caller]
fn talk(from: &Node, to: &Node, names: (u64, u64), payload: &[u8]) {
    from.wish(Do::Raft(NodeId::new(names.1), payload.to_vec()));
    assert_eq!(to.next(), Told::Raft(NodeId::new(names.0), payload.to_vec()));
}

#[test]
fn nodes_find_each_other_and_talk_both_ways() {
    let authority = Authority::new();
    let (one, two) = pair(&authority);
    talk(&one, &two, (1, 2), b"append");
    talk(&two, &one, (2, 1), b"appended");
    talk(&one, &two, (1, 2), &vec![3; 12 * 1024 * 1024]);
}

#[test]
fn silent_but_living_nodes_stay_connected() {
    let authority = Authority::new();
    let (one, two) = pair(&authority);
    std::thread::sleep(Duration::from_millis(1_500));
    talk(&one, &two, (1, 2), b"still here");
    assert!(one.told.is_empty());
    assert_eq!(one.handle.counters().opened.get(), 2);
}

#[test]
fn dead_process_is_told_once_and_its_return_is_noticed() {
    let authority = Authority::new();
    let (one, two) = pair(&authority);
    let (one_at, two_at) = (one.address, two.address);
    let died = Instant::now();
    drop(two);
    let mut told = [one.next(), one.next(), one.next()];
    let noticed_after = died.elapsed();
    told.sort_by_key(|told| matches!(told, Told::Refused(_)));
    assert!(matches!(told, [Told::Close(_), Told::Close(_), Told::Refused(node)] if node == NodeId::new(2)));
    assert!(noticed_after < Duration::from_secs(2), "noticed only after {noticed_after:?}");
    std::thread::sleep(Duration::from_millis(300));
    assert!(one.told.is_empty(), "a death is told once");

    let two = Node::start_as(&authority, 2, rebind(two_at), &[(1, one_at)], NetLimits::default());
    for node in [&one, &two] {
        node.opened();
        node.opened();
    }
    talk(&two, &one, (2, 1), b"back");
    drop(two);
    let told = [one.next(), one.next(), one.next()];
    assert!(told.contains(&Told::Refused(NodeId::new(2))), "the second death is told as well");
}

/// The std listener sets SO_REUSEADDR, so the port of a stopped node is free at once.
fn rebind(address: SocketAddr) -> TcpListener {
    let began = Instant::now();
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => return listener,
            Err(error) => assert!(began.elapsed() < PATIENCE, "cannot bind again: {error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn peer_that_was_never_there_is_no_death() {
    let authority = Authority::new();
    let nobody = listener().local_addr().unwrap();
    let node = Node::start_as(&authority, 1, listener(), &[(2, nobody)], NetLimits::default());
    wait_until(|| node.closed(CloseReason::ConnectRefused) >= 3, || "it is dialed again and again".to_owned());
    assert!(node.told.is_empty());
}

#[test]
fn lost_links_of_a_living_peer_are_dialed_again() {
    let authority = Authority::new();
    let (one, two) = pair(&authority);
    for _ in 0..3 {
        one.wish(Do::Raft(NodeId::new(2), b"where".to_vec()));
        two.next();
        let counters = one.handle.counters();
        let opened = counters.opened.get();
        // A foreign connection that greets as node 2 takes the place of the accepted link.
        let mut other = Client::connect(&one, &authority.identity("node-2"));
        other.send(&Frame::Hello(hello(Role::Node, "node-2"))).unwrap();
        wait_until(|| counters.opened.get() > opened, || "the newer link is opened".to_owned());
        drop(other);
        wait_until(|| counters.opened.get() > opened + 1, || "node 2 dials again".to_owned());
        while one.told.try_recv().is_ok() {}
        while two.told.try_recv().is_ok() {}
    }
    assert_eq!(one.closed(CloseReason::Superseded), 3);
    one.wish(Do::Raft(NodeId::new(2), b"fine".to_vec()));
    // Node 2 may hear of its last link only now: its side of the greeting ends later than node 1's.
    let fine = std::iter::repeat_with(|| two.next()).find(|told| matches!(told, Told::Raft(..)));
    assert_eq!(fine, Some(Told::Raft(NodeId::new(1), b"fine".to_vec())));
}

#[test]
fn black_hole_at_a_peers_address_is_given_up_and_dialed_again() {
    let authority = Authority::new();
    let hole = listener();
    let hole_at = hole.local_addr().unwrap();
    let limits = NetLimits { greeting_timeout: Duration::from_millis(100), ..NetLimits::default() };
    let node = Node::start_as(&authority, 1, listener(), &[(2, hole_at)], limits);
    wait_until(|| node.closed(CloseReason::GreetingTimeout) >= 2, || "it is dialed again".to_owned());
    assert!(node.told.is_empty());
}

#[test]
fn node_at_a_peers_address_with_another_name_is_refused() {
    let authority = Authority::new();
    let three = listener();
    let three_at = three.local_addr().unwrap();
    let three = Node::start_as(&authority, 3, three, &[], NetLimits::default());
    let one = Node::start_as(&authority, 1, listener(), &[(2, three_at)], NetLimits::default());
    wait_until(|| one.closed(CloseReason::Tls) >= 1, || "its certificate is for another name".to_owned());
    assert!(one.told.is_empty() && three.told.is_empty());
}

#[test]
fn node_that_hangs_is_noticed_within_its_time_outs() {
    let authority = Authority::new();
    let node = Node::start(&authority, NetLimits::default());
    let _hanging = Client::welcomed(&node, &authority, Role::Node, "node-2");
    let (link, _) = node.opened();
    let began = Instant::now();
    assert_eq!(node.next(), Told::Close(link));
    assert!(began.elapsed() >= Duration::from_millis(900) && began.elapsed() < Duration::from_secs(3));
    node.expect_closed(CloseReason::Unresponsive);
}

#[test]
fn certificate_without_its_key_starts_no_thread() {
    let authority = Authority::new();
    let config = |name: &str, tls| NetConfig {
        name: Text::new(name.as_bytes()).unwrap(),
        node: NodeId::new(1),
        epoch: EPOCH,
        listen: listener(),
        peers: Vec::new(),
        tls,
        limits: NetLimits::default(),
        bypass: None,
    };
    let start = |config| spawn(config, Recorder { told: unbounded().0, wishes: unbounded().1 });
    let mut mixed = authority.identity("node-1");
    mixed.key = authority.identity("node-1").key;
    assert!(start(config("node-1", mixed)).is_err());
    let empty = TlsIdentity { ca: Vec::new(), ..authority.identity("node-1") };
    assert!(start(config("node-1", empty)).is_err());
    assert!(start(config("node-2", authority.identity("node-2"))).is_err());
}
