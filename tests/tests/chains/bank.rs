//! An exchange whose money leaves: three replicated ledgers, `mainstay signer`, instances of `mainstay chainwatch`, and the nodes
//! of two chains.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use chainwatch::keys::{AddressKeys, AddressScheme};
use chainwatch::ledger::{ClusterLedger, Ledger};
use chainwatch::rpc::Endpoint;
use chainwatch::signer::Signed;
use chainwatch::signer::evm::{EvmScheme, own_address};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::chain::Fault;
use tests::chain::anvil::{Anvils, CHAIN_ID};
use tests::chain::coin::coin;
use tests::chain::litecoin::Litecoins;
use wire::command::{
    Credit, ListAsset, ListChain, ListChainAsset, OpenAccount, Reply, RequestAddress, RequestWithdrawal,
    SetWithdrawalRules,
};
use wire::event::{WithdrawalAllocated, WithdrawalChanged};
use wire::link::Role;
use wire::{
    AccountId, AddressFormat, Amount, AssetId, ChainId, Command, Event, FeeRate, WithdrawalId, WithdrawalRules,
    WithdrawalStage,
};

use crate::exchange::{Exchange, accept, text};
use crate::instances::{ETH_ACCOUNT, Instance, LTC_ACCOUNT, Program, program, start_signer, vault};

pub const LTC: (ChainId, AssetId) = (ChainId::new(1), AssetId::new(1));
pub const ETH: (ChainId, AssetId) = (ChainId::new(2), AssetId::new(2));
pub const ALICE: AccountId = AccountId::new(1);
pub const HOUSE: AccountId = AccountId::new(2);
/// What one unit of the ledger is on the EVM chain.
pub const WEI: i128 = 10_000_000_000;
/// How long anything that should happen may take on a loaded machine.
const SOON: Duration = Duration::from_secs(60);
/// Slow enough that whoever watches hears of a block before the next.
const BLOCK_EVERY: Duration = Duration::from_millis(500);
/// A claim that is not renewed ends after this.
const LEASE_MS: u32 = 1_000;

pub struct Bank {
    pub exchange: Exchange,
    pub operator: ClusterLedger,
    pub events: Vec<Event>,
    pub litecoin: Litecoins,
    pub evm: Anvils,
    pub instances: Vec<Program>,
    /// Edges at which the next instances die.
    pub edges: VecDeque<String>,
    pub deaths: usize,
    /// What is at deposit addresses, where nobody sweeps.
    pub wei_elsewhere: i128,
    pub stuck_after_s: u64,
    /// What the next instances are told of their nodes.
    pub replaces: bool,
    pub batch_wait_ms: u64,
    litecoin_at: Vec<Endpoint>,
    evm_at: Vec<Endpoint>,
    evm_genesis: String,
    next_instance: usize,
    next_request: usize,
    _signer: Program,
    home: TempDir,
}

fn amount(units: i64) -> Amount {
    Amount::new(units).unwrap()
}

pub fn litecoin_keys() -> AddressKeys {
    let xpub = vault().account_public(LTC_ACCOUNT).unwrap().to_string();
    AddressKeys::new(&xpub, AddressScheme::Segwit { prefix: coin().prefix.into() }).unwrap()
}

pub fn evm_scheme() -> EvmScheme {
    EvmScheme { chain_id: CHAIN_ID, xpub: vault().account_public(ETH_ACCOUNT).unwrap() }
}

/// The account that sends.
pub fn hot() -> Address {
    own_address(&evm_scheme()).unwrap()
}

impl Bank {
    /// Alice has 20 LTC and 50 ETH, the house 2 LTC and 10 ETH, all of it on the chains; one instance is at work.
    pub async fn open() -> Bank {
        Bank::open_at_nodes(&[]).await
    }

    /// The same, of nodes of the first chain that are told more.
    pub async fn open_at_nodes(args: &[&str]) -> Bank {
        let litecoin = Litecoins::start_with(5, args).await.unwrap();
        litecoin.mine(0, 105).await.unwrap();
        litecoin.wait_for_agreement(&[0, 1, 2, 3, 4]).await.unwrap();
        let mut evm = Anvils::start(5).await.unwrap();
        evm.mine(3).await.unwrap();
        let exchange = Exchange::start();
        let operator = exchange.ledger(Role::Operator, "operator-test").await;
        let home = tempfile::tempdir().unwrap();
        let genesis = evm.root().await.unwrap().head.hash.0;
        let mut bank = Bank {
            _signer: start_signer(home.path()),
            litecoin_at: litecoin.endpoints(),
            evm_at: evm.endpoints(),
            evm_genesis: format!("0x{}", hex::encode(genesis)),
            exchange,
            operator,
            events: Vec::new(),
            litecoin,
            evm,
            instances: Vec::new(),
            edges: VecDeque::new(),
            deaths: 0,
            wei_elsewhere: 0,
            stuck_after_s: 3_600,
            replaces: true,
            batch_wait_ms: 0,
            next_instance: 1,
            next_request: 1,
            home,
        };
        bank.list().await;
        bank.start_instance();
        bank.fund().await;
        bank
    }

