use replicator::Space::{Enough, Full, Low};

use super::*;

const RESERVE: u64 = 100;

#[test]
fn space_is_low_below_two_reserves_and_full_below_one() {
    let from_enough = |free| judge(Enough, free, RESERVE);
    assert_eq!([u64::MAX, 200, 199, 100, 99, 0].map(from_enough), [Enough, Enough, Low, Low, Full, Full]);
}

#[test]
fn it_is_better_again_half_a_reserve_later() {
    assert_eq!([100, 149, 150, 249, 250].map(|free| judge(Full, free, RESERVE)), [Full, Full, Low, Low, Enough]);
    assert_eq!([200, 249, 250].map(|free| judge(Low, free, RESERVE)), [Low, Low, Enough]);
    assert_eq!(judge(Low, 99, RESERVE), Full, "worse at once");
}

#[test]
fn without_a_reserve_there_is_always_enough() {
    assert_eq!(judge(Full, 0, 0), Enough);
}

#[test]
fn a_watch_sees_the_disk_that_its_path_is_on_from_the_first_moment() {
    let directory = tempfile::tempdir().unwrap();
    let seen = SpaceWatch::new(directory.path().to_owned(), 1).seen();
    assert!(seen.space() == Enough && seen.free() > 0 && seen.free() < u64::MAX);
    assert_eq!(SpaceWatch::new(directory.path().to_owned(), u64::MAX / 4).seen().space(), Full);
}
