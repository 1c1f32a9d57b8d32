use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use raft::eraftpb::{Entry, HardState};
use tempfile::TempDir;
use wire::{ClusterEpoch, LogPosition, NodeId, PartitionId, Timestamp};

use super::{Disk, DiskConfig, DiskLog, SyncBy};
use crate::log::{Append, Durable, LogStore, StoreError, Stored};
use crate::members::Members;
use crate::snapshot::{self, Header};

mod durability;

const PARTITION: PartitionId = PartitionId::new(3);

struct Bench {
    directory: TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn open(&self) -> Result<Disk, StoreError> {
        self.open_as(NodeId::new(1))
    }

    fn open_as(&self, node: NodeId) -> Result<Disk, StoreError> {
        Disk::open(self.config(node))
    }

    fn config(&self, node: NodeId) -> DiskConfig {
        DiskConfig::new(self.path().join("log"), ClusterEpoch::new(7), node)
    }

    /// Opens everything, and hands the partition's log and what was stored to `work`.
    fn with(&self, work: impl FnOnce(&mut DiskLog, Stored)) {
        let disk = self.open().unwrap();
        let mut log = disk.log(PARTITION, || {});
        let stored = log.load().unwrap();
        work(&mut log, stored);
    }

    fn refusal(&self) -> String {
        self.error().to_string()
    }

    fn error(&self) -> StoreError {
        let disk = match self.open() {
            Ok(disk) => disk,
            Err(error) => return error,
        };
        let mut log = disk.log(PARTITION, || {});
        log.load().unwrap_err()
    }

    /// The file that raft-engine appends to.
    fn log_file(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.path().join("log/entries")).unwrap();
        let names = entries.map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|e| e == "raftlog")).max().unwrap()
    }
}

fn entry(index: u64, term: u64) -> Entry {
    Entry { index, term, data: format!("entry {index} of term {term}").into_bytes().into(), ..Entry::default() }
}

fn hard_state(term: u64, vote: u64, commit: u64) -> HardState {
    HardState { term, vote, commit, ..HardState::default() }
}

fn write(log: &mut DiskLog, append: Append) {
    let ticket = append.ticket;
    log.append(append);
    await_durable(log, Durable::Appended { ticket });
}

fn append(log: &mut DiskLog, ticket: u64, indices: std::ops::RangeInclusive<u64>, term: u64) {
    let entries: Vec<Entry> = indices.map(|index| entry(index, term)).collect();
    write(log, Append { ticket, hard_state: Some(hard_state(term, 2, 0)), entries, ..Append::default() });
}

fn await_durable(log: &mut DiskLog, wanted: Durable) {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        match log.poll().unwrap() {
            Some(durable) if durable == wanted => return,
            Some(other) => panic!("{other:?} instead of {wanted:?}"),
            None => assert!(Instant::now() < patience, "{wanted:?} never came"),
        }
        std::thread::yield_now();
    }
}

fn snapshot_at(index: u64, term: u64) -> Vec<u8> {
    let header = Header {
        partition: PARTITION,
        epoch: ClusterEpoch::new(7),
        index,
        term,
        batch_term: term,
        position: LogPosition::new(index),
        timestamp: Timestamp::ZERO,
        digest: 0,
        behaviour: 1,
        members: Members::founders(&[1, 2, 3].map(NodeId::new)),
        put_aside: Vec::new(),
    };
    snapshot::write(&header, |_| {}, |machine| machine.extend_from_slice(&[9; 3_000_000]))
}

fn indices(stored: &Stored) -> Vec<(u64, u64)> {
    stored.entries.iter().map(|entry| (entry.index, entry.term)).collect()
}

#[test]
fn what_was_durable_is_there_after_a_restart() {
    let bench = Bench::new();
    bench.with(|log, stored| {
        assert_eq!((indices(&stored), stored.hard_state), (vec![], HardState::default()));
        append(log, 1, 1..=3, 1);
        append(log, 2, 4..=4, 2);
    });
    bench.with(|_, stored| {
        assert_eq!(indices(&stored), [(1, 1), (2, 1), (3, 1), (4, 2)]);
        assert_eq!(stored.hard_state, hard_state(2, 2, 0));
        assert_eq!(stored.entries[3], entry(4, 2));
    });
}

