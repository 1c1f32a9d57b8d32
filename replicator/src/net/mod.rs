//! The network thread of a node: one duty cycle over non-blocking sockets, every connection
//! mutually authenticated TLS 1.3.
//!
//! Whoever connects says [`Frame::Hello`], whose name the peer's certificate must be valid for; the node
//! answers [`Frame::Welcome`], and the link is open. From then on each frame is handed to the [`Handler`],
//! which lives in this thread and moves frames between links and partition threads.
//!
//! Every node dials every peer, so there are two links between two nodes. Both are watched and either carries
//! frames both ways; [`Links::send_to_node`] uses the one that the lower node id dialed while it is open,
//! else the other. So no link has to be given up for another when both ends dial at once, and both ends notice a
//! dead process by a refused reconnect.
//!
//! Raft messages of a peer may take another way, beside its links, which is agreed over them ([`Bypass`]).
//!
//! What a peer can do wrong (bytes that are no TLS, a foreign certificate, another epoch, a malformed,
//! oversized or forbidden frame, silence, never reading) closes its connection with a [`CloseReason`] that is
//! counted and traced, and touches no other.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::JoinHandle;
use std::time::Duration;

use wire::link::{Frame, Role};
use wire::{ClusterEpoch, NodeId, Text, Timestamp};

#[cfg(feature = "aeron")]
pub mod aeron;
mod bypass;
pub mod cast;
mod connection;
mod counters;
mod dialer;
mod greeting;
mod links;
mod network;
mod tls;

pub use bypass::{Arrivals, Bypass, BypassMaker};
pub use counters::{CloseReason, Counter, NetCounters};
pub use greeting::check_life;
pub use links::{Full, LinkId, Links};
pub use tls::{TlsError, TlsIdentity};

/// What the network thread needs to know.
#[derive(Debug)]
pub struct NetConfig {
    /// This node's name, `node-ID`; its certificate is valid for it.
    pub name: Text<32>,
    /// This node.
    pub node: NodeId,
    /// The cluster's epoch; whoever has another is refused.
    pub epoch: ClusterEpoch,
    /// Where gateways, operators and peers connect; bound by the caller.
    pub listen: TcpListener,
    /// The other nodes and where they listen.
    pub peers: Vec<(NodeId, SocketAddr)>,
    /// Certificates and key.
    pub tls: TlsIdentity,
    /// Bounds and time-outs.
    pub limits: NetLimits,
    /// Another way for Raft messages between nodes.
    pub bypass: Option<BypassMaker>,
}

/// Bounds and time-outs of the network thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetLimits {
    /// The most accepted connections at a time.
    pub connections_max: usize,
    /// How many of them may be before the end of their greeting; with one more the oldest of them is closed.
    pub greetings_max: usize,
    /// Bytes that may wait for a peer node.
    pub node_out_bytes_max: usize,
    /// Bytes that may wait for a gateway or an operator.
    pub client_out_bytes_max: usize,
    /// Bytes read from one connection in one cycle.
    pub read_bytes_per_cycle: usize,
    /// Bytes written to one connection in one cycle.
    pub write_bytes_per_cycle: usize,
    /// From connect or accept to the end of TLS handshake and greeting.
    pub greeting_timeout: Duration,
    /// A peer node that is silent for so long is pinged.
    pub node_ping_after: Duration,
    /// A peer node that is silent for so long after a ping is taken for lost.
    pub node_pong_timeout: Duration,
    /// A client that is silent for so long is pinged.
    pub client_ping_after: Duration,
    /// A client that is silent for so long after a ping is taken for lost.
    pub client_pong_timeout: Duration,
    /// A connection that has bytes waiting and takes none for so long is closed.
    pub stall_timeout: Duration,
    /// How long the thread sleeps at most when there is nothing to do.
    pub idle_wait: Duration,
}

impl Default for NetLimits {
    fn default() -> Self {
        NetLimits {
            connections_max: 1_024,
            greetings_max: 256,
            node_out_bytes_max: 32 * 1024 * 1024,
            client_out_bytes_max: 8 * 1024 * 1024,
            read_bytes_per_cycle: 64 * 1024,
            write_bytes_per_cycle: 512 * 1024,
            greeting_timeout: Duration::from_secs(2),
            node_ping_after: Duration::from_millis(300),
            node_pong_timeout: Duration::from_millis(700),
            client_ping_after: Duration::from_secs(1),
            client_pong_timeout: Duration::from_secs(2),
            stall_timeout: Duration::from_secs(10),
            idle_wait: Duration::from_millis(10),
        }
    }
}

/// Who is at the other end of a link, as its certificate proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Node, gateway or operator.
    pub role: Role,
    /// `node-1`, `gateway-a`, `operator-demo`.
    pub name: Text<32>,
    /// Its node id; 0 unless it is a node.
    pub node: NodeId,
    /// Its address.
    pub address: SocketAddr,
    /// Whether this node dialed it. Between two nodes there is one link of either kind.
    pub is_dialed: bool,
}

