//! What seldom happens to a withdrawal, and whoever is at work dies just before it is told or just after.
//!
//! With the sixteen edges of [`crate::withdrawals`] these are all steps that an instance can take.

use chainwatch::ledger::Ledger;
use chainwatch::signer::payment::Payment;
use serde_json::json;
use tests::chain::coin::coin;
use wire::command::{FailWithdrawal, Reply};
use wire::{ChainAddress, Command, WithdrawalCause, WithdrawalStage};

use crate::bank::{ALICE, Bank, ETH, LTC, litecoin_scheme};
use crate::exchange::{accept, text};
use crate::instances::{LTC_ACCOUNT, SIGNED_MAX, edges, vault};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind and anvil: tests/run chains"]
async fn withdrawals_that_fare_badly_survive_whoever_dies_over_them() {
    let mut bank = Bank::open().await;
    evicted_below_another(&mut bank).await;
    stuck_and_replaced(&mut bank).await;
    reorganised(&mut bank).await;
    refused_by_the_signer(&mut bank).await;
    undone_by_a_contract(&mut bank).await;
    spent_by_a_stranger(&mut bank).await;
}

/// From now on two are there, and die at these edges: first the one that has the claims, then the one that takes them over.
pub async fn die_at(bank: &mut Bank, edges: &[&str]) {
    bank.kill_all(edges);
    bank.deaths = 0;
    bank.read().await;
    let before = bank.claims();
    bank.start_instance();
    bank.until("the first has both claims", |bank| bank.claims() >= before + 2).await;
    bank.keep_two();
}

/// Until so many have died.
pub async fn until_dead(bank: &mut Bank, count: usize) {
    bank.until(&format!("{count} deaths"), |bank| {
        bank.keep_two();
        bank.deaths >= count
    })
    .await;
}

/// Nodes forget the first of two: the second waits behind the gap, the first is sent again as it was.
async fn evicted_below_another(bank: &mut Bank) {
    die_at(bank, &edges!["dropped"]).await;
    let ids = [bank.request(ETH, 10_300_000).await, bank.request(ETH, 10_400_000).await];
    for id in ids {
        bank.until_stage(id, WithdrawalStage::Mempool).await;
    }
    let first = format!("0x{}", hex::encode(bank.signed(ids[0])[0].tx.0));
    for node in &bank.evm.nodes {
        node.call("anvil_dropTransaction", json!([first])).await.unwrap();
    }
    until_dead(bank, 2).await;
    bank.until("it is there again", |bank| {
        use WithdrawalStage::{Broadcast, Mempool, Signed};
        bank.stages(ids[0]).ends_with(&[Mempool, Signed, Broadcast, Mempool])
    })
    .await;
    bank.settle(&ids, Bank::keep_two).await;
    assert!(ids.iter().all(|id| bank.signed(*id).len() == 1));
    bank.check(0).await;
}

/// Nobody mines for a while, so that another transaction has to pay more.
async fn stuck_and_replaced(bank: &mut Bank) {
    bank.stuck_after_s = 2;
    die_at(bank, &edges!["overdue", "bump"]).await;
    let ids = [bank.request(LTC, 10_600_000).await, bank.request(ETH, 10_600_000).await];
    for id in ids {
        bank.until(&format!("{id} has a second transaction"), |bank| {
            bank.keep_two();
            bank.signed(id).len() > 1
        })
        .await;
    }
    until_dead(bank, 4).await;
    // From now on everybody is patient again.
    bank.stuck_after_s = 3_600;
    bank.kill_all(&[]);
    bank.start_instance();
    bank.settle(&ids, |_| {}).await;
    for id in ids {
        let stages = bank.stages(id);
        assert!(stages.contains(&WithdrawalStage::Stuck) && stages.contains(&WithdrawalStage::Bumped), "{stages:?}");
    }
    bank.check(0).await;
}

/// Its block is on the chain no more, and it comes again in another.
async fn reorganised(bank: &mut Bank) {
    die_at(bank, &edges!["gone"]).await;
    let id = bank.request(LTC, 10_700_000).await;
    bank.until_stage(id, WithdrawalStage::Mempool).await;
    bank.mine_litecoin().await;
    bank.until_stage(id, WithdrawalStage::Mined).await;
    bank.reorganise_litecoin().await;
    until_dead(bank, 2).await;
    bank.until("it is off the chain", |bank| bank.row(id).stage != WithdrawalStage::Mined).await;
    bank.settle(&[id], Bank::keep_two).await;
    assert_eq!(bank.signed(id).len(), 1);
    bank.check(0).await;
}

