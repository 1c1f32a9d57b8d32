//! What clients, operators and a chain's watcher ask of withdrawals, and of moves between the exchange's own addresses: mostly
//! the next step of one of the last few, so that some come to their ends.

mod stories;

use wire::command::{
    AllocateWithdrawal, AllowAddress, ApproveLoosening, ApproveWithdrawal, CancelWithdrawal, DropLoosening,
    FailWithdrawal, FreezeChain, GatherWithdrawals, ListChainAsset, Loosening, MoveFunds, ProposeLoosening,
    RefuseWithdrawal, ReleaseWithdrawal, ReportDeposit, ReportWithdrawal, RequestWithdrawal, RestrictWithdrawals,
    SetHotWallet, SetWithdrawalRules, SignWithdrawal,
};
use wire::event::WithdrawalChanged;
use wire::{
    AccountId, AccountName, AddressFormat, Amount, AssetId, BatchMembers, ChainAddress, ChainFreeze, ChainHash,
    ChainId, ChainInput, ChainInputs, ClientOrderId, Command, HotWalletBounds, LooseningId, Sighting, TransactionBytes,
    WithdrawalId, WithdrawalPurpose, WithdrawalRules,
};

use super::Flow;

const CHAIN: ChainId = ChainId::new(1);
/// Of the first chain's coin: more is too much.
const NETWORK_FEE_MAX: u128 = 5_000;

/// What an output holds that a withdrawal may spend: enough for the largest.
const COIN: u64 = 10_000_000;
/// Of its units, one of the ledger's.
const UNIT: u64 = 100;

/// More than the house has.
const HUGE_FEE: u128 = 10_u128.pow(15);

fn amount(units: i64) -> Amount {
    Amount::new(units).expect("an amount")
}

fn address(text: &str) -> ChainAddress {
    ChainAddress::new(text.as_bytes()).expect("a short address")
}

fn rules(house: u32) -> WithdrawalRules {
    WithdrawalRules {
        is_enabled: true,
        amount_min: amount(100),
        amount_max: amount(50_000),
        fee: amount(30),
        account_day_max: amount(90_000),
        day_max: amount(150_000),
        review_from: amount(5_000),
        approvals: 2,
        address_delay_s: 0,
        confirmations: 2,
        network_fee_max: NETWORK_FEE_MAX,
        house: AccountId::new(house),
    }
}

/// A third asset of the first chain, with fewer decimals than the ledger's; rules for all three, and a hot wallet of its coin.
pub(super) fn founding(accounts: u32) -> Vec<Command> {
    let mut commands = vec![Command::ListChainAsset(Box::new(ListChainAsset {
        chain: CHAIN,
        asset: AssetId::new(3),
        contract: address("0xd0"),
        chain_decimals: 4,
        deposit_min: 1,
        confirmations: 2,
        large_from: amount(0),
        large_confirmations: 0,
    }))];
    for (asset, network_fee_max) in [(1, NETWORK_FEE_MAX), (2, HUGE_FEE), (3, NETWORK_FEE_MAX)] {
        let rules = WithdrawalRules { network_fee_max, ..rules(accounts) };
        let set = SetWithdrawalRules { chain: CHAIN, asset: AssetId::new(asset), rules };
        commands.push(Command::SetWithdrawalRules(Box::new(set)));
    }
    let (low, high, target, sweep_from) = (amount(10), amount(1_000), amount(500), amount(50));
    let bounds = HotWalletBounds { low, high, target, sweep_from, cold: address("cold") };
    commands.push(Command::SetHotWallet(Box::new(SetHotWallet { chain: CHAIN, asset: AssetId::new(1), bounds })));
    commands
}

/// Where it lists a chain, of one whose transactions have outputs: several withdrawals may leave by one.
pub(super) fn pays_outputs(command: &mut Command) {
    if let Command::ListChain(list) = command {
        list.addresses = AddressFormat::bitcoin_regtest();
    }
}

