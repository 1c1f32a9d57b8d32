//! Processes and their disks: how a node starts, is killed, is paused, and when what it wrote is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use node::{HostConfig, HostInput, Machine, MailTiming, PartitionHost};
use replicator::log::memory::MemoryDisk;
use replicator::{Members, ReplicaConfig, SnapshotTaker, Space, node_of};
use wire::{ClusterEpoch, NodeId, PartitionId};

use super::clock::{Clock, MS, Moment};
use super::front::Front;
use super::gaps::{Gaps, Word};
use super::machine;
use super::queue::Event;
use super::store::{Archive, SharedBook, Shelf, WatchedLog};
use super::swarm::Plan;
use super::versions::{NEW, OLD};
use super::world::World;

/// One partition on one node.
pub(super) struct Slot {
    pub host: Option<PartitionHost<WatchedLog>>,
    pub disk: MemoryDisk,
    pub archive: Arc<Mutex<Archive>>,
    pub book: SharedBook,
    /// Applied up to this log index, as the world has seen.
    pub applied: u64,
    pub gaps: Gaps,
    /// The members as of the end of its last step, and of which entry; none before the first of this life.
    pub members: Option<(Members, u64)>,
    /// Whether it led then.
    pub has_led: bool,
    /// When it runs next.
    pub run_at: Option<Moment>,
    /// A write of this process has failed.
    pub has_failed: bool,
    /// What has come while the node did not run.
    pub waiting: Vec<HostInput>,
    /// The member that lost what it had acknowledged and not synced when its host lost power: nobody may be it again.
    disowned: Option<u64>,
}

/// One node.
pub(super) struct Node {
    pub id: NodeId,
    pub life: u32,
    pub is_up: bool,
    pub clock: Clock,
    pub front: Front,
    /// The nodes that this process has had a link with.
    pub met: BTreeSet<NodeId>,
    /// What other nodes have said of their archives while this one was paused: who, and by which link.
    pub unheard: Vec<(NodeId, PartitionId, u32, Word)>,
    pub slots: BTreeMap<PartitionId, Slot>,
    /// Its process knows the versions up to this one.
    pub knows: u16,
    pub slow_sync_ns: Option<u64>,
    /// What its disk has left.
    pub space: Space,
    /// Until then it dies whenever it has voted for another.
    pub dies_of_votes_until: Moment,
    is_syncing: bool,
    pub is_paused: bool,
    paused_until: Moment,
    drift_ppm: i64,
}

impl World {
    pub(super) fn start(&mut self, id: NodeId) {
        if self.node(id).is_up {
            return;
        }
        let partitions = machine::partitions(self.plan.layout);
        let skew = self.random.below(2 * self.plan.skew_ns + 1) as i64 - self.plan.skew_ns as i64;
        let now = self.now;
        let node = self.node_mut(id);
        node.clock = Clock::start(now, skew, node.drift_ppm);
        (node.is_up, node.is_paused, node.is_syncing) = (true, false, false);
        (node.front, node.met) = (Front::default(), BTreeSet::new());
        for partition in partitions {
            self.open_host(id, partition);
        }
        self.trace.say(now, || format!("node {id} starts"));
        self.tell_new_node(id);
    }

    fn open_host(&mut self, id: NodeId, partition: PartitionId) {
        let seed = self.random.draw();
        let (replica, host) = self.configs(id, partition, self.epoch, seed);
        let (epoch, name_retention_ns) = (self.epoch, self.plan.name_retention_ns);
        let place = self.plan.place_of(id);
        let node = &mut self.nodes[place];
        let (now, space) = (node.clock.at(self.now), node.space);
        let slot = node.slots.get_mut(&partition).expect("every node has every partition");
        slot.book = SharedBook::default();
        (slot.members, slot.has_led, slot.gaps) = (None, false, Gaps::new(partition));
        slot.disk.repair();
        slot.has_failed = false;
        let cells = machine::cells(partition, epoch, name_retention_ns);
        let cells = Machine::new(cells, Box::new(Shelf(slot.archive.clone())));
        let log = WatchedLog::new(slot.disk.log(), slot.book.clone());
        match PartitionHost::open(replica, host, cells, log, now) {
            Ok(mut opened) => {
                opened.set_space(space);
                let status = opened.status();
                slot.applied = status.applied_index;
                slot.host = Some(opened);
                if slot.disowned == Some(status.member) {
                    let what = "what it had acknowledged and not synced went with its host's power";
                    self.check(Err(format!("node {id} is the same member of partition {partition} again, but {what}")));
                }
            }
            Err(error) => self.check(Err(format!("node {id} does not open partition {partition}: {error}"))),
        }
        self.observe(id, partition);
        self.run_soon(id, partition);
    }

