//! The log again, without a replica: what a backup is restored by, and how operators look at a log.
//!
//! The same [`State`](crate::replica) that a replica has is fed entries by hand. Nobody is answered; the machine tells its
//! events as it does on a replica.

use std::collections::BTreeSet;

use raft::eraftpb::{Entry, EntryType};
use wire::codec::CodecError;
use wire::{ClusterEpoch, LogPosition, NodeId, Timestamp};

use crate::entry::{Batch, Kind};
use crate::members::Members;
use crate::replica::{Nobody, NotApplied, State};
use crate::session::Sessions;
use crate::{OpenError, ReplicaConfig, Spot, StateMachine};

/// A partition's state on its way through its log.
pub struct Replay<M> {
    config: ReplicaConfig,
    state: State<M>,
}

/// How far a log has been replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The last log entry.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The last command.
    pub position: LogPosition,
    /// When that was sequenced.
    pub timestamp: Timestamp,
}

/// Why a log cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// An entry is missing.
    #[error("log entry {expected} is missing: the next one is {found}")]
    Missing {
        /// The one after the last.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// Two entries contradict each other.
    #[error("log entry {index} is of term {found}, before it was one of term {before}")]
    Term {
        /// Which.
        index: u64,
        /// Its term.
        found: u64,
        /// The greater one before it.
        before: u64,
    },
    /// An entry was not applied.
    #[error("log entry {index}: {reason}")]
    Entry {
        /// Which.
        index: u64,
        /// Why not.
        reason: String,
    },
}

impl<M: StateMachine> Replay<M> {
    /// Before the first entry; the machine must be new. `put_aside` are the parts of commands that a quorum put aside, as
    /// [`verdicts`] finds them in the log.
    pub fn new(config: ReplicaConfig, machine: M, put_aside: BTreeSet<Spot>) -> Replay<M> {
        let mut state = State::new(&config, machine);
        state.skip = put_aside;
        Replay { config, state }
    }

    /// Goes on from a snapshot, whose digest is compared with what it restores to.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), OpenError> {
        self.state.restore(&self.config, snapshot)
    }

    /// Applies the next entry.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), ReplayError> {
        let place = self.place();
        if entry.index != place.index + 1 {
            return Err(ReplayError::Missing { expected: place.index + 1, found: entry.index });
        }
        if entry.term < place.term {
            return Err(ReplayError::Term { index: entry.index, found: entry.term, before: place.term });
        }
        self.state.apply(entry, &mut Nobody).map_err(|error| {
            let reason = match &error {
                NotApplied::Broken { .. } => format!("{error}; the log has no verdict that puts it aside"),
                _ => error.to_string(),
            };
            ReplayError::Entry { index: entry.index, reason }
        })
    }

    /// The log time that an entry would be applied at; none of one without commands.
    pub fn time_of(&self, entry: &Entry) -> Option<Timestamp> {
        timestamp(entry).map(|at| at.max(self.state.cursor.timestamp))
    }

    /// How far it is.
    pub fn place(&self) -> Place {
        let cursor = &self.state.cursor;
        Place { index: cursor.index, term: cursor.term, position: cursor.position, timestamp: cursor.timestamp }
    }

    /// The machine there.
    pub fn machine(&self) -> &M {
        &self.state.machine
    }

    /// The machine there, to be changed by what is no command: the beginning of a new life.
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.state.machine
    }

    /// Sessions open there.
    pub fn sessions(&self) -> usize {
        self.state.sessions.len()
    }

    /// Members there.
    pub fn members(&self) -> &Members {
        &self.state.members
    }

    /// The state as a snapshot.
    pub fn snapshot(&self) -> Vec<u8> {
        self.state.snapshot(&self.config)
    }

    /// The state as the first snapshot of a new life: of another epoch, with other founders and without sessions, whose
    /// clients are of the old life.
    pub fn found(mut self, epoch: ClusterEpoch, founders: &[NodeId]) -> Vec<u8> {
        self.config.epoch = epoch;
        self.state.members = Members::founders(founders);
        self.state.sessions = Sessions::new(self.config.sessions.clone());
        self.state.snapshot(&self.config)
    }
}

/// The verdicts in an entry: parts of commands that a quorum put aside.
pub fn verdicts(entry: &Entry) -> Result<Vec<Spot>, CodecError> {
    let mut spots = Vec::new();
    if entry.get_entry_type() == EntryType::EntryNormal && !entry.data.is_empty() {
        let mut batch = Batch::decode(&entry.data)?;
        while let Some(command) = batch.next_command()? {
            if let Kind::Quarantine(spot) = command.kind {
                spots.push(spot);
            }
        }
    }
    Ok(spots)
}

/// When a batch was sequenced by its leader's clock; none of an entry without commands.
pub fn timestamp(entry: &Entry) -> Option<Timestamp> {
    let is_batch = entry.get_entry_type() == EntryType::EntryNormal && !entry.data.is_empty();
    is_batch.then(|| Batch::decode(&entry.data).ok().map(|batch| batch.timestamp)).flatten()
}
