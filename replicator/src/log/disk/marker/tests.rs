use std::path::Path;

use tempfile::TempDir;

use super::*;

fn identity(partition: u16) -> Identity {
    Identity { epoch: ClusterEpoch::new(7), node: NodeId::new(1), partition: PartitionId::new(partition) }
}

fn promise(index: u64) -> Promise {
    Promise { index, index_term: 2, term: 3, vote: 1 }
}

fn promised(directory: &Path, partition: u16) -> Option<Promise> {
    Markers::open(directory).unwrap().promised(identity(partition)).unwrap()
}

/// Markers of partitions 3 and 4, which promise 5 and 6.
fn two() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut markers = Markers::open(directory.path()).unwrap();
    for partition in [3, 4] {
        assert_eq!(markers.promised(identity(partition)), Ok(None));
        markers.begin(identity(partition), Promise::default()).unwrap();
        markers.promise(PartitionId::new(partition), promise(u64::from(partition) + 2));
    }
    markers.write().unwrap();
    directory
}

/// Writes a marker as it was before there was one file for all.
fn write_former(directory: &Path, identity: Identity, promise: Promise) {
    let mut bytes = Vec::new();
    let mut to = Writer::new(&mut bytes);
    to.put(&0x4d41_524b_4552_0001_u64);
    to.put(&9_u64);
    to.put(&identity.epoch);
    to.put(&identity.node);
    to.put(&identity.partition);
    for field in [promise.index, promise.index_term, promise.term, promise.vote] {
        to.put(&field);
    }
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    std::fs::write(former::path(directory, identity), bytes).unwrap();
}

#[test]
fn one_file_has_the_promises_of_all_partitions() {
    let directory = two();
    assert_eq!([3, 4, 5].map(|p| promised(directory.path(), p)), [Some(promise(5)), Some(promise(6)), None]);
}

#[test]
fn a_partition_that_nobody_loaded_keeps_its_promise_when_others_write() {
    let directory = two();
    let mut markers = Markers::open(directory.path()).unwrap();
    for index in 10..15 {
        markers.promise(PartitionId::new(4), promise(index));
        markers.write().unwrap();
    }
    assert_eq!([3, 4].map(|p| promised(directory.path(), p)), [Some(promise(5)), Some(promise(14))]);
}

#[test]
fn a_torn_slot_leaves_the_other_with_every_partition() {
    for slot in [0, 1] {
        let directory = two();
        let file = OpenOptions::new().write(true).open(directory.path().join(FILE)).unwrap();
        file.write_all_at(&[0xAB; 3], SLOTS_AT[slot] + 50).unwrap();
        let found = [3, 4].map(|p| promised(directory.path(), p));
        // The one was written last; the other before it, when both had a marker.
        assert!(
            found == [Some(promise(5)), Some(promise(6))] || found == [Some(promise(5)), Some(Promise::default())],
            "{found:?}"
        );
        file.write_all_at(&[0xAB; 3], SLOTS_AT[1 - slot] + 50).unwrap();
        let error = Markers::open(directory.path()).unwrap().promised(identity(3)).unwrap_err();
        assert!(error.to_string().contains("neither slot of the marker is whole"), "{error}");
    }
}

#[test]
fn what_a_longer_slot_left_behind_a_shorter_one_is_not_read() {
    let directory = two();
    Markers::open(directory.path()).unwrap().end(identity(4)).unwrap();
    assert_eq!([3, 4].map(|p| promised(directory.path(), p)), [Some(promise(5)), None]);
}

/// The other's log may be gone as well: an empty one would take itself for new, and vote.
#[test]
fn a_damaged_file_is_whole_again_once_a_log_was_forgotten_and_still_knows_no_other() {
    let directory = two();
    std::fs::write(directory.path().join(FILE), [0; 100_000]).unwrap();
    let mut markers = Markers::open(directory.path()).unwrap();
    assert!(markers.promised(identity(3)).is_err());
    markers.end(identity(3)).unwrap();
    assert_eq!(markers.promised(identity(3)), Ok(None));
    markers.begin(identity(3), promise(7)).unwrap();
    assert!(markers.promised(identity(4)).is_err());

    let mut markers = Markers::open(directory.path()).unwrap();
    assert_eq!(markers.promised(identity(3)), Ok(Some(promise(7))));
    let error = markers.promised(identity(4)).unwrap_err();
    assert!(error.is_damage(), "whoever starts next knows no more: {error}");
    markers.end(identity(4)).unwrap();
    assert_eq!(markers.promised(identity(4)), Ok(None));
    markers.begin(identity(4), promise(8)).unwrap();
    assert_eq!([3, 4].map(|p| promised(directory.path(), p)), [Some(promise(7)), Some(promise(8))]);
}

