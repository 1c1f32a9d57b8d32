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

use std::collections::{BTreeMap, BTreeSet};

use raft::GetEntriesContext;
use raft::Storage;
use raft::eraftpb::Entry;
use wire::{LogPosition, NodeId, Timestamp};

use super::Replica;
use super::envelope::Envelope;
use super::state::{Audience, Nobody, NotApplied};
use crate::entry::{Batch, BatchWriter, Kind};
use crate::members::node_of;
use crate::{LogStore, Output, StateMachine};

/// How long a broken replica waits for the others.
const GIVE_UP_NS: u64 = 10_000_000_000;
/// How often a broken standby tells its leader, and a leader tries again.
const REPEAT_NS: u64 = 100_000_000;
/// A leader that is broken, and does not know a quorum to be, hands over after so long: the others may be whole.
const HAND_OVER_NS: u64 = 300_000_000;
/// Who has not said for so long that it is broken is not.
const REPORT_LASTS_NS: u64 = 1_000_000_000;
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
    /// So many of them have been looked through, and these verdicts are in them.
    looked: usize,
    verdicts: BTreeSet<Spot>,
    /// Where others are broken, and when they said so.
    reports: BTreeMap<NodeId, (Spot, Timestamp)>,
    /// The verdict that was proposed last, and in which term.
    proposed: Option<(u64, Spot)>,
}

