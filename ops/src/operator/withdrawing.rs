//! What the ledger's events say of withdrawals: what they keep to, where accounts may send, and what became of each.

use std::collections::{BTreeMap, BTreeSet};

use chainwatch::signer::bitcoin::has_change;
use wire::event::{
    AddressAllowed, ChainListed, LooseningProposed, ReservesChanged, WithdrawalChanged, WithdrawalsRestricted,
};
use wire::{
    AccountId, AccountName, AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId, Event, HotWalletBounds,
    LooseningId, WithdrawalId, WithdrawalPurpose, WithdrawalRules,
};

/// A chain, as money leaves by it.
#[derive(Debug, Clone, Copy)]
pub struct KnownChain {
    /// As it was listed.
    pub listed: ChainListed,
    /// Why nothing moves on it.
    pub freeze: ChainFreeze,
}

/// Everything about withdrawals.
#[derive(Debug, Default)]
pub struct Withdrawing {
    /// By id.
    pub chains: BTreeMap<ChainId, KnownChain>,
    /// Decimals of the chain's smallest unit of what is credited as an asset.
    pub chain_decimals: BTreeMap<(ChainId, AssetId), u8>,
    /// Decimals of the smallest unit of each chain's own coin.
    pub coin_decimals: BTreeMap<ChainId, u8>,
    /// What withdrawals of an asset on a chain keep to.
    pub rules: BTreeMap<(ChainId, AssetId), WithdrawalRules>,
    /// The bounds of the hot wallet.
    pub hot: BTreeMap<(ChainId, AssetId), HotWalletBounds>,
    /// What chains have beside what they should have, and what operators have declared.
    pub reserves: BTreeMap<(ChainId, AssetId), ReservesChanged>,
    /// What was said of accounts.
    pub restrictions: BTreeMap<AccountId, WithdrawalsRestricted>,
    /// Addresses that an operator has allowed.
    pub allowed: BTreeMap<(AccountId, ChainId, ChainAddress), AddressAllowed>,
    /// What waits for a second operator, also what has run out since.
    pub loosenings: BTreeMap<LooseningId, LooseningProposed>,
    /// By number, as they stand.
    pub rows: BTreeMap<u64, WithdrawalChanged>,
    /// Who has approved which.
    pub approvers: BTreeMap<u64, Vec<AccountName>>,
    /// The transactions that were signed for each, the first first.
    pub transactions: BTreeMap<u64, Vec<ChainHash>>,
    /// Those of whose last transaction something comes back that a child could spend.
    pub with_change: BTreeSet<u64>,
    /// By their parents, the last child of each.
    pub children: BTreeMap<u64, u64>,
    /// By their batches, what ever went with others.
    pub members: BTreeMap<u64, BTreeSet<u64>>,
}

impl Withdrawing {
    /// Those that go in a batch, or went.
    pub fn members(&self, batch: &WithdrawalChanged) -> impl Iterator<Item = &WithdrawalChanged> {
        let of = self.members.get(&batch.withdrawal.get()).into_iter().flatten();
        of.filter_map(|id| self.rows.get(id)).filter(move |row| row.batch == batch.withdrawal)
    }

    /// How many outputs a withdrawal's transaction gives, before what comes back.
    fn given(&self, row: &WithdrawalChanged) -> usize {
        match row.purpose {
            WithdrawalPurpose::Batch => self.members(row).count(),
            purpose => usize::from(!purpose.comes_back()),
        }
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::ChainListed(listed) => {
                let known = KnownChain { listed: *listed, freeze: ChainFreeze::NoMajority };
                self.chains.insert(listed.chain, known);
            }
            Event::ChainAssetListed(listed) => {
                self.chain_decimals.insert((listed.chain, listed.asset), listed.chain_decimals);
                if listed.contract.is_empty() {
                    self.coin_decimals.insert(listed.chain, listed.chain_decimals);
                }
            }
            Event::ChainFrozen(frozen) => {
                if let Some(known) = self.chains.get_mut(&frozen.chain) {
                    known.freeze = frozen.reason;
                }
            }
            Event::HotWalletChanged(changed) => {
                self.hot.insert((changed.chain, changed.asset), changed.bounds);
            }
            Event::ReservesChanged(changed) => {
                self.reserves.insert((changed.chain, changed.asset), **changed);
            }
            Event::WithdrawalRulesChanged(changed) => {
                self.rules.insert((changed.chain, changed.asset), changed.rules);
            }
            Event::WithdrawalsRestricted(restricted) => {
                self.restrictions.insert(restricted.account, *restricted);
            }
            Event::AddressAllowed(known) => {
                let key = (known.account, known.chain, known.address);
                if known.is_allowed {
                    self.allowed.insert(key, **known);
                } else {
                    self.allowed.remove(&key);
                }
            }
            Event::LooseningProposed(proposed) => {
                self.loosenings.insert(proposed.id, (**proposed).clone());
            }
            Event::LooseningEnded(ended) => {
                self.loosenings.remove(&ended.id);
            }
            Event::WithdrawalChanged(row) => {
                self.rows.insert(row.withdrawal.get(), **row);
                if row.purpose == WithdrawalPurpose::Child {
                    self.children.insert(row.parent.get(), row.withdrawal.get());
                }
                if row.batch != WithdrawalId::default() {
                    self.members.entry(row.batch.get()).or_default().insert(row.withdrawal.get());
                }
            }
            Event::WithdrawalApproved(approved) => {
                self.approvers.entry(approved.withdrawal.get()).or_default().push(approved.approver);
            }
            Event::WithdrawalSigned(signed) => {
                let id = signed.withdrawal.get();
                self.transactions.entry(id).or_default().push(signed.tx);
                if self.rows.get(&id).is_some_and(|row| has_change(self.given(row), &signed.bytes)) {
                    self.with_change.insert(id);
                } else {
                    self.with_change.remove(&id);
                }
            }
            _ => {}
        }
    }
}
