//! What a replica says that belongs nowhere yet: whom it waits for, and, when it has waited long, what somebody must do. A
//! group waits for ever where that is right: nobody but its operator knows that a disk will not come back.

use wire::{NodeId, Timestamp};

use super::Replica;
use crate::standing::Standing;
use crate::{LogStore, StateMachine};

/// How often it says so.
const SAY_EVERY_NS: u64 = 5_000_000_000;
/// A start takes no longer where nothing is wrong.
const LONG_NS: u64 = 60_000_000_000;

/// Since when it waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    since: Option<Timestamp>,
    said_at: Timestamp,
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Called while it waits.
    pub(super) fn complain(&mut self) {
        let now = self.now;
        let since = *self.waiting.since.get_or_insert(now);
        if now < since.max(self.waiting.said_at).plus_nanos(SAY_EVERY_NS) {
            return;
        }
        self.waiting.said_at = now;
        let (partition, seconds) = (self.config.partition, (now.nanos() - since.nanos()) / 1_000_000_000);
        match self.waits_for() {
            Some((what, None)) => tracing::warn!(%partition, "{what}"),
            Some((what, Some(advice))) => tracing::error!(%partition, "{what}, for {seconds} s. {advice}"),
            None => {}
        }
    }

    /// It belongs.
    pub(super) fn has_come(&mut self) {
        self.waiting = Waiting::default();
    }

    /// What it waits for, and what to do once that takes long.
    pub(super) fn waits_for(&self) -> Option<(String, Option<&'static str>)> {
        let is_long = self.waiting.since.is_some_and(|since| self.now >= since.plus_nanos(LONG_NS));
        let advice = |text| Some(text).filter(|_| is_long);
        match &self.belonging.standing {
            Standing::New { .. } => {
                let numbers = self.numbers();
                let others = self.others_to_found();
                let silent = names(others.iter().filter(|node| !numbers.contains_key(node)));
                let missing = self.missing(&numbers);
                let unsure = names(missing.iter().filter(|node| numbers.contains_key(node)));
                let what = format!(
                    "waiting for every node of a new cluster: not heard of as new: [{silent}]; not agreeing who is: \
                     [{unsure}]"
                );
                Some((what, advice(NEW)))
            }
            Standing::Returning { .. } if !self.is_member() => {
                let what = "this node has lost its disk, or was let go: waiting for a leader to take it in".to_owned();
                Some((what, advice(RETURNING)))
            }
            _ => None,
        }
    }
}

const NEW: &str = "Start those nodes, with the same [[peers]] everywhere, and see that they reach this one. A cluster begins \
                   when the disks of all its founders are new: where it never served, empty the data directories of all and \
                   start them again; where it did, the disks that are missing may have had what was acknowledged, so bring \
                   them back, or restore a backup (mainstay ctl backup restore)";

const RETURNING: &str = "Nobody leads while a quorum's disks are missing or its nodes are down. Start the others. Where a quorum \
                         of the disks is gone for good, restore a backup (mainstay ctl backup restore), or begin a new life \
                         with a node that has its data (mainstay ctl promote)";

fn names<'a>(nodes: impl Iterator<Item = &'a NodeId>) -> String {
    nodes.map(|node| node.to_string()).collect::<Vec<_>>().join(", ")
}
