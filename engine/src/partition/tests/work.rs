//! How much work it is to cancel many orders: counted in orders looked at.

use wire::command::{Credit, KillMarket, MassCancel, NewOrder, OpenAccount, Reply};
use wire::{AccountId, AccountName, ClientSessionId, Command, Event, FeeRate, MarketRules, Sides, SpecialRules};

use super::world::{BASE, Layout, MARKET, World, amount, price, rules, small_limits};
use crate::Limits;

fn crowded() -> World {
    let special = SpecialRules { stop_orders_max: 10_000, ..SpecialRules::default() };
    let rules = MarketRules { open_orders_max: 10_000, special, ..rules() };
    let limits = Limits { resting_orders_max: 4_096, open_orders_max: 4_096, ..small_limits() };
    World::with(Layout::Joint, limits, rules)
}

fn rest(world: &mut World, count: i64, words: &str) {
    for at in 0..count {
        let order = world.parse_order(&words.split_whitespace().collect::<Vec<_>>());
        world.settle(Command::NewOrder(NewOrder { price: price(order.price.units() + 2 * (at % 50)), ..order }));
    }
}

fn looks(world: &World) -> u64 {
    world.partitions[0].markets[0].looks.get()
}

#[test]
fn canceling_a_market_looks_at_each_order_a_few_times_however_many_an_account_has() {
    for count in [250, 500, 1_000] {
        let mut world = crowded();
        rest(&mut world, count, "alice sell 1 @ 100");
        rest(&mut world, 10, "bob sell 1 @ 100");
        world.settle(Command::KillMarket(KillMarket { market: MARKET, cancel_orders: true }));
        world.pass_time();
        assert_eq!(world.play("alice has"), "1000+0 base, 100000+0 quote");
        let looks = looks(&world);
        assert!(looks <= 2 * (count as u64 + 10), "{looks} looks at {count} orders");
    }
}

#[test]
fn a_cancellation_that_spares_most_orders_lists_them_once_or_twice() {
    let mut world = crowded();
    rest(&mut world, 500, "alice sell 1 @ 200");
    // A tick of 4 spares every other price.
    world.play("rules tick 4 lot 1");
    world.pass_time();
    let looks = looks(&world);
    assert!((500..=1_250).contains(&looks), "{looks} looks at 500 orders");
    assert_eq!(world.play("alice cancel all").matches("canceled").count(), 250);
}

#[test]
fn a_mass_cancel_looks_at_what_it_cancels_alone() {
    let mut world = crowded();
    for _ in 0..200 {
        world.play("alice sell 1 stop-loss 50");
        world.play("alice buy 1 stop-loss 400");
    }
    let (account, session) = (World::account("alice"), ClientSessionId::default());
    world.settle(Command::MassCancel(MassCancel { account, market: MARKET, sides: Sides::Buy, session }));
    assert_eq!(looks(&world), 200);
}

/// One command looks at 65,536 accounts at most.
#[test]
fn a_cancellation_goes_on_behind_the_accounts_that_one_command_looks_at() {
    let accounts = 65_540;
    let limits = Limits { accounts_max: accounts, ..small_limits() };
    let mut world = World::with(Layout::Joint, limits, rules());
    let mut last = AccountId::new(0);
    while last.get() < accounts {
        let name = AccountName::new(format!("number-{last}").as_bytes()).unwrap();
        let (maker_fee, taker_fee) = (FeeRate::ZERO, FeeRate::ZERO);
        let Reply::Accepted { id } = world.ask(Command::OpenAccount(OpenAccount { name, maker_fee, taker_fee })) else {
            panic!("there is room for {accounts} accounts");
        };
        last = AccountId::new(id as u32);
    }
    world.settle(Command::Credit(Credit { account: last, asset: BASE, amount: amount(5) }));
    let order = world.parse_order(&["alice", "sell", "5", "@", "100"]);
    world.settle(Command::NewOrder(NewOrder { account: last, ..order }));
    world.private.clear();
    world.ask(Command::KillMarket(KillMarket { market: MARKET, cancel_orders: true }));
    let canceled =
        |world: &World| world.private.iter().filter(|event| matches!(event, Event::OrderCanceled(_))).count();
    assert_eq!(canceled(&world), 0);
    world.restart_all();
    world.pass_time();
    assert_eq!(canceled(&world), 1);
    world.assert_settled();
}
