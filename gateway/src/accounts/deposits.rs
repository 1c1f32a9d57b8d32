//! Chains, the addresses of accounts on them, and what was deposited there, from the ledger's events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wire::event::{ChainAssetListed, ChainListed, DepositChanged};
use wire::{
    AccountId, AddressFormat, AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId, DepositStage, Event,
    ReservesStanding, Symbol, Timestamp,
};

/// Deposits of an account that are kept: beyond, the oldest that is over is forgotten, first of all those that were never in
/// a block, and none that is not over.
const DEPOSITS_MAX: usize = 1_000;

/// A chain.
#[derive(Debug, Clone, Copy)]
pub struct Chain {
    /// Its id.
    pub id: ChainId,
    /// Its name, which clients call a network.
    pub symbol: Symbol,
    /// What its addresses look like.
    pub addresses: AddressFormat,
    /// Why nothing is credited.
    pub freeze: ChainFreeze,
    /// Of its head, as the ledger was told last: while deposits wait on it. 0 before.
    pub height: u64,
}

/// A deposit, and when it came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deposit {
    /// As the ledger told it last.
    pub changed: DepositChanged,
    /// When it was seen first.
    pub inserted: Timestamp,
}

/// Every chain of the exchange.
#[derive(Debug, Default)]
pub struct Chains {
    chains: BTreeMap<ChainId, Chain>,
    assets: BTreeMap<(AssetId, ChainId), ChainAssetListed>,
    /// Of which a chain has less than it should, or had, and no operator has looked since.
    halted: BTreeSet<(AssetId, ChainId)>,
    addresses: BTreeMap<(AccountId, ChainId), ChainAddress>,
    deposits: BTreeMap<AccountId, Deposits>,
}

/// An account's deposits.
#[derive(Debug, Default)]
struct Deposits {
    /// How many have come.
    count: u64,
    /// By their turn.
    rows: BTreeMap<u64, Deposit>,
    turns: HashMap<(ChainId, ChainHash, u32), u64>,
    /// The turns of those that are over; those that were in a block come after the others.
    over: BTreeSet<(bool, u64)>,
}

impl Chains {
    /// The chains that an asset can be deposited on, with what they ask for.
    pub fn networks(&self, asset: AssetId) -> impl Iterator<Item = (&Chain, &ChainAssetListed)> {
        let of_asset = self.assets.range((asset, ChainId::new(0))..=(asset, ChainId::new(u16::MAX)));
        of_asset.filter_map(|((_, chain), listed)| Some((self.chains.get(chain)?, listed)))
    }

    /// A chain by its id.
    pub fn chain(&self, id: ChainId) -> Option<&Chain> {
        self.chains.get(&id)
    }

    /// What a chain asks for an asset.
    pub fn asset(&self, asset: AssetId, chain: ChainId) -> Option<&ChainAssetListed> {
        self.assets.get(&(asset, chain))
    }

    /// Whether nothing of an asset leaves by a chain, because its reserves there are not whole.
    pub fn is_halted(&self, asset: AssetId, chain: ChainId) -> bool {
        self.halted.contains(&(asset, chain))
    }

    /// The contracts of a chain's tokens.
    pub fn contracts(&self, chain: ChainId) -> impl Iterator<Item = &ChainAddress> {
        let contracts = self.assets.values().filter(move |listed| listed.chain == chain).map(|listed| &listed.contract);
        contracts.filter(|contract| !contract.is_empty())
    }

    /// An account's address on a chain, once it has one.
    pub fn address(&self, account: AccountId, chain: ChainId) -> Option<ChainAddress> {
        self.addresses.get(&(account, chain)).copied()
    }

    /// An account's deposits, the newest first.
    pub fn deposits(&self, account: AccountId) -> impl Iterator<Item = &Deposit> {
        self.deposits.get(&account).into_iter().flat_map(|deposits| deposits.rows.values().rev())
    }

    pub(super) fn apply(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::ChainListed(listed) => {
                let ChainListed { chain: id, symbol, addresses, .. } = *listed;
                let chain = Chain { id, symbol, addresses, freeze: ChainFreeze::NoMajority, height: 0 };
                self.chains.insert(listed.chain, chain);
            }
            Event::ChainAssetListed(listed) => {
                self.assets.insert((listed.asset, listed.chain), **listed);
            }
            Event::ChainFrozen(frozen) => {
                if let Some(chain) = self.chains.get_mut(&frozen.chain) {
                    chain.freeze = frozen.reason;
                }
            }
            Event::ReservesChanged(changed) if changed.standing == ReservesStanding::Whole => {
                self.halted.remove(&(changed.asset, changed.chain));
            }
            Event::ReservesChanged(changed) => drop(self.halted.insert((changed.asset, changed.chain))),
            Event::ChainAdvanced(advanced) => {
                if let Some(chain) = self.chains.get_mut(&advanced.chain) {
                    chain.height = advanced.height;
                }
            }
            // The hot wallet's own is nobody's.
            Event::AddressBound(bound) if bound.index == 0 => {}
            Event::AddressBound(bound) => {
                self.addresses.insert((bound.account, bound.chain), bound.address);
            }
            Event::DepositChanged(changed) => self.deposits.entry(changed.account).or_default().change(changed, now),
            _ => {}
        }
    }
}

impl Deposits {
    fn change(&mut self, changed: &DepositChanged, now: Timestamp) {
        let name = (changed.chain, changed.tx, changed.output);
        let turn = match self.turns.get(&name) {
            Some(turn) => *turn,
            // It was over, and is forgotten.
            None if changed.is_reverted => return,
            None => {
                self.count += 1;
                self.turns.insert(name, self.count);
                self.rows.insert(self.count, Deposit { changed: *changed, inserted: now });
                self.count
            }
        };
        self.rows.get_mut(&turn).expect("whatever has a turn is kept").changed = *changed;
        // What was replaced may be seen again.
        let was_mined = changed.stage != DepositStage::Replaced;
        for was_mined in [false, true] {
            self.over.remove(&(was_mined, turn));
        }
        if is_over(changed.stage) {
            self.over.insert((was_mined, turn));
        }
        if self.rows.len() > DEPOSITS_MAX
            && let Some((_, oldest)) = self.over.pop_first()
            && let Some(Deposit { changed, .. }) = self.rows.remove(&oldest)
        {
            self.turns.remove(&(changed.chain, changed.tx, changed.output));
        }
    }
}

/// Whether nothing has to come after it.
const fn is_over(stage: DepositStage) -> bool {
    match stage {
        DepositStage::Credited | DepositStage::Rejected | DepositStage::Refused | DepositStage::Replaced => true,
        DepositStage::Seen
        | DepositStage::Included
        | DepositStage::Confirmed
        | DepositStage::Orphaned
        | DepositStage::Quarantined => false,
    }
}
