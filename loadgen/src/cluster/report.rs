//! What a closed loop measured, for people and as JSON.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::failures::{Failures, Kind};
use crate::run::{Percentiles, percentiles};

/// The longest time that is told apart, a minute, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// Times while it runs.
pub struct Timings {
    replies: Histogram<u64>,
    outcomes: Histogram<u64>,
    /// Orders that were refused.
    pub rejected: u64,
    /// Orders without an answer.
    pub failed: u64,
    /// Why, of either.
    pub failures: Failures,
}

/// The results. Scripts read them.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Orders that waited for their outcome at any time.
    pub outstanding: usize,
    /// Orders sent in all.
    pub sent: u64,
    /// Orders whose outcome came in the measured time, per second.
    pub orders_per_s: f64,
    /// From sending to the outcome's event, in microseconds.
    pub outcome_us: Percentiles,
    /// From sending to the reply, in microseconds.
    pub reply_us: Percentiles,
    /// Orders that were refused.
    pub rejected: u64,
    /// Orders without an answer or an outcome.
    pub failed: u64,
    /// Why, of either.
    pub failures: Vec<Kind>,
}

impl Default for Timings {
    fn default() -> Self {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are legal");
        Timings { replies: histogram(), outcomes: histogram(), rejected: 0, failed: 0, failures: Failures::default() }
    }
}

impl Timings {
    /// A reply came.
    pub fn replied(&mut self, took: Duration) {
        self.replies.saturating_record(took.as_micros() as u64);
    }

    /// An outcome came.
    pub fn ended(&mut self, took: Duration) {
        self.outcomes.saturating_record(took.as_micros() as u64);
    }

    /// Sums up what was seen in `measured`.
    pub fn report(self, outstanding: usize, sent: u64, measured: Duration) -> Report {
        Report {
            outstanding,
            sent,
            orders_per_s: self.outcomes.len() as f64 / measured.as_secs_f64().max(f64::EPSILON),
            outcome_us: percentiles(&self.outcomes),
            reply_us: percentiles(&self.replies),
            rejected: self.rejected,
            failed: self.failed,
            failures: self.failures.kinds(),
        }
    }
}

impl Report {
    /// Writes the results as JSON.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        std::fs::write(path, text)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: u64| us as f64 / 1_000.0;
        let line =
            |p: &Percentiles| format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", ms(p.p50), ms(p.p99), ms(p.max));
        writeln!(
            f,
            "orders     {} sent, {} outstanding, {} rejected, {} without an answer",
            self.sent, self.outstanding, self.rejected, self.failed
        )?;
        for Kind { why, count } in &self.failures {
            writeln!(f, "{:<10} {count}: {why}", "")?;
        }
        if self.outcome_us.max == 0 {
            return write!(f, "throughput nothing was measured: no order had its outcome in the measured time");
        }
        writeln!(f, "throughput {:.0} outcomes a second", self.orders_per_s)?;
        writeln!(f, "outcome    {}", line(&self.outcome_us))?;
        write!(f, "reply      {}", line(&self.reply_us))
    }
}
