//! Children of what is stuck: they spend its change, pay with it under one cap, and end where its end leaves them no use.

use wire::command::{AllocateWithdrawal, FailWithdrawal, MoveFunds};
use wire::{
    ChainInput, ChainInputs, Command, RejectReason, Sighting, WithdrawalCause, WithdrawalPurpose, WithdrawalStage,
};

use super::super::world::{BASE, Layout, QUOTE, World, amount};
use super::bed::*;

/// What comes back of 600,000 when 100 leave and the first transaction pays 2,000.
const CHANGE: u64 = 498_000;

pub(super) fn wanted(turn: u64, parent: u64, units: i64) -> MoveFunds {
    let (purpose, address, amount) = (WithdrawalPurpose::Child, address("hot"), amount(units));
    MoveFunds { chain: CHAIN, fence: 1, turn, asset: BASE, purpose, key: 0, parent: id(parent), address, amount }
}

pub(super) fn moving(wanted: MoveFunds) -> Command {
    Command::MoveFunds(Box::new(wanted))
}

fn child(turn: u64, parent: u64) -> Command {
    moving(wanted(turn, parent, 490))
}

/// It spends so much of what the transaction `of` a withdrawal gives back.
pub(super) fn spending(number: u64, attempt: u8, of: (u64, u8), amount: u64, network_fee: u128) -> AllocateWithdrawal {
    let input = ChainInput { tx: tx(of.0, of.1), output: 1, amount, key: 0 };
    let inputs = ChainInputs::new(&[input]).unwrap();
    AllocateWithdrawal { inputs, ..allocation(number, attempt, &[], network_fee) }
}

fn overdue(number: u64, attempt: u8) -> Command {
    see(number, attempt, Sighting::Overdue)
}

/// The first withdrawal is stuck, with one transaction.
fn stuck(layout: Layout) -> World {
    let mut world = world_with(layout, rules());
    signed(&mut world);
    accepted(&mut world, overdue(1, 1));
    world.private.clear();
    world
}

/// And its child, the second, is signed.
fn helped() -> World {
    let mut world = stuck(Layout::Joint);
    accepted(&mut world, child(0, 1));
    accepted(&mut world, say(spending(2, 1, (1, 1), CHANGE, 3_000)));
    accepted(&mut world, sign(2, 1));
    world.private.clear();
    world
}

/// The rows told since: which, where, why.
fn ends(world: &mut World) -> Vec<(u64, WithdrawalStage, WithdrawalCause)> {
    told(world).iter().map(|row| (row.withdrawal.get(), row.stage, row.cause)).collect()
}

#[test]
fn a_child_goes_the_way_of_a_withdrawal_and_the_house_pays_the_chain_for_both_once() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = stuck(layout);
        let (alice, house) = (has(&world, "alice"), has(&world, "carol"));
        assert_eq!(accepted(&mut world, child(0, 1)), 2);
        assert_eq!(told(&mut world)[0].parent, id(1));
        accepted(&mut world, say(spending(2, 1, (1, 1), CHANGE, 3_000)));
        assert_eq!(has(&world, "carol"), (house.0 - 3, house.1 + 3));
        accepted(&mut world, sign(2, 1));
        accepted(&mut world, see(2, 1, Sighting::Sent));
        accepted(&mut world, see(2, 1, Sighting::Pooled));
        // One block has both; whichever is told first.
        accepted(&mut world, mined(2, 1, 1));
        accepted(&mut world, mined(1, 1, 1));
        accepted(&mut world, mined(2, 1, 2));
        assert_eq!(gone(&world), 2, "1,500 to the chain, to the unit above");
        accepted(&mut world, mined(1, 1, 2));
        let last = ends(&mut world);
        assert!(last.ends_with(&[
            (2, WithdrawalStage::Settled, WithdrawalCause::None),
            (1, WithdrawalStage::Settled, WithdrawalCause::None)
        ]));
        assert_eq!(gone(&world), 100 + 3, "3,000 to the chain in all");
        assert_eq!(has(&world, "alice"), (alice.0, alice.1 - 101));
        assert_eq!(has(&world, "carol"), (house.0 + 2 + 1 - 3, 0), "the fee came in, and what was held is free");
    }
}

