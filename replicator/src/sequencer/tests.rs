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
fn whoever_is_abandoned_is_named() {
    let mut sequencer = sequencer();
    sequencer.offer(Kind::OpenSession(3), &[]).unwrap();
    sequencer.offer(Kind::Internal, &[1]).unwrap();
    let mut refused = Vec::new();
    sequencer.abandon(|kind| refused.push(kind));
    assert_eq!(refused, [Kind::OpenSession(3), Kind::Internal]);
    assert_eq!(sequencer.len(), 0);
}
