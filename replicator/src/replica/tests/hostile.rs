use std::collections::BTreeMap;

use proptest::prelude::*;
use protobuf::Message as _;
use raft::eraftpb::{Entry, EntryType, Message, MessageType};
use wire::NodeId;

use super::Bench;
use crate::Standing;
use crate::members::MEMBERS_MAX;
use crate::replica::envelope::{Envelope, Introduction};

fn envelope(message: &Message) -> Vec<u8> {
    let mut bytes = vec![1];
    message.write_to_vec(&mut bytes).unwrap();
    bytes
}

fn message(kind: MessageType, from: u64, to: u64, term: u64) -> Message {
    let mut message = Message::default();
    message.set_msg_type(kind);
    (message.from, message.to, message.term) = (from, to, term);
    message
}

fn dropped(bench: &Bench, id: NodeId) -> u64 {
    bench.cluster.replica(id).unwrap().status().dropped_messages
}

#[test]
fn messages_that_would_stop_raft_are_dropped_and_counted() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    let (leader, standby) = (bench.leader(), bench.standbys()[0]);
    let term = bench.cluster.replica(leader).unwrap().status().term.get();
    let of_leader = |kind| message(kind, leader.get(), standby.get(), term);
    let mut hostile = Vec::new();
    let mut gap = of_leader(MessageType::MsgAppend);
    gap.mut_entries().push(Entry { index: 9, term, ..Entry::default() });
    hostile.push(gap);
    let mut overflow = of_leader(MessageType::MsgAppend);
    overflow.index = u64::MAX;
    overflow.mut_entries().push(Entry { index: 0, term, ..Entry::default() });
    hostile.push(overflow);
    let mut garbage = of_leader(MessageType::MsgAppend);
    garbage.mut_entries().push(Entry { index: 1, term, data: vec![99].into(), ..Entry::default() });
    hostile.push(garbage);
    let mut membership = of_leader(MessageType::MsgAppend);
    let mut entry = Entry { index: 1, term, ..Entry::default() };
    entry.set_entry_type(EntryType::EntryConfChange);
    membership.mut_entries().push(entry);
    hostile.push(membership);
    // Beyond the log's end Raft takes every term for 0.
    let mut beyond = of_leader(MessageType::MsgAppend);
    (beyond.index, beyond.commit) = (1_000, 1_000);
    hostile.push(beyond);
    hostile.push(message(MessageType::MsgAppend, bench.standbys()[1].get(), standby.get(), term));
    hostile.push(message(MessageType::MsgRequestVote, leader.get(), standby.get(), u64::MAX));
    hostile.push(message(MessageType::MsgAppend, leader.get(), standby.get(), 0));
    for kind in [MessageType::MsgHup, MessageType::MsgPropose, MessageType::MsgReadIndex, MessageType::MsgSnapshot] {
        hostile.push(of_leader(kind));
    }
    for message in &hostile {
        let before = dropped(&bench, standby);
        bench.cluster.replica_mut(standby).unwrap().on_message(NodeId::new(message.from), &envelope(message));
        assert_eq!(dropped(&bench, standby), before + 1, "{message:?}");
        bench.step(1);
    }
    let mut ahead = message(MessageType::MsgAppendResponse, standby.get(), leader.get(), term);
    ahead.index = 1_000_000;
    bench.cluster.replica_mut(leader).unwrap().on_message(standby, &envelope(&ahead));
    assert_eq!(dropped(&bench, leader), 1);
    bench.execute(session, 6, 10);
    bench.await_agreement();
}

#[test]
fn a_leader_that_contradicts_what_is_committed_does_not_stop_a_standby_with_a_short_log() {
    let mut bench = Bench::with(3, super::small_snapshots);
    let session = bench.open_session(7);
    let next = bench.standbys()[0];
    let old = bench.leader();
    bench.cluster.replica_mut(old).unwrap().transfer_leadership(next);
    bench.until("it leads", |bench| bench.cluster.leader() == Some(next));
    bench.execute(session, 1, 120);
    bench.await_agreement();
    let status = bench.cluster.replica(old).unwrap().status();
    assert!(status.first_index > 50);
    let mut append = message(MessageType::MsgAppend, next.get(), old.get(), status.term.get());
    (append.index, append.log_term) = (status.last_index, 1);
    let before = dropped(&bench, old);
    bench.cluster.replica_mut(old).unwrap().on_message(next, &envelope(&append));
    assert_eq!(dropped(&bench, old), before + 1);
    bench.execute(session, 121, 125);
    bench.await_agreement();
}

