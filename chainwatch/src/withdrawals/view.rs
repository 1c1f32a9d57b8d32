//! What the ledger has decided about the withdrawals of one chain, from its events.

use std::collections::{BTreeMap, BTreeSet};

use wire::event::{ChainAssetListed, WithdrawalAllocated, WithdrawalChanged};
use wire::{
    Amount, AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId, DepositStage, Event, HotWalletBounds, Symbol,
    Timestamp, WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalStage,
};

use super::facts::{Account, Spend, spends};
use crate::Height;
use crate::signer::Signed;
use crate::signer::payment::Output;

/// A withdrawal, what its last transaction spends, and every transaction that was signed with what it pays.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) row: WithdrawalChanged,
    pub(super) allocated: Option<WithdrawalAllocated>,
    pub(super) signed: Vec<(WithdrawalAllocated, Signed)>,
    /// Of a child, what those transactions pay that it helps.
    pub(super) helped_fee: u128,
    signed_since: Timestamp,
    /// When it left a batch: what it would do to another one is not tried at once.
    pub(super) left_at: Option<Timestamp>,
}

impl Known {
    /// What its signed transactions spend.
    pub(super) fn spends(&self) -> impl Iterator<Item = Spend> + '_ {
        self.signed.iter().flat_map(|(allocated, _)| spends(self.row.sender(), allocated))
    }

    /// What the last signed transaction pays to the chain.
    pub(super) fn paid(&self) -> Option<u128> {
        self.signed.last().map(|(allocated, _)| allocated.network_fee)
    }

    /// What one of its transactions pays to the chain, with those that it helps.
    pub(super) fn paid_with_helped(&self, tx: ChainHash) -> u128 {
        let paid = self.signed.iter().find(|(_, signed)| signed.tx == tx).map_or(0, |(it, _)| it.network_fee);
        paid.saturating_add(self.helped_fee)
    }

    /// Whether it is a child that ended with its parent: its transactions are mined only if that end is taken back.
    pub(super) fn is_orphan(&self) -> bool {
        self.row.cause == WithdrawalCause::Orphaned
    }

    /// When the last transaction was signed, or had to be sent again.
    pub(super) fn signed_since(&self) -> Timestamp {
        self.signed_since
    }
}

/// Deposits of an asset at an address.
#[derive(Debug, Clone, Copy, Default)]
struct Deposited {
    /// Whether they may be swept: it was not looked at, or was enough.
    is_due: bool,
    /// The highest block with one.
    height: u64,
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
    hot: BTreeMap<AssetId, HotWalletBounds>,
    /// Of which the chain has less than it should.
    halted: BTreeSet<AssetId>,
    /// How many moves of the exchange's own money were made.
    turn: u64,
    /// Deposit addresses, as far as they are bound.
    addresses: BTreeMap<u32, ChainAddress>,
    /// Addresses that got deposits of an asset.
    deposited: BTreeMap<(u32, AssetId), Deposited>,
    /// When a move came to nothing.
    failed: BTreeMap<(WithdrawalPurpose, AssetId), Timestamp>,
    known: BTreeMap<WithdrawalId, Known>,
    /// What transactions of withdrawals spend, but for those that were never signed and never will be, and for those that are
    /// forgotten.
    spent: BTreeMap<Spend, WithdrawalId>,
    /// By their batches, withdrawals that go together and are not over.
    members: BTreeMap<WithdrawalId, BTreeSet<WithdrawalId>>,
    /// Whose transaction it is.
    made_by: BTreeMap<ChainHash, WithdrawalId>,
    /// Of each account, one more than the highest nonce of what is forgotten: that one and all before it are used.
    used_to: BTreeMap<u32, u64>,
}

/// So long the ledger remembers a withdrawal after its end: it is told nothing of one that is older.
const REMEMBERED_NS: u64 = 30 * 24 * 3_600 * 1_000_000_000;

