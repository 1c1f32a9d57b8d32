//! Filters that change with orders resting, and markets that go.

use wire::command::{DelistMarket, ListMarket, Reply, SetMarketRules};
use wire::{Command, Event, MarketRules, MarketStatus, PartitionId, RejectReason};

use super::world::{BASE, Layout, MARKET, QUOTE, World, amount, check, price, qty, reason, rules, symbol};

fn set(rules: MarketRules) -> Command {
    Command::SetMarketRules(Box::new(SetMarketRules { market: MARKET, rules }))
}

#[test]
fn orders_off_the_new_grid_are_canceled_and_the_rest_trade_on() {
    check(
        "alice sell 5 @ 100           -> accepted 1, rests 1 5
         alice sell 5 @ 102           -> accepted 2, rests 2 5
         carol sell 6 @ 100           -> accepted 3, rests 3 6
         alice sell 10 @ 110          -> accepted 4, rests 4 10
         bob buy 6 @ 98               -> accepted 5, rests 5 6
         rules tick 5 lot 5           -> expired 2 5 RulesChanged, expired 5 6 RulesChanged, expired 3 6 RulesChanged
         bob buy 5 @ 101              -> no PriceOffTick
         bob buy 6 @ 100              -> no QtyOffLot
         bob buy 10 @ 110             -> accepted 6, fill 6 5@100, filled 1 5@100, filled 6 5@110, fill 4 5@110
         rules tick 1 lot 1
         bob buy 1 @ 109              -> accepted 7, rests 7 1
         alice sell 1 @ 109           -> accepted 8, filled 8 1@109, filled 7 1@109
         bob buy 6 @ 110              -> accepted 9, fill 9 5@110, filled 4 5@110, rests 9 1
         carol has                    -> 1000+0 base, 100000+0 quote",
    );
}

#[test]
fn each_bound_is_checked_at_it_and_beyond_it() {
    let tight = MarketRules {
        price_min: price(80),
        price_max: price(120),
        qty_max: qty(10),
        notional_max: amount(1_100),
        ..rules()
    };
    for layout in [Layout::Joint, Layout::Split] {
        for (order, stays) in [
            ("bob buy 1 @ 80", true),
            ("bob buy 1 @ 78", false),
            ("bob buy 1 @ 120", true),
            ("bob buy 1 @ 122", false),
            ("bob buy 10 @ 90", true),
            ("bob buy 11 @ 90", false),
            ("bob buy 10 @ 110", true),
            ("bob buy 10 @ 112", false),
        ] {
            let mut world = World::new(layout);
            world.play(order);
            world.private.clear();
            world.settle(set(tight));
            let canceled = world.private.iter().any(|event| matches!(event, Event::OrderCanceled(_)));
            assert_eq!(canceled, !stays, "{order}");
            world.assert_settled();
            world.restart_all();
        }
    }
}

#[test]
fn rules_that_contradict_each_other_change_nothing() {
    let mut world = World::new(Layout::Joint);
    let crooked = MarketRules { price_min: price(3), ..rules() };
    assert_eq!(reason(world.settle(set(crooked))), RejectReason::BadMarketRules);
    assert_eq!(world.private, []);
    assert!(world.play("bob buy 1 @ 2 ").contains("NotionalTooSmall"), "the old ones hold");
}

#[test]
fn each_change_of_a_market_has_the_next_version() {
    let mut world = World::new(Layout::Split);
    world.settle(set(rules()));
    world.play("phase auction");
    world.settle(set(MarketRules { tick: price(1), price_min: price(1), ..rules() }));
    let versions = world.private.iter().filter_map(|event| match event {
        Event::MarketRulesChanged(e) => Some(e.version),
        _ => None,
    });
    assert_eq!(versions.collect::<Vec<_>>(), [3], "the one since the phase changed");
}

#[test]
fn a_long_change_of_rules_goes_on_with_the_next_commands() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        for number in 0..16 {
            world.play(&format!("alice sell 1 @ {}", 100 + 2 * number));
            world.play(&format!("carol sell 5 @ {}", 100 + 2 * number));
        }
        world.private.clear();
        world.ask(set(MarketRules { lot: qty(5), qty_min: qty(5), ..rules() }));
        world.carry_all();
        let canceled = |world: &World| world.private.iter().filter(|e| matches!(e, Event::OrderCanceled(_))).count();
        assert_eq!(canceled(&world), 8);
        world.restart_all();
        assert!(world.play_at_once("bob buy 5 @ 90").contains("refused 33 MarketChanging"));
        assert!(world.play_at_once("carol cancel 32").contains("canceled 32"), "cancels pass");
        world.pass_time();
        assert_eq!(world.play("alice has"), "1000+0 base, 100000+0 quote");
        assert_eq!(world.play("carol has"), "925+75 base, 100000+0 quote");
        assert!(world.play("bob buy 10 @ 102").contains("filled 34 5@102"));
        world.assert_settled();
    }
}

