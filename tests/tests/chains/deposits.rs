//! Deposits from real nodes into a real ledger cell.
//!
//! The cell is here in memory; that proposals reach it through Raft exactly once is proved elsewhere.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chainwatch::chain::Destination;
use chainwatch::deposits::{DepositError, Depositor};
use chainwatch::follow::Follower;
use chainwatch::keys::{AddressKeys, AddressScheme};
use chainwatch::ledger::{Ledger, Unanswered};
use chainwatch::store::BlockStore;
use chainwatch::watch::Watch;
use engine::{AssetAudit, Limits, Output, Partition, PartitionConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::chain::Fault;
use tests::chain::anvil::Anvils;
use tests::chain::coin::coin;
use tests::chain::litecoin::Litecoins;
use tests::nodes::until;
use wire::command::{ListAsset, ListChain, ListChainAsset, OpenAccount, Reply, RequestAddress};
use wire::event::DepositChanged;
use wire::{
    AccountId, Amount, AssetId, ChainAddress, ChainFreeze, ChainId, Command, DepositStage, Event, FeeRate, Incarnation,
    LogPosition, PartitionId, Text, Timestamp,
};

use crate::bed::{SOON, agreed_on, all_agree, frozen, watch_evm, watch_litecoin};

/// BIP 84's example account.
const XPUB: &str =
    "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V";
const CHAIN: ChainId = ChainId::new(1);
pub const COIN: AssetId = AssetId::new(1);
pub const TOKEN: AssetId = AssetId::new(2);
const ALICE: AccountId = AccountId::new(1);

/// A ledger cell whose log is a lock. Clones are other connections to the same one.
#[derive(Clone)]
pub struct OneCell {
    state: Arc<Mutex<State>>,
    seen: usize,
    seen_at: LogPosition,
}

struct State {
    partition: Partition,
    position: LogPosition,
    events: Vec<Event>,
}

impl OneCell {
    /// A chain of one coin and, if there is a contract, one token; alice has asked for an address.
    pub fn new(decimals: u8, confirmations: u32, contract: Option<&str>) -> OneCell {
        let id = PartitionId::new(1);
        let limits = Limits { accounts_max: 8, remembered_orders_max: 1_024, ..Limits::default() };
        let config = PartitionConfig { partition: id, ledger: id, incarnation: Incarnation::new(1), limits };
        let state = State { partition: Partition::new(config), position: LogPosition::ZERO, events: Vec::new() };
        let cell = OneCell { state: Arc::new(Mutex::new(state)), seen: 0, seen_at: LogPosition::ZERO };
        for symbol in ["COIN", "TOKEN"] {
            cell.accept(Command::ListAsset(ListAsset { symbol: text(symbol), ledger_decimals: 8 }));
        }
        let free = FeeRate::new(0).unwrap();
        cell.accept(Command::OpenAccount(OpenAccount { name: text("alice"), maker_fee: free, taker_fee: free }));
        cell.accept(Command::ListChain(ListChain {
            symbol: text("CHAIN"),
            lease_ms: 1_500,
            addresses: wire::AddressFormat::Evm,
        }));
        for (asset, contract) in [(COIN, Some("")), (TOKEN, contract)] {
            let Some(contract) = contract else { continue };
            cell.accept(Command::ListChainAsset(Box::new(ListChainAsset {
                chain: CHAIN,
                asset,
                contract: text(contract),
                chain_decimals: decimals,
                deposit_min: 1_000,
                confirmations,
                large_from: Amount::ZERO,
                large_confirmations: 0,
            })));
        }
        cell.accept(Command::RequestAddress(RequestAddress { account: ALICE, chain: CHAIN }));
        cell
    }

    fn apply(&self, command: &Command) -> Reply {
        let mut state = self.state.lock().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let mut out = Output::default();
        state.position = state.position.next();
        let position = state.position;
        state.partition.apply(position, Timestamp::from_nanos(now), command, &mut out);
        state.events.append(&mut out.events);
        assert!(state.partition.audit().iter().all(AssetAudit::is_conserved));
        out.reply
    }

    fn accept(&self, command: Command) {
        let reply = self.apply(&command);
        assert!(matches!(reply, Reply::Accepted { .. }), "{reply:?}");
    }

    /// The last that was told of each deposit that a block had.
    pub fn deposits(&self) -> Vec<DepositChanged> {
        let is_in_none = |stage| matches!(stage, DepositStage::Seen | DepositStage::Replaced);
        self.told().into_iter().filter(|deposit| !is_in_none(deposit.stage)).collect()
    }

    /// And of each that is in none yet, or never will be: what it is of and where it stands.
    pub fn coming(&self) -> Vec<(u128, DepositStage)> {
        let is_in_none = |stage| matches!(stage, DepositStage::Seen | DepositStage::Replaced);
        let told = self.told().into_iter().filter(|deposit| is_in_none(deposit.stage));
        let mut coming: Vec<_> = told.map(|deposit| (deposit.amount, deposit.stage)).collect();
        coming.sort();
        coming
    }

    fn told(&self) -> Vec<DepositChanged> {
        let mut last = std::collections::BTreeMap::new();
        for event in &self.state.lock().unwrap().events {
            if let Event::DepositChanged(changed) = event {
                last.insert((changed.tx, changed.output), **changed);
            }
        }
        last.into_values().collect()
    }

    pub fn free(&self, asset: AssetId) -> i128 {
        self.state.lock().unwrap().partition.audit()[usize::from(asset.get()) - 1].free
    }

    pub fn is_frozen_for(&self, reason: ChainFreeze) -> bool {
        let state = self.state.lock().unwrap();
        let last = state.events.iter().rev().find_map(|event| match event {
            Event::ChainFrozen(frozen) => Some(frozen.reason),
            _ => None,
        });
        last == Some(reason)
    }
}

impl Ledger for OneCell {
    async fn propose(&mut self, command: &Command) -> Result<Reply, Unanswered> {
        Ok(self.apply(command))
    }

    async fn events(&mut self) -> Result<Vec<Event>, Unanswered> {
        let state = self.state.lock().unwrap();
        let new = state.events[self.seen..].to_vec();
        (self.seen, self.seen_at) = (state.events.len(), state.position);
        Ok(new)
    }

    fn position(&self) -> LogPosition {
        self.seen_at
    }
}

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text.as_bytes()).unwrap()
}

