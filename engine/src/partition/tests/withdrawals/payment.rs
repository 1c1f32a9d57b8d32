use wire::command::{
    AllocateWithdrawal, ClaimChain, Debit, FailWithdrawal, ListAsset, ReportWithdrawal, RequestWithdrawal,
    SetWithdrawalRules,
};
use wire::{
    AssetId, ChainFreeze, ChainHash, ChainInputs, Command, Event, RejectReason, Sighting, WithdrawalCause,
    WithdrawalRules, WithdrawalStage,
};

use super::super::world::{BASE, Layout, World, amount, symbol};
use super::bed::*;

#[test]
fn a_withdrawal_goes_from_request_to_settlement_and_is_booked_once() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = world_with(layout, rules());
        let steps = [
            (request("one", 100), WithdrawalStage::Held),
            (allocate(1, 1, &[0], 2_000), WithdrawalStage::Allocated),
            (sign(1, 1), WithdrawalStage::Signed),
            (see(1, 1, Sighting::Sent), WithdrawalStage::Broadcast),
            (see(1, 1, Sighting::Pooled), WithdrawalStage::Mempool),
            (mined(1, 1, 1), WithdrawalStage::Mined),
        ];
        for (step, stage) in steps {
            accepted(&mut world, step);
            assert_eq!(stages(&mut world), [stage]);
            assert_eq!((has(&world, "alice"), gone(&world)), ((899, 101), 0), "{stage:?}");
        }
        assert_eq!(has(&world, "carol"), (998, 2), "the house holds what the chain may get");
        accepted(&mut world, mined(1, 1, 2));
        let settled = told(&mut world);
        assert_eq!((settled[0].stage, settled[0].network_fee), (WithdrawalStage::Settled, 1_500));
        // 100 went out, and two of the chain's 1.5; one is the house's for its trouble.
        assert_eq!((has(&world, "alice"), has(&world, "carol"), gone(&world)), ((899, 0), (999, 0), 102));
        accepted(&mut world, mined(1, 1, 3));
        assert_eq!((has(&world, "alice"), gone(&world)), ((899, 0), 102));
    }
}

#[test]
fn what_the_house_has_paid_too_much_is_part_of_its_next_payment() {
    let mut world = world();
    for (number, paid) in [(1, 2), (2, 1), (3, 2), (4, 1)] {
        let before = gone(&world);
        accepted(&mut world, request(&format!("w{number}"), 10));
        accepted(&mut world, allocate(number, 1, &[number as u32], 2_000));
        accepted(&mut world, sign(number, 1));
        accepted(&mut world, mined(number, 1, 2));
        assert_eq!(gone(&world) - before, 10 + paid, "withdrawal {number}");
    }
}

#[test]
fn nothing_is_allocated_or_signed_while_the_chain_is_frozen_and_nothing_is_booked() {
    let mut world = world();
    accepted(&mut world, request("one", 100));
    accepted(&mut world, freeze(1, ChainFreeze::Dissent));
    assert_eq!(refused(&mut world, allocate(1, 1, &[0], 2_000)), RejectReason::ChainIsFrozen);
    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
    accepted(&mut world, freeze(1, ChainFreeze::Dissent));
    assert_eq!(refused(&mut world, sign(1, 1)), RejectReason::ChainIsFrozen);
    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    accepted(&mut world, sign(1, 1));
    accepted(&mut world, freeze(1, ChainFreeze::Dissent));
    told(&mut world);
    accepted(&mut world, mined(1, 1, 2));
    assert_eq!((stages(&mut world), gone(&world)), (vec![WithdrawalStage::Confirmed], 0));
    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    accepted(&mut world, mined(1, 1, 2));
    assert_eq!((stages(&mut world), gone(&world)), (vec![WithdrawalStage::Settled], 102));
}

#[test]
fn an_input_is_in_one_open_withdrawal_at_a_time() {
    let mut world = world();
    accepted(&mut world, request("one", 10));
    accepted(&mut world, request("two", 10));
    accepted(&mut world, allocate(1, 1, &[0, 1], 2_000));
    assert_eq!(refused(&mut world, allocate(2, 1, &[2, 1], 2_000)), RejectReason::InputTaken);
    accepted(&mut world, refuse(1, 1));
    accepted(&mut world, allocate(2, 1, &[2, 1], 2_000));
}

