//! Deposits from real nodes through three replicated ledgers, while leaders and instances of chainwatch die.

use std::time::{Duration, Instant};

use chainwatch::deposits::Depositor;
use chainwatch::follow::Follower;
use chainwatch::keys::{AddressKeys, AddressScheme};
use chainwatch::ledger::{ClusterLedger, Ledger};
use chainwatch::store::BlockStore;
use chainwatch::watch::Watch;
use serde_json::json;
use tempfile::TempDir;
use tests::chain::anvil::Anvils;
use tokio::task::JoinHandle;
use wire::command::{ListAsset, ListChain, ListChainAsset, OpenAccount, RequestAddress};
use wire::link::Role;
use wire::{AccountId, Amount, AssetId, ChainId, Command, DepositStage, Event, FeeRate};

use crate::bed::{all_agree, watch_evm};
use crate::exchange::{Exchange, accept, text};

const XPUB: &str =
    "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V";
const CHAIN: ChainId = ChainId::new(1);
const COIN: AssetId = AssetId::new(1);
const SOON: Duration = Duration::from_secs(40);

fn keys() -> AddressKeys {
    AddressKeys::new(XPUB, AddressScheme::Evm).unwrap()
}

async fn list(operator: &mut ClusterLedger) {
    let free = FeeRate::new(0).unwrap();
    accept(operator, Command::ListAsset(ListAsset { symbol: text("ETH"), ledger_decimals: 10 })).await;
    accept(operator, Command::OpenAccount(OpenAccount { name: text("alice"), maker_fee: free, taker_fee: free })).await;
    accept(
        operator,
        Command::ListChain(ListChain { symbol: text("ETH"), lease_ms: 1_500, addresses: wire::AddressFormat::Evm }),
    )
    .await;
    let asset = ListChainAsset {
        chain: CHAIN,
        asset: COIN,
        contract: text(""),
        chain_decimals: 18,
        deposit_min: 1,
        confirmations: 0,
        large_from: Amount::ZERO,
        large_confirmations: 0,
    };
    accept(operator, Command::ListChainAsset(Box::new(asset))).await;
    let account = AccountId::new(1);
    accept(operator, Command::RequestAddress(RequestAddress { account, chain: CHAIN })).await;
}

/// An instance at work, until it is aborted.
async fn instance(exchange: &Exchange, watch: &Watch, name: &str) -> (JoinHandle<()>, TempDir) {
    let ledger = exchange.ledger(Role::Chainwatch, name).await;
    let home = tempfile::tempdir().unwrap();
    let store = BlockStore::open(home.path(), watch.chain()).unwrap();
    let follower = Follower::open(watch.clone(), store, 64).unwrap();
    let depositor = Depositor::new(CHAIN, ledger, watch.clone(), follower, keys());
    (tokio::spawn(depositor.run()), home)
}

/// Reads the ledger's events until one of them is what is waited for; all that were read are kept.
async fn told(operator: &mut ClusterLedger, events: &mut Vec<Event>, what: &str, is_it: impl Fn(&Event) -> bool) {
    let deadline = Instant::now() + SOON;
    while !events.iter().any(&is_it) {
        assert!(Instant::now() < deadline, "in vain: {what}: {events:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        events.extend(operator.events().await.unwrap());
    }
}

fn is_deposit(event: &Event, stage: DepositStage) -> bool {
    matches!(event, Event::DepositChanged(changed) if changed.stage == stage)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn a_deposit_survives_the_ledgers_leader_and_the_instance_that_proposed_it() {
    let mut chain = Anvils::start(5).await.unwrap();
    chain.mine(3).await.unwrap();
    let watch = watch_evm(&chain).await;
    all_agree(&watch, None).await;
    let mut exchange = Exchange::start();
    let mut operator = exchange.ledger(Role::Operator, "operator-test").await;
    list(&mut operator).await;
    let (first, _first_home) = instance(&exchange, &watch, "chainwatch-1").await;
    let mut events = Vec::new();
    told(
        &mut operator,
        &mut events,
        "the address",
        |event| matches!(event, Event::AddressBound(bound) if bound.index == 1),
    )
    .await;

    let (address, _) = keys().derive(1).unwrap();
    chain.send(json!({"to": address.as_str(), "value": "0xde0b6b3a7640001"})).await.unwrap();
    chain.mine(1).await.unwrap();
    told(&mut operator, &mut events, "inclusion", |event| is_deposit(event, DepositStage::Included)).await;

    exchange.stop_leader();
    first.abort();
    let died = Instant::now();
    let (second, _second_home) = instance(&exchange, &watch, "chainwatch-2").await;
    let is_second = |event: &Event| matches!(event, Event::ChainClaimed(claimed) if claimed.fence == 2);
    told(&mut operator, &mut events, "the second claim", is_second).await;
    println!("leader and instance died; the other instance has the claim after {:?}", died.elapsed());
    chain.mine(3).await.unwrap();
    told(&mut operator, &mut events, "the credit", |event| is_deposit(event, DepositStage::Credited)).await;

    tokio::time::sleep(Duration::from_secs(1)).await;
    events.extend(operator.events().await.unwrap());
    let credits: Vec<Amount> = events
        .iter()
        .filter_map(|event| match event {
            Event::Credited(credited) => Some(credited.amount),
            _ => None,
        })
        .collect();
    assert_eq!(credits, [Amount::new(10_000_000_000).unwrap()], "one ether, once");
    let dust = |event: &Event| match event {
        Event::DepositChanged(changed) => Some(changed.dust),
        _ => None,
    };
    assert_eq!(events.iter().filter_map(dust).next_back(), Some(1));
    second.abort();
}
