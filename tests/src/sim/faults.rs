//! What strikes, and what ends it.

use std::collections::BTreeSet;
use std::fmt;

use node::HostInput;
use replicator::Space;
use wire::link::{ChangeMembers, MemberChange, Place};
use wire::{NodeId, PartitionId};

use super::clock::{MS, Moment};
use super::machine;
use super::queue::Event;
use super::world::{World, gateway_address};

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed. What it wrote without fsync may or may not be there when it comes back.
    Kill { node: NodeId, down_ns: u64, is_noticed: bool },
    /// The process that leads the ledger's partition is killed.
    LeaderDies { down_ns: u64 },
    /// A machine loses power: everything unsynced is gone, and nobody refuses connections.
    PowerLoss { node: NodeId, down_ns: u64 },
    /// Every process is killed at once.
    KillAll { down_ns: u64 },
    /// A node hears and is heard by no other node and no gateway.
    Isolate { node: NodeId, for_ns: u64 },
    /// Nothing gets from one node to another.
    OneWay { from: NodeId, to: NodeId, for_ns: u64 },
    /// Two nodes do not hear each other; others hear both.
    Apart { a: NodeId, b: NodeId, for_ns: u64 },
    /// A node is heard and hears nobody.
    Deaf { node: NodeId, for_ns: u64 },
    /// The way between two nodes is cut and mended again and again.
    Flap { a: NodeId, b: NodeId, times: u32, every_ns: u64 },
    /// A gateway and a node do not hear each other.
    CutOff { gateway: usize, node: NodeId, for_ns: u64 },
    /// A gateway hears no node, and is heard by none any more either a little later: what it asks meanwhile is executed, and it
    /// may come back when its session has expired.
    GatewayAway { gateway: usize, deaf_ns: u64, for_ns: u64 },
    /// A process does not run.
    Pause { node: NodeId, for_ns: u64 },
    /// A node's clock jumps forward.
    ClockJump { node: NodeId, by_ns: u64 },
    /// A node's disk takes long.
    SlowDisk { node: NodeId, sync_ns: u64, for_ns: u64 },
    /// An fsync fails: the node must end, and nothing may be believed of what was being written.
    BadSync { node: NodeId },
    /// A node's disk is nearly full and then full: it gives up what it leads, writes nothing more, and is back by itself
    /// once there is space. When it is shared, every node's is.
    DiskFull { node: NodeId, low_ns: u64, full_ns: u64, is_shared: bool },
    /// A node's disk is lost, and it is back with an empty one. Strikes when no other is missing.
    DiskLost { node: NodeId, down_ns: u64, is_noticed: bool },
    /// A node's log is damaged in its middle, which it finds when it starts. Strikes when no other disk is missing.
    BitRot { node: NodeId, down_ns: u64 },
    /// A node is to be a member of every partition.
    Join { node: NodeId },
    /// A node is to be a member of no partition, when enough others are.
    Leave { node: NodeId },
    /// The leader of a partition is told to hand over.
    Transfer { nth: u64, to: NodeId },
    /// A gateway is killed and another takes its place.
    GatewayDies { gateway: usize },
    /// Nodes in two halves that do not hear each other stand for election before one that both hear, which dies as often
    /// as it votes and is back at once.
    VoterDies { node: NodeId, for_ns: u64 },
    /// A leader is paused and comes back alone on an island, with a gateway that reaches nobody else.
    StaleLeader { gateway: usize, paused_ns: u64, for_ns: u64 },
    /// A node's process is replaced by one of another build.
    Build { node: NodeId, knows: u16, down_ns: u64 },
    /// Everybody is to behave by a version.
    Version { version: u16 },
    /// Mail from one node to another is lost, and then whoever leads the partition that sends it dies.
    MailLost { nth: u64, for_ns: u64 },
    /// Mail from one node to another is lost, and nobody dies: whoever sent it sends it again.
    MailDropped { for_ns: u64 },
    /// A node is away until it must be sent a snapshot, and then it or its leader dies while that is under way.
    CatchUpCutShort { node: NodeId, away_ns: u64, after_ns: u64, is_leader: bool },
    /// A node is away until it must be sent a snapshot, and has no room for it for a while.
    NoRoomToCatchUp { node: NodeId, away_ns: u64, for_ns: u64 },
}

