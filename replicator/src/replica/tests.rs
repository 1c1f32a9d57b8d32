use wire::link::{OpenSession, Refusal, Request};
use wire::{LogPosition, NodeId, PartitionId, Sequence, SessionId};

use crate::sim::{Cluster, Faults, Tally};
use crate::{Output, ReplicaConfig, Role};

mod backlog;
mod belonging;
mod chaos;
mod failover;
mod hostile;
mod learners;
mod membership;
mod past;
mod quarantine;
mod sessions;
mod space;
mod stored;
mod twin;
mod versions;

/// A cluster without faults, and everything its replicas have said.
struct Bench {
    cluster: Cluster<Tally>,
    said: Vec<(NodeId, Output)>,
}

const PARTITION: PartitionId = PartitionId::new(1);

fn small_snapshots(config: &mut ReplicaConfig) {
    config.snapshots.every_entries = 50;
    config.snapshots.tail_entries = 10;
}

impl Bench {
    fn new(size: u64) -> Bench {
        Bench::with(size, |_| {})
    }

    fn with(size: u64, configure: fn(&mut ReplicaConfig)) -> Bench {
        let cluster = Cluster::new(size, 1, Faults::none(), Tally::default, configure);
        let mut bench = Bench { cluster, said: Vec::new() };
        bench.await_leader();
        bench
    }

    fn step(&mut self, steps: usize) {
        for _ in 0..steps {
            self.said.extend(self.cluster.step());
        }
    }

    /// Steps until `done`, and says how many that took.
    fn until(&mut self, what: &str, mut done: impl FnMut(&Bench) -> bool) -> usize {
        for steps in 0..5_000 {
            if done(self) {
                return steps;
            }
            self.step(1);
        }
        panic!("never: {what}");
    }

    fn await_leader(&mut self) -> NodeId {
        self.until("a leader", |bench| bench.cluster.leader().is_some());
        self.leader()
    }

    fn leader(&self) -> NodeId {
        self.cluster.leader().expect("somebody leads")
    }

    fn standbys(&self) -> Vec<NodeId> {
        let leader = self.leader();
        self.cluster.ids().into_iter().filter(|id| *id != leader).collect()
    }

    fn open_session(&mut self, nonce: u128) -> SessionId {
        let leader = self.leader();
        let replica = self.cluster.replica_mut(leader).unwrap();
        replica.open_session(OpenSession { partition: PARTITION, nonce }).unwrap();
        let opened = |bench: &Bench| {
            bench.said.iter().rev().find_map(|(_, output)| match output {
                Output::SessionOpened { nonce: n, session } if *n == nonce => Some(*session),
                _ => None,
            })
        };
        self.until("the session opens", |bench| opened(bench).is_some());
        opened(self).unwrap()
    }

    fn offer(&mut self, session: SessionId, sequence: u64) -> Result<(), (Refusal, u64)> {
        let leader = self.leader();
        self.offer_to(leader, session, sequence)
    }

    fn offer_to(&mut self, node: NodeId, session: SessionId, sequence: u64) -> Result<(), (Refusal, u64)> {
        let request = Request {
            partition: PARTITION,
            session,
            sequence: Sequence::new(sequence),
            acknowledged_below: Sequence::ZERO,
        };
        self.cluster.replica_mut(node).unwrap().offer(request, &Tally::add(sequence))
    }

    /// Executes requests `from..=to`, one after the other.
    fn execute(&mut self, session: SessionId, from: u64, to: u64) {
        for sequence in from..=to {
            self.offer(session, sequence).unwrap();
            self.until("a reply", |bench| bench.reply(session, sequence).is_some());
        }
    }

    fn reply(&self, session: SessionId, sequence: u64) -> Option<(LogPosition, Vec<u8>)> {
        self.said.iter().rev().find_map(|(_, output)| match output {
            Output::Reply { session: s, sequence: q, position, payload } if (*s, q.get()) == (session, sequence) => {
                Some((*position, payload.clone()))
            }
            _ => None,
        })
    }

    fn refusal(&self, session: SessionId, sequence: u64) -> Option<(Refusal, u64)> {
        self.said.iter().rev().find_map(|(_, output)| match output {
            Output::Refused { session: s, sequence: q, refusal, detail } if (*s, q.get()) == (session, sequence) => {
                Some((*refusal, *detail))
            }
            _ => None,
        })
    }

    fn position(&self, node: NodeId) -> LogPosition {
        self.cluster.replica(node).map_or(LogPosition::ZERO, |replica| replica.status().applied_position)
    }

    fn await_agreement(&mut self) {
        self.until("the same state everywhere", |bench| {
            let mut states =
                bench.cluster.running().map(|(_, r)| (r.status().applied_position, r.machine().digest_now()));
            let first = states.next();
            states.all(|state| Some(state) == first)
        });
    }
}

trait Digest {
    fn digest_now(&self) -> u128;
}

impl Digest for Tally {
    fn digest_now(&self) -> u128 {
        crate::StateMachine::digest(self)
    }
}

