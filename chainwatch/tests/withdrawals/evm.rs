//! Chains with accounts and nonces: none is given twice, none is left out, and what was spent by whom the chain says.

use std::collections::{BTreeMap, BTreeSet};

use chainwatch::chain::Execution;
use chainwatch::signer::Desk;
use chainwatch::signer::evm::EvmScheme;
use chainwatch::signer::payment::Scheme;
use chainwatch::signer::policy::{AssetPolicy, ChainPolicy};
use chainwatch::signer::vault::Vault;
use chainwatch::store::{ConnectedBlock, Kept, Spending};
use chainwatch::tree::Placed;
use chainwatch::withdrawals::{Account, Executor, Facts, Included, Spend, Step, Trail, Tuning, Unfunded};
use chainwatch::{BlockHash, Head, Height, TxId};
use wire::command::{FailWithdrawal, Reply};
use wire::event::WithdrawalAllocated;
use wire::{
    ChainAddress, ChainFreeze, ChainHash, Command, Event, Symbol, Timestamp, WithdrawalCause, WithdrawalId,
    WithdrawalStage,
};

use super::ledger::{CHAIN, Ledger};

const ACCOUNT: &str = "m/44'/60'/0'";
const FRIEND: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const STRANGER: ChainHash = ChainHash([9; 32]);

/// An account that has had all of it for long.
pub fn account(next_nonce: u64, coins: u128) -> Account {
    let funds = BTreeMap::from([(ChainAddress::EMPTY, coins)]);
    Account { height: u64::MAX, next_nonce, settled: funds.clone(), funds }
}

pub struct Bed {
    pub ledger: Ledger,
    pub executor: Executor,
    pub desk: Desk,
    pub facts: Facts,
    pub now: Timestamp,
    pub fence: u64,
    read: usize,
    pub sent: Vec<ChainHash>,
    _directory: tempfile::TempDir,
}

impl Bed {
    pub fn new() -> Bed {
        Bed::with_a_signer_that_pays(20_000)
    }

    /// The next nonce is 5, gas costs 100, a transfer needs 100 of it.
    pub fn with_a_signer_that_pays(network_fee_max: u128) -> Bed {
        Bed::with_a_policy(network_fee_max, BTreeSet::new(), u128::MAX)
    }

    /// Its excess may go there.
    pub fn with_cold(cold: BTreeSet<ChainAddress>) -> Bed {
        Bed::with_a_policy(20_000, cold, u128::MAX)
    }

    /// Of the coin so much may go out within a day, and of the token anything.
    fn with_a_day_max(day_max: u128) -> Bed {
        Bed::with_a_policy(20_000, BTreeSet::new(), day_max)
    }

    fn with_a_policy(network_fee_max: u128, cold: BTreeSet<ChainAddress>, day_max: u128) -> Bed {
        let vault = Vault::from_seed([7; 32]);
        let xpub = vault.account_public(ACCOUNT).expect("an account");
        let scheme = Scheme::Evm(EvmScheme { chain_id: 31_337, xpub });
        let asset = AssetPolicy { contract: ChainAddress::EMPTY, amount_max: 500_000, day_max };
        let contract = ChainAddress::new(super::moves::TOKEN.as_bytes()).expect("short");
        let token = AssetPolicy { contract, day_max: u128::MAX, ..asset.clone() };
        let policy = ChainPolicy {
            chain: Symbol::new(b"LTC").expect("a symbol"),
            scheme: scheme.clone(),
            account: ACCOUNT.into(),
            network_fee_max,
            network_fee_day_max: u128::MAX,
            cold,
            allow_list: Default::default(),
            assets: vec![asset, token],
        };
        let directory = tempfile::tempdir().expect("a directory");
        let desk = Desk::open(&vault, vec![policy], &directory.path().join("journal")).expect("a desk");
        let now = Timestamp::from_nanos(1_700_000_000_000_000_000);
        let mut ledger = Ledger::new(now, 3);
        let fence = ledger.claim(now, 1).expect("the claim is free");
        ledger.freeze(now, false);
        let facts = Facts {
            head: Head { height: Height(100), hash: BlockHash([1; 32]) },
            since: Height(0),
            finalized: None,
            included: BTreeMap::new(),
            spent: BTreeMap::new(),
            pooled: BTreeSet::new(),
            coins: Vec::new(),
            accounts: BTreeMap::from([(0, account(5, 1_000_000_000))]),
            fee_rate: Some(100),
            tip: 7,
        };
        let executor = Executor::new(CHAIN, scheme, Tuning { gas: (100, 200), ..Tuning::default() });
        Bed { ledger, executor, desk, facts, now, fence, read: 0, sent: Vec::new(), _directory: directory }
    }

