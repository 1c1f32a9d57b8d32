//! Money that moves between addresses of the exchange, and a hot wallet that keeps within its bounds.

use std::collections::BTreeMap;

use chainwatch::signer::evm::{EvmScheme, address_at};
use chainwatch::signer::vault::Vault;
use chainwatch::withdrawals::{Account, Unfunded};
use wire::command::{
    BindAddress, ListAsset, ListChainAsset, MoveFunds, Reply, RequestAddress, RestrictWithdrawals, SetHotWallet,
    SetWithdrawalRules,
};
use wire::{
    Amount, AssetId, ChainAddress, ChainFreeze, Command, Event, HotWalletBounds, RejectReason, WithdrawalPurpose,
    WithdrawalRules, WithdrawalStage,
};

use super::evm::{Bed, account};
use super::ledger::{ALICE, CHAIN, COIN, HOUSE, amount};
use super::world::{Death, World};

pub const TOKEN: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
const DOLLAR: AssetId = AssetId::new(2);

#[test]
fn deposits_are_swept_together_once_they_are_worth_it_and_clients_come_first() {
    let mut world = World::quiet(5);
    world.bound([0, 0, 0, 42_001]);
    world.work(40);
    assert_eq!(world.moved(WithdrawalPurpose::Sweep), []);
    world.bound([0, 0, 0, 10_000]);
    world.heal();
    world.work(40);
    world.heal();
    // Six coins of 7,000; each withdrawal has taken one, and the rest moves at once.
    assert_eq!(world.moved(WithdrawalPurpose::Sweep), [28_000]);
    world.work(40);
    assert_eq!(world.count(WithdrawalStage::Settled), 3, "two withdrawals, and no second sweep of what is swept");
    world.check();
}

#[test]
fn what_is_above_the_upper_bound_goes_to_the_cold_address_down_to_the_target_and_not_below_it() {
    let mut world = World::new(9);
    world.start();
    world.bound([0, 42_001, 30_000, 0]);
    world.work(40);
    assert!(!world.hot()[0].is_high() && world.ledger.rows().is_empty(), "one unit below the bound");
    world.bound([0, 42_000, 30_000, 0]);
    assert!(world.hot()[0].is_high());
    world.work(40);
    world.heal();
    assert_eq!(world.moved(WithdrawalPurpose::Cold), [12_000]);
    world.work(40);
    assert_eq!(world.ledger.rows().len(), 1, "once");
    world.check();
}

#[test]
fn no_withdrawal_leaves_less_than_the_lower_bound_and_it_goes_on_when_more_is_there() {
    let mut world = World::quiet(4);
    world.bound([38_001, 0, 0, 0]);
    world.work(40);
    assert_eq!(world.stages(), [WithdrawalStage::Mempool, WithdrawalStage::Held], "3,000 and 4,000 of 42,000");
    assert_eq!(world.unfunded(), [Unfunded::HotWalletAtBound]);
    world.bound([0, 0, 0, 0]);
    world.heal();
    assert_eq!(world.count(WithdrawalStage::Settled), 2);
    world.check();
}

#[test]
fn what_the_chain_gets_counts_against_the_lower_bound() {
    let mut world = World::quiet(4);
    // 3,000 of 42,000 leave just the bound; what the chain gets for it is missing then.
    world.bound([39_000, 0, 0, 0]);
    world.work(40);
    assert_eq!(world.stages(), [WithdrawalStage::Held, WithdrawalStage::Held]);
    assert_eq!(world.unfunded(), [Unfunded::HotWalletAtBound, Unfunded::HotWalletAtBound]);
}

#[test]
fn a_withdrawal_that_waits_for_its_address_stops_no_sweep() {
    let mut world = World::new(9);
    world.start();
    let (now, _) = world.claimed();
    world.ledger.delay_addresses(now, 3_600);
    world.ledger.request(now, 1, &super::world::address(1), 3_000);
    world.bound([0, 0, 0, 10_000]);
    world.work(40);
    let rows = world.ledger.rows();
    let swept: Vec<i128> =
        rows.iter().filter(|row| row.purpose == WithdrawalPurpose::Sweep).map(|row| row.amount.wide()).collect();
    assert_eq!(swept, [42_000]);
    assert_eq!(world.count(WithdrawalStage::Held), 1, "its hour is not over");
}