/// Leaders are asked to change members for so many tenths of a second.
const ASKED_TIMES: u32 = 60;

/// What ends a fault.
#[derive(Debug, Clone)]
pub enum Cure {
    /// These ways are open again.
    Mend(Vec<(NodeId, NodeId)>),
    /// The way between two nodes is cut if it was open, and the other way round; so many times more.
    Flap { a: NodeId, b: NodeId, is_cut: bool, times: u32, every_ns: u64 },
    /// A gateway that hears nobody is not heard any more either.
    Silent { gateway: NodeId, for_ns: u64 },
    /// Leaders are asked to take a node in or to let it go; so many times more.
    Ask { node: NodeId, joins: bool, times: u32 },
    /// Leaders are asked for a version; so many times more.
    Version { version: u16, times: u32 },
    /// A disk is as fast as before.
    Disk(NodeId),
    /// A disk has so much left.
    Space(NodeId, Space),
    /// A node that was away is back, and is or makes trouble soon.
    Back { node: NodeId, after_ns: u64, is_leader: bool },
    /// A node has voted for another, and dies of it.
    Voted { node: NodeId, candidate: NodeId },
    /// Whoever leads a partition dies.
    LeaderDies { partition: PartitionId },
    /// A node dies.
    Die { node: NodeId, is_leader: bool },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Fault::Kill { node, down_ns, is_noticed } => {
                let noticed = if is_noticed { "its peers are refused" } else { "nobody notices" };
                write!(f, "kill node {node} for {} ms; {noticed}", down_ns / MS)
            }
            Fault::LeaderDies { down_ns } => write!(f, "kill the ledger's leader for {} ms", down_ns / MS),
            Fault::PowerLoss { node, down_ns } => write!(f, "node {node} loses power for {} ms", down_ns / MS),
            Fault::KillAll { down_ns } => write!(f, "kill every node for about {} ms", down_ns / MS),
            Fault::Isolate { node, for_ns } => write!(f, "isolate node {node} for {} ms", for_ns / MS),
            Fault::OneWay { from, to, for_ns } => write!(f, "nothing from {from} to {to} for {} ms", for_ns / MS),
            Fault::Apart { a, b, for_ns } => write!(f, "nothing between {a} and {b} for {} ms", for_ns / MS),
            Fault::Deaf { node, for_ns } => write!(f, "node {node} hears nobody for {} ms", for_ns / MS),
            Fault::Flap { a, b, times, every_ns } => {
                write!(f, "the way between {a} and {b} flaps {times} times, every {} ms", every_ns / MS)
            }
            Fault::CutOff { gateway, node, for_ns } => {
                write!(f, "nothing between gateway {gateway} and node {node} for {} ms", for_ns / MS)
            }
            Fault::GatewayAway { gateway, deaf_ns, for_ns } => {
                let (deaf_ms, for_ms) = (deaf_ns / MS, for_ns / MS);
                write!(f, "gateway {gateway} hears nobody, is not heard {deaf_ms} ms later, for {for_ms} ms")
            }
            Fault::Pause { node, for_ns } => write!(f, "node {node} does not run for {} ms", for_ns / MS),
            Fault::ClockJump { node, by_ns } => write!(f, "the clock of node {node} jumps by {} ms", by_ns / MS),
            Fault::SlowDisk { node, sync_ns, for_ns } => {
                write!(f, "fsync takes {} ms on node {node} for {} ms", sync_ns / MS, for_ns / MS)
            }
            Fault::BadSync { node } => write!(f, "an fsync fails on node {node}"),
            Fault::DiskFull { node, low_ns, full_ns, is_shared } => {
                let whose = if is_shared { "every node's disk".to_owned() } else { format!("the disk of node {node}") };
                write!(f, "{whose} is nearly full, in {} ms full, {} ms later not", low_ns / MS, full_ns / MS)
            }
            Fault::DiskLost { node, down_ns, is_noticed } => {
                let noticed = if is_noticed { "its peers are refused" } else { "nobody notices" };
                write!(f, "node {node} loses its disk and is away for {} ms; {noticed}", down_ns / MS)
            }
            Fault::BitRot { node, down_ns } => {
                write!(f, "bits rot on node {node}, which is away for {} ms", down_ns / MS)
            }
            Fault::Join { node } => write!(f, "node {node} is to join"),
            Fault::Leave { node } => write!(f, "node {node} is to leave"),
            Fault::Transfer { to, .. } => write!(f, "leadership is to go to node {to}"),
            Fault::GatewayDies { gateway } => write!(f, "gateway {gateway} dies"),
            Fault::VoterDies { node, for_ns } => {
                write!(f, "node {node} dies whenever it votes, for {} ms; the others are in two halves", for_ns / MS)
            }
            Fault::StaleLeader { gateway, paused_ns, .. } => {
                write!(f, "a leader is away for {} ms and comes back alone with gateway {gateway}", paused_ns / MS)
            }
            Fault::Build { node, knows, down_ns } => {
                write!(f, "node {node} is away for {} ms and comes back with build {knows}", down_ns / MS)
            }
            Fault::Version { version } => write!(f, "leaders are asked for version {version}"),
            Fault::MailLost { for_ns, .. } => {
                write!(f, "mail between nodes is lost for {} ms, then a leader dies", for_ns / MS)
            }
            Fault::MailDropped { for_ns } => write!(f, "mail between nodes is lost for {} ms", for_ns / MS),
            Fault::CatchUpCutShort { node, away_ns, after_ns, is_leader } => {
                let who = if is_leader { "its leader" } else { "it" };
                write!(f, "node {node} is away for {} ms, {} ms later {who} dies", away_ns / MS, after_ns / MS)
            }
            Fault::NoRoomToCatchUp { node, away_ns, for_ns } => {
                let (away_ms, for_ms) = (away_ns / MS, for_ns / MS);
                write!(f, "node {node} is away for {away_ms} ms, and its disk is nearly full for {for_ms} ms then")
            }
        }
    }
}