/// Every other one spends an output of its own, a batch as well, and a child what its parent gives back.
fn is_by_outputs(row: &WithdrawalChanged) -> bool {
    let is_always = matches!(row.purpose, WithdrawalPurpose::Child | WithdrawalPurpose::Batch);
    is_always || (row.asset.get() == 1 && row.withdrawal.get() % 2 == 1)
}

/// What the output holds that it spends: a batch pays several.
fn coin_of(row: &WithdrawalChanged) -> u64 {
    if row.purpose == WithdrawalPurpose::Batch { 8 * COIN } else { COIN }
}

/// The hash of a withdrawal's transaction.
fn tx_of(withdrawal: WithdrawalId, attempt: u8) -> ChainHash {
    ChainHash([(withdrawal.get() % 60) as u8 * 4 + attempt % 4; 32])
}

impl Flow {
    pub(super) fn withdrawal_command(&mut self, account: AccountId) -> Command {
        if let Some(parent) = self.stuck()
            && self.below(3) == 0
        {
            return Command::MoveFunds(Box::new(self.wanted_child(&parent)));
        }
        match self.below(24) {
            0 | 1 => return self.gathering().unwrap_or_else(|| self.releasing()),
            2 => return self.releasing(),
            _ => {}
        }
        match self.below(46) {
            0..3 => Command::RequestWithdrawal(Box::new(self.request(account))),
            3..7 => Command::MoveFunds(Box::new(self.wanted_move())),
            7 => {
                let reason = self.one_of(&[ChainFreeze::Thawed, ChainFreeze::Thawed, ChainFreeze::NoMajority]);
                Command::FreezeChain(FreezeChain { chain: CHAIN, fence: 0, reason })
            }
            8 => {
                let set = Loosening::SetWithdrawalRules(Box::new(self.rules_to_set()));
                self.by_one_or_two(set)
            }
            9 => {
                let is_blocked = self.below(12) == 0;
                let is_allow_listed = self.below(10) == 0;
                let restrict = RestrictWithdrawals { account, is_blocked, is_allow_listed };
                self.by_one_or_two(Loosening::RestrictWithdrawals(restrict))
            }
            10..12 => {
                let (chain, address) = (self.one_of(&[CHAIN, CHAIN, ChainId::new(3)]), self.destination());
                let is_allowed = self.below(3) > 0;
                let allow = AllowAddress { account, chain, address, is_allowed };
                self.by_one_or_two(Loosening::AllowAddress(Box::new(allow)))
            }
            12 => {
                let account = if self.below(2) == 0 { account } else { AccountId::new(0) };
                Command::CancelWithdrawal(CancelWithdrawal { withdrawal: self.recent_payment(), account })
            }
            13 => Command::SetHotWallet(Box::new(self.hot_wallet())),
            14..18 => {
                let (withdrawal, step) = (self.recent_payment(), self.below(14) as u8);
                let attempt = self.one_of(&[0, 1, 1, 2, 3]);
                self.step_of(withdrawal, step, attempt)
            }
            40..46 => self.about_a_proposal(),
            _ => {
                let child = self.child_under_way().filter(|_| self.below(3) == 0);
                let withdrawal = child.unwrap_or_else(|| self.recent_payment());
                let at = (withdrawal.get() as usize).checked_sub(1).filter(|at| *at < self.payments.len());
                let (step, attempt) = at.map_or((2, 1), |at| self.payments[at]);
                // Helped by a child, it is mined as it is.
                if step == 2 && attempt > 1 && self.has_child(withdrawal) && self.below(2) > 0 {
                    return self.step_of(withdrawal, 7, attempt - 1);
                }
                // Refused by the signer; overdue, and so another attempt; or overtaken by a stranger's.
                let does = match (step, self.below(8)) {
                    (3, 0) => 9,
                    (5, 0..2) => 12,
                    (5, 2) => 11,
                    _ => step,
                };
                if let Some(at) = at {
                    self.payments[at] = match (step, does) {
                        (_, 12) => (2, attempt + 1),
                        (_, 11) => (10, attempt),
                        (8.., _) => (6, attempt),
                        _ => (step + 1, attempt),
                    };
                }
                self.step_of(withdrawal, does, attempt)
            }
        }
    }

