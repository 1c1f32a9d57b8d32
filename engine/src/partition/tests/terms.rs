//! Icebergs, and orders that expire.

use super::world::{check, check_with, rules};

#[test]
fn an_iceberg_shows_a_slice_and_the_next_one_goes_to_the_end_of_its_level() {
    check(
        "alice sell 10 @ 100 show 4   -> accepted 1, rests 1 10
         bob sell 3 @ 100             -> accepted 2, rests 2 3
         level sell 100               -> 7
         carol buy 5 @ 100            -> accepted 3, fill 3 4@100 fee 1, fill 1 4@100, filled 3 1@100 fee 1, fill 2 1@100
         level sell 100               -> 6
         carol buy 4 @ 100            -> accepted 4, fill 4 2@100 fee 1, filled 2 2@100, filled 4 2@100 fee 1, fill 1 2@100
         level sell 100               -> 2
         carol buy 5 @ 100 ioc        -> accepted 5, fill 5 2@100 fee 1, fill 1 2@100, fill 5 2@100 fee 1, filled 1 2@100, expired 5 1 TimeInForce
         level sell 100               -> 0
         alice has                    -> 990+0 base, 101000+0 quote",
    );
}

#[test]
fn an_iceberg_takes_with_all_of_it_and_rests_with_a_slice() {
    check(
        "bob buy 7 @ 100              -> accepted 1, rests 1 7
         alice sell 20 @ 100 show 6   -> accepted 2, fill 2 7@100, filled 1 7@100, rests 2 13
         level sell 100               -> 6
         alice cancel 2               -> canceled 2 13 Requested
         level sell 100               -> 0
         alice has                    -> 993+0 base, 100700+0 quote",
    );
}

#[test]
fn fill_or_kill_counts_what_an_iceberg_hides() {
    check(
        "alice sell 10 @ 100 show 4   -> accepted 1, rests 1 10
         bob buy 11 @ 100 fok         -> accepted 2, expired 2 11 TimeInForce
         bob buy 10 @ 100 fok         -> accepted 3, fill 3 4@100, fill 1 4@100, fill 3 4@100, fill 1 4@100, filled 3 2@100, filled 1 2@100",
    );
}

#[test]
fn self_trade_prevention_expires_all_of_an_iceberg() {
    check(
        "alice sell 10 @ 100 show 4   -> accepted 1, rests 1 10
         alice buy 3 @ 100 stp-maker  -> accepted 2, prevented 2 0 x 1 10 @100, expired 1 10 SelfTrade, rests 2 3
         alice has                    -> 1000+0 base, 99700+300 quote",
    );
}

#[test]
fn what_an_iceberg_shows_keeps_to_the_filters() {
    let mut rules = rules();
    rules.special.iceberg_parts_max = 3;
    check_with(
        rules,
        "alice sell 10 @ 100 show 3   -> no TooManyIcebergParts
         alice sell 9 @ 100 show 3    -> accepted 1, rests 1 9
         alice sell 9 @ 100 show 10   -> no BadIcebergQty
         alice sell 9 @ 100 show 3 ioc -> no BadIcebergQty
         alice sell 9 market 90 show 3 -> no BadIcebergQty
         alice sell 9 @ 102 show 9    -> accepted 2, rests 2 9",
    );
}

#[test]
fn day_orders_expire_at_midnight_and_dated_ones_at_their_date() {
    check(
        "alice sell 5 @ 100 day       -> accepted 1, rests 1 5
         alice sell 5 @ 102 gtd 60    -> accepted 2, rests 2 5
         alice buy 5 stop-loss 120 gtd 30 -> no BadTimeInForce
         alice buy 5 stop-loss 120 @ 120 gtd 30 -> accepted 3, armed 3
         alice sell 5 @ 104 gtd 0     -> no BadExpiry
         wait 29
         tick                         ->
         wait 1
         tick                         -> expired 3 5 Expired
         wait 30
         tick                         -> expired 2 5 Expired
         level sell 102               -> 0
         wait 86338
         tick                         ->
         wait 1
         tick                         -> expired 1 5 Expired
         alice has                    -> 1000+0 base, 100000+0 quote",
    );
}

#[test]
fn a_dated_order_that_is_filled_or_canceled_does_not_expire() {
    check(
        "alice sell 5 @ 100 gtd 60    -> accepted 1, rests 1 5
         alice sell 5 @ 102 day       -> accepted 2, rests 2 5
         bob buy 2 @ 100              -> accepted 3, filled 3 2@100, fill 1 2@100
         bob buy 3 @ 100              -> accepted 4, filled 4 3@100, filled 1 3@100
         alice cancel 2               -> canceled 2 5 Requested
         wait 90000
         tick                         ->",
    );
}

#[test]
fn day_orders_expire_when_their_market_closes() {
    check(
        "alice sell 5 @ 100 day       -> accepted 1, rests 1 5
         alice sell 5 @ 102           -> accepted 2, rests 2 5
         alice buy 5 stop-loss 120 @ 120 day -> accepted 3, armed 3
         alice sell 5 @ 104 gtd 60    -> accepted 4, rests 4 5
         phase closed                 -> expired 1 5 Expired, expired 3 5 Expired
         phase trading                ->
         alice has                    -> 990+10 base, 100000+0 quote",
    );
}

#[test]
fn more_orders_than_one_command_may_end_expire_over_several() {
    let mut scenario: String =
        (1..=12).map(|n| format!("alice sell 1 @ 100 day -> accepted {n}, rests {n} 1\n")).collect();
    scenario += "wait 90000\ntick -> ";
    scenario += &(1..=12).map(|n| format!("expired {n} 1 Expired")).collect::<Vec<String>>().join(", ");
    check(&scenario);
}
