use std::time::{Duration, Instant};

use nix::unistd::{Whence, lseek};
use raft::eraftpb::{Entry, HardState};
use tempfile::TempDir;
use wire::{ClusterEpoch, NodeId, PartitionId};

use super::*;
use crate::log::disk::{Disk, DiskConfig, DiskLog};
use crate::log::{Append, Durable, LogStore, Stored};

const PARTITION: PartitionId = PartitionId::new(3);
const MIB: u64 = 1024 * 1024;

/// A node's log, and entries of a mebibyte each.
struct Bench {
    home: TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench { home: tempfile::tempdir().unwrap() }
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn entries(&self) -> PathBuf {
        self.log().join("entries")
    }

    fn next(&self) -> PathBuf {
        self.entries().join(NEXT)
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.entries()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| is_log(path));
        files.sort_unstable();
        files
    }

    fn with<T>(&self, work: impl FnOnce(&mut DiskLog, Stored) -> T) -> T {
        self.leaving(0, work)
    }

    fn leaving<T>(&self, reserve: u64, work: impl FnOnce(&mut DiskLog, Stored) -> T) -> T {
        let config = DiskConfig { reserve, ..DiskConfig::new(self.log(), ClusterEpoch::new(7), NodeId::new(1)) };
        let disk = Disk::open(config).unwrap();
        let mut log = disk.log(PARTITION, || {});
        let stored = log.load().unwrap();
        work(&mut log, stored)
    }

    /// What is on disk now, as if the process had died.
    fn after_a_crash(&self) -> Bench {
        let crashed = Bench::new();
        fs::create_dir_all(crashed.entries()).unwrap();
        fs::copy(self.log().join("markers"), crashed.log().join("markers")).unwrap();
        for file in fs::read_dir(self.entries()).unwrap() {
            let path = file.unwrap().path();
            fs::copy(&path, crashed.entries().join(path.file_name().unwrap())).unwrap();
        }
        crashed
    }
}

fn append(log: &mut DiskLog, indices: std::ops::RangeInclusive<u64>) {
    for index in indices {
        let data = vec![index as u8; MIB as usize].into();
        let entries = vec![Entry { index, term: 1, data, ..Entry::default() }];
        let hard_state = Some(HardState { term: 1, ..HardState::default() });
        log.append(Append { ticket: index, hard_state, entries, ..Append::default() });
        until(|| log.poll().unwrap() == Some(Durable::Appended { ticket: index }));
    }
}

fn until(mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < patience);
        std::thread::yield_now();
    }
}

fn indices(stored: &Stored) -> Vec<u64> {
    assert!(stored.entries.iter().all(|entry| entry.data[..] == vec![entry.index as u8; MIB as usize]));
    stored.entries.iter().map(|entry| entry.index).collect()
}

