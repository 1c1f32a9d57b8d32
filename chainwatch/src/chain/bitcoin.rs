//! Bitcoin-like chains: Bitcoin's headers and Merkle trees, with Litecoin's scrypt and spacing.
//!
//! Rules are those of Bitcoin Core's `pow.cpp` and `merkle.cpp`. A proof of a transaction of 64 bytes, which could be an
//! inner node of the tree (CVE-2017-12842), proves nothing. In a whole block it is as good as any other: a row of inner
//! nodes would have to begin with a coinbase. Repeated transactions, which leave the root as it is, are refused
//! (CVE-2012-2459).

use std::collections::HashSet;

use bitcoin::block::Header as RawHeader;
use bitcoin::consensus::{Params, deserialize, encode};
use bitcoin::hashes::Hash;
use bitcoin::pow::{CompactTarget, Target, Work};
use bitcoin::{Block, CompressedPublicKey, MerkleBlock, Network, ScriptBuf, Transaction};

use super::{ChainAsset, ChainTransaction, Destination, Lie, Transfer, VerifiedBlock};
use crate::tree::{Header, HeaderTree, Placed};
use crate::{BlockHash, DepositId, Head, Height, TxId};

/// A header's length.
pub const HEADER_LEN: usize = 80;

/// How a header is hashed for its proof of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowHash {
    /// Bitcoin.
    Sha256d,
    /// Litecoin: scrypt with N = 1024, r = 1, p = 1; password and salt are the header.
    Scrypt,
}

/// When targets change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retarget {
    /// After so many blocks.
    pub interval: u64,
    /// How long they should have taken, in seconds.
    pub timespan_s: u64,
}

/// The rules of one chain.
#[derive(Debug, Clone)]
pub struct BitcoinRules {
    /// How headers are hashed.
    pub pow: PowHash,
    /// The easiest target, compact.
    pub limit_bits: u32,
    /// `None` on regtest, where every block has its parent's target.
    pub retarget: Option<Retarget>,
    /// A coinbase output may be spent so many blocks later.
    pub coinbase_maturity: u64,
}

impl BitcoinRules {
    /// Litecoin's regression test chain.
    pub fn litecoin_regtest() -> BitcoinRules {
        BitcoinRules { pow: PowHash::Scrypt, limit_bits: 0x207f_ffff, retarget: None, coinbase_maturity: 100 }
    }

    /// Bitcoin's regression test chain.
    pub fn bitcoin_regtest() -> BitcoinRules {
        BitcoinRules { pow: PowHash::Sha256d, ..BitcoinRules::litecoin_regtest() }
    }

    /// Litecoin: 2.5 minutes a block.
    pub fn litecoin() -> BitcoinRules {
        let retarget = Some(Retarget { interval: 2_016, timespan_s: 302_400 });
        BitcoinRules { pow: PowHash::Scrypt, limit_bits: 0x1e0f_ffff, retarget, coinbase_maturity: 100 }
    }

    /// Bitcoin: 10 minutes a block.
    pub fn bitcoin() -> BitcoinRules {
        let retarget = Some(Retarget { interval: 2_016, timespan_s: 1_209_600 });
        BitcoinRules { pow: PowHash::Sha256d, limit_bits: 0x1d00_ffff, retarget, coinbase_maturity: 100 }
    }

    /// Verifies that 80 bytes are a header with a proof of work for the target that it claims. Whether it may
    /// claim that target is [`BitcoinRules::check_in_place`]'s question.
    pub fn header(&self, bytes: &[u8]) -> Result<Header, Lie> {
        let raw = raw_header(bytes)?;
        let target = Target::from_compact(raw.bits);
        let limit = Target::from_compact(CompactTarget::from_consensus(self.limit_bits));
        if target == Target::ZERO || target > limit || !target.is_met_by(self.pow_hash(bytes)) {
            return Err(Lie::ProofOfWork);
        }
        Ok(Header {
            hash: BlockHash(raw.block_hash().to_byte_array()),
            parent: BlockHash(raw.prev_blockhash.to_byte_array()),
            height: None,
            time_s: u64::from(raw.time),
            work: work(target.to_work()),
            bits: raw.bits.to_consensus(),
        })
    }

    fn pow_hash(&self, header: &[u8]) -> bitcoin::BlockHash {
        match self.pow {
            PowHash::Sha256d => bitcoin::BlockHash::hash(header),
            PowHash::Scrypt => {
                let mut hash = [0; 32];
                let params = scrypt::Params::new(10, 1, 1).expect("scrypt's parameters are in bounds");
                scrypt::scrypt(header, header, &params, &mut hash).expect("the output has a legal length");
                bitcoin::BlockHash::from_byte_array(hash)
            }
        }
    }

    /// Whether a header claims the target that its ancestors ask for.
    pub(super) fn check_in_place(&self, header: &Header, tree: &HeaderTree) -> Result<(), Lie> {
        let parent = tree.get(header.parent).ok_or(Lie::HeaderChain)?;
        let is_right = match self.retarget {
            Some(retarget) if (parent.head.height.0 + 1).is_multiple_of(retarget.interval) => {
                self.is_next_target(header.bits, parent, retarget, tree)
            }
            _ => header.bits == parent.bits,
        };
        if is_right { Ok(()) } else { Err(Lie::ProofOfWork) }
    }

