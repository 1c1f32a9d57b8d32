//! Scenarios: what goes in, what the nodes are sent, what callers are told.

use super::*;
use crate::client::connection::cut_frames;
use wire::codec::v1;
use wire::link::{self, Frame, PROTOCOL, Refusal, Refused, Role};
use wire::{Sequence, Term, Text};

const PARTITION: PartitionId = PartitionId::new(1);
const SECOND: Duration = Duration::from_secs(1);

struct Scenario {
    client: Client,
    now: Instant,
    /// What was sent to nodes, greetings and pings left out.
    sent: Vec<String>,
    /// What callers were told.
    told: Vec<String>,
}

fn node(id: u64) -> NodeId {
    NodeId::new(id)
}

fn hello() -> Hello {
    let name = Text::new(b"gateway-1").unwrap();
    Hello { protocol: PROTOCOL, epoch: ClusterEpoch::new(1), role: Role::Gateway, name, node: NodeId::default() }
}

impl Scenario {
    /// Three connected nodes; node 1 has announced that it leads in term 1.
    fn led_by_node_1() -> Scenario {
        let mut scenario = Scenario::connected();
        scenario.announce(1, 1, 1);
        scenario
    }

    fn connected() -> Scenario {
        let now = Instant::now();
        let identity = Identity { hello: hello(), nonce: 0 };
        let patience = Patience { window: 4, keep_alive: 2 * SECOND, ..Patience::default() };
        let client = Client::new(identity, &[node(1), node(2), node(3)], patience, now);
        let mut scenario = Scenario { client, now, sent: Vec::new(), told: Vec::new() };
        scenario.client.on_timeout(now);
        for id in 1..=3 {
            scenario.connect(id);
        }
        scenario
    }

    fn connect(&mut self, id: u64) {
        self.client.on_connected(node(id), self.now);
        self.from(
            id,
            Frame::Welcome(link::Welcome { protocol: PROTOCOL, epoch: ClusterEpoch::new(1), node: node(id) }),
        );
    }

    fn from(&mut self, id: u64, frame: Frame<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.client.on_bytes(node(id), &bytes, self.now);
        self.collect();
    }

    fn announce(&mut self, from: u64, leader: u64, term: u64) {
        let leader = link::Leader { partition: PARTITION, leader: node(leader), term: Term::new(term) };
        self.from(from, Frame::Leader(leader));
    }

    /// A session that the leader has opened as number 7.
    fn session(&mut self, leader: u64) -> SessionKey {
        let key = self.client.open_session(PARTITION, self.now);
        self.collect();
        self.opened(leader, 1, 7);
        self.sent.clear();
        self.told.clear();
        key
    }

    fn opened(&mut self, from: u64, nonce: u128, session: u64) {
        let session = SessionId::new(session);
        self.from(from, Frame::SessionOpened(link::SessionOpened { partition: PARTITION, nonce, session }));
    }

    fn request(&mut self, session: SessionKey, payload: &str) -> Result<RequestKey, ClusterError> {
        let key = self.client.request(session, payload.into(), self.now, SECOND);
        self.collect();
        key
    }

    fn reply(&mut self, from: u64, session: u64, sequence: u64) {
        let mut payload = Vec::new();
        v1::encode_reply(&wire::command::Reply::Accepted { id: sequence }, &mut payload);
        let (session, sequence) = (SessionId::new(session), Sequence::new(sequence));
        let position = LogPosition::new(100 + sequence.get());
        self.from(from, Frame::Reply(link::Reply { partition: PARTITION, session, sequence, position }, &payload));
    }

    fn refuse(&mut self, from: u64, session: u64, sequence: u64, refusal: Refusal, detail: u64) {
        let (session, sequence) = (SessionId::new(session), Sequence::new(sequence));
        self.from(from, Frame::Refused(Refused { partition: PARTITION, session, sequence, refusal, detail }));
    }

    fn close(&mut self, id: u64) {
        self.client.on_closed(node(id), self.now);
        self.collect();
    }

    /// Time passes in steps of a millisecond; the nodes in `alive` answer pings.
    fn pass(&mut self, millis: u64, alive: &[u64]) {
        for _ in 0..millis {
            self.now += Duration::from_millis(1);
            self.client.on_timeout(self.now);
            self.collect();
            for id in alive {
                self.client.on_bytes(node(*id), &[], self.now);
            }
        }
    }

