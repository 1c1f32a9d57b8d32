//! Kline intervals and the calendar they follow. All UTC; weeks start on Monday, months on the first.

/// The length of a kline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Interval {
    /// `1s`
    Second,
    /// `1m`
    Minute,
    /// `3m`
    Minutes3,
    /// `5m`
    Minutes5,
    /// `15m`
    Minutes15,
    /// `30m`
    Minutes30,
    /// `1h`
    Hour,
    /// `2h`
    Hours2,
    /// `4h`
    Hours4,
    /// `6h`
    Hours6,
    /// `8h`
    Hours8,
    /// `12h`
    Hours12,
    /// `1d`
    Day,
    /// `3d`, counted from 1970-01-01
    Days3,
    /// `1w`
    Week,
    /// `1M`
    Month,
}

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const WEEK_MS: u64 = 7 * DAY_MS;
/// 1970-01-05 was the first Monday of the epoch.
const FIRST_MONDAY_MS: u64 = 4 * DAY_MS;

impl Interval {
    /// Every interval, shortest first.
    pub const ALL: [Interval; 16] = [
        Interval::Second,
        Interval::Minute,
        Interval::Minutes3,
        Interval::Minutes5,
        Interval::Minutes15,
        Interval::Minutes30,
        Interval::Hour,
        Interval::Hours2,
        Interval::Hours4,
        Interval::Hours6,
        Interval::Hours8,
        Interval::Hours12,
        Interval::Day,
        Interval::Days3,
        Interval::Week,
        Interval::Month,
    ];

    /// The name that clients use.
    pub const fn name(self) -> &'static str {
        match self {
            Interval::Second => "1s",
            Interval::Minute => "1m",
            Interval::Minutes3 => "3m",
            Interval::Minutes5 => "5m",
            Interval::Minutes15 => "15m",
            Interval::Minutes30 => "30m",
            Interval::Hour => "1h",
            Interval::Hours2 => "2h",
            Interval::Hours4 => "4h",
            Interval::Hours6 => "6h",
            Interval::Hours8 => "8h",
            Interval::Hours12 => "12h",
            Interval::Day => "1d",
            Interval::Days3 => "3d",
            Interval::Week => "1w",
            Interval::Month => "1M",
        }
    }

    /// The interval of this name.
    pub fn from_name(name: &str) -> Option<Interval> {
        Interval::ALL.into_iter().find(|interval| interval.name() == name)
    }

    /// Its place in [`Interval::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its length; months differ.
    pub const fn length_ms(self) -> Option<u64> {
        Some(match self {
            Interval::Second => SECOND_MS,
            Interval::Minute => MINUTE_MS,
            Interval::Minutes3 => 3 * MINUTE_MS,
            Interval::Minutes5 => 5 * MINUTE_MS,
            Interval::Minutes15 => 15 * MINUTE_MS,
            Interval::Minutes30 => 30 * MINUTE_MS,
            Interval::Hour => HOUR_MS,
            Interval::Hours2 => 2 * HOUR_MS,
            Interval::Hours4 => 4 * HOUR_MS,
            Interval::Hours6 => 6 * HOUR_MS,
            Interval::Hours8 => 8 * HOUR_MS,
            Interval::Hours12 => 12 * HOUR_MS,
            Interval::Day => DAY_MS,
            Interval::Days3 => 3 * DAY_MS,
            Interval::Week => WEEK_MS,
            Interval::Month => return None,
        })
    }

    /// When the interval that `at_ms` lies in began.
    pub fn start_of(self, at_ms: u64) -> u64 {
        match self.length_ms() {
            Some(WEEK_MS) if at_ms < FIRST_MONDAY_MS => 0,
            Some(WEEK_MS) => at_ms - (at_ms - FIRST_MONDAY_MS) % WEEK_MS,
            Some(length) => at_ms - at_ms % length,
            None => {
                let (year, month) = month_of(at_ms / DAY_MS);
                days_before(year, month) * DAY_MS
            }
        }
    }

    /// When the interval that began at `start_ms` ends and the next one begins.
    pub fn next(self, start_ms: u64) -> u64 {
        match self.length_ms() {
            Some(WEEK_MS) if start_ms < FIRST_MONDAY_MS => FIRST_MONDAY_MS,
            Some(length) => start_ms.saturating_add(length),
            None => {
                let (year, month) = month_of(start_ms / DAY_MS);
                let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                days_before(year, month).saturating_mul(DAY_MS)
            }
        }
    }

    /// When the interval before the one that began at `start_ms` began; none lies before the epoch.
    pub fn previous(self, start_ms: u64) -> Option<u64> {
        Some(self.start_of(start_ms.checked_sub(1)?))
    }
}

/// Year and month (1 to 12) of a day since the epoch. The civil calendar's arithmetic in eras of 400
/// years that begin on the first of March.
fn month_of(day: u64) -> (u64, u64) {
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month)
}

/// `2026-11-21 16:20:09`, UTC.
pub fn date_text(at_ms: u64) -> String {
    let day = at_ms / DAY_MS;
    let (year, month) = month_of(day);
    let day_of_month = day - days_before(year, month) + 1;
    let second = at_ms % DAY_MS / 1_000;
    let (hours, minutes, seconds) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day_of_month:02} {hours:02}:{minutes:02}:{seconds:02}")
}

/// Days from the epoch to the first day of a month.
fn days_before(year: u64, month: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let year_of_era = year % 400;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * march_month + 2) / 5;
    year / 400 * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_have_their_lengths_in_leap_years_too() {
        let start = |year, month| days_before(year, month) * DAY_MS;
        assert_eq!(start(1970, 1), 0);
        assert_eq!(start(2024, 3) - start(2024, 2), 29 * DAY_MS);
        assert_eq!(start(2023, 3) - start(2023, 2), 28 * DAY_MS);
        assert_eq!(start(2100, 3) - start(2100, 2), 28 * DAY_MS);
        assert_eq!(start(2026, 11), 1_793_491_200_000);
        for month in 1..=12 {
            let first = start(2024, month);
            assert_eq!(Interval::Month.start_of(first), first);
            assert_eq!(Interval::Month.start_of(Interval::Month.next(first) - 1), first);
            assert_eq!(Interval::Month.previous(Interval::Month.next(first)), Some(first));
        }
    }

    #[test]
    fn weeks_start_on_monday() {
        // 2026-11-21 is a Saturday.
        let saturday = days_before(2026, 11) * DAY_MS + 20 * DAY_MS + 7 * HOUR_MS;
        assert_eq!(Interval::Week.start_of(saturday), days_before(2026, 11) * DAY_MS + 15 * DAY_MS);
    }

    #[test]
    fn every_instant_lies_in_exactly_one_interval() {
        for interval in Interval::ALL {
            for at in [0, 1, 999, 59_999, 1_723_161_600_123, 1_793_491_200_000, 1_793_491_199_999] {
                let start = interval.start_of(at);
                assert!(start <= at && at < interval.next(start), "{} at {at}", interval.name());
                assert_eq!(interval.start_of(start), start, "{} at {at}", interval.name());
            }
            // As late as a client can ask for.
            assert!(interval.next(interval.start_of(u64::MAX)) >= interval.start_of(u64::MAX));
            assert_eq!(Interval::from_name(interval.name()), Some(interval));
            assert_eq!(Interval::ALL[interval.index()], interval);
        }
        assert_eq!(Interval::from_name("7m"), None);
    }
}
