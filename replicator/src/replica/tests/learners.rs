//! Learners that stay learners: of another region.

use wire::NodeId;

use super::{Bench, small_snapshots};
use crate::members::node_of;
use crate::{Joining, NotChanged, Output, ReplicaConfig, Role, Status};

const FOURTH: NodeId = NodeId::new(4);

fn nodes(ids: &[u64]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId::new).collect()
}

fn status(bench: &Bench, node: NodeId) -> Status {
    bench.cluster.replica(node).unwrap().status()
}

fn voters(bench: &Bench) -> Vec<NodeId> {
    status(bench, bench.leader()).members.voters.iter().map(|member| node_of(*member)).collect()
}

fn stays(wished_by_operator: bool) -> Joining {
    Joining { stays_learner: wished_by_operator, ..Joining::default() }
}

/// Three voters and a learner; everything of its is applied.
fn with_learner(configure: fn(&mut ReplicaConfig), how: Joining) -> (Bench, wire::SessionId) {
    let mut bench = Bench::with(3, configure);
    let session = bench.open_session(7);
    bench.execute(session, 1, 60);
    assert_eq!(bench.cluster.grow(), FOURTH);
    bench.step(300);
    let leader = bench.leader();
    bench.cluster.replica_mut(leader).unwrap().add_node(FOURTH, how).unwrap();
    bench.until("it has everything", |bench| {
        let learner = status(bench, FOURTH);
        learner.applied_index > 0 && learner.applied_index == status(bench, bench.leader()).applied_index
    });
    (bench, session)
}

#[test]
fn a_learner_for_good_gets_the_log_and_never_votes_under_any_leader_nor_after_restarts() {
    // The operator may say it, and the node itself.
    let by_operator: (fn(&mut ReplicaConfig), Joining) = (small_snapshots, stays(true));
    let by_itself: (fn(&mut ReplicaConfig), Joining) =
        (|config| config.stays_learner = config.node == FOURTH, stays(false));
    for (configure, how) in [by_operator, by_itself] {
        let (mut bench, session) = with_learner(configure, how);
        let mut sequence = 61;
        for round in 0..6 {
            let node = [bench.leader(), FOURTH][round % 2];
            bench.cluster.crash(node);
            bench.step(500);
            bench.cluster.start(node).unwrap();
            bench.await_leader();
            bench.step(500);
            bench.execute(session, sequence, sequence + 40);
            sequence += 41;
            bench.await_agreement();
            assert_eq!(voters(&bench), nodes(&[1, 2, 3]));
            assert_ne!(bench.leader(), FOURTH);
            let learner = status(&bench, FOURTH);
            assert_eq!((learner.role, learner.members.places.learning.len()), (Role::Learner, 1));
            assert!(!learner.members.is_changing());
        }
        let led = |output: &(NodeId, Output)| matches!(output.1, Output::LeaderChanged { leader: Some(FOURTH), .. });
        assert!(!bench.said.iter().any(led));
    }
}

#[test]
fn a_learner_for_good_is_no_part_of_a_quorum() {
    let (mut bench, session) = with_learner(|_| {}, stays(true));
    // Two of three voters commit without it.
    bench.cluster.isolate(FOURTH);
    let standby = bench.standbys()[0];
    bench.cluster.crash(standby);
    bench.execute(session, 61, 70);
    // One voter and the learner do not.
    bench.cluster.heal();
    bench.step(500);
    let committed = status(&bench, FOURTH).applied_index;
    let others: Vec<NodeId> = nodes(&[1, 2, 3]).into_iter().filter(|node| *node != standby).collect();
    bench.cluster.crash(others[0]);
    bench.step(3_000);
    assert_eq!(bench.cluster.leader(), None, "one of three voters leads nobody, whatever learns from it");
    assert_eq!(status(&bench, FOURTH).applied_index, committed);
}

