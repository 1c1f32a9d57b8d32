//! Batches: several withdrawals by one transaction, all of them or none.

use wire::command::{
    AllocateWithdrawal, FailWithdrawal, GatherWithdrawals, MoveFunds, ReleaseWithdrawal, Reply, RequestWithdrawal,
    RestrictWithdrawals,
};
use wire::{
    AddressFormat, BatchMembers, ChainFreeze, ChainInputs, ClientOrderId, Command, Event, RejectReason, Sighting,
    WithdrawalCause, WithdrawalPurpose, WithdrawalRules, WithdrawalStage,
};

use super::super::world::{BASE, Layout, QUOTE, World, amount, small_limits};
use super::bed::*;
use super::children::{moving, spending, wanted};
use super::moves::{bound, bounds};
use crate::Limits;

pub(super) fn gathering(turn: u64, members: &[u64]) -> GatherWithdrawals {
    let members: Vec<_> = members.iter().map(|number| id(*number)).collect();
    GatherWithdrawals { chain: CHAIN, fence: 1, turn, asset: BASE, members: BatchMembers::new(&members).unwrap() }
}

pub(super) fn gather(turn: u64, members: &[u64]) -> Command {
    Command::GatherWithdrawals(Box::new(gathering(turn, members)))
}

pub(super) fn release(number: u64) -> Command {
    Command::ReleaseWithdrawal(ReleaseWithdrawal { chain: CHAIN, fence: 1, withdrawal: id(number) })
}

fn fail(number: u64) -> Command {
    Command::FailWithdrawal(FailWithdrawal { withdrawal: id(number) })
}

/// A chain whose transactions have outputs.
pub(super) fn of_outputs(layout: Layout, rules: WithdrawalRules) -> World {
    world_of(World::new(layout), rules, AddressFormat::bitcoin_regtest())
}

/// Of 100, 101 and so on, to one address each.
fn requested(world: &mut World, count: u64) {
    for number in 1..=count {
        let (name, to) = (format!("w{number}"), format!("home-{number}"));
        accepted(world, request_to(&name, 99 + number as i64, &to));
    }
}

/// Three withdrawals of alice, 303 and three of fees, in a batch, which is the fourth.
fn held() -> World {
    held_in(Layout::Joint)
}

fn held_in(layout: Layout) -> World {
    let mut world = of_outputs(layout, rules());
    requested(&mut world, 3);
    assert_eq!(accepted(&mut world, gather(0, &[1, 2, 3])), 4);
    world
}

/// And its transaction, of 2,000 to the chain, is in the log.
fn sent() -> World {
    let mut world = held();
    accepted(&mut world, allocate(4, 1, &[0], 2_000));
    accepted(&mut world, sign(4, 1));
    world.private.clear();
    world
}

/// The rows told since: which, where, in which batch.
fn rows(world: &mut World) -> Vec<(u64, WithdrawalStage, u64)> {
    told(world).iter().map(|row| (row.withdrawal.get(), row.stage, row.batch.get())).collect()
}

fn all_at(stage: WithdrawalStage) -> Vec<(u64, WithdrawalStage, u64)> {
    vec![(4, stage, 0), (1, stage, 4), (2, stage, 4), (3, stage, 4)]
}

fn named(world: &mut World, command: Command) -> (RejectReason, u64) {
    match settled(world, command) {
        Reply::Rejected { reason, id } => (reason, id),
        reply => panic!("{reply:?}"),
    }
}

