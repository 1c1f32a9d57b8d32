use super::*;

fn banned() -> Failure {
    Failure::Api(ApiError::Refused {
        status: 418,
        code: -1003,
        message: "Way too much request weight used.".to_owned(),
        retry_after: Some(Duration::from_secs(90)),
    })
}

#[test]
fn failures_are_counted_by_what_was_said_in_the_order_in_which_it_was() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    failures.note(&Failure::Ledger(RejectReason::Busy), now);
    for _ in 0..3 {
        failures.note(&banned(), now);
    }
    assert_eq!(failures.count(), 4);
    let text = failures.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "1 failed: the ledger refused: Busy (no room for more orders: see `mainstay ctl capacity`)",
            "3 failed: the exchange answered -1003: Way too much request weight used. (HTTP 418)",
        ]
    );
}

#[test]
fn kinds_beyond_a_few_are_one_and_none_is_lost() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    for number in 0..100 {
        failures.note(&Failure::Api(ApiError::Unanswered(number.to_string())), now);
    }
    assert_eq!((failures.count(), failures.kinds().len()), (100, KINDS_MAX + 1));
    assert_eq!(failures.kinds().last().unwrap(), &Kind { why: "something else".to_owned(), count: 94 });
}

#[test]
fn failures_are_all_there_is_once_nothing_succeeds_for_longer_than_a_failover() {
    let (mut failures, began) = (Failures::default(), Instant::now());
    let at = |ms| began + Duration::from_millis(ms);
    assert!(!failures.are_all(at(60_000)), "nothing has failed");
    (0..9).for_each(|_| failures.note(&banned(), began));
    assert!(!failures.are_all(at(60_000)), "too few to tell");
    failures.note(&banned(), at(2_900));
    assert!(!failures.are_all(at(2_900)));
    assert!(failures.are_all(at(3_000)));
    failures.succeeded();
    assert!(!failures.are_all(at(60_000)));
}