impl World {
    pub(super) fn strike(&mut self, fault: Fault) {
        let now = self.now;
        match fault {
            Fault::Kill { node, down_ns, is_noticed } => {
                self.kill(node, false, is_noticed);
                self.queue.plan(now + down_ns, Event::Start { node });
            }
            Fault::LeaderDies { down_ns } => {
                if let Some(node) = self.leader(machine::LEDGER) {
                    self.strike(Fault::Kill { node, down_ns, is_noticed: true });
                }
            }
            // What counts in memory alone is lost with it, as with a disk.
            Fault::PowerLoss { .. } if self.plan.is_in_memory && !self.can_lose_a_disk() => {}
            Fault::PowerLoss { node, down_ns } => {
                self.kill(node, true, false);
                self.queue.plan(now + down_ns, Event::Start { node });
            }
            Fault::KillAll { down_ns } => {
                for node in self.plan.node_ids() {
                    let is_noticed = self.random.below(2) == 0;
                    // Under quorum-memory nothing is promised when a quorum of hosts loses power at once.
                    self.kill(node, is_noticed && !self.plan.is_in_memory, is_noticed);
                    let later = self.random.below(down_ns);
                    self.queue.plan(now + down_ns + later, Event::Start { node });
                }
            }
            Fault::Isolate { node, for_ns } => {
                let others: Vec<NodeId> = self.addresses().into_iter().filter(|other| *other != node).collect();
                let ways = others.iter().flat_map(|other| [(node, *other), (*other, node)]).collect();
                self.cut(ways, for_ns);
            }
            Fault::OneWay { from, to, for_ns } => self.cut(vec![(from, to)], for_ns),
            Fault::Apart { a, b, for_ns } => self.cut(vec![(a, b), (b, a)], for_ns),
            Fault::Deaf { node, for_ns } => {
                let others = self.plan.node_ids().into_iter().filter(|other| *other != node);
                self.cut(others.map(|other| (other, node)).collect(), for_ns);
            }
            Fault::Flap { a, b, times, every_ns } => {
                self.cure(Cure::Flap { a, b, is_cut: false, times: times * 2, every_ns });
            }
            Fault::CutOff { gateway, node, for_ns } => {
                let gateway = gateway_address(gateway);
                self.cut(vec![(node, gateway), (gateway, node)], for_ns);
            }
            Fault::GatewayAway { gateway, deaf_ns, for_ns } => {
                let gateway = gateway_address(gateway);
                let nodes = self.plan.everybody();
                self.cut(nodes.iter().map(|node| (*node, gateway)).collect(), for_ns);
                let silent = Cure::Silent { gateway, for_ns: for_ns.saturating_sub(deaf_ns) };
                self.queue.plan(now + deaf_ns, Event::Cure(silent));
            }
            Fault::Pause { node, for_ns } => self.pause(node, for_ns),
            Fault::ClockJump { node, by_ns } => {
                let host = &self.node(node).slots[&machine::LEDGER].host;
                if host.as_ref().is_some_and(|host| host.replica().leads()) {
                    self.checkers.once.on_jump(by_ns);
                }
                self.checkers.pasts.on_jump(by_ns);
                self.node_mut(node).clock.jump(now, by_ns);
            }
            Fault::SlowDisk { node, sync_ns, for_ns } => {
                self.node_mut(node).slow_sync_ns = Some(sync_ns);
                self.queue.plan(now + for_ns, Event::Cure(Cure::Disk(node)));
            }
            Fault::BadSync { node } if self.plan.is_in_memory => {
                // What was not synced is believed no more.
                if self.can_lose_a_disk() {
                    self.kill(node, true, true);
                    self.queue.plan(now + 500 * MS, Event::Start { node });
                }
            }
            Fault::BadSync { node } => self.break_disk(node, "an fsync failed"),
            Fault::DiskFull { node, low_ns, full_ns, is_shared } => {
                let nodes = if is_shared { self.plan.node_ids() } else { vec![node] };
                for node in nodes {
                    self.set_space(node, Space::Low);
                    self.queue.plan(now + low_ns, Event::Cure(Cure::Space(node, Space::Full)));
                    self.queue.plan(now + low_ns + full_ns, Event::Cure(Cure::Space(node, Space::Enough)));
                }
            }
            Fault::DiskLost { node, down_ns, is_noticed } => {
                if self.can_lose_a_disk() {
                    self.lose_disk(node, down_ns, is_noticed);
                }
            }
            Fault::BitRot { node, down_ns } => {
                if self.can_lose_a_disk() {
                    self.kill(node, false, true);
                    self.node(node).slots.values().for_each(|slot| slot.disk.rot());
                    self.queue.plan(now + down_ns, Event::Start { node });
                }
            }
            Fault::Join { node } => self.cure(Cure::Ask { node, joins: true, times: ASKED_TIMES }),
            Fault::Leave { node } => self.cure(Cure::Ask { node, joins: false, times: ASKED_TIMES }),
            Fault::Transfer { nth, to } => {
                let partitions = machine::partitions(self.plan.layout);
                let partition = partitions[nth as usize % partitions.len()];
                if let Some(leader) = self.leader(partition) {
                    self.with_host(leader, partition, |host| host.transfer_leadership(to));
                }
            }
            Fault::GatewayDies { gateway } => self.replace_gateway(gateway),
            Fault::VoterDies { node, for_ns } => {
                let others: Vec<NodeId> = self.plan.node_ids().into_iter().filter(|other| *other != node).collect();
                let halves = || others.iter().copied().enumerate().map(|(at, other)| (at % 2, other));
                let apart = |(half, a)| halves().filter(move |(other, _)| *other != half).map(move |(_, b)| (a, b));
                self.cut(halves().flat_map(apart).collect(), for_ns);
                self.node_mut(node).dies_of_votes_until = now + for_ns;
                // Whoever leads is gone as well, or nobody would stand for election.
                let partitions = machine::partitions(self.plan.layout).into_iter();
                let leaders: BTreeSet<NodeId> = partitions.filter_map(|partition| self.leader(partition)).collect();
                for node in leaders.into_iter().chain([node]) {
                    self.kill(node, false, true);
                    self.queue.plan(now + 5 * MS, Event::Start { node });
                }
            }
            Fault::StaleLeader { gateway, paused_ns, for_ns } => {
                let partitions = machine::partitions(self.plan.layout);
                let partition = partitions[self.random.below(partitions.len() as u64) as usize];
                let Some(leader) = self.leader(partition) else { return };
                let gateway = gateway_address(gateway);
                let others: Vec<NodeId> = self.plan.node_ids().into_iter().filter(|other| *other != leader).collect();
                let apart = |a: NodeId| others.iter().flat_map(move |other| [(a, *other), (*other, a)]);
                let ways = apart(leader).chain(apart(gateway)).collect();
                self.cut(ways, for_ns);
                self.pause(leader, paused_ns);
            }
            Fault::MailLost { nth, for_ns } => {
                let partitions = machine::partitions(self.plan.layout);
                self.mail_is_lost_until = now + for_ns;
                let cure = Cure::LeaderDies { partition: partitions[nth as usize % partitions.len()] };
                // Before the mail is sent again.
                self.queue.plan(now + for_ns - MS, Event::Cure(cure));
            }
            Fault::MailDropped { for_ns } => self.mail_is_lost_until = now + for_ns,
            Fault::Build { node, knows, down_ns } => self.change_build(node, knows, down_ns),
            Fault::Version { version } => self.begin_version(version),
            Fault::CatchUpCutShort { node, away_ns, after_ns, is_leader } => {
                self.kill(node, false, true);
                self.queue.plan(now + away_ns, Event::Start { node });
                self.queue.plan(now + away_ns, Event::Cure(Cure::Back { node, after_ns, is_leader }));
            }
            Fault::NoRoomToCatchUp { node, away_ns, for_ns } => {
                self.kill(node, false, true);
                self.set_space(node, Space::Low);
                self.queue.plan(now + away_ns, Event::Start { node });
                self.queue.plan(now + away_ns + for_ns, Event::Cure(Cure::Space(node, Space::Enough)));
            }
        }
    }

