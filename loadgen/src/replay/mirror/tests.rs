use super::*;

fn update(first: u64, last: u64, bid: (&str, &str)) -> DepthUpdate {
    DepthUpdate { first, last, bids: vec![(bid.0.into(), bid.1.into())], asks: vec![] }
}

#[test]
fn updates_build_the_book_and_old_ones_are_passed_over() {
    let mut mirror = Mirror::new(2, 5, None);
    assert!(mirror.on_depth(&update(1, 3, ("61685.99000000", "1.25000000"))));
    assert!(mirror.on_depth(&update(1, 2, ("61685.99", "9"))));
    assert!(mirror.on_depth(&update(4, 4, ("61685.98", "0.00001"))));
    assert_eq!(mirror.book.qty(Side::Bid, 6_168_599), 125_000);
    assert_eq!(mirror.book.qty(Side::Bid, 6_168_598), 1);
    assert_eq!(mirror.last, 4);
}

#[test]
fn a_gap_is_counted_and_asks_for_a_snapshot() {
    let mut mirror = Mirror::new(0, 0, None);
    assert!(mirror.on_depth(&update(1, 3, ("5", "1"))));
    assert!(!mirror.on_depth(&update(5, 6, ("6", "1"))));
    assert_eq!(mirror.gaps.len(), 1);
    mirror.on_snapshot(&Depth { last_update_id: 6, bids: vec![("7".into(), "2".into())], asks: vec![] });
    assert_eq!((mirror.book.len(), mirror.book.qty(Side::Bid, 7)), (1, 2));
    assert!(mirror.on_depth(&update(6, 8, ("7", "3"))), "a window that the snapshot lies in goes on");
    assert_eq!(mirror.book.qty(Side::Bid, 7), 3);
}

#[test]
fn numbers_beyond_the_recordings_decimals_are_not_taken() {
    let mut mirror = Mirror::new(0, 0, None);
    assert!(!mirror.on_depth(&update(1, 1, ("5.5", "1"))));
    mirror.on_trade(1, "5", "0.5", true);
    assert_eq!((mirror.gaps.len(), mirror.trades.len()), (2, 0));
}

#[test]
fn trades_from_before_the_replay_are_not_ours() {
    let mut mirror = Mirror::new(0, 0, Some(7));
    mirror.on_trade(7, "1.25", "2", true);
    mirror.on_trade(8, "100", "2", true);
    assert_eq!(mirror.trades.keys().collect::<Vec<_>>(), [&8]);
    assert!(mirror.gaps.is_empty(), "its decimals may be others");
}
