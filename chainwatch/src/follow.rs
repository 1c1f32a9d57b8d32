//! Follows the agreed chain block by block: none left out, none twice, none out of order, and what a reorganisation
//! takes back is told before what it brings.
//!
//! The way is found by parent hashes in the tree of verified headers; what nodes announce is only a reason to look.
//! Nothing moves while the agreed head is an ancestor of what was followed: nodes that fall back are no
//! reorganisation.

use crate::chain::VerifiedBlock;
use crate::store::{BlockStore, ConnectedBlock, Kept, StoreError};
use crate::tree::{HeaderTree, Placed};
use crate::watch::{AskError, Watch};
use crate::{Head, Height};

/// Whoever lives by a chain. Calls come one after the other, in the order of the chain.
pub trait Listener: Send {
    /// Why it cannot go on now. The same call comes again.
    type Error: Send;

    /// A block is on the agreed chain now, right above the one before. Gives back what of it must be known again when
    /// it is disconnected.
    fn block_connected(&mut self, block: &VerifiedBlock) -> impl Future<Output = Result<Kept, Self::Error>> + Send;

    /// Blocks are not on the agreed chain any more, the highest first; `to` is the highest that still is.
    fn blocks_disconnected(
        &mut self,
        to: Head,
        gone: &[ConnectedBlock],
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Blocks from this height on must be known after a restart, however far below the head they are: the listener is
    /// not done with them.
    fn needs_from(&self) -> Option<Height> {
        None
    }
}

/// Why following stops.
#[derive(Debug, thiserror::Error)]
pub enum FollowError<E> {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The listener cannot go on now.
    #[error("the listener cannot go on")]
    Listener(E),
    /// The agreed chain and what was followed meet nowhere: the reorganisation goes deeper than what is remembered to
    /// undo it, and an operator has to look.
    #[error("the agreed chain leaves the followed one below height {}, which is as far as is remembered", .0.height.0)]
    Lost(Head),
}

/// What to do next to get from what was followed to what is agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowStep {
    /// Nothing.
    Rest,
    /// Fetch and connect this block; its parent is what was followed.
    Connect(Placed),
    /// Disconnect everything above this block.
    Disconnect(Head),
    /// There is no way.
    Lost,
}

/// The next step from `followed` to `agreed`.
pub fn next_step(tree: &HeaderTree, followed: Head, agreed: Head) -> FollowStep {
    if tree.contains(followed.hash, agreed) {
        return FollowStep::Rest;
    }
    match tree.fork_point(followed.hash, agreed.hash) {
        None => FollowStep::Lost,
        Some(fork) if fork != followed => FollowStep::Disconnect(fork),
        Some(_) => match tree.ancestor(agreed.hash, Height(followed.height.0 + 1)) {
            Some(next) => FollowStep::Connect(*next),
            None => FollowStep::Lost,
        },
    }
}

/// Where following stands, and where it remembers that.
pub struct Follower {
    watch: Watch,
    store: BlockStore,
    /// Blocks that can be undone: more than twice the largest confirmation count.
    depth: u64,
    followed: Head,
}

impl Follower {
    /// Goes on where the store ends, or starts above the chain's trusted block. What the store has is in the pool's tree
    /// from now on: that is how the way back is found when the chain was reorganised meanwhile.
    pub fn open(watch: Watch, store: BlockStore, depth: u64) -> Result<Follower, StoreError> {
        let blocks: Vec<Placed> = store.blocks()?.into_iter().map(|block| block.placed).collect();
        let root = watch.with_pool(|pool| {
            pool.remember(&blocks);
            pool.tree().root()
        });
        let followed = blocks.last().map_or(root, |tip| tip.head);
        // Whoever listens has not said yet what it still needs.
        watch.with_pool(|pool| pool.keep_from(Some(blocks.first().map_or(root, |lowest| lowest.head).height)));
        Ok(Follower { watch, store, depth, followed })
    }

