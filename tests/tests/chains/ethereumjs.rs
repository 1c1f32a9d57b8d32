//! Three nodes of another EVM implementation than anvil, which hold several branches and choose between them.

use std::time::{Duration, Instant};

use chainwatch::Verdict;
use chainwatch::chain::VerifiedBlock;
use chainwatch::follow::{Follower, Listener};
use chainwatch::signer::evm::{EvmScheme, own_address, sign};
use chainwatch::signer::payment::Payment;
use chainwatch::store::{BlockStore, ConnectedBlock, Kept};
use chainwatch::watch::Watch;
use chainwatch::{BlockHash, Head};
use serde_json::json;
use tests::chain::Fault;
use tests::chain::ethereumjs::{CHAIN_ID, EthereumJsNodes};
use wire::{ChainAddress, ChainInputs, DepositStage, WithdrawalId, WithdrawalPurpose};

use crate::bed::{agreed_on, all_agree, frozen, verdict, watch_evm_at};
use crate::deposits::{COIN, OneCell, alices, beat_until, evm_keys, instance};
use crate::exchange::text;
use crate::instances::{ETH_ACCOUNT, vault};

const ALL: [usize; 3] = [0, 1, 2];

fn scheme() -> EvmScheme {
    EvmScheme { chain_id: CHAIN_ID, xpub: vault().account_public(ETH_ACCOUNT).unwrap() }
}

/// Three nodes with two blocks, and what chainwatch makes of them.
async fn start() -> (EthereumJsNodes, Watch, BlockHash) {
    let rich = own_address(&scheme()).unwrap().to_string().to_lowercase();
    let mut chain = EthereumJsNodes::start(3, &rich).await.unwrap();
    let root = chain.root().await.unwrap();
    let best = *chain.extend(root.head.hash, 2).await.unwrap().last().unwrap();
    let watch = watch_evm_at(CHAIN_ID, chain.endpoints(), root);
    all_agree(&watch, Some(best)).await;
    (chain, watch, best)
}

/// A coin and a half for alice, from whom the chain has made rich.
fn payment_to(alice: &ChainAddress) -> Vec<u8> {
    tipping(alice, GWEI)
}

const GWEI: u128 = 1_000_000_000;

/// The same, with so much per unit of gas for whoever mines it.
fn tipping(alice: &ChainAddress, tip_per_gas: u128) -> Vec<u8> {
    let payment = Payment {
        chain: text("ETH"),
        withdrawal: WithdrawalId::new(1),
        contract: ChainAddress::EMPTY,
        address: *alice,
        amount: 1_500_000_000_000_000_000,
        outputs: Vec::new(),
        inputs: ChainInputs::EMPTY,
        nonce: 0,
        network_fee: 21_000 * 10_000_000_000,
        gas_limit: 21_000,
        tip_per_gas,
        purpose: WithdrawalPurpose::Payment,
        key: 0,
    };
    let key = vault().account(ETH_ACCOUNT).unwrap();
    sign(&scheme(), &key, &payment).unwrap().bytes.as_bytes().to_vec()
}

/// The node that builds blocks has it in its pool.
async fn send(chain: &EthereumJsNodes, transaction: &[u8]) {
    let raw = format!("0x{}", hex::encode(transaction));
    chain.nodes[0].call("eth_sendRawTransaction", json!([raw])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs @ethereumjs/client: tests/run --full"]
async fn a_deposit_leaves_with_its_fork_and_is_credited_once_when_it_is_final_on_the_other() {
    let (mut chain, watch, base) = start().await;
    let cell = OneCell::new(18, 0, None);
    let (mut depositor, _home) = instance(&watch, &cell, evm_keys());
    depositor.beat().await.unwrap();
    let (alice, _) = alices(&evm_keys());
    let payment = payment_to(&alice);

    send(&chain, &payment).await;
    let first = chain.extend(base, 2).await.unwrap();
    agreed_on(&watch, first[1]).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Included).await;

    // The consensus clients have chosen the other branch, which has nothing of it.
    let other = chain.extend(base, 3).await.unwrap();
    agreed_on(&watch, other[2]).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Orphaned).await;
    assert_eq!(cell.free(COIN), 0);

    send(&chain, &payment).await;
    let again = chain.extend(other[2], 1).await.unwrap()[0];
    agreed_on(&watch, again).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Included).await;
    assert_eq!(cell.free(COIN), 0, "nothing says that it is final");
    let head = chain.extend(again, 1).await.unwrap()[0];
    chain.finalize(again, head).await.unwrap();
    agreed_on(&watch, head).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Credited).await;
    assert_eq!(cell.free(COIN), 150_000_000);
    frozen(&watch, None).await;

    // Nor does a liar among them change it.
    chain.nodes[2].proxy.set(Fault::ForgedHash);
    let head = chain.extend(head, 1).await.unwrap()[0];
    agreed_on(&watch, head).await;
    depositor.beat().await.unwrap();
    assert_eq!((cell.deposits().len(), cell.free(COIN)), (1, 150_000_000));
    verdict(&watch, 2, Verdict::Lying).await;
}

