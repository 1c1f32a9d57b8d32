//! Who belongs: founding, disks that are lost, and changes of members.

use wire::NodeId;

use super::{Bench, small_snapshots};
use crate::members::node_of;
use crate::{NotChanged, ReplicaConfig, Role};

fn voters(bench: &Bench) -> Vec<NodeId> {
    let status = bench.cluster.replica(bench.leader()).unwrap().status();
    let mut nodes: Vec<NodeId> = status.members.voters.iter().map(|member| node_of(*member)).collect();
    nodes.sort();
    if status.members.is_joint() || !status.members.learners.is_empty() { Vec::new() } else { nodes }
}

fn nodes(ids: &[u64]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId::new).collect()
}

fn lose_disk(bench: &mut Bench, node: NodeId) {
    bench.cluster.crash(node);
    bench.cluster.replace_disk(node);
    bench.cluster.start(node).unwrap();
}

#[test]
fn a_cluster_is_founded_only_when_every_disk_of_it_is_new() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    // Two of three disks are lost: whoever is left alone knows what was promised, and the others are nobody.
    let standbys = bench.standbys();
    for standby in &standbys {
        lose_disk(&mut bench, *standby);
    }
    let leader = bench.leader();
    bench.step(3_000);
    assert_eq!(bench.cluster.leader(), None);
    for standby in standbys {
        assert_eq!(bench.cluster.replica(standby).unwrap().status().applied_index, 0);
        assert_eq!(bench.cluster.replica(standby).unwrap().status().role, Role::Learner);
    }
    assert!(bench.cluster.replica(leader).unwrap().status().applied_index > 0);
}

/// What the leader had acknowledged with the help of a standby, it alone still has when that standby's disk is lost. The
/// third, which was away, must not be elected by one that has forgotten.
#[test]
fn a_node_that_lost_its_disk_does_not_vote_for_one_that_lacks_what_it_had_acknowledged() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 3);
    let (leader, standbys) = (bench.leader(), bench.standbys());
    bench.cluster.isolate(standbys[1]);
    bench.execute(session, 4, 9);
    bench.cluster.crash(leader);
    lose_disk(&mut bench, standbys[0]);
    bench.cluster.heal();
    bench.step(3_000);
    assert_eq!(bench.cluster.leader(), None, "nobody who is left has everything that was acknowledged");
    bench.cluster.start(leader).unwrap();
    bench.await_leader();
    bench.execute(session, 10, 12);
    bench.until("the lost one is back", |bench| {
        let back = bench.cluster.replica(standbys[0]).unwrap().status();
        back.member != standbys[0].get() && back.members.voters.contains(&back.member)
    });
    bench.await_agreement();
    bench.until("the change is over", |bench| voters(bench) == nodes(&[1, 2, 3]));
}

#[test]
fn a_node_that_lost_its_disk_comes_back_as_another_member_again_and_again() {
    for configure in [(|_| {}) as fn(&mut ReplicaConfig), small_snapshots] {
        let mut bench = Bench::with(3, configure);
        let session = bench.open_session(7);
        let mut sequence = 0;
        for round in 0..6 {
            let victim = NodeId::new(1 + round % 3);
            if bench.leader() == victim {
                let to = bench.standbys()[0];
                bench.cluster.replica_mut(victim).unwrap().transfer_leadership(to);
                bench.until("another leads", |bench| bench.cluster.leader().is_some_and(|leader| leader != victim));
            }
            bench.execute(session, sequence + 1, sequence + 40);
            sequence += 40;
            let before = bench.cluster.replica(victim).unwrap().status().member;
            lose_disk(&mut bench, victim);
            bench.execute(session, sequence + 1, sequence + 5);
            sequence += 5;
            bench.until("it votes again", |bench| {
                bench.cluster.leader().is_some() && voters(bench) == nodes(&[1, 2, 3]) && {
                    let status = bench.cluster.replica(victim).unwrap().status();
                    status.member != before && status.members.voters.contains(&status.member)
                }
            });
            bench.await_agreement();
            // And it is the same after a restart.
            bench.cluster.crash(victim);
            bench.cluster.start(victim).unwrap();
            bench.await_leader();
            bench.await_agreement();
        }
    }
}

