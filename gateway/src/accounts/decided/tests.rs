use std::sync::Arc;

use wire::command::NewOrder;
use wire::event::{OrderTerms, Traded};
use wire::{CancelCause, MarketId, RejectReason, Timestamp, TradeId};

use super::*;
use crate::Gateway;
use crate::accounts::{OrderOutcome, OrderWait, Wanted};
use crate::config::Limits;
use crate::order_entry::answers;
use crate::order_entry::parse::ResponseType;
use crate::testing::*;

const FIFTY: i64 = 5_000_000;
const ONE: i64 = 100_000;

fn split() -> (Arc<Gateway>, Arc<FakeLedger>) {
    split_gateway_with(Limits::default())
}

fn wait(gateway: &Gateway, order: u64) -> OrderWait {
    wait_for(gateway, order, Wanted::Outcome)
}

fn wait_for(gateway: &Gateway, order: u64, wanted: Wanted) -> OrderWait {
    gateway.exchange.accounts().await_order(ALICE, BTCUSDT, OrderId::new(order), wanted).unwrap()
}

fn told(wait: &mut OrderWait) -> Option<OrderOutcome> {
    wait.receiver.try_recv().ok()
}

/// Whether the market decides Alice's order 1, which the ledger sent with these other events, by telling this.
fn decides(new: &NewOrder, sent_with: &[Event], market: &[Event]) -> bool {
    let (gateway, ledger) = split();
    ledger.feed(&[&[pending(1, new)], sent_with].concat());
    let mut before = wait(&gateway, 1);
    tell_apart(&gateway, market);
    let is_told = told(&mut before).is_some();
    assert_eq!(is_told, told(&mut wait(&gateway, 1)).is_some(), "whoever comes later is told as well, or nobody is");
    is_told
}

fn ours() -> Event {
    shown(1, Side::Buy, FIFTY, ONE)
}

fn gone(order: u64, side: Side, at: i64) -> Event {
    shown(order, side, at, 0)
}

fn traded(taker: u64, maker: u64, lots: i64) -> Event {
    Event::Traded(Traded {
        market: BTCUSDT,
        trade: TradeId::new(1),
        price: price(FIFTY),
        qty: qty(lots),
        taker_side: Side::Buy,
        taker: OrderId::new(taker),
        maker: OrderId::new(maker),
        sequence: wire::BookSequence::ZERO,
        is_auction: false,
    })
}

#[test]
fn an_order_that_rests_whole_is_answered_by_its_market_as_the_ledger_will() {
    for kind in [OrderKind::Limit, OrderKind::LimitMaker] {
        let (gateway, ledger) = split();
        let mut events = listen(&gateway);
        let mut before = wait(&gateway, 1);
        ledger.feed_at(START_NS + 5_000_000, &[pending(1, &NewOrder { kind, ..buy("a") })]);
        let mut between = wait(&gateway, 1);
        assert!(told(&mut before).is_none() && told(&mut between).is_none(), "pending is no outcome");
        tell_apart(&gateway, &[ours()]);
        let early = [told(&mut before), told(&mut between), told(&mut wait(&gateway, 1))];
        let status = |gateway: &Gateway| {
            let accounts = gateway.exchange.accounts();
            accounts.get(ALICE).unwrap().orders.get(BTCUSDT, OrderId::new(1)).unwrap().status
        };
        assert_eq!(status(&gateway), OrderStatus::PendingNew, "the projection is the ledger's");
        assert!(futures_util::FutureExt::now_or_never(events.recv()).is_none(), "and so are user events");

        ledger.feed_at(START_NS + 9_000_000, &[accepted(1), resting(1, ONE)]);
        let late = told(&mut wait(&gateway, 1)).unwrap();
        let reference = gateway.exchange.reference();
        let market = reference.market(BTCUSDT).unwrap();
        for early in early.map(Option::unwrap) {
            for response in [ResponseType::Ack, ResponseType::Result, ResponseType::Full] {
                let text = |outcome| answers::placed(outcome, market, &reference, response);
                assert_eq!(text(&early), text(&late));
            }
            assert_eq!(early.order, Order { updated: early.order.updated, ..late.order.clone() });
        }
        // Both tell a working time that is the order's own.
        assert_eq!(late.order.working, Some(late.order.created));
        assert!(late.order.updated > late.order.created);
    }
}

