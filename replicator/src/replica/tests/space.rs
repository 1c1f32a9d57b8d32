use super::{Bench, small_snapshots};
use crate::{Role, Space};

impl Bench {
    fn set_space(&mut self, node: wire::NodeId, space: Space) {
        self.cluster.replica_mut(node).unwrap().set_space(space);
    }

    fn role(&self, node: wire::NodeId) -> Role {
        self.cluster.replica(node).unwrap().status().role
    }
}

#[test]
fn a_leader_whose_disk_is_nearly_full_hands_over_and_goes_on_as_a_standby() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    let low = bench.leader();
    bench.set_space(low, Space::Low);
    bench.step(250);
    assert_eq!(bench.leader(), low, "it waits for what others say of themselves");
    let steps = bench.until("another leads", |bench| bench.cluster.leader().is_some_and(|leader| leader != low));
    assert!(steps <= 100, "{steps} ms");
    bench.execute(session, 6, 9);
    bench.await_agreement();
    assert_eq!(bench.role(low), Role::Standby, "and it has everything");
}

#[test]
fn nobody_hands_over_to_a_standby_whose_disk_is_nearly_full() {
    let mut bench = Bench::new(3);
    let (leader, standbys) = (bench.leader(), bench.standbys());
    bench.set_space(standbys[0], Space::Low);
    bench.step(200);
    bench.cluster.replica_mut(leader).unwrap().transfer_leadership(standbys[0]);
    bench.step(200);
    assert_eq!(bench.leader(), leader);
    bench.set_space(leader, Space::Low);
    bench.until("the other leads", |bench| bench.cluster.leader() == Some(standbys[1]));
}

#[test]
fn where_every_disk_is_nearly_full_the_leader_stays_and_trades_on() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let (leader, term) = (bench.leader(), bench.cluster.replica(bench.leader()).unwrap().status().term);
    for id in bench.cluster.ids() {
        bench.set_space(id, Space::Low);
    }
    bench.step(1_000);
    bench.execute(session, 1, 3);
    assert_eq!((bench.leader(), bench.cluster.replica(leader).unwrap().status().term), (leader, term));
    bench.cluster.crash(leader);
    bench.until("another leads, later than otherwise", |bench| bench.cluster.leader().is_some());
    bench.execute(session, 4, 5);
}

#[test]
fn a_leader_whose_disk_is_full_leads_no_more_at_once_and_writes_nothing() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    let full = bench.leader();
    bench.step(50);
    let last = |bench: &Bench| bench.cluster.replica(full).unwrap().status().last_index;
    let before = last(&bench);
    bench.set_space(full, Space::Full);
    assert!(bench.offer_to(full, session, 6).is_err());
    let steps = bench.until("another leads", |bench| bench.cluster.leader().is_some_and(|leader| leader != full));
    assert!(steps <= 20, "{steps} ms: it says so before it falls silent");
    bench.execute(session, 6, 20);
    bench.step(2_000);
    assert_eq!((last(&bench), bench.role(full)), (before, Role::Standby));

    bench.set_space(full, Space::Enough);
    bench.await_agreement();
    assert!(last(&bench) > before, "it is back by itself");
}

#[test]
fn where_every_disk_is_full_nothing_is_acknowledged_until_there_is_space() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    for id in bench.cluster.ids() {
        bench.set_space(id, Space::Full);
    }
    bench.step(1_000);
    for id in bench.cluster.ids() {
        assert!(bench.offer_to(id, session, 6).is_err());
    }
    for id in bench.cluster.ids() {
        bench.set_space(id, Space::Enough);
    }
    bench.await_leader();
    bench.execute(session, 6, 9);
    bench.await_agreement();
}

#[test]
fn no_snapshot_is_taken_while_the_disk_is_nearly_full() {
    let mut bench = Bench::with(3, super::small_snapshots);
    let session = bench.open_session(7);
    for id in bench.cluster.ids() {
        bench.set_space(id, Space::Low);
    }
    bench.execute(session, 1, 80);
    let taken =
        |bench: &Bench| bench.cluster.running().any(|(_, replica)| replica.status().snapshot_position.get() > 0);
    assert!(!taken(&bench));
    for id in bench.cluster.ids() {
        bench.set_space(id, Space::Enough);
    }
    bench.execute(session, 81, 82);
    bench.until("one is taken", taken);
}

