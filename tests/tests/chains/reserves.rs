//! What the chains have beside what they should have, by real processes on real nodes: exact through everything that is allowed,
//! and halted by what is not.

use std::process::Command as Process;
use std::time::{Duration, Instant};

use chainwatch::ledger::Ledger as _;
use chainwatch::signer::payment::Payment;
use serde_json::{Value, json};
use tests::chain::coin::coin;
use wire::command::{
    ApproveLoosening, DeclareReserves, Loosening, ProposeLoosening, Reply, SetHotWallet, ThawReserves,
};
use wire::link::Role;
use wire::{
    Amount, AssetId, ChainAddress, ChainId, ChainInput, ChainInputs, Command, DepositStage, Event, HotWalletBounds,
    LooseningId, RejectReason, ReservesStanding, WithdrawalId, WithdrawalPurpose, WithdrawalStage,
};

use crate::bank::{Bank, ETH, LTC, evm_scheme, hot, litecoin_keys, litecoin_scheme};
use crate::exchange::{accept, text};
use crate::instances::{ETH_ACCOUNT, ETH_COLD, LTC_ACCOUNT, litecoin_cold, vault};

/// What one unit of the ledger is on the EVM chain.
const WEI: i128 = 10_000_000_000;
/// Whose ether it is then.
const THIEF: &str = "0x000000000000000000000000000000000007151f";
const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind and anvil: tests/run chains"]
async fn what_chains_have_is_what_they_should_to_the_last_unit_and_a_stolen_coin_halts_them() {
    let mut bank = Bank::open().await;
    // The ether of the bank came by no deposit.
    declare(&mut bank, ETH, 60 * 100_000_000 * WEI).await;
    exact(&mut bank, "after deposits").await;
    let ids = [bank.request(LTC, 310_000_000).await, bank.request(ETH, 110_000_000).await];
    bank.settle(&ids, |_| {}).await;
    exact(&mut bank, "after withdrawals").await;
    reorganised(&mut bank).await;
    swept(&mut bank).await;
    assert_eq!(standings(&bank), [], "nothing was ever missing");
    stolen_litecoins(&mut bank).await;
    stolen_ether(&mut bank).await;
}

/// A block more, and a comparison after the newest final block of each chain: nothing is missing and nothing left over.
async fn exact(bank: &mut Bank, when: &str) {
    let what = format!("exact {when}");
    let found = compared(bank, &what, |found| {
        found.iter().all(|reserve| reserve["drift"] == "0" && reserve["standing"] == "whole")
    });
    let found = found.await;
    println!("{when}: litecoins {}, wei {}", found[0]["held"], found[1]["held"]);
}

