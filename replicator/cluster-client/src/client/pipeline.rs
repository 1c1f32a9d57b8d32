//! The requests of one session, in order, from the call to the reply.
//!
//! A request gets its sequence when it is first sent, so one that was never sent can be taken back. After
//! that it keeps its sequence until it is replied to, and every later request waits for it: the cluster
//! sequences a session's requests without gaps. A refused request rewinds the pipeline to itself; a new leader
//! rewinds it to its beginning.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use wire::link::{self, Frame, Refusal};
use wire::{PartitionId, Sequence, SessionId};

use super::RequestKey;
use crate::ClusterError;
use crate::config::Patience;

/// How the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// To be opened, under this nonce until it is.
    Opening {
        nonce: u128,
        sent: Option<Instant>,
    },
    Open(SessionId),
}

/// A request that is answered, and by when it should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) key: RequestKey,
    pub(super) deadline: Instant,
}

#[derive(Debug)]
struct Entry {
    /// Ascending along the pipeline.
    key: RequestKey,
    /// Empty: fills its sequence and does nothing.
    payload: Vec<u8>,
    waiter: Option<Waiter>,
    /// Sends to the current leader that were neither replied to nor refused.
    unanswered: u32,
    /// Whether a send went unanswered with a leader lost: it may be sequenced, whatever is said later.
    is_doubtful: bool,
    is_replied: bool,
}

#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) partition: PartitionId,
    pub(super) phase: Phase,
    /// Nobody will make requests any more; forgotten once empty.
    pub(super) is_closing: bool,
    /// The sequence of `entries[0]`.
    first: u64,
    entries: VecDeque<Entry>,
    /// How many entries at the front have been sent at least once and so own their sequence.
    assigned: usize,
    /// The next entry to send to the current leader; never above `assigned` + 1 while entries wait.
    cursor: usize,
    blocked_until: Option<Instant>,
    back_off: Duration,
    last_activity: Instant,
}

