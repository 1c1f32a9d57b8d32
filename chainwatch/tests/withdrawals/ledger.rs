//! The real ledger cell in memory: commands in, events out, a new leader now and then.

use engine::{Limits, Output, Partition, PartitionConfig};
use wire::command::{
    ApproveLoosening, ClaimChain, Credit, FreezeChain, ListAsset, ListChain, ListChainAsset, Loosening, OpenAccount,
    ProposeLoosening, Reply, RequestWithdrawal, RestrictWithdrawals, SetVersion, SetWithdrawalRules,
};
use wire::event::WithdrawalChanged;
use wire::{
    AccountId, Amount, AssetId, ChainFreeze, ChainHash, ChainId, ClientOrderId, Command, Event, FeeRate, Incarnation,
    LogPosition, LooseningId, PartitionId, Text, Timestamp, WithdrawalId, WithdrawalRules,
};

pub const CHAIN: ChainId = ChainId::new(1);
pub const COIN: AssetId = AssetId::new(1);
pub const ALICE: AccountId = AccountId::new(1);
pub const HOUSE: AccountId = AccountId::new(2);
pub const LEASE_NS: u64 = 1_500_000_000;

pub struct Ledger {
    partition: Partition,
    position: u64,
    confirmations: u32,
    pub events: Vec<Event>,
}

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text.as_bytes()).expect("a short text")
}

pub fn amount(units: i64) -> Amount {
    Amount::new(units).expect("not negative")
}

fn config() -> PartitionConfig {
    let (id, incarnation) = (PartitionId::new(1), Incarnation::new(1));
    let limits = Limits { accounts_max: 64, assets_max: 4, markets_max: 1, ..Limits::default() };
    PartitionConfig { partition: id, ledger: id, incarnation, limits }
}

fn rules(confirmations: u32) -> WithdrawalRules {
    WithdrawalRules {
        is_enabled: true,
        amount_min: amount(100),
        amount_max: amount(1_000_000),
        fee: amount(50),
        account_day_max: Amount::ZERO,
        day_max: Amount::ZERO,
        review_from: Amount::ZERO,
        approvals: 0,
        address_delay_s: 0,
        confirmations,
        network_fee_max: 20_000,
        house: HOUSE,
    }
}

impl Ledger {
    /// Alice and the house have money, of a coin with two decimals more than the ledger has.
    pub fn new(now: Timestamp, confirmations: u32) -> Ledger {
        let mut ledger = Ledger { partition: Partition::new(config()), position: 0, confirmations, events: Vec::new() };
        let fee = FeeRate::new(0).expect("no fee");
        let rules = rules(confirmations);
        let (symbol, contract) = (text("LTC"), Text::EMPTY);
        for command in [
            Command::SetVersion(SetVersion { version: *engine::VERSIONS.end() }),
            Command::ListAsset(ListAsset { symbol: text("LTC"), ledger_decimals: 6 }),
            Command::OpenAccount(OpenAccount { name: text("alice"), maker_fee: fee, taker_fee: fee }),
            Command::OpenAccount(OpenAccount { name: text("house"), maker_fee: fee, taker_fee: fee }),
            Command::Credit(Credit { account: ALICE, asset: COIN, amount: amount(100_000) }),
            Command::Credit(Credit { account: HOUSE, asset: COIN, amount: amount(100_000) }),
            Command::ListChain(ListChain {
                symbol,
                lease_ms: (LEASE_NS / 1_000_000) as u32,
                addresses: wire::AddressFormat::litecoin_regtest(),
            }),
            Command::ListChainAsset(Box::new(ListChainAsset {
                chain: CHAIN,
                asset: COIN,
                contract,
                chain_decimals: 8,
                deposit_min: 1,
                confirmations,
                large_from: Amount::ZERO,
                large_confirmations: 0,
            })),
            Command::SetWithdrawalRules(Box::new(SetWithdrawalRules { chain: CHAIN, asset: COIN, rules })),
        ] {
            let reply = ledger.apply(now, &command);
            assert!(matches!(reply, Reply::Accepted { .. }), "{command:?}: {reply:?}");
        }
        ledger
    }

    pub fn apply(&mut self, now: Timestamp, command: &Command) -> Reply {
        let mut out = Output::default();
        self.position += 1;
        self.partition.apply(LogPosition::new(self.position), now, command, &mut out);
        self.events.append(&mut out.events);
        assert!(self.partition.audit().iter().all(engine::AssetAudit::is_conserved));
        out.reply
    }

    /// A replica that was restored from a snapshot leads from now on.
    pub fn change_leader(&mut self) {
        let mut bytes = Vec::new();
        self.partition.snapshot(&mut bytes);
        let restored = Partition::restore(config(), &bytes).expect("a snapshot restores");
        assert_eq!(restored.digest(), self.partition.digest());
        self.partition = restored;
    }