    /// Some of the last that may be held and due, as far as anybody remembers here; seldom others.
    fn gathering(&mut self) -> Option<Command> {
        let is_any = self.below(10) == 0;
        let is_held = |at: &usize| {
            let row = &self.begun[*at];
            let is_coin = (row.purpose, row.asset.get()) == (WithdrawalPurpose::Payment, 1);
            is_any || (is_coin && matches!(self.payments.get(*at), Some((0..=2, 1))))
        };
        let last = (0..self.begun.len()).rev().take(24).filter(is_held);
        let mut members: Vec<WithdrawalId> = last.map(|at| self.begun[at].withdrawal).collect();
        members.truncate(2 + self.below(3) as usize);
        members.sort();
        let members = BatchMembers::new(&members)?;
        let (fence, asset) = (self.one_of(&[1, 1, 1, 1, 1, 2]), self.one_of(&[1, 1, 1, 1, 1, 1, 1, 2]));
        let turn = self.moves() + u64::from(self.below(10) == 0);
        let gather = GatherWithdrawals { chain: CHAIN, fence, turn, asset: AssetId::new(asset), members };
        Some(Command::GatherWithdrawals(Box::new(gather)))
    }

    fn releasing(&mut self) -> Command {
        let withdrawal = self.recent_payment();
        let release = ReleaseWithdrawal { chain: CHAIN, fence: self.one_of(&[1, 1, 1, 1, 2]), withdrawal };
        Command::ReleaseWithdrawal(release)
    }

    /// Of the first chain, to the first address, by a transaction that seldom came before.
    fn coins(&mut self) -> ReportDeposit {
        let tx = ChainHash([50 + self.below(100) as u8; 32]);
        ReportDeposit {
            chain: CHAIN,
            fence: 1,
            tx,
            output: 5,
            index: 1,
            asset: AssetId::new(1),
            amount: 30_000,
            is_included: true,
            block: ChainHash([200; 32]),
            height: self.one_of(&[10, 20, 21, 22]),
            confirmations: 1,
            is_final: false,
        }
    }

    fn operator(&mut self) -> AccountName {
        let name = self.one_of(&["ann", "ann", "ann", "ben", "ben", "ben", "", "eve"]);
        AccountName::new(name.as_bytes()).expect("a name")
    }

    /// Said by one operator alone, or proposed to another.
    fn by_one_or_two(&mut self, loosening: Loosening) -> Command {
        if self.below(3) > 0 {
            let proposer = self.operator();
            return Command::ProposeLoosening(Box::new(ProposeLoosening { proposer, loosening }));
        }
        match loosening {
            Loosening::SetWithdrawalRules(set) => Command::SetWithdrawalRules(set),
            Loosening::RestrictWithdrawals(restrict) => Command::RestrictWithdrawals(restrict),
            Loosening::AllowAddress(allow) => Command::AllowAddress(allow),
            Loosening::DeclareReserves(declare) => Command::DeclareReserves(declare),
            Loosening::ThawReserves(thaw) => Command::ThawReserves(thaw),
        }
    }

    /// Mostly approved as it was proposed; the newest of all where nobody tells what that was.
    fn about_a_proposal(&mut self) -> Command {
        let at = self.below(3) as usize;
        let proposed = self.proposed.iter().rev().nth(at).or(self.proposed.last()).cloned();
        let other = Loosening::SetWithdrawalRules(Box::new(self.rules_to_set()));
        let (id, loosening) = match proposed {
            Some(proposed) if self.below(10) > 0 => (proposed.id, proposed.loosening),
            Some(proposed) => (proposed.id, other),
            None => (LooseningId::new(1), other),
        };
        let approver = self.operator();
        // While it waits, somebody tightens the same.
        if let Loosening::RestrictWithdrawals(restrict) = loosening
            && self.below(4) == 0
        {
            let (is_blocked, is_allow_listed) = (true, true);
            return Command::RestrictWithdrawals(RestrictWithdrawals { is_blocked, is_allow_listed, ..restrict });
        }
        match self.below(8) {
            0 => Command::DropLoosening(DropLoosening { id, operator: approver }),
            _ => Command::ApproveLoosening(Box::new(ApproveLoosening { id, approver, loosening })),
        }
    }

