//! Stuck where nodes take no replacement: a child of its change pays for both, once, whoever dies over it.

use chainwatch::withdrawals::Unfunded;
use wire::{WithdrawalCause, WithdrawalPurpose, WithdrawalStage};

use super::world::{Death, World};

/// Miners want three times of what two withdrawals pay, and nodes keep those in spite of what would pay more; executors know it
/// if they are `told`. An hour is over.
fn dear(told: bool) -> World {
    let mut world = World::quiet(3);
    world.refuse_replacements(told, 3_000);
    world.work(60);
    assert_eq!(world.stages(), [WithdrawalStage::Mempool; 2]);
    world.set_fee_rate(3_000);
    world.pass_s(3_601);
    world.mine();
    world
}

/// And whoever is at work has done what is to be done.
fn overdue(told: bool) -> World {
    let mut world = dear(told);
    world.work(60);
    world
}

fn children(world: &World) -> Vec<WithdrawalStage> {
    let rows = world.ledger.rows();
    let children = rows.iter().filter(|row| row.purpose == WithdrawalPurpose::Child);
    children.map(|row| row.stage).collect()
}

#[test]
fn what_is_stuck_where_nodes_take_no_replacement_is_mined_with_its_child() {
    let mut world = overdue(true);
    assert_eq!(world.stages()[..2], [WithdrawalStage::Stuck; 2]);
    assert_eq!(children(&world), [WithdrawalStage::Mempool; 2], "one of each");
    assert_eq!(world.replacements(), 0);
    for row in world.ledger.rows().iter().filter(|row| row.purpose == WithdrawalPurpose::Child) {
        assert!(row.parent.get() <= 2, "{row:?}");
    }
    world.mine();
    world.work(60);
    assert!(world.stages().iter().all(|stage| *stage == WithdrawalStage::Mined), "{:?}", world.stages());
    world.heal();
    world.check();
    assert_eq!(world.moved(WithdrawalPurpose::Child).len(), 2);
}

#[test]
fn nodes_that_keep_what_should_be_replaced_are_seen_and_get_a_child_of_what_they_have() {
    let mut world = overdue(false);
    assert_eq!(world.replacements(), 2);
    assert_eq!(children(&world), [], "the replacement has its time");
    world.pass_s(3_601);
    world.work(60);
    assert_eq!(world.replacements(), 2, "no third one");
    assert_eq!(children(&world), [WithdrawalStage::Mempool; 2]);
    world.heal();
    world.check();
    assert_eq!(world.moved(WithdrawalPurpose::Child).len(), 2);
}

#[test]
fn a_child_whose_parent_is_mined_by_its_replacement_after_all_is_over_and_nothing_is_held_for_it() {
    let mut world = overdue(false);
    world.pass_s(3_601);
    world.work(60);
    // Some miner had the second transaction of the first one.
    world.mine_just(1, 2);
    world.heal();
    world.check();
    let rows = world.ledger.rows();
    let causes: Vec<_> = rows.iter().map(|row| (row.purpose, row.stage, row.cause)).collect();
    let (payment, child) = (WithdrawalPurpose::Payment, WithdrawalPurpose::Child);
    let settled = WithdrawalStage::Settled;
    let none = WithdrawalCause::None;
    assert_eq!(
        causes,
        [
            (payment, settled, none),
            (payment, settled, none),
            (child, WithdrawalStage::Failed, WithdrawalCause::Orphaned),
            (child, settled, none)
        ]
    );
    assert_eq!(rows[0].attempts, 2);
}

#[test]
fn a_parent_that_is_mined_alone_leaves_its_child_to_go_its_way() {
    let mut world = overdue(true);
    world.mine_just(1, 1);
    world.mine();
    world.heal();
    world.check();
    assert_eq!(world.moved(WithdrawalPurpose::Child).len(), 2, "each paid once");
}

#[test]
fn a_block_of_both_that_is_gone_settles_nothing_and_both_come_again() {
    let mut world = overdue(true);
    world.mine();
    world.work(60);
    world.reorganise_whole(1);
    world.mine_just(2, 1);
    world.mine_just(1, 1);
    world.work(60);
    assert_eq!(world.count(WithdrawalStage::Settled), 0);
    let stages = children(&world);
    assert!(!stages.contains(&WithdrawalStage::Mined), "the parents are mined alone: {stages:?}");
    world.heal();
    world.check();
    assert_eq!(world.count(WithdrawalStage::Settled), 4);
}

#[test]
fn a_child_that_is_stuck_itself_has_a_child_under_the_same_cap() {
    let mut world = overdue(true);
    // It grows dearer still.
    world.refuse_replacements(true, 6_000);
    world.set_fee_rate(6_000);
    world.pass_s(3_601);
    world.work(80);
    assert_eq!(children(&world).len(), 4, "{:?}", world.stages());
    world.mine();
    world.work(60);
    assert!(world.stages().iter().all(|stage| *stage == WithdrawalStage::Mined), "{:?}", world.stages());
    world.heal();
    world.check();
    for root in 1..=2 {
        let rows = world.ledger.rows();
        let (mut paid, mut of) = (rows[root - 1].network_fee, root as u64);
        while let Some(child) = rows.iter().find(|row| row.parent.get() == of) {
            (paid, of) = (paid + child.network_fee, child.withdrawal.get());
        }
        assert!(paid <= 15_000, "{paid}");
    }
}

#[test]
fn what_the_cap_does_not_allow_gets_no_child_until_the_chain_is_cheaper() {
    let mut world = dear(true);
    world.set_fee_rate(1_000_000);
    world.work(60);
    assert_eq!(world.unfunded(), [Unfunded::FeeAboveCap; 2]);
    assert_eq!(children(&world), []);
    // What is stuck pays enough again.
    world.set_fee_rate(500);
    world.work(60);
    assert_eq!((world.unfunded(), children(&world)), (vec![], vec![]));
    world.set_fee_rate(3_000);
    world.work(60);
    assert_eq!(children(&world), [WithdrawalStage::Mempool; 2]);
}

#[test]
fn what_leaves_no_change_gets_no_child_and_says_why() {
    let mut world = World::new(9);
    world.start();
    // All of a coin of 7,000, but for what the chain gets and what is too little for an output.
    world.request(6_960);
    world.refuse_replacements(true, 3_000);
    world.work(60);
    world.set_fee_rate(60_000);
    world.pass_s(3_601);
    world.work(60);
    assert_eq!(world.stages(), [WithdrawalStage::Stuck]);
    assert_eq!(world.unfunded(), [Unfunded::NoChange]);
}

/// An executor dies before, in and after every step; another goes on, and each child pays once.
#[test]
fn a_child_is_made_once_whenever_its_executor_dies() {
    let mut points = 0;
    for death in [Death::BeforeStep, Death::AfterStep, Death::AfterAnswer] {
        for at in 0.. {
            let mut world = dear(true);
            world.die_in(at, death);
            world.pass_s(30);
            for _ in 0..4 {
                world.work(80);
                world.pass_s(30);
            }
            world.mine();
            world.heal();
            world.check();
            let context = format!("{death:?} at step {at}: {:?}", world.ledger.rows());
            assert_eq!(world.moved(WithdrawalPurpose::Child).len(), 2, "{context}");
            assert_eq!(world.count(WithdrawalStage::Settled), 4, "{context}");
            if !world.has_died() {
                break;
            }
            points += 1;
        }
    }
    assert!(points >= 20, "{points} points of failure");
}
