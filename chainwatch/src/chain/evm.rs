//! EVM chains: a header's hash covers its roots, the roots cover every transaction and receipt. Formats are those of
//! the execution specifications (EIP-2718 envelopes, RLP, hexary tries); which headers are final is the consensus
//! layer's word and comes from the agreement of nodes.

use std::sync::LazyLock;

use alloy_consensus::{Header as RawHeader, ReceiptEnvelope, Transaction, TxEnvelope};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Log, TxKind, b256, keccak256};
use alloy_trie::root::ordered_trie_root_with_encoder;
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use bitcoin::secp256k1::{Message, Secp256k1, VerifyOnly};
use serde::Deserialize;
use serde_json::Value;

use super::{ChainAsset, ChainTransaction, Destination, Execution, Lie, Transfer, VerifiedBlock};
use crate::tree::Header;
use crate::{BlockHash, DepositId, Head, Height, TxId};

/// `keccak256("Transfer(address,address,uint256)")`.
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// The rules of one chain.
#[derive(Debug, Clone)]
pub struct EvmRules {
    /// EIP-155: a node of another chain is a liar, however alike its blocks are.
    pub chain_id: u64,
}

impl EvmRules {
    /// Verifies the header in an answer to `eth_getBlockBy…`: its fields hash to the hash that it states.
    pub fn header(&self, block: &Value) -> Result<Header, Lie> {
        let stated = block.get("hash").and_then(Value::as_str).ok_or(Lie::HeaderHash)?;
        let (raw, hash) = raw_header(block)?;
        if stated.parse::<B256>().ok() != Some(hash) {
            return Err(Lie::HeaderHash);
        }
        Ok(Header {
            hash: BlockHash(hash.0),
            parent: BlockHash(raw.parent_hash.0),
            height: Some(Height(raw.number)),
            time_s: raw.timestamp,
            work: 0,
            bits: 0,
        })
    }

    /// Verifies a whole block, of which `head` is agreed, from the answers to `eth_getBlockByHash` with full
    /// transactions and `eth_getBlockReceipts`.
    pub fn block(&self, head: Head, block: &Value, receipts: &Value) -> Result<VerifiedBlock, Lie> {
        let (raw, hash) = raw_header(block)?;
        if hash.0 != head.hash.0 {
            return Err(Lie::HeaderHash);
        }
        let envelopes = self.transactions(&raw, block)?;
        let receipts = verified_receipts(&raw, receipts, envelopes.len())?;
        let mut used_before = 0;
        let transactions = envelopes.iter().zip(&receipts).map(|(tx, receipt)| {
            let used = receipt.cumulative_gas_used();
            let gas = used.saturating_sub(std::mem::replace(&mut used_before, used));
            transaction(&raw, tx, receipt, gas)
        });
        let transactions = transactions.collect();
        Ok(VerifiedBlock { head, transactions })
    }