    /// Until there is nothing to do; every sent transaction is with the nodes.
    pub fn work(&mut self) {
        for _ in 0..100 {
            if self.one().is_none() {
                return;
            }
        }
        panic!("it never rests");
    }

    /// The next step, done.
    fn one(&mut self) -> Option<Step> {
        self.ledger.events[self.read..].iter().for_each(|event| self.executor.apply(event));
        self.read = self.ledger.events.len();
        let step = self.executor.step(&self.facts, self.fence, self.now)?;
        let command = match step.clone() {
            Step::Propose(_, command) | Step::Move(command) => Some(command),
            Step::Gather(command) => panic!("each goes alone: {command:?}"),
            Step::Sign(payment) => {
                let answer = self.desk.sign(&payment, 1_000).expect("a journal");
                self.executor.on_signed(&payment, Some(answer), self.fence, self.now)
            }
            Step::Consult(payment) => {
                let answer = self.desk.consult(&payment, 1_000);
                self.executor.on_consulted(&payment, Some(answer), self.now);
                None
            }
            Step::Send(tx, _) => {
                self.executor.on_sent(tx, self.now);
                self.facts.pooled.insert(tx);
                self.sent.push(tx);
                None
            }
        };
        if let Some(command) = command {
            let reply = self.ledger.apply(self.now, &command);
            assert!(matches!(reply, Reply::Accepted { .. }), "{reply:?} to {command:?}");
        }
        Some(step)
    }

    /// What a driver does between two looks at its claim, a fifth of a second after the last.
    fn beat(&mut self) -> Vec<Step> {
        self.now = self.now.plus_nanos(200_000_000);
        (0..64).map_while(|_| self.one()).collect()
    }

    fn allocated(&self) -> Vec<WithdrawalAllocated> {
        let allocated = self.ledger.events.iter().filter_map(|event| match event {
            Event::WithdrawalAllocated(allocated) => Some(**allocated),
            _ => None,
        });
        allocated.collect()
    }

    fn include(&mut self, tx: ChainHash, nonce: u64, is_undone: bool) {
        self.include_as(0, tx, nonce, is_undone);
    }

    /// The account at a deposit address has sent it.
    pub fn include_of(&mut self, key: u32, tx: ChainHash, nonce: u64) {
        self.include_as(key, tx, nonce, false);
    }

    /// The same, and the chain has undone what it did.
    pub fn include_undone(&mut self, key: u32, tx: ChainHash, nonce: u64) {
        self.include_as(key, tx, nonce, true);
    }

    fn include_as(&mut self, key: u32, tx: ChainHash, nonce: u64, is_undone: bool) {
        let height = self.facts.head.height.0;
        let included = Included { block: ChainHash([4; 32]), height, network_fee: 5_000, is_undone };
        self.facts.included.insert(tx, included);
        self.facts.spent.insert(Spend::Nonce(key, nonce), (tx, height));
        self.facts.accounts.get_mut(&key).expect("an account").next_nonce = nonce + 1;
    }

    pub fn stages(&self) -> Vec<WithdrawalStage> {
        self.ledger.rows().iter().map(|row| row.stage).collect()
    }
}

#[test]
fn nonces_are_given_in_order_and_once() {
    let mut bed = Bed::new();
    for name in 0..3 {
        bed.ledger.request(bed.now, name, FRIEND, 1_000);
    }
    bed.work();
    assert_eq!(bed.allocated().iter().map(|it| it.nonce).collect::<Vec<_>>(), [5, 6, 7]);
    assert_eq!(bed.stages(), [WithdrawalStage::Mempool; 3]);
    let first = bed.sent[0];
    bed.include(first, 5, false);
    bed.ledger.request(bed.now, 3, FRIEND, 1_000);
    bed.work();
    assert_eq!(bed.allocated().last().map(|it| it.nonce), Some(8), "6 and 7 are on their way");
}

#[test]
fn a_nonce_that_was_never_signed_for_goes_to_the_next_and_leaves_no_gap() {
    let mut bed = Bed::new();
    bed.ledger.request(bed.now, 0, FRIEND, 5_001);
    bed.ledger.request(bed.now, 1, FRIEND, 5_000);
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Failed, WithdrawalStage::Mempool]);
    assert_eq!(bed.allocated().iter().map(|it| it.nonce).collect::<Vec<_>>(), [5, 5]);
}