#[test]
fn what_a_transaction_spends_covers_what_it_gives_and_pays_no_more_than_it_may() {
    let mut world = world();
    accepted(&mut world, request("one", 10));
    let with = |each| AllocateWithdrawal { inputs: inputs(&[0], each), ..allocation(1, 1, &[0], 2_000) };
    assert_eq!(refused(&mut world, say(with(11_999))), RejectReason::WithdrawalMismatch);
    assert_eq!(refused(&mut world, allocate(1, 1, &[0], 7_001)), RejectReason::NetworkFeeTooHigh);
    assert_eq!(refused(&mut world, allocate(1, 1, &[0], 0)), RejectReason::WithdrawalMismatch);
    assert_eq!(refused(&mut world, allocate(1, 2, &[0], 2_000)), RejectReason::WithdrawalMismatch);
    let with_nonce = AllocateWithdrawal { nonce: 4, ..with(12_000) };
    assert_eq!(refused(&mut world, say(with_nonce)), RejectReason::WithdrawalMismatch);
    let without_gas = AllocateWithdrawal { inputs: ChainInputs::EMPTY, nonce: 4, ..with(0) };
    assert_eq!(refused(&mut world, say(without_gas)), RejectReason::WithdrawalMismatch);
    accepted(&mut world, say(with(12_000)));
    accepted(&mut world, say(with(12_000)));
    assert_eq!(refused(&mut world, allocate(1, 1, &[1], 2_000)), RejectReason::WithdrawalNotOpen, "it may be signed");
}

#[test]
fn a_house_that_cannot_pay_the_chain_lets_nothing_go() {
    let mut world = world();
    let account = World::account("carol");
    accepted(&mut world, request("one", 10));
    accepted(&mut world, Command::Debit(Debit { account, asset: BASE, amount: amount(998) }));
    assert_eq!(refused(&mut world, allocate(1, 1, &[0], 2_001)), RejectReason::HouseBalanceTooLow);
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
    assert_eq!(has(&world, "carol"), (0, 2));
}

#[test]
fn what_the_signer_refuses_for_ever_fails_and_its_money_is_free_again() {
    let mut world = world();
    accepted(&mut world, request("one", 100));
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
    assert_eq!(refused(&mut world, refuse(1, 2)), RejectReason::WithdrawalMismatch);
    told(&mut world);
    accepted(&mut world, refuse(1, 1));
    let failed = told(&mut world);
    assert_eq!((failed[0].stage, failed[0].cause), (WithdrawalStage::Failed, WithdrawalCause::SignerRefused));
    assert_eq!((has(&world, "alice"), has(&world, "carol"), gone(&world)), ((1_000, 0), (1_000, 0), 0));
    assert_eq!(refused(&mut world, sign(1, 1)), RejectReason::WithdrawalNotOpen);
}

#[test]
fn the_log_has_one_transaction_for_each_attempt() {
    let mut world = world();
    signed(&mut world);
    accepted(&mut world, sign(1, 1));
    assert!(world.private.is_empty(), "saying it again says nothing");
    let Command::SignWithdrawal(again) = sign(1, 1) else { unreachable!() };
    let other = wire::command::SignWithdrawal { tx: ChainHash([7; 32]), ..*again };
    assert_eq!(refused(&mut world, Command::SignWithdrawal(Box::new(other))), RejectReason::WithdrawalMismatch);
    assert_eq!(refused(&mut world, sign(1, 2)), RejectReason::WithdrawalNotOpen);
    assert_eq!(refused(&mut world, see(1, 2, Sighting::Sent)), RejectReason::WithdrawalMismatch, "never signed");
}

