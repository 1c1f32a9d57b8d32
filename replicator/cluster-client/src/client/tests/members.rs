//! Nodes that join and leave while a client is connected.

use std::net::{Ipv4Addr, SocketAddr};

use wire::link::{MemberOutcome, MemberPlace, MembersAnswer, MembersOf, Place, encode_places};

use super::*;

fn at(node: u64) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 7100 + node as u16).into()
}

/// A node says who the members are, as of this index of the log.
fn tell(scenario: &mut Scenario, from: u64, index: u64, members: &[u64]) -> Vec<Output> {
    tell_learners(scenario, from, index, members, &[])
}

/// The same, with these who stay learners beside those who vote.
fn tell_learners(scenario: &mut Scenario, from: u64, index: u64, voters: &[u64], learners: &[u64]) -> Vec<Output> {
    let place = |(id, votes): (&u64, bool)| MemberPlace {
        node: node(*id),
        place: Place::of(Some(at(*id))),
        votes,
        stays_learner: !votes,
        is_draining: false,
    };
    let members = voters.iter().map(|id| (id, true)).chain(learners.iter().map(|id| (id, false)));
    let places = encode_places(&members.map(place).collect::<Vec<_>>());
    let mut bytes = Vec::new();
    Frame::Members(MembersOf { partition: PARTITION, index }, &places).encode(&mut bytes);
    scenario.client.on_bytes(node(from), &bytes, scenario.now);
    scenario.client.on_timeout(scenario.now);
    std::iter::from_fn(|| scenario.client.poll_output()).collect()
}

fn nodes(outputs: &[Output]) -> Option<Vec<u64>> {
    outputs.iter().find_map(|output| match output {
        Output::Nodes { nodes, .. } => Some(nodes.keys().map(|node| node.get()).collect()),
        _ => None,
    })
}

fn sources(outputs: &[Output]) -> Option<Vec<u64>> {
    outputs.iter().find_map(|output| match output {
        Output::Nodes { sources, .. } => Some(sources.iter().map(|node| node.get()).collect()),
        _ => None,
    })
}

#[test]
fn a_node_that_joins_is_connected_and_may_lead() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    let outputs = tell(&mut scenario, 1, 5, &[1, 2, 3, 4]);
    assert_eq!(nodes(&outputs), Some(vec![1, 2, 3, 4]));
    assert!(outputs.contains(&Output::Connect(node(4))));
    scenario.connect(4);
    scenario.announce(4, 4, 2);
    scenario.sent.clear();
    scenario.request(session, "buy").unwrap();
    assert!(scenario.sent.iter().any(|sent| sent.contains("buy")), "{:?}", scenario.sent);
    assert_eq!(scenario.client.leader(PARTITION), Some(node(4)));
    let members = scenario.client.members(PARTITION).unwrap();
    assert_eq!(members[3].place.address(), Some(at(4)));
}

#[test]
fn what_a_log_named_is_given_up_when_it_leaves_and_what_the_configuration_names_never() {
    let mut scenario = Scenario::led_by_node_1();
    tell(&mut scenario, 1, 5, &[1, 2, 3, 4, 5]);
    // From somebody who missed the rest.
    assert_eq!(nodes(&tell(&mut scenario, 2, 4, &[1, 2, 3])), None);
    let outputs = tell(&mut scenario, 1, 9, &[4, 5, 6]);
    assert_eq!(nodes(&outputs), Some(vec![1, 2, 3, 4, 5, 6]));
    let outputs = tell(&mut scenario, 1, 10, &[5, 6]);
    assert_eq!(nodes(&outputs), Some(vec![1, 2, 3, 5, 6]));
    assert!(outputs.contains(&Output::Close(node(4))));
}

#[test]
fn who_stays_a_learner_is_not_connected_when_only_logs_name_it() {
    let mut scenario = Scenario::led_by_node_1();
    let outputs = tell_learners(&mut scenario, 1, 5, &[1, 2, 3, 4], &[5]);
    assert_eq!((nodes(&outputs), sources(&outputs)), (Some(vec![1, 2, 3, 4]), Some(vec![1, 2, 3, 4])));
    assert!(!outputs.contains(&Output::Connect(node(5))), "{outputs:?}");
    // Another region's learner alone is no news.
    assert_eq!(nodes(&tell_learners(&mut scenario, 1, 6, &[1, 2, 3, 4], &[5, 6])), None);
    // One that votes after all is.
    let outputs = tell_learners(&mut scenario, 1, 7, &[1, 2, 3, 4, 5], &[6]);
    assert_eq!(nodes(&outputs), Some(vec![1, 2, 3, 4, 5]));
    assert!(outputs.contains(&Output::Connect(node(5))));
    // One that was moved to another region is left.
    let outputs = tell_learners(&mut scenario, 1, 8, &[1, 2, 3, 5], &[4, 6]);
    assert_eq!(nodes(&outputs), Some(vec![1, 2, 3, 5]));
    assert!(outputs.contains(&Output::Close(node(4))));
}

#[test]
fn events_are_not_streamed_from_who_stays_a_learner_though_the_configuration_names_it() {
    let mut scenario = Scenario::led_by_node_1();
    let outputs = tell_learners(&mut scenario, 1, 5, &[1, 2], &[3]);
    // It stays connected: it may say who the others are.
    assert_eq!((nodes(&outputs), sources(&outputs)), (Some(vec![1, 2, 3]), Some(vec![1, 2])));
}

#[test]
fn a_reader_of_the_other_region_streams_from_the_nodes_it_was_given_alone() {
    let mut scenario = Scenario::led_by_node_1();
    scenario.client.keep_to_nodes();
    assert_eq!(nodes(&tell_learners(&mut scenario, 1, 5, &[1, 2, 4], &[3])), None, "nothing has changed for it");
}

#[test]
fn a_wish_goes_to_the_leader_and_its_answer_comes_back() {
    let mut scenario = Scenario::connected();
    let wish = link::ChangeMembers {
        partition: PARTITION,
        token: 0,
        change: link::MemberChange::Drain,
        node: node(2),
        place: Place::default(),
        instead_of: NodeId::default(),
        version: 0,
    };
    assert_eq!(scenario.client.change_members(wish, scenario.now), None, "nobody leads");
    scenario.announce(1, 1, 1);
    let token = scenario.client.change_members(wish, scenario.now).expect("node 1 leads");
    let mut bytes = Vec::new();
    let outcome = MemberOutcome::UnderWay;
    Frame::MembersAnswer(MembersAnswer { partition: PARTITION, token, outcome }).encode(&mut bytes);
    scenario.client.on_bytes(node(1), &bytes, scenario.now);
    let outputs: Vec<Output> = std::iter::from_fn(|| scenario.client.poll_output()).collect();
    assert!(outputs.contains(&Output::MembersAnswer { token, outcome }));
}
