//! Following real chains through reorganisations and restarts.

use chainwatch::chain::{Transfer, VerifiedBlock};
use chainwatch::follow::{Follower, Listener};
use chainwatch::store::{BlockStore, ConnectedBlock, Kept};
use chainwatch::{BlockHash, Head};
use tests::chain::Fault;
use tests::chain::anvil::Anvils;
use tests::chain::litecoin::Litecoins;

use crate::bed::{agreed_on, all_agree, watch_evm, watch_litecoin, watch_litecoin_from};

/// Keeps the chain as it was told, and asserts that it is one.
#[derive(Default)]
struct Recorder {
    chain: Vec<(Head, Vec<Transfer>)>,
    disconnected: usize,
}

impl Listener for Recorder {
    type Error = std::convert::Infallible;

    async fn block_connected(&mut self, block: &VerifiedBlock) -> Result<Kept, Self::Error> {
        if let Some((last, _)) = self.chain.last() {
            assert_eq!(block.head.height.0, last.height.0 + 1, "no gap, nothing twice");
        }
        let transfers: Vec<Transfer> = block.transactions.iter().flat_map(|tx| tx.transfers.clone()).collect();
        self.chain.push((block.head, transfers.clone()));
        Ok(Kept { transfers, ..Kept::default() })
    }

    async fn blocks_disconnected(&mut self, to: Head, gone: &[ConnectedBlock]) -> Result<(), Self::Error> {
        for block in gone {
            let (head, transfers) = self.chain.pop().expect("what is disconnected was connected");
            assert_eq!(
                (block.placed.head, &block.kept.transfers),
                (head, &transfers),
                "undo data is what was connected"
            );
            self.disconnected += 1;
        }
        assert!(self.chain.last().is_none_or(|(last, _)| *last == to));
        Ok(())
    }
}

impl Recorder {
    fn tip(&self) -> BlockHash {
        self.chain.last().expect("something was followed").0.hash
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn a_litecoin_reorganisation_while_nobody_watched_is_undone_and_followed() {
    let chain = Litecoins::start(6).await.unwrap();
    chain.mine(0, 4).await.unwrap();
    let best = chain.wait_for_agreement(&[0, 1, 2, 3, 4, 5]).await.unwrap();
    let watch = watch_litecoin(&chain, 7);
    all_agree(&watch, Some(best)).await;
    let home = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    let mut follower = Follower::open(watch.clone(), BlockStore::open(home.path(), "ltc").unwrap(), 16).unwrap();
    follower.catch_up(&mut recorder).await.unwrap();
    assert_eq!((recorder.tip(), recorder.chain.len()), (best, 4));

    chain.partition(&[0, 1, 2, 3]).await.unwrap();
    let public = *chain.mine(0, 3).await.unwrap().last().unwrap();
    chain.wait_for_agreement(&[0, 1, 2, 3]).await.unwrap();
    agreed_on(&watch, public).await;
    follower.catch_up(&mut recorder).await.unwrap();
    assert_eq!(recorder.tip(), public);
    // All that is left is what is on the disk.
    drop((follower, watch));

    let longer = *chain.mine(4, 5).await.unwrap().last().unwrap();
    chain.heal().await.unwrap();
    chain.wait_for_agreement(&[0, 1, 2, 3, 4, 5]).await.unwrap();
    let store = BlockStore::open(home.path(), "ltc").unwrap();
    let watch = watch_litecoin_from(&chain, 7, Follower::root(&store).unwrap().unwrap());
    let mut follower = Follower::open(watch.clone(), store, 16).unwrap();
    all_agree(&watch, Some(longer)).await;
    assert_eq!(follower.followed().hash, public, "the store remembers what was followed");
    follower.catch_up(&mut recorder).await.unwrap();
    assert_eq!((recorder.tip(), recorder.chain.len(), recorder.disconnected), (longer, 9, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn an_evm_chain_is_followed_without_gaps_beside_a_liar_and_a_stalled_node() {
    let mut chain = Anvils::start(5).await.unwrap();
    chain.mine(2).await.unwrap();
    let watch = watch_evm(&chain).await;
    all_agree(&watch, None).await;
    let home = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    let mut follower = Follower::open(watch.clone(), BlockStore::open(home.path(), "evm").unwrap(), 64).unwrap();
    chain.nodes[0].proxy.set(Fault::ForgedHash);
    chain.nodes[1].proxy.set(Fault::Stall);
    for _ in 0..10 {
        chain.mine(3).await.unwrap();
        agreed_on(&watch, chain.nodes[4].best().await.unwrap().hash).await;
        follower.catch_up(&mut recorder).await.unwrap();
    }
    assert_eq!(recorder.tip(), chain.nodes[4].best().await.unwrap().hash);
    assert_eq!((recorder.chain.len(), recorder.disconnected), (32, 0));
}
