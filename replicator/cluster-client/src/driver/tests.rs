//! The driver against real sockets and certificates.

use super::*;
use fake::{Fake, PARTITION};
use tokio::time::timeout;

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
