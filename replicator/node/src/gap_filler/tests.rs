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

#[test]
fn what_every_other_node_has_refused_is_lost_and_what_one_was_not_asked_for_is_not() {
    let others = [2, 3].map(NodeId::new);
    let missing = |from| {
        let gap = Some(Gap { from: at(from), upto: at(100) });
        Missing { gap, positions: 101 - from + 10, upto: at(500) }
    };
    let mut filler = GapFiller::new(PartitionId::new(1));
    assert_eq!(filler.past(&others), None, "the archive has not said anything");
    filler.learn(missing(21));
    let told = |filler: &GapFiller| filler.past(&others).map(|past| (past.missing, past.is_lost, past.upto.get()));
    assert_eq!(told(&filler), Some((90, false, 500)));
    filler.refused.insert(others[0]);
    assert_eq!(told(&filler), Some((90, false, 500)), "node 3 may be away, and have it");
    filler.refused.insert(others[1]);
    filler.learn(missing(21));
    assert_eq!(told(&filler), Some((90, true, 500)));
    // Somebody has it after all.
    assert!(!filler.is_filled(at(50), Timestamp::ZERO));
    assert_eq!(told(&filler), Some((60, false, 500)));
    filler.gap = None;
    assert_eq!(told(&filler), Some((10, false, 500)), "and another gap is left");
    filler.learn(Missing { gap: None, positions: 0, upto: at(600) });
    assert_eq!(told(&filler), Some((0, false, 600)));
}

#[test]
fn a_gap_counts_as_missing_until_it_is_on_disk() {
    let mut filler = GapFiller::new(PartitionId::new(1));
    let gap = Some(Gap { from: at(1), upto: at(100) });
    filler.learn(Missing { gap, positions: 100, upto: at(500) });
    filler.gap = None;
    assert_eq!(filler.past(&[]).map(|past| past.missing), Some(1));
}
