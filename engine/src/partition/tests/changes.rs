//! Amends and replaces.

use wire::command::{AmendOrder, CancelOrder, MassCancel, NewOrder, NewOrderOnTerms, ReplaceOrder, Reply};
use wire::{CancelRestriction, ClientOrderId, ClientSessionId, Command, OrderId, ReplaceMode, Sides, Terms};

use super::world::{Layout, MARKET, World, check, check_with, qty, rules, small_limits};
use crate::Limits;

#[test]
fn an_amended_order_keeps_its_place_and_gets_the_difference_back() {
    check(
        "alice buy 10 @ 100           -> accepted 1, rests 1 10
         bob buy 5 @ 100              -> accepted 2, rests 2 5
         alice amend 1 to 4           -> amended 1 10->4 leaves 4
         level buy 100                -> 9
         alice has                    -> 1000+0 base, 99600+400 quote
         carol sell 3 @ 100           -> accepted 3, filled 3 3@100 fee 6, fill 1 3@100
         alice amend 1 to 3           -> no AmendNotLower
         alice amend 1 to 4           -> no AmendNotLower
         carol sell 2 @ 100           -> accepted 4, fill 4 1@100 fee 2, filled 1 1@100, filled 4 1@100 fee 2, fill 2 1@100
         alice has                    -> 1004+0 base, 99600+0 quote
         alice amend 1 to 2           -> no UnknownOrder",
    );
}

#[test]
fn an_amended_order_may_get_another_name_and_the_former_stays_taken_for_a_minute() {
    check(
        "alice sell 10 @ 100 as one   -> accepted 1, rests 1 10
         alice sell 10 @ 100 as two   -> accepted 2, rests 2 10
         alice amend 1 to 9 as two    -> no DuplicateClientOrderId 2
         alice amend 1 to 9 as three  -> amended 1 10->9 leaves 9
         alice sell 10 @ 100 as one   -> no DuplicateClientOrderId 1
         alice cancel three           -> canceled 1 9 Requested
         wait 60
         alice sell 10 @ 100 as one   -> accepted 3, rests 3 10
         alice sell 10 @ 100 as three -> accepted 4, rests 4 10
         alice has                    -> 970+30 base, 100000+0 quote",
    );
}

#[test]
fn an_iceberg_hides_less_before_it_shows_less() {
    check(
        "alice sell 10 @ 100 show 4   -> accepted 1, rests 1 10
         alice amend 1 to 5           -> amended 1 10->5 leaves 5
         level sell 100               -> 4
         alice amend 1 to 3           -> amended 1 5->3 leaves 3
         level sell 100               -> 3
         bob buy 5 @ 100 ioc          -> accepted 2, fill 2 3@100, filled 1 3@100, expired 2 2 TimeInForce
         alice has                    -> 997+0 base, 100300+0 quote",
    );
}

#[test]
fn stops_can_be_amended_and_market_buys_of_theirs_hold_less() {
    check(
        "alice buy 10 stop-loss 100   -> accepted 1, armed 1
         alice has                    -> 1000+0 base, 98950+1050 quote
         alice amend 1 to 4           -> amended 1 10->4 leaves 4
         alice has                    -> 1000+0 base, 99580+420 quote
         alice sell 7 take-profit 100 @ 90 -> accepted 2, armed 2
         alice amend 2 to 5           -> amended 2 7->5 leaves 5
         alice cancel 2               -> canceled 2 5 Requested
         alice has                    -> 1000+0 base, 99580+420 quote",
    );
}

#[test]
fn an_amend_keeps_to_the_filters() {
    check(
        "alice sell 10 @ 2            -> accepted 1, rests 1 10
         alice amend 1 to 4           -> no NotionalTooSmall
         alice amend 1 to 5           -> amended 1 10->5 leaves 5
         alice amend 1 to 0           -> no AmendNotLower",
    );
}

