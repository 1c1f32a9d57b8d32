//! Commands that panic the machine.

use wire::link::Request;
use wire::{NodeId, Sequence, SessionId};

use super::{Bench, PARTITION, small_snapshots};
use crate::sim::{Ledger, Tally};
use crate::{Output, ReplicaConfig, SnapshotTaker};

fn with_twin(config: &mut ReplicaConfig) {
    small_snapshots(config);
    config.snapshots.taken_by = SnapshotTaker::Twin;
}

fn offer(bench: &mut Bench, session: SessionId, sequence: u64, payload: &[u8]) {
    let (leader, acknowledged_below) = (bench.leader(), Sequence::ZERO);
    let request = Request { partition: PARTITION, session, sequence: Sequence::new(sequence), acknowledged_below };
    bench.cluster.replica_mut(leader).unwrap().offer(request, payload).unwrap();
}

fn await_recovery(bench: &mut Bench, quarantined: usize) {
    bench.until("everybody has put it aside", |bench| {
        let mut all = bench.cluster.running().map(|(_, replica)| replica.status());
        all.all(|status| status.broken.is_none() && status.quarantined.len() == quarantined)
    });
}

/// Every replica said each position once and in order, and all said the same.
fn assert_told_once(bench: &Bench) {
    let mut ledger = Ledger::default();
    for (node, output) in &bench.said {
        ledger.hear(*node, output);
    }
}

fn poisoned(configure: fn(&mut ReplicaConfig), before: u64) -> (Bench, SessionId) {
    let mut bench = Bench::with(3, configure);
    let session = bench.open_session(7);
    bench.execute(session, 1, before);
    offer(&mut bench, session, before + 1, &Tally::poison());
    bench.until("the poison is refused", |bench| bench.reply(session, before + 1).is_some());
    assert_eq!(bench.reply(session, before + 1).unwrap().1, [Tally::PUT_ASIDE]);
    await_recovery(&mut bench, 1);
    bench.execute(session, before + 2, before + 9);
    bench.await_agreement();
    assert_told_once(&bench);
    (bench, session)
}

#[test]
fn a_command_that_panics_everybody_is_put_aside_and_the_rest_goes_on() {
    poisoned(|_| {}, 5);
}

#[test]
fn the_state_is_built_anew_from_a_snapshot_too() {
    poisoned(small_snapshots, 120);
    poisoned(with_twin, 120);
}

#[test]
fn a_restart_replays_past_what_was_put_aside() {
    for configure in [(|_| {}) as fn(&mut ReplicaConfig), small_snapshots, with_twin] {
        let (mut bench, session) = poisoned(configure, 5);
        for node in bench.cluster.ids() {
            let position = bench.position(node);
            bench.cluster.crash(node);
            bench.cluster.start(node).unwrap();
            bench.await_leader();
            bench.until("it has caught up", |bench| bench.position(node) >= position);
            bench.await_agreement();
        }
        bench.execute(session, 15, 16);
        bench.await_agreement();
    }
}

#[test]
fn several_commands_in_one_batch_are_put_aside_one_after_the_other() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 3);
    for sequence in 4..=9 {
        let payload = if sequence % 2 == 0 { Tally::poison() } else { Tally::add(sequence) };
        offer(&mut bench, session, sequence, &payload);
    }
    bench.until("all are answered", |bench| (4..=9).all(|sequence| bench.reply(session, sequence).is_some()));
    await_recovery(&mut bench, 3);
    bench.execute(session, 10, 12);
    bench.await_agreement();
    assert_told_once(&bench);
}

#[test]
fn a_leader_that_dies_broken_leaves_the_verdict_to_the_next() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    offer(&mut bench, session, 1, &Tally::poison());
    bench.until("somebody is broken", |bench| bench.cluster.running().any(|(_, replica)| replica.is_broken()));
    let leader = bench.leader();
    bench.cluster.crash(leader);
    bench.until("another leads", |bench| bench.cluster.leader().is_some_and(|id| id != leader));
    await_recovery(&mut bench, 1);
    bench.cluster.start(leader).unwrap();
    await_recovery(&mut bench, 1);
    bench.execute(session, 2, 4);
    bench.await_agreement();
}

