//! Two executors, a signer, a chain and a ledger, and a seed that says what happens to them.

use bitcoin::ScriptBuf;
use chainwatch::signer::bitcoin::{BitcoinScheme, own_script, script_of};
use chainwatch::signer::payment::Scheme;
use chainwatch::signer::policy::{AssetPolicy, ChainPolicy};
use chainwatch::signer::vault::Vault;
use chainwatch::signer::{Answer, Desk};
use chainwatch::withdrawals::{Executor, Facts, Hindrance, Hot, Step, Tuning, Unfunded};
use wire::command::{CancelWithdrawal, Reply, SetHotWallet};
use wire::{
    AccountId, ChainAddress, ChainHash, ChainInput, Command, Event, HotWalletBounds, RejectReason, Symbol, Timestamp,
    WithdrawalId, WithdrawalPurpose, WithdrawalStage,
};

use super::chain::{CONFIRMATIONS, Chain};
use super::ledger::{ALICE, CHAIN, COIN, LEASE_NS, Ledger, amount};

const ACCOUNT: &str = "m/84'/2'/0'";
const SECOND_NS: u64 = 1_000_000_000;
/// Units of the chain in one of the ledger's.
const UNIT: i128 = 100;

/// Where an executor dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    BeforeStep,
    AfterStep,
    AfterAnswer,
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

struct Instance {
    name: u64,
    executor: Executor,
    fence: u64,
    read: usize,
    /// What it has seen of the chain last; it may be late.
    facts: Facts,
}

pub struct World {
    seed: u64,
    random: Random,
    now: Timestamp,
    pub ledger: Ledger,
    chain: Chain,
    desk: Desk,
    _directory: tempfile::TempDir,
    scheme: BitcoinScheme,
    instances: [Instance; 2],
    next_name: u64,
    next_request: u64,
    endowment: u64,
    reorganisations: usize,
    death: Option<(u64, Death)>,
    steps: u64,
    has_died: bool,
    replaces: bool,
    batch_max: usize,
    gather_ns: u64,
    /// What the signer lets out within a day.
    policy: ChainPolicy,
}

/// An address of this chain that is not the wallet's.
pub fn address(number: u64) -> String {
    use bitcoin::bech32::{Hrp, segwit};
    segwit::encode_v0(Hrp::parse("rltc").expect("a prefix"), &[number as u8 + 1; 20]).expect("an address")
}

/// Where the hot wallet's excess goes.
pub fn cold() -> ChainAddress {
    ChainAddress::new(address(200).as_bytes()).expect("a short address")
}

fn instance(name: u64, scheme: &BitcoinScheme, facts: Facts, tuning: Tuning) -> Instance {
    Instance { name, executor: Executor::new(CHAIN, Scheme::Bitcoin(scheme.clone()), tuning), fence: 0, read: 0, facts }
}

impl World {
    /// Six coins and nothing asked for.
    pub fn new(seed: u64) -> World {
        let vault = Vault::from_seed([7; 32]);
        let xpub = vault.account_public(ACCOUNT).expect("an account");
        let (prefix, pubkey_prefix, script_prefix, dust) = ("rltc".to_string(), 111, 58, 5_460);
        let scheme = BitcoinScheme { prefix, pubkey_prefix, script_prefix, xpub, dust };
        let asset = AssetPolicy { contract: ChainAddress::EMPTY, amount_max: 1_000_000, day_max: 100_000_000 };
        let policy = ChainPolicy {
            chain: Symbol::new(b"LTC").expect("a symbol"),
            scheme: Scheme::Bitcoin(scheme.clone()),
            account: ACCOUNT.into(),
            network_fee_max: 15_000,
            network_fee_day_max: u128::MAX,
            cold: [cold()].into(),
            allow_list: Default::default(),
            assets: vec![asset],
        };
        let directory = tempfile::tempdir().expect("a directory");
        let desk = Desk::open(&vault, vec![policy.clone()], &directory.path().join("journal")).expect("a desk");
        let coin = |key: u32| ChainInput { tx: ChainHash([key as u8; 32]), output: key, amount: 700_000, key };
        let coins: Vec<ChainInput> = (1..=6).map(coin).collect();
        let chain = Chain::new(&coins, own_script(&scheme, 0).expect("a key"));
        let now = Timestamp::from_nanos(1_700_000_000 * SECOND_NS);
        let tuning = Tuning { pause_ns: SECOND_NS, batch_max: 1, ..Tuning::default() };
        let instances = [1, 2].map(|name| instance(name, &scheme, chain.facts(), tuning));
        World {
            seed,
            random: Random(seed),
            now,
            ledger: Ledger::new(now, CONFIRMATIONS),
            endowment: chain.balance(),
            chain,
            desk,
            _directory: directory,
            scheme,
            instances,
            next_name: 3,
            next_request: 0,
            reorganisations: 0,
            death: None,
            steps: 0,
            has_died: false,
            replaces: true,
            batch_max: 1,
            gather_ns: 0,
            policy,
        }
    }

