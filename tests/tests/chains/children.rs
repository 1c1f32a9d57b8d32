//! What is stuck at nodes that take no replacement, as Litecoin's are: its child gets it mined, whoever dies over that.
//!
//! Miners here take nothing for less than three units a virtual byte, and the withdrawals are sent for one: alone they are in no
//! block. Then nodes say that four are to be paid.

use std::time::Duration;

use serde_json::{Value, json};
use tests::chain::Fault;
use tests::chain::coin::coin;
use wire::event::WithdrawalChanged;
use wire::{Event, ReservesStanding, WithdrawalId, WithdrawalPurpose, WithdrawalStage};

use crate::bank::{Bank, LTC};
use crate::instances::{UNTIL_POOLED, WAY, edges};
use crate::withdrawal_deaths::{die_at, until_dead};

/// Per 1,000 virtual bytes, in coins and in units.
const MINERS_WANT: &str = "-blockmintxfee=0.00003";
const NODES_SAY: u64 = 4_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind and anvil: tests/run chains"]
async fn what_nodes_do_not_replace_is_mined_with_its_child_whoever_dies() {
    if coin().symbol != "LTC" {
        println!("the nodes of this coin take every replacement that says it may be one");
        return;
    }
    let mut bank = Bank::open_at_nodes(&["-mempoolreplacement=0", MINERS_WANT]).await;
    a_child_at_every_edge(&mut bank).await;
    kept_by_nodes_and_reorganised(&mut bank).await;
    let is_short =
        |event: &&Event| matches!(event, Event::ReservesChanged(row) if row.standing == ReservesStanding::Short);
    assert_eq!(bank.events.iter().filter(is_short).count(), 0, "nothing was ever missing");
}

/// A withdrawal that nodes have, that no miner wants, and that the next instance takes for stuck.
async fn unwanted(bank: &mut Bank, units: i64) -> WithdrawalId {
    say(bank, Fault::Pass).await;
    bank.stuck_after_s = 3_600;
    bank.kill_all(&[]);
    bank.start_instance();
    let id = bank.request(LTC, units).await;
    bank.until_stage(id, WithdrawalStage::Mempool).await;
    for _ in 0..2 {
        bank.mine_litecoin().await;
    }
    assert!(has(bank, id, 0).await, "two blocks are without it");
    assert_eq!(bank.row(id).stage, WithdrawalStage::Mempool);
    bank.stuck_after_s = 2;
    say(bank, Fault::FeeSpike(NODES_SAY)).await;
    id
}

async fn say(bank: &Bank, fault: Fault) {
    bank.litecoin.nodes.iter().for_each(|node| node.proxy.set(fault.clone()));
    // What nodes said before is believed for half a second.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
}

/// Whether nodes have a withdrawal's transaction among what they would mine.
async fn has(bank: &Bank, id: WithdrawalId, attempt: usize) -> bool {
    let tx: Vec<u8> = bank.signed(id)[attempt].tx.0.iter().rev().copied().collect();
    let tx = hex::encode(tx);
    let pool = bank.litecoin.nodes[0].call("getrawmempool", json!([])).await.unwrap();
    pool.as_array().into_iter().flatten().any(|known: &Value| known.as_str() == Some(tx.as_str()))
}

fn child_of(bank: &Bank, parent: WithdrawalId) -> Option<WithdrawalChanged> {
    let mut children = bank.rows().into_values().filter(|row| row.parent == parent);
    let child = children.next();
    assert!(children.next().is_none(), "one child: {:#?}", bank.rows());
    child
}

/// Both are mined by nodes' own choice, and what the house paid for both is what the chain has got.
async fn settle_both(bank: &mut Bank, parent: WithdrawalId) {
    let child = child_of(bank, parent).expect("it has a child");
    assert_eq!(child.purpose, WithdrawalPurpose::Child);
    // Nodes have both; a child that has waited for a life to follow another may itself be stuck by now, and is mined all the same.
    bank.mine_litecoin().await;
    bank.end(&[parent, child.withdrawal], Bank::keep_two).await;
    let (parent, child) = (bank.row(parent), bank.row(child.withdrawal));
    assert_eq!((parent.stage, child.stage), (WithdrawalStage::Settled, WithdrawalStage::Settled));
    assert_eq!(bank.received(&parent).await, parent.amount.wide());
    assert!(child.network_fee > parent.network_fee, "{parent:#?} {child:#?}");
    bank.check(0).await;
    // The next final blocks have both, and are compared to the last unit.
    for _ in 0..7 {
        bank.mine_litecoin().await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    bank.read().await;
}

/// Instances are told that nodes take no replacement. Over each child die who has the claims, then who takes them over.
async fn a_child_at_every_edge(bank: &mut Bank) {
    let edges = [&edges!["child"][..], &WAY[..UNTIL_POOLED]].concat();
    for (round, edges) in (0..).zip(edges.chunks(2)) {
        let id = unwanted(bank, 10_000_000 + round).await;
        bank.replaces = false;
        die_over_litecoin(bank, edges).await;
        until_dead(bank, edges.len()).await;
        bank.until("nodes have the child", |bank| {
            bank.keep_two();
            child_of(bank, id).is_some_and(|child| bank.stages(child.withdrawal).contains(&WithdrawalStage::Mempool))
        })
        .await;
        let child = child_of(bank, id).expect("it was found above").withdrawal;
        assert_eq!((bank.signed(id).len(), bank.signed(child).len()), (1, 1), "whoever took over sent the same bytes");
        assert!(has(bank, id, 0).await && has(bank, child, 0).await);
        settle_both(bank, id).await;
    }
}

/// What they die of is due already: the first may do so before it has claimed the other chain as well.
async fn die_over_litecoin(bank: &mut Bank, edges: &[&str]) {
    bank.kill_all(edges);
    bank.deaths = 0;
    bank.read().await;
    let before = bank.claims_of(LTC.0);
    bank.start_instance();
    bank.until("the first has Litecoin's claim", |bank| bank.claims_of(LTC.0) > before).await;
    bank.keep_two();
}

/// Nobody has told them: nodes keep the first transaction, its replacement is in the log, and the child is of what nodes have.
/// The block that has both is on the chain no more, and both come again.
async fn kept_by_nodes_and_reorganised(bank: &mut Bank) {
    let id = unwanted(bank, 10_100_000).await;
    bank.replaces = true;
    bank.kill_all(&[]);
    bank.start_instance();
    bank.until("nodes have a child of what they have kept", |bank| {
        let child = child_of(bank, id);
        child.is_some_and(|child| bank.stages(child.withdrawal).contains(&WithdrawalStage::Mempool))
    })
    .await;
    assert_eq!(bank.signed(id).len(), 2, "one replacement was tried");
    assert!(has(bank, id, 0).await && !has(bank, id, 1).await, "and not taken");
    let child = child_of(bank, id).expect("it was found above").withdrawal;
    assert_eq!(bank.allocated(child).inputs.as_slice()[0].tx, bank.signed(id)[0].tx);
    die_at(bank, &edges!["gone"]).await;
    bank.mine_litecoin().await;
    for one in [id, child] {
        bank.until_stage(one, WithdrawalStage::Mined).await;
    }
    bank.reorganise_litecoin().await;
    until_dead(bank, 2).await;
    bank.until("both are off the chain", |bank| {
        bank.keep_two();
        [id, child].iter().all(|one| bank.row(*one).stage != WithdrawalStage::Mined)
    })
    .await;
    settle_both(bank, id).await;
}
