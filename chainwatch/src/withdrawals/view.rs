//! What the ledger has decided about the withdrawals of one chain, from its events.

use std::collections::BTreeMap;

use wire::event::{ChainAssetListed, WithdrawalAllocated, WithdrawalChanged};
use wire::{
    AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId, Event, Symbol, Timestamp, WithdrawalCause, WithdrawalId,
    WithdrawalStage,
};

use super::facts::{Spend, spends};
use crate::Height;
use crate::signer::Signed;

/// A withdrawal, what its last transaction spends, and every transaction that was signed with what it pays.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) row: WithdrawalChanged,
    pub(super) allocated: Option<WithdrawalAllocated>,
    pub(super) signed: Vec<(WithdrawalAllocated, Signed)>,
    signed_since: Timestamp,
}

impl Known {
    /// What the last signed transaction pays to the chain.
    pub(super) fn paid(&self) -> Option<u128> {
        self.signed.last().map(|(allocated, _)| allocated.network_fee)
    }

    /// When the last transaction was signed, or had to be sent again.
    pub(super) fn signed_since(&self) -> Timestamp {
        self.signed_since
    }
}

/// One chain's withdrawals, as the ledger has them.
#[derive(Debug)]
pub(super) struct View {
    chain: ChainId,
    symbol: Option<Symbol>,
    freeze: ChainFreeze,
    ledger_decimals: BTreeMap<AssetId, u8>,
    listed: BTreeMap<AssetId, ChainAssetListed>,
    network_fee_max: BTreeMap<AssetId, u128>,
    known: BTreeMap<WithdrawalId, Known>,
    /// What transactions of withdrawals spend, but for those that were never signed and never will be.
    spent: BTreeMap<Spend, WithdrawalId>,
}

impl View {
    pub(super) fn new(chain: ChainId) -> View {
        View {
            chain,
            symbol: None,
            freeze: ChainFreeze::NoMajority,
            ledger_decimals: BTreeMap::new(),
            listed: BTreeMap::new(),
            network_fee_max: BTreeMap::new(),
            known: BTreeMap::new(),
            spent: BTreeMap::new(),
        }
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::AssetListed(listed) => {
                self.ledger_decimals.insert(listed.asset, listed.ledger_decimals);
            }
            Event::ChainListed(listed) if listed.chain == self.chain => self.symbol = Some(listed.symbol),
            Event::ChainAssetListed(listed) if listed.chain == self.chain => {
                self.listed.insert(listed.asset, **listed);
            }
            Event::ChainFrozen(frozen) if frozen.chain == self.chain => self.freeze = frozen.reason,
            Event::WithdrawalRulesChanged(changed) if changed.chain == self.chain => {
                self.network_fee_max.insert(changed.asset, changed.rules.network_fee_max);
            }
            Event::WithdrawalAllocated(allocated) if allocated.chain == self.chain => {
                let id = allocated.withdrawal;
                self.spent.extend(spends(allocated).map(|spend| (spend, id)));
                if let Some(known) = self.known.get_mut(&id) {
                    known.allocated = Some(**allocated);
                }
            }
            Event::WithdrawalSigned(signed) if signed.chain == self.chain => {
                let known = self.known.get_mut(&signed.withdrawal);
                if let Some((known, allocated)) = known.and_then(|known| known.allocated.map(|it| (known, it))) {
                    known.signed.push((allocated, Signed { tx: signed.tx, bytes: signed.bytes.clone() }));
                }
            }
            Event::WithdrawalChanged(row) if row.chain == self.chain => self.change(row),
            _ => {}
        }
    }

    fn change(&mut self, row: &WithdrawalChanged) {
        let id = row.withdrawal;
        if row.stage.is_final() && !self.known.contains_key(&id) {
            return;
        }
        let known = self.known.entry(id).or_insert_with(|| Known {
            row: *row,
            allocated: None,
            signed: Vec::new(),
            signed_since: row.changed_at,
        });
        if row.stage == WithdrawalStage::Signed && known.row.stage != WithdrawalStage::Signed {
            known.signed_since = row.changed_at;
        }
        known.row = *row;
        let is_unsigned = known.signed.is_empty();
        if row.stage.is_final() {
            // What was signed stays spent: should the chain take it back, the transaction may come again.
            if is_unsigned {
                self.spent.retain(|_, owner| *owner != id);
                self.known.remove(&id);
            }
        }
    }

    /// What is booked and lies so deep that nothing is said of it any more is left; what it has spent stays spent. One that an
    /// operator has failed may be mined at any time.
    pub(super) fn forget_below(&mut self, since: Height) {
        self.known.retain(|_, known| {
            let WithdrawalChanged { stage, cause, height, .. } = known.row;
            !stage.is_final() || cause == WithdrawalCause::Operator || height == 0 || height >= since.0
        });
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Known> {
        self.known.values()
    }

    pub(super) fn get(&self, id: WithdrawalId) -> Option<&Known> {
        self.known.get(&id)
    }

    pub(super) fn freeze(&self) -> ChainFreeze {
        self.freeze
    }

    pub(super) fn symbol(&self) -> Option<Symbol> {
        self.symbol
    }

    pub(super) fn contracts(&self) -> impl Iterator<Item = ChainAddress> + '_ {
        self.listed.values().map(|listed| listed.contract)
    }

    pub(super) fn network_fee_max(&self, row: &WithdrawalChanged) -> Option<u128> {
        self.network_fee_max.get(&row.asset).copied()
    }

    /// Whether no other withdrawal's transactions spend this.
    pub(super) fn is_free(&self, spend: Spend, by: WithdrawalId) -> bool {
        self.spent.get(&spend).is_none_or(|owner| *owner == by)
    }

    /// Whether an output may be spent: another transaction of the same withdrawal may yet take the place of the one that
    /// made it, until that is settled.
    pub(super) fn is_settled(&self, tx: ChainHash) -> bool {
        let is_of = |known: &&Known| known.signed.iter().any(|(_, signed)| signed.tx == tx);
        self.known.values().find(is_of).is_none_or(|known| known.row.stage == WithdrawalStage::Settled)
    }

    /// What a withdrawal sends: of which contract, how much in the chain's units.
    pub(super) fn chain_amount(&self, row: &WithdrawalChanged) -> Option<(ChainAddress, u128)> {
        let listed = self.listed.get(&row.asset)?;
        let ledger_decimals = *self.ledger_decimals.get(&row.asset)?;
        let units = u128::try_from(row.amount.wide()).ok()?;
        let amount = match listed.chain_decimals.checked_sub(ledger_decimals) {
            Some(more) => units.checked_mul(10_u128.checked_pow(more.into())?)?,
            None => units / 10_u128.checked_pow((ledger_decimals - listed.chain_decimals).into())?,
        };
        Some((listed.contract, amount))
    }
}
