//! What was settled and the chain has taken back, deeper than anybody waited for: it is told, and once an operator has looked it
//! goes to the nodes again as it was.

use chainwatch::withdrawals::Step;
use wire::{ChainFreeze, Event, WithdrawalStage};

use super::world::World;

/// Both withdrawals are settled, under so many blocks more.
fn settled(seed: u64) -> World {
    let mut world = World::quiet(seed);
    for _ in 0..8 {
        world.work(50);
        world.mine();
    }
    world.work(50);
    assert_eq!(world.stages(), [WithdrawalStage::Settled; 2]);
    world.check();
    world
}

fn freezes(world: &World) -> usize {
    let is_it =
        |event: &&Event| matches!(event, Event::ChainFrozen(it) if it.reason == ChainFreeze::WithdrawalReverted);
    world.ledger.events.iter().filter(is_it).count()
}

#[test]
fn what_the_chain_takes_back_and_nodes_forget_is_sent_again_as_it_was_once_an_operator_has_looked() {
    let mut world = settled(2);
    let signed = world.ledger.signed();
    world.reorganise_and_forget(8);
    (0..9).for_each(|_| world.mine());
    for _ in 0..20 {
        let step = world.next_step();
        assert!(!matches!(step, Some(Step::Send(..) | Step::Sign(_))), "nothing leaves a frozen chain: {step:?}");
        world.work(1);
    }
    assert!(world.ledger.rows().iter().all(|row| row.is_reverted));
    assert_eq!(freezes(&world), 1);

    // What it gave back to the wallet is on no chain: a new withdrawal does not spend it.
    world.request(5_000);
    world.pass_s(60);
    world.work(50);
    for _ in 0..8 {
        world.mine();
        world.pass_s(60);
        world.work(50);
    }
    assert_eq!(world.stages(), [WithdrawalStage::Settled; 3]);
    assert!(world.ledger.rows().iter().all(|row| !row.is_reverted));
    let shown: Vec<bool> = world.ledger.rows().iter().map(|row| row.confirmations >= row.required).collect();
    assert_eq!(shown, [true; 3], "the ledger knows that they are deep again");
    assert_eq!(world.ledger.signed()[..2], signed[..], "nothing was signed anew");
    assert_eq!(freezes(&world), 1);
    world.check();
}

#[test]
fn what_is_sent_again_waits_between_tries_and_is_not_forgotten_however_long_nodes_refuse_it() {
    let mut world = settled(4);
    world.reorganise_and_forget(8);
    (0..9).for_each(|_| world.mine());
    world.work(20);
    world.keep_nothing(true);
    world.pass_s(1);
    let mut sent = 0;
    for _ in 0..120 {
        world.pass_s(1);
        while let Some(step) = world.next_step() {
            sent += usize::from(matches!(step, Step::Send(..)));
            world.work(1);
        }
    }
    // Two transactions, one try in half a minute each.
    assert!((8..=10).contains(&sent), "{sent} times");
    world.keep_nothing(false);
    world.pass_s(60);
    world.work(20);
    world.mine();
    world.work(20);
    assert!(world.ledger.rows().iter().all(|row| !row.is_reverted));
    world.check();
}
