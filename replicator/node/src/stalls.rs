//! A thread that was not run, or that something held up, for so long that its peers may have elected another leader: it is
//! counted and said, so that an election without a fault has its reason beside it.

use prometheus_client::metrics::counter::Counter;
use wire::Timestamp;

/// So long is a stall: the shortest election timeout.
pub const STALL_NS: u64 = 100_000_000;

/// Sees that cycles follow each other: a thread sleeps for a tick at most.
#[derive(Debug)]
pub struct StallWatch {
    thread: String,
    last: Option<Timestamp>,
    count: Counter,
}

impl StallWatch {
    /// Of this thread; what it counts goes to `count`.
    pub fn new(thread: String, count: Counter) -> StallWatch {
        StallWatch { thread, last: None, count }
    }

    /// A cycle begins.
    pub fn cycle(&mut self, now: Timestamp) {
        let stood_ns = self.last.replace(now).map_or(0, |last| now.nanos().saturating_sub(last.nanos()));
        if stood_ns >= STALL_NS {
            self.count.inc();
            tracing::warn!(thread = %self.thread, stood_ms = stood_ns / 1_000_000, "STALL: the thread stood still");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_that_begins_100_ms_after_the_last_is_a_stall_and_one_before_is_none() {
        let count = Counter::default();
        let mut watch = StallWatch::new("net".to_owned(), count.clone());
        let at = |ns| Timestamp::from_nanos(1_000 + ns);
        watch.cycle(at(0));
        watch.cycle(at(STALL_NS - 1));
        assert_eq!(count.get(), 0);
        watch.cycle(at(2 * STALL_NS - 1));
        assert_eq!(count.get(), 1);
        watch.cycle(at(2 * STALL_NS));
        assert_eq!(count.get(), 1);
    }
}
