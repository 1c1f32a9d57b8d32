//! Pegged orders and minimum quantities.

use wire::command::{NewOrderOnTerms, SetMarketProtection};
use wire::{Command, MarketProtection, MarketRules, Peg, PegSide, SpecialRules, Terms};

use super::world::{Layout, MARKET, World, check, check_with, price, qty, rules};

#[test]
fn a_primary_peg_joins_the_best_price_of_its_own_side_and_keeps_it() {
    check(
        "alice buy 3 @ 100                -> accepted 1, rests 1 3
         bob buy 2 peg primary ~ 110      -> accepted 2, pegged 2 @100, rests 2 2
         bob has                          -> 1000+0 base, 99800+200 quote
         level buy 100                    -> 5
         alice buy 1 @ 104                -> accepted 3, rests 3 1
         level buy 100                    -> 5
         carol sell 5 @ 100 ioc           -> accepted 4, fill 4 1@104 fee 3, filled 3 1@104, fill 4 3@100 fee 6, filled 1 3@100, filled 4 1@100 fee 2, fill 2 1@100
         bob cancel 2                     -> canceled 2 1 Requested
         bob has                          -> 1001+0 base, 99900+0 quote",
    );
}

#[test]
fn a_market_peg_trades_at_the_best_opposite_price_and_only_there() {
    check(
        "alice sell 2 @ 100                -> accepted 1, rests 1 2
         alice sell 9 @ 102                -> accepted 2, rests 2 9
         bob buy 5 peg market ~ 106 ioc    -> accepted 3, pegged 3 @100, fill 3 2@100, filled 1 2@100, expired 3 3 TimeInForce
         bob buy 5 peg market ~ 106        -> accepted 4, pegged 4 @102, filled 4 5@102, fill 2 5@102
         bob buy 5 peg market ~ 106 fok    -> accepted 5, expired 5 5 TimeInForce
         bob has                           -> 1007+0 base, 99290+0 quote",
    );
}

#[test]
fn an_offset_counts_existing_levels_and_not_ticks() {
    check(
        "alice buy 1 @ 100                 -> accepted 1, rests 1 1
         alice buy 1 @ 90                  -> accepted 2, rests 2 1
         alice buy 1 @ 40                  -> accepted 3, rests 3 1
         bob buy 1 peg primary 2 ~ 100     -> accepted 4, pegged 4 @40, rests 4 1
         bob buy 1 peg primary 3 ~ 100     -> refused 5 NoPegPrice
         bob sell 3 peg market 1 ~ 80 ioc  -> accepted 6, pegged 6 @90, fill 6 1@100, filled 1 1@100, fill 6 1@90, filled 2 1@90, expired 6 1 TimeInForce
         bob has                           -> 998+0 base, 100150+40 quote",
    );
}

#[test]
fn a_hundred_levels_may_be_asked_for_and_not_one_more() {
    let mut world = World::new(Layout::Joint);
    let (order, mut terms) = world.parse_order_on_terms(&["bob", "buy", "1", "peg", "primary", "~", "110"]);
    terms.peg.levels = Peg::LEVELS_MAX;
    let ask = |terms| Command::NewOrderOnTerms(Box::new(NewOrderOnTerms { order, terms }));
    world.settle(ask(terms));
    assert_eq!(world.told(), "refused 1 NoPegPrice", "it reached the market, whose book is empty");
    terms.peg.levels += 1;
    assert_eq!(super::world::reason(world.ask(ask(terms))), wire::RejectReason::BadPeg);
}

#[test]
fn a_price_of_the_client_bounds_the_peg_and_takes_its_place() {
    check(
        "alice buy 3 @ 100                -> accepted 1, rests 1 3
         bob buy 2 peg primary @ 96       -> accepted 2, pegged 2 @96, rests 2 2
         bob buy 2 peg primary @ 100      -> accepted 3, pegged 3 @100, rests 3 2
         bob buy 2 peg primary @ 102      -> accepted 4, pegged 4 @100, rests 4 2
         bob sell 1 peg market @ 102      -> accepted 5, pegged 5 @102, rests 5 1
         bob buy 2 peg primary @ 101      -> no PriceOffTick
         bob has                          -> 999+1 base, 99408+592 quote",
    );
}

