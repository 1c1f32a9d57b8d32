//! Who belongs: founding, disks that are lost, and changes of members.

use wire::NodeId;

use super::{Bench, small_snapshots};
use crate::members::{Change, member, node_of};
use crate::sim::{Cluster, Faults, Tally};
use crate::{Joining, NotChanged, ReplicaConfig, Role};

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

#[test]
fn who_waits_long_says_what_somebody_must_do() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    let (standbys, said) = (bench.standbys(), |bench: &Bench, node| bench.cluster.replica(node).unwrap().waits_for());
    assert_eq!(said(&bench, standbys[0]), None);
    standbys.iter().for_each(|standby| lose_disk(&mut bench, *standby));
    bench.step(10_000);
    let (what, advice) = said(&bench, standbys[0]).unwrap();
    assert!(what.contains("waiting for a leader") && advice.is_none(), "{what}");
    bench.step(60_000);
    let (_, advice) = said(&bench, standbys[0]).unwrap();
    assert!(advice.unwrap().contains("mainstay ctl backup restore"));

    // Alone, it cannot know whether there was a cluster.
    let mut bench = Bench::new(3);
    let all = bench.cluster.ids();
    all.iter().for_each(|node| bench.cluster.crash(*node));
    bench.cluster.replace_disk(all[0]);
    bench.cluster.start(all[0]).unwrap();
    bench.step(70_000);
    let (what, advice) = said(&bench, all[0]).unwrap();
    assert!(what.contains("not heard of as new: [2, 3]"), "{what}");
    assert!(advice.unwrap().contains("Start those nodes"));
    for node in &all[1..] {
        bench.cluster.start(*node).unwrap();
    }
    bench.until("it is taken in", |bench| said(bench, all[0]).is_none());
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
        assert_eq!(
            bench.cluster.replica_mut(leader).unwrap().add_node(NodeId::new(4), Joining::default()),
            Err(NotChanged::Unheard)
        );
        let new = [bench.cluster.grow(), bench.cluster.grow()];
        bench.step(300);
        let mut sequence = 60;
        for node in new {
            ask(&mut bench, |bench, leader| {
                bench.cluster.replica_mut(leader).unwrap().add_node(node, Joining::default())
            });
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

/// A disk is lost and its node taken back, which everybody knows; then another one for good, and the two that are left are started
/// anew. Had they on their disks only that the change began, they would look for a majority of those before it as well.
#[test]
fn who_has_applied_a_change_of_members_knows_it_after_a_restart() {
    for standby in 0..2 {
        let mut bench = Bench::new(3);
        let session = bench.open_session(7);
        bench.execute(session, 1, 20);
        let (leader, lost) = (bench.leader(), bench.standbys()[standby]);
        let gone = bench.standbys()[1 - standby];
        lose_disk(&mut bench, lost);
        let has_applied = |bench: &Bench, node: NodeId| {
            let status = bench.cluster.replica(node).unwrap().status();
            let members = status.members;
            members.voters.contains(&status.member) && !members.voters.contains(&lost.get()) && !members.is_changing()
        };
        bench.until("everybody knows", |bench| bench.cluster.ids().into_iter().all(|node| has_applied(bench, node)));
        // Until it is written.
        bench.step(2);
        for node in [gone, leader, lost] {
            bench.cluster.crash(node);
        }
        for node in [leader, lost] {
            bench.cluster.start(node).unwrap();
        }
        bench.await_leader();
        bench.execute(session, 21, 25);
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

/// Raft would take one more than the log does, and no replica would go on.
#[test]
fn a_group_that_is_full_takes_nobody_and_goes_on() {
    let mut bench = Bench::new(64);
    let session = bench.open_session(7);
    let more = bench.cluster.grow();
    bench.step(300);
    let leader = bench.leader();
    assert_eq!(bench.cluster.replica_mut(leader).unwrap().add_node(more, Joining::default()), Err(NotChanged::TooMany));
    bench.execute(session, 1, 3);
    assert_eq!(voters(&bench).len(), 64);
}

/// The leader's snapshot was of before it was taken in again, and did not name it; it refused that one, and got no other until enough
/// was traded.
#[test]
fn who_was_let_go_unheard_and_is_taken_in_again_gets_a_snapshot_that_names_it() {
    let mut bench = Bench::with(3, small_snapshots);
    let session = bench.open_session(7);
    bench.execute(session, 1, 20);
    let (leader, standby) = (bench.leader(), bench.standbys()[0]);
    bench.cluster.isolate(standby);
    bench.cluster.replica_mut(leader).unwrap().remove_node(standby).unwrap();
    bench.until("it is gone", |bench| !voters(bench).is_empty() && !voters(bench).contains(&standby));
    bench.execute(session, 21, 120);
    bench.cluster.heal();
    let status = |bench: &Bench, node| bench.cluster.replica(node).unwrap().status();
    assert!(status(&bench, standby).members.voters.contains(&standby.get()), "nobody has told it");
    let replica = bench.cluster.replica_mut(leader).unwrap();
    replica.change_members(&[Change::Learn(standby.get())], Joining::default()).unwrap();
    let steps = bench.until("it votes", |bench| voters(bench).contains(&standby));
    assert!(steps < 1_500, "{steps}");
    bench.await_agreement();
}

/// One of three is cut off when it has heard of another, which founds the cluster with the third. Then the third loses its
/// disk: the first two messages of its new life must not found the cluster again.
/// A node lost two disks in a moment, and a leader that had heard of the former took that in beside the latter: it was a learner for
/// ever, and the members were being changed for ever.
#[test]
fn a_learner_that_nobody_is_any_more_is_removed() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    let (leader, standby) = (bench.leader(), bench.standbys()[0]);
    let nobody = member(standby, 77);
    let members = |bench: &Bench| bench.cluster.replica(leader).unwrap().status().members;
    let replica = bench.cluster.replica_mut(leader).unwrap();
    replica.change_members(&[Change::Learn(nobody)], Joining::default()).unwrap();
    bench.until("it is a learner", |bench| members(bench).learners.contains(&nobody));
    bench.until("nobody is any more", |bench| voters(bench) == nodes(&[1, 2, 3]));
    bench.execute(session, 6, 10);
    bench.await_agreement();
}

#[test]
fn a_founder_whose_disk_is_lost_does_not_found_the_cluster_again_with_one_that_slept() {
    let mut founded = 0;
    for (is_deaf, steps) in [true, false].into_iter().flat_map(|deaf| (1..130).step_by(3).map(move |at| (deaf, at))) {
        let [a, b, c] = [1, 2, 3].map(NodeId::new);
        let cluster = Cluster::new(3, steps as u64, Faults::none(), Tally::default, |_| {});
        let mut bench = Bench { cluster, said: Vec::new() };
        if is_deaf {
            bench.cluster.cut(c, b);
        }
        bench.step(steps);
        bench.cluster.isolate(b);
        bench.step(700);
        if bench.cluster.leader().is_none() {
            continue;
        }
        founded += 1;
        let session = bench.open_session(7);
        bench.execute(session, 1, 3);
        bench.cluster.crash(a);
        lose_disk(&mut bench, c);
        bench.cluster.heal();
        bench.step(1_500);
        assert_eq!(bench.cluster.leader(), None, "nobody who is left has what was acknowledged ({is_deaf}, {steps})");
        bench.cluster.start(a).unwrap();
        bench.await_leader();
        bench.execute(session, 4, 5);
        bench.await_agreement();
        assert_eq!(bench.cluster.replica(b).unwrap().machine().executed().len(), 5);
    }
    assert!(founded > 5, "the cluster was founded {founded} times only");
}

/// The change is in the log of one that it removes when that one is made the leader, which it is to the end of it.
#[test]
fn a_leader_that_is_removed_hands_over_and_goes_on_as_nobody() {
    let mut has_led = 0;
    for steps in 0..16 {
        for is_apart in [false, true] {
            let mut bench = Bench::new(4);
            let session = bench.open_session(7);
            bench.execute(session, 1, 3);
            let (old, leaving) = (bench.leader(), bench.standbys()[0]);
            let replica = bench.cluster.replica_mut(old).unwrap();
            replica.remove_node(leaving).unwrap();
            bench.step(steps);
            bench.cluster.replica_mut(old).unwrap().transfer_leadership(leaving);
            if is_apart {
                // What the leaving one is told of commits comes from nobody else.
                bench.step(2);
                bench.cluster.isolate(old);
            }
            for _ in 0..150 {
                bench.step(1);
                let replica = bench.cluster.replica(leaving).unwrap();
                has_led += u32::from(replica.status().role == Role::Leader);
            }
            bench.cluster.heal();
            // The change may have been lost with the old leader's term.
            ask(&mut bench, |bench, leader| bench.cluster.replica_mut(leader).unwrap().remove_node(leaving));
            bench.until("it is gone, and others lead", |bench| {
                bench.cluster.leader().is_some_and(|leader| leader != leaving)
                    && voters(bench).len() == 3
                    && !voters(bench).contains(&leaving)
            });
            bench.execute(session, 4, 8);
            assert_ne!(bench.cluster.replica(leaving).unwrap().status().role, Role::Leader);
        }
    }
    assert!(has_led > 0, "it never led");
}

#[test]
fn a_node_that_was_taken_in_and_let_go_by_another_leader_stays_out() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 10);
    let first = bench.leader();
    let fourth = bench.cluster.grow();
    bench.step(300);
    ask(&mut bench, |bench, leader| bench.cluster.replica_mut(leader).unwrap().add_node(fourth, Joining::default()));
    bench.until("it votes", |bench| voters(bench).contains(&fourth));
    assert_eq!(bench.leader(), first);
    let second = bench.standbys()[0];
    bench.cluster.replica_mut(first).unwrap().transfer_leadership(second);
    bench.until("another leads", |bench| bench.cluster.leader() == Some(second));
    ask(&mut bench, |bench, leader| bench.cluster.replica_mut(leader).unwrap().remove_node(fourth));
    bench.until("it is gone", |bench| voters(bench) == nodes(&[1, 2, 3]));
    lose_disk(&mut bench, fourth);
    bench.cluster.replica_mut(second).unwrap().transfer_leadership(first);
    bench.until("the first leads", |bench| bench.cluster.leader() == Some(first));
    bench.step(2_000);
    assert_eq!(voters(&bench), nodes(&[1, 2, 3]));
}