    /// What is in a block that a node would make, by names that are computed here: coins alone, because nobody knows before
    /// what a contract will say.
    pub fn pooled(&self, block: &Value) -> Vec<ChainTransaction> {
        let list = block.get("transactions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let parsed = list.iter().filter_map(|tx| TxEnvelope::deserialize(tx).ok());
        let own = parsed.filter(|tx| tx.chain_id().is_none_or(|id| id == self.chain_id));
        let pooled = own.map(|tx| {
            let id = transaction_id(&tx);
            let signers = sender(&tx).map(destination).into_iter().collect();
            let transfers = coins_moved(id, &tx).into_iter().collect();
            ChainTransaction { id, is_coinbase: false, spends: Vec::new(), transfers, signers, execution: None }
        });
        pooled.collect()
    }

    fn transactions(&self, header: &RawHeader, block: &Value) -> Result<Vec<TxEnvelope>, Lie> {
        let list = block.get("transactions").and_then(Value::as_array).ok_or(Lie::Transactions)?;
        let parse = |tx: &Value| TxEnvelope::deserialize(tx).map_err(|_| Lie::Transactions);
        let envelopes = list.iter().map(parse).collect::<Result<Vec<TxEnvelope>, Lie>>()?;
        let root = ordered_trie_root_with_encoder(&envelopes, |tx, out| tx.encode_2718(out));
        if root != header.transactions_root {
            return Err(Lie::Transactions);
        }
        let foreign = |tx: &TxEnvelope| tx.chain_id().is_some_and(|id| id != self.chain_id);
        if envelopes.iter().any(foreign) { Err(Lie::WrongChain) } else { Ok(envelopes) }
    }
}

fn raw_header(block: &Value) -> Result<(RawHeader, B256), Lie> {
    let raw = RawHeader::deserialize(block).map_err(|_| Lie::HeaderHash)?;
    let hash = raw.hash_slow();
    Ok((raw, hash))
}

fn verified_receipts(header: &RawHeader, receipts: &Value, expected: usize) -> Result<Vec<ReceiptEnvelope>, Lie> {
    let list = receipts.as_array().ok_or(Lie::Receipts)?;
    let parse = |receipt: &Value| ReceiptEnvelope::deserialize(receipt).map_err(|_| Lie::Receipts);
    let receipts = list.iter().map(parse).collect::<Result<Vec<ReceiptEnvelope>, Lie>>()?;
    let root = ordered_trie_root_with_encoder(&receipts, |receipt, out| receipt.encode_2718(out));
    if root != header.receipts_root || receipts.len() != expected { Err(Lie::Receipts) } else { Ok(receipts) }
}

fn transaction(header: &RawHeader, tx: &TxEnvelope, receipt: &ReceiptEnvelope, gas: u64) -> ChainTransaction {
    let id = transaction_id(tx);
    let mut transfers = Vec::new();
    if receipt.status() {
        transfers.extend(coins_moved(id, tx));
        let tokens = receipt.logs().iter().enumerate();
        transfers.extend(tokens.filter_map(|(at, log)| token_transfer(id, at as u32 + 1, log)));
    }
    let execution = Execution {
        nonce: tx.nonce(),
        network_fee: tx.effective_gas_price(header.base_fee_per_gas).saturating_mul(gas.into()),
        is_undone: has_moved_nothing(tx, receipt),
    };
    let signers = sender(tx).map(destination).into_iter().collect();
    ChainTransaction { id, is_coinbase: false, spends: Vec::new(), transfers, signers, execution: Some(execution) }
}

fn transaction_id(tx: &TxEnvelope) -> TxId {
    let mut encoded = Vec::with_capacity(tx.encode_2718_len());
    tx.encode_2718(&mut encoded);
    TxId(keccak256(&encoded).0)
}

/// The coins that a transaction itself moves, if it succeeds.
fn coins_moved(id: TxId, tx: &TxEnvelope) -> Option<Transfer> {
    let amount = u128::try_from(tx.value()).unwrap_or(u128::MAX);
    let TxKind::Call(to) = tx.kind() else { return None };
    let id = DepositId { tx: id, output: 0 };
    (amount > 0).then(|| Transfer { id, to: destination(to), asset: ChainAsset::Native, amount })
}

/// A token may answer that it has not moved anything, and succeed: then it says of no transfer either.
fn has_moved_nothing(tx: &TxEnvelope, receipt: &ReceiptEnvelope) -> bool {
    let of_called = |log: &Log| tx.kind().to() == Some(&log.address) && log.topics().first() == Some(&TRANSFER);
    !receipt.status() || (tx.value().is_zero() && !receipt.logs().iter().any(of_called))
}

/// Who has signed; `None` of a signature that is none.
fn sender(tx: &TxEnvelope) -> Option<Address> {
    let (signature, hash) = (tx.signature(), tx.signature_hash());
    let recovery = RecoveryId::from_i32(i32::from(signature.v())).ok()?;
    let compact = [signature.r().to_be_bytes::<32>(), signature.s().to_be_bytes::<32>()].concat();
    let signature = RecoverableSignature::from_compact(&compact, recovery).ok()?;
    let key = VERIFIER.recover_ecdsa(&Message::from_digest(hash.0), &signature).ok()?;
    Some(Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..]))
}

/// Its tables take a moment to make.
static VERIFIER: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// ERC-20's `Transfer`: two indexed addresses and one amount. ERC-721's has three indexed values and no data.
fn token_transfer(tx: TxId, output: u32, log: &Log) -> Option<Transfer> {
    let [TRANSFER, _, to] = *log.topics() else { return None };
    let amount: [u8; 32] = log.data.data.as_ref().try_into().ok()?;
    let (high, low) = amount.split_at(16);
    let amount = u128::from_be_bytes(low.try_into().ok()?);
    if high.iter().any(|b| *b != 0) || to[..12].iter().any(|b| *b != 0) {
        return None;
    }
    let asset = ChainAsset::Token(log.address.0.0);
    Some(Transfer { id: DepositId { tx, output }, to: destination(Address::from_word(to)), asset, amount })
}

fn destination(address: Address) -> Destination {
    Destination(address.0.to_vec())
}

#[cfg(test)]
mod tests;
