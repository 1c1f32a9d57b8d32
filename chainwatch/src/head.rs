//! The agreed head: the highest block whose hash a majority of the *configured* nodes report.
//!
//! Configured, not answering: a pool that lost most of its nodes has no head, and a chain without a head
//! credits nothing. It fails closed.

use std::collections::BTreeMap;

use crate::{BlockHash, ChainNodeId};

/// A block's distance from the genesis block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Height(pub u64);

/// A block that a node reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// Where it is.
    pub height: Height,
    /// What it is.
    pub hash: BlockHash,
}

/// The outcome of asking every configured node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgreedHead {
    /// A majority of the configured nodes report this block.
    Agreed(Head),
    /// No block has a majority: nothing may be credited or withdrawn.
    NoMajority,
}

/// The highest block that a majority of `configured` nodes report. Each report is one node's hash at one
/// height; a node may report several heights, and a second report of a node at one height is ignored.
pub fn agreed_head(configured: usize, reports: impl IntoIterator<Item = (ChainNodeId, Head)>) -> AgreedHead {
    let mut said = BTreeMap::new();
    for (node, head) in reports {
        said.entry((head.height, node)).or_insert(head.hash);
    }
    let mut votes: BTreeMap<(Height, BlockHash), usize> = BTreeMap::new();
    for ((height, _), hash) in said {
        *votes.entry((height, hash)).or_default() += 1;
    }
    let majority = configured / 2 + 1;
    votes
        .into_iter()
        .rev()
        .find(|(_, count)| *count >= majority)
        .map_or(AgreedHead::NoMajority, |((height, hash), _)| AgreedHead::Agreed(Head { height, hash }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(height: u64, hash: u8) -> Head {
        Head { height: Height(height), hash: BlockHash([hash; 32]) }
    }

    fn report(node: u8, height: u64, hash: u8) -> (ChainNodeId, Head) {
        (ChainNodeId(node), head(height, hash))
    }

    #[test]
    fn the_head_is_the_highest_block_of_a_majority_of_configured_nodes() {
        let reports = [report(0, 10, 1), report(1, 10, 1), report(2, 10, 1), report(3, 11, 2), report(4, 11, 2)];
        assert_eq!(agreed_head(5, reports), AgreedHead::Agreed(head(10, 1)));
    }

    #[test]
    fn silence_of_most_nodes_leaves_no_head() {
        assert_eq!(agreed_head(5, [report(0, 10, 1), report(1, 10, 1)]), AgreedHead::NoMajority);
        assert_eq!(agreed_head(5, []), AgreedHead::NoMajority);
    }

    #[test]
    fn a_node_that_says_two_things_at_one_height_is_heard_once() {
        let reports = [report(0, 10, 1), report(0, 10, 2), report(0, 10, 1), report(1, 10, 1)];
        assert_eq!(agreed_head(3, reports), AgreedHead::Agreed(head(10, 1)));
        let reports = [report(0, 10, 2), report(0, 10, 1), report(1, 10, 1)];
        assert_eq!(agreed_head(3, reports), AgreedHead::NoMajority);
    }
}