    fn collect(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Send { node, bytes } => {
                    cut_frames(&bytes, |frame| {
                        self.sent.extend(describe(node, frame));
                        true
                    });
                }
                Output::Replied { result, .. } => self.told.push(match result {
                    Ok(replied) => format!("replied {}", replied.position),
                    Err(error) => format!("{error:?}"),
                }),
                Output::Read { result, .. } => self.told.push(format!("read {result:?}")),
                Output::SessionOpened(_) => self.told.push("opened".into()),
                Output::Connect(_) | Output::Close(_) | Output::LeaderChanged { .. } => {}
                Output::Nodes { .. } | Output::MembersAnswer { .. } => {}
            }
        }
    }

    #[track_caller]
    fn check_sent(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.sent), expected);
    }

    #[track_caller]
    fn check_told(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.told), expected);
    }
}

fn describe(node: NodeId, frame: Frame<'_>) -> Option<String> {
    match frame {
        Frame::OpenSession(open) => Some(format!("to {node}: open {}", open.nonce)),
        Frame::Request(request, payload) => {
            let payload = String::from_utf8_lossy(payload);
            Some(format!("to {node}: {}/{} {payload}", request.session, request.sequence))
        }
        Frame::ReadIndex(_) => Some(format!("to {node}: read")),
        _ => None,
    }
}

#[test]
fn requests_wait_for_their_session_and_go_to_the_leader_in_order() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.client.open_session(PARTITION, scenario.now);
    scenario.request(session, "a").unwrap();
    scenario.request(session, "b").unwrap();
    scenario.check_sent(&["to 1: open 1"]);
    scenario.opened(1, 1, 7);
    scenario.check_sent(&["to 1: 7/1 a", "to 1: 7/2 b"]);
    scenario.reply(1, 7, 1);
    scenario.reply(1, 7, 2);
    scenario.check_told(&["opened", "replied 101", "replied 102"]);
}

#[test]
fn a_new_leader_gets_what_is_unanswered_again_under_the_same_sequence() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    for payload in ["a", "b", "c"] {
        scenario.request(session, payload).unwrap();
    }
    scenario.reply(1, 7, 1);
    scenario.sent.clear();
    scenario.announce(2, 2, 2);
    scenario.check_sent(&["to 2: 7/2 b", "to 2: 7/3 c"]);
    scenario.announce(3, 2, 2);
    scenario.check_sent(&[]);
    scenario.announce(1, 1, 1);
    scenario.check_sent(&[]);
    scenario.announce(2, 2, 5);
    scenario.check_sent(&["to 2: 7/2 b", "to 2: 7/3 c"]);
}

#[test]
fn what_waits_for_a_leader_that_cannot_be_reached_yet_goes_out_when_it_can() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.close(2);
    scenario.request(session, "a").unwrap();
    scenario.sent.clear();
    scenario.announce(3, 2, 2);
    scenario.client.read_index(PARTITION, scenario.now, SECOND).unwrap();
    scenario.collect();
    scenario.check_sent(&[]);
    // No time passes: nobody waits for a timer.
    scenario.client.on_timeout(scenario.now + Duration::from_millis(20));
    scenario.connect(2);
    scenario.check_sent(&["to 2: 7/1 a", "to 2: read"]);
}

#[test]
fn a_repeated_reply_is_told_once() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.request(session, "a").unwrap();
    scenario.announce(2, 2, 2);
    scenario.reply(1, 7, 1);
    scenario.reply(2, 7, 1);
    scenario.check_told(&["replied 101"]);
}

#[test]
fn a_busy_leader_gets_the_refused_request_before_later_ones() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    for payload in ["a", "b", "c"] {
        scenario.request(session, payload).unwrap();
    }
    scenario.sent.clear();
    scenario.refuse(1, 7, 2, Refusal::Busy, 0);
    scenario.refuse(1, 7, 3, Refusal::SequenceGap, 2);
    scenario.request(session, "d").unwrap();
    scenario.check_sent(&[]);
    scenario.pass(10, &[1, 2, 3]);
    scenario.check_sent(&["to 1: 7/2 b", "to 1: 7/3 c", "to 1: 7/4 d"]);
}

