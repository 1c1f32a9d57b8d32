use super::*;

fn at(position: u64) -> LogPosition {
    LogPosition::new(position)
}

fn filler(from: u64, upto: u64) -> GapFiller {
    let gap = Some(Gap { from: at(from), upto: at(upto) });
    GapFiller { gap, ..GapFiller::new(PartitionId::new(1)) }
}

#[test]
fn a_gap_shrinks_until_its_end_has_come() {
    let mut filler = filler(21, 100);
    assert!(!filler.is_filled(at(50), Timestamp::ZERO));
    assert_eq!(filler.gap, Some(Gap { from: at(51), upto: at(100) }));
    assert!(!filler.is_filled(at(30), Timestamp::ZERO));
    assert_eq!(filler.gap, Some(Gap { from: at(51), upto: at(100) }));
    assert!(!filler.is_filled(at(99), Timestamp::ZERO));
    assert!(filler.is_filled(at(100), Timestamp::ZERO));
}

#[test]
fn a_peer_at_the_end_of_all_positions_fills_the_gap_and_no_more() {
    assert!(filler(21, 100).is_filled(at(u64::MAX), Timestamp::ZERO));
}