#[test]
fn a_stuck_one_is_replaced_by_one_that_spends_the_same_and_pays_more() {
    let mut world = world();
    signed(&mut world);
    assert_eq!(refused(&mut world, allocate(1, 2, &[0], 3_000)), RejectReason::WithdrawalNotOpen, "it is not stuck");
    accepted(&mut world, see(1, 1, Sighting::Overdue));
    assert_eq!(refused(&mut world, allocate(1, 2, &[0], 2_000)), RejectReason::NotAReplacement);
    assert_eq!(refused(&mut world, allocate(1, 2, &[1], 3_000)), RejectReason::NotAReplacement);
    assert_eq!(refused(&mut world, allocate(1, 2, &[1, 0], 3_000)), RejectReason::NotAReplacement);
    assert_eq!(refused(&mut world, allocate(1, 2, &[0, 1], 7_001)), RejectReason::NetworkFeeTooHigh);
    accepted(&mut world, allocate(1, 2, &[0, 1], 3_001));
    assert_eq!(has(&world, "carol"), (996, 4));
    accepted(&mut world, sign(1, 2));
    assert_eq!(stages(&mut world), [WithdrawalStage::Stuck, WithdrawalStage::Bumped, WithdrawalStage::Signed]);
    accepted(&mut world, see(1, 2, Sighting::Sent));
    accepted(&mut world, mined(1, 1, 1));
    let mined_first = told(&mut world);
    assert_eq!(mined_first.last().map(|row| (row.stage, row.tx)), Some((WithdrawalStage::Mined, tx(1, 1))));
    // A reorganisation prefers the other one.
    accepted(&mut world, mined(1, 2, 2));
    let settled = told(&mut world);
    assert_eq!(settled.last().map(|row| (row.stage, row.tx)), Some((WithdrawalStage::Settled, tx(1, 2))));
    assert_eq!((has(&world, "alice"), gone(&world)), ((899, 0), 102));
    assert_eq!(refused(&mut world, mined(1, 1, 9)), RejectReason::WithdrawalNotOpen, "one of the set settles");
}

#[test]
fn a_replacement_that_is_refused_leaves_the_first_where_it_was() {
    let mut world = world();
    signed(&mut world);
    accepted(&mut world, see(1, 1, Sighting::Overdue));
    accepted(&mut world, allocate(1, 2, &[0], 5_000));
    accepted(&mut world, refuse(1, 2));
    accepted(&mut world, allocate(1, 2, &[0], 3_000));
    assert_eq!(
        stages(&mut world),
        [WithdrawalStage::Stuck, WithdrawalStage::Bumped, WithdrawalStage::Stuck, WithdrawalStage::Bumped]
    );
    assert_eq!(has(&world, "carol"), (997, 3));
    accepted(&mut world, mined(1, 1, 2));
    assert_eq!((stages(&mut world), gone(&world)), (vec![WithdrawalStage::Settled], 102));
    assert_eq!(has(&world, "carol"), (999, 0));
}

#[test]
fn a_reorganisation_takes_it_back_to_where_it_must_be_sent_again() {
    let mut world = world();
    signed(&mut world);
    accepted(&mut world, see(1, 1, Sighting::Sent));
    accepted(&mut world, see(1, 1, Sighting::Pooled));
    accepted(&mut world, see(1, 1, Sighting::Dropped));
    accepted(&mut world, mined(1, 1, 1));
    accepted(&mut world, see(1, 1, Sighting::Gone));
    assert_eq!(
        stages(&mut world),
        [
            WithdrawalStage::Broadcast,
            WithdrawalStage::Mempool,
            WithdrawalStage::Signed,
            WithdrawalStage::Mined,
            WithdrawalStage::Signed
        ]
    );
    assert_eq!(refused(&mut world, see(1, 1, Sighting::Gone)), RejectReason::WithdrawalNotOpen);
    accepted(&mut world, mined(1, 1, 2));
    assert_eq!((stages(&mut world), gone(&world)), (vec![WithdrawalStage::Settled], 102));
}

#[test]
fn a_reorganisation_after_the_settlement_freezes_the_chain_and_edits_no_balance() {
    let mut world = world();
    signed(&mut world);
    accepted(&mut world, mined(1, 1, 2));
    told(&mut world);
    accepted(&mut world, see(1, 1, Sighting::Gone));
    let frozen = |event: &Event| matches!(event, Event::ChainFrozen(f) if f.reason == ChainFreeze::WithdrawalReverted);
    assert!(world.private.iter().any(frozen));
    assert!(told(&mut world)[0].is_reverted);
    assert_eq!((has(&world, "alice"), gone(&world)), ((899, 0), 102));
    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    accepted(&mut world, request("two", 10));
    assert_eq!(
        refused(&mut world, allocate(2, 1, &[5], 2_000)),
        RejectReason::ChainIsFrozen,
        "operators alone thaw it"
    );
    accepted(&mut world, mined(1, 1, 3));
    assert!(!told(&mut world).last().unwrap().is_reverted);
    accepted(&mut world, freeze(0, ChainFreeze::Thawed));
    accepted(&mut world, allocate(2, 1, &[5], 2_000));
}

