//! What the load shows while it runs: latencies, counts, and the longest silence.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;

use crate::api::ApiError;

#[cfg(test)]
mod tests;

/// The longest latency that is told apart, one hour.
const LATENCY_MAX_US: u64 = 3_600_000_000;

/// Counters and histograms of one run.
pub struct Measure {
    start: Instant,
    orders: Histogram<u64>,
    cancels: Histogram<u64>,
    /// Orders sent.
    pub offered: u64,
    /// Orders acknowledged.
    pub acked: u64,
    /// Orders refused, by code and text.
    pub rejects: BTreeMap<(i32, String), u64>,
    /// Cancels sent.
    pub cancels_offered: u64,
    /// Cancels acknowledged.
    pub canceled: u64,
    /// Cancels of orders that had ended before.
    pub cancels_too_late: u64,
    /// Cancels refused for another reason, or without an answer.
    pub cancels_failed: u64,
    /// Orders that had to be looked up or sent again.
    pub retried: u64,
    pauses: Pauses,
}

/// The greatest time without any answer while something waited for one.
#[derive(Debug)]
struct Pauses {
    outstanding: u64,
    /// Since when there has been no answer; `None` when nothing waits.
    silent_since: Option<Instant>,
    longest: Duration,
    longest_began: Option<Instant>,
    noted: Vec<Pause>,
}

/// Pauses shorter than this are not noted.
const NOTED_FROM: Duration = Duration::from_millis(2);
/// More are not kept: an hour of nothing but pauses.
const NOTED_MAX: usize = 1_000_000;

/// A time without any answer while something waited for one, or the wait of one order.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Pause {
    /// When it began, in milliseconds since 1970.
    pub began_ms: f64,
    /// How long it was, in milliseconds.
    pub ms: f64,
    /// Whether it is the wait of one order, which others may have ended before.
    pub is_wait: bool,
}

/// Percentiles of a latency in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: u64,
    /// 99 of 100 are faster.
    pub p99: u64,
    /// 999 of 1,000 are faster.
    pub p999: u64,
    /// The slowest.
    pub max: u64,
}

impl Measure {
    /// From now on.
    pub fn new(start: Instant) -> Measure {
        let histogram = || Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are legal");
        Measure {
            start,
            orders: histogram(),
            cancels: histogram(),
            offered: 0,
            acked: 0,
            rejects: BTreeMap::new(),
            cancels_offered: 0,
            canceled: 0,
            cancels_too_late: 0,
            cancels_failed: 0,
            retried: 0,
            pauses: Pauses {
                outstanding: 0,
                silent_since: None,
                longest: Duration::ZERO,
                longest_began: None,
                noted: Vec::new(),
            },
        }
    }

    /// A request has been handed to its connection.
    pub fn sent(&mut self, now: Instant) {
        self.pauses.sent(now);
    }

    /// The exchange has answered a request, however.
    pub fn answered(&mut self, now: Instant) {
        self.pauses.answered(now);
    }

    /// An order was sent at one time and answered at another.
    pub fn waited(&mut self, sent: Instant, now: Instant) {
        self.pauses.note(sent, now, true);
    }

    /// Every pause and every wait that was not short, in the order in which they ended.
    pub fn noted_pauses(&self) -> &[Pause] {
        &self.pauses.noted
    }

    /// An order was acknowledged.
    pub fn order_acked(&mut self, latency: Duration) {
        self.acked += 1;
        self.orders.saturating_record(latency.as_micros() as u64);
    }

    /// A cancel was acknowledged.
    pub fn cancel_acked(&mut self, latency: Duration) {
        self.canceled += 1;
        self.cancels.saturating_record(latency.as_micros() as u64);
    }

    /// An order was refused.
    pub fn order_rejected(&mut self, error: &ApiError) {
        let key = match error {
            ApiError::Refused { code, message, .. } => (*code, message.clone()),
            other => (0, other.to_string()),
        };
        *self.rejects.entry(key).or_default() += 1;
    }

    /// Orders refused in all.
    pub fn rejected(&self) -> u64 {
        self.rejects.values().sum()
    }

    /// Requests that wait for an answer.
    pub fn outstanding(&self) -> u64 {
        self.pauses.outstanding
    }

    /// Latency of acknowledged orders, from their planned time.
    pub fn order_latency(&self) -> Percentiles {
        percentiles(&self.orders)
    }

    /// Latency of acknowledged cancels, from their planned time.
    pub fn cancel_latency(&self) -> Percentiles {
        percentiles(&self.cancels)
    }

    /// The longest pause, and when in the run it began.
    pub fn longest_pause(&self) -> (Duration, Option<Duration>) {
        let began = self.pauses.longest_began.map(|began| began.saturating_duration_since(self.start));
        (self.pauses.longest, began)
    }
}

impl Pauses {
    fn note(&mut self, since: Instant, now: Instant, is_wait: bool) {
        let pause = now.saturating_duration_since(since);
        if pause >= NOTED_FROM && self.noted.len() < NOTED_MAX {
            let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3;
            let ms = pause.as_secs_f64() * 1e3;
            self.noted.push(Pause { began_ms: now_ms - ms, ms, is_wait });
        }
    }

    fn sent(&mut self, now: Instant) {
        self.outstanding += 1;
        self.silent_since.get_or_insert(now);
    }

    fn answered(&mut self, now: Instant) {
        self.outstanding = self.outstanding.saturating_sub(1);
        if let Some(since) = self.silent_since {
            self.note(since, now, false);
            let pause = now.saturating_duration_since(since);
            if pause > self.longest {
                (self.longest, self.longest_began) = (pause, Some(since));
            }
        }
        self.silent_since = (self.outstanding > 0).then_some(now);
    }
}

/// The usual ones of a histogram of microseconds.
pub fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    Percentiles {
        p50: histogram.value_at_quantile(0.5),
        p99: histogram.value_at_quantile(0.99),
        p999: histogram.value_at_quantile(0.999),
        max: histogram.max(),
    }
}
