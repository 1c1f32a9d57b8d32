//! What a log entry holds: a batch of commands with one timestamp.
//!
//! | offset | field | unit |
//! |---|---|---|
//! | 0 | version | u8: 1 |
//! | 1 | timestamp | u64: ns since the Unix epoch |
//! | 9 | commands | u32: count |
//! | 13 | each command | tag u8, its fields, payload length u32, payload |
//!
//! Tags: 1 open session (nonce u128), 2 request (session u64, sequence u64, acknowledged below u64), 3 internal,
//! 4 quarantine (position u64, step u32), 5 drain (node u64, whether it begins u8), 6 version (u16).
//! Little-endian. The empty entry is Raft's own, with which a leader begins its term.

use raft::eraftpb::{Entry, EntryType};

use crate::Spot;
use wire::codec::{CodecError, Reader, Writer};
use wire::{NodeId, Origin, Sequence, SessionId, Timestamp};

const VERSION: u8 = 1;
const TIMESTAMP_AT: usize = 1;
const COUNT_AT: usize = 9;
const HEADER_LEN: usize = 13;
const OPEN_SESSION: u8 = 1;
const REQUEST: u8 = 2;
const INTERNAL: u8 = 3;
const QUARANTINE: u8 = 4;
const DRAIN: u8 = 5;
const BEHAVE: u8 = 6;

/// The bytes of a command beside its payload, at most.
pub const COMMAND_OVERHEAD: usize = 1 + 24 + 4;

/// Who sent a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Opens the session that belongs to this nonce. No payload.
    OpenSession(u128),
    /// A request of a session.
    Request {
        /// Which session's which request.
        origin: Origin,
        /// The client has the replies below.
        acknowledged_below: Sequence,
    },
    /// Of no session: mail, ticks.
    Internal,
    /// Puts a part of an earlier command aside. No payload.
    Quarantine(Spot),
    /// A node is to lead nothing, or may lead again. No payload.
    Drain {
        /// Which node.
        node: NodeId,
        /// Whether it is to lead nothing.
        begins: bool,
    },
    /// The machine behaves by this version from here on. The payload is the machine's own command for it.
    Version(u16),
}

/// One command of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// Who sent it.
    pub kind: Kind,
    /// For the state machine.
    pub payload: &'a [u8],
}

/// A batch under construction, already in the bytes of its entry.
#[derive(Debug, Clone)]
pub struct BatchWriter {
    bytes: Vec<u8>,
    count: u32,
}

impl BatchWriter {
    /// Without commands.
    pub fn new(capacity: usize) -> BatchWriter {
        let mut bytes = Vec::with_capacity(capacity.max(HEADER_LEN));
        bytes.push(VERSION);
        bytes.resize(HEADER_LEN, 0);
        BatchWriter { bytes, count: 0 }
    }

    /// Appends a command.
    pub fn push(&mut self, kind: Kind, payload: &[u8]) {
        let mut to = Writer::new(&mut self.bytes);
        match kind {
            Kind::OpenSession(nonce) => {
                to.put(&OPEN_SESSION);
                to.put(&nonce);
            }
            Kind::Request { origin, acknowledged_below } => {
                to.put(&REQUEST);
                to.put(&origin.session);
                to.put(&origin.sequence);
                to.put(&acknowledged_below);
            }
            Kind::Internal => to.put(&INTERNAL),
            Kind::Quarantine(spot) => {
                to.put(&QUARANTINE);
                to.put(&spot.position);
                to.put(&spot.step);
            }
            Kind::Drain { node, begins } => {
                to.put(&DRAIN);
                to.put(&node);
                to.put(&begins);
            }
            Kind::Version(version) => {
                to.put(&BEHAVE);
                to.put(&version);
            }
        }
        to.put(&u32::try_from(payload.len()).expect("the sequencer bounds commands"));
        to.bytes(payload);
        self.count += 1;
    }

    /// Bytes so far.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Commands so far.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// The entry's data, stamped.
    pub fn finish(mut self, timestamp: Timestamp) -> Vec<u8> {
        self.bytes[TIMESTAMP_AT..COUNT_AT].copy_from_slice(&timestamp.nanos().to_le_bytes());
        self.bytes[COUNT_AT..HEADER_LEN].copy_from_slice(&self.count.to_le_bytes());
        self.bytes
    }
}

/// A batch as it is in the log. Reading it never panics.
#[derive(Clone)]
pub struct Batch<'a> {
    /// When its leader sequenced it.
    pub timestamp: Timestamp,
    left: u32,
    rest: Reader<'a>,
}

impl<'a> Batch<'a> {
    /// Reads the header; the commands are read by [`Batch::next_command`].
    pub fn decode(data: &'a [u8]) -> Result<Batch<'a>, CodecError> {
        let mut from = Reader::new(data);
        if from.get::<u8>()? != VERSION {
            return Err(CodecError::UnknownNumber);
        }
        Ok(Batch { timestamp: from.get()?, left: from.get()?, rest: from })
    }

    /// The next command, `None` after the last.
    pub fn next_command(&mut self) -> Result<Option<Command<'a>>, CodecError> {
        if self.left == 0 {
            return if self.rest.is_empty() { Ok(None) } else { Err(CodecError::TrailingBytes) };
        }
        self.left -= 1;
        let kind = match self.rest.get::<u8>()? {
            OPEN_SESSION => Kind::OpenSession(self.rest.get()?),
            REQUEST => Kind::Request {
                origin: Origin { session: self.rest.get::<SessionId>()?, sequence: self.rest.get::<Sequence>()? },
                acknowledged_below: self.rest.get()?,
            },
            INTERNAL => Kind::Internal,
            QUARANTINE => Kind::Quarantine(Spot { position: self.rest.get()?, step: self.rest.get()? }),
            DRAIN => Kind::Drain { node: self.rest.get()?, begins: self.rest.get()? },
            BEHAVE => Kind::Version(self.rest.get()?),
            _ => return Err(CodecError::UnknownNumber),
        };
        let len = self.rest.get::<u32>()? as usize;
        Ok(Some(Command { kind, payload: self.rest.bytes(len)? }))
    }
}

/// How many commands a log entry holds.
pub fn count(entry: &Entry) -> Result<u64, CodecError> {
    if entry.get_entry_type() != EntryType::EntryNormal || entry.data.is_empty() {
        return Ok(0);
    }
    Batch::decode(&entry.data).map(|batch| batch.left.into())
}

/// Whether an entry's data can be applied: checked before an entry is written and of every entry that a peer sends.
pub fn check(data: &[u8]) -> Result<(), CodecError> {
    if data.is_empty() {
        return Ok(());
    }
    let mut batch = Batch::decode(data)?;
    while batch.next_command()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests;
