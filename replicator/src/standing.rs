//! What a store is to its group: whether what it holds is everything that its node has ever promised.
//!
//! A store that was never used is *new*, and draws a number. The stores of a new cluster find each other: when all are new
//! and each says the same numbers of all, they become *founders*, and remember these numbers. A new store that meets a
//! founder which does not know its number is one whose node has promised things on a disk that is lost: its node is
//! *returning*. It neither votes nor acknowledges as the member it was; the leader makes it a learner under its number, and
//! a voter when it has caught up.
//!
//! | field | unit |
//! |---|---|
//! | kind | u8: 1 new, 2 founder, 3 returning |
//! | number | u32: 0 of a founder |
//! | founders | u16 count, each: node u64, number u32 |

use std::collections::BTreeMap;

use wire::NodeId;
use wire::codec::{CodecError, Reader, Writer};

use crate::members::{MEMBERS_MAX, NODES_BELOW, member};

const NEW: u8 = 1;
const FOUNDER: u8 = 2;
const RETURNING: u8 = 3;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was never used.
    New {
        /// What it is known by.
        number: u32,
    },
    /// It was there from the beginning.
    Founder {
        /// The numbers of all who were. Empty when they did not yet draw any.
        numbers: BTreeMap<NodeId, u32>,
    },
    /// What its node promised before may be lost.
    Returning {
        /// What it is known by.
        number: u32,
    },
}

impl Standing {
    /// The id that Raft knows its node by.
    pub fn member(&self, node: NodeId) -> u64 {
        match self {
            Standing::Founder { .. } => member(node, 0),
            Standing::New { number } | Standing::Returning { number } => member(node, *number),
        }
    }

    /// Whether it has still to find out what it is.
    pub fn is_new(&self) -> bool {
        matches!(self, Standing::New { .. })
    }

    /// Whether it was there from the beginning.
    pub fn is_founder(&self) -> bool {
        matches!(self, Standing::Founder { .. })
    }

    /// Appends it.
    pub fn write(&self, to: &mut Writer<'_>) {
        let none = BTreeMap::new();
        let (kind, number, founders) = match self {
            Standing::New { number } => (NEW, *number, &none),
            Standing::Founder { numbers } => (FOUNDER, 0, numbers),
            Standing::Returning { number } => (RETURNING, *number, &none),
        };
        to.put(&kind);
        to.put(&number);
        to.put(&(founders.len() as u16));
        for (node, number) in founders {
            to.put(node);
            to.put(number);
        }
    }

    /// Reads one.
    pub fn read(from: &mut Reader<'_>) -> Result<Standing, CodecError> {
        let (kind, number) = (from.get::<u8>()?, from.get::<u32>()?);
        let numbers = read_numbers(from)?;
        match kind {
            NEW => Ok(Standing::New { number }),
            FOUNDER => Ok(Standing::Founder { numbers }),
            RETURNING => Ok(Standing::Returning { number }),
            _ => Err(CodecError::UnknownNumber),
        }
    }

    /// As bytes on a disk.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut Writer::new(&mut bytes));
        bytes
    }

    /// From bytes on a disk.
    pub fn decode(bytes: &[u8]) -> Result<Standing, CodecError> {
        let mut from = Reader::new(bytes);
        let standing = Standing::read(&mut from)?;
        from.finish()?;
        Ok(standing)
    }
}

/// Reads the numbers of nodes. Peers say them: nothing is founded on nodes that there cannot be.
pub fn read_numbers(from: &mut Reader<'_>) -> Result<BTreeMap<NodeId, u32>, CodecError> {
    let count = usize::from(from.get::<u16>()?);
    if count > MEMBERS_MAX {
        return Err(CodecError::TooLong);
    }
    let mut numbers = BTreeMap::new();
    for _ in 0..count {
        let (node, number) = (from.get::<NodeId>()?, from.get()?);
        if !(1..NODES_BELOW).contains(&node.get()) {
            return Err(CodecError::OutOfRange);
        }
        numbers.insert(node, number);
    }
    Ok(numbers)
}
