//! What is asked of Bitcoin-like nodes, in the names that Bitcoin Core, its forks and Litecoin Core share.

use serde_json::{Value, json};

use super::{RpcClient, Told, absent};
use crate::chain::bitcoin::{BitcoinRules, HEADER_LEN};
use crate::chain::{ChainTransaction, Lie, VerifiedBlock};
use crate::pool::{Failure, Report};
use crate::tree::Header;
use crate::{BlockHash, DepositId, Head, Height, TxId};

/// Bitcoin Core: invalid address or key; of a hash: there is no such block or transaction.
const NOT_FOUND: i64 = -5;

/// The node's head.
pub(crate) async fn report(rpc: &RpcClient) -> Result<Report, Told> {
    let best = rpc.call("getbestblockhash", json!([])).await?;
    let head = best.as_str().and_then(hash_from).ok_or(Told::Failed(Failure::Malformed))?;
    Ok(Report { head: BlockHash(head), finalized: None })
}

/// How high a block is, as the node says.
pub(crate) async fn height(rpc: &RpcClient, hash: BlockHash) -> Result<Height, Told> {
    let known = rpc.call("getblockheader", json!([text(hash.0), true])).await.map_err(absent_by_code)?;
    known["height"].as_u64().map(Height).ok_or(Told::Failed(Failure::Malformed))
}

/// One header, verified.
pub(crate) async fn header(rpc: &RpcClient, rules: &BitcoinRules, hash: BlockHash) -> Result<Header, Told> {
    let raw = rpc.call("getblockheader", json!([text(hash.0), false])).await.map_err(absent_by_code)?;
    let bytes = decode(&raw)?;
    // Litecoin's headers after MWEB are followed by nothing here; Core answers 80 bytes.
    let header = rules.header(bytes.get(..HEADER_LEN).ok_or(Lie::HeaderHash)?)?;
    if header.hash == hash { Ok(header) } else { Err(Lie::HeaderHash.into()) }
}

/// One whole block, verified.
pub(crate) async fn block(rpc: &RpcClient, rules: &BitcoinRules, head: Head) -> Result<VerifiedBlock, Told> {
    let raw = rpc.call_for_block("getblock", json!([text(head.hash.0), 0])).await.map_err(absent_by_code)?;
    Ok(rules.block(head, &decode(&raw)?)?)
}

/// A proof that a transaction of these bytes is in a block, verified.
pub(crate) async fn inclusion(
    rpc: &RpcClient,
    rules: &BitcoinRules,
    block: BlockHash,
    tx: TxId,
) -> Result<ChainTransaction, Told> {
    let (tx, block_text) = (text(tx.0), text(block.0));
    let raw = rpc.call_for_block("getrawtransaction", json!([tx, false, block_text])).await.map_err(absent_by_code)?;
    let proof = rpc.call_for_block("gettxoutproof", json!([[tx], block_text])).await.map_err(absent_by_code)?;
    let shown = rules.inclusion(block, &decode(&proof)?, &decode(&raw)?)?;
    shown.ok_or_else(|| absent("proof of a transaction of 64 bytes"))
}

/// What the node would mine, by name.
pub(crate) async fn pooled(rpc: &RpcClient) -> Result<Vec<TxId>, Told> {
    let names = rpc.call_for_block("getrawmempool", json!([])).await?;
    let names = names.as_array().ok_or(Told::Failed(Failure::Malformed))?;
    let name = |name: &Value| name.as_str().and_then(hash_from).map(TxId).ok_or(Told::Failed(Failure::Malformed));
    names.iter().map(name).collect()
}

/// A transaction in no block. Its bytes have its name; that it will be mined, nothing proves. Of what is not read here there
/// is its name alone: a chain has kinds of transactions that blocks show otherwise, and no node lies by having one.
pub(crate) async fn pooled_transaction(
    rpc: &RpcClient,
    rules: &BitcoinRules,
    tx: TxId,
) -> Result<ChainTransaction, Told> {
    let raw = rpc.call_for_block("getrawtransaction", json!([text(tx.0), false])).await.map_err(absent_by_code)?;
    Ok(rules.pooled(tx, &decode(&raw)?))
}

