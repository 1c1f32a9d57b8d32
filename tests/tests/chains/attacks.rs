//! Who tries to be credited with what is not theirs, or twice; and nodes that take away what is.

use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use chainwatch::watch::Watch;
use serde_json::{Value, json};
use tests::chain::Fault;
use tests::chain::anvil::Anvils;
use tests::chain::litecoin::Litecoins;
use tests::nodes::until;
use wire::{Amount, ChainFreeze, DepositStage};

use crate::bed::{SOON, agreed_on, all_agree, frozen, watch_evm};
use crate::deposits::{
    COIN, OneCell, TOKEN, alices, beat_until, beat_until_coming, deploy, evm_keys, instance, litecoin, litecoin_keys,
    mined,
};
use crate::withdrawal_attacks::other_signature;

const ALL: [usize; 6] = [0, 1, 2, 3, 4, 5];

/// One coin of the first node's wallet, spent to `to`; not sent.
async fn spend(chain: &Litecoins, coin: &Value, to: &str, amount: &str) -> Value {
    let inputs = json!([{"txid": coin["txid"], "vout": coin["vout"]}]);
    let raw = chain.nodes[0].call("createrawtransaction", json!([inputs, [{to: amount}]])).await.unwrap();
    chain.nodes[0].call("signrawtransactionwithwallet", json!([raw])).await.unwrap()["hex"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn a_six_deep_double_spend_of_a_credit_with_six_confirmations_freezes_and_edits_nothing() {
    let (chain, watch) = litecoin(6).await;
    let cell = OneCell::new(8, 6, None);
    let (mut depositor, _home) = instance(&watch, &cell, litecoin_keys());
    depositor.beat().await.unwrap();
    let coin = chain.nodes[0].call("listunspent", json!([100])).await.unwrap()[0].clone();
    let (alice, _) = alices(&litecoin_keys());
    let own = chain.nodes[0].address().await.unwrap();
    let (public, secret) =
        (spend(&chain, &coin, alice.as_str(), "49.9").await, spend(&chain, &coin, &own, "49.9").await);

    chain.partition(&[0, 1, 2, 3]).await.unwrap();
    chain.nodes[0].call("sendrawtransaction", json!([public, 0])).await.unwrap();
    let six = *chain.mine(0, 6).await.unwrap().last().unwrap();
    chain.wait_for_agreement(&[0, 1, 2, 3]).await.unwrap();
    agreed_on(&watch, six).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Credited).await;
    let credited = cell.free(COIN);

    chain.nodes[4].call("sendrawtransaction", json!([secret, 0])).await.unwrap();
    let longer = *chain.mine(4, 7).await.unwrap().last().unwrap();
    chain.heal().await.unwrap();
    chain.wait_for_agreement(&ALL).await.unwrap();
    agreed_on(&watch, longer).await;
    let told = until(SOON, async || {
        depositor.beat().await.unwrap();
        cell.is_frozen_for(ChainFreeze::CreditReverted).then_some(())
    });
    told.await.expect("the ledger is told, and the chain frozen");
    assert!(cell.deposits()[0].is_reverted);
    assert_eq!(cell.free(COIN), credited, "no balance is edited");

    // Another deposit waits while the chain is frozen.
    chain.nodes[0].call("sendtoaddress", json!([alice.as_str(), "1"])).await.unwrap();
    let best = *chain.mine(0, 8).await.unwrap().last().unwrap();
    chain.wait_for_agreement(&ALL).await.unwrap();
    agreed_on(&watch, best).await;
    for _ in 0..5 {
        depositor.beat().await.unwrap();
    }
    assert_eq!(cell.free(COIN), credited, "nothing is credited until an operator has looked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn what_is_replaced_before_it_is_mined_is_no_deposit_and_its_replacement_is_one() {
    let (chain, watch) = litecoin(3).await;
    let cell = OneCell::new(8, 3, None);
    let (mut depositor, _home) = instance(&watch, &cell, litecoin_keys());
    depositor.beat().await.unwrap();
    let coins = chain.nodes[0].call("listunspent", json!([100])).await.unwrap();
    let (alice, _) = alices(&litecoin_keys());
    let own = chain.nodes[0].address().await.unwrap();
    // One is in every mempool and then taken back by what a miner takes instead, another paid again by what it takes.
    for coin in [&coins[0], &coins[1]] {
        let public = spend(&chain, coin, alice.as_str(), "49.9").await;
        chain.nodes[0].call("sendrawtransaction", json!([public, 0])).await.unwrap();
    }
    use DepositStage::{Replaced, Seen};
    beat_until_coming(&mut depositor, &cell, &[(4_990_000_000, Seen), (4_990_000_000, Seen)]).await;
    assert_eq!(cell.free(COIN), 0, "nothing is credited for being seen");
    let taken_back = spend(&chain, &coins[0], &own, "49.8").await;
    let paid_again = spend(&chain, &coins[1], alice.as_str(), "49.8").await;
    // And one is less than the smallest deposit.
    let coin = &coins[2];
    let inputs = json!([{"txid": coin["txid"], "vout": coin["vout"]}]);
    let outputs = json!([{alice.to_string(): "0.00000999"}, {own: "49.9"}]);
    let raw = chain.nodes[0].call("createrawtransaction", json!([inputs, outputs])).await.unwrap();
    let dust = chain.nodes[0].call("signrawtransactionwithwallet", json!([raw])).await.unwrap()["hex"].clone();
    let miner = chain.nodes[0].address().await.unwrap();
    chain.nodes[0].call("generateblock", json!([miner, [taken_back, paid_again, dust]])).await.unwrap();
    let best = *chain.mine(0, 3).await.unwrap().last().unwrap();
    chain.wait_for_agreement(&ALL).await.unwrap();
    agreed_on(&watch, best).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Credited).await;
    assert_eq!(cell.free(COIN), 4_980_000_000);
    beat_until_coming(&mut depositor, &cell, &[(4_990_000_000, Replaced), (4_990_000_000, Replaced)]).await;
}

/// Six nodes cut in two; a payment to alice is in a block of the left side, and a longer branch of the right side has it otherwise.
async fn mined_on_either_side(chain: &Litecoins, watch: &Watch, left: &[&Value], right: &[&Value]) {
    let (miner, other) = (chain.nodes[0].address().await.unwrap(), chain.nodes[4].address().await.unwrap());
    chain.partition(&[0, 1, 2, 3]).await.unwrap();
    chain.nodes[0].call("generateblock", json!([miner, left])).await.unwrap();
    let public = chain.wait_for_agreement(&[0, 1, 2, 3]).await.unwrap();
    agreed_on(watch, public).await;
    chain.nodes[4].call("generateblock", json!([other, right])).await.unwrap();
}

/// The right side has mined three more, and everybody sees it.
async fn longer_on_the_right(chain: &Litecoins, watch: &Watch) {
    let longer = *chain.mine(4, 3).await.unwrap().last().unwrap();
    chain.heal().await.unwrap();
    chain.wait_for_agreement(&ALL).await.unwrap();
    agreed_on(watch, longer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn a_deposit_that_is_mined_again_in_another_block_at_another_place_is_credited_once() {
    let (chain, watch) = litecoin(3).await;
    let cell = OneCell::new(8, 3, None);
    let (mut depositor, _home) = instance(&watch, &cell, litecoin_keys());
    depositor.beat().await.unwrap();
    let coins = chain.nodes[0].call("listunspent", json!([100])).await.unwrap();
    let (alice, _) = alices(&litecoin_keys());
    let own = chain.nodes[0].address().await.unwrap();
    let (paid, before) =
        (spend(&chain, &coins[0], alice.as_str(), "49.9").await, spend(&chain, &coins[1], &own, "49.9").await);
    mined_on_either_side(&chain, &watch, &[&paid], &[&before, &paid]).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Included).await;
    let first = cell.deposits()[0].block;
    longer_on_the_right(&chain, &watch).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Credited).await;
    assert_ne!(cell.deposits()[0].block, first);
    assert_eq!(cell.free(COIN), 4_990_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn of_a_payment_and_its_malleated_twin_one_is_credited() {
    let (chain, watch) = litecoin(3).await;
    let cell = OneCell::new(8, 3, None);
    let (mut depositor, _home) = instance(&watch, &cell, litecoin_keys());
    depositor.beat().await.unwrap();
    // Signatures of old scripts are part of what is hashed.
    let legacy = chain.nodes[0].call("getnewaddress", json!(["", "legacy"])).await.unwrap();
    chain.nodes[0].call("sendtoaddress", json!([legacy, "5"])).await.unwrap();
    chain.mine(0, 1).await.unwrap();
    let best = chain.wait_for_agreement(&ALL).await.unwrap();
    agreed_on(&watch, best).await;
    let coins = chain.nodes[0].call("listunspent", json!([1, 9, [legacy]])).await.unwrap();
    let (alice, _) = alices(&litecoin_keys());
    let paid = spend(&chain, &coins[0], alice.as_str(), "4.9").await;
    let twin = json!(malleated(paid.as_str().unwrap()));
    chain.nodes[0].call("sendrawtransaction", json!([paid, 0])).await.unwrap();
    mined_on_either_side(&chain, &watch, &[&twin], &[&paid]).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Included).await;
    longer_on_the_right(&chain, &watch).await;
    let credited = until(SOON, async || {
        depositor.beat().await.unwrap();
        let stages: Vec<DepositStage> = cell.deposits().iter().map(|deposit| deposit.stage).collect();
        (stages.contains(&DepositStage::Credited)).then_some(stages)
    });
    let mut stages = credited.await.expect("the payment that was mined is credited");
    stages.sort();
    assert_eq!(stages, [DepositStage::Credited, DepositStage::Orphaned]);
    assert_eq!(cell.free(COIN), 490_000_000);
}

/// The same payment by the other of its two valid signatures, under another name.
fn malleated(raw: &str) -> String {
    let mut tx: bitcoin::Transaction = deserialize_hex(raw).unwrap();
    let name = tx.compute_txid();
    let pushed: Vec<Vec<u8>> = tx.input[0]
        .script_sig
        .instructions()
        .map(|instruction| instruction.unwrap().push_bytes().unwrap().as_bytes().to_vec())
        .collect();
    let (kind, der) = pushed[0].split_last().unwrap();
    let mut signature = other_signature(der);
    signature.push(*kind);
    let push = |bytes: Vec<u8>| bitcoin::script::PushBytesBuf::try_from(bytes).unwrap();
    tx.input[0].script_sig =
        bitcoin::script::Builder::new().push_slice(push(signature)).push_slice(push(pushed[1].clone())).into_script();
    assert_ne!(tx.compute_txid(), name);
    serialize_hex(&tx)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn nodes_that_fall_back_take_no_deposit_away_and_a_wrong_chain_id_adds_none() {
    let mut chain = Anvils::start(5).await.unwrap();
    chain.mine(4).await.unwrap();
    let watch = watch_evm(&chain).await;
    all_agree(&watch, None).await;
    let cell = OneCell::new(18, 0, None);
    let (mut depositor, _home) = instance(&watch, &cell, evm_keys());
    depositor.beat().await.unwrap();
    let (address, _) = alices(&evm_keys());
    chain.send(json!({"to": address.as_str(), "value": "0xde0b6b3a7640000"})).await.unwrap();
    mined(&mut chain, &watch, 1).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Included).await;
    // Three of five say that the block with the deposit is not there yet, and more: what was final is not either.
    for node in 0..3 {
        chain.nodes[node].proxy.set(Fault::Lag(4));
    }
    frozen(&watch, Some(chainwatch::pool::Freeze::NoMajority)).await;
    for _ in 0..10 {
        depositor.beat().await.unwrap();
    }
    assert_eq!(cell.deposits()[0].stage, DepositStage::Included, "nobody contradicts it");
    chain.nodes[0].proxy.set(Fault::WrongChainId);
    for node in 1..3 {
        chain.nodes[node].proxy.set(Fault::Pass);
    }
    chain.mine(3).await.unwrap();
    beat_until(&mut depositor, &cell, 1, DepositStage::Credited).await;
    assert_eq!(cell.free(COIN), 100_000_000);
}

/// Code that deploys a contract which runs `runtime` whenever it is called.
fn contract(runtime: &str) -> String {
    let length = runtime.len() / 2;
    format!("0x60{length:02x}600c60003960{length:02x}6000f3{runtime}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn of_odd_tokens_only_what_their_logs_say_is_credited() {
    let mut chain = Anvils::start(5).await.unwrap();
    let (_, destination) = alices(&evm_keys());
    let transfer = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
    let (to, from) = (format!("{:0>64}", hex::encode(&destination.0)), "07".repeat(32));
    // mstore(0, what); then a log of so many bytes with these topics.
    let emits =
        |what: &str, bytes: u8, topics: &str, log: &str| format!("7f{what}600052{topics}60{bytes:02x}6000{log}");
    let topics = format!("7f{to}7f{from}7f{transfer}");
    let nine = format!("{:064x}", 9_000_000_000_u64);
    let huge = "ff".repeat(32);
    let other = format!("7f{}7f{from}7f{transfer}", "aa".repeat(32));
    // Takes a fee: one log for alice, one for the collector. Then: more than 128 bits; an amount of 31 bytes; a third
    // indexed value and no data, as of a collectible; an address with bytes before it; and it returns false at the end.
    let runtime = [
        emits(&nine, 32, &topics, "a3"),
        emits(&nine, 32, &other, "a3"),
        emits(&huge, 32, &topics, "a3"),
        emits(&nine, 31, &topics, "a3"),
        emits(&nine, 0, &format!("7f{nine}{topics}"), "a4"),
        "600060005260206000f3".to_string(),
    ];
    let listed = deploy(&mut chain, &long_contract(&runtime.concat())).await;
    // Returns false and says nothing.
    let silent = deploy(&mut chain, &contract("600060005260206000f3")).await;
    let watch = watch_evm(&chain).await;
    all_agree(&watch, None).await;
    let cell = OneCell::new(9, 0, Some(&listed));
    let (mut depositor, _home) = instance(&watch, &cell, evm_keys());
    depositor.beat().await.unwrap();
    for contract in [&listed, &silent] {
        chain.send(json!({"to": contract, "data": "0x"})).await.unwrap();
    }
    mined(&mut chain, &watch, 5).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Credited).await;
    assert_eq!((cell.free(COIN), cell.free(TOKEN)), (0, 900_000_000));
    assert_eq!(cell.deposits()[0].credited, Amount::new(900_000_000).unwrap());
}

/// As [`contract`], for up to 65,535 bytes.
fn long_contract(runtime: &str) -> String {
    let length = runtime.len() / 2;
    format!("0x61{length:04x}600e60003961{length:04x}6000f3{runtime}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn what_moved_inside_a_call_that_was_undone_is_no_deposit() {
    let mut chain = Anvils::start(5).await.unwrap();
    let (_, destination) = alices(&evm_keys());
    let transfer = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
    let (to, from) = (format!("{:0>64}", hex::encode(&destination.0)), "07".repeat(32));
    // Whoever calls it, it says that it has moved something to alice.
    let amount = format!("{:064x}", 9_000_000_000_u64);
    let says = format!("7f{amount}6000527f{to}7f{from}7f{transfer}60206000a300");
    let listed = deploy(&mut chain, &long_contract(&says)).await;
    // call(gas, whom, value, 0, 0, 0, 0)
    let calls = |whom: &str, value: &str| format!("6000600060006000{value}73{}5af1", whom.trim_start_matches("0x"));
    // Has the token say it and undoes that; and succeeds around such a call, or passes coins on, and undoes that.
    let undone = deploy(&mut chain, &contract(&format!("{}60006000fd", calls(&listed, "6000")))).await;
    let around = deploy(&mut chain, &contract(&format!("{}5000", calls(&undone, "6000")))).await;
    let passes_on =
        deploy(&mut chain, &contract(&format!("{}60006000fd", calls(&hex::encode(&destination.0), "34")))).await;
    let watch = watch_evm(&chain).await;
    all_agree(&watch, None).await;
    let cell = OneCell::new(9, 0, Some(&listed));
    let (mut depositor, _home) = instance(&watch, &cell, evm_keys());
    depositor.beat().await.unwrap();
    for contract in [&undone, &around] {
        chain.send(json!({"to": contract, "data": "0x"})).await.unwrap();
    }
    chain.send(json!({"to": passes_on, "value": "0xde0b6b3a7640000"})).await.unwrap();
    // The last one is what it says.
    chain.send(json!({"to": listed, "data": "0x"})).await.unwrap();
    mined(&mut chain, &watch, 5).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Credited).await;
    assert_eq!((cell.free(COIN), cell.free(TOKEN)), (0, 900_000_000));
}