#[test]
fn what_a_stranger_has_spent_waits_for_an_operator() {
    let mut world = world();
    signed(&mut world);
    let fail = Command::FailWithdrawal(FailWithdrawal { withdrawal: id(1) });
    assert_eq!(refused(&mut world, fail.clone()), RejectReason::WithdrawalNotOpen);
    accepted(&mut world, see(1, 1, Sighting::Conflicting));
    assert_eq!(refused(&mut world, allocate(1, 2, &[0], 3_000)), RejectReason::WithdrawalNotOpen);
    assert_eq!(has(&world, "alice"), (899, 101));
    accepted(&mut world, see(1, 1, Sighting::Dropped));
    accepted(&mut world, see(1, 1, Sighting::Conflicting));
    told(&mut world);
    accepted(&mut world, fail);
    let failed = told(&mut world);
    assert_eq!((failed[0].stage, failed[0].cause), (WithdrawalStage::Failed, WithdrawalCause::Operator));
    assert_eq!((has(&world, "alice"), has(&world, "carol"), gone(&world)), ((1_000, 0), (1_000, 0), 0));
}

#[test]
fn what_the_chain_has_undone_fails_and_the_account_pays_its_fee_for_the_try() {
    let mut world = world();
    accepted(&mut world, request("one", 100));
    let by_nonce = AllocateWithdrawal {
        inputs: ChainInputs::EMPTY,
        nonce: 3,
        gas_limit: 21_000,
        tip_per_gas: 1,
        ..allocation(1, 1, &[], 2_000)
    };
    accepted(&mut world, say(by_nonce));
    accepted(&mut world, request("two", 100));
    let same_nonce = AllocateWithdrawal { withdrawal: id(2), ..by_nonce };
    assert_eq!(refused(&mut world, say(same_nonce)), RejectReason::InputTaken);
    accepted(&mut world, sign(1, 1));
    told(&mut world);
    accepted(&mut world, report(sighting(1, 1, Sighting::Undone, 1)));
    accepted(&mut world, report(sighting(1, 1, Sighting::Undone, 2)));
    let rows = told(&mut world);
    assert_eq!((rows[0].stage, rows[0].is_undone), (WithdrawalStage::Mined, true));
    assert_eq!((rows[1].stage, rows[1].cause), (WithdrawalStage::Failed, WithdrawalCause::Undone));
    assert_eq!((has(&world, "alice"), has(&world, "carol"), gone(&world)), ((898, 101), (999, 0), 2));
    assert_eq!(refused(&mut world, mined(1, 1, 3)), RejectReason::WithdrawalMismatch);
}

#[test]
fn a_chain_that_takes_more_than_it_may_is_not_believed() {
    let mut world = world();
    signed(&mut world);
    let more = ReportWithdrawal { network_fee: 2_001, ..sighting(1, 1, Sighting::Included, 2) };
    assert_eq!(refused(&mut world, report(more)), RejectReason::WithdrawalMismatch);
    accepted(&mut world, report(ReportWithdrawal { network_fee: 2_000, ..more }));
}

#[test]
fn what_must_be_final_settles_when_it_is() {
    let mut world = world_with(Layout::Joint, WithdrawalRules { confirmations: 0, ..rules() });
    signed(&mut world);
    accepted(&mut world, mined(1, 1, 99));
    accepted(&mut world, report(ReportWithdrawal { is_final: true, ..sighting(1, 1, Sighting::Included, 100) }));
    let stages: Vec<_> = stages(&mut world);
    assert_eq!(stages, [WithdrawalStage::Mined, WithdrawalStage::Settled]);
}

#[test]
fn another_instance_goes_on_and_the_old_one_is_refused() {
    let mut world = world();
    accepted(&mut world, request("one", 100));
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
    wait_ns(&mut world, 1_500_000_000);
    accepted(&mut world, Command::ClaimChain(ClaimChain { chain: CHAIN, instance: 8 }));
    accepted(&mut world, freeze(2, ChainFreeze::Thawed));
    for command in [allocate(1, 1, &[0], 2_000), sign(1, 1), refuse(1, 1), mined(1, 1, 1)] {
        assert_eq!(refused(&mut world, command), RejectReason::StaleFence);
    }
    accepted(&mut world, say(AllocateWithdrawal { fence: 2, ..allocation(1, 1, &[0], 2_000) }));
    let Command::SignWithdrawal(old) = sign(1, 1) else { unreachable!() };
    let new = wire::command::SignWithdrawal { fence: 2, ..*old };
    accepted(&mut world, Command::SignWithdrawal(Box::new(new)));
    accepted(&mut world, report(ReportWithdrawal { fence: 2, ..sighting(1, 1, Sighting::Included, 2) }));
    assert_eq!(gone(&world), 102);
}

