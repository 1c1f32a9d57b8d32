//! What fills cost, and what they bring.

use wire::command::{ListMarket, NewOrder, Reply, SetFeeSchedule, SetFees};
use wire::event::{FeeTierChanged, OrderExecuted};
use wire::{
    AccountId, AssetId, Command, Event, FeeRate, FeeTier, FeeTiers, MarketId, MarketStatus, PartitionId, RejectReason,
    SignedFeeRate, Timestamp,
};

use super::world::{BASE, Layout, MARKET, QUOTE, World, amount, reason, rules, symbol};

const EVERY: AccountId = AccountId::new(0);
const ALL: MarketId = MarketId::new(0);
const DAY: u64 = 86_400_000_000_000;

fn in_both(play: impl Fn(&mut World)) {
    for layout in [Layout::Joint, Layout::Split] {
        play(&mut World::new(layout));
    }
}

fn settled(world: &mut World, command: Command) -> Reply {
    world.private.clear();
    let reply = world.settle(command);
    world.assert_settled();
    for partition in 0..world.partitions.len() {
        world.restart(partition);
    }
    reply
}

fn set(account: AccountId, market: MarketId, maker: i32, taker: u32, is_set: bool) -> Command {
    let (maker, taker) = (SignedFeeRate::new(maker).unwrap(), FeeRate::new(taker).unwrap());
    Command::SetFees(SetFees { account, market, maker, taker, is_set })
}

fn schedule(valuation: AssetId, tiers: &[(i64, i32, u32)]) -> Command {
    let tier = |(volume, maker, taker): &(i64, i32, u32)| FeeTier {
        volume_min: amount(*volume),
        maker: SignedFeeRate::new(*maker).unwrap(),
        taker: FeeRate::new(*taker).unwrap(),
    };
    let tiers = FeeTiers::new(&tiers.iter().map(tier).collect::<Vec<_>>()).unwrap();
    Command::SetFeeSchedule(Box::new(SetFeeSchedule { valuation, tiers }))
}

fn order(world: &mut World, words: &str) -> NewOrder {
    world.parse_order(&words.split_whitespace().collect::<Vec<_>>())
}

/// Fee and rebate of each fill that an order causes, the taker's first.
fn charges(world: &mut World, words: &str) -> Vec<(i64, i64)> {
    let order = order(world, words);
    assert!(matches!(settled(world, Command::NewOrder(order)), Reply::Accepted { .. }));
    executed(world).iter().map(|e| (e.fee.units(), e.rebate.units())).collect()
}

fn executed(world: &World) -> Vec<OrderExecuted> {
    let told = world.private.iter().filter_map(|event| match event {
        Event::OrderExecuted(e) => Some(*e),
        _ => None,
    });
    told.collect()
}

fn tiers_told(world: &World) -> Vec<(u32, u8, i64)> {
    let told = world.private.iter().filter_map(|event| match event {
        Event::FeeTierChanged(FeeTierChanged { account, tier, volume }) => Some((account.get(), *tier, volume.units())),
        _ => None,
    });
    told.collect()
}

fn fees_of(world: &World, asset: AssetId) -> i128 {
    world.partitions[0].audit()[usize::from(asset.get()) - 1].fees
}

