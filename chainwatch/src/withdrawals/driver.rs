//! Withdrawals of one chain at work: an [`Executor`] with a ledger, a signer and nodes.
//!
//! The claim is the [`Depositor`](crate::deposits::Depositor)'s: it follows the chain and says by its progress which fence
//! holds. A driver without one reads along, so that it knows all when it gets it. What a driver that has lost its claim still
//! does harms nobody: the ledger refuses its proposals, the signer signs nothing else for a withdrawal than it did, and what it
//! sends is in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use wire::command::{Reply, ReportWithdrawal};
use wire::event::WithdrawalChanged;
use wire::{
    ChainAddress, ChainHash, ChainId, Command, RejectReason, Sighting, Timestamp, WithdrawalId, WithdrawalPurpose,
};

use super::{Account, Blocks, Executor, Facts, Hindrance, Hot, Included, Spend, Step, Trail, Tuning, Unfunded, Wallet};
use crate::TxId;
use crate::deposits::Progress;
use crate::ledger::{Ledger, Unanswered};
use crate::pool::Agreement;
use crate::signer::Signer;
use crate::signer::evm::{EvmScheme, address_at};
use crate::signer::payment::Scheme;
use crate::watch::Watch;

/// How often there is a look whether something is to be done.
const BEAT: Duration = Duration::from_millis(200);
/// How often nodes are asked what they have, want and know, while withdrawals are open.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How long nodes may take to take a transaction before the next step; whoever takes longer is not waited for.
const SEND_PATIENCE: Duration = Duration::from_millis(500);
/// Accounts at deposit addresses that are asked for at once.
const ACCOUNTS_AT_ONCE: usize = 4;
/// Steps before the ledger's claim is looked at again.
const STEPS_MAX: usize = 64;
/// Events after which what is over is forgotten.
const FORGET_EVERY: usize = 1_024;

/// A place between two steps, at which a process may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    is_after: bool,
    step: &'static str,
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", if self.is_after { "after" } else { "before" }, self.step)
    }
}

/// The withdrawals of a chain as tables and metrics show them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Those that are not over.
    pub open: Vec<WithdrawalChanged>,
    /// Those that are settled and not on the chain any more.
    pub reverted: Vec<WithdrawalId>,
    /// Those that wait for inputs, a nonce or a replacement, and why.
    pub unfunded: Vec<(WithdrawalId, Unfunded)>,
    /// Those of which the last step was not taken, and why.
    pub refused: Vec<(WithdrawalId, Hindrance)>,
    /// What the hot wallet has of each asset that has bounds.
    pub hot: Vec<Hot>,
    /// Transactions on the chain that keys of ours have signed and the log does not know.
    pub strangers: BTreeSet<ChainHash>,
}

/// What nodes have said.
#[derive(Default)]
struct Opinions {
    asked_at: Option<Instant>,
    pooled: BTreeSet<ChainHash>,
    fee: Option<(u128, u128)>,
    accounts: BTreeMap<u32, Account>,
    /// The last deposit address that was asked for: the next ones come after it.
    asked_key: u32,
}

/// One instance for one chain's withdrawals.
pub struct Driver<L, S> {
    watch: Watch,
    ledger: L,
    signer: S,
    scheme: Scheme,
    executor: Executor,
    /// Bitcoin-like: what there is to spend.
    wallet: Option<Wallet>,
    trail: Trail,
    progress: watch::Receiver<Progress>,
    opinions: Opinions,
    standing: watch::Sender<Standing>,
    reached: fn(Edge),
}

