//! What tests of checkers begin with.

use wire::command::{NewOrder, Reply};
use wire::{
    AccountId, Amount, ApiKeyId, ClientOrderId, ClientSessionId, LogPosition, MarketId, OrderKind, Origin, Price, Qty,
    SelfTradePrevention, Side, TimeInForce, Timestamp,
};

use crate::sim::history::Record;

/// A command of nobody that does nothing.
pub fn record(position: u64) -> Record {
    Record {
        position: LogPosition::new(position),
        index: position,
        term: 1,
        timestamp: Timestamp::ZERO,
        origin: Origin::INTERNAL,
        command: None,
        payload: Vec::new(),
        reply: Reply::Accepted { id: 0 },
        events: Vec::new(),
        event_bytes: Vec::new(),
    }
}

/// A limit order of account 1, named `mine`.
pub fn order(asked_us: u64, qty: i64) -> NewOrder {
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
