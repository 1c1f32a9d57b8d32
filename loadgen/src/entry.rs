//! Order entry that does not stop at a missing answer: an order or a cancel without one is looked up by its
//! client order id until it is known what became of it. Safe to repeat, because the exchange takes a client
//! order id once.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::api::message::Order;
use crate::api::ws_api::WsApi;
use crate::api::{ApiError, CANCEL_REJECTED, NO_SUCH_ORDER, backoff, timestamp_ms};

#[cfg(test)]
mod tests;

/// How often a request is sent again when the exchange shows no trace of it.
const RESENDS_MAX: u32 = 20;

/// One order's way to the exchange.
pub struct Entry<'a> {
    /// The account's connection.
    pub api: &'a WsApi,
    /// The market.
    pub symbol: &'a str,
    /// The order's client order id.
    pub name: &'a str,
    /// How long an answer may take before it is looked up.
    pub timeout: Duration,
}

/// How an attempt ended.
#[derive(Debug)]
pub struct Placed {
    /// The last answer; `None` when there was none for as long as the caller wanted to know.
    pub answer: Option<Result<Order, ApiError>>,
    /// Whether it took more than the first request and its answer.
    pub retried: bool,
}

impl Entry<'_> {
    /// Places the order. `params` makes the JSON object of `order.place` for a timestamp; `give_up` is asked
    /// while there is no answer.
    pub async fn place(&self, params: impl Fn(u64) -> String, give_up: impl Fn() -> bool) -> Placed {
        let mut resends = 0;
        loop {
            let retried = resends > 0;
            match self.call("order.place", &params(timestamp_ms())).await {
                Ok(order) => return Placed { answer: Some(Ok(order)), retried },
                Err(error) if !(unsettled(&error) || retried && error.is_duplicate()) => {
                    return Placed { answer: Some(Err(error)), retried };
                }
                Err(error) => tracing::debug!(name = self.name, %error, "looking up an order"),
            }
            match self.look_up(&give_up).await {
                Some(Ok(order)) if order.status == "REJECTED" => {
                    let message = "the order was rejected".to_owned();
                    let error = ApiError::Refused {
                        status: 400,
                        code: crate::api::NEW_ORDER_REJECTED,
                        message,
                        retry_after: None,
                    };
                    return Placed { answer: Some(Err(error)), retried: true };
                }
                Some(Ok(order)) => return Placed { answer: Some(Ok(order)), retried: true },
                Some(Err(_)) if resends < RESENDS_MAX => resends += 1,
                _ => return Placed { answer: None, retried: true },
            }
        }
    }

    /// Cancels the order once; an answer that stays away is an error.
    pub async fn cancel_once(&self) -> Result<Order, ApiError> {
        self.call("order.cancel", &self.params(timestamp_ms())).await
    }

    /// Cancels the order and does not rest before it is known to have ended, by this or otherwise.
    pub async fn cancel(&self) -> Result<Order, ApiError> {
        for attempt in 0..RESENDS_MAX {
            match self.cancel_once().await {
                Ok(order) => return Ok(order),
                Err(error) if unsettled(&error) || error.code() == Some(CANCEL_REJECTED) => {}
                Err(error) if error.is_transient() => tokio::time::sleep(backoff(attempt)).await,
                Err(error) => return Err(error),
            }
            match self.look_up(&|| false).await {
                Some(Ok(order)) if order.is_final() => return Ok(order),
                Some(Err(error)) => return Err(error),
                _ => {}
            }
        }
        Err(ApiError::Unanswered(format!("order {} cannot be canceled", self.name)))
    }

    /// The order as the exchange knows it once it is no longer pending; `Some(Err)` when it knows none.
    async fn look_up(&self, give_up: &impl Fn() -> bool) -> Option<Result<Order, ApiError>> {
        for attempt in 0.. {
            match self.call::<Order>("order.status", &self.params(timestamp_ms())).await {
                Ok(order) if order.status != "PENDING_NEW" => return Some(Ok(order)),
                Err(error) if error.code() == Some(NO_SUCH_ORDER) => return Some(Err(error)),
                _ if give_up() => return None,
                _ => tokio::time::sleep(backoff(attempt)).await,
            }
        }
        None
    }

    fn params(&self, timestamp: u64) -> String {
        let Entry { symbol, name, .. } = self;
        format!(r#"{{"symbol":"{symbol}","origClientOrderId":"{name}","timestamp":{timestamp}}}"#)
    }

    async fn call<T: DeserializeOwned>(&self, method: &str, params: &str) -> Result<T, ApiError> {
        let answer = tokio::time::timeout(self.timeout, self.api.call(method, params)).await;
        answer.unwrap_or_else(|_| Err(ApiError::Unanswered(format!("nothing within {:?}", self.timeout))))
    }
}

/// Whether an answer leaves open what became of the request. One that cannot be read was perhaps an
/// acknowledgement.
fn unsettled(error: &ApiError) -> bool {
    error.outcome_is_unknown() || matches!(error, ApiError::Unreadable { .. })
}