#[test]
fn what_the_signer_would_keep_for_tomorrow_gets_no_nonce_and_keeps_nobody() {
    use WithdrawalStage::{Held, Mempool};
    // In the chain's units, of which the ledger's has a hundred.
    let mut bed = Bed::with_a_day_max(400_000);
    for (name, units) in [(0, 3_000), (1, 2_000), (2, 1_000)] {
        bed.ledger.request(bed.now, name, FRIEND, units);
    }
    bed.work();
    assert_eq!(bed.stages(), [Mempool, Held, Mempool], "the second is too much after the first, the third is not");
    assert_eq!(bed.allocated().iter().map(|it| it.nonce).collect::<Vec<_>>(), [5, 6]);
    let waiting: Vec<Unfunded> = bed.executor.unfunded().map(|(_, why)| why).collect();
    assert_eq!(waiting, [Unfunded::SignerWaits]);
    // It is asked about again, not all the time.
    assert_eq!(bed.executor.step(&bed.facts, bed.fence, bed.now), None);
    let later = bed.now.plus_nanos(Tuning::default().pause_ns);
    assert!(matches!(bed.executor.step(&bed.facts, bed.fence, later), Some(Step::Consult(_))));
}

/// More than could all be asked about within a pause: then whoever comes after them was never asked about.
#[test]
fn thousands_that_wait_for_the_signers_day_keep_nobody() {
    use WithdrawalStage::{Held, Mempool, Mined};
    const WAITING: usize = 3_000;
    let mut bed = Bed::with_a_day_max(400_000);
    bed.ledger.request(bed.now, 0, FRIEND, 3_500);
    bed.work();
    bed.ledger.request_by_many(bed.now, WAITING, FRIEND, 1_000);
    bed.ledger.request(bed.now, 1, FRIEND, 100);
    let stage = |bed: &Bed, at: usize| bed.ledger.rows()[at].stage;
    let mut asked = BTreeMap::<WithdrawalId, usize>::new();
    let mut beats = 0;
    while stage(&bed, WAITING + 1) != Mempool {
        beats += 1;
        assert!(beats < 400, "it starves");
        if beats == 100 {
            // What is under way is not kept waiting by them for a single beat.
            let first = bed.sent[0];
            bed.include(first, 5, false);
        }
        let steps = bed.beat();
        assert!(beats < 100 || stage(&bed, 0) == Mined);
        assert!(steps.len() < 20, "a beat ends, and moves have their turn: {}", steps.len());
        for step in steps {
            if let Step::Consult(payment) = step {
                *asked.entry(payment.withdrawal).or_default() += 1;
            }
        }
    }
    assert_eq!(asked.len(), WAITING + 1);
    let twice = asked.values().filter(|times| **times > 1).count();
    // The last beat goes on with those that were asked about first.
    assert!(twice <= 8, "nobody twice before everybody once: {twice}");
    assert_eq!(bed.executor.unfunded().count(), WAITING);
    assert!(bed.executor.unfunded().all(|(_, why)| why == Unfunded::SignerWaits));
    // Whoever comes now was not asked about, and is at once.
    bed.ledger.request(bed.now, 2, FRIEND, 100);
    (0..3).for_each(|_| drop(bed.beat()));
    assert_eq!((stage(&bed, WAITING + 2), stage(&bed, 7)), (Mempool, Held));
}

/// Nor do they, when what they wait for is money: each step looks at some of them.
#[test]
fn thousands_that_wait_for_the_hot_wallet_are_looked_at_by_turns() {
    const WAITING: usize = 2_000;
    let mut bed = Bed::new();
    bed.facts.accounts.insert(0, account(5, 60_000));
    bed.ledger.request_by_many(bed.now, WAITING, FRIEND, 1_000);
    bed.ledger.request(bed.now, 0, FRIEND, 100);
    let mut beats = 0;
    while bed.ledger.rows()[WAITING].stage != WithdrawalStage::Mempool {
        beats += 1;
        assert!(beats < 100, "it starves");
        bed.beat();
    }
    bed.facts.accounts.insert(0, account(5, 1_000_000_000));
    let steps = bed.beat();
    let sent = steps.iter().filter(|step| matches!(step, Step::Send(..))).count();
    assert!(sent >= 8, "and when there is some, all steps are theirs: {steps:?}");
}