#[test]
fn what_does_not_rest_whole_waits_for_the_ledger() {
    let plain = buy("a");
    assert!(decides(&plain, &[], &[ours()]));
    assert!(!decides(&plain, &[], &[traded(1, 9, 40_000), shown(1, Side::Buy, FIFTY, ONE - 40_000)]), "a part of it");
    assert!(!decides(&plain, &[], &[traded(1, 9, ONE)]), "nothing of it");
    assert!(!decides(&plain, &[], &[gone(1, Side::Buy, FIFTY)]), "gone");
    assert!(!decides(&plain, &[], &[shown(2, Side::Buy, FIFTY, ONE)]), "another order");
    assert!(!decides(&plain, &[], &[shown(1, Side::Sell, FIFTY, ONE)]), "on the other side");
    assert!(!decides(&plain, &[], &[shown(1, Side::Buy, FIFTY - 1, ONE)]), "at another price");
    assert!(!decides(&plain, &[], &[shown(1, Side::Buy, FIFTY, ONE + 1)]), "with another quantity");
    let Event::OrderShown(whole) = ours() else { unreachable!() };
    assert!(!decides(&plain, &[], &[Event::OrderShown(OrderShown { is_last: false, ..whole })]), "it keeps a place");
    let elsewhere = MarketId::new(2);
    assert!(!decides(&plain, &[], &[Event::OrderShown(OrderShown { market: elsewhere, ..whole })]));
}

#[test]
fn only_plain_orders_that_may_rest_are_decided_by_their_market() {
    for time_in_force in [TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::Day, TimeInForce::Gtd] {
        assert!(!decides(&NewOrder { time_in_force, ..buy("a") }, &[], &[ours()]), "{time_in_force:?}");
    }
    for kind in [OrderKind::Market, OrderKind::StopLoss, OrderKind::StopLossLimit, OrderKind::TakeProfitLimit] {
        assert!(!decides(&NewOrder { kind, ..buy("a") }, &[], &[ours()]), "{kind:?}");
    }
    let terms = |list, terms| {
        let (order, account, market) = (OrderId::new(1), ALICE, BTCUSDT);
        Event::OrderTerms(Box::new(OrderTerms { order, account, market, list, terms }))
    };
    let primary = wire::Peg { side: wire::PegSide::Primary, ..wire::Peg::NONE };
    for (list, special) in [
        (ListId::new(1), Terms::NONE),
        (ListId::ZERO, Terms { visible_qty: qty(ONE), ..Terms::NONE }),
        (ListId::ZERO, Terms { stop_price: Some(price(FIFTY)), ..Terms::NONE }),
        (ListId::ZERO, Terms { expire_at: Some(Timestamp::from_nanos(u64::MAX)), ..Terms::NONE }),
        (ListId::ZERO, Terms { peg: primary, ..Terms::NONE }),
        (ListId::ZERO, Terms { qty_min: qty(1), ..Terms::NONE }),
    ] {
        assert!(!decides(&buy("a"), &[terms(list, special)], &[ours()]), "{list} {special:?}");
    }
}

#[test]
fn an_order_that_may_have_expired_its_maker_waits_for_the_ledger() {
    let expires = NewOrder { self_trade: SelfTradePrevention::ExpireMaker, ..buy("a") };
    for at in [FIFTY, FIFTY - 7] {
        assert!(!decides(&expires, &[], &[gone(9, Side::Sell, at), ours()]), "it would have taken that");
    }
    assert!(decides(&expires, &[], &[ours()]));
    assert!(decides(&expires, &[], &[gone(9, Side::Sell, FIFTY + 1), ours()]), "it would not have taken that");
    assert!(decides(&expires, &[], &[gone(9, Side::Buy, FIFTY), ours()]), "on its own side");
    assert!(decides(&expires, &[], &[shown(9, Side::Sell, FIFTY + 1, 1), ours()]));
    assert!(decides(&expires, &[], &[ours(), gone(9, Side::Sell, FIFTY)]), "after it");
    let Event::OrderShown(other) = gone(9, Side::Sell, FIFTY) else { unreachable!() };
    let elsewhere = Event::OrderShown(OrderShown { market: MarketId::new(2), ..other });
    assert!(decides(&expires, &[], &[elsewhere, ours()]), "in another market of the partition");
    let sells = NewOrder { side: Side::Sell, ..expires };
    let whole = shown(1, Side::Sell, FIFTY, ONE);
    assert!(!decides(&sells, &[], &[gone(9, Side::Buy, FIFTY + 7), whole.clone()]));
    assert!(decides(&sells, &[], &[gone(9, Side::Buy, FIFTY - 1), whole]));
    // With the others an order that meets its own ends, or has less.
    for self_trade in [SelfTradePrevention::None, SelfTradePrevention::ExpireTaker, SelfTradePrevention::Decrement] {
        assert!(decides(&NewOrder { self_trade, ..expires }, &[], &[gone(9, Side::Sell, FIFTY), ours()]));
    }
}

