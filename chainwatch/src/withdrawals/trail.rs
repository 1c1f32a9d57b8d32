//! What keys of ours have spent on the followed chain, block by block: written by whoever follows it, read by whoever drives
//! withdrawals.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::{ConnectedBlock, Spending};
use crate::{Head, Height};

/// The followed chain from some block on. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Trail(Arc<Mutex<Blocks>>);

/// What a [`Trail`] is made of.
#[derive(Debug)]
pub struct Blocks {
    /// The last block that was followed.
    head: Head,
    blocks: BTreeMap<Height, (Head, Vec<Spending>)>,
    /// The first block of which everything is known.
    since: Height,
    /// Nothing is forgotten from here on, however deep it is.
    needed: Option<Height>,
}

impl Trail {
    /// What an earlier life remembers, the lowest first; nothing is known of what lies below, nor of `followed` when nothing
    /// is remembered.
    pub fn new(followed: Head, remembered: &[ConnectedBlock]) -> Trail {
        let since = remembered.first().map_or(Height(followed.height.0 + 1), |lowest| lowest.placed.head.height);
        let entry = |block: &ConnectedBlock| {
            let head = block.placed.head;
            (head.height, (head, block.kept.spendings.clone()))
        };
        let blocks = remembered.iter().map(entry).collect();
        Trail(Arc::new(Mutex::new(Blocks { head: followed, blocks, since, needed: None })))
    }

    /// Looks at it. Do not wait in `look`.
    pub fn look<T>(&self, look: impl FnOnce(&Blocks) -> T) -> T {
        look(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Blocks> {
        // Every change is one assignment after another of what cannot panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From which block on nothing may be forgotten.
    pub fn need(&self, from: Option<Height>) {
        self.lock().needed = from;
    }

    /// From which block on nothing may be forgotten.
    pub fn needed(&self) -> Option<Height> {
        self.lock().needed
    }

    /// A block on top of the last one; those more than `depth` below it are forgotten, unless they are needed.
    pub(crate) fn connect(&self, head: Head, spendings: Vec<Spending>, depth: u64) {
        let mut blocks = self.lock();
        let lowest = Height(head.height.0.saturating_sub(depth));
        let lowest = blocks.needed.map_or(lowest, |needed| needed.min(lowest));
        blocks.blocks.insert(head.height, (head, spendings));
        blocks.blocks = blocks.blocks.split_off(&lowest);
        blocks.since = blocks.since.max(lowest);
        blocks.head = head;
    }

    /// Blocks above `to` are on the chain no more.
    pub(crate) fn disconnect(&self, to: Head) {
        let mut blocks = self.lock();
        blocks.blocks.split_off(&Height(to.height.0 + 1));
        blocks.head = to;
    }
}

impl Blocks {
    /// The last block that was followed.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The first block of which everything is known.
    pub fn since(&self) -> Height {
        self.since
    }

    /// What keys of ours have spent, the lowest block first.
    pub fn spendings(&self) -> impl Iterator<Item = (Head, &Spending)> {
        self.blocks.values().flat_map(|(head, spendings)| spendings.iter().map(|spending| (*head, spending)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockHash, TxId};

    fn head(height: u64, branch: u8) -> Head {
        Head { height: Height(height), hash: BlockHash([branch; 32]) }
    }

    fn spending(tx: u8) -> Spending {
        Spending { tx: TxId([tx; 32]), spends: Vec::new(), execution: None, key: 0 }
    }

    fn txs(trail: &Trail) -> Vec<u8> {
        trail.look(|blocks| blocks.spendings().map(|(_, spending)| spending.tx.0[0]).collect())
    }

    #[test]
    fn what_is_disconnected_was_not_spent_and_what_is_deep_is_forgotten() {
        let trail = Trail::new(head(10, 0), &[]);
        assert_eq!(trail.look(Blocks::since), Height(11));
        for height in 11..=14 {
            trail.connect(head(height, 0), vec![spending(height as u8)], 8);
        }
        trail.disconnect(head(12, 0));
        assert_eq!((txs(&trail), trail.look(Blocks::head)), (vec![11, 12], head(12, 0)));
        trail.connect(head(13, 1), vec![spending(99)], 1);
        assert_eq!((txs(&trail), trail.look(Blocks::since)), (vec![12, 99], Height(12)));
        trail.need(Some(Height(13)));
        trail.connect(head(20, 1), vec![spending(20)], 1);
        assert_eq!((txs(&trail), trail.look(Blocks::since)), (vec![99, 20], Height(13)), "needed, however deep it is");
        trail.need(None);
        trail.connect(head(21, 1), Vec::new(), 1);
        assert_eq!((txs(&trail), trail.look(Blocks::since)), (vec![20], Height(20)));
    }
}
