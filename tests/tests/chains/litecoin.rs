//! Six litecoin nodes, which find each other and forget each other.

use chainwatch::Verdict;
use chainwatch::pool::Freeze;
use chainwatch::watch::Watch;
use tests::chain::Fault;
use tests::chain::litecoin::Litecoins;

use crate::bed::{agreed_on, all_agree, caught, frozen, verdict, watch_litecoin};

async fn start(confirmations: u64) -> (Litecoins, Watch) {
    let chain = Litecoins::start(6).await.unwrap();
    chain.mine(0, 8).await.unwrap();
    let best = chain.wait_for_agreement(&[0, 1, 2, 3, 4, 5]).await.unwrap();
    let watch = watch_litecoin(&chain, confirmations);
    all_agree(&watch, Some(best)).await;
    (chain, watch)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn real_blocks_have_their_scrypt_work_and_their_merkle_root() {
    let (chain, watch) = start(6).await;
    let head = all_agree(&watch, None).await;
    let block = watch.block(head).await.unwrap();
    assert!(block.transactions[0].is_coinbase);
    let proved = watch.inclusion(head.hash, block.transactions[0].id).await.unwrap();
    assert_eq!(proved, block.transactions[0]);
    for fault in [Fault::Omission, Fault::ForgedHash] {
        chain.nodes[5].proxy.set(fault.clone());
        let best = chain.mine(1, 1).await.unwrap()[0];
        let head = agreed_on(&watch, best).await;
        let ask = async || assert_eq!(watch.block(head).await.unwrap().head, head, "{fault:?}");
        for _ in 0..20 {
            ask().await;
        }
        caught(&watch, &[5], ask).await;
        chain.nodes[5].proxy.set(Fault::Pass);
        all_agree(&watch, Some(best)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn a_network_cut_in_halves_has_no_majority_until_it_heals() {
    let (chain, watch) = start(6).await;
    chain.partition(&[0, 1, 2]).await.unwrap();
    chain.mine(0, 1).await.unwrap();
    chain.mine(3, 2).await.unwrap();
    // The last block before the cut still has its majority; nothing above it has.
    verdict(&watch, 0, Verdict::Agreeing).await;
    let head = watch.agreement().head.unwrap();
    assert_eq!(head.height.0, 8);
    chain.heal().await.unwrap();
    let best = chain.wait_for_agreement(&[0, 1, 2, 3, 4, 5]).await.unwrap();
    assert_eq!(all_agree(&watch, Some(best)).await.height.0, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn a_six_deep_reorganisation_freezes_at_six_confirmations_and_not_at_seven() {
    for (confirmations, expected) in [(6, Some(Freeze::FinalityReverted)), (7, None)] {
        let (chain, watch) = start(confirmations).await;
        chain.partition(&[0, 1, 2, 3]).await.unwrap();
        let public = *chain.mine(0, 6).await.unwrap().last().unwrap();
        chain.wait_for_agreement(&[0, 1, 2, 3]).await.unwrap();
        agreed_on(&watch, public).await;
        let secret = *chain.mine(4, 7).await.unwrap().last().unwrap();
        chain.heal().await.unwrap();
        chain.wait_for_agreement(&[0, 1, 2, 3, 4, 5]).await.unwrap();
        agreed_on(&watch, secret).await;
        frozen(&watch, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn a_killed_node_comes_back_and_proves_itself() {
    let (mut chain, watch) = start(6).await;
    chain.nodes[2].kill();
    let took = verdict(&watch, 2, Verdict::Down).await;
    println!("a killed node is down after {took:?}");
    let best = *chain.mine(0, 2).await.unwrap().last().unwrap();
    agreed_on(&watch, best).await;
    chain.nodes[2].restart().await.unwrap();
    chain.heal().await.unwrap();
    all_agree(&watch, Some(best)).await;
}
