//! TCP and mutually authenticated TLS to one node.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use socket2::SockRef;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wire::NodeId;

use crate::{ClusterConfig, ConfigError};

/// A stopped process still accepts connections: only the handshake shows that nobody is there.
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes taken from a socket at once. TLS alone asks for 4 KiB at a time: seven system calls for replies and events of 64
/// orders, where two do.
const SOCKET_BUFFER_LEN: usize = 64 * 1024;

/// The client's end of a connection to a node.
pub(super) type Link = TlsStream<BufReader<TcpStream>>;

/// Whoever has not answered so many times in a row does not answer: on a long way a lost packet alone takes more time than a
/// dial may.
const ASKED: usize = 3;

/// Whether a node's process answers at its configured address: it shows the node's certificate, whatever life it is of.
pub async fn is_answering(config: &ClusterConfig, node: NodeId) -> Result<bool, ConfigError> {
    let dialer = Dialer::new(config)?;
    for _ in 0..ASKED {
        if dialer.dial(node).await.is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where a node may be: where the configuration says, and where a log does. Who is there proves who it is.
#[derive(Default)]
struct Addresses {
    configured: Option<SocketAddr>,
    in_log: Option<SocketAddr>,
    failures: usize,
}

impl Addresses {
    /// One after the other while they fail.
    fn next(&self) -> Option<SocketAddr> {
        let known: Vec<SocketAddr> = self.configured.into_iter().chain(self.in_log).collect();
        known.get(self.failures % known.len().max(1)).copied()
    }
}

/// Connects to the nodes of one cluster as one client.
pub(super) struct Dialer {
    connector: TlsConnector,
    addresses: Mutex<BTreeMap<NodeId, Addresses>>,
}

impl Dialer {
    pub(super) fn new(config: &ClusterConfig) -> Result<Dialer, ConfigError> {
        if config.nodes.is_empty() {
            return Err(ConfigError::NoNodes);
        }
        let mut roots = RootCertStore::empty();
        for authority in certificates("authority's certificate", &config.ca)? {
            roots.add(authority)?;
        }
        let chain = certificates("client's certificate", &config.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&config.key)
            .map_err(|why| ConfigError::Pem { what: "client's private key", why: why.to_string() })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        let of = |address: &SocketAddr| Addresses { configured: Some(*address), ..Addresses::default() };
        let addresses = Mutex::new(config.nodes.iter().map(|(node, address)| (*node, of(address))).collect());
        Ok(Dialer { connector: TlsConnector::from(Arc::new(tls)), addresses })
    }

    fn addresses(&self) -> MutexGuard<'_, BTreeMap<NodeId, Addresses>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nodes are where logs say, or else where the configuration does.
    pub(super) fn learn(&self, nodes: &BTreeMap<NodeId, Option<SocketAddr>>) {
        let mut addresses = self.addresses();
        addresses.retain(|node, _| nodes.contains_key(node));
        for (node, in_log) in nodes {
            addresses.entry(*node).or_default().in_log = *in_log;
        }
    }

    /// Connects to the node, which must show the certificate `node-ID`.
    pub(super) async fn dial(&self, node: NodeId) -> io::Result<Link> {
        let address = self.addresses().get(&node).and_then(Addresses::next).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let dialed = self.dial_at(node, address).await;
        if dialed.is_err()
            && let Some(addresses) = self.addresses().get_mut(&node)
        {
            addresses.failures += 1;
        }
        dialed
    }

    async fn dial_at(&self, node: NodeId, address: SocketAddr) -> io::Result<Link> {
        let name = ServerName::try_from(format!("node-{node}")).map_err(io::Error::other)?;
        let connecting = async {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            // As the nodes do; a kernel without it keeps its default.
            let _ = SockRef::from(&socket).set_tcp_congestion(b"cubic");
            self.connector.connect(name, BufReader::with_capacity(SOCKET_BUFFER_LEN, socket)).await
        };
        tokio::time::timeout(DIAL_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|why| ConfigError::Pem { what, why: why.to_string() })?;
    if found.is_empty() {
        return Err(ConfigError::Pem { what, why: "it holds no certificate".into() });
    }
    Ok(found)
}