#[test]
fn the_most_particular_rates_hold() {
    in_both(|world| {
        let (alice, bob) = (World::account("alice"), World::account("bob"));
        let sell = order(world, "bob sell 900 @ 1000");
        settled(world, Command::NewOrder(sell));
        assert_eq!(charges(world, "alice buy 10 @ 1000"), [(0, 0), (0, 0)], "as they were opened");
        settled(world, schedule(QUOTE, &[(0, 10_000, 20_000)]));
        assert_eq!(
            charges(world, "alice buy 10 @ 1000"),
            [(1, 0), (100, 0)],
            "2 % of 10, rounded up, and 1 % of 10,000"
        );
        settled(world, set(EVERY, MARKET, 0, 50_000, true));
        assert_eq!(charges(world, "alice buy 20 @ 1000"), [(1, 0), (0, 0)]);
        settled(world, set(alice, ALL, 0, 90_000, true));
        assert_eq!(charges(world, "alice buy 20 @ 1000"), [(2, 0), (0, 0)]);
        settled(world, set(alice, MARKET, 0, 100_000, true));
        settled(world, set(bob, MARKET, 100_000, 0, true));
        assert_eq!(charges(world, "alice buy 10 @ 1000"), [(1, 0), (1_000, 0)]);
        settled(world, set(alice, MARKET, 0, 0, false));
        assert_eq!(charges(world, "alice buy 20 @ 1000"), [(2, 0), (2_000, 0)]);
        assert_eq!(fees_of(world, QUOTE), 3_100);
        assert_eq!(fees_of(world, BASE), 7);
        assert_eq!(reason(settled(world, set(EVERY, ALL, 0, 0, true))), RejectReason::BadFees);
        assert_eq!(reason(settled(world, set(AccountId::new(99), ALL, 0, 0, true))), RejectReason::UnknownAccount);
        assert_eq!(reason(settled(world, set(EVERY, MarketId::new(9), 0, 0, true))), RejectReason::UnknownMarket);
    });
}

#[test]
fn a_rebate_comes_out_of_the_fee_that_the_taker_of_the_same_trade_has_paid() {
    in_both(|world| {
        let (alice, bob) = (World::account("alice"), World::account("bob"));
        settled(world, set(alice, ALL, -10_000, 0, true));
        settled(world, set(bob, ALL, 0, 30_000, true));
        let sell = order(world, "alice sell 100 @ 100");
        settled(world, Command::NewOrder(sell));
        // Bob gets 50 base and pays 3 % of it, rounded up: 2. Alice gives 50 base and gets 1 % of it, rounded down: 0.
        assert_eq!(charges(world, "bob buy 50 @ 100"), [(2, 0), (0, 0)]);
        assert_eq!(executed(world)[1].fee_asset, QUOTE, "what a maker without rebate receives");
        let buy = order(world, "alice buy 100 @ 90");
        settled(world, Command::NewOrder(buy));
        // Bob gets 4,500 quote and pays 135. Alice gives 4,500 quote and gets 45 of it back.
        assert_eq!(charges(world, "bob sell 50 @ 90"), [(135, 0), (0, 45)]);
        assert_eq!(executed(world)[1].fee_asset, QUOTE, "what the maker gives");
        assert_eq!(fees_of(world, QUOTE), 90);
        // A fee of 9 does not pay for a rebate of 45: all of it is given, and not one more.
        settled(world, set(bob, ALL, 0, 2_000, true));
        assert_eq!(charges(world, "bob sell 50 @ 90"), [(9, 0), (0, 9)]);
        assert_eq!(fees_of(world, QUOTE), 90);
        assert_eq!(world.play("alice has"), "1000+50 base, 96054+0 quote");
        // Nothing paid, nothing given, however much there is from other trades.
        settled(world, set(bob, ALL, 0, 0, true));
        assert_eq!(charges(world, "bob buy 50 @ 100"), [(0, 0), (0, 0)]);
        assert_eq!((fees_of(world, BASE), fees_of(world, QUOTE)), (2, 90));
    });
}

