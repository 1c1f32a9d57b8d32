use std::fs::OpenOptions;

use tempfile::TempDir;
use wire::{Origin, Sequence, SessionId, Timestamp};

use super::*;

const PARTITION: PartitionId = PartitionId::new(3);

fn at(position: u64) -> LogPosition {
    LogPosition::new(position)
}

fn events_of(position: u64) -> Vec<u8> {
    (0..40 + position % 7).map(|byte| (byte + position) as u8).collect()
}

/// Every second position has events.
fn block(after: u64, upto: u64) -> EventBlock {
    let mut block = EventBlock::new(at(after));
    for position in (after + 1..=upto).filter(|position| position % 2 == 0) {
        block.push(EventBatch {
            position: at(position),
            timestamp: Timestamp::from_nanos(position * 10),
            origin: Origin { session: SessionId::new(1), sequence: Sequence::new(position) },
            events: &events_of(position),
        });
    }
    block.cover(at(upto));
    block
}

fn read_all(archive: &mut Archive, from: u64) -> Vec<u64> {
    let mut positions = Vec::new();
    let mut next = at(from);
    loop {
        let block = archive.read(next, 300).unwrap().expect("no gap");
        for batch in block.batches() {
            assert_eq!(batch.events, events_of(batch.position.get()));
            positions.push(batch.position.get());
        }
        if block.upto() < next {
            return positions;
        }
        next = block.upto().next();
    }
}

fn gap_of(archive: &Archive) -> Option<Gap> {
    archive.gaps().next()
}

fn even(from: u64, upto: u64) -> Vec<u64> {
    (from..=upto).filter(|position| position % 2 == 0).collect()
}

fn only_file(dir: &TempDir) -> PathBuf {
    dir.path().join(segment::file_name(at(1)))
}

#[test]
fn events_read_back_from_any_position_across_files() {
    let dir = TempDir::new().unwrap();
    let mut archive = Archive::open_with(dir.path(), PARTITION, 1_000).unwrap();
    for step in 0..20 {
        archive.append(&block(step * 10, step * 10 + 10)).unwrap();
    }
    assert!(archive.segments.len() > 5);
    for from in [1, 2, 3, 57, 100, 199, 200] {
        assert_eq!(read_all(&mut archive, from), even(from, 200));
    }
    assert_eq!(archive.read(at(201), 100).unwrap().unwrap().upto(), at(200));
    drop(archive);
    let again = Archive::open_with(dir.path(), PARTITION, 1_000).unwrap();
    assert_eq!(gap_of(&again), None);
}

#[test]
fn appending_again_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let mut archive = Archive::open(dir.path(), PARTITION).unwrap();
    archive.append(&block(0, 20)).unwrap();
    archive.append(&block(10, 30)).unwrap();
    archive.append(&block(0, 5)).unwrap();
    assert_eq!(read_all(&mut archive, 1), even(1, 30));
}

#[test]
fn a_torn_tail_is_cut_and_written_again_by_replay() {
    let dir = TempDir::new().unwrap();
    let mut archive = Archive::open(dir.path(), PARTITION).unwrap();
    archive.append(&block(0, 20)).unwrap();
    archive.sync().unwrap();
    archive.append(&block(20, 40)).unwrap();
    archive.flush().unwrap();
    drop(archive);
    let len = only_file(&dir).metadata().unwrap().len();
    for cut in 1..=150 {
        OpenOptions::new().write(true).open(only_file(&dir)).unwrap().set_len(len - cut).unwrap();
        let mut archive = Archive::open(dir.path(), PARTITION).unwrap();
        assert!(archive.end() >= at(20) && archive.end() < at(40), "what was synced stays");
        archive.append(&block(20, 40)).unwrap();
        assert_eq!(read_all(&mut archive, 1), even(1, 40));
        archive.flush().unwrap();
    }
}

#[test]
fn garbage_at_the_end_is_cut() {
    let dir = TempDir::new().unwrap();
    let mut archive = Archive::open(dir.path(), PARTITION).unwrap();
    archive.append(&block(0, 20)).unwrap();
    archive.flush().unwrap();
    drop(archive);
    let mut file = OpenOptions::new().append(true).open(only_file(&dir)).unwrap();
    io::Write::write_all(&mut file, &[0x5a; 777]).unwrap();
    let mut archive = Archive::open(dir.path(), PARTITION).unwrap();
    assert_eq!(archive.end(), at(20));
    archive.append(&block(20, 30)).unwrap();
    assert_eq!(read_all(&mut archive, 1), even(1, 30));
}

#[test]
fn positions_without_events_are_remembered_by_a_sync() {
    let dir = TempDir::new().unwrap();
    let mut archive = Archive::open(dir.path(), PARTITION).unwrap();
    archive.append(&block(0, 25)).unwrap();
    archive.sync().unwrap();
    drop(archive);
    let mut archive = Archive::open(dir.path(), PARTITION).unwrap();
    assert_eq!(archive.end(), at(25));
    archive.jump(at(25)).unwrap();
    assert_eq!(gap_of(&archive), None);
}

