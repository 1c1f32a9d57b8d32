//! The client against a model of the cluster that loses leaders, connections and log tails, and refuses at
//! random: every request that is told to have executed did, once, in order; no other one of which the client
//! is sure did.

use std::collections::BTreeMap;

use super::*;
use crate::client::connection::cut_frames;
use proptest::prelude::*;

/// One partition of three nodes. `log` is committed; what a leader has accepted beyond it is lost with it.
#[derive(Default)]
struct Model {
    leader: u64,
    term: u64,
    sessions: BTreeMap<u128, u64>,
    log: Vec<(u64, u64, String)>,
    accepted: Vec<(u64, u64, String)>,
    /// Frames to the client that have not arrived, per node.
    wires: BTreeMap<u64, Vec<Vec<u8>>>,
}

#[derive(Debug, Clone)]
enum Step {
    Request,
    /// The leader commits this many of what it has accepted.
    Commit(usize),
    /// This many frames of a node arrive.
    Arrive(u64, usize),
    /// Another node leads; uncommitted entries are lost.
    Elect(u64),
    /// A connection breaks, with what was under way to the client.
    Break(u64),
    /// This many milliseconds.
    Pass(u64),
    /// This many requests are refused.
    Busy(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Request),
        6 => (1..4_usize).prop_map(Step::Commit),
        8 => (1..4_u64, 1..6_usize).prop_map(|(node, len)| Step::Arrive(node, len)),
        1 => (1..4_u64).prop_map(Step::Elect),
        1 => (1..4_u64).prop_map(Step::Break),
        4 => prop_oneof![1..40_u64, 300..400_u64].prop_map(Step::Pass),
        3 => prop_oneof![1..4_usize, 20..200_usize].prop_map(Step::Busy),
    ];
    proptest::collection::vec(step, 1..120)
}

impl Model {
    fn send(&mut self, node: u64, frame: Frame<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.wires.entry(node).or_default().push(bytes);
    }

    fn announce(&mut self) {
        for node in 1..=3 {
            let leader = NodeId::new(self.leader);
            self.send(node, Frame::Leader(link::Leader { partition: PARTITION, leader, term: Term::new(self.term) }));
        }
    }

    fn take(&mut self, node: u64, frame: Frame<'_>, busy: &mut usize) {
        match frame {
            Frame::OpenSession(open) if node == self.leader => {
                let next = self.sessions.len() as u64 + 1;
                let session = SessionId::new(*self.sessions.entry(open.nonce).or_insert(next));
                let opened = link::SessionOpened { partition: PARTITION, nonce: open.nonce, session };
                self.send(node, Frame::SessionOpened(opened));
            }
            Frame::OpenSession(_) => self.refuse(node, 0, 0, Refusal::NotLeader, self.leader),
            Frame::Request(request, payload) => {
                let (session, sequence) = (request.session.get(), request.sequence.get());
                let known = |log: &[(u64, u64, String)]| {
                    log.iter().filter(|entry| entry.0 == session).map(|entry| entry.1).max().unwrap_or(0)
                };
                let expected = known(&self.log).max(known(&self.accepted)) + 1;
                if node != self.leader {
                    self.refuse(node, session, sequence, Refusal::NotLeader, self.leader);
                } else if *busy > 0 {
                    // Refused at the door, be it sequenced already or not.
                    *busy -= 1;
                    self.refuse(node, session, sequence, Refusal::Busy, 0);
                } else if sequence <= known(&self.log) {
                    self.reply(node, session, sequence);
                } else if sequence > expected {
                    self.refuse(node, session, sequence, Refusal::SequenceGap, expected);
                } else if sequence == expected {
                    let payload = String::from_utf8_lossy(payload).into_owned();
                    self.accepted.push((session, sequence, payload));
                }
            }
            _ => {}
        }
    }

    fn refuse(&mut self, node: u64, session: u64, sequence: u64, refusal: Refusal, detail: u64) {
        let (session, sequence) = (SessionId::new(session), Sequence::new(sequence));
        self.send(node, Frame::Refused(Refused { partition: PARTITION, session, sequence, refusal, detail }));
    }

    fn reply(&mut self, node: u64, session: u64, sequence: u64) {
        let place = self.log.iter().position(|entry| (entry.0, entry.1) == (session, sequence)).unwrap();
        let mut payload = Vec::new();
        v1::encode_reply(&wire::command::Reply::Accepted { id: 0 }, &mut payload);
        let (session, sequence) = (SessionId::new(session), Sequence::new(sequence));
        let position = LogPosition::new(place as u64);
        self.send(node, Frame::Reply(link::Reply { partition: PARTITION, session, sequence, position }, &payload));
    }

