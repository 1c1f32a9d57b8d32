//! A standby writes before it applies.

use wire::NodeId;

use super::Bench;
use crate::Space;

/// Where a standby is told with a new entry that the one before it is committed. Disks write nothing from here on.
fn told_before_a_write() -> (Bench, NodeId) {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let standby = bench.standbys()[0];
    for sequence in 1.. {
        assert!(sequence < 100, "a tick comes in between every time");
        bench.cluster.faults().sync_per_mille = 1_000;
        bench.execute(session, 2 * sequence - 1, 2 * sequence - 1);
        let (_, applied) = bench.cluster.replica(standby).unwrap().reached();
        bench.cluster.faults().sync_per_mille = 0;
        bench.offer(session, 2 * sequence).unwrap();
        // To the leader's next cycle, over the network, to the standby's.
        bench.step(2);
        let (committed, now_applied) = bench.cluster.replica(standby).unwrap().reached();
        if now_applied == applied && committed > applied {
            break;
        }
    }
    (bench, standby)
}

#[test]
fn what_is_committed_waits_for_the_write_that_came_with_it() {
    let (mut bench, standby) = told_before_a_write();
    bench.cluster.faults().sync_per_mille = 1_000;
    let waited = bench.until("it is applied", |bench| {
        let (committed, applied) = bench.cluster.replica(standby).unwrap().reached();
        applied == committed
    });
    assert!(waited <= 2, "written and applied after {waited} steps");
    bench.await_agreement();
}

#[test]
fn a_disk_that_writes_nothing_keeps_nothing_from_being_applied() {
    let (mut bench, standby) = told_before_a_write();
    let waited = bench.until("it is applied", |bench| {
        let (committed, applied) = bench.cluster.replica(standby).unwrap().reached();
        applied == committed
    });
    assert!((1..=10).contains(&waited), "applied with the next tick, after {waited} steps");
}

#[test]
fn a_standby_that_comes_to_lead_has_applied_what_waited() {
    let (mut bench, standby) = told_before_a_write();
    bench.cluster.crash(bench.leader());
    bench.cluster.faults().sync_per_mille = 1_000;
    bench.until("another leads", |bench| bench.cluster.leader().is_some());
    bench.await_agreement();
    let (committed, applied) = bench.cluster.replica(standby).unwrap().reached();
    assert_eq!(committed, applied);
}

#[test]
fn a_disk_that_is_full_keeps_nothing_from_being_applied() {
    let (mut bench, standby) = told_before_a_write();
    bench.cluster.replica_mut(standby).unwrap().set_space(Space::Full);
    let (committed, applied) = bench.cluster.replica(standby).unwrap().reached();
    assert_eq!(committed, applied);
}