#[test]
fn a_group_elects_a_leader_and_everybody_applies_what_is_offered_to_it() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 20);
    bench.await_agreement();
    let leader = bench.leader();
    let machine = bench.cluster.replica(leader).unwrap().machine();
    assert_eq!(machine.executed().len(), 20);
    for standby in bench.standbys() {
        assert_eq!(bench.offer_to(standby, session, 21), Err((Refusal::NotLeader, leader.get())));
    }
}

#[test]
fn a_group_of_one_leads_itself() {
    let mut bench = Bench::new(1);
    let session = bench.open_session(7);
    bench.execute(session, 1, 3);
    let id = bench.leader();
    bench.cluster.replica_mut(id).unwrap().read_index(5).unwrap();
    bench.step(3);
    assert!(bench.said.iter().any(|(_, output)| matches!(output, Output::ReadReady { token: 5, .. })));
    bench.cluster.crash(id);
    bench.cluster.start(id).unwrap();
    bench.await_leader();
    bench.execute(session, 4, 5);
    assert_eq!(bench.cluster.replica(id).unwrap().machine().executed().len(), 5);
}

#[test]
fn the_machine_is_ticked_when_its_deadline_comes() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    bench.execute(session, 1, 1);
    bench.step(90);
    assert_eq!(bench.cluster.replica(bench.leader()).unwrap().machine().ticks(), 0);
    bench.step(30);
    bench.await_agreement();
    assert_eq!(bench.cluster.replica(bench.leader()).unwrap().machine().ticks(), 1);
}

#[test]
fn time_goes_on_under_a_leader_whose_clock_is_far_behind_the_one_before() {
    let faults = Faults { skew_ns: 10_000_000_000, ..Faults::none() };
    let cluster = Cluster::new(3, 1, faults, Tally::default, |_| {});
    let mut bench = Bench { cluster, said: Vec::new() };
    bench.await_leader();
    let session = bench.open_session(7);
    let ids = bench.cluster.ids();
    for (sequence, next) in (1..).zip(ids.iter().chain(&ids)) {
        let leader = bench.leader();
        if leader != *next {
            bench.cluster.replica_mut(leader).unwrap().transfer_leadership(*next);
            bench.until("it leads", |bench| bench.cluster.leader() == Some(*next));
        }
        let ticks = |bench: &Bench| bench.cluster.replica(*next).unwrap().machine().ticks();
        let before = ticks(&bench);
        bench.execute(session, sequence, sequence);
        let steps = bench.until("a tick", |bench| ticks(bench) > before);
        assert!(steps <= 150, "what is due in 100 ms took {steps}");
    }
}

#[test]
fn a_quiet_time_is_not_lost_under_a_leader_whose_clock_is_far_behind_the_one_before() {
    let faults = Faults { skew_ns: 10_000_000_000, ..Faults::none() };
    let cluster = Cluster::new(3, 1, faults, Tally::default, |_| {});
    let mut bench = Bench { cluster, said: Vec::new() };
    bench.await_leader();
    let session = bench.open_session(7);
    let ids = bench.cluster.ids();
    for (sequence, next) in (1..).zip(ids.iter().chain(&ids)) {
        let leader = bench.leader();
        bench.execute(session, sequence, sequence);
        let ticks = bench.cluster.replica(leader).unwrap().machine().ticks();
        bench.step(70);
        bench.cluster.replica_mut(leader).unwrap().transfer_leadership(*next);
        let mut steps = 70 + bench.until("it leads", |bench| bench.cluster.leader() == Some(*next));
        steps += bench.until("a tick", |bench| bench.cluster.replica(*next).unwrap().machine().ticks() > ticks);
        assert!(steps <= 130, "what is due in 100 ms took {steps}");
    }
}

#[test]
fn a_standby_catches_up_from_the_log_after_a_restart() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let standby = bench.standbys()[0];
    bench.cluster.crash(standby);
    bench.execute(session, 1, 20);
    bench.cluster.start(standby).unwrap();
    bench.await_agreement();
    assert!(!bench.said.iter().any(|(_, output)| matches!(output, Output::SnapshotInstalled { .. })));
}

#[test]
fn a_standby_that_is_behind_the_log_gets_the_leaders_snapshot() {
    let mut bench = Bench::with(3, small_snapshots);
    let session = bench.open_session(7);
    let standby = bench.standbys()[0];
    bench.cluster.crash(standby);
    bench.execute(session, 1, 200);
    assert!(bench.cluster.replica(bench.leader()).unwrap().status().first_index > 100);
    bench.cluster.start(standby).unwrap();
    bench.await_agreement();
    let installed = bench.said.iter().filter(|(id, o)| *id == standby && matches!(o, Output::SnapshotInstalled { .. }));
    assert_eq!(installed.count(), 1);
    bench.execute(session, 201, 210);
    bench.cluster.crash(standby);
    bench.cluster.start(standby).unwrap();
    bench.await_agreement();
}

