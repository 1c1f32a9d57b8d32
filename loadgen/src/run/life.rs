//! The life of one order or cancel: sent once, and when the answer stays away, looked up by its client
//! order id until it is known what became of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::{Desk, Pair};
use super::mix::Shape;
use super::record::{Acked, Claim, Outcome};
use crate::api::message::Order;
use crate::api::{ApiError, CANCEL_REJECTED, NO_SUCH_ORDER, backoff, timestamp_ms};

/// How often an order is sent again when the exchange does not know it.
const RESENDS_MAX: u32 = 20;

/// Places an order and notes what became of it. `planned` is where its latency counts from; without it the
/// order is no part of the measured load.
pub async fn place(desk: Arc<Desk>, pair: Pair, connection: usize, shape: Shape, planned: Option<Instant>) {
    let number = desk.take_number();
    let claim = |outcome, retried| {
        desk.with_record(pair, |record| record.orders.insert(number, Claim { outcome, retried }));
    };
    claim(Outcome::Unknown, false);
    desk.measure().sent(Instant::now());
    let (outcome, retried) = Sender { desk: &desk, pair, connection, number }.place(&shape).await;
    let now = Instant::now();
    let mut measure = desk.measure();
    measure.answered(now);
    measure.retried += u64::from(retried && planned.is_some());
    match outcome {
        Some(Ok(order)) => {
            if let Some(planned) = planned {
                measure.order_acked(now.saturating_duration_since(planned));
            }
            drop(measure);
            if !order.is_final() {
                desk.with_open(pair, |open| open.push_back(number));
            }
            claim(Outcome::Acked(Acked::new(order)), retried);
        }
        Some(Err(error)) => {
            if planned.is_some() {
                measure.order_rejected(&error);
            }
            drop(measure);
            claim(Outcome::Rejected, retried);
        }
        None => {
            drop(measure);
            claim(Outcome::Unknown, true);
        }
    }
}

/// Cancels the order with this number and notes the answer.
pub async fn cancel(desk: Arc<Desk>, pair: Pair, connection: usize, number: u64, planned: Instant) {
    desk.measure().sent(Instant::now());
    let canceled = Sender { desk: &desk, pair, connection, number }.cancel().await;
    let now = Instant::now();
    let mut measure = desk.measure();
    measure.answered(now);
    match canceled {
        Ok(_) => measure.cancel_acked(now.saturating_duration_since(planned)),
        Err(error) if error.code() == Some(CANCEL_REJECTED) => measure.cancels_too_late += 1,
        Err(_) => measure.cancels_failed += 1,
    }
}

/// Cancels the order with this number outside the measured load.
pub async fn cancel_quietly(desk: Arc<Desk>, pair: Pair, number: u64) {
    // What could not be canceled stays open, which its record will say as well.
    let _ = Sender { desk: &desk, pair, connection: 0, number }.cancel().await;
}

struct Sender<'a> {
    desk: &'a Desk,
    pair: Pair,
    connection: usize,
    number: u64,
}

impl Sender<'_> {
    /// The last answer, and whether there was more than one attempt. `None` when there was no answer for as
    /// long as the run lasted.
    async fn place(&self, shape: &Shape) -> (Option<Result<Order, ApiError>>, bool) {
        let name = self.desk.ids.text(self.number);
        let mut resends = 0;
        loop {
            let retried = resends > 0;
            let params = shape.params(self.symbol(), &name, timestamp_ms());
            let answer = self.call("order.place", &params).await;
            match answer {
                Ok(order) => return (Some(Ok(order)), retried),
                Err(error) if !(unsettled(&error) || retried && error.is_duplicate()) => {
                    return (Some(Err(error)), retried);
                }
                Err(_) => {}
            }
            match self.look_up(&name).await {
                Some(Ok(order)) if order.status == "REJECTED" => {
                    let error = ApiError::Refused { status: 400, code: -2010, message: "rejected".to_owned() };
                    return (Some(Err(error)), true);
                }
                Some(Ok(order)) => return (Some(Ok(order)), true),
                Some(Err(_)) if resends < RESENDS_MAX => resends += 1,
                _ => return (None, true),
            }
        }
    }

    /// The order as the exchange knows it once it is no longer pending; `Some(Err)` when it knows none.
    async fn look_up(&self, name: &str) -> Option<Result<Order, ApiError>> {
        for attempt in 0.. {
            let params = format!(
                r#"{{"symbol":"{}","origClientOrderId":"{name}","timestamp":{}}}"#,
                self.symbol(),
                timestamp_ms()
            );
            match self.call::<Order>("order.status", &params).await {
                Ok(order) if order.status != "PENDING_NEW" => return Some(Ok(order)),
                Err(error) if error.code() == Some(NO_SUCH_ORDER) => return Some(Err(error)),
                _ if self.desk.is_closing() => return None,
                _ => tokio::time::sleep(backoff(attempt)).await,
            }
        }
        None
    }

    async fn cancel(&self) -> Result<Order, ApiError> {
        let name = self.desk.ids.text(self.number);
        let params =
            format!(r#"{{"symbol":"{}","origClientOrderId":"{name}","timestamp":{}}}"#, self.symbol(), timestamp_ms());
        let order: Order = self.call("order.cancel", &params).await?;
        self.desk.with_record(self.pair, |record| {
            if let Some(Claim { outcome: Outcome::Acked(acked), .. }) = record.orders.get_mut(&self.number) {
                (acked.canceled, acked.is_final) = (true, true);
                (acked.executed, acked.quote) = (order.executed_qty, order.cummulative_quote_qty);
            }
        });
        Ok(order)
    }

    fn symbol(&self) -> &str {
        &self.desk.markets[self.pair.market].symbol
    }

    async fn call<T: serde::de::DeserializeOwned>(&self, method: &str, params: &str) -> Result<T, ApiError> {
        let connection = &self.desk.traders[self.pair.trader].connections[self.connection];
        let late = || ApiError::Unanswered(format!("no answer within {:?}", self.desk.timeout));
        tokio::time::timeout(self.desk.timeout, connection.call(method, params)).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Whether an answer to a new order leaves open what became of it. One that cannot be read was perhaps an
/// acknowledgement.
fn unsettled(error: &ApiError) -> bool {
    error.outcome_is_unknown() || matches!(error, ApiError::Unreadable { .. })
}

/// Waits until nothing waits for an answer, for at most `patience`.
pub async fn drained(desk: &Desk, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while desk.measure().outstanding() > 0 {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    true
}
