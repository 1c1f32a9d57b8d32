use super::super::made;
use super::*;
use made::order;

const TOLD: &str = "Duplicate order sent.";

fn answered(order: NewOrder, reply: Reply) -> Record {
    Record { command: Some(Command::NewOrder(order)), reply, ..made::record(order.asked_us) }
}

/// Order 7 was asked for at 1, and again at 2 with this quantity.
fn asked_again(qty: i64) -> Retries {
    let mut retries = Retries::default();
    retries.on_commit(&answered(order(1, 5), Reply::Accepted { id: 7 }));
    let reason = RejectReason::DuplicateClientOrderId;
    retries.on_commit(&answered(order(2, qty), Reply::Rejected { reason, id: 7 }));
    retries
}

#[test]
fn who_asks_for_the_same_once_more_is_not_refused() {
    assert!(asked_again(5).on_refused(2, |_| false, TOLD).is_err());
}

#[test]
fn who_asks_for_another_order_of_the_name_is() {
    assert!(asked_again(6).on_refused(2, |_| false, TOLD).is_ok());
}

#[test]
fn of_an_order_that_its_market_has_refused_this_is_told_again() {
    assert!(asked_again(5).on_refused(2, |first| first == OrderId::new(7), TOLD).is_ok());
}
