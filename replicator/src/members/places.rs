//! What the log says of members beside who votes: where those are that joined while the cluster ran, whom they replace,
//! and who leads nothing because it is to go.
//!
//! | field | unit |
//! |---|---|
//! | places | u16 count, each: node u64, address |
//! | replaced | u16 count, each: newcomer u64, whom it replaces u64 |
//! | draining | u16 count, each: node u64 |
//! | learners for good | u16 count, each: node u64; left out where there are none |
//!
//! An address is an IPv6 address u128, in which one of IPv4 is mapped, and a port u16. How a node joins stands in the
//! context of the entry that makes it a learner: its place (address, all zero when nobody said it) and whom it
//! replaces (u64, 0 for nobody); of one that is to stay a learner a u8 of 1 follows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use wire::NodeId;
use wire::codec::{CodecError, Reader, Writer};
use wire::link::Place;

use super::MEMBERS_MAX;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Where nodes are whose joining said so. Of others only configurations know.
    pub at: BTreeMap<NodeId, SocketAddr>,
    /// Newcomers, and who leaves when they begin to vote.
    pub replaced: BTreeMap<NodeId, NodeId>,
    /// They lead nothing.
    pub draining: BTreeSet<NodeId>,
    /// They get the log and never vote: those of another region.
    pub learning: BTreeSet<NodeId>,
}

/// How a node joins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Joining {
    /// Where others reach it.
    pub at: Option<SocketAddr>,
    /// Who leaves when it begins to vote.
    pub instead_of: Option<NodeId>,
    /// Whether it never votes.
    pub stays_learner: bool,
}

impl Places {
    /// A node joins.
    pub(super) fn joins(&mut self, node: NodeId, how: Joining) {
        if let Some(at) = how.at {
            self.at.insert(node, at);
        }
        if let Some(leaving) = how.instead_of {
            self.replaced.insert(node, leaving);
        }
        if how.stays_learner {
            self.learning.insert(node);
        }
    }

    /// Nothing is remembered of whom this does not keep.
    pub(super) fn retain(&mut self, is_member: impl Fn(NodeId) -> bool) {
        self.at.retain(|node, _| is_member(*node));
        self.replaced.retain(|node, _| is_member(*node));
        self.draining.retain(|node| is_member(*node));
        self.learning.retain(|node| is_member(*node));
    }

    /// Appends them.
    pub(super) fn write(&self, to: &mut Writer<'_>) {
        to.put(&(self.at.len() as u16));
        for (node, at) in &self.at {
            to.put(node);
            to.put(&Place::of(Some(*at)));
        }
        to.put(&(self.replaced.len() as u16));
        for (node, leaving) in &self.replaced {
            to.put(node);
            to.put(leaving);
        }
        to.put(&(self.draining.len() as u16));
        self.draining.iter().for_each(|node| to.put(node));
    }

    /// Appends those who stay learners.
    pub(super) fn write_learning(&self, to: &mut Writer<'_>) {
        to.put(&(self.learning.len() as u16));
        self.learning.iter().for_each(|node| to.put(node));
    }

    /// Reads those who stay learners.
    pub(super) fn read_learning(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        for _ in 0..count(from)? {
            self.learning.insert(from.get()?);
        }
        Ok(())
    }

    /// Reads them, but for those who stay learners.
    pub(super) fn read(from: &mut Reader<'_>) -> Result<Places, CodecError> {
        let mut places = Places::default();
        for _ in 0..count(from)? {
            let (node, at) = (from.get()?, from.get::<Place>()?.address().ok_or(CodecError::OutOfRange)?);
            places.at.insert(node, at);
        }
        for _ in 0..count(from)? {
            places.replaced.insert(from.get()?, from.get()?);
        }
        for _ in 0..count(from)? {
            places.draining.insert(from.get()?);
        }
        Ok(places)
    }
}

fn count(from: &mut Reader<'_>) -> Result<u16, CodecError> {
    let count = from.get::<u16>()?;
    if usize::from(count) <= MEMBERS_MAX { Ok(count) } else { Err(CodecError::TooLong) }
}

impl Joining {
    /// For the entry; nothing when there is nothing to say.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if *self != Joining::default() {
            let mut to = Writer::new(&mut bytes);
            to.put(&Place::of(self.at));
            to.put(&self.instead_of.unwrap_or_default());
            if self.stays_learner {
                to.put(&true);
            }
        }
        bytes
    }

    /// From the entry.
    pub(super) fn decode(bytes: &[u8]) -> Result<Joining, CodecError> {
        if bytes.is_empty() {
            return Ok(Joining::default());
        }
        let mut from = Reader::new(bytes);
        let (at, leaving) = (from.get::<Place>()?.address(), from.get::<NodeId>()?);
        let stays_learner = !from.is_empty() && from.get()?;
        from.finish()?;
        Ok(Joining { at, instead_of: Some(leaving).filter(|node| node.get() != 0), stays_learner })
    }
}