#[test]
fn a_batch_takes_its_members_the_way_of_a_withdrawal_and_the_house_pays_the_chain_once() {
    use WithdrawalStage::*;
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = held_in(layout);
        let (alice, house) = (has(&world, "alice"), has(&world, "carol"));
        assert_eq!(alice.1, 303 + 3);
        let told_rows = told(&mut world);
        let batch = told_rows[3];
        assert_eq!(
            (batch.purpose, batch.account, batch.amount, batch.fee, batch.required),
            (WithdrawalPurpose::Batch, World::account("carol"), amount(303), amount(0), 2)
        );
        let joined: Vec<_> = told_rows[4..].iter().map(|row| (row.withdrawal.get(), row.stage, row.batch)).collect();
        assert_eq!(joined, [1, 2, 3].map(|number| (number, Held, id(4))));
        let steps = [
            (allocate(4, 1, &[0], 2_000), Allocated),
            (sign(4, 1), Signed),
            (see(4, 1, Sighting::Sent), Broadcast),
            (see(4, 1, Sighting::Pooled), Mempool),
            (see(4, 1, Sighting::Dropped), Signed),
            (see(4, 1, Sighting::Overdue), Stuck),
            (allocate(4, 2, &[0], 2_500), Bumped),
            (sign(4, 2), Signed),
            (mined(4, 1, 1), Mined),
        ];
        for (step, stage) in steps {
            accepted(&mut world, step.clone());
            assert_eq!(rows(&mut world), all_at(stage), "{step:?}");
        }
        assert_eq!(has(&world, "carol"), (house.0 - 3, house.1 + 3), "2,500 to the chain, to the unit above");
        accepted(&mut world, mined(4, 1, 2));
        let last = told(&mut world);
        assert!(last.iter().all(|row| (row.stage, row.tx, row.height) == (Settled, tx(4, 1), 100)), "{last:?}");
        let paid: Vec<_> = last.iter().map(|row| row.network_fee).collect();
        assert_eq!(paid, [1_500, 0, 0, 0], "the batch has paid for all");
        assert_eq!(gone(&world), 303 + 2, "1,500 to the chain, to the unit above");
        assert_eq!(has(&world, "alice"), (alice.0, 0));
        assert_eq!(has(&world, "carol"), (house.0 + 3 - 2, 0), "three fees came in, and what was held is free");
    }
}

#[test]
fn what_is_not_held_and_due_on_the_chain_is_in_no_batch_and_is_named() {
    let reviewed = WithdrawalRules { review_from: amount(200), approvals: 1, ..rules() };
    let mut world = of_outputs(Layout::Joint, reviewed);
    requested(&mut world, 2);
    accepted(&mut world, request("three", 200));
    accepted(&mut world, bound(bounds()));
    accepted(&mut world, moving(cold_move(0)));
    let known = |command| (command, 0);
    for (gathered, (why, name)) in [
        (GatherWithdrawals { fence: 2, ..gathering(1, &[1, 2]) }, (RejectReason::StaleFence, 1)),
        (gathering(0, &[1, 2]), (RejectReason::MoveOutOfTurn, 1)),
        (gathering(2, &[1, 2]), (RejectReason::MoveOutOfTurn, 1)),
        (GatherWithdrawals { asset: QUOTE, ..gathering(1, &[1, 2]) }, known(RejectReason::WithdrawalsDisabled)),
        (gathering(1, &[1, 3]), (RejectReason::WithdrawalNotOpen, 3)),
        (gathering(1, &[1, 9]), (RejectReason::UnknownWithdrawal, 9)),
        (gathering(1, &[1, 4]), (RejectReason::WithdrawalMismatch, 4)),
    ] {
        let command = Command::GatherWithdrawals(Box::new(gathered));
        assert_eq!(named(&mut world, command), (why, name), "{gathered:?}");
    }
    // Those of other rules have other confirmations, or wait.
    accepted(&mut world, set(WithdrawalRules { confirmations: 3, address_delay_s: 60, ..reviewed }));
    accepted(&mut world, request_to("later", 100, "new-home"));
    assert_eq!(named(&mut world, gather(1, &[1, 5])), (RejectReason::WithdrawalNotReady, 5));
    wait_ns(&mut world, 60 * 1_000_000_000);
    assert_eq!(named(&mut world, gather(1, &[1, 5])), (RejectReason::WithdrawalMismatch, 5));
    accepted(&mut world, freeze(1, ChainFreeze::Stalled));
    assert_eq!(refused(&mut world, gather(1, &[1, 2])), RejectReason::ChainIsFrozen);
    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    accepted(&mut world, block("alice", true));
    assert_eq!(named(&mut world, gather(1, &[1, 2])), (RejectReason::WithdrawalsBlocked, 1));
    by_two(&mut world, block("alice", false));
    accepted(&mut world, gather(1, &[1, 2]));
    assert_eq!(named(&mut world, gather(2, &[1, 2])), (RejectReason::WithdrawalInBatch, 1));
    assert_eq!(refused(&mut world, gather(1, &[1, 2])), RejectReason::MoveOutOfTurn, "it comes again, late");
}