#[test]
fn a_level_that_is_worse_than_the_protection_price_refuses_the_order() {
    check(
        "alice buy 3 @ 100                -> accepted 1, rests 1 3
         bob buy 2 peg primary ~ 100      -> accepted 2, pegged 2 @100, rests 2 2
         bob buy 2 peg primary ~ 99       -> refused 3 NoPegPrice
         bob sell 2 peg market ~ 101      -> refused 4 NoPegPrice
         bob buy 2 peg market ~ 110       -> refused 5 NoPegPrice
         bob has                          -> 1000+0 base, 99800+200 quote",
    );
}

#[test]
fn which_orders_take_which_peg() {
    check(
        "alice buy 3 @ 100                        -> accepted 1, rests 1 3
         alice sell 3 @ 104                       -> accepted 2, rests 2 3
         bob buy 1 peg primary ~ 110 ioc          -> no BadPeg
         bob buy 1 peg primary ~ 110 fok          -> no BadPeg
         bob buy 1 peg primary ~ 110 day          -> accepted 3, pegged 3 @100, rests 3 1
         bob buy 1 peg market ~ 110 maker-only    -> no BadPeg
         bob buy 1 peg primary ~ 110 maker-only   -> accepted 4, pegged 4 @100, rests 4 1
         bob buy 1 peg market market 110          -> no BadPeg
         bob sell 4 peg primary ~ 90 show 1       -> accepted 5, pegged 5 @104, rests 5 4
         level sell 104                           -> 4",
    );
    let special = SpecialRules { takes_pegged: false, ..SpecialRules::default() };
    check_with(
        MarketRules { special, ..rules() },
        "alice buy 3 @ 100                        -> accepted 1, rests 1 3
         bob buy 1 peg primary ~ 110              -> no PegsNotAllowed",
    );
}

#[test]
fn the_notional_filters_look_at_the_price_that_the_peg_gives() {
    // At least 10, at most 10,000,000.
    check(
        "alice buy 1 @ 10                 -> accepted 1, rests 1 1
         alice buy 1 @ 20                 -> accepted 2, rests 2 1
         alice buy 2 @ 8                  -> accepted 3, rests 3 2
         bob buy 1 peg primary 1 ~ 100    -> accepted 4, pegged 4 @10, rests 4 1
         bob buy 1 peg primary 2 ~ 100    -> refused 5 NotionalTooSmall
         bob buy 1 peg primary 2 @ 100    -> refused 6 NotionalTooSmall
         bob buy 1 peg primary 2 @ 8      -> no NotionalTooSmall",
    );
}

#[test]
fn the_price_filter_of_a_market_looks_at_the_price_that_the_peg_gives_and_at_its_clients() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        for step in ["alice sell 1 @ 100", "bob buy 1 @ 100", "alice buy 1 @ 90", "alice buy 1 @ 88"] {
            world.play(step);
        }
        // Bids between 90 % and 105 % of the last trade.
        let protection = MarketProtection { bid_down_ppm: 900_000, bid_up_ppm: 1_050_000, ..MarketProtection::NONE };
        world.settle(Command::SetMarketProtection(SetMarketProtection { market: MARKET, protection }));
        assert_eq!(world.play("bob buy 1 peg primary ~ 300"), "accepted 5, pegged 5 @90, rests 5 1");
        assert_eq!(world.play("bob buy 1 peg primary 1 ~ 300"), "refused 6 PercentPriceBySide");
        assert_eq!(world.play("bob buy 1 peg primary @ 104"), "accepted 7, pegged 7 @90, rests 7 1");
        assert_eq!(world.play("bob buy 1 peg primary @ 106"), "refused 8 PercentPriceBySide");
    }
}