#[test]
fn a_learner_that_was_away_for_long_delays_no_truncation_and_comes_back_by_a_snapshot() {
    let (mut bench, session) = with_learner(small_snapshots, stays(true));
    bench.cluster.isolate(FOURTH);
    bench.execute(session, 61, 260);
    let (leader, away) = (status(&bench, bench.leader()), status(&bench, FOURTH));
    assert!(leader.first_index > away.last_index, "the log goes back to {}", leader.first_index);
    assert!(leader.last_index - leader.first_index < 120);
    bench.cluster.heal();
    bench.await_agreement();
    assert_eq!(voters(&bench), nodes(&[1, 2, 3]));
}

#[test]
fn a_learner_for_good_that_loses_its_disk_learns_again_and_may_be_removed() {
    let (mut bench, session) = with_learner(small_snapshots, stays(true));
    let before = status(&bench, FOURTH).member;
    bench.cluster.crash(FOURTH);
    bench.cluster.replace_disk(FOURTH);
    bench.cluster.start(FOURTH).unwrap();
    bench.execute(session, 61, 70);
    bench.until("it learns as another member", |bench| {
        let learner = status(bench, FOURTH);
        learner.member != before && learner.applied_index == status(bench, bench.leader()).applied_index
    });
    assert_eq!(voters(&bench), nodes(&[1, 2, 3]));
    let leader = bench.leader();
    bench.until("nothing is under way", |bench| !status(bench, leader).members.is_joint());
    bench.cluster.replica_mut(leader).unwrap().remove_node(FOURTH).unwrap();
    bench.until("it is forgotten", |bench| {
        let members = status(bench, leader).members;
        !members.is_joint() && !members.has_node(FOURTH) && members.places.learning.is_empty()
    });
}

#[test]
fn who_stays_a_learner_takes_no_voters_place() {
    let mut bench = Bench::with(3, |config| config.stays_learner = config.node == FOURTH);
    bench.cluster.grow();
    bench.step(300);
    let leader = bench.leader();
    let how = Joining { instead_of: Some(bench.standbys()[0]), ..Joining::default() };
    assert_eq!(bench.cluster.replica_mut(leader).unwrap().add_node(FOURTH, how), Err(NotChanged::NeverVotes));
}

#[test]
fn a_learner_knows_how_far_it_is_behind() {
    let (mut bench, session) = with_learner(|_| {}, stays(true));
    let lag = |bench: &Bench| status(bench, FOURTH).lag.unwrap();
    bench.step(1_000);
    let level = lag(&bench);
    assert_eq!(level.entries, 0);
    assert!(level.nanos < 300_000_000, "an announcement comes five times a second: {level:?}");
    assert_eq!(status(&bench, bench.leader()).lag, None, "a voter is no learner");
    bench.cluster.isolate(FOURTH);
    bench.execute(session, 61, 80);
    bench.step(5_000);
    let cut_off = lag(&bench);
    assert!(cut_off.nanos > 5_000_000_000 && cut_off.nanos < 7_000_000_000, "{cut_off:?}");
    bench.cluster.heal();
    bench.await_agreement();
    bench.step(1_000);
    assert!(lag(&bench).entries == 0 && lag(&bench).nanos < 300_000_000, "{:?}", lag(&bench));
}

#[test]
fn who_stays_a_learner_founds_nothing_though_every_configuration_names_it() {
    let mut bench = Bench::with(4, |config| config.stays_learner = config.node == FOURTH);
    assert_eq!(voters(&bench), nodes(&[1, 2, 3]));
    let session = bench.open_session(7);
    bench.execute(session, 1, 10);
    assert!(!status(&bench, FOURTH).members.has_node(FOURTH) || status(&bench, FOURTH).applied_index == 0);
    let leader = bench.leader();
    bench.cluster.replica_mut(leader).unwrap().add_node(FOURTH, Joining::default()).unwrap();
    bench.await_agreement();
    assert_eq!((voters(&bench), status(&bench, FOURTH).role), (nodes(&[1, 2, 3]), Role::Learner));
}