#[test]
fn refusals_of_an_earlier_copy_do_not_send_a_third() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    for payload in ["a", "b", "c"] {
        scenario.request(session, payload).unwrap();
    }
    scenario.refuse(1, 7, 1, Refusal::Busy, 0);
    scenario.pass(5, &[1, 2, 3]);
    scenario.sent.clear();
    scenario.refuse(1, 7, 2, Refusal::SequenceGap, 1);
    scenario.refuse(1, 7, 3, Refusal::SequenceGap, 1);
    scenario.pass(100, &[1, 2, 3]);
    scenario.check_sent(&[]);
}

#[test]
fn a_full_window_is_busy_at_once() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    for payload in ["a", "b", "c", "d"] {
        scenario.request(session, payload).unwrap();
    }
    assert_eq!(scenario.request(session, "e"), Err(ClusterError::Busy));
    scenario.reply(1, 7, 1);
    scenario.request(session, "e").unwrap();
}

#[test]
fn each_request_and_read_is_given_up_at_its_own_time_whatever_is_answered_before() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    for (payload, millis) in [("a", 300), ("b", 100), ("c", 200), ("d", 500)] {
        let timeout = Duration::from_millis(millis);
        scenario.client.request(session, payload.into(), scenario.now, timeout).unwrap();
    }
    scenario.client.read_index(PARTITION, scenario.now, Duration::from_millis(250)).unwrap();
    scenario.collect();
    scenario.reply(1, 7, 2);
    scenario.check_told(&["replied 102"]);
    for (millis, told) in [(199, ""), (1, "Timeout"), (49, ""), (1, "read Err(Timeout)"), (49, ""), (1, "Timeout")] {
        scenario.pass(millis, &[1]);
        assert_eq!(scenario.told.join(", "), told, "{:?}", scenario.told);
        scenario.told.clear();
    }
    scenario.reply(1, 7, 4);
    scenario.check_told(&["replied 104"]);
    scenario.pass(400, &[1]);
    scenario.check_told(&[]);
}

#[test]
fn a_request_that_was_never_sent_is_taken_back_when_time_is_up() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    for id in 1..=3 {
        scenario.close(id);
    }
    scenario.request(session, "a").unwrap();
    scenario.pass(1_001, &[]);
    scenario.check_told(&["Unavailable"]);
    scenario.request(session, "b").unwrap();
    scenario.connect(2);
    scenario.announce(2, 2, 2);
    scenario.check_sent(&["to 2: 7/1 b"]);
}

#[test]
fn a_request_refused_until_time_is_up_never_executes() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.request(session, "a").unwrap();
    scenario.refuse(1, 7, 1, Refusal::Busy, 0);
    for _ in 0..1_001 {
        let sent = std::mem::take(&mut scenario.sent);
        if sent.iter().any(|sent| sent == "to 1: 7/1 a") {
            scenario.refuse(1, 7, 1, Refusal::Busy, 0);
        }
        scenario.pass(1, &[1, 2, 3]);
    }
    scenario.check_told(&["Busy"]);
    scenario.sent.clear();
    scenario.pass(100, &[1, 2, 3]);
    scenario.request(session, "b").unwrap();
    scenario.check_sent(&["to 1: 7/1 ", "to 1: 7/2 b"]);
}

#[test]
fn a_request_without_an_answer_times_out_and_its_command_is_not_sent_again() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.request(session, "a").unwrap();
    scenario.pass(1_010, &[1, 2, 3]);
    scenario.check_told(&["Timeout"]);
    scenario.sent.clear();
    scenario.request(session, "b").unwrap();
    scenario.announce(2, 2, 2);
    scenario.check_sent(&["to 1: 7/2 b", "to 2: 7/1 ", "to 2: 7/2 b"]);
    // If the first had been sequenced, this is the reply of then.
    scenario.reply(2, 7, 1);
    scenario.check_told(&[]);
}

#[test]
fn a_command_whose_time_was_up_while_the_process_stood_still_is_not_sent() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.request(session, "a").unwrap();
    scenario.close(1);
    scenario.request(session, "b").unwrap();
    scenario.sent.clear();
    // The clock is not looked at before the next leader has spoken.
    scenario.now += 90 * SECOND;
    scenario.announce(2, 2, 2);
    scenario.check_sent(&["to 2: 7/1 "]);
    scenario.reply(2, 7, 1);
    scenario.check_sent(&[]);
    scenario.pass(1, &[2]);
    scenario.check_told(&["Timeout", "Unavailable"]);
}

