//! What is in no block: shown, bounded, and never more than shown.

use wire::command::{ReportHead, SightDeposit};

use super::*;

/// Transaction `tx` would give the owner of `index` three units, if it were mined.
fn sight(tx: u8, index: u32, is_pooled: bool) -> SightDeposit {
    let (chain, fence, output, asset) = (CHAIN, 1, 0, BASE);
    SightDeposit { chain, fence, tx: ChainHash([tx; 32]), output, index, asset, amount: 3_000, is_pooled }
}

fn seen(tx: u8) -> Command {
    show(sight(tx, 1, true))
}

fn gone(tx: u8) -> Command {
    show(sight(tx, 1, false))
}

fn show(sight: SightDeposit) -> Command {
    Command::SightDeposit(Box::new(sight))
}

#[test]
fn what_is_seen_is_told_once_and_a_block_takes_its_place() {
    let mut world = world();
    accepted(&mut world, seen(5));
    let first = told(&mut world);
    assert_eq!((first[0].stage, first[0].required, first[0].height), (DepositStage::Seen, 2, 0));
    accepted(&mut world, seen(5));
    assert_eq!(stages(&mut world), []);
    accepted(&mut world, say(report(3_000, 1)));
    assert_eq!(stages(&mut world), [DepositStage::Included]);
    // Nodes that are behind still have it.
    accepted(&mut world, seen(5));
    assert_eq!(refused(&mut world, gone(5)), RejectReason::UnknownDeposit);
    accepted(&mut world, say(report(3_000, 2)));
    assert_eq!((stages(&mut world), free(&world, "alice")), (vec![DepositStage::Credited], 1_003));
}

#[test]
fn what_nobody_would_mine_any_more_is_replaced_and_may_be_seen_again() {
    let mut world = world();
    accepted(&mut world, seen(5));
    accepted(&mut world, gone(5));
    accepted(&mut world, seen(5));
    assert_eq!(stages(&mut world), [DepositStage::Seen, DepositStage::Replaced, DepositStage::Seen]);
    assert_eq!(free(&world, "alice"), 1_000, "nothing is credited for being seen");
}

#[test]
fn an_account_has_so_many_in_no_block_and_takes_no_room_of_another() {
    let mut world = world();
    for tx in 0..32 {
        accepted(&mut world, seen(100 + tx));
    }
    assert_eq!(refused(&mut world, seen(200)), RejectReason::TableFull);
    accepted(&mut world, show(sight(200, 2, true)));
    accepted(&mut world, gone(100));
    accepted(&mut world, seen(200 + 1));
    // And what is in a block is none of them.
    accepted(&mut world, say(ReportDeposit { tx: ChainHash([101; 32]), ..report(3_000, 1) }));
    accepted(&mut world, seen(202));
    assert_eq!(refused(&mut world, seen(203)), RejectReason::TableFull);
}

#[test]
fn what_is_replaced_again_and_again_is_told_so_often_an_hour_and_what_is_mined_does_not_count() {
    let mut world = world();
    for _ in 0..64 {
        accepted(&mut world, seen(5));
        accepted(&mut world, gone(5));
    }
    assert_eq!(refused(&mut world, seen(5)), RejectReason::TableFull);
    // Others are not concerned, and neither is a deposit.
    accepted(&mut world, show(sight(6, 2, true)));
    accepted(&mut world, say(ReportDeposit { tx: ChainHash([7; 32]), ..report(3_000, 1) }));
    world.now = world.now.plus_nanos(3_600_000_000_000);
    for tx in 0..80 {
        accepted(&mut world, seen(100 + tx));
        accepted(&mut world, say(ReportDeposit { tx: ChainHash([100 + tx; 32]), ..report(3_000, 1) }));
    }
    accepted(&mut world, seen(5));
}

#[test]
fn what_was_told_in_an_hour_and_is_mined_in_the_next_makes_no_room_in_that() {
    let mut world = world();
    accepted(&mut world, seen(1));
    world.now = world.now.plus_nanos(3_600_000_000_000);
    for _ in 0..63 {
        accepted(&mut world, seen(5));
        accepted(&mut world, gone(5));
    }
    accepted(&mut world, seen(2));
    accepted(&mut world, say(ReportDeposit { tx: ChainHash([1; 32]), ..report(3_000, 1) }));
    assert_eq!(refused(&mut world, seen(5)), RejectReason::TableFull);
    accepted(&mut world, say(ReportDeposit { tx: ChainHash([2; 32]), ..report(3_000, 1) }));
    accepted(&mut world, seen(5));
}

#[test]
fn all_accounts_together_have_so_many_in_no_block_and_deposits_have_room_beside_them() {
    let limits = Limits { sightings_max: 1, ..super::super::world::small_limits() };
    let mut world = world_with(limits);
    accepted(&mut world, seen(5));
    assert_eq!(refused(&mut world, show(sight(6, 2, true))), RejectReason::TableFull);
    accepted(&mut world, say(ReportDeposit { tx: ChainHash([7; 32]), ..report(3_000, 1) }));
}

#[test]
fn too_little_is_not_told_of_and_nobody_but_the_holder_of_the_claim_tells() {
    let mut world = world();
    accepted(&mut world, show(SightDeposit { amount: 99, ..sight(5, 1, true) }));
    assert_eq!(stages(&mut world), []);
    accepted(&mut world, show(SightDeposit { amount: 100, ..sight(5, 1, true) }));
    assert_eq!(stages(&mut world), [DepositStage::Seen]);
    let stale = SightDeposit { fence: 2, ..sight(6, 1, true) };
    assert_eq!(refused(&mut world, show(stale)), RejectReason::StaleFence);
    assert_eq!(refused(&mut world, show(sight(6, 9, true))), RejectReason::UnknownAddress);
    let unlisted = SightDeposit { asset: QUOTE, ..sight(6, 1, true) };
    assert_eq!(refused(&mut world, show(unlisted)), RejectReason::UnknownChainAsset);
}

#[test]
fn the_height_of_a_chain_is_told_when_it_changes() {
    let mut world = world();
    let head = |fence, height| Command::ReportHead(ReportHead { chain: CHAIN, fence, height });
    for height in [100, 100, 101, 99] {
        accepted(&mut world, head(1, height));
    }
    let told = world.private.drain(..).filter_map(|event| match event {
        Event::ChainAdvanced(advanced) => Some(advanced.height),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<u64>>(), [100, 101, 99]);
    assert_eq!(refused(&mut world, head(2, 102)), RejectReason::StaleFence);
}