fn cold_move(turn: u64) -> MoveFunds {
    MoveFunds { purpose: WithdrawalPurpose::Cold, parent: id(0), address: address("cold"), ..wanted(turn, 0, 50) }
}

fn block(who: &str, is_blocked: bool) -> Command {
    let account = World::account(who);
    Command::RestrictWithdrawals(RestrictWithdrawals { account, is_blocked, is_allow_listed: false })
}

#[test]
fn where_accounts_have_nonces_and_of_tokens_each_goes_alone() {
    let mut world = world_of(World::new(Layout::Joint), rules(), AddressFormat::Evm);
    requested(&mut world, 2);
    assert_eq!(refused(&mut world, gather(0, &[1, 2])), RejectReason::WithdrawalMismatch);
    // Nor does a batch get a nonce.
    let mut world = held();
    let by_nonce = AllocateWithdrawal { inputs: ChainInputs::EMPTY, gas_limit: 1, ..allocation(4, 1, &[], 2_000) };
    assert_eq!(refused(&mut world, say(by_nonce)), RejectReason::WithdrawalMismatch);
    // 600,000 are there; 303,000 leave.
    assert_eq!(refused(&mut world, allocate(4, 1, &[0], 297_001)), RejectReason::WithdrawalMismatch);
    assert_eq!(refused(&mut world, allocate(4, 1, &[0], 7_001)), RejectReason::NetworkFeeTooHigh, "the cap of one");
    accepted(&mut world, allocate(4, 1, &[0], 7_000));
    // Of another coin that moves on the chain there are tokens.
    let mut world = of_outputs(Layout::Joint, rules());
    accepted(&mut world, list(QUOTE, "token", 3));
    let of_tokens = wire::command::SetWithdrawalRules { chain: CHAIN, asset: QUOTE, rules: rules() };
    accepted(&mut world, Command::SetWithdrawalRules(Box::new(of_tokens)));
    let of_tokens = GatherWithdrawals { asset: QUOTE, ..gathering(0, &[1, 2]) };
    let command = Command::GatherWithdrawals(Box::new(of_tokens));
    assert_eq!(refused(&mut world, command), RejectReason::WithdrawalMismatch);
}

#[test]
fn two_go_together_and_thirty_two_and_the_amount_is_the_sum() {
    for count in [2_u64, 32] {
        let mut world = of_outputs(Layout::Joint, rules());
        for number in 1..=count {
            accepted(&mut world, request(&format!("w{number}"), 5));
        }
        let members: Vec<u64> = (1..=count).collect();
        let batch = accepted(&mut world, gather(0, &members));
        accepted(&mut world, allocate(batch, 1, &[0], 2_000));
        accepted(&mut world, sign(batch, 1));
        accepted(&mut world, mined(batch, 1, 2));
        assert_eq!(gone(&world), i128::from(count) * 5 + 2);
        assert_eq!(has(&world, "alice").1, 0);
    }
}

