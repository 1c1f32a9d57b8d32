use raft::StateRole;
use raft::eraftpb::{Message, MessageType};
use wire::NodeId;
use wire::link::Refusal;

use super::Bench;
use crate::members::{Change, member};
use crate::replica::envelope::Envelope;
use crate::{Joining, Output, Role};

#[test]
fn a_dead_leader_is_replaced_without_losing_what_it_acknowledged() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 10);
    let dead = bench.leader();
    bench.cluster.crash(dead);
    let steps = bench.until("another leader", |bench| bench.cluster.leader().is_some());
    assert!(steps <= 450, "{steps} ms");
    bench.execute(session, 11, 20);
    bench.cluster.start(dead).unwrap();
    bench.await_agreement();
    let machine = bench.cluster.replica(dead).unwrap().machine();
    let sequences: Vec<u64> = machine.executed().iter().map(|(_, origin)| origin.sequence.get()).collect();
    assert_eq!(sequences, (1..=20).collect::<Vec<u64>>());
}

#[test]
fn a_leader_whose_connections_are_refused_is_replaced_at_once() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 10);
    bench.step(50);
    let dead = bench.leader();
    bench.cluster.crash(dead);
    bench.cluster.refuse_connections_of(dead);
    bench.cluster.refuse_connections_of(dead);
    let steps = bench.until("another leader", |bench| bench.cluster.leader().is_some());
    assert!(steps <= 20, "{steps} ms");
    bench.execute(session, 11, 12);
}

#[test]
fn a_standby_that_cannot_win_leaves_the_next_to_try() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let (leader, standbys) = (bench.leader(), bench.standbys());
    bench.cluster.isolate(standbys[0]);
    bench.execute(session, 1, 5);
    bench.cluster.heal();
    bench.cluster.crash(leader);
    bench.cluster.refuse_connections_of(leader);
    let steps = bench.until("another leader", |bench| bench.cluster.leader().is_some());
    assert_eq!(bench.leader(), standbys[1]);
    assert!(steps <= 60, "{steps} ms");
}

#[test]
fn a_refused_connection_to_somebody_else_changes_nothing() {
    let mut bench = Bench::new(3);
    let (leader, standbys) = (bench.leader(), bench.standbys());
    let term = bench.cluster.replica(leader).unwrap().status().term;
    bench.cluster.refuse_connections_of(standbys[0]);
    bench.step(300);
    let status = bench.cluster.replica(leader).unwrap().status();
    assert_eq!((status.role, status.term), (Role::Leader, term));
}

#[test]
fn leadership_is_transferred_within_a_few_messages_and_requests_wait() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    let (leader, heir) = (bench.leader(), bench.standbys()[1]);
    bench.cluster.replica_mut(leader).unwrap().transfer_leadership(heir);
    bench.offer(session, 6).unwrap();
    let steps = bench.until("the heir leads", |bench| bench.cluster.leader() == Some(heir));
    assert!(steps <= 20, "{steps} ms");
    assert!(matches!(bench.refusal(session, 6), Some((Refusal::NotLeader, _))));
    bench.execute(session, 6, 7);
}

#[test]
fn a_leader_without_a_quorum_steps_down_and_turns_everybody_away() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let leader = bench.leader();
    bench.cluster.isolate(leader);
    bench.cluster.replica_mut(leader).unwrap().read_index(9).unwrap();
    bench.until("it steps down", |bench| bench.cluster.replica(leader).unwrap().status().role != Role::Leader);
    let refused = Output::ReadRefused { token: 9, refusal: Refusal::NotLeader, detail: 0 };
    bench.step(1);
    assert!(bench.said.contains(&(leader, refused)));
    assert!(bench.offer_to(leader, session, 1).is_err());
    bench.until("another leader", |bench| bench.cluster.leader().is_some_and(|id| id != leader));
    bench.execute(session, 1, 2);
}

#[test]
fn a_read_on_a_fresh_leader_waits_until_it_knows_what_is_committed() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    let position = bench.reply(session, 5).unwrap().0;
    let dead = bench.leader();
    bench.cluster.crash(dead);
    bench.cluster.refuse_connections_of(dead);
    let mut asked = None;
    bench.until("somebody leads", |bench| {
        let mut running = bench.cluster.running();
        asked = running.find(|(_, replica)| replica.status().role == Role::Leader).map(|(id, _)| id);
        asked.is_some()
    });
    let leader = asked.unwrap();
    assert!(!bench.cluster.replica(leader).unwrap().status().settled);
    bench.cluster.replica_mut(leader).unwrap().read_index(4).unwrap();
    bench.until("the answer", |bench| {
        bench.said.iter().any(|(id, output)| match output {
            Output::ReadReady { token: 4, position: at } => *id == leader && *at >= position,
            _ => false,
        })
    });
}