#[test]
fn only_what_is_stuck_and_has_change_gets_a_child_and_one_at_a_time() {
    let mut world = world();
    signed(&mut world);
    assert_eq!(refused(&mut world, child(0, 1)), RejectReason::WithdrawalNotOpen, "it is not overdue");
    accepted(&mut world, overdue(1, 1));
    let sweep = WithdrawalPurpose::Sweep;
    for (wanted, why) in [
        (wanted(0, 9, 490), RejectReason::UnknownWithdrawal),
        (wanted(0, 0, 490), RejectReason::WithdrawalMismatch),
        (MoveFunds { purpose: sweep, ..wanted(0, 1, 490) }, RejectReason::WithdrawalMismatch),
        (MoveFunds { asset: QUOTE, ..wanted(0, 1, 490) }, RejectReason::WithdrawalsDisabled),
        (MoveFunds { address: address(""), ..wanted(0, 1, 490) }, RejectReason::AddressNotAllowed),
        (wanted(0, 1, 499), RejectReason::WithdrawalMismatch),
        (wanted(0, 1, 0), RejectReason::ZeroAmount),
        (wanted(1, 1, 490), RejectReason::MoveOutOfTurn),
    ] {
        assert_eq!(refused(&mut world, moving(wanted)), why, "{wanted:?}");
    }
    accepted(&mut world, moving(wanted(0, 1, 498)));
    for turn in [0, 1] {
        assert_eq!(refused(&mut world, child(turn, 1)), RejectReason::MoveOutOfTurn, "one of it is not over");
    }
    accepted(&mut world, cancel(2, "operator"));
    accepted(&mut world, child(1, 1));
}

#[test]
fn a_withdrawal_whose_inputs_leave_nothing_gets_no_child() {
    let mut world = world();
    accepted(&mut world, request("one", 100));
    let exact = AllocateWithdrawal { inputs: inputs(&[0], 102_000), ..allocation(1, 1, &[], 2_000) };
    accepted(&mut world, say(exact));
    accepted(&mut world, sign(1, 1));
    accepted(&mut world, overdue(1, 1));
    assert_eq!(refused(&mut world, moving(wanted(0, 1, 1))), RejectReason::WithdrawalMismatch);
}

#[test]
fn a_child_spends_the_whole_change_of_one_of_its_parents_transactions_and_nothing_else() {
    let mut world = stuck(Layout::Joint);
    // A replacement that nodes do not take: either may be mined.
    accepted(&mut world, allocate(1, 2, &[0], 2_500));
    accepted(&mut world, sign(1, 2));
    accepted(&mut world, overdue(1, 2));
    accepted(&mut world, child(0, 1));
    let coin = |of: (u64, u8), amount, key| ChainInput { tx: tx(of.0, of.1), output: 1, amount, key };
    for inputs in [
        vec![coin((1, 1), CHANGE - 1, 0)],
        vec![coin((1, 1), CHANGE, 3)],
        vec![coin((1, 2), CHANGE, 0)],
        vec![coin((7, 1), CHANGE, 0)],
        vec![coin((1, 1), CHANGE, 0), coin((1, 2), CHANGE - 500, 0)],
        vec![],
    ] {
        let inputs = ChainInputs::new(&inputs).unwrap();
        let gas_limit = u64::from(inputs.as_slice().is_empty());
        let wrong = AllocateWithdrawal { inputs, gas_limit, ..allocation(2, 1, &[], 3_000) };
        assert_eq!(refused(&mut world, say(wrong)), RejectReason::WithdrawalMismatch, "{inputs:?}");
    }
    accepted(&mut world, say(spending(2, 1, (1, 2), CHANGE - 500, 3_000)));
    // What it spends is nobody else's any more.
    accepted(&mut world, request("two", 10));
    let theirs = AllocateWithdrawal { withdrawal: id(3), ..spending(2, 1, (1, 2), CHANGE - 500, 3_000) };
    assert_eq!(refused(&mut world, say(theirs)), RejectReason::InputTaken);
}

