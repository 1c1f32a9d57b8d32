//! A standby that is behind the leader's log gets the leader's snapshot, in chunks small enough to leave room for
//! everything else on the connection.
//!
//! The leader reads its snapshot from disk, a few chunks ahead of what has been acknowledged. The standby puts
//! them together, checks the whole, and only then shows it to Raft.

use std::collections::BTreeMap;

use raft::ProgressState;
use raft::SnapshotStatus;
use raft::eraftpb::{Message, MessageType};
use wire::{NodeId, Timestamp};

use super::Replica;
use super::envelope::{Chunk, Envelope, Received};
use crate::members::{Members, node_of};
use crate::{LogStore, Output, StateMachine, snapshot};

/// So many chunks are sent ahead of the standby's acknowledgement.
const WINDOW: u64 = 4;
/// After this long without an acknowledgement, what is unacknowledged is sent again.
const RESEND_NS: u64 = 300_000_000;
/// After this long without progress the transfer is given up; Raft then probes the standby again.
const GIVE_UP_NS: u64 = 5_000_000_000;
/// A snapshot longer than this is not believed.
const TOTAL_MAX: u64 = 16 << 30;

/// Snapshots on their way.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    sending: BTreeMap<u64, Sending>,
    receiving: Option<Receiving>,
}

#[derive(Debug)]
struct Sending {
    at: (u64, u64),
    total: Option<u64>,
    acknowledged: u64,
    sent: u64,
    progress_at: Timestamp,
    resend_at: Timestamp,
}

#[derive(Debug)]
struct Receiving {
    from: NodeId,
    term: u64,
    at: (u64, u64),
    total: u64,
    bytes: Vec<u8>,
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Raft wants a standby to have the newest snapshot.
    pub(super) fn begin_transfer(&mut self, to: u64, at: (u64, u64)) {
        let sending = Sending {
            at,
            total: None,
            acknowledged: 0,
            sent: 0,
            progress_at: self.now,
            resend_at: self.now.plus_nanos(RESEND_NS),
        };
        self.catch_up.sending.insert(to, sending);
        self.pasts.sends(to, at.0, self.raft.raft.term);
    }

    /// Sends what the windows allow, and gives up what does not move.
    pub(super) fn poll_catch_up(&mut self) -> usize {
        if self.catch_up.sending.is_empty() {
            return 0;
        }
        let mut work = 0;
        let mut sending = std::mem::take(&mut self.catch_up.sending);
        sending.retain(|to, transfer| {
            let wanted =
                self.is_leader() && (self.raft.raft.prs().get(*to)).is_some_and(|p| p.state == ProgressState::Snapshot);
            if !wanted {
                return false;
            }
            if self.now > transfer.progress_at.plus_nanos(GIVE_UP_NS) {
                self.raft.report_snapshot(*to, SnapshotStatus::Failure);
                return false;
            }
            match self.send_chunks(*to, transfer) {
                Some(sent) => work += sent,
                None => {
                    self.raft.report_snapshot(*to, SnapshotStatus::Failure);
                    return false;
                }
            }
            true
        });
        self.catch_up.sending = sending;
        work
    }

    /// `None` when the snapshot is gone: a newer one has replaced it.
    fn send_chunks(&mut self, to: u64, transfer: &mut Sending) -> Option<usize> {
        if self.now > transfer.resend_at {
            transfer.sent = transfer.acknowledged;
            transfer.resend_at = self.now.plus_nanos(RESEND_NS);
        }
        let chunk_bytes = self.config.raft.chunk_bytes;
        let mut work = 0;
        while transfer.total.is_none_or(|total| transfer.sent < total)
            && transfer.sent < transfer.acknowledged + WINDOW * chunk_bytes as u64
        {
            let mut bytes = Vec::with_capacity(chunk_bytes);
            let total = match self.store.read_snapshot(transfer.at.0, transfer.sent, chunk_bytes, &mut bytes) {
                Ok(total) => total?,
                Err(error) => {
                    self.fail(error.to_string());
                    return None;
                }
            };
            let (term, offset) = (self.raft.raft.term, transfer.sent);
            transfer.total = Some(total);
            transfer.sent += bytes.len() as u64;
            if bytes.is_empty() {
                return None;
            }
            let payload = Envelope::Chunk(Chunk { term, at: transfer.at, total, offset, bytes: &bytes }).encode();
            self.outputs.push_back(Output::Send { to: node_of(to), payload });
            work += 1;
        }
        Some(work)
    }

