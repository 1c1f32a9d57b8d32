//! Everything of an instance but the walk along the chain: its claim, what it reads of the ledger and what it proposes.

mod pending;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use wire::command::{BindAddress, ClaimChain, FreezeChain, Reply, ReportDeposit};
use wire::event::DepositChanged;
use wire::{ChainAddress, ChainFreeze, ChainHash, ChainId, Command, RejectReason};

use self::pending::Missed;
use super::judgement::{Found, Statement, found_of};
use super::mempool::Addresses;
use super::view::LedgerView;
use super::{BEAT, DepositError, STANDBY_BEAT};
use crate::chain::{ChainTransaction, Destination, Transfer, VerifiedBlock};
use crate::follow::Listener;
use crate::keys::AddressKeys;
use crate::ledger::Ledger;
use crate::pool::Freeze;
use crate::store::{ConnectedBlock, Kept, Spending};
use crate::watch::Watch;
use crate::withdrawals::Trail;
use crate::{Head, Height};

/// A proposal that the ledger refuses, or that changes nothing, is not repeated for so long.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);
/// Events after which what lies too deep is forgotten.
const CLOSE_EVERY: usize = 1_024;

/// A deposit's transaction and output.
pub(super) type Key = (ChainHash, u32);

pub(super) struct Proposer<L> {
    chain: ChainId,
    instance: u64,
    fence: u64,
    claimed_at: Option<Instant>,
    ledger: L,
    view: LedgerView,
    keys: AddressKeys,
    /// The wallet's own.
    wallet: Option<(ChainAddress, Destination)>,
    addresses: Addresses,
    trail: Trail,
    /// How deep the trail goes.
    depth: u64,
    /// Transfers to our addresses in followed blocks, until the ledger has them as they are.
    found: BTreeMap<Key, Found>,
    /// Below this nothing is looked at any more.
    closed_to: u64,
    /// What was seen in no block and is not there any more.
    missed: BTreeMap<Key, Missed>,
    /// Addresses of which nothing more is shown for a while.
    crowded: BTreeMap<u32, Instant>,
    /// Transfers that were told of and are not shown, and until when they are left alone.
    unshown: BTreeMap<Key, Instant>,
    /// What was proposed in vain, and until when it is left alone.
    paused: BTreeMap<Key, Instant>,
    /// Addresses that the ledger refuses.
    unbindable: BTreeSet<u32>,
}

impl<L: Ledger> Proposer<L> {
    pub(super) fn new(chain: ChainId, ledger: L, keys: AddressKeys, trail: Trail, depth: u64) -> Proposer<L> {
        Proposer {
            wallet: keys.wallet(),
            trail,
            depth,
            chain,
            instance: rand::random::<u64>().max(1),
            fence: 0,
            claimed_at: None,
            ledger,
            view: LedgerView::new(chain),
            keys,
            addresses: Addresses::default(),
            found: BTreeMap::new(),
            closed_to: 0,
            missed: BTreeMap::new(),
            crowded: BTreeMap::new(),
            unshown: BTreeMap::new(),
            paused: BTreeMap::new(),
            unbindable: BTreeSet::new(),
        }
    }

    /// The claim it holds; 0 for none.
    pub(super) fn fence(&self) -> u64 {
        self.fence
    }

    pub(super) fn view(&self) -> &LedgerView {
        &self.view
    }

    /// Every address of ours that is bound, now and later.
    pub(super) fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    pub(super) fn trail(&self) -> Trail {
        self.trail.clone()
    }

    /// Leaves the claim to others when it runs out.
    pub(super) fn stand_back(&mut self) {
        self.fence = 0;
    }

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

    pub(super) async fn claim(&mut self) -> Result<(), DepositError> {
        let claim = ClaimChain { chain: self.chain, instance: self.instance };
        let fence = self.propose(Command::ClaimChain(claim)).await;
        self.claimed_at = Some(Instant::now());
        self.fence = fence?;
        Ok(())
    }

