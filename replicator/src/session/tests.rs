use wire::link::Refusal;
use wire::{LogPosition, Origin, Sequence, SessionId, Timestamp};

use super::{Cached, Sessions, Verdict};
use crate::SessionLimits;

const EXPIRY_NS: u64 = 1_000;

fn table() -> Sessions {
    Sessions::new(SessionLimits { sessions_max: 2, replies_max: 3, expiry_ns: EXPIRY_NS })
}

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn request(session: SessionId, sequence: u64) -> Origin {
    Origin { session, sequence: Sequence::new(sequence) }
}

fn execute(sessions: &mut Sessions, origin: Origin, below: u64, now: u64) {
    assert_eq!(sessions.judge(origin, Sequence::new(below), at(now)), Verdict::Execute);
    let reply = Cached { position: LogPosition::new(100 + origin.sequence.get()), payload: [7][..].into() };
    sessions.executed(origin, reply);
}

fn refusal(sessions: &mut Sessions, origin: Origin, now: u64) -> Option<(Refusal, u64)> {
    match sessions.judge(origin, Sequence::ZERO, at(now)) {
        Verdict::Refuse(refusal, detail) => Some((refusal, detail)),
        _ => None,
    }
}

#[test]
fn a_repeated_nonce_opens_one_session() {
    let mut sessions = table();
    let first = sessions.open(9, LogPosition::new(4), at(0)).unwrap();
    assert_eq!(sessions.open(9, LogPosition::new(5), at(1)), Ok(first));
    assert_eq!((first.get(), sessions.len()), (4, 1));
}

#[test]
fn the_table_is_bounded() {
    let mut sessions = table();
    sessions.open(1, LogPosition::new(1), at(0)).unwrap();
    sessions.open(2, LogPosition::new(2), at(0)).unwrap();
    assert_eq!(sessions.open(3, LogPosition::new(3), at(0)), Err(Refusal::TooManySessions));
}

#[test]
fn a_resent_request_is_answered_with_the_original_reply_and_a_gap_is_refused() {
    let mut sessions = table();
    let id = sessions.open(9, LogPosition::new(4), at(0)).unwrap();
    execute(&mut sessions, request(id, 1), 0, 1);
    let reply = Cached { position: LogPosition::new(101), payload: [7][..].into() };
    assert_eq!(sessions.judge(request(id, 1), Sequence::ZERO, at(2)), Verdict::Answer(&reply));
    assert_eq!(refusal(&mut sessions, request(id, 3), 2), Some((Refusal::SequenceGap, 2)));
    execute(&mut sessions, request(id, 2), 0, 3);
}

#[test]
fn replies_are_forgotten_once_acknowledged_or_beyond_the_bound() {
    let mut sessions = table();
    let id = sessions.open(9, LogPosition::new(4), at(0)).unwrap();
    for sequence in 1..=4 {
        execute(&mut sessions, request(id, sequence), 0, 1);
    }
    assert_eq!(refusal(&mut sessions, request(id, 1), 2), Some((Refusal::TooOld, 2)));
    execute(&mut sessions, request(id, 5), 5, 3);
    assert_eq!(refusal(&mut sessions, request(id, 4), 4), Some((Refusal::TooOld, 5)));
    assert!(sessions.cached(request(id, 5)).is_some());
    assert_eq!(refusal(&mut sessions, request(id, u64::MAX), 4), Some((Refusal::SequenceGap, 6)));
    assert_eq!(refusal(&mut sessions, request(id, 0), 4), Some((Refusal::TooOld, 5)));
}

#[test]
fn an_acknowledgement_beyond_the_next_request_forgets_only_what_there_is() {
    let mut sessions = table();
    let id = sessions.open(9, LogPosition::new(4), at(0)).unwrap();
    execute(&mut sessions, request(id, 1), u64::MAX, 1);
    assert!(sessions.cached(request(id, 1)).is_some());
    execute(&mut sessions, request(id, 2), u64::MAX, 1);
    assert!(sessions.cached(request(id, 1)).is_none());
}

#[test]
fn an_expired_session_is_refused_and_never_taken_for_a_new_one() {
    let mut sessions = table();
    let id = sessions.open(9, LogPosition::new(4), at(0)).unwrap();
    execute(&mut sessions, request(id, 1), 0, 10);
    execute(&mut sessions, request(id, 2), 0, 10 + EXPIRY_NS);
    assert_eq!(refusal(&mut sessions, request(id, 3), 11 + 2 * EXPIRY_NS), Some((Refusal::SessionUnknown, 0)));
    assert_eq!(sessions.len(), 0);
    let again = sessions.open(9, LogPosition::new(40), at(5 * EXPIRY_NS)).unwrap();
    assert_ne!(again, id);
}

#[test]
fn idle_sessions_are_swept_and_a_new_leader_gives_them_time() {
    let mut sessions = table();
    sessions.open(9, LogPosition::new(4), at(0)).unwrap();
    sessions.begin_batch(at(3 * EXPIRY_NS), true);
    assert_eq!(sessions.len(), 1, "the time without a leader does not count");
    sessions.begin_batch(at(4 * EXPIRY_NS), false);
    assert_eq!(sessions.len(), 1);
    sessions.begin_batch(at(4 * EXPIRY_NS + EXPIRY_NS / 2), false);
    assert_eq!(sessions.len(), 0);
}

#[test]
fn a_restored_table_is_the_same_and_a_cut_one_is_refused() {
    let mut sessions = table();
    let id = sessions.open(9, LogPosition::new(4), at(0)).unwrap();
    for sequence in 1..=4 {
        execute(&mut sessions, request(id, sequence), 2, 1);
    }
    sessions.open(10, LogPosition::new(6), at(3)).unwrap();
    let mut bytes = Vec::new();
    sessions.snapshot(&mut bytes);
    assert_eq!(Sessions::restore(sessions.limits.clone(), &bytes), Ok(sessions.clone()));
    for len in 0..bytes.len() {
        assert!(Sessions::restore(sessions.limits.clone(), &bytes[..len]).is_err());
    }
}

#[test]
fn a_reply_of_any_length_is_kept_and_saved_as_it_was() {
    let mut sessions = Sessions::new(SessionLimits::default());
    let session = sessions.open(1, LogPosition::new(1), Timestamp::ZERO).unwrap();
    let reply = |len: u64| (0..len).map(|byte| byte as u8).collect::<Vec<u8>>();
    for len in 0..64 {
        let origin = Origin { session, sequence: Sequence::new(len + 1) };
        sessions.executed(origin, Cached { position: LogPosition::new(len + 2), payload: reply(len)[..].into() });
    }
    let mut saved = Vec::new();
    sessions.snapshot(&mut saved);
    let restored = Sessions::restore(SessionLimits::default(), &saved).unwrap();
    assert_eq!(restored, sessions);
    for len in 0..64 {
        let origin = Origin { session, sequence: Sequence::new(len + 1) };
        assert_eq!(*restored.cached(origin).unwrap().payload, reply(len));
    }
}
