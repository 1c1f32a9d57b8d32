//! Deposits of one chain: finds transfers to our addresses on the agreed chain and proposes them to the ledger, which
//! decides.
//!
//! The instance that holds the claim proposes; any other follows the chain and waits for the claim to run out. What is
//! known of deposits is in the ledger's events and in the chain alone, so whoever gets the claim goes on where the last
//! one was, and proposing anything twice changes nothing. Outputs of coinbase transactions are no deposits, so none is
//! credited before it has matured.

mod judgement;
mod mempool;
mod proposer;
mod view;

use std::time::{Duration, Instant};

use wire::{ChainFreeze, ChainId, RejectReason};

use crate::follow::{FollowError, Follower};
use crate::keys::AddressKeys;
use crate::ledger::{Ledger, Unanswered};
use crate::pool::{Agreement, Freeze, Pool};
use crate::store::{ConnectedBlock, StoreError};
use crate::watch::Watch;
use crate::withdrawals::Trail;
use judgement::{Chain, Statement};
use mempool::Mempool;
use proposer::{Key, Proposer};
pub use view::LedgerView;

/// How often the claim is renewed, the ledger read and the chain looked at. A third of the shortest sensible lease.
const BEAT: Duration = Duration::from_millis(400);
/// How often an instance without the claim asks for it.
const STANDBY_BEAT: Duration = Duration::from_millis(200);
/// How long an instance that cannot follow the chain leaves the claim to others.
const STANDS_BACK: Duration = Duration::from_secs(10);

/// Why an instance stops for now.
#[derive(Debug, thiserror::Error)]
pub enum DepositError {
    /// The ledger does not answer.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// Another instance has the claim.
    #[error("another instance proposes for this chain, with fence {0}")]
    NotClaimed(u64),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger refuses the claim: it was not told of the chain, or we are not who we should be.
    #[error("the ledger refuses a proposal: {0:?}")]
    Refused(RejectReason),
    /// A reorganisation goes deeper than anything that is remembered.
    #[error("the agreed chain leaves what was followed below height {0}")]
    Lost(u64),
}

/// What an instance is doing, as its status page shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The claim it holds; 0 when another instance does, or none.
    pub fence: u64,
    /// The height of the last block that it has followed.
    pub followed: u64,
    /// Why the ledger credits nothing of the chain and lets nothing of it leave.
    pub told: ChainFreeze,
    /// When its last round ended well.
    pub beat_at: Option<Instant>,
}

/// One instance of chainwatch for one chain's deposits.
pub struct Depositor<L> {
    watch: Watch,
    follower: Follower,
    proposer: Proposer<L>,
    mempool: Mempool,
    /// What earlier lives followed, until the ledger's events say whose it is.
    remembered: Vec<ConnectedBlock>,
    stands_back_until: Option<Instant>,
    progress: tokio::sync::watch::Sender<Progress>,
}

impl<L: Ledger> Depositor<L> {
    /// An instance with a name of its own; it proposes nothing before it has the claim. Needs a tokio runtime.
    pub fn new(chain: ChainId, ledger: L, watch: Watch, follower: Follower, keys: AddressKeys) -> Depositor<L> {
        let progress =
            Progress { fence: 0, followed: follower.followed().height.0, told: ChainFreeze::NoMajority, beat_at: None };
        // A store that cannot be read is found out, and told, when the next block is connected.
        let remembered = follower.blocks().unwrap_or_default();
        let trail = Trail::new(follower.followed(), &remembered);
        let depth = follower.depth();
        let proposer = Proposer::new(chain, ledger, keys, trail, depth);
        Depositor {
            mempool: Mempool::start(watch.clone(), proposer.addresses()),
            watch,
            follower,
            proposer,
            remembered,
            stands_back_until: None,
            progress: tokio::sync::watch::Sender::new(progress),
        }
    }

    /// What it is doing.
    pub fn progress(&self) -> tokio::sync::watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// What keys of ours spend on the chain that it follows.
    pub fn trail(&self) -> Trail {
        self.proposer.trail()
    }

    /// Works for ever. What goes wrong is told and tried again.
    pub async fn run(mut self) {
        let mut agreements = self.watch.agreements();
        loop {
            let outcome = self.beat().await;
            match &outcome {
                Ok(()) => {}
                Err(error @ DepositError::NotClaimed(_)) => {
                    tracing::debug!(chain = self.watch.chain(), %error, "deposits stand by");
                }
                Err(error) => tracing::warn!(chain = self.watch.chain(), %error, "deposits wait"),
            }
            let pause = if outcome.is_ok() { BEAT } else { STANDBY_BEAT };
            // A new block is worked on at once; the claim is renewed in any case.
            let _ = tokio::time::timeout(pause, agreements.changed()).await;
        }
    }

