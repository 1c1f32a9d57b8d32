//! Versions: said once everybody knows them, followed by everybody, and never guessed.

use std::cell::Cell;

use wire::NodeId;

use super::{Bench, small_snapshots};
use crate::replica::NotChanged;
use crate::sim::Tally;
use crate::{Joining, Output, ReplicaConfig, StateMachine};

const THIRD: NodeId = NodeId::new(3);

thread_local! {
    /// The newest version that node 3's build knows.
    static THIRD_KNOWS: Cell<u16> = const { Cell::new(2) };
}

fn builds(config: &mut ReplicaConfig) {
    small_snapshots(config);
    config.versions = 1..=if config.node == THIRD { THIRD_KNOWS.get() } else { 2 };
}

fn bench(third_knows: u16) -> Bench {
    THIRD_KNOWS.set(third_knows);
    let mut bench = Bench::with(3, builds);
    // Node 3 is what it is about: another leads.
    if bench.leader() == THIRD {
        bench.cluster.replica_mut(THIRD).unwrap().transfer_leadership(NodeId::new(1));
        bench.until("another leads", |bench| bench.cluster.leader().is_some_and(|leader| leader != THIRD));
    }
    bench.step(500);
    bench
}

/// The leader asks the others first, and is asked again.
fn set(bench: &mut Bench, version: u16) -> Result<(), NotChanged> {
    let leader = bench.leader();
    let first = bench.cluster.replica_mut(leader).unwrap().set_version(version);
    if first != Err(NotChanged::CannotRun) {
        return first;
    }
    bench.step(20);
    bench.cluster.replica_mut(leader).unwrap().set_version(version)
}

fn behave_by(bench: &mut Bench, version: u16) {
    bench.until("everybody behaves by it", |bench| {
        bench.cluster.running().all(|(_, replica)| replica.machine().version() == version)
    });
}

fn failure(bench: &Bench, id: NodeId) -> Option<String> {
    bench.said.iter().rev().find_map(|(node, output)| match output {
        Output::Failed { error } if *node == id => Some(error.clone()),
        _ => None,
    })
}

/// Node 3 comes back as a build that knows versions up to this one.
fn restart_third(bench: &mut Bench, knows: u16) {
    bench.cluster.crash(THIRD);
    THIRD_KNOWS.set(knows);
    bench.cluster.start(THIRD).unwrap();
}

#[test]
fn a_version_that_everybody_knows_is_said_and_everybody_behaves_by_it_and_back() {
    let mut bench = bench(2);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    assert_eq!(set(&mut bench, 1), Err(NotChanged::IsSo));
    for version in [2, 1] {
        set(&mut bench, version).unwrap();
        behave_by(&mut bench, version);
    }
    bench.execute(session, 6, 9);
    bench.await_agreement();
    let standby = bench.standbys()[0];
    assert_eq!(bench.cluster.replica_mut(standby).unwrap().set_version(2), Err(NotChanged::NotLeader));
}

#[test]
fn a_leader_refuses_what_it_does_not_know_itself_and_what_a_member_does_not_know() {
    let mut bench = bench(1);
    assert_eq!(set(&mut bench, 3), Err(NotChanged::CannotRun));
    assert_eq!(set(&mut bench, 2), Err(NotChanged::CannotRun));
    restart_third(&mut bench, 2);
    bench.step(300);
    assert_eq!(set(&mut bench, 2), Ok(()));
    behave_by(&mut bench, 2);
}

#[test]
fn no_version_is_proposed_while_somebody_joins_who_may_not_know_it() {
    let mut bench = bench(2);
    assert_eq!(bench.cluster.grow(), NodeId::new(4));
    bench.step(300);
    assert_eq!(set(&mut bench, 3), Err(NotChanged::CannotRun));
    let leader = bench.leader();
    let replica = bench.cluster.replica_mut(leader).unwrap();
    replica.add_node(NodeId::new(4), Joining::default()).unwrap();
    assert_eq!(replica.set_version(2), Err(NotChanged::UnderWay));
}

#[test]
fn who_has_not_been_heard_for_a_second_may_know_anything() {
    let mut bench = bench(2);
    bench.cluster.crash(THIRD);
    bench.step(1_100);
    assert_eq!(set(&mut bench, 2), Err(NotChanged::CannotRun));
    bench.cluster.start(THIRD).unwrap();
    bench.step(300);
    assert_eq!(set(&mut bench, 2), Ok(()));
}

