use super::*;

/// Block `number` of branch `branch`; branch 0 is the trunk.
fn hash(branch: u8, number: u8) -> BlockHash {
    let mut bytes = [0; 32];
    (bytes[0], bytes[1]) = (branch, number);
    BlockHash(bytes)
}

fn header(of: BlockHash, parent: BlockHash, height: Option<u64>) -> Header {
    Header { hash: of, parent, height: height.map(Height), time_s: 0, work: 2, bits: 0 }
}

fn trunk(length: u8) -> HeaderTree {
    let head = Head { height: Height(100), hash: hash(0, 0) };
    let mut tree = HeaderTree::new(Placed { head, parent: hash(9, 9), time_s: 0, chain_work: 0, bits: 0 });
    for number in 1..=length {
        tree.place(&header(hash(0, number), hash(0, number - 1), None)).unwrap();
    }
    tree
}

#[test]
fn a_header_is_placed_above_its_parent_or_not_at_all() {
    let mut tree = trunk(3);
    assert_eq!(tree.get(hash(0, 3)).unwrap().head.height, Height(103));
    assert_eq!(tree.get(hash(0, 3)).unwrap().chain_work, 6);
    let orphan = header(hash(1, 9), hash(1, 8), None);
    assert_eq!(tree.place(&orphan), Err(Misplaced::ParentUnknown(hash(1, 8))));
    assert_eq!(tree.place(&header(hash(1, 4), hash(0, 3), Some(105))), Err(Misplaced::WrongHeight));
    assert_eq!(tree.place(&header(hash(1, 1), hash(1, 0), Some(100))), Err(Misplaced::BelowRoot));
    assert!(tree.place(&header(hash(1, 4), hash(0, 3), Some(104))).is_ok());
}

#[test]
fn branches_meet_at_their_fork_point() {
    let mut tree = trunk(5);
    tree.place(&header(hash(1, 4), hash(0, 3), None)).unwrap();
    tree.place(&header(hash(1, 5), hash(1, 4), None)).unwrap();
    let fork = tree.fork_point(hash(0, 5), hash(1, 5)).unwrap();
    assert_eq!(fork, Head { height: Height(103), hash: hash(0, 3) });
    assert!(tree.contains(hash(1, 5), fork) && tree.contains(hash(0, 5), fork));
    assert!(!tree.contains(hash(1, 5), tree.get(hash(0, 4)).unwrap().head));
    assert!(!tree.contains(hash(0, 3), tree.get(hash(0, 4)).unwrap().head));
}

#[test]
fn what_is_forgotten_takes_its_branches_along() {
    let mut tree = trunk(5);
    tree.place(&header(hash(1, 2), hash(0, 1), None)).unwrap();
    tree.place(&header(hash(1, 3), hash(1, 2), None)).unwrap();
    tree.place(&header(hash(2, 4), hash(0, 3), None)).unwrap();
    tree.forget_below(tree.get(hash(0, 3)).unwrap().head);
    assert_eq!(tree.len(), 4);
    assert!(tree.get(hash(1, 3)).is_none() && tree.get(hash(2, 4)).is_some());
    assert_eq!(tree.root().height, Height(103));
}
