//! What strangers, broken peers and overreaching clients do to a node: nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use cluster_client::ClusterError;
use node::Tuning;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use wire::link::{Frame, Hello, Leader, PROTOCOL, PartitionMessage, Refusal, Request, Role, Subscribe};
use wire::{LogPosition, NodeId, PartitionId, Sequence, SessionId, Side, Term, Text};

use crate::bed::{Bed, EPOCH, Exchange, Follower, LEDGER, PATIENCE, accepted, credit, id_of, until};

const MARKET: PartitionId = PartitionId::new(2);

type Raw = StreamOwned<ClientConnection, TcpStream>;

/// A greeted connection to a node, to write anything on.
fn connect(bed: &Bed, at: usize, role: Role, name: &str, node: NodeId) -> Raw {
    let identity = bed.authority.identity(name);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&identity.ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(&identity.cert).unwrap()],
            PrivateKeyDer::from_pem_slice(&identity.key).unwrap(),
        )
        .unwrap();
    let server = ServerName::try_from(format!("node-{}", at + 1)).unwrap();
    let socket = TcpStream::connect(bed.addresses[at]).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut raw = StreamOwned::new(ClientConnection::new(Arc::new(config), server).unwrap(), socket);
    let name = Text::new(name.as_bytes()).unwrap();
    send(&mut raw, &Frame::Hello(Hello { protocol: PROTOCOL, epoch: EPOCH, role, name, node }));
    raw
}

fn send(raw: &mut Raw, frame: &Frame<'_>) {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    raw.write_all(&bytes).unwrap();
    raw.flush().unwrap();
}

/// Reads until the node has sent a frame.
fn wait_for(raw: &mut Raw, mut is_it: impl FnMut(&Frame<'_>) -> bool) {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 1_024];
        let len = raw.read(&mut piece).unwrap();
        assert!(len > 0, "the node has closed the connection");
        bytes.extend_from_slice(&piece[..len]);
        while let Some((body, len)) = wire::link::split(&bytes, wire::link::PEER_BODY_MAX).unwrap() {
            if is_it(&Frame::decode(body).unwrap()) {
                return;
            }
            bytes.drain(..len);
        }
    }
}

