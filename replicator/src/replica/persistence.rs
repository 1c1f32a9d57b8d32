//! What must be on disk before anything is said.
//!
//! Raft hands out work in numbered steps. Of each step the entries, the term and the vote go to the log store,
//! which answers later; the messages that depend on them are held until then, in order. A leader's own
//! messages do not wait: its standbys write while it writes.

use std::collections::VecDeque;

use raft::eraftpb::{HardState, Message, MessageType, Snapshot};
use wire::Timestamp;

use super::Replica;
use super::envelope::Envelope;
use crate::log::{Append, Durable, Entry};
use crate::members::node_of;
use crate::{LogStore, Output, StateMachine};

/// Steps handled in one cycle.
const STEPS_PER_CYCLE: usize = 8;
/// A standby applies at most so much before it writes: a fraction of the time that a write takes.
const APPLIED_FIRST_BYTES: usize = 8 * 1024;
/// Steps that wait for the disk; with more, Raft waits.
const STEPS_HELD_MAX: usize = 256;

/// Writes under way, and what waits for them.
#[derive(Debug, Default)]
pub(super) struct Persistence {
    ticket: u64,
    durable: u64,
    held: VecDeque<Held>,
    /// A commit index that may be written with whatever is written next.
    unwritten: Option<HardState>,
    install: Option<Install>,
}

/// A step of Raft that waits for its write.
#[derive(Debug)]
struct Held {
    number: u64,
    ticket: u64,
    messages: Vec<Message>,
}

/// A snapshot of the leader on its way to the disk. Until it is there this replica neither goes on nor campaigns: it
/// would stand for election with a log that it cannot apply.
#[derive(Debug)]
struct Install {
    snapshot: Snapshot,
    number: u64,
    messages: Vec<Message>,
    /// What replaces the log once the snapshot is durable. It has its ticket when it is given to the disk.
    append: Append,
    /// The snapshot is durable.
    saved: bool,
    /// The log is being replaced: the ticket of that write.
    replacing: Option<u64>,
    /// There was no room for it: when to try again.
    again_at: Option<Timestamp>,
}

/// There was no room for a snapshot: how long until the next attempt.
pub(super) const NO_ROOM_PAUSE_NS: u64 = 10_000_000_000;

impl Persistence {
    /// Every append up to this ticket is durable.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Whether a snapshot of the leader is on its way to the disk.
    pub fn is_installing(&self) -> bool {
        self.install.is_some()
    }

    /// Whether it is there, and waits for room, which may last until somebody makes some.
    pub fn waits_for_room(&self) -> bool {
        self.install.as_ref().is_some_and(|install| install.again_at.is_some())
    }
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Takes what the store has made durable.
    pub(super) fn poll_log(&mut self) -> usize {
        let mut work = 0;
        loop {
            match self.store.poll() {
                Ok(None) => break,
                Ok(Some(Durable::Appended { ticket })) => self.persistence.durable = ticket,
                Ok(Some(Durable::Snapshot { index })) => self.on_snapshot_durable(index),
                Ok(Some(Durable::SnapshotRefused { index })) => self.on_snapshot_refused(index),
                #[cfg(feature = "planted")]
                Err(_) if wire::planted::is(wire::planted::Bug::FailedWriteIgnored) => {
                    self.persistence.durable = self.persistence.ticket;
                    self.release();
                    return work;
                }
                Err(error) => {
                    self.fail(error.to_string());
                    return work + 1;
                }
            }
            work += 1;
        }
        if work > 0 {
            self.standing_durable();
            self.finish_install();
            self.release();
        }
        work
    }

    /// Handles what Raft wants done.
    pub(super) fn poll_ready(&mut self) -> usize {
        let mut work = 0;
        while self.is_admitted()
            && work < STEPS_PER_CYCLE
            && self.failed.is_none()
            && !self.persistence.is_installing()
            && self.persistence.held.len() < STEPS_HELD_MAX
            && self.raft.has_ready()
        {
            self.step_ready();
            self.observe_leader();
            work += 1;
        }
        work
    }

    fn step_ready(&mut self) {
        let mut ready = self.raft.ready();
        let number = ready.number();
        for message in ready.take_messages() {
            self.send(message);
        }
        self.reads.confirm(ready.take_read_states(), self.promised());
        let committed = ready.take_committed_entries();
        let messages = ready.take_persisted_messages();
        let entries = ready.take_entries();
        let snapshot = ready.snapshot().clone();
        if let Some(hard_state) = ready.hs() {
            self.raft.mut_store().set_hard_state(hard_state.clone());
            self.persistence.unwritten = Some(hard_state.clone());
        }
        let write = ready.must_sync().then(|| self.next_append(&entries));
        let is_awaited = !messages.is_empty();
        let tail = self.raft.mut_store();
        if !snapshot.is_empty() {
            let metadata = snapshot.get_metadata();
            tail.reset(metadata.index, metadata.term);
        }
        tail.append(&entries);
        self.raft.advance_append_async(ready);
        match write {
            Some(append) if !snapshot.is_empty() => self.begin_install(snapshot, number, messages, append),
            Some(append) => {
                let ticket = append.ticket;
                self.persistence.held.push_back(Held { number, ticket, messages });
                self.store.append(append);
                #[cfg(feature = "planted")]
                self.release();
                if is_awaited && !self.is_applied_first(&committed) {
                    return self.backlog.put_off(committed, ticket);
                }
            }
            None => {
                let ticket = self.persistence.ticket;
                self.persistence.held.push_back(Held { number, ticket, messages });
                self.release();
            }
        }
        self.apply_committed(committed);
    }

