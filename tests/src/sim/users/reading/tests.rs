use super::*;

const UPTO: LogPosition = LogPosition::new(10);

#[test]
fn a_gateway_waits_for_outcomes_from_when_it_has_read_as_far_as_it_was_told() {
    let mut reading = Reading::default();
    reading.on_seen(UPTO, 0);
    assert!(!reading.is_late(10 * OUTCOME_WAIT), "nobody has told it how far it must read");
    reading.on_answer(UPTO);
    reading.on_seen(LogPosition::new(9), 100 * MS);
    reading.on_seen(UPTO, 700 * MS);
    reading.on_seen(UPTO, 900 * MS);
    assert!(!reading.is_late(700 * MS + OUTCOME_WAIT - 1));
    assert!(reading.is_late(700 * MS + OUTCOME_WAIT));
}

#[test]
fn of_several_answers_the_one_that_lets_it_begin_soonest_counts() {
    let mut reading = Reading::default();
    [UPTO.next(), UPTO, UPTO.next()].into_iter().for_each(|position| reading.on_answer(position));
    reading.on_seen(UPTO, 0);
    assert!(reading.is_late(OUTCOME_WAIT));
}