    async fn list(&mut self) {
        let operator = &mut self.operator;
        for symbol in [coin().symbol, "ETH"] {
            accept(operator, Command::ListAsset(ListAsset { symbol: text(symbol), ledger_decimals: 8 })).await;
        }
        let free = FeeRate::new(0).unwrap();
        for name in ["alice", "house"] {
            let open = OpenAccount { name: text(name), maker_fee: free, taker_fee: free };
            accept(operator, Command::OpenAccount(open)).await;
        }
        for ((chain, asset), symbol, chain_decimals, confirmations) in [(LTC, coin().symbol, 8, 1), (ETH, "ETH", 18, 0)]
        {
            let addresses = if chain == LTC.0 { coin().addresses } else { AddressFormat::Evm };
            let list = ListChain { symbol: text(symbol), lease_ms: LEASE_MS, addresses };
            accept(operator, Command::ListChain(list)).await;
            let listed = ListChainAsset {
                chain,
                asset,
                contract: text(""),
                chain_decimals,
                deposit_min: 1,
                confirmations,
                large_from: Amount::ZERO,
                large_confirmations: 0,
            };
            accept(operator, Command::ListChainAsset(Box::new(listed))).await;
            for account in [ALICE, HOUSE] {
                accept(operator, Command::RequestAddress(RequestAddress { account, chain })).await;
            }
            let rules = WithdrawalRules {
                is_enabled: true,
                amount_min: amount(100_000),
                amount_max: amount(1_000_000_000),
                fee: amount(10_000),
                account_day_max: Amount::ZERO,
                day_max: Amount::ZERO,
                review_from: Amount::ZERO,
                approvals: 0,
                address_delay_s: 0,
                confirmations: if chain == LTC.0 { 2 } else { 0 },
                network_fee_max: if chain == LTC.0 { 200_000 } else { 1_000_000_000_000_000 },
                house: HOUSE,
            };
            let set = SetWithdrawalRules { chain, asset, rules };
            accept(operator, Command::SetWithdrawalRules(Box::new(set))).await;
        }
    }

