//! Cancel-replaces: one command, and what clients are told of its halves.

use wire::command::{NewOrder, ReplaceOrder};
use wire::event::{MarketProtectionChanged, MarketStatusChanged, ReplacementRefused};
use wire::{LogPosition, MarketProtection, MarketStatus, ReplaceMode, SelfTradePrevention, Side};

use super::*;
use crate::market_data::tests::traded;

const STOP: &str = "&cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId=7&newClientOrderId=new";
const ELSE: &str = "&cancelReplaceMode=ALLOW_FAILURE&cancelOrderId=7&newClientOrderId=new";

/// A ledger in which alice's order 7 rests, and which does this with a replace of it.
fn with(
    script: impl Fn(LogPosition, &ReplaceOrder) -> (Reply, Vec<Event>) + Send + 'static,
) -> (Arc<Gateway>, Arc<FakeLedger>) {
    let (gateway, ledger) = gateway();
    ledger.feed(&[pending(7, &buy("old")), accepted(7), resting(7, 100_000)]);
    ledger.script(Box::new(move |position, command| {
        let Command::ReplaceOrder(replace) = command else { panic!("{command:?}") };
        assert_eq!((replace.cancel.order, replace.order.client_order_id), (OrderId::new(7), client_id("new")));
        Ok(script(position, replace))
    }));
    (gateway, ledger)
}

fn gone(request: LogPosition) -> Event {
    canceled(7, 100_000, CancelCause::Requested, request.get())
}

fn stays(request: LogPosition, reason: RejectReason) -> Event {
    let (order, account, market) = (OrderId::new(7), ALICE, BTCUSDT);
    Event::CancelRejected(CancelRejected { order, account, market, reason, request })
}

fn late(request: LogPosition) -> Event {
    stays(request, RejectReason::TooLateToCancel)
}

fn none_comes(request: LogPosition, reason: RejectReason, id: u64) -> Event {
    Event::ReplacementRefused(ReplacementRefused { account: ALICE, market: BTCUSDT, request, reason, id })
}

/// Status, code, both results, and the codes of both halves' answers.
type Told = (u16, i64, String, String, Value, Value);

async fn ask(gateway: &Arc<Gateway>, text: &str) -> Told {
    let (status, told) = match replace::replace(gateway, alice(), params(&format!("{BUY}{text}")), None).await {
        Ok(json) => (200, serde_json::from_str::<Value>(&json).unwrap()),
        Err(error) => (error.status, serde_json::from_str::<Value>(&error.to_json()).unwrap()),
    };
    let data = if status == 200 { &told } else { &told["data"] };
    let result = |name: &str| data[name].as_str().unwrap_or("").to_owned();
    (
        status,
        told["code"].as_i64().unwrap_or(0),
        result("cancelResult"),
        result("newOrderResult"),
        data["cancelResponse"]["code"].clone(),
        data["newOrderResponse"]["code"].clone(),
    )
}

fn told(status: u16, code: i64, results: [&str; 2], codes: [Value; 2]) -> Told {
    let [canceled, placed] = results.map(str::to_owned);
    let [cancel_code, order_code] = codes;
    (status, code, canceled, placed, cancel_code, order_code)
}

#[tokio::test]
async fn both_halves_are_one_command() {
    for (text, mode) in [(STOP, ReplaceMode::StopOnFailure), (ELSE, ReplaceMode::AllowFailure)] {
        let (gateway, _) = with(move |position, replace| {
            assert_eq!(replace.mode, mode);
            (
                Reply::Accepted { id: 8 },
                vec![pending(8, &replace.order), gone(position), accepted(8), resting(8, 100_000)],
            )
        });
        assert_eq!(ask(&gateway, text).await, told(200, 0, ["SUCCESS", "SUCCESS"], [Value::Null, Value::Null]));
    }
}

/// The one that was asked for waited in a list, whose working order ends first.
#[tokio::test]
async fn of_a_list_that_goes_the_order_that_was_asked_for_is_answered() {
    let (gateway, ledger) = with(|position, replace| {
        let working = canceled(6, 50_000, CancelCause::Requested, position.get());
        (
            Reply::Accepted { id: 8 },
            vec![pending(8, &replace.order), working, gone(position), accepted(8), resting(8, 100_000)],
        )
    });
    ledger.feed(&[pending(6, &buy("working")), accepted(6), resting(6, 100_000)]);
    let answer = replace::replace(&gateway, alice(), params(&format!("{BUY}{STOP}")), None).await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let canceled = &answer["cancelResponse"];
    assert_eq!(
        (&canceled["orderId"], &canceled["origClientOrderId"], &canceled["status"]),
        (&json!(7), &json!("old"), &json!("CANCELED"))
    );
}