impl View {
    pub(super) fn new(chain: ChainId) -> View {
        View {
            chain,
            symbol: None,
            freeze: ChainFreeze::NoMajority,
            ledger_decimals: BTreeMap::new(),
            listed: BTreeMap::new(),
            network_fee_max: BTreeMap::new(),
            hot: BTreeMap::new(),
            halted: BTreeSet::new(),
            turn: 0,
            addresses: BTreeMap::new(),
            deposited: BTreeMap::new(),
            failed: BTreeMap::new(),
            known: BTreeMap::new(),
            spent: BTreeMap::new(),
            members: BTreeMap::new(),
            made_by: BTreeMap::new(),
            used_to: BTreeMap::new(),
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
            Event::HotWalletChanged(changed) if changed.chain == self.chain => {
                self.hot.insert(changed.asset, changed.bounds);
                let of_asset = self.deposited.iter_mut().filter(|((_, asset), _)| *asset == changed.asset);
                of_asset.for_each(|(_, deposited)| deposited.is_due = true);
                self.failed.retain(|(_, asset), _| *asset != changed.asset);
            }
            Event::ReservesChanged(changed) if changed.chain == self.chain => {
                if changed.standing.is_halted() {
                    self.halted.insert(changed.asset);
                } else {
                    self.halted.remove(&changed.asset);
                }
            }
            Event::AddressBound(bound) if bound.chain == self.chain => {
                self.addresses.insert(bound.index, bound.address);
            }
            Event::DepositChanged(deposit)
                if deposit.chain == self.chain && deposit.stage == DepositStage::Credited && !deposit.is_reverted =>
            {
                let deposited = self.deposited.entry((deposit.index, deposit.asset)).or_default();
                (deposited.is_due, deposited.height) = (true, deposited.height.max(deposit.height));
            }
            Event::WithdrawalAllocated(allocated) if allocated.chain == self.chain => {
                let id = allocated.withdrawal;
                let helped_fee = self.helped_fee(allocated);
                if let Some(known) = self.known.get_mut(&id) {
                    known.helped_fee = helped_fee.unwrap_or(known.helped_fee);
                    known.allocated = Some(**allocated);
                    self.spent.extend(spends(known.row.sender(), allocated).map(|spend| (spend, id)));
                }
            }
            Event::WithdrawalSigned(signed) if signed.chain == self.chain => {
                let known = self.known.get_mut(&signed.withdrawal);
                if let Some((known, allocated)) = known.and_then(|known| known.allocated.map(|it| (known, it))) {
                    known.signed.push((allocated, Signed { tx: signed.tx, bytes: signed.bytes.clone() }));
                    self.made_by.insert(signed.tx, signed.withdrawal);
                }
            }
            Event::WithdrawalChanged(row) if row.chain == self.chain => self.change(row),
            _ => {}
        }
    }