#[test]
fn anothers_markers_are_refused() {
    let directory = two();
    let mut markers = Markers::open(directory.path()).unwrap();
    for other in [
        Identity { node: NodeId::new(2), ..identity(3) },
        Identity { epoch: ClusterEpoch::new(8), ..identity(3) },
        Identity { node: NodeId::new(2), ..identity(9) },
    ] {
        assert!(matches!(markers.promised(other), Err(StoreError::Foreign { .. })));
    }
}

#[test]
fn what_is_taken_back_is_promised_by_neither_slot() {
    for slot in [0, 1] {
        let directory = two();
        Markers::open(directory.path()).unwrap().take_back(PartitionId::new(3), promise(1)).unwrap();
        let file = OpenOptions::new().write(true).open(directory.path().join(FILE)).unwrap();
        file.write_all_at(&[0xAB; 3], SLOTS_AT[slot] + 50).unwrap();
        assert_eq!([3, 4].map(|p| promised(directory.path(), p)), [Some(promise(1)), Some(promise(6))]);
    }
}

#[test]
fn a_crash_while_the_file_is_made_leaves_none() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(DRAFT), [0xAB; 100]).unwrap();
    assert_eq!(promised(directory.path(), 3), None);
    Markers::open(directory.path()).unwrap().begin(identity(3), promise(5)).unwrap();
    assert_eq!(promised(directory.path(), 3), Some(promise(5)));
    assert!(!directory.path().join(DRAFT).exists());
}

#[test]
fn a_marker_of_a_file_of_its_own_goes_into_the_common_one_and_promises_nothing_any_more() {
    let directory = tempfile::tempdir().unwrap();
    write_former(directory.path(), identity(3), promise(5));
    assert_eq!(promised(directory.path(), 3), Some(promise(5)));
    let mut markers = Markers::open(directory.path()).unwrap();
    markers.promise(PartitionId::new(3), promise(8));
    markers.write().unwrap();
    assert_eq!(promised(directory.path(), 3), Some(promise(8)), "the common file counts from then on");
    assert_eq!(
        former::promised(directory.path(), identity(3)),
        Ok(None),
        "a program that knows no other is told nothing"
    );
    assert!(former::path(directory.path(), identity(3)).exists());
    markers.end(identity(3)).unwrap();
    assert_eq!(promised(directory.path(), 3), None, "both are gone with the log");
    assert!(!former::path(directory.path(), identity(3)).exists());
}

#[test]
fn what_an_older_program_has_written_meanwhile_counts() {
    let directory = tempfile::tempdir().unwrap();
    write_former(directory.path(), identity(3), promise(5));
    assert_eq!(promised(directory.path(), 3), Some(promise(5)));
    // It took back what the common file says, and went on.
    for index in [2, 9] {
        write_former(directory.path(), identity(3), promise(index));
        for _ in 0..2 {
            assert_eq!(promised(directory.path(), 3), Some(promise(index)));
        }
    }
}

#[test]
fn a_damaged_file_is_not_made_good_by_what_was_before_it() {
    let directory = tempfile::tempdir().unwrap();
    for partition in [3, 4] {
        write_former(directory.path(), identity(partition), promise(5));
        assert_eq!(promised(directory.path(), partition), Some(promise(5)));
    }
    let mut markers = Markers::open(directory.path()).unwrap();
    for partition in [3, 4] {
        markers.promise(PartitionId::new(partition), promise(8));
    }
    markers.write().unwrap();
    std::fs::write(directory.path().join(FILE), [0; 100_000]).unwrap();
    let mut markers = Markers::open(directory.path()).unwrap();
    assert!(matches!(markers.promised(identity(3)), Err(StoreError::Lost { .. })));
    markers.end(identity(3)).unwrap();
    assert!(matches!(markers.promised(identity(4)), Err(StoreError::Lost { .. })), "nobody knows what it was");
}

#[test]
fn a_damaged_or_foreign_marker_of_a_file_of_its_own_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    write_former(directory.path(), Identity { node: NodeId::new(2), ..identity(3) }, promise(5));
    std::fs::rename(
        former::path(directory.path(), Identity { node: NodeId::new(2), ..identity(3) }),
        former::path(directory.path(), identity(4)),
    )
    .unwrap();
    let mut markers = Markers::open(directory.path()).unwrap();
    assert!(matches!(markers.promised(identity(4)), Err(StoreError::Foreign { .. })));
    std::fs::write(former::path(directory.path(), identity(3)), [0; 5000]).unwrap();
    assert!(matches!(markers.promised(identity(3)), Err(StoreError::Lost { .. })));
}
