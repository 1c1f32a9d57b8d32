//! Frames on a connection to a node: of gateways and operators with their sessions and subscriptions, of
//! peers with Raft messages and mail. Both ends of the link use this module and nothing else.
//!
//! A frame is a little-endian `u32` length of its body, then the body: a tag byte, fixed fields, and for
//! some a payload that fills the rest. Every connection is mutually authenticated TLS; its first frame is
//! [`Frame::Hello`], answered by [`Frame::Welcome`].

mod bypass;
pub mod cast;
mod members;

use alloc::vec::Vec;

pub use bypass::BypassKey;
pub use members::{MemberChange, MemberOutcome, MemberPlace, Place, decode_places, encode_places};

use crate::codec::{CodecError, Reader, Writer};
use crate::order::numbered;
use crate::{ClusterEpoch, LogPosition, NodeId, Origin, PartitionId, Sequence, SessionId, Term, Text, Timestamp};

/// The version of this module that both ends must speak.
pub const PROTOCOL: u16 = 1;

/// The longest body a node takes from a gateway or an operator, 256 KiB.
pub const CLIENT_BODY_MAX: usize = 256 * 1024;

/// The longest body between nodes, and from a node to a client, 16 MiB.
pub const PEER_BODY_MAX: usize = 16 * 1024 * 1024;

/// The length of the header that precedes a body.
pub const HEADER_LEN: usize = 4;

numbered! {
    /// What the other end of a connection is; its certificate must name the same.
    Role {
        /// A node of the cluster. Certificate name `node-ID`.
        Node = 1,
        /// A gateway: client commands, reads, events. Certificate name `gateway-NAME`.
        Gateway = 2,
        /// An operator: everything a gateway may, and administration. Certificate name `operator-NAME`.
        Operator = 3,
        /// Chainwatch: what chains say, and events. Certificate name `chainwatch-NAME`.
        Chainwatch = 4,
    }
}

numbered! {
    /// Why a node did not sequence a request or answer a read. None of them says that the request was
    /// not sequenced before, under the same session and sequence.
    Refusal {
        /// This node does not lead the partition; `detail` is the leader's node id, 0 when unknown.
        NotLeader = 1,
        /// A bounded queue is full; nothing was sequenced.
        Busy = 2,
        /// The session is unknown or has expired.
        SessionUnknown = 3,
        /// Requests before this one are missing; `detail` is the sequence expected next.
        SequenceGap = 4,
        /// The request is older than the replies still cached.
        TooOld = 5,
        /// The payload is no command of this version.
        Malformed = 6,
        /// The connection's role may not ask for this.
        NotPermitted = 7,
        /// The node hosts no replica of this partition.
        UnknownPartition = 8,
        /// The stream does not reach back to the wanted position; `detail` is the first it has.
        PositionGone = 9,
        /// The session table is full.
        TooManySessions = 10,
    }
}

