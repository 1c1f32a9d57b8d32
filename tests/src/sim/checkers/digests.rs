//! Equal positions, equal states: of every replica, of the witness, and of every snapshot.

use node::PartitionHost;
use replicator::LogStore;
use wire::NodeId;

use super::Verdict;
use crate::sim::history::History;

/// One applied entry of so many is compared; snapshots and the end are always.
const EVERY: u64 = 16;

/// See the module.
#[derive(Debug, Default)]
pub struct Digests {
    looked: u64,
}

impl Digests {
    /// A replica has applied more. Compares, now and then, where the witness stands as well.
    pub fn on_applied<L: LogStore>(&mut self, node: NodeId, host: &PartitionHost<L>, history: &History) -> Verdict {
        self.looked += 1;
        if !self.looked.is_multiple_of(EVERY) || host.status().applied_index != history.last_index() {
            return Ok(());
        }
        self.compare(node, host, history)
    }

    /// A replica's state against the witness's, at the same position.
    pub fn compare<L: LogStore>(&self, node: NodeId, host: &PartitionHost<L>, history: &History) -> Verdict {
        if host.machine().cells().digest() == history.witness().digest() {
            return Ok(());
        }
        let (partition, position) = (host.partition(), history.last_position());
        Err(format!("partition {partition}: node {node} has another state at position {position} than the log makes"))
    }
}
