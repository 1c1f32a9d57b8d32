//! A Bitcoin-like chain of one agreed branch, its mempool, and what may go wrong with both.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::consensus::deserialize;
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, ScriptBuf, Transaction};
use chainwatch::withdrawals::{Facts, Included, Spend};
use chainwatch::{BlockHash, Head, Height};
use wire::{ChainHash, ChainInput};

/// What withdrawals must have to settle; no reorganisation of the simulation goes as deep.
pub const CONFIRMATIONS: u32 = 3;

struct Block {
    hash: [u8; 32],
    transactions: Vec<Transaction>,
}

/// The chain.
pub struct Chain {
    blocks: Vec<Block>,
    pub mempool: Vec<Transaction>,
    /// Outputs that there were before everything, to our keys.
    genesis: BTreeMap<OutPoint, ChainInput>,
    own: ScriptBuf,
    mined: u64,
    pub fee_rate: u128,
    /// Whether nodes take what pays more in place of what they have.
    pub takes_replacements: bool,
    /// Miners take nothing for less, per 1,000 virtual bytes.
    pub rate_min: u128,
    /// Whether no node keeps what it is sent.
    pub keeps_nothing: bool,
}

fn out_point(input: &ChainInput) -> OutPoint {
    OutPoint { txid: bitcoin::Txid::from_byte_array(input.tx.0), vout: input.output }
}

fn hash_of(tx: &Transaction) -> ChainHash {
    ChainHash(tx.compute_txid().to_byte_array())
}

impl Chain {
    pub fn new(genesis: &[ChainInput], own: ScriptBuf) -> Chain {
        let block = Block { hash: [1; 32], transactions: Vec::new() };
        let genesis = genesis.iter().map(|coin| (out_point(coin), *coin)).collect();
        Chain {
            blocks: vec![block],
            mempool: Vec::new(),
            genesis,
            own,
            mined: 0,
            fee_rate: 1_000,
            takes_replacements: true,
            rate_min: 0,
            keeps_nothing: false,
        }
    }