    /// A standby has received more.
    pub(super) fn on_received(&mut self, from: NodeId, received: Received) -> bool {
        if received.term != self.raft.raft.term {
            return false;
        }
        let mut sending = self.catch_up.sending.iter_mut().filter(|(to, _)| node_of(**to) == from);
        if let Some((to, transfer)) = sending.find(|(_, transfer)| transfer.at.0 == received.index)
            && received.bytes > transfer.acknowledged
            && transfer.total.is_some_and(|total| received.bytes <= total)
        {
            transfer.acknowledged = received.bytes;
            transfer.sent = transfer.sent.max(received.bytes);
            transfer.progress_at = self.now;
            transfer.resend_at = self.now.plus_nanos(RESEND_NS);
            if transfer.total == Some(received.bytes) {
                // It has been shown to the standby's Raft, whose answer may be lost: from here on ours asks for it.
                let to = *to;
                self.catch_up.sending.remove(&to);
                self.raft.report_snapshot(to, SnapshotStatus::Finish);
            }
        }
        true
    }

    /// The leader sends a piece of its snapshot.
    pub(super) fn on_chunk(&mut self, from: NodeId, chunk: Chunk<'_>) -> bool {
        let raft = &self.raft.raft;
        if !self.is_admitted() || chunk.term != raft.term || node_of(raft.leader_id) != from || chunk.total > TOTAL_MAX
        {
            return false;
        }
        if chunk.at.0 <= raft.raft_log.committed {
            // It has that already. Raft says so to the leader's Raft.
            self.acknowledge(from, &chunk, chunk.total);
            let members = self.state.members.clone();
            return self.show(&members, &chunk, Vec::new());
        }
        let same = |r: &Receiving| (r.from, r.term, r.at, r.total) == (from, chunk.term, chunk.at, chunk.total);
        if !self.catch_up.receiving.as_ref().is_some_and(same) {
            self.catch_up.receiving =
                Some(Receiving { from, term: chunk.term, at: chunk.at, total: chunk.total, bytes: Vec::new() });
        }
        let receiving = self.catch_up.receiving.as_mut().expect("it has just been set");
        #[cfg(feature = "planted")]
        let chunk = match wire::planted::is(wire::planted::Bug::ChunkAnywhere) {
            true => Chunk { offset: receiving.bytes.len() as u64, ..chunk },
            false => chunk,
        };
        if chunk.offset == receiving.bytes.len() as u64 && chunk.offset + chunk.bytes.len() as u64 <= chunk.total {
            receiving.bytes.extend_from_slice(chunk.bytes);
        }
        let received = receiving.bytes.len() as u64;
        if received < chunk.total {
            self.acknowledge(from, &chunk, received);
            return true;
        }
        let bytes = self.catch_up.receiving.take().expect("it is complete").bytes;
        let Ok(opened) = snapshot::open(&bytes) else { return false };
        let header = opened.header;
        let ours = (header.partition, header.epoch) == (self.config.partition, self.config.epoch)
            && header.members.has(self.raft.raft.id)
            && (header.index, header.term) == chunk.at;
        if !ours {
            return false;
        }
        if !self.knows_version_of(&header) {
            return true;
        }
        self.acknowledge(from, &chunk, received);
        self.show(&header.members, &chunk, bytes)
    }

    fn acknowledge(&mut self, to: NodeId, chunk: &Chunk<'_>, bytes: u64) {
        let payload = Envelope::Received(Received { term: chunk.term, index: chunk.at.0, bytes }).encode();
        self.outputs.push_back(Output::Send { to, payload });
    }

    /// Shows a snapshot to Raft as if it had come in one message.
    fn show(&mut self, members: &Members, chunk: &Chunk<'_>, bytes: Vec<u8>) -> bool {
        // Raft goes over to the snapshot's members at once: what changed them before is applied by then.
        self.apply_backlog();
        if self.failed.is_some() {
            return true;
        }
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgSnapshot);
        (message.from, message.to, message.term) = (self.raft.raft.leader_id, self.raft.raft.id, chunk.term);
        let snapshot = message.mut_snapshot();
        snapshot.data = bytes.into();
        let metadata = snapshot.mut_metadata();
        (metadata.index, metadata.term) = chunk.at;
        metadata.set_conf_state(members.conf_state());
        let stepped = self.raft.step(message).is_ok();
        self.election.settle(&mut self.raft);
        stepped
    }
}