#[test]
fn a_withdrawal_that_operators_have_stopped_stops_no_sweep() {
    let mut world = World::new(9);
    world.start();
    let (now, _) = world.claimed();
    world.ledger.request(now, 1, &super::world::address(1), 3_000);
    let restrict = RestrictWithdrawals { account: ALICE, is_blocked: true, is_allow_listed: false };
    let reply = world.ledger.apply(now, &Command::RestrictWithdrawals(restrict));
    assert!(matches!(reply, Reply::Accepted { .. }), "{reply:?}");
    world.bound([0, 0, 0, 10_000]);
    world.work(40);
    let rows = world.ledger.rows();
    let swept = rows.iter().filter(|row| row.purpose == WithdrawalPurpose::Sweep);
    assert_eq!(swept.map(|row| row.amount.wide()).collect::<Vec<_>>(), [42_000]);
    assert_eq!(world.count(WithdrawalStage::Held), 1);
}

/// An executor dies before, in and after every step of every move; another goes on, and nothing moves twice.
#[test]
fn a_move_happens_once_whenever_its_executor_dies() {
    let mut points = 0;
    for death in [Death::BeforeStep, Death::AfterStep, Death::AfterAnswer] {
        for at in 0.. {
            let mut world = World::quiet(7);
            world.bound([0, 30_000, 28_000, 10_000]);
            world.die_at(at, death);
            for _ in 0..4 {
                world.heal();
                world.work(60);
            }
            world.heal();
            world.check();
            assert_eq!(world.moved(WithdrawalPurpose::Cold).len(), 1, "{death:?} at step {at}");
            assert_eq!(world.moved(WithdrawalPurpose::Sweep).len(), 1, "{death:?} at step {at}");
            if !world.has_died() {
                break;
            }
            points += 1;
        }
    }
    assert!(points >= 40, "{points} points of failure");
}

#[test]
fn a_proposal_of_a_move_that_comes_twice_or_too_late_moves_nothing() {
    let mut world = World::new(2);
    world.start();
    world.bound([0, 0, 0, 10_000]);
    let (now, fence) = world.claimed();
    let sweep = |turn, fence| {
        let (asset, purpose, key, parent) = (COIN, WithdrawalPurpose::Sweep, 0, wire::WithdrawalId::default());
        let address = ChainAddress::new(b"own").expect("short");
        Command::MoveFunds(Box::new(MoveFunds {
            chain: CHAIN,
            fence,
            turn,
            asset,
            purpose,
            key,
            parent,
            address,
            amount: amount(5_000),
        }))
    };
    let reason = |reply: Reply| match reply {
        Reply::Rejected { reason, .. } => Some(reason),
        Reply::Accepted { .. } => None,
    };
    let stale = world.ledger.apply(now, &sweep(0, fence + 1));
    assert_eq!(reason(stale), Some(RejectReason::StaleFence));
    let first = world.ledger.apply(now, &sweep(0, fence));
    assert_eq!(reason(first), None);
    for turn in [0, 1, 2] {
        let again = world.ledger.apply(now, &sweep(turn, fence));
        assert_eq!(reason(again), Some(RejectReason::MoveOutOfTurn), "turn {turn}");
    }
    world.ledger.change_leader();
    let again = world.ledger.apply(now, &sweep(0, fence));
    assert_eq!(reason(again), Some(RejectReason::MoveOutOfTurn));
}

impl Bed {
    fn must(&mut self, command: Command) {
        let reply = self.ledger.apply(self.now, &command);
        assert!(matches!(reply, Reply::Accepted { .. }), "{command:?}: {reply:?}");
    }

