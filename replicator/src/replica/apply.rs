//! Committed entries become state, replies and events, in the same way on every replica.

use raft::eraftpb::Entry;
use wire::{LogPosition, Origin, Timestamp};

use super::Replica;
use super::proposals::refused;
use crate::entry::{Batch, Command, Kind};
use crate::session::{Cached, Verdict};
use crate::{Input, LogStore, Output, StateMachine};

/// How far the log has been applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cursor {
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

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    pub(super) fn apply_committed(&mut self, entries: Vec<Entry>) {
        for entry in &entries {
            assert_eq!(entry.index, self.cursor.index + 1, "entries are applied in order");
            if let Err(error) = self.apply_entry(entry) {
                self.fail(format!("log entry {} cannot be read: {error}", entry.index));
                return;
            }
            (self.cursor.index, self.cursor.term) = (entry.index, entry.term);
        }
        if !entries.is_empty() {
            self.raft.advance_apply_to(self.cursor.index);
        }
    }

    fn apply_entry(&mut self, entry: &Entry) -> Result<(), wire::codec::CodecError> {
        self.checkpoint.applied(entry.data.len());
        if entry.data.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::decode(&entry.data)?;
        // A leader's clock may be behind its predecessor's; log time is not.
        let now = batch.timestamp.max(self.cursor.timestamp);
        let first_of_term = entry.term != self.cursor.batch_term;
        self.sessions.begin_batch(now, first_of_term);
        if first_of_term {
            self.machine.begin_term(now);
        }
        (self.cursor.timestamp, self.cursor.batch_term) = (now, entry.term);
        while let Some(command) = batch.next_command()? {
            self.cursor.position = self.cursor.position.next();
            self.apply_command(command, now);
        }
        Ok(())
    }

    fn apply_command(&mut self, command: Command<'_>, now: Timestamp) {
        let position = self.cursor.position;
        let leader = self.is_leader();
        let mut origin = Origin::INTERNAL;
        let mut events = Vec::new();
        let answer = match command.kind {
            Kind::Internal => {
                events = self.execute(position, now, origin, command.payload).1;
                None
            }
            Kind::OpenSession(nonce) => match self.sessions.open(nonce, position, now) {
                Ok(session) => Some(Output::SessionOpened { nonce, session }),
                Err(refusal) => refused(command.kind, refusal, 0),
            },
            Kind::Request { origin: from, acknowledged_below } => {
                match self.sessions.judge(from, acknowledged_below, now) {
                    Verdict::Execute => {
                        origin = from;
                        let (payload, happened) = self.execute(position, now, origin, command.payload);
                        events = happened;
                        self.sessions.executed(origin, Cached { position, payload: payload.clone() });
                        Some(reply(origin, position, payload))
                    }
                    Verdict::Answer(cached) => leader.then(|| reply(from, cached.position, cached.payload.clone())),
                    Verdict::Refuse(refusal, detail) => refused(command.kind, refusal, detail),
                }
            }
        };
        self.outputs.push_back(Output::Applied { position, timestamp: now, origin, events });
        if leader {
            self.outputs.extend(answer);
        }
    }

    /// Reply and events of one command. An empty request only keeps its session alive.
    fn execute(&mut self, position: LogPosition, now: Timestamp, origin: Origin, payload: &[u8]) -> (Vec<u8>, Vec<u8>) {
        self.applied.reply.clear();
        self.applied.events.clear();
        if !payload.is_empty() {
            self.machine.apply(Input { position, now, origin, payload }, &mut self.applied);
        }
        (self.applied.reply.clone(), self.applied.events.clone())
    }
}

fn reply(origin: Origin, position: LogPosition, payload: Vec<u8>) -> Output {
    Output::Reply { session: origin.session, sequence: origin.sequence, position, payload }
}
