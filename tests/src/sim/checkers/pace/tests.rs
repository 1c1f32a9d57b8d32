use wire::command::{NewOrder, Reply};
use wire::{
    AccountId, Amount, ApiKeyId, ClientOrderId, ClientSessionId, LogPosition, MarketId, OrderKind, Origin, Price, Qty,
    SelfTradePrevention, Side, TimeInForce,
};

use super::*;

const LEDGER: PartitionId = PartitionId::new(1);

/// The clock of whoever leads says this after so many milliseconds.
fn log_time(ms: u64) -> Timestamp {
    Timestamp::from_nanos(1_000 * SECOND + ms * MS)
}

/// An order that was asked for after so many milliseconds comes into the log at this time.
fn asked_for(asked_ms: u64, term: u64, timestamp: Timestamp) -> Record {
    let order = NewOrder {
        account: AccountId::new(1),
        market: MarketId::new(1),
        side: Side::Buy,
        kind: OrderKind::Limit,
        time_in_force: TimeInForce::Gtc,
        self_trade: SelfTradePrevention::None,
        price: Price::MIN,
        qty: Qty::new(1).unwrap(),
        quote_qty: Amount::ZERO,
        client_order_id: ClientOrderId::EMPTY,
        key: ApiKeyId::new(0),
        session: ClientSessionId::new(0),
        asked_us: asked_ms * 1_000,
    };
    Record {
        position: LogPosition::new(2),
        index: 2,
        term,
        timestamp,
        origin: Origin::INTERNAL,
        command: Some(Command::NewOrder(order)),
        payload: Vec::new(),
        reply: Reply::Accepted { id: 1 },
        events: Vec::new(),
        event_bytes: Vec::new(),
    }
}

/// After 100 ms the leader of term 1 has applied what was sequenced then.
fn led() -> Pace {
    let mut pace = Pace::default();
    pace.on_led(LEDGER, 1, log_time(100), 100 * MS);
    pace
}

#[test]
fn log_time_passes_a_little_slower_at_most() {
    assert!(led().on_commit(LEDGER, &asked_for(1_100, 1, log_time(1_090))).is_ok());
    assert!(led().on_commit(LEDGER, &asked_for(1_100, 1, log_time(9_000))).is_ok());
}

#[test]
fn log_time_that_waits_for_a_clock_is_late() {
    assert!(led().on_commit(LEDGER, &asked_for(1_100, 1, log_time(100))).is_err());
}

#[test]
fn what_another_leader_has_sequenced_is_not_compared() {
    assert!(led().on_commit(LEDGER, &asked_for(1_100, 2, log_time(100))).is_ok());
}
