//! Five anvil nodes.

use std::time::{Duration, Instant};

use chainwatch::Verdict;
use chainwatch::chain::{ChainAsset, Destination, VerifiedBlock};
use chainwatch::pool::Freeze;
use chainwatch::watch::Watch;
use serde_json::json;
use tests::chain::Fault;
use tests::chain::anvil::Anvils;
use tests::nodes::until;

use crate::bed::{SOON, agreed_on, all_agree, caught, frozen, verdict, watch_evm};

const ALICE: [u8; 20] = [0xa1; 20];

async fn start() -> (Anvils, Watch) {
    let mut chain = Anvils::start(5).await.unwrap();
    chain.mine(4).await.unwrap();
    let watch = watch_evm(&chain).await;
    all_agree(&watch, Some(chain.nodes[0].best().await.unwrap().hash)).await;
    (chain, watch)
}

/// A block with a payment of `value` to Alice, the same on all nodes.
async fn pay(chain: &mut Anvils, value: u64) {
    let to = format!("0x{}", hex::encode(ALICE));
    chain.send(json!({"to": to, "value": format!("{value:#x}")})).await.unwrap();
    chain.mine(1).await.unwrap();
}

async fn head_block(chain: &Anvils, watch: &Watch) -> VerifiedBlock {
    let head = agreed_on(watch, chain.nodes[4].best().await.unwrap().hash).await;
    watch.block(head).await.unwrap()
}

