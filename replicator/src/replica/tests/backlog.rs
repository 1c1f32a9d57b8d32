//! A standby writes before it applies.

use raft::eraftpb::{Message, MessageType};
use wire::{LogPosition, NodeId, SessionId};

use super::{Bench, small_snapshots};
use crate::log::memory::MemoryLog;
use crate::replica::envelope::{Chunk, Envelope};
use crate::sim::{Cluster, Faults, Tally};
use crate::{Joining, Output, Replica, ReplicaConfig, Role, SnapshotTaker, Space, snapshot};

/// Where a standby is told with a new entry that the one before it is committed. Disks write nothing from here on.
fn told_before_a_write() -> (Bench, NodeId) {
    let mut bench = Bench::new(3);
    let session = bench.open_session(7);
    let standby = bench.standbys()[0];
    for sequence in 1.. {
        assert!(sequence < 100, "a tick comes in between every time");
        bench.cluster.faults().sync_per_mille = 1_000;
        bench.execute(session, 2 * sequence - 1, 2 * sequence - 1);
        let (_, applied) = bench.cluster.replica(standby).unwrap().reached();
        bench.cluster.faults().sync_per_mille = 0;
        bench.offer(session, 2 * sequence).unwrap();
        // To the leader's next cycle, over the network, to the standby's.
        bench.step(2);
        let (committed, now_applied) = bench.cluster.replica(standby).unwrap().reached();
        if now_applied == applied && committed > applied {
            break;
        }
    }
    (bench, standby)
}

#[test]
fn what_is_committed_waits_for_the_write_that_came_with_it() {
    let (mut bench, standby) = told_before_a_write();
    bench.cluster.faults().sync_per_mille = 1_000;
    let waited = bench.until("it is applied", |bench| {
        let (committed, applied) = bench.cluster.replica(standby).unwrap().reached();
        applied == committed
    });
    assert!(waited <= 2, "written and applied after {waited} steps");
    bench.await_agreement();
}

#[test]
fn a_disk_that_writes_nothing_keeps_nothing_from_being_applied() {
    let (mut bench, standby) = told_before_a_write();
    let waited = bench.until("it is applied", |bench| {
        let (committed, applied) = bench.cluster.replica(standby).unwrap().reached();
        applied == committed
    });
    assert!((1..=10).contains(&waited), "applied with the next tick, after {waited} steps");
}

#[test]
fn a_standby_that_comes_to_lead_has_applied_what_waited() {
    let (mut bench, standby) = told_before_a_write();
    bench.cluster.crash(bench.leader());
    bench.cluster.faults().sync_per_mille = 1_000;
    bench.until("another leads", |bench| bench.cluster.leader().is_some());
    bench.await_agreement();
    let (committed, applied) = bench.cluster.replica(standby).unwrap().reached();
    assert_eq!(committed, applied);
}

#[test]
fn a_disk_that_is_full_keeps_nothing_from_being_applied() {
    let (mut bench, standby) = told_before_a_write();
    bench.cluster.replica_mut(standby).unwrap().set_space(Space::Full);
    let (committed, applied) = bench.cluster.replica(standby).unwrap().reached();
    assert_eq!(committed, applied);
}

/// Its disk writes when a test says so.
const SLOW: NodeId = NodeId::new(3);
const FOURTH: NodeId = NodeId::new(4);

/// No clock ticks: nothing happens but what a test asks for.
fn still(config: &mut ReplicaConfig) {
    small_snapshots(config);
    config.timing.tick_ns = 3_600_000_000_000;
}

impl Bench {
    /// One step in which every disk writes all that waits, but that of the slow node.
    fn step_without_slow(&mut self) {
        self.cluster.faults().sync_per_mille = 0;
        for id in self.cluster.ids().into_iter().filter(|id| *id != SLOW) {
            self.cluster.disk(id).sync(usize::MAX);
        }
        self.step(1);
    }

    /// Executes requests `from..=to` while the slow node writes nothing.
    fn execute_without_slow(&mut self, session: SessionId, from: u64, to: u64) {
        for sequence in from..=to {
            self.offer(session, sequence).unwrap();
            let mut steps = 0;
            while self.reply(session, sequence).is_none() {
                self.step_without_slow();
                steps += 1;
                assert!(steps < 1_000, "never: a reply");
            }
        }
    }

    /// The slow node gets what is under way to it, writes it, and hears nothing from then on.
    fn write_and_cut_off(&mut self) -> u64 {
        let had = self.slow().status().last_index;
        while self.slow().status().last_index == had {
            self.step_without_slow();
        }
        self.cluster.isolate(SLOW);
        self.cluster.disk(SLOW).sync(usize::MAX);
        self.step_without_slow();
        self.slow().status().last_index
    }