#[test]
fn a_conflicting_append_replaces_the_end_of_the_log() {
    let bench = Bench::new();
    bench.with(|log, _| {
        append(log, 1, 1..=5, 1);
        append(log, 2, 3..=3, 2);
    });
    bench.with(|_, stored| assert_eq!(indices(&stored), [(1, 1), (2, 1), (3, 2)]));
}

#[test]
fn partitions_share_a_disk_and_not_a_log() {
    let bench = Bench::new();
    let disk = bench.open().unwrap();
    let mut logs: Vec<DiskLog> = (1..=4).map(|p| disk.log(PartitionId::new(p), || {})).collect();
    for log in &mut logs {
        log.load().unwrap();
    }
    for ticket in 1..=50 {
        for log in &mut logs {
            log.append(Append { ticket, entries: vec![entry(ticket, 1)], ..Append::default() });
        }
    }
    for log in &mut logs {
        for ticket in 1..=50 {
            await_durable(log, Durable::Appended { ticket });
        }
    }
    drop((logs, disk));
    bench.with(|_, stored| assert_eq!(stored.entries.len(), 50));
}

/// Partitions 3 and 4 append fifty entries each, and what they wait for is durable.
fn append_as_a_group(bench: &Bench, sync_by: SyncBy) {
    let disk = bench.open().unwrap();
    let mut group = disk.group(sync_by);
    let mut logs = [3, 4].map(|partition| group.log(&disk, PartitionId::new(partition), || {}));
    for log in &mut logs {
        log.load().unwrap();
    }
    for ticket in 1..=50 {
        for log in &mut logs {
            log.append(Append { ticket, entries: vec![entry(ticket, 1)], ..Append::default() });
            assert_eq!(log.poll().unwrap(), None, "nothing is durable before the group is flushed");
        }
        let written = group.flush();
        assert!(written == 2 || sync_by == SyncBy::LogThread);
        for log in &mut logs {
            await_durable(log, Durable::Appended { ticket });
        }
        assert_eq!(group.flush(), 0);
    }
}

#[test]
fn a_group_of_partitions_writes_together_in_its_own_thread_or_in_the_log_thread() {
    for sync_by in [SyncBy::LogThread, SyncBy::CallerIfWithin(Duration::MAX)] {
        let bench = Bench::new();
        append_as_a_group(&bench, sync_by);
        bench.with(|_, stored| assert_eq!(stored.entries.len(), 50));
    }
}

#[test]
fn a_group_leaves_a_slow_disk_to_the_log_thread_and_nothing_overtakes() {
    let bench = Bench::new();
    let disk = bench.open().unwrap();
    let mut group = disk.group(SyncBy::CallerIfWithin(Duration::ZERO));
    let mut log = group.log(&disk, PARTITION, || {});
    log.load().unwrap();
    for ticket in 1..=100 {
        log.append(Append { ticket, entries: vec![entry(ticket, 1)], ..Append::default() });
        // The first is written here, because no write was slow yet.
        assert_eq!(group.flush(), usize::from(ticket == 1));
    }
    (1..=100).for_each(|ticket| await_durable(&mut log, Durable::Appended { ticket }));
}

#[test]
fn a_snapshot_is_saved_read_in_pieces_and_the_log_behind_it_forgotten() {
    let bench = Bench::new();
    let bytes = snapshot_at(4, 1);
    bench.with(|log, _| {
        append(log, 1, 1..=6, 1);
        log.save_snapshot(4, bytes.clone());
        await_durable(log, Durable::Snapshot { index: 4 });
        log.compact(4);
        append(log, 2, 7..=7, 1);
        let mut read = Vec::new();
        while read.len() < bytes.len() {
            assert_eq!(log.read_snapshot(4, read.len() as u64, 100_000, &mut read), Ok(Some(bytes.len() as u64)));
        }
        assert_eq!(read, bytes);
        assert_eq!(log.read_snapshot(3, 0, 1, &mut read), Ok(None));
    });
    bench.with(|_, stored| {
        assert_eq!(indices(&stored), [(4, 1), (5, 1), (6, 1), (7, 1)]);
        assert_eq!(stored.snapshot, Some(bytes.clone()));
    });
}

