//! A command that panics the machine is put aside by an entry of the log.
//!
//! A panic discards the machine's memory on that replica: it is *broken* at a [`Spot`]. It applies nothing more, asks
//! nobody to believe what it holds, and refuses requests as busy; Raft goes on, and what is committed meanwhile waits.
//! Broken standbys tell their leader where. A leader that is broken itself, and knows a quorum with itself to be broken
//! at the same spot, has an entry sequenced that names it. Whoever is broken there builds its state anew when that entry
//! is committed, from its newest snapshot and the log behind it, with the spot skipped
//! ([`crate::StateMachine::apply_without`]), and goes on. The same happens when the log is replayed after a restart: the replica
//! breaks, finds the entry among what is committed, and builds its state anew.
//!
//! A replica that is broken where a quorum is not, and one that has executed what a quorum could not, is the odd one: it
//! stops, with an error that says so. The first does when no entry has come within [`GIVE_UP_NS`] under a leader.

use std::collections::BTreeMap;

use raft::GetEntriesContext;
use raft::Storage;
use raft::eraftpb::Entry;
use wire::{LogPosition, NodeId, Timestamp};

use super::Replica;
use super::envelope::Envelope;
use super::state::{Audience, Nobody, NotApplied};
use crate::entry::{Batch, BatchWriter, Kind};
use crate::{LogStore, Output, StateMachine};

/// How long a broken replica waits for the others.
const GIVE_UP_NS: u64 = 10_000_000_000;
/// How often a broken standby tells its leader, and a leader tries again.
const REPEAT_NS: u64 = 100_000_000;
/// The log is read in pieces of about so many bytes.
const PIECE_BYTES: u64 = 1024 * 1024;

/// Which part of which command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The command.
    pub position: LogPosition,
    /// The part of it, as [`crate::StateMachine::step`] counts them.
    pub step: u32,
}

/// What is known of breaks.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    broken: Option<Break>,
    /// Committed entries from the one with the break on.
    waiting: Vec<Entry>,
    /// Where others are broken.
    reports: BTreeMap<NodeId, Spot>,
}

#[derive(Debug)]
struct Break {
    spot: Spot,
    since: Timestamp,
    repeat_at: Timestamp,
}

impl Quarantine {
    /// Whether the machine's memory means nothing.
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Where the machine is broken.
    pub fn spot(&self) -> Option<Spot> {
        self.broken.as_ref().map(|broken| broken.spot)
    }

    /// The machine has been replaced by a snapshot of the leader, which is behind all that waited.
    pub fn heal(&mut self) {
        self.broken = None;
        self.waiting.clear();
    }
}

/// Passes on what was not told before the break.
struct Rest<'a> {
    outputs: &'a mut std::collections::VecDeque<Output>,
    is_leader: bool,
    from: LogPosition,
    is_told: bool,
}

