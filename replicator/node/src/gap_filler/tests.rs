use super::*;

const OTHERS: [NodeId; 2] = [NodeId::new(2), NodeId::new(3)];

fn at(position: u64) -> LogPosition {
    LogPosition::new(position)
}

fn missing(gaps: &[(u64, u64)]) -> Missing {
    let gaps = gaps.iter().map(|(from, upto)| Gap { from: at(*from), upto: at(*upto) });
    Missing { gaps: gaps.collect(), upto: at(500) }
}

fn filler(gaps: &[(u64, u64)]) -> GapFiller {
    let mut filler = GapFiller::<LinkId>::new(PartitionId::new(1));
    filler.learn(missing(gaps));
    filler
}

/// What is asked for next.
fn next(filler: &GapFiller) -> Option<(u64, u64)> {
    filler.left.front().map(|gap| (gap.from.get(), gap.upto.get()))
}

fn told<L: Copy + PartialEq>(filler: &GapFiller<L>) -> (u64, bool) {
    filler.past().map(|past| (past.missing, past.is_lost)).expect("the archive has said what is missing")
}

fn fill(filler: &mut GapFiller, upto: u64) {
    if filler.is_filled(at(upto), Timestamp::ZERO) {
        filler.end_pass(Timestamp::ZERO);
    }
}

/// Each of the others that has an answer gives it, and it is judged.
fn answers(filler: &mut GapFiller, answers: &[(NodeId, u64)]) {
    answers.iter().for_each(|(by, next)| filler.answer(*by, at(*next)));
    filler.skip(Timestamp::ZERO, &OTHERS);
}

#[test]
fn a_gap_shrinks_until_its_end_has_come() {
    let mut filler = filler(&[(21, 100)]);
    assert!(!filler.is_filled(at(50), Timestamp::ZERO));
    assert_eq!(next(&filler), Some((51, 100)));
    assert!(!filler.is_filled(at(30), Timestamp::ZERO));
    assert_eq!(next(&filler), Some((51, 100)));
    assert!(!filler.is_filled(at(99), Timestamp::ZERO));
    assert!(filler.is_filled(at(100), Timestamp::ZERO));
}

#[test]
fn a_peer_at_the_end_of_all_positions_fills_the_gap_and_no_more() {
    let mut filler = filler(&[(21, 100), (200, 300)]);
    assert!(filler.is_filled(at(u64::MAX), Timestamp::ZERO));
    assert_eq!(next(&filler), Some((200, 300)));
    assert_eq!(told(&filler), (101, false));
}

#[test]
fn what_lies_behind_lost_positions_is_asked_for() {
    let mut filler = filler(&[(21, 100), (200, 300)]);
    answers(&mut filler, &[(OTHERS[0], 61), (OTHERS[1], 41)]);
    assert_eq!(next(&filler), Some((41, 100)));
    fill(&mut filler, 70);
    // Nobody has the rest of it, and one of them says what cannot be.
    answers(&mut filler, &[(OTHERS[0], 71), (OTHERS[1], 250)]);
    assert_eq!(next(&filler), Some((200, 300)));
    fill(&mut filler, 300);
    assert_eq!(next(&filler), None);
    assert_eq!(told(&filler), (181 - 30 - 101, false));
    // The archive says what it still lacks, and the next pass asks for all of that.
    filler.learn(missing(&[(21, 40), (71, 100)]));
    assert_eq!(next(&filler), Some((21, 40)));
}

#[test]
fn what_is_missing_before_the_place_of_a_pass_is_for_the_next() {
    let mut filler = filler(&[(21, 100)]);
    answers(&mut filler, &[(OTHERS[0], 61), (OTHERS[1], 61)]);
    fill(&mut filler, 70);
    filler.learn(missing(&[(21, 60), (66, 100), (400, 450)]));
    assert_eq!(next(&filler), Some((71, 100)));
    fill(&mut filler, 100);
    assert_eq!(next(&filler), Some((400, 450)));
}

#[test]
fn what_every_other_node_has_refused_in_two_passes_is_lost() {
    let mut filler = filler(&[(21, 100)]);
    let none = u64::MAX;
    for (pass, is_lost) in [false, true, true].into_iter().enumerate() {
        answers(&mut filler, &[(OTHERS[0], none), (OTHERS[1], none)]);
        assert_eq!((next(&filler), told(&filler)), (None, (80, is_lost)), "after pass {pass}");
        filler.learn(missing(&[(21, 100)]));
    }
    // Somebody has it after all.
    fill(&mut filler, 50);
    assert_eq!(told(&filler), (50, false));
}

#[test]
fn what_one_was_not_asked_for_is_not_lost() {
    let mut filler = filler(&[(21, 100)]);
    for _ in 0..4 {
        filler.answers.insert(OTHERS[1], None);
        answers(&mut filler, &[(OTHERS[0], u64::MAX)]);
        filler.learn(missing(&[(21, 100)]));
        answers(&mut filler, &[(OTHERS[0], u64::MAX)]);
        filler.learn(missing(&[(21, 100)]));
    }
    assert_eq!(told(&filler), (80, false), "node 3 may be away, or busy, and have it");
}

#[test]
fn more_that_is_missing_is_not_lost_yet() {
    let mut filler = filler(&[(21, 100)]);
    for _ in 0..2 {
        answers(&mut filler, &[(OTHERS[0], u64::MAX), (OTHERS[1], u64::MAX)]);
        filler.learn(missing(&[(21, 100)]));
    }
    assert_eq!(told(&filler), (80, true));
    filler.learn(missing(&[(21, 100), (200, 300)]));
    assert_eq!(told(&filler), (181, false));
}