/// Eight orders go in one command; an order of a pair counts with the other one, so fewer are taken than are listed.
#[test]
fn a_delisting_passes_no_stop_order_by_when_the_orders_before_it_end_in_pairs() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        for name in ["one", "two"] {
            world.play(&format!("alice oco {name} | sell 5 stop-loss 90 | sell 5 @ 110 maker-only"));
        }
        for _ in 0..3 {
            world.play("alice sell 5 stop-loss 90");
        }
        assert_eq!(world.play("alice has"), "975+25 base, 100000+0 quote");
        world.play("delist");
        world.pass_time();
        world.assert_settled();
        assert_eq!(world.play("alice has"), "1000+0 base, 100000+0 quote");
    }
}

#[test]
fn a_delisted_market_cancels_everything_and_is_gone() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        for _ in 0..12 {
            world.play("alice sell 1 @ 100");
            world.play("bob buy 1 @ 90");
        }
        world.private.clear();
        let market = if layout == Layout::Joint { 0 } else { 1 };
        world.settle(Command::DelistMarket(DelistMarket { market: MARKET }));
        let canceled = world.private.iter().filter(|e| matches!(e, Event::OrderCanceled(_))).count();
        assert_eq!(canceled, 24);
        world.assert_settled();
        assert_eq!(world.play("alice has"), "1000+0 base, 100000+0 quote");
        assert_eq!(world.play("bob buy 1 @ 90"), "no MarketDelisted");
        assert_eq!(world.play("phase trading"), "no MarketDelisted");
        assert_eq!(world.play("delist"), "no MarketDelisted");
        world.restart_all();
        world.play("wait 1");
        world.pass_time();
        let closed = world.public.iter().rposition(|event| matches!(event, Event::DepthWindowClosed(_)));
        let level = world.public.iter().rposition(|event| matches!(event, Event::LevelChanged(_)));
        assert!(closed > level, "its last depth window is closed");
        assert_eq!(world.partitions[market].markets.len(), usize::from(layout == Layout::Joint));
        assert_eq!(world.partitions[market].next_deadline(), None);
        world.restart_all();
        assert_eq!(world.play("alice cancel all"), "no NoOpenOrders");
    }
}

#[test]
fn markets_are_listed_in_partitions_that_exist_and_in_any_phase() {
    let list = |name: &str, partition: u16, status| {
        Command::ListMarket(Box::new(ListMarket {
            symbol: symbol(name),
            base: BASE,
            quote: QUOTE,
            partition: PartitionId::new(partition),
            price_decimals: 0,
            qty_decimals: 0,
            rules: rules(),
            status,
        }))
    };
    let mut world = World::new(Layout::Joint);
    let trading = MarketStatus::Trading;
    assert_eq!(reason(world.settle(list("X", 0, trading))), RejectReason::UnknownPartition);
    assert_eq!(reason(world.settle(list("X", 65, trading))), RejectReason::UnknownPartition);
    assert_eq!(reason(world.settle(list("X", 1, MarketStatus::Delisted))), RejectReason::BadPhase);
    world.private.clear();
    assert_eq!(world.settle(list("X", 1, MarketStatus::PreOpen)), Reply::Accepted { id: 3 });
    let is_told = |event: &Event| matches!(event, Event::MarketStatusChanged(e) if e.status == MarketStatus::PreOpen);
    assert!(world.private.iter().any(is_told));
}

/// A pending order waits in the ledger while filters change: no order may rest that does not fit them.
#[test]
fn a_pending_order_that_no_longer_fits_when_its_turn_comes_is_not_placed() {
    check(
        "bob oto a | sell 2 @ 90 | buy 2 @ 94      -> list 1, accepted 1, rests 1 2
         rules tick 10 lot 1                        ->
         alice buy 2 @ 90                           -> accepted 3, filled 3 2@90, filled 1 2@90, expired 2 2 NotPlaced, done 1
         bob oto b | sell 2 @ 90 | buy 3 @ 100      -> list 2, accepted 4, rests 4 2
         rules tick 10 lot 2                        ->
         alice buy 2 @ 90                           -> accepted 6, filled 6 2@90, filled 4 2@90, expired 5 3 NotPlaced, done 2
         bob has                                    -> 996+0 base, 100360+0 quote",
    );
}
