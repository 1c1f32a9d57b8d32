//! Several withdrawals by one transaction: who goes with whom, who leaves, and that whoever goes on after a death sends the same.

use chainwatch::withdrawals::Unfunded;
use wire::command::Reply;
use wire::{AccountId, RejectReason, WithdrawalCause, WithdrawalPurpose, WithdrawalStage};

use super::ledger::ALICE;
use super::world::{Death, World};

const OPERATOR: AccountId = AccountId::new(0);

/// So many withdrawals of 3,000, 3,001 and so on, held at the same moment, of which one transaction pays up to `batch_max`.
fn held(seed: u64, count: i64, batch_max: usize) -> World {
    let mut world = World::new(seed);
    world.start();
    world.gather(batch_max, 0);
    (0..count).for_each(|at| world.request(3_000 + at));
    world
}

/// Of every batch how many members it has, and where it stands.
fn batches(world: &World) -> Vec<(usize, WithdrawalStage)> {
    let rows = world.ledger.rows();
    let batches = rows.iter().filter(|row| row.purpose == WithdrawalPurpose::Batch);
    batches.map(|batch| (rows.iter().filter(|row| row.batch == batch.withdrawal).count(), batch.stage)).collect()
}

#[test]
fn what_is_held_in_the_same_moment_goes_together_as_far_as_the_bound_allows() {
    use WithdrawalStage::Mempool;
    for (count, wanted) in [(4, vec![4]), (5, vec![4]), (6, vec![4, 2]), (8, vec![4, 4]), (9, vec![4, 4])] {
        let mut world = held(3, count, 4);
        world.work(100);
        assert_eq!(batches(&world), wanted.iter().map(|members| (*members, Mempool)).collect::<Vec<_>>(), "{count}");
        assert!(world.stages().iter().all(|stage| *stage == Mempool), "one that is left goes alone");
        world.heal();
        world.check();
    }
}

#[test]
fn one_alone_goes_at_once_and_alone() {
    let mut world = held(3, 1, 16);
    world.work(20);
    assert_eq!((batches(&world), world.stages()), (vec![], vec![WithdrawalStage::Mempool]));
    world.heal();
    world.check();
}

#[test]
fn with_a_window_one_waits_for_others_until_it_is_over_or_the_batch_is_full() {
    let mut world = World::new(3);
    world.start();
    world.gather(3, 10);
    world.request(3_000);
    world.work(20);
    assert_eq!(world.stages(), [WithdrawalStage::Held], "it waits");
    world.pass_s(8);
    world.request(3_001);
    world.work(20);
    assert_eq!(world.stages(), [WithdrawalStage::Held; 2]);
    world.pass_s(2);
    world.work(40);
    assert_eq!(batches(&world), [(2, WithdrawalStage::Mempool)], "the first one's window is over");
    (0..3).for_each(|at| world.request(4_000 + at));
    world.work(40);
    assert_eq!(batches(&world), [(2, WithdrawalStage::Mempool), (3, WithdrawalStage::Mempool)], "it is full");
    world.request(5_000);
    world.pass_s(10);
    world.work(20);
    assert!(world.stages().iter().all(|stage| *stage == WithdrawalStage::Mempool), "nobody else came");
    world.heal();
    world.check();
}

#[test]
fn one_that_is_canceled_before_the_batch_has_coins_leaves_the_others_to_go_and_after_that_none_leaves() {
    let mut world = held(3, 3, 16);
    world.work(1);
    assert_eq!(batches(&world), [(3, WithdrawalStage::Held)]);
    assert!(matches!(world.cancel(2, ALICE), Reply::Accepted { .. }));
    // The signer is consulted, then there are coins.
    world.work(2);
    assert_eq!(batches(&world), [(2, WithdrawalStage::Allocated)]);
    for account in [ALICE, OPERATOR] {
        let late = world.cancel(1, account);
        assert!(matches!(late, Reply::Rejected { reason: RejectReason::WithdrawalNotOpen, .. }), "{late:?}");
    }
    world.heal();
    world.check();
    assert_eq!(batches(&world), [(2, WithdrawalStage::Settled)]);
    assert_eq!(world.ledger.rows()[1].cause, WithdrawalCause::Client);
}

