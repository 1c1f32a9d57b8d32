use wire::{ClusterEpoch, LogPosition, Timestamp};

use super::*;
use crate::log::disk::{LogReader, snapshots};
use crate::log::{Identity, LogStore};
use crate::members::Members;
use crate::snapshot::Header;

const EPOCH: ClusterEpoch = ClusterEpoch::new(9);
const NODE: NodeId = NodeId::new(2);
const FOUNDERS: [NodeId; 3] = [NodeId::new(1), NODE, NodeId::new(3)];

fn beginning(index: u64, term: u64) -> Beginning {
    let header = Header {
        partition: PartitionId::new(3),
        epoch: EPOCH,
        index,
        term,
        batch_term: term,
        position: LogPosition::new(index),
        timestamp: Timestamp::ZERO,
        digest: 0,
        behaviour: 1,
        members: Members::founders(&FOUNDERS),
        put_aside: Vec::new(),
    };
    let snapshot = Some(snapshot::write(&header, |_| {}, |_| {}));
    Beginning { partition: PartitionId::new(3), snapshot }
}

#[test]
fn a_node_finds_a_laid_log_as_one_that_it_founded_and_that_nobody_voted_in() {
    let directory = tempfile::tempdir().unwrap();
    let config = DiskConfig::new(directory.path().join("log"), EPOCH, NODE);
    let blank = Beginning { partition: PartitionId::new(4), snapshot: None };
    lay(config.clone(), &FOUNDERS, vec![beginning(40, 6), blank]).unwrap();

    let disk = Disk::open(config.clone()).unwrap();
    let stored = disk.log(PartitionId::new(3), || {}).load().unwrap();
    assert_eq!((stored.hard_state.term, stored.hard_state.vote, stored.hard_state.commit), (6, 0, 40));
    assert!(stored.entries.is_empty() && !stored.is_lost);
    assert_eq!(stored.snapshot, beginning(40, 6).snapshot);
    let standing = stored.standing.unwrap();
    assert!(matches!(&standing, Standing::Founder { numbers } if numbers.keys().eq(&FOUNDERS)));
    let stored = disk.log(PartitionId::new(4), || {}).load().unwrap();
    assert_eq!((stored.snapshot, stored.standing), (None, Some(standing)));
    drop(disk);

    let error = lay(config, &FOUNDERS, vec![beginning(41, 6)]).unwrap_err();
    assert!(error.to_string().contains("there is one already"), "{error}");
}

#[test]
fn a_reader_lists_what_a_node_has() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    lay(DiskConfig::new(log.clone(), EPOCH, NODE), &FOUNDERS, vec![beginning(40, 6)]).unwrap();
    let mut reader = LogReader::open(&log).unwrap();
    assert_eq!(reader.partitions(), [PartitionId::new(3)]);
    let identity = Identity { epoch: EPOCH, node: NODE, partition: PartitionId::new(3) };
    assert_eq!(reader.load(identity).unwrap().hard_state.commit, 40);
    let kept = snapshots(&log, PartitionId::new(3)).unwrap();
    assert_eq!(kept.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [40]);
    assert!(snapshots(&log, PartitionId::new(5)).unwrap().is_empty());
    let foreign = Identity { node: NodeId::new(1), ..identity };
    assert!(reader.load(foreign).unwrap_err().to_string().contains("belongs to node 2"));
}
