//! A learner votes when its node has the past as well.

use wire::{LogPosition, NodeId, SessionId};

use super::{Bench, small_snapshots};
use crate::members::{Change, node_of};
use crate::{Joining, Output, Past, ReplicaConfig, Status};

const FOURTH: NodeId = NodeId::new(4);

fn keeping(config: &mut ReplicaConfig) {
    small_snapshots(config);
    config.keeps_past = true;
}

impl Bench {
    fn status_of(&self, node: NodeId) -> Status {
        self.cluster.replica(node).unwrap().status()
    }

    fn votes(&self, node: NodeId) -> bool {
        self.status_of(self.leader()).members.voter_of(node).is_some()
    }

    fn has_everything(&self, node: NodeId) -> bool {
        let (its, of_leader) = (self.status_of(node), self.status_of(self.leader()));
        its.applied_index > 0 && its.applied_index == of_leader.applied_index
    }

    /// Its node finds that so much is missing, as of all that is applied.
    fn misses(&mut self, node: NodeId, missing: u64, is_lost: bool) {
        let upto = self.position(node);
        self.cluster.replica_mut(node).unwrap().set_past(Past { upto, missing, is_lost });
    }
}

/// A fourth node is to be a voter, has the log, and has not said what it lacks.
fn joining() -> (Bench, SessionId) {
    let mut bench = Bench::with(3, keeping);
    let session = bench.open_session(7);
    bench.execute(session, 1, 60);
    assert_eq!(bench.cluster.grow(), FOURTH);
    bench.step(300);
    let leader = bench.leader();
    bench.cluster.replica_mut(leader).unwrap().add_node(FOURTH, Joining::default()).unwrap();
    bench.until("it has the log", |bench| bench.has_everything(FOURTH));
    (bench, session)
}

#[test]
fn a_learner_votes_when_its_node_has_the_past() {
    let (mut bench, session) = joining();
    bench.step(5_000);
    assert!(!bench.votes(FOURTH), "it has not said what it lacks");
    bench.misses(FOURTH, 50, false);
    bench.step(5_000);
    assert!(!bench.votes(FOURTH));
    assert_eq!(bench.status_of(bench.leader()).lacking, [(FOURTH, 50, false)]);
    bench.misses(FOURTH, 0, false);
    bench.until("it votes", |bench| bench.votes(FOURTH));
    bench.until("nothing is under way", |bench| !bench.status_of(bench.leader()).members.is_changing());
    assert_eq!(bench.status_of(bench.leader()).lacking, []);
    bench.execute(session, 61, 70);
}

#[test]
fn what_nobody_has_any_more_is_not_waited_for() {
    let (mut bench, _) = joining();
    bench.misses(FOURTH, 50, true);
    let steps = bench.until("it votes", |bench| bench.votes(FOURTH));
    assert!(steps < 1_000, "{steps} ms");
    bench.until("it learns no more", |bench| bench.status_of(bench.leader()).members.learners.is_empty());
    assert_eq!(bench.status_of(bench.leader()).lacking, [], "nobody waits for it");
}

#[test]
fn nobody_waits_for_ever_for_a_past_that_does_not_come() {
    for says_so in [false, true] {
        let (mut bench, _) = joining();
        if says_so {
            bench.misses(FOURTH, 50, false);
        }
        bench.step(29_000);
        assert!(!bench.votes(FOURTH));
        bench.step(2_000);
        assert!(bench.votes(FOURTH));
    }
}

#[test]
fn a_past_that_comes_slowly_is_waited_for() {
    let (mut bench, _) = joining();
    for missing in (10..15).rev() {
        bench.misses(FOURTH, missing, false);
        bench.step(25_000);
        assert!(!bench.votes(FOURTH), "{missing} are missing");
    }
    // More is missing, which is no progress.
    bench.misses(FOURTH, 12, false);
    bench.step(10_000);
    assert!(bench.votes(FOURTH));
}