/// One message on a connection. Payloads are borrowed from the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The first frame of whoever connected.
    Hello(Hello),
    /// The accepting node's answer.
    Welcome(Welcome),
    /// Either end: answer with a pong of the same nonce.
    Ping(Ping),
    /// The answer to a ping.
    Pong(Pong),
    /// Node to client or node, unasked: this is who leads the partition. Sent for every partition after
    /// `Welcome` and at every change this node learns of. A node that leads one partition and is no member of another knows
    /// from this alone where its mail to that has to go.
    Leader(Leader),
    /// Node to client, unasked: who has a replica of the partition, and where they are ([`decode_places`]). Sent for every
    /// partition after `Welcome` and at every change this node learns of.
    Members(MembersOf, &'a [u8]),

    /// Client to leader: open a session. Repeated with the same nonce it returns the same session.
    OpenSession(OpenSession),
    /// Leader to client.
    SessionOpened(SessionOpened),
    /// Client to leader: sequence this command. An empty payload only keeps the session alive.
    Request(Request, &'a [u8]),
    /// Leader to client: the command is committed and applied; the payload is its reply. Sent again, with
    /// the original position, for a resent request.
    Reply(Reply, &'a [u8]),
    /// Node to client: the request was not sequenced by this frame.
    Refused(Refused),
    /// Client to leader: up to which position must I have seen events to read what is committed now?
    ReadIndex(ReadIndex),
    /// Leader to client: this position.
    ReadReady(ReadReady),
    /// Node to client.
    ReadRefused(ReadRefused),

    /// Client or peer to any replica: send events from this position on, those of the past first.
    Subscribe(Subscribe),
    /// Client or peer: no more events of this partition.
    Unsubscribe(Unsubscribe),
    /// Replica to subscriber: the events of one command, as `codec::v1` lays them. In order of position;
    /// positions without events are left out.
    Events(Events, &'a [u8]),
    /// Replica to subscriber: every event up to this position has been sent. To a peer that asks for events behind the last one
    /// there is, after the beginning of its stream: where they end now.
    Progress(Progress),
    /// Replica to subscriber: the subscription cannot be served here.
    SubscribeRefused(SubscribeRefused),

    /// Operator to leader: change who has a replica of the partition.
    ChangeMembers(ChangeMembers),
    /// Node to operator.
    MembersAnswer(MembersAnswer),

    /// Node to node: a message of the partition's Raft group.
    Raft(PartitionMessage, &'a [u8]),
    /// Node to the leader of `partition`: a `DeliverMail` or `AckMail` command to sequence. Ignored by whoever
    /// does not lead; the sender's outbox sends again.
    Mail(PartitionMessage, &'a [u8]),
    /// Node to node, unasked: I take Raft messages there as well. A node whose build or configuration has no way to send
    /// them ignores it.
    BypassOpen(BypassOpen),
    /// Node to node: how far I have seen what you send there.
    BypassSeen(BypassSeen),

    /// Client to any replica, on the connection of a subscription: I take the partition's events by a cast as well. A node
    /// that has none ignores it.
    JoinCast(JoinCast),
    /// Replica to whoever joined: there it is, and what opens it from some message on; said again when the key changes.
    CastOpen(CastOpen),
    /// Replica to whoever joined: so far events have been sent by the cast.
    CastSent(CastSent),
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $unit:ty),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $unit),+
        }

        impl $name {
            fn write(&self, to: &mut Writer<'_>) {
                $(to.put::<$unit>(&self.$field);)+
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
                Ok($name { $($field: from.get::<$unit>()?),+ })
            }
        }
    )+};
}