impl<L: Ledger, S: Signer> Driver<L, S> {
    /// Works under the claim of the depositor whose trail and progress these are.
    pub fn new(
        chain: ChainId,
        scheme: Scheme,
        tuning: Tuning,
        ledger: L,
        signer: S,
        watch: Watch,
        (trail, progress): (Trail, watch::Receiver<Progress>),
    ) -> Driver<L, S> {
        // Until the ledger has said what is open, everything is needed.
        trail.need(Some(trail.look(Blocks::since)));
        let wallet = match &scheme {
            Scheme::Bitcoin(scheme) => Some(Wallet::new(chain, scheme)),
            Scheme::Evm(_) => None,
        };
        Driver {
            executor: Executor::new(chain, scheme.clone(), tuning),
            wallet,
            watch,
            ledger,
            signer,
            scheme,
            trail,
            progress,
            opinions: Opinions::default(),
            standing: watch::Sender::default(),
            reached: |_| {},
        }
    }

    /// Tells `reached` before and after every step: tests end the process there.
    pub fn telling(mut self, reached: fn(Edge)) -> Driver<L, S> {
        self.reached = reached;
        self
    }

    /// How its withdrawals stand.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Works for ever. What goes wrong is told and tried again.
    pub async fn run(mut self) {
        let mut progress = self.progress.clone();
        let mut told = None;
        loop {
            let error = self.beat().await.err().map(|error| error.to_string());
            // Once, until it is another or has passed.
            if let Some(error) = error.as_ref().filter(|_| told != error) {
                tracing::warn!(chain = self.watch.chain(), error, "withdrawals wait");
            }
            told = error;
            // A new block or claim is worked on at once.
            let _ = tokio::time::timeout(BEAT, progress.changed()).await;
        }
    }

