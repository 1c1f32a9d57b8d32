//! What becomes of orders.

use super::world::{check, check_with, qty, rules};

#[test]
fn limit_orders_trade_by_price_then_time_at_the_makers_price() {
    check(
        "alice sell 5 @ 100 gtc       -> accepted 1, rests 1 5
         carol sell 5 @ 100 gtc       -> accepted 2, rests 2 5
         alice sell 5 @ 98 gtc        -> accepted 3, rests 3 5
         bob buy 12 @ 102 gtc         -> accepted 4, fill 4 5@98, filled 3 5@98, fill 4 5@100, filled 1 5@100, filled 4 2@100, fill 2 2@100 fee 2
         alice has                    -> 990+0 base, 100990+0 quote
         bob has                      -> 1012+0 base, 98810+0 quote
         carol has                    -> 995+3 base, 100198+0 quote",
    );
}

#[test]
fn a_buy_that_trades_below_its_limit_gets_the_difference_back_at_once() {
    check(
        "alice sell 4 @ 100           -> accepted 1, rests 1 4
         bob buy 10 @ 200             -> accepted 2, fill 2 4@100, filled 1 4@100, rests 2 6
         bob has                      -> 1004+0 base, 98400+1200 quote
         bob cancel 2                 -> canceled 2 6 Requested
         bob has                      -> 1004+0 base, 99600+0 quote",
    );
}

#[test]
fn immediate_or_cancel_trades_what_it_can_and_expires() {
    check(
        "alice sell 5 @ 100           -> accepted 1, rests 1 5
         bob buy 8 @ 102 ioc          -> accepted 2, fill 2 5@100, filled 1 5@100, expired 2 3 TimeInForce
         bob buy 8 @ 102 ioc          -> accepted 3, expired 3 8 TimeInForce
         bob has                      -> 1005+0 base, 99500+0 quote",
    );
}

#[test]
fn fill_or_kill_trades_all_of_it_or_nothing() {
    check(
        "alice sell 5 @ 100           -> accepted 1, rests 1 5
         alice sell 5 @ 104           -> accepted 2, rests 2 5
         bob buy 8 @ 102 fok          -> accepted 3, expired 3 8 TimeInForce
         bob buy 11 @ 104 fok         -> accepted 4, expired 4 11 TimeInForce
         bob buy 10 @ 104 fok         -> accepted 5, fill 5 5@100, filled 1 5@100, filled 5 5@104, filled 2 5@104
         bob has                      -> 1010+0 base, 98980+0 quote",
    );
}

#[test]
fn fill_or_kill_counts_neither_its_own_orders_nor_more_fills_than_it_may_cause() {
    check(
        "bob sell 5 @ 100             -> accepted 1, rests 1 5
         alice sell 5 @ 100           -> accepted 2, rests 2 5
         bob buy 6 @ 100 fok stp-maker -> accepted 3, expired 3 6 TimeInForce
         bob buy 5 @ 100 fok stp-taker -> accepted 4, expired 4 5 TimeInForce
         bob buy 5 @ 100 fok stp-both -> accepted 5, expired 5 5 TimeInForce
         bob buy 5 @ 100 fok stp-maker -> accepted 6, prevented 6 0 x 1 5 @100, expired 1 5 SelfTrade, filled 6 5@100, filled 2 5@100",
    );
    let nine: String = (1..=9).map(|n| format!("alice sell 1 @ 100 -> accepted {n}, rests {n} 1\n")).collect();
    check(&(nine + "bob buy 9 @ 100 fok -> accepted 10, expired 10 9 TimeInForce"));
}

#[test]
fn a_maker_only_order_that_would_cross_is_refused() {
    check(
        "alice sell 5 @ 100           -> accepted 1, rests 1 5
         bob buy 5 @ 100 maker-only   -> refused 2 WouldTake
         bob has                      -> 1000+0 base, 100000+0 quote
         bob buy 5 @ 98 maker-only    -> accepted 3, rests 3 5
         bob buy 5 @ 98 maker-only ioc -> no BadTimeInForce",
    );
}

#[test]
fn market_orders_by_base_quantity_stop_at_their_protection_price() {
    check(
        "alice sell 5 @ 100           -> accepted 1, rests 1 5
         alice sell 5 @ 120           -> accepted 2, rests 2 5
         bob buy 8 market 105         -> accepted 3, fill 3 5@100, filled 1 5@100, expired 3 3 TimeInForce
         bob has                      -> 1005+0 base, 99500+0 quote
         bob sell 5 market 95         -> accepted 4, expired 4 5 TimeInForce
         bob has                      -> 1005+0 base, 99500+0 quote",
    );
}

#[test]
fn a_market_buy_that_free_balance_does_not_cover_is_bounded_by_it() {
    check(
        "alice sell 500 @ 400         -> accepted 1, rests 1 500
         bob buy 500 market 420       -> accepted 2, fill 2 250@400, fill 1 250@400, expired 2 250 BudgetSpent
         bob has                      -> 1250+0 base, 0+0 quote",
    );
}

