//! A build does only what it knows: no replica behaves by a version that its process does not have. What it does by those
//! it has is the digests' to compare.

use node::PartitionHost;
use replicator::LogStore;
use wire::NodeId;

use super::Verdict;

/// See the module.
#[derive(Debug, Default)]
pub struct Versions;

impl Versions {
    /// A replica has applied more, in a process that knows this version and those before.
    pub fn on_applied<L: LogStore>(&self, node: NodeId, knows: u16, host: &PartitionHost<L>) -> Verdict {
        let version = host.machine().cells().version();
        if version <= knows {
            return Ok(());
        }
        Err(format!("node {node} knows versions up to {knows}, and its cells behave by version {version}"))
    }
}
