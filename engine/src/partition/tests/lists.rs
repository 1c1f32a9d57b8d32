//! Order lists.

use wire::command::{CancelAll, CancelOrder, CancelOrderList, Reply, SetMarketStatus};
use wire::{CancelRestriction, ClientOrderId, Command, ListId, OrderId, RejectReason, ReplaceMode};

use super::changes::replace;
use super::world::{Layout, MARKET, World, check, check_with, reason, rules};

/// After one trade at 100 between alice and bob, who each give and get one.
fn check_traded(scenario: &str) {
    let traded = "alice sell 1 @ 100 -> accepted 1, rests 1 1
         bob buy 1 @ 100 -> accepted 2, filled 2 1@100, filled 1 1@100\n";
    check(&format!("{traded}{scenario}"));
}

#[test]
fn one_hold_covers_both_orders_of_a_pair_and_the_first_fill_of_one_ends_the_other() {
    check_traded(
        "alice oco l | sell 5 stop-loss 90 | sell 5 @ 110 maker-only -> list 1, accepted 3, armed 3, accepted 4, rests 4 5
         alice has                    -> 994+5 base, 100100+0 quote
         level sell 110               -> 5
         bob buy 2 @ 110              -> expired 3 5 OtherLeg, accepted 5, filled 5 2@110, fill 4 2@110
         alice has                    -> 994+3 base, 100320+0 quote
         bob buy 3 @ 110              -> accepted 6, filled 6 3@110, filled 4 3@110, done 1
         alice has                    -> 994+0 base, 100650+0 quote",
    );
}

#[test]
fn a_trigger_ends_the_limit_order_of_the_pair_first() {
    check_traded(
        "alice oco l | sell 5 stop-loss 90 @ 80 | sell 5 @ 110 maker-only -> list 1, accepted 3, armed 3, accepted 4, rests 4 5
         bob buy 4 @ 90               -> accepted 5, rests 5 4
         carol sell 1 @ 90            -> accepted 6, filled 6 1@90 fee 2, fill 5 1@90, expired 4 5 OtherLeg, triggered 3, fill 3 3@90, filled 5 3@90, rests 3 2
         level sell 110               -> 0
         level sell 80                -> 2
         alice has                    -> 994+2 base, 100370+0 quote
         alice cancel 3               -> canceled 3 2 Requested, done 1
         alice has                    -> 996+0 base, 100370+0 quote",
    );
}

#[test]
fn of_a_buy_the_larger_need_is_held_and_the_rest_is_free_when_the_other_ends() {
    check_traded(
        "bob oco l | buy 10 stop-loss 110 @ 120 | buy 10 @ 90 maker-only -> list 1, accepted 3, armed 3, accepted 4, rests 4 10
         bob has                      -> 1001+0 base, 98700+1200 quote
         carol sell 4 @ 90            -> expired 3 10 OtherLeg, accepted 5, filled 5 4@90 fee 8, fill 4 4@90
         bob has                      -> 1005+0 base, 99000+540 quote
         bob cancel 4                 -> canceled 4 6 Requested, done 1
         bob has                      -> 1005+0 base, 99540+0 quote",
    );
}

#[test]
fn a_cancel_of_one_order_or_of_the_list_ends_both() {
    check_traded(
        "alice oco l | sell 5 stop-loss 90 | sell 5 @ 110 maker-only -> list 1, accepted 3, armed 3, accepted 4, rests 4 5
         alice cancel 3               -> canceled 4 5 Requested, canceled 3 5 Requested, done 1
         level sell 110               -> 0
         alice oco l | sell 5 stop-loss 90 | sell 5 @ 110 maker-only -> list 2, accepted 5, armed 5, accepted 6, rests 6 5
         alice cancel 6               -> canceled 5 5 Requested, canceled 6 5 Requested, done 2
         alice oco l | sell 5 stop-loss 90 | sell 5 take-profit 110 -> list 3, accepted 7, armed 7, accepted 8, armed 8
         alice cancel list 3          -> canceled 8 5 Requested, canceled 7 5 Requested, done 3
         alice oco l | sell 5 stop-loss 90 | sell 5 @ 110 maker-only -> list 4, accepted 9, armed 9, accepted 10, rests 10 5
         alice cancel all             -> canceled 9 5 MassCancel, canceled 10 5 MassCancel, done 4, all 2
         alice cancel list 4          -> no UnknownOrderList
         alice has                    -> 999+0 base, 100100+0 quote",
    );
}

