//! Stop orders: which trade triggers them, and what becomes of them.

use super::world::{check, check_with, rules};

#[test]
fn a_stop_loss_sells_at_the_market_when_a_trade_is_at_or_below_its_stop_price() {
    check(
        "alice sell 1 @ 100           -> accepted 1, rests 1 1
         bob buy 1 @ 100              -> accepted 2, filled 2 1@100, filled 1 1@100
         alice sell 5 stop-loss 90    -> accepted 3, armed 3
         alice has                    -> 994+5 base, 100100+0 quote
         bob buy 3 @ 92               -> accepted 4, rests 4 3
         bob buy 4 @ 88               -> accepted 5, rests 5 4
         carol sell 3 @ 92 ioc        -> accepted 6, filled 6 3@92 fee 6, filled 4 3@92
         carol sell 1 @ 88 ioc        -> accepted 7, filled 7 1@88 fee 2, fill 5 1@88, triggered 3, fill 3 3@88, filled 5 3@88, expired 3 2 TimeInForce
         alice has                    -> 996+0 base, 100364+0 quote",
    );
}

#[test]
fn a_stop_that_the_last_trade_has_met_is_refused_and_one_beyond_is_armed() {
    let orders = [
        ("sell 1 stop-loss 100", "sell 1 stop-loss 98"),
        ("buy 1 stop-loss 100", "buy 1 stop-loss 102"),
        ("sell 1 take-profit 100", "sell 1 take-profit 102"),
        ("buy 1 take-profit 100", "buy 1 take-profit 98"),
        ("sell 1 stop-loss 100 @ 90", "sell 1 stop-loss 98 @ 90"),
    ];
    for (met, beyond) in orders {
        check(&format!(
            "alice sell 1 @ 100       -> accepted 1, rests 1 1
             bob buy 1 @ 100          -> accepted 2, filled 2 1@100, filled 1 1@100
             carol {met}              -> refused 3 StopWouldTrigger
             carol {beyond}           -> accepted 4, armed 4
             carol cancel 4           -> canceled 4 1 Requested
             carol has                -> 1000+0 base, 100000+0 quote"
        ));
    }
}

#[test]
fn before_the_first_trade_no_stop_is_met() {
    check(
        "alice sell 1 stop-loss 100   -> accepted 1, armed 1
         alice buy 1 stop-loss 100    -> accepted 2, armed 2
         carol sell 1 @ 100           -> accepted 3, rests 3 1
         carol buy 2 @ 100            -> accepted 4, filled 4 1@100 fee 1, filled 3 1@100 fee 1, rests 4 1"
        .replace("filled 4 1@100 fee 1, filled 3 1@100 fee 1, rests 4 1", "fill 4 1@100 fee 1, filled 3 1@100 fee 1, rests 4 1, triggered 2, expired 2 1 TimeInForce, triggered 1, filled 1 1@100, filled 4 1@100 fee 1")
        .as_str(),
    );
}

#[test]
fn a_stop_limit_order_rests_at_its_limit_when_nothing_crosses() {
    check(
        "alice sell 1 @ 100           -> accepted 1, rests 1 1
         bob buy 1 @ 100              -> accepted 2, filled 2 1@100, filled 1 1@100
         alice buy 4 stop-loss 110 @ 112 -> accepted 3, armed 3
         alice has                    -> 999+0 base, 99652+448 quote
         carol sell 1 @ 110           -> accepted 4, rests 4 1
         bob buy 1 @ 110              -> accepted 5, filled 5 1@110, filled 4 1@110 fee 2, triggered 3, rests 3 4
         level buy 112                -> 4
         carol sell 4 @ 100           -> accepted 6, filled 6 4@112 fee 9, filled 3 4@112
         alice has                    -> 1003+0 base, 99652+0 quote",
    );
}

#[test]
fn a_stop_market_buy_holds_for_its_stop_price_and_what_the_hold_does_not_cover_expires() {
    check(
        "alice sell 1 @ 100           -> accepted 1, rests 1 1
         bob buy 1 @ 100              -> accepted 2, filled 2 1@100, filled 1 1@100
         bob buy 10 stop-loss 110     -> accepted 3, armed 3
         bob has                      -> 1001+0 base, 98740+1160 quote
         alice sell 1 @ 110           -> accepted 4, rests 4 1
         alice sell 6 @ 120           -> accepted 5, rests 5 6
         alice sell 9 @ 122           -> accepted 6, rests 6 9
         carol buy 1 @ 110            -> accepted 7, filled 7 1@110 fee 1, filled 4 1@110, triggered 3, fill 3 6@120, filled 5 6@120, fill 3 3@122, fill 6 3@122, expired 3 1 BudgetSpent
         bob has                      -> 1010+0 base, 98814+0 quote",
    );
}

#[test]
fn what_one_trade_makes_due_meets_the_book_in_order_of_triggers_then_ids() {
    check(
        "alice sell 1 @ 100           -> accepted 1, rests 1 1
         bob buy 1 @ 100              -> accepted 2, filled 2 1@100, filled 1 1@100
         alice sell 1 stop-loss 92 @ 50 -> accepted 3, armed 3
         alice sell 1 stop-loss 96 @ 50 -> accepted 4, armed 4
         alice sell 1 stop-loss 96 @ 50 -> accepted 5, armed 5
         carol buy 1 take-profit 94 @ 40 -> accepted 6, armed 6
         bob buy 1 @ 90               -> accepted 7, rests 7 1
         carol sell 1 @ 90            -> accepted 8, filled 8 1@90 fee 2, filled 7 1@90, triggered 4, rests 4 1, triggered 5, rests 5 1, triggered 6, rests 6 1, triggered 3, rests 3 1",
    );
}