    /// A token beside the coin, alice's address bound as the first, and deposits swept.
    fn sweeping(coins_from: i64, tokens_from: i64) -> Bed {
        let mut bed = Bed::with_a_signer_that_pays(20_000);
        let text = |text: &str| ChainAddress::new(text.as_bytes()).expect("short");
        bed.must(Command::ListAsset(ListAsset {
            symbol: wire::Symbol::new(b"USD").expect("short"),
            ledger_decimals: 6,
        }));
        bed.must(Command::ListChainAsset(Box::new(ListChainAsset {
            chain: CHAIN,
            asset: DOLLAR,
            contract: text(TOKEN),
            chain_decimals: 6,
            deposit_min: 1,
            confirmations: 3,
            large_from: Amount::ZERO,
            large_confirmations: 0,
        })));
        let rules = WithdrawalRules {
            is_enabled: true,
            amount_min: amount(1),
            amount_max: amount(1_000_000),
            fee: Amount::ZERO,
            account_day_max: Amount::ZERO,
            day_max: Amount::ZERO,
            review_from: Amount::ZERO,
            approvals: 0,
            address_delay_s: 0,
            confirmations: 3,
            network_fee_max: 20_000,
            house: HOUSE,
        };
        bed.must(Command::SetWithdrawalRules(Box::new(SetWithdrawalRules { chain: CHAIN, asset: DOLLAR, rules })));
        bed.must(Command::RequestAddress(RequestAddress { account: ALICE, chain: CHAIN }));
        let address = text(&address_at(&scheme(), 1).expect("a key").to_string());
        let bind = BindAddress { chain: CHAIN, fence: bed.fence, index: 1, address };
        bed.must(Command::BindAddress(Box::new(bind)));
        for (asset, sweep_from) in [(COIN, coins_from), (DOLLAR, tokens_from)] {
            let zero = Amount::ZERO;
            let (sweep_from, cold) = (amount(sweep_from), ChainAddress::EMPTY);
            let bounds = HotWalletBounds { low: zero, high: zero, target: zero, sweep_from, cold };
            bed.must(Command::SetHotWallet(Box::new(SetHotWallet { chain: CHAIN, asset, bounds })));
        }
        bed
    }

    /// A credited deposit at the first address.
    fn deposit(&mut self, asset: AssetId, amount: u128) {
        let fence = self.fence;
        self.must(Command::ReportDeposit(Box::new(wire::command::ReportDeposit {
            chain: CHAIN,
            fence,
            tx: wire::ChainHash([amount as u8; 32]),
            output: 0,
            index: 1,
            asset,
            amount,
            is_included: true,
            block: wire::ChainHash([3; 32]),
            height: 90,
            confirmations: 3,
            is_final: true,
        })));
    }

    fn purposes(&self) -> Vec<(WithdrawalPurpose, WithdrawalStage, i128)> {
        self.ledger.rows().iter().map(|row| (row.purpose, row.stage, row.amount.wide())).collect()
    }

    /// The last that was sent is on the chain, deep enough.
    fn settle_last(&mut self, key: u32, nonce: u64) {
        let tx = *self.sent.last().expect("something was sent");
        self.include_of(key, tx, nonce);
        self.facts.head.height.0 += 2;
        self.work();
        self.facts.head.height.0 += 2;
    }
}

fn scheme() -> EvmScheme {
    EvmScheme { chain_id: 31_337, xpub: Vault::from_seed([7; 32]).account_public("m/44'/60'/0'").expect("an account") }
}

fn with_tokens(height: u64, next_nonce: u64, coins: u128, tokens: u128) -> Account {
    let token = ChainAddress::new(TOKEN.as_bytes()).expect("short");
    let funds = BTreeMap::from([(ChainAddress::EMPTY, coins), (token, tokens)]);
    Account { height, next_nonce, settled: funds.clone(), funds }
}

#[test]
fn the_account_at_a_deposit_address_is_swept_down_to_what_its_gas_may_cost() {
    let mut bed = Bed::sweeping(1_000, 0);
    bed.deposit(COIN, 99_999);
    bed.facts.accounts.insert(1, account(0, 99_999));
    bed.work();
    assert_eq!(bed.purposes(), [], "less than it is worth");
    bed.deposit(COIN, 200_000);
    // What is not final yet is left where it is.
    let mut young = account(0, 299_999);
    young.settled.insert(ChainAddress::EMPTY, 99_999);
    bed.facts.accounts.insert(1, young);
    bed.work();
    assert_eq!(bed.purposes(), []);
    bed.facts.accounts.insert(1, account(0, 299_999));
    bed.work();
    // Two transfers of 100 gas at 100 are kept back: 20,000 units of the chain, 200 of the ledger.
    assert_eq!(bed.purposes(), [(WithdrawalPurpose::Sweep, WithdrawalStage::Mempool, 2_799)]);
    let owed = bed.ledger.gone();
    bed.settle_last(1, 0);
    bed.facts.accounts.insert(1, account(1, 15_099));
    bed.work();
    assert_eq!(bed.purposes(), [(WithdrawalPurpose::Sweep, WithdrawalStage::Settled, 2_799)], "once");
    assert_eq!(bed.ledger.gone() - owed, 50, "the house has paid the chain its 5,000, and nothing else is booked");
}

