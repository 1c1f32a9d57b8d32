//! Nodes of different builds beside each other, and a version that goes up and down in the logs: upgrade and rollback.
//!
//! A build is the greatest version that a process knows. Nodes come back with a newer one at any time, and with an older
//! one as an operator may start it: when the logs say a version that it knows and the node's own snapshots are behind
//! that entry. One that reads a version that it does not know must stop; its operator starts the newer build then.

use node::HostInput;
use replicator::entry::{Batch, Kind};
use replicator::sim::Random;
use wire::link::{ChangeMembers, MemberChange, Place};
use wire::{Command, LogPosition, NodeId, PartitionId};

use super::clock::{MS, Moment, SECOND};
use super::faults::{Cure, Fault};
use super::history::Record;
use super::machine;
use super::process::Slot;
use super::queue::Event;
use super::swarm::Plan;
use super::world::World;

/// The version of the old build, which every log begins with.
pub const OLD: u16 = *engine::VERSIONS.start();
/// The version of the new one.
pub const NEW: u16 = *engine::VERSIONS.end();
/// Leaders are asked for a version for so many tenths of a second.
const ASKED_TIMES: u32 = 40;

/// In every third seed some begin with the old build, and builds and versions change while the other faults strike.
pub(super) fn draw(seed: u64, plan: &mut Plan) {
    if Random::new(seed ^ 0x5645_5253).below(3) == 0 {
        draw_builds(seed, plan);
    }
}

/// Some begin with the old build, and builds and versions change.
pub(super) fn draw_builds(seed: u64, plan: &mut Plan) {
    let mut random = Random::new(seed ^ 0x4255_494C);
    plan.old_builds = plan.node_ids().into_iter().filter(|_| random.below(2) == 0).collect();
    let mut at = random.below(2 * SECOND);
    while at < plan.trade_ns {
        let node = NodeId::new(1 + random.below(plan.nodes));
        let down_ns = 20 * MS + random.below(500 * MS);
        plan.faults.push((
            at,
            match random.below(8) {
                0..3 => Fault::Build { node, knows: NEW, down_ns },
                3 => Fault::Build { node, knows: OLD, down_ns },
                4..6 => Fault::Version { version: NEW },
                _ => Fault::Version { version: OLD },
            },
        ));
        at += random.below(3 * SECOND);
    }
    plan.faults.sort_by_key(|(at, _)| *at);
}

/// Whether what a replica knows to be committed says a version that its build does not know, which nobody may have applied
/// yet: the first to come to that entry may be the one that cannot.
fn says_newer(slot: &Slot, knows: u16) -> bool {
    let committed = slot.host.as_ref().map_or(0, |host| host.replica().reached().0);
    let entries = slot.disk.entries();
    entries.iter().filter(|entry| entry.index <= committed).any(|entry| {
        let Ok(mut batch) = Batch::decode(&entry.data) else { return false };
        std::iter::from_fn(|| batch.next_command().ok().flatten())
            .any(|command| matches!(command.kind, Kind::Version(version) if version > knows))
    })
}

impl World {
    /// A node's process ends and comes back as another build, if its operator may start that.
    pub(super) fn change_build(&mut self, node: NodeId, knows: u16, down_ns: Moment) {
        if knows < self.node(node).knows && !self.may_know_less(node, knows) {
            return;
        }
        self.node_mut(node).knows = knows;
        self.kill(node, false, true);
        self.queue.plan(self.now + down_ns, Event::Start { node });
    }

    /// What a node reads when it is started now says nothing that such a build does not know.
    fn may_know_less(&self, node: NodeId, knows: u16) -> bool {
        self.node(node).slots.iter().all(|(partition, slot)| {
            let Some(status) = slot.host.as_ref().map(|host| host.status()) else { return false };
            let history = &self.histories[partition];
            let is_version = |command: &Option<Command>| matches!(command, Some(Command::SetVersion(_)));
            let said = history.records().iter().rev().find(|record| is_version(&record.command));
            let said_at = said.map_or(LogPosition::ZERO, |record| record.position);
            let has_applied = status.applied_position >= said_at && status.snapshot_position >= status.version_at;
            has_applied && status.version <= knows && history.witness().version() <= knows
        })
    }

    /// A node has stopped before a version that it does not know: its operator starts the build that does.
    pub(super) fn start_newer_build(&mut self, node: NodeId, partition: PartitionId) {
        let knows = self.node(node).knows;
        let is_newer =
            |record: &Record| matches!(&record.command, Some(Command::SetVersion(set)) if set.version > knows);
        let is_applied = self.histories[&partition].records().iter().any(is_newer);
        if !is_applied && !says_newer(&self.node(node).slots[&partition], knows) {
            let what = format!("node {node}, which knows version {knows}, stops before one that no log says");
            self.check(Err(what));
        }
        self.kill(node, false, true);
        self.node_mut(node).knows = NEW;
        let later = self.random.below(SECOND);
        self.queue.plan(self.now + later, Event::Start { node });
    }

    /// Asks every partition's leader for a version, as an operator would, until it is so or patience ends.
    pub(super) fn ask_for_version(&mut self, version: u16, times: u32) {
        let mut is_done = true;
        for partition in machine::partitions(self.plan.layout) {
            let Some(leader) = self.leader(partition) else {
                is_done = false;
                continue;
            };
            let slot = &self.node(leader).slots[&partition];
            if slot.host.as_ref().is_some_and(|host| host.machine().cells().version() == version) {
                continue;
            }
            is_done = false;
            let (change, node, place) = (MemberChange::SetVersion, NodeId::default(), Place::default());
            let wish = ChangeMembers { partition, token: 0, change, node, place, instead_of: node, version };
            self.with_host(leader, partition, |host| host.on_input(HostInput::ChangeMembers(wish)));
        }
        if !is_done && times > 0 {
            self.queue.plan(self.now + 100 * MS, Event::Cure(Cure::Version { version, times: times - 1 }));
        }
    }

    pub(super) fn begin_version(&mut self, version: u16) {
        self.ask_for_version(version, ASKED_TIMES);
    }
}