    pub fn claim(&mut self, now: Timestamp, instance: u64) -> Option<u64> {
        match self.apply(now, &Command::ClaimChain(ClaimChain { chain: CHAIN, instance })) {
            Reply::Accepted { id } => Some(id),
            Reply::Rejected { .. } => None,
        }
    }

    pub fn freeze(&mut self, now: Timestamp, is_frozen: bool) {
        let reason = if is_frozen { ChainFreeze::NoMajority } else { ChainFreeze::Thawed };
        self.apply(now, &Command::FreezeChain(FreezeChain { chain: CHAIN, fence: 0, reason }));
    }

    /// From now on an address waits for so long before anything is sent to it.
    pub fn delay_addresses(&mut self, now: Timestamp, address_delay_s: u32) {
        let rules = WithdrawalRules { address_delay_s, ..rules(self.confirmations) };
        let set = SetWithdrawalRules { chain: CHAIN, asset: COIN, rules };
        let reply = self.apply(now, &Command::SetWithdrawalRules(Box::new(set)));
        assert!(matches!(reply, Reply::Accepted { .. }), "{reply:?}");
    }

    pub fn request(&mut self, now: Timestamp, name: u64, address: &str, units: i64) {
        let name = ClientOrderId::new(format!("w{name}").as_bytes()).expect("a short name");
        let (account, chain, asset, address) = (ALICE, CHAIN, COIN, text(address));
        let request = RequestWithdrawal { account, chain, asset, address, amount: amount(units), name };
        self.apply(now, &Command::RequestWithdrawal(Box::new(request)));
    }

    /// An operator stops an account, or lets it go on.
    pub fn block(&mut self, now: Timestamp, account: AccountId, is_blocked: bool) {
        let restrict = RestrictWithdrawals { account, is_blocked, is_allow_listed: false };
        let command = Command::RestrictWithdrawals(restrict);
        if is_blocked {
            self.apply(now, &command);
            return;
        }
        let (proposer, approver) = (text("dana"), text("evan"));
        let loosening = Loosening::RestrictWithdrawals(restrict);
        let propose = ProposeLoosening { proposer, loosening: loosening.clone() };
        let reply = self.apply(now, &Command::ProposeLoosening(Box::new(propose)));
        let Reply::Accepted { id } = reply else { panic!("{reply:?}") };
        let approve = ApproveLoosening { id: LooseningId::new(id), approver, loosening };
        self.apply(now, &Command::ApproveLoosening(Box::new(approve)));
    }

    /// As many requests, by as many accounts as that takes.
    pub fn request_by_many(&mut self, now: Timestamp, count: usize, address: &str, units: i64) {
        let fee = FeeRate::new(0).expect("no fee");
        let (chain, asset, address) = (CHAIN, COIN, text(address));
        let mut account = AccountId::default();
        for at in 0..count {
            if at % 100 == 0 {
                let open = OpenAccount { name: text(&format!("one-{at}")), maker_fee: fee, taker_fee: fee };
                let Reply::Accepted { id } = self.apply(now, &Command::OpenAccount(open)) else { panic!("no room") };
                account = AccountId::new(id as u32);
                let credit = Credit { account, asset: COIN, amount: amount(1_000_000_000) };
                self.apply(now, &Command::Credit(credit));
            }
            let name = ClientOrderId::new(format!("m{at}").as_bytes()).expect("a short name");
            let request = RequestWithdrawal { account, chain, asset, address, amount: amount(units), name };
            let reply = self.apply(now, &Command::RequestWithdrawal(Box::new(request)));
            assert!(matches!(reply, Reply::Accepted { .. }), "{reply:?}");
        }
    }

    /// Every withdrawal as it stands.
    pub fn rows(&self) -> Vec<WithdrawalChanged> {
        let mut rows = std::collections::BTreeMap::<WithdrawalId, WithdrawalChanged>::new();
        for event in &self.events {
            if let Event::WithdrawalChanged(row) = event {
                rows.insert(row.withdrawal, **row);
            }
        }
        rows.into_values().collect()
    }

    /// Every transaction that is in the log, and of which withdrawal.
    pub fn signed(&self) -> Vec<(WithdrawalId, ChainHash)> {
        let signed = self.events.iter().filter_map(|event| match event {
            Event::WithdrawalSigned(signed) => Some((signed.withdrawal, signed.tx)),
            _ => None,
        });
        signed.collect()
    }

    pub fn is_signed(&self, tx: ChainHash) -> bool {
        self.signed().iter().any(|(_, known)| *known == tx)
    }

    /// What has gone out by the ledger's books.
    pub fn gone(&self) -> i128 {
        self.partition.audit()[0].withdrawals
    }

    /// What is still held.
    pub fn held(&self) -> i128 {
        self.partition.audit()[0].held
    }
}