#[test]
fn a_standby_with_an_empty_disk_is_caught_up_by_the_leader_that_knew_it_full() {
    for configure in [small_snapshots as fn(&mut ReplicaConfig), |_| {}] {
        let mut bench = Bench::with(3, configure);
        let session = bench.open_session(7);
        bench.execute(session, 1, 120);
        let standby = bench.standbys()[0];
        bench.cluster.crash(standby);
        bench.cluster.replace_disk(standby);
        bench.cluster.refuse_connections_of(standby);
        bench.cluster.start(standby).unwrap();
        bench.execute(session, 121, 125);
        bench.await_agreement();
    }
}

/// Whichever message is lost, the last as well.
#[test]
fn a_snapshot_of_many_chunks_arrives_over_a_bad_network() {
    for seed in 1..=12 {
        a_snapshot_of_many_chunks_arrives(seed);
    }
}

fn a_snapshot_of_many_chunks_arrives(seed: u64) {
    let cluster = Cluster::new(3, seed, Faults::none(), Tally::default, |config| {
        small_snapshots(config);
        config.sessions.replies_max = 1_000_000;
        config.snapshots.every_entries = 500;
    });
    let mut bench = Bench { cluster, said: Vec::new() };
    bench.await_leader();
    let session = bench.open_session(7);
    let standby = bench.standbys()[0];
    bench.cluster.crash(standby);
    for first in 0..20 {
        for sequence in 1..=2_000 {
            bench.offer(session, first * 2_000 + sequence).unwrap();
        }
        bench.until("replies", |bench| bench.reply(session, (first + 1) * 2_000).is_some());
        bench.said.clear();
    }
    for other in bench.cluster.ids() {
        for nonce in 0..1_200 {
            let Some(replica) = bench.cluster.replica_mut(other) else { continue };
            let _ = replica.open_session(OpenSession { partition: PARTITION, nonce: 1_000 + nonce });
            bench.step(1);
        }
    }
    bench.cluster.faults().loss_per_mille = 200;
    bench.cluster.faults().delay_steps = 5;
    bench.cluster.start(standby).unwrap();
    let since = bench.cluster.now();
    bench.await_agreement();
    let took = bench.cluster.now().nanos() - since.nanos();
    assert!(took < 4_000_000_000, "seed {seed} took {took} ns");
    assert!(bench.said.iter().any(|(id, o)| *id == standby && matches!(o, Output::SnapshotInstalled { .. })));
}

#[test]
fn a_replica_restarts_from_its_snapshot_and_its_log() {
    let mut bench = Bench::with(3, small_snapshots);
    let session = bench.open_session(7);
    bench.execute(session, 1, 130);
    let before = bench.cluster.replica(bench.leader()).unwrap().machine().clone();
    for id in bench.cluster.ids() {
        bench.cluster.crash(id);
    }
    for id in bench.cluster.ids() {
        bench.cluster.start(id).unwrap();
    }
    bench.await_leader();
    bench.await_agreement();
    let after = bench.cluster.replica(bench.leader()).unwrap().machine();
    assert_eq!(after.executed(), before.executed());
    bench.execute(session, 131, 135);
}

#[test]
fn a_disk_that_fails_stops_its_replica_and_nobody_else() {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let leader = bench.leader();
    bench.cluster.disk(leader).fail("no space left");
    bench.offer(session, 1).unwrap();
    bench.until("it says so", |bench| {
        bench.said.iter().any(|(id, output)| *id == leader && matches!(output, Output::Failed { .. }))
    });
    let status = bench.cluster.replica(leader).unwrap().status();
    assert!(status.failed.is_some_and(|error| error.contains("no space left")));
    assert_eq!(bench.offer_to(leader, session, 2), Err((Refusal::NotLeader, 0)));
    bench.until("another leader", |bench| bench.cluster.leader().is_some_and(|id| id != leader));
    bench.execute(session, 1, 3);
}

#[test]
fn a_full_queue_is_busy_and_a_standby_is_no_leader() {
    let mut bench = Bench::with(3, |config| config.sequencer.commands_max = 2);
    let session = bench.open_session(7);
    assert_eq!(bench.offer(session, 1), Ok(()));
    assert_eq!(bench.offer(session, 2), Ok(()));
    assert_eq!(bench.offer(session, 3), Err((Refusal::Busy, 0)));
    bench.until("replies", |bench| bench.reply(session, 2).is_some());
    assert_eq!(bench.cluster.replica(bench.leader()).unwrap().status().role, Role::Leader);
}

#[test]
fn an_idle_standby_learns_within_a_tick_or_two_what_is_committed() {
    let mut bench = Bench::new(3);
    bench.open_session(1);
    let leader = bench.leader();
    let committed = bench.cluster.replica(leader).unwrap().status().commit_index;
    let knows = |bench: &Bench, id| bench.cluster.replica(id).unwrap().status().commit_index >= committed;
    let began = bench.cluster.now();
    bench.until("every standby knows", |bench| bench.standbys().into_iter().all(|id| knows(bench, id)));
    let waited = bench.cluster.now().nanos() - began.nanos();
    assert!(waited <= 25_000_000, "{waited} ns");
}
