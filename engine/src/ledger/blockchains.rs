//! Chains as the ledger knows them: what moves on them, who proposes for them, whether they are frozen, and whose
//! addresses are whose.

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{BindAddress, ClaimChain, FreezeChain, ListChain, ListChainAsset, RequestAddress};
use wire::event::{AddressBound, AddressRequested, ChainAssetListed, ChainClaimed, ChainFrozen, ChainListed};
use wire::{AccountId, AssetId, ChainAddress, ChainFreeze, ChainId, Event, RejectReason, Timestamp};

use super::registry::Registry;
use super::{Answer, LedgerCell, Refused};
use crate::effects::Effects;
use crate::limits::Limits;

/// The most decimals of a chain's smallest unit.
const CHAIN_DECIMALS_MAX: u8 = 30;
/// The longest lease of a claim, in milliseconds: money waits at least as long when chainwatch dies.
const LEASE_MS_MAX: u32 = 60_000;

/// An address that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Address {
    account: AccountId,
    /// Empty until chainwatch has bound it.
    address: ChainAddress,
}

/// One chain.
#[derive(Debug, Clone)]
pub(super) struct Blockchain {
    listed: ChainListed,
    fence: u64,
    instance: u64,
    renewed_at: Timestamp,
    pub(super) freeze: ChainFreeze,
    /// Of its head, when somebody last said so; 0 before.
    pub(super) height: u64,
    assets: Vec<ChainAssetListed>,
    /// The hot wallet's own; empty until chainwatch has bound it.
    wallet: ChainAddress,
    /// By index, from 1.
    addresses: Vec<Address>,
    of_account: BTreeMap<AccountId, u32>,
    bound: BTreeMap<ChainAddress, u32>,
}

impl Blockchain {
    fn new(listed: ChainListed) -> Blockchain {
        Blockchain {
            listed,
            fence: 0,
            instance: 0,
            renewed_at: Timestamp::ZERO,
            freeze: ChainFreeze::NoMajority,
            height: 0,
            assets: Vec::new(),
            wallet: ChainAddress::EMPTY,
            addresses: Vec::new(),
            of_account: BTreeMap::new(),
            bound: BTreeMap::new(),
        }
    }

    fn lease_ends(&self) -> Timestamp {
        self.renewed_at.plus_nanos(u64::from(self.listed.lease_ms) * 1_000_000)
    }

    /// Whether a proposal comes from whoever proposes now.
    pub(super) fn check_fence(&self, fence: u64) -> Result<(), Refused> {
        if fence == self.fence && fence != 0 {
            Ok(())
        } else {
            Err(Refused::naming(RejectReason::StaleFence, self.fence))
        }
    }

    pub(super) fn asset(&self, asset: AssetId) -> Result<&ChainAssetListed, Refused> {
        let known = self.assets.iter().find(|listed| listed.asset == asset);
        known.ok_or(Refused::because(RejectReason::UnknownChainAsset))
    }

    /// The chain's own coin, as an asset of the ledger.
    pub(super) fn coin(&self) -> Result<&ChainAssetListed, Refused> {
        let coin = self.assets.iter().find(|listed| listed.contract.is_empty());
        coin.ok_or(Refused::because(RejectReason::UnknownChainAsset))
    }

    /// What its addresses look like.
    pub(super) fn addresses(&self) -> wire::AddressFormat {
        self.listed.addresses
    }

    /// Whose a bound address is.
    pub(super) fn owner(&self, index: u32) -> Result<AccountId, Refused> {
        let address = index.checked_sub(1).and_then(|at| self.addresses.get(at as usize));
        let bound = address.filter(|address| !address.address.is_empty());
        bound.map(|address| address.account).ok_or(Refused::because(RejectReason::UnknownAddress))
    }

    /// The address that is bound to an index.
    pub(super) fn address(&self, index: u32) -> Option<ChainAddress> {
        let address = self.addresses.get((index as usize).checked_sub(1)?)?.address;
        (!address.is_empty()).then_some(address)
    }

    /// Whether two texts of this chain name one address. An EVM address in other letters is the same.
    pub(super) fn is_same_address(&self, one: &ChainAddress, other: &ChainAddress) -> bool {
        match self.listed.addresses {
            wire::AddressFormat::Evm => one.as_str().eq_ignore_ascii_case(other.as_str()),
            _ => one == other,
        }
    }

    /// Whether an address is the hot wallet's own.
    pub(super) fn is_wallet(&self, address: &ChainAddress) -> bool {
        !self.wallet.is_empty() && self.is_same_address(&self.wallet, address)
    }

    fn add_address(&mut self, address: Address) {
        self.addresses.push(address);
        let index = self.addresses.len() as u32;
        self.of_account.insert(address.account, index);
        if !address.address.is_empty() {
            self.bound.insert(address.address, index);
        }
    }
}

/// Every chain, dense by id from 1.
pub(super) struct Blockchains {
    chains_max: usize,
    addresses_max: usize,
    rows: Vec<Blockchain>,
}

