//! Whom to connect to, as whom, and how patiently.

use std::net::SocketAddr;
use std::time::Duration;

use wire::link::Role;
use wire::{ClusterEpoch, NodeId};

/// What a client needs to know of a cluster. Key material is PEM text as bytes.
#[derive(Clone)]
pub struct ClusterConfig {
    /// The cluster it belongs to; nodes of another close the connection.
    pub epoch: ClusterEpoch,
    /// Every node's address. Node `N` must show a certificate for the name `node-N`.
    pub nodes: Vec<(NodeId, SocketAddr)>,
    /// What the client is: [`Role::Gateway`] or [`Role::Operator`].
    pub role: Role,
    /// The name in the client's certificate, `gateway-1`.
    pub name: String,
    /// The certificate of the cluster's authority.
    pub ca: Vec<u8>,
    /// The client's certificate chain.
    pub cert: Vec<u8>,
    /// The client's private key.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterConfig")
            .field("epoch", &self.epoch)
            .field("nodes", &self.nodes)
            .field("role", &self.role)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How patient a client is. The defaults suit a cluster within one region.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How many requests of one session, and how many reads of one client, may wait at a time. More are
    /// [`crate::ClusterError::Busy`] at once.
    pub window: usize,
    /// An idle session sends an empty request this often: well within the time after which the cluster forgets
    /// it, rarely enough not to fill the log.
    pub keep_alive: Duration,
    /// A node is pinged this often while something waits for it, five times as rarely otherwise.
    pub ping: Duration,
    /// A node that has sent nothing for this long after a ping is suspected: another leader is looked for.
    pub suspect: Duration,
    /// A node that has sent nothing for this long after a ping is disconnected.
    pub disconnect: Duration,
    /// The first and the longest wait before a refused request is offered again.
    pub back_off: (Duration, Duration),
    /// The first and the longest wait before a lost connection is made again.
    pub reconnect: (Duration, Duration),
    /// While the leader is unknown, one node after the other is tried this often.
    pub probe: Duration,
    /// A request or read that nobody has answered for this long is sent again to the same leader.
    pub resend: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            window: 1_024,
            keep_alive: Duration::from_secs(30),
            ping: Duration::from_millis(100),
            suspect: Duration::from_millis(400),
            disconnect: Duration::from_secs(3),
            back_off: (Duration::from_millis(1), Duration::from_millis(50)),
            reconnect: (Duration::from_millis(20), Duration::from_millis(250)),
            probe: Duration::from_millis(50),
            resend: Duration::from_secs(1),
        }
    }
}