#[test]
fn a_member_leaves_while_its_batch_is_held_and_not_once_it_has_coins() {
    use WithdrawalStage::*;
    let mut world = held();
    world.private.clear();
    let alice = has(&world, "alice");
    accepted(&mut world, cancel(2, "alice"));
    let left = told(&mut world);
    assert_eq!((left[0].stage, left[0].cause, left[0].batch), (Canceled, WithdrawalCause::Client, id(0)));
    assert_eq!((left[1].withdrawal, left[1].stage, left[1].amount), (id(4), Held, amount(202)));
    assert_eq!(has(&world, "alice"), (alice.0 + 102, alice.1 - 102));
    assert_eq!(refused(&mut world, cancel(3, "bob")), RejectReason::UnknownWithdrawal);
    accepted(&mut world, cancel(3, "operator"));
    told(&mut world);
    // One that is left goes on.
    accepted(&mut world, allocate(4, 1, &[0], 2_000));
    assert_eq!(rows(&mut world), [(4, Allocated, 0), (1, Allocated, 4)]);
    for who in ["alice", "operator"] {
        assert_eq!(refused(&mut world, cancel(1, who)), RejectReason::WithdrawalNotOpen, "{who}");
        assert_eq!(refused(&mut world, release(1)), RejectReason::WithdrawalNotOpen);
        assert_eq!(refused(&mut world, release(4)), RejectReason::WithdrawalNotOpen);
    }
    assert_eq!(refused(&mut world, cancel(4, "operator")), RejectReason::WithdrawalNotOpen);
    accepted(&mut world, sign(4, 1));
    assert_eq!(refused(&mut world, cancel(1, "alice")), RejectReason::WithdrawalNotOpen);
    accepted(&mut world, mined(4, 1, 2));
    assert_eq!((gone(&world), has(&world, "alice").1), (100 + 2, 0));
}

#[test]
fn a_batch_that_the_last_has_left_is_over_and_what_was_released_may_go_with_others() {
    use WithdrawalStage::*;
    let mut world = held();
    accepted(&mut world, release(1));
    accepted(&mut world, cancel(2, "alice"));
    world.private.clear();
    accepted(&mut world, release(3));
    let last = told(&mut world);
    assert_eq!((last[0].stage, last[0].batch), (Held, id(0)));
    assert_eq!((last[1].stage, last[1].cause, last[1].amount), (Canceled, WithdrawalCause::Disbanded, amount(0)));
    assert_eq!(refused(&mut world, release(3)), RejectReason::WithdrawalNotOpen, "it goes alone");
    assert_eq!(refused(&mut world, allocate(4, 1, &[0], 2_000)), RejectReason::WithdrawalNotOpen);
    let again = accepted(&mut world, gather(1, &[1, 3]));
    world.private.clear();
    // All leave, by chainwatch or by an operator; clients know of no batch.
    accepted(&mut world, release(again));
    let disbanded = told(&mut world);
    assert_eq!((disbanded[0].stage, disbanded[0].cause), (Canceled, WithdrawalCause::Disbanded));
    assert!(disbanded[1..].iter().all(|row| (row.stage, row.batch) == (Held, id(0))), "{disbanded:?}");
    let third = accepted(&mut world, gather(2, &[1, 3]));
    assert_eq!(refused(&mut world, cancel(third, "carol")), RejectReason::UnknownWithdrawal);
    world.private.clear();
    accepted(&mut world, cancel(third, "operator"));
    let disbanded = told(&mut world);
    assert_eq!((disbanded[0].stage, disbanded[0].cause), (Canceled, WithdrawalCause::Operator));
    assert_eq!(disbanded.len(), 3);
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
}

#[test]
fn a_first_transaction_that_is_refused_leaves_its_members_held_and_alone() {
    use WithdrawalStage::*;
    let mut world = held();
    let (alice, house) = (has(&world, "alice"), has(&world, "carol"));
    accepted(&mut world, allocate(4, 1, &[0], 2_000));
    world.private.clear();
    accepted(&mut world, refuse(4, 1));
    assert_eq!(rows(&mut world), [(4, Failed, 0), (1, Held, 0), (2, Held, 0), (3, Held, 0)]);
    assert_eq!((has(&world, "alice"), has(&world, "carol")), (alice, house), "clients' money is held still");
    // What it was to spend another may.
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
    accepted(&mut world, cancel(2, "alice"));
    assert_eq!(refused(&mut world, sign(4, 1)), RejectReason::WithdrawalNotOpen);
    // A replacement that is refused is only not made.
    let mut world = sent();
    accepted(&mut world, see(4, 1, Sighting::Overdue));
    accepted(&mut world, allocate(4, 2, &[0], 2_500));
    world.private.clear();
    accepted(&mut world, refuse(4, 2));
    assert_eq!(rows(&mut world), all_at(Stuck));
}

