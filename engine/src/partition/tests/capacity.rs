//! More rows by the log: what is refused, what stays as it is, and what has room afterwards.

use wire::command::{CancelAll, Credit, OpenAccount, RaiseCapacity, Reply};
use wire::event::CapacityRaised;
use wire::{AccountId, AccountName, Capacity, Command, Event, FeeRate, RejectReason};

use super::random::{facts, place};
use super::world::{BASE, Layout, MARKET, QUOTE, World, amount, reason, rules, small_limits};
use crate::Limits;

/// Of [`small_limits`]: 8 accounts, 2 keys, 64 open orders, 4,096 names, 64 resting orders.
fn raise(rows: [u32; 8]) -> Command {
    Command::RaiseCapacity(Box::new(RaiseCapacity { capacity: Capacity::of_rows(rows) }))
}

fn open(number: u32) -> Command {
    let name = AccountName::new(format!("n{number}").as_bytes()).unwrap();
    Command::OpenAccount(OpenAccount { name, maker_fee: FeeRate::ZERO, taker_fee: FeeRate::ZERO })
}

fn credit(account: AccountId) -> [Command; 2] {
    [BASE, QUOTE].map(|asset| Command::Credit(Credit { account, asset, amount: amount(1_000) }))
}

#[test]
fn tables_that_are_full_take_more_once_they_have_more_rows() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        (4..=8).for_each(|number| assert_eq!(world.settle(open(number)), Reply::Accepted { id: number.into() }));
        assert_eq!(reason(world.ask(open(9))), RejectReason::TableFull);
        world.private.clear();
        assert_eq!(world.settle(raise([9, 0, 0, 0, 0, 0, 0, 0])), Reply::Accepted { id: 0 });
        let limits = small_limits();
        let capacity = Capacity { accounts_max: 9, ..limits.capacity() };
        assert_eq!(world.private, [Event::CapacityRaised(Box::new(CapacityRaised { capacity }))]);
        assert_eq!(world.settle(open(9)), Reply::Accepted { id: 9 });
        assert_eq!(reason(world.ask(open(10))), RejectReason::TableFull);
        let rows = world.partitions[0].rows().expect("a ledger");
        assert_eq!((rows[0], rows[1], rows[4]), ((9, 9), (0, 2), (0, 64)));

        // The ninth account trades, in a market that has learned of it; also from a snapshot.
        world.restart_all();
        let ninth = AccountId::new(9);
        credit(ninth).into_iter().for_each(|credit| assert_eq!(reason_of(world.settle(credit)), None));
        assert_eq!(reason_of(world.settle(place(ninth, "sell", 100, 3))), None);
        assert_eq!(reason_of(world.settle(place(World::account("bob"), "buy", 100, 3))), None);
        assert_eq!(world.partitions[0].balance(ninth, BASE), (997, 0));
        assert_eq!(world.partitions[0].balance(ninth, QUOTE), (1_300, 0));
        world.assert_settled();
    }
}

fn reason_of(reply: Reply) -> Option<RejectReason> {
    match reply {
        Reply::Accepted { .. } => None,
        Reply::Rejected { reason, .. } => Some(reason),
    }
}

#[test]
fn a_market_hears_of_a_new_account_after_it_has_a_row_for_it_however_late_its_mail_is() {
    let mut world = World::new(Layout::Split);
    (4..=8).for_each(|number| assert_eq!(reason_of(world.settle(open(number))), None));
    // Nothing of this is carried before all of it is said.
    world.ask(raise([9, 0, 0, 0, 0, 0, 0, 0]));
    world.ask(open(9));
    let ninth = AccountId::new(9);
    credit(ninth).into_iter().for_each(|credit| assert_eq!(reason_of(world.ask(credit)), None));
    assert_eq!(reason_of(world.ask(place(ninth, "sell", 100, 3))), None);
    world.restart_all();
    while world.carry(0, 1, 1) | world.carry(1, 0, 1) {}
    world.carry_all();
    assert_eq!(world.partitions[0].balance(ninth, BASE), (997, 3));
    world.settle(Command::CancelAll(CancelAll { account: ninth, market: MARKET }));
    assert_eq!(world.partitions[0].balance(ninth, BASE), (1_000, 0));
    world.assert_settled();
}