#[test]
fn three_nodes_become_five_and_three_others_remain() {
    for configure in [(|_| {}) as fn(&mut ReplicaConfig), small_snapshots] {
        let mut bench = Bench::with(3, configure);
        let session = bench.open_session(7);
        bench.execute(session, 1, 60);
        let leader = bench.leader();
        assert_eq!(bench.cluster.replica_mut(leader).unwrap().add_node(NodeId::new(4)), Err(NotChanged::Unheard));
        let new = [bench.cluster.grow(), bench.cluster.grow()];
        bench.step(300);
        let mut sequence = 60;
        for node in new {
            ask(&mut bench, |bench, leader| bench.cluster.replica_mut(leader).unwrap().add_node(node));
            bench.execute(session, sequence + 1, sequence + 20);
            sequence += 20;
            bench.until("it votes", |bench| voters(bench).contains(&node));
        }
        assert_eq!(voters(&bench), nodes(&[1, 2, 3, 4, 5]));
        // Five nodes bear two deaths.
        let dead = bench.standbys()[..2].to_vec();
        dead.iter().for_each(|node| bench.cluster.crash(*node));
        bench.execute(session, sequence + 1, sequence + 5);
        sequence += 5;
        for node in dead {
            bench.cluster.start(node).unwrap();
        }
        bench.await_agreement();
        for node in nodes(&[1, 2]) {
            ask(&mut bench, |bench, leader| bench.cluster.replica_mut(leader).unwrap().remove_node(node));
            bench.until("it is gone", |bench| {
                bench.cluster.leader().is_some_and(|leader| leader != node) && !voters(bench).contains(&node)
            });
            bench.cluster.crash(node);
            bench.execute(session, sequence + 1, sequence + 20);
            sequence += 20;
        }
        bench.until("three others remain", |bench| voters(bench) == nodes(&[3, 4, 5]));
        // They bear a death of their own, and restarts, and remember who they are.
        for node in nodes(&[3, 4, 5]) {
            bench.cluster.crash(node);
            bench.until("somebody leads", |bench| bench.cluster.leader().is_some());
            bench.execute(session, sequence + 1, sequence + 2);
            sequence += 2;
            bench.cluster.start(node).unwrap();
            bench.step(500);
        }
        bench.await_leader();
        assert_eq!(voters(&bench), nodes(&[3, 4, 5]));
    }
}

/// Asks whoever leads until it is done: a leader that is to go hands over first.
fn ask(bench: &mut Bench, mut what: impl FnMut(&mut Bench, NodeId) -> Result<(), NotChanged>) {
    for _ in 0..100 {
        let leader = bench.await_leader();
        match what(bench, leader) {
            Ok(()) | Err(NotChanged::IsSo) => return,
            Err(_) => bench.step(50),
        }
    }
    panic!("members were not changed");
}

#[test]
fn too_few_may_not_remain() {
    let mut bench = Bench::new(3);
    let dead = bench.standbys()[0];
    bench.cluster.crash(dead);
    bench.step(500);
    let (leader, standby) = (bench.leader(), bench.standbys()[1]);
    let replica = bench.cluster.replica_mut(leader).unwrap();
    assert_eq!(replica.remove_node(standby), Err(NotChanged::TooFew));
    assert_eq!(replica.remove_node(NodeId::new(9)), Err(NotChanged::IsSo));
    assert_eq!(replica.remove_node(leader), Err(NotChanged::TooFew));
    assert_eq!(replica.remove_node(dead), Ok(()));
    bench.until("two remain", |bench| voters(bench).len() == 2);
}
