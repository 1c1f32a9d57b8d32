//! The session table: why a request that is sent twice is executed once.
//!
//! It is replicated: only log entries change it, in the same way on every replica, and it is part of the
//! snapshot. A client opens a session with a nonce and numbers its requests from 1 without gaps. The next
//! number is executed; an older one is answered from the replies that are still cached; anything else is
//! refused. A session that has expired is unknown for ever, because its id, a log position, is never reused.

mod cached;

use std::collections::{BTreeMap, VecDeque};

use wire::codec::{CodecError, Reader, Writer};
use wire::link::Refusal;
use wire::{LogPosition, Origin, Sequence, SessionId, Timestamp};

pub use self::cached::Cached;
use crate::SessionLimits;

/// Sessions are swept this many times while one expires.
const SWEEPS_PER_EXPIRY: u64 = 16;

/// All sessions of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sessions {
    limits: SessionLimits,
    by_id: BTreeMap<SessionId, Session>,
    by_nonce: BTreeMap<u128, SessionId>,
    /// Nobody was idle before this: a new leader's first batch starts everybody's time again, because
    /// clients could not reach a leader that was not there.
    idle_from: Timestamp,
    sweep_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    nonce: u128,
    next: Sequence,
    seen: Timestamp,
    /// Of the requests right before `next`, oldest first.
    replies: VecDeque<Cached>,
}

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is the next: execute it, then call [`Sessions::executed`].
    Execute,
    /// It was executed before: answer this.
    Answer(&'a Cached),
    /// Neither.
    Refuse(Refusal, u64),
}

impl Sessions {
    /// No sessions.
    pub fn new(limits: SessionLimits) -> Sessions {
        Sessions {
            limits,
            by_id: BTreeMap::new(),
            by_nonce: BTreeMap::new(),
            idle_from: Timestamp::ZERO,
            sweep_at: Timestamp::ZERO,
        }
    }

    /// The table without its sessions.
    #[cfg(feature = "planted")]
    pub fn emptied(&self) -> Sessions {
        Sessions::new(self.limits.clone())
    }

    /// Open sessions.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// A batch begins: sessions expire by its time.
    pub fn begin_batch(&mut self, now: Timestamp, first_of_term: bool) {
        if first_of_term {
            self.idle_from = now;
        }
        if now < self.sweep_at {
            return;
        }
        self.sweep_at = now.plus_nanos(self.limits.expiry_ns / SWEEPS_PER_EXPIRY);
        let (idle_from, expiry_ns, by_nonce) = (self.idle_from, self.limits.expiry_ns, &mut self.by_nonce);
        self.by_id.retain(|_, session| {
            let alive = now <= session.seen.max(idle_from).plus_nanos(expiry_ns);
            if !alive {
                by_nonce.remove(&session.nonce);
            }
            alive
        });
    }

    /// Opens a session, or finds the one that this nonce opened before.
    pub fn open(&mut self, nonce: u128, position: LogPosition, now: Timestamp) -> Result<SessionId, Refusal> {
        if let Some(id) = self.by_nonce.get(&nonce) {
            let session = self.by_id.get_mut(id).expect("both maps name the same sessions");
            session.seen = now;
            return Ok(*id);
        }
        if self.by_id.len() >= self.limits.sessions_max {
            return Err(Refusal::TooManySessions);
        }
        let id = SessionId::new(position.get());
        self.by_nonce.insert(nonce, id);
        self.by_id.insert(id, Session { nonce, next: Sequence::new(1), seen: now, replies: VecDeque::new() });
        Ok(id)
    }

