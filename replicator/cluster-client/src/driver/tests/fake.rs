//! A cluster of three TLS nodes in this process: one log, one leader, sessions, event streams.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use wire::codec::v1;
use wire::command::Reply;
use wire::event::Credited;
use wire::link::{self, Frame, Refusal, Role};
use wire::{AccountId, Amount, AssetId, ClusterEpoch, Event, LogPosition, NodeId, Origin, PartitionId};
use wire::{Sequence, SessionId, Term, Timestamp};

use crate::ClusterConfig;
use crate::client::connection::cut_frames;

pub(super) const PARTITION: PartitionId = PartitionId::new(1);

/// What all three nodes know.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) leader: u64,
    pub(super) term: u64,
    pub(super) log: Vec<(u64, u64, Vec<u8>)>,
    sessions: BTreeMap<u128, u64>,
    /// The leader takes requests, and answers none.
    pub(super) is_mute: bool,
}

pub(super) struct Fake {
    pub(super) shared: Arc<Mutex<Shared>>,
    /// Changes whenever a node should look at `shared` again.
    changed: watch::Sender<u64>,
    nodes: BTreeMap<u64, Node>,
    authority: CertifiedIssuer<'static, KeyPair>,
}

struct Node {
    address: SocketAddr,
    /// False once the node is dead.
    alive: watch::Sender<bool>,
}

/// A certificate for `name` and its key, as PEM.
fn identity(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_string()]).unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn acceptor(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> TlsAcceptor {
    let (cert, key) = identity(authority, name);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            vec![rustls::pki_types::CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(tls))
}

impl Fake {
    /// Three nodes of which the first leads. Node `n` shows the certificate `names(n)`.
    pub(super) async fn start(names: impl Fn(u64) -> String) -> Fake {
        let shared = Arc::new(Mutex::new(Shared { leader: 1, term: 1, ..Shared::default() }));
        let mut fake = Fake { shared, changed: watch::Sender::new(0), nodes: BTreeMap::new(), authority: authority() };
        for id in 1..=3 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let alive = watch::Sender::new(true);
            let acceptor = acceptor(&fake.authority, &names(id));
            let (shared, changed) = (fake.shared.clone(), fake.changed.clone());
            tokio::spawn(serve(id, listener, acceptor, shared, changed, alive.subscribe()));
            fake.nodes.insert(id, Node { address, alive });
        }
        fake
    }

    pub(super) fn config(&self) -> ClusterConfig {
        let (cert, key) = identity(&self.authority, "gateway-1");
        ClusterConfig {
            epoch: ClusterEpoch::new(1),
            nodes: self.nodes.iter().map(|(id, node)| (NodeId::new(*id), node.address)).collect(),
            role: Role::Gateway,
            name: "gateway-1".into(),
            ca: self.authority.pem().into(),
            cert: cert.into(),
            key: key.into(),
        }
    }

    /// The node's sockets close and nobody listens any more.
    pub(super) fn kill(&self, id: u64) {
        self.nodes[&id].alive.send_replace(false);
    }

    pub(super) fn elect(&self, id: u64) {
        {
            let mut shared = self.shared.lock().unwrap();
            shared.leader = id;
            shared.term += 1;
            shared.is_mute = false;
        }
        self.changed.send_modify(|version| *version += 1);
    }
}

async fn serve(
    id: u64,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    shared: Arc<Mutex<Shared>>,
    changed: watch::Sender<u64>,
    mut alive: watch::Receiver<bool>,
) {
    let connections_alive = alive.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { return };
                let (acceptor, shared, changed) = (acceptor.clone(), shared.clone(), changed.clone());
                let mut alive = connections_alive.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = converse(id, socket, acceptor, shared, changed) => {}
                        _ = alive.wait_for(|alive| !alive) => {}
                    }
                });
            }
            _ = alive.wait_for(|alive| !alive) => return,
        }
    }
}

