//! Members change all the time, leaders tell whoever listens what is on their disks, and messages, writes, processes and
//! disks are lost meanwhile. What anybody has applied everybody applies, what was acknowledged is not lost, reads see what
//! anybody has applied, and a node that says that it is a member no more is not needed any more. A failure names its seed.

use std::collections::{BTreeMap, BTreeSet};

use wire::NodeId;

use crate::members::node_of;
use crate::sim::{Client, Cluster, Faults, Ledger, Random, Tally};
use crate::{Joining, Output, Replica, ReplicaConfig, SnapshotTaker};

const STEPS: u64 = 4_000;
/// Worlds in which a group of two that becomes one stood still: who had left knew that, in an earlier term than who remained, who
/// waited for its vote.
const STOOD_STILL: [u64; 2] = [1113, 4314];
/// A world in which a node that had been let go learned so when it was being taken in again, and was switched off.
const WANTED_BACK: u64 = 8823;

fn configure(config: &mut ReplicaConfig) {
    if config.node.get() % 2 == 1 {
        config.snapshots.taken_by = SnapshotTaker::Twin;
    }
    config.snapshots.every_entries = 40;
    config.snapshots.tail_entries = 15;
    config.raft.message_bytes_max = 2_000;
    config.tells_stored = true;
}

struct Swarm {
    cluster: Cluster<Tally>,
    ledger: Ledger,
    clients: Vec<Client>,
    random: Random,
    /// Who is away, and until when.
    away: Option<(NodeId, u64)>,
    /// Its disk was lost, and it does not vote again yet: one loss at a time.
    lost: Option<NodeId>,
    /// They have said at these steps that they are members no more.
    leaving: BTreeMap<NodeId, u64>,
    /// The operator has asked to take them in, and not to let them go since.
    wanted: BTreeSet<NodeId>,
    /// They are no members, and switched off.
    gone: BTreeSet<NodeId>,
    step: u64,
    token: u64,
    seen: Seen,
}

/// What came up.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: usize,
    terms: usize,
    reads: u64,
    changes: usize,
    taken_in: u64,
    switched_off: u64,
    lost_disks: u64,
    /// How often one whose own vote is enough had to write its log before it could lead: Raft stops the process that does not.
    waited: u64,
    /// How often a standby knew more to be committed than its leader.
    early: u64,
}

impl Swarm {
    fn run(seed: u64) -> Seen {
        let mut random = Random::new(seed ^ 0x4D45_4D42);
        let mut faults = Faults::drawn(&mut random);
        faults.skew_ns = 0;
        let founders = [2, 3, 3, 3, 4][random.below(5) as usize];
        let cluster = Cluster::new(founders, seed, faults, Tally::default, configure);
        let clients = (1..=2).map(|name| Client::new(name, 1 + name as usize * 4, Tally::add)).collect();
        let (away, lost, leaving, wanted, gone, seen) = Default::default();
        let mut swarm = Swarm {
            cluster,
            ledger: Ledger::default(),
            clients,
            random,
            away,
            lost,
            leaving,
            wanted,
            gone,
            step: 0,
            token: 0,
            seen,
        };
        while swarm.cluster.leader().is_none() {
            swarm.advance();
        }
        for _ in 0..1 + swarm.random.below(2) {
            swarm.cluster.grow();
        }
        while swarm.step < STEPS {
            swarm.come_back();
            swarm.strike();
            swarm.change_members();
            swarm.advance();
        }
        swarm.finish()
    }

    fn come_back(&mut self) {
        let Some((node, _)) = self.away.filter(|(_, until)| self.step >= *until) else { return };
        self.away = None;
        self.cluster.heal();
        self.start(node);
    }

    /// Whoever is no member any more comes back with an empty disk only.
    fn start(&mut self, node: NodeId) {
        if self.cluster.replica(node).is_none() && !self.gone.contains(&node) {
            self.ledger.restarted(node);
            self.cluster.start(node).expect("what was acknowledged is on disk");
        }
    }

    fn any(&mut self) -> NodeId {
        let ids = self.cluster.ids();
        ids[self.random.below(ids.len() as u64) as usize]
    }

    /// One fault at a time.
    fn strike(&mut self) {
        if self.away.is_some() || !self.random.per_mille(8) {
            return;
        }
        let leader = self.cluster.leader();
        let victim = leader.filter(|_| self.random.per_mille(400)).unwrap_or_else(|| self.any());
        let until = self.step + 10 + self.random.below(300);
        match self.random.below(7) {
            0..=2 => {
                self.cluster.crash(victim);
                if self.random.per_mille(500) {
                    self.cluster.refuse_connections_of(victim);
                }
            }
            3 => self.cluster.isolate(victim),
            4 => {
                // It is heard by one at most, or hears nobody, or nobody hears it.
                let (spared, is_deaf) = (self.any(), self.random.per_mille(500));
                for other in self.cluster.ids().into_iter().filter(|other| *other != spared) {
                    let (from, to) = if is_deaf { (other, victim) } else { (victim, other) };
                    self.cluster.cut(from, to);
                }
            }
            5 if self.can_lose_a_disk(victim) => {
                self.seen.lost_disks += 1;
                self.cluster.crash(victim);
                self.cluster.replace_disk(victim);
                self.lost = Some(victim);
            }
            _ => {
                if let Some(leader) = leader {
                    self.cluster.replica_mut(leader).expect("it leads").transfer_leadership(victim);
                }
                return;
            }
        }
        self.away = Some((victim, until));
    }