#[test]
fn a_pair_enters_whole_or_not_at_all() {
    check_traded(
        "bob sell 3 @ 104             -> accepted 3, rests 3 3
         bob buy 3 @ 96               -> accepted 4, rests 4 3
         alice oco l | sell 5 stop-loss 90 | sell 5 @ 96 maker-only -> list 1, refused 5 WouldTake, refused 6 WouldTake, list 1 refused WouldTake
         alice oco l | sell 5 stop-loss 90 | sell 5 @ 98 maker-only -> list 2, refused 7 BadListPrices, refused 8 BadListPrices, list 2 refused BadListPrices
         alice oco l | sell 5 stop-loss 100 | sell 5 @ 110 maker-only -> list 3, refused 9 StopWouldTrigger, refused 10 StopWouldTrigger, list 3 refused StopWouldTrigger
         alice has                    -> 999+0 base, 100100+0 quote
         alice oco l | sell 5 stop-loss 98 | sell 5 @ 102 maker-only -> list 4, accepted 11, armed 11, accepted 12, rests 12 5",
    );
}

#[test]
fn legs_must_make_a_list_of_their_kind() {
    let mut rules = rules();
    rules.special.order_lists_max = 1;
    check_with(
        rules,
        "alice oco l | sell 5 stop-loss 90 | sell 4 @ 110 maker-only -> no BadOrderList
         alice oco l | sell 5 stop-loss 90 | buy 5 @ 110 maker-only -> no BadOrderList
         alice oco l | sell 5 stop-loss 90 | sell 5 @ 110 -> no BadOrderList
         alice oco l | sell 5 @ 120 maker-only | sell 5 @ 110 maker-only -> no BadOrderList
         alice oco l | sell 5 stop-loss 90 as x | sell 5 @ 110 maker-only as x -> no BadOrderList
         alice oco l | sell 5 stop-loss 110 | sell 5 @ 110 maker-only -> no BadListPrices
         alice oco l | buy 5 stop-loss 90 | buy 5 @ 110 maker-only -> no BadListPrices
         alice oco l | sell 5 stop-loss 90 -> no BadOrderList
         alice oto l | sell 5 stop-loss 90 | sell 5 @ 110 -> no BadOrderList
         alice oto l | sell 5 @ 100 | buy quote 500 market 110 -> no BadOrderList
         alice oco l | sell 1001 stop-loss 90 | sell 1001 @ 110 maker-only -> no QtyTooLarge
         alice oco l | sell 500 stop-loss 90 | sell 500 @ 110 maker-only -> list 1, accepted 1, armed 1, accepted 2, rests 2 500
         alice oco l | sell 5 stop-loss 90 | sell 5 @ 110 maker-only -> no DuplicateListClientOrderId 1
         alice oco m | sell 5 stop-loss 90 | sell 5 @ 110 maker-only -> no TooManyOrderLists
         bob oto l | sell 5 @ 100 | buy 2000 @ 100 -> no QtyTooLarge",
    );
}

#[test]
fn a_pending_order_is_held_for_and_placed_when_the_working_one_has_filled_whole() {
    check_traded(
        "alice oto l | buy 5 @ 90 | sell 5 @ 120 -> list 1, accepted 3, rests 3 5
         alice has                    -> 999+0 base, 99650+450 quote
         carol sell 3 @ 90            -> accepted 5, filled 5 3@90 fee 6, fill 3 3@90
         alice has                    -> 1002+0 base, 99650+180 quote
         carol sell 2 @ 90            -> accepted 6, filled 6 2@90 fee 4, filled 3 2@90, accepted 4, rests 4 5
         alice has                    -> 999+5 base, 99650+0 quote
         bob buy 5 @ 120              -> accepted 7, filled 7 5@120, filled 4 5@120, done 1",
    );
}