    /// One of the last three.
    fn recent_payment(&mut self) -> WithdrawalId {
        let last = self.payments.len() as u64;
        WithdrawalId::new(last.saturating_sub(self.one_of(&[0, 0, 1, 1, 2])))
    }

    fn destination(&mut self) -> ChainAddress {
        let strange = self.below(10) == 0;
        address(if strange {
            self.one_of(&["", "", "COLD", "own"])
        } else {
            self.one_of(&["to-1", "to-1", "to-2", "to-3"])
        })
    }

    fn request(&mut self, account: AccountId) -> RequestWithdrawal {
        let name = format!("w{}", self.below(40));
        RequestWithdrawal {
            account,
            chain: self.one_of(&[CHAIN, CHAIN, CHAIN, CHAIN, CHAIN, ChainId::new(2)]),
            asset: AssetId::new(self.one_of(&[1, 1, 1, 2, 2, 3])),
            address: self.destination(),
            amount: amount(self.one_of(&[700, 700, 5_000, 4_999, 50_000, 50_001, 100, 99, 0])),
            name: ClientOrderId::new(if self.below(40) == 0 { b"no+pe" } else { name.as_bytes() }).expect("a name"),
        }
    }

    fn rules_to_set(&mut self) -> SetWithdrawalRules {
        let usual = rules(self.accounts as u32);
        let rules = match self.below(12) {
            0 => WithdrawalRules { is_enabled: false, ..usual },
            1 => WithdrawalRules { amount_min: amount(0), ..usual },
            2 => WithdrawalRules { approvals: self.one_of(&[0, 4]), ..usual },
            3 => WithdrawalRules { review_from: amount(0), approvals: 0, fee: amount(0), ..usual },
            4 => WithdrawalRules { network_fee_max: 0, ..usual },
            5 => WithdrawalRules { house: AccountId::new(4), ..usual },
            6 => WithdrawalRules { confirmations: 0, ..usual },
            7..9 => WithdrawalRules { address_delay_s: 1, ..usual },
            _ => usual,
        };
        SetWithdrawalRules { chain: CHAIN, asset: AssetId::new(self.one_of(&[1, 2, 3])), rules }
    }

    fn hot_wallet(&mut self) -> SetHotWallet {
        let cold = address(self.one_of(&["cold", "cold", ""]));
        let (low, high) = (amount(self.one_of(&[10, 10, 900])), amount(self.one_of(&[1_000, 1_000, 0])));
        let target = amount(self.one_of(&[500, 500, 0]));
        let bounds = HotWalletBounds { low, high, target, sweep_from: amount(self.one_of(&[50, 0])), cold };
        SetHotWallet { chain: CHAIN, asset: AssetId::new(self.one_of(&[1, 1, 2, 3])), bounds }
    }

    /// The last child that has not come to its end, as far as its steps go: few come up, and all of their ways are wanted.
    fn child_under_way(&self) -> Option<WithdrawalId> {
        let under_way = |row: &&WithdrawalChanged| {
            let (step, _) = self.payments[row.withdrawal.get() as usize - 1];
            row.purpose == WithdrawalPurpose::Child && step < 8
        };
        self.begun.iter().rev().find(under_way).map(|row| row.withdrawal)
    }

    fn has_child(&self, parent: WithdrawalId) -> bool {
        self.begun.iter().any(|row| row.parent == parent)
    }

    /// One of the last few that may be stuck and spends outputs, as far as anybody remembers here; seldom one with a child.
    fn stuck(&mut self) -> Option<WithdrawalChanged> {
        let is_any = self.below(30) == 0;
        let is_stuck = |at: &usize| {
            let row = self.begun[*at];
            let is_alone = is_by_outputs(&row) && !self.has_child(row.withdrawal);
            (is_alone || is_any) && matches!(self.payments.get(*at), Some((2, 2..)))
        };
        let stuck: Vec<usize> = (0..self.begun.len()).rev().take(4).filter(is_stuck).collect();
        let chosen = self.below(stuck.len().max(1) as u64) as usize;
        stuck.get(chosen).map(|at| self.begun[*at])
    }