    fn change(&mut self, row: &WithdrawalChanged) {
        let id = row.withdrawal;
        let is_new = row.stage == WithdrawalStage::Held && !self.known.contains_key(&id);
        self.turn += u64::from(row.purpose.is_of_house() && is_new);
        if row.purpose.is_internal() {
            self.change_move(row, is_new);
        }
        if row.stage.is_final() && !self.known.contains_key(&id) {
            return;
        }
        let known = self.known.entry(id).or_insert_with(|| Known {
            row: *row,
            allocated: None,
            signed: Vec::new(),
            helped_fee: 0,
            signed_since: row.changed_at,
            left_at: None,
        });
        let batch = known.row.batch;
        if batch != WithdrawalId::default() && (row.batch != batch || row.stage.is_final()) {
            if row.batch != batch {
                known.left_at = Some(row.changed_at);
            }
            let members = self.members.entry(batch).or_default();
            members.remove(&id);
            if members.is_empty() {
                self.members.remove(&batch);
            }
        } else if row.batch != WithdrawalId::default() {
            self.members.entry(row.batch).or_default().insert(id);
        }
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

    fn change_move(&mut self, row: &WithdrawalChanged, is_new: bool) {
        let is_of_account = row.purpose == WithdrawalPurpose::Sweep && row.key != 0;
        let is_failed = row.stage.is_final() && row.stage != WithdrawalStage::Settled;
        // A token that does not let itself be moved from an address would be tried for ever, for money each time. What its parent
        // did not need, or withdrawals have left nothing for, has not failed.
        let is_undone = is_of_account && row.cause == WithdrawalCause::Undone;
        let is_failed = is_failed && !matches!(row.cause, WithdrawalCause::Orphaned | WithdrawalCause::Disbanded);
        if is_of_account && (is_new || (is_failed && !is_undone)) {
            // What comes to the address meanwhile is looked at again, and what was not swept after all.
            self.deposited.entry((row.key, row.asset)).or_default().is_due = is_failed;
        }
        if is_failed && !is_undone {
            self.failed.insert((row.purpose, row.asset), row.changed_at);
        }
    }

    /// What a child's first allocation helps.
    fn helped_fee(&self, allocated: &WithdrawalAllocated) -> Option<u128> {
        let child = self.known.get(&allocated.withdrawal).filter(|child| child.allocated.is_none())?;
        let parent = self.known.get(&child.row.parent)?;
        Some(parent.paid_with_helped(allocated.inputs.as_slice().first()?.tx))
    }

    /// What is booked and lies so deep that nothing is said of it any more is left. Its outputs are no coins of the wallet's any
    /// more, and its nonce is used for good. One that an operator has failed, or the chain has taken back, may be mined at any time, and
    /// an orphan as long as its parent may come again; the ledger remembers them for so long, and so does this.
    pub(super) fn forget_below(&mut self, since: Height, now: Timestamp) {
        let orphans = self.known.values().filter(|known| known.is_orphan());
        let left = orphans.filter(|known| !self.known.contains_key(&known.row.parent));
        let left: BTreeSet<WithdrawalId> = left.map(|known| known.row.withdrawal).collect();
        let is_over = |known: &Known| {
            let WithdrawalChanged { withdrawal, stage, cause, height, changed_at, is_reverted, .. } = known.row;
            let is_deep = cause != WithdrawalCause::Operator && !is_reverted && height != 0 && height < since.0;
            let is_old = changed_at.plus_nanos(REMEMBERED_NS) <= now;
            stage.is_final() && (is_deep || is_old || left.contains(&withdrawal))
        };
        let over: BTreeMap<WithdrawalId, Known> = self.known.extract_if(.., |_, known| is_over(known)).collect();
        if over.is_empty() {
            return;
        }
        for (_, signed) in over.values().flat_map(|known| &known.signed) {
            self.made_by.remove(&signed.tx);
        }
        for (spend, _) in self.spent.extract_if(.., |_, owner| over.contains_key(owner)) {
            if let Spend::Nonce(sender, nonce) = spend {
                let used_to = self.used_to.entry(sender).or_default();
                *used_to = nonce.saturating_add(1).max(*used_to);
            }
        }
    }

    /// How many rows of what is not the ledger's own are kept.
    #[cfg(test)]
    pub(super) fn rows(&self) -> usize {
        self.known.len() + self.spent.len() + self.made_by.len() + self.members.len()
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

    /// Whether nothing new of an asset leaves or moves.
    pub(super) fn is_halted(&self, asset: AssetId) -> bool {
        self.halted.contains(&asset)
    }

    pub(super) fn symbol(&self) -> Option<Symbol> {
        self.symbol
    }

    /// How many moves of the exchange's own money were made.
    pub(super) fn turn(&self) -> u64 {
        self.turn
    }

    /// The bounds of the hot wallet, by asset.
    pub(super) fn bounds(&self) -> impl Iterator<Item = (AssetId, HotWalletBounds)> + '_ {
        self.hot.iter().map(|(asset, bounds)| (*asset, *bounds))
    }

    pub(super) fn address(&self, key: u32) -> Option<ChainAddress> {
        self.addresses.get(&key).copied()
    }

    /// Addresses at which something of an asset may have to be swept.
    pub(super) fn deposited(&self) -> impl Iterator<Item = (u32, AssetId)> + '_ {
        let is_swept = |asset: &AssetId| self.hot.get(asset).is_some_and(|bounds| !bounds.sweep_from.is_zero());
        self.deposited.iter().filter(move |((_, asset), it)| it.is_due && is_swept(asset)).map(|(key, _)| *key)
    }

