//! The filters that a market or an account may have or not: each at its limit, one below, and one beyond. After every step the
//! state is written down and read again, so that no count lives in memory alone.

use wire::command::{Reply, SetAccountLimits, SetAssetLimit, SetMarketProtection, SetMarketRules};
use wire::{AccountId, AssetId, Command, MarketProtection, MarketRules, RejectReason};

use super::world::{BASE, Layout, MARKET, QUOTE, World, amount, reason, rules};

fn in_both(play: impl Fn(&mut World)) {
    for layout in [Layout::Joint, Layout::Split] {
        play(&mut World::new(layout));
    }
}

/// Plays steps, of which the refused ones name their reason: `STEP -> REASON`.
fn steps(world: &mut World, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (step, wanted) = line.split_once("->").map_or((line, ""), |(step, wanted)| (step.trim(), wanted.trim()));
        let told = world.play(step);
        let refused =
            ["no ", "refused "].iter().any(|word| told.starts_with(word) || told.contains(&format!(", {word}")));
        let is_right = if wanted.is_empty() { !refused } else { told.split([' ', ',']).any(|word| word == wanted) };
        assert!(is_right, "{step}: {told}");
        world.assert_settled();
        world.restart_all();
    }
}

fn says(world: &mut World, command: Command) -> Reply {
    let reply = world.settle(command);
    world.assert_settled();
    world.restart_all();
    reply
}

fn done(world: &mut World, command: Command) {
    assert!(matches!(says(world, command), Reply::Accepted { .. }));
}

fn set_rules(world: &mut World, change: impl Fn(&mut MarketRules)) {
    let mut rules = rules();
    change(&mut rules);
    done(world, Command::SetMarketRules(Box::new(SetMarketRules { market: MARKET, rules })));
}

/// Of everybody without a name: how many stop orders, icebergs and lists.
fn most(who: &str, [stop_orders_max, iceberg_orders_max, order_lists_max]: [u32; 3]) -> Command {
    let account = if who.is_empty() { AccountId::new(0) } else { World::account(who) };
    let (open_orders_max, order_rate_max, order_rate_window_ms) = (0, 0, 0);
    Command::SetAccountLimits(SetAccountLimits {
        account,
        open_orders_max,
        stop_orders_max,
        iceberg_orders_max,
        order_lists_max,
        order_rate_max,
        order_rate_window_ms,
    })
}

fn asset_limit(who: &str, asset: AssetId, units: i64) -> Command {
    let account = if who.is_empty() { AccountId::new(0) } else { World::account(who) };
    Command::SetAssetLimit(SetAssetLimit { account, asset, order_max: amount(units) })
}

#[test]
fn an_account_has_as_many_icebergs_open_in_a_market_as_that_allows() {
    in_both(|world| {
        set_rules(world, |rules| rules.special.iceberg_orders_max = 2);
        steps(
            world,
            "alice sell 10 @ 110 show 2
             alice sell 10 @ 110 show 10
             alice sell 10 @ 110 show 2                      -> TooManyIcebergOrders
             alice sell 10 @ 110
             bob buy 10 @ 90 show 2
             alice replace 1 or-stop sell 10 @ 112 show 2    -> TooManyIcebergOrders
             alice amend 1 to 8
             alice sell 4 @ 110 show 2                       -> TooManyIcebergOrders
             alice cancel 1
             alice sell 10 stop-loss 90 @ 90 show 2
             alice sell 10 @ 110 show 2                      -> TooManyIcebergOrders
             alice oto l | sell 4 @ 120 | sell 4 @ 110 show 2 -> TooManyIcebergOrders
             carol oto l | sell 4 @ 120 show 2 | sell 4 @ 110 show 2
             carol sell 4 @ 120 show 2                       -> TooManyIcebergOrders
             carol oto m | sell 4 @ 120 | sell 4 @ 110",
        );
        // The stop is triggered and rests: it is an iceberg still. Then it is filled.
        steps(
            world,
            "bob buy 1 @ 92
             carol sell 1 @ 90 ioc
             carol sell 5 @ 90 ioc
             alice sell 10 @ 110 show 2                      -> TooManyIcebergOrders
             bob buy 14 @ 90
             alice sell 10 @ 110 show 2",
        );
        set_rules(world, |rules| rules.special.iceberg_orders_max = 0);
        steps(world, "alice sell 10 @ 110 show 2\nalice sell 10 @ 110 show 2");
    });
}