#[test]
fn stops_trigger_stops_and_what_exceeds_one_commands_steps_goes_on_with_ticks() {
    // Eight steps: four stops with a fill each after the trade; the rest by ticks, which come out the same.
    let mut scenario = String::from(
        "alice sell 1 @ 300           -> accepted 1, rests 1 1
         bob buy 1 @ 300              -> accepted 2, filled 2 1@300, filled 1 1@300\n",
    );
    for n in 0..5 {
        let (stop, at) = (3 + n, 298 - 2 * n);
        scenario += &format!("alice sell 1 stop-loss {at} @ 200 -> accepted {stop}, armed {stop}\n");
    }
    for n in 0..6 {
        let (bid, at) = (8 + n, 298 - 2 * n);
        scenario += &format!("bob buy 1 @ {at} -> accepted {bid}, rests {bid} 1\n");
    }
    scenario += "carol sell 1 @ 298 ioc -> accepted 14, filled 14 1@298 fee 6, filled 8 1@298";
    for n in 0..5 {
        let (stop, bid, at) = (3 + n, 9 + n, 296 - 2 * n);
        scenario += &format!(", triggered {stop}, filled {stop} 1@{at}, filled {bid} 1@{at}");
    }
    check(&scenario);
}

#[test]
fn a_trailing_stop_follows_the_best_price_and_triggers_when_it_comes_back_far_enough() {
    check(
        "alice sell 1 @ 400           -> accepted 1, rests 1 1
         bob buy 1 @ 400              -> accepted 2, filled 2 1@400, filled 1 1@400
         alice sell 2 stop-loss trail 1000 @ 200 -> accepted 3, armed 3, tracks 3
         carol sell 1 @ 420           -> accepted 4, rests 4 1
         bob buy 1 @ 420              -> accepted 5, filled 5 1@420, filled 4 1@420 fee 5
         bob buy 1 @ 380              -> accepted 6, rests 6 1
         carol sell 1 @ 380           -> accepted 7, filled 7 1@380 fee 8, filled 6 1@380
         bob buy 1 @ 378              -> accepted 8, rests 8 1
         carol sell 1 @ 378           -> accepted 9, filled 9 1@378 fee 8, filled 8 1@378, triggered 3, rests 3 2",
    );
}

#[test]
fn a_trailing_stop_with_a_stop_price_starts_to_track_at_the_trade_that_meets_it() {
    check(
        "alice sell 1 @ 400           -> accepted 1, rests 1 1
         bob buy 1 @ 400              -> accepted 2, filled 2 1@400, filled 1 1@400
         alice buy 2 stop-loss 440 trail 500 @ 460 -> accepted 3, armed 3
         carol sell 1 @ 450           -> accepted 4, rests 4 1
         bob buy 1 @ 450              -> accepted 5, filled 5 1@450, filled 4 1@450 fee 5, tracks 3
         bob buy 1 @ 420              -> accepted 6, rests 6 1
         carol sell 1 @ 420           -> accepted 7, filled 7 1@420 fee 9, filled 6 1@420
         carol sell 1 @ 440           -> accepted 8, rests 8 1
         bob buy 1 @ 440              -> accepted 9, filled 9 1@440, filled 8 1@440 fee 5
         carol sell 1 @ 442           -> accepted 10, rests 10 1
         bob buy 1 @ 442              -> accepted 11, filled 11 1@442, filled 10 1@442 fee 5, triggered 3, rests 3 2",
    );
}

#[test]
fn a_stop_needs_a_price_or_a_delta_within_bounds_and_other_orders_take_neither() {
    check(
        "alice sell 1 stop-loss       -> no StopPriceMissing
         alice sell 1 stop-loss trail 9 -> no BadTrailingDelta
         alice sell 1 stop-loss trail 2001 -> no BadTrailingDelta
         alice sell 1 stop-loss 91    -> no PriceOffTick
         alice sell 1 @ 100 trail 100 -> no StopPriceNotTaken
         alice sell 1001 stop-loss 90 -> no QtyTooLarge
         alice sell 1 stop-loss trail 10 @ 100 -> accepted 1, armed 1
         alice sell 1 stop-loss trail 2000 @ 100 -> accepted 2, armed 2",
    );
}

#[test]
fn an_account_has_as_many_stop_orders_open_as_the_market_allows() {
    let mut rules = rules();
    rules.special.stop_orders_max = 2;
    check_with(
        rules,
        "alice sell 1 stop-loss 90    -> accepted 1, armed 1
         alice sell 1 stop-loss 90    -> accepted 2, armed 2
         alice sell 1 stop-loss 90    -> no TooManyStopOrders
         bob sell 1 stop-loss 90      -> accepted 3, armed 3
         alice cancel 1               -> canceled 1 1 Requested
         alice sell 1 stop-loss 90    -> accepted 4, armed 4",
    );
}

#[test]
fn a_mass_cancel_takes_the_book_first_then_the_stops() {
    check(
        "alice sell 1 stop-loss 90    -> accepted 1, armed 1
         alice sell 2 @ 110           -> accepted 2, rests 2 2
         alice buy 2 stop-loss 120    -> accepted 3, armed 3
         alice cancel all             -> canceled 2 2 MassCancel, canceled 1 1 MassCancel, canceled 3 2 MassCancel, all 3
         alice has                    -> 1000+0 base, 100000+0 quote",
    );
}