/// Every edge of a batch's life.
#[test]
fn whoever_dies_at_any_step_of_a_batch_is_followed_by_one_that_goes_on_with_the_same_bytes() {
    let mut points = 0;
    for death in [Death::BeforeStep, Death::AfterStep, Death::AfterAnswer] {
        for at in 0.. {
            let mut world = held(7, 3, 16);
            world.die_in(at, death);
            world.heal();
            world.check();
            assert_eq!(batches(&world), [(3, WithdrawalStage::Settled)], "{death:?} at step {at}");
            assert_eq!(world.ledger.signed().len(), 1, "{death:?} at step {at}");
            if !world.has_died() {
                break;
            }
            points += 1;
        }
    }
    assert!(points >= 16, "{points} points of failure");
}

#[test]
fn a_batch_that_is_stuck_is_replaced_by_what_pays_the_same_to_the_same() {
    let mut world = held(3, 4, 16);
    world.work(40);
    world.set_fee_rate(3_000);
    world.pass_s(3_601);
    world.work(40);
    assert_eq!((world.replacements(), batches(&world)), (1, vec![(4, WithdrawalStage::Mempool)]));
    assert!(world.ledger.rows().iter().all(|row| row.attempts == 2), "members show what their batch has");
    world.heal();
    world.check();
    assert_eq!(batches(&world), [(4, WithdrawalStage::Settled)]);
}

#[test]
fn a_batch_that_nodes_do_not_replace_is_mined_with_its_child() {
    let mut world = held(3, 4, 16);
    world.refuse_replacements(true, 3_000);
    world.work(60);
    world.set_fee_rate(3_000);
    world.pass_s(3_601);
    world.work(60);
    let rows = world.ledger.rows();
    let child = rows.iter().find(|row| row.purpose == WithdrawalPurpose::Child).expect("a child");
    assert_eq!((child.parent.get(), child.stage), (5, WithdrawalStage::Mempool), "of the batch");
    world.heal();
    world.check();
    assert_eq!(world.moved(WithdrawalPurpose::Child).len(), 1);
}

#[test]
fn a_block_that_is_gone_takes_all_members_back_and_each_is_settled_once() {
    let mut world = held(3, 4, 16);
    world.work(40);
    world.mine();
    world.work(40);
    assert!(world.stages().iter().all(|stage| *stage == WithdrawalStage::Mined));
    world.reorganise_whole(1);
    world.mine_nothing();
    world.work(1);
    assert!(world.stages().iter().all(|stage| *stage == WithdrawalStage::Signed), "{:?}", world.stages());
    world.heal();
    world.check();
    assert_eq!((batches(&world), world.ledger.signed().len()), (vec![(4, WithdrawalStage::Settled)], 1));
}

#[test]
fn one_that_the_signer_never_signs_does_not_take_the_others_with_it() {
    let mut world = held(3, 3, 16);
    // 3,002 are too much, 3,001 are not.
    world.bound_signer(300_100, 10_000_000);
    world.work(60);
    assert_eq!(batches(&world), [(0, WithdrawalStage::Failed)]);
    world.heal();
    world.check();
    let rows = world.ledger.rows();
    let settled: Vec<_> = rows[..3].iter().map(|row| (row.stage, row.cause)).collect();
    let (settled_so, refused) =
        ((WithdrawalStage::Settled, WithdrawalCause::None), (WithdrawalStage::Failed, WithdrawalCause::SignerRefused));
    assert_eq!(settled, [settled_so, settled_so, refused]);
}

#[test]
fn what_the_signer_lets_out_within_a_day_goes_though_all_together_would_be_too_much() {
    let mut world = held(3, 3, 16);
    // Two of three today.
    world.bound_signer(1_000_000, 1_000_000);
    world.request(4_500);
    world.work(60);
    assert_eq!(batches(&world), [(0, WithdrawalStage::Failed)], "more than may ever go out within a day");
    assert!(world.count(WithdrawalStage::Mempool) >= 2, "{:?}", world.stages());
    world.heal_for_days();
    world.check();
    assert_eq!(world.count(WithdrawalStage::Settled), 4);
}