#[test]
fn an_address_with_tokens_and_no_coins_gets_gas_and_then_is_swept_and_the_gas_is_nobodys_deposit() {
    let mut bed = Bed::sweeping(0, 500);
    bed.deposit(DOLLAR, 700);
    bed.facts.accounts.insert(1, with_tokens(99, 0, 150, 700));
    bed.work();
    // A transfer of a token takes 200 gas at 100, which is all that a transaction may pay; 150 are there.
    assert_eq!(bed.purposes(), [(WithdrawalPurpose::Gas, WithdrawalStage::Mempool, 199)]);
    let gift = *bed.sent.last().expect("sent");
    let report = wire::command::ReportDeposit {
        chain: CHAIN,
        fence: bed.fence,
        tx: gift,
        output: 0,
        index: 1,
        asset: COIN,
        amount: 19_900,
        is_included: true,
        block: wire::ChainHash([3; 32]),
        height: 100,
        confirmations: 9,
        is_final: true,
    };
    bed.ledger.change_leader();
    let reply = bed.ledger.apply(bed.now, &Command::ReportDeposit(Box::new(report)));
    assert!(matches!(reply, Reply::Rejected { reason: RejectReason::WithdrawalMismatch, .. }), "{reply:?}");
    bed.settle_last(0, 5);
    bed.work();
    assert_eq!(bed.purposes().len(), 1, "what nodes said before the gas was there asks for no more of it");
    bed.facts.accounts.insert(1, with_tokens(104, 0, 20_050, 700));
    bed.work();
    let (gas, sweep) = (WithdrawalPurpose::Gas, WithdrawalPurpose::Sweep);
    let wanted = [(gas, WithdrawalStage::Settled, 199), (sweep, WithdrawalStage::Mempool, 700)];
    assert_eq!(bed.purposes(), wanted);
    bed.settle_last(1, 0);
    bed.work();
    assert_eq!(bed.purposes()[1].1, WithdrawalStage::Settled);
    let credited = bed.ledger.events.iter().filter(|event| matches!(event, Event::Credited(_))).count();
    assert_eq!(credited, 3, "two by the operator and one deposit");
}

#[test]
fn nothing_moves_on_a_frozen_chain() {
    let mut bed = Bed::sweeping(1_000, 0);
    bed.deposit(COIN, 200_000);
    bed.facts.accounts.insert(1, account(0, 200_000));
    bed.ledger.freeze(bed.now, true);
    bed.work();
    assert_eq!(bed.purposes(), []);
    let frozen = bed.ledger.events.iter().rev().find_map(|event| match event {
        Event::ChainFrozen(frozen) => Some(frozen.reason),
        _ => None,
    });
    assert_eq!(frozen, Some(ChainFreeze::NoMajority));
    bed.ledger.freeze(bed.now, false);
    bed.work();
    assert_eq!(bed.purposes().len(), 1);
}

#[test]
fn what_keys_of_ours_have_signed_and_the_log_does_not_know_is_told_and_nothing_else() {
    let mut bed = Bed::sweeping(1_000, 0);
    bed.deposit(COIN, 200_000);
    bed.facts.accounts.insert(1, account(0, 200_000));
    bed.work();
    bed.settle_last(1, 0);
    bed.work();
    assert!(bed.executor.strangers(&bed.facts).is_empty(), "a sweep of ours");
    // Whoever has the keys of the deposit address takes what is left there.
    let stranger = wire::ChainHash([9; 32]);
    bed.facts.spent.insert(chainwatch::withdrawals::Spend::Nonce(1, 1), (stranger, 104));
    assert_eq!(bed.executor.strangers(&bed.facts), [stranger].into());
}

impl Bed {
    /// The hot wallet's bounds in the coin, deposits swept or not.
    fn bound(&mut self, [low, high, target, sweep_from]: [i64; 4]) {
        let [low, high, target, sweep_from] = [low, high, target, sweep_from].map(amount);
        let cold = if high.is_zero() { ChainAddress::EMPTY } else { cold() };
        let bounds = HotWalletBounds { low, high, target, sweep_from, cold };
        self.must(Command::SetHotWallet(Box::new(SetHotWallet { chain: CHAIN, asset: COIN, bounds })));
    }

