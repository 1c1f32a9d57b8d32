//! The exchange's own money between its addresses: within the operator's bounds, in turn, and booked to nobody.

use wire::command::{
    BindAddress, MoveFunds, ReleaseWithdrawal, ReportDeposit, RequestAddress, SetHotWallet, SetVersion,
};
use wire::{
    Amount, ChainAddress, ChainFreeze, ChainHash, Command, DepositStage, Event, HotWalletBounds, RejectReason,
    Sighting, WithdrawalPurpose, WithdrawalStage,
};

use super::super::world::{BASE, Layout, QUOTE, World, amount, small_limits};
use super::bed::*;
use crate::Limits;

/// At least 10 stay; from 100 on all but 60 goes away; 20 are worth a sweep.
pub(super) fn bounds() -> HotWalletBounds {
    let cold = address("cold");
    HotWalletBounds { low: amount(10), high: amount(100), target: amount(60), sweep_from: amount(20), cold }
}

pub(super) fn bound(bounds: HotWalletBounds) -> Command {
    Command::SetHotWallet(Box::new(SetHotWallet { chain: CHAIN, asset: BASE, bounds }))
}

fn wanted(turn: u64, purpose: WithdrawalPurpose, key: u32, to: &str, units: i64) -> MoveFunds {
    let (address, amount) = (address(to), amount(units));
    MoveFunds { chain: CHAIN, fence: 1, turn, asset: BASE, purpose, key, parent: id(0), address, amount }
}

fn moving(wanted: MoveFunds) -> Command {
    Command::MoveFunds(Box::new(wanted))
}

fn sweep(turn: u64) -> Command {
    moving(wanted(turn, WithdrawalPurpose::Sweep, 0, "hot", 1_000))
}

/// Alice's address is the first, "first".
fn bed(layout: Layout) -> World {
    let mut world = world_with(layout, rules());
    accepted(&mut world, bound(bounds()));
    accepted(&mut world, Command::RequestAddress(RequestAddress { account: World::account("alice"), chain: CHAIN }));
    let bind = BindAddress { chain: CHAIN, fence: 1, index: 1, address: address("first") };
    accepted(&mut world, Command::BindAddress(Box::new(bind)));
    world.private.clear();
    world
}

/// The hot wallet's own address, as chainwatch tells it.
fn bind_wallet(fence: u64, to: &str) -> Command {
    Command::BindAddress(Box::new(BindAddress { chain: CHAIN, fence, index: 0, address: address(to) }))
}

#[test]
fn nothing_is_withdrawn_to_the_hot_wallet_or_a_cold_address_and_a_deposit_address_is_as_good_as_any() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = bed(layout);
        let alice = has(&world, "alice");
        accepted(&mut world, bind_wallet(1, "hOt"));
        for (number, to) in ["hOt", "HOT", "cold", "Cold"].into_iter().enumerate() {
            let asked = request_to(&format!("w{number}"), 10, to);
            assert_eq!(refused(&mut world, asked), RejectReason::AddressOfExchange, "{to}");
        }
        assert_eq!(has(&world, "alice"), alice, "nothing is held for it");
        accepted(&mut world, request_to("other", 10, "first"));
        assert_eq!(stages(&mut world), [WithdrawalStage::Held]);
    }
}

#[test]
fn on_chains_whose_addresses_have_capitals_another_spelling_is_another_address() {
    let mut world = world_of(World::new(Layout::Joint), rules(), wire::AddressFormat::bitcoin());
    accepted(&mut world, bind_wallet(1, "hOt"));
    assert_eq!(refused(&mut world, request_to("a", 10, "hOt")), RejectReason::AddressOfExchange);
    accepted(&mut world, request_to("b", 10, "hot"));
}

/// What was asked for before anybody had told whose the address is, or before it was made a cold one.
#[test]
fn what_waits_to_go_to_an_address_that_is_the_exchanges_own_gets_nothing_and_goes_back_when_it_is_canceled() {
    let mut world = bed(Layout::Joint);
    let alice = has(&world, "alice");
    for (name, to) in [("a", "own"), ("b", "colder")] {
        accepted(&mut world, request_to(name, 10, to));
    }
    accepted(&mut world, bind_wallet(1, "own"));
    accepted(&mut world, bound(HotWalletBounds { cold: address("colder"), ..bounds() }));
    for id in [1, 2] {
        assert_eq!(refused(&mut world, allocate(id, 1, &[0], 2_000)), RejectReason::AddressOfExchange);
        accepted(&mut world, cancel(id, "alice"));
    }
    assert_eq!(has(&world, "alice"), alice);
    accepted(&mut world, request_to("c", 10, "cold"));
}

