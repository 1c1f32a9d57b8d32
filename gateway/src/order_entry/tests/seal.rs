//! What a client was told not to exist does not come any more; what it asks for again is waited for by everyone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use wire::Command;
use wire::command::SealName;
use wire::event::OrderAmended;

use super::decided::{ask, soon};
use super::*;

/// A ledger in which every name is sealed since `asked_us`.
fn sealed(asked_us: u64) -> Script {
    let mut rests = resting_script();
    Box::new(move |position, command| {
        let Command::NewOrder(order) = command else { panic!("an order is one command: {command:?}") };
        if order.asked_us > asked_us {
            return rests(position, command);
        }
        let id = SealName::no_order(asked_us).get();
        Ok((Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id }, Vec::new()))
    })
}

#[tokio::test]
async fn an_order_that_was_asked_for_before_the_question_is_refused() {
    for asked_us in [alice().asked_us, alice().asked_us + 1] {
        let (gateway, ledger) = gateway();
        ledger.script(sealed(asked_us));
        for text in ["newClientOrderId=x", "newClientOrderId=x&identicalRetry=true"] {
            let refused = place(&gateway, alice(), params(&format!("{BUY}&{text}"))).await.unwrap_err();
            assert_eq!((refused.code, &*refused.message), (-2010, "Duplicate order sent."));
        }
    }
}

#[tokio::test]
async fn an_order_that_was_asked_for_after_the_question_is_taken() {
    let (gateway, ledger) = gateway();
    ledger.script(sealed(alice().asked_us - 1));
    let answer = json(place(&gateway, alice(), params(&format!("{BUY}&newClientOrderId=x"))).await);
    assert_eq!(answer["status"], "NEW");
}

#[tokio::test]
async fn whatever_may_find_nothing_of_a_name_says_when_it_was_asked() {
    let (gateway, ledger) = gateway();
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    ledger.script(Box::new(move |_, command| {
        seen.lock().unwrap().push(match command {
            Command::CancelOrder(cancel) => cancel.asked_us,
            Command::AmendOrder(amend) => amend.asked_us,
            Command::CancelOrderList(cancel) => cancel.asked_us,
            Command::ReplaceOrder(replace) => replace.cancel.asked_us,
            other => panic!("{other:?}"),
        });
        Ok((Reply::Rejected { reason: RejectReason::UnknownOrder, id: 0 }, Vec::new()))
    }));
    let named = "symbol=BTCUSDT&origClientOrderId=x";
    cancel(&gateway, alice(), params(named)).await.unwrap_err();
    amend::amend(&gateway, alice(), params(&format!("{named}&newQty=0.5"))).await.unwrap_err();
    lists::cancel(&gateway, alice(), params("symbol=BTCUSDT&listClientOrderId=x")).await.unwrap_err();
    // The new order has the name that its cancel seals: it comes after it.
    let both = format!("{BUY}&cancelReplaceMode=ALLOW_FAILURE&cancelOrigClientOrderId=x&newClientOrderId");
    replace::replace(&gateway, alice(), params(&format!("{both}=x")), None).await.unwrap_err();
    replace::replace(&gateway, alice(), params(&format!("{both}=y")), None).await.unwrap_err();
    let at = alice().asked_us;
    assert_eq!(*asked.lock().unwrap(), [at, at, at, at - 1, at]);
}

/// A ledger with Alice's order 1 of the name `old`, which is on its way to the name `new` until `is_decided`; and how often a
/// name was asked for.
async fn amending(is_decided: &Arc<AtomicBool>) -> (Arc<Gateway>, Arc<FakeLedger>, Arc<AtomicUsize>) {
    amending_with(Limits::default(), is_decided).await
}

