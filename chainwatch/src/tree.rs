//! Every header that was verified and that is still young enough to matter, by hash, down from a trusted block.
//!
//! A node's vote for its head is a vote for every ancestor of it, so agreement, forks and lag are all questions to
//! this tree, never to a node.

use std::collections::HashMap;

use crate::{BlockHash, Head, Height};

/// What is known of a block by its header alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Hash of the header's own bytes: computed, never taken from a node.
    pub hash: BlockHash,
    /// The block before.
    pub parent: BlockHash,
    /// The height that the header states (EVM); Bitcoin-like headers state none.
    pub height: Option<Height>,
    /// Seconds since 1970 that the header states.
    pub time_s: u64,
    /// Expected hashes to find it; 0 on chains without proof of work.
    pub work: u128,
    /// The compact target that it claims; 0 on chains without proof of work.
    pub bits: u32,
}

/// A block with a place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Where and what.
    pub head: Head,
    /// The block before.
    pub parent: BlockHash,
    /// Seconds since 1970 that the header states.
    pub time_s: u64,
    /// Work of it and all its ancestors from the trusted block on.
    pub chain_work: u128,
    /// The compact target that it claims.
    pub bits: u32,
}

/// Why a header got no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// Its parent is not here: fetch that first.
    #[error("the parent {0} is not known")]
    ParentUnknown(BlockHash),
    /// It states another height than its parent's plus one.
    #[error("the header states another height than its parent's plus one")]
    WrongHeight,
    /// It branches off below the trusted block, or from what is forgotten.
    #[error("the header does not descend from the trusted block")]
    BelowRoot,
}

/// Headers that descend from one trusted block.
#[derive(Debug, Clone)]
pub struct HeaderTree {
    root: Head,
    blocks: HashMap<BlockHash, Placed>,
}

impl HeaderTree {
    /// Only the trusted block.
    pub fn new(root: Placed) -> HeaderTree {
        HeaderTree { root: root.head, blocks: HashMap::from([(root.head.hash, root)]) }
    }

    /// The lowest block that is remembered. Everything else descends from it.
    pub fn root(&self) -> Head {
        self.root
    }

    /// The block of this hash.
    pub fn get(&self, hash: BlockHash) -> Option<&Placed> {
        self.blocks.get(&hash)
    }

    /// Places a verified header. Placing it again changes nothing.
    pub fn place(&mut self, header: &Header) -> Result<Placed, Misplaced> {
        if let Some(known) = self.blocks.get(&header.hash) {
            return Ok(*known);
        }
        if header.height.is_some_and(|height| height <= self.root.height) {
            return Err(Misplaced::BelowRoot);
        }
        let parent = self.blocks.get(&header.parent).ok_or(Misplaced::ParentUnknown(header.parent))?;
        let height = Height(parent.head.height.0 + 1);
        if header.height.is_some_and(|stated| stated != height) {
            return Err(Misplaced::WrongHeight);
        }
        let placed = Placed {
            head: Head { height, hash: header.hash },
            parent: header.parent,
            time_s: header.time_s,
            chain_work: parent.chain_work.saturating_add(header.work),
            bits: header.bits,
        };
        self.blocks.insert(header.hash, placed);
        Ok(placed)
    }

    /// The blocks from `hash` down to the root, `hash` first; empty when it is unknown.
    pub fn chain(&self, hash: BlockHash) -> impl Iterator<Item = &Placed> {
        std::iter::successors(self.blocks.get(&hash), |block| self.blocks.get(&block.parent))
    }

    /// The ancestor of `hash` at `height`, which may be `hash` itself.
    pub fn ancestor(&self, hash: BlockHash, height: Height) -> Option<&Placed> {
        let block = self.chain(hash).find(|block| block.head.height <= height)?;
        (block.head.height == height).then_some(block)
    }

    /// Whether `block` is an ancestor of `tip` or `tip` itself.
    pub fn contains(&self, tip: BlockHash, block: Head) -> bool {
        self.ancestor(tip, block.height).is_some_and(|ancestor| ancestor.head.hash == block.hash)
    }

    /// The highest block that both have as an ancestor or are.
    pub fn fork_point(&self, a: BlockHash, b: BlockHash) -> Option<Head> {
        let (mut a, mut b) = (self.get(a)?, self.get(b)?);
        while a.head.hash != b.head.hash {
            if a.head.height >= b.head.height {
                a = self.get(a.parent)?;
            } else {
                b = self.get(b.parent)?;
            }
        }
        Some(a.head)
    }

    /// Forgets what lies below `block` and every branch that left the chain to `block` before it. `block` becomes the
    /// root; nothing happens when it is unknown.
    pub fn forget_below(&mut self, block: Head) {
        if block.height <= self.root.height || self.get(block.hash).is_none_or(|known| known.head != block) {
            return;
        }
        let mut kept: Vec<Placed> = self.blocks.values().filter(|b| b.head.height >= block.height).copied().collect();
        kept.sort_by_key(|b| b.head.height);
        let mut blocks = HashMap::new();
        for placed in kept {
            if placed.head == block || (placed.head.height > block.height && blocks.contains_key(&placed.parent)) {
                blocks.insert(placed.head.hash, placed);
            }
        }
        self.root = block;
        self.blocks = blocks;
    }

    /// How many headers are remembered.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Never: the root is always there.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

#[cfg(test)]
mod tests;
