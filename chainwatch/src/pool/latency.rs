//! How long a node takes to answer: the last answers, and their p90.

use std::time::Duration;

/// How many answers are remembered.
const REMEMBERED: usize = 64;
/// With fewer answers than this nothing is known.
const ENOUGH: usize = 8;

/// The last answers of one node.
#[derive(Debug, Clone, Default)]
pub(super) struct Latency {
    last: Vec<Duration>,
    next: usize,
}

impl Latency {
    pub(super) fn record(&mut self, took: Duration) {
        if self.last.len() < REMEMBERED {
            self.last.push(took);
        } else {
            self.last[self.next] = took;
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// Nine of ten answers took no longer. `None` while too few are known.
    pub(super) fn p90(&self) -> Option<Duration> {
        if self.last.len() < ENOUGH {
            return None;
        }
        let mut sorted = self.last.clone();
        let at = sorted.len() * 9 / 10;
        let (_, p90, _) = sorted.select_nth_unstable(at.min(self.last.len() - 1));
        Some(*p90)
    }

    /// What came before an outage says nothing about what comes after.
    pub(super) fn forget(&mut self) {
        *self = Latency::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p90_is_of_the_last_answers_only() {
        let mut latency = Latency::default();
        for _ in 0..ENOUGH - 1 {
            latency.record(Duration::from_millis(900));
        }
        assert_eq!(latency.p90(), None);
        for millis in 1..=REMEMBERED as u64 {
            latency.record(Duration::from_millis(millis));
        }
        assert_eq!(latency.p90(), Some(Duration::from_millis(58)));
    }
}
