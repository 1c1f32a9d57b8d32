use wire::link::Refusal;

use super::Bench;
use crate::Output;

#[test]
fn a_resent_request_is_answered_from_the_cache_and_not_executed_again() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 3);
    let first = bench.reply(session, 2).unwrap();
    bench.said.clear();
    bench.offer(session, 2).unwrap();
    bench.step(10);
    assert_eq!(bench.reply(session, 2), Some(first));
    assert_eq!(bench.cluster.replica(bench.leader()).unwrap().machine().executed().len(), 3);
}

#[test]
fn a_request_that_is_sent_twice_before_it_is_executed_is_executed_once() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.offer(session, 1).unwrap();
    bench.offer(session, 1).unwrap();
    bench.step(20);
    let replies = bench.said.iter().filter(|(_, output)| matches!(output, Output::Reply { .. }));
    assert_eq!(replies.count(), 2);
    assert_eq!(bench.cluster.replica(bench.leader()).unwrap().machine().executed().len(), 1);
}

#[test]
fn a_resent_request_keeps_its_answer_over_a_failover_and_a_snapshot() {
    let mut bench = Bench::with(3, super::small_snapshots);
    let session = bench.open_session(7);
    bench.execute(session, 1, 120);
    let first = bench.reply(session, 90).unwrap();
    for id in bench.cluster.ids() {
        bench.cluster.crash(id);
        bench.cluster.start(id).unwrap();
    }
    bench.await_leader();
    bench.said.clear();
    bench.offer(session, 90).unwrap();
    bench.until("the answer", |bench| bench.reply(session, 90).is_some());
    assert_eq!(bench.reply(session, 90), Some(first));
}

#[test]
fn a_gap_is_refused_with_the_sequence_that_is_expected() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 1);
    bench.offer(session, 3).unwrap();
    bench.step(10);
    assert_eq!(bench.refusal(session, 3), Some((Refusal::SequenceGap, 2)));
    assert_eq!(bench.position(bench.leader()).get(), 3, "a refused request has a position as well");
}

#[test]
fn an_idle_session_expires_by_log_time_and_its_requests_are_refused() {
    let mut bench = Bench::with(3, |config| config.sessions.expiry_ns = 500_000_000);
    let session = bench.open_session(7);
    bench.execute(session, 1, 1);
    bench.step(400);
    bench.execute(session, 2, 2);
    bench.step(600);
    bench.offer(session, 3).unwrap();
    bench.step(10);
    assert_eq!(bench.refusal(session, 3), Some((Refusal::SessionUnknown, 0)));
    bench.said.clear();
    assert_ne!(bench.open_session(7), session);
}

#[test]
fn an_empty_request_keeps_the_session_alive_and_is_not_shown_to_the_machine() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let leader = bench.leader();
    let request = wire::link::Request {
        partition: super::PARTITION,
        session,
        sequence: wire::Sequence::new(1),
        acknowledged_below: wire::Sequence::ZERO,
    };
    bench.cluster.replica_mut(leader).unwrap().offer(request, &[]).unwrap();
    bench.step(10);
    assert_eq!(bench.reply(session, 1).map(|(_, payload)| payload), Some(vec![]));
    assert!(bench.cluster.replica(leader).unwrap().machine().executed().is_empty());
    bench.execute(session, 2, 2);
}
