//! How operators write durations, shares and schedules on the command line.

use wire::{MarketSchedule, MarketStatus, ScheduleStep, decimal};

const SECOND_NS: u64 = 1_000_000_000;

/// `90s`, `5m`, `2h` or `500ms`, in nanoseconds.
pub fn duration_ns(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit_ns = match unit {
        "ms" => SECOND_NS / 1_000,
        "s" => SECOND_NS,
        "m" => 60 * SECOND_NS,
        "h" => 3_600 * SECOND_NS,
        "d" => 86_400 * SECOND_NS,
        _ => return Err("a duration is a whole number and one of ms, s, m, h, d: 90s".into()),
    };
    let number: u64 = number.parse().map_err(|_| "a duration begins with a whole number: 90s")?;
    number.checked_mul(unit_ns).ok_or_else(|| "the duration is too long".into())
}

/// How long an auction may last.
pub fn auction_ns(text: &str) -> Result<u64, String> {
    let ns = duration_ns(text)?;
    if ns == 0 {
        return Err("an auction in which nobody can order has no price: give it some time, 30s".into());
    }
    if ns > 7 * 86_400 * SECOND_NS {
        return Err("an auction lasts a week at most".into());
    }
    Ok(ns)
}

/// A duration as it is written.
pub fn show_duration(ns: u64) -> String {
    let units = [(86_400 * SECOND_NS, "d"), (3_600 * SECOND_NS, "h"), (60 * SECOND_NS, "m"), (SECOND_NS, "s")];
    match units.iter().find(|(unit_ns, _)| ns > 0 && ns.is_multiple_of(*unit_ns)) {
        Some((unit_ns, unit)) => format!("{}{unit}", ns / unit_ns),
        None => format!("{}ms", ns / 1_000_000),
    }
}

/// `2.5%` or `0`, in parts per million.
pub fn percent_ppm(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    units(number, 4, "a share is a percentage with up to four decimals: 2.5%")
}

/// `1.05` or `0`, in parts per million.
pub fn multiplier_ppm(text: &str) -> Result<u32, String> {
    units(text, 6, "a multiplier is a number with up to six decimals: 1.05")
}

fn units(text: &str, decimals: u8, what: &str) -> Result<u32, String> {
    let units = decimal::parse(text, decimals).map_err(|_| what.to_owned())?;
    u32::try_from(units).map_err(|_| "the number is too large".into())
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `mon-fri 09:00 auction`, `sat,sun 12:30:15 closed` or `daily 00:00 trading`; the days come first, times are UTC.
pub fn schedule_step(text: &str) -> Result<ScheduleStep, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [days, time, phase] = words[..] else {
        return Err("a step is days, a time (UTC) and a phase: 'mon-fri 09:00 auction'".into());
    };
    let status = phases().find(|(name, _)| *name == phase).map(|(_, status)| status);
    let status = status.ok_or_else(|| format!("{phase} is not a phase; one of {}", names()))?;
    Ok(ScheduleStep { weekdays: weekdays(days)?, second: second_of_day(time)?, status })
}

fn weekdays(text: &str) -> Result<u8, String> {
    if text == "daily" {
        return Ok(127);
    }
    let day = |name: &str| {
        DAYS.iter()
            .position(|day| *day == name)
            .ok_or_else(|| format!("{name} is not a day; one of {}", DAYS.join(", ")))
    };
    text.split(',').try_fold(0, |days, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        if first > last {
            return Err(format!("{part} does not go forward in the week"));
        }
        Ok((first..=last).fold(days, |days, day| days | 1 << day))
    })
}

fn second_of_day(text: &str) -> Result<u32, String> {
    let parts: Vec<u32> = text
        .split(':')
        .map(|part| part.parse().map_err(|_| format!("{text} is not a time; write 09:00 or 09:00:30")))
        .collect::<Result<_, _>>()?;
    let (hour, minute, second) = match parts[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return Err(format!("{text} is not a time; write 09:00 or 09:00:30")),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return Err(format!("{text} is not a time of a day"));
    }
    Ok((hour * 60 + minute) * 60 + second)
}

