//! The driver against real sockets and certificates.

use super::*;
use fake::{Fake, PARTITION};
use tokio::time::timeout;
use wire::link::{Frame, MembersOf, Place, encode_places};

mod fake;

const SECOND: Duration = Duration::from_secs(1);

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { timeout(20 * SECOND, test).await.expect("the test is over in time") });
}

async fn genuine() -> Fake {
    Fake::start(|id| format!("node-{id}")).await
}

/// The positions of the next `len` commands that had events.
async fn positions(stream: &mut EventStream, len: usize) -> Vec<u64> {
    let mut positions = Vec::new();
    while positions.len() < len {
        match stream.next().await.unwrap() {
            StreamItem::Events { position, .. } => positions.push(position.get()),
            StreamItem::Progress { .. } => {}
        }
    }
    positions
}

#[test]
fn pipelined_requests_are_replied_to_in_order() {
    run(async {
        let fake = genuine().await;
        let cluster = Cluster::connect(fake.config()).unwrap();
        let session = cluster.session(PARTITION).await;
        let requests = (0..500_u32).map(|n| {
            let session = session.clone();
            tokio::spawn(async move { session.request(n.to_le_bytes().to_vec(), 5 * SECOND).await })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap().unwrap();
        }
        assert_eq!(fake.shared.lock().unwrap().log.len(), 500);
        assert_eq!(cluster.leader(PARTITION), Some(NodeId::new(1)));
        assert_eq!(cluster.read_index(PARTITION, SECOND).await, Ok(LogPosition::new(500)));
    });
}

#[test]
fn replies_of_a_line_come_with_their_marks_and_many_at_a_time() {
    run(async {
        let fake = genuine().await;
        let cluster = Cluster::connect(fake.config()).unwrap();
        let mut line = cluster.session(PARTITION).await.line();
        assert_eq!(line.request_many((0..500_u64).map(|n| (n * 3, n.to_le_bytes().to_vec())), 5 * SECOND), []);
        let (mut replies, mut takes) = (Vec::new(), 0);
        while replies.len() < 500 {
            line.next_many(&mut replies).await;
            takes += 1;
        }
        assert!(takes < 250, "{takes} takes");
        let came: Vec<(u64, u64)> =
            replies.iter().map(|(mark, reply)| (*mark, reply.as_ref().unwrap().position.get())).collect();
        assert_eq!(came, (0..500).map(|n| (n * 3, n + 1)).collect::<Vec<_>>());
        let log = fake.shared.lock().unwrap().log.iter().map(|(_, _, payload)| payload.clone()).collect::<Vec<_>>();
        assert_eq!(log, (0..500_u64).map(|n| n.to_le_bytes().to_vec()).collect::<Vec<_>>());
    });
}

#[test]
fn a_line_takes_what_the_window_has_room_for_and_says_busy_of_the_rest() {
    run(async {
        let fake = genuine().await;
        let patience = Patience { window: 8, ..Patience::default() };
        let cluster = Cluster::connect_with(fake.config(), patience).unwrap();
        let mut line = cluster.session(PARTITION).await.line();
        fake.shared.lock().unwrap().is_mute = true;
        let ten = |from: u64| (from..from + 10).map(|n| (n, b"order".to_vec()));
        let short = Duration::from_millis(300);
        assert_eq!(line.request_many(ten(0), short), [(8, Err(ClusterError::Busy)), (9, Err(ClusterError::Busy))]);
        // Nobody answers: each is told so.
        while cluster.inner.shared.lock().lines.values().any(|line| line.len() < 8) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Nobody has taken those: there is no room for more.
        let refused = line.request_many(ten(10), short);
        assert_eq!(refused, (10..20).map(|n| (n, Err(ClusterError::Busy))).collect::<Vec<_>>());
        let mut replies = Vec::new();
        line.next_many(&mut replies).await;
        assert_eq!(replies, (0..8).map(|n| (n, Err(ClusterError::Timeout))).collect::<Vec<_>>());
    });
}

#[test]
fn what_a_line_has_in_flight_when_the_leader_dies_is_executed_once_and_what_a_dropped_one_has_too() {
    run(async {
        let fake = genuine().await;
        let cluster = Cluster::connect(fake.config()).unwrap();
        let session = cluster.session(PARTITION).await;
        fake.shared.lock().unwrap().is_mute = true;
        let (mut line, mut dropped) = (session.line(), session.line());
        assert_eq!(line.request_many((0..20).map(|n| (n, b"kept".to_vec())), 10 * SECOND), []);
        assert_eq!(dropped.request_many((0..20).map(|n| (n, b"dropped".to_vec())), 10 * SECOND), []);
        drop(dropped);
        while fake.shared.lock().unwrap().log.len() < 40 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fake.kill(1);
        fake.elect(2);
        let mut replies = Vec::new();
        while replies.len() < 20 {
            line.next_many(&mut replies).await;
        }
        let came: Vec<_> = replies.into_iter().map(|(mark, reply)| (mark, reply.unwrap().position.get())).collect();
        assert_eq!(came, (0..20).map(|n| (n, n + 1)).collect::<Vec<_>>());
        session.request(b"after".to_vec(), SECOND).await.unwrap();
        assert_eq!(fake.shared.lock().unwrap().log.len(), 41);
        assert_eq!(cluster.inner.shared.lock().requests.len(), 0);
    });
}

#[test]
fn a_request_in_flight_when_the_leader_dies_is_answered_by_the_next_and_executed_once() {
    run(async {
        let fake = genuine().await;
        let cluster = Cluster::connect(fake.config()).unwrap();
        let session = cluster.session(PARTITION).await;
        session.request(b"before".to_vec(), SECOND).await.unwrap();
        fake.shared.lock().unwrap().is_mute = true;
        let in_flight = {
            let session = session.clone();
            tokio::spawn(async move { session.request(b"during".to_vec(), 10 * SECOND).await })
        };
        while fake.shared.lock().unwrap().log.len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fake.kill(1);
        fake.elect(2);
        let replied = in_flight.await.unwrap().unwrap();
        assert_eq!(replied.position, LogPosition::new(2));
        assert_eq!(fake.shared.lock().unwrap().log.len(), 2);
        session.request(b"after".to_vec(), SECOND).await.unwrap();
        assert_eq!(cluster.leader(PARTITION), Some(NodeId::new(2)));
    });
}

#[test]
fn a_stream_goes_on_without_gap_or_repetition_when_its_node_dies() {
    run(async {
        let fake = genuine().await;
        let cluster = Cluster::connect(fake.config()).unwrap();
        let session = cluster.session(PARTITION).await;
        let mut stream = cluster.subscribe(PARTITION, LogPosition::new(1));
        for _ in 0..3 {
            session.request(b"x".to_vec(), SECOND).await.unwrap();
        }
        assert_eq!(positions(&mut stream, 3).await, [1, 2, 3]);
        fake.kill(1);
        fake.elect(3);
        for _ in 0..3 {
            session.request(b"y".to_vec(), SECOND).await.unwrap();
        }
        assert_eq!(positions(&mut stream, 3).await, [4, 5, 6]);
        let mut late = cluster.subscribe(PARTITION, LogPosition::new(5));
        assert_eq!(positions(&mut late, 2).await, [5, 6]);
    });
}

#[test]
fn a_consumer_that_takes_nothing_delays_no_request_and_loses_nothing() {
    run(async {
        let fake = genuine().await;
        let cluster = Cluster::connect(fake.config()).unwrap();
        let session = cluster.session(PARTITION).await;
        let mut slow = cluster.subscribe(PARTITION, LogPosition::new(1));
        let len = 2 * STREAM_ITEMS_MAX;
        for _ in 0..len {
            session.request(b"x".to_vec(), SECOND).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
        let expected: Vec<u64> = (1..=len as u64).collect();
        assert_eq!(positions(&mut slow, len).await, expected);
    });
}

#[test]
fn a_node_with_another_nodes_certificate_gets_no_request() {
    run(async {
        let impostors = Fake::start(|id| format!("node-{}", id % 3 + 1)).await;
        let cluster = Cluster::connect(impostors.config()).unwrap();
        assert!(timeout(SECOND / 2, cluster.session(PARTITION)).await.is_err());
        let read = cluster.read_index(PARTITION, SECOND / 5).await;
        assert_eq!(read, Err(ClusterError::Unavailable));
        assert!(impostors.shared.lock().unwrap().log.is_empty());
    });
}

#[test]
fn a_configuration_without_usable_keys_is_refused_at_once() {
    run(async {
        let fake = genuine().await;
        let refused = Cluster::connect(ClusterConfig { key: b"no key".to_vec(), ..fake.config() });
        assert!(matches!(refused.err(), Some(ConfigError::Pem { what: "client's private key", .. })));
        let refused = Cluster::connect(ClusterConfig { nodes: Vec::new(), ..fake.config() });
        assert!(matches!(refused.err(), Some(ConfigError::NoNodes)));
    });
}

#[test]
fn who_answers_the_third_time_answers() {
    run(async {
        let fake = genuine().await;
        let mut config = fake.config();
        let (node, at) = config.nodes[0];
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        config.nodes = vec![(node, listener.local_addr().unwrap())];
        tokio::spawn(async move {
            for _ in 0..2 {
                drop(listener.accept().await);
            }
            let (mut near, _) = listener.accept().await.unwrap();
            drop(listener);
            let mut far = tokio::net::TcpStream::connect(at).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
        assert!(is_answering(&config, node).await.unwrap());
        assert!(!is_answering(&config, node).await.unwrap(), "nobody listens any more");
    });
}

/// What was heard of both at once left a task that listened to nobody, for ever.
#[test]
fn a_node_that_leaves_and_joins_again_at_once_is_connected_again() {
    run(async {
        let fake = genuine().await;
        let mut config = fake.config();
        let places: BTreeMap<NodeId, SocketAddr> = config.nodes.iter().copied().collect();
        config.nodes.truncate(1);
        let members = |index: u64, nodes: &[u64]| {
            let place = |node: &u64| MemberPlace {
                node: NodeId::new(*node),
                place: Place::of(places.get(&NodeId::new(*node)).copied()),
                votes: true,
                stays_learner: false,
                is_draining: false,
            };
            let mut bytes = Vec::new();
            let of = MembersOf { partition: PARTITION, index };
            Frame::Members(of, &encode_places(&nodes.iter().map(place).collect::<Vec<_>>())).encode(&mut bytes);
            bytes
        };
        let cluster = Cluster::connect(config).unwrap();
        while !cluster.is_connected() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let hear = |bytes: &[u8]| {
            let shared = &cluster.inner.shared;
            let mut core = shared.lock();
            core.client.on_bytes(NodeId::new(1), bytes, Instant::now());
            core.settle(&shared.timer);
        };
        hear(&members(1, &[1, 2]));
        fake.elect(2);
        let session = cluster.session(PARTITION).await;
        session.request(b"first".to_vec(), 5 * SECOND).await.unwrap();
        hear(&[members(2, &[1]), members(3, &[1, 2])].concat());
        session.request(b"second".to_vec(), 5 * SECOND).await.unwrap();
    });
}
