//! When what is sent: fixed before the load starts, so that a slow exchange cannot slow the load down.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

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

/// Hands out slots at their time, counted from `start`, however long whoever takes them is busy in between: those that are due by
/// then come at once. The timers of an asynchronous runtime are a millisecond coarse, which would show in every latency; the
/// system's are precise, and wake the runtime's own thread where it waits for sockets.
pub struct Pacer {
    schedule: Schedule,
    start: Instant,
    timer: TimerFd,
    /// The same timer, as a file that can be read from once it is time: to the runtime that is what a pipe is.
    due: pipe::Receiver,
    /// Taken from the schedule, not yet handed out.
    next: Option<Slot>,
}

impl Pacer {
    /// Needs a tokio runtime.
    pub fn new(schedule: Schedule, start: Instant) -> std::io::Result<Pacer> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let due = pipe::Receiver::from_owned_fd_unchecked(timer.as_fd().try_clone_to_owned()?)?;
        Ok(Pacer { schedule, start, timer, due, next: None })
    }

    /// The next slot, once it is time for it; `None` after the last. A slot is not lost when the future is dropped.
    pub async fn next(&mut self) -> std::io::Result<Option<Slot>> {
        // Whoever cannot keep up with the schedule lets others in between all the same.
        tokio::task::coop::consume_budget().await;
        if self.next.is_none() {
            self.next = self.schedule.next();
        }
        let Some(slot) = self.next else { return Ok(None) };
        loop {
            let wait = (self.start + slot.after).saturating_duration_since(Instant::now());
            if wait.is_zero() {
                self.next = None;
                return Ok(Some(slot));
            }
            self.timer.set(Expiration::OneShot(TimeSpec::from(wait)), TimerSetTimeFlags::empty())?;
            // It tells how often it was time, eight bytes: a read that leaves no room would be tried again at once.
            if self.due.read(&mut [0; 16]).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
