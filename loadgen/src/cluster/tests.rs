use std::time::Duration;

use super::report::Timings;

#[test]
fn the_report_counts_outcomes_of_the_measured_time_alone() {
    let mut timings = Timings::default();
    for millis in 1..=100 {
        timings.ended(Duration::from_millis(millis));
    }
    timings.replied(Duration::from_millis(3));
    timings.failed = 2;
    let report = timings.report(8, 120, Duration::from_secs(2));
    assert_eq!(report.orders_per_s, 50.0);
    assert_eq!((report.outcome_us.p50 / 1_000, report.outcome_us.p99 / 1_000), (50, 99));
    let text = report.to_string();
    assert!(text.contains("120 sent, 8 outstanding, 0 rejected, 2 without an answer"), "{text}");
    assert!(text.contains("50 outcomes a second") && text.contains("reply      p50 3.00 ms"), "{text}");
}