    pub fn height(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    /// What every output holds that the chain has ever made; what spends them.
    fn outputs(&self) -> BTreeMap<OutPoint, u64> {
        let mut outputs: BTreeMap<OutPoint, u64> =
            self.genesis.iter().map(|(point, coin)| (*point, coin.amount)).collect();
        for tx in self.blocks.iter().flat_map(|block| &block.transactions) {
            add_outputs(&mut outputs, tx);
        }
        outputs
    }

    fn spent(&self) -> BTreeMap<OutPoint, (ChainHash, u64)> {
        let mut spent = BTreeMap::new();
        for (height, block) in self.blocks.iter().enumerate() {
            for tx in &block.transactions {
                for input in &tx.input {
                    let before = spent.insert(input.previous_output, (hash_of(tx), height as u64));
                    assert_eq!(before, None, "a chain spends nothing twice");
                }
            }
        }
        spent
    }

    /// Outputs on the chain and those that nodes have among what they would mine.
    fn with_pooled(&self) -> BTreeMap<OutPoint, u64> {
        let mut outputs = self.outputs();
        for tx in &self.mempool {
            add_outputs(&mut outputs, tx);
        }
        outputs
    }

    /// A node takes a transaction whose inputs are there; one that pays more takes the place of those it conflicts with, and of
    /// what spends theirs, where nodes take replacements.
    pub fn take(&mut self, bytes: &[u8]) {
        if self.keeps_nothing {
            return;
        }
        let tx: Transaction = deserialize(bytes).expect("a transaction");
        let (outputs, spent) = (self.with_pooled(), self.spent());
        let is_there = |point: &OutPoint| outputs.contains_key(point) && !spent.contains_key(point);
        let is_known = self.mempool.iter().any(|known| hash_of(known) == hash_of(&tx));
        if is_known || !tx.input.iter().all(|input| is_there(&input.previous_output)) {
            return;
        }
        let points: BTreeSet<OutPoint> = tx.input.iter().map(|input| input.previous_output).collect();
        let conflicts = |other: &&Transaction| other.input.iter().any(|input| points.contains(&input.previous_output));
        let mut gone: BTreeSet<ChainHash> = self.mempool.iter().filter(conflicts).map(hash_of).collect();
        for _ in 0..self.mempool.len() {
            let spends_gone = |other: &&Transaction| {
                other.input.iter().any(|input| gone.contains(&ChainHash(input.previous_output.txid.to_byte_array())))
            };
            let more: Vec<ChainHash> = self.mempool.iter().filter(spends_gone).map(hash_of).collect();
            gone.extend(more);
        }
        let is_gone = |other: &Transaction| gone.contains(&hash_of(other));
        let paid: u64 = self.mempool.iter().filter(|other| is_gone(other)).map(|other| fee_of(other, &outputs)).sum();
        if gone.is_empty() || (self.takes_replacements && paid < fee_of(&tx, &outputs)) {
            self.mempool.retain(|other| !is_gone(other));
            self.mempool.push(tx);
        }
    }

    /// Whether miners take a transaction, for what it pays with all that it needs, or for what something that needs it pays.
    fn is_worth_it(&self, tx: ChainHash, outputs: &BTreeMap<OutPoint, u64>) -> bool {
        let with = |tx: &Transaction| {
            let mut all = BTreeSet::from([hash_of(tx)]);
            for _ in 0..self.mempool.len() {
                let needed = self.mempool.iter().filter(|known| all.contains(&hash_of(known)));
                let needed: Vec<_> =
                    needed.flat_map(|known| &known.input).map(|input| input.previous_output.txid).collect();
                let pooled = needed.into_iter().map(|txid| ChainHash(txid.to_byte_array()));
                all.extend(
                    pooled.filter(|it| self.mempool.iter().any(|known| hash_of(known) == *it)).collect::<Vec<_>>(),
                );
            }
            all
        };
        self.mempool.iter().map(with).filter(|all| all.contains(&tx)).any(|all| {
            let of = || self.mempool.iter().filter(|known| all.contains(&hash_of(known)));
            let paid: u64 = of().map(|tx| fee_of(tx, outputs)).sum();
            let bytes: usize = of().map(Transaction::vsize).sum();
            u128::from(paid) * 1_000 >= self.rate_min * bytes as u128
        })
    }

    /// A block of those that `is_wanted` and that are worth it, none before what it spends.
    pub fn mine(&mut self, mut is_wanted: impl FnMut() -> bool) {
        let pooled = self.with_pooled();
        let (mut outputs, spent) = (self.outputs(), self.spent());
        let mut transactions: Vec<Transaction> = Vec::new();
        let wanted: BTreeSet<ChainHash> =
            self.mempool.iter().map(hash_of).filter(|tx| is_wanted() && self.is_worth_it(*tx, &pooled)).collect();
        for _ in 0..self.mempool.len() {
            self.mempool.retain(|tx| {
                let is_mined = wanted.contains(&hash_of(tx))
                    && tx.input.iter().all(|input| {
                        let point = &input.previous_output;
                        let is_taken =
                            transactions.iter().flat_map(|tx| &tx.input).any(|it| it.previous_output == *point);
                        outputs.contains_key(point) && !spent.contains_key(point) && !is_taken
                    });
                if is_mined {
                    add_outputs(&mut outputs, tx);
                    transactions.push(tx.clone());
                }
                !is_mined
            });
        }
        self.connect(transactions);
    }

    /// A block with just this, whatever nodes have.
    pub fn mine_just(&mut self, bytes: &[u8]) {
        self.connect(vec![deserialize(bytes).expect("a transaction")]);
    }

    /// What cannot be mined any more nodes have no more.
    fn connect(&mut self, transactions: Vec<Transaction>) {
        self.mined += 1;
        let mut hash = [2; 32];
        hash[..8].copy_from_slice(&self.mined.to_le_bytes());
        self.blocks.push(Block { hash, transactions });
        for _ in 0..self.mempool.len() {
            let (outputs, spent) = (self.with_pooled(), self.spent());
            self.mempool.retain(|tx| {
                let mut points = tx.input.iter().map(|input| &input.previous_output);
                points.all(|point| outputs.contains_key(point) && !spent.contains_key(point))
            });
        }
    }

    /// Takes blocks back; what was in them is in the mempool again if `is_kept`.
    pub fn reorganise(&mut self, depth: usize, mut is_kept: impl FnMut() -> bool) {
        for _ in 0..depth.min(self.blocks.len() - 1) {
            let gone = self.blocks.pop().expect("more than one");
            self.mempool.extend(gone.transactions.into_iter().filter(|_| is_kept()));
        }
    }

    pub fn includes(&self, tx: ChainHash) -> bool {
        self.blocks.iter().flat_map(|block| &block.transactions).any(|known| hash_of(known) == tx)
    }

    /// What a script has received, in how many outputs.
    pub fn received(&self, script: &ScriptBuf) -> Vec<u64> {
        let outputs = self.blocks.iter().flat_map(|block| &block.transactions).flat_map(|tx| &tx.output);
        outputs.filter(|output| output.script_pubkey == *script).map(|output| output.value.to_sat()).collect()
    }

    /// What the wallet has.
    pub fn balance(&self) -> u64 {
        self.coins().iter().map(|coin| coin.amount).sum()
    }

    fn coins(&self) -> Vec<ChainInput> {
        let mut coins: BTreeMap<OutPoint, ChainInput> = self.genesis.clone();
        for tx in self.blocks.iter().flat_map(|block| &block.transactions) {
            for (vout, output) in tx.output.iter().enumerate().filter(|(_, output)| output.script_pubkey == self.own) {
                let (output, amount) = (vout as u32, output.value.to_sat());
                let coin = ChainInput { tx: hash_of(tx), output, amount, key: 0 };
                coins.insert(out_point(&coin), coin);
            }
        }
        let spent = self.spent();
        coins.into_iter().filter(|(point, _)| !spent.contains_key(point)).map(|(_, coin)| coin).collect()
    }

    /// What is agreed now.
    pub fn facts(&self) -> Facts {
        let outputs = self.outputs();
        let mut included = BTreeMap::new();
        for (height, block) in self.blocks.iter().enumerate() {
            for tx in &block.transactions {
                let network_fee = fee_of(tx, &outputs).into();
                let (block, height) = (ChainHash(block.hash), height as u64);
                included.insert(hash_of(tx), Included { block, height, network_fee, is_undone: false });
            }
        }
        let spent = self
            .spent()
            .into_iter()
            .map(|(point, by)| (Spend::Output(ChainHash(point.txid.to_byte_array()), point.vout), by));
        let last = self.blocks.last().expect("a genesis");
        Facts {
            head: Head { height: Height(self.height()), hash: BlockHash(last.hash) },
            since: Height(0),
            finalized: None,
            included,
            spent: spent.collect(),
            pooled: self.mempool.iter().map(hash_of).collect(),
            coins: self.coins(),
            accounts: BTreeMap::new(),
            fee_rate: Some(self.fee_rate),
            tip: 0,
        }
    }
}

fn add_outputs(outputs: &mut BTreeMap<OutPoint, u64>, tx: &Transaction) {
    let txid = tx.compute_txid();
    for (vout, output) in tx.output.iter().enumerate() {
        outputs.insert(OutPoint { txid, vout: vout as u32 }, output.value.to_sat());
    }
}

fn fee_of(tx: &Transaction, outputs: &BTreeMap<OutPoint, u64>) -> u64 {
    let paid: u64 = tx.input.iter().map(|input| outputs.get(&input.previous_output).copied().unwrap_or(0)).sum();
    let given: u64 = tx.output.iter().map(|output| output.value.to_sat()).sum();
    paid.saturating_sub(given)
}
