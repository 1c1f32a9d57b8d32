use wire::command::NewOrder;
use wire::{
    AccountId, Amount, ApiKeyId, ClientOrderId, ClientSessionId, LogPosition, MarketId, Origin, Qty,
    SelfTradePrevention, Side, TimeInForce, Timestamp,
};

use super::*;

const TOLD: &str = "Duplicate order sent.";

fn order(asked_us: u64, qty: i64) -> NewOrder {
    NewOrder {
        account: AccountId::new(1),
        market: MarketId::new(1),
        side: Side::Buy,
        kind: OrderKind::Limit,
        time_in_force: TimeInForce::Gtc,
        self_trade: SelfTradePrevention::None,
        price: Price::MIN,
        qty: Qty::new(qty).unwrap(),
        quote_qty: Amount::ZERO,
        client_order_id: ClientOrderId::new(b"mine").unwrap(),
        key: ApiKeyId::new(0),
        session: ClientSessionId::new(0),
        asked_us,
    }
}

fn answered(order: NewOrder, reply: Reply) -> Record {
    Record {
        position: LogPosition::new(order.asked_us),
        index: order.asked_us,
        term: 1,
        timestamp: Timestamp::ZERO,
        origin: Origin::INTERNAL,
        command: Some(Command::NewOrder(order)),
        payload: Vec::new(),
        reply,
        events: Vec::new(),
        event_bytes: Vec::new(),
    }
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
