use super::*;

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_longest_pause_counts_only_while_something_waits() {
    let start = Instant::now();
    let mut measure = Measure::new(start);
    measure.sent(start);
    measure.answered(start + 5 * MS);
    measure.sent(start + 1_000 * MS);
    measure.sent(start + 1_001 * MS);
    measure.answered(start + 1_020 * MS);
    measure.answered(start + 1_050 * MS);
    assert_eq!(measure.longest_pause(), (30 * MS, Some(1_020 * MS)));
}

#[test]
fn latencies_are_told_by_percentile() {
    let mut measure = Measure::new(Instant::now());
    for ms in 1..=1_000 {
        measure.order_acked(ms * MS);
    }
    let latency = measure.order_latency();
    let near = |value: u64, expected: u64| value.abs_diff(expected) <= expected / 500;
    assert!(near(latency.p50, 500_000) && near(latency.p99, 990_000), "{latency:?}");
    assert!(near(latency.p999, 999_000) && near(latency.max, 1_000_000), "{latency:?}");
    assert_eq!(measure.acked, 1_000);
}
