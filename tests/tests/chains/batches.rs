//! Several withdrawals by one transaction to real nodes: who dies over them, who leaves, what takes their place.

use chainwatch::ledger::Ledger;
use wire::command::{CancelWithdrawal, Reply};
use wire::event::WithdrawalChanged;
use wire::{Command, WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalStage};

use crate::bank::{ALICE, Bank, LTC};
use crate::exchange::accept;
use crate::instances::{SIGNED_MAX, WAY, edges};
use crate::withdrawal_deaths::{die_at, until_dead};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind and anvil: tests/run chains"]
async fn several_withdrawals_leave_by_one_transaction_whoever_dies() {
    let mut bank = Bank::open().await;
    thirty_at_once(&mut bank).await;
    whoever_dies_at_every_edge(&mut bank).await;
    one_is_canceled_before_anything_is_signed(&mut bank).await;
    one_is_refused_by_the_signer(&mut bank).await;
    stuck_and_replaced(&mut bank).await;
    reorganised(&mut bank).await;
}

/// Nobody is at work, and alice asks for so many.
async fn held(bank: &mut Bank, count: i64, units: i64) -> Vec<WithdrawalId> {
    bank.kill_all(&[]);
    bank.read().await;
    let mut ids = Vec::new();
    for at in 0..count {
        ids.push(bank.request(LTC, units + at).await);
    }
    ids
}

/// The batches that these went in.
fn batches_of(bank: &Bank, ids: &[WithdrawalId]) -> Vec<WithdrawalChanged> {
    let mut batches: Vec<WithdrawalId> = ids.iter().map(|id| bank.row(*id).batch).collect();
    batches.sort_unstable();
    batches.dedup();
    batches.into_iter().filter(|batch| batch.get() != 0).map(|batch| bank.row(batch)).collect()
}

/// All of them went by the same transaction, the only one of so many that were signed which the chain has: each has got its own.
async fn check_together(bank: &mut Bank, ids: &[WithdrawalId], signed: usize) -> WithdrawalChanged {
    // The batch is settled by the command that settles its members.
    let batches = batches_of(bank, ids);
    assert_eq!(batches.len(), 1, "{batches:#?}");
    let batch = batches[0];
    assert_eq!((batch.purpose, batch.stage), (WithdrawalPurpose::Batch, WithdrawalStage::Settled));
    assert_eq!(bank.signed(batch.withdrawal).len(), signed, "whoever took over sent the same bytes");
    for id in ids {
        let row = bank.row(*id);
        assert_eq!((row.tx, row.height, row.network_fee), (batch.tx, batch.height, 0), "{row:#?}");
        assert!(bank.signed(*id).is_empty());
    }
    let sum: i128 = ids.iter().map(|id| bank.row(*id).amount.wide()).sum();
    assert_eq!(sum, batch.amount.wide());
    bank.check(0).await;
    batch
}

/// Sixteen are the most of one transaction, unless its file says otherwise.
async fn thirty_at_once(bank: &mut Bank) {
    let ids = held(bank, 30, 1_000_000).await;
    bank.start_instance();
    bank.settle(&ids, |_| {}).await;
    let mut sizes: Vec<usize> = batches_of(bank, &ids)
        .iter()
        .map(|batch| ids.iter().filter(|id| bank.row(**id).batch == batch.withdrawal).count())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [14, 16]);
    bank.check(0).await;
    // One that comes later goes alone, and at once.
    let id = bank.request(LTC, 2_000_000).await;
    bank.settle(&[id], |_| {}).await;
    assert_eq!(bank.row(id).batch.get(), 0);
    bank.check(0).await;
}

/// Batches that are made at most.
const ROUNDS: usize = 30;

/// Whoever is at work dies at one edge after another; whoever stands by goes on. Those that are asked for one after another wait
/// for each other.
async fn whoever_dies_at_every_edge(bank: &mut Bank) {
    bank.batch_wait_ms = 2_000;
    let edges = [&edges!["gather", "consult"][..], &WAY].concat();
    bank.kill_all(&edges);
    bank.deaths = 0;
    bank.keep_two();
    for round in 0..ROUNDS as i64 {
        if bank.deaths == edges.len() {
            break;
        }
        let mut ids = Vec::new();
        for at in 0..3 {
            ids.push(bank.request(LTC, 3_000_000 + 10 * round + at).await);
        }
        bank.settle(&ids, Bank::keep_two).await;
        check_together(bank, &ids, 1).await;
    }
    assert_eq!(bank.deaths, edges.len(), "at the other edges nobody came by in {ROUNDS} rounds");
    bank.batch_wait_ms = 0;
}

