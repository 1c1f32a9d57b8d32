//! Events that the archive here lacks: asked of other nodes, and what they say of them.

use replicator::Space;
use replicator::net::{LinkId, Links};
use wire::PartitionId;
use wire::link::{Events, Progress};

use super::Router;
use crate::archive::block_of;
use crate::block::{EventBatch, EventBlock};
use crate::host::HostInput;
use crate::rings::{FromArchive, ToArchive};

/// A partition hears this often what its archive lacks, if that is news.
const TELL_NS: u64 = 100_000_000;

impl Router {
    pub(super) fn poll_answers(&mut self, out: &mut Links) -> usize {
        let mut taken = 0;
        while let Ok(answer) = self.answers.try_recv() {
            taken += 1;
            match answer {
                FromArchive::Read { key, result } => self.subscriptions.on_read(key, result, out),
                FromArchive::Gap(partition, missing) => {
                    if let Some(hosted) = self.hosted.get_mut(&partition) {
                        hosted.filler.missing_is(missing, out);
                    }
                }
            }
        }
        taken
    }

    pub(super) fn poll_gaps(&mut self, out: &mut Links) {
        let has_space = self.space.space() == Space::Enough;
        for (partition, hosted) in &mut self.hosted {
            if !has_space {
                // An archive that cannot write stops the node.
                hosted.filler.hold(self.now, out);
            } else if hosted.filler.poll(self.now, self.membership.others(), out) {
                // Full: the next silence asks again.
                let _ = self.archive.try_send(ToArchive::ReportGap(*partition));
            }
        }
        self.tell_pasts();
    }

    /// Partitions hear what the archive lacks, now and then while that becomes less.
    fn tell_pasts(&mut self) {
        if self.now < self.pasts_at {
            return;
        }
        self.pasts_at = self.now.plus_nanos(TELL_NS);
        for hosted in self.hosted.values_mut() {
            let past = hosted.filler.past();
            if let Some(past) = past.filter(|_| past != hosted.past)
                && hosted.port.peer(HostInput::Past(past)).is_ok()
            {
                hosted.past = Some(past);
            }
        }
    }

    /// Events of another node's archive: they are for a gap here, or late.
    pub(super) fn on_events(&mut self, link: LinkId, head: Events, events: &[u8], out: &mut Links) {
        let Events { partition, position, timestamp, origin } = head;
        let Some(hosted) = self.hosted.get(&partition) else { return };
        if let Some(after) = hosted.filler.expects(link).filter(|after| position > *after) {
            self.fill(partition, block_of(after, EventBatch { position, timestamp, origin, events }), out);
        }
    }

    pub(super) fn on_progress(&mut self, link: LinkId, progress: Progress, out: &mut Links) {
        let Progress { partition, position } = progress;
        let Some(hosted) = self.hosted.get_mut(&partition) else { return };
        hosted.filler.begun(link, position);
        hosted.filler.ends(link, position, self.now, out);
        if let Some(after) = hosted.filler.expects(link).filter(|after| position > *after) {
            let mut block = EventBlock::new(after);
            block.cover(position);
            self.fill(partition, block, out);
        }
    }

    fn fill(&mut self, partition: PartitionId, block: EventBlock, out: &mut Links) {
        let Some(hosted) = self.hosted.get_mut(&partition) else { return };
        let upto = block.upto();
        match self.archive.try_send(ToArchive::Fill(partition, block)) {
            Ok(()) => hosted.filler.filled(upto, self.now, out),
            Err(_) => {
                hosted.filler.failed(self.now, out);
                // Full: what the archive has is asked for again when the next attempt fails.
                let _ = self.archive.try_send(ToArchive::ReportGap(partition));
            }
        }
    }
}