    pub(super) fn cure(&mut self, cure: Cure) {
        if self.is_healed {
            return;
        }
        match cure {
            Cure::Mend(ways) => ways.iter().for_each(|(from, to)| self.cuts.mend(*from, *to)),
            Cure::Flap { a, b, is_cut, times, every_ns } => {
                for (from, to) in [(a, b), (b, a)] {
                    if is_cut { self.cuts.mend(from, to) } else { self.cuts.cut(from, to) }
                }
                if times > 1 || !is_cut {
                    let cure = Cure::Flap { a, b, is_cut: !is_cut, times: times.saturating_sub(1), every_ns };
                    self.queue.plan(self.now + every_ns, Event::Cure(cure));
                }
            }
            Cure::Silent { gateway, for_ns } => {
                self.cut(self.plan.everybody().iter().map(|node| (gateway, *node)).collect(), for_ns);
            }
            Cure::Ask { node, joins, times } => self.ask_leaders(node, joins, times),
            Cure::Version { version, times } => self.ask_for_version(version, times),
            Cure::Disk(node) => self.node_mut(node).slow_sync_ns = None,
            Cure::Space(node, space) => self.set_space(node, space),
            Cure::Back { node, after_ns, is_leader } => {
                self.queue.plan(self.now + after_ns, Event::Cure(Cure::Die { node, is_leader }));
            }
            Cure::Voted { node, candidate } => {
                // Whom it voted for is heard by nobody: it leads, if it does, without anybody knowing.
                let others = self.plan.node_ids().into_iter().filter(|other| *other != candidate);
                self.cut(others.map(|other| (candidate, other)).collect(), 400 * MS);
                self.kill(node, false, false);
                let soon = MS + self.random.below(8 * MS);
                self.queue.plan(self.now + soon, Event::Start { node });
            }
            Cure::LeaderDies { partition } => {
                if let Some(node) = self.leader(partition) {
                    self.strike(Fault::Kill { node, down_ns: 500 * MS, is_noticed: true });
                }
            }
            Cure::Die { node, is_leader } => {
                let victim = if is_leader { self.leader(machine::LEDGER) } else { Some(node) };
                if let Some(victim) = victim {
                    self.kill(victim, false, true);
                    let later = self.random.below(500 * MS);
                    self.queue.plan(self.now + later, Event::Start { node: victim });
                }
            }
        }
    }