/// The batch is there and has no coins yet: one leaves, the others go. Later nobody leaves any more.
async fn one_is_canceled_before_anything_is_signed(bank: &mut Bank) {
    let ids = held(bank, 3, 4_000_000).await;
    bank.kill_all(&["after-gather"]);
    bank.start_instance();
    bank.until("the death of the instance that gathered them", |bank| bank.instances[0].has_died()).await;
    bank.until("all are in a batch", |bank| ids.iter().all(|id| bank.row(*id).batch.get() != 0)).await;
    let cancel = |withdrawal| Command::CancelWithdrawal(CancelWithdrawal { withdrawal, account: ALICE });
    accept(&mut bank.operator, cancel(ids[1])).await;
    bank.kill_all(&["after-sign"]);
    bank.start_instance();
    bank.until("the death of the instance that had it signed", |bank| bank.instances[0].has_died()).await;
    let late = bank.operator.propose(&cancel(ids[0])).await.unwrap();
    assert!(matches!(late, Reply::Rejected { .. }), "{late:?}");
    bank.kill_all(&[]);
    bank.start_instance();
    let gone = [ids[0], ids[2]];
    bank.settle(&gone, |_| {}).await;
    check_together(bank, &gone, 1).await;
    let left = bank.row(ids[1]);
    assert_eq!((left.stage, left.cause), (WithdrawalStage::Canceled, WithdrawalCause::Client));
    assert_eq!((left.batch.get(), bank.received(&left).await), (0, 0));
}

/// It is too much for the signer's own policy: the batch has failed, and each goes for what it is.
async fn one_is_refused_by_the_signer(bank: &mut Bank) {
    let mut ids = held(bank, 2, 5_000_000).await;
    let refused = bank.request(LTC, SIGNED_MAX + 1).await;
    die_at(bank, &edges!["refuse"]).await;
    until_dead(bank, 2).await;
    bank.until_stage(refused, WithdrawalStage::Failed).await;
    bank.settle(&ids, Bank::keep_two).await;
    let row = bank.row(refused);
    assert_eq!((row.cause, bank.received(&row).await), (WithdrawalCause::SignerRefused, 0));
    ids.push(refused);
    assert!(ids.iter().all(|id| bank.row(*id).batch.get() == 0), "each went alone");
    let rows = bank.rows();
    let batch = rows.values().rev().find(|row| row.purpose == WithdrawalPurpose::Batch).expect("there was one");
    assert_eq!((batch.stage, batch.cause), (WithdrawalStage::Failed, WithdrawalCause::SignerRefused));
    assert!(bank.signed(batch.withdrawal).is_empty());
    bank.check(0).await;
}

/// Nobody mines for a while, so that another transaction pays the same to the same, and more to the chain.
async fn stuck_and_replaced(bank: &mut Bank) {
    let ids = held(bank, 3, 6_000_000).await;
    bank.stuck_after_s = 2;
    die_at(bank, &edges!["overdue", "bump"]).await;
    bank.until("there is a second transaction", |bank| {
        bank.keep_two();
        batches_of(bank, &ids).iter().any(|batch| bank.signed(batch.withdrawal).len() > 1)
    })
    .await;
    until_dead(bank, 4).await;
    // From now on everybody is patient again.
    bank.stuck_after_s = 3_600;
    bank.kill_all(&[]);
    bank.start_instance();
    bank.settle(&ids, |_| {}).await;
    let batch = batches_of(bank, &ids)[0];
    let signed = bank.signed(batch.withdrawal).len();
    check_together(bank, &ids, signed).await;
    for id in &ids {
        let stages = bank.stages(*id);
        assert!(stages.contains(&WithdrawalStage::Stuck) && stages.contains(&WithdrawalStage::Bumped), "{stages:?}");
    }
}

/// Their block is on the chain no more, and all come again in another.
async fn reorganised(bank: &mut Bank) {
    let ids = held(bank, 3, 7_000_000).await;
    die_at(bank, &edges!["gone"]).await;
    bank.until_stage(ids[0], WithdrawalStage::Mempool).await;
    bank.mine_litecoin().await;
    for id in &ids {
        bank.until_stage(*id, WithdrawalStage::Mined).await;
    }
    bank.reorganise_litecoin().await;
    until_dead(bank, 2).await;
    bank.until("all are off the chain", |bank| ids.iter().all(|id| bank.row(*id).stage != WithdrawalStage::Mined))
        .await;
    bank.settle(&ids, Bank::keep_two).await;
    check_together(bank, &ids, 1).await;
}
