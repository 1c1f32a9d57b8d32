//! What a peer may say.
//!
//! The Raft library trusts its input and stops the process on what cannot be: a commit index beyond the log,
//! a gap between entries, a term that overflows. So everything is checked here before it is stepped; what
//! fails is counted and dropped, and a peer that is merely confused harms nobody.

use raft::StateRole;
use raft::eraftpb::{EntryType, Message, MessageType};
use wire::NodeId;

use super::envelope::Envelope;
use super::{Replica, SEND_BYTES_MAX};
use crate::members::node_of;
use crate::{LogStore, StateMachine, entry, members};

/// No cluster elects this often; a greater term would overflow one day.
const TERM_MAX: u64 = 1 << 48;

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Takes a message of a peer's replica of this partition.
    pub fn on_message(&mut self, from: NodeId, payload: &[u8]) {
        if self.failed.is_some() || self.scarcity.is_full() {
            return;
        }
        let taken = from != self.config.node
            && from.get() != 0
            && payload.len() <= SEND_BYTES_MAX
            && match Envelope::decode(payload) {
                Ok(Envelope::Raft(message)) => self.on_raft(from, *message),
                // A snapshot may be more than fits.
                Ok(Envelope::Chunk(_)) if self.scarcity.is_low() => true,
                Ok(Envelope::Chunk(chunk)) => self.on_chunk(from, chunk),
                Ok(Envelope::Received(received)) => self.on_received(from, received),
                Ok(Envelope::Broken(spot)) => self.on_broken_peer(from, spot),
                Ok(Envelope::Scarce) => self.on_scarce_peer(from),
                Ok(Envelope::Reached(reached)) => self.on_reached(from, reached),
                Ok(Envelope::Versions(versions)) => self.on_versions(from, versions),
                Ok(Envelope::Past(told)) => self.on_past(from, told),
                Ok(Envelope::Stored(stored)) => self.on_stored(from, stored),
                Ok(Envelope::Attends(said)) => self.on_attends(from, said),
                Ok(Envelope::Introduction(said)) => self.on_introduction(from, said),
                Err(_) => false,
            };
        if !taken {
            self.dropped_messages += 1;
        }
    }

    fn on_raft(&mut self, from: NodeId, mut message: Message) -> bool {
        if node_of(message.from) != from || !self.is_admitted() || !self.admits(&message) {
            return false;
        }
        if self.is_blank() && message.get_msg_type() != MessageType::MsgHeartbeat {
            // It has nothing to vote by and nothing to go on from. Its leader will send it a snapshot.
            return false;
        }
        self.belonging.addressed_at = self.now;
        let raft = &self.raft.raft;
        if raft.state == StateRole::Leader {
            self.belonging.answered.insert(message.from, self.now);
        }
        if message.get_msg_type() == MessageType::MsgHeartbeat && message.commit > raft.raft_log.last_index() {
            // Nobody may make this replica believe that what it does not have is committed.
            message.commit = raft.raft_log.committed;
        }
        if message.get_msg_type() == MessageType::MsgTimeoutNow {
            // Who has a change of members to apply does not stand for election.
            self.apply_backlog();
            if self.must_write_first() {
                return true;
            }
        }
        self.learn_from_refusal(&message);
        let stepped = self.raft.step(message).is_ok();
        self.election.settle(&mut self.raft);
        if self.persistence.waits_for_room() {
            // Nothing is sent before the snapshot is saved. Answers would gather for as long as that takes, and would be late.
            self.raft.raft.msgs.clear();
        }
        stepped
    }

    /// A ladder: whoever falls through every rung may be stepped.
    fn admits(&self, message: &Message) -> bool {
        let raft = &self.raft.raft;
        if message.to != raft.id || message.term == 0 || message.term > TERM_MAX {
            return false;
        }
        // There is one leader in a term.
        let of_leader = matches!(message.get_msg_type(), MessageType::MsgAppend | MessageType::MsgHeartbeat);
        if of_leader && message.term == raft.term && raft.leader_id != 0 && raft.leader_id != message.from {
            return false;
        }
        match message.get_msg_type() {
            MessageType::MsgAppend => entries_are_sound(message) && self.goes_on_from_what_is_committed(message),
            MessageType::MsgAppendResponse => self.admits_append_response(message),
            MessageType::MsgTimeoutNow => {
                let is_able = !self.persistence.is_installing() && !self.is_broken() && !self.scarcity.is_low();
                message.from == raft.leader_id && message.term == raft.term && is_able
            }
            MessageType::MsgHeartbeat
            | MessageType::MsgHeartbeatResponse
            | MessageType::MsgRequestVote
            | MessageType::MsgRequestVoteResponse
            | MessageType::MsgRequestPreVote
            | MessageType::MsgRequestPreVoteResponse => message.entries.is_empty() && !message.has_snapshot(),
            // Proposals, reads and transfers are asked of the leader by nodes, not by replicas; snapshots come
            // in chunks; the rest is Raft talking to itself.
            _ => false,
        }
    }

    /// A leader has every committed entry, so what it says of later ones is not of an earlier term. Raft would look for
    /// that term down to where the log was compacted, and stop the process there.
    fn goes_on_from_what_is_committed(&self, message: &Message) -> bool {
        let raft = &self.raft.raft;
        let committed = raft.raft_log.committed;
        let is_later = message.term >= raft.term && message.index >= committed;
        !is_later || message.log_term >= raft.raft_log.term(committed).unwrap_or(0)
    }

    fn admits_append_response(&self, message: &Message) -> bool {
        let raft = &self.raft.raft;
        let sound = message.entries.is_empty() && !message.has_snapshot() && message.request_snapshot == 0;
        if raft.state != StateRole::Leader || message.term != raft.term {
            return sound;
        }
        let last = raft.raft_log.last_index();
        sound && message.index <= last && (!message.reject || message.reject_hint <= last)
    }
}

fn entries_are_sound(message: &Message) -> bool {
    // Beyond its log's end Raft takes the term for 0: an entry of that term there would pass for one it has.
    if (message.index == 0) != (message.log_term == 0) {
        return false;
    }
    let mut term = message.log_term;
    let mut index = message.index;
    message.entries.iter().all(|entry| {
        let follows = index.checked_add(1) == Some(entry.index);
        let in_order = entry.term >= term && entry.term <= message.term && entry.term > 0;
        (index, term) = (entry.index, entry.term);
        let is_sound = match entry.get_entry_type() {
            EntryType::EntryNormal => entry::check(&entry.data).is_ok(),
            EntryType::EntryConfChangeV2 => members::read(&entry.data).is_some(),
            EntryType::EntryConfChange => false,
        };
        follows && in_order && is_sound
    })
}
