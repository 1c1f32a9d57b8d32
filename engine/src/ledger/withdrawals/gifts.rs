//! Transactions that give gas of the exchange to deposit addresses: nobody's deposits.
//!
//! They are forgotten with their moves, long after those are over. A deposit that is told of only then cannot be told apart
//! from one of them by its name, but by its height: at or below the highest that was forgotten, an operator has to look.

use std::collections::{BTreeMap, BTreeSet};

use wire::codec::{CodecError, Reader, Writer};
use wire::event::WithdrawalChanged;
use wire::{ChainHash, ChainId, WithdrawalId};

use crate::ledger::blockchains::Blockchains;

/// Of every chain.
#[derive(Default)]
pub(super) struct Gifts {
    txs: BTreeSet<(ChainId, ChainHash)>,
    of_move: BTreeMap<(WithdrawalId, ChainHash), ChainId>,
    /// The highest block with a transaction that was forgotten.
    forgotten_to: BTreeMap<ChainId, u64>,
}

impl Gifts {
    pub(super) fn insert(&mut self, chain: ChainId, tx: ChainHash, of: WithdrawalId) {
        self.txs.insert((chain, tx));
        self.of_move.insert((of, tx), chain);
    }

    pub(super) fn contains(&self, chain: ChainId, tx: ChainHash) -> bool {
        self.txs.contains(&(chain, tx))
    }

    /// Whether a transaction of this height may be one that was forgotten.
    pub(super) fn may_have_been(&self, chain: ChainId, height: u64) -> bool {
        self.forgotten_to.get(&chain).is_some_and(|highest| height <= *highest)
    }

    /// The move is forgotten; of one that was never mined nothing has a height.
    pub(super) fn forget(&mut self, row: &WithdrawalChanged) {
        let range = (row.withdrawal, ChainHash::default())..=(row.withdrawal, ChainHash([u8::MAX; 32]));
        let txs: Vec<ChainHash> = self.of_move.range(range).map(|((_, tx), _)| *tx).collect();
        for tx in txs {
            self.of_move.remove(&(row.withdrawal, tx));
            self.txs.remove(&(row.chain, tx));
            let highest = self.forgotten_to.entry(row.chain).or_default();
            *highest = row.height.max(*highest);
        }
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.of_move.len() as u32));
        for ((id, tx), chain) in &self.of_move {
            to.put(chain);
            to.put(tx);
            to.put(id);
        }
        to.put(&(self.forgotten_to.len() as u32));
        for (chain, height) in &self.forgotten_to {
            to.put(chain);
            to.put(height);
        }
    }

    pub(super) fn load(chains: &Blockchains, from: &mut Reader<'_>) -> Result<Gifts, CodecError> {
        let mut gifts = Gifts::default();
        for _ in 0..from.get::<u32>()? {
            let chain: ChainId = from.get()?;
            chains.get(chain).map_err(|_| CodecError::OutOfRange)?;
            gifts.insert(chain, from.get()?, from.get()?);
        }
        for _ in 0..from.get::<u32>()? {
            let chain: ChainId = from.get()?;
            chains.get(chain).map_err(|_| CodecError::OutOfRange)?;
            gifts.forgotten_to.insert(chain, from.get()?);
        }
        Ok(gifts)
    }
}
