//! Why a request or a read has no answer, and why a configuration is unusable.

use wire::link::Refusal;

/// Why a request or a read was not answered. Only [`ClusterError::Timeout`] and
/// [`ClusterError::OutcomeUnknown`] leave open whether the command executes; after every other one it has not
/// and never will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The session's window is full, or the cluster refused for lack of room until the time was up.
    #[error("the cluster is busy; the request was not executed")]
    Busy,
    /// No leader could be reached in time; the request was never sent.
    #[error("no leader of the partition could be reached in time; the request was not executed")]
    Unavailable,
    /// No reply in time. What was sent of the request may still execute; it is not sent again.
    #[error("no reply in time; the request may still execute")]
    Timeout,
    /// The session expired, or its cached replies are gone, while the request was in flight.
    #[error("the session ended while the request was in flight; whether it executed is unknown")]
    OutcomeUnknown,
    /// The cluster will not take this request from this client.
    #[error("the cluster refused the request: {0:?}")]
    Refused(Refusal),
    /// The reply is not one of this version; the request was executed.
    #[error("the reply cannot be read")]
    UnreadableReply,
    /// The client was shut down.
    #[error("the cluster client is shut down")]
    Closed,
}

impl ClusterError {
    /// Whether the command may have executed or may still execute.
    pub const fn is_outcome_unknown(self) -> bool {
        matches!(self, ClusterError::Timeout | ClusterError::OutcomeUnknown | ClusterError::UnreadableReply)
    }
}

/// Why a [`crate::ClusterConfig`] cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No node to connect to.
    #[error("the configuration names no node")]
    NoNodes,
    /// The name does not fit a certificate or a frame.
    #[error("the client's name {0:?} is longer than 32 characters or not printable")]
    Name(String),
    /// A PEM text holds nothing usable.
    #[error("the {what} is not usable PEM: {why}")]
    Pem {
        /// Which text.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate and key do not work together.
    #[error("the TLS identity is unusable: {0}")]
    Tls(#[from] rustls::Error),
}
