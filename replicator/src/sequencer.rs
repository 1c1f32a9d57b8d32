//! The leader's queue: commands of many clients become one log entry per duty cycle.

use std::collections::VecDeque;

use wire::Timestamp;
use wire::link::Refusal;

use crate::SequencerLimits;
use crate::entry::{Batch, BatchWriter, COMMAND_OVERHEAD, Kind};

/// Commands that wait to be proposed, already in the bytes of their entries.
#[derive(Debug)]
pub struct Sequencer {
    limits: SequencerLimits,
    batches: VecDeque<BatchWriter>,
    commands: usize,
    bytes: usize,
    stamped: Timestamp,
    ahead: Ahead,
}

/// How far log time is ahead of this node's clock. That becomes less by [`SLEW`], so that a clock which was wrong once is
/// forgotten, however many leaders have gone on from it.
#[derive(Debug, Clone, Copy, Default)]
struct Ahead {
    /// By this many nanoseconds,
    nanos: u64,
    /// when this node's clock said this.
    at: Timestamp,
}

/// While log time is ahead of the leader's clock, it passes slower by one part in so many: by more than clocks drift apart,
/// and by less than anything notices that is due by log time.
const SLEW: u64 = 100;

impl Ahead {
    fn nanos(&self, now: Timestamp) -> u64 {
        let passed = now.nanos().saturating_sub(self.at.nanos());
        self.nanos.saturating_sub(passed / SLEW)
    }
}

impl Sequencer {
    /// Empty.
    pub fn new(limits: SequencerLimits) -> Sequencer {
        Sequencer {
            limits,
            batches: VecDeque::new(),
            commands: 0,
            bytes: 0,
            stamped: Timestamp::ZERO,
            ahead: Ahead::default(),
        }
    }

    /// Commands that wait.
    pub fn len(&self) -> usize {
        self.commands
    }

    /// Queues a command. `Busy` when the queue is full, `Malformed` when no queue could ever take it.
    pub fn offer(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Refusal> {
        if payload.len() > self.limits.command_bytes_max {
            return Err(Refusal::Malformed);
        }
        let len = payload.len() + COMMAND_OVERHEAD;
        if self.commands >= self.limits.commands_max || self.bytes + len > self.limits.bytes_max {
            return Err(Refusal::Busy);
        }
        if self.batches.back().is_none_or(|batch| batch.byte_len() >= self.limits.batch_bytes) {
            self.batches.push_back(BatchWriter::new(len.max(1024)));
        }
        let batch = self.batches.back_mut().expect("there is an open batch");
        let before = batch.byte_len();
        batch.push(kind, payload);
        self.commands += 1;
        self.bytes += batch.byte_len() - before;
        Ok(())
    }

    /// The bytes of the entry to propose next.
    pub fn next_len(&self) -> Option<usize> {
        self.batches.front().map(BatchWriter::byte_len)
    }

    /// The entry to propose next, stamped; time never runs backwards.
    pub fn take(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        let batch = self.batches.pop_front()?;
        self.commands -= batch.count();
        self.bytes -= batch.byte_len() - BatchWriter::new(0).byte_len();
        self.stamped = self.stamped.max(self.time(now));
        Some(batch.finish(self.stamped))
    }

    /// Log time had come to `applied` when this node's clock said `now`. A leader whose clock is behind its
    /// predecessor's goes on from there at the pace of its own clock, a little slower until that has caught up: would it
    /// wait until then, nothing that is due by log time would happen meanwhile. Who does not lead observes, too, whenever
    /// it applies something: if it comes to lead after a quiet time, it knows how far that had brought the last leader.
    pub fn observe(&mut self, applied: Timestamp, now: Timestamp) {
        #[cfg(feature = "planted")]
        let now = if wire::planted::is(wire::planted::Bug::LogTimeWaits) { now.max(applied) } else { now };
        let nanos = applied.nanos().saturating_sub(now.nanos());
        if nanos > self.ahead.nanos(now) {
            self.ahead = Ahead { nanos, at: now };
        }
        self.stamped = self.stamped.max(applied);
    }

    /// Log time when this node's clock says `now`.
    pub fn time(&self, now: Timestamp) -> Timestamp {
        now.plus_nanos(self.ahead.nanos(now))
    }

    /// When this node's clock says that log time has come to `at`.
    pub fn clock_at(&self, at: Timestamp) -> Timestamp {
        let Ahead { nanos, at: since } = self.ahead;
        let steady = at.nanos().saturating_sub(nanos);
        // What log time has to go from `since` on takes this much longer, as long as it is ahead at all.
        let longer = steady.saturating_sub(since.nanos()) / (SLEW - 1);
        Timestamp::from_nanos((steady + longer).min(at.nanos()))
    }

    /// Drops everything, and says whose it was.
    pub fn abandon(&mut self, mut refused: impl FnMut(Kind)) {
        while let Some(data) = self.take(Timestamp::ZERO) {
            each_kind(&data, &mut refused);
        }
    }
}

/// Calls `visit` with whose commands a batch holds.
pub fn each_kind(data: &[u8], mut visit: impl FnMut(Kind)) {
    let mut batch = Batch::decode(data).expect("the sequencer wrote it");
    while let Some(command) = batch.next_command().expect("the sequencer wrote it") {
        visit(command.kind);
    }
}

#[cfg(test)]
mod tests;