fields! {
    /// Who connects.
    Hello {
        /// [`PROTOCOL`].
        protocol: u16,
        /// The cluster it belongs to; another epoch is refused by closing.
        epoch: ClusterEpoch,
        /// What it is.
        role: Role,
        /// The name in its certificate.
        name: Text<32>,
        /// Its node id; 0 unless it is a node.
        node: NodeId,
    }
    /// Who answers.
    Welcome {
        /// [`PROTOCOL`].
        protocol: u16,
        /// The cluster it belongs to.
        epoch: ClusterEpoch,
        /// Its node id.
        node: NodeId,
    }
    /// Are you there?
    Ping {
        /// Echoed.
        nonce: u64,
    }
    /// I am.
    Pong {
        /// Of the ping.
        nonce: u64,
    }
    /// Who leads a partition.
    Leader {
        /// Which partition.
        partition: PartitionId,
        /// Its leader; 0 while there is none.
        leader: NodeId,
        /// In which term. The greater of two is not right by itself: `replicator/node/src/announcements.rs` says whose word counts.
        term: Term,
    }
    /// Opens a session.
    OpenSession {
        /// With which partition.
        partition: PartitionId,
        /// Drawn by the client, so that a repeated request opens one session.
        nonce: u128,
    }
    /// A session is open.
    SessionOpened {
        /// With which partition.
        partition: PartitionId,
        /// Of the request.
        nonce: u128,
        /// The session.
        session: SessionId,
    }
    /// A command to sequence.
    Request {
        /// In which partition.
        partition: PartitionId,
        /// Of which session.
        session: SessionId,
        /// One more than the session's request before.
        sequence: Sequence,
        /// The client has the replies below this sequence; the cluster forgets them.
        acknowledged_below: Sequence,
    }
    /// A command's reply.
    Reply {
        /// Of which partition.
        partition: PartitionId,
        /// Of which session.
        session: SessionId,
        /// To which request.
        sequence: Sequence,
        /// Where the command is in the log.
        position: LogPosition,
    }
    /// A request that was not sequenced.
    Refused {
        /// Of which partition.
        partition: PartitionId,
        /// Of which session; 0 for a refused [`OpenSession`].
        session: SessionId,
        /// Which request.
        sequence: Sequence,
        /// Why.
        refusal: Refusal,
        /// See [`Refusal`].
        detail: u64,
    }
    /// A linearizable read.
    ReadIndex {
        /// Of which partition.
        partition: PartitionId,
        /// Chosen by the client, echoed.
        token: u64,
    }
    /// Where a linearizable read may read.
    ReadReady {
        /// Of which partition.
        partition: PartitionId,
        /// Of the request.
        token: u64,
        /// Whoever has seen the events up to here reads what was committed when the request arrived.
        position: LogPosition,
    }
    /// A read that was not answered.
    ReadRefused {
        /// Of which partition.
        partition: PartitionId,
        /// Of the request.
        token: u64,
        /// Why.
        refusal: Refusal,
        /// See [`Refusal`].
        detail: u64,
    }
    /// Asks for events.
    Subscribe {
        /// Of which partition.
        partition: PartitionId,
        /// The first position wanted; 1 for everything.
        from: LogPosition,
    }
    /// Ends a subscription.
    Unsubscribe {
        /// Of which partition.
        partition: PartitionId,
    }
    /// The events of one command.
    Events {
        /// Of which partition.
        partition: PartitionId,
        /// The command's place in the log.
        position: LogPosition,
        /// When it was sequenced.
        timestamp: Timestamp,
        /// Which session's which request it was.
        origin: Origin,
    }
    /// How far a subscription has come.
    Progress {
        /// Of which partition.
        partition: PartitionId,
        /// Every event up to here has been sent.
        position: LogPosition,
    }
    /// A subscription that cannot be served.
    SubscribeRefused {
        /// Of which partition.
        partition: PartitionId,
        /// Why.
        refusal: Refusal,
        /// See [`Refusal`].
        detail: u64,
    }
    /// Who has a replica of a partition.
    MembersOf {
        /// Which partition.
        partition: PartitionId,
        /// The log index of the news: of two the greater is right.
        index: u64,
    }
    /// A wish of an operator.
    ChangeMembers {
        /// Of which partition.
        partition: PartitionId,
        /// Chosen by the operator, echoed.
        token: u64,
        /// What.
        change: MemberChange,
        /// Which node.
        node: NodeId,
        /// Of a node that joins: where the others reach it.
        place: Place,
        /// Of a node that joins: who leaves when it begins to vote; 0 for nobody.
        instead_of: NodeId,
        /// By which version the cells are to behave; 0 where that is not the wish.
        version: u16,
    }
    /// What came of it.
    MembersAnswer {
        /// Of which partition.
        partition: PartitionId,
        /// Of the question.
        token: u64,
        /// What.
        outcome: MemberOutcome,
    }
    /// The head of a message to a partition's replica.
    PartitionMessage {
        /// Which partition.
        partition: PartitionId,
    }
    /// A way beside the link for what the other end sends.
    BypassOpen {
        /// Which; drawn at random, never used again.
        bypass: u64,
        /// What seals the frames on it.
        key: BypassKey,
        /// Where they are taken by UDP; all zero where it is the memory of one host, through one media driver.
        place: Place,
        /// The Aeron stream there.
        stream: u32,
    }
    /// How far a bypass was seen.
    BypassSeen {
        /// Which.
        bypass: u64,
        /// The number of the last frame that came through it; the first is 1.
        number: u64,
    }
    /// A wish to have a partition's events by a cast.
    JoinCast {
        /// Of which partition.
        partition: PartitionId,
        /// Where they are taken by UDP; all zero where it is the memory of one host, through one media driver.
        place: Place,
    }
    /// A cast: one Aeron publication of a partition's events for all who joined.
    CastOpen {
        /// Of which partition.
        partition: PartitionId,
        /// Which; drawn at random with its key, never used again.
        cast: u64,
        /// What seals the messages of it.
        key: BypassKey,
        /// The multicast group that it goes to; all zero where each who joined is sent it at the place that it named.
        place: Place,
        /// The Aeron stream there.
        stream: u32,
    }
    /// How far a cast has come.
    CastSent {
        /// Of which partition.
        partition: PartitionId,
        /// The last position whose events were sent, or are about to be.
        position: LogPosition,
    }
}