/// A leader's last word to whom it hands over.
fn call(bench: &mut Bench, leader: NodeId, to: NodeId) {
    let status = |node| bench.cluster.replica(node).unwrap().status();
    let (it, heir) = (status(leader), status(to));
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgTimeoutNow);
    (message.from, message.to, message.term) = (it.member, heir.member, it.term.get());
    bench.cluster.replica_mut(to).unwrap().on_message(leader, &Envelope::Raft(Box::new(message)).encode());
}

/// Of two voters the one that leaves leads at the end, knows first that it has left, and has more log by then. The other one, which it
/// calls to lead, is in a later term when it asks for a vote that it still counts.
#[test]
fn who_waits_for_the_vote_of_one_that_has_left_learns_from_its_refusal() {
    let mut bench = Bench::new(2);
    let session = bench.open_session(7);
    bench.execute(session, 1, 3);
    let (stays, leaves) = (bench.leader(), bench.standbys()[0]);
    let status = |bench: &Bench, node| bench.cluster.replica(node).unwrap().status();
    let has_applied_its_end = |bench: &Bench, node: NodeId| !status(bench, node).members.has_node(leaves);
    bench.cluster.replica_mut(stays).unwrap().remove_node(leaves).unwrap();
    bench.until("the change has begun", |bench| status(bench, stays).members.is_joint());
    bench.cluster.cut(leaves, stays);
    bench.until("both have its end", |bench| status(bench, leaves).last_index == status(bench, stays).last_index);
    bench.cluster.isolate(leaves);
    bench.step(5);
    bench.cluster.heal();
    call(&mut bench, stays, leaves);
    bench.until("it leads", |bench| bench.cluster.replica(leaves).unwrap().leads());
    bench.step(2);
    bench.cluster.cut(leaves, stays);
    bench.offer_to(leaves, session, 4).unwrap();
    bench.until("it has left", |bench| has_applied_its_end(bench, leaves));
    // It calls the other one, whose answer is lost.
    bench.cluster.isolate(leaves);
    bench.step(5);
    call(&mut bench, leaves, stays);
    let (it, other) = (status(&bench, stays), status(&bench, leaves));
    assert!(
        it.term > other.term && it.last_index < other.last_index && !has_applied_its_end(&bench, stays),
        "{it:?} {other:?}"
    );
    bench.step(100);
    bench.cluster.heal();
    bench.until("who stays leads", |bench| bench.cluster.leader() == Some(stays));
    assert!(has_applied_its_end(&bench, stays));
    bench.cluster.crash(leaves);
    bench.execute(session, 4, 6);
}

/// Who refuses a vote in an earlier term says what is committed, and the candidate goes by that. It gave its campaign up each time, and
/// a group of five waited for another timeout.
#[test]
fn a_candidate_that_is_told_of_commits_goes_on_unless_members_change_by_them() {
    for is_change in [false, true] {
        let mut bench = Bench::new(5);
        let session = bench.open_session(7);
        let (first, leader) = (bench.leader(), bench.standbys()[0]);
        bench.cluster.replica_mut(first).unwrap().transfer_leadership(leader);
        bench.until("another leads", |bench| bench.cluster.leader() == Some(leader));
        bench.step(50);
        let standbys = bench.standbys();
        let (candidate, refuser) = (standbys[0], standbys[1]);
        let status = |bench: &Bench, node| bench.cluster.replica(node).unwrap().status();
        if is_change {
            let learner = Change::Learn(member(refuser, 77));
            bench.cluster.replica_mut(leader).unwrap().change_members(&[learner], Joining::default()).unwrap();
        } else {
            bench.offer(session, 1).unwrap();
        }
        bench.until("it has the entry", |bench| {
            status(bench, candidate).last_index > status(bench, candidate).commit_index
        });
        bench.cluster.isolate(candidate);
        let last = status(&bench, candidate).last_index;
        bench.until("the entry is committed", |bench| status(bench, leader).commit_index >= last);
        let state = |bench: &Bench| bench.cluster.replica(candidate).unwrap().raft.raft.state;
        bench.until("it asks for votes", |bench| state(bench) == StateRole::PreCandidate);
        assert!(status(&bench, candidate).commit_index < last);
        let term = status(&bench, candidate).term.get();
        let mut refusal = Message::default();
        refusal.set_msg_type(MessageType::MsgRequestPreVoteResponse);
        (refusal.from, refusal.to, refusal.term) = (refuser.get(), candidate.get(), term - 1);
        (refusal.reject, refusal.commit, refusal.commit_term) = (true, last, term);
        let payload = Envelope::Raft(Box::new(refusal)).encode();
        bench.cluster.replica_mut(candidate).unwrap().on_message(refuser, &payload);
        assert_eq!(status(&bench, candidate).commit_index, last);
        let expected = if is_change { StateRole::Follower } else { StateRole::PreCandidate };
        assert_eq!(state(&bench), expected);
    }
}
