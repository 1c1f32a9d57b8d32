//! What the pool agrees on: its head, what is final, and whether money may move on the strength of it.
//!
//! It fails closed. Every reason to doubt freezes the chain, and only the absence of all of them thaws it.

use std::time::Instant;

use super::config::{Finality, PoolConfig};
use super::node::{Report, contradicts};
use crate::tree::HeaderTree;
use crate::{AgreedHead, BlockHash, ChainNodeId, Head, Height, agreed_head};

/// Why nothing may be credited or withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Freeze {
    /// No block has a majority of the configured nodes.
    NoMajority,
    /// The agreed head no longer contains what was final: a reorganisation deeper than the chain's finality.
    FinalityReverted,
    /// More nodes than tolerated contradict what is final.
    Dissent,
    /// A chain with more verified work than the agreed one does not contain the agreed head.
    Outworked,
    /// The agreed head has not risen for too long.
    Stalled,
}

impl Freeze {
    /// Every reason, for metrics.
    pub const ALL: [Freeze; 5] =
        [Freeze::NoMajority, Freeze::FinalityReverted, Freeze::Dissent, Freeze::Outworked, Freeze::Stalled];

    /// Its name in metrics, logs and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Freeze::NoMajority => "no majority",
            Freeze::FinalityReverted => "finality reverted",
            Freeze::Dissent => "disagreement below finality",
            Freeze::Outworked => "outworked",
            Freeze::Stalled => "stalled",
        }
    }
}

impl std::fmt::Display for Freeze {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What is agreed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// The highest block that a majority of the configured nodes have on their chain.
    pub head: Option<Head>,
    /// The highest block that was ever final, while the agreed head contains it.
    pub finalized: Option<Head>,
    /// Why money may not move; `None` when it may.
    pub frozen: Option<Freeze>,
    /// When the head last rose.
    rose_at: Instant,
    highest: Height,
}

impl Agreement {
    pub(super) fn new(now: Instant) -> Agreement {
        let frozen = Some(Freeze::NoMajority);
        Agreement { head: None, finalized: None, frozen, rose_at: now, highest: Height(0) }
    }

    /// Takes the votes of now. `astray` nodes show chains that meet ours nowhere.
    pub(super) fn update(
        &mut self,
        config: &PoolConfig,
        tree: &HeaderTree,
        votes: &[(ChainNodeId, Report)],
        astray: usize,
        now: Instant,
    ) {
        let heads = votes.iter().map(|(node, report)| (*node, report.head));
        let AgreedHead::Agreed(head) = majority_block(tree, config.nodes.len(), heads) else {
            (self.head, self.frozen) = (None, Some(Freeze::NoMajority));
            return;
        };
        let reverted = self.finalized.filter(|finalized| !tree.contains(head.hash, *finalized));
        if reverted.is_some_and(|finalized| tree.contains(finalized.hash, head)) {
            // Nodes fell back to where the chain was before: they contradict nothing, they just do not have it.
            (self.head, self.frozen) = (None, Some(Freeze::NoMajority));
            return;
        }
        self.head = Some(head);
        if head.height > self.highest {
            (self.highest, self.rose_at) = (head.height, now);
        }
        if reverted.is_some() {
            self.frozen = Some(Freeze::FinalityReverted);
            return;
        }
        let dissent = astray + votes.iter().filter(|(_, r)| contradicts(r, head, self.finalized, tree)).count();
        if dissent > config.dissent_max {
            self.frozen = Some(Freeze::Dissent);
            return;
        }
        if is_outworked(tree, head, votes) {
            self.frozen = Some(Freeze::Outworked);
            return;
        }
        self.raise_final(config, tree, head, votes);
        let stalled = now.saturating_duration_since(self.rose_at) > config.stall_after;
        self.frozen = stalled.then_some(Freeze::Stalled);
    }

    /// What is final only rises, and only while nothing is in doubt.
    fn raise_final(&mut self, config: &PoolConfig, tree: &HeaderTree, head: Head, votes: &[(ChainNodeId, Report)]) {
        let now_final = match config.finality {
            Finality::Confirmations(_) => config
                .final_height(head.height)
                .and_then(|height| tree.ancestor(head.hash, height))
                .map(|placed| placed.head),
            Finality::Reported => {
                let reported = |(node, report): &(ChainNodeId, Report)| {
                    let theirs = report.finalized?;
                    tree.contains(head.hash, theirs).then_some((*node, theirs.hash))
                };
                match majority_block(tree, config.nodes.len(), votes.iter().filter_map(reported)) {
                    AgreedHead::Agreed(block) => Some(block),
                    AgreedHead::NoMajority => None,
                }
            }
        };
        if let Some(block) = now_final
            && self.finalized.is_none_or(|before| block.height > before.height)
        {
            self.finalized = Some(block);
        }
    }

    /// An operator has looked at a reorganisation that went below finality, and lets the agreed chain be the truth.
    pub(super) fn accept_reversal(&mut self) {
        if self.frozen == Some(Freeze::FinalityReverted) {
            self.finalized = None;
        }
    }
}

/// The agreed head, where a vote for a block is a vote for all its ancestors: level by level from the highest vote
/// down, until one block of a level has its majority.
fn majority_block(
    tree: &HeaderTree,
    configured: usize,
    votes: impl Iterator<Item = (ChainNodeId, BlockHash)>,
) -> AgreedHead {
    let mut voters: Vec<_> = votes.filter_map(|(node, hash)| Some((node, tree.get(hash)?))).collect();
    // Above the height that a majority reaches nobody can have one: a few voters' long branches cost nothing.
    let mut heights: Vec<Height> = voters.iter().map(|(_, placed)| placed.head.height).collect();
    heights.sort_unstable_by(|a, b| b.cmp(a));
    let Some(reached) = heights.get(configured / 2).copied() else { return AgreedHead::NoMajority };
    voters.retain_mut(|(_, placed)| {
        let lowered = tree.chain(placed.head.hash).find(|block| block.head.height <= reached);
        lowered.map(|block| *placed = block).is_some()
    });
    while let Some(level) = voters.iter().map(|(_, placed)| placed.head.height).max() {
        let here = voters.iter().filter(|(_, placed)| placed.head.height == level);
        if let agreed @ AgreedHead::Agreed(_) = agreed_head(configured, here.map(|(node, placed)| (*node, placed.head)))
        {
            return agreed;
        }
        voters.retain_mut(|(_, placed)| {
            if placed.head.height < level {
                return true;
            }
            match tree.get(placed.parent) {
                Some(parent) => *placed = parent,
                None => return false,
            }
            true
        });
    }
    AgreedHead::NoMajority
}

/// Work is what decides on a chain that has it: somebody shows more of it on a chain without the agreed head.
fn is_outworked(tree: &HeaderTree, head: Head, votes: &[(ChainNodeId, Report)]) -> bool {
    let Some(ours) = tree.get(head.hash) else { return false };
    let theirs = votes.iter().filter_map(|(_, report)| tree.get(report.head));
    theirs.into_iter().any(|tip| tip.chain_work > ours.chain_work && !tree.contains(tip.head.hash, head))
}