#[test]
fn orders_of_a_pair_are_amended_together_and_their_shared_hold_shrinks_once() {
    check(
        "bob oco l | buy 10 stop-loss 110 @ 120 | buy 10 @ 90 maker-only -> list 1, accepted 1, armed 1, accepted 2, rests 2 10
         bob has                      -> 1000+0 base, 98800+1200 quote
         bob amend 2 to 6             -> amended 2 10->6 leaves 6, amended 1 10->6 leaves 6
         bob has                      -> 1000+0 base, 99280+720 quote
         level buy 90                 -> 6
         bob amend 1 to 5 as other    -> amended 1 6->5 leaves 5, amended 2 6->5 leaves 5
         bob has                      -> 1000+0 base, 99400+600 quote
         carol sell 2 @ 90            -> expired 1 5 OtherLeg, accepted 3, filled 3 2@90 fee 4, fill 2 2@90
         bob has                      -> 1002+0 base, 99550+270 quote
         bob amend 2 to 3             -> amended 2 5->3 leaves 1
         bob has                      -> 1002+0 base, 99730+90 quote
         bob cancel 2                 -> canceled 2 1 Requested, done 1
         bob has                      -> 1002+0 base, 99820+0 quote",
    );
}

#[test]
fn a_pair_is_amended_only_where_both_orders_pass_the_filters() {
    check(
        "alice oco l | sell 10 stop-loss 2 @ 2 | sell 10 @ 110 maker-only -> list 1, accepted 1, armed 1, accepted 2, rests 2 10
         alice amend 2 to 4           -> no NotionalTooSmall
         alice amend 1 to 4           -> no NotionalTooSmall
         alice has                    -> 990+10 base, 100000+0 quote",
    );
}

#[test]
fn the_working_order_and_what_waits_for_it_are_amended_apart() {
    check(
        "alice oto l | buy 5 @ 90 | sell 5 @ 120 -> list 1, accepted 1, rests 1 5
         alice amend 2 to 3 as later  -> amended 2 5->3 leaves 3
         alice amend 1 to 4           -> amended 1 5->4 leaves 4
         alice has                    -> 1000+0 base, 99640+360 quote
         alice sell 1 @ 130 as later  -> no DuplicateClientOrderId 2
         carol sell 4 @ 90            -> accepted 3, filled 3 4@90 fee 8, filled 1 4@90, accepted 2, rests 2 3
         alice has                    -> 1001+3 base, 99640+0 quote
         alice cancel later           -> canceled 2 3 Requested, done 1",
    );
}

#[test]
fn a_pair_that_waits_is_amended_together_and_an_iceberg_of_it_shows_no_more_than_it_is() {
    check(
        "alice otoco l | buy 6 @ 90 | sell 6 stop-loss 80 | sell 6 @ 120 maker-only show 4 -> list 1, accepted 1, rests 1 6
         alice amend 3 to 3           -> amended 3 6->3 leaves 3, amended 2 6->3 leaves 3
         carol sell 6 @ 90            -> accepted 4, filled 4 6@90 fee 11, filled 1 6@90, accepted 2, armed 2, accepted 3, rests 3 3
         alice has                    -> 1003+3 base, 99460+0 quote
         level sell 120               -> 3
         alice cancel list 1          -> canceled 3 3 Requested, canceled 2 3 Requested, done 1
         alice has                    -> 1006+0 base, 99460+0 quote",
    );
}

#[test]
fn market_orders_that_wait_cannot_be_amended() {
    check(
        "alice oto l | buy 5 @ 90 | sell 5 market 80 -> list 1, accepted 1, rests 1 5
         alice amend 2 to 3           -> no AmendNotAllowed",
    );
}

