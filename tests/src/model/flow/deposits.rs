//! What a chain's watcher and operators ask: chains, addresses, deposits that come, go and come again.

use wire::command::{
    BindAddress, ClaimChain, FreezeChain, ListChain, ListChainAsset, ReportDeposit, ReportHead, RequestAddress,
    ResolveDeposit, SightDeposit,
};
use wire::{AccountId, AddressFormat, Amount, AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId, Command, Symbol};

use super::{Flow, HOUR_NS};

/// Transactions that deposits come with.
const TRANSACTIONS: u64 = 12;

/// A chain with two assets, of more decimals than the ledger's and of as many, and an address for every account.
pub(super) fn founding(accounts: u32) -> Vec<Command> {
    let (chain, fence) = (ChainId::new(1), 1);
    let symbol = Symbol::new(b"X").expect("a short name");
    let mut commands = vec![Command::ListChain(ListChain { symbol, lease_ms: 60_000, addresses: AddressFormat::Evm })];
    for (asset, contract, chain_decimals) in [(1, "", 8), (2, "0xc0", 6)] {
        commands.push(Command::ListChainAsset(Box::new(ListChainAsset {
            chain,
            asset: AssetId::new(asset),
            contract: ChainAddress::new(contract.as_bytes()).expect("a short name"),
            chain_decimals,
            deposit_min: 20_000,
            confirmations: 2,
            large_from: Amount::new(500).expect("an amount"),
            large_confirmations: 4,
        })));
    }
    commands.push(Command::ClaimChain(ClaimChain { chain, instance: 7 }));
    for index in 1..=accounts {
        commands.push(Command::RequestAddress(RequestAddress { account: AccountId::new(index), chain }));
        let address = ChainAddress::new(format!("of-{index}").as_bytes()).expect("a short address");
        commands.push(Command::BindAddress(Box::new(BindAddress { chain, fence, index, address })));
    }
    commands.push(Command::FreezeChain(FreezeChain { chain, fence, reason: ChainFreeze::Thawed }));
    commands
}

impl Flow {
    /// Mostly of the first chain, by whoever proposes for it.
    pub(super) fn chain_command(&mut self, account: AccountId) -> Command {
        let chain = ChainId::new(self.one_of(&[1, 1, 1, 1, 1, 2, 3]));
        let fence = self.one_of(&[1, 1, 1, 1, 1, 1, 2, 0]);
        match self.below(30) {
            0 => {
                let symbol = Symbol::new(self.one_of(&["X", "X", "Y", ""]).as_bytes()).expect("a short name");
                let lease_ms = self.one_of(&[60_000, 60_000, 60_000, 1_000, 0, 60_001]);
                Command::ListChain(ListChain { symbol, lease_ms, addresses: AddressFormat::Evm })
            }
            1..4 => Command::ListChainAsset(Box::new(self.chain_asset(chain))),
            4..6 => Command::ClaimChain(ClaimChain { chain, instance: self.one_of(&[7, 7, 7, 7, 8, 0]) }),
            6 => Command::RequestAddress(RequestAddress { account, chain }),
            7..10 => {
                let address = self.one_of(&["of-1", "of-2", "elsewhere", "own", ""]);
                let address = ChainAddress::new(address.as_bytes()).expect("a short address");
                Command::BindAddress(Box::new(BindAddress { chain, fence, index: self.below(4) as u32, address }))
            }
            10..13 => {
                let frozen = [ChainFreeze::NoMajority, ChainFreeze::Dissent, ChainFreeze::CreditReverted];
                let reason = if self.below(4) == 0 { self.one_of(&frozen) } else { ChainFreeze::Thawed };
                let fence = if self.below(2) == 0 { 0 } else { fence };
                Command::FreezeChain(FreezeChain { chain, fence, reason })
            }
            13..23 => Command::ReportDeposit(Box::new(self.deposit(chain, fence))),
            23..28 => {
                let ReportDeposit { tx, output, index, asset, amount, .. } = self.deposit(chain, fence);
                let is_pooled = self.below(3) > 0;
                let sight = SightDeposit { chain, fence, tx, output, index, asset, amount, is_pooled };
                Command::SightDeposit(Box::new(sight))
            }
            28 => Command::ReportHead(ReportHead { chain, fence, height: self.one_of(&[10, 10, 11]) }),
            _ => {
                let ReportDeposit { tx, output, .. } = self.deposit(chain, fence);
                let put_aside = self.quarantined.filter(|_| self.below(2) == 0);
                let (chain, tx, output) = put_aside.unwrap_or((chain, tx, output));
                Command::ResolveDeposit(ResolveDeposit { chain, tx, output, is_credited: self.below(2) == 0 })
            }
        }
    }

