//! What the ledger has decided about one chain, from its events.

use std::collections::{BTreeMap, BTreeSet};

use wire::event::DepositChanged;
use wire::{
    AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId, DepositStage, Event, WithdrawalId, WithdrawalPurpose,
};

use crate::Height;
use crate::chain::ChainAsset;

/// One chain, as the ledger has it.
#[derive(Debug)]
pub struct LedgerView {
    chain: ChainId,
    freeze: ChainFreeze,
    /// As what it is credited, and the smallest deposit.
    assets: BTreeMap<ChainAsset, (AssetId, u128)>,
    /// Addresses that the ledger does not have yet: those that were asked for, and the wallet's own, 0.
    unbound: BTreeSet<u32>,
    open: BTreeMap<(ChainHash, u32), DepositChanged>,
    /// In no block, when somebody last said so.
    seen: BTreeMap<(ChainHash, u32), DepositChanged>,
    height: Option<Height>,
    /// What an operator has refused for ever, and in which block it was.
    refused: BTreeMap<(ChainHash, u32), u64>,
    /// Moves of gas to deposit addresses that are not over.
    giving: BTreeSet<WithdrawalId>,
    /// Transactions of such moves: no deposits. In which block the move was, once it is over; 0 in none.
    gifts: BTreeMap<ChainHash, (WithdrawalId, Option<u64>)>,
}

impl LedgerView {
    /// Nothing is known.
    pub fn new(chain: ChainId) -> LedgerView {
        LedgerView {
            chain,
            freeze: ChainFreeze::NoMajority,
            assets: BTreeMap::new(),
            unbound: BTreeSet::from([0]),
            open: BTreeMap::new(),
            seen: BTreeMap::new(),
            height: None,
            refused: BTreeMap::new(),
            giving: BTreeSet::new(),
            gifts: BTreeMap::new(),
        }
    }

    /// Takes an event; those of other chains change nothing. Gives back an address that was bound, and its index.
    pub fn apply(&mut self, event: &Event) -> Option<(u32, ChainAddress)> {
        match event {
            Event::ChainAssetListed(listed) if listed.chain == self.chain => {
                if let Some(asset) = chain_asset(listed.contract.as_str()) {
                    self.assets.insert(asset, (listed.asset, listed.deposit_min));
                }
            }
            Event::ChainAdvanced(advanced) if advanced.chain == self.chain => {
                self.height = Some(Height(advanced.height));
            }
            Event::ChainFrozen(frozen) if frozen.chain == self.chain => self.freeze = frozen.reason,
            Event::AddressRequested(requested) if requested.chain == self.chain => {
                self.unbound.insert(requested.index);
            }
            Event::AddressBound(bound) if bound.chain == self.chain => {
                self.unbound.remove(&bound.index);
                return Some((bound.index, bound.address));
            }
            Event::WithdrawalChanged(row) if row.chain == self.chain && row.purpose == WithdrawalPurpose::Gas => {
                if row.stage.is_final() {
                    self.giving.remove(&row.withdrawal);
                    let of_row = self.gifts.values_mut().filter(|(of, _)| *of == row.withdrawal);
                    of_row.for_each(|(_, height)| *height = Some(row.height));
                } else {
                    self.giving.insert(row.withdrawal);
                }
            }
            Event::WithdrawalSigned(signed) if self.giving.contains(&signed.withdrawal) => {
                self.gifts.insert(signed.tx, (signed.withdrawal, None));
            }
            Event::DepositChanged(changed) if changed.chain == self.chain => {
                let key = (changed.tx, changed.output);
                self.seen.remove(&key);
                match changed.stage {
                    DepositStage::Seen => drop(self.seen.insert(key, **changed)),
                    DepositStage::Replaced => {}
                    DepositStage::Rejected => drop(self.open.remove(&key)),
                    DepositStage::Refused => {
                        self.open.remove(&key);
                        self.refused.insert(key, changed.height);
                    }
                    _ => drop(self.open.insert(key, **changed)),
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

    /// As what so much of something on the chain is credited; `None` when it is not listed, or too little.
    pub fn asset(&self, asset: ChainAsset, amount: u128) -> Option<AssetId> {
        self.assets.get(&asset).filter(|(_, deposit_min)| amount >= *deposit_min).map(|(asset, _)| *asset)
    }

    /// A deposit that is not closed, as the ledger has it.
    pub fn deposit(&self, key: (ChainHash, u32)) -> Option<&DepositChanged> {
        self.open.get(&key)
    }

    /// A deposit that is in no block, as the ledger has it.
    pub fn sighting(&self, key: (ChainHash, u32)) -> Option<&DepositChanged> {
        self.seen.get(&key)
    }

    /// Deposits that are in no block.
    pub fn sightings(&self) -> impl Iterator<Item = &DepositChanged> {
        self.seen.values()
    }

    /// How high the chain is, as the ledger was told last.
    pub fn height(&self) -> Option<Height> {
        self.height
    }

    /// Whether an operator has refused it for ever, or it is gas of ours.
    pub fn is_closed(&self, key: (ChainHash, u32)) -> bool {
        self.refused.contains_key(&key) || self.gifts.contains_key(&key.0)
    }

    /// Addresses that were asked for and are not bound.
    pub fn unbound(&self) -> Vec<u32> {
        self.unbound.iter().copied().collect()
    }

    /// Deposits about which the chain may still have something to say.
    pub fn open_deposits(&self) -> impl Iterator<Item = &DepositChanged> {
        self.open.values()
    }

    /// Blocks below `height` are not looked at any more: what they have cannot be taken back, and is not told of again. The
    /// ledger knows all of it for longer.
    pub fn close_below(&mut self, height: u64) {
        use DepositStage::{Credited, Orphaned, Quarantined};
        let is_settled = |deposit: &DepositChanged| matches!(deposit.stage, Credited | Orphaned | Quarantined);
        self.open.retain(|_, deposit| !is_settled(deposit) || deposit.height >= height);
        self.refused.retain(|_, of| *of >= height);
        self.gifts.retain(|_, (_, of)| of.is_none_or(|of| of >= height));
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
