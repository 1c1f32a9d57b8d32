use super::*;
use crate::tree::{Header, Placed};
use wire::{AccountId, Amount, ChainId};

fn hash(branch: u8, number: u8) -> BlockHash {
    let mut bytes = [0; 32];
    (bytes[0], bytes[1]) = (branch, number);
    BlockHash(bytes)
}

fn head(branch: u8, number: u8) -> Head {
    Head { height: Height(number.into()), hash: hash(branch, number) }
}

/// A trunk of twenty blocks, and branch 1 that leaves it above block 12 and goes to block 16.
fn tree() -> HeaderTree {
    let root = Placed { head: head(0, 0), parent: hash(9, 9), time_s: 0, chain_work: 0, bits: 0 };
    let mut tree = HeaderTree::new(root);
    let mut place = |of: BlockHash, parent: BlockHash| {
        tree.place(&Header { hash: of, parent, height: None, time_s: 0, work: 1, bits: 0 }).unwrap();
    };
    (1..=20).for_each(|number| place(hash(0, number), hash(0, number - 1)));
    place(hash(1, 13), hash(0, 12));
    (14..=16).for_each(|number| place(hash(1, number), hash(1, number - 1)));
    tree
}

/// A deposit in block 15 of the trunk that needs three confirmations, as the ledger has it.
fn known(stage: DepositStage) -> DepositChanged {
    DepositChanged {
        account: AccountId::new(1),
        chain: ChainId::new(1),
        tx: ChainHash([7; 32]),
        output: 0,
        index: 1,
        asset: AssetId::new(1),
        amount: 5,
        stage,
        block: ChainHash(hash(0, 15).0),
        height: 15,
        confirmations: 1,
        required: 3,
        credited: Amount::ZERO,
        dust: 0,
        is_reverted: false,
    }
}

fn found_in(block: Head) -> Found {
    Found { index: 1, asset: AssetId::new(1), amount: 5, block }
}

/// What is said when `at` is agreed: `in H, N` is included in block H with N confirmations.
fn said(at: Head, frozen: Option<Freeze>, known: Option<&DepositChanged>, found: Option<&Found>) -> String {
    let tree = tree();
    let chain = Chain {
        tree: &tree,
        head: at,
        finalized: Some(head(0, 10)),
        frozen,
        told: ChainFreeze::Thawed,
        is_doubted: false,
    };
    match chain.judge(known, found) {
        None => "nothing".into(),
        Some(Statement::Gone) => "gone".into(),
        Some(Statement::Included { found, confirmations, .. }) => {
            format!("in {}, {confirmations}", found.block.height.0)
        }
    }
}

fn says(at: Head, stage: DepositStage) -> String {
    said(at, None, Some(&known(stage)), None)
}

#[test]
fn a_head_that_falls_back_on_its_own_chain_takes_no_deposit_away() {
    for stage in [DepositStage::Included, DepositStage::Confirmed, DepositStage::Credited] {
        assert_eq!(says(head(0, 14), stage), "nothing");
        assert_eq!(says(head(0, 12), stage), "nothing", "nor where the branches part");
    }
}

#[test]
fn another_branch_takes_it_away_even_while_it_is_shorter() {
    for at in [head(1, 14), head(1, 16)] {
        assert_eq!(says(at, DepositStage::Included), "gone");
        assert_eq!(says(at, DepositStage::Credited), "gone");
        assert_eq!(says(at, DepositStage::Orphaned), "nothing");
    }
}

#[test]
fn a_block_that_the_tree_does_not_know_is_gone_only_when_the_head_is_above_it() {
    let unknown = DepositChanged { block: ChainHash(hash(5, 15).0), ..known(DepositStage::Included) };
    assert_eq!(said(head(0, 14), None, Some(&unknown), None), "nothing");
    assert_eq!(said(head(0, 15), None, Some(&unknown), None), "gone");
}

#[test]
fn an_orphaned_deposit_that_is_on_the_chain_again_is_always_news() {
    assert_eq!(says(head(0, 15), DepositStage::Orphaned), "in 15, 1");
    assert_eq!(says(head(0, 18), DepositStage::Orphaned), "in 15, 4");
}

#[test]
fn a_deposit_waits_for_its_confirmations_and_a_credit_says_nothing() {
    assert_eq!(says(head(0, 16), DepositStage::Included), "nothing");
    assert_eq!(says(head(0, 17), DepositStage::Included), "in 15, 3");
    assert_eq!(says(head(0, 20), DepositStage::Credited), "nothing");
    let reverted = DepositChanged { is_reverted: true, ..known(DepositStage::Credited) };
    assert_eq!(said(head(0, 20), None, Some(&reverted), None), "in 15, 6", "it was taken back and is there again");
}

#[test]
fn what_was_found_and_is_not_known_is_told_and_in_another_block_told_again() {
    let found = found_in(head(0, 15));
    assert_eq!(said(head(0, 16), None, None, Some(&found)), "in 15, 2");
    assert_eq!(said(head(1, 16), None, None, Some(&found)), "nothing", "its block is gone before anybody heard of it");
    let moved = found_in(head(1, 14));
    for stage in [DepositStage::Included, DepositStage::Credited, DepositStage::Orphaned] {
        assert_eq!(said(head(1, 16), None, Some(&known(stage)), Some(&moved)), "in 14, 3");
    }
}

#[test]
fn in_doubt_nothing_is_said_and_below_finality_only_what_is_gone() {
    let found = found_in(head(0, 15));
    for doubt in [Freeze::NoMajority, Freeze::Dissent, Freeze::Outworked, Freeze::Stalled] {
        assert_eq!(said(head(0, 18), Some(doubt), None, Some(&found)), "nothing");
        assert_eq!(said(head(1, 16), Some(doubt), Some(&known(DepositStage::Included)), None), "nothing");
    }
    let reverted = Some(Freeze::FinalityReverted);
    assert_eq!(said(head(0, 18), reverted, Some(&known(DepositStage::Included)), None), "nothing");
    assert_eq!(said(head(1, 16), reverted, Some(&known(DepositStage::Credited)), None), "gone");
}
