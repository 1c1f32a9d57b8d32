use serde_json::{Value, json};
use wire::command::{Permissions, Reply};
use wire::event::{AllCanceled, CancelRejected};
use wire::{ApiKeyText, CancelCause, Event, RejectReason, Side};

use super::*;
use crate::config::Limits;
use crate::market_data::tests::traded;
use crate::testing::*;

fn alice() -> Caller {
    Caller {
        account: ALICE,
        key: ApiKeyText::new(ALICE_KEY.as_bytes()).unwrap(),
        id: Default::default(),
        permissions: Permissions::READ_AND_TRADE,
        is_bound: false,
        asked_us: 1_000,
        session: Default::default(),
    }
}

fn params(text: &str) -> Params {
    Params::from_urlencoded(text).unwrap()
}

const BUY: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=50000";

fn json(answer: Answer) -> Value {
    serde_json::from_str(&answer.unwrap()).unwrap()
}

/// A ledger that accepts the next command and says nothing more.
fn silent() -> Script {
    Box::new(|_, _| Ok((Reply::Accepted { id: 1 }, Vec::new())))
}

#[tokio::test]
async fn an_outcome_is_found_whether_it_comes_before_or_after_the_reply() {
    let (gateway, ledger) = gateway();
    assert_eq!(json(place(&gateway, alice(), params(BUY)).await)["status"], "NEW");

    ledger.script(Box::new(|_, _| Ok((Reply::Accepted { id: 2 }, Vec::new()))));
    let later = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { place(&gateway, alice(), params(BUY)).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    ledger.feed(&[pending(2, &buy("later"))]);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!later.is_finished(), "pending is no outcome");
    ledger.feed(&[accepted(2), executed(2, 5, 100_000, 0)]);
    let answer = json(later.await.unwrap());
    assert_eq!((&answer["status"], &answer["orderId"]), (&json!("FILLED"), &json!(2)));
    assert_eq!(
        answer["fills"],
        json!([{ "price": "50000.00000000", "qty": "1.00000000", "commission": "0.00100000", "commissionAsset": "BTC", "tradeId": 5 }])
    );
}

#[tokio::test]
async fn the_answer_tells_as_much_as_was_asked_for() {
    let (gateway, _) = gateway();
    let ask = async |kind: &str| {
        let answer = json(place(&gateway, alice(), params(&format!("{BUY}&newOrderRespType={kind}"))).await);
        (answer.get("status").is_some(), answer.get("fills").is_some())
    };
    assert_eq!(ask("ACK").await, (false, false));
    assert_eq!(ask("RESULT").await, (true, false));
    assert_eq!(ask("FULL").await, (true, true));
}