impl Blockchains {
    pub(super) fn new(limits: &Limits) -> Blockchains {
        Blockchains {
            chains_max: usize::from(limits.chains_max),
            addresses_max: limits.deposit_addresses_max as usize,
            rows: Vec::new(),
        }
    }

    /// How many addresses the chain with the most of them has.
    pub(super) fn addresses(&self) -> usize {
        self.rows.iter().map(|chain| chain.addresses.len()).max().unwrap_or(0)
    }

    pub(super) fn get(&self, chain: ChainId) -> Result<&Blockchain, Refused> {
        let row = usize::from(chain.get()).checked_sub(1).and_then(|at| self.rows.get(at));
        row.ok_or(Refused::because(RejectReason::UnknownChain))
    }

    /// Of a known chain.
    pub(super) fn known(&mut self, chain: ChainId) -> &mut Blockchain {
        &mut self.rows[usize::from(chain.get()) - 1]
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.rows.len() as u32));
        for chain in &self.rows {
            to.put(&chain.listed);
            to.put(&chain.fence);
            to.put(&chain.instance);
            to.put(&chain.renewed_at);
            to.put(&chain.freeze);
            to.put(&chain.height);
            to.put(&(chain.assets.len() as u32));
            chain.assets.iter().for_each(|asset| to.put(asset));
            to.put(&chain.wallet);
            to.put(&(chain.addresses.len() as u32));
            for address in &chain.addresses {
                to.put(&address.account);
                to.put(&address.address);
            }
        }
    }

    /// Refuses rows that these limits, the ids' density or the registry do not allow.
    pub(super) fn load(limits: &Limits, registry: &Registry, from: &mut Reader<'_>) -> Result<Blockchains, CodecError> {
        let mut chains = Blockchains::new(limits);
        for id in 1..=from.get::<u32>()? {
            let listed: ChainListed = from.get()?;
            if u32::from(listed.chain.get()) != id || chains.rows.len() >= chains.chains_max {
                return Err(CodecError::OutOfRange);
            }
            let mut chain = Blockchain::new(listed);
            (chain.fence, chain.instance) = (from.get()?, from.get()?);
            (chain.renewed_at, chain.freeze, chain.height) = (from.get()?, from.get()?, from.get()?);
            for _ in 0..from.get::<u32>()? {
                let asset: ChainAssetListed = from.get()?;
                registry.asset(asset.asset).map_err(|_| CodecError::OutOfRange)?;
                chain.assets.push(asset);
            }
            chain.wallet = from.get()?;
            for _ in 0..from.get::<u32>()? {
                let address = Address { account: from.get()?, address: from.get()? };
                registry.account(address.account).map_err(|_| CodecError::OutOfRange)?;
                if chain.addresses.len() >= chains.addresses_max {
                    return Err(CodecError::OutOfRange);
                }
                chain.add_address(address);
            }
            chains.rows.push(chain);
        }
        Ok(chains)
    }
}

impl LedgerCell {
    pub(crate) fn list_chain(&mut self, list: &ListChain, effects: &mut Effects<'_>) -> Answer {
        let ListChain { symbol, lease_ms, addresses } = *list;
        if let Some(known) = self.blockchains.rows.iter().find(|chain| chain.listed.symbol == symbol) {
            return Err(Refused::naming(RejectReason::ChainExists, known.listed.chain.get().into()));
        }
        if symbol.is_empty() || lease_ms == 0 || lease_ms > LEASE_MS_MAX {
            return Err(RejectReason::BadChainRules.into());
        }
        if self.blockchains.rows.len() >= self.blockchains.chains_max {
            return Err(RejectReason::TableFull.into());
        }
        let chain = ChainId::new(self.blockchains.rows.len() as u16 + 1);
        let listed = ChainListed { chain, symbol, lease_ms, addresses };
        self.blockchains.rows.push(Blockchain::new(listed));
        effects.tell(Event::ChainListed(listed));
        Ok(chain.get().into())
    }

    pub(crate) fn list_chain_asset(&mut self, list: &ListChainAsset, effects: &mut Effects<'_>) -> Answer {
        let ListChainAsset { chain, asset, contract, chain_decimals, deposit_min, .. } = *list;
        let blockchain = self.blockchains.get(chain)?;
        self.registry.asset(asset)?;
        // A contract in other letters is the same contract.
        let is_same = |known: &ChainAddress| known.as_str().eq_ignore_ascii_case(contract.as_str());
        if blockchain.assets.iter().any(|known| known.asset == asset || is_same(&known.contract)) {
            return Err(RejectReason::ChainAssetExists.into());
        }
        if chain_decimals > CHAIN_DECIMALS_MAX || deposit_min == 0 {
            return Err(RejectReason::BadChainRules.into());
        }
        let ListChainAsset { confirmations, large_from, large_confirmations, .. } = *list;
        let listed = ChainAssetListed {
            chain,
            asset,
            contract,
            chain_decimals,
            deposit_min,
            confirmations,
            large_from,
            large_confirmations,
        };
        self.blockchains.known(chain).assets.push(listed);
        effects.tell(Event::ChainAssetListed(Box::new(listed)));
        Ok(0)
    }