#[test]
fn a_pending_order_ends_with_the_working_one_even_when_that_has_filled_in_part() {
    check_traded(
        "alice oto l | buy 5 @ 90 | sell 5 @ 120 -> list 1, accepted 3, rests 3 5
         carol sell 3 @ 90            -> accepted 5, filled 5 3@90 fee 6, fill 3 3@90
         alice cancel 4               -> canceled 3 2 Requested, canceled 4 5 Requested, done 1
         alice oto l | buy 5 @ 90 ioc | sell 5 @ 120 -> list 2, accepted 6, expired 6 5 TimeInForce, expired 7 5 WorkingEnded, done 2
         alice oto l | buy 5 @ 90 | sell 5 @ 120 -> list 3, accepted 8, rests 8 5
         alice cancel all             -> canceled 8 5 MassCancel, canceled 9 5 MassCancel, done 3, all 1
         alice oto l | buy 5 @ 90 | sell 5 @ 120 -> list 4, accepted 10, rests 10 5
         alice cancel list 4          -> canceled 10 5 Requested, canceled 11 5 Requested, done 4
         alice has                    -> 1002+0 base, 99830+0 quote",
    );
}

#[test]
fn a_pending_order_that_cannot_be_placed_ends() {
    check_traded(
        "alice oto l | buy 5 @ 90 | buy 400 @ 250 -> list 1, accepted 3, rests 3 5
         carol sell 5 @ 90            -> accepted 5, filled 5 5@90 fee 9, filled 3 5@90, expired 4 400 NotPlaced, done 1
         bob buy 5 @ 92               -> accepted 6, rests 6 5
         alice oto l | buy 5 @ 92 | sell 5 @ 92 maker-only -> list 2, accepted 7, rests 7 5
         bob buy 5 @ 92               -> accepted 9, rests 9 5
         carol sell 10 @ 92           -> accepted 10, fill 10 5@92 fee 10, filled 6 5@92, filled 10 5@92 fee 10, filled 7 5@92, expired 8 5 NotPlaced, done 2",
    );
}

#[test]
fn a_working_order_that_fills_in_an_auction_has_what_waits_placed_after_it() {
    check(
        "alice oto l | buy 5 @ 90 | sell 5 stop-loss 80 -> list 1, accepted 1, rests 1 5
         alice otoco m | buy 4 @ 92 | sell 4 stop-loss 80 | sell 4 @ 120 maker-only -> list 2, accepted 3, rests 3 4
         bob oto n | buy 3 @ 94 | sell 3 market 80 -> list 3, accepted 6, rests 6 3
         phase auction
         carol sell 12 @ 90           -> accepted 8, rests 8 12
         phase trading                -> fill 8 3@90 fee 6, filled 6 3@90, fill 8 4@90 fee 8, filled 3 4@90, filled 8 5@90 fee 9, filled 1 5@90, accepted 7, expired 7 3 TimeInForce, done 3, accepted 4, armed 4, accepted 5, rests 5 4, accepted 2, armed 2",
    );
}

