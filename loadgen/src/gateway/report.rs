//! What was measured, and how it is told.

use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{End, Way};
use crate::failures::{Failure, Failures};
use crate::run::{Percentiles, percentiles};

/// The longest time that is told apart, a minute, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// What one way took.
pub struct Taken {
    times: Histogram<u64>,
    pub failures: Failures,
}

impl Default for Taken {
    fn default() -> Taken {
        let times = Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are legal");
        Taken { times, failures: Failures::default() }
    }
}

impl Taken {
    /// An order of this way has its outcome; how long that took, if it is to be counted.
    pub fn succeeded(&mut self, took: Option<Duration>) {
        self.failures.succeeded();
        if let Some(took) = took {
            self.times.saturating_record(took.as_micros() as u64);
        }
    }

    /// Whether this failure of one of its orders, which is counted already, is the end of it all.
    pub fn end(&self, failure: Failure, now: Instant) -> Option<End> {
        end(&self.failures, failure, now)
    }
}

/// Whether a failure, which is counted already, is the end of it all.
pub fn end(failures: &Failures, failure: Failure, now: Instant) -> Option<End> {
    match failure {
        Failure::Api(error) if error.is_limit() => Some(End::Limit(error)),
        failure if failures.are_all(now) => Some(End::Hopeless(failure)),
        _ => None,
    }
}

/// What was taken, by way.
#[derive(Default)]
pub struct Measured {
    pub nodes: Taken,
    pub web_socket: Taken,
    pub rest: Taken,
}

impl Measured {
    /// By this way.
    pub fn of(&mut self, way: Way) -> &mut Taken {
        match way {
            Way::Nodes => &mut self.nodes,
            Way::WebSocket => &mut self.web_socket,
            Way::Rest => &mut self.rest,
        }
    }

    /// Orders without an outcome.
    pub fn failed(&self) -> u64 {
        [&self.nodes, &self.web_socket, &self.rest].iter().map(|taken| taken.failures.count()).sum()
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = (!self.nodes.times.is_empty()).then(|| percentiles(&self.nodes.times));
        for (name, taken) in [("nodes", &self.nodes), ("WebSocket", &self.web_socket), ("REST", &self.rest)] {
            write!(f, "{name:<10} {:>7} orders, {} failed: ", taken.times.len(), taken.failures.count())?;
            if taken.times.is_empty() {
                writeln!(f, "nothing was measured")?;
            } else {
                let Percentiles { p50, p99, p999, max } = percentiles(&taken.times);
                write!(f, "p50 {p50} us, p99 {p99} us, p99.9 {p999} us, max {max} us")?;
                let more = |here: u64, there: u64| here as i64 - there as i64;
                match &base {
                    Some(base) if name != "nodes" => {
                        writeln!(f, "; adds {:+} us p50, {:+} us p99", more(p50, base.p50), more(p99, base.p99))?;
                    }
                    _ => writeln!(f)?,
                }
            }
            write!(f, "{}", taken.failures)?;
        }
        Ok(())
    }
}

/// As many orders as one gateway takes.
#[derive(Default)]
pub struct Most {
    answered: u64,
    pub failures: Failures,
    /// From the first order to the last answer.
    pub took: Duration,
    /// What the gateway's process spent meanwhile, where it is of this machine.
    pub cpu: Option<Duration>,
    /// Whether there were as many orders as an address may send in a minute.
    pub is_cut_short: bool,
}

impl Most {
    /// An order was taken.
    pub fn succeeded(&mut self) {
        self.failures.succeeded();
        self.answered += 1;
    }
}

impl fmt::Display for Most {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Most { answered, failures, took, cpu, is_cut_short } = self;
        let seconds = took.as_secs_f64();
        write!(f, "most       {answered} orders in {seconds:.1} s, {} failed", failures.count())?;
        if *answered > 0 {
            write!(f, ": {:.0} a second", *answered as f64 / seconds.max(f64::EPSILON))?;
            if let Some(cpu) = cpu {
                write!(f, "; {:.0} us of the gateway's CPU an order", cpu.as_secs_f64() * 1e6 / *answered as f64)?;
            }
        }
        writeln!(f)?;
        if *is_cut_short {
            writeln!(f, "{:<10} ended early: an address may not send more orders in a minute", "")?;
        }
        write!(f, "{failures}")
    }
}