#[test]
fn an_asset_finer_than_its_chain_is_withdrawn_in_whole_units_of_the_chain() {
    let mut world = world();
    let fine = AssetId::new(4);
    accepted(&mut world, Command::ListAsset(ListAsset { symbol: symbol("FINE"), ledger_decimals: 2 }));
    accepted(&mut world, list(fine, "0xfine", 0));
    let account = World::account("alice");
    accepted(&mut world, Command::Credit(wire::command::Credit { account, asset: fine, amount: amount(10_000) }));
    accepted(
        &mut world,
        Command::SetWithdrawalRules(Box::new(SetWithdrawalRules { chain: CHAIN, asset: fine, rules: rules() })),
    );
    let Command::RequestWithdrawal(base) = request("fine", 199) else { unreachable!() };
    let ask =
        |units| Command::RequestWithdrawal(Box::new(RequestWithdrawal { asset: fine, amount: amount(units), ..*base }));
    assert_eq!(refused(&mut world, ask(199)), RejectReason::BadWithdrawalAmount);
    accepted(&mut world, ask(200));
    let spent = AllocateWithdrawal { gas_limit: 50_000, inputs: ChainInputs::EMPTY, ..allocation(1, 1, &[], 2_000) };
    accepted(&mut world, say(spent));
    accepted(&mut world, sign(1, 1));
    accepted(&mut world, mined(1, 1, 2));
    let audits = world.partitions[0].audit();
    assert_eq!((audits[3].withdrawals, audits[0].withdrawals), (200, 2), "the chain is paid in its own coin");
}

#[test]
fn what_an_operator_has_failed_and_the_chain_has_all_the_same_freezes_it_and_edits_no_balance() {
    let mut world = world();
    signed(&mut world);
    accepted(&mut world, see(1, 1, Sighting::Overdue));
    accepted(&mut world, allocate(1, 2, &[0], 3_000));
    accepted(&mut world, sign(1, 2));
    accepted(&mut world, see(1, 1, Sighting::Conflicting));
    accepted(&mut world, Command::FailWithdrawal(FailWithdrawal { withdrawal: id(1) }));
    accepted(&mut world, request("two", 10));
    for refusal in [see(1, 1, Sighting::Gone), see(1, 1, Sighting::Undone), mined(1, 3, 1)] {
        assert_eq!(refused(&mut world, refusal), RejectReason::WithdrawalNotOpen);
    }
    told(&mut world);
    for attempt in [1, 2] {
        accepted(&mut world, mined(1, attempt, 1));
        let is_frozen =
            |event: &Event| matches!(event, Event::ChainFrozen(f) if f.reason == ChainFreeze::WithdrawalReverted);
        assert_eq!(world.private.iter().filter(|event| is_frozen(event)).count(), 1);
        let row = told(&mut world)[0];
        assert_eq!((row.stage, row.tx, row.is_reverted), (WithdrawalStage::Failed, tx(1, attempt), true));
        assert_eq!(refused(&mut world, allocate(2, 1, &[5], 2_000)), RejectReason::ChainIsFrozen);
        accepted(&mut world, freeze(0, ChainFreeze::Thawed));
        world.private.clear();
        accepted(&mut world, mined(1, attempt, 1));
        assert!(world.private.is_empty(), "an operator has looked at it");
        accepted(&mut world, see(1, attempt, Sighting::Gone));
        assert!(!told(&mut world)[0].is_reverted);
    }
    assert_eq!((has(&world, "alice"), has(&world, "carol"), gone(&world)), ((989, 11), (1_000, 0), 0));
    wait_ns(&mut world, 30 * 24 * HOUR_NS);
    accepted(&mut world, request("three", 10));
    assert_eq!(refused(&mut world, mined(1, 1, 1)), RejectReason::UnknownWithdrawal);
}