#[test]
fn an_order_is_amended_as_often_as_its_market_allows_and_not_once_more() {
    let mut rules = rules();
    rules.special.order_amends_max = 2;
    check_with(
        rules,
        "alice sell 10 @ 100          -> accepted 1, rests 1 10
         alice amend 1 to 9           -> amended 1 10->9 leaves 9
         alice amend 1 to 9           -> no AmendNotLower
         alice amend 1 to 8           -> amended 1 9->8 leaves 8
         alice amend 1 to 7           -> no TooManyAmends
         alice oco l | sell 9 stop-loss 80 | sell 9 @ 120 maker-only -> list 1, accepted 2, armed 2, accepted 3, rests 3 9
         alice amend 2 to 8           -> amended 2 9->8 leaves 8, amended 3 9->8 leaves 8
         alice amend 3 to 7           -> amended 3 8->7 leaves 7, amended 2 8->7 leaves 7
         alice amend 2 to 6           -> no TooManyAmends",
    );
    rules.special.order_amends_max = 0;
    check_with(
        rules,
        "alice sell 10 @ 100          -> accepted 1, rests 1 10
         alice amend 1 to 9           -> no TooManyAmends",
    );
}

#[test]
fn a_replacement_uses_the_hold_of_what_it_replaces() {
    check(
        "alice buy 500 @ 200          -> accepted 1, rests 1 500
         alice has                    -> 1000+0 base, 0+100000 quote
         alice replace 1 or-stop buy 400 @ 250 -> canceled 1 500 Requested, accepted 2, rests 2 400
         alice has                    -> 1000+0 base, 0+100000 quote
         alice replace 2 or-stop sell 10 @ 300 -> canceled 2 400 Requested, accepted 3, rests 3 10
         alice has                    -> 990+10 base, 100000+0 quote
         alice replace 3 or-stop sell 20 stop-loss 90 -> canceled 3 10 Requested, accepted 4, armed 4
         alice replace 4 or-stop sell 1 @ 300 maker-only -> canceled 4 20 Requested, accepted 5, rests 5 1
         alice has                    -> 999+1 base, 100000+0 quote",
    );
}

#[test]
fn a_replacement_that_cannot_be_now_does_not_keep_the_old_order() {
    for mode in ["or-stop", "or-else"] {
        check(&format!(
            "alice buy 400 @ 250          -> accepted 1, rests 1 400
             alice replace 1 {mode} buy 401 @ 250 -> no replacement InsufficientBalance, canceled 1 400 Requested
             alice has                    -> 1000+0 base, 100000+0 quote
             alice buy 10 @ 90 as taken   -> accepted 2, rests 2 10
             alice buy 10 @ 80            -> accepted 3, rests 3 10
             alice replace 3 {mode} buy 10 @ 70 as taken -> no replacement DuplicateClientOrderId, canceled 3 10 Requested
             alice oco l | sell 500 stop-loss 80 | sell 500 @ 120 maker-only -> list 1, accepted 4, armed 4, accepted 5, rests 5 500
             alice replace 5 {mode} sell 501 @ 130 -> no replacement InsufficientBalance, canceled 4 500 Requested, canceled 5 500 Requested, done 1
             alice has                    -> 1000+0 base, 99100+900 quote",
        ));
    }
}

#[test]
fn a_replacement_of_the_same_name_changes_nothing() {
    for mode in ["or-stop", "or-else"] {
        check(&format!(
            "alice buy 5 @ 90 as mine     -> accepted 1, rests 1 5
             alice replace 1 {mode} buy 5 @ 80 as mine -> no DuplicateClientOrderId 1
             alice replace 1 {mode} buy 1001 @ 90 as mine -> no QtyTooLarge
             alice replace 1 {mode} buy 9999 @ 100 as mine -> no QtyTooLarge
             alice has                    -> 1000+0 base, 99550+450 quote
             alice replace 1 {mode} buy 5 @ 80 as yours -> canceled 1 5 Requested, accepted 2, rests 2 5",
        ));
    }
}

#[test]
fn a_replacement_that_is_wrong_in_itself_changes_nothing() {
    for mode in ["or-stop", "or-else"] {
        check(&format!(
            "alice buy 5 @ 90             -> accepted 1, rests 1 5
             alice replace 1 {mode} buy 1001 @ 90 -> no QtyTooLarge
             alice replace 1 {mode} buy 5 @ 90 show 9 -> no BadIcebergQty
             alice replace 7 or-else buy 1001 @ 90 -> no QtyTooLarge
             alice has                    -> 1000+0 base, 99550+450 quote",
        ));
    }
}

