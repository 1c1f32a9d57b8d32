//! When a market changes its phase by itself: the same every week, in UTC, by log time.

use crate::{MarketStatus, Timestamp};

const SECOND_NS: u64 = 1_000_000_000;
const DAY_S: u64 = 86_400;

/// One step of a schedule, on some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleStep {
    /// Bit 0 is Monday, bit 6 Sunday; 0 marks an unused step.
    pub weekdays: u8,
    /// Seconds after midnight UTC, below 86,400.
    pub second: u32,
    /// The phase that begins then.
    pub status: MarketStatus,
}

impl ScheduleStep {
    /// No step.
    pub const UNUSED: ScheduleStep = ScheduleStep { weekdays: 0, second: 0, status: MarketStatus::Closed };

    /// When it begins on a day, counted from 1970-01-01; `None` when the day is not one of its days.
    fn on_day(&self, day: u64) -> Option<Timestamp> {
        // 1970-01-01 was a Thursday.
        let weekday = (day + 3) % 7;
        if self.weekdays >> weekday & 1 == 0 {
            return None;
        }
        let second = day.checked_mul(DAY_S)?.checked_add(u64::from(self.second))?;
        second.checked_mul(SECOND_NS).map(Timestamp::from_nanos)
    }
}

/// Up to eight steps, repeated every week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketSchedule {
    /// In any order; unused ones are [`ScheduleStep::UNUSED`].
    pub steps: [ScheduleStep; MarketSchedule::STEPS_MAX],
}

impl MarketSchedule {
    /// The most steps.
    pub const STEPS_MAX: usize = 8;
    /// No steps: operators alone change the phase.
    pub const EMPTY: MarketSchedule = MarketSchedule { steps: [ScheduleStep::UNUSED; MarketSchedule::STEPS_MAX] };

    /// Whether it can be followed: known weekdays, seconds of a day, no phase that only operators enter, and never two
    /// steps at the same moment.
    pub fn is_consistent(&self) -> bool {
        let clash = |a: &ScheduleStep, b: &ScheduleStep| a.second == b.second && a.weekdays & b.weekdays != 0;
        self.steps.iter().enumerate().all(|(at, step)| {
            (step.weekdays == 0 && *step == ScheduleStep::UNUSED)
                || ((1..128).contains(&step.weekdays)
                    && u64::from(step.second) < DAY_S
                    && !matches!(step.status, MarketStatus::Halted | MarketStatus::Delisted)
                    && !self.steps[..at].iter().any(|other| clash(step, other)))
        })
    }

    /// The first step after `time`, and when it begins.
    pub fn next_after(&self, time: Timestamp) -> Option<(Timestamp, MarketStatus)> {
        let today = time.nanos() / SECOND_NS / DAY_S;
        let begins = (today..=today + 7).flat_map(|day| self.on_day(day));
        begins.filter(|(at, _)| *at > time).min_by_key(|(at, _)| *at)
    }

    /// The last step at or before `time`, and when it began.
    pub fn last_until(&self, time: Timestamp) -> Option<(Timestamp, MarketStatus)> {
        let today = time.nanos() / SECOND_NS / DAY_S;
        let begins = (today.saturating_sub(7)..=today).flat_map(|day| self.on_day(day));
        begins.filter(|(at, _)| *at <= time).max_by_key(|(at, _)| *at)
    }

    fn on_day(&self, day: u64) -> impl Iterator<Item = (Timestamp, MarketStatus)> {
        self.steps.iter().filter_map(move |step| Some((step.on_day(day)?, step.status)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 6 January 2025, 00:00 UTC.
    const MONDAY_S: u64 = 20_094 * DAY_S;

    fn schedule(steps: &[(u8, u32, MarketStatus)]) -> MarketSchedule {
        let mut schedule = MarketSchedule::EMPTY;
        for (step, (weekdays, second, status)) in schedule.steps.iter_mut().zip(steps) {
            *step = ScheduleStep { weekdays: *weekdays, second: *second, status: *status };
        }
        schedule
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_nanos(second * SECOND_NS)
    }

    #[test]
    fn steps_come_round_every_week_on_their_days() {
        let (open, close) = (MarketStatus::Trading, MarketStatus::Closed);
        // Monday to Friday from nine to five.
        let week = schedule(&[(0b001_1111, 9 * 3_600, open), (0b001_1111, 17 * 3_600, close)]);
        assert!(week.is_consistent());
        let monday_open = MONDAY_S + 9 * 3_600;
        assert_eq!(week.next_after(at(MONDAY_S)), Some((at(monday_open), open)));
        assert_eq!(week.last_until(at(monday_open)), Some((at(monday_open), open)));
        assert_eq!(week.next_after(at(monday_open)), Some((at(MONDAY_S + 17 * 3_600), close)));
        let friday_close = MONDAY_S + 4 * DAY_S + 17 * 3_600;
        assert_eq!(week.last_until(at(MONDAY_S + 6 * DAY_S)), Some((at(friday_close), close)));
        assert_eq!(week.next_after(at(friday_close)), Some((at(monday_open + 7 * DAY_S), open)));

        let sunday = schedule(&[(0b100_0000, 0, open)]);
        let sundays = [MONDAY_S - DAY_S, MONDAY_S + 6 * DAY_S];
        assert_eq!(sunday.last_until(at(MONDAY_S)), Some((at(sundays[0]), open)));
        assert_eq!(sunday.next_after(at(sundays[0])), Some((at(sundays[1]), open)));
        assert_eq!(sunday.last_until(Timestamp::from_nanos(sundays[1] * SECOND_NS - 1)), Some((at(sundays[0]), open)));
    }

    #[test]
    fn times_at_both_ends_are_answered() {
        let daily = schedule(&[(127, 86_399, MarketStatus::Closed)]);
        assert_eq!(daily.last_until(Timestamp::ZERO), None);
        assert_eq!(daily.next_after(Timestamp::ZERO), Some((at(86_399), MarketStatus::Closed)));
        assert_eq!(daily.next_after(Timestamp::from_nanos(u64::MAX)), None);
        assert_eq!(MarketSchedule::EMPTY.next_after(Timestamp::ZERO), None);
        assert_eq!(MarketSchedule::EMPTY.last_until(Timestamp::from_nanos(u64::MAX)), None);
    }

    #[test]
    fn schedules_that_contradict_themselves_are_not_consistent() {
        let (open, close) = (MarketStatus::Trading, MarketStatus::Closed);
        assert!(MarketSchedule::EMPTY.is_consistent());
        assert!(schedule(&[(127, 86_399, open), (127, 86_398, close)]).is_consistent());
        assert!(schedule(&[(1, 0, open), (2, 0, close)]).is_consistent());
        for bad in [
            &[(128, 0, open)][..],
            &[(127, 86_400, open)],
            &[(127, 0, MarketStatus::Halted)],
            &[(127, 0, MarketStatus::Delisted)],
            &[(0, 1, MarketStatus::Closed)],
            &[(3, 0, open), (2, 0, close)],
        ] {
            assert!(!schedule(bad).is_consistent(), "{bad:?}");
        }
    }
}
