//! What a chain should have of each asset after a final block, from the ledger's events and the followed chain alone.
//!
//! Every deposit and every transaction of a withdrawal or a move changes what one place has: the wallet's own address, a deposit
//! address, a cold address. What counts is the block that has it, not what the ledger thinks of it; so what is in flight (seen and
//! not credited, mined and not settled, booked above the final block) is part of the sum, to the last unit.

mod folding;

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::Transaction;
use bitcoin::consensus::deserialize;
use bitcoin::hashes::Hash;
use wire::event::{AssetListed, ChainAssetListed, DepositChanged, ReservesChanged, WithdrawalChanged};
use wire::{
    AssetId, ChainAddress, ChainHash, ChainId, DepositStage, Event, ReservesStanding, WithdrawalCause, WithdrawalId,
    WithdrawalPurpose, WithdrawalStage,
};

use self::folding::Folded;
use super::Named;
use crate::chain::Destination;

/// Where money of the exchange lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// At an address of our keys: a deposit address, or at 0 the wallet's own.
    Key(u32),
    /// At a cold address.
    Cold(ChainAddress),
}

/// An output: a transaction and a number.
pub(super) type OutPoint = (ChainHash, u32);

/// A transaction of ours on the followed chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mined {
    pub(super) height: u64,
    pub(super) network_fee: u128,
    pub(super) is_undone: bool,
}

/// What an asset should have, in the chain's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Due {
    /// What is credited and has not been booked out.
    pub(super) booked: i128,
    /// What the chain has and the books have not yet, less what the books have and the final block has not yet.
    pub(super) in_flight: i128,
    /// What operators have declared.
    pub(super) brought: i128,
}

/// What there should be after a final block, and where.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    pub(super) due: BTreeMap<AssetId, Due>,
    /// Bitcoin-like: outputs, and what each has.
    pub(super) coins: BTreeMap<OutPoint, u64>,
    /// EVM: what should be at each place.
    pub(super) places: BTreeMap<Place, BTreeMap<AssetId, i128>>,
}

struct Leaving {
    row: WithdrawalChanged,
    /// Every transaction that was signed, what it pays, and what it moves where there are outputs.
    signed: Vec<(ChainHash, u128, Option<Moved>)>,
    network_fee: u128,
}

struct Moved {
    spent: Vec<OutPoint>,
    /// What comes back to the wallet's own address, and what goes to a cold one.
    kept: Vec<(u32, u64)>,
}

/// One chain's.
pub(super) struct Books {
    chain: ChainId,
    /// Bitcoin-like: the wallet's own script.
    own: Option<Destination>,
    /// Every asset of the ledger.
    known: BTreeMap<AssetId, AssetListed>,
    listed: BTreeMap<AssetId, ChainAssetListed>,
    deposits: BTreeMap<OutPoint, DepositChanged>,
    leaving: BTreeMap<WithdrawalId, Leaving>,
    reserves: BTreeMap<AssetId, ReservesChanged>,
    /// What all accounts have of each asset, by whatever way it came, in the ledger's units.
    owed: BTreeMap<AssetId, i128>,
    /// What is not among the above any more.
    folded: Folded,
    /// The highest block of which the log has said anything.
    highest: u64,
    /// So many blocks below that are kept one by one.
    depth: u64,
}

impl Books {
    /// Nothing is known. `own` is the wallet's own script where there are outputs.
    pub(super) fn new(chain: ChainId, own: Option<Destination>) -> Books {
        Books {
            chain,
            own,
            known: BTreeMap::new(),
            listed: BTreeMap::new(),
            deposits: BTreeMap::new(),
            leaving: BTreeMap::new(),
            reserves: BTreeMap::new(),
            owed: BTreeMap::new(),
            folded: Folded::default(),
            highest: 0,
            depth: folding::DEPTH,
        }
    }

