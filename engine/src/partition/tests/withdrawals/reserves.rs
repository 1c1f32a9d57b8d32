//! Reserves: what a chain lacks halts that asset there, and only operators let it go on.

use wire::command::{DeclareReserves, ListChain, MoveFunds, ReportReserves, ThawReserves};
use wire::event::ReservesChanged;
use wire::{
    AddressFormat, AssetId, ChainHash, ChainId, Command, Event, LogPosition, RejectReason, ReservesStanding, Sighting,
    WithdrawalPurpose, WithdrawalStage,
};

use super::super::world::{BASE, Layout, QUOTE, World, amount, symbol};
use super::bed::*;

fn compare(held: u128, due: u128) -> ReportReserves {
    let position = LogPosition::new(u64::MAX);
    ReportReserves { chain: CHAIN, fence: 1, asset: BASE, position, block: ChainHash([7; 32]), height: 90, held, due }
}

fn say_so(report: ReportReserves) -> Command {
    Command::ReportReserves(Box::new(report))
}

fn thaw() -> Command {
    Command::ThawReserves(ThawReserves { chain: CHAIN, asset: BASE })
}

fn declare(chain: ChainId, asset: AssetId, brought: i128) -> Command {
    Command::DeclareReserves(Box::new(DeclareReserves { chain, asset, brought, since: 8 }))
}

fn told_of_reserves(world: &mut World) -> Vec<ReservesChanged> {
    let told = std::mem::take(&mut world.private).into_iter().filter_map(|event| match event {
        Event::ReservesChanged(changed) => Some(*changed),
        _ => None,
    });
    told.collect()
}

fn standings(world: &mut World) -> Vec<ReservesStanding> {
    told_of_reserves(world).iter().map(|changed| changed.standing).collect()
}

#[test]
fn a_unit_that_is_missing_halts_what_has_no_transaction_until_it_is_there_and_two_operators_say_so() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = world_with(layout, rules());
        signed(&mut world);
        accepted(&mut world, request("two", 100));
        accepted(&mut world, say_so(compare(1_000, 1_000)));
        assert_eq!(standings(&mut world), [], "exactly enough is enough");
        accepted(&mut world, say_so(compare(999, 1_000)));
        let told = told_of_reserves(&mut world);
        assert_eq!((told[0].standing, told[0].held, told[0].due), (ReservesStanding::Short, 999, 1_000));
        accepted(&mut world, request("three", 100));
        for number in [2, 3] {
            assert_eq!(refused(&mut world, allocate(number, 1, &[number as u32], 2_000)), RejectReason::ReservesShort);
        }
        // What was signed before goes its way, and may pay more.
        accepted(&mut world, see(1, 1, Sighting::Overdue));
        accepted(&mut world, allocate(1, 2, &[0], 3_000));
        accepted(&mut world, sign(1, 2));
        assert_eq!(refused(&mut world, thaw()), RejectReason::ReservesNotFound);
        accepted(&mut world, say_so(compare(1_001, 1_000)));
        assert_eq!(refused(&mut world, allocate(2, 1, &[2], 2_000)), RejectReason::ReservesShort, "nobody has looked");
        by_two(&mut world, thaw());
        accepted(&mut world, allocate(2, 1, &[2], 2_000));
        assert_eq!(standings(&mut world), [ReservesStanding::Found, ReservesStanding::Whole]);
        assert_eq!(refused(&mut world, thaw()), RejectReason::ReservesNotFound, "it is not halted");
        accepted(&mut world, cancel(3, "alice"));
    }
}

#[test]
fn what_was_found_and_is_missing_again_is_short_again() {
    let mut world = world();
    for (held, wanted) in [(1, vec![ReservesStanding::Short]), (2, vec![ReservesStanding::Found]), (2, vec![])] {
        accepted(&mut world, say_so(compare(held, 2)));
        assert_eq!(standings(&mut world), wanted);
    }
    accepted(&mut world, say_so(compare(1, 2)));
    assert_eq!(standings(&mut world), [ReservesStanding::Short]);
    assert_eq!(refused(&mut world, thaw()), RejectReason::ReservesNotFound);
}