    /// The first executor has the claim, the chain is thawed, two withdrawals are asked for.
    pub fn quiet(seed: u64) -> World {
        let mut world = World::new(seed);
        world.start();
        world.request(3_000);
        world.request(4_000);
        world
    }

    /// The first executor has the claim, and the chain is thawed.
    pub fn start(&mut self) {
        self.claim(0);
        self.freeze(false);
    }

    /// The time, and the first executor's fence.
    pub fn claimed(&self) -> (Timestamp, u64) {
        (self.now, self.instances[0].fence)
    }

    pub fn request(&mut self, units: i64) {
        let number = self.next_request;
        self.next_request += 1;
        self.ledger.request(self.now, number, &address(number), units);
    }

    fn claim(&mut self, at: usize) {
        let name = self.instances[at].name;
        self.instances[at].fence = self.ledger.claim(self.now, name).unwrap_or(0);
    }

    pub fn freeze(&mut self, is_frozen: bool) {
        self.ledger.freeze(self.now, is_frozen);
    }

    pub fn pass_s(&mut self, seconds: u64) {
        self.now = self.now.plus_nanos(seconds * SECOND_NS);
        self.claim(0);
        self.freeze(false);
    }

    pub fn set_fee_rate(&mut self, rate: u128) {
        self.chain.fee_rate = rate;
    }

    /// Nodes keep what they have, and miners take nothing for less than `rate_min`; executors know of it if they are `told`.
    pub fn refuse_replacements(&mut self, told: bool, rate_min: u128) {
        (self.chain.takes_replacements, self.chain.rate_min) = (false, rate_min);
        self.replaces = !told;
        (0..2).for_each(|at| self.die(at));
        self.has_died = false;
        self.pass_s(3);
    }

    /// From now on one transaction pays up to so many, and each waits so long for others.
    pub fn gather(&mut self, batch_max: usize, gather_s: u64) {
        (self.batch_max, self.gather_ns) = (batch_max, gather_s * SECOND_NS);
        (0..2).for_each(|at| self.die(at));
        self.has_died = false;
        self.pass_s(3);
    }

    /// The signer is started again with another bound of what goes out at once, and within a day, in the chain's units.
    pub fn bound_signer(&mut self, amount_max: u128, day_max: u128) {
        let asset = AssetPolicy { contract: ChainAddress::EMPTY, amount_max, day_max };
        let policy = ChainPolicy { assets: vec![asset], network_fee_max: 20_000, ..self.policy.clone() };
        let path = self._directory.path().join(format!("journal-{amount_max}-{day_max}"));
        self.desk = Desk::open(&Vault::from_seed([7; 32]), vec![policy], &path).expect("a desk");
    }

    /// As client or operator.
    pub fn cancel(&mut self, withdrawal: u64, account: AccountId) -> Reply {
        let cancel = CancelWithdrawal { withdrawal: WithdrawalId::new(withdrawal), account };
        self.ledger.apply(self.now, &Command::CancelWithdrawal(cancel))
    }

    /// No node keeps anything from now on, or each does again.
    pub fn keep_nothing(&mut self, is_so: bool) {
        self.chain.keeps_nothing = is_so;
    }

    /// A block that has the withdrawal's transaction `attempt` alone: its miner had it from elsewhere.
    pub fn mine_just(&mut self, withdrawal: u64, attempt: u8) {
        let signed = self.ledger.events.iter().find_map(|event| match event {
            Event::WithdrawalSigned(signed) if (signed.withdrawal.get(), signed.attempt) == (withdrawal, attempt) => {
                Some(signed.bytes.clone())
            }
            _ => None,
        });
        self.chain.mine_just(signed.expect("it is signed").as_bytes());
    }

    pub fn reorganise_whole(&mut self, depth: usize) {
        self.chain.reorganise(depth, || true);
    }