/// Orders of three lists fill in the first of two parts of an uncrossing. What waited for them is held for at once, comes in
/// after the second part, and can be canceled and amended before.
#[test]
fn what_waits_for_an_order_that_fills_in_the_first_of_several_parts_of_an_uncrossing_is_placed_after_the_last() {
    let all = "accepted 2, armed 2, accepted 4, armed 4, accepted 5, rests 5 2, accepted 7, rests 7 2";
    for (meanwhile, at_once, after) in [
        ("", "", all),
        (
            "alice cancel 4",
            "accepted 5, canceled 5 2 Requested, accepted 4, canceled 4 2 Requested, done 2",
            "accepted 2, armed 2, accepted 7, rests 7 2",
        ),
        (
            "alice cancel 7",
            "accepted 7, canceled 7 2 Requested, done 3",
            "accepted 2, armed 2, accepted 4, armed 4, accepted 5, rests 5 2",
        ),
        (
            "alice amend 7 to 1",
            "amended 7 2->1 leaves 1",
            "accepted 2, armed 2, accepted 4, armed 4, accepted 5, rests 5 2, accepted 7, rests 7 1",
        ),
        (
            "phase halted",
            "",
            "expired 2 2 NotPlaced, done 1, expired 4 2 NotPlaced, expired 5 2 NotPlaced, done 2, expired 7 2 NotPlaced, done 3",
        ),
    ] {
        for layout in [Layout::Joint, Layout::Split] {
            let mut world = World::new(layout);
            world.play("alice oto l | buy 2 @ 100 | sell 2 stop-loss 80");
            world.play("alice otoco m | buy 2 @ 100 | sell 2 stop-loss 80 | sell 2 @ 120 maker-only");
            world.play("alice oto n | buy 2 @ 100 | sell 2 @ 130");
            world.play("phase auction");
            for _ in 0..8 {
                world.play("bob buy 2 @ 100");
            }
            for _ in 0..11 {
                world.play("carol sell 2 @ 100");
            }
            world.private.clear();
            let status = wire::MarketStatus::Trading;
            world.ask(Command::SetMarketStatus(SetMarketStatus { market: MARKET, status }));
            world.carry_all();
            world.restart_all();
            let told = world.told();
            assert!(told.contains("filled 6 2@100") && !told.contains("accepted"), "{told}");
            assert_eq!(world.play_at_once("alice has"), "1000+6 base, 99400+0 quote", "what is to come is held for");
            world.private.clear();
            if !meanwhile.is_empty() {
                let told = world.play_at_once(meanwhile);
                assert!(told.starts_with(at_once), "{meanwhile}: {told}");
                world.restart_all();
            }
            world.pass_time();
            world.assert_settled();
            let told = world.told();
            let is_fill = |told: &&str| told.starts_with("fill");
            let told: Vec<&str> = told.split(", ").filter(|told| !is_fill(told)).collect();
            let wanted = if at_once.is_empty() { after.to_owned() } else { format!("{at_once}, {after}") };
            assert_eq!(told.join(", "), wanted, "{layout:?}: {meanwhile}");
            let held = after
                .split(", ")
                .filter(|told| told.starts_with("accepted 2") || told.starts_with("accepted 5"))
                .count()
                * 2
                + if after.contains("rests 7 2") { 2 } else { usize::from(after.contains("rests 7 1")) };
            assert_eq!(world.play("alice has"), format!("{}+{held} base, 99400+0 quote", 1_006 - held));
        }
    }
}

/// A cancel of what waits is on its way while what it waits for fills: it has one outcome.
#[test]
fn a_cancel_of_what_waits_has_one_outcome_even_when_the_working_order_fills_before_it() {
    let mut world = World::new(Layout::Split);
    world.play("alice oto l | buy 5 @ 90 | sell 5 @ 120");
    world.play("alice sell 1 @ 150");
    let sell = world.parse_order(&["bob", "sell", "5", "@", "90"]);
    world.ask(Command::NewOrder(sell));
    world.carry(0, 1, 10);
    world.private.clear();
    let cancel = |order| {
        Command::CancelOrder(CancelOrder {
            account: World::account("alice"),
            market: MARKET,
            order: OrderId::new(order),
            client_order_id: ClientOrderId::EMPTY,
            restriction: CancelRestriction::None,
            new_client_order_id: ClientOrderId::EMPTY,
            asked_us: 0,
        })
    };
    // Another one is before it, and one after it has nothing left to cancel.
    for order in [3, 2, 1] {
        assert_eq!(world.ask(cancel(order)), Reply::Accepted { id: order });
    }
    world.restart_all();
    world.carry_all();
    world.assert_settled();
    let told = world.told();
    assert_eq!(told.matches("canceled 2 5 Requested").count(), 1, "{told}");
    assert_eq!(told.matches("canceled 3 1 Requested").count(), 1, "{told}");
    assert_eq!(told.matches("TooLateToCancel").count(), 1, "{told}");
}

#[test]
fn a_working_order_that_the_market_refuses_takes_its_list_with_it() {
    check_traded(
        "alice oto l | buy 5 @ 102 maker-only | sell 5 @ 120 -> list 1, accepted 3, rests 3 5
         bob oto l | sell 5 @ 102 maker-only | buy 5 @ 90 -> list 2, refused 5 WouldTake, refused 6 WouldTake, list 2 refused WouldTake
         bob has                      -> 1001+0 base, 99900+0 quote",
    );
}