impl Pipeline {
    pub(super) fn new(partition: PartitionId, nonce: u128, now: Instant, patience: &Patience) -> Pipeline {
        Pipeline {
            partition,
            phase: Phase::Opening { nonce, sent: None },
            is_closing: false,
            first: 1,
            entries: VecDeque::new(),
            assigned: 0,
            cursor: 0,
            blocked_until: None,
            back_off: patience.back_off.0,
            last_activity: now,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the leader owes an answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.assigned > 0 || matches!(self.phase, Phase::Opening { .. })
    }

    /// Appends a request; `Busy` when the window is full.
    pub(super) fn offer(
        &mut self,
        key: RequestKey,
        payload: Vec<u8>,
        deadline: Instant,
        patience: &Patience,
    ) -> Result<(), ClusterError> {
        if self.entries.len() >= patience.window {
            return Err(ClusterError::Busy);
        }
        self.push(key, payload, Some(Waiter { key, deadline }));
        Ok(())
    }

    fn push(&mut self, key: RequestKey, payload: Vec<u8>, waiter: Option<Waiter>) {
        let entry = Entry { key, payload, waiter, unanswered: 0, is_doubtful: false, is_replied: false };
        self.entries.push_back(entry);
    }

    /// Sends what may be sent now. While the leader is not `confirmed`, one request alone.
    pub(super) fn send(&mut self, now: Instant, is_confirmed: bool, out: &mut Vec<u8>) {
        if self.blocked_until.is_some_and(|until| now < until) {
            return;
        }
        self.blocked_until = None;
        let session = match &mut self.phase {
            Phase::Opening { nonce, sent } => {
                if sent.is_none() {
                    *sent = Some(now);
                    let open = link::OpenSession { partition: self.partition, nonce: *nonce };
                    Frame::OpenSession(open).encode(out);
                }
                return;
            }
            Phase::Open(session) => *session,
        };
        while let Some(entry) = self.entries.get_mut(self.cursor) {
            if !is_confirmed && self.cursor > 0 {
                break;
            }
            if !entry.is_replied {
                entry.unanswered += 1;
                self.last_activity = now;
                let acknowledged_below = Sequence::new(self.first);
                #[cfg(feature = "planted")]
                let acknowledged_below = match wire::planted::is(wire::planted::Bug::AcknowledgesTooMuch) {
                    true => acknowledged_below.next(),
                    false => acknowledged_below,
                };
                let request = link::Request {
                    partition: self.partition,
                    session,
                    sequence: Sequence::new(self.first + self.cursor as u64),
                    acknowledged_below,
                };
                Frame::Request(request, &entry.payload).encode(out);
            }
            self.cursor += 1;
            self.assigned = self.assigned.max(self.cursor);
        }
    }

    /// The session is open. A repeated announcement of the same session changes nothing.
    pub(super) fn on_opened(&mut self, session: SessionId, now: Instant) {
        self.phase = Phase::Open(session);
        self.last_activity = now;
        self.unblock();
    }

    fn unblock(&mut self) {
        self.blocked_until = None;
    }

    /// A reply has come: who waited for it, or `None` when it is a repeated reply or nobody waits any more.
    pub(super) fn on_reply(&mut self, sequence: Sequence, now: Instant, patience: &Patience) -> Option<Waiter> {
        let index = self.index_of(sequence)?;
        let entry = &mut self.entries[index];
        entry.is_replied = true;
        entry.payload = Vec::new();
        let waiter = entry.waiter.take();
        self.last_activity = now;
        self.back_off = patience.back_off.0;
        while self.entries.front().is_some_and(|entry| entry.is_replied) {
            self.entries.pop_front();
            self.first += 1;
            self.assigned -= 1;
            self.cursor = self.cursor.saturating_sub(1);
        }
        waiter
    }

    /// The leader has not sequenced what it was sent under this sequence. Returns who is to be told that it
    /// never will be, when no repetition helps.
    pub(super) fn on_refused(
        &mut self,
        refused: &link::Refused,
        now: Instant,
        patience: &Patience,
    ) -> Option<(Waiter, ClusterError)> {
        let index = self.index_of(refused.sequence)?;
        let entry = &mut self.entries[index];
        entry.unanswered = entry.unanswered.saturating_sub(1);
        if entry.is_replied || entry.unanswered > 0 {
            // A later copy is on its way.
            return None;
        }
        let mut told = None;
        match refused.refusal {
            Refusal::Malformed | Refusal::NotPermitted => {
                // Its sequence must be filled before the session can go on: with a request that does nothing.
                entry.payload = Vec::new();
                told = entry.waiter.take().map(|waiter| (waiter, ClusterError::Refused(refused.refusal)));
            }
            Refusal::TooOld => {
                // It was sequenced, and its reply is forgotten.
                let told = entry.waiter.take().map(|waiter| (waiter, ClusterError::OutcomeUnknown));
                self.on_reply(refused.sequence, now, patience);
                return told;
            }
            _ => {}
        }
        let mut rewind_to = index;
        if refused.refusal == Refusal::SequenceGap {
            let expected = self.index_of(Sequence::new(refused.detail)).unwrap_or(0);
            rewind_to = rewind_to.min(expected);
        }
        if rewind_to < self.cursor {
            self.cursor = rewind_to;
            self.last_activity = now;
            self.block(now, patience);
        }
        told
    }

    /// Waits a little, longer each time, before anything is sent again.
    pub(super) fn block(&mut self, now: Instant, patience: &Patience) {
        self.blocked_until = Some(now + self.back_off);
        self.back_off = (self.back_off * 2).min(patience.back_off.1);
    }

    /// Opening was refused, or went unanswered: ask again after `wait`.
    pub(super) fn reopen_after(&mut self, now: Instant, wait: Duration) {
        if let Phase::Opening { sent, .. } = &mut self.phase {
            *sent = None;
            self.blocked_until = Some(now + wait);
        }
    }

    /// The leader is another one, or the connection to it was lost: everything is to be sent again.
    pub(super) fn rewind(&mut self) {
        for entry in self.entries.range_mut(..self.assigned) {
            entry.is_doubtful |= entry.unanswered > 0;
            entry.unanswered = 0;
        }
        if let Phase::Opening { sent, .. } = &mut self.phase {
            *sent = None;
        }
        self.cursor = 0;
        self.unblock();
    }

    /// The session is no more. Returns who waits for requests that may have been sequenced in it; the others
    /// wait for the session opened under `nonce`.
    pub(super) fn expire(&mut self, nonce: u128) -> Vec<Waiter> {
        let lost = self.entries.drain(..self.assigned).filter_map(|entry| entry.waiter).collect();
        self.phase = Phase::Opening { nonce, sent: None };
        self.first = 1;
        self.assigned = 0;
        self.cursor = 0;
        self.unblock();
        lost
    }

    /// Fails every request that was never sent: the session cannot be opened.
    pub(super) fn fail_unsent(&mut self) -> Vec<Waiter> {
        self.entries.drain(self.assigned..).filter_map(|entry| entry.waiter).collect()
    }

    /// Who waits, and until when.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = (Instant, RequestKey)> {
        self.entries.iter().filter_map(|entry| entry.waiter).map(|waiter| (waiter.deadline, waiter.key))
    }