    /// Exact where the period's first header is remembered; a factor of four where it is not.
    fn is_next_target(&self, bits: u32, parent: &Placed, retarget: Retarget, tree: &HeaderTree) -> bool {
        let old = CompactTarget::from_consensus(parent.bits);
        let params = self.params(retarget);
        let height = parent.head.height.0 + 1;
        // Litecoin measures the full interval, from the last block of the period before, except in its first period.
        let back = match self.pow {
            PowHash::Scrypt if height != retarget.interval => retarget.interval,
            _ => retarget.interval - 1,
        };
        let first = parent.head.height.0.checked_sub(back).and_then(|at| tree.ancestor(parent.head.hash, Height(at)));
        match first {
            Some(first) => {
                let took_s = parent.time_s.saturating_sub(first.time_s);
                CompactTarget::from_next_work_required(old, took_s, &params).to_consensus() == bits
            }
            None => {
                let (new, old) = (Target::from_compact(CompactTarget::from_consensus(bits)), Target::from_compact(old));
                new >= old.min_transition_threshold() && new <= old.max_transition_threshold(&params)
            }
        }
    }

    fn params(&self, retarget: Retarget) -> Params {
        let mut params = Params::new(Network::Bitcoin);
        params.pow_target_timespan = retarget.timespan_s;
        params.max_attainable_target = Target::from_compact(CompactTarget::from_consensus(self.limit_bits));
        params
    }

    /// Verifies a whole block, of which `head` is agreed, from its bytes.
    pub fn block(&self, head: Head, bytes: &[u8]) -> Result<VerifiedBlock, Lie> {
        let block: Block = deserialize(bytes).map_err(|_| Lie::Transactions)?;
        if block.block_hash().to_byte_array() != head.hash.0 {
            return Err(Lie::HeaderHash);
        }
        if !block.check_merkle_root() || !block.check_witness_commitment() {
            return Err(Lie::Transactions);
        }
        let mut seen = HashSet::new();
        let mut transactions = Vec::with_capacity(block.txdata.len());
        for (at, tx) in block.txdata.iter().enumerate() {
            if tx.is_coinbase() != (at == 0) || !seen.insert(tx.compute_txid()) {
                return Err(Lie::Transactions);
            }
            transactions.push(transaction(tx));
        }
        Ok(VerifiedBlock { head, transactions })
    }

    /// Verifies a proof, as `gettxoutproof` gives it, that the transaction of these bytes is in the block of this
    /// hash. `None` for what no such proof can show: a transaction of 64 bytes.
    pub fn inclusion(&self, block: BlockHash, proof: &[u8], tx: &[u8]) -> Result<Option<ChainTransaction>, Lie> {
        let tx: Transaction = deserialize(tx).map_err(|_| Lie::Inclusion)?;
        if tx.base_size() == 64 {
            return Ok(None);
        }
        let proof: MerkleBlock = deserialize(proof).map_err(|_| Lie::Inclusion)?;
        if proof.header.block_hash().to_byte_array() != block.0 {
            return Err(Lie::HeaderHash);
        }
        let (mut matches, mut places) = (Vec::new(), Vec::new());
        proof.extract_matches(&mut matches, &mut places).map_err(|_| Lie::Inclusion)?;
        if !matches.contains(&tx.compute_txid()) {
            return Err(Lie::Inclusion);
        }
        Ok(Some(transaction(&tx)))
    }

    /// A transaction that is in no block, from what a node says are its bytes. What has another name, or is not read, moves
    /// nothing that is known of.
    pub fn pooled(&self, id: TxId, bytes: &[u8]) -> ChainTransaction {
        let unknown = || ChainTransaction {
            id,
            is_coinbase: false,
            spends: Vec::new(),
            transfers: Vec::new(),
            signers: Vec::new(),
            execution: None,
        };
        self.transaction(bytes).filter(|found| found.id == id).unwrap_or_else(unknown)
    }

    /// A transaction that is in no block yet, from its bytes.
    pub fn transaction(&self, bytes: &[u8]) -> Option<ChainTransaction> {
        deserialize(bytes).ok().map(|tx| transaction(&tx))
    }
}

fn raw_header(bytes: &[u8]) -> Result<RawHeader, Lie> {
    if bytes.len() != HEADER_LEN {
        return Err(Lie::HeaderHash);
    }
    deserialize(bytes).map_err(|_: encode::Error| Lie::HeaderHash)
}

fn transaction(tx: &Transaction) -> ChainTransaction {
    let id = TxId(tx.compute_txid().to_byte_array());
    let is_coinbase = tx.is_coinbase();
    let spends = |input: &bitcoin::TxIn| DepositId {
        tx: TxId(input.previous_output.txid.to_byte_array()),
        output: input.previous_output.vout,
    };
    let transfer = |(output, out): (usize, &bitcoin::TxOut)| Transfer {
        id: DepositId { tx: id, output: output as u32 },
        to: Destination(out.script_pubkey.to_bytes()),
        asset: ChainAsset::Native,
        amount: u128::from(out.value.to_sat()),
    };
    ChainTransaction {
        id,
        is_coinbase,
        spends: if is_coinbase { Vec::new() } else { tx.input.iter().map(spends).collect() },
        transfers: tx.output.iter().enumerate().map(transfer).collect(),
        signers: tx.input.iter().filter_map(signer).collect(),
        execution: None,
    }
}

/// Whose witness public key hash an input spends: its witness is a signature and that key.
fn signer(input: &bitcoin::TxIn) -> Option<Destination> {
    if input.witness.len() != 2 {
        return None;
    }
    let key = CompressedPublicKey::from_slice(input.witness.nth(1)?).ok()?;
    Some(Destination(ScriptBuf::new_p2wpkh(&key.wpubkey_hash()).into_bytes()))
}

/// Expected hashes; what exceeds 128 bits (no chain comes near) counts as the most.
fn work(work: Work) -> u128 {
    let bytes = work.to_be_bytes();
    let (high, low) = bytes.split_at(16);
    if high.iter().any(|b| *b != 0) { u128::MAX } else { u128::from_be_bytes(low.try_into().expect("16 bytes")) }
}

#[cfg(test)]
mod tests;
