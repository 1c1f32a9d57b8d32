//! The committed log of one partition, as the first replica to apply an entry shows it, and what a witness that is no
//! replica makes of it.
//!
//! The witness runs the cells beside everybody, one command after the other, so that checkers see the state after
//! every command. Which requests are executed it decides by a session table of its own, written from the rules.

use std::collections::BTreeMap;

use engine::{Output, Partition, PartitionConfig};
use replicator::entry::{Batch, Kind};
use wire::codec::{CodecError, v1};
use wire::command::Reply;
use wire::{Command, Event, Incarnation, LogPosition, Origin, PartitionId, RejectReason, SessionId, Timestamp};

use super::store::CHANGES_MEMBERS;
use super::trace::hash;

/// Who looks at every command that is committed.
pub type Look<'a> = &'a mut dyn FnMut(&Record, &Partition) -> Result<(), String>;

/// One command as it was committed, and what it did.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place.
    pub position: LogPosition,
    /// The log entry it is in.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// When it was sequenced.
    pub timestamp: Timestamp,
    /// Whose request it was; `Origin::INTERNAL` when it was nobody's or was not executed.
    pub origin: Origin,
    /// The command, if the cells were asked.
    pub command: Option<Command>,
    /// Its bytes in the log.
    pub payload: Vec<u8>,
    /// What the cells answered.
    pub reply: Reply,
    /// What happened.
    pub events: Vec<Event>,
    /// The same in bytes.
    pub event_bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    term: u64,
    hash: u64,
}

/// See the module.
pub struct History {
    partition: PartitionId,
    entries: Vec<Entry>,
    records: Vec<Record>,
    witness: Partition,
    sessions: Sessions,
    output: Output,
    now: Timestamp,
    batch_term: u64,
    /// Of snapshots by index: all replicas write the same.
    snapshots: BTreeMap<u64, u64>,
}

impl History {
    /// Nothing is committed yet.
    pub fn new(config: PartitionConfig, session_expiry_ns: u64) -> History {
        History {
            partition: config.partition,
            entries: Vec::new(),
            records: Vec::new(),
            witness: Partition::new(config),
            sessions: Sessions { expiry_ns: session_expiry_ns, ..Sessions::default() },
            output: Output::default(),
            now: Timestamp::ZERO,
            batch_term: 0,
            snapshots: BTreeMap::new(),
        }
    }