#[test]
fn what_the_signer_refuses_for_ever_waits_for_no_day() {
    use WithdrawalStage::{Failed, Mempool};
    let mut bed = Bed::with_a_day_max(400_000);
    for (name, units) in [(0, 3_000), (1, 4_500), (2, 1_000)] {
        bed.ledger.request(bed.now, name, FRIEND, units);
    }
    bed.work();
    assert_eq!(bed.stages(), [Mempool, Failed, Mempool], "the second is more than any day allows");
    assert_eq!(bed.executor.unfunded().count(), 0);
}

#[test]
fn a_nonce_too_low_is_whatever_the_chain_has_mined_with_it() {
    let mut bed = Bed::new();
    bed.ledger.request(bed.now, 0, FRIEND, 1_000);
    bed.work();
    // Nodes say that the nonce is too low: our own transaction was mined.
    let ours = bed.sent[0];
    bed.facts.pooled.clear();
    bed.include(ours, 5, false);
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Mined]);

    let mut bed = Bed::new();
    bed.ledger.request(bed.now, 0, FRIEND, 1_000);
    bed.work();
    // Nodes say the same: a stranger's was. It waits until that is as deep as a settlement, and then for an operator.
    bed.include(STRANGER, 5, false);
    bed.facts.included.clear();
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Mempool]);
    bed.facts.head.height = Height(101);
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Mempool], "one confirmation before it");
    bed.facts.head.height = Height(102);
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Conflicted]);
    bed.facts.spent.clear();
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Mempool], "a reorganisation took the stranger's back");
}

#[test]
fn a_transfer_that_was_undone_fails_when_it_is_deep_enough_and_the_chain_is_paid() {
    let mut bed = Bed::new();
    bed.ledger.request(bed.now, 0, FRIEND, 1_000);
    bed.work();
    let tx = bed.sent[0];
    bed.include(tx, 5, true);
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Mined]);
    bed.facts.head.height = Height(102);
    bed.work();
    let row = bed.ledger.rows()[0];
    assert_eq!((row.stage, row.cause), (WithdrawalStage::Failed, WithdrawalCause::Undone));
    assert_eq!((bed.ledger.gone(), bed.ledger.held()), (50, 0), "5,000 of the chain's units");
}

#[test]
fn a_stuck_one_keeps_its_nonce_and_pays_more_until_the_cap() {
    let mut bed = Bed::new();
    bed.ledger.request(bed.now, 0, FRIEND, 1_000);
    bed.work();
    for _ in 0..6 {
        bed.now = bed.now.plus_nanos(3_601_000_000_000);
        bed.fence = bed.ledger.claim(bed.now, 1).expect("its own claim");
        bed.work();
    }
    let allocated = bed.allocated();
    assert!(allocated.len() > 2 && allocated.iter().all(|it| it.nonce == 5 && it.network_fee <= 20_000));
    for pair in allocated.windows(2) {
        assert!(pair[1].network_fee * 8 >= pair[0].network_fee * 9, "nodes ask for an eighth more");
        assert!(pair[1].tip_per_gas * 8 >= pair[0].tip_per_gas * 9, "of the tip as well");
    }
    assert_eq!(bed.stages(), [WithdrawalStage::Stuck], "what would help is beyond the cap");
    // The first of them is mined after all.
    let first = bed.sent[0];
    bed.include(first, 5, false);
    bed.facts.head.height = Height(102);
    bed.work();
    assert_eq!((bed.stages(), bed.ledger.rows()[0].tx), (vec![WithdrawalStage::Settled], first));
}

#[test]
fn a_replacement_that_the_signer_does_not_make_is_not_asked_for_again_at_once() {
    let mut bed = Bed::with_a_signer_that_pays(12_000);
    bed.ledger.request(bed.now, 0, FRIEND, 1_000);
    bed.work();
    bed.now = bed.now.plus_nanos(3_601_000_000_000);
    bed.fence = bed.ledger.claim(bed.now, 1).expect("its own claim");
    bed.work();
    assert_eq!((bed.stages(), bed.allocated().len()), (vec![WithdrawalStage::Stuck], 2), "12,600 is more than it pays");
    bed.facts.pooled.clear();
    bed.now = bed.now.plus_nanos(60_000_000_000);
    bed.work();
    assert_eq!((bed.sent.len(), bed.allocated().len()), (2, 2), "what it would have replaced is sent again meanwhile");
    let first = bed.sent[0];
    bed.include(first, 5, false);
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Mined], "and is seen when it is mined");
}

