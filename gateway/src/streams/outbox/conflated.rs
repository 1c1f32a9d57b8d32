//! How long a client has been behind, while its gateway ran.

use std::time::{Duration, Instant};

/// Between two events for a client that is behind no more time counts than this: a gateway that stood still itself does not take
/// its clients for slow.
const STANDSTILL_MAX: Duration = Duration::from_secs(5);

/// How long a client has been behind.
pub(super) struct Conflated {
    lasted: Duration,
    /// At the last event for it.
    at: Instant,
}

impl Conflated {
    /// It is behind from now on.
    pub(super) fn since(now: Instant) -> Conflated {
        Conflated { lasted: Duration::ZERO, at: now }
    }

    /// There is an event for it, and it still is behind: for how long by now.
    pub(super) fn lasts(&mut self, now: Instant) -> Duration {
        self.lasted += now.saturating_duration_since(self.at).min(STANDSTILL_MAX);
        self.at = now;
        self.lasted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standstill_of_the_gateway_makes_no_client_slow() {
        let second = Duration::from_secs(1);
        let mut at = Instant::now();
        let mut conflated = Conflated::since(at);
        for seconds in 1..=4 {
            at += second;
            assert_eq!(conflated.lasts(at), seconds * second);
        }
        at += 60 * second;
        assert_eq!(conflated.lasts(at), 9 * second);
        assert_eq!(conflated.lasts(at + second), 10 * second);
    }
}
