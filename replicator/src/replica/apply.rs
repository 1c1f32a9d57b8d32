//! Committed entries become state, replies and events, in the same way on every replica.

use std::collections::VecDeque;

use raft::eraftpb::Entry;

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

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    pub(super) fn apply_committed(&mut self, entries: Vec<Entry>) {
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
            match self.state.apply(entry, &mut outside) {
                Ok(()) => self.checkpoint.applied(entry.data.len()),
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
            self.raft.advance_apply_to(self.state.cursor.index);
        }
    }
}
