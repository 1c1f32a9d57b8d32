//! What the world has seen, and what it must therefore never see.

use std::collections::BTreeMap;

use wire::{LogPosition, NodeId, Origin, Term, Timestamp};

use crate::{Members, Output};

/// Checks everything that replicas say against everything that any of them has said before.
#[derive(Debug, Default)]
pub struct Ledger {
    applied: BTreeMap<LogPosition, (Timestamp, Origin, Vec<u8>)>,
    leaders: BTreeMap<Term, NodeId>,
    /// The last position each replica has applied since it started.
    cursors: BTreeMap<NodeId, LogPosition>,
    /// Reads under way: what somebody had applied when they were asked.
    reads: BTreeMap<u64, LogPosition>,
    answered_reads: u64,
    /// Who were members from which log index on.
    members: BTreeMap<u64, Box<Members>>,
}

impl Ledger {
    /// A replica starts again.
    pub fn restarted(&mut self, node: NodeId) {
        self.cursors.remove(&node);
    }

    /// A linearizable read is asked.
    pub fn read_asked(&mut self, token: u64) {
        self.reads.insert(token, self.last());
    }

    /// Reads that were answered.
    pub fn answered_reads(&self) -> u64 {
        self.answered_reads
    }

    /// Leaders so far.
    pub fn terms_led(&self) -> usize {
        self.leaders.len()
    }

    /// The last position that any replica applied.
    pub fn last(&self) -> LogPosition {
        self.applied.keys().next_back().copied().unwrap_or(LogPosition::ZERO)
    }

    /// Hears what a replica says.
    pub fn hear(&mut self, node: NodeId, output: &Output) {
        match output {
            Output::Applied { position, timestamp, origin, events } => {
                let said = (*timestamp, *origin, events.clone());
                let known = self.applied.entry(*position).or_insert_with(|| said.clone());
                assert_eq!(*known, said, "node {node} applied something else at {position}");
                if let Some(before) = self.cursors.insert(node, *position) {
                    assert_eq!(before.next(), *position, "node {node} skipped or repeated a position");
                }
                if let Some((_, (earlier, ..))) = self.applied.range(..*position).next_back() {
                    assert!(earlier <= timestamp, "log time ran backwards at {position}");
                }
            }
            Output::SnapshotInstalled { position } => {
                self.cursors.insert(node, *position);
            }
            Output::Reply { position, .. } => {
                assert!(self.applied.contains_key(position), "an answer to what nobody applied");
            }
            Output::ReadReady { token, position } => {
                let asked = self.reads.remove(token).expect("a read is answered once");
                assert!(*position >= asked, "node {node} read at {position} what was applied up to {asked}");
                self.answered_reads += 1;
            }
            Output::LeaderChanged { leader: Some(leader), term } => {
                let known = self.leaders.entry(*term).or_insert(*leader);
                assert_eq!(known, leader, "two leaders in term {term}");
            }
            Output::MembersChanged { members, index } => match self.members.range(..=index).next_back() {
                Some((_, known)) if known.are_those(members) => {}
                Some((at, known)) if at == index => panic!("at {index} node {node} has {members:?}, others {known:?}"),
                _ => {
                    self.members.insert(*index, members.clone());
                }
            },
            Output::Failed { error } => panic!("node {node} failed: {error}"),
            _ => {}
        }
    }
}
