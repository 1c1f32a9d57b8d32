//! Who has a replica of a partition, and how an operator changes it.
//!
//! The payload of [`super::Frame::Members`] is a list: u16 count, each: node u64, place, what it is u8 (1 votes, 2 learns,
//! 3 learns for good), whether it is to lead nothing u8.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::NodeId;
use crate::codec::{CodecError, Reader, Writer};
use crate::order::numbered;

/// More members are not believed.
const PLACES_MAX: usize = 64;
const VOTES: u8 = 1;
const LEARNS: u8 = 2;
const LEARNS_FOR_GOOD: u8 = 3;

numbered! {
    /// What an operator wants of a partition's members.
    MemberChange {
        /// The node gets the log, and votes once it has caught up.
        Add = 1,
        /// The node has no replica any more.
        Remove = 2,
        /// The node is to lead nothing.
        Drain = 3,
        /// It may lead again.
        Undrain = 4,
        /// The node gets the log, and never votes.
        Learn = 5,
        /// Everybody's cells are to behave by another version.
        SetVersion = 6,
    }
}

numbered! {
    /// What came of a wish of an operator.
    MemberOutcome {
        /// It is proposed; the log will say whether it came to be.
        Proposed = 1,
        /// It is so already.
        IsSo = 2,
        /// This node does not lead the partition.
        NotLeader = 3,
        /// The node that is to go leads; it hands over, ask the next leader.
        Leads = 4,
        /// Another change is under way.
        UnderWay = 5,
        /// The node has not introduced itself lately.
        Unheard = 6,
        /// The node is no member.
        UnknownNode = 7,
        /// Nobody would remain, or too few that are alive.
        TooFew = 8,
        /// The connection's role may not ask for this.
        NotPermitted = 9,
        /// The node hosts no replica of this partition.
        UnknownPartition = 10,
        /// The partition's thread takes no more questions.
        Busy = 11,
        /// The node stays a learner: it cannot replace one that votes.
        NeverVotes = 12,
        /// A member has not said lately that it can run the version.
        CannotRun = 13,
    }
}

/// Where a node is: an IPv6 address, in which one of IPv4 is mapped, and a port. All zero when it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    ip: u128,
    port: u16,
}

impl Place {
    /// Of an address.
    pub fn of(address: Option<SocketAddr>) -> Place {
        let ip = |address: SocketAddr| match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        address.map_or(Place::default(), |address| Place { ip: ip(address).to_bits(), port: address.port() })
    }

    /// The address, when it is known.
    pub fn address(self) -> Option<SocketAddr> {
        let ip = Ipv6Addr::from_bits(self.ip);
        (self.port != 0).then(|| SocketAddr::new(ip.to_canonical(), self.port))
    }

    /// IPv6 address and port, for the codec.
    pub(crate) fn parts(self) -> (u128, u16) {
        (self.ip, self.port)
    }

    /// As [`Place::parts`] says it.
    pub(crate) fn of_parts(ip: u128, port: u16) -> Place {
        Place { ip, port }
    }
}

/// A node that has a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberPlace {
    /// Which node.
    pub node: NodeId,
    /// Where it is.
    pub place: Place,
    /// Whether its vote counts.
    pub votes: bool,
    /// Whether it never will: a learner for good.
    pub stays_learner: bool,
    /// Whether it is to lead nothing.
    pub is_draining: bool,
}

/// The payload of [`super::Frame::Members`].
pub fn encode_places(members: &[MemberPlace]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut to = Writer::new(&mut bytes);
    to.put(&(members.len() as u16));
    for member in members {
        to.put(&member.node);
        to.put(&member.place);
        to.put::<u8>(&match member {
            MemberPlace { votes: true, .. } => VOTES,
            MemberPlace { stays_learner: true, .. } => LEARNS_FOR_GOOD,
            MemberPlace { .. } => LEARNS,
        });
        to.put(&member.is_draining);
    }
    bytes
}

/// Reads the payload of [`super::Frame::Members`].
pub fn decode_places(bytes: &[u8]) -> Result<Vec<MemberPlace>, CodecError> {
    let mut from = Reader::new(bytes);
    let count = from.get::<u16>()?;
    if usize::from(count) > PLACES_MAX {
        return Err(CodecError::TooLong);
    }
    let mut members = Vec::new();
    for _ in 0..count {
        let (node, place) = (from.get()?, from.get()?);
        let (votes, stays_learner) = match from.get::<u8>()? {
            VOTES => (true, false),
            LEARNS => (false, false),
            LEARNS_FOR_GOOD => (false, true),
            _ => return Err(CodecError::UnknownNumber),
        };
        members.push(MemberPlace { node, place, votes, stays_learner, is_draining: from.get()? });
    }
    from.finish()?;
    Ok(members)
}
