use super::*;

const PARTITION: PartitionId = PartitionId::new(1);
const MEMBER: u64 = 7;

fn seen(looks: &[(Moment, bool)]) -> Pasts {
    let mut pasts = Pasts::default();
    looks.iter().for_each(|(at, is_whole)| pasts.on_learner(PARTITION, MEMBER, *is_whole, *at));
    pasts
}

#[test]
fn a_learner_that_never_had_its_past_must_not_vote() {
    assert!(seen(&[(SECOND, false), (2 * SECOND, false)]).on_voter(PARTITION, MEMBER, 3 * SECOND).is_err());
}

#[test]
fn one_that_had_it_when_that_was_decided_may_have_less_when_it_votes() {
    assert!(seen(&[(SECOND, true), (2 * SECOND, false)]).on_voter(PARTITION, MEMBER, 3 * SECOND).is_ok());
}

#[test]
fn nobody_waits_for_ever() {
    assert!(seen(&[(SECOND, false)]).on_voter(PARTITION, MEMBER, SECOND + PATIENCE).is_ok());
}

#[test]
fn of_whom_nothing_is_known_nothing_is_said() {
    assert!(seen(&[]).on_voter(PARTITION, MEMBER, SECOND).is_ok());
}
