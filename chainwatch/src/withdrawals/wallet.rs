//! Which outputs of a Bitcoin-like chain are ours to spend, from the ledger's events alone: deposits that were credited, and the
//! change of withdrawals that are settled. What was never credited is nobody's yet, and not spent.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::Transaction;
use bitcoin::consensus::deserialize;
use bitcoin::hashes::Hash;
use wire::event::{DepositChanged, WithdrawalChanged, WithdrawalSigned};
use wire::{ChainHash, ChainId, ChainInput, DepositStage, Event, WithdrawalId, WithdrawalPurpose, WithdrawalStage};

use crate::signer::bitcoin::{BitcoinScheme, own_script};

/// A transaction's hash and one of its outputs.
type OutPoint = (ChainHash, u32);

/// The outputs of one chain.
pub struct Wallet {
    chain: ChainId,
    change: Option<bitcoin::ScriptBuf>,
    coins: BTreeMap<OutPoint, ChainInput>,
    /// What children have spent whose parents are not settled yet.
    spent_before: BTreeSet<OutPoint>,
    /// Credits that the chain has taken back, and whether they were to spend still: they come back as what they were.
    reverted: BTreeMap<OutPoint, bool>,
    /// Change of what was settled and the chain has taken back: it is nobody's until that is mined again.
    taken_back: BTreeMap<OutPoint, ChainInput>,
    /// Transactions of withdrawals that are not over.
    signed: BTreeMap<WithdrawalId, Vec<Transaction>>,
}

impl Wallet {
    /// Nothing is known.
    pub fn new(chain: ChainId, scheme: &BitcoinScheme) -> Wallet {
        Wallet {
            chain,
            change: own_script(scheme, 0),
            coins: BTreeMap::new(),
            spent_before: BTreeSet::new(),
            reverted: BTreeMap::new(),
            taken_back: BTreeMap::new(),
            signed: BTreeMap::new(),
        }
    }

    /// Takes an event; those of other chains change nothing.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::DepositChanged(deposit) if deposit.chain == self.chain => self.on_deposit(deposit),
            Event::WithdrawalSigned(signed) if signed.chain == self.chain => self.on_signed(signed),
            Event::WithdrawalChanged(row) if row.chain == self.chain && row.stage.is_final() => self.on_end(row),
            _ => {}
        }
    }

    fn on_deposit(&mut self, deposit: &DepositChanged) {
        let DepositChanged { tx, output, amount, index, .. } = *deposit;
        let point = (tx, output);
        match u64::try_from(amount) {
            Ok(amount) if deposit.stage == DepositStage::Credited && !deposit.is_reverted => {
                if self.reverted.remove(&point).unwrap_or(true) {
                    self.coins.insert(point, ChainInput { tx, output, amount, key: index });
                }
            }
            _ => {
                let was_there = self.coins.remove(&point).is_some();
                if deposit.is_reverted {
                    self.reverted.entry(point).or_insert(was_there);
                }
            }
        }
    }

    fn on_signed(&mut self, signed: &WithdrawalSigned) {
        if let Ok(tx) = deserialize::<Transaction>(signed.bytes.as_bytes()) {
            self.signed.entry(signed.withdrawal).or_default().push(tx);
        }
    }

    /// Of all transactions of a withdrawal one was mined, or none ever will be.
    fn on_end(&mut self, row: &WithdrawalChanged) {
        self.take_back(row);
        let signed = self.signed.remove(&row.withdrawal).unwrap_or_default();
        if row.stage != WithdrawalStage::Settled {
            return;
        }
        let Some(tx) = signed.into_iter().find(|tx| tx.compute_txid().to_byte_array() == row.tx.0) else { return };
        for input in &tx.input {
            let point = input.previous_output;
            let point = (ChainHash(point.txid.to_byte_array()), point.vout);
            if self.coins.remove(&point).is_none() && row.purpose == WithdrawalPurpose::Child {
                self.spent_before.insert(point);
            }
            self.reverted.entry(point).and_modify(|is_there| *is_there = false);
        }
        let outputs = tx.output.iter().enumerate();
        for (at, output) in outputs.filter(|(_, output)| Some(&output.script_pubkey) == self.change.as_ref()) {
            let (tx, output, amount) = (row.tx, at as u32, output.value.to_sat());
            if !self.spent_before.remove(&(tx, output)) {
                self.coins.insert((tx, output), ChainInput { tx, output, amount, key: 0 });
            }
        }
    }

    /// What is settled is on the chain, or has been taken back by it.
    fn take_back(&mut self, row: &WithdrawalChanged) {
        let (from, to) = match row.is_reverted {
            true => (&mut self.coins, &mut self.taken_back),
            false => (&mut self.taken_back, &mut self.coins),
        };
        let is_its = |(tx, _): &OutPoint, coin: &mut ChainInput| *tx == row.tx && coin.key == 0;
        to.extend(from.extract_if(.., is_its));
    }

    /// What may be spent, as far as the ledger says.
    pub fn coins(&self) -> impl Iterator<Item = &ChainInput> {
        self.coins.values()
    }
}

#[cfg(test)]
mod tests;
