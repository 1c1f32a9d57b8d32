use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use replicator::log::disk::{Disk, DiskConfig};
use replicator::log::{Append, Durable, HardState, LogStore};
use replicator::{Standing, node_of};

use super::*;

const EPOCH: ClusterEpoch = ClusterEpoch::new(1);
const NODE: NodeId = NodeId::new(1);
const PARTITION: PartitionId = PartitionId::new(1);

/// A log of node 1 from its first entry on, with nothing but the beginnings of terms; the first two are committed.
fn write_log(directory: &Path, standing: Standing) {
    let disk = Disk::open(DiskConfig::new(directory.to_path_buf(), EPOCH, NODE)).unwrap();
    let mut log = disk.log(PARTITION, || {});
    log.load().unwrap();
    let entry = |index| Entry { index, term: index, ..Entry::default() };
    let hard_state = Some(HardState { term: 3, commit: 2, ..HardState::default() });
    let entries = (1..=3).map(entry).collect();
    log.append(Append { ticket: 1, standing: Some(standing), hard_state, entries, ..Append::default() });
    let begun = Instant::now();
    while log.poll().unwrap() != Some(Durable::Appended { ticket: 1 }) {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::yield_now();
    }
}

#[test]
fn who_voted_is_known_before_there_is_a_snapshot_that_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let founders: BTreeSet<NodeId> = (1..=3).map(NodeId::new).collect();
    let numbers = founders.iter().map(|node| (*node, node.get() as u32)).collect();
    write_log(&log, Standing::Founder { numbers });
    let own = Own::open(NODE, EPOCH, &[PARTITION], &log, |_| directory.path().join("events")).unwrap();
    let voters = &own.members(PARTITION).unwrap().voters;
    assert_eq!(voters.iter().map(|voter| node_of(*voter)).collect::<BTreeSet<_>>(), founders);
    assert_eq!(own.uncommitted(PARTITION), 1);
}