#[tokio::test]
async fn refusals_of_the_ledger_and_of_the_market_become_binances() {
    let (gateway, ledger) = gateway();
    for (reason, code, text) in [
        (RejectReason::InsufficientBalance, -2010, "Account has insufficient balance for requested action."),
        (RejectReason::DuplicateClientOrderId, -2010, "Duplicate order sent."),
        (RejectReason::WouldTake, -2010, "Order would immediately match and take."),
        (RejectReason::NotionalTooSmall, -1013, "Filter failure: NOTIONAL"),
        (RejectReason::PriceTooLow, -1013, "Filter failure: PRICE_FILTER"),
        (RejectReason::QtyTooLarge, -1013, "Filter failure: LOT_SIZE"),
        (RejectReason::TooManyOpenOrders, -1013, "Filter failure: MAX_NUM_ORDERS"),
        (RejectReason::TooManyStopOrders, -1013, "Filter failure: MAX_NUM_ALGO_ORDERS"),
        (RejectReason::TooManyIcebergOrders, -1013, "Filter failure: MAX_NUM_ICEBERG_ORDERS"),
        (RejectReason::TooManyIcebergParts, -1013, "Filter failure: ICEBERG_PARTS"),
        (RejectReason::TooManyOrderLists, -1013, "Filter failure: MAX_NUM_ORDER_LISTS"),
        (RejectReason::BadTrailingDelta, -1013, "Filter failure: TRAILING_DELTA"),
        (RejectReason::BelowMinNotional, -1013, "Filter failure: MIN_NOTIONAL"),
        (RejectReason::PercentPrice, -1013, "Filter failure: PERCENT_PRICE"),
        (RejectReason::PercentPriceBySide, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        (RejectReason::PositionTooLarge, -1013, "Filter failure: MAX_POSITION"),
        (RejectReason::AccountOpenOrders, -1013, "Filter failure: EXCHANGE_MAX_NUM_ORDERS"),
        (RejectReason::AccountStopOrders, -1013, "Filter failure: EXCHANGE_MAX_NUM_ALGO_ORDERS"),
        (RejectReason::AccountIcebergOrders, -1013, "Filter failure: EXCHANGE_MAX_NUM_ICEBERG_ORDERS"),
        (RejectReason::AccountOrderLists, -1013, "Filter failure: EXCHANGE_MAX_NUM_ORDER_LISTS"),
        (RejectReason::AssetQtyTooLarge, -1013, "Filter failure: MAX_ASSET"),
        (RejectReason::TooManyAmends, -2038, "Filter failure: MAX_NUM_ORDER_AMENDS"),
    ] {
        ledger.script(Box::new(move |_, _| Ok((Reply::Rejected { reason, id: 0 }, Vec::new()))));
        let refused = place(&gateway, alice(), params(BUY)).await.unwrap_err();
        assert_eq!((refused.status, refused.code, &*refused.message), (400, code, text));
    }
    ledger.script(Box::new(|_, _| {
        let events = vec![pending(9, &buy("maker")), rejected(9, RejectReason::WouldTake)];
        Ok((Reply::Accepted { id: 9 }, events))
    }));
    let refused = place(&gateway, alice(), params(BUY)).await;
    // The outcome was known before anybody waited: the order's state is the answer.
    assert!(refused.is_err_and(|refused| refused.code == -2010));
}

#[tokio::test]
async fn what_the_cluster_cannot_do_is_told_apart_from_what_nobody_knows() {
    let (gateway, ledger) = gateway_with(Limits { order_timeout: Duration::from_millis(50), ..Limits::default() });
    for (error, status, code) in [
        (ClusterError::Busy, 503, -1008),
        (ClusterError::Unavailable, 503, -1001),
        (ClusterError::Timeout, 503, -1007),
        (ClusterError::OutcomeUnknown, 503, -1007),
        (ClusterError::Closed, 503, -1016),
    ] {
        ledger.script(Box::new(move |_, _| Err(error)));
        let refused = place(&gateway, alice(), params(BUY)).await.unwrap_err();
        assert_eq!((refused.status, refused.code), (status, code), "{error}");
        let body: Value = serde_json::from_str(&refused.to_json()).unwrap();
        let hint = "Unknown error, please check your request or try again later.";
        assert_eq!(body.get("hint"), (code == -1007).then(|| json!(hint)).as_ref(), "{error}");
    }
    ledger.script(silent());
    assert_eq!(place(&gateway, alice(), params(BUY)).await.unwrap_err().code, -1007);
    ledger.feed(&[pending(1, &buy("unknown"))]);
    let accounts = gateway.exchange.accounts();
    let order = accounts.get(ALICE).unwrap().orders.named(BTCUSDT, &client_id("unknown")).unwrap();
    assert_eq!(order.status.name(), "PENDING_NEW");
}

#[tokio::test]
async fn a_cancel_is_answered_when_the_order_is_off_the_book() {
    let (gateway, ledger) = gateway();
    place(&gateway, alice(), params(&format!("{BUY}&newClientOrderId=mine"))).await.unwrap();
    ledger.script(silent());
    let cancel_mine = params("symbol=BTCUSDT&orderId=1&newClientOrderId=away");
    let waiting = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { cancel(&gateway, alice(), cancel_mine).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished());
    // The opening was at 1, the order at 2, the cancel at 3.
    ledger.feed(&[canceled(1, 100_000, CancelCause::Requested, 3)]);
    let answer = json(waiting.await.unwrap());
    assert_eq!(
        (&answer["origClientOrderId"], &answer["clientOrderId"], &answer["status"]),
        (&json!("mine"), &json!("away"), &json!("CANCELED"))
    );
}

#[tokio::test]
async fn a_cancel_that_comes_too_late_finds_no_order() {
    let (gateway, ledger) = gateway();
    place(&gateway, alice(), params(BUY)).await.unwrap();
    ledger.script(Box::new(|position, _| {
        let refused = CancelRejected {
            order: OrderId::new(1),
            account: ALICE,
            market: BTCUSDT,
            reason: RejectReason::TooLateToCancel,
            request: position,
        };
        Ok((Reply::Accepted { id: 1 }, vec![Event::CancelRejected(refused)]))
    }));
    assert_eq!(cancel(&gateway, alice(), params("symbol=BTCUSDT&orderId=1")).await, Err(errors::UNKNOWN_ORDER));
}

#[tokio::test]
async fn an_id_and_a_name_of_different_orders_cancel_nothing() {
    let (gateway, _) = gateway();
    place(&gateway, alice(), params(&format!("{BUY}&newClientOrderId=mine"))).await.unwrap();
    let other = params("symbol=BTCUSDT&orderId=1&origClientOrderId=other");
    assert_eq!(cancel(&gateway, alice(), other).await, Err(errors::UNKNOWN_ORDER));
    assert_eq!(gateway.exchange.accounts().get(ALICE).unwrap().orders.open_len(), 1);
}

#[tokio::test]
async fn a_mass_cancel_lists_what_it_canceled() {
    let (gateway, ledger) = gateway();
    for _ in 0..3 {
        place(&gateway, alice(), params(BUY)).await.unwrap();
    }
    ledger.script(Box::new(|position, _| {
        let mut events: Vec<_> =
            (1..=3).map(|id| canceled(id, 100_000, CancelCause::MassCancel, position.get())).collect();
        let done = AllCanceled { account: ALICE, market: BTCUSDT, request: position, canceled: 3 };
        events.push(Event::AllCanceled(done));
        Ok((Reply::Accepted { id: 0 }, events))
    }));
    let answer = json(cancel_all(&gateway, alice(), params("symbol=BTCUSDT")).await);
    let ids: Vec<_> = answer.as_array().unwrap().iter().map(|order| order["orderId"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[tokio::test]
async fn a_test_of_an_order_places_nothing() {
    let (gateway, _) = gateway();
    assert_eq!(test(&gateway, alice(), params(BUY)), Ok("{}".into()));
    let with_fees = json(test(&gateway, alice(), params(&format!("{BUY}&computeCommissionRates=true"))));
    assert_eq!(with_fees["standardCommissionForOrder"], json!({ "maker": "0.00100000", "taker": "0.00100000" }));
    assert_eq!(with_fees["taxCommissionForOrder"], json!({ "maker": "0.00000000", "taker": "0.00000000" }));
    assert!(test(&gateway, alice(), params(&BUY.replace("50000", "0.01"))).is_err());
    assert_eq!(gateway.exchange.accounts().get(ALICE).unwrap().orders.open_len(), 0);
}

#[tokio::test]
async fn market_orders_carry_a_protection_price_that_clients_do_not_see() {
    let (gateway, ledger) = gateway();
    let (sender, receiver) = std::sync::mpsc::channel();
    ledger.script(Box::new(move |_, command| {
        let Command::NewOrder(new) = command else { unreachable!("an order was placed") };
        sender.send(*new).unwrap();
        Ok((Reply::Accepted { id: 1 }, vec![pending(1, new), rejected(1, RejectReason::NoLiquidity)]))
    }));
    let market = || params("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=1");
    let worthless = place(&gateway, alice(), market()).await.unwrap_err();
    assert_eq!(&*worthless.message, "Filter failure: NOTIONAL", "no price is known yet");
    ledger.feed(&[traded(1, 5_000_000, 1_000, Side::Sell)]);
    let answer = json(place(&gateway, alice(), market()).await);
    assert_eq!(
        (&answer["status"], &answer["price"], &answer["timeInForce"]),
        (&json!("EXPIRED"), &json!("0.00000000"), &json!("GTC"))
    );
    assert_eq!(receiver.recv().unwrap().price, price(4_750_000));
}

/// A value that some parameter takes, or one that none does.
fn value() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let known = proptest::sample::select(vec![
        "BTCUSDT",
        "BUY",
        "SELL",
        "LIMIT",
        "MARKET",
        "LIMIT_MAKER",
        "GTC",
        "IOC",
        "FOK",
        "FULL",
        "NONE",
        "0",
        "1",
        "0.00001",
        "90071992547409.93",
        "9223372036854775807",
        "18446744073709551616",
        "1e9",
        "-1",
        "",
    ]);
    prop_oneof![4 => known.prop_map(String::from), 1 => "[0-9]{1,22}(\\.[0-9]{1,22})?", 1 => ".{0,40}"]
}

mod decided;
mod listed;
mod pegs;
mod replaces;
mod seal;
mod special;
mod strategy;
mod trial;

proptest::proptest! {
    #[test]
    fn no_parameters_panic_and_what_passes_keeps_to_the_rules(
        values in proptest::collection::vec((0..12_usize, value()), 0..12)
    ) {
        let names = [
            "symbol", "side", "type", "timeInForce", "quantity", "price", "quoteOrderQty", "newClientOrderId",
            "orderId", "origClientOrderId", "selfTradePreventionMode", "newOrderRespType",
        ];
        let (gateway, _) = gateway();
        let mut sent: Vec<(String, String)> =
            ["BTCUSDT", "BUY", "LIMIT", "GTC", "1", "50000"].into_iter().zip(names).map(|(value, name)| (name.into(), value.into())).collect();
        for (name, value) in values {
            sent.retain(|(known, _)| known != names[name]);
            sent.push((names[name].into(), value));
        }
        let params = Params::new(sent).unwrap();
        let _ = parse::cancellation(&gateway, alice(), params.clone());
        if let Ok(placement) = parse::placement(&gateway, alice(), params) {
            let order = placement.order;
            proptest::prop_assert_ne!(order.qty.is_zero(), order.quote_qty.is_zero());
            proptest::prop_assert!(order.client_order_id.is_client_order_id());
            let _ = filters::check(&placement);
        }
    }
}
