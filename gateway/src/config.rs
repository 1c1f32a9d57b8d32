//! What a gateway is told at its start.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use cluster_client::{ClusterConfig, Patience};
use wire::PartitionId;
use zeroize::Zeroizing;

use crate::history::HistoryConfig;
use crate::http::origin::Proxies;
use crate::http::tls::ClientTls;

/// What [`crate::serve`] needs.
pub struct GatewayConfig {
    /// The cluster, as a gateway: role `Gateway`, a certificate for its name.
    pub cluster: ClusterConfig,
    /// How patient the way into the cluster is.
    pub patience: Patience,
    /// The partition of the ledger cell.
    pub ledger: PartitionId,
    /// Every partition, the ledger's too.
    pub partitions: Vec<PartitionId>,
    /// Where clients connect. Each listener serves everything: REST, `/ws`, `/stream`, `/ws-api/v3`, and the
    /// operator's `/livez`, `/readyz`, `/metrics`.
    pub rest: TcpListener,
    /// A second one for WebSockets, where they shall have a port of their own.
    pub ws: Option<TcpListener>,
    /// What clients are served with over TLS; plain without.
    pub tls: Option<ClientTls>,
    /// The proxies before it, if there are any: they say where clients come from.
    pub proxies: Option<Proxies>,
    /// What sealed secrets of API keys are opened with.
    pub envelope_key: Zeroizing<[u8; 32]>,
    /// Where history is kept, if not in memory.
    pub history: Option<HistoryConfig>,
    /// How events come beside the links; needs a build with the feature `aeron`.
    pub aeron: Option<AeronPlan>,
    /// Serve public market data alone, from the nodes of the configuration and no others: learners in another region.
    pub read_only: bool,
    /// Bounds.
    pub limits: Limits,
}

/// How a gateway takes events by Aeron.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AeronPlan {
    /// Where nodes send them by UDP; without it in the memory of the host, which needs `driver`.
    pub udp: Option<SocketAddr>,
    /// The directory of the media driver that another process is; without it the gateway has its own.
    pub driver: Option<PathBuf>,
    /// What the Aeron thread does while nothing comes.
    pub idle: AeronIdle,
}

/// What the Aeron thread does while nothing comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AeronIdle {
    /// Polls again at once: for a core of its own.
    Spin,
    /// Lets other threads run first.
    Yield,
    /// Polls some more, then waits for up to a tenth of a millisecond.
    #[default]
    BackOff,
}

/// Bounds of everything a client can make the gateway hold. The defaults suit one machine.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open sockets over all listeners; further ones are closed at once. A quarter of them is reserved for addresses that have
    /// few, and of that a quarter for those that have none.
    pub connections_max: usize,
    /// Open sockets of one address, of IPv6 of one network of 64 bits, beside the reserved ones; networks around it may have
    /// four times as many, each: of IPv4 those of 24 bits, of IPv6 those of 48 and of 32 bits.
    pub connections_per_address: usize,
    /// REST and WebSocket API requests in flight; further ones are answered busy.
    pub requests_max: usize,
    /// The longest request body.
    pub body_bytes_max: usize,
    /// How long a connection may idle before the first byte of a request.
    pub idle_timeout: Duration,
    /// How long the head of a request may take from its first byte on.
    pub head_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// A client that takes its answers more slowly than 64 KiB in this time is gone.
    pub answer_timeout: Duration,
    /// How long a client waits for the outcome of its order before it is told that it is unknown.
    pub order_timeout: Duration,
    /// How long a private read waits for the cluster.
    pub read_timeout: Duration,
    /// How long a private read of orders, fills or balances, and what takes from an account's funds, waits for the ledger's word
    /// on orders that clients may have been told of already. A market without a leader keeps it back; then everything is as the
    /// ledger has it.
    pub outcome_wait: Duration,
    /// Request weight per IP address and minute.
    pub weight_per_minute: u32,
    /// Requests per IP address and 5 minutes, whatever they weigh.
    pub requests_per_5m: u32,
    /// Request weight per API key and minute.
    pub key_weight_per_minute: u32,
    /// An address that has been refused more often than this within a minute is banned; 0 for never.
    pub ban_after_refusals: u32,
    /// WebSocket handshakes per address and 5 minutes.
    pub connection_attempts_per_5m: u32,
    /// New orders per account and 10 seconds.
    pub orders_per_10s: u32,
    /// New orders per account and 10 seconds that are refused, which do not count against the others.
    pub refused_orders_per_10s: u32,
    /// New orders per account and day.
    pub orders_per_day: u32,
    /// Closed orders kept per account; the oldest are forgotten.
    pub closed_orders_per_account: usize,
    /// Fills kept per account; the oldest are forgotten.
    pub fills_per_account: usize,
    /// How long `/readyz` says that the gateway is draining, and its clients have to go elsewhere, before it closes.
    pub drain_notice: Duration,
    /// User events kept of one account, for clients that go on where they were.
    pub user_events_kept_per_account: usize,
    /// User events kept of all accounts.
    pub user_events_kept: usize,
    /// User events that may wait for one subscriber; one that is further behind is cut off.
    pub user_events_queued: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 16_384,
            connections_per_address: 1_024,
            requests_max: 8_192,
            body_bytes_max: 64 * 1024,
            idle_timeout: Duration::from_secs(75),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(20),
            order_timeout: Duration::from_secs(9),
            // A read may wait for the question under way and then ask its own: together less than the ten seconds
            // that client libraries wait.
            read_timeout: Duration::from_secs(4),
            outcome_wait: Duration::from_millis(500),
            weight_per_minute: 600_000,
            requests_per_5m: 3_000_000,
            key_weight_per_minute: 600_000,
            ban_after_refusals: 1_000,
            connection_attempts_per_5m: 100_000,
            orders_per_10s: 100_000,
            refused_orders_per_10s: 100_000,
            orders_per_day: 100_000_000,
            closed_orders_per_account: 100_000,
            fills_per_account: 200_000,
            drain_notice: Duration::ZERO,
            user_events_kept_per_account: 10_000,
            user_events_kept: 200_000,
            user_events_queued: 4_096,
        }
    }
}
