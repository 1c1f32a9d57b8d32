use node::{EventBlock, EventSink};
use wire::{Origin, Timestamp};

use super::*;
use crate::sim::store::Shelf;

fn at(position: u64) -> LogPosition {
    LogPosition::new(position)
}

/// An archive of these stretches, after which position up to which, with an event at each position.
fn archive(stretches: &[(u64, u64)]) -> Arc<Mutex<Archive>> {
    let archive = Arc::<Mutex<Archive>>::default();
    for (after, upto) in stretches {
        let mut block = EventBlock::new(at(*after));
        for position in after + 1..=*upto {
            block.write(at(position), Timestamp::ZERO, Origin::INTERNAL, |bytes| bytes.push(position as u8));
        }
        Shelf(archive.clone()).append(Arc::new(block));
    }
    archive
}

/// Up to where an archive tells from a position on, and how many positions it has events of.
fn tells(archive: &Arc<Mutex<Archive>>, from: u64) -> Option<(u64, usize)> {
    let archive = archive.lock().unwrap();
    archive.read(at(from)).map(|(batches, upto)| (upto.get(), batches.count()))
}

#[test]
fn a_gap_is_completed_from_several_archives() {
    let (own, one, other) = (archive(&[(0, 3), (9, 12)]), archive(&[(0, 6)]), archive(&[(4, 20)]));
    complete(&own, [&own, &one, &other].into_iter());
    assert_eq!(tells(&own, 1), Some((12, 12)));
}

#[test]
fn what_lies_behind_what_no_archive_has_is_fetched() {
    let (own, other) = (archive(&[(20, 25), (40, 41)]), archive(&[(10, 22), (30, 45)]));
    complete(&own, [&own, &other].into_iter());
    assert_eq!((tells(&own, 1), tells(&own, 11), tells(&own, 26)), (None, Some((25, 15)), None));
    assert_eq!((tells(&own, 31), own.lock().unwrap().missing()), (Some((41, 11)), 15));
}

#[test]
fn what_no_archive_has_stays_missing() {
    let (own, other) = (archive(&[(9, 12)]), archive(&[(0, 6), (7, 20)]));
    complete(&own, [&own, &other].into_iter());
    assert_eq!((tells(&own, 1), tells(&own, 7), tells(&own, 10)), (Some((6, 6)), None, Some((12, 3))));
    let late = archive(&[(6, 7)]);
    complete(&own, [&own, &other, &late].into_iter());
    assert_eq!(tells(&own, 1), Some((12, 12)));
}