#[test]
fn an_account_has_as_many_stop_orders_icebergs_and_lists_as_it_and_everybody_may() {
    for who in ["alice", ""] {
        in_both(|world| {
            // The lower one of two limits holds.
            done(world, most("alice", if who.is_empty() { [3, 3, 3] } else { [2, 2, 1] }));
            done(world, most("", if who.is_empty() { [2, 2, 1] } else { [3, 3, 3] }));
            steps(
                world,
                "alice sell 1 stop-loss 90
                 alice sell 1 stop-loss 80 @ 80
                 alice sell 1 stop-loss 90                                     -> AccountStopOrders
                 alice replace 1 or-stop sell 1 stop-loss 88                   -> AccountStopOrders
                 alice oco l | sell 1 stop-loss 90 | sell 1 @ 110 maker-only   -> AccountStopOrders
                 alice cancel 1
                 alice oco l | sell 1 stop-loss 90 | sell 1 @ 110 maker-only
                 alice oto m | sell 1 @ 130 | sell 1 @ 120                     -> AccountOrderLists
                 alice cancel list 1
                 alice oto m | sell 1 @ 130 | sell 1 @ 120
                 alice oto n | sell 1 @ 130 | sell 1 @ 120                     -> AccountOrderLists
                 alice cancel list 2
                 alice sell 4 @ 110 show 2
                 alice oto n | sell 4 @ 130 show 2 | sell 4 @ 120 show 2       -> AccountIcebergOrders
                 alice sell 4 @ 110 show 4
                 alice sell 4 @ 110 show 2                                     -> AccountIcebergOrders
                 alice sell 4 @ 110
                 alice cancel all
                 alice oto n | sell 4 @ 130 show 2 | sell 4 @ 120 show 2",
            );
            // Everybody's holds for everybody, an account's own for it alone.
            let wanted = if who.is_empty() { "-> AccountStopOrders" } else { "" };
            steps(
                world,
                &format!("bob sell 1 stop-loss 90\nbob sell 1 stop-loss 90\nbob sell 1 stop-loss 90 {wanted}"),
            );
            done(world, most("alice", [0; 3]));
            done(world, most("", [0; 3]));
            steps(
                world,
                "bob sell 1 stop-loss 90\nalice sell 4 @ 110 show 2\nalice oto o | sell 1 @ 130 | sell 1 @ 120",
            );
        });
    }
}

#[test]
fn everybodys_limits_have_no_rate_and_name_known_accounts_and_assets() {
    in_both(|world| {
        let Command::SetAccountLimits(limits) = most("", [1; 3]) else { unreachable!("it makes those alone") };
        let rated = SetAccountLimits { order_rate_max: 5, order_rate_window_ms: 1_000, ..limits };
        let strange = SetAccountLimits { account: AccountId::new(99), ..limits };
        let stranger = SetAssetLimit { account: AccountId::new(99), asset: BASE, order_max: amount(1) };
        for (command, wanted) in [
            (Command::SetAccountLimits(rated), RejectReason::BadLimits),
            (Command::SetAccountLimits(strange), RejectReason::UnknownAccount),
            (Command::SetAssetLimit(stranger), RejectReason::UnknownAccount),
            (asset_limit("alice", AssetId::new(0), 1), RejectReason::UnknownAsset),
            (asset_limit("", AssetId::new(9), 1), RejectReason::UnknownAsset),
        ] {
            assert_eq!(reason(says(world, command)), wanted);
        }
    });
}

#[test]
fn one_order_moves_as_much_of_an_asset_as_it_may() {
    for (own, every) in [(10, 0), (0, 10), (10, 11), (11, 10)] {
        in_both(|world| {
            done(world, asset_limit("alice", BASE, own));
            done(world, asset_limit("", BASE, every));
            steps(
                world,
                "alice sell 9 @ 110
                 alice sell 10 @ 110
                 alice sell 11 @ 110                              -> AssetQtyTooLarge
                 alice buy 10 @ 50
                 alice buy 11 @ 50                                -> AssetQtyTooLarge
                 alice sell 11 stop-loss 90                       -> AssetQtyTooLarge
                 alice sell 10 stop-loss 90
                 alice replace 1 or-stop sell 11 @ 110            -> AssetQtyTooLarge
                 alice replace 1 or-stop sell 10 @ 110
                 alice oto l | sell 1 @ 130 | sell 11 @ 120       -> AssetQtyTooLarge
                 alice oto l | sell 10 @ 130 | sell 10 @ 120",
            );
            done(world, asset_limit("alice", BASE, 0));
            done(world, asset_limit("", BASE, 0));
            steps(world, "alice sell 11 @ 110");
        });
        in_both(|world| {
            done(world, asset_limit("alice", QUOTE, own * 100));
            done(world, asset_limit("", QUOTE, every * 100));
            steps(
                world,
                "alice sell 10 @ 98
                 alice sell 10 @ 100
                 alice sell 10 @ 102               -> AssetQtyTooLarge
                 bob buy 1 @ 98
                 alice buy 50 @ 20
                 alice buy 51 @ 20                 -> AssetQtyTooLarge
                 alice buy quote 1000 market 110
                 alice buy quote 1001 market 110   -> AssetQtyTooLarge",
            );
        });
    }
}