    /// The last entry that anybody has applied.
    pub fn last_index(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The last position that anybody has applied.
    pub fn last_position(&self) -> LogPosition {
        LogPosition::new(self.records.len() as u64)
    }

    /// What is committed at a position.
    pub fn record(&self, position: LogPosition) -> Option<&Record> {
        self.records.get(usize::try_from(position.get().checked_sub(1)?).ok()?)
    }

    /// Everything committed, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The cells after the last position.
    pub fn witness(&self) -> &Partition {
        &self.witness
    }

    /// A replica has applied this entry. `look` is shown every command of it that is news, with the cells as they are
    /// after it. `Err` when the entry is not what another replica has applied there, or `look` objects.
    pub fn applied(&mut self, index: u64, term: u64, data: &[u8], look: Look<'_>) -> Result<(), String> {
        let hash = hash(data);
        if let Some(known) = self.entries.get(index as usize - 1) {
            if (known.term, known.hash) != (term, hash) {
                return Err(format!(
                    "partition {}: entry {index} was committed in term {} and is now applied as of term {term}{}",
                    self.partition,
                    known.term,
                    if known.hash == hash { "" } else { " with other contents" }
                ));
            }
            return Ok(());
        }
        if index != self.last_index() + 1 {
            return Err(format!("partition {}: entry {index} was applied before entry {}", self.partition, index - 1));
        }
        self.execute(index, term, data, look)?;
        self.entries.push(Entry { term, hash });
        Ok(())
    }

    /// A replica saved a snapshot of this index. `Err` when another one's has other bytes.
    pub fn saved(&mut self, index: u64, hash: u64) -> Result<(), String> {
        let known = *self.snapshots.entry(index).or_insert(hash);
        if known == hash {
            return Ok(());
        }
        Err(format!("partition {}: two snapshots at entry {index} differ", self.partition))
    }

    /// A command of another life, in this one again: what a life begins with that goes on from the other. Its entry is noted
    /// by [`History::repeat_entries`].
    pub fn repeat(&mut self, record: &Record, look: Look<'_>) -> Result<(), String> {
        self.now = record.timestamp;
        if record.term != self.batch_term {
            self.witness.begin_term(self.now);
        }
        self.batch_term = record.term;
        if let Some(command) = &record.command {
            self.witness.apply(record.position, self.now, command, &mut self.output);
            if (self.output.reply, &self.output.events) != (record.reply, &record.events) {
                let (partition, Record { position, events, .. }) = (self.partition, record);
                let again = &self.output.events;
                return Err(format!(
                    "partition {partition}: {command:?} at {position} does {again:?}, it did {events:?}"
                ));
            }
        }
        look(record, &self.witness)?;
        self.records.push(record.clone());
        Ok(())
    }

    /// The entries of another life up to this one are those of this one. Sessions are not: their clients are of the other.
    pub fn repeat_entries(&mut self, from: &History, upto: u64) {
        self.entries.extend_from_slice(&from.entries[..upto as usize]);
    }

    /// A new life of the log begins.
    pub fn begin_life(&mut self, incarnation: Incarnation) {
        self.witness.begin_life(incarnation);
    }

    fn execute(&mut self, index: u64, term: u64, data: &[u8], look: Look<'_>) -> Result<(), String> {
        if data.is_empty() || data[0] == CHANGES_MEMBERS {
            return Ok(());
        }
        let unreadable = |error: CodecError| format!("entry {index} cannot be read: {error:?}");
        let mut batch = Batch::decode(data).map_err(unreadable)?;
        self.now = self.now.max(batch.timestamp);
        self.sessions.begin(self.now, term != self.batch_term);
        if term != self.batch_term {
            self.witness.begin_term(self.now);
        }
        self.batch_term = term;
        while let Some(asked) = batch.next_command().map_err(unreadable)? {
            let position = self.last_position().next();
            let (is_executed, origin) = match asked.kind {
                Kind::Internal | Kind::Version(_) => (true, Origin::INTERNAL),
                Kind::Quarantine(spot) => return Err(format!("{spot:?} was put aside, and nothing here panics")),
                Kind::Drain { .. } => (false, Origin::INTERNAL),
                Kind::OpenSession(nonce) => {
                    self.sessions.open(nonce, position, self.now);
                    (false, Origin::INTERNAL)
                }
                Kind::Request { origin, .. } => {
                    let is_next = self.sessions.is_next(origin, self.now);
                    (is_next, if is_next { origin } else { Origin::INTERNAL })
                }
            };
            let mut record = Record {
                position,
                index,
                term,
                timestamp: self.now,
                origin,
                command: None,
                payload: asked.payload.to_vec(),
                reply: Reply::Accepted { id: 0 },
                events: Vec::new(),
                event_bytes: Vec::new(),
            };
            if is_executed && !asked.payload.is_empty() {
                match v1::decode_command(asked.payload) {
                    Ok(command) => {
                        self.witness.apply(position, self.now, &command, &mut self.output);
                        (record.reply, record.command) = (self.output.reply, Some(command));
                        record.events.extend_from_slice(&self.output.events);
                        for event in &record.events {
                            v1::encode_event(event, &mut record.event_bytes);
                        }
                    }
                    Err(_) => record.reply = Reply::Rejected { reason: RejectReason::Malformed, id: 0 },
                }
            }
            look(&record, &self.witness)?;
            self.records.push(record);
        }
        Ok(())
    }
}

/// Which requests are executed: the next of its session, and no other.
#[derive(Debug, Default)]
struct Sessions {
    expiry_ns: u64,
    open: BTreeMap<SessionId, Session>,
    idle_from: Timestamp,
    sweep_at: Timestamp,
}

#[derive(Debug)]
struct Session {
    nonce: u128,
    next: u64,
    seen: Timestamp,
}

impl Sessions {
    /// Sessions that are idle for too long are swept sixteen times while one expires; a new leader gives all of them
    /// their time again.
    fn begin(&mut self, now: Timestamp, is_first_of_term: bool) {
        if is_first_of_term {
            self.idle_from = now;
        }
        if now >= self.sweep_at {
            self.sweep_at = now.plus_nanos(self.expiry_ns / 16);
            let (idle_from, expiry_ns) = (self.idle_from, self.expiry_ns);
            self.open.retain(|_, session| now <= session.seen.max(idle_from).plus_nanos(expiry_ns));
        }
    }

    fn open(&mut self, nonce: u128, position: LogPosition, now: Timestamp) {
        match self.open.values_mut().find(|session| session.nonce == nonce) {
            Some(session) => session.seen = now,
            None => {
                self.open.insert(SessionId::new(position.get()), Session { nonce, next: 1, seen: now });
            }
        }
    }

    fn is_next(&mut self, origin: Origin, now: Timestamp) -> bool {
        let (idle_from, expiry_ns) = (self.idle_from, self.expiry_ns);
        self.open
            .retain(|id, session| *id != origin.session || now <= session.seen.max(idle_from).plus_nanos(expiry_ns));
        let Some(session) = self.open.get_mut(&origin.session) else { return false };
        session.seen = now;
        let is_next = session.next == origin.sequence.get();
        session.next += u64::from(is_next);
        is_next
    }
}