    /// Takes an event; of other chains, only what is owed. Whether it may change a comparison.
    pub(super) fn apply(&mut self, event: &Event) -> bool {
        match event {
            Event::AssetListed(listed) => drop(self.known.insert(listed.asset, *listed)),
            Event::Credited(credited) => *self.owed.entry(credited.asset).or_default() += credited.amount.wide(),
            Event::Debited(debited) => *self.owed.entry(debited.asset).or_default() -= debited.amount.wide(),
            Event::ChainAssetListed(listed) if listed.chain == self.chain => {
                self.listed.insert(listed.asset, **listed);
            }
            Event::ReservesChanged(changed) if changed.chain == self.chain => {
                self.reserves.insert(changed.asset, **changed);
            }
            // What is in no block is nowhere yet.
            Event::DepositChanged(deposit) if matches!(deposit.stage, DepositStage::Seen | DepositStage::Replaced) => {
                return false;
            }
            Event::DepositChanged(deposit) if deposit.chain == self.chain => self.on_deposit(deposit),
            Event::WithdrawalChanged(row) if row.chain == self.chain => self.on_withdrawal(row),
            Event::WithdrawalAllocated(allocated) => {
                if let Some(leaving) = self.leaving.get_mut(&allocated.withdrawal) {
                    leaving.network_fee = allocated.network_fee;
                }
            }
            Event::WithdrawalSigned(signed) if signed.chain == self.chain => {
                if let Some(leaving) = self.leaving.get_mut(&signed.withdrawal) {
                    let is_cold = leaving.row.purpose == WithdrawalPurpose::Cold;
                    let moved = self.own.as_ref().and_then(|own| moved(signed.bytes.as_bytes(), own, is_cold));
                    leaving.signed.push((signed.tx, leaving.network_fee, moved));
                }
            }
            _ => return false,
        }
        true
    }

    fn on_deposit(&mut self, deposit: &DepositChanged) {
        let point = (deposit.tx, deposit.output);
        let is_there =
            matches!(deposit.stage, DepositStage::Included | DepositStage::Confirmed | DepositStage::Credited);
        if !is_there {
            // It is nowhere, in the books and on the chain. Should that change, all of it is told again.
            self.deposits.remove(&point);
            return;
        }
        if deposit.is_reverted && !self.deposits.contains_key(&point) {
            self.unfold_deposit(deposit);
        }
        self.deposits.insert(point, *deposit);
        self.reach(deposit.height);
    }

    fn on_withdrawal(&mut self, row: &WithdrawalChanged) {
        // What goes in a batch is in its sum, and leaves by its transaction.
        if row.batch != WithdrawalId::default() {
            self.leaving.remove(&row.withdrawal);
            return;
        }
        if row.is_reverted && !self.leaving.contains_key(&row.withdrawal) {
            self.unfold_withdrawal(row);
        }
        let leaving = self.leaving.entry(row.withdrawal);
        let leaving = leaving.or_insert(Leaving { row: *row, signed: Vec::new(), network_fee: 0 });
        leaving.row = *row;
        // Most of what ends without a transaction has none: it is not kept.
        if leaving.signed.is_empty() && row.stage.is_final() && row.height == 0 {
            self.leaving.remove(&row.withdrawal);
        }
        self.reach(row.height);
    }

    /// The assets of the chain.
    pub(super) fn assets(&self) -> impl Iterator<Item = &ChainAssetListed> {
        self.listed.values()
    }

    /// What people call them.
    pub(super) fn named(&self) -> BTreeMap<AssetId, Named> {
        let named = |listed: &ChainAssetListed| {
            let symbol = self.known.get(&listed.asset)?.symbol;
            Some((listed.asset, Named { symbol, decimals: listed.chain_decimals }))
        };
        self.listed.values().filter_map(named).collect()
    }

    /// How the ledger has it.
    pub(super) fn standing(&self, asset: AssetId) -> ReservesStanding {
        self.reserves.get(&asset).map_or(ReservesStanding::Whole, |row| row.standing)
    }

