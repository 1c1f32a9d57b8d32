use super::Bench;
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
