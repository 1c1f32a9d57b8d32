use wire::Timestamp;
use wire::link::Refusal;

use super::{Sequencer, each_kind};
use crate::SequencerLimits;
use crate::entry::{Batch, Kind};

fn sequencer() -> Sequencer {
    Sequencer::new(SequencerLimits {
        commands_max: 4,
        bytes_max: 1_000,
        batch_bytes: 60,
        command_bytes_max: 500,
        reads_max: 1,
    })
}

#[test]
fn commands_of_one_cycle_become_one_entry_and_a_full_entry_is_closed() {
    let mut sequencer = sequencer();
    for nonce in 0..4 {
        sequencer.offer(Kind::OpenSession(nonce), &[0; 5]).unwrap();
    }
    let mut sizes = Vec::new();
    while let Some(data) = sequencer.take(Timestamp::from_nanos(5)) {
        let mut count = 0;
        each_kind(&data, |_| count += 1);
        sizes.push(count);
    }
    assert_eq!(sizes, [2, 2]);
    assert_eq!((sequencer.commands, sequencer.bytes), (0, 0));
}

#[test]
fn a_full_queue_is_busy_and_an_overlong_command_is_malformed() {
    let mut sequencer = sequencer();
    assert_eq!(sequencer.offer(Kind::Internal, &[0; 501]), Err(Refusal::Malformed));
    sequencer.offer(Kind::Internal, &[0; 490]).unwrap();
    assert_eq!(sequencer.offer(Kind::Internal, &[0; 490]), Err(Refusal::Busy), "too many bytes");
    for _ in 0..3 {
        sequencer.offer(Kind::Internal, &[]).unwrap();
    }
    assert_eq!(sequencer.offer(Kind::Internal, &[]), Err(Refusal::Busy), "too many commands");
}

#[test]
fn stamps_never_run_backwards() {
    let mut sequencer = sequencer();
    let stamp = |sequencer: &mut Sequencer, now| {
        sequencer.offer(Kind::Internal, &[]).unwrap();
        let data = sequencer.take(Timestamp::from_nanos(now)).unwrap();
        Batch::decode(&data).unwrap().timestamp.nanos()
    };
    assert_eq!(stamp(&mut sequencer, 10), 10);
    assert_eq!(stamp(&mut sequencer, 7), 10);
    sequencer.observe(Timestamp::from_nanos(20), Timestamp::from_nanos(12));
    assert_eq!(stamp(&mut sequencer, 12), 20);
    assert_eq!(stamp(&mut sequencer, 15), 23, "it goes on at the pace of the clock that is behind");
    sequencer.observe(Timestamp::from_nanos(23), Timestamp::from_nanos(16));
    assert_eq!(stamp(&mut sequencer, 16), 24, "and its own stamps do not push it further ahead");
}

#[test]
fn log_time_that_is_ahead_goes_on_and_comes_back_to_the_clock_slowly() {
    const SECOND: u64 = 1_000_000_000;
    let mut sequencer = sequencer();
    let at = |nanos: u64| Timestamp::from_nanos(1_000 * SECOND + nanos);
    sequencer.observe(at(10 * SECOND), at(0));
    let mut last = sequencer.time(at(0));
    assert_eq!(last, at(10 * SECOND));
    for second in 1..=2_000 {
        let time = sequencer.time(at(second * SECOND));
        let passed = time.nanos() - last.nanos();
        assert!((SECOND * 99 / 100..=SECOND).contains(&passed), "{passed} ns in second {second}");
        last = time;
    }
    assert_eq!(last, at(2_000 * SECOND), "it is the clock's again");

    // Another hundred leaders, each a second behind the one before by turns: log time is never more than that ahead.
    for turn in 0..100 {
        let now = at((2_000 + turn) * SECOND);
        let (slow, fast) = (Timestamp::from_nanos(now.nanos() - SECOND), now);
        sequencer.observe(if turn % 2 == 0 { fast } else { sequencer.time(slow) }, slow);
        assert!(sequencer.time(slow) <= fast);
    }
}

#[test]
fn what_is_due_by_log_time_is_due_at_a_time_of_the_clock() {
    let mut sequencer = sequencer();
    sequencer.observe(Timestamp::from_nanos(5_000), Timestamp::from_nanos(2_000));
    for due in (0..400_000).step_by(7).map(Timestamp::from_nanos) {
        let clock = sequencer.clock_at(due);
        assert!(sequencer.time(clock) >= due, "{due:?} is not reached at {clock:?}");
        let early = Timestamp::from_nanos(clock.nanos().saturating_sub(2));
        assert!(clock.nanos() < 2_000 || sequencer.time(early) < due, "{due:?} was reached before {clock:?}");
    }
}

#[test]
fn whoever_is_abandoned_is_named() {
    let mut sequencer = sequencer();
    sequencer.offer(Kind::OpenSession(3), &[]).unwrap();
    sequencer.offer(Kind::Internal, &[1]).unwrap();
    let mut refused = Vec::new();
    sequencer.abandon(|kind| refused.push(kind));
    assert_eq!(refused, [Kind::OpenSession(3), Kind::Internal]);
    assert_eq!(sequencer.len(), 0);
}
