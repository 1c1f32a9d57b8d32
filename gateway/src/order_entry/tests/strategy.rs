//! The labels by which clients tell the orders of their strategies apart.

use wire::event::OrderTerms;
use wire::{StrategyLabel, Terms};

use super::*;

const LABEL: StrategyLabel = StrategyLabel { id: Some(7), kind: Some(1_000_000) };

fn labelled(strategy: StrategyLabel) -> Terms {
    Terms { strategy, ..Terms::NONE }
}

/// A ledger that rests every labelled order and tells its terms.
fn resting_labelled() -> Script {
    let mut last = 0;
    Box::new(move |_, command| {
        let Command::NewOrderOnTerms(new) = command else { panic!("{command:?}") };
        last += 1;
        let told = OrderTerms {
            order: OrderId::new(last),
            account: ALICE,
            market: BTCUSDT,
            list: ListId::ZERO,
            terms: new.terms,
        };
        let events =
            vec![pending(last, &new.order), Event::OrderTerms(Box::new(told)), accepted(last), resting(last, 100_000)];
        Ok((Reply::Accepted { id: last }, events))
    })
}

#[tokio::test]
async fn a_label_enters_the_log_and_is_shown_wherever_the_order_is() {
    let (gateway, ledger) = gateway();
    ledger.script(resting_labelled());
    let mut user = listen(&gateway);
    let text = format!("{BUY}&newClientOrderId=mine&strategyId=7&strategyType=1000000");
    let placed = json(place(&gateway, alice(), params(&text)).await);
    assert_eq!((&placed["strategyId"], &placed["strategyType"]), (&json!(7), &json!(1_000_000)));
    let told: Value = serde_json::from_str(&user.recv().await.unwrap().text).unwrap();
    assert_eq!((&told["x"], &told["j"], &told["J"]), (&json!("NEW"), &json!(7), &json!(1_000_000)));
    let shown = {
        let (accounts, reference) = (gateway.exchange.accounts(), gateway.exchange.reference());
        let order = accounts.get(ALICE).unwrap().orders.get(BTCUSDT, OrderId::new(1)).unwrap();
        assert_eq!(*order.terms(), labelled(LABEL));
        let market = reference.market_named("BTCUSDT").unwrap();
        [answers::queried(order, market), answers::canceled(order, market, "c")]
    };
    for shown in shown {
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((&shown["strategyId"], &shown["strategyType"]), (&json!(7), &json!(1_000_000)), "{shown}");
    }
    let ack = json(place(&gateway, alice(), params(&format!("{BUY}&strategyId=0&newOrderRespType=ACK"))).await);
    assert!(ack.get("strategyId").is_none(), "an acknowledgement has ids alone: {ack}");
    let told: Value = serde_json::from_str(&user.recv().await.unwrap().text).unwrap();
    assert_eq!((&told["j"], told.get("J")), (&json!(0), None), "zero is a label, and none is told");
}

#[tokio::test]
async fn an_order_without_a_label_shows_none() {
    let (gateway, _) = gateway();
    let mut user = listen(&gateway);
    let placed = json(place(&gateway, alice(), params(BUY)).await);
    assert!(placed.get("strategyId").is_none() && placed.get("strategyType").is_none(), "{placed}");
    let told: Value = serde_json::from_str(&user.recv().await.unwrap().text).unwrap();
    assert!(told.get("j").is_none() && told.get("J").is_none(), "{told}");
}

