//! Deposits of one chain: finds transfers to our addresses on the agreed chain and proposes them to the ledger, which
//! decides.
//!
//! The instance that holds the claim proposes; any other waits for the claim to run out. What is known of deposits is
//! in the ledger's events alone, so whoever gets the claim goes on where the last one was, and proposing anything twice
//! changes nothing. Outputs of coinbase transactions are no deposits, so none is credited before it has matured.

mod view;

use std::collections::HashMap;
use std::time::Duration;

use wire::command::{BindAddress, ClaimChain, FreezeChain, Reply, ReportDeposit};
use wire::event::DepositChanged;
use wire::{AssetId, ChainFreeze, ChainHash, ChainId, Command, DepositStage, RejectReason};

use crate::chain::{Destination, Transfer, VerifiedBlock};
use crate::follow::{FollowError, Follower, Listener};
use crate::keys::AddressKeys;
use crate::ledger::{Ledger, Unanswered};
use crate::pool::{Agreement, Freeze};
use crate::store::{ConnectedBlock, StoreError};
use crate::watch::Watch;
use crate::{BlockHash, Head, Height};
pub use view::LedgerView;

/// How often the claim is renewed, the ledger read and the chain looked at. A third of the shortest sensible lease.
const BEAT: Duration = Duration::from_millis(400);

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
    /// The ledger refuses what it should take: it was not told of the chain, or we are not who we should be.
    #[error("the ledger refuses a proposal: {0:?}")]
    Refused(RejectReason),
    /// A reorganisation goes deeper than anything that is remembered.
    #[error("the agreed chain leaves what was followed below height {0}")]
    Lost(u64),
}

/// One instance of chainwatch for one chain's deposits.
pub struct Depositor<L> {
    watch: Watch,
    follower: Follower,
    proposer: Proposer<L>,
}

/// Everything of an instance but the walk along the chain.
struct Proposer<L> {
    chain: ChainId,
    instance: u64,
    fence: u64,
    ledger: L,
    view: LedgerView,
    keys: AddressKeys,
    destinations: HashMap<Destination, u32>,
    agreement: Agreement,
}

impl<L: Ledger> Depositor<L> {
    /// An instance with a name of its own; it proposes nothing before it has the claim.
    pub fn new(chain: ChainId, ledger: L, watch: Watch, follower: Follower, keys: AddressKeys) -> Depositor<L> {
        let proposer = Proposer {
            chain,
            instance: rand::random::<u64>().max(1),
            fence: 0,
            ledger,
            view: LedgerView::new(chain),
            keys,
            destinations: HashMap::new(),
            agreement: watch.agreement(),
        };
        Depositor { watch, follower, proposer }
    }

    /// Works for ever. What goes wrong is told and tried again.
    pub async fn run(mut self) {
        let mut agreements = self.watch.agreements();
        loop {
            match self.beat().await {
                Ok(()) => {}
                Err(error @ DepositError::NotClaimed(_)) => {
                    tracing::debug!(chain = self.watch.chain(), %error, "deposits stand by");
                }
                Err(error) => tracing::warn!(chain = self.watch.chain(), %error, "deposits wait"),
            }
            // A new block is worked on at once; the claim is renewed in any case.
            let _ = tokio::time::timeout(BEAT, agreements.changed()).await;
        }
    }

    /// One round: claim, addresses, freeze, blocks, confirmations.
    pub async fn beat(&mut self) -> Result<(), DepositError> {
        self.proposer.claim().await?;
        self.proposer.agreement = self.watch.agreement();
        self.proposer.read().await?;
        self.proposer.bind_addresses().await?;
        self.proposer.propose_freeze().await?;
        match self.follower.catch_up(&mut self.proposer).await {
            Ok(()) => {}
            Err(FollowError::Store(error)) => return Err(error.into()),
            Err(FollowError::Listener(error)) => return Err(error),
            Err(FollowError::Lost(root)) => return Err(DepositError::Lost(root.height.0)),
        }
        self.proposer.read().await?;
        self.reconcile().await
    }