/// A whole schedule.
pub fn schedule(steps: &[ScheduleStep]) -> Result<MarketSchedule, String> {
    let mut schedule = MarketSchedule::EMPTY;
    if steps.len() > MarketSchedule::STEPS_MAX {
        return Err(format!("a schedule has up to {} steps", MarketSchedule::STEPS_MAX));
    }
    schedule.steps[..steps.len()].copy_from_slice(steps);
    if schedule.is_consistent() {
        Ok(schedule)
    } else {
        Err("two steps begin at the same moment, or one is halted or delisted, which operators alone do".into())
    }
}

/// A step as it is written.
pub fn show_step(step: &ScheduleStep) -> String {
    let days: Vec<&str> = (0..7).filter(|day| step.weekdays >> day & 1 == 1).map(|day| DAYS[day]).collect();
    let days = if days.len() == 7 { "daily".into() } else { days.join(",") };
    let (minute, second) = (step.second / 60, step.second % 60);
    format!("{days} {:02}:{:02}:{second:02} {}", minute / 60, minute % 60, show_phase(step.status))
}

/// Every phase by the name that operators use.
fn phases() -> impl Iterator<Item = (&'static str, MarketStatus)> {
    MarketStatus::ALL.iter().map(|status| (show_phase(*status), *status))
}

fn names() -> String {
    phases()
        .filter(|(_, status)| *status != MarketStatus::Delisted)
        .map(|(name, _)| name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A phase's name.
pub fn show_phase(status: MarketStatus) -> &'static str {
    match status {
        MarketStatus::PreOpen => "pre-open",
        MarketStatus::Auction => "auction",
        MarketStatus::Trading => "trading",
        MarketStatus::PostOnly => "post-only",
        MarketStatus::CancelOnly => "cancel-only",
        MarketStatus::Halted => "halted",
        MarketStatus::Closed => "closed",
        MarketStatus::Delisted => "delisted",
    }
}

/// A phase that operators may choose.
pub fn phase(text: &str) -> Result<MarketStatus, String> {
    match phases().find(|(name, _)| *name == text) {
        Some((_, MarketStatus::Delisted)) => Err("it is for ever: `mainstay ctl market delist`".into()),
        Some((_, status)) => Ok(status),
        None => Err(format!("{text} is not a phase; one of {}", names())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_shares_are_read_exactly() {
        assert_eq!(duration_ns("90s"), Ok(90_000_000_000));
        assert_eq!(duration_ns("500ms"), Ok(500_000_000));
        assert_eq!(duration_ns("2h").map(show_duration), Ok("2h".into()));
        for bad in ["", "s", "5", "5 s", "1.5s", "-1s", "99999999999999999999s", "999999999999d"] {
            assert!(duration_ns(bad).is_err(), "{bad}");
        }
        assert_eq!(percent_ppm("2.5%"), Ok(25_000));
        assert_eq!(percent_ppm("0"), Ok(0));
        assert!(percent_ppm("2.50001%").is_err());
        assert_eq!(multiplier_ppm("1.05"), Ok(1_050_000));
        assert!(multiplier_ppm("5000").is_err());
    }

    #[test]
    fn schedules_are_written_as_they_are_read() {
        let step = schedule_step("mon-wed,fri 09:05:30 auction").unwrap();
        assert_eq!((step.weekdays, step.second, step.status), (0b001_0111, 32_730, MarketStatus::Auction));
        assert_eq!(show_step(&step), "mon,tue,wed,fri 09:05:30 auction");
        assert_eq!(show_step(&schedule_step("daily 17:00 closed").unwrap()), "daily 17:00:00 closed");
        for bad in ["daily 24:00 trading", "daily 9 trading", "fri-mon 09:00 trading", "someday 09:00 trading"] {
            assert!(schedule_step(bad).is_err(), "{bad}");
        }
        assert!(schedule_step("daily 09:00 open").unwrap_err().contains("pre-open"));
        let halted = schedule_step("daily 09:00 halted").unwrap();
        assert!(schedule(&[halted]).is_err(), "operators alone halt");
        assert!(schedule(&[step, step]).is_err());
        assert_eq!(schedule(&[]), Ok(MarketSchedule::EMPTY));
        assert!(phase("delisted").unwrap_err().contains("ctl market delist"));
        assert!(!phase("open").unwrap_err().contains("delisted"));
        assert_eq!(phase("post-only"), Ok(MarketStatus::PostOnly));
    }
}