#[test]
fn labels_are_read_within_their_bounds() {
    let (gateway, _) = gateway();
    let read = |text: &str| {
        parse::placement(&gateway, alice(), params(&format!("{BUY}{text}"))).map(|placement| placement.terms.strategy)
    };
    let max = StrategyLabel { id: Some(i64::MAX as u64), kind: Some(i32::MAX as u32) };
    assert_eq!(read("&strategyId=9223372036854775807&strategyType=2147483647"), Ok(max));
    assert_eq!(read("&strategyType=1000000"), Ok(StrategyLabel { id: None, kind: Some(1_000_000) }));
    assert_eq!(read(""), Ok(StrategyLabel::NONE));
    for (text, code) in [
        ("&strategyId=9223372036854775808", -1108),
        ("&strategyType=2147483648", -1108),
        ("&strategyType=999999", -1134),
        ("&strategyType=-1", -1100),
    ] {
        assert_eq!(read(text).unwrap_err().code, code, "{text}");
    }
}

#[tokio::test]
async fn a_retry_under_another_label_is_another_order() {
    let (gateway, ledger) = gateway();
    ledger.script(resting_labelled());
    let text = format!("{BUY}&newClientOrderId=once&strategyId=7");
    assert_eq!(json(place(&gateway, alice(), params(&text)).await)["orderId"], 1);
    ledger.script(Box::new(|_, _| {
        Ok((Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id: 1 }, Vec::new()))
    }));
    let again = format!("{text}&identicalRetry=true");
    assert_eq!(json(place(&gateway, alice(), params(&again)).await)["orderId"], 1);
    let other = again.replace("strategyId=7", "strategyId=8");
    assert_eq!(place(&gateway, alice(), params(&other)).await.unwrap_err().code, -2010);
}

/// Each leg has its own.
#[tokio::test]
async fn the_orders_of_lists_are_labelled_one_by_one() {
    let (gateway, ledger) = gateway();
    let sent = Arc::new(std::sync::Mutex::new(Vec::new()));
    ledger.script(Box::new({
        let sent = Arc::clone(&sent);
        move |_, command| {
            let Command::NewOrderList(list) = command else { panic!("{command:?}") };
            sent.lock().unwrap().push(list.legs.iter().map(|leg| leg.terms.strategy.id).collect::<Vec<_>>());
            Ok((Reply::Rejected { reason: RejectReason::TooManyOrderLists, id: 0 }, Vec::new()))
        }
    }));
    let pair = "symbol=BTCUSDT&side=SELL&quantity=1&aboveType=LIMIT_MAKER&abovePrice=60000&belowType=STOP_LOSS\
                &belowStopPrice=40000&aboveStrategyId=1&belowStrategyId=2&belowStrategyType=1000001";
    lists::oco(&gateway, alice(), params(pair)).await.unwrap_err();
    let former = "symbol=BTCUSDT&side=SELL&quantity=1&price=60000&stopPrice=40000&limitStrategyId=3&stopStrategyId=4";
    lists::limit_and_stop(&gateway, alice(), params(former)).await.unwrap_err();
    let working = "symbol=BTCUSDT&workingType=LIMIT&workingSide=BUY&workingPrice=50000&workingQuantity=1\
                   &workingTimeInForce=GTC&workingStrategyId=5";
    let pending = "&pendingType=LIMIT_MAKER&pendingSide=SELL&pendingPrice=60000&pendingQuantity=1&pendingStrategyId=6";
    lists::oto(&gateway, alice(), params(&format!("{working}{pending}"))).await.unwrap_err();
    let pending = "&pendingSide=SELL&pendingQuantity=1&pendingAboveType=LIMIT_MAKER&pendingAbovePrice=60000\
                   &pendingBelowType=STOP_LOSS&pendingBelowStopPrice=40000&pendingAboveStrategyId=7&pendingBelowStrategyId=8";
    lists::otoco(&gateway, alice(), params(&format!("{working}{pending}"))).await.unwrap_err();
    let wanted =
        [vec![Some(1), Some(2)], vec![Some(3), Some(4)], vec![Some(5), Some(6)], vec![Some(5), Some(7), Some(8)]];
    assert_eq!(*sent.lock().unwrap(), wanted);
    let refused = lists::oco(&gateway, alice(), params(&format!("{pair}&aboveStrategyType=5"))).await.unwrap_err();
    assert_eq!(refused.code, -1134);
}