#[test]
fn what_was_in_flight_in_an_expired_session_is_unknown_and_never_sent_again() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.request(session, "a").unwrap();
    scenario.request(session, "b").unwrap();
    scenario.sent.clear();
    scenario.refuse(1, 7, 1, Refusal::SessionUnknown, 0);
    scenario.refuse(1, 7, 2, Refusal::SessionUnknown, 0);
    scenario.check_told(&["OutcomeUnknown", "OutcomeUnknown"]);
    scenario.check_sent(&["to 1: open 2"]);
    scenario.request(session, "c").unwrap();
    scenario.opened(1, 2, 9);
    scenario.check_sent(&["to 1: 9/1 c"]);
}

#[test]
fn a_request_that_the_cluster_will_not_take_leaves_no_gap() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.request(session, "bad").unwrap();
    scenario.request(session, "b").unwrap();
    scenario.sent.clear();
    scenario.refuse(1, 7, 1, Refusal::Malformed, 0);
    scenario.refuse(1, 7, 2, Refusal::SequenceGap, 1);
    scenario.check_told(&["Refused(Malformed)"]);
    scenario.pass(10, &[1, 2, 3]);
    scenario.check_sent(&["to 1: 7/1 ", "to 1: 7/2 b"]);
}

#[test]
fn a_hint_is_followed_with_one_request_until_the_node_proves_to_lead() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.request(session, "a").unwrap();
    scenario.request(session, "b").unwrap();
    scenario.sent.clear();
    scenario.refuse(1, 7, 1, Refusal::NotLeader, 3);
    scenario.check_sent(&["to 3: 7/1 a"]);
    scenario.reply(3, 7, 1);
    scenario.check_sent(&["to 3: 7/2 b"]);
    scenario.check_told(&["replied 101"]);
}

#[test]
fn without_a_hint_the_nodes_are_tried_in_turn() {
    let mut scenario = Scenario::connected();
    scenario.client.open_session(PARTITION, scenario.now);
    scenario.pass(1, &[1, 2, 3]);
    scenario.check_sent(&["to 1: open 1"]);
    scenario.refuse(1, 0, 0, Refusal::NotLeader, 0);
    scenario.pass(60, &[1, 2, 3]);
    scenario.check_sent(&["to 2: open 1"]);
    scenario.pass(50, &[1, 2, 3]);
    scenario.check_sent(&["to 3: open 1"]);
    scenario.opened(3, 1, 7);
    scenario.check_told(&["opened"]);
    assert_eq!(scenario.client.leader(PARTITION), Some(node(3)));
}

#[test]
fn a_term_that_never_was_makes_nobody_deaf_to_the_next_leader() {
    for leader in [0, 3] {
        let mut scenario = Scenario::led_by_node_1();
        let session = scenario.session(1);
        scenario.announce(3, leader, u64::MAX);
        scenario.request(session, "a").unwrap();
        if leader == 3 {
            scenario.check_sent(&["to 3: 7/1 a"]);
            scenario.refuse(3, 7, 1, Refusal::NotLeader, 1);
        }
        scenario.check_sent(&["to 1: 7/1 a"]);
        scenario.announce(2, 2, 2);
        scenario.check_sent(&["to 2: 7/1 a"]);
        scenario.reply(2, 7, 1);
        scenario.check_told(&["replied 101"]);
    }
}

#[test]
fn a_leader_that_is_out_of_reach_is_not_waited_for_and_its_term_makes_nobody_deaf() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.announce(3, 9, u64::MAX);
    scenario.request(session, "a").unwrap();
    scenario.check_sent(&[]);
    scenario.pass(60, &[1, 2, 3]);
    scenario.check_sent(&["to 1: 7/1 a"]);
    scenario.announce(2, 2, 2);
    scenario.check_sent(&["to 2: 7/1 a"]);
    scenario.reply(2, 7, 1);
    scenario.check_told(&["replied 101"]);
    assert_eq!(scenario.client.leader(PARTITION), Some(node(2)));
}

