//! What an archive misses of its partition's events, fetched from other nodes' archives: production's gap filler without
//! its frames. What no archive has any more is gone, and whoever follows the events waits for it in vain: archives that went with
//! their disks are not asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use node::{HostInput, PartitionHost};
use replicator::{Past, node_of};
use wire::{LogPosition, NodeId, PartitionId};

use super::clock::MS;
use super::queue::Event;
use super::store::Archive;
use super::world::World;

/// A node begins to fetch what its archive misses so long after it has found out, and tries again after as long.
const FETCHED_AFTER: u64 = 500 * MS;

impl World {
    /// A node fetches what its archive misses, as far as those whom it reaches have it without a gap. The rest is fetched
    /// when it is asked for again.
    pub(super) fn fetch_missing(&mut self, id: NodeId, partition: PartitionId) {
        let is_cut = |other: NodeId| self.cuts.is_cut(id, other) || self.cuts.is_cut(other, id);
        let reached =
            self.nodes.iter().filter(|node| node.id == id || (node.is_up && !node.is_paused && !is_cut(node.id)));
        let archives = reached.clone().map(|node| &node.slots[&partition].archive);
        complete(&self.node(id).slots[&partition].archive, archives);
        let has_asked_all = reached.count() == self.nodes.len();
        self.node_mut(id).slots.get_mut(&partition).expect("every node has every partition").is_filling = false;
        self.tell_past(id, partition, has_asked_all);
    }

    /// A learner is told what its archive misses, and that is fetched.
    pub(super) fn look_at_past(&mut self, id: NodeId, partition: PartitionId) {
        let slot = &self.node(id).slots[&partition];
        let is_learner = |host: &PartitionHost<_>| {
            let members = host.replica().members();
            members.learners.iter().any(|learner| node_of(*learner) == id && members.is_to_vote(*learner))
        };
        let is_learner = slot.host.as_ref().is_some_and(is_learner);
        if is_learner && !slot.is_filling {
            self.tell_past(id, partition, false);
        }
    }

    fn tell_past(&mut self, id: NodeId, partition: PartitionId, has_asked_all: bool) {
        let at = self.now + FETCHED_AFTER;
        let slot = self.node_mut(id).slots.get_mut(&partition).expect("every node has every partition");
        let archive = slot.archive.lock().expect("nobody panics with an open archive");
        let (upto, missing) = (archive.end(), archive.missing());
        drop(archive);
        let is_lost = missing > 0 && (has_asked_all || slot.past.is_some_and(|past| past.is_lost));
        let past = Past { upto, missing, is_lost };
        let is_begun = missing > 0 && !is_lost && !std::mem::replace(&mut slot.is_filling, missing > 0 && !is_lost);
        let is_news = slot.past.replace(past) != Some(past);
        if is_begun {
            self.queue.plan(at, Event::Filled { node: id, partition });
        }
        if is_news {
            self.input(id, partition, HostInput::Past(past));
        }
    }
}

/// Completes `own` from `archives`: what none of them has stays missing, and what lies behind it is fetched.
fn complete<'a>(own: &Mutex<Archive>, archives: impl Iterator<Item = &'a Arc<Mutex<Archive>>> + Clone) {
    let open = |archive: &'a Mutex<Archive>| archive.lock().expect("nobody panics with an open archive");
    let gaps = own.lock().expect("nobody panics with an open archive").gaps();
    for (after, end) in gaps {
        let mut upto = after;
        while upto < end {
            let next = archives.clone().filter_map(|archive| open(archive).next(upto.next())).min();
            let Some(from) = next.filter(|from| *from <= end) else { break };
            let fetched = archives.clone().find_map(|archive| {
                let archive = open(archive);
                let (batches, upto) = archive.read(from)?;
                let wanted = batches.filter(|(position, _)| *position <= end);
                Some((wanted.map(|(position, batch)| (position, batch.clone())).collect::<BTreeMap<_, _>>(), upto))
            });
            let (batches, told) = fetched.expect("somebody has it next");
            upto = told.min(end);
            let own = &mut own.lock().expect("nobody panics with an open archive");
            own.fill(LogPosition::new(from.get() - 1), upto, batches.into_iter());
        }
    }
}

#[cfg(test)]
mod tests;
