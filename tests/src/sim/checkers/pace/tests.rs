use super::super::made;
use super::*;

const LEDGER: PartitionId = PartitionId::new(1);

/// The clock of whoever leads says this after so many milliseconds.
fn log_time(ms: u64) -> Timestamp {
    Timestamp::from_nanos(1_000 * SECOND + ms * MS)
}

/// An order that was asked for after so many milliseconds comes into the log at this time.
fn asked_for(asked_ms: u64, term: u64, timestamp: Timestamp) -> Record {
    let command = Some(Command::NewOrder(made::order(asked_ms * 1_000, 1)));
    Record { term, timestamp, command, ..made::record(2) }
}

/// After 100 ms the leader of term 1 has applied what was sequenced then.
fn led() -> Pace {
    let mut pace = Pace::default();
    pace.on_led(LEDGER, 1, log_time(100), 100 * MS);
    pace
}

#[test]
fn log_time_passes_a_little_slower_at_most() {
    assert!(led().on_commit(LEDGER, &asked_for(1_100, 1, log_time(1_090))).is_ok());
    assert!(led().on_commit(LEDGER, &asked_for(1_100, 1, log_time(9_000))).is_ok());
}

#[test]
fn log_time_that_waits_for_a_clock_is_late() {
    assert!(led().on_commit(LEDGER, &asked_for(1_100, 1, log_time(100))).is_err());
}

#[test]
fn what_another_leader_has_sequenced_is_not_compared() {
    assert!(led().on_commit(LEDGER, &asked_for(1_100, 2, log_time(100))).is_ok());
}