    /// What the ledger owes of an asset to all accounts and the house, by whatever way it came, in the chain's units.
    pub(super) fn owed(&self, asset: AssetId) -> i128 {
        self.units(asset, self.owed.get(&asset).copied().unwrap_or(0))
    }

    /// Transactions that the followed chain is to be asked for.
    pub(super) fn transactions(&self) -> BTreeMap<ChainHash, u128> {
        let all = self.leaving.values().flat_map(|leaving| &leaving.signed);
        all.map(|(tx, network_fee, _)| (*tx, *network_fee)).collect()
    }

    /// What there should be after the block at `height`; `mined` has what of ours the followed chain has. `None` of a block so
    /// deep that what came and went above it cannot be told from what did below it.
    pub(super) fn expected(&self, height: u64, mined: &BTreeMap<ChainHash, Mined>) -> Option<Expected> {
        if height < self.folded.to {
            return None;
        }
        let mut expected = self.folded.sum.clone();
        for asset in self.listed.keys() {
            let declared = self.reserves.get(asset).filter(|row| row.since <= height);
            let brought = declared.map_or(0, |row| row.brought);
            expected.due.entry(*asset).or_default().brought = brought;
            if self.own.is_none() {
                expected.add(Place::Key(0), *asset, brought);
            }
        }
        for (point, deposit) in &self.deposits {
            self.deposit(*point, deposit, height, &mut expected);
        }
        let mut spent = BTreeSet::new();
        for leaving in self.leaving.values() {
            self.leave(leaving, height, mined, &mut expected, &mut spent);
        }
        expected.coins.retain(|point, _| !spent.contains(point));
        Some(expected)
    }

    fn deposit(&self, point: OutPoint, deposit: &DepositChanged, height: u64, expected: &mut Expected) {
        let DepositChanged { asset, amount, stage, index, .. } = *deposit;
        let units = i128::try_from(amount).unwrap_or(i128::MAX);
        let is_there = matches!(stage, DepositStage::Included | DepositStage::Confirmed | DepositStage::Credited);
        let on_chain = if is_there && deposit.height <= height { units } else { 0 };
        let booked = if stage == DepositStage::Credited { units } else { 0 };
        expected.book(asset, booked, on_chain);
        if on_chain == 0 {
            return;
        }
        match &self.own {
            Some(_) => drop(expected.coins.insert(point, u64::try_from(amount).unwrap_or(u64::MAX))),
            None => expected.add(Place::Key(index), asset, units),
        }
    }

    fn leave(
        &self,
        leaving: &Leaving,
        height: u64,
        mined: &BTreeMap<ChainHash, Mined>,
        expected: &mut Expected,
        spent: &mut BTreeSet<OutPoint>,
    ) {
        let row = &leaving.row;
        let Some(coin) = self.listed.values().find(|listed| listed.contract.is_empty()).map(|listed| listed.asset)
        else {
            return;
        };
        // What only moves between addresses of ours is gone from none of them, but for what the chain got.
        let amount = self.units(row.asset, row.amount.wide());
        let gone = if row.purpose.is_internal() { 0 } else { amount };
        let is_booked = row.stage == WithdrawalStage::Settled || row.cause == WithdrawalCause::Undone;
        if is_booked {
            expected.book(row.asset, if row.is_undone { 0 } else { -gone }, 0);
            expected.book(coin, -i128::try_from(row.network_fee).unwrap_or(i128::MAX), 0);
        }
        let Some((tx, found)) = on_chain(leaving, mined).filter(|(_, found)| found.height <= height) else { return };
        let fee = i128::try_from(found.network_fee).unwrap_or(i128::MAX);
        let amount = if found.is_undone { 0 } else { amount };
        expected.book(row.asset, 0, if found.is_undone { 0 } else { -gone });
        expected.book(coin, 0, -fee);
        if self.own.is_some() {
            let moved = leaving.signed.iter().find(|(of, ..)| *of == tx).and_then(|(.., moved)| moved.as_ref());
            if let Some(Moved { spent: inputs, kept }) = moved {
                spent.extend(inputs);
                expected.coins.extend(kept.iter().map(|(output, value)| ((tx, *output), *value)));
            }
            return;
        }
        let from = Place::Key(row.sender());
        expected.add(from, coin, -fee);
        expected.add(from, row.asset, -amount);
        match row.purpose {
            // Where accounts are, nothing comes back that a child could spend, and each is paid alone.
            WithdrawalPurpose::Payment | WithdrawalPurpose::Child | WithdrawalPurpose::Batch => {}
            WithdrawalPurpose::Sweep => expected.add(Place::Key(0), row.asset, amount),
            WithdrawalPurpose::Gas => expected.add(Place::Key(row.key), row.asset, amount),
            WithdrawalPurpose::Cold => expected.add(Place::Cold(row.address), row.asset, amount),
        }
    }

