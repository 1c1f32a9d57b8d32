//! Committed entries become state, replies and events, in the same way on every replica.

use std::collections::VecDeque;

use raft::eraftpb::{Entry, EntryType};

use super::Replica;
use super::state::{Audience, NotApplied};
use crate::{LogStore, Output, StateMachine};

/// Clients and subscribers, by way of the replica's outputs.
struct Outside<'a> {
    outputs: &'a mut VecDeque<Output>,
    is_leader: bool,
    #[cfg(feature = "planted")]
    now: wire::Timestamp,
}

impl Audience for Outside<'_> {
    fn wants_answers(&self) -> bool {
        self.is_leader
    }

    fn tell(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    #[cfg(feature = "planted")]
    fn clock(&self) -> wire::Timestamp {
        self.now
    }
}

/// Committed entries that wait for a write: the leader waits for what a standby has on disk, and nobody for what it has
/// applied.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    entries: Vec<Entry>,
    /// The write that goes first.
    ticket: u64,
}

impl Backlog {
    /// The entries are applied after the write.
    pub(super) fn put_off(&mut self, entries: Vec<Entry>, ticket: u64) {
        if self.entries.is_empty() {
            self.ticket = ticket;
        }
        self.entries.extend(entries);
    }

    /// The index of the last entry that waits.
    #[cfg(test)]
    pub(super) fn upto(&self) -> Option<u64> {
        self.entries.last().map(|entry| entry.index)
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Applies what was put off, once the write that went first is on disk and was told in the cycle before; when the disk is
    /// slow, with the next tick.
    pub(super) fn poll_backlog(&mut self) -> usize {
        let is_due = self.backlog.ticket <= self.persistence.durable() || self.now >= self.tick_at;
        if self.backlog.entries.is_empty() || !is_due {
            return 0;
        }
        self.apply_backlog();
        1
    }

    /// Applies what was put off at once: for whoever goes on from what is committed.
    pub(super) fn apply_backlog(&mut self) {
        if !self.backlog.entries.is_empty() {
            self.apply_committed(Vec::new());
        }
    }

    /// Applies entries, and before them those that were put off.
    pub(super) fn apply_committed(&mut self, committed: Vec<Entry>) {
        let mut entries = std::mem::take(&mut self.backlog.entries);
        entries.extend(committed);
        self.apply(entries);
    }

    fn apply(&mut self, entries: Vec<Entry>) {
        if self.is_broken() {
            self.wait_for_verdict(&entries);
            return;
        }
        let mut outside = Outside {
            is_leader: self.is_leader(),
            #[cfg(feature = "planted")]
            now: self.now,
            outputs: &mut self.outputs,
        };
        for (at, entry) in entries.iter().enumerate() {
            let is_change = entry.get_entry_type() == EntryType::EntryConfChangeV2;
            let before = is_change.then(|| self.state.members.clone());
            let version_at = self.state.version_at;
            match self.state.apply(entry, &mut outside) {
                Ok(()) => {
                    self.checkpoint.applied(entry.data.len());
                    if self.state.version_at != version_at {
                        let (partition, version) = (self.config.partition, self.state.machine.version());
                        tracing::info!(%partition, version, "the log says by which version to behave");
                        // What was before it should not have to be read again.
                        self.checkpoint.hurry();
                    }
                    if before.is_some_and(|before| before != self.state.members) {
                        // The next entries may be of the new members' making: first things first.
                        self.raft_follows(entry);
                        return self.apply(entries[at + 1..].to_vec());
                    }
                }
                Err(NotApplied::Broken { spot, panic }) => {
                    self.break_down(spot, &panic, &entries[at..]);
                    return;
                }
                Err(error) => {
                    self.fail(format!("log entry {}: {error}", entry.index));
                    return;
                }
            }
        }
        if !entries.is_empty() {
            self.sequencer.observe(self.state.cursor.timestamp, self.now);
            self.tell_applied();
        }
    }

    /// Raft learns of a change of members that has been applied.
    pub(super) fn raft_follows(&mut self, entry: &Entry) {
        if let Err(error) = self.follow_members(entry.index, &entry.data) {
            self.fail(error.to_string());
        }
        self.tell_applied();
        self.write_commit();
    }
}