    /// A block of somebody who has none of our transactions.
    pub fn mine_nothing(&mut self) {
        self.chain.mine(|| false);
    }

    /// Everything is well, for as long as the signer's days take.
    pub fn heal_for_days(&mut self) {
        for _ in 0..4 {
            self.work(200);
            self.chain.mine(|| true);
            self.pass_s(24 * 3_600);
        }
        self.heal();
    }

    /// Another account asks.
    pub fn request_of_another(&mut self, units: i64) {
        let number = self.next_request;
        self.next_request += 1;
        self.ledger.request_by_many(self.now, 1, &address(number), units);
    }

    /// An operator stops that account, or lets it go on.
    pub fn block_another(&mut self, is_blocked: bool) {
        self.ledger.block(self.now, AccountId::new(3), is_blocked);
    }

    /// As [`World::reorganise_whole`], and no node knows any more what was in those blocks.
    pub fn reorganise_and_forget(&mut self, depth: usize) {
        self.chain.reorganise(depth, || false);
    }

    pub fn mine(&mut self) {
        self.chain.mine(|| true);
    }

    /// As [`World::die_at`], so many steps from now.
    pub fn die_in(&mut self, steps: u64, death: Death) {
        self.death = Some((self.steps + steps, death));
    }

    pub fn die_at(&mut self, step: u64, death: Death) {
        self.death = Some((step, death));
    }

    pub fn has_died(&self) -> bool {
        self.has_died
    }

    pub fn reorganisations(&self) -> usize {
        self.reorganisations
    }

    /// A process dies, and one that knows nothing takes its place.
    fn die(&mut self, at: usize) {
        let name = self.next_name;
        self.next_name += 1;
        self.has_died = true;
        let World { replaces, batch_max, gather_ns, .. } = *self;
        let tuning = Tuning { pause_ns: SECOND_NS, replaces, batch_max, gather_ns, ..Tuning::default() };
        self.instances[at] = instance(name, &self.scheme, self.chain.facts(), tuning);
    }

    fn is_death(&self, death: Death) -> bool {
        self.death == Some((self.steps, death))
    }

    fn read(&mut self, at: usize) {
        let instance = &mut self.instances[at];
        self.ledger.events[instance.read..].iter().for_each(|event| instance.executor.apply(event));
        instance.read = self.ledger.events.len();
    }

    /// What the first executor would do now.
    pub fn next_step(&mut self) -> Option<Step> {
        self.read(0);
        let facts = self.chain.facts();
        let Instance { executor, fence, .. } = &mut self.instances[0];
        executor.step(&facts, *fence, self.now)
    }

    /// Up to so many steps of the first executor, which sees the chain as it is.
    pub fn work(&mut self, steps: usize) {
        for _ in 0..steps {
            self.instances[0].facts = self.chain.facts();
            if !self.step(0, false) {
                break;
            }
        }
    }

    /// One step of one executor; `is_rough` when answers and lives may be lost. Whether there was one.
    fn step(&mut self, at: usize, is_rough: bool) -> bool {
        self.read(at);
        let now = self.now;
        let Instance { executor, fence, facts, .. } = &mut self.instances[at];
        let fence = *fence;
        let Some(step) = executor.step(facts, fence, now) else { return false };
        if self.is_death(Death::BeforeStep) || (is_rough && self.random.one_in(12)) {
            self.steps += 1;
            self.die(at);
            return true;
        }
        match step {
            Step::Propose(withdrawal, command) => self.propose(at, withdrawal, &command, is_rough),
            Step::Move(command) => self.propose_move(at, &command, is_rough),
            Step::Gather(command) => self.propose_batch(at, &command, is_rough),
            Step::Sign(payment) => {
                let answer = if is_rough && self.random.one_in(8) {
                    None
                } else {
                    let answer = self.desk.sign(&payment, now.nanos() / SECOND_NS).expect("a journal");
                    // An answer that is lost on its way was signed all the same.
                    (!is_rough || !self.random.one_in(8)).then_some(answer)
                };
                if self.is_death(Death::AfterAnswer) {
                    self.steps += 1;
                    self.die(at);
                    return true;
                }
                assert!(
                    !matches!(&answer, Some(Answer::Refused(why))
                        if !why.contains("fee") && !why.contains("before") && !why.contains("the amount is more")),
                    "{answer:?}"
                );
                let command = self.instances[at].executor.on_signed(&payment, answer, fence, now);
                if let Some(command) = command {
                    self.propose(at, payment.withdrawal, &command, is_rough);
                }
            }
            Step::Consult(payment) => {
                let answer = self.desk.consult(&payment, now.nanos() / SECOND_NS);
                let is_heard = !is_rough || !self.random.one_in(8);
                self.instances[at].executor.on_consulted(&payment, is_heard.then_some(answer), now);
            }
            Step::Send(tx, bytes) => {
                assert!(self.ledger.is_signed(tx), "what is sent is in the log");
                // Every node has taken it, or none, whatever they say.
                if !is_rough || !self.random.one_in(3) {
                    self.chain.take(bytes.as_bytes());
                }
                self.instances[at].executor.on_sent(tx, now);
            }
        }
        if self.is_death(Death::AfterStep) || (is_rough && self.random.one_in(12)) {
            self.die(at);
        }
        self.steps += 1;
        true
    }