    fn pass_an_hour(&mut self) {
        self.now = self.now.plus_nanos(3_600 * 1_000_000_000);
        self.fence = self.ledger.claim(self.now, 1).expect("its own claim");
    }
}

fn cold() -> ChainAddress {
    ChainAddress::new(b"0x70997970C51812dc3A010C7d01b50e0d17dc79C8").expect("short")
}

#[test]
fn a_move_that_the_signer_refuses_is_tried_again_after_an_hour_or_with_other_bounds() {
    let mut bed = Bed::new();
    bed.facts.accounts.insert(0, account(5, 1_000_000));
    // The signer has no cold address.
    bed.bound([0, 8_000, 5_000, 0]);
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Failed]);
    bed.work();
    assert_eq!(bed.stages().len(), 1, "not at once");
    bed.pass_an_hour();
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Failed; 2]);
    bed.bound([0, 9_000, 5_000, 0]);
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Failed; 3], "the operator has looked at it");
}

#[test]
fn tokens_that_cannot_be_moved_from_an_address_are_tried_once_for_each_deposit() {
    let mut bed = Bed::sweeping(0, 500);
    bed.deposit(DOLLAR, 700);
    bed.facts.accounts.insert(1, with_tokens(104, 0, 90_000, 700));
    bed.work();
    let tx = *bed.sent.last().expect("sent");
    bed.include_undone(1, tx, 0);
    bed.facts.head.height.0 += 2;
    bed.work();
    assert_eq!(bed.stages(), [WithdrawalStage::Failed]);
    bed.facts.accounts.insert(1, with_tokens(104, 1, 85_000, 700));
    for _ in 0..3 {
        bed.pass_an_hour();
        bed.work();
    }
    assert_eq!(bed.stages().len(), 1);
    bed.deposit(DOLLAR, 900);
    bed.work();
    assert_eq!(bed.stages().len(), 2);
}

#[test]
fn what_nodes_said_of_the_hot_wallet_before_a_move_was_booked_moves_nothing_again() {
    let mut bed = Bed::with_cold([cold()].into());
    let old = Account { height: 99, ..account(5, 1_000_000) };
    bed.facts.accounts.insert(0, old.clone());
    bed.bound([0, 8_000, 5_000, 0]);
    bed.work();
    assert_eq!(bed.purposes(), [(WithdrawalPurpose::Cold, WithdrawalStage::Mempool, 5_000)]);
    let tx = bed.sent[0];
    bed.include_of(0, tx, 5);
    bed.facts.accounts.insert(0, old);
    bed.facts.head.height.0 += 2;
    bed.work();
    assert_eq!(bed.purposes(), [(WithdrawalPurpose::Cold, WithdrawalStage::Settled, 5_000)], "once");
    bed.bound([6_000, 0, 0, 0]);
    bed.ledger.request(bed.now, 0, cold().as_str(), 1_000);
    bed.work();
    assert_eq!(bed.stages()[1], WithdrawalStage::Held, "it has half of what nodes said");
}

#[test]
fn an_excess_down_to_nothing_leaves_what_its_own_way_may_cost() {
    let mut bed = Bed::with_cold([cold()].into());
    bed.facts.accounts.insert(0, account(5, 1_000_000));
    bed.bound([0, 8_000, 0, 0]);
    bed.work();
    let (purpose, stage, amount) = bed.purposes()[0];
    assert_eq!((purpose, stage), (WithdrawalPurpose::Cold, WithdrawalStage::Mempool));
    assert!((9_000..10_000).contains(&amount), "{amount} of 10,000");
}

#[test]
fn an_account_that_was_asked_for_before_its_deposit_is_asked_for_again() {
    let mut bed = Bed::sweeping(1_000, 0);
    bed.facts.accounts.insert(1, Account { height: 89, ..account(0, 0) });
    bed.deposit(COIN, 200_000);
    bed.work();
    assert_eq!(bed.purposes(), []);
    bed.facts.accounts.insert(1, account(0, 200_000));
    bed.work();
    assert_eq!(bed.purposes().len(), 1);
}