/// Mines six litecoin blocks and three of the other chain, and waits for comparisons as of what is final then.
async fn compared(bank: &mut Bank, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..6 {
        bank.mine_litecoin().await;
    }
    bank.mine_evm(3).await;
    let heights = [bank.litecoin_height().await - 5, bank.evm_height().await - 2];
    let deadline = Instant::now() + SOON;
    loop {
        let found = reserves(bank);
        let is_final = |(reserve, height): (&Value, &u64)| reserve["height"].as_u64() >= Some(*height);
        if found.len() == 2 && found.iter().zip(&heights).all(is_final) && is_so(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}, at {heights:?}: {found:#?}{}", bank.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What `mainstay ctl chain status` says of each chain.
fn reserves(bank: &Bank) -> Vec<Value> {
    let (program, page) = bank.status_page();
    let said = Process::new(program).args(["ctl", "chain", "status", "--json", "--http", &page]).output().unwrap();
    let said: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
    let chains = said[0]["chains"].as_array().cloned().unwrap_or_default();
    chains.iter().filter_map(|chain| chain["reserves"].get(0).cloned()).collect()
}

fn standings(bank: &Bank) -> Vec<(ChainId, ReservesStanding)> {
    let told = bank.events.iter().filter_map(|event| match event {
        Event::ReservesChanged(changed) if changed.position.get() > 0 => Some((changed.chain, changed.standing)),
        _ => None,
    });
    told.collect()
}

/// What is brought; what is lost takes two operators.
async fn declare(bank: &mut Bank, (chain, asset): (ChainId, AssetId), brought: i128) {
    let since = if chain == ETH.0 { bank.evm_height().await } else { 0 };
    let declare = Box::new(DeclareReserves { chain, asset, brought, since });
    match bank.operator.propose(&Command::DeclareReserves(declare.clone())).await.unwrap() {
        Reply::Accepted { .. } => {}
        refused => {
            assert_eq!(refused, Reply::Rejected { reason: RejectReason::NeedsSecondOperator, id: 0 });
            by_two(bank, Loosening::DeclareReserves(declare)).await;
        }
    }
}

/// One operator proposes, another one approves, each by a certificate of its own.
async fn by_two(bank: &mut Bank, loosening: Loosening) {
    let (proposer, approver) = (text("operator-test"), text("operator-second"));
    let propose = ProposeLoosening { proposer, loosening: loosening.clone() };
    let id = LooseningId::new(accept(&mut bank.operator, Command::ProposeLoosening(Box::new(propose))).await);
    let approve = |approver| {
        let loosening = loosening.clone();
        Command::ApproveLoosening(Box::new(ApproveLoosening { id, approver, loosening }))
    };
    let own = bank.operator.propose(&approve(proposer)).await.unwrap();
    assert_eq!(own, Reply::Rejected { reason: RejectReason::SameOperator, id: 0 });
    let in_anothers_name = bank.operator.propose(&approve(approver)).await;
    assert!(!matches!(in_anothers_name, Ok(Reply::Accepted { .. })), "{in_anothers_name:?}");
    let mut second = bank.exchange.ledger(Role::Operator, approver.as_str()).await;
    accept(&mut second, approve(approver)).await;
}

/// A withdrawal's block is on the chain no more, and it comes again in another.
async fn reorganised(bank: &mut Bank) {
    let id = bank.request(LTC, 10_700_000).await;
    bank.until_stage(id, WithdrawalStage::Mempool).await;
    bank.mine_litecoin().await;
    bank.until_stage(id, WithdrawalStage::Mined).await;
    bank.reorganise_litecoin().await;
    bank.until("it is off the chain", |bank| bank.row(id).stage != WithdrawalStage::Mined).await;
    bank.settle(&[id], |_| {}).await;
    exact(bank, "after a reorganisation").await;
}

/// Deposits go to the hot wallet, and its excess to the cold address: all of it is still there but what the chains got.
async fn swept(bank: &mut Bank) {
    for ((chain, asset), cold) in [(LTC, litecoin_cold()), (ETH, ETH_COLD.to_string())] {
        let [high, target, sweep_from] = [1_500, 1_000, 10].map(|coins| Amount::new(coins * 1_000_000).unwrap());
        let bounds = HotWalletBounds { low: Amount::ZERO, high, target, sweep_from, cold: text(&cold) };
        let set = SetHotWallet { chain, asset, bounds };
        accept(&mut bank.operator, Command::SetHotWallet(Box::new(set))).await;
    }
    let deposit_at = chainwatch::signer::evm::address_at(&evm_scheme(), 1).unwrap();
    let wei = format!("{:#x}", 200_000_000 * WEI + 7);
    bank.evm.send(json!({"to": deposit_at.to_string(), "value": wei})).await.unwrap();
    let deadline = Instant::now() + SOON;
    loop {
        bank.read().await;
        let rows = bank.rows();
        let is_done = |chain, purpose| {
            let mut of = rows.values().filter(|row| (row.chain, row.purpose) == (chain, purpose));
            of.any(|row| row.stage == WithdrawalStage::Settled)
        };
        let moves = [WithdrawalPurpose::Sweep, WithdrawalPurpose::Cold];
        let is_over = rows.values().all(|row| row.stage.is_final());
        if is_over && [LTC.0, ETH.0].iter().all(|chain| moves.iter().all(|purpose| is_done(*chain, *purpose))) {
            break;
        }
        assert!(Instant::now() < deadline, "not moved: {rows:#?}{}", bank.logs());
        bank.mine_litecoin().await;
        bank.mine_evm(1).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    exact(bank, "after sweeps").await;
}

/// Of the house, at its address.
async fn pay_in(bank: &mut Bank, index: u32, coins: &str) {
    let (address, _) = litecoin_keys().derive(index).unwrap();
    bank.litecoin.nodes[0].call("sendtoaddress", json!([address.as_str(), coins])).await.unwrap();
}

/// Somebody has the key and sends a coin out, and nothing of the log knows it.
async fn stolen_litecoins(bank: &mut Bank) {
    pay_in(bank, 2, "0.05").await;
    bank.mine_litecoin().await;
    let mut coin = None;
    bank.until("the coin is credited", |bank| {
        coin = bank.events.iter().find_map(|event| match event {
            Event::DepositChanged(it) if it.stage == DepositStage::Credited && it.amount == 5_000_000 => {
                let amount = it.amount as u64;
                Some(ChainInput { tx: it.tx, output: it.output, amount, key: it.index })
            }
            _ => None,
        });
        coin.is_some()
    })
    .await;
    let inputs = ChainInputs::new(&[coin.unwrap()]).unwrap();
    let theft = Payment { inputs, ..theft(bank, LTC.0, 4_990_000, 10_000).await };
    let key = vault().account(LTC_ACCOUNT).unwrap();
    let stolen = chainwatch::signer::bitcoin::sign(&litecoin_scheme(), &key, &theft).unwrap();
    let raw = hex::encode(stolen.bytes.as_bytes());
    bank.litecoin.nodes[0].call("sendrawtransaction", json!([raw])).await.unwrap();
    compared(bank, "litecoins are missing", |found| found[0]["drift"] == "-5000000").await;
    halted_until_it_is_written_off(bank, LTC, -5_000_000).await;
}

/// The same of ether, of which the wallet's own account has sent a coin that the log knows nothing of.
async fn stolen_ether(bank: &mut Bank) {
    let nonce = bank.evm.nodes[0].call("eth_getTransactionCount", json!([hot().to_string(), "latest"])).await.unwrap();
    let nonce = u64::from_str_radix(nonce.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    let amount = 3_000_000_000_000_000_000;
    let network_fee = 21_000 * 10_000_000_000;
    let (gas_limit, tip_per_gas) = (21_000, 1_000_000_000);
    let theft = Payment { nonce, gas_limit, tip_per_gas, ..theft(bank, ETH.0, amount, network_fee).await };
    let key = vault().account(ETH_ACCOUNT).unwrap();
    let stolen = chainwatch::signer::evm::sign(&evm_scheme(), &key, &theft).unwrap();
    for node in &bank.evm.nodes {
        let raw = format!("0x{}", hex::encode(stolen.bytes.as_bytes()));
        node.call("eth_sendRawTransaction", json!([raw])).await.unwrap();
    }
    let found = compared(bank, "ether is missing", |found| found[1]["standing"] == "short").await;
    let missing: i128 = found[1]["drift"].as_str().unwrap().parse().unwrap();
    let gas = -missing - amount as i128;
    assert!(gas > 0 && gas <= network_fee as i128, "what was stolen and what the chain got for it: {missing}");
    halted_until_it_is_written_off(bank, ETH, 60 * 100_000_000 * WEI + missing).await;
}

async fn theft(bank: &mut Bank, chain: ChainId, amount: u128, network_fee: u128) -> Payment {
    let address = if chain == LTC.0 { bank.stranger(chain).await } else { THIEF.to_string() };
    Payment {
        chain: text(if chain == LTC.0 { coin().symbol } else { "ETH" }),
        withdrawal: WithdrawalId::new(999),
        contract: ChainAddress::EMPTY,
        address: text(&address),
        amount,
        outputs: Vec::new(),
        inputs: ChainInputs::EMPTY,
        nonce: 0,
        network_fee,
        gas_limit: 0,
        tip_per_gas: 0,
        purpose: WithdrawalPurpose::Payment,
        key: 0,
    }
}

/// What is asked for waits, until two operators have written off what is gone, and have thawed it.
async fn halted_until_it_is_written_off(bank: &mut Bank, which: (ChainId, AssetId), brought: i128) {
    use ReservesStanding::{Found, Short, Whole};
    let (chain, asset) = which;
    bank.until("it is halted", |bank| standings(bank).ends_with(&[(chain, Short)])).await;
    let id = bank.request(which, 10_900_000).await;
    let waits = bank.said("reserves_short");
    bank.until("it waits, and says why", |bank| bank.said("reserves_short") > waits).await;
    assert_eq!(bank.row(id).stage, WithdrawalStage::Held);
    declare(bank, which, brought).await;
    bank.mine_evm(3).await;
    bank.until("it is found", |bank| standings(bank).ends_with(&[(chain, Found)])).await;
    assert_eq!(bank.row(id).stage, WithdrawalStage::Held, "nobody has thawed it");
    let thaw = ThawReserves { chain, asset };
    let alone = bank.operator.propose(&Command::ThawReserves(thaw)).await.unwrap();
    assert_eq!(alone, Reply::Rejected { reason: RejectReason::NeedsSecondOperator, id: 0 });
    by_two(bank, Loosening::ThawReserves(thaw)).await;
    bank.settle(&[id], |_| {}).await;
    assert!(standings(bank).ends_with(&[(chain, Short), (chain, Found), (chain, Whole)]));
    exact(bank, "after it was written off").await;
}