    fn propose(&mut self, at: usize, withdrawal: WithdrawalId, command: &Command, is_rough: bool) {
        if is_rough && self.random.one_in(10) {
            // Lost on its way to a leader that has died.
            self.instances[at].executor.on_refused(withdrawal, Hindrance::LedgerSilent, self.now);
            return;
        }
        let reply = self.ledger.apply(self.now, command);
        if let Reply::Rejected { reason, id } = reply {
            if !is_rough {
                let may_be = [
                    RejectReason::StaleFence,
                    RejectReason::ChainIsFrozen,
                    RejectReason::WithdrawalNotOpen,
                    RejectReason::WithdrawalsBlocked,
                ];
                assert!(may_be.contains(&reason), "seed {}: {reason:?} for {command:?}", self.seed);
            }
            if self.instances[at].executor.on_refused_naming(withdrawal, reason, id) {
                return;
            }
            self.instances[at].executor.on_refused(withdrawal, Hindrance::LedgerRefuses(reason), self.now);
        } else if is_rough && self.random.one_in(10) {
            // Done, and the answer is lost.
            self.instances[at].executor.on_refused(withdrawal, Hindrance::LedgerSilent, self.now);
        }
    }

    fn propose_batch(&mut self, at: usize, command: &Command, is_rough: bool) {
        let is_lost = is_rough && self.random.one_in(10);
        let reply = (!is_lost).then(|| self.ledger.apply(self.now, command));
        if is_rough && self.random.one_in(10) && !is_lost {
            // What was not answered comes once more.
            let again = self.ledger.apply(self.now, command);
            assert!(matches!(again, Reply::Rejected { .. }), "seed {}: {again:?} for {command:?}", self.seed);
        }
        let executor = &mut self.instances[at].executor;
        match reply {
            Some(Reply::Accepted { .. }) => {}
            Some(Reply::Rejected { reason, id }) => drop(executor.on_gather_refused(Some((reason, id)), self.now)),
            None => drop(executor.on_gather_refused(None, self.now)),
        }
    }

    fn propose_move(&mut self, at: usize, command: &Command, is_rough: bool) {
        let is_lost = is_rough && self.random.one_in(10);
        let reply = (!is_lost).then(|| self.ledger.apply(self.now, command));
        if let Some(Reply::Rejected { reason, .. }) = reply {
            let may_be = [RejectReason::StaleFence, RejectReason::ChainIsFrozen, RejectReason::MoveOutOfTurn];
            assert!(may_be.contains(&reason), "seed {}: {reason:?} for {command:?}", self.seed);
        }
        let is_unanswered = is_rough && self.random.one_in(10);
        if is_unanswered && !is_lost {
            // What was not answered comes once more, as a client that sends again after a timeout would have it.
            self.ledger.apply(self.now, command);
        }
        if is_unanswered || !matches!(reply, Some(Reply::Accepted { .. })) {
            let why = match reply {
                Some(Reply::Rejected { reason, .. }) => Hindrance::LedgerRefuses(reason),
                _ => Hindrance::LedgerSilent,
            };
            self.instances[at].executor.on_move_refused(why, self.now);
        }
    }