    /// How a node's replica is configured for this life of the cluster.
    pub(super) fn configs(
        &self,
        id: NodeId,
        partition: PartitionId,
        epoch: ClusterEpoch,
        seed: u64,
    ) -> (ReplicaConfig, HostConfig) {
        let founders = self.plan.founders();
        let voters = if founders.contains(&id) { founders } else { self.plan.everybody() };
        let mut replica = ReplicaConfig::new(partition, id, voters, epoch, seed);
        replica.snapshots.taken_by = if self.plan.has_twin { SnapshotTaker::Twin } else { SnapshotTaker::Machine };
        replica.keeps_past = true;
        replica.tells_stored = machine::partitions(self.plan.layout).len() > 1;
        replica.versions = OLD..=self.node(id).knows;
        replica.stays_learner = self.plan.region.is_some_and(|region| region.node == id);
        replica.snapshots.every_entries = self.plan.snapshot_every;
        replica.snapshots.tail_entries = self.plan.log_tail;
        replica.sessions.expiry_ns = self.plan.session_expiry_ns;
        replica.sessions.replies_max = self.plan.replies_max;
        replica.raft.message_bytes_max = self.plan.message_bytes_max;
        replica.raft.chunk_bytes = self.plan.message_bytes_max / 2;
        let host = HostConfig {
            partitions: machine::partitions(self.plan.layout),
            ledger: machine::LEDGER,
            mail: MailTiming { resend_ns: 50 * MS, ack_delay_ns: 20 * MS, ack_count: 64 },
            preferred_leader: None,
            leader_stable_ns: self.plan.leader_stable_ns,
        };
        (replica, host)
    }

    /// Whether a node that is configured for this life of the cluster opens what is on this disk.
    pub(super) fn opens(&self, id: NodeId, partition: PartitionId, disk: &MemoryDisk, epoch: ClusterEpoch) -> bool {
        let (replica, host) = self.configs(id, partition, epoch, 1);
        let cells = machine::cells(partition, epoch, self.plan.name_retention_ns);
        let cells = Machine::new(cells, Box::new(Shelf(Arc::default())));
        let log = WatchedLog::new(disk.log(), SharedBook::default());
        PartitionHost::open(replica, host, cells, log, self.node(id).clock.at(self.now)).is_ok()
    }

    /// A process ends. With `all_unsynced` nothing that was not synced survives; else some of it may. When it is
    /// noticed, connections to it are refused at once.
    pub(super) fn kill(&mut self, id: NodeId, all_unsynced: bool, is_noticed: bool) {
        if !self.node(id).is_up {
            return;
        }
        self.trace.say(self.now, || format!("node {id} is dead"));
        let place = self.plan.place_of(id);
        let World { nodes, random, .. } = self;
        let node = &mut nodes[place];
        (node.is_up, node.is_syncing, node.is_paused) = (false, false, false);
        node.life += 1;
        for slot in node.slots.values_mut() {
            slot.host = None;
            slot.waiting.clear();
            let waiting = slot.disk.waiting() as u64;
            let kept = if all_unsynced { 0 } else { random.below(waiting + 1) };
            let member = slot.disk.member(id);
            if !all_unsynced {
                slot.disk.crash(kept as usize);
            } else if slot.disk.lose_power() {
                slot.disowned = member;
            }
            let draw = |bound| if all_unsynced { bound - 1 } else { random.below(bound) };
            slot.archive.lock().expect("nobody panics with an open archive").crash(draw);
        }
        self.close_ways(id);
        self.drop_links_of(id, is_noticed);
        if !is_noticed {
            return;
        }
        for other in self.plan.everybody() {
            if other == id || self.cuts.is_cut(id, other) || self.cuts.is_cut(other, id) {
                continue;
            }
            for partition in machine::partitions(self.plan.layout) {
                let at = self.now + 500_000 + self.random.below(3 * MS);
                let input = HostInput::PeerRefused(id);
                self.queue.plan(at, Event::Arrive { from: other, to: other, partition, input });
            }
        }
    }

    /// A node's disk is lost with all that is on it: it is back with an empty one.
    pub(super) fn lose_disk(&mut self, id: NodeId, down_ns: u64, is_noticed: bool) {
        self.kill(id, true, is_noticed);
        self.trace.say(self.now, || format!("the disk of node {id} is lost"));
        for partition in machine::partitions(self.plan.layout) {
            let disk = disk(&self.plan);
            disk.refuse_snapshots(self.node(id).space != Space::Enough);
            let slot = self.node_mut(id).slots.get_mut(&partition).expect("every node has every partition");
            slot.disk = disk;
            slot.archive = Arc::default();
        }
        self.queue.plan(self.now + down_ns, Event::Start { node: id });
    }

    /// Whether a disk may be lost without losing what was acknowledged: every voter of every partition has the disk that
    /// it became a voter with, nobody is being made one, and those who run know that: who has not applied the end of a change
    /// elects by those before as well, of whom one disk may be gone already.
    pub(super) fn can_lose_a_disk(&self) -> bool {
        machine::partitions(self.plan.layout).into_iter().all(|partition| {
            let Some(leader) = self.leader(partition) else { return false };
            let host = self.node(leader).slots[&partition].host.as_ref();
            let Some(members) = host.map(|host| host.replica().members()) else { return false };
            let has_disk = |voter: &u64| {
                let node = node_of(*voter);
                self.node(node).slots[&partition].disk.member(node) == Some(*voter)
            };
            let knows = |voter: &u64| {
                let host = self.node(node_of(*voter)).slots[&partition].host.as_ref();
                host.is_none_or(|host| {
                    host.replica().members().voters == members.voters && !host.replica().members().is_changing()
                })
            };
            let is_quiet = !members.is_changing() && members.voters.iter().all(knows);
            is_quiet && members.voters.len() >= 3 && members.voters.iter().all(has_disk)
        })
    }

