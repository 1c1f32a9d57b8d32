//! What the log makes: the machine, the sessions, and how far the log has been applied.
//!
//! A function of the log alone. A replica has one that answers and publishes, and may have a [`super::twin`] of it
//! that follows in silence.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use raft::eraftpb::{Entry, EntryType};
use wire::codec::CodecError;
use wire::{LogPosition, Origin, Sequence, Timestamp};

use super::proposals::refused;
use super::quarantine::Spot;
use crate::entry::{Batch, Command, Kind};
use crate::members::Members;
use crate::session::{Cached, Sessions, Verdict};
use crate::snapshot::{self, Header};
use crate::{Applied, Input, OpenError, Output, ReplicaConfig, RestoreError, StateMachine, UnknownVersion};

/// A verdict may be sequenced again by a later leader, which did not know of the first; so late that this many others came
/// between it is not.
const PUT_ASIDE_KEPT: usize = 64;

/// So many commands of an entry are shown to the machine before the first of them is executed. Fewer than a processor's first
/// cache has room for what they need.
const FORESEEN: usize = 16;

/// How far the log has been applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The last log entry.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The term of the last batch with commands.
    pub batch_term: u64,
    /// The last command.
    pub position: LogPosition,
    /// When it was sequenced.
    pub timestamp: Timestamp,
}

/// See the module.
pub(crate) struct State<M> {
    pub machine: M,
    pub sessions: Sessions,
    pub cursor: Cursor,
    /// Who has a replica.
    pub members: Members,
    /// Parts of commands that a quorum could not execute: they are put aside.
    pub skip: BTreeSet<Spot>,
    /// The versions that the machine can behave by.
    versions: RangeInclusive<u16>,
    /// Where the log said a version last, of what has been applied since the snapshot that this began with.
    pub version_at: LogPosition,
    /// Lent to the machine.
    applied: Applied,
}

/// Why an entry was not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotApplied {
    /// Its bytes are not an entry's.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] CodecError),
    /// The machine panicked: what it remembers means nothing any more.
    #[error("the command at position {} panicked the machine: {panic}", spot.position)]
    Broken { spot: Spot, panic: String },
    /// The machine cannot behave by the version that is said there.
    #[error(transparent)]
    Unknown(#[from] UnknownVersion),
    /// It was executed here.
    #[error("a quorum could not execute the command at position {}, which this replica has executed", .0.position)]
    Executed(Spot),
}

/// Where what happens goes.
pub(crate) trait Audience {
    /// Whether answers are wanted: the leader's.
    fn wants_answers(&self) -> bool;

    /// A command was applied, or a request answered.
    fn tell(&mut self, output: Output);

    /// What a client is answered, where anybody is: most replicas answer nobody, and a copy costs as much as a step of a command.
    #[inline]
    fn answer(&mut self, answer: impl FnOnce() -> Output) {
        if self.wants_answers() {
            self.tell(answer());
        }
    }

    /// What the replica's own clock says, which is nobody's business.
    #[cfg(feature = "planted")]
    fn clock(&self) -> Timestamp {
        Timestamp::ZERO
    }
}

/// Nobody listens.
pub(crate) struct Nobody;

impl Audience for Nobody {
    fn wants_answers(&self) -> bool {
        false
    }

    fn tell(&mut self, _: Output) {}
}

impl<M: StateMachine> State<M> {
    /// Before the first entry; the machine must be new.
    pub fn new(config: &ReplicaConfig, machine: M) -> State<M> {
        let sessions = Sessions::new(config.sessions.clone());
        State {
            machine,
            sessions,
            cursor: Cursor::default(),
            members: Members::founders(&config.voters),
            skip: BTreeSet::new(),
            versions: config.versions.clone(),
            version_at: LogPosition::ZERO,
            applied: Applied::default(),
        }
    }

    /// Applies one committed entry, the one after the cursor.
    pub fn apply(&mut self, entry: &Entry, audience: &mut impl Audience) -> Result<(), NotApplied> {
        assert_eq!(entry.index, self.cursor.index + 1, "entries are applied in order");
        if entry.get_entry_type() == EntryType::EntryConfChangeV2 {
            self.members = self.members.after(entry).unwrap_or_else(|| self.members.clone());
        } else if !entry.data.is_empty() {
            let mut batch = Batch::decode(&entry.data)?;
            // A leader's clock may be behind its predecessor's; log time is not.
            let now = batch.timestamp.max(self.cursor.timestamp);
            #[cfg(feature = "planted")]
            let now = if wire::planted::is(wire::planted::Bug::WallClock) { now.max(audience.clock()) } else { now };
            let first_of_term = entry.term != self.cursor.batch_term;
            self.sessions.begin_batch(now, first_of_term);
            if first_of_term {
                self.machine.begin_term(now);
            }
            (self.cursor.timestamp, self.cursor.batch_term) = (now, entry.term);
            let (mut ahead, mut foreseen) = (batch.clone(), 0);
            while let Some(command) = batch.next_command()? {
                if foreseen == 0 {
                    foreseen = FORESEEN;
                    let next = std::iter::from_fn(|| ahead.next_command().ok().flatten());
                    self.machine.foresee(next.take(FORESEEN).map(|command| command.payload));
                }
                foreseen -= 1;
                self.cursor.position = self.cursor.position.next();
                self.apply_command(command, now, audience)?;
            }
        }
        (self.cursor.index, self.cursor.term) = (entry.index, entry.term);
        Ok(())
    }

