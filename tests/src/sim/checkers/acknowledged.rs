//! Acknowledged means committed, on the disks of a quorum, and never changed: an answer tells what the log has at its
//! position, and the log has it for ever.

use wire::codec::v1;
use wire::command::Reply;
use wire::{LogPosition, NodeId, link};

use super::Verdict;
use crate::sim::history::History;

/// See the module.
#[derive(Debug, Default)]
pub struct Acknowledged {
    answers: u64,
}

impl Acknowledged {
    /// A node answers a request. `keepers` nodes would still have the entry if all lost power now.
    pub fn on_answer(
        &mut self,
        node: NodeId,
        answer: &link::Reply,
        payload: &[u8],
        history: &History,
        (keepers, quorum): (usize, usize),
    ) -> Verdict {
        let link::Reply { partition, session, sequence, position } = *answer;
        let what = format!("node {node} answers request {sequence} of session {session} of partition {partition}");
        let Some(record) = history.record(position) else {
            return Err(format!("{what} at position {position}, which nobody has committed"));
        };
        if (record.origin.session, record.origin.sequence) != (session, sequence) {
            return Err(format!("{what} at position {position}, where {:?} was executed", record.origin));
        }
        let mut committed = Vec::new();
        if !record.payload.is_empty() {
            v1::encode_reply(&record.reply, &mut committed);
        }
        if payload != committed {
            return Err(format!("{what} otherwise than {:?}, as the log has it", record.reply));
        }
        if keepers < quorum {
            return Err(format!("{what}, and {keepers} of {quorum} disks that must have entry {} do", record.index));
        }
        self.answers += 1;
        Ok(())
    }

    /// A client is told what became of what it asked.
    pub fn on_told(
        &mut self,
        who: usize,
        payload: &[u8],
        position: LogPosition,
        reply: Reply,
        history: &History,
    ) -> Verdict {
        match history.record(position) {
            None => Err(format!("gateway {who} is told of position {position}, which nobody has committed")),
            Some(record) if record.payload != payload => {
                Err(format!("gateway {who} is told of position {position}, where another command is"))
            }
            Some(record) if record.reply != reply => {
                Err(format!("gateway {who} is told {reply:?} at position {position}, the log says {:?}", record.reply))
            }
            Some(_) => Ok(()),
        }
    }
}