#[test]
fn a_replica_that_has_no_room_for_a_snapshot_serves_on_and_takes_it_when_there_is() {
    let mut bench = Bench::with(3, small_snapshots);
    let session = bench.open_session(7);
    let nodes = bench.cluster.ids();
    nodes.iter().for_each(|node| bench.cluster.disk(*node).refuse_snapshots(true));
    bench.execute(session, 1, 200);
    bench.step(10_000);
    bench.execute(session, 201, 300);
    bench.await_agreement();
    for node in &nodes {
        assert_eq!(bench.cluster.disk(*node).holds().1, 0, "none was saved");
        assert_eq!(bench.cluster.replica(*node).unwrap().status().failed, None);
        bench.cluster.disk(*node).refuse_snapshots(false);
    }
    let first = bench.cluster.replica(nodes[0]).unwrap().status().first_index;
    assert_eq!(first, 1, "what no snapshot has stays in the log");
    bench.step(11_000);
    for node in &nodes {
        assert_eq!(bench.cluster.disk(*node).holds().1, 1, "it is tried again without a new reason");
    }
    bench.cluster.crash(nodes[0]);
    bench.cluster.start(nodes[0]).unwrap();
    bench.execute(session, 301, 305);
    bench.await_agreement();
}

#[test]
fn a_standby_that_has_no_room_for_the_leaders_snapshot_installs_it_when_there_is() {
    let mut bench = Bench::with(3, small_snapshots);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    let standby = bench.standbys()[0];
    bench.cluster.crash(standby);
    bench.execute(session, 6, 200);
    bench.cluster.disk(standby).refuse_snapshots(true);
    bench.cluster.start(standby).unwrap();
    bench.step(3_000);
    bench.execute(session, 201, 210);
    let replica = bench.cluster.replica(standby).unwrap();
    assert_eq!((replica.status().failed, bench.cluster.disk(standby).holds().1), (None, 0));
    let unsent = |bench: &Bench| bench.cluster.replica(standby).unwrap().raft.raft.msgs.len();
    let before = unsent(&bench);
    bench.step(60_000);
    assert!(unsent(&bench) <= before + 8, "{before} answers became {}", unsent(&bench));
    bench.cluster.disk(standby).refuse_snapshots(false);
    bench.step(10_000);
    bench.await_agreement();
    assert!(bench.cluster.disk(standby).holds().1 > 0);
}

#[test]
fn a_log_is_not_replaced_by_the_leaders_snapshot_while_the_disk_is_full() {
    let mut bench = Bench::with(3, small_snapshots);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    let standby = bench.standbys()[0];
    bench.cluster.crash(standby);
    bench.execute(session, 6, 200);
    bench.cluster.start(standby).unwrap();
    bench.cluster.faults().sync_per_mille = 0;
    bench.until("the snapshot goes to the disk", |bench| {
        let is_installing = bench.cluster.replica(standby).unwrap().persistence.is_installing();
        if !is_installing {
            bench.cluster.ids().into_iter().for_each(|id| bench.cluster.disk(id).sync(usize::MAX));
        }
        is_installing
    });
    bench.set_space(standby, Space::Full);
    bench.cluster.disk(standby).sync(usize::MAX);
    bench.step(100);
    assert_eq!(bench.cluster.disk(standby).waiting(), 0, "what was given to the disk before is finished, and no more");
    bench.cluster.faults().sync_per_mille = 1_000;
    bench.set_space(standby, Space::Enough);
    bench.await_agreement();
    bench.cluster.crash(standby);
    bench.cluster.start(standby).unwrap();
    bench.execute(session, 201, 205);
    bench.await_agreement();
}

#[test]
fn a_commit_that_a_full_disk_did_not_take_is_written_once_there_is_space() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    let standby = bench.standbys()[0];
    bench.step(50);
    bench.cluster.faults().sync_per_mille = 0;
    let waiting = |bench: &mut Bench| bench.cluster.disk(standby).waiting();
    bench.set_space(standby, Space::Full);
    bench.cluster.replica_mut(standby).unwrap().write_commit();
    assert_eq!(waiting(&mut bench), 0);
    bench.set_space(standby, Space::Low);
    assert_eq!(waiting(&mut bench), 1);
}

#[test]
fn who_is_alone_and_has_no_space_begins_to_lead_when_there_is_some() {
    let mut bench = Bench::new(1);
    let alone = bench.leader();
    bench.set_space(alone, Space::Full);
    bench.cluster.replica_mut(alone).unwrap().campaign_alone();
    assert_eq!(bench.role(alone), Role::Standby);
    bench.set_space(alone, Space::Enough);
    bench.await_leader();
}