#[test]
fn a_working_order_may_fill_at_once_and_its_pair_follows() {
    check_traded(
        "bob sell 5 @ 100             -> accepted 3, rests 3 5
         alice otoco l | buy 5 @ 100 | sell 5 stop-loss 90 | sell 5 @ 110 maker-only -> list 1, accepted 4, filled 4 5@100, filled 3 5@100, accepted 5, armed 5, accepted 6, rests 6 5
         alice has                    -> 999+5 base, 99600+0 quote
         bob buy 5 @ 110              -> expired 5 5 OtherLeg, accepted 7, filled 7 5@110, filled 6 5@110, done 1
         alice has                    -> 999+0 base, 100150+0 quote",
    );
}

#[test]
fn a_pair_that_the_market_refuses_in_its_turn_ends() {
    check_traded(
        "alice otoco l | buy 5 @ 90 | sell 5 stop-loss 90 | sell 5 @ 110 maker-only -> list 1, accepted 3, rests 3 5
         carol sell 5 @ 90            -> accepted 6, filled 6 5@90 fee 9, filled 3 5@90, expired 4 5 NotPlaced, expired 5 5 NotPlaced, done 1
         alice has                    -> 1004+0 base, 99650+0 quote",
    );
}

#[test]
fn prevention_that_decrements_an_order_of_a_pair_ends_the_other() {
    check_traded(
        "alice oco l | sell 5 stop-loss 90 | sell 5 @ 110 maker-only -> list 1, accepted 3, armed 3, accepted 4, rests 4 5
         alice buy 2 @ 110 stp-decrement -> expired 3 5 OtherLeg, accepted 5, prevented 5 2 x 4 2 @110, expired 5 0 SelfTrade
         alice has                    -> 996+3 base, 100100+0 quote
         alice cancel 4               -> canceled 4 3 Requested, done 1",
    );
}

#[test]
fn orders_of_lists_can_be_replaced() {
    check_traded(
        "alice oco l | sell 5 stop-loss 90 | sell 5 @ 110 maker-only -> list 1, accepted 3, armed 3, accepted 4, rests 4 5
         alice replace 4 or-stop sell 6 @ 120 -> canceled 3 5 Requested, canceled 4 5 Requested, done 1, accepted 5, rests 5 6
         alice has                    -> 993+6 base, 100100+0 quote",
    );
}

#[test]
fn a_replace_of_an_order_that_waits_ends_its_list() {
    for mode in ["or-stop", "or-else"] {
        check(&format!(
            "alice oto l | buy 5 @ 90 | sell 5 @ 120 -> list 1, accepted 1, rests 1 5
             alice replace 2 {mode} sell 6 @ 130 -> canceled 1 5 Requested, canceled 2 5 Requested, done 1, accepted 3, rests 3 6
             alice has                    -> 994+6 base, 100000+0 quote
             alice otoco l | buy 5 @ 90 | sell 5 stop-loss 80 | sell 5 @ 120 maker-only -> list 2, accepted 4, rests 4 5
             bob sell 2 @ 90              -> accepted 7, filled 7 2@90, fill 4 2@90
             alice replace 6 {mode} buy 1000 @ 90 -> canceled 4 3 Requested, canceled 5 5 Requested, canceled 6 5 Requested, done 2, accepted 8, rests 8 1000
             alice has                    -> 996+6 base, 9820+90000 quote",
        ));
    }
}