#[test]
fn market_orders_by_quote_quantity_trade_as_many_lots_as_it_reaches() {
    check(
        "alice sell 5 @ 100           -> accepted 1, rests 1 5
         alice sell 50 @ 102          -> accepted 2, rests 2 50
         bob buy quote 1000 market 110 -> accepted 3, fill 3 5@100, filled 1 5@100, filled 3 4@102, fill 2 4@102
         bob has                      -> 1009+0 base, 99092+0 quote
         bob buy quote 101 market 110 -> accepted 4, expired 4 0 BudgetSpent
         bob buy 20 @ 90              -> accepted 5, rests 5 20
         alice sell quote 500 market 80 -> accepted 6, filled 6 5@90, fill 5 5@90
         alice has                    -> 940+46 base, 101358+0 quote
         carol sell quote 90 market 88 -> accepted 7, filled 7 1@90 fee 2, fill 5 1@90
         carol sell quote 60 market 88 -> no NotionalTooSmall",
    );
}

#[test]
fn a_quote_quantity_that_outlives_the_book_expires() {
    check(
        "bob buy quote 1000 market 110 -> accepted 1, expired 1 0 TimeInForce
         alice sell 5 @ 100           -> accepted 2, rests 2 5
         bob buy quote 1000 market 110 -> accepted 3, fill 3 5@100, filled 2 5@100, expired 3 0 TimeInForce
         alice sell 5 @ 100           -> accepted 4, rests 4 5
         bob buy quote 550 market 110 -> accepted 5, filled 5 5@100, filled 4 5@100
         bob has                      -> 1010+0 base, 99000+0 quote",
    );
}

#[test]
fn a_market_sell_by_quote_quantity_holds_no_more_base_than_there_is() {
    check(
        "bob buy 400 @ 100            -> accepted 1, rests 1 400
         alice sell 990 @ 200         -> accepted 2, rests 2 990
         alice sell quote 2000 market 80 -> accepted 3, fill 3 10@100, fill 1 10@100, expired 3 15 BalanceSpent
         alice sell quote 2000 market 80 -> no InsufficientBalance
         alice has                    -> 0+990 base, 101000+0 quote",
    );
}

#[test]
fn self_trade_prevention_follows_the_taker() {
    check(
        "bob sell 5 @ 100             -> accepted 1, rests 1 5
         bob buy 5 @ 100 stp-taker    -> accepted 2, prevented 2 5 x 1 0 @100, expired 2 5 SelfTrade
         bob buy 5 @ 100 stp-both     -> accepted 3, prevented 3 5 x 1 5 @100, expired 1 5 SelfTrade, expired 3 5 SelfTrade
         bob sell 5 @ 100             -> accepted 4, rests 4 5
         alice sell 5 @ 102           -> accepted 5, rests 5 5
         bob buy 7 @ 102 stp-maker    -> accepted 6, prevented 6 0 x 4 5 @100, expired 4 5 SelfTrade, fill 6 5@102, filled 5 5@102, rests 6 2
         bob sell 2 @ 102             -> accepted 7, filled 7 2@102, filled 6 2@102
         bob has                      -> 1005+0 base, 99490+0 quote",
    );
}

#[test]
fn an_order_that_causes_as_many_fills_as_it_may_ends() {
    let ten: String = (1..=10).map(|n| format!("alice sell 1 @ 100 -> accepted {n}, rests {n} 1\n")).collect();
    let fills: String = (1..=8).map(|n| format!(", fill 11 1@100, filled {n} 1@100")).collect();
    check(
        &(ten
            + &format!(
                "bob buy 20 @ 100 -> accepted 11{fills}, expired 11 12 FillLimit\nbob has -> 1008+0 base, 99200+0 quote"
            )),
    );
}

#[test]
fn fees_are_charged_in_the_received_asset_by_role_and_round_up() {
    check(
        "carol sell 10 @ 150          -> accepted 1, rests 1 10
         bob buy 10 @ 150             -> accepted 2, filled 2 10@150, filled 1 10@150 fee 15
         carol has                    -> 990+0 base, 101485+0 quote
         bob sell 10 @ 150            -> accepted 3, rests 3 10
         carol buy 10 @ 150           -> accepted 4, filled 4 10@150 fee 1, filled 3 10@150
         carol has                    -> 999+0 base, 99985+0 quote",
    );
}

#[test]
fn cancels_release_the_hold_and_name_what_they_missed() {
    check(
        "alice sell 5 @ 100 as first  -> accepted 1, rests 1 5
         alice sell 5 @ 102           -> accepted 2, rests 2 5
         bob cancel 1                 -> no UnknownOrder
         alice cancel first           -> canceled 1 5 Requested
         alice cancel first           -> no UnknownOrder
         alice cancel 9               -> no UnknownOrder
         alice has                    -> 995+5 base, 100000+0 quote
         alice sell 1 @ 90            -> accepted 3, rests 3 1
         bob sell 1 @ 90              -> accepted 4, rests 4 1
         alice cancel all             -> canceled 2 5 MassCancel, canceled 3 1 MassCancel, all 2
         alice cancel all             -> no NoOpenOrders
         bob cancel 4                 -> canceled 4 1 Requested",
    );
}