#[test]
fn nobody_in_reach_ends_no_pass() {
    let mut filler = filler(&[(21, 100)]);
    answers(&mut filler, &[]);
    assert_eq!((next(&filler), told(&filler)), (Some((21, 100)), (80, false)));
}

#[test]
fn a_gap_counts_as_missing_until_it_is_on_disk() {
    let mut filler = filler(&[(1, 100)]);
    let new: GapFiller = GapFiller::new(PartitionId::new(1));
    assert_eq!(new.past(), None, "the archive has not said anything");
    fill(&mut filler, 100);
    assert_eq!(told(&filler), (1, false));
    filler.learn(missing(&[]));
    assert_eq!(told(&filler), (0, false));
}

#[test]
fn a_refusal_of_what_was_asked_before_is_none_of_what_is_asked_now() {
    const LINK: u64 = 7;
    let mut filler: GapFiller<u64> = GapFiller::new(PartitionId::new(1));
    filler.learn(missing(&[(21, 100), (200, 300)]));
    let asks = |filler: &mut GapFiller<u64>, from| {
        let (node, next, heard) = (OTHERS[0], at(from), Timestamp::ZERO);
        filler.attempt = Some(Attempt { node, link: LINK, next, heard, is_begun: false });
    };
    asks(&mut filler, 21);
    filler.begun(LINK, at(20));
    assert!(filler.is_refusal(LINK, Refusal::PositionGone));
    assert!(!filler.is_refusal(LINK + 1, Refusal::PositionGone), "whoever is not asked has nothing to refuse");
    // It was silent, and others have filled the gap. What it says late comes before the beginning of what it was asked next.
    asks(&mut filler, 200);
    filler.begun(LINK, at(20));
    assert!(!filler.is_refusal(LINK, Refusal::PositionGone));
    filler.begun(LINK, at(199));
    assert!(filler.is_refusal(LINK, Refusal::PositionGone));
    // Who has no such partition says so at once, of whatever is asked.
    asks(&mut filler, 21);
    assert!(filler.is_refusal(LINK, Refusal::UnknownPartition));
}

/// Takes everything that it is to send.
struct Nowhere;

impl NodeLinks for Nowhere {
    type Link = u64;

    fn link_to(&self, node: NodeId) -> Option<u64> {
        Some(node.get())
    }

    fn send(&mut self, _: u64, _: &Frame<'_>) -> Result<(), Full> {
        Ok(())
    }
}

#[test]
fn who_says_that_its_events_end_before_a_position_is_not_waited_for_and_has_not_lost_it() {
    let mut filler: GapFiller<u64> = GapFiller::new(PartitionId::new(1));
    filler.learn(missing(&[(21, 100)]));
    let at_ms = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
    assert!(!filler.poll(at_ms(1_000), &OTHERS, &mut Nowhere));
    let first = filler.attempt.as_ref().map(|attempt| attempt.link).expect("one is asked");
    filler.ends(first, at(7), at_ms(1_001), &mut Nowhere);
    assert!(filler.is_asking(first), "this is of a stream that was abandoned: the new one has not begun");
    for position in [20, 30] {
        filler.begun(first, at(20));
        filler.ends(first, at(position), at_ms(1_001), &mut Nowhere);
        assert!(filler.is_asking(first), "it goes on from {position}");
    }
    filler.ends(first, at(7), at_ms(1_002), &mut Nowhere);
    assert!(!filler.is_asking(first));
    filler.poll(at_ms(1_202), &OTHERS, &mut Nowhere);
    let second = filler.attempt.as_ref().map(|attempt| attempt.link).expect("the other is asked");
    assert_ne!(first, second);
    filler.begun(second, at(20));
    filler.refused(NodeId::new(second), at(u64::MAX), at_ms(1_203), &mut Nowhere);
    filler.poll(at_ms(1_403), &OTHERS, &mut Nowhere);
    filler.learn(missing(&[(21, 100)]));
    assert_eq!((filler.barren, told(&filler)), (0, (80, false)), "the first may have it in a moment");
}

#[test]
fn nothing_is_asked_for_and_nothing_comes_while_there_is_no_space() {
    #[derive(Default)]
    struct Open(Vec<&'static str>);
    impl NodeLinks for Open {
        type Link = u8;
        fn link_to(&self, _: NodeId) -> Option<u8> {
            Some(1)
        }
        fn send(&mut self, _: u8, frame: &Frame<'_>) -> Result<(), Full> {
            self.0.push(if matches!(frame, Frame::Subscribe(_)) { "subscribe" } else { "unsubscribe" });
            Ok(())
        }
    }
    let (mut filler, mut open) = (GapFiller::<u8>::new(PartitionId::new(1)), Open::default());
    filler.missing_is(missing(&[(21, 100)]), &mut open);
    let now = Timestamp::from_nanos(1);
    filler.poll(now, &OTHERS, &mut open);
    filler.begun(1, at(20));
    assert_eq!(filler.expects(1), Some(at(20)));
    filler.hold(now, &mut open);
    filler.hold(now, &mut open);
    assert_eq!((filler.expects(1), open.0.as_slice()), (None, &["subscribe", "unsubscribe"][..]));
    filler.poll(now.plus_nanos(RETRY_NS), &OTHERS, &mut open);
    assert_eq!(open.0.last(), Some(&"subscribe"), "with space it goes on");
}
