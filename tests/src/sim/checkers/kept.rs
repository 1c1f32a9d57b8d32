//! A reply is kept until its client says that it has it: whoever sends a request again is told what became of it.
//!
//! Or its session keeps fewer than the client has on their way: then the newest, so none of those may be gone before.

use std::collections::BTreeMap;

use wire::link::{Refusal, Refused, Request};
use wire::{NodeId, Origin, PartitionId, Sequence, SessionId};

use super::Verdict;
use crate::sim::history::Record;

/// See the module.
#[derive(Debug, Default)]
pub struct Kept {
    /// The replies below were said to have come, by the request of a session that says most.
    below: BTreeMap<(PartitionId, SessionId), Sequence>,
    /// The last request of each session that was executed.
    executed: BTreeMap<(PartitionId, SessionId), Sequence>,
    /// So many replies are kept without that.
    replies_max: u64,
}

impl Kept {
    /// Where sessions keep so many replies.
    pub fn new(replies_max: usize) -> Kept {
        Kept { replies_max: replies_max as u64, ..Kept::default() }
    }

    /// A command is committed.
    pub fn on_commit(&mut self, partition: PartitionId, record: &Record) {
        if record.origin != Origin::INTERNAL {
            self.executed.insert((partition, record.origin.session), record.origin.sequence);
        }
    }

    /// A client sends a request, and says which replies it has.
    ///
    /// That which it sends it cannot have the reply of, or it would not send it.
    pub fn on_sent(&mut self, request: &Request) -> Verdict {
        let Request { partition, session, sequence, acknowledged_below } = *request;
        let below = self.below.entry((partition, session)).or_default();
        *below = (*below).max(acknowledged_below);
        if acknowledged_below <= sequence {
            return Ok(());
        }
        Err(format!(
            "a client sends request {sequence} of session {session} of partition {partition}, and says that it has the replies \
             below {acknowledged_below}"
        ))
    }

    /// A node refuses a request.
    pub fn on_refused(&self, node: NodeId, refused: &Refused) -> Verdict {
        let Refused { partition, session, sequence, refusal, .. } = *refused;
        let executed = self.executed.get(&(partition, session)).map_or(0, |last| last.get());
        let is_kept = sequence.get() + self.replies_max > executed;
        match self.below.get(&(partition, session)) {
            Some(below) if refusal == Refusal::TooOld && sequence >= *below && is_kept => Err(format!(
                "node {node} has no reply to request {sequence} of session {session} of partition {partition} any more, and \
                 the client has those below {below}"
            )),
            _ => Ok(()),
        }
    }
}