    /// Whether what is committed goes before the write: others on the node wait for it, and it is little.
    fn is_applied_first(&self, committed: &[Entry]) -> bool {
        let bytes: usize = committed.iter().map(|entry| entry.data.len()).sum();
        self.config.tells_stored && bytes <= APPLIED_FIRST_BYTES
    }

    pub(super) fn next_append(&mut self, entries: &[Entry]) -> Append {
        self.persistence.ticket += 1;
        Append {
            ticket: self.persistence.ticket,
            hard_state: self.persistence.unwritten.take(),
            entries: entries.to_vec(),
            standing: None,
            reset: None,
        }
    }

    /// Writes what is committed, if that has not been. Otherwise it goes with the next write; but who is started anew before
    /// that and knows of a change of members only that it began elects by those before as well, who may be gone by then.
    pub(super) fn write_commit(&mut self) {
        // On a full disk it waits until there is space.
        if self.persistence.unwritten.is_some() && !self.persistence.is_installing() && !self.scarcity.is_full() {
            let append = self.next_append(&[]);
            self.store.append(append);
        }
    }

    /// Tells Raft what is durable, and sends what waited for it.
    fn release(&mut self) {
        let mut number = None;
        let mut messages = Vec::new();
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::SyncNotAwaited) {
            self.persistence.durable = self.persistence.ticket;
        }
        let durable = self.persistence.durable;
        while self.persistence.held.front().is_some_and(|held| held.ticket <= durable) {
            let held = self.persistence.held.pop_front().expect("there is a first");
            number = Some(held.number);
            messages.extend(held.messages);
        }
        if let Some(number) = number {
            self.raft.on_persist_ready(number);
        }
        for message in messages {
            self.send(message);
        }
        self.tell_stored();
        self.commit_stored();
    }

    fn begin_install(&mut self, snapshot: Snapshot, number: u64, messages: Vec<Message>, mut append: Append) {
        let metadata = snapshot.get_metadata();
        append.reset = Some((metadata.index, metadata.term));
        self.store.save_snapshot(metadata.index, snapshot.get_data().to_vec());
        let install = Install { snapshot, number, messages, append, saved: false, replacing: None, again_at: None };
        self.persistence.install = Some(install);
    }

    fn on_snapshot_durable(&mut self, index: u64) {
        match &mut self.persistence.install {
            Some(install) if !install.saved && install.snapshot.get_metadata().index == index => {
                install.saved = true;
                self.replace_log();
            }
            _ => self.checkpoint_durable(index),
        }
    }

    /// The log begins at the leader's snapshot, which is durable. On a full disk that waits until there is space.
    fn replace_log(&mut self) -> usize {
        let is_full = self.scarcity.is_full();
        let is_due = |install: &&mut Install| install.saved && install.replacing.is_none() && !is_full;
        let Some(install) = self.persistence.install.as_mut().filter(is_due) else { return 0 };
        self.persistence.ticket += 1;
        install.append.ticket = self.persistence.ticket;
        install.replacing = Some(install.append.ticket);
        self.store.append(install.append.clone());
        1
    }

    /// Nothing depends on a snapshot of this replica's own; the leader's is kept until there is room for it.
    fn on_snapshot_refused(&mut self, index: u64) {
        let again_at = self.now.plus_nanos(NO_ROOM_PAUSE_NS);
        match &mut self.persistence.install {
            Some(install) if !install.saved && install.snapshot.get_metadata().index == index => {
                install.again_at = Some(again_at);
            }
            _ => self.checkpoint_refused(index, again_at),
        }
    }

    /// Tries again to save the leader's snapshot, for which there was no room, or to replace the log, which the disk was too
    /// full for.
    pub(super) fn poll_install(&mut self) -> usize {
        if self.replace_log() > 0 {
            return 1;
        }
        let now = self.now;
        let Some(install) = &mut self.persistence.install else { return 0 };
        if install.again_at.take_if(|at| *at <= now).is_none() {
            return 0;
        }
        let snapshot = &install.snapshot;
        self.store.save_snapshot(snapshot.get_metadata().index, snapshot.get_data().to_vec());
        1
    }

    /// Once the log on disk begins at the snapshot, the machine does as well.
    fn finish_install(&mut self) {
        let durable = self.persistence.durable;
        let is_replaced = |install: &mut Install| install.replacing.is_some_and(|ticket| ticket <= durable);
        let Some(install) = self.persistence.install.take_if(is_replaced) else { return };
        let bytes = install.snapshot.get_data();
        match self.state.restore(&self.config, bytes) {
            Ok(()) => {
                self.quarantine.heal();
                if let Some(twin) = &mut self.twin {
                    twin.restart(bytes);
                }
                self.checkpoint.installed(&self.state.cursor);
                self.belonging.members_are(&self.state.members, self.state.cursor.index);
                self.pasts.begins(self.state.cursor.position);
                self.tell_members();
                self.outputs.push_back(Output::SnapshotInstalled { position: self.state.cursor.position });
                let (number, ticket, messages) = (install.number, install.append.ticket, install.messages);
                self.persistence.held.push_back(Held { number, ticket, messages });
                // A campaign would look for the entries that the snapshot has replaced.
                self.release();
                self.tell_applied();
            }
            Err(error) => self.fail(format!("installing the leader's snapshot: {error}")),
        }
    }

    /// Hands a message of Raft to the network. A snapshot goes in chunks.
    pub(super) fn send(&mut self, message: Message) {
        if message.get_msg_type() == MessageType::MsgSnapshot {
            let metadata = message.get_snapshot().get_metadata();
            let at = (metadata.index, metadata.term);
            self.begin_transfer(message.to, at);
            return;
        }
        let to = node_of(message.to);
        if to == self.config.node {
            // To the member that this node was before it returned.
            return;
        }
        let payload = Envelope::Raft(Box::new(message)).encode();
        self.outputs.push_back(Output::Send { to, payload });
    }
}