#[test]
fn a_parent_and_its_children_pay_no_more_than_one_transaction_may() {
    let mut world = stuck(Layout::Joint);
    accepted(&mut world, child(0, 1));
    // 7,000 may be paid, and the parent pays 2,000 of it.
    let fee = |fee| say(spending(2, 1, (1, 1), CHANGE, fee));
    assert_eq!(refused(&mut world, fee(5_001)), RejectReason::NetworkFeeTooHigh);
    accepted(&mut world, fee(3_000));
    accepted(&mut world, sign(2, 1));
    accepted(&mut world, overdue(2, 1));
    let bump = |fee| say(spending(2, 2, (1, 1), CHANGE, fee));
    assert_eq!(refused(&mut world, bump(5_001)), RejectReason::NetworkFeeTooHigh);
    assert_eq!(refused(&mut world, bump(3_000)), RejectReason::NotAReplacement);
    accepted(&mut world, bump(4_000));
    accepted(&mut world, sign(2, 2));
    accepted(&mut world, overdue(2, 2));
    // A child of the child, of its first transaction.
    accepted(&mut world, moving(wanted(1, 2, 495)));
    let third = |fee| say(spending(3, 1, (2, 1), CHANGE - 3_000, fee));
    assert_eq!(refused(&mut world, third(2_001)), RejectReason::NetworkFeeTooHigh);
    accepted(&mut world, third(2_000));
}

#[test]
fn a_child_that_has_no_transaction_yet_is_canceled_when_its_parent_is_settled() {
    let mut world = stuck(Layout::Joint);
    accepted(&mut world, child(0, 1));
    accepted(&mut world, mined(1, 1, 1));
    assert_eq!(
        refused(&mut world, say(spending(2, 1, (1, 1), CHANGE, 3_000))),
        RejectReason::WithdrawalNotOpen,
        "its parent is not stuck any more"
    );
    world.private.clear();
    accepted(&mut world, mined(1, 1, 2));
    assert_eq!(ends(&mut world)[1], (2, WithdrawalStage::Canceled, WithdrawalCause::Orphaned));
    assert_eq!(has(&world, "carol").1, 0);
}

#[test]
fn a_child_of_the_transaction_that_is_settled_goes_its_way() {
    let mut world = helped();
    accepted(&mut world, mined(1, 1, 2));
    assert_eq!(ends(&mut world), [(1, WithdrawalStage::Settled, WithdrawalCause::None)]);
    accepted(&mut world, overdue(2, 1));
    accepted(&mut world, say(spending(2, 2, (1, 1), CHANGE, 4_000)));
    accepted(&mut world, sign(2, 2));
    accepted(&mut world, mined(2, 1, 2));
    assert_eq!(stages(&mut world).last(), Some(&WithdrawalStage::Settled));
}