    /// The blocks that can be undone, the lowest first.
    pub fn blocks(&self) -> Result<Vec<ConnectedBlock>, StoreError> {
        self.store.blocks()
    }

    /// How many blocks can be undone.
    pub fn depth(&self) -> u64 {
        self.depth
    }

    /// The pool forgets nothing that is still to be followed, undone, or judged by the listener.
    fn keep_headers(&self, needs_from: Option<Height>) {
        let undoable = Height(self.followed.height.0.saturating_sub(self.depth));
        let needed = needs_from.map_or(undoable, |from| from.min(undoable));
        self.watch.with_pool(|pool| pool.keep_from(Some(needed)));
    }

    /// The last block that was connected.
    pub fn followed(&self) -> Head {
        self.followed
    }

    /// The trusted block to start a watch from, so that what was followed can be followed on: the lowest block that
    /// the store remembers.
    pub fn root(store: &BlockStore) -> Result<Option<Placed>, StoreError> {
        Ok(store.root()?.map(|block| block.placed))
    }

    /// Follows up to what is agreed now, as far as the nodes give blocks. A frozen chain is not followed on: what it
    /// adds may have to be taken back.
    pub async fn catch_up<L: Listener>(&mut self, listener: &mut L) -> Result<(), FollowError<L::Error>> {
        loop {
            match self.step() {
                FollowStep::Rest => return Ok(()),
                FollowStep::Lost => {
                    return Err(FollowError::Lost(self.watch.with_pool(|pool| pool.tree().root())));
                }
                FollowStep::Connect(placed) => match self.watch.block(placed.head).await {
                    // While the block was on its way, the chain may have gone another one.
                    Ok(block) if self.step() == FollowStep::Connect(placed) => {
                        self.connect(placed, &block, listener).await?;
                    }
                    Ok(_) => {}
                    Err(error) => {
                        self.say_why(placed.head, &error);
                        return Ok(());
                    }
                },
                FollowStep::Disconnect(to) => self.disconnect(to, listener).await?,
            }
        }
    }

    /// What is to be done by what is agreed at this moment.
    fn step(&self) -> FollowStep {
        self.watch.with_pool(|pool| match (pool.agreement().head, pool.agreement().frozen) {
            (Some(agreed), None) => next_step(pool.tree(), self.followed, agreed),
            _ => FollowStep::Rest,
        })
    }

    /// The listener first: a crash before the store knows means that it hears of the block once more, not never.
    async fn connect<L: Listener>(
        &mut self,
        placed: Placed,
        block: &VerifiedBlock,
        listener: &mut L,
    ) -> Result<(), FollowError<L::Error>> {
        let kept = listener.block_connected(block).await.map_err(FollowError::Listener)?;
        let needs_from = listener.needs_from();
        let needed = needs_from.map_or(0, |from| placed.head.height.0.saturating_sub(from.0));
        self.store.connect(&ConnectedBlock { placed, kept }, self.depth.max(needed))?;
        self.followed = placed.head;
        self.keep_headers(needs_from);
        Ok(())
    }

    async fn disconnect<L: Listener>(&mut self, to: Head, listener: &mut L) -> Result<(), FollowError<L::Error>> {
        let mut gone = self.store.above(to.height)?;
        gone.reverse();
        tracing::warn!(
            chain = self.watch.chain(),
            from = self.followed.height.0,
            to = to.height.0,
            "the chain was reorganised"
        );
        listener.blocks_disconnected(to, &gone).await.map_err(FollowError::Listener)?;
        self.store.disconnect_above(to.height)?;
        self.followed = to;
        self.keep_headers(listener.needs_from());
        Ok(())
    }

    fn say_why(&self, head: Head, error: &AskError) {
        tracing::warn!(chain = self.watch.chain(), height = head.height.0, %error, "a block cannot be had yet");
    }
}

#[cfg(test)]
mod tests;