    /// What to do with a request that was sequenced now.
    pub fn judge(&mut self, origin: Origin, acknowledged_below: Sequence, now: Timestamp) -> Verdict<'_> {
        let expired = |session: &Session| now > session.seen.max(self.idle_from).plus_nanos(self.limits.expiry_ns);
        if self.by_id.get(&origin.session).is_some_and(expired) {
            let session = self.by_id.remove(&origin.session).expect("it was found");
            self.by_nonce.remove(&session.nonce);
        }
        let Some(session) = self.by_id.get_mut(&origin.session) else {
            return Verdict::Refuse(Refusal::SessionUnknown, 0);
        };
        session.seen = now;
        session.forget_below(acknowledged_below);
        session.judge(origin.sequence)
    }

    /// The reply of a request that was executed, without touching anything.
    pub fn cached(&self, origin: Origin) -> Option<&Cached> {
        self.by_id.get(&origin.session)?.cached(origin.sequence)
    }

    /// The request that was judged [`Verdict::Execute`] has been executed.
    pub fn executed(&mut self, origin: Origin, reply: Cached) {
        let session = self.by_id.get_mut(&origin.session).expect("the request was judged in this session");
        assert_eq!(session.next, origin.sequence, "requests are executed in order");
        session.next = session.next.next();
        session.replies.push_back(reply);
        if session.replies.len() > self.limits.replies_max {
            session.replies.pop_front();
        }
    }

    /// Appends the whole table.
    pub fn snapshot(&self, bytes: &mut Vec<u8>) {
        let mut to = Writer::new(bytes);
        to.put(&self.idle_from);
        to.put(&self.sweep_at);
        to.put(&(self.by_id.len() as u64));
        for (id, session) in &self.by_id {
            to.put(id);
            to.put(&session.nonce);
            to.put(&session.next);
            to.put(&session.seen);
            to.put(&(session.replies.len() as u64));
            for reply in &session.replies {
                to.put(&reply.position);
                to.put(&(reply.payload.len() as u64));
                to.bytes(&reply.payload);
            }
        }
    }

    /// Reads what `snapshot` wrote.
    pub fn restore(limits: SessionLimits, bytes: &[u8]) -> Result<Sessions, CodecError> {
        let mut from = Reader::new(bytes);
        let mut sessions = Sessions::new(limits);
        sessions.idle_from = from.get()?;
        sessions.sweep_at = from.get()?;
        for _ in 0..from.get::<u64>()? {
            let id = from.get::<SessionId>()?;
            let nonce = from.get::<u128>()?;
            let mut session = Session { nonce, next: from.get()?, seen: from.get()?, replies: VecDeque::new() };
            for _ in 0..from.get::<u64>()? {
                let position = from.get()?;
                let len = usize::try_from(from.get::<u64>()?).map_err(|_| CodecError::TooLong)?;
                session.replies.push_back(Cached { position, payload: from.bytes(len)?.into() });
            }
            if session.next.get() <= session.replies.len() as u64 {
                return Err(CodecError::OutOfRange);
            }
            sessions.by_nonce.insert(nonce, id);
            sessions.by_id.insert(id, session);
        }
        from.finish()?;
        Ok(sessions)
    }
}

impl Session {
    fn first_cached(&self) -> u64 {
        self.next.get() - self.replies.len() as u64
    }

    fn forget_below(&mut self, acknowledged_below: Sequence) {
        let forget = acknowledged_below.get().saturating_sub(self.first_cached());
        let forget = usize::try_from(forget).unwrap_or(usize::MAX).min(self.replies.len());
        self.replies.drain(..forget);
    }

    fn cached(&self, sequence: Sequence) -> Option<&Cached> {
        let place = sequence.get().checked_sub(self.first_cached())?;
        self.replies.get(usize::try_from(place).ok()?)
    }

    fn judge(&self, sequence: Sequence) -> Verdict<'_> {
        if sequence == self.next {
            return Verdict::Execute;
        }
        if sequence > self.next {
            return Verdict::Refuse(Refusal::SequenceGap, self.next.get());
        }
        match self.cached(sequence) {
            Some(reply) => Verdict::Answer(reply),
            None => Verdict::Refuse(Refusal::TooOld, self.first_cached()),
        }
    }
}

#[cfg(test)]
mod tests;