/// More than the signer's own policy allows: its money goes back, and nothing was ever sent.
async fn refused_by_the_signer(bank: &mut Bank) {
    die_at(bank, &edges!["refuse"]).await;
    let id = bank.request(LTC, SIGNED_MAX + 1).await;
    until_dead(bank, 2).await;
    bank.until_stage(id, WithdrawalStage::Failed).await;
    let row = bank.row(id);
    assert_eq!((row.cause, bank.received(&row).await), (WithdrawalCause::SignerRefused, 0));
    assert!(bank.signed(id).is_empty());
    bank.check(0).await;
}

/// To a contract that takes no money: the chain has the transaction, and has moved nothing but its fee.
async fn undone_by_a_contract(bank: &mut Bank) {
    // revert(0, 0)
    let id = bank.evm.send(json!({"data": "0x6005600c60003960056000f360006000fd"})).await.unwrap();
    bank.mine_evm(1).await;
    let receipt = bank.evm.nodes[4].call("eth_getTransactionReceipt", json!([id])).await.unwrap();
    let contract = receipt["contractAddress"].as_str().unwrap().to_string();
    die_at(bank, &edges!["consult"]).await;
    let id = bank.request_to(ETH, 10_900_000, &contract).await;
    until_dead(bank, 2).await;
    die_at(bank, &edges!["undone"]).await;
    bank.end(&[id], Bank::keep_two).await;
    // The last dies a moment after what it has told.
    until_dead(bank, 2).await;
    let row = bank.row(id);
    assert_eq!((row.stage, row.cause), (WithdrawalStage::Failed, WithdrawalCause::Undone), "{row:#?}");
    assert_eq!(bank.received(&row).await, 0);
    bank.check(0).await;
}

/// Somebody has the keys, and spends what a withdrawal is about to spend. Its money is not given back before an operator has
/// looked, and nothing is sent a second time.
async fn spent_by_a_stranger(bank: &mut Bank) {
    let id = bank.sign_and_die(LTC, 10_330_000).await;
    let allocated = bank.allocated(id);
    let funds: u64 = allocated.inputs.as_slice().iter().map(|input| input.amount).sum();
    let theft = Payment {
        chain: text(coin().symbol),
        withdrawal: id,
        contract: ChainAddress::EMPTY,
        address: text(&bank.stranger(LTC.0).await),
        amount: u128::from(funds) - 10_000,
        outputs: Vec::new(),
        inputs: allocated.inputs,
        nonce: 0,
        network_fee: 10_000,
        gas_limit: 0,
        tip_per_gas: 0,
        purpose: wire::WithdrawalPurpose::Payment,
        key: 0,
    };
    let key = vault().account(LTC_ACCOUNT).unwrap();
    let stolen = chainwatch::signer::bitcoin::sign(&litecoin_scheme(), &key, &theft).unwrap();
    let raw = hex::encode(stolen.bytes.as_bytes());
    bank.litecoin.nodes[0].call("sendrawtransaction", json!([raw])).await.unwrap();
    bank.mine_litecoin().await;
    die_at(bank, &edges!["conflicting"]).await;
    bank.until_stage(id, WithdrawalStage::Broadcast).await;
    let fail = Command::FailWithdrawal(FailWithdrawal { withdrawal: id });
    let too_early = bank.operator.propose(&fail).await.unwrap();
    assert!(matches!(too_early, Reply::Rejected { .. }), "one confirmation of two: {too_early:?}");
    bank.mine_litecoin().await;
    until_dead(bank, 2).await;
    bank.until_stage(id, WithdrawalStage::Conflicted).await;
    let held = bank.row(id);
    assert_eq!((held.account, bank.received(&held).await), (ALICE, 0));
    accept(&mut bank.operator, fail).await;
    bank.until_stage(id, WithdrawalStage::Failed).await;
    assert_eq!(bank.row(id).cause, WithdrawalCause::Operator);
    bank.check(i128::from(funds)).await;
}
