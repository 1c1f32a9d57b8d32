use wire::event::OrderPending;
use wire::{Amount, CancelCause, MarketId, OrderKind, SelfTradePrevention, Side, TimeInForce};

use super::super::{OrderStatus, OrderTrades};
use super::*;

fn plain() -> Order {
    let pending = OrderPending {
        order: OrderId::new(7),
        account: wire::AccountId::new(1),
        market: MarketId::new(3),
        side: Side::Sell,
        kind: OrderKind::LimitMaker,
        time_in_force: TimeInForce::Day,
        self_trade: SelfTradePrevention::ExpireMaker,
        price: Price::MIN,
        qty: Qty::MAX,
        quote_qty: Amount::MAX,
        client_order_id: ClientOrderId::new(b"name").unwrap(),
    };
    let mut order = Order::new(&pending, Timestamp::from_nanos(5));
    order.accept(Timestamp::from_nanos(6));
    (order.status, order.is_settled, order.has_met_own) = (OrderStatus::PartiallyFilled, true, true);
    (order.executed, order.quote_executed, order.updated) = (Qty::MAX, Amount::MAX, Timestamp::from_nanos(9));
    order
}

fn amendment() -> Amendment {
    Amendment {
        execution: 1,
        client_order_id_before: ClientOrderId::EMPTY,
        client_order_id: ClientOrderId::EMPTY,
        qty_before: Qty::MAX,
        qty: Qty::ZERO,
        at: Timestamp::ZERO,
    }
}

/// An order that has everything that few have.
fn special() -> Order {
    let now = Timestamp::from_nanos(8);
    let prevented = Prevented {
        id: PreventedMatchId::new(1),
        counter: OrderId::new(2),
        group: TradeGroupId::new(0),
        price: Price::MIN,
        last_qty: Qty::ZERO,
        qty: Qty::ZERO,
    };
    let particulars = Particulars {
        terms: Terms { expire_at: Some(now), ..Terms::NONE },
        list: ListId::new(1),
        refused: Some(RejectReason::Busy),
        pegged: Some(Price::MIN),
        tracking: Some(now),
        prevented: Some(prevented),
        amendments: vec![amendment()],
    };
    Order { expired_by: Some(CancelCause::SelfTrade), particulars: particulars.kept(), ..plain() }
}

#[test]
fn a_plain_order_has_no_memory_for_particulars() {
    assert_eq!(plain().particulars, None);
    let mut order = plain();
    order.set_list(ListId::new(4));
    assert_eq!(order.list(), ListId::new(4));
    order.set_list(ListId::ZERO);
    assert_eq!(order, plain(), "what it no longer has makes no difference");
}

/// What is left of an order that does not rest, and an order by quote quantity that has spent what it was to spend.
#[test]
fn an_order_that_expired_has_no_memory_for_particulars() {
    for cause in [CancelCause::TimeInForce, CancelCause::BudgetSpent] {
        let mut order = plain();
        order.cancel(cause, Timestamp::from_nanos(9));
        assert_eq!((order.expired_by, order.particulars), (Some(cause), None));
    }
}

#[test]
fn an_order_without_its_history_lacks_nothing_else() {
    let mut order = special();
    order.trades = OrderTrades::One(wire::TradeId::new(1));
    let told = order.without_history();
    assert_eq!((told.trades.as_slice(), told.amendments()), (&[][..], &[][..]));
    let mut expected = special();
    assert_eq!(expected.take_amendments(), [amendment()]);
    assert_eq!(told, expected);
}

#[test]
fn an_order_as_placed_has_its_terms_and_its_list_and_nothing_that_came_of_it() {
    let placed = special().as_placed();
    assert_eq!((placed.terms(), placed.list()), (special().terms(), ListId::new(1)));
    assert_eq!((placed.refused(), placed.pegged(), placed.tracking()), (None, None, None));
    assert_eq!((placed.expired_by, placed.prevented(), placed.amendments()), (None, None, &[][..]));
    assert_eq!((placed.status, placed.executed, placed.updated), (OrderStatus::PendingNew, Qty::ZERO, placed.created));
}