    /// One round: claim, addresses, freeze, blocks, deposits. Without the claim the chain is followed all the same, so
    /// that whoever gets it next knows what to say.
    pub async fn beat(&mut self) -> Result<(), DepositError> {
        let round = self.round().await;
        let is_well = matches!(round, Ok(()) | Err(DepositError::NotClaimed(_)));
        let told = self.proposer.view().freeze();
        self.tell_freeze(told);
        self.progress.send_modify(|progress| {
            progress.told = told;
            progress.fence = self.proposer.fence();
            progress.followed = self.follower.followed().height.0;
            progress.beat_at = if is_well { Some(Instant::now()) } else { progress.beat_at };
        });
        if matches!(round, Err(DepositError::Lost(_) | DepositError::Store(_))) {
            self.proposer.stand_back();
            self.stands_back_until = Some(Instant::now() + STANDS_BACK);
        }
        round
    }

    /// What only an operator ends is told when it begins.
    fn tell_freeze(&self, told: ChainFreeze) {
        let chain = self.watch.chain();
        if told != self.progress.borrow().told && told.is_for_operators() {
            let why = why_frozen(told);
            tracing::error!(chain, "chain frozen: {why}; mainstay ctl chain thaw {chain} once you have looked");
        }
        self.watch.metrics().told(chain, told);
    }

    /// Forgets what lies too deep to be taken back. Whoever has no claim does so too, or it would remember all that ever was.
    fn close(&mut self) {
        let root = self.watch.with_pool(|pool| pool.tree().root().height.0);
        self.proposer.close_below(root);
    }

    async fn round(&mut self) -> Result<(), DepositError> {
        if self.stands_back_until.is_some_and(|until| Instant::now() < until) {
            return Err(DepositError::Lost(self.follower.followed().height.0));
        }
        let claimed = match self.proposer.claim().await {
            Err(DepositError::NotClaimed(fence)) => Err(DepositError::NotClaimed(fence)),
            claimed => Ok(claimed?),
        };
        self.close();
        self.proposer.read().await?;
        self.close();
        for block in std::mem::take(&mut self.remembered) {
            for transfer in &block.kept.transfers {
                self.proposer.find(block.placed.head, transfer);
            }
        }
        if claimed.is_ok() {
            self.proposer.bind_addresses().await?;
            self.proposer.propose_freeze(&self.watch).await?;
        }
        match self.follower.catch_up(&mut self.proposer).await {
            Ok(()) => {}
            Err(FollowError::Store(error)) => return Err(error.into()),
            Err(FollowError::Listener(error)) => return Err(error),
            Err(FollowError::Lost(root)) => return Err(DepositError::Lost(root.height.0)),
        }
        claimed?;
        self.proposer.read().await?;
        self.reconcile().await?;
        self.show_pending().await
    }

    /// What accounts see of what is not credited: of a chain that is agreed, and after everything that moves money.
    async fn show_pending(&mut self) -> Result<(), DepositError> {
        let Agreement { head: Some(head), frozen: None, .. } = self.watch.agreement() else { return Ok(()) };
        let look = self.mempool.look(self.proposer.seen());
        self.proposer.propose_sightings(&look).await?;
        self.proposer.propose_head(head.height).await
    }

    /// Holds every deposit that was found or is still open, and every credit that can still be taken back, against the
    /// agreed chain. What is agreed is asked anew for each: proposals take their time.
    async fn reconcile(&mut self) -> Result<(), DepositError> {
        self.close();
        let keys = self.proposer.keys();
        let proposer = &self.proposer;
        let due: Vec<Key> = self.watch.with_pool(|pool| {
            let is_due = |key: &Key| judge(proposer, pool, *key).is_some();
            keys.into_iter().filter(is_due).collect()
        });
        for key in due {
            let statement = self.watch.with_pool(|pool| judge(&self.proposer, pool, key));
            if let Some(statement) = statement {
                self.proposer.say(key, statement).await?;
            }
        }
        Ok(())
    }
}

/// Why a chain is frozen, in words; empty when it is not.
pub fn why_frozen(told: ChainFreeze) -> &'static str {
    match told {
        ChainFreeze::Thawed => "",
        ChainFreeze::NoMajority => Freeze::NoMajority.name(),
        ChainFreeze::FinalityReverted => Freeze::FinalityReverted.name(),
        ChainFreeze::Dissent => Freeze::Dissent.name(),
        ChainFreeze::Outworked => Freeze::Outworked.name(),
        ChainFreeze::Stalled => Freeze::Stalled.name(),
        ChainFreeze::CreditReverted => "a deposit that was credited is not on the chain any more",
        ChainFreeze::WithdrawalReverted => {
            "a withdrawal that was settled is not on the chain any more, or one that was failed is"
        }
    }
}

fn judge<L: Ledger>(proposer: &Proposer<L>, pool: &Pool, key: Key) -> Option<Statement> {
    let (known, found) = proposer.about(key)?;
    let Agreement { head, finalized, frozen, .. } = pool.agreement();
    let block = found.map(|found| found.block).or_else(|| known.map(|known| judgement::found_of(known).block));
    let is_doubted = block.is_some_and(|block| pool.against(block, Instant::now()) > pool.config().dissent_max);
    let (told, head) = (proposer.view().freeze(), head?);
    let chain = Chain { tree: pool.tree(), head, finalized, frozen, told, is_doubted };
    chain.judge(known, found)
}

#[cfg(test)]
mod tests;