    /// Operators want the hot wallet between these bounds, in the ledger's units, and deposits swept from `sweep_from` on.
    pub fn bound(&mut self, [low, high, target, sweep_from]: [i64; 4]) {
        let [low, high, target, sweep_from] = [low, high, target, sweep_from].map(amount);
        let cold = if high.is_zero() { ChainAddress::EMPTY } else { cold() };
        let bounds = HotWalletBounds { low, high, target, sweep_from, cold };
        let set = SetHotWallet { chain: CHAIN, asset: COIN, bounds };
        let reply = self.ledger.apply(self.now, &Command::SetHotWallet(Box::new(set)));
        assert!(matches!(reply, Reply::Accepted { .. }), "{reply:?}");
    }

    /// What was moved between our own addresses for a purpose, and is over.
    pub fn moved(&self, purpose: WithdrawalPurpose) -> Vec<i128> {
        let rows = self.ledger.rows();
        let moved = rows.iter().filter(|row| row.purpose == purpose && row.stage == WithdrawalStage::Settled);
        moved.map(|row| row.amount.wide()).collect()
    }

    /// Why what waits waits, as of the last step.
    pub fn unfunded(&self) -> Vec<Unfunded> {
        self.instances[0].executor.unfunded().map(|(_, why)| why).collect()
    }

    /// Why the last steps of what is refused were not taken.
    pub fn refused(&self) -> Vec<Hindrance> {
        self.instances[0].executor.refused().map(|(_, why)| why.clone()).collect()
    }

    /// Where the hot wallet stands now.
    pub fn hot(&mut self) -> Vec<Hot> {
        self.read(0);
        self.instances[0].executor.hot(&self.chain.facts())
    }

    /// So many random events.
    pub fn run(&mut self, events: usize) {
        self.claim(0);
        self.freeze(false);
        for _ in 0..events {
            match self.random.below(40) {
                0..20 => {
                    let at = usize::from(self.random.one_in(3));
                    if !self.random.one_in(3) {
                        self.instances[at].facts = self.chain.facts();
                    }
                    self.step(at, true);
                }
                20..24 => {
                    let Self { chain, random, .. } = self;
                    chain.mine(|| !random.one_in(3));
                }
                24 => {
                    let depth = 1 + self.random.below(u64::from(CONFIRMATIONS) - 1) as usize;
                    self.reorganise(depth);
                }
                25 => self.chain.mempool.clear(),
                26 => {
                    let rates = [500, 1_000, 12_000, 100_000, 1_000_000];
                    self.chain.fee_rate = rates[self.random.below(5) as usize];
                }
                27..29 => self.request_something(),
                29 => {
                    let number = 1 + self.random.below(8);
                    let cancel = CancelWithdrawal { withdrawal: WithdrawalId::new(number), account: ALICE };
                    self.ledger.apply(self.now, &Command::CancelWithdrawal(cancel));
                }
                30 => self.freeze(true),
                31..33 => self.freeze(false),
                33 => self.ledger.change_leader(),
                34 => self.die(0),
                35 => self.die(1),
                36 => self.now = self.now.plus_nanos(3_601 * SECOND_NS),
                _ => {
                    let nanos = self.random.below(2 * LEASE_NS);
                    self.now = self.now.plus_nanos(nanos);
                    let at = self.random.below(2) as usize;
                    self.claim(at);
                    if self.random.one_in(2) {
                        self.freeze(false);
                    }
                }
            }
        }
    }

    fn request_something(&mut self) {
        if self.next_request < 8 {
            let units = 500 + self.random.below(5_000) as i64;
            self.request(units);
        }
    }

    /// Two branches: the longer one wins, so what comes after is at least as high as what was.
    fn reorganise(&mut self, depth: usize) {
        let depth = depth.min(self.chain.height() as usize);
        let Self { chain, random, .. } = self;
        chain.reorganise(depth, || !random.one_in(3));
        for _ in 0..=depth {
            chain.mine(|| random.one_in(2));
        }
        self.reorganisations += 1;
    }

    /// Everything is well again, and goes on until nothing is left to do.
    pub fn heal(&mut self) {
        (self.chain.fee_rate, self.chain.rate_min) = (1_000, 0);
        for _ in 0..400 {
            self.now = self.now.plus_nanos(2 * LEASE_NS);
            self.claim(0);
            self.freeze(false);
            self.work(200);
            self.chain.mine(|| true);
            if self.ledger.rows().iter().all(|row| row.stage.is_final()) {
                return;
            }
        }
        let rows = self.ledger.rows();
        let open: Vec<_> = rows.iter().filter(|row| !row.stage.is_final()).collect();
        panic!("seed {}: never done: {open:#?}", self.seed);
    }

