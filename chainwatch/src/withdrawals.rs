//! Withdrawals of one chain: given what the ledger has decided and what the agreed chain says, the next step.
//!
//! Nothing here does I/O. Whoever drives an [`Executor`] hands it the ledger's events and the [`Facts`] of the agreed chain,
//! and does the [`Step`] that it names: propose to the ledger, ask the signer, send bytes to every node. An executor knows
//! nothing that is not in the ledger's events or on the chain, but when it last tried; so it may die after any step, and
//! another goes on with the same log.
//!
//! What nodes answer to a transaction that is sent to them decides nothing. "Already known", "already in block chain" (-27),
//! "missing inputs" (-25) and "nonce too low" may each mean that it was mined, that another of the same withdrawal was, or that
//! a stranger's was: the agreed chain alone says which.

mod batches;
mod children;
mod driver;
mod facts;
mod fees;
mod funding;
mod moves;
mod refusals;
mod relief;
mod sightings;
mod trail;
mod view;
mod waiting;
mod wallet;

use std::collections::{BTreeMap, BTreeSet};

use wire::command::{AllocateWithdrawal, MoveFunds, RefuseWithdrawal, SignWithdrawal};
use wire::event::{WithdrawalAllocated, WithdrawalChanged};
use wire::{
    ChainAddress, ChainFreeze, ChainHash, ChainId, Command, Event, Sighting, Timestamp, TransactionBytes, WithdrawalId,
    WithdrawalPurpose, WithdrawalStage,
};

use crate::Height;
use crate::signer::payment::{Payment, Scheme};
use crate::signer::{Answer, Signed};
pub use driver::{Driver, Edge, Standing};
pub use facts::{Account, Facts, Included, Spend};
pub use fees::agreed_fee;
pub use funding::Unfunded;
pub use moves::Hot;
pub use refusals::Hindrance;
use refusals::{Asked, Refusals};
pub use trail::{Blocks, Trail};
use view::{Known, View};
use waiting::{Consulted, Waiting};
pub use wallet::Wallet;

/// How an executor waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// What was refused or had no answer is left alone for so long, in nanoseconds; then for twice as long, and so on up to twelve times,
    /// until there is a new block.
    pub pause_ns: u64,
    /// What nodes do not have is sent again after so long.
    pub resend_ns: u64,
    /// What is not mined for so long after it was signed is stuck.
    pub stuck_ns: u64,
    /// Gas of a transfer of the chain's coin, and of a token.
    pub gas: (u64, u64),
    /// Whether nodes take replacements of what they have. Where they do not, what is stuck has a child.
    pub replaces: bool,
    /// The most withdrawals that one transaction pays, up to [`wire::BatchMembers::MAX`]; below [`wire::BatchMembers::MIN`] each goes
    /// alone.
    pub batch_max: usize,
    /// So long a withdrawal that is due waits for others to go with, in nanoseconds. Those that are due at once go together anyhow.
    pub gather_ns: u64,
}

impl Default for Tuning {
    fn default() -> Tuning {
        let second = 1_000_000_000;
        Tuning {
            pause_ns: 5 * second,
            resend_ns: 30 * second,
            stuck_ns: 3_600 * second,
            gas: (21_000, 100_000),
            replaces: true,
            batch_max: 16,
            gather_ns: 0,
        }
    }
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Have the ledger decide. A refusal is told by [`Executor::on_refused`].
    Propose(WithdrawalId, Command),
    /// Ask the signer, and tell by [`Executor::on_signed`] what it says.
    Sign(Box<Payment>),
    /// Ask the signer whether it would have to wait with it, and tell by [`Executor::on_consulted`] what it says.
    Consult(Box<Payment>),
    /// Have the ledger decide about a move of the exchange's own money. A refusal is told by [`Executor::on_move_refused`].
    Move(Command),
    /// Have the ledger decide about a batch. A refusal is told by [`Executor::on_gather_refused`].
    Gather(Command),
    /// Send to every node, and tell by [`Executor::on_sent`] that it was tried.
    Send(ChainHash, TransactionBytes),
}

