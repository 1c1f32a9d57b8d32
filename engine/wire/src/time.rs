//! Log time.

/// Nanoseconds since 1970-01-01 UTC, stamped by the leader's sequencer; never runs backwards in one log.
/// Nothing downstream of the sequencer reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The start of the epoch, before any entry.
    pub const ZERO: Timestamp = Timestamp(0);
    /// The end of time: when something is due that is not.
    pub const NEVER: Timestamp = Timestamp(u64::MAX);

    /// From nanoseconds since the Unix epoch.
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Timestamp {
        Timestamp(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    #[inline]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch, as the client APIs print time.
    #[inline]
    pub const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Later by `nanos`; stays at the end of time instead of wrapping.
    #[inline]
    pub const fn plus_nanos(self, nanos: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(nanos))
    }
}