#[test]
fn what_was_forgotten_of_the_chain_is_not_gone_from_it() {
    let mut bed = Bed::new();
    bed.ledger.request(bed.now, 0, FRIEND, 1_000);
    bed.work();
    let tx = bed.sent[0];
    bed.include(tx, 5, false);
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Mined]);
    // An operator has frozen the chain, and it has grown far beyond what is remembered of it.
    bed.ledger.freeze(bed.now, true);
    bed.facts.head.height = Height(1_000);
    bed.facts.since = Height(744);
    bed.facts.included.clear();
    bed.facts.spent.clear();
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Mined]);
}

/// A chain on which a transaction with nonce 5 is in block 100.
fn trail(tx: ChainHash) -> Trail {
    let block = |height: u64, spendings: Vec<Spending>| {
        let head = Head { height: Height(height), hash: BlockHash([height as u8; 32]) };
        let placed = Placed { head, parent: BlockHash([0; 32]), time_s: 0, chain_work: 0, bits: 0 };
        ConnectedBlock { placed, kept: Kept { transfers: Vec::new(), spendings } }
    };
    let execution = Some(Execution { nonce: 5, network_fee: 5_000, is_undone: false });
    let spending = Spending { tx: TxId(tx.0), spends: Vec::new(), execution, key: 0 };
    let blocks = [block(99, Vec::new()), block(100, vec![spending]), block(101, Vec::new())];
    Trail::new(blocks[2].placed.head, &blocks)
}

#[test]
fn the_chain_is_needed_from_what_withdrawals_that_are_not_over_were_mined_or_crossed_in() {
    let mut bed = Bed::new();
    let needs = |bed: &Bed, tx: ChainHash| trail(tx).look(|blocks| bed.executor.needs_from(blocks));
    assert_eq!(needs(&bed, STRANGER), None, "nothing is open");
    bed.ledger.request(bed.now, 0, FRIEND, 1_000);
    bed.work();
    assert_eq!(needs(&bed, STRANGER), Some(Height(100)));
    bed.include(STRANGER, 5, false);
    bed.facts.included.clear();
    bed.facts.head.height = Height(102);
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Conflicted]);
    assert_eq!(needs(&bed, STRANGER), Some(Height(100)), "until an operator has decided");
    bed.ledger.apply(bed.now, &Command::FailWithdrawal(FailWithdrawal { withdrawal: WithdrawalId::new(1) }));
    bed.work();
    assert_eq!((bed.stages(), needs(&bed, STRANGER)), (vec![WithdrawalStage::Failed], None));
}

#[test]
fn a_transfer_that_was_undone_and_given_back_and_then_moves_its_money_after_all_freezes_the_chain() {
    let mut bed = Bed::new();
    bed.ledger.request(bed.now, 0, FRIEND, 1_000);
    bed.work();
    let tx = bed.sent[0];
    bed.include(tx, 5, true);
    bed.facts.head.height = Height(102);
    bed.facts.included.get_mut(&tx).expect("it was mined").height = 100;
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Failed]);
    // A reorganisation deeper than a settlement: the same transaction in another block, where it succeeds.
    bed.include(tx, 5, false);
    bed.work();
    assert!(bed.ledger.rows()[0].is_reverted);
    let last = bed.ledger.events.iter().rev().find_map(|event| match event {
        Event::ChainFrozen(frozen) => Some(frozen.reason),
        _ => None,
    });
    assert_eq!(last, Some(ChainFreeze::WithdrawalReverted));
}

#[test]
fn what_is_booked_and_deep_is_left_and_what_it_has_spent_is_not_given_again() {
    let mut bed = Bed::new();
    bed.ledger.request(bed.now, 0, FRIEND, 1_000);
    bed.work();
    let tx = bed.sent[0];
    bed.include(tx, 5, false);
    bed.facts.head.height = Height(102);
    bed.work();
    assert_eq!((bed.stages(), bed.executor.watched().count()), (vec![WithdrawalStage::Settled], 1));
    bed.facts.since = Height(200);
    bed.facts.head.height = Height(500);
    bed.work();
    assert_eq!(bed.executor.watched().count(), 0);
    // Nodes that are far behind say that nothing has used its nonce.
    bed.facts.accounts.get_mut(&0).expect("an account").next_nonce = 5;
    bed.ledger.request(bed.now, 1, FRIEND, 1_000);
    bed.work();
    assert_eq!(bed.allocated().iter().map(|it| it.nonce).collect::<Vec<_>>(), [5, 6]);
}