/// The replace of an order that waits is on its way while what it waits for fills: nothing is placed but the new order.
#[test]
fn a_replace_covers_what_waits_even_when_the_working_order_fills_before_it() {
    for (sold, left) in [("5", "1005+0 base, 99470+80 quote"), ("3", "1003+0 base, 99650+80 quote")] {
        for mode in ReplaceMode::ALL {
            for restriction in [CancelRestriction::None, CancelRestriction::OnlyNew] {
                let mut world = World::new(Layout::Split);
                world.play("alice oto l | buy 5 @ 90 | sell 5 @ 120");
                let sell = world.parse_order(&["bob", "sell", sold, "@", "90"]);
                world.ask(Command::NewOrder(sell));
                world.carry(0, 1, 10);
                let order = world.parse_order(&["alice", "buy", "1", "@", "80"]);
                world.private.clear();
                let replace = replace(2, restriction, *mode, order);
                assert_eq!(world.ask(replace), Reply::Accepted { id: 4 });
                world.restart_all();
                world.carry_all();
                world.assert_settled();
                let told = world.told();
                let leg = if sold == "5" { "" } else { "canceled 1 2 Requested, " };
                assert!(told.contains(&format!("{leg}canceled 2 5 Requested, done 1, ")), "{told}");
                assert!(told.ends_with("accepted 4, rests 4 1"), "{told}");
                assert!(!told.contains("no "), "{told}");
                assert_eq!(world.play("alice has"), left);
            }
        }
    }
}

#[test]
fn a_replace_of_an_order_that_waits_is_refused_when_only_traded_ones_may_go() {
    let mut world = World::new(Layout::Joint);
    world.play("alice oto l | buy 5 @ 90 | sell 5 @ 120");
    world.play("bob sell 3 @ 90");
    for mode in ReplaceMode::ALL {
        let order = world.parse_order(&["alice", "buy", "1", "@", "80"]);
        let restriction = CancelRestriction::OnlyPartiallyFilled;
        let reply = world.settle(replace(2, restriction, *mode, order));
        assert_eq!(matches!(reply, Reply::Accepted { .. }), *mode == ReplaceMode::AllowFailure);
        let wanted = "no CancelRestricted 2, accepted 4, rests 4 1";
        assert!(*mode == ReplaceMode::StopOnFailure || world.told().ends_with(wanted), "{}", world.told());
    }
}

/// A cancel is on its way while the working order fills: what waits is not placed.
#[test]
fn a_cancel_covers_what_waits_even_when_the_working_order_fills_before_it() {
    for is_mass_cancel in [false, true] {
        let mut world = World::new(Layout::Split);
        world.play("alice oto l | buy 5 @ 90 | sell 5 @ 120");
        let sell = world.parse_order(&["bob", "sell", "5", "@", "90"]);
        world.ask(Command::NewOrder(sell));
        world.carry(0, 1, 10);
        world.private.clear();
        let account = World::account("alice");
        let reply = if is_mass_cancel {
            world.ask(Command::CancelAll(CancelAll { account, market: MARKET }))
        } else {
            world.ask(Command::CancelOrderList(CancelOrderList {
                account,
                market: MARKET,
                list: ListId::new(1),
                list_client_order_id: ClientOrderId::EMPTY,
                new_client_order_id: ClientOrderId::EMPTY,
                asked_us: 0,
            }))
        };
        assert_eq!(reply, Reply::Accepted { id: if is_mass_cancel { 0 } else { 1 } });
        for partition in 0..3 {
            world.restart(partition);
        }
        world.carry_all();
        world.assert_settled();
        let told = world.told();
        let wanted = if is_mass_cancel { "canceled 2 5 MassCancel, done 1" } else { "canceled 2 5 Requested, done 1" };
        assert!(told.contains(wanted), "{told}");
        assert_eq!(world.play("alice has"), "1005+0 base, 99550+0 quote");
    }
}

#[test]
fn a_list_needs_room_for_all_of_its_orders() {
    let mut rules = rules();
    rules.open_orders_max = 4;
    let mut world = World::with(Layout::Joint, super::world::small_limits(), rules);
    world.play("alice sell 1 @ 100");
    world.play("alice sell 1 @ 100");
    let legs = ["sell", "5", "stop-loss", "90", "|", "sell", "5", "@", "110", "maker-only"];
    let list = world.parse_list("alice", "oco", "l", &legs);
    assert!(matches!(world.settle(Command::NewOrderList(list)), Reply::Accepted { .. }));
    world.play("alice cancel list 1");
    world.play("alice sell 1 @ 100");
    let list = world.parse_list("alice", "oco", "m", &legs);
    assert_eq!(reason(world.settle(Command::NewOrderList(list))), RejectReason::TooManyOpenOrders);
}