    /// The chain's units of so many of the ledger's; what is less than one of the chain's is left out.
    fn units(&self, asset: AssetId, amount: i128) -> i128 {
        let (Some(listed), Some(known)) = (self.listed.get(&asset), self.known.get(&asset)) else { return 0 };
        let decimals = known.ledger_decimals;
        match listed.chain_decimals.checked_sub(decimals) {
            Some(more) => amount.saturating_mul(10_i128.pow(more.into())),
            None => amount / 10_i128.pow((decimals - listed.chain_decimals).into()),
        }
    }
}

impl Expected {
    /// What the books have of it, and what the final block has.
    fn book(&mut self, asset: AssetId, booked: i128, on_chain: i128) {
        let due = self.due.entry(asset).or_default();
        due.booked += booked;
        due.in_flight += on_chain - booked;
    }

    fn add(&mut self, place: Place, asset: AssetId, units: i128) {
        *self.places.entry(place).or_default().entry(asset).or_default() += units;
    }
}

/// Which of its transactions the chain has. What the ledger was told of is not asked again of a chain that may have forgotten.
fn on_chain(leaving: &Leaving, mined: &BTreeMap<ChainHash, Mined>) -> Option<(ChainHash, Mined)> {
    use WithdrawalStage::{Confirmed, Failed, Mined as OnChain, Settled};
    let WithdrawalChanged { stage, cause, tx, height, network_fee, is_undone, is_reverted, .. } = leaving.row;
    let told = match stage {
        Failed if cause == WithdrawalCause::Operator => {
            let paid = leaving.signed.iter().find(|(of, ..)| *of == tx).map_or(0, |(_, paid, _)| *paid);
            is_reverted.then_some(Mined { height, network_fee: paid, is_undone: false })
        }
        // It was there in vain, before its parent's end.
        Failed if cause == WithdrawalCause::Orphaned => None,
        OnChain | Confirmed | Settled | Failed if !is_reverted && height > 0 => {
            Some(Mined { height, network_fee, is_undone })
        }
        _ => None,
    };
    let followed = || leaving.signed.iter().find_map(|(tx, ..)| Some((*tx, *mined.get(tx)?)));
    told.map(|told| (tx, told)).or_else(followed)
}

/// What a transaction spends, and which of its outputs stay ours.
fn moved(bytes: &[u8], own: &Destination, is_cold: bool) -> Option<Moved> {
    let tx: Transaction = deserialize(bytes).ok()?;
    let spent = tx.input.iter().map(|input| input.previous_output);
    let spent = spent.map(|point| (ChainHash(point.txid.to_byte_array()), point.vout)).collect();
    let outputs = tx.output.iter().enumerate();
    let kept = outputs.filter(|(_, output)| is_cold || output.script_pubkey.as_bytes() == own.0);
    Some(Moved { spent, kept: kept.map(|(at, output)| (at as u32, output.value.to_sat())).collect() })
}

#[cfg(test)]
mod tests;
