//! What an archive misses of its partition's events, fetched from other nodes' archives: production's gap filler without
//! its frames. What no archive has any more is gone, and whoever follows the events waits for it in vain.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use wire::{LogPosition, NodeId, PartitionId};

use super::store::Archive;
use super::world::World;

impl World {
    /// A node fetches what its archive misses, as far as those whom it reaches have it without a gap. The rest is fetched
    /// when it is asked for again.
    pub(super) fn fetch_missing(&mut self, id: NodeId, partition: PartitionId) {
        let is_cut = |other: NodeId| self.cuts.is_cut(id, other) || self.cuts.is_cut(other, id);
        let reached =
            self.nodes.iter().filter(|node| node.id == id || (node.is_up && !node.is_paused && !is_cut(node.id)));
        let archives = reached
            .map(|node| &node.slots[&partition].archive)
            .chain(self.lost_archives.get(&partition).into_iter().flatten());
        complete(&self.node(id).slots[&partition].archive, archives);
    }

    /// An archive went with its disk. In production the next disk of its node has everything of it again soon; here it has
    /// what was asked for, so the rest is kept for those who will ask.
    pub(super) fn bury(&mut self, partition: PartitionId, archive: Arc<Mutex<Archive>>) {
        self.lost_archives.entry(partition).or_default().push(archive);
    }
}

/// Completes `own` from `archives`, from its beginning on to where all of them have a gap.
fn complete<'a>(own: &Mutex<Archive>, archives: impl Iterator<Item = &'a Arc<Mutex<Archive>>> + Clone) {
    let open = |archive: &'a Mutex<Archive>| archive.lock().expect("nobody panics with an open archive");
    let end = own.lock().expect("nobody panics with an open archive").end();
    let (mut upto, mut fetched) = (LogPosition::ZERO, BTreeMap::new());
    while upto < end {
        let next = archives.clone().find_map(|archive| {
            let archive = open(archive);
            let (batches, upto) = archive.read(upto.next())?;
            fetched.extend(batches.map(|(position, batch)| (position, batch.clone())));
            Some(upto)
        });
        let Some(next) = next else { break };
        upto = next;
    }
    let upto = upto.min(end);
    let wanted = fetched.into_iter().filter(|(position, _)| *position <= upto);
    own.lock().expect("nobody panics with an open archive").fill(upto, wanted);
}

#[cfg(test)]
mod tests;