/// How much of a file has been written from its beginning on: what is merely allocated is a hole to those who ask.
fn written(path: &Path) -> u64 {
    lseek(File::open(path).unwrap(), 0, Whence::SeekHole).unwrap() as u64
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

#[test]
fn a_node_begins_with_a_file_that_is_filled_and_goes_on_in_one() {
    let bench = Bench::new();
    bench.with(|log, _| {
        assert_eq!(written(&bench.files()[0]), FILE_SIZE);
        assert!(len(&bench.next()) <= PIECE, "as much is filled as is used");
        append(log, 1..=3);
        until(|| len(&bench.next()) >= 6 * MIB);
        assert!(len(&bench.next()) < 7 * MIB);
        append(log, 4..=9);
        until(|| len(&bench.next()) == FILE_SIZE);
        assert!(fs::read(bench.next()).unwrap().iter().all(|byte| *byte == 0));
        append(log, 10..=17);
        assert_eq!(written(&bench.files()[1]), FILE_SIZE, "it was filled before it was used");
        until(|| len(&bench.next()) >= MIB);
        assert!(len(&bench.next()) <= 4 * MIB);
    });
    assert!(!bench.next().exists(), "what waits is given back at the end");
    assert!(bench.files().iter().all(|path| len(path) < FILE_SIZE + 2 * MIB));
    bench.with(|_, stored| assert_eq!(indices(&stored), Vec::from_iter(1..=17)));
}

#[test]
fn zeros_behind_the_end_and_in_the_next_file_are_nothing_after_a_crash() {
    let bench = Bench::new();
    let crashes = bench.with(|log, _| {
        [(1, 2), (3, 9), (10, 18)].map(|(from, end)| {
            append(log, from..=end);
            (bench.after_a_crash(), end)
        })
    });
    for (crashed, end) in crashes {
        for _ in 0..2 {
            crashed.with(|_, stored| {
                assert_eq!(indices(&stored), Vec::from_iter(1..=end));
                assert_eq!(written(crashed.files().last().unwrap()), FILE_SIZE, "its rest is filled again");
            });
        }
        crashed.with(|log, _| append(log, end + 1..=end + 20));
        crashed.with(|_, stored| assert_eq!(indices(&stored), Vec::from_iter(1..=end + 20)));
    }
}

#[test]
fn what_has_the_next_files_name_is_never_written_to() {
    let bench = Bench::new();
    bench.with(|log, _| append(log, 1..=3));
    // As after a crash on a file system that has renamed by half.
    fs::hard_link(&bench.files()[0], bench.next()).unwrap();
    bench.with(|log, stored| {
        assert_eq!(indices(&stored), [1, 2, 3]);
        append(log, 4..=20);
    });
    bench.with(|_, stored| assert_eq!(indices(&stored), Vec::from_iter(1..=20)));
}

#[test]
fn where_there_is_no_room_the_log_goes_on_in_files_that_are_not_filled() {
    let bench = Bench::new();
    bench.leaving(u64::MAX, |log, _| {
        append(log, 1..=20);
        assert_eq!(bench.files().len(), 2);
        assert!(!bench.next().exists());
        assert!(len(&bench.files()[1]) < FILE_SIZE);
    });
    bench.with(|_, stored| assert_eq!(indices(&stored), Vec::from_iter(1..=20)));
}

#[test]
fn a_file_that_cannot_be_filled_is_tried_again_with_the_next() {
    let bench = Bench::new();
    bench.with(|_, _| {});
    fs::create_dir(bench.next()).unwrap();
    bench.with(|log, _| {
        append(log, 1..=10);
        assert!(bench.next().is_dir());
        fs::remove_dir(bench.next()).unwrap();
        append(log, 11..=17);
        assert_eq!(bench.files().len(), 2);
        append(log, 18..=25);
        until(|| len(&bench.next()) == FILE_SIZE);
        append(log, 26..=34);
        assert_eq!(written(&bench.files()[2]), FILE_SIZE);
    });
    bench.with(|_, stored| assert_eq!(indices(&stored), Vec::from_iter(1..=34)));
}

#[test]
fn a_file_that_got_its_name_and_nothing_else_before_a_crash_is_the_next() {
    let bench = Bench::new();
    bench.with(|log, _| append(log, 1..=3));
    fs::write(bench.entries().join("0000000000000002.raftlog"), vec![0; FILE_SIZE as usize]).unwrap();
    bench.with(|log, stored| {
        assert_eq!((indices(&stored), bench.files().len()), (vec![1, 2, 3], 2));
        assert_eq!(written(&bench.files()[1]), FILE_SIZE);
        append(log, 4..=22);
    });
    bench.with(|_, stored| assert_eq!(indices(&stored), Vec::from_iter(1..=22)));
}

#[test]
fn the_present_file_is_brought_into_memory_before_it_is_used() {
    let home = tempfile::tempdir().unwrap();
    let files = FilledAhead::new(home.path().to_path_buf(), 0);
    let (first, second) = (home.path().join("1.raftlog"), home.path().join("2.raftlog"));
    files.create(&first).unwrap();
    let cold = || files.ahead().cold().map(|(_, part)| part);
    let bring = |upto| files.ahead().warm = upto;
    assert_eq!(cold(), Some(0..WARM));
    bring(WARM);
    assert_eq!(cold(), None);
    files.used(WARM as usize / 2 - 1);
    assert_eq!(cold(), None);
    files.used(1);
    assert_eq!(cold(), Some(WARM..2 * WARM));
    // Whoever comes too late leaves out what was used.
    files.used(5 * WARM as usize);
    let used = files.ahead().used;
    assert_eq!(cold(), Some(used..used + WARM));
    bring(FILE_SIZE);
    files.used(FILE_SIZE as usize);
    assert_eq!(cold(), None);

    // A file that is used again is the present one from its start, whatever it was before.
    files.reuse(&first, &second).unwrap();
    assert_eq!(cold(), Some(0..WARM));
    let inode = |file: &File| std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap());
    let present = files.ahead().present.clone().unwrap();
    assert_eq!(inode(&present), inode(&File::open(&second).unwrap()));
}

#[test]
fn a_log_that_is_used_is_brought_into_memory_by_the_thread() {
    let bench = Bench::new();
    bench.with(|log, _| {
        append(log, 1..=1);
        let files = bench.files();
        assert_eq!(files.len(), 1);
    });
    // Another life of it goes on behind what was written.
    let files = Arc::new(FilledAhead::new(bench.entries(), 0));
    let filler = Filler::start(files.clone()).unwrap();
    let used = files.ahead().used;
    assert!(used >= MIB, "{used}");
    files.used(1);
    until(|| files.ahead().warm >= used + WARM);
    drop(filler);
}
