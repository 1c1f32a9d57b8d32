//! Everything at once, many seeds: no acknowledged command is lost, none is executed twice, replicas agree, reads
//! are linearizable. A failure names its seed.

use std::collections::BTreeSet;

use wire::NodeId;

use crate::sim::{Client, Cluster, Faults, Ledger, Random, Tally};
use crate::{ReplicaConfig, SnapshotTaker, StateMachine};

const STEPS: u64 = 4_000;

/// Half of the replicas have twins: whoever takes a snapshot, all of them are of the same states.
fn configure(config: &mut ReplicaConfig) {
    if config.node.get() % 2 == 1 {
        config.snapshots.taken_by = SnapshotTaker::Twin;
    }
    config.snapshots.every_entries = 40;
    config.snapshots.tail_entries = 15;
    config.sessions.expiry_ns = 3_000_000_000;
    config.sequencer.commands_max = 64;
    config.raft.message_bytes_max = 2_000;
}

struct Chaos {
    cluster: Cluster<Tally>,
    ledger: Ledger,
    clients: Vec<Client>,
    random: Random,
    down: Option<(NodeId, u64)>,
    step: u64,
    token: u64,
    faults: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    trace: u64,
    acknowledged: usize,
    terms: usize,
    reads: u64,
    faults: u64,
}

impl Chaos {
    fn run(seed: u64) -> Outcome {
        let mut random = Random::new(seed ^ 0xC0FFEE);
        let faults = Faults::drawn(&mut random);
        let size = [3, 3, 3, 5, 1][random.below(5) as usize];
        let cluster = Cluster::new(size, seed, faults, Tally::default, configure);
        let clients = (1..=3).map(|name| Client::new(name, 1 + name as usize * 4, Tally::add)).collect();
        let mut chaos =
            Chaos { cluster, ledger: Ledger::default(), clients, random, down: None, step: 0, token: 0, faults: 0 };
        while chaos.step < STEPS {
            chaos.disturb();
            chaos.advance();
        }
        chaos.finish()
    }

    /// One fault at a time; the next only when the cluster could have recovered.
    fn disturb(&mut self) {
        if let Some((node, until)) = self.down
            && self.step >= until
        {
            self.ledger.restarted(node);
            if self.cluster.replica(node).is_none() {
                self.cluster.start(node).expect("what was acknowledged is on disk");
            }
            self.cluster.heal();
            self.down = None;
        }
        if self.down.is_some() || !self.random.per_mille(4) {
            return;
        }
        self.faults += 1;
        let ids = self.cluster.ids();
        let victim = ids[self.random.below(ids.len() as u64) as usize];
        let until = self.step + 20 + self.random.below(600);
        match self.random.below(5) {
            0 | 1 => {
                self.cluster.crash(victim);
                if self.random.per_mille(500) {
                    self.cluster.refuse_connections_of(victim);
                }
            }
            2 => self.cluster.isolate(victim),
            3 => {
                for other in ids {
                    self.cluster.cut(victim, other);
                }
            }
            _ => {
                if let Some(leader) = self.cluster.leader() {
                    self.cluster.replica_mut(leader).expect("it leads").transfer_leadership(victim);
                }
                return;
            }
        }
        self.down = Some((victim, until));
    }

    fn advance(&mut self) {
        self.step += 1;
        if let Some(leader) = self.cluster.leader() {
            for client in &mut self.clients {
                client.act(&mut self.cluster, leader, &mut self.random);
            }
            if self.random.per_mille(100) {
                self.token += 1;
                let replica = self.cluster.replica_mut(leader).expect("it leads");
                if replica.read_index(self.token).is_ok() {
                    self.ledger.read_asked(self.token);
                }
            }
        }
        for (node, output) in self.cluster.step() {
            self.ledger.hear(node, &output);
            if !self.random.per_mille(20) {
                self.clients.iter_mut().for_each(|client| client.hear(&output));
            }
        }
    }

    /// Heals everything, waits for agreement, and compares what was promised with what was done.
    fn finish(mut self) -> Outcome {
        if let Some((node, _)) = self.down.take()
            && self.cluster.replica(node).is_none()
        {
            self.ledger.restarted(node);
            self.cluster.start(node).expect("what was acknowledged is on disk");
        }
        self.cluster.heal();
        *self.cluster.faults() = Faults::none();
        self.clients.iter_mut().for_each(Client::retire);
        let patience = self.step + 20_000;
        while !self.is_settled() {
            assert!(self.step < patience, "the cluster does not recover");
            self.advance();
        }
        let machines: Vec<&Tally> = self.cluster.running().map(|(_, replica)| replica.machine()).collect();
        for machine in &machines {
            assert_eq!(machine, &machines[0], "two states");
            assert_eq!(machine.digest(), machines[0].digest());
        }
        let mut executed = BTreeSet::new();
        for (_, origin) in machines[0].executed() {
            assert!(executed.insert(*origin), "{origin:?} was executed twice");
        }
        let at: BTreeSet<_> = machines[0].executed().iter().copied().collect();
        for (session, sequence, position) in self.clients.iter().flat_map(Client::acknowledged) {
            let origin = wire::Origin { session, sequence: wire::Sequence::new(sequence) };
            assert!(at.contains(&(position, origin)), "{origin:?} was acknowledged at {position} and is lost");
        }
        Outcome {
            trace: self.cluster.trace(),
            acknowledged: self.clients.iter().map(Client::acknowledged_len).sum(),
            terms: self.ledger.terms_led(),
            reads: self.ledger.answered_reads(),
            faults: self.faults,
        }
    }

    fn is_settled(&self) -> bool {
        let last = self.ledger.last();
        self.clients.iter().all(Client::is_idle)
            && self.cluster.leader().is_some()
            && self.cluster.running().all(|(_, replica)| {
                let status = replica.status();
                status.applied_position == last && status.queued == 0 && status.applied_index == status.last_index
            })
    }
}

fn check(seeds: std::ops::Range<u64>) {
    let (mut acknowledged, mut terms, mut reads, mut faults) = (0, 0, 0, 0);
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| Chaos::run(seed));
        let outcome = outcome.unwrap_or_else(|_| panic!("seed {seed}"));
        assert!(outcome.acknowledged > 0 && outcome.terms > 0, "seed {seed}: nothing happened");
        acknowledged += outcome.acknowledged;
        terms += outcome.terms;
        reads += outcome.reads;
        faults += outcome.faults;
    }
    println!("{acknowledged} acknowledged, {terms} terms, {reads} reads, {faults} faults");
}

#[test]
fn nothing_acknowledged_is_lost_or_done_twice_whatever_happens() {
    check(0..100);
}

#[test]
fn nothing_acknowledged_is_lost_or_done_twice_in_a_hundred_other_worlds() {
    check(1_000..1_100);
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let first = Chaos::run(42);
    assert_eq!(first, Chaos::run(42));
    assert_ne!(first.trace, Chaos::run(43).trace);
}