    /// Claims again in the middle of a long way, and reads whose addresses there are.
    async fn claim_if_due(&mut self) -> Result<(), DepositError> {
        let pause = if self.fence == 0 { STANDBY_BEAT / 4 } else { BEAT };
        if self.claimed_at.is_none_or(|at| at.elapsed() >= pause) {
            match self.claim().await {
                Ok(()) | Err(DepositError::NotClaimed(_)) => {}
                Err(error) => return Err(error),
            }
            self.read().await?;
        }
        Ok(())
    }

    /// Reads what the ledger has decided.
    pub(super) async fn read(&mut self) -> Result<(), DepositError> {
        for (at, event) in self.ledger.events().await?.into_iter().enumerate() {
            // A start reads all that ever was.
            if at % CLOSE_EVERY == CLOSE_EVERY - 1 {
                self.view.close_below(self.closed_to);
            }
            let Some((index, bound)) = self.view.apply(&event) else { continue };
            match self.address(index) {
                // What comes to the wallet's own is nobody's deposit.
                Some((address, _)) if address == bound && index == 0 => {}
                Some((address, destination)) if address == bound => {
                    self.addresses.insert(destination, index);
                }
                _ => tracing::error!(index, %bound, "this address is of other keys: deposits to it are not seen"),
            }
        }
        let view = &self.view;
        self.found.retain(|key, found| {
            !view.is_closed(*key) && view.deposit(*key).is_none_or(|known| found_of(known).block != found.block)
        });
        Ok(())
    }

    /// At 0 the wallet's own.
    fn address(&self, index: u32) -> Option<(ChainAddress, Destination)> {
        if index == 0 { self.wallet.clone() } else { self.keys.derive(index) }
    }

    /// One address that is refused keeps nobody else from theirs.
    pub(super) async fn bind_addresses(&mut self) -> Result<(), DepositError> {
        for index in self.view.unbound() {
            if self.unbindable.contains(&index) {
                continue;
            }
            let Some((address, _)) = self.address(index) else {
                tracing::error!(index, "this index has no key; its account needs another address");
                self.unbindable.insert(index);
                continue;
            };
            let (chain, fence) = (self.chain, self.fence);
            let bind = BindAddress { chain, fence, index, address };
            match self.propose(Command::BindAddress(Box::new(bind))).await {
                Err(DepositError::Refused(reason)) => {
                    tracing::error!(index, %address, ?reason, "the ledger does not take this address");
                    self.unbindable.insert(index);
                }
                bound => drop(bound?),
            }
        }
        self.read().await
    }

    /// Says to the ledger what the pool says of the chain. A credit that was taken back is an operator's matter.
    pub(super) async fn propose_freeze(&mut self, watch: &Watch) -> Result<(), DepositError> {
        let reason = freeze_of(watch.agreement().frozen);
        if self.view.freeze() != reason && !self.view.freeze().is_for_operators() {
            let (chain, fence) = (self.chain, self.fence);
            match self.propose(Command::FreezeChain(FreezeChain { chain, fence, reason })).await {
                Err(DepositError::Refused(refused)) => {
                    tracing::error!(?reason, ?refused, "the ledger does not take this state of the chain");
                }
                told => drop(told?),
            }
            self.read().await?;
        }
        Ok(())
    }

    /// Every deposit about which there may be something to say.
    pub(super) fn keys(&self) -> BTreeSet<Key> {
        self.view
            .open_deposits()
            .map(|deposit| (deposit.tx, deposit.output))
            .chain(self.found.keys().copied())
            .collect()
    }

    /// What is known of a deposit and what was found of it; `None` while it is left alone.
    pub(super) fn about(&self, key: Key) -> Option<(Option<&DepositChanged>, Option<&Found>)> {
        let is_paused = self.paused.get(&key).is_some_and(|until| Instant::now() < *until);
        (!is_paused).then(|| (self.view.deposit(key), self.found.get(&key)))
    }

    /// Credits of blocks below `height` cannot be taken back any more.
    pub(super) fn close_below(&mut self, height: u64) {
        self.closed_to = height;
        self.view.close_below(height);
        let now = Instant::now();
        self.paused.retain(|_, until| now < *until);
    }