/// Whichever of the two the ladder of reasons has first.
#[test]
fn a_replacement_that_is_wrong_in_itself_and_cannot_be_now_either_changes_nothing() {
    let mut rules = rules();
    rules.open_orders_max = 2;
    check_with(
        rules,
        "alice buy 5 @ 90 as one      -> accepted 1, rests 1 5
         alice replace 1 or-stop buy 5 @ 80 as one -> no DuplicateClientOrderId 1
         alice cancel 1               -> canceled 1 5 Requested
         alice buy 5 @ 90 as two      -> accepted 2, rests 2 5
         alice buy 5 @ 90             -> accepted 3, rests 3 5
         alice replace 2 or-stop buy 5 @ 80 as two -> no TooManyOpenOrders
         alice replace 2 or-else buy 5 @ 80 as two -> no TooManyOpenOrders
         alice replace 7 or-stop buy 5 @ 80 as two -> no TooManyOpenOrders
         alice replace 7 or-else buy 5 @ 80 as two -> no TooManyOpenOrders
         alice replace 2 or-stop buy 1001 @ 80 as two -> no QtyTooLarge
         alice replace 2 or-stop buy 1 @ 8 as two -> no NotionalTooSmall
         alice replace 2 or-stop buy 500 @ 250 ioc -> no replacement InsufficientBalance, canceled 2 5 Requested
         alice has                    -> 1000+0 base, 99550+450 quote",
    );
}

#[test]
fn both_halves_may_fail_and_both_are_told() {
    check(
        "alice replace 7 or-else buy 500 @ 250 -> no UnknownOrder 7, no replacement InsufficientBalance
         alice replace 7 or-stop buy 500 @ 250 -> no UnknownOrder
         alice has                    -> 1000+0 base, 100000+0 quote",
    );
}

#[test]
fn a_replacement_that_the_market_refuses_leaves_the_old_order_canceled() {
    check(
        "bob sell 5 @ 100             -> accepted 1, rests 1 5
         alice buy 5 @ 90             -> accepted 2, rests 2 5
         alice replace 2 or-stop buy 5 @ 100 maker-only -> canceled 2 5 Requested, refused 3 WouldTake
         alice has                    -> 1000+0 base, 100000+0 quote",
    );
}

#[test]
fn without_the_old_order_the_mode_decides() {
    check(
        "alice replace 7 or-stop buy 5 @ 90 -> no UnknownOrder
         alice replace 7 or-else buy 5 @ 90 -> no UnknownOrder 7, accepted 1, rests 1 5
         alice has                    -> 1000+0 base, 99550+450 quote",
    );
}

/// A fill is on its way to the ledger when it sends a replace.
#[test]
fn a_replace_of_an_order_that_has_traded_since_is_refused_or_placed_without_its_hold() {
    for mode in ReplaceMode::ALL {
        let mut world = World::new(Layout::Split);
        world.play("alice buy 10 @ 100");
        let sell = world.parse_order(&["bob", "sell", "4", "@", "100"]);
        world.ask(Command::NewOrder(sell));
        world.carry(0, 1, 10);
        let order = world.parse_order(&["alice", "buy", "10", "@", "90"]);
        world.private.clear();
        let cancel = CancelOrder {
            account: World::account("alice"),
            market: MARKET,
            order: OrderId::new(1),
            client_order_id: ClientOrderId::EMPTY,
            restriction: CancelRestriction::OnlyNew,
            new_client_order_id: ClientOrderId::EMPTY,
            asked_us: 0,
        };
        let replace = ReplaceOrder { cancel, mode: *mode, order, terms: Terms::NONE };
        let reply = world.settle(Command::ReplaceOrder(Box::new(replace)));
        assert_eq!(reply, Reply::Accepted { id: 3 });
        world.assert_settled();
        for partition in 0..3 {
            world.restart(partition);
        }
        let told = world.told();
        let outcome = match mode {
            ReplaceMode::StopOnFailure => "no LeavesChanged 1, refused 3 NotAttempted",
            ReplaceMode::AllowFailure => "no LeavesChanged 1, accepted 3, rests 3 10",
        };
        assert!(told.ends_with(outcome), "{told}");
        let has = world.play("alice has");
        let wanted = match mode {
            ReplaceMode::StopOnFailure => "1004+0 base, 99000+600 quote",
            ReplaceMode::AllowFailure => "1004+0 base, 98100+1500 quote",
        };
        assert_eq!(has, wanted);
    }
}