    pub fn count(&self, stage: WithdrawalStage) -> usize {
        self.ledger.rows().iter().filter(|row| row.stage == stage).count()
    }

    pub fn stages(&self) -> Vec<WithdrawalStage> {
        self.ledger.rows().iter().map(|row| row.stage).collect()
    }

    pub fn replacements(&self) -> usize {
        let signed = self.ledger.signed();
        let mut first: Vec<WithdrawalId> = signed.iter().map(|(id, _)| *id).collect();
        first.dedup();
        first.sort();
        first.dedup();
        signed.len() - first.len()
    }

    fn script(&self, address: &str) -> ScriptBuf {
        script_of(&self.scheme, address).expect("an address of this chain")
    }

    /// Of each withdrawal that is settled one transaction is on the chain and pays what it should; of every other none.
    /// What the wallet has lost is what the ledger has let go.
    pub fn check(&self) {
        let (signed, mut fees) = (self.ledger.signed(), 0);
        let (mut given, mut moved) = (0, Vec::new());
        let rows = self.ledger.rows();
        for row in &rows {
            let by = if row.batch.get() == 0 { row.withdrawal } else { row.batch };
            let of_it = signed.iter().filter(|(id, _)| *id == by);
            let mined: Vec<_> = of_it.filter(|(_, tx)| self.chain.includes(*tx)).collect();
            let script = script_of(&self.scheme, row.address.as_str());
            let received = script.map(|script| self.chain.received(&script)).unwrap_or_default();
            let context = format!("seed {}: {row:?}", self.seed);
            if row.stage == WithdrawalStage::Settled {
                assert_eq!(mined.len(), 1, "{context}");
                assert_eq!(mined[0].1, row.tx, "{context}");
                fees += row.network_fee as i128;
                let units = row.amount.wide() * UNIT;
                match row.purpose {
                    WithdrawalPurpose::Payment => {
                        assert_eq!(received, [units as u64], "{context}");
                        given += units;
                    }
                    WithdrawalPurpose::Cold => moved.push(units as u64),
                    WithdrawalPurpose::Sweep | WithdrawalPurpose::Gas | WithdrawalPurpose::Child => {}
                    WithdrawalPurpose::Batch => {
                        let members = rows.iter().filter(|member| member.batch == row.withdrawal);
                        let sum: i128 = members.clone().map(|member| member.amount.wide()).sum();
                        assert_eq!(sum, row.amount.wide(), "{context}");
                        assert!(
                            members.clone().all(|member| (member.stage, member.tx) == (row.stage, row.tx)),
                            "{context}"
                        );
                    }
                }
            } else if row.purpose.is_of_house() {
                assert!(mined.is_empty(), "{context}");
            } else {
                assert!(mined.is_empty() && received.is_empty(), "{context}");
            }
        }
        let lost = i128::from(self.endowment) - i128::from(self.chain.balance());
        let mut at_cold = self.chain.received(&self.script(cold().as_str()));
        at_cold.sort_unstable();
        moved.sort_unstable();
        assert_eq!(at_cold, moved, "seed {}: the cold address", self.seed);
        let cold: i128 = moved.iter().map(|units| i128::from(*units)).sum();
        assert_eq!(lost, given + cold + fees, "seed {}: the wallet's coins", self.seed);
        let over = self.ledger.gone() * UNIT - (lost - cold);
        assert!((0..UNIT).contains(&over), "seed {}: the ledger let go {over} more than the chain", self.seed);
        assert_eq!(self.ledger.held(), 0, "seed {}: nothing is held any more", self.seed);
        self.check_coins();
    }

    /// No two withdrawals that were ever signed spend the same coin.
    pub fn check_coins(&self) {
        let mut owners = std::collections::BTreeMap::new();
        let mut last = std::collections::BTreeMap::new();
        for event in &self.ledger.events {
            match event {
                Event::WithdrawalAllocated(allocated) => {
                    last.insert(allocated.withdrawal, **allocated);
                }
                Event::WithdrawalSigned(signed) => {
                    for input in last[&signed.withdrawal].inputs.as_slice() {
                        let owner = *owners.entry((input.tx, input.output)).or_insert(signed.withdrawal);
                        assert_eq!(owner, signed.withdrawal, "seed {}: a coin of two withdrawals", self.seed);
                    }
                }
                _ => {}
            }
        }
    }
}
