//! How many requests a node may get: a bucket that fills at its rate, and pauses that the node asks for.

use std::time::{Duration, Instant};

/// The first and the longest pause after a node said that it gets too much.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// One node's budget.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled_at: Instant,
    paused_until: Option<Instant>,
    pause: Duration,
}

impl Budget {
    pub(super) fn new(rate: u32, burst: u32, now: Instant) -> Budget {
        let burst = f64::from(burst.max(1));
        Budget { rate: f64::from(rate), burst, tokens: burst, filled_at: now, paused_until: None, pause: PAUSE.0 }
    }

    /// Takes `count` at once, if there are so many.
    pub(super) fn take(&mut self, count: usize, now: Instant) -> bool {
        let is_enough = self.has_room(now) && self.tokens >= count as f64;
        if is_enough {
            self.tokens -= count as f64;
        }
        is_enough
    }

    /// Whether one more request may be sent now.
    pub(super) fn has_room(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.rate).min(self.burst);
        self.filled_at = now;
        self.paused_until.is_none_or(|until| now >= until) && self.tokens >= 1.0
    }

    /// One request is sent. What must be asked in any case may leave less than nothing, which others then wait for.
    pub(super) fn spend(&mut self) {
        self.tokens = (self.tokens - 1.0).max(-self.burst);
    }

    /// Whether the node has asked to be left alone.
    pub(super) fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }

    /// The node said that it gets too much; each time in a row it is left alone for twice as long.
    pub(super) fn pause(&mut self, now: Instant) {
        self.paused_until = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE.1);
    }

    /// The node answered.
    pub(super) fn resume(&mut self, now: Instant) {
        if self.paused_until.is_some_and(|until| now >= until) {
            self.paused_until = None;
            self.pause = PAUSE.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_and_fills_again() {
        let start = Instant::now();
        let mut budget = Budget::new(10, 2, start);
        for _ in 0..2 {
            assert!(budget.has_room(start));
            budget.spend();
        }
        assert!(!budget.has_room(start));
        assert!(budget.has_room(start + Duration::from_millis(100)));
    }

    #[test]
    fn every_too_many_in_a_row_doubles_the_pause() {
        let start = Instant::now();
        let mut budget = Budget::new(1_000, 1_000, start);
        budget.pause(start);
        assert!(!budget.has_room(start + Duration::from_millis(249)));
        let then = start + Duration::from_millis(250);
        assert!(budget.has_room(then));
        budget.pause(then);
        assert!(!budget.has_room(then + Duration::from_millis(499)));
        budget.resume(then + Duration::from_millis(500));
        budget.pause(then + Duration::from_millis(500));
        assert!(budget.has_room(then + Duration::from_millis(750)));
    }
}
