use super::super::made;
use super::*;

#[test]
fn who_places_too_many_orders_is_told_so_and_nobody_else() {
    let mut rates = Rates::default();
    let refused = |asked_us, reason| Record {
        command: Some(Command::NewOrder(made::order(asked_us, 1))),
        reply: Reply::Rejected { reason, id: 0 },
        ..made::record(asked_us)
    };
    rates.on_commit(&refused(1, RejectReason::OrderRateExceeded));
    rates.on_commit(&refused(2, RejectReason::InsufficientBalance));
    rates.on_refused(1, TOO_MANY).unwrap();
    assert!(rates.on_refused(1, -2010).is_err());
    rates.on_refused(2, -2010).unwrap();
    assert!(rates.on_refused(2, TOO_MANY).is_err());
}