fn paid_to_alice(block: &VerifiedBlock) -> Vec<u128> {
    let transfers = block.transactions.iter().flat_map(|tx| &tx.transfers);
    let to_alice = transfers.filter(|t| t.to == Destination(ALICE.to_vec()) && t.asset == ChainAsset::Native);
    to_alice.map(|transfer| transfer.amount).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn real_blocks_are_verified_whole() {
    let (mut chain, watch) = start().await;
    pay(&mut chain, 77).await;
    let block = head_block(&chain, &watch).await;
    assert_eq!(paid_to_alice(&block), [77]);
    chain.mine(3).await.unwrap();
    let head = all_agree(&watch, Some(chain.nodes[0].best().await.unwrap().hash)).await;
    assert_eq!(watch.agreement().finalized.unwrap().height.0, head.height.0 - 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn two_liars_of_five_change_nothing_and_are_named() {
    let (mut chain, watch) = start().await;
    for fault in [Fault::ForgedAmount, Fault::ForgedReceipt, Fault::ForgedHash, Fault::Omission] {
        chain.nodes[0].proxy.set(fault.clone());
        chain.nodes[1].proxy.set(fault.clone());
        let token = chain.send(json!({"data": LOGGER})).await.unwrap();
        chain.mine(1).await.unwrap();
        let contract = chain.nodes[4].call("eth_getTransactionReceipt", json!([token])).await.unwrap();
        let to = contract["contractAddress"].clone();
        chain.send(json!({"to": to, "data": "0x"})).await.unwrap();
        pay(&mut chain, 5).await;
        let ask = async || assert_eq!(paid_to_alice(&head_block(&chain, &watch).await), [5], "{fault:?}");
        for _ in 0..20 {
            ask().await;
        }
        assert_eq!(caught(&watch, &[0, 1], ask).await.frozen, None, "{fault:?}");
        chain.nodes[0].proxy.set(Fault::Pass);
        chain.nodes[1].proxy.set(Fault::Pass);
        all_agree(&watch, None).await;
    }
}

/// Deploys a contract that emits one log of 32 bytes whenever it is called.
const LOGGER: &str = "0x600b600c600039600b6000f3600160005260206000a000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn three_liars_of_five_cannot_forge_a_block() {
    let (mut chain, watch) = start().await;
    for node in 0..3 {
        chain.nodes[node].proxy.set(Fault::ForgedAmount);
    }
    pay(&mut chain, 5).await;
    let head = agreed_on(&watch, chain.nodes[4].best().await.unwrap().hash).await;
    let ask = async || {
        if let Ok(block) = watch.block(head).await {
            assert_eq!(paid_to_alice(&block), [5]);
        }
    };
    for _ in 0..20 {
        ask().await;
    }
    assert_eq!(caught(&watch, &[0, 1, 2], ask).await.frozen, Some(Freeze::NoMajority));
    for node in 0..3 {
        chain.nodes[node].proxy.set(Fault::Pass);
    }
    all_agree(&watch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn every_broken_node_is_routed_around_at_once_and_comes_back() {
    let (mut chain, watch) = start().await;
    let faults = [
        (Fault::Status(503), Verdict::Down),
        (Fault::Truncate, Verdict::Down),
        (Fault::HangUp, Verdict::Down),
        (Fault::Stall, Verdict::Down),
        (Fault::ExecuteThenStall, Verdict::Down),
        (Fault::RpcError, Verdict::Down),
        (Fault::Delay(Duration::from_millis(350)), Verdict::Slow),
        (Fault::WrongChainId, Verdict::Lying),
        (Fault::FrozenHeadFreshTime, Verdict::Lying),
        (Fault::FrozenHead, Verdict::Lagging),
        (Fault::Lag(5), Verdict::Lagging),
    ];
    chain.mine(8).await.unwrap();
    for (fault, expected) in faults {
        all_agree(&watch, None).await;
        chain.nodes[2].proxy.set(fault.clone());
        if matches!(fault, Fault::FrozenHead | Fault::FrozenHeadFreshTime) {
            tokio::time::sleep(Duration::from_millis(400)).await;
            chain.mine(4).await.unwrap();
        }
        let head = chain.nodes[0].best().await.unwrap();
        let head = agreed_on(&watch, head.hash).await;
        for _ in 0..10 {
            watch.block(head).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        }
        let took = verdict(&watch, 2, expected).await;
        println!("{fault:?} is {expected} after {took:?}");
        assert_eq!(watch.agreement().frozen, None, "{fault:?}");
        chain.nodes[2].proxy.set(Fault::Pass);
    }
    all_agree(&watch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn a_storm_of_429_costs_a_node_its_share_and_all_nodes_their_chain() {
    let (mut chain, watch) = start().await;
    for node in 0..2 {
        chain.nodes[node].proxy.set(Fault::Status(429));
    }
    pay(&mut chain, 9).await;
    for _ in 0..30 {
        assert_eq!(paid_to_alice(&head_block(&chain, &watch).await), [9]);
    }
    for node in 2..5 {
        chain.nodes[node].proxy.set(Fault::Status(429));
    }
    frozen(&watch, Some(Freeze::NoMajority)).await;
    for node in 0..5 {
        chain.nodes[node].proxy.set(Fault::Pass);
    }
    all_agree(&watch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn a_fork_of_two_nodes_freezes_nothing_above_finality_and_everything_below() {
    let (mut chain, watch) = start().await;
    chain.mine_at(&[0, 1], 1).await.unwrap();
    chain.mine_at(&[2, 3, 4], 1).await.unwrap();
    verdict(&watch, 0, Verdict::Forked).await;
    verdict(&watch, 1, Verdict::Forked).await;
    assert_eq!(watch.agreement().frozen, None);
    chain.mine_at(&[2, 3, 4], 4).await.unwrap();
    chain.mine_at(&[0, 1], 4).await.unwrap();
    frozen(&watch, Some(Freeze::Dissent)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn after_a_kill_the_next_request_is_answered_within_100_ms() {
    let (mut chain, watch) = start().await;
    let head = all_agree(&watch, None).await;
    let mut longest = Duration::ZERO;
    for node in 0..2 {
        chain.nodes[node].kill();
        for _ in 0..200 {
            let asked = Instant::now();
            watch.block(head).await.unwrap();
            longest = longest.max(asked.elapsed());
        }
        verdict(&watch, node as u8, Verdict::Down).await;
    }
    println!("longest answer beside a dead node: {longest:?}");
    assert!(longest < Duration::from_millis(500), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn a_stopped_node_still_connects_and_is_ejected_within_a_second() {
    let (chain, watch) = start().await;
    let head = all_agree(&watch, None).await;
    chain.nodes[3].freeze();
    let stopped = Instant::now();
    let mut longest = Duration::ZERO;
    while watch.with_pool(|pool| pool.verdict(chainwatch::ChainNodeId(3))) != Verdict::Down {
        let asked = Instant::now();
        watch.block(head).await.unwrap();
        longest = longest.max(asked.elapsed());
        assert!(stopped.elapsed() < Duration::from_secs(10), "never ejected");
    }
    println!("ejected after {:?}; longest answer meanwhile {longest:?}", stopped.elapsed());
    assert!(stopped.elapsed() < Duration::from_secs(2));
    chain.nodes[3].thaw();
    verdict(&watch, 3, Verdict::Agreeing).await;
}

/// As when a firewall has forgotten them: nobody hangs up, and nobody answers any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn connections_that_are_never_answered_again_are_left_for_new_ones() {
    let (mut chain, watch) = start().await;
    let head = all_agree(&watch, None).await;
    // Several to each node are open and idle when it happens.
    for _ in 0..5 {
        let (first, second, third) = tokio::join!(watch.block(head), watch.block(head), watch.block(head));
        assert!([first, second, third].iter().all(Result::is_ok));
    }
    for nodes in [0..2, 0..5] {
        nodes.clone().for_each(|node| chain.nodes[node].proxy.set(Fault::Wedge));
        let wedged = Instant::now();
        pay(&mut chain, 5).await;
        let head = agreed_on(&watch, chain.nodes[4].best().await.unwrap().hash).await;
        let block = match nodes.len() {
            2 => watch.block(head).await.ok(),
            // Where all are wedged nobody answers for a while.
            _ => until(SOON, async || watch.block(head).await.ok()).await,
        };
        assert_eq!(paid_to_alice(&block.expect("whoever is not wedged answers")), [5]);
        all_agree(&watch, None).await;
        println!("{} wedged nodes agree again after {:?}", nodes.len(), wedged.elapsed());
        assert!(wedged.elapsed() < Duration::from_secs(10), "{:?}", wedged.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn with_all_nodes_down_nothing_is_answered_and_the_chain_is_frozen() {
    let (mut chain, watch) = start().await;
    let head = all_agree(&watch, None).await;
    for node in &mut chain.nodes {
        node.kill();
    }
    frozen(&watch, Some(Freeze::NoMajority)).await;
    assert!(watch.block(head).await.is_err());
}
