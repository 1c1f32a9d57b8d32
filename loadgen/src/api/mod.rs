//! A lean client of the gateway's public API: REST, the WebSocket API, market streams, and both ways of
//! signing. Written for load: requests are pipelined, connections come back by themselves, and an answer
//! that cannot be known is never mistaken for a refusal.

mod line;
pub mod message;
pub mod rest;
pub mod sign;
pub mod stream;
pub mod ws_api;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nobody is left alone for longer.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The exchange answered with an error.
    #[error("the exchange answered {code}: {message} (HTTP {status})")]
    Refused {
        /// HTTP status, or the WebSocket API's `status`.
        status: u16,
        /// Binance's error code.
        code: i32,
        /// Binance's error text.
        message: String,
        /// How long the exchange asks to be left alone, where a limit is reached.
        retry_after: Option<Duration>,
    },
    /// The request was sent, perhaps, and no answer came: it may have been executed.
    #[error("no answer: {0}; the request may have been executed")]
    Unanswered(String),
    /// The request was never sent.
    #[error("cannot reach {url}: {reason}; is the exchange running?")]
    Unreachable {
        /// Where.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The answer is not what the API promises.
    #[error("unreadable answer to {request}: {reason}: {text}")]
    Unreadable {
        /// Which request.
        request: String,
        /// What is wrong with it.
        reason: String,
        /// How the answer starts.
        text: String,
    },
}

/// Codes of answers that leave open whether a request was executed.
const OUTCOME_UNKNOWN: [i32; 3] = [-1000, -1006, -1007];
/// "Order does not exist."
pub const NO_SUCH_ORDER: i32 = -2013;
/// "Unknown order sent."
pub const CANCEL_REJECTED: i32 = -2011;
/// A new order was refused; the text says why.
pub const NEW_ORDER_REJECTED: i32 = -2010;

impl ApiError {
    /// Whether the request may have been executed although there is no result.
    pub fn outcome_is_unknown(&self) -> bool {
        match self {
            ApiError::Refused { status, code, .. } => {
                OUTCOME_UNKNOWN.contains(code) || matches!(status, 408 | 502 | 504)
            }
            ApiError::Unanswered(_) => true,
            ApiError::Unreachable { .. } | ApiError::Unreadable { .. } => false,
        }
    }

    /// Whether asking again later may help: for questions, which change nothing.
    pub fn is_transient(&self) -> bool {
        match self {
            ApiError::Refused { status, code, .. } => {
                self.outcome_is_unknown() || matches!(code, -1001 | -1003 | -1008) || matches!(status, 429 | 500..=599)
            }
            ApiError::Unanswered(_) | ApiError::Unreachable { .. } => true,
            ApiError::Unreadable { .. } => false,
        }
    }

    /// Whether a limit of requests or orders is reached, or the address is banned for going on then. Whoever goes on is banned
    /// for longer.
    pub fn is_limit(&self) -> bool {
        matches!(self, ApiError::Refused { status: 418 | 429, .. })
    }

    /// How long the exchange asks to be left alone, a week at most.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            ApiError::Refused { retry_after, .. } => retry_after.map(|after| after.min(WEEK)),
            _ => None,
        }
    }

    /// Whether the exchange refused an order because it has, or had, one with the same client order id.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, ApiError::Refused { code: NEW_ORDER_REJECTED, message, .. } if message.starts_with("Duplicate"))
    }

    /// The exchange's code, if it answered.
    pub fn code(&self) -> Option<i32> {
        match self {
            ApiError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// Milliseconds since 1970, as signed requests carry them.
pub fn timestamp_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64
}

/// The wait before attempt number `attempt` (from 0) to reach a gateway again: 20 ms doubling to 640 ms.
pub(crate) fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(20 << attempt.min(5))
}

/// At most the first 200 characters, for messages.
pub(crate) fn beginning(text: &str) -> String {
    text.chars().take(200).collect()
}