pub fn litecoin_keys() -> AddressKeys {
    AddressKeys::new(XPUB, AddressScheme::Segwit { prefix: coin().prefix.into() }).unwrap()
}

pub fn evm_keys() -> AddressKeys {
    AddressKeys::new(XPUB, AddressScheme::Evm).unwrap()
}

/// Alice has the first index.
pub fn alices(keys: &AddressKeys) -> (ChainAddress, Destination) {
    keys.derive(1).unwrap()
}

/// An instance of chainwatch with a store of its own.
pub fn instance(watch: &Watch, cell: &OneCell, keys: AddressKeys) -> (Depositor<OneCell>, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let store = BlockStore::open(home.path(), watch.chain()).unwrap();
    let follower = Follower::open(watch.clone(), store, 64).unwrap();
    let connection = OneCell { seen: 0, ..cell.clone() };
    (Depositor::new(CHAIN, connection, watch.clone(), follower, keys), home)
}

/// Beats until there are so many deposits, all of them at this stage.
pub async fn beat_until(depositor: &mut Depositor<OneCell>, cell: &OneCell, count: usize, stage: DepositStage) {
    let deadline = Instant::now() + SOON;
    loop {
        depositor.beat().await.unwrap();
        let deposits = cell.deposits();
        if deposits.len() == count && deposits.iter().all(|deposit| deposit.stage == stage) {
            return;
        }
        assert!(Instant::now() < deadline, "expected {count} at {stage:?}: {deposits:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Beats until exactly this is known of what is in no block.
pub async fn beat_until_coming(depositor: &mut Depositor<OneCell>, cell: &OneCell, expected: &[(u128, DepositStage)]) {
    let reached = until(SOON, async || {
        depositor.beat().await.unwrap();
        (cell.coming() == expected).then_some(())
    });
    assert!(reached.await.is_some(), "expected {expected:?}: {:?}", cell.coming());
}

/// Six litecoin nodes, the first of which can pay.
pub async fn litecoin(confirmations: u64) -> (Litecoins, Watch) {
    let chain = Litecoins::start(6).await.unwrap();
    chain.mine(0, 105).await.unwrap();
    let best = chain.wait_for_agreement(&[0, 1, 2, 3, 4, 5]).await.unwrap();
    let watch = watch_litecoin(&chain, confirmations);
    all_agree(&watch, Some(best)).await;
    (chain, watch)
}

async fn pay_alice(chain: &Litecoins, coins: &str) {
    let (address, _) = alices(&litecoin_keys());
    chain.nodes[0].call("sendtoaddress", json!([address.as_str(), coins])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn a_litecoin_deposit_is_credited_once_and_a_reverted_credit_freezes_the_chain() {
    let (chain, watch) = litecoin(3).await;
    let cell = OneCell::new(8, 3, None);
    let (mut depositor, _home) = instance(&watch, &cell, litecoin_keys());
    depositor.beat().await.unwrap();
    chain.partition(&[0, 1, 2, 3]).await.unwrap();

    pay_alice(&chain, "1.5").await;
    beat_until_coming(&mut depositor, &cell, &[(150_000_000, DepositStage::Seen)]).await;
    assert_eq!(cell.free(COIN), 0);
    let included = chain.mine(0, 1).await.unwrap()[0];
    chain.wait_for_agreement(&[0, 1, 2, 3]).await.unwrap();
    agreed_on(&watch, included).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Included).await;
    assert_eq!(cell.coming(), [], "it is in a block");
    let confirmed = *chain.mine(0, 2).await.unwrap().last().unwrap();
    chain.wait_for_agreement(&[0, 1, 2, 3]).await.unwrap();
    agreed_on(&watch, confirmed).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Credited).await;
    assert_eq!(cell.free(COIN), 150_000_000);

    // Somebody has mined more in secret: the credit's block is gone.
    let secret = *chain.mine(4, 4).await.unwrap().last().unwrap();
    chain.heal().await.unwrap();
    chain.wait_for_agreement(&[0, 1, 2, 3, 4, 5]).await.unwrap();
    agreed_on(&watch, secret).await;
    let reported = until(SOON, async || {
        depositor.beat().await.unwrap();
        cell.is_frozen_for(ChainFreeze::CreditReverted).then_some(())
    });
    reported.await.expect("the ledger was told");
    assert!(cell.deposits()[0].is_reverted);
    assert_eq!(cell.free(COIN), 150_000_000, "no balance is edited");

    // The transaction is mined again elsewhere: still one credit.
    let again = *chain.mine(0, 4).await.unwrap().last().unwrap();
    agreed_on(&watch, again).await;
    depositor.beat().await.unwrap();
    assert_eq!((cell.deposits().len(), cell.free(COIN)), (1, 150_000_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn a_double_spend_before_enough_confirmations_credits_nothing() {
    let (chain, watch) = litecoin(7).await;
    let cell = OneCell::new(8, 7, None);
    let (mut depositor, _home) = instance(&watch, &cell, litecoin_keys());
    depositor.beat().await.unwrap();
    // One coin, spent twice: to alice in public, to its owner in secret.
    let coin: Value = chain.nodes[0].call("listunspent", json!([100])).await.unwrap()[0].clone();
    let inputs = json!([{"txid": coin["txid"], "vout": coin["vout"]}]);
    let signed = async |to: String| {
        let raw = chain.nodes[0].call("createrawtransaction", json!([inputs, [{to: "49.99"}]])).await.unwrap();
        let signed = chain.nodes[0].call("signrawtransactionwithwallet", json!([raw])).await.unwrap();
        signed["hex"].clone()
    };
    let (alice, _) = alices(&litecoin_keys());
    let public = signed(alice.to_string()).await;
    let secret = signed(chain.nodes[0].address().await.unwrap()).await;

    chain.partition(&[0, 1, 2, 3]).await.unwrap();
    chain.nodes[0].call("sendrawtransaction", json!([public, 0])).await.unwrap();
    let six = *chain.mine(0, 6).await.unwrap().last().unwrap();
    chain.wait_for_agreement(&[0, 1, 2, 3]).await.unwrap();
    agreed_on(&watch, six).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Included).await;

    chain.nodes[4].call("sendrawtransaction", json!([secret, 0])).await.unwrap();
    let longer = *chain.mine(4, 7).await.unwrap().last().unwrap();
    chain.heal().await.unwrap();
    chain.wait_for_agreement(&[0, 1, 2, 3, 4, 5]).await.unwrap();
    agreed_on(&watch, longer).await;
    frozen(&watch, None).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Orphaned).await;
    chain.mine(4, 8).await.unwrap();
    let best = chain.wait_for_agreement(&[0, 1, 2, 3, 4, 5]).await.unwrap();
    agreed_on(&watch, best).await;
    depositor.beat().await.unwrap();
    assert_eq!((cell.free(COIN), cell.deposits()[0].stage), (0, DepositStage::Orphaned));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind: tests/run chains"]
async fn coins_fresh_from_the_miner_are_no_deposit() {
    let (chain, watch) = litecoin(2).await;
    let cell = OneCell::new(8, 2, None);
    let (mut depositor, _home) = instance(&watch, &cell, litecoin_keys());
    let (address, _) = alices(&litecoin_keys());
    depositor.beat().await.unwrap();
    let best = *chain.nodes[1].mine_to(address.as_str(), 5).await.unwrap().last().unwrap();
    agreed_on(&watch, best).await;
    depositor.beat().await.unwrap();
    assert!(cell.deposits().is_empty());
}

/// Code that deploys a contract which, whenever it is called, says that it has moved `amount` to `to`, whatever it has.
fn token_code(to: &Destination, amount: u8) -> String {
    let transfer = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
    let (to, from) = (hex::encode(&to.0), hex::encode([7_u8; 32]));
    // mstore(0, amount << 8); log3(0, 32, Transfer, from, to); stop
    let store = format!("61{amount:02x}00600052");
    let runtime = format!("{store}7f{:0>64}7f{from}7f{transfer}60206000a300", to);
    let length = runtime.len() / 2;
    // codecopy(0, 12, length); return(0, length)
    format!("0x60{length:02x}600c60003960{length:02x}6000f3{runtime}")
}

pub async fn deploy(chain: &mut Anvils, code: &str) -> String {
    let id = chain.send(json!({"data": code})).await.unwrap();
    chain.mine(1).await.unwrap();
    let receipt = chain.nodes[4].call("eth_getTransactionReceipt", json!([id])).await.unwrap();
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    receipt["contractAddress"].as_str().unwrap().to_lowercase()
}

pub async fn mined(chain: &mut Anvils, watch: &Watch, count: u64) {
    chain.mine(count).await.unwrap();
    agreed_on(watch, chain.nodes[4].best().await.unwrap().hash).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn evm_deposits_wait_for_finality_and_only_listed_contracts_count() {
    let mut chain = Anvils::start(5).await.unwrap();
    let (address, destination) = alices(&evm_keys());
    let listed = deploy(&mut chain, &token_code(&destination, 9)).await;
    let fake = deploy(&mut chain, &token_code(&destination, 200)).await;
    // Says that it has moved something, and then fails: revert(0, 0) instead of stop.
    let failing = token_code(&destination, 50).strip_suffix("00").map(|code| format!("{code}fd")).unwrap();
    let failing = deploy(&mut chain, &failing).await;
    let watch = watch_evm(&chain).await;
    all_agree(&watch, None).await;
    let cell = OneCell::new(18, 0, Some(&listed));
    let (mut depositor, _home) = instance(&watch, &cell, evm_keys());
    depositor.beat().await.unwrap();

    chain.nodes[0].proxy.set(Fault::ForgedAmount);
    chain.nodes[1].proxy.set(Fault::ForgedReceipt);
    let value = json!(format!("{:#x}", 1_500_000_000_000_000_001_u64));
    chain.send(json!({"to": address.as_str(), "value": value})).await.unwrap();
    beat_until_coming(&mut depositor, &cell, &[(1_500_000_000_000_000_001, DepositStage::Seen)]).await;
    for contract in [&listed, &fake, &failing] {
        chain.send(json!({"to": contract, "data": "0x"})).await.unwrap();
    }
    mined(&mut chain, &watch, 1).await;
    beat_until(&mut depositor, &cell, 2, DepositStage::Included).await;
    mined(&mut chain, &watch, 1).await;
    depositor.beat().await.unwrap();
    assert_eq!((cell.free(COIN), cell.free(TOKEN)), (0, 0), "not final yet");
    mined(&mut chain, &watch, 2).await;
    beat_until(&mut depositor, &cell, 2, DepositStage::Credited).await;
    assert_eq!(cell.free(COIN), 150_000_000);
    let coin = cell.deposits().into_iter().find(|deposit| deposit.asset == COIN).unwrap();
    assert_eq!(coin.dust, 1, "the wei that is less than a ledger unit stays the account's");
    // 9 << 8 units of 10^-18 are less than one of 10^-8: dust alone.
    let token = cell.deposits().into_iter().find(|deposit| deposit.asset == TOKEN).unwrap();
    assert_eq!((token.amount, token.credited, token.dust), (9 << 8, Amount::ZERO, 9 << 8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn a_frozen_chain_credits_nothing_and_thaws_by_itself() {
    let mut chain = Anvils::start(5).await.unwrap();
    chain.mine(3).await.unwrap();
    let watch = watch_evm(&chain).await;
    all_agree(&watch, None).await;
    let cell = OneCell::new(18, 0, None);
    let (mut depositor, _home) = instance(&watch, &cell, evm_keys());
    depositor.beat().await.unwrap();
    let (address, _) = alices(&evm_keys());
    chain.send(json!({"to": address.as_str(), "value": "0x8ac7230489e80000"})).await.unwrap();
    mined(&mut chain, &watch, 1).await;
    beat_until(&mut depositor, &cell, 1, DepositStage::Included).await;
    for node in 0..3 {
        chain.nodes[node].proxy.set(Fault::Stall);
    }
    chain.mine(5).await.unwrap();
    let told = until(SOON, async || {
        depositor.beat().await.unwrap();
        cell.is_frozen_for(ChainFreeze::NoMajority).then_some(())
    });
    told.await.expect("the ledger knows that the chain is frozen");
    assert_eq!(cell.free(COIN), 0);
    for node in 0..3 {
        chain.nodes[node].proxy.set(Fault::Pass);
    }
    beat_until(&mut depositor, &cell, 1, DepositStage::Credited).await;
    assert_eq!(cell.free(COIN), 1_000_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs anvil: tests/run chains"]
async fn of_two_instances_one_proposes_and_the_other_takes_over_within_two_seconds() {
    let mut chain = Anvils::start(5).await.unwrap();
    chain.mine(3).await.unwrap();
    let watch = watch_evm(&chain).await;
    all_agree(&watch, None).await;
    let cell = OneCell::new(18, 0, None);
    let (mut first, _first_home) = instance(&watch, &cell, evm_keys());
    let (mut second, _second_home) = instance(&watch, &cell, evm_keys());
    first.beat().await.unwrap();
    assert!(matches!(second.beat().await, Err(DepositError::NotClaimed(1))));
    let (address, _) = alices(&evm_keys());
    chain.send(json!({"to": address.as_str(), "value": "0x8ac7230489e80000"})).await.unwrap();
    mined(&mut chain, &watch, 1).await;
    beat_until(&mut first, &cell, 1, DepositStage::Included).await;
    let silent_since = Instant::now();
    while second.beat().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("taken over after {:?}", silent_since.elapsed());
    assert!(silent_since.elapsed() < Duration::from_secs(4));
    mined(&mut chain, &watch, 3).await;
    beat_until(&mut second, &cell, 1, DepositStage::Credited).await;
    assert!(matches!(first.beat().await, Err(DepositError::NotClaimed(2))));
    assert_eq!(cell.free(COIN), 1_000_000_000);
}