#[test]
fn the_older_notional_filter_has_its_own_name_and_market_orders_are_its_choice() {
    for of_market in [false, true] {
        in_both(|world| {
            set_rules(world, |rules| {
                rules.special.min_notional = amount(1_000);
                rules.special.min_notional_of_market = of_market;
            });
            let wanted = if of_market { "-> BelowMinNotional" } else { "" };
            steps(
                world,
                &format!(
                    "alice sell 10 @ 100
                     alice sell 9 @ 110                          -> BelowMinNotional
                     alice sell 1 @ 8                            -> NotionalTooSmall
                     bob buy 10 @ 100
                     alice sell 500 @ 100
                     bob buy quote 1000 market 110
                     bob buy quote 999 market 110 {wanted}
                     bob buy 10 market 106
                     bob buy 9 market 106 {wanted}
                     bob sell 9 stop-loss 98 {wanted}
                     bob sell 12 stop-loss 98 @ 84
                     bob sell 12 stop-loss 98 @ 82               -> BelowMinNotional
                     alice sell 20 @ 112
                     alice buy 10 @ 90 maker-only                -> BelowMinNotional
                     alice oto l | sell 10 @ 130 | sell 7 @ 130  -> BelowMinNotional
                     alice oto l | sell 10 @ 130 | sell 8 @ 130"
                ),
            );
        });
    }
}

#[test]
fn an_amend_and_a_peg_reach_the_older_notional_filter() {
    in_both(|world| {
        set_rules(world, |rules| rules.special.min_notional = amount(1_000));
        steps(
            world,
            "alice sell 20 @ 100
             alice amend 1 to 9                       -> BelowMinNotional
             alice amend 1 to 10
             bob buy 20 @ 90
             bob buy 11 peg primary ~ 300             -> BelowMinNotional
             bob buy 12 peg primary ~ 300
             bob replace 2 or-stop buy 11 @ 90        -> BelowMinNotional
             bob replace 2 or-stop buy 12 @ 90",
        );
        let mut rules = rules();
        rules.special.min_notional_of_market = true;
        let bad = Command::SetMarketRules(Box::new(SetMarketRules { market: MARKET, rules }));
        assert_eq!(reason(says(world, bad)), RejectReason::BadMarketRules, "of nothing");
    });
}

#[test]
fn both_price_filters_of_a_market_hold_and_each_has_its_own_name() {
    in_both(|world| {
        // Sells also from 95 % on, buys up to 105 %; everything from 90 % to 110 %.
        let protection = MarketProtection {
            up_ppm: 1_100_000,
            down_ppm: 900_000,
            bid_up_ppm: 1_050_000,
            ask_down_ppm: 950_000,
            ..MarketProtection::NONE
        };
        done(world, Command::SetMarketProtection(SetMarketProtection { market: MARKET, protection }));
        steps(
            world,
            "bob buy 1 @ 1000
             bob cancel all
             alice sell 1 @ 200
             bob buy 1 @ 200
             bob buy 1 @ 178                             -> PercentPrice
             bob buy 1 @ 180
             bob cancel all
             bob buy 1 @ 210
             bob cancel all
             bob buy 1 @ 212                             -> PercentPriceBySide
             bob buy 1 @ 220                             -> PercentPriceBySide
             bob buy 1 @ 222                             -> PercentPrice
             alice sell 1 @ 188                          -> PercentPriceBySide
             alice sell 1 @ 178                          -> PercentPrice
             alice sell 1 @ 220
             alice sell 1 @ 222                          -> PercentPrice
             alice sell 1 stop-loss 190 @ 178            -> PercentPrice
             alice sell 1 stop-loss 100
             alice replace 12 or-stop sell 1 @ 222       -> PercentPrice
             alice sell 1 @ 222 ioc                      -> PercentPrice
             alice oco l | sell 1 stop-loss 100 | sell 1 @ 222 maker-only -> PercentPrice
             phase auction
             alice sell 1 @ 222                          -> PercentPrice",
        );
    });
}
