//! Scenarios of one stream: what goes in, where it connects, what it yields.

use super::*;
use crate::client::connection::cut_frames;
use wire::link::{self, Role};
use wire::{ClusterEpoch, Origin, Text, Timestamp};

const PARTITION: PartitionId = PartitionId::new(1);

struct Scenario {
    stream: Subscription,
    now: Instant,
    done: Vec<String>,
}

fn node(id: u64) -> NodeId {
    NodeId::new(id)
}

impl Scenario {
    fn from_position_1(leader: Option<u64>) -> Scenario {
        let name = Text::new(b"gateway-1").unwrap();
        let (epoch, role) = (ClusterEpoch::new(1), Role::Gateway);
        let hello = Hello { protocol: PROTOCOL, epoch, role, name, node: NodeId::default() };
        let now = Instant::now();
        let nodes = [node(1), node(2), node(3)];
        let mut stream = Subscription::new(hello, &nodes, PARTITION, LogPosition::new(1), Patience::default(), now);
        stream.on_leader(leader.map(node), now);
        let mut scenario = Scenario { stream, now, done: Vec::new() };
        scenario.pass(0);
        scenario
    }

    fn pass(&mut self, millis: u64) {
        for _ in 0..=millis {
            self.stream.on_timeout(self.now);
            self.collect();
            self.now += Duration::from_millis(1);
        }
    }

    fn connected(&mut self) {
        self.stream.on_connected(self.now);
        let node = self.stream.node;
        self.take(Frame::Welcome(link::Welcome { protocol: PROTOCOL, epoch: ClusterEpoch::new(1), node }));
    }

    /// The connection beside the present one stands, and is taken or not.
    #[track_caller]
    fn beside(&mut self, id: u64, is_wanted: bool) {
        assert_eq!(self.stream.on_beside(node(id), self.now), is_wanted);
        if is_wanted {
            self.take(Frame::Welcome(link::Welcome {
                protocol: PROTOCOL,
                epoch: ClusterEpoch::new(1),
                node: node(id),
            }));
        }
    }

    fn closed(&mut self) {
        self.stream.on_closed(self.now);
        self.pass(0);
    }

    fn take(&mut self, frame: Frame<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.stream.on_bytes(&bytes, self.now);
        self.collect();
    }

    fn events(&mut self, position: u64) {
        let position = LogPosition::new(position);
        let (timestamp, origin) = (Timestamp::ZERO, Origin::INTERNAL);
        self.take(Frame::Events(link::Events { partition: PARTITION, position, timestamp, origin }, &[]));
    }

    fn progress(&mut self, position: u64) {
        let position = LogPosition::new(position);
        self.take(Frame::Progress(link::Progress { partition: PARTITION, position }));
    }

    fn refused(&mut self, refusal: Refusal) {
        self.take(Frame::SubscribeRefused(SubscribeRefused { partition: PARTITION, refusal, detail: 5 }));
        self.pass(0);
    }

    fn collect(&mut self) {
        loop {
            while let Some(item) = self.stream.poll_item() {
                self.done.push(match item {
                    StreamItem::Events { position, .. } => format!("events {position}"),
                    StreamItem::Progress { position } => format!("progress {position}"),
                });
            }
            match self.stream.poll_output() {
                Some(Output::Connect(node)) => self.done.push(format!("connect {node}")),
                Some(Output::ConnectBeside(node)) => self.done.push(format!("connect {node} beside")),
                Some(Output::Close) => self.done.push("close".into()),
                Some(Output::Listen { .. }) => self.done.push("listen".into()),
                Some(Output::Send(bytes)) => {
                    cut_frames(&bytes, |frame| {
                        if let Frame::Subscribe(subscribe) = frame {
                            self.done.push(format!("subscribe {}", subscribe.from));
                        }
                        true
                    });
                }
                None => return,
            }
        }
    }

    #[track_caller]
    fn check(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.done), expected);
    }
}

#[test]
fn a_stream_prefers_the_leader_and_yields_each_position_once() {
    let mut scenario = Scenario::from_position_1(Some(2));
    scenario.connected();
    scenario.events(1);
    scenario.events(1);
    scenario.events(4);
    scenario.events(2);
    scenario.progress(6);
    scenario.progress(5);
    scenario.check(&["connect 2", "subscribe 1", "events 1", "events 4", "progress 6"]);
}

#[test]
fn progress_is_where_a_stream_resumes() {
    let mut scenario = Scenario::from_position_1(Some(2));
    scenario.connected();
    scenario.progress(6);
    scenario.closed();
    scenario.connected();
    scenario.check(&["connect 2", "subscribe 1", "progress 6", "connect 3", "subscribe 7"]);
}

#[test]
fn a_stream_moves_to_a_new_leader() {
    let mut scenario = Scenario::from_position_1(Some(1));
    scenario.connected();
    scenario.events(1);
    scenario.stream.on_leader(Some(node(3)), scenario.now);
    scenario.pass(5);
    // The former leader goes on until the connection to the new one stands.
    scenario.events(2);
    scenario.beside(3, true);
    scenario.check(&["connect 1", "subscribe 1", "events 1", "connect 3 beside", "events 2", "subscribe 3"]);
    scenario.stream.on_leader(None, scenario.now);
    scenario.collect();
    scenario.check(&[]);
}

#[test]
fn a_stream_stays_where_it_is_while_the_new_leader_cannot_be_reached() {
    let mut scenario = Scenario::from_position_1(Some(1));
    scenario.connected();
    scenario.stream.on_leader(Some(node(3)), scenario.now);
    scenario.collect();
    scenario.stream.on_not_beside(node(3), scenario.now);
    scenario.pass(250);
    scenario.events(1);
    scenario.check(&["connect 1", "subscribe 1", "connect 3 beside", "events 1"]);
    scenario.pass(100);
    scenario.beside(3, true);
    scenario.check(&["connect 3 beside", "subscribe 2"]);
}