/// What a node does with its links. All calls come from the network thread, none may block.
pub trait Handler: Send {
    /// A link is open. Between two nodes there are two.
    fn on_open(&mut self, link: LinkId, peer: &PeerIdentity, out: &mut Links);

    /// A frame arrived that the peer's role may send. Greetings, pings and pongs never arrive here.
    fn on_frame(&mut self, link: LinkId, frame: Frame<'_>, out: &mut Links);

    /// An open link is closed; its id never returns.
    fn on_close(&mut self, link: LinkId, out: &mut Links);

    /// The links to this node broke and it refuses to be connected: its process is dead. Once for each time
    /// that it had been connected.
    fn on_peer_refused(&mut self, node: NodeId, out: &mut Links);

    /// Once a cycle: takes what partition threads have for the links, as far as there is room. Returns how
    /// much it did; the thread sleeps only after 0.
    fn poll(&mut self, now: Timestamp, out: &mut Links) -> usize;

    /// Once a cycle, after the sockets were offered what the links had: for what takes long, such as a disk. Returns
    /// how much it did; the thread sleeps only after 0.
    fn poll_slow(&mut self) -> usize {
        0
    }

    /// Whether [`Handler::poll_slow`] has something to do.
    fn is_slow_due(&self) -> bool {
        false
    }

    /// The longest that the thread may sleep now, beside its own limit.
    fn idle_wait(&self) -> Duration {
        Duration::MAX
    }
}

/// Wakes the network thread from another thread. Cheap while it is awake.
#[derive(Clone)]
pub struct Waker {
    inner: Arc<WakerInner>,
}

struct WakerInner {
    waker: mio::Waker,
    is_asleep: AtomicBool,
    is_stopping: AtomicBool,
}

impl Waker {
    fn new(waker: mio::Waker) -> Waker {
        Waker {
            inner: Arc::new(WakerInner {
                waker,
                is_asleep: AtomicBool::new(false),
                is_stopping: AtomicBool::new(false),
            }),
        }
    }

    /// After this call [`Handler::poll`] runs at least once. Call it after the work has been made visible.
    pub fn wake(&self) {
        // Against the fence in `fall_asleep`: either the thread sees the work, or this sees it asleep.
        fence(Ordering::SeqCst);
        if self.inner.is_asleep.swap(false, Ordering::SeqCst) {
            // An eventfd write fails only when the counter would overflow: then it is awake anyway.
            let _ = self.inner.waker.wake();
        }
    }

    /// Called by the network thread before its last look for work: from here on `wake` writes the eventfd.
    fn fall_asleep(&self) {
        self.inner.is_asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    fn awake(&self) {
        self.inner.is_asleep.store(false, Ordering::SeqCst);
    }

    fn is_stopping(&self) -> bool {
        self.inner.is_stopping.load(Ordering::Relaxed)
    }
}

/// The running network thread. Dropping it stops the thread.
pub struct NetHandle {
    waker: Waker,
    counters: Arc<NetCounters>,
    thread: Option<JoinHandle<()>>,
}

impl NetHandle {
    /// For the threads that have output for the links.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// What the thread has counted so far.
    pub fn counters(&self) -> Arc<NetCounters> {
        Arc::clone(&self.counters)
    }

    /// Whether the thread has ended: it was stopped, or the handler panicked.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Asks the thread to close every connection and to end.
    pub fn stop(&self) {
        self.waker.inner.is_stopping.store(true, Ordering::Relaxed);
        let _ = self.waker.inner.waker.wake();
    }

    /// Waits for the end of the thread; an error when the handler panicked.
    pub fn join(mut self) -> std::thread::Result<()> {
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for NetHandle {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop();
            let _ = thread.join();
        }
    }
}

/// Starts the network thread. `InvalidInput` when certificates or key are not usable or the name is
/// not this node's.
pub fn spawn<H: Handler + 'static>(config: NetConfig, handler: H) -> io::Result<NetHandle> {
    spawn_with(config, |_| handler)
}

/// As [`spawn`], for a handler that hands the waker to other threads.
pub fn spawn_with<H: Handler + 'static>(config: NetConfig, handler: impl FnOnce(Waker) -> H) -> io::Result<NetHandle> {
    let counters = Arc::new(NetCounters::default());
    let node = config.node;
    let (network, waker) = network::Network::new(config, handler, Arc::clone(&counters))?;
    let thread = std::thread::Builder::new().name(format!("net-{node}")).spawn(move || network.run())?;
    Ok(NetHandle { waker, counters, thread: Some(thread) })
}

#[cfg(test)]
mod tests;