/// Hands a transaction on. The cap on its fee was ours to keep: the node's own would refuse what an operator allows.
pub(crate) async fn send(rpc: &RpcClient, bytes: &[u8]) -> Result<(), Told> {
    rpc.call("sendrawtransaction", json!([hex::encode(bytes), 0])).await.map(drop)
}

/// Which of these transactions the node has among what it would mine, or on its chain, as far as it remembers that. A
/// transaction of a block that its chain has left has no confirmation.
pub(crate) async fn has(rpc: &RpcClient, txs: &[TxId]) -> Result<Vec<bool>, Told> {
    let calls: Vec<_> = txs.iter().map(|tx| ("getrawtransaction", json!([text(tx.0), true]))).collect();
    let has = |known: Result<Value, Told>| match known {
        Ok(known) => Ok(known["confirmations"].as_u64() != Some(0) || known["blockhash"].is_null()),
        Err(Told::Refused { code: NOT_FOUND, .. }) => Ok(false),
        Err(told) => Err(told),
    };
    rpc.batch_each(&calls).await?.into_iter().map(has).collect()
}

/// The node's head, and of each output whether nothing has spent it there. A block that came in between is no answer.
pub(crate) async fn unspent(rpc: &RpcClient, outputs: &[DepositId]) -> Result<(BlockHash, Vec<bool>), Told> {
    let best = || ("getbestblockhash", json!([]));
    let output = |it: &DepositId| ("gettxout", json!([text(it.tx.0), it.output, false]));
    let calls: Vec<_> =
        std::iter::once(best()).chain(outputs.iter().map(output)).chain(std::iter::once(best())).collect();
    let results = rpc.batch(&calls).await?;
    match &results[..] {
        [before, found @ .., after] if before == after && found.len() == outputs.len() => {
            let head = before.as_str().and_then(hash_from).ok_or(Told::Failed(Failure::Malformed))?;
            Ok((BlockHash(head), found.iter().map(|found| !found.is_null()).collect()))
        }
        _ => Err(absent("one head for all outputs")),
    }
}

/// What the node would pay per 1,000 virtual bytes: for one of the next two blocks, and at least what it takes at all.
pub(crate) async fn fee(rpc: &RpcClient) -> Result<u128, Told> {
    let calls = [("estimatesmartfee", json!([2])), ("getmempoolinfo", json!([]))];
    let results = rpc.batch(&calls).await?;
    let [estimate, mempool] = &results[..] else { return Err(Told::Failed(Failure::Malformed)) };
    let least = units(&mempool["mempoolminfee"]).ok_or(Told::Failed(Failure::Malformed))?;
    Ok(units(&estimate["feerate"]).unwrap_or(0).max(least))
}

/// An estimate in coins, as units. It is a guess, so what rounding takes does not matter.
fn units(coins: &Value) -> Option<u128> {
    let units = coins.as_f64()? * 1e8;
    (0.0..1e15).contains(&units).then(|| units.ceil() as u128)
}

fn absent_by_code(told: Told) -> Told {
    match told {
        Told::Refused { code: NOT_FOUND, .. } => absent("block or transaction"),
        told => told,
    }
}

fn decode(raw: &Value) -> Result<Vec<u8>, Told> {
    raw.as_str().and_then(|raw| hex::decode(raw).ok()).ok_or(Told::Failed(Failure::Malformed))
}

/// Bitcoin prints hashes backwards.
fn text(hash: [u8; 32]) -> String {
    hex::encode(hash.iter().rev().copied().collect::<Vec<u8>>())
}

fn hash_from(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    hash.reverse();
    Some(hash)
}