#[test]
fn a_new_leader_asks_anew_who_knows_what() {
    let mut bench = bench(2);
    let leader = bench.leader();
    bench.cluster.crash(leader);
    bench.until("another leads", |bench| bench.cluster.leader().is_some_and(|new| new != leader));
    bench.cluster.start(leader).unwrap();
    bench.step(300);
    bench.until("its term has begun", |bench| bench.cluster.replica(bench.leader()).unwrap().status().settled);
    assert_eq!(set(&mut bench, 2), Ok(()));
}

#[test]
fn who_reads_a_version_that_it_does_not_know_stops_before_it_and_says_so() {
    let mut bench = bench(2);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    bench.await_agreement();
    // Its leader believes what it said a moment ago.
    assert_eq!(set(&mut bench, 3), Err(NotChanged::CannotRun));
    bench.cluster.crash(THIRD);
    set(&mut bench, 2).unwrap();
    behave_by(&mut bench, 2);
    bench.execute(session, 6, 8);
    THIRD_KNOWS.set(1);
    bench.cluster.start(THIRD).unwrap();
    bench.until("it stops", |bench| failure(bench, THIRD).is_some());
    let error = failure(&bench, THIRD).unwrap();
    assert!(
        error.contains("version::unknown: behaviour version 2 is said there, and this build knows 1 to 1"),
        "{error}"
    );
    let replica = bench.cluster.replica(THIRD).unwrap();
    assert_eq!(
        (replica.machine().version(), replica.machine().executed().len()),
        (1, 5),
        "it has applied nothing behind"
    );
    restart_third(&mut bench, 2);
    bench.await_agreement();
}

#[test]
fn a_snapshot_of_a_version_that_is_not_known_is_not_taken_up() {
    let mut bench = bench(2);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    assert_eq!(set(&mut bench, 3), Err(NotChanged::CannotRun));
    bench.cluster.crash(THIRD);
    set(&mut bench, 2).unwrap();
    behave_by(&mut bench, 2);
    // More than the others keep.
    bench.execute(session, 6, 150);
    THIRD_KNOWS.set(1);
    bench.cluster.start(THIRD).unwrap();
    bench.until("it stops", |bench| failure(bench, THIRD).is_some());
    let error = failure(&bench, THIRD).unwrap();
    assert!(error.contains("the snapshot at log index") && error.contains("version::unknown"), "{error}");
    // Nothing of it is on its disk: the old build opens, and the new one catches up.
    restart_third(&mut bench, 1);
    restart_third(&mut bench, 2);
    bench.await_agreement();
    behave_by(&mut bench, 2);
}

#[test]
fn behind_a_version_entry_a_snapshot_is_taken_so_that_the_former_build_may_start() {
    let mut bench = bench(2);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    set(&mut bench, 2).unwrap();
    behave_by(&mut bench, 2);
    bench.execute(session, 6, 9);
    set(&mut bench, 1).unwrap();
    behave_by(&mut bench, 1);
    bench.until("a snapshot is behind it", |bench| {
        bench.cluster.running().all(|(_, replica)| {
            let status = replica.status();
            status.version_at.get() > 0 && status.snapshot_position >= status.version_at
        })
    });
    restart_third(&mut bench, 1);
    bench.execute(session, 10, 12);
    bench.await_agreement();
    assert_eq!(failure(&bench, THIRD), None);
    assert_eq!(bench.cluster.replica(THIRD).unwrap().status().version_at.get(), 0, "it has read none");
}

#[test]
fn a_machine_keeps_its_version_through_snapshots() {
    let mut machine = Tally::default();
    let mut payload = Vec::new();
    machine.set_version(2, &mut payload);
    let (position, now, origin) = (wire::LogPosition::ZERO, wire::Timestamp::ZERO, wire::Origin::INTERNAL);
    machine.apply(crate::Input { position, now, origin, payload: &payload }, &mut crate::Applied::default());
    let mut bytes = Vec::new();
    machine.snapshot(&mut bytes);
    let mut restored = Tally::default();
    restored.restore(&bytes).unwrap();
    assert_eq!((restored.version(), restored.digest()), (2, machine.digest()));
    assert_ne!(restored.digest(), Tally::default().digest());
}
