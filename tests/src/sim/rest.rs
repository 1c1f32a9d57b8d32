//! When a healed world is at rest, and what must be true then.

use std::collections::BTreeMap;

use wire::{PartitionId, Timestamp};

use super::checkers::Verdict;
use super::clock::{Moment, SECOND};
use super::history::History;
use super::machine;
use super::world::World;

/// It has to be quiet for so long: what is due by log time is done although nobody asks for anything.
const QUIET: Moment = SECOND;
/// What is due is done within this.
const OVERDUE: u64 = SECOND / 2;

/// When traders stopped, and how late it was in each log by then.
pub(super) struct Quiet {
    since: Moment,
    log_time: BTreeMap<PartitionId, Timestamp>,
}

impl Quiet {
    pub(super) fn begin(world: &World) -> Quiet {
        let last = |history: &History| history.records().last().map_or(Timestamp::ZERO, |record| record.timestamp);
        let log_time = world.histories.iter().map(|(partition, history)| (*partition, last(history))).collect();
        Quiet { since: world.now, log_time }
    }

    /// What should have been done by now.
    fn overdue(&self, now: Moment, partition: PartitionId, history: &History) -> Option<String> {
        let due = history.witness().next_deadline()?;
        // Whoever leads goes on from there at the pace of its own clock, which is at most that much slower.
        let log_time = self.log_time[&partition].plus_nanos((now - self.since) / 1_000 * 998);
        let is_overdue = due.plus_nanos(OVERDUE) < log_time;
        is_overdue
            .then(|| format!("partition {partition} was to do something at {due:?}, and its log is at {log_time:?}"))
    }
}

impl World {
    /// What a healed world still waits for, in which traders stopped a while ago.
    pub(super) fn unrest(&self, quiet: &Quiet) -> Option<String> {
        if self.now < quiet.since + QUIET {
            return Some("it has not been quiet for long".to_owned());
        }
        if let Some(waiting) = self.gateways.iter().position(|gateway| !gateway.is_idle()) {
            return Some(format!("gateway {waiting} waits: {}", self.gateways[waiting].waits_for()));
        }
        if let Some(what) = self.users.wait_for() {
            return Some(format!("a user waits: {what}"));
        }
        if let Some(what) = self.offices_lag() {
            return Some(what);
        }
        for (partition, history) in &self.histories {
            let Some(leader) = self.leader(*partition) else {
                return Some(format!("partition {partition} has no leader"));
            };
            if let Some(what) = quiet.overdue(self.now, *partition, history) {
                return Some(what);
            }
            let members = self.members(*partition);
            if members.is_changing() {
                return Some(format!("members of partition {partition} are being changed: {members:x?}"));
            }
            for node in self.nodes.iter().filter(|node| members.has_node(node.id) && self.retired != Some(node.id)) {
                let Some(host) = &node.slots[partition].host else { return Some(format!("node {} is down", node.id)) };
                let status = host.status();
                let is_last = status.applied_index == history.last_index() && status.last_index == status.applied_index;
                let newest = node.slots[partition].disk.newest_snapshot();
                if status.applied_index > newest + self.plan.snapshot_every {
                    return Some(format!(
                        "node {} has applied entry {} of partition {partition}, and its last snapshot is of {newest}",
                        node.id, status.applied_index
                    ));
                }
                if let Some(position) = self.lacks(node.id, *partition) {
                    return Some(format!("node {} lacks the events of {position} of partition {partition}", node.id));
                }
                if !is_last || status.queued > 0 {
                    return Some(format!(
                        "node {} has applied {} of {} entries of partition {partition}, which {leader} leads",
                        node.id,
                        status.applied_index,
                        history.last_index()
                    ));
                }
            }
            if let Some(outbox) = history.witness().outboxes().find(|outbox| !outbox.is_empty()) {
                return Some(format!("mail from partition {partition} to {} is under way", outbox.to()));
            }
            if let Some((number, consumer)) = self.consumers.iter().enumerate().find(|(number, consumer)| {
                consumer.partition == *partition
                    && self.checkers.streams.seen(*number, *partition) < history.last_position()
            }) {
                let seen = self.checkers.streams.seen(number, *partition);
                return Some(format!("consumer {number} has seen {seen} of partition {partition}: {consumer}"));
            }
        }
        None
    }

    pub(super) fn at_rest(&mut self) -> Verdict {
        for (partition, history) in &self.histories {
            let members = self.members(*partition);
            for node in self.nodes.iter().filter(|node| members.has_node(node.id) && self.retired != Some(node.id)) {
                let slot = &node.slots[partition];
                let host = slot.host.as_ref().expect("everybody is up at rest");
                self.checkers.digests.compare(node.id, host, history)?;
                let archive = slot.archive.lock().expect("nobody panics with an open archive");
                if let Some(position) = archive.contradiction() {
                    return Err(format!("node {} archived two stories of {position} of {partition}", node.id));
                }
            }
        }
        self.checkers.conservation.at_rest(self.histories[&machine::LEDGER].witness())?;
        self.checkers.mail.at_rest()?;
        self.offices_at_rest()?;
        self.checkers.model.at_rest()
    }
}
