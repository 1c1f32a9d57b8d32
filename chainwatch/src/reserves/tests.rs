//! Every account finds itself in the total, and nothing that was tampered with verifies.

use proptest::prelude::*;

use super::*;

const ASSET: &str = "LTC";

fn salt(of: u64) -> [u8; 32] {
    digest(&[b"salt", &of.to_be_bytes()])
}

fn liabilities(amounts: &[u128]) -> Vec<Liability> {
    let one = |(at, amount): (usize, &u128)| Liability {
        account: format!("account-{at}"),
        amount: *amount,
        salt: salt(at as u64),
    };
    amounts.iter().enumerate().map(one).collect()
}

#[test]
fn there_is_no_tree_of_nothing_of_one_salt_for_two_or_of_more_than_can_be_held() {
    let owed = liabilities(&[1, 2]);
    assert_eq!(Tree::new(ASSET, &[]).unwrap_err(), TreeError::Empty);
    let reused = [owed[0].clone(), Liability { salt: owed[0].salt, ..owed[1].clone() }];
    assert_eq!(Tree::new(ASSET, &reused).unwrap_err(), TreeError::SaltReused);
    let twice = [owed[0].clone(), Liability { account: owed[0].account.clone(), ..owed[1].clone() }];
    assert_eq!(Tree::new(ASSET, &twice).unwrap_err(), TreeError::AccountTwice);
    assert_eq!(Tree::new(ASSET, &liabilities(&[u128::MAX, 1])).unwrap_err(), TreeError::TooMuch);
}

#[test]
fn a_total_that_wraps_does_not_verify() {
    // Who subtracts by adding almost 2^128 owes less than nothing.
    let own = &liabilities(&[10])[0];
    let negative = Node { hash: [7; 32], sum: u128::MAX - 4 };
    let wrapped = {
        let below = leaf(ASSET, own);
        let sum = below.sum.wrapping_add(negative.sum);
        let (left, right) = (below.sum.to_be_bytes(), negative.sum.to_be_bytes());
        Node { hash: digest(&[&[1], &sum.to_be_bytes(), &below.hash, &left, &negative.hash, &right]), sum }
    };
    assert_eq!(wrapped.sum, 5);
    assert!(!verify(ASSET, own, &vec![(Side::Right, negative)], &wrapped));
}

#[test]
fn one_leaf_is_not_shown_to_two_accounts_with_the_same_balance() {
    let owed = liabilities(&[5, 5]);
    let only = Tree::new(ASSET, &owed[..1]).unwrap();
    let path = only.path(0).unwrap();
    assert!(verify(ASSET, &owed[0], &path, &only.root()));
    let other = Liability { account: owed[1].account.clone(), ..owed[0].clone() };
    assert!(!verify(ASSET, &other, &path, &only.root()));
}

#[test]
fn a_path_longer_than_any_tree_is_refused_unread() {
    let owed = liabilities(&[5]);
    let tree = Tree::new(ASSET, &owed).unwrap();
    assert!(!verify(ASSET, &owed[0], &vec![(Side::Left, empty()); DEPTH_MAX + 1], &tree.root()));
}

proptest! {
    #[test]
    fn every_account_finds_itself_in_a_root_that_sums_all(amounts in prop::collection::vec(0..u128::MAX / 64, 1..40)) {
        let owed = liabilities(&amounts);
        let tree = Tree::new(ASSET, &owed).unwrap();
        prop_assert_eq!(tree.root().sum, amounts.iter().sum::<u128>());
        for (at, liability) in owed.iter().enumerate() {
            let path = tree.path(at).unwrap();
            prop_assert!(verify(ASSET, liability, &path, &tree.root()));
            prop_assert!(!verify("BTC", liability, &path, &tree.root()), "of another asset");
        }
    }

    #[test]
    fn nothing_that_was_tampered_with_verifies(
        amounts in prop::collection::vec(0..1_000_000_u128, 2..24),
        at in any::<prop::sample::Index>(),
        row in any::<prop::sample::Index>(),
        by in 1..1_000_000_u128,
        bit in 0..256_usize,
    ) {
        let owed = liabilities(&amounts);
        let at = at.index(owed.len());
        let tree = Tree::new(ASSET, &owed).unwrap();
        let (own, path, root) = (&owed[at], tree.path(at).unwrap(), tree.root());
        let row = row.index(path.len());
        let changed = |change: &dyn Fn(&mut (Side, Node))| {
            let mut path = path.clone();
            change(&mut path[row]);
            path
        };
        let holds = |liability: &Liability, path: &Path, root: &Node| verify(ASSET, liability, path, root);

        prop_assert!(holds(own, &path, &root));
        let more = Liability { amount: own.amount + by, ..own.clone() };
        prop_assert!(!holds(&more, &path, &root), "another balance");
        let flip = |mut hash: [u8; 32]| { hash[bit / 8] ^= 1 << (bit % 8); hash };
        prop_assert!(!holds(&Liability { salt: flip(own.salt), ..own.clone() }, &path, &root), "another salt");
        prop_assert!(!holds(own, &changed(&|(_, node)| node.sum += by), &root), "a lying sum above");
        prop_assert!(!holds(own, &changed(&|(_, node)| node.sum = node.sum.wrapping_sub(by)), &root), "or below");
        prop_assert!(!holds(own, &changed(&|(_, node)| node.hash = flip(node.hash)), &root), "another neighbour");
        let swapped = changed(&|(side, _)| *side = if *side == Side::Left { Side::Right } else { Side::Left });
        prop_assert!(!holds(own, &swapped, &root), "children swapped");
        prop_assert!(!holds(own, &path[..row].to_vec(), &root), "a path cut short");
        prop_assert!(!holds(own, &path, &Node { sum: root.sum - 1, ..root }), "a smaller total");
        prop_assert!(!holds(own, &path, &Node { hash: flip(root.hash), ..root }), "another root");
        // What is moved from one child to the other keeps the total, and not the hash.
        let moved = Liability { amount: own.amount + by, ..own.clone() };
        let taken = changed(&|(_, node)| node.sum = node.sum.saturating_sub(by));
        prop_assert!(!holds(&moved, &taken, &root), "a total that is kept");
    }
}