#[test]
fn a_snapshot_without_room_is_given_up_leaves_nothing_and_the_log_goes_on() {
    let bench = Bench::new();
    let written = bench.path().join("log/snapshots/3");
    bench.with(|log, _| {
        append(log, 1, 1..=6, 1);
        // What is written to it finds no space.
        std::fs::create_dir_all(&written).unwrap();
        std::os::unix::fs::symlink("/dev/full", written.join("unfinished")).unwrap();
        log.save_snapshot(4, snapshot_at(4, 1));
        await_durable(log, Durable::SnapshotRefused { index: 4 });
        assert_eq!(std::fs::read_dir(&written).unwrap().count(), 0);
        append(log, 2, 7..=8, 1);
        log.save_snapshot(8, snapshot_at(8, 1));
        await_durable(log, Durable::Snapshot { index: 8 });
    });
    bench.with(|_, stored| assert_eq!((indices(&stored).len(), stored.snapshot), (8, Some(snapshot_at(8, 1)))));
}

#[test]
fn a_snapshot_leaves_the_reserve_of_the_disk_to_the_log() {
    let bench = Bench::new();
    let disk = Disk::open(DiskConfig { reserve: u64::MAX, ..bench.config(NodeId::new(1)) }).unwrap();
    let mut log = disk.log(PARTITION, || {});
    log.load().unwrap();
    append(&mut log, 1, 1..=6, 1);
    log.save_snapshot(4, snapshot_at(4, 1));
    await_durable(&mut log, Durable::SnapshotRefused { index: 4 });
    assert_eq!(std::fs::read_dir(bench.path().join("log/snapshots/3")).unwrap().count(), 0);
    append(&mut log, 2, 7..=7, 1);
}

#[test]
fn two_snapshots_are_kept_and_a_damaged_one_is_passed_over_if_the_log_reaches_back() {
    let bench = Bench::new();
    bench.with(|log, _| {
        append(log, 1, 1..=9, 1);
        for index in [3, 5, 7] {
            log.save_snapshot(index, snapshot_at(index, 1));
            await_durable(log, Durable::Snapshot { index });
        }
        log.compact(4);
    });
    let newest = bench.path().join("log/snapshots/3/7.snapshot");
    let file = OpenOptions::new().write(true).open(newest).unwrap();
    file.write_all_at(b"?", 1_000).unwrap();
    assert!(!bench.path().join("log/snapshots/3/3.snapshot").exists());
    bench.with(|log, stored| {
        assert_eq!(stored.snapshot, Some(snapshot_at(5, 1)));
        log.compact(7);
        append(log, 1, 10..=10, 1);
    });
    assert!(bench.refusal().contains("entries 6 to 6 are missing"), "{}", bench.refusal());
}

#[test]
fn a_snapshot_of_another_version_is_no_damage() {
    let bench = Bench::new();
    bench.with(|log, _| {
        append(log, 1, 1..=9, 1);
        log.save_snapshot(7, snapshot_at(7, 1));
        await_durable(log, Durable::Snapshot { index: 7 });
    });
    let path = bench.path().join("log/snapshots/3/7.snapshot");
    let mut bytes = std::fs::read(&path).unwrap();
    // The upper byte: no version that there will be soon.
    bytes[9] += 1;
    let body = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let error = bench.error();
    assert!(!error.is_damage() && error.to_string().contains("written by another version"), "{error}");
}

