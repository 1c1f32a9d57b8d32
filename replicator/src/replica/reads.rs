//! Linearizable reads, by Raft's read index (Raft thesis §6.4), never by lease: the leader asks a quorum whether it
//! still leads, then waits until it has applied what was committed when it asked.

use std::collections::VecDeque;

use raft::ReadState;
use wire::link::Refusal;

use super::Replica;
use crate::{LogStore, Output, StateMachine};

/// Questions to the quorum under way at once; reads that arrive meanwhile share the next.
const QUESTIONS_MAX: usize = 4;

/// Reads that wait.
#[derive(Debug, Default)]
pub(super) struct Reads {
    question: u64,
    /// Not yet asked.
    waiting: Vec<u64>,
    /// Asked, by question.
    asked: VecDeque<(u64, Vec<u64>)>,
    /// Answered by the quorum: to be read at this log index.
    confirmed: VecDeque<(u64, Vec<u64>)>,
    len: usize,
}

impl Reads {
    /// The quorum has answered. Others may have read what is `promised`, a log index.
    pub fn confirm(&mut self, states: Vec<ReadState>, promised: u64) {
        for state in states {
            let Ok(question) = state.request_ctx.try_into().map(u64::from_le_bytes) else { continue };
            if let Some(at) = self.asked.iter().position(|(asked, _)| *asked == question) {
                let (_, tokens) = self.asked.remove(at).expect("the position is of this queue");
                self.confirmed.push_back((state.index.max(promised), tokens));
            }
        }
    }

    /// Drops every read, and says which.
    pub fn abandon(&mut self, mut refused: impl FnMut(u64)) {
        let asked = self.asked.drain(..).chain(self.confirmed.drain(..)).flat_map(|(_, tokens)| tokens);
        asked.chain(self.waiting.drain(..)).for_each(&mut refused);
        self.len = 0;
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Asks up to which position events must have been seen to read what is committed now. The token comes back
    /// in [`Output::ReadReady`] or [`Output::ReadRefused`].
    pub fn read_index(&mut self, token: u64) -> Result<(), (Refusal, u64)> {
        self.must_lead()?;
        if self.reads.len >= self.config.sequencer.reads_max {
            return Err((Refusal::Busy, 0));
        }
        self.reads.len += 1;
        self.reads.waiting.push(token);
        Ok(())
    }

    pub(super) fn poll_reads(&mut self) -> usize {
        let reads = &mut self.reads;
        // Before a leader has committed an entry of its own term it does not know what is committed.
        let settled = self.raft.raft.commit_to_current_term() && self.leading != 0;
        let mut work = 0;
        if settled && !reads.waiting.is_empty() && reads.asked.len() < QUESTIONS_MAX {
            reads.question += 1;
            reads.asked.push_back((reads.question, std::mem::take(&mut reads.waiting)));
            self.raft.read_index(reads.question.to_le_bytes().to_vec());
            work += 1;
        }
        #[cfg(feature = "planted")]
        if !settled && self.leading != 0 && wire::planted::is(wire::planted::Bug::ReadBeforeOwnTerm) {
            let known = self.raft.raft.raft_log.committed;
            reads.confirmed.push_back((known, std::mem::take(&mut reads.waiting)));
        }
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::LeaseRead) {
            let asked = reads.asked.drain(..).map(|(_, tokens)| (self.raft.raft.raft_log.committed, tokens));
            reads.confirmed.extend(asked);
        }
        let (applied, position) = (self.state.cursor.index, self.state.cursor.position);
        while reads.confirmed.front().is_some_and(|(index, _)| *index <= applied) {
            let (_, tokens) = reads.confirmed.pop_front().expect("there is a first");
            reads.len -= tokens.len();
            self.outputs.extend(tokens.into_iter().map(|token| Output::ReadReady { token, position }));
            work += 1;
        }
        work
    }
}