#[test]
fn a_replica_that_panics_alone_stops_and_the_others_go_on() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 3);
    Tally::break_next(1);
    offer(&mut bench, session, 4, &Tally::fragile());
    let failed = |bench: &Bench| -> Option<NodeId> {
        bench.said.iter().find_map(|(node, output)| matches!(output, Output::Failed { .. }).then_some(*node))
    };
    for _ in 0..12_000 {
        bench.step(1);
    }
    let odd = failed(&bench).expect("the odd one has stopped");
    bench.cluster.crash(odd);
    bench.until("another leads", |bench| bench.cluster.leader().is_some_and(|id| id != odd));
    assert!(bench.cluster.running().all(|(_, replica)| replica.status().quarantined.is_empty()));
    bench.cluster.start(odd).unwrap();
    bench.offer(session, 5).unwrap();
    bench.until("a reply", |bench| bench.reply(session, 5).is_some());
    bench.await_agreement();
}

#[test]
fn a_command_that_panics_even_when_put_aside_stops_the_replica_with_an_error() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 3);
    offer(&mut bench, session, 4, &Tally::stubborn_poison());
    bench.until("a replica stops and says why", |bench| {
        let mut said = bench.said.iter();
        said.any(|(_, output)| matches!(output, Output::Failed { error } if error.contains("although put aside")))
    });
}

#[test]
fn a_broken_replica_waits_without_a_leader_and_is_healed_by_a_leaders_snapshot() {
    let mut bench = Bench::with(3, small_snapshots);
    let session = bench.open_session(7);
    bench.execute(session, 1, 3);
    Tally::break_next(1);
    offer(&mut bench, session, 4, &Tally::fragile());
    let broken = |bench: &Bench| bench.cluster.running().find(|(_, replica)| replica.is_broken()).map(|(node, _)| node);
    bench.until("somebody is broken", |bench| broken(bench).is_some());
    let odd = broken(&bench).unwrap();
    bench.cluster.isolate(odd);
    bench.until("another leads", |bench| bench.cluster.leader().is_some_and(|id| id != odd));
    bench.step(12_000);
    bench.execute(session, 5, 150);
    assert_eq!(broken(&bench), Some(odd));
    bench.cluster.heal();
    bench.until("the leader's snapshot is installed", |bench| {
        bench.said.iter().any(|(node, output)| *node == odd && matches!(output, Output::SnapshotInstalled { .. }))
    });
    assert_eq!(broken(&bench), None);
    bench.execute(session, 151, 160);
    bench.await_agreement();
}

/// Somebody alone is broken, and nobody else.
fn broken_alone(bench: &mut Bench, session: SessionId, sequence: u64) -> NodeId {
    Tally::break_next(1);
    offer(bench, session, sequence, &Tally::fragile());
    let broken = |bench: &Bench| bench.cluster.running().find(|(_, replica)| replica.is_broken()).map(|(node, _)| node);
    bench.until("somebody is broken", |bench| broken(bench).is_some());
    broken(bench).unwrap()
}

#[test]
fn a_leader_that_is_broken_alone_hands_over_and_is_given_nothing() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 3);
    let odd = bench.leader();
    assert_eq!(broken_alone(&mut bench, session, 4), odd, "a leader is the first to apply");
    let steps = bench.until("a whole one leads", |bench| bench.cluster.leader().is_some_and(|id| id != odd));
    assert!(steps < 600, "{steps} ms");
    bench.offer(session, 5).unwrap();
    bench.until("a reply", |bench| bench.reply(session, 5).is_some());
    let leader = bench.leader();
    bench.cluster.replica_mut(leader).unwrap().transfer_leadership(odd);
    bench.step(300);
    assert_ne!(bench.leader(), odd, "a broken standby is given no leadership");
}

#[test]
fn a_verdict_is_in_the_log_once_and_outlives_the_log_in_snapshots() {
    let (mut bench, session) = poisoned(small_snapshots, 5);
    bench.execute(session, 15, 160);
    let quarantined = bench.cluster.running().next().unwrap().1.status().quarantined;
    for node in bench.cluster.ids() {
        let verdicts = bench.cluster.disk(node).entries().iter().filter(|entry| is_verdict(&entry.data)).count();
        assert!(verdicts <= 1);
        bench.cluster.crash(node);
        bench.cluster.start(node).unwrap();
        bench.await_leader();
        assert_eq!(bench.cluster.replica(node).unwrap().status().quarantined, quarantined);
    }
    bench.await_agreement();
}

fn is_verdict(data: &[u8]) -> bool {
    use crate::entry::{Batch, Kind};
    let Ok(mut batch) = Batch::decode(data) else { return false };
    std::iter::from_fn(|| batch.next_command().ok().flatten())
        .any(|command| matches!(command.kind, Kind::Quarantine(_)))
}
