//! Withdrawals between nodes that answer in riddles.

use std::time::Duration;

use serde_json::json;
use tests::chain::Fault;
use wire::{WithdrawalId, WithdrawalStage};

use crate::bank::{Bank, ETH, LTC};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind and anvil: tests/run chains"]
async fn no_answer_of_a_node_moves_money_twice_or_not_at_all() {
    let mut bank = Bank::open().await;
    told_by_the_chain_alone(&mut bank).await;
    taken_and_thrown_away(&mut bank).await;
}

/// The bytes are in the log, nobody has sent them, and nobody is at work.
async fn signed_and_not_sent(bank: &mut Bank, which: (wire::ChainId, wire::AssetId), units: i64) -> WithdrawalId {
    bank.kill_all(&["after-sign"]);
    bank.start_instance();
    let id = bank.request(which, units).await;
    bank.until("the death of the instance that had it signed", |bank| bank.instances[0].has_died()).await;
    bank.until_stage(id, WithdrawalStage::Signed).await;
    id
}

/// Somebody else sends the same bytes first: nodes say "already known", and once it is mined -27 and "nonce too low".
async fn told_by_the_chain_alone(bank: &mut Bank) {
    for is_mined in [false, true] {
        for which in [LTC, ETH] {
            let id = signed_and_not_sent(bank, which, 10_100_000).await;
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

/// All nodes take it with thanks and throw it away; it is sent again as it was.
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
    bank.settle(&ids, |_| {}).await;
    assert!(ids.iter().all(|id| bank.signed(*id).len() == 1));
    bank.check(0).await;
}