#[test]
fn orders_of_one_command_are_decided_each_by_itself() {
    let (gateway, ledger) = split();
    ledger.feed(&[pending(1, &buy("in-part")), pending(2, &buy("whole")), pending(3, &buy("taken-at-once"))]);
    let mut waits = [1, 2, 3].map(|order| wait(&gateway, order));
    tell_apart(
        &gateway,
        &[
            traded(1, 9, 1),
            shown(1, Side::Buy, FIFTY, ONE - 1),
            shown(2, Side::Buy, FIFTY, ONE),
            shown(3, Side::Buy, FIFTY, ONE),
            traded(8, 3, ONE),
        ],
    );
    let statuses = waits.each_mut().map(|wait| told(wait).map(|outcome| outcome.order.status));
    // The third rested before it was taken: that is its first outcome, and the ledger's, too.
    assert_eq!(statuses, [None, Some(OrderStatus::New), Some(OrderStatus::New)]);
}

#[test]
fn a_market_that_is_faster_than_the_ledger_decides_nothing() {
    let (gateway, ledger) = split();
    let mut waiting = wait(&gateway, 1);
    tell_apart(&gateway, &[ours()]);
    ledger.feed(&[pending(1, &buy("a"))]);
    assert!(told(&mut waiting).is_none() && told(&mut wait(&gateway, 1)).is_none());
    ledger.feed(&[accepted(1), resting(1, ONE)]);
    assert_eq!(told(&mut waiting).unwrap().order.status, OrderStatus::New);
}

#[test]
fn what_the_ledger_has_told_no_market_tells_again() {
    let (gateway, ledger) = split();
    ledger.feed(&[pending(1, &buy("a"))]);
    ledger.feed(&[accepted(1), executed(1, 1, ONE, 0)]);
    tell_apart(&gateway, &[ours()]);
    assert_eq!(told(&mut wait(&gateway, 1)).unwrap().order.status, OrderStatus::Filled);
    ledger.feed(&[pending(2, &buy("b")), rejected(2, RejectReason::WouldTake)]);
    tell_apart(&gateway, &[shown(2, Side::Buy, FIFTY, ONE)]);
    assert_eq!(told(&mut wait(&gateway, 2)).unwrap().order.status, OrderStatus::Rejected);
    let accounts = gateway.exchange.accounts();
    assert!(accounts.get(ALICE).unwrap().on_their_way.is_empty(), "nobody waits for what is over");
}

#[test]
fn beside_the_ledger_a_market_decides_nothing() {
    let (gateway, ledger) = gateway();
    ledger.feed(&[pending(1, &buy("a"))]);
    let mut waiting = wait(&gateway, 1);
    ledger.feed(&[ours()]);
    assert!(told(&mut waiting).is_none());
    ledger.feed(&[accepted(1), resting(1, ONE)]);
    assert!(told(&mut waiting).is_some());
}

#[test]
fn who_gave_up_before_the_market_spoke_is_not_waited_for() {
    let (gateway, ledger) = split();
    ledger.feed(&[pending(1, &buy("a"))]);
    let gone = wait(&gateway, 1);
    gateway.exchange.accounts().give_up_order(OrderId::new(1), gone.token);
    let mut stays = wait(&gateway, 1);
    tell_apart(&gateway, &[ours()]);
    assert!(told(&mut stays).is_some());
    // A second word changes nothing.
    tell_apart(&gateway, &[ours()]);
    ledger.feed(&[accepted(1), resting(1, ONE), canceled(1, ONE, CancelCause::Requested, 9)]);
    assert_eq!(told(&mut wait(&gateway, 1)).unwrap().order.status, OrderStatus::Canceled);
}