async fn converse(
    id: u64,
    socket: TcpStream,
    acceptor: TlsAcceptor,
    shared: Arc<Mutex<Shared>>,
    changed: watch::Sender<u64>,
) -> std::io::Result<()> {
    let mut stream = acceptor.accept(socket).await?;
    let mut version = changed.subscribe();
    let (mut inbox, mut buffer) = (Vec::new(), vec![0; 4096]);
    let mut next_event = None;
    let mut announced = 0;
    loop {
        let mut out = Vec::new();
        let consumed = cut_frames(&inbox, |frame| {
            let mut shared = shared.lock().unwrap();
            if let Frame::Subscribe(subscribe) = frame {
                next_event = Some(subscribe.from.get());
            } else if shared.take(id, frame, &mut out) {
                changed.send_modify(|version| *version += 1);
            }
            true
        });
        inbox.drain(..consumed.expect("the client speaks the protocol"));
        shared.lock().unwrap().tell_news(&mut announced, &mut next_event, &mut out);
        stream.write_all(&out).await?;
        stream.flush().await?;
        tokio::select! {
            read = stream.read(&mut buffer) => match read? {
                0 => return Ok(()),
                len => inbox.extend_from_slice(&buffer[..len]),
            },
            _ = version.changed() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

impl Shared {
    /// Answers a frame; whether it changed the log.
    fn take(&mut self, id: u64, frame: Frame<'_>, out: &mut Vec<u8>) -> bool {
        let node = NodeId::new(id);
        match frame {
            Frame::Hello(hello) => {
                let welcome = link::Welcome { protocol: hello.protocol, epoch: hello.epoch, node };
                Frame::Welcome(welcome).encode(out);
            }
            Frame::Ping(ping) => Frame::Pong(link::Pong { nonce: ping.nonce }).encode(out),
            Frame::OpenSession(open) if id == self.leader => {
                let next = self.sessions.len() as u64 + 1;
                let session = SessionId::new(*self.sessions.entry(open.nonce).or_insert(next));
                let opened = link::SessionOpened { partition: PARTITION, nonce: open.nonce, session };
                Frame::SessionOpened(opened).encode(out);
            }
            Frame::Request(request, payload) => return self.sequence(id, &request, payload, out),
            Frame::ReadIndex(read) if id == self.leader => {
                let position = LogPosition::new(self.log.len() as u64);
                Frame::ReadReady(link::ReadReady { partition: PARTITION, token: read.token, position }).encode(out);
            }
            _ => {}
        }
        false
    }

    fn sequence(&mut self, id: u64, request: &link::Request, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let (session, sequence) = (request.session.get(), request.sequence.get());
        let last = self.log.iter().filter(|entry| entry.0 == session).map(|entry| entry.1).max().unwrap_or(0);
        let refusal = match sequence {
            _ if id != self.leader => Some((Refusal::NotLeader, self.leader)),
            _ if sequence > last + 1 => Some((Refusal::SequenceGap, last + 1)),
            _ => None,
        };
        if let Some((refusal, detail)) = refusal {
            let (session, sequence) = (request.session, request.sequence);
            let refused = link::Refused { partition: PARTITION, session, sequence, refusal, detail };
            Frame::Refused(refused).encode(out);
            return false;
        }
        let is_new = sequence == last + 1;
        if is_new {
            self.log.push((session, sequence, payload.to_vec()));
        }
        if !self.is_mute {
            let place = self.log.iter().position(|entry| (entry.0, entry.1) == (session, sequence)).unwrap();
            let mut bytes = Vec::new();
            v1::encode_reply(&Reply::Accepted { id: sequence }, &mut bytes);
            let position = LogPosition::new(place as u64 + 1);
            let (session, sequence) = (request.session, request.sequence);
            Frame::Reply(link::Reply { partition: PARTITION, session, sequence, position }, &bytes).encode(out);
        }
        is_new
    }

    /// What a connection has not been told: a new leader, and a stream's next events.
    fn tell_news(&self, announced: &mut u64, next_event: &mut Option<u64>, out: &mut Vec<u8>) {
        if *announced < self.term {
            *announced = self.term;
            let (leader, term) = (NodeId::new(self.leader), Term::new(self.term));
            Frame::Leader(link::Leader { partition: PARTITION, leader, term }).encode(out);
        }
        let Some(next) = next_event else { return };
        // The last event is repeated, as a replica that has lost its place might.
        let from = next.saturating_sub(1).max(1);
        if *next > self.log.len() as u64 {
            return;
        }
        for position in from..=self.log.len() as u64 {
            let (session, sequence, _) = &self.log[position as usize - 1];
            let mut payload = Vec::new();
            let credited = Credited {
                account: AccountId::new(1),
                asset: AssetId::new(1),
                amount: Amount::new(position as i64).unwrap(),
            };
            v1::encode_event(&Event::Credited(credited), &mut payload);
            let events = link::Events {
                partition: PARTITION,
                position: LogPosition::new(position),
                timestamp: Timestamp::ZERO,
                origin: Origin { session: SessionId::new(*session), sequence: Sequence::new(*sequence) },
            };
            Frame::Events(events, &payload).encode(out);
        }
        *next = self.log.len() as u64 + 1;
        let position = LogPosition::new(self.log.len() as u64);
        Frame::Progress(link::Progress { partition: PARTITION, position }).encode(out);
    }
}
