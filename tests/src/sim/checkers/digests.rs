//! Equal positions, equal states: of every replica, of the witness, and of every snapshot.

use std::collections::BTreeMap;

use node::PartitionHost;
use replicator::LogStore;
use wire::{NodeId, PartitionId};

use super::Verdict;
use crate::sim::history::History;

/// Of so many times that a replica has applied more, it is compared once; snapshots and the end are always.
const EVERY: u64 = 8;

/// See the module.
#[derive(Debug, Default)]
pub struct Digests {
    looked: u64,
    /// The witness's, as of which entry: several replicas are compared with it there.
    of_witness: BTreeMap<PartitionId, (u64, u128)>,
}

impl Digests {
    /// A replica has applied more. Compares, now and then, where the witness stands as well.
    pub fn on_applied<L: LogStore>(&mut self, node: NodeId, host: &PartitionHost<L>, history: &History) -> Verdict {
        self.looked += 1;
        if !self.looked.is_multiple_of(EVERY) || host.replica().reached().1 != history.last_index() {
            return Ok(());
        }
        let digest = self.of_witness.entry(host.partition()).or_insert((0, 0));
        if digest.0 != history.last_index() {
            *digest = (history.last_index(), history.witness().digest());
        }
        Digests::check(node, host, history, digest.1)
    }

    /// A replica's state against the witness's, at the same position.
    pub fn compare<L: LogStore>(&self, node: NodeId, host: &PartitionHost<L>, history: &History) -> Verdict {
        Digests::check(node, host, history, history.witness().digest())
    }

    fn check<L: LogStore>(node: NodeId, host: &PartitionHost<L>, history: &History, of_witness: u128) -> Verdict {
        if host.machine().cells().digest() == of_witness {
            return Ok(());
        }
        let (partition, position) = (host.partition(), history.last_position());
        Err(format!("partition {partition}: node {node} has another state at position {position} than the log makes"))
    }
}