#[test]
fn a_leader_that_is_out_of_reach_is_forgotten_by_who_waits_for_nothing_too() {
    let mut scenario = Scenario::led_by_node_1();
    scenario.announce(3, 9, u64::MAX);
    scenario.announce(2, 2, 2);
    assert_eq!(scenario.client.leader(PARTITION), Some(node(9)));
    scenario.pass(1, &[1, 2, 3]);
    let due = scenario.client.next_timeout().unwrap();
    assert!(due <= scenario.now + Patience::default().probe, "it wakes for that");
    scenario.pass(60, &[1, 2, 3]);
    assert_eq!(scenario.client.leader(PARTITION), None);
    scenario.announce(2, 2, 2);
    assert_eq!(scenario.client.leader(PARTITION), Some(node(2)));
}

#[test]
fn a_lost_connection_sends_everything_again_once_a_leader_is_known() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.request(session, "a").unwrap();
    scenario.request(session, "b").unwrap();
    scenario.sent.clear();
    scenario.close(1);
    scenario.announce(3, 3, 2);
    scenario.check_sent(&["to 3: 7/1 a", "to 3: 7/2 b"]);
}

#[test]
fn a_leader_that_keeps_silent_is_left_for_another_without_doubling() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.request(session, "a").unwrap();
    scenario.sent.clear();
    scenario.pass(700, &[2, 3]);
    assert_eq!(scenario.client.leader(PARTITION), None);
    scenario.announce(2, 2, 2);
    assert!(scenario.sent.iter().all(|sent| sent.ends_with("7/1 a")), "{:?}", scenario.sent);
    scenario.reply(2, 7, 1);
    scenario.reply(1, 7, 1);
    scenario.check_told(&["replied 101"]);
}

#[test]
fn an_idle_session_is_kept_alive_by_empty_requests() {
    let mut scenario = Scenario::led_by_node_1();
    scenario.session(1);
    scenario.pass(2_100, &[1, 2, 3]);
    scenario.check_sent(&["to 1: 7/1 "]);
}

#[test]
fn a_closed_session_is_forgotten_once_its_requests_are_answered() {
    let mut scenario = Scenario::led_by_node_1();
    let session = scenario.session(1);
    scenario.request(session, "a").unwrap();
    scenario.client.close_session(session);
    assert_eq!(scenario.client.sessions.len(), 1);
    scenario.reply(1, 7, 1);
    assert_eq!(scenario.client.sessions.len(), 0);
    scenario.sent.clear();
    scenario.pass(3_000, &[1, 2, 3]);
    scenario.check_sent(&[]);
}

#[test]
fn a_read_is_asked_again_until_a_leader_answers() {
    let mut scenario = Scenario::led_by_node_1();
    let read = scenario.client.read_index(PARTITION, scenario.now, SECOND).unwrap();
    scenario.collect();
    scenario.check_sent(&["to 1: read"]);
    let token = read.0;
    let refused = link::ReadRefused { partition: PARTITION, token, refusal: Refusal::NotLeader, detail: 2 };
    scenario.from(1, Frame::ReadRefused(refused));
    scenario.check_sent(&["to 2: read"]);
    scenario.from(2, Frame::ReadReady(link::ReadReady { partition: PARTITION, token, position: LogPosition::new(9) }));
    scenario.from(2, Frame::ReadReady(link::ReadReady { partition: PARTITION, token, position: LogPosition::new(9) }));
    scenario.check_told(&["read Ok(LogPosition(9))"]);
    scenario.client.read_index(PARTITION, scenario.now, SECOND).unwrap();
    scenario.pass(1_001, &[1, 2, 3]);
    scenario.check_told(&["read Err(Timeout)"]);
}

#[test]
fn bytes_of_another_protocol_close_the_connection() {
    let mut scenario = Scenario::led_by_node_1();
    scenario.client.on_bytes(node(1), &[0xff; 64], scenario.now);
    assert_eq!(scenario.client.leader(PARTITION), None);
    let outputs: Vec<_> = std::iter::from_fn(|| scenario.client.poll_output()).collect();
    assert!(outputs.contains(&Output::Close(node(1))), "{outputs:?}");
}

mod exactly_once;
mod members;