/// After so many steps in a row of withdrawals that have inputs or a nonce, one that waits for them has its turn.
const OTHERS_MAX: usize = 15;

/// The withdrawals of one chain.
pub struct Executor {
    chain: ChainId,
    scheme: Scheme,
    tuning: Tuning,
    view: View,
    /// What was not taken, and is left alone for a while.
    refusals: Refusals,
    /// When this executor has sent a transaction.
    sent_at: BTreeMap<ChainHash, Timestamp>,
    /// Until when none is asked for in place of a withdrawal's transaction: the signer or the ledger did not take the last.
    unreplaced: BTreeMap<WithdrawalId, Timestamp>,
    /// Why withdrawals wait for inputs, a nonce or a replacement.
    unfunded: BTreeMap<WithdrawalId, Unfunded>,
    /// Those that wait for their first inputs or nonce.
    waiting: Waiting,
    /// How many steps in a row were of others.
    others: usize,
    /// Members that have to leave their batches, or it would not go.
    leaving: BTreeSet<WithdrawalId>,
}

impl Executor {
    /// Knows nothing.
    pub fn new(chain: ChainId, scheme: Scheme, tuning: Tuning) -> Executor {
        Executor {
            chain,
            scheme,
            tuning,
            view: View::new(chain),
            refusals: Refusals::new(tuning.pause_ns),
            sent_at: BTreeMap::new(),
            unreplaced: BTreeMap::new(),
            unfunded: BTreeMap::new(),
            waiting: Waiting::new(tuning.pause_ns),
            others: 0,
            leaving: BTreeSet::new(),
        }
    }

    /// Takes an event of the ledger, in order and from the first.
    pub fn apply(&mut self, event: &Event) {
        if let Event::WithdrawalChanged(row) = event
            && row.chain == self.chain
        {
            self.refusals.over(row);
        }
        self.view.apply(event);
    }

