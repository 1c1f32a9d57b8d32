//! What has been committed, for a backup: read from the end of the log in memory, a piece at a time.

use std::collections::BTreeSet;

use raft::eraftpb::Entry;
use raft::{GetEntriesContext, Storage};
use wire::{LogPosition, NodeId, Timestamp};

use super::Replica;
use crate::members::node_of;
use crate::{LogStore, StateMachine};

/// A piece of the log that everybody counts on.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The entries after the index that was asked for; none when there are none yet. `None` when the log does not reach
    /// back so far any more: a snapshot does.
    pub entries: Option<Vec<Entry>>,
    /// The last log entry that was applied here.
    pub applied: u64,
    /// The last command that was applied here.
    pub position: LogPosition,
    /// Log time of that.
    pub timestamp: Timestamp,
    /// Who leads.
    pub leader: Option<NodeId>,
    /// Who votes, in ascending order.
    pub voters: Vec<NodeId>,
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// What was applied after log index `after`, of about `bytes_max` bytes.
    pub fn committed(&self, after: u64, bytes_max: u64) -> Committed {
        let cursor = &self.state.cursor;
        let context = GetEntriesContext::empty(false);
        let entries = match after {
            after if after >= cursor.index => Some(Vec::new()),
            after => self.raft.store().entries(after + 1, cursor.index + 1, bytes_max, context).ok(),
        };
        let raft = &self.raft.raft;
        let voters: BTreeSet<NodeId> = self.state.members.voters.iter().map(|voter| node_of(*voter)).collect();
        Committed {
            entries,
            applied: cursor.index,
            position: cursor.position,
            timestamp: cursor.timestamp,
            leader: (raft.leader_id != 0).then(|| node_of(raft.leader_id)),
            voters: voters.into_iter().collect(),
        }
    }
}