    /// The leader's entry behind what the slow node has, and that everything before it is committed.
    fn deliver_next_to_slow(&mut self) {
        let leader = self.leader();
        let (of_leader, of_slow) = (self.cluster.replica(leader).unwrap().status(), self.slow().status());
        let entries = self.cluster.disk(leader).entries();
        let at = |index: u64| entries.iter().find(|entry| entry.index == index).expect("the leader has it").clone();
        let (last, next) = (at(of_slow.last_index), at(of_slow.last_index + 1));
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgAppend);
        (message.from, message.to, message.term) = (of_leader.member, of_slow.member, of_leader.term.get());
        (message.index, message.log_term, message.commit) = (last.index, last.term, last.index);
        message.entries = vec![next].into();
        let payload = Envelope::Raft(Box::new(message)).encode();
        self.cluster.replica_mut(SLOW).unwrap().on_message(leader, &payload);
        self.step_without_slow();
    }

    fn slow(&self) -> &Replica<Tally, MemoryLog> {
        self.cluster.replica(SLOW).unwrap()
    }

    /// Everything works again.
    fn recover(&mut self) {
        self.cluster.heal();
        self.cluster.faults().sync_per_mille = 1_000;
        for _ in 0..30 {
            // In place of a clock.
            if self.cluster.leader().is_none() {
                self.cluster.replica_mut(NodeId::new(1)).unwrap().raft.campaign().unwrap();
            }
            for id in self.cluster.ids() {
                if let Some(replica) = self.cluster.replica_mut(id) {
                    replica.raft.ping();
                }
            }
            self.step(100);
        }
        self.until("the founders agree", |bench| {
            let state = |id: u64| {
                let replica = bench.cluster.replica(NodeId::new(id)).unwrap();
                (replica.status().applied_position, super::Digest::digest_now(replica.machine()))
            };
            state(1) == state(2) && state(2) == state(3)
        });
    }

    /// The leader's newest snapshot, in one piece, as if it had been sent before and was late.
    fn deliver_snapshot_to_slow(&mut self) -> u64 {
        let leader = self.leader();
        let (index, bytes) = self.cluster.disk(leader).snapshots().pop().expect("the leader has one");
        let term = self.cluster.replica(leader).unwrap().status().term.get();
        let at = (index, snapshot::open(&bytes).unwrap().header.term);
        let chunk = Chunk { term, at, total: bytes.len() as u64, offset: 0, bytes: &bytes };
        let payload = Envelope::Chunk(chunk).encode();
        self.cluster.replica_mut(SLOW).unwrap().on_message(leader, &payload);
        index
    }
}

/// Three nodes, of which the first leads.
fn led_by_the_first() -> (Bench, SessionId) {
    let cluster = Cluster::new(3, 1, Faults::none(), Tally::default, still);
    let mut bench = Bench { cluster, said: Vec::new() };
    bench.step(300);
    bench.cluster.replica_mut(NodeId::new(1)).unwrap().raft.campaign().unwrap();
    assert_eq!(bench.await_leader(), NodeId::new(1));
    let session = bench.open_session(7);
    (bench, session)
}

/// A slow node that has something on its disk, hears with what follows that it is committed, and puts it off until that is
/// written: request 6, or the change that makes the fourth node a learner. It hears nothing from here on.
fn put_off(change: bool) -> (Bench, SessionId) {
    let (mut bench, session) = led_by_the_first();
    bench.execute(session, 1, 5);
    if change {
        assert_eq!(bench.cluster.grow(), FOURTH);
        bench.step(300);
    }
    bench.step(50);
    if change {
        let leader = bench.leader();
        let how = Joining { stays_learner: true, ..Joining::default() };
        bench.cluster.replica_mut(leader).unwrap().add_node(FOURTH, how).unwrap();
    } else {
        bench.offer(session, 6).unwrap();
    }
    let last = bench.write_and_cut_off();
    bench.execute_without_slow(session, if change { 6 } else { 7 }, 10);
    bench.deliver_next_to_slow();
    let (committed, applied) = bench.slow().reached();
    assert!(applied < last, "nothing waits");
    assert_eq!((committed, bench.slow().backlog.upto()), (last, Some(last)));
    let has_learner = |id| bench.cluster.replica(id).unwrap().members().has_node(FOURTH);
    assert_eq!((has_learner(bench.leader()), has_learner(SLOW)), (change, false));
    (bench, session)
}

#[test]
fn what_waits_is_applied_before_the_leaders_snapshot_goes_over_it() {
    let (mut bench, session) = put_off(false);
    bench.execute_without_slow(session, 11, 130);
    let waits = bench.slow().backlog.upto().unwrap();
    let position = bench.position(SLOW);
    bench.said.clear();
    let index = bench.deliver_snapshot_to_slow();
    assert!(index > waits);
    assert_eq!(bench.slow().reached(), (index, waits));
    bench.recover();
    // What waited was told, each command once and in order, and then the jump.
    let of_slow = bench.said.iter().filter(|(id, _)| *id == SLOW).map(|(_, output)| output);
    let until_jump = of_slow.take_while(|output| !matches!(output, Output::SnapshotInstalled { .. }));
    let told: Vec<LogPosition> = until_jump
        .filter_map(|output| match output {
            Output::Applied { position, .. } => Some(*position),
            _ => None,
        })
        .collect();
    assert!(!told.is_empty() && told.is_sorted() && told[0] == position.next(), "{position}: {told:?}");
    assert_eq!(told.last().unwrap().get() - position.get(), told.len() as u64);
    assert!(bench.said.iter().any(|(id, output)| *id == SLOW && matches!(output, Output::SnapshotInstalled { .. })));
    bench.execute(session, 131, 140);
    bench.await_agreement();
}