#[test]
fn a_halt_is_of_one_asset_and_of_its_moves() {
    let mut world = world();
    accepted(&mut world, list(QUOTE, "0xabc", 3));
    accepted(&mut world, say_so(compare(0, 1)));
    let other = ReportReserves { asset: QUOTE, ..compare(5, 5) };
    accepted(&mut world, say_so(other));
    let (address, amount) = (address("hot"), amount(10));
    let wanted = |asset| {
        let (purpose, key) = (WithdrawalPurpose::Sweep, 0);
        let parent = id(0);
        let wanted = MoveFunds { chain: CHAIN, fence: 1, turn: 0, asset, purpose, key, parent, address, amount };
        Command::MoveFunds(Box::new(wanted))
    };
    assert_eq!(refused(&mut world, wanted(BASE)), RejectReason::ReservesShort);
    assert_eq!(refused(&mut world, wanted(QUOTE)), RejectReason::WithdrawalsDisabled, "of that nothing is missing");
}

#[test]
fn a_comparison_that_does_not_know_all_of_the_log_decides_nothing() {
    let mut world = world();
    signed(&mut world);
    let old = ReportReserves { position: LogPosition::new(1), ..compare(0, 1) };
    assert_eq!(refused(&mut world, say_so(old)), RejectReason::ReservesOutdated);
    let unclaimed = ReportReserves { fence: 2, ..compare(0, 1) };
    assert_eq!(refused(&mut world, say_so(unclaimed)), RejectReason::StaleFence);
    let unlisted = ReportReserves { asset: QUOTE, ..compare(0, 1) };
    assert_eq!(refused(&mut world, say_so(unlisted)), RejectReason::UnknownChainAsset);
    assert_eq!(standings(&mut world), []);
    // What an operator has declared is part of what a comparison has to know.
    by_two(&mut world, declare(CHAIN, BASE, -3));
    assert_eq!(refused(&mut world, say_so(old)), RejectReason::ReservesOutdated);
    assert_eq!(told_of_reserves(&mut world)[0].brought, -3);
    accepted(&mut world, declare(CHAIN, BASE, -3));
    assert_eq!(told_of_reserves(&mut world), [], "said twice is said once");
}

#[test]
fn outputs_that_no_deposit_made_are_not_declared() {
    let mut world = world();
    accepted(&mut world, declare(CHAIN, BASE, 7));
    let litecoin = ListChain { symbol: symbol("LTC"), lease_ms: 1_500, addresses: AddressFormat::litecoin() };
    let chain = ChainId::new(accepted(&mut world, Command::ListChain(litecoin)) as u16);
    assert_eq!(refused(&mut world, declare(chain, QUOTE, -1)), RejectReason::UnknownChainAsset);
    let Command::ListChainAsset(listed) = list(QUOTE, "", 3) else { unreachable!("it lists") };
    accepted(&mut world, Command::ListChainAsset(Box::new(wire::command::ListChainAsset { chain, ..*listed })));
    assert_eq!(refused(&mut world, declare(chain, QUOTE, 1)), RejectReason::BadReserves);
    by_two(&mut world, declare(chain, QUOTE, -1));
}

/// Who compares adds it to all that accounts have.
#[test]
fn what_was_brought_is_bounded() {
    let mut world = world();
    let most = i128::from(i64::MAX) * 1_000_000_000_000_000_000;
    accepted(&mut world, declare(CHAIN, BASE, most));
    for brought in [most + 1, -most - 1, i128::MAX, i128::MIN] {
        assert_eq!(refused(&mut world, declare(CHAIN, BASE, brought)), RejectReason::BadReserves, "{brought}");
    }
    by_two(&mut world, declare(CHAIN, BASE, -most));
}

#[test]
fn a_halted_request_is_held_and_may_be_taken_back() {
    let mut world = world();
    accepted(&mut world, say_so(compare(0, 1)));
    let before = has(&world, "alice");
    accepted(&mut world, request("one", 100));
    assert_eq!(stages(&mut world), [WithdrawalStage::Held]);
    accepted(&mut world, cancel(1, "alice"));
    assert_eq!(has(&world, "alice"), before);
}
