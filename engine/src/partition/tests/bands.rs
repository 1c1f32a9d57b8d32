//! Price bands, the auctions that they lead to, and prices measured against the last trade.

use wire::command::SetMarketProtection;
use wire::{Command, Event, MarketProtection, MarketStatus, PhaseCause, RejectReason};

use super::world::{Layout, MARKET, World, check, reason};

fn protect(protection: MarketProtection) -> Command {
    Command::SetMarketProtection(SetMarketProtection { market: MARKET, protection })
}

/// Orders 1 and 2 trade at 100.
const TRADE_AT_100: &str = "alice sell 1 @ 100 -> accepted 1, rests 1 1
     bob buy 1 @ 100 -> accepted 2, filled 2 1@100, filled 1 1@100
    ";

#[test]
fn a_trade_at_a_dynamic_bands_bound_passes_and_one_beyond_leads_to_an_auction() {
    check(
        &(TRADE_AT_100.to_owned()
            + "bands 0 10
         alice sell 1 @ 110           -> accepted 3, rests 3 1
         alice sell 1 @ 112           -> accepted 4, rests 4 1
         alice sell 1 @ 122           -> accepted 5, rests 5 1
         bob buy 1 @ 110              -> accepted 6, filled 6 1@110, filled 3 1@110
         bob buy 3 @ 130              -> accepted 7, fill 7 1@112, filled 4 1@112, rests 7 2
         bob buy 1 @ 112 ioc          -> no NotInAuction
         wait 10
         tick                         -> fill 7 1@130, filled 5 1@130
         alice sell 1 @ 130           -> accepted 8, filled 8 1@130, filled 7 1@130"),
    );
}

#[test]
fn bands_hold_for_sells_as_well() {
    check(
        &(TRADE_AT_100.to_owned()
            + "bands 0 10
         bob buy 1 @ 90               -> accepted 3, rests 3 1
         bob buy 1 @ 88               -> accepted 4, rests 4 1
         alice sell 2 @ 80            -> accepted 5, fill 5 1@90, filled 3 1@90, rests 5 1
         bob buy 1 @ 84               -> accepted 6, rests 6 1
         wait 10
         tick                         -> filled 5 1@88, filled 4 1@88"),
    );
}

#[test]
fn the_dynamic_band_is_measured_from_the_trade_before_the_order() {
    check(
        &(TRADE_AT_100.to_owned()
            + "bands 0 10
         alice sell 1 @ 108           -> accepted 3, rests 3 1
         alice sell 1 @ 116           -> accepted 4, rests 4 1
         bob buy 2 @ 116              -> accepted 5, fill 5 1@108, filled 3 1@108, rests 5 1"),
    );
}

#[test]
fn the_static_band_is_measured_from_the_last_auction() {
    check(
        "bands 10 0
         alice sell 1 @ 100           -> accepted 1, rests 1 1
         bob buy 1 @ 100              -> accepted 2, filled 2 1@100, filled 1 1@100
         alice sell 1 @ 200           -> accepted 3, rests 3 1
         bob buy 1 @ 200              -> accepted 4, filled 4 1@200, filled 3 1@200
         phase auction
         alice sell 1 @ 100           -> accepted 5, rests 5 1
         bob buy 1 @ 100              -> accepted 6, rests 6 1
         phase trading                -> filled 6 1@100, filled 5 1@100
         alice sell 2 @ 110           -> accepted 7, rests 7 2
         alice sell 1 @ 112           -> accepted 8, rests 8 1
         bob buy 1 @ 110              -> accepted 9, filled 9 1@110, fill 7 1@110
         bob buy 2 @ 112              -> accepted 10, fill 10 1@110, filled 7 1@110, rests 10 1
         wait 10
         tick                         -> filled 10 1@112, filled 8 1@112
         alice sell 1 @ 122           -> accepted 11, rests 11 1
         bob buy 1 @ 122              -> accepted 12, filled 12 1@122, filled 11 1@122",
    );
}

#[test]
fn what_cannot_rest_ends_at_the_band() {
    check(
        &(TRADE_AT_100.to_owned()
            + "bands 0 10
         alice sell 1 @ 110           -> accepted 3, rests 3 1
         alice sell 5 @ 112           -> accepted 4, rests 4 5
         bob buy 3 @ 130 fok          -> accepted 5, expired 5 3 TimeInForce
         bob buy 3 @ 130 ioc          -> accepted 6, fill 6 1@110, filled 3 1@110, expired 6 2 PriceBand
         bob buy 1 market 130         -> no NotInAuction
         wait 10
         tick
         bob buy 1 market 130         -> accepted 7, filled 7 1@112, fill 4 1@112"),
    );
}

#[test]
fn the_order_that_stopped_pays_as_taker_and_the_ones_before_it_as_makers() {
    check(
        &(TRADE_AT_100.to_owned()
            + "bands 0 10
         carol sell 100 @ 150         -> accepted 3, rests 3 100
         carol buy 100 @ 150          -> accepted 4, rests 4 100
         wait 10
         tick                         -> filled 4 100@150 fee 2, filled 3 100@150 fee 150"),
    );
}

#[test]
fn a_volatility_auction_is_told_with_its_cause_and_its_end() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        for step in ["alice sell 1 @ 100", "bob buy 1 @ 100", "bands 0 10", "alice sell 1 @ 112"] {
            world.play(step);
        }
        world.public.clear();
        world.private.clear();
        world.play("bob buy 1 @ 112");
        let phase = world.public.iter().find_map(|event| match event {
            Event::PhaseChanged(e) => Some(*e),
            _ => None,
        });
        let phase = phase.expect("a change of phase");
        assert_eq!((phase.status, phase.cause), (MarketStatus::Auction, PhaseCause::Volatility));
        assert_eq!(phase.until, world.now.plus_nanos(10_000_000_000));
        assert!(world.public.iter().any(|event| matches!(event, Event::AuctionIndicated(_))));
        assert!(world.private.iter().any(|event| matches!(event, Event::MarketStatusChanged(_))));
        world.restart_all();
        world.play("wait 10");
        world.public.clear();
        world.play("tick");
        let ended = world.public.iter().any(|event| {
            matches!(event, Event::PhaseChanged(e)
                if (e.status, e.cause) == (MarketStatus::Trading, PhaseCause::Plan))
        });
        assert!(ended);
        world.assert_settled();
    }
}

#[test]
fn limit_prices_are_measured_against_the_last_trade() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        world.settle(protect(MarketProtection {
            bid_up_ppm: 1_100_000,
            bid_down_ppm: 900_000,
            ask_up_ppm: 1_500_000,
            ask_down_ppm: 960_000,
            ..MarketProtection::NONE
        }));
        world.restart_all();
        assert!(world.play("bob buy 1 @ 1000").contains("rests"), "nothing has traded yet");
        world.play("bob cancel all");
        world.play("alice sell 1 @ 100");
        world.play("bob buy 1 @ 100");
        for (order, passes) in [
            ("bob buy 1 @ 110", true),
            ("bob buy 1 @ 112", false),
            ("bob buy 1 @ 90", true),
            ("bob buy 1 @ 88", false),
            ("alice sell 1 @ 150", true),
            ("alice sell 1 @ 152", false),
            ("carol sell 1 @ 96", true),
            ("carol sell 1 @ 94", false),
            ("carol sell 1 @ 94 maker-only", false),
            ("carol sell 1 stop-loss 98 @ 94", false),
            // What it is protected with, 92, is no limit that anybody has asked for.
            ("carol sell 1 stop-loss 98", true),
        ] {
            assert_eq!(!world.play(order).contains("PercentPrice"), passes, "{order}");
            world.play("bob cancel all");
        }
        world.play("alice cancel all");
        world.play("carol cancel all");
        world.play("phase auction");
        assert!(world.play("bob buy 1 @ 112").contains("PercentPrice"), "in every phase");
        world.assert_settled();
    }
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let mut world = World::new(Layout::Joint);
    let bad = MarketProtection { static_band_ppm: 1, ..MarketProtection::NONE };
    assert_eq!(reason(world.settle(protect(bad))), RejectReason::BadProtection);
}

#[test]
fn a_stop_order_that_would_leave_the_band_begins_an_auction_as_well() {
    check(
        &(TRADE_AT_100.to_owned()
            + "bands 0 10
         bob buy 1 @ 94               -> accepted 3, rests 3 1
         bob buy 5 @ 84               -> accepted 4, rests 4 5
         carol sell 2 stop-loss 96 @ 80 -> accepted 5, armed 5
         alice sell 1 @ 94            -> accepted 6, filled 6 1@94, filled 3 1@94, triggered 5, rests 5 2
         bob buy 1 @ 90 ioc           -> no NotInAuction"),
    );
}
