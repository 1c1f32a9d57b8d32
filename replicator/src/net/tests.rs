//! A node's network thread on loopback, against well- and ill-behaved peers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use wire::link::{
    CLIENT_BODY_MAX, HEADER_LEN, Hello, PROTOCOL, PartitionMessage, Ping, Pong, ReadIndex, Reply, Request, split,
};
use wire::{LogPosition, PartitionId, Sequence, SessionId};

use super::*;

#[cfg(feature = "aeron")]
mod aeron;
mod bypasses;
mod clients;
mod nodes;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A certificate authority of a test.
struct Authority {
    pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: rcgen::Issuer::new(params, key) }
    }

    fn identity(&self, name: &str) -> TlsIdentity {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        TlsIdentity {
            ca: self.pem.clone().into_bytes(),
            cert: cert.pem().into_bytes(),
            key: key.serialize_pem().into_bytes(),
        }
    }
}

/// What a node's handler was told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Open(LinkId, PeerIdentity),
    Raft(NodeId, Vec<u8>),
    Mail(NodeId, Vec<u8>),
    Close(LinkId),
    Refused(NodeId),
}

/// What a test asks the handler to do.
enum Do {
    /// Send so many bytes as one frame of events, as often as there is room; tell how many fitted.
    Fill(LinkId, usize, Sender<usize>),
    /// Send a Raft message.
    Raft(NodeId, Vec<u8>),
    Close(LinkId),
    /// Send mail.
    Mail(NodeId, Vec<u8>),
}

/// Answers requests with their payload and reports the rest.
struct Recorder {
    told: Sender<Told>,
    wishes: Receiver<Do>,
}

impl Handler for Recorder {
    fn on_open(&mut self, link: LinkId, peer: &PeerIdentity, _: &mut Links) {
        self.told.send(Told::Open(link, *peer)).unwrap();
    }

    fn on_frame(&mut self, link: LinkId, frame: Frame<'_>, out: &mut Links) {
        match frame {
            Frame::Request(request, payload) => {
                let Request { partition, session, sequence, .. } = request;
                let reply = Reply { partition, session, sequence, position: LogPosition::new(1) };
                out.send(link, &Frame::Reply(reply, payload)).unwrap();
            }
            Frame::Raft(_, payload) => {
                let node = out.peer(link).unwrap().node;
                self.told.send(Told::Raft(node, payload.to_vec())).unwrap();
            }
            Frame::Mail(_, payload) => {
                let node = out.peer(link).unwrap().node;
                self.told.send(Told::Mail(node, payload.to_vec())).unwrap();
            }
            _ => {}
        }
    }

    fn on_close(&mut self, link: LinkId, out: &mut Links) {
        assert_eq!(out.room(link), 0);
        assert_eq!(out.send(link, &Frame::Ping(Ping { nonce: 0 })), Err(Full));
        let _ = self.told.send(Told::Close(link));
    }

    fn on_peer_refused(&mut self, node: NodeId, _: &mut Links) {
        self.told.send(Told::Refused(node)).unwrap();
    }

    fn poll(&mut self, _: Timestamp, out: &mut Links) -> usize {
        let mut work = 0;
        for wish in self.wishes.try_iter() {
            work += 1;
            match wish {
                Do::Fill(link, len, answer) => answer.send(fill(out, link, len)).unwrap(),
                Do::Raft(node, payload) => {
                    let _ = out.send_to_node(node, &raft(&payload));
                }
                Do::Close(link) => out.close(link),
                Do::Mail(node, payload) => {
                    let head = PartitionMessage { partition: PartitionId::new(1) };
                    let _ = out.send_to_node(node, &Frame::Mail(head, &payload));
                }
            }
        }
        work
    }
}

fn fill(out: &mut Links, link: LinkId, len: usize) -> usize {
    let payload = vec![7; len];
    let head = Reply {
        partition: PartitionId::new(1),
        session: SessionId::new(1),
        sequence: Sequence::new(1),
        position: LogPosition::new(1),
    };
    let mut sent = 0;
    while out.send(link, &Frame::Reply(head, &payload)).is_ok() {
        sent += 1;
    }
    sent
}

fn raft(payload: &[u8]) -> Frame<'_> {
    Frame::Raft(PartitionMessage { partition: PartitionId::new(1) }, payload)
}

/// A running network thread and both ends of its handler.
struct Node {
    handle: NetHandle,
    address: SocketAddr,
    told: Receiver<Told>,
    wishes: Sender<Do>,
}

impl Node {
    fn start(authority: &Authority, limits: NetLimits) -> Node {
        Node::start_as(authority, 1, TcpListener::bind("127.0.0.1:0").unwrap(), &[], limits)
    }