impl Audience for Rest<'_> {
    fn wants_answers(&self) -> bool {
        self.is_leader
    }

    fn tell(&mut self, output: Output) {
        if let Output::Applied { position, .. } = &output {
            self.is_told = *position < self.from;
        }
        if !self.is_told {
            self.outputs.push_back(output);
        }
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Whether the machine's memory means nothing now: nobody may look at it.
    pub fn is_broken(&self) -> bool {
        self.quarantine.is_broken()
    }

    /// The machine panicked in the first of these entries.
    pub(super) fn break_down(&mut self, spot: Spot, panic: &str, entries: &[Entry]) {
        let (partition, now) = (self.config.partition, self.now);
        let Spot { position, step } = spot;
        tracing::error!(%partition, %position, step, panic, "a command panicked the machine: it waits for its quarantine");
        self.quarantine.broken = Some(Break { spot, since: now, repeat_at: now });
        self.wait_for_verdict(entries);
    }

    /// Keeps committed entries of a broken machine, and builds it anew when the verdict is among them.
    pub(super) fn wait_for_verdict(&mut self, entries: &[Entry]) {
        self.quarantine.waiting.extend_from_slice(entries);
        while let Some(spot) = self.quarantine.spot().filter(|spot| names(&self.quarantine.waiting, *spot)) {
            self.quarantine.broken = None;
            if let Err(error) = self.rebuild(spot) {
                self.fail(error);
                return;
            }
        }
    }

    /// From the newest snapshot, without the spot.
    fn rebuild(&mut self, spot: Spot) -> Result<(), String> {
        let (partition, Spot { position, step }) = (self.config.partition, spot);
        tracing::error!(%partition, %position, step, "the command is put aside; the state is built anew without it");
        let snapshot = self.read_newest_snapshot()?;
        self.state.skip.insert(spot);
        self.state.rebuild(&self.config, snapshot.as_deref()).map_err(|error| error.to_string())?;
        if let Some(twin) = &mut self.twin {
            twin.skip(spot);
        }
        let waiting = std::mem::take(&mut self.quarantine.waiting);
        let end = waiting.first().map_or(0, |entry| entry.index);
        while self.state.cursor.index + 1 < end {
            let from = self.state.cursor.index + 1;
            let piece = self.raft.store().entries(from, end, PIECE_BYTES, GetEntriesContext::empty(false));
            for entry in piece.map_err(|error| format!("the log from entry {from} on: {error}"))? {
                self.state.apply(&entry, &mut Nobody).map_err(|error| error.to_string())?;
            }
        }
        let mut rest = Rest { is_leader: self.is_leader(), outputs: &mut self.outputs, from: position, is_told: true };
        for (at, entry) in waiting.iter().enumerate() {
            match self.state.apply(entry, &mut rest) {
                Ok(()) => self.checkpoint.applied(entry.data.len()),
                Err(NotApplied::Broken { spot, panic }) if self.state.skip.contains(&spot) => {
                    let Spot { position, step } = spot;
                    return Err(format!("position {position}, step {step}, panics although put aside: {panic}"));
                }
                Err(NotApplied::Broken { spot, panic }) => {
                    self.break_down(spot, &panic, &waiting[at..]);
                    return Ok(());
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        self.raft.advance_apply_to(self.state.cursor.index);
        Ok(())
    }

    fn read_newest_snapshot(&mut self) -> Result<Option<Vec<u8>>, String> {
        let index = self.checkpoint.newest_index();
        if index == 0 {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        loop {
            let offset = bytes.len() as u64;
            let read = self.store.read_snapshot(index, offset, PIECE_BYTES as usize, &mut bytes);
            match read.map_err(|error| error.to_string())? {
                None => return Err(format!("the snapshot at entry {index} is gone")),
                Some(total) if bytes.len() as u64 >= total => return Ok(Some(bytes)),
                Some(_) if bytes.len() as u64 == offset => return Err(format!("the snapshot at entry {index} is cut")),
                Some(_) => {}
            }
        }
    }

    /// What a peer says of itself.
    pub(super) fn on_broken_peer(&mut self, from: NodeId, spot: Spot) -> bool {
        if self.quarantine.reports.insert(from, spot) != Some(spot) {
            let (partition, Spot { position, step }) = (self.config.partition, spot);
            tracing::warn!(%partition, node = %from, %position, step, "a command panicked a peer's machine");
        }
        true
    }

    /// Tells the leader, or, as the leader, has the verdict sequenced.
    pub(super) fn poll_quarantine(&mut self) -> usize {
        let Some(broken) = &mut self.quarantine.broken else { return 0 };
        let spot = broken.spot;
        if self.raft.raft.leader_id == 0 {
            // Nobody can have the verdict sequenced.
            broken.since = self.now;
        }
        if self.now > broken.since.plus_nanos(GIVE_UP_NS) {
            self.fail(format!(
                "the command at position {} panicked this replica and not a quorum: its memory or its binary is not the \
                 others'",
                spot.position
            ));
            return 1;
        }
        if self.now < broken.repeat_at {
            return 0;
        }
        broken.repeat_at = self.now.plus_nanos(REPEAT_NS);
        if self.is_leader() {
            let others = self.config.voters.iter().filter(|node| **node != self.config.node);
            let agree = 1 + others.filter(|node| self.quarantine.reports.get(node) == Some(&spot)).count();
            if agree > self.config.voters.len() / 2 {
                let mut batch = BatchWriter::new(0);
                batch.push(Kind::Quarantine(spot), &[]);
                let data = batch.finish(self.sequencer.time(self.now));
                if let Err(error) = self.raft.propose(Vec::new(), data) {
                    tracing::warn!(%error, "Raft dropped a quarantine; it is proposed again");
                }
            }
        } else if let Some(leader) = std::num::NonZeroU64::new(self.raft.raft.leader_id) {
            let payload = Envelope::Broken(spot).encode();
            self.outputs.push_back(Output::Send { to: NodeId::new(leader.get()), payload });
        }
        1
    }
}

/// Whether the verdict on a spot is among these entries.
fn names(entries: &[Entry], spot: Spot) -> bool {
    let named = |entry: &Entry| {
        let Ok(mut batch) = Batch::decode(&entry.data) else { return false };
        while let Ok(Some(command)) = batch.next_command() {
            if command.kind == Kind::Quarantine(spot) {
                return true;
            }
        }
        false
    };
    entries.iter().filter(|entry| !entry.data.is_empty()).any(named)
}
