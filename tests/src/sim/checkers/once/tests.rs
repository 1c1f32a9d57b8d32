use wire::command::{NewOrder, Tick};
use wire::event::{OrderAmended, OrderCanceled, OrderPending, OrderRejected};
use wire::{CancelCause, Command, RejectReason, Sequence, SessionId};

use super::super::made;
use super::*;

const LEDGER: PartitionId = PartitionId::new(1);

/// An order of this id gets the name.
fn named(id: u64) -> Record {
    let asked = made::order(1, 1);
    let NewOrder { account, market, side, kind, time_in_force, self_trade, price, .. } = asked;
    let NewOrder { qty, quote_qty, client_order_id, .. } = asked;
    let order = OrderId::new(id);
    let pending = OrderPending {
        order,
        account,
        market,
        side,
        kind,
        time_in_force,
        self_trade,
        price,
        qty,
        quote_qty,
        client_order_id,
    };
    Record { events: vec![Event::OrderPending(pending)], ..made::record(id) }
}

/// An order is taken off the book.
fn ended(id: u64) -> Record {
    let NewOrder { account, market, qty, .. } = made::order(1, 1);
    let (order, request, canceled_as) = (OrderId::new(id), LogPosition::new(id), ClientOrderId::EMPTY);
    let cause = CancelCause::Requested;
    let told = OrderCanceled { order, account, market, leaves: qty, cause, request, canceled_as };
    Record { events: vec![Event::OrderCanceled(told)], ..made::record(id) }
}

fn at(ns: u64, term: u64, record: Record) -> Record {
    let command = Some(Command::Tick(Tick));
    Record { timestamp: Timestamp::from_nanos(ns), term, command, ..record }
}

#[test]
fn a_name_is_one_orders() {
    let mut once = Once::new(NAME_RETENTION_NS);
    once.on_commit(LEDGER, &named(1)).unwrap();
    assert!(once.on_commit(LEDGER, &named(2)).is_err());
}

#[test]
fn the_name_of_what_its_market_refused_is_free() {
    let mut once = Once::new(NAME_RETENTION_NS);
    once.on_commit(LEDGER, &named(1)).unwrap();
    let NewOrder { account, market, .. } = made::order(1, 1);
    let reason = RejectReason::WouldTake;
    let refused = Event::OrderRejected(OrderRejected { order: OrderId::new(1), account, market, reason });
    once.on_commit(LEDGER, &Record { events: vec![refused], ..made::record(2) }).unwrap();
    once.on_commit(LEDGER, &named(3)).unwrap();
}

/// The clocks of others do not count, and little of a leader's does not.
#[test]
fn a_name_is_free_sooner_by_what_leaders_clocks_have_jumped() {
    let mut once = Once::new(NAME_RETENTION_NS);
    let minute = NAME_RETENTION_NS;
    once.on_jump(JUMPS_MAX_NS);
    once.on_commit(LEDGER, &at(0, 1, named(1))).unwrap();
    once.on_commit(LEDGER, &at(0, 1, ended(1))).unwrap();
    once.on_jump(JUMPS_MAX_NS);
    assert!(once.on_commit(LEDGER, &at(minute, 1, named(2))).is_err());
    once.on_commit(LEDGER, &at(minute, 1, ended(2))).unwrap();
    once.on_jump(JUMPS_MAX_NS + 1);
    once.on_commit(LEDGER, &at(2 * minute, 1, named(3))).unwrap();
}

/// Where names outlive no run.
#[test]
fn the_name_of_an_order_that_has_ended_is_free_in_time() {
    let mut once = Once::new(10);
    once.on_commit(LEDGER, &at(100, 1, named(1))).unwrap();
    once.on_commit(LEDGER, &at(200, 1, ended(1))).unwrap();
    once.on_commit(LEDGER, &at(210, 1, named(2))).unwrap();
    assert!(once.on_commit(LEDGER, &at(500, 1, named(3))).is_err(), "that one is open");
    let mut once = Once::new(10);
    once.on_commit(LEDGER, &at(200, 1, named(1))).unwrap();
    once.on_commit(LEDGER, &at(200, 1, ended(1))).unwrap();
    assert!(once.on_commit(LEDGER, &at(209, 1, named(2))).is_err());
}

#[test]
fn a_name_is_not_older_by_the_time_in_which_nobody_led() {
    let mut once = Once::new(10);
    once.on_commit(LEDGER, &at(100, 1, named(1))).unwrap();
    once.on_commit(LEDGER, &at(100, 1, ended(1))).unwrap();
    once.on_commit(LEDGER, &Record { command: None, ..at(300, 2, made::record(9)) }).unwrap();
    assert!(once.on_commit(LEDGER, &at(309, 2, named(2))).is_err());
    let (mut once, other) = (Once::new(10), ClientOrderId::new(b"other").unwrap());
    once.on_commit(LEDGER, &at(100, 1, named(1))).unwrap();
    once.on_commit(LEDGER, &at(100, 1, ended(1))).unwrap();
    once.on_commit(LEDGER, &Record { command: None, ..at(300, 2, made::record(9)) }).unwrap();
    once.on_commit(LEDGER, &at(310, 2, named(2))).unwrap();
    // One that gets another name leaves its own taken.
    let NewOrder { account, market, qty, .. } = made::order(1, 1);
    let (order, request) = (OrderId::new(2), LogPosition::new(5));
    let told =
        OrderAmended { order, account, market, qty_before: qty, qty, leaves: qty, client_order_id: other, request };
    let amended = Record { events: vec![Event::OrderAmended(told)], ..made::record(5) };
    once.on_commit(LEDGER, &at(320, 2, amended)).unwrap();
    assert!(once.on_commit(LEDGER, &at(329, 2, named(3))).is_err());
}

#[test]
fn a_request_is_executed_in_one_place() {
    let mut once = Once::new(NAME_RETENTION_NS);
    let origin = Origin { session: SessionId::new(1), sequence: Sequence::new(1) };
    let position = |position| LogPosition::new(position);
    once.on_published(LEDGER, origin, position(1)).unwrap();
    once.on_published(LEDGER, origin, position(1)).unwrap();
    assert!(once.on_published(LEDGER, origin, position(2)).is_err());
}
