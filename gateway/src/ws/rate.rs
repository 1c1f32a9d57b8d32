//! How many messages a client may send: so many at once, and then so many a second.

use std::time::Instant;

/// A bucket of messages that fills again with time.
#[derive(Debug)]
pub struct Allowance {
    burst: u32,
    per_second: u32,
    left: f64,
    at: Instant,
}

impl Allowance {
    /// Full.
    pub fn new(burst: u32, per_second: u32, now: Instant) -> Allowance {
        Allowance { burst, per_second, left: f64::from(burst), at: now }
    }

    /// Takes one message's share; `false` when there is none left.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.left = (self.left + passed * f64::from(self.per_second)).min(f64::from(self.burst));
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let start = Instant::now();
        let mut allowance = Allowance::new(3, 10, start);
        assert_eq!((0..5).filter(|_| allowance.take(start)).count(), 3);
        assert!(allowance.take(start + Duration::from_millis(100)));
        assert!(!allowance.take(start + Duration::from_millis(100)));
        assert_eq!((0..9).filter(|_| allowance.take(start + Duration::from_secs(60))).count(), 3);
    }
}