#[tokio::test]
async fn a_new_order_that_the_ledger_or_the_market_refuses_leaves_the_old_one_canceled() {
    for text in [STOP, ELSE] {
        let (gateway, _) = with(|position, _| {
            let why = none_comes(position, RejectReason::InsufficientBalance, 0);
            (Reply::Accepted { id: 0 }, vec![why, gone(position)])
        });
        let wanted = || told(409, -2021, ["SUCCESS", "FAILURE"], [Value::Null, json!(-2010)]);
        assert_eq!(ask(&gateway, text).await, wanted());
        let (gateway, _) = with(|position, replace| {
            let refused = rejected(8, RejectReason::WouldTake);
            (Reply::Accepted { id: 8 }, vec![pending(8, &replace.order), gone(position), refused])
        });
        assert_eq!(ask(&gateway, text).await, wanted());
    }
}

#[tokio::test]
async fn a_cancel_that_fails_stops_the_new_order_or_does_not() {
    let unknown = json!(-2011);
    let (gateway, _) = with(|_, _| (Reply::Rejected { reason: RejectReason::UnknownOrder, id: 0 }, vec![]));
    let stopped = || told(400, -2022, ["FAILURE", "NOT_ATTEMPTED"], [json!(-2011), Value::Null]);
    assert_eq!(ask(&gateway, STOP).await, stopped());
    // It was gone when its market heard of it.
    let (gateway, _) = with(|position, replace| {
        let late = late(position);
        (Reply::Accepted { id: 8 }, vec![pending(8, &replace.order), late, rejected(8, RejectReason::NotAttempted)])
    });
    let mut user = listen(&gateway);
    assert_eq!(ask(&gateway, STOP).await, stopped());
    // What was not attempted is no order, by its id or its name.
    {
        let accounts = gateway.exchange.accounts();
        let known = accounts.get(ALICE).unwrap().orders.get(BTCUSDT, OrderId::new(8)).unwrap();
        assert!(!known.was_attempted());
    }
    assert_eq!(special::drain(&mut user).await, [] as [Value; 0], "of which nothing is told");
    let (gateway, _) = with(|position, replace| {
        let late = late(position);
        (Reply::Accepted { id: 8 }, vec![pending(8, &replace.order), late, accepted(8), resting(8, 100_000)])
    });
    let (status, code, canceled, placed, cancel_code, _) = ask(&gateway, ELSE).await;
    assert_eq!((status, code, &*canceled, &*placed, cancel_code), (409, -2021, "FAILURE", "SUCCESS", unknown));
}

#[tokio::test]
async fn both_may_fail() {
    let (gateway, _) = with(|position, _| {
        let events = vec![
            stays(position, RejectReason::CancelRestricted),
            none_comes(position, RejectReason::InsufficientBalance, 0),
        ];
        (Reply::Accepted { id: 0 }, events)
    });
    let failed = ["FAILURE", "FAILURE"];
    assert_eq!(ask(&gateway, ELSE).await, told(400, -2022, failed, [json!(-2011), json!(-2010)]));
}

/// The cancel goes on alone, and comes too late: nothing was to be attempted then.
#[tokio::test]
async fn what_stops_on_failure_attempts_nothing_however_the_new_order_was_judged() {
    let (gateway, _) = with(|position, _| {
        let events = vec![none_comes(position, RejectReason::InsufficientBalance, 0), late(position)];
        (Reply::Accepted { id: 0 }, events)
    });
    let wanted = told(400, -2022, ["FAILURE", "NOT_ATTEMPTED"], [json!(-2011), Value::Null]);
    assert_eq!(ask(&gateway, STOP).await, wanted);
}

#[tokio::test]
async fn a_new_order_that_is_wrong_in_itself_is_an_error_and_nothing_has_changed() {
    let (gateway, _) = with(|_, _| (Reply::Rejected { reason: RejectReason::TooManyOpenOrders, id: 0 }, vec![]));
    let refused = replace::replace(&gateway, alice(), params(&format!("{BUY}{STOP}")), None).await.unwrap_err();
    assert_eq!((refused.status, refused.code, &*refused.message), (400, -1013, "Filter failure: MAX_NUM_ORDERS"));
    assert!(refused.data.is_none());
}

