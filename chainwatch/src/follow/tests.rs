use super::*;
use crate::BlockHash;
use crate::tree::Header;

fn hash(branch: u8, number: u8) -> BlockHash {
    let mut bytes = [0; 32];
    (bytes[0], bytes[1]) = (branch, number);
    BlockHash(bytes)
}

fn head(branch: u8, number: u8) -> Head {
    Head { height: Height(u64::from(number)), hash: hash(branch, number) }
}

/// A trunk of ten blocks, and branch 1 that leaves it above block 6 and goes to block 12.
fn tree() -> HeaderTree {
    let root = Placed { head: head(0, 0), parent: hash(9, 9), time_s: 0, chain_work: 0, bits: 0 };
    let mut tree = HeaderTree::new(root);
    let mut place = |of: BlockHash, parent: BlockHash| {
        tree.place(&Header { hash: of, parent, height: None, time_s: 0, work: 1, bits: 0 }).unwrap();
    };
    (1..=10).for_each(|number| place(hash(0, number), hash(0, number - 1)));
    place(hash(1, 7), hash(0, 6));
    (8..=12).for_each(|number| place(hash(1, number), hash(1, number - 1)));
    tree
}

/// The steps from `followed` to `agreed`: `+` connects, `-` disconnects down to.
fn steps(mut followed: Head, agreed: Head) -> Vec<String> {
    let tree = tree();
    let mut steps = Vec::new();
    loop {
        followed = match next_step(&tree, followed, agreed) {
            FollowStep::Rest => return steps,
            FollowStep::Lost => {
                steps.push("lost".into());
                return steps;
            }
            FollowStep::Connect(placed) => {
                steps.push(format!("+{}", placed.head.height.0));
                placed.head
            }
            FollowStep::Disconnect(to) => {
                steps.push(format!("-{}", to.height.0));
                to
            }
        };
    }
}

#[test]
fn every_block_is_connected_once_and_in_order() {
    assert_eq!(steps(head(0, 7), head(0, 10)), ["+8", "+9", "+10"]);
    assert!(steps(head(0, 10), head(0, 10)).is_empty());
}

#[test]
fn nodes_that_fall_back_are_no_reorganisation() {
    assert!(steps(head(0, 10), head(0, 4)).is_empty());
}

#[test]
fn a_reorganisation_is_taken_back_before_the_new_branch_is_connected() {
    assert_eq!(steps(head(0, 8), head(1, 9)), ["-6", "+7", "+8", "+9"]);
    assert_eq!(steps(head(1, 12), head(0, 10)), ["-6", "+7", "+8", "+9", "+10"]);
    assert_eq!(steps(head(0, 6), head(1, 8)), ["+7", "+8"]);
}

#[test]
fn what_meets_the_tree_nowhere_is_lost() {
    assert_eq!(steps(head(5, 7), head(0, 10)), ["lost"]);
}
