//! Intervals by the clock of a time zone: a day there begins when it is midnight there.

use super::interval::Interval;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// How far a clock is ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Zone {
    ahead_ms: i64,
}

impl Zone {
    /// The zone of the streams `kline_..@+08:00`.
    pub const EIGHT: Zone = Zone { ahead_ms: 8 * HOUR_MS };
    const MIN: i64 = -12 * HOUR_MS;
    const MAX: i64 = 14 * HOUR_MS;

    /// Reads hours (`8`, `-3`) or hours and minutes (`+08:00`, `5:45`), from -12:00 to +14:00.
    pub fn from_name(name: &str) -> Option<Zone> {
        let (sign, clock) = match name.split_at_checked(1)? {
            ("-", clock) => (-1, clock),
            ("+", clock) => (1, clock),
            _ => (1, name),
        };
        let (hours, minutes) = clock.split_once(':').unwrap_or((clock, "00"));
        let number = |text: &str, lengths: &[usize]| {
            let is_plain = lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<i64>().ok().filter(|_| is_plain)
        };
        let (hours, minutes) = (number(hours, &[1, 2])?, number(minutes, &[2]).filter(|minutes| *minutes < 60)?);
        let ahead_ms = sign * (hours * HOUR_MS + minutes * MINUTE_MS);
        (Zone::MIN..=Zone::MAX).contains(&ahead_ms).then_some(Zone { ahead_ms })
    }

    fn local(self, at_ms: u64) -> u64 {
        at_ms.saturating_add_signed(self.ahead_ms)
    }

    fn utc(self, local_ms: u64) -> u64 {
        local_ms.saturating_add_signed(-self.ahead_ms)
    }
}

/// An interval by the clock of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// How long.
    pub interval: Interval,
    /// By which clock.
    pub zone: Zone,
}

impl From<Interval> for Span {
    fn from(interval: Interval) -> Span {
        Span { interval, zone: Zone::default() }
    }
}

impl Span {
    /// When the interval that `at_ms` lies in began.
    pub fn start_of(self, at_ms: u64) -> u64 {
        // Zones behind UTC begin before the epoch.
        self.zone.utc(self.interval.start_of(self.zone.local(at_ms))).min(at_ms)
    }

    /// When the interval that began at `start_ms` ends and the next one begins.
    pub fn next(self, start_ms: u64) -> u64 {
        self.zone.utc(self.interval.next(self.zone.local(start_ms)))
    }

    /// When the interval before the one that began at `start_ms` began; none lies before the epoch.
    pub fn previous(self, start_ms: u64) -> Option<u64> {
        let previous = self.interval.previous(self.zone.local(start_ms))?;
        Some(self.zone.utc(previous)).filter(|previous| *previous < start_ms)
    }

    /// The interval of UTC that these are made of: themselves where their clock strikes with that of UTC.
    pub fn parts(self) -> Interval {
        let strikes = |interval: &Interval| {
            let length = interval.length_ms().and_then(|length| i64::try_from(length).ok());
            length.is_some_and(|length| self.zone.ahead_ms % length == 0)
        };
        if self.zone == Zone::default() || strikes(&self.interval) {
            return self.interval;
        }
        let parts = [Interval::Hour, Interval::Minutes30, Interval::Minutes15];
        parts.into_iter().find(strikes).unwrap_or(Interval::Minute)
    }
}

#[cfg(test)]
mod tests;