    /// Holds every deposit that is still open, and every credit that can still be taken back, against the agreed
    /// chain.
    async fn reconcile(&mut self) -> Result<(), DepositError> {
        let agreement = self.watch.agreement();
        self.proposer.agreement = agreement;
        let Some(head) = agreement.head else { return Ok(()) };
        // In any other doubt the agreed head proves nothing against a deposit.
        if !matches!(agreement.frozen, None | Some(Freeze::FinalityReverted)) {
            return Ok(());
        }
        let root = self.watch.with_pool(|pool| pool.tree().root().height.0);
        self.proposer.view.close_below(root);
        let deposits: Vec<DepositChanged> = self.proposer.view.open_deposits().copied().collect();
        for deposit in deposits {
            // Of what lies below all remembered headers nothing can be said.
            if deposit.height < root {
                continue;
            }
            let block = Head { height: Height(deposit.height), hash: BlockHash(deposit.block.0) };
            if self.watch.with_pool(|pool| pool.tree().contains(head.hash, block)) {
                self.proposer.confirm(&deposit, head).await?;
            } else {
                self.proposer.orphan(&deposit).await?;
            }
        }
        Ok(())
    }
}

impl<L: Ledger> Proposer<L> {
    async fn propose(&mut self, command: Command) -> Result<u64, DepositError> {
        match self.ledger.propose(&command).await? {
            Reply::Accepted { id } => Ok(id),
            Reply::Rejected { reason: RejectReason::StaleFence | RejectReason::ChainTaken, id } => {
                self.fence = 0;
                Err(DepositError::NotClaimed(id))
            }
            Reply::Rejected { reason, .. } => Err(DepositError::Refused(reason)),
        }
    }

    async fn claim(&mut self) -> Result<(), DepositError> {
        let ClaimChain { chain, instance } = ClaimChain { chain: self.chain, instance: self.instance };
        self.fence = self.propose(Command::ClaimChain(ClaimChain { chain, instance })).await?;
        Ok(())
    }

    async fn read(&mut self) -> Result<(), DepositError> {
        for event in self.ledger.events().await? {
            let Some((index, bound)) = self.view.apply(&event) else { continue };
            match self.keys.derive(index) {
                Some((address, destination)) if address == bound => {
                    self.destinations.insert(destination, index);
                }
                _ => tracing::error!(index, %bound, "this address is of other keys: deposits to it are not seen"),
            }
        }
        Ok(())
    }

    async fn bind_addresses(&mut self) -> Result<(), DepositError> {
        for index in self.view.unbound() {
            let Some((address, _)) = self.keys.derive(index) else {
                tracing::error!(index, "this index has no key; its account needs another address");
                continue;
            };
            let (chain, fence) = (self.chain, self.fence);
            self.propose(Command::BindAddress(Box::new(BindAddress { chain, fence, index, address }))).await?;
        }
        self.read().await
    }

    /// Says to the ledger what the pool says of the chain. A credit that was taken back is an operator's matter.
    async fn propose_freeze(&mut self) -> Result<(), DepositError> {
        let reason = freeze_of(self.agreement.frozen);
        if self.view.freeze() != reason && self.view.freeze() != ChainFreeze::CreditReverted {
            let (chain, fence) = (self.chain, self.fence);
            self.propose(Command::FreezeChain(FreezeChain { chain, fence, reason })).await?;
            self.read().await?;
        }
        Ok(())
    }

    async fn confirm(&mut self, deposit: &DepositChanged, head: Head) -> Result<(), DepositError> {
        let confirmations = confirmations(head, deposit.height);
        let is_final = self.agreement.finalized.is_some_and(|finalized| deposit.height <= finalized.height.0);
        let is_enough = if deposit.required == 0 { is_final } else { confirmations >= deposit.required };
        let is_waiting = match deposit.stage {
            DepositStage::Included => is_enough,
            DepositStage::Confirmed => self.view.freeze() == ChainFreeze::Thawed,
            DepositStage::Credited => deposit.is_reverted,
            _ => false,
        };
        if is_waiting && self.agreement.frozen.is_none() {
            self.report(ReportDeposit { confirmations, is_final, ..self.report_of(deposit) }).await?;
        }
        Ok(())
    }

