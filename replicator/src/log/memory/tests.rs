use super::*;

/// A log on a disk that writes a snapshot in three steps, given a snapshot and then something to compact.
fn begun() -> (MemoryDisk, MemoryLog) {
    let disk = MemoryDisk::new();
    disk.save_in_steps(2);
    let mut log = disk.log();
    log.save_snapshot(7, vec![1]);
    log.append(Append { ticket: 1, ..Append::default() });
    (disk, log)
}

#[test]
fn what_comes_behind_a_snapshot_is_durable_before_it() {
    let (disk, mut log) = begun();
    disk.sync(2);
    assert_eq!(log.poll(), Ok(Some(Durable::Appended { ticket: 1 })));
    assert!(log.poll() == Ok(None) && disk.is_saving() && disk.newest_snapshot() == 0);
    disk.sync(0);
    disk.sync(0);
    assert_eq!(log.poll(), Ok(Some(Durable::Snapshot { index: 7 })));
    assert!(!disk.is_saving() && disk.newest_snapshot() == 7);
}

#[test]
fn a_snapshot_that_is_being_written_goes_with_its_process() {
    let (disk, mut log) = begun();
    disk.sync(2);
    disk.crash(0);
    disk.sync(0);
    disk.sync(0);
    assert!(log.poll() == Ok(None) && disk.newest_snapshot() == 0);
}
