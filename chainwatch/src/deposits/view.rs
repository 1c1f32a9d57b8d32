//! What the ledger has decided about one chain, from its events.

use std::collections::{BTreeMap, BTreeSet};

use wire::event::DepositChanged;
use wire::{AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId, DepositStage, Event};

use crate::chain::ChainAsset;

/// One chain, as the ledger has it.
#[derive(Debug)]
pub struct LedgerView {
    chain: ChainId,
    freeze: ChainFreeze,
    assets: BTreeMap<ChainAsset, AssetId>,
    unbound: BTreeSet<u32>,
    open: BTreeMap<(ChainHash, u32), DepositChanged>,
}

impl LedgerView {
    /// Nothing is known.
    pub fn new(chain: ChainId) -> LedgerView {
        LedgerView {
            chain,
            freeze: ChainFreeze::NoMajority,
            assets: BTreeMap::new(),
            unbound: BTreeSet::new(),
            open: BTreeMap::new(),
        }
    }

    /// Takes an event; those of other chains change nothing. Gives back an address that was bound, and its index.
    pub fn apply(&mut self, event: &Event) -> Option<(u32, ChainAddress)> {
        match event {
            Event::ChainAssetListed(listed) if listed.chain == self.chain => {
                if let Some(asset) = chain_asset(listed.contract.as_str()) {
                    self.assets.insert(asset, listed.asset);
                }
            }
            Event::ChainFrozen(frozen) if frozen.chain == self.chain => self.freeze = frozen.reason,
            Event::AddressRequested(requested) if requested.chain == self.chain => {
                self.unbound.insert(requested.index);
            }
            Event::AddressBound(bound) if bound.chain == self.chain => {
                self.unbound.remove(&bound.index);
                return Some((bound.index, bound.address));
            }
            Event::DepositChanged(changed) if changed.chain == self.chain => {
                let key = (changed.tx, changed.output);
                if matches!(changed.stage, DepositStage::Rejected | DepositStage::Refused) {
                    self.open.remove(&key);
                } else {
                    self.open.insert(key, **changed);
                }
            }
            _ => {}
        }
        None
    }

    /// Why nothing is credited.
    pub fn freeze(&self) -> ChainFreeze {
        self.freeze
    }

    /// As what something on the chain is credited.
    pub fn asset(&self, asset: ChainAsset) -> Option<AssetId> {
        self.assets.get(&asset).copied()
    }

    /// Addresses that were asked for and are not bound.
    pub fn unbound(&self) -> Vec<u32> {
        self.unbound.iter().copied().collect()
    }

    /// Deposits about which the chain may still have something to say.
    pub fn open_deposits(&self) -> impl Iterator<Item = &DepositChanged> {
        self.open.values()
    }

    /// Credits of blocks below `height` cannot be taken back any more.
    pub fn close_below(&mut self, height: u64) {
        self.open.retain(|_, deposit| deposit.stage != DepositStage::Credited || deposit.height >= height);
    }
}

/// A contract as the ledger names it; `None` when that is no contract.
fn chain_asset(contract: &str) -> Option<ChainAsset> {
    if contract.is_empty() {
        return Some(ChainAsset::Native);
    }
    let mut bytes = [0; 20];
    hex::decode_to_slice(contract.strip_prefix("0x")?, &mut bytes).ok()?;
    Some(ChainAsset::Token(bytes))
}
