//! What the network thread counts, and every reason to close a connection.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Why a connection was closed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(usize)]
        pub enum CloseReason {
            $($(#[$doc])* $variant),+
        }

        impl CloseReason {
            /// Every reason.
            pub const ALL: &'static [CloseReason] = &[$(CloseReason::$variant),+];

            /// The reason as metrics and traces name it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(CloseReason::$variant => $name),+
                }
            }
        }
    };
}

reasons! {
    /// The peer closed it, between two frames.
    PeerClosed = "peer_closed",
    /// The peer closed it inside a frame.
    TruncatedFrame = "truncated_frame",
    /// The socket failed: reset, unreachable.
    Io = "io",
    /// A dialed peer refused the connection.
    ConnectRefused = "connect_refused",
    /// Not TLS 1.3, a certificate of another authority or for another name, a forged record.
    Tls = "tls",
    /// The greeting did not end in time.
    GreetingTimeout = "greeting_timeout",
    /// The greeting speaks another version of the link protocol.
    WrongProtocol = "wrong_protocol",
    /// The greeting belongs to a cluster of another epoch.
    WrongEpoch = "wrong_epoch",
    /// The certificate is not valid for the name in the greeting, or the name does not go with role and node id.
    WrongName = "wrong_name",
    /// A body longer than its sender's role may send.
    OversizedFrame = "oversized_frame",
    /// A body that is no frame of this version.
    MalformedFrame = "malformed_frame",
    /// A frame that the sender's role may not send, or not now.
    ForbiddenFrame = "forbidden_frame",
    /// Silent after a ping.
    Unresponsive = "unresponsive",
    /// Takes no bytes although some wait for it.
    Stalled = "stalled",
    /// As many connections as there may be; or as many that greet, of which it was the oldest.
    TooManyConnections = "too_many_connections",
    /// The same node connected again.
    Superseded = "superseded",
    /// The node wanted it closed.
    ByHandler = "by_handler",
    /// The thread ends.
    Stopping = "stopping",
}

/// What the network thread counts. Read from any thread, written by the network thread alone.
#[derive(Debug, Default)]
pub struct NetCounters {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections tried to peers.
    pub dialed: Counter,
    /// Links opened: greetings that went well.
    pub opened: Counter,
    /// Frames received.
    pub frames_in: Counter,
    /// Frames put into out-buffers.
    pub frames_out: Counter,
    /// Bytes of TLS received.
    pub bytes_in: Counter,
    /// Bytes of TLS sent.
    pub bytes_out: Counter,
    /// Frames refused because an out-buffer was full.
    pub full: Counter,
    /// Frames for a node to which no link is open.
    pub unconnected: Counter,
    /// Frames refused because no peer would take a body so long: a bug of the sender.
    pub oversized: Counter,
    closed: [Counter; CloseReason::ALL.len()],
}

impl NetCounters {
    /// How many connections were closed for this reason.
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize].get()
    }

    pub(super) fn count_closed(&self, reason: CloseReason) {
        self.closed[reason as usize].add(1);
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}
