//! Withdrawals whole, but for the wires: the real ledger cell, executors and signer, over a chain that reorganises, forgets and
//! grows dear, and executors that die at every step. Exactly one transaction of a withdrawal is settled, and money is
//! conserved on the chain and in the ledger.

mod batches;
mod chain;
mod children;
mod evm;
mod failed;
mod ledger;
mod moves;
mod refused;
mod reverted;
mod world;

use chainwatch::withdrawals::Step;
use wire::{WithdrawalPurpose, WithdrawalStage};
use world::{Death, World};

/// How many seeds: `SEEDS=1000` for a night.
fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

#[test]
fn whatever_the_chain_the_nodes_and_the_executors_do_one_transaction_of_each_withdrawal_is_settled() {
    let (mut settled, mut failed, mut bumped, mut reorganised, mut moved, mut helped) = (0, 0, 0, 0, 0, 0);
    let mut together = 0;
    for seed in 1..=seeds() {
        let mut world = World::new(seed);
        if seed % 2 == 0 {
            world.bound([0, 40_000, 39_000, 5_000]);
        }
        if seed % 3 == 0 {
            world.refuse_replacements(seed % 2 == 0, 2_000);
        }
        if seed % 5 < 3 {
            world.gather([2, 4, 16][seed as usize % 3], seed % 2);
        }
        world.run(500);
        world.heal();
        world.check();
        together += world.moved(WithdrawalPurpose::Batch).len();
        moved += world.moved(WithdrawalPurpose::Sweep).len() + world.moved(WithdrawalPurpose::Cold).len();
        helped += world.moved(WithdrawalPurpose::Child).len();
        settled += world.count(WithdrawalStage::Settled);
        failed += world.count(WithdrawalStage::Failed);
        bumped += world.replacements();
        reorganised += world.reorganisations();
    }
    println!(
        "{settled} settled, {failed} failed, {bumped} replacements, {reorganised} reorganisations, {moved} moves, {helped} children, {together} batches"
    );
    assert!(
        settled > 0 && moved > 0 && bumped > 0 && reorganised > 0 && helped > 0 && together > 0,
        "nothing was tried"
    );
}

/// A sweep had waited for its coins until the next deposit.
#[test]
fn a_sweep_whose_coins_were_spent_by_withdrawals_meanwhile_ends() {
    let mut world = World::new(820);
    world.bound([0, 40_000, 39_000, 5_000]);
    world.gather(4, 0);
    world.run(500);
    world.heal();
    world.check();
}

/// Every edge of the machine: an executor dies before and after each kind of step, at each of its occurrences.
#[test]
fn an_executor_that_dies_at_any_step_before_or_after_it_is_followed_by_one_that_goes_on() {
    let mut points = 0;
    for death in [Death::BeforeStep, Death::AfterStep, Death::AfterAnswer] {
        for at in 0.. {
            let mut world = World::quiet(7);
            world.die_at(at, death);
            world.heal();
            world.check();
            assert_eq!(world.count(WithdrawalStage::Settled), 2, "{death:?} at step {at}");
            if !world.has_died() {
                break;
            }
            points += 1;
        }
    }
    assert!(points >= 20, "{points} points of failure");
}

#[test]
fn a_fee_beyond_the_cap_stops_withdrawals_until_it_falls_and_a_stuck_one_pays_more() {
    let mut world = World::quiet(3);
    world.set_fee_rate(1_000_000);
    world.work(20);
    assert_eq!(world.stages(), [WithdrawalStage::Held; 2]);
    world.set_fee_rate(1_000);
    world.work(20);
    assert_eq!(world.stages(), [WithdrawalStage::Mempool; 2]);
    world.set_fee_rate(1_000_000);
    world.pass_s(3_601);
    world.work(20);
    assert_eq!(world.stages(), [WithdrawalStage::Stuck; 2], "what would help is beyond the cap");
    world.set_fee_rate(3_000);
    world.pass_s(10);
    world.work(20);
    assert_eq!(world.replacements(), 2);
    world.heal();
    world.check();
}

#[test]
fn nothing_is_sent_while_the_chain_is_frozen_nor_before_its_bytes_are_in_the_log() {
    let mut world = World::quiet(5);
    let mut steps = Vec::new();
    while let Some(step) = world.next_step() {
        if let Step::Send(tx, _) = &step {
            assert!(world.ledger.is_signed(*tx), "sent before it was in the log");
        }
        world.freeze(true);
        let frozen = world.next_step();
        assert!(!matches!(frozen, Some(Step::Sign(_) | Step::Send(..))), "{frozen:?}");
        world.freeze(false);
        steps.push(std::mem::discriminant(&step));
        world.work(1);
        if steps.len() > 40 {
            world.mine();
        }
    }
    assert!(steps.len() > 8);
    world.heal();
    world.check();
}

#[test]
fn two_withdrawals_never_spend_the_same_coin() {
    let mut world = World::new(11);
    world.run(300);
    world.check_coins();
}