    /// One instance at a time proposes. It renews its claim by repeating it; another one gets it when the lease has run
    /// out, with a greater fence, and whatever the old one still proposes is refused.
    pub(crate) fn claim_chain(&mut self, claim: &ClaimChain, effects: &mut Effects<'_>) -> Answer {
        let ClaimChain { chain, instance } = *claim;
        let blockchain = self.blockchains.get(chain)?;
        if instance == 0 {
            return Err(RejectReason::Malformed.into());
        }
        let is_new = blockchain.instance != instance;
        if is_new && blockchain.instance != 0 && self.now < blockchain.lease_ends() {
            return Err(Refused::naming(RejectReason::ChainTaken, blockchain.fence));
        }
        let now = self.now;
        let blockchain = self.blockchains.known(chain);
        blockchain.renewed_at = now;
        if is_new {
            blockchain.fence += 1;
            blockchain.instance = instance;
            effects.tell(Event::ChainClaimed(ChainClaimed { chain, fence: blockchain.fence, instance }));
            // What the old one knew of the chain, the new one has to find out for itself.
            freeze(blockchain, ChainFreeze::NoMajority, effects);
        }
        Ok(blockchain.fence)
    }

    pub(crate) fn request_address(&mut self, request: &RequestAddress, effects: &mut Effects<'_>) -> Answer {
        let RequestAddress { account, chain } = *request;
        self.registry.account(account)?;
        let blockchain = self.blockchains.get(chain)?;
        if let Some(index) = blockchain.of_account.get(&account) {
            return Ok((*index).into());
        }
        if blockchain.addresses.len() >= self.blockchains.addresses_max {
            return Err(RejectReason::TableFull.into());
        }
        let blockchain = self.blockchains.known(chain);
        blockchain.add_address(Address { account, address: ChainAddress::EMPTY });
        let index = blockchain.addresses.len() as u32;
        effects.tell(Event::AddressRequested(AddressRequested { account, chain, index }));
        Ok(index.into())
    }

    pub(crate) fn bind_address(&mut self, bind: &BindAddress, effects: &mut Effects<'_>) -> Answer {
        let BindAddress { chain, fence, index, address } = *bind;
        let blockchain = self.blockchains.get(chain)?;
        blockchain.check_fence(fence)?;
        if index == 0 {
            return self.bind_wallet(chain, address, effects);
        }
        let at = (index as usize).checked_sub(1).filter(|at| *at < blockchain.addresses.len());
        let at = at.ok_or(Refused::because(RejectReason::UnknownAddress))?;
        let Address { account, address: known } = blockchain.addresses[at];
        if known == address && !address.is_empty() {
            return Ok(index.into());
        }
        let is_taken = blockchain.bound.contains_key(&address) || blockchain.wallet == address;
        if address.is_empty() || !known.is_empty() || is_taken {
            return Err(RejectReason::AddressTaken.into());
        }
        let blockchain = self.blockchains.known(chain);
        blockchain.addresses[at].address = address;
        blockchain.bound.insert(address, index);
        effects.tell(Event::AddressBound(Box::new(AddressBound { account, chain, index, address })));
        Ok(index.into())
    }

    /// The hot wallet's own address: what accounts withdraw does not go there.
    fn bind_wallet(&mut self, chain: ChainId, address: ChainAddress, effects: &mut Effects<'_>) -> Answer {
        let blockchain = self.blockchains.known(chain);
        if blockchain.wallet == address && !address.is_empty() {
            return Ok(0);
        }
        if address.is_empty() || !blockchain.wallet.is_empty() || blockchain.bound.contains_key(&address) {
            return Err(RejectReason::AddressTaken.into());
        }
        blockchain.wallet = address;
        let account = AccountId::default();
        effects.tell(Event::AddressBound(Box::new(AddressBound { account, chain, index: 0, address })));
        Ok(0)
    }

    /// Chainwatch freezes and thaws as its nodes agree. A credit that the chain took back stays frozen until an operator
    /// has looked at it.
    pub(crate) fn freeze_chain(&mut self, command: &FreezeChain, effects: &mut Effects<'_>) -> Answer {
        let FreezeChain { chain, fence, reason } = *command;
        let blockchain = self.blockchains.get(chain)?;
        let is_operator = fence == 0;
        if !is_operator {
            blockchain.check_fence(fence)?;
        }
        if reason.is_for_operators() {
            return Err(RejectReason::BadChainRules.into());
        }
        if is_operator || !blockchain.freeze.is_for_operators() {
            let blockchain = self.blockchains.known(chain);
            if blockchain.freeze != reason {
                blockchain.freeze = reason;
                effects.tell(Event::ChainFrozen(ChainFrozen { chain, reason }));
            }
        }
        Ok(0)
    }
}

/// Freezes a chain, unless it is frozen for a reason that only an operator lifts.
pub(super) fn freeze(blockchain: &mut Blockchain, reason: ChainFreeze, effects: &mut Effects<'_>) {
    if !blockchain.freeze.is_for_operators() && blockchain.freeze != reason {
        blockchain.freeze = reason;
        effects.tell(Event::ChainFrozen(ChainFrozen { chain: blockchain.listed.chain, reason }));
    }
}