/// The newcomer's place and whom it replaces are in the log: the leader that asked for it need not be the one that ends it.
#[test]
fn a_newcomer_takes_the_place_of_a_member_in_one_change_under_any_leader() {
    for configure in [(|_| {}) as fn(&mut ReplicaConfig), small_snapshots] {
        let mut bench = Bench::with(3, configure);
        let session = bench.open_session(7);
        bench.execute(session, 1, 40);
        let (first, leaving) = (bench.leader(), bench.leader());
        let next = bench.standbys()[0];
        let fourth = bench.cluster.grow();
        bench.step(300);
        let at = Some((std::net::Ipv4Addr::LOCALHOST, 7104).into());
        let how = Joining { at, instead_of: Some(leaving), stays_learner: false };
        ask(&mut bench, |bench, leader| bench.cluster.replica_mut(leader).unwrap().add_node(fourth, how));
        bench.cluster.replica_mut(first).unwrap().transfer_leadership(next);
        let others: Vec<NodeId> = nodes(&[1, 2, 3, 4]).into_iter().filter(|node| *node != leaving).collect();
        bench.until("it has replaced the first leader", |bench| {
            bench.cluster.leader().is_some_and(|leader| leader != leaving) && voters(bench) == others
        });
        bench.execute(session, 41, 60);
        bench.cluster.crash(leaving);
        bench.await_agreement();
        for node in others {
            let places = bench.cluster.replica(node).unwrap().status().members.places;
            assert_eq!(places.at.get(&fourth).copied(), at);
            assert!(places.replaced.is_empty());
        }
    }
}

