use wire::{LogPosition, NodeId, SessionId, Timestamp};

use super::Bench;
use crate::Output;
use crate::replica::envelope::Envelope;
use crate::replica::stored::Stored;

fn listens(bench: &mut Bench, node: NodeId) {
    let leader = bench.leader();
    bench.cluster.replica_mut(leader).unwrap().set_listeners(vec![node]);
}

/// Nobody's answer reaches the leader.
fn deafen_the_leader(bench: &mut Bench) {
    let leader = bench.leader();
    for standby in bench.standbys() {
        bench.cluster.cut(standby, leader);
    }
}

/// A leader that hears nobody, a standby that it tells, one that it does not tell, and where they were before.
fn bench_of_a_deaf_leader() -> (Bench, SessionId, [NodeId; 3], LogPosition) {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 3);
    let (leader, standbys) = (bench.leader(), bench.standbys());
    listens(&mut bench, standbys[0]);
    bench.await_agreement();
    let before = bench.position(leader);
    deafen_the_leader(&mut bench);
    bench.offer(session, 4).unwrap();
    (bench, session, [leader, standbys[0], standbys[1]], before)
}

#[test]
fn a_standby_that_listens_commits_what_is_on_the_leaders_disk_and_its_own() {
    let (mut bench, session, [leader, told, untold], before) = bench_of_a_deaf_leader();
    bench.until("the standby has applied it", |bench| bench.position(told) > before);
    assert_eq!((bench.position(leader), bench.position(untold)), (before, before), "they cannot know");
    assert!(bench.reply(session, 4).is_none());
    bench.cluster.heal();
    bench.until("a reply", |bench| bench.reply(session, 4).is_some());
    bench.await_agreement();
}

#[test]
fn a_read_waits_for_what_the_leader_has_told() {
    let (mut bench, _, [leader, told, _], before) = bench_of_a_deaf_leader();
    bench.cluster.replica_mut(leader).unwrap().read_index(9).unwrap();
    bench.until("the standby has applied it", |bench| bench.position(told) > before);
    bench.cluster.heal();
    let ready = |bench: &Bench| {
        bench.said.iter().find_map(|(_, output)| match output {
            Output::ReadReady { token: 9, position } => Some(*position),
            _ => None,
        })
    };
    bench.until("the read is answered", |bench| ready(bench).is_some());
    assert!(ready(&bench) >= Some(bench.position(told)), "somebody has seen more");
}

#[test]
fn what_one_standby_cannot_complete_is_told_to_nobody() {
    let mut bench = Bench::new(5);
    let session = bench.open_session(7);
    let standby = bench.standbys()[0];
    listens(&mut bench, standby);
    bench.execute(session, 1, 3);
    let leader = bench.leader();
    assert!(bench.cluster.replica(leader).unwrap().attended().is_empty());
    assert!(!bench.cluster.replica(standby).unwrap().is_attending());
}

#[test]
fn who_is_far_behind_is_told_and_nothing_is_left_to_it() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let (leader, standby) = (bench.leader(), bench.standbys()[0]);
    listens(&mut bench, standby);
    bench.execute(session, 1, 3);
    assert_eq!(bench.cluster.replica(leader).unwrap().attended(), [standby]);
    bench.cluster.cut(standby, leader);
    bench.execute(session, 4, 1_100);
    assert!(bench.cluster.replica(leader).unwrap().attended().is_empty());
}

#[test]
fn who_attends_is_whom_the_leader_of_its_term_tells() {
    let (mut bench, _, [leader, told, untold], before) = bench_of_a_deaf_leader();
    bench.until("the standby has applied it", |bench| bench.position(told) > before);
    let attends = |bench: &Bench, node| bench.cluster.replica(node).unwrap().is_attending();
    assert!(attends(&bench, told) && !attends(&bench, untold) && !attends(&bench, leader));
    let status = bench.cluster.replica(told).unwrap().status();
    let far = Stored { term: status.term.get(), to: status.member, index: status.applied_index + 5_000 };
    bench.cluster.replica_mut(told).unwrap().on_message(leader, &Envelope::Stored(far).encode());
    assert!(!attends(&bench, told), "it is far behind");
    bench.cluster.crash(leader);
    bench.cluster.heal();
    bench.until("another leads", |bench| bench.cluster.leader().is_some_and(|next| next != leader));
    assert!(!attends(&bench, told) && !attends(&bench, untold), "the next leader has told nobody");
}