#[test]
fn a_batch_with_which_the_signer_would_wait_is_over_before_it_has_coins() {
    let mut world = held(3, 0, 16);
    world.bound_signer(1_000_000, 1_000_000);
    world.request(5_000);
    world.work(40);
    assert_eq!(world.stages(), [WithdrawalStage::Mempool]);
    (0..2).for_each(|at| world.request(3_000 + at));
    world.work(40);
    assert_eq!(batches(&world), [(0, WithdrawalStage::Canceled)]);
    let rows = world.ledger.rows();
    assert_eq!(rows[3].cause, WithdrawalCause::Disbanded);
    assert_eq!([rows[1].stage, rows[2].stage], [WithdrawalStage::Mempool, WithdrawalStage::Allocated]);
}

#[test]
fn an_account_that_is_stopped_is_left_behind_and_the_others_go() {
    let mut world = held(3, 3, 16);
    world.request_of_another(2_000);
    world.work(1);
    assert_eq!(batches(&world), [(4, WithdrawalStage::Held)]);
    world.block_another(true);
    world.work(60);
    assert_eq!(batches(&world), [(3, WithdrawalStage::Mempool)]);
    let rows = world.ledger.rows();
    assert_eq!((rows[3].stage, rows[3].batch.get()), (WithdrawalStage::Held, 0));
    // Stopped before: it is named, left alone, and the next ones are gathered.
    world.pass_s(5);
    (0..2).for_each(|at| world.request(3_500 + at));
    world.work(60);
    assert_eq!(batches(&world), [(3, WithdrawalStage::Mempool), (2, WithdrawalStage::Mempool)]);
    world.block_another(false);
    world.heal();
    world.check();
    assert_eq!(world.count(WithdrawalStage::Settled), 6 + 2);
}

#[test]
fn only_those_are_gathered_that_the_wallet_can_pay_for() {
    // Six coins of 700,000.
    let mut world = World::new(3);
    world.start();
    world.gather(16, 0);
    for units in [9_000, 9_000, 9_000, 9_000, 8_000, 3_000] {
        world.request(units);
    }
    world.work(60);
    assert_eq!(batches(&world), [(5, WithdrawalStage::Mempool)], "the fifth would be too much, the sixth is not");
    assert_eq!(world.unfunded(), [Unfunded::HotWalletTooLow]);
}

#[test]
fn a_dear_chain_gathers_only_as_many_as_one_transaction_may_pay_for() {
    let mut world = held(3, 12, 16);
    // One alone is some 160 virtual bytes and 43 for each more; 20,000 may be paid.
    world.bound_signer(1_000_000, 100_000_000);
    world.set_fee_rate(40_000);
    world.work(100);
    let of = batches(&world);
    assert!(!of.is_empty() && of.iter().all(|(members, _)| (2..12).contains(members)), "{of:?}");
    // What they pay leaves room to pay more.
    world.set_fee_rate(60_000);
    world.pass_s(3_601);
    world.work(60);
    assert!(world.replacements() >= of.len(), "{} for {of:?}", world.replacements());
    world.heal();
    world.check();
}

#[test]
fn a_settled_batch_that_the_chain_takes_back_is_sent_again_as_it_was_and_all_its_members_with_it() {
    let mut world = held(3, 3, 16);
    (0..8).for_each(|_| world.mine());
    world.heal();
    let settled = world.ledger.gone();
    world.reorganise_and_forget(8);
    (0..9).for_each(|_| world.mine());
    world.work(20);
    assert!(world.ledger.rows().iter().all(|row| row.is_reverted), "members and batch");
    for _ in 0..8 {
        world.pass_s(60);
        world.work(20);
        world.mine();
    }
    world.work(20);
    assert!(world.ledger.rows().iter().all(|row| !row.is_reverted && row.stage == WithdrawalStage::Settled));
    assert_eq!((world.ledger.signed().len(), world.ledger.gone()), (1, settled), "no balance is edited");
    world.check();
}
