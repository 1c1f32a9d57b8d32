//! What replicas of one partition send each other: Raft's messages, and snapshots in pieces.
//!
//! | tag | message | fields |
//! |---|---|---|
//! | 1 | Raft | a `raft::eraftpb::Message` in protobuf |
//! | 2 | chunk of a snapshot | term u64, index u64, index's term u64, total length u64, offset u64, bytes |
//! | 3 | received of a snapshot | term u64, index u64, bytes u64 |
//! | 4 | broken | position u64, step u32 |
//! | 5 | introduction | standing, whether it belongs u8; of one that is new: who it knows to be new: u16 count, each: node u64, number u32; of one that wants to stay a learner: u8 of 1 |
//! | 6 | scarce: the sender's disk is nearly full | |
//! | 7 | how far a leader is | term u64, committed u64, log time u64 |
//! | 8 | versions that the sender's machine can behave by | first u16, last u16; a leader's asks for the receiver's |
//! | 9 | what a learner lacks of the past | term u64, member u64, applied index u64, positions u64, whether nobody has them u8 |
//! | 10 | how far a leader's log is on its disk | term u64, the receiver's member u64, index u64 |
//! | 11 | a standby goes on from what it is told by 10 | term u64, the sender's member u64 |

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use protobuf::Message as _;
use raft::eraftpb::Message;
use wire::codec::{CodecError, Reader, Writer};
use wire::{NodeId, Timestamp};

use super::past::Told;
use super::quarantine::Spot;
use super::stored::{Attends, Stored};
use crate::standing::{self, Standing};

const RAFT: u8 = 1;
const CHUNK: u8 = 2;
const RECEIVED: u8 = 3;
const BROKEN: u8 = 4;
const INTRODUCTION: u8 = 5;
const SCARCE: u8 = 6;
const REACHED: u8 = 7;
const VERSIONS: u8 = 8;
const PAST: u8 = 9;
const STORED: u8 = 10;
const ATTENDS: u8 = 11;

/// One message between replicas.
#[derive(Debug)]
pub(super) enum Envelope<'a> {
    Raft(Box<Message>),
    Chunk(Chunk<'a>),
    Received(Received),
    Broken(Spot),
    Introduction(Introduction),
    Scarce,
    Reached(Reached),
    Versions(RangeInclusive<u16>),
    Past(Told),
    Stored(Stored),
    Attends(Attends),
}

/// How far a leader is, as it tells learners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    pub term: u64,
    /// The last log index that is committed.
    pub committed: u64,
    /// Log time by its clock.
    pub time: Timestamp,
}

/// What somebody says of itself.
#[derive(Debug, Clone)]
pub(super) struct Introduction {
    pub standing: Standing,
    /// Whether it has a state that says that it is a member.
    pub is_member: bool,
    /// Whether it wants to stay a learner.
    pub stays_learner: bool,
    /// While it is new: the numbers of all that it knows to be new, its own among them.
    pub numbers: BTreeMap<NodeId, u32>,
}

/// A piece of a snapshot, from the leader.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    /// The leader's term.
    pub term: u64,
    /// Where the snapshot was taken, and the term there.
    pub at: (u64, u64),
    /// Bytes of the whole.
    pub total: u64,
    /// Where this piece begins.
    pub offset: u64,
    pub bytes: &'a [u8],
}

/// How much of a snapshot has arrived without gaps, from a standby.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    pub term: u64,
    pub index: u64,
    pub bytes: u64,
}

