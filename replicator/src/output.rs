//! What a replica says to whoever drives it.

use std::ops::RangeInclusive;

use wire::link::Refusal;
use wire::{LogPosition, NodeId, Origin, Sequence, SessionId, Term, Timestamp};

use crate::log::StoreError;
use crate::members::Members;
use crate::{Lag, RestoreError, Space, Spot};

/// One thing to do or to know. Drain them after every duty cycle, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To a peer's replica of the same partition, at most 1 MiB. May be lost, doubled or reordered.
    Send {
        /// The peer.
        to: NodeId,
        /// For its `on_message`.
        payload: Vec<u8>,
    },
    /// A request is committed and applied. Only from the leader.
    Reply {
        /// Of which session.
        session: SessionId,
        /// Which request.
        sequence: Sequence,
        /// Where it was executed: the original position for a resent request.
        position: LogPosition,
        /// The machine's reply.
        payload: Vec<u8>,
    },
    /// A session is open. Only from the leader.
    SessionOpened {
        /// Of the request.
        nonce: u128,
        /// Its id.
        session: SessionId,
    },
    /// A session was not opened.
    OpenRefused {
        /// Of the request.
        nonce: u128,
        /// Why.
        refusal: Refusal,
        /// See [`Refusal`].
        detail: u64,
    },
    /// A request that was offered was not executed by this offer. After `NotLeader` it may yet be, if it was
    /// proposed: resend it to the leader.
    Refused {
        /// Of which session.
        session: SessionId,
        /// Which request.
        sequence: Sequence,
        /// Why.
        refusal: Refusal,
        /// See [`Refusal`].
        detail: u64,
    },
    /// Everything that was committed when the read arrived is applied here.
    ReadReady {
        /// Of the request.
        token: u64,
        /// Up to this position.
        position: LogPosition,
    },
    /// A read that cannot be answered.
    ReadRefused {
        /// Of the request.
        token: u64,
        /// Why.
        refusal: Refusal,
        /// See [`Refusal`].
        detail: u64,
    },
    /// A command was applied; one per position, in order, on every replica. After a restart those behind the
    /// last snapshot come again.
    Applied {
        /// Its place in the log.
        position: LogPosition,
        /// When it was sequenced.
        timestamp: Timestamp,
        /// Which session's which request it was.
        origin: Origin,
        /// Its events; may be empty.
        events: Vec<u8>,
    },
    /// Who leads, as this replica knows.
    LeaderChanged {
        /// None while there is none.
        leader: Option<NodeId>,
        /// In which term.
        term: Term,
    },
    /// The state jumped to this position by a snapshot of the leader: no `Applied` comes for what it skipped.
    SnapshotInstalled {
        /// The last position in the snapshot.
        position: LogPosition,
    },
    /// Who has a replica now, and where they are. Said by every replica when it opens and knows, and when it applies a
    /// change.
    MembersChanged {
        /// Everything that the log says of them.
        members: Box<Members>,
        /// The log index of what it says: of two the greater is right.
        index: u64,
    },
    /// A snapshot is on disk.
    SnapshotTaken {
        /// The last position in the snapshot.
        position: LogPosition,
    },
    /// The replica has stopped for good: its disk failed or its state is wrong. Stop the node.
    Failed {
        /// What happened.
        error: String,
    },
}

/// What a replica does in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sequences.
    Leader,
    /// Campaigns.
    Candidate,
    /// Follows.
    Standby,
    /// Gets the log and has no vote, or is no member.
    Learner,
}

/// A replica's state at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it does.
    pub role: Role,
    /// Whom it follows; itself when it leads.
    pub leader: Option<NodeId>,
    /// Its term.
    pub term: Term,
    /// Whether it leads and has an entry of its term committed: it answers reads at once.
    pub settled: bool,
    /// The last log index that is committed.
    pub commit_index: u64,
    /// The last log index that is applied.
    pub applied_index: u64,
    /// The last log index in its log.
    pub last_index: u64,
    /// The first log index it still has.
    pub first_index: u64,
    /// The last position that is applied: `machine().digest()` is the digest at this position.
    pub applied_position: LogPosition,
    /// The log time of that position.
    pub applied_timestamp: Timestamp,
    /// The last position in the newest snapshot on disk.
    pub snapshot_position: LogPosition,
    /// Commands that wait to be proposed.
    pub queued: usize,
    /// Open sessions.
    pub sessions: usize,
    /// Messages of peers that were malformed or foreign.
    pub dropped_messages: u64,
    /// Of a leader: each standby and the log index it is known to have.
    pub standbys: Vec<(NodeId, u64)>,
    /// Of a leader: each learner and the log index it is known to have.
    pub learners: Vec<(NodeId, u64)>,
    /// Of a leader: each learner whose node lacks something of the past: so many positions, and whether nobody has them.
    pub lacking: Vec<(NodeId, u64, bool)>,
    /// Of a learner: how far it is behind its leader.
    pub lag: Option<Lag>,
    /// Who has a replica.
    pub members: Members,
    /// The member that this replica is, or would be.
    pub member: u64,
    /// Where a command has panicked the machine, while that waits for its quarantine.
    pub broken: Option<Spot>,
    /// Commands that were put aside since this replica was opened.
    pub quarantined: Vec<Spot>,
    /// The version that the machine behaves by.
    pub version: u16,
    /// The versions that it can behave by here.
    pub versions: RangeInclusive<u16>,
    /// The last position at which a version was said that a replica reads again which is started now; zero when none is.
    pub version_at: LogPosition,
    /// Of a leader: the versions that others have lately said they can behave by.
    pub said_versions: Vec<(NodeId, RangeInclusive<u16>)>,
    /// What its disk has left.
    pub space: Space,
    /// Why it has stopped, if it has.
    pub failed: Option<String>,
}

/// Why a replica does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration is impossible.
    #[error("the replica's configuration is impossible: {0}")]
    Config(String),
    /// The log cannot be read, or it may have lost what was acknowledged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state in the snapshot is of a version that is not known here.
    #[error("the snapshot at log index {index}: {unknown}")]
    Version {
        /// Where it was taken.
        index: u64,
        /// Which version.
        unknown: UnknownVersion,
    },
    /// The snapshot's state does not restore.
    #[error("the snapshot at log index {index} does not restore: {source}")]
    Restore {
        /// Where it was taken.
        index: u64,
        /// What the machine says.
        source: RestoreError,
    },
    /// The restored state is not the state that was saved.
    #[error("the state restored from the snapshot at log index {index} has another digest than was saved with it")]
    Digest {
        /// Where it was taken.
        index: u64,
    },
}

/// A version was said that the machine cannot behave by here. Its code stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "version::unknown: behaviour version {version} is said there, and this build knows {} to {}: start one that knows it",
    known.start(),
    known.end()
)]
pub struct UnknownVersion {
    /// Which.
    pub version: u16,
    /// Which it knows.
    pub known: RangeInclusive<u16>,
}