    /// Accounts at deposit addresses that matter now.
    pub(super) fn accounts(&self) -> impl Iterator<Item = u32> + '_ {
        let open = self.known.values().filter(|known| !known.row.stage.is_final()).map(|known| known.row.sender());
        let keys: BTreeSet<u32> = open.filter(|key| *key != 0).chain(self.deposited().map(|(key, _)| key)).collect();
        keys.into_iter()
    }

    /// The child of a withdrawal that is not over.
    pub(super) fn child_of(&self, parent: WithdrawalId) -> Option<&Known> {
        self.known.values().find(|known| known.row.parent == parent && !known.row.stage.is_final())
    }

    /// Whether some move from or to an address is not over.
    pub(super) fn is_moving(&self, purpose: WithdrawalPurpose, asset: Option<AssetId>, key: u32) -> bool {
        let mut open = self.known.values().map(|known| &known.row).filter(|row| !row.stage.is_final());
        open.any(|row| (row.purpose, row.key) == (purpose, key) && asset.is_none_or(|asset| row.asset == asset))
    }

    /// When a move of this kind last came to nothing, unless its bounds were set anew since.
    pub(super) fn failed_at(&self, purpose: WithdrawalPurpose, asset: AssetId) -> Option<Timestamp> {
        self.failed.get(&(purpose, asset)).copied()
    }

    /// The highest block that has moved something from or to a deposit address.
    pub(super) fn last_moved(&self, key: u32) -> u64 {
        let moves =
            self.known.values().map(|known| &known.row).filter(|row| row.purpose.is_internal() && row.key == key);
        moves.map(|row| row.height).max().unwrap_or(0)
    }

    /// What an account has too little of is not looked at again before more comes.
    pub(super) fn look(&mut self, accounts: &BTreeMap<u32, Account>) {
        let too_little: Vec<_> = self
            .deposited()
            .filter(|(key, asset)| {
                let account = accounts.get(key);
                let contract = self.listed.get(asset).map(|listed| listed.contract);
                let from = self.hot.get(asset).and_then(|bounds| self.units(*asset, bounds.sweep_from));
                let (Some(account), Some(contract), Some(from)) = (account, contract, from) else { return false };
                // What was asked for before the deposit was on the chain says nothing of it.
                let is_young = self.deposited.get(&(*key, *asset)).is_some_and(|it| account.height < it.height);
                !is_young && account.funds.get(&contract).copied().unwrap_or(0) < from
            })
            .collect();
        for key in too_little {
            self.deposited.entry(key).or_default().is_due = false;
        }
    }

    /// The contract of an asset.
    pub(super) fn contract(&self, asset: AssetId) -> Option<ChainAddress> {
        self.listed.get(&asset).map(|listed| listed.contract)
    }

    /// The chain's own coin, as an asset of the ledger.
    pub(super) fn coin(&self) -> Option<AssetId> {
        self.listed.values().find(|listed| listed.contract.is_empty()).map(|listed| listed.asset)
    }

    pub(super) fn contracts(&self) -> impl Iterator<Item = ChainAddress> + '_ {
        self.listed.values().map(|listed| listed.contract)
    }

    pub(super) fn network_fee_max(&self, row: &WithdrawalChanged) -> Option<u128> {
        self.network_fee_cap(row.asset)
    }

    /// The most that a transaction that moves an asset may pay to the chain.
    pub(super) fn network_fee_cap(&self, asset: AssetId) -> Option<u128> {
        self.network_fee_max.get(&asset).copied()
    }

    /// Whether no other withdrawal's transactions spend this.
    pub(super) fn is_free(&self, spend: Spend, by: Option<WithdrawalId>) -> bool {
        let is_used = matches!(spend, Spend::Nonce(of, nonce) if self.used_to.get(&of).is_some_and(|to| nonce < *to));
        !is_used && self.spent.get(&spend).is_none_or(|owner| Some(*owner) == by)
    }

    /// Whether an output may be spent: another transaction of the same withdrawal may yet take the place of the one that
    /// made it, until that is settled; and what the chain has taken back makes none before it is mined again.
    pub(super) fn is_settled(&self, tx: ChainHash) -> bool {
        let maker = self.made_by.get(&tx).and_then(|id| self.known.get(id));
        maker.is_none_or(|known| known.row.stage == WithdrawalStage::Settled && !known.row.is_reverted)
    }

    /// What a batch's transaction gives, and nothing of another. `None` while not all of its members are known as the ledger has them.
    pub(super) fn outputs(&self, row: &WithdrawalChanged) -> Option<Vec<Output>> {
        if row.purpose != WithdrawalPurpose::Batch {
            return Some(Vec::new());
        }
        let output = |id: &WithdrawalId| {
            let WithdrawalChanged { withdrawal, address, asset, amount, .. } = self.known.get(id)?.row;
            Some(Output { withdrawal, address, amount: self.units(asset, amount)? })
        };
        let outputs = self.members.get(&row.withdrawal)?.iter().map(output).collect::<Option<Vec<Output>>>()?;
        let sum: u128 = outputs.iter().map(|output| output.amount).sum();
        (Some(sum) == self.units(row.asset, row.amount)).then_some(outputs)
    }

    /// How many outputs a withdrawal's transactions give, before what comes back.
    pub(super) fn given(&self, row: &WithdrawalChanged) -> Option<usize> {
        match row.purpose {
            WithdrawalPurpose::Batch => self.outputs(row).map(|outputs| outputs.len()),
            purpose => Some(usize::from(!purpose.comes_back())),
        }
    }

    /// Whether a withdrawal goes with others in this batch.
    pub(super) fn is_member(&self, batch: WithdrawalId, id: WithdrawalId) -> bool {
        self.members.get(&batch).is_some_and(|members| members.contains(&id))
    }

    /// What a withdrawal sends: of which contract, how much in the chain's units. Swept outputs come back as change, and what a
    /// child spends: nothing.
    pub(super) fn chain_amount(&self, row: &WithdrawalChanged) -> Option<(ChainAddress, u128)> {
        let contract = self.contract(row.asset)?;
        let is_change = row.purpose.comes_back() && row.key == 0;
        let amount = if is_change { 0 } else { self.units(row.asset, row.amount)? };
        Some((contract, amount))
    }

    /// The chain's units of an amount.
    pub(super) fn units(&self, asset: AssetId, amount: Amount) -> Option<u128> {
        let listed = self.listed.get(&asset)?;
        let ledger_decimals = *self.ledger_decimals.get(&asset)?;
        let units = u128::try_from(amount.wide()).ok()?;
        match listed.chain_decimals.checked_sub(ledger_decimals) {
            Some(more) => units.checked_mul(10_u128.checked_pow(more.into())?),
            None => Some(units / 10_u128.checked_pow((ledger_decimals - listed.chain_decimals).into())?),
        }
    }

    /// The most of the ledger's units that are no more than so many of the chain's, and are a whole number of them.
    pub(super) fn amount(&self, asset: AssetId, units: u128) -> Option<Amount> {
        let listed = self.listed.get(&asset)?;
        let ledger_decimals = *self.ledger_decimals.get(&asset)?;
        let amount = match listed.chain_decimals.checked_sub(ledger_decimals) {
            Some(more) => units / 10_u128.checked_pow(more.into())?,
            None => units.checked_mul(10_u128.checked_pow((ledger_decimals - listed.chain_decimals).into())?)?,
        };
        i128::try_from(amount).ok().and_then(Amount::from_wide)
    }
}

#[cfg(test)]
pub(super) mod tests;
