use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use raft::eraftpb::{Entry, HardState};
use tempfile::TempDir;
use wire::{ClusterEpoch, LogPosition, NodeId, Timestamp};

use super::*;
use crate::log::disk::{Disk, DiskConfig, DiskLog, LogReader};
use crate::log::{Append, Durable, Identity, LogStore, Stored};
use crate::members::Members;
use crate::snapshot::{self, Header};

const PARTITION: PartitionId = PartitionId::new(3);
const EPOCH: ClusterEpoch = ClusterEpoch::new(7);
const NODE: NodeId = NodeId::new(1);
const MIB: usize = 1024 * 1024;

/// A node that runs: its log goes on to another file every sixteen entries.
struct Running {
    home: TempDir,
    log: DiskLog,
    _disk: Disk,
    last: u64,
    ticket: u64,
}

impl Running {
    fn new() -> Running {
        let home = tempfile::tempdir().unwrap();
        let disk = Disk::open(DiskConfig::new(home.path().join("log"), EPOCH, NODE)).unwrap();
        let mut log = disk.log(PARTITION, || {});
        log.load().unwrap();
        Running { home, log, _disk: disk, last: 0, ticket: 0 }
    }

    fn directory(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn append(&mut self, indices: RangeInclusive<u64>, term: u64) {
        self.ticket += 1;
        self.last = *indices.end();
        let entry = |index| Entry { index, term, data: vec![index as u8; MIB].into(), ..Entry::default() };
        let hard_state = Some(HardState { term, ..HardState::default() });
        let entries = indices.map(entry).collect();
        self.log.append(Append { ticket: self.ticket, hard_state, entries, ..Append::default() });
        self.until(Durable::Appended { ticket: self.ticket });
    }

    fn more(&mut self, count: u64) {
        for _ in 0..count {
            self.append(self.last + 1..=self.last + 1, 1);
        }
    }

    fn snapshot_and_compact(&mut self) {
        let index = self.last;
        let header = Header {
            partition: PARTITION,
            epoch: EPOCH,
            index,
            term: 1,
            batch_term: 1,
            position: LogPosition::new(index),
            timestamp: Timestamp::ZERO,
            digest: 0,
            behaviour: 1,
            members: Members::founders(&[NODE]),
            put_aside: Vec::new(),
        };
        self.log.save_snapshot(index, snapshot::write(&header, |_| {}, |_| {}));
        self.until(Durable::Snapshot { index });
        self.log.compact(index + 1);
    }

    fn until(&mut self, wanted: Durable) {
        let patience = Instant::now() + Duration::from_secs(60);
        while self.log.poll().unwrap() != Some(wanted) {
            assert!(Instant::now() < patience);
            std::thread::yield_now();
        }
    }
}

/// Copies, and does something before the file of this number is copied. Returns how many were copied.
fn disturbed(from: &Path, to: &Path, at: usize, mut disturb: impl FnMut()) -> usize {
    let mut copied = 0;
    let note = &mut |_: &Path| {
        if copied == at {
            disturb();
        }
        copied += 1;
    };
    copy_noting(from, to, note).unwrap();
    copied
}

fn read(copy: &Path) -> std::result::Result<Stored, StoreError> {
    LogReader::open(copy)?.load(Identity { epoch: EPOCH, node: NODE, partition: PARTITION })
}

/// The first and the last entry; everything between them is there, and what it was.
fn span(copy: &Path) -> (u64, u64) {
    let entries = read(copy).unwrap().entries;
    for pair in entries.windows(2) {
        assert_eq!(pair[1].index, pair[0].index + 1);
    }
    assert!(entries.iter().all(|entry| entry.data[..] == vec![entry.index as u8; MIB]));
    (entries[0].index, entries[entries.len() - 1].index)
}

#[test]
fn a_log_that_goes_on_to_its_next_file_while_it_is_copied_is_whole_in_the_copy() {
    let mut node = Running::new();
    node.more(20);
    let directory = node.directory();
    let quiet = disturbed(&directory, &tempfile::tempdir().unwrap().path().join("copy"), usize::MAX, || {});
    for at in 0..quiet {
        let home = tempfile::tempdir().unwrap();
        let (copy, before) = (home.path().join("copy"), node.last);
        disturbed(&directory, &copy, at, || node.more(17));
        let (first, last) = span(&copy);
        assert_eq!(first, 1);
        assert!((before..=node.last).contains(&last), "{before} to {}: {last}", node.last);
    }
}

#[test]
fn a_log_that_is_written_to_all_the_time_is_whole_in_every_copy() {
    let mut node = Running::new();
    node.more(1);
    let (directory, is_over) = (node.directory(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) && node.last < 400 {
                node.more(1);
            }
        });
        let mut last = 1;
        for _ in 0..6 {
            let home = tempfile::tempdir().unwrap();
            copy(&directory, home.path()).unwrap();
            let (first, upto) = span(home.path());
            assert_eq!(first, 1);
            assert!(upto >= last, "{upto} after {last}");
            last = upto;
        }
        is_over.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    });
}