    /// Transactions that may be on the chain, and what each may have paid to it at most: exactly that, where there are inputs.
    pub fn watched(&self) -> impl Iterator<Item = (ChainHash, u128)> + '_ {
        let of = |known: &Known| {
            known.signed.iter().map(|(allocated, signed)| (signed.tx, allocated.network_fee)).collect::<Vec<_>>()
        };
        self.view.all().flat_map(of)
    }

    /// Transactions of which nodes are to be asked whether they have them: all of each that is not over. Nodes may have
    /// kept one that was to be replaced, and once the last is overdue that must be known already.
    pub fn pending(&self) -> impl Iterator<Item = ChainHash> + '_ {
        let open = self.view.all().filter(|known| !known.row.stage.is_final());
        let of_open = open.flat_map(|known| known.signed.iter().rev().map(|(_, signed)| signed.tx));
        of_open.chain(self.reverted().map(|row| row.tx))
    }

    /// What is settled and not on the chain any more; of what went together the batch.
    pub fn reverted(&self) -> impl Iterator<Item = &WithdrawalChanged> {
        let is_it = |row: &&WithdrawalChanged| {
            row.is_reverted && row.stage == WithdrawalStage::Settled && row.batch == WithdrawalId::default()
        };
        self.view.all().map(|known| &known.row).filter(is_it)
    }

    /// Every withdrawal that is not over.
    pub fn open(&self) -> impl Iterator<Item = &WithdrawalChanged> {
        self.view.all().map(|known| &known.row).filter(|row| !row.stage.is_final())
    }

    /// Which wait for inputs, a nonce or a replacement, and why, as of the last step.
    pub fn unfunded(&self) -> impl Iterator<Item = (WithdrawalId, Unfunded)> + '_ {
        self.unfunded.iter().map(|(id, why)| (*id, *why))
    }

    /// Of which the last step was not taken, and why. One that waits for something else by now is among [`Executor::unfunded`] too.
    pub fn refused(&self) -> impl Iterator<Item = (WithdrawalId, &Hindrance)> {
        self.refusals.of_withdrawals()
    }

    /// From which block on the chain must be known, however deep that is: it has a transaction of a withdrawal that is not
    /// over, or a stranger's that spends the same. What was forgotten of it would look like what is gone.
    pub fn needs_from(&self, blocks: &Blocks) -> Option<Height> {
        let open = || self.view.all().filter(|known| !known.row.stage.is_final());
        let is_mined =
            |row: &&WithdrawalChanged| matches!(row.stage, WithdrawalStage::Mined | WithdrawalStage::Confirmed);
        let mined =
            open().map(|known| &known.row).filter(is_mined).chain(self.reverted()).map(|row| Height(row.height));
        let spends: BTreeSet<Spend> = open().flat_map(Known::spends).collect();
        let touching = blocks.spendings().filter(|(_, spending)| spending.spent().any(|spend| spends.contains(&spend)));
        mined.chain(touching.map(|(block, _)| block.height)).min()
    }

    /// The contracts of what is withdrawn; the chain's own coin has none.
    pub fn contracts(&self) -> impl Iterator<Item = ChainAddress> + '_ {
        self.view.contracts()
    }

    /// The next step, under a claim. `None` while there is nothing to do.
    pub fn step(&mut self, facts: &Facts, fence: u64, now: Timestamp) -> Option<Step> {
        let view = &self.view;
        self.waiting.forget(|id| view.get(id).is_some_and(|known| known.row.stage == WithdrawalStage::Held));
        self.forget_below(facts.since, now);
        let view = &self.view;
        self.refusals.forget(|id| view.get(id).is_some());
        self.refusals.look(facts.head.hash);
        self.view.look(&facts.accounts);
        let mut unfunded = BTreeMap::new();
        let step = self.next(facts, fence, now, &mut unfunded);
        self.unfunded = unfunded;
        step
    }

    /// Forgets what is over for good: nothing is known of what lies below `since`. Whoever has no claim, and takes no steps, says
    /// so too, or it would remember all that ever was.
    pub fn forget_below(&mut self, since: Height, now: Timestamp) {
        self.view.forget_below(since, now);
    }

    fn next(
        &mut self,
        facts: &Facts,
        fence: u64,
        now: Timestamp,
        unfunded: &mut BTreeMap<WithdrawalId, Unfunded>,
    ) -> Option<Step> {
        let is_turn = self.others >= OTHERS_MAX;
        let held = if is_turn { self.next_waiting(facts, fence, now, unfunded) } else { None };
        let step = held.or_else(|| self.next_under_way(facts, fence, now, unfunded));
        self.others = if is_turn || step.is_none() { 0 } else { self.others + 1 };
        if step.is_some() {
            return step;
        }
        let held = if is_turn { None } else { self.next_waiting(facts, fence, now, unfunded) };
        if held.is_some() {
            return held;
        }
        // What clients wait for comes before what tidies up.
        let is_due = self.is_thawed() && self.may_move(now);
        let is_left = |withdrawal| self.is_paused(withdrawal, now);
        let next = || moves::next(&self.view, &self.scheme, facts, self.tuning.gas, now, is_left);
        let wanted = is_due.then(next).flatten();
        wanted.map(|wanted| self.propose_move(wanted, fence))
    }

    fn may_move(&self, now: Timestamp) -> bool {
        !self.refusals.is_paused(Asked::Move, now)
    }

    fn propose_move(&self, wanted: MoveFunds, fence: u64) -> Step {
        let (chain, turn) = (self.chain, self.view.turn());
        Step::Move(Command::MoveFunds(Box::new(MoveFunds { chain, fence, turn, ..wanted })))
    }

    fn is_paused(&self, withdrawal: WithdrawalId, now: Timestamp) -> bool {
        self.refusals.is_paused(Asked::Withdrawal(withdrawal), now)
    }

    /// Of those that have inputs or a nonce, or are over.
    fn next_under_way(
        &self,
        facts: &Facts,
        fence: u64,
        now: Timestamp,
        unfunded: &mut BTreeMap<WithdrawalId, Unfunded>,
    ) -> Option<Step> {
        // What goes with others goes as their batch does.
        let is_alone = |known: &&Known| known.row.batch == WithdrawalId::default();
        let under_way = self.view.all().filter(is_alone).filter(|known| known.row.stage != WithdrawalStage::Held);
        // What is over first: what the chain takes back freezes it before anything new is spent.
        let (ended, open): (Vec<_>, Vec<_>) = under_way.partition(|known| known.row.stage.is_final());
        for known in ended.into_iter().chain(open).filter(|known| !self.is_paused(known.row.withdrawal, now)) {
            match self.step_of(known, facts, fence, now) {
                Ok(Some(step)) => return Some(step),
                Ok(None) => {}
                Err(why) => drop(unfunded.insert(known.row.withdrawal, why)),
            }
        }
        None
    }

    /// The ledger has refused a move, or has not answered: none is proposed for a while. Whether that is news.
    pub fn on_move_refused(&mut self, why: Hindrance, now: Timestamp) -> bool {
        self.refusals.note(Asked::Move, why, now)
    }

    /// Accounts at deposit addresses that may have to be swept, or are being swept: they are to be asked for, some at a time.
    pub fn accounts(&self) -> impl Iterator<Item = u32> + '_ {
        self.view.accounts()
    }

    /// Whether the hot wallet has bounds, so that what it has is to be known.
    pub fn is_bounded(&self) -> bool {
        self.view.bounds().next().is_some()
    }

    /// Transactions on the agreed chain that keys of ours have signed and the log does not know: somebody else has our keys.
    pub fn strangers(&self, facts: &Facts) -> BTreeSet<ChainHash> {
        let ours: BTreeSet<ChainHash> = self.watched().map(|(tx, _)| tx).collect();
        facts.spent.values().map(|(tx, _)| *tx).filter(|tx| !ours.contains(tx)).collect()
    }

    /// What the hot wallet has of each asset that has bounds, as far as that is known.
    pub fn hot(&self, facts: &Facts) -> Vec<Hot> {
        moves::hot(&self.view, &self.scheme, facts)
    }

    /// What a step proposed or asked was not taken: the withdrawal is left alone for a while. Whether that is news.
    pub fn on_refused(&mut self, withdrawal: WithdrawalId, why: Hindrance, now: Timestamp) -> bool {
        let is_news = self.refusals.note(Asked::Withdrawal(withdrawal), why, now);
        if self.view.get(withdrawal).is_some_and(|known| known.row.stage == WithdrawalStage::Stuck) {
            // It may have been its replacement: what was sent before is sent again meanwhile.
            self.replace_not_before(withdrawal, now, self.tuning.resend_ns);
        }
        is_news
    }

    fn replace_not_before(&mut self, withdrawal: WithdrawalId, now: Timestamp, pause_ns: u64) {
        self.unreplaced.retain(|_, until| now < *until);
        self.unreplaced.insert(withdrawal, now.plus_nanos(pause_ns));
    }

    /// The transaction was sent to every node; what they have answered does not matter.
    pub fn on_sent(&mut self, tx: ChainHash, now: Timestamp) {
        let resend_ns = self.tuning.resend_ns;
        self.sent_at.retain(|_, at| now < at.plus_nanos(resend_ns));
        self.sent_at.insert(tx, now);
    }

    /// What the signer has said. What it gives that is not what it was asked for is not believed.
    pub fn on_signed(
        &mut self,
        payment: &Payment,
        answer: Option<Answer>,
        fence: u64,
        now: Timestamp,
    ) -> Option<Command> {
        let withdrawal = payment.withdrawal;
        let known = self.view.get(withdrawal)?;
        let attempt = known.allocated?.attempt;
        let is_replacement = !known.signed.is_empty();
        let chain = self.chain;
        let hindrance = match answer {
            Some(Answer::Signed(Signed { tx, bytes })) => {
                if payment.check(&self.scheme, &Signed { tx, bytes: bytes.clone() }) {
                    let sign = SignWithdrawal { chain, fence, withdrawal, attempt, tx, bytes };
                    return Some(Command::SignWithdrawal(Box::new(sign)));
                }
                Hindrance::SignerErrs
            }
            Some(Answer::Refused(why) | Answer::Later(why)) if is_replacement => {
                // What it would replace stays as it is, and would ask for the same again at once.
                tracing::warn!(withdrawal = withdrawal.get(), why, "the signer makes no replacement");
                self.replace_not_before(withdrawal, now, self.tuning.stuck_ns);
                return Some(Command::RefuseWithdrawal(RefuseWithdrawal { chain, fence, withdrawal, attempt }));
            }
            Some(Answer::Refused(why)) => {
                tracing::warn!(withdrawal = withdrawal.get(), why, "the signer refuses");
                return Some(Command::RefuseWithdrawal(RefuseWithdrawal { chain, fence, withdrawal, attempt }));
            }
            Some(Answer::Later(why)) => Hindrance::SignerWaits(why),
            Some(Answer::Willing) => Hindrance::SignerErrs,
            None => Hindrance::SignerSilent,
        };
        let why = hindrance.to_string();
        if self.on_refused(withdrawal, hindrance.clone(), now) {
            match hindrance {
                Hindrance::SignerErrs => {
                    tracing::error!(withdrawal = withdrawal.get(), why, "a withdrawal is not signed")
                }
                _ => tracing::warn!(withdrawal = withdrawal.get(), why, "a withdrawal is not signed yet"),
            }
        }
        None
    }

    /// Whether the signer would wait with a payment. Of one that does not answer nothing is known: it will be asked for its
    /// signature, and that may wait.
    pub fn on_consulted(&mut self, payment: &Payment, answer: Option<Answer>, now: Timestamp) {
        let said = match answer {
            Some(Answer::Later(why)) => {
                let withdrawal = payment.withdrawal;
                if !self.waiting.is_waited_with(withdrawal) {
                    tracing::warn!(withdrawal = withdrawal.get(), why, "the signer would wait, and others go first");
                }
                Consulted::Waits
            }
            _ => Consulted::Signs,
        };
        self.waiting.answered(payment.withdrawal, said, now);
    }

    fn step_of(&self, known: &Known, facts: &Facts, fence: u64, now: Timestamp) -> Result<Option<Step>, Unfunded> {
        let row = &known.row;
        Ok(match row.stage {
            WithdrawalStage::Review | WithdrawalStage::Canceled | WithdrawalStage::Held => None,
            WithdrawalStage::Mined | WithdrawalStage::Confirmed => self.follow_up(known, facts, fence),
            WithdrawalStage::Settled | WithdrawalStage::Failed => {
                self.watch_over(known, facts, fence).or_else(|| self.send_again(known, facts, now))
            }
            _ => match self.see(known, facts, fence) {
                None => return self.push(known, facts, fence, now),
                seen => seen,
            },
        })
    }

    fn is_thawed(&self) -> bool {
        self.view.freeze() == ChainFreeze::Thawed
    }

    /// Signs, sends, sends again, pays more.
    fn push(&self, known: &Known, facts: &Facts, fence: u64, now: Timestamp) -> Result<Option<Step>, Unfunded> {
        let row = &known.row;
        let last = known.signed.last().map(|(_, signed)| signed.clone());
        if matches!(row.stage, WithdrawalStage::Allocated | WithdrawalStage::Bumped) {
            let payment = self.is_thawed().then(|| self.payment(known, known.allocated.as_ref()?)).flatten();
            return Ok(payment.map(|payment| Step::Sign(Box::new(payment))));
        }
        let Some(Signed { tx, bytes }) = last else { return Ok(None) };
        let is_pooled = facts.pooled.contains(&tx);
        let is_overdue = now >= known.signed_since().plus_nanos(self.tuning.stuck_ns);
        let is_to_be_sent = self.is_to_be_sent(tx, now);
        Ok(match row.stage {
            WithdrawalStage::Conflicted => None,
            // A frozen chain gets nothing more: what was sent may be on its way to the wrong side of a fork.
            _ if !self.is_thawed() => None,
            WithdrawalStage::Signed if is_to_be_sent => Some(Step::Send(tx, bytes)),
            WithdrawalStage::Signed => Some(self.report(row, tx, Sighting::Sent, fence)),
            WithdrawalStage::Broadcast if is_pooled => Some(self.report(row, tx, Sighting::Pooled, fence)),
            WithdrawalStage::Mempool if !is_pooled => Some(self.report(row, tx, Sighting::Dropped, fence)),
            WithdrawalStage::Broadcast | WithdrawalStage::Mempool if is_overdue => {
                Some(self.report(row, tx, Sighting::Overdue, fence))
            }
            WithdrawalStage::Stuck => match self.relief(known, facts, fence, now) {
                Err(_) | Ok(None) if !is_pooled && is_to_be_sent => Some(Step::Send(tx, bytes)),
                relieved => relieved?,
            },
            WithdrawalStage::Broadcast if is_to_be_sent => Some(Step::Send(tx, bytes)),
            _ => None,
        })
    }

    fn payment(&self, known: &Known, allocated: &WithdrawalAllocated) -> Option<Payment> {
        let (contract, amount) = self.view.chain_amount(&known.row)?;
        let outputs = self.view.outputs(&known.row)?;
        Some(Payment::of(self.view.symbol()?, contract, amount, outputs, &known.row, allocated))
    }

    fn first_allocation(&self, known: &Known, facts: &Facts, fence: u64, now: Timestamp) -> Result<Step, Unfunded> {
        let is_asked = self.is_consulted_on(&known.row) && self.waiting.said(known.row.withdrawal, now).is_none();
        let check_low = |fee| moves::check_low(&self.view, &self.scheme, &known.row, facts, fee);
        check_low(0)?;
        let funded = match &self.scheme {
            Scheme::Bitcoin(scheme) if is_child(known) => children::first(&self.view, known, scheme, facts),
            Scheme::Bitcoin(scheme) => funding::coins(&self.view, known, scheme, facts),
            Scheme::Evm(_) => funding::nonce(&self.view, known, facts, self.tuning.gas),
        };
        let funded = funded?;
        check_low(funded.network_fee)?;
        if is_asked {
            let allocated = WithdrawalAllocated {
                chain: self.chain,
                withdrawal: funded.withdrawal,
                attempt: funded.attempt,
                inputs: funded.inputs,
                nonce: funded.nonce,
                network_fee: funded.network_fee,
                gas_limit: funded.gas_limit,
                tip_per_gas: funded.tip_per_gas,
            };
            let payment = self.payment(known, &allocated).ok_or(Unfunded::InTurn)?;
            return Ok(Step::Consult(Box::new(payment)));
        }
        Ok(self.allocate(known, AllocateWithdrawal { chain: self.chain, fence, ..funded }))
    }

    fn allocate(&self, known: &Known, allocate: AllocateWithdrawal) -> Step {
        Step::Propose(known.row.withdrawal, Command::AllocateWithdrawal(Box::new(allocate)))
    }
}

fn is_child(known: &Known) -> bool {
    known.row.purpose == WithdrawalPurpose::Child
}
