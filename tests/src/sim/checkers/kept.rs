//! A reply is kept until its client says that it has it: whoever sends a request again is told what became of it.
//!
//! Simulated clients have fewer requests on their way than a session keeps replies, so none may be gone before.

use std::collections::BTreeMap;

use wire::link::{Refusal, Refused, Request};
use wire::{NodeId, PartitionId, Sequence, SessionId};

use super::Verdict;

/// See the module.
#[derive(Debug, Default)]
pub struct Kept {
    /// The replies below were said to have come, by the request of a session that says most.
    below: BTreeMap<(PartitionId, SessionId), Sequence>,
}

impl Kept {
    /// A client sends a request, and says which replies it has.
    pub fn on_sent(&mut self, request: &Request) {
        let below = self.below.entry((request.partition, request.session)).or_default();
        *below = (*below).max(request.acknowledged_below);
    }

    /// A node refuses a request.
    pub fn on_refused(&self, node: NodeId, refused: &Refused) -> Verdict {
        let Refused { partition, session, sequence, refusal, .. } = *refused;
        match self.below.get(&(partition, session)) {
            Some(below) if refusal == Refusal::TooOld && sequence >= *below => Err(format!(
                "node {node} has no reply to request {sequence} of session {session} of partition {partition} any more, and \
                 the client has those below {below}"
            )),
            _ => Ok(()),
        }
    }
}