    /// The next write of a node fails; it must end by itself.
    pub(super) fn break_disk(&mut self, id: NodeId, why: &str) {
        if !self.node(id).is_up {
            return;
        }
        for slot in self.node_mut(id).slots.values_mut() {
            slot.disk.fail(why);
            // Nobody knows what of it is on the disk. Here nothing is.
            slot.disk.crash(0);
            slot.has_failed = true;
        }
    }

    /// What a node's disk has left.
    pub(super) fn set_space(&mut self, id: NodeId, space: Space) {
        let node = self.node_mut(id);
        node.space = space;
        // What is left is the log's.
        node.slots.values().for_each(|slot| slot.disk.refuse_snapshots(space != Space::Enough));
        for partition in machine::partitions(self.plan.layout) {
            self.with_host(id, partition, |host| host.set_space(space));
        }
    }

    pub(super) fn pause(&mut self, id: NodeId, for_ns: u64) {
        let until = self.now + for_ns;
        let node = self.node_mut(id);
        (node.is_paused, node.paused_until) = (true, node.paused_until.max(until));
        self.queue.plan(until, Event::Resume { node: id });
    }

    pub(super) fn resume(&mut self, id: NodeId) {
        let (now, is_healed) = (self.now, self.is_healed);
        let node = self.node_mut(id);
        if !node.is_paused || (now < node.paused_until && !is_healed) {
            return;
        }
        node.is_paused = false;
        let partitions: Vec<PartitionId> = node.slots.keys().copied().collect();
        for partition in partitions {
            let slot = self.node_mut(id).slots.get_mut(&partition).expect("every node has every partition");
            slot.run_at = None;
            for input in std::mem::take(&mut slot.waiting) {
                self.input(id, partition, input);
            }
            self.run_soon(id, partition);
        }
        self.hear_late(id);
        self.wake_front(id);
    }

    /// Starts a write of everything that waits for a node's disk, unless one is under way.
    pub(super) fn begin_sync(&mut self, id: NodeId) {
        let took = self.plan.sync_ns(&mut self.random);
        let node = self.node_mut(id);
        if node.is_syncing || !node.is_up {
            return;
        }
        let busy = node.slots.iter().filter(|(_, slot)| slot.disk.waiting() > 0 || slot.disk.is_saving());
        let writes: Vec<(PartitionId, usize)> =
            busy.map(|(partition, slot)| (*partition, slot.disk.waiting())).collect();
        if writes.is_empty() {
            return;
        }
        node.is_syncing = true;
        let (life, took) = (node.life, node.slow_sync_ns.unwrap_or(took));
        self.queue.plan(self.now + took, Event::Synced { node: id, life, writes });
    }

    pub(super) fn synced(&mut self, id: NodeId, life: u32, writes: &[(PartitionId, usize)]) {
        if self.node(id).life != life {
            return;
        }
        self.node_mut(id).is_syncing = false;
        for (partition, count) in writes {
            let disk = &self.node(id).slots[partition].disk;
            disk.sync(*count);
            // Of a step of a snapshot nobody is told but of the last.
            if *count > 0 || !disk.is_saving() {
                self.run_soon(id, *partition);
            }
        }
        self.begin_sync(id);
    }
}

impl Node {
    /// A node that has never been started.
    pub fn new(id: NodeId, drift_ppm: i64, partitions: &[PartitionId], plan: &Plan) -> Node {
        Node {
            id,
            life: 0,
            is_up: false,
            clock: Clock::start(0, 0, 0),
            front: Front::default(),
            slots: partitions.iter().map(|partition| (*partition, Slot::new(*partition, plan))).collect(),
            knows: NEW,
            slow_sync_ns: None,
            space: Space::Enough,
            dies_of_votes_until: 0,
            met: BTreeSet::new(),
            unheard: Vec::new(),
            is_syncing: false,
            is_paused: false,
            paused_until: 0,
            drift_ppm,
        }
    }
}

/// An empty one.
fn disk(plan: &Plan) -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.save_in_steps(plan.disk.snapshot_steps);
    if plan.is_in_memory {
        disk.count_in_memory();
    }
    disk
}

impl Slot {
    fn new(partition: PartitionId, plan: &Plan) -> Slot {
        Slot {
            host: None,
            disk: disk(plan),
            archive: Arc::default(),
            book: SharedBook::default(),
            applied: 0,
            gaps: Gaps::new(partition),
            members: None,
            has_led: false,
            run_at: None,
            has_failed: false,
            waiting: Vec::new(),
            disowned: None,
        }
    }
}