    /// Proposes it. One that the ledger refuses, or that changes nothing, keeps no other from its turn.
    pub(super) async fn say(&mut self, key: Key, statement: Statement) -> Result<(), DepositError> {
        let before = self.view.deposit(key).copied();
        let Some(report) = self.report_of(key, before.as_ref(), statement) else { return Ok(()) };
        let ReportDeposit { height, is_included, .. } = report;
        if !is_included {
            tracing::warn!(height, tx = ?key.0, output = key.1, "a deposit's block is gone");
        }
        match self.propose(Command::ReportDeposit(Box::new(report))).await {
            Err(DepositError::Refused(reason)) => {
                tracing::error!(height, tx = ?key.0, output = key.1, ?reason, "the ledger does not take a deposit");
            }
            told => drop(told?),
        }
        self.read().await?;
        if self.view.deposit(key).copied() == before {
            self.paused.insert(key, Instant::now() + REFUSED_PAUSE);
        }
        Ok(())
    }

    fn report_of(&self, key: Key, known: Option<&DepositChanged>, statement: Statement) -> Option<ReportDeposit> {
        let (found, is_included, confirmations, is_final) = match statement {
            Statement::Included { found, confirmations, is_final } => (found, true, confirmations, is_final),
            Statement::Gone => (found_of(known?), false, 0, false),
        };
        let Found { index, asset, amount, block } = found;
        Some(ReportDeposit {
            chain: self.chain,
            fence: self.fence,
            tx: key.0,
            output: key.1,
            index,
            asset,
            amount,
            is_included,
            block: ChainHash(block.hash.0),
            height: block.height.0,
            confirmations,
            is_final,
        })
    }

    /// What a transaction spends, if a key of ours has signed it.
    fn spending(&self, tx: &ChainTransaction) -> Option<Spending> {
        let ChainTransaction { id, spends, execution, .. } = tx;
        let key_of = |signer: &Destination| {
            let is_wallet = self.wallet.as_ref().is_some_and(|(_, own)| own == signer);
            if is_wallet { Some(0) } else { self.addresses.index(signer) }
        };
        let key = tx.signers.iter().find_map(key_of)?;
        let key = if execution.is_some() { key } else { 0 };
        Some(Spending { tx: *id, spends: spends.clone(), execution: *execution, key })
    }

    /// Remembers a transfer of a followed block if it is to one of our addresses, and enough to be a deposit. Whether it
    /// is.
    pub(super) fn find(&mut self, block: Head, transfer: &Transfer) -> bool {
        let Some(index) = self.addresses.index(&transfer.to) else { return false };
        let Some(asset) = self.view.asset(transfer.asset, transfer.amount) else { return false };
        let key = (ChainHash(transfer.id.tx.0), transfer.id.output);
        let found = Found { index, asset, amount: transfer.amount, block };
        // Below that the view has forgotten what the ledger knows.
        let is_looked_at = block.height.0 >= self.closed_to && !self.view.is_closed(key);
        if is_looked_at && self.view.deposit(key).is_none_or(|known| found_of(known) != found) {
            self.found.insert(key, found);
        }
        true
    }
}

impl<L: Ledger> Listener for Proposer<L> {
    type Error = DepositError;

    /// Only remembers: what is said of it is decided when it is said.
    async fn block_connected(&mut self, block: &VerifiedBlock) -> Result<Kept, DepositError> {
        self.claim_if_due().await?;
        let transactions = || block.transactions.iter().filter(|tx| !tx.is_coinbase);
        let spendings: Vec<Spending> = transactions().filter_map(|tx| self.spending(tx)).collect();
        self.trail.connect(block.head, spendings.clone(), self.depth);
        let transfers = transactions().flat_map(|tx| &tx.transfers);
        let transfers = transfers.filter(|transfer| self.find(block.head, transfer)).cloned().collect();
        Ok(Kept { transfers, spendings })
    }

    /// Whether a deposit is still there is asked of the agreed chain, after the new branch has been heard.
    async fn blocks_disconnected(&mut self, to: Head, gone: &[ConnectedBlock]) -> Result<(), DepositError> {
        self.trail.disconnect(to);
        self.found.retain(|_, found| gone.iter().all(|block| block.placed.head != found.block));
        Ok(())
    }

    fn needs_from(&self) -> Option<Height> {
        self.found.values().map(|found| found.block.height).chain(self.trail.needed()).min()
    }
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