    fn apply_command(
        &mut self,
        command: Command<'_>,
        now: Timestamp,
        audience: &mut impl Audience,
    ) -> Result<(), NotApplied> {
        let position = self.cursor.position;
        let mut events = Vec::new();
        let answer = match command.kind {
            Kind::Internal => {
                events = self.execute(position, now, Origin::INTERNAL, command.payload)?;
                None
            }
            Kind::Version(version) => {
                self.check_version(version)?;
                events = self.behave(position, now, command.payload)?;
                self.version_at = position;
                None
            }
            Kind::Quarantine(spot) if !self.skip.contains(&spot) => return Err(NotApplied::Executed(spot)),
            Kind::Quarantine(_) => None,
            Kind::Drain { node, begins } => {
                match begins && self.members.has_node(node) {
                    true => self.members.places.draining.insert(node),
                    false => self.members.places.draining.remove(&node),
                };
                let members = Box::new(self.members.clone());
                audience.tell(Output::MembersChanged { members, index: self.cursor.index + 1 });
                None
            }
            Kind::OpenSession(nonce) => match self.sessions.open(nonce, position, now) {
                Ok(session) => Some(Output::SessionOpened { nonce, session }),
                Err(refusal) => refused(command.kind, refusal, 0),
            },
            Kind::Request { origin, acknowledged_below } => {
                return self.apply_request(command, origin, acknowledged_below, now, audience);
            }
        };
        audience.tell(Output::Applied { position, timestamp: now, origin: Origin::INTERNAL, events });
        if let Some(answer) = answer {
            audience.answer(|| answer);
        }
        Ok(())
    }

