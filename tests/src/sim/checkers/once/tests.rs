use wire::command::NewOrder;
use wire::event::{OrderPending, OrderRejected};
use wire::{RejectReason, Sequence, SessionId};

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

#[test]
fn a_name_is_one_orders() {
    let mut once = Once::default();
    once.on_commit(LEDGER, &named(1)).unwrap();
    assert!(once.on_commit(LEDGER, &named(2)).is_err());
}

#[test]
fn the_name_of_what_its_market_refused_is_free() {
    let mut once = Once::default();
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
    let mut once = Once::default();
    once.on_jump(JUMPS_MAX_NS);
    once.on_commit(LEDGER, &named(1)).unwrap();
    once.on_jump(JUMPS_MAX_NS);
    assert!(once.on_commit(LEDGER, &named(2)).is_err());
    once.on_jump(JUMPS_MAX_NS + 1);
    once.on_commit(LEDGER, &named(3)).unwrap();
}

#[test]
fn a_request_is_executed_in_one_place() {
    let mut once = Once::default();
    let origin = Origin { session: SessionId::new(1), sequence: Sequence::new(1) };
    let at = |position| LogPosition::new(position);
    once.on_published(LEDGER, origin, at(1)).unwrap();
    once.on_published(LEDGER, origin, at(1)).unwrap();
    assert!(once.on_published(LEDGER, origin, at(2)).is_err());
}