    /// Deposits of litecoins; ether that was always ours.
    async fn fund(&mut self) {
        let keys = litecoin_keys();
        for (index, coins) in [(1, "5"), (1, "5"), (1, "5"), (1, "5"), (2, "1"), (2, "1")] {
            let (address, _) = keys.derive(index).unwrap();
            self.litecoin.nodes[0].call("sendtoaddress", json!([address.as_str(), coins])).await.unwrap();
        }
        let wei = format!("{:#x}", 60 * 100_000_000 * WEI);
        self.evm.send(json!({"to": hot().to_string(), "value": wei})).await.unwrap();
        for (account, units) in [(ALICE, 5_000_000_000), (HOUSE, 1_000_000_000)] {
            let credit = Credit { account, asset: ETH.1, amount: amount(units) };
            accept(&mut self.operator, Command::Credit(credit)).await;
        }
        self.mine_litecoin().await;
        self.mine_evm(3).await;
        let deadline = Instant::now() + SOON;
        while self.exchange.owed(LTC.1) != 2_200_000_000 {
            assert!(Instant::now() < deadline, "deposits are not credited: {}", self.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.check(0).await;
    }

    /// One more instance; the edge at which it dies is the next one.
    pub fn start_instance(&mut self) {
        let name = format!("chainwatch-{}", self.next_instance);
        self.next_instance += 1;
        let instance = Instance {
            name,
            home: self.home.path(),
            exchange: &self.exchange,
            litecoin: &self.litecoin_at,
            evm: &self.evm_at,
            evm_genesis: &self.evm_genesis,
            stuck_after_s: self.stuck_after_s,
            replaces: self.replaces,
            batch_wait_ms: self.batch_wait_ms,
        };
        let program = instance.start(self.edges.pop_front().as_deref());
        self.instances.push(program);
    }

    /// SIGKILL for every instance; from now on they die at these edges, one after another.
    pub fn kill_all(&mut self, edges: &[&str]) {
        self.instances.clear();
        self.edges = edges.iter().map(|edge| edge.to_string()).collect();
    }

    /// The instances that live are stopped, or go on.
    pub fn signal_all(&self, what: Signal) {
        self.instances.iter().for_each(|instance| instance.signal(what));
    }

    /// Two are alive at any time; when all edges are given out, one, so that whoever still has one gets to work.
    pub fn keep_two(&mut self) {
        let before = self.instances.len();
        self.instances.retain_mut(|instance| !instance.has_died());
        self.deaths += before - self.instances.len();
        // Looked at before each start: beside whoever has the last edge nobody is started who could do its work.
        while self.instances.len() < if self.edges.is_empty() { 1 } else { 2 } {
            self.start_instance();
        }
    }

    pub async fn mine_litecoin(&mut self) {
        self.litecoin.mine(0, 1).await.unwrap();
        self.litecoin.wait_for_agreement(&[0, 1, 2, 3, 4]).await.unwrap();
    }

    /// The last block is on the chain no more, and what was in it is not in the two that take its place.
    pub async fn reorganise_litecoin(&self) {
        let tip = self.litecoin.nodes[0].call("getbestblockhash", json!([])).await.unwrap();
        for node in &self.litecoin.nodes {
            node.call("invalidateblock", json!([tip])).await.unwrap();
        }
        let address = self.litecoin.nodes[0].address().await.unwrap();
        for _ in 0..2 {
            self.litecoin.nodes[0].call("generateblock", json!([address, []])).await.unwrap();
        }
        self.litecoin.wait_for_agreement(&[0, 1, 2, 3, 4]).await.unwrap();
    }

    pub async fn litecoin_height(&self) -> u64 {
        self.litecoin.nodes[0].call("getblockcount", json!([])).await.unwrap().as_u64().unwrap()
    }

    pub async fn evm_height(&self) -> u64 {
        let height = self.evm.nodes[0].call("eth_blockNumber", json!([])).await.unwrap();
        u64::from_str_radix(height.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    /// The program, and the page on which its last instance tells how it is.
    pub fn status_page(&self) -> (PathBuf, String) {
        let file = self.home.path().join(format!("chainwatch-{}.toml", self.next_instance - 1));
        let file = std::fs::read_to_string(file).unwrap();
        let at = file.lines().find_map(|line| line.strip_prefix("http = ")).unwrap().trim_matches('"').to_string();
        (program(), format!("http://{at}"))
    }

    /// Nodes of this chain do not speak to each other: a block is the same only of the same transactions.
    pub async fn mine_evm(&mut self, count: u64) {
        let deadline = Instant::now() + SOON;
        loop {
            let mut pools = Vec::new();
            for node in &self.evm.nodes {
                pools.push(node.call("txpool_status", json!([])).await.unwrap());
            }
            if pools.iter().all(|pool| *pool == pools[0]) {
                break;
            }
            assert!(Instant::now() < deadline, "not every node has every transaction: {pools:?}");
            // Whoever is at work may have signed and sent another one since the log was read last.
            self.read().await;
            self.spread().await;
        }
        self.evm.mine(count).await.unwrap();
    }

    /// What one node has all have: elsewhere nodes tell each other. Those that have it, or have it behind them, refuse.
    async fn spread(&self) {
        for id in self.rows().into_values().filter(|row| row.chain == ETH.0 && !row.stage.is_final()) {
            for signed in self.signed(id.withdrawal) {
                let raw = format!("0x{}", hex::encode(signed.bytes.as_bytes()));
                for node in &self.evm.nodes {
                    let _ = node.call("eth_sendRawTransaction", json!([raw])).await;
                }
            }
        }
    }

    pub fn set_faults(&self, fault: &Fault, count: usize) {
        self.litecoin.nodes.iter().take(count).for_each(|node| node.proxy.set(fault.clone()));
        self.evm.nodes.iter().take(count).for_each(|node| node.proxy.set(fault.clone()));
    }

    /// An address that nobody has used, on either chain.
    pub async fn stranger(&mut self, chain: ChainId) -> String {
        if chain == LTC.0 {
            self.litecoin.nodes[3].address().await.unwrap()
        } else {
            Address::from([self.next_request as u8 + 100; 20]).to_string()
        }
    }

    /// Alice asks for so much to be sent to a new address.
    pub async fn request(&mut self, which: (ChainId, AssetId), units: i64) -> WithdrawalId {
        let address = self.stranger(which.0).await;
        self.request_to(which, units, &address).await
    }

    pub async fn request_to(&mut self, which: (ChainId, AssetId), units: i64, address: &str) -> WithdrawalId {
        match self.ask(which, units, address).await {
            Reply::Accepted { id } => WithdrawalId::new(id),
            rejected => panic!("{units} to {address}: {rejected:?}"),
        }
    }

    /// What the ledger says to that.
    pub async fn ask(&mut self, (chain, asset): (ChainId, AssetId), units: i64, address: &str) -> Reply {
        let name = text(&format!("w-{}", self.next_request));
        self.next_request += 1;
        let (account, amount, address) = (ALICE, amount(units), text(address));
        let request = RequestWithdrawal { account, chain, asset, address, amount, name };
        self.operator.propose(&Command::RequestWithdrawal(Box::new(request))).await.unwrap()
    }

    /// The bytes are in the log, nobody has sent them, and nobody is at work.
    pub async fn sign_and_die(&mut self, which: (ChainId, AssetId), units: i64) -> WithdrawalId {
        self.kill_all(&["after-sign"]);
        self.start_instance();
        let id = self.request(which, units).await;
        self.until("the death of the instance that had it signed", |bank| bank.instances[0].has_died()).await;
        self.until_stage(id, WithdrawalStage::Signed).await;
        id
    }

    pub async fn read(&mut self) {
        // While nobody leads there is nothing to be read.
        if let Ok(events) = self.operator.events().await {
            self.events.extend(events);
        }
    }

    pub fn rows(&self) -> BTreeMap<WithdrawalId, WithdrawalChanged> {
        let rows = self.events.iter().filter_map(|event| match event {
            Event::WithdrawalChanged(row) => Some((row.withdrawal, **row)),
            _ => None,
        });
        rows.collect()
    }

    pub fn row(&self, id: WithdrawalId) -> WithdrawalChanged {
        self.rows()[&id]
    }

    /// Every transaction that was signed for it.
    pub fn signed(&self, id: WithdrawalId) -> Vec<Signed> {
        let signed = self.events.iter().filter_map(|event| match event {
            Event::WithdrawalSigned(signed) if signed.withdrawal == id => {
                Some(Signed { tx: signed.tx, bytes: signed.bytes.clone() })
            }
            _ => None,
        });
        signed.collect()
    }

    /// How often a chain was given to another instance.
    pub fn claims(&self) -> usize {
        [LTC.0, ETH.0].map(|chain| self.claims_of(chain)).iter().sum()
    }

    /// How often this chain was.
    pub fn claims_of(&self, chain: ChainId) -> usize {
        let is_of = |event: &&Event| matches!(event, Event::ChainClaimed(claimed) if claimed.chain == chain);
        self.events.iter().filter(is_of).count()
    }

    /// What its last transaction spends.
    pub fn allocated(&self, id: WithdrawalId) -> WithdrawalAllocated {
        let last = self.events.iter().rev().find_map(|event| match event {
            Event::WithdrawalAllocated(allocated) if allocated.withdrawal == id => Some(**allocated),
            _ => None,
        });
        last.expect("it was allocated")
    }

    /// Every stage that it has been in.
    pub fn stages(&self, id: WithdrawalId) -> Vec<WithdrawalStage> {
        let stages = self.events.iter().filter_map(|event| match event {
            Event::WithdrawalChanged(row) if row.withdrawal == id => Some(row.stage),
            _ => None,
        });
        let mut stages: Vec<WithdrawalStage> = stages.collect();
        stages.dedup();
        stages
    }

    /// Reads on until something is so.
    pub async fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Bank) -> bool) {
        let deadline = Instant::now() + SOON;
        loop {
            self.read().await;
            if is_so(self) {
                return;
            }
            assert!(Instant::now() < deadline, "in vain: {what}: {:#?}{}", self.rows(), self.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Until it has been at this stage.
    pub async fn until_stage(&mut self, id: WithdrawalId, stage: WithdrawalStage) {
        self.until(&format!("{id} at {stage:?}"), |bank| bank.stages(id).contains(&stage)).await;
    }

    /// Mines what nodes have, until all of these are settled.
    pub async fn settle(&mut self, ids: &[WithdrawalId], meanwhile: impl FnMut(&mut Bank)) {
        self.end(ids, meanwhile).await;
        for id in ids {
            let row = self.row(*id);
            assert_eq!(row.stage, WithdrawalStage::Settled, "{row:#?}");
            assert_eq!(self.received(&row).await, row.amount.wide(), "once and all of it: {row:#?}");
        }
    }

    /// Mines what nodes have, until all of these are over.
    pub async fn end(&mut self, ids: &[WithdrawalId], mut meanwhile: impl FnMut(&mut Bank)) {
        let deadline = Instant::now() + SOON;
        let mut mined = Instant::now() - BLOCK_EVERY;
        loop {
            self.read().await;
            meanwhile(self);
            let rows: Vec<WithdrawalChanged> =
                ids.iter().filter_map(|id| self.rows().get(id).copied()).filter(|row| !row.stage.is_final()).collect();
            if rows.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "never over: {rows:#?}{}", self.logs());
            let is_on_its_way = |chain: ChainId| {
                use WithdrawalStage::{Confirmed, Mempool, Mined};
                rows.iter().any(|row| row.chain == chain && matches!(row.stage, Mempool | Mined | Confirmed))
            };
            let (litecoin, evm) = (is_on_its_way(LTC.0), is_on_its_way(ETH.0));
            if mined.elapsed() >= BLOCK_EVERY {
                mined = Instant::now();
                if litecoin {
                    self.mine_litecoin().await;
                }
                if evm {
                    self.mine_evm(1).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// What the address has got on its chain, in the ledger's units.
    pub async fn received(&self, row: &WithdrawalChanged) -> i128 {
        if row.chain == LTC.0 {
            self.litecoin_at_addresses(&[row.address.as_str()]).await
        } else {
            self.evm_balance(row.address.as_str()).await / WEI
        }
    }

    async fn litecoin_at_addresses(&self, addresses: &[&str]) -> i128 {
        let scanned: Vec<String> = addresses.iter().map(|address| format!("addr({address})")).collect();
        let found = self.litecoin.nodes[4].call("scantxoutset", json!(["start", scanned])).await.unwrap();
        (found["total_amount"].as_f64().unwrap() * 1e8).round() as i128
    }

    async fn evm_balance(&self, address: &str) -> i128 {
        let balance = self.evm.nodes[4].call("eth_getBalance", json!([address, "latest"])).await.unwrap();
        i128::from_str_radix(balance.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    /// What the chains have is what the ledger owes, but for what a stranger has taken of the litecoins.
    pub async fn check(&self, litecoins_taken: i128) {
        self.check_with(litecoins_taken, self.wei_elsewhere).await;
    }

    /// The same, with so much wei at other addresses of ours.
    pub async fn check_with(&self, litecoins_taken: i128, wei_elsewhere: i128) {
        let keys = litecoin_keys();
        let own = [keys.derive(1).unwrap().0, keys.derive(2).unwrap().0];
        let wallet = chainwatch::signer::bitcoin::own_script(&litecoin_scheme(), 0).unwrap();
        let wallet = format!("raw({})", hex::encode(wallet.as_bytes()));
        let mut scanned: Vec<Value> = own.iter().map(|address| json!(format!("addr({address})"))).collect();
        scanned.push(json!(wallet));
        let found = self.litecoin.nodes[4].call("scantxoutset", json!(["start", scanned])).await.unwrap();
        let has = (found["total_amount"].as_f64().unwrap() * 1e8).round() as i128;
        assert_eq!(has + litecoins_taken, self.exchange.owed(LTC.1), "litecoins: {found:#}");
        let over = wei_elsewhere + self.evm_balance(&hot().to_string()).await - self.exchange.owed(ETH.1) * WEI;
        assert!((0..WEI).contains(&over), "the chain has {over} wei more than the ledger owes");
    }

    /// How often the instances have said this.
    pub fn said(&self, what: &str) -> usize {
        (1..self.next_instance).map(|number| self.log(number).matches(what).count()).sum()
    }

    fn log(&self, number: usize) -> String {
        std::fs::read_to_string(self.home.path().join(format!("chainwatch-{number}.log"))).unwrap_or_default()
    }

    /// What the instances have said last, for whoever looks into a failure.
    pub fn logs(&self) -> String {
        let mut all = String::new();
        for number in self.next_instance.saturating_sub(3).max(1)..self.next_instance {
            let log = self.log(number);
            let lines: Vec<&str> = log.lines().collect();
            all += &format!("\n--- chainwatch-{number}\n{}", lines[lines.len().saturating_sub(25)..].join("\n"));
        }
        all
    }
}

pub fn litecoin_scheme() -> chainwatch::signer::bitcoin::BitcoinScheme {
    let xpub = vault().account_public(LTC_ACCOUNT).unwrap();
    let (prefix, [pubkey_prefix, script_prefix], dust) = (coin().prefix.to_string(), coin().versions, coin().dust);
    chainwatch::signer::bitcoin::BitcoinScheme { prefix, pubkey_prefix, script_prefix, xpub, dust }
}
