//! A proof of liabilities: a Merkle tree whose every node commits to the sum of what is owed below it, so that each
//! account can check that its balance is in a published total, and learns of nobody else's.
//!
//! ```text
//!   root   H(1, total, left hash, left sum, right hash, right sum)
//!   node   H(1, sum,   left hash, left sum, right hash, right sum)     sum = left sum + right sum, in 128 bits
//!   leaf   H(2, sum, asset, salt, account)
//!   empty  H(3, 0)                                                     fills the lowest row up to a power of two
//! ```
//!
//! Both children's sums are in the hash of their parent: with one of them alone, or with their total alone, a subtree
//! could be told as smaller than it is. Sums are natural numbers, and adding them never wraps: nothing below can be
//! negative. A leaf names its account, so that two accounts with the same balance cannot be shown the same one, and
//! is hidden by a salt of its own, without which who knows a neighbour's hash could guess the balance.
//!
//! What it proves is bounded by who looks: a total that leaves somebody out is found by that somebody alone.

use std::collections::BTreeSet;

use bitcoin::hashes::{Hash, HashEngine, sha256};

/// More rows than any tree of accounts has.
const DEPTH_MAX: usize = 40;

/// A hash and what is owed below it, in ledger units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Commits to everything below.
    pub hash: [u8; 32],
    /// How much that is.
    pub sum: u128,
}

/// What is owed to one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liability {
    /// The account's name.
    pub account: String,
    /// What it is owed, in ledger units.
    pub amount: u128,
    /// Hides the amount from who sees the leaf's hash; of this leaf alone.
    pub salt: [u8; 32],
}

/// Which side of its parent the *other* child is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The other one is the left one.
    Left,
    /// The other one is the right one.
    Right,
}

/// The other child of each parent, from the leaf's to the root's.
pub type Path = Vec<(Side, Node)>;

/// Why there is no tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Nobody is owed anything.
    #[error("nothing is owed to anybody")]
    Empty,
    /// Two leaves have the same salt: who has one could guess the other.
    #[error("a salt is used twice")]
    SaltReused,
    /// An account is there twice.
    #[error("an account is there twice")]
    AccountTwice,
    /// The sum is more than can be held.
    #[error("the sum is more than 128 bits hold")]
    TooMuch,
}

/// Every row, the leaves first; each has an even number of nodes but the last, which has one.
#[derive(Debug, Clone)]
pub struct Tree {
    rows: Vec<Vec<Node>>,
}

impl Tree {
    /// Of what is owed in an asset, in this order.
    pub fn new(asset: &str, liabilities: &[Liability]) -> Result<Tree, TreeError> {
        let salts: BTreeSet<_> = liabilities.iter().map(|liability| liability.salt).collect();
        let accounts: BTreeSet<_> = liabilities.iter().map(|liability| &liability.account).collect();
        if liabilities.is_empty() {
            return Err(TreeError::Empty);
        }
        if accounts.len() < liabilities.len() {
            return Err(TreeError::AccountTwice);
        }
        if salts.len() < liabilities.len() {
            return Err(TreeError::SaltReused);
        }
        let mut lowest: Vec<Node> = liabilities.iter().map(|liability| leaf(asset, liability)).collect();
        lowest.resize(lowest.len().next_power_of_two(), empty());
        let mut rows = vec![lowest];
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            let above: Option<Vec<Node>> = row.chunks(2).map(|pair| parent(pair[0], pair[1])).collect();
            rows.push(above.ok_or(TreeError::TooMuch)?);
        }
        Ok(Tree { rows })
    }

    /// What is published.
    pub fn root(&self) -> Node {
        self.rows[self.rows.len() - 1][0]
    }

    /// What the owner of a leaf needs beside it. `None` when there is no such leaf.
    pub fn path(&self, leaf: usize) -> Option<Path> {
        self.rows[0].get(leaf)?;
        let below_root = &self.rows[..self.rows.len() - 1];
        let other = |(height, row): (usize, &Vec<Node>)| {
            let at = leaf >> height;
            let side = if at.is_multiple_of(2) { Side::Right } else { Side::Left };
            (side, row[at ^ 1])
        };
        Some(below_root.iter().enumerate().map(other).collect())
    }
}

/// Whether what is owed to an account is part of a published root.
pub fn verify(asset: &str, liability: &Liability, path: &Path, root: &Node) -> bool {
    if path.len() > DEPTH_MAX {
        return false;
    }
    let reached = path.iter().try_fold(leaf(asset, liability), |below, (side, other)| match side {
        Side::Left => parent(*other, below),
        Side::Right => parent(below, *other),
    });
    reached == Some(*root)
}

fn leaf(asset: &str, liability: &Liability) -> Node {
    let Liability { account, amount, salt } = liability;
    let sum = amount.to_be_bytes();
    let length = (asset.len() as u64).to_be_bytes();
    let hash = digest(&[&[2], &sum, &length, asset.as_bytes(), salt, account.as_bytes()]);
    Node { hash, sum: *amount }
}

fn empty() -> Node {
    Node { hash: digest(&[&[3], &0_u128.to_be_bytes()]), sum: 0 }
}

/// `None` when the sum is more than can be held: it never wraps into a smaller one.
fn parent(left: Node, right: Node) -> Option<Node> {
    let sum = left.sum.checked_add(right.sum)?;
    let (left_sum, right_sum) = (left.sum.to_be_bytes(), right.sum.to_be_bytes());
    let hash = digest(&[&[1], &sum.to_be_bytes(), &left.hash, &left_sum, &right.hash, &right_sum]);
    Some(Node { hash, sum })
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut engine = sha256::Hash::engine();
    engine.input(b"mainstay liabilities 1\0");
    parts.iter().for_each(|part| engine.input(part));
    sha256::Hash::from_engine(engine).to_byte_array()
}

#[cfg(test)]
mod tests;