    /// Time is up for whoever waits for the request `key`. Says what can be said of its fate.
    pub(super) fn on_deadline(&mut self, key: RequestKey) -> Option<ClusterError> {
        let index = self.entries.partition_point(|entry| entry.key < key);
        let entry = self.entries.get_mut(index).filter(|entry| entry.key == key)?;
        entry.waiter.take()?;
        if index >= self.assigned {
            self.entries.remove(index);
            return Some(ClusterError::Unavailable);
        }
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::CommandComesBack) {
            return Some(ClusterError::Timeout);
        }
        // What is sent under its sequence from now on does nothing. What was sent before may execute, and then answers
        // whatever comes under that sequence. The caller has been told something, and may have acted on it elsewhere: his
        // command must not come back when a network heals, long after its names are forgotten.
        entry.payload = Vec::new();
        let was_refused = entry.unanswered == 0 && !entry.is_doubtful;
        Some(if was_refused { ClusterError::Busy } else { ClusterError::Timeout })
    }

    /// Does what is due by the clock. `key` names a keep-alive, should one be needed; whether it was.
    pub(super) fn on_timeout(&mut self, now: Instant, key: RequestKey, patience: &Patience) -> bool {
        if self.blocked_until.is_some_and(|until| until <= now) {
            self.unblock();
        }
        match self.phase {
            Phase::Opening { sent: Some(sent), .. } if now >= sent + patience.resend => {
                self.reopen_after(now, Duration::ZERO);
            }
            Phase::Open(_) if self.is_stale() && now >= self.last_activity + patience.resend => {
                self.cursor = 0;
                self.last_activity = now;
            }
            Phase::Open(_)
                if self.is_empty() && !self.is_closing && now >= self.last_activity + patience.keep_alive =>
            {
                self.push(key, Vec::new(), None);
                self.last_activity = now;
                return true;
            }
            _ => {}
        }
        false
    }

    /// Whether everything was sent and something is not answered.
    fn is_stale(&self) -> bool {
        self.assigned > 0 && self.cursor >= self.assigned
    }

    /// When to look at the clock next.
    pub(super) fn next_timeout(&self, patience: &Patience) -> Option<Instant> {
        let due = match self.phase {
            Phase::Opening { sent, .. } => sent.map(|sent| sent + patience.resend),
            Phase::Open(_) if self.is_stale() => Some(self.last_activity + patience.resend),
            Phase::Open(_) if self.is_empty() && !self.is_closing => Some(self.last_activity + patience.keep_alive),
            Phase::Open(_) => None,
        };
        [due, self.blocked_until].into_iter().flatten().min()
    }

    /// Where the request with this sequence is, if it was sent and not yet forgotten.
    fn index_of(&self, sequence: Sequence) -> Option<usize> {
        let index = usize::try_from(sequence.get().checked_sub(self.first)?).ok()?;
        (index < self.assigned).then_some(index)
    }
}