#[test]
fn the_next_leader_has_what_a_standby_has_committed_by_the_last_ones_word() {
    let (mut bench, _, [leader, told, _], before) = bench_of_a_deaf_leader();
    bench.until("the standby has applied it", |bench| bench.position(told) > before);
    let applied = bench.position(told);
    bench.cluster.crash(leader);
    bench.cluster.heal();
    bench.until("another leads", |bench| bench.cluster.leader().is_some_and(|next| next != leader));
    assert_eq!(bench.leader(), told, "the other lacks what is committed");
    bench.cluster.start(leader).unwrap();
    bench.await_agreement();
    assert!(bench.position(leader) >= applied);
}

/// Both voters of two have the end of a change that removes one of them. Had that one committed it, and were it switched off, its
/// leader could wait for its answer for ever.
#[test]
fn who_is_removed_knows_it_only_when_its_leader_needs_it_no_more() {
    let mut knew = 0;
    for steps in 0..60 {
        let mut bench = Bench::new(3);
        let session = bench.open_session(7);
        bench.execute(session, 1, 3);
        let (leader, leaving, first) = (bench.leader(), bench.standbys()[0], bench.standbys()[1]);
        listens(&mut bench, leaving);
        bench.cluster.replica_mut(leader).unwrap().remove_node(first).unwrap();
        let voters = |bench: &Bench, node| bench.cluster.replica(node).unwrap().status().members.voters;
        let is_over = |bench: &Bench, node| !bench.cluster.replica(node).unwrap().status().members.is_changing();
        bench.until("two are left", |bench| {
            [leader, leaving].iter().all(|node| voters(bench, *node).len() == 2 && is_over(bench, *node))
        });
        bench.cluster.crash(first);
        bench.step(100);
        bench.cluster.replica_mut(leader).unwrap().remove_node(leaving).unwrap();
        bench.step(steps);
        bench.cluster.cut(leaving, leader);
        bench.step(90);
        if voters(&bench, leaving).len() == 1 && is_over(&bench, leaving) {
            knew += 1;
            bench.cluster.crash(leaving);
            bench.until("the other one goes on alone", |bench| bench.cluster.leader() == Some(leader));
            bench.execute(session, 4, 5);
        }
    }
    assert!(knew > 0, "it never learned that it was removed");
}

#[test]
fn nothing_is_told_while_members_are_being_changed() {
    let (mut bench, _, [leader, told, _], before) = bench_of_a_deaf_leader();
    bench.until("the standby has applied it", |bench| bench.position(told) > before);
    let heard = bench.cluster.replica(told).unwrap().pairs.heard;
    bench.cluster.replica_mut(leader).unwrap().drain_node(told, true).unwrap();
    bench.until("it is told", |bench| bench.cluster.replica(told).unwrap().pairs.heard > heard);
    let heard = bench.cluster.replica(told).unwrap().pairs.heard;
    let removed = bench.standbys()[1];
    bench.cluster.replica_mut(leader).unwrap().remove_node(removed).unwrap();
    bench.step(40);
    assert_eq!(bench.cluster.replica(told).unwrap().pairs.heard, heard);
    assert!(bench.cluster.replica(leader).unwrap().attended().is_empty());
    bench.cluster.heal();
    bench.until("it is told again", |bench| bench.cluster.replica(told).unwrap().pairs.heard > heard);
    bench.step(250);
    let session = bench.open_session(8);
    bench.execute(session, 1, 2);
    assert_eq!(bench.cluster.replica(leader).unwrap().attended(), [told]);
}

