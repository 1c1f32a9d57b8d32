//! The life of one order or cancel of the load: sent, measured, and noted in its record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::{Desk, Pair};
use super::mix::Shape;
use super::record::{Acked, Claim, Outcome};
use crate::api::{ApiError, CANCEL_REJECTED};
use crate::entry::{Entry, Placed};

/// Places an order and notes what became of it. `planned` is where its latency counts from; without it the
/// order is no part of the measured load.
pub async fn place(desk: Arc<Desk>, pair: Pair, connection: usize, shape: Shape, planned: Option<Instant>) {
    let number = desk.take_number();
    let claim = |outcome, retried| {
        desk.with_record(pair, |record| record.orders.insert(number, Claim { outcome, retried }));
    };
    claim(Outcome::Unknown, false);
    let sent = Instant::now();
    desk.measure().sent(sent);
    let name = desk.ids.text(number);
    let way = entry(&desk, pair, connection, &name);
    let params = |timestamp| shape.params(way.symbol, &name, (desk.response, number), timestamp);
    let Placed { answer, retried } = way.place(params, || desk.is_closing()).await;
    let now = Instant::now();
    let mut measure = desk.measure();
    measure.answered(now);
    measure.waited(sent, now);
    measure.retried += u64::from(retried && planned.is_some());
    match answer {
        Some(Ok(order)) => {
            if let Some(planned) = planned {
                measure.order_acked(now.saturating_duration_since(planned));
            }
            drop(measure);
            let may_be_open = if order.status.is_empty() { shape.may_rest() } else { !order.is_final() };
            if may_be_open {
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
    let canceled = cancel_and_note(&desk, pair, connection, number).await;
    let now = Instant::now();
    let mut measure = desk.measure();
    measure.answered(now);
    match canceled {
        Ok(()) => measure.cancel_acked(now.saturating_duration_since(planned)),
        Err(error) if error.code() == Some(CANCEL_REJECTED) => measure.cancels_too_late += 1,
        Err(_) => measure.cancels_failed += 1,
    }
}

/// Cancels the order with this number outside the measured load.
pub async fn cancel_quietly(desk: Arc<Desk>, pair: Pair, number: u64) {
    // What could not be canceled stays open, which its record will say as well.
    let _ = cancel_and_note(&desk, pair, 0, number).await;
}

async fn cancel_and_note(desk: &Desk, pair: Pair, connection: usize, number: u64) -> Result<(), ApiError> {
    let order = entry(desk, pair, connection, &desk.ids.text(number)).cancel_once().await?;
    desk.with_record(pair, |record| {
        if let Some(Claim { outcome: Outcome::Acked(acked), .. }) = record.orders.get_mut(&number) {
            (acked.canceled, acked.is_final) = (true, true);
            (acked.executed, acked.quote) = (order.executed_qty, order.cummulative_quote_qty);
        }
    });
    Ok(())
}

fn entry<'a>(desk: &'a Desk, pair: Pair, connection: usize, name: &'a str) -> Entry<'a> {
    Entry {
        api: &desk.traders[pair.trader].connections[connection],
        symbol: &desk.markets[pair.market].symbol,
        name,
        timeout: desk.timeout,
    }
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
