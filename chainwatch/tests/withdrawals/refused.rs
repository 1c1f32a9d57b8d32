//! What the ledger does not let go: tried less and less often, soon after a block, and at once when it may go.

use chainwatch::withdrawals::{Hindrance, Step};
use wire::{Command, RejectReason, WithdrawalStage};

use super::world::World;

/// In which of so many seconds it is proposed that something be allocated.
fn tries(world: &mut World, seconds: u64) -> Vec<u64> {
    let is_try = |step: Option<Step>| matches!(step, Some(Step::Propose(_, Command::AllocateWithdrawal(_))));
    let mut tried = Vec::new();
    for second in 0..seconds {
        if is_try(world.next_step()) {
            tried.push(second);
        }
        world.work(5);
        world.pass_s(1);
    }
    tried
}

#[test]
fn what_the_ledger_refuses_is_tried_less_and_less_often_and_again_soon_after_a_block() {
    let mut world = World::new(3);
    world.start();
    world.request_of_another(3_000);
    world.block_another(true);
    // A pause is a second here, and twelve are the most.
    assert_eq!(tries(&mut world, 60), [0, 1, 3, 7, 15, 27, 39, 51]);
    assert_eq!(world.refused(), [Hindrance::LedgerRefuses(RejectReason::WithdrawalsBlocked)]);
    world.mine();
    assert_eq!(tries(&mut world, 8), [0, 2, 6]);

    world.block_another(false);
    for _ in 0..8 {
        world.pass_s(12);
        world.work(20);
        world.mine();
    }
    world.work(20);
    assert_eq!((world.stages(), world.refused()), (vec![WithdrawalStage::Settled], vec![]));
    world.check();
}