#[test]
fn what_the_system_refuses_is_no_damage() {
    let bench = Bench::new();
    bench.with(|log, _| append(log, 1, 1..=9, 1));
    let entries = bench.path().join("log/entries");
    std::fs::rename(&entries, bench.path().join("log/elsewhere")).unwrap();
    std::fs::write(&entries, b"not a directory").unwrap();
    let error = bench.error();
    assert!(!error.is_damage(), "{error}");
}

#[test]
fn the_leaders_snapshot_replaces_the_log_even_if_a_crash_comes_between() {
    let bench = Bench::new();
    bench.with(|log, _| {
        append(log, 1, 1..=5, 1);
        log.save_snapshot(20, snapshot_at(20, 4));
        await_durable(log, Durable::Snapshot { index: 20 });
    });
    bench.with(|log, stored| {
        assert_eq!(indices(&stored), [], "the log of before the snapshot is gone");
        let hard_state = Some(hard_state(4, 0, 20));
        write(log, Append { ticket: 1, hard_state, entries: vec![entry(21, 4)], reset: Some((20, 4)), standing: None });
    });
    bench.with(|_, stored| {
        assert_eq!(indices(&stored), [(21, 4)]);
        assert_eq!(stored.hard_state, hard_state(4, 0, 20));
    });
}

#[test]
fn what_the_leaders_snapshot_contradicts_is_not_missed_after_a_crash_in_between() {
    let bench = Bench::new();
    bench.with(|log, _| {
        append(log, 1, 1..=30, 1);
        log.save_snapshot(20, snapshot_at(20, 4));
        await_durable(log, Durable::Snapshot { index: 20 });
    });
    for _ in 0..2 {
        bench.with(|_, stored| {
            assert_eq!(indices(&stored), [], "entries 21 to 30 of term 1 were acknowledged and never committed");
            assert_eq!(stored.snapshot, Some(snapshot_at(20, 4)));
        });
    }
    bench.with(|log, _| append(log, 1, 21..=22, 4));
    bench.with(|_, stored| assert_eq!(indices(&stored), [(21, 4), (22, 4)]));
}

#[test]
fn a_torn_end_that_was_never_acknowledged_is_cut_off() {
    let bench = Bench::new();
    bench.with(|log, _| append(log, 1, 1..=5, 1));
    let file = OpenOptions::new().append(true).open(bench.log_file()).unwrap();
    let end = file.metadata().unwrap().len();
    file.write_all_at(&[0xAB; 100], end).unwrap();
    bench.with(|_, stored| assert_eq!(stored.entries.len(), 5));
}

#[test]
fn an_acknowledged_end_that_is_damaged_is_refused() {
    let bench = Bench::new();
    bench.with(|log, _| {
        append(log, 1, 1..=5, 1);
        append(log, 2, 6..=9, 1);
    });
    let path = bench.log_file();
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(7).rposition(|w| w == b"entry 8").unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"E", at as u64).unwrap();
    let refusal = bench.refusal();
    assert!(refusal.contains("may have lost entries that it acknowledged"), "{refusal}");
    assert!(refusal.contains("empty directory only if"), "{refusal}");
}

#[test]
fn a_log_that_was_cut_or_lost_is_refused() {
    let bench = Bench::new();
    bench.with(|log, _| {
        append(log, 1, 1..=5, 1);
        append(log, 2, 6..=9, 1);
    });
    std::fs::remove_dir_all(bench.path().join("log/entries")).unwrap();
    let refusal = bench.refusal();
    assert!(refusal.contains("may have lost entries that it acknowledged"), "{refusal}");
}

#[test]
fn a_log_without_its_marker_is_refused() {
    let bench = Bench::new();
    bench.with(|log, _| append(log, 1, 1..=5, 1));
    std::fs::remove_file(bench.path().join("log/markers")).unwrap();
    assert!(bench.refusal().contains("its marker is missing"));
}

