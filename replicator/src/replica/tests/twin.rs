//! Snapshots that a second copy of the state takes.

use std::time::Duration;

use wire::NodeId;

use super::{Bench, small_snapshots};
use crate::sim::Tally;
use crate::{ReplicaConfig, SnapshotTaker, StateMachine};

fn with_twin(config: &mut ReplicaConfig) {
    small_snapshots(config);
    config.snapshots.taken_by = SnapshotTaker::Twin;
}

fn with_twin_thread(config: &mut ReplicaConfig) {
    small_snapshots(config);
    config.snapshots.taken_by = SnapshotTaker::TwinThread;
}

/// Applies additions until the leader has a snapshot on disk, some more, and restarts it from that.
fn restart_from_a_snapshot(configure: fn(&mut ReplicaConfig), pause: Duration) {
    let mut bench = Bench::with(3, configure);
    let leader = bench.leader();
    for amount in 0.. {
        assert!(amount < 20_000, "a snapshot is taken in time");
        if bench.cluster.replica(leader).unwrap().status().snapshot_position.get() >= 100 {
            break;
        }
        // A refusal is no matter: there are more.
        let _ = bench.cluster.replica_mut(leader).unwrap().offer_internal(&Tally::add(amount));
        bench.step(1);
        if amount % 50 == 0 {
            std::thread::sleep(pause);
        }
    }
    bench.step(200);
    let digest = bench.cluster.replica(leader).unwrap().machine().digest();
    let before = bench.cluster.replica(leader).unwrap().status().applied_position;
    bench.cluster.crash(leader);
    bench.cluster.start(leader).expect("what the twin wrote restores, with the digest that it has");
    bench.until("it has caught up", |bench| bench.cluster.replica(leader).unwrap().status().applied_position >= before);
    let replica = bench.cluster.replica(leader).unwrap();
    if replica.status().applied_position == before {
        assert_eq!(replica.machine().digest(), digest);
    }
}

#[test]
fn a_replica_restarts_from_what_its_twin_wrote() {
    restart_from_a_snapshot(with_twin, Duration::ZERO);
}

#[test]
fn a_twin_on_its_own_thread_writes_while_the_replica_goes_on() {
    restart_from_a_snapshot(with_twin_thread, Duration::from_millis(1));
}

/// The twin of a standby that was far behind starts over from what the leader sent.
#[test]
fn a_twin_follows_from_an_installed_snapshot() {
    let mut bench = Bench::with(3, with_twin);
    let leader = bench.leader();
    let standby = NodeId::new(leader.get() % 3 + 1);
    bench.cluster.crash(standby);
    let mut amount = 0;
    let mut add = |bench: &mut Bench, entries: u64| {
        for _ in 0..entries {
            let leader = bench.leader();
            amount += 1;
            let _ = bench.cluster.replica_mut(leader).unwrap().offer_internal(&Tally::add(amount));
            bench.step(3);
        }
    };
    add(&mut bench, 200);
    bench.cluster.start(standby).expect("its disk is sound");
    bench.until("the standby has the leader's snapshot", |bench| {
        bench.cluster.replica(standby).unwrap().status().snapshot_position.get() > 0
    });
    let installed = bench.cluster.replica(standby).unwrap().status().snapshot_position;
    add(&mut bench, 200);
    bench.until("the standby took one of its own", |bench| {
        bench.cluster.replica(standby).unwrap().status().snapshot_position > installed
    });
    bench.cluster.crash(standby);
    bench.cluster.start(standby).expect("what the twin wrote restores");
}