    /// Whether three voters or more agree on who they are, all of them are there, and no change is on its way.
    fn can_lose_a_disk(&self, victim: NodeId) -> bool {
        let Some(leader) = self.cluster.leader().and_then(|leader| self.cluster.replica(leader)) else { return false };
        let members = leader.status().members;
        let knows = |voter: &u64| {
            let status = self.cluster.replica(node_of(*voter)).map(|replica| replica.status());
            status.is_some_and(|status| status.member == *voter && status.members == members)
        };
        let is_voter = members.voter_of(victim).is_some();
        is_voter
            && leader.can_change().is_ok()
            && !members.is_changing()
            && members.voters.len() >= 3
            && members.voters.iter().all(knows)
    }

    /// Whether a node votes with the disk that it has.
    fn votes(&self, leader: NodeId, node: NodeId) -> bool {
        let voter = self.cluster.replica(leader).and_then(|leader| leader.members().voter_of(node));
        voter.is_some() && voter == self.cluster.replica(node).map(|replica| replica.status().member)
    }

    /// An operator takes nodes in and lets them go, and other partitions' leaders move.
    fn change_members(&mut self) {
        if self.random.per_mille(30) {
            for node in self.cluster.ids() {
                let listeners = self.cluster.ids().into_iter().filter(|_| self.random.per_mille(700)).collect();
                if let Some(replica) = self.cluster.replica_mut(node) {
                    replica.set_listeners(listeners);
                }
            }
        }
        if !self.random.per_mille(20) {
            return;
        }
        let (node, former) = (self.any(), self.any());
        let Some(leader) = self.cluster.leader() else { return };
        if self.lost.is_some_and(|lost| !self.votes(leader, lost)) {
            return;
        }
        self.lost = None;
        let is_gone = self.gone.contains(&node);
        let replica = self.cluster.replica_mut(leader).expect("it leads");
        if replica.members().has_node(node) {
            if replica.members().voters.len() > 1 && replica.remove_node(node).is_ok() {
                self.wanted.remove(&node);
            }
        } else if is_gone {
            self.gone.remove(&node);
            self.cluster.replace_disk(node);
            self.start(node);
        } else if !self.leaving.contains_key(&node) {
            let instead_of = self.random.per_mille(300).then_some(former);
            let joining = Joining { instead_of, ..Joining::default() };
            let replica = self.cluster.replica_mut(leader).expect("it leads");
            if replica.add_node(node, joining).is_ok() {
                self.seen.taken_in += 1;
                self.wanted.insert(node);
                self.wanted.retain(|wanted| Some(*wanted) != instead_of);
            }
        }
    }

    fn advance(&mut self) {
        self.step += 1;
        if let Some(leader) = self.cluster.leader() {
            for client in &mut self.clients {
                client.act(&mut self.cluster, leader, &mut self.random);
            }
        }
        if self.random.per_mille(150) {
            let node = self.any();
            self.token += 1;
            if let Some(replica) = self.cluster.replica_mut(node)
                && replica.read_index(self.token).is_ok()
            {
                self.ledger.read_asked(self.token);
            }
        }
        let said = self.cluster.step();
        let leader = self.cluster.leader();
        let known = leader.and_then(|leader| self.cluster.replica(leader)).map(|leader| leader.reached().0);
        let is_early = known.is_some_and(|known| self.cluster.running().any(|(_, other)| other.reached().0 > known));
        self.seen.early += u64::from(is_early);
        let waits = self.cluster.running().any(|(_, replica)| replica.must_write_first());
        self.seen.waited += u64::from(waits);
        for (node, output) in said {
            self.ledger.hear(node, &output);
            if !self.random.per_mille(20) {
                self.clients.iter_mut().for_each(|client| client.hear(&output));
            }
            let Output::MembersChanged { members, .. } = &output else { continue };
            self.seen.changes += 1;
            let was_member = self.cluster.replica(node).is_some_and(|replica| replica.status().applied_index > 0);
            if was_member && !members.has_node(node) {
                self.leaving.insert(node, self.step);
            } else {
                self.leaving.remove(&node);
            }
        }
        self.switch_off();
    }

