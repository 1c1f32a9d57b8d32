use std::time::{Duration, Instant};

use wire::RejectReason;

use super::report::Timings;
use crate::failures::Failure;

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

#[test]
fn without_an_outcome_the_report_says_why_instead_of_a_throughput() {
    let (mut timings, now) = (Timings::default(), Instant::now());
    timings.rejected = 1_234;
    (0..1_234).for_each(|_| timings.failures.note(&Failure::Ledger(RejectReason::Busy), now));
    let report = timings.report(64, 1_234, Duration::from_secs(2));
    let text = report.to_string();
    assert!(text.contains("1234: the ledger refused: Busy (no room for more orders"), "{text}");
    assert!(text.contains("nothing was measured") && !text.contains("outcomes a second"), "{text}");
    assert_eq!(serde_json::to_value(&report).unwrap()["failures"][0]["count"], 1_234);
}