#[test]
fn the_hot_wallets_address_is_told_once_under_the_claim_and_is_no_accounts() {
    let mut world = bed(Layout::Joint);
    assert_eq!(refused(&mut world, bind_wallet(2, "own")), RejectReason::StaleFence);
    for taken in ["first", ""] {
        assert_eq!(refused(&mut world, bind_wallet(1, taken)), RejectReason::AddressTaken, "{taken}");
    }
    assert_eq!(accepted(&mut world, bind_wallet(1, "own")), 0);
    assert_eq!(accepted(&mut world, bind_wallet(1, "own")), 0, "a proposal that is sent again");
    assert_eq!(refused(&mut world, bind_wallet(1, "other")), RejectReason::AddressTaken);
    let of_account =
        |account| Command::RequestAddress(RequestAddress { account: World::account(account), chain: CHAIN });
    accepted(&mut world, of_account("bob"));
    let bobs = BindAddress { chain: CHAIN, fence: 1, index: 2, address: address("own") };
    assert_eq!(refused(&mut world, Command::BindAddress(Box::new(bobs))), RejectReason::AddressTaken);
    let told = world.private.iter().filter_map(|event| match event {
        Event::AddressBound(bound) => Some((bound.account.get(), bound.index)),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [(0, 0)]);
}

#[test]
fn a_sweep_goes_the_way_of_a_withdrawal_and_books_nothing_but_what_the_chain_got() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = bed(layout);
        let (alice, house) = (has(&world, "alice"), has(&world, "carol"));
        assert_eq!(accepted(&mut world, sweep(0)), 1);
        // 600,000 come back but for the fee: the inputs need not cover what is only moved.
        accepted(&mut world, allocate(1, 1, &[0], 2_000));
        assert_eq!(has(&world, "carol"), (house.0 - 2, 2));
        accepted(&mut world, sign(1, 1));
        accepted(&mut world, see(1, 1, Sighting::Sent));
        accepted(&mut world, mined(1, 1, 1));
        accepted(&mut world, mined(1, 1, 2));
        assert_eq!(stages(&mut world).last(), Some(&WithdrawalStage::Settled));
        assert_eq!((has(&world, "alice"), has(&world, "carol"), gone(&world)), (alice, (house.0 - 2, 0), 2));
    }
}

#[test]
fn a_sweep_that_is_held_and_has_nothing_left_to_sweep_ends_and_another_may_be_made() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = bed(layout);
        let release = |number, fence| {
            let withdrawal = id(number);
            Command::ReleaseWithdrawal(ReleaseWithdrawal { chain: CHAIN, fence, withdrawal })
        };
        let cold = moving(wanted(0, WithdrawalPurpose::Cold, 0, "cold", 40));
        accepted(&mut world, cold);
        assert_eq!(refused(&mut world, release(1, 1)), RejectReason::WithdrawalNotOpen, "no sweep");
        accepted(&mut world, sweep(1));
        for version in [1, 2] {
            world.ask(Command::SetVersion(SetVersion { version }));
            assert_eq!(refused(&mut world, release(2, 1)), RejectReason::WithdrawalNotOpen, "version {version}");
        }
        accepted(&mut world, Command::SetVersion(SetVersion { version: 3 }));
        assert_eq!(refused(&mut world, release(2, 2)), RejectReason::StaleFence);
        accepted(&mut world, release(2, 1));
        assert_eq!(stages(&mut world).last(), Some(&WithdrawalStage::Canceled));
        assert_eq!(refused(&mut world, release(2, 1)), RejectReason::WithdrawalNotOpen);
        assert_eq!(accepted(&mut world, sweep(2)), 3);
        accepted(&mut world, allocate(3, 1, &[0], 2_000));
        assert_eq!(refused(&mut world, release(3, 1)), RejectReason::WithdrawalNotOpen, "it may be signed");
    }
}