    /// One after another is seen and replaced, about as many as an account is told of in an hour; a block has what was seen in
    /// the hour before, or in this one, and more is seen.
    pub(super) fn storm(&mut self) {
        let (chain, fence, output, index, asset, amount) = (ChainId::new(1), 1, 0, 1, AssetId::new(1), 30_000);
        let sight = |number: u8, is_pooled: bool| {
            let sight = SightDeposit {
                chain,
                fence,
                tx: ChainHash([100 + number; 32]),
                output,
                index,
                asset,
                amount,
                is_pooled,
            };
            Command::SightDeposit(Box::new(sight))
        };
        let mined = ReportDeposit {
            chain,
            fence,
            tx: ChainHash([100; 32]),
            output,
            index,
            asset,
            amount,
            is_included: true,
            block: ChainHash([200; 32]),
            height: 10,
            confirmations: 1,
            is_final: false,
        };
        let is_earlier = self.below(2) == 0;
        let told = 60 + self.below(6) as u8;
        let mut storm = vec![(0, sight(0, true)), (if is_earlier { HOUR_NS } else { 0 }, sight(1, true))];
        storm.push((0, sight(1, false)));
        storm.extend((2..told).flat_map(|number| [(0, sight(number, true)), (0, sight(number, false))]));
        storm.push((0, Command::ReportDeposit(Box::new(mined))));
        storm.extend((70..80).map(|number| (0, sight(number, true))));
        self.queued.extend(storm.into_iter().rev());
    }

    /// Of more, as many and fewer decimals than the ledger has.
    fn chain_asset(&mut self, chain: ChainId) -> ListChainAsset {
        let asset = self.below(4) as u16 + 1;
        let contract = self.one_of(&["", "0xc0", "0xC0", "0xd0"]);
        ListChainAsset {
            chain,
            asset: AssetId::new(asset),
            contract: ChainAddress::new(contract.as_bytes()).expect("a short name"),
            chain_decimals: self.one_of(&[8, 8, 6, 4, 31]),
            deposit_min: self.one_of(&[1, 20_000, 0]),
            confirmations: self.one_of(&[2, 2, 0]),
            large_from: Amount::new(self.one_of(&[0, 500])).expect("an amount"),
            large_confirmations: self.one_of(&[4, 0]),
        }
    }

    /// Mostly one that was reported in the same way before: a transaction says all that does not change.
    fn deposit(&mut self, chain: ChainId, fence: u64) -> ReportDeposit {
        let tx = self.below(TRANSACTIONS);
        let is_odd_one = self.below(16) == 0;
        let amount = match tx {
            0 => 100_000_000_000_000_000_000_000_000_000_000_000_000,
            _ => u128::from(tx * tx * 1_237 + u64::from(is_odd_one)),
        };
        ReportDeposit {
            chain,
            fence,
            tx: ChainHash([tx as u8; 32]),
            output: self.one_of(&[0, 0, 1]),
            index: (tx % 3) as u32 + 1,
            // The last one is of no chain at first.
            asset: AssetId::new(if self.below(24) == 0 { 3 } else { (tx % 2) as u16 + 1 }),
            amount,
            is_included: self.below(6) > 0,
            block: ChainHash([self.one_of(&[200, 200, 201]); 32]),
            height: self.one_of(&[10, 10, 11]),
            confirmations: self.below(6) as u32,
            is_final: self.below(2) == 0,
        }
    }
}