#[test]
fn a_change_of_members_that_waits_is_not_made_again_over_the_members_of_the_leaders_snapshot() {
    let (mut bench, session) = put_off(true);
    bench.execute_without_slow(session, 11, 20);
    let leader = bench.leader();
    bench.cluster.crash(FOURTH);
    bench.cluster.replica_mut(leader).unwrap().remove_node(FOURTH).unwrap();
    bench.execute_without_slow(session, 21, 130);
    assert!(!bench.cluster.replica(leader).unwrap().members().has_node(FOURTH));
    let index = bench.deliver_snapshot_to_slow();
    assert_eq!(bench.slow().reached().0, index);
    assert!(bench.slow().members().has_node(FOURTH));
    bench.recover();
    for id in bench.cluster.ids().into_iter().filter(|id| *id != FOURTH) {
        let replica = bench.cluster.replica(id).unwrap();
        let (learners, failed) = (replica.raft.raft.prs().conf().to_conf_state().learners, &replica.failed);
        assert_eq!((learners, failed), (vec![], &None), "node {id}: what Raft and the log have of learners");
    }
    bench.execute(session, 131, 140);
}

#[test]
fn a_change_of_members_that_waits_keeps_nobody_from_standing_for_election_when_the_leader_says_so() {
    let (mut bench, _) = put_off(true);
    let waits = bench.slow().backlog.upto().unwrap();
    let leader = bench.leader();
    let status = bench.cluster.replica(leader).unwrap().status();
    let to = bench.slow().status().member;
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgTimeoutNow);
    (message.from, message.to, message.term) = (status.member, to, status.term.get());
    let payload = Envelope::Raft(Box::new(message)).encode();
    bench.cluster.replica_mut(SLOW).unwrap().on_message(leader, &payload);
    assert_eq!((bench.slow().reached().1, bench.slow().status().role), (waits, Role::Candidate));
    assert!(bench.slow().members().has_node(FOURTH));
    bench.recover();
}

#[test]
fn a_change_of_members_that_waits_keeps_nobody_from_standing_for_election_when_the_leader_is_dead() {
    let (mut bench, _) = put_off(true);
    let waits = bench.slow().backlog.upto().unwrap();
    let leader = bench.leader();
    bench.cluster.replica_mut(SLOW).unwrap().peer_refused(leader);
    let mut steps = 0;
    while bench.slow().status().role != Role::Candidate {
        bench.step_without_slow();
        steps += 1;
        assert!(steps <= 60, "it is {:?}", bench.slow().status().role);
    }
    assert_eq!(bench.slow().reached().1, waits);
    bench.recover();
}

#[test]
fn a_snapshot_is_of_what_is_applied_and_of_nothing_that_waits() {
    let by_machine: fn(&mut ReplicaConfig) = |config| {
        small_snapshots(config);
        if config.node == SLOW {
            still(config);
        }
    };
    let by_twin: fn(&mut ReplicaConfig) = |config| {
        config.snapshots.taken_by = SnapshotTaker::Twin;
        small_snapshots(config);
        if config.node == SLOW {
            still(config);
        }
    };
    for configure in [by_machine, by_twin] {
        let mut bench = Bench::with(3, configure);
        let session = bench.open_session(7);
        let (mut sequence, mut known, mut restarts) = (0, 0, 0);
        while restarts < 4 {
            sequence += 1;
            assert!(sequence < 2_000, "{restarts} snapshots over what waited");
            bench.offer(session, sequence).unwrap();
            let disk = bench.cluster.disk(SLOW);
            if sequence % 3 == 0 {
                disk.sync(usize::MAX);
            }
            bench.step_without_slow();
            let newest = disk.snapshots().pop().map_or(0, |(index, _)| index);
            let (_, applied) = bench.slow().reached();
            assert!(newest <= applied, "a snapshot at {newest} where {applied} is applied");
            if newest > known && bench.slow().backlog.upto().is_some() {
                known = newest;
                bench.cluster.crash(SLOW);
                bench.cluster.start(SLOW).unwrap();
                restarts += 1;
            }
        }
        bench.recover();
        bench.until("every request is executed", |bench| {
            bench.cluster.running().all(|(_, replica)| replica.machine().executed().len() as u64 == sequence)
        });
    }
}