#[test]
fn a_move_that_is_proposed_twice_or_out_of_turn_is_made_once() {
    let mut world = bed(Layout::Joint);
    accepted(&mut world, sweep(0));
    for turn in [0, 1, 2] {
        assert_eq!(refused(&mut world, sweep(turn)), RejectReason::MoveOutOfTurn, "one of the same is not over");
    }
    let cold = |turn| moving(wanted(turn, WithdrawalPurpose::Cold, 0, "cold", 40));
    assert_eq!(refused(&mut world, cold(0)), RejectReason::MoveOutOfTurn);
    assert_eq!(accepted(&mut world, cold(1)), 2);
    accepted(&mut world, cancel(1, "operator"));
    assert_eq!(refused(&mut world, sweep(0)), RejectReason::MoveOutOfTurn, "the first comes again, late");
    assert_eq!(accepted(&mut world, sweep(2)), 3);
    let stale = MoveFunds { fence: 2, ..wanted(3, WithdrawalPurpose::Sweep, 1, "hot", 5) };
    assert_eq!(refused(&mut world, moving(stale)), RejectReason::StaleFence);
}

#[test]
fn moves_and_withdrawals_take_no_place_of_each_other() {
    let limits = Limits { withdrawals_max: 9, ..small_limits() };
    let mut world = World::with(Layout::Joint, limits, super::super::world::rules());
    for command in [
        Command::ListChain(wire::command::ListChain {
            symbol: super::super::world::symbol("COIN"),
            lease_ms: 1_500,
            addresses: wire::AddressFormat::Evm,
        }),
        list(BASE, "", 3),
        Command::ClaimChain(wire::command::ClaimChain { chain: CHAIN, instance: 7 }),
        freeze(1, ChainFreeze::Thawed),
        set(rules()),
        bound(bounds()),
    ] {
        accepted(&mut world, command);
    }
    // One in eight, rounded up.
    for turn in [0, 1] {
        accepted(&mut world, sweep(turn));
        accepted(&mut world, cancel(turn + 1, "operator"));
    }
    assert_eq!(refused(&mut world, sweep(2)), RejectReason::TableFull);
    for number in 0..9 {
        accepted(&mut world, request(&format!("w{number}"), 5));
    }
    assert_eq!(refused(&mut world, request("one-more", 5)), RejectReason::TableFull);
    wait_ns(&mut world, 30 * 24 * HOUR_NS);
    accepted(&mut world, sweep(2));
}

#[test]
fn money_moves_between_addresses_of_the_exchange_alone() {
    let mut world = bed(Layout::Joint);
    let (cold, gas, sweep) = (WithdrawalPurpose::Cold, WithdrawalPurpose::Gas, WithdrawalPurpose::Sweep);
    for (wanted, why) in [
        (wanted(0, cold, 0, "elsewhere", 40), RejectReason::AddressNotAllowed),
        (wanted(0, gas, 1, "elsewhere", 7), RejectReason::AddressNotAllowed),
        (wanted(0, gas, 2, "first", 7), RejectReason::UnknownAddress),
        (wanted(0, gas, 0, "first", 7), RejectReason::WithdrawalMismatch),
        (wanted(0, gas, 1, "first", 8), RejectReason::WithdrawalMismatch),
        (wanted(0, sweep, 0, "", 40), RejectReason::AddressNotAllowed),
        (wanted(0, sweep, 0, "hot", 0), RejectReason::ZeroAmount),
        (wanted(0, WithdrawalPurpose::Payment, 0, "hot", 40), RejectReason::WithdrawalMismatch),
        (MoveFunds { asset: QUOTE, ..wanted(0, sweep, 0, "hot", 40) }, RejectReason::WithdrawalsDisabled),
    ] {
        assert_eq!(refused(&mut world, moving(wanted)), why, "{wanted:?}");
    }
    accepted(&mut world, freeze(1, ChainFreeze::Stalled));
    assert_eq!(refused(&mut world, moving(wanted(0, sweep, 0, "hot", 40))), RejectReason::ChainIsFrozen);
    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    accepted(&mut world, moving(wanted(0, cold, 0, "cold", 40)));
    // Its operators have another cold address meanwhile: nothing goes to the old one.
    accepted(&mut world, bound(HotWalletBounds { cold: address("colder"), ..bounds() }));
    assert_eq!(refused(&mut world, allocate(1, 1, &[0], 2_000)), RejectReason::AddressNotAllowed);
    assert_eq!(
        refused(&mut world, cancel(1, "carol")),
        RejectReason::UnknownWithdrawal,
        "it is not the house's to cancel"
    );
    accepted(&mut world, cancel(1, "operator"));
}