    /// What a withdrawal's transaction gives back, if it spends an output, and its parent's first does.
    fn change(&self, of: &WithdrawalChanged, attempt: u8) -> u64 {
        let parent = self.begun.get((of.parent.get() as usize).wrapping_sub(1));
        let (funds, given) = match (of.purpose, parent) {
            (WithdrawalPurpose::Child, Some(parent)) => (self.change(parent, 1), 0),
            (WithdrawalPurpose::Sweep, _) => (COIN, 0),
            _ => (coin_of(of), of.amount.units() as u64 * UNIT),
        };
        funds.saturating_sub(given + u64::from(attempt) * 1_000)
    }

    /// A child of what may be stuck, mostly for all that its first transaction gives back.
    fn wanted_child(&mut self, parent: &WithdrawalChanged) -> MoveFunds {
        let units = self.change(parent, 1) / UNIT + u64::from(self.below(12) == 0);
        MoveFunds {
            chain: CHAIN,
            fence: 1,
            turn: self.moves(),
            asset: if self.below(12) == 0 { AssetId::new(2) } else { parent.asset },
            purpose: WithdrawalPurpose::Child,
            key: u32::from(self.below(16) == 0),
            parent: parent.withdrawal,
            address: address(if self.below(12) == 0 { "" } else { "hot" }),
            amount: amount(units as i64),
        }
    }

    fn moves(&self) -> u64 {
        self.begun.iter().filter(|row| row.purpose.is_of_house()).count() as u64
    }

    fn wanted_move(&mut self) -> MoveFunds {
        let purposes = [WithdrawalPurpose::Sweep, WithdrawalPurpose::Cold, WithdrawalPurpose::Gas];
        let purpose = if self.below(12) == 0 { WithdrawalPurpose::Payment } else { self.one_of(&purposes) };
        let key = self.below(4) as u32;
        let to = match purpose {
            WithdrawalPurpose::Gas => format!("of-{key}"),
            _ => "cold".to_owned(),
        };
        let turn = self.moves() + u64::from(self.below(8) == 0);
        MoveFunds {
            chain: CHAIN,
            fence: self.one_of(&[1, 1, 1, 1, 1, 2]),
            turn,
            asset: AssetId::new(self.one_of(&[1, 1, 1, 2])),
            purpose,
            key,
            parent: if self.below(30) == 0 { self.recent_payment() } else { WithdrawalId::new(0) },
            address: if self.below(12) == 0 { self.destination() } else { address(&to) },
            amount: amount(self.one_of(&[40, 40, 50, 51, 0])),
        }
    }

