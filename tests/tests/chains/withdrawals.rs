//! Withdrawals by real processes to real nodes, while everything goes wrong that can.

use std::time::Instant;

use chainwatch::signer::evm::address_at;
use wire::command::Reply;
use wire::{DepositStage, Event, RejectReason, WithdrawalStage};

use crate::bank::{Bank, ETH, HOUSE, LTC, WEI, evm_scheme, hot, litecoin_keys};
use crate::instances::WAY;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind and anvil: tests/run chains"]
async fn withdrawals_leave_by_both_chains_whatever_dies() {
    let mut bank = Bank::open().await;
    both_leave(&mut bank).await;
    to_addresses_of_ours(&mut bank).await;
    every_edge(&mut bank).await;
}

async fn both_leave(bank: &mut Bank) {
    use WithdrawalStage::*;
    let asked = Instant::now();
    let ids = [bank.request(LTC, 300_000_000).await, bank.request(ETH, 100_000_000).await];
    bank.settle(&ids, |_| {}).await;
    println!("both are settled {:?} after they were asked for", asked.elapsed());
    for id in ids {
        assert_eq!(bank.stages(id), [Held, Allocated, Signed, Broadcast, Mempool, Mined, Settled], "{id}");
        assert_eq!(bank.signed(id).len(), 1);
    }
    bank.check(0).await;
}

/// Nothing goes to the hot wallet. What goes to the deposit address of another account is its deposit, as if it came from elsewhere.
async fn to_addresses_of_ours(bank: &mut Bank) {
    let (wallet, _) = litecoin_keys().wallet().unwrap();
    for (which, to) in [(LTC, wallet.to_string()), (ETH, hot().to_string()), (ETH, hot().to_string().to_lowercase())] {
        let reply = bank.ask(which, 20_000_000, &to).await;
        assert!(matches!(reply, Reply::Rejected { reason: RejectReason::AddressOfExchange, .. }), "{to}: {reply:?}");
    }
    let (at, _) = litecoin_keys().derive(HOUSE.get()).unwrap();
    let ether_at = address_at(&evm_scheme(), HOUSE.get()).unwrap().to_string();
    for (which, units, to) in [(LTC, 20_000_000, at.as_str()), (ETH, 10_000_000, &ether_at)] {
        let id = bank.request_to(which, units, to).await;
        bank.end(&[id], |_| {}).await;
        assert_eq!(bank.row(id).stage, WithdrawalStage::Settled);
        let tx = bank.row(id).tx;
        let is_it = |event: &Event| matches!(event, Event::DepositChanged(it) if it.tx == tx && it.stage == DepositStage::Credited);
        bank.until("it is credited", |bank| bank.events.iter().any(is_it)).await;
        let credited: Vec<_> = bank
            .events
            .iter()
            .filter_map(|event| match event {
                Event::DepositChanged(it) if it.tx == tx => Some((it.account, it.credited.units())),
                _ => None,
            })
            .collect();
        assert_eq!(credited.last(), Some(&(HOUSE, units)), "{credited:?}");
    }
    bank.wei_elsewhere = 10_000_000 * WEI;
    bank.check(0).await;
}

/// Withdrawals over both chains that are made at most.
const ROUNDS: usize = 24;

/// Whoever is at work dies at one edge after another; whoever stands by goes on.
async fn every_edge(bank: &mut Bank) {
    let started = Instant::now();
    bank.kill_all(&WAY);
    bank.deaths = 0;
    bank.keep_two();
    for _ in 0..ROUNDS {
        if bank.deaths == WAY.len() {
            break;
        }
        let ids = [bank.request(LTC, 11_000_000).await, bank.request(ETH, 10_000_000).await];
        bank.settle(&ids, Bank::keep_two).await;
        for id in ids {
            assert_eq!(bank.signed(id).len(), 1, "whoever took over sent the same bytes");
        }
        bank.check(0).await;
    }
    assert_eq!(bank.deaths, WAY.len(), "at the other edges nobody came by in {ROUNDS} rounds");
    println!("{} deaths took {:?}", bank.deaths, started.elapsed());
}