impl Envelope<'_> {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Envelope::Raft(message) => {
                // Entries may be long: a vector that grows under them copies them several times over.
                bytes.reserve_exact(1 + message.compute_size() as usize);
                bytes.push(RAFT);
                message.write_to_vec(&mut bytes).expect("a vector takes everything");
            }
            Envelope::Chunk(chunk) => {
                bytes.reserve_exact(1 + 5 * 8 + chunk.bytes.len());
                let mut to = Writer::new(&mut bytes);
                to.put(&CHUNK);
                for field in [chunk.term, chunk.at.0, chunk.at.1, chunk.total, chunk.offset] {
                    to.put(&field);
                }
                to.bytes(chunk.bytes);
            }
            Envelope::Broken(spot) => {
                let mut to = Writer::new(&mut bytes);
                to.put(&BROKEN);
                to.put(&spot.position);
                to.put(&spot.step);
            }
            Envelope::Introduction(said) => {
                let mut to = Writer::new(&mut bytes);
                to.put(&INTRODUCTION);
                said.standing.write(&mut to);
                to.put(&u8::from(said.is_member));
                if said.standing.is_new() {
                    to.put(&(said.numbers.len() as u16));
                    for (node, number) in &said.numbers {
                        to.put(node);
                        to.put(number);
                    }
                }
                if said.stays_learner {
                    to.put(&true);
                }
            }
            Envelope::Scarce => bytes.push(SCARCE),
            Envelope::Reached(reached) => {
                let mut to = Writer::new(&mut bytes);
                to.put(&REACHED);
                to.put(&reached.term);
                to.put(&reached.committed);
                to.put(&reached.time);
            }
            Envelope::Versions(versions) => {
                let mut to = Writer::new(&mut bytes);
                to.put(&VERSIONS);
                to.put(versions.start());
                to.put(versions.end());
            }
            Envelope::Past(told) => {
                let mut to = Writer::new(&mut bytes);
                to.put(&PAST);
                for field in [told.term, told.member, told.applied, told.missing] {
                    to.put(&field);
                }
                to.put(&told.is_lost);
            }
            Envelope::Stored(stored) => {
                let mut to = Writer::new(&mut bytes);
                to.put(&STORED);
                for field in [stored.term, stored.to, stored.index] {
                    to.put(&field);
                }
            }
            Envelope::Attends(said) => {
                let mut to = Writer::new(&mut bytes);
                to.put(&ATTENDS);
                to.put(&said.term);
                to.put(&said.member);
            }
            Envelope::Received(received) => {
                let mut to = Writer::new(&mut bytes);
                to.put(&RECEIVED);
                for field in [received.term, received.index, received.bytes] {
                    to.put(&field);
                }
            }
        }
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Envelope<'_>, CodecError> {
        let mut from = Reader::new(bytes);
        match from.get::<u8>()? {
            RAFT => {
                let mut message = Box::<Message>::default();
                message.merge_from_bytes(from.rest()).map_err(|_| CodecError::OutOfRange)?;
                Ok(Envelope::Raft(message))
            }
            CHUNK => Ok(Envelope::Chunk(Chunk {
                term: from.get()?,
                at: (from.get()?, from.get()?),
                total: from.get()?,
                offset: from.get()?,
                bytes: from.rest(),
            })),
            RECEIVED => {
                let received = Received { term: from.get()?, index: from.get()?, bytes: from.get()? };
                from.finish()?;
                Ok(Envelope::Received(received))
            }
            BROKEN => {
                let spot = Spot { position: from.get()?, step: from.get()? };
                from.finish()?;
                Ok(Envelope::Broken(spot))
            }
            INTRODUCTION => {
                let (standing, is_member) = (Standing::read(&mut from)?, from.get::<u8>()? != 0);
                let numbers = if standing.is_new() { standing::read_numbers(&mut from)? } else { BTreeMap::new() };
                let stays_learner = !from.is_empty() && from.get()?;
                from.finish()?;
                Ok(Envelope::Introduction(Introduction { standing, is_member, stays_learner, numbers }))
            }
            SCARCE => {
                from.finish()?;
                Ok(Envelope::Scarce)
            }
            REACHED => {
                let reached = Reached { term: from.get()?, committed: from.get()?, time: from.get()? };
                from.finish()?;
                Ok(Envelope::Reached(reached))
            }
            VERSIONS => {
                let versions = from.get()?..=from.get()?;
                from.finish()?;
                Ok(Envelope::Versions(versions))
            }
            PAST => {
                let (term, member, applied) = (from.get()?, from.get()?, from.get()?);
                let told = Told { term, member, applied, missing: from.get()?, is_lost: from.get()? };
                from.finish()?;
                Ok(Envelope::Past(told))
            }
            STORED => {
                let stored = Stored { term: from.get()?, to: from.get()?, index: from.get()? };
                from.finish()?;
                Ok(Envelope::Stored(stored))
            }
            ATTENDS => {
                let said = Attends { term: from.get()?, member: from.get()? };
                from.finish()?;
                Ok(Envelope::Attends(said))
            }
            _ => Err(CodecError::UnknownNumber),
        }
    }
}