/// Whatever the child had come to: its parent's other transaction is settled, so that what it spends never is.
#[test]
fn a_child_of_a_transaction_that_was_not_mined_after_all_has_failed() {
    type Steps = fn(&mut World);
    let so_far: [Steps; 6] = [
        |_| {},
        |world| {
            accepted(world, sign(2, 1));
        },
        |world| {
            accepted(world, sign(2, 1));
            accepted(world, see(2, 1, Sighting::Sent));
            accepted(world, see(2, 1, Sighting::Pooled));
        },
        |world| {
            accepted(world, sign(2, 1));
            accepted(world, overdue(2, 1));
            accepted(world, say(spending(2, 2, (1, 1), CHANGE, 4_000)));
        },
        |world| {
            accepted(world, sign(2, 1));
            accepted(world, mined(2, 1, 1));
        },
        |world| {
            accepted(world, sign(2, 1));
            accepted(world, see(2, 1, Sighting::Conflicting));
        },
    ];
    for steps in so_far {
        let mut world = stuck(Layout::Joint);
        let house = has(&world, "carol");
        accepted(&mut world, child(0, 1));
        accepted(&mut world, say(spending(2, 1, (1, 1), CHANGE, 3_000)));
        steps(&mut world);
        accepted(&mut world, allocate(1, 2, &[0], 2_500));
        accepted(&mut world, sign(1, 2));
        world.private.clear();
        accepted(&mut world, mined(1, 2, 2));
        let orphaned = (2, WithdrawalStage::Failed, WithdrawalCause::Orphaned);
        assert_eq!(ends(&mut world), [(1, WithdrawalStage::Settled, WithdrawalCause::None), orphaned]);
        assert_eq!(has(&world, "carol"), (house.0 + 2 + 1 - 2, 0), "nothing is held for it, and nothing paid");
        assert_eq!(refused(&mut world, mined(2, 1, 1)), RejectReason::WithdrawalNotOpen);
        assert_eq!(refused(&mut world, see(2, 1, Sighting::Gone)), RejectReason::WithdrawalNotOpen);
    }
}

#[test]
fn what_an_operator_fails_takes_its_children_with_it_down_to_the_last() {
    let mut world = helped();
    accepted(&mut world, overdue(2, 1));
    accepted(&mut world, moving(wanted(1, 2, 495)));
    accepted(&mut world, say(spending(3, 1, (2, 1), CHANGE - 3_000, 1_000)));
    accepted(&mut world, sign(3, 1));
    accepted(&mut world, see(1, 1, Sighting::Conflicting));
    world.private.clear();
    accepted(&mut world, Command::FailWithdrawal(FailWithdrawal { withdrawal: id(1) }));
    let (failed, orphaned) = (WithdrawalStage::Failed, WithdrawalCause::Orphaned);
    assert_eq!(
        ends(&mut world),
        [(1, failed, WithdrawalCause::Operator), (2, failed, orphaned), (3, failed, orphaned)]
    );
    assert_eq!(has(&world, "carol").1, 0);
}

#[test]
fn the_block_of_both_that_is_gone_leaves_both_open_and_each_is_settled_once() {
    let mut world = helped();
    for number in [1, 2] {
        accepted(&mut world, mined(number, 1, 1));
    }
    for number in [2, 1] {
        accepted(&mut world, see(number, 1, Sighting::Gone));
    }
    assert_eq!(world.partitions[0].audit()[0].withdrawals, 0);
    // The parent comes alone, and its child later.
    accepted(&mut world, mined(1, 1, 2));
    assert_eq!(gone(&world), 100 + 2);
    accepted(&mut world, mined(2, 1, 2));
    assert_eq!(gone(&world), 100 + 3);
    let settled: Vec<u64> = told(&mut world)
        .iter()
        .filter(|row| row.stage == WithdrawalStage::Settled)
        .map(|row| row.withdrawal.get())
        .collect();
    assert_eq!(settled, [1, 2]);
}

#[test]
fn a_parent_has_another_child_after_one_that_came_to_nothing() {
    let mut world = stuck(Layout::Joint);
    accepted(&mut world, child(0, 1));
    accepted(&mut world, say(spending(2, 1, (1, 1), CHANGE, 3_000)));
    accepted(&mut world, refuse(2, 1));
    assert_eq!(ends(&mut world).last(), Some(&(2, WithdrawalStage::Failed, WithdrawalCause::SignerRefused)));
    assert_eq!(accepted(&mut world, child(1, 1)), 3);
    accepted(&mut world, say(spending(3, 1, (1, 1), CHANGE, 3_000)));
}
