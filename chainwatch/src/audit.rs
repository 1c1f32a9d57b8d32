//! Whether a chain has what the exchange says to have there: after every final block, asset by asset, to the last unit.
//!
//! ```text
//! what a majority of nodes says is there  =  what is booked  +  what is in flight  +  what operators have declared
//! ```
//!
//! Both sides are of one pair: a final block, and a position of the log up to which everything was read. A side that lacks
//! anything is a theft, a key that somebody else has, or a bug; the ledger is told and halts what leaves of that asset. Who
//! compares is the instance that has the claim; what it proposes is fenced, and refused when the log has gone on meanwhile.

mod books;
mod holdings;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use wire::command::{Reply, ReportReserves};
use wire::{AssetId, ChainHash, ChainId, Command, LogPosition, RejectReason, ReservesStanding, Symbol};

use crate::Head;
use crate::chain::ChainRules;
use crate::deposits::Progress;
use crate::keys::AddressKeys;
use crate::ledger::{Ledger, Unanswered};
use crate::pool::Agreement;
use crate::watch::Watch;
use crate::withdrawals::{Blocks, Trail};
use books::{Books, Expected, Mined};
use holdings::Holdings;

/// How often there is a look whether something is to be compared.
const BEAT: Duration = Duration::from_millis(400);

/// One comparison of one asset, in the chain's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// Of which asset.
    pub asset: AssetId,
    /// After which final block.
    pub block: Head,
    /// Up to where the log was read.
    pub position: LogPosition,
    /// What a majority of nodes says is there.
    pub held: u128,
    /// What deposits have brought and withdrawals have not taken, by the books.
    pub booked: i128,
    /// What the chain has and the books have not yet; below zero, what the books have and the final block has not yet.
    pub in_flight: i128,
    /// What operators have declared.
    pub brought: i128,
    /// What the ledger owes of the asset to all accounts and the house, by whatever way it came.
    pub owed: i128,
}

impl Comparison {
    /// What should be there. What was brought before anybody declared it may have left: less than nothing is nothing.
    pub fn due(&self) -> u128 {
        u128::try_from(self.booked + self.in_flight + self.brought).unwrap_or(0)
    }

    /// What is there beyond what should be; below zero, what is missing.
    pub fn drift(&self) -> i128 {
        let held = i128::try_from(self.held).unwrap_or(i128::MAX);
        held.saturating_sub(self.booked + self.in_flight + self.brought)
    }

    /// Whether something is missing.
    pub fn is_short(&self) -> bool {
        self.held < self.due()
    }
}

/// How the reserves of a chain stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reserves {
    /// The last comparison of each asset.
    pub comparisons: Vec<Comparison>,
    /// How the ledger has each asset.
    pub standings: BTreeMap<AssetId, ReservesStanding>,
    /// What people call each asset.
    pub named: BTreeMap<AssetId, Named>,
}

/// How amounts of an asset on a chain are told to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Its name in the ledger.
    pub symbol: Symbol,
    /// Decimals of the chain's smallest unit.
    pub decimals: u8,
}

/// One instance for one chain's reserves.
pub struct Auditor<L> {
    chain: ChainId,
    watch: Watch,
    ledger: L,
    books: Books,
    holdings: Holdings,
    trail: Trail,
    progress: watch::Receiver<Progress>,
    /// Whose comparison the ledger knows, until it says something new.
    compared: Option<Head>,
    standing: watch::Sender<Reserves>,
}

impl<L: Ledger> Auditor<L> {
    /// Works under the claim of the depositor whose trail and progress these are.
    pub fn new(
        chain: ChainId,
        ledger: L,
        watch: Watch,
        keys: AddressKeys,
        (trail, progress): (Trail, watch::Receiver<Progress>),
    ) -> Auditor<L> {
        let own = match watch.rules() {
            ChainRules::Bitcoin(_) => keys.wallet().map(|(_, own)| own),
            ChainRules::Evm(_) => None,
        };
        Auditor {
            chain,
            watch,
            ledger,
            books: Books::new(chain, own),
            holdings: Holdings::new(keys),
            trail,
            progress,
            compared: None,
            standing: watch::Sender::default(),
        }
    }

    /// How the reserves stand.
    pub fn standing(&self) -> watch::Receiver<Reserves> {
        self.standing.subscribe()
    }

    /// Works for ever. What goes wrong is told and tried again.
    pub async fn run(mut self) {
        let mut agreements = self.watch.agreements();
        loop {
            if let Err(error) = self.beat().await {
                tracing::warn!(chain = self.watch.chain(), %error, "reserves are not compared");
            }
            let _ = tokio::time::timeout(BEAT, agreements.changed()).await;
        }
    }