/// What is left of the order goes, and the new one comes after it with what is free then.
#[test]
fn a_replace_of_an_order_that_has_traded_since_takes_off_what_is_left_of_it() {
    // The fill has left 99,600 of her quote; the new order needs 900 or, whole, a little more than that.
    for (units, at, outcome, quote) in [
        ("10", "90", "canceled 1 6 Requested, accepted 3, rests 3 10", "98700+900"),
        ("996", "100", "canceled 1 6 Requested, accepted 3, rests 3 996", "0+99600"),
        ("997", "100", "canceled 1 6 Requested, refused 3 InsufficientBalance", "99600+0"),
    ] {
        for mode in ReplaceMode::ALL {
            for carried in [1, 10] {
                let mut world = World::new(Layout::Split);
                world.play("alice buy 10 @ 100");
                let sell = world.parse_order(&["bob", "sell", "4", "@", "100"]);
                world.ask(Command::NewOrder(sell));
                world.carry(0, 1, 10);
                let order = world.parse_order(&["alice", "buy", units, "@", at]);
                world.private.clear();
                let cancel = CancelOrder {
                    account: World::account("alice"),
                    market: MARKET,
                    order: OrderId::new(1),
                    client_order_id: ClientOrderId::EMPTY,
                    restriction: CancelRestriction::None,
                    new_client_order_id: ClientOrderId::EMPTY,
                    asked_us: 0,
                };
                let replace = ReplaceOrder { cancel, mode: *mode, order, terms: Terms::NONE };
                assert_eq!(world.ask(Command::ReplaceOrder(Box::new(replace))), Reply::Accepted { id: 3 });
                // The market answers mail by mail; every cell is restarted between.
                world.carry(0, 1, 10);
                for _ in 0..10 {
                    world.carry(1, 0, carried);
                    for partition in 0..3 {
                        world.restart(partition);
                    }
                }
                world.carry_all();
                world.assert_settled();
                let told = world.told();
                assert!(told.ends_with(outcome), "{mode:?}: {told}");
                assert_eq!(world.play("alice has"), format!("1004+0 base, {quote} quote"));
            }
        }
    }
}

/// What a new order counts on stays held: the market pegs the old one, and lowers what it needs, while the replace is on its way.
#[test]
fn a_replace_of_a_pegged_order_has_all_that_it_was_admitted_with() {
    let mut world = World::new(Layout::Split);
    world.play("bob buy 1 @ 50");
    let (order, terms) = world.parse_order_on_terms(&["alice", "buy", "900", "peg", "primary", "~", "110"]);
    world.ask(Command::NewOrderOnTerms(Box::new(NewOrderOnTerms { order, terms })));
    world.carry(0, 1, 10);
    let order = world.parse_order(&["alice", "buy", "1000", "@", "100"]);
    assert_eq!(
        world.ask(replace(2, CancelRestriction::None, ReplaceMode::StopOnFailure, order)),
        Reply::Accepted { id: 3 }
    );
    world.private.clear();
    world.carry(1, 0, 10);
    assert_eq!(world.told(), "accepted 2, pegged 2 @50, rests 2 900");
    world.restart_all();
    let other = world.parse_order(&["alice", "buy", "540", "@", "100"]);
    assert_eq!(super::world::reason(world.ask(Command::NewOrder(other))), wire::RejectReason::InsufficientBalance);
    world.private.clear();
    world.carry_all();
    world.assert_settled();
    assert_eq!(world.told(), "canceled 2 900 Requested, accepted 3, rests 3 1000");
    assert_eq!(world.play("alice has"), "1000+0 base, 0+100000 quote");
    assert_eq!(world.play("alice cancel 3"), "canceled 3 1000 Requested");
    assert_eq!(world.play("alice has"), "1000+0 base, 100000+0 quote");
}