#[test]
fn a_client_order_id_is_taken_until_a_minute_after_its_order_closed() {
    check(
        "alice sell 5 @ 100 as x      -> accepted 1, rests 1 5
         bob sell 5 @ 100 as x        -> accepted 2, rests 2 5
         alice sell 5 @ 100 as x      -> no DuplicateClientOrderId 1
         wait 100
         alice sell 5 @ 100 as x      -> no DuplicateClientOrderId 1
         alice cancel x               -> canceled 1 5 Requested
         wait 59
         alice sell 5 @ 100 as x      -> no DuplicateClientOrderId 1
         wait 1
         alice sell 5 @ 100 as x      -> accepted 3, rests 3 5
         alice buy 5 @ 100 maker-only as y -> refused 4 WouldTake
         alice sell 5 @ 100 as y      -> accepted 5, rests 5 5
         alice sell 5 @ 100 as x+     -> no BadClientOrderId",
    );
}

#[test]
fn a_closed_market_takes_cancels_alone() {
    check(
        "alice sell 5 @ 100           -> accepted 1, rests 1 5
         status closed
         bob buy 5 @ 100              -> no MarketClosed
         alice cancel 1               -> canceled 1 5 Requested
         status open
         bob buy 5 @ 100              -> accepted 2, rests 2 5",
    );
}

#[test]
fn every_filter_refuses_just_beyond_its_bound() {
    check(
        "alice buy 5 @ 101            -> no PriceOffTick
         alice buy 5 @ 1              -> no PriceTooLow
         alice buy 5 @ 2              -> accepted 1, rests 1 5
         alice sell 5 @ 1000000000002 -> no PriceTooHigh
         alice sell 5 @ 1000000000000 -> no NotionalTooLarge
         alice buy 0 @ 100            -> no QtyMissing
         alice buy quote 100 @ 100    -> no QtyMissing
         alice buy 5 quote 100 market 100 -> no QtyMissing
         alice buy 1001 @ 2           -> no QtyTooLarge
         alice buy 1000 @ 2           -> accepted 2, rests 2 1000
         alice buy 501 market 100     -> no QtyTooLarge
         alice buy 4 @ 2              -> no NotionalTooSmall
         alice sell 1000 @ 10002      -> no NotionalTooLarge
         alice sell 1000 @ 10000      -> accepted 3, rests 3 1000
         alice sell 1 @ 100           -> no InsufficientBalance
         alice buy 979 @ 100          -> accepted 4, rests 4 979
         alice buy 1 @ 92             -> no InsufficientBalance
         alice buy 1 @ 90             -> accepted 5, rests 5 1
         alice buy quote 9 market 90  -> no NotionalTooSmall
         alice buy quote 10 market 90 -> no InsufficientBalance
         alice buy 5 market 90        -> no InsufficientBalance
         bob buy 1 market 10          -> no NotionalTooSmall
         bob buy 1 market 11          -> accepted 6, expired 6 1 TimeInForce
         bob sell 1 market 9          -> no NotionalTooSmall
         bob sell 1 market 10         -> accepted 7, filled 7 1@100, fill 4 1@100",
    );
    let mut lots = rules();
    (lots.lot, lots.qty_min) = (qty(5), qty(10));
    check_with(
        lots,
        "alice buy 5 @ 100            -> no QtyTooSmall
         alice buy 12 @ 100           -> no QtyOffLot
         alice buy 10 @ 100           -> accepted 1, rests 1 10
         bob sell quote 999 market 90 -> accepted 2, filled 2 5@100, fill 1 5@100",
    );
}

#[test]
fn an_account_has_no_more_open_orders_in_a_market_than_it_may() {
    let mut two = rules();
    two.open_orders_max = 2;
    check_with(
        two,
        "alice sell 5 @ 100           -> accepted 1, rests 1 5
         alice sell 5 @ 100           -> accepted 2, rests 2 5
         alice sell 5 @ 100           -> no TooManyOpenOrders
         bob buy 5 @ 98               -> accepted 3, rests 3 5
         alice sell 1 @ 98 ioc        -> accepted 4, filled 4 1@98, fill 3 1@98
         alice cancel 1               -> canceled 1 5 Requested
         alice sell 5 @ 100           -> accepted 5, rests 5 5",
    );
}

#[test]
fn prices_far_outside_the_ladder_trade_in_order() {
    check(
        "alice sell 1 @ 9000000       -> accepted 1, rests 1 1
         alice sell 1 @ 100           -> accepted 2, rests 2 1
         alice sell 1 @ 1000000       -> accepted 3, rests 3 1
         alice sell 1 @ 90            -> accepted 4, rests 4 1
         bob buy 1 @ 2 ioc            -> no NotionalTooSmall
         bob buy 10 @ 10              -> accepted 5, rests 5 10
         bob buy 2 @ 40000            -> accepted 6, fill 6 1@90, filled 4 1@90, filled 6 1@100, filled 2 1@100
         alice cancel all             -> canceled 1 1 MassCancel, canceled 3 1 MassCancel, all 2",
    );
}