/// Whether who asks for no more than that is told that Alice's order 1, which the ledger sent with these other events, was taken.
fn takes(new: &NewOrder, sent_with: &[Event], market: &[Event]) -> bool {
    let (gateway, ledger) = split();
    ledger.feed(&[&[pending(1, new)], sent_with].concat());
    let mut before = wait_for(&gateway, 1, Wanted::Admission);
    let mut outcome = wait(&gateway, 1);
    tell_apart(&gateway, market);
    let is_told = told(&mut before).is_some();
    assert_eq!(is_told, told(&mut wait_for(&gateway, 1, Wanted::Admission)).is_some());
    assert!(
        told(&mut outcome).is_none() && told(&mut wait(&gateway, 1)).is_none(),
        "its outcome is the ledger's to tell"
    );
    // The ledger's word is everybody's.
    let mut late = wait_for(&gateway, 1, Wanted::Admission);
    ledger.feed(&[accepted(1), executed(1, 1, ONE, 0)]);
    assert_eq!(told(&mut outcome).unwrap().order.status, OrderStatus::Filled);
    assert!(told(&mut late).is_some());
    is_told
}

#[test]
fn a_plain_order_that_trades_or_rests_was_taken() {
    let in_part = [traded(1, 9, 40_000), shown(1, Side::Buy, FIFTY, ONE - 40_000)];
    for kind in [OrderKind::Limit, OrderKind::Market] {
        for time_in_force in [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok] {
            assert!(takes(&NewOrder { kind, time_in_force, ..buy("a") }, &[], &[traded(1, 9, ONE)]), "{kind:?}");
        }
    }
    assert!(takes(&buy("a"), &[], &in_part));
    let expires = NewOrder { self_trade: SelfTradePrevention::ExpireMaker, ..buy("a") };
    assert!(takes(&expires, &[], &[gone(9, Side::Sell, FIFTY), ours()]));
}

#[test]
fn what_an_order_has_not_met_takes_nothing() {
    let at_once = NewOrder { time_in_force: TimeInForce::Ioc, ..buy("a") };
    assert!(!takes(&at_once, &[], &[traded(9, 1, ONE)]), "it has not rested, so it was no maker");
    assert!(!takes(&at_once, &[], &[traded(8, 9, ONE)]), "of others");
    assert!(!takes(&at_once, &[], &[gone(1, Side::Buy, FIFTY)]));
    for kind in [OrderKind::StopLoss, OrderKind::StopLossLimit, OrderKind::TakeProfitLimit] {
        assert!(!takes(&NewOrder { kind, ..buy("a") }, &[], &[traded(1, 9, ONE)]), "{kind:?}");
    }
    let terms = |list, terms| {
        let (order, account, market) = (OrderId::new(1), ALICE, BTCUSDT);
        Event::OrderTerms(Box::new(OrderTerms { order, account, market, list, terms }))
    };
    let iceberg = Terms { visible_qty: qty(1), ..Terms::NONE };
    for special in [terms(ListId::new(1), Terms::NONE), terms(ListId::ZERO, iceberg)] {
        assert!(!takes(&buy("a"), &[special], &[traded(1, 9, ONE)]));
    }
}

#[test]
fn an_answer_to_who_asks_for_no_more_is_the_same_before_the_ledger_and_after() {
    let (gateway, ledger) = split();
    ledger.feed_at(START_NS + 5_000_000, &[pending(1, &buy("a"))]);
    let mut waiting = wait_for(&gateway, 1, Wanted::Admission);
    tell_apart(&gateway, &[traded(1, 9, ONE)]);
    let early = told(&mut waiting).unwrap();
    ledger.feed_at(START_NS + 9_000_000, &[accepted(1), executed(1, 1, ONE, 0)]);
    let late = told(&mut wait(&gateway, 1)).unwrap();
    let reference = gateway.exchange.reference();
    let text = |outcome| answers::placed(outcome, reference.market(BTCUSDT).unwrap(), &reference, ResponseType::Ack);
    assert_eq!(text(&early), text(&late));
}