/// The old one stays, and needs what it costs where it rests.
#[test]
fn a_pegged_order_whose_replace_fails_holds_what_it_costs() {
    let mut world = World::new(Layout::Split);
    world.play("bob buy 1 @ 50");
    let (order, terms) = world.parse_order_on_terms(&["alice", "buy", "900", "peg", "primary", "~", "110"]);
    world.ask(Command::NewOrderOnTerms(Box::new(NewOrderOnTerms { order, terms })));
    let sell = world.parse_order(&["carol", "sell", "5", "@", "50"]);
    world.ask(Command::NewOrder(sell));
    world.carry(0, 1, 10);
    let order = world.parse_order(&["alice", "buy", "1000", "@", "100"]);
    assert_eq!(
        world.ask(replace(2, CancelRestriction::OnlyNew, ReplaceMode::StopOnFailure, order)),
        Reply::Accepted { id: 4 }
    );
    world.carry_all();
    world.assert_settled();
    assert!(world.told().ends_with("no LeavesChanged 2, refused 4 NotAttempted"), "{}", world.told());
    // Four units have traded.
    assert_eq!(world.play("alice has"), "1004+0 base, 55000+44800 quote");
}

/// Of an order's owner's.
pub(super) fn replace(old: u64, restriction: CancelRestriction, mode: ReplaceMode, order: NewOrder) -> Command {
    let cancel = CancelOrder {
        account: order.account,
        market: MARKET,
        order: OrderId::new(old),
        client_order_id: ClientOrderId::EMPTY,
        restriction,
        new_client_order_id: ClientOrderId::EMPTY,
        asked_us: 0,
    };
    Command::ReplaceOrder(Box::new(ReplaceOrder { cancel, mode, order, terms: Terms::NONE }))
}

/// Alice's order has traded 4 of 10 when her replace of it arrives; what the ledger tells when this follows the replace.
fn replace_late_before(next: Command) -> (World, String) {
    let mut world = World::new(Layout::Split);
    world.play("alice buy 10 @ 100");
    let sell = world.parse_order(&["bob", "sell", "4", "@", "100"]);
    world.ask(Command::NewOrder(sell));
    world.carry(0, 1, 10);
    let order = world.parse_order(&["alice", "buy", "10", "@", "90"]);
    world.private.clear();
    let cancel = CancelOrder {
        account: World::account("alice"),
        market: MARKET,
        order: OrderId::new(1),
        client_order_id: ClientOrderId::EMPTY,
        restriction: CancelRestriction::OnlyNew,
        new_client_order_id: ClientOrderId::EMPTY,
        asked_us: 0,
    };
    let replace = ReplaceOrder { cancel, mode: ReplaceMode::AllowFailure, order, terms: Terms::NONE };
    assert_eq!(world.ask(Command::ReplaceOrder(Box::new(replace))), Reply::Accepted { id: 3 });
    assert!(matches!(world.ask(next), Reply::Accepted { .. }));
    for partition in 0..3 {
        world.restart(partition);
    }
    world.carry_all();
    world.assert_settled();
    let told = world.told();
    (world, told)
}

fn mass_cancel(sides: Sides) -> Command {
    let (account, session) = (World::account("alice"), ClientSessionId::new(0));
    Command::MassCancel(MassCancel { account, market: MARKET, sides, session })
}

/// A mass cancel that finds the replacing order not yet in the market still covers it.
#[test]
fn a_replace_that_is_late_places_nothing_behind_a_mass_cancel() {
    for sides in [Sides::Both, Sides::Buy] {
        let (mut world, told) = replace_late_before(mass_cancel(sides));
        assert!(told.contains("refused 3 NotAttempted"), "{told}");
        assert_eq!(world.play("alice has"), "1004+0 base, 99600+0 quote");
    }
}