    /// Reads the ledger, and with a claim does what is to be done now.
    pub async fn beat(&mut self) -> Result<(), Unanswered> {
        self.read().await?;
        let needed = self.trail.look(|blocks| self.executor.needs_from(blocks));
        self.trail.need(needed);
        let fence = self.progress.borrow().fence;
        if fence != 0 {
            self.ask().await;
            for _ in 0..STEPS_MAX {
                let Some(facts) = self.facts() else { break };
                let Some(step) = self.executor.step(&facts, fence, now()) else { break };
                if !self.take(step, fence).await? {
                    break;
                }
                self.read().await?;
            }
        }
        self.tell();
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Unanswered> {
        let since = self.trail.look(Blocks::since);
        for (at, event) in self.ledger.events().await?.into_iter().enumerate() {
            self.executor.apply(&event);
            if let Some(wallet) = &mut self.wallet {
                wallet.apply(&event);
            }
            // A start reads all that ever was.
            if at % FORGET_EVERY == FORGET_EVERY - 1 {
                self.executor.forget_below(since, now());
            }
        }
        self.executor.forget_below(since, now());
        Ok(())
    }

    /// One step. Whether the claim still holds.
    async fn take(&mut self, step: Step, fence: u64) -> Result<bool, Unanswered> {
        let name = name_of(&step);
        self.at(false, name);
        let holds = match step {
            Step::Propose(withdrawal, command) => self.propose(withdrawal, &command).await,
            Step::Sign(payment) => {
                let answer = self.signer.sign(&payment).await;
                self.at(true, "ask");
                match self.executor.on_signed(&payment, answer, fence, now()) {
                    Some(command) => {
                        let name = if matches!(command, Command::SignWithdrawal(_)) { "sign" } else { "refuse" };
                        self.at(false, name);
                        let holds = self.propose(payment.withdrawal, &command).await;
                        self.at(true, name);
                        holds
                    }
                    None => Ok(true),
                }
            }
            Step::Consult(payment) => {
                let answer = self.signer.consult(&payment).await;
                self.executor.on_consulted(&payment, answer, now());
                Ok(true)
            }
            Step::Move(command) => self.propose_move(&command).await,
            Step::Gather(command) => self.propose_batch(&command).await,
            Step::Send(tx, bytes) => {
                let sent = tokio::spawn(self.watch.broadcast(TxId(tx.0), bytes.as_bytes().to_vec()));
                let _ = tokio::time::timeout(SEND_PATIENCE, sent).await;
                self.executor.on_sent(tx, now());
                Ok(true)
            }
        };
        if name != "ask" {
            self.at(true, name);
        }
        holds
    }

    fn at(&self, is_after: bool, step: &'static str) {
        (self.reached)(Edge { is_after, step });
    }

    async fn propose(&mut self, withdrawal: WithdrawalId, command: &Command) -> Result<bool, Unanswered> {
        let reply = self.ledger.propose(command).await;
        let has_named = match reply {
            Ok(Reply::Rejected { reason, id }) => self.executor.on_refused_naming(withdrawal, reason, id),
            _ => false,
        };
        let why = hindrance(&reply).filter(|_| !has_named);
        let is_news = why.map_or(has_named, |why| self.executor.on_refused(withdrawal, why, now()));
        match reply? {
            Reply::Accepted { .. } => Ok(true),
            Reply::Rejected { reason: RejectReason::StaleFence, .. } => Ok(false),
            Reply::Rejected { reason, .. } => {
                let chain = self.watch.chain();
                if is_news {
                    tracing::warn!(
                        chain,
                        withdrawal = withdrawal.get(),
                        ?reason,
                        "the ledger refuses a withdrawal's step"
                    );
                }
                Ok(true)
            }
        }
    }

    async fn propose_batch(&mut self, command: &Command) -> Result<bool, Unanswered> {
        let reply = self.ledger.propose(command).await;
        let is_news = match reply {
            Ok(Reply::Accepted { .. }) => false,
            Ok(Reply::Rejected { reason, id }) => self.executor.on_gather_refused(Some((reason, id)), now()),
            Err(_) => self.executor.on_gather_refused(None, now()),
        };
        match reply? {
            Reply::Accepted { .. } => Ok(true),
            Reply::Rejected { reason: RejectReason::StaleFence, .. } => Ok(false),
            Reply::Rejected { reason, id } => {
                if is_news {
                    tracing::warn!(chain = self.watch.chain(), ?reason, id, "the ledger refuses a batch");
                }
                Ok(true)
            }
        }
    }

    async fn propose_move(&mut self, command: &Command) -> Result<bool, Unanswered> {
        let reply = self.ledger.propose(command).await;
        let is_news = hindrance(&reply).is_some_and(|why| self.executor.on_move_refused(why, now()));
        match reply? {
            Reply::Accepted { .. } => Ok(true),
            Reply::Rejected { reason: RejectReason::StaleFence, .. } => Ok(false),
            Reply::Rejected { reason, .. } => {
                if is_news {
                    tracing::warn!(chain = self.watch.chain(), ?reason, "the ledger refuses a move");
                }
                Ok(true)
            }
        }
    }

    /// Asks nodes, when it is time and something is open.
    async fn ask(&mut self) {
        let is_due = self.opinions.asked_at.is_none_or(|at| at.elapsed() >= ASK_EVERY);
        let is_idle = self.executor.open().chain(self.executor.reverted()).next().is_none();
        if !is_due || (is_idle && !self.executor.is_bounded()) {
            return;
        }
        let pending: Vec<TxId> = self.executor.pending().map(|tx| TxId(tx.0)).collect();
        let keys = self.keys();
        let asked_key = keys.last().copied().unwrap_or(0);
        let (pooled, fee, accounts) =
            tokio::join!(self.watch.known_to_most(&pending), self.watch.fee(), self.accounts(keys));
        let told: BTreeMap<TxId, bool> = pooled.into_iter().collect();
        // Of what too few say anything, what was said before holds: silence is no word that a transaction was dropped.
        let is_pooled = |tx: &TxId| told.get(tx).copied().unwrap_or(self.opinions.pooled.contains(&ChainHash(tx.0)));
        let pooled = pending.into_iter().filter(is_pooled).map(|tx| ChainHash(tx.0)).collect();
        self.opinions = Opinions { asked_at: Some(Instant::now()), pooled, fee, accounts, asked_key };
    }

    /// The accounts to be asked for: the wallet's own, and the next few at deposit addresses.
    fn keys(&self) -> Vec<u32> {
        let after = self.opinions.asked_key;
        let later = self.executor.accounts().filter(|key| *key > after);
        let earlier = self.executor.accounts().filter(|key| *key <= after);
        std::iter::once(0).chain(later.chain(earlier).take(ACCOUNTS_AT_ONCE)).collect()
    }

    /// Where nonces order transactions, accounts of ours.
    async fn accounts(&self, keys: Vec<u32>) -> BTreeMap<u32, Account> {
        let Scheme::Evm(scheme) = &self.scheme else { return BTreeMap::new() };
        let asked = keys.into_iter().map(async |key| Some((key, self.account(scheme, key).await?)));
        futures_util::future::join_all(asked).await.into_iter().flatten().collect()
    }

    async fn account(&self, scheme: &EvmScheme, key: u32) -> Option<Account> {
        let address = address_at(scheme, key)?;
        let contracts: Vec<ChainAddress> = self.executor.contracts().filter(|it| !it.is_empty()).collect();
        let tokens = contracts.iter().map(token).collect::<Option<Vec<_>>>()?;
        let height = self.trail.look(|blocks| blocks.head().height.0);
        let state = self.watch.account(address.0.0, &tokens, height).await?;
        let of = || std::iter::once(ChainAddress::EMPTY).chain(contracts.iter().copied());
        let funds: BTreeMap<ChainAddress, u128> = of().zip(state.funds).collect();
        let settled = match self.watch.agreement().finalized.filter(|finalized| finalized.height.0 < height) {
            _ if key == 0 => funds.clone(),
            Some(finalized) => {
                let state = self.watch.account(address.0.0, &tokens, finalized.height.0).await;
                of().zip(state.map(|state| state.funds).unwrap_or_default()).collect()
            }
            None => BTreeMap::new(),
        };
        Some(Account { height, next_nonce: state.nonce, funds, settled })
    }

    /// What is agreed; `None` while that is in doubt, or what was followed is not on it.
    fn facts(&self) -> Option<Facts> {
        let Agreement { head: Some(agreed), finalized, frozen: None, .. } = self.watch.agreement() else { return None };
        let paid: BTreeMap<ChainHash, u128> = self.executor.watched().collect();
        let (mut included, mut spent) = (BTreeMap::new(), BTreeMap::new());
        let (head, since) = self.trail.look(|blocks| {
            for (block, spending) in blocks.spendings() {
                let tx = ChainHash(spending.tx.0);
                let height = block.height.0;
                spent.extend(spending.spent().map(|spend| (spend, (tx, height))));
                if let Some(paid) = paid.get(&tx) {
                    let network_fee = spending.execution.map_or(*paid, |execution| execution.network_fee);
                    let is_undone = spending.execution.is_some_and(|execution| execution.is_undone);
                    included.insert(tx, Included { block: ChainHash(block.hash.0), height, network_fee, is_undone });
                }
            }
            (blocks.head(), blocks.since())
        });
        if !self.watch.with_pool(|pool| pool.tree().contains(agreed.hash, head)) {
            return None;
        }
        let coins = self.wallet.iter().flat_map(Wallet::coins).copied();
        let coins = coins.filter(|coin| !spent.contains_key(&Spend::Output(coin.tx, coin.output))).collect();
        let Opinions { pooled, fee, accounts, .. } = &self.opinions;
        Some(Facts {
            head,
            since,
            finalized: finalized.map(|finalized| finalized.height),
            included,
            spent,
            pooled: pooled.clone(),
            coins,
            accounts: accounts.clone(),
            fee_rate: fee.map(|(rate, _)| rate),
            tip: fee.map_or(0, |(_, tip)| tip),
        })
    }

    /// What an operator has to know: once, when it begins.
    fn tell(&self) {
        let before = self.standing.borrow().clone();
        let facts = self.facts();
        let standing = Standing {
            open: self.executor.open().copied().collect(),
            reverted: self.executor.reverted().map(|row| row.withdrawal).collect(),
            unfunded: self.executor.unfunded().collect(),
            refused: self.executor.refused().map(|(id, why)| (id, why.clone())).collect(),
            hot: facts.as_ref().map_or_else(|| before.hot.clone(), |facts| self.executor.hot(facts)),
            strangers: facts.as_ref().map_or_else(|| before.strangers.clone(), |facts| self.executor.strangers(facts)),
        };
        self.standing.send_replace(standing.clone());
        let chain = self.watch.chain();
        for tx in standing.strangers.difference(&before.strangers) {
            let tx = self.watch.rules().hash_text(tx.0);
            tracing::error!(chain, tx, "a key of ours has signed this and the log does not know it: who has our keys?");
        }
        for hot in &standing.hot {
            let was = before.hot.iter().find(|was| was.asset == hot.asset);
            let Hot { asset, balance, low, high } = *hot;
            if hot.is_low() && !was.is_some_and(Hot::is_low) {
                tracing::error!(chain, %asset, balance, low, "the hot wallet has too little: withdrawals wait");
            } else if hot.is_high() && !was.is_some_and(Hot::is_high) {
                tracing::warn!(chain, %asset, balance, high, "the hot wallet has too much: the rest goes to the cold address");
            }
        }
        for (withdrawal, why) in standing.unfunded.iter().filter(|it| !before.unfunded.contains(it)) {
            if !why.passes() {
                tracing::warn!(chain, withdrawal = withdrawal.get(), why = why.name(), "a withdrawal has to wait");
            }
        }
        // Of a batch and its members the batch alone is told.
        let is_for_operators =
            |row: &&WithdrawalChanged| row.stage.is_for_operators() && row.batch == WithdrawalId::default();
        for row in standing.open.iter().filter(is_for_operators) {
            let was = before.open.iter().find(|it| it.withdrawal == row.withdrawal);
            if was.is_none_or(|was| was.stage != row.stage) {
                tracing::error!(chain, withdrawal = row.withdrawal.get(), stage = ?row.stage, "look at this withdrawal");
            }
        }
        self.watch.metrics().withdrawals(chain, &standing);
    }
}

/// Why the ledger did not take what was proposed, if it did not.
fn hindrance(reply: &Result<Reply, Unanswered>) -> Option<Hindrance> {
    match reply {
        Ok(Reply::Accepted { .. }) => None,
        Ok(Reply::Rejected { reason, .. }) => Some(Hindrance::LedgerRefuses(*reason)),
        Err(_) => Some(Hindrance::LedgerSilent),
    }
}

fn name_of(step: &Step) -> &'static str {
    match step {
        Step::Sign(_) => "ask",
        Step::Consult(_) => "consult",
        Step::Send(..) => "send",
        Step::Move(Command::MoveFunds(wanted)) if wanted.purpose == WithdrawalPurpose::Child => "child",
        Step::Move(_) => "move",
        Step::Gather(_) => "gather",
        Step::Propose(_, Command::ReleaseWithdrawal(_)) => "release",
        Step::Propose(_, Command::AllocateWithdrawal(allocate)) if allocate.attempt > 1 => "bump",
        Step::Propose(_, Command::AllocateWithdrawal(_)) => "allocate",
        Step::Propose(_, Command::ReportWithdrawal(report)) => name_of_report(report),
        Step::Propose(..) => "propose",
    }
}

fn name_of_report(report: &ReportWithdrawal) -> &'static str {
    match report.sighting {
        Sighting::Sent => "sent",
        Sighting::Pooled => "pooled",
        Sighting::Dropped => "dropped",
        Sighting::Included if report.confirmations > 1 => "deeper",
        Sighting::Included => "included",
        Sighting::Undone => "undone",
        Sighting::Gone => "gone",
        Sighting::Overdue => "overdue",
        Sighting::Conflicting => "conflicting",
    }
}

fn token(contract: &ChainAddress) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    hex::decode_to_slice(contract.as_str().strip_prefix("0x")?, &mut bytes).ok()?;
    Some(bytes)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