    fn commit(&mut self, len: usize) {
        for entry in self.accepted.drain(..len.min(self.accepted.len())).collect::<Vec<_>>() {
            self.log.push(entry.clone());
            self.reply(self.leader, entry.0, entry.1);
        }
    }
}

struct Run {
    scenario: Scenario,
    model: Model,
    session: SessionKey,
    requests: BTreeMap<RequestKey, String>,
    results: BTreeMap<RequestKey, Result<Replied, ClusterError>>,
    busy: usize,
}

impl Run {
    fn new() -> Run {
        let mut scenario = Scenario::connected();
        let session = scenario.client.open_session(PARTITION, scenario.now);
        let model = Model { leader: 1, term: 1, ..Model::default() };
        let (requests, results) = (BTreeMap::new(), BTreeMap::new());
        let mut run = Run { scenario, model, session, requests, results, busy: 0 };
        run.model.announce();
        run
    }

    fn step(&mut self, step: &Step) {
        let now = self.scenario.now;
        match step {
            Step::Request => {
                let payload = format!("r{}", self.requests.len());
                let timeout = Duration::from_millis(300);
                if let Ok(key) = self.scenario.client.request(self.session, payload.clone().into(), now, timeout) {
                    self.requests.insert(key, payload);
                }
            }
            Step::Commit(len) => self.model.commit(*len),
            Step::Arrive(id, len) => {
                let wire = self.model.wires.entry(*id).or_default();
                let arrived: Vec<u8> = wire.drain(..(*len).min(wire.len())).flatten().collect();
                self.scenario.client.on_bytes(node(*id), &arrived, now);
            }
            Step::Elect(id) => {
                self.model.accepted.clear();
                self.model.leader = *id;
                self.model.term += 1;
                self.model.announce();
            }
            Step::Break(id) => {
                self.model.wires.remove(id);
                self.scenario.client.on_closed(node(*id), now);
                self.scenario.client.on_connected(node(*id), now);
                let (epoch, node) = (ClusterEpoch::new(1), node(*id));
                self.model.send(*id, Frame::Welcome(link::Welcome { protocol: PROTOCOL, epoch, node }));
                let (leader, term) = (NodeId::new(self.model.leader), Term::new(self.model.term));
                self.model.send(*id, Frame::Leader(link::Leader { partition: PARTITION, leader, term }));
            }
            Step::Pass(millis) => {
                for _ in 0..*millis {
                    self.scenario.now += Duration::from_millis(1);
                    self.scenario.client.on_timeout(self.scenario.now);
                    for id in 1..=3 {
                        self.scenario.client.on_bytes(node(id), &[], self.scenario.now);
                    }
                    self.carry();
                }
            }
            Step::Busy(len) => self.busy += len,
        }
        self.carry();
    }

    /// Frames of the client arrive at once; those of the nodes wait for [`Step::Arrive`].
    fn carry(&mut self) {
        while let Some(output) = self.scenario.client.poll_output() {
            match output {
                Output::Send { node, bytes } => {
                    cut_frames(&bytes, |frame| {
                        self.model.take(node.get(), frame, &mut self.busy);
                        true
                    });
                }
                Output::Replied { request, result } => {
                    assert!(self.results.insert(request, result).is_none(), "told twice");
                }
                _ => {}
            }
        }
    }

    /// Everything heals; nothing may stay unanswered.
    fn heal(&mut self) {
        self.busy = 0;
        for _ in 0..400 {
            self.model.commit(usize::MAX);
            for id in 1..=3 {
                self.step(&Step::Arrive(id, usize::MAX));
            }
            self.step(&Step::Pass(10));
        }
    }

    fn check(&self) {
        let executed = |payload: &str| self.model.log.iter().filter(|entry| entry.2 == *payload).count();
        for (key, payload) in &self.requests {
            let count = executed(payload);
            assert!(count <= 1, "{payload} executed {count} times");
            match self.results.get(key).expect("every request is answered") {
                Ok(replied) => {
                    assert_eq!(self.model.log[replied.position.get() as usize].2, *payload, "another's reply");
                }
                Err(error) if error.is_outcome_unknown() => {}
                Err(error) => assert_eq!(count, 0, "{payload} executed, but {error:?} was told"),
            }
        }
        let order: Vec<&String> = self.model.log.iter().map(|entry| &entry.2).filter(|p| !p.is_empty()).collect();
        let mut calls = self.requests.values().filter(|payload| order.contains(payload));
        assert!(order.iter().all(|payload| calls.next() == Some(*payload)), "executed out of order: {order:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_request_executes_at_most_once_in_order_and_is_answered_truly(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
        run.heal();
        run.check();
    }
}