async fn amending_with(
    limits: Limits,
    is_decided: &Arc<AtomicBool>,
) -> (Arc<Gateway>, Arc<FakeLedger>, Arc<AtomicUsize>) {
    let (gateway, ledger) = gateway_with(limits);
    ledger.script(resting_script());
    json(place(&gateway, alice(), params(&format!("{BUY}&newClientOrderId=old"))).await);
    let (is_decided, asked) = (Arc::clone(is_decided), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    ledger.script(Box::new(move |_, command| {
        let Command::SealName(seal) = command else { panic!("{command:?}") };
        assert_eq!(seal.client_order_id, client_id("new"));
        counted.fetch_add(1, Ordering::Relaxed);
        Ok((Reply::Accepted { id: u64::from(!is_decided.load(Ordering::Relaxed)) }, Vec::new()))
    }));
    (gateway, ledger, asked)
}

const BY_NEW_NAME: &str = "symbol=BTCUSDT&origClientOrderId=new";

#[tokio::test]
async fn a_name_that_an_amend_is_about_to_give_is_not_said_not_to_exist() {
    let is_decided = Arc::new(AtomicBool::new(false));
    let (gateway, ledger, asked) = amending(&is_decided).await;
    let asking = ask(&gateway, "GET", "/api/v3/order", BY_NEW_NAME);
    soon().await;
    assert!(!asking.is_finished(), "nobody knows yet");
    let amended = OrderAmended {
        order: OrderId::new(1),
        account: ALICE,
        market: BTCUSDT,
        qty_before: qty(100_000),
        qty: qty(40_000),
        leaves: qty(40_000),
        client_order_id: client_id("new"),
        request: gateway.exchange.seen(LEDGER),
    };
    ledger.feed(&[Event::OrderAmended(amended)]);
    let told = json(asking.await.unwrap());
    assert_eq!((&told["clientOrderId"], &told["origQty"]), (&json!("new"), &json!("0.40000000")));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    // Its former name is taken as well, and nothing is waited for.
    ledger.script(Box::new(|_, _| Ok((Reply::Accepted { id: 1 }, Vec::new()))));
    let former = ask(&gateway, "GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=old").await.unwrap();
    assert_eq!(former, Err(errors::NO_SUCH_ORDER));
}

#[tokio::test]
async fn a_name_that_an_amend_did_not_give_is_sealed_before_it_is_said_not_to_exist() {
    let is_decided = Arc::new(AtomicBool::new(false));
    let (gateway, _ledger, asked) = amending(&is_decided).await;
    let asking = ask(&gateway, "GET", "/api/v3/order", BY_NEW_NAME);
    soon().await;
    assert!(!asking.is_finished());
    is_decided.store(true, Ordering::Relaxed);
    assert_eq!(asking.await.unwrap(), Err(errors::NO_SUCH_ORDER));
    assert_eq!(asked.load(Ordering::Relaxed), 2, "and the second time it was free");
}

#[tokio::test]
async fn a_name_whose_amend_has_no_outcome_is_not_waited_for_without_end_and_asked_for_seldom() {
    let limits = Limits { read_timeout: Duration::from_millis(400), ..Limits::default() };
    let (gateway, _ledger, asked) = amending_with(limits, &Arc::default()).await;
    let answer = ask(&gateway, "GET", "/api/v3/order", BY_NEW_NAME).await.unwrap();
    assert_eq!(answer, Err(errors::DISCONNECTED));
    // At once, and after 50, 150 and 350 ms: each is a command in the log.
    assert!((2..=4).contains(&asked.load(Ordering::Relaxed)), "{asked:?}");
}

/// A ledger with Alice's order 1 of the name `old`, which is on its way to the name `name`; the amend that waits, and what else
/// the ledger was asked for.
async fn renaming(
    name: &str,
) -> (Arc<Gateway>, Arc<FakeLedger>, tokio::task::JoinHandle<Answer>, Arc<Mutex<Vec<Command>>>) {
    let (gateway, ledger) = gateway();
    ledger.script(resting_script());
    json(place(&gateway, alice(), params(&format!("{BUY}&newClientOrderId=old"))).await);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    ledger.script(Box::new(move |position, command| {
        let Command::CancelOrder(_) = command else {
            assert!(matches!(command, Command::AmendOrder(_)), "{command:?}");
            return Ok((Reply::Accepted { id: 1 }, Vec::new()));
        };
        seen.lock().unwrap().push(command.clone());
        Ok((Reply::Accepted { id: 1 }, vec![canceled(1, 40_000, wire::CancelCause::Requested, position.get())]))
    }));
    let amends = Arc::clone(&gateway);
    let text = format!("symbol=BTCUSDT&orderId=1&newQty=0.4&newClientOrderId={name}");
    let amending = tokio::spawn(async move { amend::amend(&amends, alice(), params(&text)).await });
    soon().await;
    assert!(!amending.is_finished());
    (gateway, ledger, amending, asked)
}

#[tokio::test]
async fn a_cancel_by_a_name_that_an_amend_leaves_as_it_is_waits_for_nothing() {
    let (gateway, _ledger, _amending, asked) = renaming("old").await;
    let told = json(ask(&gateway, "DELETE", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=old").await.unwrap());
    assert_eq!((&told["status"], asked.lock().unwrap().len()), (&json!("CANCELED"), 1));
}

#[tokio::test]
async fn a_cancel_by_the_name_that_an_amend_is_about_to_give_comes_after_it() {
    let (gateway, ledger, amending, asked) = renaming("new").await;
    let canceling = ask(&gateway, "DELETE", "/api/v3/order", BY_NEW_NAME);
    soon().await;
    assert!(!canceling.is_finished() && asked.lock().unwrap().is_empty(), "the ledger does not know the name yet");
    let amended = OrderAmended {
        order: OrderId::new(1),
        account: ALICE,
        market: BTCUSDT,
        qty_before: qty(100_000),
        qty: qty(40_000),
        leaves: qty(40_000),
        client_order_id: client_id("new"),
        request: gateway.exchange.seen(LEDGER),
    };
    ledger.feed(&[Event::OrderAmended(amended)]);
    json(amending.await.unwrap());
    let told = json(canceling.await.unwrap());
    assert_eq!((&told["origClientOrderId"], &told["status"]), (&json!("new"), &json!("CANCELED")));
    assert!(!gateway.renames.is_taken((ALICE, client_id("new"))), "nothing is left behind");
}

#[tokio::test]
async fn a_cancel_by_another_name_or_by_the_id_does_not_wait_for_an_amend() {
    for named in ["origClientOrderId=old", "orderId=1", "orderId=1&origClientOrderId=new"] {
        let (gateway, _ledger, amending, asked) = renaming("new").await;
        let canceling = ask(&gateway, "DELETE", "/api/v3/order", &format!("symbol=BTCUSDT&{named}"));
        soon().await;
        assert_eq!(asked.lock().unwrap().len(), 1, "{named}");
        json(canceling.await.unwrap());
        amending.abort();
    }
}

/// Sends an order and, while its outcome is out, the same again and again.
async fn place_again(
    gateway: &Arc<Gateway>,
    ledger: &FakeLedger,
    times: usize,
) -> Vec<tokio::task::JoinHandle<Answer>> {
    let text = format!("{BUY}&newClientOrderId=x&identicalRetry=true");
    ledger.script(Box::new(|_, command| {
        let Command::NewOrder(order) = command else { panic!("{command:?}") };
        Ok((Reply::Accepted { id: 1 }, vec![pending(1, order)]))
    }));
    let mut waiting = Vec::new();
    for _ in 0..times {
        let (gateway, text) = (Arc::clone(gateway), text.clone());
        waiting.push(tokio::spawn(async move { place(&gateway, alice(), params(&text)).await }));
        tokio::time::sleep(Duration::from_millis(10)).await;
        ledger.script(Box::new(|_, _| {
            Ok((Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id: 1 }, Vec::new()))
        }));
    }
    waiting
}

#[tokio::test]
async fn an_order_and_its_identical_retries_are_all_answered() {
    let (gateway, ledger) = gateway();
    let waiting = place_again(&gateway, &ledger, 3).await;
    ledger.feed(&[accepted(1), resting(1, 100_000)]);
    for answer in waiting {
        assert_eq!(json(answer.await.unwrap())["status"], "NEW");
    }
}

#[tokio::test]
async fn whoever_gives_up_waiting_for_an_order_takes_nobody_else_along() {
    let (gateway, ledger) = gateway();
    let mut waiting = place_again(&gateway, &ledger, 2).await;
    waiting.remove(0).abort();
    tokio::time::sleep(Duration::from_millis(10)).await;
    ledger.feed(&[accepted(1), resting(1, 100_000)]);
    assert_eq!(json(waiting.remove(0).await.unwrap())["status"], "NEW");
}

#[tokio::test]
async fn no_more_than_sixteen_wait_for_one_order() {
    let (gateway, ledger) = gateway();
    let mut waiting = place_again(&gateway, &ledger, 17).await;
    assert_eq!(waiting.pop().unwrap().await.unwrap().unwrap_err().code, -1007);
    ledger.feed(&[accepted(1), resting(1, 100_000)]);
    for answer in waiting {
        assert_eq!(json(answer.await.unwrap())["status"], "NEW");
    }
}