#[test]
fn a_pegged_stop_gets_its_limit_when_it_is_triggered() {
    check(
        "alice sell 1 @ 100                          -> accepted 1, rests 1 1
         bob buy 1 @ 100                             -> accepted 2, filled 2 1@100, filled 1 1@100
         bob buy 2 stop-loss 110 peg primary         -> accepted 3, armed 3
         bob has                                     -> 1001+0 base, 99668+232 quote
         alice buy 5 @ 92                            -> accepted 4, rests 4 5
         alice sell 1 @ 110                          -> accepted 5, rests 5 1
         carol buy 1 @ 110 ioc                       -> accepted 6, filled 6 1@110 fee 1, filled 5 1@110, triggered 3, pegged 3 @92, rests 3 2",
    );
    check(
        "alice sell 1 @ 100                          -> accepted 1, rests 1 1
         bob buy 1 @ 100                             -> accepted 2, filled 2 1@100, filled 1 1@100
         bob sell 2 stop-loss 90 peg market          -> accepted 3, armed 3
         bob sell 2 stop-loss 90 peg primary         -> accepted 4, armed 4
         alice buy 1 @ 90                            -> accepted 5, rests 5 1
         carol sell 1 @ 90 ioc                       -> accepted 6, filled 6 1@90 fee 2, filled 5 1@90, triggered 3, expired 3 2 NotPlaced, triggered 4, expired 4 2 NotPlaced
         bob has                                     -> 1001+0 base, 99900+0 quote",
    );
}

#[test]
fn a_pegged_leg_of_a_pair_shares_the_hold_and_frees_what_neither_needs() {
    check(
        "alice sell 1 @ 100                          -> accepted 1, rests 1 1
         bob buy 1 @ 100                             -> accepted 2, filled 2 1@100, filled 1 1@100
         alice buy 1 @ 80                            -> accepted 3, rests 3 1
         bob oco a | buy 4 peg primary ~ 120 maker-only | buy 4 stop-loss 110 @ 112 -> list 1, accepted 5, armed 5, accepted 4, pegged 4 @80, rests 4 4
         bob has                                     -> 1001+0 base, 99452+448 quote
         bob cancel 4                                -> canceled 5 4 Requested, canceled 4 4 Requested, done 1
         bob oco b | buy 4 @ 80 maker-only | buy 4 stop-loss 110 peg primary -> list 2, accepted 7, armed 7, accepted 6, rests 6 4
         bob has                                     -> 1001+0 base, 99436+464 quote
         alice sell 1 @ 110                          -> accepted 8, rests 8 1
         carol buy 1 @ 110                           -> accepted 9, filled 9 1@110 fee 1, filled 8 1@110, expired 6 4 OtherLeg, triggered 7, pegged 7 @80, rests 7 4
         bob has                                     -> 1001+0 base, 99580+320 quote
         bob cancel 7                                -> canceled 7 4 Requested, done 2
         bob has                                     -> 1001+0 base, 99900+0 quote",
    );
}

#[test]
fn a_pending_order_is_pegged_when_its_turn_comes() {
    check(
        "alice buy 4 @ 90                            -> accepted 1, rests 1 4
         bob oto a | sell 2 @ 90 | buy 2 peg primary ~ 110 -> list 1, accepted 2, filled 2 2@90, fill 1 2@90, accepted 3, pegged 3 @90, rests 3 2
         bob has                                     -> 998+0 base, 100000+180 quote
         bob cancel 3                                -> canceled 3 2 Requested, done 1",
    );
}

#[test]
fn a_pegged_order_may_replace_another() {
    check(
        "alice buy 4 @ 90                            -> accepted 1, rests 1 4
         bob buy 4 @ 80                              -> accepted 2, rests 2 4
         bob replace 2 or-stop buy 6 peg primary ~ 120 -> canceled 2 4 Requested, accepted 3, pegged 3 @90, rests 3 6
         bob has                                     -> 1000+0 base, 99460+540 quote
         bob replace 3 or-stop buy 6 peg primary 3 ~ 120 -> canceled 3 6 Requested, refused 4 NoPegPrice
         bob has                                     -> 1000+0 base, 100000+0 quote",
    );
}

