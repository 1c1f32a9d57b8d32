//! Withdrawals between nodes that answer in riddles, miners who choose other bytes, and instances that were asleep.

use std::process::Command as Process;
use std::time::{Duration, Instant};

use bitcoin::Witness;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::secp256k1::SecretKey;
use bitcoin::secp256k1::ecdsa::Signature;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::chain::Fault;
use wire::command::SetKillSwitch;
use wire::{ChainHash, Command, WithdrawalId, WithdrawalStage};

use crate::bank::{ALICE, Bank, ETH, LTC};
use crate::exchange::{accept, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind and anvil: tests/run chains"]
async fn no_answer_of_a_node_moves_money_twice_or_not_at_all() {
    let mut bank = Bank::open().await;
    told_by_the_chain_alone(&mut bank).await;
    taken_and_thrown_away(&mut bank).await;
    forgotten_by_every_mempool(&mut bank).await;
    dearer_than_allowed(&mut bank).await;
    stopped_by_an_operator(&mut bank).await;
    mined_with_other_bytes(&mut bank).await;
    an_instance_that_was_asleep(&mut bank).await;
    a_new_leader_at_each_step(&mut bank).await;
}

/// Somebody else sends the same bytes first: nodes say "already known", and once it is mined -27 and "nonce too low".
async fn told_by_the_chain_alone(bank: &mut Bank) {
    for is_mined in [false, true] {
        for which in [LTC, ETH] {
            let id = bank.sign_and_die(which, 10_100_000).await;
            let bytes = hex::encode(bank.signed(id)[0].bytes.as_bytes());
            if which == LTC {
                bank.litecoin.nodes[1].call("sendrawtransaction", json!([bytes])).await.unwrap();
                tokio::time::sleep(Duration::from_millis(300)).await;
            } else {
                for node in &bank.evm.nodes {
                    node.call("eth_sendRawTransaction", json!([format!("0x{bytes}")])).await.unwrap();
                }
            }
            if is_mined {
                bank.mine_litecoin().await;
                bank.mine_evm(1).await;
            }
            bank.kill_all(&[]);
            bank.start_instance();
            bank.settle(&[id], |_| {}).await;
            assert_eq!(bank.signed(id).len(), 1);
        }
    }
    bank.check(0).await;
}

/// All nodes take it with thanks and throw it away; then two of five execute what they are told, and say nothing.
async fn taken_and_thrown_away(bank: &mut Bank) {
    bank.set_faults(&Fault::AcceptThenDrop, 5);
    let ids = [bank.request(LTC, 10_200_000).await, bank.request(ETH, 10_200_000).await];
    for id in ids {
        bank.until_stage(id, WithdrawalStage::Broadcast).await;
    }
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    bank.read().await;
    assert!(ids.iter().all(|id| bank.row(*id).stage == WithdrawalStage::Broadcast), "no node has it");
    bank.set_faults(&Fault::Pass, 5);
    bank.set_faults(&Fault::ExecuteThenStall, 2);
    bank.settle(&ids, |_| {}).await;
    bank.set_faults(&Fault::Pass, 5);
    assert!(ids.iter().all(|id| bank.signed(*id).len() == 1));
    bank.check(0).await;
}

/// Twice it is in every mempool, and then in none: nodes forget what nobody mines for two weeks, and nodes that die forget all of
/// it. It is missed each time, and the same bytes are sent again. The instances are asleep meanwhile: what most nodes have forgotten
/// they would send at once, and the last nodes would forget it afterwards.
async fn forgotten_by_every_mempool(bank: &mut Bank) {
    use WithdrawalStage::{Broadcast, Mempool, Signed};
    let id = bank.request(LTC, 10_340_000).await;
    bank.until_stage(id, Mempool).await;
    let tx = bank.signed(id)[0].tx;
    until_in_every_mempool(bank, tx).await;
    bank.signal_all(Signal::SIGSTOP);
    bank.litecoin.outlive_mempools().await.unwrap();
    bank.signal_all(Signal::SIGCONT);
    bank.until("it is missed and sent again", |bank| bank.stages(id).ends_with(&[Mempool, Signed, Broadcast, Mempool]))
        .await;
    until_in_every_mempool(bank, tx).await;
    let before = bank.stages(id).len();
    bank.signal_all(Signal::SIGSTOP);
    bank.litecoin.die_and_return().await.unwrap();
    bank.signal_all(Signal::SIGCONT);
    bank.until("it is missed again", |bank| bank.stages(id)[before - 1..].starts_with(&[Mempool, Signed])).await;
    until_in_every_mempool(bank, tx).await;
    bank.settle(&[id], |_| {}).await;
    assert_eq!(bank.signed(id).len(), 1, "the same bytes each time");
    bank.check(0).await;
}

async fn until_in_every_mempool(bank: &mut Bank, tx: ChainHash) {
    let hash = hex::encode(tx.0.iter().rev().copied().collect::<Vec<_>>());
    let deadline = Instant::now() + Duration::from_secs(60);
    for at in 0..bank.litecoin.nodes.len() {
        while bank.litecoin.nodes[at].call("getmempoolentry", json!([hash])).await.is_err() {
            assert!(Instant::now() < deadline, "node {at} never has {hash}: {}", bank.logs());
            bank.read().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// All nodes ask for more than may be paid: nothing is signed until they ask for less, and operators are told.
async fn dearer_than_allowed(bank: &mut Bank) {
    bank.set_faults(&Fault::FeeSpike(100_000_000_000), 5);
    // What nodes said before is believed for half a second.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let ids = [bank.request(LTC, 10_500_000).await, bank.request(ETH, 10_500_000).await];
    bank.until("operators are told", |bank| bank.said("fee_above_cap") >= 2).await;
    assert!(ids.iter().all(|id| bank.row(*id).stage == WithdrawalStage::Held));
    bank.set_faults(&Fault::Pass, 5);
    bank.settle(&ids, |_| {}).await;
    bank.check(0).await;
}

/// An operator stops their account before they have inputs or a nonce: the ledger refuses them, which is told once, and asked less and less
/// often.
async fn stopped_by_an_operator(bank: &mut Bank) {
    bank.kill_all(&[]);
    let ids = [bank.request(LTC, 10_700_000).await, bank.request(ETH, 10_700_000).await];
    let kill = |is_engaged| Command::SetKillSwitch(SetKillSwitch { account: ALICE, key: text(""), is_engaged });
    accept(&mut bank.operator, kill(true)).await;
    let told = bank.said(REFUSED);
    bank.start_instance();
    bank.until("the page says why they wait", |bank| {
        let waiting = waiting(bank);
        ids.iter().all(|id| waiting.iter().any(|(of, why)| of == id && why.contains("kill switch")))
    })
    .await;
    // Two more tries of each, unless blocks make it more.
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(bank.said(REFUSED) - told, ids.len(), "{}", bank.logs());
    accept(&mut bank.operator, kill(false)).await;
    bank.settle(&ids, |_| {}).await;
    assert!(waiting(bank).is_empty());
    bank.check(0).await;
}

const REFUSED: &str = "the ledger refuses a withdrawal's step";

/// What waits, and why, as `mainstay ctl chain status` tells of whoever is at work.
fn waiting(bank: &Bank) -> Vec<(WithdrawalId, String)> {
    let (program, page) = bank.status_page();
    let said = Process::new(program).args(["ctl", "chain", "status", "--json", "--http", &page]).output().unwrap();
    let said: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
    let chains = said[0]["chains"].as_array().into_iter().flatten();
    let waiting = chains.flat_map(|chain| chain["withdrawals"]["waiting"].as_array().into_iter().flatten());
    waiting.map(|it| (WithdrawalId::new(it[0].as_u64().unwrap()), it[1].as_str().unwrap().to_string())).collect()
}

/// A miner takes our transaction with the other of its two valid signatures: other bytes, the same transaction.
async fn mined_with_other_bytes(bank: &mut Bank) {
    let id = bank.sign_and_die(LTC, 10_800_000).await;
    let mut tx: bitcoin::Transaction = deserialize(bank.signed(id)[0].bytes.as_bytes()).unwrap();
    let before = (tx.compute_txid(), tx.compute_wtxid());
    for input in &mut tx.input {
        let key = input.witness.nth(1).unwrap().to_vec();
        let (kind, der) = input.witness.nth(0).unwrap().split_last().unwrap();
        let mut signature = other_signature(der);
        signature.push(*kind);
        input.witness = Witness::from_slice(&[signature, key]);
    }
    assert_eq!(tx.compute_txid(), before.0);
    assert_ne!(tx.compute_wtxid(), before.1);
    let address = bank.litecoin.nodes[0].address().await.unwrap();
    let raw = hex::encode(serialize(&tx));
    bank.litecoin.nodes[0].call("generateblock", json!([address, [raw]])).await.unwrap();
    bank.kill_all(&[]);
    bank.start_instance();
    bank.settle(&[id], |_| {}).await;
    bank.check(0).await;
}

/// With the negated `s`: valid by consensus, refused by mempools.
pub fn other_signature(der: &[u8]) -> Vec<u8> {
    let mut compact = Signature::from_der(der).unwrap().serialize_compact();
    let low: [u8; 32] = compact[32..].try_into().unwrap();
    compact[32..].copy_from_slice(&SecretKey::from_slice(&low).unwrap().negate().secret_bytes());
    Signature::from_compact(&compact).unwrap().serialize_der().to_vec()
}

/// The one that has the claim sleeps; another takes it; the first wakes up and knows nothing of that.
async fn an_instance_that_was_asleep(bank: &mut Bank) {
    let ids = [bank.request(LTC, 10_900_000).await, bank.request(ETH, 10_900_000).await];
    for id in ids {
        bank.until_stage(id, WithdrawalStage::Mempool).await;
    }
    let before = bank.claims();
    bank.signal_all(Signal::SIGSTOP);
    bank.start_instance();
    bank.until("another has both claims", |bank| bank.claims() >= before + 2).await;
    let more = [bank.request(LTC, 10_110_000).await, bank.request(ETH, 10_110_000).await];
    bank.until_stage(more[0], WithdrawalStage::Signed).await;
    bank.signal_all(Signal::SIGCONT);
    let all = [ids, more].concat();
    bank.settle(&all, |_| {}).await;
    assert!(all.iter().all(|id| bank.signed(*id).len() == 1));
    bank.check(0).await;
}

/// Whenever a stage has changed, another node is asked to lead the ledger.
async fn a_new_leader_at_each_step(bank: &mut Bank) {
    let ids = [bank.request(LTC, 10_220_000).await, bank.request(ETH, 10_220_000).await];
    let (mut seen, mut changes) = (Vec::new(), 0);
    bank.settle(&ids, |bank| {
        let stages = ids.map(|id| bank.rows().get(&id).map(|row| row.stage)).to_vec();
        if stages != seen {
            seen = stages;
            changes += 1;
            bank.exchange.change_leader();
        }
    })
    .await;
    assert!(changes > 5, "{changes} steps were seen");
    assert!(ids.iter().all(|id| bank.signed(*id).len() == 1));
    bank.check(0).await;
}