#[test]
fn a_replace_that_is_late_is_placed_behind_a_mass_cancel_of_the_other_side() {
    let (mut world, told) = replace_late_before(mass_cancel(Sides::Sell));
    assert!(told.contains("accepted 3, rests 3 10"), "{told}");
    assert_eq!(world.play("alice has"), "1004+0 base, 98100+1500 quote");
}

/// An amend finds the replacing order not yet in the market.
#[test]
fn a_replace_that_is_late_is_placed_behind_an_amend_that_came_too_early() {
    let (mut world, told) = replace_late_before(amend(3, 6, "other"));
    assert!(told.contains("accepted 3, rests 3 10"), "{told}");
    assert!(told.contains("not amended 3 TooLateToCancel"), "{told}");
    assert_eq!(world.play("alice has"), "1004+0 base, 98100+1500 quote");
}

/// Of an order of alice's.
fn amend(order: u64, units: i64, name: &str) -> Command {
    Command::AmendOrder(Box::new(AmendOrder {
        account: World::account("alice"),
        market: MARKET,
        order: OrderId::new(order),
        client_order_id: ClientOrderId::EMPTY,
        qty: qty(units),
        new_client_order_id: ClientOrderId::new(name.as_bytes()).unwrap(),
        asked_us: 0,
    }))
}

/// Fills on their way do an amend no harm; one that they leave nothing of is refused, and its name is free again.
#[test]
fn an_amend_meets_fills_that_the_ledger_does_not_know_yet() {
    for (fill, told) in [(4, "amended 1 10->6 leaves 2"), (6, "not amended 1 TooLateToCancel")] {
        let mut world = World::new(Layout::Split);
        world.play("alice buy 10 @ 100");
        let sell = world.parse_order(&["bob", "sell", &fill.to_string(), "@", "100"]);
        world.ask(Command::NewOrder(sell));
        world.carry(0, 1, 10);
        assert_eq!(world.ask(amend(1, 6, "other")), Reply::Accepted { id: 1 });
        assert_eq!(super::world::reason(world.ask(amend(1, 6, "third"))), wire::RejectReason::AmendPending);
        for partition in 0..3 {
            world.restart(partition);
        }
        world.private.clear();
        world.carry_all();
        world.assert_settled();
        assert!(world.told().ends_with(told), "{}", world.told());
        let again = world.play("alice sell 1 @ 200 as other");
        assert_eq!(again.starts_with("no Duplicate"), fill == 4, "{again}");
    }
}

/// The order has filled whole when an amend that leaves it its name arrives.
#[test]
fn an_amend_that_comes_too_late_leaves_the_name_of_its_order_taken() {
    let mut world = World::new(Layout::Split);
    world.play("alice buy 10 @ 100 as kept");
    let sell = world.parse_order(&["bob", "sell", "10", "@", "100"]);
    world.ask(Command::NewOrder(sell));
    world.carry(0, 1, 10);
    assert_eq!(world.ask(amend(1, 6, "kept")), Reply::Accepted { id: 1 });
    world.carry_all();
    world.assert_settled();
    assert!(world.told().ends_with("not amended 1 TooLateToCancel"), "{}", world.told());
    assert_eq!(world.play("alice sell 1 @ 200 as kept"), "no DuplicateClientOrderId 1");
    world.play("wait 60");
    assert_eq!(world.play("alice sell 1 @ 200 as kept"), "accepted 3, rests 3 1");
}

#[test]
fn an_amend_that_keeps_its_orders_name_needs_no_room_for_one_after_a_restart_either() {
    let mut world = World::with(Layout::Split, Limits { remembered_orders_max: 1, ..small_limits() }, rules());
    world.play("alice buy 10 @ 100 as kept");
    assert_eq!(super::world::reason(world.ask(amend(1, 6, "other"))), wire::RejectReason::Busy);
    assert_eq!(world.ask(amend(1, 6, "kept")), Reply::Accepted { id: 1 });
    world.restart(0);
    world.carry_all();
    assert!(world.told().ends_with("amended 1 10->6 leaves 6"), "{}", world.told());
}