/// These nodes have no `eth_maxPriorityFeePerGas`; what the last blocks were paid says as much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs @ethereumjs/client: tests/run --full"]
async fn what_is_to_be_paid_is_known_from_nodes_that_have_no_word_for_tips() {
    let (mut chain, watch, base) = start().await;
    assert!(chain.nodes[0].call("eth_maxPriorityFeePerGas", json!([])).await.is_err());
    let agreed = async || {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(fee) = watch.fee().await {
                return fee;
            }
            assert!(Instant::now() < deadline, "nobody says what is to be paid");
        }
    };
    let (rate, tip) = agreed().await;
    assert_eq!(tip, GWEI / 1_000, "nobody has tipped yet");
    assert!(rate > tip, "{rate}");
    let (alice, _) = alices(&evm_keys());
    send(&chain, &tipping(&alice, 3 * GWEI)).await;
    let head = chain.extend(base, 1).await.unwrap()[0];
    agreed_on(&watch, head).await;
    let (rate, tip) = agreed().await;
    // What they would pay in all is as of the next block, whose base fee is lower.
    assert!((2 * GWEI..=3 * GWEI).contains(&tip), "{tip}");
    assert!((tip..20 * GWEI).contains(&rate), "{rate}");
}

/// Keeps what is connected, and asserts that it is one chain.
#[derive(Default)]
struct Recorder {
    chain: Vec<Head>,
    disconnected: usize,
}

impl Listener for Recorder {
    type Error = std::convert::Infallible;

    async fn block_connected(&mut self, block: &VerifiedBlock) -> Result<Kept, Self::Error> {
        assert!(self.chain.last().is_none_or(|last| block.head.height.0 == last.height.0 + 1), "no gap, nothing twice");
        self.chain.push(block.head);
        Ok(Kept::default())
    }

    async fn blocks_disconnected(&mut self, to: Head, gone: &[ConnectedBlock]) -> Result<(), Self::Error> {
        for block in gone {
            assert_eq!(self.chain.pop(), Some(block.placed.head));
            self.disconnected += 1;
        }
        assert!(self.chain.last().is_none_or(|last| *last == to));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs @ethereumjs/client: tests/run --full"]
async fn a_chain_is_followed_from_fork_to_fork_and_a_node_left_on_one_is_named() {
    let (mut chain, watch, base) = start().await;
    let home = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    let mut follower = Follower::open(watch.clone(), BlockStore::open(home.path(), "evm").unwrap(), 64).unwrap();
    let left = chain.extend(base, 6).await.unwrap();
    agreed_on(&watch, left[5]).await;
    follower.catch_up(&mut recorder).await.unwrap();
    assert_eq!(recorder.chain.len(), 8);

    // The last node hears of no choice but the old one.
    let right = chain.extend_at(&ALL[..2], left[1], 3).await.unwrap();
    agreed_on(&watch, right[2]).await;
    follower.catch_up(&mut recorder).await.unwrap();
    verdict(&watch, 2, Verdict::Forked).await;
    let hashes = |recorder: &Recorder| recorder.chain.iter().map(|head| head.hash).skip(2).collect::<Vec<_>>();
    assert_eq!(hashes(&recorder), [&left[..2], &right].concat());
    assert_eq!(recorder.disconnected, 4);

    // A shorter branch than either may be chosen as well: what counts is what consensus clients say.
    let shorter = chain.extend(left[0], 1).await.unwrap();
    agreed_on(&watch, shorter[0]).await;
    all_agree(&watch, Some(shorter[0])).await;
    follower.catch_up(&mut recorder).await.unwrap();
    assert_eq!(hashes(&recorder), [left[0], shorter[0]]);
    assert_eq!(recorder.disconnected, 4 + 4);
}