#[test]
fn a_jump_leaves_a_gap_that_refuses_readers_until_it_is_filled() {
    let dir = TempDir::new().unwrap();
    let mut archive = Archive::open_with(dir.path(), PARTITION, 1_000).unwrap();
    archive.append(&block(0, 20)).unwrap();
    archive.jump(at(100)).unwrap();
    archive.append(&block(100, 120)).unwrap();
    let gap = Gap { from: at(21), upto: at(100) };
    assert_eq!(gap_of(&archive), Some(gap));
    assert_eq!(archive.read(at(50), 100).unwrap(), Err(at(101)));
    assert_eq!(read_all(&mut archive, 101), even(101, 120));

    archive.fill(&block(20, 50)).unwrap();
    assert_eq!(gap_of(&archive), Some(Gap { from: at(51), upto: at(100) }));
    archive.flush().unwrap();
    drop(archive);

    let mut archive = Archive::open_with(dir.path(), PARTITION, 1_000).unwrap();
    let rest = gap_of(&archive).expect("half of it is still missing");
    assert_eq!(rest.upto, at(100));
    archive.fill(&block(rest.from.get() - 1, 80)).unwrap();
    archive.fill(&block(70, 130)).unwrap();
    assert_eq!(gap_of(&archive), None);
    assert_eq!(read_all(&mut archive, 1), even(1, 120));
    archive.append(&block(120, 130)).unwrap();
    archive.flush().unwrap();
    drop(archive);
    let mut archive = Archive::open_with(dir.path(), PARTITION, 1_000).unwrap();
    assert_eq!(gap_of(&archive), None);
    assert_eq!(read_all(&mut archive, 1), even(1, 130));
}

/// What nobody has any more does not keep away what lies behind it.
#[test]
fn a_gap_is_filled_from_any_place_in_it() {
    let dir = TempDir::new().unwrap();
    let mut archive = Archive::open_with(dir.path(), PARTITION, 1_000).unwrap();
    archive.jump(at(100)).unwrap();
    archive.append(&block(100, 120)).unwrap();
    archive.jump(at(200)).unwrap();
    archive.append(&block(200, 210)).unwrap();
    let gaps = |archive: &Archive| archive.gaps().map(|gap| (gap.from.get(), gap.upto.get())).collect::<Vec<_>>();
    assert_eq!(gaps(&archive), [(1, 100), (121, 200)]);
    assert_eq!(archive.missing().positions(), 180);
    archive.fill(&block(30, 40)).unwrap();
    archive.fill(&block(40, 42)).unwrap();
    archive.fill(&block(150, 215)).unwrap();
    assert_eq!(gaps(&archive), [(1, 30), (43, 100), (121, 150)]);
    archive.fill(&block(104, 110)).unwrap();
    archive.fill(&block(20, 25)).unwrap();
    archive.fill(&block(60, 100)).unwrap();
    assert_eq!(gaps(&archive), [(1, 20), (26, 30), (43, 60), (121, 150)]);
    archive.flush().unwrap();
    drop(archive);
    let mut archive = Archive::open_with(dir.path(), PARTITION, 1_000).unwrap();
    assert_eq!(archive.read(at(1), 100).unwrap(), Err(at(21)));
    archive.fill(&block(42, 60)).unwrap();
    archive.fill(&block(0, 130)).unwrap();
    archive.fill(&block(20, 130)).unwrap();
    archive.fill(&block(25, 30)).unwrap();
    archive.fill(&block(120, 150)).unwrap();
    assert_eq!(gaps(&archive), []);
    assert_eq!(read_all(&mut archive, 1), even(1, 210));
}

#[test]
fn a_damaged_record_in_an_old_file_becomes_a_gap() {
    let dir = TempDir::new().unwrap();
    let mut archive = Archive::open_with(dir.path(), PARTITION, 1_000).unwrap();
    for step in 0..10 {
        archive.append(&block(step * 10, step * 10 + 10)).unwrap();
    }
    archive.sync().unwrap();
    drop(archive);
    let file = OpenOptions::new().write(true).open(only_file(&dir)).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 4], 300).unwrap();
    let mut archive = Archive::open_with(dir.path(), PARTITION, 1_000).unwrap();
    let _ = archive.read(at(1), 10_000).unwrap();
    let gap = gap_of(&archive).expect("the damaged part is missing");
    archive.fill(&block(gap.from.get() - 1, 100)).unwrap();
    assert_eq!(gap_of(&archive), None);
    assert_eq!(read_all(&mut archive, 1), even(1, 100));
}

#[test]
fn a_damaged_record_in_the_live_file_is_no_silent_hole() {
    for from in [2, 30, 60, 99] {
        let dir = TempDir::new().unwrap();
        let mut archive = Archive::open(dir.path(), PARTITION).unwrap();
        archive.append(&block(0, 100)).unwrap();
        archive.flush().unwrap();
        let file = OpenOptions::new().write(true).open(only_file(&dir)).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 4], 1_000).unwrap();
        let whole = archive.read(at(from), 10_000).unwrap().expect("no gap is known yet");
        assert!(whole.batches().all(|batch| batch.events == events_of(batch.position.get())));
        archive.append(&block(100, 120)).unwrap();
        let gap = gap_of(&archive).expect("what is behind the damage is missing");
        assert!(gap.from > at(10) && gap.from < at(50) && gap.upto == at(100), "{gap:?}");
        assert_eq!(archive.read(gap.from, 100).unwrap(), Err(at(101)));
        archive.fill(&block(gap.from.get() - 1, 100)).unwrap();
        archive.append(&block(120, 130)).unwrap();
        assert_eq!(read_all(&mut archive, 1), even(1, 130));
        archive.flush().unwrap();
        drop(archive);
        let mut archive = Archive::open(dir.path(), PARTITION).unwrap();
        assert_eq!(gap_of(&archive), None);
        assert_eq!(read_all(&mut archive, 1), even(1, 130));
    }
}