    /// Asks every partition's leader, as an operator would, until it is done or patience ends.
    fn ask_leaders(&mut self, node: NodeId, joins: bool, times: u32) {
        let partitions = machine::partitions(self.plan.layout);
        let mut is_done = true;
        for partition in partitions {
            let Some(leader) = self.leader(partition) else {
                is_done = false;
                continue;
            };
            let members =
                self.node(leader).slots[&partition].host.as_ref().map(|host| host.replica().members().clone());
            let members = members.expect("who leads runs");
            if members.has_node(node) == joins {
                continue;
            }
            if !joins && (members.voters.len() < 4 || !self.can_lose_a_disk()) {
                return;
            }
            is_done = false;
            // It is asked again: most of what it may refuse passes.
            self.with_host(leader, partition, |host| {
                if !joins && !members.places.draining.contains(&node) {
                    // As an operator does: it leads nothing before it goes.
                    let change = MemberChange::Drain;
                    let (place, instead_of) = (Place::default(), NodeId::default());
                    let drain = ChangeMembers { partition, token: 0, change, node, place, instead_of, version: 0 };
                    return host.on_input(HostInput::ChangeMembers(drain));
                }
                let _ =
                    if joins { host.add_node(node, replicator::Joining::default()) } else { host.remove_node(node) };
            });
        }
        if is_done && !joins {
            // Whoever is to come back comes with an empty disk.
            self.lose_disk(node, 500 * MS, true);
        } else if !is_done && times > 0 {
            self.queue.plan(self.now + 100 * MS, Event::Cure(Cure::Ask { node, joins, times: times - 1 }));
        }
    }

    fn cut(&mut self, ways: Vec<(NodeId, NodeId)>, for_ns: u64) {
        for (from, to) in &ways {
            self.cuts.cut(*from, *to);
        }
        self.queue.plan(self.now + for_ns, Event::Cure(Cure::Mend(ways)));
    }

    /// From now on nothing is broken that does not mend by itself: everybody is up and every way is open.
    pub(super) fn heal(&mut self) {
        self.is_healed = true;
        self.cuts.clear();
        let now: Moment = self.now;
        // Who was promoted is of another life, and does not come back to this one.
        let retired = self.retired;
        for node in self.plan.everybody().into_iter().filter(|node| retired != Some(*node)) {
            self.node_mut(node).slow_sync_ns = None;
            self.set_space(node, Space::Enough);
            self.queue.plan(now, Event::Resume { node });
            self.queue.plan(now, Event::Start { node });
        }
        for number in 0..self.plan.order_entry.offices {
            if let Some(office) = self.office(number) {
                office.heal();
            }
            self.drain_gateway(number);
        }
    }
}