/// Reads until the node closes the connection.
fn wait_closed(raw: &mut Raw) {
    let mut bytes = [0; 4_096];
    while raw.read(&mut bytes).is_ok_and(|len| len > 0) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_truncated_frames_harm_nobody() {
    let bed = Bed::start(3, 1, Tuning::default());
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, LEDGER).await;
    let cluster = bed.client(Role::Gateway, "gateway-1");
    let session = cluster.session(LEDGER).await;
    let mut ledger = Follower::new(&cluster, LEDGER);

    let addresses = bed.addresses.clone();
    for address in addresses {
        let mut stranger = TcpStream::connect(address).unwrap();
        stranger.write_all(&[0x5a; 10_000]).unwrap_or_default();
        let _silent = TcpStream::connect(address).unwrap();
    }
    for at in 0..3 {
        let gateway = || connect(&bed, at, Role::Gateway, "gateway-9", NodeId::new(0));
        // A frame that is cut short, one that is too long, one that is none, one that a gateway may not send.
        let mut raw = gateway();
        raw.write_all(&[200, 0, 0, 0, 18, 1, 2, 3]).unwrap();
        drop(raw);
        let mut raw = gateway();
        raw.write_all(&u32::MAX.to_le_bytes()).unwrap();
        wait_closed(&mut raw);
        let mut raw = gateway();
        raw.write_all(&[4, 0, 0, 0, 250, 1, 2, 3]).unwrap();
        wait_closed(&mut raw);
        let mut raw = gateway();
        send(&mut raw, &Frame::Raft(PartitionMessage { partition: LEDGER }, &[1, 2, 3]));
        wait_closed(&mut raw);
        // A peer whose Raft messages and mail are garbage.
        let mut raw =
            connect(&bed, at, Role::Node, &format!("node-{}", (at + 1) % 3 + 1), NodeId::new((at as u64 + 1) % 3 + 1));
        for len in 0..64 {
            let payload = vec![0xa5; len];
            send(&mut raw, &Frame::Raft(PartitionMessage { partition: LEDGER }, &payload));
            send(&mut raw, &Frame::Mail(PartitionMessage { partition: LEDGER }, &payload));
        }
    }
    for round in 0..20 {
        let order = exchange.order(exchange.alice, Side::Sell, 6_000_000, 1, &format!("o{round}"));
        let order = accepted(&session, order).await;
        ledger.until_resting(order).await;
    }
    bed.wait_equal();
    assert!(bed.running().all(|node| node.failure().is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_claims_to_lead_in_a_term_that_never_was_is_not_believed_for_long() {
    let bed = Bed::start(3, 2, Tuning::default());
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, MARKET).await;
    let cluster = bed.client(Role::Gateway, "gateway-1");
    let session = cluster.session(LEDGER).await;
    let mut ledger = Follower::new(&cluster, LEDGER);
    let order = accepted(&session, exchange.order(exchange.alice, Side::Sell, 6_000_000, 1, "before")).await;
    ledger.until_resting(order).await;
    let mut told: Vec<Raw> = (0..3).map(|at| connect(&bed, at, Role::Gateway, "gateway-9", NodeId::new(0))).collect();
    let liars: Vec<Raw> = (0..3)
        .map(|at| {
            let mut raw = connect(&bed, at, Role::Node, "node-9", NodeId::new(9));
            for partition in [LEDGER, MARKET] {
                let claim = Leader { partition, leader: NodeId::new(9), term: Term::new(u64::MAX) };
                send(&mut raw, &Frame::Leader(claim));
            }
            raw
        })
        .collect();
    // It is believed for a moment, and clients are told so.
    for raw in &mut told {
        let mut untold = vec![LEDGER, MARKET];
        wait_for(raw, |frame| {
            if let Frame::Leader(Leader { partition, leader, term }) = frame
                && (*leader, *term) == (NodeId::new(9), Term::new(u64::MAX))
            {
                untold.retain(|other| other != partition);
            }
            untold.is_empty()
        });
    }
    // Mail between the partitions finds its way again while the claims stand, and after the next election.
    for (name, at) in [("during", None), ("after", Some(bed.leader(MARKET)))] {
        if let Some(at) = at {
            bed.node(at).transfer_leadership(MARKET, id_of((at + 1) % 3));
            until("another leads", || bed.leader(MARKET) != at);
        }
        let order = accepted(&session, exchange.order(exchange.alice, Side::Sell, 6_000_000, 1, name)).await;
        ledger.until_resting(order).await;
    }
    drop(liars);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_may_not_credit_and_nobody_may_send_garbage() {
    let bed = Bed::start(3, 1, Tuning::default());
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, LEDGER).await;
    let session = bed.client(Role::Gateway, "gateway-1").session(LEDGER).await;
    bed.wait_equal();
    let before = bed.node(0).audits();
    let mut payload = Vec::new();
    wire::codec::v1::encode_command(&credit(exchange.alice, exchange.base, 1), &mut payload);
    let answer = session.request(payload, PATIENCE).await;
    assert!(matches!(answer, Err(ClusterError::Refused(Refusal::NotPermitted))), "{answer:?}");
    let session = bed.client(Role::Gateway, "gateway-2").session(LEDGER).await;
    let answer = session.request(vec![0xff; 100], PATIENCE).await;
    assert!(matches!(answer, Err(ClusterError::Refused(Refusal::Malformed))), "{answer:?}");
    assert_eq!(bed.node(0).audits()[0].assets, before[0].assets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_never_reads_delays_no_other() {
    let bed = Bed::start(3, 1, Tuning { recent_bytes_max: 64 * 1024, ..Tuning::default() });
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, LEDGER).await;
    let cluster = bed.client(Role::Gateway, "gateway-1");
    let session = cluster.session(LEDGER).await;
    let mut ledger = Follower::new(&cluster, LEDGER);
    let mut slow: Vec<Raw> = (0..3).map(|at| connect(&bed, at, Role::Gateway, "gateway-9", NodeId::new(0))).collect();
    for raw in &mut slow {
        send(raw, &Frame::Subscribe(Subscribe { partition: LEDGER, from: LogPosition::new(1) }));
    }
    for round in 0..2_000 {
        let order = exchange.order(exchange.alice, Side::Sell, 6_000_000, 1, &format!("o{round}"));
        let order = accepted(&session, order).await;
        if round % 100 == 0 {
            tokio::time::timeout(Duration::from_secs(5), ledger.until_resting(order)).await.expect("no delay");
        }
    }
    // Memory held little of it, so a newcomer is served from the archive, and then from memory.
    let mut late = Follower::new(&bed.client(Role::Gateway, "gateway-2"), LEDGER);
    late.until_position(ledger.position).await;
    assert_eq!(late.seen[..ledger.seen.len()], ledger.seen[..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_was_never_opened_is_refused() {
    let bed = Bed::start(1, 1, Tuning::default());
    bed.wait_ready();
    let mut raw = connect(&bed, 0, Role::Gateway, "gateway-9", NodeId::new(0));
    let request = Request {
        partition: LEDGER,
        session: SessionId::new(77),
        sequence: Sequence::new(1),
        acknowledged_below: Sequence::new(1),
    };
    send(&mut raw, &Frame::Request(request, &[]));
    wait_for(&mut raw, |frame| {
        let Frame::Refused(refused) = frame else { return false };
        assert_eq!((refused.session, refused.refusal), (request.session, Refusal::SessionUnknown));
        true
    });
}