    async fn orphan(&mut self, deposit: &DepositChanged) -> Result<(), DepositError> {
        let is_news = match deposit.stage {
            DepositStage::Included | DepositStage::Confirmed => true,
            DepositStage::Credited => !deposit.is_reverted,
            _ => false,
        };
        if is_news {
            tracing::warn!(height = deposit.height, tx = ?deposit.tx, stage = ?deposit.stage, "a deposit's block is gone");
            let report = ReportDeposit { is_included: false, ..self.report_of(deposit) };
            self.report(report).await?;
        }
        Ok(())
    }

    fn report_of(&self, deposit: &DepositChanged) -> ReportDeposit {
        let DepositChanged { chain, tx, output, index, asset, amount, block, height, .. } = *deposit;
        ReportDeposit {
            chain,
            fence: self.fence,
            tx,
            output,
            index,
            asset,
            amount,
            is_included: true,
            block,
            height,
            confirmations: 0,
            is_final: false,
        }
    }

    async fn report(&mut self, report: ReportDeposit) -> Result<(), DepositError> {
        self.propose(Command::ReportDeposit(Box::new(report))).await?;
        self.read().await
    }

    /// Whose address a transfer goes to, and as what it is credited.
    fn ours(&self, transfer: &Transfer) -> Option<(u32, AssetId)> {
        let index = self.destinations.get(&transfer.to)?;
        Some((*index, self.view.asset(transfer.asset)?))
    }
}

impl<L: Ledger> Listener for Proposer<L> {
    type Error = DepositError;

    async fn block_connected(&mut self, block: &VerifiedBlock) -> Result<Vec<Transfer>, DepositError> {
        let mut found = Vec::new();
        let transactions = block.transactions.iter().filter(|tx| !tx.is_coinbase);
        for transfer in transactions.flat_map(|tx| &tx.transfers) {
            let Some((index, asset)) = self.ours(transfer) else { continue };
            let head = self.agreement.head.unwrap_or(block.head);
            let finalized = self.agreement.finalized;
            self.report(ReportDeposit {
                chain: self.chain,
                fence: self.fence,
                tx: ChainHash(transfer.id.tx.0),
                output: transfer.id.output,
                index,
                asset,
                amount: transfer.amount,
                is_included: true,
                block: ChainHash(block.head.hash.0),
                height: block.head.height.0,
                confirmations: confirmations(head, block.head.height.0),
                is_final: finalized.is_some_and(|finalized| block.head.height <= finalized.height),
            })
            .await?;
            found.push(transfer.clone());
        }
        Ok(found)
    }

    /// Nothing: whether a deposit is still there is asked of the agreed chain, after the new branch has been heard.
    async fn blocks_disconnected(&mut self, _: Head, _: &[ConnectedBlock]) -> Result<(), DepositError> {
        Ok(())
    }
}

/// A block and those above it, up to the head.
fn confirmations(head: Head, height: u64) -> u32 {
    let above = (head.height.0 + 1).saturating_sub(height);
    u32::try_from(above).unwrap_or(u32::MAX)
}

fn freeze_of(frozen: Option<Freeze>) -> ChainFreeze {
    match frozen {
        None => ChainFreeze::Thawed,
        Some(Freeze::NoMajority) => ChainFreeze::NoMajority,
        Some(Freeze::FinalityReverted) => ChainFreeze::FinalityReverted,
        Some(Freeze::Dissent) => ChainFreeze::Dissent,
        Some(Freeze::Outworked) => ChainFreeze::Outworked,
        Some(Freeze::Stalled) => ChainFreeze::Stalled,
    }
}

#[cfg(test)]
mod tests;