    /// 0 and 1 approve, 2 allocates, 3 signs, and so on until it is deep enough; from 9 on what goes wrong.
    fn step_of(&mut self, withdrawal: WithdrawalId, step: u8, attempt: u8) -> Command {
        let (chain, fence) = (CHAIN, self.one_of(&[1, 1, 1, 1, 1, 1, 1, 2]));
        let tx = match self.below(24) {
            0 => ChainHash([0; 32]),
            _ => tx_of(withdrawal, attempt),
        };
        match step {
            0 | 1 => {
                let approver = AccountName::new(if step == 0 { b"ann" } else { b"ben" }).expect("a name");
                let approver = if self.below(20) == 0 { AccountName::EMPTY } else { approver };
                Command::ApproveWithdrawal(ApproveWithdrawal { withdrawal, approver })
            }
            2 => Command::AllocateWithdrawal(Box::new(self.allocation(withdrawal, fence, attempt))),
            3 => {
                let bytes = TransactionBytes::new(vec![attempt, 7]).expect("some bytes");
                Command::SignWithdrawal(Box::new(SignWithdrawal { chain, fence, withdrawal, attempt, tx, bytes }))
            }
            9 => Command::RefuseWithdrawal(RefuseWithdrawal { chain, fence, withdrawal, attempt }),
            10 => Command::FailWithdrawal(FailWithdrawal { withdrawal }),
            _ => {
                let is_good = [Sighting::Sent, Sighting::Pooled, Sighting::Included, Sighting::Included];
                let is_bad = [Sighting::Dropped, Sighting::Undone, Sighting::Gone, Sighting::Overdue];
                let is_undone = step == 6 && self.below(4) == 0;
                let sighting = match step {
                    _ if is_undone => Sighting::Undone,
                    4..=7 => is_good[usize::from(step) - 4],
                    8 => self.one_of(&[Sighting::Included, Sighting::Gone]),
                    11 => Sighting::Conflicting,
                    12 => Sighting::Overdue,
                    _ => self.one_of(&is_bad),
                };
                Command::ReportWithdrawal(Box::new(ReportWithdrawal {
                    chain,
                    fence,
                    withdrawal,
                    tx,
                    sighting,
                    block: ChainHash([self.one_of(&[210, 210, 211]); 32]),
                    height: self.one_of(&[20, 20, 21]),
                    confirmations: self.below(4) as u32,
                    is_final: self.below(2) == 0,
                    network_fee: u128::from(self.one_of(&[930_u32, 930, 950, 950, 1_000, 1_001])),
                }))
            }
        }
    }

    /// By a nonce of its own, or by an output.
    fn allocation(&mut self, withdrawal: WithdrawalId, fence: u64, attempt: u8) -> AllocateWithdrawal {
        let network_fee = match self.below(16) {
            0 => self.one_of(&[0, NETWORK_FEE_MAX + 1, NETWORK_FEE_MAX]),
            1 => HUGE_FEE,
            _ => u128::from(attempt) * 1_000,
        };
        let nonce = withdrawal.get() + self.one_of(&[0, 0, 0, 0, 0, 0, 0, 1]);
        let usual = AllocateWithdrawal {
            chain: CHAIN,
            fence,
            withdrawal,
            attempt,
            inputs: ChainInputs::EMPTY,
            nonce,
            network_fee,
            gas_limit: self.one_of(&[21_000, 21_000, 21_000, 21_000, 21_000, 0]),
            tip_per_gas: 2,
        };
        let row = self.begun.get((withdrawal.get() as usize).wrapping_sub(1)).copied();
        let is_usual = self.below(12) > 0;
        let input = match row.filter(|_| is_usual) {
            Some(row) if row.purpose == WithdrawalPurpose::Child => {
                let of = self.one_of(&[1, 1, 1, 2]);
                let parent = self.begun.get((row.parent.get() as usize).wrapping_sub(1)).copied();
                let amount = parent.map_or(0, |parent| self.change(&parent, of)) + u64::from(self.below(20) == 0);
                ChainInput { tx: tx_of(row.parent, of), output: 1, amount, key: u32::from(self.below(20) == 0) }
            }
            Some(row) if is_by_outputs(&row) => {
                // Seldom what another of the last ones spends.
                let is_other = |other: &&WithdrawalChanged| other.withdrawal != withdrawal && is_by_outputs(other);
                let other = self.begun.iter().rev().find(is_other).map(|other| other.withdrawal);
                let owner = other.filter(|_| self.chance.below(12) == 0).unwrap_or(withdrawal);
                let output = owner.get() as u32 + 3;
                ChainInput { tx: ChainHash([250; 32]), output, amount: coin_of(&row), key: 0 }
            }
            _ if self.below(8) > 0 => return usual,
            _ => {
                let (output, amount) = (self.below(3) as u32, self.one_of(&[COIN, COIN, 1_000]));
                ChainInput { tx: ChainHash([250; 32]), output, amount, key: 0 }
            }
        };
        let inputs = ChainInputs::new(&[input]).expect("one");
        let (nonce, gas_limit, tip_per_gas) = (0, 0, u128::from(self.below(12) == 0));
        AllocateWithdrawal { inputs, nonce, gas_limit, tip_per_gas, ..usual }
    }
}