#[test]
fn a_tier_is_reached_by_the_volume_of_thirty_days_and_lost_with_them() {
    in_both(|world| {
        world.now = Timestamp::from_nanos(20_000 * DAY + 5);
        settled(world, schedule(QUOTE, &[(0, 10_000, 20_000), (10_000, 5_000, 10_000), (30_000, 0, 0)]));
        let sell = order(world, "bob sell 900 @ 100");
        settled(world, Command::NewOrder(sell));
        assert_eq!(charges(world, "alice buy 99 @ 100"), [(2, 0), (99, 0)]);
        assert_eq!(tiers_told(world), [], "9,900: one order is missing");
        assert_eq!(charges(world, "alice buy 1 @ 100"), [(1, 0), (1, 0)], "a fill does not count for itself");
        assert_eq!(tiers_told(world), [(1, 1, 10_000), (2, 1, 10_000)]);
        assert_eq!(charges(world, "alice buy 100 @ 100"), [(1, 0), (50, 0)]);
        world.now = Timestamp::from_nanos(20_029 * DAY);
        assert_eq!(charges(world, "alice buy 100 @ 100"), [(1, 0), (50, 0)], "the thirtieth day");
        assert_eq!(tiers_told(world), [(1, 2, 30_000), (2, 2, 30_000)]);
        assert_eq!(charges(world, "alice buy 100 @ 100"), [(0, 0), (0, 0)]);
        world.now = Timestamp::from_nanos(20_030 * DAY);
        assert_eq!(charges(world, "alice buy 10 @ 100"), [(1, 0), (5, 0)], "the first day is gone, 20,000 are left");
        assert_eq!(tiers_told(world), [(1, 1, 20_000), (2, 1, 20_000)]);
        world.now = Timestamp::from_nanos(20_100 * DAY);
        assert_eq!(charges(world, "alice buy 10 @ 100"), [(1, 0), (10, 0)], "nothing is left");
        assert_eq!(tiers_told(world), [(1, 0, 0), (2, 0, 0)]);
        settled(world, schedule(QUOTE, &[]));
        assert_eq!(charges(world, "alice buy 10 @ 100"), [(0, 0), (0, 0)]);
    });
}

#[test]
fn volume_in_other_quotes_is_valued_at_the_last_price_of_its_market() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        let partition = PartitionId::new(if layout == Layout::Joint { 1 } else { 2 });
        let other_base = ListMarket {
            symbol: symbol("OTHERBASE"),
            base: AssetId::new(3),
            quote: BASE,
            partition,
            price_decimals: 0,
            qty_decimals: 0,
            rules: rules(),
            status: MarketStatus::Trading,
        };
        settled(&mut world, Command::ListMarket(Box::new(other_base)));
        settled(&mut world, schedule(QUOTE, &[(0, 0, 0), (1_200, 0, 0)]));
        let there = |world: &mut World, words: &str| {
            let order = NewOrder { market: MarketId::new(3), ..order(world, words) };
            settled(world, Command::NewOrder(order));
        };
        there(&mut world, "bob sell 10 @ 6");
        there(&mut world, "alice buy 2 @ 6");
        assert_eq!(tiers_told(&world), [], "base has no price yet");
        for words in ["bob sell 1 @ 100", "carol buy 1 @ 100"] {
            let order = order(&mut world, words);
            settled(&mut world, Command::NewOrder(order));
        }
        there(&mut world, "alice buy 2 @ 6");
        assert_eq!(tiers_told(&world), [(1, 1, 1_200), (2, 1, 1_300)], "twelve base at 100 quote");
    }
}

#[test]
fn whatever_the_rates_no_unit_appears_or_vanishes_and_no_fee_account_is_ever_in_debt() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        settled(&mut world, schedule(QUOTE, &[(0, -1_000, 2_000), (50_000, -20_000, 1), (200_000, -100_000, 0)]));
        let mut draw = 11_u64;
        let mut next = |below: u64| {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (draw >> 33) % below
        };
        let mut told = (0, 0);
        for _ in 0..1_500 {
            let who = ["alice", "bob", "carol"][next(3) as usize];
            if next(20) == 0 {
                let rates = (next(200_001) as i32 - 100_000, next(100_001) as u32);
                world.settle(set(World::account(who), MARKET, rates.0, rates.1, next(2) == 0));
            }
            let side = if next(2) == 0 { "buy" } else { "sell" };
            let words = format!("{who} {side} {} @ {}", next(30) + 1, 100 + 2 * next(5));
            let order = order(&mut world, &words);
            world.private.clear();
            world.settle(Command::NewOrder(order));
            world.assert_settled();
            for e in executed(&world) {
                assert!(e.fee.is_zero() || e.rebate.is_zero());
                told = (told.0 + i128::from(e.fee.units()), told.1 + i128::from(e.rebate.units()));
            }
            assert!(fees_of(&world, BASE) >= 0 && fees_of(&world, QUOTE) >= 0);
            assert_eq!(fees_of(&world, BASE) + fees_of(&world, QUOTE), told.0 - told.1);
        }
        assert!(told.0 > 0 && told.1 > 0, "both were played: {told:?}");
    }
}