#[test]
fn nothing_is_said_of_a_member_but_by_its_batch() {
    let mut world = sent();
    let in_batch = (RejectReason::WithdrawalInBatch, 4);
    for command in
        [allocate(1, 1, &[5], 2_000), sign(1, 1), refuse(1, 1), see(1, 1, Sighting::Sent), mined(1, 1, 2), fail(1)]
    {
        assert_eq!(named(&mut world, command.clone()), in_batch, "{command:?}");
    }
    accepted(&mut world, mined(4, 1, 2));
    assert_eq!(named(&mut world, see(1, 1, Sighting::Gone)), in_batch, "nor when it is settled");
    assert_eq!(named(&mut world, fail(2)), in_batch);
}

#[test]
fn what_operators_stop_meanwhile_holds_the_batch_until_it_leaves() {
    let mut world = of_outputs(Layout::Joint, rules());
    requested(&mut world, 2);
    let of_bob = RequestWithdrawal {
        account: World::account("bob"),
        chain: CHAIN,
        asset: BASE,
        address: address("there"),
        amount: amount(50),
        name: ClientOrderId::new(b"bobs").unwrap(),
    };
    accepted(&mut world, Command::RequestWithdrawal(Box::new(of_bob)));
    accepted(&mut world, gather(0, &[1, 2, 3]));
    accepted(&mut world, block("bob", true));
    assert_eq!(named(&mut world, allocate(4, 1, &[0], 2_000)), (RejectReason::WithdrawalsBlocked, 3));
    accepted(&mut world, release(3));
    accepted(&mut world, allocate(4, 1, &[0], 2_000));
    // What has coins goes its way: another transaction moves no more than the first.
    accepted(&mut world, sign(4, 1));
    accepted(&mut world, block("alice", true));
    accepted(&mut world, see(4, 1, Sighting::Overdue));
    accepted(&mut world, allocate(4, 2, &[0], 2_500));
    accepted(&mut world, sign(4, 2));
    accepted(&mut world, mined(4, 2, 2));
    assert_eq!(gone(&world), 201 + 2);
}

#[test]
fn what_an_operator_fails_gives_every_member_its_money_back_and_freezes_should_it_be_mined() {
    use WithdrawalStage::*;
    let mut world = sent();
    accepted(&mut world, see(4, 1, Sighting::Conflicting));
    assert_eq!(rows(&mut world), all_at(Conflicted));
    accepted(&mut world, fail(4));
    let failed = told(&mut world);
    assert!(failed.iter().all(|row| (row.stage, row.cause) == (Failed, WithdrawalCause::Operator)), "{failed:?}");
    assert_eq!((has(&world, "alice"), has(&world, "carol"), gone(&world)), ((1_000, 0), (1_000, 0), 0));
    accepted(&mut world, mined(4, 1, 1));
    let seen = |event: &Event| matches!(event, Event::ChainFrozen(f) if f.reason == ChainFreeze::WithdrawalReverted);
    assert!(world.private.iter().any(seen));
    assert!(told(&mut world).iter().all(|row| row.is_reverted));
    assert_eq!(has(&world, "alice"), (1_000, 0));
    // All are forgotten after a month, members and batch, one with each request.
    accepted(&mut world, freeze(0, ChainFreeze::Thawed));
    wait_ns(&mut world, 30 * 24 * HOUR_NS);
    for number in 0..4 {
        accepted(&mut world, request(&format!("later-{number}"), 10));
    }
    assert_eq!(refused(&mut world, mined(4, 1, 1)), RejectReason::UnknownWithdrawal);
    assert_eq!(refused(&mut world, cancel(3, "alice")), RejectReason::UnknownWithdrawal);
}