#[test]
fn a_log_that_a_new_leader_cuts_back_while_it_is_copied_keeps_what_the_copy_promises() {
    let mut node = Running::new();
    node.more(5);
    let directory = node.directory();
    let quiet = disturbed(&directory, &tempfile::tempdir().unwrap().path().join("copy"), usize::MAX, || {});
    for (at, term) in (0..quiet).zip(2..) {
        let home = tempfile::tempdir().unwrap();
        let copy = home.path().join("copy");
        disturbed(&directory, &copy, at, || node.append(3..=3, term));
        span(&copy);
        node.append(4..=5, term);
    }
}

#[test]
fn a_log_that_begins_behind_a_newer_snapshot_while_it_is_copied_has_that_snapshot_in_the_copy() {
    let mut node = Running::new();
    node.more(3);
    node.snapshot_and_compact();
    node.more(3);
    let directory = node.directory();
    let quiet = disturbed(&directory, &tempfile::tempdir().unwrap().path().join("copy"), usize::MAX, || {});
    for at in 0..quiet {
        let home = tempfile::tempdir().unwrap();
        let copy = home.path().join("copy");
        disturbed(&directory, &copy, at, || {
            node.snapshot_and_compact();
            node.more(2);
        });
        let (first, last) = span(&copy);
        let snapshot = read(&copy).unwrap().snapshot.unwrap();
        let index = snapshot::header(&snapshot).unwrap().index;
        assert!(first <= index + 1 && index <= last, "{first} to {last} beside a snapshot at {index}");
    }
}

#[test]
fn a_file_that_is_removed_while_it_is_copied_is_not_in_the_copy() {
    let mut node = Running::new();
    node.more(36);
    let (directory, home) = (node.directory(), tempfile::tempdir().unwrap());
    // As when the engine has no use for its first files any more: one that was copied, and one that was not.
    let (first, second) =
        (directory.join("entries/0000000000000001.raftlog"), directory.join("entries/0000000000000002.raftlog"));
    let note = &mut |path: &Path| {
        if directory.join(path) == second && second.exists() {
            fs::remove_file(&first).unwrap();
            fs::remove_file(&second).unwrap();
        }
    };
    copy_noting(&directory, home.path(), note).unwrap();
    assert_eq!(list(home.path()).unwrap(), list(&directory).unwrap());
}

#[test]
fn a_log_that_never_rests_is_not_called_damaged() {
    let mut node = Running::new();
    node.more(1);
    let (directory, home) = (node.directory(), tempfile::tempdir().unwrap());
    let mut rounds = 0;
    let note = &mut |path: &Path| {
        if path == Path::new("markers") {
            rounds += 1;
            node.more(16);
        }
    };
    let error = copy_noting(&directory, home.path(), note).unwrap_err();
    assert_eq!(rounds, ROUNDS_MAX);
    assert!(matches!(error, CopyError::Restless { .. }));
    assert!(error.to_string().contains("says nothing of the log"), "{error}");
    // And when it rests it is copied.
    copy(&directory, home.path()).unwrap();
    assert_eq!(span(home.path()), (1, node.last));
}

#[test]
fn damage_is_found_in_the_copy_also_when_the_log_goes_on_to_its_next_file() {
    let mut node = Running::new();
    node.more(40);
    let directory = node.directory();
    let file = fs::OpenOptions::new().write(true).open(directory.join("entries/0000000000000001.raftlog")).unwrap();
    // The last bytes of the file tell what was in its last write.
    let len = file.metadata().unwrap().len();
    file.write_all_at(&[0xaa; 8], len - 16).unwrap();
    for at in [usize::MAX, 1, 2] {
        let home = tempfile::tempdir().unwrap();
        let copy = home.path().join("copy");
        disturbed(&directory, &copy, at, || node.more(17));
        let error = read(&copy).map(|stored| stored.entries.len()).unwrap_err();
        assert!(error.is_damage(), "{error}");
    }
}