/// A build that knows nothing of this, or a node that stands still.
#[test]
fn nothing_is_left_to_who_does_not_say_that_it_goes_on_from_there() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let (leader, standby) = (bench.leader(), bench.standbys()[0]);
    let attended = |bench: &Bench| bench.cluster.replica(leader).unwrap().attended().to_vec();
    listens(&mut bench, standby);
    bench.execute(session, 1, 3);
    assert_eq!(attended(&bench), [standby]);
    for sequence in 4..20 {
        // Whatever it says of that is not heard.
        let told = bench.cluster.replica(standby).unwrap().pairs.said.0;
        bench.cluster.replica_mut(standby).unwrap().pairs.said = (told, Timestamp::from_nanos(u64::MAX));
        bench.step(100);
        bench.execute(session, sequence, sequence);
        let is_left = !attended(&bench).is_empty();
        assert!(if sequence < 12 { is_left } else { sequence < 19 || !is_left }, "{sequence}");
    }
    bench.cluster.replica_mut(standby).unwrap().pairs.said = Default::default();
    bench.execute(session, 20, 22);
    assert_eq!(attended(&bench), [standby]);
}

/// It does not say so again at once, and there is nothing to answer for a long time.
#[test]
fn mail_is_left_however_seldom_anything_happens() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let (leader, standby) = (bench.leader(), bench.standbys()[0]);
    listens(&mut bench, standby);
    bench.execute(session, 1, 3);
    for sequence in (4..20).step_by(2) {
        bench.step(2_000);
        for sequence in [sequence, sequence + 1] {
            bench.execute(session, sequence, sequence);
            assert_eq!(bench.cluster.replica(leader).unwrap().attended(), [standby], "{sequence}");
            bench.step(5);
        }
    }
}

#[test]
fn who_is_told_no_more_goes_on_no_more() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let (leader, standby) = (bench.leader(), bench.standbys()[0]);
    let attends = |bench: &Bench| bench.cluster.replica(standby).unwrap().is_attending();
    listens(&mut bench, standby);
    bench.execute(session, 1, 3);
    bench.step(300);
    assert!(attends(&bench), "nothing was committed since");
    bench.cluster.replica_mut(leader).unwrap().set_listeners(Vec::new());
    bench.execute(session, 4, 6);
    bench.step(30);
    assert!(!attends(&bench));
    listens(&mut bench, standby);
    bench.execute(session, 7, 8);
    assert!(attends(&bench));
}

#[test]
fn what_was_said_before_and_comes_later_takes_nothing_back() {
    let (mut bench, _, [leader, told, _], before) = bench_of_a_deaf_leader();
    bench.until("the standby has applied it", |bench| bench.position(told) > before);
    let (term, index) = bench.cluster.replica(told).unwrap().pairs.heard;
    let to = bench.cluster.replica(told).unwrap().status().member;
    let late = Envelope::Stored(Stored { term, to, index: index - 1 }).encode();
    bench.cluster.replica_mut(told).unwrap().on_message(leader, &late);
    assert_eq!(bench.cluster.replica(told).unwrap().pairs.heard, (term, index));
}

#[test]
fn words_of_nobodys_leader_are_dropped_and_more_than_there_is_commits_what_there_is() {
    let (mut bench, _, [leader, told, untold], before) = bench_of_a_deaf_leader();
    let status = bench.cluster.replica(untold).unwrap().status();
    let (term, to) = (status.term.get(), status.member);
    let honest = Stored { term, to, index: 1 };
    let dropped = |bench: &Bench| bench.cluster.replica(untold).unwrap().status().dropped_messages;
    for (from, stored) in [
        (told, honest),
        (leader, Stored { term: term + 1, ..honest }),
        (leader, Stored { term: term - 1, ..honest }),
        (leader, Stored { to: to + (1 << 32), ..honest }),
    ] {
        let known = dropped(&bench);
        let payload = Envelope::Stored(stored).encode();
        bench.cluster.replica_mut(untold).unwrap().on_message(from, &payload);
        assert_eq!(dropped(&bench), known + 1, "{stored:?} of {from}");
    }
    let cut_short = &Envelope::Stored(honest).encode()[..20];
    let known = dropped(&bench);
    bench.cluster.replica_mut(untold).unwrap().on_message(leader, cut_short);
    assert_eq!(dropped(&bench), known + 1);
    let payload = Envelope::Stored(Stored { index: u64::MAX, ..honest }).encode();
    bench.until("it has the entry", |bench| bench.position(told) > before);
    bench.cluster.replica_mut(untold).unwrap().on_message(leader, &payload);
    bench.until("it has applied what it has", |bench| bench.position(untold) > before);
    bench.cluster.heal();
    bench.await_agreement();
}