#[test]
fn while_orders_collect_for_an_auction_there_is_nothing_to_peg_to_and_nothing_trades_at_once() {
    check(
        "alice buy 4 @ 90                            -> accepted 1, rests 1 4
         phase auction                               ->
         bob buy 2 peg primary ~ 110                 -> no NotInAuction
         bob buy 2 @ 100 min 1                       -> no NotInAuction
         phase postonly                              ->
         bob buy 2 peg primary ~ 110                 -> accepted 2, pegged 2 @90, rests 2 2
         bob sell 2 peg market ~ 80                  -> refused 3 WouldTake
         bob buy 2 @ 100 min 1                       -> no PostOnlyPhase
         phase halted                                ->
         bob buy 2 peg primary ~ 110                 -> no MarketClosed",
    );
}

#[test]
fn an_order_executes_its_minimum_quantity_at_once_or_all_of_it_expires() {
    check(
        "alice sell 3 @ 100               -> accepted 1, rests 1 3
         alice sell 3 @ 102               -> accepted 2, rests 2 3
         bob buy 9 @ 100 min 4            -> accepted 3, expired 3 9 QtyMin
         bob buy 9 @ 102 min 7            -> accepted 4, expired 4 9 QtyMin
         bob buy 9 @ 100 min 3            -> accepted 5, fill 5 3@100, filled 1 3@100, rests 5 6
         bob buy 9 @ 102 min 3 ioc        -> accepted 6, fill 6 3@102, filled 2 3@102, expired 6 6 TimeInForce
         bob sell 1 @ 50 min 1            -> accepted 7, filled 7 1@100, fill 5 1@100
         carol sell 9 market 90 min 6     -> accepted 8, expired 8 9 QtyMin
         carol sell 9 market 90 min 5     -> accepted 9, fill 9 5@100 fee 10, filled 5 5@100, expired 9 4 TimeInForce
         carol sell 2 @ 90 min 1 fok      -> accepted 10, expired 10 2 TimeInForce",
    );
}

#[test]
fn which_orders_take_a_minimum_quantity() {
    let lots = MarketRules { lot: qty(2), qty_min: qty(2), qty_max: qty(1_000), market_qty_max: qty(500), ..rules() };
    check_with(
        lots,
        "alice sell 8 @ 100                         -> accepted 1, rests 1 8
         bob buy 4 @ 100 min 4                      -> accepted 2, filled 2 4@100, fill 1 4@100
         bob buy 4 @ 100 min 6                      -> no BadQtyMin
         bob buy 4 @ 100 min 3                      -> no BadQtyMin
         bob buy 4 @ 98 maker-only min 2            -> no BadQtyMin
         bob buy 4 stop-loss 110 @ 110 min 2        -> no BadQtyMin
         bob buy quote 400 market 110 min 2         -> no BadQtyMin
         bob oto a | buy 2 @ 90 min 2 | sell 2 @ 120 -> no BadOrderList
         bob buy 4 market 110 min 4                 -> accepted 3, filled 3 4@100, filled 1 4@100",
    );
}

#[test]
fn what_self_trade_prevention_takes_away_does_not_count_towards_the_minimum() {
    check(
        "bob sell 3 @ 100                 -> accepted 1, rests 1 3
         alice sell 3 @ 100               -> accepted 2, rests 2 3
         bob buy 6 @ 100 min 4 stp-maker  -> accepted 3, expired 3 6 QtyMin
         bob buy 6 @ 100 min 1 stp-taker  -> accepted 4, expired 4 6 QtyMin
         bob buy 6 @ 100 min 3 stp-maker  -> accepted 5, prevented 5 0 x 1 3 @100, expired 1 3 SelfTrade, fill 5 3@100, filled 2 3@100, rests 5 3",
    );
}

#[test]
fn an_order_without_a_peg_that_carries_the_parts_of_one_is_refused() {
    let mut world = World::new(Layout::Joint);
    let (order, _) = world.parse_order_on_terms(&["bob", "buy", "1", "@", "100"]);
    let peg = Peg { side: PegSide::None, levels: 1, has_price: false };
    let terms = Terms { peg, ..Terms::NONE };
    let reply = world.ask(Command::NewOrderOnTerms(Box::new(NewOrderOnTerms { order, terms })));
    assert_eq!(super::world::reason(reply), wire::RejectReason::BadPeg);
    assert_eq!(order.price, price(100));
}