    /// A request of a session is executed once: if it is the session's next.
    #[inline]
    fn apply_request(
        &mut self,
        command: Command<'_>,
        origin: Origin,
        acknowledged_below: Sequence,
        now: Timestamp,
        audience: &mut impl Audience,
    ) -> Result<(), NotApplied> {
        let position = self.cursor.position;
        let nothing = || Output::Applied { position, timestamp: now, origin: Origin::INTERNAL, events: Vec::new() };
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::NoDuplicateSuppression)
            && matches!(self.sessions.judge(origin, acknowledged_below, now), Verdict::Answer(_))
        {
            let events = self.execute(position, now, origin, command.payload)?;
            let cached = self.sessions.cached(origin).expect("it was executed before");
            let answer = reply(origin, cached.position, cached.payload.to_vec());
            audience.tell(Output::Applied { position, timestamp: now, origin, events });
            audience.answer(|| answer);
            return Ok(());
        }
        match self.sessions.judge(origin, acknowledged_below, now) {
            Verdict::Execute => {
                let events = self.execute(position, now, origin, command.payload)?;
                let payload = &self.applied.reply;
                self.sessions.executed(origin, Cached { position, payload: payload[..].into() });
                audience.tell(Output::Applied { position, timestamp: now, origin, events });
                audience.answer(|| reply(origin, position, payload.clone()));
            }
            Verdict::Answer(cached) => {
                audience.tell(nothing());
                audience.answer(|| reply(origin, cached.position, cached.payload.to_vec()));
            }
            Verdict::Refuse(refusal, detail) => {
                audience.tell(nothing());
                if let Some(answer) = refused(command.kind, refusal, detail) {
                    audience.answer(|| answer);
                }
            }
        }
        Ok(())
    }

    /// The machine's own command for a version.
    fn behave(&mut self, position: LogPosition, now: Timestamp, payload: &[u8]) -> Result<Vec<u8>, NotApplied> {
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::BehavesByBuild) {
            let mut newest = Vec::new();
            self.machine.set_version(*self.versions.end(), &mut newest);
            return self.execute(position, now, Origin::INTERNAL, &newest);
        }
        self.execute(position, now, Origin::INTERNAL, payload)
    }

    fn check_version(&self, version: u16) -> Result<(), UnknownVersion> {
        let known = self.versions.clone();
        if known.contains(&version) { Ok(()) } else { Err(UnknownVersion { version, known }) }
    }

    /// Executes one command and returns its events; its reply stays in `applied`. An empty request only keeps its session
    /// alive.
    fn execute(
        &mut self,
        position: LogPosition,
        now: Timestamp,
        origin: Origin,
        payload: &[u8],
    ) -> Result<Vec<u8>, NotApplied> {
        self.applied.reply.clear();
        self.applied.events.clear();
        if !payload.is_empty() {
            let input = Input { position, now, origin, payload };
            let (machine, applied) = (&mut self.machine, &mut self.applied);
            let all = Spot { position, step: 0 }..=Spot { position, step: u32::MAX };
            let skipped: Vec<u32> = self.skip.range(all).map(|spot| spot.step).collect();
            // Of a machine that panicked nothing is read until it is built anew.
            let done = catch_unwind(AssertUnwindSafe(|| match skipped[..] {
                [] => machine.apply(input, applied),
                _ => machine.apply_without(input, &skipped, applied),
            }));
            if let Err(panic) = done {
                let spot = Spot { position, step: self.machine.step() };
                return Err(NotApplied::Broken { spot, panic: text_of(&*panic) });
            }
        }
        Ok(self.applied.events.clone())
    }

    /// Goes back to a snapshot, or to before the first entry, to take the same way again. What was told is not told again
    /// by the machine.
    pub fn rebuild(&mut self, config: &ReplicaConfig, snapshot: Option<&[u8]>) -> Result<(), OpenError> {
        match snapshot {
            Some(bytes) => self.restore_with(config, bytes, |machine, bytes| machine.rebuild(Some(bytes))),
            None => {
                self.sessions = Sessions::new(config.sessions.clone());
                self.cursor = Cursor::default();
                self.version_at = LogPosition::ZERO;
                self.members = Members::founders(&config.voters);
                self.machine.rebuild(None).map_err(|source| OpenError::Restore { index: 0, source })
            }
        }
    }

    /// The whole of it as a snapshot.
    pub fn snapshot(&self, config: &ReplicaConfig) -> Vec<u8> {
        let header = Header {
            partition: config.partition,
            epoch: config.epoch,
            index: self.cursor.index,
            term: self.cursor.term,
            batch_term: self.cursor.batch_term,
            position: self.cursor.position,
            timestamp: self.cursor.timestamp,
            // Known once the machine is written.
            digest: 0,
            behaviour: self.machine.version(),
            members: self.members.clone(),
            put_aside: self.put_aside(),
        };
        snapshot::write_digested(&header, |to| self.save_sessions(to), |to| self.machine.snapshot_and_digest(to))
    }

    /// The last parts that were put aside. A twin may know of one that is ahead of it.
    fn put_aside(&self) -> Vec<Spot> {
        let behind = self.skip.iter().rev().skip_while(|spot| spot.position > self.cursor.position);
        let mut spots: Vec<Spot> = behind.take(PUT_ASIDE_KEPT).copied().collect();
        spots.reverse();
        spots
    }

    fn save_sessions(&self, to: &mut Vec<u8>) {
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::SnapshotWithoutSessions) {
            return self.sessions.emptied().snapshot(to);
        }
        self.sessions.snapshot(to);
    }

    /// Replaces all of it by a snapshot's.
    pub fn restore(&mut self, config: &ReplicaConfig, bytes: &[u8]) -> Result<(), OpenError> {
        self.restore_with(config, bytes, M::restore)
    }

    fn restore_with(
        &mut self,
        config: &ReplicaConfig,
        bytes: &[u8],
        restore: impl FnOnce(&mut M, &[u8]) -> Result<(), RestoreError>,
    ) -> Result<(), OpenError> {
        let opened = snapshot::open(bytes).map_err(|error| OpenError::Config(format!("the snapshot: {error}")))?;
        let header = opened.header;
        if (header.partition, header.epoch) != (config.partition, config.epoch) {
            return Err(OpenError::Config(format!(
                "the snapshot is of partition {} of epoch {}, not of partition {} of epoch {}",
                header.partition, header.epoch, config.partition, config.epoch
            )));
        }
        let index = header.index;
        self.check_version(header.behaviour).map_err(|unknown| OpenError::Version { index, unknown })?;
        self.version_at = LogPosition::ZERO;
        self.sessions = Sessions::restore(config.sessions.clone(), opened.sessions)
            .map_err(|error| OpenError::Config(format!("the snapshot's sessions: {error}")))?;
        restore(&mut self.machine, opened.machine).map_err(|source| OpenError::Restore { index, source })?;
        if self.machine.digest() != header.digest {
            return Err(OpenError::Digest { index });
        }
        self.members = header.members;
        self.skip.extend(header.put_aside);
        self.cursor = Cursor {
            index,
            term: header.term,
            batch_term: header.batch_term,
            position: header.position,
            timestamp: header.timestamp,
        };
        Ok(())
    }
}

/// What a panic says.
fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no text").to_owned()
}

fn reply(origin: Origin, position: LogPosition, payload: Vec<u8>) -> Output {
    Output::Reply { session: origin.session, sequence: origin.sequence, position, payload }
}