#[test]
fn a_commit_index_beyond_the_log_is_not_believed() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 5);
    let (leader, standby) = (bench.leader(), bench.standbys()[0]);
    let status = bench.cluster.replica(standby).unwrap().status();
    let mut heartbeat = message(MessageType::MsgHeartbeat, leader.get(), standby.get(), status.term.get());
    heartbeat.commit = 1_000_000;
    bench.cluster.replica_mut(standby).unwrap().on_message(leader, &envelope(&heartbeat));
    assert_eq!(bench.cluster.replica(standby).unwrap().status().commit_index, status.commit_index);
    bench.execute(session, 6, 7);
}

#[test]
fn strangers_and_forged_senders_are_dropped() {
    let mut bench = Bench::new(3);
    let (leader, standby) = (bench.leader(), bench.standbys()[0]);
    let heartbeat = envelope(&message(MessageType::MsgHeartbeat, leader.get(), standby.get(), 1));
    for from in [NodeId::new(9), bench.standbys()[1], standby] {
        bench.cluster.replica_mut(standby).unwrap().on_message(from, &heartbeat);
    }
    assert_eq!(dropped(&bench, standby), 3);
}

fn arbitrary_message() -> impl Strategy<Value = Message> {
    let small = 0..40_u64;
    let number = move || prop_oneof![small.clone(), any::<u64>()];
    let entries = prop::collection::vec((number(), number(), prop::collection::vec(any::<u8>(), 0..4)), 0..3);
    let numbers = (number(), number(), number(), number(), number());
    ((0..19_i32), 1..=3_u64, 1..=3_u64, 0..6_u64, numbers, entries, any::<bool>()).prop_map(
        |(kind, from, to, term, (index, log_term, commit, commit_term, hint), entries, reject)| {
            let mut message = message(MessageType::MsgHup, from, to, term);
            message.set_msg_type(protobuf::ProtobufEnum::from_i32(kind).unwrap_or(MessageType::MsgHup));
            (message.index, message.log_term, message.commit) = (index, log_term, commit);
            (message.commit_term, message.reject_hint, message.reject) = (commit_term, hint, reject);
            for (index, term, data) in entries {
                message.mut_entries().push(Entry { index, term, data: data.into(), ..Entry::default() });
            }
            message
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_a_peer_sends_stops_a_replica(
        messages in prop::collection::vec(arbitrary_message(), 1..30),
        garbage in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20),
    ) {
        let mut bench = Bench::new(3);
        let session = bench.open_session(7);
        bench.execute(session, 1, 3);
        for message in &messages {
            let to = NodeId::new(message.to);
            bench.cluster.replica_mut(to).unwrap().on_message(NodeId::new(message.from), &envelope(message));
            bench.step(1);
        }
        for (place, bytes) in garbage.iter().enumerate() {
            let to = NodeId::new(1 + place as u64 % 3);
            bench.cluster.replica_mut(to).unwrap().on_message(NodeId::new(1 + (place as u64 + 1) % 3), bytes);
            bench.step(1);
        }
    }
}

/// A node with a new disk believes whoever has its number among those of the founders.
#[test]
fn who_claims_a_founding_that_no_cluster_can_have_had_is_not_believed() {
    let mut bench = Bench::new(3);
    let all = bench.cluster.ids();
    all.iter().for_each(|node| bench.cluster.crash(*node));
    bench.cluster.replace_disk(all[0]);
    bench.cluster.start(all[0]).unwrap();
    bench.step(100);
    let standing = |bench: &Bench| bench.cluster.replica(all[0]).unwrap().belonging.standing.clone();
    let Standing::New { number } = standing(&bench) else { panic!("its disk is new") };
    let too_many: Vec<u64> = (2..MEMBERS_MAX as u64 + 3).collect();
    for others in [vec![0], vec![1 << 32], too_many] {
        let mut numbers: BTreeMap<NodeId, u32> = others.into_iter().map(|node| (NodeId::new(node), 1)).collect();
        numbers.insert(all[0], number);
        let standing_said = Standing::Founder { numbers };
        let numbers = BTreeMap::new();
        let said = Introduction { standing: standing_said, is_member: true, stays_learner: false, numbers };
        let before = dropped(&bench, all[0]);
        bench.cluster.replica_mut(all[0]).unwrap().on_message(all[1], &Envelope::Introduction(said).encode());
        assert_eq!(dropped(&bench, all[0]), before + 1);
        bench.step(10);
        assert_eq!(standing(&bench), Standing::New { number });
    }
}
