//! The one place of a node that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wire::Timestamp;

/// The time since the Unix epoch as it was at start, moved on by the monotone clock: it never runs
/// backwards when somebody sets the time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    start_nanos: u64,
}

impl Clock {
    /// Reads the wall clock once.
    pub fn start() -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { start: Instant::now(), start_nanos: since_epoch.as_nanos() as u64 }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.start_nanos + self.start.elapsed().as_nanos() as u64)
    }
}