#[test]
fn open_and_resting_orders_have_room_up_to_the_last_row_and_not_beyond() {
    for layout in [Layout::Joint, Layout::Split] {
        for (table, refused) in [(2, RejectReason::Busy), (4, RejectReason::Busy)] {
            let mut limits = small_limits();
            if table == 2 {
                limits.open_orders_max = 4
            } else {
                limits.resting_orders_max = 4
            }
            let mut world = World::with(layout, limits, rules());
            let mut next = 0;
            let mut fill = |world: &mut World, until: u64| {
                while next < until {
                    next += 1;
                    assert_eq!(rests(world, next), None, "order {next} of {until}, table {table}");
                }
                assert_eq!(rests(world, next + 1), Some(refused), "beyond {until}, table {table}");
            };
            fill(&mut world, 4);
            let mut rows = [0; 8];
            rows[table] = 6;
            assert_eq!(reason_of(world.settle(raise(rows))), None);
            fill(&mut world, 6);
            world.assert_settled();
        }
    }
}

/// Rests one more order of alice's, or why it does not.
fn rests(world: &mut World, number: u64) -> Option<RejectReason> {
    world.private.clear();
    let reply = world.settle(place(World::account("alice"), "sell", 100 + 2 * number as i64, 1));
    let refused = world.private.iter().find_map(|event| match event {
        Event::OrderRejected(rejected) => Some(rejected.reason),
        _ => None,
    });
    reason_of(reply).or(refused)
}

#[test]
fn what_takes_rows_away_or_asks_for_too_many_is_refused_and_changes_nothing() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        world.settle(place(World::account("alice"), "sell", 100, 3));
        let before: Vec<u128> = world.partitions.iter().map(crate::Partition::digest).collect();
        world.private.clear();
        let most = Capacity::MOST.rows();
        for (at, present) in small_limits().capacity().rows().into_iter().enumerate() {
            for wanted in [present - 1, most[at] + 1] {
                let mut rows = [0; 8];
                rows[at] = wanted;
                assert_eq!(reason(world.ask(raise(rows))), RejectReason::BadLimits, "{}", Capacity::TABLES[at]);
            }
        }
        assert_eq!(reason(world.ask(raise([0, 0, 4_097, 0, 0, 0, 0, 0]))), RejectReason::BadLimits);
        assert!(world.private.is_empty());
        let after: Vec<u128> = world.partitions.iter().map(crate::Partition::digest).collect();
        assert_eq!(before, after);
    }
}

#[test]
fn the_most_can_be_given() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        assert_eq!(reason_of(world.settle(raise(Capacity::MOST.rows()))), None);
        assert_eq!(world.partitions[0].rows().expect("a ledger").map(|(_, rows)| rows), Capacity::MOST.rows());
        assert_eq!(rests(&mut world, 1), None);
        world.restart_all();
        assert_eq!(
            reason(world.ask(raise([Capacity::MOST.accounts_max - 1, 0, 0, 0, 0, 0, 0, 0]))),
            RejectReason::BadLimits
        );
    }
}

#[test]
fn a_market_that_is_listed_later_has_the_room_that_was_made_before() {
    for layout in [Layout::Joint, Layout::Split] {
        let limits = Limits { resting_orders_max: 2, ..small_limits() };
        let mut world = World::with(layout, limits, rules());
        world.settle(raise([0, 0, 0, 0, 3, 0, 0, 0]));
        let mut listed = super::registry::list("BASEOTHER", BASE, wire::AssetId::new(3), rules());
        if let Command::ListMarket(list) = &mut listed {
            list.partition = wire::PartitionId::new(if layout == Layout::Joint { 1 } else { 3 });
        }
        let Reply::Accepted { id } = world.settle(listed) else { panic!("it is listed") };
        let in_it = |command: Command| match command {
            Command::NewOrder(order) => {
                Command::NewOrder(wire::command::NewOrder { market: wire::MarketId::new(id as u16), ..order })
            }
            other => other,
        };
        world.private.clear();
        for number in 0..4 {
            world.settle(in_it(place(World::account("alice"), "sell", 100 + 2 * number, 1)));
        }
        let refused = world.private.iter().filter(|event| matches!(event, Event::OrderRejected(_))).count();
        assert_eq!(refused, 1, "three rest");
    }
}

/// For the properties of `random`: one more row of everything.
pub(super) fn one_more(world: &World) -> Command {
    let rows = world.partitions[0].rows().expect("a ledger").map(|(_, rows)| rows);
    let more = std::array::from_fn(|at| (rows[at] + 1).min(Capacity::MOST.rows()[at]));
    raise(more)
}

/// What was told beside that there is more room.
pub(super) fn beside_room(events: &[Event]) -> Vec<Event> {
    facts(events).into_iter().filter(|event| !matches!(event, Event::CapacityRaised(_))).collect()
}