    /// Reads the ledger, and with a claim compares what has not been compared.
    pub async fn beat(&mut self) -> Result<(), Unanswered> {
        for event in self.ledger.events().await? {
            if self.books.apply(&event) {
                self.compared = None;
            }
        }
        let position = self.ledger.position();
        let fence = self.progress.borrow().fence;
        let standings = self.books.assets().map(|listed| (listed.asset, self.books.standing(listed.asset))).collect();
        let named = self.books.named();
        self.standing.send_if_modified(|known| {
            let is_new = (&known.standings, &known.named) != (&standings, &named);
            (known.standings, known.named) = (standings, named);
            is_new
        });
        let Some(block) = self.comparable().filter(|_| fence != 0) else { return Ok(()) };
        if self.compared == Some(block) {
            return Ok(());
        }
        let Some(expected) = self.expected(block) else {
            self.compared = Some(block);
            tracing::warn!(
                height = block.height.0,
                "reserves are not compared: what is final lies below what the books have folded"
            );
            return Ok(());
        };
        let assets: Vec<_> = self.books.assets().copied().collect();
        let is_known = self.holdings.ask(&self.watch, &self.trail, block, &expected, &assets).await;
        if !is_known {
            return Ok(());
        }
        let comparisons: Vec<Comparison> = assets
            .iter()
            .map(|listed| {
                let asset = listed.asset;
                let due = expected.due.get(&asset).copied().unwrap_or_default();
                Comparison {
                    asset,
                    block,
                    position,
                    held: self.holdings.of(listed, &expected),
                    booked: due.booked,
                    in_flight: due.in_flight,
                    brought: due.brought,
                    owed: self.books.owed(asset),
                }
            })
            .collect();
        self.tell(&comparisons);
        self.watch.metrics().reserves(self.watch.chain(), &comparisons);
        let mut is_heard = true;
        for comparison in &comparisons {
            is_heard &= self.propose(comparison, fence).await?;
        }
        if is_heard {
            self.compared = Some(block);
        }
        self.standing.send_modify(|known| known.comparisons = comparisons);
        Ok(())
    }

    /// The last final block, if everything up to it was followed, and all that was spent after it is known.
    fn comparable(&self) -> Option<Head> {
        let Agreement { head: Some(agreed), finalized: Some(block), frozen: None, .. } = self.watch.agreement() else {
            return None;
        };
        let (followed, since) = self.trail.look(|blocks| (blocks.head(), blocks.since()));
        let is_followed = followed.height >= block.height && since.0 <= block.height.0 + 1;
        let is_agreed = self.watch.with_pool(|pool| {
            pool.tree().contains(agreed.hash, followed) && pool.tree().contains(followed.hash, block)
        });
        (is_followed && is_agreed).then_some(block)
    }

    fn expected(&self, block: Head) -> Option<Expected> {
        let paid = self.books.transactions();
        let mined = self.trail.look(|blocks: &Blocks| {
            let ours = blocks.spendings().filter_map(|(head, spending)| {
                let tx = ChainHash(spending.tx.0);
                let network_fee = spending.execution.map(|execution| execution.network_fee);
                let network_fee = network_fee.unwrap_or(*paid.get(&tx)?);
                let is_undone = spending.execution.is_some_and(|execution| execution.is_undone);
                Some((tx, Mined { height: head.height.0, network_fee, is_undone }))
            });
            ours.collect()
        });
        self.books.expected(block.height.0, &mined)
    }

    /// Has the ledger decide what it does not know. Whether nothing is left to be said.
    async fn propose(&mut self, comparison: &Comparison, fence: u64) -> Result<bool, Unanswered> {
        let Comparison { asset, block, position, held, .. } = *comparison;
        let is_known = comparison.is_short() == (self.books.standing(asset) == ReservesStanding::Short);
        if is_known {
            return Ok(true);
        }
        let report = ReportReserves {
            chain: self.chain,
            fence,
            asset,
            position,
            block: ChainHash(block.hash.0),
            height: block.height.0,
            held,
            due: comparison.due(),
        };
        match self.ledger.propose(&Command::ReportReserves(Box::new(report))).await? {
            Reply::Accepted { .. } => Ok(true),
            // It is compared again, with what the log has said since.
            Reply::Rejected { reason: RejectReason::ReservesOutdated | RejectReason::StaleFence, .. } => Ok(false),
            Reply::Rejected { reason, .. } => {
                tracing::warn!(chain = self.watch.chain(), ?reason, "the ledger refuses a comparison of reserves");
                Ok(false)
            }
        }
    }

    /// What an operator has to know: once, when it begins, and when it ends.
    fn tell(&self, comparisons: &[Comparison]) {
        let chain = self.watch.chain();
        let before = self.standing.borrow();
        for now in comparisons {
            let was = before.comparisons.iter().find(|was| was.asset == now.asset);
            let was_short = was.is_some_and(Comparison::is_short);
            let Comparison { asset, block, position, held, .. } = *now;
            let (height, due) = (block.height.0, now.due());
            if now.is_short() && !was_short {
                tracing::error!(
                    chain, %asset, height, %position, held, due,
                    "the chain has less than it should: withdrawals of the asset are halted"
                );
            } else if was_short && !now.is_short() {
                tracing::warn!(chain, %asset, height, held, due, "the chain has again what it should have");
            }
        }
    }
}
