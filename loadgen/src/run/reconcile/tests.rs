use serde_json::json;

use super::super::record::Claim;
use super::*;

fn ids() -> ClientIds {
    ClientIds::new(1_700_000_000_000, 7)
}

fn order(number: u64, order_id: u64, status: &str, executed: &str, quote: &str) -> Order {
    serde_json::from_value(json!({
        "symbol": "BTCUSDT", "orderId": order_id, "clientOrderId": ids().text(number), "status": status,
        "executedQty": executed, "cummulativeQuoteQty": quote
    }))
    .unwrap()
}

fn trade(id: u64, order_id: u64, price: &str, qty: &str, quote: &str, buyer: bool) -> MyTrade {
    let (commission, asset) = if buyer { ("0.001", "BTC") } else { ("0.1", "USDT") };
    serde_json::from_value(json!({
        "id": id, "orderId": order_id, "price": price, "qty": qty, "quoteQty": quote, "isBuyer": buyer,
        "commission": commission, "commissionAsset": asset
    }))
    .unwrap()
}

/// One order that was filled at once and one that rests and was filled later, with records that agree.
fn sound() -> (Record, Vec<Order>, Vec<MyTrade>) {
    let mut filled = order(1, 11, "FILLED", "1", "100");
    filled.fills = vec![
        serde_json::from_value(json!({
            "price": "100", "qty": "1", "commission": "0.001", "commissionAsset": "BTC", "tradeId": 5
        }))
        .unwrap(),
    ];
    let mut claims = Record::default();
    let mut claim = |number, outcome| claims.orders.insert(number, Claim { outcome, retried: false });
    claim(1, Outcome::Acked(Acked::new(filled)));
    claim(2, Outcome::Acked(Acked::new(order(2, 12, "NEW", "0", "0"))));
    claim(3, Outcome::Rejected);
    let orders = vec![order(1, 11, "FILLED", "1.00", "100.00"), order(2, 12, "FILLED", "2", "180")];
    let trades = vec![trade(5, 11, "100", "1", "100", true), trade(6, 12, "90", "2", "180", true)];
    (claims, orders, trades)
}

fn check(claims: &Record, orders: &[Order], trades: &[MyTrade]) -> Findings {
    orders_and_fills(&ids(), claims, orders, trades)
}

#[test]
fn records_that_agree_are_sound() {
    let (claims, orders, trades) = sound();
    assert_eq!(check(&claims, &orders, &trades), Findings::default());
}

#[test]
fn an_acknowledged_order_without_a_record_is_lost() {
    let (claims, mut orders, trades) = sound();
    orders.remove(1);
    let findings = check(&claims, &orders, &trades);
    assert_eq!(findings.lost.len(), 1, "{findings:?}");
    assert!(!findings.is_sound());
}

#[test]
fn an_acknowledged_fill_without_a_record_is_lost() {
    let (claims, mut orders, mut trades) = sound();
    trades.remove(0);
    orders[0] = order(1, 11, "EXPIRED", "0", "0");
    let findings = check(&claims, &orders, &trades);
    assert_eq!((findings.lost.len(), findings.disagreeing.len()), (1, 1), "{findings:?}");
}

#[test]
fn an_order_that_exists_twice_is_duplicated() {
    let (claims, mut orders, trades) = sound();
    orders.push(order(2, 13, "NEW", "0", "0"));
    assert_eq!(check(&claims, &orders, &trades).duplicated.len(), 1);
}

#[test]
fn an_order_recorded_under_another_id_is_duplicated() {
    let (claims, mut orders, mut trades) = sound();
    orders[1].order_id = 99;
    trades[1].order_id = 99;
    assert_eq!(check(&claims, &orders, &trades).duplicated.len(), 1);
}

#[test]
fn an_order_of_this_run_that_was_never_sent_is_duplicated() {
    let (claims, mut orders, trades) = sound();
    orders.push(order(4, 14, "NEW", "0", "0"));
    assert_eq!(check(&claims, &orders, &trades).duplicated.len(), 1);
}

#[test]
fn a_fill_recorded_twice_is_duplicated_and_its_order_disagrees() {
    let (claims, orders, mut trades) = sound();
    trades.push(trades[1].clone());
    let findings = check(&claims, &orders, &trades);
    assert_eq!((findings.duplicated.len(), findings.disagreeing.len()), (1, 1), "{findings:?}");
}

#[test]
fn a_final_acknowledgement_must_not_grow_and_no_acknowledgement_may_shrink() {
    let (mut claims, orders, trades) = sound();
    claims.orders.get_mut(&2).unwrap().outcome = Outcome::Acked(Acked::new(order(2, 12, "EXPIRED", "1", "90")));
    assert_eq!(check(&claims, &orders, &trades).disagreeing.len(), 1);
    claims.orders.get_mut(&2).unwrap().outcome =
        Outcome::Acked(Acked::new(order(2, 12, "PARTIALLY_FILLED", "3", "270")));
    assert_eq!(check(&claims, &orders, &trades).disagreeing.len(), 1);
}

#[test]
fn an_acknowledged_cancel_must_be_recorded() {
    let (mut claims, mut orders, trades) = sound();
    let Outcome::Acked(acked) = &mut claims.orders.get_mut(&2).unwrap().outcome else { unreachable!() };
    acked.canceled = true;
    assert_eq!(check(&claims, &orders, &trades).disagreeing.len(), 1);
    orders[1].status = "CANCELED".into();
    assert!(check(&claims, &orders, &trades).is_sound());
}

#[test]
fn a_refused_order_must_not_exist_unless_an_earlier_attempt_may_have_worked() {
    let (mut claims, mut orders, trades) = sound();
    orders.push(order(3, 13, "NEW", "0", "0"));
    assert_eq!(check(&claims, &orders, &trades).disagreeing.len(), 1);
    claims.orders.get_mut(&3).unwrap().retried = true;
    assert!(check(&claims, &orders, &trades).is_sound());
}

#[test]
fn orders_of_other_programs_are_left_alone() {
    let (claims, mut orders, mut trades) = sound();
    orders.push(Order { client_order_id: "somebody".into(), ..order(9, 50, "FILLED", "1", "1") });
    trades.push(trade(7, 60, "1", "1", "1", false));
    assert!(check(&claims, &orders, &trades).is_sound());
}

#[test]
fn balances_move_by_trades_and_fees_alone() {
    let market = Market {
        symbol: "BTCUSDT".into(),
        base: "BTC".into(),
        quote: "USDT".into(),
        tick: Decimal::ONE,
        step: Decimal::ONE,
        qty_min: Decimal::ONE,
        notional_min: Decimal::ZERO,
        open_orders_max: 200,
    };
    let dec = |text: &str| Decimal::from_str_exact(text).unwrap();
    let of = |btc: &str, usdt: &str| Balances::from([("BTC".into(), dec(btc)), ("USDT".into(), dec(usdt))]);
    let trades = [trade(1, 1, "100", "2", "200", true), trade(2, 2, "100", "1", "100", false)];
    let trades = [(&market, &trades[..])];
    let before = of("10", "1000");
    assert!(balances("alice", &before, &of("10.999", "899.9"), &trades).is_sound());
    let findings = balances("alice", &before, &of("10.999", "899.8"), &trades);
    assert_eq!(findings.unbalanced.len(), 1);
    assert!(findings.unbalanced[0].contains("difference -0.1"), "{findings:?}");
    let flows = flows(&trades);
    assert_eq!(flows["BTC"], Flow { from_outside: dec("1"), fees: dec("0.001") });
    assert_eq!(flows["USDT"], Flow { from_outside: dec("-100"), fees: dec("0.1") });
}