#[test]
fn a_connection_that_is_not_wanted_any_more_is_turned_down() {
    let mut scenario = Scenario::from_position_1(Some(1));
    scenario.connected();
    // Another one leads by now.
    scenario.stream.on_leader(Some(node(3)), scenario.now);
    scenario.stream.on_leader(Some(node(2)), scenario.now);
    scenario.collect();
    scenario.beside(3, false);
    scenario.beside(2, true);
    scenario.check(&["connect 1", "subscribe 1", "connect 3 beside", "connect 2 beside", "subscribe 1"]);
    // The one that it is connected to leads again, or the other one has left.
    scenario.stream.on_leader(Some(node(3)), scenario.now);
    scenario.stream.on_leader(Some(node(2)), scenario.now);
    scenario.collect();
    scenario.beside(3, false);
    scenario.stream.on_leader(Some(node(3)), scenario.now);
    scenario.stream.on_nodes(vec![node(1), node(2)], scenario.now);
    scenario.collect();
    scenario.beside(3, false);
    scenario.stream.on_nodes(vec![node(1), node(2), node(3)], scenario.now);
    scenario.collect();
    scenario.stream.on_not_beside(node(3), scenario.now);
    scenario.check(&["connect 3 beside", "connect 3 beside", "connect 3 beside"]);
}

/// To greet a node takes longer than an election does, and the last leader's process may end meanwhile.
#[test]
fn a_connection_that_is_being_made_to_the_leader_is_kept_when_the_present_one_ends() {
    for is_known_to_lead in [true, false] {
        let mut scenario = Scenario::from_position_1(Some(1));
        scenario.connected();
        scenario.stream.on_leader(Some(node(3)), scenario.now);
        scenario.collect();
        scenario.closed();
        scenario.pass(10);
        if !is_known_to_lead {
            scenario.stream.on_leader(None, scenario.now);
        }
        scenario.beside(3, true);
        scenario.events(1);
        scenario.check(&["connect 1", "subscribe 1", "connect 3 beside", "subscribe 1", "events 1"]);
    }
}

#[test]
fn where_the_connection_that_was_kept_cannot_be_made_the_next_node_is_tried() {
    let mut scenario = Scenario::from_position_1(Some(1));
    scenario.connected();
    scenario.stream.on_leader(Some(node(3)), scenario.now);
    scenario.collect();
    scenario.closed();
    scenario.stream.on_not_beside(node(3), scenario.now);
    scenario.pass(0);
    scenario.connected();
    scenario.check(&["connect 1", "subscribe 1", "connect 3 beside", "connect 2", "subscribe 1"]);
    // And where another one leads by then, that one.
    let mut scenario = Scenario::from_position_1(Some(1));
    scenario.connected();
    scenario.stream.on_leader(Some(node(3)), scenario.now);
    scenario.collect();
    scenario.closed();
    scenario.stream.on_leader(Some(node(2)), scenario.now);
    scenario.collect();
    scenario.beside(3, false);
    scenario.connected();
    scenario.check(&["connect 1", "subscribe 1", "connect 3 beside", "close", "connect 2", "subscribe 1"]);
}

#[test]
fn a_stream_that_is_still_connecting_turns_to_the_new_leader_at_once() {
    let mut scenario = Scenario::from_position_1(Some(1));
    scenario.stream.on_leader(Some(node(3)), scenario.now);
    scenario.collect();
    scenario.connected();
    scenario.check(&["connect 1", "close", "connect 3", "subscribe 1"]);
}

#[test]
fn a_node_that_does_not_reach_back_far_enough_is_left_for_the_others() {
    let mut scenario = Scenario::from_position_1(Some(1));
    for _ in 0..3 {
        scenario.connected();
        scenario.refused(Refusal::PositionGone);
    }
    scenario.check(&[
        "connect 1",
        "subscribe 1",
        "close",
        "connect 2",
        "subscribe 1",
        "close",
        "connect 3",
        "subscribe 1",
        "close",
    ]);
    scenario.pass(5_010);
    scenario.check(&["connect 1"]);
}

#[test]
fn a_silent_node_is_left_for_another() {
    let mut scenario = Scenario::from_position_1(Some(1));
    scenario.connected();
    scenario.pass(700);
    scenario.check(&["connect 1", "subscribe 1", "close", "connect 2"]);
}

#[test]
fn a_node_of_another_epoch_or_name_yields_nothing() {
    let mut scenario = Scenario::from_position_1(Some(1));
    scenario.stream.on_connected(scenario.now);
    scenario.take(Frame::Welcome(link::Welcome { protocol: PROTOCOL, epoch: ClusterEpoch::new(2), node: node(1) }));
    scenario.pass(0);
    scenario.check(&["connect 1", "close", "connect 2"]);
}

#[test]
fn a_stream_without_a_node_to_read_from_waits_without_spinning_and_goes_on_when_there_is_one() {
    let mut scenario = Scenario::from_position_1(None);
    scenario.connected();
    scenario.events(1);
    scenario.closed();
    scenario.stream.on_nodes(Vec::new(), scenario.now);
    scenario.pass(200);
    for _ in 0..20 {
        scenario.stream.on_timeout(scenario.now);
        let next = scenario.stream.next_timeout().expect("it will look again");
        assert!(next > scenario.now, "a timeout of the past is one without end");
        scenario.pass(30);
    }
    scenario.done.clear();
    scenario.stream.on_nodes(vec![node(2)], scenario.now);
    scenario.pass(500);
    assert_eq!(scenario.done, ["connect 2"]);
}
