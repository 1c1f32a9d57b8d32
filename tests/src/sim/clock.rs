//! Time: the world's, which nobody knows, and what each node's clock makes of it.

use std::time::{Duration, Instant};

use wire::Timestamp;

/// A moment of the world, in nanoseconds since its beginning.
pub type Moment = u64;

/// A millisecond.
pub const MS: u64 = 1_000_000;
/// A second.
pub const SECOND: u64 = 1_000 * MS;

/// When the world begins, as a clock without fault would say.
const EPOCH_NS: u64 = 1_700_000_000 * SECOND;

/// The wall clock of who has one without fault, in microseconds.
pub fn wall_us(now: Moment) -> u64 {
    (EPOCH_NS + now) / 1_000
}

/// The clock of one process. It never runs backwards while the process lives, as production's does not.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// What it said at `since`.
    base: u64,
    since: Moment,
    /// Parts per million that it is too fast; negative when too slow.
    drift_ppm: i64,
}

impl Clock {
    /// A process starts; its wall clock is `offset_ns` off.
    pub fn start(now: Moment, offset_ns: i64, drift_ppm: i64) -> Clock {
        let base = (EPOCH_NS + now).saturating_add_signed(offset_ns);
        Clock { base, since: now, drift_ppm }
    }

    /// What it says.
    pub fn at(&self, now: Moment) -> Timestamp {
        let elapsed = now - self.since;
        let drift = (elapsed as i128 * i128::from(self.drift_ppm) / 1_000_000) as i64;
        Timestamp::from_nanos((self.base + elapsed).saturating_add_signed(drift))
    }

    /// It jumps forward, as the clock of a machine that was suspended does.
    pub fn jump(&mut self, now: Moment, by_ns: u64) {
        self.base = self.at(now).nanos() + by_ns;
        self.since = now;
    }

    /// When it will say `at`, about.
    pub fn moment_of(&self, at: Timestamp, now: Moment) -> Moment {
        now + at.nanos().saturating_sub(self.at(now).nanos())
    }
}

/// The world's time as the clients' code wants it.
#[derive(Debug, Clone, Copy)]
pub struct Instants(Instant);

impl Instants {
    /// One per world; only differences between its instants are ever looked at.
    pub fn begin() -> Instants {
        Instants(Instant::now())
    }

    /// A moment as an instant.
    pub fn at(self, now: Moment) -> Instant {
        self.0 + Duration::from_nanos(now)
    }

    /// An instant as a moment.
    pub fn moment(self, at: Instant) -> Moment {
        at.saturating_duration_since(self.0).as_nanos() as Moment
    }
}
