//! When what is sent: fixed before the load starts, so that a slow exchange cannot slow the load down.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

#[cfg(test)]
mod tests;

/// One planned request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// How long after the start.
    pub after: Duration,
    /// What to send.
    pub kind: SlotKind,
}

/// What a slot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// A new order.
    Order,
    /// A cancel of an open order.
    Cancel,
}

/// Slots in order of time: orders evenly spaced, cancels evenly spaced between them.
#[derive(Debug, Clone)]
pub struct Schedule {
    orders: Even,
    cancels: Even,
}

#[derive(Debug, Clone)]
struct Even {
    per_second: f64,
    offset: f64,
    next: u64,
    count: u64,
}

impl Schedule {
    /// `rate` orders per second and `cancel_ratio` cancels per order, for `duration`.
    pub fn new(rate: f64, cancel_ratio: f64, duration: Duration) -> Schedule {
        let even = |per_second: f64, offset| Even {
            per_second,
            offset,
            next: 0,
            count: (per_second * duration.as_secs_f64()).round() as u64,
        };
        Schedule { orders: even(rate, 0.0), cancels: even(rate * cancel_ratio, 0.5) }
    }

    /// How many orders there are in all.
    pub fn orders(&self) -> u64 {
        self.orders.count
    }
}

impl Even {
    fn peek(&self) -> Option<Duration> {
        let seconds = (self.next as f64 + self.offset) / self.per_second;
        (self.next < self.count).then(|| Duration::from_secs_f64(seconds))
    }
}

impl Iterator for Schedule {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let (order, cancel) = (self.orders.peek(), self.cancels.peek());
        let order_first = match (order, cancel) {
            (Some(order), Some(cancel)) => order <= cancel,
            (order, _) => order.is_some(),
        };
        let (after, kind, even) = match order_first {
            true => (order?, SlotKind::Order, &mut self.orders),
            false => (cancel?, SlotKind::Cancel, &mut self.cancels),
        };
        even.next += 1;
        Some(Slot { after, kind })
    }
}

/// Hands out slots at their time, counted from `start`, from a thread of its own: the timers of an
/// asynchronous runtime are a millisecond coarse, which would show in every latency. Ends when the receiver
/// is dropped.
pub fn pace(schedule: Schedule, start: Instant) -> std::io::Result<mpsc::Receiver<Slot>> {
    let (slots, receiver) = mpsc::channel(65_536);
    std::thread::Builder::new().name("pacer".to_owned()).spawn(move || {
        for slot in schedule {
            let wait = (start + slot.after).saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            if slots.blocking_send(slot).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}