    fn start_as(
        authority: &Authority,
        node: u64,
        listen: TcpListener,
        peers: &[(u64, SocketAddr)],
        limits: NetLimits,
    ) -> Node {
        Node::start_beside(authority, node, listen, peers, limits, None)
    }

    fn start_beside(
        authority: &Authority,
        node: u64,
        listen: TcpListener,
        peers: &[(u64, SocketAddr)],
        limits: NetLimits,
        bypass: Option<BypassMaker>,
    ) -> Node {
        let address = listen.local_addr().unwrap();
        let (told_to, told) = unbounded();
        let (wishes, wishes_of) = unbounded();
        let node = NodeId::new(node);
        let name = greeting::node_name(node);
        let config = NetConfig {
            name,
            node,
            epoch: EPOCH,
            listen,
            peers: peers.iter().map(|(node, address)| (NodeId::new(*node), *address)).collect(),
            tls: authority.identity(name.as_str()),
            limits,
            bypass,
        };
        let handle = spawn(config, Recorder { told: told_to, wishes: wishes_of }).unwrap();
        Node { handle, address, told, wishes }
    }

    fn wish(&self, wish: Do) {
        self.wishes.send(wish).unwrap();
        self.handle.waker().wake();
    }

    fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("the node tells something")
    }

    fn opened(&self) -> (LinkId, PeerIdentity) {
        match self.next() {
            Told::Open(link, peer) => (link, peer),
            other => panic!("expected an open link, got {other:?}"),
        }
    }

    fn closed(&self, reason: CloseReason) -> u64 {
        self.handle.counters().closed(reason)
    }

    #[track_caller]
    fn expect_closed(&self, reason: CloseReason) {
        wait_until(|| self.closed(reason) == 1, || format!("no connection was closed as {}", reason.name()));
    }
}

#[track_caller]
fn wait_until(condition: impl Fn() -> bool, complaint: impl Fn() -> String) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "{}", complaint());
        std::thread::sleep(Duration::from_millis(1));
    }
}

const EPOCH: ClusterEpoch = ClusterEpoch::new(3);

fn hello(role: Role, name: &str) -> Hello {
    let node = name.strip_prefix("node-").and_then(|id| id.parse().ok()).unwrap_or(0);
    Hello {
        protocol: PROTOCOL,
        epoch: EPOCH,
        role,
        name: Text::new(name.as_bytes()).unwrap(),
        node: NodeId::new(if role == Role::Node { node } else { 0 }),
    }
}

/// A blocking peer written with plain rustls.
struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    received: Vec<u8>,
}

impl Client {
    fn connect(node: &Node, identity: &TlsIdentity) -> Client {
        Client::over(TcpStream::connect(node.address).unwrap(), identity)
    }

    fn over(socket: TcpStream, identity: &TlsIdentity) -> Client {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let name = ServerName::try_from("node-1").unwrap();
        let tls = ClientConnection::new(identity.client_config().unwrap(), name).unwrap();
        Client { stream: StreamOwned::new(tls, socket), received: Vec::new() }
    }

    /// Connects, greets and reads the welcome.
    fn welcomed(node: &Node, authority: &Authority, role: Role, name: &str) -> Client {
        let mut client = Client::connect(node, &authority.identity(name));
        client.send(&Frame::Hello(hello(role, name))).unwrap();
        let body = client.receive().expect("a welcome");
        assert!(matches!(Frame::decode(&body), Ok(Frame::Welcome(welcome)) if welcome.node == NodeId::new(1)));
        client
    }

    fn send(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.send_bytes(&bytes)
    }

    fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// The next body; `None` when the node closed the connection.
    fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some((body, length)) = split(&self.received, wire::link::PEER_BODY_MAX).unwrap() {
                let body = body.to_vec();
                self.received.drain(..length);
                return Some(body);
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the node says nothing"),
                Err(_) => return None,
            }
        }
    }

    /// Sends a request and reads its echo.
    #[track_caller]
    fn echo(&mut self, payload: &[u8]) {
        self.send(&request(payload)).unwrap();
        loop {
            let body = self.receive().expect("an echo");
            match Frame::decode(&body).unwrap() {
                Frame::Reply(_, echoed) => return assert_eq!(echoed, payload),
                Frame::Ping(ping) => self.send(&Frame::Pong(Pong { nonce: ping.nonce })).unwrap(),
                other => panic!("expected an echo, got {other:?}"),
            }
        }
    }

    #[track_caller]
    fn expect_end(&mut self) {
        while let Some(body) = self.receive() {
            assert!(matches!(Frame::decode(&body), Ok(Frame::Ping(_))), "expected the end of the connection");
        }
    }
}

fn request(payload: &[u8]) -> Frame<'_> {
    let head = Request {
        partition: PartitionId::new(1),
        session: SessionId::new(1),
        sequence: Sequence::new(1),
        acknowledged_below: Sequence::new(1),
    };
    Frame::Request(head, payload)
}
