//! When what is written to a file reaches the disk.

use tempfile::TempDir;

use super::*;

/// A new file whose last sync was so long ago.
fn synced_ago(dir: &TempDir, ago: Duration) -> (Segment, SegmentWriter) {
    let (segment, mut writer) = Segment::create(dir.path(), PartitionId::new(1), LogPosition::new(1)).unwrap();
    writer.synced_at = Instant::now() - ago;
    (segment, writer)
}

/// Adds events of so many bytes and hands them to the system, as the archive's thread does after each of its turns. Bytes that
/// are not known to be on the disk then.
fn flushed(segment: &mut Segment, writer: &mut SegmentWriter, bytes: usize) -> usize {
    let events = vec![7; bytes - RECORD_HEAD_LEN - BODY_HEAD_LEN];
    let (timestamp, origin) = (Timestamp::ZERO, Origin::INTERNAL);
    segment.append(writer, EventBatch { position: segment.next(), timestamp, origin, events: &events }).unwrap();
    writer.flush().unwrap();
    assert!(writer.buffer.is_empty());
    assert_eq!(writer.file.metadata().unwrap().len(), segment.len());
    writer.unsynced
}

const STEP: usize = SYNCED_STEP[0];
/// Well within a while.
const LATELY: Duration = Duration::ZERO;

#[test]
fn little_is_left_to_the_system_however_long_ago_the_last_sync_was() {
    let dir = TempDir::new().unwrap();
    let (mut segment, mut writer) = synced_ago(&dir, 100 * A_WHILE);
    assert_eq!(flushed(&mut segment, &mut writer, STEP - 1), STEP - 1);
    assert_eq!(flushed(&mut segment, &mut writer, 100), 0, "with what has come before it is enough");
    assert!(writer.synced_at.elapsed() < 50 * A_WHILE, "and the next while begins");
}

#[test]
fn more_is_synced_once_in_a_while() {
    let dir = TempDir::new().unwrap();
    let (mut segment, mut writer) = synced_ago(&dir, LATELY);
    // Of a machine that stands still for so long this says nothing.
    let began = Instant::now();
    let unsynced = flushed(&mut segment, &mut writer, 2 * STEP);
    assert!(unsynced == 2 * STEP || began.elapsed() >= A_WHILE, "{unsynced}");
    writer.synced_at = Instant::now() - A_WHILE;
    assert_eq!(flushed(&mut segment, &mut writer, 100), 0);
}

#[test]
fn much_is_synced_at_once() {
    let dir = TempDir::new().unwrap();
    let (mut segment, mut writer) = synced_ago(&dir, LATELY);
    let [_, at_once] = SYNCED_STEP;
    let (mut unsynced, mut most) = (0, 0);
    for _ in 0..2 * at_once / STEP {
        unsynced = flushed(&mut segment, &mut writer, STEP);
        most = most.max(unsynced);
        // As if no time passed.
        writer.synced_at = Instant::now();
    }
    assert!(most < at_once, "{most}");
    assert_eq!(unsynced, 0, "the last of twice as much");
}

#[test]
fn what_is_to_be_durable_is_whatever_there_is_of_it() {
    let dir = TempDir::new().unwrap();
    let (mut segment, mut writer) = synced_ago(&dir, LATELY);
    flushed(&mut segment, &mut writer, 100);
    segment.sync(&mut writer).unwrap();
    assert_eq!((writer.unsynced, writer.buffer.len()), (0, 0));
    assert_eq!(writer.file.metadata().unwrap().len(), segment.len(), "the marker is there");
}