#[test]
fn gas_is_forgotten_with_its_move_and_coins_as_old_wait_for_an_operator() {
    let mut world = bed(Layout::Joint);
    let before = has(&world, "alice");
    accepted(&mut world, moving(wanted(0, WithdrawalPurpose::Gas, 1, "first", 7)));
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
    accepted(&mut world, sign(1, 1));
    accepted(&mut world, mined(1, 1, 2));
    let height = sighting(1, 1, Sighting::Included, 2).height;
    wait_ns(&mut world, 30 * 24 * HOUR_NS - 1);
    accepted(&mut world, request("a-day-before", 5));
    assert_eq!(refused(&mut world, coins(tx(1, 1), height)), RejectReason::WithdrawalMismatch);
    wait_ns(&mut world, 1);
    accepted(&mut world, request("on-the-day", 5));
    let deposits = |world: &mut World| {
        let told = world.private.drain(..).filter_map(|event| match event {
            Event::DepositChanged(changed) => Some(changed.stage),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    world.private.clear();
    accepted(&mut world, coins(tx(1, 1), height));
    accepted(&mut world, coins(ChainHash([78; 32]), height));
    accepted(&mut world, coins(ChainHash([79; 32]), height + 1));
    use DepositStage::{Credited, Quarantined};
    assert_eq!(deposits(&mut world), [Quarantined, Quarantined, Credited]);
    assert_eq!(has(&world, "alice").0 + has(&world, "alice").1, before.0 + before.1 + 7);
}

/// Of seven units to alice's deposit address.
fn coins(tx: ChainHash, height: u64) -> Command {
    Command::ReportDeposit(Box::new(ReportDeposit {
        chain: CHAIN,
        fence: 1,
        tx,
        output: 0,
        index: 1,
        asset: BASE,
        amount: 7 * UNIT,
        is_included: true,
        block: ChainHash([8; 32]),
        height,
        confirmations: 9,
        is_final: true,
    }))
}

#[test]
fn gas_that_a_deposit_address_gets_is_nobodys_deposit() {
    let mut world = bed(Layout::Joint);
    let before = has(&world, "alice");
    accepted(&mut world, moving(wanted(0, WithdrawalPurpose::Gas, 1, "first", 7)));
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
    accepted(&mut world, sign(1, 1));
    let deposit = |tx| coins(tx, 100);
    assert_eq!(refused(&mut world, deposit(tx(1, 1))), RejectReason::WithdrawalMismatch);
    accepted(&mut world, mined(1, 1, 2));
    assert_eq!(refused(&mut world, deposit(tx(1, 1))), RejectReason::WithdrawalMismatch);
    assert_eq!(has(&world, "alice"), before);
    accepted(&mut world, deposit(ChainHash([77; 32])));
    assert_eq!(has(&world, "alice"), (before.0 + 7, before.1));
}

#[test]
fn bounds_of_the_hot_wallet_that_contradict_each_other_are_refused() {
    let mut world = world();
    let zero = Amount::ZERO;
    let off = HotWalletBounds { high: zero, target: zero, cold: ChainAddress::EMPTY, ..bounds() };
    for wrong in [
        HotWalletBounds { target: amount(100), ..bounds() },
        HotWalletBounds { target: amount(9), ..bounds() },
        HotWalletBounds { cold: ChainAddress::EMPTY, ..bounds() },
        HotWalletBounds { cold: address("cold"), ..off },
        HotWalletBounds { target: amount(60), ..off },
    ] {
        assert_eq!(refused(&mut world, bound(wrong)), RejectReason::BadWithdrawalRules, "{wrong:?}");
    }
    accepted(&mut world, bound(off));
    accepted(&mut world, bound(HotWalletBounds { target: amount(10), ..bounds() }));
    let elsewhere = SetHotWallet { chain: CHAIN, asset: QUOTE, bounds: bounds() };
    let why = refused(&mut world, Command::SetHotWallet(Box::new(elsewhere)));
    assert_eq!(why, RejectReason::UnknownChainAsset, "it does not move on this chain");
}
