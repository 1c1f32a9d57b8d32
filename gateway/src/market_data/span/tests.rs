use super::super::klines::{Klines, KlinesWanted};
use super::super::trades::Trade;
use super::*;

const HOUR: u64 = HOUR_MS as u64;
const DAY: u64 = 24 * HOUR;

fn zone(name: &str) -> Zone {
    Zone::from_name(name).expect(name)
}

#[test]
fn zones_are_hours_or_hours_and_minutes_within_what_exists() {
    for (name, minutes) in [
        ("0", 0),
        ("8", 480),
        ("-1:00", -60),
        ("05:45", 345),
        ("+08:00", 480),
        ("-12:00", -720),
        ("14:00", 840),
        ("14", 840),
        ("-00:00", 0),
    ] {
        assert_eq!(zone(name).ahead_ms, minutes * MINUTE_MS, "{name}");
    }
    for name in ["", "+", "-", "x", "15", "14:01", "-12:01", "8:0", "8:60", "008", "8:00:00", "1.5", "+-3", "８"] {
        assert_eq!(Zone::from_name(name), None, "{name}");
    }
    assert_eq!(zone("8"), Zone::EIGHT);
}

#[test]
fn a_day_begins_at_midnight_of_its_zone() {
    let span = Span { interval: Interval::Day, zone: zone("8") };
    assert_eq!(span.start_of(10 * DAY), 10 * DAY - 8 * HOUR);
    assert_eq!(span.start_of(10 * DAY - 8 * HOUR - 1), 9 * DAY - 8 * HOUR);
    assert_eq!(span.next(10 * DAY - 8 * HOUR), 11 * DAY - 8 * HOUR);
    assert_eq!(span.previous(10 * DAY - 8 * HOUR), Some(9 * DAY - 8 * HOUR));
    assert_eq!(span.parts(), Interval::Hour);
    assert_eq!(Span { interval: Interval::Hour, ..span }.parts(), Interval::Hour);
    assert_eq!(Span { interval: Interval::Hours6, ..span }.parts(), Interval::Hour);
    assert_eq!(Span { interval: Interval::Hours8, ..span }.parts(), Interval::Hours8);
    assert_eq!(Span { interval: Interval::Hour, zone: zone("5:45") }.parts(), Interval::Minutes15);
    assert_eq!(Span { interval: Interval::Month, zone: zone("0") }.parts(), Interval::Month);
    // Nothing lies before the epoch, and nothing overflows.
    for at in [0, 1, u64::MAX] {
        for interval in Interval::ALL {
            for zone in [zone("-12"), zone("14"), zone("5:45")] {
                let span = Span { interval, zone };
                let start = span.start_of(at);
                assert!(start <= at && span.previous(start).is_none_or(|previous| previous < start));
            }
        }
    }
}

#[test]
fn klines_of_a_zone_are_the_sums_of_their_hours() {
    let trades = [(9 * DAY + 15 * HOUR, 100), (9 * DAY + 16 * HOUR, 90), (10 * DAY + HOUR, 120), (12 * DAY, 110)];
    let trade = |(id, (time_ms, price))| Trade { id, price, qty: 2, time_ms, buyer_is_maker: false };
    let klines: Klines = (1..).zip(trades).map(trade).collect();
    let span = Span { interval: Interval::Day, zone: zone("8") };
    let wanted = KlinesWanted { span, start_ms: None, end_ms: None, limit: 10, now_ms: 12 * DAY };
    let shape: Vec<_> = klines
        .read(wanted)
        .iter()
        .map(|kline| (kline.open_ms, kline.open, kline.low, kline.close, kline.volume, kline.trades))
        .collect();
    let day = |number: u64| number * DAY - 8 * HOUR;
    assert_eq!(
        shape,
        [
            (day(9), 100, 100, 100, 2, 1),
            (day(10), 90, 90, 120, 4, 2),
            (day(11), 120, 120, 120, 0, 0),
            (day(12), 110, 110, 110, 2, 1),
        ]
    );
}