#[test]
fn a_torn_slot_of_the_marker_leaves_the_other() {
    let bench = Bench::new();
    bench.with(|log, _| append(log, 1, 1..=5, 1));
    let marker = OpenOptions::new().write(true).open(bench.path().join("log/markers")).unwrap();
    marker.write_all_at(&[0; 10], 0).unwrap();
    bench.with(|_, stored| assert_eq!(stored.entries.len(), 5));
    marker.write_all_at(&[0; 10], 64 * 1024).unwrap();
    assert!(bench.refusal().contains("neither slot of the marker is whole"));
}

#[test]
fn anothers_log_is_refused() {
    let bench = Bench::new();
    bench.with(|log, _| append(log, 1, 1..=5, 1));
    let disk = bench.open_as(NodeId::new(2)).unwrap();
    let error = disk.log(PARTITION, || {}).load().unwrap_err();
    assert!(error.to_string().contains("belongs to node 1"), "{error}");
}

#[test]
fn a_disk_that_fails_says_so_once_and_for_ever() {
    let bench = Bench::new();
    let disk = bench.open().unwrap();
    let mut log = disk.log(PARTITION, || {});
    log.load().unwrap();
    std::fs::create_dir_all(bench.path().join("log/snapshots")).unwrap();
    std::fs::write(bench.path().join("log/snapshots/3"), b"in the way").unwrap();
    // It is said on the log's thread.
    let fails = |log: &mut DiskLog| {
        let patience = Instant::now() + Duration::from_secs(20);
        while let Ok(done) = log.poll() {
            assert!(done.is_none() && Instant::now() < patience, "{done:?}");
            std::thread::yield_now();
        }
    };
    log.save_snapshot(1, snapshot_at(1, 1));
    fails(&mut log);
    log.append(Append { ticket: 1, entries: vec![entry(1, 1)], ..Append::default() });
    fails(&mut log);
}

#[test]
fn every_partition_of_a_group_is_told_that_the_disk_failed() {
    let bench = Bench::new();
    let disk = bench.open().unwrap();
    let mut group = disk.group(SyncBy::CallerIfWithin(Duration::MAX));
    let mut logs = [3, 4].map(|partition| group.log(&disk, PartitionId::new(partition), || {}));
    for log in &mut logs {
        log.load().unwrap();
    }
    // raft-engine refuses a gap.
    for index in [1, 9] {
        logs[0].append(Append { ticket: index, entries: vec![entry(index, 1)], ..Append::default() });
        group.flush();
    }
    assert_eq!(logs[0].poll().unwrap(), Some(Durable::Appended { ticket: 1 }));
    assert!(logs.iter_mut().all(|log| log.poll().is_err()));
    logs[1].append(Append { ticket: 1, entries: vec![entry(1, 1)], ..Append::default() });
    group.flush();
    assert!(logs[1].poll().is_err(), "nothing is written any more");
}

#[test]
fn a_damaged_log_is_set_aside_and_the_next_says_that_it_is_not_the_first() {
    let bench = Bench::new();
    bench.with(|log, stored| {
        assert!(!stored.is_lost);
        append(log, 1, 1..=5, 1);
        append(log, 2, 6..=9, 1);
    });
    std::fs::remove_dir_all(bench.path().join("log/entries")).unwrap();
    assert!(bench.refusal().contains("may have lost entries"));
    let aside = super::set_aside(&bench.path().join("log")).unwrap();
    assert!(aside.join("markers").exists(), "it is kept for examination");
    for _ in 0..2 {
        bench.with(|_, stored| assert!(stored.is_lost && stored.entries.is_empty() && stored.standing.is_none()));
    }
}

#[test]
fn a_crash_while_a_log_is_set_aside_leaves_the_damaged_one_or_the_next() {
    let bench = Bench::new();
    bench.with(|log, _| append(log, 1, 1..=5, 1));
    let log = bench.path().join("log");
    super::set_aside(&log).unwrap();
    // As if the last step had not been made.
    std::fs::rename(&log, bench.path().join("log.next")).unwrap();
    bench.with(|_, stored| assert!(stored.is_lost));
}