#[test]
fn what_a_learner_had_before_it_got_another_snapshot_does_not_count() {
    let (mut bench, session) = joining();
    bench.misses(FOURTH, 50, false);
    bench.step(1_000);
    bench.cluster.isolate(FOURTH);
    bench.execute(session, 61, 260);
    // It has all of its past, and then there is more.
    bench.misses(FOURTH, 0, false);
    bench.cluster.heal();
    bench.until("it has the log", |bench| bench.has_everything(FOURTH));
    assert!(
        bench.said.iter().filter(|(id, it)| *id == FOURTH && matches!(it, Output::SnapshotInstalled { .. })).count()
            > 1
    );
    bench.step(5_000);
    assert!(!bench.votes(FOURTH));
    bench.misses(FOURTH, 0, false);
    bench.until("it votes", |bench| bench.votes(FOURTH));
}

#[test]
fn a_node_that_lost_its_disk_votes_again_when_it_has_the_past_and_under_a_new_leader_too() {
    let mut bench = Bench::with(3, keeping);
    let session = bench.open_session(7);
    bench.execute(session, 1, 120);
    let standby = bench.standbys()[0];
    bench.cluster.crash(standby);
    bench.cluster.replace_disk(standby);
    bench.cluster.start(standby).unwrap();
    bench.until("it has the log", |bench| bench.has_everything(standby));
    bench.misses(standby, 50, false);
    bench.step(2_000);
    let is_whole = |bench: &Bench| !bench.status_of(bench.leader()).members.is_changing();
    assert!(!is_whole(&bench));
    let (leader, other) = (bench.leader(), bench.standbys().into_iter().find(|id| *id != standby).unwrap());
    bench.cluster.replica_mut(leader).unwrap().transfer_leadership(other);
    bench.until("another leads", |bench| bench.cluster.leader() == Some(other));
    bench.step(2_000);
    assert!(!is_whole(&bench));
    assert_eq!(bench.status_of(other).lacking, [(standby, 50, false)]);
    bench.misses(standby, 0, false);
    bench.until("it votes", is_whole);
    assert!(bench.position(standby) > LogPosition::ZERO);
    bench.execute(session, 121, 130);
}

/// A node that came without its disk, has the log, and is not a voter yet.
fn returned() -> (Bench, NodeId, u64) {
    let mut bench = Bench::with(3, keeping);
    let session = bench.open_session(7);
    bench.execute(session, 1, 60);
    let node = bench.standbys()[0];
    bench.cluster.crash(node);
    bench.cluster.replace_disk(node);
    bench.cluster.start(node).unwrap();
    bench.until("it has the log", |bench| bench.has_everything(node));
    let learners = bench.status_of(bench.leader()).members.learners;
    let learner =
        learners.into_iter().find(|learner| node_of(*learner) == node).expect("it has not said what it lacks");
    (bench, node, learner)
}

/// An answer of the member that a node was before it lost its disk had been long on its way: its leader took the learner for nobody,
/// and the learner waited for ever for whoever had let it go.
#[test]
fn a_learner_that_is_let_go_while_it_waits_is_taken_in_again() {
    let (mut bench, node, learner) = returned();
    let leader = bench.leader();
    bench.cluster.replica_mut(leader).unwrap().change_members(&[Change::Remove(learner)], Joining::default()).unwrap();
    bench.until("it is let go", |bench| !bench.status_of(leader).members.learners.contains(&learner));
    bench.until("it is a learner again", |bench| bench.status_of(leader).members.learners.contains(&learner));
    bench.until("it has the log again", |bench| bench.has_everything(node));
    bench.misses(node, 0, false);
    bench.until("it votes", |bench| bench.status_of(leader).members.voters.contains(&learner));
    bench.until("nothing is under way", |bench| !bench.status_of(leader).members.is_changing());
}

#[test]
fn a_learner_that_waits_and_answers_is_somebody() {
    let (mut bench, node, learner) = returned();
    let (leader, former) = (bench.leader(), crate::members::member(node, 0));
    for _ in 0..50 {
        // What its former self had sent comes late.
        bench.cluster.replica_mut(leader).unwrap().pretend_answered(former);
        bench.step(50);
        assert!(bench.status_of(leader).members.learners.contains(&learner));
    }
}