#[test]
fn who_is_to_lead_nothing_is_in_the_log_and_in_snapshots() {
    let mut bench = Bench::with(3, small_snapshots);
    let session = bench.open_session(7);
    let draining = bench.standbys()[0];
    let drain = |bench: &mut Bench, node, begins| {
        let leader = bench.leader();
        bench.cluster.replica_mut(leader).unwrap().drain_node(node, begins)
    };
    assert_eq!(drain(&mut bench, NodeId::new(9), true), Err(NotChanged::Unknown));
    assert_eq!(drain(&mut bench, draining, false), Err(NotChanged::IsSo));
    assert_eq!(drain(&mut bench, draining, true), Ok(()));
    bench.execute(session, 1, 60);
    bench.await_agreement();
    assert_eq!(drain(&mut bench, draining, true), Err(NotChanged::IsSo));
    for node in nodes(&[1, 2, 3]) {
        bench.cluster.crash(node);
        bench.cluster.start(node).unwrap();
        bench.await_leader();
        bench.await_agreement();
        let status = bench.cluster.replica(node).unwrap().status();
        assert_eq!(status.members.places.draining, [draining].into());
    }
    assert_eq!(drain(&mut bench, draining, false), Ok(()));
    bench.until("it may lead", |bench| {
        bench.cluster.running().all(|(_, replica)| replica.status().members.places.draining.is_empty())
    });
}

/// Raft forgets who was active each time that it checks its quorum.
#[test]
fn a_removal_is_possible_at_any_moment_while_all_are_alive() {
    let mut bench = Bench::new(4);
    let leaving = bench.standbys()[0];
    bench.step(500);
    for _ in 0..400 {
        bench.step(1);
        let leader = bench.leader();
        let staying = nodes(&[1, 2, 3, 4]).into_iter().filter(|node| *node != leaving);
        let replica = bench.cluster.replica(leader).unwrap();
        let status = replica.status();
        let alive = staying.filter_map(|node| status.members.voter_of(node)).filter(|voter| replica.is_alive(*voter));
        assert_eq!(alive.count(), 3);
    }
}