#[derive(Debug)]
struct Break {
    spot: Spot,
    /// `None` until the next cycle: what came before this break in the same one may have taken long.
    since: Option<Timestamp>,
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
        self.take_waiting();
    }

    /// Whether a node has lately said that it is broken.
    pub fn reports(&self, node: NodeId, now: Timestamp) -> bool {
        self.reports.get(&node).is_some_and(|(_, at)| now <= at.plus_nanos(REPORT_LASTS_NS))
    }

    fn take_waiting(&mut self) -> Vec<Entry> {
        self.looked = 0;
        self.verdicts.clear();
        std::mem::take(&mut self.waiting)
    }

    /// Whether the verdict on where it is broken is among what waits. Every entry is looked through once.
    fn is_judged(&mut self) -> Option<Spot> {
        for entry in &self.waiting[self.looked..] {
            verdicts_in(entry, &mut self.verdicts);
        }
        self.looked = self.waiting.len();
        self.spot().filter(|spot| self.verdicts.contains(spot))
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
        let partition = self.config.partition;
        let Spot { position, step } = spot;
        tracing::error!(%partition, %position, step, panic, "a command panicked the machine: it waits for its quarantine");
        self.quarantine.broken = Some(Break { spot, since: None, repeat_at: self.now });
        self.wait_for_verdict(entries);
    }

    /// Keeps committed entries of a broken machine, and builds it anew when the verdict is among them.
    pub(super) fn wait_for_verdict(&mut self, entries: &[Entry]) {
        self.quarantine.waiting.extend_from_slice(entries);
        while let Some(spot) = self.quarantine.is_judged() {
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
        let waiting = self.quarantine.take_waiting();
        let end = waiting.first().map_or(0, |entry| entry.index);
        while self.state.cursor.index + 1 < end {
            let from = self.state.cursor.index + 1;
            let piece = self.raft.store().entries(from, end, PIECE_BYTES, GetEntriesContext::empty(false));
            for entry in piece.map_err(|error| format!("the log from entry {from} on: {error}"))? {
                self.state.apply(&entry, &mut Nobody).map_err(|error| error.to_string())?;
            }
        }
        let mut is_told = true;
        for (at, entry) in waiting.iter().enumerate() {
            let before = self.state.members.clone();
            let version_at = self.state.version_at;
            let mut rest = Rest { is_leader: self.is_leader(), outputs: &mut self.outputs, from: position, is_told };
            let applied = self.state.apply(entry, &mut rest);
            is_told = rest.is_told;
            match applied {
                Ok(()) => {
                    self.checkpoint.applied(entry.data.len());
                    if self.state.version_at != version_at {
                        self.checkpoint.hurry();
                    }
                    if before != self.state.members {
                        // Raft learns of it as it would have without the break.
                        self.raft_follows(entry);
                    }
                }
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
        self.tell_applied();
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
        if self.quarantine.reports.insert(from, (spot, self.now)).map(|(known, _)| known) != Some(spot) {
            let (partition, Spot { position, step }) = (self.config.partition, spot);
            tracing::warn!(%partition, node = %from, %position, step, "a command panicked a peer's machine");
        }
        true
    }

    /// Tells the leader, or, as the leader, has the verdict sequenced.
    pub(super) fn poll_quarantine(&mut self) -> usize {
        let (now, has_leader) = (self.now, self.raft.raft.leader_id != 0);
        let Some(broken) = &mut self.quarantine.broken else { return 0 };
        let spot = broken.spot;
        let since = *broken.since.get_or_insert(now);
        if !has_leader {
            // Nobody can have the verdict sequenced.
            broken.since = Some(now);
        }
        if now > since.plus_nanos(GIVE_UP_NS) && has_leader {
            self.fail(format!(
                "the command at position {} panicked this replica and not a quorum: its memory or its binary is not the \
                 others'",
                spot.position
            ));
            return 1;
        }
        if now < broken.repeat_at {
            return 0;
        }
        broken.repeat_at = now.plus_nanos(REPEAT_NS);
        if !self.is_leader() {
            self.report(spot);
        } else if self.is_agreed(spot) {
            self.propose_verdict(spot);
        } else if now > since.plus_nanos(HAND_OVER_NS) {
            self.hand_over_whole();
        }
        1
    }

    fn report(&mut self, spot: Spot) {
        let to = node_of(self.raft.raft.leader_id);
        if to.get() != 0 {
            let payload = Envelope::Broken(spot).encode();
            self.outputs.push_back(Output::Send { to, payload });
        }
    }

    /// Whether a quorum, this replica included, is broken at this spot.
    fn is_agreed(&self, spot: Spot) -> bool {
        let voters = &self.state.members.voters;
        let reports = &self.quarantine.reports;
        let lately = |at: Timestamp| self.now <= at.plus_nanos(REPORT_LASTS_NS);
        let says_so = |node| reports.get(&node).is_some_and(|(known, at)| *known == spot && lately(*at));
        let agree = voters.iter().filter(|voter| **voter == self.raft.raft.id || says_so(node_of(**voter)));
        agree.count() > voters.len() / 2
    }

    /// Once in a term: what this leader proposed either is committed or goes with its term.
    fn propose_verdict(&mut self, spot: Spot) {
        let proposal = (self.raft.raft.term, spot);
        if self.quarantine.proposed == Some(proposal) {
            return;
        }
        let mut batch = BatchWriter::new(0);
        batch.push(Kind::Quarantine(spot), &[]);
        match self.raft.propose(Vec::new(), batch.finish(self.sequencer.time(self.now))) {
            Ok(()) => self.quarantine.proposed = Some(proposal),
            Err(error) => tracing::warn!(%error, "Raft dropped a quarantine; it is proposed again"),
        }
    }

    /// To the standby that has most and has said nothing against it.
    pub(super) fn hand_over_whole(&mut self) {
        let standbys = self.status().standbys.into_iter();
        let whole = standbys.filter(|(node, _)| self.is_fit(*node));
        if let Some((to, _)) = whole.max_by_key(|(_, matched)| *matched) {
            tracing::warn!(partition = %self.config.partition, %to, "handing over");
            self.transfer_leadership(to);
        }
    }
}

/// Adds the verdicts in an entry.
fn verdicts_in(entry: &Entry, verdicts: &mut BTreeSet<Spot>) {
    if entry.data.is_empty() {
        return;
    }
    let Ok(mut batch) = Batch::decode(&entry.data) else { return };
    while let Ok(Some(command)) = batch.next_command() {
        if let Kind::Quarantine(spot) = command.kind {
            verdicts.insert(spot);
        }
    }
}