    /// Who has said that it is a member no more is switched off when its leader has said so as well for a while: an operator
    /// looks at both, and leaders write down what they count while he does. Not who learns late that it was let go, when he has asked
    /// to take it in again: it may be a member in a moment.
    fn switch_off(&mut self) {
        let Some(leader) = self.cluster.leader().and_then(|leader| self.cluster.replica(leader)) else { return };
        let is_due = |(node, since): &(&NodeId, &u64)| {
            let is_let_go = !leader.members().has_node(**node) && !self.wanted.contains(*node);
            is_let_go && **since + 100 < self.step
        };
        let Some((&node, _)) = self.leaving.iter().find(is_due).filter(|_| self.step < STEPS) else { return };
        self.leaving.remove(&node);
        self.cluster.crash(node);
        self.gone.insert(node);
        self.seen.switched_off += 1;
    }

    /// Mends everything, waits for agreement, and compares what was promised with what was done.
    fn finish(mut self) -> Seen {
        self.away = None;
        self.cluster.heal();
        *self.cluster.faults() = Faults::none();
        self.cluster.ids().into_iter().for_each(|node| self.start(node));
        // Who was started when others were not there yet has met them once they have connected.
        let ids = self.cluster.ids();
        for node in &ids {
            let replica = self.cluster.replica_mut(*node);
            replica.into_iter().for_each(|replica| ids.iter().for_each(|other| replica.meet(*other)));
        }
        self.clients.iter_mut().for_each(Client::retire);
        let patience = self.step + 20_000;
        while !self.is_settled() {
            assert!(self.step < patience, "the cluster does not recover: {}", self.told());
            self.advance();
        }
        let machines: Vec<&Tally> =
            self.members().map(|node| self.cluster.replica(node).expect("it runs").machine()).collect();
        let first = *machines.first().expect("somebody leads");
        assert!(machines.iter().all(|machine| *machine == first), "two states");
        let executed: BTreeSet<_> = first.executed().iter().map(|(_, origin)| *origin).collect();
        assert_eq!(executed.len(), first.executed().len(), "something was executed twice");
        let at: BTreeSet<_> = first.executed().iter().copied().collect();
        for (session, sequence, position) in self.clients.iter().flat_map(Client::acknowledged) {
            let origin = wire::Origin { session, sequence: wire::Sequence::new(sequence) };
            assert!(at.contains(&(position, origin)), "{origin:?} was acknowledged at {position} and is lost");
        }
        self.seen.acknowledged = self.clients.iter().map(Client::acknowledged_len).sum();
        (self.seen.terms, self.seen.reads) = (self.ledger.terms_led(), self.ledger.answered_reads());
        self.seen
    }

    /// Who believes what.
    fn told(&self) -> String {
        let tell = |(node, replica): (NodeId, &Replica<_, _>)| {
            let it = replica.status();
            let (role, term, reached, members) = (it.role, it.term, (it.commit_index, it.last_index), it.members);
            format!("\n{node} as {}: {role:?} of {term}, {reached:?}, {members:?}", it.member)
        };
        self.cluster.running().map(tell).collect::<String>() + &format!("\ngone: {:?}", self.gone)
    }

    /// Nodes that are members and switched on.
    fn members(&self) -> impl Iterator<Item = NodeId> {
        let leader = self.cluster.leader().and_then(|leader| self.cluster.replica(leader));
        leader.into_iter().flat_map(|leader| leader.members().all()).map(node_of)
    }

    fn is_settled(&self) -> bool {
        let last = self.ledger.last();
        let Some(leader) = self.cluster.leader() else { return false };
        let is_changing = self.cluster.replica(leader).is_some_and(|leader| leader.members().is_changing());
        let is_up_to_date = |node: NodeId| {
            let status = self.cluster.replica(node).map(|replica| replica.status());
            status.is_some_and(|it| it.applied_position == last && it.queued == 0 && it.applied_index == it.last_index)
        };
        !is_changing && self.clients.iter().all(Client::is_idle) && self.members().all(is_up_to_date)
    }
}

fn check(seeds: impl Iterator<Item = u64>) {
    let mut all = Seen::default();
    for seed in seeds {
        let seen = std::panic::catch_unwind(|| Swarm::run(seed)).unwrap_or_else(|_| panic!("seed {seed}"));
        all.acknowledged += seen.acknowledged;
        all.terms += seen.terms;
        all.reads += seen.reads;
        all.changes += seen.changes;
        all.taken_in += seen.taken_in;
        all.switched_off += seen.switched_off;
        all.lost_disks += seen.lost_disks;
        all.early += seen.early;
        all.waited += seen.waited;
    }
    println!("{all:?}");
    assert!(
        all.early > 0 && all.waited > 0 && all.switched_off > 0 && all.taken_in > 0 && all.lost_disks > 0,
        "{all:?}"
    );
}

#[test]
fn what_anybody_commits_stays_whoever_comes_and_goes() {
    let Ok(seeds) = std::env::var("SEEDS") else { return check((0..60).chain(STOOD_STILL).chain([WANTED_BACK])) };
    let (from, upto) = seeds.split_once("..").expect("SEEDS=A..B");
    check(from.parse().expect("SEEDS=A..B")..upto.parse().expect("SEEDS=A..B"));
}