macro_rules! frames {
    ($($tag:literal => $variant:ident($record:ident $(, $payload:ident)?),)+) => {
        impl<'a> Frame<'a> {
            /// Appends header and body.
            pub fn encode(&self, bytes: &mut Vec<u8>) {
                let start = bytes.len();
                bytes.extend_from_slice(&[0; HEADER_LEN]);
                let mut to = Writer::new(bytes);
                match self {
                    $(Frame::$variant(record $(, $payload)?) => {
                        to.put::<u8>(&$tag);
                        record.write(&mut to);
                        $(to.bytes($payload);)?
                    })+
                }
                let body = (bytes.len() - start - HEADER_LEN) as u32;
                bytes[start..start + HEADER_LEN].copy_from_slice(&body.to_le_bytes());
            }

            /// Reads one body, without its header.
            pub fn decode(body: &'a [u8]) -> Result<Frame<'a>, CodecError> {
                let mut from = Reader::new(body);
                let frame = match from.get::<u8>()? {
                    $($tag => {
                        let record = $record::read(&mut from)?;
                        $(let $payload = from.rest();)?
                        Frame::$variant(record $(, $payload)?)
                    })+
                    _ => return Err(CodecError::UnknownNumber),
                };
                from.finish()?;
                Ok(frame)
            }
        }
    };
}

frames! {
    1 => Hello(Hello),
    2 => Welcome(Welcome),
    3 => Ping(Ping),
    4 => Pong(Pong),
    5 => Leader(Leader),
    6 => Members(MembersOf, payload),
    16 => OpenSession(OpenSession),
    17 => SessionOpened(SessionOpened),
    18 => Request(Request, payload),
    19 => Reply(Reply, payload),
    20 => Refused(Refused),
    21 => ReadIndex(ReadIndex),
    22 => ReadReady(ReadReady),
    23 => ReadRefused(ReadRefused),
    32 => Subscribe(Subscribe),
    33 => Unsubscribe(Unsubscribe),
    34 => Events(Events, payload),
    35 => Progress(Progress),
    36 => SubscribeRefused(SubscribeRefused),
    40 => ChangeMembers(ChangeMembers),
    41 => MembersAnswer(MembersAnswer),
    48 => Raft(PartitionMessage, payload),
    49 => Mail(PartitionMessage, payload),
    50 => BypassOpen(BypassOpen),
    51 => BypassSeen(BypassSeen),
    52 => JoinCast(JoinCast),
    53 => CastOpen(CastOpen),
    54 => CastSent(CastSent),
}

/// Splits the first body off a stream of bytes: `Ok(None)` while it is not complete, `TooLong` when it
/// announces more than `body_max` bytes, else the body and the length of header and body.
pub fn split(bytes: &[u8], body_max: usize) -> Result<Option<(&[u8], usize)>, CodecError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let len = u32::from_le_bytes(*header) as usize;
    if len > body_max {
        return Err(CodecError::TooLong);
    }
    Ok(rest.get(..len).map(|body| (body, HEADER_LEN + len)))
}

#[cfg(test)]
mod tests;
