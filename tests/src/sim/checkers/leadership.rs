//! One leader a term.

use std::collections::BTreeMap;

use wire::{NodeId, PartitionId, Term};

use super::Verdict;

/// See the module.
#[derive(Debug, Default)]
pub struct Leadership {
    led: BTreeMap<(PartitionId, Term), NodeId>,
}

impl Leadership {
    /// A node says who leads.
    pub fn on_leader(&mut self, says: NodeId, partition: PartitionId, leader: NodeId, term: Term) -> Verdict {
        let known = *self.led.entry((partition, term)).or_insert(leader);
        if known == leader {
            return Ok(());
        }
        Err(format!("partition {partition}: node {says} says that {leader} leads in term {term}, which {known} leads"))
    }

    /// Terms that had a leader.
    pub fn terms(&self) -> usize {
        self.led.len()
    }
}