#[test]
fn the_block_that_is_gone_takes_all_members_back_before_their_end_and_freezes_after_it() {
    use WithdrawalStage::*;
    let mut world = sent();
    accepted(&mut world, mined(4, 1, 1));
    world.private.clear();
    accepted(&mut world, see(4, 1, Sighting::Gone));
    assert_eq!(rows(&mut world), all_at(Signed));
    accepted(&mut world, mined(4, 1, 2));
    world.private.clear();
    accepted(&mut world, see(4, 1, Sighting::Gone));
    let reverted = told(&mut world);
    assert_eq!(reverted.len(), 4);
    assert!(reverted.iter().all(|row| row.is_reverted && row.stage == Settled));
    assert_eq!((gone(&world), has(&world, "alice")), (303 + 2, (1_000 - 306, 0)), "no balance is edited");
    accepted(&mut world, mined(4, 1, 3));
    assert!(told(&mut world).iter().all(|row| !row.is_reverted));
}

#[test]
fn what_the_chain_undoes_costs_each_member_its_fee_alone() {
    let mut world = sent();
    accepted(&mut world, report(sighting(4, 1, Sighting::Undone, 2)));
    let failed = told(&mut world);
    assert!(failed.iter().all(|row| row.cause == WithdrawalCause::Undone), "{failed:?}");
    assert_eq!((has(&world, "alice"), has(&world, "carol")), ((1_000 - 3, 0), (1_000 + 3 - 2, 0)));
    assert_eq!(gone(&world), 2);
}

#[test]
fn a_frozen_chain_settles_no_member_until_it_thaws() {
    use WithdrawalStage::*;
    let mut world = sent();
    accepted(&mut world, freeze(1, ChainFreeze::Stalled));
    accepted(&mut world, mined(4, 1, 2));
    assert_eq!(rows(&mut world), all_at(Confirmed));
    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    accepted(&mut world, mined(4, 1, 3));
    assert_eq!(rows(&mut world), all_at(Settled));
}

#[test]
fn a_batch_has_a_child_and_a_member_has_none() {
    let mut world = sent();
    accepted(&mut world, see(4, 1, Sighting::Overdue));
    // 600,000 less 303,000 and 2,000.
    assert_eq!(refused(&mut world, moving(wanted(1, 1, 200))), RejectReason::UnknownWithdrawal);
    assert_eq!(refused(&mut world, moving(wanted(1, 4, 296))), RejectReason::WithdrawalMismatch);
    assert_eq!(accepted(&mut world, moving(wanted(1, 4, 295))), 5);
    accepted(&mut world, say(spending(5, 1, (4, 1), 295_000, 3_000)));
    accepted(&mut world, sign(5, 1));
    accepted(&mut world, mined(4, 1, 2));
    accepted(&mut world, mined(5, 1, 2));
    assert_eq!(gone(&world), 303 + 3, "3,000 to the chain in all");
}

#[test]
fn four_withdrawals_leave_room_for_one_batch_and_without_it_each_goes_alone() {
    let limits = Limits { withdrawals_max: 5, ..small_limits() };
    let world = World::with(Layout::Joint, limits, super::super::world::rules());
    let mut world = world_of(world, rules(), AddressFormat::bitcoin_regtest());
    requested(&mut world, 5);
    // Two for five.
    accepted(&mut world, gather(0, &[1, 2]));
    accepted(&mut world, gather(1, &[3, 4]));
    accepted(&mut world, release(6));
    assert_eq!(refused(&mut world, gather(2, &[1, 2])), RejectReason::TableFull, "one that is over is remembered");
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
    // A move of the exchange's own has its place still.
    accepted(&mut world, bound(bounds()));
    accepted(&mut world, moving(cold_move(2)));
    wait_ns(&mut world, 30 * 24 * HOUR_NS);
    accepted(&mut world, gather(3, &[2, 5]));
}
