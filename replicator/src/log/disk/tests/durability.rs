//! What counts without a sync, and what becomes of it; what becomes of one partition whose log is not whole.

use super::*;
use crate::Durability;
use crate::log::Identity;
use crate::log::disk::BootId;
use crate::log::disk::marker::Markers;
use crate::log::disk::writer::writing;

const FIRST_BOOT: BootId = BootId::new([1; 16]);
const NEXT_BOOT: BootId = BootId::new([2; 16]);

/// A disk of a host that was started at `boot`, of which every partition counts in memory if `in_memory`.
fn open(bench: &Bench, boot: BootId, in_memory: bool) -> Disk {
    let durability = if in_memory { Durability::QuorumMemory } else { Durability::QuorumFsync };
    let durability = [3, 4].map(|partition| (PartitionId::new(partition), durability)).into();
    let config = bench.config(NodeId::new(1));
    Disk::open(DiskConfig { boot: Some(boot), has_peers: true, durability, ..config }).unwrap()
}

/// As if the process, or its host, had ended there and then: the files as they are, and nobody to say that it is the end.
fn copy_of(bench: &Bench) -> Bench {
    let copy = Bench::new();
    copy_directory(bench.path(), copy.path());
    copy
}

fn copy_directory(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy_directory(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn load(disk: &Disk) -> (DiskLog, Stored) {
    let mut log = disk.log(PARTITION, || {});
    let stored = log.load().unwrap();
    (log, stored)
}

/// As if the log of [`PARTITION`] had no marker.
fn remove_marker(bench: &Bench) {
    let identity = Identity { epoch: ClusterEpoch::new(7), node: NodeId::new(1), partition: PARTITION };
    Markers::open(&bench.path().join("log")).unwrap().end(identity).unwrap();
}

/// A log that counts in memory, with three entries, one of them unsynced, as it is after a kill.
fn killed_in_memory() -> Bench {
    let bench = Bench::new();
    let disk = open(&bench, FIRST_BOOT, true);
    let (mut log, stored) = load(&disk);
    assert!(!stored.is_lost);
    append(&mut log, 1, 1..=2, 1);
    write(&mut log, Append { ticket: 2, entries: vec![entry(3, 1)], ..Append::default() });
    copy_of(&bench)
}

#[test]
fn what_counts_in_memory_is_there_after_a_kill() {
    let bench = killed_in_memory();
    let (_, stored) = load(&open(&bench, FIRST_BOOT, true));
    assert_eq!(indices(&stored), [(1, 1), (2, 1), (3, 1)]);
    assert!(!stored.is_lost);
}

#[test]
fn what_counted_in_memory_is_not_believed_after_the_host_was_started_anew() {
    let bench = killed_in_memory();
    for _ in 0..2 {
        let (_, stored) = load(&open(&bench, NEXT_BOOT, true));
        assert!(stored.is_lost && stored.entries.is_empty() && stored.standing.is_none());
        assert_eq!(stored.hard_state, HardState::default(), "not even its vote counts: its node is another member");
    }
}

#[test]
fn a_host_that_does_not_say_when_it_was_started_keeps_nothing_in_memory() {
    let bench = killed_in_memory();
    let config = bench.config(NodeId::new(1));
    let durability = [(PARTITION, Durability::QuorumMemory)].into();
    let disk = Disk::open(DiskConfig { boot: None, durability, ..config }).unwrap();
    let refused = disk.log(PARTITION, || {}).load().unwrap_err().to_string();
    assert!(refused.contains("started anew"), "{refused}");
}

#[test]
fn what_counted_in_memory_is_not_believed_after_the_disk_has_failed() {
    let bench = Bench::new();
    {
        let disk = open(&bench, FIRST_BOOT, true);
        let (mut log, _) = load(&disk);
        append(&mut log, 1, 1..=3, 1);
        let refused = StoreError::Io { attempted: "syncing the log".to_owned(), error: "no such device".to_owned() };
        let failed = disk.writer.lock().unwrap().guarded(|_| Err(refused.clone()));
        assert_eq!(failed, Err(refused.clone()));
        log.append(Append { ticket: 2, entries: vec![entry(4, 1)], ..Append::default() });
        let patience = Instant::now() + Duration::from_secs(20);
        while log.poll() != Err(refused.clone()) {
            assert!(Instant::now() < patience, "it is told to everybody, and nothing is written any more");
            std::thread::yield_now();
        }
    }
    assert!(load(&open(&bench, FIRST_BOOT, true)).1.is_lost);
}

#[test]
fn what_counted_in_memory_is_believed_after_there_was_no_room_for_more() {
    let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    for error in [raft_engine::Error::Io(full()), raft_engine::Error::TryAgain(full().to_string())] {
        let bench = Bench::new();
        {
            let disk = open(&bench, FIRST_BOOT, true);
            let (mut log, _) = load(&disk);
            append(&mut log, 1, 1..=3, 1);
            let failed = disk.writer.lock().unwrap().guarded(|_| Err(writing(error)));
            assert!(failed.unwrap_err().to_string().contains("no space is left"));
        }
        let (_, stored) = load(&open(&bench, FIRST_BOOT, true));
        assert_eq!((indices(&stored).len(), stored.is_lost), (3, false));
    }
}

#[test]
fn what_counted_in_memory_is_synced_when_the_node_is_told_to_end_and_outlives_the_host_then() {
    let bench = Bench::new();
    {
        let disk = open(&bench, FIRST_BOOT, true);
        let (mut log, _) = load(&disk);
        append(&mut log, 1, 1..=3, 1);
        drop(log);
    }
    let (_, stored) = load(&open(&bench, NEXT_BOOT, true));
    assert_eq!((indices(&stored).len(), stored.is_lost), (3, false));
}

#[test]
fn a_log_that_counted_in_memory_counts_on_disk_once_it_was_opened_so() {
    let bench = killed_in_memory();
    let copy = {
        let disk = open(&bench, FIRST_BOOT, false);
        let (mut log, stored) = load(&disk);
        assert_eq!(indices(&stored).len(), 3);
        append(&mut log, 1, 4..=4, 1);
        copy_of(&bench)
    };
    let (_, stored) = load(&open(&copy, NEXT_BOOT, false));
    assert_eq!((indices(&stored).len(), stored.is_lost), (4, false));
}

#[test]
fn a_snapshot_of_the_leader_does_not_make_an_unsynced_log_a_synced_one() {
    let bench = Bench::new();
    let disk = open(&bench, FIRST_BOOT, true);
    let (mut log, _) = load(&disk);
    append(&mut log, 1, 1..=2, 1);
    log.save_snapshot(9, snapshot_at(9, 2));
    await_durable(&mut log, Durable::Snapshot { index: 9 });
    write(&mut log, Append { ticket: 2, reset: Some((9, 2)), ..Append::default() });
    write(&mut log, Append { ticket: 3, entries: vec![entry(10, 2)], ..Append::default() });
    let copy = copy_of(&bench);
    let (_, stored) = load(&open(&copy, NEXT_BOOT, true));
    assert!(stored.is_lost && stored.snapshot.is_none());
}

#[test]
fn partitions_that_sync_and_one_that_does_not_share_a_group() {
    let bench = Bench::new();
    let config = bench.config(NodeId::new(1));
    let durability = [(PARTITION, Durability::QuorumMemory)].into();
    let disk = Disk::open(DiskConfig { boot: Some(FIRST_BOOT), has_peers: true, durability, ..config }).unwrap();
    for sync_by in [SyncBy::LogThread, SyncBy::CallerIfWithin(Duration::MAX)] {
        let mut group = disk.group(sync_by);
        let mut logs = [3, 4].map(|partition| group.log(&disk, PartitionId::new(partition), || {}));
        for log in &mut logs {
            let next = indices(&log.load().unwrap()).len() as u64 + 1;
            for index in next..next + 3 {
                log.append(Append { ticket: index, entries: vec![entry(index, 1)], ..Append::default() });
                group.flush();
                await_durable(log, Durable::Appended { ticket: index });
            }
        }
    }
    let copy = copy_of(&bench);
    let reopened = open(&copy, NEXT_BOOT, false);
    let mut logs = [3, 4].map(|partition| reopened.log(PartitionId::new(partition), || {}));
    let [memory, fsync] = [logs[0].load().unwrap(), logs[1].load().unwrap()];
    assert!(memory.is_lost && memory.entries.is_empty(), "the one is lost");
    assert_eq!((fsync.entries.len(), fsync.is_lost), (6, false), "and the other is not");
}

#[test]
fn a_partition_whose_log_is_not_whole_is_forgotten_alone() {
    let bench = Bench::new();
    {
        let disk = open(&bench, FIRST_BOOT, false);
        for partition in [3, 4] {
            let mut log = disk.log(PartitionId::new(partition), || {});
            log.load().unwrap();
            append(&mut log, 1, 1..=5, 1);
            if partition == 3 {
                log.save_snapshot(2, snapshot_at(2, 1));
                await_durable(&mut log, Durable::Snapshot { index: 2 });
            }
        }
    }
    remove_marker(&bench);
    for _ in 0..2 {
        let disk = open(&bench, FIRST_BOOT, false);
        let mut logs = [3, 4].map(|partition| disk.log(PartitionId::new(partition), || {}));
        let [forgotten, whole] = [logs[0].load().unwrap(), logs[1].load().unwrap()];
        assert!(forgotten.is_lost && forgotten.entries.is_empty() && forgotten.snapshot.is_none());
        assert_eq!((whole.entries.len(), whole.is_lost), (5, false));
    }
    let mut aside = std::fs::read_dir(bench.path().join("log/snapshots")).unwrap();
    assert!(aside.any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("3.aside-")));
}

#[test]
fn a_crash_while_a_log_is_forgotten_forgets_it_again() {
    let bench = Bench::new();
    let marker = bench.path().join("log/markers");
    {
        let disk = open(&bench, FIRST_BOOT, false);
        append(&mut load(&disk).0, 1, 1..=5, 1);
    }
    let promised = std::fs::read(&marker).unwrap();
    remove_marker(&bench);
    assert!(load(&open(&bench, FIRST_BOOT, false)).1.is_lost);
    // As if the last step, the marker's, had not been made.
    std::fs::write(&marker, promised).unwrap();
    let (_, stored) = load(&open(&bench, FIRST_BOOT, false));
    assert!(stored.is_lost && stored.entries.is_empty());
}

#[test]
fn an_fsync_that_fails_stops_the_engine_and_is_the_last_thing_that_was_tried() {
    let bench = Bench::new();
    {
        let disk = open(&bench, FIRST_BOOT, false);
        let (mut log, _) = load(&disk);
        append(&mut log, 1, 1..=3, 1);
        // As raft-engine does when its fsync fails.
        let failed = disk.writer.lock().unwrap().guarded(|_| panic!("sync failed"));
        assert!(failed.unwrap_err().to_string().contains("syncing the log"));
        log.append(Append { ticket: 2, entries: vec![entry(4, 1)], ..Append::default() });
        let patience = Instant::now() + Duration::from_secs(20);
        while log.poll().is_ok() {
            assert!(Instant::now() < patience);
            std::thread::yield_now();
        }
    }
    let (_, stored) = load(&open(&bench, FIRST_BOOT, false));
    assert_eq!((indices(&stored).len(), stored.is_lost), (3, false), "what was acknowledged was synced");
}

#[test]
fn a_snapshot_that_was_not_finished_takes_no_room_any_more_once_the_log_is_opened() {
    let bench = Bench::new();
    let left = bench.path().join("log/snapshots/3/unfinished");
    std::fs::create_dir_all(left.parent().unwrap()).unwrap();
    std::fs::write(&left, [0; 4096]).unwrap();
    load(&open(&bench, FIRST_BOOT, false));
    assert!(!left.exists());
}