/// Its market would say so when the old one is off the book.
#[tokio::test]
async fn a_new_order_far_from_the_last_trade_is_an_error_and_the_old_one_stays() {
    let (gateway, ledger) = with(|_, _| panic!("nothing is sent"));
    let protection = MarketProtection { bid_up_ppm: 1_200_000, ask_down_ppm: 800_000, ..MarketProtection::NONE };
    let changed = MarketProtectionChanged { market: BTCUSDT, version: 1, protection };
    ledger.feed(&[Event::MarketProtectionChanged(changed), traded(9, 4_000_000, 1_000, Side::Sell)]);
    for mode in [STOP, ELSE] {
        let refused = replace::replace(&gateway, alice(), params(&format!("{BUY}{mode}")), None).await.unwrap_err();
        let told = (refused.status, refused.code, &*refused.message);
        assert_eq!(told, (400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"), "{mode}");
    }
}

/// The ledger is asked, also beyond the limit of orders: what is open in such a market can be canceled.
#[tokio::test]
async fn a_market_that_takes_no_orders_does_not_keep_the_old_one() {
    let closed = Event::MarketStatusChanged(MarketStatusChanged { market: BTCUSDT, status: MarketStatus::CancelOnly });
    for text in [STOP, ELSE] {
        let (gateway, ledger) = with(|position, _| {
            let why = none_comes(position, RejectReason::MarketClosed, 0);
            (Reply::Accepted { id: 0 }, vec![why, gone(position)])
        });
        ledger.feed(std::slice::from_ref(&closed));
        let refused = place(&gateway, alice(), params(BUY)).await.unwrap_err();
        assert_eq!(refused, errors::MARKET_CLOSED);
        let wrong = params(&format!("{BUY}{text}").replace("price=50000", "price=50000.001"));
        let refused = replace::replace(&gateway, alice(), wrong, None).await.unwrap_err();
        assert_eq!((refused.code, &*refused.message), (-1013, "Filter failure: PRICE_FILTER"));
        let wanted = told(409, -2021, ["SUCCESS", "FAILURE"], [Value::Null, json!(errors::MARKET_CLOSED.code)]);
        assert_eq!(ask(&gateway, text).await, wanted);
    }
}

#[tokio::test]
async fn a_replace_over_the_order_limit_only_cancels() {
    let cancels = |succeeds: bool| {
        let (gateway, ledger) = gateway();
        ledger.feed(&[pending(7, &buy("old")), accepted(7), resting(7, 100_000)]);
        ledger.script(Box::new(move |position, command| {
            assert!(matches!(command, Command::CancelOrder(_)), "{command:?}");
            Ok((Reply::Accepted { id: 7 }, vec![if succeeds { gone(position) } else { late(position) }]))
        }));
        gateway
    };
    // Binance's table: the limit's own status only where a failure stops.
    for (mode, succeeds, status, code, results) in [
        (STOP, true, 429, -2021, ["SUCCESS", "FAILURE"]),
        (STOP, false, 429, -2022, ["FAILURE", "NOT_ATTEMPTED"]),
        (ELSE, true, 409, -2021, ["SUCCESS", "FAILURE"]),
        (ELSE, false, 400, -2022, ["FAILURE", "FAILURE"]),
    ] {
        let limit = ApiError::too_many_orders(1, "10 SECOND", 3);
        let asked = params(&format!("{BUY}{mode}"));
        let refused = replace::replace(&cancels(succeeds), alice(), asked, Some(limit)).await.unwrap_err();
        assert_eq!((refused.status, refused.code, refused.retry_after_s), (status, code, Some(3)), "{mode} {succeeds}");
        let told: Value = serde_json::from_str(&refused.to_json()).unwrap();
        assert_eq!([&told["data"]["cancelResult"], &told["data"]["newOrderResult"]], results, "{mode} {succeeds}");
        let why = if results[1] == "FAILURE" { json!(-1015) } else { Value::Null };
        assert_eq!(told["data"]["newOrderResponse"]["code"], why, "{mode} {succeeds}");
    }
}

/// The ledger keeps that rate and refuses the whole replace; the cancel alone follows where the client wants it.
#[tokio::test]
async fn a_replace_beyond_the_accounts_own_rate_only_cancels_where_it_is_asked_to() {
    let beyond = || {
        let (gateway, ledger) = gateway();
        ledger.feed(&[pending(7, &buy("old")), accepted(7), resting(7, 100_000)]);
        ledger.feed(&[pending(8, &buy("first")), accepted(8), resting(8, 100_000)]);
        let (sender, receiver) = std::sync::mpsc::channel();
        ledger.script(Box::new(move |position, command| {
            let (sent, outcome) = match command {
                Command::ReplaceOrder(_) => {
                    ("replace", (Reply::Rejected { reason: RejectReason::OrderRateExceeded, id: 2_500 }, Vec::new()))
                }
                Command::CancelOrder(_) => ("cancel", (Reply::Accepted { id: 7 }, vec![gone(position)])),
                _ => panic!("{command:?}"),
            };
            sender.send(sent).unwrap();
            Ok(outcome)
        }));
        (gateway, receiver)
    };
    for (mode, status) in [(STOP, 429), (ELSE, 409)] {
        for how in ["", "&orderRateLimitExceededMode=DO_NOTHING"] {
            let (gateway, sent) = beyond();
            let asked = params(&format!("{BUY}{mode}{how}"));
            let refused = replace::replace(&gateway, alice(), asked, None).await.unwrap_err();
            assert_eq!((refused.status, refused.code, refused.retry_after_s), (429, -1015, Some(3)), "{mode}{how}");
            assert_eq!(sent.try_iter().collect::<Vec<_>>(), ["replace"], "{mode}{how}");
        }
        let (gateway, sent) = beyond();
        let asked = params(&format!("{BUY}{mode}&orderRateLimitExceededMode=CANCEL_ONLY"));
        let refused = replace::replace(&gateway, alice(), asked, None).await.unwrap_err();
        assert_eq!((refused.status, refused.code, refused.retry_after_s), (status, -2021, Some(3)), "{mode}");
        assert_eq!(sent.try_iter().collect::<Vec<_>>(), ["replace", "cancel"], "{mode}");
        let told: Value = serde_json::from_str(&refused.to_json()).unwrap();
        assert_eq!([&told["data"]["cancelResult"], &told["data"]["newOrderResult"]], ["SUCCESS", "FAILURE"]);
        assert_eq!(told["data"]["newOrderResponse"]["code"], -1015);
        // What came before by the new order's name may be what used the rate up: it is asked once more.
        for again in [mode.replace("=new", "=first"), mode.replace("cancelOrderId=7", "cancelOrigClientOrderId=new")] {
            let (gateway, sent) = beyond();
            let asked = params(&format!("{BUY}{again}&orderRateLimitExceededMode=CANCEL_ONLY"));
            let refused = replace::replace(&gateway, alice(), asked, None).await.unwrap_err();
            assert_eq!((refused.status, refused.code), (429, -1015), "{again}");
            assert_eq!(sent.try_iter().collect::<Vec<_>>(), ["replace"], "{again}");
        }
    }
}

#[tokio::test]
async fn an_identical_retry_of_the_new_order_is_answered_with_the_first_one() {
    let (gateway, ledger) = with(|position, _| {
        let events = vec![
            stays(position, RejectReason::UnknownOrder),
            none_comes(position, RejectReason::DuplicateClientOrderId, 8),
        ];
        (Reply::Accepted { id: 0 }, events)
    });
    let first = NewOrder { self_trade: SelfTradePrevention::ExpireMaker, ..buy("new") };
    ledger.feed(&[pending(8, &first), accepted(8), resting(8, 100_000)]);
    let both = [json!(-2011), json!(-2010)];
    assert_eq!(ask(&gateway, ELSE).await, told(400, -2022, ["FAILURE", "FAILURE"], both));
    let retried = ask(&gateway, &format!("{ELSE}&identicalRetry=true")).await;
    assert_eq!((retried.0, retried.1, &*retried.3), (409, -2021, "SUCCESS"));
}

#[tokio::test]
async fn a_replace_whose_outcome_does_not_come_is_unknown() {
    let limits = Limits { order_timeout: Duration::from_millis(30), ..Limits::default() };
    let (gateway, ledger) = gateway_with(limits);
    ledger.feed(&[pending(7, &buy("old")), accepted(7), resting(7, 100_000)]);
    for canceled in [false, true] {
        ledger.script(Box::new(move |position, _| {
            Ok((Reply::Accepted { id: 8 }, if canceled { vec![gone(position)] } else { vec![] }))
        }));
        let unknown = replace::replace(&gateway, alice(), params(&format!("{BUY}{STOP}")), None).await.unwrap_err();
        assert_eq!(unknown, errors::TIMEOUT, "{canceled}");
    }
}
